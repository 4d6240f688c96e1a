// SPDX-License-Identifier: GPL-2.0-only
/*
 * ptrace_may_access and the LSM hooks behind it are not for modules, so this is
 * a rule of our own, stricter than theirs where it can be. It is asked of the
 * session's opener, as he was when he opened it, and of the caller; both must be
 * allowed, and both in the same way:
 *
 *	target					as its user	by capability
 *	same three uids and gids, same user
 *	  namespace, dumpable, permitted
 *	  capabilities that they have, too	yes		yes
 *	another uid or gid			no		yes
 *	another user namespace			no		yes
 *	not dumpable (prctl; has changed its
 *	  user; its program is not readable)	no		yes
 *	permitted capabilities that they lack	no		yes
 *	all in a cgroup, now and later		no		everywhere only
 *	kernel thread				EINVAL, by the caller of this
 *
 * "By capability", in effect, not only permitted:
 *
 *	they have				may trace
 *	CAP_SYS_PTRACE or CAP_PERFMON in the
 *	  initial user namespace		everything
 *	CAP_SYS_PTRACE in another, also as who
 *	  made it, seen from outside		what is in it, or nested in it, with
 *						its memory: from its first exec there on
 *	CAP_PERFMON in another			nothing more
 *	any of them for one, not for the other	nothing more
 *
 * When a traced task executes a program, only the opener is asked again:
 *
 *	attached				goes on, unless the program is
 *	by a capability everywhere		(nothing ends it)
 *	by one in a user namespace		out of it, or not readable in it
 *	as its user				what he may not trace as its user, nor as
 *						who made its user namespace: so not if it
 *						is set-uid, set-gid or gives capabilities,
 *						but if no_new_privs has it give none
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>

#include "access.h"
#include "compat.h"

/* Which user namespace must admit us to task's memory, else to task. With a reference. */
static struct user_namespace *namespace_of(struct task_struct *task, const struct cred *target,
					   bool *dumpable)
{
	struct user_namespace *ns;

	task_lock(task);
	rcu_read_lock();
	ns = systrace_memory_ns(task, dumpable);	/* the credentials' own, or around it */
	ns = get_user_ns(ns ?: target->user_ns);
	rcu_read_unlock();
	task_unlock(task);
	return ns;
}

static bool is_within(struct user_namespace *ns, struct user_namespace *outer)
{
	while (ns->level > outer->level)
		ns = ns->parent;
	return ns == outer;
}

static bool same_user(const struct cred *cred, const struct cred *target)
{
	return cred->user_ns == target->user_ns &&
	       uid_eq(cred->uid, target->euid) && uid_eq(cred->uid, target->suid) &&
	       uid_eq(cred->uid, target->uid) &&
	       gid_eq(cred->gid, target->egid) && gid_eq(cred->gid, target->sgid) &&
	       gid_eq(cred->gid, target->gid) &&
	       cap_issubset(target->cap_permitted, cred->cap_permitted);
}

static bool opener_capable(struct systrace_session *session, struct user_namespace *ns)
{
	return file_ns_capable(session->file, ns, CAP_SYS_PTRACE) ||
	       file_ns_capable(session->file, &init_user_ns, CAP_PERFMON);
}

static bool caller_capable(struct user_namespace *ns)
{
	return ns_capable(ns, CAP_SYS_PTRACE) || capable(CAP_PERFMON);
}

static bool both_capable(struct systrace_session *session, struct user_namespace *ns)
{
	return opener_capable(session, ns) && caller_capable(ns);
}

int systrace_may_attach(struct systrace_session *session, struct task_struct *task,
			struct user_namespace **privileged)
{
	const struct cred *target = get_task_cred(task);
	struct user_namespace *ns;
	bool dumpable, same;

	ns = namespace_of(task, target, &dumpable);
	same = dumpable && same_user(session->file->f_cred, target) &&
	       same_user(current_cred(), target);
	*privileged = NULL;
	if (both_capable(session, &init_user_ns))
		*privileged = get_user_ns(&init_user_ns);
	else if (is_within(target->user_ns, ns) && both_capable(session, ns))
		*privileged = get_user_ns(ns);
	put_user_ns(ns);
	put_cred(target);
	return *privileged || same ? 0 : -EPERM;
}

int systrace_may_watch(struct systrace_session *session)
{
	return both_capable(session, &init_user_ns) ? 0 : -EPERM;
}

/* Did cred make ns, or one that ns is in? That is CAP_SYS_PTRACE there, see cap_capable. */
static bool made(const struct cred *cred, struct user_namespace *ns)
{
	while (ns->level > cred->user_ns->level + 1)
		ns = ns->parent;
	return ns->parent == cred->user_ns && uid_eq(ns->owner, cred->euid);
}

/* Without capable(), which preemption off does not allow (LSMs, audit). */
bool systrace_may_keep(struct systrace_session *session, struct user_namespace *privileged)
{
	const struct cred *opener = session->file->f_cred, *cred = current_cred();
	bool dumpable;
	struct user_namespace *ns = systrace_memory_ns(current, &dumpable);

	if (privileged && is_within(cred->user_ns, privileged) && is_within(ns, privileged))
		return true;
	if (made(opener, cred->user_ns) && made(opener, ns))
		return true;
	return dumpable && same_user(opener, cred);
}
