/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer that overwrites against a reader that copies while it does: sites H and
 * I, with A and B. A record is two words. What the reader hands out is whole and in
 * order, and what it misses it knows of: it is below `oldest`.
 */
#define SIZE	2
#define MADE	6

byte first[SIZE], second[SIZE];
byte head, oldest, overwritten;
bool done;

inline give_way()
{
	overwritten = o + 1;	/* record i has seq i + 1 */
	o++;
	oldest = o
}

proctype writer()
{
	byte h, o;

	do
	:: h == MADE -> break
	:: else ->
#ifdef MUTANT_H		/* the new record begins to be written before oldest is known */
		first[h % SIZE] = h + 1;
#endif
		if
		:: h - o == SIZE -> give_way()
		:: else -> skip
		fi;					/* [H] */
#ifdef MUTANT_A
		head = h + 1;
#endif
		first[h % SIZE] = h + 1;
		second[h % SIZE] = h + 1;
		h++;
		head = h				/* [A] */
	od;
	done = true
}

proctype reader()
{
	byte h, t, one, two, o, delivered, lost;

	do
	:: done && t == head -> break
	:: else ->
		o = oldest;
		if
		:: o > t -> lost = lost + (o - t); t = o
		:: else -> skip
		fi;
#ifdef MUTANT_B		/* the record is read before the head */
		one = first[t % SIZE];
		two = second[t % SIZE];
#endif
		h = head;				/* [B] */
		if
		:: h > t ->
#ifdef MUTANT_I		/* oldest is looked at before the copy is complete */
			one = first[t % SIZE];
			o = oldest;
			two = second[t % SIZE];
#else
#ifndef MUTANT_B
			one = first[t % SIZE];
			two = second[t % SIZE];
#endif
			o = oldest;			/* [I] */
#endif
			if
			:: o > t -> skip		/* discarded */
			:: else ->
				assert(one == t + 1 && two == t + 1);
				delivered++;
				t++
			fi
		:: else -> skip
		fi
	od;
	assert(delivered + lost == MADE);
	assert(overwritten == oldest)
}

init { atomic { run writer(); run reader() } }
