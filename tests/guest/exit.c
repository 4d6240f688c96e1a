// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How tasks end, and what is told after that: of who had the same leader, of orphans, and
 * of another task with the same number.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "stream.h"

#define PATIENCE 120
#define SMALL_RING 16384
#define PID_MAX	"/proc/sys/kernel/pid_max"
#define LOW_PID_MAX "400"	/* the kernel begins anew at 300 */
#define FORKERS	3
#define CHILDREN 150		/* of each */

static struct shared {
	pid_t middle, orphan;
} *shared;

/* ------------------------------------------------------------------ one task --- */

static void by_exit(void)
{
	syscall(SYS_exit, 5);
}

static void by_exit_group(void)
{
	syscall(SYS_exit_group, 6);
}

static void sleep_on(void)
{
	for (;;)
		native_pause();
}

static void fault(void)
{
	static int *volatile nowhere = (int *)8;

	*nowhere = 0;
}

/* A child at the gate, attached; then it runs that, and maybe gets a signal in its pause. */
static void test_one(void (*run)(void), int sig, const char *what, const char *story)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t pid = tap_fork();
	int status;

	if (pid == 0) {
		gate_pass(g);
		run();
	}
	tap_await_call(pid, SYS_read);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	gate_open(g, 1);
	if (sig) {
		tap_await_call(pid, NATIVE_PAUSE);
		kill(pid, sig);
	}
	waitpid(pid, &status, 0);
	stream_read_all(&s);
	stream_tells(&s, pid, what, "TASK, RETURN read=1, %s, EXIT 0x%x", story, (unsigned)status);
	stream_end(&s);
	gate_close(g);
}

/* If a signal is sure to kill, the kernel has SIGKILL delivered; EXIT says which it was. */
static void test_each(void)
{
	struct rlimit core = { 0, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &core);
	test_one(by_exit, 0, "exit", "ENTER exit");
	test_one(by_exit_group, 0, "exit_group", "ENTER exit_group");
	test_one(sleep_on, SIGKILL, "SIGKILL", "ENTER " PAUSE ", RETURN " PAUSE "=-514, SIGNAL 9");
	test_one(sleep_on, SIGTERM, "SIGTERM", "ENTER " PAUSE ", RETURN " PAUSE "=-514, SIGNAL 9");
	test_one(sleep_on, SIGQUIT, "SIGQUIT", "ENTER " PAUSE ", RETURN " PAUSE "=-514, SIGNAL 3");
	test_one(fault, 0, "a fault", "SIGNAL 11");
	core.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_CORE, &core);
	test_one(fault, 0, "a fault that dumps core", "SIGNAL 11");
	tap_ok(unlink("core") == 0, "the core is there");
	core.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &core);
}

/* ------------------------------------------------------------------- threads --- */

static void core_fault(void)
{
	struct rlimit core = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_CORE, &core);
	fault();
}

static void test_team(void (*run)(void), const char *what, int code, const char *actor,
		      const char *others)
{
	struct team *team = team_begin(run);
	struct stream s = stream_begin();

	tap_ok(systrace_attach(s.st, team->leader, SYSTRACE_ATTACH_TREE) == 3, "%s, one of three",
	       what);
	gate_open(team->gate, 1);
	stream_read_all(&s);
	stream_tells(&s, team->actor, "the one that does it", "TASK, RETURN read=1, %s", actor);
	stream_tells(&s, team->leader, "the leader", "%s", others);
	stream_tells(&s, team->sibling, "the third", "%s", others);
	stream_end(&s);
	tap_ok(team_end(team) == code, "the process ends with 0x%x", code);
}

static void test_teams(void)
{
	test_team(by_exit_group, "exit_group", 0x600, "ENTER exit_group, EXIT 0x600",
		  KILLED("0x600"));
	/* The others are on their end when it becomes known that there is a core. */
	test_team(core_fault, "a core dump", 0x8b, "ENTER prlimit64, RETURN prlimit64=0, "
		  "SIGNAL 11, EXIT 0x8b", KILLED("0xb"));
	unlink("core");
}

