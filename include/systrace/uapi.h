/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * systrace: the kernel ABI of /dev/systrace
 *
 * THE CONTRACT
 *
 * A session is one open file of /dev/systrace: SETUP fixes its shape, ATTACH
 * names the tasks it follows, their children follow by themselves, and every
 * event goes into a ring of the CPU it happened on. The session ends with its
 * last descriptor and mapping; what it traced runs on as if nothing had been.
 *
 *	fd = open("/dev/systrace", O_RDWR | O_CLOEXEC)
 *	ioctl(fd, SYSTRACE_IOC_SETUP, &setup)		sizes and offsets come back
 *	control = mmap(setup.control_size, PROT_READ | PROT_WRITE, MAP_SHARED,
 *		       setup.control_offset)
 *	header = mmap(setup.data_size, PROT_READ, MAP_SHARED, setup.data_offset)
 *	ioctl(fd, SYSTRACE_IOC_ATTACH, &attach)
 *	read the rings; poll(fd) when there is nothing to read
 *
 * Order. Each event carries `seq`. A session's seqs are 1, 2, 3 ..., dense
 * over all CPUs, and consistent with program order and with causality. Within
 * a ring seq only rises, so the total order is a merge: the event n + 1 is at
 * the front of some ring, or is just being written there.
 *
 * Mapping. Two ranges, because one mapping has one protection. *Control* is
 * read-write: the tail of each ring and `seen`, the last seq consumed. It can
 * be mapped in one address space at a time, which is then the session's
 * consumer. *Data* is read-only: struct systrace_header, one struct
 * systrace_ring for each CPU, and the rings' bytes, each ring twice in a row so
 * that no record straddles its end. Follow the offsets that the header gives;
 * do not compute your own. A range is mapped whole, shared, without execute
 * permission, and stays whole and where it is until it is unmapped whole; it is
 * not inherited by fork, not dumped in a core, not reachable through
 * /proc/PID/mem.
 *
 * Reading. Positions are free-running 64-bit byte counts, compared by
 * difference only; a position's place is its value modulo ring_bytes. Load
 * `head` with acquire, use the records between your tail and it in place, store
 * the new tail with release. <systrace/ring.h> has it in a few lines.
 * The kernel trusts nothing in the control range: a wrong tail loses the
 * session's own events, a wrong `seen` costs it its own wake-ups, nothing more.
 *
 * Sleeping. Store `seen`, then poll: the kernel compares it with the last seq
 * begun. poll reports POLLIN when there is, or in a moment will be, something
 * to read, and POLLHUP when everything is read and no task is attached any
 * more (not before the first ATTACH).
 *
 * Loss. When a ring is full, a session that drops counts the events that do not
 * fit; they take no seq. Before that CPU's next record, and also when the
 * session is paused, loses its last task, or its reader is about to sleep, a
 * LOST record tells their number and cause. Room is kept for one: if nothing was
 * read since the last, the next follows once there is room.
 * Always: events made = delivered + lost, to the event. LOST records are not
 * counted as made.
 *
 * Overwriting. In a session that overwrites, a full ring's oldest records give way: those
 * in the way, and more of them, up to 4 KiB or a 64th of the ring, whichever is less;
 * `oldest` says where the first whole one begins and `overwritten` the last seq that
 * is gone. The highest `overwritten` of all rings is where the dense sequence ends,
 * going back: up to it events are missing. Read after PAUSE, in place; or while it
 * runs, copies: load `oldest`, copy, load `oldest` again, and discard the copy if it
 * has passed the record (<systrace/ring.h> has that, too). Tails serve only the
 * account: what was overwritten unread is counted as lost, LOST records like events,
 * and what those told is told anew. POLLHUP comes with the last task's end, read or
 * not, so that a recorder can sleep on that alone.
 *
 * Waiting. In a session that blocks, a task that has written a record past half
 * of a ring waits, on its way back to user mode, until less than half of that
 * ring is unread. The other half is for the tasks that are on their way there: it
 * takes one call, with all that comes with it, of each of `covered` tasks (see
 * STATS); beyond that, and for the TASK records of an ATTACH that finds no room,
 * events are lost as in a session that drops. After you store tails, make a full
 * memory barrier, load `waiters` from the header and call KICK if it is not zero.
 * A wait also ends when it has lasted timeout_ms: then nobody waits for this
 * reader again until it moves the tail of the ring in question. It ends when the
 * control range is unmapped, the session paused, or the task detached, and at a
 * signal: any, as long as half of that other half is free; then only one that
 * kills. The tasks of the process that has mapped control never wait.
 *
 * Growth. Every structure begins with its own size in bytes, as the caller
 * compiled it, and grows only at its end. A shorter one than the driver's is
 * taken as if zeros followed; a longer one is taken if what the driver does not
 * know is zero (E2BIG otherwise), and the answer fills as much as both know,
 * then zeros. Unknown flags and non-zero reserved fields are EINVAL. Records
 * grow at their end, too: step by `size`, and skip types you do not know.
 *
 * Errors. Each ioctl and mmap lists its own below, with the condition. In
 * addition each ioctl can fail with:
 *	EFAULT	the structure, or something it points to, cannot be accessed
 *	EINVAL	`size` is smaller than the first version of the structure, an
 *		unknown flag is set, or a reserved field is not zero
 *	E2BIG	the structure is larger than the driver's and what follows is
 *		not zero, or `size` is larger than a page
 *	EINTR	a signal's handler, without SA_RESTART, ran while another ioctl of this
 *		session went on
 *	ENOTTY	there is no such ioctl
 * An ioctl that fails has had no effect; but with EFAULT it may have, if the structure could
 * be accessed when it began and not when it answered.
 *
 * Threads. Any thread of any process that has the descriptor may make any call
 * at any time; the driver serializes. One thread at a time reads a ring.
 *
 * The layout is the same for 32- and 64-bit programs.
 */
