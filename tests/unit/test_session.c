// SPDX-License-Identifier: GPL-2.0-or-later
/* A handle's life and reading by a driver that is made here: each error that the library can give. */
#include "fake.h"
#include "tasks.h"

#include <setjmp.h>
#include <cmocka.h>

#define CALL	offsetof(struct systrace_enter, args)

static struct systrace *st;
static char said[4096];		/* by the log */

static void say(void *arg, const char *text)
{
	assert_ptr_equal(arg, &fake);
	strcat(strcat(said, text), "\n");
}

static struct systrace_options options(uint32_t full, uint64_t ring_bytes)
{
	return (struct systrace_options){
		.size = sizeof(struct systrace_options), .full = full, .ring_bytes = ring_bytes,
		.log = say, .log_arg = &fake,
	};
}

static int begin(void **state)
{
	(void)state;
	fake_begin();
	said[0] = '\0';
	st = NULL;
	return 0;
}

/* All that was opened, mapped and allocated is gone. */
static int finish(void **state)
{
	(void)state;
	fake.interrupts = 0;
	systrace_close(st);
	return fake.opened != fake.closed || fake.mapped || memory.live;
}

static void open_session(uint32_t full, uint64_t ring_bytes)
{
	const struct systrace_options o = options(full, ring_bytes);

	assert_int_equal(systrace_open(&st, &o), 0);
	fake.header->attached = 1;
}

static void fails(int error, const char *why)
{
	const struct systrace_options o = options(0, 4096);
	struct systrace *none = (void *)&fake;

	said[0] = '\0';
	assert_int_equal(systrace_open(&none, &o), error);
	assert_ptr_equal(none, &fake);
	assert_non_null(strstr(said, why));
	assert_int_equal(systrace_open(&none, NULL), error);	/* and nobody listens */
}

static void read_events(uint64_t from, uint64_t to)
{
	const struct systrace_event *e;

	for (uint64_t seq = from; seq <= to; seq++) {
		e = systrace_next(st);
		assert_non_null(e);
		assert_int_equal(e->seq, seq);
	}
	assert_null(systrace_next(st));
}

/* ------------------------------------------------------------------- opening --- */

static void opens(void **state)
{
	(void)state;
	open_session(SYSTRACE_FULL_DROP, 8192);
	assert_int_equal(fake.shape.ring_bytes, 8192);
	assert_int_equal(systrace_fd(st), fake.fd);
	assert_int_equal(systrace_attached(st), 1);
	assert_null(systrace_next(st));
	assert_string_equal(said, "");
}

static void passes_options(void **state)
{
	struct systrace_options o = options(SYSTRACE_FULL_BLOCK, 4096);

	(void)state;
	o.events = 6;
	o.timeout_ms = 7;
	o.watermark = 8;
	o.latency_us = 9;
	assert_int_equal(systrace_open(&st, &o), 0);
	assert_int_equal(fake.shape.size, sizeof(fake.shape));
	assert_int_equal(fake.shape.events, 6);
	assert_int_equal(fake.shape.full, SYSTRACE_FULL_BLOCK);
	assert_int_equal(fake.shape.timeout_ms, 7);
	assert_int_equal(fake.shape.watermark, 8);
	assert_int_equal(fake.shape.latency_us, 9);
}

static void refuses_options(void **state)
{
	struct {
		struct systrace_options options;
		uint64_t more;
	} longer = { .options = options(0, 4096) };
	struct systrace_options o = options(0, 4096);

	(void)state;
	o.size = offsetof(struct systrace_options, log_arg);
	assert_int_equal(systrace_open(&st, &o), -EINVAL);
	o = options(0, 4096);
	o.reserved = 1;
	assert_int_equal(systrace_open(&st, &o), -EINVAL);
	o = options(0, 4096);
	o.older = 1;
	assert_int_equal(systrace_open(&st, &o), -EINVAL);
	longer.options.size = sizeof(longer);
	longer.more = 1;
	assert_int_equal(systrace_open(&st, &longer.options), -E2BIG);
	longer.more = 0;
	assert_int_equal(systrace_open(&st, &longer.options), 0);
}

