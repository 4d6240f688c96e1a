// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library's merge between threads: each writes into a ring of its own, as the
 * driver does, and one reads them all.
 *
 *	merge [COUNT]	records in each part, 1,000,000 if not said
 *
 * As in ring.c no record straddles the end of a ring, so that ThreadSanitizer,
 * which keeps its books by address, sees every race. The writers take their
 * numbers from one counter, and nothing else orders them.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include "merge.h"
#include "part.h"
#include "twice.h"

#define RINGS_MAX	16
#define HEADER		sizeof(struct systrace_event)
#define RESERVE		SYSTRACE_RING_RESERVE
#define LONGEST		256

static __u64 seq;		/* the last number given out */

static struct ring {
	__u64 head __attribute__((aligned(64)));
	__u64 tail __attribute__((aligned(64)));
	__u32 present;
	unsigned char *bytes;
	struct systrace_writer w;
	unsigned number;
	__u64 records;		/* to be written */
	__u64 read;
	__u64 position;		/* up to which that is */
} rings[RINGS_MAX];

static __u64 ring_bytes;

/* The size of a ring's kth record at `position`: both sides come to the same one. */
static __u64 cut_size(const struct ring *r, __u64 k, __u64 position)
{
	__u64 chance = mix(k * RINGS_MAX + r->number);
	__u64 size = HEADER + chance % ((LONGEST - HEADER) / 8 + 1) * 8;
	__u64 left = ring_bytes - (position & (ring_bytes - 1));

	return left < size + HEADER ? left : size;
}

static void *write_ring(void *arg)
{
	struct ring *r = arg;
	void *place;

	/* A CPU can come up late. */
	if (r->number % 3 == 2)
		usleep(1000 * r->number);
	__atomic_store_n(&r->present, 1, __ATOMIC_RELEASE);
	for (__u64 k = 0; k < r->records; k++) {
		__u64 size = cut_size(r, k, systrace_writer_head(&r->w));

		while (!(place = find_place(&r->w, size)))
			sched_yield();
		record_write(place, __atomic_add_fetch(&seq, 1, __ATOMIC_SEQ_CST), size);
		systrace_writer_publish(&r->w, size);
		/* Bursts of one writer, and all in turn */
		if (mix(k) % 64 < r->number)
			sched_yield();
	}
	return NULL;
}

static void begin_rings(struct systrace_merge *m, unsigned nr, __u64 count)
{
	struct systrace_merge_source sources[RINGS_MAX] = { { 0 } };

	seq = 0;
	for (unsigned i = 0; i < nr; i++) {
		struct ring *r = &rings[i];

		r->head = r->tail = r->position = 0 - 3 * ring_bytes;
		r->present = 0;
		r->number = i;
		r->read = 0;
		r->records = count / nr;
		systrace_writer_init(&r->w, r->bytes, ring_bytes, &r->head, &r->tail);
		sources[i] = (struct systrace_merge_source){
			.bytes = r->bytes, .head = &r->head, .tail = &r->tail,
			.present = &r->present,
		};
	}
	if (systrace_merge_init(m, sources, nr, ring_bytes, 0))
		fail("no memory", nr);
}

static const struct systrace_event *wait_for_next(struct systrace_merge *m)
{
	const struct systrace_event *e;

	while (!(e = systrace_merge_next(m))) {
		check(!m->broken, "a ring is taken for broken", systrace_merge_seq(m));
		systrace_merge_release(m);
		sched_yield();
	}
	return e;
}

/* Whose it is, by its place */
static struct ring *ring_of(const struct systrace_event *e)
{
	struct ring *r = rings;

	while ((const unsigned char *)e < r->bytes || (const unsigned char *)e >= r->bytes + ring_bytes)
		r++;
	return r;
}

static void read_rings(struct systrace_merge *m, __u64 count)
{
	for (__u64 n = 1; n <= count; n++) {
		const struct systrace_event *e = wait_for_next(m);
		struct ring *r = ring_of(e);

		check(e->seq == n, "not the next", n);
		check(record_is(e, n, cut_size(r, r->read++, r->position)), "not whole", n);
		r->position += e->size;
		if (mix(n) % 32 == 0)
			systrace_merge_release(m);
		progress(n);
	}
	check(!systrace_merge_next(m), "a record too many", count);
	systrace_merge_release(m);
}

static void merge(unsigned nr, __u64 count)
{
	struct systrace_merge m;
	pthread_t writers[RINGS_MAX];

	begin_rings(&m, nr, count);
	for (unsigned i = 0; i < nr; i++)
		start(&writers[i], write_ring, &rings[i]);
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no number in main is 0 */
	read_rings(&m, count / nr * nr);
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(writers[i], NULL);
		check(rings[i].tail == rings[i].head, "not all given back", i);
	}
	systrace_merge_destroy(&m);
}

int main(int argc, char **argv)
{
	static const unsigned numbers[] = { 1, 2, 3, 8, RINGS_MAX };
	__u64 count = part_count(argc, argv);
	char name[64];

	ring_bytes = 4 * twice_smallest();
	for (unsigned i = 0; i < RINGS_MAX; i++)
		rings[i].bytes = twice_map(ring_bytes);
	printf("1..%zu\n", sizeof(numbers) / sizeof(*numbers));
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		snprintf(name, sizeof(name), "%u rings: each record is the next, whole", numbers[i]);
		begin_part(name);
		merge(numbers[i], count);
		end_part();
	}
	return 0;
}
