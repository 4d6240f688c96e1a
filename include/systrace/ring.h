/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * systrace: the ring, both ends of it
 *
 * One source for the kernel module, which writes, and for user space, which
 * reads (and in tests also writes). A ring has one writer, a probe on the
 * ring's CPU with preemption off, and one reader, any thread.
 *
 * Positions (head, tail) are free-running byte counts: they are compared by
 * difference only, and their place in the ring is their value & mask. Since the
 * bytes are mapped twice in a row, a record that starts anywhere in the ring is
 * contiguous.
 *
 * What is shared: `head`, which the writer alone stores (the mapping is
 * read-only to the reader), and `tail`, which the reader alone stores. The
 * writer keeps its own head and never reads the shared one back. It takes a
 * tail for nothing but "how much is free", and only after a check, so that a
 * reader that lies loses its own events and does no other harm.
 *
 * THE ORDERING TABLE
 *
 *	writer (kernel)				reader (user)
 *
 *	    write the record			    load head, acquire	  [B]
 *	[A] store head, release			    read the records
 *	    ...					    ...
 *	[C] load tail, acquire			    store tail, release	  [D]
 *	    write over what was freed
 *
 *	writer (kernel)				poll (kernel, for the reader)
 *
 *	[E] seq = session.next_seq++,		    need = 1
 *	    fully ordered			    full barrier	  [F]
 *	    write, [A]				    compare the last seq
 *	[G] load need				    with seen; sleep if equal
 *
 * A pairs with B: who sees the head sees the records before it. Without it, a
 * reader could read what was in the ring a lap ago.
 * D pairs with C: who sees the tail knows that the reader is done with what is
 * before it. Without it, a record could change under a reader's eyes.
 * E pairs with F: either poll sees the new seq and does not sleep, or the
 * writer, whose load G comes after its increment E, sees `need` and wakes it.
 * E is the one atomic read-modify-write on the way of an event. It also gives
 * the total order, and it tells the reader that an event is under way: seq n
 * read and n + 1 not there yet means "wait a moment", never "skip".
 *
 * E, F and G are in driver/wake.h (each CPU has its own `need`, set after the one above and
 * taken before it is looked at), J and K in driver/block.c, the rest is here. None
 * of them is a bare fence, except F, J and K, which are on nobody's fast path, and H,
 * which costs nothing on x86.
 *
 *	writer that overwrites			reader that copies
 *
 *	    store oldest, release		    load oldest, acquire
 *	[H] store fence				    load head, acquire	  [B]
 *	    write over what was given up	    copy the words, acquire
 *	    [A]					[I] load oldest; if it has passed
 *						    the record, discard the copy
 *
 * H pairs with I: who copied a word of the new record sees the new oldest. In an
 * overwriting ring the writer's tail is `oldest`, and the reader's is for its own
 * account only: D and C are not needed.
 *
 *	task that waits for room		reader, after D
 *
 *	    count itself in `waiters`		    full barrier
 *	[J] full barrier			    load waiters; KICK if not 0
 *	    load tail; sleep if still full	    (in KICK: full barrier [K],
 *						    look at the queue, wake)
 *
 * Either the task sees the new tail, or the reader sees that it waits.
 */
#ifndef SYSTRACE_RING_H
#define SYSTRACE_RING_H

#include <systrace/uapi.h>

#ifdef __KERNEL__
#include <asm/barrier.h>
#define systrace_load_acquire(p)	smp_load_acquire(p)	/* see the table */
#define systrace_store_release(p, v)	smp_store_release(p, v)	/* see the table */
#define systrace_store_fence()		smp_wmb()		/* see the table */
#else
/* Tests define SYSTRACE_RELEASE or SYSTRACE_ACQUIRE weaker, to be caught. */
#ifndef SYSTRACE_RELEASE
#define SYSTRACE_RELEASE	__ATOMIC_RELEASE
#endif
#ifndef SYSTRACE_ACQUIRE
#define SYSTRACE_ACQUIRE	__ATOMIC_ACQUIRE
#endif
#define systrace_load_acquire(p)	__atomic_load_n(p, SYSTRACE_ACQUIRE)
#define systrace_store_release(p, v)	__atomic_store_n(p, v, SYSTRACE_RELEASE)
#ifndef systrace_store_fence
#define systrace_store_fence()		__atomic_thread_fence(__ATOMIC_RELEASE)
#endif
#endif

/* A record is copied by words, whatever they are. */
typedef __u64 __attribute__((__may_alias__)) systrace_word;

/* Kept free in every ring, so that a loss can always be told. */
#define SYSTRACE_RING_RESERVE	sizeof(struct systrace_lost)

