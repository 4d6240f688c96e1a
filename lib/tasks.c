// SPDX-License-Identifier: LGPL-2.1-or-later
/* The table of tasks, from the events; see tasks.h. */
#include <errno.h>
#include <linux/sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "tasks.h"

#define ENDED		1024		/* remembered, if nobody says otherwise */
#define BUCKETS		4096		/* a power of two */
#define OPTIONS_SIZE_1	(offsetof(struct systrace_tasks_options, reserved) + sizeof(uint32_t))
#define RESTART_FIRST	512		/* -512 ... -516: the kernel's own, of a call that goes on */
#define RESTART_LAST	516

/* One writer: it loads what it stored as it likes. */
#define store(place, value)	__atomic_store_n(place, value, __ATOMIC_RELAXED)
#define load(place)		__atomic_load_n(place, __ATOMIC_RELAXED)
#define add(place, n)		store(place, *(place) + (n))
#define sub(place, n)		store(place, *(place) - (n))

/* ------------------------------------------------------------------ lists --- */

static void list_init(struct systrace_entries *list)
{
	list->first = NULL;
	list->last = &list->first;
	list->nr = 0;
}

static void list_add(struct systrace_entries *list, struct systrace_entry *e)
{
	e->next = NULL;
	*list->last = e;
	list->last = &e->next;
	list->nr++;
}

static struct systrace_entry *list_take(struct systrace_entries *list)
{
	struct systrace_entry *e = list->first;

	if (!e)
		return NULL;
	list->first = e->next;
	if (!list->first)
		list->last = &list->first;
	list->nr--;
	return e;
}

/* ------------------------------------------------------------------ names --- */

static size_t name_bytes(const struct systrace_name *name)
{
	return sizeof(*name) + strlen(name->file) + 1;
}

static struct systrace_name *name_new(struct systrace_tasks *tasks, uint64_t seq, const char *comm,
				      const char *file)
{
	size_t length = strlen(file) + 1;
	struct systrace_name *name = malloc(sizeof(*name) + length);

	if (!name)
		return NULL;
	*name = (struct systrace_name){ .from = seq, .refs = 1 };
	memcpy(name->comm, comm, sizeof(name->comm));
	name->comm[sizeof(name->comm) - 1] = '\0';
	memcpy(name->file, file, length);
	add(&tasks->bytes, name_bytes(name));
	return name;
}

/* Readers may still look at it. */
static void name_put(struct systrace_tasks *tasks, struct systrace_name *name)
{
	if (--name->refs)
		return;
	name->next = tasks->names;
	tasks->names = name;
	tasks->pending++;
}

static void free_names(struct systrace_tasks *tasks)
{
	struct systrace_name *name;

	while ((name = tasks->names)) {
		tasks->names = name->next;
		sub(&tasks->bytes, name_bytes(name));
		free(name);
	}
}

/* ---------------------------------------------------------------- entries --- */

static unsigned long hash(uint32_t tid)
{
	return tid * 0x9e3779b97f4a7c15ULL >> 32;
}

static struct systrace_entry *entry_of(struct cds_lfht_node *node)
{
	return caa_container_of(node, struct systrace_entry, node);
}

/* `from` was stored last, before the entry came into the table. */
static int has_tid(struct cds_lfht_node *node, const void *tid)
{
	const struct systrace_entry *e = entry_of(node);

	return __atomic_load_n(&e->from, __ATOMIC_ACQUIRE) && e->tid == *(const uint32_t *)tid;
}

struct systrace_entry *systrace_entry_find(const struct systrace_tasks *tasks, uint32_t tid, uint64_t process,
					   uint64_t seq)
{
	struct systrace_entry *found = NULL;
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_lookup(tasks->table, hash(tid), has_tid, &tid, &iter);
	for (; (node = cds_lfht_iter_get_node(&iter));
	     cds_lfht_next_duplicate(tasks->table, has_tid, &tid, &iter)) {
		struct systrace_entry *e = entry_of(node);

		if (systrace_entry_visible(e, seq) && (!process || e->process == process) &&
		    (!found || e->from > found->from))
			found = e;
	}
	return found;
}

