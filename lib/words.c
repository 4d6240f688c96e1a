// SPDX-License-Identifier: LGPL-2.1-or-later
/* Words for the values of arguments, as this machine's headers define them. Any thread. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/memfd.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "words.h"

#define IS(word)	{ 0, (uint64_t)(word), #word }			/* the whole value */
#define HAS(word)	{ (uint64_t)(word), (uint64_t)(word), #word }	/* this bit, or bits */
#define IN(mask, word)	{ (uint64_t)(mask), (uint64_t)(word), #word }	/* the value of these bits */
#define END		{ 0, 0, NULL }

static const struct systrace_word access_words[] = {
	IS(F_OK), HAS(R_OK), HAS(W_OK), HAS(X_OK), END
};

static const struct systrace_word at_words[] = {
	HAS(AT_SYMLINK_NOFOLLOW), HAS(AT_SYMLINK_FOLLOW), HAS(AT_NO_AUTOMOUNT), HAS(AT_EMPTY_PATH),
	HAS(AT_REMOVEDIR), HAS(AT_STATX_FORCE_SYNC), HAS(AT_STATX_DONT_SYNC), END
};

static const struct systrace_word at_access_words[] = {	/* AT_EACCESS is AT_REMOVEDIR's bit */
	HAS(AT_EACCESS), HAS(AT_SYMLINK_NOFOLLOW), HAS(AT_EMPTY_PATH), END
};

static const struct systrace_word clock_words[] = {
	IS(CLOCK_REALTIME), IS(CLOCK_MONOTONIC), IS(CLOCK_PROCESS_CPUTIME_ID),
	IS(CLOCK_THREAD_CPUTIME_ID), IS(CLOCK_MONOTONIC_RAW), IS(CLOCK_REALTIME_COARSE),
	IS(CLOCK_MONOTONIC_COARSE), IS(CLOCK_BOOTTIME), IS(CLOCK_REALTIME_ALARM),
	IS(CLOCK_BOOTTIME_ALARM), IS(CLOCK_TAI), END
};

static const struct systrace_word clone_words[] = {
	HAS(CLONE_VM), HAS(CLONE_FS), HAS(CLONE_FILES), HAS(CLONE_SIGHAND), HAS(CLONE_PIDFD),
	HAS(CLONE_PTRACE), HAS(CLONE_VFORK), HAS(CLONE_PARENT), HAS(CLONE_THREAD), HAS(CLONE_NEWNS),
	HAS(CLONE_SYSVSEM), HAS(CLONE_SETTLS), HAS(CLONE_PARENT_SETTID), HAS(CLONE_CHILD_CLEARTID),
	HAS(CLONE_DETACHED), HAS(CLONE_UNTRACED), HAS(CLONE_CHILD_SETTID), HAS(CLONE_NEWCGROUP),
	HAS(CLONE_NEWUTS), HAS(CLONE_NEWIPC), HAS(CLONE_NEWUSER), HAS(CLONE_NEWPID), HAS(CLONE_NEWNET),
	HAS(CLONE_IO), END
};

static const struct systrace_word dirfd_words[] = { { 0xffffffff, (uint32_t)AT_FDCWD, "AT_FDCWD" }, END };

static const struct systrace_word epoll_words[] = { HAS(EPOLL_CLOEXEC), END };

static const struct systrace_word epoll_ctl_words[] = {
	IS(EPOLL_CTL_ADD), IS(EPOLL_CTL_DEL), IS(EPOLL_CTL_MOD), END
};

static const struct systrace_word eventfd_words[] = {
	HAS(EFD_SEMAPHORE), HAS(EFD_CLOEXEC), HAS(EFD_NONBLOCK), END
};

static const struct systrace_word family_words[] = {
	IS(AF_UNSPEC), IS(AF_UNIX), IS(AF_INET), IS(AF_AX25), IS(AF_IPX), IS(AF_APPLETALK), IS(AF_X25),
	IS(AF_INET6), IS(AF_KEY), IS(AF_NETLINK), IS(AF_PACKET), IS(AF_RDS), IS(AF_PPPOX), IS(AF_CAN),
	IS(AF_TIPC), IS(AF_BLUETOOTH), IS(AF_ALG), IS(AF_VSOCK), IS(AF_XDP), END
};

