// SPDX-License-Identifier: GPL-2.0-or-later
/* Each record type as a line of text, to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "format.h"

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

static void check(const void *event, const char *expected)
{
	char line[SYSTRACE_FORMAT_BYTES + 1];
	size_t length = systrace_format(line, event, TIME);

	assert_in_range(length, 1, SYSTRACE_FORMAT_BYTES);
	line[length] = 0;
	assert_string_equal(line, expected);
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
	check(&e, "7 12.000000345 100 ENTER write(0x1, 0xdeadbeef0, 0x0)\n");
	e.nr = 39;
	e.nargs = 0;
	check(&e, "7 12.000000345 100 ENTER getpid()\n");
	e.nr = 9;
	e.nargs = 6;
	check(&e, "7 12.000000345 100 ENTER mmap(0x1, 0xdeadbeef0, 0x0, 0x4, 0x5, "
		  "0xffffffffffffffff)\n");
}

static void enter_believes_size_before_nargs(void **state)
{
	struct systrace_enter e = { .event = HEAD(ENTER, e), .nr = 9, .nargs = 1000 };

	(void)state;
	check(&e, "7 12.000000345 100 ENTER mmap(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)\n");
	e.event.size = offsetof(struct systrace_enter, args) + 8;
	check(&e, "7 12.000000345 100 ENTER mmap(0x0)\n");
}

static void calls_name_their_abi(void **state)
{
	struct systrace_enter e = { .event = HEAD(ENTER, e), .nr = 20 };
	struct systrace_return r = { .event = HEAD(RETURN, r), .nr = 4, .result = 3 };

	(void)state;
	e.event.flags = SYSTRACE_FLAG_I386;
	check(&e, "7 12.000000345 100 ENTER i386:getpid()\n");
	e.event.flags = SYSTRACE_FLAG_X32;
	e.nr = 512;
	check(&e, "7 12.000000345 100 ENTER x32:rt_sigaction()\n");
	r.event.flags = SYSTRACE_FLAG_I386;
	check(&r, "7 12.000000345 100 RETURN i386:write = 3\n");
	r.event.flags = SYSTRACE_FLAG_ARM;
	check(&r, "7 12.000000345 100 RETURN arm:write = 3\n");
	r.event.flags = SYSTRACE_FLAG_ARM64;
	r.nr = 64;
	check(&r, "7 12.000000345 100 RETURN write = 3\n");
}

static void unknown_calls_print_their_number(void **state)
{
	struct systrace_enter e = { .event = HEAD(ENTER, e), .nr = 0x3ff };
	struct systrace_return r = { .event = HEAD(RETURN, r), .nr = -1, .result = -38 };

	(void)state;
	check(&e, "7 12.000000345 100 ENTER syscall_0x3ff()\n");
	check(&r, "7 12.000000345 100 RETURN syscall_0xffffffff = -38 ENOSYS\n");
	r.event.flags = SYSTRACE_FLAG_I386;
	check(&r, "7 12.000000345 100 RETURN i386:syscall_0xffffffff = -38 ENOSYS\n");
}

static void results_name_their_error(void **state)
{
	struct systrace_return r = { .event = HEAD(RETURN, r), .nr = 0 };
	static const struct {
		__s64 result;
		const char *line;
	} cases[] = {
		{ 0, "7 12.000000345 100 RETURN read = 0\n" },
		{ 12, "7 12.000000345 100 RETURN read = 12\n" },
		{ -2, "7 12.000000345 100 RETURN read = -2 ENOENT\n" },
		{ -512, "7 12.000000345 100 RETURN read = -512 ERESTARTSYS\n" },
		{ -516, "7 12.000000345 100 RETURN read = -516 ERESTART_RESTARTBLOCK\n" },
		{ -4095, "7 12.000000345 100 RETURN read = -4095\n" },
		{ -4096, "7 12.000000345 100 RETURN read = -4096\n" },
		{ INT64_MAX, "7 12.000000345 100 RETURN read = 9223372036854775807\n" },
		{ INT64_MIN, "7 12.000000345 100 RETURN read = -9223372036854775808\n" },
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
	check(&f, "7 12.000000345 100 FORK child=101 tgid=101 flags=0x1200011\n");
	check(&x, "7 12.000000345 100 EXIT status=3\n");
	x.code = 11 | 0x80;	/* with a core dump */
	check(&x, "7 12.000000345 100 EXIT signal=11\n");
	check(&s, "7 12.000000345 100 SIGNAL signo=11 code=-6\n");
	check(&d, "7 12.000000345 100 DETACH reason=exec\n");
	d.reason = 99;
	check(&d, "7 12.000000345 100 DETACH reason=unknown\n");
}

static void lost_tells_count_cause_cpu(void **state)
{
	struct systrace_lost l = {
		.event = HEAD(LOST, l), .count = UINT64_MAX, .cause = SYSTRACE_LOST_CHILD, .cpu = 3,
	};

	(void)state;
	check(&l, "7 12.000000345 100 LOST count=18446744073709551615 cause=child cpu=3\n");
	l.cause = SYSTRACE_LOST_FULL;
	l.event.tid = 0;
	check(&l, "7 12.000000345 0 LOST count=18446744073709551615 cause=full cpu=3\n");
	l.cause = SYSTRACE_LOST_NO_RING;
	check(&l, "7 12.000000345 0 LOST count=18446744073709551615 cause=no-ring cpu=3\n");
}

static void task_and_exec_print_their_file(void **state)
{
	(void)state;
	memset(&record, 0, sizeof(record));
	record.task = (struct systrace_task){
		.event = HEAD(TASK, record.task), .tgid = 99, .ppid = 1, .comm = "bash",
	};
	check(&record, "7 12.000000345 100 TASK tgid=99 ppid=1 comm=bash exe=\n");
	record.event.size += 16;
	strcpy(record.bytes + sizeof(record.task), "/bin/bash");
	check(&record, "7 12.000000345 100 TASK tgid=99 ppid=1 comm=bash exe=/bin/bash\n");

	memset(&record, 0, sizeof(record));
	record.exec = (struct systrace_exec){
		.event = HEAD(EXEC, record.exec), .oldtid = 102, .comm = "ls",
	};
	record.event.size += 8;
	strcpy(record.bytes + sizeof(record.exec), "/bin/ls");
	check(&record, "7 12.000000345 100 EXEC oldtid=102 comm=ls file=/bin/ls\n");
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
		       "file=\\x5cx20\\x09\\x01\\x1f!~\n");
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
	length = systrace_format(line, &record.event, UINT64_MAX);
	assert_in_range(length, 4 * (SYSTRACE_FILE_BYTES - 1 + SYSTRACE_COMM_BYTES), sizeof(line));
	assert_int_equal(line[length - 1], '\n');
	assert_null(memchr(line, '\n', length - 1));
}

static void unknown_and_short_records_are_no_line(void **state)
{
	struct systrace_return r = { .event = HEAD(RETURN, r) };
	char line[SYSTRACE_FORMAT_BYTES];

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		r.event.type = (__u8)type;
		r.event.size = sizeof(r.event);
		assert_int_equal(systrace_format(line, &r.event, 0), 0);
	}
	r.event.size = sizeof(r);
	r.event.type = SYSTRACE_DETACH + 1;
	assert_int_equal(systrace_format(line, &r.event, 0), 0);
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
		cmocka_unit_test(longest_names_fit),
		cmocka_unit_test(unknown_and_short_records_are_no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
