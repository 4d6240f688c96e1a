// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <linux/vmalloc.h>

#include "attachment.h"
#include "mask.h"
#include "pool.h"
#include "record.h"
#include "slot.h"
#include "wake.h"

struct systrace_bucket *systrace_buckets;

u32 systrace_attachment_tid(struct systrace_session *session, struct task_struct *task)
{
	return __task_pid_nr_ns(task, PIDTYPE_PID, session->pid_ns);
}

u32 systrace_attachment_tgid(struct systrace_session *session, struct task_struct *task)
{
	return __task_pid_nr_ns(task, PIDTYPE_TGID, session->pid_ns);
}

u32 systrace_attachment_ppid(struct systrace_session *session, struct task_struct *task)
{
	u32 ppid;

	rcu_read_lock();
	ppid = systrace_attachment_tgid(session, rcu_dereference(task->real_parent));
	rcu_read_unlock();
	return ppid;
}

struct systrace_attachment *systrace_attachment_find(struct systrace_session *session,
						     const struct task_struct *task)
{
	struct systrace_attachment *a;

	systrace_for_each_attachment(a, task)
		if (a->session == session)
			return a;
	return NULL;
}

void systrace_attachment_set(struct systrace_attachment *a, struct systrace_session *session,
			     struct task_struct *task)
{
	a->session = session;
	a->task = get_task_struct(task);
	a->tid = systrace_attachment_tid(session, task);
	a->slot = SYSTRACE_NO_SLOT;
	refcount_set(&a->refs, 1);
}

void systrace_attachment_free(struct systrace_attachment *a)
{
	if (a->task)
		put_task_struct(a->task);
	put_user_ns(a->privileged);
	kfree(a->armed);
	systrace_pool_free(a);
}

void systrace_attachment_put(struct systrace_attachment *a)
{
	if (refcount_dec_and_test(&a->refs))
		systrace_attachment_free(a);
}

static void put_rcu(struct rcu_head *rcu)
{
	systrace_attachment_put(container_of(rcu, struct systrace_attachment, rcu));
}

void systrace_attachment_free_rcu(struct systrace_attachment *a)
{
	call_rcu(&a->rcu, put_rcu);
}

static unsigned int count(struct systrace_bucket *bucket, struct task_struct *task)
{
	struct systrace_attachment *a;
	unsigned int n = 0;

	lockdep_assert_held(&bucket->lock);
	hlist_for_each_entry(a, &bucket->head, hash_node)
		n += a->task == task;
	return n;
}

/* They know nothing of another session. */
static void empty_slots(struct systrace_bucket *bucket, struct task_struct *task)
{
	struct systrace_attachment *a;

	lockdep_assert_held(&bucket->lock);
	hlist_for_each_entry(a, &bucket->head, hash_node)
		if (a->task == task)
			systrace_slot_empty(a);
}

/* Unless so many sessions have the task. */
static int link_below(struct systrace_attachment *a, unsigned int limit)
{
	struct systrace_session *session = a->session;
	struct systrace_bucket *bucket = systrace_bucket(a->task);
	unsigned int others;
	bool room;

	lockdep_assert_held(&session->lock);
	raw_spin_lock(&bucket->lock);
	others = count(bucket, a->task);
	room = others < limit;
	if (room)
		hlist_add_head_rcu(&a->hash_node, &bucket->head);
	if (room && others)
		empty_slots(bucket, a->task);
	raw_spin_unlock(&bucket->lock);
	if (!room)
		return -EUSERS;
	systrace_mask_attached(a->task);
	list_add_tail_rcu(&a->session_node, &session->attachments);
	WRITE_ONCE(session->attached, session->attached + 1);
	WRITE_ONCE(session->header->attached, session->attached);
	session->attached_max = max(session->attached_max, session->attached);
	return 0;
}

