/*
 * test_gate_simulation: neither test of a ring errs more often than 5 %, nor
 * does the verdict with its shares of alpha, its rails, soak and coverage,
 * however the reports arrive. Seeded runs through the real outcomes and sequence,
 * against the one-sided 99.9 % limit of a binomial. RINGHOLD_RUNS asks for more
 * runs than 20,000 per scenario.
 */
#include "rollout/outcome.h"
#include "rollout/sequence.h"
#include "rollout/verdict.h"
#include "tests/rollout/chance.h"
#include "tests/test.h"

#define ALPHA 0.05
#define BETA 0.05
#define P0 0.05
#define P1 0.3
#define OFFERS 24
#define STRATA 3
#define SMALL 8                         /* a ring that only coverage can pass */
#define LARGE 100000                    /* members of any other */
#define MINUTE 60
#define DAY_MINUTES 1440
#define HORIZON DAY_MINUTES             /* minutes of one run */
#define EVENTS 4096
#define D (60 * MINUTE)
#define G (15 * MINUTE)
#define T0 1700000000

/* ---- what may happen on the way ---- */

struct span {
	int low, high;  /* minutes */
};

static const struct scenario {
	const char *name;
	bool at_once;           /* all offers at the first minute; else as places become free */
	struct span clean, bad; /* from the offer to the end of the probation */
	double silent;          /* of the failures: never heard of again */
	bool flips;             /* failures are reported as survivals first */
	int soak;               /* minutes the bound must hold */
	double night;           /* of the endpoints: suspend soon after the offer, return eight hours later */
	double leave;           /* announce that they go, and stay away */
	double moves;           /* leave the ring just before their turn, or right after their offer */
	bool scrambled;         /* reports come late, twice, and after later ones */
	bool jumps;             /* the server's clock jumps six hours on and three back */
	bool order_tells;       /* what comes first is not like what comes later: who counts on arrival errs too often */
} scenarios[] = {
	{ .name = "all offered at once", .at_once = true, .clean = { 10, 40 }, .bad = { 10, 40 } },
	{ .name = "in waves", .clean = { 10, 40 }, .bad = { 10, 40 } },
	{ .name = "failures early", .clean = { 20, 40 }, .bad = { 0, 3 } },
	{ .name = "failures late", .at_once = true, .clean = { 10, 20 }, .bad = { 30, 55 }, .order_tells = true },
	{ .name = "failures silent", .at_once = true, .clean = { 10, 40 }, .bad = { 10, 40 }, .silent = 1, .order_tells = true },
	{ .name = "late flips", .at_once = true, .clean = { 10, 40 }, .bad = { 10, 40 }, .flips = true, .soak = 120, .order_tells = true },
	{ .name = "day and night", .clean = { 10, 40 }, .bad = { 5, 50 }, .silent = 0.3, .night = 0.4, .order_tells = true },
	{ .name = "churn", .clean = { 10, 40 }, .bad = { 5, 50 }, .silent = 0.5, .leave = 0.1, .order_tells = true },
	{ .name = "ties", .clean = { 10, 10 }, .bad = { 10, 10 } },
	{ .name = "late, duplicated and reordered reports", .clean = { 10, 40 }, .bad = { 10, 40 }, .scrambled = true },
	{ .name = "clock jumps", .clean = { 10, 40 }, .bad = { 10, 40 }, .silent = 0.3, .jumps = true, .order_tells = true },
	{ .name = "endpoints leave or change ring", .clean = { 10, 40 }, .bad = { 10, 40 }, .silent = 0.2, .leave = 0.1, .moves = 0.3, .order_tells = true },
};

enum kind { HEARD, SURVIVED, FAILED, GOODBYE, RETURNED, LOOK, JUMP_ON, JUMP_BACK };

struct event {
	uint16_t next;          /* of the same minute; 0: none */
	uint8_t kind, n;        /* n: the offer, from 1 */
};

