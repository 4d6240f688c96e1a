/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records: each function makes one in the ring of this CPU.
 *
 * All of them run with preemption off, in task or kworker context, never in an
 * interrupt: that makes them the ring's only writer. None sleeps, allocates or
 * takes a lock.
 */
#ifndef SYSTRACE_RECORD_H
#define SYSTRACE_RECORD_H

#include "session.h"

struct linux_binprm;
struct kernel_siginfo;
struct systrace_attachment;

void systrace_record_enter(struct systrace_attachment *a, u8 abi, s32 nr, u32 nargs,
			   const unsigned long *args);
void systrace_record_return(struct systrace_attachment *a, u8 abi, s32 nr, long result);
void systrace_record_task(struct systrace_attachment *a, const char *exe);
void systrace_record_fork(struct systrace_attachment *a, struct task_struct *child,
			  u64 clone_flags);
void systrace_record_exec(struct systrace_attachment *a, u32 old_tid, const char *file);
void systrace_record_exit(struct systrace_attachment *a);
void systrace_record_signal(struct systrace_attachment *a, int signo, int code);
void systrace_record_detach(struct systrace_attachment *a, enum systrace_reason reason);
/* The child of a's task is not followed for lack of memory. */
void systrace_record_uncovered(struct systrace_attachment *a, struct task_struct *child);

/* Are there losses that no LOST record has told? Any context. */
bool systrace_record_untold(struct systrace_session *session);
/* Tell them, as far as there is room. Under session->mutex; sleeps. */
void systrace_record_tell(struct systrace_session *session);

#endif
