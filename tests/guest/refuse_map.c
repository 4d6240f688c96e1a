// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What mmap refuses, and what may not be done to the mappings after; how they
 * can be reached and how not.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/uio.h>

#include "tap.h"

#define PAGE	sysconf(_SC_PAGESIZE)	/* some kernels of arm64 have larger ones */
#define RING	65536
#define RW	(PROT_READ | PROT_WRITE)

enum range { CONTROL, DATA };

static struct systrace_setup setup;

static size_t size_of(enum range range)
{
	return range == CONTROL ? setup.control_size : setup.data_size;
}

static void *map(int fd, enum range range, int prot)
{
	return mmap(NULL, size_of(range), prot, MAP_SHARED, fd,
		    (off_t)(range == CONTROL ? setup.control_offset : setup.data_offset));
}

/* Both ranges map, and control can be given back: nothing has kept them. */
static bool maps(int fd)
{
	void *control = map(fd, CONTROL, RW), *data = map(fd, DATA, PROT_READ);
	bool good = control != MAP_FAILED && data != MAP_FAILED;

	if (control != MAP_FAILED)
		munmap(control, setup.control_size);
	if (data != MAP_FAILED)
		munmap(data, setup.data_size);
	return good;
}

static const struct {
	const char *name;
	enum range range;
	int prot, flags;
	long shift, grow;	/* in pages */
	int want;
} bad_maps[] = {
	{ "control, private", CONTROL, RW, MAP_PRIVATE, 0, 0, EINVAL },
	{ "control, too long", CONTROL, RW, MAP_SHARED, 0, 1, EINVAL },
	{ "control, shifted", CONTROL, RW, MAP_SHARED, 1, 0, EINVAL },
	{ "control, executable", CONTROL, RW | PROT_EXEC, MAP_SHARED, 0, 0, EACCES },
	{ "control, only executable", CONTROL, PROT_EXEC, MAP_SHARED, 0, 0, EACCES },
	{ "data, private", DATA, PROT_READ, MAP_PRIVATE, 0, 0, EINVAL },
	{ "data, private and writable", DATA, RW, MAP_PRIVATE, 0, 0, EINVAL },
	{ "data, a page short", DATA, PROT_READ, MAP_SHARED, 0, -1, EINVAL },
	{ "data, a page long", DATA, PROT_READ, MAP_SHARED, 0, 1, EINVAL },
	{ "data, a page early", DATA, PROT_READ, MAP_SHARED, -1, 0, EINVAL },
	{ "data, a page late", DATA, PROT_READ, MAP_SHARED, 1, 0, EINVAL },
	{ "data, with control", DATA, PROT_READ, MAP_SHARED, -1, 1, EINVAL },
	{ "data, all but the first page", DATA, PROT_READ, MAP_SHARED, 1, -1, EINVAL },
	{ "data, far away", DATA, PROT_READ, MAP_SHARED, 1L << 38, 0, EINVAL },
	{ "data, writable", DATA, RW, MAP_SHARED, 0, 0, EACCES },
	{ "data, only writable", DATA, PROT_WRITE, MAP_SHARED, 0, 0, EACCES },
	{ "data, executable", DATA, PROT_READ | PROT_EXEC, MAP_SHARED, 0, 0, EACCES },
};

static void test_mmap(int fd)
{
	for (size_t i = 0; i < COUNT(bad_maps); i++) {
		enum range range = bad_maps[i].range;
		off_t offset = range == CONTROL ? setup.control_offset : setup.data_offset;
		char what[64];
		void *p;

		p = mmap(NULL, size_of(range) + bad_maps[i].grow * PAGE, bad_maps[i].prot,
			 bad_maps[i].flags, fd, offset + bad_maps[i].shift * PAGE);
		snprintf(what, sizeof(what), "mmap of %s", bad_maps[i].name);
		tap_errno((long)p, bad_maps[i].want, what);
		if (!maps(fd))
			tap_ok(false, "%s has had an effect", what);
	}
	personality(READ_IMPLIES_EXEC);
	tap_errno((long)map(fd, CONTROL, RW), EACCES, "mmap of control, READ_IMPLIES_EXEC");
	tap_errno((long)map(fd, DATA, PROT_READ), EACCES, "mmap of data, READ_IMPLIES_EXEC");
	personality(0);
	tap_ok(maps(fd), "after all of them both can be mapped");
}

