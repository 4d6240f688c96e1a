// SPDX-License-Identifier: GPL-2.0-only
#include <linux/capability.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "account.h"
#include "block.h"
#include "cgroup.h"
#include "clock.h"
#include "detach.h"
#include "mapping.h"
#include "policy.h"
#include "probe.h"
#include "record.h"
#include "session.h"
#include "slot.h"
#include "wake.h"

#define TAIL_STRIDE	64	/* a tail on a cache line of its own; seen is on the first */

/*
 * The sessions that are set up, for CPUs that come up. Inside of the CPU hotplug
 * lock.
 */
static LIST_HEAD(sessions);
static DEFINE_MUTEX(sessions_mutex);
static int hotplug_state;

struct workqueue_struct *systrace_workqueue;

#define CLOCK_PERIOD	HZ

static void clock_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(clock_work, clock_again);

/* --- the work that probes ask for --- */

/* Losses are told, cgroups looked after, and the probes go with the last task. */
static void work(struct work_struct *work)
{
	struct systrace_session *session = container_of(work, struct systrace_session, work);
	bool gone, idle;

	mutex_lock(&session->mutex);
	systrace_cgroup_work(session);
	gone = systrace_session_gone(session);
	idle = session->active && !session->watching && !READ_ONCE(session->attached);
	if (idle) {
		systrace_probes_put(session->probed);
		session->active = false;
	}
	/*
	 * It wakes the reader if there was room. While paused, records are read in
	 * place: none may be overwritten.
	 */
	if (!session->paused || !session->overwrites)
		systrace_record_tell(session);
	mutex_unlock(&session->mutex);
	if (gone)
		systrace_wake_gone(session);
}

struct on_cpu {
	struct systrace_session *session;
	int cpu;
	void (*fn)(struct systrace_session *session, int cpu, void *arg);
	void *arg;
};

static long run_on_cpu(void *data)
{
	struct on_cpu *call = data;

	preempt_disable();
	call->fn(call->session, call->cpu, call->arg);
	preempt_enable();
	return 0;
}

void systrace_session_on_cpu(struct systrace_session *session, int cpu,
			     void (*fn)(struct systrace_session *session, int cpu, void *arg),
			     void *arg)
{
	struct on_cpu call = { session, cpu, fn, arg };

	lockdep_assert_held(&session->mutex);
	cpus_read_lock();
	if (cpu_online(cpu))
		work_on_cpu(cpu, run_on_cpu, &call);
	else
		run_on_cpu(&call);
	cpus_read_unlock();
}

/* --- life and death --- */

int systrace_session_create(struct systrace_session **out, struct file *file)
{
	struct systrace_session *session;
	int err = -ENOMEM;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return err;
	session->cpus = alloc_percpu_gfp(struct systrace_cpu, GFP_KERNEL_ACCOUNT);
	if (!session->cpus)
		goto err_session;
	session->account = systrace_account_get();
	if (!session->account)
		goto err_cpus;
	atomic64_set(&session->next_seq, 1);
	RCU_INIT_POINTER(session->policy, &systrace_policy_all);
	mutex_init(&session->mutex);
	raw_spin_lock_init(&session->lock);
	spin_lock_init(&session->map_lock);
	INIT_LIST_HEAD(&session->attachments);
	INIT_LIST_HEAD(&session->node);
	INIT_WORK(&session->work, work);
	systrace_wake_init(session);
	systrace_block_init(session);
	session->file = file;
	session->pid_ns = get_pid_ns(task_active_pid_ns(current));
	*out = session;
	return 0;

err_cpus:
	free_percpu(session->cpus);
err_session:
	kfree(session);
	return err;
}

static void free_memory(struct systrace_session *session)
{
	int cpu;

	for_each_possible_cpu(cpu)
		systrace_pages_free(session, &per_cpu_ptr(session->cpus, cpu)->pages);
	systrace_pages_free(session, &session->header_pages);
	systrace_pages_free(session, &session->control);
}

/* The last descriptor and the last mapping are gone. */
void systrace_session_destroy(struct systrace_session *session)
{
	mutex_lock(&sessions_mutex);
	list_del(&session->node);
	mutex_unlock(&sessions_mutex);

	mutex_lock(&session->mutex);
	systrace_abandon(session);
	mutex_unlock(&session->mutex);
	systrace_block_stop(session);
	systrace_wake_stop(session);
	if (session->active)
		systrace_probes_put(session->probed);
	systrace_policy_free(session);
	free_memory(session);
	systrace_account_put(session->account);
	put_pid_ns(session->pid_ns);
	free_percpu(session->cpus);
	kfree(session);
}

