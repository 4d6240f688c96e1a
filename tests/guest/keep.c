// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What becomes of a traced task that executes a program: a session that may not trace
 * that program loses the task, with a DETACH that says so and nothing of the program,
 * which runs with its privilege as if nothing had been. See driver/access.c.
 */
#define _GNU_SOURCE
#include <sys/xattr.h>

#include "raw.h"
#include "who.h"

#define READY	101		/* descriptors that children find by their number */
#define GO	102
#define REPORT	103
#define CALL	999		/* what the program calls, and nobody else */
#define RAW	(1ULL << CAP_NET_RAW)

#define PLAIN		"/tmp/plain"
#define SETUID		"/tmp/setuid"
#define SETGID		"/tmp/setgid"
#define FILECAP		"/tmp/filecap"
#define UNREADABLE	"/tmp/unreadable"

/* What the program has become. */
struct report {
	uid_t uid, euid;
	gid_t egid;
	__u32 raw;
};

/* -------------------------------------------------------------- the tasks --- */

static void nothing(void)
{
}

static void no_new_privs(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static void nested(void)
{
	who_new_namespace();
	who_new_namespace();
}

/* A user whose effective number is another's: what he makes is not his opener's. */
static void half_other(void)
{
	const gid_t groups[] = { GROUP };

	if (setgroups(1, groups) || setresgid(USER, USER, USER) || setresuid(USER, OTHER, USER))
		tap_bail("setresuid");
}

static void half_other_no_more(void)
{
	if (setresuid(USER, USER, USER))
		tap_bail("setresuid");
	prctl(PR_SET_DUMPABLE, 1);
}

static void capable(void)
{
	who_capable(1ULL << CAP_SYS_PTRACE, 1ULL << CAP_SYS_PTRACE);
}

static void become_user(void)
{
	if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		tap_bail("setresuid");
}

/* ----------------------------------------------------------------- scenes --- */

static const struct scene {
	const char *what;
	void (*opener)(void);
	void (*before)(void);	/* the task, before it is attached ... */
	bool runs;		/* ... and it executes a program then, too */
	void (*after)(void);	/* and between that and the program */
	const char *program;
	bool kept;
	struct report report;
} scenes[] = {
	{ "a user, nothing special", who_user, nothing, false, nothing, PLAIN, true,
	  { USER, USER, USER, 0 } },
	{ "a user, set-uid", who_user, nothing, false, nothing, SETUID, false,
	  { USER, 0, USER, RAW } },
	{ "a user, set-gid", who_user, nothing, false, nothing, SETGID, false,
	  { USER, USER, OTHER, 0 } },
	{ "a user, capabilities of the file", who_user, nothing, false, nothing, FILECAP, false,
	  { USER, USER, USER, RAW } },
	{ "a user, unreadable", who_user, nothing, false, nothing, UNREADABLE, false,
	  { USER, USER, USER, 0 } },
	{ "a user, set-uid, no_new_privs", who_user, nothing, false, no_new_privs, SETUID, true,
	  { USER, USER, USER, 0 } },
	{ "a user, set-gid, no_new_privs", who_user, nothing, false, no_new_privs, SETGID, true,
	  { USER, USER, USER, 0 } },
	{ "a user, file capabilities, no_new_privs", who_user, nothing, false, no_new_privs,
	  FILECAP, true, { USER, USER, USER, 0 } },
	{ "a user, unreadable, no_new_privs", who_user, nothing, false, no_new_privs, UNREADABLE,
	  false, { USER, USER, USER, 0 } },

	{ "root, set-uid", who_root, become_user, false, nothing, SETUID, true,
	  { USER, 0, USER, RAW } },
	{ "root, set-gid", who_root, become_user, false, nothing, SETGID, true,
	  { USER, USER, OTHER, 0 } },
	{ "root, capabilities of the file", who_root, become_user, false, nothing, FILECAP, true,
	  { USER, USER, USER, RAW } },
	{ "root, unreadable", who_root, become_user, false, nothing, UNREADABLE, true,
	  { USER, USER, USER, 0 } },
	{ "CAP_SYS_PTRACE, set-uid", capable, nothing, false, nothing, SETUID, true,
	  { USER, 0, USER, RAW } },

	{ "a user, in its new namespace", who_user, nothing, false, who_new_namespace, PLAIN,
	  true, { USER, USER, USER, 0 } },
	{ "a user, in a nested one", who_user, nothing, false, nested, PLAIN, true,
	  { USER, USER, USER, 0 } },
	{ "a user, set-uid of who is not in it", who_user, nothing, false, who_new_namespace,
	  SETUID, true, { USER, USER, USER, 0 } },
	{ "a user, in its new one, unreadable", who_user, nothing, false, who_new_namespace,
	  UNREADABLE, false, { USER, USER, USER, 0 } },
	{ "a user, in a new one of who is not the opener", half_other, half_other_no_more, false,
	  who_new_namespace, PLAIN, false, { USER, USER, USER, 0 } },
	{ "attached in the user's namespace", who_user, who_new_namespace, true, nothing, PLAIN,
	  true, { USER, USER, USER, 0 } },
	{ "attached there, in a nested one", who_user, who_new_namespace, true,
	  who_new_namespace, PLAIN, true, { USER, USER, USER, 0 } },
	{ "attached there, unreadable", who_user, who_new_namespace, true, nothing, UNREADABLE,
	  false, { USER, USER, USER, 0 } },
};

/* The program. Whatever it does is nobody's business but of who may trace it. */
static int report(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct report mine = { getuid(), geteuid(), getegid(), 0 };

	if (syscall(SYS_capget, &header, data))
		return 1;
	mine.raw = data[0].effective & RAW;
	syscall(CALL);
	return write(REPORT, &mine, sizeof(mine)) != sizeof(mine);
}

static void await(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(1);
}

/* The task, from when it can be attached. */
static int run(const struct scene *scene)
{
	if (write(READY, "", 1) != 1)
		return 1;
	await(GO);
	scene->after();
	execl(scene->program, scene->program, "report", NULL);
	return 1;
}

static int begin(const struct scene *scene)
{
	char number[16];

	scene->before();
	if (!scene->runs)
		return run(scene);
	snprintf(number, sizeof(number), "%d", (int)(scene - scenes));
	execl("/proc/self/exe", "keep", "again", number, NULL);
	return 1;
}

/* ------------------------------------------------------------- the tracer --- */

/* What the stream has of the task, in its order. */
struct seen {
	unsigned execs, calls, returns, events;
	__u8 last;
	__u32 reason;
};

static void look(struct seen *seen, const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;
	const struct systrace_return *ret = (const void *)e;
	const struct systrace_detach *detach = (const void *)e;

	seen->events++;
	seen->last = e->type;
	seen->execs += e->type == SYSTRACE_EXEC;
	seen->calls += e->type == SYSTRACE_ENTER && enter->nr == CALL;
	seen->returns += e->type == SYSTRACE_RETURN && ret->nr == SYS_execve;
	if (e->type == SYSTRACE_DETACH)
		seen->reason = detach->reason;
}

static struct seen read_all(struct systrace *st)
{
	struct seen seen = { 0 };
	const struct systrace_event *e;

	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st)))
			look(&seen, e);
		systrace_release(st);
	}
	return seen;
}

