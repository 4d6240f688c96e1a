// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tree is found by passes over all tasks under RCU, until one finds nothing
 * new. What a pass finds joins the tree (is attached; is marked as leaving)
 * before the next, and from then on its children join by the fork probe. A child
 * whose parent was not yet in the tree when it was forked is on the task list by
 * the time the parent has joined (see systrace_attachment_insert), so that a
 * later pass sees it. The passes end because each but the last adds a task.
 */
#include <linux/file.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "access.h"
#include "attachment.h"
#include "compat.h"
#include "pool.h"
#include "probe.h"
#include "record.h"
#include "tree.h"
#include "wake.h"

#define BATCH	256	/* tasks that one pass takes */

struct walk {
	struct systrace_session *session;
	struct task_struct *root;
	/* Is t in the tree already? Under RCU. */
	bool (*joined)(struct systrace_session *session, struct task_struct *t);
	/* Might t join? Under RCU. */
	bool (*candidate)(struct systrace_session *session, struct task_struct *t);
	/* Make it join: 0, or an error that ends the walk. */
	int (*join)(struct walk *walk, struct task_struct *t);
	char *path;			/* a page for the exe's path */
	unsigned int joins;
	unsigned int refused;
	unsigned int nr;
	struct task_struct *batch[BATCH];
};

static bool any_thread_joined(struct walk *walk, struct task_struct *process)
{
	struct task_struct *t;

	for_each_thread(process, t)
		if (walk->joined(walk->session, t))
			return true;
	return false;
}

static bool in_tree(struct walk *walk, struct task_struct *process)
{
	return same_thread_group(process, walk->root) ||
	       walk->joined(walk->session, rcu_dereference(process->real_parent)) ||
	       any_thread_joined(walk, process);
}

/* Collect tasks of the tree that have not joined. */
static void collect(struct walk *walk)
{
	struct task_struct *process, *t;

	rcu_read_lock();
	for_each_process(process) {
		if (!in_tree(walk, process))
			continue;
		for_each_thread(process, t) {
			if (walk->joined(walk->session, t) ||
			    !walk->candidate(walk->session, t))
				continue;
			if (walk->nr == BATCH)
				goto full;
			walk->batch[walk->nr++] = get_task_struct(t);
		}
	}
full:
	rcu_read_unlock();
}

static int pass(struct walk *walk)
{
	unsigned int i;
	int err = 0;

	walk->nr = 0;
	collect(walk);
	for (i = 0; i < walk->nr; i++) {
		if (!err)
			err = walk->join(walk, walk->batch[i]);
		put_task_struct(walk->batch[i]);
	}
	return err;
}

static int walk_tree(struct walk *walk)
{
	unsigned int before;
	int err;

	do {
		before = walk->joins;
		err = pass(walk);
		cond_resched();
	} while (!err && walk->joins != before);
	return err;
}

/* The task of that number in the opener's namespace, with a reference. */
static struct task_struct *find_task(struct systrace_session *session, pid_t pid)
{
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(find_pid_ns(pid, session->pid_ns), PIDTYPE_PID);
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task;
}

/* --- attach --- */

