/* SPDX-License-Identifier: GPL-2.0-only */
/* A session: one open file of /dev/systrace. */
#ifndef SYSTRACE_SESSION_H
#define SYSTRACE_SESSION_H

#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/pid_namespace.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <systrace/ring.h>

#include "pages.h"

/*
 * A session's share of one CPU. Written by probes on that CPU, with preemption
 * off; by others only as systrace_session_on_cpu allows, but for `need`.
 */
struct systrace_cpu {
	struct systrace_writer writer;	/* writer.bytes is NULL without a ring */
	const u64 *tail;		/* the reader's word, in the control range */
	union {
		u16 notice;		/* 0: nothing is to do after an event in a slot */
		struct {
			bool need;	/* the session's has been set; see wake.h */
			bool more;	/* the slot has further entries; see slot.h */
		};
	};
	u64 recorded;			/* records written, and not lost again; LOST not counted */
	u64 read;			/* of them, those read and overwritten since */
	u64 lost[SYSTRACE_LOST_CAUSES];
	/* Of lost, what no LOST record has told yet. Atomic: another CPU tells for
	 * one that has no ring.
	 */
	atomic64_t untold[SYSTRACE_LOST_CAUSES];
	bool behind;			/* some of it is this CPU's to tell */
	struct systrace_ring *shared;	/* in the header pages */

	/* Blocking: see block.h. */
	wait_queue_head_t room;		/* who waits for room in this ring */
	u64 stalled;			/* the tail when a wait timed out */
	atomic64_t blocked;
	atomic64_t blocked_ns;
	atomic64_t timeouts;
	struct systrace_pages pages;
};

#define SYSTRACE_RECORD_MAX	(sizeof(struct systrace_task) + SYSTRACE_FILE_BYTES)
#define SYSTRACE_RING_BYTES_MIN	PAGE_SIZE
#define SYSTRACE_RING_BYTES_MAX	(1ULL << 30)
#define SYSTRACE_EVENTS_ALL	((2ULL << SYSTRACE_DETACH) - (1ULL << SYSTRACE_ENTER))

struct systrace_session {
	/* What probes read and never write. */
	struct systrace_cpu __percpu *cpus;
	struct systrace_policy_table __rcu *policy;
	u64 events;			/* wanted: 1 << enum systrace_type */
	u32 clock;			/* enum systrace_clock */
	u64 mark;			/* unread bytes in a ring from which on its tasks wait */
	u32 watermark;
	bool overwrites;
	bool paused;

	/* [E] Every event takes it, and increments it. The first is 1. */
	atomic64_t next_seq ____cacheline_aligned_in_smp;

	/* Sleeping and waking: see wake.h. */
	bool need ____cacheline_aligned_in_smp;
	unsigned long wake_flags;
	struct irq_work wake_irq;
	wait_queue_head_t wait;
	struct hrtimer timer;
	u64 due;			/* events up to this seq have waited for latency_us */
	u32 latency_us;
	atomic64_t wakeups;

	u32 timeout_ms;			/* of a wait for room */
	atomic_t waiting;		/* tasks in block.c that look at this session */

	struct mutex mutex;		/* serializes ioctls and the work below */
	struct work_struct work;	/* tells losses; follows the last detach */
	bool is_setup;			/* set once, last in SETUP, with release */
	u64 probed;			/* events for which it needs probes */
	bool active;			/* holds the probes; under mutex */
	bool ever_attached;		/* by release, after the task or the watch is there */
	u32 watching;			/* cgroups, see cgroup.h; under mutex */
	bool stragglers;		/* some who joined them are to be attached by the work */

	/* Attachments. Outside of the bucket locks. Probes take it. */
	raw_spinlock_t lock;		/* with interrupts off */
	struct list_head attachments;	/* RCU readable */
	u32 epoch;			/* counts ATTACHes; under mutex */
	u32 attached;
	u32 attached_max;
	u32 uncovered;
	bool closing;

	/* Memory, from SETUP on. */
	u64 ring_bytes;
	struct systrace_account *account; /* of who is charged */
	struct systrace_pages control;
	struct systrace_pages header_pages;
	struct systrace_header *header;
	u64 *seen;

	/* The control mapping: at most one. */
	spinlock_t map_lock;
	unsigned int control_maps;
	struct mm_struct *consumer;	/* whose it is; compared, never followed */

	struct file *file;		/* for its credentials: lives as long as we */
	struct pid_namespace *pid_ns;	/* the opener's */
	struct list_head node;		/* in the list of sessions, from SETUP on */
};

/*
 * For session->work, which waits for a work on each CPU: on the system's own queue, enough
 * sessions that end at once would leave no place for what they wait for.
 */
extern struct workqueue_struct *systrace_workqueue;

int systrace_session_create(struct systrace_session **out, struct file *file);
void systrace_session_destroy(struct systrace_session *session);

/* Under session->mutex, like all that ioctls call. */
int systrace_session_setup(struct systrace_session *session, struct systrace_setup *setup);
void systrace_session_pause(struct systrace_session *session);
void systrace_session_resume(struct systrace_session *session);

/*
 * Run fn(session, cpu) where cpu's rings have no other writer: on that CPU with
 * preemption off, or, if it is offline, here. Sleeps.
 */
void systrace_session_on_cpu(struct systrace_session *session, int cpu,
			     void (*fn)(struct systrace_session *session, int cpu, void *arg),
			     void *arg);

/* The last that an event has taken */
static inline u64 systrace_session_seq(const struct systrace_session *session)
{
	return atomic64_read(&session->next_seq) - 1;
}

/* Can there be anything in this CPU's ring? Any context. */
static inline bool systrace_cpu_has_ring(const struct systrace_cpu *cpu)
{
	return smp_load_acquire(&cpu->shared->present); /* pairs with session.c: add_ring */
}

/* Bytes in it, by the reader's word of what it has read. */
static inline u64 systrace_cpu_unread(const struct systrace_cpu *cpu)
{
	return READ_ONCE(cpu->shared->head) - READ_ONCE(*cpu->tail);
}

/*
 * No task is attached any more, nor will any join. In this order: as long as it
 * watches, tasks can be attached; and whatever those that are gone by now have made is
 * in a seq that is read after this.
 */
static inline bool systrace_session_gone(struct systrace_session *session)
{
	return smp_load_acquire(&session->ever_attached) && /* pairs with who sets it */
	       !smp_load_acquire(&session->watching) &&	/* pairs with cgroup.c: end */
	       !smp_load_acquire(&session->attached);	/* pairs with attachment.c: drop */
}

int systrace_sessions_init(void);
void systrace_sessions_exit(void);

#endif
