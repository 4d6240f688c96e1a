// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cgroup.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "access.h"
#include "attach.h"
#include "attachment.h"
#include "cgroup.h"
#include "probe.h"
#include "wake.h"

struct watch {
	struct list_head node;		/* in `watches`; RCU readable */
	struct systrace_session *session;
	struct cgroup *cgroup;		/* holds a reference */
	u32 epoch;			/* of the ATTACH */
};

/* Few, and looked through only where a task is moved or born: of all sessions. */
static LIST_HEAD(watches);
static DEFINE_MUTEX(watches_mutex);

/* From before its rmdir's probe on. css_is_dying does not tell of a whole cgroup since 6.12. */
static bool removed(const struct cgroup *cgroup)
{
	return !(READ_ONCE(cgroup->self.flags) & CSS_ONLINE);
}

static struct watch *find(struct systrace_session *session, struct cgroup *cgroup)
{
	struct watch *watch;

	lockdep_assert_held(&watches_mutex);
	list_for_each_entry(watch, &watches, node)
		if (watch->session == session && (!cgroup || watch->cgroup == cgroup))
			return watch;
	return NULL;
}

int systrace_cgroup_watch(struct systrace_session *session, struct cgroup *cgroup)
{
	struct watch *watch;
	int err = systrace_may_watch(session);

	if (err)
		return err;
	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return -ENOMEM;
	err = systrace_probes_get(SYSTRACE_PROBE_CGROUPS);
	if (err)
		goto err_watch;
	*watch = (struct watch){ .session = session, .cgroup = cgroup, .epoch = session->epoch };
	mutex_lock(&watches_mutex);
	err = find(session, cgroup) ? -EEXIST : 0;
	if (!err) {
		cgroup_get(cgroup);
		list_add_rcu(&watch->node, &watches);
		WRITE_ONCE(session->watching, session->watching + 1);
	}
	mutex_unlock(&watches_mutex);
	if (err)
		goto err_probes;
	smp_mb();	/* see cgroup.h */
	if (!removed(cgroup))
		return 0;
	systrace_cgroup_unwatch(session, cgroup);	/* its probe may have missed us */
	return -ENOENT;

err_probes:
	systrace_probes_put(SYSTRACE_PROBE_CGROUPS);
err_watch:
	kfree(watch);
	return err;
}

static void end(struct watch *watch)
{
	struct systrace_session *session = watch->session;

	synchronize_rcu();	/* no probe attaches anybody by it any more */
	/* Release: who sees it sees who was attached, see systrace_session_gone. */
	smp_store_release(&session->watching, session->watching - 1);
	if (!session->watching)
		systrace_wake_work(session);
	systrace_probes_put(SYSTRACE_PROBE_CGROUPS);
	cgroup_put(watch->cgroup);
	kfree(watch);
}

bool systrace_cgroup_unwatch(struct systrace_session *session, struct cgroup *cgroup)
{
	struct watch *watch;

	mutex_lock(&watches_mutex);
	watch = find(session, cgroup);
	if (watch)
		list_del_rcu(&watch->node);
	mutex_unlock(&watches_mutex);
	if (watch)
		end(watch);
	return watch;
}

void systrace_cgroup_unwatch_all(struct systrace_session *session)
{
	while (systrace_cgroup_unwatch(session, NULL))
		;
}

/* --- the worker --- */

static struct watch *find_removed(struct systrace_session *session)
{
	struct watch *watch;

	list_for_each_entry(watch, &watches, node)
		if (watch->session == session && removed(watch->cgroup))
			return watch;
	return NULL;
}

static void attach_stragglers(struct systrace_session *session)
{
	struct watch *watch;

	/* Under session->mutex none of the session's comes or goes. */
	mutex_lock(&watches_mutex);
	list_for_each_entry(watch, &watches, node)
		if (watch->session == session)
			systrace_attach_members(session, watch->cgroup);
	mutex_unlock(&watches_mutex);
}

void systrace_cgroup_work(struct systrace_session *session)
{
	struct watch *watch;

	lockdep_assert_held(&session->mutex);
	if (xchg(&session->stragglers, false))
		attach_stragglers(session);
	do {
		mutex_lock(&watches_mutex);
		watch = find_removed(session);
		if (watch)
			list_del_rcu(&watch->node);
		mutex_unlock(&watches_mutex);
		if (watch)
			end(watch);
	} while (watch);
}

/* --- the probes --- */

static void attach(const struct watch *watch, struct task_struct *task)
{
	struct systrace_session *session = watch->session;

	if (systrace_attach_member(session, task, watch->epoch))
		return;
	WRITE_ONCE(session->stragglers, true);
	systrace_wake_work(session);
}

/* Born elsewhere than its parent; who is born where the parent is follows that, or not. */
void systrace_cgroup_fork(struct task_struct *child)
{
	struct watch *watch;

	rcu_read_lock();	/* which lockdep wants for task->cgroups */
	list_for_each_entry_rcu(watch, &watches, node)
		if (task_under_cgroup_hierarchy(child, watch->cgroup) &&
		    !task_under_cgroup_hierarchy(current, watch->cgroup))
			attach(watch, child);
	rcu_read_unlock();
}

/* Stops at the first that finds the pool empty: the worker takes the rest. */
void systrace_cgroup_join(struct cgroup *cgroup, struct task_struct *task, bool threads)
{
	struct watch *watch;
	struct task_struct *t;

	smp_mb();	/* see cgroup.h */
	list_for_each_entry_rcu(watch, &watches, node, rcu_read_lock_sched_held()) {
		if (!cgroup_is_descendant(cgroup, watch->cgroup))
			continue;
		attach(watch, task);
		if (!threads)
			continue;
		for_each_thread(task, t) {
			if (READ_ONCE(watch->session->stragglers))
				break;
			if (t != task)	/* that it is not followed is counted once */
				attach(watch, t);
		}
	}
}

/* None can join it any more, and none is in it: it is dying. */
void systrace_cgroup_remove(struct cgroup *cgroup)
{
	struct watch *watch;

	smp_mb();	/* see cgroup.h */
	list_for_each_entry_rcu(watch, &watches, node, rcu_read_lock_sched_held())
		if (watch->cgroup == cgroup)
			systrace_wake_work(watch->session);
}
