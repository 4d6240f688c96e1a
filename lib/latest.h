/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One order out of rings that overwrite: like merge.h, but what is at a ring's front
 * can go at any time, so that it is copied and the copy is checked; or used in place
 * while the session is paused.
 *
 * Events are missing up to the highest seq that any ring has overwritten. They are
 * told by a LOST record made here: by one for all of them, which passes over what
 * is left of that time; or, if `older` is asked for, by one for each gap. What
 * follows is dense.
 *
 * It looks at all rings, which merge.h does not: this is a recorder, read at the
 * end, and mostly short.
 */
#ifndef SYSTRACE_LIB_LATEST_H
#define SYSTRACE_LIB_LATEST_H

#include <stdbool.h>
#include <systrace/ring.h>

struct systrace_latest_ring {
	struct systrace_reader reader;
	const struct systrace_ring *shared;
	void *copy;		/* of the record at reader.tail, if it is held */
	__u64 held;		/* ... and this is its position */
	bool out;		/* held what cannot be a record: never looked at again */
};

struct systrace_latest {
	__u64 seq;		/* the last one given out or passed over */
	__u64 time;		/* of the last one given out */
	bool older;
	bool in_place;		/* paused; any thread stores it, release */
	bool broken;		/* a ring is out */
	unsigned nr;
	unsigned last;		/* the ring that was read last */
	struct systrace_latest_ring *rings;
	struct systrace_lost gap;
};

struct systrace_latest_source {
	const void *bytes;
	const struct systrace_ring *shared;
	__u64 *tail;
};

int systrace_latest_init(struct systrace_latest *l, const struct systrace_latest_source *sources,
			 unsigned nr, __u64 ring_bytes, bool older);
void systrace_latest_destroy(struct systrace_latest *l);

/* As in merge.h; what they return stays valid until the next of them is called. */
const struct systrace_event *systrace_latest_front(struct systrace_latest *l);
const struct systrace_event *systrace_latest_next(struct systrace_latest *l);
void systrace_latest_release(struct systrace_latest *l);

#endif