static const struct systrace_word fcntl_words[] = {
	IS(F_DUPFD), IS(F_GETFD), IS(F_SETFD), IS(F_GETFL), IS(F_SETFL), { 0, 5, "F_GETLK" },
	{ 0, 6, "F_SETLK" }, { 0, 7, "F_SETLKW" }, IS(F_SETOWN), IS(F_GETOWN), IS(F_SETSIG),
	IS(F_GETSIG), { 0, 12, "F_GETLK64" }, { 0, 13, "F_SETLK64" }, { 0, 14, "F_SETLKW64" },
	IS(F_SETOWN_EX), IS(F_GETOWN_EX), IS(F_OFD_GETLK), IS(F_OFD_SETLK), IS(F_OFD_SETLKW),
	IS(F_SETLEASE), IS(F_GETLEASE), IS(F_NOTIFY), IS(F_DUPFD_CLOEXEC), IS(F_SETPIPE_SZ),
	IS(F_GETPIPE_SZ), IS(F_ADD_SEALS), IS(F_GET_SEALS), END
};

static const struct systrace_word flock_words[] = {
	IN(~LOCK_NB & 0xf, LOCK_SH), IN(~LOCK_NB & 0xf, LOCK_EX), IN(~LOCK_NB & 0xf, LOCK_UN), HAS(LOCK_NB), END
};

static const struct systrace_word futex_words[] = {
	HAS(FUTEX_PRIVATE_FLAG), HAS(FUTEX_CLOCK_REALTIME), IN(0x7f, FUTEX_WAIT), IN(0x7f, FUTEX_WAKE),
	IN(0x7f, FUTEX_FD), IN(0x7f, FUTEX_REQUEUE), IN(0x7f, FUTEX_CMP_REQUEUE), IN(0x7f, FUTEX_WAKE_OP),
	IN(0x7f, FUTEX_LOCK_PI), IN(0x7f, FUTEX_UNLOCK_PI), IN(0x7f, FUTEX_TRYLOCK_PI),
	IN(0x7f, FUTEX_WAIT_BITSET), IN(0x7f, FUTEX_WAKE_BITSET), IN(0x7f, FUTEX_WAIT_REQUEUE_PI),
	IN(0x7f, FUTEX_CMP_REQUEUE_PI), END
};

static const struct systrace_word getrandom_words[] = {
	HAS(GRND_NONBLOCK), HAS(GRND_RANDOM), HAS(GRND_INSECURE), END
};

static const struct systrace_word ioctl_words[] = {
	IS(TCGETS), IS(TCSETS), IS(TCSETSW), IS(TCSETSF), IS(TCSBRK), IS(TCXONC), IS(TCFLSH), IS(TIOCEXCL),
	IS(TIOCSCTTY), IS(TIOCGPGRP), IS(TIOCSPGRP), IS(TIOCOUTQ), IS(TIOCSTI), IS(TIOCGWINSZ),
	IS(TIOCSWINSZ), IS(FIONREAD), IS(TIOCNOTTY), IS(TIOCGSID), IS(TIOCGPTN), IS(TIOCSPTLCK),
	IS(TIOCGPTPEER), IS(FIONBIO), IS(FIOASYNC), IS(FIONCLEX), IS(FIOCLEX), IS(FIOQSIZE), IS(FIGETBSZ),
	IS(FS_IOC_GETFLAGS), IS(FS_IOC_SETFLAGS), IS(FICLONE), IS(FICLONERANGE), IS(BLKGETSIZE64), IS(BLKSSZGET), END
};

static const struct systrace_word madvise_words[] = {
	IS(MADV_NORMAL), IS(MADV_RANDOM), IS(MADV_SEQUENTIAL), IS(MADV_WILLNEED), IS(MADV_DONTNEED),
	IS(MADV_FREE), IS(MADV_REMOVE), IS(MADV_DONTFORK), IS(MADV_DOFORK), IS(MADV_MERGEABLE),
	IS(MADV_UNMERGEABLE), IS(MADV_HUGEPAGE), IS(MADV_NOHUGEPAGE), IS(MADV_DONTDUMP), IS(MADV_DODUMP),
	IS(MADV_WIPEONFORK), IS(MADV_KEEPONFORK), IS(MADV_COLD), IS(MADV_PAGEOUT), END
};

