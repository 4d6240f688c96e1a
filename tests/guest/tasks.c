// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library's table of tasks beside /proc: who is who, of whom, since when, and how it ended; of tasks that are attached,
 * forked, made by threads, and that execute programs, also from a thread.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tap.h"

#define MOST	16
#define TICK	10000000ULL	/* ns, of /proc/PID/stat */
#define LATE	50		/* ticks that pass between the kernel's look at the clock and the FORK, at most */

/* Numbers of the tasks that there are, in memory that they share; those that execute a program keep theirs */
static struct known {
	int nr;
	pid_t tids[MOST];
} *known;

static struct systrace *st;
static struct systrace_tasks *tasks;

static void be_known(pid_t tid)
{
	known->tids[__atomic_fetch_add(&known->nr, 1, __ATOMIC_SEQ_CST)] = tid;
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void execute(void)
{
	char *argv[] = { "tasks", "pause", NULL };

	execv("/proc/self/exe", argv);
	_exit(1);
}

static void *thread_pauses(void *unused)
{
	be_known((pid_t)syscall(SYS_gettid));
	wait_for_ever();
	return unused;
}

/* Its child is the process's. */
static void *thread_forks(void *unused)
{
	be_known((pid_t)syscall(SYS_gettid));
	if (!tap_fork()) {
		be_known(getpid());
		wait_for_ever();
	}
	wait_for_ever();
	return unused;
}

static void *thread_executes(void *unused)
{
	execute();
	return unused;
}

static void start(void *(*function)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, NULL))
		tap_bail("pthread_create");
}

/* The root, stopped until it is attached, makes the others. */
static void grow(void)
{
	be_known(getpid());
	raise(SIGSTOP);
	start(thread_pauses);
	if (!tap_fork()) {
		be_known(getpid());
		start(thread_forks);
		wait_for_ever();
	}
	if (!tap_fork()) {
		be_known(getpid());
		execute();
	}
	if (!tap_fork()) {
		be_known(getpid());
		start(thread_executes);
		wait_for_ever();
	}
	wait_for_ever();
}

/* ----------------------------------------------------------------------- /proc --- */

static unsigned long status_of(pid_t tid, const char *field)
{
	char text[4096], *at;

	tap_proc(tid, "status", text, sizeof(text));
	at = strstr(text, field);
	return at ? strtoul(at + strlen(field), NULL, 10) : 0;
}

/* The 22nd field of stat; the name, the second, may hold anything. */
static __u64 start_of(pid_t tid)
{
	char text[1024], *at;

	tap_proc(tid, "stat", text, sizeof(text));
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static bool agrees(pid_t tid)
{
	struct systrace_task_state s;
	char comm[64], file[256];
	__u64 start = start_of(tid);

	if (systrace_tasks_find(tasks, tid, &s, file, sizeof(file)))
		return false;
	tap_proc(tid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	tap_note("%d: tgid %u, ppid %u, %s, %s, since %llu, here %llu", tid, s.tgid, s.ppid, s.comm, file,
		 (unsigned long long)start, (unsigned long long)(s.start / TICK));
	return s.how == SYSTRACE_END_NONE && s.tgid == status_of(tid, "\nTgid:\t") &&
	       s.ppid == status_of(tid, "\nPPid:\t") && !strcmp(s.comm, comm) &&
	       s.start / TICK >= start && s.start / TICK <= start + LATE;
}

/* ----------------------------------------------------------------------- tests --- */

/* Until no more comes */
static void read_on(int timeout_ms)
{
	const struct systrace_event *e;

	while (systrace_wait(st, timeout_ms) == 1) {
		while ((e = systrace_next(st)))
			if (systrace_tasks_update(tasks, st, e))
				tap_bail("update");
		systrace_release(st);
	}
}

static void test_present(void)
{
	struct systrace_task_state *all;
	int nr, found = 0;

	for (int i = 0; i < known->nr; i++)
		tap_ok(agrees(known->tids[i]), "a task is who /proc says");
	nr = systrace_tasks_tree(tasks, 0, SYSTRACE_TREE_THREADS, &all, NULL);
	for (int i = 0; i < nr; i++)
		for (int k = 0; k < known->nr; k++)
			found += all[i].tid == (__u32)known->tids[k];
	tap_ok(nr == known->nr && found == nr, "and there is no other");
	free(all);
}

static void test_ended(void)
{
	struct systrace_task_state s;
	bool good = true;

	for (int i = 0; i < known->nr; i++)
		good &= !systrace_tasks_find(tasks, known->tids[i], &s, NULL, 0) && s.how == SYSTRACE_END_EXIT &&
			s.status == SIGKILL && s.end >= s.start;
	tap_ok(good, "then they are killed");
}

int main(int argc, char **argv)
{
	pid_t root;

	(void)argv;
	if (argc > 1)
		wait_for_ever();
	tap_patience(120);
	known = mmap(NULL, sizeof(*known), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (known == MAP_FAILED || systrace_tasks_new(&tasks, NULL))
		tap_bail("no memory");
	st = tap_session((struct systrace_options){ .full = SYSTRACE_FULL_BLOCK });
	root = tap_fork();
	if (!root)
		grow();
	tap_await_state(root, 'T');
	if (systrace_attach(st, root, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	kill(root, SIGCONT);
	read_on(2000);
	tap_ok(known->nr == 7, "all are there");
	test_present();
	for (int i = 0; i < known->nr; i++)
		kill(known->tids[i], SIGKILL);
	waitpid(root, NULL, 0);
	read_on(-1);
	test_ended();
	systrace_tasks_free(tasks);
	systrace_close(st);
	return tap_end();
}