struct world {
	const struct scenario *s;
	double rate;
	uint32_t offers, members;               /* made in all; of the ring */
	uint32_t moved;                         /* left the ring with their offer */
	bool moved_at[OFFERS + 1];
	struct sequence *q;
	struct outcome_facts facts[OFFERS + 1];
	int64_t looks[OFFERS + 1];              /* the minute of the next look */
	struct event events[EVENTS];
	uint16_t used, at[HORIZON + 1];         /* first event of each minute */
	int left;                               /* events to come */
	int minute, bound_since;
	int64_t offset, quiet_until;            /* of the server's clock */
	int64_t bound_at;                       /* as verdict_of() is told */
	bool passed, halted, strata_halted, control;
	bool verdict_passed, verdict_halted, false_coverage;    /* what the ring would have done */
	bool changed;                           /* since the last look */
};

static int64_t now(const struct world *w)
{
	return T0 + (int64_t)w->minute * MINUTE + w->offset;
}

static void plan(struct world *w, int minute, enum kind kind, int n)
{
	if (minute > HORIZON || w->used + 1 >= EVENTS)
		return;
	w->events[++w->used] = (struct event){ .next = w->at[minute], .kind = (uint8_t)kind, .n = (uint8_t)n };
	w->at[minute] = w->used;
	w->left++;
}

/* Heard of within G until then: reports may be late, check-ins are not. */
static void plan_heard(struct world *w, int n, int from, int until)
{
	for (int m = from + 14; m < until; m += 14)
		plan(w, m, HEARD, n);
}

static void plan_report(struct world *w, enum kind kind, int n, int minute)
{
	int late = w->s->scrambled ? between(0, 30) : 0;

	plan_heard(w, n, minute - 14, minute + late);
	plan(w, minute + late, kind, n);
	if (!w->s->scrambled)
		return;
	plan(w, minute + late + between(1, 60), kind, n);
	if (kind == FAILED && chance(0.5))
		plan(w, minute + late + between(1, 60), HEARD, n);
}

/* The whole life of one offer, thrown when it is made. */
static void plan_life(struct world *w, int n)
{
	const struct scenario *s = w->s;
	bool bad = chance(w->rate), silent = bad && chance(s->silent);
	int start = w->minute, end;

	if (chance(s->leave)) {
		plan(w, start + between(1, 5), GOODBYE, n);
		return;
	}
	if (chance(s->night)) {
		plan(w, start + between(1, 5), GOODBYE, n);
		start += 480;
		plan(w, start, RETURNED, n);
	}
	end = start + (bad ? between(s->bad.low, s->bad.high) : between(s->clean.low, s->clean.high));
	if (silent)
		return;
	plan_heard(w, n, start, end);
	if (bad && s->flips) {
		plan_report(w, SURVIVED, n, end);
		end += between(1, 55);
	}
	plan_report(w, bad ? FAILED : SURVIVED, n, end);
}

static void judge(struct world *w, int n)
{
	struct outcome_facts *f = &w->facts[n];
	enum outcome o;
	int64_t at;

	f->quiet_until = w->quiet_until;
	o = outcome_of(f, D, G, now(w));
	w->changed |= o != sequence_get(w->q, (uint32_t)n);
	if (o == OUTCOME_LOST && !f->lost)
		f->lost = now(w);
	sequence_set(w->q, (uint32_t)n, o, now(w));
	at = o == OUTCOME_PENDING ? outcome_matures(f, D, G) : INT64_MAX;
	if (at == INT64_MAX)
		return;
	at = MAX((at - T0 - w->offset + MINUTE - 1) / MINUTE, w->minute + 1);
	if (w->looks[n] <= w->minute || at < w->looks[n]) {
		w->looks[n] = at;
		plan(w, (int)MIN(at, HORIZON + 1), LOOK, n);
	}
}

static void jump(struct world *w, int64_t by)
{
	w->offset += by;
	w->quiet_until = now(w) + G;
	for (uint32_t n = 1; n <= sequence_count(w->q); n++)
		w->looks[n] = 0;
	for (uint32_t n = 1; n <= sequence_count(w->q); n++)
		judge(w, (int)n);
}

