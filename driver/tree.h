/* SPDX-License-Identifier: GPL-2.0-only */
/* ATTACH and DETACH: of a task, of a process and its descendants. */
#ifndef SYSTRACE_TREE_H
#define SYSTRACE_TREE_H

#include "session.h"

/* Under session->mutex. They return how many tasks they attached or detached, or an error. */
int systrace_tree_attach(struct systrace_session *session, u32 mode, pid_t pid);
int systrace_tree_detach(struct systrace_session *session, u32 mode, pid_t pid);

/* The session goes: no records. May be called without the mutex, by release. */
void systrace_tree_abandon(struct systrace_session *session);

#endif