/* The last places are for those whom nobody should hide from. */
static unsigned int limit(struct systrace_attachment *a)
{
	return a->privileged == &init_user_ns ? 2 * SYSTRACE_SESSIONS_MAX : SYSTRACE_SESSIONS_MAX;
}

static bool claim(struct systrace_attachment *a)
{
	bool claimed = !a->dead;

	lockdep_assert_held(&a->session->lock);
	WRITE_ONCE(a->dead, true);
	systrace_slot_empty(a);
	return claimed;
}

static void unlink(struct systrace_attachment *a)
{
	struct systrace_bucket *bucket = systrace_bucket(a->task);

	lockdep_assert_held(&a->session->lock);
	raw_spin_lock(&bucket->lock);
	hlist_del_rcu(&a->hash_node);
	raw_spin_unlock(&bucket->lock);
	systrace_mask_detached(a->task);
	list_del_rcu(&a->session_node);
}

static void drop(struct systrace_attachment *a)
{
	struct systrace_session *session = a->session;

	lockdep_assert_held(&session->lock);
	WRITE_ONCE(session->header->attached, session->attached - 1);
	/* Release: who sees it sees the seq of the last record, see systrace_session_gone. */
	smp_store_release(&session->attached, session->attached - 1);
	if (!session->attached)
		systrace_wake_work(session);
	systrace_attachment_free_rcu(a);
}

bool systrace_attachment_claim(struct systrace_attachment *a)
{
	unsigned long flags;
	bool claimed;

	raw_spin_lock_irqsave(&a->session->lock, flags);
	claimed = claim(a);
	raw_spin_unlock_irqrestore(&a->session->lock, flags);
	return claimed;
}

void systrace_attachment_unlink(struct systrace_attachment *a)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&a->session->lock, flags);
	unlink(a);
	raw_spin_unlock_irqrestore(&a->session->lock, flags);
}

bool systrace_attachment_end(struct systrace_attachment *a, bool tell)
{
	unsigned long flags;
	bool claimed;

	raw_spin_lock_irqsave(&a->session->lock, flags);
	claimed = claim(a);
	if (claimed) {
		if (tell)
			systrace_record_detach(a, SYSTRACE_DETACH_ASKED);
		unlink(a);
	}
	raw_spin_unlock_irqrestore(&a->session->lock, flags);
	return claimed;
}

void systrace_attachment_drop(struct systrace_attachment *a)
{
	struct systrace_session *session = a->session;
	unsigned long flags;

	raw_spin_lock_irqsave(&session->lock, flags);
	drop(a);
	raw_spin_unlock_irqrestore(&session->lock, flags);
}

static bool discard(struct systrace_attachment *a)
{
	if (a->stage != SYSTRACE_NEW)
		return false;
	if (claim(a)) {
		unlink(a);
		drop(a);
	}
	return true;
}

bool systrace_attachment_discard(struct systrace_attachment *a)
{
	struct systrace_session *session = a->session;
	unsigned long flags;
	bool discarded;

	raw_spin_lock_irqsave(&session->lock, flags);
	discarded = discard(a);
	raw_spin_unlock_irqrestore(&session->lock, flags);
	return discarded;
}

int systrace_attachment_insert(struct systrace_attachment *a)
{
	struct systrace_session *session = a->session;
	unsigned long flags;
	int err = 0;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held() && !rcu_read_lock_sched_held(),
			 "a probe can free it at once");
	raw_spin_lock_irqsave(&session->lock, flags);
	if (session->closing)
		err = -ENODEV;
	else if (systrace_attachment_find(session, a->task))
		err = -EEXIST;
	else
		err = link_below(a, limit(a));
	raw_spin_unlock_irqrestore(&session->lock, flags);
	/*
	 * Pairs with the barrier at the start of the exec and the exit probe: either
	 * they find the attachment, or what the task did before them is seen when
	 * the caller looks at it again.
	 */
	smp_mb();
	return err;
}

