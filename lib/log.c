// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the user's callback is told. */
#include <stdarg.h>
#include <stdio.h>

#include "handle.h"

void systrace_log(const struct systrace *st, const char *format, ...)
{
	char text[256];
	va_list args;

	if (!st->log)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	st->log(st->log_arg, text);
}
