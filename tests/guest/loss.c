// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Losses are told to the event: made = delivered + lost, whatever the reader
 * does. The policy records getppid alone, so that what is made is known.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "flood.h"

#define CPUS	256
#define CALLS	10000

static __u64 least;	/* bytes of the smallest ring */

struct account {
	__u64 enters, returns, others;
	__u64 lost, lost_on[CPUS], losses;
	__u64 seq;
	bool dense;
};

/* ----------------------------------------------------------------- reading --- */

static void count(struct account *a, const struct systrace_event *e)
{
	const struct systrace_lost *lost = (const void *)e;

	a->dense &= e->seq == a->seq + 1;
	a->seq = e->seq;
	if (e->type == SYSTRACE_ENTER)
		a->enters++;
	else if (e->type == SYSTRACE_RETURN)
		a->returns++;
	else if (e->type != SYSTRACE_LOST)
		a->others++;
	if (e->type != SYSTRACE_LOST)
		return;
	a->losses++;
	a->lost += lost->count;
	a->lost_on[lost->cpu % CPUS] += lost->count;
}

/* What is there, without a system call, so that nothing is told on our account. */
static void drain(struct systrace *st, struct account *a)
{
	const struct systrace_event *e;

	while ((e = systrace_next(st)))
		count(a, e);
	systrace_release(st);
}

static int read_to_end(struct systrace *st, struct account *a)
{
	int ret;

	while ((ret = systrace_wait(st, -1)) == 1)
		drain(st, a);
	return ret;
}

/* ------------------------------------------------------------------ sessions --- */

/* Nothing is recorded but getppid, and no DETACH or EXIT either. */
static struct systrace *session(__u64 ring_bytes, pid_t pid)
{
	static const struct systrace_rule rule = {
		.abi = SYSTRACE_ABI_NATIVE,
		.record = SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
		.first = SYS_getppid, .last = SYS_getppid,
	};
	struct systrace *st = tap_session((struct systrace_options){
		.ring_bytes = ring_bytes,
		.events = 1 << SYSTRACE_ENTER | 1 << SYSTRACE_RETURN,
	});

	if (systrace_policy(st, &rule, 1) ||
	    systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) < 1)
		tap_bail("attach");
	return st;
}

/* ---------------------------------------------------------------- balances --- */

static __u64 sum(const __u64 *lost)
{
	__u64 n = 0;

	for (int i = 0; i < SYSTRACE_LOST_CAUSES; i++)
		n += lost[i];
	return n;
}

/* Each CPU's LOST records agree with its STATS and with its ring's header. */
static bool cpus_agree(struct systrace *st, const struct systrace_setup *setup,
		       const struct account *a)
{
	const struct systrace_header *header;
	struct systrace_stats stats;
	bool good = true;

	header = mmap(NULL, setup->data_size, PROT_READ, MAP_SHARED, systrace_fd(st),
		      (off_t)setup->data_offset);
	if (header == MAP_FAILED)
		return false;
	for (__u32 cpu = 0; cpu < header->nr_rings && cpu < CPUS; cpu++) {
		const struct systrace_ring *ring = (const void *)
			((const char *)header + header->rings + cpu * header->rings_stride);

		good &= !systrace_stats(st, (int)cpu, &stats) && sum(stats.lost) == ring->lost &&
			a->lost_on[cpu] == ring->lost;
	}
	munmap((void *)(uintptr_t)header, setup->data_size);
	return good;
}

/* A second session of the same shape tells where the ranges are. */
static struct systrace_setup shape(__u64 ring_bytes)
{
	int fd = tap_open(O_RDWR);
	struct systrace_setup setup = tap_setup(fd, ring_bytes);

	close(fd);
	return setup;
}

static void balance(struct systrace *st, __u64 ring_bytes, const struct account *a,
		    __u64 calls, const char *name)
{
	struct systrace_setup setup = shape(ring_bytes);
	__u64 delivered = a->enters + a->returns;
	struct systrace_stats stats;

	systrace_stats(st, -1, &stats);
	if (!tap_ok(delivered + a->lost == 2 * calls && !a->others,
		    "%s: delivered + lost = made by the program", name))
		tap_note("%llu + %llu, made %llu", delivered, a->lost, 2 * calls);
	tap_ok(a->dense && a->seq == stats.seq, "%s: seq is dense to the last", name);
	if (!tap_ok(stats.made == 2 * calls && stats.delivered == delivered &&
		    sum(stats.lost) == a->lost && stats.lost[SYSTRACE_LOST_FULL] == a->lost,
		    "%s: STATS says so", name))
		tap_note("made %llu, delivered %llu, lost %llu", stats.made, stats.delivered,
			 sum(stats.lost));
	tap_ok(cpus_agree(st, &setup, a), "%s: each CPU's figures agree", name);
}

