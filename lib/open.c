// SPDX-License-Identifier: LGPL-2.1-or-later
/* The life of a session: device, rings, mappings. */
#define _FILE_OFFSET_BITS 64	/* the ranges' offsets are, on 32-bit machines too */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "handle.h"

#define RING_BYTES	(8ULL << 20)	/* per CPU, if nobody says otherwise */
#define LATENCY_US	10000		/* with a watermark, the same */
#define OPTIONS_SIZE_1	(offsetof(struct systrace_options, log_arg) + sizeof(void *))

/* --------------------------------------------------------------- options --- */

static int take_options(struct systrace_options *to, const struct systrace_options *from)
{
	int ret = systrace_take_options(to, sizeof(*to), OPTIONS_SIZE_1, from);

	if (!ret && (to->reserved || (to->older && to->full != SYSTRACE_FULL_OVERWRITE)))
		ret = -EINVAL;
	return ret;
}

/* ----------------------------------------------------------------- setup --- */

static int check_driver(const struct systrace *st, struct systrace_info *info)
{
	int ret;

	*info = (struct systrace_info){ .size = sizeof(*info) };
	ret = systrace_ioctl(st, SYSTRACE_IOC_INFO, info);
	if (ret == -ENOTTY) {
		systrace_log(st, "%s is another device, not systrace's", SYSTRACE_DEVICE);
		return -EPROTO;
	}
	if (ret) {
		systrace_log(st, "the driver does not say what it is: %s", strerror(-ret));
		return ret;
	}
	if (info->abi_version == SYSTRACE_ABI_VERSION)
		return 0;
	systrace_log(st, "the driver has version %u of the ABI, this library reads %u: install those of one release",
		     info->abi_version, SYSTRACE_ABI_VERSION);
	return -EPROTO;
}

/* With no size asked for: the largest that the limit on locked memory admits. */
static int setup_largest(const struct systrace *st, const struct systrace_info *info,
			 struct systrace_setup *setup)
{
	const __u32 watermark = setup->watermark;
	__u64 bytes = RING_BYTES;
	int ret;

	if (bytes > info->ring_bytes_max)
		bytes = info->ring_bytes_max;
	for (;; bytes /= 2) {
		setup->ring_bytes = bytes;
		setup->watermark = watermark > bytes / 2 ? (__u32)(bytes / 2) : watermark;
		ret = systrace_ioctl(st, SYSTRACE_IOC_SETUP, setup);
		if (ret != -ENOMEM || bytes / 2 < info->ring_bytes_min)
			return ret;
		systrace_log(st, "rings of %llu bytes do not fit memory, or the limit on locked memory: trying half of that",
			     (unsigned long long)bytes);
	}
}

/* Which option the driver does not like, as far as can be told from here */
static const char *reason(int error, const struct systrace_info *info, const struct systrace_setup *s)
{
	if (error == -EPERM)
		return "timeout_ms is above a minute, which needs CAP_SYS_ADMIN";
	if (error == -ENOMEM)
		return "ring_bytes for each CPU, or the limit on locked memory";
	if (error == -EOPNOTSUPP)
		return "it does not have that full";
	if (s->ring_bytes & (s->ring_bytes - 1))
		return "ring_bytes is no power of two";
	if (s->ring_bytes < info->ring_bytes_min || s->ring_bytes > info->ring_bytes_max)
		return "ring_bytes is too little or too much, see systrace_info";
	if (s->events & ~info->events)
		return "events has a type that there is not";
	if (s->watermark > s->ring_bytes / 2)
		return "watermark is above half of ring_bytes";
	if (s->watermark ? s->latency_us < SYSTRACE_LATENCY_MIN || s->latency_us > SYSTRACE_LATENCY_MAX : s->latency_us)
		return "latency_us is 50 to 10000000, with a watermark";
	if (s->timeout_ms && s->full != SYSTRACE_FULL_BLOCK)
		return "timeout_ms is for SYSTRACE_FULL_BLOCK";
	return "full, or an option that is newer than the driver";
}

static int setup_rings(const struct systrace *st, const struct systrace_options *opts,
		       struct systrace_setup *setup)
{
	struct systrace_info info;
	int ret = check_driver(st, &info);

