// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions and the module come and go, and nothing of them stays: life [ROUNDS].
 *
 * The module is unloaded and loaded again, with a tree at work that was traced until
 * then; readers are killed in the middle. After it all the memory is back. Rings are
 * so large that a single one that stayed behind is more than what memory use varies
 * by, and sessions are so many that a page of each would be, too.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "memory.h"
#include "module.h"
#include "tap.h"

#define TRACEPOINT "/sys/kernel/tracing/events/sched/sched_switch/enable"
#define RING	(4 << 20)
#define SMALL	(64 << 10)	/* 1000 of them are more than a user may lock */
#define SMALLS	100		/* for each round */
#define SPARE	1024		/* KiB: a quarter of a ring; it varies by some 200 */
#define USER	1000
#define PAIRS	2
#define WORDS	500		/* each pair passes on, at least */
#define PATIENCE 120		/* seconds without a round: it hangs */

/* Says what is wrong with a round; the round is no TAP line of its own. */
static bool must(bool good, const char *what)
{
	if (!good)
		tap_note("%s: not so (errno %s)", what, tap_error(errno));
	return good;
}

/* -------------------------------------------------------------- the module --- */

static bool is_busy(void)
{
	return module_unload() == -1 && errno == EWOULDBLOCK;
}

/* Another tracer begins, and so meets what a driver that is gone had left in its way. */
static bool others_trace(void)
{
	return tap_put(TRACEPOINT, "1") && tap_put(TRACEPOINT, "0");
}

static bool no_kprobe_is_left(void)
{
	FILE *list = fopen("/sys/kernel/debug/kprobes/list", "r");
	bool none = !list || fgetc(list) == EOF;

	if (list)
		fclose(list);
	return none;
}

/* Where there is no number for its device, the last thing that it asks for */
static void test_refused_load(void)
{
	if (module_unload())
		tap_bail("rmmod");
	if (module_load_file("crowd.ko", "")) {
		tap_ok(errno == E2BIG, "a load that is refused # SKIP there are numbers without end here");
	} else {
		tap_ok(module_load() == -1 && errno == EBUSY, "a load is refused, and says why");
		tap_ok(no_kprobe_is_left() && others_trace(), "... and leaves nothing in the way of others");
		if (syscall(SYS_delete_module, "crowd", O_NONBLOCK))
			tap_bail("rmmod crowd");
	}
	if (module_load())
		tap_bail("insmod");
}

/* -------------------------------------------------------- a session's usual --- */

struct found {
	unsigned forks, execs, exits, others;
	uint64_t seq;
	bool dense;
};

static void look(struct found *found, const struct systrace_event *e)
{
	found->dense &= e->seq == ++found->seq;
	if (e->type == SYSTRACE_FORK)
		found->forks++;
	else if (e->type == SYSTRACE_EXEC)
		found->execs++;
	else if (e->type == SYSTRACE_EXIT)
		found->exits++;
	else if (e->type == SYSTRACE_LOST || e->type == SYSTRACE_DETACH)
		found->others++;
}

/* A shell and two programs, from their beginning to their end. */
static bool trace_tree(struct systrace *st)
{
	char *argv[] = { "sh", "-c", "/bin/busybox true & /bin/busybox true; wait", NULL };
	struct found found = { .dense = true };
	const struct systrace_event *e;
	int ret, status;
	pid_t pid;

	ret = systrace_spawn(st, &pid, "sh", argv, NULL);
	if (ret)
		tap_bail("systrace_spawn: %s", tap_error(-ret));
	while ((ret = systrace_wait(st, -1)) == 1) {
		while ((e = systrace_next(st)))
			look(&found, e);
		systrace_release(st);
	}
	waitpid(pid, &status, 0);
	return must(ret == -ECHILD, "the trace comes to its end") &
	       must(status == 0, "the tree was not harmed") &
	       must(found.dense, "seq is dense") &
	       must(found.forks == 2 && found.execs == 3 && found.exits == 3 && !found.others,
		    "all of the tree is there");
}

/* ------------------------------------------------------------ the workload --- */

/*
 * Pairs of processes: one writes 0, 1, 2 ... into a pipe, the other reads and forks
 * now and then. Any call that does not do what it should ends it with a status.
 */
static struct {
	atomic_bool stop;
	atomic_ulong seen;		/* events, by the reader that is to be killed */
	atomic_ulong words[PAIRS];	/* written, when the writer has ended */
} *shared;

static void write_words(int fd, int pair)
{
	unsigned long n;

	for (n = 0; n < WORDS || !atomic_load(&shared->stop); n++)
		if (write(fd, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	atomic_store(&shared->words[pair], n);
	_exit(0);
}

static void fork_once(unsigned long n)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit((int)(n & 0x7f));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != (int)(n & 0x7f) << 8)
		_exit(2);
}

static void run_pair(int pair)
{
	unsigned long n = 0, word;
	int ends[2], status;
	ssize_t got;
	pid_t pid;

	if (pipe(ends))
		_exit(3);
	pid = fork();
	if (pid == 0)
		write_words(ends[1], pair);
	close(ends[1]);
	while ((got = read(ends[0], &word, sizeof(word))) == sizeof(word)) {
		if (word != n++)
			_exit(4);
		if (n % 64 == 0)
			fork_once(n / 64);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		_exit(5);
	_exit(got || n != atomic_load(&shared->words[pair]) ? 6 : 0);
}

static pid_t begin_work(void)
{
	pid_t pid, pairs[PAIRS];
	int status;

	atomic_store(&shared->stop, false);
	atomic_store(&shared->seen, 0);
	pid = tap_fork();
	if (pid)
		return pid;
	nice(19);	/* it is to be everywhere, not in the way */
	for (int i = 0; i < PAIRS; i++) {
		pairs[i] = fork();
		if (pairs[i] == 0)
			run_pair(i);
	}
	for (int i = 0; i < PAIRS; i++)
		if (waitpid(pairs[i], &status, 0) != pairs[i] || status)
			_exit(WEXITSTATUS(status) + 10);
	_exit(0);
}

static bool end_work(pid_t pid)
{
	int status = -1;

	atomic_store(&shared->stop, true);
	waitpid(pid, &status, 0);
	if (status)
		tap_note("the work ended with status 0x%x", status);
	return must(status == 0, "the work came to its right result");
}

/* ------------------------------------------------------------------ rounds --- */

static struct systrace *attached(pid_t pid)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = RING });

	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) < 1)
		tap_bail("attach");
	return st;
}

