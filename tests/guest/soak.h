/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests that do everything at once share: actors, what each is doing, and a watch
 * over all of them. First come workers, which are traced, then those who trace them.
 */
#ifndef SYSTRACE_TESTS_SOAK_H
#define SYSTRACE_TESTS_SOAK_H

#include <dirent.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "memory.h"
#include "trail.h"
#include "work.h"

#define SOAK_WORKERS	3
#ifndef SOAK_SESSIONS
#define SOAK_SESSIONS	4
#endif
#ifndef SOAK_WORK_NAP
#define SOAK_WORK_NAP	0	/* microseconds between the steps of a worker ... */
#define SOAK_CPU_NAP	300000	/* ... and between CPUs that come or go, at most */
#endif
#define SOAK_OTHERS	3
#define SOAK_ACTORS	(SOAK_WORKERS + SOAK_SESSIONS + SOAK_OTHERS)
#define SOAK_PATIENCE	150	/* seconds in which an actor does nothing: it hangs */

struct soak_slot {
	pid_t pid;
	const char *name;
	const char *doing;	/* the programs are one, so that its strings are everybody's */
	unsigned long seed;	/* of the round */
	atomic_ulong beats;
	unsigned long seen;	/* the watch's */
	time_t since;
};

static struct soak_shared {
	atomic_bool stop;	/* for workers; who watches them ends first */
	atomic_bool stop_sessions;
	struct soak_slot slots[SOAK_ACTORS];
	atomic_ulong rounds, kills, events, strict, lossy, pauses, agreed, armed, users, raws;
	atomic_ulong steps, flips, hotplugs;
	atomic_ulong wrong;
} *soak;

static struct soak_slot *soak_me;

/* Every few steps, at least. */
TAP void soak_doing(const char *what)
{
	if (!soak_me)
		return;
	soak_me->doing = what;
	atomic_fetch_add(&soak_me->beats, 1);
}

__attribute__((format(printf, 2, 3)))
TAP bool soak_must(bool good, const char *format, ...)
{
	char what[256];
	va_list args;

	if (good)
		return true;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	tap_note("%s, seed %lu: not so: %s (errno %s)", soak_me ? soak_me->name : "soak",
		 soak_me ? soak_me->seed : 0, what, tap_error(errno));
	atomic_fetch_add(&soak->wrong, 1);
	return false;
}

/* ---- when something hangs ---- */

static void soak_show_file(const char *dir, const char *pid, const char *name)
{
	char path[300], text[2048];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", dir, pid, name);
	file = fopen(path, "r");
	while (file && fgets(text, sizeof(text), file))
		tap_note("    %s: %s", name, strtok(text, "\n"));
	if (file)
		fclose(file);
}

static void soak_show_tasks(void)
{
	DIR *proc = opendir("/proc"), *tasks;
	struct dirent *p, *t;
	char path[300];

	while (proc && (p = readdir(proc))) {
		if (atoi(p->d_name) <= 2)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", p->d_name);
		tasks = opendir(path);
		while (tasks && (t = readdir(tasks))) {
			if (atoi(t->d_name) <= 0)
				continue;
			tap_note("  task %s of %s", t->d_name, p->d_name);
			soak_show_file(path, t->d_name, "stat");
			soak_show_file(path, t->d_name, "syscall");
			soak_show_file(path, t->d_name, "stack");
		}
		if (tasks)
			closedir(tasks);
	}
	if (proc)
		closedir(proc);
}

TAP void soak_show(const char *why)
{
	tap_note("%s", why);
	for (struct soak_slot *s = soak->slots; s < soak->slots + SOAK_ACTORS; s++)
		tap_note("actor %s, pid %d: %s, %lu beats, seed %lu", s->name ? s->name : "-",
			 s->pid, s->doing ? s->doing : "-", atomic_load(&s->beats), s->seed);
	soak_show_tasks();
}

/* Does every actor that is there still do something? */
TAP void soak_watch(void)
{
	time_t now = time(NULL);

	for (struct soak_slot *s = soak->slots; s < soak->slots + SOAK_ACTORS; s++) {
		unsigned long beats = atomic_load(&s->beats);

		if (!s->pid || beats != s->seen || !s->since) {
			s->seen = beats;
			s->since = now;
		} else if (now - s->since > SOAK_PATIENCE) {
			soak_show("an actor hangs");
			tap_ok(false, "%s is at work: it has done nothing for %d s, since \"%s\"",
			       s->name, SOAK_PATIENCE, s->doing);
			tap_put("/proc/sysrq-trigger", "w");
			tap_put("/proc/sysrq-trigger", "l");
			_exit(1);
		}
	}
}

