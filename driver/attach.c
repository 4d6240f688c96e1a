// SPDX-License-Identifier: GPL-2.0-only
/*
 * ATTACH. Between the check that a task may be traced and its attachment it can
 * execute another program or exit: so it is inserted as NEW, looked at again, and
 * only then begins (see attachment.h).
 */
#include <linux/cgroup.h>
#include <linux/file.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "access.h"
#include "attach.h"
#include "attachment.h"
#include "cgroup.h"
#include "compat.h"
#include "detach.h"
#include "pool.h"
#include "probe.h"
#include "record.h"
#include "tree.h"
#include "wake.h"

/* --- one task --- */

/* As the caller sees it, like a link in /proc; "" without a page for it. */
static const char *exe_path(struct task_struct *task, char *page)
{
	struct file *exe = NULL;
	char *path = "";

	if (!page)
		return path;
	task_lock(task);
	if (task->mm)
		exe = systrace_exe_file(task->mm);
	task_unlock(task);
	if (!exe)
		return path;
	path = d_path(&exe->f_path, page, PAGE_SIZE);
	fput(exe);
	return IS_ERR(path) ? "" : path;
}

/* The task is to end by its exit probe, which comes after the insert. */
static int begin(struct systrace_attachment *a, enum systrace_stage stage, const char *exe)
{
	int err = 0;

	if (systrace_task_flags(a->task) & PF_EXITING)
		err = -ESRCH;
	else if (!systrace_attachment_begin(a, stage, exe))
		err = -EAGAIN;
	if (err)
		systrace_attachment_discard(a);
	return err;
}

/*
 * Is the task still what it was when it was found fit? It has no exec or exit
 * probe behind it that missed the attachment. Under RCU, after the insert.
 */
static int settle(struct systrace_walk *walk, struct systrace_attachment *a, u64 exec_id,
		  enum systrace_stage stage, const char *exe)
{
	struct user_namespace *privileged = NULL;
	int err;

	if (READ_ONCE(a->task->self_exec_id) != exec_id)
		err = -EAGAIN;
	else
		err = systrace_may_attach(walk->session, a->task, &privileged);
	put_user_ns(privileged);
	if (err)
		systrace_attachment_discard(a);
	else
		err = begin(a, stage, exe);
	walk->joins += !err;
	return err;
}

static int insert(struct systrace_walk *walk, struct systrace_attachment *a, u64 exec_id,
		  enum systrace_stage stage)
{
	const char *exe = exe_path(a->task, walk->path);
	int err;

	rcu_read_lock();
	err = systrace_attachment_insert(a);
	if (err)
		systrace_attachment_free(a);
	else
		err = settle(walk, a, exec_id, stage, exe);
	rcu_read_unlock();
	return err;
}

/* -EAGAIN: the task has run a new program meanwhile. */
static int try_attach(struct systrace_walk *walk, struct task_struct *task, u32 mode)
{
	u64 exec_id = READ_ONCE(task->self_exec_id);
	struct user_namespace *privileged;
	struct systrace_attachment *a;
	int err;

	smp_rmb();	/* an exec changes the number after the program file */
	err = systrace_may_attach(walk->session, task, &privileged);
	if (err)
		return err;
	a = systrace_pool_alloc();
	if (!a) {
		put_user_ns(privileged);
		return -ENOMEM;
	}
	systrace_attachment_set(a, walk->session, task);
	a->epoch = walk->session->epoch;
	a->privileged = privileged;
	a->inherit = mode != SYSTRACE_ATTACH_TASK;
	if (mode != SYSTRACE_ATTACH_EXEC)
		return insert(walk, a, exec_id, SYSTRACE_LIVE);
	a->armed = kzalloc(sizeof(*a->armed), GFP_KERNEL_ACCOUNT);
	if (a->armed)
		return insert(walk, a, exec_id, SYSTRACE_WAITING);
	systrace_attachment_free(a);
	return -ENOMEM;
}

static int attach_task(struct systrace_walk *walk, struct task_struct *task, u32 mode)
{
	int err;

	do
		err = try_attach(walk, task, mode);
	while (err == -EAGAIN && !fatal_signal_pending(current));
	return err == -EAGAIN ? -EINTR : err;
}

