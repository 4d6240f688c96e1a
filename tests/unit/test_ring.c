// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ring.h, one thread, every corner: places, counters, fullness, lies, batches.
 * What needs two threads is in tests/stress/ring.c.
 */
#define _GNU_SOURCE 1
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/*
 * Each look at a shared position passes through looked(): it counts, and lets a
 * test change the position between two looks, as another CPU could.
 */
static int looked(void);
#define SYSTRACE_ACQUIRE	looked()

#include <systrace/ring.h>
#include "../stress/twice.h"

#define HEADER	sizeof(struct systrace_event)
#define RESERVE	SYSTRACE_RING_RESERVE

static unsigned looks;
static void (*before_look)(void);

static int looked(void)
{
	looks++;
	if (before_look)
		before_look();
	return __ATOMIC_ACQUIRE;
}

/* The one ring of these tests; its positions begin where a test says. */
static struct {
	unsigned char *bytes;
	__u64 size;
	__u64 longest;		/* record that fits into it and into a __u16 */
	__u64 head;
	__u64 tail;
	struct systrace_writer w;
	struct systrace_reader r;
} ring;

static int map_ring(void **state)
{
	(void)state;
	ring.size = twice_smallest();
	ring.bytes = twice_map(ring.size);
	ring.longest = ring.size < 65528 ? ring.size : 65528;
	return 0;
}

static void begin(__u64 start)
{
	ring.head = ring.tail = start;
	before_look = NULL;
	systrace_writer_init(&ring.w, ring.bytes, ring.size, &ring.head, &ring.tail);
	systrace_reader_init(&ring.r, ring.bytes, ring.size, &ring.head, &ring.tail);
}

static int inside(const void *place, __u64 size)
{
	__u64 offset = (__u64)((const unsigned char *)place - ring.bytes);

	return offset < ring.size && offset % 8 == 0 && offset + size <= 2 * ring.size;
}

static int put(__u64 number, __u64 size)
{
	void *place = systrace_writer_reserve(&ring.w, size, 0);

	if (!place)
		return 0;
	assert_true(inside(place, size));
	record_write(place, number, size);
	systrace_writer_publish(&ring.w, size);
	return 1;
}

static void take(__u64 number, __u64 size)
{
	const struct systrace_event *event = systrace_reader_peek(&ring.r);

	assert_non_null(event);
	assert_true(inside(event, size));
	assert_true(record_is(event, number, size));
	systrace_reader_advance(&ring.r, event);
}

static __u64 some_size(__u64 number, __u64 most)
{
	return HEADER + mix(number) % ((most - HEADER) / 8 + 1) * 8;
}

/* ---------------------------------------------------------------- places --- */

static void one_record(__u64 start, __u64 size)
{
	const __u64 *word = (const __u64 *)ring.bytes;
	__u64 number = start * ring.size + size;
	__u64 words = (size - HEADER) / 8;

	begin(start);
	assert_true(put(number, size));
	assert_ptr_equal(systrace_reader_peek(&ring.r), ring.bytes + start);
	take(number, size);
	systrace_reader_release(&ring.r);
	assert_int_equal(ring.tail, start + size);
	/* Its last word is in the ring itself: the two mappings are one memory. */
	if (words)
		assert_int_equal(word[(start + size - 8) % ring.size / 8],
				 record_word(number, words - 1));
}

static void wrap_at_every_offset(void **state)
{
	/* 8, but where pages are larger than 4 KiB. */
	__u64 start, size, step = ring.size / 512;

	(void)state;
	for (start = 0; start < ring.size; start += step)
		for (size = HEADER; size <= ring.longest; size += step)
			one_record(start, size);
}

/* A stream from `start` on, the reader a few records behind. */
static void stream(__u64 start, unsigned records)
{
	unsigned written = 0, read = 0;

	begin(start);
	while (read < records) {
		while (written < records && put(written, some_size(start + written, ring.size / 4)))
			written++;
		assert_true(written - read >= 3 || written == records);
		do {
			take(read, some_size(start + read, ring.size / 4));
			read++;
		} while (read < written && mix(read) % 4);
		systrace_reader_release(&ring.r);
	}
	assert_null(systrace_reader_peek(&ring.r));
	assert_int_equal(ring.head, ring.tail);
}

static void counter_wraps_at_2_64(void **state)
{
	__u64 below;

	(void)state;
	for (below = 8; below <= 2 * ring.size; below += 8) {
		stream(0 - below, 40);
		assert_true(ring.head < 0 - below);
	}
}

