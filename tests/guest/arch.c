// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls that do not go the straight way: refused by seccomp or user dispatch, rewritten
 * by a debugger. The stream is true about what the kernel did, not about what the
 * program asked for or was told.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/resource.h>

#include "scene.h"

#define CALL		SYS_getuid	/* what happens to it is the point; 0 if nothing does */

/* ----------------------------------------------------------------- seccomp --- */

static int install(__u32 action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = COUNT(code), .filter = code };
	int ret;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	ret = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	if (ret < 0)
		tap_bail("seccomp");
	return ret;
}

static void refuse(void)
{
	install(SECCOMP_RET_ERRNO | EPERM, 0);
}

static void refuse_trace(void)
{
	install(SECCOMP_RET_TRACE, 0);
}

static void no_core(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
}

static void refuse_kill(void)
{
	no_core();
	install(SECCOMP_RET_KILL_PROCESS, 0);
}

static void refuse_kill_thread(void)
{
	no_core();
	install(SECCOMP_RET_KILL_THREAD, 0);
}

static char selector;	/* of user dispatch: 0 lets calls pass */

static void on_sys(int sig)
{
	(void)sig;
	selector = 0;
}

static void refuse_trap(void)
{
	signal(SIGSYS, on_sys);
	install(SECCOMP_RET_TRAP, 0);
}

static void answer(int fd, __s32 error, __u32 flags)
{
	struct seccomp_notif ask = { 0 };
	struct seccomp_notif_resp response;

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &ask))
		_exit(1);
	response = (struct seccomp_notif_resp){ .id = ask.id, .error = error, .flags = flags };
	ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/* A supervisor refuses the first call and lets the second pass. */
static void supervise(void)
{
	int fd = install(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);

	if (tap_fork())
		return;
	answer(fd, -EIO, 0);
	answer(fd, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
	_exit(0);
}

static int call_once(void)
{
	return (int)-call64(CALL);
}

static int call_twice(void)
{
	return (int)(call64(CALL) + call64(CALL)) == -EIO ? 0 : 1;
}

/* A signal's handler gets back what was in the register of the result. */
static int call_trapped(void)
{
	return call64(CALL) == TRAPPED ? 0 : 1;
}

static int call_dispatched(void)
{
	selector = 1;
	return call_trapped();
}

static void dispatch(void)
{
	signal(SIGSYS, on_sys);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector))
		tap_bail("PR_SET_SYSCALL_USER_DISPATCH");
}

/* Whether this kernel has it on this architecture */
static bool can_dispatch(void)
{
	int ret = prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector);

	if (ret == 0)
		prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	return ret == 0;
}

static const struct scene refused[] = {
	{ "seccomp refuses with an errno", " <" N_GETUID "=-1",
	  .run = call_once, .prepare = refuse, .status = EPERM },
	{ "with TRACE and no debugger", " <" N_GETUID "=-38",
	  .run = call_once, .prepare = refuse_trace, .status = ENOSYS },
	{ "with TRAP, the number or first argument for a result", " <" N_GETUID "=" N_TRAPPED " !31/1 >" N_SIGRETURN " <-1=" N_TRAPPED,
	  .run = call_trapped, .prepare = refuse_trap },
	{ "with KILL", " <" N_GETUID "=" N_TRAPPED " !31/1 .31",
	  .run = call_once, .prepare = refuse_kill, .status = SIGSYS, .or = " .31" },
	{ "with KILL_THREAD, of the last thread", " <" N_GETUID "=" N_TRAPPED " !31/1 .31",
	  .run = call_once, .prepare = refuse_kill_thread, .status = SIGSYS, .or = " .31" },
	{ "by its supervisor, which then lets one pass", " <" N_GETUID "=-5 >" N_GETUID " <" N_GETUID "=0",
	  .run = call_twice, .prepare = supervise },
};

static const struct scene dispatched =
	{ "user dispatch refuses, and nothing is seen of the call", " !31/2 >" N_SIGRETURN " <-1=" N_TRAPPED,
	  .run = call_dispatched, .prepare = dispatch };

/* ------------------------------------------------------------- a debugger --- */

static int to_close(bool entry, struct regs *regs)
{
	if (entry && regs->nr == CALL) {
		regs->nr = SYS_close;
		regs->first = 0xffffffff;
	}
	return 0;
}

static int skip(bool entry, struct regs *regs)
{
	if (entry && regs->nr == CALL)
		regs->nr = -1;
	return 0;
}

static int skip_and_answer(bool entry, struct regs *regs)
{
	if (!entry && regs->nr == -1)
		regs->result = -77;
	return skip(entry, regs);
}

static int answer_another(bool entry, struct regs *regs)
{
	if (!entry && regs->nr == CALL)
		regs->result = -78;
	return 0;
}

/* What comes after the first mark is emulated. */
static int emulate(bool entry, struct regs *regs)
{
	if (entry && regs->nr == CALL)
		regs->result = -79;
	return !entry && regs->nr == SYS_close ? PTRACE_SYSEMU : 0;
}

static const struct scene debugged[] = {
	{ "a debugger makes another call of it", " >" N_CLOSE "(ffffffff) <" N_CLOSE "=-9", .run = call_once,
	  .stop = to_close, .request = PTRACE_SYSCALL, .status = EBADF },
	{ "it skips the call", " >-1(1,2,3,4,5,6) <-1=" N_SKIPPED, .run = call_once,
	  .stop = skip, .request = PTRACE_SYSCALL, .status = -SKIPPED & 0xff },
	{ "it skips the call and answers for it", " >-1(1,2,3,4,5,6) <-1=" N_SKIPPED, .run = call_once,
	  .stop = skip_and_answer, .request = PTRACE_SYSCALL, .status = 77 },
	{ "it changes the result", " >" N_GETUID " <" N_GETUID "=0", .run = call_once,
	  .stop = answer_another, .request = PTRACE_SYSCALL, .status = 78 },
	{ "asked by seccomp, it makes another call of it", " >" N_CLOSE "(ffffffff) <" N_CLOSE "=-9", .run = call_once,
	  .prepare = refuse_trace, .stop = to_close, .request = PTRACE_CONT, .status = EBADF },
	{ "asked by seccomp, it skips the call", " <-1=" N_SKIPPED, .run = call_once,
	  .prepare = refuse_trace, .stop = skip, .request = PTRACE_CONT, .status = -SKIPPED & 0xff },
	{ "it emulates the call", " <" N_GETUID "=-79", .run = call_once,
	  .stop = emulate, .request = PTRACE_SYSCALL, .status = 79 },
};

int main(void)
{
	for (unsigned i = 0; i < COUNT(refused); i++)
		play(&refused[i]);
	if (can_dispatch())
		play(&dispatched);
	else
		tap_ok(true, "%s # SKIP this kernel has none", dispatched.what);
	for (unsigned i = 0; i < COUNT(debugged); i++)
		play(&debugged[i]);
	return tap_end();
}
