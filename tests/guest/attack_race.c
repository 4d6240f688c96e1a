// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An unprivileged member of group systrace at his worst, in races and in masses: what he
 * may not see he does not see, and others' tracing goes on. What he does by single calls
 * is in attack.c. How often can be said: attack_race [ROUNDS].
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/resource.h>

#include "raw.h"
#include "victim.h"

#define CALL		999	/* what the privileged program calls, and nobody else */
#define SETUID		"/tmp/setuid"
#define SESSIONS	127	/* of one task, beside root's: as many as a user may have */
#define FORKS		6	/* together they want more than a CPU's pool has */

static unsigned rounds = 300;

static struct systrace *session(void)
{
	return tap_session((struct systrace_options){ .ring_bytes = 1 << 18 });
}

/* Probes stay registered while it is attached. */
static pid_t attached_sleeper(struct systrace *st)
{
	pid_t pid = tap_sleeper();

	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("cannot attach a sleeper");
	return pid;
}

/* ------------------------------------------------ ATTACH and a set-uid exec --- */

/* Events of what may not be seen. */
static unsigned leaks(struct systrace *st)
{
	const struct systrace_event *e;
	const struct systrace_enter *enter;
	const struct systrace_return *ret;
	unsigned n = 0;

	while ((e = systrace_next(st))) {
		enter = (const void *)e;
		ret = (const void *)e;
		n += e->type == SYSTRACE_ENTER && (enter->nr == CALL || enter->nr == SECRET_CALL);
		n += e->type == SYSTRACE_RETURN && (ret->nr == CALL || ret->nr == SECRET_CALL);
		n += e->type == SYSTRACE_EXEC;
		n += e->type == SYSTRACE_TASK &&
		     !strcmp(((const struct systrace_task *)e)->comm, SECRET_NAME);
	}
	systrace_release(st);
	return n;
}

static unsigned detached, never;

static unsigned race_exec(struct systrace *st, struct systrace *other, unsigned delay)
{
	bool before = false;
	pid_t pid = tap_fork();
	int status;

	if (pid == 0) {
		for (volatile unsigned i = 0; i < delay; i++)
			;
		execl(SETUID, SETUID, NULL);
		_exit(1);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		before |= systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) == 1;
		systrace_attach(other, pid, SYSTRACE_ATTACH_TASK);
	}
	detached += before;
	never += !before;
	return leaks(st) + leaks(other) + (status != 0);
}

static void test_exec(void)
{
	struct systrace *st = session(), *other = session();
	pid_t pid = attached_sleeper(st);
	unsigned n = 0;

	for (unsigned i = 0; i < rounds; i++)
		n += race_exec(st, other, i % 30 * 2000);
	tap_ok(n == 0, "ATTACH again and again of who executes a set-uid program");
	tap_note("%u of %u attached before, %u never", detached, rounds, never);
	tap_reap(pid);
	systrace_close(st);
	systrace_close(other);
}

/* ----------------------------------------------------- numbers used again --- */

/* Numbers are few, and the victim's children take those that ours leave. */
static void test_numbers(void)
{
	struct systrace *st = session();
	pid_t pid = attached_sleeper(st), mine;
	unsigned n = 0, allowed = 0;

	for (unsigned i = 0; i < rounds; i++) {
		mine = fork();
		if (mine == 0)
			_exit(0);
		for (pid_t p = mine - 2; p < mine + 6; p++)
			allowed += systrace_attach(st, p, SYSTRACE_ATTACH_TREE) > 0;
		waitpid(mine, NULL, 0);
		for (pid_t p = mine - 2; p < mine + 6; p++)
			allowed += systrace_attach(st, p, SYSTRACE_ATTACH_TASK) > 0;
		n += leaks(st);
	}
	tap_ok(n == 0, "ATTACH of numbers that the victim's children may have by then");
	tap_note("%u times it was a task of ours", allowed);
	tap_reap(pid);
	systrace_close(st);
}

/* ---------------------------------------- fork, DETACH, close, mmap at once --- */

static struct racers {
	int fd;
	bool stop;
	struct systrace_setup setup;
} racers;

static bool stopped(void)
{
	return __atomic_load_n(&racers.stop, __ATOMIC_ACQUIRE);
}

static void *racer_mapping(void *arg)
{
	const struct systrace_setup *setup = &racers.setup;
	volatile unsigned char *control, *data;

	while (!stopped()) {
		control = mmap(NULL, setup->control_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       racers.fd, (off_t)setup->control_offset);
		data = mmap(NULL, setup->data_size, PROT_READ, MAP_SHARED, racers.fd,
			    (off_t)setup->data_offset);
		if (control != MAP_FAILED) {
			memset((void *)(uintptr_t)control, 0x5a, setup->control_size);
			munmap((void *)(uintptr_t)control, setup->control_size);
		}
		if (data != MAP_FAILED) {
			(void)data[0];
			munmap((void *)(uintptr_t)data, setup->data_size);
		}
	}
	return arg;
}

static void *racer_ioctls(void *arg)
{
	const unsigned long ops[] = { SYSTRACE_IOC_PAUSE, SYSTRACE_IOC_KICK, SYSTRACE_IOC_RESUME };
	struct systrace_op op = { .size = sizeof(op) };
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };

	for (unsigned i = 0; !stopped(); i++) {
		ioctl(racers.fd, ops[i % COUNT(ops)], &op);
		ioctl(racers.fd, SYSTRACE_IOC_STATS, &stats);
	}
	return arg;
}

