// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many sessions at once, of the same tasks: each sees all that it asked for, and what
 * becomes of one is nothing to the others.
 *
 * Callers make rounds of calls; in each, call number k is made k + 1 times.
 */
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "raw.h"
#include "trail.h"

#define SESSIONS 66
#define CALLERS	3
#define ROUNDS	30
#define BIG	(1 << 19)	/* takes all of a test, also where half of it is the mark */
#define PATIENCE 240

/* Made by nothing else here. */
static const int calls[] = {
	SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getpgid, SYS_sched_yield,
};

static struct {
	int ready, stop;
} *shared;

static pid_t caller(bool floods)
{
	pid_t pid = tap_fork();

	if (pid) {
		waitpid(pid, NULL, WUNTRACED);
		return pid;
	}
	raise(SIGSTOP);
	while (floods && !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
		syscall(SYS_getppid);
	for (int round = 0; !floods && round < ROUNDS; round++)
		for (size_t k = 0; k < COUNT(calls); k++)
			for (size_t n = 0; n <= k; n++)
				syscall(calls[k]);
	_exit(0);
}

/* ---------------------------------------------------------- one of the many --- */

struct one {
	struct systrace *st;
	struct trail stream;
	unsigned mask;		/* of calls */
	__u8 record;
	unsigned callers;
	unsigned long enters[COUNT(calls)], returns[COUNT(calls)], others;
};

/* Which calls, what of them, of whom and when full what: each its own. */
static struct one begin(unsigned i, const pid_t *pids)
{
	struct one o = { .mask = i * 37 % 127 + 1, .record = (__u8)(1 + i / 3 % 3),
			 .stream = trail_new() };
	struct systrace_rule rules[COUNT(calls)];
	unsigned n = 0;

	o.st = tap_session((struct systrace_options){
		.ring_bytes = BIG, .full = i % 3,
		.events = i % 4 ? 1 << SYSTRACE_ENTER | 1 << SYSTRACE_RETURN : 0 });
	for (size_t k = 0; k < COUNT(calls); k++)
		if (o.mask & 1U << k)
			rules[n++] = (struct systrace_rule){
				.abi = SYSTRACE_ABI_NATIVE, .record = o.record,
				.first = calls[k], .last = calls[k] };
	if (systrace_policy(o.st, rules, n))
		tap_bail("policy");
	for (unsigned c = 0; c < CALLERS; c++) {
		if (i % (CALLERS + 1) != c && i % (CALLERS + 1) != CALLERS)
			continue;
		if (systrace_attach(o.st, pids[c], SYSTRACE_ATTACH_TREE) != 1)
			tap_bail("attach");
		o.callers++;
	}
	return o;
}

static void count(struct one *o, const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;
	const struct systrace_return *ret = (const void *)e;
	int nr = e->type == SYSTRACE_ENTER ? enter->nr : ret->nr;

	trail_look(&o->stream, e);
	if (e->type != SYSTRACE_ENTER && e->type != SYSTRACE_RETURN)
		return;
	for (size_t k = 0; k < COUNT(calls); k++) {
		if (calls[k] != nr)
			continue;
		*(e->type == SYSTRACE_ENTER ? &o->enters[k] : &o->returns[k]) += 1;
		return;
	}
	o->others++;
}

/* It has what it asked for, no more and no less, and its account is exact. */
static bool end(struct one *o)
{
	const struct systrace_event *e;
	struct systrace_stats stats;
	bool good;

	while (systrace_wait(o->st, -1) == 1) {
		while ((e = systrace_next(o->st)))
			count(o, e);
		systrace_release(o->st);
	}
	systrace_pause(o->st);
	while ((e = systrace_next(o->st)))
		count(o, e);
	systrace_release(o->st);
	systrace_stats(o->st, -1, &stats);
	good = trail_agrees(&o->stream, &stats, true) && !trail_lost(&stats) &&
	       !o->stream.gaps && !o->others;
	for (size_t k = 0; k < COUNT(calls); k++) {
		unsigned long n = o->mask & 1U << k ? o->callers * ROUNDS * (k + 1) : 0;

		good &= o->enters[k] == (o->record & SYSTRACE_RECORD_ENTER ? n : 0) &&
			o->returns[k] == (o->record & SYSTRACE_RECORD_RETURN ? n : 0);
	}
	systrace_close(o->st);
	trail_free(&o->stream);
	return good;
}

/* ------------------------------------------------------- those in trouble --- */

static struct raw on_all(__u32 full, const pid_t *pids)
{
	struct raw s = raw_begin(full, full == SYSTRACE_FULL_BLOCK ? SYSTRACE_NO_TIMEOUT : 0);

	for (int c = 0; c < CALLERS; c++)
		raw_attach(&s, pids[c]);
	return s;
}

static pid_t reader_to_kill(const pid_t *pids)
{
	pid_t pid = tap_fork();
	struct raw s;

	if (pid) {
		while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
			usleep(1000);
		shared->ready = 0;
		return pid;
	}
	s = on_all(SYSTRACE_FULL_BLOCK, pids);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	while (!raw_waiters(&s))
		usleep(1000);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

static void test_many(void)
{
	static struct one many[SESSIONS];
	struct raw slow, unmapped, paused, closed, dropping;
	int status, bad = 0, left = CALLERS;
	pid_t pids[CALLERS], reader;
	unsigned good = 0;

	for (int c = 0; c < CALLERS; c++)
		pids[c] = caller(false);
	for (unsigned i = 0; i < SESSIONS; i++)
		many[i] = begin(i, pids);
	slow = on_all(SYSTRACE_FULL_BLOCK, pids);
	unmapped = on_all(SYSTRACE_FULL_BLOCK, pids);
	paused = on_all(SYSTRACE_FULL_OVERWRITE, pids);
	closed = on_all(SYSTRACE_FULL_BLOCK, pids);
	dropping = on_all(SYSTRACE_FULL_DROP, pids);
	reader = reader_to_kill(pids);
	for (int c = 0; c < CALLERS; c++)
		kill(pids[c], SIGCONT);
	while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE)) {
		raw_drain(&slow);
		raw_drain(&unmapped);
		raw_drain(&closed);
		usleep(1000);
	}
	tap_reap(reader);
	munmap(unmapped.control, unmapped.setup.control_size);
	raw_op(&paused, SYSTRACE_IOC_PAUSE);
	raw_end(&closed);
	while (left) {
		if (raw_waiters(&slow))
			raw_drain(&slow);
		usleep(2000);
		if (waitpid(-1, &status, WNOHANG) > 0) {
			bad |= status;
			left--;
		}
	}
	tap_ok(!bad, "callers finish with right results");
	for (unsigned i = 0; i < SESSIONS; i++)
		good += end(&many[i]);
	tap_ok(good == SESSIONS, "%d sessions have what they asked for, %u do not", SESSIONS,
	       SESSIONS - good);
	raw_drain(&slow);
	tap_note("it had %llu wait", (unsigned long long)raw_stats(&slow).blocked);
	tap_ok(raw_stats(&slow).blocked > 0 && raw_stats(&slow).lost[SYSTRACE_LOST_FULL] == 0 &&
	       raw_stats(&slow).made == raw_stats(&slow).delivered,
	       "so has one that was slow and had callers wait");
	tap_ok(raw_stats(&dropping).lost[SYSTRACE_LOST_FULL] > 0, "one was full and lost events");
	close(slow.fd);
	close(unmapped.fd);
	close(paused.fd);
	close(dropping.fd);
}