static void no_device(void **state)
{
	struct systrace_info info;

	(void)state;
	fake.open = -ENOENT;
	fails(-ENOENT, "is the module systrace loaded?");
	assert_int_equal(systrace_info(&info), -ENOENT);
	fake.open = -EACCES;
	fails(-EACCES, "cannot open /dev/systrace: Permission denied\n");
	assert_int_equal(systrace_info(&info), -EACCES);
}

static void another_driver(void **state)
{
	struct systrace_info info;

	(void)state;
	fake.info = -ENOTTY;
	fails(-EPROTO, "another device");
	assert_int_equal(systrace_info(&info), -EPROTO);
	fake.info = -EIO;
	fails(-EIO, "does not say what it is");
	assert_int_equal(systrace_info(&info), -EIO);
	fake.info = 0;
	fake.says.abi_version = SYSTRACE_ABI_VERSION + 1;
	fails(-EPROTO, "version 2 of the ABI, this library reads 1");
	assert_int_equal(systrace_info(&info), 0);
	assert_int_equal(info.abi_version, 2);
}

static void setup_refused(void **state)
{
	static const int errors[] = { -EINVAL, -EPERM, -EOPNOTSUPP, -ENOMEM };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		fake.setup = errors[i];
		fails(errors[i], "refuses such a session");
	}
}

/* The log names the option. */
static void names_options(void **state)
{
	static const struct {
		struct systrace_options o;
		const char *word;
	} wrong[] = {
		{ { .ring_bytes = 5000 }, "no power of two" },
		{ { .ring_bytes = 2048 }, "too little" },
		{ { .ring_bytes = 1ULL << 40 }, "too much" },
		{ { .ring_bytes = 4096, .events = 1ULL << 40 }, "events" },
		{ { .ring_bytes = 4096, .watermark = 4096 }, "half" },
		{ { .ring_bytes = 4096, .watermark = 64, .latency_us = 10 }, "latency_us is 50" },
		{ { .ring_bytes = 4096, .latency_us = 1000 }, "with a watermark" },
		{ { .ring_bytes = 4096, .timeout_ms = 1 }, "timeout_ms is for" },
		{ { .ring_bytes = 4096, .full = 9 }, "full" },
	};
	struct systrace_options o;

	(void)state;
	fake.setup = -EINVAL;
	fake.says.events = 0x3fe;
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		o = wrong[i].o;
		o.size = sizeof(o);
		o.log = say;
		o.log_arg = &fake;
		said[0] = '\0';
		assert_int_equal(systrace_open(&st, &o), -EINVAL);
		assert_non_null(strstr(said, wrong[i].word));
	}
	fake.setup = 0;
	o = options(0, 4096);
	o.watermark = 64;
	assert_int_equal(systrace_open(&st, &o), 0);
	assert_int_equal(fake.shape.latency_us, 10000);
}

static void halves_rings(void **state)
{
	struct systrace_options o = options(0, 0);

	(void)state;
	fake.fits = 16384;
	o.watermark = 100000;
	assert_int_equal(systrace_open(&st, &o), 0);
	assert_int_equal(fake.shape.ring_bytes, 16384);
	assert_int_equal(fake.shape.watermark, 8192);
	assert_int_equal(fake.setups, 10);
	assert_non_null(strstr(said, "rings of 32768 bytes do not fit"));
	systrace_close(st);
	st = NULL;
	fake.fits = 0;
	assert_int_equal(systrace_open(&st, &o), -ENOMEM);
	assert_int_equal(fake.shape.ring_bytes, 4096);
	fake.fits = 16384;
	fake.says.ring_bytes_max = 8192;
	assert_int_equal(systrace_open(&st, &o), 0);
	assert_int_equal(fake.shape.ring_bytes, 8192);
}

static void interrupted(void **state)
{
	(void)state;
	fake.interrupts = 3;
	open_session(0, 4096);
	fake.interrupts = 3;
	assert_int_equal(systrace_pause(st), 0);
}

static void mapping_refused(void **state)
{
	(void)state;
	for (int at = 0; at < 2; at++) {
		const struct systrace_options o = options(0, 4096);

		fake.map = -EAGAIN;
		fake.map_at = at;
		assert_int_equal(systrace_open(&st, &o), -EAGAIN);
		assert_int_equal(fake.mapped, 0);
	}
	assert_non_null(strstr(said, "cannot be mapped"));
}

