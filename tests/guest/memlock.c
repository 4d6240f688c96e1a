// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much ring memory a user may have: what parameter memlock_kib allows to each, then
 * RLIMIT_MEMLOCK; exactly that, given back when the session ends or is refused, and no
 * matter to other users. What RLIMIT_MEMLOCK alone allows is in refuse_setup.c.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "who.h"

#define RING		65536
#define ALLOWANCE	"/sys/module/systrace/parameters/memlock_kib"

static unsigned long kib;	/* what one session takes */

static void allow(unsigned long n)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", n);
	if (!tap_put(ALLOWANCE, text))
		tap_bail("cannot set memlock_kib");
}

static int setup(int fd, __u64 ring_bytes)
{
	struct systrace_setup args = { .size = sizeof(args), .ring_bytes = ring_bytes };

	return ioctl(fd, SYSTRACE_IOC_SETUP, &args);
}

/* The rings of CPUs that are not there take nothing. */
static unsigned long measure(void)
{
	int fd = tap_open(O_RDWR);
	struct systrace_setup args = tap_setup(fd, RING);
	const struct systrace_header *header = mmap(NULL, args.data_size, PROT_READ, MAP_SHARED,
						    fd, (off_t)args.data_offset);
	unsigned long bytes;

	if (header == MAP_FAILED)
		tap_bail("mmap");
	bytes = args.control_size + header->bytes +
		RING * (unsigned long)sysconf(_SC_NPROCESSORS_ONLN);
	munmap((void *)(uintptr_t)header, args.data_size);
	close(fd);
	return bytes / 1024;
}

/* How many sessions the user gets, at most n, held until the end of the process. */
static unsigned sessions(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (setup(tap_open(O_RDWR), RING)) {
			if (errno != ENOMEM)
				tap_bail("SETUP");
			break;
		}
	return i;
}

/* In a process of its own: how many sessions a user gets with that much locked memory. */
static unsigned gets(void (*become)(void), unsigned long locked_kib, unsigned n)
{
	const struct rlimit limit = { locked_kib * 1024, locked_kib * 1024 };
	int status;
	pid_t pid = tap_fork();

	if (pid == 0) {
		setrlimit(RLIMIT_MEMLOCK, &limit);
		become();
		_exit((int)sessions(n));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 255;
}

static void test_bounds(void)
{
	allow(0);
	tap_ok(gets(who_user, 0, 1) == 0, "nothing allowed: ENOMEM");
	allow(kib - 1);
	tap_ok(gets(who_user, 0, 1) == 0, "1 KiB less than a session takes: ENOMEM");
	allow(kib);
	tap_ok(gets(who_user, 0, 2) == 1, "as much as one session takes: one");
	allow(3 * kib);
	tap_ok(gets(who_user, 0, 9) == 3, "as much as three take: three");
	tap_ok(gets(who_user, 0, 9) == 3, "and three again: they gave back what they took");
	allow(ULONG_MAX);
	tap_ok(gets(who_user, 0, 9) == 9, "the largest number: all");
	allow(kib / 2);
	tap_ok(gets(who_user, kib - kib / 2, 9) == 1, "the rest from RLIMIT_MEMLOCK: one");
	tap_ok(gets(who_user, 2 * kib - kib / 2, 9) == 2, "and another");
	allow(0);
	tap_ok(gets(who_user, kib, 9) == 1, "all from RLIMIT_MEMLOCK: one");
	tap_ok(gets(who_root, 0, 9) == 9, "CAP_IPC_LOCK: all");
}

/* Two processes of one user, and one of another. */
static void test_users(void)
{
	int fds[2], status;
	pid_t pid;
	char c;

	allow(2 * kib);
	if (pipe(fds))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0) {
		setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 });
		who_user();
		if (sessions(1) != 1 || write(fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], &c, 1) != 1)
		tap_bail("no session of the user");
	close(fds[0]);
	tap_ok(gets(who_user, 0, 9) == 1, "a user who has one of two elsewhere gets one");
	tap_ok(gets(who_other, 0, 9) == 2, "another gets two meanwhile");
	allow(kib / 2);
	tap_ok(gets(who_user, 0, 9) == 0, "less than is in use: none");
	allow(kib);
	tap_ok(gets(who_user, 0, 9) == 0, "as much as is in use: none");
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	tap_ok(gets(who_user, 0, 9) == 1, "after its end: one");
}

static void refused(int fd)
{
	bool all = true;

	for (int i = 0; i < 100; i++)
		all &= setup(fd, 64 * RING) == -1 && errno == ENOMEM;
	tap_ok(all, "100 times more than is left: ENOMEM");
}

/* A refusal comes when a part is taken. */
static void test_refused(void)
{
	int status;
	pid_t pid;

	allow(kib);
	pid = tap_fork();
	if (pid == 0) {
		int fd;

		setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 });
		who_user();
		fd = tap_open(O_RDWR);
		refused(fd);
		tap_errno(setup(fd, RING), 0, "and then as much as there is");
		_exit(tap_failed ? 255 : tap_number);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
		tap_bail("the user's part failed");
	tap_number = WEXITSTATUS(status);
}

int main(void)
{
	alarm(120);
	who_admit();
	kib = measure();
	test_bounds();
	test_users();
	test_refused();
	allow(64 * 1024);
	return tap_end();
}
