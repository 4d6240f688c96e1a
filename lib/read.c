// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading: next, release, wait. One thread at a time; of a session that is split, one for each ring. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "handle.h"

/* How long to sleep when an event is begun and not there yet: from, up to, in ns. */
#define NAP_MIN		20000
#define NAP_MAX		1000000
#define SECOND		1000000000LL
#define FOREVER		INT64_MAX

static bool overwrites(const struct systrace *st)
{
	return st->full == SYSTRACE_FULL_OVERWRITE;
}

/* Where the window has none: also if the session overwrites, or is split, whose window stays empty. */
static __attribute__((noinline)) const struct systrace_event *look(struct systrace *st)
{
	if (st->parts)
		return NULL;
	return overwrites(st) ? systrace_latest_next(&st->latest) : systrace_merge_next(&st->merge);
}

const struct systrace_event *systrace_next(struct systrace *st)
{
	const struct systrace_event *e = systrace_merge_ready(&st->merge);

	return e ? e : look(st);
}

unsigned systrace_next_batch(struct systrace *st, const struct systrace_event **events, unsigned n)
{
	unsigned got = 0;

	if (n > 1 && overwrites(st))
		n = 1;
	while (got < n && (events[got] = systrace_next(st)))
		got++;
	return got;
}

/* What a thread waits for: the rest of all, or, if the session is split, of these rings */
struct wanted {
	unsigned first, nr;
};

static const struct systrace_event *front(struct systrace *st, struct wanted w)
{
	const struct systrace_event *e = NULL;

	if (!st->parts)
		return overwrites(st) ? systrace_latest_front(&st->latest) :
					systrace_merge_front(&st->merge);
	for (unsigned i = 0; i < w.nr && !e; i++)
		e = systrace_part_front(&st->parts[w.first + i]);
	return e;
}

static bool broken(const struct systrace *st, struct wanted w)
{
	bool is = st->merge.broken || st->latest.broken;

	for (unsigned i = 0; i < w.nr; i++)
		is |= st->parts[w.first + i].out;
	return is;
}

/* The last event read; if the session is split, how many were read, which is the same once all are. */
static uint64_t last(const struct systrace *st)
{
	if (st->parts)
		return __atomic_load_n(st->seen, __ATOMIC_RELAXED);
	return overwrites(st) ? st->latest.seq : systrace_merge_seq(&st->merge);
}

/*
 * Relaxed is enough: the kernel reads it in poll, which this thread calls after
 * this store, or another thread once it knows, by the program's own
 * synchronization, that reading is done. It is compared for equality with the
 * last seq begun, so an old value costs a needless look, never a wake-up.
 */
static void store_seen(struct systrace *st, struct wanted w)
{
	for (unsigned i = 0; i < w.nr; i++)
		systrace_part_store_seen(st, &st->parts[w.first + i]);
	if (!st->parts)
		__atomic_store_n(st->seen, last(st), __ATOMIC_RELAXED);
}

/*
 * A task that waits for room stores `waiters`, full barrier, and reads the tails
 * once more before it sleeps; here the tails are stored, full barrier, and
 * `waiters` is read: one of the two sees the other. It is a fence since it has
 * to order many tails before one load, and is paid once per batch.
 */
void systrace_kick_waiters(struct systrace *st)
{
	struct systrace_op op = { .size = sizeof(op) };

	if (st->full != SYSTRACE_FULL_BLOCK)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&st->header->waiters, __ATOMIC_RELAXED))
		systrace_ioctl(st, SYSTRACE_IOC_KICK, &op);
}

void systrace_release(struct systrace *st)
{
	if (st->parts)
		return;
	if (overwrites(st))
		systrace_latest_release(&st->latest);
	else
		systrace_merge_release(&st->merge);
	store_seen(st, (struct wanted){ 0, 0 });
	systrace_kick_waiters(st);
}

/* ------------------------------------------------------------------ wait --- */

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND) };
}

/* Sleep until the kernel has news or the time is up: 0, or -errno. */
static int sleep_on(const struct systrace *st, int64_t left, short *revents)
{
	struct pollfd pfd = { .fd = st->fd, .events = POLLIN };
	struct timespec ts = to_timespec(left);
	int ret = ppoll(&pfd, 1, left == FOREVER ? NULL : &ts, NULL);

	if (ret < 0)
		return -errno;
	*revents = ret ? pfd.revents : 0;
	return *revents & (POLLERR | POLLNVAL) ? -EIO : 0;
}

/* poll can say both POLLIN and POLLHUP; then this tells whether anything is to come. */
static bool all_read(struct systrace *st)
{
	struct systrace_stats stats;

	return !systrace_stats(st, -1, &stats) && stats.seq == last(st);
}

static int nap(int64_t *length, int64_t left)
{
	struct timespec ts = to_timespec(*length < left ? *length : left);

	if (*length < NAP_MAX)
		*length *= 2;
	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* One look and one sleep: 1 and -errno are systrace_wait's, 0 is "look again". */
static int wait_once(struct systrace *st, struct wanted w, int64_t left, int64_t *length)
{
	short revents = 0;
	int ret;

	store_seen(st, w);
	ret = sleep_on(st, left, &revents);
	if (front(st, w))
		return 1;
	if (ret || !revents)
		return ret;
	if ((revents & POLLHUP) && (!(revents & POLLIN) || all_read(st)))
		return front(st, w) ? 1 : -ECHILD;
	return nap(length, left);	/* begun, but its CPU has not finished it; or another thread's */
}

static int wait_for(struct systrace *st, struct wanted w, int timeout_ms)
{
	const int64_t deadline = timeout_ms < 0 ? FOREVER : now() + timeout_ms * (SECOND / 1000);
	int64_t left = timeout_ms < 0 ? FOREVER : timeout_ms * (SECOND / 1000);
	int64_t length = NAP_MIN;

	if (front(st, w))
		return 1;
	for (;;) {
		int ret = broken(st, w) ? -EPROTO : wait_once(st, w, left, &length);

		if (ret == -EPROTO)
			systrace_log(st, "a ring holds what cannot be a record: nothing more is read");
		if (ret)
			return ret;
		if (deadline == FOREVER)
			continue;
		left = deadline - now();
		if (left <= 0)
			return 0;
	}
}

/* An event is begun: until it is there. */
static int wait_written(struct systrace *st)
{
	int ret;

	do
		ret = wait_for(st, (struct wanted){ 0, 0 }, -1);
	while (ret == -EINTR);
	return ret == 1 ? 0 : ret;
}

int systrace_wait(struct systrace *st, int timeout_ms)
{
	return st->parts ? -EINVAL : wait_for(st, (struct wanted){ 0, 0 }, timeout_ms);
}

int systrace_snapshot(struct systrace *st, int (*each)(void *arg, const struct systrace_event *event),
		      void *arg)
{
	struct systrace_stats stats;
	int ret = st->parts ? -EINVAL : systrace_stats(st, -1, &stats);

	while (!ret && last(st) < stats.seq) {
		const struct systrace_event *e = systrace_next(st);

		if (e)
			ret = each(arg, e);
		else
			ret = wait_written(st);
	}
	systrace_release(st);
	return ret;
}

int systrace_ring_wait(struct systrace *st, unsigned first, unsigned nr, int timeout_ms)
{
	if (!nr || first >= st->nr_parts || nr > st->nr_parts - first)
		return -EINVAL;
	return wait_for(st, (struct wanted){ first, nr }, timeout_ms);
}
