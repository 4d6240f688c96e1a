/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks that wait for room against a reader that makes some, and that leaves at any
 * moment: sites D, J and K. Here nobody looks again every 10 ms, so that a wake-up
 * that is missed is a task that waits for ever: an invalid end state.
 */
#define TASKS	2
#define EACH	2
#define MARK	1	/* records unread from which on a task waits: more than these */
#define ALL	(TASKS * EACH)

byte head, tail, waiters;
bool consumer = true;		/* control is mapped */
bool queued[TASKS], awake[TASKS];

#define full	(consumer && head - tail > MARK)

inline wake_all()
{
	/* wake_up_all: who is in the queue is woken and leaves it */
	atomic {
		for (k : 0 .. TASKS - 1) {
			if
			:: queued[k] -> awake[k] = true; queued[k] = false
			:: else -> skip
			fi
		}
	}
}

/* What makes others go on is stored before; then the queue is looked at [K]. */
inline kick()
{
	sleepers = queued[0] || queued[1];
	if
	:: sleepers && !full -> wake_all()
	:: else -> skip
	fi
}

proctype task(byte me)
{
	byte made;
	bool wait;

	do
	:: made == EACH -> break
	:: else ->
		made++;
		atomic { head++ }		/* a record, past the mark perhaps */
		if
		:: full ->
#ifdef MUTANT_J		/* the tail is loaded before the task counts itself */
			wait = full;
			waiters++;
			atomic { queued[me] = true; awake[me] = false };
#else
			waiters++;
			do
			:: atomic { queued[me] = true; awake[me] = false };
#ifdef MUTANT_QUEUE	/* the tail is loaded before the task is in the queue */
				queued[me] = false; wait = full; queued[me] = true;
#else
				wait = full;	/* [J] */
#endif
#endif
				if
				:: wait -> awake[me]	/* schedule */
#ifdef MUTANT_J
				:: else -> skip
				fi;
#else
				:: else -> break
				fi
			od;
#endif
			queued[me] = false;
			waiters--
		:: else -> skip
		fi
	od
}

proctype reader()
{
	bool sleepers;
	byte seen, k;

	bool leaves;

	if
	:: leaves = true
	:: leaves = false
	fi;
	do
	:: tail == ALL -> break
	:: tail < head ->
#ifdef MUTANT_D		/* waiters is loaded before the tail is stored */
		seen = waiters;
		tail = head;
#else
		tail = head;			/* [D], then a full barrier */
		seen = waiters;
#endif
		if
		:: seen -> kick()
		:: else -> skip
		fi
	:: leaves ->		/* now, or later: control is unmapped */
#ifdef MUTANT_K		/* the queue is looked at before the news is stored */
		sleepers = queued[0] || queued[1];
		consumer = false;
		if
		:: sleepers -> wake_all()
		:: else -> skip
		fi;
#else
		consumer = false;
		kick();
#endif
		break
	od
}

init { atomic { run task(0); run task(1); run reader() } }
