/*
 * gate: the two sequential tests of a ring, on numbers alone.
 *
 * Pass: the ratio test (Wald) over the longest fully resolved prefix of the
 * offer order. Halt: a mixture of the same test started at every offer, a
 * weighted Shiryaev-Roberts e-process, over any prefix, with unresolved offers
 * filled in as 0. By Ville's inequality neither errs more often than beta and
 * alpha, however often one looks.
 */
#ifndef ROLLOUT_GATE_H
#define ROLLOUT_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* What the tests see of one offer. */
enum gate_sign {
	GATE_CLEAN,             /* 0 */
	GATE_BAD,               /* 1 */
	GATE_OPEN,              /* not known yet: ends the prefix of the pass test, 0 for the halt test */
	GATE_OUT,               /* left out: no observation, yet its index is spent */
};

struct gate_rates {
	double p0, p1;
	double ln_bad, ln_clean;        /* ln(p1/p0), ln((1-p1)/(1-p0)) */
	long double bad, clean;         /* the same ratios */
};
void gate_rates(struct gate_rates *r, double p0, double p1);    /* 0 < p0 < p1 < 1 */

/* ---- pass ---- */
struct gate_pass {
	uint64_t clean, bad, out;       /* of the resolved prefix */
	bool ended;                     /* an open offer was met */
};
void gate_pass_step(struct gate_pass *g, enum gate_sign s);     /* in offer order; start from {0} */
double gate_lambda(const struct gate_pass *g, const struct gate_rates *r);
uint64_t gate_prefix(const struct gate_pass *g);                /* offers in it */
bool gate_passes(double lambda, double beta);                   /* lambda <= -ln(1/beta), within a rounding error */

/* ---- halt ---- */
struct gate_halt {
	uint64_t n;             /* offers fed */
	long double s;          /* the mixture without the mass that has not started */
	long double e;          /* E now: s + 1 - sum of the weights so far */
	long double max_e;      /* over every prefix so far; at least the initial 1 */
	uint64_t max_at;        /* the first index that reached it; 0: never above 1 */
};
void gate_halt_init(struct gate_halt *g);
void gate_halt_step(struct gate_halt *g, const struct gate_rates *r, enum gate_sign s);
bool gate_halts(const struct gate_halt *g, double alpha);       /* max_e >= 1/alpha */

/* ---- what a policy shows ---- */
uint64_t gate_clean_to_pass(double p0, double p1, double beta);
/* Failures in a row that halt after `clean` survivors; alpha is the share of this test. */
uint64_t gate_failures_to_halt(double p0, double p1, double alpha, uint64_t clean);
/* The failure rate that n clean observations exclude at 95 %: 1 - 0.05^(1/n). */
double gate_excluded_rate(uint64_t n);

#endif
