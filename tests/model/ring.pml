/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Publish, consume, full: one writer and one reader of one ring, sites A to D of
 * <systrace/ring.h>. A record is two words, so that a torn one shows; the ring has
 * room for SIZE records; what finds none is lost and takes no seq.
 *
 * spin executes in program order, so that a site is weakened by doing its two sides
 * in the wrong order, as hardware or compiler might.
 */
#define SIZE	2
#define MADE	6

byte first[SIZE], second[SIZE];	/* the words of each record: its seq, twice */
byte head, tail;		/* shared */
byte seq, lost, delivered;
bool done;

inline write()
{
	first[h % SIZE] = seq + 1;
	second[h % SIZE] = seq + 1;
}

proctype writer()
{
	byte h, t, made;

	do
	:: made == MADE -> break
	:: else ->
		made++;
#ifdef MUTANT_C		/* what a tail would free is written before the tail is loaded */
		first[h % SIZE] = seq + 1;
		t = tail;
#endif
		if
		:: h - t < SIZE -> skip
		:: else -> t = tail			/* [C] */
		fi;
#ifdef MUTANT_NUMBER	/* the seq is taken before there is known to be room */
		seq++;
#endif
		if
#ifdef MUTANT_FULL	/* the check is one record short */
		:: h - t <= SIZE ->
#else
		:: h - t < SIZE ->
#endif
#if defined(MUTANT_NUMBER)
			first[h % SIZE] = seq; second[h % SIZE] = seq; h++; head = h
#elif defined(MUTANT_A)	/* the head is stored before the record is whole */
			head = h + 1; write(); h++; seq++
#else
			write(); seq++; h++;
			head = h			/* [A] */
#endif
		:: else -> lost++
		fi
	od;
	done = true
}

proctype reader()
{
	byte h, t, one, two;

	do
	:: t == h ->
#ifdef MUTANT_B		/* the record is read before the head */
		one = first[t % SIZE];
		two = second[t % SIZE];
#endif
		if
		:: done && head == t -> break
		:: else -> h = head			/* [B] */
		fi;
#ifdef MUTANT_B
		if
		:: t != h ->
			assert(one == delivered + 1 && two == delivered + 1);
			delivered++; t++; tail = t
		:: else -> skip
		fi
#endif
	:: t != h ->
#ifdef MUTANT_D		/* the tail is stored before the record is read */
		tail = t + 1;
#endif
		one = first[t % SIZE];
		two = second[t % SIZE];
		assert(one == delivered + 1 && two == delivered + 1);	/* whole, dense, in order */
		delivered++;
		t++;
		tail = t				/* [D] */
	od;
	assert(delivered + lost == MADE && delivered == seq)
}

init { atomic { run writer(); run reader() } }
