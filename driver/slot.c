// SPDX-License-Identifier: GPL-2.0-only
/*
 * Filling and emptying slots.
 *
 * A slot is filled by its task, on its CPU, with preemption off; whoever changes what it was
 * filled by (the task's attachments and their stages, a policy, a pause) empties it, from anywhere:
 *
 *	task that fills				who changes
 *
 *	    load epoch, acquire	  [L]		    change
 *	    look, fill				    epoch++, fully ordered	  [M]
 *	    full barrier			    look where the slot is, empty it
 *	    load epoch: if it is another,
 *	    empty the slot
 *
 * Either the one finds the slot filled, or the other another epoch; or it has looked after the
 * change. A task that is in a probe meanwhile is one that came before the change, as where it
 * has just passed an attachment in the hash table: a grace period ends that.
 */
#include "record.h"
#include "slot.h"

DEFINE_PER_CPU_ALIGNED(struct systrace_slot, systrace_slot);
atomic_t systrace_slot_epoch = ATOMIC_INIT(0);

/* Unless another task has filled it, or is just filling it. */
static void empty(int cpu, const struct pt_regs *regs)
{
	struct systrace_slot *slot = per_cpu_ptr(&systrace_slot, cpu);

	cmpxchg(&slot->enter, regs, NULL);
	cmpxchg(&slot->exit, regs, NULL);
}

static bool can_fill(const struct systrace_attachment *a)
{
	const struct systrace_session *session = a->session;

	return session->clock == SYSTRACE_CLOCK_FAST && session->events & 1ULL << SYSTRACE_ENTER &&
	       !READ_ONCE(session->paused) && !READ_ONCE(a->past_mark) &&
	       READ_ONCE(a->stage) == SYSTRACE_LIVE;
}

void systrace_slot_fill(struct systrace_attachment *a, const struct pt_regs *regs, int epoch)
{
	struct systrace_slot *slot = this_cpu_ptr(&systrace_slot);
	struct systrace_session *session = a->session;
	struct systrace_cpu *cpu = this_cpu_ptr(session->cpus);
	int here = smp_processor_id();

	if (a->slot != here && a->slot != SYSTRACE_NO_SLOT)
		empty(a->slot, a->regs);
	WRITE_ONCE(a->regs, regs);
	WRITE_ONCE(a->slot, here);
	WRITE_ONCE(slot->enter, NULL);
	WRITE_ONCE(slot->exit, NULL);
	if (!can_fill(a))
		return;
	if (!cpu->behind)
		systrace_writer_extend(&cpu->writer, SYSTRACE_RING_RESERVE, session->mark);
	slot->nr = SYSTRACE_SLOT_NONE;
	slot->cpu = cpu;
	slot->session = session;
	slot->calls = &rcu_dereference_sched(session->policy)->calls;
	slot->tid_word = (u64)a->tid << 32;
	slot->exit_word = slot->tid_word |
			  systrace_policy_word(sizeof(struct systrace_return), SYSTRACE_RETURN,
					       SYSTRACE_ARCH_ABI_FIRST);
	if (session->events & 1ULL << SYSTRACE_RETURN)
		WRITE_ONCE(slot->exit, regs);
	WRITE_ONCE(slot->enter, regs);
	smp_mb();	/* see above */
	if (atomic_read(&systrace_slot_epoch) != epoch)
		empty(here, regs);
}

void systrace_slot_empty(struct systrace_attachment *a)
{
	int cpu;

	if (a->task != current)
		atomic_inc_return(&systrace_slot_epoch);	/* [M] */
	cpu = READ_ONCE(a->slot);
	if (cpu != SYSTRACE_NO_SLOT)
		empty(cpu, READ_ONCE(a->regs));
}

void systrace_slot_empty_all(void)
{
	struct systrace_slot *slot;
	int cpu;

	atomic_inc_return(&systrace_slot_epoch);	/* [M] */
	for_each_possible_cpu(cpu) {
		slot = per_cpu_ptr(&systrace_slot, cpu);
		WRITE_ONCE(slot->enter, NULL);
		WRITE_ONCE(slot->exit, NULL);
	}
}