struct systrace_entry *systrace_entry_parent(const struct systrace_tasks *tasks, const struct systrace_entry *e,
					     uint64_t seq)
{
	/* What began later is no parent: numbers that came again while events were lost can say so. */
	if (!e->parent || (e->process && e->parent >= e->process))
		return NULL;
	return systrace_entry_find(tasks, e->ppid, e->parent, seq);
}

static struct systrace_entry **cached(struct systrace_tasks *tasks, uint32_t tid)
{
	return &tasks->cache[tid & (SYSTRACE_TASKS_CACHE - 1)];
}

/* Who has that number now: the writer's look. */
static struct systrace_entry *present(struct systrace_tasks *tasks, uint32_t tid)
{
	struct systrace_entry **cache = cached(tasks, tid);
	struct systrace_entry *e = *cache;

	if (e && e->tid == tid)
		return e;
	rcu_read_lock();	/* which the table asks for */
	e = systrace_entry_find(tasks, tid, 0, UINT64_MAX);
	rcu_read_unlock();
	if (!e || e->ended)
		return NULL;
	*cache = e;
	return e;
}

static void uncache(struct systrace_tasks *tasks, const struct systrace_entry *e)
{
	struct systrace_entry **cache = cached(tasks, e->tid);

	if (*cache == e)
		*cache = NULL;
}

static struct systrace_entry *leader(struct systrace_tasks *tasks, uint32_t tgid)
{
	struct systrace_entry *e;

	if (!tgid)
		return NULL;
	rcu_read_lock();
	e = systrace_entry_find(tasks, tgid, 0, UINT64_MAX);	/* also one that ended before its threads */
	rcu_read_unlock();
	return e && e->tgid == tgid ? e : NULL;
}

static bool leads(const struct systrace_entry *e)
{
	return e->tid == e->tgid;
}

/* What leads a process is remembered as long as that has a thread. */
static void join(struct systrace_tasks *tasks, struct systrace_entry *e)
{
	e->leader = leads(e) ? NULL : leader(tasks, e->tgid);
	if (e->leader)
		e->leader->threads++;
}

static void part(struct systrace_entry *e)
{
	if (e->leader)
		e->leader->threads--;
	e->leader = NULL;
}

static void publish(struct systrace_tasks *tasks, struct systrace_entry *e, uint64_t seq)
{
	__atomic_store_n(&e->from, seq, __ATOMIC_RELEASE);
	rcu_read_lock();
	cds_lfht_add(tasks->table, hash(e->tid), &e->node);
	rcu_read_unlock();
	add(&tasks->bytes, sizeof(*e));
}

/* What made a task that is there, and what made that, and so on, is of this round. */
static void mark_ancestors(struct systrace_tasks *tasks)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;
	struct systrace_entry *e;

	tasks->round++;
	rcu_read_lock();
	cds_lfht_for_each(tasks->table, &iter, node) {
		e = entry_of(node);
		if (e->ended || e->moved)
			continue;
		for (; e && e->round != tasks->round; e = systrace_entry_parent(tasks, e, UINT64_MAX))
			e->round = tasks->round;
	}
	rcu_read_unlock();
}

/* So that no more than `most` are remembered, the oldest leave; ancestors only if they are to leave, too. */
static void forget(struct systrace_tasks *tasks, uint64_t most, bool ancestors)
{
	for (uint64_t n = tasks->ended.nr; n && tasks->ended.nr > most; n--) {
		struct systrace_entry *e = list_take(&tasks->ended);

		if (e->threads || (e->round == tasks->round && !ancestors)) {
			list_add(&tasks->ended, e);
			continue;
		}
		list_add(&tasks->left, e);
		add(&tasks->forgotten, 1);
	}
}

/* All that has ended long ago leaves; what left before is freed. See tasks.h. */
static void make_room(struct systrace_tasks *tasks)
{
	struct systrace_entry *e;

	mark_ancestors(tasks);
	synchronize_rcu();
	SYSTRACE_TSAN(__tsan_acquire(tasks->table));
	free_names(tasks);
	while ((e = list_take(&tasks->left))) {
		name_put(tasks, e->name);
		sub(&tasks->bytes, sizeof(*e));
		free(e);
	}
	tasks->pending = 0;
	forget(tasks, tasks->keep, false);
	forget(tasks, 2ULL * tasks->keep, true);
	store(&tasks->remembered, tasks->ended.nr);
	while ((e = list_take(&tasks->moved)))
		list_add(&tasks->left, e);
	rcu_read_lock();
	for (e = tasks->left.first; e; e = e->next)
		cds_lfht_del(tasks->table, &e->node);
	rcu_read_unlock();
}

