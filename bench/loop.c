// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * loop ROUNDS: stops until it is let go, then calls getppid 1,000 times in each round. Prints
 * instructions of a call (nanoseconds where nobody counts), in the best round and on average.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLS 1000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	double best = 1e18, mean = 0;

	if (rounds < 1) {
		fprintf(stderr, "usage: loop ROUNDS\n");
		return 2;
	}
	raise(SIGSTOP);
	for (int round = 0; round < rounds; round++) {
		double begun = now(), each;

		for (int i = 0; i < CALLS; i++)
			syscall(SYS_getppid);
		each = (now() - begun) / CALLS;
		mean += each / rounds;
		if (each < best)
			best = each;
	}
	printf("%.1f\t%.1f\n", best, mean);
	return 0;
}
