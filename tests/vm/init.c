// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The test machine's process 1: makes a usable system of an empty one, loads the
 * driver, runs one command and reports how it ended.
 *
 * The host (run) gives it /argv, the command's arguments each ended by a NUL; /modules,
 * what the transport needs, in loading order; /vm, the working directory, with the
 * driver; and three virtio-serial ports. The command's output goes to the first two,
 * each byte as it came; the last carries one line, "exit STATUS OUT ERR" with the
 * number of bytes sent to the other two, or "fail REASON". A machine that never sends
 * it has failed, so that no crash can look like a pass.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

#define KMEMLEAK "/sys/kernel/debug/kmemleak"
#define KMEMLEAK_AGE 5		/* seconds: nothing younger counts as lost */

struct stream {
	int from;		/* our end of the command's pipe */
	int to;			/* the port */
	unsigned long long sent;
};

static int status_port = -1;

static void end(void) __attribute__((noreturn));
static void end(void)
{
	sync();
	reboot(RB_POWER_OFF);
	/* Where there is no ACPI; the host does not let it start again. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;	/* the host sees it by the count */
		if (n > 0) {
			data += n;
			len -= n;
		}
	}
}

static void fail(const char *format, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
static void fail(const char *format, ...)
{
	char line[512] = "fail ";
	va_list args;

	va_start(args, format);
	vsnprintf(line + 5, sizeof(line) - 6, format, args);
	va_end(args);
	strcat(line, "\n");
	write_all(STDERR_FILENO, line, strlen(line));
	if (status_port >= 0)
		write_all(status_port, line, strlen(line));
	end();
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;		/* not in every kernel */
	write_all(fd, text, strlen(text));
	close(fd);
}

/* The whole file, with a NUL behind it that *len does not count */
static char *slurp(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st) < 0)
		fail("%s: %m", path);
	data = malloc(st.st_size + 1);
	if (!data || read(fd, data, st.st_size) != st.st_size)
		fail("%s: cannot read it", path);
	data[st.st_size] = '\0';
	*len = st.st_size;
	close(fd);
	return data;
}

static const struct {
	const char *type, *where, *options;
} filesystems[] = {
	{ "proc", "/proc", NULL },
	{ "sysfs", "/sys", NULL },
	{ "devtmpfs", "/dev", NULL },
	{ "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666" },
	{ "tmpfs", "/dev/shm", "mode=1777" },
	{ "mqueue", "/dev/mqueue", NULL },
	{ "tmpfs", "/tmp", "mode=1777" },
	{ "tmpfs", "/run", "mode=755" },
	{ "debugfs", "/sys/kernel/debug", NULL },
	{ "tracefs", "/sys/kernel/tracing", NULL },
	{ "cgroup2", "/sys/fs/cgroup", NULL },
};

/* What a kernel does not have is missed by the tests that need it. */
static void mount_all(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(filesystems); i++) {
		mkdir(filesystems[i].where, 0755);
		mount(filesystems[i].type, filesystems[i].where, filesystems[i].type,
		      0, filesystems[i].options);
	}
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

static int load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static void load_transport(void)
{
	struct dirent **names;
	char path[512];
	int n, i;

	n = scandir("/modules", &names, NULL, alphasort);
	for (i = 0; i < n; i++) {
		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		if (load(path) && errno != EEXIST)
			fail("%s: %m", path);
	}
}

/* Opens a device that a driver may be still about to make. */
static int open_device(const char *path, int flags)
{
	int tries, fd;

	for (tries = 0; tries < 3000; tries++) {
		fd = open(path, flags | O_CLOEXEC);
		if (fd >= 0 || (errno != ENOENT && errno != ENXIO))
			break;
		usleep(10000);
	}
	if (fd < 0)
		fail("%s: %m", path);
	return fd;
}

static void network_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		fail("lo: %m");
	close(fd);
}

