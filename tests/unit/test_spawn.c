// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs that are started, by a driver that is made here. */
#include "fake.h"

#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>

static struct systrace *st;
static char folder[] = "/tmp/systrace-spawn.XXXXXX";

static int begin(void **state)
{
	const struct systrace_options o = { .size = sizeof(o), .ring_bytes = 4096 };

	(void)state;
	fake_begin();
	return systrace_open(&st, &o);
}

/* Nothing is left: no child, no memory, no descriptor. */
static int finish(void **state)
{
	int fd = dup(0), lowest = *(int *)*state;

	close(fd);
	systrace_close(st);
	return wait(NULL) != -1 || memory.live || fake.mapped || fd != lowest + 2;	/* the session's, and the fake's memory */
}

static int lowest_fd(void **state)
{
	static int fd;

	fd = dup(0);
	close(fd);
	*state = &fd;
	return 0;
}

static struct systrace_spawn_options options(void)
{
	return (struct systrace_spawn_options){ .size = sizeof(struct systrace_spawn_options) };
}

static void make_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(name, mode), 0);
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* What a line of shell ends with, in each way to start it */
static void ends(int status, const char *script, const struct systrace_spawn_options *opts)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };
	pid_t pid = -1;
	int hold;

	fake.attach.mode = 77;
	assert_int_equal(systrace_spawn(st, &pid, argv[0], argv, opts), 0);
	assert_int_equal(status_of(pid), status);
	assert_int_equal(systrace_spawn_held(st, &pid, &hold, argv[0], argv, opts), 0);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(systrace_spawn_go(hold), 0);
	assert_int_equal(status_of(pid), status);
}

static void fails(int error, const char *file, const struct systrace_spawn_options *opts)
{
	char *argv[] = { (char *)file, NULL };
	pid_t pid = -7;
	int hold = -8, ret;

	assert_int_equal(systrace_spawn(st, &pid, file, argv, opts), error);
	assert_int_equal(pid, -7);
	ret = systrace_spawn_held(st, &pid, &hold, file, argv, opts);
	if (!ret) {	/* it is found where it is executed */
		assert_int_equal(systrace_spawn_go(hold), error);
		assert_int_equal(status_of(pid), 127);
		return;
	}
	assert_int_equal(ret, error);
	assert_int_equal(hold, -8);
}

static void runs(void **state)
{
	(void)state;
	ends(7, "exit 7", NULL);
	ends(-SIGTERM, "kill $$", NULL);
	ends(0, "[ \"$0\" = sh ]", NULL);
	assert_int_equal(fake.attach.pid, 0);
}

static void attaches(void **state)
{
	char *argv[] = { "true", NULL };
	pid_t pid;

	(void)state;
	assert_int_equal(systrace_spawn(st, &pid, "true", argv, NULL), 0);
	assert_int_equal(fake.attach.mode, SYSTRACE_ATTACH_EXEC);
	assert_int_equal(status_of(pid), 0);
	fake.op = -EPERM;
	fails(-EPERM, "true", NULL);
}

/* A script runs, or what it is called fails */
static void script_ends(int status, const char *file)
{
	char *argv[] = { (char *)file, "an argument", NULL };
	pid_t pid;

	assert_int_equal(systrace_spawn(st, &pid, file, argv, NULL), 0);
	assert_int_equal(status_of(pid), status);
}

