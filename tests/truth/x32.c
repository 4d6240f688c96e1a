// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A 64-bit program that makes x32 calls between its own, for a kernel that has them.
 * They differ from others by a bit of the number; what x32 has its own structures for
 * has numbers from 512 on. Memory that both can name is below 4 GiB, see the build.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIT	0x40000000

enum { X32_RT_SIGACTION = 512, X32_IOCTL = 514, X32_READV = 515, X32_EXECVE = 520,
       X32_PREADV = 534 };

static char name[] = "file";
static char data[] = "some bytes";
static struct { uint32_t base, bytes; } vector;
static uint32_t argv[3];	/* pointers of 32 bits */
static volatile long sink;

static long call(long nr, long a, long b, long c, long d)
{
	return syscall(BIT | nr, a, b, c, d, 0, 0);
}

static long pointer(const void *p)
{
	return (long)p;
}

int main(int argc, char **args)
{
	long fd;
	pid_t pid;

	if (argc > 1)
		return 7;
	fd = call(SYS_open, pointer(name), O_RDWR | O_CREAT, 0600, 0);
	if (fd < 0 && errno == ENOSYS)
		return 1;
	sink = call(SYS_write, fd, pointer(data), sizeof(data), 0);
	sink = lseek((int)fd, 3, SEEK_SET);
	vector.base = (uint32_t)pointer(data);
	vector.bytes = 5;
	sink = call(X32_READV, fd, pointer(&vector), 1, 0);
	sink = call(X32_PREADV, fd, pointer(&vector), 1, 2);
	sink = call(X32_IOCTL, fd, 0x5401, 0, 0);
	sink = call(X32_RT_SIGACTION, SIGUSR1, 0, 0, 8);
	sink = call(SYS_getpid, 0, 0, 0, 0);
	sink = getppid();
	sink = call(SYS_close, -1, 0, 0, 0);
	sink = call(3333, 1, 2, 3, 4);
	pid = (pid_t)call(SYS_fork, 0, 0, 0, 0);
	if (!pid)
		call(SYS_exit_group, 3, 0, 0, 0);
	sink = call(SYS_wait4, pid, 0, 0, 0);
	argv[0] = (uint32_t)pointer(name);
	argv[1] = (uint32_t)pointer(data);
	sink = call(X32_EXECVE, pointer("/nonexistent"), pointer(argv), 0, 0);
	sink = call(X32_EXECVE, pointer("/proc/self/exe"), pointer(argv), 0, 0);
	return args ? 1 : 2;
}
