// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * causality EVENTS: nothing is seen before what caused it. Chains of processes hand
 * a baton on, each chain by another means, all at the same time, for about so many
 * events in all. Who has the baton for the kth time says so by an lseek to k, before
 * it hands it on: so in each chain those calls return, and begin, in the order of k.
 *
 * The session blocks, with small rings: nothing may be lost.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "tap.h"

#define WORKERS	3
#define RING	65536

static uint64_t hops;		/* of each chain */

/* ----------------------------------------------------------------- the load --- */

static struct shared {
	uint32_t turn;		/* of the futex chain */
	pid_t pids[WORKERS];	/* of the signal chain */
} *shared;

/* The lseek fails: the descriptor is no file's, but a chain's number. */
static void mark(int chain, uint64_t k)
{
	syscall(SYS_lseek, -1 - chain, k, 0);
}

static void give_up(const char *what)
{
	perror(what);
	_exit(1);
}

/* What each worker of a chain does, from its number on. */
static void by_channel(int chain, int me, int (*fds)[2])
{
	char c;

	for (uint64_t k = (uint64_t)me; k < hops; k += WORKERS) {
		if (k && read(fds[me][0], &c, 1) != 1)
			give_up("read");
		mark(chain, k);
		if (write(fds[(me + 1) % WORKERS][1], "", 1) != 1)
			give_up("write");
	}
}

static void pipes(int chain)
{
	int fds[WORKERS][2], me = 0;

	for (int i = 0; i < WORKERS; i++)
		if (pipe(fds[i]))
			give_up("pipe");
	for (int i = 1; i < WORKERS; i++)
		if (!me && fork() == 0)
			me = i;
	by_channel(chain, me, fds);
}

static void sockets(int chain)
{
	int fds[WORKERS][2], me = 0;

	for (int i = 0; i < WORKERS; i++)
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds[i]))
			give_up("socketpair");
	for (int i = 1; i < WORKERS; i++)
		if (!me && fork() == 0)
			me = i;
	by_channel(chain, me, fds);
}

static void futexes(int chain)
{
	uint32_t *turn = &shared->turn, now;
	int me = 0;

	for (int i = 1; i < WORKERS; i++)
		if (!me && fork() == 0)
			me = i;
	for (uint64_t k = (uint64_t)me; k < hops; k += WORKERS) {
		while ((now = __atomic_load_n(turn, __ATOMIC_ACQUIRE)) != k)
			syscall(SYS_futex, turn, FUTEX_WAIT, now, NULL, NULL, 0);
		mark(chain, k);
		__atomic_store_n(turn, (uint32_t)k + 1, __ATOMIC_RELEASE);
		syscall(SYS_futex, turn, FUTEX_WAKE, WORKERS, NULL, NULL, 0);
	}
}

static void signals(int chain)
{
	sigset_t set;
	int me = 0, sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	shared->pids[0] = getpid();
	for (int i = 1; i < WORKERS; i++)
		if (!me && fork() == 0) {
			me = i;
			__atomic_store_n(&shared->pids[me], getpid(), __ATOMIC_RELEASE);
		}
	for (int i = 0; i < WORKERS; i++)
		while (!__atomic_load_n(&shared->pids[i], __ATOMIC_ACQUIRE))
			usleep(1000);
	for (uint64_t k = (uint64_t)me; k < hops; k += WORKERS) {
		if (k && sigwait(&set, &sig))
			give_up("sigwait");
		mark(chain, k);
		if (k + 1 < hops && kill(shared->pids[(me + 1) % WORKERS], SIGUSR1))
			give_up("kill");
	}
}

/* One who is born, says so and dies; who waited for it is next. */
static void waits(int chain)
{
	pid_t pid;

	for (uint64_t k = 0; k < hops; k += 2) {
		pid = fork();
		if (pid < 0)
			give_up("fork");
		if (pid == 0) {
			mark(chain, k);
			_exit(0);
		}
		if (waitpid(pid, NULL, 0) != pid)
			give_up("wait");
		mark(chain, k + 1);
	}
}

/* Who reads k in the file has the baton. */
static void files(int chain)
{
	uint64_t now = 0;
	int me = 0, fd = memfd_create("baton", 0);

	if (fd < 0 || pwrite(fd, &now, sizeof(now), 0) != sizeof(now))
		give_up("memfd");
	for (int i = 1; i < WORKERS; i++)
		if (!me && fork() == 0)
			me = i;
	for (uint64_t k = (uint64_t)me; k < hops; k += WORKERS) {
		while (pread(fd, &now, sizeof(now), 0) == sizeof(now) && now != k)
			usleep(50);
		mark(chain, k);
		now = k + 1;
		if (pwrite(fd, &now, sizeof(now), 0) != sizeof(now))
			give_up("pwrite");
	}
}

