// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ATTACH and DETACH refuse, and who may trace whom. After each refusal as
 * many tasks are attached as before.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tap.h"

#define USER	1000
#define RING	65536

static int session(void)
{
	int fd = tap_open(O_RDWR);

	tap_setup(fd, RING);
	return fd;
}

static long attach(int fd, __u32 mode, pid_t pid)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = mode, .pid = pid };
	int ret = ioctl(fd, SYSTRACE_IOC_ATTACH, &args);

	return ret ? ret : (long)args.attached;
}

static long detach(int fd, __u32 mode, pid_t pid)
{
	struct systrace_detach_args args = { .size = sizeof(args), .mode = mode, .pid = pid };
	int ret = ioctl(fd, SYSTRACE_IOC_DETACH, &args);

	return ret ? ret : (long)args.detached;
}

static struct systrace_stats stats_of(int fd)
{
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };

	if (ioctl(fd, SYSTRACE_IOC_STATS, &stats))
		tap_bail("STATS");
	return stats;
}

static void refuses(long (*call)(int, __u32, pid_t), int fd, __u32 mode, pid_t pid, int want,
		    const char *what)
{
	struct systrace_stats before = stats_of(fd), after;
	long ret = call(fd, mode, pid);
	int error = errno;

	after = stats_of(fd);
	if (memcmp(&before, &after, sizeof(after)))
		tap_ok(false, "%s has had an effect", what);
	errno = error;
	tap_errno(ret, want, what);
}

static pid_t gone(void)
{
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

static pid_t zombie(void)
{
	siginfo_t info;
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	return pid;
}

static void test_arguments(int fd)
{
	pid_t self = getpid();

	refuses(attach, fd, 3, self, EINVAL, "ATTACH with an unknown mode");
	refuses(attach, fd, ~0U, self, EINVAL, "ATTACH with the largest mode");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, 0, EINVAL, "ATTACH TREE of 0");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, -self, EINVAL, "ATTACH TREE of -pid");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, INT_MIN, EINVAL, "ATTACH TREE of the least pid");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, 0, EINVAL, "ATTACH TASK of 0");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, -1, EINVAL, "ATTACH TASK of -1");
	refuses(attach, fd, SYSTRACE_ATTACH_EXEC, self, EINVAL, "ATTACH EXEC of a pid");
	refuses(attach, fd, SYSTRACE_ATTACH_EXEC, -1, EINVAL, "ATTACH EXEC of -1");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, 2, EINVAL, "ATTACH TREE of a kernel thread");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, 2, EINVAL, "ATTACH TASK of a kernel thread");
	refuses(detach, fd, 3, self, EINVAL, "DETACH with an unknown mode");
	refuses(detach, fd, ~0U, self, EINVAL, "DETACH with the largest mode");
	refuses(detach, fd, SYSTRACE_DETACH_TREE, 0, EINVAL, "DETACH TREE of 0");
	refuses(detach, fd, SYSTRACE_DETACH_TREE, -self, EINVAL, "DETACH TREE of -pid");
	refuses(detach, fd, SYSTRACE_DETACH_TASK, 0, EINVAL, "DETACH TASK of 0");
	refuses(detach, fd, SYSTRACE_DETACH_TASK, -1, EINVAL, "DETACH TASK of -1");
	refuses(detach, fd, SYSTRACE_DETACH_ALL, self, EINVAL, "DETACH ALL of a pid");
	refuses(detach, fd, SYSTRACE_DETACH_ALL, -1, EINVAL, "DETACH ALL of -1");
}

static void test_no_task(int fd)
{
	pid_t dead = gone(), undead = zombie(), other = tap_sleeper();

	refuses(attach, fd, SYSTRACE_ATTACH_TREE, dead, ESRCH, "ATTACH TREE of a task gone");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, dead, ESRCH, "ATTACH TASK of a task gone");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, INT_MAX, ESRCH, "ATTACH TASK of no pid");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, undead, ESRCH, "ATTACH TREE of a zombie");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, undead, ESRCH, "ATTACH TASK of a zombie");
	refuses(detach, fd, SYSTRACE_DETACH_TREE, dead, ESRCH, "DETACH TREE of a task gone");
	refuses(detach, fd, SYSTRACE_DETACH_TASK, dead, ESRCH, "DETACH TASK of a task gone");
	refuses(detach, fd, SYSTRACE_DETACH_TASK, undead, ESRCH, "DETACH TASK of a zombie");
	refuses(detach, fd, SYSTRACE_DETACH_TREE, other, ESRCH, "DETACH TREE of one not attached");
	refuses(detach, fd, SYSTRACE_DETACH_TASK, other, ESRCH, "DETACH TASK of one not attached");
	tap_ok(detach(fd, SYSTRACE_DETACH_ALL, 0) == 0, "DETACH ALL of none: success");
	waitpid(undead, NULL, 0);
	tap_reap(other);
}