/* --- the clock --- */

/* To all sessions that have one to be told of; and again, as long as there are any. */
static void show_clock(void)
{
	struct systrace_session *session;
	bool any = false;

	lockdep_assert_held(&sessions_mutex);
	list_for_each_entry(session, &sessions, node) {
		if (session->clock == SYSTRACE_CLOCK_MONOTONIC)
			continue;
		if (!any)
			systrace_clock_sample();
		systrace_clock_show(session->header);
		any = true;
	}
	if (any)
		queue_delayed_work(systrace_workqueue, &clock_work, CLOCK_PERIOD);
}

static void clock_again(struct work_struct *work)
{
	mutex_lock(&sessions_mutex);
	show_clock();
	mutex_unlock(&sessions_mutex);
}

/* --- setup --- */

static __u64 *shared_tail(struct systrace_session *session, int cpu)
{
	return session->control.address + session->header->tails +
	       cpu * session->header->tails_stride;
}

static struct systrace_ring *shared_ring(struct systrace_session *session, int cpu)
{
	return session->header_pages.address + session->header->rings +
	       cpu * session->header->rings_stride;
}

static void init_writer(struct systrace_session *session, int cpu)
{
	struct systrace_cpu *c = per_cpu_ptr(session->cpus, cpu);

	c->tail = shared_tail(session, cpu);
	systrace_writer_init(&c->writer, c->pages.address, session->ring_bytes, &c->shared->head,
			     session->overwrites ? &c->shared->oldest : c->tail);
}

/* Give a CPU its ring, unless it has one. None of our probes runs on it. */
static int add_ring(struct systrace_session *session, int cpu)
{
	struct systrace_cpu *c = per_cpu_ptr(session->cpus, cpu);
	int err;

	lockdep_assert_held(&sessions_mutex);
	if (c->pages.address)
		return 0;
	err = systrace_pages_alloc(session, &c->pages, session->ring_bytes >> PAGE_SHIFT,
				   cpu_to_node(cpu), true);
	if (err)
		return err;
	init_writer(session, cpu);
	smp_store_release(&c->shared->present, 1); /* the ring can be mapped, and read */
	return 0;
}

static int add_rings(struct systrace_session *session)
{
	int cpu, err = 0;

	cpus_read_lock();
	mutex_lock(&sessions_mutex);
	for_each_online_cpu(cpu)
		if (!err)
			err = add_ring(session, cpu);
	if (!err)
		list_add(&session->node, &sessions);
	if (!err && session->clock != SYSTRACE_CLOCK_MONOTONIC)
		show_clock();
	mutex_unlock(&sessions_mutex);
	cpus_read_unlock();
	return err;
}

static void init_header(struct systrace_session *session, u64 data_pages)
{
	struct systrace_header *header = session->header;

	header->magic = SYSTRACE_MAGIC;
	header->abi_version = SYSTRACE_ABI_VERSION;
	header->header_size = sizeof(*header);
	header->nr_rings = nr_cpu_ids;
	header->ring_size = sizeof(struct systrace_ring);
	header->ring_bytes = session->ring_bytes;
	header->rings = sizeof(*header);
	header->rings_stride = sizeof(struct systrace_ring);
	header->bytes = (u64)session->header_pages.nr << PAGE_SHIFT;
	header->bytes_stride = 2 * session->ring_bytes;
	header->seen = 0;
	header->tails = TAIL_STRIDE;
	header->tails_stride = TAIL_STRIDE;
	header->clock = session->clock;
	header->clock_mult = 1;
}

static int add_header(struct systrace_session *session)
{
	unsigned long control, header;
	int cpu, err;

	control = PAGE_ALIGN(TAIL_STRIDE * (1 + nr_cpu_ids)) >> PAGE_SHIFT;
	header = PAGE_ALIGN(sizeof(struct systrace_header) +
			    sizeof(struct systrace_ring) * nr_cpu_ids) >> PAGE_SHIFT;
	err = systrace_pages_alloc(session, &session->control, control, NUMA_NO_NODE, false);
	if (err)
		return err;
	err = systrace_pages_alloc(session, &session->header_pages, header, NUMA_NO_NODE, false);
	if (err)
		return err;
	session->header = session->header_pages.address;
	init_header(session, header);
	session->seen = session->control.address + session->header->seen;
	for_each_possible_cpu(cpu) {
		per_cpu_ptr(session->cpus, cpu)->shared = shared_ring(session, cpu);
		init_writer(session, cpu);
	}
	return 0;
}

