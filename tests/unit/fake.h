/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver in the test's own process, for what no driver does on purpose: it fails, it lies, it writes what is no
 * record. The linker puts these functions in the place of those that the library calls (--wrap, see the
 * Makefile); what is not of the device goes on to the real ones. Also memory that lacks, at the nth time.
 */
#ifndef TESTS_UNIT_FAKE_H
#define TESTS_UNIT_FAKE_H

#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "handle.h"

#define FAKE_RINGS	3
#define FAKE_PAGE	4096UL
#define FAKE_BYTES_MAX	(1UL << 16)
/* Where things are: a page of header and rings, and each ring's bytes twice in a row */
#define FAKE_RINGS_AT	1024
#define FAKE_STRIDE	(2 * FAKE_BYTES_MAX)
#define FAKE_CONTROL_AT	(FAKE_PAGE + FAKE_RINGS * FAKE_BYTES_MAX)	/* in the file */
#define FAKE_DATA	(FAKE_PAGE + FAKE_RINGS * FAKE_STRIDE)

static struct fake {
	/* What it does, 0 or negated errors */
	int open, info, setup, map, stats, op;
	int map_at;			/* `map` is of that call, 0 for the first */
	__u64 fits;			/* SETUP of larger rings is -ENOMEM */
	struct systrace_info says;
	short revents;			/* of poll, beside what there is */
	int poll;			/* an error of poll, once */
	void (*lie)(struct systrace_header *header);	/* what it makes of it */
	void (*asleep)(void);		/* called where the library sleeps */
	/* What it was asked */
	int fd;				/* that of the session, or -1 */
	unsigned opened, closed, setups, kicks, naps, mapped;
	int interrupts;			/* so many ioctls are interrupted first */
	void *at[2];			/* the session's mappings */
	struct systrace_setup shape;
	struct systrace_attach_args attach;
	struct systrace_detach_args detach;
	struct systrace_policy policy;
	unsigned long last_op;
	/* What it has */
	int memory;			/* a memfd of all bytes */
	unsigned char *bytes;		/* ours */
	struct systrace_header *header;
	struct systrace_ring *rings;
	unsigned char *control;
	__u64 seq, made;
	struct systrace_writer writers[FAKE_RINGS];
} fake = { .fd = -1, .memory = -1 };

static struct {
	long countdown;			/* the allocation that fails; negative: none */
	long live;			/* those that were not freed */
} memory = { .countdown = -1 };

int __real_open64(const char *path, int flags, ...);
int __real_close(int fd);
int __real_ioctl(int fd, unsigned long request, ...);
void *__real_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const void *mask);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);

/* ----------------------------------------------------------------- memory --- */

static bool lacks(void)
{
	return memory.countdown >= 0 && !memory.countdown--;
}

static void *count(void *p)
{
	memory.live += p != NULL;
	return p;
}

void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return lacks() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return lacks() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
	bool was = p;
	void *q = lacks() ? NULL : __real_realloc(p, size);

	memory.live += q && !was;
	return q;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return lacks() ? NULL : count(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *p);
void __wrap_free(void *p)
{
	memory.live -= p != NULL;
	__real_free(p);
}

/* ------------------------------------------------------------------ device --- */

static int fail_with(int error)
{
	errno = -error;
	return -1;
}

static int open_device(void)
{
	if (fake.open)
		return fail_with(fake.open);
	fake.opened++;
	fake.fd = __real_open64("/dev/null", O_RDWR | O_CLOEXEC);
	return fake.fd;
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	return strcmp(path, SYSTRACE_DEVICE) ? __real_open64(path, flags) : open_device();
}

int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	return __wrap_open64(path, flags);
}

int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (fd == fake.fd) {
		fake.closed++;
		fake.fd = -1;
	}
	return __real_close(fd);
}

