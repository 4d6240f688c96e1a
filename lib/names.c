// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names of what records hold as numbers, but for system calls. Any thread. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "handle.h"

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
