// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of tasks, by events that are made here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "handle.h"
#include "tasks.h"

#define VM	0x00010100	/* some flags of a fork */
#define PARENT	0x00008000	/* CLONE_PARENT */

static struct systrace_header header;	/* whose clock is CLOCK_MONOTONIC */
static const struct systrace session = { .header = &header };
static struct systrace_tasks *tasks;
static uint64_t seq;
static unsigned ended = 4;		/* remembered by the next table */

static union {
	struct systrace_event event;
	struct systrace_task task;
	struct systrace_fork fork;
	struct systrace_exec exec;
	struct systrace_exit exit;
	struct systrace_signal signal;
	struct systrace_return ret;
	struct systrace_enter enter;
	struct systrace_detach detach;
	struct systrace_lost lost;
	unsigned char bytes[2048];
} record;

static int begin(void **state)
{
	const struct systrace_tasks_options options = { .size = sizeof(options), .ended = ended };

	(void)state;
	seq = 0;
	return systrace_tasks_new(&tasks, &options);
}

static int finish(void **state)
{
	(void)state;
	systrace_tasks_free(tasks);
	tasks = NULL;
	return 0;
}

static void new_record(unsigned type, unsigned tid, size_t size)
{
	memset(&record, 0, sizeof(record));
	record.event.type = (__u8)type;
	record.event.tid = tid;
	record.event.size = (__u16)size;
	record.event.seq = ++seq;
	record.event.time = 1000000 * (1 + seq);	/* a millisecond apart */
}

static void show(void)
{
	assert_int_equal(systrace_tasks_update(tasks, &session, &record.event), 0);
}

static void put_file(size_t at, const char *file)
{
	strcpy((char *)record.bytes + at, file);
	record.event.size = (__u16)((at + strlen(file) + 8) & ~7UL);
}

static void task(unsigned tid, unsigned tgid, unsigned ppid, const char *comm)
{
	new_record(SYSTRACE_TASK, tid, 0);
	record.task.tgid = tgid;
	record.task.ppid = ppid;
	record.task.start_time = 1000 + tid;
	strcpy(record.task.comm, comm);
	put_file(sizeof(record.task), comm);
	show();
}

static void fork_flags(unsigned tid, unsigned child, unsigned tgid, unsigned flags)
{
	new_record(SYSTRACE_FORK, tid, sizeof(record.fork));
	record.fork.child = child;
	record.fork.tgid = tgid;
	record.fork.clone_flags = flags;
	show();
}

static void fork_process(unsigned tid, unsigned child)
{
	fork_flags(tid, child, child, 17);
}

static void exec(unsigned oldtid, unsigned tid, const char *comm, const char *file)
{
	new_record(SYSTRACE_EXEC, tid, 0);
	record.exec.oldtid = oldtid;
	strcpy(record.exec.comm, comm);
	put_file(sizeof(record.exec), file);
	show();
}

static void exit_with(unsigned tid, unsigned code)
{
	new_record(SYSTRACE_EXIT, tid, sizeof(record.exit));
	record.exit.code = code;
	show();
}

static void detach(unsigned tid)
{
	new_record(SYSTRACE_DETACH, tid, sizeof(record.detach));
	show();
}

static void call(unsigned tid, int64_t result)
{
	new_record(SYSTRACE_ENTER, tid, offsetof(struct systrace_enter, args));
	show();
	new_record(SYSTRACE_RETURN, tid, sizeof(record.ret));
	record.ret.result = result;
	show();
}

static struct systrace_task_state find(unsigned tid)
{
	static char file[SYSTRACE_FILE_BYTES];
	struct systrace_task_state state;

	memset(&state, 0xaa, sizeof(state));
	assert_int_equal(systrace_tasks_find(tasks, (pid_t)tid, &state, file, sizeof(file)), 0);
	assert_int_equal(state.tid, tid);
	assert_int_equal(state.depth, 0);
	assert_ptr_equal(state.file, file);
	return state;
}

