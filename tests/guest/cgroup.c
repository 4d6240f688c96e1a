// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ATTACH and DETACH of a cgroup: of all who are in it and who will join it. What is
 * refused of the call itself is in pidfd.c.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tap.h"

#define ROOT	"/sys/fs/cgroup"
#define BOX	ROOT "/box"
#define INNER	BOX "/inner"
#define RING	(1 << 20)
#define USER	1000
#define CROWD	300		/* more than a CPU's pool has */

static struct systrace *session(void)
{
	return tap_session((struct systrace_options){ .ring_bytes = RING });
}

static int folder(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		tap_bail("%s", path);
	return fd;
}

static int attach_box(struct systrace *st)
{
	int fd = folder(BOX), ret = systrace_attach_cgroup(st, fd);

	close(fd);
	return ret;
}

static int detach_box(struct systrace *st)
{
	int fd = folder(BOX), ret = systrace_detach_cgroup(st, fd);

	close(fd);
	return ret;
}

static void move(pid_t pid, const char *cgroup, const char *file)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	snprintf(text, sizeof(text), "%d", pid);
	if (!tap_put(path, text))
		tap_bail("cannot move %d to %s", pid, path);
}

static void make_box(void)
{
	if (mkdir(BOX, 0755) || mkdir(INNER, 0755))
		tap_bail("no cgroups");
}

static void remove_cgroup(const char *path)
{
	while (rmdir(path)) {	/* a task that was reaped can be in it a moment longer */
		if (errno != EBUSY)
			tap_bail("rmdir %s", path);
		usleep(1000);
	}
}

static void remove_box(void)
{
	remove_cgroup(INNER);
	remove_cgroup(BOX);
}

/* What the stream has of one task: how often it begins, and its first event after that. */
struct found {
	unsigned tasks, forks, detaches, calls;
	__u8 first;
	bool dense;
};

static struct found find(struct systrace *st, pid_t pid)
{
	static __u64 seq;	/* of the session that is read now */
	struct found f = { .dense = true };
	const struct systrace_event *e;

	while ((e = systrace_next(st))) {
		const struct systrace_fork *fork = (const void *)e;

		seq = e->seq == 1 ? 1 : seq + 1;
		f.dense &= e->seq == seq;
		f.forks += e->type == SYSTRACE_FORK && fork->child == (__u32)pid;
		if (e->tid != (__u32)pid)
			continue;
		if (!f.first && e->type != SYSTRACE_TASK)
			f.first = e->type;
		f.tasks += e->type == SYSTRACE_TASK;
		f.detaches += e->type == SYSTRACE_DETACH;
		f.calls += e->type == SYSTRACE_ENTER;
	}
	systrace_release(st);
	return f;
}

/* -------------------------------------------------------------- workloads --- */

/* A process that does what it is told: 'c' calls getppid 100 times, 'f' forks one like that. */
struct worker {
	pid_t pid;
	int ask, answer;
};

static void getppids(void)
{
	for (int i = 0; i < 100; i++)
		syscall(SYS_getppid);
}

static void work(int ask, int answer)
{
	char c;

	while (read(ask, &c, 1) == 1) {
		pid_t child = 0;
		int status = 0;

		if (c == 'c')
			getppids();
		if (c == 'f') {
			child = fork();
			if (child == 0) {
				getppids();
				_exit(0);
			}
			waitpid(child, &status, 0);
		}
		if (write(answer, &child, sizeof(child)) != sizeof(child))
			break;
	}
	_exit(0);
}

static struct worker begin_worker(void)
{
	int ask[2], answer[2];
	struct worker w;

	if (pipe(ask) || pipe(answer))
		tap_bail("pipe");
	w = (struct worker){ .pid = tap_fork(), .ask = ask[1], .answer = answer[0] };
	if (w.pid == 0)
		work(ask[0], answer[1]);
	close(ask[0]);
	close(answer[1]);
	return w;
}