/* ------------------------------------------------------------------- tests --- */

/* Nobody reads until the program has ended, and nothing happens after. */
static void test_stopped(void)
{
	struct account a = { .dense = true };
	struct flood f = begin_flood(0);
	struct systrace *st = session(least, f.pid);
	int ret;

	start(f, CALLS);
	await(f);
	end_flood(f);
	ret = read_to_end(st, &a);
	tap_ok(ret == -ECHILD && a.lost, "a reader that comes too late finds losses and the end");
	balance(st, least, &a, CALLS, "exit");
	systrace_close(st);
}

/* It reads while four programs run on two CPUs, too slowly. */
static void test_slow(void)
{
	struct account a = { .dense = true };
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	struct systrace *st;
	struct flood f[4];

	for (int i = 0; i < 4; i++)
		f[i] = begin_flood(i % cpus);
	st = session(4 * least, f[0].pid);
	for (int i = 1; i < 4; i++)
		if (systrace_attach(st, f[i].pid, SYSTRACE_ATTACH_TREE) != 1)
			tap_bail("attach");
	for (int i = 0; i < 4; i++)
		start(f[i], CALLS);
	for (int i = 0; i < 200; i++) {
		drain(st, &a);
		usleep(500);
	}
	for (int i = 0; i < 4; i++) {
		await(f[i]);
		drain(st, &a);
		end_flood(f[i]);
	}
	read_to_end(st, &a);
	tap_ok(a.lost && a.losses > 1, "a slow reader is told of losses again and again");
	balance(st, 4 * least, &a, 4 * CALLS, "slow reader");
	systrace_close(st);
}

/* The rings are full when it is paused: there is room for the LOST record. */
static void test_pause(bool drained)
{
	const char *name = drained ? "PAUSE of read rings" : "PAUSE of full rings";
	struct account a = { .dense = true };
	struct flood f = begin_flood(0);
	struct systrace *st = session(least, f.pid);
	struct systrace_stats stats;

	start(f, CALLS);
	await(f);
	if (drained)
		drain(st, &a);
	systrace_stats(st, -1, &stats);
	tap_ok(sum(stats.lost) > a.lost, "%s: there are losses not told yet", name);
	tap_ok(systrace_pause(st) == 0, "%s", name);
	drain(st, &a);
	balance(st, least, &a, CALLS, name);
	/* Nothing is made while it is paused, and again after. */
	start(f, CALLS);
	await(f);
	drain(st, &a);
	balance(st, least, &a, CALLS, "while paused");
	systrace_resume(st);
	start(f, CALLS);
	await(f);
	end_flood(f);
	read_to_end(st, &a);
	balance(st, least, &a, 2 * CALLS, "after RESUME");
	systrace_close(st);
}

/* Told when the last task is detached, though no event follows. */
static void test_detach(void)
{
	struct account a = { .dense = true };
	struct flood f = begin_flood(0);
	struct systrace *st = session(least, f.pid);

	start(f, CALLS);
	await(f);
	systrace_detach(st, 0, SYSTRACE_DETACH_ALL);
	tap_ok(read_to_end(st, &a) == -ECHILD && a.lost, "losses are told after DETACH");
	balance(st, least, &a, CALLS, "DETACH");
	end_flood(f);
	systrace_close(st);
}

/* Told when the reader is about to sleep, though the task goes on and makes no event. */
static void test_sleep(void)
{
	struct account a = { .dense = true };
	struct flood f = begin_flood(0);
	struct systrace *st = session(least, f.pid);
	__u64 before;

	start(f, CALLS);
	await(f);
	drain(st, &a);
	before = a.losses;
	tap_ok(systrace_wait(st, -1) == 1, "a reader about to sleep is told of losses instead");
	drain(st, &a);
	tap_ok(a.losses > before, "by a LOST record");
	balance(st, least, &a, CALLS, "sleep");
	end_flood(f);
	systrace_close(st);
}

/* ---------------------------------------------------------------- the liar --- */

struct liar {
	int fd;
	struct systrace_setup setup;
	const struct systrace_header *header;
	char *control;
};

static struct liar begin_liar(pid_t pid)
{
	struct systrace_attach_args attach = { .size = sizeof(attach), .pid = pid };
	struct systrace_rule rule = {
		.abi = SYSTRACE_ABI_NATIVE,
		.record = SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
		.first = SYS_getppid, .last = SYS_getppid,
	};
	struct systrace_policy policy = {
		.size = sizeof(policy), .rules = (uintptr_t)&rule, .nr_rules = 1,
	};
	struct systrace_setup setup = {
		.size = sizeof(setup), .ring_bytes = least,
		.events = 1 << SYSTRACE_ENTER | 1 << SYSTRACE_RETURN,
	};
	struct liar l = { .fd = tap_open(O_RDWR) };

