/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What ATTACH and DETACH name: one task, a process with its descendants, or a
 * cgroup; and the passes over all tasks that find who belongs to it.
 */
#ifndef SYSTRACE_TREE_H
#define SYSTRACE_TREE_H

#include "session.h"

struct cgroup;
struct systrace_verdict;

/* Either a task or a cgroup, with a reference. */
struct systrace_target {
	struct task_struct *task;
	struct cgroup *cgroup;
};

/*
 * By the number that flags and pid, or flags and fd, give in the caller's words. Under
 * session->mutex. -EINVAL, -EBADF, -ENOENT, -ESRCH as ATTACH has them.
 */
int systrace_target_get(struct systrace_target *target, struct systrace_session *session,
			u32 flags, s32 pid, s32 fd);
void systrace_target_put(struct systrace_target *target);

/* Zero it, and set what is above the line. Under session->mutex; sleeps. */
struct systrace_walk {
	struct systrace_session *session;
	const struct systrace_target *target;
	/* Is t in the tree already? Under RCU. */
	bool (*joined)(struct systrace_walk *walk, struct task_struct *t);
	/* Might t join? Under RCU. */
	bool (*candidate)(struct systrace_walk *walk, struct task_struct *t);
	/* Make it join, and count that: 0, or an error that ends the walk. */
	int (*join)(struct systrace_walk *walk, struct task_struct *t);
	char *path;			/* for join: a page for the exe's path, or NULL */
	unsigned int joins;
	int refused;			/* why one was passed over, or 0 */
	unsigned int left;		/* after an error: found by the last pass, not joined */
	/* --- */
	unsigned int found;		/* by this pass, also those that batch has no room for */
	unsigned int room;
	struct task_struct **batch;
	struct systrace_verdict *verdicts;	/* of this pass: who descends from the task */
};

int systrace_walk(struct systrace_walk *walk);

#endif
