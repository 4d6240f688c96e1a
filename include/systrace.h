/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libsystrace: read the system calls of a process tree, in exact order
 *
 *	struct systrace *st;
 *	const struct systrace_event *e;
 *
 *	systrace_open(&st, NULL);
 *	systrace_attach(st, pid, SYSTRACE_ATTACH_TREE);
 *	while (systrace_wait(st, -1) == 1) {
 *		while ((e = systrace_next(st)))
 *			look at e;
 *		systrace_release(st);
 *	}
 *	systrace_close(st);
 *
 * The records are those of <systrace/uapi.h>, which says what each means.
 *
 * Errors. A function that returns int returns 0 or more on success and a
 * negated errno on failure; nothing is printed and errno is not part of it.
 * Signal handlers interrupt systrace_wait alone (-EINTR).
 *
 * Threads. The library has no global state. One thread at a time may use a
 * handle for reading (next, release, wait, snapshot, split, close); any thread may at the
 * same time, but before close, call all else: attach, detach, spawn, policy, pause, resume,
 * stats, fd, attached, time, format. Where that is not all, it is said at the declaration.
 *
 * Processes. Across fork the handle stays with the parent: its mappings are not
 * inherited, and a child may do nothing but systrace_close it.
 */
#ifndef SYSTRACE_H
#define SYSTRACE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <systrace/uapi.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#define SYSTRACE_VERSION "0.1.0"	/* of this header */

struct systrace;

/* That of the library in use. Any thread. */
const char *systrace_version(void);

/*
 * What the driver and this machine can do, and what tracing costs others now: as INFO in uapi.h.
 * It needs no session; info->size is set by this function. Any thread.
 *	-ENOENT, -EACCES  as in systrace_open
 *	-EMFILE, -ENFILE, -ENOMEM  no descriptor or no memory
 *	-EPROTO		the device is not systrace's
 */
int systrace_info(struct systrace_info *info);

/* Zero it, set `size`, and set what shall not be the default. */
struct systrace_options {
	size_t size;		/* sizeof(struct systrace_options) */
	uint64_t ring_bytes;	/* per CPU, a power of two. 0: 8 MiB, halved until it fits
				 * the limit on locked memory */
	uint64_t events;	/* 1 << SYSTRACE_ENTER and so on; 0: all */
	uint32_t full;		/* SYSTRACE_FULL_DROP ... */
	uint32_t timeout_ms;	/* SYSTRACE_FULL_BLOCK: longest wait of a traced task; 0: 10 s;
				 * SYSTRACE_NO_TIMEOUT: for ever. More than SYSTRACE_TIMEOUT_MAX, a
				 * minute, needs CAP_SYS_ADMIN. */
	uint32_t watermark;	/* bytes in one ring that wake the reader; 0: any event. At most half
				 * of ring_bytes, and cut to that if ring_bytes is 0 */
	uint32_t latency_us;	/* with a watermark: the longest an event stays unread,
				 * SYSTRACE_LATENCY_MIN to _MAX, 50 to 10,000,000; 0: 10,000 */
	uint32_t older;		/* with SYSTRACE_FULL_OVERWRITE, 1: also events that are followed by
				 * missing ones, a LOST event in place of each gap */
	uint32_t reserved;	/* 0 */
	/*
	 * Unless NULL, it is called with words for why systrace_open fails or does not do quite as
	 * asked, with the option that is to blame and what to do, or why nothing more can be read: a line
	 * without a newline, valid until it returns. By the thread that called the library, before
	 * the function that fails returns.
	 */
	void (*log)(void *log_arg, const char *text);
	void *log_arg;
};

/*
 * Open a session. opts may be NULL: all defaults. On success *out is the handle.
 *	-ENOENT, -ENODEV, -EACCES  no device (is the module loaded?), or no permission for it
 *	-EINVAL		an option the driver refuses (see SETUP in uapi.h), `older` with
 *			another policy, or opts->size is less than the first version's
 *	-E2BIG		opts is longer than this library's and not zero there
 *	-EOPNOTSUPP	the driver or kernel does not have opts->full
 *	-EPERM		opts->timeout_ms is above SYSTRACE_TIMEOUT_MAX (a minute), without
 *			CAP_SYS_ADMIN
 *	-ENOMEM		no memory, or locked memory is used up
 *	-EMFILE, -ENFILE  no descriptor free
 *	-EPROTO		the driver's ABI is not one this library can read
 */