static void test_twice(int fd)
{
	pid_t one = tap_sleeper(), two = tap_sleeper();

	tap_ok(attach(fd, SYSTRACE_ATTACH_TASK, one) == 1, "ATTACH TASK");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, one, EEXIST, "ATTACH TASK again");
	tap_ok(attach(fd, SYSTRACE_ATTACH_TREE, one) == 1, "ATTACH TREE of one attached alone");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, one, EEXIST, "and again");
	tap_ok(attach(fd, SYSTRACE_ATTACH_TREE, two) == 1, "ATTACH TREE");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, two, EEXIST, "ATTACH TREE again");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, two, EEXIST, "ATTACH TASK of an attached tree");
	refuses(detach, fd, SYSTRACE_DETACH_ALL, two, EINVAL, "DETACH ALL of an attached pid");
	tap_ok(stats_of(fd).attached == 2, "two are attached");
	tap_ok(detach(fd, SYSTRACE_DETACH_TASK, one) == 1, "DETACH TASK");
	refuses(detach, fd, SYSTRACE_DETACH_TASK, one, ESRCH, "DETACH TASK again");
	tap_ok(detach(fd, SYSTRACE_DETACH_ALL, 0) == 1, "DETACH ALL of the other");
	tap_ok(attach(fd, SYSTRACE_ATTACH_EXEC, 0) == 1, "ATTACH EXEC");
	refuses(attach, fd, SYSTRACE_ATTACH_EXEC, 0, EEXIST, "ATTACH EXEC again");
	tap_ok(detach(fd, SYSTRACE_DETACH_TASK, getpid()) == 1, "DETACH of one that waits");
	tap_reap(one);
	tap_reap(two);
}

/* ------------------------------------------------------------- permission --- */

static void become_user(void)
{
	if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		tap_bail("cannot become user %d", USER);
}

/* A task of the user, which others of the user may look into, or not. */
static pid_t user_sleeper(bool dumpable)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0) {
		become_user();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, dumpable);
		if (write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	if (read(ready[0], &c, 1) != 1)
		tap_bail("no task of the user");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* One that root set up was handed to the user. */
static void test_as_user(int roots, pid_t mine, pid_t closed, pid_t theirs)
{
	int fd = session();
	pid_t child;

	refuses(attach, fd, SYSTRACE_ATTACH_TREE, 1, EPERM, "a user's ATTACH TREE of root's");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, theirs, EPERM, "a user's ATTACH TASK of root's");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, closed, EPERM,
		"a user's ATTACH TASK of one not dumpable");
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, closed, EPERM,
		"a user's ATTACH TREE of one not dumpable");
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, 2, EINVAL, "a user's ATTACH of a kernel thread");
	refuses(attach, roots, SYSTRACE_ATTACH_TASK, theirs, EPERM,
		"ATTACH of root's by root's descriptor in a user's hands");
	tap_ok(attach(fd, SYSTRACE_ATTACH_TASK, mine) == 1, "a user's ATTACH of the user's own");
	tap_ok(attach(roots, SYSTRACE_ATTACH_TASK, mine) == -1 && errno == EPERM,
	       "root's descriptor, which is not the user's, does not do for that");
	tap_ok(detach(fd, SYSTRACE_DETACH_ALL, 0) == 1, "and DETACH");
	/* Not dumpable since the change of user: no exec of ours can change that. */
	refuses(attach, fd, SYSTRACE_ATTACH_EXEC, 0, EPERM, "ATTACH EXEC when not dumpable");
	prctl(PR_SET_DUMPABLE, 1);
	child = tap_sleeper();
	tap_ok(attach(fd, SYSTRACE_ATTACH_TREE, getpid()) == 2, "ATTACH TREE of oneself and child");
	tap_reap(child);
	close(fd);
}

static void test_node(void)
{
	int fd;

	fd = open(SYSTRACE_DEVICE, O_RDWR);
	tap_errno(fd, EACCES, "a user's open of a node for others");
}

/* As another user, in a child. The numbers go on in us. */
static void as_user(void (*test)(int *args), int *args)
{
	int status;
	pid_t pid = tap_fork();

	if (pid == 0) {
		become_user();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		test(args);
		_exit(tap_failed ? 255 : tap_number & 127);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
		tap_bail("the user's part failed");
	tap_number = WEXITSTATUS(status);
}

static void user_part(int *args)
{
	test_as_user(args[0], args[1], args[2], args[3]);
}

static void node_part(int *args)
{
	(void)args;
	test_node();
}

/* The session was opened by a user, and root calls. */
static void open_part(int *args)
{
	int fd = session();

	if (dup2(fd, args[0]) < 0)
		tap_bail("dup2");
}

static void test_users_session(pid_t theirs)
{
	pid_t pid;
	int fd;

	/* In our descriptor table, by the other's credentials. */
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		become_user();
		open_part((int[]){ 100 });
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	fd = 100;
	refuses(attach, fd, SYSTRACE_ATTACH_TASK, theirs, EPERM,
		"ATTACH of root's, called by root, by a user's descriptor");
	close(fd);
}

static void test_permission(int fd)
{
	int args[4] = { fd, user_sleeper(true), user_sleeper(false), tap_sleeper() };

	chmod(SYSTRACE_DEVICE, 0660);
	as_user(node_part, args);
	chmod(SYSTRACE_DEVICE, 0666);
	as_user(user_part, args);
	test_users_session(args[3]);
	chmod(SYSTRACE_DEVICE, 0660);
	tap_ok(attach(fd, SYSTRACE_ATTACH_TASK, args[2]) == 1, "root may trace even that");
	for (int i = 1; i < 4; i++)
		tap_reap(args[i]);
}

int main(void)
{
	int fd = session();

	alarm(120);
	test_arguments(fd);
	test_no_task(fd);
	test_twice(fd);
	test_permission(fd);
	close(fd);
	return tap_end();
}
