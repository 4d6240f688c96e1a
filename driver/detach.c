// SPDX-License-Identifier: GPL-2.0-only
/*
 * DETACH. Those that are to leave are marked, with what they fork meanwhile; then
 * made ENDING, of which nothing more is recorded; and after a grace period, when
 * no probe that found one LIVE still runs, each gets its DETACH record.
 */
#include <linux/cgroup.h>
#include <linux/sched/task.h>

#include "attachment.h"
#include "block.h"
#include "cgroup.h"
#include "detach.h"
#include "slot.h"
#include "tree.h"

/* --- who leaves --- */

static bool leaves_tree(struct systrace_walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(walk->session, t);

	return a && READ_ONCE(a->leaving) == SYSTRACE_LEAVING_TREE;
}

static bool attached(struct systrace_walk *walk, struct task_struct *t)
{
	return systrace_attachment_find(walk->session, t);
}

static bool leave(struct systrace_session *session, struct task_struct *t, u8 how)
{
	struct systrace_attachment *a;
	bool marked = false;

	raw_spin_lock_irq(&session->lock);
	a = systrace_attachment_find(session, t);
	if (a && !a->leaving && a->stage != SYSTRACE_NEW) {	/* a probe's: it joins after this */
		WRITE_ONCE(a->leaving, how);
		marked = true;
	}
	raw_spin_unlock_irq(&session->lock);
	return marked;
}

/* From here on its children leave with it. */
static int leave_join(struct systrace_walk *walk, struct task_struct *t)
{
	walk->joins += leave(walk->session, t, SYSTRACE_LEAVING_TREE);
	return 0;
}

static void unmark(struct systrace_session *session)
{
	struct systrace_attachment *a;

	rcu_read_lock();
	list_for_each_entry_rcu(a, &session->attachments, session_node) {
		raw_spin_lock_irq(&session->lock);
		WRITE_ONCE(a->leaving, 0);
		raw_spin_unlock_irq(&session->lock);
	}
	rcu_read_unlock();
}

/* How many there are, or an error. */
static int mark_all(struct systrace_session *session, const struct systrace_target *target)
{
	struct systrace_walk walk = {
		.session = session,
		.target = target,
		.joined = leaves_tree,
		.candidate = attached,
		.join = leave_join,
	};
	int err = systrace_walk(&walk);

	if (err)
		unmark(session);
	return err ? err : walk.joins;
}

static bool leaves(const struct systrace_attachment *a)
{
	return READ_ONCE(a->leaving);
}

static bool any(const struct systrace_attachment *a)
{
	return true;
}

static bool is_fresh(const struct systrace_attachment *a)
{
	return a->epoch == a->session->epoch;
}

static bool ends(const struct systrace_attachment *a)
{
	return READ_ONCE(a->stage) == SYSTRACE_ENDING;
}

/* --- their end --- */

static bool set_ending(struct systrace_attachment *a)
{
	bool set;

	raw_spin_lock_irq(&a->session->lock);
	set = !a->dead && a->stage != SYSTRACE_ENDING && a->stage != SYSTRACE_NEW;
	if (set) {
		WRITE_ONCE(a->stage, SYSTRACE_ENDING);
		systrace_slot_empty(a);
	}
	raw_spin_unlock_irq(&a->session->lock);
	return set;
}

/* Those that match, and what they fork meanwhile, are recorded no more. */
static int stop_all(struct systrace_session *session,
		    bool (*match)(const struct systrace_attachment *a))
{
	struct systrace_attachment *a;
	int before, n = 0;

	do {
		before = n;
		rcu_read_lock();
		list_for_each_entry_rcu(a, &session->attachments, session_node)
			if (match(a))
				n += set_ending(a);
		rcu_read_unlock();
	} while (n != before);
	return n;
}

/* Those that match, and what they fork meanwhile, are unlinked; and told, or not. */
static void unlink_all(struct systrace_session *session,
		       bool (*match)(const struct systrace_attachment *a), bool tell,
		       struct list_head *dead)
{
	struct systrace_attachment *a;
	bool found;

	do {
		found = false;
		rcu_read_lock();
		list_for_each_entry_rcu(a, &session->attachments, session_node) {
			if (!match(a) || !systrace_attachment_end(a, tell))
				continue;
			list_add_tail(&a->dead_node, dead);
			found = true;
		}
		rcu_read_unlock();
	} while (found);
}

/* How many. One that exits before we come to it has its DETACH from the exit probe. */
static int detach(struct systrace_session *session,
		  bool (*match)(const struct systrace_attachment *a))
{
	struct systrace_attachment *a, *next;
	LIST_HEAD(dead);
	int n = stop_all(session, match), exited = n;

	if (!n)
		return 0;
	systrace_block_detached(session);
	/* After this no probe that found them LIVE is still running: DETACH is the last. */
	synchronize_rcu();
	unlink_all(session, ends, true, &dead);
	list_for_each_entry_safe(a, next, &dead, dead_node) {
		systrace_attachment_drop(a);
		exited--;
	}
	if (exited)
		synchronize_rcu();	/* their probes may not have written it yet */
	return n;
}

int systrace_detach_fresh(struct systrace_session *session)
{
	lockdep_assert_held(&session->mutex);
	return detach(session, is_fresh);
}

/* --- the ioctl --- */

static int detach_target(struct systrace_session *session, const struct systrace_target *target,
			 u32 mode)
{
	bool watched = target->cgroup && systrace_cgroup_unwatch(session, target->cgroup);
	int n;

	if (mode == SYSTRACE_DETACH_TREE)
		n = mark_all(session, target);
	else
		n = leave(session, target->task, SYSTRACE_LEAVING_ALONE);
	if (!n)
		return watched ? 0 : -ESRCH;
	return n < 0 ? n : detach(session, leaves);
}

static int detach_everything(struct systrace_session *session)
{
	systrace_cgroup_unwatch_all(session);
	return detach(session, any);
}

int systrace_detach(struct systrace_session *session, const struct systrace_detach_args *args)
{
	struct systrace_target target;
	int ret;

	lockdep_assert_held(&session->mutex);
	if (args->mode > SYSTRACE_DETACH_ALL)
		return -EINVAL;
	if (args->mode == SYSTRACE_DETACH_ALL)
		return args->flags || args->pid || args->fd ? -EINVAL : detach_everything(session);
	if (args->flags == SYSTRACE_BY_CGROUP && args->mode != SYSTRACE_DETACH_TREE)
		return -EINVAL;
	ret = systrace_target_get(&target, session, args->flags, args->pid, args->fd);
	if (ret)
		return ret;
	ret = detach_target(session, &target, args->mode);
	systrace_target_put(&target);
	return ret;
}

void systrace_abandon(struct systrace_session *session)
{
	struct systrace_attachment *a, *next;
	LIST_HEAD(dead);

	systrace_cgroup_unwatch_all(session);
	raw_spin_lock_irq(&session->lock);
	session->closing = true;
	raw_spin_unlock_irq(&session->lock);
	unlink_all(session, any, false, &dead);
	synchronize_rcu();
	list_for_each_entry_safe(a, next, &dead, dead_node)
		systrace_attachment_drop(a);
}
