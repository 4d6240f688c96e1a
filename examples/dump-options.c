// SPDX-License-Identifier: GPL-2.0-or-later
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump.h"

#define WATERMARK	(64 << 10)	/* bytes: enough for a big write */
#define LATENCY_US	20000		/* what a person does not notice */
#define CGROUPS		"/sys/fs/cgroup"
#define BLOCK_MS	10000		/* longest wait of a traced task with -F block */

enum { INFO = 256 };	/* an option that has no letter */

static const char usage[] =
"usage: systrace-dump [OPTION]... [--] CMD [ARG]...\n"
"       systrace-dump [OPTION]... -p PID | -g CGROUP\n"
"\n"
"Print the system calls and the life of CMD and all its descendants, a line for\n"
"each event, in exact order.\n"
"\n"
"  -o FILE      write the events to FILE, not to standard output\n"
"  -b BYTES     size of each CPU's ring: a power of two, may end in K or M\n"
"  -F POLICY    when a ring is full: block[:MSEC] has the traced tasks wait for us, at\n"
"               most so long (the default for CMD alone: 10000); drop loses the newest\n"
"               events and says how many (else the default); overwrite keeps\n"
"               the latest events, and prints them in the end\n"
"  -p PID       trace this process and all its descendants; may be repeated\n"
"  -g CGROUP    trace all in this cgroup, who will join it, and their descendants: its\n"
"               folder, or its name below " CGROUPS "; may be repeated\n"
"  -e NAME,...  only these system calls, or those of a class: %file, %network, %process,\n"
"               %memory, %signal, %ipc, %descriptor; with ! before it, all but those, or\n"
"               but those of what is named before; may be repeated\n"
"  -x           show arguments as the numbers that they are, not in words\n"
"  --info       show what the driver can do, and what tracing costs others now\n"
"  -h, --help   show this\n"
"\n"
"It ends as CMD has ended when none of these tasks and cgroups is left. Without\n"
"CMD, Ctrl-C ends it and leaves what it traced running. Its own failures exit with\n"
"125, 126 if CMD cannot be executed, 127 if it is not found.\n";

static void bad_usage(void) __attribute__((noreturn));
static void bad_usage(void)
{
	fputs(usage, stderr);
	exit(DUMP_FAILED);
}

static void *grow(void *array, size_t count, size_t size)
{
	array = reallocarray(array, count, size);
	if (!array)
		systrace_dump_die("%s", strerror(ENOMEM));
	return array;
}

static uint64_t parse_bytes(const char *text)
{
	unsigned long long n;
	unsigned shift = 0;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (*end == 'K' || *end == 'k')
		shift = 10;
	else if (*end == 'M' || *end == 'm')
		shift = 20;
	if (shift)
		end++;
	if (*text < '0' || *text > '9' || *end || errno || !n || n > ULLONG_MAX >> shift)
		systrace_dump_die("-b %s: not a size; try 1M", text);
	return n << shift;
}

static uint32_t parse_ms(const char *text)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || !n || n >= SYSTRACE_NO_TIMEOUT)
		systrace_dump_die("-F block:%s: not a time in milliseconds; try 1000", text);
	return (uint32_t)n;
}

static void parse_full(struct systrace_dump_options *o, const char *text)
{
	static const char *const names[] = {
		[SYSTRACE_FULL_DROP] = "drop",
		[SYSTRACE_FULL_OVERWRITE] = "overwrite",
		[SYSTRACE_FULL_BLOCK] = "block",
	};
	uint32_t i = 0;

	o->full_given = true;
	o->session.timeout_ms = 0;
	if (!strncmp(text, "block:", 6)) {
		o->session.full = SYSTRACE_FULL_BLOCK;
		o->session.timeout_ms = parse_ms(text + 6);
		return;
	}
	while (strcmp(text, names[i]))
		if (++i == sizeof(names) / sizeof(names[0]))
			systrace_dump_die("-F %s: not a policy; there are drop, overwrite and "
					  "block[:MSEC]", text);
	o->session.full = i;
}

