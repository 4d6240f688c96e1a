/* SPDX-License-Identifier: GPL-2.0-or-later */
/* systrace-dump: what its parts know of each other. */
#ifndef SYSTRACE_EXAMPLES_DUMP_H
#define SYSTRACE_EXAMPLES_DUMP_H

#include <stdbool.h>
#include <systrace.h>

/* Exit statuses that are not CMD's, as env(1), nice(1) and others have them. */
#define DUMP_FAILED		125
#define DUMP_NOT_EXECUTABLE	126
#define DUMP_NOT_FOUND		127

/* "systrace-dump: ..." and a newline on standard error, as one write. */
void systrace_dump_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, then exit with DUMP_FAILED. */
void systrace_dump_die(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* --------------------------------------------------------------- options --- */

struct systrace_dump_options {
	const char *output;		/* NULL: standard output */
	struct systrace_options session;
	bool raw;			/* -x: arguments as numbers */
	bool full_given;		/* -F: session.full is no default */
	char *words;			/* NULL: no -e */
	struct systrace_rule *rules;
	unsigned nr_rules;
	pid_t *pids;
	unsigned nr_pids;
	char **cgroups;			/* their folders */
	unsigned nr_cgroups;
	char **cmd;			/* NULL: none */
};

/* Exits on -h, on --info and on what it cannot understand. */
void systrace_dump_parse(struct systrace_dump_options *o, int argc, char **argv);
void systrace_dump_free(struct systrace_dump_options *o);

/* Prints what INFO says; exits if there is none. */
void systrace_dump_info(void);

/* ---------------------------------------------------------------- output --- */

#define DUMP_WRITE_BYTES	65536

struct systrace_dump_output {
	int fd;
	const char *name;	/* for messages */
	bool failed;		/* said once; nothing is written any more */
	size_t length;
	char buffer[DUMP_WRITE_BYTES + SYSTRACE_FORMAT_BYTES];
};

void systrace_dump_create(struct systrace_dump_output *out, const char *path);

/* Write all of the buffer; waits for the descriptor if it must. */
void systrace_dump_flush(struct systrace_dump_output *out);

/* ------------------------------------------------------ CMD and signals --- */

/*
 * Handlers, which CMD does not inherit. While CMD runs, SIGINT, SIGQUIT, SIGTERM and SIGHUP
 * are passed to it, unless the terminal has sent them to both. Otherwise these end
 * the trace: everything is detached. A second one kills.
 */
void systrace_dump_catch(struct systrace *st, bool cmd_follows);

/* CMD runs. Its status is kept as soon as it ends. */
void systrace_dump_adopt(pid_t cmd);

/* The session is about to be closed. */
void systrace_dump_forget(void);

/* One of the signals has ended the trace. */
bool systrace_dump_stopped(void);

/* Wait for CMD's end; its status as wait(2) has it. */
int systrace_dump_join(void);

/* End as CMD has ended. */
void systrace_dump_exit_like(int status) __attribute__((noreturn));

#endif
