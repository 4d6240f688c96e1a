// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which tasks ATTACH and DETACH mean, also while these fork, execute and end.
 * How often can be said: tree [ROUNDS].
 */
#define _GNU_SOURCE
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

#include "stream.h"

#define USER	1000
#define RING	(4 << 20)
#define REFUSED	300
#define ALLOWED	10
#define LINKS	2000
#define STACK	(8 << 10)

static struct systrace *session(void)
{
	return tap_session((struct systrace_options){ .ring_bytes = RING });
}

/* ---------------------------------------------------------------- families --- */

static pid_t sleeper(void)
{
	pid_t pid = tap_fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

/* A process that forks a sleeper for each byte it gets, and answers with its pid. */
struct parent {
	pid_t pid;
	int ask, answer;
};

static struct parent begin_parent(void)
{
	int ask[2], answer[2];
	struct parent p;
	char c;

	if (pipe(ask) || pipe(answer))
		tap_bail("pipe");
	p = (struct parent){ .pid = tap_fork(), .ask = ask[1], .answer = answer[0] };
	while (p.pid == 0 && read(ask[0], &c, 1) == 1) {
		pid_t child = sleeper();

		if (write(answer[1], &child, sizeof(child)) != sizeof(child))
			_exit(1);
	}
	close(ask[0]);
	close(answer[1]);
	return p;
}

static pid_t child_of(struct parent p)
{
	pid_t child;

	if (write(p.ask, "", 1) != 1 || read(p.answer, &child, sizeof(child)) != sizeof(child))
		tap_bail("no child");
	return child;
}

static void end_parent(struct parent p)
{
	tap_reap(p.pid);
	close(p.ask);
	close(p.answer);
}

static void test_detached_child(void)
{
	struct parent a = begin_parent();
	pid_t c = child_of(a), b = tap_sleeper();
	struct systrace *st = session();

	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TREE) == 2, "parent and child");
	tap_ok(systrace_detach(st, c, SYSTRACE_DETACH_TREE) == 1, "the child is detached");
	tap_ok(systrace_attach(st, b, SYSTRACE_ATTACH_TREE) == 1, "ATTACH of another is of that alone");
	tap_ok(systrace_detach(st, c, SYSTRACE_DETACH_TASK) == -ESRCH, "the child stays detached");
	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TREE) == 1, "until ATTACH of the parent");
	systrace_close(st);
	end_parent(a);
	tap_reap(b);
}

static void test_detached_parent(void)
{
	struct parent a = begin_parent();
	struct systrace *st = session();

	child_of(a);
	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TREE) == 2, "parent and child again");
	tap_ok(systrace_detach(st, a.pid, SYSTRACE_DETACH_TASK) == 1, "the parent is detached");
	tap_ok(systrace_detach(st, a.pid, SYSTRACE_DETACH_TREE) == 1, "DETACH of its tree finds the child");
	systrace_close(st);
	end_parent(a);
}

static unsigned count_type(struct systrace *st, enum systrace_type type)
{
	const struct systrace_event *e;
	unsigned n = 0;

	while ((e = systrace_next(st)))
		n += e->type == type;
	systrace_release(st);
	return n;
}

static void test_upgrade(void)
{
	struct parent a = begin_parent();
	struct systrace *st = session();

	child_of(a);
	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TASK) == 1, "a parent alone");
	child_of(a);
	tap_ok(count_type(st, SYSTRACE_FORK) == 1, "its FORK is told");
	tap_ok(systrace_detach(st, a.pid, SYSTRACE_DETACH_TREE) == 1, "its child is not attached");
	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TASK) == 1, "the parent alone again");
	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TREE) == 3, "then with its children");
	count_type(st, 0);
	child_of(a);
	tap_ok(systrace_detach(st, 0, SYSTRACE_DETACH_ALL) == 4, "what it forks follows");
	tap_ok(count_type(st, SYSTRACE_TASK) == 0, "without a TASK");
	systrace_close(st);
	end_parent(a);
}

static volatile pid_t *links;	/* of a chain, each the parent of the next */

/* In the memory of the first, each on a stack of its own */
__attribute__((noreturn)) static int link_up(void *stack)
{
	static int n;
	char *next = (char *)stack + STACK;

	links[n] = getpid();
	if (++n < LINKS && clone(link_up, next + STACK, CLONE_VM | SIGCHLD, next) < 0)
		links[LINKS - 1] = -1;
	for (;;)
		pause();
}

