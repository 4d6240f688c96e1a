// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The merge on plain memory. The writers are those of ring.h; the test decides
 * who publishes what when, so that every interleaving can be had at will.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "merge.h"

#define RINGS		8
#define RING_BYTES	4096

/* bytes are what the kernel maps twice in a row: here, mirror() writes them twice. */
struct bed {
	struct systrace_merge merge;
	struct systrace_writer writers[RINGS];
	__u64 heads[RINGS], tails[RINGS];
	__u32 present[RINGS];
	unsigned char bytes[RINGS][2 * RING_BYTES];
};

static struct bed bed;

static void set_up(unsigned nr, __u64 start)
{
	struct systrace_merge_source sources[RINGS];

	memset(&bed, 0, sizeof(bed));
	for (unsigned i = 0; i < nr; i++) {
		bed.heads[i] = bed.tails[i] = start;
		bed.present[i] = 1;
		systrace_writer_init(&bed.writers[i], bed.bytes[i], RING_BYTES, &bed.heads[i],
				     &bed.tails[i]);
		sources[i] = (struct systrace_merge_source){
			bed.bytes[i], &bed.heads[i], &bed.tails[i], &bed.present[i],
		};
	}
	assert_int_equal(systrace_merge_init(&bed.merge, sources, nr, RING_BYTES, 0), 0);
}

static int tear_down(void **state)
{
	(void)state;
	systrace_merge_destroy(&bed.merge);
	return 0;
}

static void mirror(struct systrace_writer *w, const void *record, __u64 size)
{
	for (__u64 i = 0; i < size; i++) {
		__u64 at = (systrace_writer_head(w) + i) & w->mask;

		/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): padding */
		w->bytes[at] = w->bytes[at + RING_BYTES] = ((const unsigned char *)record)[i];
	}
}

static bool write_sized(unsigned ring, __u64 seq, __u16 claimed, __u16 size)
{
	struct systrace_writer *w = &bed.writers[ring];
	struct systrace_return r = {
		.event = { .size = claimed, .type = SYSTRACE_RETURN, .tid = ring, .seq = seq },
	};

	if (!systrace_writer_reserve(w, size, SYSTRACE_RING_RESERVE))
		return false;
	mirror(w, &r, size < sizeof(r) ? size : sizeof(r));
	systrace_writer_publish(w, size);
	return true;
}

static bool write_event(unsigned ring, __u64 seq)
{
	return write_sized(ring, seq, sizeof(struct systrace_return),
			   sizeof(struct systrace_return));
}

static void expect(unsigned ring, __u64 seq)
{
	const struct systrace_event *e = systrace_merge_next(&bed.merge);

	assert_non_null(e);
	assert_int_equal(e->seq, seq);
	assert_int_equal(e->tid, ring);
}

static void expect_none(void)
{
	assert_null(systrace_merge_next(&bed.merge));
	assert_null(systrace_merge_front(&bed.merge));
}

/* ----------------------------------------------------------------- order --- */

/* Bursts of random length on random rings; the reader now and then lags. */
static void run_interleaving(unsigned nr, unsigned events)
{
	unsigned *where = calloc(events + 1, sizeof(*where));
	__u64 written = 0, read = 0;

	set_up(nr, 0);
	while (read < events) {
		unsigned ring = (unsigned)rand() % nr, burst = (unsigned)rand() % 40;

		while (burst-- && written < events && write_event(ring, written + 1))
			where[++written] = ring;
		for (burst = (unsigned)rand() % 60; burst-- && read < written;) {
			read++;
			expect(where[read], read);
		}
		if (read == written)
			expect_none();
		systrace_merge_release(&bed.merge);
	}
	assert_false(bed.merge.broken);
	free(where);
	systrace_merge_destroy(&bed.merge);
}

static void order_over_all_numbers_of_rings(void **state)
{
	(void)state;
	srand(1);
	for (unsigned nr = 1; nr <= RINGS; nr++)
		for (unsigned round = 0; round < 20; round++)
			run_interleaving(nr, 3000);
	set_up(1, 0);
}

