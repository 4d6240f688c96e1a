/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps that a traced program takes, of many kinds, each with a result that is known:
 * whatever does not come out right is an error number. Signals from outside that stop
 * and continue do no harm.
 *
 * A program that uses them hands its arguments to work_main first.
 */
#ifndef SYSTRACE_TESTS_WORK_H
#define SYSTRACE_TESTS_WORK_H

#include <pthread.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "tap.h"

#define WORK_WORDS	50
#define WORK_CALLS	100

struct work_random {
	unsigned long long x;
};

TAP unsigned work_random(struct work_random *r, unsigned below)
{
	r->x ^= r->x << 13;
	r->x ^= r->x >> 7;
	r->x ^= r->x << 17;
	return (unsigned)(r->x >> 33) % below;
}

TAP struct work_random work_seed(unsigned long seed)
{
	struct work_random r = { 0x9e3779b97f4a7c15ULL * (seed + 1) };

	for (int i = 0; i < 8; i++)
		work_random(&r, 1);
	return r;
}

TAP volatile sig_atomic_t work_signals;

TAP void work_count_signal(int sig)
{
	(void)sig;
	work_signals++;
}

TAP void work_begin(void)
{
	struct sigaction action = { .sa_handler = work_count_signal, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &action, NULL);
}

/* The child has ended by itself, with that. */
TAP int work_reap(pid_t pid, int code)
{
	int status;

	return pid < 0 || waitpid(pid, &status, 0) != pid || status != code << 8;
}

TAP int work_fork(struct work_random *r)
{
	int code = (int)work_random(r, 100), n = 1 + (int)work_random(r, 3), bad = 0;
	pid_t pids[3];

	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(code);
	}
	for (int i = 0; i < n; i++)
		bad |= work_reap(pids[i], code);
	return bad;
}

TAP int work_pipe(struct work_random *r)
{
	unsigned long n, word;
	int ends[2], bad;
	pid_t pid;

	(void)r;
	if (pipe(ends))
		return 2;
	pid = fork();
	for (n = 0; pid == 0 && n < WORK_WORDS; n++)
		if (write(ends[1], &n, sizeof(n)) != sizeof(n))
			_exit(1);
	if (pid == 0)
		_exit(0);
	close(ends[1]);
	for (n = 0; read(ends[0], &word, sizeof(word)) == sizeof(word) && word == n; n++)
		;
	close(ends[0]);
	bad = work_reap(pid, 0);
	return bad || n != WORK_WORDS;
}

TAP void *work_exec_none(void *arg)
{
	char *argv[] = { "work", "none", arg, NULL };

	execv("/proc/self/exe", argv);
	_exit(98);
}

/* By the leader, or by another thread while others run. */
TAP void *work_call_on(void *arg)
{
	for (;;)
		syscall(SYS_getppid);
	return arg;
}

TAP int work_exec(struct work_random *r)
{
	int code = (int)work_random(r, 90);
	bool thread = work_random(r, 2);
	char text[8];
	pthread_t id;
	pid_t pid = fork();

	if (pid)
		return work_reap(pid, code);
	snprintf(text, sizeof(text), "%d", code);
	if (!thread)
		work_exec_none(text);
	if (pthread_create(&id, NULL, work_exec_none, text))
		_exit(97);
	work_call_on(NULL);
	return 0;
}

TAP void *work_calls(void *arg)
{
	unsigned long n = 0;

	for (int i = 0; i < WORK_CALLS; i++)
		n += syscall(SYS_getpid) == *(pid_t *)arg;
	return (void *)n;
}

TAP int work_threads(struct work_random *r)
{
	pid_t self = getpid();
	pthread_t ids[3];
	void *n;
	int bad = 0;

	(void)r;
	for (size_t i = 0; i < COUNT(ids); i++)
		if (pthread_create(&ids[i], NULL, work_calls, &self))
			_exit(96);
	for (size_t i = 0; i < COUNT(ids); i++)
		bad |= pthread_join(ids[i], &n) || (unsigned long)n != WORK_CALLS;
	return bad;
}

/* It ends with threads that are in the middle of something, or their leader ends first. */
TAP void *work_exit_group(void *arg)
{
	_exit(*(int *)arg);
}

TAP int work_group(struct work_random *r)
{
	static int code;
	bool leader = work_random(r, 2);
	pthread_t id;
	pid_t pid;

	code = (int)work_random(r, 100);
	pid = fork();
	if (pid)
		return work_reap(pid, code);
	pthread_create(&id, NULL, work_call_on, NULL);
	if (leader)
		_exit(code);
	pthread_create(&id, NULL, work_exit_group, &code);
	syscall(SYS_exit, code);
	return 0;
}

TAP int work_signal(struct work_random *r)
{
	int n = 1 + (int)work_random(r, 5);
	pid_t pid = fork();

	if (pid)
		return work_reap(pid, n);
	work_signals = 0;
	while (n--)
		raise(SIGUSR1);
	_exit(work_signals);
}

TAP int work_kill(struct work_random *r)
{
	int sig = work_random(r, 2) ? SIGKILL : SIGTERM, status;
	pid_t pid = fork();

	if (pid == 0)
		work_call_on(NULL);
	kill(pid, sig);
	return waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != sig;
}

TAP int work_stop(struct work_random *r)
{
	int status = 0;
	pid_t pid = fork();

	(void)r;
	if (pid == 0)
		work_call_on(NULL);
	/* Again and again: somebody else's SIGCONT takes it back. */
	do
		kill(pid, SIGSTOP);
	while (waitpid(pid, &status, WUNTRACED | WNOHANG) == 0 && usleep(1000) == 0);
	if (!WIFSTOPPED(status))
		return 1;
	kill(pid, SIGCONT);
	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status);
}

TAP int work_ptrace(struct work_random *r)
{
	int code = (int)work_random(r, 100), steps = (int)work_random(r, 20), status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		for (int i = 0; i < 10; i++)
			syscall(SYS_getppid);
		_exit(code);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		ptrace(steps-- > 0 ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, 0);
	return status != code << 8;
}

TAP int work_spawn(struct work_random *r)
{
	int code = (int)work_random(r, 90);
	char text[8], *argv[] = { "work", "none", text, NULL };
	pid_t pid;

	snprintf(text, sizeof(text), "%d", code);
	return posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, NULL) ||
	       work_reap(pid, code);
}

static const struct {
	const char *name;
	int (*step)(struct work_random *r);
} work_steps[] = {
	{ "fork", work_fork }, { "pipe", work_pipe }, { "exec", work_exec },
	{ "threads", work_threads }, { "group", work_group }, { "signal", work_signal },
	{ "kill", work_kill }, { "stop", work_stop }, { "ptrace", work_ptrace },
	{ "spawn", work_spawn },
};

/* One step; the name of the one that went wrong, or NULL. */
TAP const char *work_step(struct work_random *r, const char **doing)
{
	unsigned i = work_random(r, COUNT(work_steps));

	if (doing)
		*doing = work_steps[i].name;
	return work_steps[i].step(r) ? work_steps[i].name : NULL;
}

/* Programs that steps, and tests, execute: "none CODE", "steps SEED". Else it returns. */
TAP void work_main(int argc, char **argv)
{
	struct work_random r;

	if (argc != 3)
		return;
	if (!strcmp(argv[1], "none"))
		_exit(atoi(argv[2]));
	if (strcmp(argv[1], "steps"))
		return;
	work_begin();
	r = work_seed(strtoul(argv[2], NULL, 10));
	for (int i = 0; i < 3; i++)
		if (work_step(&r, NULL))
			_exit(1);
	_exit(0);
}

#endif
