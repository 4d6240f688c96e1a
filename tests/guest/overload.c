// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * overload SECONDS: eight processes that call getppid as fast as they can, for so
 * long, against a reader that handles a hundredth of that rate. Whatever the policy,
 * the account is exact to the event, and all programs get right results.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tap.h"

#define RING	65536
#define CALLERS	8
#define TICK_US	10000

static struct {
	unsigned long calls[CALLERS];
	int stop;
} *shared;

static unsigned long per_tick;	/* events that the reader handles in one */

struct account {
	__u64 events, lost, seq;
	bool dense, right;
};

/* ----------------------------------------------------------------- callers --- */

/* Pinned to no CPU; each exits with 0 if every call has returned what it must. */
static pid_t caller(int i)
{
	pid_t parent = getpid(), pid = tap_fork();

	if (pid)
		return pid;
	raise(SIGSTOP);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		if (syscall(SYS_getppid) != parent)
			_exit(1);
		shared->calls[i]++;
	}
	_exit(0);
}

static void begin_callers(struct systrace *st, pid_t *pids)
{
	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < CALLERS; i++) {
		pids[i] = caller(i);
		waitpid(pids[i], NULL, WUNTRACED);
		if (systrace_attach(st, pids[i], SYSTRACE_ATTACH_TREE) != 1)
			tap_bail("attach");
	}
	for (int i = 0; i < CALLERS; i++)
		kill(pids[i], SIGCONT);
}

static void stop_callers(void)
{
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
}

static bool reap_callers(const pid_t *pids)
{
	int status, bad = 0;

	for (int i = 0; i < CALLERS; i++) {
		waitpid(pids[i], &status, 0);
		bad |= status;
	}
	return !bad;
}

/* ------------------------------------------------------------------ reading --- */

static void count(struct account *a, const struct systrace_event *e)
{
	const struct systrace_return *ret = (const void *)e;
	const struct systrace_lost *lost = (const void *)e;

	if (e->type == SYSTRACE_LOST && lost->cause == SYSTRACE_LOST_OVERWRITTEN)
		a->seq += lost->count - 1;
	a->dense &= e->seq == ++a->seq;
	if (e->type == SYSTRACE_LOST)
		a->lost += lost->count;
	else
		a->events++;
	if (e->type == SYSTRACE_RETURN)
		a->right &= ret->nr == SYS_getppid && ret->result == getpid();
}

static void read_some(struct systrace *st, struct account *a, unsigned long n)
{
	const struct systrace_event *e;

	while (n-- && (e = systrace_next(st)))
		count(a, e);
	systrace_release(st);
}

static void read_for(struct systrace *st, struct account *a, int seconds)
{
	for (long ticks = seconds * (1000000L / TICK_US); ticks; ticks--) {
		if (per_tick)
			read_some(st, a, per_tick);
		usleep(TICK_US);
	}
}

static void read_to_end(struct systrace *st, struct account *a)
{
	while (systrace_wait(st, -1) == 1)
		read_some(st, a, ~0UL);
}

/* Only what the callers do, and of that only getppid. */
static struct systrace *session(__u32 full)
{
	static const struct systrace_rule rule = {
		.abi = SYSTRACE_ABI_NATIVE,
		.record = SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
		.first = SYS_getppid, .last = SYS_getppid,
	};
	struct systrace *st = tap_session((struct systrace_options){
		.ring_bytes = RING, .full = full,
		.events = 1 << SYSTRACE_ENTER | 1 << SYSTRACE_RETURN });

	if (systrace_policy(st, &rule, 1))
		tap_bail("policy");
	return st;
}

static __u64 calls_made(void)
{
	__u64 sum = 0;

	for (int i = 0; i < CALLERS; i++)
		sum += shared->calls[i];
	return sum;
}

static void report(const struct account *a, const struct systrace_stats *stats)
{
	tap_note("%llu calls, %llu events read, %llu lost; %llu waits, %llu ms each",
		 (unsigned long long)calls_made(), (unsigned long long)a->events,
		 (unsigned long long)a->lost, (unsigned long long)stats->blocked,
		 (unsigned long long)(stats->blocked ?
				      stats->blocked_ns / 1000000 / stats->blocked : 0));
}

/* How many events are made when nobody reads. */
static void calibrate(void)
{
	struct systrace *st = session(SYSTRACE_FULL_DROP);
	struct account a = { 0 };
	pid_t pids[CALLERS];

	begin_callers(st, pids);
	read_for(st, &a, 1);
	stop_callers();
	reap_callers(pids);
	systrace_close(st);
	per_tick = 2 * calls_made() / (1000000 / TICK_US) / 100;
	if (per_tick < 2)
		per_tick = 2;
	tap_note("%llu events a second; the reader handles %lu in each %d ms",
		 (unsigned long long)(2 * calls_made()), per_tick, TICK_US / 1000);
}

/* Under load for so long, then read to the end; an overwriting session only then, paused. */
static bool run(__u32 full, int seconds, struct account *a, struct systrace_stats *stats)
{
	struct systrace *st = session(full);
	pid_t pids[CALLERS];
	bool fine;

	*a = (struct account){ .dense = true, .right = true };
	begin_callers(st, pids);
	read_for(st, a, seconds);
	stop_callers();
	if (full != SYSTRACE_FULL_OVERWRITE)
		read_to_end(st, a);
	fine = reap_callers(pids);
	if (full == SYSTRACE_FULL_OVERWRITE && systrace_pause(st) == 0)
		read_some(st, a, ~0UL);
	systrace_stats(st, -1, stats);
	report(a, stats);
	systrace_close(st);
	return fine;
}

static void test(__u32 full, int seconds, const char *name)
{
	struct systrace_stats stats;
	struct account a;

	tap_ok(run(full, seconds, &a, &stats), "%s: all programs finish with right results", name);
	tap_ok(stats.made == 2 * calls_made() && a.events + a.lost == stats.made,
	       "%s: made = delivered + lost, to the event", name);
	tap_ok(a.dense && a.right && a.seq == stats.seq,
	       "%s: in order to the newest, every result is right, and each gap is told", name);
	if (full == SYSTRACE_FULL_DROP)
		tap_ok(a.lost > 0 && a.lost == stats.lost[SYSTRACE_LOST_FULL] &&
		       a.events == stats.delivered, "%s: the LOST records sum to STATS", name);
	else if (full == SYSTRACE_FULL_OVERWRITE)
		tap_ok(a.lost > 0, "%s: much was overwritten", name);
	else
		tap_ok(a.lost == 0 && stats.blocked > 0 && stats.timeouts == 0,
		       "%s: nothing is lost; tasks waited, and no wait timed out", name);
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 1;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	calibrate();
	test(SYSTRACE_FULL_DROP, seconds, "drop");
	test(SYSTRACE_FULL_BLOCK, seconds, "block");
	test(SYSTRACE_FULL_OVERWRITE, seconds, "overwrite");
	return tap_end();
}
