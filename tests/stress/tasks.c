// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of tasks: one thread shows it events as fast as it can, 16 others look into it.
 *
 *	tasks [COUNT]	events, 1,000,000 if not said
 *
 * The events are such that one can compute from a seq what was there after it. So each tree that
 * a reader gets is checked against the one that it must be, to the task; and each task that is looked up.
 *
 * Task 1 is there from the beginning. Then there are steps of six events: a process begins; makes a
 * thread; its first thread exits; the other one executes a program, whose name is the step's number; and
 * another one, which has a + behind it; the process of WINDOW steps before exits, or, if there is none, task 1
 * gets a signal. A process's parent is the one of the step before, but for each eighth, whose parent is task 1.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdbool.h>

#include "handle.h"
#include "part.h"

#define READERS		16
#define WINDOW		40
#define STEP		6
#define NUMBERS		500	/* processes until a number comes again: in sight of those that ended */
#define REMEMBERED	300
#define THREAD		100000	/* what is added to a process's number for its second thread's */

static struct systrace_header header;
static const struct systrace session = { .header = &header };
static struct systrace_tasks *tasks;
static __u64 looks, trees;
static int over;

static __u32 pid(__u64 step)
{
	return 2 + (__u32)(step % NUMBERS);
}

static __u64 parent_step(__u64 step)	/* or step itself: task 1 */
{
	return step % 8 ? step - 1 : step;
}

/* seq of the step's events, 0 ... 5 */
static __u64 seq_of(__u64 step, unsigned event)
{
	return 2 + step * STEP + event;
}

static __u64 process_of(__u64 step)
{
	return seq_of(step, 0);
}

/* ----------------------------------------------------------------- the tree --- */

/* What must be there after an event */
struct expected {
	__u64 first, steps;	/* processes of these, complete: first .. steps - 1; */
	unsigned events;	/* and of this one that many: */
};

static struct expected expect(__u64 seq)
{
	struct expected e = { .steps = (seq - 1) / STEP, .events = (seq - 1) % STEP };

	if (e.steps > WINDOW)
		e.first = e.steps - WINDOW;
	return e;
}

static unsigned number_of_tasks(const struct expected *e)
{
	static const unsigned more[STEP] = { 0, 1, 2, 2, 1, 1 };

	return 1 + (unsigned)(e->steps - e->first) + more[e->events];
}

static unsigned depth_of(const struct expected *e, __u64 step)
{
	__u64 above = step % 8;		/* up to the one that is task 1's */

	return (unsigned)(step - above >= e->first ? above + 1 : step - e->first);
}

/* What a process is named that has executed so many programs */
static void check_name(const struct systrace_task_state *s, __u64 step, unsigned programs)
{
	char name[SYSTRACE_COMM_BYTES] = "first";
	__u64 above = parent_step(step);

	if (programs)
		snprintf(name, sizeof(name), "%u%s", (unsigned)step, programs > 1 ? "+" : "");
	else if (above != step)
		snprintf(name, sizeof(name), "%u+", (unsigned)above);
	check(!strcmp(s->comm, name), "another name", s->id);
	check(!s->file || !strcmp(s->file, name), "another file", s->id);
}

/* Is it the second thread, which has the number of the first one now? */
static bool has_moved(const struct systrace_task_state *s, __u64 step)
{
	return s->id == seq_of(step, 1) && s->tid == pid(step);
}

/* What is the same at any time */
static __u64 check_task(const struct systrace_task_state *s)
{
	__u64 step = (s->id - 2) / STEP, above = parent_step(step);

	check(s->id == seq_of(step, 0) || s->id == seq_of(step, 1), "no such task", s->id);
	check(s->tgid == pid(step), "another process", s->id);
	check(s->process == process_of(step), "another process id", s->id);
	check(s->parent == (above == step ? 1 : process_of(above)), "another parent", s->id);
	check(s->ppid == (above == step ? 1 : pid(above)), "another parent's number", s->id);
	return step;
}

