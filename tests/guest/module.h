/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading and unloading the driver. */
#ifndef SYSTRACE_TESTS_MODULE_H
#define SYSTRACE_TESTS_MODULE_H

#include <sys/syscall.h>

#include "tap.h"

#define MODULE	"systrace.ko"

TAP long module_unload(void)
{
	return syscall(SYS_delete_module, "systrace", O_NONBLOCK);
}

TAP long module_load_file(const char *name, const char *parameters)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	long ret = fd < 0 ? -1 : syscall(SYS_finit_module, fd, parameters, 0);

	close(fd);
	return ret;
}

TAP long module_load(void)
{
	return module_load_file(MODULE, "");
}

TAP long module_references(void)
{
	FILE *file = fopen("/sys/module/systrace/refcnt", "r");
	long n = -1;

	if (!file || fscanf(file, "%ld", &n) != 1)
		tap_bail("refcnt");
	fclose(file);
	return n;
}

#endif
