// SPDX-License-Identifier: GPL-2.0-only
#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "attachment.h"
#include "pool.h"

#define POOL_FULL	192	/* forks on one CPU before a worker gets to run */
#define POOL_LOW	128
#define POOL_KEPT	64	/* for privileged sessions, whatever others take */

/* Added to by anybody, taken from by its CPU alone. */
struct pool {
	struct llist_head ready;	/* of struct systrace_attachment, by its first words */
	atomic_t count;
};

static DEFINE_PER_CPU(struct pool, pools);
static struct kmem_cache *cache;

struct systrace_attachment *systrace_pool_alloc(void)
{
	return kmem_cache_zalloc(cache, GFP_KERNEL_ACCOUNT);
}

void systrace_pool_free(struct systrace_attachment *a)
{
	kmem_cache_free(cache, a);
}

static int fill(struct pool *pool)
{
	struct systrace_attachment *a;

	while (atomic_read(&pool->count) < POOL_FULL) {
		a = kmem_cache_zalloc(cache, GFP_KERNEL);
		if (!a)
			return -ENOMEM;
		atomic_inc(&pool->count);
		llist_add((struct llist_node *)a, &pool->ready);
	}
	return 0;
}

int systrace_pool_fill(void)
{
	int cpu, err = 0;

	for_each_possible_cpu(cpu)
		if (!err)
			err = fill(per_cpu_ptr(&pools, cpu));
	return err;
}

static void refill(struct work_struct *work)
{
	systrace_pool_fill();
}

static DECLARE_WORK(refill_work, refill);

/* A probe must not wake a worker itself. */
static void refill_irq(struct irq_work *irq)
{
	queue_work(system_highpri_wq, &refill_work);
}

static DEFINE_IRQ_WORK(refill_irq_work, refill_irq);

struct systrace_attachment *systrace_pool_take(bool privileged)
{
	struct pool *pool = this_cpu_ptr(&pools);
	struct llist_node *first = NULL;

	if (privileged || atomic_read(&pool->count) > POOL_KEPT)
		first = llist_del_first(&pool->ready);
	if (!first || atomic_dec_return(&pool->count) < POOL_LOW)
		irq_work_queue(&refill_irq_work);
	if (!first)
		return NULL;
	first->next = NULL;
	return (struct systrace_attachment *)first;
}

int systrace_pool_init(void)
{
	/* The pool's list goes through an attachment's first word. */
	BUILD_BUG_ON(offsetof(struct systrace_attachment, hash_node) != 0);
	BUILD_BUG_ON(sizeof(struct llist_node) > sizeof(struct hlist_node));
	cache = KMEM_CACHE(systrace_attachment, 0);
	return cache ? 0 : -ENOMEM;
}

/* No probe is registered any more. */
void systrace_pool_exit(void)
{
	struct llist_node *node, *next;
	int cpu;

	irq_work_sync(&refill_irq_work);
	cancel_work_sync(&refill_work);
	for_each_possible_cpu(cpu)
		llist_for_each_safe(node, next, llist_del_all(&per_cpu_ptr(&pools, cpu)->ready))
			kmem_cache_free(cache, node);
	kmem_cache_destroy(cache);
}