/* ----------------------------------------------------------------- events --- */

static void end(struct systrace_tasks *tasks, const struct systrace *st, struct systrace_entry *e,
		const struct systrace_event *event, enum systrace_task_end how, uint32_t status)
{
	store(&e->how, how);
	store(&e->status, status);
	store(&e->end, systrace_time_by(st, event, CLOCK_BOOTTIME));
	store(&e->ended, event->seq);
	uncache(tasks, e);
	part(e);
	list_add(&tasks->ended, e);
	sub(&tasks->present, 1);
	store(&tasks->remembered, tasks->ended.nr);
	tasks->pending++;
}

/* A task begins: whoever had its number does not any more. */
static void begin(struct systrace_tasks *tasks, const struct systrace *st, struct systrace_entry *e,
		  const struct systrace_event *event)
{
	struct systrace_entry *old = present(tasks, e->tid);

	if (old)
		end(tasks, st, old, event, SYSTRACE_END_UNSEEN, 0);
	if (leads(e))
		e->process = e->id;
	join(tasks, e);
	publish(tasks, e, event->seq);
	add(&tasks->present, 1);
}

static struct systrace_entry *entry_new(struct systrace_name *name)
{
	struct systrace_entry *e = name ? calloc(1, sizeof(*e)) : NULL;

	if (!e)
		return NULL;
	cds_lfht_node_init(&e->node);
	e->name = name;
	return e;
}

/* With a name of its own */
static struct systrace_entry *entry_named(struct systrace_tasks *tasks, const struct systrace_event *event,
					  const char *comm)
{
	struct systrace_name *name = name_new(tasks, event->seq, comm, systrace_file(event));
	struct systrace_entry *e = entry_new(name);

	if (e)
		e->tid = event->tid;
	else if (name)
		name_put(tasks, name);
	return e;
}

static int on_task(struct systrace_tasks *tasks, const struct systrace *st,
		   const struct systrace_event *event)
{
	const struct systrace_task *task = (const void *)event;
	struct systrace_entry *e = entry_named(tasks, event, task->comm), *above;

	if (!e)
		return -ENOMEM;
	e->id = event->seq;
	e->tgid = task->tgid;
	e->ppid = task->ppid;
	e->start = task->start_time;
	above = leads(e) ? NULL : leader(tasks, e->tgid);
	if (above)
		e->process = above->process;
	above = leader(tasks, e->ppid);
	if (above && (!above->ended || above->threads))
		e->parent = above->process;
	begin(tasks, st, e, event);
	return 0;
}

/* Of one whose beginning was lost */
static int on_unknown(struct systrace_tasks *tasks, const struct systrace *st,
		      const struct systrace_event *event)
{
	static const char nobody[SYSTRACE_COMM_BYTES];
	struct systrace_entry *e = entry_named(tasks, event, nobody);

	if (!e)
		return -ENOMEM;
	begin(tasks, st, e, event);
	return 0;
}

static int on_fork(struct systrace_tasks *tasks, const struct systrace *st, struct systrace_entry *maker,
		   const struct systrace_event *event)
{
	const struct systrace_fork *fork = (const void *)event;
	struct systrace_entry *e;

	add(&maker->forks, 1);
	if (!fork->child)	/* not visible */
		return 0;
	e = entry_new(maker->name);
	if (!e)
		return -ENOMEM;
	maker->name->refs++;
	e->id = event->seq;
	e->tid = fork->child;
	e->tgid = fork->tgid;
	e->start = systrace_time_by(st, event, CLOCK_BOOTTIME);
	if (!leads(e) || fork->clone_flags & CLONE_PARENT) {
		e->process = maker->process;	/* of a process, its own */
		e->parent = maker->parent;
		e->ppid = maker->ppid;
	} else {
		e->parent = maker->process;
		e->ppid = maker->tgid;
	}
	begin(tasks, st, e, event);
	return 0;
}

