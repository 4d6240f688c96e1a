// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A busy reader makes no system call: quiet [EVENTS].
 *
 * The reader is traced itself, by a second session, and says by a call of its own
 * where it begins and where it ends. Between the two it reads so many events in a
 * tight loop, and the second session must have seen nothing.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <systrace/ring.h>

#include "tap.h"

#define RING	(1 << 20)
#define RINGS	256
#define MARK_FD	(-7)	/* lseek on that is a mark, and an error */
#define IDLE	1000	/* times that there was nothing to read, at least */
#define PATIENCE 120

enum mark { BEGIN = 1, END };

static atomic_ulong *counted;	/* by the reader: events */
static unsigned long wanted;

/* ---------------------------------------------------------------- workload --- */

/* Calls that never end, on a CPU, with pauses, so that the rings are empty at times. */
static pid_t begin_work(long cpu)
{
	pid_t pid = tap_fork();
	cpu_set_t set;

	if (pid)
		return pid;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (int n = 0;; n++) {
		syscall(SYS_getppid);
		if (n % 100 == 0)
			usleep(100);
	}
}

/* ----------------------------------------------------------------- readers --- */

/* Each reads until it has `wanted` events and has found nothing IDLE times. */

static void read_library(struct systrace *st)
{
	unsigned long events = 0, idle = 0;
	const struct systrace_event *e;

	while (events < wanted || idle < IDLE) {
		e = systrace_next(st);
		if (e) {
			events += systrace_time(st, e) && systrace_attached(st);
			continue;
		}
		systrace_release(st);
		idle++;
	}
	atomic_store(counted, events);
}

/* As it should be done, to show that waiting would be seen. */
static void read_waiting(struct systrace *st)
{
	unsigned long events = 0;

	while (events < wanted && systrace_wait(st, -1) == 1) {
		while (systrace_next(st))
			events++;
		systrace_release(st);
	}
	atomic_store(counted, events);
}

/* The rings of a session without the library, each by itself. */
static struct systrace_reader rings[RINGS];
static unsigned nr_rings;

static void map_rings(int fd, const struct systrace_setup *setup)
{
	const struct systrace_header *header;
	char *control, *data;

	control = mmap(NULL, setup->control_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)setup->control_offset);
	data = mmap(NULL, setup->data_size, PROT_READ, MAP_SHARED, fd, (off_t)setup->data_offset);
	if (control == MAP_FAILED || data == MAP_FAILED)
		tap_bail("mmap");
	header = (void *)data;
	for (__u32 cpu = 0; cpu < header->nr_rings && nr_rings < RINGS; cpu++) {
		struct systrace_ring *ring =
			(void *)(data + header->rings + cpu * header->rings_stride);

		if (ring->present)
			systrace_reader_init(&rings[nr_rings++],
					     data + header->bytes + cpu * header->bytes_stride,
					     header->ring_bytes, &ring->head,
					     (void *)(control + header->tails +
						      cpu * header->tails_stride));
	}
}

static void read_rings(void)
{
	unsigned long events = 0, idle = 0;
	const struct systrace_event *e;

	while (events < wanted || idle < IDLE) {
		unsigned long before = events;

		for (unsigned i = 0; i < nr_rings; i++) {
			while ((e = systrace_reader_peek(&rings[i]))) {
				systrace_reader_advance(&rings[i], e);
				events++;
			}
			systrace_reader_release(&rings[i]);
		}
		idle += events == before;
	}
	atomic_store(counted, events);
}

/* ------------------------------------------------------------ the reader's life --- */

enum way { LIBRARY, RAW, WAITING };

static void mark(enum mark mark)
{
	syscall(SYS_lseek, MARK_FD, (long)mark, SEEK_SET);
}

static void run_library(const pid_t *work, int nr, void (*reads)(struct systrace *), int go)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = RING });
	char c;

	for (int i = 0; i < nr; i++)
		if (systrace_attach(st, work[i], SYSTRACE_ATTACH_TREE) != 1)
			tap_bail("attach");
	if (read(go, &c, 1) != 1)
		_exit(1);
	mark(BEGIN);
	reads(st);
	mark(END);
	_exit(0);
}

