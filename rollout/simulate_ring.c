/* simulate_ring: a ring as a server runs it, minute by minute: it is entered, offers, is judged and moves. */
#include <stdlib.h>

#include "rollout/gate_background.h"
#include "rollout/permit.h"
#include "rollout/simulate_parts.h"

#define COUNTED 200000          /* members of a ring up to which each is asked for its stratum; beyond, shares say it */
#define MOVES_MAX 4             /* in one look */
#define LOOKED_AT 50000         /* offers in a minute */

int64_t sim_time(const struct simulate_plan *p, int minute)
{
	return p->begins - p->begins % (SIM_DAY * 60) + (int64_t)minute * 60;
}

static void move(struct sim_ring *g, enum ring_event on)
{
	int to = state_next(g->state, on);

	if (to >= 0)
		g->state = (enum ring_state)to;
}

/* ---- people ---- */

/* The last of so many who were asked together; each takes from no time to twice the mean. */
static int64_t answered(const struct sim_ring *g, int64_t from, int64_t people)
{
	const struct simulate_people *who = &g->plan->trace->people;
	double longest = 0;

	for (int64_t k = 0; k < people; k++)
		longest = MAX(longest, sim_unit(sim_mix(g->seed ^ sim_mix((uint64_t)from + (uint64_t)k))));
	return calendar_after(&who->hours, from, (int64_t)(2 * longest * (double)who->answer_s));
}

static int64_t agreed(const struct sim_ring *g, int64_t now)
{
	int64_t at = g->policy->approvals.count > 0 ? answered(g, now, g->policy->approvals.count) : now;

	return g->policy->promote == PROMOTE_MANUAL && at != CALENDAR_NEVER ? answered(g, at, 1) : at;
}

/* ---- its turn ---- */

static bool its_turn(const struct sim_ring *g, const struct sim_ring *before, int64_t now)
{
	const struct simulate_trace *t = g->plan->trace;

	if (!before)
		return true;
	return before->state == RING_PASSED && now >= before->passed_at + t->rings[g->position].lag_s &&
	       !move_lags(g->policy, before->passed_at, (now - before->passed_at) / MAX(t->bundle_every_s, 1), now);
}

/* A closed ring takes nothing. */
static void enter(struct sim_ring *g, const struct sim_ring *before, int minute, uint32_t *asked)
{
	int64_t now = sim_time(g->plan, minute);
	bool ask = g->policy->approvals.count > 0 || g->policy->promote == PROMOTE_MANUAL;

	if (g->state == RING_QUEUED && g->hours.open && its_turn(g, before, now)) {
		move(g, ask ? RING_ASK : RING_FREE);
		*asked += ask;
		g->answer_at = agreed(g, now);
	}
	if (g->state == RING_AWAITING_APPROVAL && now >= g->answer_at)
		move(g, RING_APPROVED);
	if (g->state == RING_AWAITING_SIGNATURE) {
		move(g, RING_SIGNED);
		g->answer_at = 0;
		g->asks_from = minute + (int)(g->policy->min_age_s / 60);
	}
}

/* ---- offers ---- */

/* The last of the order are offered only after the pass, where the others are enough for it. */
static uint32_t offered_now(const struct sim_ring *g)
{
	return g->state == RING_PASSED || g->held.continue_anyway || g->before_pass <= g->clean_to_pass ? g->size : g->before_pass;
}

/* The next in order that asks now; -1: nobody. */
static int64_t next_asking(struct sim_ring *g, struct sim_endpoint *p, int minute)
{
	while (g->ready) {
		uint32_t i = g->ready - 1;

		g->ready = g->next[i];
		sim_endpoint(p, g, i);
		if (sim_online(p, minute))
			return i;
		sim_asks_at(g, i, sim_until(p, minute, true));
	}
	while (g->cursor < offered_now(g)) {
		uint32_t i = g->cursor++;

		sim_endpoint(p, g, i);
		if (sim_online(p, minute))
			return i;
		sim_asks_at(g, i, sim_until(p, minute, true));
	}
	return -1;
}

static bool permitted(const struct sim_ring *g, int64_t in_flight, bool blocked)
{
	struct permit_facts f = { .state = g->state, .assigned = true, .stratum_blocked = blocked, .window_closed = !g->hours.open,
				  .in_flight = in_flight, .in_flight_max = verdict_in_flight(g->policy, g->sums.of[OUTCOME_SURVIVED]) };
	struct permit_answer a;

	if (!g->policy->permit_required)
		return state_armed(g->state);   /* nobody asks: who has the assignment takes it */
	permit_decide(&a, &f);
	return a.go;
}

static int offers(struct sim_ring *g, int minute, struct err *e)
{
	int64_t in_flight = g->sums.open;
	struct sim_endpoint p;
	int64_t i;

	if (minute < g->asks_from)
		return 0;
	while (permitted(g, in_flight, false) && (i = next_asking(g, &p, minute)) >= 0) {
		/* it is told so as often as it asks: a stratum stays blocked */
		if (!permitted(g, in_flight, sequence_stratum_blocked(g->q, g->group[p.stratum])))
			continue;
		if (sim_offer(g, (uint32_t)i, &p, minute, e) < 0)
			return e->code;
		g->began = g->began ? g->began : sim_time(g->plan, minute);
		in_flight++;
	}
	return 0;
}

/* ---- the gate ---- */

