/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fuzzer's ioctls: structures, where they lie, and what may come back. */
#ifndef SYSTRACE_TESTS_FUZZ_IOCTL_H
#define SYSTRACE_TESTS_FUZZ_IOCTL_H

#include "fuzz.h"

#define FUZZ_BYTES	(FUZZ_PAGE + 512)	/* the longest structure, and more */
#define FUZZ_CANARY	0xa5
#define FUZZ_AROUND	64

/* ---- what uapi.h promises ---- */

#define FUZZ_ALWAYS	EFAULT, EINVAL, E2BIG, EINTR

static const short fuzz_info_errors[] = { FUZZ_ALWAYS, 0 };
static const short fuzz_setup_errors[] = { FUZZ_ALWAYS, EBUSY, EOPNOTSUPP, EPERM, ENOMEM, 0 };
static const short fuzz_policy_errors[] = { FUZZ_ALWAYS, ENOMEM, 0 };
static const short fuzz_attach_errors[] = {
	FUZZ_ALWAYS, EBADFD, ESRCH, EPERM, EBADF, ENOENT, EEXIST, EUSERS, ENOMEM, 0
};
static const short fuzz_detach_errors[] = {
	FUZZ_ALWAYS, EBADFD, ESRCH, EBADF, ENOENT, ENOMEM, 0
};
static const short fuzz_op_errors[] = { FUZZ_ALWAYS, EBADFD, 0 };
static const short fuzz_none_errors[] = { ENOTTY, 0 };

#define FIELD(type, member)	{ offsetof(struct type, member), sizeof(((struct type *)0)->member) }

static const struct fuzz_call {
	const char *name;
	unsigned long nr;
	unsigned size, nr_fields;
	bool answers;
	const short *errors;
	struct { unsigned at, size; } fields[8];
} fuzz_calls[] = {
	{ "INFO", SYSTRACE_IOC_INFO, sizeof(struct systrace_info), 2, true, fuzz_info_errors,
	  { FIELD(systrace_info, features), FIELD(systrace_info, clock) } },
	{ "SETUP", SYSTRACE_IOC_SETUP, sizeof(struct systrace_setup), 8, true, fuzz_setup_errors,
	  { FIELD(systrace_setup, flags), FIELD(systrace_setup, ring_bytes),
	    FIELD(systrace_setup, events), FIELD(systrace_setup, full),
	    FIELD(systrace_setup, timeout_ms), FIELD(systrace_setup, watermark),
	    FIELD(systrace_setup, latency_us), FIELD(systrace_setup, data_size) } },
	{ "POLICY", SYSTRACE_IOC_POLICY, sizeof(struct systrace_policy), 4, false,
	  fuzz_policy_errors,
	  { FIELD(systrace_policy, flags), FIELD(systrace_policy, rules),
	    FIELD(systrace_policy, nr_rules), FIELD(systrace_policy, reserved) } },
	{ "ATTACH", SYSTRACE_IOC_ATTACH, sizeof(struct systrace_attach_args), 5, true,
	  fuzz_attach_errors,
	  { FIELD(systrace_attach_args, flags), FIELD(systrace_attach_args, mode),
	    FIELD(systrace_attach_args, pid), FIELD(systrace_attach_args, attached),
	    FIELD(systrace_attach_args, fd) } },
	{ "DETACH", SYSTRACE_IOC_DETACH, sizeof(struct systrace_detach_args), 5, true,
	  fuzz_detach_errors,
	  { FIELD(systrace_detach_args, flags), FIELD(systrace_detach_args, mode),
	    FIELD(systrace_detach_args, pid), FIELD(systrace_detach_args, detached),
	    FIELD(systrace_detach_args, fd) } },
	{ "PAUSE", SYSTRACE_IOC_PAUSE, sizeof(struct systrace_op), 1, false, fuzz_op_errors,
	  { FIELD(systrace_op, flags) } },
	{ "RESUME", SYSTRACE_IOC_RESUME, sizeof(struct systrace_op), 1, false, fuzz_op_errors,
	  { FIELD(systrace_op, flags) } },
	{ "KICK", SYSTRACE_IOC_KICK, sizeof(struct systrace_op), 1, false, fuzz_op_errors,
	  { FIELD(systrace_op, flags) } },
	{ "STATS", SYSTRACE_IOC_STATS, sizeof(struct systrace_stats), 3, true, fuzz_op_errors,
	  { FIELD(systrace_stats, cpu), FIELD(systrace_stats, made),
	    FIELD(systrace_stats, uncovered) } },
};

