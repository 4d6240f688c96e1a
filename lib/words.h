/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the values of arguments are said: which way, and in which words. */
#ifndef SYSTRACE_LIB_WORDS_H
#define SYSTRACE_LIB_WORDS_H

#include <stdint.h>

/* As numbers; then those that have words for some values */
enum systrace_say {
	SAY_HEX, SAY_SIGNED, SAY_UNSIGNED, SAY_LONG, SAY_SIZE, SAY_OCTAL,
	SAY_SIGNAL, SAY_SIGNAL_SET, SAY_CLONE,	/* a signal is in the lowest byte of that */
	SAY_WORDS,
	SAY_ACCESS = SAY_WORDS, SAY_AT, SAY_AT_ACCESS, SAY_CLOCK, SAY_DIRFD, SAY_EPOLL, SAY_EPOLL_CTL,
	SAY_EVENTFD, SAY_FAMILY, SAY_FCNTL, SAY_FLOCK, SAY_FUTEX, SAY_GETRANDOM, SAY_IOCTL, SAY_MADVISE, SAY_MAP,
	SAY_MEMFD, SAY_MOUNT, SAY_MREMAP, SAY_MSG, SAY_MSYNC, SAY_OPEN, SAY_PRCTL, SAY_PROT,
	SAY_PTRACE, SAY_RENAME, SAY_RESOURCE, SAY_SECCOMP, SAY_SEEK, SAY_SHUTDOWN, SAY_SIGHOW,
	SAY_SOCKET, SAY_SOCKOPT_LEVEL, SAY_UMOUNT, SAY_WAIT, SAY_WAITID,
};

/* A value has the word if it is that in the bits of mask, of all if that is 0. */
struct systrace_word {
	uint64_t mask;
	uint64_t value;
	const char *name;
};

/* Those of a kind from SAY_WORDS on, also of SAY_CLONE; ends with one without a name. */
const struct systrace_word *systrace_words(enum systrace_say say);

/* How each argument of that call is said: an enum systrace_say for each; NULL if nothing is known. */
const unsigned char *systrace_said(unsigned abi, int nr);

#endif