int systrace_open(struct systrace **out, const struct systrace_options *opts);

/* End the session: what it traced runs on. NULL is fine. */
void systrace_close(struct systrace *st);

/*
 * Follow a task: mode and errors as ATTACH in uapi.h has them.
 * Returns how many tasks were attached.
 */
int systrace_attach(struct systrace *st, pid_t pid, enum systrace_attach_mode mode);

/* The same by a pidfd, which no reuse of numbers can turn to another task. */
int systrace_attach_pidfd(struct systrace *st, int pidfd, enum systrace_attach_mode mode);

/*
 * Follow all in a cgroup and who will join it, as ATTACH has it: fd is its directory in
 * cgroup v2, opened also by O_PATH, and may be closed then. Returns how many were in it.
 */
int systrace_attach_cgroup(struct systrace *st, int fd);

/* Follow them no more; as DETACH in uapi.h. They return how many tasks were detached. */
int systrace_detach(struct systrace *st, pid_t pid, enum systrace_detach_mode mode);
int systrace_detach_pidfd(struct systrace *st, int pidfd, enum systrace_detach_mode mode);
int systrace_detach_cgroup(struct systrace *st, int fd);

/* How a program begins. Zero it, set `size`, and set what shall not be the default. */
struct systrace_spawn_options {
	size_t size;		/* sizeof(struct systrace_spawn_options) */
	char *const *envp;	/* NULL: the caller's environment */
	const char *cwd;	/* its working directory, from which `file` is looked for, too; NULL: ours */
	const int *fds;		/* its descriptors 0 .. nr_fds - 1 are these of ours, -1: closed. The */
	uint32_t nr_fds;	/* others are as they are without; at most SYSTRACE_SPAWN_FDS */
	uint32_t set_ids;	/* 1: it has these, real, effective and saved: */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;	/* and these supplementary ones, */
	uint32_t nr_groups;	/* none if 0 */
	uint32_t reserved;	/* 0 */
};
#define SYSTRACE_SPAWN_FDS	256

/*
 * Start a program and follow it: its successful execve is the first system call
 * in the trace, after a TASK event that names the caller's program. file is looked for on
 * PATH like execvp does (the caller's PATH, before the child exists); argv ends with NULL;
 * opts may be NULL.
 * Descriptors, signal dispositions and mask pass to the program as
 * by fork and exec. On success *pid is the child, for the caller to wait for.
 * A script without an interpreter line is run by /bin/sh. The calling thread waits
 * until the program runs, with signals blocked, and is not cancelled meanwhile; no fork
 * handler is called. Nothing of the caller's memory is copied, but with set_ids, where it is as
 * by fork(2).
 *	-ENOENT		no such file, on PATH or with that name; no such cwd
 *	-EACCES		it may not be executed, or cwd not be entered
 *	-ENOEXEC, ...	whatever execve says
 *	-EPERM		not those ids
 *	-EBADF		not those descriptors
 *	-EINVAL, -E2BIG	opts has too many descriptors, or a number of them and NULL, or is less
 *			than the first version's; or is longer than this library's and not zero there
 *	-EAGAIN, -ENOMEM  no task or no memory for the child
 * or an error of systrace_attach. After an error there is no child to wait for.
 */
int systrace_spawn(struct systrace *st, pid_t *pid, const char *file, char *const argv[],
		   const struct systrace_spawn_options *opts);

/*
 * The same, but the child waits before it becomes the program, until systrace_spawn_go: so
 * that whoever starts it can do something with its number before. *hold is a descriptor for
 * that; to give it up, kill the child and close it. When all who have it have closed it, as where
 * the caller ends, the child exits with 127. This one forks: the caller's memory is
 * copied as by fork(2), and fork handlers are not called.
 *	-EMFILE, -ENFILE  no descriptor
 */
int systrace_spawn_held(struct systrace *st, pid_t *pid, int *hold, const char *file,
			char *const argv[], const struct systrace_spawn_options *opts);

/*
 * Let it go on, and close hold. Returns when the program runs: 0; or -ENOENT and the like of
 * execve, -EPERM, -EBADF as above: then the child has ended, and is to be waited for. -ESRCH:
 * it was killed before.
 */