static struct gate leader_gate, thread_gate;
static pid_t *thread_tid;

static void *call_and_exit(void *arg)
{
	*thread_tid = (pid_t)syscall(SYS_gettid);
	gate_pass(thread_gate);
	syscall(SYS_getppid);
	syscall(SYS_exit_group, 3);
	return arg;
}

/* EXIT is each thread's own; what the parent gets is the last word of all. */
static void test_leader_first(void)
{
	struct stream s = stream_begin();
	pthread_t id;
	pid_t pid, thread;
	int status;

	leader_gate = gate_new();
	thread_gate = gate_new();
	thread_tid = &shared->middle;
	*thread_tid = 0;
	pid = tap_fork();
	if (pid == 0) {
		pthread_create(&id, NULL, call_and_exit, NULL);
		gate_pass(leader_gate);
		syscall(SYS_exit, 4);
	}
	while (!*(volatile pid_t *)thread_tid)
		usleep(1000);
	thread = *thread_tid;
	tap_await_call(pid, SYS_read);
	tap_await_call(thread, SYS_read);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	gate_open(leader_gate, 1);
	tap_await_state(pid, 'Z');
	gate_open(thread_gate, 1);
	stream_read_all(&s);
	waitpid(pid, &status, 0);
	stream_tells(&s, pid, "a leader that goes first",
		     "TASK, RETURN read=1, ENTER exit, EXIT 0x400");
	stream_tells(&s, thread, "its thread goes on", "TASK, RETURN read=1, ENTER getppid, "
		     "RETURN getppid=%d, ENTER exit_group, EXIT 0x300", getpid());
	tap_ok(status == 0x300, "and says how the process ended");
	stream_end(&s);
	gate_close(leader_gate);
	gate_close(thread_gate);
}

/* -------------------------------------------------------- waiting for room --- */

static void test_blocked(void)
{
	struct stream s = stream_of(tap_session((struct systrace_options){
		.ring_bytes = SMALL_RING, .full = SYSTRACE_FULL_BLOCK,
		.timeout_ms = SYSTRACE_NO_TIMEOUT }));
	struct gate g = gate_new();
	struct systrace_stats stats;
	pid_t pid = tap_fork();
	int status;

	if (pid == 0) {
		gate_pass(g);
		for (;;)
			syscall(SYS_getppid);
	}
	tap_await_call(pid, SYS_read);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	gate_open(g, 1);
	tap_await_call(pid, SYS_getppid);	/* asleep behind it */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	systrace_stats(s.st, -1, &stats);
	tap_ok(status == SIGKILL && stats.blocked == 1 && stats.timeouts == 0,
	       "SIGKILL ends a wait for room");
	stream_read_all(&s);
	tap_ok(stream_count(&s, pid, SYSTRACE_EXIT) == 1 &&
	       ((const struct systrace_exit *)(const void *)s.events[s.nr - 1])->code == SIGKILL,
	       "its EXIT is the last that is told");
	systrace_stats(s.st, -1, &stats);
	tap_ok(stats.made == s.nr && stats.attached == 0, "all that was made");
	stream_end(&s);
	gate_close(g);
}

/* ------------------------------------------------------------------- orphans --- */

static struct gate middle_gate, orphan_gate;

static void orphan(void)
{
	shared->orphan = getpid();
	prctl(PR_SET_PDEATHSIG, 0);
	gate_pass(orphan_gate);
	if (native_fork() == 0)
		syscall(SYS_exit_group, 0);
	gate_pass(orphan_gate);
	syscall(SYS_exit_group, 0);
}

/* A parent, which sleeps; its child, which ends at its gate; and the child's child. */
static pid_t begin_family(bool subreaper)
{
	pid_t pid, middle;

	middle_gate = gate_new();
	orphan_gate = gate_new();
	*shared = (struct shared){ 0 };
	pid = tap_fork();
	if (pid == 0) {
		prctl(PR_SET_CHILD_SUBREAPER, subreaper);
		middle = fork();
		if (middle == 0) {
			if (fork() == 0)
				orphan();
			gate_pass(middle_gate);
			_exit(0);
		}
		shared->middle = middle;
		sleep_on();
	}
	while (!*(volatile pid_t *)&shared->orphan)
		usleep(1000);
	tap_await_call(pid, NATIVE_PAUSE);
	tap_await_call(shared->middle, SYS_read);
	tap_await_call(shared->orphan, SYS_read);
	return pid;
}

