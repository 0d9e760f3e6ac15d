#include "rollout/sequence_strata.h"

#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

#define BLOCK_LEAST 1024        /* offers between two saved points */
#define BLOCK_PER_STRATUM 128   /* more strata, fewer points */
#define E_MOST 1e30L            /* halts in any case, and stays a number */

/* One stratum: its own n, and S of the test, twice. */
struct one {
	uint64_t n;
	long double s[2];       /* with the lost as 1; without */
};

struct head {
	uint32_t fed;
	long double sum[2];     /* of E over the strata */
	struct strata_mean mean[2];
};

struct sequence_strata {
	uint32_t strata, block;
	struct head now;
	struct one *ones;       /* now */
	struct head *heads;     /* [k]: before offer k * block + 1 */
	struct one *saved;      /* the same for the strata, k * strata + stratum */
	uint32_t room;          /* saved points */
};

static void start(struct sequence_strata *t)
{
	t->now = (struct head){ .sum = { t->strata, t->strata }, .mean = { { .max = 1 }, { .max = 1 } } };
	memset(t->ones, 0, t->strata * sizeof *t->ones);
}

int sequence_strata_new(struct sequence_strata **out, uint32_t strata, struct err *e)
{
	struct sequence_strata *t = calloc(1, sizeof *t);

	if (!t)
		return err_memory(e);
	t->strata = strata;
	t->block = MAX(BLOCK_LEAST, strata * BLOCK_PER_STRATUM);
	t->ones = calloc(strata, sizeof *t->ones);
	if (!t->ones) {
		free(t);
		return err_memory(e);
	}
	start(t);
	*out = t;
	return 0;
}

void sequence_strata_free(struct sequence_strata *t)
{
	if (!t)
		return;
	free(t->ones);
	free(t->heads);
	free(t->saved);
	free(t);
}

uint32_t sequence_strata_fed(const struct sequence_strata *t)
{
	return t->now.fed;
}

void sequence_strata_back(struct sequence_strata *t, uint32_t n)
{
	uint32_t k = (n - 1) / t->block;

	if (n > t->now.fed)
		return;
	t->now = t->heads[k];
	memcpy(t->ones, t->saved + (size_t)k * t->strata, t->strata * sizeof *t->ones);
}

int sequence_strata_reserve(struct sequence_strata *t, uint32_t offers, struct err *e)
{
	uint32_t wanted = offers / t->block + 1, room = MAX(2 * t->room, wanted);
	struct head *heads;
	struct one *saved;

	if (wanted <= t->room)
		return 0;
	heads = reallocarray(t->heads, room, sizeof *heads);
	if (!heads)
		return err_memory(e);
	t->heads = heads;
	saved = reallocarray(t->saved, (size_t)room * t->strata, sizeof *saved);
	if (!saved)
		return err_memory(e);
	t->saved = saved;
	t->room = room;
	return 0;
}

static void save(struct sequence_strata *t)
{
	uint32_t k = t->now.fed / t->block;

	t->heads[k] = t->now;
	memcpy(t->saved + (size_t)k * t->strata, t->ones, t->strata * sizeof *t->ones);
}

/* E from S: what has not started yet weighs 1/(n + 1). */
static long double e_of(long double s, uint64_t n)
{
	long double e = s + 1 / ((long double)n + 1);

	return e < E_MOST ? e : E_MOST;
}

void sequence_strata_feed(struct sequence_strata *t, const struct gate_rates *r, uint32_t stratum, enum gate_sign all, enum gate_sign known)
{
	const enum gate_sign signs[2] = { all, known };
	struct one *o = &t->ones[MIN(stratum, t->strata - 1)];

	if (t->now.fed % t->block == 0)
		save(t);
	t->now.fed++;
	for (int i = 0; i < 2; i++) {
		struct gate_halt h = { .n = o->n, .s = o->s[i] };
		struct strata_mean *m = &t->now.mean[i];

		t->now.sum[i] -= e_of(o->s[i], o->n);
		gate_halt_step(&h, r, signs[i]);
		o->s[i] = MIN(h.s, E_MOST);
		t->now.sum[i] += e_of(o->s[i], h.n);
		if (t->now.sum[i] / t->strata > m->max)
			*m = (struct strata_mean){ t->now.sum[i] / t->strata, t->now.fed, MIN(stratum, t->strata - 1) };
	}
	o->n++;
}

void sequence_strata_means(const struct sequence_strata *t, struct strata_mean *all, struct strata_mean *known)
{
	*all = t->now.mean[0];
	*known = t->now.mean[1];
}