static pid_t tell(struct worker w, char what)
{
	pid_t child;

	if (write(w.ask, &what, 1) != 1 || read(w.answer, &child, sizeof(child)) != sizeof(child))
		tap_bail("a worker is gone");
	return child;
}

static void end_worker(struct worker w)
{
	tap_reap(w.pid);
	close(w.ask);
	close(w.answer);
}

/* ---------------------------------------------------------------- members --- */

static void test_present(void)
{
	struct worker a = begin_worker(), b = begin_worker(), c = begin_worker();
	struct systrace *st = session();

	move(a.pid, BOX, "cgroup.procs");
	move(b.pid, INNER, "cgroup.procs");
	tap_ok(attach_box(st) == 2, "ATTACH of a cgroup: who is in it and below it");
	tap_ok(attach_box(st) == -EEXIST, "and again: EEXIST");
	tell(a, 'c');
	tell(b, 'c');
	tell(c, 'c');
	tap_ok(find(st, a.pid).calls >= 100 && systrace_attached(st) == 2, "nobody else");
	tap_ok(detach_box(st) == 2, "DETACH of the cgroup");
	tap_ok(detach_box(st) == -ESRCH, "and again: ESRCH");
	move(c.pid, BOX, "cgroup.procs");
	tap_ok(systrace_attached(st) == 0, "who comes then is not attached");
	tap_ok(systrace_attach(st, a.pid, SYSTRACE_ATTACH_TASK) == 1 && detach_box(st) == 1,
	       "DETACH of a cgroup is of its members, however attached");
	systrace_close(st);
	end_worker(a);
	end_worker(b);
	end_worker(c);
}

/* It makes calls all the time: from the move on, each is in the stream. */
static void test_moved(void)
{
	struct worker a = begin_worker();
	struct systrace *st = session();
	struct pollfd pfd = { .fd = systrace_fd(st) };
	struct found f;
	pid_t child;

	tap_ok(attach_box(st) == 0 && poll(&pfd, 1, 0) == 0, "an empty cgroup is waited for");
	tell(a, 'c');
	tap_ok(systrace_attached(st) == 0, "who is not in it is not attached");
	tap_await_call(a.pid, SYS_read);
	move(a.pid, INNER, "cgroup.procs");
	tap_ok(systrace_attached(st) == 1, "who is moved into it is attached by then");
	tell(a, 'c');
	tap_await_call(a.pid, SYS_read);
	f = find(st, a.pid);
	tap_ok(f.tasks == 1 && f.calls == 102 && f.dense,
	       "with a TASK, and all its calls from then on");	/* and write, read */
	child = tell(a, 'f');
	f = find(st, child);
	tap_ok(f.forks == 1 && f.tasks == 0, "what it forks follows");
	move(a.pid, BOX, "cgroup.procs");
	f = find(st, a.pid);
	tap_ok(systrace_attached(st) == 1 && !f.tasks, "a move within changes nothing");
	move(a.pid, ROOT, "cgroup.procs");
	tell(a, 'c');
	tap_ok(find(st, a.pid).calls >= 100, "who leaves it stays attached");
	end_worker(a);
	systrace_close(st);
}

/* Once the main thread sleeps. */
static void *detach_later(void *st)
{
	tap_await_state(getpid(), 'S');
	if (detach_box(st))
		tap_bail("DETACH of an empty cgroup");
	return NULL;
}

