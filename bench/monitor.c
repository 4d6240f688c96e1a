// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * monitor drop|block CMD [ARG]...: traces CMD and its descendants, looks at each event as a monitor
 * would, and says on standard error how many there were and how many were lost.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <systrace.h>

static const struct systrace_options options = {
	.size = sizeof(options), .ring_bytes = 4 << 20, .watermark = 64 << 10, .latency_us = 100000,
};

static int fail(const char *what, int error)
{
	fprintf(stderr, "monitor: %s: %s\n", what, strerror(error));
	return 125;
}

int main(int argc, char **argv)
{
	struct systrace_options opts = options;
	unsigned long events = 0, calls[1024] = { 0 };
	const struct systrace_event *e;
	struct systrace_stats stats;
	int ret, status, nr;
	struct systrace *st;
	__u64 lost = 0;
	pid_t pid;

	if (argc < 3 || (strcmp(argv[1], "drop") && strcmp(argv[1], "block"))) {
		fprintf(stderr, "usage: monitor drop|block CMD [ARG]...\n");
		return 2;
	}
	opts.full = argv[1][0] == 'b' ? SYSTRACE_FULL_BLOCK : SYSTRACE_FULL_DROP;
	ret = systrace_open(&st, &opts);
	if (ret)
		return fail("cannot begin", -ret);
	ret = systrace_spawn(st, &pid, argv[2], argv + 2, NULL);
	if (ret)
		return fail(argv[2], -ret);
	while ((ret = systrace_wait(st, -1)) == 1) {
		while ((e = systrace_next(st))) {
			events++;
			nr = ((const struct systrace_enter *)e)->nr;
			if (e->type == SYSTRACE_ENTER && nr >= 0 && nr < 1024)
				calls[nr]++;
		}
		systrace_release(st);
	}
	if (ret != -ECHILD || systrace_stats(st, -1, &stats))
		return fail("cannot read on", ret < 0 ? -ret : errno);
	for (int cause = 0; cause < SYSTRACE_LOST_CAUSES; cause++)
		lost += stats.lost[cause];
	fprintf(stderr, "monitor: %lu events, %llu lost\n", events, (unsigned long long)lost);
	systrace_close(st);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
