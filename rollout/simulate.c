#include "rollout/simulate.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "rollout/permit.h"
#include "rollout/sequence.h"
#include "rollout/silence.h"
#include "rollout/strata.h"
#include "rollout/verdict.h"

#define HOUR 60                 /* minutes */
#define DAY (24 * HOUR)
#define HORIZON (SIMULATE_DAYS * DAY)
#define START 1700000000        /* minute 0; gates take 0 for never */
#define BEGINS (9 * HOUR)       /* a rollout starts in the morning */
#define FETCH 1                 /* minutes from the permit to the switch */
#define FAILS 15                /* minutes from the switch to the report: two boots counted, the content before started */
#define NEVER (HORIZON + 1)

/* What one endpoint is, from its place alone. */
struct endpoint {
	const struct simulate_kind *kind;
	uint16_t stratum;
	double hours;           /* it is heard of in the hours whose share is above this */
	uint32_t phase;         /* minutes until its next check-in, and of its boots */
	bool hit;               /* the defect strikes it */
};

enum what { ASKS, DONE, LEAVES, RETURNS, SILENT };

#define GROUPS (SIMULATE_STRATA_MAX + 1)        /* strata, and other */
#define COUNTED 200000          /* members of a ring up to which each is asked for its stratum; beyond, shares say it */

struct ring {
	const struct policy_ring *policy;
	const struct simulate_plan *plan;
	uint64_t seed;
	uint32_t size, cursor;          /* members; those before the cursor had their first turn */
	uint32_t before_pass;           /* of them may be offered something before the pass */
	uint64_t clean_to_pass;
	enum ring_state state;
	int position, starts;           /* minute */
	int64_t bound_at;
	bool continue_anyway, waits;    /* waits: the last verdict is a hold */
	struct sequence *q;
	struct sequence_sums sums;
	struct verdict_result said;
	bool changed, crashed;
	uint32_t hit;
	/* strata, frozen as a server freezes them, and the test of silence */
	struct strata *strata;
	uint32_t group[SIMULATE_STRATA_MAX];    /* of the trace's strata */
	uint32_t members[GROUPS], taken[GROUPS];        /* all, and those with an offer */
	uint32_t heard[GROUPS];         /* of these: switched over, and heard of since */
	struct silence silence;
	/* calendar: one event to come for each endpoint */
	uint32_t *next, *head;          /* index + 1; 0: none */
	uint8_t *what;
	uint32_t *n;                    /* of the offer */
	uint32_t ready, ready_last;     /* those that asked after their turn: first come, first served */
};

static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static double unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

static void endpoint_of(struct endpoint *out, const struct ring *g, uint32_t i)
{
	const struct simulate_trace *t = g->plan->trace;
	uint64_t a = mix(g->seed ^ (uint64_t)i << 20), b = mix(a), c = mix(b), d = mix(c), f = mix(d);
	double at = unit(a);
	size_t k = 0, s = 0;

	while (k + 1 < t->kind_count && at >= t->kinds[k].share)
		at -= t->kinds[k++].share;
	for (at = unit(b); s + 1 < t->stratum_count && at >= t->strata[s].share; s++)
		at -= t->strata[s].share;
	*out = (struct endpoint){
		.kind = &t->kinds[k], .stratum = (uint16_t)s, .hours = unit(c), .phase = (uint32_t)(d >> 32),
		.hit = (g->plan->stratum < 0 || g->plan->stratum == (int)s) && unit(f) < g->plan->defect,
	};
}

static bool online(const struct endpoint *p, int minute)
{
	return p->kind->online[minute / HOUR % 24] > p->hours;
}

/* The first full hour from which this changes to `want`, or now. */
static int until(const struct endpoint *p, int minute, bool want)
{
	if (online(p, minute) == want)
		return minute;
	for (int h = 1; h <= 24; h++)
		if (online(p, (minute / HOUR + h) * HOUR) == want)
			return (minute / HOUR + h) * HOUR;
	return NEVER;
}

/* ---- the calendar ---- */

