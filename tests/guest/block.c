// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A task that waits for room: what lets it go on, and that all that acts on a
 * sleeping task acts on it. Nothing here is bounded by the wait's own timeout but
 * where that is the point: without one, a wake-up that does not come hangs the
 * test.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "raw.h"

#define CGROUP	"cgroup"	/* in the working directory */
#define CROWD	1500
#define FREEZES	60

/* ------------------------------------------------------------- traced tasks --- */

/* What a caller has come to, in memory that it shares with us. */
struct shared {
	unsigned long calls, signals;
};

static struct shared *shared;

static void count_signal(int sig)
{
	(void)sig;
	shared->signals++;
}

/* A child that calls getppid n times, 0 for ever, and exits with 0. */
static pid_t caller(unsigned long n)
{
	pid_t pid;

	*shared = (struct shared){ 0 };
	pid = tap_fork();
	if (pid)
		return pid;
	signal(SIGUSR1, count_signal);
	raise(SIGSTOP);
	while (!n || shared->calls < n) {
		syscall(SYS_getppid);
		shared->calls++;
	}
	_exit(0);
}

static pid_t traced_caller(const struct raw *s, unsigned long n)
{
	pid_t pid = caller(n);

	waitpid(pid, NULL, WUNTRACED);
	raw_attach(s, pid);
	kill(pid, SIGCONT);
	return pid;
}

/* One task, waiting for room for ever. */
static pid_t blocked(struct raw *s)
{
	pid_t pid;

	*s = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_NO_TIMEOUT);
	pid = traced_caller(s, 0);
	raw_await_waiters(s, 1);
	return pid;
}

/* It is still there, makes calls again, and nothing of them was lost. */
static void goes_on(const struct raw *s, pid_t pid, const char *what)
{
	unsigned long calls = shared->calls;

	while (shared->calls < calls + 3 * RING / sizeof(struct systrace_return))
		if (!raw_drain(s))
			usleep(100);
	tap_ok(waitpid(pid, NULL, WNOHANG) == 0 && raw_stats(s).lost[SYSTRACE_LOST_FULL] == 0,
	       "%s; it goes on, and nothing is lost", what);
}

/* It runs without being read any more. */
static void runs_free(pid_t pid, const char *what)
{
	unsigned long calls = shared->calls;

	while (shared->calls < calls + 10000)
		usleep(1000);
	tap_ok(waitpid(pid, NULL, WNOHANG) == 0, "%s lets it go on", what);
}

static void finish(struct raw *s, pid_t pid)
{
	raw_end(s);
	tap_reap(pid);
}

/* ------------------------------------------------------- what ends the wait --- */

static void test_room(void)
{
	struct raw s;
	pid_t pid = blocked(&s);
	struct pollfd pfd = { .fd = s.fd, .events = POLLIN };
	unsigned long calls = shared->calls;
	int tries = 5000;	/* it counts as a waiter before it sleeps */
	char state;

	while ((state = tap_state(pid)) == 'R' && --tries)
		usleep(1000);
	tap_ok(state == 'S', "a task that waits for room sleeps");
	usleep(200000);
	tap_ok(shared->calls == calls && raw_waiters(&s) == 1, "and makes no call");
	tap_ok(poll(&pfd, 1, -1) == 1 && pfd.revents == POLLIN, "its reader is told");
	goes_on(&s, pid, "room and KICK wake it");
	raw_await_waiters(&s, 1);
	for (unsigned cpu = 0; cpu < s.header->nr_rings; cpu++)
		*raw_tail(&s, cpu) = raw_head(&s, cpu);
	calls = shared->calls;
	while (shared->calls == calls)
		usleep(1000);
	tap_ok(true, "it looks for room by itself, too");
	finish(&s, pid);
}

static void test_end_of_reader(void)
{
	struct raw s;
	pid_t pid = blocked(&s);

	munmap(s.control, s.setup.control_size);
	runs_free(pid, "unmapping control");
	tap_ok(raw_stats(&s).lost[SYSTRACE_LOST_FULL] > 0, "and from then on the session drops");
	raw_map_control(&s);
	raw_await_waiters(&s, 1);
	tap_ok(true, "mapped again, the session blocks again");
	raw_end(&s);
	runs_free(pid, "closing the session");
	tap_reap(pid);
}

static void test_detach(void)
{
	struct systrace_detach_args args = { .size = sizeof(args), .mode = SYSTRACE_DETACH_ALL };
	struct raw s;
	pid_t pid = blocked(&s);

	if (ioctl(s.fd, SYSTRACE_IOC_DETACH, &args))
		tap_bail("DETACH");
	runs_free(pid, "DETACH");
	finish(&s, pid);
}