/* -------------------------------------------------------------- fullness --- */

/* Bring the ring to `used` bytes not yet read, in records of any size. */
static void fill(__u64 start, __u64 used)
{
	__u64 n = 0, left, size;

	begin(start);
	for (left = used; left; left -= size) {
		size = left > ring.longest / 2 ? ring.longest / 4 : left;
		assert_true(put(n++, size));
	}
}

static void fits_exactly_or_not_at_all(__u64 start, __u64 used, __u64 spare)
{
	__u64 room = ring.size - used;

	fill(start, used);
	assert_int_equal(systrace_writer_free(&ring.w), room);
	if (room < spare + HEADER)
		return;
	assert_null(systrace_writer_reserve(&ring.w, room - spare + 8, spare));
	assert_ptr_equal(systrace_writer_reserve(&ring.w, room - spare, spare),
			 ring.bytes + (start + used) % ring.size);
	assert_int_equal(ring.head, start + used);
}

static void full_to_the_byte(void **state)
{
	static const __u64 starts[] = { 0, 8, 4088, 0 - (__u64)8, 0 - (__u64)2048 };
	__u64 used;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		for (used = 0; used <= ring.size; used += used ? 8 : HEADER) {
			fits_exactly_or_not_at_all(starts[i], used, 0);
			fits_exactly_or_not_at_all(starts[i], used, RESERVE);
		}
	}
}

static void full_leaves_all_as_it_was(void **state)
{
	static unsigned char before[1 << 16];
	__u64 used = ring.size - 32;

	(void)state;
	assert_true(ring.size <= sizeof(before));
	fill(4000, used);
	memcpy(before, ring.bytes, ring.size);
	assert_null(systrace_writer_reserve(&ring.w, 40, 0));
	assert_null(systrace_writer_reserve(&ring.w, 32, 8));
	assert_memory_equal(before, ring.bytes, ring.size);
	assert_int_equal(systrace_writer_head(&ring.w), 4000 + used);
	assert_int_equal(ring.w.tail, 4000);
	assert_int_equal(ring.head, 4000 + used);
	assert_int_equal(ring.tail, 4000);
	assert_true(put(9, 32));
	assert_null(systrace_writer_reserve(&ring.w, 8, 0));
}

/* After an extend: as long as there is room, by the tail that was known, and up to the bytes' end. */
static void fits_what_is_free(void **state)
{
	__u64 n, used, spare, most, size, limit, head;
	unsigned before;

	(void)state;
	for (n = 0; n < 20000; n++) {
		used = mix(3 * n) % (ring.size / 8 - HEADER / 8) * 8;
		spare = n & 1 ? RESERVE : 0;
		most = n & 2 ? mix(3 * n + 1) % (2 * ring.size) : ~(__u64)0;
		fill(mix(3 * n + 2) % (4 * ring.size) / 8 * 8, used < HEADER ? 0 : used);
		used = systrace_writer_head(&ring.w) - ring.w.tail;
		ring.tail = ring.head;	/* nobody looks */
		before = looks;
		systrace_writer_extend(&ring.w, spare, most);
		limit = most < ring.size - spare ? most : ring.size - spare;
		while (systrace_writer_fits(&ring.w, ring.w.next + HEADER)) {
			head = systrace_writer_head(&ring.w);
			for (size = HEADER; size <= ring.longest; size += 8)
				assert_int_equal(systrace_writer_fits(&ring.w, ring.w.next + size),
						 used + size <= limit &&
						 head % ring.size + size <= ring.size);
			assert_ptr_equal(ring.w.next, ring.bytes + head % ring.size);
			systrace_writer_publish(&ring.w, HEADER);
			used += HEADER;
			assert_int_equal(ring.head, head + HEADER);
		}
		head = systrace_writer_head(&ring.w);
		assert_true(used + HEADER > limit || (head - 1) % ring.size + 1 + HEADER > ring.size);
		assert_int_equal(looks, before);
	}
}

static void nothing_fits_after_a_stop(void **state)
{
	(void)state;
	begin(0);
	assert_false(systrace_writer_fits(&ring.w, ring.w.next + HEADER));
	systrace_writer_extend(&ring.w, RESERVE, ~(__u64)0);
	assert_true(systrace_writer_fits(&ring.w, ring.w.next + HEADER));
	systrace_writer_stop(&ring.w);
	assert_false(systrace_writer_fits(&ring.w, ring.w.next + HEADER));
}