/* Goes over to the Debian system on the disk. */
static void enter_disk(const char *device)
{
	int status;
	pid_t pid;

	close(open_device(device, O_RDONLY));
	mkdir("/disk", 0755);
	if (mount(device, "/disk", "ext4", 0, NULL) < 0)
		fail("mount %s: %m", device);
	pid = fork();
	if (!pid) {
		execl("/bin/busybox", "sh", "/disk.sh", NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail("cannot prepare %s", device);
	if (chdir("/disk") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 ||
	    chroot(".") < 0 || chdir("/") < 0)
		fail("cannot go over to %s: %m", device);
}

static void load_driver(void)
{
	if (access("/vm/systrace.ko", F_OK) < 0 && errno == ENOENT)
		return;		/* run is asking whether a machine boots at all */
	if (load("/vm/systrace.ko") < 0)
		fail("insmod systrace.ko: %m");
}

static void scan_for_leaks(void)
{
	int fd = open(KMEMLEAK, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "scan", 4) != 4)
		fail("kmemleak has switched itself off");
	close(fd);
}

/*
 * Where the kernel can tell: whatever memory was lost until now. That is what two scans find
 * unchanged, with nothing that points to it; the kernel then says so on the console, which
 * is a complaint. Here is which.
 */
static void look_for_leaks(void)
{
	char line[256];
	FILE *found;

	if (access(KMEMLEAK, W_OK) < 0)
		return;
	scan_for_leaks();
	sleep(KMEMLEAK_AGE + 1);
	scan_for_leaks();
	found = fopen(KMEMLEAK, "r");
	while (found && fgets(line, sizeof(line), found))
		fputs(line, stderr);
}

/* The command's arguments as an array, which points into the text */
static char **arguments(char *text, size_t len)
{
	size_t n = 0, i;
	char **argv;
	char *p;

	for (i = 0; i < len; i++)
		n += !text[i];
	argv = calloc(n + 1, sizeof(*argv));
	if (!argv || !n)
		fail("no command");
	for (i = 0, p = text; i < n; i++, p += strlen(p) + 1)
		argv[i] = p;
	return argv;
}

static void exec_command(char **argv, int out, int err) __attribute__((noreturn));
static void exec_command(char **argv, int out, int err)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static pid_t start_command(char **argv, struct stream *out, struct stream *err)
{
	int o[2], e[2];
	pid_t pid;

	if (pipe2(o, O_CLOEXEC) < 0 || pipe2(e, O_CLOEXEC) < 0)
		fail("pipe: %m");
	pid = fork();
	if (pid < 0)
		fail("fork: %m");
	if (!pid)
		exec_command(argv, o[1], e[1]);
	close(o[1]);
	close(e[1]);
	out->from = o[0];
	err->from = e[0];
	return pid;
}

/* Passes on at most max bytes; stops looking at a stream that has ended. */
static void copy(struct stream *s, size_t max)
{
	static char buf[65536];
	ssize_t n = read(s->from, buf, max < sizeof(buf) ? max : sizeof(buf));

	if (n > 0) {
		write_all(s->to, buf, n);
		s->sent += n;
	} else if (!n) {
		close(s->from);
		s->from = -1;
	}
}

/*
 * What was written until now and no more: the command has ended, but something it left
 * behind may hold the pipes and go on writing.
 */
static void drain(struct stream *s)
{
	int left = 0;

	if (s->from < 0 || ioctl(s->from, FIONREAD, &left) < 0)
		return;
	while (left > 0 && s->from >= 0) {
		unsigned long long before = s->sent;

		copy(s, left);
		left -= s->sent - before;
	}
}

/* Reaps whatever has ended; true with its status once the command has. */
static int reap(pid_t command, int *status)
{
	int ended = 0, st;
	pid_t pid;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		*status = WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st);
		ended = 1;
	}
	return ended;
}

/* Returns the command's status when it has ended and all its output is passed on. */
static int attend(pid_t command, int sigchld, struct stream *out, struct stream *err)
{
	struct signalfd_siginfo info;
	int status = 0, ended = 0;

	while (!ended) {
		struct pollfd fds[] = {
			{ .fd = out->from, .events = POLLIN },
			{ .fd = err->from, .events = POLLIN },
			{ .fd = sigchld, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[0].revents)
			copy(out, SIZE_MAX);
		if (fds[1].revents)
			copy(err, SIZE_MAX);
		if (fds[2].revents &&
		    read(sigchld, &info, sizeof(info)) == sizeof(info))
			ended = reap(command, &status);
	}
	drain(out);
	drain(err);
	return status;
}

static int catch_sigchld(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* What the driver has counted, through a port of its own; "end" says that it is whole. */
static void give_coverage(const char *port)
{
	static char buf[65536];
	int from = open("/sys/kernel/debug/gcov", O_RDONLY | O_CLOEXEC);
	int to = open_device(port, O_WRONLY);
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		write_all(to, buf, n);
	if (n < 0)
		fail("no coverage: %m");
	write_all(to, "end\n", strlen("end\n"));
}

static void set_environment(void)
{
	clearenv();
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LOGNAME", "root", 1);
	setenv("SHELL", "/bin/sh", 1);
	setenv("TERM", "dumb", 1);
	setenv("PWD", "/vm", 1);
}

int main(void)
{
	struct stream out = { .from = -1 }, err = { .from = -1 };
	int sigchld, status, console;
	char line[128], *disk, *coverage, *text;
	size_t len;
	char **argv;

	umask(022);
	mount_all();
	console = open("/dev/console", O_RDWR);
	if (console >= 0) {
		dup2(console, STDOUT_FILENO);
		dup2(console, STDERR_FILENO);
	}
	load_transport();
	status_port = open_device("/dev/vport0p3", O_WRONLY);
	write_all(status_port, "begin\n", strlen("begin\n"));
	out.to = open_device("/dev/vport0p1", O_WRONLY);
	err.to = open_device("/dev/vport0p2", O_WRONLY);
	text = slurp("/argv", &len);
	argv = arguments(text, len);
	unlink("/argv");
	network_up();
	sethostname("vm", 2);
	/* An initramfs made by a plain user can only have root's files. */
	if (chown("/home/user", 1000, 1000) < 0)
		fail("/home/user: %m");
	coverage = getenv("vm_coverage");
	disk = getenv("vm_disk");
	if (disk)
		enter_disk(disk);
	/* The boot's messages cost time; from here on all of them are wanted. */
	put("/proc/sys/kernel/printk", "8");
	load_driver();
	set_environment();
	if (chdir("/vm") < 0)
		fail("/vm: %m");
	sigchld = catch_sigchld();
	status = attend(start_command(argv, &out, &err), sigchld, &out, &err);
	look_for_leaks();
	if (coverage)
		give_coverage(coverage);
	snprintf(line, sizeof(line), "exit %d %llu %llu\n", status, out.sent, err.sent);
	write_all(status_port, line, strlen(line));
	end();
}
