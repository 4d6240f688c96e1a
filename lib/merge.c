// SPDX-License-Identifier: LGPL-2.1-or-later
/* One total order out of the rings of all CPUs; see merge.h. */
#include <errno.h>
#include <stdlib.h>

#include "merge.h"

/*
 * How often to look again when a later event is there, so that the one before
 * it must be in the middle of being written: that takes well under a
 * microsecond, unless the machine is virtual and the CPU is not running.
 */
#define SPINS 50

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield" ::: "memory");
#endif
}

/* Its tail will have to be stored. */
static void mark(struct systrace_merge *m, struct systrace_merge_ring *r)
{
	if (r->dirty)
		return;
	r->dirty = true;
	m->dirty[m->nr_dirty++] = r;
}

/* Can a record be of that size? Else it would lead astray, perhaps into an endless loop. */
static bool is_size(__u64 size)
{
	return !((size - sizeof(struct systrace_event)) & ~0xfff8ULL);
}

/*
 * Put the ring's records into the window, up to that place or to the end of its bytes. The loop
 * runs for each event, so what it can leave to later it does: a record that is larger than
 * what is there shows in the end.
 */
static void fill(struct systrace_merge *m, struct systrace_merge_ring *r, __u64 end)
{
	struct systrace_reader *reader = &r->reader;
	const __u64 ahead = reader->head - reader->tail;
	const unsigned char *begin = reader->bytes + (reader->tail & reader->mask), *at = begin;
	const unsigned char *stop = at + (ahead <= reader->mask + 1 ? ahead : 0);
	const unsigned char *limit = reader->bytes + reader->mask + 1;
	__u64 first = m->base + 1, seq = systrace_merge_seq(m), place, size = 0;
	__u64 least = (r->last > seq ? r->last : seq) + 1 - first;

	if (limit > stop)
		limit = stop;
	for (; at < limit; at += size) {
		const struct systrace_event *e = (const void *)at;

		size = e->size;
		place = e->seq - first;
		if (place >= end || place < least || !is_size(size)) {
			/* Beyond the window is for later. */
			r->out = place < end || (__s64)place < 0;
			break;
		}
		__builtin_prefetch(at + SYSTRACE_MERGE_AHEAD);
		m->window[place] = e;
		least = place + 1;
	}
	if (stop == begin)	/* more than a ring is ahead */
		r->out = true;
	if (at > stop) {	/* the last one is larger than what is there */
		r->out = true;
		at -= size;
		m->window[least - 1] = NULL;
	}
	m->broken |= r->out;
	if (at == begin)
		return;
	mark(m, r);
	reader->tail += (__u64)(at - begin);
	r->last = m->base + least;
	if (m->last < r->last)
		m->last = r->last;
}

/* True if the next event turned up. */
static bool look_at(struct systrace_merge *m, struct systrace_merge_ring *r, __u64 end)
{
	__u64 from;

	/* The kernel sets present before it moves head, and has no bytes before. */
	if (r->out || !systrace_load_acquire(r->present) || !systrace_reader_peek(&r->reader))
		return false;
	do {
		from = r->reader.tail;
		fill(m, r, end);
	} while (r->reader.tail != from && r->reader.tail != r->reader.head && !r->out);
	return *m->next;
}

static bool look_at_all(struct systrace_merge *m)
{
	__u64 run = (__u64)(m->next - m->window) + SYSTRACE_MERGE_RUN;
	bool found = false;

	if (look_at(m, m->current, run < SYSTRACE_MERGE_WINDOW ? run : SYSTRACE_MERGE_WINDOW))
		return true;
	for (unsigned i = 0; i < m->nr_rings; i++) {
		if (!look_at(m, &m->rings[i], SYSTRACE_MERGE_WINDOW) || found)
			continue;
		found = true;
		m->current = &m->rings[i];
	}
	return found;
}

const struct systrace_event *systrace_merge_look(struct systrace_merge *m)
{
	if (m->next == m->window + SYSTRACE_MERGE_WINDOW) {
		m->base += SYSTRACE_MERGE_WINDOW;
		m->next = m->window;
	}
	for (unsigned spins = SPINS; !look_at_all(m); spins--) {
		if (m->last <= systrace_merge_seq(m) || !spins)
			return NULL;
		relax();
	}
	return *m->next;
}

/* ------------------------------------------------------------- release --- */

/* Up to where everything is given out */
static __u64 given(const struct systrace_merge *m, const struct systrace_merge_ring *r)
{
	struct systrace_reader past = r->reader;
	__u64 seq = systrace_merge_seq(m);
	const struct systrace_event *e;

	if (r->last <= seq)
		return r->reader.tail;
	past.tail = r->released;
	/* They were records when they came into the window; what is wrong must not lead astray now, either. */
	while (past.tail - r->released < r->reader.tail - r->released && (e = systrace_reader_peek(&past)) &&
	       e->seq <= seq && is_size(e->size))
		systrace_reader_advance(&past, e);
	return past.tail - r->released <= r->reader.tail - r->released ? past.tail : r->reader.tail;
}

/* True if there is more to release later. */
static bool release(const struct systrace_merge *m, struct systrace_merge_ring *r)
{
	struct systrace_reader past = r->reader;

	past.tail = given(m, r);
	if (past.tail != r->released)
		systrace_reader_release(&past);
	r->released = past.tail;
	return r->released != r->reader.tail;
}

void systrace_merge_release(struct systrace_merge *m)
{
	unsigned left = 0;

	for (unsigned i = 0; i < m->nr_dirty; i++) {
		struct systrace_merge_ring *r = m->dirty[i];

		r->dirty = release(m, r);
		if (r->dirty)
			m->dirty[left++] = r;
	}
	m->nr_dirty = left;
}

/* ------------------------------------------------------------------ life --- */

int systrace_merge_init(struct systrace_merge *m, const struct systrace_merge_source *sources,
			unsigned nr, __u64 ring_bytes, __u64 seq)
{
	*m = (struct systrace_merge){ .base = seq, .last = seq, .nr_rings = nr };
	m->rings = calloc(nr, sizeof(*m->rings));
	m->dirty = calloc(nr, sizeof(struct systrace_merge_ring *));
	if (!m->rings || !m->dirty) {
		systrace_merge_destroy(m);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < nr; i++) {
		struct systrace_merge_ring *r = &m->rings[i];

		systrace_reader_init(&r->reader, sources[i].bytes, ring_bytes, sources[i].head,
				     sources[i].tail);
		r->last = seq;
		r->present = sources[i].present;
		r->released = r->reader.tail;
	}
	m->current = m->rings;
	systrace_merge_none(m);
	return 0;
}

void systrace_merge_none(struct systrace_merge *m)
{
	m->next = m->window;
}

void systrace_merge_destroy(struct systrace_merge *m)
{
	free(m->rings);
	free(m->dirty);
	*m = (struct systrace_merge){ 0 };
}
