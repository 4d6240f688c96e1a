/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The slot of a CPU has all that its probes need for the task that last made a call there, if
 * nothing is special about it: no lookup, and each event is some loads and stores. The probes
 * see by the place of its registers, on its own stack, that it is that task's.
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

/* What one session needs for it. */
struct systrace_slot_entry {
	u64 nr;				/* of its call, if that is recorded, else NONE */
	u64 quiet;			/* of its last call that is not to be, or NONE */
	struct systrace_cpu *cpu;
	struct systrace_session *session;
	const struct systrace_policy_calls *calls;
	u64 tid_word;			/* what it adds to a record's first word */
	u64 exit_word;			/* the first of a RETURN */
	struct systrace_attachment *a;
	bool enter_more, exit_more;	/* the next entry has such an event, too: see cpu->more */
};

#define SYSTRACE_SLOT_ENTRIES	8	/* a task of more sessions has no slot */

struct systrace_slot {
	struct systrace_slot_entry entry[SYSTRACE_SLOT_ENTRIES];
	const struct pt_regs *enter;	/* the task's, if sys_enter finds all it needs here, */
	const struct pt_regs *exit;	/* ... and sys_exit; else NULL */
	struct systrace_slot *self;
};

#define SYSTRACE_SLOT_NONE	(~0ULL)	/* no number of 32 bits */

DECLARE_PER_CPU_ALIGNED(struct systrace_slot, systrace_slot);
extern atomic_t systrace_slot_epoch;

void systrace_slot_init(void);

/*
 * At the end of a probe of current's that went the long way. epoch is
 * systrace_slot_begin's, called before the probe looked at anything.
 */
void systrace_slot_fill(struct systrace_slot *slot, const struct pt_regs *regs, int epoch);

static inline int systrace_slot_begin(void)
{
	return atomic_read_acquire(&systrace_slot_epoch); /* then what it counts */
}

/* How far this CPU's records fit, by what is known of the reader. */
void systrace_slot_limit(struct systrace_session *session, struct systrace_cpu *cpu);

/* What a's slot was filled by has changed. */
void systrace_slot_empty(struct systrace_attachment *a);
/* What any slot was filled by. */
void systrace_slot_empty_all(void);

/* That of this CPU */
static __always_inline struct systrace_slot *systrace_slot_here(void)
{
	return __this_cpu_read(systrace_slot.self);
}

/* Complete a record that ends there, but for what is written of it already, and publish it. */
static __always_inline void systrace_slot_publish(struct systrace_session *session,
						  struct systrace_cpu *cpu,
						  struct systrace_event *event, void *end)
{
	event->seq = atomic64_fetch_inc(&session->next_seq);	/* [E] */
	systrace_clock_put(&event->time);
	cpu->recorded++;
	systrace_writer_publish_to(&cpu->writer, end);
}

/* A number that a slot has taken, also where the branch that found so is mispredicted */
static __always_inline unsigned long systrace_slot_nr(unsigned long nr)
{
	OPTIMIZER_HIDE_VAR(nr);
	return nr & (SYSTRACE_POLICY_CALLS - 1);
}

/* Only calls whose numbers `calls` has are for a slot. */
static __always_inline bool systrace_slot_takes(unsigned long *nr)
{
	if (!systrace_arch_native() || *nr >= SYSTRACE_POLICY_CALLS)
		return false;
	*nr = systrace_slot_nr(*nr);
	return true;
}

/*
 * Record that current makes a call. False if the entry does not say how: nothing is done.
 * *notice is the CPU's after that.
 */
static __always_inline bool systrace_slot_enter(struct systrace_slot_entry *entry,
						const struct pt_regs *regs, unsigned long nr,
						u16 *notice)
{
	const struct systrace_policy_calls *calls = entry->calls;
	struct systrace_cpu *cpu = entry->cpu;
	struct systrace_enter *enter = (void *)cpu->writer.next;
	u64 nargs = calls->nargs[nr];
	void *end = (void *)enter + offsetof(struct systrace_enter, args) + nargs * sizeof(u64);

	if (likely(systrace_writer_fits(&cpu->writer, end))) {
		entry->nr = nr;
		*(u64 *)enter = calls->word[nr] | entry->tid_word;
		enter->nr = nr;
		enter->nargs = nargs;
		systrace_arch_put_args(enter->args, regs, nargs);
		systrace_slot_publish(entry->session, cpu, &enter->event, end);
	} else {
		entry->nr = SYSTRACE_SLOT_NONE;
		entry->quiet = nr;
		if (nargs != SYSTRACE_POLICY_QUIET)
			return false;
	}
	*notice = data_race(cpu->notice);	/* [G] */
	return true;
}

/* The same when it returns. */
static __always_inline bool systrace_slot_exit(struct systrace_slot_entry *entry,
					       const struct pt_regs *regs, long result, u16 *notice)
{
	struct systrace_cpu *cpu = entry->cpu;
	struct systrace_return *ret = (void *)cpu->writer.next;
	u64 nr = (u32)syscall_get_nr(current, (struct pt_regs *)regs);
	void *end = ret + 1;

	if (likely(entry->nr == nr)) {
		if (unlikely(!systrace_writer_fits(&cpu->writer, end)))
			return false;
		ret->result = result;
		*(u64 *)&ret->nr = nr;	/* and `reserved` */
		*(u64 *)ret = entry->exit_word;
		systrace_slot_publish(entry->session, cpu, &ret->event, end);
	} else if (entry->quiet != nr) {
		return false;
	}
	*notice = data_race(cpu->notice);	/* [G] */
	return true;
}

#endif