static void end_family(struct stream *s)
{
	stream_end(s);
	gate_close(middle_gate);
	gate_close(orphan_gate);
}

/* Attached, and its parent has ended. Its number. */
static pid_t make_orphan(struct stream *s, pid_t pid)
{
	const struct systrace_fork *fork_;

	tap_ok(systrace_attach(s->st, pid, SYSTRACE_ATTACH_TREE) == 3, "three generations");
	gate_open(middle_gate, 1);
	tap_await_state(shared->middle, 'Z');
	gate_open(orphan_gate, 1);
	do
		stream_read(s);
	while (!stream_call(s, shared->orphan, SYSTRACE_ENTER, SYS_read, 0));
	fork_ = (const void *)stream_find(s, shared->orphan, SYSTRACE_FORK, 0);
	if (!fork_)
		tap_bail("no FORK");
	tap_await_state((pid_t)fork_->child, 'Z');	/* it counts no more */
	return shared->orphan;
}

/* It is told on to its end. */
static void finish_orphan(struct stream *s, pid_t orphan_pid)
{
	const struct systrace_fork *fork_;
	pid_t child;

	gate_open(orphan_gate, 1);
	stream_read_all(s);
	fork_ = (const void *)stream_find(s, orphan_pid, SYSTRACE_FORK, 0);
	child = fork_ ? (pid_t)fork_->child : 0;
	stream_tells(s, orphan_pid, "an orphan goes on", "TASK, RETURN read=1, ENTER " FORK ", FORK %d, "
		     "RETURN " FORK "=%d, ENTER read, RETURN read=1, ENTER exit_group, EXIT 0x0",
		     child, child);
	stream_tells(s, child, "and its child follows", CHILD(FORK) "ENTER exit_group, EXIT 0x0");
}

static void test_orphan(void)
{
	pid_t pid = begin_family(false), orphan_pid;
	struct stream s = stream_begin();

	orphan_pid = make_orphan(&s, pid);
	tap_ok(systrace_detach(s.st, pid, SYSTRACE_DETACH_TREE) == 1,
	       "it is no descendant any more: DETACH of the tree leaves it");
	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 1, "ATTACH does not mean it");
	tap_reap(pid);
	tap_ok(systrace_detach(s.st, pid, SYSTRACE_DETACH_TREE) == -ESRCH, "the root is gone");
	finish_orphan(&s, orphan_pid);
	stream_tells(&s, pid, "the root", "TASK, DETACH asked, TASK, RETURN " PAUSE "=-514, SIGNAL 9, "
		     "EXIT 0x9");
	end_family(&s);
}

static void test_subreaper(void)
{
	pid_t pid = begin_family(true), orphan_pid;
	struct stream s = stream_begin();

	orphan_pid = make_orphan(&s, pid);
	tap_ok(systrace_detach(s.st, pid, SYSTRACE_DETACH_TREE) == 2,
	       "an orphan that came to the root is its descendant");
	tap_ok(systrace_detach(s.st, orphan_pid, SYSTRACE_DETACH_TREE) == -ESRCH, "it is detached");
	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 2, "and ATTACH means it");
	stream_read(&s);
	tap_ok(stream_count(&s, orphan_pid, SYSTRACE_TASK) == 2 &&
	       ((const struct systrace_task *)(const void *)
		stream_find(&s, orphan_pid, SYSTRACE_TASK, 1))->ppid == (__u32)pid,
	       "TASK names its new parent");
	gate_open(orphan_gate, 1);
	tap_await_state(orphan_pid, 'Z');
	tap_reap(pid);
	end_family(&s);
}

/* --------------------------------------------------------- numbers used again --- */

