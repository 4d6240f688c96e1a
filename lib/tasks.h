/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of tasks: one thread writes, any read.
 *
 * A reader looks at the table *as of* the event whose number it finds in `seq` when it begins, in an
 * RCU read section that lasts until it has copied all it wants. What changes with an event says with which, so
 * that it can be told from what was: a task has the seq it began with and the one it ended with,
 * and a name the seq it is valid from and the name before it. The writer makes its changes, then stores
 * `seq`. So what a reader sees of later events it can leave out, and what it needs of earlier
 * ones is there, provided that nothing leaves while somebody may still need it:
 *
 *	a task that has ended, or whose number another one took, stays in the hash table for a grace
 *	period at least, and is freed a grace period after it left;
 *	a name that another one replaced is freed after a grace period.
 *
 * A reader whose `seq` is older than such an end began before the grace period did, so that this one
 * waits for it. The writer waits itself, once for a thousand ends (`make_room`): no thread of the
 * library's, no allocation for what is to be freed. For the same reason the hash table does not grow: liburcu
 * would start threads for that, and end the program if memory lacks.
 */
#ifndef SYSTRACE_LIB_TASKS_H
#define SYSTRACE_LIB_TASKS_H

#include <systrace.h>
#include <urcu-bp.h>
#include <urcu/rculfhash.h>

#define SYSTRACE_TASKS_BATCH	1024	/* ends for which the writer waits once */
#define SYSTRACE_TASKS_CACHE	256	/* a power of two */

/* Constant, but for refs and next, which are the writer's */
struct systrace_name {
	uint64_t from;			/* valid after that event */
	const struct systrace_name *before;	/* the one until then */
	struct systrace_name *next;	/* to be freed, too */
	unsigned refs;			/* tasks that have it now: a child begins with its parent's */
	char comm[SYSTRACE_COMM_BYTES];
	char file[];
};

/* What changes while a reader may look is stored and loaded as atomics. */
struct systrace_entry {
	struct cds_lfht_node node;	/* by tid; two may have the same, one of which has ended or moved */
	struct systrace_entry *next;	/* in the list of those that ended, or that left */
	struct systrace_name *name;
	uint64_t from;			/* it is there after that event ... */
	uint64_t ended;			/* ... and has ended with that one, unless 0, */
	uint64_t moved;			/* ... or has another number, and another entry */
	uint64_t id, process, parent;
	uint32_t tid, tgid, ppid;
	struct systrace_entry *leader;	/* of its process, unless it is that itself; the writer's, */
	uint32_t threads;		/* as are the threads that have this one as their leader; */
	uint32_t round;			/* the last in which it was found to be an ancestor */
	uint64_t start, end;
	uint32_t how, status;
	uint64_t calls, failures, signals, execs, forks;
};

/* In the order of events */
struct systrace_entries {
	struct systrace_entry *first, **last;
	uint64_t nr;
};

struct systrace_tasks {
	struct cds_lfht *table;
	uint64_t seq;			/* the last event, with all that it changed */
	uint64_t present, remembered, forgotten, bytes;
	/* The writer's: */
	uint32_t keep;
	uint32_t pending;		/* ends since room was made, */
	uint32_t round;			/* and how often it was */
	struct systrace_entries ended;	/* in the table */
	struct systrace_entries moved;	/* in the table */
	struct systrace_entries left;	/* not in it any more */
	struct systrace_name *names;	/* that nobody has any more */
	struct systrace_entry *cache[SYSTRACE_TASKS_CACHE];	/* by tid: entries of tasks that are there */
};

/* Was it there after that event? */
static inline int systrace_entry_visible(const struct systrace_entry *e, uint64_t seq)
{
	uint64_t moved;

	if (__atomic_load_n(&e->from, __ATOMIC_ACQUIRE) > seq)
		return 0;
	moved = __atomic_load_n(&e->moved, __ATOMIC_RELAXED);
	return !moved || moved > seq;
}

/*
 * Who has, or had last, that number after event seq, in that process unless that is 0; and what made its process. In
 * a read section. NULL: nobody, as far as is remembered.
 */
struct systrace_entry *systrace_entry_find(const struct systrace_tasks *tasks, uint32_t tid, uint64_t process,
					   uint64_t seq);
struct systrace_entry *systrace_entry_parent(const struct systrace_tasks *tasks, const struct systrace_entry *e,
					     uint64_t seq);

/*
 * As of that event; the caller is in a read section. Returns the file's name, which is valid until
 * that ends; state->file is not set.
 */
const char *systrace_entry_state(const struct systrace_entry *e, uint64_t seq,
				 struct systrace_task_state *state);

/* ThreadSanitizer does not know of grace periods: a reader's section ends before those that wait for it go on. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define SYSTRACE_TSAN(x)	x
#else
#define SYSTRACE_TSAN(x)	((void)0)
#endif

static inline uint64_t systrace_tasks_read_begin(const struct systrace_tasks *tasks)
{
	rcu_read_lock();
	return __atomic_load_n(&tasks->seq, __ATOMIC_ACQUIRE);
}

static inline void systrace_tasks_read_end(const struct systrace_tasks *tasks)
{
	SYSTRACE_TSAN(__tsan_release(tasks->table));
	(void)tasks;
	rcu_read_unlock();
}

#endif
