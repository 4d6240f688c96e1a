// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What gdb and strace are used on: waits for a line on standard input, then does the same
 * each time. debuggee ROUNDS; its number goes into the file pid.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned long total;
static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
	caught += sig;
}

static void __attribute__((noinline)) leaf(int depth)
{
	total = total * 31 + (unsigned long)depth;
}

static void __attribute__((noinline)) branch(int depth)
{
	leaf(depth);
	if (depth > 0)
		branch(depth - 1);
	total++;
}

static void pass(const int *fds, char c)
{
	char back;

	if (write(fds[1], &c, 1) != 1 || read(fds[0], &back, 1) != 1)
		exit(1);
	total = total * 31 + (unsigned char)back;
}

static void calls(int rounds)
{
	int fds[2];

	if (pipe(fds) < 0)
		exit(1);
	for (int i = 0; i < rounds; i++) {
		syscall(SYS_getppid);
		pass(fds, (char)i);
		if (close(-1) == 0)
			exit(1);
	}
	close(fds[0]);
	close(fds[1]);
}

static void child(int rounds)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		calls(rounds / 2);
		_exit(3);
	}
	if (waitpid(pid, &status, 0) != pid)
		exit(1);
	total = total * 31 + (unsigned long)WEXITSTATUS(status);
}

static void tell_pid(void)
{
	FILE *f = fopen("pid", "w");

	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f))
		exit(1);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 10;

	signal(SIGUSR1, on_signal);
	tell_pid();
	getchar();
	branch(3);
	calls(rounds);
	raise(SIGUSR1);
	child(rounds);
	printf("total %lu, caught %d\n", total, (int)caught);
	return 5;
}