static const struct chain {
	const char *name;
	void (*run)(int chain);
} chains[] = {
	{ "pipes", pipes },
	{ "unix sockets", sockets },
	{ "futexes", futexes },
	{ "signals", signals },
	{ "wait4", waits },
	{ "a shared file", files },
};

/* All chains, each a process; the status of all of them. */
static int run_chains(void)
{
	int status, bad = 0;

	for (size_t i = 0; i < COUNT(chains); i++)
		if (fork() == 0) {
			chains[i].run((int)i);
			while (wait(&status) > 0)
				bad |= status;
			_exit(bad != 0);
		}
	while (wait(&status) > 0)
		bad |= status;
	return bad != 0;
}

/* --------------------------------------------------------------- the reading --- */

static struct seen {
	uint64_t entered, returned;
	uint64_t inversions;
} seen[COUNT(chains)];

static uint64_t events, gaps;

/* The marks under way: a task has one at most, and few tasks do at a time. */
static struct {
	__u32 tid;
	int chain;
} under_way[2 * COUNT(chains)];

static void enter(__u32 tid, int chain, uint64_t k)
{
	struct seen *s = &seen[chain];

	/* The one before has returned, and this is the next. */
	s->inversions += k != s->entered || s->returned != s->entered;
	s->entered = k + 1;
	for (size_t i = 0; i < COUNT(under_way); i++)
		if (!under_way[i].tid) {
			under_way[i].tid = tid;
			under_way[i].chain = chain;
			return;
		}
	s->inversions++;	/* far too many at a time */
}

static void leave(__u32 tid)
{
	for (size_t i = 0; i < COUNT(under_way); i++)
		if (under_way[i].tid == tid) {
			under_way[i].tid = 0;
			seen[under_way[i].chain].returned++;
		}
}

static void look(const struct systrace_event *e)
{
	const struct systrace_enter *call = (const void *)e;
	const struct systrace_return *ret = (const void *)e;
	int chain;

	gaps += e->seq != ++events;
	if (e->type == SYSTRACE_ENTER && call->nr == SYS_lseek) {
		chain = -1 - (int)call->args[0];
		if (chain >= 0 && chain < (int)COUNT(chains))
			enter(e->tid, chain, call->args[1]);
	} else if (e->type == SYSTRACE_RETURN && ret->nr == SYS_lseek) {
		leave(e->tid);
	}
}

int main(int argc, char **argv)
{
	uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
	struct systrace *st = tap_session((struct systrace_options){
		.ring_bytes = RING, .full = SYSTRACE_FULL_BLOCK, .timeout_ms = 100000 });
	const struct systrace_event *e;
	struct systrace_stats stats;
	int status;
	pid_t pid;

	/* Each hop is a mark, a wait and a wake, each two events or more. */
	hops = wanted / COUNT(chains) / 6 / 2 * 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED || !hops)
		tap_bail("causality EVENTS");
	pid = tap_fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(run_chains());
	}
	waitpid(pid, NULL, WUNTRACED);
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1)
		tap_bail("attach");
	kill(pid, SIGCONT);
	while (systrace_wait(st, -1) == 1) {
		for (int n = 0; n < 500 && (e = systrace_next(st)); n++)
			look(e);
		systrace_release(st);
	}
	systrace_stats(st, -1, &stats);
	waitpid(pid, &status, 0);
	tap_note("%llu events, %llu hops in each of %zu chains; %llu waits for room",
		 (unsigned long long)events, (unsigned long long)hops, COUNT(chains),
		 (unsigned long long)stats.blocked);
	tap_ok(status == 0, "the chains have run to their ends");
	tap_ok(gaps == 0 && events == stats.made && stats.made == stats.delivered,
	       "zero gaps in %llu events", (unsigned long long)events);
	for (size_t i = 0; i < COUNT(chains); i++)
		if (!tap_ok(!seen[i].inversions && seen[i].returned == hops,
			    "%s: zero inversions", chains[i].name))
			tap_note("%llu inversions, %llu marks", (unsigned long long)seen[i].inversions,
				 (unsigned long long)seen[i].returned);
	tap_ok(events >= wanted, "as many events as were asked for");
	systrace_close(st);
	return tap_end();
}
