// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The order of a loaded tree's events, by rules that hold whatever the load does in
 * detail. Which load, and how often, can be said: order [SCALE [LOAD...]].
 *
 * The load is this program again, traced. Each load ends by itself and makes a known
 * number of getppid calls. What one task hands to another goes through pipes of known
 * descriptors, or is the offset of an lseek: the reader of the events then knows, too,
 * what must have come before what.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "tap.h"

#define BRANCHES	4	/* of the fork tree */
#define LEVELS		3
#define PROCESSES	(1 + 4 + 16 + 64)
#define THREADS		8
#define EXECS		25
#define FORK_CALLS	100	/* of getppid, each process */
#define THREAD_CALLS	1500
#define ROUNDS		1500	/* of each ping-pong */
#define PAIRS		4
#define TOKENS		3000
#define PIPE_FD		500	/* the first pipe's reading end, then its writing end, ... */
#define PIPES		(2 * PAIRS)
#define SIZES		97	/* the nth message of a pipe has 1 + n % SIZES bytes */
#define TOKEN_FD	(-7)	/* lseek on that is a token, and an error */

static volatile long sink;
static long cpus;

/* ------------------------------------------------------------------- loads --- */

static void getppids(int n)
{
	while (n--)
		sink = syscall(SYS_getppid);
}

