// SPDX-License-Identifier: GPL-2.0-or-later
/* systrace-dump --info: what the driver and this machine can do, in words */
#include <stdio.h>
#include <string.h>

#include "dump.h"

static const struct word {
	uint64_t feature;
	const char *name;
} policies[] = {
	{ SYSTRACE_FEATURE_DROP, "drop" },
	{ SYSTRACE_FEATURE_OVERWRITE, "overwrite" },
	{ SYSTRACE_FEATURE_BLOCK, "block" },
	{ 0, NULL },
}, others[] = {
	{ SYSTRACE_FEATURE_I386, "i386" },
	{ SYSTRACE_FEATURE_X32, "x32" },
	{ SYSTRACE_FEATURE_ARM, "arm" },
	{ 0, NULL },
};

/* Has a word for each value that the kernel says */
static const char *word(const char *const *words, unsigned n, unsigned value)
{
	return value < n ? words[value] : "unknown to this version";
}

static void print_words(const char *what, const struct word *words, uint64_t features)
{
	printf("%s:", what);
	for (; words->name; words++)
		if (features & words->feature)
			printf(" %s", words->name);
	printf("\n");
}

void systrace_dump_info(void)
{
	static const char *const clocks[] = {
		[SYSTRACE_CLOCK_MONOTONIC] = "CLOCK_MONOTONIC",
		[SYSTRACE_CLOCK_TSC] = "the time stamp counter",
	};
	static const char *const masks[] = {
		[SYSTRACE_MASK_OFF] = "a probe each while any task is traced",
		[SYSTRACE_MASK_IDLE] = "nothing: no task is traced",
		[SYSTRACE_MASK_ACTIVE] = "nothing, while others are traced",
		[SYSTRACE_MASK_OTHERS] = "a probe each, as long as other tracers have probes, too",
	};
	struct systrace_info info;
	int ret = systrace_info(&info);

	if (ret)
		systrace_dump_die("%s: %s; is the module loaded, and may you open it?", SYSTRACE_DEVICE,
				  strerror(-ret));
	printf("systrace %s, driver ABI %u\n", systrace_version(), info.abi_version);
	print_words("when a ring is full", policies, info.features);
	print_words("other system call ABIs", others, info.features);
	printf("rings: %u, of %llu to %llu bytes\n", info.nr_rings,
	       (unsigned long long)info.ring_bytes_min, (unsigned long long)info.ring_bytes_max);
	printf("clock: %s\n", word(clocks, sizeof(clocks) / sizeof(clocks[0]), info.clock));
	printf("a call of an untraced task costs: %s\n",
	       word(masks, sizeof(masks) / sizeof(masks[0]), info.mask));
}
