/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that the kernel and a reader share: single pages, mapped in a row. */
#ifndef SYSTRACE_PAGES_H
#define SYSTRACE_PAGES_H

#include <linux/types.h>

struct page;
struct systrace_session;

struct systrace_pages {
	struct page **page;
	unsigned long nr;
	unsigned long locked;	/* of them, charged to the user's locked memory */
	void *address;		/* the kernel's mapping of them */
};

/*
 * Allocate and charge nr zeroed pages near `node`; `twice` maps them twice in a
 * row. -ENOMEM if there is no memory or the session's user may lock no more,
 * -EINTR for a fatal signal.
 */
int systrace_pages_alloc(struct systrace_session *session, struct systrace_pages *pages,
			 unsigned long nr, int node, bool twice);
void systrace_pages_free(struct systrace_session *session, struct systrace_pages *pages);

#endif
