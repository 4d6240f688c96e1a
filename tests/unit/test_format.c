// SPDX-License-Identifier: GPL-2.0-or-later
/* Each record type as a line of text, to the byte. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <format.h>

#define TIME	12000000345ULL
#define HEAD(TYPE, structure)	\
	{ .size = sizeof(structure), .type = SYSTRACE_##TYPE, .tid = 100, .seq = 7 }

/* The largest record there is, for those with a string behind them. */
static union {
	struct systrace_event event;
	struct systrace_task task;
	struct systrace_exec exec;
	char bytes[sizeof(struct systrace_task) + SYSTRACE_FILE_BYTES];
} record;

static void check_line(const void *event, bool raw, const char *expected)
{
	char line[SYSTRACE_FORMAT_BYTES];
	size_t length = systrace_format_line(line, event, TIME, raw);

	assert_in_range(length, 1, SYSTRACE_FORMAT_BYTES - 1);
	line[length] = 0;
	assert_string_equal(line, expected);
}

static void check(const void *event, const char *expected)
{
	check_line(event, true, expected);
}

static void enter_prints_the_arguments_it_has(void **state)
{
	struct systrace_enter e = {
		.event = HEAD(ENTER, e),
		.nr = 1,
		.nargs = 3,
		.args = { 1, 0xdeadbeef0, 0, 4, 5, 0xffffffffffffffff },
	};

	(void)state;
	check(&e, "7 12.000000345 100 ENTER write(0x1, 0xdeadbeef0, 0x0)");
	e.nr = 39;
	e.nargs = 0;
	check(&e, "7 12.000000345 100 ENTER getpid()");
	e.nr = 9;
	e.nargs = 6;
	check(&e, "7 12.000000345 100 ENTER mmap(0x1, 0xdeadbeef0, 0x0, 0x4, 0x5, "
		  "0xffffffffffffffff)");
}

static void enter_believes_size_before_nargs(void **state)
{
	struct systrace_enter e = { .event = HEAD(ENTER, e), .nr = 9, .nargs = 1000 };

	(void)state;
	check(&e, "7 12.000000345 100 ENTER mmap(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)");
	e.event.size = offsetof(struct systrace_enter, args) + 8;
	check(&e, "7 12.000000345 100 ENTER mmap(0x0)");
}

static void calls_name_their_abi(void **state)
{
	struct systrace_enter e = { .event = HEAD(ENTER, e), .nr = 20 };
	struct systrace_return r = { .event = HEAD(RETURN, r), .nr = 4, .result = 3 };

	(void)state;
	e.event.flags = SYSTRACE_FLAG_I386;
	check(&e, "7 12.000000345 100 ENTER i386:getpid()");
	e.event.flags = SYSTRACE_FLAG_X32;
	e.nr = 512;
	check(&e, "7 12.000000345 100 ENTER x32:rt_sigaction()");
	r.event.flags = SYSTRACE_FLAG_I386;
	check(&r, "7 12.000000345 100 RETURN i386:write = 3");
	r.event.flags = SYSTRACE_FLAG_ARM;
	check(&r, "7 12.000000345 100 RETURN arm:write = 3");
	r.event.flags = SYSTRACE_FLAG_ARM64;
	r.nr = 64;
	check(&r, "7 12.000000345 100 RETURN write = 3");
}

static void unknown_calls_print_their_number(void **state)
{
	struct systrace_enter e = { .event = HEAD(ENTER, e), .nr = 0x3ff };
	struct systrace_return r = { .event = HEAD(RETURN, r), .nr = -1, .result = -38 };

	(void)state;
	check(&e, "7 12.000000345 100 ENTER syscall_0x3ff()");
	check(&r, "7 12.000000345 100 RETURN syscall_0xffffffff = -38 ENOSYS");
	r.event.flags = SYSTRACE_FLAG_I386;
	check(&r, "7 12.000000345 100 RETURN i386:syscall_0xffffffff = -38 ENOSYS");
}

