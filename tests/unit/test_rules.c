// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules out of words; and the tables that these go by. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <systrace.h>

#define NATIVE	SYSTRACE_ABI_NATIVE
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct systrace_rule *rules;
static int nr_rules;

static int forget(void **state)
{
	(void)state;
	free(rules);
	rules = NULL;
	return 0;
}

static void make(const char *text)
{
	const char *bad = NULL;

	free(rules);
	rules = NULL;
	nr_rules = systrace_rules(&rules, text, &bad);
	if (nr_rules < 0)
		fail_msg("%s: %d at %s", text, nr_rules, bad);
	assert_true(nr_rules <= SYSTRACE_RULES_MAX);
	for (int i = 0; i < nr_rules; i++) {
		assert_int_equal(rules[i].record, SYSTRACE_RECORD_ENTER | SYSTRACE_RECORD_RETURN);
		assert_int_equal(rules[i].nargs, SYSTRACE_NARGS_ALL);
		assert_int_equal(rules[i].reserved, 0);
		assert_true(rules[i].abi && !(rules[i].abi & ~SYSTRACE_ABI_ALL));
		assert_true(rules[i].first >= SYSTRACE_NR_OTHER && rules[i].first <= rules[i].last &&
			    rules[i].last <= SYSTRACE_NR_MAX);
	}
}

/* As the driver takes them */
static bool recorded(unsigned abi, int nr)
{
	bool is = false;

	for (int i = 0; i < nr_rules; i++)
		if (rules[i].abi & abi && rules[i].first <= nr && nr <= rules[i].last)
			is = true;
	return is;
}

static bool recorded_name(unsigned abi, const char *name)
{
	int nr = systrace_syscall_number(abi, name);

	assert_true(nr >= 0);
	return recorded(abi, nr);
}

static unsigned count(unsigned abi)
{
	unsigned n = 0;

	for (int nr = SYSTRACE_NR_OTHER; nr <= SYSTRACE_NR_MAX; nr++)
		n += recorded(abi, nr);
	return n;
}

static void by_name(void **state)
{
	(void)state;
	make("openat");
	for (unsigned abi = 1; abi <= SYSTRACE_ABI_ALL; abi <<= 1) {
		assert_true(recorded_name(abi, "openat"));
		assert_int_equal(count(abi), 1);
	}
	make("read,write,close");
	assert_int_equal(count(NATIVE), 3);
	assert_true(recorded_name(NATIVE, "close"));
	/* 0 to 3 are read, write, open, close: one rule for it and its neighbours */
	make("x86_64:close,x86_64:read,x86_64:open,x86_64:write");
	assert_int_equal(nr_rules, 1);
}

static void by_abi(void **state)
{
	(void)state;
	make("i386:openat");
	assert_int_equal(count(SYSTRACE_ABI_I386), 1);
	assert_int_equal(count(SYSTRACE_ABI_X86_64), 0);
	make("arm64:*");
	assert_int_equal(count(SYSTRACE_ABI_ARM64), SYSTRACE_NR_MAX + 2);
	assert_int_equal(nr_rules, 1);
}

static void by_number(void **state)
{
	(void)state;
	make("1000");
	assert_true(recorded(NATIVE, 1000));
	assert_int_equal(nr_rules, 1);
	make("0,1023,arm:7");
	assert_true(recorded(NATIVE, 0) && recorded(NATIVE, 1023));
	assert_true(recorded(SYSTRACE_ABI_ARM, 7));
	assert_int_equal(nr_rules, 3);
}

static void by_class(void **state)
{
	(void)state;
	make("%network");
	assert_true(recorded_name(NATIVE, "connect"));
	assert_true(recorded_name(SYSTRACE_ABI_I386, "socketcall"));
	assert_false(recorded_name(NATIVE, "read"));
	assert_true(count(NATIVE) > 15 && count(NATIVE) < 30);
	make("%file,%process");
	assert_true(recorded_name(NATIVE, "openat"));
	assert_true(recorded_name(NATIVE, "execve"));
	assert_true(recorded_name(NATIVE, "exit_group"));
	assert_false(recorded_name(NATIVE, "mmap"));
}

