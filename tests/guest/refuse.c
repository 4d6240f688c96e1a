// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What every ioctl refuses alike: structures of a wrong size or with bits that
 * mean nothing yet, memory that is not there, numbers that no ioctl has, calls
 * before SETUP, signals. After each refusal the session is as before.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <systrace.h>
#include <time.h>

#include "tap.h"

#define PAGE 4096

static const struct call {
	const char *name;
	unsigned long nr;
	size_t size;
	bool answers;
	bool before_setup;	/* it does not need one */
	size_t zero[2];		/* where the structure has to be zero, if anywhere */
} calls[] = {
	{ "INFO", SYSTRACE_IOC_INFO, sizeof(struct systrace_info), true, true, { 0 } },
	{ "SETUP", SYSTRACE_IOC_SETUP, sizeof(struct systrace_setup), true, true,
	  { offsetof(struct systrace_setup, flags) } },
	{ "POLICY", SYSTRACE_IOC_POLICY, sizeof(struct systrace_policy), false, true,
	  { offsetof(struct systrace_policy, flags), offsetof(struct systrace_policy, reserved) } },
	{ "ATTACH", SYSTRACE_IOC_ATTACH, sizeof(struct systrace_attach_args), true, false,
	  { offsetof(struct systrace_attach_args, flags),
	    offsetof(struct systrace_attach_args, fd) } },
	{ "DETACH", SYSTRACE_IOC_DETACH, sizeof(struct systrace_detach_args), true, false,
	  { offsetof(struct systrace_detach_args, flags),
	    offsetof(struct systrace_detach_args, fd) } },
	{ "PAUSE", SYSTRACE_IOC_PAUSE, sizeof(struct systrace_op), false, false,
	  { offsetof(struct systrace_op, flags) } },
	{ "RESUME", SYSTRACE_IOC_RESUME, sizeof(struct systrace_op), false, false,
	  { offsetof(struct systrace_op, flags) } },
	{ "KICK", SYSTRACE_IOC_KICK, sizeof(struct systrace_op), false, false,
	  { offsetof(struct systrace_op, flags) } },
	{ "STATS", SYSTRACE_IOC_STATS, sizeof(struct systrace_stats), true, false, { 0 } },
};

static pid_t traced, stranger;	/* both asleep for good */

/* A session that this call is good for, with `traced` attached. */
struct subject {
	const struct call *call;
	int fd;
	bool is_setup;
	struct systrace_stats before;
};

static struct systrace_stats stats_of(int fd)
{
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };

	if (ioctl(fd, SYSTRACE_IOC_STATS, &stats))
		tap_bail("STATS");
	return stats;
}

static struct subject begin(const struct call *call)
{
	struct systrace_attach_args attach = {
		.size = sizeof(attach), .mode = SYSTRACE_ATTACH_TASK, .pid = traced,
	};
	struct subject s = { .call = call, .fd = tap_open(O_RDWR) };

	s.is_setup = call->nr != SYSTRACE_IOC_SETUP;
	if (!s.is_setup)
		return s;
	tap_setup(s.fd, PAGE);
	if (ioctl(s.fd, SYSTRACE_IOC_ATTACH, &attach))
		tap_bail("ATTACH");
	s.before = stats_of(s.fd);
	return s;
}

static bool unchanged(const struct subject *s)
{
	struct systrace_op op = { .size = sizeof(op) };
	struct systrace_stats now;

	if (!s->is_setup)
		return ioctl(s->fd, SYSTRACE_IOC_PAUSE, &op) == -1 && errno == EBADFD;
	now = stats_of(s->fd);
	return !memcmp(&now, &s->before, sizeof(now));
}

/* An argument with which the call succeeds on its subject. */
static void fill(const struct call *call, void *arg)
{
	struct systrace_setup *setup = arg;
	struct systrace_attach_args *attach = arg;
	struct systrace_detach_args *detach = arg;
	struct systrace_stats *stats = arg;

	memset(arg, 0, call->size);
	*(__u32 *)arg = (__u32)call->size;
	switch (call->nr) {
	case SYSTRACE_IOC_SETUP:
		setup->ring_bytes = PAGE;
		break;
	case SYSTRACE_IOC_ATTACH:
		attach->mode = SYSTRACE_ATTACH_TASK;
		attach->pid = stranger;
		break;
	case SYSTRACE_IOC_DETACH:
		detach->mode = SYSTRACE_DETACH_TASK;
		detach->pid = traced;
		break;
	case SYSTRACE_IOC_STATS:
		stats->cpu = -1;
		break;
	}
}

