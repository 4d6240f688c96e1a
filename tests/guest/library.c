// SPDX-License-Identifier: GPL-2.0-or-later
/* What the library does beside reading one event after the other; and where there is no driver. */
#define _GNU_SOURCE
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "module.h"
#include "trail.h"

#define CALLS	5000
#define BATCH	64

/* A child that calls so often, and is done when it has ended */
static pid_t caller(int calls)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	raise(SIGSTOP);
	for (int i = 0; i < calls; i++)
		syscall(SYS_getppid);
	_exit(0);
}

static struct systrace *traced(pid_t pid, uint32_t full, uint64_t ring_bytes)
{
	struct systrace *st = tap_session((struct systrace_options){ .full = full,
								     .ring_bytes = ring_bytes });

	tap_await_state(pid, 'T');
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	kill(pid, SIGCONT);
	return st;
}

/* ------------------------------------------------------------------ batches --- */

/* In batches of n, every third event by systrace_next; the most that came at once */
static unsigned drain(struct systrace *st, struct trail *trail, unsigned n)
{
	const struct systrace_event *events[BATCH], *e;
	unsigned got, most = 0;

	do {
		got = systrace_next_batch(st, events, n);
		for (unsigned i = 0; i < got; i++)
			trail_look(trail, events[i]);
		if (got > most)
			most = got;
		e = systrace_next(st);
		if (e)
			trail_look(trail, e);
	} while (e);
	systrace_release(st);
	return most;
}

static void test_batches(uint32_t full, unsigned n)
{
	pid_t pid = caller(CALLS);
	struct systrace *st = traced(pid, full, 1 << 20);
	struct trail trail = trail_new();
	struct systrace_stats stats;
	unsigned most = 0, got;

	while (systrace_wait(st, -1) == 1) {
		got = drain(st, &trail, n);
		if (got > most)
			most = got;
	}
	waitpid(pid, NULL, 0);
	drain(st, &trail, n);
	if (systrace_stats(st, -1, &stats))
		tap_bail("STATS");
	if (full == SYSTRACE_FULL_OVERWRITE)
		tap_ok(!trail.gaps && trail.events == stats.made && most == 1,
		       "overwriting: batches of %u have one each", n);
	else
		tap_ok(!trail.gaps && !trail.silent && trail_agrees(&trail, &stats, true) && most == n,
		       "batches of %u: all events in order", n);
	trail_free(&trail);
	systrace_close(st);
}

static void test_empty(void)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 4096 });
	const struct systrace_event *events[2] = { NULL };

	tap_ok(systrace_next_batch(st, events, 2) == 0 && systrace_next_batch(st, events, 0) == 0,
	       "of nothing there is no batch");
	systrace_close(st);
}

/* ------------------------------------------------------------------- clocks --- */

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Is each event between these two, give or take what clocks are read apart? */
static bool between(struct systrace *st, uint64_t (*time)(const struct systrace *,
							  const struct systrace_event *),
		    uint64_t from, uint64_t to, unsigned *n)
{
	const uint64_t slack = 50000000;
	const struct systrace_event *e;
	bool good = true;

	while ((e = systrace_next(st))) {
		good &= time(st, e) + slack >= from && time(st, e) <= to + slack;
		(*n)++;
	}
	systrace_release(st);
	return good;
}

static void test_clock(clockid_t clock, const char *name,
		       uint64_t (*time)(const struct systrace *, const struct systrace_event *))
{
	uint64_t from = now(clock);
	pid_t pid = caller(100);
	struct systrace *st = traced(pid, SYSTRACE_FULL_DROP, 1 << 20);
	unsigned n = 0;

	waitpid(pid, NULL, 0);
	tap_ok(between(st, time, from, now(clock), &n) && n > 200, "events have their time of %s", name);
	systrace_close(st);
}

/* --------------------------------------------------------------------- text --- */

static void test_text(void)
{
	pid_t pid = caller(10);
	struct systrace *st = traced(pid, SYSTRACE_FULL_DROP, 1 << 20);
	char text[SYSTRACE_FORMAT_BYTES], begin[32];
	const struct systrace_event *e;
	unsigned calls = 0;
	bool good = true;
	int length;

	waitpid(pid, NULL, 0);
	while ((e = systrace_next(st))) {
		length = systrace_format(st, e, 0, text, sizeof(text));
		snprintf(begin, sizeof(begin), "%llu ", (unsigned long long)e->seq);
		good &= length > 0 && strlen(text) == (size_t)length && !strncmp(text, begin, strlen(begin));
		calls += strstr(text, " ENTER getppid()") != NULL;
		good &= systrace_format(st, e, SYSTRACE_FORMAT_RAW, text, sizeof(text)) > 0;
		good &= systrace_format(st, e, 2, text, sizeof(text)) == -EINVAL;
		good &= systrace_format(st, e, 0, text, sizeof(text) - 1) == -EINVAL;
	}
	tap_ok(good && calls == 10, "each event is a line of text");
	systrace_close(st);
}

/* ---------------------------------------------------------------------- info --- */

static void test_info(void)
{
	struct systrace_info info = { 0 };
	struct systrace *st = NULL;

	tap_ok(!strcmp(systrace_version(), SYSTRACE_VERSION), "the library's version is its header's");
	tap_ok(systrace_info(&info) == 0 && info.abi_version == SYSTRACE_ABI_VERSION &&
	       info.size == sizeof(info) && info.features & SYSTRACE_FEATURE_OVERWRITE &&
	       info.ring_bytes_min == 4096, "INFO without a session");
	tap_ok(module_unload() == 0, "without the driver");
	tap_ok(systrace_info(&info) == -ENOENT, "INFO says that there is no device");
	tap_ok(systrace_open(&st, NULL) == -ENOENT && !st, "so does open");
	tap_ok(mknod(SYSTRACE_DEVICE, S_IFCHR | 0666, makedev(1, 3)) == 0 &&
	       systrace_info(&info) == -EPROTO && systrace_open(&st, NULL) == -EPROTO && !st,
	       "another device is told from it");
	unlink(SYSTRACE_DEVICE);
	tap_ok(module_load() == 0 && systrace_info(&info) == 0, "with the driver again");
}

int main(void)
{
	tap_patience(300);
	test_batches(SYSTRACE_FULL_BLOCK, 1);
	test_batches(SYSTRACE_FULL_BLOCK, 7);
	test_batches(SYSTRACE_FULL_BLOCK, BATCH);
	test_batches(SYSTRACE_FULL_OVERWRITE, BATCH);
	test_empty();
	test_clock(CLOCK_MONOTONIC, "CLOCK_MONOTONIC", systrace_time);
	test_clock(CLOCK_REALTIME, "CLOCK_REALTIME", systrace_time_real);
	test_text();
	test_info();
	return tap_end();
}