/* One bit for each thing that is not as it should be. */
static int judge(const struct scene *scene, const struct seen *seen)
{
	int wrong = 0;

	if (scene->kept)
		wrong |= seen->last != SYSTRACE_EXIT;
	else
		wrong |= seen->last != SYSTRACE_DETACH || seen->reason != SYSTRACE_DETACH_EXEC;
	wrong |= (seen->execs != scene->kept) << 1;
	wrong |= (seen->calls != scene->kept) << 2;
	wrong |= (seen->returns != scene->kept) << 3;
	return wrong;
}

static int check_program(const struct scene *scene, pid_t pid)
{
	struct report got = { 0 };
	int status;

	if (read(REPORT + 1, &got, sizeof(got)) != sizeof(got))
		return 0x20;
	waitpid(pid, &status, 0);
	return (memcmp(&got, &scene->report, sizeof(got)) != 0) << 4 | (status != 0) << 6;
}

static void make_pipe(int read_end, int write_end)
{
	int ends[2];

	if (pipe(ends) || dup2(ends[0], read_end) < 0 || dup2(ends[1], write_end) < 0)
		tap_bail("pipe");
	close(ends[0]);
	close(ends[1]);
}

static void make_pipes(void)
{
	make_pipe(READY + 10, READY);
	make_pipe(GO, GO + 10);
	make_pipe(REPORT + 1, REPORT);
}

static int trace(const struct scene *scene)
{
	struct systrace *st;
	struct seen seen;
	pid_t pid;
	int wrong;

	scene->opener();
	make_pipes();
	st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });
	pid = tap_fork();
	if (pid == 0)
		_exit(begin(scene));
	await(READY + 10);
	if (systrace_attach(st, pid, SYSTRACE_ATTACH_TREE) != 1)
		return 0x80;
	if (write(GO + 10, "", 1) != 1)
		return 0x80;
	seen = read_all(st);
	wrong = judge(scene, &seen) | check_program(scene, pid);
	systrace_close(st);
	return wrong;
}

