// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <stdlib.h>

#include "latest.h"

#define COPY_BYTES	65536	/* more than any record has */
#define NOT_HELD	1	/* no position of a record */

/* --------------------------------------------------------------- one ring --- */

static const struct systrace_event *peek(struct systrace_latest *l, struct systrace_latest_ring *r)
{
	const struct systrace_event *e;

	/* The kernel sets present before it moves head, and has no bytes before. */
	if (r->out || !systrace_load_acquire(&r->shared->present))
		return NULL;
	if (r->held == r->reader.tail)
		return r->copy;
	if (__atomic_load_n(&l->in_place, __ATOMIC_ACQUIRE))
		return systrace_reader_catch_up(&r->reader, &r->shared->oldest) ?
			systrace_reader_peek(&r->reader) : NULL;
	e = systrace_reader_copy(&r->reader, &r->shared->oldest, r->copy);
	if (e)
		r->held = r->reader.tail;
	return e;
}

/* No more than a ring is ahead: head was loaded before oldest was found to be not past tail. */
static bool sane(const struct systrace_latest_ring *r, const struct systrace_event *e)
{
	__u64 ahead = r->reader.head - r->reader.tail;

	return e->size >= sizeof(*e) && e->size % 8 == 0 && e->size <= ahead && ahead <= r->reader.mask + 1;
}

static void step(struct systrace_latest_ring *r, const struct systrace_event *e)
{
	systrace_reader_advance(&r->reader, e);
	r->held = NOT_HELD;
}

/* The front of a ring, less what a gap has counted. */
static const struct systrace_event *look(struct systrace_latest *l, struct systrace_latest_ring *r)
{
	const struct systrace_event *e;

	while ((e = peek(l, r))) {
		if (!sane(r, e)) {
			r->out = l->broken = true;
			return NULL;
		}
		if (e->seq > l->seq)
			return e;
		step(r, e);
	}
	return NULL;
}

/* -------------------------------------------------------------- all of them --- */

/* The ring with the earliest front, and that front; NULL if all are empty. */
static const struct systrace_event *earliest(struct systrace_latest *l)
{
	const struct systrace_event *e, *first = look(l, &l->rings[l->last]);

	for (unsigned i = 0; i < l->nr && !(first && first->seq == l->seq + 1); i++) {
		e = look(l, &l->rings[i]);
		if (!e || (first && first->seq <= e->seq))
			continue;
		first = e;
		l->last = i;
	}
	return first;
}

static __u64 overwritten(const struct systrace_latest *l, unsigned *cpu)
{
	__u64 seq, last = 0;

	for (unsigned i = 0; i < l->nr; i++) {
		seq = systrace_load_acquire(&l->rings[i].shared->overwritten);
		if (seq <= last)
			continue;
		last = seq;
		*cpu = i;
	}
	return last;
}

/*
 * Is the next event gone? The highest seq overwritten is read before the fronts are
 * looked at once more: what is then missing up to it was overwritten, or is so late
 * that another CPU has filled a whole ring meanwhile; it will be passed over.
 */
static const struct systrace_event *find_gap(struct systrace_latest *l)
{
	unsigned cpu = 0;
	__u64 to = overwritten(l, &cpu);
	const struct systrace_event *e;

	if (to <= l->seq)
		return NULL;
	e = earliest(l);
	if (e && (e->seq == l->seq + 1 || (l->older && e->seq <= to + 1))) {
		if (e->seq == l->seq + 1)
			return e;
		to = e->seq - 1;
	}
	l->gap = (struct systrace_lost){
		.event = {
			.size = sizeof(l->gap), .type = SYSTRACE_LOST, .seq = to,
			.time = e ? e->time : l->time,
		},
		.count = to - l->seq,
		.cause = SYSTRACE_LOST_OVERWRITTEN,
		.cpu = cpu,
	};
	return &l->gap.event;
}

const struct systrace_event *systrace_latest_front(struct systrace_latest *l)
{
	const struct systrace_event *e = earliest(l);

	return e && e->seq == l->seq + 1 ? e : find_gap(l);
}

const struct systrace_event *systrace_latest_next(struct systrace_latest *l)
{
	const struct systrace_event *e = systrace_latest_front(l);

	if (!e)
		return NULL;
	l->seq = e->seq;
	l->time = e->time;
	if (e != &l->gap.event)
		step(&l->rings[l->last], e);
	return e;
}

void systrace_latest_release(struct systrace_latest *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		systrace_reader_release(&l->rings[i].reader);
}

/* -------------------------------------------------------------------- life --- */

int systrace_latest_init(struct systrace_latest *l, const struct systrace_latest_source *sources,
			 unsigned nr, __u64 ring_bytes, bool older)
{
	*l = (struct systrace_latest){ .older = older, .nr = nr };
	l->rings = calloc(nr, sizeof(*l->rings));
	if (!l->rings)
		return -ENOMEM;
	for (unsigned i = 0; i < nr; i++) {
		struct systrace_latest_ring *r = &l->rings[i];

		systrace_reader_init(&r->reader, sources[i].bytes, ring_bytes,
				     &sources[i].shared->head, sources[i].tail);
		r->shared = sources[i].shared;
		r->held = NOT_HELD;
		r->copy = malloc(COPY_BYTES);	/* of which little is ever touched */
		if (!r->copy) {
			systrace_latest_destroy(l);
			return -ENOMEM;
		}
	}
	return 0;
}

void systrace_latest_destroy(struct systrace_latest *l)
{
	for (unsigned i = 0; i < l->nr && l->rings; i++)
		free(l->rings[i].copy);
	free(l->rings);
	*l = (struct systrace_latest){ 0 };
}
