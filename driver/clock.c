// SPDX-License-Identifier: GPL-2.0-only
#include <linux/math64.h>
#include <linux/moduleparam.h>

#include "clock.h"

static bool tsc = true;
module_param(tsc, bool, 0644);
MODULE_PARM_DESC(tsc, "Time events by the TSC if the kernel trusts it (sessions that begin later)");

#ifdef CONFIG_X86_64

#define SHIFT	31
#define TRIES	4
#define KHZ_MIN	600000	/* of fewer, a cycle's nanoseconds << SHIFT are more than a u32 */

static struct {
	u64 cycles;
	u64 ns;
	u32 mult;
} last;

enum systrace_clock systrace_clock_choose(void)
{
	if (!READ_ONCE(tsc) || tsc_khz < KHZ_MIN || check_tsc_unstable())
		return SYSTRACE_CLOCK_MONOTONIC;
	return SYSTRACE_CLOCK_TSC;
}

/* Both clocks at one moment: of some tries the one that took the least. */
static void read_both(u64 *cycles, u64 *ns)
{
	u64 before, after, now, least = U64_MAX;
	unsigned long flags;
	int i;

	for (i = 0; i < TRIES; i++) {
		local_irq_save(flags);
		before = rdtsc_ordered();
		now = ktime_get_ns();
		after = rdtsc_ordered();
		local_irq_restore(flags);
		if (after - before >= least)
			continue;
		least = after - before;
		*cycles = before + least / 2;
		*ns = now;
	}
}

/*
 * Nanoseconds of a cycle << SHIFT: as in the time since the last sample, if that can be. The
 * counter's frequency is not known exactly, and CLOCK_MONOTONIC is slewed by up to 500 ppm;
 * more than 1/1024 is a sleep of the machine.
 */
static u32 rate(u64 cycles, u64 ns)
{
	u64 nominal = div64_u64((u64)USEC_PER_SEC << SHIFT, tsc_khz), measured;

	while (ns >> (63 - SHIFT)) {
		ns >>= 1;
		cycles >>= 1;
	}
	measured = cycles ? div64_u64(ns << SHIFT, cycles) : 0;
	return abs((s64)(measured - nominal)) <= nominal / 1024 ? measured : nominal;
}

void systrace_clock_sample(void)
{
	u64 cycles, ns;

	read_both(&cycles, &ns);
	if (last.mult && ns - last.ns < NSEC_PER_SEC / 2)
		return;		/* too short to tell the rate: what is known is good */
	last.mult = rate(cycles - last.cycles, ns - last.ns);
	last.cycles = cycles;
	last.ns = ns;
}

void systrace_clock_show(struct systrace_header *header)
{
	WRITE_ONCE(header->clock_count, header->clock_count + 1);
	smp_wmb();	/* odd, then the four */
	WRITE_ONCE(header->clock_cycles, last.cycles);
	WRITE_ONCE(header->clock_ns, last.ns);
	WRITE_ONCE(header->clock_mult, last.mult);
	WRITE_ONCE(header->clock_shift, SHIFT);
	smp_store_release(&header->clock_count, header->clock_count + 1); /* then even */
}

#else

enum systrace_clock systrace_clock_choose(void)
{
	return SYSTRACE_CLOCK_MONOTONIC;
}

void systrace_clock_sample(void)
{
}

void systrace_clock_show(struct systrace_header *header)
{
}

#endif
