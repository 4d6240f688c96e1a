/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going to sleep against two writers: sites E, F and G. The reader sleeps in poll,
 * or in edge-triggered epoll, which after a wake-up polls once and then sleeps
 * again without a poll, whatever that one said. A lost wake-up is a reader that
 * sleeps for ever with something unread: an invalid end state.
 */
#define WRITERS	2
#define EACH	2
#define ALL	(WRITERS * EACH)

byte seq, published, seen;
bool need, woken;
bool hint[WRITERS];		/* need of each CPU: set by poll, taken by its writer */
byte wakeups, polls;

proctype writer(byte me)
{
	byte made;
	bool claimed;

	do
	:: made == EACH -> break
	:: else ->
		made++;
#if defined(MUTANT_G)	/* need is loaded before the event is begun */
		claimed = hint[me];
		seq++;
		published++;
#elif defined(MUTANT_E)	/* seq rises only after need was loaded, though it is published */
		published++;
		claimed = hint[me];
		seq++;
#else
		seq++;						/* [E] */
		published++;
		claimed = hint[me];					/* [G] */
#endif
		if
		:: claimed ->
			hint[me] = false;	/* by an exchange: fully ordered */
#ifdef MUTANT_CLAIM	/* who saw need wakes, without claiming it by an exchange */
			if
			:: need -> need = false; wakeups++; woken = true
			:: else -> skip
			fi
#else
			atomic {
				if
				:: need -> need = false; wakeups++; woken = true
				:: else -> skip			/* another writer was first */
				fi
			}
#endif
		:: else -> skip
		fi
	od
}

/* What poll answers; it leaves need set, whatever it says. */
inline poll(readable)
{
	polls++;
#if defined(MUTANT_F)	/* seq is compared before need is set */
	readable = (seq != seen);
	need = true;
	hint[0] = true;
	hint[1] = true;
#elif defined(MUTANT_HINT)	/* the CPUs' are set first */
	hint[0] = true;
	hint[1] = true;
	need = true;
	readable = (seq != seen);
#else
	need = true;
	hint[0] = true;
	hint[1] = true;						/* [F] */
	readable = (seq != seen);
#endif
#ifdef MUTANT_KEEP	/* need is taken back when there is something to read */
	if
	:: readable -> need = false
	:: else -> skip
	fi
#endif
}

proctype reader()
{
	bool readable, edge;

	if	/* one kind or the other, all the way */
	:: edge = true
	:: edge = false
	fi;
	poll(readable);						/* also epoll_ctl does */
	do
	:: seen == ALL -> break
	:: else ->
		if
		:: readable ->
			published > seen;	/* what is begun is there in a moment */
			seen = published;
			if
			:: edge -> readable = false
			:: else -> poll(readable)
			fi
		:: else ->
			woken -> woken = false;			/* asleep */
			poll(readable)
		fi
	od;
	assert(wakeups <= polls)	/* at most one for each time that it may sleep */
}

init { atomic { byte i; for (i : 1 .. WRITERS) { run writer(i - 1) } run reader() } }