#ifndef SYSTRACE_UAPI_H
#define SYSTRACE_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define SYSTRACE_DEVICE		"/dev/systrace"
#define SYSTRACE_ABI_VERSION	1
#define SYSTRACE_MAGIC		0x6563617274737973ULL	/* "systrace" */

#define SYSTRACE_COMM_BYTES	16	/* a task's name, NUL included */
#define SYSTRACE_FILE_BYTES	1024	/* the longest file name kept, NUL included */
#define SYSTRACE_ARGS		6	/* the most arguments a system call has */

/* ------------------------------------------------------------- records --- */

enum systrace_type {
	SYSTRACE_ENTER	= 1,	/* struct systrace_enter */
	SYSTRACE_RETURN	= 2,	/* struct systrace_return */
	SYSTRACE_TASK	= 3,	/* struct systrace_task */
	SYSTRACE_FORK	= 4,	/* struct systrace_fork */
	SYSTRACE_EXEC	= 5,	/* struct systrace_exec */
	SYSTRACE_EXIT	= 6,	/* struct systrace_exit */
	SYSTRACE_SIGNAL	= 7,	/* struct systrace_signal */
	SYSTRACE_LOST	= 8,	/* struct systrace_lost */
	SYSTRACE_DETACH	= 9	/* struct systrace_detach */
};

/*
 * systrace_event.flags of an ENTER or RETURN has, under this mask, the ABI of the call:
 * from which table its number is. SYSTRACE_ABI_* is 1 << this.
 */
#define SYSTRACE_FLAG_ABI	0x07
#define SYSTRACE_FLAG_X86_64	0x00
#define SYSTRACE_FLAG_I386	0x01
#define SYSTRACE_FLAG_X32	0x02
#define SYSTRACE_FLAG_ARM64	0x03
#define SYSTRACE_FLAG_ARM	0x04	/* EABI: a 32-bit program */