/* It leads its process from now on, and has that number. */
static struct systrace_entry *move(struct systrace_tasks *tasks, const struct systrace *st,
				   struct systrace_entry *old, const struct systrace_event *event)
{
	struct systrace_entry *e = entry_new(old->name), *first;

	if (!e)
		return NULL;
	e->start = old->leader ? old->leader->start : old->start;	/* as the kernel has it then */
	store(&old->moved, event->seq);
	uncache(tasks, old);
	part(old);
	list_add(&tasks->moved, old);
	tasks->pending++;
	first = present(tasks, event->tid);
	if (first)
		end(tasks, st, first, event, SYSTRACE_END_UNSEEN, 0);
	old->name->refs++;
	e->tid = e->tgid = event->tid;
	e->ppid = old->ppid;
	e->id = old->id;
	e->process = old->process ? old->process : event->seq;
	e->parent = old->parent;
	e->calls = old->calls;
	e->failures = old->failures;
	e->signals = old->signals;
	e->execs = old->execs;
	e->forks = old->forks;
	publish(tasks, e, event->seq);
	return e;
}

static int on_exec(struct systrace_tasks *tasks, const struct systrace *st, struct systrace_entry *e,
		   const struct systrace_event *event)
{
	const struct systrace_exec *exec = (const void *)event;
	struct systrace_name *name = name_new(tasks, event->seq, exec->comm, systrace_file(event));
	struct systrace_name *before;

	if (name && (e->tid != event->tid || !leads(e)))
		e = move(tasks, st, e, event);
	if (!e || !name) {
		if (name)
			name_put(tasks, name);
		return -ENOMEM;
	}
	add(&e->execs, 1);
	before = e->name;
	name->before = before;
	__atomic_store_n(&e->name, name, __ATOMIC_RELEASE);
	name_put(tasks, before);
	return 0;
}

/* A call that goes on is none. */
static bool is_failure(int error)
{
	return error && (error < RESTART_FIRST || error > RESTART_LAST);
}

/* Of a task that is there */
static int on_its(struct systrace_tasks *tasks, const struct systrace *st, struct systrace_entry *e,
		  const struct systrace_event *event)
{
	switch (event->type) {
	case SYSTRACE_ENTER:
		add(&e->calls, 1);
		break;
	case SYSTRACE_RETURN:
		if (is_failure(systrace_error(event)))
			add(&e->failures, 1);
		break;
	case SYSTRACE_SIGNAL:
		add(&e->signals, 1);
		break;
	case SYSTRACE_FORK:
		return on_fork(tasks, st, e, event);
	case SYSTRACE_EXEC:
		return on_exec(tasks, st, e, event);
	case SYSTRACE_EXIT:
		end(tasks, st, e, event, SYSTRACE_END_EXIT, ((const struct systrace_exit *)event)->code);
		break;
	case SYSTRACE_DETACH:
		end(tasks, st, e, event, SYSTRACE_END_DETACH, 0);
		break;
	}
	return 0;
}

static int take(struct systrace_tasks *tasks, const struct systrace *st,
		const struct systrace_event *event)
{
	struct systrace_entry *e;
	const struct systrace_exec *exec = event->type == SYSTRACE_EXEC ? (const void *)event : NULL;
	int ret;

	if (!systrace_is_whole(event) || event->type == SYSTRACE_LOST || !event->tid)	/* 0: not visible */
		return 0;
	if (event->type == SYSTRACE_TASK)
		return on_task(tasks, st, event);
	e = present(tasks, exec ? exec->oldtid : event->tid);
	/* Who executes leads its process then: of another one, it is who had the number before. */
	if (e && exec && e->tgid && e->tgid != event->tid) {
		end(tasks, st, e, event, SYSTRACE_END_UNSEEN, 0);
		e = NULL;
	}
	if (!e) {
		ret = on_unknown(tasks, st, event);
		if (ret)
			return ret;
		e = present(tasks, event->tid);
	}
	return on_its(tasks, st, e, event);
}

