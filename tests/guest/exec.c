// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is told of a task that executes a program: which file, under which number, in
 * which ABI; and of one that tries and cannot. The programs are files of a few bytes, so
 * that all their calls are known.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "calls.h"
#include "program.h"
#include "stream.h"

#define USER	1000
#define FILE_FD	100
#define DIR_FD	101
#define I386_EXECVE 11
#define X32_EXECVE (0x40000000L + 520)
#define X32_GETPPID (0x40000000L + SYS_getppid)

static char *none[] = { NULL };

/* ---------------------------------------------------------------- programs --- */

static void write_programs(void)
{
	program_64("exit", program_exit, sizeof(program_exit), false);
	program_64("fork", program_fork, sizeof(program_fork), false);
	program_64("broken", program_exit, sizeof(program_exit), true);
	program_32("exec32", &program_exec_32, sizeof(program_exec_32));
	program_file("script", "#!./exit\n", 9, "", 0);
	program_file("garbage", "garbage\n", 8, "", 0);
	program_file("closed", "", 0, "", 0);
	chmod("closed", 0600);
	program_64("setuid", program_exit, sizeof(program_exit), false);
	chmod("setuid", 04755);
}

/* ----------------------------------------------------------- one task's exec --- */

static void plain(void)
{
	syscall(SYS_execve, "./exit", none, none);
}

static void script(void)
{
	syscall(SYS_execve, "./script", none, none);
}

static void by_descriptor(void)
{
	syscall(SYS_execveat, FILE_FD, "", none, none, AT_EMPTY_PATH);
}

static void in_directory(void)
{
	syscall(SYS_execveat, DIR_FD, "exit", none, none, 0);
}

static void failing(void)
{
	syscall(SYS_execve, "./nothing", none, none);
	syscall(SYS_execve, "./closed", none, none);
	syscall(SYS_execve, "./garbage", none, none);
	syscall(SYS_execveat, DIR_FD, "nothing", none, none, 0);
	syscall(SYS_exit, 0);
}

/* It fails when the old program is gone already. */
static void too_late(void)
{
	syscall(SYS_execve, "./broken", none, none);
}

static void to_32_and_back(void)
{
	syscall(SYS_execve, "./exec32", none, none);
}

/* In a child that is attached before; what follows the read is the test's. */
static pid_t trace(struct stream *s, void (*run)(void))
{
	struct gate g = gate_new();
	pid_t pid = tap_fork();

	if (pid == 0) {
		gate_pass(g);
		run();
		_exit(1);
	}
	tap_await_call(pid, SYS_read);
	*s = stream_begin();
	stream_attach(s, pid, SYSTRACE_ATTACH_TREE);
	gate_open(g, 1);
	stream_read_all(s);
	waitpid(pid, NULL, 0);
	gate_close(g);
	return pid;
}

static void test_one(void (*run)(void), const char *what, const char *story)
{
	struct stream s;
	pid_t pid = trace(&s, run);

	stream_tells(&s, pid, what, "TASK, RETURN read=1, %s", story);
	stream_end(&s);
}

#define ENDS "ENTER exit, EXIT 0x700"
#define EXITS ", " ENDS

static void test_each(void)
{
	test_one(plain, "a program", "ENTER execve, EXEC ./exit, RETURN execve=0" EXITS);
	test_one(script, "a script", "ENTER execve, EXEC ./script, RETURN execve=0" EXITS);
	test_one(by_descriptor, "a file by its descriptor",
		 "ENTER execveat, EXEC /dev/fd/100, RETURN " EXECVEAT "=0" EXITS);
	test_one(in_directory, "a file in a directory",
		 "ENTER execveat, EXEC /dev/fd/101/exit, RETURN " EXECVEAT "=0" EXITS);
	test_one(failing, "no program", "ENTER execve, RETURN execve=-2, "
		 "ENTER execve, RETURN execve=-13, ENTER execve, RETURN execve=-8, "
		 "ENTER execveat, RETURN execveat=-2, ENTER exit, EXIT 0x0");
	test_one(too_late, "an exec that fails too late",
		 "ENTER execve, RETURN execve=-22, SIGNAL 11, EXIT 0xb");
	test_one(to_32_and_back, "from 64 to 32 bits and back",
		 "ENTER execve, EXEC ./exec32, RETURN " ABI_32 " execve=0, "
		 "ENTER " ABI_32 " execve, EXEC ./exit, RETURN execve=0" EXITS);
}

static void test_comm(void)
{
	const struct systrace_exec *exec;
	struct stream s;
	pid_t pid = trace(&s, script);

	exec = (const void *)stream_find(&s, pid, SYSTRACE_EXEC, 0);
	tap_ok(exec && !strcmp(exec->comm, "script") && exec->oldtid == (__u32)pid,
	       "a script's comm is its own, the number stays");
	stream_end(&s);
}

static void vfork_and_exec(void)
{
	if (vfork() == 0)
		plain();
	syscall(SYS_exit, 0);
}