/* As the caller sees it, like a link in /proc. */
static const char *exe_path(struct task_struct *task, char *page)
{
	struct file *exe = NULL;
	char *path = "";

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

static int attach_task(struct walk *walk, struct task_struct *task, u32 mode)
{
	struct systrace_attachment *a;
	bool privileged;
	int err;

	err = systrace_may_attach(walk->session, task, &privileged);
	if (err)
		return err;
	a = systrace_pool_alloc();
	if (!a)
		return -ENOMEM;
	systrace_attachment_set(a, walk->session, task);
	a->epoch = walk->session->epoch;
	a->privileged = privileged;
	a->inherit = mode != SYSTRACE_ATTACH_TASK;
	if (mode == SYSTRACE_ATTACH_EXEC) {
		a->waiting = true;
		a->armed = kzalloc(sizeof(*a->armed), GFP_KERNEL_ACCOUNT);
		err = a->armed ? 0 : -ENOMEM;
	}
	if (!err)
		err = systrace_attachment_insert(a, exe_path(task, walk->path));
	if (err)
		systrace_attachment_free(a);
	else
		walk->joins++;
	return err;
}

static bool inherits(struct systrace_session *session, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(session, t);

	return a && a->inherit && !a->waiting;
}

static bool attachable(struct systrace_session *session, struct task_struct *t)
{
	return !(READ_ONCE(t->flags) & (PF_EXITING | SYSTRACE_PF_WORKER)) &&
	       !systrace_attachment_find(session, t);
}

/* One descendant that may not be traced, or ends, does not spoil the rest. */
static int attach_join(struct walk *walk, struct task_struct *t)
{
	int err = attach_task(walk, t, SYSTRACE_ATTACH_TREE);

	if (err == -EPERM)
		walk->refused++;
	return err == -ENOMEM || err == -ENODEV ? err : 0;
}

static int attach_tree(struct walk *walk)
{
	bool privileged;
	int err;

	err = systrace_may_attach(walk->session, walk->root, &privileged);
	if (err)
		return err;
	walk->joined = inherits;
	walk->candidate = attachable;
	walk->join = attach_join;
	return walk_tree(walk);
}

static int attach_root(struct walk *walk, u32 mode)
{
	if (READ_ONCE(walk->root->flags) & SYSTRACE_PF_WORKER)
		return -EINVAL;
	/* The leader of a live process may have ended already; its threads go on. */
	if (READ_ONCE(walk->root->flags) & PF_EXITING &&
	    (mode != SYSTRACE_ATTACH_TREE || thread_group_empty(walk->root)))
		return -ESRCH;
	return mode == SYSTRACE_ATTACH_TREE ? attach_tree(walk) :
					      attach_task(walk, walk->root, mode);
}

/* The probes are there from before the first attachment until session->work follows the last. */
static int activate(struct systrace_session *session)
{
	int err;

	if (session->active)
		return 0;
	err = systrace_pool_fill();
	if (!err)
		err = systrace_probes_get(session->events);
	session->active = !err;
	return err;
}

static struct walk *walk_begin(struct systrace_session *session, pid_t pid)
{
	struct walk *walk = kzalloc(sizeof(*walk), GFP_KERNEL);

	if (!walk)
		return ERR_PTR(-ENOMEM);
	walk->session = session;
	walk->root = pid ? find_task(session, pid) : get_task_struct(current);
	if (walk->root)
		return walk;
	kfree(walk);
	return ERR_PTR(-ESRCH);
}

static void walk_end(struct walk *walk)
{
	put_task_struct(walk->root);
	free_page((unsigned long)walk->path);
	kfree(walk);
}

/* --- detach --- */

static bool is_leaving(struct systrace_session *session, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(session, t);

	return a && READ_ONCE(a->leaving);
}

static bool can_leave(struct systrace_session *session, struct task_struct *t)
{
	return systrace_attachment_find(session, t);
}

/* From here on its children leave with it. */
static int leave(struct walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a;

	raw_spin_lock(&walk->session->lock);
	a = systrace_attachment_find(walk->session, t);
	if (a && !a->leaving) {
		a->leaving = true;
		walk->joins++;
	}
	raw_spin_unlock(&walk->session->lock);
	return 0;
}

static int mark_tree(struct walk *walk)
{
	walk->joined = is_leaving;
	walk->candidate = can_leave;
	walk->join = leave;
	return walk_tree(walk);
}

static int mark(struct systrace_session *session, u32 mode, pid_t pid)
{
	struct walk *walk;
	int err;

	walk = walk_begin(session, pid);
	if (IS_ERR(walk))
		return PTR_ERR(walk);
	err = mode == SYSTRACE_DETACH_TASK ? leave(walk, walk->root) : mark_tree(walk);
	if (!err && !walk->joins)
		err = -ESRCH;
	walk_end(walk);
	return err;
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

/* Claim and unlink those that match, and what they fork meanwhile. */
static void unlink_all(struct systrace_session *session,
		       bool (*match)(const struct systrace_attachment *a), struct list_head *dead)
{
	struct systrace_attachment *a;
	bool found;

	do {
		found = false;
		rcu_read_lock();
		list_for_each_entry_rcu(a, &session->attachments, session_node) {
			if (!match(a) || !systrace_attachment_claim(a))
				continue;
			systrace_attachment_unlink(a);
			list_add_tail(&a->dead_node, dead);
			found = true;
		}
		rcu_read_unlock();
	} while (found);
}

static int detach(struct systrace_session *session,
		  bool (*match)(const struct systrace_attachment *a))
{
	struct systrace_attachment *a, *next;
	LIST_HEAD(dead);
	int n = 0;

	unlink_all(session, match, &dead);
	/* After this no probe that found them is still running: DETACH is the last. */
	synchronize_rcu();
	list_for_each_entry_safe(a, next, &dead, dead_node) {
		preempt_disable();
		systrace_record_detach(a, SYSTRACE_DETACH_ASKED);
		preempt_enable();
		systrace_attachment_drop(a);
		n++;
	}
	return n;
}

int systrace_tree_detach(struct systrace_session *session, u32 mode, pid_t pid)
{
	int err;

	lockdep_assert_held(&session->mutex);
	if (mode > SYSTRACE_DETACH_ALL || (mode == SYSTRACE_DETACH_ALL ? pid != 0 : pid <= 0))
		return -EINVAL;
	if (mode == SYSTRACE_DETACH_ALL)
		return detach(session, any);
	err = mark(session, mode, pid);
	return err ? err : detach(session, leaves);
}

void systrace_tree_abandon(struct systrace_session *session)
{
	struct systrace_attachment *a, *next;
	LIST_HEAD(dead);

	raw_spin_lock(&session->lock);
	session->closing = true;
	raw_spin_unlock(&session->lock);
	unlink_all(session, any, &dead);
	synchronize_rcu();
	list_for_each_entry_safe(a, next, &dead, dead_node)
		systrace_attachment_drop(a);
}

int systrace_tree_attach(struct systrace_session *session, u32 mode, pid_t pid)
{
	struct walk *walk;
	int err;

	lockdep_assert_held(&session->mutex);
	if (mode > SYSTRACE_ATTACH_EXEC || (mode == SYSTRACE_ATTACH_EXEC ? pid != 0 : pid <= 0))
		return -EINVAL;
	walk = walk_begin(session, pid);
	if (IS_ERR(walk))
		return PTR_ERR(walk);
	session->epoch++;
	walk->path = (char *)__get_free_page(GFP_KERNEL);
	err = walk->path ? activate(session) : -ENOMEM;
	if (!err)
		err = attach_root(walk, mode);
	if (!err)
		err = walk->joins ? walk->joins : walk->refused ? -EPERM : -EEXIST;
	if (err < 0 && walk->joins)
		detach(session, is_fresh);	/* all or nothing */
	walk_end(walk);
	if (!session->attached)
		systrace_wake_work(session);
	return err;
}
