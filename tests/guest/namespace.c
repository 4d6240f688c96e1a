// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbers are those of the pid namespace that opened the session: 0 for a task that
 * it cannot see, never the number of another namespace.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/syscall.h>

#include "tap.h"

#define RING	(1 << 20)

/* A process that makes 10 calls for each byte it gets, and answers. */
struct worker {
	pid_t pid;
	int ask, answer;
};

static void work(int ask, int answer)
{
	char c;

	while (read(ask, &c, 1) == 1) {
		pid_t child = c == 'f' ? fork() : -1;

		for (int i = 0; i < 10; i++)
			syscall(SYS_getppid);
		if (child == 0)
			_exit(getpid() == 1 ? 1 : 0);
		if (c == 'u' && unshare(CLONE_NEWPID))
			_exit(2);
		if (child > 0)
			waitpid(child, NULL, 0);
		if (write(answer, &child, sizeof(child)) != sizeof(child))
			break;
	}
	_exit(0);
}

static struct worker begin_worker(void)
{
	int ask[2], answer[2];
	struct worker w;

	if (pipe(ask) || pipe(answer))
		tap_bail("pipe");
	w = (struct worker){ .pid = tap_fork(), .ask = ask[1], .answer = answer[0] };
	if (w.pid == 0)
		work(ask[0], answer[1]);
	return w;
}

/* The child's number, as the worker's namespace has it. */
static pid_t tell(struct worker w, char what)
{
	pid_t child;

	if (write(w.ask, &what, 1) != 1 || read(w.answer, &child, sizeof(child)) != sizeof(child))
		tap_bail("a worker is gone");
	return child;
}

/* What the stream has since the last look. */
struct found {
	__u32 tids[8];		/* of ENTERs, each once, in the order of the first */
	unsigned nr;
	__u32 child, child_tgid;	/* of the last FORK */
	struct systrace_task task;	/* the last TASK */
};

static void add_tid(struct found *f, __u32 tid)
{
	for (unsigned i = 0; i < f->nr; i++)
		if (f->tids[i] == tid)
			return;
	if (f->nr < COUNT(f->tids))
		f->tids[f->nr++] = tid;
}

static struct found find(struct systrace *st)
{
	struct found f = { .task.tgid = ~0U };
	const struct systrace_event *e;

	while ((e = systrace_next(st))) {
		const struct systrace_fork *fork = (const void *)e;

		if (e->type == SYSTRACE_ENTER)
			add_tid(&f, e->tid);
		if (e->type == SYSTRACE_TASK)
			f.task = *(const struct systrace_task *)(const void *)e;
		if (e->type == SYSTRACE_FORK) {
			f.child = fork->child;
			f.child_tgid = fork->tgid;
		}
	}
	systrace_release(st);
	return f;
}

/* ------------------------------------------------------------------- tests --- */

static struct systrace *session(void)
{
	return tap_session((struct systrace_options){ .ring_bytes = RING });
}

/* By numbers of our own namespace; its processes are 1, us, 2 ... */
static void test_own_numbers(pid_t outside)
{
	struct systrace *st = session();
	struct worker w = begin_worker();
	struct found f;
	pid_t child;

	tap_ok(getpid() == 1 && w.pid == 2, "we are process 1 of a pid namespace");
	tap_ok(systrace_attach(st, outside, SYSTRACE_ATTACH_TREE) == -ESRCH,
	       "the number of a task outside means nothing in it");
	tap_ok(systrace_attach(st, w.pid, SYSTRACE_ATTACH_TREE) == 1, "one of its own does");
	f = find(st);
	tap_ok(f.task.event.tid == 2 && f.task.tgid == 2 && f.task.ppid == 1,
	       "TASK has the namespace's numbers");
	child = tell(w, 'f');
	f = find(st);
	tap_ok(f.child == (__u32)child && f.child_tgid == f.child && f.child < 10,
	       "and so has FORK");
	tap_ok(f.nr == 2 && f.tids[0] == 2 && f.tids[1] == f.child, "and all that follows");

	/* What the worker forks from now on is process 1 of a namespace within. */
	tell(w, 'u');
	find(st);
	child = tell(w, 'f');
	f = find(st);
	tap_ok(child > 1 && f.child == (__u32)child && f.nr == 2 && f.tids[1] == f.child,
	       "process 1 of a namespace within has our number");
	tap_reap(w.pid);
	systrace_close(st);
}

static void test_parent_outside(void)
{
	struct systrace *st = session();
	struct found f;

	if (systrace_attach(st, 1, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	f = find(st);
	tap_ok(f.task.event.tid == 1 && f.task.ppid == 0, "a parent outside is 0");
	systrace_close(st);
}

/* One that we cannot see can only come by a descriptor. */
static void test_outside(struct worker outside, int pidfd)
{
	struct systrace *st = session();
	struct found f;

	tap_ok(systrace_attach_pidfd(st, pidfd, SYSTRACE_ATTACH_TREE) == 1,
	       "a task outside, by its pidfd");
	f = find(st);
	tap_ok(f.task.event.tid == 0 && f.task.tgid == 0 && f.task.ppid == 0, "is 0");
	tell(outside, 'f');
	f = find(st);
	tap_ok(f.child == 0 && f.child_tgid == 0 && f.nr == 1 && f.tids[0] == 0,
	       "and so is its child");
	tap_ok(systrace_detach_pidfd(st, pidfd, SYSTRACE_DETACH_TREE) == 1, "it can be detached");
	systrace_close(st);
}

/* Our status goes on with the numbers of the tests. */
static void inside(struct systrace *st, struct worker outside, int pidfd)
{
	struct systrace_attach_args args = { .size = sizeof(args), .pid = outside.pid };

	alarm(100);
	test_own_numbers(outside.pid);
	test_parent_outside();
	test_outside(outside, pidfd);
	tap_ok(ioctl(systrace_fd(st), SYSTRACE_IOC_ATTACH, &args) == 0,
	       "in a session opened outside, numbers are those outside");
	_exit(tap_failed ? 255 : tap_number);
}

int main(void)
{
	struct worker outside = begin_worker();
	struct systrace *st = session();
	int status, pidfd = (int)syscall(SYS_pidfd_open, outside.pid, 0);
	struct found f;
	pid_t pid;

	if (pidfd < 0 || unshare(CLONE_NEWPID))
		tap_bail("no pid namespaces");
	pid = tap_fork();
	if (pid == 0)
		inside(st, outside, pidfd);
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
		tap_bail("the part inside failed");
	tap_number = WEXITSTATUS(status);
	f = find(st);
	tap_ok(f.task.tgid == (__u32)outside.pid && f.task.ppid == (__u32)getpid(),
	       "whoever calls ATTACH");
	tap_reap(outside.pid);
	systrace_close(st);
	return tap_end();
}
