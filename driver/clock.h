/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock of events: the CPU's cycle counter where the kernel trusts it, since reading
 * that is one instruction; else CLOCK_MONOTONIC. What turns cycles into nanoseconds of
 * CLOCK_MONOTONIC is in each session's header, and is looked at anew each second.
 */
#ifndef SYSTRACE_CLOCK_H
#define SYSTRACE_CLOCK_H

#include <linux/ktime.h>
#include <systrace/uapi.h>
#ifdef CONFIG_X86_64
#include <asm/msr.h>
#include <asm/tsc.h>
#endif

/* The one whose events are written by way of a slot. */
#ifdef CONFIG_X86_64
#define SYSTRACE_CLOCK_FAST	SYSTRACE_CLOCK_TSC
#else
#define SYSTRACE_CLOCK_FAST	SYSTRACE_CLOCK_MONOTONIC
#endif

static __always_inline u64 systrace_clock_read(enum systrace_clock clock)
{
#ifdef CONFIG_X86_64
	if (likely(clock == SYSTRACE_CLOCK_TSC))
		return rdtsc();
#endif
	return ktime_get_mono_fast_ns();
}

/* The same by SYSTRACE_CLOCK_FAST, to there. */
static __always_inline void systrace_clock_put(u64 *to)
{
#ifdef CONFIG_X86_64
	u32 *half = (u32 *)to;

	asm volatile("rdtsc" : "=a" (half[0]), "=d" (half[1]));
#else
	*to = ktime_get_mono_fast_ns();
#endif
}

/* That of a session that begins now. */
enum systrace_clock systrace_clock_choose(void);

/* For sessions that have another than CLOCK_MONOTONIC. Process context, one at a time. */
void systrace_clock_sample(void);
/* What the last sample says. */
void systrace_clock_show(struct systrace_header *header);

#endif
