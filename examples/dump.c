// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * systrace-dump: print the system calls of a process tree in exact order
 *
 * The example of how to use the library: open, attach or spawn, next until there
 * is nothing, release, wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"

#define BATCH	1024	/* events after which their room is given back, if not before */

struct dump {
	struct systrace *st;
	pid_t cmd;
	bool begun;		/* something was attached */
	uint64_t events;
	uint64_t lost;
	uint64_t told;		/* by LOST events */
	uint64_t tasks;
	bool raw;
	struct systrace_dump_output out;
};

/* ----------------------------------------------------------------- start --- */

static const char *open_advice(const struct systrace_dump_options *o, int error)
{
	switch (error) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return "is the module loaded? modprobe systrace";
	case EACCES:
	case EPERM:
		if (o->session.timeout_ms > SYSTRACE_TIMEOUT_MAX)
			return "only root may have tasks wait for more than a minute";
		return "run it as root, or join the group that owns the device";
	case EINVAL:
		return o->session.ring_bytes ? "-b takes a power of two that the driver admits" :
					       "the driver is another version's";
	case EOPNOTSUPP:
		return "this driver or kernel does not have that -F policy; use -F drop";
	case ENOMEM:
		return "make the rings smaller with -b, or raise the limit on locked memory";
	case EPROTO:
		return "the driver is another version's, or the device another driver's";
	}
	return "cannot start a session";
}

static void open_session(struct dump *d, struct systrace_dump_options *o)
{
	int ret = systrace_open(&d->st, &o->session);

	if (ret == -EOPNOTSUPP && !o->full_given) {
		systrace_dump_say("on this kernel no task can wait for us: as with -F drop");
		o->session.full = SYSTRACE_FULL_DROP;
		o->session.timeout_ms = 0;
		ret = systrace_open(&d->st, &o->session);
	}
	if (ret)
		systrace_dump_die("%s: %s; %s", SYSTRACE_DEVICE, strerror(-ret),
				  open_advice(o, -ret));
	if (!o->rules)
		return;
	ret = systrace_policy(d->st, o->rules, o->nr_rules);
	if (ret)
		systrace_dump_die("-e: %s; name fewer system calls", strerror(-ret));
}

/* We may descend from what we trace, and would print each print. */
static void leave_ourselves_out(struct dump *d)
{
	systrace_detach(d->st, getpid(), SYSTRACE_DETACH_TASK);
}

static void attach(struct dump *d, pid_t pid)
{
	const char *advice = "";
	int ret = systrace_attach(d->st, pid, SYSTRACE_ATTACH_TREE);

	if (ret == -ESRCH)
		advice = "; has it ended?";
	else if (ret == -EPERM)
		advice = "; only root may trace it";
	else if (ret == -EINVAL)
		advice = "; kernel threads cannot be traced";
	if (ret < 0 && ret != -EEXIST)	/* a child of a pid before it */
		systrace_dump_die("-p %d: %s%s", (int)pid, strerror(-ret), advice);
	d->begun = true;
	leave_ourselves_out(d);
}

static void attach_cgroup(struct dump *d, const char *folder)
{
	int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *advice = "";
	int ret;

	if (fd < 0)
		systrace_dump_die("-g %s: %s", folder, strerror(errno));
	ret = systrace_attach_cgroup(d->st, fd);
	if (ret == -EBADF)
		advice = "; it is no folder of cgroup v2";
	else if (ret == -EPERM)
		advice = "; only root may trace whoever will join it";
	if (ret < 0 && ret != -EEXIST)
		systrace_dump_die("-g %s: %s%s", folder, strerror(-ret), advice);
	d->begun = true;
	close(fd);
	leave_ourselves_out(d);
}

static void spawn(struct dump *d, char **cmd)
{
	int ret = systrace_spawn(d->st, &d->cmd, cmd[0], cmd, NULL);

	if (!ret) {
		d->begun = true;
		systrace_dump_adopt(d->cmd);
		return;
	}
	switch (-ret) {
	case ENOENT:
	case ENOTDIR:
		systrace_dump_say("%s: %s; is it installed, and on PATH?", cmd[0], strerror(-ret));
		exit(DUMP_NOT_FOUND);
	case EAGAIN:
	case ENOMEM:
	case EBADFD:
		systrace_dump_die("cannot start %s: %s", cmd[0], strerror(-ret));
	}
	systrace_dump_say("%s: %s; it cannot be executed", cmd[0], strerror(-ret));
	exit(DUMP_NOT_EXECUTABLE);
}

