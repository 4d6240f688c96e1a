// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An unprivileged member of group systrace at his worst: what he hands to the ioctls, and
 * what he finds in the records and the memory that he is given. See attack.c.
 */
#define _GNU_SOURCE
#include "raw.h"
#include "victim.h"

#define PAGE	4096UL
#define KERNEL	0xffff888000000000UL

/* ----------------------------------------------------------------- ioctls --- */

static void test_numbers(int fd)
{
	unsigned n = 0;

	for (unsigned nr = 0; nr < 256; nr++)
		for (unsigned dir = 0; dir < 4; dir++)
			for (unsigned size = 0; size < 1 << 14; size += 1 << 10 | 8)
				n += ioctl(fd, _IOC(dir, 0xd5, nr, size), NULL) == -1 &&
				     errno == ENOTTY;
	tap_ok(n == 256 * 4 * 16 - 9, "ioctls of all numbers, directions and sizes: ENOTTY but for 9");
}

static void test_pointers(int fd)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long bad[] = { 0, 8, KERNEL, 0xffffffff81000000UL, ~0UL, ~0UL - PAGE, 1UL << 47,
				(1UL << 47) - 4, (uintptr_t)page + PAGE - 4, (uintptr_t)page + PAGE };
	struct systrace_info info = { .size = sizeof(info) };
	__u32 size = 152;
	unsigned n = 0, big = 0;

	munmap(page + PAGE, PAGE);
	memcpy(page + PAGE - 4, &size, sizeof(size));
	for (unsigned nr = 0; nr < 9; nr++)
		for (size_t i = 0; i < COUNT(bad); i++)
			n += ioctl(fd, _IO(0xd5, nr), bad[i]) == -1 && errno == EFAULT;
	tap_ok(n == 9 * COUNT(bad), "every ioctl, pointers that are none: EFAULT");
	for (unsigned nr = 0; nr < 9; nr++)
		for (int bit = 13; bit < 32; bit++) {
			memcpy(page, &(__u32){ 1U << bit }, sizeof(__u32));
			big += ioctl(fd, _IO(0xd5, nr), page) == -1 && errno == E2BIG;
		}
	tap_ok(big == 9 * 19, "every ioctl, structures of up to 2 GiB: E2BIG");
	memcpy(page + 3, &info, sizeof(info));
	tap_ok(ioctl(fd, SYSTRACE_IOC_INFO, page + 3) == 0, "INFO at an odd address: success");
	munmap(page, PAGE);
}

/* The same numbers in each run. */
static unsigned random_number(void)
{
	static unsigned long long state = 1;

	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)(state >> 33);
}

/* Words that are small, large or a pointer, in every structure. */
static void test_garbage(void)
{
	const __u32 sizes[] = { 48, 72, 24, 24, 24, 8, 8, 8, 152 };
	static __u64 words[512];
	int fd = tap_open(O_RDWR);

	for (unsigned i = 0; i < 20000; i++) {
		unsigned nr = random_number() % 9;

		for (size_t w = 0; w < 20; w++) {
			unsigned kind = random_number() % 8;

			words[w] = kind < 4 ? 0 : kind == 4 ? random_number() % 8 : kind == 5 ?
				(uintptr_t)words : kind == 6 ? 1ULL << random_number() % 64 :
				(__u64)random_number() << 32 | random_number();
		}
		memcpy(words, &sizes[nr], sizeof(sizes[nr]));
		if (nr == 1)	/* a good one now and then, and no more memory than there is */
			words[1] = 4096 << random_number() % 2;
		ioctl(fd, _IO(0xd5, nr), words);
		if (i % 50 == 49) {
			close(fd);
			fd = tap_open(O_RDWR);
		}
	}
	close(fd);
	tap_ok(true, "20000 ioctls of garbage have been survived");
}

/* ----------------------------------------------------------------- records --- */

static bool zero(const void *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const char *)at)[i])
			return false;
	return true;
}

/* Nothing behind a string's end, up to the end of its room. */
static bool clean_string(const char *string, size_t room)
{
	size_t length = strnlen(string, room);

	return length < room && zero(string + length, room - length);
}

static bool clean_record(const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;
	const struct systrace_task *task = (const void *)e;
	const struct systrace_exec *exec = (const void *)e;
	const char *end = (const char *)e + e->size;

	if (e->flags & ~3 || e->size % 8)
		return false;
	switch (e->type) {
	case SYSTRACE_ENTER:
		return e->size == offsetof(struct systrace_enter, args[enter->nargs]);
	case SYSTRACE_RETURN:
		return !((const struct systrace_return *)e)->reserved;
	case SYSTRACE_TASK:
		return clean_string(task->comm, sizeof(task->comm)) &&
		       clean_string((const char *)(task + 1), (size_t)(end - (const char *)(task + 1)));
	case SYSTRACE_EXEC:
		return !exec->reserved && clean_string(exec->comm, sizeof(exec->comm)) &&
		       clean_string((const char *)(exec + 1), (size_t)(end - (const char *)(exec + 1)));
	case SYSTRACE_EXIT:
		return !((const struct systrace_exit *)e)->reserved;
	case SYSTRACE_DETACH:
		return !((const struct systrace_detach *)e)->reserved;
	default:
		return true;
	}
}

