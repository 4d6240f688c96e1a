// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The system call table against what is known without its generator: the
 * numbers in the C library's kernel headers, and argument counts from the
 * manual pages, above all where the ABIs differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum abi { X86_64, X32, I386, ARM64, ARM, ABIS };

struct call {
	enum abi abi;
	unsigned int nr;
	const char *name;
	int args;
};

static const struct call table[] = {
#define SYSTRACE_SYSCALL(abi, nr, name, args)	{ abi, nr, #name, args },
#include <systrace/syscalls.tbl>
#undef SYSTRACE_SYSCALL
};

static const char *const abi_name[ABIS] = { "X86_64", "X32", "I386", "ARM64", "ARM" };
static const char *const header_name[ABIS] = {
	"unistd_64.h", "unistd_x32.h", "unistd_32.h", "unistd.h for arm64", "unistd.h for arm"
};

/* Numbers in the middle of the range that came after the first headers we meet. */
static const char *const late_in_a_gap[] = { "uretprobe", "uprobe" };

static const struct call *by_name(enum abi abi, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].abi == abi && !strcmp(table[i].name, name))
			return &table[i];
	return NULL;
}

static unsigned int last_nr(enum abi abi)
{
	unsigned int last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].abi == abi && table[i].nr > last)
			last = table[i].nr;
	return last;
}

/* Also proves that no number is there twice, which a lookup by number relies on. */
static void test_sorted(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_SIZE(table); i++) {
		const struct call *a = &table[i - 1], *b = &table[i];

		if (a->abi > b->abi || (a->abi == b->abi && a->nr >= b->nr))
			fail_msg("%s %u %s after %s %u %s", abi_name[b->abi], b->nr, b->name,
				 abi_name[a->abi], a->nr, a->name);
	}
}

static void test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct call *c = &table[i];

		if (c->args < 0 || c->args > 6)
			fail_msg("%s %s: %d arguments", abi_name[c->abi], c->name, c->args);
		for (const char *p = c->name; *p; p++)
			if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_')
				fail_msg("%s %u: name %s", abi_name[c->abi], c->nr, c->name);
		if (by_name(c->abi, c->name) != c)
			fail_msg("%s %s is there twice", abi_name[c->abi], c->name);
	}
}

/* 512 to 547 are x32's own, and only x32 has them. */
static void test_x32_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct call *c = &table[i];

		if (c->abi == X86_64)
			assert_false(c->nr >= 512 && c->nr <= 547);
		if (c->abi == X32)
			assert_in_range(c->nr, 0, 547);
	}
	for (unsigned int nr = 512; nr <= 547; nr++) {
		size_t i = 0;

		while (i < ARRAY_SIZE(table) && (table[i].abi != X32 || table[i].nr != nr))
			i++;
		assert_true(i < ARRAY_SIZE(table));
	}
}

/* arm's definitions stand under conditions, in headers that change with each release. */
static FILE *preprocess(const char *arguments)
{
	char command[512];
	FILE *file;
	int c;

	snprintf(command, sizeof(command), "echo '#include <asm/unistd.h>' |"
		 " cpp -dM -nostdinc %s 2>/dev/null | grep __NR | LC_ALL=C sort", arguments);
	file = popen(command, "r");
	assert_non_null(file);
	c = getc(file);
	if (c == EOF) {
		pclose(file);
		return NULL;
	}
	ungetc(c, file);
	return file;
}

static FILE *open_header(enum abi abi)
{
	static const char *const dirs[] = {
		"/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm",
		"/usr/lib/linux/uapi/x86/asm",
	};
	const char *given = getenv("SYSTRACE_ASM_HEADERS");
	char path[4096];
	FILE *file = NULL;

	if (abi == ARM64)
		return preprocess("-I/usr/aarch64-linux-gnu/include -D__aarch64__");
	if (abi == ARM)
		return preprocess("-I/usr/arm-linux-gnueabihf/include -D__ARM_EABI__");
	for (size_t i = 0; !file && i < (given ? 1 : ARRAY_SIZE(dirs)); i++) {
		snprintf(path, sizeof(path), "%s/%s", given ? given : dirs[i], header_name[abi]);
		file = fopen(path, "r");
	}
	return file;
}

