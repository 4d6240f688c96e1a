// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CPUs that go and come while tasks are traced: nothing is lost but what a policy
 * loses, and that is told; a CPU that comes after SETUP has a ring that its reader
 * mapped before, or counts what it has no ring for. How often can be said:
 * hotplug [ROUNDS].
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <poll.h>
#include <sys/resource.h>

#include "flood.h"
#include "raw.h"

#define FLOODS	4
#define CALLS	200		/* fit into a ring */
#define TIDS	(1 << 16)
#define MEMLOCK	"/sys/module/systrace/parameters/memlock_kib"

static const char *const names[] = { "drop", "overwrite", "block" };

static int last;		/* CPU */

/* -------------------------------------------------------------------- CPUs --- */

static bool put_online(int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return tap_has(path, online ? "1" : "0") || tap_put(path, online ? "1" : "0");
}

static void set_online(int cpu, bool online)
{
	if (!put_online(cpu, online))
		tap_bail("CPU %d %s", cpu, online ? "online" : "offline");
}

static void all_online(void)
{
	for (int cpu = 1; cpu <= last; cpu++)
		set_online(cpu, true);
}

/* A child that has all but the first go and come. */
static pid_t begin_toggle(int rounds)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	for (int i = 0; i < rounds; i++) {
		for (int cpu = 1; cpu <= last; cpu++)
			set_online(cpu, false);
		all_online();
	}
	_exit(0);
}

static bool toggles(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, WNOHANG) == 0)
		return true;
	if (status)
		tap_bail("toggle: status 0x%x", (unsigned)status);
	return false;
}

/* ----------------------------------------------------------------- sessions --- */

struct account {
	__u64 enters, returns, lost, no_ring, seq;
	bool dense, in_order;
	bool inside[TIDS];	/* of a call */
};

static struct account *a;

static void count(const struct systrace_event *e)
{
	const struct systrace_lost *lost = (const void *)e;
	bool entered = e->type == SYSTRACE_ENTER;

	a->dense &= e->seq == a->seq + 1;
	a->seq = e->seq;
	if (e->type == SYSTRACE_LOST) {
		a->dense |= lost->cause == SYSTRACE_LOST_OVERWRITTEN;
		a->lost += lost->count;
		if (lost->cause == SYSTRACE_LOST_NO_RING && (int)lost->cpu == last)
			a->no_ring += lost->count;
		return;
	}
	a->enters += entered;
	a->returns += e->type == SYSTRACE_RETURN;
	a->in_order &= a->inside[e->tid % TIDS] != entered;
	a->inside[e->tid % TIDS] = entered;
}

static void drain(struct systrace *st)
{
	const struct systrace_event *e;

	while ((e = systrace_next(st)))
		count(e);
	systrace_release(st);
}

static void read_to_end(struct systrace *st)
{
	while (systrace_wait(st, -1) == 1)
		drain(st);
}

/* Of getppid alone, so that what is made is known */
static struct systrace *session(__u32 full, __u64 ring_bytes)
{
	static const struct systrace_rule rule = {
		.abi = SYSTRACE_ABI_NATIVE,
		.record = SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
		.first = SYS_getppid, .last = SYS_getppid,
	};
	struct systrace *st = tap_session((struct systrace_options){
		.ring_bytes = ring_bytes, .full = full,
		.timeout_ms = full == SYSTRACE_FULL_BLOCK ? SYSTRACE_NO_TIMEOUT : 0,
		.events = 1 << SYSTRACE_ENTER | 1 << SYSTRACE_RETURN,
	});

	if (systrace_policy(st, &rule, 1))
		tap_bail("policy");
	*a = (struct account){ .dense = true, .in_order = true };
	return st;
}

static struct flood begin_traced(struct systrace *st)
{
	struct flood f = begin_flood(-1);