static void run_raw(const pid_t *work, int nr, int go)
{
	int fd = tap_open(O_RDWR);
	struct systrace_setup setup = tap_setup(fd, RING);
	char c;

	map_rings(fd, &setup);
	for (int i = 0; i < nr; i++) {
		struct systrace_attach_args args = { .size = sizeof(args), .pid = work[i] };

		if (ioctl(fd, SYSTRACE_IOC_ATTACH, &args))
			tap_bail("ATTACH");
	}
	if (read(go, &c, 1) != 1)
		_exit(1);
	mark(BEGIN);
	read_rings();
	mark(END);
	_exit(0);
}

static pid_t begin_reader(enum way way, const pid_t *work, int nr, int go)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	alarm(PATIENCE);
	if (way == RAW)
		run_raw(work, nr, go);
	else
		run_library(work, nr, way == LIBRARY ? read_library : read_waiting, go);
	_exit(1);
}

/* ---------------------------------------------------------------- what was seen --- */

struct seen {
	unsigned long begins, ends, between, calls;
	uint64_t seq;
	bool whole;
};

static void look(struct seen *seen, const struct systrace_event *e)
{
	const struct systrace_enter *enter = (const void *)e;

	seen->whole &= e->seq == ++seen->seq && e->type != SYSTRACE_LOST;
	if (e->type == SYSTRACE_RETURN)	/* the first mark's is between the two */
		return;
	seen->calls++;
	if (e->type != SYSTRACE_ENTER || enter->nr != SYS_lseek || (int)enter->args[0] != MARK_FD)
		seen->between += seen->begins > seen->ends;
	else if (enter->args[1] == BEGIN)
		seen->begins++;
	else
		seen->ends++;
}

static struct seen watch(struct systrace *st)
{
	struct seen seen = { .whole = true };
	const struct systrace_event *e;

	while (systrace_wait(st, -1) == 1) {
		while ((e = systrace_next(st)))
			look(&seen, e);
		systrace_release(st);
	}
	return seen;
}

static void test_reader(enum way way, const char *name)
{
	struct systrace *st = tap_session((struct systrace_options){ .ring_bytes = RING });
	int nr = (int)sysconf(_SC_NPROCESSORS_ONLN), go[2], status;
	pid_t work[nr], reader;
	struct seen seen;

	if (pipe(go))
		tap_bail("pipe");
	for (int i = 0; i < nr; i++)
		work[i] = begin_work(i);
	atomic_store(counted, 0);
	reader = begin_reader(way, work, nr, go[0]);
	if (systrace_attach(st, reader, SYSTRACE_ATTACH_TREE) != 1 || write(go[1], "", 1) != 1)
		tap_bail("attach");
	seen = watch(st);
	waitpid(reader, &status, 0);
	tap_note("%lu events read; of %lu calls, %lu between the marks", atomic_load(counted),
		 seen.calls, seen.between);
	tap_ok(status == 0 && atomic_load(counted) >= wanted, "%s: it has read all it wanted", name);
	tap_ok(seen.whole && seen.begins == 1 && seen.ends == 1,
	       "%s: it was watched all the time", name);
	if (way == WAITING)
		tap_ok(seen.between > 0, "%s: its calls are seen", name);
	else
		tap_ok(seen.between == 0, "%s: it makes no call", name);
	for (int i = 0; i < nr; i++)
		tap_reap(work[i]);
	close(go[0]);
	close(go[1]);
	systrace_close(st);
}

int main(int argc, char **argv)
{
	wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
	if (!wanted)
		tap_bail("usage: quiet [EVENTS]");
	alarm(3 * PATIENCE);
	counted = mmap(NULL, sizeof(*counted), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counted == MAP_FAILED)
		tap_bail("mmap");
	test_reader(LIBRARY, "next and release");
	test_reader(RAW, "ring.h alone");
	test_reader(WAITING, "with wait");
	return tap_end();
}