/*
 * What every record begins with. 8-byte aligned, never straddling the end of
 * the ring. tid, tgid and ppid are numbers of the pid namespace that opened the
 * session, 0 for what it cannot see. A tid can be used again after its EXIT;
 * the seq of a FORK or TASK names the task for good.
 */
struct systrace_event {
	__u16	size;	/* of the whole record in bytes, a multiple of 8 */
	__u8	type;	/* enum systrace_type */
	__u8	flags;
	__u32	tid;	/* the task it is about; 0 for a LOST without one */
	__u64	seq;
	__u64	time;	/* by the session's clock, see struct systrace_header */
};

/*
 * A system call is entered. nr is the number as the kernel took it, also one
 * that no call has, also a negative one; of an x32 call, less its marker bit
 * 0x40000000. nargs says how many of args there are: those that the call really
 * has (all 6 for an unknown number), or fewer if a policy asks for fewer.
 *
 * A call that never returns (exit) has no RETURN. One in which the task is killed may have
 * none, or, if it was asleep, one of the kernel's own -512 to -516. One that
 * seccomp refused, or that a debugger emulates, has no ENTER; one that user
 * dispatch (prctl) turned into a signal has neither, nor has, on 5.10, one for which
 * seccomp kills: the task's EXIT is all. A debugger, and seccomp through one, can make
 * another call of it before: then it is that call, or -1 if it is to be skipped, that is
 * entered and that returns. The ABI is that of the moment: an execve may be entered in
 * one and return in another, with its number there; on x86 an execveat that succeeds
 * returns as execve.
 */
struct systrace_enter {
	struct systrace_event event;
	__s32	nr;
	__u32	nargs;
	__u64	args[SYSTRACE_ARGS];	/* the record ends after nargs of them */
};

/*
 * A system call returns. result is what the kernel gives, with -4095 to -1 for an error, in every
 * ABI: what the program gets,
 * unless a debugger changes it after; or for a call that will be started again, the
 * kernel's own -512 to -516; or for a call that seccomp turned into a signal, what the
 * register has: nr on x86, the first argument on arm64, there also if a debugger skips
 * it. A child of fork, vfork or clone begins with a RETURN of 0 on x86, with none on
 * arm64; that of its parent, if it waits as for vfork, comes after the child entered
 * exit or an execve, before or after its EXIT or EXEC. After rt_sigreturn nr is -1, and
 * result is the register that the signal had interrupted.
 */
struct systrace_return {
	struct systrace_event event;
	__s64	result;
	__s32	nr;
	__u32	reserved;
};

/*
 * A task that was there when it was attached. The exe's path follows: "" if it has none,
 * or has joined a cgroup.
 */
struct systrace_task {
	struct systrace_event event;
	__u32	tgid;
	__u32	ppid;		/* the parent's tgid */
	__u64	start_time;	/* CLOCK_BOOTTIME, nanoseconds */
	char	comm[SYSTRACE_COMM_BYTES];
	/* char exe[]: NUL-terminated */
};

/*
 * A task, the parent, made another one, which is attached from its start, unless
 * the parent was attached alone. A child that ATTACH finds before this record
 * has a TASK instead of it.
 */
struct systrace_fork {
	struct systrace_event event;
	__u32	child;		/* its tid */
	__u32	tgid;		/* its tgid: the parent's own for a thread */
	__u64	clone_flags;
};

/*
 * A task runs a new program. oldtid differs from tid if a thread other than the
 * leader did it and took over the leader's number: the EXIT of the leader and of all other
 * threads comes before, and oldtid has none. The file's name follows, as the kernel was
 * given it (the script, for a script), cut if it is too long.
 */
struct systrace_exec {
	struct systrace_event event;
	__u32	oldtid;
	__u32	reserved;
	char	comm[SYSTRACE_COMM_BYTES];
	/* char file[]: NUL-terminated */
};

/*
 * A task ends; nothing more of it follows. code is as wait(2) gives it, for this
 * thread: what a process gives its parent is the code that exit_group or a signal
 * gave to all, which a leader that ended before them does not have.
 */
