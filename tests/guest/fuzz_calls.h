/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fuzzer's other operations: mappings, polling, descriptors, processes, cgroups. */
#ifndef SYSTRACE_TESTS_FUZZ_CALLS_H
#define SYSTRACE_TESTS_FUZZ_CALLS_H

#include <sys/epoll.h>
#include <sys/file.h>

#include "fuzz_ioctl.h"

/* ---- mappings ---- */

/* uapi.h's, and what mmap itself may say */
static const short fuzz_mmap_errors[] = {
	EBADFD, EINVAL, EACCES, EBUSY, ENOMEM, EOVERFLOW, EOPNOTSUPP, EAGAIN, 0
};
static const short fuzz_mprotect_errors[] = { EACCES, EINVAL, ENOMEM, 0 };
static const short fuzz_munmap_errors[] = { EINVAL, 0 };
static const short fuzz_mremap_errors[] = { EFAULT, EINVAL, ENOMEM, 0 };
static const short fuzz_madvise_errors[] = {
	EINVAL, ENOMEM, EACCES, ENODEV, EBUSY, EFAULT, EAGAIN, EBADF, EIO, 0
};

/* A failure can have unmapped what was there. */
TAP bool fuzz_map_it(struct fuzz_map *m, const struct fuzz_fd *f, bool control, size_t size,
		     size_t offset, int prot, int flags)
{
	void *at = mmap(m->window, size, prot, flags | MAP_FIXED, f->fd, (off_t)offset);

	if (fuzz_fair(at == MAP_FAILED ? -1 : 0, fuzz_mmap_errors, "mmap")) {
		*m = (struct fuzz_map){ m->window, at, size, f->session, control };
		return true;
	}
	fuzz_reserve(m->window, FUZZ_WINDOW);
	return false;
}

/* A whole range, as it should be. */
TAP void fuzz_do_map(void)
{
	struct fuzz_map *m = fuzz_map();
	struct fuzz_fd *f = fuzz_fd();
	struct fuzz_session *s = &fuzz->sessions[f->session];
	bool control = fuzz_op->value & 1;

	fuzz_unmap(m);
	if (!__atomic_load_n(&s->known, __ATOMIC_ACQUIRE) || (control && s->slow) ||
	    s->setup.data_size > FUZZ_WINDOW / 2)
		return;
	if (control)
		fuzz_map_it(m, f, true, s->setup.control_size, s->setup.control_offset,
			    PROT_READ | PROT_WRITE, MAP_SHARED);
	else
		fuzz_map_it(m, f, false, s->setup.data_size, s->setup.data_offset, PROT_READ,
			    MAP_SHARED);
}

/* Anything but that. */
TAP void fuzz_do_map_odd(void)
{
	static const int flags[] = {
		MAP_SHARED, MAP_SHARED, MAP_SHARED, MAP_PRIVATE, MAP_SHARED_VALIDATE,
		MAP_SHARED | MAP_LOCKED, MAP_SHARED | MAP_POPULATE, MAP_PRIVATE | MAP_GROWSDOWN,
	};
	struct fuzz_map *m = fuzz_map();
	struct fuzz_fd *f = fuzz_fd();
	const struct systrace_setup *s = &fuzz->sessions[f->session].setup;
	bool known = __atomic_load_n(&fuzz->sessions[f->session].known, __ATOMIC_ACQUIRE), whole;
	size_t size = FUZZ_PAGE * (1 + fuzz_any(300)), offset = FUZZ_PAGE * fuzz_any(300);
	int prot = (int)fuzz_any(8), flag = flags[fuzz_any(COUNT(flags))];

	fuzz_unmap(m);
	if (known && fuzz_any(2))	/* as it should be, but for prot and flags */
		size = fuzz_any(2) ? s->data_size : s->data_size + FUZZ_PAGE;
	if (known && fuzz_any(2))
		offset = s->data_offset;
	if (size > FUZZ_WINDOW / 2 || !offset)	/* never a reader: see fuzz_note_setup */
		return;
	whole = known && offset == s->data_offset && size == s->data_size;
	if (fuzz_map_it(m, f, false, size, offset, prot, flag))
		fuzz_must(whole && !(prot & (PROT_WRITE | PROT_EXEC)) && flag & MAP_SHARED,
			  "a mapping of %zx at %zx, protection %d, flags %x, is refused", size,
			  offset, prot, flag);
}

