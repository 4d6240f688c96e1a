// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Start a program that is traced from its execve on.
 *
 * The child shares the caller's memory until it has executed the program or
 * ended, and the calling thread sleeps so long, as with vfork: nothing is
 * copied, however large the caller is, and an error comes back in memory. It
 * runs on a stack of its own, with all signals blocked until no handler of the
 * caller can run in it, and calls nothing but system calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handle.h"

#define STACK_BYTES	((size_t)64 << 10)
#define OPTIONS_SIZE_1	(offsetof(struct systrace_spawn_options, reserved) + sizeof(uint32_t))
#define DEFAULT_PATH	"/bin:/usr/bin"
#define SHELL		"/bin/sh"

extern char **environ;

struct child {
	struct systrace *st;
	struct systrace_spawn_options opts;
	int cwd;			/* a descriptor, or AT_FDCWD */
	char path[PATH_MAX];
	char *const *argv;
	char **shell_argv;		/* for a script that does not name its interpreter */
	sigset_t mask;			/* what the program shall begin with */
	int hold;			/* wait for a word there, and say there how it went; or -1 */
	int error;			/* out: errno, or 0 if the program runs */
};

static int take_options(struct systrace_spawn_options *to, const struct systrace_spawn_options *from)
{
	int ret = systrace_take_options(to, sizeof(*to), OPTIONS_SIZE_1, from);

	if (!ret && (to->reserved || to->set_ids > 1 || to->nr_fds > SYSTRACE_SPAWN_FDS ||
		     (to->nr_fds && !to->fds)))
		ret = -EINVAL;
	/* Before there are descriptors of our own, which would have the numbers that are free */
	for (uint32_t i = 0; !ret && i < to->nr_fds; i++)
		if (to->fds[i] >= 0 && fcntl(to->fds[i], F_GETFD) < 0)
			ret = -errno;
	return ret;
}

/* ---------------------------------------------------------------- lookup --- */

/* errno of an attempt to execute path, as far as that can be told before. */
static int probe(int cwd, const char *path)
{
	struct stat st;

	if (fstatat(cwd, path, &st, 0))
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(cwd, path, X_OK, AT_EACCESS) ? errno : 0;
}

/* Is this an error of one folder, so that the next may still have the file? */
static bool go_on(int error)
{
	return error == EACCES || error == ENOENT || error == ENOTDIR || error == ESTALE ||
	       error == ENODEV || error == ETIMEDOUT || error == ENAMETOOLONG;
}

/* folder/file, or file alone if the folder is "", which means the current one */
static int join(char *path, const char *folder, size_t length, const char *file)
{
	size_t file_length = strlen(file);

	if (length + (length > 0) + file_length + 1 > PATH_MAX)
		return ENAMETOOLONG;
	memcpy(path, folder, length);
	if (length)
		path[length++] = '/';
	memcpy(path + length, file, file_length + 1);
	return 0;
}

/*
 * Find the file on PATH as execvp would. That tries to execute one after the
 * other; here the child shall call execve once, so look before.
 */
static int look_up(int cwd, char *path, const char *file)
{
	const char *folder = getenv("PATH");
	int error, result = ENOENT;

	if (!*file)
		return -ENOENT;
	if (strchr(file, '/'))
		return -join(path, "", 0, file);
	if (strlen(file) > NAME_MAX)
		return -ENAMETOOLONG;
	if (!folder)
		folder = DEFAULT_PATH;
	for (;; folder++) {
		size_t length = strcspn(folder, ":");

		error = join(path, folder, length, file);
		if (!error)
			error = probe(cwd, path);
		if (!error)
			return 0;
		if (!go_on(error))
			return -error;
		if (result != EACCES)	/* the most telling, if nothing is found */
			result = error;
		folder += length;
		if (!*folder)
			return -result;
	}
}

/* ------------------------------------------------------------- the child --- */

/* The program would begin with these at their default anyway; get there now. */
static void drop_handlers(void)
{
	const struct sigaction by_default = { .sa_handler = SIG_DFL };
	struct sigaction old;

	for (int sig = 1; sig < NSIG; sig++)
		if (!sigaction(sig, NULL, &old) && old.sa_handler != SIG_IGN &&
		    old.sa_handler != SIG_DFL)
			sigaction(sig, &by_default, NULL);
}