static unsigned lie;

static void tell_lie(struct systrace_header *h)
{
	switch (lie) {
	case 0: h->magic++; break;
	case 1: h->abi_version++; break;
	case 2: h->header_size = sizeof(*h) - 1; break;
	case 3: h->ring_size = sizeof(struct systrace_ring) - 1; break;
	case 4: h->ring_bytes = 0; break;
	case 5: h->ring_bytes = 5000; break;
	case 6: h->ring_bytes = 1ULL << 63; break;
	case 7: h->nr_rings = 0; break;
	case 8: h->nr_rings = ~0U; break;
	case 9: h->rings = FAKE_DATA; break;
	case 10: h->rings = ~0ULL; break;
	case 11: h->rings_stride = 8; break;
	case 12: h->rings_stride = 1ULL << 62; break;
	case 13: h->bytes = FAKE_DATA - 8192; break;
	case 14: h->bytes_stride = FAKE_STRIDE + 4096 * 20; break;
	case 15: h->tails = FAKE_PAGE - 8; break;
	case 16: h->tails_stride = 0; break;
	case 17: h->seen = FAKE_PAGE - 4; break;
	case 18: h->seen = ~0ULL; break;
	}
}

static void lies(void **state)
{
	(void)state;
	fake.lie = tell_lie;
	for (lie = 0; lie < 19; lie++) 
		fails(-EPROTO, "is no session");
}

/* One after the other fails, until none does. */
static void no_memory_to_open(void **state)
{
	const struct systrace_options o[] = { options(SYSTRACE_FULL_DROP, 4096), options(SYSTRACE_FULL_OVERWRITE, 4096) };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		int ret = -ENOMEM;

		for (unsigned n = 0; ret; n++) {
			memory.countdown = n;
			ret = systrace_open(&st, &o[i]);
			assert_true(ret == -ENOMEM || (!ret && n > 2));
			assert_int_equal(memory.live > 0, !ret);
			assert_int_equal(fake.mapped, ret ? 0 : 2);
		}
		memory.countdown = -1;
		systrace_close(st);
		st = NULL;
	}
}

static void a_child_closes(void **state)
{
	(void)state;
	open_session(0, 4096);
	st->owner++;	/* as a child sees it */
	systrace_close(st);
	st = NULL;
	assert_int_equal(fake.mapped, 2);	/* which were not its own */
	fake.mapped = 0;
}

/* ------------------------------------------------------------------- reading --- */

static void in_order(void **state)
{
	(void)state;
	open_session(0, 4096);
	for (unsigned i = 0; i < 60; i++)
		assert_non_null(fake_put(i % FAKE_RINGS, SYSTRACE_ENTER, 7, CALL));
	assert_int_equal(systrace_wait(st, 0), 1);
	read_events(1, 60);
	assert_int_equal(*fake_tail(0), 0);
	systrace_release(st);
	assert_int_equal(*fake_tail(0), 20 * CALL);
	assert_int_equal(*st->seen, 60);
	/* around the rings' ends */
	for (unsigned i = 0; i < 3000; i++) {
		assert_non_null(fake_put(i % FAKE_RINGS, SYSTRACE_ENTER, 7, CALL));
		if (i % 100 != 99)
			continue;
		read_events(60 + i - 98, 61 + i);
		systrace_release(st);
	}
}

static void batches(void **state)
{
	const struct systrace_event *events[8];

	(void)state;
	open_session(0, 4096);
	for (unsigned i = 0; i < 11; i++)
		fake_put(i % 2, SYSTRACE_ENTER, 7, CALL);
	assert_int_equal(systrace_next_batch(st, events, 8), 8);
	assert_int_equal(events[7]->seq, 8);
	assert_int_equal(systrace_next_batch(st, events, 8), 3);
	assert_int_equal(systrace_next_batch(st, events, 8), 0);
	assert_int_equal(systrace_next_batch(st, events, 0), 0);
}

static void kicks(void **state)
{
	(void)state;
	open_session(SYSTRACE_FULL_BLOCK, 4096);
	systrace_release(st);
	assert_int_equal(fake.kicks, 0);
	fake.header->waiters = 1;
	systrace_release(st);
	assert_int_equal(fake.kicks, 1);
	systrace_close(st);
	open_session(SYSTRACE_FULL_DROP, 4096);
	fake.header->waiters = 1;
	systrace_release(st);
	assert_int_equal(fake.kicks, 1);
}

