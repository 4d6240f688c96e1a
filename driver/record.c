// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "attachment.h"
#include "block.h"
#include "clock.h"
#include "record.h"
#include "wake.h"

/* Of a ring that overwrites, to be given up beside what is needed: so many bytes, or such a part */
#define GIVE_MORE	4096
#define GIVE_PART	64

/* A record, LOSTs before it and that do not need more than the smallest ring has. */
static_assert(SYSTRACE_RECORD_MAX + (SYSTRACE_LOST_CAUSES + 1) * sizeof(struct systrace_lost) +
	      SYSTRACE_RING_BYTES_MIN / GIVE_PART <= SYSTRACE_RING_BYTES_MIN);

/* [E] An event has begun. The caller publishes it without delay. */
static void stamp(struct systrace_session *session, struct systrace_event *event, u8 type,
		  u8 flags, u32 tid, u16 size)
{
	event->size = size;
	event->type = type;
	event->flags = flags;
	event->tid = tid;
	event->seq = atomic64_fetch_inc(&session->next_seq);
	event->time = systrace_clock_read(session->clock);
}

static void lose(struct systrace_session *session, struct systrace_cpu *cpu,
		 enum systrace_cause cause)
{
	cpu->lost[cause]++;
	WRITE_ONCE(cpu->shared->lost, cpu->shared->lost + 1);
	cpu->behind = true;
	systrace_writer_stop(&cpu->writer);	/* a smaller one waits until it is told */
	/* Who counts the first has it told; more of them change nothing. */
	if (atomic64_inc_return(&cpu->untold[cause]) == 1)
		systrace_wake_loss(session);
}

/* Overwritten before it was read. A LOST record counts as one more event, and is told anew. */
static void overwritten(struct systrace_session *session, struct systrace_cpu *cpu,
			const struct systrace_event *event)
{
	const struct systrace_lost *lost = (const void *)event;
	struct systrace_cpu *loser;

	cpu->lost[SYSTRACE_LOST_OVERWRITTEN]++;
	WRITE_ONCE(cpu->shared->lost, cpu->shared->lost + 1);
	if (event->type != SYSTRACE_LOST) {
		cpu->recorded--;
		return;
	}
	loser = per_cpu_ptr(session->cpus, lost->cpu);
	atomic64_add(lost->count, &loser->untold[lost->cause]);
	cpu->behind |= loser == cpu;
}

/* ... and some more, so that what comes next finds room, too */
static void give_way(struct systrace_session *session, struct systrace_cpu *cpu, u64 room)
{
	u64 more = min_t(u64, GIVE_MORE, session->ring_bytes / GIVE_PART);
	const struct systrace_event *event;
	u64 read = READ_ONCE(*cpu->tail), seq;

	do {
		event = systrace_writer_oldest(&cpu->writer);
		if ((s64)(cpu->writer.tail - read) >= 0)
			overwritten(session, cpu, event);
		else
			cpu->read += event->type != SYSTRACE_LOST;
		seq = event->seq;
		systrace_writer_give_up(&cpu->writer, event);
	} while (systrace_writer_free(&cpu->writer) < room + more);
	systrace_writer_forget(&cpu->writer, cpu->shared, seq);	/* [H] */
}

static noinline void *reserve_anew(struct systrace_session *session, struct systrace_cpu *cpu,
				   u64 size, u64 spare)
{
	if (!session->overwrites || !cpu->writer.bytes)
		return NULL;
	give_way(session, cpu, size + spare);
	return systrace_writer_reserve(&cpu->writer, size, spare);
}

/* Room in this CPU's ring, if need be that of the oldest records. */
static __always_inline void *reserve(struct systrace_session *session, struct systrace_cpu *cpu,
				     u64 size, u64 spare)
{
	void *room = systrace_writer_reserve(&cpu->writer, size, spare);

	return likely(room) ? room : reserve_anew(session, cpu, size, spare);
}

static unsigned int count_untold(struct systrace_cpu *cpu)
{
	unsigned int cause, n = 0;

	for (cause = 0; cause < SYSTRACE_LOST_CAUSES; cause++)
		n += atomic64_read(&cpu->untold[cause]) != 0;
	return n;
}

/* Write LOST records for `victim`'s losses into cpu's ring; false if some do not fit. */
static bool tell(struct systrace_session *session, struct systrace_cpu *cpu, int victim)
{
	struct systrace_cpu *loser = per_cpu_ptr(session->cpus, victim);
	struct systrace_lost *lost;
	unsigned int cause;

	for (cause = 0; cause < SYSTRACE_LOST_CAUSES; cause++) {
		if (!atomic64_read(&loser->untold[cause]))
			continue;
		lost = reserve(session, cpu, sizeof(*lost), 0);
		if (!lost)
			return false;
		stamp(session, &lost->event, SYSTRACE_LOST, 0, 0, sizeof(*lost));
		lost->count = atomic64_xchg(&loser->untold[cause], 0);
		lost->cause = cause;
		lost->cpu = victim;
		systrace_writer_publish(&cpu->writer, sizeof(*lost));
		systrace_wake_check(session, cpu);
	}
	if (loser == cpu)
		cpu->behind = count_untold(cpu) != 0;	/* telling may overwrite what was told */
	return true;
}

