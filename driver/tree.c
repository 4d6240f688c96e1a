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
#include <linux/user_namespace.h>

#include "access.h"
#include "attachment.h"
#include "block.h"
#include "compat.h"
#include "pool.h"
#include "probe.h"
#include "record.h"
#include "tree.h"
#include "wake.h"

struct walk {
	struct systrace_session *session;
	struct task_struct *root;
	/* Is t in the tree already? Under RCU. */
	bool (*joined)(struct walk *walk, struct task_struct *t);
	/* Might t join? Under RCU. */
	bool (*candidate)(struct walk *walk, struct task_struct *t);
	/* Make it join: 0, or an error that ends the walk. */
	int (*join)(struct walk *walk, struct task_struct *t);
	char *path;			/* a page for the exe's path */
	unsigned int joins;
	unsigned int refused;
	unsigned int found;		/* by this pass, also those that batch has no room for */
	unsigned int room;
	struct task_struct **batch;
};

static bool descends(struct walk *walk, struct task_struct *t)
{
	while (!same_thread_group(t, walk->root)) {
		if (t->pid <= 1)
			return false;
		t = rcu_dereference(t->real_parent);
	}
	return true;
}

/* What has joined belongs to the tree also if its ancestors have ended. */
static bool any_thread_joined(struct walk *walk, struct task_struct *process)
{
	struct task_struct *t;

	for_each_thread(process, t)
		if (walk->joined(walk, t))
			return true;
	return false;
}

static bool in_tree(struct walk *walk, struct task_struct *process)
{
	return descends(walk, process) || any_thread_joined(walk, process) ||
	       walk->joined(walk, rcu_dereference(process->real_parent));
}

static void take(struct walk *walk, struct task_struct *t)
{
	if (walk->found < walk->room)
		walk->batch[walk->found] = get_task_struct(t);
	walk->found++;
}

/* Collect tasks of the tree that have not joined. */
static void collect(struct walk *walk)
{
	struct task_struct *process, *t;

	walk->found = 0;
	rcu_read_lock();
	for_each_process(process) {
		if (!in_tree(walk, process))
			continue;
		for_each_thread(process, t)
			if (!walk->joined(walk, t) && walk->candidate(walk, t))
				take(walk, t);
	}
	rcu_read_unlock();
}

/* Room for what the last pass found and as many that come meanwhile */
static int make_room(struct walk *walk)
{
	kvfree(walk->batch);
	walk->room = 2 * walk->found + 64;
	walk->batch = kvmalloc_array(walk->room, sizeof(*walk->batch), GFP_KERNEL);
	return walk->batch ? 0 : -ENOMEM;
}

static int pass(struct walk *walk)
{
	unsigned int i, nr;
	int err = 0;

	collect(walk);
	nr = min(walk->found, walk->room);
	for (i = 0; i < nr; i++) {
		if (!err)
			err = fatal_signal_pending(current) ? -EINTR :
							      walk->join(walk, walk->batch[i]);
		put_task_struct(walk->batch[i]);
		cond_resched();
	}
	return err;
}

