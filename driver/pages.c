// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "pages.h"
#include "session.h"

static unsigned long memlock_kib = 64 * 1024;
module_param(memlock_kib, ulong, 0644);
MODULE_PARM_DESC(memlock_kib, "KiB of ring memory for each user, beyond RLIMIT_MEMLOCK");

/*
 * SETUP runs in the opener's context or in one that the opener gave the file to,
 * and its limit holds. A CPU that comes up later is charged by the kernel: the
 * limit was the user's to set for the CPUs there were.
 */
static int charge(struct systrace_session *session, unsigned long nr)
{
	unsigned long limit, now;

	limit = (rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT) + (memlock_kib >> (PAGE_SHIFT - 10));
	now = atomic_long_add_return(nr, &session->user->locked_vm);
	if (now > limit && !capable(CAP_IPC_LOCK)) {
		atomic_long_sub(nr, &session->user->locked_vm);
		return -ENOMEM;
	}
	return 0;
}

static void uncharge(struct systrace_session *session, unsigned long nr)
{
	atomic_long_sub(nr, &session->user->locked_vm);
}

static void free_pages_of(struct systrace_pages *pages)
{
	unsigned long i;

	for (i = 0; i < pages->nr && pages->page[i]; i++)
		put_page(pages->page[i]);	/* a reader may still have it mapped */
	kvfree(pages->page);
}

static void *map(struct systrace_pages *pages, bool twice)
{
	struct page **all;
	void *address;

	if (!twice)
		return vmap(pages->page, pages->nr, VM_MAP, PAGE_KERNEL);
	all = kvmalloc_array(2 * pages->nr, sizeof(*all), GFP_KERNEL);
	if (!all)
		return NULL;
	memcpy(all, pages->page, pages->nr * sizeof(*all));
	memcpy(all + pages->nr, pages->page, pages->nr * sizeof(*all));
	address = vmap(all, 2 * pages->nr, VM_MAP, PAGE_KERNEL);
	kvfree(all);
	return address;
}

int systrace_pages_alloc(struct systrace_session *session, struct systrace_pages *pages,
			 unsigned long nr, int node, bool twice)
{
	unsigned long i;
	int err;

	err = charge(session, nr);
	if (err)
		return err;
	err = -ENOMEM;
	pages->nr = nr;
	pages->page = kvcalloc(nr, sizeof(*pages->page), GFP_KERNEL_ACCOUNT);
	if (!pages->page)
		goto err_charge;
	for (i = 0; i < nr; i++) {
		pages->page[i] = alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO |
						  __GFP_RETRY_MAYFAIL |
						  __GFP_NOWARN, 0);
		if (!pages->page[i])
			goto err_pages;
	}
	pages->address = map(pages, twice);
	if (!pages->address)
		goto err_pages;
	return 0;

err_pages:
	free_pages_of(pages);
err_charge:
	uncharge(session, nr);
	memset(pages, 0, sizeof(*pages));
	return err;
}

void systrace_pages_free(struct systrace_session *session, struct systrace_pages *pages)
{
	if (!pages->address)
		return;
	vunmap(pages->address);
	free_pages_of(pages);
	uncharge(session, pages->nr);
	memset(pages, 0, sizeof(*pages));
}
