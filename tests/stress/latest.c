// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rings that overwrite, between threads: each writes into one of its own, without
 * ever waiting, and one reads them all with lib/latest.c while they do.
 *
 *	latest [COUNT]	records in each part, 1,000,000 if not said
 *
 * What is read is whole and in order, what is missing is told to the event, and the
 * newest is there in the end. The words of a record are stored as atomics, relaxed:
 * they are meant to be read while they are written.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include "latest.h"
#include "part.h"
#include "twice.h"

#define RINGS_MAX	16
#define HEADER		sizeof(struct systrace_event)
#define LONGEST		256

static __u64 seq;		/* the last number given out */
static unsigned running;	/* writers */

static struct ring {
	struct systrace_ring shared __attribute__((aligned(64)));
	__u64 tail __attribute__((aligned(64)));
	unsigned char *bytes;
	struct systrace_writer w;
	unsigned number;
	__u64 records;		/* to be written */
} rings[RINGS_MAX];

static __u64 ring_bytes;

static void give_way(struct ring *r, __u64 room)
{
	const struct systrace_event *oldest;
	__u64 last;

	do {
		oldest = systrace_writer_oldest(&r->w);
		last = oldest->seq;
		systrace_writer_give_up(&r->w, oldest);
	} while (systrace_writer_free(&r->w) < room);
	systrace_writer_forget(&r->w, &r->shared, last);
}

static void write_record(struct ring *r, __u64 size)
{
	__u64 words[LONGEST / 8];
	__u64 *place;

	if (!systrace_writer_reserve(&r->w, size, 0))
		give_way(r, size);
	place = systrace_writer_reserve(&r->w, size, 0);
	record_write(words, __atomic_add_fetch(&seq, 1, __ATOMIC_SEQ_CST), size);
	for (__u64 i = 0; i < size / 8; i++)
		set_relaxed(&place[i], words[i]);
	systrace_writer_publish(&r->w, size);
}

static void *write_ring(void *arg)
{
	struct ring *r = arg;

	__atomic_store_n(&r->shared.present, 1, __ATOMIC_RELEASE);
	for (__u64 k = 0; k < r->records; k++) {
		__u64 chance = mix(k * RINGS_MAX + r->number);

		write_record(r, HEADER + chance % ((LONGEST - HEADER) / 8 + 1) * 8);
		if (mix(k) % 64 < r->number)
			sched_yield();
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void begin_rings(struct systrace_latest *l, unsigned nr, __u64 count, bool older)
{
	struct systrace_latest_source sources[RINGS_MAX];

	seq = 0;
	running = nr;
	for (unsigned i = 0; i < nr; i++) {
		struct ring *r = &rings[i];

		r->shared = (struct systrace_ring){ 0 };
		r->tail = 0;
		r->number = i;
		r->records = count / nr;
		systrace_writer_init(&r->w, r->bytes, ring_bytes, &r->shared.head,
				     &r->shared.oldest);
		sources[i] = (struct systrace_latest_source){
			.bytes = r->bytes, .shared = &r->shared, .tail = &r->tail,
		};
	}
	if (systrace_latest_init(l, sources, nr, ring_bytes, older))
		fail("no memory", nr);
}

/* Count what there is; true if there was something. */
static bool read_some(struct systrace_latest *l, __u64 *last, __u64 *events, __u64 *lost)
{
	const struct systrace_event *e = systrace_latest_next(l);
	const struct systrace_lost *gap = (const void *)e;

	if (!e)
		return false;
	if (e->type == SYSTRACE_LOST) {
		check(e->seq == *last + gap->count, "a gap that is none", e->seq);
		*lost += gap->count;
	} else {
		check(e->seq == *last + 1, "not the next", e->seq);
		check(e->size <= LONGEST && record_is(e, e->seq, e->size), "not whole", e->seq);
		++*events;
	}
	*last = e->seq;
	return true;
}

static void read_rings(struct systrace_latest *l, __u64 count)
{
	__u64 last = 0, events = 0, lost = 0, n = 0;

	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		if (!read_some(l, &last, &events, &lost))
			sched_yield();
		if (mix(++n) % 4096 == 0)
			usleep(100);	/* and now it is late */
		progress(n);
	}
	__atomic_store_n(&l->in_place, true, __ATOMIC_RELEASE);
	while (read_some(l, &last, &events, &lost))
		;
	check(!l->broken, "a ring is taken for broken", last);
	check(last == count && events + lost == count, "not all accounted for", events + lost);
	check(events && lost, "nothing read, or nothing overwritten", events);
	printf("# %llu read, %llu overwritten\n", (unsigned long long)events,
	       (unsigned long long)lost);
}

static void record(unsigned nr, __u64 count, bool older)
{
	struct systrace_latest l;
	pthread_t writers[RINGS_MAX];

	begin_rings(&l, nr, count, older);
	for (unsigned i = 0; i < nr; i++)
		start(&writers[i], write_ring, &rings[i]);
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no number in main is 0 */
	read_rings(&l, count / nr * nr);
	for (unsigned i = 0; i < nr; i++)
		pthread_join(writers[i], NULL);
	systrace_latest_destroy(&l);
}

int main(int argc, char **argv)
{
	static const unsigned numbers[] = { 1, 2, 3, 8, RINGS_MAX };
	const unsigned parts = sizeof(numbers) / sizeof(*numbers);
	__u64 count = part_count(argc, argv);
	char name[64];

	ring_bytes = 4 * twice_smallest();
	for (unsigned i = 0; i < RINGS_MAX; i++)
		rings[i].bytes = twice_map(ring_bytes);
	printf("1..%u\n", 2 * parts);
	for (unsigned i = 0; i < 2 * parts; i++) {
		snprintf(name, sizeof(name), "%u rings that overwrite%s", numbers[i / 2],
			 i % 2 ? ", with what is older" : "");
		begin_part(name);
		record(numbers[i / 2], count, i % 2);
		end_part();
	}
	return 0;
}
