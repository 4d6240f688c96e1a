/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzer's operations share: the descriptors and mappings that a sequence of
 * them has made, where arguments lie, values, and what went wrong.
 *
 * An operation is a few bytes. Each says one thing, so that a mutant differs in that;
 * the rest follows from its seed.
 */
#ifndef SYSTRACE_TESTS_FUZZ_H
#define SYSTRACE_TESTS_FUZZ_H

#include <poll.h>
#include <setjmp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "kcov.h"
#include "soak.h"

#define FUZZ_PAGE	4096UL
#define FUZZ_FDS	4	/* that a sequence has at once */
#define FUZZ_MAPS	4
#define FUZZ_WINDOW	(16UL << 20)	/* where each mapping has its place */
#define FUZZ_OPS	64	/* the longest sequence */
#define FUZZ_CORPUS	1024
#define FUZZ_SESSIONS	4096	/* opened since, until a place is used again */
#define FUZZ_KINDS	40
#define FUZZ_ERRNOS	134
#define FUZZ_CGROUPS	3	/* the last comes and goes */
#define FUZZ_SLOW	1000	/* ms: who blocks longer has no reader here */

struct fuzz_op {
	__u8 kind, slot;
	__u8 how;		/* where the structure is */
	__u8 size;		/* which it says */
	__u8 tail;		/* what follows what the driver knows; by which ABI it is called */
	__u8 field, value;	/* one field that is something else */
	__u8 more;
	__u32 seed;
};

struct fuzz_sequence {
	unsigned n;
	struct fuzz_op ops[FUZZ_OPS];
};

/* Of one open file, whoever has a descriptor of it. */
struct fuzz_session {
	struct systrace_setup setup;	/* if it is known */
	bool known, slow;
};

static struct fuzz_shared {
	struct kcov_seen seen;
	atomic_ulong ops, children, opened, kept;
	atomic_ulong counts[FUZZ_KINDS][FUZZ_ERRNOS];
	struct fuzz_sequence corpus[FUZZ_CORPUS];
	struct fuzz_session sessions[FUZZ_SESSIONS];
} *fuzz;

struct fuzz_fd {
	int fd;			/* -1: none */
	unsigned session;	/* in fuzz->sessions */
};

struct fuzz_map {
	char *window;		/* reserved for it */
	char *at;		/* NULL: none */
	size_t size;
	unsigned session;
	bool control;
};

/* This process's. */
static struct fuzz_fd fuzz_fds[FUZZ_FDS];
static struct fuzz_map fuzz_maps[FUZZ_MAPS];
static int fuzz_epoll = -1;
static pid_t fuzz_child;	/* forked in this sequence, and not reaped */
static int fuzz_depth;		/* of forks */
static const struct fuzz_op *fuzz_op;	/* that is run now ... */
static struct work_random fuzz_rng;	/* ... and what follows from its seed */

/* Everybody's. */
static int fuzz_passing[2];	/* descriptors, from anybody to anybody */
static int fuzz_cgroups[FUZZ_CGROUPS], fuzz_root_cgroup, fuzz_file, fuzz_pidfd = -1, fuzz_dead_pidfd;
static pid_t fuzz_dead;
static char *fuzz_common;	/* a page that all write to ... */
static const char *fuzz_fixed;	/* ... and the same for reading */

TAP unsigned fuzz_any(unsigned below)
{
	return work_random(&fuzz_rng, below);
}

/* At what is likely to be a boundary, or anything. */
TAP __u64 fuzz_value(void)
{
	static const __u64 values[] = {
		0, 1, 2, 3, 7, 8, 50, 255, 4096, 65536, 10000000, 0x7fffffff, 0x80000000,
		0xffffffff, 1ULL << 30, 1ULL << 63, ~0ULL,
	};

	switch (fuzz_any(4)) {
	case 0: return values[fuzz_any(COUNT(values))] + fuzz_any(3) - 1;
	case 1: return (1ULL << fuzz_any(64)) + fuzz_any(3) - 1;
	case 2: return fuzz_any(64);
	default: return (__u64)fuzz_any(1U << 30) << fuzz_any(35) ^ fuzz_any(1U << 30);
	}
}