static void test_vfork(void)
{
	const struct systrace_fork *fork_;
	struct stream s;
	pid_t pid = trace(&s, vfork_and_exec), child;

	fork_ = (const void *)stream_find(&s, pid, SYSTRACE_FORK, 0);
	child = fork_ ? (pid_t)fork_->child : 0;
	stream_tells(&s, pid, "vfork", "TASK, RETURN read=1, ENTER " VFORK ", FORK %d, RETURN " VFORK "=%d, "
		     "ENTER exit, EXIT 0x0", child, child);
	stream_tells(&s, child, "its child",
		     CHILD(VFORK) "ENTER execve, EXEC ./exit, RETURN execve=0" EXITS);
	tap_ok(stream_ordered(stream_call(&s, child, SYSTRACE_ENTER, SYS_execve, 0),
			      stream_call(&s, pid, SYSTRACE_RETURN, NATIVE_VFORK, 0)),
	       "the parent goes on after the child's execve began");
	stream_end(&s);
}

/* ----------------------------------------------------------------- threads --- */

static void test_thread(void)
{
	struct team *team = team_begin(plain);
	struct stream s = stream_begin();
	const struct systrace_event *e;

	tap_ok(systrace_attach(s.st, team->leader, SYSTRACE_ATTACH_TREE) == 3, "three threads");
	gate_open(team->gate, 1);
	stream_read_all(&s);
	stream_tells(&s, team->leader, "the leader, then who has its number now",
		     KILLED("0x0") ", EXEC ./exit, RETURN execve=0" EXITS);
	stream_tells(&s, team->sibling, "a thread that does not do it", KILLED("0x0"));
	stream_tells(&s, team->actor, "the one that does, until then",
		     "TASK, RETURN read=1, ENTER execve");
	e = stream_find(&s, team->leader, SYSTRACE_EXEC, 0);
	tap_ok(e && ((const struct systrace_exec *)(const void *)e)->oldtid ==
	       (__u32)team->actor, "EXEC says who it was");
	tap_ok(stream_ordered(stream_find(&s, team->sibling, SYSTRACE_EXIT, 0), e) &&
	       stream_ordered(stream_find(&s, team->leader, SYSTRACE_EXIT, 0), e),
	       "after the others' EXIT");
	tap_ok(stream_ordered(stream_call(&s, team->actor, SYSTRACE_ENTER, SYS_execve, 0),
			      stream_find(&s, team->sibling, SYSTRACE_EXIT, 0)),
	       "which is after the call began");
	stream_end(&s);
	team_end(team);
}

/* It never was another than it was. */
static void test_thread_too_late(void)
{
	struct team *team = team_begin(too_late);
	struct stream s = stream_begin();

	stream_attach(&s, team->leader, SYSTRACE_ATTACH_TREE);
	gate_open(team->gate, 1);
	stream_read_all(&s);
	stream_tells(&s, team->leader, "the leader of one that fails too late", KILLED("0x0"));
	stream_tells(&s, team->actor, "the one that fails", "TASK, RETURN read=1, ENTER execve, "
		     "RETURN execve=-22, SIGNAL 11, EXIT 0xb");
	stream_end(&s);
	team_end(team);
}

static void set_uid(void)
{
	syscall(SYS_execve, "./setuid", none, none);
}

/* No EXEC has said that its number is another now: so DETACH has the old one. */
static void thread_as_user(void)
{
	struct team *team;
	struct stream s;

	if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		tap_bail("cannot become user %d", USER);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 1);
	team = team_begin(set_uid);
	s = stream_begin();
	stream_attach(&s, team->leader, SYSTRACE_ATTACH_TREE);
	gate_open(team->gate, 1);
	stream_read_all(&s);
	stream_tells(&s, team->actor, "a user's thread becomes root",
		     "TASK, RETURN read=1, ENTER execve, DETACH exec");
	stream_tells(&s, team->leader, "and of the number that it has then, nothing more is told",
		     KILLED("0x0"));
	stream_end(&s);
	team_end(team);
}

static void test_thread_lost(void)
{
	pid_t pid;

	chmod(SYSTRACE_DEVICE, 0666);
	pid = tap_fork();
	if (pid == 0) {
		thread_as_user();
		tap_leave();
	}
	tap_join(pid);
	chmod(SYSTRACE_DEVICE, 0660);
}

/* ----------------------------------------------------- at the next exec --- */

static struct systrace *armed;	/* whose descriptor children have */

static void attach_self(void)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = SYSTRACE_ATTACH_EXEC };

	if (ioctl(systrace_fd(armed), SYSTRACE_IOC_ATTACH, &args))
		syscall(SYS_exit_group, 99);
}

/* A child forked before is not followed. */
static void armed_exec(void)
{
	attach_self();
	syscall(SYS_getppid);
	if (native_fork() == 0)
		syscall(SYS_exit, 0);
	syscall(SYS_execve, "./nothing", none, none);
	syscall(SYS_execveat, DIR_FD, "garbage", none, none, 0);
	syscall(SYS_execve, "./closed", none, none);
	syscall(SYS_execve, "./fork", none, none);
}

