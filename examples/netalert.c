// SPDX-License-Identifier: MIT
/*
 * netalert CMD [ARG]...: a line for each time that a program, or anything that it starts, connects, listens, accepts or
 * sends: how that went, who did it, and who had started that. Ends as the program does.
 *
 * Only such calls are recorded, so the programs pay for no other. What is seen is calls: the address is in the program's
 * memory, and what goes through io_uring makes no call of its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systrace.h>

/* A 32-bit program may do all of that by socketcall, whose first argument says what it is. */
#define WORDS	"connect,bind,listen,accept,accept4,sendto,sendmsg,sendmmsg,i386:socketcall"

static struct systrace *st;
static struct systrace_tasks *tasks;

static const char *socketcall_name(unsigned call)
{
	static const char *const names[] = {
		[2] = "bind", [3] = "connect", [4] = "listen", [5] = "accept", [11] = "sendto",
		[16] = "sendmsg", [18] = "accept4", [20] = "sendmmsg",
	};

	return call < sizeof(names) / sizeof(names[0]) ? names[call] : NULL;
}

/* What each task is in the middle of: numbers of a socketcall are in its ENTER only. */
static struct pending {
	unsigned tid, call;
} *pending;
static size_t nr_pending;

static void begin_socketcall(const struct systrace_enter *enter)
{
	struct pending *more;

	for (size_t i = 0; i < nr_pending; i++) {
		if (pending[i].tid != enter->event.tid)
			continue;
		pending[i].call = (unsigned)enter->args[0];
		return;
	}
	more = realloc(pending, (nr_pending + 1) * sizeof(*pending));
	if (!more) {
		fprintf(stderr, "netalert: no memory\n");
		exit(125);
	}
	pending = more;
	pending[nr_pending++] = (struct pending){ enter->event.tid, (unsigned)enter->args[0] };
}

static unsigned end_socketcall(unsigned tid)
{
	for (size_t i = 0; i < nr_pending; i++) {
		unsigned call = pending[i].call;

		if (pending[i].tid != tid)
			continue;
		pending[i] = pending[--nr_pending];
		return call;
	}
	return 0;
}

static const char *call_name(const struct systrace_return *ret)
{
	const char *name = systrace_syscall_name(systrace_abi(&ret->event), ret->nr);

	if (name && !strcmp(name, "socketcall"))
		return socketcall_name(end_socketcall(ret->event.tid));
	return name;
}

static void print_who(unsigned tid)
{
	char comm[4 * SYSTRACE_COMM_BYTES + 1], file[4 * SYSTRACE_FILE_BYTES + 1];	/* all may be escaped */
	struct systrace_task_state *states;
	int n = systrace_tasks_ancestors(tasks, (pid_t)tid, &states, NULL);

	for (int i = 0; i < n; i++)
		printf("%s%s (%s, process %u)", i ? " <- " : ": ",
		       systrace_escape(states[i].comm, comm, sizeof(comm)),
		       systrace_escape(states[i].file, file, sizeof(file)), states[i].tgid);
	if (n > 0)
		free(states);
	printf("\n");
}

static void alert(const struct systrace_return *ret)
{
	const char *name = call_name(ret);
	int error = systrace_error(&ret->event);

	if (!name)	/* another socketcall */
		return;
	if (error)
		printf("%s failed with %s", name, systrace_errno_name(error));
	else
		printf("%s: %lld", name, (long long)ret->result);
	print_who(ret->event.tid);
	fflush(stdout);
}

static void say_lost(const struct systrace_lost *lost)
{
	printf("%llu events were lost\n", (unsigned long long)lost->count);
	fflush(stdout);
}

static int look_at(const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;

	if (e->type == SYSTRACE_RETURN)
		alert((const void *)e);
	else if (e->type == SYSTRACE_LOST)
		say_lost((const void *)e);
	else if (e->type == SYSTRACE_ENTER && systrace_abi(e) == SYSTRACE_ABI_I386 &&
		 enter->nr == systrace_syscall_number(SYSTRACE_ABI_I386, "socketcall") && enter->nargs)
		begin_socketcall(enter);
	return systrace_tasks_update(tasks, st, e);
}

static int watch(void)
{
	const struct systrace_event *e;
	int ret;

	while ((ret = systrace_wait(st, -1)) == 1) {
		while ((e = systrace_next(st))) {
			ret = look_at(e);
			if (ret)
				return ret;
		}
		systrace_release(st);
	}
	return ret == -ECHILD ? 0 : ret;	/* nobody left, all is read */
}

static void say(void *unused, const char *text)
{
	(void)unused;
	fprintf(stderr, "netalert: %s\n", text);
}

/* What is lost would be an alert: rather let the programs wait. */
static int begin(void)
{
	const struct systrace_options options = {
		.size = sizeof(options), .full = SYSTRACE_FULL_BLOCK, .log = say,
	};
	struct systrace_rule *rules;
	int ret = systrace_open(&st, &options), n;

	if (ret)
		return ret;
	n = systrace_rules(&rules, WORDS, NULL);
	if (n < 0)
		return n;
	ret = systrace_policy(st, rules, (unsigned)n);
	free(rules);
	return ret ? ret : systrace_tasks_new(&tasks, NULL);
}

int main(int argc, char **argv)
{
	int ret, status = 0;
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: netalert CMD [ARG]...\n");
		return 125;
	}
	signal(SIGCHLD, SIG_DFL);	/* or there is no status */
	ret = begin();
	if (!ret)
		ret = systrace_spawn(st, &pid, argv[1], argv + 1, NULL);
	if (!ret) {
		ret = watch();
		waitpid(pid, &status, 0);
	}
	if (ret)
		fprintf(stderr, "netalert: %s: %s\n", argv[1], strerror(-ret));
	systrace_tasks_free(tasks);
	systrace_close(st);
	free(pending);
	if (ret)
		return 125;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
