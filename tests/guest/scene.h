/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scene: a child does something odd, and what the stream says of it is compared with a
 * line. " >3(5) <3=-9" is an ENTER and a RETURN, with an i or x before the number for the
 * ABI; " !31/1" a signal and its code; " .7" an EXIT; " +" a FORK; p an address. The calls of a
 * child of it have a c before them, and "c" stands for its number.
 */
#ifndef SYSTRACE_TESTS_SCENE_H
#define SYSTRACE_TESTS_SCENE_H

#include <elf.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "calls.h"
#include "tap.h"

#define MARK	(-1000)		/* the descriptor of a close that begins or ends a scene */
#define TEXT	4096

/* ------------------------------------------------------------------- calls --- */

#if defined(__x86_64__)

#define N_CLOSE		"3"
#define N_GETUID	"102"
#define N_SIGRETURN	"15"
#define N_EXIT		"60"
#define N_EXECVE	"59"
#define N_VFORK		"58"
#define N_OF_VFORK	"58"
#define C_VFORK		" c<58=0"	/* how a child begins */
#define C_CLONE3	" c<435=0"
#define N_TRAPPED	"102"	/* the register of the result when a call is refused by a signal */
#define TRAPPED		SYS_getuid
#define N_SKIPPED	"-38"	/* what a call returns that a debugger skips */
#define SKIPPED		(-ENOSYS)

#elif defined(__aarch64__)

#define N_CLOSE		"57"
#define N_GETUID	"174"
#define N_SIGRETURN	"139"
#define N_EXIT		"93"
#define N_EXECVE	"221"
#define N_VFORK		"220(4111)"	/* clone */
#define N_OF_VFORK	"220"
#define C_VFORK		""
#define C_CLONE3	""
#define N_TRAPPED	"1"
#define TRAPPED		1
#define N_SKIPPED	"1"
#define SKIPPED		1

#endif

static void mark(void)
{
	syscall(SYS_close, MARK);
}

/* ----------------------------------------------------------------- reading --- */

__attribute__((format(printf, 2, 3)))
static void add(char *text, const char *format, ...)
{
	size_t length = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + length, TEXT - length, format, args);
	va_end(args);
}

static const char *abi(const struct systrace_event *e)
{
	switch (systrace_abi(e)) {
	case SYSTRACE_ABI_NATIVE:
		return "";
	case SYSTRACE_ABI_I386:
		return "i";
	case SYSTRACE_ABI_X32:
		return "x";
	}
	return "?";
}

/* Of which task, between its marks. */
struct reading {
	__u32 tid, child;
	bool child_left;	/* to run another program, or for good */
	int marks;
	bool began;		/* the first mark has returned */
	char text[TEXT];
};

static void add_enter(char *text, const char *who, const struct systrace_enter *enter)
{
	add(text, " %s>%s%d", who, abi(&enter->event), enter->nr);
	for (__u32 i = 0; i < enter->nargs; i++) {
		unsigned long long arg = enter->args[i];

		add(text, i ? "," : "(");
		if (arg > 0xffff && arg != 0xffffffff)
			add(text, "p");
		else
			add(text, "%llx", arg);
	}
	if (enter->nargs)
		add(text, ")");
}

static void add_return(char *text, const char *who, const struct systrace_return *ret, __u32 child)
{
	add(text, " %s<%s%d=", who, abi(&ret->event), ret->nr);
	if (child && ret->result == child)
		add(text, "c");
	else
		add(text, "%lld", (long long)ret->result);
}

static void add_event(struct reading *r, const struct systrace_event *e)
{
	const struct systrace_signal *sig = (const void *)e;
	const struct systrace_exit *end = (const void *)e;
	const char *who = e->tid == r->child ? "c" : "";

	/* When its EXIT or EXEC comes is its own affair, and after that nothing is odd. */
	if (*who && (e->type == SYSTRACE_EXEC || e->type == SYSTRACE_EXIT))
		r->child_left = true;
	else if (e->type == SYSTRACE_ENTER)
		add_enter(r->text, who, (const void *)e);
	else if (e->type == SYSTRACE_RETURN)
		add_return(r->text, who, (const void *)e, r->child);
	else if (e->type == SYSTRACE_FORK)
		add(r->text, " +");
	else if (e->type == SYSTRACE_SIGNAL)
		add(r->text, " !%d/%d", sig->signo, sig->code);
	else if (e->type == SYSTRACE_EXIT)
		add(r->text, " .%u", end->code);
	else if (e->type == SYSTRACE_LOST)
		add(r->text, " lost");
}

static bool is_mark(const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;

	return e->type == SYSTRACE_ENTER && enter->nr == SYS_close && enter->nargs == 1 &&
	       (__s32)enter->args[0] == MARK;
}

static void take(struct reading *r, const struct systrace_event *e)
{
	const struct systrace_fork *f = (const void *)e;

	if (e->type == SYSTRACE_FORK && r->began)
		r->child = f->child;
	if (e->tid != r->tid && e->type != SYSTRACE_LOST && (e->tid != r->child || r->child_left))
		return;
	if (is_mark(e))
		r->marks++;
	else if (r->marks == 1 && r->began)
		add_event(r, e);
	else
		r->began = r->marks == 1;
}