/* Of the mapping, or around it, but in its window. */
struct fuzz_range {
	char *at;
	size_t size;
	bool whole, part;	/* of the mapping */
};

TAP struct fuzz_range fuzz_range(const struct fuzz_map *m)
{
	struct fuzz_range r = { m->at, m->size, true, false };

	switch (fuzz_op->value % 8) {
	case 0:
		r.size = FUZZ_PAGE * (1 + fuzz_any((unsigned)(m->size / FUZZ_PAGE)));
		break;
	case 1:
		r.at += FUZZ_PAGE * fuzz_any((unsigned)(m->size / FUZZ_PAGE));
		r.size = (size_t)(m->at + m->size - r.at);
		break;
	case 2:
		r.size = FUZZ_PAGE * (1 + fuzz_any((unsigned)(FUZZ_WINDOW / FUZZ_PAGE)));
		break;
	case 3:
		r.at += FUZZ_PAGE * fuzz_any((unsigned)((FUZZ_WINDOW / FUZZ_PAGE) - 1));
		r.size = FUZZ_PAGE;
		break;
	}
	r.whole = r.at == m->at && r.size >= m->size;
	r.part = !r.whole && r.at < m->at + m->size;
	return r;
}

TAP void fuzz_do_munmap(void)
{
	struct fuzz_map *m = fuzz_map();
	struct fuzz_range r;

	if (!m->at)
		return;
	r = fuzz_range(m);
	if (!fuzz_fair(munmap(r.at, r.size), fuzz_munmap_errors, "munmap"))
		return;
	fuzz_reserve(r.at, r.size);
	fuzz_must(!r.part, "munmap of a part is refused");
	if (r.whole)
		m->at = NULL;
}

TAP void fuzz_do_mprotect(void)
{
	struct fuzz_map *m = fuzz_map();
	int prot = (int)fuzz_any(8);
	struct fuzz_range r;

	if (!m->at)
		return;
	r = fuzz_range(m);
	if (fuzz_fair(mprotect(r.at, r.size, prot), fuzz_mprotect_errors, "mprotect") &&
	    (r.whole || r.part))
		fuzz_must(!(prot & PROT_EXEC) && (m->control || !(prot & PROT_WRITE)),
			  "mprotect to %d is refused", prot);
}

TAP void fuzz_do_mremap(void)
{
	static const int flags[] = { 0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP };
	struct fuzz_map *m = fuzz_map();
	size_t was, new;
	int flag = flags[fuzz_any(4)];
	void *at;

	if (!m->at)
		return;
	was = fuzz_any(4) ? m->size : FUZZ_PAGE * fuzz_any((unsigned)(m->size / FUZZ_PAGE));
	new = fuzz_any(2) ? m->size : FUZZ_PAGE * fuzz_any((unsigned)(FUZZ_WINDOW / FUZZ_PAGE / 2));
	at = mremap(m->at, was, new, flag, m->window + (FUZZ_WINDOW / 2));
	if (fuzz_fair(at == MAP_FAILED ? -1 : 0, fuzz_mremap_errors, "mremap"))
		fuzz_must(at == m->at && new == was, "mremap from %zx to %zx, flags %d, is refused",
			  was, new, flag);
	/* A fixed one unmaps the place it was to go to. */
	fuzz_reserve(m->window + (FUZZ_WINDOW / 2), FUZZ_WINDOW / 2);
}

