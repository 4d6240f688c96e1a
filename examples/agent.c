// SPDX-License-Identifier: MIT
/*
 * agent: follow a program's system calls without any library
 *
 *	agent CMD [ARG]...
 *
 * All that an agent needs is in two headers: <systrace/uapi.h>, the kernel's side,
 * and <systrace/ring.h>, how to read a ring. What to do with an event is handle().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systrace/ring.h>
#include <systrace/uapi.h>

struct agent {
	int fd;					/* the session */
	const struct systrace_header *header;	/* read-only: header, heads, events */
	char *control;				/* read-write: tails, seen */
	struct systrace_reader *rings;		/* one per CPU */
	__u64 *seen;				/* in control */
	__u64 seq;				/* the last event handled */
	pid_t pid;				/* CMD */
};

/* ------------------------------------------------- what this agent is for --- */

/* Of the traced program's making: nothing in it shall end a line, or reach the terminal. */
static void print_name(const char *name)
{
	for (; *name; name++)
		printf(*name > ' ' && *name <= '~' && *name != '\\' ? "%c" : "\\x%02x", (unsigned char)*name);
}

static void handle(const struct systrace_event *event)
{
	/* Each type's structure begins with the event. Pass over the types you do not know. */
	const struct systrace_enter *enter = (const void *)event;
	const struct systrace_return *ret = (const void *)event;
	const struct systrace_lost *lost = (const void *)event;

	printf("%llu %u ", event->seq, event->tid);
	if (event->type == SYSTRACE_ENTER)
		printf("enters call %d\n", enter->nr);
	else if (event->type == SYSTRACE_RETURN)
		printf("returns %lld from call %d\n", ret->result, ret->nr);
	else if (event->type == SYSTRACE_EXEC) {
		printf("executes ");
		print_name((const char *)event + sizeof(struct systrace_exec));	/* it follows the structure */
		printf("\n");
	} else if (event->type == SYSTRACE_EXIT)
		printf("ends\n");
	else if (event->type == SYSTRACE_LOST)	/* never silent: a hole of so many events */
		printf("%llu events lost on CPU %u\n", lost->count, lost->cpu);
	else
		printf("has an event of type %u\n", event->type);
}

/* ----------------------------------------------------------------- set up --- */

static void die(const char *what)
{
	perror(what);
	exit(125);
}

/* A session: one open file, set up once, in two mappings, since one has one protection. */
static void set_up(struct agent *a)
{
	struct systrace_setup setup = { .size = sizeof(setup), .ring_bytes = 1 << 20 };

	a->fd = open(SYSTRACE_DEVICE, O_RDWR | O_CLOEXEC);
	if (a->fd < 0)
		die(SYSTRACE_DEVICE);
	if (ioctl(a->fd, SYSTRACE_IOC_SETUP, &setup))
		die("setup");
	a->control = mmap(NULL, setup.control_size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd,
			  (off_t)setup.control_offset);
	a->header = mmap(NULL, setup.data_size, PROT_READ, MAP_SHARED, a->fd,
			 (off_t)setup.data_offset);
	if (a->control == MAP_FAILED || a->header == MAP_FAILED)
		die("mmap");
	errno = EPROTO;
	if (a->header->magic != SYSTRACE_MAGIC || a->header->abi_version != SYSTRACE_ABI_VERSION)
		die("this is another driver, or another version's");
}

static const struct systrace_ring *ring(const struct agent *a, unsigned cpu)
{
	const struct systrace_header *h = a->header;

	return (const void *)((const char *)h + h->rings + cpu * h->rings_stride);
}

/* Where each CPU's ring is, the header tells: follow its offsets. */
static void find_rings(struct agent *a)
{
	const struct systrace_header *h = a->header;

	a->seen = (void *)(a->control + h->seen);
	a->rings = calloc(h->nr_rings, sizeof(*a->rings));
	if (!a->rings)
		die("calloc");
	for (unsigned cpu = 0; cpu < h->nr_rings; cpu++) {
		const char *bytes = (const char *)h + h->bytes + cpu * h->bytes_stride;
		__u64 *tail = (void *)(a->control + h->tails + cpu * h->tails_stride);

		systrace_reader_init(&a->rings[cpu], bytes, h->ring_bytes, &ring(a, cpu)->head,
				     tail);
	}
}

/* The child asks to be followed from its next successful execve on, and calls it. */
static void spawn(struct agent *a, char **argv)
{
	struct systrace_attach_args args = { .size = sizeof(args), .mode = SYSTRACE_ATTACH_EXEC };

	a->pid = fork();
	if (a->pid)
		return;
	if (ioctl(a->fd, SYSTRACE_IOC_ATTACH, &args))
		die("attach");
	execvp(argv[0], argv);
	die(argv[0]);
}

/* ------------------------------------------------------------------- read --- */

/* The event after the last one, whichever CPU it happened on; NULL if it is not there yet. */
static const struct systrace_event *next(struct agent *a, unsigned *cpu)
{
	for (*cpu = 0; *cpu < a->header->nr_rings; ++*cpu) {
		const struct systrace_event *event;

		if (!systrace_load_acquire(&ring(a, *cpu)->present))
			continue;	/* that CPU has not been up yet */
		event = systrace_reader_peek(&a->rings[*cpu]);
		if (event && event->seq == a->seq + 1)
			return event;
	}
	return NULL;
}

/* Handle all that is there, in place, and give each event's room back to the kernel. */
static void read_events(struct agent *a)
{
	const struct systrace_event *event;
	unsigned cpu;

	while ((event = next(a, &cpu))) {
		handle(event);
		a->seq = event->seq;
		systrace_reader_advance(&a->rings[cpu], event);
		systrace_reader_release(&a->rings[cpu]);
	}
}

static bool cmd_has_ended(const struct agent *a)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)a->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

/* Sleep until there is more. False when all is read and no task is left to make more. */
static bool wait_for_events(const struct agent *a)
{
	struct pollfd pfd = { .fd = a->fd, .events = POLLIN };
	const struct timespec moment = { .tv_nsec = 50000 };

	/* poll compares this with the last event begun: only if equal does it sleep. */
	__atomic_store_n(a->seen, a->seq, __ATOMIC_RELAXED);
	/* Before the first event, the child may also fail and end: then none will come. */
	if (!poll(&pfd, 1, a->seq ? -1 : 100))
		return !cmd_has_ended(a);
	/* It may have begun and not be written yet: give it a moment, do not spin. */
	nanosleep(&moment, NULL);
	return !(pfd.revents & POLLHUP);
}

int main(int argc, char **argv)
{
	struct agent a = { 0 };
	int status = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: agent CMD [ARG]...\n");
		return 125;
	}
	set_up(&a);
	find_rings(&a);
	spawn(&a, argv + 1);
	if (a.pid < 0)
		die("fork");
	do
		read_events(&a);
	while (wait_for_events(&a));
	waitpid(a.pid, &status, 0);
	free(a.rings);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
