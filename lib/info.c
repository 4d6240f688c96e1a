// SPDX-License-Identifier: LGPL-2.1-or-later
/* What library and driver are. Any thread. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "handle.h"

const char *systrace_version(void)
{
	return SYSTRACE_VERSION;
}

int systrace_info(struct systrace_info *info)
{
	struct systrace st = { .fd = open(SYSTRACE_DEVICE, O_RDWR | O_CLOEXEC) };
	int ret;

	if (st.fd < 0)
		return -errno;
	*info = (struct systrace_info){ .size = sizeof(*info) };
	ret = systrace_ioctl(&st, SYSTRACE_IOC_INFO, info);
	close(st.fd);
	return ret == -ENOTTY ? -EPROTO : ret;
}