	if (ret)
		return ret;
	*setup = (struct systrace_setup){
		.size = sizeof(*setup),
		.ring_bytes = opts->ring_bytes,
		.events = opts->events,
		.full = opts->full,
		.timeout_ms = opts->timeout_ms,
		.watermark = opts->watermark,
		.latency_us = opts->watermark && !opts->latency_us ? LATENCY_US : opts->latency_us,
	};
	if (!opts->ring_bytes)
		ret = setup_largest(st, &info, setup);
	else
		ret = systrace_ioctl(st, SYSTRACE_IOC_SETUP, setup);
	if (ret)
		systrace_log(st, "the driver refuses such a session: %s: %s", strerror(-ret),
			     reason(ret, &info, setup));
	return ret;
}

/* --------------------------------------------------------------- mapping --- */

static void unmap(struct systrace *st)
{
	if (st->header)
		munmap((void *)(uintptr_t)st->header, st->data_size);
	if (st->control)
		munmap(st->control, st->control_size);
}

/* On failure the caller unmaps what has been mapped. */
static int map(struct systrace *st, const struct systrace_setup *setup)
{
	void *p;

	if (setup->control_size > SIZE_MAX || setup->data_size > SIZE_MAX)
		return -ENOMEM;
	st->control_size = (size_t)setup->control_size;
	st->data_size = (size_t)setup->data_size;
	p = mmap(NULL, st->control_size, PROT_READ | PROT_WRITE, MAP_SHARED, st->fd,
		 (off_t)setup->control_offset);
	if (p == MAP_FAILED)
		return -errno;
	st->control = p;
	p = mmap(NULL, st->data_size, PROT_READ, MAP_SHARED, st->fd, (off_t)setup->data_offset);
	if (p == MAP_FAILED)
		return -errno;
	st->header = p;
	return 0;
}

/* Do `nr` things of `size` bytes, a stride apart, lie inside of a range? */
static bool inside(__u64 range, __u64 offset, __u64 stride, __u64 size, __u32 nr)
{
	if (!nr || stride < size || offset > range || range - offset < size)
		return false;
	return nr == 1 || (range - offset - size) / (nr - 1) >= stride;
}

static bool header_fits(const struct systrace *st)
{
	const struct systrace_header *h = st->header;
	const __u64 aligned = h->rings | h->rings_stride | h->bytes | h->bytes_stride | h->tails |
			      h->tails_stride | h->seen | h->ring_bytes;

	return h->magic == SYSTRACE_MAGIC && h->abi_version == SYSTRACE_ABI_VERSION &&
	       h->header_size >= sizeof(*h) && h->ring_size >= sizeof(struct systrace_ring) &&
	       h->ring_bytes && !(h->ring_bytes & (h->ring_bytes - 1)) &&
	       h->ring_bytes <= st->data_size / 2 && !(aligned % sizeof(__u64)) &&
	       inside(st->data_size, h->rings, h->rings_stride, h->ring_size, h->nr_rings) &&
	       inside(st->data_size, h->bytes, h->bytes_stride, 2 * h->ring_bytes, h->nr_rings) &&
	       inside(st->control_size, h->tails, h->tails_stride, sizeof(__u64), h->nr_rings) &&
	       inside(st->control_size, h->seen, sizeof(__u64), sizeof(__u64), 1);
}

/* Follow the header's offsets to each CPU's ring. */
static const struct systrace_ring *ring_of(const struct systrace *st, unsigned cpu)
{
	const struct systrace_header *h = st->header;

	return (const void *)((const unsigned char *)h + h->rings + cpu * h->rings_stride);
}

static const void *bytes_of(const struct systrace *st, unsigned cpu)
{
	const struct systrace_header *h = st->header;

	return (const unsigned char *)h + h->bytes + cpu * h->bytes_stride;
}

static __u64 *tail_of(const struct systrace *st, unsigned cpu)
{
	const struct systrace_header *h = st->header;

	return (void *)((unsigned char *)st->control + h->tails + cpu * h->tails_stride);
}

static int find_latest(struct systrace *st, bool older)
{
	const struct systrace_header *h = st->header;
	struct systrace_latest_source *sources = calloc(h->nr_rings, sizeof(*sources));
	int ret;

	if (!sources)
		return -ENOMEM;
	for (unsigned cpu = 0; cpu < h->nr_rings; cpu++)
		sources[cpu] = (struct systrace_latest_source){
			.bytes = bytes_of(st, cpu), .shared = ring_of(st, cpu),
			.tail = tail_of(st, cpu),
		};
	systrace_merge_none(&st->merge);
	ret = systrace_latest_init(&st->latest, sources, h->nr_rings, h->ring_bytes, older);
	free(sources);
	return ret;
}

