/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Untraced tasks pay nothing. A probe on sys_enter or sys_exit makes the kernel set a flag on
 * all tasks, by which each of their calls goes the way of the traced. As long as ours are the only
 * probes there, it is cleared on all tasks but the attached.
 */
#ifndef SYSTRACE_MASK_H
#define SYSTRACE_MASK_H

#include <linux/sched.h>
#include <systrace/uapi.h>

struct tracepoint;

/* sys_enter and sys_exit, and our probes of them */
struct systrace_mask_point {
	struct tracepoint *tracepoint;
	void *probe;
};

#define SYSTRACE_MASK_POINTS	2

/* Nothing is fatal: who cannot mask does not. */
void systrace_mask_init(const struct systrace_mask_point points[SYSTRACE_MASK_POINTS]);
/* No probe is registered. */
void systrace_mask_exit(void);

/*
 * Ours are registered: the first one, and task_newtask before. One caller at a time, as for
 * end: they are to go, but are there yet. Both sleep.
 */
void systrace_mask_begin(void);
void systrace_mask_end(void);

/* An attachment of task is in the table, or gone from it. Any context but NMI. */
void systrace_mask_attached(struct task_struct *task);
void systrace_mask_detached(struct task_struct *task);
/* The fork probe, after a full barrier: child is on the task list and cannot run yet. */
void systrace_mask_fork(struct task_struct *child);

enum systrace_mask systrace_mask_state(void);

#endif
