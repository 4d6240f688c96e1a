// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every allocation of a call fails once: the first, the second, and so on until the call
 * makes fewer. It fails with ENOMEM and leaves nothing behind, so that it succeeds when it
 * is made again; or the kernel found another way, and it succeeds at once. For a kernel
 * that injects faults.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "raw.h"

#define DEBUG	"/sys/kernel/debug/"
#define MEMLOCK	"/sys/module/systrace/parameters/memlock_kib"
#define CGROUP	"/sys/fs/cgroup/faults"
#define TASKS	4
#define NTH_MAX	5000

static int nth = -1;		/* this task's fail-nth */
static pid_t root;		/* of a tree of TASKS */
static int cgroup;		/* nobody is in it */

static void fail_at(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	/* A fault that is still to come can be that of this write. */
	while (pwrite(nth, text, strlen(text), 0) < 0)
		if (errno != EFAULT)
			tap_bail("fail-nth");
}

/* Did it, since fail_at? And no more from here on. */
static bool failed(void)
{
	char text[16] = "";
	bool did = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	fail_at(0);
	return did;
}

/* -------------------------------------------------------------------- calls --- */

static int call_setup(int fd)
{
	struct systrace_setup setup = { .size = sizeof(setup), .ring_bytes = 4096 };

	return ioctl(fd, SYSTRACE_IOC_SETUP, &setup);
}

static int call_policy(int fd)
{
	static const struct systrace_rule rule = { .abi = SYSTRACE_ABI_NATIVE, .last = 10 };
	struct systrace_policy policy = { .size = sizeof(policy), .nr_rules = 1,
					  .rules = (uintptr_t)&rule };

	return ioctl(fd, SYSTRACE_IOC_POLICY, &policy);
}

static int attach(int fd, __u32 mode, pid_t pid)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = mode, .pid = pid };
	int ret = ioctl(fd, SYSTRACE_IOC_ATTACH, &args);

	return ret ? ret : (int)args.attached;
}

static unsigned attached(int fd)
{
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };

	if (ioctl(fd, SYSTRACE_IOC_STATS, &stats))
		tap_bail("STATS");
	return stats.attached;
}

static int call_attach(int fd)
{
	int ret = attach(fd, SYSTRACE_ATTACH_TREE, root);

	return ret == TASKS ? 0 : ret;
}

static int call_attach_exec(int fd)
{
	int ret = attach(fd, SYSTRACE_ATTACH_EXEC, 0);

	return ret == 1 ? 0 : ret;
}

static int call_attach_cgroup(int fd)
{
	struct systrace_attach_args args = {
		.size = sizeof(args), .flags = SYSTRACE_BY_CGROUP, .fd = cgroup,
	};

	return ioctl(fd, SYSTRACE_IOC_ATTACH, &args);
}

static int call_detach(int fd)
{
	struct systrace_detach_args args = { .size = sizeof(args), .pid = root };

	return ioctl(fd, SYSTRACE_IOC_DETACH, &args);
}

/* One of the tree is attached alone. */
static int prepare_one(int fd)
{
	return call_setup(fd) || attach(fd, SYSTRACE_ATTACH_TASK, root) != 1;
}

static int prepare_all(int fd)
{
	return call_setup(fd) || call_attach(fd);
}

/* A session as far as the call needs it. The call with a fault at n; then again without. */
static bool try(int (*prepare)(int fd), int (*call)(int fd), int n, int *bad)
{
	int fd = tap_open(O_RDWR), ret, error;
	unsigned before = 0;
	bool injected;

	if (prepare && prepare(fd))
		tap_bail("something was left charged, or attached");
	if (prepare)
		before = attached(fd);
	fail_at(n);
	ret = call(fd);
	error = errno;
	injected = failed();
	/* EFAULT is a fault of copying, after which there may be no other try. */
	if (ret && (!injected || (error != ENOMEM && error != EFAULT)))
		(*bad)++;
	if (ret && error == ENOMEM && prepare && attached(fd) != before)
		(*bad)++;
	if (ret && error == ENOMEM && call(fd))
		(*bad)++;
	close(fd);
	return injected;
}

static void test(const char *what, int (*prepare)(int fd), int (*call)(int fd))
{
	int n = 1, bad = 0;

	while (n < NTH_MAX && try(prepare, call, n, &bad))
		n++;
	if (!tap_ok(n > 1 && n < NTH_MAX && !bad, "%s fails cleanly wherever memory lacks", what))
		tap_note("%d of %d times not", bad, n - 1);
	tap_note("%s: %d faults", what, n - 1);
}

static void test_open(void)
{
	int n = 1, bad = 0, fd;
	bool injected;

	do {
		fail_at(n++);
		fd = open(SYSTRACE_DEVICE, O_RDWR | O_CLOEXEC);
		bad += fd < 0 && errno != ENOMEM && errno != ENFILE && errno != EFAULT;
		injected = failed();
		if (fd >= 0)
			close(fd);
	} while (injected && n < NTH_MAX);
	tap_ok(n > 2 && n < NTH_MAX && !bad && fd >= 0, "open fails cleanly wherever memory lacks");
	tap_note("open: %d faults", n - 2);
}

/* -------------------------------------------------------------------- start --- */

/* Locked memory has no room for what is left charged: a session's four pages, and no more. */
static void limit(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	syscall(SYS_capget, &header, caps);
	caps[0].effective &= ~(1U << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, caps) || !tap_put(MEMLOCK, "16") ||
	    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 }))
		tap_bail("limit");
}

static bool prepare(void)
{
	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth < 0)
		return false;
	if (!tap_put(DEBUG "failslab/ignore-gfp-wait", "N") ||
	    !tap_put(DEBUG "fail_page_alloc/ignore-gfp-wait", "N") ||
	    !tap_put(DEBUG "fail_page_alloc/ignore-gfp-highmem", "N") ||
	    !tap_put(DEBUG "fail_page_alloc/min-order", "0"))
		tap_bail("fault injection");
	tap_put(DEBUG "failslab/verbose", "0");
	tap_put(DEBUG "fail_page_alloc/verbose", "0");
	tap_put(DEBUG "fail_usercopy/verbose", "0");
	return true;
}

static pid_t tree(void)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	for (int i = 1; i < TASKS; i++)
		tap_sleeper();
	raise(SIGSTOP);
	for (;;)
		pause();
}

int main(void)
{
	if (!prepare()) {
		tap_ok(true, "# SKIP this kernel injects no faults");
		return tap_end();
	}
	limit();
	mkdir(CGROUP, 0755);
	cgroup = open(CGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	root = tree();
	waitpid(root, NULL, WUNTRACED);
	test_open();
	test("SETUP", NULL, call_setup);
	test("POLICY", call_setup, call_policy);
	test("ATTACH", call_setup, call_attach);
	test("ATTACH of more", prepare_one, call_attach);
	test("ATTACH with EXEC", call_setup, call_attach_exec);
	test("ATTACH of a cgroup", call_setup, call_attach_cgroup);
	test("DETACH", prepare_all, call_detach);
	tap_reap(root);
	return tap_end();
}