/* --- a tree, or the members of a cgroup --- */

static bool follows(struct systrace_walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(walk->session, t);

	return a && READ_ONCE(a->inherit) && READ_ONCE(a->stage) == SYSTRACE_LIVE &&
	       a->epoch == walk->session->epoch;
}

/* Not attached yet, or alone: then its children are to follow from now on. */
static bool attachable(struct systrace_walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(walk->session, t);

	return a ? !READ_ONCE(a->inherit) :
		   !(systrace_task_flags(t) & (PF_EXITING | SYSTRACE_PF_WORKER));
}

/* A task that is attached alone leads a tree from now on. */
static void upgrade(struct systrace_walk *walk, struct task_struct *t)
{
	struct systrace_session *session = walk->session;
	struct systrace_attachment *a;

	raw_spin_lock_irq(&session->lock);
	a = systrace_attachment_find(session, t);
	if (a && !a->inherit) {
		a->epoch = session->epoch;
		a->upgraded = true;
		WRITE_ONCE(a->inherit, true);
		walk->joins++;
	}
	raw_spin_unlock_irq(&session->lock);
	smp_mb();	/* as in systrace_attachment_begin */
}

/* Undo this ATTACH's: no upgrade is fresh. */
static void downgrade(struct systrace_session *session)
{
	struct systrace_attachment *a;

	rcu_read_lock();
	list_for_each_entry_rcu(a, &session->attachments, session_node) {
		raw_spin_lock_irq(&session->lock);
		if (a->upgraded && a->epoch == session->epoch) {
			WRITE_ONCE(a->inherit, false);
			a->upgraded = false;
			a->epoch = 0;
		}
		raw_spin_unlock_irq(&session->lock);
	}
	rcu_read_unlock();
}

/* One that may not be traced, or ends, does not spoil the rest. */
static int attach_join(struct systrace_walk *walk, struct task_struct *t)
{
	int err = attach_task(walk, t, SYSTRACE_ATTACH_TREE);

	if (err == -EEXIST)
		upgrade(walk, t);
	if (err == -EPERM || err == -EUSERS)
		walk->refused = err;
	return err == -EEXIST || err == -ESRCH || err == walk->refused ? 0 : err;
}

static int attach_all(struct systrace_walk *walk)
{
	walk->joined = follows;
	walk->candidate = attachable;
	walk->join = attach_join;
	return systrace_walk(walk);
}

static int attach_root(struct systrace_walk *walk, struct task_struct *root, u32 mode)
{
	struct user_namespace *privileged;
	int err;

	if (systrace_task_flags(root) & SYSTRACE_PF_WORKER)
		return -EINVAL;
	/* The leader of a live process may have ended already; its threads go on. */
	if (systrace_task_flags(root) & PF_EXITING &&
	    (mode != SYSTRACE_ATTACH_TREE || thread_group_empty(root)))
		return -ESRCH;
	if (mode != SYSTRACE_ATTACH_TREE)
		return attach_task(walk, root, mode);
	err = systrace_may_attach(walk->session, root, &privileged);
	if (err)
		return err;
	put_user_ns(privileged);
	err = attach_all(walk);
	if (err || walk->joins)
		return err;
	if (walk->refused)
		return walk->refused;
	return systrace_task_flags(root) & PF_EXITING ? -ESRCH : -EEXIST;
}

/* Who joins from here on is attached by a probe. */
static int attach_cgroup(struct systrace_walk *walk, struct cgroup *cgroup)
{
	int new = systrace_cgroup_watch(walk->session, cgroup), err;

	if (new && new != -EEXIST)
		return new;
	err = attach_all(walk);
	if (err && !new)
		systrace_cgroup_unwatch(walk->session, cgroup);
	if (!err)	/* see systrace_session_gone */
		smp_store_release(&walk->session->ever_attached, true);
	return err || walk->joins ? err : new;
}

/* --- the ioctl --- */