/* Rings publish out of order: what is later waits for what is earlier. */
static void late_publishers(void **state)
{
	__u64 next[RINGS], done = 0;

	(void)state;
	srand(2);
	set_up(RINGS, 0);
	for (unsigned i = 0; i < RINGS; i++)
		next[i] = i + 1;	/* ring i has i + 1, i + 9, ... */
	while (done < 4000) {
		unsigned ring = (unsigned)rand() % RINGS;
		const struct systrace_event *e;

		if (next[ring] < done + 200 && write_event(ring, next[ring]))
			next[ring] += RINGS;
		while ((e = systrace_merge_next(&bed.merge))) {
			assert_int_equal(e->seq, ++done);
			assert_int_equal(e->tid, (e->seq - 1) % RINGS);
		}
		for (unsigned i = 0; i < RINGS; i++)	/* NULL only if the next is not there */
			assert_true(next[i] > done);
		systrace_merge_release(&bed.merge);
	}
}

static void in_flight_is_waited_for(void **state)
{
	(void)state;
	set_up(3, 0);
	expect_none();
	write_event(0, 1);
	write_event(1, 3);
	write_event(0, 4);
	expect(0, 1);
	expect_none();		/* 2 is begun on ring 2 and not there yet */
	expect_none();
	write_event(2, 2);
	for (int i = 0; i < 3; i++)	/* a look takes nothing */
		assert_int_equal(systrace_merge_front(&bed.merge)->seq, 2);
	expect(2, 2);
	expect(1, 3);
	expect(0, 4);
	expect_none();
}

static void starts_behind_the_last_reader(void **state)
{
	const struct systrace_merge_source source = {
		bed.bytes[0], &bed.heads[0], &bed.tails[0], &bed.present[0],
	};

	(void)state;
	set_up(1, 0);
	write_event(0, 1);
	write_event(0, 2);
	expect(0, 1);
	systrace_merge_release(&bed.merge);
	systrace_merge_destroy(&bed.merge);
	assert_int_equal(systrace_merge_init(&bed.merge, &source, 1, RING_BYTES, 1), 0);
	expect(0, 2);
	expect_none();
}

static void positions_wrap(void **state)
{
	(void)state;
	set_up(2, (__u64)-1000 & ~7ULL);	/* past 2^64 and many times round */
	for (__u64 seq = 1; seq < 2000; seq++) {
		assert_true(write_event(seq & 1, seq));
		expect(seq & 1, seq);
		if (seq % 16 == 0)
			systrace_merge_release(&bed.merge);
	}
	assert_false(bed.merge.broken);
}

/* --------------------------------------------------------------- hotplug --- */

static void ring_appears_later(void **state)
{
	struct systrace_merge_source sources[2] = { { 0 } };

	(void)state;
	set_up(2, 0);
	for (unsigned i = 0; i < 2; i++)
		sources[i] = (struct systrace_merge_source){
			bed.bytes[i], &bed.heads[i], &bed.tails[i], &bed.present[i],
		};
	systrace_merge_destroy(&bed.merge);
	bed.present[1] = 0;
	assert_int_equal(systrace_merge_init(&bed.merge, sources, 2, RING_BYTES, 0), 0);
	write_event(0, 1);
	expect(0, 1);
	expect_none();
	bed.present[1] = 1;
	expect_none();
	write_event(1, 2);
	expect(1, 2);
	write_event(0, 3);
	expect(0, 3);
}

static void absent_bytes_are_not_touched(void **state)
{
	const struct systrace_merge_source source = {
		NULL, &bed.heads[0], &bed.tails[0], &bed.present[0],
	};

	(void)state;
	set_up(1, 0);
	systrace_merge_destroy(&bed.merge);
	bed.present[0] = 0;
	assert_int_equal(systrace_merge_init(&bed.merge, &source, 1, RING_BYTES, 0), 0);
	bed.heads[0] = 64;	/* a head without bytes behind it */
	expect_none();
	bed.heads[0] = 0;
	bed.present[0] = 1;	/* and bytes with nothing in them */
	expect_none();
	assert_false(bed.merge.broken);
}

/* --------------------------------------------------------------- garbage --- */

