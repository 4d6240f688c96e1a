// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The flight recorder: a session that overwrites keeps the newest events, dense from
 * the highest seq overwritten on, and its account is exact whoever reads when.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "raw.h"

#define CALLERS	8
#define CALLS	3000

struct account {
	__u64 events, lost, gaps, seq;
	__u64 first;		/* seq of the first event */
	__u64 last_gap;		/* seq of the last gap's end */
	bool dense, valid;
};

static void count(struct account *a, const struct systrace_event *e)
{
	const struct systrace_lost *lost = (const void *)e;
	const struct systrace_enter *enter = (const void *)e;
	const struct systrace_return *ret = (const void *)e;

	if (e->type == SYSTRACE_LOST) {
		a->dense &= lost->cause == SYSTRACE_LOST_OVERWRITTEN &&
			    e->seq == a->seq + lost->count;
		a->lost += lost->count;
		a->gaps++;
		a->last_gap = a->seq = e->seq;
		return;
	}
	a->dense &= e->seq == a->seq + 1;
	a->seq = e->seq;
	if (!a->events++)
		a->first = e->seq;
	if (e->type == SYSTRACE_ENTER)
		a->valid &= e->size == offsetof(struct systrace_enter, args) + 8 * enter->nargs;
	else if (e->type == SYSTRACE_RETURN && ret->nr == SYS_getppid)
		a->valid &= e->size == sizeof(*ret) && ret->result == getpid();
	a->valid &= e->time && e->type >= SYSTRACE_ENTER && e->type <= SYSTRACE_DETACH;
}

static void drain(struct systrace *st, struct account *a)
{
	const struct systrace_event *e;

	while ((e = systrace_next(st)))
		count(a, e);
	systrace_release(st);
}

static struct systrace *session(bool older)
{
	return tap_session((struct systrace_options){ .ring_bytes = RING, .older = older,
						      .full = SYSTRACE_FULL_OVERWRITE });
}

static void begin_callers(struct systrace *st, pid_t *pids)
{
	for (int i = 0; i < CALLERS; i++) {
		pids[i] = tap_fork();
		if (pids[i] == 0) {
			raise(SIGSTOP);
			for (int n = 0; n < CALLS; n++)
				syscall(SYS_getppid);
			_exit(0);
		}
		waitpid(pids[i], NULL, WUNTRACED);
		if (systrace_attach(st, pids[i], SYSTRACE_ATTACH_TREE) != 1)
			tap_bail("attach");
	}
	for (int i = 0; i < CALLERS; i++)
		kill(pids[i], SIGCONT);
}

static void end_callers(pid_t *pids)
{
	int status, bad = 0;

	for (int i = 0; i < CALLERS; i++) {
		waitpid(pids[i], &status, 0);
		bad |= status;
	}
	if (bad)
		tap_ok(false, "a traced program came to harm");
}

/* A mapping of the header of our own: the library shows none. */
static const struct systrace_header *map_header(struct systrace *st)
{
	struct systrace_info info = { .size = sizeof(info) };
	size_t control;
	void *p;

	if (ioctl(systrace_fd(st), SYSTRACE_IOC_INFO, &info))
		tap_bail("INFO");
	control = (64 * (1 + info.nr_rings) + 4095) / 4096 * 4096;
	for (size_t rings = 1;; rings++) {	/* whole or not at all: find the size */
		p = mmap(NULL, rings * 4096, PROT_READ, MAP_SHARED, systrace_fd(st),
			 (off_t)control);
		if (p != MAP_FAILED)
			return p;
		if (rings > 1 << 20)
			tap_bail("mmap of data");
	}
}

static __u64 highest_overwritten(const struct systrace_header *h)
{
	__u64 highest = 0;

	for (unsigned cpu = 0; cpu < h->nr_rings; cpu++) {
		const struct systrace_ring *r = (const void *)
			((const char *)h + h->rings + cpu * h->rings_stride);

		if (r->overwritten > highest)
			highest = r->overwritten;
	}
	return highest;
}

static void exact(struct systrace *st, const struct account *a, const char *what)
{
	struct systrace_stats stats;

	systrace_stats(st, -1, &stats);
	if (!tap_ok(a->events + a->lost == stats.made && a->seq == stats.seq, "%s: exact", what))
		tap_note("%llu events, %llu lost, %llu made; at %llu of %llu",
			 (unsigned long long)a->events, (unsigned long long)a->lost,
			 (unsigned long long)stats.made, (unsigned long long)a->seq,
			 (unsigned long long)stats.seq);
	tap_ok(a->dense && a->valid, "%s: in order, and each event is what it was", what);
}