/* A page, and behind it each ring's bytes twice in a row */
static void *map_twice(__u64 ring_bytes, int prot)
{
	/* What is between the rings can be read, too: it is of the range. */
	unsigned char *at = __real_mmap64(NULL, FAKE_DATA, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		abort();
	for (unsigned i = 0; i < 1 + 2 * FAKE_RINGS; i++) {
		unsigned cpu = (i - 1) / 2, second = (i - 1) % 2;
		unsigned char *to = i ? at + FAKE_PAGE + cpu * FAKE_STRIDE + second * ring_bytes : at;
		size_t from = i ? FAKE_PAGE + cpu * FAKE_BYTES_MAX : 0;

		if (__real_mmap64(to, i ? ring_bytes : FAKE_PAGE, prot, MAP_SHARED | MAP_FIXED, fake.memory,
				  (off_t)from) == MAP_FAILED)
			abort();
	}
	return at;
}

static void *map_control(void)
{
	void *p = __real_mmap64(NULL, FAKE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fake.memory, FAKE_CONTROL_AT);

	if (p == MAP_FAILED)
		abort();
	return p;
}

/* Memory for rings of that size, and a header that tells of it */
static void shape_memory(__u64 ring_bytes)
{
	if (fake.memory >= 0)
		__real_close(fake.memory);
	if (fake.bytes)
		__real_munmap(fake.bytes, FAKE_DATA);
	if (fake.control)
		__real_munmap(fake.control, FAKE_PAGE);
	fake.memory = memfd_create("fake", MFD_CLOEXEC);
	if (fake.memory < 0 || ftruncate(fake.memory, FAKE_CONTROL_AT + FAKE_PAGE))
		abort();
	fake.bytes = map_twice(ring_bytes, PROT_READ | PROT_WRITE);
	fake.control = map_control();
	fake.header = (void *)fake.bytes;
	fake.rings = (void *)(fake.bytes + FAKE_RINGS_AT);
	*fake.header = (struct systrace_header){
		.magic = SYSTRACE_MAGIC, .abi_version = SYSTRACE_ABI_VERSION,
		.header_size = sizeof(struct systrace_header), .nr_rings = FAKE_RINGS,
		.ring_size = sizeof(struct systrace_ring), .ring_bytes = ring_bytes,
		.rings = FAKE_RINGS_AT, .rings_stride = sizeof(struct systrace_ring),
		.bytes = FAKE_PAGE, .bytes_stride = FAKE_STRIDE,
		.tails = 64, .tails_stride = 64, .seen = 0,
	};
	if (fake.lie)
		fake.lie(fake.header);
	fake.seq = fake.made = 0;
}

static __u64 *fake_tail(unsigned cpu)
{
	return (void *)(fake.control + 64 + 64 * cpu);
}

static int do_setup(struct systrace_setup *setup)
{
	fake.setups++;
	fake.shape = *setup;
	if (fake.setup)
		return fake.setup;
	if (setup->ring_bytes > fake.fits)
		return -ENOMEM;
	shape_memory(setup->ring_bytes);
	for (unsigned cpu = 0; cpu < FAKE_RINGS; cpu++) {
		struct systrace_ring *ring = &fake.rings[cpu];

		systrace_writer_init(&fake.writers[cpu], fake.bytes + FAKE_PAGE + cpu * FAKE_STRIDE,
				     setup->ring_bytes, &ring->head,
				     setup->full == SYSTRACE_FULL_OVERWRITE ? &ring->oldest : fake_tail(cpu));
	}
	setup->control_offset = 0;
	setup->control_size = FAKE_PAGE;
	setup->data_offset = 1UL << 20;
	setup->data_size = FAKE_DATA;
	return 0;
}

static int do_stats(struct systrace_stats *stats)
{
	if (stats->cpu < -1 || stats->cpu >= FAKE_RINGS)
		return -EINVAL;
	stats->seq = fake.seq;
	stats->made = fake.made;
	return fake.stats;
}

static int do_ioctl(unsigned long request, void *arg)
{
	switch (request) {
	case SYSTRACE_IOC_INFO:
		*(struct systrace_info *)arg = fake.says;
		return fake.info;
	case SYSTRACE_IOC_SETUP:
		return do_setup(arg);
	case SYSTRACE_IOC_STATS:
		return do_stats(arg);
	case SYSTRACE_IOC_POLICY:
		fake.policy = *(struct systrace_policy *)arg;
		return fake.op;
	case SYSTRACE_IOC_ATTACH:
		fake.attach = *(struct systrace_attach_args *)arg;
		((struct systrace_attach_args *)arg)->attached = 3;
		return fake.op;
	case SYSTRACE_IOC_DETACH:
		fake.detach = *(struct systrace_detach_args *)arg;
		((struct systrace_detach_args *)arg)->detached = 4;
		return fake.op;
	case SYSTRACE_IOC_KICK:
		fake.kicks++;
		return 0;
	default:
		fake.last_op = request;
		return fake.op;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int ret;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd != fake.fd)
		return __real_ioctl(fd, request, arg);
	if (fake.interrupts && fake.interrupts--)
		return fail_with(-EINTR);
	ret = do_ioctl(request, arg);
	return ret < 0 ? fail_with(ret) : ret;
}

void *__wrap_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (fd != fake.fd || fd < 0)
		return __real_mmap64(at, size, prot, flags, fd, offset);
	if (fake.map && !fake.map_at--) {
		errno = -fake.map;
		return MAP_FAILED;
	}
	fake.mapped++;
	fake.at[offset != 0] = offset ? map_twice(fake.shape.ring_bytes, PROT_READ) : map_control();
	return fake.at[offset != 0];
}

