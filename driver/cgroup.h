/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Watches: a session follows whoever joins a cgroup, by being moved there or by
 * being born there of a parent elsewhere. Cgroups below it belong to it.
 *
 * A watch counts before ATTACH looks for those that are there already; the probes
 * have a full barrier between a task's move and their look at the watches, ATTACH has
 * one between the watch and its look at the tasks: nobody is missed by both. The same
 * holds for a cgroup that is removed.
 */
#ifndef SYSTRACE_CGROUP_H
#define SYSTRACE_CGROUP_H

#include "session.h"

#ifndef CONFIG_CGROUPS
#error "systrace needs CONFIG_CGROUPS"
#endif

struct cgroup;

/* Under session->mutex; sleep. */

/* -EPERM unless opener and caller may trace all there will ever be; -EEXIST, -ENOENT, -ENOMEM. */
int systrace_cgroup_watch(struct systrace_session *session, struct cgroup *cgroup);
/* Nobody is attached by it any more. False if there was no such watch. */
bool systrace_cgroup_unwatch(struct systrace_session *session, struct cgroup *cgroup);
void systrace_cgroup_unwatch_all(struct systrace_session *session);
/* What probes have asked for: those removed are watched no more, stragglers attached. */
void systrace_cgroup_work(struct systrace_session *session);

/* The probes, preemption off. */
void systrace_cgroup_fork(struct task_struct *child);
void systrace_cgroup_join(struct cgroup *cgroup, struct task_struct *task, bool threads);
void systrace_cgroup_remove(struct cgroup *cgroup);

#endif