/* What was lost on this CPU comes before its next record, if both fit. */
static noinline bool tell_before(struct systrace_session *session, struct systrace_cpu *cpu,
				 u64 size)
{
	u64 one = sizeof(struct systrace_lost);

	/* Of one at least: no need to look how many, as long as the ring is full. */
	return reserve(session, cpu, size + one, SYSTRACE_RING_RESERVE) &&
	       reserve(session, cpu, size + count_untold(cpu) * one, SYSTRACE_RING_RESERVE) &&
	       tell(session, cpu, smp_processor_id());
}

static noinline void no_room(struct systrace_attachment *a, struct systrace_cpu *cpu)
{
	lose(a->session, cpu, cpu->writer.bytes ? SYSTRACE_LOST_FULL : SYSTRACE_LOST_NO_RING);
	systrace_block_check(a, cpu);
}

/* Begin a record in this CPU's ring; NULL if the event is lost or not wanted. */
static struct systrace_event *begin(struct systrace_attachment *a, struct systrace_cpu **out,
				    u8 type, u8 flags, u16 size)
{
	struct systrace_session *session = a->session;
	struct systrace_cpu *cpu = this_cpu_ptr(session->cpus);
	struct systrace_event *event;

	if (READ_ONCE(session->paused) || !(session->events & 1ULL << type))
		return NULL;
	if (unlikely(cpu->behind) && !tell_before(session, cpu, size))
		event = NULL;
	else
		event = reserve(session, cpu, size, SYSTRACE_RING_RESERVE);
	if (unlikely(!event)) {
		no_room(a, cpu);
		return NULL;
	}
	stamp(session, event, type, flags, READ_ONCE(a->tid), size);
	*out = cpu;
	return event;
}

static __always_inline void end(struct systrace_attachment *a, struct systrace_cpu *cpu, u16 size)
{
	cpu->recorded++;
	systrace_writer_publish(&cpu->writer, size);
	systrace_wake_check(a->session, cpu);
	systrace_block_check(a, cpu);
}

void systrace_record_enter(struct systrace_attachment *a, u8 abi, s32 nr, u32 nargs,
			   const unsigned long *args)
{
	u16 size = offsetof(struct systrace_enter, args) + nargs * sizeof(u64);
	struct systrace_enter *enter;
	struct systrace_cpu *cpu;
	u32 i;

	enter = (void *)begin(a, &cpu, SYSTRACE_ENTER, abi, size);
	if (!enter)
		return;
	enter->nr = nr;
	enter->nargs = nargs;
	for (i = 0; i < nargs; i++)
		enter->args[i] = args[i];
	end(a, cpu, size);
}

void systrace_record_return(struct systrace_attachment *a, u8 abi, s32 nr, long result)
{
	struct systrace_return *ret;
	struct systrace_cpu *cpu;

	ret = (void *)begin(a, &cpu, SYSTRACE_RETURN, abi, sizeof(*ret));
	if (!ret)
		return;
	ret->result = result;
	ret->nr = nr;
	ret->reserved = 0;
	end(a, cpu, sizeof(*ret));
}

/* Bytes that a string takes after a record's fixed part. */
static u16 string_size(const char *string)
{
	return round_up(strnlen(string, SYSTRACE_FILE_BYTES - 1) + 1, 8);
}

static void put_string(void *to, const char *string, u16 size)
{
	size_t length = strnlen(string, SYSTRACE_FILE_BYTES - 1);

	memcpy(to, string, length);
	memset(to + length, 0, size - length);
}

static void put_comm(char *to, const char *comm)
{
	/* The task may just be changing its name: some of both, as anybody sees it. */
	data_race(strscpy_pad(to, comm, SYSTRACE_COMM_BYTES));
}

void systrace_record_task(struct systrace_attachment *a, const char *exe)
{
	struct task_struct *t = a->task;
	u16 string = string_size(exe);
	u16 size = sizeof(struct systrace_task) + string;
	struct systrace_task *task;
	struct systrace_cpu *cpu;

	task = (void *)begin(a, &cpu, SYSTRACE_TASK, 0, size);
	if (!task)
		return;
	task->tgid = systrace_attachment_tgid(a->session, t);
	task->ppid = systrace_attachment_ppid(a->session, t);
	task->start_time = data_race(t->start_boottime); /* an exec by a thread changes it */
	put_comm(task->comm, t->comm);
	put_string(task + 1, exe, string);
	end(a, cpu, size);
}

