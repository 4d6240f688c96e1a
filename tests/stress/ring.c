// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ring.h between threads: one writes, one reads, every word is checked.
 *
 *	ring [COUNT]	records in each part (a quarter of it in the one with the
 *			liar), 1,000,000 if not said
 *
 * ThreadSanitizer keeps its books by address. The bytes of a ring are mapped
 * twice, and what one lap writes through the second mapping and the next lap
 * through the first is to it different memory: it would not see that the writer
 * overtook the reader. So the first part cuts its records such that none
 * straddles the end of the ring; all accesses are then to the first mapping, and
 * all races are seen. The second part lets them straddle, and relies on the
 * words themselves to show what is out of order.
 *
 * The hot paths hold nothing that orders memory but what ring.h does: whatever
 * they do besides is relaxed.
 */
#define _GNU_SOURCE 1
#include <sched.h>

#include <systrace/ring.h>
#include "part.h"
#include "twice.h"

#define HEADER		sizeof(struct systrace_event)
#define RESERVE		SYSTRACE_RING_RESERVE
#define LONGEST		512	/* about fifteen records fill the smallest ring */

enum cut { FIT, STRADDLE };

/* Positions on lines of their own, as in the mapping. */
static struct {
	__u64 head __attribute__((aligned(64)));
	__u64 tail __attribute__((aligned(64)));
	int done __attribute__((aligned(64)));	/* the writer made its last record */
	unsigned char *bytes __attribute__((aligned(64)));
	__u64 size;
	__u64 count;
	enum cut cut;
	struct systrace_writer w;
	struct systrace_reader r;
	__u64 lost;			/* by the writer's own account */
} ring;

/* Close below 2^64: the counters wrap a few laps later. */
static void begin_ring(void)
{
	ring.head = ring.tail = 0 - 5 * ring.size;
	ring.done = 0;
	ring.lost = 0;
	systrace_writer_init(&ring.w, ring.bytes, ring.size, &ring.head, &ring.tail);
	systrace_reader_init(&ring.r, ring.bytes, ring.size, &ring.head, &ring.tail);
}

/* The size of record `number` at `position`: both sides come to the same one. */
static __u64 cut_size(__u64 number, __u64 position)
{
	__u64 size = HEADER + mix(number) % ((LONGEST - HEADER) / 8 + 1) * 8;
	__u64 left = ring.size - (position & (ring.size - 1));

	/* What is left behind it must hold another record, or be nothing. */
	if (ring.cut == FIT && left < size + HEADER)
		return left;
	return size;
}

/* -------------------------------------------- nothing is lost: parts 1, 2, 5 --- */

static void *write_all(void *unused)
{
	__u64 n, size;
	void *place;

	(void)unused;
	for (n = 1; n <= ring.count; n++) {
		size = cut_size(n, systrace_writer_head(&ring.w));
		while (!(place = find_place(&ring.w, size)))
			sched_yield();
		record_write(place, n, size);
		systrace_writer_publish(&ring.w, size);
	}
	return NULL;
}

/* The next record, released up to here if the writer has to come first. */
static const struct systrace_event *wait_for_record(void)
{
	const struct systrace_event *event;

	while (!(event = systrace_reader_peek(&ring.r))) {
		systrace_reader_release(&ring.r);
		sched_yield();
	}
	return event;
}

static void step(const struct systrace_event *event, __u64 number)
{
	systrace_reader_advance(&ring.r, event);
	if (mix(number) % 4 == 0)
		systrace_reader_release(&ring.r);
	progress(number);
}

static void read_all(void)
{
	const struct systrace_event *event;
	__u64 n;

	for (n = 1; n <= ring.count; n++) {
		event = wait_for_record();
		check(record_is(event, n, cut_size(n, ring.r.tail)), "a record is not the next", n);
		step(event, n);
	}
	systrace_reader_release(&ring.r);
}

static void write_and_read(void)
{
	pthread_t writer;

	start(&writer, write_all, NULL);
	read_all();
	pthread_join(writer, NULL);
	check(!systrace_reader_peek(&ring.r), "a record too many", ring.count);
}

static void nothing_lost(enum cut cut)
{
	ring.cut = cut;
	begin_ring();
	write_and_read();
}

/* ------------------------------------------- what is lost is told: part 3 --- */

static void write_lost(void *place, __u64 count)
{
	struct systrace_lost lost = { .event = { .size = sizeof(lost), .type = SYSTRACE_LOST } };

	lost.count = count;
	memcpy(place, &lost, sizeof(lost));
	systrace_writer_publish(&ring.w, sizeof(lost));
	set_relaxed(&ring.lost, ring.lost + count);
}

/*
 * A record that does not fit is lost. The first one after a record that did fit
 * finds the spare free, always, and is told at once; the others with the next
 * record that fits. Now and then the writer lets the reader catch up: else
 * losing, which is quick, would be all that it does.
 */
static void *write_or_lose(void *unused)
{
	const __u64 told = sizeof(struct systrace_lost);
	__u64 n, size, pending = 0;
	unsigned char *place;
	int spare_used = 0;

	(void)unused;
	for (n = 1; n <= ring.count; n++) {
		size = HEADER + mix(n) % ((LONGEST - HEADER) / 8 + 1) * 8;
		place = systrace_writer_reserve(&ring.w, size + (pending ? told : 0), RESERVE);
		if (place) {
			if (pending)
				write_lost(place, pending);
			record_write(place + (pending ? told : 0), n, size);
			systrace_writer_publish(&ring.w, size);
			pending = 0;
			spare_used = 0;
		} else if (++pending && !spare_used) {
			place = systrace_writer_reserve(&ring.w, told, 0);
			check(!!place, "no room to tell a loss", n);
			write_lost(place, pending);
			pending = 0;
			spare_used = 1;
		} else if (mix(n) % 16 == 1) {
			sched_yield();
		}
	}
	while (pending && !(place = systrace_writer_reserve(&ring.w, told, 0)))
		sched_yield();
	if (pending)
		write_lost(place, pending);
	return NULL;
}