static void test_scene(const struct scene *scene)
{
	int status;
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(trace(scene));
	waitpid(pid, &status, 0);
	if (!tap_ok(status == 0, "%s: %s", scene->what, scene->kept ? "traced on" : "detached"))
		tap_note("status 0x%x", status);
}

/* Started by the session itself: the program it cannot trace runs all the same. */
static void test_spawn(void)
{
	char *const argv[] = { (char *)SETUID, (char *)"report", NULL };
	const struct scene scene = { .report = { USER, 0, USER, RAW } };
	struct systrace *st;
	struct seen seen;
	int status;
	pid_t pid = tap_fork();

	if (pid == 0) {
		who_user();
		make_pipes();
		st = tap_session((struct systrace_options){ .ring_bytes = 1 << 20 });
		if (systrace_spawn(st, &pid, SETUID, argv, NULL))
			_exit(0x80);
		seen = read_all(st);
		/* TASK, DETACH */
		_exit(judge(&scene, &seen) | check_program(&scene, pid) |
		      (seen.events != 2) << 5);
	}
	waitpid(pid, &status, 0);
	if (!tap_ok(status == 0, "a user, set-uid, by ATTACH EXEC: detached"))
		tap_note("status 0x%x", status);
}

/* ------------------------------------------------------------- in a wait --- */

static void policy_of_two(int fd)
{
	const struct systrace_rule rules[] = {
		{ SYSTRACE_ABI_NATIVE, SYSTRACE_RECORD_ENTER, 0, 0, SYS_getppid, SYS_getppid },
		{ SYSTRACE_ABI_NATIVE, SYSTRACE_RECORD_ENTER, 0, 0, SYS_execve, SYS_execve },
	};
	struct systrace_policy policy = {
		.size = sizeof(policy), .rules = (uintptr_t)rules, .nr_rules = COUNT(rules),
	};

	if (ioctl(fd, SYSTRACE_IOC_POLICY, &policy))
		tap_bail("POLICY");
}

/* It fills the ring to the mark, and the execve that follows passes it. */
static void fill(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	for (size_t i = 0; i < RING / 2 / offsetof(struct systrace_enter, args); i++)
		syscall(SYS_getppid);
}

static void fill_without_privs(void)
{
	no_new_privs();
	fill();
}

/* A session that blocks, read only when the program has run, or is held up. */
static int hold(const struct scene *scene)
{
	struct raw s;
	pid_t pid;
	int wrong = 0;

	who_user();
	make_pipes();
	s = raw_begin(SYSTRACE_FULL_BLOCK, SYSTRACE_TIMEOUT_MAX);
	policy_of_two(s.fd);
	pid = tap_fork();
	if (pid == 0)
		_exit(run(scene));
	await(READY + 10);
	raw_attach(&s, pid);
	raw_drain(&s);
	if (write(GO + 10, "", 1) != 1)
		return 0x80;
	if (scene->kept) {
		raw_await_waiters(&s, 1);
		raw_drain(&s);
	}
	wrong = check_program(scene, pid);
	return wrong | (raw_stats(&s).blocked != scene->kept) << 3;
}

static void test_hold(const struct scene *scene)
{
	int status;
	pid_t pid = tap_fork();

	if (pid == 0)
		_exit(hold(scene));
	waitpid(pid, &status, 0);
	if (!tap_ok(status == 0, "%s", scene->what))
		tap_note("status 0x%x", status);
}

static void test_holds(void)
{
	const struct scene held = {
		"one that fills a ring by its execve waits for the reader", .kept = true,
		.after = fill_without_privs, .program = SETUID, .report = { USER, USER, USER, 0 },
	}, not_held = {
		"not if it executes a set-uid program", .kept = false,
		.after = fill, .program = SETUID, .report = { USER, 0, USER, RAW },
	};

	test_hold(&held);
	test_hold(&not_held);
}

static void make_programs(void)
{
	const struct vfs_cap_data cap = {
		VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		{ { 1U << CAP_NET_RAW, 0 } },
	};

	who_program(PLAIN, 0, 0, 0755);
	who_program(SETUID, 0, 0, 04755);
	who_program(SETGID, 0, OTHER, 02755);
	who_program(UNREADABLE, 0, 0, 0711);
	who_program(FILECAP, 0, 0, 0755);
	if (setxattr(FILECAP, "security.capability", &cap, XATTR_CAPS_SZ_2, 0))
		tap_bail("setxattr");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "report"))
		return report();
	if (argc > 2 && !strcmp(argv[1], "again"))
		return run(&scenes[atoi(argv[2])]);
	alarm(300);
	who_admit();
	make_programs();
	for (size_t i = 0; i < COUNT(scenes); i++)
		test_scene(&scenes[i]);
	test_spawn();
	test_holds();
	return tap_end();
}
