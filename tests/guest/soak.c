// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * soak [SECONDS [SEED]]: everything at once, at random, for so long. Programs fork,
 * execute, make threads, signal, debug and kill one another; sessions in all policies
 * attach, detach, pause, read and end in every way; CPUs come and go, and the module's
 * parameter changes. Nothing hangs, each program comes to its right result, each stream
 * is dense and each account exact, and afterwards nothing is left.
 *
 * The seed it prints has it do the same again, as far as the machine's timing does.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <poll.h>

#include "memory.h"
#include "module.h"
#include "raw.h"
#include "soak.h"

#define PARAMETER "/sys/module/systrace/parameters/memlock_kib"
#define PID_MAX	"/proc/sys/kernel/pid_max"
#define USER	1000
#define WARM_UP	20		/* seconds: caches and tables grow */
#define SPARE	2048		/* KiB that free memory varies by */

/* ----------------------------------------------------------------- sessions --- */

/* Fair answers, where tasks come and go. */
static bool fair(int ret)
{
	return ret >= 0 || ret == -ESRCH || ret == -EEXIST || ret == -EINVAL;
}

struct watched {
	struct systrace *st;
	struct trail stream;
	struct systrace_options opts;
	bool attached, alone, paused, paused_once;
	pid_t child;		/* that it has spawned */
};

static struct systrace_stats stats_of(const struct watched *w)
{
	struct systrace_stats stats;

	if (systrace_stats(w->st, -1, &stats))
		tap_bail("STATS");
	return stats;
}

/* A number near that of a worker's child is one, often enough; or gone, or nobody's. */
static pid_t any_task(void)
{
	return (pid_t)(300 + soak_any(700));
}

static void do_attach(struct watched *w)
{
	bool tree = soak_any(4);
	int ret;

	soak_doing("ATTACH");
	ret = systrace_attach(w->st, soak_any(3) ? soak_worker() : any_task(),
			      tree ? SYSTRACE_ATTACH_TREE : SYSTRACE_ATTACH_TASK);
	w->attached |= ret > 0;
	w->alone |= !tree;
	soak_must(fair(ret), "ATTACH: %s", tap_error(-ret));
}

static void do_detach(struct watched *w)
{
	soak_doing("DETACH");
	if (soak_any(2)) {
		int ret = systrace_detach(w->st, soak_worker(), soak_any(2) ? SYSTRACE_DETACH_TREE :
								       SYSTRACE_DETACH_TASK);
		soak_must(fair(ret), "DETACH: %s", tap_error(-ret));
		return;
	}
	if (soak_must(systrace_detach(w->st, 0, SYSTRACE_DETACH_ALL) >= 0, "DETACH of all"))
		soak_must(stats_of(w).attached == 0, "after DETACH of all none is attached: %u are",
			  stats_of(w).attached);
}

static void do_read(struct watched *w)
{
	const struct systrace_event *e;
	unsigned n = soak_any(2000);

	soak_doing("read");
	while (n-- && (e = systrace_next(w->st)))
		trail_look(&w->stream, e);
	systrace_release(w->st);
}

static void do_wait(struct watched *w)
{
	int ret;

	soak_doing("wait");
	ret = systrace_wait(w->st, (int)soak_any(20));
	soak_must(ret >= 0 || ret == -ECHILD, "wait: %s", tap_error(-ret));
}

/* Paused, what was made can be read, and the account adds up. */
static void do_pause(struct watched *w)
{
	struct systrace_stats stats;

	soak_doing("PAUSE");
	if (systrace_pause(w->st))
		tap_bail("PAUSE");
	w->paused_once = true;
	soak_doing("read when paused");
	trail_drain(&w->stream, w->st);
	stats = stats_of(w);
	if (w->opts.full != SYSTRACE_FULL_OVERWRITE) {
		soak_must(trail_agrees(&w->stream, &stats, false), "the account adds up when paused");
		soak_must(stats.delivered == w->stream.events, "all is delivered: %llu of %llu",
			  (unsigned long long)stats.delivered, (unsigned long long)w->stream.events);
	} else if (trail_lost(&stats) == stats.lost[SYSTRACE_LOST_OVERWRITTEN]) {
		soak_must(w->stream.events + w->stream.lost == stats.made &&
			  w->stream.seq == stats.seq, "a recorder's account adds up when paused");
	}
	atomic_fetch_add(&soak->pauses, 1);
	if (soak_any(3) == 0)
		do_attach(w);
	if (soak_any(3) == 0)
		do_detach(w);
	trail_forget(&w->stream);
	soak_doing("RESUME");
	if (systrace_resume(w->st))
		tap_bail("RESUME");
}

