/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An attachment: this task, in this session.
 *
 * Found by task pointer in an RCU hash table from the probes. Its life: it is
 * inserted, in process context by ATTACH or in the fork probe from the parent's;
 * claimed, by whoever ends it, once; unlinked; and dropped, when its last record
 * is written, which gives up its place in session->attached and frees it after
 * a grace period. Claim, unlink and insert happen under session->lock and, in
 * it, the bucket's lock, with interrupts off, since a probe may come under a lock
 * that interrupts take. Records about a task are made by the task itself, but
 * for TASK (before any other) and DETACH (a grace period after the last other).
 */
#ifndef SYSTRACE_ATTACHMENT_H
#define SYSTRACE_ATTACHMENT_H

#include <linux/hash.h>
#include <linux/rculist.h>
#include <linux/refcount.h>
#include <linux/sched.h>

#include "session.h"

/*
 * A probe looks at all sessions that have its task, with preemption off: so they are so
 * many, and as many again that are privileged everywhere.
 */
#define SYSTRACE_SESSIONS_MAX	128
#define SYSTRACE_HASH_BITS	14	/* chains stay short up to tens of thousands of tasks */

/* An attachment by ATTACH_EXEC that waits for its execve: the call it was entered with. */
struct systrace_armed {
	u8 abi;
	s32 nr;
	u32 nargs;
	bool wanted;		/* one was entered, and the policy records it */
	unsigned long args[SYSTRACE_ARGS];
};

/*
 * NEW, while ATTACH makes sure that the task is still what it was when it was
 * found fit: nothing is recorded, and an exec, exit or fork probe that meets it
 * ends it without a word. It becomes one of the others with its TASK record.
 */
enum systrace_stage {
	SYSTRACE_NEW,
	SYSTRACE_WAITING,		/* for its execve: nothing is recorded before */
	SYSTRACE_LIVE,
	SYSTRACE_ENDING,		/* DETACH is on its way: nothing is recorded any more */
};

#define SYSTRACE_NO_SLOT	(-1)

enum { SYSTRACE_LEAVING_ALONE = 1, SYSTRACE_LEAVING_TREE };	/* what it forks leaves, too */

struct systrace_attachment {	/* of like sizes side by side: there is one for each task */
	struct hlist_node hash_node;
	struct task_struct *task;	/* holds a reference */
	struct systrace_session *session;
	u32 tid;			/* in the opener's pid namespace; an exec can change it */
	u32 epoch;			/* which ATTACH it goes back to */
	bool inherit;			/* children are attached, too */
	bool upgraded;			/* they were not, until the ATTACH of that epoch */
	bool dead;			/* claimed; under session->lock */
	u8 leaving;			/* DETACH is about to claim it; under session->lock */
	u8 stage;			/* enum systrace_stage; rises under session->lock */
	bool past_mark;			/* it has written past a ring's mark, and will wait */
	bool block_armed;		/* block_work is pending; the task's own */
	struct callback_head block_work;
	struct user_namespace *privileged; /* by capability: no exec in it can end it; or NULL */
	struct systrace_armed *armed;	/* with ATTACH_EXEC; freed with the attachment */
	const struct pt_regs *regs;	/* by which its slot knows it */
	int slot;			/* the CPU whose slot it has filled last; see slot.h */
	refcount_t refs;		/* from insert on: the table's, and block_work's */
	struct list_head session_node;	/* in session->attachments; RCU readable */
	struct list_head dead_node;	/* in the list of the DETACH that claimed it */
	struct rcu_head rcu;
};

struct systrace_bucket {
	struct hlist_head head;
	raw_spinlock_t lock;
};

extern struct systrace_bucket *systrace_buckets;

static __always_inline struct systrace_bucket *systrace_bucket(const struct task_struct *task)
{
	return &systrace_buckets[hash_ptr(task, SYSTRACE_HASH_BITS)];
}

/* Is it likely that it has any? Never no if it has. */
static __always_inline bool systrace_attached(const struct task_struct *task)
{
	return READ_ONCE(systrace_bucket(task)->head.first);
}

/* All attachments of a task, in preemption-off or RCU context. */
#define systrace_for_each_attachment(a, t)						\
	hlist_for_each_entry_rcu(a, &systrace_bucket(t)->head, hash_node,		\
				 rcu_read_lock_sched_held() || rcu_read_lock_held())	\
		if ((a)->task != (t)) {} else

/* Under RCU. */
struct systrace_attachment *systrace_attachment_find(struct systrace_session *session,
						     const struct task_struct *task);

struct systrace_attachment *systrace_attachment_alloc(gfp_t gfp);
void systrace_attachment_free(struct systrace_attachment *a);	/* one never inserted */
void systrace_attachment_free_rcu(struct systrace_attachment *a);	/* the same, by a probe */
/* Make it that of task: takes a reference. */
void systrace_attachment_set(struct systrace_attachment *a, struct systrace_session *session,
			     struct task_struct *task);

/*
 * Insert what ATTACH made, as NEW. -EEXIST if the task is attached already, -EUSERS if
 * too many sessions have it, -ENODEV if the session is closing: then it is still the
 * caller's. Else only until the end of the caller's RCU section, but for who claims it.
 */
int systrace_attachment_insert(struct systrace_attachment *a);
/* Its TASK record, and it is in that stage. False if a probe has ended it. */
bool systrace_attachment_begin(struct systrace_attachment *a, enum systrace_stage stage,
			       const char *exe);

/* For probes: is it recorded? After its TASK record then, which pairs with begin. */
static __always_inline bool systrace_attachment_live(struct systrace_attachment *a)
{
	return smp_load_acquire(&a->stage) == SYSTRACE_LIVE; /* pairs with begin */
}

/* The fork probe: child, which has not run yet, follows its parent. */
void systrace_attachment_inherit(struct systrace_attachment *parent, struct task_struct *child,
				 u64 clone_flags);

/* End one without a word. False if it is not NEW any more. */
bool systrace_attachment_discard(struct systrace_attachment *a);

/*
 * For DETACH: claim, record it if it is to be told, and unlink, as one: a task that exits
 * meanwhile waits in its probe, so that its number is nobody else's before. False
 * if another has claimed it. The caller drops it.
 */
bool systrace_attachment_end(struct systrace_attachment *a, bool tell);

/* True for one caller only: it unlinks, records the end, drops. */
bool systrace_attachment_claim(struct systrace_attachment *a);
void systrace_attachment_unlink(struct systrace_attachment *a);
void systrace_attachment_drop(struct systrace_attachment *a);
/* The last one frees it: a reference of block_work. */
void systrace_attachment_put(struct systrace_attachment *a);

/* Only the task itself writes them, in any way it likes: another sees bits that come or go. */
static inline unsigned int systrace_task_flags(const struct task_struct *task)
{
	return data_race(READ_ONCE(task->flags)); /* see above */
}

/* Numbers in the opener's pid namespace, 0 where it cannot see the task. */
u32 systrace_attachment_tid(struct systrace_session *session, struct task_struct *task);
u32 systrace_attachment_tgid(struct systrace_session *session, struct task_struct *task);
u32 systrace_attachment_ppid(struct systrace_session *session, struct task_struct *task);

int systrace_attachments_init(void);
void systrace_attachments_exit(void);

#endif
