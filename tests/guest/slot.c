// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A task that does nothing but call, so that each CPU's slot has all it needs of it, while all
 * changes that was put there: other sessions come and go, policies, pauses, its CPU. What was
 * asked for counts from the moment that who asked goes on.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "calls.h"
#include "tap.h"
#include "trail.h"

#define RING	(8 << 20)
#define ROUNDS	30
#define ENOUGH	200	/* calls */
#define MIXED	80000

static atomic_ulong *calls;	/* that the task has made, and counted after */

static pid_t caller(void)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	while (true) {
		syscall(SYS_getppid);
		atomic_fetch_add(calls, 1);
	}
}

/* What a session has told since the last look */
struct told {
	unsigned long enters, returns, others;
	bool whole;	/* none is missing, calls return before the next begins, nothing
			 * comes after DETACH or EXIT */
	bool ended;
};

static void look_at(struct systrace *st, struct told *told)
{
	const struct systrace_event *e;

	while ((e = systrace_next(st))) {
		told->whole &= !told->ended;
		told->ended = e->type == SYSTRACE_DETACH || e->type == SYSTRACE_EXIT;
		if (e->type == SYSTRACE_ENTER)
			told->whole &= told->enters++ == told->returns;
		else if (e->type == SYSTRACE_RETURN)
			told->whole &= ++told->returns == told->enters ||
				       (told->returns == 1 && !told->enters && told->enters++ == 0);
		else
			told->others++;
		told->whole &= e->type != SYSTRACE_LOST;
	}
	systrace_release(st);
}

/* A session that the task waits for, and what it has told */
struct one {
	struct systrace *st;
	struct told told;
};

static struct one begin(pid_t pid)
{
	struct one one = {
		.st = tap_session((struct systrace_options){ .ring_bytes = RING,
							     .full = SYSTRACE_FULL_BLOCK }),
		.told = { .whole = true },
	};

