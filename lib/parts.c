// SPDX-License-Identifier: LGPL-2.1-or-later
/* A session that is split: each ring is read by itself, one thread at a time for each. */
#include "handle.h"

/* Can it be the record at tail? What is wrong must lead nobody out of the ring. */
static bool is_record(const struct systrace_reader *r, const struct systrace_event *e)
{
	return e->size >= sizeof(*e) && !(e->size % 8) && e->size <= r->head - r->tail &&
	       r->head - r->tail <= r->mask + 1;
}

const struct systrace_event *systrace_part_front(struct systrace_part *part)
{
	const struct systrace_event *e;

	/* The kernel sets present before it moves head, and has no bytes before. */
	if (part->out || !systrace_load_acquire(part->present))
		return NULL;
	e = systrace_reader_peek(&part->reader);
	part->out = e && !is_record(&part->reader, e);
	return part->out ? NULL : e;
}

/* Events have the numbers 1, 2, 3 ...: if as many were read as the last one's number, all were. */
void systrace_part_store_seen(struct systrace *st, struct systrace_part *part)
{
	if (part->given)
		__atomic_fetch_add(st->seen, part->given, __ATOMIC_RELAXED);
	part->given = 0;
}

const struct systrace_event *systrace_ring_next(struct systrace *st, unsigned ring)
{
	struct systrace_part *part = ring < st->nr_parts ? &st->parts[ring] : NULL;
	const struct systrace_event *e = part ? systrace_part_front(part) : NULL;

	if (!e)
		return NULL;
	systrace_reader_advance(&part->reader, e);
	part->given++;
	return e;
}

void systrace_ring_release(struct systrace *st, unsigned ring)
{
	if (ring >= st->nr_parts)
		return;
	systrace_reader_release(&st->parts[ring].reader);
	systrace_part_store_seen(st, &st->parts[ring]);
	systrace_kick_waiters(st);
}