int systrace_spawn_go(int hold);

/* Record only what these rules say; as POLICY in uapi.h. */
int systrace_policy(struct systrace *st, const struct systrace_rule *rules, unsigned nr_rules);

/*
 * Rules out of words, with commas between them:
 *	openat		the call of that name, in each ABI that has one
 *	%network	the calls of that class: see systrace_class
 *	300		the call of that number, known or not
 *	*		all, also numbers that no table has
 *	i386:openat	of that ABI alone: see systrace_abi_name. A number without one is of the
 *			ABI that this program is of
 * A name means the call: what a 32-bit program does by socketcall or ipc is one of those, which
 * %network and %ipc have.
 *	!read		not that, though words before it say so. If the first word begins with !,
 *			all are meant before it
 * No blanks, and no empty words. Each says ENTER, RETURN and all arguments: change what they are to
 * record, if it shall be less. Returns how many there are; *rules is for free().
 *	-EINVAL		a word means nothing: *bad, unless bad is NULL, is where it begins in text, which
 *			can be its end
 *	-ENOMEM		no memory
 */
int systrace_rules(struct systrace_rule **rules, const char *text, const char **bad);

/*
 * Make no more events; make events again. As PAUSE in uapi.h. In a session that
 * overwrites, no other thread may be reading while this one resumes.
 */
int systrace_pause(struct systrace *st);
int systrace_resume(struct systrace *st);

/*
 * cpu -1: of the whole session. stats->size is set by this function. Errors as STATS
 * in uapi.h. A longer structure will come with a new version of this symbol.
 */
int systrace_stats(struct systrace *st, int cpu, struct systrace_stats *stats);

/*
 * The next event in the total order, in place, or NULL if there is none yet: then
 * systrace_wait. Makes no system call. The event stays valid until the next
 * systrace_release (and systrace_wait does not release). Release after each
 * batch; who never does fills the rings.
 *
 * In a session that overwrites, what is missing is told by a LOST event, cause
 * OVERWRITTEN, whose seq is the last that is missing and whose cpu one that overwrote;
 * what follows it is dense. An event there is a copy, and valid until the next
 * systrace_next, systrace_wait or systrace_release only; between systrace_pause and
 * systrace_resume it is in place, and valid until then, but for LOST events.
 */
const struct systrace_event *systrace_next(struct systrace *st);
void systrace_release(struct systrace *st);

/*
 * The next events, as by systrace_next, up to n of them: returns how many, 0 if there is none
 * yet. In a session that overwrites one at most, since it is valid no longer than to the next.
 */
unsigned systrace_next_batch(struct systrace *st, const struct systrace_event **events, unsigned n);

/*
 * What there is at this moment, while more is recorded: calls `each` with every event up to the last one that is
 * begun now, less those that were read before, and releases them. In a session that overwrites, that is
 * what a flight recorder still has. Ends early if `each` returns other than 0, and returns that;
 * else 0, or an error of systrace_stats or systrace_wait.
 */
int systrace_snapshot(struct systrace *st, int (*each)(void *arg, const struct systrace_event *event),
		      void *arg);

/*
 * Wait until there is something for systrace_next; timeout_ms as in poll(2).
 *	1	there is
 *	0	the time is up
 *	-ECHILD	no task is attached any more, nor a cgroup, and all events are read (not
 *		before the first attach: until then it waits). At once, whatever watermark and
 *		latency_us, and whether anybody waits for the ended or not
 *	-EINTR	a signal handler ran, whether with SA_RESTART or not
 *	-EPROTO	a ring holds what cannot be a record: nothing more will come, and
 *		the session is of no use but to be closed
 *	-EIO	the driver reports an error on its descriptor
 * Does not release: release first, or the rings stay full.
 */
int systrace_wait(struct systrace *st, int timeout_ms);

/*
 * For an event loop: readable (POLLIN) when systrace_next may give an event, and
 * POLLHUP when no task is attached any more, nor a cgroup, and all is read (in a session that
 * overwrites: read or not, so read to the end then). Before sleeping on
 * it, call systrace_next until NULL, then systrace_release. It belongs to the
 * handle.
 */
int systrace_fd(const struct systrace *st);