static void all_but(void **state)
{
	(void)state;
	make("*");
	assert_int_equal(count(NATIVE), SYSTRACE_NR_MAX + 2);
	assert_true(recorded(NATIVE, SYSTRACE_NR_OTHER));
	make("!read");
	assert_int_equal(count(NATIVE), SYSTRACE_NR_MAX + 1);
	assert_false(recorded_name(NATIVE, "read"));
	make("%file,!openat,!%process");
	assert_false(recorded_name(NATIVE, "openat"));
	assert_false(recorded_name(NATIVE, "execve"));
	assert_true(recorded_name(NATIVE, "unlinkat"));
	make("!%file,openat");
	assert_true(recorded_name(NATIVE, "openat"));
	assert_false(recorded_name(NATIVE, "unlinkat"));
	make("read,!read");
	assert_int_equal(nr_rules, 0);
	assert_non_null(rules);
	make("!*");
	assert_int_equal(nr_rules, 0);
}

static void bad_words(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} bad[] = {
		{ "", 0 }, { ",", 0 }, { "read,", 5 }, { "read,,write", 5 }, { "read,raed", 5 },
		{ "!", 0 }, { "read,!", 5 }, { "%", 0 }, { "%net", 0 }, { "%network,%files", 9 },
		{ "READ", 0 }, { "read ", 0 }, { " read", 0 }, { "sparc:read", 0 }, { ":read", 0 },
		{ "i386:", 0 }, { "x86_64:socketcall", 0 }, { "1024", 0 }, { "-1", 0 }, { "12x", 0 },
		{ "0x10", 0 }, { "99999999999999999999", 0 }, { "sparc:3", 0 }, { "**", 0 },
		{ "i386:arm:read", 0 },
		{ "openatopenatopenatopenatopenatopenatopenatopenatopenatopenatopenatopenatopenat", 0 },
	};
	struct systrace_rule *none = NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const char *at = NULL;

		assert_int_equal(systrace_rules(&none, bad[i].text, &at), -EINVAL);
		assert_ptr_equal(at, bad[i].text + bad[i].at);
		assert_int_equal(systrace_rules(&none, bad[i].text, NULL), -EINVAL);
		assert_null(none);
	}
}

/* ----------------------------------------------------------- the tables --- */

static void argument_is(unsigned abi, const char *call, unsigned i, const char *type, const char *name)
{
	const struct systrace_argument *a =
		systrace_syscall_argument(abi, systrace_syscall_number(abi, call), i);

	assert_non_null(a);
	assert_string_equal(a->type, type);
	assert_string_equal(a->name, name);
}

static void known_arguments(void **state)
{
	(void)state;
	argument_is(SYSTRACE_ABI_X86_64, "read", 0, "unsigned int", "fd");
	argument_is(SYSTRACE_ABI_X86_64, "read", 1, "char *", "buf");
	argument_is(SYSTRACE_ABI_X86_64, "read", 2, "size_t", "count");
	argument_is(SYSTRACE_ABI_X86_64, "execve", 1, "const char *const *", "argv");
	argument_is(SYSTRACE_ABI_X86_64, "mmap", 5, "unsigned long", "off");
	argument_is(SYSTRACE_ABI_ARM64, "openat", 1, "const char *", "filename");
	argument_is(SYSTRACE_ABI_ARM, "pread64", 4, "u32", "pos_lo");
	argument_is(SYSTRACE_ABI_ARM, "pread64", 5, "u32", "pos_hi");
	argument_is(SYSTRACE_ABI_I386, "socketcall", 0, "int", "call");
}