static void waits(void **state)
{
	(void)state;
	open_session(0, 4096);
	assert_int_equal(systrace_wait(st, 0), 0);
	assert_int_equal(systrace_wait(st, 10), 0);
	fake.poll = -EINTR;
	assert_int_equal(systrace_wait(st, -1), -EINTR);
	fake.revents = POLLERR;
	assert_int_equal(systrace_wait(st, -1), -EIO);
	fake.revents = POLLNVAL;
	assert_int_equal(systrace_wait(st, -1), -EIO);
	fake.revents = 0;
	fake_put(1, SYSTRACE_ENTER, 7, CALL);
	assert_int_equal(systrace_wait(st, -1), 1);
	read_events(1, 1);
	fake.header->attached = 0;
	assert_int_equal(systrace_wait(st, -1), -ECHILD);
	/* Both at once, and all read, or not */
	fake.revents = POLLIN | POLLHUP;
	assert_int_equal(systrace_wait(st, -1), -ECHILD);
	fake_put(1, SYSTRACE_EXIT, 7, sizeof(struct systrace_exit));
	assert_int_equal(systrace_wait(st, -1), 1);
}

/* The number is taken, the record comes when the library has slept some times. */
static void written_late(void)
{
	if (fake.naps < 5)
		return;
	fake.asleep = NULL;
	fake.seq--;
	fake_put(2, SYSTRACE_ENTER, 7, CALL);
}

static void begun(void **state)
{
	(void)state;
	open_session(0, 4096);
	fake.seq++;
	fake.asleep = written_late;
	assert_int_equal(systrace_wait(st, -1), 1);
	assert_int_equal(fake.naps, 5);
	read_events(1, 1);
	/* ... or a later one is there before it */
	fake.seq++;
	fake_put(0, SYSTRACE_ENTER, 7, CALL);
	assert_null(systrace_next(st));
	assert_int_equal(systrace_wait(st, 0), 0);
	fake.seq = 1;
	fake_put(1, SYSTRACE_ENTER, 7, CALL);
	read_events(2, 3);
}

static void arrives(void)
{
	fake.asleep = NULL;
	fake_put(0, SYSTRACE_ENTER, 7, CALL);
}

static void wakes(void **state)
{
	(void)state;
	open_session(0, 4096);
	fake.asleep = arrives;
	assert_int_equal(systrace_wait(st, -1), 1);
	read_events(1, 1);
}

/* What cannot be a record */
static void no_records(void **state)
{
	static const unsigned sizes[] = { 0, 8, 16, 25, 4104, 65528 };
	static const uint32_t policies[] = { SYSTRACE_FULL_DROP, SYSTRACE_FULL_OVERWRITE };

	(void)state;
	for (unsigned i = 0; i < 2 * 6; i++) {
		open_session(policies[i / 6], 4096);
		fake_put(0, SYSTRACE_ENTER, 7, CALL);
		fake_put(0, SYSTRACE_ENTER, 7, CALL)->size = (__u16)sizes[i % 6];
		read_events(1, 1);
		said[0] = '\0';
		assert_int_equal(systrace_wait(st, -1), -EPROTO);
		assert_string_equal(said, "a ring holds what cannot be a record: nothing more is read\n");
		assert_null(systrace_next(st));
		assert_int_equal(systrace_wait(st, 0), -EPROTO);
		systrace_close(st);
		st = NULL;
	}
}

/* A head that is more than a ring ahead, where nothing is read from */
static void ahead(void **state)
{
	static const uint32_t policies[] = { SYSTRACE_FULL_DROP, SYSTRACE_FULL_OVERWRITE };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		open_session(policies[i], 4096);
		fake_put(0, SYSTRACE_ENTER, 7, CALL);
		fake.rings[0].head = 4104;
		assert_int_equal(systrace_wait(st, -1), -EPROTO);
		assert_null(systrace_next(st));
		systrace_close(st);
		st = NULL;
	}
}

