/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's tracepoints, on which everything begins. */
#ifndef SYSTRACE_PROBE_H
#define SYSTRACE_PROBE_H

#include <linux/types.h>

/* Find the tracepoints. -ENOENT if this kernel lacks one. */
int systrace_probes_init(void);
/* No session is left. Waits until no probe runs any more. */
void systrace_probes_exit(void);

/* Beside the record types' bits: those who join cgroups. */
#define SYSTRACE_PROBE_CGROUPS	(1ULL << 63)

/* Register what sessions with these events need; counted. They sleep. */
int systrace_probes_get(u64 events);
void systrace_probes_put(u64 events);

#endif
