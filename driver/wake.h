/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sleeping without lost wake-ups and without a fence for each event. The letters
 * are those of <systrace/ring.h>.
 *
 * need is 1 from poll until a writer claims it, so there is at most one wake-up
 * for a sleep. It stays 1 also when poll says readable: edge-triggered epoll
 * does not poll again before it sleeps.
 *
 * After need, poll sets that of each CPU, which is what writers look at. A writer takes its CPU's
 * by an exchange, and then looks at the session's. So one that takes what poll has set sees
 * that poll's need; and until the next poll it is done with it, unless there
 * is a watermark: then its ring's limit is where that is reached, and who comes there looks again.
 */
#ifndef SYSTRACE_WAKE_H
#define SYSTRACE_WAKE_H

#include <linux/compiler.h>
#include <linux/poll.h>

#include "session.h"

void systrace_wake_init(struct systrace_session *session);
void systrace_wake_stop(struct systrace_session *session);

/* Out of line: somebody sleeps, or may be about to. */
void systrace_wake_needed(struct systrace_session *session, struct systrace_cpu *cpu);

/* [G] After publishing an event whose increment of seq [E] was fully ordered. Any context. */
static inline void systrace_wake_check(struct systrace_session *session, struct systrace_cpu *cpu)
{
	if (unlikely(data_race(session->need)))	/* once: publishing is a barrier */
		systrace_wake_needed(session, cpu);
}

/* After counting a loss: a sleeping reader is to be told. Any context. */
void systrace_wake_loss(struct systrace_session *session);

/* After the last task is gone: session->work has something to do. Any context. */
void systrace_wake_work(struct systrace_session *session);

/* Process context. */
void systrace_wake_reader(struct systrace_session *session);
/* For POLLHUP, also those that wait for nothing else. */
void systrace_wake_gone(struct systrace_session *session);

__poll_t systrace_wake_poll(struct systrace_session *session, struct file *file,
			    struct poll_table_struct *table);

#endif