/* Attached alone until then: what it forks follows from the move on. */
static void test_alone(void)
{
	struct worker a = begin_worker();
	struct systrace *st = session();
	struct pollfd pfd = { .fd = systrace_fd(st) };
	struct found f;
	pthread_t detacher;
	pid_t child;

	if (attach_box(st) || systrace_attach(st, a.pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	move(a.pid, BOX, "cgroup.procs");
	child = tell(a, 'f');
	f = find(st, child);
	tap_ok(f.forks == 1 && f.calls >= 100, "one attached alone leads a tree when it joins");
	end_worker(a);
	find(st, 0);
	tap_ok(poll(&pfd, 1, 0) == 0, "a cgroup that is empty by now is waited for");
	if (pthread_create(&detacher, NULL, detach_later, st))
		tap_bail("pthread_create");
	tap_ok(poll(&pfd, 1, -1) == 1 && pfd.revents & POLLHUP, "until its DETACH");
	pthread_join(detacher, NULL);
	systrace_close(st);
}

static void test_detached_member(void)
{
	struct worker a = begin_worker();
	struct systrace *st = session();
	pid_t child;

	move(a.pid, BOX, "cgroup.procs");
	tap_ok(attach_box(st) == 1 && systrace_detach(st, a.pid, SYSTRACE_DETACH_TREE) == 1,
	       "one member is detached");
	child = tell(a, 'f');
	tap_ok(find(st, child).tasks == 0 && systrace_attached(st) == 0,
	       "what it forks in the cgroup is not attached");
	move(a.pid, ROOT, "cgroup.procs");
	move(a.pid, BOX, "cgroup.procs");
	tap_ok(systrace_attached(st) == 1, "until it comes again");
	tap_ok(systrace_detach(st, 0, SYSTRACE_DETACH_ALL) == 1, "DETACH ALL");
	move(a.pid, ROOT, "cgroup.procs");
	move(a.pid, BOX, "cgroup.procs");
	tap_ok(systrace_attached(st) == 0 && systrace_wait(st, -1) == 1,
	       "is of the cgroup, too");
	find(st, 0);
	tap_ok(systrace_wait(st, -1) == -ECHILD, "and the session is at its end");
	end_worker(a);
	systrace_close(st);
}

/* --------------------------------------------------------------- born in it --- */

static pid_t born_in(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (__u64)cgroup,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		tap_bail("clone3");
	if (pid == 0) {
		syscall(SYS_getppid);
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

static void test_born(void)
{
	struct systrace *st = session();
	int cgroup = open(INNER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct found f;
	bool good = true;

	attach_box(st);
	for (int i = 0; i < 50 && good; i++) {
		pid_t pid = born_in(cgroup);

		f = find(st, pid);
		good = f.calls == 2 && f.tasks == 1 &&
		       f.first == (*CHILD("clone3") ? SYSTRACE_RETURN : SYSTRACE_ENTER);
	}
	tap_ok(good, "who is born in it is attached before its first instruction");
	close(cgroup);
	systrace_close(st);
}

/* Moved in and out all the time, while the cgroup is attached and detached. */
static void test_races(void)
{
	struct systrace *kept = session(), *st;
	struct worker a = begin_worker();
	unsigned begun = 0, twice = 0, left = 0;
	int inner = folder(INNER);
	pid_t mover;

	/* It keeps the probes, which take their time to come and go. */
	if (systrace_attach_cgroup(kept, inner))
		tap_bail("attach");
	close(inner);
	mover = tap_fork();
	if (mover == 0)
		for (unsigned i = 0;; i++)
			move(a.pid, i % 2 ? ROOT : BOX, "cgroup.procs");
	for (int i = 0; i < 200; i++) {
		struct found f;

		st = session();
		attach_box(st);
		usleep((useconds_t)(i * 37 % 3000));
		systrace_detach(st, 0, SYSTRACE_DETACH_ALL);
		left += systrace_attached(st);
		f = find(st, a.pid);
		begun += f.tasks;
		twice += f.tasks > 1 || f.tasks != f.detaches;
		systrace_close(st);
	}
	tap_reap(mover);
	tap_ok(begun && !twice, "who comes and goes all the time begins once and ends once");
	tap_ok(!left, "and DETACH ALL leaves nobody");
	if (twice || left)
		tap_note("%u times, %u not, %u left", begun, twice, left);
	end_worker(a);
	systrace_close(kept);
}

/* ---------------------------------------------------------------- threads --- */

static void *sleep_on(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* A process of so many threads, all there. */
static pid_t crowd(int n)
{
	pthread_attr_t attr;
	int ready[2];
	pthread_t id;
	pid_t pid;
	char c;

	if (pipe(ready))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0) {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 16384);
		while (--n)
			if (pthread_create(&id, &attr, sleep_on, NULL))
				_exit(1);
		if (write(ready[1], "", 1) == 1)
			sleep_on(NULL);
	}
	if (read(ready[0], &c, 1) != 1)
		tap_bail("no crowd");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* More than can be attached while they are moved: the rest comes a moment later. */
static void test_crowd(void)
{
	struct systrace *st = session();
	struct systrace_stats stats;
	pid_t pid = crowd(CROWD);

	attach_box(st);
	move(pid, BOX, "cgroup.procs");
	while (systrace_attached(st) < CROWD)	/* until the alarm */
		usleep(1000);
	tap_ok(!systrace_stats(st, -1, &stats) && stats.attached == CROWD && !stats.uncovered,
	       "a process of %d threads", CROWD);
	tap_ok(systrace_detach(st, pid, SYSTRACE_DETACH_TREE) == CROWD, "is attached whole");
	tap_reap(pid);
	systrace_close(st);
}

/* In a threaded cgroup threads are members for themselves. */
static void test_threaded(void)
{
	struct systrace *st = session();
	int fd, ret;
	pid_t pid = crowd(2);

	if (mkdir(BOX "/t", 0755) || !tap_put(BOX "/t/cgroup.type", "threaded"))
		tap_bail("no threaded cgroup");
	move(pid, BOX, "cgroup.procs");
	fd = folder(BOX "/t");
	ret = systrace_attach_cgroup(st, fd);
	move(pid, BOX "/t", "cgroup.threads");
	tap_ok(ret == 0 && systrace_attached(st) == 1, "a thread that joins alone is attached alone");
	tap_reap(pid);
	systrace_close(st);
	close(fd);
	remove_cgroup(BOX "/t");
}

/* ----------------------------------------------------------- ends, refusals --- */

static void test_removed(void)
{
	struct systrace *st = session();
	struct worker a = begin_worker();
	struct pollfd pfd = { .fd = systrace_fd(st) };

	attach_box(st);
	move(a.pid, INNER, "cgroup.procs");
	end_worker(a);
	find(st, 0);
	tap_ok(poll(&pfd, 1, 0) == 0, "after its last member, a cgroup is waited for");
	remove_box();
	find(st, 0);
	tap_ok(poll(&pfd, 1, -1) == 1 && pfd.revents & POLLHUP, "but not when it is removed");
	make_box();
	tap_ok(attach_box(st) == 0, "another of the same name is another");
	systrace_close(st);
}

static void test_refused(void)
{
	struct systrace *st = session();
	int fds[] = { folder("/"), folder("/proc"), eventfd(0, 0),
		      open(BOX "/cgroup.procs", O_RDONLY) };
	int status;
	pid_t pid;

	for (size_t i = 0; i < COUNT(fds); i++) {
		tap_ok(systrace_attach_cgroup(st, fds[i]) == -EBADF,
		       "a descriptor that is no cgroup, %zu: EBADF", i);
		close(fds[i]);
	}
	chmod(SYSTRACE_DEVICE, 0666);
	pid = tap_fork();
	if (pid == 0) {
		int ret;

		if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
			tap_bail("cannot become user %d", USER);
		ret = attach_box(st);	/* root's session, the user's call */
		st = session();
		_exit(ret != -EPERM || attach_box(st) != -EPERM || systrace_attached(st));
	}
	waitpid(pid, &status, 0);
	tap_ok(status == 0, "a user's ATTACH of a cgroup: EPERM");
	chmod(SYSTRACE_DEVICE, 0660);
	systrace_close(st);
}

int main(void)
{
	alarm(200);
	make_box();
	test_present();
	test_moved();
	test_alone();
	test_detached_member();
	test_born();
	test_races();
	test_crowd();
	test_threaded();
	test_removed();
	test_refused();
	remove_box();
	return tap_end();
}