/* Descriptors: all are copied out of the way first, since they may be each other's places. */
static int place_fds(const struct systrace_spawn_options *o)
{
	int copies[SYSTRACE_SPAWN_FDS], n = (int)o->nr_fds;

	for (int i = 0; i < n; i++) {
		copies[i] = o->fds[i] < 0 ? -1 : fcntl(o->fds[i], F_DUPFD_CLOEXEC, n);
		if (o->fds[i] >= 0 && copies[i] < 0)
			return errno;
	}
	for (int i = 0; i < n; i++) {
		if (copies[i] < 0)
			close(i);
		else if (dup2(copies[i], i) < 0)
			return errno;
	}
	return 0;
}

/* By the bare calls: the C library's would look for threads, which the caller may have. */
#ifdef SYS_setresuid32
#define SETGROUPS	SYS_setgroups32
#define SETRESGID	SYS_setresgid32
#define SETRESUID	SYS_setresuid32
#else
#define SETGROUPS	SYS_setgroups
#define SETRESGID	SYS_setresgid
#define SETRESUID	SYS_setresuid
#endif
static int set_ids(const struct systrace_spawn_options *o)
{
	if (syscall(SETGROUPS, (size_t)o->nr_groups, o->groups) ||
	    syscall(SETRESGID, o->gid, o->gid, o->gid) ||
	    syscall(SETRESUID, o->uid, o->uid, o->uid))
		return errno;
	return 0;
}

static int prepare(struct child *c)
{
	int error = 0, hold;

	/* Out of the way of the program's */
	if (c->hold >= 0 && c->opts.nr_fds) {
		hold = fcntl(c->hold, F_DUPFD_CLOEXEC, (int)c->opts.nr_fds);
		if (hold < 0)
			return errno;
		c->hold = hold;
	}
	if (c->cwd != AT_FDCWD && fchdir(c->cwd))
		return errno;
	if (c->opts.nr_fds)
		error = place_fds(&c->opts);
	if (!error && c->opts.set_ids)
		error = set_ids(&c->opts);
	return error;
}

/* Only returns if it fails: errno */
static int execute(struct child *c)
{
	char *const *envp = c->opts.envp ? c->opts.envp : environ;
	int error = prepare(c);

	if (error)
		return error;
	drop_handlers();
	sigprocmask(SIG_SETMASK, &c->mask, NULL);
	execve(c->path, c->argv, envp);
	if (errno == ENOEXEC)
		execve(SHELL, c->shell_argv, envp);
	return errno;
}

static int arm(struct child *c)
{
	struct systrace_attach_args args = {
		.size = sizeof(args),
		.mode = SYSTRACE_ATTACH_EXEC,
	};

	return -systrace_ioctl(c->st, SYSTRACE_IOC_ATTACH, &args);
}

/* With the caller's memory */
static int run_child(void *arg)
{
	struct child *c = arg;
	int error = arm(c);

	c->error = error > 0 ? error : execute(c);
	_exit(127);
}

/* An int, and a descriptor beside it unless that is -1, over a socket. False if it does not go. */
static bool tell(int to, int word, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = &word, .iov_len = sizeof(word) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.head = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) == sizeof(word);
}

/*
 * The other side of it: `silence` if all who could have told are gone, ESRCH if they went before
 * they heard what they were told. *fd if it is not NULL
 */
static int hear(int from, int silence, int *fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	int word = silence;
	struct iovec iov = { .iov_base = &word, .iov_len = sizeof(word) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(word))
		return n < 0 ? ESRCH : silence;
	if (fd && control.head.cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(&control.head), sizeof(*fd));
	return word;
}

/*
 * With a copy of the caller's memory. The socket whose end tells that the program is executed is
 * made here, and only its other side goes to the caller: there another thread could just be
 * forking, and its child would keep what was open.
 */
__attribute__((noreturn))
static void run_held(struct child *c)
{
	int ends[2] = { -1, -1 }, error = arm(c);

	if (error <= 0)
		error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) ? errno : 0;
	if (!tell(c->hold, error, ends[0]) || error)
		_exit(127);
	close(c->hold);
	close(ends[0]);
	c->hold = ends[1];
	if (hear(c->hold, -1, NULL) == 0) {
		error = execute(c);
		tell(c->hold, error, -1);
	}
	_exit(127);
}

/* ------------------------------------------------------------ the parent --- */