static void looks_up(void **state)
{
	char long_name[NAME_MAX + 2], long_path[PATH_MAX + 100];

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	memset(long_path, '/', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	make_file("plain", "exit 3\n", 0644);
	make_file("script", "[ \"$1\" = 'an argument' ] && exit 3\n", 0755);
	make_file("lost", "#!/no/such/interpreter\n", 0755);
	fails(-ENOENT, "", NULL);
	fails(-ENOENT, "no-such-program", NULL);
	fails(-ENOENT, "./no-such-program", NULL);
	fails(-ENAMETOOLONG, long_name, NULL);
	fails(-ENAMETOOLONG, long_path, NULL);
	strcpy(long_path + PATH_MAX - sizeof("bin/true"), "bin/true");	/* just so long as a path can be */
	script_ends(0, long_path);
	memset(long_path, '/', sizeof(long_path) - 1);
	fails(-EACCES, "./plain", NULL);
	fails(-EACCES, ".", NULL);
	fails(-ENOENT, "./lost", NULL);
	script_ends(3, "./script");
	setenv("PATH", "/nowhere:/dev/null:", 1);	/* the last one is here */
	script_ends(3, "script");
	fails(-EACCES, "plain", NULL);
	fails(-ENOENT, "true", NULL);
	setenv("PATH", "::/proc/self/fd/0/x:/usr:/usr/bin:/bin", 1);	/* /usr/bin is a folder there */
	fails(-EACCES, "bin", NULL);
	script_ends(0, "true");
	setenv("PATH", long_path, 1);
	fails(-ENAMETOOLONG, "true", NULL);
	assert_int_equal(symlink("loop", "loop"), 0);
	setenv("PATH", "loop:/usr/bin:/bin", 1);
	fails(-ELOOP, "true", NULL);
	unsetenv("PATH");
	script_ends(0, "true");
}

static void placing(void **state)
{
	struct systrace_spawn_options o = options();
	int fds[SYSTRACE_SPAWN_FDS + 1] = { 0, 2, -1 }, ends_of[2];
	char text[8] = "";

	(void)state;
	o.fds = fds;
	o.nr_fds = 3;
	assert_int_equal(pipe(ends_of), 0);
	fds[1] = ends_of[1];
	ends(0, "echo x; [ ! -e /proc/$$/fd/2 ]", &o);
	assert_int_equal(read(ends_of[0], text, sizeof(text)), 4);
	assert_memory_equal(text, "x\nx\n", 4);
	close(ends_of[0]);
	close(ends_of[1]);
	/* What is closed: also the numbers that the library's own may get */
	fds[1] = 777;
	fails(-EBADF, "true", &o);
	fds[1] = ends_of[0];
	fails(-EBADF, "true", &o);
	o.cwd = "/";
	fails(-EBADF, "true", &o);
	o.nr_fds = SYSTRACE_SPAWN_FDS + 1;
	fails(-EINVAL, "true", &o);
	o.fds = NULL;
	o.nr_fds = 1;
	fails(-EINVAL, "true", &o);
}

static void elsewhere(void **state)
{
	char *envp[] = { "WORD=here", NULL };
	struct systrace_spawn_options o = options();

	(void)state;
	o.cwd = "/usr";
	o.envp = envp;
	ends(0, "[ \"$WORD$(pwd -P)\" = here/usr ]", &o);
	o.cwd = "/no/such/folder";
	fails(-ENOENT, "true", &o);
	o.cwd = "/dev/null";
	fails(-ENOTDIR, "true", &o);
}

static void others(void **state)
{
	struct systrace_spawn_options o = options();
	static gid_t groups[65537] = { 5, 6 };	/* more than the kernel takes */

	(void)state;
	o.set_ids = 1;
	o.uid = getuid();
	o.gid = getgid();
	if (getuid()) {	/* groups are root's to set */
		fails(-EPERM, "true", &o);
		return;
	}
	ends(0, "[ \"$(id -u) $(id -G)\" = '0 0' ]", &o);
	o.uid = 1;
	o.gid = 2;
	o.groups = groups;
	o.nr_groups = 2;
	ends(0, "[ \"$(id -u) $(id -G)\" = '1 2 5 6' ]", &o);
	o.nr_groups = 65537;
	fails(-EINVAL, "true", &o);
}

static void refused_options(void **state)
{
	struct {
		struct systrace_spawn_options o;
		uint64_t more;
	} longer = { .o = options() };
	struct systrace_spawn_options o = options();

	(void)state;
	o.reserved = 1;
	fails(-EINVAL, "true", &o);
	o = options();
	o.set_ids = 2;
	fails(-EINVAL, "true", &o);
	o = options();
	o.size = 8;
	fails(-EINVAL, "true", &o);
	longer.o.size = sizeof(longer);
	longer.more = 1;
	fails(-E2BIG, "true", &longer.o);
	longer.more = 0;
	ends(3, "exit 3", &longer.o);
}

/* Signals are the program's as they were ours, but that nobody's handler runs in it. */
static void ignore(int sig)
{
	(void)sig;
}

static void signals(void **state)
{
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	ends(3, "kill $$; exit 3", NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGTERM, ignore);
	ends(-SIGTERM, "kill $$; exit 3", NULL);
	signal(SIGTERM, SIG_IGN);
	ends(3, "kill $$; exit 3", NULL);
	signal(SIGTERM, SIG_DFL);
}

static void held(void **state)
{
	char *argv[] = { "true", NULL };
	pid_t pid;
	int hold;

	(void)state;
	assert_int_equal(systrace_spawn_held(st, &pid, &hold, "true", argv, NULL), 0);
	kill(pid, SIGKILL);
	assert_int_equal(status_of(pid), -SIGKILL);
	assert_int_equal(systrace_spawn_go(hold), -ESRCH);
	assert_int_equal(systrace_spawn_held(st, &pid, &hold, "true", argv, NULL), 0);
	close(hold);
	assert_int_equal(status_of(pid), 127);
}

static void *kill_later(void *pid)
{
	const struct timespec while_it_goes = { .tv_nsec = 50000000 };

	nanosleep(&while_it_goes, NULL);
	kill(*(pid_t *)pid, SIGKILL);
	return NULL;
}

/* ... and has not heard yet that it may go on */
static void killed_while_told(void **state)
{
	char *argv[] = { "true", NULL };
	pthread_t killer;
	int hold, status;
	pid_t pid;

	(void)state;
	assert_int_equal(systrace_spawn_held(st, &pid, &hold, "true", argv, NULL), 0);
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_int_equal(pthread_create(&killer, NULL, kill_later, &pid), 0);
	assert_int_equal(systrace_spawn_go(hold), -ESRCH);
	pthread_join(killer, NULL);
	assert_int_equal(status_of(pid), -SIGKILL);
}

/* No number is free that is not the program's: it says so. */
static void no_number_for_hold(void **state)
{
	char *argv[] = { "true", NULL };
	int fds[64], hold;
	struct systrace_spawn_options o = options();
	struct rlimit old, few;
	pid_t pid;

	(void)state;
	memset(fds, -1, sizeof(fds));
	o.fds = fds;
	o.nr_fds = 64;
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &few);
	assert_int_equal(systrace_spawn_held(st, &pid, &hold, "true", argv, &o), 0);
	assert_int_equal(systrace_spawn_go(hold), -EINVAL);	/* as fcntl says */
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(status_of(pid), 127);
}

