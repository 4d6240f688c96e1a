/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a handle is. Constant after systrace_open, but for merge and latest. */
#ifndef SYSTRACE_LIB_HANDLE_H
#define SYSTRACE_LIB_HANDLE_H

#include <pthread.h>
#include <time.h>
#include <systrace.h>

#include "latest.h"
#include "merge.h"

/* One ring of a session that is split, of one thread at a time. */
struct systrace_part {
	struct systrace_reader reader;
	const __u32 *present;
	__u64 given;			/* events that *seen does not count yet */
	bool out;			/* held what cannot be a record: never looked at again */
} __attribute__((aligned(64)));

struct systrace {
	int fd;
	pid_t owner;			/* the process that has the mappings */
	__u32 full;			/* enum systrace_full */
	void *control;
	size_t control_size;
	const struct systrace_header *header;	/* the start of the data range */
	size_t data_size;
	__u64 *seen;			/* in control: the last event read; if split, how many */
	void (*log)(void *arg, const char *text);	/* or NULL */
	void *log_arg;
	pthread_mutex_t pausing;	/* latest.in_place says what the driver does */
	struct systrace_merge merge;	/* the reading thread's; */
	struct systrace_latest latest;	/* this one instead if the session overwrites; */
	struct systrace_part *parts;	/* or these of several threads, if it is split */
	unsigned nr_parts;
};

/*
 * Copy options of `size` bytes, of which the first version had `least`, from a caller who may
 * have been compiled with a shorter or a longer structure; zeros for NULL. 0, -EINVAL or -E2BIG.
 */
int systrace_take_options(void *to, size_t size, size_t least, const void *from);

/* When the event was made, in nanoseconds of that clock as it is set now. Any thread. */
uint64_t systrace_time_by(const struct systrace *st, const struct systrace_event *event, clockid_t clock);

/* Is it of a type that is known, and has all of what that has? */
bool systrace_is_whole(const struct systrace_event *event);

/* Tell the user's callback, if there is one: one line. */
void systrace_log(const struct systrace *st, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next event of a part in place, or NULL. */
const struct systrace_event *systrace_part_front(struct systrace_part *part);

/* Count in *seen what was given out. */
void systrace_part_store_seen(struct systrace *st, struct systrace_part *part);

/* Tails are stored: wake those who wait for room. */
void systrace_kick_waiters(struct systrace *st);

/* ioctl, but -errno, and never -EINTR. Any thread; async-signal-safe. */
int systrace_ioctl(const struct systrace *st, unsigned long request, void *arg);

#endif
