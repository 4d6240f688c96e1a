// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * trouble SECONDS: a reader that stops for so long, dies, leaves things behind or
 * lies, in each policy, while what it traces runs at full speed. The traced
 * programs finish with right results, and a session beside notices nothing.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "raw.h"

#define CALLERS	4
#define STEPS	200		/* of the program that the session beside traces */

static int seconds;

static struct shared {
	int reading;		/* the reader is at work */
	int stop;		/* the callers shall end */
	unsigned long calls[CALLERS];
} *shared;

/* ------------------------------------------------------------------ callers --- */

static void call(unsigned long *calls, pid_t parent)
{
	raise(SIGSTOP);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		if (syscall(SYS_getppid) != parent)
			_exit(1);
		++*calls;
	}
	_exit(0);
}

static void begin_callers(pid_t *pids)
{
	pid_t parent = getpid();

	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < CALLERS; i++) {
		pids[i] = tap_fork();
		if (pids[i] == 0)
			call(&shared->calls[i], parent);
		waitpid(pids[i], NULL, WUNTRACED);
	}
}

/* All have made calls since: none waits for ever. */
static void await_progress(void)
{
	for (int i = 0; i < CALLERS; i++) {
		unsigned long calls = __atomic_load_n(&shared->calls[i], __ATOMIC_RELAXED);

		while (__atomic_load_n(&shared->calls[i], __ATOMIC_RELAXED) < calls + 5000)
			usleep(1000);
	}
}

static bool end_callers(const pid_t *pids)
{
	int status, bad = 0;

	shared->stop = 1;
	for (int i = 0; i < CALLERS; i++) {
		waitpid(pids[i], &status, 0);
		bad |= status;
	}
	return !bad;
}

/* ---------------------------------------------------------- a session beside --- */

struct beside {
	struct systrace *st;
	pid_t pid;
};

static struct beside begin_beside(void)
{
	struct beside b = { .st = tap_session((struct systrace_options){ .ring_bytes = 8 * RING }) };

