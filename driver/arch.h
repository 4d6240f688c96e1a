/* SPDX-License-Identifier: GPL-2.0-only */
/* What depends on the architecture: the system call ABIs and their numbers. */
#ifndef SYSTRACE_ARCH_H
#define SYSTRACE_ARCH_H

#include <linux/compat.h>
#include <linux/sched.h>
#include <systrace/uapi.h>

#ifndef CONFIG_X86_64
#error "systrace supports x86-64"
#endif

#define SYSTRACE_X32_BIT	0x40000000

/* The ABI of the call `nr` that current is in, as systrace_event.flags; *nr loses x32's marker. */
static __always_inline u8 systrace_arch_abi(s32 *nr)
{
	if (in_ia32_syscall())
		return SYSTRACE_FLAG_I386;
	if (*nr >= SYSTRACE_X32_BIT) {
		*nr -= SYSTRACE_X32_BIT;
		return SYSTRACE_FLAG_X32;
	}
	return 0;
}

static inline bool systrace_arch_is_execve(u8 abi, s32 nr)
{
	switch (abi) {
	case SYSTRACE_FLAG_I386:
		return nr == 11 || nr == 358;
	case SYSTRACE_FLAG_X32:
		return nr == 520 || nr == 545;
	default:
		return nr == 59 || nr == 322;
	}
}

#endif
