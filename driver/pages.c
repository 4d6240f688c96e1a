// SPDX-License-Identifier: GPL-2.0-only
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "account.h"
#include "compat.h"
#include "pages.h"
#include "session.h"

static void free_pages_of(struct systrace_pages *pages)
{
	unsigned long i;

	for (i = 0; i < pages->nr && pages->page[i]; i++)
		put_page(pages->page[i]);	/* a reader may still have it mapped */
	cond_resched();
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

static int alloc_pages_of(struct systrace_pages *pages, int node)
{
	const gfp_t gfp = SYSTRACE_GFP_MAPPED | __GFP_ZERO | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		pages->page[i] = alloc_pages_node(node, gfp, 0);
		if (!pages->page[i])
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

int systrace_pages_alloc(struct systrace_session *session, struct systrace_pages *pages,
			 unsigned long nr, int node, bool twice)
{
	long locked = systrace_account_charge(session->account, nr);
	int err = -ENOMEM;

	if (locked < 0)
		return locked;
	pages->nr = nr;
	pages->locked = locked;
	pages->page = kvcalloc(nr, sizeof(*pages->page), GFP_KERNEL_ACCOUNT);
	if (!pages->page)
		goto err_charge;
	err = alloc_pages_of(pages, node);
	if (err)
		goto err_pages;
	err = -ENOMEM;
	pages->address = map(pages, twice);
	if (!pages->address)
		goto err_pages;
	return 0;

err_pages:
	free_pages_of(pages);
err_charge:
	systrace_account_uncharge(session->account, nr, locked);
	memset(pages, 0, sizeof(*pages));
	return err;
}

void systrace_pages_free(struct systrace_session *session, struct systrace_pages *pages)
{
	if (!pages->address)
		return;
	vunmap(pages->address);
	free_pages_of(pages);
	systrace_account_uncharge(session->account, pages->nr, pages->locked);
	memset(pages, 0, sizeof(*pages));
}
