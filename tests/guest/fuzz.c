// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz [OPERATIONS [SEED]]: whatever can be done with the device, right or wrong, in
 * sequences that are kept and changed further where they have reached code of the driver
 * that none had before (by KCOV; blindly where the kernel has none). Several processes do
 * it, root's and a user's, that hand each other descriptors and fork, while programs are
 * traced by them, CPUs come and go, and signals arrive. Nothing hangs; each call fails
 * only as uapi.h says; nothing is written where no answer belongs; programs come to their
 * right results; and afterwards nothing is left.
 *
 * What it says of an operation that went wrong is all that the operation is made of. The
 * seed has the fuzzers begin with the same sequences; which are kept depends on timing.
 */
#define _GNU_SOURCE
#include <sys/resource.h>

#define SOAK_SESSIONS 8		/* so many fuzz; the others leave them time */
#define SOAK_WORK_NAP 100000
#define SOAK_CPU_NAP 3000000

#include "fuzz_calls.h"
#include "memory.h"
#include "module.h"
#include "who.h"

#define PARAMETER "/sys/module/systrace/parameters/memlock_kib"
#define EXPEDITED "/sys/kernel/rcu_expedited"
#define MEMLOCK	(8UL << 20)
#define SPARE	4096		/* KiB that free memory varies by */

static unsigned long limit;	/* of operations, in this run */

/* -------------------------------------------------------------- operations --- */

static struct fuzz_sequence sequence;	/* that runs now */

static void run(unsigned from, unsigned to);

/* A child goes on with some of what follows, while we do. */
static void do_fork(void)
{
	unsigned from = (unsigned)(fuzz_op - sequence.ops) + 1, to = from + 1 + fuzz_op->value % 6;
	pid_t pid;

	if (fuzz_depth)
		return;
	fuzz_reap();
	pid = tap_fork();
	fuzz_child = pid;
	if (pid)
		return;
	fuzz_depth++;
	kcov.area = NULL;	/* which is its parent's */
	fuzz_give_up_maps();
	atomic_fetch_add(&fuzz->children, 1);
	run(from, to < sequence.n ? to : sequence.n);
	_exit(0);
}

enum { SETUP = 1, ATTACH = 3, MAP = 10 };

/* The ioctls first, in the order of fuzz_calls */
static const struct kind {
	const char *name;
	void (*run)(void);
	unsigned weight;
} kinds[] = {
	{ "INFO", fuzz_do_ioctl, 2 }, { "SETUP", fuzz_do_ioctl, 8 },
	{ "POLICY", fuzz_do_ioctl, 5 }, { "ATTACH", fuzz_do_ioctl, 12 },
	{ "DETACH", fuzz_do_ioctl, 7 }, { "PAUSE", fuzz_do_ioctl, 4 },
	{ "RESUME", fuzz_do_ioctl, 5 }, { "KICK", fuzz_do_ioctl, 4 },
	{ "STATS", fuzz_do_ioctl, 5 }, { "unknown ioctl", fuzz_do_unknown, 3 },
	{ "mmap", fuzz_do_map, 8 }, { "odd mmap", fuzz_do_map_odd, 4 },
	{ "munmap", fuzz_do_munmap, 3 }, { "mprotect", fuzz_do_mprotect, 3 },
	{ "mremap", fuzz_do_mremap, 3 }, { "madvise", fuzz_do_madvise, 3 },
	{ "touch", fuzz_do_touch, 6 }, { "control", fuzz_do_control, 8 },
	{ "poll", fuzz_do_poll, 5 }, { "epoll", fuzz_do_epoll, 5 },
	{ "open", fuzz_do_open, 2 }, { "close", fuzz_do_close, 2 },
	{ "dup", fuzz_do_dup, 3 }, { "read, write", fuzz_do_io, 3 },
	{ "fcntl", fuzz_do_fcntl, 3 }, { "send", fuzz_do_send, 2 },
	{ "receive", fuzz_do_receive, 3 }, { "fork", do_fork, 1 },
	{ "exec", fuzz_do_exec, 1 }, { "cgroup", fuzz_do_cgroup, 1 },
};

_Static_assert(COUNT(kinds) <= FUZZ_KINDS, "each kind is counted");

/* As far as it has come. Whoever reads it meanwhile has a mixture, which is a sequence, too. */
static void keep(unsigned n)
{
	unsigned long i = atomic_fetch_add(&fuzz->kept, 1);
	struct fuzz_sequence *kept = &fuzz->corpus[i < FUZZ_CORPUS ? i : soak_any(FUZZ_CORPUS)];

	memcpy(kept->ops, sequence.ops, sizeof(kept->ops));
	__atomic_store_n(&kept->n, n, __ATOMIC_RELEASE);
}

