// SPDX-License-Identifier: LGPL-2.1-or-later
/* The tasks' tree, as it was after one event; see tasks.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tasks.h"

#define NONE	SIZE_MAX

struct item {
	struct systrace_task_state state;
	size_t file;		/* where its name begins in the text */
	size_t up;		/* the item that it hangs under, or NONE */
	size_t below, next;	/* the first that hangs under it; the next one under the same */
	bool shown;		/* it is asked for */
	bool done;		/* it has its place in the order */
};

/* An item by some number of it */
struct key {
	uint64_t key;
	size_t item;
};

struct copy {
	struct item *items;
	size_t nr, room;
	char *text;
	size_t text_bytes, text_room;
	const char *last_name;	/* many have the same one */
	size_t last_file;
	struct key *by_process, *by_tgid;	/* of items that lead a process, the oldest first */
	size_t nr_leaders;
	size_t *order;		/* the tree, written down */
	size_t nr_ordered;
};

static void copy_free(struct copy *copy)
{
	free(copy->items);
	free(copy->text);
	free(copy->by_process);
	free(copy->by_tgid);
	free(copy->order);
}

/* Of what process one is whose beginning was lost, nobody knows: of its own, then. */
static bool leads(const struct item *item)
{
	return !item->state.tgid || item->state.tid == item->state.tgid;
}

static bool is_there(const struct item *item)
{
	return item->state.how == SYSTRACE_END_NONE;
}

/* --------------------------------------------------------------- copying --- */

/* Room for `wanted` things: the array, perhaps at another place; or NULL, and it is as before. */
static void *grow(void *array, size_t *room, size_t wanted, size_t size)
{
	size_t more = *room ? *room : 64;
	void *p;

	if (wanted <= *room)
		return array;
	while (more < wanted)
		more *= 2;
	p = realloc(array, more * size);
	if (p)
		*room = more;
	return p;
}

static bool copy_name(struct copy *copy, const char *name, size_t *file)
{
	size_t bytes = strlen(name) + 1;
	char *text;

	if (name != copy->last_name) {
		text = grow(copy->text, &copy->text_room, copy->text_bytes + bytes, 1);
		if (!text)
			return false;
		memcpy(text + copy->text_bytes, name, bytes);
		copy->text = text;
		copy->last_name = name;
		copy->last_file = copy->text_bytes;
		copy->text_bytes += bytes;
	}
	*file = copy->last_file;
	return true;
}

static bool copy_entry(struct copy *copy, const struct systrace_entry *e, uint64_t seq)
{
	struct item *items = grow(copy->items, &copy->room, copy->nr + 1, sizeof(*items));
	struct item *item;

	if (!items)
		return false;
	copy->items = items;
	item = &items[copy->nr++];
	*item = (struct item){ .up = NONE, .below = NONE, .next = NONE };
	return copy_name(copy, systrace_entry_state(e, seq, &item->state), &item->file);
}

/* All that was there after the event *seq */
static bool copy_all(const struct systrace_tasks *tasks, struct copy *copy, uint64_t *seq)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;
	bool fits = true;

	*seq = systrace_tasks_read_begin(tasks);
	cds_lfht_first(tasks->table, &iter);
	while (fits && (node = cds_lfht_iter_get_node(&iter))) {
		const struct systrace_entry *e = caa_container_of(node, struct systrace_entry, node);

		if (systrace_entry_visible(e, *seq))
			fits = copy_entry(copy, e, *seq);
		cds_lfht_next(tasks->table, &iter);
	}
	systrace_tasks_read_end(tasks);
	return fits;
}

/* --------------------------------------------------------------- linking --- */

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_age(const void *a, const void *b)
{
	const struct systrace_task_state *x = &((const struct item *)a)->state;
	const struct systrace_task_state *y = &((const struct item *)b)->state;
	int order = compare(x->start, y->start);

	if (!order)
		order = compare(x->id, y->id);
	return order ? order : compare(x->tid, y->tid);
}

static int by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int order = compare(x->key, y->key);

	return order ? order : compare(x->item, y->item);
}

