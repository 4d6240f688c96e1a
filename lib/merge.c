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

/* ------------------------------------------------------------- the heap --- */

static void sift_down(struct systrace_merge *m, struct systrace_merge_front f)
{
	unsigned i = 0, child;

	while ((child = 2 * i + 1) < m->nr_heap) {
		if (child + 1 < m->nr_heap && m->heap[child + 1].seq < m->heap[child].seq)
			child++;
		if (f.seq <= m->heap[child].seq)
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = f;
}

static void push(struct systrace_merge *m, struct systrace_merge_front f)
{
	unsigned i = m->nr_heap++, parent;

	for (; i && m->heap[parent = (i - 1) / 2].seq > f.seq; i = parent)
		m->heap[i] = m->heap[parent];
	m->heap[i] = f;
}

static void pop(struct systrace_merge *m)
{
	if (--m->nr_heap)
		sift_down(m, m->heap[m->nr_heap]);
}

/* ------------------------------------------------------------ the rings --- */

/* What is at the front of a ring: NULL if it is empty, or if it is, or now goes, out. */
static const struct systrace_event *look(struct systrace_merge *m, struct systrace_merge_ring *r)
{
	const struct systrace_event *e;

	/* The kernel sets present before it moves head, and has no bytes before. */
	if (r->out || !systrace_load_acquire(r->present))
		return NULL;
	e = systrace_reader_peek(&r->reader);
	if (!e)
		return NULL;
	if (systrace_merge_sane(&r->reader, e) && e->seq > m->seq)
		return e;
	r->out = m->broken = true;
	return NULL;
}

static void mark(struct systrace_merge *m, struct systrace_merge_ring *r)
{
	if (r->dirty)
		return;
	r->dirty = true;
	m->dirty[m->nr_dirty++] = r;
}

/* Read from this ring from now on: its tail will have to be stored. */
static const struct systrace_event *choose(struct systrace_merge *m, struct systrace_merge_ring *r,
					   const struct systrace_event *e)
{
	m->current = r;
	mark(m, r);
	return e;
}

/*
 * Look at the idle rings, those that were busy last first: with few busy CPUs
 * among many, this mostly ends after a few. What comes later goes into the heap.
 */
static const struct systrace_event *scan_idle(struct systrace_merge *m)
{
	for (unsigned i = m->nr_idle; i--;) {
		struct systrace_merge_ring *r = m->idle[i];
		const struct systrace_event *e = look(m, r);

		if (!e && !r->out)
			continue;
		m->idle[i] = m->idle[--m->nr_idle];
		if (!e)
			continue;
		if (e->seq == m->seq + 1)
			return choose(m, r, e);
		push(m, (struct systrace_merge_front){ e->seq, r });
	}
	return NULL;
}

/* Is the next event the one on top of the heap? */
static bool on_top(const struct systrace_merge *m)
{
	return m->nr_heap && m->heap[0].seq == m->seq + 1;
}

static const struct systrace_event *choose_top(struct systrace_merge *m,
					       struct systrace_merge_ring *r)
{
	return choose(m, r, systrace_reader_peek(&r->reader));
}

/* The current ring's front, e, comes later, or it has none: let others go first. */
static const struct systrace_event *leave(struct systrace_merge *m, const struct systrace_event *e)
{
	struct systrace_merge_ring *r = m->current, *next;

	m->current = NULL;
	if (e && on_top(m)) {	/* two busy CPUs in turn: one pass over the heap, not two */
		next = m->heap[0].ring;
		sift_down(m, (struct systrace_merge_front){ e->seq, r });
		return choose_top(m, next);
	}
	if (e)
		push(m, (struct systrace_merge_front){ e->seq, r });
	else if (!r->out)
		m->idle[m->nr_idle++] = r;
	return NULL;
}

static const struct systrace_event *take_top(struct systrace_merge *m)
{
	struct systrace_merge_ring *r = m->heap[0].ring;

	pop(m);
	return choose_top(m, r);
}

const struct systrace_event *systrace_merge_front(struct systrace_merge *m)
{
	const struct systrace_event *e;

	if (m->current) {
		e = look(m, m->current);
		if (e && e->seq == m->seq + 1)
			return e;
		e = leave(m, e);
		if (e)
			return e;
	}
	for (unsigned spins = SPINS;; spins--) {
		e = on_top(m) ? take_top(m) : scan_idle(m);
		if (e || !m->nr_heap || !spins)
			return e;
		relax();
	}
}

void systrace_merge_release(struct systrace_merge *m)
{
	while (m->nr_dirty) {
		struct systrace_merge_ring *r = m->dirty[--m->nr_dirty];

		r->dirty = false;
		if (r->reader.tail == r->released)
			continue;
		systrace_reader_release(&r->reader);
		r->released = r->reader.tail;
	}
	if (m->current)
		mark(m, m->current);
}

/* ------------------------------------------------------------------ life --- */

int systrace_merge_init(struct systrace_merge *m, const struct systrace_merge_source *sources,
			unsigned nr, __u64 ring_bytes, __u64 seq)
{
	*m = (struct systrace_merge){ .seq = seq };
	m->rings = calloc(nr, sizeof(*m->rings));
	m->heap = calloc(nr, sizeof(*m->heap));
	m->idle = calloc(nr, sizeof(struct systrace_merge_ring *));
	m->dirty = calloc(nr, sizeof(struct systrace_merge_ring *));
	if (!m->rings || !m->heap || !m->idle || !m->dirty) {
		systrace_merge_destroy(m);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < nr; i++) {
		struct systrace_merge_ring *r = &m->rings[i];

		systrace_reader_init(&r->reader, sources[i].bytes, ring_bytes, sources[i].head,
				     sources[i].tail);
		r->present = sources[i].present;
		r->released = r->reader.tail;
		m->idle[nr - 1 - i] = r;	/* CPU 0 is looked at first */
	}
	m->nr_idle = nr;
	return 0;
}

void systrace_merge_destroy(struct systrace_merge *m)
{
	free(m->rings);
	free(m->heap);
	free(m->idle);
	free(m->dirty);
	*m = (struct systrace_merge){ 0 };
}