static void test_pause(void)
{
	struct raw s;
	pid_t pid = blocked(&s);

	if (raw_op(&s, SYSTRACE_IOC_PAUSE))
		tap_bail("PAUSE");
	runs_free(pid, "PAUSE");
	if (raw_op(&s, SYSTRACE_IOC_RESUME))
		tap_bail("RESUME");
	raw_await_waiters(&s, 1);
	goes_on(&s, pid, "RESUME has it wait again");
	finish(&s, pid);
}

static void test_timeout(void)
{
	const unsigned long n = 20000;
	struct raw s = raw_begin(SYSTRACE_FULL_BLOCK, 300);
	pid_t pid = traced_caller(&s, n);
	struct systrace_stats st;
	int status;

	waitpid(pid, &status, 0);
	tap_ok(status == 0 && shared->calls == n, "a reader that never reads: the program finishes");
	st = raw_stats(&s);
	tap_ok(st.timeouts == 1 && st.blocked >= 1, "after one wait that timed out");
	tap_note("%llu waits, %llu timed out", (unsigned long long)st.blocked,
		 (unsigned long long)st.timeouts);
	tap_ok(st.blocked_ns >= 300 * 1000000ULL, "which lasted as long as SETUP said");
	tap_ok(st.lost[SYSTRACE_LOST_FULL] > 0 && st.delivered == 0, "the rest is counted as lost");
	raw_drain(&s);
	pid = traced_caller(&s, 0);
	raw_await_waiters(&s, 1);
	tap_ok(true, "once the reader has read, tasks wait for it again");
	finish(&s, pid);
}

/* ------------------------------------------------ what acts on any sleeper --- */

static void test_kill(void)
{
	struct raw s;
	pid_t pid = blocked(&s);
	int status;

	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "SIGKILL ends it");
	tap_ok(raw_waiters(&s) == 0, "and it waits no more");
	raw_end(&s);
}

static void test_stop(void)
{
	struct raw s;
	pid_t pid = blocked(&s);
	int status;

	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	tap_ok(WIFSTOPPED(status) && tap_state(pid) == 'T', "SIGSTOP stops it");
	kill(pid, SIGCONT);
	raw_await_waiters(&s, 1);
	goes_on(&s, pid, "SIGCONT continues it");
	finish(&s, pid);
}

static void test_ptrace(void)
{
	struct raw s;
	pid_t pid = blocked(&s);
	int status;

	if (ptrace(PTRACE_ATTACH, pid, 0, 0))
		tap_bail("PTRACE_ATTACH");
	tap_ok(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "a debugger can stop it");
	if (ptrace(PTRACE_DETACH, pid, 0, 0))
		tap_bail("PTRACE_DETACH");
	goes_on(&s, pid, "the debugger leaves");
	finish(&s, pid);
}

static void test_freezer(void)
{
	struct raw s;
	pid_t pid = blocked(&s);
	char text[16];

	mkdir(CGROUP, 0755);
	if (mount("none", CGROUP, "cgroup2", 0, NULL) || mkdir(CGROUP "/test", 0755))
		tap_bail("cgroup2");
	snprintf(text, sizeof(text), "%d", pid);
	if (!tap_put(CGROUP "/test/cgroup.procs", text) ||
	    !tap_put(CGROUP "/test/cgroup.freeze", "1"))
		tap_bail("cgroup.freeze");
	while (!tap_has(CGROUP "/test/cgroup.events", "frozen 1"))
		usleep(1000);
	tap_ok(true, "the cgroup freezer freezes it");
	tap_put(CGROUP "/test/cgroup.freeze", "0");
	goes_on(&s, pid, "it is thawed");
	finish(&s, pid);
	while (rmdir(CGROUP "/test"))
		usleep(1000);
	umount(CGROUP);
}

static bool freezer_begin(void)
{
	mkdir(CGROUP, 0755);
	if (!mount("none", CGROUP, "cgroup", 0, "freezer") && !mkdir(CGROUP "/test", 0755))
		return true;
	tap_note("no freezer of cgroup v1");
	return false;
}

static void freezer_add(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	if (!tap_put(CGROUP "/test/cgroup.procs", text))
		tap_bail("cgroup.procs");
}

static void freezer_set(const char *state)
{
	if (!tap_put(CGROUP "/test/freezer.state", state))
		tap_bail("freezer.state");
	while (!tap_has(CGROUP "/test/freezer.state", state))
		usleep(1000);
}

static void freezer_end(void)
{
	while (rmdir(CGROUP "/test"))
		usleep(1000);
	umount(CGROUP);
}

/* A frozen task keeps nobody: the session ends while it is frozen. */
static void test_frozen_end(void)
{
	struct raw s;
	pid_t pid;

	if (!freezer_begin())
		return;
	pid = blocked(&s);
	freezer_add(pid);
	freezer_set("FROZEN");
	tap_ok(true, "the freezer of cgroup v1 freezes it");
	raw_end(&s);
	tap_ok(true, "the session ends meanwhile");
	freezer_set("THAWED");
	runs_free(pid, "thawing");
	tap_reap(pid);
	freezer_end();
}

