// SPDX-License-Identifier: GPL-2.0-or-later
/* What the library does beside reading one event after the other; and where there is no driver. */
#define _GNU_SOURCE
#include <pthread.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "module.h"
#include "trail.h"

#define CALLS	5000
#define BATCH	64

/* A child that calls so often, and is done when it has ended */
static pid_t caller(int calls)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	raise(SIGSTOP);
	for (int i = 0; i < calls; i++)
		syscall(SYS_getppid);
	_exit(0);
}

static struct systrace *traced(pid_t pid, uint32_t full, uint64_t ring_bytes)
{
	struct systrace *st = tap_session((struct systrace_options){ .full = full,
								     .ring_bytes = ring_bytes });

	tap_await_state(pid, 'T');
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	kill(pid, SIGCONT);
	return st;
}

/* ------------------------------------------------------------------ batches --- */

/* In batches of n, every third event by systrace_next; the most that came at once */
static unsigned drain(struct systrace *st, struct trail *trail, unsigned n)
{
	const struct systrace_event *events[BATCH], *e;
	unsigned got, most = 0;

	do {
		got = systrace_next_batch(st, events, n);
		for (unsigned i = 0; i < got; i++)
			trail_look(trail, events[i]);
		if (got > most)
			most = got;
		e = systrace_next(st);
		if (e)
			trail_look(trail, e);
	} while (e);
	systrace_release(st);
	return most;
}

static void test_batches(uint32_t full, unsigned n)
{
	pid_t pid = caller(CALLS);
	struct systrace *st = traced(pid, full, 1 << 20);
	struct trail trail = trail_new();
	struct systrace_stats stats;
	unsigned most = 0, got;

	while (systrace_wait(st, -1) == 1) {
		got = drain(st, &trail, n);
		if (got > most)
			most = got;
	}
	waitpid(pid, NULL, 0);
	drain(st, &trail, n);
	if (systrace_stats(st, -1, &stats))
		tap_bail("STATS");
	if (full == SYSTRACE_FULL_OVERWRITE)
		tap_ok(!trail.gaps && trail.events == stats.made && most == 1,
		       "overwriting: batches of %u have one each", n);
	else
		tap_ok(!trail.gaps && !trail.silent && trail_agrees(&trail, &stats, true) && most == n,
		       "batches of %u: all events in order", n);
	trail_free(&trail);
	systrace_close(st);
}

static void test_empty(void)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 4096 });
	const struct systrace_event *events[2] = { NULL };

	tap_ok(systrace_next_batch(st, events, 2) == 0 && systrace_next_batch(st, events, 0) == 0,
	       "of nothing there is no batch");
	systrace_close(st);
}

/* ---------------------------------------------------------------- snapshots --- */

static int look_at(void *arg, const struct systrace_event *e)
{
	trail_look(arg, e);
	return 0;
}

static int stop_at(void *arg, const struct systrace_event *e)
{
	(void)arg;
	(void)e;
	return 7;
}

/* A task calls all the time, faster than anybody reads. */
static void test_snapshots(void)
{
	pid_t pid = caller(INT_MAX);
	struct systrace *st = traced(pid, SYSTRACE_FULL_OVERWRITE, 1 << 16);
	struct trail trail = trail_new();
	struct systrace_stats stats = { 0 };
	bool good = true;
	__u64 before;

	for (int i = 0; i < 5; i++) {
		before = trail.seq;
		good &= systrace_wait(st, -1) == 1 && !systrace_stats(st, -1, &stats);
		good &= !systrace_snapshot(st, look_at, &trail) && trail.seq >= stats.seq && trail.seq > before;
	}
	tap_ok(good && !trail.gaps, "snapshots of what goes on: all that is left, in order, and what is not is told");
	good = systrace_wait(st, -1) == 1;
	tap_ok(good && systrace_snapshot(st, stop_at, NULL) == 7, "one that is broken off");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tap_ok(systrace_snapshot(st, look_at, &trail) == 0, "one after the end");
	tap_ok(systrace_snapshot(st, stop_at, NULL) == 0, "and then there is nothing");
	trail_free(&trail);
	systrace_close(st);
}

