// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One line of text for one event, written by hand since printf takes several
 * times as long as all else that is done for an event.
 *
 * Names come from the traced program. Whatever is not a plain visible character
 * is escaped, so that no name can end a line or a field and forge the next.
 */
#include <string.h>
#include <sys/wait.h>

#include "format.h"

/* ------------------------------------------------------- words, numbers --- */

static char *put(char *p, const char *word)
{
	size_t length = strlen(word);

	memcpy(p, word, length);
	return p + length;
}

static char *put_unsigned(char *p, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	memcpy(p, digits + i, sizeof(digits) - i);
	return p + sizeof(digits) - i;
}

static char *put_signed(char *p, int64_t n)
{
	if (n >= 0)
		return put_unsigned(p, (uint64_t)n);
	*p++ = '-';
	return put_unsigned(p, -(uint64_t)n);
}

static char *put_hex(char *p, uint64_t n)
{
	int shift = n ? (63 - __builtin_clzll(n)) / 4 * 4 : 0;

	p = put(p, "0x");
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[n >> shift & 15];
	return p;
}

static char *put_field(char *p, const char *name, uint64_t n)
{
	return put_unsigned(put(p, name), n);
}

/* A string that ends at a NUL or after max bytes. */
static char *put_name(char *p, const char *name, size_t max)
{
	for (size_t i = 0; i < max && name[i]; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c > 0x20 && c < 0x7f && c != '\\') {
			*p++ = (char)c;
			continue;
		}
		*p++ = '\\';
		*p++ = 'x';
		*p++ = "0123456789abcdef"[c >> 4];
		*p++ = "0123456789abcdef"[c & 15];
	}
	return p;
}

static char *put_comm(char *p, const char *comm)
{
	return put_name(put(p, " comm="), comm, SYSTRACE_COMM_BYTES);
}

static char *put_file(char *p, const char *field, const struct systrace_event *event)
{
	return put_name(put(p, field), systrace_file(event), SYSTRACE_FILE_BYTES);
}

/* SECONDS.NANOSECONDS */
static char *put_time(char *p, uint64_t ns)
{
	uint64_t fraction = ns % 1000000000;

	p = put_unsigned(p, ns / 1000000000);
	*p++ = '.';
	for (uint64_t digit = 100000000; digit; digit /= 10)
		*p++ = (char)('0' + fraction / digit % 10);
	return p;
}

/* ----------------------------------------------------------------- types --- */

static char *put_call(char *p, const struct systrace_event *event, int nr)
{
	unsigned abi = systrace_abi(event);
	const char *name = systrace_syscall_name(abi, nr);

	if (abi == SYSTRACE_ABI_I386)
		p = put(p, "i386:");
	else if (abi == SYSTRACE_ABI_X32)
		p = put(p, "x32:");
	else if (abi == SYSTRACE_ABI_ARM)
		p = put(p, "arm:");
	if (name)
		return put(p, name);
	return put_hex(put(p, "syscall_"), (uint32_t)nr);
}

static char *put_enter(char *p, const struct systrace_enter *enter)
{
	size_t room = (enter->event.size - offsetof(struct systrace_enter, args)) / sizeof(__u64);

	p = put_call(put(p, " ENTER "), &enter->event, enter->nr);
	*p++ = '(';
	for (size_t i = 0; i < enter->nargs && i < room && i < SYSTRACE_ARGS; i++)
		p = put_hex(i ? put(p, ", ") : p, enter->args[i]);
	*p++ = ')';
	return p;
}

static char *put_return(char *p, const struct systrace_return *ret)
{
	const char *name = NULL;

	p = put_call(put(p, " RETURN "), &ret->event, ret->nr);
	p = put_signed(put(p, " = "), ret->result);
	if (ret->result < 0 && ret->result >= -4095)
		name = systrace_errno_name((int)-ret->result);
	return name ? put(put(p, " "), name) : p;
}

