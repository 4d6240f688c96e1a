// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names of what records hold as numbers, but for system calls. Any thread. */
#define _GNU_SOURCE
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
