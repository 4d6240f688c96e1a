// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "attachment.h"
#include "pool.h"
#include "record.h"
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
}

void systrace_attachment_free(struct systrace_attachment *a)
{
	if (a->task)
		put_task_struct(a->task);
	kfree(a->armed);
	systrace_pool_free(a);
}

static void free_rcu(struct rcu_head *rcu)
{
	systrace_attachment_free(container_of(rcu, struct systrace_attachment, rcu));
}

static void link(struct systrace_attachment *a)
{
	struct systrace_session *session = a->session;
	struct systrace_bucket *bucket = systrace_bucket(a->task);

	lockdep_assert_held(&session->lock);
	raw_spin_lock(&bucket->lock);
	hlist_add_head_rcu(&a->hash_node, &bucket->head);
	raw_spin_unlock(&bucket->lock);
	list_add_tail_rcu(&a->session_node, &session->attachments);
	WRITE_ONCE(session->attached, session->attached + 1);
	WRITE_ONCE(session->header->attached, session->attached);
	session->attached_max = max(session->attached_max, session->attached);
	session->ever_attached = true;
}

static int insert_locked(struct systrace_attachment *a, const char *exe)
{
	lockdep_assert_held(&a->session->lock);
	if (a->session->closing)
		return -ENODEV;
	if (systrace_attachment_find(a->session, a->task))
		return -EEXIST;
	if (READ_ONCE(a->task->flags) & PF_EXITING)
		return -ESRCH;
	systrace_record_task(a, exe);
	link(a);
	return 0;
}

int systrace_attachment_insert(struct systrace_attachment *a, const char *exe)
{
	struct systrace_session *session = a->session;
	int err;

	raw_spin_lock(&session->lock);
	err = insert_locked(a, exe);
	raw_spin_unlock(&session->lock);
	if (err)
		return err;
	/*
	 * Pairs with the barrier at the start of the exit and the fork probe. Either
	 * the exit probe finds the attachment or PF_EXITING, set before it, is seen
	 * here; either the fork probe finds it, or the child, in the task list
	 * before it, is seen by the next pass over the tree.
	 */
	smp_mb();
	if (READ_ONCE(a->task->flags) & PF_EXITING && systrace_attachment_claim(a)) {
		systrace_attachment_unlink(a);
		preempt_disable();
		systrace_record_detach(a, SYSTRACE_DETACH_EXITING);
		preempt_enable();
		systrace_attachment_drop(a);
	}
	return 0;
}

/* False if the parent was detached meanwhile, so that the child is not to follow. */
static bool link_child(struct systrace_attachment *parent, struct systrace_attachment *a)
{
	struct systrace_session *session = parent->session;
	bool linked = false;

	raw_spin_lock(&session->lock);
	if (!parent->dead && !session->closing) {
		a->leaving = parent->leaving;
		link(a);
		linked = true;
	}
	raw_spin_unlock(&session->lock);
	return linked;
}

static void count_uncovered(struct systrace_session *session)
{
	raw_spin_lock(&session->lock);
	session->uncovered++;
	raw_spin_unlock(&session->lock);
}

void systrace_attachment_inherit(struct systrace_attachment *parent, struct task_struct *child,
				 u64 clone_flags)
{
	struct systrace_attachment *a;

	if (parent->waiting)
		return;
	if (!parent->inherit) {
		systrace_record_fork(parent, child, clone_flags);
		return;
	}
	a = systrace_pool_take();
	if (!a) {
		systrace_record_uncovered(parent, child);
		count_uncovered(parent->session);
		return;
	}
	systrace_attachment_set(a, parent->session, child);
	a->inherit = true;
	a->epoch = parent->epoch;
	a->privileged = parent->privileged;
	systrace_record_fork(parent, child, clone_flags);
	if (!link_child(parent, a)) {
		systrace_record_detach(a, SYSTRACE_DETACH_ASKED);
		call_rcu(&a->rcu, free_rcu);
	}
}

bool systrace_attachment_claim(struct systrace_attachment *a)
{
	bool claimed;

	raw_spin_lock(&a->session->lock);
	claimed = !a->dead;
	a->dead = true;
	raw_spin_unlock(&a->session->lock);
	return claimed;
}

void systrace_attachment_unlink(struct systrace_attachment *a)
{
	struct systrace_bucket *bucket = systrace_bucket(a->task);

	raw_spin_lock(&a->session->lock);
	raw_spin_lock(&bucket->lock);
	hlist_del_rcu(&a->hash_node);
	raw_spin_unlock(&bucket->lock);
	list_del_rcu(&a->session_node);
	raw_spin_unlock(&a->session->lock);
}

void systrace_attachment_drop(struct systrace_attachment *a)
{
	struct systrace_session *session = a->session;

	raw_spin_lock(&session->lock);
	WRITE_ONCE(session->header->attached, session->attached - 1);
	/* Release: who sees it sees the seq of the last record, see systrace_wake_poll. */
	smp_store_release(&session->attached, session->attached - 1);
	if (!session->attached)
		systrace_wake_work(session);
	raw_spin_unlock(&session->lock);
	call_rcu(&a->rcu, free_rcu);
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
	rcu_barrier();	/* free_rcu */
	systrace_pool_exit();
	vfree(systrace_buckets);
}