static char *put_task(char *p, const struct systrace_task *task)
{
	p = put_field(put(p, " TASK"), " tgid=", task->tgid);
	p = put_field(p, " ppid=", task->ppid);
	return put_file(put_comm(p, task->comm), " exe=", &task->event);
}

static char *put_fork(char *p, const struct systrace_fork *fork)
{
	p = put_field(put(p, " FORK"), " child=", fork->child);
	p = put_field(p, " tgid=", fork->tgid);
	return put_hex(put(p, " flags="), fork->clone_flags);
}

static char *put_exec(char *p, const struct systrace_exec *exec)
{
	p = put_field(put(p, " EXEC"), " oldtid=", exec->oldtid);
	return put_file(put_comm(p, exec->comm), " file=", &exec->event);
}

static char *put_exit(char *p, const struct systrace_exit *exit)
{
	int code = (int)exit->code;

	p = put(p, " EXIT");
	if (WTERMSIG(code))
		return put_field(p, " signal=", (uint64_t)WTERMSIG(code));
	return put_field(p, " status=", (uint64_t)WEXITSTATUS(code));
}

static char *put_signal(char *p, const struct systrace_signal *signal)
{
	p = put_signed(put(p, " SIGNAL signo="), signal->signo);
	return put_signed(put(p, " code="), signal->code);
}

static char *put_lost(char *p, const struct systrace_lost *lost)
{
	p = put_field(put(p, " LOST"), " count=", lost->count);
	p = put(put(p, " cause="), systrace_cause_name(lost->cause));
	return put_field(p, " cpu=", lost->cpu);
}

static char *put_detach(char *p, const struct systrace_detach *detach)
{
	return put(put(p, " DETACH reason="), systrace_reason_name(detach->reason));
}

/* ------------------------------------------------------------------ line --- */

static size_t least_size(unsigned type)
{
	static const size_t sizes[] = {
		[SYSTRACE_ENTER] = offsetof(struct systrace_enter, args),
		[SYSTRACE_RETURN] = sizeof(struct systrace_return),
		[SYSTRACE_TASK] = sizeof(struct systrace_task),
		[SYSTRACE_FORK] = sizeof(struct systrace_fork),
		[SYSTRACE_EXEC] = sizeof(struct systrace_exec),
		[SYSTRACE_EXIT] = sizeof(struct systrace_exit),
		[SYSTRACE_SIGNAL] = sizeof(struct systrace_signal),
		[SYSTRACE_LOST] = sizeof(struct systrace_lost),
		[SYSTRACE_DETACH] = sizeof(struct systrace_detach),
	};

	return type < sizeof(sizes) / sizeof(sizes[0]) && sizes[type] ? sizes[type] : SIZE_MAX;
}

static char *put_event(char *p, const struct systrace_event *event)
{
	const void *record = event;

	switch (event->type) {
	case SYSTRACE_ENTER:
		return put_enter(p, record);
	case SYSTRACE_RETURN:
		return put_return(p, record);
	case SYSTRACE_TASK:
		return put_task(p, record);
	case SYSTRACE_FORK:
		return put_fork(p, record);
	case SYSTRACE_EXEC:
		return put_exec(p, record);
	case SYSTRACE_EXIT:
		return put_exit(p, record);
	case SYSTRACE_SIGNAL:
		return put_signal(p, record);
	case SYSTRACE_LOST:
		return put_lost(p, record);
	}
	return put_detach(p, record);
}

size_t systrace_format(char *to, const struct systrace_event *event, uint64_t time_ns)
{
	char *p = to;

	if (event->size < least_size(event->type))
		return 0;
	p = put_unsigned(p, event->seq);
	*p++ = ' ';
	p = put_time(p, time_ns);
	*p++ = ' ';
	p = put_event(put_unsigned(p, event->tid), event);
	*p++ = '\n';
	return (size_t)(p - to);
}