struct systrace_exit {
	struct systrace_event event;
	__u32	code;
	__u32	reserved;
};

/* A signal is delivered: handled by a function or by its default action. */
struct systrace_signal {
	struct systrace_event event;
	__s32	signo;
	__s32	code;		/* si_code; SI_KERNEL if the kernel sent it without one */
};

enum systrace_cause {
	SYSTRACE_LOST_FULL	= 0,	/* the ring was full */
	SYSTRACE_LOST_NO_RING	= 1,	/* the CPU has no ring: no memory when it came up */
	/*
	 * No memory to follow a child, or too many sessions have it. tid names it, count is
	 * 1 (0 and more if that was lost).
	 */
	SYSTRACE_LOST_CHILD	= 2,
	SYSTRACE_LOST_OVERWRITTEN = 3,	/* it gave way: the driver writes no record of that */
	SYSTRACE_LOST_CAUSES	= 8	/* places kept in struct systrace_stats */
};

/*
 * Events that were made on a CPU but not recorded, at some moment between this
 * record's two neighbours in that CPU's ring. Of what was overwritten only the
 * library writes one.
 */
struct systrace_lost {
	struct systrace_event event;
	__u64	count;
	__u32	cause;		/* enum systrace_cause */
	__u32	cpu;
};

enum systrace_reason {
	SYSTRACE_DETACH_ASKED	= 0,	/* the DETACH ioctl */
	SYSTRACE_DETACH_EXEC	= 1	/* it runs a program that this session may not trace */
};

/* A task is no longer followed, though it has not ended. */
struct systrace_detach {
	struct systrace_event event;
	__u32	reason;		/* enum systrace_reason */
	__u32	reserved;
};

/* ------------------------------------------------------------- mapping --- */

enum systrace_clock {
	SYSTRACE_CLOCK_MONOTONIC = 0,	/* times are CLOCK_MONOTONIC nanoseconds */
	SYSTRACE_CLOCK_TSC	 = 1	/* times are cycles of x86's time stamp counter */
};

/*
 * At the start of the data range. Offsets are in bytes; those of rings and
 * bytes count from the start of the data range, those of tails and seen from
 * the start of the control range. Written by the kernel; constant but for
 * attached, waiters and the clock.
 *
 * A time t of an event is CLOCK_MONOTONIC nanoseconds by
 *	clock_ns + (((t - clock_cycles) * clock_mult) >> clock_shift)
 * with the product in 128 bits; clock_count is odd while the four change, and
 * whoever reads them reads it before and after. For SYSTRACE_CLOCK_MONOTONIC
 * the formula gives t itself. The four follow CLOCK_MONOTONIC each second, so read them
 * not long after the event, and anew; one that was made before the machine slept and is read
 * after can be wrong by as long. Times do not fall within a ring, but for a microsecond with
 * SYSTRACE_CLOCK_MONOTONIC when the kernel adjusts that; between two rings they may, so
 * order is seq's business alone.
 */
struct systrace_header {
	__u64	magic;		/* SYSTRACE_MAGIC */
	__u32	abi_version;	/* SYSTRACE_ABI_VERSION */
	__u32	header_size;	/* sizeof(struct systrace_header) of the driver */
	__u32	nr_rings;	/* CPUs that this machine can have */
	__u32	ring_size;	/* sizeof(struct systrace_ring) of the driver */
	__u64	ring_bytes;	/* of one ring: a power of two */
	__u64	rings;		/* offset of CPU 0's struct systrace_ring ... */
	__u64	rings_stride;	/* ... and the distance to the next CPU's */
	__u64	bytes;		/* offset of CPU 0's bytes ... */
	__u64	bytes_stride;	/* ... and the distance to the next CPU's */
	__u64	tails;		/* offset of CPU 0's tail, a __u64 ... */
	__u64	tails_stride;	/* ... and the distance to the next CPU's */
	__u64	seen;		/* offset of seen, a __u64 */
	__u32	clock;		/* enum systrace_clock */
	__u32	clock_count;
	__u64	clock_cycles;
	__u64	clock_ns;
	__u32	clock_mult;
	__u32	clock_shift;
	__u64	reserved[1];
	__u32	attached;	/* tasks attached now */
	__u32	waiters;	/* tasks that wait for room: KICK after freeing some */
	__u64	reserved2[7];
};