static void plan_at(struct ring *g, uint32_t i, int minute, enum what what)
{
	if (minute >= HORIZON)
		return;
	g->what[i] = (uint8_t)what;
	g->next[i] = g->head[minute];
	g->head[minute] = i + 1;
}

static void set(struct ring *g, uint32_t i, enum outcome o, int minute)
{
	sequence_set(g->q, g->n[i], o, START + minute * 60);
	g->changed = true;
}

/* Minutes until its next boot. */
static int64_t boots_in(const struct endpoint *p, int from)
{
	int64_t every = MAX(p->kind->boot_s / 60, 1);

	return every - (from + p->phase) % every;
}

/* It was switched off and is back: was its boot due meanwhile? What boots daily does so when it is switched on. */
static bool booted(const struct endpoint *p, int minute)
{
	int off = minute - 1;

	while (off > minute - DAY && !online(p, off))
		off--;
	return p->kind->boot_s <= DAY * 60 || boots_in(p, off) <= minute - off;
}

/* ---- silence ---- */

/* Those of a group that are there and have no offer: every one of them asks, and is told to wait. */
static uint64_t waiting(const struct ring *g, uint32_t group, int minute)
{
	const struct simulate_trace *t = g->plan->trace;
	double there = 0;

	for (size_t i = 0; i < t->kind_count; i++)
		there += t->kinds[i].share * t->kinds[i].online[minute / HOUR % 24];
	return (uint64_t)((g->members[group] - MIN(g->taken[group], g->members[group])) * there);
}

static void fell_silent(struct ring *g, const struct endpoint *p, int minute)
{
	uint32_t group = g->group[p->stratum];

	silence_event(&g->silence, true, g->heard[group], waiting(g, group, minute));
	g->heard[group] -= g->heard[group] > 0;
	g->changed = true;
}

/* Minutes without a word that make silence, and those from there to the offer's end. */
static int silence_minutes(const struct ring *g)
{
	return (int)((policy_silence_s(g->plan->policy) + 59) / 60);
}

/* From here it runs the content without a break: until it survived, failed, or is switched off. */
static void goes_on(struct ring *g, uint32_t i, const struct endpoint *p, int from, bool fresh_boot)
{
	int64_t boots = g->policy->boots - fresh_boot, done = from + (g->policy->probation_s + 59) / 60;
	int off = until(p, from, false);

	if (p->hit && g->plan->way == SIMULATE_SILENT)
		plan_at(g, i, from + silence_minutes(g), SILENT);
	else if (p->hit)
		plan_at(g, i, from + FAILS, DONE);
	if (p->hit)
		return;
	if (boots > 0)
		done = MAX(done, from + boots_in(p, from) + (boots - 1) * p->kind->boot_s / 60);
	if (off <= done)
		plan_at(g, i, off, LEAVES);
	else
		plan_at(g, i, (int)MIN(done, NEVER), DONE);
}

static void happen(struct ring *g, uint32_t i, int minute)
{
	struct endpoint p;

	endpoint_of(&p, g, i);
	switch ((enum what)g->what[i]) {
	case ASKS:
		g->next[i] = 0;
		if (g->ready)
			g->next[g->ready_last - 1] = i + 1;
		else
			g->ready = i + 1;
		g->ready_last = i + 1;
		break;
	case DONE:
		set(g, i, !p.hit ? OUTCOME_SURVIVED : g->plan->way == SIMULATE_SILENT ? OUTCOME_LOST : OUTCOME_FAILED, minute);
		g->crashed |= p.hit && g->plan->way == SIMULATE_CRASH;
		break;
	case SILENT:
		fell_silent(g, &p, minute);
		plan_at(g, i, minute + MAX((int)(g->policy->observe_s / 60) + 1 - silence_minutes(g), 1), DONE);
		break;
	case LEAVES:
		g->heard[g->group[p.stratum]] -= g->heard[g->group[p.stratum]] > 0;
		set(g, i, OUTCOME_AWAY, minute);
		plan_at(g, i, until(&p, minute, true), RETURNS);
		break;
	case RETURNS:
		g->heard[g->group[p.stratum]]++;
		set(g, i, OUTCOME_PENDING, minute);
		goes_on(g, i, &p, minute, booted(&p, minute));
		break;
	}
}

