// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which ABI and number an event has: numbers that no call has, i386 calls of a 64-bit
 * program, policies for each; and the calls that end otherwise than they began. Programs
 * of arm64 make calls of one kind only: what has two needs x86.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <time.h>
#include <ucontext.h>

#include "scene.h"

#define X32	0x40000000L

enum { I386_CLOSE = 6, I386_GETUID = 24, I386_POLL = 168 };

/* ----------------------------------------------------------------- numbers --- */

#ifdef __x86_64__

/* With the bit of x32, a number is one of x32, also where the kernel has no such calls. */
static const struct number {
	long nr;
	const char *want64, *want32;
} numbers[] = {
	{ -1, "-1", "i-1" },
	{ INT_MIN, "-2147483648", "i-2147483648" },
	{ SYSTRACE_NR_MAX, "1023", "i1023" },
	{ SYSTRACE_NR_MAX + 1, "1024", "i1024" },
	{ 1 << 20, "1048576", "i1048576" },
	{ X32 | 9999, "x9999", "i1073751823" },
	{ INT_MAX, "x1073741823", "i2147483647" },
};

static int call_numbers(void)
{
	int good = 0;

	for (unsigned i = 0; i < COUNT(numbers); i++)
		good += call64(numbers[i].nr) == -ENOSYS;
	for (unsigned i = 0; i < COUNT(numbers); i++)
		good += call32(numbers[i].nr) == -ENOSYS;
	return good;
}

/* Each with all its arguments, and refused by the kernel: */
static void test_numbers(void)
{
	struct scene s = { .what = "numbers that no call has", .run = call_numbers,
			   .status = 2 * COUNT(numbers) };
	static char want[TEXT];

	for (unsigned i = 0; i < COUNT(numbers); i++)
		add(want, " >%s(1,2,3,4,5,6) <%s=-38", numbers[i].want64, numbers[i].want64);
	for (unsigned i = 0; i < COUNT(numbers); i++)
		add(want, " >%s(1,2,3,4,5,6) <%s=-38", numbers[i].want32, numbers[i].want32);
	s.want = want;
	play(&s);
}

/* The kernel takes 32 bits of a number. */
static int call_wide(void)
{
	return (int)(call64(SYS_getuid | 1L << 32) | call32(I386_GETUID | 1L << 32));
}

static const struct scene wide = {
	"the kernel takes 32 bits of a number", " >102 <102=0 >i24 <i24=0", .run = call_wide,
};

static int call_x32(void)
{
	return call64(X32 | SYS_getuid) != 0;
}

/* It may have been told to know x32 calls. */
static void test_x32(void)
{
	struct scene s = { .what = "x32's getuid", .run = call_x32, .status = call_x32() };

	s.want = s.status ? " >x102 <x102=-38" : " >x102 <x102=0";
	play(&s);
}

/* -------------------------------------------------------------------- ABIs --- */

/* A number is close in one ABI and something else in the other. */
static int call_both(void)
{
	call32(I386_CLOSE);
	call64(I386_CLOSE);
	call32(SYS_close);
	call32(I386_GETUID);
	call64(I386_GETUID);
	return 0;
}

static const struct scene both = {
	"each call has its own ABI's number and arguments",
	" >i6(1) <i6=0 >6(1,2) <6=-14 >i3(1,2,3) <i3=-9 >i24 <i24=0 >24 <24=0", .run = call_both,
};

static int call_policy(void)
{
	static const long nrs[] = { SYS_getuid, I386_GETUID, SYSTRACE_NR_MAX,
				    SYSTRACE_NR_MAX + 1, -1, X32 | 9999, X32 | SYSTRACE_NR_MAX };

	for (unsigned i = 0; i < COUNT(nrs); i++)
		call64(nrs[i]);
	for (unsigned i = 0; i < COUNT(nrs); i++)
		call32(nrs[i]);
	return 0;
}