/* One for each CPU, on cache lines of its own. Written by the kernel. */
struct systrace_ring {
	__u64	head;		/* end of what can be read: load with acquire */
	__u64	lost;		/* events lost on this CPU so far */
	__u64	oldest;		/* overwrite: start of the oldest whole record */
	__u64	overwritten;	/* overwrite: the last seq that was overwritten */
	__u32	present;	/* 1: there are bytes behind it. Touch none before. */
	__u32	reserved;
	__u64	reserved2[11];
};

/* -------------------------------------------------------------- ioctls --- */

/*
 * The numbers leave out the structures' sizes, so that they outlive growth.
 */
#define SYSTRACE_IOC_INFO	_IO(0xd5, 0)	/* struct systrace_info */
#define SYSTRACE_IOC_SETUP	_IO(0xd5, 1)	/* struct systrace_setup */
#define SYSTRACE_IOC_POLICY	_IO(0xd5, 2)	/* struct systrace_policy */
#define SYSTRACE_IOC_ATTACH	_IO(0xd5, 3)	/* struct systrace_attach_args */
#define SYSTRACE_IOC_DETACH	_IO(0xd5, 4)	/* struct systrace_detach_args */
#define SYSTRACE_IOC_PAUSE	_IO(0xd5, 5)	/* struct systrace_op */
#define SYSTRACE_IOC_RESUME	_IO(0xd5, 6)	/* struct systrace_op */
#define SYSTRACE_IOC_KICK	_IO(0xd5, 7)	/* struct systrace_op */
#define SYSTRACE_IOC_STATS	_IO(0xd5, 8)	/* struct systrace_stats */

/* open(2) of the device:
 *	ENOENT	there is no device node: the module is not loaded
 *	EACCES	the node's permissions do not admit the caller
 *	ENOMEM	no memory
 */

/* INFO: what this driver and this machine can do. Before or after SETUP. */

#define SYSTRACE_FEATURE_DROP		(1ULL << 0)	/* policies for a full ring */
#define SYSTRACE_FEATURE_OVERWRITE	(1ULL << 1)
#define SYSTRACE_FEATURE_BLOCK		(1ULL << 2)
#define SYSTRACE_FEATURE_I386		(1ULL << 3)	/* the kernel runs i386 programs */
#define SYSTRACE_FEATURE_X32		(1ULL << 4)	/* it was built with x32 calls */
#define SYSTRACE_FEATURE_PIDFD		(1ULL << 5)	/* ATTACH and DETACH by these */
#define SYSTRACE_FEATURE_CGROUP		(1ULL << 6)
#define SYSTRACE_FEATURE_ARM		(1ULL << 7)	/* an arm64 kernel built with arm calls */

/*
 * What calls of untraced tasks cost while others are traced: nothing, if nobody but systrace
 * has a probe on the kernel's tracepoints sys_enter and sys_exit. After more than 64 tasks have
 * been registering one at the same moment it stays OTHERS, until the module goes.
 */
enum systrace_mask {
	SYSTRACE_MASK_OFF	= 0,	/* a probe each: parameter mask=0, or no kretprobes */
	SYSTRACE_MASK_IDLE	= 1,	/* nothing: there is no probe */
	SYSTRACE_MASK_ACTIVE	= 2,	/* nothing */
	SYSTRACE_MASK_OTHERS	= 3	/* as much as without it, as long as others have probes */
};

