// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What SETUP, POLICY and STATS refuse field by field, and the limit on memory.
 * Each refusal leaves the session as it was.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tap.h"

#define RING		65536ULL
#define ALLOWANCE	"/sys/module/systrace/parameters/memlock_kib"

static struct systrace_info info = { .size = sizeof(info) };

/* ------------------------------------------------------------------ SETUP --- */

static const struct {
	const char *name;
	struct systrace_setup setup;
} bad_setups[] = {
	{ "no ring_bytes", { .ring_bytes = 0 } },
	{ "ring_bytes of 1", { .ring_bytes = 1 } },
	{ "ring_bytes no power of two", { .ring_bytes = RING + 4096 } },
	{ "ring_bytes no power of two by one", { .ring_bytes = RING - 1 } },
	{ "ring_bytes of 1 << 63", { .ring_bytes = 1ULL << 63 } },
	{ "ring_bytes of 1 << 32 and a bit", { .ring_bytes = (1ULL << 32) + RING } },
	{ "an event of type 0", { .ring_bytes = RING, .events = 1 } },
	{ "an event behind the last", { .ring_bytes = RING, .events = 2ULL << SYSTRACE_DETACH } },
	{ "event 63", { .ring_bytes = RING, .events = 1ULL << 63 } },
	{ "an unknown full", { .ring_bytes = RING, .full = 3 } },
	{ "the largest full", { .ring_bytes = RING, .full = ~0U } },
	{ "a timeout and drop", { .ring_bytes = RING, .timeout_ms = 1 } },
	{ "a timeout and overwrite", { .ring_bytes = RING, .timeout_ms = 1,
				       .full = SYSTRACE_FULL_OVERWRITE } },
	{ "a watermark above half", { .ring_bytes = RING, .watermark = RING / 2 + 1,
				      .latency_us = 100 } },
	{ "a watermark of 4 GiB - 1", { .ring_bytes = RING, .watermark = ~0U,
					.latency_us = 100 } },
	{ "a watermark without latency", { .ring_bytes = RING, .watermark = 8 } },
	{ "a latency of 49 us", { .ring_bytes = RING, .watermark = 8, .latency_us = 49 } },
	{ "a latency above 10 s", { .ring_bytes = RING, .watermark = 8,
				    .latency_us = 10000001 } },
	{ "a latency without watermark", { .ring_bytes = RING, .latency_us = 100 } },
};

static bool is_setup(int fd)
{
	struct systrace_op op = { .size = sizeof(op) };

	return ioctl(fd, SYSTRACE_IOC_RESUME, &op) == 0;
}

/* Refused, and the structure and the session are untouched. */
static void refuses(int fd, struct systrace_setup setup, int want, const char *name)
{
	struct systrace_setup before;
	char what[96];
	int ret, error;

	setup.size = sizeof(setup);
	before = setup;
	ret = ioctl(fd, SYSTRACE_IOC_SETUP, &setup);
	error = errno;
	snprintf(what, sizeof(what), "SETUP with %s", name);
	if (is_setup(fd) || memcmp(&before, &setup, sizeof(setup)))
		tap_ok(false, "%s has had an effect", what);
	errno = error;
	tap_errno(ret, want, what);
}

static void accepts_on(int fd, struct systrace_setup setup, const char *name)
{
	char what[96];

	setup.size = sizeof(setup);
	snprintf(what, sizeof(what), "SETUP with %s", name);
	tap_errno(ioctl(fd, SYSTRACE_IOC_SETUP, &setup), 0, what);
}

static void accepts(struct systrace_setup setup, const char *name)
{
	int fd = tap_open(O_RDWR);

	accepts_on(fd, setup, name);
	close(fd);
}

static void test_policy_when_full(int fd, __u32 full, __u64 feature, const char *name)
{
	struct systrace_setup setup = { .ring_bytes = RING, .full = full };

	if (info.features & feature)
		accepts(setup, name);
	else
		refuses(fd, setup, EOPNOTSUPP, name);
}