/* ---- structures with which the call can succeed ---- */

static char *fuzz_arena;	/* pages, of which the one behind the last is not there */
static char *fuzz_edge;

TAP void fuzz_make_arena(void)
{
	const size_t size = 32 * FUZZ_PAGE;

	/* Low, so that it can be given to 32-bit calls */
	fuzz_arena = mmap((void *)0x10000000, size + FUZZ_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (fuzz_arena == MAP_FAILED)
		tap_bail("mmap");
	fuzz_edge = fuzz_arena + size;
	mprotect(fuzz_edge, FUZZ_PAGE, PROT_NONE);
}

TAP void fuzz_make_setup(struct systrace_setup *s)
{
	s->ring_bytes = FUZZ_PAGE << (fuzz_any(16) ? fuzz_any(4) : fuzz_any(10));
	s->full = fuzz_any(3);
	if (s->full == SYSTRACE_FULL_BLOCK)
		s->timeout_ms = 1 + fuzz_any(fuzz_any(2) ? 3 : 60);
	if (fuzz_any(3) == 0) {
		s->watermark = 1 + fuzz_any((unsigned)s->ring_bytes / 2);
		s->latency_us = 50 + fuzz_any(20000);
	}
	if (fuzz_any(4) == 0)
		s->events = (__u64)fuzz_any(512) << SYSTRACE_ENTER;
}

/* Some lie across the edge, and some rules have a wrong byte. */
TAP void fuzz_make_policy(struct systrace_policy *p)
{
	struct systrace_rule *rules = (void *)fuzz_arena;

	p->nr_rules = fuzz_any(fuzz_any(64) ? 6 : 600);
	if (fuzz_any(8) == 0)
		rules = (void *)(fuzz_edge - (p->nr_rules * sizeof(*rules)) + fuzz_any(2));
	p->rules = (uintptr_t)rules;
	for (unsigned i = 0; i < p->nr_rules; i++) {
		struct systrace_rule rule = {
			.abi = (__u8)(1 + fuzz_any(SYSTRACE_ABI_ALL)), .record = (__u8)fuzz_any(4),
			.nargs = fuzz_any(2) ? SYSTRACE_NARGS_ALL : (__u8)fuzz_any(7),
			.first = (int)fuzz_any(SYSTRACE_NR_MAX + 2) - 1,
		};

		rule.last = rule.first + (int)fuzz_any((unsigned)(SYSTRACE_NR_MAX - rule.first + 1));
		if (fuzz_any(16) == 0)
			((unsigned char *)&rule)[fuzz_any(sizeof(rule))] = (unsigned char)fuzz_any(256);
		if ((char *)&rules[i + 1] <= fuzz_edge)
			memcpy(&rules[i], &rule, sizeof(rule));
	}
}

TAP int fuzz_any_fd(bool cgroup)
{
	switch (fuzz_any(8)) {
	case 0: return fuzz_fds[fuzz_any(FUZZ_FDS)].fd;
	case 1: return (int)fuzz_value();
	case 2: return fuzz_file;
	case 3: return cgroup ? fuzz_pidfd : fuzz_dead_pidfd;
	case 4: return cgroup ? fuzz_root_cgroup : fuzz_cgroups[0];
	default: return cgroup ? fuzz_cgroups[fuzz_any(FUZZ_CGROUPS)] : fuzz_pidfd;
	}
}

/* ATTACH and DETACH name their tasks alike. */
TAP void fuzz_make_target(struct systrace_attach_args *a, bool attach)
{
	a->mode = fuzz_any(4) ? SYSTRACE_ATTACH_TREE : fuzz_any(3);
	switch (fuzz_any(8)) {
	case 0:
		a->flags = SYSTRACE_BY_PIDFD;
		a->fd = fuzz_any_fd(false);
		return;
	case 1:
		a->flags = SYSTRACE_BY_CGROUP;
		a->fd = fuzz_any_fd(true);
		return;
	}
	if (a->mode == SYSTRACE_DETACH_ALL)	/* which is EXEC, too */
		return;
	a->pid = !attach && fuzz_any(3) == 0 ? fuzz_child : fuzz_pid();
}

TAP void fuzz_make(const struct fuzz_call *call, unsigned char *bytes)
{
	memset(bytes, 0, FUZZ_BYTES);
	switch (call->nr) {
	case SYSTRACE_IOC_SETUP:
		fuzz_make_setup((void *)bytes);
		break;
	case SYSTRACE_IOC_POLICY:
		fuzz_make_policy((void *)bytes);
		break;
	case SYSTRACE_IOC_ATTACH:
	case SYSTRACE_IOC_DETACH:
		fuzz_make_target((void *)bytes, call->nr == SYSTRACE_IOC_ATTACH);
		break;
	case SYSTRACE_IOC_STATS:
		((struct systrace_stats *)bytes)->cpu = (int)fuzz_any(4) - 1;
		break;
	}
}

/* ---- and what is wrong with them ---- */

TAP __u32 fuzz_size(const struct fuzz_call *call)
{
	switch (fuzz_op->size % 32) {
	case 0: return call->size - 1 - fuzz_op->size / 32;
	case 1: return call->size + 1 + fuzz_op->size / 32;
	case 2: return call->size + 8U * (1 + fuzz_op->size / 32);
	case 3: return FUZZ_PAGE - 2 + fuzz_op->size / 32;
	case 4: return fuzz_op->size / 32;
	case 5: return (__u32)fuzz_value();
	case 6: return call->size + fuzz_any(FUZZ_PAGE - call->size + 1);
	default: return call->size;
	}
}

/* One field in several operations; and what follows it. */
TAP void fuzz_spoil(const struct fuzz_call *call, unsigned char *bytes)
{
	__u64 value = fuzz_op->value & 1 ? fuzz_value() : (__u64)(fuzz_op->value >> 1);
	unsigned i = fuzz_op->field % 32;

	if (i < call->nr_fields)
		memcpy(bytes + call->fields[i].at, &value, call->fields[i].size);
	if (fuzz_op->tail % 16 == 0)
		bytes[call->size + fuzz_any((unsigned)FUZZ_BYTES - call->size)] = 1;
}

/* ---- where they lie ---- */

enum { FUZZ_EDGE = 16, FUZZ_TORN, FUZZ_ODD, FUZZ_COMMON, FUZZ_FIXED, FUZZ_MAPPED, FUZZ_NOWHERE,
       FUZZ_KERNEL, FUZZ_PLACES };	/* below: nothing special */

struct fuzz_place {
	unsigned char *at;
	bool plain;		/* nobody else writes there */
};

TAP unsigned char *fuzz_mapped(void)
{
	struct fuzz_map *m = fuzz_map();

	return m->at ? (unsigned char *)m->at + 8UL * fuzz_any(512) : NULL;
}

/* The page that others write to as well, seen from here or there. */
TAP void fuzz_share(const unsigned char *bytes, unsigned size)
{
	memcpy(fuzz_common, bytes, size < FUZZ_PAGE ? size : FUZZ_PAGE);
}

TAP struct fuzz_place fuzz_put(const unsigned char *bytes, __u32 size)
{
	unsigned there = size < FUZZ_PAGE ? size : FUZZ_PAGE;
	struct fuzz_place p = { (unsigned char *)fuzz_arena + 20 * FUZZ_PAGE, true };

	switch (fuzz_op->how % FUZZ_PLACES) {
	case FUZZ_EDGE:
		p.at = (unsigned char *)fuzz_edge - there;
		memcpy(p.at, bytes, there);
		return p;
	case FUZZ_TORN:
		p.at = (unsigned char *)fuzz_edge - fuzz_any(there + 1);
		memcpy(p.at, bytes, (size_t)(fuzz_edge - (char *)p.at));
		break;
	case FUZZ_ODD:
		p.at += 1 + fuzz_any(7);
		memcpy(p.at, bytes, FUZZ_BYTES);
		return p;
	case FUZZ_COMMON:
		p.at = (unsigned char *)fuzz_common;
		fuzz_share(bytes, there);
		break;
	case FUZZ_FIXED:
		p.at = (unsigned char *)(uintptr_t)fuzz_fixed;
		fuzz_share(bytes, there);
		break;
	case FUZZ_MAPPED:
		p.at = fuzz_mapped();
		for (unsigned i = 0; p.at && i + 8 <= 24; i += 8)
			fuzz_store((void *)(p.at + i), *(const __u64 *)(const void *)(bytes + i));
		break;
	case FUZZ_NOWHERE:
		p.at = (unsigned char *)(uintptr_t)fuzz_value();
		break;
	case FUZZ_KERNEL:
		p.at = (unsigned char *)(kcov.text ? kcov.text : 0xffffffff81000000UL);
		break;
	default:
		memcpy(p.at, bytes, FUZZ_BYTES);
		return p;
	}
	p.plain = false;
	return p;
}

/* ---- the call ---- */

#ifdef __x86_64__
/* As a 32-bit program calls it. */
TAP long fuzz_ioctl32(int fd, unsigned cmd, void *arg)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret)
			 : "a"(54L), "b"((long)fd), "c"((long)cmd), "d"((long)(uintptr_t)arg)
			 : "memory", "r8", "r9", "r10", "r11");
	ret = (int)ret;
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}
#else
#define fuzz_ioctl32(fd, cmd, arg) ioctl(fd, cmd, arg)
#endif

