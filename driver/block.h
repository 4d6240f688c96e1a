/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocking: who writes a record past a ring's mark waits, on its way back to user
 * mode, until the reader has made room. What is above the mark is for those that
 * are already on their way: each attached task can write one round's records,
 * SYSTRACE_ROUND_MAX, before it comes to wait.
 *
 * The wait is a task work that sys_exit asks for, for the task itself: there it
 * holds no lock and is in no probe, and signals, ptrace and freezers find it
 * where they find any sleeping task.
 */
#ifndef SYSTRACE_BLOCK_H
#define SYSTRACE_BLOCK_H

#include "attachment.h"

/* Can this kernel? task_work_add is exported by distributions, not by mainline. */
#ifdef SYSTRACE_TASK_WORK_ADD
#define SYSTRACE_CAN_BLOCK	1
#else
#define SYSTRACE_CAN_BLOCK	0
#endif

#define SYSTRACE_TIMEOUT_MS	10000	/* unless SETUP says otherwise */

/* What a task can write from one wait to the next: a call, and what comes with it. */
#define SYSTRACE_SIGNALS_MAX	4
#define SYSTRACE_ROUND_MAX								\
	(sizeof(struct systrace_enter) + sizeof(struct systrace_return) +		\
	 sizeof(struct systrace_fork) + sizeof(struct systrace_exec) +			\
	 SYSTRACE_FILE_BYTES + sizeof(struct systrace_exit) +				\
	 sizeof(struct systrace_detach) + SYSTRACE_SIGNALS_MAX * sizeof(struct systrace_signal))

void systrace_block_init(struct systrace_session *session);
void systrace_block_setup(struct systrace_session *session, u32 timeout_ms);
/* No task is attached any more, and none can map the session: wait until none waits. */
void systrace_block_stop(struct systrace_session *session);

/* Tasks for which the room above the mark is enough. */
u32 systrace_block_covered(struct systrace_session *session);

/* Out of line: a's task has written past the mark, by the tail that was known. */
void systrace_block_passed(struct systrace_attachment *a, struct systrace_cpu *cpu);

/* After each event, written or lost, on its CPU, preemption off. */
static inline void systrace_block_check(struct systrace_attachment *a, struct systrace_cpu *cpu)
{
	if (unlikely(systrace_writer_head(&cpu->writer) - cpu->writer.tail > a->session->mark))
		systrace_block_passed(a, cpu);
}

/* Out of line: have current wait before it is in user mode again. */
void systrace_block_arm(struct systrace_attachment *a);

/* In sys_exit, where a is current's and no other's. */
static inline void systrace_block_exit(struct systrace_attachment *a)
{
	if (unlikely(READ_ONCE(a->past_mark)))
		systrace_block_arm(a);
}

/* Let those go on that have no reason to wait any more. Any context but NMI. */
void systrace_block_kick(struct systrace_session *session);

/* Tasks of the session have been marked as leaving: let them go on. */
void systrace_block_detached(struct systrace_session *session);

#endif