static void results_name_their_error(void **state)
{
	struct systrace_return r = { .event = HEAD(RETURN, r), .nr = 0 };
	static const struct {
		__s64 result;
		const char *line;
	} cases[] = {
		{ 0, "7 12.000000345 100 RETURN read = 0" },
		{ 12, "7 12.000000345 100 RETURN read = 12" },
		{ -2, "7 12.000000345 100 RETURN read = -2 ENOENT" },
		{ -512, "7 12.000000345 100 RETURN read = -512 ERESTARTSYS" },
		{ -516, "7 12.000000345 100 RETURN read = -516 ERESTART_RESTARTBLOCK" },
		{ -4095, "7 12.000000345 100 RETURN read = -4095" },
		{ -4096, "7 12.000000345 100 RETURN read = -4096" },
		{ INT64_MAX, "7 12.000000345 100 RETURN read = 9223372036854775807" },
		{ INT64_MIN, "7 12.000000345 100 RETURN read = -9223372036854775808" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r.result = cases[i].result;
		check(&r, cases[i].line);
	}
}

static void fork_exit_signal_detach(void **state)
{
	struct systrace_fork f = {
		.event = HEAD(FORK, f), .child = 101, .tgid = 101, .clone_flags = 0x1200011,
	};
	struct systrace_exit x = { .event = HEAD(EXIT, x), .code = 3 << 8 };
	struct systrace_signal s = { .event = HEAD(SIGNAL, s), .signo = 11, .code = -6 };
	struct systrace_detach d = { .event = HEAD(DETACH, d), .reason = SYSTRACE_DETACH_EXEC };

	(void)state;
	check(&f, "7 12.000000345 100 FORK child=101 tgid=101 flags=0x1200011");
	check(&x, "7 12.000000345 100 EXIT status=3");
	x.code = 11 | 0x80;	/* with a core dump */
	check(&x, "7 12.000000345 100 EXIT signal=11");
	check(&s, "7 12.000000345 100 SIGNAL signo=11 code=-6");
	check(&d, "7 12.000000345 100 DETACH reason=exec");
	d.reason = 99;
	check(&d, "7 12.000000345 100 DETACH reason=unknown");
}

static void lost_tells_count_cause_cpu(void **state)
{
	struct systrace_lost l = {
		.event = HEAD(LOST, l), .count = UINT64_MAX, .cause = SYSTRACE_LOST_CHILD, .cpu = 3,
	};

	(void)state;
	check(&l, "7 12.000000345 100 LOST count=18446744073709551615 cause=child cpu=3");
	l.cause = SYSTRACE_LOST_FULL;
	l.event.tid = 0;
	check(&l, "7 12.000000345 0 LOST count=18446744073709551615 cause=full cpu=3");
	l.cause = SYSTRACE_LOST_NO_RING;
	check(&l, "7 12.000000345 0 LOST count=18446744073709551615 cause=no-ring cpu=3");
}

static void task_and_exec_print_their_file(void **state)
{
	(void)state;
	memset(&record, 0, sizeof(record));
	record.task = (struct systrace_task){
		.event = HEAD(TASK, record.task), .tgid = 99, .ppid = 1, .comm = "bash",
	};
	check(&record, "7 12.000000345 100 TASK tgid=99 ppid=1 comm=bash exe=");
	record.event.size += 16;
	strcpy(record.bytes + sizeof(record.task), "/bin/bash");
	check(&record, "7 12.000000345 100 TASK tgid=99 ppid=1 comm=bash exe=/bin/bash");

	memset(&record, 0, sizeof(record));
	record.exec = (struct systrace_exec){
		.event = HEAD(EXEC, record.exec), .oldtid = 102, .comm = "ls",
	};
	record.event.size += 8;
	strcpy(record.bytes + sizeof(record.exec), "/bin/ls");
	check(&record, "7 12.000000345 100 EXEC oldtid=102 comm=ls file=/bin/ls");
}

static void names_cannot_forge_lines(void **state)
{
	(void)state;
	memset(&record, 0, sizeof(record));
	record.exec = (struct systrace_exec){
		.event = HEAD(EXEC, record.exec), .oldtid = 100, .comm = "a b\n8 1.0\x7f\xff",
	};
	record.event.size += 16;
	strcpy(record.bytes + sizeof(record.exec), "\\x20\t\x01\x1f!~");
	check(&record, "7 12.000000345 100 EXEC oldtid=100 comm=a\\x20b\\x0a8\\x201.0\\x7f\\xff "
		       "file=\\x5cx20\\x09\\x01\\x1f!~");
}

/* As far as there is room, and no half of an escaped byte; what is behind the room stays. */
static void names_that_one_prints_oneself(void **state)
{
	char all[256], text[4 * sizeof(all) + 1], *p = text;

	(void)state;
	for (size_t i = 1; i < sizeof(all); i++)
		all[i - 1] = (char)i;
	all[sizeof(all) - 1] = 0;
	assert_ptr_equal(systrace_escape(all, text, sizeof(text)), text);
	for (int c = 1; c < 256; c++) {
		char expected[8];
		size_t length = (size_t)snprintf(expected, sizeof(expected),
						 c > ' ' && c <= '~' && c != '\\' ? "%c" : "\\x%02x", c);

		assert_memory_equal(p, expected, length);
		p += length;
	}
	assert_int_equal(*p, 0);

	for (size_t size = 0; size <= 7; size++) {
		static const char *const as_far_as[] = {
			"", "", "a", "a", "a", "a", "a\\x0a", "a\\x0ab"
		};

		memset(text, '?', sizeof(text));
		assert_string_equal(systrace_escape("a\nb", text, size), as_far_as[size]);
		assert_int_equal(text[size], '?');
	}
}

static void longest_names_fit(void **state)
{
	char line[SYSTRACE_FORMAT_BYTES];
	size_t length;

	(void)state;
	memset(&record, '\n', sizeof(record));
	record.event = (struct systrace_event){
		.size = sizeof(record), .type = SYSTRACE_TASK, .tid = UINT32_MAX, .seq = UINT64_MAX,
	};
	record.task.tgid = record.task.ppid = UINT32_MAX;
	record.bytes[sizeof(record) - 1] = 0;
	length = systrace_format_line(line, &record.event, UINT64_MAX, false);
	assert_in_range(length, 4 * (SYSTRACE_FILE_BYTES - 1 + SYSTRACE_COMM_BYTES), sizeof(line));
	assert_null(memchr(line, '\n', length));
}

static void unknown_and_short_records_are_no_line(void **state)
{
	struct systrace_return r = { .event = HEAD(RETURN, r) };
	char line[SYSTRACE_FORMAT_BYTES];

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		r.event.type = (__u8)type;
		r.event.size = sizeof(r.event);
		assert_int_equal(systrace_format_line(line, &r.event, 0, false), 0);
	}
	r.event.size = sizeof(r);
	r.event.type = SYSTRACE_DETACH + 1;
	assert_int_equal(systrace_format_line(line, &r.event, 0, false), 0);
}

