/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another user's program, traced by root, while somebody tries to disturb it: it makes
 * rounds of a call and a child that makes a call of its own. What it did and what root's
 * session has of it must agree to the last event.
 */
#ifndef SYSTRACE_TESTS_VICTIM_H
#define SYSTRACE_TESTS_VICTIM_H

#include <sys/mman.h>

#include "who.h"

#define SECRET_CALL	998	/* the victim's children make it, and nobody else */
#define SECRET_NAME	"secret"
#define VICTIM_RING	(1 << 20)

struct victim {
	int stop;		/* asked to */
	unsigned rounds;	/* done */
	unsigned wrong;		/* things in the program that were not as always */
	unsigned calls, secrets; /* in root's session */
	unsigned alien;		/* records there of who does not belong to it */
	struct systrace_stats stats;
	pid_t pid, tracer;
};

TAP void victim_round(struct victim *v, pid_t parent)
{
	int status = -1;
	pid_t child;

	v->wrong += syscall(SYS_getppid) != parent;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_NAME, SECRET_NAME);
		_exit(syscall(SECRET_CALL) == -1 && errno == ENOSYS ? 7 : 8);
	}
	v->wrong += waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7;
	__atomic_add_fetch(&v->rounds, 1, __ATOMIC_RELEASE);
	usleep(100);
}

TAP void victim_run(struct victim *v, pid_t parent, int go)
{
	char c;

	who_other();
	if (read(go, &c, 1) != 1)
		_exit(1);
	while (!__atomic_load_n(&v->stop, __ATOMIC_ACQUIRE))
		victim_round(v, parent);
	_exit(0);
}

TAP void victim_look(struct victim *v, const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;
	const struct systrace_fork *fork = (const void *)e;
	static unsigned char known[1 << 22];	/* by tid */

	known[v->pid] = 1;
	v->alien += e->tid && !known[e->tid];
	if (e->type == SYSTRACE_FORK)
		known[fork->child] = 1;
	if (e->type != SYSTRACE_ENTER)
		return;
	v->calls += enter->nr == SYS_getppid;
	v->secrets += enter->nr == SECRET_CALL;
}

TAP void victim_trace(struct victim *v, int ready)
{
	const struct systrace_event *e;
	struct systrace *st;
	int go[2], status;
	pid_t pid;

	st = tap_session((struct systrace_options){ .ring_bytes = VICTIM_RING,
						    .full = SYSTRACE_FULL_BLOCK });
	if (pipe(go))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0)
		victim_run(v, getppid(), go[0]);
	v->pid = pid;
	if (systrace_attach(st, v->pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("cannot attach the victim");
	if (write(go[1], "", 1) != 1 || write(ready, "", 1) != 1)
		tap_bail("write");
	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st)))
			victim_look(v, e);
		systrace_release(st);
	}
	waitpid(pid, &status, 0);
	v->wrong += status != 0;
	systrace_stats(st, -1, &v->stats);
	systrace_close(st);
	_exit(0);
}

TAP struct victim *victim_begin(void)
{
	struct victim *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ready[2];
	pid_t pid;
	char c;

	if (v == MAP_FAILED || pipe(ready))
		tap_bail("no victim");
	pid = tap_fork();
	if (pid == 0)
		victim_trace(v, ready[1]);
	v->tracer = pid;
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		tap_bail("no victim");
	close(ready[0]);
	return v;
}

/* It makes so many rounds more, whatever is going on. */
TAP void victim_await(const struct victim *v, unsigned rounds)
{
	unsigned until = __atomic_load_n(&v->rounds, __ATOMIC_ACQUIRE) + rounds;

	while ((int)(until - __atomic_load_n(&v->rounds, __ATOMIC_ACQUIRE)) > 0)
		usleep(1000);
}

TAP void victim_end(struct victim *v)
{
	const struct systrace_stats *stats = &v->stats;
	__u64 lost = 0;
	int status;

	__atomic_store_n(&v->stop, 1, __ATOMIC_RELEASE);
	waitpid(v->tracer, &status, 0);
	for (int i = 0; i < SYSTRACE_LOST_CAUSES; i++)
		lost += stats->lost[i];
	tap_ok(status == 0 && v->wrong == 0, "the victim's program: nothing noticed in %u rounds",
	       v->rounds);
	tap_ok(v->calls == v->rounds && v->secrets == v->rounds && !v->alien && !lost &&
	       !stats->uncovered && stats->made == stats->delivered,
	       "nor by root's session, which has all of it and nothing else");
	if (v->wrong || lost || v->alien || stats->uncovered || v->calls != v->rounds)
		tap_note("%u wrong, %u calls, %u secrets, %u alien, %llu lost, %u uncovered", v->wrong,
			 v->calls, v->secrets, v->alien, lost, stats->uncovered);
	munmap(v, sizeof(*v));
}

#endif