/* ------------------------------------------------------------ rings apart --- */

#define CALLERS	4

struct ring {
	struct systrace *st;
	pthread_t thread;
	unsigned number;
	unsigned char *had;	/* by seq */
	__u64 had_size;
	__u64 events, losses;
	bool rises;
	int result;
};

static void *read_ring(void *arg)
{
	struct ring *r = arg;
	const struct systrace_event *e;
	__u64 last = 0;

	r->rises = true;
	while ((r->result = systrace_ring_wait(r->st, r->number, 1, -1)) == 1) {
		while ((e = systrace_ring_next(r->st, r->number))) {
			r->rises &= e->seq > last;
			last = e->seq;
			r->events++;
			r->losses += e->type == SYSTRACE_LOST;
			if (e->seq < r->had_size)
				__atomic_fetch_add(&r->had[e->seq], 1, __ATOMIC_RELAXED);
		}
		systrace_ring_release(r->st, r->number);
	}
	return NULL;
}

/* They call on all CPUs; nobody begins before all are there. */
static pid_t callers(void)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	raise(SIGSTOP);
	for (int i = 0; i < CALLERS; i++)
		if (!tap_fork()) {
			for (int n = 0; n < CALLS; n++)
				syscall(SYS_getppid);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	_exit(0);
}

static void test_split(uint32_t full)
{
	struct systrace *st = tap_session((struct systrace_options){ .full = full, .ring_bytes = 1 << 16 });
	const int nr = systrace_split(st);
	static unsigned char had[1 << 18];
	struct ring rings[64] = { { 0 } };
	struct systrace_stats stats;
	__u64 events = 0, losses = 0, twice = 0, missing = 0;
	bool good = true;
	pid_t pid = callers();

	if (nr < 1 || nr > 64)
		tap_bail("%d rings", nr);
	memset(had, 0, sizeof(had));
	tap_await_state(pid, 'T');
	tap_ok(systrace_ring_wait(st, 0, (unsigned)nr, 20) == 0, "of no ring there is anything");
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	for (int i = 0; i < nr; i++) {
		rings[i] = (struct ring){ .st = st, .number = (unsigned)i, .had = had, .had_size = sizeof(had) };
		if (pthread_create(&rings[i].thread, NULL, read_ring, &rings[i]))
			tap_bail("pthread_create");
	}
	kill(pid, SIGCONT);
	for (int i = 0; i < nr; i++) {
		pthread_join(rings[i].thread, NULL);
		good &= rings[i].rises && rings[i].result == -ECHILD;
		events += rings[i].events;
		losses += rings[i].losses;
	}
	waitpid(pid, NULL, 0);
	if (systrace_stats(st, -1, &stats))
		tap_bail("STATS");
	tap_ok(good, "each ring rises to its end");
	for (__u64 seq = 1; seq <= stats.seq && seq < sizeof(had); seq++) {
		twice += had[seq] > 1;
		missing += !had[seq];
	}
	tap_ok(stats.seq < sizeof(had) && events == stats.seq && !twice && !missing, "each event is in one ring, once");
	tap_ok(events - losses == stats.delivered && stats.made >= 2 * CALLERS * CALLS,
	       "all that was delivered was read");
	tap_ok(full != SYSTRACE_FULL_BLOCK || !losses, "who blocks has lost nothing");
	tap_ok(!systrace_next(st) && systrace_wait(st, 0) == -EINVAL, "what is split has no order");
	systrace_release(st);
	tap_ok(systrace_ring_wait(st, (unsigned)nr, 1, 0) == -EINVAL, "a ring too many");
	tap_ok(systrace_ring_wait(st, 0, (unsigned)nr + 1, 0) == -EINVAL, "rings too many");
	tap_ok(systrace_ring_wait(st, 1, ~0U, 0) == -EINVAL, "far too many");
	tap_ok(systrace_ring_wait(st, 0, 0, 0) == -EINVAL, "no ring");
	tap_ok(!systrace_ring_next(st, (unsigned)nr), "no such ring's next");
	systrace_ring_release(st, (unsigned)nr);
	tap_ok(systrace_split(st) == -EBUSY, "splitting it again");
	systrace_close(st);
}

