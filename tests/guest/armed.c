// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A program that waits for its execve is detached in the middle of it: armed [ROUNDS].
 *
 * What the exec probe decides there, it decides against DETACH. A kernel probe that
 * prints a stack makes the moment long enough to be met.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <time.h>

#include "tap.h"

#define TRACING	"/sys/kernel/tracing/"
#define RING	65536
#define SLOWER	16		/* stacks */
#define PATIENCE 300

static struct {
	int ready, go;
} *shared;

static void append(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		tap_note("%s: %s", path, tap_error(errno));
	close(fd);
}

static void slow_down(void)
{
	char text[128];

	for (int i = 0; i < SLOWER; i++) {
		snprintf(text, sizeof(text), "p:slow%d systrace:systrace_may_keep", i);
		append(TRACING "kprobe_events", text);
		snprintf(text, sizeof(text), TRACING "events/kprobes/slow%d/trigger", i);
		tap_put(text, "stacktrace");
	}
	if (!tap_put(TRACING "events/kprobes/enable", "1"))
		tap_note("this kernel has no kprobe events: a moment that is hard to meet");
}

static void arm_and_exec(int fd)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = SYSTRACE_ATTACH_EXEC };
	char *argv[] = { "armed", "stay", NULL };

	if (ioctl(fd, SYSTRACE_IOC_ATTACH, &args))
		_exit(1);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
		;
	execv("/proc/self/exe", argv);
	_exit(1);
}

static unsigned attached(struct systrace *st)
{
	struct systrace_stats stats;

	if (systrace_stats(st, -1, &stats))
		tap_bail("STATS");
	return stats.attached;
}

static __u64 now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (__u64)t.tv_sec * 1000000 + (__u64)t.tv_nsec / 1000;
}

struct seen {
	unsigned execs, ends, late;
};

/* In order: TASK, perhaps EXEC, one end, nothing more. */
static struct seen read_all(struct systrace *st)
{
	const struct systrace_event *e;
	struct seen seen = { 0 };

	while ((e = systrace_next(st))) {
		seen.late += seen.ends;
		seen.execs += e->type == SYSTRACE_EXEC;
		seen.ends += e->type == SYSTRACE_DETACH || e->type == SYSTRACE_EXIT;
	}
	systrace_release(st);
	return seen;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 300, status, bad = 0;
	unsigned left = 0, wrong = 0, execs = 0, spin = 0, i;
	struct systrace *kept, *st;
	pid_t keeper, pid;

	if (argc > 1 && !strcmp(argv[1], "stay"))
		for (;;)
			pause();
	if (rounds < 1)
		tap_bail("usage: armed [ROUNDS]");
	alarm(PATIENCE);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	keeper = tap_sleeper();
	kept = tap_session((struct systrace_options){ .ring_bytes = RING });
	if (systrace_attach(kept, keeper, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("keeper");
	slow_down();
	/* Until there were both, which the alarm ends if it never comes to that */
	for (i = 0; i < (unsigned)rounds || !execs || execs == i; i++) {
		struct seen seen;

		st = tap_session((struct systrace_options){ .ring_bytes = RING });
		shared->ready = shared->go = 0;
		pid = tap_fork();
		if (pid == 0)
			arm_and_exec(systrace_fd(st));
		while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
			;
		__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
		/* Later after an execve that was not over, earlier after one that was; in us. */
		for (__u64 end = now_us() + spin; now_us() < end;)
			;
		if (systrace_detach(st, 0, SYSTRACE_DETACH_ALL) < 0)
			tap_bail("DETACH");
		left += attached(st);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		bad += status != SIGKILL;
		seen = read_all(st);
		execs += seen.execs;
		wrong += seen.ends != 1 || seen.late;
		if (seen.execs)
			spin -= spin / 16;
		else
			spin += (execs ? spin / 16 : spin) + 100;
		systrace_close(st);
	}
	tap_note("%u rounds, %u programs had begun", i, execs);
	tap_ok(!bad, "the programs run");
	tap_ok(execs > 0 && execs < i, "DETACH comes before and after");
	tap_ok(!left, "after DETACH of all none is attached: %u were", left);
	tap_ok(!wrong, "each ends once, and then is silent: %u did not", wrong);
	systrace_close(kept);
	tap_reap(keeper);
	return tap_end();
}
