// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ATTACH and DETACH of what is alive: what is told of a task that was in the middle of
 * something, of one that has ended, and what TASK says.
 */
#define _GNU_SOURCE
#include <sys/ptrace.h>
#include <sys/utsname.h>
#include <sys/stat.h>

#include "stream.h"

#define PATIENCE 120

static struct shared {
	pid_t pid, other;
	atomic_bool ready;
} *shared;

static void end(struct stream *s, pid_t pid, struct gate g)
{
	stream_end(s);
	tap_reap(pid);
	gate_close(g);
}

/* ------------------------------------------------- in the middle of something --- */

static pid_t reader(struct gate g)
{
	pid_t pid = tap_fork();

	if (pid == 0) {
		gate_pass(g);
		syscall(SYS_getppid);
		_exit(3);
	}
	tap_await_call(pid, SYS_read);
	return pid;
}

static void test_in_call(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t pid = reader(g);

	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	gate_open(g, 1);
	stream_read_all(&s);
	stream_tells(&s, pid, "in a long call", "TASK, RETURN read=1, ENTER getppid, "
		     "RETURN getppid=%d, ENTER exit_group, EXIT 0x300", getpid());
	end(&s, pid, g);
}

static void test_vfork(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t pid = tap_fork(), child;

	if (pid == 0) {
		if (vfork() == 0) {
			shared->pid = (pid_t)syscall(SYS_getpid);
			atomic_store(&shared->ready, true);
			gate_pass(g);
			_exit(5);
		}
		_exit(6);
	}
	while (!atomic_load(&shared->ready))
		usleep(1000);
	child = shared->pid;
	tap_await_call(child, SYS_read);
	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 2, "in vfork: parent and child");
	gate_open(g, 1);
	stream_read_all(&s);
	stream_tells(&s, pid, "the parent", "TASK, RETURN " VFORK "=%d, ENTER exit_group, EXIT 0x600",
		     child);
	stream_tells(&s, child, "the child", "TASK, RETURN read=1, ENTER exit_group, EXIT 0x500");
	tap_ok(stream_ordered(stream_call(&s, child, SYSTRACE_ENTER, SYS_exit_group, 0),
			      stream_call(&s, pid, SYSTRACE_RETURN, NATIVE_VFORK, 0)),
	       "the parent goes on after the child's exit");
	end(&s, pid, g);
}

/* It begins its call anew. */
static void test_stopped(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t pid = reader(g);

	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	stream_attach(&s, pid, SYSTRACE_ATTACH_TREE);
	stream_read(&s);
	stream_tells(&s, pid, "stopped", "TASK");
	kill(pid, SIGCONT);
	gate_open(g, 1);
	stream_read_all(&s);
	stream_tells(&s, pid, "continued", "TASK, ENTER read, RETURN read=1, ENTER getppid, "
		     "RETURN getppid=%d, ENTER exit_group, EXIT 0x300", getpid());
	end(&s, pid, g);
}

/* A process whose only child waits at the gate. */
static pid_t parent_of_reader(struct gate g, pid_t *child)
{
	pid_t pid = tap_fork();

	if (pid == 0) {
		shared->pid = reader(g);
		for (;;)
			pause();
	}
	tap_await_call(pid, NATIVE_PAUSE);
	*child = shared->pid;
	return pid;
}

static void next_stop(pid_t pid, enum __ptrace_request how)
{
	int status;

	if (ptrace(how, pid, 0, 0) || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		tap_bail("ptrace");
}

/* Stopped by a debugger where a call begins, or where it ends: the child of another. */
static void test_ptraced(bool at_end)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	const char *read = "RETURN read=1, ";
	const struct systrace_task *task;
	char story[STORY_BYTES];
	struct utsname kernel;
	pid_t child, pid = parent_of_reader(g, &child);

	if (ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACESYSGOOD))
		tap_bail("PTRACE_SEIZE");
	next_stop(child, PTRACE_INTERRUPT);
	next_stop(child, PTRACE_SYSCALL);
	gate_open(g, 1);
	if (at_end)
		next_stop(child, PTRACE_SYSCALL);
	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 2,
	       "a child that a debugger has is its parent's all the same");
	ptrace(PTRACE_DETACH, child, 0, 0);
	tap_await_state(child, 'Z');
	stream_read(&s);
	stream_story(&s, child, story);
	uname(&kernel);
	/* Linux 5 decides before the debugger's stop whether the call is to be traced. */
	if (atoi(kernel.release) > 5 || strstr(story, "ENTER read"))
		read = "ENTER read, RETURN read=1, ";
	stream_tells(&s, child, at_end ? "debugged, at a call's end" : "debugged, at its beginning",
		     "TASK, %sENTER getppid, RETURN getppid=%d, ENTER exit_group, EXIT 0x300",
		     at_end ? "" : read, pid);
	task = (const void *)stream_find(&s, child, SYSTRACE_TASK, 0);
	tap_ok(task && task->ppid == (__u32)pid, "its parent is not the debugger");
	end(&s, pid, g);
}

/* ------------------------------------------------------------ who has ended --- */

static void test_zombie_child(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	pid_t child, pid = parent_of_reader(g, &child);

	gate_open(g, 1);
	tap_await_state(child, 'Z');
	tap_ok(systrace_attach(s.st, child, SYSTRACE_ATTACH_TREE) == -ESRCH, "a zombie");
	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 1, "a parent without its zombie");
	stream_read(&s);
	stream_tells(&s, pid, "the parent", "TASK");
	end(&s, pid, g);
}