static void refuses(struct subject *s, void *arg, int want, const char *why)
{
	char what[128];
	bool same;
	int ret = ioctl(s->fd, s->call->nr, arg);
	int error = errno;

	same = unchanged(s);
	errno = error;
	snprintf(what, sizeof(what), "%s with %s", s->call->name, why);
	tap_errno(ret, want, what);
	if (!same)
		tap_ok(false, "%s: changed the session all the same", what);
}

static void accepts(const struct call *call, void *arg, const char *why)
{
	struct subject s = begin(call);
	char what[128];

	snprintf(what, sizeof(what), "%s with %s", call->name, why);
	tap_errno(ioctl(s.fd, call->nr, arg), 0, what);
	close(s.fd);
}

static void test_sizes(struct subject *s, unsigned char *page)
{
	const struct call *call = s->call;
	__u32 *size = (void *)page;

	fill(call, page);
	*size = 0;
	refuses(s, page, EINVAL, "a size of 0");
	*size = (__u32)call->size - 1;
	refuses(s, page, EINVAL, "a size below the first version's");
	memset(page + call->size, 0, 2 * PAGE - call->size);
	*size = PAGE + 1;
	refuses(s, page, E2BIG, "a size above a page");
	*size = 0xffffffff;
	refuses(s, page, E2BIG, "the largest size");
	*size = (__u32)call->size + 16;
	page[call->size + 15] = 1;
	refuses(s, page, E2BIG, "something unknown behind it");
	page[call->size + 15] = 0;
	page[call->size] = 0x80;
	refuses(s, page, E2BIG, "something unknown right behind it");
	page[call->size] = 0;
}

/* What follows is zero: taken, and what the driver does not know comes back as zero. */
static void test_longer(const struct call *call, unsigned char *page)
{
	__u32 *size = (void *)page;
	size_t i, sum = 0;

	fill(call, page);
	memset(page + call->size, 0, 2 * PAGE - call->size);
	*size = (__u32)call->size + 16;
	accepts(call, page, "16 zeros behind it");
	fill(call, page);
	*size = PAGE;
	accepts(call, page, "a size of a page");
	for (i = call->size; i < PAGE; i++)
		sum += page[i];
	tap_ok(*size == PAGE && !sum, "%s keeps the caller's size, and zeros behind its own",
	       call->name);
}

static void test_zeros(struct subject *s, unsigned char *page)
{
	const struct call *call = s->call;
	char why[64];

	for (unsigned i = 0; i < COUNT(call->zero) && call->zero[i]; i++) {
		unsigned refused = 0;

		for (unsigned bit = 0; bit < 32; bit++) {
			__u32 value = 1U << bit;

			fill(call, page);
			memcpy(page + call->zero[i], &value, sizeof(value));
			refused += ioctl(s->fd, call->nr, page) == -1 && errno == EINVAL;
		}
		snprintf(why, sizeof(why), "bits at offset %zu", call->zero[i]);
		tap_ok(refused == 32 && unchanged(s), "%s with %s: EINVAL for each", call->name,
		       why);
	}
}

/* The two pages are followed by one that cannot be accessed. */
static void test_pointers(struct subject *s, unsigned char *page)
{
	const struct call *call = s->call;
	unsigned char *ro = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fill(call, ro);
	mprotect(ro, PAGE, PROT_READ);
	refuses(s, NULL, EFAULT, "NULL");
	refuses(s, (void *)~7UL, EFAULT, "a kernel address");
	memcpy(page + 2 * PAGE - call->size + 4, ro, call->size - 4);
	refuses(s, page + 2 * PAGE - call->size + 4, EFAULT, "its end not there");
	if (call->answers)
		refuses(s, ro, EFAULT, "memory that cannot be written");
	else
		accepts(call, ro, "memory that cannot be written, as there is no answer");
	munmap(ro, PAGE);
}

static void test_structure(const struct call *call, unsigned char *page)
{
	struct subject s = begin(call);

	test_sizes(&s, page);
	test_zeros(&s, page);
	test_pointers(&s, page);
	/* After all that was refused, the good one is as good as ever. */
	fill(call, page);
	tap_errno(ioctl(s.fd, call->nr, page), 0, call->name);
	close(s.fd);
	test_longer(call, page);
}

static void test_numbers(unsigned char *page)
{
	struct subject s = begin(&calls[0]);
	static const unsigned long none[] = {
		_IO(0xd5, 9), _IO(0xd5, 10), _IO(0xd5, 255), _IO(0xd4, 0), _IO(0, 1),
		_IOR(0xd5, 0, struct systrace_info), _IOW(0xd5, 5, struct systrace_op),
		_IOC(0, 0xd5, 0, 8), 0, 0xffffffff,
	};

	memset(page, 0, PAGE);
	for (size_t i = 0; i < COUNT(none); i++) {
		char what[64];
		int ret = ioctl(s.fd, none[i], page);

		snprintf(what, sizeof(what), "ioctl 0x%lx", none[i]);
		tap_errno(ret, ENOTTY, what);
	}
	tap_ok(unchanged(&s), "unknown ioctls change nothing");
	close(s.fd);
}