static void nobody(unsigned tid)
{
	struct systrace_task_state state;

	assert_int_equal(systrace_tasks_find(tasks, (pid_t)tid, &state, NULL, 0), -ESRCH);
}

static struct systrace_tasks_stats stats(void)
{
	struct systrace_tasks_stats s;

	systrace_tasks_stats(tasks, &s);
	assert_int_equal(s.seq, seq);
	return s;
}

/* The tree in words: "1 (2 3 (4))"; what has ended with a "-" */
static void tree_is(pid_t root, unsigned flags, const char *expected)
{
	struct systrace_task_state *states;
	char text[1024] = "";
	uint64_t as_of = 0;
	unsigned depth = 0;
	int nr = systrace_tasks_tree(tasks, root, flags, &states, &as_of);

	assert_true(nr >= 0);
	assert_int_equal(as_of, seq);
	for (int i = 0; i < nr; i++) {
		char word[32];

		assert_true(states[i].depth <= depth + 1);
		if (i)
			strcat(text, states[i].depth > depth ? " (" : "");
		for (; depth > states[i].depth; depth--)
			strcat(text, ")");
		if (i && states[i].depth <= states[i - 1].depth)
			strcat(text, " ");
		depth = states[i].depth;
		snprintf(word, sizeof(word), "%s%u", states[i].how ? "-" : "", states[i].tid);
		strcat(text, word);
		assert_non_null(states[i].file);
	}
	for (; depth; depth--)
		strcat(text, ")");
	free(states);
	assert_string_equal(text, expected);
}

/* ------------------------------------------------------------------ tests --- */

static void one_task(void **state)
{
	struct systrace_task_state s;

	(void)state;
	nobody(7);
	task(7, 7, 1, "bash");
	s = find(7);
	assert_int_equal(s.id, 1);
	assert_int_equal(s.process, 1);
	assert_int_equal(s.parent, 0);
	assert_int_equal(s.tgid, 7);
	assert_int_equal(s.ppid, 1);
	assert_int_equal(s.start, 1007);
	assert_int_equal(s.end, 0);
	assert_int_equal(s.how, SYSTRACE_END_NONE);
	assert_int_equal(s.calls + s.failures + s.signals + s.execs + s.forks, 0);
	assert_string_equal(s.comm, "bash");
	assert_string_equal(s.file, "bash");
	assert_int_equal(stats().present, 1);
}

static void its_file(void **state)
{
	struct systrace_task_state s;
	char file[4] = "xxx";

	(void)state;
	task(7, 7, 1, "bash");
	assert_int_equal(systrace_tasks_find(tasks, 7, &s, NULL, 0), 0);
	assert_null(s.file);
	assert_int_equal(systrace_tasks_find(tasks, 7, &s, file, 1), 0);
	assert_string_equal(file, "");
	assert_int_equal(systrace_tasks_find(tasks, 7, &s, file, sizeof(file)), 0);
	assert_string_equal(s.file, "bas");
}

static void counters(void **state)
{
	struct systrace_task_state s;

	(void)state;
	task(7, 7, 1, "bash");
	call(7, 0);
	call(7, -2);
	call(7, -511);
	call(7, -512);
	call(7, -516);
	call(7, -517);
	call(7, -4095);
	call(7, -4096);
	new_record(SYSTRACE_SIGNAL, 7, sizeof(record.signal));
	show();
	fork_process(7, 8);
	fork_flags(7, 9, 7, VM);
	fork_process(7, 0);	/* a namespace that is not visible */
	exec(7, 7, "ls", "/bin/ls");
	s = find(7);
	assert_int_equal(s.calls, 8);
	assert_int_equal(s.failures, 4);
	assert_int_equal(s.signals, 1);
	assert_int_equal(s.forks, 3);
	assert_int_equal(s.execs, 1);
	s = find(8);
	assert_int_equal(s.calls, 0);
	assert_int_equal(stats().present, 3);
}