bool systrace_attachment_begin(struct systrace_attachment *a, enum systrace_stage stage,
			       const char *exe)
{
	struct systrace_session *session = a->session;
	unsigned long flags;
	bool alive;

	raw_spin_lock_irqsave(&session->lock, flags);
	alive = !a->dead;
	if (alive) {
		smp_store_release(&session->ever_attached, true); /* see systrace_session_gone */
		a->tid = systrace_attachment_tid(session, a->task);
		systrace_record_task(a, exe);
		smp_store_release(&a->stage, stage); /* TASK comes before all else */
	}
	raw_spin_unlock_irqrestore(&session->lock, flags);
	/*
	 * Pairs with the barrier at the start of the fork probe: either it finds the
	 * attachment in its stage, or the child, in the task list before it, is seen
	 * by the next pass over the tree.
	 */
	smp_mb();
	return alive;
}

/*
 * FORK, and the child's attachment, if there was memory for one. ATTACH may have
 * found the child first: if it has written TASK, that stands for FORK.
 */
static bool inherit_locked(struct systrace_attachment *parent, struct task_struct *child,
			   u64 clone_flags, struct systrace_attachment *a)
{
	struct systrace_session *session = parent->session;
	struct systrace_attachment *known = systrace_attachment_find(session, child);
	bool leaves;

	lockdep_assert_held(&session->lock);
	if (known && !discard(known))
		return false;
	if (!parent->inherit) {	/* no more: the ATTACH by which it did has failed */
		systrace_record_fork(parent, child, clone_flags);
		return false;
	}
	leaves = session->closing ||
		 (parent->stage == SYSTRACE_ENDING && parent->leaving != SYSTRACE_LEAVING_ALONE);
	if (a) {
		a->epoch = parent->epoch;
		a->leaving = parent->leaving == SYSTRACE_LEAVING_TREE ? parent->leaving : 0;
	}
	/* Its parent's sessions, and those that have found it before us. */
	if (!a || (!leaves && link_below(a, 2 * limit(a)))) {
		systrace_record_uncovered(parent, child);
		session->uncovered++;
		return false;
	}
	systrace_record_fork(parent, child, clone_flags);
	if (leaves)
		systrace_record_detach(a, SYSTRACE_DETACH_ASKED);
	return !leaves;
}

void systrace_attachment_inherit(struct systrace_attachment *parent, struct task_struct *child,
				 u64 clone_flags)
{
	struct systrace_session *session = parent->session;
	struct systrace_attachment *a;
	unsigned long flags;
	bool linked;

	if (!systrace_attachment_live(parent))
		return;
	if (!READ_ONCE(parent->inherit)) {
		systrace_record_fork(parent, child, clone_flags);
		return;
	}
	a = systrace_pool_take(parent->privileged == &init_user_ns);
	if (a) {
		systrace_attachment_set(a, session, child);
		a->stage = SYSTRACE_LIVE;
		a->inherit = true;
		a->privileged = get_user_ns(parent->privileged);
	}
	raw_spin_lock_irqsave(&session->lock, flags);
	linked = inherit_locked(parent, child, clone_flags, a);
	raw_spin_unlock_irqrestore(&session->lock, flags);
	if (a && !linked)
		systrace_attachment_free_rcu(a);
}

int systrace_attachments_init(void)
{
	unsigned int i;
	int err;

	systrace_buckets = vzalloc(sizeof(*systrace_buckets) << SYSTRACE_HASH_BITS);
	if (!systrace_buckets)
		return -ENOMEM;
	for (i = 0; i < 1 << SYSTRACE_HASH_BITS; i++)
		raw_spin_lock_init(&systrace_buckets[i].lock);
	err = systrace_pool_init();
	if (err)
		vfree(systrace_buckets);
	return err;
}

void systrace_attachments_exit(void)
{
	rcu_barrier();	/* put_rcu */
	systrace_pool_exit();
	vfree(systrace_buckets);
}