void systrace_record_fork(struct systrace_attachment *a, struct task_struct *child,
			  u64 clone_flags)
{
	struct systrace_fork *fork;
	struct systrace_cpu *cpu;

	fork = (void *)begin(a, &cpu, SYSTRACE_FORK, 0, sizeof(*fork));
	if (!fork)
		return;
	fork->child = systrace_attachment_tid(a->session, child);
	fork->tgid = systrace_attachment_tgid(a->session, child);
	fork->clone_flags = clone_flags;
	end(a, cpu, sizeof(*fork));
}

void systrace_record_exec(struct systrace_attachment *a, u32 old_tid, const char *file)
{
	u16 string = string_size(file);
	u16 size = sizeof(struct systrace_exec) + string;
	struct systrace_exec *exec;
	struct systrace_cpu *cpu;

	exec = (void *)begin(a, &cpu, SYSTRACE_EXEC, 0, size);
	if (!exec)
		return;
	exec->oldtid = old_tid;
	exec->reserved = 0;
	put_comm(exec->comm, a->task->comm);
	put_string(exec + 1, file, string);
	end(a, cpu, size);
}

void systrace_record_exit(struct systrace_attachment *a)
{
	struct systrace_exit *exit;
	struct systrace_cpu *cpu;

	exit = (void *)begin(a, &cpu, SYSTRACE_EXIT, 0, sizeof(*exit));
	if (!exit)
		return;
	exit->code = a->task->exit_code;
	exit->reserved = 0;
	end(a, cpu, sizeof(*exit));
}

void systrace_record_signal(struct systrace_attachment *a, int signo, int code)
{
	struct systrace_signal *signal;
	struct systrace_cpu *cpu;

	signal = (void *)begin(a, &cpu, SYSTRACE_SIGNAL, 0, sizeof(*signal));
	if (!signal)
		return;
	signal->signo = signo;
	signal->code = code;
	end(a, cpu, sizeof(*signal));
}

void systrace_record_detach(struct systrace_attachment *a, enum systrace_reason reason)
{
	struct systrace_detach *detach;
	struct systrace_cpu *cpu;

	detach = (void *)begin(a, &cpu, SYSTRACE_DETACH, 0, sizeof(*detach));
	if (!detach)
		return;
	detach->reason = reason;
	detach->reserved = 0;
	end(a, cpu, sizeof(*detach));
}

void systrace_record_uncovered(struct systrace_attachment *a, struct task_struct *child)
{
	struct systrace_session *session = a->session;
	struct systrace_cpu *cpu = this_cpu_ptr(session->cpus);
	struct systrace_lost *lost;

	if (READ_ONCE(session->paused))
		return;
	lost = reserve(session, cpu, sizeof(*lost), SYSTRACE_RING_RESERVE);
	if (cpu->behind || !lost) {
		lose(session, cpu, SYSTRACE_LOST_CHILD);
		return;
	}
	cpu->lost[SYSTRACE_LOST_CHILD]++;
	WRITE_ONCE(cpu->shared->lost, cpu->shared->lost + 1);
	stamp(session, &lost->event, SYSTRACE_LOST, 0, systrace_attachment_tid(session, child),
	      sizeof(*lost));
	lost->count = 1;
	lost->cause = SYSTRACE_LOST_CHILD;
	lost->cpu = smp_processor_id();
	systrace_writer_publish(&cpu->writer, sizeof(*lost));
	systrace_wake_check(session, cpu);
}

bool systrace_record_untold(struct systrace_session *session)
{
	int cpu;

	for_each_possible_cpu(cpu)
		if (count_untold(per_cpu_ptr(session->cpus, cpu)))
			return true;
	return false;
}

static void tell_on_cpu(struct systrace_session *session, int cpu, void *victim)
{
	tell(session, per_cpu_ptr(session->cpus, cpu), *(int *)victim);
}

/* A CPU without a ring has its losses told by the first that has one. */
static int teller(struct systrace_session *session, int victim)
{
	int cpu = victim;

	if (!systrace_cpu_has_ring(per_cpu_ptr(session->cpus, cpu)))
		for_each_possible_cpu(cpu)
			if (systrace_cpu_has_ring(per_cpu_ptr(session->cpus, cpu)))
				break;
	return cpu;
}

void systrace_record_tell(struct systrace_session *session)
{
	int victim;

	lockdep_assert_held(&session->mutex);
	for_each_possible_cpu(victim)
		if (count_untold(per_cpu_ptr(session->cpus, victim)))
			systrace_session_on_cpu(session, teller(session, victim), tell_on_cpu,
						&victim);
}
