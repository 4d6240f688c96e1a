// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes each number that there is for a device like ours, so that nobody else gets one; -E2BIG
 * if there are more than that (since Linux 6.2).
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#define MAX	200

static const struct file_operations fops = { .owner = THIS_MODULE };
static struct miscdevice devices[MAX];
static char names[MAX][16];
static int nr;

static void crowd_exit(void)
{
	while (nr--)
		misc_deregister(&devices[nr]);
}

static int __init crowd_init(void)
{
	for (; nr < MAX; nr++) {
		snprintf(names[nr], sizeof(names[nr]), "crowd%d", nr);
		devices[nr].minor = MISC_DYNAMIC_MINOR;
		devices[nr].name = names[nr];
		devices[nr].fops = &fops;
		if (misc_register(&devices[nr]))
			return 0;
	}
	crowd_exit();
	return -E2BIG;
}

module_init(crowd_init);
module_exit(crowd_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("No number for a device is left");