static void do_policy(struct watched *w)
{
	struct systrace_rule rules[8];
	unsigned n = soak_any(COUNT(rules) + 1);

	soak_doing("POLICY");
	for (unsigned i = 0; i < n; i++) {
		rules[i] = (struct systrace_rule){
			.abi = (__u8)(1 + soak_any(7)), .record = (__u8)soak_any(4), .nargs = (__u8)soak_any(7),
			.first = (int)soak_any(200) - 1,
		};
		rules[i].last = rules[i].first + (int)soak_any(300);
	}
	if (systrace_policy(w->st, rules, n))
		tap_bail("POLICY");
}

static void do_stats(struct watched *w)
{
	struct systrace_stats stats;

	soak_doing("STATS");
	stats = stats_of(w);
	soak_must(stats.made >= stats.delivered, "no more is delivered than made");
}

static void do_spawn(struct watched *w)
{
	char text[16], *argv[] = { "work", "steps", text, NULL };
	int ret;

	if (w->child)
		return;
	soak_doing("spawn");
	snprintf(text, sizeof(text), "%u", soak_any(100000));
	ret = systrace_spawn(w->st, &w->child, "/proc/self/exe", argv, NULL);
	w->attached |= ret == 0;
	if (ret == -EEXIST)	/* the session follows us, by any_task: then the child, too */
		w->child = 0;
	soak_must(ret == 0 || ret == -EEXIST, "spawn: %s", tap_error(-ret));
}

static void do_nap(struct watched *w)
{
	(void)w;
	soak_doing("nap");
	usleep(soak_any(20000));
}

static struct systrace_options any_options(void)
{
	struct systrace_options opts = { .ring_bytes = 4096UL << soak_any(8), .full = soak_any(3) };

	if (opts.full == SYSTRACE_FULL_BLOCK)
		opts.timeout_ms = soak_any(2) ? SYSTRACE_NO_TIMEOUT : 1 + soak_any(300);
	if (soak_any(3) == 0) {
		opts.watermark = 1 + soak_any((unsigned)opts.ring_bytes / 2);
		opts.latency_us = 50 + soak_any(20000);
	}
	if (soak_any(3) == 0)
		opts.events = (1 + soak_any(511)) << SYSTRACE_ENTER;
	opts.older = opts.full == SYSTRACE_FULL_OVERWRITE && soak_any(2);
	return opts;
}

/* What the stream has shown, when nothing was lost and all was asked for. */
static void check_rules(const struct watched *w, const struct systrace_stats *stats)
{
	const struct trail *s = &w->stream;

	soak_must(!s->gaps, "a stream is dense: %llu gaps", (unsigned long long)s->gaps);
	atomic_fetch_add(&soak->events, s->events);
	if (w->opts.events || trail_lost(stats)) {
		atomic_fetch_add(&soak->lossy, 1);
		return;
	}
	soak_must(!s->silent, "who has not begun, or has ended, is silent: %lu are not", s->silent);
	soak_must(w->alone || !s->twice, "a task begins once: %lu do not", s->twice);
	soak_must(w->alone || w->paused_once || s->begun == s->ended,
		  "a task ends once: %lu begun, %lu ended", s->begun, s->ended);
	atomic_fetch_add(&soak->strict, 1);
}

static void end_watched(struct watched *w)
{
	struct systrace_stats stats;
	int ret = 0, status;

	soak_doing("the last DETACH");
	if (systrace_detach(w->st, 0, SYSTRACE_DETACH_ALL) < 0)
		tap_bail("DETACH");
	soak_doing("read to the end");
	while (w->attached && (ret = systrace_wait(w->st, -1)) == 1)
		trail_drain(&w->stream, w->st);
	soak_must(!w->attached || ret == -ECHILD, "the end is told: %s", tap_error(-ret));
	if (w->opts.full == SYSTRACE_FULL_OVERWRITE)
		systrace_pause(w->st);
	trail_drain(&w->stream, w->st);
	stats = stats_of(w);
	if (w->attached && w->opts.full != SYSTRACE_FULL_OVERWRITE)
		soak_must(trail_agrees(&w->stream, &stats, true), "the account adds up");
	check_rules(w, &stats);
	soak_doing("close");
	systrace_close(w->st);
	soak_doing("wait for what it has spawned");
	if (w->child)
		soak_must(waitpid(w->child, &status, 0) == w->child && status == 0,
			  "what it has spawned comes to its right result: %x", status);
}