/* A mapping is as good as a descriptor. */
static bool mapping_holds(void)
{
	int fd = tap_open(O_RDWR);
	struct systrace_setup setup;
	bool good = must(is_busy(), "open before SETUP, it cannot be unloaded");
	void *at;

	setup = tap_setup(fd, SMALL);
	at = mmap(NULL, setup.data_size, PROT_READ, MAP_SHARED, fd, (off_t)setup.data_offset);
	if (at == MAP_FAILED)
		tap_bail("mmap");
	close(fd);
	good &= must(is_busy(), "mapped but not open, it cannot be unloaded");
	munmap(at, setup.data_size);
	return good;
}

/* The tree at work has been traced until close, and makes calls on and on. */
static bool unload_and_load(void)
{
	pid_t work = begin_work();
	struct systrace *st = attached(work), *small;
	bool good = must(is_busy(), "with a tree attached, it cannot be unloaded");

	small = tap_session((struct systrace_options){ .ring_bytes = RING });
	good &= trace_tree(small);
	systrace_close(small);
	good &= must(is_busy(), "after one of two is closed, it cannot be unloaded");
	systrace_close(st);
	good &= must(module_unload() == 0, "after close it can be unloaded");
	good &= must(access(SYSTRACE_DEVICE, F_OK) == -1, "and its device is gone");
	if (module_load())
		tap_bail("cannot load " MODULE);
	good &= mapping_holds();
	return good & end_work(work);
}

static void read_on(pid_t work, bool reads)
{
	struct systrace *st = attached(work);

	for (;;) {
		while (systrace_next(st))
			atomic_fetch_add(&shared->seen, 1);
		/* Who never releases is killed with rings that are full. */
		if (reads)
			systrace_release(st);
	}
}

/* In one of three rounds any time from its start on, else after so many events. */
static void kill_reader(pid_t reader, int round)
{
	unsigned long target = 1UL << round % 14;

	if (round % 3 == 0)
		usleep((useconds_t)(random() % 30000));
	else
		while (atomic_load(&shared->seen) < target)
			sched_yield();
	kill(reader, SIGKILL);
}

static bool kill_in_the_middle(int round)
{
	pid_t work = begin_work(), reader = tap_fork();
	struct systrace *st;
	int status;
	bool good;

	if (reader == 0)
		read_on(work, round % 5);
	kill_reader(reader, round);
	waitpid(reader, &status, 0);
	good = must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the reader is killed");
	while (module_references())	/* until PATIENCE ends */
		usleep(1000);
	st = tap_session((struct systrace_options){ .ring_bytes = RING });
	good &= trace_tree(st);
	systrace_close(st);
	if (round % 2)
		good &= must(module_unload() == 0 && module_load() == 0, "it can be unloaded and loaded");
	return good & end_work(work);
}

/* With its own limit on locked memory: what is not given back is missing soon. */
static void short_sessions(int n)
{
	struct systrace *st;

	if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		tap_bail("cannot become user %d", USER);
	prctl(PR_SET_DUMPABLE, 1);
	while (n--) {
		st = tap_session((struct systrace_options){ .ring_bytes = SMALL });
		if (systrace_attach(st, getpid(), SYSTRACE_ATTACH_TASK) != 1)
			tap_bail("attach");
		syscall(SYS_getppid);
		systrace_close(st);
	}
	_exit(0);
}

static bool many_sessions(int round)
{
	pid_t pid, sleeper = tap_sleeper();
	struct systrace *st = attached(sleeper);	/* keeps the probes, which take time */
	int status;

	(void)round;
	chmod(SYSTRACE_DEVICE, 0666);
	pid = tap_fork();
	if (pid == 0)
		short_sessions(SMALLS);
	waitpid(pid, &status, 0);
	systrace_close(st);
	tap_reap(sleeper);
	return must(status == 0, "a user opens many sessions, one after another");
}

static bool module_round(int round)
{
	(void)round;
	return unload_and_load();
}

/* ------------------------------------------------------------------ memory --- */

static void test_rounds(bool (*round)(int), int rounds, const char *name)
{
	struct memory before, after;
	bool good = true;
	int i;

	for (i = 0; i < 4 && good; i++)	/* caches and tables grow only now */
		good = round(i);
	before = memory_measure();
	for (i = 0; i < rounds && good; i++) {
		alarm(PATIENCE);
		good = round(i);
	}
	alarm(PATIENCE);
	after = memory_measure();
	tap_ok(good, "%s, %d times", name, i);
	memory_compare(before, after, SPARE, name);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 50;

	if (rounds < 1)
		tap_bail("usage: life [ROUNDS]");
	alarm(PATIENCE);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	test_refused_load();
	test_rounds(module_round, rounds, "unload and load");
	test_rounds(kill_in_the_middle, rounds, "kill the reader");
	test_rounds(many_sessions, rounds, "open and close");
	return tap_end();
}
