/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests: a ring's bytes as the driver maps them, twice in a row, between
 * two stretches that nobody may touch, so that a stray write is a crash.
 *
 * A record in a test says its number, and all its words follow from it.
 */
#ifndef TESTS_TWICE_H
#define TESTS_TWICE_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <systrace/ring.h>

#define TWICE_GUARD	((size_t)1 << 16)	/* no record is longer */

/* size: a multiple of the page size. Exits on failure. */
static inline unsigned char *twice_map(size_t size)
{
	const int prot = PROT_READ | PROT_WRITE;
	int fd = memfd_create("ring", MFD_CLOEXEC);
	char *room;

	if (fd < 0 || ftruncate(fd, (off_t)size)) {
		perror("memfd");
		exit(1);
	}
	room = mmap(NULL, 2 * size + 2 * TWICE_GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	if (room == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	room += TWICE_GUARD;
	if (mmap(room, size, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ||
	    mmap(room + size, size, prot, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		perror("mmap of the ring");
		exit(1);
	}
	close(fd);
	return (unsigned char *)room;
}

/* The smallest ring there can be: the fuller, the more often it wraps. */
static inline size_t twice_smallest(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Numbers that look like chance, the same in each run. */
static inline __u64 mix(__u64 n)
{
	n = (n ^ (n >> 31)) * 0xd6e8feb86659fd93ULL;
	n = (n ^ (n >> 29)) * 0xa0761d6478bd642fULL;
	return n ^ (n >> 32);
}

/* Each word differs from its neighbours and from the same word a lap ago. */
static inline __u64 record_word(__u64 number, __u64 i)
{
	return number * 0x9e3779b97f4a7c15ULL + i;
}

static inline void record_write(void *place, __u64 number, __u64 size)
{
	struct systrace_event *event = place;
	__u64 *word = (__u64 *)(event + 1);
	__u64 i, words = (size - sizeof(*event)) / 8;

	event->size = (__u16)size;
	event->type = SYSTRACE_ENTER;
	event->flags = 0;
	event->tid = (__u32)mix(number);
	event->seq = number;
	event->time = ~number;
	for (i = 0; i < words; i++)
		word[i] = record_word(number, i);
}

/* Is it record `number` of `size` bytes, whole? */
static inline int record_is(const struct systrace_event *event, __u64 number, __u64 size)
{
	const __u64 *word = (const __u64 *)(event + 1);
	__u64 i, words = (size - sizeof(*event)) / 8, wrong;

	if (event->size != size || event->type != SYSTRACE_ENTER || event->seq != number)
		return 0;
	wrong = event->flags | (event->tid ^ (__u32)mix(number)) | (event->time ^ ~number);
	for (i = 0; i < words; i++)
		wrong |= word[i] ^ record_word(number, i);
	return !wrong;
}

/* As the driver places a record: at once if it fits, else where reserve finds room. */
static inline void *find_place(struct systrace_writer *w, __u64 size)
{
	void *place;

	if (systrace_writer_fits(w, w->next + size))
		return w->next;
	place = systrace_writer_reserve(w, size, SYSTRACE_RING_RESERVE);
	if (place)
		systrace_writer_extend(w, SYSTRACE_RING_RESERVE, ~(__u64)0);
	return place;
}

#endif
