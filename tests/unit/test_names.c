// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of calls, errors, causes, against values that programs rely on. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include <systrace.h>

#define X86_64	SYSTRACE_ABI_X86_64
#define I386	SYSTRACE_ABI_I386
#define X32	SYSTRACE_ABI_X32
#define ARM64	SYSTRACE_ABI_ARM64
#define ARM	SYSTRACE_ABI_ARM

static void check_call(unsigned abi, int nr, const char *name, int nargs)
{
	assert_non_null(systrace_syscall_name(abi, nr));
	assert_string_equal(systrace_syscall_name(abi, nr), name);
	assert_int_equal(systrace_syscall_nargs(abi, nr), nargs);
	assert_int_equal(systrace_syscall_number(abi, name), nr);
}

static void known_calls(void **state)
{
	(void)state;
	check_call(X86_64, 0, "read", 3);
	check_call(X86_64, 9, "mmap", 6);
	check_call(X86_64, 39, "getpid", 0);
	check_call(X86_64, 59, "execve", 3);
	check_call(X86_64, 257, "openat", 4);
	check_call(X86_64, 435, "clone3", 2);
	check_call(I386, 1, "exit", 1);
	check_call(I386, 3, "read", 3);
	check_call(I386, 11, "execve", 3);
	check_call(I386, 20, "getpid", 0);
	check_call(I386, 102, "socketcall", 2);
	check_call(X32, 0, "read", 3);
	check_call(X32, 512, "rt_sigaction", 4);
	check_call(X32, 520, "execve", 3);
	check_call(ARM64, 63, "read", 3);
	check_call(ARM64, 172, "getpid", 0);
	check_call(ARM64, 221, "execve", 3);
	check_call(ARM, 3, "read", 3);
	check_call(ARM, 180, "pread64", 6);
}

static void unknown_calls(void **state)
{
	static const int numbers[] = { -1, -2, 1023, 100000, 0x40000000, INT_MAX, INT_MIN };

	(void)state;
	for (unsigned abi = 0; abi <= 64; abi++) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
			assert_null(systrace_syscall_name(abi, numbers[i]));
			assert_int_equal(systrace_syscall_nargs(abi, numbers[i]), -1);
		}
		assert_int_equal(systrace_syscall_number(abi, "nosuchcall"), -1);
		assert_int_equal(systrace_syscall_number(abi, ""), -1);
	}
	assert_null(systrace_syscall_name(0, 0));
	assert_null(systrace_syscall_name(X86_64 | I386, 0));
	assert_int_equal(systrace_syscall_number(X86_64, "socketcall"), -1);
	assert_int_equal(systrace_syscall_number(X86_64, "READ"), -1);
}

/* Whatever has a name has 0 to 6 arguments and is found by that name under its own number. */
static void tables_are_consistent(void **state)
{
	(void)state;
	for (unsigned abi = 1; abi <= SYSTRACE_ABI_ALL; abi <<= 1) {
		int known = 0;

		for (int nr = 0; nr <= SYSTRACE_NR_MAX; nr++) {
			const char *name = systrace_syscall_name(abi, nr);

			if (!name)
				continue;
			known++;
			assert_in_range(systrace_syscall_nargs(abi, nr), 0, SYSTRACE_ARGS);
			assert_int_equal(systrace_syscall_number(abi, name), nr);
		}
		assert_in_range(known, 300, 600);
	}
}

static void abi_of_an_event(void **state)
{
	struct systrace_event e = { .type = SYSTRACE_ENTER };

	(void)state;
	assert_int_equal(systrace_abi(&e), X86_64);
	e.flags = SYSTRACE_FLAG_I386;
	assert_int_equal(systrace_abi(&e), I386);
	e.flags = SYSTRACE_FLAG_X32;
	assert_int_equal(systrace_abi(&e), X32);
	e.flags = SYSTRACE_FLAG_ARM64;
	assert_int_equal(systrace_abi(&e), ARM64);
	e.flags = SYSTRACE_FLAG_ARM;
	assert_int_equal(systrace_abi(&e), ARM);
	e.flags |= 0xff & ~SYSTRACE_FLAG_ABI;	/* what a newer driver may say with the rest */
	assert_int_equal(systrace_abi(&e), ARM);
}

static void errors(void **state)
{
	(void)state;
	assert_string_equal(systrace_errno_name(ENOENT), "ENOENT");
	assert_string_equal(systrace_errno_name(EAGAIN), "EAGAIN");
	assert_string_equal(systrace_errno_name(EHWPOISON), "EHWPOISON");
	assert_string_equal(systrace_errno_name(512), "ERESTARTSYS");
	assert_string_equal(systrace_errno_name(513), "ERESTARTNOINTR");
	assert_string_equal(systrace_errno_name(514), "ERESTARTNOHAND");
	assert_string_equal(systrace_errno_name(515), "ENOIOCTLCMD");
	assert_string_equal(systrace_errno_name(516), "ERESTART_RESTARTBLOCK");
	assert_null(systrace_errno_name(0));
	assert_null(systrace_errno_name(-2));
	assert_null(systrace_errno_name(511));
	assert_null(systrace_errno_name(517));
	assert_null(systrace_errno_name(4095));
}

static void words(void **state)
{
	(void)state;
	assert_string_equal(systrace_cause_name(SYSTRACE_LOST_FULL), "full");
	assert_string_equal(systrace_cause_name(SYSTRACE_LOST_NO_RING), "no-ring");
	assert_string_equal(systrace_cause_name(SYSTRACE_LOST_CHILD), "child");
	assert_string_equal(systrace_cause_name(SYSTRACE_LOST_CAUSES), "unknown");
	assert_string_equal(systrace_reason_name(SYSTRACE_DETACH_ASKED), "asked");
	assert_string_equal(systrace_reason_name(SYSTRACE_DETACH_EXEC), "exec");
	assert_string_equal(systrace_reason_name((enum systrace_reason)77), "unknown");
}

static void file_of_an_event(void **state)
{
	struct {
		struct systrace_exec exec;
		char file[16];
	} r = { .exec = { .event = { .size = sizeof(r), .type = SYSTRACE_EXEC } } };

	(void)state;
	strcpy(r.file, "/bin/ls");
	assert_string_equal(systrace_file(&r.exec.event), "/bin/ls");
	r.exec.event.type = SYSTRACE_EXIT;
	assert_string_equal(systrace_file(&r.exec.event), "");
	r.exec.event.type = SYSTRACE_EXEC;
	r.exec.event.size = sizeof(r.exec);
	assert_string_equal(systrace_file(&r.exec.event), "");
	r.exec.event.size = sizeof(r);
	memset(r.file, 'x', sizeof(r.file));	/* no NUL inside of the record */
	assert_string_equal(systrace_file(&r.exec.event), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_calls),
		cmocka_unit_test(unknown_calls),
		cmocka_unit_test(tables_are_consistent),
		cmocka_unit_test(abi_of_an_event),
		cmocka_unit_test(errors),
		cmocka_unit_test(words),
		cmocka_unit_test(file_of_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
