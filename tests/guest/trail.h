/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What holds for every stream: seq is dense, and a task begins once, ends once, and is
 * silent else. The latter only where nothing is lost, and of all types of events.
 */
#ifndef SYSTRACE_TESTS_TRAIL_H
#define SYSTRACE_TESTS_TRAIL_H

#include "tap.h"

#define TRAIL_TIDS	(1 << 22)	/* more than any number */

enum trail_life { TRAIL_UNKNOWN, TRAIL_ALIVE, TRAIL_ENDED };

struct trail {
	__u64 seq, events, losses, lost;	/* LOST records, and what they count */
	__u64 gaps;				/* by seq, that nothing tells of */
	unsigned long begun, ended, twice, silent;
	unsigned char *life;			/* by tid */
	size_t tids;
	bool knows;				/* all that is not in `life` was not attached */
};

TAP size_t trail_tids(void)
{
	FILE *file = fopen("/proc/sys/kernel/pid_max", "r");
	size_t n;

	if (!file || fscanf(file, "%zu", &n) != 1)
		tap_bail("pid_max");
	fclose(file);
	return n + 1;
}

TAP struct trail trail_of(size_t tids)
{
	struct trail s = { .tids = tids, .knows = true, .life = calloc(tids, 1) };

	if (!s.life)
		tap_bail("calloc");
	return s;
}

/* For as many numbers as there are now, or there can be. */
TAP struct trail trail_new(void)
{
	return trail_of(trail_tids());
}

TAP struct trail trail_new_max(void)
{
	return trail_of(TRAIL_TIDS);
}

TAP void trail_free(struct trail *s)
{
	free(s->life);
}

/* Tasks may have come and gone without a word: after a pause. */
TAP void trail_forget(struct trail *s)
{
	memset(s->life, TRAIL_UNKNOWN, s->tids);
	s->knows = false;
}

TAP void trail_begin(struct trail *s, __u32 tid)
{
	s->begun++;
	s->twice += s->life[tid] == TRAIL_ALIVE;
	s->life[tid] = TRAIL_ALIVE;
}

TAP bool trail_is_silent(const struct trail *s, __u32 tid)
{
	return s->life[tid] == TRAIL_ENDED || (s->knows && s->life[tid] == TRAIL_UNKNOWN);
}

TAP void trail_end(struct trail *s, __u32 tid)
{
	s->ended++;
	s->silent += trail_is_silent(s, tid);
	s->life[tid] = TRAIL_ENDED;
}

TAP void trail_rules(struct trail *s, const struct systrace_event *e)
{
	if (e->type == SYSTRACE_TASK)
		trail_begin(s, e->tid);
	if (e->type == SYSTRACE_EXEC) {
		trail_end(s, ((const struct systrace_exec *)(const void *)e)->oldtid);
		trail_begin(s, e->tid);
	}
	s->silent += trail_is_silent(s, e->tid);
	if (e->type == SYSTRACE_FORK)
		trail_begin(s, ((const struct systrace_fork *)(const void *)e)->child);
	if (e->type == SYSTRACE_EXIT || e->type == SYSTRACE_DETACH)
		trail_end(s, e->tid);
}

/* Of one of several streams, whose seqs begin anew. */
TAP void trail_add(struct trail *s, const struct systrace_event *e)
{
	if (e->type == SYSTRACE_LOST)
		s->losses++;
	else
		trail_rules(s, e);
}

TAP void trail_look(struct trail *s, const struct systrace_event *e)
{
	const struct systrace_lost *lost = (const void *)e;

	if (e->type != SYSTRACE_LOST) {
		s->gaps += e->seq != s->seq + 1;
		s->events++;
		trail_rules(s, e);
	} else {
		s->gaps += e->seq != s->seq + (lost->cause == SYSTRACE_LOST_OVERWRITTEN ?
					       lost->count : 1);
		s->losses++;
		s->lost += lost->count;
	}
	s->seq = e->seq;
}

/* Everything that is there. */
TAP void trail_drain(struct trail *s, struct systrace *st)
{
	const struct systrace_event *e;

	while ((e = systrace_next(st)))
		trail_look(s, e);
	systrace_release(st);
}

TAP __u64 trail_lost(const struct systrace_stats *stats)
{
	__u64 lost = 0;

	for (int cause = 0; cause < SYSTRACE_LOST_CAUSES; cause++)
		lost += stats->lost[cause];
	return lost;
}

/* Paused or at the end, and everything is read: do we and STATS agree? */
TAP bool trail_agrees(const struct trail *s, const struct systrace_stats *stats, bool told)
{
	bool good = s->seq == stats->seq && stats->made == s->events + trail_lost(stats) &&
		    (!told || s->lost == trail_lost(stats));

	if (!good)
		tap_note("read %llu events, %llu lost, up to %llu; made %llu, lost %llu, up to %llu",
			 (unsigned long long)s->events, (unsigned long long)s->lost,
			 (unsigned long long)s->seq, (unsigned long long)stats->made,
			 (unsigned long long)trail_lost(stats), (unsigned long long)stats->seq);
	return good;
}

/* The verdict, where all have ended. */
TAP void trail_check(struct trail *s, const char *what)
{
	if (!tap_ok(!s->twice, "%s: each task begins once", what))
		tap_note("%lu times not", s->twice);
	if (!tap_ok(!s->silent, "%s: each event is of a task that has begun", what))
		tap_note("%lu are not", s->silent);
	if (!tap_ok(s->begun == s->ended, "%s: each task ends", what))
		tap_note("%lu begun, %lu ended", s->begun, s->ended);
	trail_free(s);
}

#endif
