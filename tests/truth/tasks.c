// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every way to make a task, and to replace its program. One case each by name. What two
 * tasks do at the same time never shares an address or a descriptor number, and whoever
 * waits names whom, so that each task's own sequence is the same in each run.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS		8
#define STACK_BYTES	65536

static volatile long sink;
static char *self;

/* Several may run on one at once only if they are one after the other. */
static char stack[STACK_BYTES] __attribute__((aligned(16)));

static void reap(pid_t pid, int options)
{
	int status;

	waitpid(pid, &status, options);
}

static void run_self(const char *name)
{
	char *argv[] = { self, (char *)(uintptr_t)name, NULL };
	char *envp[] = { NULL };

	execve(self, argv, envp);
}

static void end(void)
{
	sink = getppid();
	sink = chdir("/nowhere");
	_exit(17);
}

/* ------------------------------------------------------------- processes --- */

/* Each process does something that tells it from its brothers. */
static void storm_level(int level, int number)
{
	pid_t pids[3];

	for (int i = 0; i < number; i++)
		sink = dup2(0, 100 + i);
	if (!level)
		return;
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		storm_level(level - 1, number * 3 + i);
		_exit(number * 3 + i);
	}
	for (int i = 0; i < 3; i++)
		reap(pids[i], 0);
}

static void storm(void)
{
	storm_level(3, 1);
}

static void vforked(void)
{
	pid_t pid = vfork();

	if (!pid) {
		run_self("end");
		_exit(1);
	}
	reap(pid, 0);
	pid = vfork();
	if (!pid) {
		char *none[] = { NULL };

		execve("/nowhere", none, none);
		_exit(2);
	}
	reap(pid, 0);
}

/* ---------------------------------------------------------------- threads --- */

static int go[THREADS][2];
static int done[THREADS][2];

static void *thread(void *arg)
{
	long n = (long)arg;
	char c = 'x';

	for (long i = 0; i < 10; i++) {
		sink = read(go[n][0], &c, 1);
		for (long k = 0; k <= n; k++)
			sink = lseek(-1, n, (int)k);
		sink = write(done[n][1], &c, 1);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t ids[THREADS];
	pthread_attr_t attr;
	char c = 'y';

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (long n = 0; n < THREADS; n++) {
		sink = pipe(go[n]) | pipe(done[n]);
		pthread_create(&ids[n], &attr, thread, (void *)n);
	}
	for (int i = 0; i < 10; i++) {
		for (int n = 0; n < THREADS; n++)
			sink = write(go[n][1], &c, 1);
		for (int n = 0; n < THREADS; n++)
			sink = read(done[n][0], &c, 1);
	}
	for (int n = 0; n < THREADS; n++)
		pthread_join(ids[n], NULL);
}

static void *wait_forever(void *arg)
{
	int fds[2] = { (int)(intptr_t)arg, 0 };
	char c;

	sink = read(fds[0], &c, 1);
	return NULL;
}

/* exec by the last thread, while the others, the leader too, wait in calls. */
static void *exec_in_thread(void *arg)
{
	char c;

	sink = read((int)(intptr_t)arg, &c, 1);
	/* Long enough for the others to be in theirs. */
	usleep(400000);
	run_self("end");
	return NULL;
}

static void thread_exec(void)
{
	pthread_t ids[2];
	int never[2], start[2];
	char c = 'z';

	sink = pipe(never) | pipe(start);
	pthread_create(&ids[0], NULL, wait_forever, (void *)(intptr_t)never[0]);
	pthread_create(&ids[1], NULL, exec_in_thread, (void *)(intptr_t)start[0]);
	sink = write(start[1], &c, 1);
	sink = read(never[0], &c, 1);
}

/* ------------------------------------------------------------------ clone --- */

static int pipe_fds[2];

static pid_t start(int (*function)(void *), unsigned long flags)
{
	return clone(function, stack + STACK_BYTES, (int)flags, NULL);
}

static int touch(void *arg)
{
	(void)arg;
	sink = chdir("/");
	sink = close(pipe_fds[0]);
	return 5;
}

static int report(void *arg)
{
	(void)arg;
	sink = syscall(SYS_gettid);
	sink = write(pipe_fds[1], "r", 1);
	return 6;
}

/* The child of a child becomes ours, and we must know its number to wait for it. */
static void clone_parent(void)
{
	pid_t pid, grandchild = 0;
	int number[2];

	sink = pipe(number);
	pid = fork();
	if (!pid) {
		grandchild = start(report, CLONE_PARENT | SIGCHLD);
		sink = write(number[1], &grandchild, sizeof(grandchild));
		_exit(8);
	}
	reap(pid, 0);
	sink = read(number[0], &grandchild, sizeof(grandchild));
	reap(grandchild, 0);
}

static void on_usr1(int sig)
{
	(void)sig;
}

/* A child that ends with another signal than SIGCHLD, or with none. */
static void clone_signals(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaction(SIGUSR1, &sa, NULL);
	sigprocmask(SIG_BLOCK, &set, &old);
	reap(start(report, SIGUSR1), __WCLONE);
	sigsuspend(&old);
	reap(start(report, 0), __WALL);
	reap(start(report, CLONE_VM | SIGCHLD), 0);
	reap(start(report, CLONE_VM | CLONE_VFORK), __WALL);
}

static void clone3_fork(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	long pid;

	sink = syscall(SYS_clone3, &args, 8L);
	sink = syscall(SYS_clone3, NULL, sizeof(args));
	args.flags = CLONE_FS;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid) {
		sink = getppid();
		syscall(SYS_exit, 4);
	}
	reap((pid_t)pid, 0);
}

static void clones(void)
{
	sink = pipe(pipe_fds);
	sink = start(report, CLONE_THREAD);	/* refused: CLONE_VM is missing */
	clone_parent();
	clone_signals();
	clone3_fork();
	reap(start(touch, CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VM | SIGCHLD), 0);
	sink = close(pipe_fds[0]);
	sink = open("there", O_RDWR | O_CREAT, 0600);
}

/*
 * A thread that the C library does not know. Each task ends itself alone; which of them
 * is the last, whose status the process has, depends on the race, so they have the same.
 */
static void raw_thread(void)
{
	sink = pipe(pipe_fds);
	sink = start(report, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			     CLONE_SYSVSEM);
	sink = read(pipe_fds[0], &(char){ 0 }, 1);
	syscall(SYS_exit, 6);
}

static const struct {
	const char *name;
	void (*function)(void);
} cases[] = {
	{ "end", end },
	{ "storm", storm },
	{ "vfork", vforked },
	{ "threads", threads },
	{ "thread-exec", thread_exec },
	{ "clones", clones },
	{ "raw-thread", raw_thread },
};

int main(int argc, char **argv)
{
	if (argc != 2)
		return 125;
	self = argv[0];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]))
			continue;
		cases[i].function();
		return 11;
	}
	return 125;
}