static void be_session(void)
{
	static void (*const ops[])(struct watched *) = {
		do_attach, do_attach, do_detach, do_read, do_read, do_read, do_wait, do_wait,
		do_pause, do_policy, do_stats, do_spawn, do_nap,
	};
	struct watched w = { .opts = any_options() };
	unsigned n = 5 + soak_any(60);

	soak_doing("open");
	w.st = tap_session(w.opts);
	w.stream = trail_new();
	do_attach(&w);
	while (n-- && !atomic_load(&soak->stop_sessions))
		ops[soak_any(COUNT(ops))](&w);
	end_watched(&w);
}

/* A user's, who may not have the memory. */
static void be_user(void)
{
	struct watched w = { .opts = any_options() };
	int ret;

	if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		tap_bail("cannot become user %d", USER);
	prctl(PR_SET_DUMPABLE, 1);
	w.opts.size = sizeof(w.opts);
	if (w.opts.timeout_ms == SYSTRACE_NO_TIMEOUT)
		w.opts.timeout_ms = SYSTRACE_TIMEOUT_MAX;
	soak_doing("a user's open");
	ret = systrace_open(&w.st, &w.opts);
	if (ret == -ENOMEM)
		return;
	soak_must(ret == 0, "a user's open: %s", tap_error(-ret));
	w.stream = trail_new();
	do_spawn(&w);
	while (w.attached && systrace_wait(w.st, -1) == 1)
		do_read(&w);
	end_watched(&w);
	atomic_fetch_add(&soak->users, 1);
}

/* Programs begin, by the session's descriptor, while DETACH ends all. */
static void be_armed(void)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = SYSTRACE_ATTACH_EXEC };
	struct watched w = { .opts = { .ring_bytes = 65536 } };
	char *argv[] = { "work", "none", "7", NULL };
	pid_t pid;

	soak_doing("armed programs");
	w.st = tap_session(w.opts);
	for (int i = 0; i < 20 && !atomic_load(&soak->stop_sessions); i++) {
		pid = fork();
		if (pid == 0) {
			if (ioctl(systrace_fd(w.st), SYSTRACE_IOC_ATTACH, &args))
				_exit(1);
			execv("/proc/self/exe", argv);
			_exit(1);
		}
		while (!systrace_attached(w.st) && waitpid(pid, NULL, WNOHANG) == 0)
			;
		for (unsigned n = soak_any(20000); n; n--)
			native_relax();
		if (systrace_detach(w.st, 0, SYSTRACE_DETACH_ALL) < 0)
			tap_bail("DETACH");
		soak_must(stats_of(&w).attached == 0, "a program that begins is detached");
		waitpid(pid, NULL, 0);
		soak_doing("armed programs");
	}
	systrace_close(w.st);
	atomic_fetch_add(&soak->armed, 1);
}

/* Without the library: half-mapped, lying, left behind. */
static void be_raw(void)
{
	struct raw s = raw_begin(soak_any(3), 0);
	struct pollfd pfd = { .fd = s.fd, .events = POLLIN };
	unsigned n = 5 + soak_any(40);

	soak_doing("raw");
	raw_attach(&s, soak_worker());
	while (n-- && !atomic_load(&soak->stop_sessions)) {
		soak_doing("raw");
		switch (soak_any(8)) {
		case 0:
			munmap(s.control, s.setup.control_size);
			usleep(soak_any(3000));
			raw_map_control(&s);
			break;
		case 1:
			mremap(s.control, s.setup.control_size, s.setup.control_size,
			       MREMAP_MAYMOVE | MREMAP_FIXED, (char *)s.control + (1UL << 40));
			break;
		case 2:
			*raw_tail(&s, soak_any(s.header->nr_rings)) = soak_any(1 << 20);
			break;
		case 3:
			raw_op(&s, soak_any(2) ? SYSTRACE_IOC_PAUSE : SYSTRACE_IOC_RESUME);
			break;
		case 4:
			poll(&pfd, 1, (int)soak_any(10));
			break;
		case 5:
			raw_stats(&s);
			break;
		default:
			raw_drain(&s);
			usleep(soak_any(3000));
		}
	}
	atomic_fetch_add(&soak->raws, 1);
	if (soak_any(2))
		close(s.fd);	/* its mappings hold it until we end */
	usleep(soak_any(5000));
}