static void test_split_refused(void)
{
	struct systrace *st = tap_session((struct systrace_options){ .full = SYSTRACE_FULL_OVERWRITE });
	pid_t pid;

	tap_ok(systrace_split(st) == -EOPNOTSUPP, "splitting what overwrites");
	systrace_close(st);
	pid = caller(1);
	st = traced(pid, SYSTRACE_FULL_DROP, 1 << 16);
	tap_ok(systrace_ring_wait(st, 0, 1, 0) == -EINVAL, "a ring of what is not split");
	tap_ok(!systrace_ring_next(st, 0), "nor has it a next");
	if (systrace_wait(st, -1) != 1 || !systrace_next(st))
		tap_bail("no event");
	tap_ok(systrace_split(st) == -EBUSY, "splitting what is read");
	waitpid(pid, NULL, 0);
	systrace_close(st);
}

/* ------------------------------------------------------------------- clocks --- */

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Is each event between these two, give or take what clocks are read apart? */
static bool between(struct systrace *st, uint64_t (*time)(const struct systrace *,
							  const struct systrace_event *),
		    uint64_t from, uint64_t to, unsigned *n)
{
	const uint64_t slack = 50000000;
	const struct systrace_event *e;
	bool good = true;

	while ((e = systrace_next(st))) {
		good &= time(st, e) + slack >= from && time(st, e) <= to + slack;
		(*n)++;
	}
	systrace_release(st);
	return good;
}

static void test_clock(clockid_t clock, const char *name,
		       uint64_t (*time)(const struct systrace *, const struct systrace_event *))
{
	uint64_t from = now(clock);
	pid_t pid = caller(100);
	struct systrace *st = traced(pid, SYSTRACE_FULL_DROP, 1 << 20);
	unsigned n = 0;

	waitpid(pid, NULL, 0);
	tap_ok(between(st, time, from, now(clock), &n) && n > 200, "events have their time of %s", name);
	systrace_close(st);
}

/* ------------------------------------------------------------------- spawning --- */

#define USER	1000

/* What a program is told of itself, on its standard output */
static int show(void)
{
	char cwd[256], fds[9] = "";
	gid_t groups[8];
	int n = getgroups(8, groups);

	for (int fd = 0; fd < 8; fd++)
		fds[fd] = fcntl(fd, F_GETFD) < 0 ? '-' : '+';
	printf("%s %d %d %d %s", getcwd(cwd, sizeof(cwd)), getuid(), geteuid(), getgid(), fds);
	for (int i = 0; i < n; i++)
		printf(" %d", groups[i]);
	return 0;
}

