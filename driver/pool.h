/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attachments in store. The fork probe runs with preemption off and cannot
 * allocate, so each CPU has some ready, and a worker keeps it so.
 */
#ifndef SYSTRACE_POOL_H
#define SYSTRACE_POOL_H

#include <linux/types.h>

struct systrace_attachment;

int systrace_pool_init(void);
void systrace_pool_exit(void);

/* Sleeps. Zeroed; NULL if there is no memory. */
struct systrace_attachment *systrace_pool_alloc(void);
void systrace_pool_free(struct systrace_attachment *a);

/* Fill the pools of all CPUs. -ENOMEM if not all could be filled. Sleeps. */
int systrace_pool_fill(void);

/*
 * From this CPU's pool, with preemption off. NULL if it is empty; or almost, and not
 * privileged: who attaches his tasks to many sessions must not hide them from root's.
 */
struct systrace_attachment *systrace_pool_take(bool privileged);

#endif
