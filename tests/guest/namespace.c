// SPDX-License-Identifier: GPL-2.0-or-later
/* ATTACH across pid namespaces: numbers are those of the session's opener, or 0. */
#define _GNU_SOURCE
#include <sched.h>

#include "stream.h"

#define HANDED	100	/* a descriptor that both sides have */

static struct shared {
	pid_t orphan, outer;
	int outer_fd;		/* the same, as a pidfd */
	atomic_int step;
	bool good;
} *shared;

static void await_step(int step)
{
	while (atomic_load(&shared->step) != step)
		usleep(1000);
}

/* A fork into a pid namespace of its own; flags go with it. The child dies with us. */
static pid_t fork_into_namespace(unsigned long flags)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD | flags, 0, 0, 0, 0);

	if (pid < 0)
		tap_bail("clone");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* Our number in the first namespace, whose /proc this is. */
static pid_t outer_number(void)
{
	char text[16] = "";

	if (readlink("/proc/self", text, sizeof(text) - 1) < 0)
		tap_bail("/proc/self");
	return (pid_t)strtol(text, NULL, 10);
}

/* ------------------------------------------------------------- from outside --- */

static void orphan(struct gate g)
{
	char text[16];

	shared->orphan = outer_number();
	gate_pass(g);
	if (native_fork() == 0) {
		syscall(SYS_readlinkat, AT_FDCWD, "/proc/self", text, sizeof(text));
		syscall(SYS_exit_group, 0);
	}
	gate_pass(g);
	_exit(0);
}

/* Number 1 of its namespace, with a child whose parent, number 2, has ended. */
static pid_t namespace_with_orphan(struct gate g)
{
	pid_t pid = fork_into_namespace(0);

	if (pid == 0) {
		pid_t parent = fork();

		if (parent == 0) {
			if (fork() == 0)
				orphan(g);
			while (!shared->orphan)
				usleep(1000);
			_exit(0);
		}
		waitpid(parent, NULL, 0);
		for (;;)
			pause();
	}
	tap_await_call(pid, NATIVE_PAUSE);
	tap_await_call(shared->orphan, SYS_read);
	return pid;
}

static void test_outside(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t pid = namespace_with_orphan(g), child;
	const struct systrace_fork *fork_;
	const struct systrace_task *task;

	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 2,
	       "a namespace's first process, and an orphan that came to it");
	stream_read(&s);
	task = (const void *)stream_find(&s, shared->orphan, SYSTRACE_TASK, 0);
	tap_ok(task && task->tgid == (__u32)shared->orphan && task->ppid == (__u32)pid,
	       "TASK has outer numbers");
	gate_open(g, 1);
	do
		stream_read(&s);
	while (!(fork_ = (const void *)stream_find(&s, shared->orphan, SYSTRACE_FORK, 0)));
	child = (pid_t)fork_->child;
	tap_ok(fork_->tgid == (__u32)child, "FORK has them, too");
	tap_await_state(child, 'Z');
	tap_await_call(shared->orphan, SYS_read);
	tap_ok(systrace_detach(s.st, pid, SYSTRACE_DETACH_TREE) == 2, "both are detached");
	stream_read(&s);
	stream_tells(&s, shared->orphan, "the orphan", "TASK, RETURN read=1, ENTER " FORK ", FORK %d, "
		     "RETURN " FORK "=4, ENTER read, DETACH asked", child);
	stream_tells(&s, child, "its child", CHILD(FORK) "ENTER readlinkat, RETURN readlinkat=%d, "
		     "ENTER exit_group, EXIT 0x0", snprintf(NULL, 0, "%d", child));
	stream_tells(&s, pid, "the first process", "TASK, DETACH asked");
	stream_end(&s);
	tap_reap(pid);
	gate_close(g);
}

/* -------------------------------------------------------------- from inside --- */

static void test_inside(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	const struct systrace_task *task;
	const struct systrace_fork *fork_;
	pid_t pid = tap_fork();

	if (pid == 0) {
		gate_pass(g);
		if (native_fork() == 0)
			syscall(SYS_exit_group, 3);
		_exit(0);
	}
	tap_ok(systrace_attach(s.st, shared->outer, SYSTRACE_ATTACH_TASK) == -ESRCH,
	       "inside, an outer number is nobody's");
	tap_ok(pid == 2 && systrace_attach(s.st, 2, SYSTRACE_ATTACH_TREE) == 1, "an inner one is");
	gate_open(g, 1);
	stream_read_all(&s);
	task = (const void *)stream_find(&s, 2, SYSTRACE_TASK, 0);
	fork_ = (const void *)stream_find(&s, 2, SYSTRACE_FORK, 0);
	tap_ok(task && task->tgid == 2 && task->ppid == 1, "TASK has inner numbers");
	tap_ok(fork_ && fork_->child == 3 && fork_->tgid == 3, "FORK has them, too");
	tap_ok(stream_count(&s, 3, SYSTRACE_EXIT) == 1 && stream_count(&s, 2, SYSTRACE_EXIT) == 1,
	       "and so has all that follows");
	stream_end(&s);
	gate_close(g);
}

