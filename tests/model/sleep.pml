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
byte wakeups, polls;

proctype writer()
{
	byte made;
	bool claimed;

	do
	:: made == EACH -> break
	:: else ->
		made++;
#if defined(MUTANT_G)	/* need is loaded before the event is begun */
		claimed = need;
		seq++;
		published++;
#elif defined(MUTANT_E)	/* seq rises only after need was loaded, though it is published */
		published++;
		claimed = need;
		seq++;
#else
		seq++;						/* [E] */
		published++;
		claimed = need;					/* [G] */
#endif
		if
		:: claimed ->
#ifdef MUTANT_CLAIM	/* who saw need wakes, without claiming it by an exchange */
			need = false;
			wakeups++;
			woken = true
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
#ifdef MUTANT_F		/* seq is compared before need is set */
	readable = (seq != seen);
	need = true;
#else
	need = true;						/* [F] */
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

init { atomic { byte i; for (i : 1 .. WRITERS) { run writer() } run reader() } }
