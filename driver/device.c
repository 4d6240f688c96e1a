// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/systrace: its files and their ioctls. User memory is read before and
 * written after session->mutex is held, never inside (see mapping.c).
 */
#include <linux/capability.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "attach.h"
#include "block.h"
#include "clock.h"
#include "detach.h"
#include "device.h"
#include "mapping.h"
#include "mask.h"
#include "policy.h"
#include "session.h"
#include "stats.h"
#include "wake.h"

static long do_info(struct systrace_session *session, void *arg)
{
	struct systrace_info *info = arg;

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->abi_version = SYSTRACE_ABI_VERSION;
	info->features = SYSTRACE_FEATURE_DROP | SYSTRACE_FEATURE_OVERWRITE |
			 SYSTRACE_FEATURE_PIDFD | SYSTRACE_FEATURE_CGROUP;
	if (SYSTRACE_CAN_BLOCK)
		info->features |= SYSTRACE_FEATURE_BLOCK;
	if (IS_ENABLED(CONFIG_IA32_EMULATION))
		info->features |= SYSTRACE_FEATURE_I386;
	if (IS_ENABLED(CONFIG_X86_X32_ABI))
		info->features |= SYSTRACE_FEATURE_X32;
	if (IS_ENABLED(CONFIG_ARM64) && IS_ENABLED(CONFIG_COMPAT))
		info->features |= SYSTRACE_FEATURE_ARM;
	info->events = SYSTRACE_EVENTS_ALL;
	info->ring_bytes_min = SYSTRACE_RING_BYTES_MIN;
	info->ring_bytes_max = SYSTRACE_RING_BYTES_MAX;
	info->nr_rings = nr_cpu_ids;
	info->clock = systrace_clock_choose();
	info->mask = systrace_mask_state();
	return 0;
}

static long do_setup(struct systrace_session *session, void *arg)
{
	struct systrace_setup *setup = arg;

	return setup->flags ? -EINVAL : systrace_session_setup(session, setup);
}

/* Nothing has happened yet: after a stop, or a handler with SA_RESTART, the call is made again. */
static int lock(struct systrace_session *session)
{
	return mutex_lock_interruptible(&session->mutex) ? -ERESTARTSYS : 0;
}

static long do_policy(struct systrace_session *session, void *arg)
{
	struct systrace_policy *policy = arg;
	struct systrace_rule *rules;
	long err;

	if (policy->flags || policy->reserved || policy->nr_rules > SYSTRACE_RULES_MAX)
		return -EINVAL;
	rules = vmemdup_user(u64_to_user_ptr(policy->rules), policy->nr_rules * sizeof(*rules));
	if (IS_ERR(rules))
		return PTR_ERR(rules);
	err = systrace_policy_check(rules, policy->nr_rules);
	if (err)
		goto out;
	err = lock(session);
	if (err)
		goto out;
	err = systrace_policy_set(session, rules, policy->nr_rules);
	mutex_unlock(&session->mutex);
out:
	kvfree(rules);
	return err;
}

static long do_attach(struct systrace_session *session, void *arg)
{
	struct systrace_attach_args *attach = arg;
	int n;

	if (!session->is_setup)
		return -EBADFD;
	n = systrace_attach(session, attach);
	attach->attached = max(n, 0);
	return min(n, 0);
}

static long do_detach(struct systrace_session *session, void *arg)
{
	struct systrace_detach_args *detach = arg;
	int n;

	if (!session->is_setup)
		return -EBADFD;
	n = systrace_detach(session, detach);
	detach->detached = max(n, 0);
	return min(n, 0);
}

static int check_op(struct systrace_session *session, const struct systrace_op *op)
{
	if (op->flags)
		return -EINVAL;
	return session->is_setup ? 0 : -EBADFD;
}

static long do_pause(struct systrace_session *session, void *arg)
{
	int err = check_op(session, arg);

	if (!err)
		systrace_session_pause(session);
	return err;
}

static long do_resume(struct systrace_session *session, void *arg)
{
	int err = check_op(session, arg);

	if (!err)
		systrace_session_resume(session);
	return err;
}

/* A reader calls this often, and must not wait for an ATTACH in another thread. */
static long do_kick(struct systrace_session *session, void *arg)
{
	const struct systrace_op *op = arg;

	if (op->flags)
		return -EINVAL;
	if (!smp_load_acquire(&session->is_setup)) /* pairs with systrace_session_setup */
		return -EBADFD;
	systrace_block_kick(session);
	return 0;
}

