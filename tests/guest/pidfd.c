// SPDX-License-Identifier: GPL-2.0-or-later
/* ATTACH and DETACH by a descriptor: a pidfd; and what they refuse of descriptors. */
#define _GNU_SOURCE
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "tap.h"

#define ROOT	"/sys/fs/cgroup"
#define RING	(1 << 20)

static struct systrace *session(void)
{
	return tap_session((struct systrace_options){ .ring_bytes = RING });
}

static int pidfd_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		tap_bail("pidfd_open");
	return fd;
}

static int folder(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		tap_bail("%s", path);
	return fd;
}

static void test_pidfd(void)
{
	struct systrace *st = session();
	pid_t pid = tap_sleeper();
	const struct systrace_event *e;
	int fd = pidfd_of(pid);

	tap_ok(systrace_attach_pidfd(st, fd, SYSTRACE_ATTACH_TREE) == 1, "ATTACH by pidfd");
	tap_ok(systrace_attach_pidfd(st, fd, SYSTRACE_ATTACH_TREE) == -EEXIST, "and again: EEXIST");
	e = systrace_next(st);
	tap_ok(e && e->type == SYSTRACE_TASK && e->tid == (__u32)pid, "it is that task");
	systrace_release(st);
	tap_ok(systrace_detach_pidfd(st, fd, SYSTRACE_DETACH_TREE) == 1, "DETACH by pidfd");
	tap_ok(systrace_detach_pidfd(st, fd, SYSTRACE_DETACH_TASK) == -ESRCH, "and again: ESRCH");
	tap_ok(systrace_attach_pidfd(st, fd, SYSTRACE_ATTACH_TASK) == 1, "ATTACH TASK by pidfd");
	tap_reap(pid);
	tap_ok(systrace_attach_pidfd(st, fd, SYSTRACE_ATTACH_TREE) == -ESRCH,
	       "a pidfd of a task that is gone: ESRCH");
	close(fd);
	systrace_close(st);
}

static void test_no_pidfds(void)
{
	struct systrace *st = session();
	char self[32];
	int fds[6], pipes[2];

	snprintf(self, sizeof(self), "/proc/%d", getpid());
	fds[0] = folder(self);
	fds[1] = folder(ROOT);
	fds[2] = eventfd(0, 0);
	fds[3] = open("/proc/self/exe", O_RDONLY);
	fds[4] = pipe(pipes) ? -1 : pipes[0];
	fds[5] = systrace_fd(st);
	for (size_t i = 0; i < COUNT(fds); i++)
		tap_ok(systrace_attach_pidfd(st, fds[i], SYSTRACE_ATTACH_TREE) == -EBADF,
		       "a descriptor that is no pidfd, %zu: EBADF", i);
	tap_ok(systrace_attach_pidfd(st, 999, SYSTRACE_ATTACH_TREE) == -EBADF, "a closed one: EBADF");
	tap_ok(systrace_attach_pidfd(st, -1, SYSTRACE_ATTACH_TREE) == -EBADF, "-1: EBADF");
	tap_ok(systrace_attach_pidfd(st, fds[2], SYSTRACE_ATTACH_EXEC) == -EINVAL,
	       "EXEC of a descriptor: EINVAL");
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
	close(pipes[0]);
	close(pipes[1]);
	systrace_close(st);
}

static int raw(struct systrace *st, unsigned long call, struct systrace_attach_args args)
{
	args.size = sizeof(args);	/* the two structures are the same but for a name */
	return ioctl(systrace_fd(st), call, &args) ? -errno : 0;
}

static void test_words(unsigned long call, const char *name)
{
	struct systrace *st = session();
	int self = pidfd_of(getpid()), box = folder(ROOT);

	tap_ok(raw(st, call, (struct systrace_attach_args){ .fd = self, .pid = getpid() }) == -EINVAL,
	       "%s with a descriptor and no flag: EINVAL", name);
	tap_ok(raw(st, call, (struct systrace_attach_args){
		       .flags = SYSTRACE_BY_PIDFD, .fd = self, .pid = getpid() }) == -EINVAL,
	       "%s with pidfd and pid: EINVAL", name);
	tap_ok(raw(st, call, (struct systrace_attach_args){
		       .flags = SYSTRACE_BY_CGROUP, .fd = box, .pid = getpid() }) == -EINVAL,
	       "%s with cgroup and pid: EINVAL", name);
	tap_ok(raw(st, call, (struct systrace_attach_args){
		       .flags = SYSTRACE_BY_PIDFD | SYSTRACE_BY_CGROUP, .fd = self }) == -EINVAL,
	       "%s with both flags: EINVAL", name);
	tap_ok(raw(st, call, (struct systrace_attach_args){
		       .flags = SYSTRACE_BY_CGROUP, .mode = 1, .fd = box }) == -EINVAL,
	       "%s of one task by a cgroup: EINVAL", name);
	tap_ok(raw(st, call, (struct systrace_attach_args){
		       .flags = SYSTRACE_BY_CGROUP, .mode = 2, .fd = box }) == -EINVAL,
	       "%s of the last mode by a cgroup: EINVAL", name);
	close(self);
	close(box);
	systrace_close(st);
}

int main(void)
{
	alarm(100);
	test_pidfd();
	test_no_pidfds();
	test_words(SYSTRACE_IOC_ATTACH, "ATTACH");
	test_words(SYSTRACE_IOC_DETACH, "DETACH");
	return tap_end();
}