static void children(void **state)
{
	struct systrace_task_state s;

	(void)state;
	task(7, 7, 1, "bash");
	fork_process(7, 8);
	s = find(8);
	assert_int_equal(s.id, 2);
	assert_int_equal(s.process, 2);
	assert_int_equal(s.parent, 1);
	assert_int_equal(s.ppid, 7);
	assert_string_equal(s.comm, "bash");
	assert_true(s.start > 1000000);
	exec(8, 8, "ls", "/bin/ls");
	assert_string_equal(find(8).comm, "ls");
	assert_string_equal(find(8).file, "/bin/ls");
	assert_string_equal(find(7).comm, "bash");
	fork_flags(8, 9, 8, VM);		/* a thread */
	s = find(9);
	assert_int_equal(s.process, 2);
	assert_int_equal(s.parent, 1);
	assert_int_equal(s.tgid, 8);
	assert_int_equal(s.ppid, 7);
	fork_process(9, 10);			/* a thread's child is its process's */
	s = find(10);
	assert_int_equal(s.parent, 2);
	assert_int_equal(s.ppid, 8);
	fork_flags(10, 11, 11, PARENT);		/* a brother */
	s = find(11);
	assert_int_equal(s.parent, 2);
	assert_int_equal(s.ppid, 8);
	tree_is(0, 0, "7 (8 (10 11))");
	tree_is(0, SYSTRACE_TREE_THREADS, "7 (8 (9 10 11))");
	tree_is(8, SYSTRACE_TREE_THREADS, "8 (9 10 11)");
	tree_is(10, 0, "10");
	tree_is(9, SYSTRACE_TREE_THREADS, "9");
	assert_int_equal(systrace_tasks_tree(tasks, 9, 0, &(struct systrace_task_state *){ NULL }, NULL), -ESRCH);
	assert_int_equal(systrace_tasks_tree(tasks, 77, 0, &(struct systrace_task_state *){ NULL }, NULL), -ESRCH);
	assert_int_equal(systrace_tasks_tree(tasks, 0, 4, &(struct systrace_task_state *){ NULL }, NULL), -EINVAL);
}

static void attached(void **state)
{
	(void)state;
	/* As an ATTACH finds them, in any order */
	task(21, 20, 10, "thread");
	task(20, 20, 10, "child");
	task(10, 10, 1, "parent");
	task(30, 30, 10, "child");
	task(22, 20, 10, "thread");
	assert_int_equal(find(22).process, find(20).process);
	assert_int_equal(find(30).parent, find(10).process);
	tree_is(0, SYSTRACE_TREE_THREADS, "10 (20 (21 22) 30)");
	tree_is(0, 0, "10 (20 30)");
}

static void ends(void **state)
{
	struct systrace_task_state s;

	(void)state;
	task(7, 7, 1, "bash");
	fork_process(7, 8);
	fork_process(8, 9);
	exit_with(8, 0x100);
	s = find(8);
	assert_int_equal(s.how, SYSTRACE_END_EXIT);
	assert_int_equal(s.status, 0x100);
	assert_true(s.end > s.start);
	tree_is(0, 0, "7 9");
	tree_is(0, SYSTRACE_TREE_ENDED, "7 (-8 (9))");
	detach(9);
	s = find(9);
	assert_int_equal(s.how, SYSTRACE_END_DETACH);
	assert_int_equal(s.status, 0);
	assert_int_equal(stats().present, 1);
	assert_int_equal(stats().ended, 2);
}