static long do_stats(struct systrace_session *session, void *arg)
{
	return session->is_setup ? systrace_stats_get(session, arg) : -EBADFD;
}

/* By number. The least size is that of the structure's first version. */
static const struct ioctl {
	long (*function)(struct systrace_session *session, void *arg);
	u16 size;
	u16 least;
	bool answers;		/* the structure is written back */
	bool locks;		/* session->mutex itself, if and when it needs it */
} ioctls[] = {
	{ do_info, sizeof(struct systrace_info), 56, true },
	{ do_setup, sizeof(struct systrace_setup), 72, true },
	{ do_policy, sizeof(struct systrace_policy), 24, false, true },
	{ do_attach, sizeof(struct systrace_attach_args), 24, true },
	{ do_detach, sizeof(struct systrace_detach_args), 24, true },
	{ do_pause, sizeof(struct systrace_op), 8 },
	{ do_resume, sizeof(struct systrace_op), 8 },
	{ do_kick, sizeof(struct systrace_op), 8, false, true },
	{ do_stats, sizeof(struct systrace_stats), 152, true },
};

#define IOCTL_ARG_MAX	152	/* the largest of them */

static int copy_in(const struct ioctl *ioctl, void *arg, void __user *user, u32 *size)
{
	if (get_user(*size, (u32 __user *)user))
		return -EFAULT;
	if (*size < ioctl->least)
		return -EINVAL;
	if (*size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(arg, ioctl->size, user, *size);
}

/* What the driver does not know reads as zero. `size` stays the caller's. */
static int copy_out(const struct ioctl *ioctl, void *arg, void __user *user, u32 size)
{
	size_t common = min_t(u32, size, ioctl->size);

	*(u32 *)arg = size;
	if (copy_to_user(user, arg, common) || clear_user(user + common, size - common))
		return -EFAULT;
	return 0;
}

static long call(const struct ioctl *ioctl, struct systrace_session *session, void *arg)
{
	long err;

	if (ioctl->locks)
		return ioctl->function(session, arg);
	err = lock(session);
	if (err)
		return err;
	err = ioctl->function(session, arg);
	mutex_unlock(&session->mutex);
	return err;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long data)
{
	u64 arg[IOCTL_ARG_MAX / sizeof(u64)];
	const struct ioctl *ioctl;
	void __user *user = (void __user *)data;
	u32 size;
	long err;

	if (cmd != _IO(_IOC_TYPE(SYSTRACE_IOC_INFO), _IOC_NR(cmd)) ||
	    _IOC_NR(cmd) >= ARRAY_SIZE(ioctls))
		return -ENOTTY;
	ioctl = &ioctls[array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(ioctls))];
	err = copy_in(ioctl, arg, user, &size);
	/* An answer that could not be written is found out before there is one. */
	if (!err && ioctl->answers)
		err = copy_out(ioctl, arg, user, size);
	if (!err)
		err = call(ioctl, file->private_data, arg);
	if (!err && ioctl->answers)
		err = copy_out(ioctl, arg, user, size);
	return err;
}

static __poll_t device_poll(struct file *file, struct poll_table_struct *table)
{
	struct systrace_session *session = file->private_data;

	if (!smp_load_acquire(&session->is_setup)) { /* pairs with systrace_session_setup */
		poll_wait(file, &session->wait, table);
		return EPOLLERR;
	}
	return systrace_wake_poll(session, file, table);
}

static int device_open(struct inode *inode, struct file *file)
{
	struct systrace_session *session;
	int err;

	err = systrace_session_create(&session, file);
	if (err)
		return err;
	file->private_data = session;
	return nonseekable_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	systrace_session_destroy(file->private_data);
	return 0;
}

static const struct file_operations device_ops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = device_poll,
	.mmap = systrace_mapping_mmap,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "systrace",
	.fops = &device_ops,
	.mode = 0660,
};

int systrace_device_init(void)
{
	/* The least sizes are written out: they must not grow with the structures. */
	BUILD_BUG_ON(sizeof(struct systrace_stats) > IOCTL_ARG_MAX);
	return misc_register(&device);
}

void systrace_device_exit(void)
{
	misc_deregister(&device);
}