/* Each call that exists has as many as it takes, and no more. */
static void all_arguments(void **state)
{
	unsigned with = 0, without = 0;

	(void)state;
	for (unsigned abi = 1; abi <= SYSTRACE_ABI_ALL; abi <<= 1) {
		for (int nr = -2; nr <= SYSTRACE_NR_MAX + 1; nr++) {
			int nargs = systrace_syscall_nargs(abi, nr);

			for (int i = 0; i < nargs; i++)
				assert_non_null(systrace_syscall_argument(abi, nr, (unsigned)i));
			assert_null(systrace_syscall_argument(abi, nr, nargs < 0 ? 0 : (unsigned)nargs));
			assert_null(systrace_syscall_argument(abi, nr, 6));
			assert_null(systrace_syscall_argument(abi, nr, ~0U));
			with += nargs > 0;
			without += nargs == 0;
		}
	}
	assert_true(with > 1500 && without > 50);
	assert_null(systrace_syscall_argument(0, 0, 0));
	assert_null(systrace_syscall_argument(3, 0, 0));
}

static void class_is(const char *call, unsigned classes)
{
	int nr = systrace_syscall_number(NATIVE, call);

	assert_int_equal(systrace_syscall_classes(NATIVE, nr), classes);
}

static void known_classes(void **state)
{
	(void)state;
	class_is("openat", SYSTRACE_CLASS_FILE | SYSTRACE_CLASS_DESCRIPTOR);
	class_is("read", SYSTRACE_CLASS_DESCRIPTOR);
	class_is("connect", SYSTRACE_CLASS_NETWORK | SYSTRACE_CLASS_DESCRIPTOR);
	class_is("mmap", SYSTRACE_CLASS_MEMORY | SYSTRACE_CLASS_DESCRIPTOR);
	class_is("munmap", SYSTRACE_CLASS_MEMORY);
	class_is("execve", SYSTRACE_CLASS_FILE | SYSTRACE_CLASS_PROCESS);
	class_is("kill", SYSTRACE_CLASS_PROCESS | SYSTRACE_CLASS_SIGNAL);
	class_is("rt_sigreturn", SYSTRACE_CLASS_SIGNAL);
	class_is("shmget", SYSTRACE_CLASS_IPC);
	class_is("getpid", 0);
	assert_int_equal(systrace_syscall_classes(NATIVE, -1), 0);
	assert_int_equal(systrace_syscall_classes(NATIVE, 1023), 0);
	assert_int_equal(systrace_syscall_classes(0, 0), 0);
}

static void names_of_classes(void **state)
{
	unsigned n = 0;

	(void)state;
	for (unsigned bit = 1; bit; bit <<= 1) {
		const char *name = systrace_class_name(bit);

		if (!name)
			continue;
		assert_int_equal(systrace_class(name), bit);
		n++;
	}
	assert_int_equal(n, 7);
	assert_string_equal(systrace_class_name(SYSTRACE_CLASS_IPC), "ipc");
	assert_null(systrace_class_name(0));
	assert_null(systrace_class_name(3));
	assert_int_equal(systrace_class("files"), 0);
	assert_int_equal(systrace_class(""), 0);
}

static void names_of_abis(void **state)
{
	(void)state;
	assert_string_equal(systrace_abi_name(SYSTRACE_ABI_X86_64), "x86_64");
	assert_string_equal(systrace_abi_name(SYSTRACE_ABI_ARM), "arm");
	assert_null(systrace_abi_name(0));
	assert_null(systrace_abi_name(SYSTRACE_ABI_ALL));
	assert_null(systrace_abi_name(SYSTRACE_ABI_ALL + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(by_name, forget),
		cmocka_unit_test_teardown(by_abi, forget),
		cmocka_unit_test_teardown(by_number, forget),
		cmocka_unit_test_teardown(by_class, forget),
		cmocka_unit_test_teardown(all_but, forget),
		cmocka_unit_test(bad_words),
		cmocka_unit_test(known_arguments),
		cmocka_unit_test(all_arguments),
		cmocka_unit_test(known_classes),
		cmocka_unit_test(names_of_classes),
		cmocka_unit_test(names_of_abis),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