/* ---- offers ---- */

static int give(struct ring *g, uint32_t i, const struct endpoint *p, int minute, struct err *e)
{
	int switched = minute + FETCH + (int)(p->phase % (uint32_t)MAX(g->plan->policy->checkin_s / 60, 1));

	if (sequence_offer(g->q, g->group[p->stratum], e) < 0)
		return e->code;
	g->n[i] = sequence_count(g->q);
	g->taken[g->group[p->stratum]]++;
	g->heard[g->group[p->stratum]]++;
	g->hit += p->hit;
	g->changed = true;
	goes_on(g, i, p, MIN(switched, HORIZON), false);
	return 0;
}

/* The last of the order are offered only after the pass, where the others are enough for it. */
static uint32_t offered_now(const struct ring *g)
{
	return g->state == RING_PASSED || g->continue_anyway || g->before_pass <= g->clean_to_pass ? g->size : g->before_pass;
}

/* The next in order that asks now; -1: nobody. */
static int64_t next_asking(struct ring *g, struct endpoint *p, int minute)
{
	while (g->ready) {
		uint32_t i = g->ready - 1;

		g->ready = g->next[i];
		endpoint_of(p, g, i);
		if (online(p, minute))
			return i;
		plan_at(g, i, until(p, minute, true), ASKS);
	}
	while (g->cursor < offered_now(g)) {
		uint32_t i = g->cursor++;

		endpoint_of(p, g, i);
		if (online(p, minute))
			return i;
		plan_at(g, i, until(p, minute, true), ASKS);
	}
	return -1;
}

static int offers(struct ring *g, int minute, struct err *e)
{
	int64_t places = verdict_in_flight(g->policy, g->sums.of[OUTCOME_SURVIVED]) - g->sums.open;
	struct endpoint p;
	int64_t i;

	if (!state_permits(g->state) || g->waits)
		return 0;
	while (places > 0 && (i = next_asking(g, &p, minute)) >= 0) {
		/* a stratum whose first two failed gets no more permits */
		if (sequence_stratum_blocked(g->q, g->group[p.stratum]))
			continue;
		if (give(g, (uint32_t)i, &p, minute, e) < 0)
			return e->code;
		places--;
	}
	return 0;
}

/* ---- the gate ---- */

static void judge(struct ring *g, int minute, struct simulate_run *out)
{
	struct verdict_facts f = {
		.ring = g->policy, .first = g->position == 0, .now = START + minute * 60, .began = START + g->starts * 60, .bound_at = g->bound_at,
		.eligible = g->size, .content_crash = g->crashed, .continue_anyway = g->continue_anyway,
		.coverage_approved = g->continue_anyway, .silence = g->silence.armed ? g->silence.max : 0,
	};

	sequence_sums(g->q, &g->sums);
	f.sums = g->sums;
	f.members_survived = g->sums.of[OUTCOME_SURVIVED];
	f.members_away = g->sums.of[OUTCOME_AWAY];
	verdict_strata(&f, g->strata, g->q);
	verdict_of(&g->said, &f);
	g->changed = false;
	if (g->said.verdict == VERDICT_HALT) {
		g->state = RING_HALTED;
		return;
	}
	if (g->state == RING_PASSED)
		return;
	if (g->said.bound_reached && !g->bound_at)
		g->bound_at = f.now;
	else if (!g->said.bound_reached)
		g->bound_at = 0;
	g->waits = g->said.verdict == VERDICT_HOLD;
	if (g->waits && !verdict_cause_ends_itself(g->said.cause)) {
		out->asked++;           /* and the person lets it go on */
		g->continue_anyway = true;
		g->waits = false;
	}
	if (g->said.verdict == VERDICT_PASS)
		g->state = RING_PASSED;
}