static void read_all(struct systrace *st, struct reading *r)
{
	const struct systrace_event *e;

	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st)))
			take(r, e);
		systrace_release(st);
	}
}

/* --------------------------------------------------------------- registers --- */

/* Those of a task at a stop, on its way into a call or out of it */
struct regs {
	struct user_regs_struct all;
	int nr;
	long first;	/* argument, on the way in */
	long result;	/* on the way out; on the way in, with PTRACE_SYSEMU */
};

#if defined(__x86_64__)

TAP void get_regs(pid_t pid, bool entry, struct regs *r)
{
	(void)entry;
	if (ptrace(PTRACE_GETREGS, pid, 0, &r->all))
		tap_bail("PTRACE_GETREGS");
	r->nr = (int)r->all.orig_rax;
	r->first = (long)r->all.rdi;
	r->result = (long)r->all.rax;
}

TAP void set_regs(pid_t pid, bool entry, struct regs *r)
{
	(void)entry;
	r->all.orig_rax = (unsigned long)r->nr;
	r->all.rdi = (unsigned long)r->first;
	r->all.rax = (unsigned long)r->result;
	ptrace(PTRACE_SETREGS, pid, 0, &r->all);
}

#elif defined(__aarch64__)

/* One register is the first argument and the result. */
TAP void get_regs(pid_t pid, bool entry, struct regs *r)
{
	struct iovec all = { &r->all, sizeof(r->all) }, nr = { &r->nr, sizeof(r->nr) };

	(void)entry;
	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &all) ||
	    ptrace(PTRACE_GETREGSET, pid, NT_ARM_SYSTEM_CALL, &nr))
		tap_bail("PTRACE_GETREGSET");
	r->first = r->result = (long)r->all.regs[0];
}

TAP void set_regs(pid_t pid, bool entry, struct regs *r)
{
	struct iovec all = { &r->all, sizeof(r->all) }, nr = { &r->nr, sizeof(r->nr) };
	bool emulated = (long)r->all.regs[0] != r->result;

	r->all.regs[0] = (unsigned long)(entry && !emulated ? r->first : r->result);
	ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &all);
	ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &nr);
}

#endif

/* ------------------------------------------------------------------ scenes --- */

/* run is traced; what it returns is the child's status. */
struct scene {
	const char *what, *want;
	int (*run)(void);
	void (*prepare)(void);
	/* Returns the request of ptrace by which it goes on; 0 for this one: */
	int (*stop)(bool entry, struct regs *regs);
	int request;		/* 0: nobody debugs it */
	int status;		/* as run must return it, or the signal that ends it */
	void (*meanwhile)(pid_t pid);
	bool children;		/* are traced, too */
	const struct systrace_rule *rules;
	unsigned nr_rules;
	const char *or;		/* instead of want, on an older kernel */
};

static pid_t begin(const struct scene *s)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	if (s->prepare)
		s->prepare();
	if (s->request)
		ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	mark();
	int status = s->run();
	mark();
	_exit(status);
}

/* The debugger at one stop, at an entry or an exit; how it goes on */
static int at_stop(const struct scene *s, pid_t pid, bool entry)
{
	struct regs regs;
	int request;

	get_regs(pid, entry, &regs);
	request = s->stop(entry, &regs);
	set_regs(pid, entry, &regs);
	return request ? request : s->request;
}

/* From stop to stop. Returns as waitpid. */
static int debug(const struct scene *s, pid_t pid)
{
	int status, request = s->request;
	bool entry = false;
	long sig = 0;

	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP);
	for (;;) {
		if (ptrace(request, pid, 0, sig) || waitpid(pid, &status, 0) != pid)
			tap_bail("ptrace");
		if (!WIFSTOPPED(status))
			return status;
		sig = 0;
		if (status >> 16 == PTRACE_EVENT_SECCOMP) {
			request = at_stop(s, pid, true);
		} else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			entry = !entry;
			request = at_stop(s, pid, entry);
		} else {
			sig = WSTOPSIG(status);
		}
	}
}

TAP void play(const struct scene *s)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 1 << 18 });
	pid_t pid = begin(s);
	struct reading r = { .tid = (__u32)pid };
	int status;

	if (s->rules && systrace_policy(st, s->rules, s->nr_rules))
		tap_bail("policy");
	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		tap_bail("%s: no start", s->what);
	if (systrace_attach(st, pid, s->children ? SYSTRACE_ATTACH_TREE :
						   SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	kill(pid, SIGCONT);
	if (s->meanwhile)
		s->meanwhile(pid);
	if (s->request)
		status = debug(s, pid);
	else
		waitpid(pid, &status, 0);
	read_all(st, &r);
	systrace_close(st);
	if (!tap_ok((!strcmp(r.text, s->want) || (s->or && !strcmp(r.text, s->or))) &&
		    s->status == (WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
		    "%s:%s", s->what, s->want))
		tap_note("got%s, status 0x%x", r.text, (unsigned)status);
}

#endif
