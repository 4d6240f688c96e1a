// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The layout of uapi.h, pinned: what is here was promised to programs that are
 * compiled already. Nothing to run; tests/unit/headers compiles it for 64 and
 * for 32 bits, with -Wpadded, and sees to it that nothing of uapi.h is missing.
 *
 * A structure that grows changes its SIZE and gains FIELDs at its end. Any other
 * change here is a break.
 */
#include <stddef.h>

#include <systrace/uapi.h>

#define SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define FIELD(type, field, offset, bytes) \
	_Static_assert(offsetof(struct type, field) == (offset) && \
		       sizeof(((struct type *)0)->field) == (bytes), #type "." #field)
#define VALUE(name, value) \
	_Static_assert((name) == (value), #name)
#define STRING(name, value) \
	_Static_assert(__builtin_strcmp(name, value) == 0, #name)

SIZE(systrace_event, 24);
FIELD(systrace_event, size, 0, 2);
FIELD(systrace_event, type, 2, 1);
FIELD(systrace_event, flags, 3, 1);
FIELD(systrace_event, tid, 4, 4);
FIELD(systrace_event, seq, 8, 8);
FIELD(systrace_event, time, 16, 8);

SIZE(systrace_enter, 80);
FIELD(systrace_enter, event, 0, 24);
FIELD(systrace_enter, nr, 24, 4);
FIELD(systrace_enter, nargs, 28, 4);
FIELD(systrace_enter, args, 32, 48);

SIZE(systrace_return, 40);
FIELD(systrace_return, event, 0, 24);
FIELD(systrace_return, result, 24, 8);
FIELD(systrace_return, nr, 32, 4);
FIELD(systrace_return, reserved, 36, 4);

SIZE(systrace_task, 56);
FIELD(systrace_task, event, 0, 24);
FIELD(systrace_task, tgid, 24, 4);
FIELD(systrace_task, ppid, 28, 4);
FIELD(systrace_task, start_time, 32, 8);
FIELD(systrace_task, comm, 40, 16);

SIZE(systrace_fork, 40);
FIELD(systrace_fork, event, 0, 24);
FIELD(systrace_fork, child, 24, 4);
FIELD(systrace_fork, tgid, 28, 4);
FIELD(systrace_fork, clone_flags, 32, 8);

SIZE(systrace_exec, 48);
FIELD(systrace_exec, event, 0, 24);
FIELD(systrace_exec, oldtid, 24, 4);
FIELD(systrace_exec, reserved, 28, 4);
FIELD(systrace_exec, comm, 32, 16);

SIZE(systrace_exit, 32);
FIELD(systrace_exit, event, 0, 24);
FIELD(systrace_exit, code, 24, 4);
FIELD(systrace_exit, reserved, 28, 4);

SIZE(systrace_signal, 32);
FIELD(systrace_signal, event, 0, 24);
FIELD(systrace_signal, signo, 24, 4);
FIELD(systrace_signal, code, 28, 4);

SIZE(systrace_lost, 40);
FIELD(systrace_lost, event, 0, 24);
FIELD(systrace_lost, count, 24, 8);
FIELD(systrace_lost, cause, 32, 4);
FIELD(systrace_lost, cpu, 36, 4);

SIZE(systrace_detach, 32);
FIELD(systrace_detach, event, 0, 24);
FIELD(systrace_detach, reason, 24, 4);
FIELD(systrace_detach, reserved, 28, 4);

SIZE(systrace_header, 192);
FIELD(systrace_header, magic, 0, 8);
FIELD(systrace_header, abi_version, 8, 4);
FIELD(systrace_header, header_size, 12, 4);
FIELD(systrace_header, nr_rings, 16, 4);
FIELD(systrace_header, ring_size, 20, 4);
FIELD(systrace_header, ring_bytes, 24, 8);
FIELD(systrace_header, rings, 32, 8);
FIELD(systrace_header, rings_stride, 40, 8);
FIELD(systrace_header, bytes, 48, 8);
FIELD(systrace_header, bytes_stride, 56, 8);
FIELD(systrace_header, tails, 64, 8);
FIELD(systrace_header, tails_stride, 72, 8);
FIELD(systrace_header, seen, 80, 8);
FIELD(systrace_header, clock, 88, 4);
FIELD(systrace_header, clock_count, 92, 4);
FIELD(systrace_header, clock_cycles, 96, 8);
FIELD(systrace_header, clock_ns, 104, 8);
FIELD(systrace_header, clock_mult, 112, 4);
FIELD(systrace_header, clock_shift, 116, 4);
FIELD(systrace_header, reserved, 120, 8);
FIELD(systrace_header, attached, 128, 4);
FIELD(systrace_header, waiters, 132, 4);
FIELD(systrace_header, reserved2, 136, 56);

SIZE(systrace_ring, 128);
FIELD(systrace_ring, head, 0, 8);
FIELD(systrace_ring, lost, 8, 8);
FIELD(systrace_ring, oldest, 16, 8);
FIELD(systrace_ring, overwritten, 24, 8);
FIELD(systrace_ring, present, 32, 4);
FIELD(systrace_ring, reserved, 36, 4);
FIELD(systrace_ring, reserved2, 40, 88);

SIZE(systrace_info, 56);
FIELD(systrace_info, size, 0, 4);
FIELD(systrace_info, abi_version, 4, 4);
FIELD(systrace_info, features, 8, 8);
FIELD(systrace_info, events, 16, 8);
FIELD(systrace_info, ring_bytes_min, 24, 8);
FIELD(systrace_info, ring_bytes_max, 32, 8);
FIELD(systrace_info, nr_rings, 40, 4);
FIELD(systrace_info, clock, 44, 4);
FIELD(systrace_info, mask, 48, 4);
FIELD(systrace_info, reserved, 52, 4);

SIZE(systrace_setup, 72);
FIELD(systrace_setup, size, 0, 4);
FIELD(systrace_setup, flags, 4, 4);
FIELD(systrace_setup, ring_bytes, 8, 8);
FIELD(systrace_setup, events, 16, 8);
FIELD(systrace_setup, full, 24, 4);
FIELD(systrace_setup, timeout_ms, 28, 4);
FIELD(systrace_setup, watermark, 32, 4);
FIELD(systrace_setup, latency_us, 36, 4);
FIELD(systrace_setup, control_offset, 40, 8);
FIELD(systrace_setup, control_size, 48, 8);
FIELD(systrace_setup, data_offset, 56, 8);
FIELD(systrace_setup, data_size, 64, 8);

SIZE(systrace_rule, 12);
FIELD(systrace_rule, abi, 0, 1);
FIELD(systrace_rule, record, 1, 1);
FIELD(systrace_rule, nargs, 2, 1);
FIELD(systrace_rule, reserved, 3, 1);
FIELD(systrace_rule, first, 4, 4);
FIELD(systrace_rule, last, 8, 4);

SIZE(systrace_policy, 24);
FIELD(systrace_policy, size, 0, 4);
FIELD(systrace_policy, flags, 4, 4);
FIELD(systrace_policy, rules, 8, 8);
FIELD(systrace_policy, nr_rules, 16, 4);
FIELD(systrace_policy, reserved, 20, 4);

SIZE(systrace_attach_args, 24);
FIELD(systrace_attach_args, size, 0, 4);
FIELD(systrace_attach_args, flags, 4, 4);
FIELD(systrace_attach_args, mode, 8, 4);
FIELD(systrace_attach_args, pid, 12, 4);
FIELD(systrace_attach_args, attached, 16, 4);
FIELD(systrace_attach_args, fd, 20, 4);

SIZE(systrace_detach_args, 24);
FIELD(systrace_detach_args, size, 0, 4);
FIELD(systrace_detach_args, flags, 4, 4);
FIELD(systrace_detach_args, mode, 8, 4);
FIELD(systrace_detach_args, pid, 12, 4);
FIELD(systrace_detach_args, detached, 16, 4);
FIELD(systrace_detach_args, fd, 20, 4);

SIZE(systrace_op, 8);
FIELD(systrace_op, size, 0, 4);
FIELD(systrace_op, flags, 4, 4);

SIZE(systrace_stats, 152);
FIELD(systrace_stats, size, 0, 4);
FIELD(systrace_stats, cpu, 4, 4);
FIELD(systrace_stats, made, 8, 8);
FIELD(systrace_stats, delivered, 16, 8);
FIELD(systrace_stats, lost, 24, 64);
FIELD(systrace_stats, bytes, 88, 8);
FIELD(systrace_stats, blocked, 96, 8);
FIELD(systrace_stats, blocked_ns, 104, 8);
FIELD(systrace_stats, timeouts, 112, 8);
FIELD(systrace_stats, wakeups, 120, 8);
FIELD(systrace_stats, seq, 128, 8);
FIELD(systrace_stats, attached, 136, 4);
FIELD(systrace_stats, attached_max, 140, 4);
FIELD(systrace_stats, covered, 144, 4);
FIELD(systrace_stats, uncovered, 148, 4);

/* enum systrace_type */
VALUE(SYSTRACE_ENTER, 1);
VALUE(SYSTRACE_RETURN, 2);
VALUE(SYSTRACE_TASK, 3);
VALUE(SYSTRACE_FORK, 4);
VALUE(SYSTRACE_EXEC, 5);
VALUE(SYSTRACE_EXIT, 6);
VALUE(SYSTRACE_SIGNAL, 7);
VALUE(SYSTRACE_LOST, 8);
VALUE(SYSTRACE_DETACH, 9);

/* enum systrace_cause */
VALUE(SYSTRACE_LOST_FULL, 0);
VALUE(SYSTRACE_LOST_NO_RING, 1);
VALUE(SYSTRACE_LOST_CHILD, 2);
VALUE(SYSTRACE_LOST_OVERWRITTEN, 3);
VALUE(SYSTRACE_LOST_CAUSES, 8);

/* enum systrace_reason */
VALUE(SYSTRACE_DETACH_ASKED, 0);
VALUE(SYSTRACE_DETACH_EXEC, 1);

/* enum systrace_clock */
VALUE(SYSTRACE_CLOCK_MONOTONIC, 0);
VALUE(SYSTRACE_CLOCK_TSC, 1);

/* enum systrace_mask */
VALUE(SYSTRACE_MASK_OFF, 0);
VALUE(SYSTRACE_MASK_IDLE, 1);
VALUE(SYSTRACE_MASK_ACTIVE, 2);
VALUE(SYSTRACE_MASK_OTHERS, 3);

/* enum systrace_full */
VALUE(SYSTRACE_FULL_DROP, 0);
VALUE(SYSTRACE_FULL_OVERWRITE, 1);
VALUE(SYSTRACE_FULL_BLOCK, 2);
VALUE(SYSTRACE_LATENCY_MIN, 50);
VALUE(SYSTRACE_LATENCY_MAX, 10000000);
VALUE(SYSTRACE_TIMEOUT_MAX, 60000);
VALUE(SYSTRACE_NO_TIMEOUT, 0xffffffff);

/* enum systrace_attach_mode */
VALUE(SYSTRACE_ATTACH_TREE, 0);
VALUE(SYSTRACE_ATTACH_TASK, 1);
VALUE(SYSTRACE_ATTACH_EXEC, 2);

/* enum systrace_detach_mode */
VALUE(SYSTRACE_DETACH_TREE, 0);
VALUE(SYSTRACE_DETACH_TASK, 1);
VALUE(SYSTRACE_DETACH_ALL, 2);

/* what else has a name */
STRING(SYSTRACE_DEVICE, "/dev/systrace");
VALUE(SYSTRACE_ABI_VERSION, 1);
VALUE(SYSTRACE_MAGIC, 0x6563617274737973ULL);
VALUE(SYSTRACE_COMM_BYTES, 16);
VALUE(SYSTRACE_FILE_BYTES, 1024);
VALUE(SYSTRACE_ARGS, 6);

/* systrace_event.flags */
VALUE(SYSTRACE_FLAG_ABI, 0x07);
VALUE(SYSTRACE_FLAG_X86_64, 0x00);
VALUE(SYSTRACE_FLAG_I386, 0x01);
VALUE(SYSTRACE_FLAG_X32, 0x02);
VALUE(SYSTRACE_FLAG_ARM64, 0x03);
VALUE(SYSTRACE_FLAG_ARM, 0x04);

/* ioctls: the same on x86 and arm64 */
VALUE(SYSTRACE_IOC_INFO, 0xd500);
VALUE(SYSTRACE_IOC_SETUP, 0xd501);
VALUE(SYSTRACE_IOC_POLICY, 0xd502);
VALUE(SYSTRACE_IOC_ATTACH, 0xd503);
VALUE(SYSTRACE_IOC_DETACH, 0xd504);
VALUE(SYSTRACE_IOC_PAUSE, 0xd505);
VALUE(SYSTRACE_IOC_RESUME, 0xd506);
VALUE(SYSTRACE_IOC_KICK, 0xd507);
VALUE(SYSTRACE_IOC_STATS, 0xd508);

/* systrace_info.features */
VALUE(SYSTRACE_FEATURE_DROP, 1ULL << 0);
VALUE(SYSTRACE_FEATURE_OVERWRITE, 1ULL << 1);
VALUE(SYSTRACE_FEATURE_BLOCK, 1ULL << 2);
VALUE(SYSTRACE_FEATURE_I386, 1ULL << 3);
VALUE(SYSTRACE_FEATURE_X32, 1ULL << 4);
VALUE(SYSTRACE_FEATURE_PIDFD, 1ULL << 5);
VALUE(SYSTRACE_FEATURE_CGROUP, 1ULL << 6);
VALUE(SYSTRACE_FEATURE_ARM, 1ULL << 7);

/* flags of ATTACH and DETACH */
VALUE(SYSTRACE_BY_PIDFD, 1);
VALUE(SYSTRACE_BY_CGROUP, 2);

/* policies */
VALUE(SYSTRACE_ABI_X86_64, 0x01);
VALUE(SYSTRACE_ABI_I386, 0x02);
VALUE(SYSTRACE_ABI_X32, 0x04);
VALUE(SYSTRACE_ABI_ARM64, 0x08);
VALUE(SYSTRACE_ABI_ARM, 0x10);
VALUE(SYSTRACE_ABI_ALL, 0x1f);
#if defined(__i386__)
VALUE(SYSTRACE_ABI_NATIVE, 0x02);
#elif defined(__x86_64__)
VALUE(SYSTRACE_ABI_NATIVE, sizeof(void *) == 8 ? 0x01 : 0x04);
#elif defined(__aarch64__)
VALUE(SYSTRACE_ABI_NATIVE, 0x08);
#else
VALUE(SYSTRACE_ABI_NATIVE, 0x10);
#endif
VALUE(SYSTRACE_RECORD_ENTER, 0x1);
VALUE(SYSTRACE_RECORD_RETURN, 0x2);
VALUE(SYSTRACE_NARGS_ALL, 0xff);
VALUE(SYSTRACE_NR_OTHER, -1);
VALUE(SYSTRACE_NR_MAX, 1023);
VALUE(SYSTRACE_RULES_MAX, 4096);