static const struct systrace_word map_words[] = {
	IN(0xf, MAP_SHARED), IN(0xf, MAP_PRIVATE), IN(0xf, MAP_SHARED_VALIDATE), HAS(MAP_FIXED),
	HAS(MAP_ANONYMOUS),
#ifdef MAP_32BIT
	HAS(MAP_32BIT),
#endif
	HAS(MAP_GROWSDOWN), HAS(MAP_DENYWRITE), HAS(MAP_EXECUTABLE), HAS(MAP_LOCKED), HAS(MAP_NORESERVE),
	HAS(MAP_POPULATE), HAS(MAP_NONBLOCK), HAS(MAP_STACK), HAS(MAP_HUGETLB), HAS(MAP_SYNC),
	HAS(MAP_FIXED_NOREPLACE), END
};

static const struct systrace_word memfd_words[] = {
	HAS(MFD_CLOEXEC), HAS(MFD_ALLOW_SEALING), HAS(MFD_HUGETLB), END
};

static const struct systrace_word mount_words[] = {
	HAS(MS_RDONLY), HAS(MS_NOSUID), HAS(MS_NODEV), HAS(MS_NOEXEC), HAS(MS_SYNCHRONOUS), HAS(MS_REMOUNT),
	HAS(MS_MANDLOCK), HAS(MS_DIRSYNC), HAS(MS_NOATIME), HAS(MS_NODIRATIME), HAS(MS_BIND), HAS(MS_MOVE),
	HAS(MS_REC), HAS(MS_SILENT), HAS(MS_POSIXACL), HAS(MS_UNBINDABLE), HAS(MS_PRIVATE), HAS(MS_SLAVE),
	HAS(MS_SHARED), HAS(MS_RELATIME), HAS(MS_STRICTATIME), HAS(MS_LAZYTIME), END
};

static const struct systrace_word mremap_words[] = {
	HAS(MREMAP_MAYMOVE), HAS(MREMAP_FIXED), { 4, 4, "MREMAP_DONTUNMAP" }, END
};

static const struct systrace_word msg_words[] = {
	HAS(MSG_OOB), HAS(MSG_PEEK), HAS(MSG_DONTROUTE), HAS(MSG_CTRUNC), HAS(MSG_TRUNC), HAS(MSG_DONTWAIT),
	HAS(MSG_EOR), HAS(MSG_WAITALL), HAS(MSG_CONFIRM), HAS(MSG_ERRQUEUE), HAS(MSG_NOSIGNAL),
	HAS(MSG_MORE), HAS(MSG_WAITFORONE), HAS(MSG_ZEROCOPY), HAS(MSG_FASTOPEN), HAS(MSG_CMSG_CLOEXEC), END
};

static const struct systrace_word msync_words[] = {
	HAS(MS_ASYNC), HAS(MS_INVALIDATE), HAS(MS_SYNC), END
};

/* The C library of a 64-bit program has no O_LARGEFILE. */
#if defined(__aarch64__) || defined(__arm__)
#define LARGEFILE 0400000
#else
#define LARGEFILE 0100000
#endif
static const struct systrace_word open_words[] = {
	IN(O_ACCMODE, O_RDONLY), IN(O_ACCMODE, O_WRONLY), IN(O_ACCMODE, O_RDWR), HAS(O_CREAT), HAS(O_EXCL),
	HAS(O_NOCTTY), HAS(O_TRUNC), HAS(O_APPEND), HAS(O_NONBLOCK), HAS(O_SYNC), HAS(O_DSYNC),
	HAS(O_ASYNC), HAS(O_DIRECT), { LARGEFILE, LARGEFILE, "O_LARGEFILE" }, HAS(O_NOFOLLOW),
	HAS(O_NOATIME), HAS(O_CLOEXEC), HAS(O_PATH), HAS(O_TMPFILE), HAS(O_DIRECTORY), END
};