/* A thread that is to be cancelled is, but not before all is well, and not in the child. */
static void *spawn_cancelled(void *out)
{
	char *argv[] = { "true", NULL };
	int fds[] = { 0, 1, -1 }, hold;
	struct systrace_spawn_options o = options();
	pid_t *pids = out;

	o.fds = fds;
	o.nr_fds = 3;
	pthread_cancel(pthread_self());
	if (systrace_spawn(st, &pids[0], "true", argv, &o) ||
	    systrace_spawn_held(st, &pids[1], &hold, "true", argv, &o) || systrace_spawn_go(hold))
		return NULL;
	pids[2] = 1;
	pthread_testcancel();
	return NULL;
}

static void cancelled(void **state)
{
	pid_t pids[3] = { 0 };
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, spawn_cancelled, pids), 0);
	pthread_join(thread, &result);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(pids[2], 1);
	assert_int_equal(status_of(pids[0]), 0);
	assert_int_equal(status_of(pids[1]), 0);
}

static void no_memory(void **state)
{
	char *argv[] = { "true", NULL };
	int ret = -ENOMEM;
	pid_t pid = -1;

	(void)state;
	for (unsigned n = 0; ret; n++) {
		memory.countdown = n;
		ret = systrace_spawn(st, &pid, "true", argv, NULL);
		assert_true(ret == -ENOMEM || (!ret && n));
	}
	memory.countdown = -1;
	assert_int_equal(status_of(pid), 0);
}

/* One more each time, until it is enough */
static void no_descriptors(void **state)
{
	char *argv[] = { "true", NULL };
	struct rlimit old, few;
	int hold = -1, ret = -EMFILE;
	pid_t pid = -1;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = (rlim_t)dup(0);
	close((int)few.rlim_cur);
	for (unsigned n = 0; ret; n++, few.rlim_cur++) {
		setrlimit(RLIMIT_NOFILE, &few);
		ret = systrace_spawn_held(st, &pid, &hold, "true", argv, NULL);
		assert_true(ret == -EMFILE || (!ret && n > 1));
	}
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(systrace_spawn_go(hold), 0);
	assert_int_equal(status_of(pid), 0);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest all[] = {
		TEST(runs),
		TEST(attaches),
		TEST(placing),
		TEST(elsewhere),
		TEST(others),
		TEST(refused_options),
		TEST(signals),
		TEST(held),
		TEST(killed_while_told),
		TEST(no_number_for_hold),
		TEST(cancelled),
		TEST(no_memory),
		TEST(no_descriptors),
		TEST(looks_up),		/* last: it leaves PATH another one */
	};
	char line[sizeof(folder) + 20];
	int ret;

	if (!mkdtemp(folder) || chdir(folder))
		return 1;
	ret = cmocka_run_group_tests_name("spawn", all, lowest_fd, NULL);
	snprintf(line, sizeof(line), "/bin/rm -r %s", folder);
	return system(line) || ret;
}
