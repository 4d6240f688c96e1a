// SPDX-License-Identifier: MIT
/*
 * parallel CMD [ARG]...: a thread for each ring counts what a program calls on that CPU, where one thread that
 * reads all in order could not keep up. In the end: how many events each CPU had.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systrace.h>

static struct systrace *st;

struct ring {
	unsigned number;
	pthread_t thread;
	unsigned long events, calls;
	int result;
};

static void *read_ring(void *arg)
{
	struct ring *r = arg;
	const struct systrace_event *e;

	while ((r->result = systrace_ring_wait(st, r->number, 1, -1)) == 1) {
		while ((e = systrace_ring_next(st, r->number))) {
			r->events++;
			r->calls += e->type == SYSTRACE_ENTER;
		}
		systrace_ring_release(st, r->number);
	}
	return NULL;
}

static int read_rings(struct ring *rings, unsigned nr)
{
	unsigned begun = 0;
	int ret = 0;

	while (begun < nr && !ret) {
		rings[begun].number = begun;
		ret = -pthread_create(&rings[begun].thread, NULL, read_ring, &rings[begun]);
		begun += !ret;
	}
	if (ret) {
		fprintf(stderr, "parallel: no thread: %s\n", strerror(-ret));
		exit(1);	/* the others may wait for its ring */
	}
	for (unsigned i = 0; i < nr; i++) {
		pthread_join(rings[i].thread, NULL);
		if (rings[i].result != -ECHILD)	/* nobody left, all is read */
			ret = rings[i].result;
	}
	return ret;
}

static int count(unsigned nr)
{
	struct ring *rings = calloc(nr, sizeof(*rings));
	int ret = rings ? read_rings(rings, nr) : -ENOMEM;

	for (unsigned i = 0; i < nr && !ret; i++)
		if (rings[i].events)
			printf("CPU %u: %lu events, %lu system calls\n", i, rings[i].events, rings[i].calls);
	free(rings);
	return ret;
}

int main(int argc, char **argv)
{
	int ret, nr;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: parallel CMD [ARG]...\n");
		return 2;
	}
	ret = systrace_open(&st, NULL);
	if (ret) {
		fprintf(stderr, "parallel: %s: %s\n", SYSTRACE_DEVICE, strerror(-ret));
		return 1;
	}
	ret = nr = systrace_split(st);
	if (ret >= 0)
		ret = systrace_spawn(st, &pid, argv[1], argv + 1, NULL);
	if (!ret) {
		ret = count((unsigned)nr);
		waitpid(pid, NULL, 0);
	}
	systrace_close(st);
	if (ret)
		fprintf(stderr, "parallel: %s: %s\n", argv[1], strerror(-ret));
	return ret != 0;
}
