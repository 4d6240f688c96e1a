/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A task that goes from CPU to CPU and fills their slots, against one that changes what they
 * are filled by: sites L and M of driver/slot.c. After the change and a grace period no call goes
 * by what was before; and the task never leaves two slots filled.
 */
#define CPUS	2
#define CALLS	4
#define NONE	CPUS

bool changed, done;
byte epoch;
bool filled[CPUS];		/* by what was before the change */
byte where = NONE;		/* the one that it filled last: attachment.slot */
bool probing;
byte probes;

inline move()
{
	if
	:: here = 0
	:: here = 1
	fi
}

/* Leave the last slot, then fill this one if nothing is changed. */
inline fill()
{
#ifndef MUTANT_LEAVE
	if
	:: where != NONE && where != here -> filled[where] = false
	:: else -> skip
	fi;
#endif
	where = here;
	if
	:: old ->
#ifdef MUTANT_AGAIN	/* the epoch is loaded again before the slot is filled */
		same = epoch == known;
		filled[here] = true;
#else
		filled[here] = true;		/* then a full barrier */
		same = epoch == known;
#endif
		if
		:: same -> skip
		:: else -> filled[here] = false
		fi
	:: else -> skip
	fi
}

proctype task()
{
	byte calls, here, known;
	bool late, old, same;

	do
	:: calls == CALLS -> break
	:: else ->
		calls++;
		move();
		atomic { probing = true; late = done };
		if
		:: filled[here] -> assert(!late)
		:: else ->
#ifdef MUTANT_L		/* the epoch is loaded after the look */
			old = !changed;
			known = epoch;
#else
			known = epoch;		/* [L] */
			old = !changed;
#endif
			fill()
		fi;
		atomic {
			probing = false;
			probes++;
			assert(!(filled[0] && filled[1]))
		}
	od
}

proctype changer()
{
	byte last, before;
	bool wait;

#ifdef MUTANT_CHANGE	/* the epoch is incremented before the change */
	epoch++;
	changed = true;
#else
	changed = true;
#ifndef MUTANT_M	/* then where the slot is is loaded before */
	epoch++;			/* [M] */
#endif
#endif
	last = where;
	if
	:: last != NONE -> filled[last] = false
	:: else -> skip
	fi;
#ifdef MUTANT_M
	epoch++;
#endif
	/* synchronize_rcu */
	atomic { before = probes; wait = probing };
	if
	:: wait -> probes != before
	:: else -> skip
	fi;
	done = true
}

init { atomic { run task(); run changer() } }