/* All are to freeze, one after the other: until its turn comes, it waits. */
static void test_frozen_last(void)
{
	pid_t crowd[CROWD], pid;
	struct raw s;

	if (!freezer_begin())
		return;
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = tap_fork();
		if (!crowd[i])
			while (true)
				pause();
		freezer_add(crowd[i]);
	}
	pid = blocked(&s);
	freezer_add(pid);
	for (int i = 0; i < FREEZES; i++) {
		freezer_set("FROZEN");
		freezer_set("THAWED");
		while (!raw_drain(&s))
			usleep(1000);
		raw_await_waiters(&s, 1);
	}
	goes_on(&s, pid, "frozen after many others");
	finish(&s, pid);
	for (int i = 0; i < CROWD; i++)
		tap_reap(crowd[i]);
	freezer_end();
}

/* Handled signals use up the room for them, until only kills get through. */
static void deepen(pid_t pid)
{
	while (tap_state(pid) != 'D') {
		kill(pid, SIGUSR1);
		usleep(1000);
	}
}

/* Going to sleep with the whole machine, as far as freezing all tasks and back. */
static void test_suspend(bool deep)
{
	const char *how = deep ? "deep in its wait" : "in its wait";
	struct raw s;
	pid_t pid;

	if (access("/sys/power/pm_test", W_OK)) {
		tap_ok(true, "a suspend freezes it, %s # SKIP not on this kernel", how);
		return;
	}
	pid = blocked(&s);
	if (deep)
		deepen(pid);
	if (!tap_put("/sys/power/pm_test", "freezer"))
		tap_bail("pm_test");
	tap_ok(tap_put("/sys/power/state", "freeze"), "a suspend freezes it, %s", how);
	goes_on(&s, pid, "it is thawed");
	finish(&s, pid);
}

/* Signals get through as long as there is much room for what they cause; kills always. */
static void test_signals(void)
{
	struct raw s;
	pid_t pid = blocked(&s);
	unsigned long signals;
	int status;

	while (!shared->signals) {
		kill(pid, SIGUSR1);
		usleep(1000);
	}
	tap_ok(true, "a signal is handled");
	deepen(pid);
	signals = shared->signals;
	for (int i = 0; i < 100; i++) {
		kill(pid, SIGUSR1);
		usleep(1000);
	}
	tap_ok(shared->signals == signals && raw_stats(&s).lost[SYSTRACE_LOST_FULL] == 0,
	       "%lu signals have used up the room for them; no more are handled, nothing is lost",
	       signals);
	goes_on(&s, pid, "there is room");
	tap_ok(shared->signals > signals, "and then they are handled");
	raw_await_waiters(&s, 1);
	deepen(pid);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	tap_ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "SIGKILL ends it there, too");
	raw_end(&s);
}

/* ------------------------------------------------------- odd relationships --- */

static void *call_getppid(void *arg)
{
	unsigned long *calls = arg;

	for (int i = 0; i < 100000; i++) {
		syscall(SYS_getppid);
		(*calls)++;
	}
	return NULL;
}

/* The reader's own threads are traced, and it does not read. */
static void test_own_tree(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_NO_TIMEOUT);
	struct systrace_detach_args all = { .size = sizeof(all), .mode = SYSTRACE_DETACH_ALL };
	unsigned long calls = 0;
	pthread_t thread;

	raw_attach(&s, getpid());
	if (pthread_create(&thread, NULL, call_getppid, &calls))
		tap_bail("pthread_create");
	pthread_join(thread, NULL);
	tap_ok(calls == 100000 && raw_stats(&s).blocked == 0, "a reader never waits for itself");
	ioctl(s.fd, SYSTRACE_IOC_DETACH, &all);
	raw_end(&s);
}

/* The reader writes what the traced task reads: whoever waits, it is not for ever. */
static void test_own_output(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_BLOCK, 200);
	struct systrace_stats st;
	char page[4096] = "";
	int fds[2], status;
	pid_t pid;

	if (pipe(fds))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0) {
		close(fds[1]);
		raise(SIGSTOP);
		while (read(fds[0], page, 16) > 0)
			syscall(SYS_getppid);
		_exit(0);
	}
	close(fds[0]);
	waitpid(pid, NULL, WUNTRACED);
	raw_attach(&s, pid);
	kill(pid, SIGCONT);
	for (int i = 0; i < 100; i++) {	/* each write may wait for the task, which waits for us */
		if (write(fds[1], page, sizeof(page)) != sizeof(page))
			tap_bail("write");
		if (i % 32 == 31)
			raw_drain(&s);
	}
	close(fds[1]);
	waitpid(pid, &status, 0);
	st = raw_stats(&s);
	tap_ok(status == 0 && st.timeouts > 0, "a task that reads its reader's output waits in vain, "
	       "not for ever");
	tap_note("%llu waits timed out", (unsigned long long)st.timeouts);
	raw_end(&s);
}

