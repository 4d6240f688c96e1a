// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each probe looks up the attachments of the task it runs in, all with
 * preemption off, which also is the RCU read section that keeps them and their
 * sessions.
 */
#include <linux/binfmts.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/tracepoint.h>
#include <asm/syscall.h>
#include <trace/events/cgroup.h>
#include <trace/events/sched.h>
#include <trace/events/signal.h>
#include <trace/events/syscalls.h>
#include <trace/events/task.h>

#include "access.h"
#include "arch.h"
#include "attachment.h"
#include "block.h"
#include "cgroup.h"
#include "compat.h"
#include "mask.h"
#include "policy.h"
#include "probe.h"
#include "record.h"
#include "slot.h"

static void enter(struct systrace_attachment *a, struct pt_regs *regs, u8 abi, s32 nr)
{
	u8 what = systrace_policy_entry(rcu_dereference_sched(a->session->policy), abi, nr);
	unsigned long args[SYSTRACE_ARGS];

	if (!(what & SYSTRACE_POLICY_ENTER))
		return;
	syscall_get_arguments(current, regs, args);
	systrace_record_enter(a, abi, nr, what & SYSTRACE_POLICY_NARGS, args);
}

/*
 * An armed task's execve is kept aside until it is known to succeed: by then
 * its registers are gone.
 */
static void keep_execve(struct systrace_attachment *a, struct pt_regs *regs, u8 abi, s32 nr)
{
	struct systrace_armed *armed = a->armed;
	u8 what = systrace_policy_entry(rcu_dereference_sched(a->session->policy), abi, nr);

	if (!systrace_arch_is_execve(abi, nr))
		return;
	armed->abi = abi;
	armed->nr = nr;
	armed->nargs = what & SYSTRACE_POLICY_NARGS;
	armed->wanted = what & SYSTRACE_POLICY_ENTER;
	syscall_get_arguments(current, regs, armed->args);
}

static void leave(struct systrace_attachment *a, u8 abi, s32 nr, long result)
{
	u8 what = systrace_policy_entry(rcu_dereference_sched(a->session->policy), abi, nr);

	if (what & SYSTRACE_POLICY_RETURN)
		systrace_record_return(a, abi, nr, result);
	systrace_block_exit(a);
}

/* The long way. The slot is this CPU's. */
static noinline void enter_all(struct systrace_slot *slot, struct pt_regs *regs)
{
	struct systrace_attachment *a;
	s32 nr = syscall_get_nr(current, regs);
	u8 abi = systrace_arch_abi(&nr);
	int epoch = systrace_slot_begin();

	systrace_for_each_attachment(a, current) {
		if (likely(systrace_attachment_live(a)))
			enter(a, regs, abi, nr);
		else if (READ_ONCE(a->stage) == SYSTRACE_WAITING)
			keep_execve(a, regs, abi, nr);
	}
	systrace_slot_fill(slot, regs, epoch);
}

static noinline void exit_all(struct systrace_slot *slot, struct pt_regs *regs, long result)
{
	struct systrace_attachment *a;
	s32 nr = syscall_get_nr(current, regs);
	u8 abi = systrace_arch_return_abi(regs, &nr);
	int epoch = systrace_slot_begin();

	systrace_for_each_attachment(a, current)
		if (likely(systrace_attachment_live(a)))
			leave(a, abi, nr, result);
	systrace_slot_fill(slot, regs, epoch);
}

/*
 * After an entry of the slot has had its event in a way that is not the usual one, the further
 * ones. Whatever is not usual is in functions that others end with, so that those have
 * nothing to save.
 */
static notrace void enter_further(struct systrace_slot_entry *entry, struct pt_regs *regs);
static notrace void exit_further(struct systrace_slot_entry *entry, struct pt_regs *regs);

/* There is no room by the limit; or the policy wants one of its events alone: no slot has that. */
static noinline void enter_anyhow(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	unsigned long nr = systrace_slot_nr(syscall_get_nr(current, regs));

	if (entry->calls->nargs[nr] == SYSTRACE_POLICY_OTHER)
		systrace_slot_empty(entry->a);
	else
		entry->nr = nr;		/* its RETURN is for the slot, too */
	enter(entry->a, regs, SYSTRACE_ARCH_ABI_FIRST, nr);
	systrace_slot_limit(entry->session, entry->cpu);
	if (entry->enter_more)
		enter_further(entry + 1, regs);
}