static void *pass_and_exit(void *arg)
{
	struct gate *g = arg;

	shared->other = (pid_t)syscall(SYS_gettid);
	atomic_store(&shared->ready, true);
	gate_pass(*g);
	syscall(SYS_exit, 0);
	return NULL;
}

/* A process whose leader has ended, and its other thread. */
static pid_t leaderless(struct gate *g, pid_t *thread)
{
	pthread_t id;
	pid_t pid;

	atomic_store(&shared->ready, false);
	pid = tap_fork();
	if (pid == 0) {
		pthread_create(&id, NULL, pass_and_exit, g);
		syscall(SYS_exit, 4);
	}
	while (!atomic_load(&shared->ready))
		usleep(1000);
	tap_await_call(shared->other, SYS_read);
	tap_await_state(pid, 'Z');
	*thread = shared->other;
	return pid;
}

static void test_leaderless(void)
{
	struct gate g = gate_new();
	struct stream s = stream_begin();
	const struct systrace_task *task;
	pid_t thread, pid = leaderless(&g, &thread);

	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TASK) == -ESRCH, "a leader that has ended");
	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 1, "its process goes on");
	tap_ok(systrace_detach(s.st, pid, SYSTRACE_DETACH_TREE) == 1, "and can be detached");
	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 1, "and attached again");
	gate_open(g, 1);
	stream_read_all(&s);
	stream_tells(&s, thread, "the thread",
		     "TASK, DETACH asked, TASK, RETURN read=1, ENTER exit, EXIT 0x0");
	task = (const void *)stream_find(&s, thread, SYSTRACE_TASK, 0);
	tap_ok(task && task->tgid == (__u32)pid, "of that process");
	end(&s, pid, g);
}

/* ----------------------------------------------------------- what TASK says --- */

static void copy_program(const char *to)
{
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0755);
	char data[4096];
	ssize_t n;

	while ((n = read(in, data, sizeof(data))) > 0)
		if (write(out, data, (size_t)n) != n)
			tap_bail("copy");
	close(in);
	close(out);
}

static void *thread_with_child(void *arg)
{
	pid_t pid;

	prctl(PR_SET_NAME, "a thread's name");
	shared->other = (pid_t)syscall(SYS_gettid);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("./gone", "another name", "pause", NULL);
		_exit(1);
	}
	shared->pid = pid;
	atomic_store(&shared->ready, true);
	for (;;)
		pause();
	return arg;
}

/* A process, a thread of it, and that thread's child, which runs a file that is gone. */
static pid_t family(pid_t *thread, pid_t *child)
{
	pthread_t id;
	pid_t pid;

	copy_program("gone");
	atomic_store(&shared->ready, false);
	pid = tap_fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, "a,(b) c");
		usleep(30000);	/* threads are younger than their process */
		pthread_create(&id, NULL, thread_with_child, NULL);
		for (;;)
			pause();
	}
	while (!atomic_load(&shared->ready))
		usleep(1000);
	*thread = shared->other;
	*child = shared->pid;
	tap_await_call(*child, NATIVE_PAUSE);
	tap_await_call(*thread, NATIVE_PAUSE);
	unlink("gone");
	return pid;
}

/* The number at the end of the line that begins so. */
static long status_of(pid_t tid, const char *line)
{
	char text[4096], *p;

	tap_proc(tid, "status", text, sizeof(text));
	p = strstr(text, line);
	return p ? strtol(p + strlen(line), NULL, 10) : -1;
}

/* Field 22, counted from behind the name, which may have anything in it. */
static unsigned long long start_of(pid_t tid)
{
	char text[1024], *p;

	tap_proc(tid, "stat", text, sizeof(text));
	p = strrchr(text, ')');
	for (int i = 2; p && i < 22; i++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

static void check_task(const struct stream *s, pid_t tid, const char *who)
{
	const struct systrace_task *task = (const void *)stream_find(s, tid, SYSTRACE_TASK, 0);
	char name[64], exe[256] = "", path[64];
	unsigned long long tick = 1000000000ULL / (unsigned long long)sysconf(_SC_CLK_TCK);

	if (!tap_ok(task, "%s has a TASK", who))
		return;
	tap_proc(tid, "comm", name, sizeof(name));
	name[strcspn(name, "\n")] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	if (readlink(path, exe, sizeof(exe) - 1) < 0)
		tap_bail("readlink");
	tap_ok(task->tgid == status_of(tid, "\nTgid:"), "%s: tgid", who);
	tap_ok(task->ppid == status_of(tid, "\nPPid:"), "%s: ppid", who);
	tap_ok(task->start_time / tick == start_of(tid), "%s: start time", who);
	tap_ok(!strcmp(task->comm, name), "%s: comm %s", who, name);
	tap_ok(!strcmp(systrace_file(&task->event), exe), "%s: exe %s", who, exe);
}

static void test_task(void)
{
	struct stream s = stream_begin();
	pid_t thread, child, pid = family(&thread, &child);

	tap_ok(systrace_attach(s.st, pid, SYSTRACE_ATTACH_TREE) == 3, "leader, thread and its child");
	stream_read(&s);
	check_task(&s, pid, "leader");
	check_task(&s, thread, "thread");
	check_task(&s, child, "thread's child");
	tap_ok(start_of(thread) > start_of(pid), "they began one after the other");
	stream_end(&s);
	tap_reap(pid);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "pause"))
		for (;;)
			pause();
	tap_patience(PATIENCE);
	shared = stream_shared(sizeof(*shared));
	stream_keep_probes();
	test_in_call();
	test_vfork();
	test_stopped();
	test_ptraced(false);
	test_ptraced(true);
	test_zombie_child();
	test_leaderless();
	test_task();
	return tap_end();
}
