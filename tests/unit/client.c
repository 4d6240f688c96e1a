// SPDX-License-Identifier: MIT
/* As a program of somebody who has only what is installed: C and C++. */
#include <stdio.h>
#include <string.h>
#include <systrace.h>
#include <systrace/ring.h>

static int look_at(struct systrace *st)
{
	const struct systrace_event *e;
	int ret;

	while ((ret = systrace_wait(st, 0)) == 1) {
		while ((e = systrace_next(st)) != NULL)
			printf("%llu\n", (unsigned long long)systrace_time(st, e));
		systrace_release(st);
	}
	return ret;
}

int main(void)
{
	struct systrace_options opts;
	struct systrace *st = NULL;
	int ret;

	memset(&opts, 0, sizeof(opts));
	opts.size = sizeof(opts);
	ret = systrace_open(&st, &opts);
	if (ret == 0)
		ret = look_at(st);
	systrace_close(st);
	printf("%s %d\n", systrace_syscall_name(SYSTRACE_ABI_X86_64, 0), ret);
	return ret > 0;
}