static int check_setup(const struct systrace_setup *setup)
{
	if (!is_power_of_2(setup->ring_bytes) || setup->ring_bytes < SYSTRACE_RING_BYTES_MIN ||
	    setup->ring_bytes > SYSTRACE_RING_BYTES_MAX)
		return -EINVAL;
	if (setup->events & ~SYSTRACE_EVENTS_ALL || setup->full > SYSTRACE_FULL_BLOCK)
		return -EINVAL;
	if (setup->timeout_ms && setup->full != SYSTRACE_FULL_BLOCK)
		return -EINVAL;
	if (setup->watermark > setup->ring_bytes / 2)
		return -EINVAL;
	if (!setup->watermark && setup->latency_us)
		return -EINVAL;
	if (setup->watermark && (setup->latency_us < SYSTRACE_LATENCY_MIN ||
				 setup->latency_us > SYSTRACE_LATENCY_MAX))
		return -EINVAL;
	if (setup->full == SYSTRACE_FULL_BLOCK && !SYSTRACE_CAN_BLOCK)
		return -EOPNOTSUPP;
	return setup->timeout_ms > SYSTRACE_TIMEOUT_MAX && !capable(CAP_SYS_ADMIN) ? -EPERM : 0;
}

int systrace_session_setup(struct systrace_session *session, struct systrace_setup *setup)
{
	int err;

	lockdep_assert_held(&session->mutex);
	if (session->is_setup)
		return -EBUSY;
	err = check_setup(setup);
	if (err)
		return err;
	session->ring_bytes = setup->ring_bytes;
	session->events = (setup->events ? setup->events : SYSTRACE_EVENTS_ALL) |
			  1ULL << SYSTRACE_LOST;
	session->probed = session->events;
	session->clock = systrace_clock_choose();
	session->watermark = setup->watermark;
	session->latency_us = setup->latency_us;
	session->overwrites = setup->full == SYSTRACE_FULL_OVERWRITE;
	err = add_header(session);
	if (!err)
		err = add_rings(session);
	if (err) {
		free_memory(session);
		return err;
	}
	if (setup->full == SYSTRACE_FULL_BLOCK) {
		session->probed |= 1ULL << SYSTRACE_RETURN;	/* where waits begin */
		systrace_block_setup(session, setup->timeout_ms);
	}
	systrace_mapping_ranges(session, setup);
	smp_store_release(&session->is_setup, true); /* poll and mmap take no lock */
	return 0;
}

/* --- pause --- */

void systrace_session_pause(struct systrace_session *session)
{
	int tries = 8;

	lockdep_assert_held(&session->mutex);
	if (session->paused)
		return;
	WRITE_ONCE(session->paused, true);
	systrace_slot_empty_all();
	synchronize_rcu();	/* no probe is still writing */
	systrace_block_kick(session);
	/* Telling may overwrite what was told before; but not for long. */
	do
		systrace_record_tell(session);
	while (session->overwrites && systrace_record_untold(session) && --tries);
}

void systrace_session_resume(struct systrace_session *session)
{
	lockdep_assert_held(&session->mutex);
	WRITE_ONCE(session->paused, false);
}

/* --- CPUs that come up --- */

/* Never fails: a CPU without a ring counts what is lost on it. */
static int cpu_prepare(unsigned int cpu)
{
	struct systrace_session *session;

	mutex_lock(&sessions_mutex);
	list_for_each_entry(session, &sessions, node)
		add_ring(session, cpu);
	mutex_unlock(&sessions_mutex);
	return 0;
}

int systrace_sessions_init(void)
{
	systrace_workqueue = alloc_workqueue("systrace", WQ_UNBOUND, 0);
	if (!systrace_workqueue)
		return -ENOMEM;
	hotplug_state = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "systrace:prepare",
						  cpu_prepare, NULL);
	if (hotplug_state >= 0)
		return 0;
	destroy_workqueue(systrace_workqueue);
	return hotplug_state;
}

void systrace_sessions_exit(void)
{
	cpuhp_remove_state_nocalls(hotplug_state);
	cancel_delayed_work_sync(&clock_work);
	destroy_workqueue(systrace_workqueue);
}
