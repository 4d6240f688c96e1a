// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tree is found by passes over all tasks under RCU, until one finds nothing
 * new. What a pass finds joins the tree (is attached; is marked as leaving)
 * before the next, and from then on its children join by the fork probe. A child
 * whose parent was not yet in the tree when it was forked is on the task list by
 * the time the parent has joined (see systrace_attachment_begin), so that a
 * later pass sees it. The passes end because each but the last adds a task.
 *
 * The members of a cgroup are found in the same way; who joins it meanwhile is
 * seen by a probe (cgroup.c) or by a later pass.
 */
#include <linux/cgroup.h>
#include <linux/file.h>
#include <linux/hash.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "compat.h"
#include "tree.h"

/* --- what is named --- */

static struct task_struct *get_task(struct pid *pid)
{
	return pid ? get_pid_task(pid, PIDTYPE_PID) : NULL;
}

/* The task of that number in the opener's namespace, with a reference. */
static struct task_struct *find_task(struct systrace_session *session, pid_t pid)
{
	struct task_struct *task;

	rcu_read_lock();
	task = get_task(find_pid_ns(pid, session->pid_ns));
	rcu_read_unlock();
	return task;
}

static struct task_struct *find_pidfd(int fd)
{
	struct task_struct *task = ERR_PTR(-EBADF);
	struct file *file = fget(fd);
	struct pid *pid;

	if (!file)
		return task;
	pid = systrace_pidfd_pid(file);
	if (pid)
		task = get_task(pid);
	fput(file);
	return task;
}

int systrace_target_get(struct systrace_target *target, struct systrace_session *session,
			u32 flags, s32 pid, s32 fd)
{
	*target = (struct systrace_target){ };
	switch (flags) {
	case 0:
		if (pid <= 0 || fd)
			return -EINVAL;
		target->task = find_task(session, pid);
		break;
	case SYSTRACE_BY_PIDFD:
		if (pid)
			return -EINVAL;
		target->task = find_pidfd(fd);
		break;
	case SYSTRACE_BY_CGROUP:
		if (pid)
			return -EINVAL;
		target->cgroup = cgroup_get_from_fd(fd);
		return PTR_ERR_OR_ZERO(target->cgroup);
	default:
		return -EINVAL;
	}
	return target->task ? PTR_ERR_OR_ZERO(target->task) : -ESRCH;
}

void systrace_target_put(struct systrace_target *target)
{
	if (target->task)
		put_task_struct(target->task);
	if (target->cgroup)
		cgroup_put(target->cgroup);
}

/* --- who belongs to it --- */

/*
 * Remembered in a pass, whose RCU section keeps the keys apart: a process comes after its parent
 * in the list, so that each takes a step or two, where a chain of a user's making would take the
 * square of its length.
 */
struct systrace_verdict {
	const struct signal_struct *process;
	bool descends;
};

#define VERDICT_BITS	10

static struct systrace_verdict *verdict(struct systrace_walk *walk, const struct task_struct *t)
{
	return &walk->verdicts[hash_ptr(t->signal, VERDICT_BITS)];
}

static bool descends(struct systrace_walk *walk, struct task_struct *process)
{
	struct task_struct *t = process;
	bool yes;

	for (;;) {
		yes = same_thread_group(t, walk->target->task);
		if (yes || t->pid <= 1)
			break;
		if (verdict(walk, t)->process == t->signal) {
			yes = verdict(walk, t)->descends;
			break;
		}
		t = rcu_dereference(t->real_parent);
	}
	*verdict(walk, process) = (struct systrace_verdict){ process->signal, yes };
	return yes;
}

/* What has joined belongs to the tree also if its ancestors have ended. */
static bool any_thread_joined(struct systrace_walk *walk, struct task_struct *process)
{
	struct task_struct *t;

	for_each_thread(process, t)
		if (walk->joined(walk, t))
			return true;
	return false;
}

static bool in_tree(struct systrace_walk *walk, struct task_struct *process)
{
	return descends(walk, process) || any_thread_joined(walk, process) ||
	       walk->joined(walk, rcu_dereference(process->real_parent));
}

static void take(struct systrace_walk *walk, struct task_struct *t)
{
	if (walk->found < walk->room)
		walk->batch[walk->found] = get_task_struct(t);
	walk->found++;
}

/* The threads of a process can be in different cgroups. */
static void collect_threads(struct systrace_walk *walk, struct task_struct *process)
{
	struct cgroup *cgroup = walk->target->cgroup;
	struct task_struct *t;

	for_each_thread(process, t) {
		if (cgroup && !task_under_cgroup_hierarchy(t, cgroup))
			continue;
		if (!walk->joined(walk, t) && walk->candidate(walk, t))
			take(walk, t);
	}
}

/* Collect tasks that belong to the target and have not joined. */
static void collect(struct systrace_walk *walk)
{
	struct task_struct *process;

	walk->found = 0;
	if (walk->verdicts)
		memset(walk->verdicts, 0, sizeof(*walk->verdicts) << VERDICT_BITS);
	rcu_read_lock();
	for_each_process(process)
		if (walk->target->cgroup || in_tree(walk, process))
			collect_threads(walk, process);
	rcu_read_unlock();
}

/* Room for what the last pass found and as many that come meanwhile */
static int make_room(struct systrace_walk *walk)
{
	kvfree(walk->batch);
	walk->room = 2 * walk->found + 64;
	walk->batch = kvmalloc_array(walk->room, sizeof(*walk->batch), GFP_KERNEL);
	return walk->batch ? 0 : -ENOMEM;
}

static int pass(struct systrace_walk *walk)
{
	unsigned int i, nr, before = walk->joins;
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
	walk->left = walk->found - (walk->joins - before);
	return err;
}

int systrace_walk(struct systrace_walk *walk)
{
	unsigned int before;
	bool more;
	int err;

	lockdep_assert_held(&walk->session->mutex);
	if (walk->target->task) {
		walk->verdicts = kvcalloc(1 << VERDICT_BITS, sizeof(*walk->verdicts), GFP_KERNEL);
		if (!walk->verdicts)
			return -ENOMEM;
	}
	do {
		before = walk->joins;
		err = pass(walk);
		more = walk->found > walk->room;
		if (!err && more)
			err = make_room(walk);
	} while (!err && (more || walk->joins != before));
	kvfree(walk->batch);
	kvfree(walk->verdicts);
	return err;
}
