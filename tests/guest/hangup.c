// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hangup FILE CMD [ARG]...: CMD leads a session at a terminal, which goes as soon as there is that file. Ends
 * when CMD has ended, as that does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void lead(int terminal, char **cmd)
{
	int fd = open(ptsname(terminal), O_RDWR);

	close(terminal);
	if (fd < 0 || setsid() < 0 || ioctl(fd, TIOCSCTTY, 0) || dup2(fd, 0) < 0 || dup2(fd, 1) < 0)
		_exit(125);
	execvp(cmd[0], cmd);
	_exit(127);
}

int main(int argc, char **argv)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status = 0;
	pid_t pid;

	if (argc < 3 || terminal < 0 || grantpt(terminal) || unlockpt(terminal)) {
		perror("hangup");
		return 125;
	}
	pid = fork();
	if (pid == 0)
		lead(terminal, argv + 2);
	while (access(argv[1], F_OK) && !waitpid(pid, &status, WNOHANG))
		usleep(10000);
	close(terminal);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