static void use_cpu(int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(n % cpus, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void nothing(int sig)
{
	(void)sig;
}

static void reap(int n)
{
	while (n--)
		wait(NULL);
}

static void fork_level(int level)
{
	for (int i = 0; level && i < BRANCHES; i++) {
		if (fork())
			continue;
		fork_level(level - 1);
		_exit(0);
	}
	raise(SIGUSR1);
	getppids(FORK_CALLS);
	reap(level ? BRANCHES : 0);
}

static void load_forks(void)
{
	signal(SIGUSR1, nothing);
	fork_level(LEVELS);
}

static void *call(void *arg)
{
	getppids(THREAD_CALLS);
	return arg;
}

static void run_threads(void *(*function)(void *))
{
	pthread_t ids[THREADS];

	for (long n = 0; n < THREADS; n++)
		if (pthread_create(&ids[n], NULL, function, (void *)n))
			_exit(1);
	for (int n = 0; n < THREADS; n++)
		pthread_join(ids[n], NULL);
}

static void load_threads(void)
{
	run_threads(call);
}

static void play(int in, int out, bool serve)
{
	static char buffer[SIZES];

	for (int n = 0; n < ROUNDS; n++) {
		size_t size = 1 + (size_t)n % SIZES;

		if (serve)
			sink = write(PIPE_FD + 2 * out + 1, buffer, size);
		sink = read(PIPE_FD + 2 * in, buffer, sizeof(buffer));
		if (!serve)
			sink = write(PIPE_FD + 2 * out + 1, buffer, size);
	}
}

static void load_pipes(void)
{
	int fds[2];

	for (int i = 0; i < PIPES; i++) {
		if (pipe(fds))
			_exit(1);
		for (int end = 0; end < 2; end++) {
			dup2(fds[end], PIPE_FD + 2 * i + end);
			close(fds[end]);
		}
	}
	/* The two of a pair are on different CPUs. */
	for (int i = 0; i < PIPES; i++) {
		if (fork())
			continue;
		use_cpu(i);
		play(i, i ^ 1, i & 1);
		_exit(0);
	}
	reap(PIPES);
}

static atomic_long token;

/* No kernel helps here: only memory says whose turn it is. */
static void *pass_tokens(void *arg)
{
	long n = (long)arg;
	unsigned spins = 0;

	for (; n < TOKENS; n += THREADS) {
		while (atomic_load_explicit(&token, memory_order_acquire) != n)
			if (cpus == 1 || ++spins % 4096 == 0)
				usleep(1);
		sink = lseek(TOKEN_FD, n, SEEK_SET);
		atomic_store_explicit(&token, n + 1, memory_order_release);
	}
	return NULL;
}

static void load_tokens(void)
{
	run_threads(pass_tokens);
}

static void *exec_self(void *arg)
{
	char *argv[] = { "order", "load", "none", NULL };

	execv("/proc/self/exe", argv);
	_exit(1);
	return arg;
}

/* A thread takes its leader's number over, from wherever that is at the moment. */
static void load_execs(void)
{
	pthread_t id;

	for (int i = 0; i < EXECS; i++) {
		if (fork())
			continue;
		pthread_create(&id, NULL, exec_self, NULL);
		getppids(i);
		for (;;)
			pause();
	}
	reap(EXECS);
}

static void load_none(void)
{
	getppids(1);
}

static const struct load {
	const char *name;
	void (*function)(void);
	uint64_t getppids;	/* at least; at most if they are not known */
	uint64_t getppids_max;
	uint64_t messages;
	uint64_t tokens;
} loads[] = {
	{ "forks", load_forks, PROCESSES * FORK_CALLS, PROCESSES * FORK_CALLS, 0, 0 },
	{ "threads", load_threads, THREADS * THREAD_CALLS, THREADS * THREAD_CALLS, 0, 0 },
	{ "pipes", load_pipes, 0, 0, PIPES * ROUNDS, 0 },
	{ "tokens", load_tokens, 0, 0, 0, TOKENS },
	/* A leader's own can be cut short. */
	{ "execs", load_execs, EXECS, EXECS + EXECS * (EXECS - 1) / 2, 0, 0 },
	{ "none", load_none, 1, 1, 0, 0 },
};

static const struct load *find_load(const char *name)
{
	for (const struct load *load = loads; load < loads + COUNT(loads); load++)
		if (!strcmp(load->name, name))
			return load;
	errno = 0;
	tap_bail("no load %s", name);
}

/* ------------------------------------------------------------------- rules --- */

enum rule { DENSE, AFTER_FORK, BEFORE_EXIT, PAIRED, MESSAGES, IN_TURN, ALL_THERE, RULES };

static const char *const rule_names[RULES] = {
	[DENSE] = "seq is dense",
	[AFTER_FORK] = "nothing of a task is before its FORK",
	[BEFORE_EXIT] = "nothing of a task is after its EXIT",
	[PAIRED] = "each RETURN is of the ENTER before it",
	[MESSAGES] = "nothing is read before it is written",
	[IN_TURN] = "calls that take turns by memory alone are in order",
	[ALL_THERE] = "every call that was made is there, and nothing is lost",
};

struct task {
	uint32_t seen : 1;	/* ever */
	uint32_t alive : 1;
	uint32_t fresh : 1;	/* made, and has not returned from that yet */
	uint32_t in_call : 1;
	int32_t nr;		/* of the call that it is in */
	int32_t fd;		/* which has this first argument */
};

/* What is known at one place in the order. */
static struct {
	struct task *tasks;	/* by tid */
	uint32_t tids;
	uint64_t seq, events, losses, alive;
	uint64_t enters, returns;	/* of getppid */
	uint64_t written[PIPES], read[PIPES];
	uint64_t tokens;
	uint64_t broken[RULES];
} now;

static void check(bool good, enum rule rule, const struct systrace_event *e)
{
	if (good || now.broken[rule]++ >= 3)
		return;
	tap_note("%s: not so at seq %llu, tid %u, type %u", rule_names[rule],
		 (unsigned long long)e->seq, e->tid, e->type);
}

static struct task *task_of(uint32_t tid)
{
	if (tid >= now.tids)
		tap_bail("tid %u", tid);
	return &now.tasks[tid];
}

static void begin_task(const struct systrace_event *e, uint32_t tid, bool fresh)
{
	struct task *t = task_of(tid);

	check(!t->alive, BEFORE_EXIT, e);
	*t = (struct task){ .seen = 1, .alive = 1, .fresh = fresh };
	now.alive++;
}

static void end_task(struct task *t)
{
	now.alive -= t->alive;
	t->alive = 0;
}

static bool makes_task(int nr)
{
	return native_makes_task(nr);
}

static bool ends_task(int nr)
{
	return nr == SYS_exit || nr == SYS_exit_group;
}

static bool is_pipe(int fd, int end)
{
	return fd >= PIPE_FD && fd < PIPE_FD + 2 * PIPES && fd % 2 == end;
}

static void on_enter(const struct systrace_enter *e, struct task *t)
{
	check(!t->in_call && !t->fresh, PAIRED, &e->event);
	t->in_call = 1;
	t->nr = e->nr;
	t->fd = e->nargs ? (int)e->args[0] : -1;
	if (e->nr == SYS_getppid)
		now.enters++;
	else if (e->nr == SYS_write && is_pipe(t->fd, 1))
		now.written[(t->fd - PIPE_FD) / 2]++;
	else if (e->nr == SYS_lseek && t->fd == TOKEN_FD)
		check(e->args[1] == now.tokens++ % TOKENS, IN_TURN, &e->event);
}

/* One message at a time is in a pipe, so that each read gets one. */
static void on_read(const struct systrace_return *r, int fd)
{
	int i = (fd - PIPE_FD) / 2;
	uint64_t n = now.read[i]++;

	check(n + 1 == now.written[i] && r->result == (int64_t)(1 + n % ROUNDS % SIZES),
	      MESSAGES, &r->event);
}

static void on_return(const struct systrace_return *r, struct task *t)
{
	int nr = t->nr == SYS_rt_sigreturn ? -1 : t->nr;

	if (t->fresh) {
		check(makes_task(r->nr) && !r->result, PAIRED, &r->event);
		t->fresh = 0;
		return;
	}
	check(t->in_call && r->nr == nr, PAIRED, &r->event);
	t->in_call = 0;
	if (r->nr == SYS_getppid)
		now.returns++;
	else if (r->nr == SYS_read && is_pipe(t->fd, 0))
		on_read(r, t->fd);
}

static void on_exec(const struct systrace_exec *x, struct task *t)
{
	struct task *old = task_of(x->oldtid);

	if (old != t) {
		check(t->seen && !t->alive, BEFORE_EXIT, &x->event);
		check(old->alive, BEFORE_EXIT, &x->event);
		*t = *old;
		old->alive = 0;
	}
	check(t->in_call && t->nr == SYS_execve, PAIRED, &x->event);
}

/* It must exist: where it does not, the first of the two rules that it breaks. */
static void check_alive(const struct systrace_event *e, const struct task *t)
{
	bool taken_over = e->type == SYSTRACE_EXEC && !t->alive &&
			  ((const struct systrace_exec *)e)->oldtid != e->tid;

	check(t->alive || taken_over, t->seen ? BEFORE_EXIT : AFTER_FORK, e);
}

static void on_event(const struct systrace_event *e)
{
	const struct systrace_fork *fork = (const void *)e;
	struct task *t = task_of(e->tid);

	now.events++;
	check(e->seq == ++now.seq, DENSE, e);
	if (e->type == SYSTRACE_LOST || e->type == SYSTRACE_DETACH) {
		now.losses++;
		return;
	}
	if (e->type == SYSTRACE_TASK)
		begin_task(e, e->tid, false);
	check_alive(e, t);
	if (e->type == SYSTRACE_ENTER) {
		on_enter((const void *)e, t);
	} else if (e->type == SYSTRACE_RETURN) {
		on_return((const void *)e, t);
	} else if (e->type == SYSTRACE_FORK) {
		check(t->in_call && makes_task(t->nr), PAIRED, e);
		begin_task(e, fork->child, *CHILD(""));
	} else if (e->type == SYSTRACE_EXEC) {
		on_exec((const void *)e, t);
	} else if (e->type == SYSTRACE_EXIT) {
		check(!t->in_call || ends_task(t->nr), PAIRED, e);
		end_task(t);
	}
}

/* -------------------------------------------------------------------- runs --- */

static void read_to_end(struct systrace *st)
{
	const struct systrace_event *e;
	int ret;

	while ((ret = systrace_wait(st, -1)) == 1) {
		while ((e = systrace_next(st)))
			on_event(e);
		systrace_release(st);
	}
	if (ret != -ECHILD)
		tap_bail("systrace_wait: %s", tap_error(-ret));
}

static void run_once(struct systrace *st, const struct load *load)
{
	char *argv[] = { "order", "load", (char *)(uintptr_t)load->name, NULL };
	int status, ret;
	pid_t pid;

	ret = systrace_spawn(st, &pid, "/proc/self/exe", argv, NULL);
	if (ret)
		tap_bail("systrace_spawn: %s", tap_error(-ret));
	read_to_end(st);
	if (waitpid(pid, &status, 0) != pid || status)
		tap_ok(false, "%s: the load ended with status 0x%x", load->name, status);
}

static uint64_t sum(const uint64_t *numbers)
{
	uint64_t n = 0;

	for (int i = 0; i < PIPES; i++)
		n += numbers[i];
	return n;
}

/* What the stream had is what the load made and what the driver counted. */
static bool all_there(struct systrace *st, const struct load *load, uint64_t scale)
{
	struct systrace_stats stats = { .size = sizeof(stats) };
	uint64_t lost = now.losses;

	if (systrace_pause(st) || systrace_stats(st, -1, &stats))
		tap_bail("stats");
	for (int i = 0; i < SYSTRACE_LOST_CAUSES; i++)
		lost += stats.lost[i];
	tap_note("%s: %llu events, %llu getppid, %llu lost, %llu tasks left", load->name,
		 (unsigned long long)now.events, (unsigned long long)now.enters,
		 (unsigned long long)lost, (unsigned long long)now.alive);
	return !lost && stats.made == stats.delivered && stats.made == now.events &&
	       stats.seq == now.seq && !stats.attached && !now.alive &&
	       now.enters == now.returns && now.enters >= scale * load->getppids &&
	       now.enters <= scale * load->getppids_max &&
	       sum(now.written) == scale * load->messages &&
	       sum(now.read) == scale * load->messages && now.tokens == scale * load->tokens;
}

/* A session for each load; its runs follow each other, so that a ring need hold one. */
static void run_load(const struct load *load, uint64_t scale)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = 16 << 20 });
	struct task *tasks = calloc(now.tids, sizeof(*tasks));
	uint32_t tids = now.tids;

	if (!tasks)
		tap_bail("no memory");
	memset(&now, 0, sizeof(now));
	now.tasks = tasks;
	now.tids = tids;
	for (uint64_t i = 0; i < scale; i++)
		run_once(st, load);
	now.broken[ALL_THERE] = !all_there(st, load, scale);
	for (int rule = 0; rule < RULES; rule++)
		tap_ok(!now.broken[rule], "%s: %s", load->name, rule_names[rule]);
	systrace_close(st);
	free(tasks);
}

static uint32_t read_pid_max(void)
{
	FILE *file = fopen("/proc/sys/kernel/pid_max", "r");
	unsigned max = 0;

	if (!file || fscanf(file, "%u", &max) != 1)
		tap_bail("pid_max");
	fclose(file);
	return max + 1;
}

int main(int argc, char **argv)
{
	uint64_t scale = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;

	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (argc == 3 && !strcmp(argv[1], "load")) {
		find_load(argv[2])->function();
		return 0;
	}
	if (!scale)
		tap_bail("usage: order [SCALE [LOAD...]]");
	now.tids = read_pid_max();
	tap_note("%ld CPUs, scale %llu", cpus, (unsigned long long)scale);
	for (size_t i = 0; argc < 3 && i < COUNT(loads) - 1; i++)
		run_load(&loads[i], scale);
	for (int i = 2; i < argc; i++)
		run_load(find_load(argv[i]), scale);
	return tap_end();
}