static void happen(struct world *w, const struct event *v)
{
	struct outcome_facts *f = &w->facts[v->n];
	int64_t t = now(w);

	switch ((enum kind)v->kind) {
	case JUMP_ON:
		jump(w, 6 * 3600);
		return;
	case JUMP_BACK:
		jump(w, -3 * 3600);
		return;
	case LOOK:
		break;
	case GOODBYE:
		f->last_seen = f->goodbye = t;
		break;
	case RETURNED:
		f->renewed = f->last_seen = t;
		break;
	case SURVIVED:
		f->last_seen = t;
		f->survived = f->survived ? f->survived : t;
		break;
	case FAILED:
		f->last_seen = t;
		f->failed = f->failed ? f->failed : t;
		break;
	case HEARD:
		f->last_seen = t;
		break;
	}
	judge(w, v->n);
}

/* ---- the ring ---- */

static void offer(struct world *w)
{
	static const struct policy_ring places = { .m0 = 10, .cap = 40 };
	struct sequence_sums sums;
	struct err e;

	sequence_sums(w->q, &sums);
	while (sums.offers < w->offers && (w->s->at_once || sums.open < verdict_in_flight(&places, sums.of[OUTCOME_SURVIVED]))) {
		if (chance(w->s->moves / 2))
			continue;       /* another ring's now: it was never offered anything here */
		assert_ok(sequence_offer(w->q, sums.offers * 7 % 5 % STRATA, &e));      /* of unlike sizes, in no simple order */
		sums.offers++;
		sums.open++;
		w->facts[sums.offers] = (struct outcome_facts){ .offered = now(w), .last_seen = now(w) };
		w->looks[sums.offers] = 0;
		/* another ring's from now on: its offer stays here, and so does what it reports */
		w->moved_at[sums.offers] = chance(w->s->moves / 2);
		w->moved += w->moved_at[sums.offers];
		plan_life(w, (int)sums.offers);
		judge(w, (int)sums.offers);
	}
}

static uint32_t members_that(const struct world *w, enum outcome o)
{
	uint32_t count = 0;

	for (uint32_t n = 1; n <= sequence_count(w->q); n++)
		count += !w->moved_at[n] && sequence_get(w->q, n) == o;
	return count;
}

/* All of it at once as a ring goes by it: the shares of alpha, the rails, the soak, coverage. */
static void ask_verdict(struct world *w, const struct sequence_sums *sums)
{
	const struct policy_ring ring = { .name = "ring", .p0 = P0, .p1 = P1, .alpha = ALPHA, .beta = BETA, .m0 = 10, .cap = 40, .observe_s = D,
					  .soak_s = w->s->soak * MINUTE, .deadline_s = 30 * DAY_MINUTES * MINUTE, .strata_covered = POLICY_STRATA_ALL };
	struct verdict_facts f = { .ring = &ring, .now = now(w), .began = T0, .bound_at = w->bound_at, .sums = *sums,
				   .eligible = w->members - w->moved, .background_known = true };
	struct verdict_result said;

	if (w->members == SMALL) {
		f.members_survived = members_that(w, OUTCOME_SURVIVED);
		f.members_away = members_that(w, OUTCOME_AWAY);
	}
	verdict_of(&said, &f);
	w->bound_at = !said.bound_reached ? 0 : w->bound_at ? w->bound_at : f.now;
	w->verdict_halted |= said.verdict == VERDICT_HALT;
	if (said.verdict != VERDICT_PASS || w->verdict_halted)
		return;
	/* a ring that lost members states less of a rate */
	w->false_coverage |= said.by_coverage && said.excluded_rate <= w->rate + 1e-9;
	w->verdict_passed = true;
}

