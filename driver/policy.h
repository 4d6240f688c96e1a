/* SPDX-License-Identifier: GPL-2.0-only */
/* Which system calls a session records: a byte for each ABI and number. */
#ifndef SYSTRACE_POLICY_H
#define SYSTRACE_POLICY_H

#include <linux/nospec.h>
#include <linux/rcupdate.h>

#include "arch.h"
#include "session.h"

#define SYSTRACE_POLICY_ENTER	0x80
#define SYSTRACE_POLICY_RETURN	0x40
#define SYSTRACE_POLICY_NARGS	0x07

/*
 * By what a slot writes the ENTER of a call: one that is recorded, and its RETURN, too. For
 * the others nargs is more than any ring holds.
 */
#define SYSTRACE_POLICY_CALLS	512		/* numbers of the architecture's own ABI */
#define SYSTRACE_POLICY_QUIET	(1U << 28)	/* nothing is recorded */
#define SYSTRACE_POLICY_OTHER	(1U << 29)	/* look in `entry` */

struct systrace_policy_calls {
	u64 word[SYSTRACE_POLICY_CALLS];	/* the record's first, but for the tid */
	u64 nargs[SYSTRACE_POLICY_CALLS];
};

/* The first word of a record */
static __always_inline u64 systrace_policy_word(u16 size, u8 type, u8 flags)
{
	return size | (u32)type << 16 | (u32)flags << 24;
}

struct systrace_policy_table {
	struct rcu_head rcu;
	struct systrace_policy_calls calls;
	/* By this architecture's ABIs; the last place is that of all other numbers. */
	u8 entry[SYSTRACE_ARCH_ABI_NR][SYSTRACE_NR_MAX + 2];
};

/* abi as systrace_event.flags. */
static __always_inline u8 systrace_policy_entry(const struct systrace_policy_table *table,
						u8 abi, s32 nr)
{
	u32 i = min_t(u32, nr, SYSTRACE_NR_MAX + 1);

	i = array_index_nospec(i, SYSTRACE_NR_MAX + 2);
	return table->entry[abi - SYSTRACE_ARCH_ABI_FIRST][i];
}

/* The policy that every session begins with: everything, whole. */
extern struct systrace_policy_table systrace_policy_all;
void systrace_policy_init(void);

/* Replace the session's. rules are copied from user space already. */
int systrace_policy_set(struct systrace_session *session, const struct systrace_rule *rules,
			u32 nr_rules);
/* 0, or -EINVAL for a rule that says what none may say. */
int systrace_policy_check(const struct systrace_rule *rules, u32 nr_rules);
void systrace_policy_free(struct systrace_session *session);

#endif