/* Who may make others wait for ever. */
static void test_no_timeout(void)
{
	struct systrace_setup setup = { .ring_bytes = RING, .full = SYSTRACE_FULL_BLOCK,
					.timeout_ms = SYSTRACE_NO_TIMEOUT };
	int fd = tap_open(O_RDWR);

	if (!(info.features & SYSTRACE_FEATURE_BLOCK)) {
		close(fd);
		return;
	}
	accepts(setup, "no timeout");
	if (seteuid(65534))
		tap_bail("seteuid");
	refuses(fd, setup, EPERM, "no timeout and no CAP_SYS_ADMIN");
	setup.timeout_ms = SYSTRACE_TIMEOUT_MAX + 1;
	refuses(fd, setup, EPERM, "more than a minute and no CAP_SYS_ADMIN");
	setup.timeout_ms = SYSTRACE_TIMEOUT_MAX;
	accepts_on(fd, setup, "a minute without CAP_SYS_ADMIN");
	if (seteuid(0))
		tap_bail("seteuid");
	close(fd);
	setup.timeout_ms = SYSTRACE_NO_TIMEOUT - 1;
	accepts(setup, "the longest timeout");
}

static void test_setup(void)
{
	struct systrace_setup setup = { .ring_bytes = RING };
	int fd = tap_open(O_RDWR);

	for (size_t i = 0; i < COUNT(bad_setups); i++)
		refuses(fd, bad_setups[i].setup, EINVAL, bad_setups[i].name);
	setup.ring_bytes = info.ring_bytes_min / 2;
	refuses(fd, setup, EINVAL, "less than INFO's least ring_bytes");
	setup.ring_bytes = info.ring_bytes_max * 2;
	refuses(fd, setup, EINVAL, "more than INFO's most ring_bytes");
	test_policy_when_full(fd, SYSTRACE_FULL_OVERWRITE, SYSTRACE_FEATURE_OVERWRITE,
			      "overwrite");
	test_policy_when_full(fd, SYSTRACE_FULL_BLOCK, SYSTRACE_FEATURE_BLOCK, "block");
	setup = tap_setup(fd, RING);
	tap_ok(setup.data_size > 2 * RING && is_setup(fd), "and then a good SETUP");
	tap_errno(ioctl(fd, SYSTRACE_IOC_SETUP, &setup), EBUSY, "SETUP again");
	setup.ring_bytes = 0;
	tap_ok(ioctl(fd, SYSTRACE_IOC_SETUP, &setup) == -1, "nor with what no SETUP would take");
	tap_ok(mmap(NULL, setup.data_size, PROT_READ, MAP_SHARED, fd,
		    (off_t)setup.data_offset) != MAP_FAILED, "the first SETUP still holds");
	close(fd);
	test_no_timeout();
	accepts((struct systrace_setup){ .ring_bytes = info.ring_bytes_min }, "the least ring");
	accepts((struct systrace_setup){ .ring_bytes = RING, .watermark = RING / 2,
					 .latency_us = 50 }, "the bounds of a watermark");
	accepts((struct systrace_setup){ .ring_bytes = RING, .watermark = 1,
					 .latency_us = 10000000 }, "the longest latency");
	accepts((struct systrace_setup){ .ring_bytes = RING, .events = info.events },
		"all of INFO's events");
}

/* More memory than there is: refused after much of it was taken. */
static void test_no_memory(void)
{
	struct systrace_setup setup = { .ring_bytes = info.ring_bytes_max };
	int fd = tap_open(O_RDWR);

	if ((__u64)sysconf(_SC_NPROCESSORS_ONLN) * info.ring_bytes_max <=
	    (__u64)sysconf(_SC_PHYS_PAGES) * 4096) {
		tap_ok(true, "SETUP of more than there is # SKIP there is so much");
		close(fd);
		return;
	}
	refuses(fd, setup, ENOMEM, "more memory than there is");
	tap_setup(fd, RING);
	tap_ok(is_setup(fd), "and then a good SETUP of the same session");
	close(fd);
}

/* ----------------------------------------------------------------- POLICY --- */

#define GOOD { .abi = SYSTRACE_ABI_NATIVE, .record = SYSTRACE_RECORD_ENTER, \
	       .nargs = SYSTRACE_NARGS_ALL, .first = 0, .last = SYSTRACE_NR_MAX }

