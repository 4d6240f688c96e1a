// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who registers a probe where ours are already is not announced: the kernel sets the flag for the
 * first probe only. So the functions by which probes are registered have a kretprobe, whose
 * handler comes before they do anything: it ends the masking and sets the flag on all
 * tasks, so that it is there before the other's probe is.
 *
 *	who registers				who clears a task's flag
 *
 *	    lock; masked = false; unlock	    lock
 *	    full barrier			    if masked, and it is not attached: clear it
 *	    set it on all tasks			    unlock
 *
 *						fork
 *						    copy it to the child
 *						    the child is on the task list
 *						    full barrier
 *						    unless masked: set it on the child
 *
 * The lock is for the first pair, the barriers are for the second: either the walk finds the
 * child, or fork another `masked`.
 *
 * Masked again is only by the work below, once the lists of probes have but ours and nobody is
 * in the middle of registering one: who is has been counted in `pending` before, and has in the
 * end put its probe on the list. Who comes in after the work has looked has changed `announced`.
 *
 * The work also sees others whom no kretprobe told of: kprobes can be turned off.
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "attachment.h"
#include "compat.h"
#include "mask.h"

/* On RT the walk over all tasks in a handler would be too long. */
static bool mask = !IS_ENABLED(CONFIG_PREEMPT_RT);
module_param(mask, bool, 0444);
MODULE_PARM_DESC(mask, "untraced tasks pay nothing for system calls, as long as there is no other tracer (default: true, but on PREEMPT_RT)");

#define CHECK_MS	100
#define REGISTERING	64	/* at a time; who is not counted is missed, and ends it all */

static struct systrace_mask_point points[SYSTRACE_MASK_POINTS];
static bool able;		/* there are kretprobes; constant after init */
static bool running;		/* from begin to end, whose last walk it has */

/*
 * Innermost: taken under session->lock with interrupts off, by the work, by the fork probe, and
 * by the handler below, which some kernels run like an NMI. Nobody who has it comes to a
 * function with such a handler.
 */
static DEFINE_RAW_SPINLOCK(lock);
static bool masked;		/* flags may be cleared; under lock */
static u32 announced;		/* who came to register a probe; under lock */
static atomic_t pending;	/* of them, who is at it */

static bool attached(const struct task_struct *task)
{
	struct systrace_attachment *a;

	systrace_for_each_attachment(a, task)
		return true;
	return false;
}

static void clear(struct task_struct *task)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	if (masked && !attached(task))
		systrace_clear_syscall_flag(task);
	raw_spin_unlock_irqrestore(&lock, flags);
}

static void set_all(void)
{
	struct task_struct *process, *task;

	rcu_read_lock();
	for_each_process_thread(process, task)
		systrace_set_syscall_flag(task);
	rcu_read_unlock();
}

static void clear_all(void)
{
	struct task_struct *process, *task;

	rcu_read_lock();
	for_each_process_thread(process, task)
		clear(task);
	rcu_read_unlock();
}

static void unmask(bool announce)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	WRITE_ONCE(masked, false);
	announced += announce;
	raw_spin_unlock_irqrestore(&lock, flags);
	smp_mb();	/* pairs with the fork probe's */
	if (READ_ONCE(running))	/* if not, nobody's flag is cleared */
		set_all();
}

/* ------------------------------------------------------- who else is there --- */

static bool is_point(const void *tracepoint, const void *probe)
{
	int i;

	for (i = 0; i < SYSTRACE_MASK_POINTS; i++)
		if (points[i].tracepoint == tracepoint && points[i].probe != probe)
			return true;
	return false;
}

/* At the entry of a function that registers a probe. Not 0: not one of another here. */
static int begins(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	if (!is_point((void *)regs_get_kernel_argument(regs, 0),
		      (void *)regs_get_kernel_argument(regs, 1)))
		return 1;
	atomic_inc(&pending);
	unmask(true);
	return 0;
}

static int ends(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	atomic_dec_return_release(&pending);	/* its probe is on the list, if it got there */
	return 0;
}

#define WATCH(function)									\
	{ .kp.symbol_name = (function), .entry_handler = begins, .handler = ends,	\
	  .maxactive = REGISTERING }

static struct kretprobe watches[] = {
	WATCH("tracepoint_probe_register"),
	WATCH("tracepoint_probe_register_prio"),
	WATCH("tracepoint_probe_register_prio_may_exist"),	/* since 5.14 */
};

static bool all_watched(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(watches); i++)
		if (data_race(watches[i].nmissed || watches[i].kp.nmissed)) /* they only rise */
			return false;
	return true;
}

