/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may trace whom. */
#ifndef SYSTRACE_ACCESS_H
#define SYSTRACE_ACCESS_H

#include "session.h"

/*
 * May the session's opener and the caller both trace task? -EPERM if not.
 * *privileged: a namespace with all in which they may, by capability, whatever the
 * task will execute there, with a reference; or NULL.
 */
int systrace_may_attach(struct systrace_session *session, struct task_struct *task,
			struct user_namespace **privileged);

/* May they trace every task, whatever its user? -EPERM if not. */
int systrace_may_watch(struct systrace_session *session);

/*
 * May the session go on to trace current after an exec? In the exec probe:
 * current's credentials are the new ones.
 */
bool systrace_may_keep(struct systrace_session *session, struct user_namespace *privileged);

#endif
