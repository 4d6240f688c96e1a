/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One total order out of the rings of all CPUs.
 *
 * seq is dense over all rings, so nothing need be compared: a look at a ring puts each event where its
 * seq says, in a window of the next ones, and reading takes them from there one after the
 * other. Where the next one is missing, the rings are looked at: first that in which the
 * last missing one was, since a busy CPU mostly has many in a row, then all. A seq that is not
 * there yet is waited for, never skipped.
 *
 * This stands on ring.h alone, so that tests can run it on plain memory. One
 * thread at a time may use a merge; it synchronizes with the writers, which may
 * run at any time, by ring.h's B and D and nothing else.
 */
#ifndef SYSTRACE_LIB_MERGE_H
#define SYSTRACE_LIB_MERGE_H

#include <stdbool.h>
#include <systrace/ring.h>

/*
 * The more records of a ring are looked at in a row the better, but they should be in a cache still
 * when they are read: the second for those of all rings, the first for those of one.
 */
#define SYSTRACE_MERGE_WINDOW	2048
#define SYSTRACE_MERGE_RUN	256
#define SYSTRACE_MERGE_AHEAD	1024	/* bytes to prefetch before they are looked at */

/* Where one ring is. bytes are not touched before *present and below *head only. */
struct systrace_merge_source {
	const void *bytes;	/* mapped twice in a row */
	const __u64 *head;
	__u64 *tail;
	const __u32 *present;	/* it may become 1 at any time */
};

struct systrace_merge_ring {
	struct systrace_reader reader;	/* its tail is as far as the window has it */
	__u64 last;		/* the seq before that */
	const __u32 *present;
	__u64 released;		/* the tail that the writer knows of */
	bool dirty;		/* is in merge.dirty */
	bool out;		/* held what cannot be a record: never looked at again */
};

struct systrace_merge {
	const struct systrace_event **next;	/* in window: of the seq after the last given out */
	__u64 base;		/* the seq before window's first */
	__u64 last;		/* the last one that was ever in the window */
	bool broken;		/* a ring is out */
	struct systrace_merge_ring *current;	/* had the last one that was missing */
	unsigned nr_rings;
	unsigned nr_dirty;
	struct systrace_merge_ring **dirty;	/* not all that was looked at is released */
	struct systrace_merge_ring *rings;
	/* By seq; NULL: not seen yet, or given out. The last place stays NULL. */
	const struct systrace_event *window[SYSTRACE_MERGE_WINDOW + 1];
};

/*
 * Merge nr rings of ring_bytes each, starting behind `seq` and at the tails. The
 * sources are copied, what they point to is not. 0 or -ENOMEM.
 */
int systrace_merge_init(struct systrace_merge *m, const struct systrace_merge_source *sources,
			unsigned nr, __u64 ring_bytes, __u64 seq);
void systrace_merge_destroy(struct systrace_merge *m);
/* Of no ring: nothing is ever ready. */
void systrace_merge_none(struct systrace_merge *m);

/* The next event in place, of which the window has none yet; or NULL. */
const struct systrace_event *systrace_merge_look(struct systrace_merge *m);

/* Give the writers back what was stepped over. */
void systrace_merge_release(struct systrace_merge *m);

/* The last one given out */
static inline __u64 systrace_merge_seq(const struct systrace_merge *m)
{
	return m->base + (__u64)(m->next - m->window);
}

/* The next event in place, and step over it, if the window has it; or NULL. */
static inline const struct systrace_event *systrace_merge_ready(struct systrace_merge *m)
{
	const struct systrace_event *e = *m->next;

	if (e)
		*m->next++ = NULL;
	return e;
}

/* The same if it is there at all: it stays valid until release. */
static inline const struct systrace_event *systrace_merge_next(struct systrace_merge *m)
{
	const struct systrace_event *e = systrace_merge_ready(m);

	return e || !systrace_merge_look(m) ? e : systrace_merge_ready(m);
}

/* As next, without stepping over it */
static inline const struct systrace_event *systrace_merge_front(struct systrace_merge *m)
{
	return *m->next ? *m->next : systrace_merge_look(m);
}

#endif
