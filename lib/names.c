// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names of what records hold as numbers. Any thread. */
#define _GNU_SOURCE
#include <string.h>

#include "handle.h"

/* ---------------------------------------------------------- system calls --- */

struct call {
	const char *name;	/* NULL where the ABI has no call */
	int nargs;
};

#define CALLS_MAX 548	/* the compiler says if a table has more */

/* By an event's SYSTRACE_FLAG_ABI, and number */
static const struct call calls[][CALLS_MAX] = {
#define SYSTRACE_SYSCALL(abi, nr, name, nargs)	[SYSTRACE_FLAG_##abi][nr] = { #name, nargs },
#include <systrace/syscalls.tbl>
#undef SYSTRACE_SYSCALL
};

/* NULL if abi is not just one that is known */
static const struct call *table_of(unsigned abi)
{
	unsigned place = 0;

	while (place < sizeof(calls) / sizeof(calls[0]) && abi != 1U << place)
		place++;
	return place < sizeof(calls) / sizeof(calls[0]) ? calls[place] : NULL;
}

static const struct call *call_of(unsigned abi, int nr)
{
	const struct call *table = table_of(abi);

	return table && nr >= 0 && nr < CALLS_MAX && table[nr].name ? &table[nr] : NULL;
}

unsigned systrace_abi(const struct systrace_event *event)
{
	return 1U << (event->flags & SYSTRACE_FLAG_ABI);
}

const char *systrace_syscall_name(unsigned abi, int nr)
{
	const struct call *call = call_of(abi, nr);

	return call ? call->name : NULL;
}

int systrace_syscall_nargs(unsigned abi, int nr)
{
	const struct call *call = call_of(abi, nr);

	return call ? call->nargs : -1;
}

/* A linear search: it is made when a policy is, not when an event is. */
int systrace_syscall_number(unsigned abi, const char *name)
{
	const struct call *table = table_of(abi);

	for (int nr = 0; table && nr < CALLS_MAX; nr++)
		if (table[nr].name && !strcmp(table[nr].name, name))
			return nr;
	return -1;
}

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