static void test_end(bool older)
{
	const char *what = older ? "with what is older" : "the snapshot";
	struct account a = { .dense = true, .valid = true };
	struct systrace *st = session(older);
	struct pollfd gone = { .fd = systrace_fd(st) };
	const struct systrace_header *header = map_header(st);
	pid_t pids[CALLERS];

	begin_callers(st, pids);
	tap_ok(poll(&gone, 1, -1) == 1 && gone.revents == POLLHUP,
	       "%s: POLLHUP when all have ended, though nothing is read", what);
	end_callers(pids);
	systrace_pause(st);
	drain(st, &a);
	exact(st, &a, what);
	tap_ok(a.last_gap == highest_overwritten(header) && a.last_gap > 0,
	       "%s: dense from the highest seq overwritten on", what);
	if (older)
		tap_ok(a.gaps > 1 && a.first < a.last_gap, "%s: each gap is marked", what);
	else
		tap_ok(a.gaps == 1 && a.first == a.last_gap + 1, "%s: and nothing before", what);
	tap_note("%llu events, %llu lost in %llu gaps", (unsigned long long)a.events,
		 (unsigned long long)a.lost, (unsigned long long)a.gaps);
	systrace_close(st);
}

/* What was read counts as delivered, also once it is overwritten; nothing else does. */
static void test_delivered(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_OVERWRITE, 0);
	struct systrace_stats before, now;
	pid_t pids[2];
	unsigned asked = 0, wrong = 0;

	for (int i = 0; i < 2; i++) {
		pids[i] = tap_fork();
		while (pids[i] == 0)
			syscall(SYS_getppid);
		raw_attach(&s, pids[i]);
	}
	while (raw_stats(&s).lost[SYSTRACE_LOST_OVERWRITTEN] < 2000)
		usleep(1000);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGSTOP);
		waitpid(pids[i], NULL, WUNTRACED);
	}
	before = raw_stats(&s);
	tap_ok(before.delivered == 0 && before.made > before.lost[SYSTRACE_LOST_OVERWRITTEN],
	       "nothing read, nothing delivered");
	raw_drain(&s);
	for (int i = 0; i < 2; i++)
		kill(pids[i], SIGCONT);
	do {
		now = raw_stats(&s);
		wrong += now.delivered !=
			 before.made - before.lost[SYSTRACE_LOST_OVERWRITTEN];
		asked++;
	} while (asked <= 10 || now.lost[SYSTRACE_LOST_OVERWRITTEN] <
		 before.lost[SYSTRACE_LOST_OVERWRITTEN] + 100000);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	if (!tap_ok(!wrong, "STATS tells what was delivered, at any time"))
		tap_note("%u of %u wrong: %llu events of %llu, at the end %llu delivered", wrong,
			 asked, (unsigned long long)before.made,
			 (unsigned long long)before.lost[SYSTRACE_LOST_OVERWRITTEN],
			 (unsigned long long)now.delivered);
	raw_end(&s);
}

/* The reader keeps up, or nearly, or not at all. */
static void test_live(bool older, unsigned nap)
{
	struct account a = { .dense = true, .valid = true };
	struct systrace *st = session(older);
	pid_t pids[CALLERS];
	char what[64];
	int ret;

	snprintf(what, sizeof(what), "live, a nap of %u us%s", nap, older ? ", older" : "");
	begin_callers(st, pids);
	while ((ret = systrace_wait(st, -1)) == 1) {
		drain(st, &a);
		usleep(nap);
	}
	end_callers(pids);
	tap_ok(ret == -ECHILD, "%s: the end is told", what);
	exact(st, &a, what);
	tap_note("%llu events, %llu lost in %llu gaps", (unsigned long long)a.events,
		 (unsigned long long)a.lost, (unsigned long long)a.gaps);
	systrace_close(st);
}

/* Paused, read in place, resumed: nothing is told twice or forgotten. */
static void test_pauses(void)
{
	struct account a = { .dense = true, .valid = true };
	struct systrace *st = session(false);
	const struct systrace_event *one, *two;
	pid_t pids[CALLERS];

	begin_callers(st, pids);
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		systrace_pause(st);
		one = systrace_next(st);
		if (one)
			count(&a, one);
		two = one ? systrace_next(st) : NULL;
		if (two) {
			if (i == 19)
				tap_ok(one->seq < two->seq, "what is read while paused stays");
			count(&a, two);
		}
		drain(st, &a);
		systrace_resume(st);
	}
	end_callers(pids);
	systrace_pause(st);
	drain(st, &a);
	tap_ok(a.dense && a.valid, "with pauses: in order, and each event is what it was");
	systrace_close(st);
}

int main(void)
{
	test_end(false);
	test_end(true);
	test_delivered();
	test_live(false, 0);
	test_live(true, 0);
	test_live(false, 20000);
	test_live(true, 20000);
	test_pauses();
	return tap_end();
}
