/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYSTRACE_STATS_H
#define SYSTRACE_STATS_H

#include "session.h"

/* STATS, under session->mutex. stats->cpu says whose. */
int systrace_stats_get(struct systrace_session *session, struct systrace_stats *stats);

#endif
