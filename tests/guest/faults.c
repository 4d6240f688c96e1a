// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each allocation of a call, and each copy from or to user space, fails once: the first, the
 * second, and so on until the call makes fewer. Then it fails with ENOMEM or EFAULT, has
 * left nothing behind, and succeeds when it is made again; or the kernel found another way,
 * and it succeeds at once. After each the session traces as it should. Of the driver's
 * own workers no single allocation can be named: there all fail for a while, and each child
 * that is not followed is told.
 *
 * For a kernel that injects faults; the workers' want slub_debug=A,systrace_attachment.
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "memory.h"
#include "module.h"
#include "raw.h"

#define DEBUG	"/sys/kernel/debug/"
#define MEMLOCK	"/sys/module/systrace/parameters/memlock_kib"
#define CGROUP	"/sys/fs/cgroup/faults"
#define SLAB	"/sys/kernel/slab/systrace_attachment/failslab"
#define TASKS	4
#define NTH_MAX	5000
#define OPEN_ROUNDS 5
#define CHILDREN 300		/* more than a CPU's pool has */
#define SPARE	8192		/* KiB that free memory varies by, with KASAN */

static int nth = -1;		/* this task's fail-nth */
static bool armed, fired;
static pid_t root;		/* of a tree of TASKS, all of them in CGROUP */
static int cgroup = -1;
static struct systrace_setup shape;	/* of the last session that was set up */

static void set_nth(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	/* A fault that is still to come can be that of this write. */
	while (pwrite(nth, text, strlen(text), 0) < 0)
		if (errno != EFAULT)
			tap_bail("fail-nth");
}

static void fail_at(int n)
{
	armed = true;
	fired = false;
	set_nth(n);
}