/*
 * Several threads that read at once, each the rings that are its own, where one could not keep up and the
 * total order is not needed, or is made later, by seq. This splits the session, for good: from then on
 * systrace_next gives NULL, systrace_release does nothing, and systrace_wait fails with -EINVAL. Returns how
 * many rings there are: one for each CPU that the machine can have, its number the CPU's.
 *	-EBUSY		an event has been read, or the session is split already
 *	-EOPNOTSUPP	the session overwrites
 *	-ENOMEM		no memory
 */
int systrace_split(struct systrace *st);

/*
 * The next event of that ring, as systrace_next; within a ring seq rises. One thread at a time
 * for each ring; another thread's events may be before and between. NULL also if there is no such ring.
 */
const struct systrace_event *systrace_ring_next(struct systrace *st, unsigned ring);

/* Give that ring its room back. */
void systrace_ring_release(struct systrace *st, unsigned ring);

/*
 * As systrace_wait, for the next event of any of the rings first ... first + nr - 1, which are this thread's.
 * While others have not read theirs, it looks again each millisecond. -ECHILD comes when all have read and
 * released.
 *	-EINVAL		there are no such rings, or the session is not split
 */
int systrace_ring_wait(struct systrace *st, unsigned first, unsigned nr, int timeout_ms);

/* Nanoseconds of CLOCK_MONOTONIC at which the event was made. */
uint64_t systrace_time(const struct systrace *st, const struct systrace_event *event);

/*
 * The same of CLOCK_REALTIME, as that clock is set now: whether it was set since the event,
 * nobody knows.
 */
uint64_t systrace_time_real(const struct systrace *st, const struct systrace_event *event);

/* Tasks attached now, without a system call. */
unsigned systrace_attached(const struct systrace *st);

/* --------------------------------------------------------------- tasks --- */

/*
 * Who the tasks are: a table that the reading thread keeps by showing it each event, in order,
 * and that any thread looks into at any moment, without a lock and without making the
 * reading thread wait. It knows what the session's TASK, FORK, EXEC, EXIT and DETACH events say, and
 * counts what else they do; of a task whose beginning was lost it knows the number.
 *
 *	systrace_tasks_new(&tasks, NULL);
 *	while ((e = systrace_next(st)))
 *		systrace_tasks_update(tasks, st, e);
 *	...
 *	systrace_tasks_find(tasks, 4711, &state, NULL, 0);
 *
 * A table is of one session, and outlives it if it shall. Across fork it stays with the parent: a child may do
 * nothing with it, and make one of its own only if the parent had one thread, or called what liburcu has for
 * that (urcu_bp_before_fork and its like). Where events were lost, tasks may be missing, and some stay that
 * have ended.
 */
struct systrace_tasks;

/* Zero it, set `size`, and set what shall not be the default. */
struct systrace_tasks_options {
	size_t size;		/* sizeof(struct systrace_tasks_options) */
	uint32_t ended;		/* of those that have ended, how many are remembered, the last ones. 0:
				 * 1024. Ancestors of those that are there are remembered longer: up to twice
				 * as many in all, and up to 2048 more until room is made. */
	uint32_t reserved;	/* 0 */
};

/*
 * An empty table.
 *	-EINVAL, -E2BIG	as in systrace_open
 *	-ENOMEM		no memory
 */
int systrace_tasks_new(struct systrace_tasks **out, const struct systrace_tasks_options *opts);

/* No thread may be using it. NULL is fine. */
void systrace_tasks_free(struct systrace_tasks *tasks);

/*
 * Show it the next event. One thread at a time. A known task's calls and signals cost no allocation; once in
 * a thousand ends it waits for those who are looking, some milliseconds at most.
 *	-ENOMEM		no memory for a new task, or for its new name: it is as if the event had been lost
 *	-EINVAL		the event is not after the last one
 */
int systrace_tasks_update(struct systrace_tasks *tasks, const struct systrace *st,
			  const struct systrace_event *event);

enum systrace_task_end {
	SYSTRACE_END_NONE	= 0,	/* it is there */
	SYSTRACE_END_EXIT	= 1,	/* it exited */
	SYSTRACE_END_DETACH	= 2,	/* it is followed no more: what became of it, nobody knows */
	SYSTRACE_END_UNSEEN	= 3	/* its number belongs to another one now: its EXIT was lost */
};

