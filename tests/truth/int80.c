// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A 64-bit program that makes i386 calls between its own: the ABI belongs to each
 * call. Memory that both can name is below 4 GiB, which the build sees to.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

enum { I386_EXIT = 1, I386_READ = 3, I386_WRITE = 4, I386_OPEN = 5, I386_CLOSE = 6,
       I386_GETPID = 20, I386_GETPPID = 64, I386_MMAP2 = 192 };

static char name[] = "file";
static char data[] = "some bytes";
static volatile long sink;

static long call(long nr, long a, long b, long c, long d, long e)
{
	long result;

	asm volatile("int $0x80" : "=a" (result)
		     : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (d), "D" (e)
		     : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static long pointer(const void *p)
{
	return (long)p;
}

int main(void)
{
	long fd = call(I386_OPEN, pointer(name), O_RDWR | O_CREAT, 0600, 0, 0);

	sink = call(I386_WRITE, fd, pointer(data), sizeof(data), 0, 0);
	sink = lseek((int)fd, 3, SEEK_SET);
	sink = call(I386_READ, fd, pointer(data), 100, 0, 0);
	sink = call(I386_GETPID, 0, 0, 0, 0, 0);
	sink = getppid();
	sink = call(I386_GETPPID, 0, 0, 0, 0, 0);
	/* Arguments are 32 bits wide, whatever the registers hold above. */
	sink = call(I386_CLOSE, fd | 0x1200000000, 0, 0, 0, 0);
	sink = close((int)fd);
	sink = call(I386_CLOSE, -1, 0, 0, 0, 0);
	sink = call(I386_MMAP2, 0, 8192, 3, 0x22, -1);
	sink = call(3333, 1, 2, 3, 4, 5);
	sink = call(I386_EXIT, 7, 0, 0, 0, 0);
	return 1;
}
