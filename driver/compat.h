/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel versions, and nothing else: the driver is written for the newest
 * kernel, and this file maps it backward. No other file tests a version.
 */
#ifndef SYSTRACE_COMPAT_H
#define SYSTRACE_COMPAT_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_trace.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/thread_info.h>
#include <linux/version.h>
#ifdef SYSTRACE_EXEC_STATE	/* see Kbuild */
#include <linux/sched/exec_state.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "systrace needs Linux 5.10 or newer"
#endif

/* This tracepoint's last parameter came. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define SYSTRACE_EXIT_PROTO	struct task_struct *task, bool group_dead
#else
#define SYSTRACE_EXIT_PROTO	struct task_struct *task
#endif

/* u64 or unsigned long, whichever this kernel's callbacks of task_newtask take */
#define SYSTRACE_CLONE_FLAGS						\
	typeof(__builtin_choose_expr(__builtin_types_compatible_p(	\
		typeof(check_trace_callback_type_task_newtask),		\
		void (void (*)(void *, struct task_struct *, u64))), (u64)0, 0UL))
#define SYSTRACE_NEWTASK_PROTO	struct task_struct *child, SYSTRACE_CLONE_FLAGS clone_flags

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#define may_split		split
/* A page accounted to a cgroup cannot be mapped to user space before. */
#define SYSTRACE_GFP_MAPPED	GFP_KERNEL
#else
#define SYSTRACE_GFP_MAPPED	GFP_KERNEL_ACCOUNT
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* Around each probe: preemption off. Until they came to sleep, tracepoints saw to that. */
static __always_inline void systrace_probe_begin(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	preempt_disable_notrace();
#endif
}

static __always_inline void systrace_probe_end(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	preempt_enable_notrace();
#endif
}

/* Around a look at a tracepoint's list of probes: those of sys_enter and sys_exit */
static inline void systrace_tracepoint_read_lock(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	rcu_read_lock_trace();
#else
	preempt_disable_notrace();
#endif
}

static inline void systrace_tracepoint_read_unlock(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	rcu_read_unlock_trace();
#else
	preempt_enable_notrace();
#endif
}

/* By which a task's calls come to sys_enter and sys_exit */
static inline void systrace_set_syscall_flag(struct task_struct *task)
{
#ifdef SYSCALL_WORK_SYSCALL_TRACEPOINT
	set_task_syscall_work(task, SYSCALL_TRACEPOINT);
#else
	set_tsk_thread_flag(task, TIF_SYSCALL_TRACEPOINT);
#endif
}

static inline void systrace_clear_syscall_flag(struct task_struct *task)
{
#ifdef SYSCALL_WORK_SYSCALL_TRACEPOINT
	clear_task_syscall_work(task, SYSCALL_TRACEPOINT);
#else
	clear_tsk_thread_flag(task, TIF_SYSCALL_TRACEPOINT);
#endif
}

static inline bool systrace_test_syscall_flag(struct task_struct *task)
{
#ifdef SYSCALL_WORK_SYSCALL_TRACEPOINT
	return test_task_syscall_work(task, SYSCALL_TRACEPOINT);
#else
	return test_tsk_thread_flag(task, TIF_SYSCALL_TRACEPOINT);
#endif
}

/* Threads that live in the kernel: they make no system calls. */
#ifdef PF_USER_WORKER
#define SYSTRACE_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER)
#else
#define SYSTRACE_PF_WORKER	(PF_KTHREAD | PF_IO_WORKER)
#endif

/*
 * The pid of a pidfd, as long as the file is held; NULL if it is none. The kernel does
 * not tell modules; but only it can make files on these file systems, and it gives
 * the name to no other.
 */
static inline struct pid *systrace_pidfd_pid(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	return dentry->d_sb->s_magic == PID_FS_MAGIC ? file_inode(file)->i_private : NULL;
#else
	if (dentry->d_sb->s_magic != ANON_INODE_FS_MAGIC ||
	    strcmp(dentry->d_name.name, "[pidfd]"))
		return NULL;
	return file->private_data;
#endif
}

/*
 * Which user namespace must admit to the memory of task, and may its user see that? NULL
 * if there is none. Under task_lock and rcu_read_lock, or by the task itself.
 */
static inline struct user_namespace *systrace_memory_ns(struct task_struct *task, bool *dumpable)
{
#ifdef SYSTRACE_EXEC_STATE
	struct task_exec_state *state = rcu_dereference_check(task->exec_state, task == current);

	*dumpable = READ_ONCE(state->dumpable) == TASK_DUMPABLE_OWNER;
	return state->user_ns;
#else
	*dumpable = !task->mm || get_dumpable(task->mm) == SUID_DUMP_USER;
	return task->mm ? task->mm->user_ns : NULL;
#endif
}

/* A reference to the program file of an mm that cannot go; NULL if it has none. */
static inline struct file *systrace_exe_file(struct mm_struct *mm)
{
	struct file *file;

	rcu_read_lock();
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	file = get_file_rcu(&mm->exe_file);
#else
	file = rcu_dereference(mm->exe_file);
	if (file && !get_file_rcu(file))
		file = NULL;
#endif
	rcu_read_unlock();
	return file;
}

#endif