struct systrace_info {
	__u32	size;
	__u32	abi_version;	/* out: SYSTRACE_ABI_VERSION of the driver */
	__u64	features;	/* out: SYSTRACE_FEATURE_* */
	__u64	events;		/* out: 1 << TYPE for each record type it can write */
	__u64	ring_bytes_min;	/* out */
	__u64	ring_bytes_max;	/* out */
	__u32	nr_rings;	/* out: CPUs that this machine can have */
	__u32	clock;		/* out: enum systrace_clock */
	__u32	mask;		/* out: enum systrace_mask, at this moment */
	__u32	reserved;	/* out: 0 */
};

/*
 * SETUP: once in a session, before anything but INFO and POLICY.
 *	EBUSY	the session is set up already
 *	EINVAL	ring_bytes is no power of two, or outside INFO's bounds; full,
 *		an event or the watermark is not as said below
 *	EOPNOTSUPP  this driver, or this kernel, does not have that `full`
 *	EPERM	timeout_ms is above SYSTRACE_TIMEOUT_MAX, without CAP_SYS_ADMIN
 *	ENOMEM	no memory, or RLIMIT_MEMLOCK plus the module's allowance for
 *		each user (parameter memlock_kib) are used up
 */
enum systrace_full {
	SYSTRACE_FULL_DROP	= 0,	/* events that do not fit are lost, and counted */
	SYSTRACE_FULL_OVERWRITE	= 1,	/* the oldest give way: a flight recorder */
	SYSTRACE_FULL_BLOCK	= 2	/* the traced tasks wait for the reader */
};

#define SYSTRACE_LATENCY_MIN	50U	/* us; see struct systrace_setup */
#define SYSTRACE_LATENCY_MAX	10000000U
#define SYSTRACE_TIMEOUT_MAX	60000U		/* ms; for more, CAP_SYS_ADMIN */
#define SYSTRACE_NO_TIMEOUT	0xffffffffU

struct systrace_setup {
	__u32	size;
	__u32	flags;		/* 0 */
	__u64	ring_bytes;	/* of each CPU's ring */
	__u64	events;		/* 1 << TYPE for each wanted; 0: all. LOST always comes. */
	__u32	full;		/* enum systrace_full */
	__u32	timeout_ms;	/* of a wait in BLOCK, 0: 10 s, or SYSTRACE_NO_TIMEOUT; else 0 */
	/* Bytes in one ring that wake the reader, at most half of ring_bytes; 0: any event does */
	__u32	watermark;
	/* With a watermark: wake it this long after an event all the same, LATENCY_MIN to _MAX */
	__u32	latency_us;	/* 0 without one */
	__u64	control_offset;	/* out: what to mmap */
	__u64	control_size;
	__u64	data_offset;
	__u64	data_size;
};

/*
 * mmap(2) of the two ranges:
 *	EBADFD	before SETUP
 *	EINVAL	not exactly one of the two ranges; or private
 *	EACCES	data writable, or either executable (also by the personality
 *		READ_IMPLIES_EXEC); or the descriptor is not open for both
 *		reading and writing
 *	EBUSY	control is mapped already
 * and of what is mapped: mprotect(2) to more than mmap would have granted is
 * EACCES; mprotect and munmap of a part EINVAL; mremap(2) to grow or duplicate
 * EFAULT, to move or to shrink EINVAL; madvise(MADV_DOFORK) EINVAL.
 */

/*
 * POLICY: which system calls are recorded, and how much of them. In the
 * beginning all are, whole. Replaces the previous policy as one: an ENTER or
 * RETURN sees the old rules or the new ones. The rules are applied in their
 * order, so that a later one wins; what none of them names is not recorded.
 *	EINVAL	nr_rules is above SYSTRACE_RULES_MAX; a rule has an unknown abi
 *		or record bit, nargs above 6 other than SYSTRACE_NARGS_ALL, or
 *		first and last are not -1 <= first <= last <= SYSTRACE_NR_MAX
 *	ENOMEM	no memory
 * Rules for the ABIs of other architectures are taken, too, and change nothing.
 */
