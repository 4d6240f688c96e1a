// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What ATTACH and DETACH refuse; who may trace whom is in access.c. After each
 * refusal as many tasks are attached as before.
 */
#define _GNU_SOURCE
#include <limits.h>

#include "who.h"

#define CGROUP	"/sys/fs/cgroup/refuse"
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

/* So many sessions of a user have a task, and as many more of who may trace all. */
static int fill(pid_t pid, unsigned limit, const char *whose)
{
	int fd = session(), last = fd;
	unsigned n = 0;

	while (attach(fd, SYSTRACE_ATTACH_TASK, pid) == 1 && n < 2 * limit) {
		n++;
		last = fd;
		fd = tap_open(O_RDWR);
		tap_setup(fd, 4096);
	}
	tap_ok(errno == EUSERS && n == limit, "%s: EUSERS after %u", whose, n);
	refuses(attach, fd, SYSTRACE_ATTACH_TREE, pid, EUSERS, "ATTACH TREE, too");
	return last;
}

/* It does not come in by a cgroup either, but is counted. */
static void test_member(pid_t task)
{
	struct systrace_attach_args args = { .size = sizeof(args), .flags = SYSTRACE_BY_CGROUP };
	struct systrace_stats stats;
	int fd = session();
	char text[16];

	mkdir(CGROUP, 0755);
	args.fd = open(CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", task);
	if (args.fd < 0 || ioctl(fd, SYSTRACE_IOC_ATTACH, &args) ||
	    !tap_put(CGROUP "/cgroup.procs", text))
		tap_bail("cgroup");
	stats = stats_of(fd);
	tap_ok(!stats.attached && stats.uncovered == 1,
	       "who joins a cgroup and has too many sessions is counted: %u attached, %u not",
	       stats.attached, stats.uncovered);
	close(args.fd);
	close(fd);
}

static void test_many(void)
{
	pid_t pid, task = tap_fork();
	int done[2], last;

	if (task == 0) {
		who_user();
		for (;;)
			usleep(1000);
	}
	tap_await_call(task, SYS_clock_nanosleep);
	if (pipe(done))
		tap_bail("pipe");
	who_admit();
	pid = tap_fork();
	if (pid == 0) {
		who_user();
		fill(task, 128, "sessions of a user");
		if (write(done[1], &tap_number, sizeof(tap_number)) > 0)
			for (;;)
				pause();
	}
	if (read(done[0], &tap_number, sizeof(tap_number)) != sizeof(tap_number))
		tap_bail("no sessions of a user");
	last = fill(task, 128, "and of root");
	test_member(task);
	while (!stats_of(last).lost[SYSTRACE_LOST_FULL])
		usleep(1000);
	/* Each has losses to tell, and a work that waits for one on a CPU. */
	tap_reap(task);
	tap_ok(stats_of(last).attached == 0, "all of them end at once");
	tap_reap(pid);
}

int main(void)
{
	int fd = session();

	alarm(120);
	test_arguments(fd);
	test_no_task(fd);
	test_twice(fd);
	test_many();
	close(fd);
	return tap_end();
}