static void check_first(const struct systrace_task_state *s)
{
	check(s->id == 1 && s->process == 1 && s->tid == 1 && s->tgid == 1, "another first one", s->id);
	check(s->how == SYSTRACE_END_NONE && s->depth == 0, "it has gone", s->id);
}

static void check_tree(const struct systrace_task_state *states, unsigned nr, __u64 seq)
{
	const struct expected e = expect(seq);
	bool seen[WINDOW + 1][2] = { { false } };

	check(nr == number_of_tasks(&e), "more or fewer tasks", seq);
	check_first(&states[0]);
	for (unsigned i = 1; i < nr; i++) {
		const struct systrace_task_state *s = &states[i];
		__u64 step = check_task(s);
		unsigned thread = (s->id - 2) % STEP;

		check(step >= e.first && step <= e.steps, "not there any more, or not yet", seq);
		check(!seen[step - e.first][thread], "there twice", seq);
		seen[step - e.first][thread] = true;
		check(has_moved(s, step) == (step < e.steps || e.events >= 4), "another thread", seq);
		check_name(s, step, step < e.steps ? 2 : e.events >= 4 ? e.events - 3 : 0);
		check((s->how != SYSTRACE_END_NONE) == (step == e.steps && e.events == 3 && !thread),
		      "it has ended, or has not", seq);
		check(s->depth == depth_of(&e, step) + (s->tid != s->tgid), "another place", seq);
	}
}

/* ------------------------------------------------------------------ readers --- */

static void look_at_tree(void)
{
	struct systrace_task_state *states;
	uint64_t before, seq = 0;
	struct systrace_tasks_stats stats;
	int nr;

	systrace_tasks_stats(tasks, &stats);
	before = stats.seq;
	nr = systrace_tasks_tree(tasks, 0, SYSTRACE_TREE_THREADS, &states, &seq);
	check(nr > 0, "no tree", before);
	check(seq >= before, "a tree of the past", seq);
	check_tree(states, (unsigned)nr, seq);
	free(states);
	__atomic_fetch_add(&trees, 1, __ATOMIC_RELAXED);
}

/* Up to the first, or to where it is forgotten */
static void look_up(__u32 tid)
{
	struct systrace_task_state *states;
	int nr = systrace_tasks_ancestors(tasks, (pid_t)tid, &states, NULL);

	if (nr == -ESRCH)
		return;
	check(nr > 0 && nr <= 10, "no ancestors", tid);
	for (int i = 0; i < nr; i++) {
		if (states[i].id == 1)
			check_first(&states[i]);
		else
			check_task(&states[i]);
		check(!i || states[i - 1].parent == states[i].process, "not its parent", states[i].id);
	}
	free(states);
}

/* The process that has begun some steps before now */
static void look_for(__u64 back)
{
	struct systrace_tasks_stats stats;
	struct systrace_task_state s;
	char file[32];
	__u64 step;
	int ret;

	systrace_tasks_stats(tasks, &stats);
	step = (stats.seq - 1) / STEP;
	if (step < back + 1)
		return;
	step -= back + 1;
	ret = systrace_tasks_find(tasks, (pid_t)pid(step), &s, file, sizeof(file));
	if (ret) {	/* two in each step have ended, of which the last ones are remembered */
		systrace_tasks_stats(tasks, &stats);
		check(ret == -ESRCH && stats.seq > seq_of(step + REMEMBERED / 2, 0), "nobody knows it", step);
		return;
	}
	check(check_task(&s) >= step, "one of the past", step);
	step = check_task(&s);
	if (s.how == SYSTRACE_END_NONE)
		check(seq_of(step + WINDOW, STEP - 1) > stats.seq, "it has ended before", step);
	else if (has_moved(&s, step))	/* else its first thread, whose place is not taken yet */
		check(s.how == SYSTRACE_END_EXIT && s.status == (__u32)step, "another end", step);
	__atomic_fetch_add(&looks, 1, __ATOMIC_RELAXED);
}

static void *look(void *arg)
{
	unsigned number = *(unsigned *)arg;

	for (__u64 i = number; !relaxed(&over); i++) {
		if (i % 32 == 0)
			look_at_tree();
		look_for(i * 7 % (2 * WINDOW));
		if (i % 16 == 0)
			look_up(pid(i * 13));
	}
	return NULL;
}