/* A verdict may change by time alone. */
static bool due(const struct ring *g, int minute)
{
	return g->changed || (g->state == RING_OFFERING && (g->bound_at || minute % HOUR == 0));
}

static int ring_minute(struct ring *g, int minute, struct simulate_run *out, struct err *e)
{
	while (g->head[minute]) {
		uint32_t i = g->head[minute] - 1;

		g->head[minute] = g->next[i];
		happen(g, i, minute);
	}
	if (due(g, minute))
		judge(g, minute, out);
	if (g->state == RING_HALTED)
		return 0;
	if (offers(g, minute, e) < 0)
		return e->code;
	if (g->changed)
		sequence_sums(g->q, &g->sums);
	return 0;
}

/* ---- one run ---- */

static void ring_release(struct ring *g)
{
	strata_free(g->strata);
	sequence_free(g->q);
	free(g->next);
	free(g->head);
	free(g->what);
	free(g->n);
}

/* How many of the first `count` members are in each of the trace's strata. */
static void tally(const struct ring *g, uint32_t count, uint32_t sizes[SIMULATE_STRATA_MAX])
{
	const struct simulate_trace *t = g->plan->trace;
	struct endpoint p;

	for (size_t k = 0; k < t->stratum_count; k++)
		sizes[k] = count > COUNTED ? (uint32_t)(t->strata[k].share * count) : 0;
	for (uint32_t i = 0; i < count && count <= COUNTED; i++) {
		endpoint_of(&p, g, i);
		sizes[p.stratum]++;
	}
}

/* As a server does at the first offer: small strata are pooled, and those who are asked last do not count. */
static int freeze(struct ring *g, struct err *e)
{
	const struct simulate_trace *t = g->plan->trace;
	struct stratum_size raw[SIMULATE_STRATA_MAX];
	uint32_t sizes[SIMULATE_STRATA_MAX];
	size_t count = 0;

	tally(g, offered_now(g), sizes);
	for (size_t k = 0; k < t->stratum_count; k++)
		if (sizes[k] > 0) {
			strata_clean(raw[count].name, t->strata[k].name);
			raw[count++].size = sizes[k];
		}
	if (strata_plan(&g->strata, raw, count, e) < 0)
		return e->code;
	tally(g, g->size, sizes);
	for (size_t k = 0; k < t->stratum_count; k++) {
		g->group[k] = strata_find(g->strata, t->strata[k].name);
		g->members[g->group[k]] += sizes[k];
	}
	return sequence_freeze(g->q, strata_count(g->strata), e);
}

static int ring_open(struct ring *g, const struct simulate_plan *p, int position, uint32_t size, struct err *e)
{
	const struct policy_ring *r = &p->policy->rings[position];

	*g = (struct ring){ .policy = r, .plan = p, .position = position, .size = size, .state = RING_QUEUED,
			    .seed = mix(p->seed * POLICY_RINGS_MAX + (uint64_t)position),
			    .before_pass = size - (uint32_t)(r->last_share * size), .clean_to_pass = gate_clean_to_pass(r->p0, r->p1, r->beta) };
	g->next = calloc((size_t)size + 1, sizeof *g->next);
	g->head = calloc(HORIZON + 1, sizeof *g->head);
	g->what = calloc((size_t)size + 1, 1);
	g->n = calloc((size_t)size + 1, sizeof *g->n);
	if (!g->next || !g->head || !g->what || !g->n)
		return err_memory(e);
	if (sequence_new(&g->q, r->p0, r->p1, e) < 0)
		return e->code;
	silence_init(&g->silence);
	return freeze(g, e);
}

static int open_all(struct ring *rings, const struct simulate_plan *p, struct err *e)
{
	uint32_t left = p->fleet;

	for (size_t i = 0; i < p->policy->count; i++) {
		uint32_t size = i + 1 == p->policy->count ? left : (uint32_t)MIN((double)p->fleet * p->trace->rings[i].share + 0.5, left);

		if (ring_open(&rings[i], p, (int)i, size, e) < 0)
			return e->code;
		left -= size;
	}
	return 0;
}