/* Two sessions on one task: who is slow in one is not in the other. */
static void test_two_sessions(void)
{
	const unsigned long n = 5000;
	struct raw one = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_NO_TIMEOUT);
	struct raw two = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_NO_TIMEOUT);
	bool one_waited = false, two_waited = false;
	pid_t pid = caller(n);
	int status;

	waitpid(pid, NULL, WUNTRACED);
	raw_attach(&one, pid);
	raw_attach(&two, pid);
	kill(pid, SIGCONT);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		usleep(100);
		if (raw_waiters(&one) == 1)
			one_waited |= raw_drain(&one);
		else if (raw_waiters(&two) == 1)
			two_waited |= raw_drain(&two);
	}
	tap_ok(status == 0 && one_waited && two_waited && !raw_stats(&one).lost[SYSTRACE_LOST_FULL] &&
	       !raw_stats(&two).lost[SYSTRACE_LOST_FULL], "two sessions can each have a task wait");
	raw_end(&one);
	raw_end(&two);
}

/* More tasks than one, all waiting: none is left behind, and they are within `covered`. */
/* Who moves from one CPU to another waits for all that it may have filled. */
static void test_all_rings(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_NO_TIMEOUT);
	pid_t pids[2];
	unsigned long calls;
	cpu_set_t cpus;

	for (int cpu = 0; cpu < 2; cpu++) {
		pids[cpu] = caller(0);
		waitpid(pids[cpu], NULL, WUNTRACED);
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		if (sched_setaffinity(pids[cpu], sizeof(cpus), &cpus))
			tap_bail("sched_setaffinity");
		raw_attach(&s, pids[cpu]);
		kill(pids[cpu], SIGCONT);
		raw_await_waiters(&s, cpu + 1);
	}
	calls = shared->calls;
	*raw_tail(&s, 1) = raw_head(&s, 1);
	raw_op(&s, SYSTRACE_IOC_KICK);
	usleep(200000);
	tap_ok(raw_waiters(&s) == 2 && shared->calls == calls, "room in one ring is not enough");
	goes_on(&s, pids[1], "room in all is");
	raw_end(&s);
	tap_reap(pids[0]);
	tap_reap(pids[1]);
}

static void test_many(void)
{
	enum { TASKS = 5 };
	const unsigned long n = 3000;
	struct raw s = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_NO_TIMEOUT);
	int status, bad = 0;
	pid_t pid = tap_fork();

	if (pid == 0) {
		raise(SIGSTOP);
		for (int i = 0; i < TASKS - 1; i++)
			if (fork() == 0)
				break;
		for (unsigned long i = 0; i < n; i++)
			syscall(SYS_getppid);
		while (wait(&status) > 0)
			bad |= status;
		_exit(bad != 0);
	}
	waitpid(pid, NULL, WUNTRACED);
	raw_attach(&s, pid);
	kill(pid, SIGCONT);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		usleep(1000);
		raw_drain(&s);
	}
	raw_drain(&s);
	tap_ok(raw_stats(&s).covered >= TASKS, "a ring of %d bytes covers %u tasks", RING,
	       raw_stats(&s).covered);
	tap_ok(status == 0 && raw_stats(&s).blocked > TASKS && !raw_stats(&s).lost[SYSTRACE_LOST_FULL],
	       "%d tasks wait, all finish, nothing is lost", TASKS);
	tap_ok(raw_stats(&s).made == raw_stats(&s).delivered && raw_waiters(&s) == 0, "the account is exact");
	raw_end(&s);
}

int main(void)
{
	struct systrace_info info = { .size = sizeof(info) };
	int fd = tap_open(O_RDWR);

	if (ioctl(fd, SYSTRACE_IOC_INFO, &info))
		tap_bail("INFO");
	close(fd);
	if (!(info.features & SYSTRACE_FEATURE_BLOCK)) {
		tap_ok(true, "# SKIP this kernel cannot block");
		return tap_end();
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	test_room();
	test_end_of_reader();
	test_detach();
	test_pause();
	test_timeout();
	test_kill();
	test_stop();
	test_ptrace();
	test_freezer();
	test_frozen_end();
	test_frozen_last();
	test_suspend(false);
	test_suspend(true);
	test_signals();
	test_own_tree();
	test_own_output();
	test_two_sessions();
	test_all_rings();
	test_many();
	return tap_end();
}
