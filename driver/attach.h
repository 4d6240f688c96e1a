/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SYSTRACE_ATTACH_H
#define SYSTRACE_ATTACH_H

#include "session.h"

/* ATTACH, under session->mutex. Returns how many tasks it attached, or an error. */
int systrace_attach(struct systrace_session *session, const struct systrace_attach_args *args);

/*
 * For probes: task has joined a cgroup that a session follows. Attached from the
 * pool, as part of that ATTACH; false if that could not be done here and now.
 */
bool systrace_attach_member(struct systrace_session *session, struct task_struct *task, u32 epoch);
/* Attach what probes could not. Under session->mutex; sleeps. */
void systrace_attach_members(struct systrace_session *session, struct cgroup *cgroup);

#endif