TAP void fuzz_do_madvise(void)
{
	int advice = (int)fuzz_any(26);
	struct fuzz_map *m = fuzz_map();
	struct fuzz_range r;
	int ret;

	if (!m->at)
		return;
	r = fuzz_range(m);
	if (fuzz_any(4) == 0) {
		fuzz_fair(msync(r.at, r.size, (int)fuzz_any(8)), fuzz_madvise_errors, "msync");
		return;
	}
	ret = madvise(r.at, r.size, advice);
	if (fuzz_fair(ret, fuzz_madvise_errors, "madvise"))
		fuzz_must(advice != MADV_DOFORK || (!r.whole && !r.part), "MADV_DOFORK is refused");
}

TAP void fuzz_do_touch(void)
{
	struct fuzz_map *m = fuzz_map();
	bool write = fuzz_op->value & 1;
	char byte;
	int mem;

	if (!m->at)
		return;
	if (fuzz_touch(m->at + fuzz_any((unsigned)m->size), write))
		fuzz_must(!write || m->control, "data cannot be written");
	if (fuzz_any(8))
		return;
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	if (mem < 0)
		return;
	fuzz_must(pread(mem, &byte, 1, (off_t)(uintptr_t)m->at) < 0 &&
		  pwrite(mem, &byte, 1, (off_t)(uintptr_t)m->at) < 0,
		  "a mapping cannot be reached by /proc/PID/mem");
	close(mem);
}

/* The reader's words: right, nearly so, or anything. By offsets that are the same for all. */
TAP void fuzz_do_control(void)
{
	struct fuzz_fd *f = fuzz_fd();
	struct fuzz_map *control = fuzz_map_of(f->session, true);
	struct fuzz_map *data = fuzz_map_of(f->session, false);
	const struct systrace_header *header;
	__u64 head, rings, stride, tails, tails_stride, nr;

	if (!control)
		return;
	if (!data || fuzz_any(8) == 0) {
		fuzz_store((void *)(control->at + 8UL * fuzz_any(24)), fuzz_value());
		return;
	}
	header = (const void *)data->at;
	if (!fuzz_load(&header->rings, &rings) || !fuzz_load(&header->rings_stride, &stride) ||
	    !fuzz_load(&header->tails, &tails) || !fuzz_load(&header->tails_stride, &tails_stride) ||
	    !fuzz_load((const void *)&header->nr_rings, &nr))
		return;
	for (__u64 cpu = 0; cpu < (__u32)nr; cpu++) {
		if (!fuzz_load((void *)(data->at + rings + cpu * stride), &head))
			return;
		if (fuzz_any(4) == 0)
			head -= fuzz_any(2) ? 8UL * fuzz_any(2000) : fuzz_value();
		fuzz_store((void *)(control->at + tails + cpu * tails_stride), head);
	}
	fuzz_store((void *)(control->at), fuzz_any(2) ? fuzz_any(100000) : fuzz_value());
}

/* ---- waiting ---- */

static const short fuzz_poll_errors[] = { EINTR, 0 };
static const short fuzz_epoll_errors[] = { EINTR, EEXIST, ENOENT, EINVAL, 0 };

TAP void fuzz_do_poll(void)
{
	struct pollfd p[2] = {
		{ .fd = fuzz_fd()->fd, .events = (short)fuzz_value() },
		{ .fd = fuzz_fds[fuzz_op->more % FUZZ_FDS].fd, .events = POLLIN },
	};
	const short known = POLLIN | POLLRDNORM | POLLHUP | POLLERR;

	if (fuzz_fair(poll(p, 1 + fuzz_any(2), (int)fuzz_any(fuzz_any(8) ? 2 : 8)), fuzz_poll_errors,
		      "poll"))
		fuzz_must(!(p[0].revents & ~known), "poll says %x", p[0].revents);
}