	if (systrace_attach(one.st, pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	return one;
}

static void look(struct one *one)
{
	if (one)
		look_at(one->st, &one->told);
}

/* Until so many more are made; these two are read meanwhile, since it waits for them. */
static void await_calls(unsigned long n, struct one *first, struct one *second)
{
	unsigned long goal = atomic_load(calls) + n;

	do {
		look(first);
		look(second);
		sched_yield();
	} while (atomic_load(calls) < goal);
}

/* What comes of so many calls, after what was there before */
static struct told await_anew(struct one *one, unsigned long skip)
{
	await_calls(skip, one, NULL);
	look(one);
	one->told = (struct told){ .whole = true };
	await_calls(ENOUGH, one, NULL);
	look(one);
	return one->told;
}

/* Another session has all calls between its ATTACH and its DETACH; the first has all. */
static void test_second(void)
{
	unsigned long before, begun, made, missed = 0, late = 0;
	pid_t pid = caller();
	struct one first, second;

	await_calls(ENOUGH, NULL, NULL);
	before = atomic_load(calls);
	first = begin(pid);
	begun = atomic_load(calls);
	for (int i = 0; i < ROUNDS; i++) {
		await_calls(ENOUGH, &first, NULL);
		second = begin(pid);
		made = atomic_load(calls);
		await_calls(ENOUGH, &first, &second);
		made = atomic_load(calls) - made;
		if (systrace_detach(second.st, pid, SYSTRACE_DETACH_TASK) != 1)
			tap_bail("detach");
		look(&second);
		missed += !second.told.whole || second.told.enters + 1 < made;
		await_calls(ENOUGH, &first, NULL);
		look(&second);
		late += !second.told.ended || !second.told.whole;
		systrace_close(second.st);
	}
	kill(pid, SIGSTOP);
	tap_await_state(pid, 'T');
	made = atomic_load(calls);
	look(&first);
	tap_note("%lu calls; the first session has %lu", made - begun, first.told.enters);
	tap_ok(first.told.whole && first.told.enters + 1 >= made - begun &&
	       first.told.enters <= made - before + 2, "the first session has every call");
	tap_ok(!missed, "the second every one of its time, but for %lu times", missed);
	tap_ok(!late, "and nothing later, but for %lu times", late);
	systrace_close(first.st);
	kill(pid, SIGCONT);
	await_calls(ENOUGH, NULL, NULL);
	tap_ok(true, "it calls on with no session");
	tap_reap(pid);
}

static void op(struct systrace *st, unsigned long request)
{
	struct systrace_op args = { .size = sizeof(args) };

	if (ioctl(systrace_fd(st), request, &args))
		tap_bail("ioctl");
}

static void test_pause(void)
{
	unsigned long more = 0, none = 0;
	pid_t pid = caller();
	struct one one = begin(pid);
	struct told told;

	for (int i = 0; i < ROUNDS; i++) {
		await_calls(ENOUGH, &one, NULL);
		op(one.st, SYSTRACE_IOC_PAUSE);
		told = await_anew(&one, 0);
		more += told.enters + told.returns != 0;
		op(one.st, SYSTRACE_IOC_RESUME);
		none += await_anew(&one, 0).enters + 2 < ENOUGH;
	}
	tap_ok(!more, "nothing comes while it is paused, but for %lu times", more);
	tap_ok(!none, "and all after it, but for %lu times", none);
	tap_reap(pid);
	systrace_close(one.st);
}

static void policy(struct systrace *st, int nr, unsigned record)
{
	const struct systrace_rule rule = {
		.abi = SYSTRACE_ABI_NATIVE, .first = nr, .last = nr, .record = (__u8)record,
		.nargs = SYSTRACE_NARGS_ALL,
	};

	if (systrace_policy(st, &rule, 1))
		tap_bail("policy");
}

static void test_policy(void)
{
	const unsigned both = SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN;
	unsigned long others = 0, enters = 0, returns = 0, halves = 0;
	pid_t pid = caller();
	struct one one = begin(pid);
	struct told told;

	for (int i = 0; i < ROUNDS; i++) {
		policy(one.st, SYS_getpid, both);
		told = await_anew(&one, 2);
		others += told.enters + told.returns != 0;
		policy(one.st, SYS_getppid, SYSTRACE_RECORD_ENTER);
		told = await_anew(&one, 2);
		enters += told.returns || told.enters + 2 < ENOUGH;
		policy(one.st, SYS_getppid, SYSTRACE_RECORD_RETURN);
		told = await_anew(&one, 2);
		returns += told.enters > 1 || told.returns + 2 < ENOUGH;
		policy(one.st, SYS_getppid, both);
		told = await_anew(&one, 2);
		halves += !told.whole || told.enters + 2 < ENOUGH;
	}
	tap_ok(!others, "another call is asked for: none comes, but for %lu times", others);
	tap_ok(!enters, "ENTER alone is, but for %lu times", enters);
	tap_ok(!returns, "RETURN alone is, but for %lu times", returns);
	tap_ok(!halves, "both are, but for %lu times", halves);
	tap_reap(pid);
	systrace_close(one.st);
}

static void call_on_all_cpus(void)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	for (int i = 0; i < 2 * cpus; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		sched_setaffinity(0, sizeof(set), &set);
		for (int n = 0; n < 3; n++)
			syscall(SYS_getppid);
	}
}

/* After its task is gone no slot speaks for it, whose stack another task may have by now. */
static void test_gone(void)
{
	unsigned long wrong = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = RING });
		pid_t pid = tap_fork();
		struct told told = { .whole = true };

		if (pid == 0) {
			raise(SIGSTOP);
			call_on_all_cpus();
			_exit(0);
		}
		tap_await_state(pid, 'T');
		if (systrace_attach(st, pid, SYSTRACE_ATTACH_TASK) != 1)
			tap_bail("attach");
		kill(pid, SIGCONT);
		waitpid(pid, NULL, 0);
		for (int n = 0; n < 4; n++) {
			pid = tap_fork();
			if (pid == 0) {
				call_on_all_cpus();
				_exit(0);
			}
			waitpid(pid, NULL, 0);
		}
		look_at(st, &told);
		wrong += !told.ended;
		systrace_close(st);
	}
	tap_ok(!wrong, "nothing comes after EXIT, but for %lu times", wrong);
}

/* ------------------------------------------------------------ many sessions --- */

#define MANY	10	/* more than a slot has place for */
#define REPEATS	2000

/* What a session asks for, and what it is told of the call that is repeated */
static const struct asked {
	const char *name;
	uint64_t events;
	bool other;		/* a policy of another call alone */
	unsigned enters, returns;
} asked[] = {
	{ "all", .enters = 1, .returns = 1 },
	{ "another call", .other = true },
	{ "ENTER", .events = 1ULL << SYSTRACE_ENTER, .enters = 1 },
	{ "RETURN", .events = 1ULL << SYSTRACE_RETURN, .returns = 1 },
};