/* A command waits for us rather than lose events; what runs already is not held up. */
static void choose_full(struct systrace_dump_options *o)
{
	if (!o->full_given && !o->nr_pids && !o->nr_cgroups)
		o->session.full = SYSTRACE_FULL_BLOCK;
	if (o->session.full == SYSTRACE_FULL_BLOCK && !o->session.timeout_ms)
		o->session.timeout_ms = BLOCK_MS;
}

static void add_pid(struct systrace_dump_options *o, const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || pid < 1 || pid > INT_MAX)
		systrace_dump_die("-p %s: not a process id", text);
	o->pids = grow(o->pids, o->nr_pids + 1, sizeof(*o->pids));
	o->pids[o->nr_pids++] = (pid_t)pid;
}

static void add_cgroup(struct systrace_dump_options *o, const char *name)
{
	char *path = NULL;

	if (asprintf(&path, "%s%s", *name == '/' ? "" : CGROUPS "/", name) < 0)
		systrace_dump_die("%s", strerror(ENOMEM));
	o->cgroups = grow(o->cgroups, o->nr_cgroups + 1, sizeof(*o->cgroups));
	o->cgroups[o->nr_cgroups++] = path;
}

/* Another -e goes on where the last one ended. */
static void add_words(struct systrace_dump_options *o, const char *more)
{
	size_t length = o->words ? strlen(o->words) + 1 : 0;

	o->words = grow(o->words, length + strlen(more) + 1, 1);
	if (length)
		o->words[length - 1] = ',';
	strcpy(o->words + length, more);
}

static void make_rules(struct systrace_dump_options *o)
{
	const char *bad;
	int n = systrace_rules(&o->rules, o->words, &bad);

	if (n == -EINVAL)
		systrace_dump_die("-e %.*s: no system call has that name, and %%network and its like "
				  "are of a class", (int)strcspn(bad, ","), bad);
	if (n < 0)
		systrace_dump_die("%s", strerror(-n));
	o->nr_rules = (unsigned)n;
}

__attribute__((noreturn))
static void told(void)
{
	if (fflush(stdout))
		systrace_dump_die("standard output: %s", strerror(errno));
	exit(0);
}

static void parse_option(struct systrace_dump_options *o, int option)
{
	switch (option) {
	case 'o':
		o->output = optarg;
		break;
	case 'b':
		o->session.ring_bytes = parse_bytes(optarg);
		break;
	case 'F':
		parse_full(o, optarg);
		break;
	case 'p':
		add_pid(o, optarg);
		break;
	case 'g':
		add_cgroup(o, optarg);
		break;
	case 'e':
		add_words(o, optarg);
		break;
	case 'x':
		o->raw = true;
		break;
	case INFO:
		systrace_dump_info();
		told();
	case 'h':
		fputs(usage, stdout);
		told();
	default:
		bad_usage();
	}
}

/* Wake up for enough to be worth it: the reader costs the machine less. */
static void set_wakeups(struct systrace_options *session)
{
	uint64_t half = session->ring_bytes / 2;

	session->watermark = half && half < WATERMARK ? (uint32_t)half : WATERMARK;
	session->latency_us = LATENCY_US;
}

void systrace_dump_parse(struct systrace_dump_options *o, int argc, char **argv)
{
	static const struct option words[] = {
		{ "help", no_argument, NULL, 'h' }, { "info", no_argument, NULL, INFO }, { 0 }
	};
	int option;

	*o = (struct systrace_dump_options){ .session.size = sizeof(o->session) };
	while ((option = getopt_long(argc, argv, "+o:b:F:p:g:e:xh", words, NULL)) != -1)
		parse_option(o, option);
	if (argv[optind])
		o->cmd = argv + optind;
	else if (!o->nr_pids && !o->nr_cgroups)
		bad_usage();
	if (o->words)
		make_rules(o);
	choose_full(o);
	set_wakeups(&o->session);
}

void systrace_dump_free(struct systrace_dump_options *o)
{
	free(o->words);
	free(o->rules);
	free(o->pids);
	while (o->nr_cgroups)
		free(o->cgroups[--o->nr_cgroups]);
	free(o->cgroups);
}