TAP long fuzz_ioctl(int fd, unsigned cmd, void *arg)
{
	return fuzz_op->tail >= 0xf0 && (uintptr_t)arg >> 32 == 0 ? fuzz_ioctl32(fd, cmd, arg) :
								    ioctl(fd, cmd, arg);
}

/* It has written nothing but its answer, and without one nothing. */
TAP void fuzz_check_bytes(const struct fuzz_call *call, const struct fuzz_place *p, __u32 size,
			  const unsigned char *bytes, bool done)
{
	const unsigned char *edge = (unsigned char *)fuzz_edge;
	unsigned there = size < FUZZ_PAGE ? size : FUZZ_PAGE;

	if (!done || !call->answers)
		fuzz_must(!memcmp(p->at, bytes, there), "%s that has no answer writes none",
			  call->name);
	for (const unsigned char *at = p->at + there; at < p->at + there + FUZZ_AROUND; at++)
		if (at < edge && !fuzz_must(*at == bytes[at - p->at], "%s writes behind its answer",
					    call->name))
			return;
	for (unsigned i = 1; i <= FUZZ_AROUND; i++)
		if (!fuzz_must(p->at[-(int)i] == FUZZ_CANARY, "%s writes before its answer",
			       call->name))
			return;
}

/* What else a success must mean. */
TAP void fuzz_check_answer(const struct fuzz_call *call, const unsigned char *answer)
{
	const struct systrace_info *info = (const void *)answer;
	const struct systrace_setup *setup = (const void *)answer;
	const struct systrace_stats *stats = (const void *)answer;

	switch (call->nr) {
	case SYSTRACE_IOC_INFO:
		fuzz_must(info->abi_version == SYSTRACE_ABI_VERSION && info->nr_rings &&
			  info->ring_bytes_min <= info->ring_bytes_max, "INFO makes sense");
		break;
	case SYSTRACE_IOC_SETUP:
		fuzz_must(setup->control_size && setup->data_size > setup->ring_bytes &&
			  setup->data_offset >= setup->control_offset + setup->control_size,
			  "SETUP's answer makes sense");
		break;
	case SYSTRACE_IOC_STATS:
		fuzz_must(stats->made >= stats->delivered && stats->attached <= stats->attached_max,
			  "STATS makes sense");
		break;
	}
}