/* Did it, since fail_at? And no more from here on. */
static bool failed(void)
{
	char text[16] = "";

	if (armed)
		fired = pread(nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	set_nth(0);
	armed = false;
	return fired;
}

/* ------------------------------------------------------------------- calls --- */

static int call_info(int fd)
{
	struct systrace_info info = { .size = sizeof(info) };

	return ioctl(fd, SYSTRACE_IOC_INFO, &info);
}

static int call_setup(int fd)
{
	shape = (struct systrace_setup){ .size = sizeof(shape), .ring_bytes = 4096 };
	return ioctl(fd, SYSTRACE_IOC_SETUP, &shape);
}

static int call_policy(int fd)
{
	static const struct systrace_rule rule = { .abi = SYSTRACE_ABI_X86_64, .last = 10 };
	struct systrace_policy policy = { .size = sizeof(policy), .nr_rules = 1,
					  .rules = (uintptr_t)&rule };

	return ioctl(fd, SYSTRACE_IOC_POLICY, &policy);
}

/*
 * Maps, uses and unmaps. What is left mapped would be in the way of the next try. The
 * page fault's allocations are the kernel's own, which complains if they fail.
 */
static int map(int fd, size_t size, int prot, __u64 offset)
{
	volatile __u64 *p = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return -1;
	failed();
	(void)*p;
	return munmap((void *)(uintptr_t)p, size);
}

static int call_map_control(int fd)
{
	return map(fd, shape.control_size, PROT_READ | PROT_WRITE, shape.control_offset);
}

static int call_map_data(int fd)
{
	return map(fd, shape.data_size, PROT_READ, shape.data_offset);
}

static int attach(int fd, struct systrace_attach_args args, unsigned want)
{
	int ret;

	args.size = sizeof(args);
	ret = ioctl(fd, SYSTRACE_IOC_ATTACH, &args);
	if (ret || args.attached == want)
		return ret;
	errno = EPROTO;
	return -1;
}

static int call_attach(int fd)
{
	return attach(fd, (struct systrace_attach_args){ .pid = root }, TASKS);
}

static int call_attach_task(int fd)
{
	return attach(fd, (struct systrace_attach_args){ .pid = root,
							 .mode = SYSTRACE_ATTACH_TASK }, 1);
}

static int call_attach_exec(int fd)
{
	return attach(fd, (struct systrace_attach_args){ .mode = SYSTRACE_ATTACH_EXEC }, 1);
}

static int call_attach_cgroup(int fd)
{
	return attach(fd, (struct systrace_attach_args){ .flags = SYSTRACE_BY_CGROUP,
							 .fd = cgroup }, TASKS);
}

static int call_detach(int fd)
{
	struct systrace_detach_args args = { .size = sizeof(args), .pid = root };

	return ioctl(fd, SYSTRACE_IOC_DETACH, &args);
}

static int call_detach_all(int fd)
{
	struct systrace_detach_args args = { .size = sizeof(args), .mode = SYSTRACE_DETACH_ALL };

	return ioctl(fd, SYSTRACE_IOC_DETACH, &args);
}

static int call_pause(int fd)
{
	struct systrace_op args = { .size = sizeof(args) };

	return ioctl(fd, SYSTRACE_IOC_PAUSE, &args) || ioctl(fd, SYSTRACE_IOC_RESUME, &args);
}

static int stats(int fd, struct systrace_stats *st)
{
	*st = (struct systrace_stats){ .size = sizeof(*st), .cpu = -1 };
	return ioctl(fd, SYSTRACE_IOC_STATS, st);
}

static int call_stats(int fd)
{
	struct systrace_stats st;

	return stats(fd, &st);
}

struct op {
	const char *what;
	int (*call)(int fd);
	int (*before)(int fd);
	int had;		/* errno of a call that EFAULT has kept to itself */
	bool bare;		/* before SETUP */
	bool cold;		/* no other session holds the probes */
};

static const struct op ops[] = {
	{ .what = "INFO", .call = call_info },
	{ .what = "SETUP", .call = call_setup, .had = EBUSY, .bare = true },
	{ .what = "POLICY", .call = call_policy },
	{ .what = "mmap of control", .call = call_map_control },
	{ .what = "mmap of data", .call = call_map_data },
	{ .what = "ATTACH of a tree, the first", .call = call_attach, .had = EEXIST, .cold = true },
	{ .what = "ATTACH of a tree", .call = call_attach, .had = EEXIST },
	{ .what = "ATTACH of a task", .call = call_attach_task, .had = EEXIST },
	{ .what = "ATTACH of more", .call = call_attach, .before = call_attach_task,
	  .had = EEXIST },
	{ .what = "ATTACH at exec", .call = call_attach_exec, .had = EEXIST },
	{ .what = "ATTACH of a cgroup", .call = call_attach_cgroup, .had = EEXIST, .cold = true },
	{ .what = "DETACH of a tree", .call = call_detach, .before = call_attach, .had = ESRCH },
	{ .what = "PAUSE and RESUME", .call = call_pause, .before = call_attach },
	{ .what = "STATS", .call = call_stats, .before = call_attach },
};

/* ------------------------------------------------------------------ trying --- */

/* Whatever has happened, all can be detached, attached and detached, and each is recorded. */
static bool works(int fd)
{
	struct systrace_stats before, after;

	if (call_setup(fd) && errno != EBUSY)
		return false;
	return !call_detach_all(fd) && !stats(fd, &before) && !call_attach(fd) &&
	       !call_detach_all(fd) && !stats(fd, &after) && before.attached == 0 &&
	       after.attached == 0 && after.made - before.made == 2 * TASKS &&
	       !after.lost[SYSTRACE_LOST_CHILD] && !after.uncovered;
}

static unsigned attached(int fd)
{
	struct systrace_stats st;

	return stats(fd, &st) ? 0 : st.attached;
}

/* The call with a fault at n; then again without. */
static bool try(const struct op *op, int n, int *bad)
{
	int fd = tap_open(O_RDWR), ret, error;
	unsigned before;
	bool injected, good;

	if (!op->bare && call_setup(fd))
		tap_bail("SETUP: something was left charged");
	if (op->before && op->before(fd))
		tap_bail("%s: what comes before", op->what);
	before = attached(fd);
	fail_at(n);
	ret = op->call(fd);
	error = errno;
	injected = failed();
	good = !ret || (injected && (error == ENOMEM || error == EFAULT));
	if (ret && error == ENOMEM)
		good &= attached(fd) == before;
	if (ret && op->call(fd))
		good &= error == EFAULT && errno == op->had;
	good &= works(fd);
	if (!good && (*bad)++ < 3)
		tap_note("%s, fault %d: %s", op->what, n, ret ? tap_error(error) : "success");
	close(fd);
	return injected;
}

static void set_allowance(const char *kib)
{
	if (!tap_put(MEMLOCK, kib))
		tap_bail(MEMLOCK);
}

/* Locked memory has no room for what is left charged: a session has four pages. */
static void test(const struct op *op)
{
	int n = 1, bad = 0, keeper = -1;
	long references;

	set_allowance(op->cold ? "16" : "32");
	if (!op->cold) {
		keeper = tap_open(O_RDWR);
		if (call_setup(keeper) || call_attach(keeper))
			tap_bail("the session that keeps the probes");
	}
	references = module_references();
	while (n < NTH_MAX && try(op, n, &bad))
		n++;
	tap_note("%s: %d faults", op->what, n - 1);
	if (!tap_ok(n > 1 && n < NTH_MAX && !bad, "%s fails cleanly at any fault", op->what))
		tap_note("%d of %d times not", bad, n - 1);
	tap_ok(module_references() == references, "%s: no reference is left", op->what);
	if (keeper >= 0)
		close(keeper);
}

/* Until open has no fault any more: how many it had */
static int open_with_faults(int *bad)
{
	int n = 1, fd;
	bool injected;

	do {
		fail_at(n++);
		fd = open(SYSTRACE_DEVICE, O_RDWR | O_CLOEXEC);
		*bad += fd < 0 && errno != ENOMEM && errno != ENFILE && errno != EFAULT;
		injected = failed();
		if (fd >= 0)
			close(fd);
	} while (injected && n < NTH_MAX);
	*bad += fd < 0;
	return n - 2;
}

/*
 * In rounds: what the kernel makes once, for others to use, is not asked for again, so that the next
 * fault leaves one out; which has its turn in a later round.
 */
static void test_open(void)
{
	int bad = 0, faults = NTH_MAX;

	for (int round = 0; round < OPEN_ROUNDS; round++)
		faults = open_with_faults(&bad);
	tap_note("open: %d faults", faults);
	tap_ok(faults > 0 && faults < NTH_MAX - 2 && !bad, "open fails cleanly at any fault");
	tap_ok(!module_references(), "open: no reference is left");
}

/* -------------------------------------------------------------------- fork --- */

/* What the stream says of a task that forks, and of its children. */
struct forks {
	unsigned made, refused;		/* by the forker's own word, in memory we share */
	unsigned forks, returns, exits, named, spoke;
	__u64 lost;
};

static void take(struct forks *f, pid_t forker, const struct systrace_event *e)
{
	const struct systrace_return *r = (const void *)e;
	const struct systrace_lost *lost = (const void *)e;

	if (e->type == SYSTRACE_FORK)
		f->forks++;
	else if (e->type == SYSTRACE_EXIT && e->tid != (__u32)forker)
		f->exits++;
	else if (e->type == SYSTRACE_RETURN && r->nr == SYS_clone && r->result < 0)
		f->returns++;
	if (e->type == SYSTRACE_LOST) {
		f->lost += lost->count;
		f->named += lost->cause == SYSTRACE_LOST_CHILD && e->tid;
	}
}

static void read_all(struct systrace *st, struct forks *f, pid_t forker)
{
	const struct systrace_event *e;

	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st)))
			take(f, forker, e);
		systrace_release(st);
	}
}

