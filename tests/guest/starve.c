// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A child that cannot be followed for lack of memory is told, by its number or, where
 * the ring is full, by a count. Memory lacks when a task forks so many at once that
 * nobody can get any ready meanwhile: it is a real-time task, on the only CPU.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>

#include "tap.h"

#define CHILDREN	300
#define TIDS		(1 << 16)
#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"

/* ------------------------------------------------------------------- forker --- */

static pid_t *children;		/* in memory that it shares with us */

struct forker {
	pid_t pid;
	int go, done;
};

static void fork_all(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		children[i] = pid;
	}
	while (wait(NULL) > 0)
		;
}

/* Each number in makes so many children, that run after the last of them is made. */
static struct forker begin_forker(void)
{
	struct sched_param param = { .sched_priority = 10 };
	struct forker f;
	int in[2], out[2], n;

	if (pipe(in) || pipe(out))
		tap_bail("pipe");
	f = (struct forker){ .go = in[1], .done = out[0], .pid = tap_fork() };
	if (f.pid)
		return f;
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		tap_bail("SCHED_FIFO");
	while (read(in[0], &n, sizeof(n)) == sizeof(n) && n) {
		fork_all(n);
		if (write(out[1], "", 1) != 1)
			break;
	}
	_exit(0);
}

static void ask(struct forker f, int n)
{
	char c;

	if (write(f.go, &n, sizeof(n)) != sizeof(n) || (n && read(f.done, &c, 1) != 1))
		tap_bail("forker");
}

/* ------------------------------------------------------------------ reading --- */

static struct seen {
	unsigned long events, lost, uncovered;	/* the latter two by LOST's counts */
	unsigned forks, named;			/* children, with a FORK or by a LOST */
	bool forked[TIDS], lacked[TIDS], spoke[TIDS];
} *seen;

static void take_lost(const struct systrace_lost *lost)
{
	seen->lost += lost->count;
	if (lost->cause != SYSTRACE_LOST_CHILD)
		return;
	seen->uncovered += lost->count;
	if (lost->event.tid && lost->count == 1) {
		seen->named++;
		seen->lacked[lost->event.tid % TIDS] = true;
	}
}

static void read_all(struct systrace *st)
{
	const struct systrace_event *e;

	while ((e = systrace_next(st))) {
		if (e->type == SYSTRACE_LOST) {
			take_lost((const void *)e);
			continue;
		}
		seen->events++;
		seen->spoke[e->tid % TIDS] = true;
		if (e->type == SYSTRACE_FORK) {
			seen->forks++;
			seen->forked[((const struct systrace_fork *)(const void *)e)->child % TIDS] = true;
		}
	}
	systrace_release(st);
}

static struct systrace *begin(struct forker *f, __u32 full, __u64 ring_bytes)
{
	struct systrace *st = tap_session((struct systrace_options){ .full = full,
								     .ring_bytes = ring_bytes });

