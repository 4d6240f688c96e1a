// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sleeping and waking as <systrace/uapi.h> has it, and no wake-up lost: wake [ROUNDS].
 *
 * Of the traced tasks only the ENTER of getppid is recorded, so that they can wait
 * and be told what to do without anybody noticing. Nothing is timed: who sleeps,
 * sleeps until it is woken, and a test that hangs is ended after PATIENCE.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>

#include "tap.h"

#define RING	4096
#define BYTES	32		/* of an ENTER without arguments */
#define MARK	1024		/* the watermark */
#define LONG	10000000	/* the longest latency, in microseconds */
#define SHORT	100000
#define PATIENCE 60

static const char *what = "nothing";	/* is going on: for whoever waits in vain */

static void hangs(int sig)
{
	(void)sig;
	tap_ok(false, "%s: it sleeps and nobody wakes it", what);
	_exit(1);
}

static void begin(const char *name)
{
	what = name;
	alarm(PATIENCE);
}

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000 + (__u64)ts.tv_nsec;
}

static long last_cpu(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) - 1;
}

static void use_cpu(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ----------------------------------------------------------------- sessions --- */

#define ENTERS	(1 << SYSTRACE_ENTER)
#define ALL	0

static struct systrace *session(__u64 events, __u32 watermark, __u32 latency_us)
{
	/* Only calls whose RETURN is asked for, too, go by the slot: not that it is recorded. */
	const struct systrace_rule rule = {
		.abi = SYSTRACE_ABI_NATIVE,
		.record = SYSTRACE_RECORD_ENTER | (events == ENTERS ? SYSTRACE_RECORD_RETURN : 0),
		.first = SYS_getppid, .last = SYS_getppid,
	};
	struct systrace *st = tap_session((struct systrace_options){
		.ring_bytes = RING, .events = events,
		.watermark = watermark, .latency_us = latency_us,
	});

	if (systrace_policy(st, &rule, 1))
		tap_bail("policy");
	return st;
}

static void attach(struct systrace *st, pid_t pid)
{
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
}

static short ready(struct systrace *st)
{
	struct pollfd pfd = { .fd = systrace_fd(st), .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 ? pfd.revents : 0;
}

/* Reads what is there; of that, how many of a type. */
static int drain(struct systrace *st, int type)
{
	const struct systrace_event *e;
	int n = 0;

	while ((e = systrace_next(st)))
		n += e->type == type;
	systrace_release(st);
	return n;
}

static struct systrace_stats stats_of(struct systrace *st)
{
	struct systrace_stats stats;

	if (systrace_stats(st, -1, &stats))
		tap_bail("stats");
	return stats;
}

/* ------------------------------------------------------------------ workers --- */

struct worker {
	pid_t pid;
	int go, done;
};

/* Each number is answered when so many calls have been made; 0 ends it. */
static struct worker begin_worker(long cpu)
{
	int in[2], out[2], n;
	struct worker w;

	if (pipe(in) || pipe(out))
		tap_bail("pipe");
	w = (struct worker){ .go = in[1], .done = out[0], .pid = tap_fork() };
	if (w.pid)
		return close(in[0]), close(out[1]), w;
	use_cpu(cpu);
	while (read(in[0], &n, sizeof(n)) == sizeof(n) && n) {
		for (int i = 0; i < n; i++)
			syscall(SYS_getppid);
		if (write(out[1], &n, sizeof(n)) != sizeof(n))
			break;
	}
	_exit(0);
}

static void makes(struct worker *w, int n)
{
	if (write(w->go, &n, sizeof(n)) != sizeof(n) || read(w->done, &n, sizeof(n)) != sizeof(n))
		tap_bail("a worker");
}

static void end_worker(struct worker *w)
{
	int zero = 0;

	if (write(w->go, &zero, sizeof(zero)) != sizeof(zero))
		tap_bail("a worker");
	waitpid(w->pid, NULL, 0);
	close(w->go);
	close(w->done);
}

/* ----------------------------------------------------------------- sleepers --- */

enum way { POLL, SELECT, EPOLL, EPOLL_EDGE, EPOLL_ONCE, EPOLL_EDGE_ONCE, WAIT, WAYS };

static const char *const way_names[WAYS] = {
	"poll", "select", "epoll", "epoll, edge-triggered", "epoll, one shot",
	"epoll, edge-triggered, one shot", "systrace_wait",
};

static __u32 epoll_events(enum way way)
{
	return EPOLLIN | (way == EPOLL_EDGE || way == EPOLL_EDGE_ONCE ? EPOLLET : 0) |
	       (way == EPOLL_ONCE || way == EPOLL_EDGE_ONCE ? EPOLLONESHOT : 0);
}

static int new_epoll(enum way way, int fd)
{
	struct epoll_event event = { .events = epoll_events(way) };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		tap_bail("epoll");
	return epoll;
}

static void rearm(int epoll, enum way way, int fd)
{
	struct epoll_event event = { .events = epoll_events(way) };

	if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event))
		tap_bail("epoll");
}

