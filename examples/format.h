/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line of text for one event. */
#ifndef SYSTRACE_EXAMPLES_FORMAT_H
#define SYSTRACE_EXAMPLES_FORMAT_H

#include <systrace.h>

/* No line is longer: two names with every byte escaped, and some numbers. */
#define SYSTRACE_FORMAT_BYTES	(4 * (SYSTRACE_FILE_BYTES + SYSTRACE_COMM_BYTES) + 512)

/*
 * Write the line for an event made at time_ns into `to`, which has at least
 * SYSTRACE_FORMAT_BYTES, with a newline and no NUL at its end. Returns its
 * length, 0 for a record of a type, or too short, to be told.
 */
size_t systrace_format(char *to, const struct systrace_event *event, uint64_t time_ns);

#endif
