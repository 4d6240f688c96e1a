// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * counter [MAX]: what a session's one counter costs where several CPUs take numbers from it at once.
 * Threads on CPUs of their own add to one word, or each to its own, with so much other work between
 * two additions. A line each: threads, work in ns, ns of an addition beyond that work on the shared
 * word and on the own one, and additions a second of all threads on the shared one, in millions.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE	128	/* bytes; two of x86's cache lines are fetched at once */
#define MOST	1024
#define ROUNDS	7
#define ADDITIONS 100000

struct word {
	_Alignas(LINE) atomic_ulong n;
};

static struct word words[MOST + 1];	/* the last is shared */
static pthread_barrier_t barrier;

struct job {
	pthread_t thread;
	int cpu;
	unsigned work;
	atomic_ulong *word;
	double took;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* A chain of multiplications: nothing overlaps, and nothing is read */
static unsigned long work(unsigned n, unsigned long x)
{
	while (n--)
		x = x * 6364136223846793005UL + 1442695040888963407UL;
	return x;
}

static void *run(void *arg)
{
	struct job *job = arg;
	volatile unsigned long sink;
	unsigned long x = 1;
	cpu_set_t set;
	double begun;

	CPU_ZERO(&set);
	CPU_SET((size_t)job->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	pthread_barrier_wait(&barrier);
	begun = now();
	for (int i = 0; i < ADDITIONS; i++) {
		x = work(job->work, x);
		if (job->word)
			x += atomic_fetch_add(job->word, 1);
	}
	job->took = (now() - begun) / ADDITIONS;
	sink = x;
	(void)sink;
	return NULL;
}

enum { NONE, OWN, SHARED };

/* ns of an addition with its work, on average; the best of some rounds */
static double measure(const int *cpus, int n, unsigned work, int where)
{
	static struct job jobs[MOST];
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double mean = 0;

		pthread_barrier_init(&barrier, NULL, (unsigned)n);
		for (int i = 0; i < n; i++) {
			jobs[i] = (struct job){ .cpu = cpus[i], .work = work,
				.word = where == NONE ? NULL : &words[where == OWN ? i : MOST].n };
			if (pthread_create(&jobs[i].thread, NULL, run, &jobs[i])) {
				perror("counter: pthread_create");
				exit(1);
			}
		}
		for (int i = 0; i < n; i++) {
			pthread_join(jobs[i].thread, NULL);
			mean += jobs[i].took / n;
		}
		pthread_barrier_destroy(&barrier);
		if (mean < best)
			best = mean;
	}
	return best;
}

int main(void)
{
	static const unsigned works[] = { 0, 50, 200 };
	int cpus[MOST], n = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set)) {
		perror("counter: sched_getaffinity");
		return 1;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && n < MOST; cpu++)
		if (CPU_ISSET((size_t)cpu, &set))
			cpus[n++] = cpu;
	for (int threads = 1;; threads = threads * 2 < n ? threads * 2 : n) {
		for (size_t i = 0; i < sizeof(works) / sizeof(*works); i++) {
			double none = measure(cpus, threads, works[i], NONE);
			double own = measure(cpus, threads, works[i], OWN);
			double shared = measure(cpus, threads, works[i], SHARED);

			printf("%d\t%.0f\t%.1f\t%.1f\t%.1f\n", threads, none, own - none, shared - none,
			       threads * 1e3 / shared);
		}
		if (threads == n)
			return 0;
	}
}