struct systrace_task_state {
	uint64_t id;		/* seq of its FORK or TASK, which names it for good; 0: not known */
	uint64_t process;	/* the same for all tasks of a process, and no other; 0: not known */
	uint64_t parent;	/* `process` of its parent: of what made its process, or, with CLONE_PARENT, of
				 * that one's parent; 0: not known */
	uint32_t tid;
	uint32_t tgid;		/* 0: not known */
	uint32_t ppid;		/* tgid of its parent when it began; 0: not known, or not visible */
	uint32_t depth;		/* in systrace_tasks_tree: 0 for what hangs under nothing */
	uint64_t start;		/* CLOCK_BOOTTIME, nanoseconds; 0: not known */
	uint64_t end;		/* the same, of its end; 0 while it is there */
	uint32_t how;		/* enum systrace_task_end */
	uint32_t status;	/* after SYSTRACE_END_EXIT: as in struct systrace_exit */
	uint64_t calls;		/* ENTER events of it; these may be a moment ahead of the rest: */
	uint64_t failures;	/* RETURN events with an error */
	uint64_t signals;	/* SIGNAL events */
	uint64_t execs;		/* EXEC events */
	uint64_t forks;		/* FORK events: children and threads that it made */
	char comm[SYSTRACE_COMM_BYTES];	/* as of its beginning, or its last exec: not if it was
					 * changed since, as by prctl */
	const char *file;	/* what it executes: a path, or after an exec what that was given, as
				 * "/proc/self/exe"; a child begins with its parent's. "": not known.
				 * Both can be of any bytes: print what systrace_escape makes of them */
};

/*
 * Who has, or had last, that number, after all events that the table was shown so far. The name of the
 * file comes into `file`, cut if need be; state->file is that, or NULL if size is 0. Any thread.
 *	-ESRCH		nobody that is there or remembered
 */
int systrace_tasks_find(const struct systrace_tasks *tasks, pid_t tid,
			struct systrace_task_state *state, char *file, size_t size);

#define SYSTRACE_TREE_THREADS	0x1	/* also threads that are not the first of their process */
#define SYSTRACE_TREE_ENDED	0x2	/* also what has ended, as far as it is remembered */

/*
 * The whole tree, as it was after one event, whatever goes on meanwhile; or, if root is not 0, the process of
 * that number and what is below it. In the order of a tree that is written down: each process
 * is followed by its threads, and by the processes that it made, the oldest first, with all below these.
 * A process whose parent is not there hangs under nothing. *seq, unless NULL, is the number of that
 * event. *states is for free(), and the names with it. Returns how many there are. Costs a pass
 * over all tasks. Any thread.
 *	-ESRCH		root is nobody's number there
 *	-EINVAL		an unknown flag
 *	-ENOMEM		no memory
 */
int systrace_tasks_tree(const struct systrace_tasks *tasks, pid_t root, unsigned flags,
			struct systrace_task_state **states, uint64_t *seq);

/*
 * The task that has that number, or had it last: states[0]; then its process's parent, that one's parent, and so on, as
 * far as they are known, the last one's depth being 0. *states, *seq and the return value as of systrace_tasks_tree.
 * Any thread.
 *	-ESRCH		nobody that is there or remembered
 *	-ENOMEM		no memory
 */
int systrace_tasks_ancestors(const struct systrace_tasks *tasks, pid_t tid, struct systrace_task_state **states,
			     uint64_t *seq);

/* How much it holds. Any thread. */
struct systrace_tasks_stats {
	uint64_t seq;		/* the last event that it was shown */
	uint64_t present;	/* tasks that have not ended */
	uint64_t ended;		/* that have, and are remembered */
	uint64_t forgotten;	/* that have, and are not */
	uint64_t bytes;		/* memory in use for all of them */
};
void systrace_tasks_stats(const struct systrace_tasks *tasks, struct systrace_tasks_stats *stats);

/* ---------------------------------------------------------------- names --- */

/*
 * The ABI of an ENTER or RETURN, SYSTRACE_ABI_*; and by ABI and number a system call's
 * name (NULL if unknown), or its argument count (-1). Static strings.
 */
