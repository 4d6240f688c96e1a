// SPDX-License-Identifier: GPL-2.0-only
/*
 * ptrace_may_access and the LSM hooks behind it are not for modules, so this is
 * a rule of our own, stricter than theirs where it can be:
 *
 *	target				  needs, of the opener and of the caller
 *	same user, same user namespace,
 *	  dumpable, no capability that
 *	  they lack			  nothing more
 *	any other			  CAP_SYS_PTRACE in the target's user
 *					  namespace and in that of its memory, or
 *					  CAP_PERFMON in the initial one
 *	kernel thread			  not possible: EINVAL, by the caller of this
 *
 * The first kind ends when the task executes a program that makes it any other.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>

#include "access.h"

/* Which user namespace must admit us to task's memory; NULL if it has no memory. */
static struct user_namespace *memory_ns(struct task_struct *task, bool *dumpable)
{
	struct user_namespace *ns = NULL;

	*dumpable = true;
	task_lock(task);
	if (task->mm) {
		ns = get_user_ns(task->mm->user_ns);
		*dumpable = __get_dumpable(task->mm->flags) == SUID_DUMP_USER;
	}
	task_unlock(task);
	return ns;
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
			bool *privileged)
{
	const struct cred *target = get_task_cred(task);
	struct user_namespace *memory;
	bool dumpable, same;

	memory = memory_ns(task, &dumpable);
	same = dumpable && same_user(session->file->f_cred, target) &&
	       same_user(current_cred(), target);
	*privileged = both_capable(session, target->user_ns) &&
		      (!memory || memory == target->user_ns || both_capable(session, memory));
	if (memory)
		put_user_ns(memory);
	put_cred(target);
	return *privileged || same ? 0 : -EPERM;
}

bool systrace_may_keep(struct systrace_session *session)
{
	return __get_dumpable(current->mm->flags) == SUID_DUMP_USER &&
	       same_user(session->file->f_cred, current_cred());
}