static void look(struct world *w)
{
	static struct gate_rates rates;
	struct sequence_sums sums;
	struct gate_halt h;
	struct gate_pass arrived;
	bool held;

	w->changed = false;
	if (!(rates.p0 > 0))
		gate_rates(&rates, P0, P1);
	sequence_sums(w->q, &sums);
	h = (struct gate_halt){ .max_e = sums.max_e };
	w->halted |= gate_halts(&h, ALPHA);
	h = (struct gate_halt){ .max_e = sums.strata.max };
	w->strata_halted |= gate_halts(&h, ALPHA);
	if (!gate_passes(sums.lambda, BETA))
		w->bound_since = -1;
	else if (w->bound_since < 0)
		w->bound_since = w->minute;
	/* too many left out: the ring holds, and passes nothing meanwhile */
	held = (sums.of[OUTCOME_AWAY] + sums.of[OUTCOME_ENVIRONMENT]) * 5 > sums.offers;
	w->passed |= !held && w->bound_since >= 0 && w->minute - w->bound_since >= w->s->soak;
	/* the control: whatever is known, in the order in which it arrived */
	arrived = (struct gate_pass){ .clean = sums.of[OUTCOME_SURVIVED], .bad = sums.of[OUTCOME_FAILED] + sums.of[OUTCOME_LOST] };
	w->control |= gate_passes(gate_lambda(&arrived, &rates), BETA);
	ask_verdict(w, &sums);
}

static void run(struct world *w, const struct scenario *s, double rate, uint32_t members)
{
	struct err e;

	w->s = s;
	w->members = members;
	w->offers = MIN(members, OFFERS);
	w->moved = 0;
	w->bound_at = 0;
	w->verdict_passed = w->verdict_halted = w->false_coverage = false;
	w->rate = rate;
	w->used = 0;
	w->left = 0;
	w->offset = w->quiet_until = 0;
	w->bound_since = -1;
	w->passed = w->halted = w->strata_halted = w->control = false;
	memset(w->at, 0, sizeof w->at);
	assert_ok(sequence_new(&w->q, P0, P1, &e));
	assert_ok(sequence_freeze(w->q, STRATA, &e));
	w->minute = 0;
	if (s->jumps) {
		plan(w, between(5, 100), JUMP_ON, 0);
		plan(w, between(5, 100), JUMP_BACK, 0);
	}
	for (; w->minute <= HORIZON; w->minute++) {
		bool changed = w->minute == 0 || w->at[w->minute];

		if (changed)
			offer(w);
		/* a look after every single report that says something new */
		while (w->at[w->minute]) {
			struct event v = w->events[w->at[w->minute]];

			w->at[w->minute] = v.next;
			w->left--;
			happen(w, &v);
			if (w->changed)
				look(w);
		}
		if ((w->bound_since >= 0 && !w->passed) || (w->bound_at && !w->verdict_passed && !w->verdict_halted))
			look(w);        /* soak */
		if ((w->passed && w->verdict_halted) || (w->left == 0 && w->bound_since < 0 && !w->bound_at))
			break;  /* nothing more can change */
		if (w->left == 0 && w->verdict_passed && (w->passed || w->members == SMALL))
			break;
	}
	sequence_free(w->q);
}

/* ---- the limit ---- */

struct counts {
	int false_passes, false_halts, false_strata, passes, halts, control;
	int verdict_passes, verdict_halts;      /* false ones */
	int coverage, false_coverage;           /* passes of the small ring, at p0 and at the rate that they would exclude */
};

static void simulate(struct counts *c, const struct scenario *s)
{
	static struct world w;

	const double excluded = gate_excluded_rate(SMALL);

	*c = (struct counts){ 0 };
	seed = 20240719;
	for (int i = 0; i < runs(); i++) {
		run(&w, s, P1, LARGE);
		c->false_passes += w.passed;
		c->halts += w.halted;
		c->control += w.control;
		c->verdict_passes += w.verdict_passed;
		run(&w, s, P0, LARGE);
		c->false_halts += w.halted;
		c->false_strata += w.strata_halted;
		c->passes += w.passed;
		c->verdict_halts += w.verdict_halted;
		run(&w, s, excluded, SMALL);
		c->false_coverage += w.false_coverage;
		run(&w, s, P0, SMALL);
		c->coverage += w.verdict_passed;
	}
}