	if (systrace_attach(st, f.pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	return f;
}

static struct systrace_stats stats(struct systrace *st, int cpu)
{
	struct systrace_stats s;

	if (systrace_stats(st, cpu, &s))
		tap_bail("STATS");
	return s;
}

/* All calls were made into events, and all of these were read or told. */
static void balance(struct systrace *st, __u64 calls, bool whole, const char *what)
{
	struct systrace_stats s = stats(st, -1);
	bool good = s.made == 2 * calls && a->enters + a->returns + a->lost == 2 * calls && a->dense;

	if (whole)
		good &= a->enters == calls && a->returns == calls && a->in_order;
	if (!tap_ok(good, "%s: %s", what, whole ? "each call is there, in order" :
						  "each call is there or told as lost"))
		tap_note("%llu calls, %llu made, %llu + %llu read, %llu lost%s%s",
			 (unsigned long long)calls, (unsigned long long)s.made,
			 (unsigned long long)a->enters, (unsigned long long)a->returns,
			 (unsigned long long)a->lost, a->dense ? "" : ", gaps",
			 a->in_order ? "" : ", not in order");
}

/* ------------------------------------------------------------------- storms --- */

/* Let all make their calls, reading meanwhile if somebody waits for that. */
static void let_call(struct systrace *st, struct flood *f, bool reads)
{
	for (int i = 0; i < FLOODS; i++)
		start(f[i], CALLS);
	for (int i = 0; i < FLOODS; i++) {
		while (reads && poll(&(struct pollfd){ f[i].done, POLLIN, 0 }, 1, 1) == 0)
			drain(st);
		await(f[i]);
	}
}

static void test_storm(__u32 full, int rounds)
{
	struct systrace *st = session(full, RING);
	bool reads = full == SYSTRACE_FULL_BLOCK;
	struct flood f[FLOODS];
	__u64 calls = 0;
	char what[64];
	pid_t pid;

	for (int i = 0; i < FLOODS; i++)
		f[i] = begin_traced(st);
	pid = begin_toggle(rounds);
	do {
		let_call(st, f, reads);
		calls += FLOODS * CALLS;
	} while (toggles(pid));
	for (int i = 0; i < FLOODS; i++)
		end_flood(f[i]);
	read_to_end(st);
	snprintf(what, sizeof(what), "%s, while CPUs go and come %d times", names[full], rounds);
	balance(st, calls, reads, what);
	systrace_close(st);
}

/* Sessions come and go at the same time as CPUs. */
static void test_churn(int rounds)
{
	struct systrace *kept = session(SYSTRACE_FULL_DROP, RING), *st;
	struct flood keeper = begin_traced(kept);
	pid_t pid = begin_toggle(rounds);
	__u64 good = 0, n = 0;

	do {
		st = session(n % 3, RING);
		struct flood f = begin_traced(st);

		start(f, 10);
		await(f);
		end_flood(f);
		read_to_end(st);
		good += a->enters == 10 && a->returns == 10 && a->in_order;
		systrace_close(st);
		n++;
	} while (toggles(pid));
	tap_ok(good == n, "sessions begin and end while CPUs go and come");
	end_flood(keeper);
	systrace_close(kept);
}

/* -------------------------------------------------- a CPU that comes later --- */

static void call_on_last(struct systrace *st, struct flood f)
{
	flood_pin(f.pid, last);
	start(f, CALLS);
	while (poll(&(struct pollfd){ f.done, POLLIN, 0 }, 1, 1) == 0)
		drain(st);
	await(f);
}

static void test_late(__u32 full)
{
	struct systrace *st;
	struct flood f;
	char what[64];

	set_online(last, false);
	st = session(full, RING);
	f = begin_traced(st);
	set_online(last, true);
	call_on_last(st, f);
	end_flood(f);
	read_to_end(st);
	snprintf(what, sizeof(what), "%s, a CPU that came after SETUP", names[full]);
	balance(st, CALLS, true, what);
	tap_ok(stats(st, last).made == 2 * CALLS, "and all was on that CPU");
	systrace_close(st);
}

/* Who brings a CPU up without the right to lock memory has none for its ring. */
static void online_without_memory(int cpu)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	pid_t pid = tap_fork();
	int status;

	if (pid == 0) {
		syscall(SYS_capget, &header, caps);
		caps[0].effective &= ~(1U << CAP_IPC_LOCK);
		if (syscall(SYS_capset, &header, caps) ||
		    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 }))
			tap_bail("capset");
		_exit(!put_online(cpu, true));
	}
	if (waitpid(pid, &status, 0) != pid || status)
		tap_bail("CPU %d online", cpu);
}

