/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the driver's code a system call of ours ran through, where the kernel says so
 * (KCOV): by task, and of what the driver does elsewhere nothing.
 */
#ifndef SYSTRACE_TESTS_KCOV_H
#define SYSTRACE_TESTS_KCOV_H

#include <linux/kcov.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "tap.h"

#define KCOV		"/sys/kernel/debug/kcov"
#define KCOV_WORDS	(64UL << 10)
#define KCOV_TEXT	(1UL << 20)	/* of the driver, at most */
#define KCOV_PAIRS	(1UL << 16)

/* What all have seen: addresses in the driver, and which followed which, hashed. */
struct kcov_seen {
	atomic_ulong places;
	unsigned char text[KCOV_TEXT], pairs[KCOV_PAIRS];
};

static struct kcov {
	unsigned long *area;	/* of this task; NULL where there is no KCOV */
	unsigned long text;	/* where the driver was loaded */
} kcov;

/* With what is said of it in /proc/modules, for who may read that. */
TAP bool kcov_open(void)
{
	int fd = open(KCOV, O_RDWR | O_CLOEXEC);
	FILE *file = fopen("/proc/modules", "r");
	char line[256];

	kcov.area = NULL;
	kcov.text = 0;
	while (file && !kcov.text && fgets(line, sizeof(line), file))
		sscanf(line, "systrace %*u %*d %*s %*s %lx", &kcov.text);
	if (file)
		fclose(file);
	if (fd < 0)
		return false;
	if (!kcov.text || ioctl(fd, KCOV_INIT_TRACE, KCOV_WORDS))
		tap_bail("KCOV");
	kcov.area = mmap(NULL, KCOV_WORDS * sizeof(*kcov.area), PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	if (kcov.area == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
		tap_bail("KCOV");
	return true;
}

TAP void kcov_begin(void)
{
	if (kcov.area)
		__atomic_store_n(kcov.area, 0, __ATOMIC_RELAXED);
}

/* Since kcov_begin: was there anything that nobody has seen? */
TAP bool kcov_new(struct kcov_seen *seen)
{
	unsigned long n = kcov.area ? __atomic_load_n(kcov.area, __ATOMIC_RELAXED) : 0, last = 0;
	bool new = false;

	for (unsigned long i = 1; i <= n; i++) {
		unsigned long at = kcov.area[i] - kcov.text;
		unsigned long pair = (at * 0x9e3779b97f4a7c15UL ^ last) >> 7 & (KCOV_PAIRS - 1);

		last = at * 0xc2b2ae3d27d4eb4fUL;
		if (at >= KCOV_TEXT)
			continue;
		if (!seen->text[at] && !__atomic_exchange_n(&seen->text[at], 1, __ATOMIC_RELAXED))
			atomic_fetch_add(&seen->places, 1);
		new |= !seen->pairs[pair];
		seen->pairs[pair] = 1;
	}
	return new;
}

#endif
