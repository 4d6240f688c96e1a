// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When was it? A traced task looks at CLOCK_MONOTONIC before and after each of its calls, on
 * each CPU, over some seconds: the times of its events lie between, by whatever clock, also
 * while CLOCK_MONOTONIC is slewed, and in two sessions that do not have the same one.
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
#define SESSIONS	2
#define TSC	"/sys/module/systrace/parameters/tsc"
#define PPM	500	/* how wrong: CLOCK_MONOTONIC is told to go so much faster */

static struct round {
	uint64_t before, after;
	uint64_t entered[SESSIONS], returned[SESSIONS];	/* what the events say */
} *rounds;

/* The first by the driver's own choice, the other by CLOCK_MONOTONIC */
static struct trace {
	struct systrace *st;
	int entered, returned;
} traces[SESSIONS];

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
static void note(struct trace *trace, const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;
	const struct systrace_return *ret = (const void *)e;
	long i = trace - traces;

	if (e->type == SYSTRACE_ENTER && enter->nr == SYS_getppid && trace->entered < ROUNDS)
		rounds[trace->entered++].entered[i] = systrace_time(trace->st, e);
	if (e->type == SYSTRACE_RETURN && ret->nr == SYS_getppid && trace->returned < ROUNDS)
		rounds[trace->returned++].returned[i] = systrace_time(trace->st, e);
}

static void read_all(struct trace *trace)
{
	const struct systrace_event *e;

	while (systrace_wait(trace->st, -1) == 1) {
		while ((e = systrace_next(trace->st)))
			note(trace, e);
		systrace_release(trace->st);
	}
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

/* Sessions that begin now have the TSC, if the kernel trusts it, or not. */
static void let_tsc(const char *yes)
{
	int fd = open(TSC, O_WRONLY | O_CLOEXEC);

	if (write(fd, yes, 1) != 1)
		tap_bail(TSC);
	close(fd);
}

static struct systrace *begin(pid_t pid)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });

	tap_note("clock %u", clock_of_driver());
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	return st;
}

static void check(const struct trace *trace, const char *name)
{
	uint64_t late = 0, early = 0;
	long t = trace - traces;
	int wrong = 0;

	for (int i = 0; i < ROUNDS; i++) {
		const struct round *r = &rounds[i];
		uint64_t entered = r->entered[t], returned = r->returned[t];

		wrong += entered + SLACK < r->before || returned > r->after + SLACK || entered > returned;
		if (r->before > entered && r->before - entered > early)
			early = r->before - entered;
		if (returned > r->after && returned - r->after > late)
			late = returned - r->after;
	}
	tap_note("at most %lu ns too early, %lu too late", (unsigned long)early, (unsigned long)late);
	tap_ok(trace->entered == ROUNDS && trace->returned == ROUNDS, "%s: each call is there", name);
	tap_ok(wrong == 0, "%s: its times are those at which it was made, but for %d", name, wrong);
}

/* A task of n sessions: of one alone, so that its CPU's slot has it, or of both, which no slot has. */
static void test(int n, const char *how)
{
	int go[2];
	pid_t pid;
	char c;

	memset(traces, 0, sizeof(traces));
	if (pipe(go))
		tap_bail("pipe");
	pid = tap_fork();
	if (!pid) {
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		work();
	}
	traces[0].st = begin(pid);
	let_tsc("0");
	if (n > 1)
		traces[1].st = begin(pid);
	let_tsc("1");
	if (write(go[1], "", 1) != 1)
		tap_bail("go");
	for (int i = 0; i < n; i++)	/* the first while they are made */
		read_all(&traces[i]);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < n; i++) {
		check(&traces[i], i ? "CLOCK_MONOTONIC beside it" : how);
		systrace_close(traces[i].st);
	}
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	tap_patience(120);
	rounds = mmap(NULL, ROUNDS * sizeof(*rounds), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rounds == MAP_FAILED)
		tap_bail("mmap");
	if (adjtimex(&(struct timex){ .modes = ADJ_FREQUENCY, .freq = PPM << 16 }) < 0)
		tap_bail("adjtimex");
	test(1, "the driver's clock, alone");
	test(SESSIONS, "the driver's clock");
	return tap_end();
}
