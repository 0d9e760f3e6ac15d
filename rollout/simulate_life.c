/* simulate_life: what becomes of the endpoints of a ring, one event after the other. */
#include <math.h>

#include "rollout/simulate_parts.h"

#define FETCH 1                 /* minutes from the permit to the switch */
#define FAILS 15                /* minutes from the switch to the report: two boots counted, the content before started */

enum what { ASKS, DONE, LEAVES, RETURNS, SILENT, SPEAKS, LOST };

static void plan_at(struct sim_ring *g, uint32_t i, int minute, enum what what)
{
	if (minute >= SIM_HORIZON)
		return;
	g->what[i] = (uint8_t)what;
	g->next[i] = g->head[minute];
	g->head[minute] = i + 1;
}

void sim_asks_at(struct sim_ring *g, uint32_t i, int minute)
{
	plan_at(g, i, minute, ASKS);
}

/* Counts are kept here as well: to know them, the tests of a ring of millions need not be worked out. */
static void set(struct sim_ring *g, uint32_t i, enum outcome o, int minute)
{
	enum outcome was = sequence_get(g->q, g->n[i]);

	sequence_set(g->q, g->n[i], o, sim_time(g->plan, minute));
	g->sums.of[was]--;
	g->sums.of[o]++;
	g->sums.open += (uint32_t)outcome_final(was) - (uint32_t)outcome_final(o);
	g->changed = true;
	g->worse |= o == OUTCOME_FAILED || o == OUTCOME_LOST;
}

static struct sim_group *group_of(struct sim_ring *g, const struct sim_endpoint *p)
{
	return &g->groups[g->group[p->stratum]];
}

/* Saturates: counts of a crowd are rounded, and one more may leave than were counted. */
static void less(uint32_t *count)
{
	*count -= *count > 0;
}

/* ---- who is compared with whom ---- */

static uint64_t offered(const struct sim_ring *g, const struct sim_group *s, int minute)
{
	return s->heard + (uint64_t)(s->settled * g->there[minute / SIM_HOUR % 24]);
}

/* Those that are there and have no offer: every one of them asks, and is told to wait. */
static uint64_t waiting(const struct sim_ring *g, const struct sim_group *s, int minute)
{
	return (uint64_t)((s->members - MIN(s->taken + s->fell, s->members)) * g->there[minute / SIM_HOUR % 24]);
}

static void fell_silent(struct sim_ring *g, bool treated, uint64_t at_risk, uint64_t others)
{
	if (g->silence.armed >= SILENCE_EVENTS_MAX)
		return;
	silence_event(&g->silence, treated, at_risk, others);
	g->changed = g->worse = true;
}

/* How many of so many that are expected: Poisson's. */
static uint32_t draw(uint64_t *seed, double mean)
{
	uint32_t count = 0;

	for (double at = 0; mean > 0; count++) {
		at -= log1p(-sim_unit(*seed = sim_mix(*seed)));
		if (at > mean)
			break;
	}
	return count;
}

/* Those of a crowd that fall silent in this minute, by themselves: who has the content and is judged, and who waits. */
static void some_fall_silent(struct sim_ring *g, int minute)
{
	double rate = g->falls[minute / SIM_HOUR % 24];

	for (uint32_t k = 0; rate > 0 && g->silence.armed < SILENCE_EVENTS_MAX && k < strata_count(g->strata); k++) {
		struct sim_group *s = &g->groups[k];
		uint64_t seed = sim_mix(g->seed ^ ((uint64_t)minute << 8 | k)), t = offered(g, s, minute), c = waiting(g, s, minute);
		uint32_t treated = draw(&seed, rate * (double)(t - MIN(s->heard, t))), others = draw(&seed, rate * (double)c);

		while (treated + others > 0) {
			bool one = sim_unit(seed = sim_mix(seed)) * (treated + others) < treated;

			fell_silent(g, one, t, c);
			if (one) {
				treated--;
				t -= t > 0;
				less(&s->settled);
			} else {
				others--;
				c -= c > 0;
				s->fell++;
			}
		}
	}
}

/* ---- one with an offer ---- */

/* Minutes without a word that make silence. */
static int silence_minutes(const struct sim_ring *g)
{
	return (int)((policy_silence_s(g->plan->policy) + 59) / 60);
}