/* sh path argv[1] ...; NULL if there is no memory. Free it. */
static char **make_shell_argv(const char *path, char *const argv[])
{
	size_t argc = 0;
	char **shell;

	while (argv[argc])
		argc++;
	shell = calloc(argc + 3, sizeof(*shell));
	if (!shell)
		return NULL;
	shell[0] = (char *)SHELL;
	shell[1] = (char *)(uintptr_t)path;
	for (size_t i = 1; i < argc; i++)
		shell[i + 1] = argv[i];
	return shell;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* The child's pid, or -errno and no child. */
static pid_t start(struct child *c)
{
	sigset_t all;
	char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &c->mask);
	pid = clone(run_child, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, c);
	if (pid < 0) {
		pid = -errno;
	} else if (c->error) {
		reap(pid);
		pid = -c->error;
	}
	pthread_sigmask(SIG_SETMASK, &c->mask, NULL);
	munmap(stack, STACK_BYTES);
	return pid;
}

/* The same; *hold is where the child waits. */
static pid_t start_held(struct child *c, int *hold)
{
	sigset_t all;
	int ends[2], error, to = -1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	c->hold = ends[1];
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &c->mask);
	pid = _Fork();
	if (pid == 0) {
		close(ends[0]);
		run_held(c);
	}
	error = pid < 0 ? errno : 0;
	pthread_sigmask(SIG_SETMASK, &c->mask, NULL);
	close(ends[1]);
	if (!error) {
		error = hear(ends[0], ESRCH, &to);
		if (!error && to < 0) {	/* no descriptor was free here */
			error = EMFILE;
			kill(pid, SIGKILL);
		}
		if (error)
			reap(pid);
	}
	close(ends[0]);
	if (error)
		return -error;
	*hold = to;
	return pid;
}

int systrace_spawn_go(int hold)
{
	int error = ESRCH, cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	/* Its end closes when it executes the program. */
	if (tell(hold, 0, -1))
		error = hear(hold, 0, NULL);
	close(hold);
	pthread_setcancelstate(cancel, NULL);
	return -error;
}

/*
 * Who changes its ids has its memory made undumpable, which must not be the caller's: so it
 * has a copy.
 */
static pid_t start_with_ids(struct child *c)
{
	int hold = -1, ret;
	pid_t pid = start_held(c, &hold);

	if (pid < 0)
		return pid;
	ret = systrace_spawn_go(hold);
	if (ret)
		reap(pid);
	return ret ? ret : pid;
}

static int start_program(struct systrace *st, pid_t *pid, int *hold, const char *file,
			 char *const argv[], const struct systrace_spawn_options *opts)
{
	struct child c = { .st = st, .argv = argv, .cwd = AT_FDCWD, .hold = -1 };
	int ret = take_options(&c.opts, opts);

	if (ret)
		return ret;
	if (c.opts.cwd) {
		c.cwd = open(c.opts.cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (c.cwd < 0)
			return -errno;
	}
	ret = look_up(c.cwd, c.path, file);
	if (!ret) {
		c.shell_argv = make_shell_argv(c.path, argv);
		ret = c.shell_argv ? 0 : -ENOMEM;
	}
	if (!ret)
		ret = hold ? start_held(&c, hold) : c.opts.set_ids ? start_with_ids(&c) : start(&c);
	free(c.shell_argv);
	if (c.cwd >= 0)
		close(c.cwd);
	if (ret < 0)
		return ret;
	*pid = ret;
	return 0;
}

/* A thread is not cancelled here: the child would unwind the stack, too, which is the caller's. */
static int spawn(struct systrace *st, pid_t *pid, int *hold, const char *file, char *const argv[],
		 const struct systrace_spawn_options *opts)
{
	int cancel, ret;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = start_program(st, pid, hold, file, argv, opts);
	pthread_setcancelstate(cancel, NULL);
	return ret;
}

int systrace_spawn(struct systrace *st, pid_t *pid, const char *file, char *const argv[],
		   const struct systrace_spawn_options *opts)
{
	return spawn(st, pid, NULL, file, argv, opts);
}

int systrace_spawn_held(struct systrace *st, pid_t *pid, int *hold, const char *file,
			char *const argv[], const struct systrace_spawn_options *opts)
{
	return spawn(st, pid, hold, file, argv, opts);
}