static void begin_chain(void)
{
	char *stacks = mmap(NULL, (LINKS + 1) * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	links = mmap(NULL, LINKS * sizeof(*links), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stacks == MAP_FAILED || links == MAP_FAILED)
		tap_bail("mmap");
	if (tap_fork() == 0) {
		setpgid(0, 0);
		link_up(stacks);
	}
	while (!links[LINKS - 1])
		usleep(10000);
	if (links[LINKS - 1] < 0)
		tap_bail("clone");
}

/* Longer than what a pass remembers */
static void test_chain(void)
{
	pid_t beside = tap_sleeper();
	struct systrace *st = session();

	begin_chain();
	tap_ok(systrace_attach(st, beside, SYSTRACE_ATTACH_TREE) == 1, "one beside a chain of %d", LINKS);
	tap_ok(systrace_attach(st, links[LINKS / 4], SYSTRACE_ATTACH_TREE) == LINKS - LINKS / 4,
	       "a chain from its first quarter on");
	tap_ok(systrace_detach(st, links[LINKS / 2], SYSTRACE_DETACH_TREE) == LINKS - LINKS / 2,
	       "DETACH from its half on");
	tap_ok(systrace_attach(st, links[0], SYSTRACE_ATTACH_TREE) == LINKS / 4 + LINKS - LINKS / 2,
	       "all of it");
	systrace_close(st);
	kill(-links[0], SIGKILL);
	waitpid(links[0], NULL, 0);
	tap_reap(beside);
}

/* Those that may not be traced do not hide the others, however many they are. */
static void refuse_many(void)
{
	struct parent a;
	struct systrace *st;

	prctl(PR_SET_DUMPABLE, 0);
	a = begin_parent();
	for (int i = 0; i < REFUSED; i++)
		child_of(a);
	prctl(PR_SET_DUMPABLE, 1);
	for (int i = 0; i < ALLOWED; i++)
		sleeper();
	st = session();
	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TREE) == -EPERM, "a tree not ours");
	tap_ok(systrace_attach(st, getpid(), SYSTRACE_ATTACH_TREE) == 1 + ALLOWED,
	       "%d tasks beside %d that are not ours", ALLOWED, REFUSED);
	systrace_close(st);
}

static void test_refused(void)
{
	pid_t pid;
	int status;

	chmod(SYSTRACE_DEVICE, 0666);
	pid = tap_fork();
	if (pid == 0) {
		if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
			tap_bail("cannot become user %d", USER);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		refuse_many();
		_exit(tap_failed);
	}
	waitpid(pid, &status, 0);
	tap_number += 2;
	tap_ok(status == 0, "all that as a user");
	chmod(SYSTRACE_DEVICE, 0660);
}

/* ------------------------------------------------------------------ storms --- */

static void *exec_none(void *arg)
{
	char *argv[] = { "tree", "none", NULL };

	execv("/proc/self/exe", argv);
	return arg;
}

static void *nothing(void *arg)
{
	return arg;
}

static void storm(void)
{
	pthread_t id;

	signal(SIGCHLD, SIG_IGN);
	for (unsigned i = 0;; i++) {
		if (fork() == 0) {
			if (i % 4 == 0)
				pthread_create(&id, NULL, exec_none, NULL);
			if (i % 4 == 1)
				exec_none(NULL);
			if (i % 4)
				_exit(0);
			for (;;)
				pause();
		}
		if (pthread_create(&id, NULL, nothing, NULL) == 0)
			pthread_join(id, NULL);
		if (i % 8 == 7)
			usleep(500);
	}
}

static pid_t begin_storm(void)
{
	pid_t pid = tap_fork();

	if (pid == 0) {
		setpgid(0, 0);
		storm();
	}
	setpgid(pid, pid);
	return pid;
}

/* The probes stay, so that each round meets them at once. */
static void test_storm(int rounds)
{
	struct trail seen = trail_new_max();
	struct systrace *st;
	pid_t pid;

	stream_keep_probes();
	pid = begin_storm();
	for (int i = 0; i < rounds; i++) {
		const struct systrace_event *e;

		st = session();
		if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) < 1)
			tap_bail("attach");
		usleep((unsigned)(i * 37 % 3000));
		systrace_detach(st, 0, SYSTRACE_DETACH_ALL);
		while ((e = systrace_next(st)))
			trail_add(&seen, e);
		systrace_release(st);
		systrace_close(st);
	}
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	tap_note("%d rounds, %lu tasks", rounds, seen.begun);
	tap_ok(seen.begun > (unsigned long)rounds && !seen.losses, "a storm was attached again and again");
	trail_check(&seen, "storm");
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 200;

	if (argc > 1 && !strcmp(argv[1], "none"))
		return 0;
	if (rounds < 1)
		tap_bail("usage: tree [ROUNDS]");
	test_detached_child();
	test_detached_parent();
	test_upgrade();
	test_chain();
	test_refused();
	test_storm(rounds);
	return tap_end();
}
