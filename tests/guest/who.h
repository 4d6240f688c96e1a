/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users, capabilities and user namespaces, for tests of who may do what. */
#ifndef SYSTRACE_TESTS_WHO_H
#define SYSTRACE_TESTS_WHO_H

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tap.h"

#define USER	1000
#define OTHER	2000
#define GROUP	990	/* systrace */

/*
 * Like after a login: others of that user may look into it. In group systrace, so that
 * a device node of that group and mode 0660 admits it.
 */
TAP void who_become(unsigned id)
{
	const gid_t groups[] = { GROUP };

	if (setgroups(1, groups) || setresgid(id, id, id) || setresuid(id, id, id))
		tap_bail("cannot become user %u", id);
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

TAP void who_root(void)
{
}

TAP void who_user(void)
{
	who_become(USER);
}

TAP void who_other(void)
{
	who_become(OTHER);
}

/* The user, with these capabilities: permitted, and of them those that are effective. */
TAP void who_capable(__u64 permitted, __u64 effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .permitted = (__u32)permitted, .effective = (__u32)effective },
		{ .permitted = permitted >> 32, .effective = effective >> 32 },
	};

	prctl(PR_SET_KEEPCAPS, 1);
	who_become(USER);
	if (syscall(SYS_capset, &header, data))
		tap_bail("capset");
	prctl(PR_SET_DUMPABLE, 1);
}

/* With our own numbers in it: else it could have none of its own. */
TAP void who_new_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(CLONE_NEWUSER))
		tap_bail("unshare of the user namespace");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!tap_put("/proc/self/uid_map", map) || !tap_put("/proc/self/setgroups", "deny"))
		tap_bail("uid_map");
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	if (!tap_put("/proc/self/gid_map", map))
		tap_bail("gid_map");
}

/* The device node as udev would have it. */
TAP void who_admit(void)
{
	if (chown(SYSTRACE_DEVICE, 0, GROUP) || chmod(SYSTRACE_DEVICE, 0660))
		tap_bail("cannot change the device node");
}

/* A copy of our own program. */
TAP void who_program(const char *path, uid_t owner, gid_t group, mode_t mode)
{
	char bytes[65536];
	int from = open("/proc/self/exe", O_RDONLY), to;
	ssize_t n;

	unlink(path);
	to = open(path, O_WRONLY | O_CREAT, 0700);
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)n) != n)
			tap_bail("cannot write %s", path);
	if (n || fchown(to, owner, group) || fchmod(to, mode))
		tap_bail("cannot make %s", path);
	close(from);
	close(to);
}

/* A part of the test by somebody else, in a child; the numbers go on. */
TAP void who_runs(void (*become)(void), void (*part)(void))
{
	int result[2] = { 0 }, ends[2], status;
	pid_t pid;

	if (pipe(ends))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0) {
		become();
		part();
		result[0] = tap_number;
		result[1] = tap_failed;
		_exit(write(ends[1], result, sizeof(result)) != sizeof(result));
	}
	close(ends[1]);
	if (waitpid(pid, &status, 0) != pid || status ||
	    read(ends[0], result, sizeof(result)) != sizeof(result))
		tap_bail("the part of it in a child ended with status 0x%x", status);
	close(ends[0]);
	tap_number = result[0];
	tap_failed = result[1];
}

#endif
