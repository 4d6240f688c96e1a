// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the library knows of system calls: names, arguments, classes. Any thread. */
#include <string.h>

#include "handle.h"
#include "words.h"

#define ABIS	5
#define CALLS_MAX 548	/* the compiler says if a table has more */

/* By an event's SYSTRACE_FLAG_ABI */
static const char *const abis[ABIS] = {
	[SYSTRACE_FLAG_X86_64] = "x86_64",
	[SYSTRACE_FLAG_I386] = "i386",
	[SYSTRACE_FLAG_X32] = "x32",
	[SYSTRACE_FLAG_ARM64] = "arm64",
	[SYSTRACE_FLAG_ARM] = "arm",
};

static const struct call {
	const char *name;	/* NULL where the ABI has no call */
	int nargs;
} calls[ABIS][CALLS_MAX] = {
#define SYSTRACE_SYSCALL(abi, nr, name, nargs)	[SYSTRACE_FLAG_##abi][nr] = { #name, nargs },
#include <systrace/syscalls.tbl>
#undef SYSTRACE_SYSCALL
};

/* signatures.tbl is read several times: each defines one of its macros, the others are empty. */
#define ARGUMENT(type, name, say)
#define SIGNATURE(first, classes)
#define CALL(abi, nr, signature)
#define CLASS(name)	SYSTRACE_CLASS_##name

static const struct systrace_argument arguments[] = {
#undef ARGUMENT
#define ARGUMENT(type, name, say)	{ type, name },
#include "signatures.tbl"
};

/* How each of these is said */
static const unsigned char said[] = {
#undef ARGUMENT
#define ARGUMENT(type, name, say)	SAY_##say,
#include "signatures.tbl"
#undef ARGUMENT
#define ARGUMENT(type, name, say)
};

static const struct signature {
	unsigned short first, classes;
} signatures[] = {
#undef SIGNATURE
#define SIGNATURE(first, classes)	{ first, classes },
#include "signatures.tbl"
#undef SIGNATURE
#define SIGNATURE(first, classes)
};

/* + 1; 0 where no kernel says what the call takes */
static const unsigned short signature_of[ABIS][CALLS_MAX] = {
#undef CALL
#define CALL(abi, nr, signature)	[SYSTRACE_FLAG_##abi][nr] = (signature) + 1,
#include "signatures.tbl"
};

/* -1 if abi is not just one that is known */
static int place_of(unsigned abi)
{
	int place = 0;

	while (place < ABIS && abi != 1U << place)
		place++;
	return place < ABIS ? place : -1;
}

static const struct call *call_of(unsigned abi, int nr)
{
	int place = place_of(abi);

	return place >= 0 && nr >= 0 && nr < CALLS_MAX && calls[place][nr].name ?
	       &calls[place][nr] : NULL;
}

static const struct signature *find_signature(unsigned abi, int nr)
{
	unsigned n = call_of(abi, nr) ? signature_of[place_of(abi)][nr] : 0;

	return n ? &signatures[n - 1] : NULL;
}

unsigned systrace_abi(const struct systrace_event *event)
{
	return 1U << (event->flags & SYSTRACE_FLAG_ABI);
}

const char *systrace_abi_name(unsigned abi)
{
	int place = place_of(abi);

	return place >= 0 ? abis[place] : NULL;
}

const char *systrace_syscall_name(unsigned abi, int nr)
{
	const struct call *call = call_of(abi, nr);

	return call ? call->name : NULL;
}

int systrace_syscall_nargs(unsigned abi, int nr)
{
	const struct call *call = call_of(abi, nr);

	return call ? call->nargs : -1;
}

/* A linear search: it is made when a policy is, not when an event is. */
int systrace_syscall_number(unsigned abi, const char *name)
{
	int place = place_of(abi);

	for (int nr = 0; place >= 0 && nr < CALLS_MAX; nr++)
		if (calls[place][nr].name && !strcmp(calls[place][nr].name, name))
			return nr;
	return -1;
}

const struct systrace_argument *systrace_syscall_argument(unsigned abi, int nr, unsigned i)
{
	const struct signature *signature = find_signature(abi, nr);

	return signature && (int)i < systrace_syscall_nargs(abi, nr) && i < SYSTRACE_ARGS ?
	       &arguments[signature->first + i] : NULL;
}

const unsigned char *systrace_said(unsigned abi, int nr)
{
	const struct signature *signature = find_signature(abi, nr);

	return signature ? said + signature->first : NULL;
}

unsigned systrace_syscall_classes(unsigned abi, int nr)
{
	const struct signature *signature = find_signature(abi, nr);

	return signature ? signature->classes : 0;
}

/* By bit */
static const char *const classes[] = {
	"file", "network", "process", "memory", "signal", "ipc", "descriptor",
};

#define CLASSES	(sizeof(classes) / sizeof(classes[0]))

const char *systrace_class_name(unsigned class_)
{
	for (unsigned i = 0; i < CLASSES; i++)
		if (class_ == 1U << i)
			return classes[i];
	return NULL;
}

unsigned systrace_class(const char *name)
{
	for (unsigned i = 0; i < CLASSES; i++)
		if (!strcmp(name, classes[i]))
			return 1U << i;
	return 0;
}
