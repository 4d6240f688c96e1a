/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a user's rings take of the machine's memory. The module allows each user
 * some (parameter memlock_kib), which is counted here and nowhere else; what goes
 * beyond is charged to the user's locked memory, which RLIMIT_MEMLOCK bounds and
 * others count, too.
 */
#ifndef SYSTRACE_ACCOUNT_H
#define SYSTRACE_ACCOUNT_H

#include <linux/types.h>

struct systrace_account;

/* The current user's, with a reference; NULL without memory. */
struct systrace_account *systrace_account_get(void);
void systrace_account_put(struct systrace_account *account);

/*
 * Charge nr pages: how many of them to the locked memory, or -ENOMEM. The limit
 * is current's, at SETUP the opener's or whom it gave the file to. A CPU that comes
 * up later is charged by who has it come up, as a rule root, who has no limit: the
 * user's was set for the CPUs there were.
 */
long systrace_account_charge(struct systrace_account *account, unsigned long nr);
void systrace_account_uncharge(struct systrace_account *account, unsigned long nr,
			       unsigned long locked);

#endif
