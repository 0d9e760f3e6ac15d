#include "rollout/gate.h"

#include <math.h>

/* A bound met up to a rounding error is met: 22 clean canaries pass on every machine. */
#define ROUNDING 1e-9

void gate_rates(struct gate_rates *r, double p0, double p1)
{
	r->p0 = p0;
	r->p1 = p1;
	r->bad = (long double)p1 / p0;
	r->clean = (1 - (long double)p1) / (1 - (long double)p0);
	r->ln_bad = (double)logl(r->bad);
	r->ln_clean = (double)logl(r->clean);
}

void gate_pass_step(struct gate_pass *g, enum gate_sign s)
{
	if (g->ended)
		return;
	switch (s) {
	case GATE_CLEAN:
		g->clean++;
		break;
	case GATE_BAD:
		g->bad++;
		break;
	case GATE_OUT:
		g->out++;
		break;
	case GATE_OPEN:
		g->ended = true;
		break;
	}
}

/* From counts, not by adding up: the order of additions then cannot matter. */
double gate_lambda(const struct gate_pass *g, const struct gate_rates *r)
{
	return (double)g->bad * r->ln_bad + (double)g->clean * r->ln_clean;
}

uint64_t gate_prefix(const struct gate_pass *g)
{
	return g->clean + g->bad + g->out;
}

bool gate_passes(double lambda, double beta)
{
	return -lambda >= log(1 / beta) * (1 - ROUNDING);
}

void gate_halt_init(struct gate_halt *g)
{
	*g = (struct gate_halt){ .e = 1, .max_e = 1 };
}

void gate_halt_step(struct gate_halt *g, const struct gate_rates *r, enum gate_sign s)
{
	long double n = (long double)++g->n;

	g->s += 1 / (n * (n + 1));
	if (s == GATE_BAD)
		g->s *= r->bad;
	else if (s != GATE_OUT)
		g->s *= r->clean;
	/* 1 - sum of w_1..w_n, which telescopes to 1/(n + 1) */
	g->e = g->s + 1 / (n + 1);
	if (g->e > g->max_e) {
		g->max_e = g->e;
		g->max_at = g->n;
	}
}

bool gate_halts(const struct gate_halt *g, double alpha)
{
	return g->max_e >= 1 / (long double)alpha * (1 - ROUNDING);
}

uint64_t gate_clean_to_pass(double p0, double p1, double beta)
{
	struct gate_rates r;
	uint64_t n;

	gate_rates(&r, p0, p1);
	n = (uint64_t)(log(1 / beta) / -r.ln_clean);    /* at most one below */
	for (n = n > 2 ? n - 2 : 0; !gate_passes((double)n * r.ln_clean, beta); n++)
		;
	return n;
}

uint64_t gate_failures_to_halt(double p0, double p1, double alpha, uint64_t clean)
{
	struct gate_rates r;
	struct gate_halt g;
	uint64_t failures = 0;

	gate_rates(&r, p0, p1);
	gate_halt_init(&g);
	for (uint64_t i = 0; i < clean; i++)
		gate_halt_step(&g, &r, GATE_CLEAN);
	for (; !gate_halts(&g, alpha); failures++)
		gate_halt_step(&g, &r, GATE_BAD);
	return failures;
}

double gate_excluded_rate(uint64_t n)
{
	return n ? 1 - pow(0.05, 1 / (double)n) : 1;
}