static void test_before_setup(unsigned char *page)
{
	int fd = tap_open(O_RDWR);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char what[64];

	for (size_t i = 0; i < COUNT(calls); i++) {
		if (calls[i].before_setup)
			continue;
		fill(&calls[i], page);
		snprintf(what, sizeof(what), "%s before SETUP", calls[i].name);
		tap_errno(ioctl(fd, calls[i].nr, page), EBADFD, what);
	}
	tap_errno((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), EBADFD,
		  "mmap before SETUP");
	tap_ok(poll(&pfd, 1, -1) == 1 && pfd.revents == POLLERR, "poll before SETUP: POLLERR");
	fill(&calls[0], page);
	tap_errno(ioctl(fd, SYSTRACE_IOC_INFO, page), 0, "INFO before SETUP");
	fill(&calls[2], page);
	tap_errno(ioctl(fd, SYSTRACE_IOC_POLICY, page), 0, "POLICY before SETUP");
	tap_setup(fd, PAGE);
	tap_ok(stats_of(fd).attached == 0, "what was refused before SETUP has left nothing");
	close(fd);
}

/* ---------------------------------------------------------------- signals --- */

static volatile bool over;

/* PAUSE of one that is not paused waits for all CPUs, so that the session is mostly in use. */
static void *keep_busy(void *fd)
{
	struct systrace_op op = { .size = sizeof(op) };

	while (!over) {
		ioctl(*(int *)fd, SYSTRACE_IOC_PAUSE, &op);
		ioctl(*(int *)fd, SYSTRACE_IOC_RESUME, &op);
	}
	return NULL;
}

static volatile sig_atomic_t handled;

static void handle(int sig)
{
	(void)sig;
	handled++;
}

static int ask(int fd)
{
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };

	return ioctl(fd, SYSTRACE_IOC_STATS, &stats);
}

static void one_soon(timer_t timer)
{
	const struct itimerspec once = { .it_value = { 0, 700000 } };

	timer_settime(timer, 0, &once, NULL);
}

static void test_interrupted(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec often = { { 0, 700000 }, { 0, 700000 } };
	struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };
	struct systrace_options options = { .size = sizeof(options), .ring_bytes = PAGE };
	int fd, ret = 0, interrupted = 0;
	struct systrace_policy policy = { .size = sizeof(policy) };
	struct systrace_stats stats;
	struct systrace *st;
	pthread_t thread;
	timer_t timer;

	if (systrace_open(&st, &options))
		tap_bail("no session");
	fd = systrace_fd(st);
	sigaction(SIGUSR1, &action, NULL);
	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) ||
	    pthread_create(&thread, NULL, keep_busy, &fd) ||
	    timer_settime(timer, 0, &often, NULL))
		tap_bail("cannot make signals");
	for (sig_atomic_t begun = handled; handled - begun < 1000 && !ret; )
		ret = ask(fd);
	tap_ok(!ret, "STATS when a signal arrives while PAUSE goes on: with SA_RESTART, made again");
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	/* One each: who comes again and again before PAUSE is done would never have its turn. */
	for (ret = 0; interrupted < 5 && !ret; ) {
		one_soon(timer);
		ret = systrace_stats(st, -1, &stats);
		one_soon(timer);
		interrupted += ask(fd) < 0 && errno == EINTR;
	}
	tap_ok(interrupted == 5, "without it: EINTR");
	tap_ok(!ret, "the library makes the call again");
	do {
		one_soon(timer);
		ret = ioctl(fd, SYSTRACE_IOC_POLICY, &policy);
	} while (!ret);
	tap_errno(ret, EINTR, "POLICY when a signal arrives while PAUSE goes on");
	timer_delete(timer);
	over = true;
	pthread_join(thread, NULL);
	tap_ok(stats_of(fd).made == 0, "the interrupted session goes on");
	systrace_close(st);
}

int main(void)
{
	unsigned char *page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(page + 2 * PAGE, PAGE, PROT_NONE);
	alarm(120);
	traced = tap_sleeper();
	stranger = tap_sleeper();
	for (size_t i = 0; i < COUNT(calls); i++)
		test_structure(&calls[i], page);
	test_numbers(page);
	test_before_setup(page);
	test_interrupted();
	tap_reap(traced);
	tap_reap(stranger);
	return tap_end();
}
