// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An unprivileged member of group systrace at his worst, call by call: what he tries to
 * see or to disturb by his descriptor and his mappings. What he hands to the ioctls and
 * what he reads is in attack_data.c, races and masses in attack_race.c, who may attach
 * whom in access.c.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "raw.h"
#include "victim.h"

#define PAGE	4096UL
#define SETUID	"/tmp/setuid"

static int roots = -1;	/* a session of root's that fell into our hands */

/* ------------------------------------------------------------- the mapping --- */

static bool maps(int fd, size_t size, unsigned long offset)
{
	void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)offset);

	if (at == MAP_FAILED)
		return false;
	munmap(at, size);
	return true;
}

/* Every page near the two ranges, and far away: nothing but they themselves. */
static void test_offsets(void)
{
	int fd = tap_open(O_RDWR);
	struct systrace_setup s = tap_setup(fd, RING);
	const size_t sizes[] = { PAGE, s.control_size, s.data_size, s.control_size + s.data_size };
	unsigned n = 0;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		for (unsigned long at = 0; at < 2 * s.data_size; at += PAGE)
			n += maps(fd, sizes[i], at);
		for (int bit = 32; bit < 63; bit++)
			n += maps(fd, sizes[i], 1UL << bit) +
			     maps(fd, sizes[i], (1UL << bit) + s.data_offset);
	}
	/* A page at 0 is control, which may have that size. */
	tap_ok(n == 2 + (s.control_size == PAGE), "mmap everywhere: the two ranges and no more");
	close(fd);
}

static bool same(const struct raw *s)
{
	return s->header->magic == SYSTRACE_MAGIC && s->header->ring_bytes == RING &&
	       mmap(NULL, s->setup.control_size, PROT_READ, MAP_SHARED, s->fd, 0) == MAP_FAILED;
}

static void test_advice(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_DROP, 0);
	void *data = (void *)(uintptr_t)s.header, *to = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE |
							    MAP_ANONYMOUS, -1, 0);
	unsigned char vec[1024];
	bool all = true;

	for (int advice = 0; advice < 128; advice++) {
		madvise(data, s.setup.data_size, advice);
		madvise(data, PAGE, advice);
		madvise(s.control, s.setup.control_size, advice);
		all &= same(&s);
	}
	tap_ok(all, "madvise, every advice: all is where it was");
	mlock(data, s.setup.data_size);
	munlock(data, s.setup.data_size);
	mincore(data, s.setup.data_size, vec);
	msync(data, s.setup.data_size, MS_SYNC | MS_INVALIDATE);
	syscall(SYS_mbind, data, s.setup.data_size, 2, NULL, 0, 3);
	syscall(SYS_remap_file_pages, data, PAGE, 0, 3, 0);
	tap_ok(same(&s), "mlock, mincore, msync, mbind, remap_file_pages: neither");
	tap_ok(mremap(data, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED && same(&s),
	       "mremap of a page of it");
	raw_end(&s);
}

/* What takes hold of pages, to write or keep them. */
static void test_pages(void)
{
	struct raw s = raw_begin(SYSTRACE_FULL_DROP, 0);
	struct iovec data = { (void *)(uintptr_t)s.header, PAGE };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)s.header, s.setup.data_size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	__u64 word = 0;
	struct iovec own = { &word, sizeof(word) };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), ends[2];

	if (uffd < 0)	/* 5.10 has no such flag */
		uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (pipe(ends) || uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		tap_bail("pipe, userfaultfd");
	tap_errno(ioctl(uffd, UFFDIO_REGISTER, &reg), EINVAL, "userfaultfd on data");
	reg.range = (struct uffdio_range){ (uintptr_t)s.control, s.setup.control_size };
	tap_errno(ioctl(uffd, UFFDIO_REGISTER, &reg), EINVAL, "userfaultfd on control");
	tap_errno(vmsplice(ends[1], &data, 1, SPLICE_F_GIFT), EFAULT, "vmsplice of data");
	data.iov_len = sizeof(word);
	tap_errno(process_vm_writev(getpid(), &own, 1, &data, 1, 0), EFAULT,
		  "process_vm_writev into data");
	tap_ok(same(&s), "after all of them it is as it was");
	close(uffd);
	close(ends[0]);
	close(ends[1]);
	raw_end(&s);
}

/* A debugger of who has it mapped. */
static void test_ptrace(void)
{
	struct raw *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = tap_fork();
	int status;

	if (pid == 0) {
		*s = raw_begin(SYSTRACE_FULL_DROP, 0);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(!same(s));
	}
	waitpid(pid, &status, 0);
	errno = 0;
	tap_errno(ptrace(PTRACE_PEEKDATA, pid, s->header, 0), EIO, "PTRACE_PEEKDATA in data");
	tap_errno(ptrace(PTRACE_POKEDATA, pid, s->header, 0), EIO, "PTRACE_POKEDATA in data");
	tap_errno(ptrace(PTRACE_POKEDATA, pid, s->control, 0), EIO, "PTRACE_POKEDATA in control");
	ptrace(PTRACE_CONT, pid, 0, 0);
	waitpid(pid, &status, 0);
	tap_ok(status == 0, "the debugged goes on with all as it was");
	munmap(s, PAGE);
}