/* Records come with and without a look, in turn: none is put where one is not read yet. */
static void fits_nothing_unread(void **state)
{
	__u64 n, size, by_limit = 0, laps = 0;

	(void)state;
	begin(0);
	for (n = 0; n < 200000; n++) {
		size = some_size(2 * n, 64);
		if (mix(2 * n + 1) % 256 == 0)
			systrace_writer_extend(&ring.w, RESERVE, ~(__u64)0);
		if (mix(2 * n + 1) % 1024 == 8)
			ring.tail = ring.head;
		if (mix(2 * n + 1) % 3 && systrace_writer_fits(&ring.w, ring.w.next + size))
			by_limit++;
		else if (!systrace_writer_reserve(&ring.w, size, RESERVE))
			continue;
		laps += ring.head % ring.size + size >= ring.size;
		systrace_writer_publish(&ring.w, size);
		assert_true(ring.head - ring.tail <= ring.size - RESERVE);
	}
	assert_true(by_limit > 1000 && laps > 20);
}

/* Events leave the spare, whatever their sizes: the loss can be told, once. */
static void spare_is_kept_for_a_loss(void **state)
{
	__u64 size, records;
	void *place;

	(void)state;
	for (size = HEADER; size <= ring.longest - RESERVE; size += 8) {
		begin(size * 8);
		for (records = 0; systrace_writer_reserve(&ring.w, size, RESERVE); records++)
			systrace_writer_publish(&ring.w, size);
		assert_int_equal(records, (ring.size - RESERVE) / size);
		place = systrace_writer_reserve(&ring.w, RESERVE, 0);
		assert_non_null(place);
		assert_true(inside(place, RESERVE));
		systrace_writer_publish(&ring.w, RESERVE);
		assert_null(systrace_writer_reserve(&ring.w, size, RESERVE));
	}
	assert_int_equal(RESERVE, 40);
}

/* A CPU without memory for a ring: no room, and no look at a tail. */
static void no_bytes_no_room(void **state)
{
	static const __u64 tails[] = { 0, 8, 1000, ~(__u64)0 };
	static const __u64 sizes[] = { 0, 4096 };
	struct systrace_writer w;
	size_t i, s;

	(void)state;
	begin(1000);
	for (s = 0; s < 2; s++) {
		systrace_writer_init(&w, NULL, sizes[s], &ring.head, &ring.tail);
		looks = 0;
		assert_int_equal(systrace_writer_free(&w), 0);
		for (i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
			ring.tail = tails[i];
			assert_null(systrace_writer_reserve(&w, HEADER, 0));
			assert_null(systrace_writer_reserve(&w, 8, 0));
		}
		assert_int_equal(looks, 0);
		assert_int_equal(ring.head, 1000);
	}
}

/* ---------------------------------------------------------------- writer --- */

static void reserve_shows_nothing(void **state)
{
	void *place;

	(void)state;
	begin(64);
	place = systrace_writer_reserve(&ring.w, 48, 0);
	record_write(place, 1, 48);
	assert_null(systrace_reader_peek(&ring.r));
	assert_ptr_equal(systrace_writer_reserve(&ring.w, 32, 0), place);
	assert_int_equal(ring.head, 64);
	systrace_writer_publish(&ring.w, 48);
	assert_int_equal(ring.head, 64 + 48);
	take(1, 48);
}

static void writer_never_reads_head_back(void **state)
{
	(void)state;
	begin(128);
	assert_true(put(1, 32));
	ring.head = 0xbad0;
	assert_true(put(2, 32));
	assert_int_equal(ring.head, 128 + 64);
	take(1, 32);
	take(2, 32);
}

static void tail_is_looked_at_only_when_needed_and_once(void **state)
{
	(void)state;
	begin(0);
	looks = 0;
	assert_true(put(1, ring.size / 2));
	assert_true(put(2, ring.size / 2));
	assert_int_equal(looks, 0);
	assert_false(put(3, HEADER));
	assert_int_equal(looks, 1);
	ring.tail = ring.size / 2;
	assert_true(put(3, HEADER));
	assert_int_equal(looks, 2);
	assert_true(put(4, HEADER));
	assert_int_equal(looks, 2);
}

/* ------------------------------------------------------------------ lies --- */

enum lie { AHEAD, BEHIND, JUST_BEHIND, RANDOM, ODD, BACKWARD, EXTREME, TRUE, LIES };

