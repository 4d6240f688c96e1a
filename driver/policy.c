// SPDX-License-Identifier: GPL-2.0-only
#include <linux/init.h>
#include <linux/slab.h>

#include "policy.h"
#include "slot.h"

/* SYSTRACE_ABI_* is 1 << an event's flag. */
enum abi {
	X86_64	= SYSTRACE_FLAG_X86_64,
	I386	= SYSTRACE_FLAG_I386,
	X32	= SYSTRACE_FLAG_X32,
	ARM64	= SYSTRACE_FLAG_ARM64,
	ARM	= SYSTRACE_FLAG_ARM,
};

static_assert(SYSTRACE_ABI_X86_64 == 1 << X86_64 && SYSTRACE_ABI_I386 == 1 << I386 &&
	      SYSTRACE_ABI_X32 == 1 << X32 && SYSTRACE_ABI_ARM64 == 1 << ARM64 &&
	      SYSTRACE_ABI_ARM == 1 << ARM);

static const struct { u8 abi; u8 nargs; u16 nr; } calls[] __initconst = {
#define SYSTRACE_SYSCALL(abi, nr, name, nargs) { abi, nargs, nr },
#include <systrace/syscalls.tbl>
#undef SYSTRACE_SYSCALL
};

struct systrace_policy_table systrace_policy_all;

/* Once all entries are what they are to be. */
static void make_calls(struct systrace_policy_table *table)
{
	u32 nr, nargs;
	u8 what;

	for (nr = 0; nr < SYSTRACE_POLICY_CALLS; nr++) {
		what = table->entry[0][nr];
		if (!(what & (SYSTRACE_POLICY_ENTER | SYSTRACE_POLICY_RETURN)))
			nargs = SYSTRACE_POLICY_QUIET;
		else if (!(what & SYSTRACE_POLICY_ENTER) || !(what & SYSTRACE_POLICY_RETURN))
			nargs = SYSTRACE_POLICY_OTHER;
		else
			nargs = what & SYSTRACE_POLICY_NARGS;
		table->calls.nargs[nr] = nargs;
		table->calls.word[nr] =
			systrace_policy_word(offsetof(struct systrace_enter, args) +
					     nargs * sizeof(u64), SYSTRACE_ENTER,
					     SYSTRACE_ARCH_ABI_FIRST);
	}
}

void __init systrace_policy_init(void)
{
	unsigned int i, place;

	memset(systrace_policy_all.entry,
	       SYSTRACE_POLICY_ENTER | SYSTRACE_POLICY_RETURN | SYSTRACE_ARGS,
	       sizeof(systrace_policy_all.entry));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		place = calls[i].abi - SYSTRACE_ARCH_ABI_FIRST;
		if (place < SYSTRACE_ARCH_ABI_NR)
			systrace_policy_all.entry[place][calls[i].nr] =
				SYSTRACE_POLICY_ENTER | SYSTRACE_POLICY_RETURN | calls[i].nargs;
	}
	make_calls(&systrace_policy_all);
}

int systrace_policy_check(const struct systrace_rule *rules, u32 nr_rules)
{
	const struct systrace_rule *rule;

	for (rule = rules; rule < rules + nr_rules; rule++) {
		if (!rule->abi || rule->abi & ~SYSTRACE_ABI_ALL || rule->reserved)
			return -EINVAL;
		if (rule->record & ~(SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN))
			return -EINVAL;
		if (rule->nargs > SYSTRACE_ARGS && rule->nargs != SYSTRACE_NARGS_ALL)
			return -EINVAL;
		if (rule->first < SYSTRACE_NR_OTHER || rule->first > rule->last ||
		    rule->last > SYSTRACE_NR_MAX)
			return -EINVAL;
	}
	return 0;
}

static void apply(struct systrace_policy_table *table, const struct systrace_rule *rule,
		  int place)
{
	u8 what = 0;
	u8 nargs;
	s32 nr;
	u32 i;

	if (rule->record & SYSTRACE_RECORD_ENTER)
		what |= SYSTRACE_POLICY_ENTER;
	if (rule->record & SYSTRACE_RECORD_RETURN)
		what |= SYSTRACE_POLICY_RETURN;
	for (nr = rule->first; nr <= rule->last; nr++) {
		i = min_t(u32, nr, SYSTRACE_NR_MAX + 1);
		nargs = systrace_policy_all.entry[place][i] & SYSTRACE_POLICY_NARGS;
		table->entry[place][i] = what | min(nargs, rule->nargs);
	}
}

static void replace(struct systrace_session *session, struct systrace_policy_table *table)
{
	struct systrace_policy_table *old;

	old = rcu_replace_pointer(session->policy, table, true);
	systrace_slot_empty_all();
	if (old != &systrace_policy_all)
		kfree_rcu(old, rcu);
}

int systrace_policy_set(struct systrace_session *session, const struct systrace_rule *rules,
			u32 nr_rules)
{
	struct systrace_policy_table *table;
	int place;
	u32 i;

	lockdep_assert_held(&session->mutex);
	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	for (i = 0; i < nr_rules; i++)
		for (place = 0; place < SYSTRACE_ARCH_ABI_NR; place++)
			if (rules[i].abi & 1 << (SYSTRACE_ARCH_ABI_FIRST + place))
				apply(table, &rules[i], place);
	make_calls(table);
	replace(session, table);
	return 0;
}

void systrace_policy_free(struct systrace_session *session)
{
	replace(session, &systrace_policy_all);
}
