// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One line of text for one event, written by hand since printf takes several
 * times as long as all else that is done for an event.
 *
 * Names come from the traced program. Whatever is not a plain visible character
 * is escaped, so that no name can end a line or a field and forge the next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>

#include "format.h"
#include "handle.h"
#include "words.h"

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

static char *put_escaped(char *p, char byte)
{
	unsigned char c = (unsigned char)byte;

	if (c > 0x20 && c < 0x7f && c != '\\') {
		*p++ = byte;
		return p;
	}
	*p++ = '\\';
	*p++ = 'x';
	*p++ = "0123456789abcdef"[c >> 4];
	*p++ = "0123456789abcdef"[c & 15];
	return p;
}

/* A string that ends at a NUL or after max bytes. */
static char *put_name(char *p, const char *name, size_t max)
{
	for (size_t i = 0; i < max && name[i]; i++)
		p = put_escaped(p, name[i]);
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

static char *put_octal(char *p, uint64_t n)
{
	int shift = n ? (63 - __builtin_clzll(n)) / 3 * 3 : -3;

	*p++ = '0';
	for (; shift >= 0; shift -= 3)
		*p++ = (char)('0' + (n >> shift & 7));
	return p;
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

/* --------------------------------------------------------------- arguments --- */

/* The words that it has, and what is left of it, with | between them */
static char *put_words(char *p, const struct systrace_word *w, uint64_t value)
{
	uint64_t covered = 0;
	char *begin = p;

	for (; w->name; w++) {
		if (w->mask ? (value & w->mask) != w->value || covered & w->mask : value != w->value)
			continue;
		p = put(p == begin ? p : put(p, "|"), w->name);
		covered |= w->mask ? w->mask : ~0ULL;
	}
	if (value & ~covered)
		return put_hex(p == begin ? p : put(p, "|"), value & ~covered);
	return p == begin ? put(p, "0") : p;
}

static char *put_signal_name(char *p, uint64_t signo)
{
	const char *name = signo <= 64 ? systrace_signal_name((int)signo) : NULL;

	return name ? put(p, name) : put_unsigned(p, signo);
}

/* What is in it; where most are, what is not. Without blanks, as all that is said of an argument */
static char *put_signal_set(char *p, uint32_t set)
{
	bool most = __builtin_popcount(set) > 16;
	char *begin;

	if (most) {
		set = ~set;
		*p++ = '~';
	}
	*p++ = '[';
	begin = p;
	for (; set; set &= set - 1)
		p = put_signal_name(p == begin ? p : put(p, "|"), (uint64_t)__builtin_ctz(set) + 1);
	*p++ = ']';
	return p;
}

static char *put_clone(char *p, uint64_t flags)
{
	char *begin = p;

	if (flags & ~0xffULL || !(flags & 0xff))
		p = put_words(p, systrace_words(SAY_CLONE), flags & ~0xffULL);
	if (flags & 0xff)
		p = put_signal_name(p == begin ? p : put(p, "|"), flags & 0xff);
	return p;
}

/* What is left of a register where the kernel takes 32 bits of it */
static uint64_t value_of(enum systrace_say say, uint64_t value)
{
	switch (say) {
	case SAY_HEX:
	case SAY_LONG:
	case SAY_SIZE:
	case SAY_CLONE:
	case SAY_MAP:
	case SAY_MOUNT:
	case SAY_PROT:
		return value;
	default:
		return (uint32_t)value;
	}
}

static char *put_argument(char *p, enum systrace_say say, uint64_t value, bool narrow)
{
	value = value_of(say, value);
	switch (say) {
	case SAY_HEX:
		return value ? put_hex(p, value) : put(p, "0");
	case SAY_SIGNED:
		return put_signed(p, (int32_t)value);
	case SAY_LONG:
		return put_signed(p, narrow ? (int32_t)value : (int64_t)value);
	case SAY_UNSIGNED:
	case SAY_SIZE:
		return put_unsigned(p, value);
	case SAY_OCTAL:
		return put_octal(p, value);
	case SAY_SIGNAL:
		return put_signal_name(p, value);
	case SAY_SIGNAL_SET:
		return put_signal_set(p, (uint32_t)value);
	case SAY_CLONE:
		return put_clone(p, value);
	case SAY_DIRFD:
		if ((int32_t)value != AT_FDCWD)
			return put_signed(p, (int32_t)value);
		break;
	default:
		break;
	}
	return put_words(p, systrace_words(say), value);
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

static char *put_enter(char *p, const struct systrace_enter *enter, bool raw)
{
	size_t room = (enter->event.size - offsetof(struct systrace_enter, args)) / sizeof(__u64);
	unsigned abi = systrace_abi(&enter->event);
	bool narrow = abi & (SYSTRACE_ABI_I386 | SYSTRACE_ABI_ARM);
	const unsigned char *said = systrace_said(abi, enter->nr);
	int known = systrace_syscall_nargs(abi, enter->nr);

	p = put_call(put(p, " ENTER "), &enter->event, enter->nr);
	*p++ = '(';
	for (unsigned i = 0; i < enter->nargs && i < room && i < SYSTRACE_ARGS; i++) {
		p = i ? put(p, ", ") : p;
		p = raw ? put_hex(p, enter->args[i]) :
			  put_argument(p, said && (int)i < known ? said[i] : SAY_HEX, enter->args[i], narrow);
	}
	*p++ = ')';
	return p;
}

/* Those that return an address */
static bool is_address(const struct systrace_return *ret)
{
	static const char *const calls[] = { "mmap", "mmap2", "mremap", "brk", "shmat" };
	unsigned abi = systrace_abi(&ret->event);
	const char *name;

	if (!(systrace_syscall_classes(abi, ret->nr) & (SYSTRACE_CLASS_MEMORY | SYSTRACE_CLASS_IPC)))
		return false;
	name = systrace_syscall_name(abi, ret->nr);

	for (size_t i = 0; name && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(name, calls[i]))
			return true;
	return false;
}

static char *put_return(char *p, const struct systrace_return *ret, bool raw)
{
	const char *name = NULL;

	p = put(put_call(put(p, " RETURN "), &ret->event, ret->nr), " = ");
	if (ret->result < 0 && ret->result >= -4095)
		name = systrace_errno_name((int)-ret->result);
	p = !raw && !name && is_address(ret) ? put_hex(p, (uint64_t)ret->result) :
					       put_signed(p, ret->result);
	return name ? put(put(p, " "), name) : p;
}

static char *put_signo(char *p, int signo, bool raw)
{
	return raw || signo < 0 ? put_signed(p, signo) : put_signal_name(p, (uint64_t)signo);
}

static char *put_task(char *p, const struct systrace_task *task)
{
	p = put_field(put(p, " TASK"), " tgid=", task->tgid);
	p = put_field(p, " ppid=", task->ppid);
	return put_file(put_comm(p, task->comm), " exe=", &task->event);
}

static char *put_fork(char *p, const struct systrace_fork *fork, bool raw)
{
	p = put_field(put(p, " FORK"), " child=", fork->child);
	p = put_field(p, " tgid=", fork->tgid);
	p = put(p, " flags=");
	return raw ? put_hex(p, fork->clone_flags) : put_clone(p, fork->clone_flags);
}

static char *put_exec(char *p, const struct systrace_exec *exec)
{
	p = put_field(put(p, " EXEC"), " oldtid=", exec->oldtid);
	return put_file(put_comm(p, exec->comm), " file=", &exec->event);
}

static char *put_exit(char *p, const struct systrace_exit *exit, bool raw)
{
	int code = (int)exit->code;

	p = put(p, " EXIT");
	if (WTERMSIG(code))
		return put_signo(put(p, " signal="), WTERMSIG(code), raw);
	return put_field(p, " status=", (uint64_t)WEXITSTATUS(code));
}

static char *put_signal(char *p, const struct systrace_signal *signal, bool raw)
{
	p = put_signo(put(p, " SIGNAL signo="), signal->signo, raw);
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

static char *put_event(char *p, const struct systrace_event *event, bool raw)
{
	const void *record = event;

	switch (event->type) {
	case SYSTRACE_ENTER:
		return put_enter(p, record, raw);
	case SYSTRACE_RETURN:
		return put_return(p, record, raw);
	case SYSTRACE_TASK:
		return put_task(p, record);
	case SYSTRACE_FORK:
		return put_fork(p, record, raw);
	case SYSTRACE_EXEC:
		return put_exec(p, record);
	case SYSTRACE_EXIT:
		return put_exit(p, record, raw);
	case SYSTRACE_SIGNAL:
		return put_signal(p, record, raw);
	case SYSTRACE_LOST:
		return put_lost(p, record);
	}
	return put_detach(p, record);
}

size_t systrace_format_line(char *to, const struct systrace_event *event, uint64_t time_ns, bool raw)
{
	char *p = to;

	if (!systrace_is_whole(event))
		return 0;
	p = put_unsigned(p, event->seq);
	*p++ = ' ';
	p = put_time(p, time_ns);
	*p++ = ' ';
	p = put_event(put_unsigned(p, event->tid), event, raw);
	return (size_t)(p - to);
}

int systrace_format(const struct systrace *st, const struct systrace_event *event, unsigned flags,
		    char *text, size_t size)
{
	size_t length;

	if (flags & ~SYSTRACE_FORMAT_RAW || size < SYSTRACE_FORMAT_BYTES)
		return -EINVAL;
	length = systrace_format_line(text, event, systrace_time(st, event), flags & SYSTRACE_FORMAT_RAW);
	text[length] = '\0';
	return length ? (int)length : -EINVAL;
}

const char *systrace_escape(const char *name, char *text, size_t size)
{
	size_t length = 0;

	if (!size)
		return "";
	for (; *name; name++) {
		char escaped[4];
		size_t n = (size_t)(put_escaped(escaped, *name) - escaped);

		if (n >= size - length)
			break;
		memcpy(text + length, escaped, n);
		length += n;
	}
	text[length] = 0;
	return text;
}