	b.pid = tap_fork();
	if (b.pid == 0) {
		raise(SIGSTOP);
		for (int i = 0; i < STEPS; i++) {
			syscall(SYS_getpgid, 0);
			usleep(100);
		}
		_exit(0);
	}
	waitpid(b.pid, NULL, WUNTRACED);
	if (systrace_attach(b.st, b.pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	kill(b.pid, SIGCONT);
	return b;
}

/* Its rings have room for it all, so that nothing is read before the end. */
static bool end_beside(struct beside b)
{
	const struct systrace_event *e;
	const struct systrace_enter *enter;
	struct systrace_stats stats;
	unsigned steps = 0;
	__u64 seq = 0;
	int status;

	waitpid(b.pid, &status, 0);
	while (systrace_wait(b.st, -1) == 1) {
		while ((e = systrace_next(b.st))) {
			enter = (const void *)e;
			if (e->seq != ++seq)
				steps = ~0U / 2;
			steps += e->type == SYSTRACE_ENTER && enter->nr == SYS_getpgid;
		}
		systrace_release(b.st);
	}
	systrace_stats(b.st, -1, &stats);
	systrace_close(b.st);
	return status == 0 && steps == STEPS && !stats.lost[SYSTRACE_LOST_FULL];
}

/* ------------------------------------------------------------------- readers --- */

static struct raw begin_reader(__u32 full, const pid_t *pids)
{
	struct raw s = raw_begin(full, full == SYSTRACE_FULL_BLOCK ? 1000 : 0);

	for (int i = 0; i < CALLERS; i++) {
		raw_attach(&s, pids[i]);
		kill(pids[i], SIGCONT);
	}
	return s;
}

static void say_reading(void)
{
	__atomic_store_n(&shared->reading, 1, __ATOMIC_RELEASE);
}

/* One that is as good as it can be, until its tasks have ended. */
static void read_well(const struct raw *s)
{
	struct pollfd gone = { .fd = s->fd };

	while (!poll(&gone, 1, 0)) {
		raw_drain(s);
		say_reading();
		__atomic_store_n((__u64 *)(void *)(s->control + s->header->seen),
				 raw_stats(s).seq, __ATOMIC_RELAXED);
	}
}

/* Fills its rings, until in a session that blocks all tasks wait. */
static void fill(const struct raw *s, __u32 full)
{
	if (full == SYSTRACE_FULL_BLOCK)
		raw_await_waiters(s, CALLERS);
	else
		usleep(20000);
	say_reading();
}

static void be_stopped(__u32 full, const pid_t *pids)
{
	struct raw s = begin_reader(full, pids);
	struct systrace_stats stats;

	read_well(&s);
	raw_drain(&s);
	stats = raw_stats(&s);
	_exit(stats.made != stats.delivered + stats.lost[SYSTRACE_LOST_FULL] +
			    stats.lost[SYSTRACE_LOST_OVERWRITTEN]);
}

static void be_killed(__u32 full, const pid_t *pids)
{
	struct raw s = begin_reader(full, pids);

	fill(&s, full);
	for (;;)
		pause();
}

static void just_exit(__u32 full, const pid_t *pids)
{
	struct raw s = begin_reader(full, pids);

	fill(&s, full);
	_exit(0);
}

/* A child has the descriptor, and outlives the reader. */
static void leave_child(__u32 full, const pid_t *pids)
{
	struct raw s = begin_reader(full, pids);

	if (fork() == 0) {
		while (!shared->stop)
			usleep(1000);
		_exit(0);
	}
	fill(&s, full);
	_exit(0);
}

/* The session lives on in its mapping, and nobody reads it. */
static void keep_mapping(__u32 full, const pid_t *pids)
{
	struct raw s = begin_reader(full, pids);

	fill(&s, full);
	close(s.fd);
	while (!shared->stop)
		usleep(1000);
	_exit(0);
}

static void unmap(__u32 full, const pid_t *pids)
{
	struct raw s = begin_reader(full, pids);

	fill(&s, full);
	munmap(s.control, s.setup.control_size);
	while (!shared->stop)
		usleep(1000);
	_exit(0);
}

static __u64 random_word(void)
{
	static __u64 x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/* Any value, or one that is nearly true. */
static __u64 lie(const struct raw *s, unsigned cpu)
{
	__u64 x = random_word();

	return x & 1 ? x : raw_head(s, cpu) - x % (2 * RING);
}

static void *scribble(void *arg)
{
	const struct raw *s = arg;

	for (;;) {
		for (unsigned cpu = 0; cpu < s->header->nr_rings; cpu++)
			__atomic_store_n(raw_tail(s, cpu), lie(s, cpu), __ATOMIC_RELAXED);
		__atomic_store_n((__u64 *)(void *)(s->control + s->header->seen), random_word(),
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

static void be_scribbled(__u32 full, const pid_t *pids)
{
	struct raw s = begin_reader(full, pids);
	struct pollfd pfd = { .fd = s.fd, .events = POLLIN };
	pthread_t thread;

	if (pthread_create(&thread, NULL, scribble, &s))
		_exit(1);
	while (!shared->stop) {
		poll(&pfd, 1, 10);
		raw_stats(&s);
		raw_op(&s, SYSTRACE_IOC_KICK);
		say_reading();
	}
	_exit(0);
}

/* ------------------------------------------------------------------- the test --- */

static const struct trouble {
	const char *name;
	void (*reader)(__u32 full, const pid_t *pids);
	int signal;		/* sent to it once it reads */
} troubles[] = {
	{ "stopped and continued", be_stopped, SIGSTOP },
	{ "killed", be_killed, SIGKILL },
	{ "gone without a close", just_exit, 0 },
	{ "gone, its child has the descriptor", leave_child, 0 },
	{ "closed, but mapped", keep_mapping, 0 },
	{ "without its control range", unmap, 0 },
	{ "scribbling over tails and seen", be_scribbled, 0 },
};

static void test(const struct trouble *t, __u32 full, const char *policy)
{
	struct beside beside;
	pid_t pids[CALLERS], reader;
	bool finished, unmoved;
	int status;

	begin_callers(pids);
	beside = begin_beside();
	reader = tap_fork();
	if (reader == 0)
		t->reader(full, pids);
	while (!__atomic_load_n(&shared->reading, __ATOMIC_ACQUIRE))
		usleep(1000);
	if (t->signal)
		kill(reader, t->signal);
	if (t->signal == SIGSTOP) {
		sleep((unsigned)seconds);
		kill(reader, SIGCONT);
	}
	await_progress();
	finished = end_callers(pids);
	waitpid(reader, &status, 0);
	unmoved = end_beside(beside);
	tap_ok(finished, "%s, a reader %s: what it traced finishes with right results", policy,
	       t->name);
	tap_ok(status == (t->signal == SIGKILL ? SIGKILL : 0) && unmoved,
	       "%s, a reader %s: the session beside notices nothing", policy, t->name);
}

int main(int argc, char **argv)
{
	static const char *const policies[] = {
		[SYSTRACE_FULL_DROP] = "drop",
		[SYSTRACE_FULL_OVERWRITE] = "overwrite",
		[SYSTRACE_FULL_BLOCK] = "block",
	};

	seconds = argc > 1 ? atoi(argv[1]) : 1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	for (__u32 full = 0; full < COUNT(policies); full++)
		for (size_t i = 0; i < COUNT(troubles); i++)
			test(&troubles[i], full, policies[full]);
	return tap_end();
}