/* ----------------------------------------------------------------- words --- */

/* An ENTER of that call in words, from its name on */
static void check_call(unsigned flag, const char *name, unsigned nargs, const uint64_t *args,
		       const char *expected)
{
	struct systrace_enter e = { .event = HEAD(ENTER, e), .nargs = nargs };
	char text[512];

	e.nr = systrace_syscall_number(1U << flag, name);
	assert_true(e.nr >= 0);
	e.event.flags = (__u8)flag;
	memcpy(e.args, args, nargs * sizeof(*args));
	snprintf(text, sizeof(text), "7 12.000000345 100 ENTER %s", expected);
	check_line(&e, false, text);
}

#ifdef __aarch64__
#define NATIVE	SYSTRACE_FLAG_ARM64
#else
#define NATIVE	SYSTRACE_FLAG_X86_64
#endif
#define CALL(name, expected, ...)	do {						\
	const uint64_t args[] = { __VA_ARGS__ };					\
	check_call(NATIVE, name, sizeof(args) / sizeof(args[0]), args, expected);	\
} while (0)

static void flags_are_words(void **state)
{
	(void)state;
	CALL("openat", "openat(AT_FDCWD, 0x1000, O_RDONLY|O_CLOEXEC, 0)",
	     (uint32_t)AT_FDCWD, 0x1000, O_CLOEXEC, 0);
	CALL("openat", "openat(AT_FDCWD, 0x1000, O_WRONLY|O_CREAT|O_TRUNC, 0644)",
	     (uint64_t)AT_FDCWD, 0x1000, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CALL("openat", "openat(3, 0, O_RDWR|O_SYNC|0x80000000, 0)", 3, 0, O_RDWR | O_SYNC | 1U << 31, 0);
	CALL("openat", "openat(3, 0, O_RDWR|O_DSYNC, 0)", 3, 0, O_RDWR | O_DSYNC, 0);
	CALL("mmap", "mmap(0, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)",
	     0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, ~0ULL, 0);
	CALL("mprotect", "mprotect(0x7000, 8192, PROT_NONE)", 0x7000, 8192, PROT_NONE);
	CALL("socket", "socket(AF_INET6, SOCK_DGRAM|SOCK_CLOEXEC, 17)", AF_INET6,
	     SOCK_DGRAM | SOCK_CLOEXEC, 17);
	CALL("wait4", "wait4(-1, 0x10, WNOHANG|WUNTRACED, 0)", (uint32_t)-1, 0x10,
	     WNOHANG | WUNTRACED, 0);
	CALL("sendto", "sendto(4, 0x10, 5, MSG_NOSIGNAL, 0, 0)", 4, 0x10, 5, MSG_NOSIGNAL, 0, 0);
	CALL("recvmsg", "recvmsg(4, 0x10, 0)", 4, 0x10, 0);
	CALL("flock", "flock(4, LOCK_EX|LOCK_NB)", 4, LOCK_EX | LOCK_NB);
	CALL("faccessat", "faccessat(AT_FDCWD, 0x10, R_OK|X_OK)", (uint32_t)AT_FDCWD, 0x10, R_OK | X_OK);
	CALL("faccessat", "faccessat(AT_FDCWD, 0x10, F_OK)", (uint32_t)AT_FDCWD, 0x10, F_OK);
}

static void commands_are_words(void **state)
{
	(void)state;
	CALL("fcntl", "fcntl(3, F_SETFD, 0x1)", 3, F_SETFD, 1);
	CALL("ioctl", "ioctl(0, TIOCGWINSZ, 0x10)", 0, TIOCGWINSZ, 0x10);
	CALL("ioctl", "ioctl(0, 0x12345678, 0)", 0, 0x12345678, 0);
	CALL("prctl", "prctl(PR_SET_NAME, 0x10, 0, 0, 0)", PR_SET_NAME, 0x10, 0, 0, 0);
	CALL("lseek", "lseek(3, -1, SEEK_END)", 3, (uint64_t)-1, SEEK_END);
	CALL("kill", "kill(-5, SIGTERM)", (uint32_t)-5, SIGTERM);
	CALL("kill", "kill(5, 0)", 5, 0);
	CALL("tgkill", "tgkill(5, 6, SIGRT_2)", 5, 6, 34);
	CALL("futex", "futex(0x10, FUTEX_PRIVATE_FLAG|FUTEX_WAIT, 2, 0, 0, 0)", 0x10, 128, 2, 0, 0, 0);
	CALL("madvise", "madvise(0x1000, 4096, MADV_DONTNEED)", 0x1000, 4096, MADV_DONTNEED);
	CALL("clock_gettime", "clock_gettime(CLOCK_MONOTONIC, 0x10)", CLOCK_MONOTONIC, 0x10);
	CALL("prlimit64", "prlimit64(0, RLIMIT_NOFILE, 0, 0x10)", 0, RLIMIT_NOFILE, 0, 0x10);
}

static void clone_has_a_signal_in_its_flags(void **state)
{
	struct systrace_fork f = { .event = HEAD(FORK, f), .child = 101, .tgid = 101 };

	(void)state;
	CALL("clone", "clone(CLONE_VM|CLONE_FS|SIGCHLD, 0, 0, 0, 0)", CLONE_VM | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	CALL("clone", "clone(SIGCHLD, 0, 0, 0, 0)", SIGCHLD, 0, 0, 0, 0);
	CALL("clone", "clone(0, 0, 0, 0, 0)", 0, 0, 0, 0, 0);
	CALL("clone", "clone(CLONE_VFORK, 0, 0, 0, 0)", CLONE_VFORK, 0, 0, 0, 0);
	CALL("unshare", "unshare(CLONE_NEWNS|CLONE_NEWNET)", CLONE_NEWNS | CLONE_NEWNET);
	f.clone_flags = CLONE_VM | CLONE_VFORK | SIGCHLD;
	check_line(&f, false, "7 12.000000345 100 FORK child=101 tgid=101 flags=CLONE_VM|CLONE_VFORK|SIGCHLD");
}

/* What the kernel does not look at is not said. */
static void upper_halves_count_where_they_do(void **state)
{
	const uint64_t junk = 0xdead00000000;

	(void)state;
	CALL("close", "close(3)", junk | 3);
	CALL("openat", "openat(AT_FDCWD, 0xdead00000000, O_RDWR, 0600)", junk | (uint32_t)AT_FDCWD, junk,
	     junk | O_RDWR, junk | 0600);
	CALL("read", "read(3, 0xdead00000000, 244834610708480)", junk | 3, junk, junk);
}

static void other_abis_have_words(void **state)
{
	const uint64_t args[] = { (uint32_t)AT_FDCWD, 0x1000, O_RDONLY, 0 };
	const uint64_t seek[] = { 3, (uint32_t)-1, 0, 0x10, SEEK_CUR };

	(void)state;
	check_call(SYSTRACE_FLAG_I386, "openat", 4, args, "i386:openat(AT_FDCWD, 0x1000, O_RDONLY, 0)");
	check_call(SYSTRACE_FLAG_ARM, "openat", 4, args, "arm:openat(AT_FDCWD, 0x1000, O_RDONLY, 0)");
	check_call(SYSTRACE_FLAG_I386, "ssetmask", 1, (uint64_t[]){ 0 }, "i386:ssetmask([])");
	check_call(SYSTRACE_FLAG_I386, "ssetmask", 1, (uint64_t[]){ 1ULL << 32 | 0x80000402 },
		   "i386:ssetmask([SIGINT|SIGSEGV|SIGRT_0])");
	check_call(SYSTRACE_FLAG_I386, "sigsuspend", 3, (uint64_t[]){ 0, 0, 0xffffbffe },
		   "i386:sigsuspend(0, 0, ~[SIGHUP|SIGTERM])");
	check_call(SYSTRACE_FLAG_I386, "sigsuspend", 3, (uint64_t[]){ 0, 0, ~0ULL },
		   "i386:sigsuspend(0, 0, ~[])");
	check_call(SYSTRACE_FLAG_I386, "_llseek", 5, seek, "i386:_llseek(3, 0xffffffff, 0, 0x10, SEEK_CUR)");
}

static void addresses_are_hex(void **state)
{
	struct systrace_return r = { .event = HEAD(RETURN, r), .result = 0x7f0000001000 };

	(void)state;
	r.event.flags = NATIVE;
	r.nr = systrace_syscall_number(1U << NATIVE, "mmap");
	check_line(&r, false, "7 12.000000345 100 RETURN mmap = 0x7f0000001000");
	check_line(&r, true, "7 12.000000345 100 RETURN mmap = 139637976731648");
	r.result = -12;
	check_line(&r, false, "7 12.000000345 100 RETURN mmap = -12 ENOMEM");
	r.nr = systrace_syscall_number(1U << NATIVE, "read");
	r.result = 4096;
	check_line(&r, false, "7 12.000000345 100 RETURN read = 4096");
}

static void signals_have_names(void **state)
{
	struct systrace_signal s = { .event = HEAD(SIGNAL, s), .signo = SIGSEGV, .code = 1 };
	struct systrace_exit e = { .event = HEAD(EXIT, e), .code = SIGKILL };

	(void)state;
	check_line(&s, false, "7 12.000000345 100 SIGNAL signo=SIGSEGV code=1");
	check_line(&e, false, "7 12.000000345 100 EXIT signal=SIGKILL");
	s.signo = 65;
	check_line(&s, false, "7 12.000000345 100 SIGNAL signo=65 code=1");
	s.signo = -3;
	check_line(&s, false, "7 12.000000345 100 SIGNAL signo=-3 code=1");
	assert_string_equal(systrace_signal_name(SIGIO), "SIGIO");
	assert_string_equal(systrace_signal_name(64), "SIGRT_32");
	for (int signo = 1; signo <= 64; signo++)
		assert_non_null(systrace_signal_name(signo));
	assert_null(systrace_signal_name(0));
	assert_null(systrace_signal_name(-1));
	assert_null(systrace_signal_name(65));
}

/* Any call with any numbers is a line that fits. */
static void anything_fits(void **state)
{
	static const uint64_t values[] = { 0, 1, 0x7f, ~0ULL, 0xffffffff, 1ULL << 63, 0xaaaaaaaaaaaaaaaa,
					   0x5555555555555555 };
	size_t longest = 0;

	(void)state;
	for (unsigned flag = 0; flag < 8; flag++) {
		for (int nr = -1; nr < 600; nr++) {
			for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
				struct systrace_enter e = { .event = HEAD(ENTER, e), .nr = nr, .nargs = 6 };
				char line[SYSTRACE_FORMAT_BYTES];
				size_t length;

				e.event.flags = (__u8)flag;
				for (int a = 0; a < 6; a++)
					e.args[a] = values[i];
				length = systrace_format_line(line, &e.event, 0, false);
				assert_true(length > 0 && length < sizeof(line));
				longest = length > longest ? length : longest;
			}
		}
	}
	assert_true(longest > 300 && longest < 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enter_prints_the_arguments_it_has),
		cmocka_unit_test(enter_believes_size_before_nargs),
		cmocka_unit_test(calls_name_their_abi),
		cmocka_unit_test(unknown_calls_print_their_number),
		cmocka_unit_test(results_name_their_error),
		cmocka_unit_test(fork_exit_signal_detach),
		cmocka_unit_test(lost_tells_count_cause_cpu),
		cmocka_unit_test(task_and_exec_print_their_file),
		cmocka_unit_test(names_cannot_forge_lines),
		cmocka_unit_test(names_that_one_prints_oneself),
		cmocka_unit_test(longest_names_fit),
		cmocka_unit_test(unknown_and_short_records_are_no_line),
		cmocka_unit_test(flags_are_words),
		cmocka_unit_test(commands_are_words),
		cmocka_unit_test(clone_has_a_signal_in_its_flags),
		cmocka_unit_test(upper_halves_count_where_they_do),
		cmocka_unit_test(other_abis_have_words),
		cmocka_unit_test(addresses_are_hex),
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(anything_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
