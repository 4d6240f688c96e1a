// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signals, and what they do to calls. One case each by name. Where a signal has to find
 * its task inside a call, it either is blocked until the call lets it in, or comes
 * PAUSE_MS after the task said that it is about to make the call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 400

static volatile long sink;
static int fds[2];

static void sleep_ms(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	/* The call of that name: libc's function makes another one. */
	syscall(SYS_nanosleep, &t, NULL);
}

static void on_signal(int sig)
{
	sink = getppid();
	if (sig == SIGALRM)
		sink = write(fds[1], "s", 1);
}

static void handle(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(how, &set, NULL);
}

static void alarm_soon(void)
{
	const struct itimerval t = { .it_value = { .tv_usec = PAUSE_MS * 1000 } };

	setitimer(ITIMER_REAL, &t, NULL);
}

/* A handler, one handler that interrupts another, one on a stack of its own. */
static void handlers(void)
{
	static char memory[65536];
	const stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };
	union sigval value = { .sival_int = 7 };

	handle(SIGUSR1, 0);
	handle(SIGUSR2, SA_NODEFER);
	handle(SIGRTMIN, SA_ONSTACK);
	sigaltstack(&stack, NULL);
	kill(getpid(), SIGUSR1);
	raise(SIGUSR2);
	sigqueue(getpid(), SIGRTMIN, value);
	block(SIG_BLOCK, SIGUSR1);
	block(SIG_BLOCK, SIGUSR2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	sink = kill(getpid(), SIGUSR2);
	block(SIG_UNBLOCK, SIGUSR2);
	block(SIG_UNBLOCK, SIGUSR1);
}

/* The signal comes when the call waits for it, and the call fails. */
static void interrupted(void)
{
	sigset_t none;
	struct pollfd p = { .fd = -1 };

	sigemptyset(&none);
	handle(SIGUSR1, SA_RESTART);
	block(SIG_BLOCK, SIGUSR1);
	kill(getpid(), SIGUSR1);
	sigsuspend(&none);
	kill(getpid(), SIGUSR1);
	ppoll(&p, 1, NULL, &none);
	handle(SIGALRM, 0);
	alarm_soon();
	sleep_ms(20000);
	alarm_soon();
	pause();
	sink = read(fds[0], fds, 0);
}

/* read is made again by itself; nanosleep is not, whatever the flag. */
static void restarted(void)
{
	char c;

	handle(SIGALRM, SA_RESTART);
	alarm_soon();
	sink = read(fds[0], &c, 1);
	alarm_soon();
	sleep_ms(20000);
	sink = read(fds[0], &c, 1);
	handle(SIGALRM, 0);
	alarm_soon();
	sink = read(fds[0], &c, 1);
	sink = read(fds[0], &c, 1);
}

/* Start a child that says so and then does one thing. */
static pid_t child(void (*function)(void))
{
	int ready[2];
	char c = 0;
	pid_t pid;

	if (pipe(ready))
		exit(1);
	pid = fork();
	if (!pid) {
		sink = write(ready[1], &c, 1);
		function();
		_exit(3);
	}
	sink = read(ready[0], &c, 1);
	return pid;
}

static void sleep_long(void)
{
	sleep_ms(PAUSE_MS * 5);
}

static void read_forever(void)
{
	char c;

	sink = read(fds[0], &c, 1);
}

/* Without a handler the sleep goes on after the stop, by restart_syscall. */
static void stopped(void)
{
	pid_t pid = child(sleep_long);
	int status;

	sleep_ms(PAUSE_MS);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
}

static void killed(void)
{
	pid_t pid = child(read_forever);
	int status;

	sleep_ms(PAUSE_MS);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	pid = child(sleep_long);
	sleep_ms(PAUSE_MS);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	kill(getpid(), SIGKILL);
}

static void segv(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	handle(SIGSEGV, (int)SA_RESETHAND);
	/* The instruction is executed again after the handler: the second one kills. */
	*(volatile int *)sink = 1;
}

static const struct {
	const char *name;
	void (*function)(void);
} cases[] = {
	{ "handlers", handlers },
	{ "interrupted", interrupted },
	{ "restarted", restarted },
	{ "stopped", stopped },
	{ "killed", killed },
	{ "segv", segv },
};

int main(int argc, char **argv)
{
	if (argc != 2 || pipe(fds))
		return 125;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]))
			continue;
		cases[i].function();
		return 9;
	}
	return 125;
}