/* Who waits long for a reader must not get one here: see fuzz_control. */
TAP void fuzz_note_setup(struct fuzz_session *s, bool plain, const unsigned char *answer)
{
	const struct systrace_setup *setup = (const void *)answer;

	s->slow = !plain || (setup->full == SYSTRACE_FULL_BLOCK &&
			     (!setup->timeout_ms || setup->timeout_ms > FUZZ_SLOW));
	if (!plain)
		return;
	s->setup = *setup;
	__atomic_store_n(&s->known, true, __ATOMIC_RELEASE);
}

TAP void fuzz_call(const struct fuzz_call *call, int fd, struct fuzz_session *session)
{
	static unsigned char bytes[FUZZ_BYTES];
	__u32 size = fuzz_size(call);
	struct fuzz_place p;
	bool done;

	fuzz_make(call, bytes);
	fuzz_spoil(call, bytes);
	memcpy(bytes, &size, sizeof(size));
	if (size >= sizeof(size) && size < FUZZ_BYTES)	/* the driver is to see none of it */
		memset(bytes + size, FUZZ_CANARY, FUZZ_BYTES - size);
	p = fuzz_put(bytes, size);
	if (p.plain)
		memset(p.at - FUZZ_AROUND, FUZZ_CANARY, FUZZ_AROUND);
	done = fuzz_fair(fuzz_ioctl(fd, (unsigned)call->nr, p.at), call->errors, call->name);
	if (done && session && call->nr == SYSTRACE_IOC_SETUP)
		fuzz_note_setup(session, p.plain && size >= call->size, p.at);
	if (!p.plain)
		return;
	fuzz_check_bytes(call, &p, size, bytes, done);
	if (done && size >= call->size)
		fuzz_check_answer(call, p.at);
}

