// SPDX-License-Identifier: GPL-2.0-only
#include <linux/freezer.h>
#include <linux/ktime.h>
#include <linux/mm_types.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/task_work.h>
#include <linux/wait_bit.h>

#include "block.h"
#include "compat.h"
#include "slot.h"

#define LOOK_MS		10	/* a waiter looks again, whatever its reader does ... */
#define LOOK_AT_ONCE	16	/* ... but all together no more than this in that time, */
#define LOOK_MAX_MS	250	/* unless they are very many */

void systrace_block_init(struct systrace_session *session)
{
	int cpu;

	session->mark = U64_MAX;
	for_each_possible_cpu(cpu)
		init_waitqueue_head(&per_cpu_ptr(session->cpus, cpu)->room);
}

void systrace_block_setup(struct systrace_session *session, u32 timeout_ms)
{
	int cpu;

	session->mark = session->ring_bytes / 2;
	session->timeout_ms = timeout_ms ? timeout_ms : SYSTRACE_TIMEOUT_MS;
	for_each_possible_cpu(cpu)
		per_cpu_ptr(session->cpus, cpu)->stalled = U64_MAX;	/* is no tail */
}

u32 systrace_block_covered(struct systrace_session *session)
{
	if (session->mark == U64_MAX)
		return 0;
	return (session->ring_bytes - session->mark - SYSTRACE_RING_RESERVE) / SYSTRACE_ROUND_MAX;
}

/* Past the mark, for all that is known. A tail that lies makes nobody wait. */
static u64 unread(struct systrace_session *session, struct systrace_cpu *cpu)
{
	u64 bytes = systrace_cpu_unread(cpu);

	return systrace_cpu_has_ring(cpu) && bytes <= session->ring_bytes ? bytes : 0;
}

/*
 * Is there a reader, and has it made no room? One that let a wait time out is not
 * waited for again before it has moved its tail.
 */
static bool full(struct systrace_session *session, struct systrace_cpu *cpu)
{
	return READ_ONCE(session->consumer) && !READ_ONCE(session->paused) &&
	       unread(session, cpu) > session->mark &&
	       READ_ONCE(*cpu->tail) != READ_ONCE(cpu->stalled);
}

void systrace_block_passed(struct systrace_attachment *a, struct systrace_cpu *cpu)
{
	systrace_writer_update(&cpu->writer);
	if (systrace_writer_head(&cpu->writer) - cpu->writer.tail <= a->session->mark)
		return;
	WRITE_ONCE(a->past_mark, true);
	systrace_slot_empty(a);
}

void systrace_block_kick(struct systrace_session *session)
{
	struct systrace_cpu *c;
	int cpu;

	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(session->cpus, cpu);
		/* The barrier in it: the caller's news, then the queue [K]. */
		if (wq_has_sleeper(&c->room) && !full(session, c))
			wake_up_all(&c->room);
	}
}

void systrace_block_detached(struct systrace_session *session)
{
	int cpu;

	for_each_possible_cpu(cpu)
		wake_up_all(&per_cpu_ptr(session->cpus, cpu)->room);
}

#if SYSTRACE_CAN_BLOCK

/* A reader that does not read: not waited for again until it does. */
static void time_out(struct systrace_session *session, struct systrace_cpu *cpu)
{
	struct systrace_cpu *c;
	int i;

	atomic64_inc(&cpu->timeouts);
	for_each_possible_cpu(i) {
		c = per_cpu_ptr(session->cpus, i);
		WRITE_ONCE(c->stalled, READ_ONCE(*c->tail));
	}
	systrace_block_kick(session);
}

/* How to sleep: where the room for those on their way shrinks, no signal but a kill ends it. */
static unsigned int sleep_state(struct systrace_session *session, struct systrace_cpu *cpu)
{
	u64 spare = session->ring_bytes - session->mark;

	return unread(session, cpu) > session->mark + spare / 2 ? TASK_KILLABLE :
								  TASK_INTERRUPTIBLE;
}

static bool leaving(struct systrace_attachment *a)
{
	return READ_ONCE(a->dead) || READ_ONCE(a->stage) != SYSTRACE_LIVE;
}

