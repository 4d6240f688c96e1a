// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is one ioctl each. Any thread may call these. */
#include <errno.h>
#include <sys/ioctl.h>

#include "handle.h"

int systrace_ioctl(const struct systrace *st, unsigned long request, void *arg)
{
	int ret;

	/* The driver's calls end soon, but can be interrupted: then nothing has happened. */
	do
		ret = ioctl(st->fd, request, arg);
	while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

static int attach(struct systrace *st, struct systrace_attach_args args)
{
	int ret;

	args.size = sizeof(args);
	ret = systrace_ioctl(st, SYSTRACE_IOC_ATTACH, &args);
	return ret < 0 ? ret : (int)args.attached;
}

int systrace_attach(struct systrace *st, pid_t pid, enum systrace_attach_mode mode)
{
	return attach(st, (struct systrace_attach_args){ .mode = mode, .pid = pid });
}

int systrace_attach_pidfd(struct systrace *st, int pidfd, enum systrace_attach_mode mode)
{
	return attach(st, (struct systrace_attach_args){
		.flags = SYSTRACE_BY_PIDFD, .mode = mode, .fd = pidfd });
}

int systrace_attach_cgroup(struct systrace *st, int fd)
{
	return attach(st, (struct systrace_attach_args){ .flags = SYSTRACE_BY_CGROUP, .fd = fd });
}

static int detach(struct systrace *st, struct systrace_detach_args args)
{
	int ret;

	args.size = sizeof(args);
	ret = systrace_ioctl(st, SYSTRACE_IOC_DETACH, &args);
	return ret < 0 ? ret : (int)args.detached;
}

int systrace_detach(struct systrace *st, pid_t pid, enum systrace_detach_mode mode)
{
	return detach(st, (struct systrace_detach_args){ .mode = mode, .pid = pid });
}

int systrace_detach_pidfd(struct systrace *st, int pidfd, enum systrace_detach_mode mode)
{
	return detach(st, (struct systrace_detach_args){
		.flags = SYSTRACE_BY_PIDFD, .mode = mode, .fd = pidfd });
}

int systrace_detach_cgroup(struct systrace *st, int fd)
{
	return detach(st, (struct systrace_detach_args){ .flags = SYSTRACE_BY_CGROUP, .fd = fd });
}

int systrace_policy(struct systrace *st, const struct systrace_rule *rules, unsigned nr_rules)
{
	struct systrace_policy policy = {
		.size = sizeof(policy),
		.rules = (uintptr_t)rules,
		.nr_rules = nr_rules,
	};

	return systrace_ioctl(st, SYSTRACE_IOC_POLICY, &policy);
}

int systrace_pause(struct systrace *st)
{
	struct systrace_op op = { .size = sizeof(op) };
	int ret;

	pthread_mutex_lock(&st->pausing);
	ret = systrace_ioctl(st, SYSTRACE_IOC_PAUSE, &op);
	if (!ret)	/* nothing is overwritten from here on */
		__atomic_store_n(&st->latest.in_place, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&st->pausing);
	return ret;
}

int systrace_resume(struct systrace *st)
{
	struct systrace_op op = { .size = sizeof(op) };
	int ret;

	pthread_mutex_lock(&st->pausing);
	__atomic_store_n(&st->latest.in_place, false, __ATOMIC_RELEASE);
	ret = systrace_ioctl(st, SYSTRACE_IOC_RESUME, &op);
	pthread_mutex_unlock(&st->pausing);
	return ret;
}

int systrace_stats(struct systrace *st, int cpu, struct systrace_stats *stats)
{
	*stats = (struct systrace_stats){ .size = sizeof(*stats), .cpu = cpu };
	return systrace_ioctl(st, SYSTRACE_IOC_STATS, stats);
}
