// SPDX-License-Identifier: GPL-2.0-only
/*
 * Of how many tasks the kernel leads the system calls by sys_enter and sys_exit, and how many
 * there are: /sys/module/flags/parameters/flagged. Threads of the kernel are left out.
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/thread_info.h>

static bool is_flagged(struct task_struct *task)
{
#ifdef SYSCALL_WORK_SYSCALL_TRACEPOINT
	return test_task_syscall_work(task, SYSCALL_TRACEPOINT);
#else
	return test_tsk_thread_flag(task, TIF_SYSCALL_TRACEPOINT);
#endif
}

static int get_flagged(char *buffer, const struct kernel_param *param)
{
	struct task_struct *process, *task;
	unsigned int flagged = 0, all = 0;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (task->flags & (PF_KTHREAD | PF_EXITING))
			continue;
		flagged += is_flagged(task);
		all++;
	}
	rcu_read_unlock();
	return scnprintf(buffer, PAGE_SIZE, "%u %u\n", flagged, all);
}

static const struct kernel_param_ops ops = { .get = get_flagged };

module_param_cb(flagged, &ops, NULL, 0444);
MODULE_DESCRIPTION("Tasks whose system calls come to tracepoints");
MODULE_LICENSE("GPL");