/* From here it runs the content without a break: until it survived, failed, fell silent or is switched off. */
static void goes_on(struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int from, bool fresh_boot)
{
	int64_t boots = g->policy->boots - fresh_boot, done = from + (g->policy->probation_s + 59) / 60;
	int off = sim_until(p, from, false), quiet = sim_falls_silent(g, i, p, from);

	if (p->hit && g->plan->way == SIMULATE_SILENT)
		plan_at(g, i, from + silence_minutes(g), SILENT);
	else if (p->hit)
		plan_at(g, i, from + FAILS, DONE);
	if (p->hit)
		return;
	if (boots > 0)
		done = MAX(done, from + sim_boots_in(p, from) + (boots - 1) * p->kind->boot_s / 60);
	if (quiet < MIN(off, done))
		plan_at(g, i, quiet + silence_minutes(g), SILENT);
	else if (off <= done)
		plan_at(g, i, off, LEAVES);
	else
		plan_at(g, i, (int)MIN(done, SIM_NEVER), DONE);
}

/* When its offer is lost if it says nothing more. */
static int lost_at(const struct sim_ring *g, uint32_t i, int heard)
{
	struct outcome_facts f = { .offered = sim_time(g->plan, (int)g->since[i]), .last_seen = sim_time(g->plan, heard) };
	int64_t at = outcome_matures(&f, g->policy->observe_s, policy_silence_s(g->plan->policy));

	return (int)MIN((at - sim_time(g->plan, 0) + 59) / 60, SIM_NEVER);
}

static void turns_silent(struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int minute)
{
	struct sim_group *s = group_of(g, p);
	int heard = minute - silence_minutes(g), lost = MAX(lost_at(g, i, heard), minute + 1), speaks = SIM_NEVER;

	fell_silent(g, true, offered(g, s, minute), waiting(g, s, minute));
	less(&s->heard);
	if (!p->hit)    /* silence is rounded up, and it may have spoken in this very minute */
		speaks = sim_until(p, (int)MIN(MAX(heard + p->kind->silent_s / 60, minute), SIM_NEVER), true);
	plan_at(g, i, MIN(lost, speaks), speaks < lost ? SPEAKS : LOST);
}

static void ends(struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int minute)
{
	struct sim_group *s = group_of(g, p);

	set(g, i, p->hit ? OUTCOME_FAILED : OUTCOME_SURVIVED, minute);
	g->crashed |= p->hit && g->plan->way == SIMULATE_CRASH;
	less(&s->heard);
	s->settled++;
}

static void is_back(struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int minute, bool fresh_boot)
{
	group_of(g, p)->heard++;
	goes_on(g, i, p, minute, fresh_boot);
}

static void waits_for_its_turn(struct sim_ring *g, uint32_t i)
{
	g->next[i] = 0;
	if (g->ready)
		g->next[g->ready_last - 1] = i + 1;
	else
		g->ready = i + 1;
	g->ready_last = i + 1;
}

static void happen(struct sim_ring *g, uint32_t i, int minute)
{
	struct sim_endpoint p;

	g->work++;
	sim_endpoint(&p, g, i);
	switch ((enum what)g->what[i]) {
	case ASKS:
		waits_for_its_turn(g, i);
		break;
	case DONE:
		ends(g, i, &p, minute);
		break;
	case SILENT:
		turns_silent(g, i, &p, minute);
		break;
	case LOST:
		set(g, i, OUTCOME_LOST, minute);
		break;
	case LEAVES:
		less(&group_of(g, &p)->heard);
		set(g, i, OUTCOME_AWAY, minute);
		plan_at(g, i, sim_until(&p, minute, true), RETURNS);
		break;
	case RETURNS:
		g->since[i] = (uint32_t)minute;
		set(g, i, OUTCOME_PENDING, minute);
		is_back(g, i, &p, minute, sim_booted(&p, minute));
		break;
	case SPEAKS:
		is_back(g, i, &p, minute, false);
		break;
	}
}

int sim_offer(struct sim_ring *g, uint32_t i, const struct sim_endpoint *p, int minute, struct err *e)
{
	int switched = minute + FETCH + (int)(p->phase % (uint32_t)MAX(g->plan->policy->checkin_s / 60, 1));
	struct sim_group *s = group_of(g, p);

	if (sequence_offer(g->q, g->group[p->stratum], e) < 0)
		return e->code;
	g->n[i] = sequence_count(g->q);
	g->since[i] = (uint32_t)minute;
	g->sums.of[OUTCOME_PENDING]++;
	g->sums.open++;
	s->taken++;
	s->heard++;
	g->hit += p->hit;
	g->work++;
	g->changed = true;
	goes_on(g, i, p, MIN(switched, SIM_HORIZON), false);
	return 0;
}

void sim_live(struct sim_ring *g, int minute)
{
	while (g->head[minute]) {
		uint32_t i = g->head[minute] - 1;

		g->head[minute] = g->next[i];
		happen(g, i, minute);
	}
	if (g->began)
		some_fall_silent(g, minute);
}
