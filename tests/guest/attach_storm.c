// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ATTACH of a process while its threads come and go, and DETACH of one task and of a tree
 * while these fork: nobody is missed, and nothing is told of whom DETACH has left behind.
 * How often can be said: attach_storm [ROUNDS].
 */
#define _GNU_SOURCE

#include "stream.h"

#define PATIENCE 120	/* for each round */
#define CREATORS 3
#define NOTED	4096
#define ENOUGH	30	/* threads that must have made calls */

static struct shared {
	atomic_bool stop;
	/* threads: those that have made calls since ATTACH returned, and how many */
	atomic_bool attached;
	atomic_uint begun, noted;
	pid_t tids[NOTED];
	unsigned calls[NOTED];
	/* two trees */
	pid_t leaders[2];
	atomic_ulong forks[2];
} *shared;

/* ---------------------------------------------------------------- threads --- */

static void *worker(void *arg)
{
	unsigned calls = 0, at;

	atomic_fetch_add(&shared->begun, 1);
	for (int i = 0; i < 3; i++) {
		bool attached = atomic_load(&shared->attached);

		syscall(SYS_getppid);
		calls += attached;
	}
	if (calls && (at = atomic_fetch_add(&shared->noted, 1)) < NOTED) {
		shared->tids[at] = (pid_t)syscall(SYS_gettid);
		shared->calls[at] = calls;
	}
	return arg;
}

static void *creator(void *arg)
{
	pthread_t id;

	while (!atomic_load(&shared->stop))
		if (pthread_create(&id, NULL, worker, NULL) == 0)
			pthread_join(id, NULL);
	return arg;
}

static pid_t begin_threads(void)
{
	pthread_t ids[CREATORS];
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = tap_fork();
	if (pid)
		return pid;
	for (int i = 0; i < CREATORS; i++)
		pthread_create(&ids[i], NULL, creator, NULL);
	for (int i = 0; i < CREATORS; i++)
		pthread_join(ids[i], NULL);
	_exit(0);
}

/* How often it begins: TASKs of it, and FORKs that name it. */
static unsigned begins(const struct stream *s, pid_t tid)
{
	unsigned n = stream_count(s, tid, SYSTRACE_TASK);

	for (size_t i = 0; i < s->nr; i++)
		n += s->events[i]->type == SYSTRACE_FORK &&
		     ((const struct systrace_fork *)(const void *)s->events[i])->child == (__u32)tid;
	return n;
}

static unsigned count_calls(const struct stream *s, pid_t tid)
{
	unsigned n = 0;

	while (stream_call(s, tid, SYSTRACE_ENTER, SYS_getppid, n))
		n++;
	return n;
}

/* The session's end says that none is attached which ended before. */
static void thread_round(struct trail *seen, unsigned long *wrong, unsigned long *short_of)
{
	pid_t pid = begin_threads();
	struct stream s = stream_begin();

	while (atomic_load(&shared->begun) < CREATORS)
		usleep(1000);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	atomic_store(&shared->attached, true);
	while (atomic_load(&shared->noted) < ENOUGH)
		usleep(1000);
	atomic_store(&shared->stop, true);
	waitpid(pid, NULL, 0);
	stream_read_all(&s);
	for (unsigned i = 0; i < atomic_load(&shared->noted) && i < NOTED; i++) {
		*wrong += begins(&s, shared->tids[i]) != 1;
		*short_of += count_calls(&s, shared->tids[i]) < shared->calls[i];
	}
	stream_trail(&s, seen);
	stream_end(&s);
}

static void test_threads(int rounds)
{
	struct trail seen = trail_new_max();
	unsigned long wrong = 0, short_of = 0;

	for (int i = 0; i < rounds; i++) {
		tap_patience(PATIENCE);
		thread_round(&seen, &wrong, &short_of);
	}
	tap_note("%d rounds, %lu tasks", rounds, seen.begun);
	tap_ok(!wrong, "who makes calls after ATTACH has one TASK or FORK");
	tap_ok(!short_of, "and all these calls are told");
	trail_check(&seen, "threads");
}

/* ------------------------------------------------------------------ DETACH --- */

