/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine's memory is used for, before a test and after it. */
#ifndef SYSTRACE_TESTS_MEMORY_H
#define SYSTRACE_TESTS_MEMORY_H

#include <dirent.h>
#include <sys/stat.h>

#include "tap.h"

#define SLABS	"/sys/kernel/slab/"
#define KMEMLEAK "/sys/kernel/debug/kmemleak"
#define MEMORY_KEPT 32	/* objects that the kernel's own threads vary by */

/* Objects of the kernel's that one of ours may hold; -1 where it does not count them apart. */
static const char *const memory_slabs[] = { "task_struct", "pid", "cred_jar" };

struct memory {
	long free, vmaps;	/* KiB; mappings of pages */
	long slabs[COUNT(memory_slabs)];
};

TAP long memory_count_lines(const char *path, const char *with)
{
	FILE *file = fopen(path, "r");
	char line[512];
	long n = 0;

	if (!file)
		tap_bail("%s", path);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, with) != NULL;
	fclose(file);
	return n;
}

/* The numbers in kind's lines, added up */
TAP long memory_sum(const char *path, const char *kind)
{
	FILE *file = fopen(path, "r");
	long sum = 0, n;
	int lines = 0;
	char line[256];

	if (!file)
		tap_bail("%s", path);
	while (fgets(line, sizeof(line), file)) {
		const char *word = line + strspn(line, " ");

		if (strncmp(word, kind, strlen(kind)) || sscanf(word + strlen(kind), "%ld", &n) != 1)
			continue;
		sum += n;
		lines++;
	}
	fclose(file);
	if (!lines)
		tap_bail("%s has no %s", path, kind);
	return sum;
}

/* With the pages that each CPU has at hand, which MemFree leaves out */
TAP long memory_read_free(void)
{
	return memory_sum("/proc/meminfo", "MemFree:") +
	       getpagesize() / 1024 * memory_sum("/proc/zoneinfo", "count:");
}

/* Exact after a shrink, which takes what each CPU keeps for itself. */
TAP long memory_read_slab(const char *name)
{
	char path[128];
	struct stat st;
	long n = -1;
	FILE *file;

	snprintf(path, sizeof(path), SLABS "%s", name);
	if (lstat(path, &st) || !S_ISDIR(st.st_mode))
		return -1;	/* one with others of that size */
	snprintf(path, sizeof(path), SLABS "%s/shrink", name);
	tap_put(path, "1");
	snprintf(path, sizeof(path), SLABS "%s/objects", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &n) != 1)
		n = -1;
	if (file)
		fclose(file);
	return n;
}

/* By its flags, the 7th word behind its name; who is gone counts as one, too. */
TAP bool memory_is_kernel(const char *path)
{
	char line[1024] = "", *p;
	FILE *file = fopen(path, "r");
	unsigned flags = 0;

	if (!file)
		return true;
	p = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (p)
		sscanf(p, ") %*c %*d %*d %*d %*d %*d %u", &flags);
	return !p || flags & 0x200000;	/* PF_KTHREAD */
}

/* Those of user space, zombies too. */
TAP long memory_processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300];
	long n = 0;

	if (!proc)
		tap_bail("/proc");
	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		n += atoi(entry->d_name) > 0 && !memory_is_kernel(path);
	}
	closedir(proc);
	return n;
}

/* What is cached for later, and what KASAN holds back, goes. */
TAP void memory_shrink(void)
{
	DIR *slabs = opendir(SLABS);
	struct dirent *entry;
	char path[300];

	tap_put("/proc/sys/vm/drop_caches", "3");
	while (slabs && (entry = readdir(slabs))) {
		snprintf(path, sizeof(path), SLABS "%s/shrink", entry->d_name);
		tap_put(path, "1");
	}
	if (slabs)
		closedir(slabs);
}

/* The most that is free in a while: workers and RCU still give back. */
TAP struct memory memory_measure(void)
{
	struct memory m = { 0 };

	for (int i = 0; i < 8; i++) {
		long now;

		if (i % 4 == 0)
			memory_shrink();
		usleep(250000);
		now = memory_read_free();
		if (now > m.free)
			m.free = now;
		for (size_t slab = 0; slab < COUNT(memory_slabs); slab++) {
			now = memory_read_slab(memory_slabs[slab]);
			if (i == 0 || now < m.slabs[slab])
				m.slabs[slab] = now;
		}
	}
	m.vmaps = memory_count_lines("/proc/vmallocinfo", " vmap");
	return m;
}

/* spare: KiB that free memory varies by. */
TAP void memory_compare(struct memory before, struct memory after, long spare, const char *name)
{
	tap_note("%ld KiB free before, %+ld after", before.free, after.free - before.free);
	tap_ok(before.free - after.free < spare, "%s: memory is given back", name);
	if (!tap_ok(before.vmaps == after.vmaps, "%s: kernel mappings are given back", name))
		tap_note("%ld before, %ld after", before.vmaps, after.vmaps);
	for (size_t i = 0; i < COUNT(memory_slabs); i++) {
		if (before.slabs[i] < 0)
			continue;
		tap_ok(after.slabs[i] - before.slabs[i] < MEMORY_KEPT, "%s: each %s is given back",
		       name, memory_slabs[i]);
		tap_note("%ld before, %ld after", before.slabs[i], after.slabs[i]);
	}
}

/* Anything at all: what an unloaded module has left has no name any more. */
TAP void memory_look_for_leaks(void)
{
	char line[256];
	FILE *file;

	sleep(6);	/* it takes nothing younger than 5 seconds for lost */
	if (!tap_put(KMEMLEAK, "scan") || !tap_put(KMEMLEAK, "scan")) {
		tap_ok(true, "kmemleak finds nothing # SKIP the kernel does not have it");
		return;
	}
	file = fopen(KMEMLEAK, "r");
	if (!file)
		tap_bail(KMEMLEAK);
	line[0] = '\0';
	for (int i = 0; i < 30 && fgets(line, sizeof(line), file); i++)
		tap_note("%s", strtok(line, "\n"));
	fclose(file);
	tap_ok(!line[0], "kmemleak finds nothing");
}

#endif