static const struct {
	const char *name;
	struct systrace_rule rule;
} bad_rules[] = {
	{ "no abi", { .abi = 0 } },
	{ "an unknown abi", { .abi = 0x20 } },
	{ "an unknown abi beside a known one", { .abi = 0x81 } },
	{ "an unknown record bit", { .abi = 1, .record = 4 } },
	{ "all record bits", { .abi = 1, .record = 0xff } },
	{ "7 arguments", { .abi = 1, .nargs = 7 } },
	{ "254 arguments", { .abi = 1, .nargs = 254 } },
	{ "reserved", { .abi = 1, .reserved = 1 } },
	{ "first below -1", { .abi = 1, .first = -2 } },
	{ "the least first", { .abi = 1, .first = -0x7fffffff - 1 } },
	{ "first behind last", { .abi = 1, .first = 2, .last = 1 } },
	{ "last too large", { .abi = 1, .last = SYSTRACE_NR_MAX + 1 } },
	{ "the largest last", { .abi = 1, .last = 0x7fffffff } },
};

static int set_policy(int fd, const struct systrace_rule *rules, unsigned nr)
{
	struct systrace_policy policy = {
		.size = sizeof(policy), .rules = (uintptr_t)rules, .nr_rules = nr,
	};

	return ioctl(fd, SYSTRACE_IOC_POLICY, &policy);
}

/* The policy in force records getppid alone: does it still? */
static bool only_getppid(struct systrace *st)
{
	const struct systrace_event *e;
	int other = 0, wanted = 0;

	if (systrace_attach(st, getpid(), SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	syscall(SYS_getuid);
	syscall(SYS_getppid);
	syscall(SYS_getgid);
	systrace_detach(st, getpid(), SYSTRACE_DETACH_TASK);
	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st))) {
			if (e->type != SYSTRACE_ENTER && e->type != SYSTRACE_RETURN)
				continue;
			if (e->type == SYSTRACE_ENTER &&
			    ((const struct systrace_enter *)e)->nr == SYS_getppid)
				wanted++;
			else
				other++;
		}
		systrace_release(st);
	}
	return wanted == 1 && !other;
}

static void test_rules(struct systrace *st)
{
	struct systrace_rule rules[2] = { GOOD };
	char what[96];
	int fd = systrace_fd(st);

	for (size_t i = 0; i < COUNT(bad_rules); i++) {
		rules[1] = bad_rules[i].rule;
		snprintf(what, sizeof(what), "POLICY with %s", bad_rules[i].name);
		tap_errno(set_policy(fd, rules, 2), EINVAL, what);
	}
}

/* What this machine cannot have means nothing, so that a program can ask for all. */
static void test_other_architectures(struct systrace *st, struct systrace_rule rule)
{
	const __u8 x86 = SYSTRACE_ABI_X86_64 | SYSTRACE_ABI_I386 | SYSTRACE_ABI_X32;
	struct systrace_rule rules[2] = { rule, GOOD };

	rules[1].abi = SYSTRACE_ABI_NATIVE & x86 ? SYSTRACE_ABI_ALL & ~x86 : x86;
	tap_errno(set_policy(systrace_fd(st), rules, 2), 0,
		  "POLICY with a rule for another architecture");
	tap_ok(only_getppid(st), "it changes nothing");
}

static void test_policy(void)
{
	static struct systrace_rule many[SYSTRACE_RULES_MAX + 1];
	const struct systrace_rule getppid_only = {
		.abi = SYSTRACE_ABI_NATIVE, .record = SYSTRACE_RECORD_ENTER,
		.first = SYS_getppid, .last = SYS_getppid,
	};
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = RING });
	int fd = systrace_fd(st);
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tap_errno(set_policy(fd, &getppid_only, 1), 0, "POLICY with one rule");
	tap_ok(only_getppid(st), "it holds");
	test_rules(st);
	test_other_architectures(st, getppid_only);
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = (struct systrace_rule)GOOD;
	tap_errno(set_policy(fd, many, COUNT(many)), EINVAL, "POLICY with a rule too many");
	tap_errno(set_policy(fd, many, ~0U), EINVAL, "POLICY with the most rules");
	tap_errno(set_policy(fd, NULL, 1), EFAULT, "POLICY with rules at NULL");
	tap_errno(set_policy(fd, none, 1), EFAULT, "POLICY with rules that cannot be read");
	tap_errno(set_policy(fd, (void *)~0xfffUL, 1), EFAULT, "POLICY with the kernel's rules");
	tap_ok(only_getppid(st), "what was refused has not changed the policy");
	tap_errno(set_policy(fd, many, SYSTRACE_RULES_MAX), 0, "POLICY with the most there can be");
	tap_ok(!only_getppid(st), "and that one holds");
	systrace_close(st);
}

