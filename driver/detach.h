/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYSTRACE_DETACH_H
#define SYSTRACE_DETACH_H

#include "session.h"

/* DETACH, under session->mutex. Returns how many tasks it detached, or an error. */
int systrace_detach(struct systrace_session *session, const struct systrace_detach_args *args);

/* All that this ATTACH has attached: how many. Under session->mutex. */
int systrace_detach_fresh(struct systrace_session *session);

/* The session goes: no records. Under session->mutex. */
void systrace_abandon(struct systrace_session *session);

#endif
