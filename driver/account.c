// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "account.h"

static unsigned long memlock_kib = 64 * 1024;
module_param(memlock_kib, ulong, 0644);
MODULE_PARM_DESC(memlock_kib, "KiB of ring memory for each user, beyond RLIMIT_MEMLOCK");

struct systrace_account {
	struct list_head node;
	struct user_struct *user;
	const struct cred *cred;	/* holds the user: 5.10 has free_uid for itself */
	unsigned long pages;		/* within the allowance */
	unsigned int sessions;
};

static LIST_HEAD(accounts);
static DEFINE_MUTEX(accounts_mutex);

/* The caller's */
static struct systrace_account *find(void)
{
	struct user_struct *user = current_user();
	struct systrace_account *account;

	list_for_each_entry(account, &accounts, node)
		if (account->user == user)
			return account;
	account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);
	if (!account)
		return NULL;
	account->user = user;
	account->cred = get_current_cred();
	list_add(&account->node, &accounts);
	return account;
}

struct systrace_account *systrace_account_get(void)
{
	struct systrace_account *account;

	mutex_lock(&accounts_mutex);
	account = find();
	if (account)
		account->sessions++;
	mutex_unlock(&accounts_mutex);
	return account;
}

void systrace_account_put(struct systrace_account *account)
{
	mutex_lock(&accounts_mutex);
	if (!--account->sessions) {
		list_del(&account->node);
		put_cred(account->cred);
		kfree(account);
	}
	mutex_unlock(&accounts_mutex);
}

static int lock(struct user_struct *user, unsigned long nr)
{
	unsigned long now = atomic_long_add_return(nr, &user->locked_vm);

	if (now <= rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT || capable(CAP_IPC_LOCK))
		return 0;
	atomic_long_sub(nr, &user->locked_vm);
	return -ENOMEM;
}

long systrace_account_charge(struct systrace_account *account, unsigned long nr)
{
	unsigned long allowed = READ_ONCE(memlock_kib) >> (PAGE_SHIFT - 10), locked;
	int err;

	mutex_lock(&accounts_mutex);
	locked = nr - min(nr, allowed - min(allowed, account->pages));
	err = locked ? lock(account->user, locked) : 0;
	if (!err)
		account->pages += nr - locked;
	mutex_unlock(&accounts_mutex);
	return err ? err : (long)locked;
}

void systrace_account_uncharge(struct systrace_account *account, unsigned long nr,
			       unsigned long locked)
{
	mutex_lock(&accounts_mutex);
	account->pages -= nr - locked;
	mutex_unlock(&accounts_mutex);
	atomic_long_sub(locked, &account->user->locked_vm);
}