static void run(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		const struct kind *kind = &kinds[sequence.ops[i].kind % COUNT(kinds)];

		fuzz_op = &sequence.ops[i];
		fuzz_rng = work_seed(fuzz_op->seed);
		soak_doing(kind->name);
		kcov_begin();
		kind->run();
		atomic_fetch_add(&fuzz->ops, 1);
		if (kcov_new(&fuzz->seen))
			keep(i + 1);
	}
}

/* --------------------------------------------------------------- sequences --- */

static __u8 any_byte(void)
{
	return (__u8)soak_any(256);
}

static struct fuzz_op any_op(void)
{
	unsigned sum = 0, at, kind = 0;

	for (size_t i = 0; i < COUNT(kinds); i++)
		sum += kinds[i].weight;
	at = soak_any(sum);
	while (at >= kinds[kind].weight)
		at -= kinds[kind++].weight;
	return (struct fuzz_op){
		.kind = (__u8)kind, .slot = any_byte(), .how = any_byte(), .size = any_byte(),
		.tail = any_byte(), .field = any_byte(), .value = any_byte(), .more = any_byte(),
		.seed = soak_any(~0U),
	};
}

/* With nothing wrong in it, if all is well. */
static struct fuzz_op right_op(unsigned kind, unsigned slot, unsigned value, unsigned map)
{
	return (struct fuzz_op){
		.kind = (__u8)kind, .slot = (__u8)slot, .size = 31, .tail = 1, .field = 31,
		.value = (__u8)value, .more = (__u8)map, .seed = soak_any(~0U),
	};
}

/* A session that is as it should be; then anything. */
static void begin_anew(struct fuzz_sequence *s)
{
	unsigned slot = soak_any(FUZZ_FDS), map = soak_any(FUZZ_MAPS), left;

	s->n = 0;
	if (soak_any(4)) {
		s->ops[s->n++] = right_op(SETUP, slot, 0, 0);
		s->ops[s->n++] = right_op(MAP, slot, 1, map);
		s->ops[s->n++] = right_op(MAP, slot, 0, map + 1);
		s->ops[s->n++] = right_op(ATTACH, slot, 0, 0);
	}
	left = soak_any(FUZZ_OPS - s->n);
	do {
		s->ops[s->n] = any_op();
		if (soak_any(8))	/* opening and closing take the most time */
			s->ops[s->n].slot = (__u8)slot;
		s->n++;
	} while (left--);
}

static void insert(struct fuzz_sequence *s, unsigned at, struct fuzz_op op)
{
	if (s->n == FUZZ_OPS)
		s->n--;
	if (at > s->n)
		at = s->n;
	memmove(&s->ops[at + 1], &s->ops[at], (s->n - at) * sizeof(op));
	s->ops[at] = op;
	s->n++;
}

static void cut(struct fuzz_sequence *s, unsigned at)
{
	if (s->n < 2)
		return;
	s->n--;
	memmove(&s->ops[at], &s->ops[at + 1], (s->n - at) * sizeof(*s->ops));
}

/* The end of another one */
static void graft(struct fuzz_sequence *s, unsigned at, const struct fuzz_sequence *other)
{
	unsigned n = __atomic_load_n(&other->n, __ATOMIC_ACQUIRE) % (FUZZ_OPS + 1);
	unsigned from = n ? soak_any(n) : 0;

	for (s->n = at; s->n < FUZZ_OPS && from < n; from++)
		s->ops[s->n++] = other->ops[from];
	if (!s->n)
		s->ops[s->n++] = any_op();
}

static const struct fuzz_sequence *any_kept(void)
{
	unsigned long n = atomic_load(&fuzz->kept);

	return &fuzz->corpus[soak_any((unsigned)(n < FUZZ_CORPUS ? n : FUZZ_CORPUS))];
}

static void mutate(struct fuzz_sequence *s)
{
	unsigned at = soak_any(s->n);
	struct fuzz_op *op = &s->ops[at];

	switch (soak_any(8)) {
	case 0:
		op->seed = soak_any(~0U);
		break;
	case 1:
		insert(s, at, any_op());
		break;
	case 2:
		insert(s, soak_any(s->n + 1), *op);
		break;
	case 3:
		cut(s, at);
		break;
	case 4:
		graft(s, at, any_kept());
		break;
	case 5:
		s->ops[at] = any_op();
		break;
	default:	/* one of its bytes */
		((unsigned char *)op)[1 + soak_any(offsetof(struct fuzz_op, seed) - 1)] =
			any_byte();
	}
}