struct asks {
	const struct asked *asked;
	struct systrace *st;
	unsigned long enters, returns, lost;
};

static void ask(struct asks *asks, const struct asked *what, pid_t pid)
{
	*asks = (struct asks){ .asked = what };
	asks->st = tap_session((struct systrace_options){ .ring_bytes = 32 << 10, .events = what->events,
							  .full = SYSTRACE_FULL_BLOCK });
	if (what->other)
		policy(asks->st, SYS_getpid, SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN);
	if (systrace_attach(asks->st, pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
}

static void read_asked(struct asks *asks)
{
	const struct systrace_event *e;

	while ((e = systrace_next(asks->st))) {
		if (e->type == SYSTRACE_ENTER)
			asks->enters += ((const struct systrace_enter *)e)->nr == SYS_getppid;
		if (e->type == SYSTRACE_RETURN)
			asks->returns += ((const struct systrace_return *)e)->nr == SYS_getppid;
		asks->lost += e->type == SYSTRACE_LOST;
	}
	systrace_release(asks->st);
}

/* `n` sessions on one task, the first of which asks for asked[first], the next for the next */
static void test_many(int n, size_t first, size_t kinds)
{
	struct asks asks[MANY];
	bool right = true;
	pid_t pid = tap_fork();

	if (pid == 0) {
		raise(SIGSTOP);
		for (int i = 0; i < REPEATS; i++)
			syscall(SYS_getppid);
		_exit(0);
	}
	tap_await_state(pid, 'T');
	for (int i = 0; i < n; i++)
		ask(&asks[i], &asked[(first + (size_t)i) % kinds], pid);
	kill(pid, SIGCONT);
	while (waitpid(pid, NULL, WNOHANG) == 0)
		for (int i = 0; i < n; i++)
			read_asked(&asks[i]);
	for (int i = 0; i < n; i++) {
		read_asked(&asks[i]);
		right &= !asks[i].lost && asks[i].enters == asks[i].asked->enters * REPEATS &&
			 asks[i].returns == asks[i].asked->returns * REPEATS;
		if (!right)
			tap_note("%d: %s: %lu ENTER, %lu RETURN, %lu LOST", i, asks[i].asked->name,
				 asks[i].enters, asks[i].returns, asks[i].lost);
		systrace_close(asks[i].st);
	}
	tap_ok(right, "%d sessions, from one that asks for %s on: each has what it asked for", n,
	       asked[first].name);
}

/* ------------------------------------------------------------------- unread --- */

#define BURSTS	1000
#define NO_SIGNALS	(((2ULL << SYSTRACE_DETACH) - (1ULL << SYSTRACE_ENTER)) & ~(1ULL << SYSTRACE_SIGNAL))

static void nothing(int sig)
{
	(void)sig;
}

/* More than rings hold, at each SIGCONT: most of it calls, and some signals between them */
static pid_t burster(void)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	signal(SIGUSR1, nothing);
	for (int burst = 0; burst <= BURSTS; burst++) {
		raise(SIGSTOP);
		for (int i = 0; i < 60 + burst % 7; i++) {
			if (i % 5 == burst % 5)
				raise(SIGUSR1);
			syscall(SYS_getppid);
		}
	}
	_exit(0);
}

/* At its end: is what was read and what it says it lost all that it says it made? */
static bool is_exact(struct systrace *st, struct trail *trail, uint32_t full)
{
	struct systrace_stats stats;
	bool exact;

	while (systrace_wait(st, 10000) == 1)
		trail_drain(trail, st);
	if (systrace_pause(st))
		tap_bail("PAUSE");
	trail_drain(trail, st);
	if (systrace_stats(st, -1, &stats))
		tap_bail("STATS");
	if (full != SYSTRACE_FULL_OVERWRITE)
		exact = trail_agrees(trail, &stats, true) && !trail->silent;
	else
		exact = trail->events + trail->lost == stats.made && trail->seq == stats.seq &&
			trail_lost(&stats) == stats.lost[SYSTRACE_LOST_OVERWRITTEN];
	return exact && !trail->gaps && trail->lost;
}

/* `n` sessions on one task, whose small rings are read when it rests: nothing is written over. */
static void test_unread(int n, uint32_t full)
{
	struct systrace *st[MANY];
	struct trail trails[MANY];
	pid_t pid = burster();
	bool right = true;

	waitpid(pid, NULL, WUNTRACED);
	for (int i = 0; i < n; i++) {
		st[i] = tap_session((struct systrace_options){
			.ring_bytes = 4096, .full = full, .events = i & 1 ? NO_SIGNALS : 0 });
		trails[i] = trail_new();
		if (systrace_attach(st[i], pid, SYSTRACE_ATTACH_TASK) != 1)
			tap_bail("attach");
	}
	for (int burst = 0; burst < BURSTS; burst++) {
		kill(pid, SIGCONT);
		waitpid(pid, NULL, WUNTRACED);
		for (int i = 0; i < n; i++)
			trail_drain(&trails[i], st[i]);
	}
	tap_reap(pid);
	for (int i = 0; i < n; i++) {
		right &= is_exact(st[i], &trails[i], full);
		trail_free(&trails[i]);
		systrace_close(st[i]);
	}
	tap_ok(right, "%d sessions that %s, their rings full most of the time: exact", n,
	       full == SYSTRACE_FULL_OVERWRITE ? "overwrite" : "drop");
}

/* -------------------------------------------------- moved about in its calls --- */

static pid_t mover(pid_t pid)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	pid_t mover = tap_fork();
	cpu_set_t set;

	if (mover)
		return mover;
	for (int i = 0;; i = (i + 1) % cpus) {
		CPU_ZERO(&set);
		CPU_SET(i, &set);
		sched_setaffinity(pid, sizeof(set), &set);
		usleep(50);
	}
}

