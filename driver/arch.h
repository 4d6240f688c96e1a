/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What depends on the architecture: the system call ABIs, as systrace_event.flags, and
 * their numbers. FIRST and NR say which ABIs there can be.
 */
#ifndef SYSTRACE_ARCH_H
#define SYSTRACE_ARCH_H

#include <linux/compat.h>
#include <linux/sched.h>
#include <systrace/uapi.h>

#if defined(CONFIG_X86_64)

#define SYSTRACE_ARCH_ABI_FIRST	SYSTRACE_FLAG_X86_64
#define SYSTRACE_ARCH_ABI_NR	3
#define SYSTRACE_X32_BIT	0x40000000

/* Is the call that current is in one of the first ABI, by its number? Not x32's. */
static __always_inline bool systrace_arch_native(void)
{
	return !in_ia32_syscall();
}

/* The first nargs of such a call, and some more: there is room for six. */
static __always_inline void systrace_arch_put_args(u64 *to, const struct pt_regs *regs, u64 nargs)
{
	if (unlikely(!nargs))
		return;
	to[0] = regs->di;
	to[1] = regs->si;
	to[2] = regs->dx;
	if (nargs <= 3)
		return;
	to[3] = regs->r10;
	to[4] = regs->r8;
	to[5] = regs->r9;
}

/* That of the call `nr` that current is in; *nr loses x32's marker. */
static __always_inline u8 systrace_arch_abi(s32 *nr)
{
	if (in_ia32_syscall())
		return SYSTRACE_FLAG_I386;
	if (*nr >= SYSTRACE_X32_BIT) {
		*nr -= SYSTRACE_X32_BIT;
		return SYSTRACE_FLAG_X32;
	}
	return SYSTRACE_FLAG_X86_64;
}

/* The same when the call returns: the kernel gives an execve the number of its new ABI. */
static __always_inline u8 systrace_arch_return_abi(const struct pt_regs *regs, s32 *nr)
{
	return systrace_arch_abi(nr);
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

#elif defined(CONFIG_ARM64) && !defined(CONFIG_CPU_BIG_ENDIAN)

#define SYSTRACE_ARCH_ABI_FIRST	SYSTRACE_FLAG_ARM64
#define SYSTRACE_ARCH_ABI_NR	2

#define SYSTRACE_EXECVE		221
#define SYSTRACE_EXECVEAT	281
#define SYSTRACE_EXECVE_ARM	11
#define SYSTRACE_EXECVEAT_ARM	387

static __always_inline bool systrace_arch_native(void)
{
	return !is_compat_task();
}

static __always_inline void systrace_arch_put_args(u64 *to, const struct pt_regs *regs, u64 nargs)
{
	if (unlikely(!nargs))
		return;
	to[0] = regs->orig_x0;
	to[1] = regs->regs[1];
	to[2] = regs->regs[2];
	if (nargs <= 3)
		return;
	to[3] = regs->regs[3];
	to[4] = regs->regs[4];
	to[5] = regs->regs[5];
}

/* A task makes only calls of its program's kind. */
static __always_inline u8 systrace_arch_abi(s32 *nr)
{
	return is_compat_task() ? SYSTRACE_FLAG_ARM : SYSTRACE_FLAG_ARM64;
}

static inline bool systrace_arch_is_execve(u8 abi, s32 nr)
{
	if (abi == SYSTRACE_FLAG_ARM)
		return nr == SYSTRACE_EXECVE_ARM || nr == SYSTRACE_EXECVEAT_ARM;
	return nr == SYSTRACE_EXECVE || nr == SYSTRACE_EXECVEAT;
}

/*
 * When a call returns. An execve by which the program's kind changed still has its number of
 * the old one. Who really made the call of that number has it in a register; after an execve
 * that is zero.
 */
static __always_inline u8 systrace_arch_return_abi(const struct pt_regs *regs, s32 *nr)
{
	u8 abi = systrace_arch_abi(nr);
	bool arm = abi == SYSTRACE_FLAG_ARM;

	if (likely(regs->regs[arm ? 7 : 8]))
		return abi;
	if (*nr == (arm ? SYSTRACE_EXECVE : SYSTRACE_EXECVE_ARM))
		*nr = arm ? SYSTRACE_EXECVE_ARM : SYSTRACE_EXECVE;
	else if (*nr == (arm ? SYSTRACE_EXECVEAT : SYSTRACE_EXECVEAT_ARM))
		*nr = arm ? SYSTRACE_EXECVEAT_ARM : SYSTRACE_EXECVEAT;
	return abi;
}

#else
#error "systrace supports x86-64, and arm64 that is little-endian"
#endif

#endif