static __u64 tell(enum lie lie, __u64 chance)
{
	switch (lie) {
	case AHEAD:
		return systrace_writer_head(&ring.w) + 1 + chance % (4 * ring.size);
	case BEHIND:
		return systrace_writer_head(&ring.w) - ring.size - 1 - chance % (1ULL << 40);
	case JUST_BEHIND:
		return systrace_writer_head(&ring.w) - ring.size - 16 + chance % 5 * 8;
	case RANDOM:
		return chance;
	case ODD:
		return systrace_writer_head(&ring.w) - chance % ring.size - 1;
	case BACKWARD:
		return ring.w.tail - chance % ring.size;
	case EXTREME:
		return (chance & 1 ? ~(__u64)0 : 0) ^ (chance & 2 ? 1ULL << 63 : 0);
	default:
		return systrace_writer_head(&ring.w) - chance % (ring.size / 8 + 1) * 8;
	}
}

/*
 * One event under a tail that says anything, beside what the writer must make
 * of it: a tail between head - ring bytes and head counts, another does not.
 */
static void one_event_under(__u64 tail, __u64 size, __u64 spare)
{
	__u64 head = systrace_writer_head(&ring.w), known = ring.w.tail;
	void *place;

	ring.tail = tail;
	if (ring.size - (head - known) < size + spare && head - tail <= ring.size)
		known = tail;
	place = systrace_writer_reserve(&ring.w, size, spare);
	assert_int_equal(systrace_writer_head(&ring.w), head);
	assert_int_equal(ring.w.tail, known);
	assert_true(head - ring.w.tail <= ring.size);
	assert_int_equal(!!place, ring.size - (head - known) >= size + spare);
	if (!place)
		return;
	assert_ptr_equal(place, ring.bytes + head % ring.size);
	memset(place, 0x5a, size);
	systrace_writer_publish(&ring.w, size);
	assert_int_equal(ring.head, head + size);
	assert_true(systrace_writer_head(&ring.w) - ring.w.tail + spare <= ring.size);
}

/* The reader tells the truth again: it goes on from the head. */
static void flows_again(void)
{
	__u64 n;

	ring.tail = ring.head;
	systrace_reader_init(&ring.r, ring.bytes, ring.size, &ring.head, &ring.tail);
	assert_null(systrace_reader_peek(&ring.r));
	for (n = 0; n < 100; n++) {
		assert_true(put(n, some_size(n, ring.longest)));
		take(n, some_size(n, ring.longest));
		systrace_reader_release(&ring.r);
	}
}

static void lies_do_no_harm(void **state)
{
	static const __u64 starts[] = { 0, 1 << 20, 0 - (__u64)(1 << 16) };
	__u64 n = 0, chance;
	unsigned lie, i, s;

	(void)state;
	for (s = 0; s < 3; s++) {
		begin(starts[s]);
		for (lie = 0; lie <= LIES; lie++) {
			for (i = 0; i < 5000; i++) {
				chance = mix(n++);
				one_event_under(tell(lie < LIES ? lie : chance % LIES, mix(chance)),
						some_size(chance, ring.longest / 2),
						chance & 64 ? RESERVE : 0);
			}
			flows_again();
		}
	}
}

/* Before each look the word changes: what was checked is what must be used. */
static void change_tail(void)
{
	__u64 head = systrace_writer_head(&ring.w);

	ring.tail = looks & 1 ? head - ring.size / 2 : head + 8 * looks;
}

static void lie_between_two_looks(void **state)
{
	unsigned i, written = 0;
	void *place;

	(void)state;
	begin(0);
	before_look = change_tail;
	for (looks = 0, i = 0; i < 10000; i++) {
		place = systrace_writer_reserve(&ring.w, 256, RESERVE);
		assert_true(systrace_writer_head(&ring.w) - ring.w.tail <= ring.size);
		if (place) {
			memset(place, 0x5a, 256);
			systrace_writer_publish(&ring.w, 256);
			written++;
		}
	}
	before_look = NULL;
	assert_true(written > 1000);
	flows_again();
}

/* ---------------------------------------------------------------- reader --- */

static void peek_does_not_step(void **state)
{
	const struct systrace_event *event;

	(void)state;
	begin(16);
	assert_null(systrace_reader_peek(&ring.r));
	assert_null(systrace_reader_peek(&ring.r));
	assert_true(put(1, 24) && put(2, 32));
	event = systrace_reader_peek(&ring.r);
	assert_ptr_equal(systrace_reader_peek(&ring.r), event);
	take(1, 24);
	take(2, 32);
	assert_null(systrace_reader_peek(&ring.r));
	assert_true(put(3, 40));
	take(3, 40);
}