/* A call by two names, the first of them for both sizes of a word: sorted before the second. */
struct other {
	char name[128];
	unsigned int nr;
};

#define OTHERS	64

static bool number_of(const char *line, char *name, unsigned int *nr, struct other *others)
{
	struct other *o = others;
	char other[128];

	while (*o->name)
		o++;
	assert_true(o < others + OTHERS - 1);
	if (sscanf(line, "#define __NR3264_%127s %u", o->name, &o->nr) == 2)
		return false;
	*o->name = '\0';
	if (sscanf(line, "#define __NR_%127s __NR3264_%127s", name, other) == 2) {
		for (o = others; *o->name && strcmp(o->name, other); o++)
			;
		*nr = o->nr;
		return *o->name;
	}
	return sscanf(line, "#define __NR_%127s (__X32_SYSCALL_BIT + %u)", name, nr) == 2 ||
	       sscanf(line, "#define __NR_%127s (__NR_SYSCALL_BASE + %u)", name, nr) == 2 ||
	       sscanf(line, "#define __NR_%127s %u", name, nr) == 2;
}

/* Which of the names are none of a call. */
static bool is_call(const char *name)
{
	return !isupper((unsigned char)*name) && strcmp(name, "syscalls") &&
	       strcmp(name, "arch_specific_syscall");
}

/* Fills @seen for each entry that a header names; returns the header's last number. */
static unsigned int read_header(FILE *file, enum abi abi, char *seen)
{
	unsigned int nr, last = 0, newest = last_nr(I386);
	struct other others[OTHERS] = { 0 };
	char line[256], name[128];

	while (fgets(line, sizeof(line), file)) {
		const struct call *c;

		if (!number_of(line, name, &nr, others) || !is_call(name))
			continue;
		if (nr > last && nr < 512)
			last = nr;
		c = by_name(abi, name);
		if (!c && nr > newest) {
			print_message("%s %u %s is newer than the table\n", abi_name[abi], nr, name);
			continue;
		}
		if (!c || c->nr != nr)
			fail_msg("%s: %s is %u, in the table %d", header_name[abi], name, nr,
				 c ? (int)c->nr : -1);
		seen[c - table] = 1;
	}
	return last;
}

static int is_late(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(late_in_a_gap); i++)
		if (!strcmp(name, late_in_a_gap[i]))
			return 1;
	return 0;
}

/* Both ways: what the header names is in the table, and the table invents nothing. */
static void check_header(enum abi abi)
{
	FILE *file = open_header(abi);
	char seen[ARRAY_SIZE(table)] = { 0 };
	unsigned int last;

	if (!file) {
#ifdef __x86_64__
		fail_msg("no asm/%s: set SYSTRACE_ASM_HEADERS, or install linux-libc-dev-ARCH-cross",
			 header_name[abi]);
#endif
		skip();
	}
	last = read_header(file, abi, seen);
	if (abi < ARM64)
		fclose(file);
	else
		assert_int_equal(pclose(file), 0);
	assert_true(last > 400);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct call *c = &table[i];

		if (c->abi != abi || seen[i] || is_late(c->name))
			continue;
		if (c->nr <= last || c->nr >= 512)
			fail_msg("%s %u %s is not in %s", abi_name[abi], c->nr, c->name,
				 header_name[abi]);
	}
}

static void test_header_x86_64(void **state)
{
	(void)state;
	check_header(X86_64);
}

static void test_header_x32(void **state)
{
	(void)state;
	check_header(X32);
}

static void test_header_i386(void **state)
{
	(void)state;
	check_header(I386);
}

static void test_header_arm64(void **state)
{
	(void)state;
	check_header(ARM64);
}

static void test_header_arm(void **state)
{
	(void)state;
	check_header(ARM);
}