/* ---------------------------------------------------------- the descriptor --- */

static void test_calls(int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	int ends[2], file = open("/tmp/file", O_RDWR | O_CREAT, 0600);
	loff_t at = 0;

	if (pipe(ends) || file < 0 || write(file, "x", 1) != 1 || write(ends[1], "x", 1) != 1)
		tap_bail("pipe, file");
	tap_errno(read(fd, &byte, 1), EINVAL, "read");
	tap_errno(write(fd, &byte, 1), EINVAL, "write");
	tap_errno(pread(fd, &byte, 1, 0), ESPIPE, "pread");
	tap_errno(pwrite(fd, &byte, 1, 0), ESPIPE, "pwrite");
	tap_errno(preadv(fd, &iov, 1, 0), ESPIPE, "preadv");
	tap_errno(lseek(fd, 0, SEEK_SET), ESPIPE, "lseek");
	tap_errno(ftruncate(fd, 0), EINVAL, "ftruncate");
	tap_errno(fallocate(fd, 0, 0, 1), ENODEV, "fallocate");
	tap_errno(fsync(fd), EINVAL, "fsync");
	tap_errno(sendfile(file, fd, NULL, 1), EINVAL, "sendfile from it");
	tap_errno(sendfile(fd, file, &at, 1), EINVAL, "sendfile to it");
	tap_errno(splice(fd, NULL, ends[1], NULL, 1, 0), EINVAL, "splice from it");
	tap_errno(splice(ends[0], NULL, fd, NULL, 1, 0), EINVAL, "splice to it");
	tap_errno(copy_file_range(fd, NULL, file, NULL, 1, 0), EINVAL, "copy_file_range");
	tap_errno(fcntl(fd, F_ADD_SEALS, 0), EINVAL, "F_ADD_SEALS");
	tap_errno(fcntl(fd, F_SETLEASE, F_WRLCK), EACCES, "F_SETLEASE");
	tap_errno(fcntl(fd, F_SETFL, O_DIRECT), EINVAL, "O_DIRECT");
	close(ends[0]);
	close(ends[1]);
	close(file);
}

/* --- io_uring, by hand --- */

struct uring {
	int fd;
	unsigned *sq_tail, *sq_array, *cq_head, sq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	unsigned cq_mask;
};

static struct uring uring_begin(void)
{
	struct io_uring_params p = { 0 };
	struct uring u = { .fd = (int)syscall(SYS_io_uring_setup, 4, &p) };
	char *sq, *cq;

	if (u.fd < 0)
		tap_bail("io_uring_setup");
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE,
		  MAP_SHARED, u.fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, u.fd, IORING_OFF_CQ_RING);
	u.sqes = mmap(NULL, p.sq_entries * sizeof(*u.sqes), PROT_READ | PROT_WRITE, MAP_SHARED, u.fd,
		      IORING_OFF_SQES);
	u.sq_tail = (void *)(sq + p.sq_off.tail);
	u.sq_array = (void *)(sq + p.sq_off.array);
	u.sq_mask = *(unsigned *)(void *)(sq + p.sq_off.ring_mask);
	u.cq_head = (void *)(cq + p.cq_off.head);
	u.cqes = (void *)(cq + p.cq_off.cqes);
	u.cq_mask = *(unsigned *)(void *)(cq + p.cq_off.ring_mask);
	return u;
}

/* Its result. */
static int uring_do(struct uring *u, struct io_uring_sqe sqe)
{
	unsigned i = *u->sq_tail & u->sq_mask;
	int result;

	u->sqes[i] = sqe;
	u->sq_array[i] = i;
	__atomic_store_n(u->sq_tail, *u->sq_tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		tap_bail("io_uring_enter");
	result = u->cqes[*u->cq_head & u->cq_mask].res;
	__atomic_store_n(u->cq_head, *u->cq_head + 1, __ATOMIC_RELEASE);
	return result;
}

static void test_uring(void)
{
	const __u8 ops[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV, IORING_OP_WRITEV,
			     IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_SEND, IORING_OP_RECV,
			     IORING_OP_ACCEPT, IORING_OP_URING_CMD };
	struct raw s = raw_begin(SYSTRACE_FULL_DROP, 0);
	struct uring u = uring_begin();
	char byte = 0;
	struct iovec iov = { &byte, 1 }, data = { (void *)(uintptr_t)s.header, PAGE };
	bool all = true;

	fcntl(s.fd, F_SETFL, O_NONBLOCK);	/* else it would be polled first, for ever */
	for (size_t i = 0; i < COUNT(ops); i++) {
		struct io_uring_sqe sqe = { .opcode = ops[i], .fd = s.fd, .len = 1 };
		bool vector = ops[i] == IORING_OP_READV || ops[i] == IORING_OP_WRITEV;

		sqe.addr = vector ? (uintptr_t)&iov : (uintptr_t)&byte;
		if (uring_do(&u, sqe) >= 0) {
			all = false;
			tap_note("io_uring operation %d does something", ops[i]);
		}
	}
	tap_ok(all, "io_uring: no operation does anything to the descriptor");
	tap_errno(syscall(SYS_io_uring_register, u.fd, IORING_REGISTER_BUFFERS, &data, 1), EFAULT,
		  "io_uring: data as a registered buffer");
	tap_ok(same(&s), "after all of them it is as it was");
	close(u.fd);
	raw_end(&s);
}

static int attach(int fd, pid_t pid, __u32 mode)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = mode, .pid = pid };

	return ioctl(fd, SYSTRACE_IOC_ATTACH, &args) ? errno : 0;
}