static char stacks[CHILDREN][1024] __attribute__((aligned(16)));

static int leave(void *unused)
{
	(void)unused;
	return 0;
}

/*
 * With the memory in common, so that nobody has to copy any afterwards: a page fault
 * without memory is something that the kernel complains of.
 */
static void fork_once(struct forks *f)
{
	pid_t pid = clone(leave, stacks[(f->made + f->refused) % CHILDREN + 1],
			  CLONE_VM | SIGCHLD, NULL);

	f->made += pid > 0;
	f->refused += pid < 0;
}

static void fork_with_faults(struct forks *f)
{
	bool injected;
	int n = 1;

	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	memset(stacks, 0, sizeof(stacks));
	memset(f, 0, sizeof(*f));
	do {
		fail_at(n++);
		fork_once(f);
		injected = failed();
		while (waitpid(-1, NULL, 0) > 0)
			;
	} while (injected && n < NTH_MAX);
	_exit(n >= NTH_MAX);
}

static struct forks *shared(void)
{
	struct forks *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED)
		tap_bail("mmap");
	return f;
}

/* A forker that has stopped. */
static struct systrace *trace(pid_t pid)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });

	if (waitpid(pid, NULL, WUNTRACED) != pid ||
	    systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	return st;
}

static void test_fork(void)
{
	struct forks *f = shared();
	pid_t pid = tap_fork();
	struct systrace *st;
	int status;

	if (pid == 0) {
		raise(SIGSTOP);
		fork_with_faults(f);
	}
	st = trace(pid);
	kill(pid, SIGCONT);
	read_all(st, f, pid);
	waitpid(pid, &status, 0);
	tap_note("fork: %u faults, %u forks went on", f->refused, f->made);
	tap_ok(status == 0 && f->refused > 0 && f->made > 0, "fork fails at any fault");
	tap_ok(f->forks == f->made && f->exits == f->made && f->returns == f->refused && !f->lost,
	       "fork: who was made is followed, who was not is not told");
	systrace_close(st);
	munmap(f, sizeof(*f));
}

