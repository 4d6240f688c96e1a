// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * loop ROUNDS: calls getppid 1,000 times in each round. Prints instructions of a call (nanoseconds
 * where nobody counts), in the best round and on average, and how many calls it made.
 *
 * loop ROUNDS fork: the same of a child that makes 20 calls, from its fork to its end, one in
 * each round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS	1000
#define FEW	20

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void call(int n)
{
	while (n--)
		syscall(SYS_getppid);
}

static void fork_one(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		call(FEW);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid) {
		perror("loop: fork");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0, forks = argc > 2 && !strcmp(argv[2], "fork");
	double best = 1e18, mean = 0;

	if (rounds < 1 || argc != 2 + forks) {
		fprintf(stderr, "usage: loop ROUNDS [fork]\n");
		return 2;
	}
	for (int round = 0; round < rounds; round++) {
		double begun = now(), each;

		if (forks)
			fork_one();
		else
			call(CALLS);
		each = (now() - begun) / (forks ? 1 : CALLS);
		mean += each / rounds;
		if (each < best)
			best = each;
	}
	printf("%.1f\t%.1f\t%d\n", best, mean, rounds * (forks ? FEW : CALLS));
	return 0;
}