static void armed_exit(void)
{
	attach_self();
	syscall(SYS_execve, "./nothing", none, none);
	syscall(SYS_exit, 2);
}

static void armed_32(void)
{
	attach_self();
	to_32_and_back();
}

#ifdef __x86_64__
/* By a call of another ABI, of which a program's pointers are 32 bits. */
static void armed_by(long (*execve)(long path, long argv, long envp))
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED)
		_exit(98);
	strcpy(low, "./exit");
	((__u32 *)(void *)low)[16] = (__u32)(uintptr_t)low;	/* argv, and a null behind it */
	attach_self();
	execve((long)low, (long)low + 64, (long)low + 68);
}

static long execve_i386(long path, long argv, long envp)
{
	return call32_with(I386_EXECVE, path, argv, envp);
}

static long execve_x32(long path, long argv, long envp)
{
	return syscall(X32_EXECVE, path, argv, envp);
}

static void armed_by_i386(void)
{
	armed_by(execve_i386);
}

static void armed_by_x32(void)
{
	armed_by(execve_x32);
}
#endif

static void armed_by_descriptor(void)
{
	attach_self();
	by_descriptor();
}

static pid_t run_armed(struct stream *s, void (*run)(void))
{
	pid_t pid;

	*s = stream_begin();
	armed = s->st;
	pid = tap_fork();
	if (pid == 0) {
		run();
		_exit(1);
	}
	stream_read_all(s);
	waitpid(pid, NULL, 0);
	return pid;
}

static void test_armed(void)
{
	const struct systrace_enter *enter;
	const struct systrace_fork *fork_;
	struct stream s;
	pid_t pid = run_armed(&s, armed_exec), child;

	fork_ = (const void *)stream_find(&s, pid, SYSTRACE_FORK, 0);
	child = fork_ ? (pid_t)fork_->child : 0;
	stream_tells(&s, pid, "the next exec that succeeds", "TASK, ENTER execve, EXEC ./fork, "
		     "RETURN execve=0, ENTER " FORK ", FORK %d, RETURN " FORK "=%d" EXITS, child, child);
	stream_tells(&s, child, "its child", CHILD(FORK) ENDS);
	enter = (const void *)stream_find(&s, pid, SYSTRACE_ENTER, 0);
	tap_ok(enter && enter->nargs == 3 && enter->args[1] == (uintptr_t)none &&
	       enter->args[2] == (uintptr_t)none, "with the arguments it had");
	tap_ok(s.nr == (*CHILD(FORK) ? 12 : 11), "and nothing else");
	stream_end(&s);
}

static void test_armed_one(void (*run)(void), const char *what, const char *story)
{
	struct stream s;
	pid_t pid = run_armed(&s, run);

	stream_tells(&s, pid, what, "TASK, %s", story);
	stream_end(&s);
}

static void armed_thread(void)
{
	attach_self();
	plain();
}

static void test_armed_thread(void)
{
	struct stream s = stream_begin();
	struct team *team;

	armed = s.st;
	team = team_begin(armed_thread);
	gate_open(team->gate, 1);
	stream_read_all(&s);
	stream_tells(&s, team->actor, "a thread, at its next exec", "TASK, ENTER execve");
	stream_tells(&s, team->leader, "with the leader's number",
		     "EXEC ./exit, RETURN execve=0" EXITS);
	stream_end(&s);
	team_end(team);
}

int main(void)
{
	struct rlimit no_core = { 0, 0 };

	tap_patience(120);
	setrlimit(RLIMIT_CORE, &no_core);
	write_programs();
	if (dup2(open("exit", O_RDONLY), FILE_FD) < 0 || dup2(open(".", O_RDONLY), DIR_FD) < 0)
		tap_bail("dup2");
	stream_keep_probes();
	test_each();
	test_comm();
	test_vfork();
	test_thread();
	test_thread_too_late();
	test_thread_lost();
	test_armed();
	test_armed_one(armed_exit, "none that succeeds", "EXIT 0x200");
	test_armed_one(armed_by_descriptor, "by descriptor",
		       "ENTER execveat, EXEC /dev/fd/100, RETURN " EXECVEAT "=0" EXITS);
	test_armed_one(armed_32, "of a program of 32 bits", "ENTER execve, EXEC ./exec32, "
		       "RETURN " ABI_32 " execve=0, ENTER " ABI_32 " execve, EXEC ./exit, RETURN execve=0" EXITS);
#ifdef __x86_64__
	test_armed_one(armed_by_i386, "by an i386 call", "ENTER i386 execve, EXEC ./exit, "
		       "RETURN execve=0" EXITS);
	/* Where the kernel takes such calls */
	if (syscall(X32_GETPPID) > 0)
		test_armed_one(armed_by_x32, "by an x32 call", "ENTER x32 execve, EXEC ./exit, "
			       "RETURN execve=0" EXITS);
#endif
	test_armed_thread();
	return tap_end();
}
