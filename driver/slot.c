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

/* It is in no other slot from now on. */
static void move(struct systrace_attachment *a, const struct pt_regs *regs)
{
	int here = smp_processor_id();

	if (a->slot != here && a->slot != SYSTRACE_NO_SLOT)
		empty(a->slot, a->regs);
	WRITE_ONCE(a->regs, regs);
	WRITE_ONCE(a->slot, here);
}

void systrace_slot_limit(struct systrace_session *session, struct systrace_cpu *cpu)
{
	u64 most = session->mark;

	if (cpu->behind)
		return;
	/* A reader sleeps until there is so much: the record with which it is there wakes it. */
	if (session->watermark && !session->overwrites && READ_ONCE(session->need)) {
		systrace_writer_update(&cpu->writer);
		most = min_t(u64, most, session->watermark - 1);
	}
	systrace_writer_extend(&cpu->writer, SYSTRACE_RING_RESERVE, most);
}

static void make_entry(struct systrace_slot_entry *entry, struct systrace_attachment *a)
{
	struct systrace_session *session = a->session;
	struct systrace_cpu *cpu = this_cpu_ptr(session->cpus);

	systrace_slot_limit(session, cpu);
	entry->nr = SYSTRACE_SLOT_NONE;
	entry->quiet = SYSTRACE_SLOT_NONE;
	entry->cpu = cpu;
	entry->session = session;
	entry->calls = &rcu_dereference_sched(session->policy)->calls;
	entry->tid_word = (u64)a->tid << 32;
	entry->exit_word = entry->tid_word |
			   systrace_policy_word(sizeof(struct systrace_return), SYSTRACE_RETURN,
						SYSTRACE_ARCH_ABI_FIRST);
	entry->a = a;
}

/*
 * The attachments of current, if a slot can have them all: how many. Looked at once, since
 * others can come meanwhile. They are in no other slot then; and where they are too many, who
 * made them so has emptied it.
 */
static int find(struct systrace_attachment **found, const struct pt_regs *regs)
{
	struct systrace_attachment *a;
	bool can = true;
	int n = 0, i;

	systrace_for_each_attachment(a, current) {
		if (n == SYSTRACE_SLOT_ENTRIES)
			return 0;
		found[n++] = a;
		can &= can_fill(a);
	}
	for (i = 0; i < n; i++)
		move(found[i], regs);
	return can ? n : 0;
}

/* Entries for those whose sessions want RETURN, or for the others: up to there */
static struct systrace_slot_entry *make_entries(struct systrace_slot_entry *to, bool returns,
						struct systrace_attachment **a, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (!(a[i]->session->events & 1ULL << SYSTRACE_RETURN) == !returns)
			make_entry(to++, a[i]);
	return to;
}

static void link_entries(struct systrace_slot_entry *entry, struct systrace_slot_entry *exit_end,
			 struct systrace_slot_entry *enter_end)
{
	for (; entry < enter_end; entry++) {
		entry->enter_more = entry + 1 < enter_end;
		entry->exit_more = entry + 1 < exit_end;
		WRITE_ONCE(entry->cpu->more, entry->enter_more);
	}
}

void systrace_slot_fill(struct systrace_slot *slot, const struct pt_regs *regs, int epoch)
{
	struct systrace_slot_entry *exit_end, *enter_end;
	struct systrace_attachment *found[SYSTRACE_SLOT_ENTRIES];
	int n = find(found, regs);

	WRITE_ONCE(slot->enter, NULL);
	WRITE_ONCE(slot->exit, NULL);
	if (!n)
		return;
	exit_end = make_entries(slot->entry, true, found, n);
	enter_end = make_entries(exit_end, false, found, n);
	link_entries(slot->entry, exit_end, enter_end);
	if (exit_end != slot->entry)
		WRITE_ONCE(slot->exit, regs);
	WRITE_ONCE(slot->enter, regs);
	smp_mb();	/* see above */
	if (atomic_read(&systrace_slot_epoch) != epoch)
		empty(smp_processor_id(), regs);
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

void systrace_slot_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(systrace_slot.self, cpu) = per_cpu_ptr(&systrace_slot, cpu);
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
