/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls by their instructions. */
#ifndef SYSTRACE_TESTS_CALLS_H
#define SYSTRACE_TESTS_CALLS_H

#include "tap.h"

/* call64: with the arguments 1 to 6 */
#if defined(__x86_64__)

TAP long call64(long nr)
{
	register long d __asm__("r10") = 4, e __asm__("r8") = 5, f __asm__("r9") = 6;
	long result;

	__asm__ volatile("syscall" : "=a" (result)
			 : "a" (nr), "D" (1L), "S" (2L), "d" (3L), "r" (d), "r" (e), "r" (f)
			 : "rcx", "r11", "memory");
	return result;
}

/* The same by int $0x80, but for the first three */
TAP long call32_with(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("mov %%rbp, %%r12\n\tmov $6, %%ebp\n\tint $0x80\n\tmov %%r12, %%rbp"
			 : "=a" (result)
			 : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (4L), "D" (5L)
			 : "r8", "r9", "r10", "r11", "r12", "memory");
	return result;
}

TAP long call32(long nr)
{
	return call32_with(nr, 1, 2, 3);
}

#elif defined(__aarch64__)

TAP long call64(long nr)
{
	register long number __asm__("x8") = nr, a __asm__("x0") = 1, b __asm__("x1") = 2,
		      c __asm__("x2") = 3, d __asm__("x3") = 4, e __asm__("x4") = 5,
		      f __asm__("x5") = 6;

	__asm__ volatile("svc 0" : "+r" (a)
			 : "r" (number), "r" (b), "r" (c), "r" (d), "r" (e), "r" (f) : "memory");
	return a;
}

#endif

#endif