/* Whom we cannot see can only come by a descriptor. */
static void test_unseen(void)
{
	struct stream s = stream_begin();
	const struct systrace_task *task;

	if (systrace_attach(s.st, 1, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("ATTACH");
	stream_read(&s);
	task = (const void *)stream_find(&s, 1, SYSTRACE_TASK, 0);
	tap_ok(task && task->ppid == 0, "a parent outside is 0");
	tap_ok(systrace_attach_pidfd(s.st, shared->outer_fd, SYSTRACE_ATTACH_TASK) == 1,
	       "a task outside, by its pidfd");
	stream_read(&s);
	task = (const void *)stream_find(&s, 0, SYSTRACE_TASK, 0);
	tap_ok(task && task->tgid == 0 && task->ppid == 0, "is 0");
	tap_ok(systrace_detach_pidfd(s.st, shared->outer_fd, SYSTRACE_DETACH_TASK) == 1,
	       "and can be detached by it");
	stream_end(&s);
}

static void test_deeper(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t pid = fork_into_namespace(0);

	if (pid == 0) {
		gate_pass(g);
		syscall(SYS_getpid);
		_exit(0);
	}
	if (systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("ATTACH");
	gate_open(g, 1);
	stream_read_all(&s);
	tap_ok(stream_call(&s, pid, SYSTRACE_RETURN, SYS_getpid, 0) &&
	       ((const struct systrace_return *)(const void *)
		stream_call(&s, pid, SYSTRACE_RETURN, SYS_getpid, 0))->result == 1,
	       "what is 1 in its own namespace has our number");
	stream_end(&s);
	gate_close(g);
}

static void run_inside(void (*test)(void))
{
	pid_t pid;

	shared->outer = getpid();
	shared->outer_fd = (int)syscall(SYS_pidfd_open, shared->outer, 0);
	pid = fork_into_namespace(0);
	if (pid == 0) {
		test();
		tap_leave();
	}
	tap_join(pid);
	close(shared->outer_fd);
}

/* ----------------------------------------------- a session of inside, outside --- */

static void open_and_read(void)
{
	struct stream s = stream_begin();
	unsigned others = 0;

	if (dup2(systrace_fd(s.st), HANDED) < 0)
		tap_bail("dup2");
	atomic_store(&shared->step, 1);
	await_step(2);
	stream_read_all(&s);
	for (size_t i = 0; i < s.nr; i++)
		others += s.events[i]->tid != 0;
	shared->good = !others && stream_count(&s, 0, SYSTRACE_EXEC) == 1 &&
		       stream_count(&s, 0, SYSTRACE_EXIT) == 1;
	_exit(0);
}

static int attach_by(__u32 mode, pid_t pid)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = mode, .pid = pid };

	return ioctl(HANDED, SYSTRACE_IOC_ATTACH, &args);
}

static void test_handed(void)
{
	pid_t pid, reader = fork_into_namespace(CLONE_FILES);
	int status;

	if (reader == 0)
		open_and_read();
	await_step(1);
	tap_errno(attach_by(SYSTRACE_ATTACH_TASK, getpid()), ESRCH,
		  "a session from inside, an outer number");
	pid = tap_fork();
	if (pid == 0) {
		if (attach_by(SYSTRACE_ATTACH_EXEC, 0) == 0)
			execl("/proc/self/exe", "namespace", "quit", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	tap_ok(status == 0, "an outer task attaches itself to it");
	atomic_store(&shared->step, 2);
	waitpid(reader, &status, 0);
	tap_ok(status == 0 && shared->good, "its reader sees a task that has no number");
	close(HANDED);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "quit"))
		return 0;
	tap_patience(120);
	shared = stream_shared(sizeof(*shared));
	stream_keep_probes();
	test_outside();
	run_inside(test_inside);
	run_inside(test_unseen);
	run_inside(test_deeper);
	test_handed();
	return tap_end();
}
