/*
 * chance: seeded runs, the same everywhere (splitmix64), and how often a test
 * may err in them: the one-sided 99.9 % limit of a binomial.
 */
#ifndef TESTS_ROLLOUT_CHANCE_H
#define TESTS_ROLLOUT_CHANCE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define RUNS 20000              /* of a scenario, at least */

static uint64_t seed;

static inline uint64_t draw(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline bool chance(double p)
{
	return (double)(draw() >> 11) * 0x1p-53 < p;
}

static inline int between(int low, int high)   /* both included */
{
	return low + (int)(draw() % (uint64_t)(high - low + 1));
}

/* The least k that a binomial of this rate exceeds with at most one in a thousand. */
static inline int limit(int runs, double rate)
{
	double above = 1;
	int k = -1;

	while (above > 0.001) {
		k++;
		above -= exp(lgamma(runs + 1.0) - lgamma(k + 1.0) - lgamma(runs - k + 1.0) + k * log(rate) + (runs - k) * log(1 - rate));
	}
	return k;
}

/* As many as RINGHOLD_RUNS asks for. */
static inline int runs(void)
{
	const char *asked = getenv("RINGHOLD_RUNS");
	int n = asked ? atoi(asked) : 0;

	return n > RUNS ? n : RUNS;
}

#endif