static const struct systrace_word prctl_words[] = {
	IS(PR_SET_PDEATHSIG), IS(PR_GET_PDEATHSIG), IS(PR_GET_DUMPABLE), IS(PR_SET_DUMPABLE),
	IS(PR_GET_KEEPCAPS), IS(PR_SET_KEEPCAPS), IS(PR_SET_NAME), IS(PR_GET_NAME), IS(PR_GET_SECCOMP),
	IS(PR_SET_SECCOMP), IS(PR_CAPBSET_READ), IS(PR_CAPBSET_DROP), IS(PR_GET_TSC), IS(PR_SET_TSC),
	IS(PR_GET_SECUREBITS), IS(PR_SET_SECUREBITS), IS(PR_SET_TIMERSLACK), IS(PR_GET_TIMERSLACK),
	IS(PR_MCE_KILL), IS(PR_MCE_KILL_GET), IS(PR_SET_MM), IS(PR_SET_PTRACER),
	IS(PR_SET_CHILD_SUBREAPER), IS(PR_GET_CHILD_SUBREAPER), IS(PR_SET_NO_NEW_PRIVS),
	IS(PR_GET_NO_NEW_PRIVS), IS(PR_GET_TID_ADDRESS), IS(PR_SET_THP_DISABLE), IS(PR_GET_THP_DISABLE),
	IS(PR_CAP_AMBIENT), IS(PR_GET_SPECULATION_CTRL), IS(PR_SET_SPECULATION_CTRL), IS(PR_SET_VMA), END
};

static const struct systrace_word prot_words[] = {
	IS(PROT_NONE), HAS(PROT_READ), HAS(PROT_WRITE), HAS(PROT_EXEC), HAS(PROT_GROWSDOWN),
	HAS(PROT_GROWSUP), END
};

static const struct systrace_word ptrace_words[] = {
	IS(PTRACE_TRACEME), IS(PTRACE_PEEKTEXT), IS(PTRACE_PEEKDATA), IS(PTRACE_PEEKUSER),
	IS(PTRACE_POKETEXT), IS(PTRACE_POKEDATA), IS(PTRACE_POKEUSER), IS(PTRACE_CONT), IS(PTRACE_KILL),
	IS(PTRACE_SINGLESTEP), IS(PTRACE_ATTACH), IS(PTRACE_DETACH), IS(PTRACE_SYSCALL),
	IS(PTRACE_SETOPTIONS), IS(PTRACE_GETEVENTMSG), IS(PTRACE_GETSIGINFO), IS(PTRACE_SETSIGINFO),
	IS(PTRACE_GETREGSET), IS(PTRACE_SETREGSET), IS(PTRACE_SEIZE), IS(PTRACE_INTERRUPT),
	IS(PTRACE_LISTEN), IS(PTRACE_PEEKSIGINFO), IS(PTRACE_GETSIGMASK), IS(PTRACE_SETSIGMASK),
	IS(PTRACE_SECCOMP_GET_FILTER), IS(PTRACE_GET_SYSCALL_INFO), END
};

static const struct systrace_word rename_words[] = {
	HAS(RENAME_NOREPLACE), HAS(RENAME_EXCHANGE), HAS(RENAME_WHITEOUT), END
};

static const struct systrace_word resource_words[] = {
	IS(RLIMIT_CPU), IS(RLIMIT_FSIZE), IS(RLIMIT_DATA), IS(RLIMIT_STACK), IS(RLIMIT_CORE), IS(RLIMIT_RSS),
	IS(RLIMIT_NPROC), IS(RLIMIT_NOFILE), IS(RLIMIT_MEMLOCK), IS(RLIMIT_AS), IS(RLIMIT_LOCKS),
	IS(RLIMIT_SIGPENDING), IS(RLIMIT_MSGQUEUE), IS(RLIMIT_NICE), IS(RLIMIT_RTPRIO), IS(RLIMIT_RTTIME), END
};

static const struct systrace_word seccomp_words[] = {
	IS(SECCOMP_SET_MODE_STRICT), IS(SECCOMP_SET_MODE_FILTER), IS(SECCOMP_GET_ACTION_AVAIL),
	IS(SECCOMP_GET_NOTIF_SIZES), END
};

