// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells how often each part of a driver ran that was built with gcc's -fprofile-arcs: what
 * CONFIG_GCOV_KERNEL is for, for kernels without it.
 *
 * gcc gives each object a structure with its counters, and in it a pointer to the function
 * that would merge them, which is ours: so we find the structures by that, when the driver
 * goes or the file is read. What a driver had counted when it went is kept and added to.
 *
 * /sys/kernel/debug/gcov has for each object "object FILE VERSION STAMP CHECKSUM", then for
 * each function "function IDENT LINES GRAPH COUNTER...", from which tests/coverage makes
 * what gcov reads. For gcc 12 and 13, and for kernels whose modules have a core_layout.
 */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#define DRIVER	"systrace"

/* gcc's, of which the first kind of counter is the one that we have */
struct gcov_counters {
	unsigned int nr;
	u64 *value;
};

struct gcov_function {
	const void *key;
	unsigned int ident;
	unsigned int lines;
	unsigned int graph;
	struct gcov_counters counters;
};

struct gcov_info {
	unsigned int version;
	struct gcov_info *next;
	unsigned int stamp;
	unsigned int checksum;
	const char *file;
	void *merge[8];			/* functions, one for each kind of counter */
	unsigned int nr_functions;
	struct gcov_function **functions;
};

void __gcov_merge_add(u64 *value, unsigned int nr)
{
}
EXPORT_SYMBOL(__gcov_merge_add);

void __gcov_init(struct gcov_info *info)
{
}
EXPORT_SYMBOL(__gcov_init);

void __gcov_exit(void)
{
}
EXPORT_SYMBOL(__gcov_exit);

/* The counters of an object in a driver that has gone, in the order of its functions. */
struct kept {
	struct list_head node;
	char file[32];			/* without its folder, a copy: the driver's goes */
	u64 value[];
};

static LIST_HEAD(all_kept);
static struct module *driver;	/* while it is there */
static DEFINE_MUTEX(mutex);
static struct dentry *file;

static struct kept *find(const struct gcov_info *info)
{
	struct kept *kept;

	list_for_each_entry(kept, &all_kept, node)
		if (!strcmp(kept->file, kbasename(info->file)))
			return kept;
	return NULL;
}

/* The next in the driver's memory, from there on. */
static struct gcov_info *next_info(struct gcov_info *info)
{
	unsigned long *at = info ? (unsigned long *)info->merge + 1 : driver->core_layout.base;
	unsigned long *end = driver->core_layout.base + driver->core_layout.size;

	for (; at < end; at++)	/* also over what KASAN forbids */
		if (READ_ONCE_NOCHECK(*at) == (unsigned long)__gcov_merge_add)
			return container_of((void *)at, struct gcov_info, merge[0]);
	return NULL;
}

#define for_each_info(info) \
	for (info = driver ? next_info(NULL) : NULL; info; info = next_info(info))

static unsigned int count(const struct gcov_info *info)
{
	unsigned int i, nr = 0;

	for (i = 0; i < info->nr_functions; i++)
		nr += info->functions[i]->counters.nr;
	return nr;
}

static struct kept *make(const struct gcov_info *info)
{
	struct kept *kept = kvzalloc(struct_size(kept, value, count(info)), GFP_KERNEL);

	if (WARN_ON(!kept))	/* fails the test */
		return NULL;
	strscpy(kept->file, kbasename(info->file), sizeof(kept->file));
	list_add(&kept->node, &all_kept);
	return kept;
}

static void keep(const struct gcov_info *info)
{
	struct kept *kept = find(info) ?: make(info);
	unsigned int i, j, at = 0;

	for (i = 0; kept && i < info->nr_functions; i++)
		for (j = 0; j < info->functions[i]->counters.nr; j++)
			kept->value[at++] += info->functions[i]->counters.value[j];
}

/* After the driver's exit, or when it has failed to begin. */
static int notify(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *module = data;
	struct gcov_info *info;

	if (strcmp(module->name, DRIVER))
		return NOTIFY_DONE;
	mutex_lock(&mutex);
	if (state == MODULE_STATE_COMING)
		driver = module;
	if (state == MODULE_STATE_GOING) {
		for_each_info(info)
			keep(info);
		driver = NULL;
	}
	mutex_unlock(&mutex);
	return NOTIFY_DONE;
}

static struct notifier_block block = { .notifier_call = notify };

static void show_object(struct seq_file *out, const struct gcov_info *info)
{
	const struct kept *kept = find(info);
	const struct gcov_function *f;
	unsigned int i, j, at = 0;

	seq_printf(out, "object %s %u %u %u\n", info->file, info->version, info->stamp,
		   info->checksum);
	for (i = 0; i < info->nr_functions; i++) {
		f = info->functions[i];
		seq_printf(out, "function %u %u %u", f->ident, f->lines, f->graph);
		for (j = 0; j < f->counters.nr; j++, at++)
			seq_printf(out, " %llu",
				   f->counters.value[j] + (kept ? kept->value[at] : 0));
		seq_puts(out, "\n");
	}
}

static int gcov_show(struct seq_file *out, void *data)
{
	struct gcov_info *info;

	mutex_lock(&mutex);
	for_each_info(info)
		show_object(out, info);
	mutex_unlock(&mutex);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gcov);

static int __init gcov_init(void)
{
	int err = register_module_notifier(&block);

	if (!err)
		file = debugfs_create_file("gcov", 0400, NULL, NULL, &gcov_fops);
	return err;
}

static void __exit gcov_exit(void)
{
	struct kept *kept, *next;

	debugfs_remove(file);
	unregister_module_notifier(&block);
	list_for_each_entry_safe(kept, next, &all_kept, node)
		kvfree(kept);
}

module_init(gcov_init);
module_exit(gcov_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Coverage of a driver, without the kernel's help");
