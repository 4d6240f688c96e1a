/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stress test's parts: each is a TAP line, and one that makes no progress ends the test. */
#ifndef TESTS_PART_H
#define TESTS_PART_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/types.h>

#ifndef STALLED
#define STALLED		30	/* seconds without progress that end the test by a signal */
#endif

#define relaxed(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define set_relaxed(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)

static const char *part;
static int part_number;

/* From any thread; another one may be waiting for what will never come. */
static void fail(const char *why, __u64 number)
{
	printf("not ok %d - %s\n# %s, at %llu\n", part_number, part, why,
	       (unsigned long long)number);
	fflush(stdout);
	_exit(1);
}

static void check(int right, const char *why, __u64 number)
{
	if (!right)
		fail(why, number);
}

static void begin_part(const char *name)
{
	part = name;
	part_number++;
	alarm(STALLED);
}

static void progress(__u64 number)
{
	if (number % (1 << 12) == 0)
		alarm(STALLED);
}

static void end_part(void)
{
	printf("ok %d - %s\n", part_number, part);
	fflush(stdout);
}

static void start(pthread_t *thread, void *(*function)(void *), void *arg)
{
	int error = pthread_create(thread, NULL, function, arg);

	if (error) {
		fprintf(stderr, "pthread_create: %s\n", strerror(error));
		exit(1);
	}
}

/* How much is to be done, the only argument. */
static __u64 part_count(int argc, char **argv)
{
	char *end = NULL;
	__u64 count = argc > 1 ? strtoull(argv[1], &end, 10) : 1000000;

	if (argc > 2 || (end && *end) || count < 1000) {
		fprintf(stderr, "usage: %s [COUNT], at least 1000\n", argv[0]);
		exit(1);
	}
	return count;
}

#endif