/* The ring that follows begins when this one passed, its lag is over and hosts find the bundle old enough. */
static void begin(struct ring *rings, size_t at, int minute, struct simulate_run *out)
{
	struct ring *g = &rings[at];

	g->state = RING_OFFERING;
	g->starts = minute + (int)((g->plan->trace->rings[at].lag_s + g->policy->min_age_s) / 60);
	out->ring = (int)at;
}

static bool all_minutes(struct ring *rings, size_t count, int minute, struct simulate_run *out, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct ring *g = &rings[i];
		bool passed = g->state == RING_PASSED;

		if (g->state == RING_QUEUED || minute < g->starts)
			continue;
		if (ring_minute(g, minute, out, e) < 0)
			return false;
		if (g->state == RING_HALTED) {
			out->end = SIMULATE_HALTED;
			out->halt_s = (minute - BEGINS) * 60;
			memcpy(out->sentence, g->said.sentence, sizeof out->sentence);
			return false;
		}
		if (g->state == RING_PASSED && !passed) {
			out->passed_s[i] = (minute - BEGINS) * 60;
			if (i + 1 < count)
				begin(rings, i + 1, minute, out);
		}
		if (g->waits && g->said.cause == CAUSE_BACKGROUND) {
			out->end = SIMULATE_HELD;
			out->halt_s = (minute - BEGINS) * 60;
			memcpy(out->sentence, g->said.sentence, sizeof out->sentence);
			return false;
		}
	}
	return true;
}

static void add_up(struct simulate_run *out, const struct ring *rings, size_t n)
{
	out->hit = out->exposed = 0;
	for (size_t i = 0; i < n; i++) {
		out->hit += rings[i].hit;
		out->exposed += sequence_count(rings[i].q);
	}
}

/* Everybody took it and is through with it, well or not. */
static bool covered(const struct ring *rings, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint32_t *of = rings[i].sums.of;

		if (rings[i].state != RING_PASSED || of[OUTCOME_SURVIVED] + of[OUTCOME_FAILED] + of[OUTCOME_LOST] < rings[i].size)
			return false;
	}
	return true;
}

static void draw_curve(struct simulate_run *out, const struct ring *rings, size_t n, int minute)
{
	int point = (int)((int64_t)minute * SIMULATE_POINTS / HORIZON);

	add_up(out, rings, n);
	for (int i = point; i < SIMULATE_POINTS && (out->curve[i] < out->exposed); i++)
		out->curve[i] = out->exposed;
}

static int play(struct simulate_run *out, struct ring *rings, size_t n, struct err *e)
{
	*e = (struct err){ 0 };
	begin(rings, 0, BEGINS, out);
	for (int minute = BEGINS; minute < HORIZON; minute++) {
		bool on = all_minutes(rings, n, minute, out, e);

		if (minute % HOUR == 0 || !on)
			draw_curve(out, rings, n, minute);
		if (!on)
			return e->code;
		if (covered(rings, n)) {
			draw_curve(out, rings, n, minute);
			out->end = SIMULATE_COVERED;
			out->cover_s = (minute - BEGINS) * 60;
			return 0;
		}
	}
	return 0;
}

int simulate_run(struct simulate_run *out, const struct simulate_plan *p, struct err *e)
{
	struct ring rings[POLICY_RINGS_MAX] = { 0 };
	int got;

	*out = (struct simulate_run){ .end = SIMULATE_UNFINISHED, .halt_s = -1, .cover_s = -1 };
	for (size_t i = 0; i < POLICY_RINGS_MAX; i++)
		out->passed_s[i] = -1;
	if (p->fleet == 0 || p->fleet > SIMULATE_FLEET_MAX)
		return err_set(e, ERR_LIMIT, "a fleet of %u: from 1 to %d are simulated", p->fleet, SIMULATE_FLEET_MAX);
	got = open_all(rings, p, e);
	if (got == 0)
		got = play(out, rings, p->policy->count, e);
	for (size_t i = 0; i < p->policy->count; i++)
		ring_release(&rings[i]);
	return got;
}
