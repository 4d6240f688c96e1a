/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of text for one event; on its own, so that tests can say what time it is. */
#ifndef SYSTRACE_LIB_FORMAT_H
#define SYSTRACE_LIB_FORMAT_H

#include <stdbool.h>
#include <systrace.h>

/*
 * Write the line for an event made at time_ns into `to`, which has at least
 * SYSTRACE_FORMAT_BYTES, without newline and NUL. Returns its length, 0 for a record of a
 * type, or too short, to be told.
 */
size_t systrace_format_line(char *to, const struct systrace_event *event, uint64_t time_ns, bool raw);

#endif
