// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who may attach whom: a row here for each in the table at the head of driver/access.c.
 * What becomes of a traced task that executes a program with another's privilege is in
 * keep.c.
 */
#define _GNU_SOURCE
#include "who.h"

#define RING	4096
#define SESSION	100		/* descriptors that children find by their number */
#define READY	101
#define BIT(n)	(1ULL << (n))
#define UNREADABLE	"/tmp/unreadable"

static int namespace = -1;	/* one that the user owns, with everybody in it */

/* ------------------------------------------------------------ credentials --- */

static void capable_ptrace(void)
{
	who_capable(BIT(CAP_SYS_PTRACE), BIT(CAP_SYS_PTRACE));
}

static void capable_perfmon(void)
{
	who_capable(BIT(CAP_PERFMON), BIT(CAP_PERFMON));
}

static void capable_raw(void)
{
	who_capable(BIT(CAP_NET_RAW), BIT(CAP_NET_RAW));
}

static void could_be_capable(void)
{
	who_capable(BIT(CAP_SYS_PTRACE) | BIT(CAP_PERFMON), 0);
}

/* The user, but for one of the six numbers. */
static void but_for(int which)
{
	unsigned id[6] = { USER, USER, USER, USER, USER, USER };

	id[which] = OTHER;
	if (setgroups(0, NULL) || setresgid(id[3], id[4], id[5]) ||
	    setresuid(id[0], id[1], id[2]))
		tap_bail("setresuid");
	prctl(PR_SET_DUMPABLE, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void other_uid(void)
{
	but_for(0);
}

static void other_euid(void)
{
	but_for(1);
}

static void other_suid(void)
{
	but_for(2);
}

static void other_gid(void)
{
	but_for(3);
}

static void other_egid(void)
{
	but_for(4);
}

static void other_sgid(void)
{
	but_for(5);
}

static void hidden(void)
{
	who_user();
	prctl(PR_SET_DUMPABLE, 0);
}

/* It has changed its user, and run no program since. */
static void was_root(void)
{
	if (setgroups(0, NULL) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		tap_bail("setresuid");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void run(const char *program)
{
	execl(program, program, "wait", NULL);
	tap_bail("cannot run %s", program);
}

static void unreadable(void)
{
	who_user();
	run(UNREADABLE);
}

static void enter(void)
{
	if (setns(namespace, CLONE_NEWUSER))
		tap_bail("setns");
}

static void own_empty(void)
{
	who_user();
	if (unshare(CLONE_NEWUSER))
		tap_bail("unshare");
}

static void own_new(void)
{
	who_user();
	who_new_namespace();
}

static void own_new_run(void)
{
	own_new();
	run("/proc/self/exe");
}

static void own_new_unreadable(void)
{
	own_new();
	run(UNREADABLE);
}

static void nested_run(void)
{
	own_new();
	who_new_namespace();
	run("/proc/self/exe");
}

static void others_new_run(void)
{
	who_other();
	who_new_namespace();
	run("/proc/self/exe");
}

static void inside_perfmon(void)
{
	enter();
	capable_perfmon();
}

static void inside_user(void)
{
	enter();
	who_user();
}

static void inside_user_run(void)
{
	inside_user();
	run("/proc/self/exe");
}

static void inside_other_run(void)
{
	enter();
	who_other();
	run("/proc/self/exe");
}

static void inside_root_run(void)
{
	enter();
	run("/proc/self/exe");
}

/* ------------------------------------------------------------------- rows --- */

static const struct row {
	const char *what;
	void (*opener)(void), (*caller)(void), (*target)(void);
	int want;
} rows[] = {
	{ "a user, of the same user's task", who_user, who_user, who_user, 0 },
	{ "a user, of another's", who_user, who_user, who_other, EPERM },
	{ "a user, of root's", who_user, who_user, who_root, EPERM },
	{ "a user, another real user", who_user, who_user, other_uid, EPERM },
	{ "a user, another effective user", who_user, who_user, other_euid, EPERM },
	{ "a user, another saved user", who_user, who_user, other_suid, EPERM },
	{ "a user, another real group", who_user, who_user, other_gid, EPERM },
	{ "a user, another effective group", who_user, who_user, other_egid, EPERM },
	{ "a user, another saved group", who_user, who_user, other_sgid, EPERM },
	{ "a user, not dumpable", who_user, who_user, hidden, EPERM },
	{ "a user, root until now", who_user, who_user, was_root, EPERM },
	{ "a user, an unreadable program", who_user, who_user, unreadable, EPERM },
	{ "a user, one with a capability", who_user, who_user, capable_raw, EPERM },
	{ "with that capability", capable_raw, capable_raw, capable_raw, 0 },
	{ "opener without it", who_user, capable_raw, capable_raw, EPERM },
	{ "caller without it", capable_raw, who_user, capable_raw, EPERM },

	{ "root, of root's", who_root, who_root, who_root, 0 },
	{ "root, of a user's", who_root, who_root, who_user, 0 },
	{ "root, not dumpable", who_root, who_root, hidden, 0 },
	{ "root, an unreadable program", who_root, who_root, unreadable, 0 },
	{ "root, another's namespace", who_root, who_root, own_new_run, 0 },
	{ "root, another's before it runs a program", who_root, who_root, own_new, 0 },
	{ "root's session in a user's hands, of root's", who_root, who_user, who_root, EPERM },
	{ "root's session in a user's hands, of the user's", who_root, who_user, who_user, EPERM },
	{ "a user's session in root's hands, of root's", who_user, who_root, who_root, EPERM },
	{ "a user's session in root's hands, of another's", who_user, who_root, who_other, EPERM },
	{ "a user's session in root's hands, of the user's", who_user, who_root, who_user, EPERM },
	{ "a user's session in another's hands", who_user, who_other, who_user, EPERM },
	{ "a user's session in another's hands, of its", who_user, who_other, who_other, EPERM },

	{ "CAP_SYS_PTRACE, of root's", capable_ptrace, capable_ptrace, who_root, 0 },
	{ "CAP_SYS_PTRACE, of another's", capable_ptrace, capable_ptrace, who_other, 0 },
	{ "CAP_PERFMON, of root's", capable_perfmon, capable_perfmon, who_root, 0 },
	{ "CAP_PERFMON, of another's", capable_perfmon, capable_perfmon, who_other, 0 },
	{ "one of each", capable_ptrace, capable_perfmon, who_other, 0 },
	{ "the other way round", capable_perfmon, capable_ptrace, who_other, 0 },
	{ "CAP_NET_RAW, of another's", capable_raw, capable_raw, who_other, EPERM },
	{ "both, permitted but not in effect", could_be_capable, could_be_capable, who_other,
	  EPERM },
	{ "only the opener capable", capable_ptrace, who_user, who_other, EPERM },
	{ "only the caller capable", who_user, capable_ptrace, who_other, EPERM },

	{ "a user, its own namespace", who_user, who_user, own_new_run, 0 },
	{ "a user, one nested in that", who_user, who_user, nested_run, 0 },
	{ "a user, its own before it runs a program", who_user, who_user, own_new, EPERM },
	{ "a user, its own with an unreadable program", who_user, who_user, own_new_unreadable,
	  EPERM },
	{ "a user, another's namespace", who_user, who_user, others_new_run, EPERM },
	{ "a user, another's task in its own", who_user, who_user, inside_other_run, 0 },
	{ "a user, its own task in another's", who_other, who_other, inside_other_run, EPERM },
	{ "inside, as the same user", inside_user, inside_user, inside_user_run, 0 },
	{ "inside, of another's", inside_user, inside_user, inside_other_run, EPERM },
	{ "inside, of the same user's outside", inside_user, inside_user, who_user, EPERM },
	{ "inside, as its root, of a user's", enter, enter, inside_user_run, 0 },
	{ "inside, as its root, of its root's", enter, enter, inside_root_run, 0 },
	{ "inside, as its root, of root's outside", enter, enter, who_root, EPERM },
	{ "inside, as its root, of a user's outside", enter, enter, who_user, EPERM },
	{ "inside, the opener with CAP_PERFMON", inside_perfmon, enter, inside_other_run, EPERM },
	{ "inside, the caller with CAP_PERFMON", enter, inside_perfmon, inside_other_run, EPERM },
	{ "opener outside, caller inside as its root", who_user, enter, inside_user_run, 0 },
	{ "opener of no right there, caller its root", who_other, enter, inside_user_run, EPERM },
};

/* The rest of a target's life. */
static void wait_for_end(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(READY, "", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

static pid_t target(void (*become)(void))
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0) {
		dup2(ready[1], READY);
		close(ready[1]);
		become();
		wait_for_end();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		tap_bail("no target");
	close(ready[0]);
	return pid;
}

/* A session of other credentials than ours, in our descriptor table. */
static void open_as(void (*become)(void))
{
	int status;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (pid == 0) {
		int fd;

		become();
		fd = tap_open(O_RDWR);
		tap_setup(fd, RING);
		dup2(fd, SESSION);
		close(fd);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		tap_bail("no session");
}

static int attach(int fd, pid_t pid)
{
	struct systrace_attach_args args = {
		.size = sizeof(args), .mode = SYSTRACE_ATTACH_TASK, .pid = pid,
	};

	return ioctl(fd, SYSTRACE_IOC_ATTACH, &args) ? errno : 0;
}

static int attach_as(void (*become)(void), pid_t pid)
{
	int status;
	pid_t child = tap_fork();

	if (child == 0) {
		become();
		_exit(attach(SESSION, pid));
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned attached(int fd)
{
	struct systrace_stats stats = { .size = sizeof(stats), .cpu = -1 };

	if (ioctl(fd, SYSTRACE_IOC_STATS, &stats))
		tap_bail("STATS");
	return stats.attached;
}

static void test_row(const struct row *row)
{
	pid_t pid = target(row->target);
	int got;

	open_as(row->opener);
	got = attach_as(row->caller, pid);
	if (!tap_ok(got == row->want && attached(SESSION) == !row->want, "%s: %s", row->what,
		    tap_error(row->want)))
		tap_note("got %s", tap_error(got));
	close(SESSION);
	tap_reap(pid);
}

/* --------------------------------------------------------------- the rest --- */

/* Kept by a task in it, until we have a descriptor of it. */
static int users_namespace(void)
{
	pid_t pid = target(own_empty);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	if (fd < 0 || !tap_put(path, "0 0 65536"))
		tap_bail("no user namespace");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	if (!tap_put(path, "0 0 65536"))
		tap_bail("no groups in the user namespace");
	tap_reap(pid);
	return fd;
}

static void effective(uid_t uid)
{
	if (seteuid(uid))
		tap_bail("seteuid");
}

/* What counts is who the opener was then. */
static void test_opener(void)
{
	const gid_t groups[] = { GROUP };
	pid_t pid = target(who_other);
	int roots = tap_open(O_RDWR), users;

	if (setgroups(1, groups))
		tap_bail("setgroups");
	tap_setup(roots, RING);
	effective(USER);
	tap_ok(attach(roots, pid) == EPERM, "root's session, when root has become a user: EPERM");
	users = tap_open(O_RDWR);
	tap_setup(users, RING);
	effective(0);
	tap_ok(attach(users, pid) == EPERM, "a user's session, when the user has become root: EPERM");
	tap_ok(attach(roots, pid) == 0, "root's session, when the user has become root: success");
	close(users);
	close(roots);
	tap_reap(pid);
}

static void test_node(void)
{
	int status;
	pid_t pid = tap_fork();

	if (pid == 0) {
		setgroups(0, NULL);
		if (setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
			tap_bail("setresuid");
		_exit(open(SYSTRACE_DEVICE, O_RDWR) < 0 ? errno : 0);
	}
	waitpid(pid, &status, 0);
	tap_ok(WEXITSTATUS(status) == EACCES, "open by a user who is not of the node's group: EACCES");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "wait"))
		wait_for_end();
	alarm(300);
	who_admit();
	who_program(UNREADABLE, 0, 0, 0711);
	namespace = users_namespace();
	test_node();
	for (size_t i = 0; i < COUNT(rows); i++)
		test_row(&rows[i]);
	test_opener();
	return tap_end();
}
