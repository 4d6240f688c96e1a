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

struct table {
	const struct call *calls;
	int nr;
};

#define IGNORE(nr, name, nargs)
#define ENTRY(nr, name, nargs)	[nr] = { name, nargs },
#define SYSTRACE_SYSCALL(abi, nr, name, nargs)	OF_##abi(nr, #name, nargs)

static const struct call x86_64[] = {
#define OF_X86_64	ENTRY
#define OF_I386		IGNORE
#define OF_X32		IGNORE
#define OF_ARM64	IGNORE
#define OF_ARM		IGNORE
#include <systrace/syscalls.tbl>
#undef OF_X86_64
#undef OF_I386
};

static const struct call i386_calls[] = {
#define OF_X86_64	IGNORE
#define OF_I386		ENTRY
#include <systrace/syscalls.tbl>
#undef OF_I386
#undef OF_X32
};

static const struct call x32[] = {
#define OF_I386		IGNORE
#define OF_X32		ENTRY
#include <systrace/syscalls.tbl>
#undef OF_X32
#undef OF_ARM64
};

static const struct call arm64[] = {
#define OF_X32		IGNORE
#define OF_ARM64	ENTRY
#include <systrace/syscalls.tbl>
#undef OF_ARM64
#undef OF_ARM
};

static const struct call arm[] = {
#define OF_ARM64	IGNORE
#define OF_ARM		ENTRY
#include <systrace/syscalls.tbl>
};

#define TABLE(calls)	((struct table){ calls, (int)(sizeof(calls) / sizeof((calls)[0])) })

static struct table table_of(unsigned abi)
{
	switch (abi) {
	case SYSTRACE_ABI_X86_64:
		return TABLE(x86_64);
	case SYSTRACE_ABI_I386:
		return TABLE(i386_calls);
	case SYSTRACE_ABI_X32:
		return TABLE(x32);
	case SYSTRACE_ABI_ARM64:
		return TABLE(arm64);
	case SYSTRACE_ABI_ARM:
		return TABLE(arm);
	}
	return (struct table){ NULL, 0 };
}

static const struct call *call_of(unsigned abi, int nr)
{
	struct table t = table_of(abi);

	return nr >= 0 && nr < t.nr && t.calls[nr].name ? &t.calls[nr] : NULL;
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
	struct table t = table_of(abi);

	for (int nr = 0; nr < t.nr; nr++)
		if (t.calls[nr].name && !strcmp(t.calls[nr].name, name))
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