static void test_modes(int flags, const char *name)
{
	int prot = flags == O_RDONLY ? PROT_READ : PROT_WRITE, fd = tap_open(flags);
	struct systrace_setup kept = setup;
	char what[64];

	setup = tap_setup(fd, RING);
	snprintf(what, sizeof(what), "mmap of control, %s descriptor", name);
	tap_errno((long)map(fd, CONTROL, RW), EACCES, what);
	tap_errno((long)map(fd, CONTROL, prot), EACCES, what);
	snprintf(what, sizeof(what), "mmap of data, %s descriptor", name);
	tap_errno((long)map(fd, DATA, PROT_READ), EACCES, what);
	close(fd);
	setup = kept;
}

/* --------------------------------------------------------- what is mapped --- */

static sigjmp_buf back;

static void caught(int sig)
{
	siglongjmp(back, sig);
}

/* The signal that touching a byte costs, or 0. */
static int touch(volatile unsigned char *byte, bool write)
{
	struct sigaction action = { .sa_handler = caught };
	int sig;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sig = sigsetjmp(back, 1);
	if (sig)
		return sig;
	if (write)
		*byte = 0;
	else
		(void)*byte;
	return 0;
}

/* Whole, in place and in use. */
static bool whole(int fd, unsigned char *control, unsigned char *data)
{
	const struct systrace_header *header = (void *)data;

	for (size_t i = 0; i < setup.control_size; i += PAGE)
		if (touch(control + i, true))
			return false;
	for (size_t i = 0; i < header->bytes + 2 * RING; i += PAGE)
		if (touch(data + i, false))
			return false;
	return header->magic == SYSTRACE_MAGIC && map(fd, CONTROL, RW) == MAP_FAILED &&
	       errno == EBUSY;
}

static void test_protection(int fd, unsigned char *control, unsigned char *data)
{
	size_t size = setup.data_size;

	tap_errno(mprotect(data, size, RW), EACCES, "mprotect of data, writable");
	tap_errno(mprotect(data, size, PROT_WRITE), EACCES, "mprotect of data, only writable");
	tap_errno(mprotect(data, size, PROT_READ | PROT_EXEC), EACCES,
		  "mprotect of data, executable");
	tap_errno(mprotect(control, setup.control_size, RW | PROT_EXEC), EACCES,
		  "mprotect of control, executable");
	tap_errno(mprotect(data, PAGE, PROT_NONE), EINVAL, "mprotect of data's first page");
	tap_errno(mprotect(data + PAGE, PAGE, PROT_NONE), EINVAL, "mprotect of data's middle");
	tap_errno(mprotect(data + size - PAGE, PAGE, PROT_NONE), EINVAL,
		  "mprotect of data's last page");
	tap_errno(munmap(data, PAGE), EINVAL, "munmap of data's first page");
	tap_errno(munmap(data + PAGE, PAGE), EINVAL, "munmap of data's middle");
	tap_errno(munmap(data + size - PAGE, PAGE), EINVAL, "munmap of data's last page");
	tap_ok(whole(fd, control, data), "after all of them the mappings are whole");
	tap_errno(mprotect(control, setup.control_size, PROT_READ), 0, "mprotect to less");
	tap_errno(mprotect(control, setup.control_size, RW), 0, "mprotect back");
	tap_ok(touch(data, true) == SIGSEGV, "data cannot be written");
}

