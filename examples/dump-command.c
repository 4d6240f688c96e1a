// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * CMD's life, and the signals that are meant for it or for us.
 *
 * Everything happens in the handlers, which exclude each other: a signal that
 * comes just before a sleep is then not missed. They call nothing but
 * async-signal-safe functions; systrace_detach is one ioctl.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump.h"

static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };

static volatile pid_t command;		/* while it runs; -1 while it is about to */
static volatile int command_status;
static volatile sig_atomic_t early;	/* a signal for CMD from before it ran */
static volatile sig_atomic_t stopped;
static struct systrace *volatile session;

/* Reap CMD if it has ended. Its number may be another's at once, so forget it at once. */
static void reap(void)
{
	int status = 0;
	pid_t pid;

	if (command <= 0)
		return;
	pid = waitpid(command, &status, WNOHANG);
	if (!pid)
		return;
	/* Who is not told, since SIGCHLD was ignored when we started, cannot tell. */
	command_status = pid > 0 ? status : DUMP_FAILED << 8;
	command = 0;
}

static void stop(int sig)
{
	stopped = 1;
	signal(sig, SIG_DFL);
	if (session)
		systrace_detach(session, 0, SYSTRACE_DETACH_ALL);
}

/* The terminal sends to all of a group; but that it is gone only to who leads the session. */
static bool cmd_has_it(int sig, const siginfo_t *info)
{
	return info->si_code == SI_KERNEL && getpgid(command) == getpgrp() &&
	       !(sig == SIGHUP && getsid(0) == getpid());
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	reap();
	if (sig == SIGCHLD || sig == SIGPIPE || sig == SIGXFSZ)
		;	/* reaped; and write says EPIPE, EFBIG */
	else if (!command)
		stop(sig);
	else if (command < 0)
		early = sig;
	else if (!cmd_has_it(sig, info))
		kill(command, sig);
	errno = saved;
}

/* What is ignored stays so, for us as for CMD: who started us wanted it. */
static void catch(int sig)
{
	struct sigaction old, new = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigfillset(&new.sa_mask);
	if (!sigaction(sig, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(sig, &new, NULL);
}

void systrace_dump_catch(struct systrace *st, bool cmd_follows)
{
	session = st;
	command = cmd_follows ? -1 : 0;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		catch(signals[i]);
	catch(SIGCHLD);
	catch(SIGPIPE);
	catch(SIGXFSZ);
}

void systrace_dump_adopt(pid_t cmd)
{
	sigset_t all, old;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	command = cmd;
	if (early)
		kill(cmd, early);
	signal(SIGCHLD, SIG_DFL);	/* CMD has started with it: it need be ignored no more */
	catch(SIGCHLD);
	reap();
	sigdelset(&old, SIGCHLD);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

void systrace_dump_forget(void)
{
	session = NULL;
}

bool systrace_dump_stopped(void)
{
	return stopped;
}

int systrace_dump_join(void)
{
	sigset_t chld, old;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	while (command > 0)
		sigsuspend(&old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return command_status;
}

void systrace_dump_exit_like(int status)
{
	const struct rlimit none = { 0, 0 };
	int sig = WTERMSIG(status);
	sigset_t set;

	if (!sig)
		exit(WEXITSTATUS(status));
	setrlimit(RLIMIT_CORE, &none);	/* CMD's own is the one to look at, */
	prctl(PR_SET_DUMPABLE, 0);	/* also where cores are piped to somebody */
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	exit(128 + sig);
}