static bool find_leaders(struct copy *copy)
{
	copy->by_process = calloc(copy->nr + 1, sizeof(*copy->by_process));
	copy->by_tgid = calloc(copy->nr + 1, sizeof(*copy->by_tgid));
	copy->order = calloc(copy->nr + 1, sizeof(*copy->order));
	if (!copy->by_process || !copy->by_tgid || !copy->order)
		return false;
	for (size_t i = 0; i < copy->nr; i++) {
		const struct item *item = &copy->items[i];

		if (!leads(item))
			continue;
		copy->by_process[copy->nr_leaders] = (struct key){ item->state.process, i };
		copy->by_tgid[copy->nr_leaders++] = (struct key){ item->state.tgid, i };
	}
	qsort(copy->by_process, copy->nr_leaders, sizeof(*copy->by_process), by_key);
	qsort(copy->by_tgid, copy->nr_leaders, sizeof(*copy->by_tgid), by_key);
	return true;
}

/* The one that has it; one that is there, if two have had it. */
static size_t leader(const struct copy *copy, const struct key *keys, uint64_t key)
{
	size_t first = 0, end = copy->nr_leaders, found = NONE;

	if (!key)
		return NONE;
	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (keys[middle].key < key)
			first = middle + 1;
		else
			end = middle;
	}
	for (; first < copy->nr_leaders && keys[first].key == key; first++)
		if (found == NONE || is_there(&copy->items[keys[first].item]))
			found = keys[first].item;
	return found;
}

/* Where its id is not known, or theirs was not when it began, a number that is in use tells. */
static size_t over(const struct copy *copy, const struct item *item)
{
	const struct systrace_task_state *state = &item->state;
	uint64_t process = leads(item) ? state->parent : state->process;
	size_t up = leader(copy, copy->by_process, process);

	if (process)
		return up;
	up = leader(copy, copy->by_tgid, leads(item) ? state->ppid : state->tgid);
	return up == NONE || is_there(&copy->items[up]) ? up : NONE;
}

/* Threads first, then processes, the oldest first: so the last one goes in first. */
static void hang(struct copy *copy, bool processes)
{
	for (size_t i = copy->nr; i--;) {
		struct item *item = &copy->items[i];

		if (!item->shown || item->up == NONE || leads(item) != processes)
			continue;
		item->next = copy->items[item->up].below;
		copy->items[item->up].below = i;
	}
}

static void link_items(struct copy *copy, unsigned flags)
{
	for (size_t i = 0; i < copy->nr; i++) {
		struct item *item = &copy->items[i];

		item->up = over(copy, item);
		item->shown |= (is_there(item) || flags & SYSTRACE_TREE_ENDED) &&
			       (leads(item) || flags & SYSTRACE_TREE_THREADS);
		/* A process is there as long as any of its threads. */
		if (!leads(item) && is_there(item) && item->up != NONE)
			copy->items[item->up].shown = true;
	}
	for (size_t i = 0; i < copy->nr; i++) {
		struct item *item = &copy->items[i];

		if (item->up != NONE && !copy->items[item->up].shown)
			item->up = NONE;
	}
	hang(copy, true);
	hang(copy, false);
}

/* --------------------------------------------------------------- the order --- */

/* From that one on, the first that has no place yet: where numbers were lost they may lead around in a circle. */
static size_t undone(const struct copy *copy, size_t i)
{
	while (i != NONE && copy->items[i].done)
		i = copy->items[i].next;
	return i;
}

/* The next one beside it, or beside what it hangs under, up to the root; or NONE */
static size_t beside(const struct copy *copy, size_t i, size_t root, uint32_t *depth)
{
	for (; i != root; i = copy->items[i].up, --*depth) {
		size_t next = undone(copy, copy->items[i].next);

		if (next != NONE)
			return next;
	}
	return NONE;
}

/* One and all below it */
static void write_down(struct copy *copy, size_t root)
{
	uint32_t depth = 0;
	size_t i = root;

	while (i != NONE) {
		struct item *item = &copy->items[i];
		size_t below;

		item->done = true;
		item->state.depth = depth;
		copy->order[copy->nr_ordered++] = i;
		below = undone(copy, item->below);
		depth += below != NONE;
		i = below != NONE ? below : beside(copy, i, root, &depth);
	}
}