static void test_mremap(unsigned char *at, size_t size, const char *name)
{
	unsigned char *room = mmap(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);
	char what[64];

	snprintf(what, sizeof(what), "mremap of %s, to grow", name);
	tap_errno((long)mremap(at, size, size + PAGE, 0), EFAULT, what);
	tap_errno((long)mremap(at, size, size + PAGE, MREMAP_MAYMOVE), EFAULT, what);
	snprintf(what, sizeof(what), "mremap of %s, to duplicate", name);
	tap_errno((long)mremap(at, 0, size, MREMAP_MAYMOVE), EFAULT, what);
	snprintf(what, sizeof(what), "mremap of %s, to move", name);
	tap_errno((long)mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room), EINVAL, what);
	snprintf(what, sizeof(what), "mremap of %s, to move and stay", name);
	tap_errno((long)mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL), EINVAL,
		  what);
	if ((long)size > PAGE) {
		snprintf(what, sizeof(what), "mremap of %s, to shrink", name);
		tap_errno((long)mremap(at, size, size - PAGE, 0), EINVAL, what);
	}
	snprintf(what, sizeof(what), "madvise of %s, MADV_DOFORK", name);
	tap_errno(madvise(at, size, MADV_DOFORK), EINVAL, what);
	snprintf(what, sizeof(what), "madvise of %s, MADV_DODUMP", name);
	tap_errno(madvise(at, size, MADV_DODUMP), EINVAL, what);
}

/* By the CPU alone: another process, or a debugger, does not get at the pages. */
static void test_reach(unsigned char *data)
{
	__u64 word = 0;
	struct iovec to = { &word, sizeof(word) }, from = { data, sizeof(word) };
	int memory = open("/proc/self/mem", O_RDWR), ends[2];

	if (pipe(ends) || memory < 0)
		tap_bail("pipe, /proc/self/mem");
	tap_errno(process_vm_readv(getpid(), &to, 1, &from, 1, 0), EFAULT, "process_vm_readv");
	tap_errno(pread(memory, &word, sizeof(word), (off_t)data), EIO, "read of /proc/self/mem");
	tap_errno(pwrite(memory, &word, sizeof(word), (off_t)data), EIO,
		  "write of /proc/self/mem");
	tap_ok(write(ends[1], data, sizeof(word)) == sizeof(word) &&
	       read(ends[0], &word, sizeof(word)) == sizeof(word) && word == SYSTRACE_MAGIC,
	       "write from the mapping works");
	tap_ok(read(ends[0], data, 0) == 0 && write(ends[1], "x", 1) == 1 &&
	       read(ends[0], data, 1) == -1 && errno == EFAULT, "read into data: EFAULT");
	close(memory);
	close(ends[0]);
	close(ends[1]);
}

static bool has_flag(const void *at, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512], start[32];
	bool here = false, has = false;

	if (!maps)
		tap_bail("smaps");
	snprintf(start, sizeof(start), "%lx-", (unsigned long)at);
	while (fgets(line, sizeof(line), maps)) {
		if (!strncmp(line, start, strlen(start)))
			here = true;
		if (here && !strncmp(line, "VmFlags:", 8)) {
			has = strstr(line, flag);
			break;
		}
	}
	fclose(maps);
	return has;
}

/* ------------------------------------------------------------------- fork --- */

/* The child's answer, one bit for each thing that is not as it should be. */
static int child(int fd, unsigned char *control, unsigned char *data, int ready, int go)
{
	int wrong = 0;
	char c;

	wrong |= touch(control, false) != SIGSEGV;
	wrong |= (touch(data, false) != SIGSEGV) << 1;
	wrong |= (map(fd, CONTROL, RW) != MAP_FAILED || errno != EBUSY) << 2;
	wrong |= (map(fd, DATA, PROT_READ) == MAP_FAILED) << 3;
	wrong |= (write(ready, "", 1) != 1) << 4;
	wrong |= (read(go, &c, 1) != 1) << 4;	/* now the parent's is unmapped */
	wrong |= (map(fd, CONTROL, RW) == MAP_FAILED) << 5;
	wrong |= (map(fd, CONTROL, RW) != MAP_FAILED || errno != EBUSY) << 6;
	return wrong;
}