TAP void fuzz_do_ioctl(void)
{
	struct fuzz_fd *f = fuzz_fd();

	fuzz_call(&fuzz_calls[fuzz_op->kind % COUNT(fuzz_calls)], f->fd,
		  &fuzz->sessions[f->session]);
}

/* A number that no ioctl of ours has, nor one of the kernel's for all files. */
TAP void fuzz_do_unknown(void)
{
	static unsigned char bytes[FUZZ_BYTES];
	unsigned cmd = (unsigned)_IOC(fuzz_any(4), 0xd5, fuzz_any(256), fuzz_any(2) ? fuzz_any(256) : 0);

	if (fuzz_any(4) == 0)
		cmd = (unsigned)fuzz_value() | 0x8000;	/* whose letters are all below */
	if (_IOC_TYPE(cmd) == 0xd5 && cmd == _IO(0xd5, _IOC_NR(cmd)) &&
	    _IOC_NR(cmd) < COUNT(fuzz_calls))
		cmd += COUNT(fuzz_calls);
	*(__u32 *)bytes = fuzz_any(256);
	if (fuzz_ioctl(fuzz_fd()->fd, cmd, fuzz_any(4) ? bytes : NULL) == 0)
		fuzz_must(false, "ioctl 0x%x is there", cmd);
	fuzz_fair(-1, fuzz_none_errors, "an unknown ioctl");
}

#endif
