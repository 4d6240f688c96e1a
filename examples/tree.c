// SPDX-License-Identifier: MIT
/*
 * tree CMD [ARG]...: the processes of a program, while it runs, twice a second, and at its end all of them: how
 * many system calls each has made, how many of these failed, and what it executes.
 *
 * One thread reads, and shows each event to the table of tasks; another one looks into that.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systrace.h>
#include <time.h>

#define REMEMBERED	100000	/* of the processes that have ended, for the last look */

static struct systrace *st;
static struct systrace_tasks *tasks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int result = 1;		/* what reading came to, or 1: it goes on */

static int read_events(void)
{
	const struct systrace_event *e;
	int ret;

	while ((ret = systrace_wait(st, -1)) == 1) {
		while ((e = systrace_next(st))) {
			ret = systrace_tasks_update(tasks, st, e);
			if (ret)
				return ret;
		}
		systrace_release(st);
	}
	return ret == -ECHILD ? 0 : ret;	/* nobody left, all is read */
}

static void *reader(void *arg)
{
	int ret = read_events();

	pthread_mutex_lock(&lock);
	result = ret;
	pthread_cond_signal(&ended);
	pthread_mutex_unlock(&lock);
	return arg;
}

static void show_one(const struct systrace_task_state *s)
{
	char name[4 * SYSTRACE_FILE_BYTES + 1];	/* each byte of it may be escaped */

	printf("%7u %9llu %9llu  %*s%s", s->tid, (unsigned long long)s->calls, (unsigned long long)s->failures,
	       2 * (int)s->depth, "", systrace_escape(*s->file ? s->file : s->comm, name, sizeof(name)));
	if (s->how == SYSTRACE_END_EXIT && WIFSIGNALED(s->status))
		printf(" [%s]", systrace_signal_name(WTERMSIG(s->status)));
	else if (s->how == SYSTRACE_END_EXIT)
		printf(" [%d]", WEXITSTATUS(s->status));
	printf("\n");
}

static int show(unsigned flags)
{
	struct systrace_task_state *states;
	uint64_t seq;
	int n = systrace_tasks_tree(tasks, 0, flags, &states, &seq);

	if (n < 0)
		return n;
	printf("%7s %9s %9s  after event %llu\n", "process", "calls", "failures", (unsigned long long)seq);
	for (int i = 0; i < n; i++)
		show_one(&states[i]);
	printf("\n");
	fflush(stdout);
	free(states);
	return 0;
}

/* Until then, or until the reader is done, which this returns. */
static int wait_until(const struct timespec *then)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	while (result == 1 && !ret)
		ret = pthread_cond_timedwait(&ended, &lock, then);
	ret = result;
	pthread_mutex_unlock(&lock);
	return ret;
}

static int watch(void)
{
	struct timespec then;
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, reader, NULL);

	if (ret)
		return -ret;
	clock_gettime(CLOCK_REALTIME, &then);
	for (;;) {
		then.tv_sec += then.tv_nsec >= 500000000;
		then.tv_nsec = (then.tv_nsec + 500000000) % 1000000000;
		ret = wait_until(&then);
		if (ret != 1)
			break;
		show(0);
	}
	pthread_join(thread, NULL);
	return ret ? ret : show(SYSTRACE_TREE_ENDED);
}

int main(int argc, char **argv)
{
	const struct systrace_options options = { .size = sizeof(options), .full = SYSTRACE_FULL_BLOCK };
	const struct systrace_tasks_options remember = { .size = sizeof(remember), .ended = REMEMBERED };
	pid_t pid;
	int ret;

	if (argc < 2) {
		fprintf(stderr, "usage: tree CMD [ARG]...\n");
		return 2;
	}
	ret = systrace_open(&st, &options);
	if (ret) {
		fprintf(stderr, "tree: %s: %s\n", SYSTRACE_DEVICE, strerror(-ret));
		return 1;
	}
	ret = systrace_tasks_new(&tasks, &remember);
	if (!ret)
		ret = systrace_spawn(st, &pid, argv[1], argv + 1, NULL);
	if (!ret) {
		ret = watch();
		waitpid(pid, NULL, 0);
	}
	systrace_tasks_free(tasks);
	systrace_close(st);
	if (ret)
		fprintf(stderr, "tree: %s: %s\n", argv[1], strerror(-ret));
	return ret != 0;
}
