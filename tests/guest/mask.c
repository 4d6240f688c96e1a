// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Untraced tasks pay nothing: their calls come to no tracepoint while others are traced. And other
 * tracers, that come and go at any time while tasks fork as fast as they can, see every
 * call of every task, as we do of ours. Flags are counted by flags.ko.
 *
 * Calls have a number by the phase that the test is in when they are made. Those of the phase that is
 * COUNTED are counted by who makes them and by the tracer.
 */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "module.h"
#include "tap.h"

#define TRACEFS	"/sys/kernel/tracing"
#define KPROBES	"/sys/kernel/debug/kprobes/enabled"
#define CPUS	64
#define STORM	4	/* processes that fork */
#define CALLS	20	/* that a child of theirs makes */
#define CROWD	100	/* more than REGISTERING of driver/mask.c */
#define NR	1000	/* a call of phase p has NR + p: no kernel has it */

enum phase { BEFORE, COUNTED, AFTER };

static struct shared {
	atomic_int phase;
	atomic_ulong made[3];		/* by phase */
	atomic_ulong traced[3];		/* of them, by the task that is attached */
	atomic_ulong forks;
	atomic_ulong rounds[STORM];	/* of them, by each of the storm */
	atomic_ulong crowd;		/* who has come with it */
} *shared;

/* ---------------------------------------------------------------- tasks --- */

static void call(bool traced)
{
	int phase = atomic_load(&shared->phase);

	syscall(NR + phase);
	atomic_fetch_add(traced ? &shared->traced[phase] : &shared->made[phase], 1);
}

static pid_t begin_traced(void)
{
	pid_t pid = tap_fork();

	if (pid)
		return pid;
	while (true)
		call(true);
}

static void fork_forever(int me)
{
	while (true) {
		pid_t pid = fork();

		if (pid == 0) {
			for (int i = 0; i < CALLS; i++) {
				call(false);
				if (i % 4 == 0)
					sched_yield();
			}
			_exit(0);
		}
		if (pid > 0)
			waitpid(pid, NULL, 0);
		atomic_fetch_add(&shared->rounds[me], 1);
		atomic_fetch_add(&shared->forks, 1);
	}
}

static void begin_storm(pid_t *storm)
{
	for (int i = 0; i < STORM; i++) {
		storm[i] = tap_fork();
		if (storm[i] == 0)
			fork_forever(i);
	}
}

/* ---------------------------------------------------------------- flags --- */

static void read_flags(unsigned *flagged, unsigned *all)
{
	FILE *file = fopen("/sys/module/flags/parameters/flagged", "r");

	if (!file || fscanf(file, "%u %u", flagged, all) != 2)
		tap_bail("flags");
	fclose(file);
}

static unsigned flagged(void)
{
	unsigned n, all;

	read_flags(&n, &all);
	return n;
}

static bool all_flagged(void)
{
	unsigned n, all;

	read_flags(&n, &all);
	return n == all;
}

/* When the last probe goes: the kernel takes the flags then. */
static bool none_flagged(void)
{
	for (int i = 0; i < 100; i++) {
		if (!flagged())
			return true;
		usleep(100000);
	}
	return false;
}

static enum systrace_mask mask_of(int fd)
{
	struct systrace_info info = { .size = sizeof(info) };

	if (ioctl(fd, SYSTRACE_IOC_INFO, &info))
		tap_bail("INFO");
	return info.mask;
}

/* The driver looks ten times a second whether others are gone. */
static bool becomes(int fd, enum systrace_mask state)
{
	for (int i = 0; i < 100; i++) {
		if (mask_of(fd) == state)
			return true;
		usleep(100000);
	}
	tap_note("mask is %d", mask_of(fd));
	return false;
}

/* -------------------------------------------------------- other tracers --- */

