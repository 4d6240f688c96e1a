/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a session tells, kept whole, and what to ask of it. */
#ifndef SYSTRACE_TESTS_STREAM_H
#define SYSTRACE_TESTS_STREAM_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "trail.h"

#define STREAM_RING	(4 << 20)
#define STORY_BYTES	4096

/* ------------------------------------------------------------------ events --- */

struct stream {
	struct systrace *st;
	struct systrace_event **events;	/* copies, in their order */
	size_t nr, room;
};

TAP struct stream stream_of(struct systrace *st)
{
	return (struct stream){ .st = st };
}

TAP struct stream stream_begin(void)
{
	return stream_of(tap_session((struct systrace_options){ .ring_bytes = STREAM_RING }));
}

TAP void stream_keep(struct stream *s, const struct systrace_event *e)
{
	if (e->type == SYSTRACE_LOST || e->seq != s->nr + 1)
		tap_bail("event %llu of type %d, where none may be missing",
			 (unsigned long long)e->seq, e->type);
	if (s->nr == s->room) {
		s->room = 2 * s->room + 1024;
		s->events = realloc(s->events, s->room * sizeof(*s->events));
	}
	if (!s->events || !(s->events[s->nr] = malloc(e->size)))
		tap_bail("no memory");
	memcpy(s->events[s->nr++], e, e->size);
}

/* All that there is. */
TAP void stream_read(struct stream *s)
{
	const struct systrace_event *e;

	while ((e = systrace_next(s->st)))
		stream_keep(s, e);
	systrace_release(s->st);
}

/* Until no task is attached any more. */
TAP void stream_read_all(struct stream *s)
{
	int ret;

	while ((ret = systrace_wait(s->st, -1)) == 1)
		stream_read(s);
	if (ret != -ECHILD)
		tap_bail("systrace_wait: %s", tap_error(-ret));
}

TAP void stream_end(struct stream *s)
{
	systrace_close(s->st);
	while (s->nr)
		free(s->events[--s->nr]);
	free(s->events);
}

/* The n-th, from 0, of this task and type; NULL if there are not so many. */
TAP const struct systrace_event *stream_find(const struct stream *s, pid_t tid,
					     enum systrace_type type, unsigned n)
{
	for (size_t i = 0; i < s->nr; i++)
		if (s->events[i]->tid == (__u32)tid && s->events[i]->type == type && !n--)
			return s->events[i];
	return NULL;
}

TAP unsigned stream_count(const struct stream *s, pid_t tid, enum systrace_type type)
{
	unsigned n = 0;

	while (stream_find(s, tid, type, n))
		n++;
	return n;
}

/* The ENTER of the n-th call of this number, from 0; or its RETURN. */
TAP const struct systrace_event *stream_call(const struct stream *s, pid_t tid,
					     enum systrace_type type, int nr, unsigned n)
{
	const struct systrace_event *e;

	for (unsigned i = 0; (e = stream_find(s, tid, type, i)); i++) {
		const struct systrace_enter *enter = (const void *)e;
		const struct systrace_return *ret = (const void *)e;

		if ((type == SYSTRACE_ENTER ? enter->nr : ret->nr) == nr && !n--)
			return e;
	}
	return NULL;
}

TAP bool stream_ordered(const struct systrace_event *one, const struct systrace_event *two)
{
	return one && two && one->seq < two->seq;
}

/* ----------------------------------------------------------------- stories --- */

static const char *foreign(const struct systrace_event *e)
{
	switch (systrace_abi(e)) {
	case SYSTRACE_ABI_NATIVE:
		return "";
	case SYSTRACE_ABI_I386:
		return "i386 ";
	case SYSTRACE_ABI_X32:
		return "x32 ";
	case SYSTRACE_ABI_ARM:
		return "arm ";
	}
	return "? ";
}

TAP const char *stream_name(const struct systrace_event *e, int nr)
{
	const char *name = systrace_syscall_name(systrace_abi(e), nr);
	static char text[64];

	snprintf(text, sizeof(text), "%s%s", foreign(e),
		 name ? name : "?");
	return text;
}

/* An event in a word or two: "RETURN read=1". */
TAP void stream_word(const struct systrace_event *e, char *to, size_t size)
{
	const void *p = e;
	const struct systrace_enter *enter = p;
	const struct systrace_return *ret = p;
	const struct systrace_fork *fork_ = p;
	const struct systrace_exit *exit_ = p;
	const struct systrace_signal *sig = p;
	const struct systrace_detach *detach = p;

	switch (e->type) {
	case SYSTRACE_ENTER:
		snprintf(to, size, "ENTER %s", stream_name(e, enter->nr));
		break;
	case SYSTRACE_RETURN:
		snprintf(to, size, "RETURN %s=%lld", stream_name(e, ret->nr),
			 (long long)ret->result);
		break;
	case SYSTRACE_TASK:
		snprintf(to, size, "TASK");
		break;
	case SYSTRACE_FORK:
		snprintf(to, size, "FORK %u", fork_->child);
		break;
	case SYSTRACE_EXEC:
		snprintf(to, size, "EXEC %s", systrace_file(e));
		break;
	case SYSTRACE_EXIT:
		snprintf(to, size, "EXIT 0x%x", exit_->code);
		break;
	case SYSTRACE_SIGNAL:
		snprintf(to, size, "SIGNAL %d", sig->signo);
		break;
	case SYSTRACE_DETACH:
		snprintf(to, size, "DETACH %s", systrace_reason_name(detach->reason));
		break;
	default:
		snprintf(to, size, "?");
	}
}

