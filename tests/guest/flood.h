/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that make as many calls as they are told, on a CPU. */
#ifndef SYSTRACE_TESTS_FLOOD_H
#define SYSTRACE_TESTS_FLOOD_H

#include <sched.h>
#include <sys/syscall.h>

#include "tap.h"

struct flood {
	pid_t pid;
	int go, done;
};

TAP void getppids(int n)
{
	while (n--)
		syscall(SYS_getppid);
}

TAP void flood_pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set))
		tap_bail("no CPU %d", cpu);
}

/* Each number in makes so many calls, on that CPU if it is not -1, and a byte out; 0 ends it. */
TAP struct flood begin_flood(int cpu)
{
	int in[2], out[2], n;
	struct flood f;

	if (pipe(in) || pipe(out))
		tap_bail("pipe");
	f = (struct flood){ .go = in[1], .done = out[0], .pid = tap_fork() };
	if (f.pid == 0) {
		if (cpu >= 0)
			flood_pin(0, cpu);
		while (read(in[0], &n, sizeof(n)) == sizeof(n) && n) {
			getppids(n);
			if (write(out[1], "", 1) != 1)
				break;
		}
		_exit(0);
	}
	close(in[0]);
	close(out[1]);
	return f;
}

TAP void start(struct flood f, int n)
{
	if (write(f.go, &n, sizeof(n)) != sizeof(n))
		tap_bail("write");
}

TAP void await(struct flood f)
{
	char c;

	if (read(f.done, &c, 1) != 1)
		tap_bail("read");
}

TAP void end_flood(struct flood f)
{
	int status;

	start(f, 0);
	close(f.go);
	close(f.done);
	waitpid(f.pid, &status, 0);
	if (status)
		tap_ok(false, "a traced program came to harm: status 0x%x", status);
}

#endif
