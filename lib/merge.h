/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One total order out of the rings of all CPUs.
 *
 * seq is dense over all rings and only rises within each, so event n + 1 is at
 * the front of some ring, or is just being written there. It is mostly in the
 * ring that had n: that ring is `current` and costs nothing to look at. The
 * others are either in a binary heap, ordered by the seq at their front, or
 * idle: empty when last looked at. A front never changes under the reader, so
 * the heap stays true; idle rings are looked at again only when n + 1 is not on
 * top of it. A seq that is not there yet is waited for, never skipped.
 *
 * This stands on ring.h alone, so that tests can run it on plain memory. One
 * thread at a time may use a merge; it synchronizes with the writers, which may
 * run at any time, by ring.h's B and D and nothing else.
 */
#ifndef SYSTRACE_LIB_MERGE_H
#define SYSTRACE_LIB_MERGE_H

#include <stdbool.h>
#include <systrace/ring.h>

/* Where one ring is. bytes are not touched before *present and below *head only. */
struct systrace_merge_source {
	const void *bytes;	/* mapped twice in a row */
	const __u64 *head;
	__u64 *tail;
	const __u32 *present;	/* it may become 1 at any time */
};

struct systrace_merge_ring {
	struct systrace_reader reader;
	const __u32 *present;
	__u64 released;		/* the tail that the writer knows of */
	bool dirty;		/* is in merge.dirty */
	bool out;		/* held what cannot be a record: never looked at again */
};

struct systrace_merge_front {
	__u64 seq;
	struct systrace_merge_ring *ring;
};

struct systrace_merge {
	__u64 seq;		/* the last one given out */
	struct systrace_merge_ring *current;	/* in neither heap nor idle; or NULL */
	bool broken;		/* a ring is out */
	unsigned nr_heap;
	unsigned nr_idle;
	unsigned nr_dirty;
	struct systrace_merge_front *heap;
	struct systrace_merge_ring **idle;	/* the one that ran dry last is on top */
	struct systrace_merge_ring **dirty;	/* read from since the last release */
	struct systrace_merge_ring *rings;
};

/*
 * Merge nr rings of ring_bytes each, starting behind `seq` and at the tails. The
 * sources are copied, what they point to is not. 0 or -ENOMEM.
 */
int systrace_merge_init(struct systrace_merge *m, const struct systrace_merge_source *sources,
			unsigned nr, __u64 ring_bytes, __u64 seq);
void systrace_merge_destroy(struct systrace_merge *m);

/* The event merge.seq + 1 in place, without stepping over it; or NULL if not there yet. */
const struct systrace_event *systrace_merge_front(struct systrace_merge *m);

/* Give the writers back what was stepped over. */
void systrace_merge_release(struct systrace_merge *m);

/* Can this be a record? Else its size would lead astray, perhaps into an endless loop. */
static inline bool systrace_merge_sane(const struct systrace_reader *r,
				       const struct systrace_event *e)
{
	return e->size >= sizeof(*e) && e->size % 8 == 0 && e->size <= r->head - r->tail;
}

/* As front, and step over it: it stays valid until release. */
static inline const struct systrace_event *systrace_merge_next(struct systrace_merge *m)
{
	const struct systrace_event *e;

	if (m->current) {
		e = systrace_reader_peek(&m->current->reader);
		if (e && e->seq == m->seq + 1 && systrace_merge_sane(&m->current->reader, e))
			goto step;
	}
	e = systrace_merge_front(m);
	if (!e)
		return NULL;
step:
	systrace_reader_advance(&m->current->reader, e);
	m->seq++;
	return e;
}

#endif