/* The head is looked at once for all that it covers. */
static void peek_looks_once_for_a_batch(void **state)
{
	(void)state;
	begin(0);
	assert_true(put(1, 24) && put(2, 24));
	looks = 0;
	take(1, 24);
	assert_true(put(3, 24));
	take(2, 24);
	assert_int_equal(looks, 1);
	take(3, 24);
	assert_int_equal(looks, 2);
}

/* Room comes back by release alone, all of it at once; till then records stay. */
static void release_gives_back(void **state)
{
	const struct systrace_event *first;
	__u64 quarter = ring.size / 4;
	unsigned n;

	(void)state;
	begin(0 - quarter);
	for (n = 0; n < 4; n++)
		assert_true(put(n, quarter));
	first = systrace_reader_peek(&ring.r);
	take(0, quarter);
	take(1, quarter);
	assert_int_equal(ring.tail, 0 - quarter);
	assert_false(put(4, HEADER));
	assert_true(record_is(first, 0, quarter));
	systrace_reader_release(&ring.r);
	assert_int_equal(ring.tail, quarter);
	assert_true(put(4, quarter) && put(5, quarter));
	assert_false(put(6, HEADER));
	for (n = 2; n < 6; n++)
		take(n, quarter);
	systrace_reader_release(&ring.r);
	systrace_reader_release(&ring.r);
	assert_int_equal(ring.tail, ring.head);
}

static void reader_goes_on_where_the_last_left_off(void **state)
{
	unsigned n;

	(void)state;
	begin(0 - (__u64)64);
	for (n = 0; n < 4; n++)
		assert_true(put(n, 32));
	take(0, 32);
	take(1, 32);
	systrace_reader_release(&ring.r);
	take(2, 32);	/* stepped over, not released: the next reader's */
	systrace_reader_init(&ring.r, ring.bytes, ring.size, &ring.head, &ring.tail);
	assert_int_equal(ring.tail, 0);
	take(2, 32);
	take(3, 32);
	assert_null(systrace_reader_peek(&ring.r));
}

static void writer_begins_at_the_shared_head(void **state)
{
	(void)state;
	begin(0);
	assert_true(put(1, 48) && put(2, 48));
	take(1, 48);
	take(2, 48);
	systrace_reader_release(&ring.r);
	systrace_writer_init(&ring.w, ring.bytes, ring.size, &ring.head, &ring.tail);
	assert_int_equal(systrace_writer_free(&ring.w), ring.size);
	assert_true(put(3, 48));
	take(3, 48);
	assert_int_equal(ring.head, 3 * 48);
}

/* A size that is torn, or a lie: no copy goes beyond the ring's two mappings. */
static void copy_stays_inside_the_ring(void **state)
{
	static __u64 copy[65536 / 8];
	struct systrace_event *event = (void *)ring.bytes;
	const __u64 oldest = 0;
	unsigned i;

	(void)state;
	begin(0);
	ring.head = 4 * 65536;
	event->size = 65528;
	memset(copy, 0xa5, sizeof(copy));
	assert_ptr_equal(systrace_reader_copy(&ring.r, &oldest, copy), copy);
	for (i = ring.size / 8; i < 65536 / 8; i++)
		assert_int_equal(copy[i], 0xa5a5a5a5a5a5a5a5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrap_at_every_offset),
		cmocka_unit_test(counter_wraps_at_2_64),
		cmocka_unit_test(full_to_the_byte),
		cmocka_unit_test(full_leaves_all_as_it_was),
		cmocka_unit_test(fits_what_is_free),
		cmocka_unit_test(nothing_fits_after_a_stop),
		cmocka_unit_test(fits_nothing_unread),
		cmocka_unit_test(spare_is_kept_for_a_loss),
		cmocka_unit_test(no_bytes_no_room),
		cmocka_unit_test(reserve_shows_nothing),
		cmocka_unit_test(writer_never_reads_head_back),
		cmocka_unit_test(tail_is_looked_at_only_when_needed_and_once),
		cmocka_unit_test(lies_do_no_harm),
		cmocka_unit_test(lie_between_two_looks),
		cmocka_unit_test(peek_does_not_step),
		cmocka_unit_test(peek_looks_once_for_a_batch),
		cmocka_unit_test(release_gives_back),
		cmocka_unit_test(reader_goes_on_where_the_last_left_off),
		cmocka_unit_test(writer_begins_at_the_shared_head),
		cmocka_unit_test(copy_stays_inside_the_ring),
	};

	return cmocka_run_group_tests(tests, map_ring, NULL);
}