#define SYSTRACE_ABI_X86_64	0x01
#define SYSTRACE_ABI_I386	0x02
#define SYSTRACE_ABI_X32	0x04
#define SYSTRACE_ABI_ARM64	0x08
#define SYSTRACE_ABI_ARM	0x10
#define SYSTRACE_ABI_ALL	0x1f	/* those above */

/* That of the program which includes this */
#if defined(__x86_64__) && defined(__ILP32__)
#define SYSTRACE_ABI_NATIVE	SYSTRACE_ABI_X32
#elif defined(__x86_64__)
#define SYSTRACE_ABI_NATIVE	SYSTRACE_ABI_X86_64
#elif defined(__i386__)
#define SYSTRACE_ABI_NATIVE	SYSTRACE_ABI_I386
#elif defined(__aarch64__)
#define SYSTRACE_ABI_NATIVE	SYSTRACE_ABI_ARM64
#elif defined(__ARM_EABI__)
#define SYSTRACE_ABI_NATIVE	SYSTRACE_ABI_ARM
#endif

#define SYSTRACE_RECORD_ENTER	0x1
#define SYSTRACE_RECORD_RETURN	0x2
#define SYSTRACE_NARGS_ALL	0xff
#define SYSTRACE_NR_OTHER	(-1)	/* every number outside 0 .. SYSTRACE_NR_MAX */
#define SYSTRACE_NR_MAX		1023
#define SYSTRACE_RULES_MAX	4096

struct systrace_rule {
	__u8	abi;		/* SYSTRACE_ABI_*, one or more */
	__u8	record;		/* SYSTRACE_RECORD_*, or 0 for neither */
	__u8	nargs;		/* at most so many arguments; or SYSTRACE_NARGS_ALL */
	__u8	reserved;
	__s32	first;		/* these numbers, both included */
	__s32	last;
};

struct systrace_policy {
	__u32	size;
	__u32	flags;		/* 0 */
	__u64	rules;		/* pointer to an array of struct systrace_rule */
	__u32	nr_rules;
	__u32	reserved;
};

/*
 * What ATTACH and DETACH name: a task by pid, its number in the opener's pid namespace;
 * or by one of these flags and fd, pid being 0 then.
 */
#define SYSTRACE_BY_PIDFD	0x1	/* fd is a pidfd: the task that it was opened for */
/* fd is a directory of cgroup v2: the tasks in that cgroup and those below it */
#define SYSTRACE_BY_CGROUP	0x2

/*
 * ATTACH: follow tasks. Both the opener of the session and the caller must be
 * allowed to, and in the same way: with CAP_SYS_PTRACE over the task's user namespace (or
 * CAP_PERFMON in the first one), or as the same user, if the task is dumpable
 * and has no capability that they lack.
 *	EBADFD	before SETUP
 *	ESRCH	there is no such task, or it has ended
 *	EPERM	that task may not be traced
 *	EINVAL	unknown mode; pid not positive (not 0, with EXEC or a flag); fd not 0
 *		without a flag; both flags; BY_CGROUP with another mode than TREE, any
 *		flag with EXEC; a kernel thread
 *	EBADF	fd is not open, or no pidfd, or no directory of cgroup v2
 *	ENOENT	that cgroup is being removed
 *	EEXIST	all that is named is attached to this session already
 *	EUSERS	128 sessions have the task; 256 if the opener may trace all tasks. One in
 *		a tree is passed over like one that may not be traced.
 *	ENOMEM	no memory
 * In a tree, descendants that may not be traced are passed over. Each task
 * attached gets a TASK record now; after that, one attached with EXEC has no
 * event before the execve that succeeds but its EXIT.
 *
 * BY_CGROUP is for present and future members alike, also if there is none yet: who is
 * moved into the cgroup, or born in it of a parent outside, is attached then, before
 * it can make another call (where more than some hundred threads are moved at once, some
 * a moment later), by a TASK record without a path. Since they can be anybody's, it
 * needs CAP_SYS_PTRACE or CAP_PERFMON in the first user namespace. Who leaves the cgroup
 * stays attached. It ends with DETACH of the same cgroup or ALL, or when the
 * cgroup is removed.
 */