/* All events of this number, in their order, with commas between. */
TAP void stream_story(const struct stream *s, pid_t tid, char story[STORY_BYTES])
{
	char word[128];
	size_t at = 0;

	story[0] = '\0';
	for (size_t i = 0; i < s->nr; i++) {
		if (s->events[i]->tid != (__u32)tid)
			continue;
		stream_word(s->events[i], word, sizeof(word));
		at += (size_t)snprintf(story + at, STORY_BYTES - at, "%s%s", at ? ", " : "", word);
		if (at >= STORY_BYTES)
			return;
	}
}

/* That is what it tells of this number, and nothing else. */
__attribute__((format(printf, 4, 5)))
TAP bool stream_tells(const struct stream *s, pid_t tid, const char *what, const char *format, ...)
{
	char want[STORY_BYTES], got[STORY_BYTES];
	va_list args;
	bool good;

	va_start(args, format);
	vsnprintf(want, sizeof(want), format, args);
	va_end(args);
	stream_story(s, tid, got);
	good = tap_ok(!strcmp(want, got), "%s: %s", what, want);
	if (!good)
		tap_note("got %s", got);
	return good;
}

TAP void stream_trail(const struct stream *s, struct trail *trail)
{
	for (size_t i = 0; i < s->nr; i++)
		trail_add(trail, s->events[i]);
}

/* ------------------------------------------------------------ traced tasks --- */

/*
 * A session that is there for as long as the program, and with it the probes: so that
 * they are not registered again for each of the others.
 */
TAP void stream_keep_probes(void)
{
	static struct systrace *kept;

	kept = tap_session((struct systrace_options){ .ring_bytes = STREAM_RING });
	if (systrace_attach(kept, tap_sleeper(), SYSTRACE_ATTACH_TASK) != 1)
		tap_bail("keeper");
}

TAP void stream_attach(struct stream *s, pid_t pid, enum systrace_attach_mode mode)
{
	int ret = systrace_attach(s->st, pid, mode);

	if (ret < 1)
		tap_bail("ATTACH: %s", tap_error(-ret));
}

/* Where traced tasks wait until they may go on, one for each byte; in a call of their own. */
struct gate {
	int in, out;
};

TAP struct gate gate_new(void)
{
	int fds[2];

	if (pipe(fds))
		tap_bail("pipe");
	return (struct gate){ .in = fds[0], .out = fds[1] };
}

TAP void gate_pass(struct gate g)
{
	char c;

	syscall(SYS_read, g.in, &c, 1);
}

TAP void gate_open(struct gate g, unsigned n)
{
	while (n--)
		if (write(g.out, "", 1) != 1)
			tap_bail("gate");
}

TAP void gate_close(struct gate g)
{
	close(g.in);
	close(g.out);
}

/* Memory that processes share, zeroed. */
TAP void *stream_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap");
	return p;
}

/*
 * A process of three threads: the leader and one more sleep in pause, the third waits at
 * the gate, then acts. Its numbers are known when it is that far.
 */
struct team {
	pid_t leader, sibling, actor;
	struct gate gate;
	void (*act)(void);
	atomic_int ready;
};

TAP void *team_sibling(void *arg)
{
	struct team *team = arg;

	team->sibling = (pid_t)syscall(SYS_gettid);
	atomic_fetch_add(&team->ready, 1);
	for (;;)
		native_pause();
	return NULL;
}

TAP void *team_actor(void *arg)
{
	struct team *team = arg;

	team->actor = (pid_t)syscall(SYS_gettid);
	atomic_fetch_add(&team->ready, 1);
	gate_pass(team->gate);
	team->act();
	syscall(SYS_exit, 0);
	return NULL;
}

/* In memory that it shares with us. */
TAP struct team *team_begin(void (*act)(void))
{
	struct team *team = stream_shared(sizeof(*team));
	pthread_t id;
	pid_t pid;

	team->gate = gate_new();
	team->act = act;
	pid = tap_fork();
	if (pid == 0) {
		pthread_create(&id, NULL, team_sibling, team);
		pthread_create(&id, NULL, team_actor, team);
		for (;;)
			native_pause();
	}
	team->leader = pid;
	while (atomic_load(&team->ready) != 2)
		usleep(1000);
	tap_await_call(team->leader, NATIVE_PAUSE);
	tap_await_call(team->sibling, NATIVE_PAUSE);
	tap_await_call(team->actor, SYS_read);
	return team;
}

/* Its exit status. */
TAP int team_end(struct team *team)
{
	int status;

	waitpid(team->leader, &status, 0);
	gate_close(team->gate);
	munmap(team, sizeof(*team));
	return status;
}

/* The rest of a thread's story when another ends it in its pause. */
#define KILLED(code) "TASK, RETURN " PAUSE "=-514, SIGNAL 9, EXIT " code

#endif
