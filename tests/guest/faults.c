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
#include <sys/syscall.h>

#include "raw.h"

#define DEBUG	"/sys/kernel/debug/"
#define MEMLOCK	"/sys/module/systrace/parameters/memlock_kib"
#define TASKS	4
#define NTH_MAX	5000

static int nth = -1;		/* this task's fail-nth */
static pid_t root;		/* of a tree of TASKS */

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

static int call_attach(int fd)
{
	struct systrace_attach_args args = { .size = sizeof(args), .pid = root };
	int ret = ioctl(fd, SYSTRACE_IOC_ATTACH, &args);

	return ret || args.attached == TASKS ? ret : 1;
}

/* A session as far as the call needs it. The call with a fault at n; then again without. */
static bool try(int (*call)(int fd), bool set_up, int n, int *bad)
{
	int fd = tap_open(O_RDWR), ret, error;
	bool injected;

	if (set_up && call_setup(fd))
		tap_bail("SETUP: something was left charged");
	fail_at(n);
	ret = call(fd);
	error = errno;
	injected = failed();
	/* EFAULT is a fault of copying, after which there may be no other try. */
	if (ret && (!injected || (error != ENOMEM && error != EFAULT)))
		(*bad)++;
	if (ret && error == ENOMEM && call(fd))
		(*bad)++;
	close(fd);
	return injected;
}

static void test(const char *what, int (*call)(int fd), bool set_up)
{
	int n = 1, bad = 0;

	while (n < NTH_MAX && try(call, set_up, n, &bad))
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
	root = tree();
	waitpid(root, NULL, WUNTRACED);
	test_open();
	test("SETUP", call_setup, false);
	test("POLICY", call_policy, true);
	test("ATTACH", call_attach, true);
	tap_reap(root);
	return tap_end();
}