TAP void fuzz_do_epoll(void)
{
	static const unsigned how[] = { 0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE };
	struct epoll_event e = { .events = EPOLLIN | how[fuzz_any(4)] }, got[4];
	int fd = fuzz_fd()->fd;

	if (fuzz_epoll < 0)
		fuzz_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (fuzz_any(3))
		fuzz_fair(epoll_wait(fuzz_epoll, got, 4, (int)fuzz_any(3)), fuzz_epoll_errors,
			  "epoll_wait");
	else
		fuzz_fair(epoll_ctl(fuzz_epoll, 1 + (int)fuzz_any(3), fd, &e), fuzz_epoll_errors,
			  "epoll_ctl");
}

/* ---- descriptors ---- */

static const short fuzz_io_errors[] = { EINVAL, EBADF, ESPIPE, ENODEV, EFAULT, 0 };
static const short fuzz_fcntl_errors[] = {
	EINVAL, EBADF, EPERM, ESRCH, ENOTDIR, EAGAIN, EACCES, EOVERFLOW, EFAULT, EINTR, 0
};
static const short fuzz_open_errors[] = { ENOMEM, EINTR, 0 };

TAP void fuzz_do_open(void)
{
	static const int flags[] = { O_RDWR, O_RDWR, O_RDWR, O_RDONLY, O_WRONLY,
				     O_RDWR | O_NONBLOCK, O_RDWR | O_APPEND, O_RDWR | O_TRUNC };
	struct fuzz_fd *f = &fuzz_fds[fuzz_op->slot % FUZZ_FDS];

	fuzz_close(f);
	fuzz_open(f, flags[fuzz_any(COUNT(flags))]);
	fuzz_fair(f->fd < 0 ? -1 : 0, fuzz_open_errors, "open");
}

TAP void fuzz_do_close(void)
{
	fuzz_close(&fuzz_fds[fuzz_op->slot % FUZZ_FDS]);
}

TAP void fuzz_do_dup(void)
{
	struct fuzz_fd *f = fuzz_fd(), *to = &fuzz_fds[fuzz_op->more % FUZZ_FDS];

	if (f == to)
		return;
	fuzz_close(to);
	to->session = f->session;
	to->fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
}

TAP void fuzz_do_io(void)
{
	char bytes[64];
	struct iovec v = { bytes, sizeof(bytes) };
	int fd = fuzz_fd()->fd, what = (int)fuzz_any(8);
	long ret = -1;

	switch (what) {
	case 0: ret = read(fd, bytes, sizeof(bytes)); break;
	case 1: ret = write(fd, bytes, sizeof(bytes)); break;
	case 2: ret = pread(fd, bytes, sizeof(bytes), (off_t)fuzz_any(100)); break;
	case 3: ret = syscall(SYS_readv, fd, &v, 1); break;
	case 4: ret = lseek(fd, (off_t)fuzz_any(100), (int)fuzz_any(3)); break;
	case 5: ret = ftruncate(fd, (off_t)fuzz_any(100)); break;
	case 6: ret = fsync(fd); break;
	case 7: ret = syscall(SYS_fallocate, fd, 0, 0L, 4096L); break;
	}
	if (fuzz_fair(ret, fuzz_io_errors, "input or output"))
		fuzz_must(false, "input or output %d is refused", what);
}

TAP void fuzz_do_fcntl(void)
{
	static const int commands[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK,
					F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG, F_SETLEASE, F_NOTIFY };
	static const int flags[] = { 0, O_NONBLOCK, O_ASYNC, O_APPEND, O_NOATIME };
	int fd = fuzz_fd()->fd, command = commands[fuzz_any(COUNT(commands))];
	struct flock lock = { .l_type = (short)fuzz_any(3) };
	unsigned long arg = fuzz_any(2);

	if (fuzz_any(8) == 0) {
		flock(fd, LOCK_NB | (fuzz_any(2) ? LOCK_EX : LOCK_UN));
		return;
	}
	if (command == F_SETFL)
		arg = (unsigned long)flags[fuzz_any(COUNT(flags))];
	else if (command == F_GETLK || command == F_SETLK)
		arg = (unsigned long)&lock;
	else if (command == F_SETOWN)
		arg = (unsigned long)getpid();
	fuzz_fair(fcntl(fd, command, arg), fuzz_fcntl_errors, "fcntl");
}