/* Until that child has ended, under the watch. */
TAP int soak_await(struct soak_slot *slot)
{
	int status = -1;

	while (waitpid(slot->pid, &status, WNOHANG) == 0) {
		soak_watch();
		usleep(10000);
	}
	slot->pid = 0;
	return status;
}

/* ---- actors ---- */

static unsigned long soak_seed;
static struct work_random soak_rng;	/* of this process, for this round */

TAP unsigned soak_any(unsigned below)
{
	return work_random(&soak_rng, below);
}

TAP void soak_work(void)
{
	const char *wrong;

	setpgid(0, 0);
	work_begin();
	while (!atomic_load(&soak->stop)) {
		const char *step = NULL;

		wrong = work_step(&soak_rng, &step);
		soak_doing(step);
		atomic_fetch_add(&soak->steps, 1);
		soak_must(!wrong, "a program comes to its right result: %s", wrong);
		if (SOAK_WORK_NAP)
			usleep(soak_any(SOAK_WORK_NAP));
	}
	_exit(0);
}

TAP pid_t soak_worker(void)
{
	return soak->slots[soak_any(SOAK_WORKERS)].pid;
}

TAP void soak_change_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	char path[64];

	while (!atomic_load(&soak->stop) && cpus > 1) {
		soak_doing("CPUs");
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online",
			 1 + soak_any((unsigned)cpus - 1));
		if (tap_put(path, soak_any(2) ? "1" : "0"))
			atomic_fetch_add(&soak->hotplugs, 1);
		usleep(soak_any(SOAK_CPU_NAP));
	}
	for (long cpu = 1; cpu < cpus; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/online", cpu);
		tap_put(path, "1");
	}
	_exit(0);
}

/* False once all workers are gone. */
TAP bool soak_continue_all(void)
{
	bool any = false;

	for (int i = 0; i < SOAK_WORKERS; i++)
		any |= soak->slots[i].pid && !kill(-soak->slots[i].pid, SIGCONT);
	return any;
}

/*
 * Where SIGSTOP and then SIGCONT come during one fork, the child is born stopped: the
 * kernel hands it the one and, since SIGCONT is ignored by default, not the other. So
 * somebody must continue it later, to the end.
 */
TAP void soak_signal(void)
{
	while (!atomic_load(&soak->stop)) {
		pid_t pid = soak_worker();

		soak_doing("signals");
		kill(-pid, SIGSTOP);
		usleep(soak_any(5000));
		kill(-pid, SIGCONT);
		usleep(soak_any(100000));
		atomic_fetch_add(&soak->flips, 1);
	}
	while (soak_continue_all())
		usleep(10000);
	_exit(0);
}

TAP void soak_begin_actor(int i, const char *name, void (*actor)(void))
{
	struct soak_slot *slot = &soak->slots[i];
	pid_t pid;

	slot->name = name;
	slot->doing = "its beginning";
	atomic_store(&slot->beats, 0);
	pid = tap_fork();
	if (pid == 0) {
		soak_me = slot;
		soak_rng = work_seed(soak_seed++ * 64 + (unsigned long)i);
		actor();
	}
	slot->pid = pid;
}

TAP void soak_begin_workers(void)
{
	atomic_store(&soak->stop, false);
	atomic_store(&soak->stop_sessions, false);
	for (int i = 0; i < SOAK_WORKERS; i++)
		soak_begin_actor(i, "a worker", soak_work);
}

/* Those that trace them, one more, and those that both tests have. */
TAP void soak_begin_others(const char *session, void (*trace)(void),
			   const char *other, void (*disturb)(void))
{
	int i = SOAK_WORKERS;

	while (i < SOAK_WORKERS + SOAK_SESSIONS)
		soak_begin_actor(i++, session, trace);
	soak_begin_actor(i++, "hotplug", soak_change_cpus);
	soak_begin_actor(i++, other, disturb);
	soak_begin_actor(i++, "signals", soak_signal);
}

/* Those that watch end before those that they watch. */
TAP bool soak_end_actors(void)
{
	int bad = 0;

	atomic_store(&soak->stop_sessions, true);
	for (int i = SOAK_WORKERS; i < SOAK_WORKERS + SOAK_SESSIONS; i++)
		bad |= soak_await(&soak->slots[i]);
	atomic_store(&soak->stop, true);
	/* The one that continues workers stays until they are gone. */
	for (int i = 0; i < SOAK_ACTORS; i++)
		if (soak->slots[i].pid)
			bad |= soak_await(&soak->slots[i]);
	return !bad;
}

/* Nobody is left but process 1 and we; who was killed may leave children for a moment. */
TAP void soak_await_nobody(void)
{
	for (int i = 0; i < 1000 * SOAK_PATIENCE / 10; i++) {
		if (memory_processes() <= 2)
			return;
		usleep(10000);
	}
	soak_show("somebody is left");
}

#endif
