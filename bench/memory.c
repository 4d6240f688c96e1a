// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory: what the kernel has less while there are sessions, and tasks that they follow. A line each: what,
 * and bytes for one. Run in a machine where nobody else is at work.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <systrace.h>
#include <unistd.h>

#define SESSIONS 200
#define TASKS	5000

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* All numbers behind that word, added up */
static double sum(const char *path, const char *word)
{
	char line[256], name[64];
	double total = 0, n;
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " %63s %lf", name, &n) == 2 && !strcmp(name, word))
			total += n;
	if (!file || fclose(file))
		die(path);
	return total;
}

/* Bytes that are not free, nor at hand for a CPU; what waits to be given back is waited for. */
static double used(void)
{
	FILE *file = fopen("/proc/sys/vm/drop_caches", "w");

	if (!file || fputs("3", file) < 0 || fclose(file))
		die("drop_caches");
	sleep(1);
	return -1024 * sum("/proc/meminfo", "MemFree:") - 4096 * sum("/proc/zoneinfo", "count:");
}

static double sessions(unsigned long ring_bytes)
{
	static struct systrace *st[SESSIONS];
	struct systrace_options opts = { .size = sizeof(opts), .ring_bytes = ring_bytes };
	double before = used(), after;

	for (int i = 0; i < SESSIONS; i++)
		if (systrace_open(&st[i], &opts))
			die("open");
	after = used();
	for (int i = 0; i < SESSIONS; i++)
		systrace_close(st[i]);
	return (after - before) / SESSIONS;
}

static void *sleep_on(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static double tasks(void)
{
	struct systrace_options opts = { .size = sizeof(opts), .ring_bytes = 1 << 20 };
	pthread_attr_t attr;
	struct systrace *st;
	double before, after;
	int ready[2];
	pthread_t t;
	pid_t pid;
	char c;

	if (pipe(ready) || systrace_open(&st, &opts))
		die("open");
	pid = fork();
	if (pid == 0) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 16384);
		for (int i = 1; i < TASKS; i++)
			if (pthread_create(&t, &attr, sleep_on, NULL))
				_exit(1);
		if (write(ready[1], "", 1) == 1)
			sleep_on(NULL);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		die("threads");
	before = used();
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != TASKS)
		die("attach");
	after = used();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	systrace_close(st);
	return (after - before) / TASKS;
}

int main(void)
{
	struct rlimit many = { 4096, 4096 };
	double small, large;

	setrlimit(RLIMIT_NOFILE, &many);
	sessions(4096);		/* what comes for the first time */
	small = sessions(4096);
	large = sessions(65536);
	printf("a session with rings of 4 KiB\t%.0f\n", small);
	printf("a session with rings of 64 KiB\t%.0f\n", large);
	printf("a task in a session\t%.0f\n", tasks());
	return 0;
}