/* ------------------------------------------------------------ the writer --- */

struct systrace_writer {
	unsigned char *next;	/* where the next record goes; see systrace_writer_wrap */
	unsigned char *limit;	/* one that ends here or before fits, whatever the tail is by now */
	__u64 lap;		/* the head is next + lap */
	__u64 tail;		/* the last that passed the check: head - tail <= mask + 1 */
	__u64 *shared_head;	/* the reader's view of head */
	const __u64 *shared_tail; /* the reader's word */
	unsigned char *bytes;	/* mapped twice in a row */
	__u64 mask;		/* ring bytes - 1 */
};

/* An empty ring that begins at *shared_head; one that never has room if bytes is NULL. */
static inline void systrace_writer_init(struct systrace_writer *w, void *bytes, __u64 size,
					__u64 *shared_head, const __u64 *shared_tail)
{
	w->bytes = (unsigned char *)bytes;
	w->mask = bytes ? size - 1 : ~(__u64)0;	/* a size of 0 to all below */
	w->next = bytes ? w->bytes + (*shared_head & w->mask) : w->bytes;
	w->limit = (unsigned char *)0;
	w->lap = *shared_head - (__u64)(unsigned long)w->next;
	w->tail = *shared_head;
	w->shared_head = shared_head;
	w->shared_tail = shared_tail;
}

/* The true one */
static inline __u64 systrace_writer_head(const struct systrace_writer *w)
{
	return (__u64)(unsigned long)w->next + w->lap;
}

static inline __u64 systrace_writer_free(const struct systrace_writer *w)
{
	return w->mask + 1 - (systrace_writer_head(w) - w->tail);
}

/* No record fits, until systrace_writer_extend says how far: each needs reserve. */
static inline void systrace_writer_stop(struct systrace_writer *w)
{
	w->limit = (unsigned char *)0;
}

/*
 * [C] Take the reader's tail if it can be true: not before head - ring bytes, not past head.
 * It may be before the last one, so that what fitted fits no more.
 */
static inline void systrace_writer_update(struct systrace_writer *w)
{
	__u64 tail = systrace_load_acquire(w->shared_tail);

	if (systrace_writer_head(w) - tail > w->mask + 1)
		return;
	w->tail = tail;
	systrace_writer_stop(w);
}

/*
 * Of a writer with bytes: where the next record goes, if the last one reached their end. The limit
 * was of that lap.
 */
static inline void systrace_writer_wrap(struct systrace_writer *w)
{
	if (w->next > w->bytes + w->mask) {
		w->next -= w->mask + 1;
		w->lap += w->mask + 1;
		systrace_writer_stop(w);
	}
}

/*
 * Room for a record of `size` bytes, a multiple of 8, that leaves `spare` bytes
 * free; or NULL. Nothing is written until systrace_writer_publish.
 */
static inline void *systrace_writer_reserve(struct systrace_writer *w, __u64 size, __u64 spare)
{
	if (systrace_writer_free(w) < size + spare) {
		if (!w->bytes)
			return (void *)0;
		systrace_writer_update(w);
		if (systrace_writer_free(w) < size + spare)
			return (void *)0;
	}
	systrace_writer_wrap(w);
	return w->next;
}

/* [A] The record that reserve gave room for, and that ends at `end`, can be read. */
static inline void systrace_writer_publish_to(struct systrace_writer *w, unsigned char *end)
{
	__u64 head;

	w->next = end;
	head = (__u64)(unsigned long)end + w->lap;
	systrace_store_release(w->shared_head, head);
}

/* The same by its size */
static inline void systrace_writer_publish(struct systrace_writer *w, __u64 size)
{
	systrace_writer_publish_to(w, w->next + size);
}

/*
 * Without a look at the tail: is there room for a record from w->next to `end`? If not,
 * reserve finds out.
 */
static inline int systrace_writer_fits(const struct systrace_writer *w, const void *end)
{
	return (const unsigned char *)end <= w->limit;
}

/*
 * Let records fit that leave `spare` bytes free, by the last tail, and have no more than `most`
 * bytes unread. Up to the end of the bytes: a record that lies across it is reserve's.
 */
static inline void systrace_writer_extend(struct systrace_writer *w, __u64 spare, __u64 most)
{
	__u64 used = systrace_writer_head(w) - w->tail, room;

	systrace_writer_stop(w);
	if (most > w->mask + 1 - spare)
		most = w->mask + 1 - spare;
	if (!w->bytes || used >= most)
		return;
	systrace_writer_wrap(w);
	room = (__u64)(w->bytes + w->mask + 1 - w->next);
	if (room > most - used)
		room = most - used;
	w->limit = w->next + room;
}