static noinline void enter_wakes(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	systrace_wake_needed(entry->session, entry->cpu);
	if (entry->enter_more)
		enter_further(entry + 1, regs);
}

static noinline notrace void enter_notices(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	if (unlikely(data_race(entry->cpu->need)))	/* [G] */
		enter_wakes(entry, regs);
	else if (entry->enter_more)
		enter_further(entry + 1, regs);
}

static noinline notrace void enter_further(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	unsigned long nr = systrace_slot_nr(syscall_get_nr(current, regs));
	u16 notice = 0;

	if (unlikely(!systrace_slot_enter(entry, regs, nr, &notice)))
		enter_anyhow(entry, regs);
	else if (notice)
		enter_notices(entry, regs);
}

/* There is no room by the limit for the RETURN of the call that was noted. */
static noinline void exit_anyhow(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	leave(entry->a, SYSTRACE_ARCH_ABI_FIRST, syscall_get_nr(current, regs),
	      syscall_get_return_value(current, regs));
	systrace_slot_limit(entry->session, entry->cpu);
	if (entry->exit_more)
		exit_further(entry + 1, regs);
}

static noinline void exit_wakes(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	systrace_wake_needed(entry->session, entry->cpu);
	if (entry->exit_more)
		exit_further(entry + 1, regs);
}

static noinline notrace void exit_notices(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	if (unlikely(data_race(entry->cpu->need)))	/* [G] */
		exit_wakes(entry, regs);
	else if (entry->exit_more)
		exit_further(entry + 1, regs);
}

static noinline notrace void exit_further(struct systrace_slot_entry *entry, struct pt_regs *regs)
{
	long result = syscall_get_return_value(current, regs);
	u16 notice = 0;

	if (unlikely(!systrace_slot_exit(entry, regs, result, &notice)))
		exit_anyhow(entry, regs);
	else if (notice)
		exit_notices(entry, regs);
}

/* Not as the first entry says; so nothing of any is done. */
static noinline void exit_otherwise(struct systrace_slot *slot, struct pt_regs *regs, long result)
{
	if (slot->entry->nr == (u32)syscall_get_nr(current, regs))
		exit_anyhow(slot->entry, regs);
	else
		exit_all(slot, regs, result);
}

static __always_inline void sys_enter(struct pt_regs *regs, unsigned long nr)
{
	struct systrace_slot *slot = systrace_slot_here();
	u16 notice = 0;

	/* Another may be emptying it: see slot.c. */
	if (likely(data_race(slot->enter) == regs && systrace_slot_takes(&nr))) {
		if (unlikely(!systrace_slot_enter(slot->entry, regs, nr, &notice)))
			enter_anyhow(slot->entry, regs);
		else if (unlikely(notice))
			enter_notices(slot->entry, regs);
	} else if (systrace_attached(current)) {
		enter_all(slot, regs);
	}
}

static __always_inline void sys_exit(struct pt_regs *regs, long result)
{
	struct systrace_slot *slot = systrace_slot_here();
	u16 notice = 0;

	/* Another may be emptying it: see slot.c. */
	if (likely(data_race(slot->exit) == regs)) {
		if (unlikely(!systrace_slot_exit(slot->entry, regs, result, &notice)))
			exit_otherwise(slot, regs, result);
		else if (unlikely(notice))
			exit_notices(slot->entry, regs);
	} else if (systrace_attached(current)) {
		exit_all(slot, regs, result);
	}
}

static notrace void probe_sys_enter(void *data, struct pt_regs *regs, long id)
{
	systrace_probe_begin();
	sys_enter(regs, id);
	systrace_probe_end();
}

static notrace void probe_sys_exit(void *data, struct pt_regs *regs, long result)
{
	systrace_probe_begin();
	sys_exit(regs, result);
	systrace_probe_end();
}

/*
 * The child is on the task list and cannot run yet. The barrier pairs with that
 * of systrace_attachment_begin, and with that of mask.c.
 */
static void probe_newtask(void *data, SYSTRACE_NEWTASK_PROTO)
{
	struct systrace_attachment *a;

	if (child->flags & SYSTRACE_PF_WORKER)
		return;
	systrace_probe_begin();
	smp_mb(); /* see above */
	systrace_for_each_attachment(a, current)
		systrace_attachment_inherit(a, child, clone_flags);
	systrace_cgroup_fork(child);
	systrace_mask_fork(child);
	systrace_probe_end();
}