/* What one that is spawned shows, "" if it cannot be; *ret is spawn's result. */
static const char *shown(const char *file, const struct systrace_spawn_options *opts, bool held, int *ret)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });
	char *argv[] = { "library", "show", NULL };
	int fds[3], pipes[2], hold = -1, status;
	struct systrace_spawn_options o = *opts;
	static char text[512];
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		tap_bail("pipe");
	if (!o.fds) {
		memcpy(fds, (int[]){ -1, pipes[1], pipes[1] }, sizeof(fds));
		o.fds = fds;
		o.nr_fds = 3;
	}
	*ret = held ? systrace_spawn_held(st, &pid, &hold, file, argv, &o) :
		      systrace_spawn(st, &pid, file, argv, &o);
	if (held && !*ret) {
		*ret = systrace_spawn_go(hold);
		if (*ret)
			waitpid(pid, NULL, 0);
	}
	close(pipes[1]);
	n = read(pipes[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	if (*text)
		waitpid(pid, &status, 0);
	close(pipes[0]);
	systrace_close(st);
	return text;
}

/* Its folder and ids are as expected, then come its descriptors, and then `more`. */
static void shows(const char *file, struct systrace_spawn_options opts, const char *begin,
		  const char *more, const char *what)
{
	char fds[9] = "-++", expected[512];

	for (int fd = 3; fd < 8; fd++) {
		int flags = fcntl(fd, F_GETFD);

		fds[fd] = flags >= 0 && !(flags & FD_CLOEXEC) ? '+' : '-';
	}
	snprintf(expected, sizeof(expected), "%s %s%s", begin, fds, more);
	for (int held = 0; held < 2; held++) {
		const char *text;
		int ret;

		opts.size = sizeof(opts);
		text = shown(file, &opts, held, &ret);
		if (!tap_ok(ret == 0 && !strcmp(text, expected), "%s%s", what, held ? ", held first" : ""))
			tap_note("%d: '%s', not '%s'", ret, text, expected);
	}
}

static void fails(struct systrace_spawn_options opts, int error, const char *what)
{
	for (int held = 0; held < 2; held++) {
		int ret;

		if (!opts.size)
			opts.size = sizeof(opts);
		shown("/proc/self/exe", &opts, held, &ret);
		tap_ok(ret == -error && waitpid(-1, NULL, WNOHANG) <= 0, "%s%s: %s", what,
		       held ? ", held first" : "", tap_error(error));
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static void test_spawn_options(void)
{
	static struct {
		struct systrace_spawn_options opts;
		char more[8];
	} longer = { .opts = { .size = sizeof(longer) }, .more = "x" };
	static const gid_t groups[] = { 5, 7 };
	static const int bad[] = { 0, 999 };
	char here[256], expected[300];

	if (!getcwd(here, sizeof(here)) || mkdir("folder", 0755))
		tap_bail("folder");
	snprintf(expected, sizeof(expected), "%s 0 0 0", here);
	shows("/proc/self/exe", (struct systrace_spawn_options){ 0 }, expected, "", "descriptors are placed");
	shows("/proc/self/exe", (struct systrace_spawn_options){ .cwd = "/tmp" }, "/tmp 0 0 0", "",
	      "the working directory");
	snprintf(expected, sizeof(expected), "%s/folder 0 0 0", here);
	shows("../library", (struct systrace_spawn_options){ .cwd = "folder" }, expected, "",
	      "a file is looked for from there");
	snprintf(expected, sizeof(expected), "%s %d %d %d", here, USER, USER, USER);
	shows("/proc/self/exe", (struct systrace_spawn_options){
		.set_ids = 1, .uid = USER, .gid = USER, .groups = groups, .nr_groups = 2 }, expected,
	      " 5 7", "ids");
	tap_ok(prctl(PR_GET_DUMPABLE) == 1, "ours are as they were");

	fails((struct systrace_spawn_options){ .cwd = "nowhere" }, ENOENT, "no such folder");
	fails((struct systrace_spawn_options){ .cwd = "library" }, ENOTDIR, "no folder");
	fails((struct systrace_spawn_options){ .fds = bad, .nr_fds = 2 }, EBADF, "no such descriptor");
	fails((struct systrace_spawn_options){ .fds = bad, .nr_fds = 257 }, EINVAL, "too many descriptors");
	fails((struct systrace_spawn_options){ .size = 8 }, EINVAL, "options too short");
	fails((struct systrace_spawn_options){ .set_ids = 2 }, EINVAL, "no such ids");
	fails((struct systrace_spawn_options){ .reserved = 1 }, EINVAL, "what is reserved");
	{
		struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 4096 });
		char *argv[] = { "library", "show", NULL };
		pid_t pid;

		tap_ok(systrace_spawn(st, &pid, "/proc/self/exe", argv, &longer.opts) == -E2BIG,
		       "options too long: E2BIG");
		systrace_close(st);
	}
}

/* ENTERs so far, and whether the first is execve */
static unsigned enters(struct systrace *st, bool *execve_first)
{
	const struct systrace_event *e;
	unsigned n = 0;

	while ((e = systrace_next(st)))
		if (e->type == SYSTRACE_ENTER && n++ == 0)
			*execve_first = ((const struct systrace_enter *)e)->nr == SYS_execve;
	systrace_release(st);
	return n;
}

static void test_held(void)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });
	char *argv[] = { "true", NULL };
	bool execve_first = false;
	int hold, status;
	pid_t pid;

	if (systrace_spawn_held(st, &pid, &hold, "true", argv, NULL))
		tap_bail("spawn");
	usleep(100000);
	tap_ok(kill(pid, 0) == 0 && systrace_attached(st) == 1 && enters(st, &execve_first) == 0,
	       "held: it is there, and has called nothing");
	tap_ok(systrace_spawn_go(hold) == 0 && waitpid(pid, &status, 0) == pid && status == 0,
	       "it goes on to its end");
	tap_ok(enters(st, &execve_first) > 1 && execve_first, "its execve is the first call");

	if (systrace_spawn_held(st, &pid, &hold, "true", argv, NULL))
		tap_bail("spawn");
	close(hold);
	tap_ok(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 127,
	       "who is not let go ends");
	if (systrace_spawn_held(st, &pid, &hold, "true", argv, NULL))
		tap_bail("spawn");
	tap_reap(pid);
	tap_ok(systrace_spawn_go(hold) == -ESRCH, "who was killed cannot go: ESRCH");

	tap_put("script", "#!/nowhere/at/all\n");
	chmod("script", 0755);
	if (systrace_spawn_held(st, &pid, &hold, "./script", argv, NULL))
		tap_bail("spawn");
	tap_ok(systrace_spawn_go(hold) == -ENOENT && waitpid(pid, &status, 0) == pid &&
	       WEXITSTATUS(status) == 127, "who cannot become the program says why: ENOENT");
	tap_ok(systrace_attached(st) == 0, "and is attached no more");
	systrace_close(st);
}

