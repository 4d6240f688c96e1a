// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched.h>

#include "block.h"
#include "stats.h"

/* One CPU's figures at one moment. */
struct snapshot {
	u64 recorded;
	u64 read;	/* of them, those that are overwritten */
	u64 lost[SYSTRACE_LOST_CAUSES];
	u64 head;
	u64 tail;
	u64 said;	/* the tail by the reader's word, which may be no good */
};

static void take(struct systrace_session *session, int cpu, void *arg)
{
	struct systrace_cpu *c = per_cpu_ptr(session->cpus, cpu);
	struct snapshot *shot = arg;

	shot->recorded = c->recorded;
	shot->read = c->read;
	memcpy(shot->lost, c->lost, sizeof(shot->lost));
	shot->head = systrace_writer_head(&c->writer);
	systrace_writer_update(&c->writer);
	shot->said = READ_ONCE(*c->tail);
	shot->tail = c->writer.tail;	/* or `oldest`, if the session overwrites: */
	if (shot->head - shot->said < shot->head - shot->tail)
		shot->tail = shot->said;
}

/*
 * Count the records from tail to head. They stay what they are until the reader
 * frees them and the writer comes around, with a record that it may not have
 * published yet: then -EAGAIN. A tail that lies leads into the middle of a record:
 * the sizes found there are only sizes. Where all that is not overwritten is unread,
 * nothing needs to be counted, nor if it was overwritten meanwhile: then it is.
 */
static int count_unread(struct systrace_session *session, int cpu, const struct snapshot *shot,
			u64 *unread)
{
	struct systrace_cpu *c = per_cpu_ptr(session->cpus, cpu);
	const struct systrace_event *event;
	u64 at = shot->tail;
	u16 size;

	*unread = shot->recorded - shot->read;
	if (session->overwrites && shot->tail != shot->said)
		return 0;
	*unread = 0;
	while (at != shot->head) {
		event = (void *)c->writer.bytes + (at & c->writer.mask & ~7ULL);
		/* Whether this was a record's is checked when all are counted. */
		size = data_race(READ_ONCE(event->size));
		if (size < sizeof(*event) || size > shot->head - at)
			break;
		/* The same. */
		*unread += data_race(READ_ONCE(event->type)) != SYSTRACE_LOST;
		at += size;
		cond_resched();
	}
	smp_rmb();	/* the sizes, then what says whether they were overwritten */
	if (session->overwrites) {
		if ((s64)(READ_ONCE(c->shared->oldest) - shot->tail) <= 0)
			return 0;
		*unread = shot->recorded - shot->read;
		return -EAGAIN;
	}
	if (READ_ONCE(*c->tail) == shot->said)
		return 0;
	at = READ_ONCE(c->shared->head) + SYSTRACE_RECORD_MAX;
	return at - shot->tail > session->ring_bytes ? -EAGAIN : 0;
}

/*
 * Nothing of the session has happened there. Do not disturb that CPU: it may be kept for others,
 * and never let us in.
 */
static bool untouched(const struct systrace_cpu *c)
{
	/* Acquire: whoever has read a record finds it counted. */
	return !smp_load_acquire(&c->shared->head) && !READ_ONCE(c->shared->lost);
}

static void add_cpu(struct systrace_session *session, int cpu, struct systrace_stats *stats)
{
	struct systrace_cpu *c = per_cpu_ptr(session->cpus, cpu);
	struct snapshot shot;
	u64 unread, lost = 0;
	int cause, tries = 0;

	if (untouched(c))
		return;
	do
		systrace_session_on_cpu(session, cpu, take, &shot);
	while (count_unread(session, cpu, &shot, &unread) && tries++ < 16);
	for (cause = 0; cause < SYSTRACE_LOST_CAUSES; cause++) {
		stats->lost[cause] += shot.lost[cause];
		lost += shot.lost[cause];
	}
	stats->made += shot.recorded + lost;
	stats->delivered += shot.recorded - min(unread, shot.recorded);
	stats->bytes += shot.head;
	stats->blocked += atomic64_read(&c->blocked);
	stats->blocked_ns += atomic64_read(&c->blocked_ns);
	stats->timeouts += atomic64_read(&c->timeouts);
}

int systrace_stats_get(struct systrace_session *session, struct systrace_stats *stats)
{
	int cpu = stats->cpu;

	lockdep_assert_held(&session->mutex);
	if (cpu < -1 || cpu >= (int)nr_cpu_ids)
		return -EINVAL;
	memset((void *)stats + offsetof(struct systrace_stats, made), 0,
	       sizeof(*stats) - offsetof(struct systrace_stats, made));
	if (cpu >= 0) {
		if (cpu_possible(cpu))
			add_cpu(session, cpu, stats);
		return 0;
	}
	for_each_possible_cpu(cpu)
		add_cpu(session, cpu, stats);
	raw_spin_lock_irq(&session->lock);
	stats->attached = session->attached;
	stats->attached_max = session->attached_max;
	stats->uncovered = session->uncovered;
	raw_spin_unlock_irq(&session->lock);
	stats->wakeups = atomic64_read(&session->wakeups);
	stats->seq = systrace_session_seq(session);
	stats->covered = systrace_block_covered(session);
	return 0;
}