/*
 * A writer that overwrites: it is made with its own ring->oldest for shared_tail.
 * Where reserve finds no room, give up records until there is some, then forget,
 * then reserve again.
 */

/* The oldest record: there is one if reserve failed, since every record fits a ring. */
static inline const struct systrace_event *systrace_writer_oldest(const struct systrace_writer *w)
{
	return (const struct systrace_event *)(const void *)(w->bytes + (w->tail & w->mask));
}

static inline void systrace_writer_give_up(struct systrace_writer *w,
					   const struct systrace_event *oldest)
{
	w->tail += oldest->size;
}

/* [H] Have readers know what is given up, up to and with `seq`, before it is written over. */
static inline void systrace_writer_forget(struct systrace_writer *w, struct systrace_ring *ring,
					  __u64 seq)
{
	systrace_store_release(&ring->overwritten, seq);
	systrace_store_release(&ring->oldest, w->tail);
	systrace_store_fence();
}

/* ------------------------------------------------------------ the reader --- */

struct systrace_reader {
	const unsigned char *bytes;	/* mapped twice in a row */
	__u64 mask;			/* ring bytes - 1 */
	__u64 head;			/* as far as known to be readable */
	__u64 tail;			/* read up to here */
	const __u64 *shared_head;
	__u64 *shared_tail;
};

/* Starts where the last reader of this ring left off. */
static inline void systrace_reader_init(struct systrace_reader *r, const void *bytes, __u64 size,
					const __u64 *shared_head, __u64 *shared_tail)
{
	r->bytes = (const unsigned char *)bytes;
	r->mask = size - 1;
	r->head = r->tail = *shared_tail;
	r->shared_head = shared_head;
	r->shared_tail = shared_tail;
}

/* The next record, or NULL if there is none yet; valid until it is released. */
static inline const struct systrace_event *systrace_reader_peek(struct systrace_reader *r)
{
	if (r->tail == r->head) {
		r->head = systrace_load_acquire(r->shared_head);	/* [B] */
		if (r->tail == r->head)
			return (const struct systrace_event *)0;
	}
	return (const struct systrace_event *)(const void *)(r->bytes + (r->tail & r->mask));
}

/* Step over a record that peek gave. It stays valid until the release. */
static inline void systrace_reader_advance(struct systrace_reader *r,
					   const struct systrace_event *event)
{
	r->tail += event->size;
}

/* Where no record can be is taken for where one can. */
static inline __u64 systrace_load_oldest(const __u64 *shared_oldest)
{
	return systrace_load_acquire(shared_oldest) & ~(__u64)7;
}

/* Skip what is overwritten; is there anything to read? For a ring that overwrites. */
static inline int systrace_reader_catch_up(struct systrace_reader *r, const __u64 *shared_oldest)
{
	__u64 oldest = systrace_load_oldest(shared_oldest);

	if ((__s64)(oldest - r->tail) > 0)
		r->tail = oldest;
	if ((__s64)(r->head - r->tail) <= 0)	/* as far as known */
		r->head = systrace_load_acquire(r->shared_head);	/* [B] */
	return r->head != r->tail;
}

/*
 * [I] The next record of a ring that overwrites, copied to `copy`, which has room for
 * the largest, 64 KiB; or NULL if there is none. Like peek, it does not step over it.
 */
static inline const struct systrace_event *systrace_reader_copy(struct systrace_reader *r,
								const __u64 *shared_oldest,
								void *copy)
{
	const struct systrace_event *event = (const struct systrace_event *)copy;
	systrace_word *to = (systrace_word *)copy;
	const systrace_word *from;
	__u64 i, words;

	while (systrace_reader_catch_up(r, shared_oldest)) {
		from = (const systrace_word *)(const void *)(r->bytes + (r->tail & r->mask));
		to[0] = systrace_load_acquire(&from[0]);
		words = event->size / sizeof(*to);
		if (words > (r->head - r->tail) / sizeof(*to) ||
		    words > (r->mask + 1) / sizeof(*to))
			words = 1;	/* overwritten, or no record: the caller sees its size */
		for (i = 1; i < words; i++)
			to[i] = systrace_load_acquire(&from[i]);
		if ((__s64)(systrace_load_oldest(shared_oldest) - r->tail) <= 0)
			return event;
	}
	return (const struct systrace_event *)0;
}

/* [D] Give back everything stepped over. */
static inline void systrace_reader_release(struct systrace_reader *r)
{
	systrace_store_release(r->shared_tail, r->tail);
}

#endif
