#include "rollout/simulate.h"

#include <stdio.h>
#include <string.h>

#include "rollout/simulate_parts.h"

static int open_all(struct sim_ring *rings, const struct simulate_plan *p, struct err *e)
{
	uint32_t left = p->fleet;

	for (size_t i = 0; i < p->policy->count; i++) {
		uint32_t size = i + 1 == p->policy->count ? left : (uint32_t)MIN((double)p->fleet * p->trace->rings[i].share + 0.5, left);

		if (sim_ring_open(&rings[i], p, (int)i, size, e) < 0)
			return e->code;
		left -= size;
	}
	return 0;
}

static int64_t since_begin(const struct simulate_plan *p, int minute)
{
	return MAX(sim_time(p, minute) - p->begins, 0);
}

/* What it said last is what people read. */
static void stop(struct simulate_run *out, const struct sim_ring *g, enum simulate_end end, int minute)
{
	out->end = end;
	out->halt_s = since_begin(g->plan, minute);
	memcpy(out->sentence, g->said.sentence, sizeof out->sentence);
}

static bool lost_hold_it(const struct sim_ring *g)
{
	return state_held(g->state) && g->said.verdict == VERDICT_HOLD && g->said.cause == CAUSE_BACKGROUND;
}

/* 1: it goes on; 0: it ended; negative: an error. */
static int all_minutes(struct sim_ring *rings, size_t count, int minute, struct simulate_run *out, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct sim_ring *g = &rings[i];

		if (sim_ring_minute(g, i ? &rings[i - 1] : NULL, minute, &out->asked, e) < 0)
			return e->code;
		if (g->state == RING_OFFERING && out->entered_s[i] < 0) {
			out->entered_s[i] = since_begin(g->plan, minute);
			out->ring = (int)i;
		}
		if (g->state == RING_PASSED && out->passed_s[i] < 0)
			out->passed_s[i] = since_begin(g->plan, minute);
		if (g->state == RING_HALTED || lost_hold_it(g)) {
			stop(out, g, g->state == RING_HALTED ? SIMULATE_HALTED : SIMULATE_HELD, minute);
			return 0;
		}
		if (g->state != RING_PASSED)
			return 1;       /* those after it wait for it */
	}
	return 1;
}

static void add_up(struct simulate_run *out, const struct sim_ring *rings, size_t n)
{
	out->hit = out->exposed = 0;
	out->work = 0;
	for (size_t i = 0; i < n; i++) {
		out->hit += rings[i].hit;
		out->exposed += sequence_count(rings[i].q);
		out->work += rings[i].work;
	}
}

/* Everybody took it and is through with it, well or not. */
static bool covered(const struct sim_ring *rings, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint32_t *of = rings[i].sums.of;

		if (rings[i].state != RING_PASSED || of[OUTCOME_SURVIVED] + of[OUTCOME_FAILED] + of[OUTCOME_LOST] < rings[i].size)
			return false;
	}
	return true;
}

static void draw_curve(struct simulate_run *out, const struct sim_ring *rings, size_t n, int minute)
{
	int point = (int)((int64_t)minute * SIMULATE_POINTS / SIM_HORIZON);

	add_up(out, rings, n);
	for (int i = point; i < SIMULATE_POINTS && (out->curve[i] < out->exposed); i++)
		out->curve[i] = out->exposed;
}

static int play(struct simulate_run *out, struct sim_ring *rings, size_t n, struct err *e)
{
	const struct simulate_plan *p = rings[0].plan;
	int first = (int)(p->begins % (SIM_DAY * 60) / 60);

	for (int minute = first; minute < SIM_HORIZON; minute++) {
		int on = all_minutes(rings, n, minute, out, e);

		if (minute % SIM_HOUR == 0 || on <= 0)
			draw_curve(out, rings, n, minute);
		if (on <= 0)
			return on;
		if (covered(rings, n)) {
			draw_curve(out, rings, n, minute);
			out->end = SIMULATE_COVERED;
			out->cover_s = since_begin(p, minute);
			return 0;
		}
	}
	/* the ring that it did not get through says why */
	memcpy(out->sentence, rings[out->ring].said.sentence, sizeof out->sentence);
	return 0;
}

static int check(const struct simulate_plan *p, struct err *e)
{
	if (p->fleet == 0 || p->fleet > SIMULATE_FLEET_MAX)
		return err_set(e, ERR_LIMIT, "a fleet of %u: from 1 to %d are simulated", p->fleet, SIMULATE_FLEET_MAX);
	if (p->begins <= 0)
		return err_set(e, ERR_USAGE, "a rollout that is simulated begins after 1970");
	return 0;
}

int simulate_run(struct simulate_run *out, const struct simulate_plan *p, struct err *e)
{
	struct sim_ring rings[POLICY_RINGS_MAX] = { 0 };
	int got;

	*out = (struct simulate_run){ .end = SIMULATE_UNFINISHED, .halt_s = -1, .cover_s = -1 };
	for (size_t i = 0; i < POLICY_RINGS_MAX; i++)
		out->entered_s[i] = out->passed_s[i] = -1;
	if (check(p, e) < 0)
		return e->code;
	got = open_all(rings, p, e);
	if (got == 0)
		got = play(out, rings, p->policy->count, e);
	for (size_t i = 0; i < p->policy->count; i++)
		sim_ring_release(&rings[i]);
	return got;
}
