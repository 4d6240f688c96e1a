// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What reading in order costs: full rings in memory, read by the library's merge and, to compare,
 * summed up word by word, ring after ring. One line for each number of rings: its name,
 * nanoseconds for an event of summing, of reading, and their ratio; the best of many rounds,
 * taken in turn, since machines are noisy.
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "merge.h"

#define RINGS	64
#define BYTES	(32u << 20)	/* of all rings */
#define ROUNDS	40
#define BATCH	4096		/* events from one release to the next */

static struct ring {
	__u64 head, tail;
	__u32 present;
	unsigned char *bytes;
} rings[RINGS];

static volatile __u64 sink;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Mapped twice in a row, as the driver does */
static unsigned char *map_ring(size_t size)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	unsigned char *at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || ftruncate(fd, (off_t)size) || at == MAP_FAILED)
		die("ring");
	for (int i = 0; i < 2; i++)
		if (mmap(at + (size_t)i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fd, 0) == MAP_FAILED)
			die("mmap");
	close(fd);
	return at;
}

static __u16 make_event(struct systrace_event *e, __u64 seq)
{
	bool enter = seq & 1;

	*e = (struct systrace_event){
		.size = enter ? sizeof(struct systrace_enter) - 3 * sizeof(__u64) :
				sizeof(struct systrace_return),
		.type = enter ? SYSTRACE_ENTER : SYSTRACE_RETURN, .tid = 1, .seq = seq, .time = seq,
	};
	return e->size;
}

/* Each next event on any CPU, until one has no room. How many */
static __u64 fill(unsigned nr, size_t size)
{
	unsigned random = 1;

	for (__u64 seq = 1;; seq++) {
		struct ring *r;

		random = random * 1103515245u + 12345u;
		r = &rings[(random >> 16) % nr];
		if (r->head + 256 > size)
			return seq - 1;
		r->head += make_event((void *)(r->bytes + r->head), seq);
	}
}

static double sum(unsigned nr)
{
	double begun = now();
	__u64 total = 0;

	for (unsigned i = 0; i < nr; i++)
		for (__u64 at = 0; at < rings[i].head; at += 8)
			total += *(const __u64 *)(const void *)(rings[i].bytes + at);
	sink = total;
	return now() - begun;
}

static double read_all(unsigned nr, size_t size, __u64 events)
{
	struct systrace_merge_source sources[RINGS];
	const struct systrace_event *e;
	struct systrace_merge m;
	__u64 total = 0, n = 0;
	double begun;

	for (unsigned i = 0; i < nr; i++) {
		rings[i].tail = 0;
		sources[i] = (struct systrace_merge_source){
			.bytes = rings[i].bytes, .head = &rings[i].head, .tail = &rings[i].tail,
			.present = &rings[i].present,
		};
	}
	if (systrace_merge_init(&m, sources, nr, size, 0))
		die("merge");
	begun = now();
	while ((e = systrace_merge_next(&m))) {
		total += e->type;
		if (++n % BATCH == 0)
			systrace_merge_release(&m);
	}
	systrace_merge_release(&m);
	begun = now() - begun;
	sink = total;
	systrace_merge_destroy(&m);
	if (n != events) {
		fprintf(stderr, "reader: %llu of %llu events\n", (unsigned long long)n,
			(unsigned long long)events);
		exit(1);
	}
	return begun;
}

static void run(unsigned nr)
{
	double best_sum = 1e18, best_read = 1e18;
	size_t size = BYTES / nr;
	__u64 events;

	for (unsigned i = 0; i < nr; i++)
		rings[i] = (struct ring){ .present = 1, .bytes = map_ring(size) };
	events = fill(nr, size);
	for (int round = 0; round < ROUNDS; round++) {
		double t = sum(nr);

		if (t < best_sum)
			best_sum = t;
		t = read_all(nr, size, events);
		if (t < best_read)
			best_read = t;
	}
	printf("%u\t%llu\t%.2f\t%.2f\t%.2f\n", nr, (unsigned long long)events,
	       best_sum / (double)events, best_read / (double)events, best_read / best_sum);
	for (unsigned i = 0; i < nr; i++)
		munmap(rings[i].bytes, 2 * size);
}

int main(void)
{
	for (unsigned nr = 1; nr <= RINGS; nr *= 4)
		run(nr);
	return 0;
}