static const struct call known[] = {
	{ X86_64, 0, "read", 3 },
	{ X86_64, 9, "mmap", 6 },
	{ X86_64, 15, "rt_sigreturn", 0 },
	{ X86_64, 17, "pread64", 4 },
	{ X86_64, 23, "select", 5 },
	{ X86_64, 39, "getpid", 0 },
	{ X86_64, 45, "recvfrom", 6 },
	{ X86_64, 56, "clone", 5 },
	{ X86_64, 57, "fork", 0 },
	{ X86_64, 59, "execve", 3 },
	{ X86_64, 60, "exit", 1 },
	{ X86_64, 72, "fcntl", 3 },
	{ X86_64, 76, "truncate", 2 },
	{ X86_64, 158, "arch_prctl", 2 },
	{ X86_64, 165, "mount", 5 },
	{ X86_64, 184, "tuxcall", 0 },		/* never was */
	{ X86_64, 202, "futex", 6 },
	{ X86_64, 212, "lookup_dcookie", 3 },	/* gone by 6.1 */
	{ X86_64, 219, "restart_syscall", 0 },
	{ X86_64, 221, "fadvise64", 4 },
	{ X86_64, 257, "openat", 4 },
	{ X86_64, 277, "sync_file_range", 4 },
	{ X86_64, 285, "fallocate", 4 },
	{ X86_64, 295, "preadv", 5 },		/* takes pos_h, ignores it */
	{ X86_64, 301, "fanotify_mark", 5 },
	{ X86_64, 321, "bpf", 5 },		/* 3 before 7.x */
	{ X86_64, 332, "statx", 5 },
	{ X86_64, 435, "clone3", 2 },
	{ X86_64, 462, "mseal", 3 },

	{ X32, 0, "read", 3 },
	{ X32, 9, "mmap", 6 },
	{ X32, 17, "pread64", 4 },		/* a 64-bit value takes one register */
	{ X32, 56, "clone", 5 },
	{ X32, 512, "rt_sigaction", 4 },
	{ X32, 513, "rt_sigreturn", 0 },
	{ X32, 520, "execve", 3 },
	{ X32, 521, "ptrace", 4 },
	{ X32, 534, "preadv", 4 },
	{ X32, 535, "pwritev", 4 },
	{ X32, 545, "execveat", 5 },
	{ X32, 546, "preadv2", 5 },
	{ X32, 547, "pwritev2", 5 },

	{ I386, 0, "restart_syscall", 0 },
	{ I386, 3, "read", 3 },
	{ I386, 11, "execve", 3 },
	{ I386, 17, "break", 0 },
	{ I386, 58, "ulimit", 0 },
	{ I386, 67, "sigaction", 3 },
	{ I386, 72, "sigsuspend", 3 },		/* two unused, then the mask */
	{ I386, 82, "select", 1 },		/* a structure */
	{ I386, 86, "uselib", 1 },		/* gone by 7.3 */
	{ I386, 90, "mmap", 1 },		/* a structure */
	{ I386, 92, "truncate", 2 },
	{ I386, 102, "socketcall", 2 },
	{ I386, 113, "vm86old", 1 },
	{ I386, 117, "ipc", 6 },
	{ I386, 119, "sigreturn", 0 },
	{ I386, 120, "clone", 5 },
	{ I386, 134, "bdflush", 2 },		/* gone by 6.1 */
	{ I386, 140, "_llseek", 5 },
	{ I386, 142, "_newselect", 5 },
	{ I386, 166, "vm86", 2 },
	{ I386, 173, "rt_sigreturn", 0 },
	{ I386, 180, "pread64", 5 },
	{ I386, 181, "pwrite64", 5 },
	{ I386, 192, "mmap2", 6 },
	{ I386, 193, "truncate64", 3 },
	{ I386, 194, "ftruncate64", 3 },
	{ I386, 225, "readahead", 4 },
	{ I386, 240, "futex", 6 },
	{ I386, 250, "fadvise64", 5 },
	{ I386, 253, "lookup_dcookie", 4 },
	{ I386, 272, "fadvise64_64", 6 },
	{ I386, 314, "sync_file_range", 6 },
	{ I386, 324, "fallocate", 6 },
	{ I386, 333, "preadv", 5 },
	{ I386, 339, "fanotify_mark", 6 },
	{ I386, 378, "preadv2", 6 },
	{ I386, 384, "arch_prctl", 2 },

	{ ARM64, 0, "io_setup", 2 },
	{ ARM64, 18, "lookup_dcookie", 3 },	/* gone by 6.12 */
	{ ARM64, 25, "fcntl", 3 },
	{ ARM64, 38, "renameat", 4 },		/* its own, not of each such architecture */
	{ ARM64, 42, "nfsservctl", 0 },		/* never was */
	{ ARM64, 45, "truncate", 2 },
	{ ARM64, 57, "close", 1 },
	{ ARM64, 63, "read", 3 },
	{ ARM64, 67, "pread64", 4 },
	{ ARM64, 72, "pselect6", 6 },
	{ ARM64, 79, "newfstatat", 4 },
	{ ARM64, 84, "sync_file_range", 4 },
	{ ARM64, 128, "restart_syscall", 0 },
	{ ARM64, 139, "rt_sigreturn", 0 },
	{ ARM64, 172, "getpid", 0 },
	{ ARM64, 220, "clone", 5 },
	{ ARM64, 221, "execve", 3 },
	{ ARM64, 222, "mmap", 6 },
	{ ARM64, 223, "fadvise64", 4 },
	{ ARM64, 281, "execveat", 5 },
	{ ARM64, 447, "memfd_secret", 1 },

	{ ARM, 0, "restart_syscall", 0 },
	{ ARM, 3, "read", 3 },
	{ ARM, 11, "execve", 3 },
	{ ARM, 72, "sigsuspend", 3 },		/* two unused, then the mask */
	{ ARM, 86, "uselib", 1 },		/* gone by 7.3 */
	{ ARM, 119, "sigreturn", 0 },
	{ ARM, 120, "clone", 5 },
	{ ARM, 134, "bdflush", 2 },		/* gone by 6.1 */
	{ ARM, 142, "_newselect", 5 },
	{ ARM, 149, "_sysctl", 0 },
	{ ARM, 173, "rt_sigreturn", 0 },
	{ ARM, 180, "pread64", 6 },		/* one unused, so that two begin with an even */
	{ ARM, 181, "pwrite64", 6 },
	{ ARM, 192, "mmap2", 6 },
	{ ARM, 193, "truncate64", 4 },
	{ ARM, 194, "ftruncate64", 4 },
	{ ARM, 225, "readahead", 5 },
	{ ARM, 249, "lookup_dcookie", 4 },
	{ ARM, 266, "statfs64", 3 },
	{ ARM, 270, "arm_fadvise64_64", 6 },
	{ ARM, 271, "pciconfig_iobase", 0 },	/* of kernels of 32 bits alone */
	{ ARM, 341, "arm_sync_file_range", 6 },
	{ ARM, 352, "fallocate", 6 },
	{ ARM, 361, "preadv", 5 },
	{ ARM, 368, "fanotify_mark", 6 },
	{ ARM, 387, "execveat", 5 },
	{ ARM, 392, "preadv2", 6 },
};