enum systrace_attach_mode {
	/* The process pid, all its threads, all its descendants, and whatever they will fork */
	SYSTRACE_ATTACH_TREE	= 0,
	/* That one task (thread), no child of it */
	SYSTRACE_ATTACH_TASK	= 1,
	/* The calling task, from its next successful execve on, and whatever that will fork */
	SYSTRACE_ATTACH_EXEC	= 2
};

struct systrace_attach_args {
	__u32	size;
	__u32	flags;		/* 0, SYSTRACE_BY_PIDFD or SYSTRACE_BY_CGROUP */
	__u32	mode;		/* enum systrace_attach_mode */
	__s32	pid;		/* in the opener's pid namespace; 0 with EXEC or a flag */
	__u32	attached;	/* out: how many tasks */
	__s32	fd;		/* 0 without a flag */
};

/*
 * DETACH: follow them no more. Each gets a DETACH record.
 *	EBADFD	before SETUP
 *	ESRCH	no such task is attached; the cgroup is not attached, nor anybody in it
 *	EINVAL, EBADF, ENOENT, ENOMEM  as ATTACH; no flag with ALL
 * BY_CGROUP detaches who is in it now, and nobody is attached by it any more, also if it
 * fails (no memory, a fatal signal). Who is in an attached cgroup but was detached otherwise
 * comes back if it is moved again, or if so many are moved there at once that some are
 * attached a moment later.
 */
enum systrace_detach_mode {
	SYSTRACE_DETACH_TREE	= 0,	/* pid's process and its descendants */
	SYSTRACE_DETACH_TASK	= 1,	/* that one task */
	SYSTRACE_DETACH_ALL	= 2	/* every one; also if there is none */
};

struct systrace_detach_args {
	__u32	size;
	__u32	flags;		/* as in ATTACH */
	__u32	mode;		/* enum systrace_detach_mode */
	__s32	pid;		/* in the opener's pid namespace; 0 with ALL or a flag */
	__u32	detached;	/* out: how many tasks */
	__s32	fd;		/* 0 without a flag */
};

/*
 * PAUSE: make no more events, while tasks come and go as before (who comes has
 * no FORK). On return all that was made can be read, LOST records included.
 * RESUME: make events again. KICK: wake the tasks that wait for room; nothing
 * to do where no task waits. PAUSE when paused and RESUME when not are fine.
 *	EBADFD	before SETUP
 */
struct systrace_op {
	__u32	size;
	__u32	flags;		/* 0 */
};

/*
 * STATS: of one CPU, or of the session. Exact when paused or when nothing
 * attached runs; else each CPU's figures agree with one another.
 * made = delivered + (recorded and not yet read) + all of lost.
 *	EBADFD	before SETUP
 *	EINVAL	cpu is neither -1 nor below INFO's nr_rings
 */
struct systrace_stats {
	__u32	size;
	__s32	cpu;		/* in: -1 for the session */
	__u64	made;		/* out: events, LOST records not counted */
	__u64	delivered;	/* as far as tails tell */
	__u64	lost[SYSTRACE_LOST_CAUSES];	/* by enum systrace_cause */
	__u64	bytes;		/* written into rings */
	__u64	blocked;	/* times that tasks waited for room ... */
	__u64	blocked_ns;	/* ... and for how long in all */
	__u64	timeouts;	/* waits that ended by timeout_ms */
	__u64	wakeups;	/* of the reader; of the session only, as what follows */
	__u64	seq;		/* the last given out */
	__u32	attached;	/* tasks, now ... */
	__u32	attached_max;	/* ... and at most */
	__u32	covered;	/* tasks of which these rings lose nothing in BLOCK, else 0 */
	__u32	uncovered;	/* tasks that could not be followed */
};

#endif