static void overwrites(void **state)
{
	struct systrace_options o = options(SYSTRACE_FULL_OVERWRITE, 4096);
	const struct systrace_event *e, *events[4];
	uint64_t seq;

	(void)state;
	for (o.older = 0; o.older < 2; o.older++) {
		assert_int_equal(systrace_open(&st, &o), 0);
		fake.header->attached = 1;
		fake_put(0, SYSTRACE_TASK, 7, CALL);
		fake_put(1, SYSTRACE_TASK, 7, CALL);	/* which stays: there is a gap before and behind it */
		for (unsigned i = 0; i < 1000; i++)
			fake_put(0, SYSTRACE_ENTER, 7, CALL);
		e = systrace_next(st);
		if (o.older) {
			assert_int_equal(e->type, SYSTRACE_LOST);
			assert_int_equal(((const struct systrace_lost *)e)->count, 1);
			assert_int_equal(e->seq, 1);
			assert_int_equal(systrace_next(st)->seq, 2);
			e = systrace_next(st);
		}
		assert_int_equal(e->type, SYSTRACE_LOST);
		assert_int_equal(((const struct systrace_lost *)e)->cause, SYSTRACE_LOST_OVERWRITTEN);
		assert_int_equal(((const struct systrace_lost *)e)->count, e->seq - (o.older ? 2 : 0));
		seq = e->seq;
		assert_int_equal(seq, 1002 - 4096 / CALL);
		assert_int_equal(systrace_next_batch(st, events, 4), 1);
		assert_int_equal(events[0]->seq, seq + 1);
		assert_int_equal(systrace_wait(st, -1), 1);
		assert_int_equal(systrace_pause(st), 0);
		assert_int_equal(fake.last_op, SYSTRACE_IOC_PAUSE);
		read_events(seq + 2, 1002);
		assert_int_equal(systrace_resume(st), 0);
		assert_int_equal(fake.last_op, SYSTRACE_IOC_RESUME);
		systrace_release(st);
		assert_int_equal(*st->seen, 1002);
		systrace_close(st);
		st = NULL;
	}
}

/* ------------------------------------------------------------------- snapshot --- */

static uint64_t given;

static int take(void *arg, const struct systrace_event *e)
{
	assert_ptr_equal(arg, &given);
	given = e->seq;
	return 0;
}

static int take_and_make(void *arg, const struct systrace_event *e)
{
	fake_put(0, SYSTRACE_ENTER, 7, CALL);	/* it goes on */
	take(arg, e);
	return given == 30 ? 77 : 0;
}

static void snapshot(void **state)
{
	(void)state;
	open_session(SYSTRACE_FULL_OVERWRITE, 4096);
	given = 0;
	assert_int_equal(systrace_snapshot(st, take, &given), 0);
	assert_int_equal(given, 0);
	for (unsigned i = 0; i < 10; i++)
		fake_put(i % 2, SYSTRACE_ENTER, 7, CALL);
	assert_int_equal(systrace_snapshot(st, take_and_make, &given), 0);
	assert_int_equal(given, 10);
	assert_int_equal(systrace_snapshot(st, take_and_make, &given), 0);
	assert_int_equal(given, 20);
	fake_put(1, SYSTRACE_ENTER, 7, CALL);
	assert_int_equal(systrace_snapshot(st, take_and_make, &given), 77);
	assert_int_equal(given, 30);
	assert_int_equal(systrace_snapshot(st, take, &given), 0);
	assert_int_equal(given, fake.seq);
	/* A signal, and one that is written late */
	fake.seq++;
	fake.asleep = written_late;
	fake.poll = -EINTR;
	assert_int_equal(systrace_snapshot(st, take, &given), 0);
	assert_int_equal(given, fake.seq);
	fake.stats = -EINVAL;
	assert_int_equal(systrace_snapshot(st, take, &given), -EINVAL);
}

/* ----------------------------------------------------------------------- parts --- */

