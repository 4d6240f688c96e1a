// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is in a record. Any thread. */
#include <string.h>

#include "handle.h"

#define LARGEST_ERROR	4095	/* as the kernel has it */

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
