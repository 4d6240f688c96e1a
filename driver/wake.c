// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched.h>

#include "compat.h"
#include "record.h"
#include "slot.h"
#include "wake.h"

/*
 * Probes run with preemption off, one of them under siglock with interrupts
 * off, and wake_up takes locks that sleep on PREEMPT_RT: so all they do is set
 * one of these and queue wake_irq. WAKE_ARMED: the timer runs, or is about to.
 */
enum { WAKE_READER, WAKE_TIMER, WAKE_WORK, WAKE_ARMED };

static void request(struct systrace_session *session, int what)
{
	/* Ordered before the handler's test_and_clear by irq_work's own atomics. */
	set_bit(what, &session->wake_flags);
	irq_work_queue(&session->wake_irq);
}

void systrace_wake_reader(struct systrace_session *session)
{
	wake_up_interruptible_poll(&session->wait, EPOLLIN | EPOLLRDNORM);
}

void systrace_wake_gone(struct systrace_session *session)
{
	wake_up_interruptible_poll(&session->wait, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
}

static void count_and_wake(struct systrace_session *session)
{
	atomic64_inc(&session->wakeups);
	systrace_wake_reader(session);
}

static void wake_irq(struct irq_work *irq)
{
	struct systrace_session *session = container_of(irq, struct systrace_session, wake_irq);

	if (test_and_clear_bit(WAKE_TIMER, &session->wake_flags))
		hrtimer_start(&session->timer, ns_to_ktime(session->latency_us * NSEC_PER_USEC),
			      HRTIMER_MODE_REL_SOFT);
	if (test_and_clear_bit(WAKE_READER, &session->wake_flags))
		count_and_wake(session);
	if (test_and_clear_bit(WAKE_WORK, &session->wake_flags))
		queue_work(systrace_workqueue, &session->work);
}

/* Start the timer once; it covers all events whose seq was taken before it fires. */
static void arm(struct systrace_session *session)
{
	if (!test_bit(WAKE_ARMED, &session->wake_flags) &&
	    !test_and_set_bit(WAKE_ARMED, &session->wake_flags))
		request(session, WAKE_TIMER);
}

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct systrace_session *session = container_of(timer, struct systrace_session, timer);

	/*
	 * First this, then seq: an event that finds the timer armed took its seq
	 * before, so that it is due now.
	 */
	clear_bit(WAKE_ARMED, &session->wake_flags);
	smp_mb__after_atomic(); /* pairs with arm's test_and_set_bit */
	WRITE_ONCE(session->due, systrace_session_seq(session));
	count_and_wake(session);
	return HRTIMER_NORESTART;
}

static bool reaches_watermark(struct systrace_session *session, struct systrace_cpu *cpu)
{
	return systrace_cpu_has_ring(cpu) && systrace_cpu_unread(cpu) >= session->watermark;
}

void systrace_wake_needed(struct systrace_session *session, struct systrace_cpu *cpu)
{
	xchg(&cpu->need, false);	/* fully ordered: see wake.h */
	if (!READ_ONCE(session->need))
		return;
	if (session->watermark && !reaches_watermark(session, cpu)) {
		arm(session);
		if (session->overwrites)	/* its limit is another */
			WRITE_ONCE(cpu->need, true);
		else
			systrace_slot_limit(session, cpu);
		return;
	}
	if (xchg(&session->need, false))
		request(session, WAKE_READER);
}

/*
 * The caller has counted the loss. Either it sees `need`, or poll, which sets
 * need before it looks for losses, sees the count.
 */
void systrace_wake_loss(struct systrace_session *session)
{
	smp_mb(); /* pairs with [F] in poll */
	if (READ_ONCE(session->need))
		request(session, WAKE_WORK);
}

void systrace_wake_work(struct systrace_session *session)
{
	request(session, WAKE_WORK);
}

static bool watermark_met(struct systrace_session *session)
{
	int cpu;

	for_each_possible_cpu(cpu)
		if (reaches_watermark(session, per_cpu_ptr(session->cpus, cpu)))
			return true;
	return false;
}

static void set_need(struct systrace_session *session)
{
	int cpu;

	WRITE_ONCE(session->need, true);
	for_each_possible_cpu(cpu)
		smp_store_release(&per_cpu_ptr(session->cpus, cpu)->need, true); /* see wake.h */
}

__poll_t systrace_wake_poll(struct systrace_session *session, struct file *file,
			    struct poll_table_struct *table)
{
	__poll_t hup;
	bool gone, untold;
	u64 seq, seen;

	poll_wait(file, &session->wait, table);
	set_need(session);
	smp_mb();	/* [F] */
	gone = systrace_session_gone(session);	/* before seq */
	untold = systrace_record_untold(session);
	if (untold)
		queue_work(systrace_workqueue, &session->work);
	seq = systrace_session_seq(session);
	seen = READ_ONCE(*session->seen);
	/* What a recorder could not tell before it was paused is not told while it is. */
	if (session->overwrites && READ_ONCE(session->paused))
		untold = false;
	hup = gone && !untold ? EPOLLHUP : 0;
	if (seq == seen)
		return hup;
	/* What a flight recorder has not read is not to be read before the end. */
	if (!session->overwrites)
		hup = 0;
	if (!session->watermark || gone || (s64)(READ_ONCE(session->due) - seen) > 0 ||
	    watermark_met(session))
		return EPOLLIN | EPOLLRDNORM | hup;
	arm(session);
	return 0;
}

void systrace_wake_init(struct systrace_session *session)
{
	init_waitqueue_head(&session->wait);
	init_irq_work(&session->wake_irq, wake_irq);
	hrtimer_setup(&session->timer, timer_fired, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
}

/* No task is attached any more, so nothing is requested anew but by session->work. */
void systrace_wake_stop(struct systrace_session *session)
{
	irq_work_sync(&session->wake_irq);
	cancel_work_sync(&session->work);
	irq_work_sync(&session->wake_irq);
	hrtimer_cancel(&session->timer);
}