static bool ours_alone(const struct systrace_mask_point *point)
{
	const struct tracepoint_func *func;
	bool ours = true;

	systrace_tracepoint_read_lock();
	func = rcu_dereference_raw(point->tracepoint->funcs);	/* by that lock */
	for (; func && func->func; func++)
		ours &= data_race(func->func) == point->probe; /* or a stub's, if memory ran out */
	systrace_tracepoint_read_unlock();
	return ours;
}

static bool alone(void)
{
	return ours_alone(&points[0]) && ours_alone(&points[1]);
}

/* True if nobody is registering a probe: *count is who has until now. */
static bool nobody_registers(u32 *count)
{
	bool nobody;

	raw_spin_lock_irq(&lock);
	*count = announced;
	nobody = !atomic_read_acquire(&pending);	/* pairs with `ends` */
	raw_spin_unlock_irq(&lock);
	return nobody;
}

/* Unless one has come since that count */
static bool begin_mask(u32 count)
{
	bool nobody_came;

	raw_spin_lock_irq(&lock);
	nobody_came = announced == count;
	if (nobody_came)
		WRITE_ONCE(masked, true);
	raw_spin_unlock_irq(&lock);
	return nobody_came;
}

static void look_around(void)
{
	u32 count;

	if (READ_ONCE(masked)) {
		if (!alone() || !all_watched())
			unmask(false);
	} else if (all_watched() && nobody_registers(&count) && alone() && begin_mask(count)) {
		clear_all();
	}
}

static void check(struct work_struct *work)
{
	look_around();
	schedule_delayed_work(to_delayed_work(work), msecs_to_jiffies(CHECK_MS));
}

static DECLARE_DELAYED_WORK(check_work, check);

/* ---------------------------------------------------------------- tasks --- */

void systrace_mask_attached(struct task_struct *task)
{
	unsigned long flags;

	if (!able)
		return;
	raw_spin_lock_irqsave(&lock, flags);	/* who clears it has had it before, or sees us */
	if (READ_ONCE(running))
		systrace_set_syscall_flag(task);
	raw_spin_unlock_irqrestore(&lock, flags);
}

void systrace_mask_detached(struct task_struct *task)
{
	/* One that exits makes no call any more. */
	if (able && !(systrace_task_flags(task) & PF_EXITING))
		clear(task);
}

void systrace_mask_fork(struct task_struct *child)
{
	if (!READ_ONCE(running))
		return;
	if (!READ_ONCE(masked))
		systrace_set_syscall_flag(child);
	else if (systrace_test_syscall_flag(child))
		clear(child);
}

/* ------------------------------------------------------------- begin, end --- */

void systrace_mask_begin(void)
{
	if (!able)
		return;
	WRITE_ONCE(running, true);
	check(&check_work.work);
}

void systrace_mask_end(void)
{
	if (!able)
		return;
	cancel_delayed_work_sync(&check_work);
	unmask(false);
	/*
	 * A child that was forked meanwhile can have been found before its parent's flag was
	 * copied: that is a section with interrupts off. All that come later have a parent with it.
	 */
	synchronize_rcu();
	set_all();
	WRITE_ONCE(running, false);
	synchronize_rcu();	/* no probe sets a flag any more: the kernel's word is the last */
}

enum systrace_mask systrace_mask_state(void)
{
	if (!able)
		return SYSTRACE_MASK_OFF;
	if (!READ_ONCE(running))
		return SYSTRACE_MASK_IDLE;
	return READ_ONCE(masked) ? SYSTRACE_MASK_ACTIVE : SYSTRACE_MASK_OTHERS;
}

static int watch(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(watches); i++) {
		err = register_kretprobe(&watches[i]);
		if (err == -ENOENT && i == ARRAY_SIZE(watches) - 1)
			return 0;
		if (err) {
			while (i--)
				unregister_kretprobe(&watches[i]);
			return err;
		}
	}
	return 0;
}

void systrace_mask_init(const struct systrace_mask_point p[SYSTRACE_MASK_POINTS])
{
	int err;

	memcpy(points, p, sizeof(points));
	if (!mask)
		return;
	err = watch();
	if (err)
		pr_info("no kretprobes (%d): untraced tasks pay while others are traced\n", err);
	able = !err;
}

void systrace_mask_exit(void)
{
	unsigned int i;

	if (!able)
		return;
	for (i = 0; i < ARRAY_SIZE(watches); i++)
		if (watches[i].kp.addr)
			unregister_kretprobe(&watches[i]);
}