/* A child with that number. */
static void fork_as(pid_t number, int call, int code)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0) {
		syscall(call);
		syscall(SYS_exit_group, code);
	}
	if (pid != number)
		syscall(SYS_exit_group, 99);
	syscall(SYS_wait4, number, NULL, 0, NULL);
}

/* One that nobody has. */
static pid_t free_number(void)
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static void test_reuse(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t number = free_number(), pid = tap_fork();
	size_t first = 0, second = 0;
	int status;

	if (pid == 0) {
		gate_pass(g);
		fork_as(number, SYS_getppid, 1);
		fork_as(number, SYS_getpid, 2);
		syscall(SYS_exit_group, 0);
	}
	tap_await_call(pid, SYS_read);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	gate_open(g, 1);
	stream_read_all(&s);
	waitpid(pid, &status, 0);
	if (status)
		tap_bail("no child of that number");
	stream_tells(&s, number, "two tasks, one after the other", CHILD("clone3") "ENTER getppid, "
		     "RETURN getppid=%d, ENTER exit_group, EXIT 0x100, " CHILD("clone3") ""
		     "ENTER getpid, RETURN getpid=%d, ENTER exit_group, EXIT 0x200", pid, number);
	for (size_t i = 0; i < s.nr; i++) {
		if (s.events[i]->type != SYSTRACE_FORK)
			continue;
		first = first ? first : (size_t)s.events[i]->seq;
		second = (size_t)s.events[i]->seq;
	}
	tap_ok(first && first < second && stream_find(&s, number, SYSTRACE_EXIT, 0) &&
	       second > stream_find(&s, number, SYSTRACE_EXIT, 0)->seq,
	       "the second's FORK comes after the first's EXIT");
	stream_end(&s);
	gate_close(g);
}

static void *nothing(void *arg)
{
	return arg;
}

static void fork_many(void)
{
	pthread_t id;
	pid_t pid;

	for (int i = 0; i < CHILDREN; i++) {
		pid = fork();
		if (pid == 0) {
			if (i % 2 && pthread_create(&id, NULL, nothing, NULL) == 0 && i % 4 == 1)
				pthread_join(id, NULL);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	_exit(0);
}

/* So few numbers that each is used several times. */
static void test_all_numbers(void)
{
	struct trail seen = trail_new_max();
	struct gate g = gate_new();
	struct stream s = stream_begin();
	unsigned *uses = calloc(TRAIL_TIDS, sizeof(*uses)), most = 0;
	char before[32];
	pid_t pid;

	tap_get(PID_MAX, before, sizeof(before));
	pid = tap_fork();
	if (pid == 0) {
		gate_pass(g);
		for (int i = 0; i < FORKERS; i++)
			if (fork() == 0)
				fork_many();
		while (wait(NULL) > 0)
			;
		_exit(0);
	}
	tap_await_call(pid, SYS_read);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	if (!uses || !tap_put(PID_MAX, LOW_PID_MAX))
		tap_bail("pid_max");
	gate_open(g, 1);
	stream_read_all(&s);
	tap_put(PID_MAX, before);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < s.nr; i++)
		if (s.events[i]->type == SYSTRACE_FORK) {
			__u32 child = ((const struct systrace_fork *)(const void *)s.events[i])->child;

			most = ++uses[child] > most ? uses[child] : most;
		}
	stream_trail(&s, &seen);
	tap_ok(seen.begun >= 1 + FORKERS * (1 + CHILDREN) && most >= 3,
	       "all numbers are used again and again");
	tap_note("%lu tasks, %u with the same number", seen.begun, most);
	trail_check(&seen, "numbers");
	stream_end(&s);
	gate_close(g);
	free(uses);
}

int main(void)
{
	tap_patience(PATIENCE);
	shared = stream_shared(sizeof(*shared));
	if (!tap_put("/proc/sys/kernel/core_pattern", "core") ||
	    !tap_put("/proc/sys/kernel/core_uses_pid", "0"))
		tap_bail("core_pattern");
	stream_keep_probes();
	test_each();
	test_teams();
	test_leader_first();
	test_blocked();
	test_orphan();
	test_subreaper();
	test_reuse();
	test_all_numbers();
	return tap_end();
}