static void write_all(struct copy *copy)
{
	for (size_t i = 0; i < copy->nr; i++)
		if (copy->items[i].shown && copy->items[i].up == NONE)
			write_down(copy, i);
	for (size_t i = 0; i < copy->nr; i++)
		if (copy->items[i].shown && !copy->items[i].done)
			write_down(copy, i);
}

/* Who has the number, or the last one of those that had it */
static bool write_from(struct copy *copy, uint32_t tid)
{
	size_t root = NONE;

	for (size_t i = copy->nr; i-- && (root == NONE || !is_there(&copy->items[root]));)
		if (copy->items[i].state.tid == tid && copy->items[i].shown &&
		    (root == NONE || is_there(&copy->items[i])))
			root = i;
	if (root == NONE)
		return false;
	write_down(copy, root);
	return true;
}

/* States, and their names behind them */
static int give(const struct copy *copy, struct systrace_task_state **states)
{
	const size_t bytes = copy->nr_ordered * sizeof(**states);
	struct systrace_task_state *to = malloc(bytes + copy->text_bytes + 1);
	char *text;

	if (!to)
		return -ENOMEM;
	text = (char *)to + bytes;
	if (copy->text_bytes)
		memcpy(text, copy->text, copy->text_bytes);
	for (size_t i = 0; i < copy->nr_ordered; i++) {
		const struct item *item = &copy->items[copy->order[i]];

		to[i] = item->state;
		to[i].file = text + item->file;
	}
	*states = to;
	return (int)copy->nr_ordered;
}

static int write_tree(struct copy *copy, pid_t root, unsigned flags, struct systrace_task_state **states)
{
	if (copy->nr)
		qsort(copy->items, copy->nr, sizeof(*copy->items), by_age);
	if (!find_leaders(copy))
		return -ENOMEM;
	link_items(copy, flags);
	if (!root)
		write_all(copy);
	else if (!write_from(copy, (uint32_t)root))
		return -ESRCH;
	return give(copy, states);
}

static int copy_ancestors(const struct systrace_tasks *tasks, pid_t tid, struct copy *copy, uint64_t *seq)
{
	const struct systrace_entry *e;
	bool fits = true;

	*seq = systrace_tasks_read_begin(tasks);
	for (e = systrace_entry_find(tasks, (uint32_t)tid, 0, *seq); fits && e;
	     e = systrace_entry_parent(tasks, e, *seq))
		fits = copy_entry(copy, e, *seq);
	systrace_tasks_read_end(tasks);
	if (!fits)
		return -ENOMEM;
	return copy->nr ? 0 : -ESRCH;
}

int systrace_tasks_ancestors(const struct systrace_tasks *tasks, pid_t tid, struct systrace_task_state **states,
			     uint64_t *seq)
{
	struct copy copy = { 0 };
	uint64_t as_of;
	int ret = copy_ancestors(tasks, tid, &copy, &as_of);

	if (!ret) {
		copy.order = calloc(copy.nr, sizeof(*copy.order));
		ret = copy.order ? 0 : -ENOMEM;
	}
	if (!ret) {
		for (; copy.nr_ordered < copy.nr; copy.nr_ordered++) {
			copy.order[copy.nr_ordered] = copy.nr_ordered;
			copy.items[copy.nr_ordered].state.depth = (uint32_t)(copy.nr - 1 - copy.nr_ordered);
		}
		ret = give(&copy, states);
	}
	copy_free(&copy);
	if (ret >= 0 && seq)
		*seq = as_of;
	return ret;
}

int systrace_tasks_tree(const struct systrace_tasks *tasks, pid_t root, unsigned flags,
			struct systrace_task_state **states, uint64_t *seq)
{
	struct copy copy = { 0 };
	uint64_t as_of;
	int ret = -ENOMEM;

	if (flags & ~(unsigned)(SYSTRACE_TREE_THREADS | SYSTRACE_TREE_ENDED))
		return -EINVAL;
	if (copy_all(tasks, &copy, &as_of))
		ret = write_tree(&copy, root, flags, states);
	copy_free(&copy);
	if (ret >= 0 && seq)
		*seq = as_of;
	return ret;
}