/* ------------------------------------------------------------------- writer --- */

static union {
	struct systrace_event event;
	struct systrace_task task;
	struct systrace_fork fork;
	struct systrace_exec exec;
	struct systrace_exit exit;
	unsigned char bytes[256];
} record;

static void show(unsigned type, __u32 tid, __u64 seq)
{
	record.event.type = (__u8)type;
	record.event.tid = tid;
	record.event.size = sizeof(record);
	record.event.seq = seq;
	record.event.time = 1000000 * seq;
	check(!systrace_tasks_update(tasks, &session, &record.event), "an event was refused", seq);
	memset(&record, 0, sizeof(record));
	progress(seq);
}

static void show_fork(__u32 tid, __u32 child, __u32 tgid, __u64 seq)
{
	record.fork.child = child;
	record.fork.tgid = tgid;
	show(SYSTRACE_FORK, tid, seq);
}

static void show_exit(__u64 step, __u64 seq)
{
	record.exit.code = (__u32)step;
	show(SYSTRACE_EXIT, pid(step), seq);
}

static void show_exec(__u32 tid, __u64 step, const char *behind, __u64 seq)
{
	record.exec.oldtid = tid;
	snprintf(record.exec.comm, sizeof(record.exec.comm), "%u%s", (unsigned)step, behind);
	strcpy((char *)(&record.exec + 1), record.exec.comm);
	show(SYSTRACE_EXEC, pid(step), seq);
}

static void show_step(__u64 step)
{
	__u64 above = parent_step(step);
	__u64 seq = seq_of(step, 0);

	show_fork(above == step ? 1 : pid(above), pid(step), pid(step), seq);
	show_fork(pid(step), THREAD + pid(step), pid(step), seq + 1);
	show_exit(step, seq + 2);
	show_exec(THREAD + pid(step), step, "", seq + 3);
	show_exec(pid(step), step, "+", seq + 4);
	if (step >= WINDOW)
		show_exit(step - WINDOW, seq + 5);
	else
		show(SYSTRACE_SIGNAL, 1, seq + 5);
}

/* Beside those that are there: the remembered, and twice what waits for readers, of a thread and a name each */
static void check_memory(__u64 seq)
{
	struct systrace_tasks_stats stats;

	systrace_tasks_stats(tasks, &stats);
	check(stats.bytes < 500000, "much memory", stats.bytes);
	check(stats.ended <= 2 * REMEMBERED + 2048, "too many are remembered", stats.ended);
	check(stats.present == number_of_tasks(&(struct expected){ .steps = WINDOW }), "others are there", seq);
}

int main(int argc, char **argv)
{
	const struct systrace_tasks_options options = { .size = sizeof(options), .ended = REMEMBERED };
	__u64 steps = part_count(argc, argv) / STEP;
	unsigned numbers[READERS];
	pthread_t readers[READERS];
	char name[100];

	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(name, sizeof(name), "%llu processes and as many threads begin and end under %d readers",
		 (unsigned long long)steps, READERS);
	begin_part(name);
	check(!systrace_tasks_new(&tasks, &options), "no table", 0);
	record.task.tgid = 1;
	strcpy(record.task.comm, "first");
	strcpy((char *)(&record.task + 1), "first");
	show(SYSTRACE_TASK, 1, 1);
	for (unsigned i = 0; i < READERS; i++) {
		numbers[i] = i;
		start(&readers[i], look, &numbers[i]);
	}
	for (__u64 step = 0; step < steps; step++) {
		show_step(step);
		if (step > WINDOW)
			check_memory(step);
	}
	set_relaxed(&over, 1);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	check(looks && trees, "nobody has looked", looks);
	printf("# %llu tasks looked up, %llu trees\n", (unsigned long long)looks, (unsigned long long)trees);
	systrace_tasks_free(tasks);
	end_part();
	printf("1..%d\n", part_number);
	return 0;
}