#define FORKS	300	/* at most, */
#define HELD	60	/* while so many are spawned */

/* Children that keep all that was open when they were forked, until they are killed */
static pid_t forked[FORKS];
static atomic_bool enough;

static void *fork_many(void *unused)
{
	for (int i = 0; i < FORKS && !atomic_load(&enough); i++) {
		forked[i] = fork();
		if (forked[i] == 0)
			for (;;)
				pause();
		usleep(2000);
	}
	return unused;
}

/* What another thread's children have inherited holds nobody up. */
static void test_held_beside_forks(void)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });
	char *argv[] = { "true", NULL };
	unsigned good = 0, forks = 0;
	pthread_t thread;
	int hold, status;
	pid_t pid;

	if (pthread_create(&thread, NULL, fork_many, NULL))
		tap_bail("pthread_create");
	for (int i = 0; i < HELD; i++)
		good += systrace_spawn_held(st, &pid, &hold, "true", argv, NULL) == 0 &&
			systrace_spawn_go(hold) == 0 && waitpid(pid, &status, 0) == pid && !status;
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	for (; forks < FORKS && forked[forks] > 0; forks++)
		tap_reap(forked[forks]);
	tap_ok(good == HELD && forks > HELD / 4, "held beside another thread's %u forks", forks);
	systrace_close(st);
}