static void test_stats(void)
{
	struct systrace_stats stats = { .size = sizeof(stats) }, before;
	const int cpus[] = { -2, (int)info.nr_rings, 0x7fffffff, -0x7fffffff - 1 };
	int fd = tap_open(O_RDWR);
	char what[64];

	tap_setup(fd, RING);
	for (size_t i = 0; i < COUNT(cpus); i++) {
		stats.cpu = cpus[i];
		before = stats;
		snprintf(what, sizeof(what), "STATS of CPU %d", cpus[i]);
		tap_errno(ioctl(fd, SYSTRACE_IOC_STATS, &stats), EINVAL, what);
		if (memcmp(&before, &stats, sizeof(stats)))
			tap_ok(false, "%s has written an answer", what);
	}
	stats.cpu = (int)info.nr_rings - 1;
	tap_errno(ioctl(fd, SYSTRACE_IOC_STATS, &stats), 0, "STATS of the last CPU");
	close(fd);
}

/* ----------------------------------------------------------------- memory --- */

static int try_setup(int fd)
{
	struct systrace_setup setup = { .size = sizeof(setup), .ring_bytes = RING };

	return ioctl(fd, SYSTRACE_IOC_SETUP, &setup);
}

/* As a user whose limit admits one session and not two. */
static void test_limit(void)
{
	int fd = tap_open(O_RDWR), other = tap_open(O_RDWR);
	struct systrace_setup setup;
	bool all = true;
	void *data;

	tap_errno(try_setup(fd), 0, "SETUP within RLIMIT_MEMLOCK");
	tap_errno(try_setup(other), ENOMEM, "a second SETUP beyond RLIMIT_MEMLOCK");
	tap_ok(!is_setup(other), "which has had no effect");
	close(fd);
	tap_errno(try_setup(other), 0, "the same after the first session's end");
	close(other);
	other = tap_open(O_RDWR);
	setup = (struct systrace_setup){ .size = sizeof(setup), .ring_bytes = 64 * RING };
	for (int i = 0; i < 100; i++)
		all &= ioctl(other, SYSTRACE_IOC_SETUP, &setup) == -1 && errno == ENOMEM;
	tap_ok(all, "100 that are too large: ENOMEM");
	setup = tap_setup(other, RING);
	data = mmap(NULL, setup.data_size, PROT_READ, MAP_SHARED, other, (off_t)setup.data_offset);
	close(other);
	fd = tap_open(O_RDWR);
	tap_errno(try_setup(fd), ENOMEM, "SETUP while a closed session is still mapped");
	munmap(data, setup.data_size);
	tap_errno(try_setup(fd), 0, "SETUP after it is unmapped");
	close(fd);
	all = true;
	for (int i = 0; i < 100; i++) {
		fd = tap_open(O_RDWR);
		all &= !try_setup(fd);
		close(fd);
	}
	tap_ok(all, "100 sessions one after another give back what they took");
}

static void become_user(void)
{
	if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		tap_bail("cannot become user 1000");
}

static void test_memory_limit(void)
{
	rlim_t bytes = (rlim_t)sysconf(_SC_NPROCESSORS_ONLN) * RING + 60 * 1024;
	int status;
	pid_t pid;

	if (!tap_put(ALLOWANCE, "0") || chmod(SYSTRACE_DEVICE, 0666))
		tap_bail("cannot prepare for the limit");
	pid = tap_fork();
	if (pid == 0) {
		setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ bytes, bytes });
		become_user();
		test_limit();
		_exit(tap_failed ? 255 : tap_number & 127);
	}
	waitpid(pid, &status, 0);
	/* The child has counted on from where we are. */
	if (WIFEXITED(status) && WEXITSTATUS(status) != 255)
		tap_number = tap_number / 128 * 128 + WEXITSTATUS(status);
	else
		tap_bail("the user's part failed");
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 4096, 4096 });
	accepts((struct systrace_setup){ .ring_bytes = RING }, "CAP_IPC_LOCK beyond the limit");
	chmod(SYSTRACE_DEVICE, 0660);
	tap_put(ALLOWANCE, "65536");
}

int main(void)
{
	int fd = tap_open(O_RDWR);

	alarm(240);
	if (ioctl(fd, SYSTRACE_IOC_INFO, &info))
		tap_bail("INFO");
	close(fd);
	test_setup();
	test_policy();
	test_stats();
	test_memory_limit();
	test_no_memory();
	return tap_end();
}
