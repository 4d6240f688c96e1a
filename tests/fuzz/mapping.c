// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All that reads the mapping, by a driver that writes anything: libFuzzer's input says what it writes, and what the
 * reader does. Nothing may crash, loop for ever, or give an event that is not in a ring.
 */
#include "../unit/fake.h"

#define TURNS	300

static struct input {
	const uint8_t *data;
	size_t left;
} in;

static struct systrace *st;
static struct systrace_tasks *tasks;
static unsigned sleeps;

static uint64_t bits(unsigned bytes)
{
	uint64_t value = 0;

	for (; bytes && in.left; bytes--, in.left--)
		value = value << 8 | *in.data++;
	return value;
}

/* Any bytes of the header, before the library looks at it */
static void lie(struct systrace_header *h)
{
	for (unsigned n = bits(1) % 8; n; n--) {
		unsigned at = bits(1) % (sizeof(*h) / 4);

		((__u32 *)(void *)h)[at] = (__u32)bits(4);
	}
}

/* Who waits for what never comes is told so in the end. */
static void asleep(void)
{
	if (++sleeps > 3)
		fake.revents = POLLERR;
}

static bool inside(const struct systrace_event *e)
{
	const unsigned char *begin = (const void *)st->header;

	return (const unsigned char *)e >= begin + FAKE_PAGE && (const unsigned char *)e < begin + FAKE_DATA;
}

static int look(void *arg, const struct systrace_event *e)
{
	static char text[SYSTRACE_FORMAT_BYTES];
	const char *file = systrace_file(e);
	int length;

	(void)arg;
	if (st->full != SYSTRACE_FULL_OVERWRITE && !inside(e))
		abort();
	length = systrace_format(st, e, bits(1) & SYSTRACE_FORMAT_RAW, text, sizeof(text));
	if (length > 0 && strlen(text) != (size_t)length)
		abort();
	if (*file && (file < (const char *)e || file + strlen(file) >= (const char *)e + e->size))
		abort();
	systrace_tasks_update(tasks, st, e);
	return 0;
}

/* A record that is one, but for its contents */
static void write_record(void)
{
	unsigned cpu = bits(1) % FAKE_RINGS, type = bits(1) % 12;
	size_t size = sizeof(struct systrace_event) + bits(1) % 40 * 8;
	struct systrace_event *e = fake_put(cpu, type, (unsigned)bits(1) % 8, size);

	if (!e)
		return;
	e->flags = (__u8)bits(1);
	for (unsigned i = sizeof(*e); i < size && in.left; i++)
		((unsigned char *)e)[i] = (unsigned char)bits(1) % 16;
}

/* Anything anywhere in what changes while one reads: rings, their bytes, the clock */
static void write_anything(void)
{
	unsigned where = bits(1) % 8, cpu = bits(1) % FAKE_RINGS, at = (unsigned)bits(2);
	__u32 *clock = &fake.header->clock;

	if (where == 0)
		clock[at % 8] = (__u32)bits(4);
	else if (where < 4)
		((__u64 *)(void *)&fake.rings[cpu])[at % 5] = bits(where == 1 ? 8 : 2);
	else
		fake.bytes[FAKE_PAGE + cpu * FAKE_STRIDE + at % 8192] = (unsigned char)bits(1);
}

static void read_some(void)
{
	const struct systrace_event *events[16], *e;
	unsigned n = bits(1) % 16;

	for (unsigned i = 0; i < n && (e = systrace_next(st)); i++)
		look(NULL, e);
	n = systrace_next_batch(st, events, n);
	for (unsigned i = 0; i < n; i++)
		look(NULL, events[i]);
}

static void read_ring(void)
{
	unsigned ring = bits(1) % (FAKE_RINGS + 1);
	const struct systrace_event *e;

	systrace_ring_wait(st, ring, bits(1) % 3, 0);
	for (unsigned i = 0; i < 10 && (e = systrace_ring_next(st, ring)); i++)
		look(NULL, e);
	systrace_ring_release(st, ring);
}

static void ask_tasks(void)
{
	struct systrace_task_state *states, state;
	char file[100];

	if (systrace_tasks_tree(tasks, (pid_t)bits(1) % 8, bits(1) % 4, &states, NULL) >= 0)
		free(states);
	if (systrace_tasks_ancestors(tasks, (pid_t)bits(1) % 8, &states, NULL) >= 0)
		free(states);
	systrace_tasks_find(tasks, (pid_t)bits(1) % 8, &state, file, sizeof(file));
}

static void turn(void)
{
	sleeps = 0;
	fake.revents = 0;
	switch (bits(1) % 10) {
	case 0:
	case 1:
		write_record();
		break;
	case 2:
		write_anything();
		break;
	case 3:
		read_some();
		break;
	case 4:
		systrace_release(st);
		break;
	case 5:
		systrace_wait(st, 0);
		break;
	case 6:
		fake.seq += bits(1) % 2;
		systrace_snapshot(st, look, NULL);
		break;
	case 7:
		if (bits(1) % 2)
			systrace_pause(st);
		else
			systrace_resume(st);
		break;
	case 8:
		if (st->parts)
			read_ring();
		else if (bits(1) % 8 == 0)
			systrace_split(st);
		break;
	case 9:
		ask_tasks();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct systrace_options options = { .size = sizeof(options), .ring_bytes = 4096 };
	unsigned how;

	in = (struct input){ data, size };
	how = (unsigned)bits(1);
	fake_begin();
	fake.asleep = asleep;
	if (how & 0x40)
		fake.lie = lie;
	options.full = how % 3;
	options.older = how % 3 == SYSTRACE_FULL_OVERWRITE && how & 0x80;
	if (systrace_open(&st, &options))
		return 0;
	if (systrace_tasks_new(&tasks, NULL))
		abort();
	fake.header->attached = how & 1;
	for (unsigned i = 0; i < TURNS && in.left; i++)
		turn();
	systrace_tasks_free(tasks);
	systrace_close(st);
	return 0;
}
