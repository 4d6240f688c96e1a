// SPDX-License-Identifier: GPL-2.0-only
/* Two probes that do nothing: what anything costs that is built on these tracepoints. */
#include <linux/module.h>
#include <linux/tracepoint.h>
#include <trace/events/syscalls.h>

static struct tracepoint *entry, *exit;

static void probe_entry(void *data, struct pt_regs *regs, long id)
{
}

static void probe_exit(void *data, struct pt_regs *regs, long result)
{
}

static void find(struct tracepoint *tracepoint, void *unused)
{
	if (!strcmp(tracepoint->name, "sys_enter"))
		entry = tracepoint;
	else if (!strcmp(tracepoint->name, "sys_exit"))
		exit = tracepoint;
}

static int __init null_init(void)
{
	int err;

	check_trace_callback_type_sys_enter(probe_entry);
	check_trace_callback_type_sys_exit(probe_exit);
	for_each_kernel_tracepoint(find, NULL);
	if (!entry || !exit)
		return -ENOENT;
	err = tracepoint_probe_register(entry, probe_entry, NULL);
	if (err)
		return err;
	err = tracepoint_probe_register(exit, probe_exit, NULL);
	if (err)
		tracepoint_probe_unregister(entry, probe_entry, NULL);
	return err;
}

static void __exit null_exit(void)
{
	tracepoint_probe_unregister(exit, probe_exit, NULL);
	tracepoint_probe_unregister(entry, probe_entry, NULL);
	tracepoint_synchronize_unregister();
}

module_init(null_init);
module_exit(null_exit);
MODULE_DESCRIPTION("Empty probes on sys_enter and sys_exit");
MODULE_LICENSE("GPL");