int __wrap_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
	for (unsigned i = 0; i < 2; i++) {
		if (at != fake.at[i])
			continue;
		fake.at[i] = NULL;
		fake.mapped--;
	}
	return __real_munmap(at, size);
}

/* As the driver's: what is begun is to be read; hung up when nobody is attached and all is read. */
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const void *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const void *mask)
{
	int error = fake.poll;

	(void)mask;
	if (n != 1 || fds->fd != fake.fd)
		abort();
	fake.poll = 0;
	if (error)
		return fail_with(error);
	if (fake.asleep)
		fake.asleep();
	fds->revents = fake.revents;
	if (fake.seq != *(__u64 *)(void *)fake.control)
		fds->revents |= POLLIN;
	else if (!fake.header->attached)
		fds->revents |= POLLHUP;
	else if (!fds->revents && !t)
		abort();	/* it would sleep for ever */
	else if (!fds->revents)
		nanosleep(t, NULL);
	return fds->revents != 0;
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *t, struct timespec *left)
{
	(void)clock, (void)flags, (void)t, (void)left;
	fake.naps++;
	if (fake.asleep)
		fake.asleep();
	return 0;
}

/* As after the module was loaded; nothing is left of the test before. */
static void fake_begin(void)
{
	int fd = fake.memory;
	unsigned char *bytes = fake.bytes, *control = fake.control;

	fake = (struct fake){
		.fd = -1, .memory = fd, .bytes = bytes, .control = control, .fits = FAKE_BYTES_MAX,
		.says = {
			.size = sizeof(struct systrace_info), .abi_version = SYSTRACE_ABI_VERSION,
			.ring_bytes_min = 4096, .ring_bytes_max = 1ULL << 30, .nr_rings = FAKE_RINGS,
		},
	};
	memory.countdown = -1;
	memory.live = 0;
}

/* ------------------------------------------------------------------ writing --- */

/* Whoever is in the way of a record gives way. False if that is no record any more: who fuzzes writes anything. */
static bool give_way(unsigned cpu, __u64 size)
{
	struct systrace_writer *w = &fake.writers[cpu];
	const struct systrace_event *oldest;
	__u64 seq;

	while (!systrace_writer_reserve(w, size, 0)) {
		oldest = systrace_writer_oldest(w);
		if (oldest->size < sizeof(*oldest) || oldest->size % 8)
			return false;
		seq = oldest->seq;
		systrace_writer_give_up(w, oldest);
		systrace_writer_forget(w, &fake.rings[cpu], seq);
	}
	return true;
}

/* A record in a CPU's ring that has the next number, or none if it is full. */
__attribute__((unused))
static struct systrace_event *fake_put(unsigned cpu, unsigned type, unsigned tid, size_t size)
{
	struct systrace_event *e;

	fake.rings[cpu].present = 1;
	if (fake.shape.full == SYSTRACE_FULL_OVERWRITE && !give_way(cpu, size))
		return NULL;
	e = systrace_writer_reserve(&fake.writers[cpu], size, 0);
	if (!e)
		return NULL;
	fake.made++;
	memset(e, 0, size);
	e->size = (__u16)size;
	e->type = (__u8)type;
	e->tid = tid;
	e->seq = ++fake.seq;
	e->time = 1000 * fake.seq;
	systrace_writer_publish(&fake.writers[cpu], size);
	return e;
}

#endif
