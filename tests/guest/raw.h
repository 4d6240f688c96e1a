/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions without the library: to read as little and as badly as a test needs. */
#ifndef SYSTRACE_TESTS_RAW_H
#define SYSTRACE_TESTS_RAW_H

#include <sys/mman.h>

#include "tap.h"

#define RING	16384

struct raw {
	int fd;
	struct systrace_setup setup;
	unsigned char *control;
	const struct systrace_header *header;
};

TAP void raw_map_control(struct raw *s)
{
	s->control = mmap(NULL, s->setup.control_size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd,
			  (off_t)s->setup.control_offset);
	if (s->control == MAP_FAILED)
		tap_bail("mmap of control");
}

TAP struct raw raw_begin(__u32 full, __u32 timeout_ms)
{
	struct raw s = { .fd = tap_open(O_RDWR) };

	s.setup = (struct systrace_setup){
		.size = sizeof(s.setup), .ring_bytes = RING,
		.full = full, .timeout_ms = timeout_ms,
	};
	if (ioctl(s.fd, SYSTRACE_IOC_SETUP, &s.setup))
		tap_bail("SETUP");
	raw_map_control(&s);
	s.header = mmap(NULL, s.setup.data_size, PROT_READ, MAP_SHARED, s.fd,
			(off_t)s.setup.data_offset);
	if (s.header == MAP_FAILED)
		tap_bail("mmap of data");
	return s;
}

TAP void raw_end(struct raw *s)
{
	munmap(s->control, s->setup.control_size);
	munmap((void *)(uintptr_t)s->header, s->setup.data_size);
	close(s->fd);
}

TAP void raw_attach(const struct raw *s, pid_t pid)
{
	struct systrace_attach_args args = { .size = sizeof(args), .pid = pid };

	if (ioctl(s->fd, SYSTRACE_IOC_ATTACH, &args))
		tap_bail("ATTACH");
}

TAP int raw_op(const struct raw *s, unsigned long request)
{
	struct systrace_op args = { .size = sizeof(args) };

	return ioctl(s->fd, request, &args);
}

TAP struct systrace_stats raw_stats(const struct raw *s)
{
	struct systrace_stats st = { .size = sizeof(st), .cpu = -1 };

	if (ioctl(s->fd, SYSTRACE_IOC_STATS, &st))
		tap_bail("STATS");
	return st;
}

TAP __u64 raw_head(const struct raw *s, unsigned cpu)
{
	const struct systrace_ring *ring = (const void *)
		((const char *)s->header + s->header->rings + cpu * s->header->rings_stride);

	return __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
}

TAP __u64 *raw_tail(const struct raw *s, unsigned cpu)
{
	return (void *)(s->control + s->header->tails + cpu * s->header->tails_stride);
}

/* Read everything, as a reader must; true if somebody was waiting. */
TAP bool raw_drain(const struct raw *s)
{
	for (unsigned cpu = 0; cpu < s->header->nr_rings; cpu++)
		__atomic_store_n(raw_tail(s, cpu), raw_head(s, cpu), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&s->header->waiters, __ATOMIC_RELAXED))
		return false;
	if (raw_op(s, SYSTRACE_IOC_KICK))
		tap_bail("KICK");
	return true;
}

TAP unsigned raw_waiters(const struct raw *s)
{
	return __atomic_load_n(&s->header->waiters, __ATOMIC_RELAXED);
}

TAP void raw_await_waiters(const struct raw *s, unsigned n)
{
	while (raw_waiters(s) != n)
		usleep(1000);
}

#endif