static void number_again(void **state)
{
	(void)state;
	task(7, 7, 1, "bash");
	fork_process(7, 8);
	exit_with(8, 0);
	fork_process(7, 8);
	assert_int_equal(find(8).id, 4);
	assert_int_equal(find(8).how, SYSTRACE_END_NONE);
	tree_is(0, SYSTRACE_TREE_ENDED, "7 (-8 8)");
	/* ... and where its EXIT was lost */
	fork_process(7, 8);
	assert_int_equal(find(8).id, 5);
	tree_is(0, SYSTRACE_TREE_ENDED, "7 (-8 -8 8)");
	assert_int_equal(stats().present, 2);
	task(8, 8, 7, "eight");
	assert_int_equal(find(8).id, 6);
	assert_int_equal(stats().present, 2);
	assert_int_equal(stats().ended, 3);
}

static void exec_by_thread(void **state)
{
	struct systrace_task_state s;
	uint64_t start;

	(void)state;
	task(7, 7, 1, "bash");
	fork_process(7, 8);
	fork_flags(8, 9, 8, VM);
	fork_process(8, 10);
	call(9, 0);
	exit_with(8, 9);
	tree_is(0, 0, "7 (-8 (10))");	/* a process is there as long as its threads */
	start = find(8).start;
	exec(9, 8, "new", "/bin/new");
	nobody(9);
	s = find(8);
	assert_int_equal(s.start, start);	/* its process's */
	assert_int_equal(s.id, 3);
	assert_int_equal(s.process, 2);
	assert_int_equal(s.parent, 1);
	assert_int_equal(s.tgid, 8);
	assert_int_equal(s.ppid, 7);
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.execs, 1);
	assert_int_equal(s.how, SYSTRACE_END_NONE);
	assert_string_equal(s.comm, "new");
	tree_is(0, SYSTRACE_TREE_THREADS, "7 (8 (10))");
	tree_is(8, 0, "8 (10)");
	call(8, 0);
	assert_int_equal(find(8).calls, 2);
	assert_int_equal(stats().present, 3);
	/* ... where the EXIT of the first one was lost */
	fork_flags(8, 11, 8, VM);
	exec(11, 8, "newer", "/bin/newer");
	assert_string_equal(find(8).comm, "newer");
	assert_int_equal(find(8).process, 2);
	tree_is(0, SYSTRACE_TREE_THREADS, "7 (8 (10))");
	assert_int_equal(stats().present, 3);
}

static void lost_beginnings(void **state)
{
	struct systrace_task_state s;

	(void)state;
	call(7, 0);
	s = find(7);
	assert_int_equal(s.id, 0);
	assert_int_equal(s.tgid, 0);
	assert_int_equal(s.start, 0);
	assert_int_equal(s.calls, 1);
	assert_string_equal(s.comm, "");
	tree_is(0, 0, "7");
	exec(7, 7, "ls", "/bin/ls");
	s = find(7);
	assert_int_equal(s.tgid, 7);
	assert_int_equal(s.calls, 1);
	assert_true(s.process);
	fork_process(7, 8);
	assert_int_equal(find(8).parent, s.process);
	fork_process(20, 21);	/* of one that nobody knows */
	tree_is(0, 0, "7 (8) 20 21");
	exec(30, 31, "by a thread", "file");
	nobody(30);
	assert_int_equal(find(31).tgid, 31);
	exit_with(40, 3);
	assert_int_equal(find(40).how, SYSTRACE_END_EXIT);
	assert_int_equal(stats().present, 5);
	/* A tree from a number is that of who has it, also if it seems older than who had it. */
	fork_process(20, 22);
	exit_with(22, 0);
	call(22, 0);
	tree_is(22, SYSTRACE_TREE_ENDED, "22");
}