static void be_someone(void)
{
	static void (*const kinds[])(void) = {
		be_session, be_session, be_session, be_user, be_armed, be_raw,
	};

	kinds[soak_any(COUNT(kinds))]();
	_exit(0);
}

/* One after another; every fourth is killed in the middle. */
static void begin_sessions(void)
{
	for (unsigned long round = 0; !atomic_load(&soak->stop_sessions); round++) {
		bool killed = soak_any(4) == 0;
		int status;
		pid_t pid;

		soak_me->seed = (unsigned long)soak_any(1U << 30);
		pid = tap_fork();
		if (pid == 0) {
			soak_rng = work_seed(soak_me->seed);
			be_someone();
		}
		if (killed) {
			usleep(soak_any(200000));
			kill(pid, SIGKILL);
		}
		waitpid(pid, &status, 0);
		soak_must(status == 0 || (killed && status == SIGKILL),
			  "a reader ends as it should: %x", status);
		atomic_fetch_add(killed ? &soak->kills : &soak->rounds, 1);
	}
	_exit(0);
}

/* ------------------------------------------------------------------- others --- */

static void change_parameter(void)
{
	static const char *const values[] = { "0", "64", "1024", "65536" };

	while (!atomic_load(&soak->stop)) {
		soak_doing("the parameter");
		soak_must(tap_put(PARAMETER, values[soak_any(COUNT(values))]), "the parameter changes");
		usleep(soak_any(100000));
	}
	tap_put(PARAMETER, "65536");
	_exit(0);
}

/* ------------------------------------------------------------------ the whole --- */

static void begin_actors(void)
{
	soak_begin_workers();
	soak_begin_others("a session", begin_sessions, "the parameter", change_parameter);
}

static bool run(unsigned seconds)
{
	time_t begun = time(NULL), stopped, ended;
	bool good;

	begin_actors();
	while (time(NULL) - begun < (time_t)seconds && !atomic_load(&soak->wrong)) {
		soak_watch();
		usleep(100000);
	}
	stopped = time(NULL);
	good = soak_end_actors();
	ended = time(NULL);
	soak_await_nobody();
	tap_note("%ld s; all had ended after %ld s more, and what they left after %ld",
		 stopped - begun, ended - stopped, time(NULL) - ended);
	return good;
}

static void report(void)
{
	tap_note("%lu sessions and %lu killed: %lu strict, %lu not, %lu users', %lu raw, %lu armed",
		 soak->rounds, soak->kills, soak->strict, soak->lossy, soak->users, soak->raws,
		 soak->armed);
	tap_note("%lu events, %lu pauses; %lu steps of programs, %lu stops, %lu CPUs changed",
		 soak->events, soak->pauses, soak->steps, soak->flips, soak->hotplugs);
}

static void test(unsigned seconds)
{
	struct memory before, after;
	bool good;

	good = run(WARM_UP);
	before = memory_measure();
	good = good && run(seconds);
	after = memory_measure();
	report();
	tap_ok(good, "all actors have come to their end");
	tap_ok(!soak->wrong, "what was seen is right, %lu times not", soak->wrong);
	tap_ok(soak->strict && soak->lossy && soak->pauses && soak->steps, "and much was seen");
	tap_ok(memory_processes() <= 2, "no task is left");
	for (int i = 0; i < 1000 && module_references(); i++)
		usleep(10000);
	tap_ok(module_references() == 0, "no session is left");
	memory_compare(before, after, SPARE, "after all that");
	tap_ok(module_unload() == 0 && module_load() == 0, "it can be unloaded and loaded");
}

int main(int argc, char **argv)
{
	unsigned seconds;

	work_main(argc, argv);
	seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 120;
	soak_seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned long)time(NULL) % 100000;
	if (seconds < 1)
		tap_bail("usage: soak [SECONDS [SEED]]");
	soak = mmap(NULL, sizeof(*soak), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (soak == MAP_FAILED)
		tap_bail("mmap");
	tap_note("%u s, seed %lu", seconds, soak_seed);
	chmod(SYSTRACE_DEVICE, 0666);
	tap_put(PID_MAX, "1000");	/* so that numbers are used again soon */
	test(seconds);
	return tap_end();
}
