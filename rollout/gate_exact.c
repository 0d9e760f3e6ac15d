#include "rollout/gate_exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/gate.h"

#define OFFERS_MAX 1000000
#define CELLS_MAX 32768
#define EXCESS_LEAST 1e-6       /* what is left of a failure that is forgotten: the floor of the grid */
#define STEP_MOST 0.02          /* of the grid, in ln: what one failure is rounded by */
#define MASS_LEAST 1e-15        /* paths rarer than this are not followed, and counted */

static int check(double p0, double p1, double limit, double rate, uint32_t offers, struct err *e)
{
	if (!(p0 > 0 && p0 < p1 && p1 < 1 && limit > 0 && limit < 1 && rate >= 0 && rate <= 1))
		return err_set(e, ERR_USAGE, "an exact gate needs 0 < p0 < p1 < 1 and probabilities, not %g, %g, %g, %g", p0, p1, limit, rate);
	if (offers > OFFERS_MAX)
		return err_set(e, ERR_LIMIT, "%u offers: at most %d are worked out exactly", offers, OFFERS_MAX);
	return 0;
}

/* ---- pass: at[k], the mass of paths with k failures that have not passed ---- */

struct pass_paths {
	struct gate_rates r;
	double *at;
	uint32_t most;          /* at[0..most] may hold mass */
	double passed, dropped;
};

static void pass_offer(struct pass_paths *p, double rate, double beta, uint32_t n)
{
	double limit = -log(1 / beta);

	p->most++;
	for (uint32_t k = p->most; k > 0; k--)
		p->at[k] = p->at[k] * (1 - rate) + p->at[k - 1] * rate;
	p->at[0] *= 1 - rate;
	for (uint32_t k = 0; k <= p->most; k++) {
		double lambda = k * p->r.ln_bad + (n - k) * p->r.ln_clean;

		if (!gate_passes(lambda, beta))
			break;  /* more failures pass even less */
		p->passed += p->at[k];
		p->at[k] = 0;
	}
	/* far above the limit nothing comes back: its chance is at most exp(limit - lambda) */
	for (; p->most > 0; p->most--) {
		double lambda = p->most * p->r.ln_bad + (n - p->most) * p->r.ln_clean;
		double chance = p->at[p->most] * (rate >= p->r.p1 ? exp(fmin(limit - lambda, 0)) : 1);

		if (chance > MASS_LEAST)
			break;
		p->dropped += chance;
		p->at[p->most] = 0;
	}
}

int gate_exact_pass(struct gate_bracket *out, double p0, double p1, double beta, double rate, uint32_t offers, struct err *e)
{
	struct pass_paths p = { 0 };
	double later = 0;

	if (check(p0, p1, beta, rate, offers, e) < 0)
		return e->code;
	p.at = calloc((size_t)offers + 2, sizeof *p.at);
	if (!p.at)
		return err_memory(e);
	gate_rates(&p.r, p0, p1);
	p.at[0] = 1;
	for (uint32_t n = 1; n <= offers; n++)
		pass_offer(&p, rate, beta, n);
	for (uint32_t k = 0; k <= p.most; k++) {
		double lambda = k * p.r.ln_bad + (offers - k) * p.r.ln_clean;

		later += p.at[k] * (rate >= p1 ? exp(fmin(-log(1 / beta) - lambda, 0)) : 1);
	}
	free(p.at);
	*out = (struct gate_bracket){ p.passed, fmin(p.passed + p.dropped + later, 1) };
	return 0;
}

/* ---- halt ---- */

/*
 * Mass by excess X, on a grid that a clean offer moves `shift` cells down.
 * none: no excess at all. What falls below the grid stays in the lowest cell
 * (up) or becomes none (down).
 */
struct halt_paths {
	double *at, *fresh;
	double *cell;           /* X of each, ascending */
	uint32_t count, shift;
	bool up;
	double none, fresh_none, halted;
};

