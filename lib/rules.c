// SPDX-License-Identifier: LGPL-2.1-or-later
/* Rules out of words: which system calls are to be recorded. Any thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define ABIS	5
#define PLACES	(SYSTRACE_NR_MAX + 2)	/* of a number: one more, since the first is NR_OTHER */
#define WORD_MAX 64			/* bytes; no word that means something has more */

/* Is a call recorded? By the event's SYSTRACE_FLAG_ABI, and place of its number */
struct calls {
	bool wanted[ABIS][PLACES];
};

static bool is_called(const char *word, unsigned abi, int nr)
{
	const char *name;

	if (!strcmp(word, "*"))
		return true;
	if (*word == '%')
		return systrace_syscall_classes(abi, nr) & systrace_class(word + 1);
	name = systrace_syscall_name(abi, nr);
	return name && !strcmp(word, name);
}

static bool put_named(struct calls *calls, unsigned abis, const char *word, bool wanted)
{
	bool any = false;

	for (int abi = 0; abi < ABIS; abi++) {
		for (int nr = SYSTRACE_NR_OTHER; nr <= SYSTRACE_NR_MAX; nr++) {
			if (!(abis & 1U << abi) || !is_called(word, 1U << abi, nr))
				continue;
			calls->wanted[abi][nr + 1] = wanted;
			any = true;
		}
	}
	return any;
}

static bool put_number(struct calls *calls, unsigned abis, const char *word, bool wanted)
{
	char *end;
	unsigned long nr = strtoul(word, &end, 10);

	if (*end || nr > SYSTRACE_NR_MAX)
		return false;
	for (int abi = 0; abi < ABIS; abi++)
		if (abis & 1U << abi)
			calls->wanted[abi][nr + 1] = wanted;
	return true;
}

static unsigned abi_called(const char *name)
{
	for (unsigned abi = 1; abi <= SYSTRACE_ABI_ALL; abi <<= 1)
		if (!strcmp(name, systrace_abi_name(abi)))
			return abi;
	return 0;
}

/* [ABI:]WORD; false if it means nothing */
static bool put(struct calls *calls, char *word, bool wanted)
{
	unsigned abis = SYSTRACE_ABI_ALL, numbers = SYSTRACE_ABI_NATIVE;
	char *colon = strchr(word, ':');

	if (colon) {
		*colon = '\0';
		abis = numbers = abi_called(word);
		word = colon + 1;
	}
	if (*word >= '0' && *word <= '9')
		return abis && put_number(calls, numbers, word, wanted);
	return put_named(calls, abis, word, wanted);
}

/* The word up to the next comma; false if it means nothing */
static bool put_next(struct calls *calls, const char *text, size_t length)
{
	bool wanted = *text != '!';
	char word[WORD_MAX];

	text += !wanted;
	length -= !wanted;
	if (length >= sizeof(word))
		return false;
	memcpy(word, text, length);
	word[length] = '\0';
	return put(calls, word, wanted);
}

static struct systrace_rule rule_of(int abi, int first, int last)
{
	return (struct systrace_rule){
		.abi = (__u8)(1U << abi),
		.record = SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
		.nargs = SYSTRACE_NARGS_ALL,
		.first = first,
		.last = last,
	};
}

/* One for each row of numbers; how many. Counts them if rules is NULL. */
static int make_rules(const struct calls *calls, struct systrace_rule *rules)
{
	int n = 0;

	for (int abi = 0; abi < ABIS; abi++) {
		const bool *wanted = calls->wanted[abi];
		int place = 0;

		while (place < PLACES) {
			int first = place;

			while (place < PLACES && wanted[place])
				place++;
			if (place == first) {
				place++;
				continue;
			}
			if (rules)
				rules[n] = rule_of(abi, first - 1, place - 2);
			n++;
		}
	}
	return n;
}

int systrace_rules(struct systrace_rule **rules, const char *text, const char **bad)
{
	struct calls calls = { 0 };
	int n;

	if (*text == '!')
		put_named(&calls, SYSTRACE_ABI_ALL, "*", true);
	for (;;) {
		size_t length = strcspn(text, ",");

		if (!put_next(&calls, text, length)) {
			if (bad)
				*bad = text;
			return -EINVAL;
		}
		if (!text[length])
			break;
		text += length + 1;
	}
	n = make_rules(&calls, NULL);
	*rules = calloc((size_t)n + 1, sizeof(**rules));
	if (!*rules)
		return -ENOMEM;
	return make_rules(&calls, *rules);
}