	memset(seen, 0, sizeof(*seen));
	*f = begin_forker();
	if (systrace_attach(st, f->pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	return st;
}

static struct systrace_stats stats(struct systrace *st)
{
	struct systrace_stats s;

	if (systrace_stats(st, -1, &s))
		tap_bail("STATS");
	return s;
}

/* -------------------------------------------------------------------- tests --- */

/* Each child has its FORK and speaks, or has a LOST in its place and is silent. */
static bool each_told(int n)
{
	int good = 0;

	for (int i = 0; i < n; i++) {
		int tid = children[i] % TIDS;

		good += seen->forked[tid] != seen->lacked[tid] &&
			seen->forked[tid] == seen->spoke[tid];
	}
	return good == n;
}

/* Memory comes back while the forker sleeps; when, is the machine's affair. */
static void test_recovers(struct systrace *st, struct forker f)
{
	unsigned forks = seen->forks, named;

	for (int i = 0; i < 10000 && seen->forks == forks; i++) {
		ask(f, 1);
		read_all(st);
	}
	named = seen->named;
	ask(f, 10);
	read_all(st);
	tap_ok(seen->forks == forks + 11 && seen->named == named && each_told(10),
	       "once there is memory again, children are followed again");
}

static void balance(struct systrace *st, const char *what)
{
	struct systrace_stats s;
	unsigned long lost = 0;

	while (systrace_wait(st, -1) == 1)
		read_all(st);
	s = stats(st);
	for (int i = 0; i < SYSTRACE_LOST_CAUSES; i++)
		lost += s.lost[i];
	if (!tap_ok(s.made == seen->events + seen->lost && lost == seen->lost &&
		    s.uncovered == seen->uncovered && s.lost[SYSTRACE_LOST_CHILD] == s.uncovered,
		    "%s: the account is exact", what))
		tap_note("%llu made, %lu read, %lu told of %lu lost, %lu told of %u uncovered",
			 (unsigned long long)s.made, seen->events, seen->lost, lost,
			 seen->uncovered, s.uncovered);
}

static void test_told(void)
{
	struct forker f;
	struct systrace *st = begin(&f, SYSTRACE_FULL_DROP, 1 << 20);

	ask(f, CHILDREN);
	read_all(st);
	tap_ok(seen->forks && seen->named && seen->forks + seen->named == CHILDREN,
	       "of %d children, some are not followed, and each of these is told", CHILDREN);
	tap_note("%u followed, %u not", seen->forks, seen->named);
	tap_ok(each_told(CHILDREN), "by its number, and nothing else is told of it");
	tap_ok(stats(st).uncovered == seen->named, "STATS counts them");
	test_recovers(st, f);
	ask(f, 0);
	waitpid(f.pid, NULL, 0);
	balance(st, "a large ring");
	systrace_close(st);
}

static void test_full(__u32 full, const char *what)
{
	struct forker f;
	struct systrace *st = begin(&f, full, 4096);

	ask(f, CHILDREN);
	tap_ok(stats(st).uncovered > 0, "%s: some are not followed", what);
	ask(f, 0);
	waitpid(f.pid, NULL, 0);
	balance(st, what);
	systrace_close(st);
}

/* What a record told that gave way is told anew: at the latest at the end. */
static void test_overwritten(void)
{
	struct forker f;
	struct systrace *st = begin(&f, SYSTRACE_FULL_OVERWRITE, 4096);
	struct systrace_stats s;

	ask(f, CHILDREN);
	ask(f, 10);
	ask(f, 0);
	waitpid(f.pid, NULL, 0);
	while (systrace_wait(st, -1) == 1)
		read_all(st);
	if (systrace_pause(st))
		tap_bail("PAUSE");
	read_all(st);
	s = stats(st);
	tap_ok(s.uncovered > 0 && s.lost[SYSTRACE_LOST_CHILD] == s.uncovered &&
	       seen->uncovered == s.uncovered, "a recorder tells of all that are not followed");
	if (!tap_ok(s.made == seen->events + seen->lost, "a recorder: the account is exact"))
		tap_note("%llu made, %lu read, %lu told of lost",
			 (unsigned long long)s.made, seen->events, seen->lost);
	tap_note("%u not followed, told of %lu; %llu overwritten", s.uncovered, seen->uncovered,
		 (unsigned long long)s.lost[SYSTRACE_LOST_OVERWRITTEN]);
	systrace_close(st);
}

int main(void)
{
	children = mmap(NULL, CHILDREN * sizeof(*children), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	seen = malloc(sizeof(*seen));
	if (children == MAP_FAILED || !seen)
		tap_bail("memory");
	if (sysconf(_SC_NPROCESSORS_ONLN) != 1 || !tap_put(RT_RUNTIME, "-1"))
		tap_bail("it needs one CPU, and real-time tasks to have all of it");
	test_told();
	test_full(SYSTRACE_FULL_DROP, "a full ring");
	test_overwritten();
	free(seen);
	return tap_end();
}