/* A thread executes, whose beginning was lost, and so was the end of a process that had its number. */
static void exec_by_another(void **state)
{
	(void)state;
	task(7, 7, 1, "bash");
	fork_process(7, 10);
	fork_flags(10, 11, 10, VM);
	exec(10, 20, "new", "/bin/new");
	assert_int_equal(find(10).how, SYSTRACE_END_UNSEEN);
	assert_int_equal(find(20).tgid, 20);
	assert_int_equal(find(20).parent, 0);
	assert_int_equal(find(20).process, 4);
	assert_int_equal(find(20).start, 0);
	for (unsigned i = 0; i < 3 * SYSTRACE_TASKS_BATCH; i++) {
		fork_process(7, 30);
		exit_with(30, 0);
	}
	assert_int_equal(find(10).how, SYSTRACE_END_UNSEEN);	/* as long as it has a thread */
	exit_with(11, 0);
	assert_int_equal(find(11).process, 2);
	/* ... or of a thread of another process, or of the number that it gets */
	fork_flags(7, 12, 7, VM);
	exec(12, 21, "new", "/bin/new");
	assert_int_equal(find(12).how, SYSTRACE_END_UNSEEN);
	assert_int_equal(find(21).parent, 0);
	fork_flags(7, 13, 7, VM);
	exec(13, 13, "new", "/bin/new");
	assert_int_equal(find(13).tgid, 13);
	assert_int_equal(find(13).parent, 0);
	assert_int_equal(stats().present, 4);
}

/* Also where each has a name of its own, which is freed later than it. */
static void room_is_made_once_in_a_thousand_ends(void **state)
{
	unsigned made = 0;

	(void)state;
	task(7, 7, 1, "bash");
	for (unsigned i = 0; i < 8 * SYSTRACE_TASKS_BATCH; i++) {
		uint32_t round = tasks->round;

		fork_process(7, 30);
		exec(30, 30, "new", "/bin/new");
		exit_with(30, 0);
		made += tasks->round - round;
	}
	assert_in_range(made, 7, 9);
}

static void others_are_none(void **state)
{
	struct systrace_tasks_stats before;

	(void)state;
	task(7, 7, 1, "bash");
	before = stats();
	new_record(SYSTRACE_LOST, 9, sizeof(record.lost));
	show();
	new_record(77, 9, sizeof(record.event));	/* of a newer driver */
	show();
	new_record(SYSTRACE_ENTER, 0, sizeof(record.event));
	show();
	nobody(9);
	nobody(0);
	assert_int_equal(stats().bytes, before.bytes);
	/* not after the last one */
	assert_int_equal(systrace_tasks_update(tasks, &session, &record.event), -EINVAL);
	record.event.seq = 1;
	assert_int_equal(systrace_tasks_update(tasks, &session, &record.event), -EINVAL);
	assert_int_equal(stats().present, 1);
}

/* A name that is not its beginning's is told from it by the events that a look is as of. */
static void a_look_is_as_of_an_event(void **state)
{
	struct systrace_task_state s;
	const struct systrace_entry *e;
	uint64_t was;

	(void)state;
	task(7, 7, 1, "bash");
	was = systrace_tasks_read_begin(tasks);
	e = caa_container_of(({
		struct cds_lfht_iter iter;

		cds_lfht_first(tasks->table, &iter);
		cds_lfht_iter_get_node(&iter);
	}), struct systrace_entry, node);
	exec(7, 7, "ls", "/bin/ls");
	exec(7, 7, "cat", "/bin/cat");
	exit_with(7, 3);
	assert_string_equal(systrace_entry_state(e, was, &s), "bash");
	assert_string_equal(s.comm, "bash");
	assert_int_equal(s.how, SYSTRACE_END_NONE);
	assert_string_equal(systrace_entry_state(e, was + 1, &s), "/bin/ls");
	assert_int_equal(s.how, SYSTRACE_END_NONE);
	assert_string_equal(systrace_entry_state(e, was + 3, &s), "/bin/cat");
	assert_int_equal(s.how, SYSTRACE_END_EXIT);
	assert_false(systrace_entry_visible(e, was - 1));
	assert_true(systrace_entry_visible(e, was));
	systrace_tasks_read_end(tasks);
}