struct tracer {
	const char *name;
	bool (*has)(void);		/* can this kernel? */
	void (*begin)(void);
	unsigned long (*count)(void);	/* calls of the phase COUNTED since */
	unsigned long (*missed)(void);	/* calls since, of any phase, that it says it missed */
	void (*end)(void);
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static void must_write(const char *path, const char *text)
{
	if (write_file(path, text))
		tap_bail("%s", path);
}

/* ftrace, into its buffers: their statistics say how much */
#define EVENT	TRACEFS "/events/raw_syscalls/sys_enter/"

static bool ftrace_has(void)
{
	return access(EVENT, F_OK) == 0;
}

static void filter(char *text, size_t size)
{
	snprintf(text, size, "id == %d", NR + COUNTED);
}

static void ftrace_begin(void)
{
	char text[32];

	filter(text, sizeof(text));
	must_write(TRACEFS "/trace", "\n");
	must_write(EVENT "filter", text);
	must_write(EVENT "enable", "1");
}

static unsigned long ftrace_count(void)
{
	unsigned long n = 0, value;
	char path[128], line[128];
	FILE *file;

	for (int cpu = 0; cpu < CPUS; cpu++) {
		snprintf(path, sizeof(path), TRACEFS "/per_cpu/cpu%d/stats", cpu);
		file = fopen(path, "r");
		if (!file)
			continue;
		while (fgets(line, sizeof(line), file))
			if (sscanf(line, "entries: %lu", &value) == 1 ||
			    sscanf(line, "overrun: %lu", &value) == 1)
				n += value;
		fclose(file);
	}
	return n;
}

static void ftrace_end(void)
{
	must_write(EVENT "enable", "0");
	must_write(EVENT "filter", "0");
}

/* perf, counting on each CPU */
static int perf[CPUS];

static bool perf_has(void)
{
	return ftrace_has() && access("/proc/sys/kernel/perf_event_paranoid", F_OK) == 0;
}

static void perf_begin(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .disabled = 1,
	};
	FILE *file = fopen(EVENT "id", "r");
	char text[32];

	if (!file || fscanf(file, "%llu", &attr.config) != 1)
		tap_bail("id");
	fclose(file);
	filter(text, sizeof(text));
	for (int cpu = 0; cpu < CPUS; cpu++) {
		perf[cpu] = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
		if (perf[cpu] >= 0 && (ioctl(perf[cpu], PERF_EVENT_IOC_SET_FILTER, text) ||
				       ioctl(perf[cpu], PERF_EVENT_IOC_ENABLE, 0)))
			tap_bail("filter");
	}
	if (perf[0] < 0)
		tap_bail("perf_event_open");
}

static unsigned long perf_count(void)
{
	unsigned long n = 0;
	__u64 value;

	for (int cpu = 0; cpu < CPUS; cpu++)
		if (perf[cpu] >= 0 && read(perf[cpu], &value, sizeof(value)) == sizeof(value))
			n += value;
	return n;
}

static void perf_end(void)
{
	for (int cpu = 0; cpu < CPUS; cpu++)
		if (perf[cpu] >= 0)
			close(perf[cpu]);
}

/*
 * A BPF program on the raw tracepoint, that counts in a map. Newer kernels leave out a call that is
 * made while another task is in the program on that CPU, but count it.
 */
static int bpf_map = -1, bpf_program = -1, bpf_link = -1;
static __u64 bpf_missed_before;

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })

static int bpf_load(void)
{
	const struct bpf_insn program[] = {
		/* if ctx->args[1], the number, is not the one, be done */
		INSN(BPF_LDX | BPF_DW | BPF_MEM, BPF_REG_6, BPF_REG_1, 8, 0),
		INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_6, 0, 9, NR + COUNTED),
		/* map[0]++ */
		INSN(BPF_ST | BPF_W | BPF_MEM, BPF_REG_10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, bpf_map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_DW | BPF_ATOMIC, BPF_REG_0, BPF_REG_1, 0, BPF_ADD),
		/* done */
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .insns = (uintptr_t)program,
		.insn_cnt = COUNT(program), .license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static bool bpf_has(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1,
	};

	bpf_map = bpf(BPF_MAP_CREATE, &attr);
	bpf_program = bpf_map < 0 ? -1 : bpf_load();
	return bpf_program >= 0;
}

static __u64 bpf_missed_ever(void)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = { .info = {
		.bpf_fd = (__u32)bpf_program, .info_len = sizeof(info), .info = (uintptr_t)&info,
	} };

	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		tap_bail("program's info");
	return info.recursion_misses;
}