static short sleep_in_poll(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	poll(&pfd, 1, -1);
	return pfd.revents;
}

static short sleep_in_select(int fd)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, NULL) == 1 ? POLLIN : 0;
}

static short sleep_in_epoll(int epoll)
{
	struct epoll_event event = { 0 };

	epoll_wait(epoll, &event, 1, -1);
	return (short)event.events;
}

/* One of several threads that sleep on the same descriptor, each in its way. */
struct sleeper {
	pthread_t thread;
	enum way way;
	int fd;
	int epoll;
	atomic_int tid;
	short revents;
};

static void *sleep_once(void *arg)
{
	struct sleeper *s = arg;

	atomic_store(&s->tid, (int)syscall(SYS_gettid));
	if (s->way == POLL)
		s->revents = sleep_in_poll(s->fd);
	else if (s->way == SELECT)
		s->revents = sleep_in_select(s->fd);
	else
		s->revents = sleep_in_epoll(s->epoll);
	return NULL;
}

/* In select or poll or epoll_wait, for good. */
static bool sleeps(struct sleeper *s)
{
	char path[64], line[64] = "";
	FILE *file;
	int nr = -1;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", atomic_load(&s->tid));
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fgets(line, sizeof(line), file))
		sscanf(line, "%d", &nr);
	fclose(file);
	return native_polls(nr);
}

static struct sleeper sleepers[EPOLL_EDGE_ONCE + 1];

static void begin_sleep(struct systrace *st)
{
	for (enum way way = POLL; way < COUNT(sleepers); way++) {
		struct sleeper *s = &sleepers[way];

		*s = (struct sleeper){ .way = way, .fd = systrace_fd(st), .epoll = -1 };
		if (way >= EPOLL)
			s->epoll = new_epoll(way, s->fd);
		if (pthread_create(&s->thread, NULL, sleep_once, s))
			tap_bail("pthread_create");
		while (!sleeps(s))
			sched_yield();
	}
}

/* All of them are woken, each with what it should say: in select all is POLLIN. */
static void end_sleep(short want)
{
	for (enum way way = POLL; way < COUNT(sleepers); way++) {
		struct sleeper *s = &sleepers[way];

		pthread_join(s->thread, NULL);
		if (way >= EPOLL)
			close(s->epoll);
		if (s->revents != (way == SELECT ? POLLIN : want))
			tap_ok(false, "%s: %s says %#x", what, way_names[way], s->revents);
	}
	tap_ok(true, "%s wakes all who sleep", what);
}

/* ------------------------------------------------------- one sentence each --- */

static void test_in_and_hup(void)
{
	struct worker w = begin_worker(0);
	struct systrace *st = session(ALL, 0, 0);

	begin("what poll says");
	tap_ok(ready(st) == 0, "nothing before the first ATTACH, and no POLLHUP");
	attach(st, w.pid);
	tap_ok(ready(st) == POLLIN, "POLLIN when there is something to read");
	tap_ok(ready(st) == POLLIN, "and again");
	tap_ok(drain(st, SYSTRACE_TASK) == 1 && ready(st) == 0, "nothing when all is read");
	makes(&w, 1);
	tap_ok(ready(st) == POLLIN && drain(st, SYSTRACE_ENTER) == 1 && ready(st) == 0,
	       "the same with one event");
	systrace_detach(st, 0, SYSTRACE_DETACH_ALL);
	tap_ok(ready(st) == POLLIN, "no POLLHUP while there is something to read");
	tap_ok(drain(st, SYSTRACE_DETACH) == 1 && ready(st) == POLLHUP,
	       "POLLHUP when no task is attached any more and all is read");
	tap_ok(systrace_wait(st, -1) == -ECHILD, "systrace_wait: ECHILD");
	attach(st, w.pid);
	tap_ok(drain(st, SYSTRACE_TASK) == 1 && ready(st) == 0, "no POLLHUP after another ATTACH");
	tap_ok(systrace_wait(st, 0) == 0, "systrace_wait: the time is up");
	end_worker(&w);
	tap_ok(ready(st) == POLLIN && drain(st, SYSTRACE_EXIT) == 1 && ready(st) == POLLHUP,
	       "EXIT, then POLLHUP");
	systrace_close(st);
}