static const struct systrace_rule rules[] = {
	{ SYSTRACE_ABI_X86_64, SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
	  SYSTRACE_NARGS_ALL, 0, SYS_close, SYS_close },	/* the marks */
	{ SYSTRACE_ABI_X86_64, SYSTRACE_RECORD_RETURN, 0, 0, SYSTRACE_NR_OTHER, SYSTRACE_NR_OTHER },
	{ SYSTRACE_ABI_X86_64, SYSTRACE_RECORD_ENTER, 1, 0, SYSTRACE_NR_MAX, SYSTRACE_NR_MAX },
	{ SYSTRACE_ABI_I386, SYSTRACE_RECORD_ENTER, 2, 0, SYSTRACE_NR_OTHER, SYSTRACE_NR_OTHER },
	{ SYSTRACE_ABI_I386, SYSTRACE_RECORD_RETURN, 0, 0, I386_GETUID, I386_GETUID },
	{ SYSTRACE_ABI_X32, SYSTRACE_RECORD_ENTER, 3, 0, SYSTRACE_NR_MAX, SYSTRACE_NR_MAX },
};

static const struct scene policy = {
	"a policy means the numbers of its ABI",
	" >1023(1) <1024=-38 <-1=-38 >x1023(1,2,3)"
	" <i24=0 >i1024(1,2) >i-1(1,2) >i1073751823(1,2) >i1073742847(1,2)", .run = call_policy,
	.rules = rules, .nr_rules = COUNT(rules),
};

static void test_numbers_and_abis(void)
{
	test_numbers();
	play(&wide);
	test_x32();
	play(&both);
	play(&policy);
}

#else

static const long numbers[] = { -1, INT_MIN, SYSTRACE_NR_MAX, SYSTRACE_NR_MAX + 1, 1 << 20, INT_MAX };

static int call_numbers(void)
{
	int good = 0;

	for (unsigned i = 0; i < COUNT(numbers); i++)
		good += call64(numbers[i]) == -ENOSYS;
	return good;
}

static void test_numbers(void)
{
	struct scene s = { .what = "numbers that no call has", .run = call_numbers,
			   .status = COUNT(numbers) };
	static char want[TEXT];

	for (unsigned i = 0; i < COUNT(numbers); i++)
		add(want, " >%ld(1,2,3,4,5,6) <%ld=-38", numbers[i], numbers[i]);
	s.want = want;
	play(&s);
}

/* The kernel takes 32 bits of a number. */
static int call_wide(void)
{
	return (int)call64(SYS_getuid | 1L << 32);
}

static const struct scene wide = {
	"the kernel takes 32 bits of a number", " >" N_GETUID " <" N_GETUID "=0", .run = call_wide,
};

static int call_policy(void)
{
	static const long nrs[] = { SYS_getuid, SYSTRACE_NR_MAX, SYSTRACE_NR_MAX + 1, -1 };

	for (unsigned i = 0; i < COUNT(nrs); i++)
		call64(nrs[i]);
	return 0;
}

static const struct systrace_rule rules[] = {
	{ SYSTRACE_ABI_ARM64, SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
	  SYSTRACE_NARGS_ALL, 0, SYS_close, SYS_close },	/* the marks */
	{ SYSTRACE_ABI_ARM64, SYSTRACE_RECORD_RETURN, 0, 0, SYSTRACE_NR_OTHER, SYSTRACE_NR_OTHER },
	{ SYSTRACE_ABI_ARM64, SYSTRACE_RECORD_ENTER, 1, 0, SYSTRACE_NR_MAX, SYSTRACE_NR_MAX },
	{ SYSTRACE_ABI_ARM, SYSTRACE_RECORD_ENTER, 2, 0, SYS_getuid, SYS_getuid },
};

static const struct scene policy = {
	"a policy means the numbers of its ABI", " >1023(1) <1024=-38 <-1=-38", .run = call_policy,
	.rules = rules, .nr_rules = COUNT(rules),
};

static void test_numbers_and_abis(void)
{
	test_numbers();
	play(&wide);
	play(&policy);
	tap_ok(true, "calls of another ABI # SKIP a program of arm64 cannot make them");
}

#endif

/* --------------------------------------------------------------- odd calls --- */

static void skip_instruction(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	(void)info;
#ifdef __x86_64__
	u->uc_mcontext.gregs[REG_RIP] += 2;
#else
	u->uc_mcontext.pc += 4;
#endif
}