/* Words that look like the kernel's addresses; small negative numbers do not. */
static bool has_address(const struct systrace_event *e)
{
	const __u64 *word = (const void *)e;

	for (size_t i = 0; i < e->size / 8U; i++)
		if (word[i] >> 47 == (1 << 17) - 1 && word[i] < ~0xfffffULL)
			return true;
	return false;
}

/* A child for each record: programs with names of all lengths, a signal, an end. */
static void make_records(unsigned i)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/%.*s", (int)(i % 24) + 1, "abcdefghijklmnopqrstuvwxyz");
	signal(SIGUSR1, SIG_DFL);
	if (i % 3 == 0 && fork() == 0)
		raise(SIGUSR1);
	syscall(SYS_getppid, ~0UL >> 17, 2, 3, 4, 5, 6);
	if (symlink("/bin/true", path) && errno != EEXIST)
		_exit(1);
	execl(path, "true", NULL);
	_exit(0);
}

/* Where records of all kinds have been, others follow. */
static void test_records(void)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 4096 });
	const struct systrace_event *e;
	unsigned n = 0, dirty = 0, addresses = 0, types = 0;

	for (unsigned i = 0; i < 200; i++) {
		int go[2];
		char c;
		pid_t pid;

		if (pipe(go))
			tap_bail("pipe");
		pid = tap_fork();
		if (pid == 0 && read(go[0], &c, 1) == 1)
			make_records(i);
		if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1 || write(go[1], "", 1) != 1)
			tap_bail("attach");
		if (i % 7 == 0)
			systrace_detach(st, pid, SYSTRACE_DETACH_TREE);
		close(go[0]);
		close(go[1]);
		while (systrace_wait(st, -1) == 1) {
			for (; (e = systrace_next(st)); n++) {
				dirty += !clean_record(e);
				addresses += has_address(e);
				types |= 1U << e->type;
			}
			systrace_release(st);
		}
		waitpid(pid, NULL, 0);
	}
	tap_ok(dirty == 0, "%u records: nothing in what is reserved or behind a string", n);
	tap_ok(addresses == 0, "and no address of the kernel");
	types |= 1U << SYSTRACE_LOST;
	tap_ok(types == (2U << SYSTRACE_DETACH) - (1U << SYSTRACE_ENTER), "of all types");
	systrace_close(st);
}

/* ------------------------------------------------------------------ memory --- */

static bool fresh(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_DROP, 0);
	const char *bytes = (const char *)s.header;
	bool good = zero(s.control, s.setup.control_size) &&
		    zero(s.header + 1, s.header->rings - sizeof(*s.header));

	for (unsigned cpu = 0; cpu < s.header->nr_rings; cpu++) {
		const struct systrace_ring *ring = (const void *)(bytes + s.header->rings +
								  cpu * s.header->rings_stride);

		good &= !ring->head && !ring->lost;
		if (ring->present)
			good &= zero(bytes + s.header->bytes + cpu * s.header->bytes_stride, 2 * RING);
	}
	good &= zero(bytes + s.header->rings + s.header->nr_rings * s.header->rings_stride,
		     s.header->bytes - s.header->rings -
		     s.header->nr_rings * s.header->rings_stride);
	raw_end(&s);
	return good;
}

static void test_memory(void)
{
	size_t size = 64 << 20;
	char *dirt = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool all = true;

	if (dirt == MAP_FAILED)
		tap_bail("mmap");
	memset(dirt, 0xa5, size);
	munmap(dirt, size);
	for (int i = 0; i < 50; i++)
		all &= fresh();
	tap_ok(all, "new rings and headers are zero, whatever was in the memory");
}

/* ------------------------------------------------------------------- main --- */

static void attack(void)
{
	int fd = tap_open(O_RDWR);

	tap_setup(fd, RING);
	test_numbers(fd);
	test_pointers(fd);
	close(fd);
	test_garbage();
	test_records();
	test_memory();
}

int main(void)
{
	struct victim *victim;

	alarm(400);
	who_admit();
	victim = victim_begin();
	who_runs(who_user, attack);
	victim_await(victim, 10);
	victim_end(victim);
	return tap_end();
}