static int bpf_attach(int program)
{
	union bpf_attr attr = { .raw_tracepoint = {
		.name = (uintptr_t)"sys_enter", .prog_fd = (__u32)program,
	} };

	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

static void bpf_begin(void)
{
	__u64 zero = 0;
	__u32 key = 0;
	union bpf_attr element = {
		.map_fd = (__u32)bpf_map, .key = (uintptr_t)&key, .value = (uintptr_t)&zero,
	};

	if (bpf(BPF_MAP_UPDATE_ELEM, &element))
		tap_bail("map");
	bpf_link = bpf_attach(bpf_program);
	if (bpf_link < 0)
		tap_bail("raw tracepoint");
	bpf_missed_before = bpf_missed_ever();
}

static unsigned long bpf_missed(void)
{
	return bpf_missed_ever() - bpf_missed_before;
}

static unsigned long bpf_count(void)
{
	__u64 n = 0;
	__u32 key = 0;
	union bpf_attr element = {
		.map_fd = (__u32)bpf_map, .key = (uintptr_t)&key, .value = (uintptr_t)&n,
	};

	if (bpf(BPF_MAP_LOOKUP_ELEM, &element))
		tap_bail("map");
	return n;
}

static void bpf_end(void)
{
	close(bpf_link);
}

static const struct tracer tracers[] = {
	{ "ftrace", ftrace_has, ftrace_begin, ftrace_count, NULL, ftrace_end },
	{ "perf", perf_has, perf_begin, perf_count, NULL, perf_end },
	{ "bpf", bpf_has, bpf_begin, bpf_count, bpf_missed, bpf_end },
};

/* ---------------------------------------------------------------- tests --- */

/* A session that follows one task, and what it has been told of the phase COUNTED */
struct session {
	struct systrace *st;
	unsigned long enters, lost;
};

static struct session begin_session(pid_t pid)
{
	struct session session = {
		.st = tap_session((struct systrace_options){ .ring_bytes = 1 << 18,
							     .full = SYSTRACE_FULL_BLOCK }),
	};

	if (systrace_attach(session.st, pid, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	return session;
}

static void read_session(struct session *session)
{
	const struct systrace_event *e;

	while ((e = systrace_next(session->st))) {
		if (e->type == SYSTRACE_ENTER)
			session->enters += ((const struct systrace_enter *)e)->nr == NR + COUNTED;
		session->lost += e->type == SYSTRACE_LOST;
	}
	systrace_release(session->st);
}

/* Until there are so many more; the session, if there is one, is read meanwhile. */
static void await_more(struct session *session, atomic_ulong *count, unsigned long n)
{
	unsigned long goal = atomic_load(count) + n;

	while (atomic_load(count) < goal) {
		if (session)
			read_session(session);
		usleep(1000);
	}
}

/* And what each has made in an earlier phase is made. */
static void enter_phase(struct session *session, enum phase phase)
{
	atomic_store(&shared->phase, phase);
	await_more(session, &shared->traced[phase], 1);
	for (int i = 0; i < STORM; i++)
		await_more(session, &shared->rounds[i], 2);
}

/* A phase that is COUNTED, with BEFORE and AFTER around it */
static void count_phase(struct session *session, unsigned forks)
{
	atomic_store(&shared->made[COUNTED], 0);
	atomic_store(&shared->traced[COUNTED], 0);
	if (session)
		session->enters = 0;
	atomic_store(&shared->phase, COUNTED);
	await_more(session, &shared->forks, forks);
	enter_phase(session, AFTER);
	if (session) {
		usleep(10000);
		read_session(session);
	}
}

/* The tracer has all calls of that phase, and the session all of its task */
static void check_counts(const struct tracer *tracer, const struct session *session, const char *when)
{
	unsigned long made = atomic_load(&shared->made[COUNTED]);
	unsigned long traced = atomic_load(&shared->traced[COUNTED]);
	unsigned long missed = tracer->missed ? tracer->missed() : 0, seen = tracer->count();

	if (!tap_ok(seen <= made + traced && seen + missed >= made + traced,
		    "%s, %s: it sees every call", tracer->name, when))
		tap_note("%lu, and missed %lu, of %lu + %lu", seen, missed, made, traced);
	if (session)
		tap_ok(session->enters == traced && !session->lost, "%s, %s: we see each of ours",
		       tracer->name, when);
	if (session && session->enters != traced)
		tap_note("%lu of %lu", session->enters, traced);
}

static void reload(const char *parameters)
{
	if (module_unload() || module_load_file(MODULE, parameters))
		tap_bail("cannot load the driver with %s", parameters);
}

/* One that has a child once it is let go */
static pid_t begin_parent(void)
{
	pid_t pid = tap_fork();

	if (pid) {
		tap_await_state(pid, 'T');
		return pid;
	}
	raise(SIGSTOP);
	if (tap_fork())
		atomic_fetch_add(&shared->forks, 1);
	while (true)
		pause();
}

static void test_off(void)
{
	pid_t pid = begin_traced();
	struct session session;
	int fd;

	reload("mask=0");
	fd = tap_open(O_RDWR);
	session = begin_session(pid);
	tap_ok(mask_of(fd) == SYSTRACE_MASK_OFF && all_flagged(), "mask=0: all have a flag");
	systrace_close(session.st);
	tap_ok(none_flagged() && mask_of(fd) == SYSTRACE_MASK_OFF, "mask=0: none has it without a session");
	tap_reap(pid);
	close(fd);
	reload("mask=1");	/* also where it is not the default */
}

static void test_alone(void)
{
	int fd = tap_open(O_RDWR);
	pid_t pid = begin_traced(), child;
	struct session session;
	unsigned long forks;
	unsigned with;

	tap_ok(mask_of(fd) == SYSTRACE_MASK_IDLE && flagged() == 0, "no session: no task has a flag");
	session = begin_session(pid);
	tap_ok(mask_of(fd) == SYSTRACE_MASK_ACTIVE && flagged() == 1, "one task is traced: it alone has");
	child = begin_parent();
	if (systrace_attach(session.st, child, SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("attach");
	forks = atomic_load(&shared->forks);
	kill(child, SIGCONT);
	while (atomic_load(&shared->forks) == forks)
		usleep(1000);
	with = flagged();
	if (systrace_detach(session.st, child, SYSTRACE_DETACH_TASK) != 1)
		tap_bail("detach");
	tap_ok(with == 2 && flagged() == 1, "another has one from ATTACH to DETACH, its child has none");
	tap_reap(child);	/* it has the session's descriptor */
	systrace_close(session.st);
	tap_ok(becomes(fd, SYSTRACE_MASK_IDLE) && none_flagged(), "after the session: none");
	tap_reap(pid);
	close(fd);
}

static void test_tracer(const struct tracer *tracer)
{
	const unsigned forks = 60 * STORM;
	pid_t storm[STORM], pid = begin_traced();
	int fd = tap_open(O_RDWR);
	struct session session;

	begin_storm(storm);
	enter_phase(NULL, BEFORE);
	session = begin_session(pid);
	tap_ok(mask_of(fd) == SYSTRACE_MASK_ACTIVE, "%s: we are first", tracer->name);

	tracer->begin();
	count_phase(&session, forks);
	tap_ok(mask_of(fd) == SYSTRACE_MASK_OTHERS && all_flagged(), "%s, during: all have the flag",
	       tracer->name);
	check_counts(tracer, &session, "during");
	tracer->end();
	tap_ok(becomes(fd, SYSTRACE_MASK_ACTIVE), "%s: it is gone, and we mask again", tracer->name);
	await_more(&session, &shared->forks, STORM * CALLS);
	tap_ok(flagged() == 1, "%s: one has the flag", tracer->name);

	/* It stays when we go, and is there when we come back. */
	atomic_store(&shared->phase, BEFORE);
	tracer->begin();
	systrace_close(session.st);
	tap_ok(becomes(fd, SYSTRACE_MASK_IDLE), "%s: we are gone", tracer->name);
	count_phase(NULL, forks);
	tap_ok(all_flagged(), "%s, after: all have the flag", tracer->name);
	check_counts(tracer, NULL, "after");
	tracer->end();

	atomic_store(&shared->phase, BEFORE);
	tracer->begin();
	session = begin_session(pid);
	tap_ok(mask_of(fd) == SYSTRACE_MASK_OTHERS, "%s: it is there before", tracer->name);
	count_phase(&session, forks);
	check_counts(tracer, &session, "before");
	tracer->end();
	tap_ok(becomes(fd, SYSTRACE_MASK_ACTIVE), "%s: it goes first", tracer->name);
	systrace_close(session.st);
	tap_ok(becomes(fd, SYSTRACE_MASK_IDLE) && none_flagged(), "%s: none has the flag in the end",
	       tracer->name);
	for (int i = 0; i < STORM; i++)
		tap_reap(storm[i]);
	tap_reap(pid);
	close(fd);
}

/* As they come and go, no child is forked without the flag: its calls would not be seen. */
static void test_often(const struct tracer *tracer)
{
	pid_t storm[STORM], pid = begin_traced();
	int fd = tap_open(O_RDWR), unseen = 0, unmasked = 0;
	struct session session;

	begin_storm(storm);
	session = begin_session(pid);
	for (int i = 0; i < 20; i++) {
		read_session(&session);
		tracer->begin();
		usleep(3000);
		unseen += !all_flagged();
		if (i % 4 == 3) {
			systrace_close(session.st);
			usleep(3000);
			unseen += !all_flagged();
			session = begin_session(pid);
		}
		tracer->end();
		unmasked += !becomes(fd, SYSTRACE_MASK_ACTIVE);
	}
	tap_ok(!unseen, "%s comes and goes: all have the flag each time, but for %d", tracer->name, unseen);
	tap_ok(!unmasked, "%s comes and goes: we mask again each time, but for %d", tracer->name, unmasked);
	systrace_close(session.st);
	for (int i = 0; i < STORM; i++)
		tap_reap(storm[i]);
	tap_reap(pid);
	close(fd);
}

/* Nothing tells of it when kprobes are turned off: then the driver finds it when it looks. */
static void test_untold(const struct tracer *tracer)
{
	pid_t storm[STORM], pid = begin_traced();
	int fd = tap_open(O_RDWR);
	struct session session;

	begin_storm(storm);
	session = begin_session(pid);
	must_write(KPROBES, "0");
	tracer->begin();
	tap_ok(becomes(fd, SYSTRACE_MASK_OTHERS) && all_flagged(), "%s comes unheard: soon all have the flag",
	       tracer->name);
	count_phase(&session, 60 * STORM);
	check_counts(tracer, &session, "found");
	must_write(KPROBES, "1");
	tracer->end();
	tap_ok(becomes(fd, SYSTRACE_MASK_ACTIVE), "%s went: we mask again", tracer->name);
	tracer->begin();
	tap_ok(mask_of(fd) == SYSTRACE_MASK_OTHERS, "%s is heard again", tracer->name);
	tracer->end();
	systrace_close(session.st);
	for (int i = 0; i < STORM; i++)
		tap_reap(storm[i]);
	tap_reap(pid);
	close(fd);
}

static void come_with_the_crowd(const int go[2])
{
	int program = bpf_load();
	char c;

	close(go[1]);
	if (read(go[0], &c, 1) == 0 && bpf_attach(program) >= 0)
		atomic_fetch_add(&shared->crowd, 1);
	while (true)
		pause();
}

/*
 * More come at one moment than the driver counts. One that it missed, it does not know when that one is done: then
 * it masks no more.
 */
static void test_crowd(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };	/* Linux 5.10 has one for programs */
	pid_t crowd[CROWD], pid = begin_traced();
	int fd = tap_open(O_RDWR), go[2];
	struct session session;
	enum systrace_mask state;

	if (pipe(go) || setrlimit(RLIMIT_MEMLOCK, &all))
		tap_bail("crowd");
	session = begin_session(pid);
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = tap_fork();
		if (crowd[i] == 0)
			come_with_the_crowd(go);
		tap_await_state(crowd[i], 'S');
	}
	tap_ok(mask_of(fd) == SYSTRACE_MASK_ACTIVE, "before a crowd of %d comes, we are first", CROWD);
	close(go[1]);
	await_more(&session, &shared->crowd, CROWD - atomic_load(&shared->crowd));
	tap_ok(mask_of(fd) == SYSTRACE_MASK_OTHERS && all_flagged(), "it is there: all have the flag");
	for (int i = 0; i < CROWD; i++)
		tap_reap(crowd[i]);
	usleep(500000);	/* the driver looks ten times a second */
	state = mask_of(fd);
	tap_note("mask is %d", state);
	tap_ok(state == SYSTRACE_MASK_ACTIVE ? flagged() == 1 : all_flagged(),
	       "it is gone: one has the flag, or, if some were missed, all");
	systrace_close(session.st);
	tap_ok(becomes(fd, SYSTRACE_MASK_IDLE) && none_flagged(), "after the session: none");
	tap_reap(pid);
	close(go[0]);
	close(fd);
}

int main(void)
{
	const struct tracer *tracer;

	tap_patience(600);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		tap_bail("mmap");
	if (mount("tracefs", TRACEFS, "tracefs", 0, NULL) && errno != EBUSY)
		tap_note("no tracefs");
	if (module_load_file("flags.ko", ""))
		tap_bail("flags.ko");
	test_off();
	test_alone();
	for (tracer = tracers; tracer < tracers + COUNT(tracers); tracer++) {
		if (!tracer->has()) {
			tap_ok(true, "%s # SKIP this kernel has none", tracer->name);
			continue;
		}
		test_tracer(tracer);
		test_often(tracer);
		test_untold(tracer);
	}
	if (bpf_has())
		test_crowd();
	else
		tap_ok(true, "a crowd # SKIP this kernel has no BPF for it");
	return tap_end();
}