static void parts(void **state)
{
	const struct systrace_event *e;

	(void)state;
	open_session(SYSTRACE_FULL_BLOCK, 4096);
	memory.countdown = 0;
	assert_int_equal(systrace_split(st), -ENOMEM);
	fake_put(0, SYSTRACE_ENTER, 7, CALL);
	assert_int_equal(systrace_wait(st, -1), 1);	/* a look is no harm */
	assert_int_equal(systrace_split(st), FAKE_RINGS);
	assert_int_equal(systrace_split(st), -EBUSY);
	fake_put(1, SYSTRACE_ENTER, 7, CALL);
	fake_put(0, SYSTRACE_ENTER, 7, CALL);
	assert_null(systrace_next(st));
	systrace_release(st);
	assert_int_equal(systrace_wait(st, 0), -EINVAL);
	assert_int_equal(systrace_snapshot(st, take, &given), -EINVAL);
	assert_int_equal(systrace_ring_wait(st, 0, 1, -1), 1);
	e = systrace_ring_next(st, 0);
	assert_int_equal(e->seq, 1);
	e = systrace_ring_next(st, 0);
	assert_int_equal(e->seq, 3);
	assert_null(systrace_ring_next(st, 0));
	assert_int_equal(*st->seen, 0);
	fake.header->waiters = 1;
	systrace_ring_release(st, 0);
	assert_int_equal(fake.kicks, 1);
	assert_int_equal(*st->seen, 2);
	assert_int_equal(*fake_tail(0), 2 * CALL);
	assert_int_equal(*fake_tail(1), 0);
	/* The other ring has something; this one waits. */
	fake.naps = 0;
	assert_int_equal(systrace_ring_wait(st, 0, 1, 0), 0);
	assert_int_equal(fake.naps, 1);
	assert_int_equal(systrace_ring_wait(st, 0, 3, 0), 1);
	assert_int_equal(systrace_ring_next(st, 1)->seq, 2);
	fake.header->attached = 0;
	assert_int_equal(systrace_ring_wait(st, 1, 2, -1), -ECHILD);
	assert_int_equal(*st->seen, 3);
	fake_put(2, SYSTRACE_ENTER, 7, CALL)->size = 5;
	assert_int_equal(systrace_ring_wait(st, 1, 2, -1), -EPROTO);
	assert_null(systrace_ring_next(st, 2));
	assert_int_equal(systrace_ring_wait(st, 1, 1, 0), 0);
	/* Hung up, and something still to come: of the ring that is none any more */
	assert_int_equal(systrace_ring_wait(st, 1, 1, 10), 0);
	fake.revents = POLLHUP;
	assert_int_equal(systrace_ring_wait(st, 1, 1, 10), 0);
	assert_int_equal(systrace_ring_wait(st, 0, 0, 0), -EINVAL);
	assert_int_equal(systrace_ring_wait(st, 3, 1, 0), -EINVAL);
	assert_int_equal(systrace_ring_wait(st, 2, 2, 0), -EINVAL);
	systrace_ring_release(st, 3);
	systrace_close(st);
	open_session(SYSTRACE_FULL_OVERWRITE, 4096);
	assert_int_equal(systrace_split(st), -EOPNOTSUPP);
}

/* ----------------------------------------------------------------------- clocks --- */

static void settles(void)
{
	if (fake.naps > 3)
		fake.header->clock_count = 2;
}

static void clocks(void **state)
{
	struct systrace_event e = { .time = 1000 };

	(void)state;
	open_session(0, 4096);
	assert_int_equal(systrace_time(st, &e), 1000);
	assert_true(systrace_time_real(st, &e) > 1600000000000000000);
	fake.header->clock = SYSTRACE_CLOCK_TSC;
	fake.header->clock_cycles = 900;
	fake.header->clock_ns = 5000;
	fake.header->clock_mult = 3U << 30;
	fake.header->clock_shift = 30;
	assert_int_equal(systrace_time(st, &e), 5300);
	e.time = 800;
	assert_int_equal(systrace_time(st, &e), 4700);
	e.time = 900 + (1ULL << 40);
	assert_int_equal(systrace_time(st, &e), 5000 + (3ULL << 40));
	fake.header->clock_count = 1;	/* it is just changing; then that is over, or never */
	fake.asleep = settles;
	assert_int_equal(systrace_time(st, &e), 5000 + (3ULL << 40));
	assert_int_equal(fake.naps, 4);
	fake.asleep = NULL;
	fake.header->clock_count = 1;
	assert_int_equal(systrace_time(st, &e), 5000 + (3ULL << 40));
}