/* "3 2 1": from a task up to the one that nothing made */
static void ancestors_are(unsigned tid, const char *expected)
{
	struct systrace_task_state *states;
	uint64_t as_of = 0;
	char text[256] = "", word[16];
	int nr = systrace_tasks_ancestors(tasks, (pid_t)tid, &states, &as_of);

	assert_true(nr > 0);
	assert_int_equal(as_of, seq);
	for (int i = 0; i < nr; i++) {
		assert_int_equal(states[i].depth, nr - 1 - i);
		assert_non_null(states[i].file);
		snprintf(word, sizeof(word), "%s%s%u", i ? " " : "", states[i].how ? "-" : "", states[i].tid);
		strcat(text, word);
	}
	free(states);
	assert_string_equal(text, expected);
}

static void some_end(unsigned maker, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fork_process(maker, 1000 + i);
		exit_with(1000 + i, 0);
	}
}

static void ancestors(void **state)
{
	struct systrace_task_state *states;

	(void)state;
	task(1, 1, 0, "init");
	fork_process(1, 2);
	fork_process(2, 3);
	fork_flags(3, 4, 3, VM);
	fork_process(4, 5);
	exec(5, 5, "ls", "/bin/ls");
	ancestors_are(1, "1");
	ancestors_are(5, "5 3 2 1");
	ancestors_are(4, "4 2 1");
	exit_with(2, 0);
	exit_with(3, 0);
	exit_with(4, 0);
	ancestors_are(5, "5 -3 -2 1");
	some_end(1, 10 * SYSTRACE_TASKS_BATCH);	/* what is there has made them remembered */
	ancestors_are(5, "5 -3 -2 1");
	assert_int_equal(systrace_tasks_ancestors(tasks, 4, &states, NULL), -ESRCH);
	exit_with(5, 0);
	some_end(1, 10 * SYSTRACE_TASKS_BATCH);
	assert_int_equal(systrace_tasks_ancestors(tasks, 5, &states, NULL), -ESRCH);
	assert_int_equal(systrace_tasks_ancestors(tasks, 3, &states, NULL), -ESRCH);
}

/* Each makes the next one and exits: not all of them can be remembered. */
static void many_ancestors(void **state)
{
	(void)state;
	task(1, 1, 0, "init");
	for (unsigned i = 1; i < 10 * SYSTRACE_TASKS_BATCH; i++) {
		fork_process(i, i + 1);
		exit_with(i, 0);
		assert_true(stats().ended <= 2 * ended + 2 * SYSTRACE_TASKS_BATCH);
	}
	nobody(2);
	assert_int_equal(find(10 * SYSTRACE_TASKS_BATCH).how, SYSTRACE_END_NONE);
}

static void memory_is_bounded(void **state)
{
	uint64_t most = 0, early = 0;

	(void)state;
	task(1, 1, 0, "init");
	for (unsigned i = 0; i < 200000; i++) {
		unsigned pid = 2 + i % 30000;

		fork_process(1, pid);
		exec(pid, pid, "child", "/usr/bin/some/program");
		exit_with(pid, 0);
		if (most < stats().bytes)
			most = stats().bytes;
		if (i == 10000)
			early = most;
		assert_true(stats().ended <= ended + 2 * SYSTRACE_TASKS_BATCH);
	}
	assert_int_equal(most, early);
	assert_int_equal(stats().present, 1);
	assert_int_equal(stats().ended + stats().forgotten, 200000);
	nobody(2);
	assert_int_equal(find(1).forks, 200000);
}

/* An exec by a thread: what had its number before goes in the end. */
static void moved_go(void **state)
{
	uint64_t before;

	(void)state;
	task(1, 1, 0, "init");
	before = stats().bytes;
	for (unsigned i = 0; i < 5 * SYSTRACE_TASKS_BATCH; i++) {
		fork_process(1, 2);
		fork_flags(2, 3, 2, VM);
		exit_with(2, 0);
		exec(3, 2, "new", "new");
		exit_with(2, 0);
	}
	assert_true(stats().bytes - before < 5 * SYSTRACE_TASKS_BATCH * sizeof(struct systrace_entry));
	tree_is(0, SYSTRACE_TREE_THREADS, "1");
}