/* The probes are there from before the first attachment until session->work follows the last. */
static int activate(struct systrace_session *session)
{
	int err;

	if (session->active)
		return 0;
	err = systrace_pool_fill();
	if (!err)
		err = systrace_probes_get(session->probed);
	session->active = !err;
	return err;
}

static int attach_target(struct systrace_session *session, const struct systrace_target *target,
			 u32 mode)
{
	struct systrace_walk walk = { .session = session, .target = target };
	int err;

	session->epoch++;
	walk.path = (char *)__get_free_page(GFP_KERNEL);
	err = walk.path ? activate(session) : -ENOMEM;
	if (!err)
		err = target->cgroup ? attach_cgroup(&walk, target->cgroup) :
				       attach_root(&walk, target->task, mode);
	if (err) {	/* all or nothing */
		downgrade(session);
		/* Some of them can be members of a cgroup, who are to stay. */
		if (systrace_detach_fresh(session) && session->watching)
			WRITE_ONCE(session->stragglers, true);
	}
	free_page((unsigned long)walk.path);
	if (!READ_ONCE(session->attached) || READ_ONCE(session->stragglers))
		systrace_wake_work(session);
	return err ? err : walk.joins;
}

int systrace_attach(struct systrace_session *session, const struct systrace_attach_args *args)
{
	struct systrace_target target = { };
	int ret;

	lockdep_assert_held(&session->mutex);
	if (args->mode > SYSTRACE_ATTACH_EXEC)
		return -EINVAL;
	if (args->mode == SYSTRACE_ATTACH_EXEC) {
		if (args->flags || args->pid || args->fd)
			return -EINVAL;
		target.task = get_task_struct(current);
	} else {
		if (args->flags == SYSTRACE_BY_CGROUP && args->mode != SYSTRACE_ATTACH_TREE)
			return -EINVAL;
		ret = systrace_target_get(&target, session, args->flags, args->pid, args->fd);
		if (ret)
			return ret;
	}
	ret = attach_target(session, &target, args->mode);
	systrace_target_put(&target);
	return ret;
}

/* --- members of a cgroup, later --- */

/* Its session may trace every task there is, so that nothing needs to be checked. */
static int attach_here(struct systrace_session *session, struct task_struct *task, u32 epoch)
{
	struct systrace_attachment *a = systrace_pool_take(true);
	int err;

	if (!a)
		return -ENOMEM;
	systrace_attachment_set(a, session, task);
	a->epoch = epoch;
	a->privileged = get_user_ns(&init_user_ns);
	a->inherit = true;
	err = systrace_attachment_insert(a);
	if (err) {
		systrace_attachment_free_rcu(a);
		return err;
	}
	return begin(a, SYSTRACE_LIVE, "");
}

/* One attached alone leads a tree from now on. */
static bool follows_already(struct systrace_session *session, struct task_struct *task)
{
	struct systrace_attachment *a;
	unsigned long flags;

	raw_spin_lock_irqsave(&session->lock, flags);
	a = systrace_attachment_find(session, task);
	if (a)
		WRITE_ONCE(a->inherit, true);
	raw_spin_unlock_irqrestore(&session->lock, flags);
	return a;
}

bool systrace_attach_member(struct systrace_session *session, struct task_struct *task, u32 epoch)
{
	unsigned long flags;
	int err;

	if (systrace_task_flags(task) & (PF_EXITING | SYSTRACE_PF_WORKER) ||
	    follows_already(session, task))
		return true;
	err = attach_here(session, task, epoch);
	if (err == -EUSERS) {
		raw_spin_lock_irqsave(&session->lock, flags);
		session->uncovered++;
		raw_spin_unlock_irqrestore(&session->lock, flags);
	}
	return err != -ENOMEM && err != -EAGAIN;
}

void systrace_attach_members(struct systrace_session *session, struct cgroup *cgroup)
{
	const struct systrace_target target = { .cgroup = cgroup };
	struct systrace_walk walk = { .session = session, .target = &target };

	session->epoch++;
	if (attach_all(&walk) == 0)
		return;
	raw_spin_lock_irq(&session->lock);
	session->uncovered += walk.left;
	raw_spin_unlock_irq(&session->lock);
}
