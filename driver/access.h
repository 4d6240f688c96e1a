/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may trace whom. */
#ifndef SYSTRACE_ACCESS_H
#define SYSTRACE_ACCESS_H

#include "session.h"

/*
 * May the session's opener and the caller both trace task? -EPERM if not.
 * *privileged: they may by capability, whatever the task will execute.
 */
int systrace_may_attach(struct systrace_session *session, struct task_struct *task,
			bool *privileged);

/*
 * May a session that traces current without privilege go on after an exec? In
 * the exec probe: current's credentials are the new ones.
 */
bool systrace_may_keep(struct systrace_session *session);

#endif