/* Returns how many losses it was told of. */
static __u64 read_account(void)
{
	const struct systrace_event *event;
	const struct systrace_lost *lost;
	__u64 n = 1, told = 0;

	while (n <= ring.count) {
		event = wait_for_record();
		if (event->type == SYSTRACE_LOST) {
			lost = (const struct systrace_lost *)event;
			check(lost->count && event->size == sizeof(*lost), "a bad LOST record", n);
			told += lost->count;
			n += lost->count;
		} else {
			check(record_is(event, n, event->size), "a gap that no LOST explains", n);
			n++;
		}
		step(event, n);
	}
	check(n == ring.count + 1, "more was told than written", n);
	return told;
}

/* The reader does not begin before there is a loss, so that there is one. */
static void losses_told(void)
{
	pthread_t writer;
	__u64 told;

	begin_ring();
	start(&writer, write_or_lose, NULL);
	while (!relaxed(&ring.lost))
		sched_yield();
	told = read_account();
	pthread_join(writer, NULL);
	check(told == ring.lost, "told and lost differ", told);
	check(!systrace_reader_peek(&ring.r), "a record too many", ring.count);
	check(ring.lost && ring.lost < ring.count, "nothing, or everything, was lost", ring.lost);
	printf("# %llu of %llu lost\n", (unsigned long long)ring.lost,
	       (unsigned long long)ring.count);
}

/* ------------------------------------------------- a reader that lies: part 4 --- */

static __u64 lie(__u64 chance)
{
	__u64 head = relaxed(&ring.head);

	switch (chance % 8) {
	case 0:
		return chance;
	case 1:
		return head + chance % (1 << 20);
	case 2:
		return head - ring.size - chance % (1 << 20);
	case 3:
		return head - chance % ring.size;	/* odd ones, too */
	default:
		return head - chance % (ring.size / 8 + 1) * 8;
	}
}

static void *scribble(void *unused)
{
	__u64 n = 0;

	(void)unused;
	while (!relaxed(&ring.done))
		set_relaxed(&ring.tail, lie(mix(n++)));
	return NULL;
}

/*
 * Whatever the tail says, the writer stays within the two mappings and never
 * believes that more is free than there is.
 */
static void *write_regardless(void *unused)
{
	__u64 n, size, head, written = 0;
	unsigned char *place;

	(void)unused;
	for (n = 1; n <= ring.count / 4; n++) {
		progress(n);
		size = cut_size(n, systrace_writer_head(&ring.w));
		place = find_place(&ring.w, size);
		head = systrace_writer_head(&ring.w);
		check(head - ring.w.tail <= ring.size, "a tail that cannot be true", n);
		if (!place) {
			sched_yield();
			continue;
		}
		check(place == ring.bytes + head % ring.size, "a place elsewhere", n);
		check(head - ring.w.tail + size + RESERVE <= ring.size, "no room", n);
		record_write(place, n, size);
		systrace_writer_publish(&ring.w, size);
		written++;
	}
	check(written > 0, "no record at all", n);
	set_relaxed(&ring.done, 1);
	return NULL;
}

/*
 * Follows the head by a tail that the writer does not see. It touches no
 * record: the liar lets the writer go over any at any time.
 */
static void follow_head(void)
{
	__u64 tail = ring.r.tail, last = tail;
	struct systrace_reader r;

	systrace_reader_init(&r, ring.bytes, ring.size, &ring.head, &tail);
	while (!relaxed(&ring.done)) {
		if (!systrace_reader_peek(&r)) {
			sched_yield();
			continue;
		}
		check(r.head - last < 1ULL << 62 && r.head % 8 == 0, "the head went astray",
		      r.head);
		last = r.tail = r.head;
		systrace_reader_release(&r);
	}
}

static void liar(void)
{
	pthread_t writer, hostile;

	ring.cut = STRADDLE;
	begin_ring();
	start(&hostile, scribble, NULL);
	start(&writer, write_regardless, NULL);
	follow_head();
	pthread_join(writer, NULL);
	pthread_join(hostile, NULL);
}

/* The same writer, after all this, and a reader that starts at the head. */
static void honest_again(void)
{
	ring.tail = ring.head;
	systrace_reader_init(&ring.r, ring.bytes, ring.size, &ring.head, &ring.tail);
	write_and_read();
}

int main(int argc, char **argv)
{
	ring.count = part_count(argc, argv);
	ring.size = twice_smallest();
	ring.bytes = twice_map(ring.size);
	printf("1..5\n");
	fflush(stdout);

	begin_part("records that end with the ring: each is the next, whole");
	nothing_lost(FIT);
	end_part();

	begin_part("records that straddle its end: each is the next, whole");
	nothing_lost(STRADDLE);
	end_part();

	begin_part("what is lost is told, to the record");
	losses_told();
	end_part();

	begin_part("a tail that lies: the writer stays within its bounds");
	liar();
	end_part();

	begin_part("honest again: everything flows");
	honest_again();
	end_part();
	return 0;
}
