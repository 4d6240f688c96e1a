// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"

/* ---------------------------------------------------------------- errors --- */

/* One write, so that it stays one line among those that CMD writes. */
static void say(const char *format, va_list args)
{
	char line[1024] = "systrace-dump: ";
	size_t at = strlen(line), room = sizeof(line) - at - 1;
	int length = vsnprintf(line + at, room, format, args);

	if (length < 0)
		return;
	at += (size_t)length < room ? (size_t)length : room - 1;
	line[at++] = '\n';
	if (write(STDERR_FILENO, line, at) < 0)
		return;	/* nowhere to tell it */
}

void systrace_dump_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void systrace_dump_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(DUMP_FAILED);
}

/* ---------------------------------------------------------------- events --- */

void systrace_dump_create(struct systrace_dump_output *out, const char *path)
{
	out->fd = STDOUT_FILENO;
	out->name = "standard output";
	out->failed = false;
	out->length = 0;
	if (!path)
		return;
	out->name = path;
	out->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (out->fd < 0)
		systrace_dump_die("%s: %s", path, strerror(errno));
}

/* A pipe that CMD's side has made non-blocking is no error. */
static bool try_again(const struct systrace_dump_output *out, int error)
{
	struct pollfd pfd = { .fd = out->fd, .events = POLLOUT };

	if (error != EAGAIN)
		return error == EINTR;
	poll(&pfd, 1, -1);
	return true;
}

void systrace_dump_flush(struct systrace_dump_output *out)
{
	size_t done = 0;

	while (done < out->length && !out->failed) {
		ssize_t n = write(out->fd, out->buffer + done, out->length - done);

		if (n >= 0) {
			done += (size_t)n;
		} else if (!try_again(out, errno)) {
			systrace_dump_say("%s: %s; the trace ends here, what it traced goes on",
					  out->name, strerror(errno));
			out->failed = true;
		}
	}
	out->length = 0;
}