	if (ioctl(l.fd, SYSTRACE_IOC_SETUP, &setup) || ioctl(l.fd, SYSTRACE_IOC_POLICY, &policy) ||
	    ioctl(l.fd, SYSTRACE_IOC_ATTACH, &attach))
		tap_bail("the liar's session");
	l.setup = setup;
	l.control = mmap(NULL, setup.control_size, PROT_READ | PROT_WRITE, MAP_SHARED, l.fd,
			 (off_t)setup.control_offset);
	l.header = mmap(NULL, setup.data_size, PROT_READ, MAP_SHARED, l.fd,
			(off_t)setup.data_offset);
	if (l.control == MAP_FAILED || l.header == MAP_FAILED)
		tap_bail("mmap");
	return l;
}

static __u64 head_of(const struct liar *l, __u32 cpu)
{
	const struct systrace_ring *ring = (const void *)
		((const char *)l->header + l->header->rings + cpu * l->header->rings_stride);

	return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
}

static void set_tail(const struct liar *l, __u32 cpu, __u64 tail)
{
	__u64 *at = (void *)(l->control + l->header->tails + cpu * l->header->tails_stride);

	__atomic_store_n(at, tail, __ATOMIC_RELEASE);
}

/* Everything from plain nonsense to what is almost true. */
static __u64 lie(const struct liar *l, __u32 cpu)
{
	__u64 head = head_of(l, cpu), any = (__u64)random() << 33 ^ (__u64)random();

	switch (random() % 8) {
	case 0:
		return any;
	case 1:
		return 0;
	case 2:
		return ~0ULL;
	case 3:
		return head + 8 * (any % 8);
	case 4:
		return head - least + any % 16;
	case 5:
		return head - any % least;
	case 6:
		return head + 1;
	default:
		return head - least - 8;
	}
}

static void lies(const struct liar *l, bool look)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };
	__u64 *seen = (void *)(l->control + l->header->seen);

	for (__u32 cpu = 0; cpu < l->header->nr_rings; cpu++)
		set_tail(l, cpu, lie(l, cpu));
	*seen = lie(l, 0);
	if (!look)
		return;
	poll(&pfd, 1, 0);
	if (ioctl(l->fd, SYSTRACE_IOC_STATS, &stats))
		tap_ok(false, "STATS of a liar");
}

static __u64 liar_made(const struct liar *l)
{
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };

	ioctl(l->fd, SYSTRACE_IOC_STATS, &stats);
	return stats.made;
}

static void test_liar(void)
{
	struct flood f = begin_flood(0), g = begin_flood((int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
	struct systrace_attach_args attach = { .size = sizeof(attach), .pid = g.pid };
	struct systrace *st = session(4 << 20, f.pid);
	struct account a = { .dense = true };
	struct liar l = begin_liar(f.pid);
	struct pollfd done = { .fd = f.done, .events = POLLIN };

	if (ioctl(l.fd, SYSTRACE_IOC_ATTACH, &attach) ||
	    systrace_attach(st, g.pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	start(f, CALLS);
	start(g, CALLS);
	for (int i = 0; i < 20000 || !poll(&done, 1, 0); i++)
		lies(&l, i % 64 == 0);
	await(f);
	await(g);
	tap_ok(liar_made(&l) == 4 * CALLS, "what a liar's session has made is counted right");
	/* When it tells the truth again, all is well again. */
	for (__u32 cpu = 0; cpu < l.header->nr_rings; cpu++)
		set_tail(&l, cpu, head_of(&l, cpu));
	start(f, CALLS);
	await(f);
	tap_ok(liar_made(&l) == 6 * CALLS && head_of(&l, 0), "and after it told the truth again");
	end_flood(f);
	end_flood(g);
	tap_ok(read_to_end(st, &a) == -ECHILD && !a.lost, "the other session has lost nothing");
	balance(st, 4 << 20, &a, 3 * CALLS, "beside a liar");
	close(l.fd);
	systrace_close(st);
}

int main(void)
{
	struct systrace_info info = { .size = sizeof(info) };
	int fd = tap_open(O_RDWR);

	alarm(200);
	if (ioctl(fd, SYSTRACE_IOC_INFO, &info))
		tap_bail("INFO");
	least = info.ring_bytes_min;
	close(fd);
	test_stopped();
	test_slow();
	test_pause(false);
	test_pause(true);
	test_detach();
	test_sleep();
	test_liar();
	return tap_end();
}
