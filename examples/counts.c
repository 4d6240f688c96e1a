// SPDX-License-Identifier: MIT
/* counts CMD [ARG]...: which system calls a program and all it starts make most, once a second. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systrace.h>
#include <time.h>

#define ABIS	5
#define NUMBERS	(SYSTRACE_NR_MAX + 1)
#define LINES	10

struct count {
	unsigned abi;
	int nr;
	unsigned long calls, errors;
};

static struct count counts[ABIS][NUMBERS];
static unsigned long long lost;

static struct count *count_of(const struct systrace_event *e, int nr)
{
	unsigned flag = e->flags & SYSTRACE_FLAG_ABI;
	struct count *c;

	if (flag >= ABIS || nr < 0 || nr >= NUMBERS)
		return NULL;
	c = &counts[flag][nr];
	c->abi = systrace_abi(e);
	c->nr = nr;
	return c;
}

static void look_at(const struct systrace_event *e)
{
	const struct systrace_return *ret = (const void *)e;
	struct count *c;

	if (e->type == SYSTRACE_LOST)
		lost += ((const struct systrace_lost *)(const void *)e)->count;
	if (e->type != SYSTRACE_RETURN)
		return;
	c = count_of(e, ret->nr);
	if (!c)
		return;
	c->calls++;
	c->errors += ret->result < 0 && ret->result >= -4095;
}

static int by_calls(const void *a, const void *b)
{
	const struct count *x = a, *y = b;

	return (x->calls < y->calls) - (x->calls > y->calls);
}

/* The most frequent ones, and begin anew */
static void show(void)
{
	static struct count sorted[ABIS * NUMBERS];
	struct count *all = &counts[0][0];
	unsigned n = 0;

	for (struct count *c = all; c < all + ABIS * NUMBERS; c++)
		if (c->calls)
			sorted[n++] = *c;
	qsort(sorted, n, sizeof(struct count), by_calls);
	printf("%10s %10s  %s\n", "calls", "errors", "system call");
	for (unsigned i = 0; i < n && i < LINES; i++) {
		const char *name = systrace_syscall_name(sorted[i].abi, sorted[i].nr);

		printf("%10lu %10lu  %s\n", sorted[i].calls, sorted[i].errors, name ? name : "unknown");
	}
	if (lost)
		printf("%10llu events lost until now: there were more calls\n", lost);
	printf("\n");
	fflush(stdout);
	memset(counts, 0, sizeof(counts));
}

/* Milliseconds until then */
static int left(const struct timespec *then)
{
	struct timespec now;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (then->tv_sec - now.tv_sec) * 1000 + (then->tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

/* Until none of them is left: 0, or what went wrong */
static int count_all(struct systrace *st)
{
	const struct systrace_event *e;
	struct timespec then;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &then);
	then.tv_sec++;
	do {
		ret = systrace_wait(st, left(&then));
		while ((e = systrace_next(st)))
			look_at(e);
		systrace_release(st);
		if (left(&then))
			continue;
		show();
		then.tv_sec++;
	} while (ret >= 0 || ret == -EINTR);
	show();
	return ret == -ECHILD ? 0 : ret;
}

int main(int argc, char **argv)
{
	/* Waking up for a few events costs the program more than the events do. */
	struct systrace_options opts = { .size = sizeof(opts), .watermark = 65536, .latency_us = 200000 };
	struct systrace *st;
	pid_t pid;
	int ret;

	if (argc < 2) {
		fprintf(stderr, "usage: counts CMD [ARG]...\n");
		return 2;
	}
	ret = systrace_open(&st, &opts);
	if (!ret)
		ret = systrace_spawn(st, &pid, argv[1], argv + 1, NULL);
	if (!ret)
		ret = count_all(st);
	if (ret) {
		fprintf(stderr, "counts: %s\n", strerror(-ret));
		return 1;
	}
	systrace_close(st);
	waitpid(pid, NULL, 0);
	return 0;
}