static const struct systrace_word seek_words[] = {
	IS(SEEK_SET), IS(SEEK_CUR), IS(SEEK_END), IS(SEEK_DATA), IS(SEEK_HOLE), END
};

static const struct systrace_word shutdown_words[] = { IS(SHUT_RD), IS(SHUT_WR), IS(SHUT_RDWR), END };

static const struct systrace_word sighow_words[] = { IS(SIG_BLOCK), IS(SIG_UNBLOCK), IS(SIG_SETMASK), END };

static const struct systrace_word socket_words[] = {
	IN(0xf, SOCK_STREAM), IN(0xf, SOCK_DGRAM), IN(0xf, SOCK_RAW), IN(0xf, SOCK_RDM),
	IN(0xf, SOCK_SEQPACKET), IN(0xf, SOCK_DCCP), IN(0xf, SOCK_PACKET), HAS(SOCK_CLOEXEC),
	HAS(SOCK_NONBLOCK), END
};

static const struct systrace_word sockopt_level_words[] = {
	{ 0, 0, "SOL_IP" }, IS(SOL_SOCKET), { 0, 6, "SOL_TCP" }, { 0, 17, "SOL_UDP" }, { 0, 41, "SOL_IPV6" },
	{ 0, 255, "SOL_RAW" }, IS(SOL_PACKET), IS(SOL_NETLINK), IS(SOL_ALG), END
};

static const struct systrace_word umount_words[] = {
	{ 1, 1, "MNT_FORCE" }, { 2, 2, "MNT_DETACH" }, { 4, 4, "MNT_EXPIRE" }, { 8, 8, "UMOUNT_NOFOLLOW" }, END
};

static const struct systrace_word wait_words[] = {
	HAS(WNOHANG), HAS(WUNTRACED), HAS(WEXITED), HAS(WCONTINUED), HAS(WNOWAIT),
	{ 0x20000000, 0x20000000, "__WNOTHREAD" }, HAS(__WALL), HAS(__WCLONE), END
};

static const struct systrace_word waitid_words[] = { IS(P_ALL), IS(P_PID), IS(P_PGID), IS(P_PIDFD), END };

static const struct systrace_word *const sets[] = {
	[SAY_CLONE] = clone_words,
	[SAY_ACCESS] = access_words,
	[SAY_AT] = at_words,
	[SAY_AT_ACCESS] = at_access_words,
	[SAY_CLOCK] = clock_words,
	[SAY_DIRFD] = dirfd_words,
	[SAY_EPOLL] = epoll_words,
	[SAY_EPOLL_CTL] = epoll_ctl_words,
	[SAY_EVENTFD] = eventfd_words,
	[SAY_FAMILY] = family_words,
	[SAY_FCNTL] = fcntl_words,
	[SAY_FLOCK] = flock_words,
	[SAY_FUTEX] = futex_words,
	[SAY_GETRANDOM] = getrandom_words,
	[SAY_IOCTL] = ioctl_words,
	[SAY_MADVISE] = madvise_words,
	[SAY_MAP] = map_words,
	[SAY_MEMFD] = memfd_words,
	[SAY_MOUNT] = mount_words,
	[SAY_MREMAP] = mremap_words,
	[SAY_MSG] = msg_words,
	[SAY_MSYNC] = msync_words,
	[SAY_OPEN] = open_words,
	[SAY_PRCTL] = prctl_words,
	[SAY_PROT] = prot_words,
	[SAY_PTRACE] = ptrace_words,
	[SAY_RENAME] = rename_words,
	[SAY_RESOURCE] = resource_words,
	[SAY_SECCOMP] = seccomp_words,
	[SAY_SEEK] = seek_words,
	[SAY_SHUTDOWN] = shutdown_words,
	[SAY_SIGHOW] = sighow_words,
	[SAY_SOCKET] = socket_words,
	[SAY_SOCKOPT_LEVEL] = sockopt_level_words,
	[SAY_UMOUNT] = umount_words,
	[SAY_WAIT] = wait_words,
	[SAY_WAITID] = waitid_words,
};

const struct systrace_word *systrace_words(enum systrace_say say)
{
	return sets[say];
}