/* One task floods its session, and another's loses nothing. */
static void test_flood(void)
{
	struct raw flooded = raw_begin(SYSTRACE_FULL_DROP, 0);
	pid_t flooder = caller(true), pids[CALLERS];
	struct one quiet;
	int status;

	raw_attach(&flooded, flooder);
	for (int c = 0; c < CALLERS; c++)
		pids[c] = caller(false);
	quiet = begin(CALLERS, pids);
	kill(flooder, SIGCONT);
	while (raw_stats(&flooded).lost[SYSTRACE_LOST_FULL] < 10000)
		usleep(1000);
	for (int c = 0; c < CALLERS; c++)
		kill(pids[c], SIGCONT);
	for (int c = 0; c < CALLERS; c++)
		waitpid(pids[c], &status, 0);
	tap_ok(end(&quiet), "a flood in one session takes nothing from another");
	shared->stop = 1;
	waitpid(flooder, &status, 0);
	raw_drain(&flooded);
	tap_ok(status == 0 && raw_stats(&flooded).made ==
			      raw_stats(&flooded).lost[SYSTRACE_LOST_FULL] + raw_stats(&flooded).delivered,
	       "who floods finishes, and its account is exact");
	raw_end(&flooded);
}

int main(void)
{
	alarm(PATIENCE);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	test_many();
	test_flood();
	return tap_end();
}