static int reopen(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Opened anew it is a session of our own, and not set up. */
static void test_reopen(void)
{
	struct systrace_op op = { .size = sizeof(op) };
	int fd = reopen(roots);

	tap_ok(fd >= 0 && ioctl(fd, SYSTRACE_IOC_RESUME, &op) == -1 && errno == EBADFD,
	       "root's descriptor opened anew is another session");
	tap_setup(fd, RING);
	tap_ok(attach(fd, 1, SYSTRACE_ATTACH_TASK) == EPERM, "and that has not root's rights");
	close(fd);
}

/* From a socket, as leaked descriptors come. */
static void test_passed(void)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec iov = { (char[1]){ 0 }, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pair[2], fd;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &roots, sizeof(int));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || sendmsg(pair[0], &msg, 0) != 1 ||
	    recvmsg(pair[1], &msg, 0) != 1)
		tap_bail("SCM_RIGHTS");
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		tap_bail("no SCM_RIGHTS");
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	tap_ok(attach(fd, 1, SYSTRACE_ATTACH_TASK) == EPERM &&
	       attach(fd, getpid(), SYSTRACE_ATTACH_TREE) == EPERM,
	       "root's descriptor, passed: EPERM for root's and for one's own");
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/* ------------------------------------------------------------------ others --- */

static bool mine(pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return stat(path, &st) || st.st_uid == USER;
}

static void test_everybody(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	unsigned got = 0, tried = 0;
	int fd = tap_open(O_RDWR);

	tap_setup(fd, RING);
	if (!proc)
		tap_bail("/proc");
	while ((d = readdir(proc))) {
		pid_t pid = atoi(d->d_name);

		if (pid <= 0 || mine(pid))
			continue;
		tried += 2;
		got += !attach(fd, pid, SYSTRACE_ATTACH_TREE);
		got += !attach(fd, pid, SYSTRACE_ATTACH_TASK);
	}
	closedir(proc);
	tap_ok(tried > 10 && got == 0, "ATTACH of everybody: nobody");
	close(fd);
}

/* A child with another's privilege is passed over when we attach ourselves. */
static void test_child(void)
{
	int fd = tap_open(O_RDWR), ready[2];
	struct systrace_attach_args args = { .size = sizeof(args), .pid = getpid() };
	pid_t pid;
	char c;

	tap_setup(fd, RING);
	if (pipe(ready))
		tap_bail("pipe");
	pid = tap_fork();
	if (pid == 0) {
		dup2(ready[1], STDIN_FILENO);
		execl(SETUID, SETUID, NULL);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		tap_bail("no set-uid program");
	tap_ok(!ioctl(fd, SYSTRACE_IOC_ATTACH, &args) && args.attached == 1,
	       "ATTACH TREE passes over a child that is privileged");
	tap_ok(attach(fd, pid, SYSTRACE_ATTACH_TASK) == EPERM, "which alone is EPERM");
	close(ready[0]);
	tap_reap(pid);	/* it is ours by its real user */
	close(fd);
}

/* ------------------------------------------------------------------- main --- */

static void attack(void)
{
	int fd = tap_open(O_RDWR);

	tap_setup(fd, RING);
	test_offsets();
	test_advice();
	test_pages();
	test_ptrace();
	test_calls(fd);
	test_uring();
	test_reopen();
	test_passed();
	test_everybody();
	test_child();
	close(fd);
}

int main(void)
{
	struct victim *victim;

	if (geteuid() != getuid()) {	/* the privileged program */
		if (write(STDIN_FILENO, "", 1) != 1)
			return 1;
		for (;;)
			pause();
	}
	alarm(400);
	who_admit();
	who_program(SETUID, 0, 0, 04755);
	roots = tap_open(O_RDWR);
	tap_setup(roots, RING);
	victim = victim_begin();
	who_runs(who_user, attack);
	victim_await(victim, 10);
	victim_end(victim);
	return tap_end();
}