/* A descriptor with what is known of it, to whichever fuzzer takes it next. */
TAP void fuzz_do_send(void)
{
	struct fuzz_fd *f = fuzz_fd();
	union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control = { 0 };
	struct iovec v = { &f->session, sizeof(f->session) };
	struct msghdr message = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	control.head = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.head), &f->fd, sizeof(int));
	sendmsg(fuzz_passing[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

TAP bool fuzz_receive(struct fuzz_fd *f)
{
	union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	struct iovec v = { &f->session, sizeof(f->session) };
	struct msghdr message = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	fuzz_close(f);
	if (recvmsg(fuzz_passing[1], &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return false;
	if (message.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(&f->fd, CMSG_DATA(&control.head), sizeof(int));
	return true;
}

TAP void fuzz_do_receive(void)
{
	fuzz_receive(&fuzz_fds[fuzz_op->slot % FUZZ_FDS]);
}

/* ---- processes ---- */

TAP void fuzz_reap(void)
{
	int status;
	pid_t pid;

	if (!fuzz_child)
		return;
	do
		pid = waitpid(fuzz_child, &status, 0);
	while (pid < 0 && errno == EINTR);
	soak_must(pid == fuzz_child && status == 0, "a fuzzer's child ends as it should: %x", status);
	fuzz_child = 0;
}

TAP void fuzz_give_up_maps(void)
{
	for (struct fuzz_map *m = fuzz_maps; m < fuzz_maps + FUZZ_MAPS; m++) {
		if (m->at)
			fuzz_must(!fuzz_touch(m->at, false), "a mapping is not inherited");
		m->at = NULL;
	}
}

/* It becomes a program, maybe followed, and ends with what it should. */
TAP void fuzz_do_exec(void)
{
	char *argv[] = { "work", "none", "7", NULL };
	struct systrace_attach_args args = {
		.size = sizeof(args), .mode = fuzz_any(4) ? SYSTRACE_ATTACH_EXEC : fuzz_any(2),
	};
	int fd = fuzz_fd()->fd, status;
	pid_t pid, done;

	if (fuzz_depth)
		return;
	pid = tap_fork();
	if (pid == 0) {
		if (args.mode != SYSTRACE_ATTACH_EXEC)
			args.pid = getpid();
		fuzz_fair(ioctl(fd, SYSTRACE_IOC_ATTACH, &args), fuzz_attach_errors,
			  "ATTACH of itself");
		execv(fuzz_any(3) ? "/proc/self/exe" : "/nowhere", argv);
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	do
		done = waitpid(pid, &status, 0);
	while (done < 0 && errno == EINTR);
	fuzz_must(status == 7 << 8, "a program ends with %x", status);
}

/* ---- cgroups ---- */

/* Somebody moves; or the last of them is removed, and made again. */
TAP void fuzz_do_cgroup(void)
{
	char path[64];
	pid_t pid;
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/fuzz%d", FUZZ_CGROUPS - 1);
	if (fuzz_any(4) == 0) {
		if (rmdir(path) == 0 || errno == ENOENT)
			mkdir(path, 0755);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			dup3(fd, fuzz_cgroups[FUZZ_CGROUPS - 1], O_CLOEXEC);
		close(fd);
		return;
	}
	fd = openat(fuzz_any(3) ? fuzz_cgroups[fuzz_any(FUZZ_CGROUPS)] : fuzz_root_cgroup,
		    "cgroup.procs", O_WRONLY | O_CLOEXEC);
	pid = fuzz_any(2) ? soak_worker() : fuzz_pid();
	/* As far as one may. Never process 1, nor the one that watches. */
	if (fd >= 0 && pid > 2 && pid != getppid())
		dprintf(fd, "%d", pid);
	if (fd >= 0)
		close(fd);
}

#endif