/* In who moves the task, interrupts off. */
static void probe_cgroup_attach(void *data, struct cgroup *cgroup, const char *path,
				struct task_struct *task, bool threadgroup)
{
	systrace_probe_begin();
	systrace_cgroup_join(cgroup, task, threadgroup);
	systrace_probe_end();
}

static void probe_cgroup_rmdir(void *data, struct cgroup *cgroup, const char *path)
{
	systrace_probe_begin();
	systrace_cgroup_remove(cgroup);
	systrace_probe_end();
}

static void detach_exec(struct systrace_attachment *a)
{
	if (!systrace_attachment_claim(a))
		return;
	systrace_attachment_unlink(a);
	systrace_record_detach(a, SYSTRACE_DETACH_EXEC);
	systrace_attachment_drop(a);
}

/* The execve that it waits for is here. False if it does not, or DETACH was first. */
static bool start(struct systrace_attachment *a)
{
	unsigned long flags;
	bool waits;

	raw_spin_lock_irqsave(&a->session->lock, flags);
	waits = a->stage == SYSTRACE_WAITING;
	if (waits)
		WRITE_ONCE(a->stage, SYSTRACE_LIVE);
	raw_spin_unlock_irqrestore(&a->session->lock, flags);
	return waits;
}

static void exec(struct systrace_attachment *a, const char *file)
{
	struct systrace_armed *armed = a->armed;
	u32 old_tid = a->tid;

	if (systrace_attachment_discard(a) || READ_ONCE(a->stage) == SYSTRACE_ENDING)
		return;
	if (!systrace_may_keep(a->session, a->privileged)) {
		detach_exec(a);
		return;
	}
	if (start(a) && armed->wanted)
		systrace_record_enter(a, armed->abi, armed->nr, armed->nargs, armed->args);
	if (!systrace_attachment_live(a))
		return;
	/* What comes before EXEC has the number by which it was known. */
	WRITE_ONCE(a->tid, systrace_attachment_tid(a->session, current));
	systrace_slot_empty(a);
	systrace_record_exec(a, old_tid, file);
}

/*
 * The program is the new one already, with its credentials. The barrier pairs
 * with that of systrace_attachment_insert, like that of the exit probe.
 */
static void probe_exec(void *data, struct task_struct *task, pid_t old_pid,
		       struct linux_binprm *bprm)
{
	struct systrace_attachment *a;

	systrace_probe_begin();
	smp_mb(); /* see above */
	systrace_for_each_attachment(a, current)
		exec(a, bprm->filename);
	systrace_probe_end();
}

static void probe_exit(void *data, SYSTRACE_EXIT_PROTO)
{
	struct systrace_attachment *a;

	systrace_probe_begin();
	smp_mb(); /* see above */
	systrace_for_each_attachment(a, task) {
		if (!systrace_attachment_claim(a))
			continue;
		systrace_attachment_unlink(a);
		if (a->stage == SYSTRACE_ENDING)
			systrace_record_detach(a, SYSTRACE_DETACH_ASKED);
		else if (a->stage != SYSTRACE_NEW)
			systrace_record_exit(a);
		systrace_attachment_drop(a);
	}
	systrace_probe_end();
}

/* Under siglock, interrupts off. info can be a small number instead of a pointer. */
static void probe_signal(void *data, int signo, struct kernel_siginfo *info,
			 struct k_sigaction *ka)
{
	struct systrace_attachment *a;
	int code = SI_KERNEL;

	if (info == SEND_SIG_NOINFO)
		code = SI_USER;
	else if ((unsigned long)info >= PAGE_SIZE)
		code = info->si_code;
	systrace_probe_begin();
	systrace_for_each_attachment(a, current)
		if (systrace_attachment_live(a))
			systrace_record_signal(a, signo, code);
	systrace_probe_end();
}