static void check_garbage(__u16 claimed, __u64 seq)
{
	set_up(2, 0);
	write_event(0, 1);
	write_sized(0, seq, claimed, sizeof(struct systrace_return));
	write_event(1, 3);
	expect(0, 1);
	expect_none();
	assert_true(bed.merge.broken);
	systrace_merge_release(&bed.merge);
	assert_int_equal(bed.tails[0], sizeof(struct systrace_return));
	write_event(1, 4);
	write_event(0, 5);
	expect_none();
	systrace_merge_destroy(&bed.merge);
}

static void garbage_ends_a_ring(void **state)
{
	(void)state;
	check_garbage(0, 2);
	check_garbage(16, 2);
	check_garbage(23, 2);
	check_garbage(25, 2);
	check_garbage(44, 2);
	check_garbage(sizeof(struct systrace_return) + 8, 2);	/* beyond head */
	check_garbage(65528, 2);
	check_garbage(sizeof(struct systrace_return), 1);	/* a seq that was there */
	check_garbage(sizeof(struct systrace_return), 0);
	set_up(1, 0);
}

static void other_rings_go_on_up_to_the_gap(void **state)
{
	(void)state;
	set_up(3, 0);
	write_sized(2, 4, 8, sizeof(struct systrace_return));
	write_event(0, 1);
	write_event(1, 2);
	write_event(0, 3);
	expect(0, 1);
	expect(1, 2);
	expect(0, 3);
	expect_none();
	assert_true(bed.merge.broken);
}

/* --------------------------------------------------------------- release --- */

static void release_stores_what_advanced(void **state)
{
	const __u64 size = sizeof(struct systrace_return);

	(void)state;
	set_up(3, 0);
	write_event(0, 1);
	write_event(1, 2);
	write_event(0, 3);
	expect(0, 1);
	expect(1, 2);
	assert_int_equal(bed.tails[0], 0);	/* nothing before the release */
	systrace_merge_release(&bed.merge);
	assert_int_equal(bed.tails[0], size);
	assert_int_equal(bed.tails[1], size);
	assert_int_equal(bed.tails[2], 0);

	bed.tails[1] = bed.tails[2] = 77;	/* those that rest are left alone */
	expect(0, 3);
	systrace_merge_release(&bed.merge);
	assert_int_equal(bed.tails[0], 2 * size);
	assert_int_equal(bed.tails[1], 77);
	assert_int_equal(bed.tails[2], 77);
}

/* The ring that is being read is not chosen anew after a release, but must be stored. */
static void release_after_release(void **state)
{
	const __u64 size = sizeof(struct systrace_return);

	(void)state;
	set_up(2, 0);
	for (__u64 seq = 1; seq <= 5; seq++) {
		write_event(0, seq);
		expect(0, seq);
		systrace_merge_release(&bed.merge);
		assert_int_equal(bed.tails[0], seq * size);
		systrace_merge_release(&bed.merge);
		assert_int_equal(bed.tails[0], seq * size);
	}
}

static void a_look_releases_nothing(void **state)
{
	(void)state;
	set_up(2, 0);
	write_event(1, 1);
	assert_non_null(systrace_merge_front(&bed.merge));
	systrace_merge_release(&bed.merge);
	assert_int_equal(bed.tails[1], 0);
	expect(1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(order_over_all_numbers_of_rings, tear_down),
		cmocka_unit_test_teardown(late_publishers, tear_down),
		cmocka_unit_test_teardown(in_flight_is_waited_for, tear_down),
		cmocka_unit_test_teardown(starts_behind_the_last_reader, tear_down),
		cmocka_unit_test_teardown(positions_wrap, tear_down),
		cmocka_unit_test_teardown(ring_appears_later, tear_down),
		cmocka_unit_test_teardown(absent_bytes_are_not_touched, tear_down),
		cmocka_unit_test_teardown(garbage_ends_a_ring, tear_down),
		cmocka_unit_test_teardown(other_rings_go_on_up_to_the_gap, tear_down),
		cmocka_unit_test_teardown(release_stores_what_advanced, tear_down),
		cmocka_unit_test_teardown(release_after_release, tear_down),
		cmocka_unit_test_teardown(a_look_releases_nothing, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