static void text(void **state)
{
	char line[SYSTRACE_FORMAT_BYTES];
	struct systrace_event *e;

	(void)state;
	open_session(0, 4096);
	e = fake_put(0, SYSTRACE_EXIT, 7, sizeof(struct systrace_exit));
	assert_int_equal(systrace_format(st, e, 0, line, sizeof(line)), strlen("1 0.000001000 7 EXIT status=0"));
	assert_string_equal(line, "1 0.000001000 7 EXIT status=0");
	assert_true(systrace_format(st, e, SYSTRACE_FORMAT_RAW, line, sizeof(line)) > 0);
	assert_int_equal(systrace_format(st, e, 2, line, sizeof(line)), -EINVAL);
	assert_int_equal(systrace_format(st, e, 0, line, sizeof(line) - 1), -EINVAL);
	e->type = 77;
	assert_int_equal(systrace_format(st, e, 0, line, sizeof(line)), -EINVAL);
	assert_string_equal(systrace_version(), SYSTRACE_VERSION);
	assert_string_equal(systrace_cause_name(SYSTRACE_LOST_OVERWRITTEN), "overwritten");
}

/* --------------------------------------------------------------------- control --- */

static void control(void **state)
{
	struct systrace_rule rule = { .abi = 1 };
	struct systrace_stats stats;

	(void)state;
	open_session(0, 4096);
	assert_int_equal(systrace_attach(st, 5, SYSTRACE_ATTACH_TASK), 3);
	assert_int_equal(fake.attach.pid, 5);
	assert_int_equal(fake.attach.mode, SYSTRACE_ATTACH_TASK);
	assert_int_equal(fake.attach.flags, 0);
	assert_int_equal(systrace_attach_pidfd(st, 6, SYSTRACE_ATTACH_TREE), 3);
	assert_int_equal(fake.attach.fd, 6);
	assert_int_equal(fake.attach.flags, SYSTRACE_BY_PIDFD);
	assert_int_equal(systrace_attach_cgroup(st, 7), 3);
	assert_int_equal(fake.attach.fd, 7);
	assert_int_equal(fake.attach.flags, SYSTRACE_BY_CGROUP);
	assert_int_equal(systrace_detach(st, 5, SYSTRACE_DETACH_ALL), 4);
	assert_int_equal(fake.detach.mode, SYSTRACE_DETACH_ALL);
	assert_int_equal(systrace_detach_pidfd(st, 6, SYSTRACE_DETACH_TASK), 4);
	assert_int_equal(fake.detach.flags, SYSTRACE_BY_PIDFD);
	assert_int_equal(systrace_detach_cgroup(st, 7), 4);
	assert_int_equal(fake.detach.flags, SYSTRACE_BY_CGROUP);
	assert_int_equal(systrace_policy(st, &rule, 1), 0);
	assert_int_equal(fake.policy.rules, (uintptr_t)&rule);
	assert_int_equal(fake.policy.nr_rules, 1);
	assert_int_equal(systrace_stats(st, 2, &stats), 0);
	assert_int_equal(stats.cpu, 2);
	assert_int_equal(systrace_stats(st, FAKE_RINGS, &stats), -EINVAL);
	fake.op = -EPERM;
	assert_int_equal(systrace_attach(st, 5, SYSTRACE_ATTACH_TASK), -EPERM);
	assert_int_equal(systrace_detach(st, 5, SYSTRACE_DETACH_TASK), -EPERM);
	assert_int_equal(systrace_policy(st, &rule, 1), -EPERM);
	assert_int_equal(systrace_pause(st), -EPERM);
	assert_int_equal(systrace_resume(st), -EPERM);
}

/* -------------------------------------------------------------- memory that lacks --- */

static void no_memory_for_rules(void **state)
{
	struct systrace_rule *rules = NULL;
	int ret = -ENOMEM;

	(void)state;
	for (unsigned n = 0; ret < 0; n++) {
		memory.countdown = n;
		ret = systrace_rules(&rules, "%file,!open", NULL);
		assert_true(ret == -ENOMEM || (ret > 0 && n > 0));
		assert_int_equal(memory.live, ret > 0);
	}
	__wrap_free(rules);
}