unsigned systrace_abi(const struct systrace_event *event);
const char *systrace_syscall_name(unsigned abi, int nr);
int systrace_syscall_nargs(unsigned abi, int nr);

/* The number of the call of that name, or -1. */
int systrace_syscall_number(unsigned abi, const char *name);

/* "x86_64", "i386", "x32", "arm64" or "arm"; NULL if abi is not just one of SYSTRACE_ABI_*. */
const char *systrace_abi_name(unsigned abi);

/*
 * A call's argument, 0 for the first: its type and name as the kernel defines it, static
 * strings. A 64-bit value of a 32-bit program is two, NAME_lo and NAME_hi. NULL if the call has
 * no such argument, or none is known.
 */
struct systrace_argument {
	const char *type;
	const char *name;
};
const struct systrace_argument *systrace_syscall_argument(unsigned abi, int nr, unsigned i);

/* What a call is of: more than one, or 0 */
enum systrace_syscall_class {
	SYSTRACE_CLASS_FILE = 0x01,		/* "file": takes a path */
	SYSTRACE_CLASS_NETWORK = 0x02,		/* "network": sockets */
	SYSTRACE_CLASS_PROCESS = 0x04,		/* "process": begins, ends, awaits, governs one */
	SYSTRACE_CLASS_MEMORY = 0x08,		/* "memory": an address space */
	SYSTRACE_CLASS_SIGNAL = 0x10,		/* "signal" */
	SYSTRACE_CLASS_IPC = 0x20,		/* "ipc": System V's, and POSIX message queues */
	SYSTRACE_CLASS_DESCRIPTOR = 0x40,	/* "descriptor": takes one, or makes one */
};
unsigned systrace_syscall_classes(unsigned abi, int nr);

/* The class of that name, or 0; the name of one, or NULL. */
unsigned systrace_class(const char *name);
const char *systrace_class_name(unsigned class_);

/*
 * errno of a RETURN event of a call that failed; 512 to 516 of one that the kernel starts again, or that a signal
 * ended. Else 0, as of any other event.
 */
int systrace_error(const struct systrace_event *event);

/* "ENOENT" for 2, also the kernel's own (512 ... 516); NULL if unknown. */
const char *systrace_errno_name(int error);

/* "full" for SYSTRACE_LOST_FULL; "exec" for SYSTRACE_DETACH_EXEC; "unknown". */
const char *systrace_cause_name(enum systrace_cause cause);
const char *systrace_reason_name(enum systrace_reason reason);

/* The file name that follows a TASK or EXEC record; "" for any other. */
const char *systrace_file(const struct systrace_event *event);

/* "SIGKILL"; "SIGRT_2" for the third of the real-time signals; NULL if there is no such signal. */
const char *systrace_signal_name(int signo);

/* ----------------------------------------------------------------- text --- */

/* Room for any line: two names with every byte escaped, words and numbers. */
#define SYSTRACE_FORMAT_BYTES	(4 * (SYSTRACE_FILE_BYTES + SYSTRACE_COMM_BYTES) + 3072)
#define SYSTRACE_FORMAT_RAW	0x1	/* arguments, flags, signals as numbers; errors keep their names */

/*
 * An event as a line of text, without a newline: its number, seconds of CLOCK_MONOTONIC, the task,
 * and what it is, in words as the C headers have them:
 *	12 81.000000345 100 ENTER openat(AT_FDCWD, 0x55d0c8, O_RDONLY|O_CLOEXEC, 0)
 *	13 81.000000401 100 RETURN openat = 3
 * Nothing is read but the event: of what pointers point to nothing is known. What is not a
 * visible character in a name is escaped. No allocation. size is at least
 * SYSTRACE_FORMAT_BYTES. Returns the length, less the NUL at the end.
 *	-EINVAL	too little room, an unknown flag, or a record of a type that is not known
 */
int systrace_format(const struct systrace *st, const struct systrace_event *event, unsigned flags,
		    char *text, size_t size);

/*
 * A name of the traced program's making, as systrace_format writes it: blanks, control characters, backslashes
 * and what is not ASCII as "\x0a", so that it can neither end a line nor reach the terminal. Returns text. 4 bytes
 * for each of the name and one more are always enough; what finds no room is left out. Any thread.
 */
const char *systrace_escape(const char *name, char *text, size_t size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
