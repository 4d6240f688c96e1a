// SPDX-License-Identifier: MIT
/*
 * epoll-loop CMD [ARG]...: a session among other things that an event loop waits for: here a timer
 * that says ten times a second how many events there were, and the end of CMD.
 *
 * The rule for any loop (libuv's uv_poll_t, GLib's g_unix_fd_add): when the descriptor is readable, read
 * until there is nothing, release, and only then sleep again.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <systrace.h>
#include <unistd.h>

static unsigned long events, seconds_10;

static void watch(int loop, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e);
}

static int make_timer(void)
{
	const struct itimerspec tenth = { .it_interval.tv_nsec = 100000000, .it_value.tv_nsec = 100000000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	timerfd_settime(fd, 0, &tenth, NULL);
	return fd;
}

static void on_timer(int fd)
{
	uint64_t times;

	if (read(fd, &times, sizeof(times)) != sizeof(times))
		return;
	seconds_10 += times;
	printf("%lu.%lu s: %lu events\n", seconds_10 / 10, seconds_10 % 10, events);
}

/* False when no task is left and all is read, or nothing can be read any more. */
static bool on_events(struct systrace *st)
{
	const struct systrace_event *batch[64];
	unsigned n;
	int ret;

	while ((n = systrace_next_batch(st, batch, 64)))
		events += n;
	systrace_release(st);
	ret = systrace_wait(st, 0);
	if (ret < 0 && ret != -ECHILD && ret != -EINTR)
		fprintf(stderr, "epoll-loop: %s\n", strerror(-ret));
	return ret >= 0 || ret == -EINTR;
}

static void loop_over(struct systrace *st)
{
	int loop = epoll_create1(EPOLL_CLOEXEC), timer = make_timer();
	struct epoll_event e;
	bool more = true;

	watch(loop, timer);
	watch(loop, systrace_fd(st));
	while (more) {
		if (epoll_wait(loop, &e, 1, -1) != 1)
			continue;
		if (e.data.fd == timer)
			on_timer(timer);
		else
			more = on_events(st);
	}
	close(timer);
	close(loop);
}

int main(int argc, char **argv)
{
	struct systrace_options opts = { .size = sizeof(opts), .full = SYSTRACE_FULL_BLOCK };
	struct systrace *st;
	int ret, status;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: epoll-loop CMD [ARG]...\n");
		return 2;
	}
	ret = systrace_open(&st, &opts);
	if (!ret)
		ret = systrace_spawn(st, &pid, argv[1], argv + 1, NULL);
	if (ret) {
		fprintf(stderr, "epoll-loop: %s\n", strerror(-ret));
		return 1;
	}
	loop_over(st);
	systrace_close(st);
	waitpid(pid, &status, 0);
	printf("%s has ended: %lu events\n", argv[1], events);
	return 0;
}
