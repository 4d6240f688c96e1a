/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slot of a CPU has all that its probes need for the task that last made a call there, if
 * one session follows it and nothing is special about it: no lookup, and each event is some
 * loads and stores. The probes see by the place of its registers, on its own stack,
 * that it is that task's.
 *
 * A task is in one slot at most (attachment.slot): when it fills another it leaves the last
 * one. So what that says of the call it is in is true wherever it has been meanwhile.
 *
 * What a slot was filled by can change: then who changes it empties the slot, see slot.c.
 */
#ifndef SYSTRACE_SLOT_H
#define SYSTRACE_SLOT_H

#include <linux/percpu.h>
#include <asm/syscall.h>

#include "arch.h"
#include "attachment.h"
#include "clock.h"
#include "policy.h"
#include "wake.h"

struct systrace_slot {
	const struct pt_regs *enter;	/* the task's, if sys_enter finds all it needs here, */
	const struct pt_regs *exit;	/* ... and sys_exit; else NULL */
	u64 nr;				/* of its call, recorded; QUIET + nr: not to be; or NONE */
	struct systrace_cpu *cpu;
	struct systrace_session *session;
	const struct systrace_policy_calls *calls;
	u64 tid_word;			/* what it adds to a record's first word */
	u64 exit_word;			/* the first of a RETURN */
};

#define SYSTRACE_SLOT_NONE	(1ULL << 32)	/* no number of 32 bits */
#define SYSTRACE_SLOT_QUIET	(1ULL << 33)

DECLARE_PER_CPU_ALIGNED(struct systrace_slot, systrace_slot);
extern atomic_t systrace_slot_epoch;

/*
 * At the end of a probe of current's that went the long way. epoch is
 * systrace_slot_begin's, called before the probe looked at anything.
 */
void systrace_slot_fill(struct systrace_attachment *a, const struct pt_regs *regs, int epoch);

static inline int systrace_slot_begin(void)
{
	return atomic_read_acquire(&systrace_slot_epoch); /* then what it counts */
}

/* What a's slot was filled by has changed. */
void systrace_slot_empty(struct systrace_attachment *a);
/* What any slot was filled by. */
void systrace_slot_empty_all(void);

/* Write what all records begin with. */
static __always_inline void systrace_slot_stamp(struct systrace_session *session,
						struct systrace_event *event, u64 word)
{
	event->seq = atomic64_fetch_inc(&session->next_seq);	/* [E] */
	systrace_clock_put(&event->time);
	*(u64 *)event = word;
}

/* Publish the one that ends there. */
static __always_inline void systrace_slot_publish(struct systrace_session *session,
						  struct systrace_cpu *cpu, void *end)
{
	cpu->recorded++;
	systrace_writer_publish_to(&cpu->writer, end);
	systrace_wake_check(session, cpu);
}

/* True if all is done that sys_enter is to do. */
static __always_inline bool systrace_slot_enter(const struct pt_regs *regs, unsigned long nr)
{
	const struct systrace_policy_calls *calls;
	struct systrace_session *session;
	struct systrace_enter *enter;
	struct systrace_cpu *cpu;
	void *end;
	u64 nargs;

	if (unlikely(__this_cpu_read(systrace_slot.enter) != regs || !systrace_arch_native() ||
		     nr >= SYSTRACE_POLICY_CALLS))
		return false;
	OPTIMIZER_HIDE_VAR(nr);
	nr &= SYSTRACE_POLICY_CALLS - 1;	/* also where the branch above is mispredicted */
	calls = __this_cpu_read(systrace_slot.calls);
	nargs = calls->nargs[nr];
	cpu = __this_cpu_read(systrace_slot.cpu);
	enter = (void *)cpu->writer.next;
	end = (void *)enter + offsetof(struct systrace_enter, args) + nargs * sizeof(u64);
	if (unlikely(!systrace_writer_fits(&cpu->writer, end))) {
		__this_cpu_write(systrace_slot.nr, SYSTRACE_SLOT_QUIET + nr);
		return nargs == SYSTRACE_POLICY_QUIET;
	}
	__this_cpu_write(systrace_slot.nr, nr);
	session = __this_cpu_read(systrace_slot.session);
	enter->nr = nr;
	enter->nargs = nargs;
	systrace_arch_put_args(enter->args, regs, nargs);
	systrace_slot_stamp(session, &enter->event,
			    __this_cpu_read(systrace_slot.tid_word) | calls->word[nr]);
	systrace_slot_publish(session, cpu, end);
	return true;
}

/* The same for sys_exit. */
static __always_inline bool systrace_slot_exit(struct pt_regs *regs, long result)
{
	struct systrace_session *session;
	struct systrace_return *ret;
	struct systrace_cpu *cpu;
	u64 nr;

	if (unlikely(__this_cpu_read(systrace_slot.exit) != regs))
		return false;
	nr = (u32)syscall_get_nr(current, regs);
	if (unlikely(__this_cpu_read(systrace_slot.nr) != nr))
		return __this_cpu_read(systrace_slot.nr) == SYSTRACE_SLOT_QUIET + nr;
	cpu = __this_cpu_read(systrace_slot.cpu);
	ret = (void *)cpu->writer.next;
	if (unlikely(!systrace_writer_fits(&cpu->writer, ret + 1)))
		return false;
	session = __this_cpu_read(systrace_slot.session);
	ret->result = result;
	*(u64 *)&ret->nr = nr;	/* and `reserved` */
	systrace_slot_stamp(session, &ret->event, __this_cpu_read(systrace_slot.exit_word));
	systrace_slot_publish(session, cpu, ret + 1);
	return true;
}

#endif