static void no_way_of_reporting_makes_a_gate_err_more_often_than_it_may(void **state)
{
	int most_pass = limit(runs(), BETA), most_halt = limit(runs(), ALPHA), control_failed = 0;
	/* silence has the rest of alpha, and its own simulation */
	int most_by_verdict = limit(runs(), (POLICY_SHARE_POOLED + POLICY_SHARE_STRATA) * ALPHA);
	struct counts c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		simulate(&c, &scenarios[i]);
		printf("# %s: of %d at p1 %d passed (limit %d) and %d halted; at p0 %d halted and %d by their strata (limit %d) and %d passed; "
		       "counted on arrival %d would have passed; by the verdict %d passed and %d halted; a ring of %d was covered %d times at its "
		       "stated rate and %d times at p0\n", scenarios[i].name, runs(), c.false_passes, most_pass, c.halts,
		       c.false_halts, c.false_strata, most_halt, c.passes, c.control, c.verdict_passes, c.verdict_halts, SMALL, c.false_coverage, c.coverage);
		if (c.false_passes > most_pass || c.false_halts > most_halt || c.false_strata > most_halt)
			fail_msg("%s: %d false passes of at most %d, %d and %d false halts of at most %d", scenarios[i].name, c.false_passes,
				 most_pass, c.false_halts, c.false_strata, most_halt);
		if (c.verdict_passes > most_pass || c.verdict_halts > most_by_verdict || c.false_coverage > most_pass)
			fail_msg("%s: by the verdict %d false passes and %d by coverage of at most %d, %d false halts of at most %d", scenarios[i].name,
				 c.verdict_passes, c.false_coverage, most_pass, c.verdict_halts, most_by_verdict);
		/* and not because it never decides */
		assert_true(c.coverage > 0);
		assert_true(c.passes > runs() / 2 && c.halts > runs() / 2);
		/* the control fails this test wherever the order of arrival says something, and as often as it then must */
		control_failed += c.control > most_pass;
		assert_int_equal(c.control > most_pass, scenarios[i].order_tells);
	}
	printf("# the control that counts on arrival exceeds the limit in %d scenarios\n", control_failed);
}

/* ---- a defect that begins late ---- */

#define CLEAN_BEFORE 100000

static void a_defect_after_100000_clean_endpoints_halts_soon_and_health_does_not(void **state)
{
	struct gate_rates r;
	struct gate_halt start;
	int false_halts = 0, most = limit(runs(), ALPHA);
	uint64_t worst = 0;

	(void)state;
	seed = 78;
	gate_rates(&r, P0, P1);
	gate_halt_init(&start);
	for (int i = 0; i < CLEAN_BEFORE; i++)
		gate_halt_step(&start, &r, GATE_CLEAN);
	for (int i = 0; i < runs(); i++) {
		struct gate_halt good = start, bad = start;

		for (int n = 0; n < 300; n++)
			gate_halt_step(&good, &r, chance(P0) ? GATE_BAD : GATE_CLEAN);
		false_halts += gate_halts(&good, ALPHA);
		while (!gate_halts(&bad, ALPHA))
			gate_halt_step(&bad, &r, chance(P1) ? GATE_BAD : GATE_CLEAN);
		worst = MAX(worst, bad.n - CLEAN_BEFORE);
	}
	printf("# after %d clean: %d of %d halted at p0 (limit %d); at p1 the slowest needed %llu more offers\n", CLEAN_BEFORE, false_halts,
	       runs(), most, (unsigned long long)worst);
	assert_true(false_halts <= most);
	assert_true(worst < 1000);
	assert_in_range(gate_failures_to_halt(P0, P1, ALPHA, CLEAN_BEFORE), 2, 20);
}

static void the_limit_is_the_binomials(void **state)
{
	(void)state;
	/* of 10 tries at 5 %, P(X > 3) = 0.00103 and P(X > 4) = 0.00006 */
	assert_int_equal(limit(10, 0.05), 4);
	assert_in_range(limit(20000, 0.05), 1090, 1102);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_is_the_binomials),
		cmocka_unit_test(no_way_of_reporting_makes_a_gate_err_more_often_than_it_may),
		cmocka_unit_test(a_defect_after_100000_clean_endpoints_halts_soon_and_health_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
