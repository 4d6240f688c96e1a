/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What differs between architectures: arm64 has only the newest of several calls for one
 * purpose, a child begins without a RETURN there, and an execveat returns as what it is.
 */
#ifndef SYSTRACE_TESTS_NATIVE_H
#define SYSTRACE_TESTS_NATIVE_H

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)

#define NATIVE_PAUSE	SYS_pause
#define NATIVE_VFORK	SYS_vfork
#define PAUSE		"pause"
#define FORK		"fork"
#define VFORK		"vfork"
#define CHILD(call)	"RETURN " call "=0, "
#define EXECVEAT	"execve"
#define ABI_32		"i386"

#elif defined(__aarch64__)

#define NATIVE_PAUSE	SYS_ppoll
#define NATIVE_VFORK	SYS_clone
#define PAUSE		"ppoll"
#define FORK		"clone"
#define VFORK		"clone"
#define CHILD(call)	""
#define EXECVEAT	"execveat"
#define ABI_32		"arm"

#endif

/* Without the C library's handlers */
static inline long native_fork(void)
{
#ifdef SYS_fork
	return syscall(SYS_fork);
#else
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static inline void native_relax(void)
{
#if defined(__x86_64__)
	__asm__ volatile("pause");
#else
	__asm__ volatile("isb" ::: "memory");	/* a yield is soon over */
#endif
}

static inline long native_pause(void)
{
	return syscall(NATIVE_PAUSE, 0, 0, 0, 0, 0);
}

/* A call that makes a task, or waits for a descriptor: whichever of them this architecture has */
static inline int native_makes_task(long nr)
{
#ifdef SYS_fork
	if (nr == SYS_fork || nr == SYS_vfork)
		return 1;
#endif
	return nr == SYS_clone || nr == SYS_clone3;
}

static inline int native_polls(long nr)
{
#ifdef SYS_poll
	if (nr == SYS_poll || nr == SYS_select || nr == SYS_epoll_wait)
		return 1;
#endif
	return nr == SYS_ppoll || nr == SYS_pselect6 || nr == SYS_epoll_pwait;
}

#endif
