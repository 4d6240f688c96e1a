// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When was it? A traced task looks at CLOCK_MONOTONIC before and after each of its calls, on
 * each CPU, over some seconds: the times of its events lie between, by whatever clock, also
 * while CLOCK_MONOTONIC is slewed.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>

#include "tap.h"

#define ROUNDS	500
#define NAP_US	10000	/* all in all, longer than the clock goes unlooked at */
#define SLACK	1000000	/* nanoseconds: a second at the wrong rate, and more */
#define PPM	500	/* how wrong: CLOCK_MONOTONIC is told to go so much faster */

static struct round {
	uint64_t before, after;
	uint64_t entered, returned;	/* what the events say */
} *rounds;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void work(void)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	for (int i = 0; i < ROUNDS; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		sched_setaffinity(0, sizeof(set), &set);
		usleep(NAP_US);
		rounds[i].before = now();
		syscall(SYS_getppid);
		rounds[i].after = now();
	}
	_exit(0);
}

/* Into its round */
static void note(const struct systrace *st, const struct systrace_event *e, int *entered,
		 int *returned)
{
	const struct systrace_enter *enter = (const void *)e;
	const struct systrace_return *ret = (const void *)e;

	if (e->type == SYSTRACE_ENTER && enter->nr == SYS_getppid && *entered < ROUNDS)
		rounds[(*entered)++].entered = systrace_time(st, e);
	if (e->type == SYSTRACE_RETURN && ret->nr == SYS_getppid && *returned < ROUNDS)
		rounds[(*returned)++].returned = systrace_time(st, e);
}

static unsigned clock_of_driver(void)
{
	struct systrace_info info = { .size = sizeof(info) };
	int fd = tap_open(O_RDWR);

	if (ioctl(fd, SYSTRACE_IOC_INFO, &info))
		tap_bail("INFO");
	close(fd);
	return info.clock;
}

int main(void)
{
	int entered = 0, returned = 0, wrong = 0, go[2];
	const struct systrace_event *e;
	uint64_t late = 0, early = 0;
	struct systrace *st;
	pid_t pid;
	char c;

	tap_patience(120);
	rounds = mmap(NULL, ROUNDS * sizeof(*rounds), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rounds == MAP_FAILED || pipe(go))
		tap_bail("mmap");
	if (adjtimex(&(struct timex){ .modes = ADJ_FREQUENCY, .freq = PPM << 16 }) < 0)
		tap_bail("adjtimex");
	st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });
	pid = tap_fork();
	if (!pid) {
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		work();
	}
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1 || write(go[1], "", 1) != 1)
		tap_bail("attach");
	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st)))
			note(st, e, &entered, &returned);
		systrace_release(st);
	}
	waitpid(pid, NULL, 0);
	for (int i = 0; i < ROUNDS; i++) {
		const struct round *r = &rounds[i];

		wrong += r->entered + SLACK < r->before || r->returned > r->after + SLACK ||
			 r->entered > r->returned;
		if (r->before > r->entered && r->before - r->entered > early)
			early = r->before - r->entered;
		if (r->returned > r->after && r->returned - r->after > late)
			late = r->returned - r->after;
	}
	tap_note("clock %u; at most %lu ns too early, %lu too late", clock_of_driver(),
		 (unsigned long)early, (unsigned long)late);
	tap_ok(entered == ROUNDS && returned == ROUNDS, "each call is there");
	tap_ok(wrong == 0, "its times are those at which it was made, but for %d", wrong);
	systrace_close(st);
	return tap_end();
}