static void handle_ill(void)
{
	struct sigaction sa = { .sa_sigaction = skip_instruction, .sa_flags = SA_SIGINFO };

	sigaction(SIGILL, &sa, NULL);
}

static int call_none(void)
{
#ifdef __x86_64__
	__asm__ volatile("ud2" : : "a" (0x123456789abcdefL) : "memory");
#else
	register long result __asm__("x0") = 0x123456789abcdefL;

	__asm__ volatile("udf 0" : "+r" (result) : : "memory");
#endif
	return 0;
}

#ifdef __x86_64__

static int sleep_to_restart(void)
{
	call32_with(I386_POLL, 0, 0, 1000000000);
	return 1;
}

#define ILL		"2"	/* ILL_ILLOPN */
#define N_SLEEP		"i168"
#define SLEEP_ARGS	"(0,0,p)"
#define N_RESTART	"i0"
enum { SLEEP = I386_POLL, RESTART = 0 };

#else

/* It goes on with what is left of the time. */
static int sleep_to_restart(void)
{
	syscall(SYS_nanosleep, &(struct timespec){ .tv_sec = 1000000 }, NULL);
	return 1;
}

#define ILL		"1"	/* ILL_ILLOPC */
#define N_SLEEP		"101"
#define SLEEP_ARGS	"(p,0)"
#define N_RESTART	"128"
enum { SLEEP = SYS_nanosleep, RESTART = SYS_restart_syscall };

#endif

static void stop_and_go(pid_t pid)
{
	int status;

	tap_await_call(pid, SLEEP);
	kill(pid, SIGSTOP);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	tap_await_call(pid, RESTART);
	kill(pid, SIGKILL);
}

static int call_vfork(void)
{
	if (vfork() == 0)
		syscall(SYS_exit, 7);
	return 0;
}

static int call_vfork_exec(void)
{
	char *argv[] = { "abi", "none", NULL };

	if (vfork() == 0) {
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	return 0;
}

/* Made to wait for its child, so that the order is one. */
static int call_clone3(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .flags = CLONE_VFORK };

	if (syscall(SYS_clone3, &args, sizeof(args)) == 0)
		syscall(SYS_exit, 7);
	return 0;
}

/* Of clone, which is vfork on arm64, the first argument is all that the C library gives it. */
static const struct systrace_rule vfork_rules[] = {
	{ SYSTRACE_ABI_NATIVE, SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
	  SYSTRACE_NARGS_ALL, 0, 0, SYSTRACE_NR_MAX },
	{ SYSTRACE_ABI_NATIVE, SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN,
	  1, 0, NATIVE_VFORK, NATIVE_VFORK },
};

static const struct scene odd[] = {
	{ "rt_sigreturn gives back what was interrupted", " !4/" ILL " >" N_SIGRETURN " <-1=81985529216486895",
	  call_none, .prepare = handle_ill },
	{ "restart_syscall, as i386 numbers it, or arm64",
	  " >" N_SLEEP SLEEP_ARGS " <" N_SLEEP "=-516 !19/0 >" N_RESTART " <" N_RESTART "=-516 !9/0 .9",
	  sleep_to_restart, .meanwhile = stop_and_go,
	  .status = SIGKILL },
	{ "a child of vfork exits before its parent's RETURN",
	  " >" N_VFORK " +" C_VFORK " c>" N_EXIT "(7) <" N_OF_VFORK "=c", .run = call_vfork, .children = true,
	  .rules = vfork_rules, .nr_rules = COUNT(vfork_rules) },
	{ "or executes a program before", " >" N_VFORK " +" C_VFORK " c>" N_EXECVE "(p,p,p) <" N_OF_VFORK "=c", .run = call_vfork_exec,
	  .children = true, .rules = vfork_rules, .nr_rules = COUNT(vfork_rules) },
	{ "clone3", " >435(p,58) +" C_CLONE3 " c>" N_EXIT "(7) <435=c", .run = call_clone3, .children = true },
};

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	test_numbers_and_abis();
	for (unsigned i = 0; i < COUNT(odd); i++)
		play(&odd[i]);
	return tap_end();
}