/* One number in two ABIs, and one that no slot takes, in turn */
static void call_mixed(int i)
{
	switch (i % 3) {
	case 0:
		call64(SYS_getppid);
		break;
	case 1:
#ifdef __x86_64__
		call32(SYS_getppid);
		break;
#endif
	default:
		call64(1000);
	}
}

static void test_moved(bool filtered)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = RING });
	unsigned long wrong = 0, enters = 0, returns = 0;
	const struct systrace_enter *enter;
	const struct systrace_return *ret;
	const struct systrace_event *e;
	pid_t pid = tap_fork(), moves;
	int last_nr = 0, last_abi = 0;

	if (pid == 0) {
		raise(SIGSTOP);
		for (int i = 0; i < MIXED; i++)
			call_mixed(i);
		_exit(0);
	}
	tap_await_state(pid, 'T');
	if (filtered)
		policy(st, SYS_getppid, SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN);
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	moves = mover(pid);
	kill(pid, SIGCONT);
	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st))) {
			enter = (const void *)e;
			ret = (const void *)e;
			if (e->type == SYSTRACE_ENTER && (enter->nr == SYS_getppid || enter->nr == 1000)) {
				wrong += filtered && (enter->nr != SYS_getppid ||
						      e->flags != __builtin_ctz(SYSTRACE_ABI_NATIVE));
				last_nr = enter->nr;
				last_abi = e->flags;
				enters++;
			}
			if (e->type == SYSTRACE_RETURN && (ret->nr == SYS_getppid || ret->nr == 1000)) {
				wrong += ret->nr != last_nr || e->flags != last_abi;
				returns++;
			}
		}
		systrace_release(st);
	}
	waitpid(pid, NULL, 0);
	tap_reap(moves);
	tap_note("%lu ENTER, %lu RETURN", enters, returns);
	tap_ok(!wrong && enters == returns &&
	       enters == (filtered ? (MIXED + 2) / 3 : MIXED),
	       "%s of mixed ABIs from CPU to CPU: each call is what it was, but for %lu",
	       filtered ? "one" : "calls", wrong);
	systrace_close(st);
}

int main(void)
{
	tap_patience(300);
	calls = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (calls == MAP_FAILED)
		tap_bail("mmap");
	test_second();
	test_pause();
	test_policy();
	test_gone();
	for (size_t first = 0; first < 3; first++) {
		test_many(2, first, 3);
		test_many(MANY - 2, first, 3);
	}
	test_many(MANY, 0, 3);
	test_many(4, 0, 4);	/* with one that no slot has */
	for (int n = 1; n <= 3; n++) {
		test_unread(n, SYSTRACE_FULL_DROP);
		test_unread(n, SYSTRACE_FULL_OVERWRITE);
	}
	test_moved(false);
	test_moved(true);
	return tap_end();
}