static void start(struct dump *d, struct systrace_dump_options *o)
{
	open_session(d, o);
	d->raw = o->raw;
	systrace_dump_create(&d->out, o->output);
	systrace_dump_catch(d->st, o->cmd);
	for (unsigned i = 0; i < o->nr_pids && !systrace_dump_stopped(); i++)
		attach(d, o->pids[i]);
	for (unsigned i = 0; i < o->nr_cgroups && !systrace_dump_stopped(); i++)
		attach_cgroup(d, o->cgroups[i]);
	if (o->cmd)
		spawn(d, o->cmd);
	if (systrace_dump_stopped())	/* perhaps before an attach */
		systrace_detach(d->st, 0, SYSTRACE_DETACH_ALL);
}

/* ------------------------------------------------------------------ loop --- */

static void print(struct dump *d, const struct systrace_event *e)
{
	struct systrace_dump_output *out = &d->out;
	char *line = out->buffer + out->length;
	int length = systrace_format(d->st, e, d->raw ? SYSTRACE_FORMAT_RAW : 0, line, SYSTRACE_FORMAT_BYTES);

	if (length > 0) {
		line[length] = '\n';
		out->length += (size_t)length + 1;
	}
	d->events += length > 0 && e->type != SYSTRACE_LOST;
	if (e->type == SYSTRACE_LOST)
		d->told += ((const struct systrace_lost *)(const void *)e)->count;
	d->tasks += e->type == SYSTRACE_TASK || e->type == SYSTRACE_FORK;
}

/* What is there: printed, given back, and only then written, which may take long. */
static void drain(struct dump *d)
{
	const struct systrace_event *e;
	unsigned batch = 0;

	while (!d->out.failed && (e = systrace_next(d->st))) {
		print(d, e);
		if (++batch % BATCH && d->out.length < DUMP_WRITE_BYTES)
			continue;
		systrace_release(d->st);
		if (d->out.length >= DUMP_WRITE_BYTES)
			systrace_dump_flush(&d->out);
	}
	systrace_release(d->st);
	systrace_dump_flush(&d->out);	/* about to sleep: let it be seen */
}

/* A flight recorder: nothing is read before the end, and then the latest. */
static void record(struct dump *d)
{
	struct pollfd gone = { .fd = systrace_fd(d->st) };	/* POLLHUP, and nothing else */

	while (poll(&gone, 1, -1) < 0 && errno == EINTR)
		;
	systrace_pause(d->st);
}

/* Until no task is left and all is read, or the output fails. True if all went well. */
static bool read_all(struct dump *d)
{
	int ret;

	do {
		drain(d);
		if (d->out.failed)
			return false;
		ret = systrace_wait(d->st, -1);
	} while (ret == 1 || ret == -EINTR);
	if (ret == -ECHILD)
		return true;
	systrace_dump_say("reading the trace: %s", strerror(-ret));
	return false;
}

static bool trace(struct dump *d, uint32_t full)
{
	if (!d->begun)	/* a signal was earlier */
		return true;
	if (full == SYSTRACE_FULL_OVERWRITE)
		record(d);
	return read_all(d);
}

/* ------------------------------------------------------------------- end --- */

/* What a recorder passes over to print no gaps is lost, too, though it was delivered. */
static void close_session(struct dump *d, uint32_t full)
{
	struct systrace_stats stats;

	if (full == SYSTRACE_FULL_OVERWRITE)
		d->lost = d->told;
	else if (!systrace_stats(d->st, -1, &stats))
		for (unsigned i = 0; i < SYSTRACE_LOST_CAUSES; i++)
			d->lost += stats.lost[i];
	systrace_dump_forget();
	systrace_close(d->st);
}

int main(int argc, char **argv)
{
	static struct dump d;
	struct systrace_dump_options o;
	int status;
	bool fine;

	systrace_dump_parse(&o, argc, argv);
	start(&d, &o);
	fine = trace(&d, o.session.full);
	close_session(&d, o.session.full);
	status = systrace_dump_join();
	if (d.out.fd != STDOUT_FILENO && close(d.out.fd) && fine) {
		systrace_dump_say("%s: %s", d.out.name, strerror(errno));
		fine = false;
	}
	systrace_dump_say("%llu events, %llu lost, %llu tasks", (unsigned long long)d.events,
			  (unsigned long long)d.lost, (unsigned long long)d.tasks);
	systrace_dump_free(&o);
	if (!fine)
		return DUMP_FAILED;
	systrace_dump_exit_like(status);
}