static void test_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const struct call *k = &known[i], *c = by_name(k->abi, k->name);

		if (!c || c->nr != k->nr || c->args != k->args)
			fail_msg("%s %s: %d with %d arguments, not %u with %d", abi_name[k->abi],
				 k->name, c ? (int)c->nr : -1, c ? c->args : -1, k->nr, k->args);
	}
}

static int is_known(const struct call *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].abi == call->abi && !strcmp(known[i].name, call->name))
			return 1;
	return 0;
}

/*
 * The compat and the native form of a call are defined apart from each other, so
 * a count read wrongly shows as a difference. Those that really differ are checked
 * by hand above, or have an implementation on i386 only.
 */
static void test_abis_agree(void **state)
{
	static const char *const i386_only[] = {
		"get_thread_area", "set_thread_area",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const struct call *c = &table[i], *native = by_name(X86_64, c->name);
		int excused = is_known(c);

		for (size_t j = 0; j < ARRAY_SIZE(i386_only); j++)
			excused |= c->abi == I386 && !strcmp(c->name, i386_only[j]);
		if (native && native->args != c->args && !excused)
			fail_msg("%s %s has %d arguments, X86_64 %d", abi_name[c->abi], c->name,
				 c->args, native->args);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorted),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_x32_range),
		cmocka_unit_test(test_header_x86_64),
		cmocka_unit_test(test_header_x32),
		cmocka_unit_test(test_header_i386),
		cmocka_unit_test(test_header_arm64),
		cmocka_unit_test(test_header_arm),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_abis_agree),
	};

	return cmocka_run_group_tests_name("syscalls", tests, NULL, NULL);
}
