// SPDX-License-Identifier: MIT
/*
 * flight-recorder SECONDS FILE CMD [ARG]...: runs CMD as ever; but if a signal ends it, what it and all it
 * has started did in the last seconds is in FILE then. Nothing is read meanwhile, and nothing waits.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systrace.h>
#include <time.h>

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* 0, or errno */
static int write_latest(struct systrace *st, const char *path, uint64_t since)
{
	static char text[SYSTRACE_FORMAT_BYTES];
	const struct systrace_event *e;
	FILE *file = fopen(path, "w");
	int error = 0;

	if (!file)
		return errno;
	systrace_pause(st);
	while (!error && (e = systrace_next(st)))
		if (systrace_time(st, e) >= since && systrace_format(st, e, 0, text, sizeof(text)) > 0 &&
		    fprintf(file, "%s\n", text) < 0)
			error = errno;
	if (fclose(file) && !error)
		error = errno;
	return error;
}

static void stay(int signo)
{
	(void)signo;
}

/* By a handler: the program begins without it, but would inherit that the signal is ignored. */
static void outlive(int signo)
{
	if (signal(signo, stay) == SIG_IGN)
		signal(signo, SIG_IGN);		/* as whoever starts us wants it, of the program too */
}

int main(int argc, char **argv)
{
	struct systrace_options opts = { .size = sizeof(opts), .full = SYSTRACE_FULL_OVERWRITE };
	uint64_t seconds = argc > 3 ? strtoul(argv[1], NULL, 10) : 0, end, length;
	struct systrace *st;
	int ret, status = 0;
	pid_t pid;

	if (!seconds) {
		fprintf(stderr, "usage: flight-recorder SECONDS FILE CMD [ARG]...\n");
		return 2;
	}
	signal(SIGCHLD, SIG_DFL);	/* or there is no status */
	/* Whoever presses Ctrl-C or Ctrl-\ means the program, and wants to see what it did. */
	outlive(SIGINT);
	outlive(SIGQUIT);
	ret = systrace_open(&st, &opts);
	if (!ret)
		ret = systrace_spawn(st, &pid, argv[3], argv + 3, NULL);
	if (ret) {
		fprintf(stderr, "flight-recorder: %s\n", strerror(-ret));
		return 1;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFSIGNALED(status)) {
		systrace_close(st);
		return WEXITSTATUS(status);
	}
	end = now();
	length = seconds * 1000000000;
	fprintf(stderr, "flight-recorder: %s; see %s\n", strsignal(WTERMSIG(status)), argv[2]);
	ret = write_latest(st, argv[2], end > length ? end - length : 0);
	if (ret) {
		fprintf(stderr, "flight-recorder: %s: %s\n", argv[2], strerror(ret));
		return 1;
	}
	systrace_close(st);
	return 128 + WTERMSIG(status);
}