/* Every attachment that anybody allocates from here on fails; without the filter, all would. */
static void starve(bool on)
{
	if (!tap_put(DEBUG "failslab/probability", "0") ||
	    !tap_put(DEBUG "failslab/times", "-1") ||
	    !tap_put(DEBUG "failslab/cache-filter", on ? "Y" : "N") ||
	    (on && !tap_put(DEBUG "failslab/probability", "100")))
		tap_bail("failslab");
}

static void stop_and_wait(void)
{
	raise(SIGSTOP);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* Where a pool is empty; then, when there is memory again, until one is followed. */
static void fork_starving(struct forks *f)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	raise(SIGSTOP);
	for (int i = 0; i < CHILDREN; i++)
		fork_once(f);
	stop_and_wait();
	for (int i = 0; i < 10; i++) {
		fork_once(f);
		usleep(100000);
	}
	stop_and_wait();
	_exit(0);
}

static unsigned uncovered(struct systrace *st)
{
	struct systrace_stats s;

	if (systrace_stats(st, -1, &s))
		tap_bail("STATS");
	return s.uncovered;
}

/* From where it has stopped to where it stops again. */
static void go_on(pid_t pid)
{
	int status;

	kill(pid, SIGCONT);
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		tap_bail("the forker");
}

static void test_uncovered(void)
{
	struct forks *f = shared();
	pid_t pid = tap_fork();
	unsigned lacked, lacked_later;
	struct systrace *st;

	if (pid == 0)
		fork_starving(f);
	st = trace(pid);
	starve(true);
	go_on(pid);
	lacked = uncovered(st);
	starve(false);
	go_on(pid);
	kill(pid, SIGCONT);
	read_all(st, f, pid);
	waitpid(pid, NULL, 0);
	lacked_later = uncovered(st) - lacked;
	tap_note("%u children, %u of them not followed, %u later", f->made, lacked, lacked_later);
	tap_ok(lacked > 0 && lacked < CHILDREN && lacked_later < 10,
	       "a child is not followed where memory lacks, and only there");
	tap_ok(f->made == CHILDREN + 10 && f->named == lacked + lacked_later &&
	       f->lost == f->named && f->forks + f->named == f->made && f->exits == f->forks,
	       "each child is followed, or its number told");
	systrace_close(st);
	munmap(f, sizeof(*f));
}

/* ------------------------------------------------------------------- start --- */

/* Locked memory beyond the allowance would hide what is left charged. */
static void limit(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	syscall(SYS_capget, &header, caps);
	caps[0].effective &= ~(1U << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, caps) ||
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

/* A cgroup with whom it has now; its children are born there. */
static void make_tree(void)
{
	char text[16];
	pid_t self = getpid();

	if (mkdir(CGROUP, 0755))
		tap_bail(CGROUP);
	snprintf(text, sizeof(text), "%d", self);
	if (!tap_put(CGROUP "/cgroup.procs", text))
		tap_bail("cannot join the cgroup");
	root = tree();
	if (!tap_put("/sys/fs/cgroup/cgroup.procs", text))
		tap_bail("cannot leave the cgroup");
	cgroup = open(CGROUP, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0 || waitpid(root, NULL, WUNTRACED) != root)
		tap_bail("no tree");
}

static void end_tree(void)
{
	tap_reap(root);
	close(cgroup);
	for (int i = 0; rmdir(CGROUP) && i < 1000; i++)
		usleep(10000);
}

int main(void)
{
	struct memory before;

	if (!prepare()) {
		tap_ok(true, "# SKIP this kernel injects no faults");
		return tap_end();
	}
	limit();
	make_tree();
	test_open();
	test(&ops[0]);	/* which fills what is filled once */
	before = memory_measure();
	for (size_t i = 1; i < COUNT(ops); i++)
		test(&ops[i]);
	set_allowance("65536");
	test_fork();
	memory_compare(before, memory_measure(), SPARE, "after all faults");
	end_tree();
	if (tap_has(SLAB, "1"))
		test_uncovered();
	else
		tap_ok(true, "children without memory # SKIP no slub_debug=A,systrace_attachment");
	return tap_end();
}