/* A user may not have other ids. */
static void test_ids_refused(void)
{
	pid_t pid = tap_fork();
	int ret, status;

	if (pid == 0) {
		chmod(SYSTRACE_DEVICE, 0666);
		if (setgid(USER) || setuid(USER) || prctl(PR_SET_DUMPABLE, 1))
			_exit(1);
		shown("/proc/self/exe", &(struct systrace_spawn_options){
			.size = sizeof(struct systrace_spawn_options), .set_ids = 1 }, false, &ret);
		_exit(ret == -EPERM ? 0 : 1);
	}
	tap_ok(waitpid(pid, &status, 0) == pid && status == 0, "a user has no other ids: EPERM");
}

/* --------------------------------------------------------------------- text --- */

static void test_text(void)
{
	pid_t pid = caller(10);
	struct systrace *st = traced(pid, SYSTRACE_FULL_DROP, 1 << 20);
	char text[SYSTRACE_FORMAT_BYTES], begin[32];
	const struct systrace_event *e;
	unsigned calls = 0;
	bool good = true;
	int length;

	waitpid(pid, NULL, 0);
	while ((e = systrace_next(st))) {
		length = systrace_format(st, e, 0, text, sizeof(text));
		snprintf(begin, sizeof(begin), "%llu ", (unsigned long long)e->seq);
		good &= length > 0 && strlen(text) == (size_t)length && !strncmp(text, begin, strlen(begin));
		calls += strstr(text, " ENTER getppid()") != NULL;
		good &= systrace_format(st, e, SYSTRACE_FORMAT_RAW, text, sizeof(text)) > 0;
		good &= systrace_format(st, e, 2, text, sizeof(text)) == -EINVAL;
		good &= systrace_format(st, e, 0, text, sizeof(text) - 1) == -EINVAL;
	}
	tap_ok(good && calls == 10, "each event is a line of text");
	systrace_close(st);
}

/* ---------------------------------------------------------------------- info --- */

static void test_info(void)
{
	struct systrace_info info = { 0 };
	struct systrace *st = NULL;

	tap_ok(!strcmp(systrace_version(), SYSTRACE_VERSION), "the library's version is its header's");
	tap_ok(systrace_info(&info) == 0 && info.abi_version == SYSTRACE_ABI_VERSION &&
	       info.size == sizeof(info) && info.features & SYSTRACE_FEATURE_OVERWRITE &&
	       info.ring_bytes_min == 4096, "INFO without a session");
	tap_ok(module_unload() == 0, "without the driver");
	tap_ok(systrace_info(&info) == -ENOENT, "INFO says that there is no device");
	tap_ok(systrace_open(&st, NULL) == -ENOENT && !st, "so does open");
	tap_ok(mknod(SYSTRACE_DEVICE, S_IFCHR | 0666, makedev(1, 3)) == 0 &&
	       systrace_info(&info) == -EPROTO && systrace_open(&st, NULL) == -EPROTO && !st,
	       "another device is told from it");
	unlink(SYSTRACE_DEVICE);
	tap_ok(module_load() == 0 && systrace_info(&info) == 0, "with the driver again");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "show"))
		return show();
	tap_patience(300);
	test_batches(SYSTRACE_FULL_BLOCK, 1);
	test_batches(SYSTRACE_FULL_BLOCK, 7);
	test_batches(SYSTRACE_FULL_BLOCK, BATCH);
	test_batches(SYSTRACE_FULL_OVERWRITE, BATCH);
	test_empty();
	test_snapshots();
	test_split(SYSTRACE_FULL_BLOCK);
	test_split(SYSTRACE_FULL_DROP);
	test_split_refused();
	test_clock(CLOCK_MONOTONIC, "CLOCK_MONOTONIC", systrace_time);
	test_clock(CLOCK_REALTIME, "CLOCK_REALTIME", systrace_time_real);
	test_spawn_options();
	test_held();
	test_held_beside_forks();
	test_ids_refused();
	test_text();
	test_info();
	return tap_end();
}