static void test_sleepers(void)
{
	struct worker w = begin_worker(0), v = begin_worker(last_cpu());
	struct systrace *st = session(ALL, 0, 0);

	begin("the first ATTACH");
	begin_sleep(st);
	attach(st, w.pid);
	end_sleep(POLLIN);
	drain(st, 0);
	begin("an event");
	begin_sleep(st);
	makes(&w, 1);
	end_sleep(POLLIN);
	drain(st, 0);
	attach(st, v.pid);
	drain(st, 0);
	begin("an event on another CPU");
	begin_sleep(st);
	makes(&v, 1);
	end_sleep(POLLIN);
	drain(st, 0);
	begin("a task's end");
	begin_sleep(st);
	end_worker(&v);
	end_sleep(POLLIN);
	drain(st, 0);
	begin("DETACH");
	begin_sleep(st);
	systrace_detach(st, 0, SYSTRACE_DETACH_ALL);
	end_sleep(POLLIN);
	end_worker(&w);
	systrace_close(st);
}

/* No event tells of the end here. */
static void test_silent_end(bool detach, const char *name)
{
	struct worker w = begin_worker(0);
	struct systrace *st = session(ENTERS, 0, 0);

	attach(st, w.pid);
	makes(&w, 1);
	drain(st, 0);
	begin(name);
	begin_sleep(st);
	if (detach)
		systrace_detach(st, 0, SYSTRACE_DETACH_ALL);
	else
		end_worker(&w);
	end_sleep(POLLHUP);
	tap_ok(systrace_wait(st, -1) == -ECHILD, "%s: systrace_wait: ECHILD", name);
	if (detach)
		end_worker(&w);
	systrace_close(st);
}

/* Calls until the ring is so full that the next is lost. */
static void fill(struct systrace *st, struct worker *w)
{
	makes(w, (int)((RING - sizeof(struct systrace_lost)) / BYTES));
	if (stats_of(st).lost[SYSTRACE_LOST_FULL])
		tap_bail("lost already");
}

/* It has read everything, and sleeps before it gives the room back. */
static void test_loss(void)
{
	struct worker w = begin_worker(0);
	struct systrace *st = session(ENTERS, 0, 0);

	attach(st, w.pid);
	fill(st, &w);
	while (systrace_next(st))
		;
	tap_ok(systrace_wait(st, 0) == 0, "nothing in a full ring when all is read");
	begin("a loss");
	begin_sleep(st);
	makes(&w, 1);
	end_sleep(POLLIN);
	tap_ok(drain(st, SYSTRACE_LOST) == 1, "it is a LOST record that does");
	end_worker(&w);
	systrace_close(st);
}

static void test_pause(void)
{
	struct systrace_op op = { .size = sizeof(op) };
	struct worker w = begin_worker(0);
	struct systrace *st = session(ENTERS, 0, 0);

	attach(st, w.pid);
	tap_ok(ioctl(systrace_fd(st), SYSTRACE_IOC_KICK, &op) == 0 && ready(st) == 0,
	       "KICK where no task waits does nothing");
	fill(st, &w);
	makes(&w, 5);
	drain(st, 0);		/* not about to sleep: it is not told by that */
	systrace_pause(st);
	tap_ok(ready(st) == POLLIN && drain(st, SYSTRACE_LOST) == 1,
	       "after PAUSE there is a LOST record to read");
	makes(&w, 5);
	tap_ok(ready(st) == 0, "nothing while it is paused");
	begin("an event after RESUME");
	begin_sleep(st);
	systrace_resume(st);
	makes(&w, 1);
	end_sleep(POLLIN);
	drain(st, 0);
	systrace_pause(st);
	begin("the last task's end in PAUSE");
	begin_sleep(st);
	end_worker(&w);
	end_sleep(POLLHUP);
	systrace_close(st);
}

/* ---------------------------------------------------------------- watermark --- */

/* How many there are, and whether the first is as old as that. */
static int read_aged(struct systrace *st, __u32 latency_us, bool *old)
{
	const struct systrace_event *e = systrace_next(st);
	__u64 then = now();
	int n = 0;

	*old = e && then - systrace_time(st, e) >= latency_us * 1000ULL;
	for (; e; e = systrace_next(st))
		n++;
	systrace_release(st);
	return n;
}