static int walk_tree(struct walk *walk)
{
	unsigned int before;
	bool more;
	int err;

	do {
		before = walk->joins;
		err = pass(walk);
		more = walk->found > walk->room;
		if (!err && more)
			err = make_room(walk);
	} while (!err && (more || walk->joins != before));
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

/*
 * Is the task still what it was when it was found fit? It has no exec or exit
 * probe behind it that missed the attachment. Under RCU, after the insert.
 */
static int settle(struct walk *walk, struct systrace_attachment *a, u64 exec_id,
		  enum systrace_stage stage, const char *exe)
{
	struct user_namespace *privileged = NULL;
	int err;

	if (READ_ONCE(a->task->flags) & PF_EXITING)
		err = -ESRCH;
	else if (READ_ONCE(a->task->self_exec_id) != exec_id)
		err = -EAGAIN;
	else
		err = systrace_may_attach(walk->session, a->task, &privileged);
	put_user_ns(privileged);
	if (!err && !systrace_attachment_begin(a, stage, exe))
		err = -EAGAIN;
	if (err)
		systrace_attachment_discard(a);
	else
		walk->joins++;
	return err;
}

static int insert(struct walk *walk, struct systrace_attachment *a, u64 exec_id,
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
static int try_attach(struct walk *walk, struct task_struct *task, u32 mode)
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

static int attach_task(struct walk *walk, struct task_struct *task, u32 mode)
{
	int err;

	do
		err = try_attach(walk, task, mode);
	while (err == -EAGAIN && !fatal_signal_pending(current));
	return err == -EAGAIN ? -EINTR : err;
}

static bool follows(struct walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(walk->session, t);

	return a && a->inherit && a->stage == SYSTRACE_LIVE && a->epoch == walk->session->epoch;
}

/* Not attached yet, or alone: then its children are to follow from now on. */
static bool attachable(struct walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(walk->session, t);

	return a ? !a->inherit : !(READ_ONCE(t->flags) & (PF_EXITING | SYSTRACE_PF_WORKER));
}

/* A task that is attached alone leads a tree from now on. */
static void upgrade(struct walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a;

	raw_spin_lock(&walk->session->lock);
	a = systrace_attachment_find(walk->session, t);
	if (a && !a->inherit) {
		a->epoch = walk->session->epoch;
		a->upgraded = true;
		WRITE_ONCE(a->inherit, true);
		walk->joins++;
	}
	raw_spin_unlock(&walk->session->lock);
	smp_mb();	/* as in systrace_attachment_begin */
}

/* Undo this ATTACH's: no upgrade is fresh. */
static void downgrade(struct systrace_session *session)
{
	struct systrace_attachment *a;

	raw_spin_lock(&session->lock);
	list_for_each_entry(a, &session->attachments, session_node) {
		if (!a->upgraded || a->epoch != session->epoch)
			continue;
		WRITE_ONCE(a->inherit, false);
		a->upgraded = false;
		a->epoch = 0;
	}
	raw_spin_unlock(&session->lock);
}

/* One descendant that may not be traced, or ends, does not spoil the rest. */
static int attach_join(struct walk *walk, struct task_struct *t)
{
	int err = attach_task(walk, t, SYSTRACE_ATTACH_TREE);

	if (err == -EEXIST)
		upgrade(walk, t);
	if (err == -EPERM)
		walk->refused++;
	return err == -EEXIST || err == -EPERM || err == -ESRCH ? 0 : err;
}

static int attach_tree(struct walk *walk)
{
	struct user_namespace *privileged;
	int err;

	err = systrace_may_attach(walk->session, walk->root, &privileged);
	if (err)
		return err;
	put_user_ns(privileged);
	walk->joined = follows;
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
		err = systrace_probes_get(session->probed);
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
	kvfree(walk->batch);
	kfree(walk);
}

/* --- detach --- */

static bool leaves_tree(struct walk *walk, struct task_struct *t)
{
	struct systrace_attachment *a = systrace_attachment_find(walk->session, t);

	return a && READ_ONCE(a->leaving) == SYSTRACE_LEAVING_TREE;
}

static bool attached(struct walk *walk, struct task_struct *t)
{
	return systrace_attachment_find(walk->session, t);
}

static void leave(struct walk *walk, struct task_struct *t, u8 how)
{
	struct systrace_attachment *a;

	raw_spin_lock(&walk->session->lock);
	a = systrace_attachment_find(walk->session, t);
	if (a && !a->leaving) {
		a->leaving = how;
		walk->joins++;
	}
	raw_spin_unlock(&walk->session->lock);
}

/* From here on its children leave with it. */
static int leave_join(struct walk *walk, struct task_struct *t)
{
	leave(walk, t, SYSTRACE_LEAVING_TREE);
	return 0;
}

static int mark_tree(struct walk *walk)
{
	walk->joined = leaves_tree;
	walk->candidate = attached;
	walk->join = leave_join;
	return walk_tree(walk);
}

static void unmark(struct systrace_session *session)
{
	struct systrace_attachment *a;

	raw_spin_lock(&session->lock);
	list_for_each_entry(a, &session->attachments, session_node)
		a->leaving = 0;
	raw_spin_unlock(&session->lock);
}

static int mark(struct systrace_session *session, u32 mode, pid_t pid)
{
	struct walk *walk;
	int err = 0;

	walk = walk_begin(session, pid);
	if (IS_ERR(walk))
		return PTR_ERR(walk);
	if (mode == SYSTRACE_DETACH_TREE)
		err = mark_tree(walk);
	else
		leave(walk, walk->root, SYSTRACE_LEAVING_ALONE);
	if (err)
		unmark(session);
	else if (!walk->joins)
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

static bool ends(const struct systrace_attachment *a)
{
	return READ_ONCE(a->stage) == SYSTRACE_ENDING;
}

static bool set_ending(struct systrace_attachment *a)
{
	bool set;

	raw_spin_lock(&a->session->lock);
	set = !a->dead && a->stage != SYSTRACE_ENDING;
	if (set)
		WRITE_ONCE(a->stage, SYSTRACE_ENDING);
	raw_spin_unlock(&a->session->lock);
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

/* How many. One that exits before we come to it has its DETACH from the exit probe. */
static int detach(struct systrace_session *session,
		  bool (*match)(const struct systrace_attachment *a))
{
	struct systrace_attachment *a, *next;
	LIST_HEAD(dead);
	int n = stop_all(session, match), exited = n;

	systrace_block_detached(session);
	/* After this no probe that found them LIVE is still running: DETACH is the last. */
	synchronize_rcu();
	unlink_all(session, ends, &dead);
	list_for_each_entry_safe(a, next, &dead, dead_node) {
		preempt_disable();
		systrace_record_detach(a, SYSTRACE_DETACH_ASKED);
		preempt_enable();
		systrace_attachment_drop(a);
		exited--;
	}
	if (exited)
		synchronize_rcu();	/* their probes may not have written it yet */
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

/* How many tasks; or why none. */
static int attached_by(const struct walk *walk)
{
	if (walk->joins)
		return walk->joins;
	if (walk->refused)
		return -EPERM;
	return READ_ONCE(walk->root->flags) & PF_EXITING ? -ESRCH : -EEXIST;
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
		err = attached_by(walk);
	if (err < 0 && walk->joins) {	/* all or nothing */
		downgrade(session);
		detach(session, is_fresh);
	}
	walk_end(walk);
	if (!session->attached)
		systrace_wake_work(session);
	return err;
}