static void next_sequence(struct fuzz_sequence *s)
{
	if (!atomic_load(&fuzz->kept) || soak_any(8) == 0) {
		begin_anew(s);
		return;
	}
	*s = *any_kept();
	if (!s->n || s->n > FUZZ_OPS)
		begin_anew(s);
	for (unsigned n = 1 + soak_any(4); n; n--)
		mutate(s);
}

/* ------------------------------------------------------------------ actors --- */

/* The last descriptor or the last mapping goes last; and a child may have both. */
static void clean_up(void)
{
	bool close_first = soak_any(2);

	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < FUZZ_FDS && turn != close_first; i++)
			fuzz_close(&fuzz_fds[i]);
		for (int i = 0; i < FUZZ_MAPS && turn == close_first; i++)
			fuzz_unmap(&fuzz_maps[i]);
	}
	if (fuzz_epoll >= 0)
		close(fuzz_epoll);
	fuzz_epoll = -1;
	fuzz_reap();
}

static void interrupt(int sig)
{
	(void)sig;
}

static void prepare(void)
{
	const struct sigaction fault = { .sa_handler = fuzz_fault, .sa_flags = SA_NODEFER };
	const struct sigaction user = { .sa_handler = interrupt };	/* no SA_RESTART */

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGUSR1, &user, NULL);
	fuzz_make_arena();
	for (int i = 0; i < FUZZ_FDS; i++)
		fuzz_fds[i].fd = -1;
	for (int i = 0; i < FUZZ_MAPS; i++) {
		fuzz_maps[i].window = mmap(NULL, FUZZ_WINDOW, PROT_NONE,
					   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (fuzz_maps[i].window == MAP_FAILED)
			tap_bail("mmap");
	}
}

/* Every third is a user's. */
static void be_fuzzer(void)
{
	prepare();
	kcov_open();
	if ((soak_me - soak->slots - SOAK_WORKERS) % 3 == 2)
		who_become(USER);
	while (atomic_load(&fuzz->ops) < limit && !atomic_load(&soak->wrong)) {
		next_sequence(&sequence);
		run(0, sequence.n);
		clean_up();
	}
	_exit(0);
}

/* What all structures lie in changes while it is read; calls are interrupted; memory lacks. */
static void be_nuisance(void)
{
	static const char *const values[] = { "0", "64", "65536", "65536", "65536" };

	while (!atomic_load(&soak->stop)) {
		const struct soak_slot *one = &soak->slots[SOAK_WORKERS + soak_any(SOAK_SESSIONS)];
		pid_t pid = one->pid;

		soak_doing("a nuisance");
		for (int i = 0; i < 500; i++)
			((volatile __u32 *)fuzz_common)[soak_any(i % 2 ? 40 : 4)] ^=
				1U << soak_any(32);
		if (soak_any(4) == 0 && pid && atomic_load(&one->beats) &&
		    !atomic_load(&soak->stop_sessions))
			kill(pid, SIGUSR1);
		if (soak_any(50) == 0)
			tap_put(PARAMETER, values[soak_any(COUNT(values))]);
		if (soak_any(50) == 0)
			tap_put(EXPEDITED, soak_any(4) ? "1" : "0");
		usleep(soak_any(20000));
	}
	tap_put(PARAMETER, "65536");
	tap_put(EXPEDITED, "0");
	_exit(0);
}

static void begin_actors(void)
{
	soak_begin_workers();
	if (fuzz_pidfd >= 0)
		close(fuzz_pidfd);
	fuzz_pidfd = (int)syscall(SYS_pidfd_open, soak->slots[0].pid, 0);
	soak_begin_others("a fuzzer", be_fuzzer, "a nuisance", be_nuisance);
}

/* --------------------------------------------------------------- the whole --- */

/* What is on its way to a fuzzer that has ended */
static void drop_passing(void)
{
	struct fuzz_fd f = { .fd = -1 };

	while (fuzz_receive(&f))
		;
	fuzz_close(&f);
}

static void *common_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		tap_bail("mmap");
	memset(at, 0, size);
	return at;
}

