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
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "handle.h"

#define STACK_BYTES	((size_t)64 << 10)
#define DEFAULT_PATH	"/bin:/usr/bin"
#define SHELL		"/bin/sh"

extern char **environ;

struct child {
	struct systrace *st;
	const char *path;
	char *const *argv;
	char *const *shell_argv;	/* for a script that does not name its interpreter */
	char *const *envp;
	sigset_t mask;			/* what the program shall begin with */
	int error;			/* out: errno, or 0 if the program runs */
};

/* ---------------------------------------------------------------- lookup --- */

/* errno of an attempt to execute path, as far as that can be told before. */
static int probe(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) ? errno : 0;
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

	if (length + 1 + file_length + 1 > PATH_MAX)
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
static int look_up(char *path, const char *file)
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
			error = probe(path);
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

static int run_child(void *arg)
{
	struct child *c = arg;
	struct systrace_attach_args args = {
		.size = sizeof(args),
		.mode = SYSTRACE_ATTACH_EXEC,
	};
	int ret = systrace_ioctl(c->st, SYSTRACE_IOC_ATTACH, &args);

	if (ret < 0) {
		c->error = -ret;
		_exit(127);
	}
	drop_handlers();
	sigprocmask(SIG_SETMASK, &c->mask, NULL);
	execve(c->path, c->argv, c->envp);
	if (errno == ENOEXEC)
		execve(SHELL, c->shell_argv, c->envp);
	c->error = errno;
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
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		pid = -c->error;
	}
	pthread_sigmask(SIG_SETMASK, &c->mask, NULL);
	munmap(stack, STACK_BYTES);
	return pid;
}

int systrace_spawn(struct systrace *st, pid_t *pid, const char *file, char *const argv[],
		   char *const envp[])
{
	struct child c = { .st = st, .argv = argv, .envp = envp ? envp : environ };
	char path[PATH_MAX], **shell_argv;
	int ret = look_up(path, file);

	if (ret)
		return ret;
	shell_argv = make_shell_argv(path, argv);
	if (!shell_argv)
		return -ENOMEM;
	c.path = path;
	c.shell_argv = shell_argv;
	ret = start(&c);
	free(shell_argv);
	if (ret < 0)
		return ret;
	*pid = ret;
	return 0;
}
