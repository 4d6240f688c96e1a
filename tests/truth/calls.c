// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One task, ordinary calls: files, memory, names, errors, numbers that no call has.
 * Built static, dynamic and for i386. Everything depends on nothing but the current
 * folder, which is new and empty, so that two runs make the same calls with the same
 * arguments and results.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Results go to the tracers; nobody looks at them here. */
static volatile long sink;

static char buffer[8192];

/* The compiler must not know that there is nothing. */
static char *volatile bad = (char *)8;

static void files(void)
{
	struct iovec iov[2] = { { buffer, 100 }, { buffer + 200, 23 } };
	int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0640);
	struct stat st;

	sink = write(fd, buffer, 5000);
	sink = pwrite(fd, buffer, 17, 0x1234567890);
	sink = lseek(fd, 0, SEEK_CUR);
	sink = lseek(fd, 0, SEEK_END);
	sink = ftruncate(fd, 0x100000001);
	sink = pread(fd, buffer, 333, 4900);
	sink = writev(fd, iov, 2);
	sink = preadv(fd, iov, 2, 7);
	sink = fstat(fd, &st);
	sink = fcntl(fd, F_SETFD, FD_CLOEXEC);
	sink = dup2(fd, 100);
	sink = fchmod(100, 0600);
	sink = close(100);
	sink = close(fd);
	sink = mkdir("folder", 0755);
	sink = rename("file", "folder/file");
	sink = symlink("file", "folder/link");
	sink = readlink("folder/link", buffer, sizeof(buffer));
	sink = chdir("folder");
	sink = stat("link", &st);
	sink = truncate("link", 12);
	sink = unlink("link");
	sink = unlink("file");
	sink = chdir("..");
	sink = rmdir("folder");
}

static void errors(void)
{
	int fd = open("there", O_RDONLY | O_CREAT, 0);

	sink = close(fd);
	sink = open("nothing", O_RDONLY);
	sink = open("there", O_RDWR | O_CREAT | O_EXCL, 0600);
	sink = open("there/below", O_RDONLY);
	sink = mkdir("there", 0700);
	sink = rmdir("there");
	sink = unlink("there");
	sink = close(fd);
	sink = close(-1);
	sink = read(1000, buffer, 1);
	sink = write(1, bad, 100);
	sink = lseek(0, -5, 77);
	sink = syscall(SYS_readlinkat, AT_FDCWD, bad, buffer, 3);
	sink = dup2(0, 1 << 30);
	sink = socket(12345, SOCK_STREAM, 0);
	sink = mprotect((void *)0x1001, 4096, PROT_READ);
	sink = chdir("/nowhere");
}

static void pipes(void)
{
	int fds[2], pair[2];

	sink = pipe(fds);
	sink = write(fds[1], buffer, 300);
	sink = read(fds[0], buffer, 299);
	sink = read(fds[0], buffer, sizeof(buffer));
	sink = close(fds[1]);
	sink = read(fds[0], buffer, sizeof(buffer));
	sink = close(fds[0]);
	sink = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	sink = send(pair[0], buffer, 44, 0);
	sink = recv(pair[1], buffer, 40, MSG_PEEK);
	sink = recv(pair[1], buffer, sizeof(buffer), 0);
	sink = recv(pair[1], buffer, sizeof(buffer), MSG_DONTWAIT);
	sink = shutdown(pair[0], SHUT_RDWR);
	sink = recv(pair[1], buffer, sizeof(buffer), 0);
}

static void memory(void)
{
	char *p = mmap(NULL, 0x3000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sink = mprotect(p + 0x1000, 0x1000, PROT_READ);
	sink = madvise(p, 0x1000, MADV_DONTNEED);
	sink = madvise(p, 0x1000, 9999);
	sink = munmap(p, 0x3000);
	sink = (long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sink = (long)sbrk(0x10000);
	sink = (long)sbrk(-0x10000);
}

static void numbers(void)
{
	sink = syscall(999, 1, 2, 3, 4, 5, 6);
	sink = syscall(4000, 1, 2, 3, 4, 5, 6);
	sink = syscall(0x7654321, 1, 2, 3, 4, 5, 6);
	sink = syscall(-1, 1, 2, 3, 4, 5, 6);
	sink = syscall(-77, 1, 2, 3, 4, 5, 6);
}

static void names(void)
{
	struct utsname name;

	sink = getpid();
	sink = getppid();
	sink = syscall(SYS_gettid);
	sink = getuid();
	sink = getegid();
	sink = uname(&name);
	sink = umask(027);
	sink = umask(022);
	sink = getpgid(0);
	sink = getsid(getpid());
	sink = sysconf(_SC_NPROCESSORS_ONLN);
}

int main(void)
{
	files();
	errors();
	pipes();
	memory();
	numbers();
	names();
	return 42;
}