/* Numbers that name each other, which only lost events can make */
static void a_circle(void **state)
{
	(void)state;
	task(10, 10, 20, "a");
	task(20, 20, 10, "b");
	task(30, 30, 20, "c");
	tree_is(0, 0, "10 (20 (30))");
	tree_is(20, 0, "20 (10 30)");
}

/* Its threads need it: their process's first, which has ended. */
static void leaders_stay(void **state)
{
	(void)state;
	task(1, 1, 0, "init");
	fork_process(1, 2);
	fork_flags(2, 3, 2, VM);
	exit_with(2, 0);
	for (unsigned i = 0; i < 10 * SYSTRACE_TASKS_BATCH; i++) {
		fork_process(1, 10 + i);
		exit_with(10 + i, 0);
	}
	nobody(10);
	tree_is(0, SYSTRACE_TREE_THREADS, "1 (-2 (3))");
	exit_with(3, 0);
	for (unsigned i = 0; i < 10 * SYSTRACE_TASKS_BATCH; i++) {
		fork_process(1, 10 + i);
		exit_with(10 + i, 0);
	}
	nobody(2);
	nobody(3);
}

static void many(void **state)
{
	struct systrace_task_state *states;
	int nr;

	(void)state;
	task(1, 1, 0, "init");
	for (unsigned i = 2; i <= 20000; i++)
		fork_process(i / 2, i);
	for (unsigned i = 1; i <= 20000; i++)
		assert_int_equal(find(i).ppid, i / 2);
	nr = systrace_tasks_tree(tasks, 0, 0, &states, NULL);
	assert_int_equal(nr, 20000);
	for (int i = 0; i < nr; i++) {
		unsigned depth = 0;

		for (unsigned n = states[i].tid; n > 1; n /= 2)
			depth++;
		assert_int_equal(states[i].depth, depth);
		if (depth && states[i - 1].depth + 1 == depth)	/* under the one before */
			assert_int_equal(states[i].ppid, states[i - 1].tid);
	}
	free(states);
	for (unsigned i = 20000; i > 1; i--)
		exit_with(i, 0);
	assert_int_equal(stats().present, 1);
	tree_is(0, 0, "1");
}

static void options(void **state)
{
	struct systrace_tasks_options o = { .size = sizeof(o) };
	struct systrace_tasks *t = NULL;

	(void)state;
	assert_int_equal(systrace_tasks_new(&t, NULL), 0);
	systrace_tasks_free(t);
	assert_int_equal(systrace_tasks_new(&t, &o), 0);
	systrace_tasks_free(t);
	systrace_tasks_free(NULL);
	o.reserved = 1;
	assert_int_equal(systrace_tasks_new(&t, &o), -EINVAL);
	o.reserved = 0;
	o.size = 8;
	assert_int_equal(systrace_tasks_new(&t, &o), -EINVAL);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest all[] = {
		TEST(one_task),
		TEST(its_file),
		TEST(counters),
		TEST(children),
		TEST(attached),
		TEST(ends),
		TEST(number_again),
		TEST(exec_by_thread),
		TEST(lost_beginnings),
		TEST(exec_by_another),
		TEST(room_is_made_once_in_a_thousand_ends),
		TEST(others_are_none),
		TEST(a_look_is_as_of_an_event),
		TEST(memory_is_bounded),
		TEST(ancestors),
		TEST(many_ancestors),
		TEST(moved_go),
		TEST(a_circle),
		TEST(leaders_stay),
		TEST(many),
		TEST(options),
	};

	return cmocka_run_group_tests_name("tasks", all, NULL, NULL);
}
