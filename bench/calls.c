// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a system call costs, in a machine that counts instructions by its clock (vm/run -i):
 * untraced, with probes that do nothing, traced in each way, and while another is traced.
 * One line each: its name; instructions of a call, in the best round and on average; events
 * made and lost meanwhile. calls NAME...: only these.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systrace.h>
#include <time.h>
#include <unistd.h>

#define CALLS	1000	/* in a round: most rounds see no timer interrupt */
#define FORKS	20
#define ROUNDS	40
#define READ_ROUNDS 400	/* that the ring's pages are touched for the first time counts for little */
#define RING	(16 << 20)
#define SMALL_RING (1 << 20)	/* read while it fills */
#define FULL_RING (64 << 10) /* full before the first round ends */
#define SESSIONS 2
#define IDLE	64

#define ENTER	(1ULL << SYSTRACE_ENTER)
#define RETURN	(1ULL << SYSTRACE_RETURN)

struct result {
	double best, mean;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- what is measured: in the process that makes the calls ---- */

static void call_getppid(void)
{
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
}

/* Six arguments, and an error at once */
static void call_six(void)
{
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_copy_file_range, -1, 0, -1, 0, 0, -1);
}

/* A child that exits at once, waited for: `calls` of these are as many as FORKS. */
static void call_fork(void)
{
	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			die("fork");
	}
}

static struct result measure(void (*calls)(void), int rounds)
{
	const int n = calls == call_fork ? FORKS : CALLS;
	struct result r = { .best = 1e9 };

	calls();	/* what comes for the first time */
	for (int round = 0; round < rounds; round++) {
		double begun = now(), each;

		calls();
		each = (now() - begun) / n;
		r.mean += each / rounds;
		if (each < r.best)
			r.best = each;
	}
	return r;
}

/* ---- the ways to trace it ---- */

struct way {
	const char *name;
	void (*calls)(void);
	unsigned sessions;
	uint64_t events;
	uint32_t full;
	uint32_t ring;		/* bytes, if not RING */
	bool other;		/* another process is traced */
	bool null;		/* with the empty probes */
	bool read;		/* by a process that counts the events, on the same CPU */
	unsigned tasks;		/* so many sleep in the same session, beside the one that calls */
	unsigned idle;		/* so many sessions have one task each that sleeps */
};

static const struct way ways[] = {
	{ .name = "untraced", .calls = call_getppid },
	{ .name = "two empty probes", .calls = call_getppid, .null = true },
	{ .name = "another is traced", .calls = call_getppid, .sessions = 1, .other = true },
	{ .name = "ENTER", .calls = call_getppid, .sessions = 1, .events = ENTER },
	{ .name = "RETURN", .calls = call_getppid, .sessions = 1, .events = RETURN },
	{ .name = "ENTER, RETURN", .calls = call_getppid, .sessions = 1, .events = ENTER | RETURN },
	{ .name = "all events", .calls = call_getppid, .sessions = 1 },
	{ .name = "all events, block", .calls = call_getppid, .sessions = 1, .full = SYSTRACE_FULL_BLOCK },
	{ .name = "all events, overwrite", .calls = call_getppid, .sessions = 1, .full = SYSTRACE_FULL_OVERWRITE },
	{ .name = "all events, overwrite, the ring full", .calls = call_getppid, .sessions = 1,
	  .full = SYSTRACE_FULL_OVERWRITE, .ring = FULL_RING },
	{ .name = "all events, drop, the ring full", .calls = call_getppid, .sessions = 1,
	  .ring = FULL_RING },
	{ .name = "all events, two sessions", .calls = call_getppid, .sessions = 2 },
	{ .name = "ENTER, RETURN, and a reader", .calls = call_getppid, .sessions = 1,
	  .events = ENTER | RETURN, .ring = SMALL_RING, .read = true },
	{ .name = "all events, with 1,000 tasks attached", .calls = call_getppid, .sessions = 1,
	  .tasks = 1000 },
	{ .name = "all events, with 10,000 tasks attached", .calls = call_getppid, .sessions = 1,
	  .tasks = 10000 },
	{ .name = "all events, beside 64 sessions", .calls = call_getppid, .sessions = 1, .idle = 64 },
	{ .name = "six arguments, untraced", .calls = call_six },
	{ .name = "six arguments, two empty probes", .calls = call_six, .null = true },
	{ .name = "six arguments, all events", .calls = call_six, .sessions = 1 },
	{ .name = "fork and wait, untraced", .calls = call_fork },
	{ .name = "fork and wait, another is traced", .calls = call_fork, .sessions = 1, .other = true },
	{ .name = "fork and wait, all events", .calls = call_fork, .sessions = 1 },
};

