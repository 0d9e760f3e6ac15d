/* simulate_fleet: who an endpoint is and which hours it keeps, from its place in the order alone. */
#include <math.h>

#include "rollout/simulate_parts.h"

uint64_t sim_mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

double sim_unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

void sim_endpoint(struct sim_endpoint *out, const struct sim_ring *g, uint32_t i)
{
	const struct simulate_trace *t = g->plan->trace;
	uint64_t a = sim_mix(g->seed ^ (uint64_t)i << 20), b = sim_mix(a), c = sim_mix(b), d = sim_mix(c), f = sim_mix(d);
	double at = sim_unit(a);
	size_t k = 0, s = 0;

	while (k + 1 < t->kind_count && at >= t->kinds[k].share)
		at -= t->kinds[k++].share;
	for (at = sim_unit(b); s + 1 < t->stratum_count && at >= t->strata[s].share; s++)
		at -= t->strata[s].share;
	*out = (struct sim_endpoint){
		.kind = &t->kinds[k], .stratum = (uint16_t)s, .hours = sim_unit(c), .phase = (uint32_t)(d >> 32),
		.hit = (g->plan->stratum < 0 || g->plan->stratum == (int)s) && sim_unit(f) < g->plan->defect,
	};
}

bool sim_online(const struct sim_endpoint *p, int minute)
{
	return p->kind->online[minute / SIM_HOUR % 24] > p->hours;
}

int sim_until(const struct sim_endpoint *p, int minute, bool want)
{
	if (sim_online(p, minute) == want)
		return minute;
	for (int h = 1; h <= 24; h++)
		if (sim_online(p, (minute / SIM_HOUR + h) * SIM_HOUR) == want)
			return (minute / SIM_HOUR + h) * SIM_HOUR;
	return SIM_NEVER;
}

int64_t sim_boots_in(const struct sim_endpoint *p, int from)
{
	int64_t every = MAX(p->kind->boot_s / 60, 1);

	return every - (from + p->phase) % every;
}

/* What boots daily does so when it is switched on. */
bool sim_booted(const struct sim_endpoint *p, int minute)
{
	int off = minute - 1;

	if (p->kind->boot_s <= SIM_DAY * 60)
		return true;
	while (off > MAX(minute - SIM_DAY, 0) && !sim_online(p, off))
		off = off / SIM_HOUR * SIM_HOUR - 1;    /* hours are kept in full */
	return sim_boots_in(p, off) <= minute - off;
}

/* ---- silence that no content makes ---- */

/* Of one that is there, in a minute. What is over before it counts as silence is none. */
static double falls(const struct sim_ring *g, const struct simulate_kind *k)
{
	return k->silent_s > policy_silence_s(g->plan->policy) ? k->silent_a_day / SIM_DAY : 0;
}

int sim_falls_silent(const struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int from)
{
	double rate = falls(g, p->kind);

	if (!(rate > 0))
		return SIM_NEVER;
	return (int)fmin(from - log1p(-sim_unit(sim_mix(g->seed ^ sim_mix((uint64_t)i << 20 | (uint32_t)from)))) / rate, SIM_NEVER);
}

/* A placebo offer is lost when the endpoint fell silent under it and stayed so: the rule of rollout/outcome. */
static double lost(const struct sim_ring *g, const struct simulate_kind *k)
{
	double long_enough = fmin((double)k->silent_s, (double)g->policy->observe_s) - (double)policy_silence_s(g->plan->policy);

	return -expm1(-falls(g, k) / 60 * fmax(long_enough, 0));
}

void sim_count_on(struct sim_ring *g)
{
	const struct simulate_trace *t = g->plan->trace;
	double placebos_lost = 0;

	for (size_t i = 0; i < t->kind_count; i++) {
		const struct simulate_kind *k = &t->kinds[i];

		for (int h = 0; h < 24; h++) {
			g->there[h] += k->share * k->online[h];
			g->falls[h] += k->share * k->online[h] * falls(g, k);
		}
		placebos_lost += k->share * lost(g, k);
	}
	for (int h = 0; h < 24; h++)
		g->falls[h] = g->there[h] > 0 ? g->falls[h] / g->there[h] : 0;
	g->placebos_lost = (int64_t)(placebos_lost * (double)t->placebos + 0.5);
}