static void *racer_attach(void *arg)
{
	struct systrace_attach_args attach = { .size = sizeof(attach), .pid = getpid() };
	struct systrace_detach_args detach = { .size = sizeof(detach),
					       .mode = SYSTRACE_DETACH_ALL };

	while (!stopped()) {
		ioctl(racers.fd, SYSTRACE_IOC_ATTACH, &attach);
		ioctl(racers.fd, SYSTRACE_IOC_DETACH, &detach);
	}
	return arg;
}

/* The number of the descriptor is another session's again and again. */
static void *racer_close(void *arg)
{
	while (!stopped()) {
		int fd = tap_open(O_RDWR);

		if (ioctl(fd, SYSTRACE_IOC_SETUP, &(struct systrace_setup){
			.size = sizeof(struct systrace_setup), .ring_bytes = 4096,
			.full = SYSTRACE_FULL_BLOCK, .timeout_ms = 10 }))
			tap_bail("SETUP");
		dup2(fd, racers.fd);
		close(fd);
	}
	return arg;
}

static void test_threads(void)
{
	void *(*const parts[])(void *) = { racer_mapping, racer_mapping, racer_ioctls,
					   racer_attach, racer_close };
	struct systrace *st = session();
	pid_t sleeper = attached_sleeper(st), child;
	pthread_t threads[COUNT(parts)];
	unsigned wrong = 0;
	int status;

	racers.fd = tap_open(O_RDWR);
	racers.setup = tap_setup(racers.fd, 4096);
	for (size_t i = 0; i < COUNT(parts); i++)
		if (pthread_create(&threads[i], NULL, parts[i], NULL))
			tap_bail("pthread_create");
	for (unsigned i = 0; i < rounds; i++) {
		child = fork();
		if (child == 0)
			_exit(7);
		wrong += waitpid(child, &status, 0) != child || status != 7 << 8;
	}
	__atomic_store_n(&racers.stop, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < COUNT(parts); i++)
		pthread_join(threads[i], NULL);
	close(racers.fd);
	tap_ok(wrong == 0, "fork, ATTACH, DETACH, PAUSE, mmap, munmap and close all at once");
	tap_reap(sleeper);
	systrace_close(st);
}

/* ----------------------------------------------------------------- masses --- */

/* Each child of ours needs an attachment for each of them. */
static void test_many_sessions(void)
{
	int fds[SESSIONS], status;
	unsigned wrong = 0;

	for (size_t i = 0; i < COUNT(fds); i++) {
		fds[i] = tap_open(O_RDWR);
		tap_setup(fds[i], 4096);
		raw_attach(&(struct raw){ .fd = fds[i] }, getpid());
	}
	for (unsigned i = 0; i < rounds; i++) {
		for (int n = 0; n < FORKS; n++)
			if (fork() == 0)
				_exit(fork() < 0 ? 8 : 7);
		while (wait(&status) > 0)
			wrong += status != 7 << 8;
	}
	tap_ok(wrong == 0, "forks in %u sessions at once", SESSIONS);
	/* They end together when we exit, with losses to tell. */
}

/* We are attached, too, and so is whoever we become: he must not get away by that. */
static void test_hiding(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_DROP, 0);
	struct systrace_stats stats;

	raw_attach(&s, getpid());
	who_runs(who_user, test_many_sessions);
	stats = raw_stats(&s);
	tap_ok(stats.uncovered == 0, "none of them hidden from root's session");
	if (stats.uncovered)
		tap_note("%u are", stats.uncovered);
	raw_end(&s);
}

/* As many sessions as there is memory for; then somebody else needs one. */
static void test_exhaustion(void)
{
	struct rlimit limit = { 4096, 4096 };
	struct systrace_setup setup = { .size = sizeof(setup), .ring_bytes = 1 << 20 };
	int n = 0, fd;

	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 0, 0 });
	setrlimit(RLIMIT_NOFILE, &limit);
	while ((fd = open(SYSTRACE_DEVICE, O_RDWR)) >= 0 && !ioctl(fd, SYSTRACE_IOC_SETUP, &setup))
		n++;
	tap_ok(fd >= 0 && errno == ENOMEM && n > 0 && n < 64, "sessions until there is no memory");
	tap_note("%d of 1 MiB for each CPU", n);
	setup.ring_bytes = 4096;
	while (!ioctl(fd, SYSTRACE_IOC_SETUP, &setup))
		fd = tap_open(O_RDWR);
	tap_ok(errno == ENOMEM, "and then the smallest ones");
}

/* ------------------------------------------------------------------- main --- */

static void attack(void)
{
	test_exec();
	test_numbers();
	test_threads();
	test_exhaustion();
}

int main(int argc, char **argv)
{
	struct victim *victim;

	if (geteuid() != getuid()) {
		syscall(CALL);
		return 0;
	}
	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	alarm(rounds + 300);
	who_admit();
	who_program(SETUID, 0, 0, 04755);
	if (!tap_put("/proc/sys/kernel/pid_max", "400"))
		tap_bail("pid_max");
	victim = victim_begin();
	who_runs(who_user, attack);
	test_hiding();
	victim_await(victim, 10);
	victim_end(victim);
	return tap_end();
}