static void load_null(bool load)
{
	int fd = open("null.ko", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("null.ko");
	if (load ? syscall(SYS_finit_module, fd, "", 0) : syscall(SYS_delete_module, "null", 0))
		die("null.ko");
	close(fd);
}

/* A child that waits for a word before it begins, and until it may go */
static pid_t begin_child(const struct way *way, int from, int to)
{
	pid_t pid = fork();
	struct result r;
	char c;

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	if (read(from, &c, 1) != 1)
		_exit(1);
	r = measure(way->calls, way->read ? READ_ROUNDS : ROUNDS);
	if (write(to, &r, sizeof(r)) != sizeof(r))
		_exit(1);
	_exit(0);
}

static void *sleep_on(void *unused)
{
	(void)unused;
	while (true)
		pause();
	return NULL;
}

/* A process of so many threads that sleep */
static pid_t begin_sleeper(unsigned threads)
{
	pthread_attr_t attr;
	int ready[2];
	pthread_t t;
	pid_t pid;
	char c;

	if (pipe(ready))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 16384);
		for (unsigned i = 1; i < threads; i++)
			if (pthread_create(&t, &attr, sleep_on, NULL))
				_exit(1);
		if (write(ready[1], "", 1) == 1)
			sleep_on(NULL);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("threads");
	close(ready[0]);
	return pid;
}

static struct systrace *open_session(const struct systrace_options *options)
{
	struct systrace *st;
	int err = systrace_open(&st, options);

	if (!err)
		return st;
	fprintf(stderr, "calls: open: %s\n", strerror(-err));
	exit(1);
}

static void attach(struct systrace *st, pid_t pid, unsigned tasks, const char *what)
{
	int n = systrace_attach(st, pid, SYSTRACE_ATTACH_TREE);

	if (n == (int)tasks)
		return;
	fprintf(stderr, "calls: %s: attached %d\n", what, n);
	exit(1);
}

static void end_sleeper(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Sessions of others, that do nothing */
static struct idle {
	struct systrace *st;
	pid_t pid;
} idle[IDLE];

static void begin_idle(unsigned n)
{
	const struct systrace_options options = { .size = sizeof(options), .ring_bytes = 4096 };

	for (unsigned i = 0; i < n; i++) {
		idle[i].st = open_session(&options);
		idle[i].pid = begin_sleeper(1);
		attach(idle[i].st, idle[i].pid, 1, "idle");
	}
}

static void end_idle(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		end_sleeper(idle[i].pid);
		systrace_close(idle[i].st);
	}
}

/* Until the task is gone: how many */
static unsigned long long read_all(struct systrace *st)
{
	unsigned long long events = 0;

	while (systrace_wait(st, -1) == 1) {
		while (systrace_next(st))
			events++;
		systrace_release(st);
	}
	return events;
}

static void run(const struct way *way)
{
	const struct systrace_options options = {
		.size = sizeof(options), .ring_bytes = way->ring ? way->ring : RING,
		.events = way->events, .full = way->full, .watermark = way->read ? way->ring / 2 : 0,
		.latency_us = way->read ? 1000000 : 0,
	};
	struct systrace *st[SESSIONS] = { NULL };
	struct systrace_stats stats = { .size = sizeof(stats) };
	unsigned long long lost = 0, events = 0;
	int go[2], done[2];
	struct result r;
	double each;
	pid_t pid, other = 0, sleeper = 0;

	if (pipe(go) || pipe(done))
		die("pipe");
	if (way->null)
		load_null(true);
	if (way->other)
		other = begin_sleeper(1);
	if (way->tasks)
		sleeper = begin_sleeper(way->tasks);
	begin_idle(way->idle);
	pid = begin_child(way, go[0], done[1]);
	for (unsigned i = 0; i < way->sessions; i++) {
		st[i] = open_session(&options);
		attach(st[i], other ? other : pid, 1, way->name);
		if (!sleeper)
			continue;
		each = now();
		attach(st[i], sleeper, way->tasks, way->name);
		each = (now() - each) / way->tasks;
		printf("ATTACH of %u tasks, for each\t%.1f\t%.1f\t%u\t0\n", way->tasks, each, each,
		       way->tasks);
	}
	if (write(go[1], "", 1) != 1)
		die("child");
	if (way->read)
		events = read_all(st[0]);
	if (read(done[0], &r, sizeof(r)) != sizeof(r))
		die("child");
	waitpid(pid, NULL, 0);
	if (way->sessions)
		systrace_stats(st[0], -1, &stats);
	for (int cause = 0; cause < SYSTRACE_LOST_CAUSES; cause++)
		lost += stats.lost[cause];
	if (way->read && events != stats.made)
		lost += stats.made - events;
	printf("%s\t%.1f\t%.1f\t%llu\t%llu\n", way->name, way->read ? r.mean : r.best, r.mean,
	       (unsigned long long)stats.made, lost);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(done[i]);
	}
	if (other)
		end_sleeper(other);
	if (sleeper)
		end_sleeper(sleeper);
	end_idle(way->idle);
	for (unsigned i = 0; i < way->sessions; i++)
		systrace_close(st[i]);
	if (way->null)
		load_null(false);
}

static bool is_asked_for(const struct way *way, char **names)
{
	bool any = *names;

	for (; *names; names++)
		if (!strcmp(way->name, *names))
			return true;
	return !any;
}

int main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (is_asked_for(&ways[i], argv + 1))
			run(&ways[i]);
	return 0;
}