int systrace_tasks_update(struct systrace_tasks *tasks, const struct systrace *st,
			  const struct systrace_event *event)
{
	int ret;

	if (event->seq <= tasks->seq)
		return -EINVAL;
	ret = take(tasks, st, event);
	__atomic_store_n(&tasks->seq, event->seq, __ATOMIC_RELEASE);
	if (tasks->pending >= SYSTRACE_TASKS_BATCH)
		make_room(tasks);
	return ret;
}

/* ------------------------------------------------------------------- looks --- */

const char *systrace_entry_state(const struct systrace_entry *e, uint64_t seq,
				 struct systrace_task_state *state)
{
	const struct systrace_name *name = __atomic_load_n(&e->name, __ATOMIC_ACQUIRE);
	uint64_t ended = load(&e->ended);

	while (name->from > seq)
		name = name->before;
	*state = (struct systrace_task_state){
		.id = e->id, .process = e->process, .parent = e->parent,
		.tid = e->tid, .tgid = e->tgid, .ppid = e->ppid, .start = e->start,
		.calls = load(&e->calls), .failures = load(&e->failures), .signals = load(&e->signals),
		.execs = load(&e->execs), .forks = load(&e->forks),
	};
	if (ended && ended <= seq) {
		state->end = load(&e->end);
		state->how = load(&e->how);
		state->status = load(&e->status);
	}
	memcpy(state->comm, name->comm, sizeof(state->comm));
	return name->file;
}

int systrace_tasks_find(const struct systrace_tasks *tasks, pid_t tid, struct systrace_task_state *state,
			char *file, size_t size)
{
	uint64_t seq = systrace_tasks_read_begin(tasks);
	const struct systrace_entry *e = systrace_entry_find(tasks, (uint32_t)tid, 0, seq);

	if (e) {
		const char *name = systrace_entry_state(e, seq, state);

		if (size) {
			size_t length = strnlen(name, size - 1);

			memcpy(file, name, length);
			file[length] = '\0';
			state->file = file;
		}
	}
	systrace_tasks_read_end(tasks);
	return e ? 0 : -ESRCH;
}

void systrace_tasks_stats(const struct systrace_tasks *tasks, struct systrace_tasks_stats *stats)
{
	*stats = (struct systrace_tasks_stats){
		.seq = __atomic_load_n(&tasks->seq, __ATOMIC_ACQUIRE),
		.present = load(&tasks->present), .ended = load(&tasks->remembered),
		.forgotten = load(&tasks->forgotten), .bytes = load(&tasks->bytes),
	};
}

/* -------------------------------------------------------------------- life --- */

int systrace_tasks_new(struct systrace_tasks **out, const struct systrace_tasks_options *opts)
{
	struct systrace_tasks_options options;
	struct systrace_tasks *tasks;
	void *volatile room;	/* a compiler may take it for granted that there is some */
	int ret = systrace_take_options(&options, sizeof(options), OPTIONS_SIZE_1, opts);

	if (ret)
		return ret;
	if (options.reserved)
		return -EINVAL;
	tasks = calloc(1, sizeof(*tasks));
	if (!tasks)
		return -ENOMEM;
	/* liburcu ends the program if this fails there: is there so much? */
	room = malloc(BUCKETS * sizeof(struct cds_lfht_node));
	free(room);
	tasks->table = room ? cds_lfht_new(BUCKETS, BUCKETS, 0, 0, NULL) : NULL;
	if (!tasks->table) {
		free(tasks);
		return -ENOMEM;
	}
	tasks->bytes = sizeof(*tasks) + BUCKETS * sizeof(struct cds_lfht_node);
	tasks->keep = options.ended ? options.ended : ENDED;
	list_init(&tasks->ended);
	list_init(&tasks->moved);
	list_init(&tasks->left);
	*out = tasks;
	return 0;
}

void systrace_tasks_free(struct systrace_tasks *tasks)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;
	struct systrace_entry *e;

	if (!tasks)
		return;
	rcu_read_lock();
	cds_lfht_for_each(tasks->table, &iter, node) {
		cds_lfht_del(tasks->table, node);
		list_add(&tasks->left, entry_of(node));
	}
	rcu_read_unlock();
	cds_lfht_destroy(tasks->table, NULL);
	while ((e = list_take(&tasks->left))) {
		name_put(tasks, e->name);
		free(e);
	}
	free_names(tasks);
	free(tasks);
}