/* One CPU's bytes count, not the sum. */
static void test_watermark(void)
{
	const int one_less = MARK / BYTES - 1;
	struct worker w = begin_worker(0), v = begin_worker(last_cpu());
	struct systrace *st = session(ENTERS, MARK, LONG);
	bool old;
	int n;

	attach(st, w.pid);
	attach(st, v.pid);
	makes(&w, one_less);
	tap_ok(ready(st) == 0, "below the watermark poll says nothing");
	if (last_cpu() == 0)
		tap_ok(true, "in each of two rings # SKIP there is one CPU");
	else
		makes(&v, one_less);
	tap_ok(ready(st) == 0, "below it in each of two rings, neither");
	begin("the watermark");
	begin_sleep(st);
	makes(&w, 1);
	end_sleep(POLLIN);
	n = read_aged(st, LONG, &old);
	tap_ok(!old && n == MARK / BYTES + (last_cpu() ? one_less : 0),
	       "and it was not the latency that did");
	tap_ok(ready(st) == 0, "nothing when all is read");
	begin("the end below the watermark");
	makes(&v, 1);
	begin_sleep(st);
	end_worker(&w);
	end_worker(&v);
	end_sleep(POLLIN);
	tap_ok(drain(st, SYSTRACE_ENTER) == 1 && ready(st) == POLLHUP, "POLLHUP after that");
	systrace_close(st);
}

static void test_latency(void)
{
	struct worker w = begin_worker(0);
	struct systrace *st = session(ENTERS, MARK, SHORT);
	bool old;
	int n;

	attach(st, w.pid);
	begin("latency, of an event before the sleep,");
	makes(&w, 2);
	begin_sleep(st);
	end_sleep(POLLIN);
	n = read_aged(st, SHORT, &old);
	tap_ok(n == 2 && old, "not before that time");
	begin("latency, of an event in the sleep,");
	begin_sleep(st);
	makes(&w, 3);
	end_sleep(POLLIN);
	n = read_aged(st, SHORT, &old);
	tap_ok(n == 3 && old, "not before that time");
	end_worker(&w);
	systrace_close(st);
}

/* ------------------------------------------------------------------- races --- */

#define BUNCH	8
#define LATE	5000000		/* half of LONG, in microseconds */

static struct {
	atomic_bool go;
	atomic_ulong seen;
} *shared;

/* Some 100 microseconds at most, short times as likely as long ones. */
static void pause_some(unsigned *seed)
{
	volatile unsigned n = (unsigned)rand_r(seed) % (1U << rand_r(seed) % 15);

	while (n)
		n--;
}

/* Soon it sleeps, too: the machine's CPUs may have to share one. */
static void await_seen(unsigned long n)
{
	for (int spins = 0; atomic_load(&shared->seen) != n; spins++) {
		if (spins < 100)
			sched_yield();
		else
			usleep(20);
	}
}

/* Makes a few calls, and no more before all are seen. From time to time it moves. */
static pid_t begin_producer(unsigned long rounds, int least, int most)
{
	unsigned long made = 0, round;
	unsigned seed = 1;
	pid_t pid;

	atomic_store(&shared->go, false);
	atomic_store(&shared->seen, 0);
	pid = tap_fork();
	if (pid)
		return pid;
	while (!atomic_load(&shared->go))
		sched_yield();
	for (round = 0; round < rounds; round++) {
		int n = least + rand_r(&seed) % (most - least + 1);

		if (round % 512 == 0)
			use_cpu((long)(round / 512) % (last_cpu() + 1));
		made += (unsigned long)n;
		while (n--)
			syscall(SYS_getppid);
		await_seen(made);
		pause_some(&seed);
	}
	_exit(0);
}

static void sleep_in(enum way way, struct systrace *st, int epoll)
{
	if (way == EPOLL_ONCE || way == EPOLL_EDGE_ONCE)
		rearm(epoll, way, systrace_fd(st));
	if (way == POLL)
		sleep_in_poll(systrace_fd(st));
	else if (way == SELECT)
		sleep_in_select(systrace_fd(st));
	else if (way == WAIT)
		systrace_wait(st, -1);
	else
		sleep_in_epoll(epoll);
}

/* How many first events were read how long after they were made, by powers of two. */
static unsigned long delays[64];

static void count_delay(__u64 ns)
{
	delays[ns ? 64 - __builtin_clzll(ns) - 1 : 0]++;
}