static int common_cgroup(const char *path)
{
	mkdir(path, 0755);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Before there is anybody. */
static void make_world(void)
{
	int fd = memfd_create("common", MFD_CLOEXEC);
	char path[64];

	soak = common_memory(sizeof(*soak));
	fuzz = common_memory(sizeof(*fuzz));
	if (ftruncate(fd, FUZZ_PAGE) || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fuzz_passing))
		tap_bail("the common page");
	fuzz_common = mmap(NULL, FUZZ_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fuzz_fixed = mmap(NULL, FUZZ_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (fuzz_common == MAP_FAILED || fuzz_fixed == MAP_FAILED)
		tap_bail("the common page");
	fuzz_file = fd;
	fuzz_root_cgroup = common_cgroup("/sys/fs/cgroup");
	for (int i = 0; i < FUZZ_CGROUPS; i++) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/fuzz%d", i);
		fuzz_cgroups[i] = common_cgroup(path);
	}
	fuzz_dead = tap_fork();
	if (fuzz_dead == 0)
		_exit(0);
	fuzz_dead_pidfd = (int)syscall(SYS_pidfd_open, fuzz_dead, 0);
	waitpid(fuzz_dead, NULL, 0);
	who_admit();
}

/* Locked memory has an end for root, too. */
static void limit_memory(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	syscall(SYS_capget, &header, caps);
	caps[0].effective &= ~(1U << CAP_IPC_LOCK);
	if (syscall(SYS_capset, &header, caps) ||
	    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ MEMLOCK, MEMLOCK }))
		tap_bail("limit");
}

static void report(double seconds)
{
	char text[512];

	tap_note("%lu operations in %.0f s: %.0f a second; %lu sessions opened, %lu children",
		 fuzz->ops, seconds, (double)fuzz->ops / seconds, fuzz->opened, fuzz->children);
	tap_note("%lu places of the driver reached, %lu sequences kept; %lu steps of programs, "
		 "%lu CPUs changed", fuzz->seen.places, fuzz->kept, soak->steps, soak->hotplugs);
	for (size_t kind = 0; kind < COUNT(kinds); kind++) {
		int n = 0;

		text[0] = '\0';
		for (int error = 0; error < FUZZ_ERRNOS; error++)
			if (fuzz->counts[kind][error] && n < 450)
				n += snprintf(text + n, sizeof(text) - (size_t)n, " %s %lu,",
					      tap_error(error), fuzz->counts[kind][error]);
		if (n)
			tap_note("%s:%.*s", kinds[kind].name, n - 1, text);
	}
}

static double run_until(unsigned long operations)
{
	struct timespec begun, now;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	limit = operations;
	begin_actors();
	while (atomic_load(&fuzz->ops) < limit && !atomic_load(&soak->wrong)) {
		soak_watch();
		usleep(50000);
	}
	tap_ok(soak_end_actors(), "after %lu operations all have come to their end", fuzz->ops);
	clock_gettime(CLOCK_MONOTONIC, &now);
	drop_passing();
	soak_await_nobody();
	return (double)(now.tv_sec - begun.tv_sec) + (double)(now.tv_nsec - begun.tv_nsec) / 1e9;
}

int main(int argc, char **argv)
{
	struct memory before, after;
	unsigned long operations;
	double seconds;
	bool guided;

	work_main(argc, argv);
	operations = argc > 1 ? strtoul(argv[1], NULL, 10) : 20000;
	soak_seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned long)time(NULL) % 100000;
	if (!operations)
		tap_bail("usage: fuzz [OPERATIONS [SEED]]");
	make_world();
	limit_memory();
	guided = access(KCOV, F_OK) == 0;
	tap_note("%lu operations, seed %lu, %s", operations, soak_seed, guided ? "guided" : "blindly");
	seconds = run_until(operations / 8);
	before = memory_measure();
	seconds += run_until(operations);
	after = memory_measure();
	report(seconds);
	tap_ok(!soak->wrong, "nothing went wrong, but %lu times", soak->wrong);
	tap_ok(fuzz->counts[SETUP][0] && fuzz->counts[ATTACH][0] && soak->steps, "much was done");
	tap_ok(!guided || fuzz->seen.places > 500, "and much of the driver reached");
	tap_ok(memory_processes() <= 2, "no task is left");
	for (int i = 0; i < 1000 && module_references(); i++)
		usleep(10000);
	tap_ok(module_references() == 0, "no session is left");
	memory_compare(before, after, SPARE, "after all that");
	memory_look_for_leaks();
	tap_ok(module_unload() == 0 && module_load() == 0, "it can be unloaded and loaded");
	return tap_end();
}