static void test_fork(int fd, unsigned char *control, unsigned char *data)
{
	int ready[2], go[2], status;
	pid_t pid;
	char c;

	if (pipe(ready) || pipe(go))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0)
		_exit(child(fd, control, data, ready[1], go[0]));
	if (read(ready[0], &c, 1) != 1)
		tap_bail("the child");
	munmap(control, setup.control_size);
	if (write(go[1], "", 1) != 1)
		tap_bail("write");
	waitpid(pid, &status, 0);
	if (!tap_ok(status == 0, "a child has the descriptor, not the mappings; "
		    "can map after the parent unmapped"))
		tap_note("status 0x%x", status);
	control = map(fd, CONTROL, RW);
	tap_ok(control != MAP_FAILED, "after the child's end the parent can map again");
	pid = tap_fork();
	if (pid == 0)
		_exit(map(fd, CONTROL, RW) != MAP_FAILED || errno != EBUSY);
	waitpid(pid, &status, 0);
	tap_ok(status == 0, "mmap of control in a child while the parent has it: EBUSY");
	munmap(control, setup.control_size);
}

/* ------------------------------------------------------ a CPU without ring --- */

#define CPU1	"/sys/devices/system/cpu/cpu1/online"

static void test_absent(void)
{
	const struct systrace_header *header;
	const struct systrace_ring *ring;
	unsigned char *data;
	int fd;

	if (!tap_put(CPU1, "0")) {
		tap_ok(true, "a CPU without ring # SKIP there is no CPU to be taken down");
		return;
	}
	fd = tap_open(O_RDWR);
	setup = tap_setup(fd, RING);
	data = map(fd, DATA, PROT_READ);
	header = (void *)data;
	ring = (void *)(data + header->rings + header->rings_stride);
	tap_ok(!ring->present, "a CPU that is down at SETUP has no ring");
	tap_ok(touch(data + header->bytes + header->bytes_stride, false) == SIGBUS,
	       "touching it: SIGBUS");
	tap_put(CPU1, "1");
	tap_ok(ring->present && !touch(data + header->bytes + header->bytes_stride, false) &&
	       !touch(data + header->bytes + 2 * header->bytes_stride - 1, false),
	       "it has one when it is up");
	munmap(data, setup.data_size);
	close(fd);
}

int main(void)
{
	unsigned char *control, *data;
	int fd = tap_open(O_RDWR);

	alarm(120);
	setup = tap_setup(fd, RING);
	test_mmap(fd);
	test_modes(O_RDONLY, "a read-only");
	test_modes(O_WRONLY, "a write-only");
	control = map(fd, CONTROL, RW);
	data = map(fd, DATA, PROT_READ);
	tap_errno((long)map(fd, CONTROL, RW), EBUSY, "mmap of control a second time");
	tap_errno((long)map(fd, CONTROL, PROT_READ), EBUSY, "even read-only");
	tap_ok(map(fd, DATA, PROT_READ) != MAP_FAILED, "mmap of data a second time");
	test_protection(fd, control, data);
	test_mremap(data, setup.data_size, "data");
	test_mremap(control, setup.control_size, "control");
	tap_ok(whole(fd, control, data), "after all of them the mappings are whole");
	test_reach(data);
	tap_ok(has_flag(data, " dd") && has_flag(control, " dd"), "neither goes into a core dump");
	tap_ok(has_flag(data, " dc") && has_flag(control, " dc"), "neither is inherited");
	test_fork(fd, control, data);
	close(fd);
	test_absent();
	return tap_end();
}
