/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What guest tests share: results as TAP, and sessions without the library. */
#ifndef SYSTRACE_TESTS_TAP_H
#define SYSTRACE_TESTS_TAP_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <systrace.h>

#include "native.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define TAP __attribute__((unused)) static

static int tap_number, tap_failed;

/* Flushed at once: a fork must not find it in the buffer, a crash must not lose it. */
__attribute__((format(printf, 2, 3)))
TAP bool tap_ok(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%sok %d - ", good ? "" : "not ", ++tap_number);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
	tap_failed += !good;
	return good;
}

__attribute__((format(printf, 1, 2)))
TAP void tap_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
}

/* The test's exit status. */
TAP int tap_end(void)
{
	printf("1..%d\n", tap_number);
	fflush(stdout);
	return tap_failed != 0;
}

/* For what a test needs, as opposed to what it tests. */
__attribute__((noreturn, format(printf, 1, 2)))
TAP void tap_bail(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	printf("Bail out! ");
	vprintf(format, args);
	printf(" (errno %d)\n", error);
	fflush(stdout);
	va_end(args);
	_exit(1);
}

TAP void tap_too_long(int sig)
{
	(void)sig;
	tap_bail("it hangs");
}

/* What does not end within that time fails. */
TAP void tap_patience(unsigned seconds)
{
	signal(SIGALRM, tap_too_long);
	alarm(seconds);
}

TAP const char *tap_error(int error)
{
	const char *name = error ? systrace_errno_name(error) : "success";

	return name ? name : "?";
}

/* ret is what a system call returned just now; want the errno, 0 for success. */
TAP bool tap_errno(long ret, int want, const char *what)
{
	int got = ret == -1 ? errno : 0;
	bool good = tap_ok(got == want, "%s: %s", what, tap_error(want));

	if (!good)
		tap_note("got %s", tap_error(got));
	return good;
}

TAP int tap_open(int flags)
{
	int fd = open(SYSTRACE_DEVICE, flags | O_CLOEXEC);

	if (fd < 0)
		tap_bail("cannot open " SYSTRACE_DEVICE);
	return fd;
}

TAP struct systrace_setup tap_setup(int fd, __u64 ring_bytes)
{
	struct systrace_setup setup = { .size = sizeof(setup), .ring_bytes = ring_bytes };

	if (ioctl(fd, SYSTRACE_IOC_SETUP, &setup))
		tap_bail("SETUP");
	return setup;
}

/* A session of this shape, by the library. */
TAP struct systrace *tap_session(struct systrace_options opts)
{
	struct systrace *st;
	int ret;

	opts.size = sizeof(opts);
	ret = systrace_open(&st, &opts);
	if (ret) {
		errno = -ret;
		tap_bail("systrace_open");
	}
	return st;
}

/* A fork whose child does not outlive its parent. */
TAP pid_t tap_fork(void)
{
	pid_t pid = fork();

	if (pid < 0)
		tap_bail("fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* The beginning of a file; "" if there is none. */
TAP void tap_get(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Of a file of that task in /proc. */
TAP void tap_proc(pid_t tid, const char *name, char *text, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	tap_get(path, text, size);
}

/* 'S', 'Z' and so on; 0 if it is gone. */
TAP char tap_state(pid_t tid)
{
	char text[512], *p;

	tap_proc(tid, "stat", text, sizeof(text));
	p = strrchr(text, ')');
	return p ? p[2] : 0;
}

TAP void tap_await_state(pid_t tid, char state)
{
	while (tap_state(tid) != state)
		usleep(1000);
}

/* Until it sleeps in this call. */
TAP void tap_await_call(pid_t tid, int nr)
{
	char text[256];

	do
		tap_proc(tid, "syscall", text, sizeof(text));
	while (text[0] < '0' || text[0] > '9' || atoi(text) != nr);
}

/* A part of the test in a process of its own: what it ends with, and its parent after the fork. */
__attribute__((noreturn))
TAP void tap_leave(void)
{
	_exit(tap_failed ? 255 : tap_number);
}

TAP void tap_join(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
		tap_bail("the part in a process of its own failed");
	tap_number = WEXITSTATUS(status);
}

/* A child that sleeps until tap_reap, making no system call meanwhile. */
TAP pid_t tap_sleeper(void)
{
	pid_t pid = tap_fork();

	if (pid == 0)
		for (;;)
			pause();
	tap_await_call(pid, NATIVE_PAUSE);
	return pid;
}

TAP void tap_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Write to a file in /proc or /sys. */
TAP bool tap_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

TAP bool tap_has(const char *path, const char *text)
{
	char found[256] = "";
	int fd = open(path, O_RDONLY);
	bool has = fd >= 0 && read(fd, found, sizeof(found) - 1) > 0 && strstr(found, text);

	if (fd >= 0)
		close(fd);
	return has;
}

#endif