static void no_memory_for_tasks(void **state)
{
	struct systrace_task_state *states = NULL, one;
	struct systrace_tasks *tasks = NULL;
	struct systrace_event *e;
	long live;
	int ret;

	(void)state;
	memory.countdown = 0;
	assert_int_equal(systrace_tasks_new(&tasks, NULL), -ENOMEM);
	memory.countdown = 1;
	assert_int_equal(systrace_tasks_new(&tasks, NULL), -ENOMEM);
	assert_int_equal(memory.live, 0);
	assert_int_equal(systrace_tasks_new(&tasks, NULL), 0);
	open_session(0, 4096);
	for (unsigned n = 0; n < 2; n++) {
		e = fake_put(0, SYSTRACE_TASK, 7, sizeof(struct systrace_task) + 8);
		live = memory.live;
		memory.countdown = n;
		assert_int_equal(systrace_tasks_update(tasks, st, e), -ENOMEM);
		assert_int_equal(systrace_tasks_find(tasks, 7, &one, NULL, 0), -ESRCH);
		assert_in_range(memory.live, live, live + n);	/* a name may go later */
	}
	e = fake_put(0, SYSTRACE_TASK, 7, sizeof(struct systrace_task) + 8);
	((struct systrace_task *)e)->tgid = 7;
	assert_int_equal(systrace_tasks_update(tasks, st, e), 0);
	e = fake_put(0, SYSTRACE_FORK, 7, sizeof(struct systrace_fork));
	((struct systrace_fork *)e)->child = 8;
	((struct systrace_fork *)e)->tgid = 7;
	memory.countdown = 0;
	assert_int_equal(systrace_tasks_update(tasks, st, e), -ENOMEM);
	assert_int_equal(systrace_tasks_find(tasks, 8, &one, NULL, 0), -ESRCH);
	e->seq = ++fake.seq;
	assert_int_equal(systrace_tasks_update(tasks, st, e), 0);
	for (unsigned n = 0; n < 2; n++) {	/* an exec by the thread: a name, and another entry */
		e = fake_put(0, SYSTRACE_EXEC, 7, sizeof(struct systrace_exec) + 8);
		((struct systrace_exec *)e)->oldtid = 8;
		memory.countdown = n;
		assert_int_equal(systrace_tasks_update(tasks, st, e), -ENOMEM);
		assert_int_equal(systrace_tasks_find(tasks, 8, &one, NULL, 0), 0);
		assert_int_equal(one.execs, 0);
	}
	e = fake_put(0, SYSTRACE_ENTER, 9, CALL);
	memory.countdown = 0;
	assert_int_equal(systrace_tasks_update(tasks, st, e), -ENOMEM);
	live = memory.live;
	ret = -ENOMEM;
	for (unsigned n = 0; ret < 0; n++) {
		memory.countdown = n;
		ret = systrace_tasks_tree(tasks, 0, SYSTRACE_TREE_THREADS, &states, NULL);
		assert_true(ret == -ENOMEM || (ret == 2 && n > 4));
		assert_int_equal(memory.live, live + (ret == 2));
	}
	__wrap_free(states);
	ret = -ENOMEM;
	for (unsigned n = 0; ret < 0; n++) {
		memory.countdown = n;
		ret = systrace_tasks_ancestors(tasks, 8, &states, NULL);
		assert_true(ret == -ENOMEM || (ret == 1 && n > 3));
		assert_int_equal(memory.live, live + (ret == 1));
	}
	memory.countdown = -1;
	__wrap_free(states);
	systrace_tasks_free(tasks);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest all[] = {
		TEST(opens),
		TEST(passes_options),
		TEST(refuses_options),
		TEST(no_device),
		TEST(another_driver),
		TEST(setup_refused),
		TEST(names_options),
		TEST(halves_rings),
		TEST(interrupted),
		TEST(mapping_refused),
		TEST(lies),
		TEST(no_memory_to_open),
		TEST(a_child_closes),
		TEST(in_order),
		TEST(batches),
		TEST(kicks),
		TEST(waits),
		TEST(begun),
		TEST(wakes),
		TEST(no_records),
		TEST(ahead),
		TEST(overwrites),
		TEST(snapshot),
		TEST(parts),
		TEST(clocks),
		TEST(text),
		TEST(control),
		TEST(no_memory_for_rules),
		TEST(no_memory_for_tasks),
	};

	return cmocka_run_group_tests_name("session", all, NULL, NULL);
}