static void *call(void *arg)
{
	while (!atomic_load(&shared->stop)) {
		for (int i = 0; i < 10; i++)
			syscall(SYS_getppid);
		usleep(200);	/* or nobody reads so fast */
	}
	return arg;
}

/* Forks, one after another; its thread makes calls meanwhile. */
static void lead(int which)
{
	pthread_t id;
	pid_t pid;

	shared->leaders[which] = getpid();
	pthread_create(&id, NULL, call, NULL);
	while (!atomic_load(&shared->stop)) {
		pid = fork();
		if (pid == 0) {
			for (int i = 0; i < 3; i++)
				syscall(SYS_getppid);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		atomic_fetch_add(&shared->forks[which], 1);
	}
	pthread_join(id, NULL);
	_exit(0);
}

/* In both trees. They make so many calls that they are read meanwhile. */
static void await_forks(struct stream *s, unsigned long n)
{
	unsigned long until[2] = { shared->forks[0] + n, shared->forks[1] + n };

	for (int i = 0; i < 2; i++)
		while (atomic_load(&shared->forks[i]) < until[i]) {
			stream_read(s);
			usleep(1000);
		}
}

static pid_t begin_trees(void)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = tap_fork();
	if (pid)
		return pid;
	for (int i = 0; i < 2; i++)
		if (fork() == 0)
			lead(i);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

/* What is told although DETACH had returned: of the leader and his tree, or of him alone. */
static struct late {
	unsigned long told, forked, stayed, others;
} late;

static void look(const struct systrace_event *e, bool *member, __u64 end, bool tree)
{
	pid_t leader = shared->leaders[0];
	const struct systrace_task *task = (const void *)e;
	const struct systrace_fork *fork_ = (const void *)e;
	bool after = e->seq > end;

	if (e->type == SYSTRACE_TASK)
		member[e->tid] = task->tgid == (__u32)leader || task->ppid == (__u32)leader;
	if (e->type == SYSTRACE_FORK) {
		member[fork_->child] = member[e->tid];
		late.forked += after && member[e->tid];
	}
	if (after) {
		late.told += tree ? member[e->tid] : e->tid == (__u32)leader;
		late.stayed += member[e->tid];
		late.others += !member[e->tid];
	}
}

static void detach_round(struct trail *seen, enum systrace_detach_mode mode)
{
	bool *member = calloc(TRAIL_TIDS, sizeof(*member));
	struct systrace_stats stats;
	struct stream s = stream_begin();
	pid_t pid = begin_trees();

	await_forks(&s, 2);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	await_forks(&s, 1);
	if (systrace_detach(s.st, shared->leaders[0], mode) < 1)
		tap_bail("DETACH");
	systrace_stats(s.st, -1, &stats);
	await_forks(&s, 3);
	atomic_store(&shared->stop, true);
	stream_read_all(&s);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < s.nr; i++)
		look(s.events[i], member, stats.seq, mode == SYSTRACE_DETACH_TREE);
	stream_trail(&s, seen);
	stream_end(&s);
	free(member);
}

static void test_detach(int rounds, enum systrace_detach_mode mode, const char *what)
{
	struct trail seen = trail_new_max();

	late = (struct late){ 0 };
	for (int i = 0; i < rounds; i++) {
		tap_patience(PATIENCE);
		detach_round(&seen, mode);
	}
	tap_note("%d rounds, %lu tasks, %lu events of others", rounds, seen.begun, late.others);
	tap_ok(!late.told, "%s: nothing more is told", what);
	tap_ok(!late.forked, "%s: no child follows", what);
	tap_ok(late.others, "%s: others go on", what);
	if (mode == SYSTRACE_DETACH_TASK)
		tap_ok(late.stayed, "%s: so does the leader's thread", what);
	trail_check(&seen, what);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20;

	if (rounds < 1)
		tap_bail("usage: attach_storm [ROUNDS]");
	shared = stream_shared(sizeof(*shared));
	stream_keep_probes();
	test_threads(rounds);
	test_detach(rounds, SYSTRACE_DETACH_TASK, "DETACH of a task");
	test_detach(rounds, SYSTRACE_DETACH_TREE, "DETACH of a tree");
	return tap_end();
}
