// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names of what records hold as numbers, but for system calls. Any thread. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "handle.h"

#define LARGEST_ERROR	4095	/* as the kernel has it */

/* -------------------------------------------------------- errors, words --- */

/* What restarts a call inside of the kernel; no program sees these. */
static const char *const restart_names[] = {
	"ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ENOIOCTLCMD", "ERESTART_RESTARTBLOCK",
};

const char *systrace_errno_name(int error)
{
	if (error >= 512 && error <= 516)
		return restart_names[error - 512];
	return error > 0 ? strerrorname_np(error) : NULL;
}

static const char *const signal_names[] = {
#define SIGNAL(name)	[name] = #name
	SIGNAL(SIGHUP), SIGNAL(SIGINT), SIGNAL(SIGQUIT), SIGNAL(SIGILL), SIGNAL(SIGTRAP), SIGNAL(SIGABRT),
	SIGNAL(SIGBUS), SIGNAL(SIGFPE), SIGNAL(SIGKILL), SIGNAL(SIGUSR1), SIGNAL(SIGSEGV), SIGNAL(SIGUSR2),
	SIGNAL(SIGPIPE), SIGNAL(SIGALRM), SIGNAL(SIGTERM), SIGNAL(SIGSTKFLT), SIGNAL(SIGCHLD),
	SIGNAL(SIGCONT), SIGNAL(SIGSTOP), SIGNAL(SIGTSTP), SIGNAL(SIGTTIN), SIGNAL(SIGTTOU), SIGNAL(SIGURG),
	SIGNAL(SIGXCPU), SIGNAL(SIGXFSZ), SIGNAL(SIGVTALRM), SIGNAL(SIGPROF), SIGNAL(SIGWINCH),
	SIGNAL(SIGIO), SIGNAL(SIGPWR), SIGNAL(SIGSYS),
#undef SIGNAL
#define RT(n)	[32 + (n)] = "SIGRT_" #n
	RT(0), RT(1), RT(2), RT(3), RT(4), RT(5), RT(6), RT(7), RT(8), RT(9), RT(10), RT(11), RT(12), RT(13),
	RT(14), RT(15), RT(16), RT(17), RT(18), RT(19), RT(20), RT(21), RT(22), RT(23), RT(24), RT(25), RT(26),
	RT(27), RT(28), RT(29), RT(30), RT(31), RT(32),
#undef RT
};

const char *systrace_signal_name(int signo)
{
	return signo > 0 && (size_t)signo < sizeof(signal_names) / sizeof(signal_names[0]) ?
	       signal_names[signo] : NULL;
}

const char *systrace_cause_name(enum systrace_cause cause)
{
	switch (cause) {
	case SYSTRACE_LOST_FULL:
		return "full";
	case SYSTRACE_LOST_NO_RING:
		return "no-ring";
	case SYSTRACE_LOST_CHILD:
		return "child";
	case SYSTRACE_LOST_OVERWRITTEN:
		return "overwritten";
	case SYSTRACE_LOST_CAUSES:
		break;
	}
	return "unknown";
}

const char *systrace_reason_name(enum systrace_reason reason)
{
	switch (reason) {
	case SYSTRACE_DETACH_ASKED:
		return "asked";
	case SYSTRACE_DETACH_EXEC:
		return "exec";
	}
	return "unknown";
}

const char *systrace_file(const struct systrace_event *event)
{
	size_t at = 0;

	if (event->type == SYSTRACE_TASK)
		at = sizeof(struct systrace_task);
	else if (event->type == SYSTRACE_EXEC)
		at = sizeof(struct systrace_exec);
	if (!at || event->size <= at || !memchr((const char *)event + at, 0, event->size - at))
		return "";
	return (const char *)event + at;
}

int systrace_error(const struct systrace_event *event)
{
	const struct systrace_return *ret = (const void *)event;

	if (event->type != SYSTRACE_RETURN || ret->result >= 0 || ret->result < -LARGEST_ERROR)
		return 0;
	return (int)-ret->result;
}

bool systrace_is_whole(const struct systrace_event *event)
{
	static const size_t sizes[] = {
		[SYSTRACE_ENTER] = offsetof(struct systrace_enter, args),
		[SYSTRACE_RETURN] = sizeof(struct systrace_return),
		[SYSTRACE_TASK] = sizeof(struct systrace_task),
		[SYSTRACE_FORK] = sizeof(struct systrace_fork),
		[SYSTRACE_EXEC] = sizeof(struct systrace_exec),
		[SYSTRACE_EXIT] = sizeof(struct systrace_exit),
		[SYSTRACE_SIGNAL] = sizeof(struct systrace_signal),
		[SYSTRACE_LOST] = sizeof(struct systrace_lost),
		[SYSTRACE_DETACH] = sizeof(struct systrace_detach),
	};
	size_t least = event->type < sizeof(sizes) / sizeof(sizes[0]) ? sizes[event->type] : 0;

	return least && event->size >= least;
}