static struct systrace_merge_source merge_source(const struct systrace *st, unsigned cpu)
{
	return (struct systrace_merge_source){
		.bytes = bytes_of(st, cpu), .head = &ring_of(st, cpu)->head,
		.tail = tail_of(st, cpu), .present = &ring_of(st, cpu)->present,
	};
}

static int find_rings(struct systrace *st)
{
	const struct systrace_header *h = st->header;
	struct systrace_merge_source *sources = calloc(h->nr_rings, sizeof(*sources));
	int ret;

	if (!sources)
		return -ENOMEM;
	for (unsigned cpu = 0; cpu < h->nr_rings; cpu++)
		sources[cpu] = merge_source(st, cpu);
	ret = systrace_merge_init(&st->merge, sources, h->nr_rings, h->ring_bytes, *st->seen);
	free(sources);
	return ret;
}

int systrace_split(struct systrace *st)
{
	const struct systrace_header *h = st->header;
	struct systrace_part *parts;

	if (st->full == SYSTRACE_FULL_OVERWRITE)
		return -EOPNOTSUPP;
	if (st->parts || systrace_merge_seq(&st->merge))
		return -EBUSY;
	parts = aligned_alloc(_Alignof(struct systrace_part), h->nr_rings * sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	for (unsigned cpu = 0; cpu < h->nr_rings; cpu++) {
		struct systrace_merge_source source = merge_source(st, cpu);

		parts[cpu] = (struct systrace_part){ .present = source.present };
		systrace_reader_init(&parts[cpu].reader, source.bytes, h->ring_bytes, source.head, source.tail);
	}
	systrace_merge_destroy(&st->merge);
	systrace_merge_none(&st->merge);
	st->parts = parts;
	st->nr_parts = h->nr_rings;
	return (int)st->nr_parts;
}

/* ------------------------------------------------------------------ life --- */

int systrace_open(struct systrace **out, const struct systrace_options *opts)
{
	struct systrace_options options;
	struct systrace_setup setup;
	struct systrace *st;
	int ret = take_options(&options, opts);

	if (ret)
		return ret;
	st = calloc(1, sizeof(*st));
	if (!st)
		return -ENOMEM;
	pthread_mutex_init(&st->pausing, NULL);
	st->owner = getpid();
	st->full = options.full;
	st->log = options.log;
	st->log_arg = options.log_arg;
	st->fd = open(SYSTRACE_DEVICE, O_RDWR | O_CLOEXEC);
	if (st->fd < 0) {
		ret = -errno;
		systrace_log(st, "cannot open %s: %s%s", SYSTRACE_DEVICE, strerror(-ret),
			     ret == -ENOENT ? " (is the module systrace loaded?)" : "");
		goto err_open;
	}
	ret = setup_rings(st, &options, &setup);
	if (ret)
		goto err_setup;
	ret = map(st, &setup);
	if (ret) {
		systrace_log(st, "the session cannot be mapped: %s", strerror(-ret));
		goto err_map;
	}
	if (!header_fits(st)) {
		systrace_log(st, "what the driver has mapped is no session");
		ret = -EPROTO;
		goto err_map;
	}
	st->seen = (void *)((unsigned char *)st->control + st->header->seen);
	if (options.full == SYSTRACE_FULL_OVERWRITE)
		ret = find_latest(st, options.older);
	else
		ret = find_rings(st);
	if (ret)
		goto err_map;
	*out = st;
	return 0;

err_map:
	unmap(st);
err_setup:
	close(st->fd);
err_open:
	free(st);
	return ret;
}

void systrace_close(struct systrace *st)
{
	if (!st)
		return;
	/* A forked child has no such mappings, but may have others at their place. */
	if (st->owner == getpid())
		unmap(st);
	systrace_merge_destroy(&st->merge);
	systrace_latest_destroy(&st->latest);
	free(st->parts);
	close(st->fd);
	free(st);
}

int systrace_fd(const struct systrace *st)
{
	return st->fd;
}

unsigned systrace_attached(const struct systrace *st)
{
	return __atomic_load_n(&st->header->attached, __ATOMIC_RELAXED);
}