/* What goes wrong is said with all that the operation is made of. */
#define fuzz_must(good, format, ...)						\
	soak_must(good, format "; operation %016llx %08x", ##__VA_ARGS__,	\
		  (unsigned long long)fuzz_bytes(), fuzz_op->seed)

TAP __u64 fuzz_bytes(void)
{
	__u64 bytes;

	memcpy(&bytes, fuzz_op, sizeof(bytes));
	return bytes;
}

/* The call's result just now: success, or one of these, which a 0 ends. */
TAP bool fuzz_fair(long ret, const short *errors, const char *what)
{
	int error = ret == -1 ? errno : 0;

	if (error < FUZZ_ERRNOS)
		atomic_fetch_add(&fuzz->counts[fuzz_op->kind][error], 1);
	if (!error)
		return true;
	while (*errors && *errors != error)
		errors++;
	fuzz_must(*errors, "%s fails with %s", what, tap_error(error));
	return false;
}

/* ---- descriptors ---- */

TAP void fuzz_open(struct fuzz_fd *f, int flags)
{
	f->fd = open(SYSTRACE_DEVICE, flags | O_CLOEXEC);
	if (f->fd < 0)
		return;
	f->session = atomic_fetch_add(&fuzz->opened, 1) % FUZZ_SESSIONS;
	fuzz->sessions[f->session] = (struct fuzz_session){ 0 };
}

/* The operation's own; opened if it was not. */
TAP struct fuzz_fd *fuzz_fd(void)
{
	struct fuzz_fd *f = &fuzz_fds[fuzz_op->slot % FUZZ_FDS];

	if (f->fd < 0)
		fuzz_open(f, O_RDWR);
	return f;
}

TAP void fuzz_close(struct fuzz_fd *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* ---- mappings ---- */

TAP void fuzz_reserve(char *at, size_t size)
{
	if (mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		tap_bail("mmap");
}

TAP void fuzz_unmap(struct fuzz_map *m)
{
	if (m->at)
		fuzz_reserve(m->window, FUZZ_WINDOW);
	m->at = NULL;
}

TAP struct fuzz_map *fuzz_map(void)
{
	return &fuzz_maps[fuzz_op->more % FUZZ_MAPS];
}

TAP struct fuzz_map *fuzz_map_of(unsigned session, bool control)
{
	for (struct fuzz_map *m = fuzz_maps; m < fuzz_maps + FUZZ_MAPS; m++)
		if (m->at && m->session == session && m->control == control)
			return m;
	return NULL;
}

/* ---- memory that may not be there ---- */

static sigjmp_buf fuzz_back;
static volatile sig_atomic_t fuzz_guarded;

TAP void fuzz_fault(int sig)
{
	if (!fuzz_guarded) {
		signal(sig, SIG_DFL);
		return;
	}
	fuzz_guarded = 0;
	siglongjmp(fuzz_back, 1);
}

/* Read a byte, or write it; false if that is not to be. */
TAP bool fuzz_touch(volatile char *at, bool write)
{
	if (sigsetjmp(fuzz_back, 0))
		return false;
	fuzz_guarded = 1;
	if (write)
		*at = (char)fuzz_op->seed;
	else
		(void)*at;
	fuzz_guarded = 0;
	return true;
}

/* The same for a word. */
TAP bool fuzz_load(const volatile __u64 *at, __u64 *value)
{
	if (sigsetjmp(fuzz_back, 0))
		return false;
	fuzz_guarded = 1;
	*value = *at;
	fuzz_guarded = 0;
	return true;
}

TAP bool fuzz_store(volatile __u64 *at, __u64 value)
{
	if (sigsetjmp(fuzz_back, 0))
		return false;
	fuzz_guarded = 1;
	*at = value;
	fuzz_guarded = 0;
	return true;
}

/* ---- tasks ---- */

TAP pid_t fuzz_pid(void)
{
	switch (fuzz_any(24)) {
	case 0: return getpid();
	case 1: return fuzz_dead;
	case 2: return (pid_t)fuzz_any(1000);
	case 3: return (pid_t)fuzz_value();
	case 4: return fuzz_any(8) ? 2 : 1;
	case 5: return soak->slots[fuzz_any(SOAK_ACTORS)].pid;
	case 6:
	case 7:
	case 8: return fuzz_child ? fuzz_child : getpid();
	default: return soak->slots[fuzz_any(SOAK_WORKERS)].pid;
	}
}

#endif
