// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "attachment.h"
#include "device.h"
#include "policy.h"
#include "probe.h"
#include "session.h"
#include "slot.h"

static int __init systrace_init(void)
{
	int err;

	systrace_policy_init();
	systrace_slot_init();
	err = systrace_probes_init();
	if (err)
		return err;
	err = systrace_attachments_init();
	if (err)
		goto err_probes;
	err = systrace_sessions_init();
	if (err)
		goto err_attachments;
	err = systrace_device_init();
	if (err)
		goto err_sessions;
	return 0;

err_sessions:
	systrace_sessions_exit();
err_attachments:
	systrace_attachments_exit();
err_probes:
	systrace_probes_exit();
	return err;
}

/* No file is open, so there is no session, no attachment, no probe. */
static void __exit systrace_exit(void)
{
	systrace_device_exit();
	systrace_sessions_exit();
	systrace_probes_exit();
	systrace_attachments_exit();
}

module_init(systrace_init);
module_exit(systrace_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("System call tracing of process trees, in exact order");