/* The order is that of registration: nothing is recorded of a task before its children follow. */
static struct probe {
	const char *name;
	void *function;
	u64 events;		/* needed for these; 0: always */
	struct tracepoint *tracepoint;
	unsigned int users;
} probes[] = {
	{ "sched_process_exit", probe_exit },
	{ "sched_process_exec", probe_exec },
	{ "task_newtask", probe_newtask },
	{ "cgroup_attach_task", probe_cgroup_attach, SYSTRACE_PROBE_CGROUPS },
	{ "cgroup_rmdir", probe_cgroup_rmdir, SYSTRACE_PROBE_CGROUPS },
	{ "signal_deliver", probe_signal, 1ULL << SYSTRACE_SIGNAL },
	{ "sys_exit", probe_sys_exit, 1ULL << SYSTRACE_RETURN },
	{ "sys_enter", probe_sys_enter, 1ULL << SYSTRACE_ENTER },
};

#define SYSCALL_EVENTS	(1ULL << SYSTRACE_ENTER | 1ULL << SYSTRACE_RETURN)

static DEFINE_MUTEX(probes_mutex);
static unsigned int syscall_users;	/* sessions with such events; under probes_mutex */

/* The compiler compares each probe with its tracepoint's prototype. */
static void __maybe_unused check_prototypes(void)
{
	check_trace_callback_type_cgroup_attach_task(probe_cgroup_attach);
	check_trace_callback_type_cgroup_rmdir(probe_cgroup_rmdir);
	check_trace_callback_type_sys_enter(probe_sys_enter);
	check_trace_callback_type_sys_exit(probe_sys_exit);
	check_trace_callback_type_task_newtask(probe_newtask);
	check_trace_callback_type_sched_process_exec(probe_exec);
	check_trace_callback_type_sched_process_exit(probe_exit);
	check_trace_callback_type_signal_deliver(probe_signal);
}

static void put(struct probe *probe)
{
	lockdep_assert_held(&probes_mutex);
	if (!--probe->users)
		tracepoint_probe_unregister(probe->tracepoint, probe->function, NULL);
}

static int get(struct probe *probe)
{
	int err;

	lockdep_assert_held(&probes_mutex);
	if (!probe->users) {
		err = tracepoint_probe_register(probe->tracepoint, probe->function, NULL);
		if (err)
			return err;
	}
	probe->users++;
	return 0;
}

static bool needed(const struct probe *probe, u64 events)
{
	return !probe->events || probe->events & events;
}

static void put_below(struct probe *end, u64 events)
{
	while (end-- > probes)
		if (needed(end, events))
			put(end);
}

int systrace_probes_get(u64 events)
{
	struct probe *probe;
	int err = 0;

	mutex_lock(&probes_mutex);
	for (probe = probes; !err && probe < probes + ARRAY_SIZE(probes); probe++)
		if (needed(probe, events))
			err = get(probe);
	if (err)
		put_below(probe - 1, events);
	else if (events & SYSCALL_EVENTS && !syscall_users++)
		systrace_mask_begin();
	mutex_unlock(&probes_mutex);
	return err;
}

void systrace_probes_put(u64 events)
{
	mutex_lock(&probes_mutex);
	if (events & SYSCALL_EVENTS && !--syscall_users)
		systrace_mask_end();
	put_below(probes + ARRAY_SIZE(probes), events);
	mutex_unlock(&probes_mutex);
}

static void find(struct tracepoint *tracepoint, void *unused)
{
	struct probe *probe;

	for (probe = probes; probe < probes + ARRAY_SIZE(probes); probe++)
		if (!strcmp(probe->name, tracepoint->name))
			probe->tracepoint = tracepoint;
}

/* Once they are found */
static void init_mask(void)
{
	struct systrace_mask_point points[SYSTRACE_MASK_POINTS], *point = points;
	struct probe *probe;

	for (probe = probes; probe < probes + ARRAY_SIZE(probes); probe++) {
		if (!(probe->events & SYSCALL_EVENTS))
			continue;
		point->tracepoint = probe->tracepoint;
		point->probe = probe->function;
		point++;
	}
	systrace_mask_init(points);
}

int systrace_probes_init(void)
{
	struct probe *probe;

	for_each_kernel_tracepoint(find, NULL);
	for (probe = probes; probe < probes + ARRAY_SIZE(probes); probe++) {
		if (!probe->tracepoint) {
			pr_err("this kernel has no tracepoint %s (CONFIG_FTRACE_SYSCALLS?)\n",
			       probe->name);
			return -ENOENT;
		}
	}
	init_mask();
	return 0;
}

void systrace_probes_exit(void)
{
	systrace_mask_exit();
	tracepoint_synchronize_unregister();
	synchronize_rcu_tasks();	/* none is left in the middle of a probe's prologue */
}