static void report_delays(void)
{
	unsigned long n = 0, all = 0;
	char line[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < COUNT(delays); i++)
		all += delays[i];
	for (size_t i = 0; i < COUNT(delays) && length < sizeof(line) - 32; i++) {
		n += delays[i];
		if (delays[i])
			length += (size_t)sprintf(line + length, " %.0fus %.2f%%", (2ULL << i) / 1e3,
						  100.0 * (double)n / (double)all);
	}
	tap_note("read within%s", line);
	memset(delays, 0, sizeof(delays));
}

/* What is there; with whole bunches, no less than one. Counts one that waited too long. */
static int read_some(struct systrace *st, bool whole, unsigned long *late)
{
	const struct systrace_event *e;
	__u64 then = now();
	int n = 0;

	do {
		while ((e = systrace_next(st))) {
			if (!n)
				count_delay(then > systrace_time(st, e) ? then - systrace_time(st, e) : 0);
			if (++n == BUNCH && then > systrace_time(st, e))
				*late += then - systrace_time(st, e) >= LATE * 1000ULL;
		}
	} while (whole && n % BUNCH);
	systrace_release(st);
	return n;
}

struct race {
	enum way way;
	__u32 watermark, latency_us;
	unsigned long rounds;
	bool whole;		/* as many calls at a time as the watermark asks for */
	bool single;		/* one call at a time: nothing else will wake the reader */
};

static void test_race(const struct race *race, const char *name)
{
	struct systrace *st = session(ENTERS, race->watermark, race->latency_us);
	pid_t pid = begin_producer(race->rounds, race->whole ? BUNCH : 1,
				   race->single ? 1 : BUNCH);
	unsigned long seen = 0, late = 0, sleeps = 0;
	bool polled = race->way == POLL || race->way == SELECT || race->way == WAIT;
	int epoll = polled ? -1 : new_epoll(race->way, systrace_fd(st)), status;
	struct systrace_stats stats;
	unsigned seed = 2;
	bool gone;

	begin(name);
	attach(st, pid);
	atomic_store(&shared->go, true);
	do {
		alarm(PATIENCE);
		sleep_in(race->way, st, epoll);
		sleeps++;
		gone = !systrace_attached(st);
		seen += (unsigned long)read_some(st, race->whole && !gone, &late);
		atomic_store(&shared->seen, seen);
		pause_some(&seed);
	} while (!gone);
	waitpid(pid, &status, 0);
	stats = stats_of(st);
	tap_note("%s: %lu sleeps, %llu wake-ups", name, sleeps, stats.wakeups);
	report_delays();
	tap_ok(status == 0 && seen == stats.made && stats.wakeups > race->rounds / 100,
	       "%s: woken up whenever it was to be", name);
	if (race->whole)
		tap_ok(late == 0, "%s: never only by the latency", name);
	if (!polled)
		close(epoll);
	systrace_close(st);
}

static void test_races(unsigned long rounds)
{
	static const enum way some[] = { POLL, EPOLL, EPOLL_EDGE };
	char name[64];

	for (enum way way = 0; way < WAYS; way++)
		test_race(&(struct race){ .way = way, .rounds = rounds }, way_names[way]);
	for (size_t i = 0; i < COUNT(some); i++) {
		snprintf(name, sizeof(name), "%s, single events", way_names[some[i]]);
		test_race(&(struct race){ .way = some[i], .rounds = rounds, .single = true }, name);
		snprintf(name, sizeof(name), "%s, watermark", way_names[some[i]]);
		test_race(&(struct race){ .way = some[i], .rounds = rounds, .whole = true,
					  .watermark = BUNCH * BYTES, .latency_us = LONG }, name);
		snprintf(name, sizeof(name), "%s, latency", way_names[some[i]]);
		test_race(&(struct race){ .way = some[i], .rounds = rounds / 20,
					  .watermark = BUNCH * BYTES, .latency_us = 500 }, name);
	}
}

/*
 * A session that lasts, so that the kernel's code is patched only now: see -s of
 * tests/vm/run, which would take these races their concurrency.
 */
static void keep_probes(void)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = RING });

	attach(st, tap_sleeper());
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;

	if (!rounds)
		tap_bail("usage: wake [ROUNDS]");
	signal(SIGALRM, hangs);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	keep_probes();
	test_in_and_hup();
	test_sleepers();
	test_silent_end(false, "the silent end of the last task");
	test_silent_end(true, "a silent DETACH of the last task");
	test_loss();
	test_pause();
	test_watermark();
	test_latency();
	test_races(rounds);
	return tap_end();
}
