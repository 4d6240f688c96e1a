// SPDX-License-Identifier: LGPL-2.1-or-later
/* From the session's clock to the system's. Any thread. */
#include <time.h>

#include "handle.h"

#define SPINS	1000
#define NAPS	10000
#define NAP	100000	/* ns */

struct clock {
	__u64 cycles;
	__u64 ns;
	__u32 mult;
	__u32 shift;
};

/*
 * The kernel makes clock_count odd, stores the four, makes it even. Each load
 * is an acquire, so that the last one, of clock_count, comes after all: if it
 * has not changed, neither had they.
 */
static bool read_clock_once(const struct systrace_header *h, struct clock *c)
{
	__u32 count = systrace_load_acquire(&h->clock_count);

	c->cycles = systrace_load_acquire(&h->clock_cycles);
	c->ns = systrace_load_acquire(&h->clock_ns);
	c->mult = systrace_load_acquire(&h->clock_mult);
	c->shift = systrace_load_acquire(&h->clock_shift);
	return !(count & 1) && __atomic_load_n(&h->clock_count, __ATOMIC_RELAXED) == count;
}

/*
 * It takes the kernel less than a microsecond, unless its CPU is virtual and not running. One that takes longer than
 * a second is at fault: then the time is, too, but nobody hangs.
 */
static void read_clock(const struct systrace_header *h, struct clock *c)
{
	const struct timespec nap = { .tv_nsec = NAP };

	for (unsigned i = 0; i < SPINS; i++)
		if (read_clock_once(h, c))
			return;
	for (unsigned i = 0; i < NAPS && !read_clock_once(h, c); i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

/*
 * (delta * mult) >> shift without 128-bit integers, which 32-bit machines lack:
 * shift is at most 32, so the upper half's product loses no bits to it. delta is
 * signed, since an event may be older than clock_cycles. (A larger shift would be a lie.)
 */
static __u64 scale(__s64 delta, __u32 mult, __u32 shift)
{
	__u64 upper = (__u64)(delta >> 32) * mult;
	__u64 lower = ((__u64)delta & 0xffffffff) * mult;

	return (upper << ((32 - shift) & 63)) + (lower >> (shift & 63));
}

uint64_t systrace_time(const struct systrace *st, const struct systrace_event *event)
{
	struct clock c;

	if (st->header->clock == SYSTRACE_CLOCK_MONOTONIC)
		return event->time;
	read_clock(st->header, &c);
	return c.ns + scale((__s64)(event->time - c.cycles), c.mult, c.shift);
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The one clock is looked at before and after the other: it was that in the middle. */
uint64_t systrace_time_by(const struct systrace *st, const struct systrace_event *event, clockid_t clock)
{
	uint64_t before = now(CLOCK_MONOTONIC);
	uint64_t other = now(clock);
	uint64_t after = now(CLOCK_MONOTONIC);

	return other - (before + (after - before) / 2) + systrace_time(st, event);
}

uint64_t systrace_time_real(const struct systrace *st, const struct systrace_event *event)
{
	return systrace_time_by(st, event, CLOCK_REALTIME);
}