static void test_no_ring(__u32 full)
{
	struct systrace *st;
	struct flood f;
	char what[64];

	set_online(last, false);
	st = session(full, RING);
	f = begin_traced(st);
	if (!tap_put(MEMLOCK, "0"))
		tap_bail(MEMLOCK);
	online_without_memory(last);
	flood_pin(f.pid, last);
	start(f, CALLS);
	await(f);
	tap_ok(stats(st, last).lost[SYSTRACE_LOST_NO_RING] == 2 * CALLS,
	       "%s, a CPU for whose ring there is no memory counts what is lost", names[full]);
	while (a->no_ring < 2 * CALLS && systrace_wait(st, -1) == 1)
		drain(st);
	tap_ok(a->no_ring == 2 * CALLS && a->lost == a->no_ring, "and that is told");
	tap_put(MEMLOCK, "65536");
	set_online(last, false);
	set_online(last, true);
	call_on_last(st, f);
	end_flood(f);
	read_to_end(st);
	tap_ok(a->enters == CALLS && a->returns == CALLS && a->lost == 2 * CALLS,
	       "when it comes again, there is memory, and nothing is lost");
	snprintf(what, sizeof(what), "%s, without and with a ring", names[full]);
	balance(st, 2 * CALLS, false, what);
	systrace_close(st);
}

/* ------------------------------------------------------------ a CPU that goes --- */

/* Losses of a CPU that is gone are told all the same. */
static void test_gone(void)
{
	struct systrace *st = session(SYSTRACE_FULL_DROP, 4096);
	struct flood f = begin_traced(st);
	__u64 lost;

	flood_pin(f.pid, last);
	start(f, CALLS);
	await(f);
	lost = stats(st, last).lost[SYSTRACE_LOST_FULL];
	tap_ok(lost > 0 && stats(st, last).made == 2 * CALLS, "a CPU's ring is full");
	set_online(last, false);
	tap_ok(stats(st, last).made == 2 * CALLS && stats(st, last).lost[SYSTRACE_LOST_FULL] == lost,
	       "it goes, and counts as before");
	while (a->lost < lost && systrace_wait(st, -1) == 1)
		drain(st);
	tap_ok(a->lost == lost, "what was lost on it is told");
	start(f, 10);
	await(f);
	end_flood(f);
	read_to_end(st);
	balance(st, CALLS + 10, false, "its task went on elsewhere");
	systrace_close(st);
	set_online(last, true);
}

/* Its ring has a task wait for room, that CPU or not. */
static void test_waiter(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_NO_TIMEOUT);
	struct flood f = begin_flood(last);
	struct systrace_stats stats;

	raw_attach(&s, f.pid);
	start(f, 20 * CALLS);
	raw_await_waiters(&s, 1);
	set_online(last, false);
	tap_ok(raw_waiters(&s) == 1 && raw_head(&s, (unsigned)last) > RING / 2,
	       "a task waits for the ring of a CPU that goes");
	raw_drain(&s);
	raw_await_waiters(&s, 1);
	set_online(last, true);
	tap_ok(raw_waiters(&s) == 1, "then for that of another, while it comes back");
	while (poll(&(struct pollfd){ f.done, POLLIN, 0 }, 1, 1) == 0)
		raw_drain(&s);
	await(f);
	raw_drain(&s);	/* so that it need not wait any more */
	end_flood(f);
	raw_drain(&s);
	stats = raw_stats(&s);
	if (!tap_ok(stats.lost[SYSTRACE_LOST_FULL] == 0 && stats.made == stats.delivered &&
		    stats.made >= 2 * 20 * CALLS, "nothing is lost"))
		tap_note("made %llu, delivered %llu, lost %llu", stats.made, stats.delivered,
			 stats.lost[SYSTRACE_LOST_FULL]);
	raw_end(&s);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 3;

	last = (int)sysconf(_SC_NPROCESSORS_CONF) - 1;
	a = malloc(sizeof(*a));
	if (rounds < 1 || last < 1 || !a)
		tap_bail("usage: hotplug [ROUNDS], with CPUs");
	for (__u32 full = 0; full < COUNT(names); full++)
		test_late(full);
	all_online();
	for (__u32 full = 0; full < COUNT(names); full++)
		test_no_ring(full);
	test_gone();
	test_waiter();
	for (__u32 full = 0; full < COUNT(names); full++)
		test_storm(full, rounds);
	test_churn(rounds);
	free(a);
	return tap_end();
}