static void gather(struct sim_ring *g, struct verdict_facts *f, int64_t now)
{
	sequence_sums(g->q, &g->sums);
	*f = (struct verdict_facts){
		.ring = g->policy, .first = g->position == 0, .now = now, .began = g->began, .closed_s = g->closed_s, .bound_at = g->bound_at,
		.sums = g->sums, .eligible = g->size, .members_survived = g->sums.of[OUTCOME_SURVIVED], .members_away = g->sums.of[OUTCOME_AWAY],
		.content_crash = g->crashed, .continue_anyway = g->held.continue_anyway, .coverage_approved = g->held.coverage_approved,
		.silence = g->silence.armed ? g->silence.max : 0, .placebos = g->plan->trace->placebos, .placebos_lost = g->placebos_lost,
	};
	f->background_known = gate_background_known(g->policy->p0, (uint64_t)f->placebos, (uint64_t)f->placebos_lost);
	verdict_strata(f, g->strata, g->q);
}

/* Who must be asked is asked once, and lets it go on. */
static void ask(struct sim_ring *g, int64_t now, uint32_t *asked)
{
	if (g->said.verdict != VERDICT_HOLD || g->answer_at)
		return;
	g->held.cause = (int)g->said.cause;
	if (verdict_cause_ends_itself(g->said.cause))
		return;
	++*asked;
	g->answer_at = answered(g, now, g->said.cause == CAUSE_COVERAGE_APPROVE ? MAX(g->policy->approvals.count, 1) : 1);
}

static void judge(struct sim_ring *g, int minute, uint32_t *asked)
{
	int64_t now = sim_time(g->plan, minute);
	struct verdict_facts f;
	int event;

	for (int i = 0; i < MOVES_MAX && state_armed(g->state); i++) {
		gather(g, &f, now);
		verdict_of(&g->said, &f);
		ask(g, now, asked);
		event = move_by_verdict(g->state, &g->said, &g->held);
		if (event < 0)
			break;
		move(g, (enum ring_event)event);
		if (event == RING_BOUND || event == RING_REOPEN)
			g->bound_at = event == RING_BOUND ? now : 0;
		if (event == RING_PASS)
			g->passed_at = now;
	}
	g->changed = g->worse = false;
}

/* A verdict may change by time alone; what has passed is only halted. The more offers, the seldomer all of them are looked at. */
static bool due(const struct sim_ring *g, int minute)
{
	int every = (int)(1 + sequence_count(g->q) / LOOKED_AT);

	if (g->state == RING_PASSED)
		return g->worse && minute % every == 0 && sim_time(g->plan, minute) - g->passed_at <= MOVE_ARMED_S;
	return minute % (g->changed || g->bound_at ? every : MAX(every, SIM_HOUR)) == 0;
}

static void keep_hours(struct sim_ring *g, int64_t now)
{
	if (g->began && !g->hours.open)
		g->closed_s += 60;      /* of the minute that is over; windows know nothing smaller */
	if (now >= g->hours.until || g->hours.until == 0)
		g->hours = calendar_at(&g->policy->calendar, now);
}

static void take_answer(struct sim_ring *g, int64_t now)
{
	if (!state_held(g->state) || !g->answer_at || now < g->answer_at || g->held.continue_anyway)
		return;
	g->held.continue_anyway = g->held.coverage_approved = g->changed = true;
}

int sim_ring_minute(struct sim_ring *g, const struct sim_ring *before, int minute, uint32_t *asked, struct err *e)
{
	int64_t now = sim_time(g->plan, minute);

	keep_hours(g, now);
	if (!state_armed(g->state)) {
		enter(g, before, minute, asked);
		return 0;
	}
	sim_live(g, minute);
	take_answer(g, now);
	if (due(g, minute))
		judge(g, minute, asked);
	return offers(g, minute, e);
}

/* ---- it is made ---- */

void sim_ring_release(struct sim_ring *g)
{
	strata_free(g->strata);
	sequence_free(g->q);
	free(g->next);
	free(g->head);
	free(g->what);
	free(g->n);
	free(g->since);
}

/* How many of the first `count` members are in each of the trace's strata. */
static void tally(const struct sim_ring *g, uint32_t count, uint32_t sizes[SIMULATE_STRATA_MAX])
{
	const struct simulate_trace *t = g->plan->trace;
	struct sim_endpoint p;

	for (size_t k = 0; k < t->stratum_count; k++)
		sizes[k] = count > COUNTED ? (uint32_t)(t->strata[k].share * count) : 0;
	for (uint32_t i = 0; i < count && count <= COUNTED; i++) {
		sim_endpoint(&p, g, i);
		sizes[p.stratum]++;
	}
}

/* As a server does at the first offer: small strata are pooled, and those who are asked last do not count. */
static int freeze(struct sim_ring *g, struct err *e)
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
		g->groups[g->group[k]].members += sizes[k];
	}
	return sequence_freeze(g->q, strata_count(g->strata), e);
}

int sim_ring_open(struct sim_ring *g, const struct simulate_plan *p, int position, uint32_t size, struct err *e)
{
	const struct policy_ring *r = &p->policy->rings[position];

	*g = (struct sim_ring){ .policy = r, .plan = p, .position = position, .size = size, .state = RING_QUEUED,
				.seed = sim_mix(p->seed * POLICY_RINGS_MAX + (uint64_t)position),
				.before_pass = r->permit_required ? size - (uint32_t)(r->last_share * size) : size, .clean_to_pass = gate_clean_to_pass(r->p0, r->p1, r->beta) };
	g->next = calloc((size_t)size + 1, sizeof *g->next);
	g->head = calloc(SIM_HORIZON + 1, sizeof *g->head);
	g->what = calloc((size_t)size + 1, 1);
	g->n = calloc((size_t)size + 1, sizeof *g->n);
	g->since = calloc((size_t)size + 1, sizeof *g->since);
	if (!g->next || !g->head || !g->what || !g->n || !g->since)
		return err_memory(e);
	if (sequence_new(&g->q, r->p0, r->p1, e) < 0)
		return e->code;
	silence_init(&g->silence);
	sim_count_on(g);
	return freeze(g, e);
}