/* How long to sleep, if nobody wakes us: to the next look, or the end of the time. */
static long nap(struct systrace_session *session, u64 waited_ns)
{
	u32 look = min(LOOK_MS * (1 + atomic_read(&session->waiting) / LOOK_AT_ONCE), LOOK_MAX_MS);
	u64 left = U32_MAX;

	if (session->timeout_ms != SYSTRACE_NO_TIMEOUT)
		left = session->timeout_ms - min_t(u64, session->timeout_ms,
						   div_u64(waited_ns, NSEC_PER_MSEC));
	return msecs_to_jiffies(min_t(u64, look, left)) + 1;
}

/* One look, and one sleep if it must be. False if it is over. */
static bool sleep(struct systrace_attachment *a, struct systrace_session *session,
		  struct systrace_cpu *cpu, struct wait_queue_entry *wait, u64 begun)
{
	unsigned int state = sleep_state(session, cpu);
	u64 waited;

	/* [J] The barrier in it: `waiters`, then the tail. */
	prepare_to_wait(&cpu->room, wait, state);
	if (leaving(a) || !full(session, cpu) || signal_pending_state(state, current))
		return false;
	/*
	 * It freezes where any task does: here the session's end would wait for it. All are
	 * told that they are to freeze at once, and get the signal for it one by one: without
	 * that we would be in user mode again, and make calls until it comes.
	 */
	if (freezing(current) && signal_pending(current))
		return false;
	waited = ktime_get_ns() - begun;
	if (session->timeout_ms != SYSTRACE_NO_TIMEOUT &&
	    waited >= (u64)session->timeout_ms * NSEC_PER_MSEC) {
		time_out(session, cpu);
		return false;
	}
	schedule_timeout(nap(session, waited));
	return true;
}

static void wait_for_room(struct systrace_attachment *a, struct systrace_session *session,
			  struct systrace_cpu *cpu)
{
	atomic_t *waiters = (atomic_t *)&session->header->waiters;
	u64 begun = ktime_get_ns();
	DEFINE_WAIT(wait);

	atomic_inc(waiters);
	while (sleep(a, session, cpu, &wait, begun))
		;
	finish_wait(&cpu->room, &wait);
	atomic_dec(waiters);
	atomic64_inc(&cpu->blocked);
	atomic64_add(ktime_get_ns() - begun, &cpu->blocked_ns);
}

/* It may have filled several, moving from one CPU to another. */
static void wait_for_all(struct systrace_attachment *a, struct systrace_session *session)
{
	struct systrace_cpu *c;
	int cpu;

	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(session->cpus, cpu);
		if (full(session, c))
			wait_for_room(a, session, c);
	}
}

/* a is ours by its reference; its session only while it is not dead, or we are in `waiting`. */
static struct systrace_session *enter_session(struct systrace_attachment *a)
{
	struct systrace_session *session = NULL;

	rcu_read_lock();
	if (!leaving(a)) {
		session = a->session;
		atomic_inc(&session->waiting);
	}
	rcu_read_unlock();
	return session;
}

static void leave_session(struct systrace_session *session)
{
	/* The session can be gone from here on: the wake-up uses its address only. */
	if (atomic_dec_and_test(&session->waiting))
		wake_up_var(&session->waiting);
}

static void work(struct callback_head *head)
{
	struct systrace_attachment *a = container_of(head, struct systrace_attachment, block_work);
	struct systrace_session *session;

	WRITE_ONCE(a->past_mark, false);
	session = current->flags & (PF_EXITING | SYSTRACE_PF_WORKER) ? NULL : enter_session(a);
	if (session) {
		/* The reader's own tasks never wait for it. */
		if (READ_ONCE(session->consumer) != current->mm)
			wait_for_all(a, session);
		leave_session(session);
	}
	a->block_armed = false;	/* ours alone, as in systrace_block_arm */
	systrace_attachment_put(a);
	/* The module waits in synchronize_rcu_tasks until we have left. */
	module_put(THIS_MODULE);
}

void systrace_block_arm(struct systrace_attachment *a)
{
	if (a->block_armed || current->flags & (PF_EXITING | SYSTRACE_PF_WORKER))
		return;
	a->block_armed = true;
	refcount_inc(&a->refs);
	__module_get(THIS_MODULE);
	init_task_work(&a->block_work, work);
	if (task_work_add(current, &a->block_work, TWA_RESUME)) {
		a->block_armed = false;
		refcount_dec(&a->refs);
		module_put(THIS_MODULE);
	}
}

#else

void systrace_block_arm(struct systrace_attachment *a)
{
}

#endif

void systrace_block_stop(struct systrace_session *session)
{
	systrace_block_kick(session);
	wait_var_event(&session->waiting, !atomic_read(&session->waiting));
}