/* Every path goes on with a clean offer, of this chance: `shift` cells down. */
static void go_on_clean(struct halt_paths *h, double chance)
{
	double below = 0;

	for (uint32_t i = 0; i < h->shift; i++)
		below += h->at[i] * chance;
	for (uint32_t i = h->shift; i < h->count; i++)
		h->at[i - h->shift] = h->at[i] * chance;
	memset(h->at + h->count - h->shift, 0, h->shift * sizeof *h->at);
	h->none *= chance;
	if (h->up)
		h->at[0] += below;
	else
		h->none += below;
}

/* Mass whose excess became x; *i only grows from call to call: cell[*i - 1] < x <= cell[*i]. */
static void land(struct halt_paths *h, double x, double mass, double limit, uint32_t *i)
{
	while (*i < h->count && h->cell[*i] < x)
		++*i;
	if (x >= limit || (h->up && (*i == h->count || h->cell[*i] >= limit)))
		h->halted += mass;
	else if (h->up)
		h->fresh[*i] += mass;
	else if (*i == 0)
		h->fresh_none += mass;
	else
		h->fresh[*i - 1] += mass;
}

/* One offer. base: S of the path without a failure, this offer's weight included; limit: the excess that halts. */
static void halt_offer(struct halt_paths *h, const struct gate_rates *r, double base, double limit, double rate)
{
	double jump = base * (double)(r->bad - r->clean);
	uint32_t to = 0;

	memset(h->fresh, 0, h->count * sizeof *h->fresh);
	h->fresh_none = 0;
	land(h, jump, h->none * rate, limit, &to);
	for (uint32_t i = 0; i < h->count; i++)
		if (h->at[i] > 0)
			land(h, jump + (double)r->bad * h->cell[i], h->at[i] * rate, limit, &to);
	go_on_clean(h, 1 - rate);
	for (uint32_t i = 0; i < h->count; i++)
		h->at[i] += h->fresh[i];
	h->none += h->fresh_none;
}

static void halt_bound(double *out, struct halt_paths *h, const struct gate_rates *r, double alpha, double rate, uint32_t offers)
{
	double s = 0;

	memset(h->at, 0, h->count * sizeof *h->at);
	h->none = 1;
	h->halted = 0;
	for (uint32_t n = 1; n <= offers; n++) {
		double base = s + 1 / ((double)n * (n + 1.0));

		s = base * (double)r->clean;
		halt_offer(h, r, base, (1 - 1e-9) / alpha - s - 1 / (n + 1.0), rate);
	}
	*out = h->halted;
}

static int halt_grid(struct halt_paths *h, const struct gate_rates *r, double alpha, struct err *e)
{
	double step = -r->ln_clean, wanted;
	double *cell;

	h->shift = (uint32_t)fmin(ceil(step / STEP_MOST), CELLS_MAX / 64);
	step /= h->shift;
	wanted = ceil(log(1 / (alpha * EXCESS_LEAST)) / step) + 1;
	h->count = (uint32_t)fmax(fmin(wanted, CELLS_MAX), h->shift + 1);
	cell = calloc(3 * (size_t)h->count, sizeof *cell);
	if (!cell)
		return err_memory(e);
	for (uint32_t i = 0; i < h->count; i++)
		cell[i] = exp(-log(alpha) - (h->count - 1 - i) * step);
	h->cell = cell;
	h->at = cell + h->count;
	h->fresh = cell + 2 * (size_t)h->count;
	return 0;
}

int gate_exact_halt(struct gate_bracket *out, double p0, double p1, double alpha, double rate, uint32_t offers, struct err *e)
{
	struct halt_paths h = { 0 };
	struct gate_rates r;
	double *bounds[] = { &out->low, &out->high };

	if (check(p0, p1, alpha, rate, offers, e) < 0)
		return e->code;
	gate_rates(&r, p0, p1);
	if (halt_grid(&h, &r, alpha, e) < 0)
		return e->code;
	for (int up = 0; up < 2; up++) {
		h.up = up;
		halt_bound(bounds[up], &h, &r, alpha, rate, offers);
	}
	free(h.cell);
	return 0;
}
