/*
 * test_gates: a ring judged by a real server and its store: strata, silence,
 * background loss and rails. After every test each decision that was recorded
 * is replayed from its record alone (world.h).
 */
#include "server/background.h"
#include "world.h"

#define CROWD 100

static void ring_of(struct world *w, size_t debian, size_t alpine)
{
	world_policy(w, "{\"name\":\"canary\",\"boots\":0},{\"name\":\"early\",\"boots\":0}");
	for (size_t i = 0; i < debian + alpine; i++)
		add_machine(w, "canary")->os = i >= debian ? "alpine-3" : NULL;
	all_check_in(w);
	pass_time(2 * INTERVAL + 1);
	all_check_in(w);
	pass_time(INTERVAL);
	all_check_in(w);
}

/* A first ring of a hundred, six of them of another system; nobody in the others. */
static int crowd(void **state)
{
	struct world *w = world_new();

	ring_of(w, CROWD - 6, 6);
	*state = w;
	return 0;
}

/* The same, half of them of another system: some of either are sure to be first in the order. */
static int halves(void **state)
{
	struct world *w = world_new();

	ring_of(w, CROWD / 2, CROWD / 2);
	*state = w;
	return 0;
}

static int few(void **state)
{
	struct world *w = world_new();

	ring_of(w, 5, 0);
	*state = w;
	return 0;
}

static bool alpine(const struct machine *m)
{
	return m->os && strcmp(m->os, "alpine-3") == 0;
}

static bool offered(struct rollout *r, struct world *w, const struct machine *m)
{
	return stage_offer_of(&r->stages[0], fleet_find(&w->s->fleet, m->id)) != NULL;
}

/* Everybody of one kind asks, so the order is theirs; answers how many may go. */
static size_t ask(struct world *w, struct rollout *r, bool (*who)(const struct machine *))
{
	size_t go = 0;

	for (size_t i = 0; i < w->count; i++)
		if (!who || who(&w->machines[i]))
			go += gets_permit(w, &w->machines[i], &r->bundle.digest);
	return go;
}

static bool debian(const struct machine *m)
{
	return !alpine(m);
}

/* Those with an open offer say what became of them. */
static void all_report(struct world *w, struct rollout *r, const char *kind, const char *reason)
{
	for (size_t i = 0; i < w->count; i++) {
		struct offer *o = stage_offer_of(&r->stages[0], fleet_find(&w->s->fleet, w->machines[i].id));

		if (o && o->outcome == OUTCOME_PENDING)
			report(w, &w->machines[i], &r->bundle.digest, kind, reason);
	}
	tick(w);
}

/* ---- strata ---- */

static void strata_are_frozen_with_the_first_offer_and_come_back_after_a_restart(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	AUTO(strata) struct strata *before = NULL;
	struct stage *g = &r->stages[0];
	struct err e;

	assert_null(g->strata);
	ask(w, r, NULL);
	assert_int_equal(strata_count(g->strata), 3);   /* two systems, and other */
	assert_int_equal(strata_size(g->strata, strata_find(g->strata, "debian-12/7.11/C")) + strata_size(g->strata, strata_find(g->strata, "alpine-3/7.11/C")),
			 CROWD - g->last_waits * (CROWD - (strata_size(g->strata, 0) + strata_size(g->strata, 1))));
	/* who comes later makes no stratum */
	for (int i = 0; i < 40; i++)
		add_machine(w, "canary")->os = "plan-9";
	all_check_in(w);
	ask(w, r, NULL);
	assert_int_equal(strata_find(g->strata, "plan-9/7.11/C"), 2);
	assert_ok(strata_copy(&before, g->strata, &e));
	world_reopen(w);
	r = again(w, 1);
	assert_true(strata_same(before, r->stages[0].strata));
	assert_int_equal(r->stages[0].strata_kept, true);
}

static void a_stratum_that_was_hardly_tried_keeps_the_ring_from_passing(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	for (int i = 0; i < 4; i++) {
		ask(w, r, debian);
		all_report(w, r, "survived", "");
	}
	assert_true(r->stages[0].last.lambda <= r->stages[0].last.lambda_limit);
	assert_state(r, 0, RING_OFFERING);
	assert_non_null(strstr(r->stages[0].last.sentence, "alpine-3/7.11/C"));
	ask(w, r, NULL);
	all_report(w, r, "survived", "");
	assert_state(r, 0, RING_BAKING);
	live(w, 3600);
	assert_state(r, 0, RING_PASSED);
}

static void a_stratum_whose_first_two_failed_gets_no_more_permits(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	size_t failed = 0;

	for (int i = 0; i < 2; i++) {
		ask(w, r, debian);
		all_report(w, r, "survived", "");
	}
	live(w, 3 * INTERVAL);  /* who asks no more is not waited for */
	for (size_t i = 0; i < w->count && failed < 2; i++)
		if (alpine(&w->machines[i]) && gets_permit(w, &w->machines[i], &r->bundle.digest)) {
			report(w, &w->machines[i], &r->bundle.digest, "failed", "health");
			failed++;
		}
	assert_int_equal(failed, 2);
	tick(w);
	assert_state(r, 0, RING_OFFERING);
	/* the same after a restart: the order of what is final is that of the reports */
	for (int again_ = 0; again_ < 2; again_++) {
		for (size_t i = 0; i < w->count; i++) {
			char want[256];

			if (!alpine(&w->machines[i]) || offered(r, w, &w->machines[i]))
				continue;
			snprintf(want, sizeof want, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex_of(&r->bundle.digest));
			assert_non_null(strstr(checkin(w, &w->machines[i], "", want), "\"reason\":\"stratum\""));
		}
		world_reopen(w);
		r = again(w, 1);
	}
	assert_true(ask(w, r, debian) > 0);
}

static void the_last_of_the_order_are_offered_only_after_the_pass(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	size_t before = 0;

	for (int i = 0; i < 8; i++) {
		ask(w, r, NULL);
		all_report(w, r, "survived", "");
		if (r->stages[0].state != RING_OFFERING)
			break;
	}
	for (size_t i = 0; i < w->count; i++) {
		struct device *d = fleet_find(&w->s->fleet, w->machines[i].id);

		before += permit_is_last(rollout_order(r, d), 0.05) && offered(r, w, &w->machines[i]);
	}
	assert_int_equal(before, 0);
	live(w, 3600);
	assert_state(r, 0, RING_PASSED);
	for (int i = 0; i < 3; i++) {
		ask(w, r, NULL);
		all_report(w, r, "survived", "");
	}
	assert_int_equal(r->stages[0].count, CROWD);
}

/* What a stratum is made of, and how many of the order wait for the pass, as the policy says. */
static void strata_and_the_last_of_the_order_are_the_policys(void **state)
{
	struct world *w = *state;
	struct rollout *r;
	size_t last = 0;

	world_policy(w, "{\"name\":\"canary\",\"strata\":[\"os\"],\"last_share\":0.5},{\"name\":\"early\"}");
	r = publish(w, 1);
	for (int i = 0; i < 8 && r->stages[0].state == RING_OFFERING; i++) {
		ask(w, r, NULL);
		all_report(w, r, "survived", "");
	}
	assert_int_equal(strata_count(r->stages[0].strata), 3);
	assert_string_equal(strata_name(r->stages[0].strata, 0), "alpine-3/*/*");
	assert_string_equal(strata_name(r->stages[0].strata, 1), "debian-12/*/*");
	for (size_t i = 0; i < w->count; i++) {
		struct device *d = fleet_find(&w->s->fleet, w->machines[i].id);

		last += permit_is_last(rollout_order(r, d), 0.5);
		assert_false(permit_is_last(rollout_order(r, d), 0.5) && offered(r, w, &w->machines[i]));
	}
	assert_in_range(last, 10, 90);
}

/* ---- silence ---- */

/* So many seconds, in which those that `quiet` says are not heard of. */
static void live_but(struct world *w, struct rollout *r, int64_t seconds, bool (*quiet)(struct world *, struct rollout *, const struct machine *))
{
	for (int64_t at = 0; at < seconds; at += INTERVAL) {
		pass_time(INTERVAL);
		for (size_t i = 0; i < w->count; i++)
			if (!quiet(w, r, &w->machines[i]))
				checkin(w, &w->machines[i], "", "");
		tick(w);
	}
}

static bool has_offer(struct world *w, struct rollout *r, const struct machine *m)
{
	return offered(r, w, m);
}

static bool every_seventh(struct world *w, struct rollout *r, const struct machine *m)
{
	(void)r;
	return (m - w->machines) % 7 == 0;
}

static void begin(struct world *w, struct rollout *r)
{
	assert_int_equal(ask(w, r, NULL), 10);
	pass_time(INTERVAL);
	ask(w, r, NULL);        /* heard of since the offer */
	tick(w);
}

static void offered_endpoints_that_fall_silent_halt_before_they_are_lost(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	begin(w, r);
	assert_in_range(r->stages[0].at_risk, 8, 10);   /* a stratum with one side only is not compared */
	assert_in_range(r->stages[0].compared, 80, 90);
	live_but(w, r, 1200, has_offer);
	assert_true(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
	assert_non_null(strstr(r->stages[0].sentence, "fall silent more often than those that wait"));
	assert_int_equal(r->stages[0].silenced_count, 10);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_PENDING);
}

static void a_night_for_all_alike_halts_nothing(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	begin(w, r);
	live_but(w, r, 1500, every_seventh);
	assert_state(r, 0, RING_OFFERING);
	assert_in_range(r->stages[0].silenced_count, 12, 15);
	assert_true(r->stages[0].silence.armed > 0);
	assert_true(silence_mean(&r->stages[0].silence) < 10);
}

/* Silence is kept with who was at risk: W is the same after a restart, and nobody is silent before an interval. */
static void silence_is_counted_again_from_the_store_after_a_restart(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct silence was;
	uint32_t count;

	begin(w, r);
	live_but(w, r, 1500, every_seventh);
	was = r->stages[0].silence;
	count = r->stages[0].silenced_count;
	pass_time(4 * 3600);
	world_reopen(w);
	r = again(w, 1);
	assert_int_equal(r->stages[0].silenced_count, count);
	assert_memory_equal(&was.max, &r->stages[0].silence.max, 10);
	assert_memory_equal(&was.w[1], &r->stages[0].silence.w[1], 10);
	tick(w);
	assert_int_equal(r->stages[0].silenced_count, count);
	for (uint32_t n = 0; n < r->stages[0].count; n++)
		assert_int_equal(r->stages[0].offers[n].outcome, OUTCOME_PENDING);
	/* who does not return is heard of on neither side, so nobody is compared with him */
	pass_time(INTERVAL + 1);
	tick(w);
	assert_int_equal(r->stages[0].silenced_count, count);
	assert_int_equal(r->stages[0].at_risk + r->stages[0].compared, 0);
}

static void with_nobody_waiting_the_test_is_unarmed(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);

	assert_int_equal(ask(w, r, NULL), 5);
	pass_time(INTERVAL);
	all_check_in(w);
	tick(w);
	assert_int_equal(r->stages[0].at_risk, 0);
	assert_int_equal(r->stages[0].compared, 0);
	assert_int_equal(r->stages[0].silence.armed, 0);
}

static struct machine *flickering;

static bool flickers(struct world *w, struct rollout *r, const struct machine *m)
{
	(void)w;
	(void)r;
	return m == flickering;
}

/* Silent, back, silent again: one event. Failing in every way there is: one failure. */
static void one_device_moves_a_gate_by_no_more_than_its_own_outcome(void **state)
{
	static const char *const ways[] = { "failed", "late_failure", "quarantined", "failed", "survived", "failed" };
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct sequence_sums one, many;
	double e_once;

	begin(w, r);
	for (size_t i = 0; i < w->count && !flickering; i++)
		flickering = offered(r, w, &w->machines[i]) ? &w->machines[i] : NULL;
	for (int i = 0; i < 6; i++) {
		live_but(w, r, 1500, flickers);
		checkin(w, flickering, "", "");
		tick(w);
	}
	assert_int_equal(r->stages[0].silenced_count, 1);
	report(w, flickering, &r->bundle.digest, "failed", "health");
	tick(w);
	sequence_sums(r->stages[0].sequence, &one);
	e_once = r->stages[0].last.e_known;
	for (int i = 0; i < 60; i++)
		report(w, flickering, &r->bundle.digest, ways[i % 6], i % 6 == 4 ? "" : "health");
	/* a new epoch, as after losing its database */
	snprintf(flickering->epoch, sizeof flickering->epoch, "%016x", 0xfeed);
	flickering->seq = flickering->n = 0;
	report(w, flickering, &r->bundle.digest, "failed", "health");
	tick(w);
	sequence_sums(r->stages[0].sequence, &many);
	assert_int_equal(one.of[OUTCOME_FAILED], 1);
	assert_memory_equal(&one.of, &many.of, sizeof one.of);
	assert_true(!(r->stages[0].last.e_known > e_once));
	assert_false(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
	flickering = NULL;
}

static void a_burst_of_enrolments_dilutes_nothing(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct machine *bad[2] = { NULL, NULL };
	size_t found = 0;

	begin(w, r);
	for (size_t i = 0; i < w->count && found < 2; i++)
		if (offered(r, w, &w->machines[i]))
			bad[found++] = &w->machines[i];
	report(w, bad[0], &r->bundle.digest, "failed", "health");
	/* four hundred that are new, and all swear that it survived */
	for (int i = 0; i < 400; i++)
		add_machine(w, "canary");
	for (int i = 0; i < 3; i++) {
		all_check_in(w);
		ask(w, r, NULL);
		for (size_t k = 0; k < w->count; k++)
			if (&w->machines[k] != bad[1] && offered(r, w, &w->machines[k]) && &w->machines[k] != bad[0])
				report(w, &w->machines[k], &r->bundle.digest, "survived", "");
		tick(w);
	}
	assert_true(r->stages[0].count > 30);
	assert_int_equal(strata_count(r->stages[0].strata), 3);
	report(w, bad[1], &r->bundle.digest, "failed", "health");
	tick(w);
	assert_true(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
}

/* ---- background loss ---- */

static int64_t measured(struct world *w, int64_t observe, int64_t *lost)
{
	int64_t placebos;

	background_figures(w->s->background, "edr", "canary", observe, clock_now(), &placebos, lost);
	return placebos;
}

static void placebo_offers_measure_who_is_lost_without_any_content(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	int64_t lost, after, placebos, before;

	(void)r;
	live(w, 6 * 3600);
	placebos = measured(w, 3600, &lost);
	assert_true(placebos > 40);
	assert_int_equal(lost, 0);
	assert_int_equal(measured(w, 24 * 3600, &lost), placebos);      /* nothing is lost longer than an hour */
	/* all but a few stop: those that were watched just then are lost */
	pass_time(60);
	tick(w);
	w->count = 20;
	live(w, 5400);
	before = measured(w, 3600, &lost);
	assert_true(before > placebos && lost > 0);
	assert_true(measured(w, 24 * 3600, &after) < before && after == 0);
	/* what came of them is kept */
	lost = measured(w, 3600, &after);
	world_reopen(w);
	assert_int_equal(measured(w, 3600, &before), lost);
	assert_int_equal(before, after);
}

static void who_is_offered_something_is_no_placebo(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	int64_t lost;

	assert_int_equal(ask(w, r, NULL), 5);
	live(w, 3 * 3600);
	assert_int_equal(measured(w, 3600, &lost), 0);
}

static void lost_offers_halt_only_where_the_background_is_known(void **state)
{
	struct world *w = *state;
	struct rollout *r;
	size_t silent = 0;
	struct machine kept[CROWD];
	size_t count;

	world_policy(w, "{\"name\":\"canary\",\"boots\":0,\"p0\":0.05,\"p1\":0.4,\"m0\":40},{\"name\":\"early\",\"boots\":0}");
	r = publish(w, 1);
	live(w, 9 * 3600);
	assert_true(r->stages[0].policy->p0 > 0.04);
	memcpy(kept, w->machines, sizeof kept);
	count = w->count;
	ask(w, r, NULL);
	/* heard of once more? no: silent from the offer on, so that only the loss counts */
	for (size_t i = 0; i < count; i++)
		if (!offered(r, w, &kept[i]))
			w->machines[silent++] = kept[i];
	w->count = silent;
	live(w, 3600 + 2 * INTERVAL);
	assert_true(r->stages[0].state == RING_HALTED || r->stages[0].state == RING_ROLLED_BACK);
	assert_non_null(strstr(r->stages[0].sentence, "or were lost"));
	assert_int_equal(r->stages[0].silence.armed, 0);
}

/* ---- rails ---- */

static void missing_telemetry_holds_and_its_return_resumes(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	size_t all = w->count;

	begin(w, r);
	live(w, 2 * INTERVAL);
	assert_state(r, 0, RING_OFFERING);
	w->count = all * 2 / 5;
	live(w, 3 * INTERVAL);
	w->count = all;
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "telemetry");
	assert_int_equal(ask(w, r, NULL), 0);
	live(w, 2 * INTERVAL);
	assert_state(r, 0, RING_OFFERING);
}

static void a_fifth_of_the_offers_away_holds_until_they_return(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	size_t gone = 0;

	begin(w, r);
	for (size_t i = 0; i < w->count && gone < 3; i++)
		if (offered(r, w, &w->machines[i])) {
			char event[128];

			snprintf(event, sizeof event, "{\"n\":%llu,\"at\":1,\"channel\":null,\"digest\":null,\"attempt\":null,\"kind\":\"goodbye\",\"reason\":null}",
				 (unsigned long long)++w->machines[i].n);
			checkin(w, &w->machines[i], event, "");
			gone++;
			tick(w);
			if (gone == 2)
				assert_state(r, 0, RING_OFFERING);      /* 20 % is not above 20 % */
		}
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "left-out");
	pass_time(1);
	all_check_in(w);
	tick(w);
	assert_state(r, 0, RING_OFFERING);
}

/* What its sensor counts in an hour on some content. */
static void counts(struct machine *m, const struct digest *d, int alerts)
{
	snprintf(m->effects, sizeof m->effects,
		 "\"effects\":{\"digest\":\"%s\",\"counted\":{\"seconds\":3600,\"events\":5000,\"errors\":0,\"verdicts\":{\"observe\":0,\"alert\":%d,"
		 "\"block\":0,\"quarantine\":0},\"would\":{\"block\":0,\"quarantine\":0},\"load_ms\":20,\"rules\":[{\"rule\":\"r1\",\"n\":%d}]}}",
		 hex_of(d), alerts, alerts);
}

static void content_that_raises_a_storm_of_alerts_holds_the_ring(void **state)
{
	struct world *w = *state;
	struct digest before = { { 7 } };
	struct rollout *r;

	for (size_t i = 0; i < w->count; i++)
		counts(&w->machines[i], &before, 4);
	all_check_in(w);
	r = publish(w, 1);
	begin(w, r);
	assert_state(r, 0, RING_OFFERING);
	for (size_t i = 0; i < w->count; i++)
		if (offered(r, w, &w->machines[i]))
			counts(&w->machines[i], &r->bundle.digest, 40);
	live(w, INTERVAL);
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "effects");
	assert_non_null(strstr(r->stages[0].sentence, "40 an hour, of others 4"));
	assert_int_equal(r->stages[0].effects->hosts[EFFECTS_BEFORE], 10);
	/* it was an attack: those that wait see it too */
	for (size_t i = 0; i < w->count; i++)
		if (!offered(r, w, &w->machines[i]))
			counts(&w->machines[i], &before, 41);
	live(w, INTERVAL);
	assert_state(r, 0, RING_OFFERING);
}

static void the_deadline_holds_and_asks_and_a_person_lets_it_go_on(void **state)
{
	struct world *w = *state;
	struct rollout *r = publish(w, 1);
	struct err e;

	for (int i = 0; i < 4; i++) {
		ask(w, r, debian);
		all_report(w, r, "survived", "");
	}
	live(w, 24 * 3600 - INTERVAL);
	assert_state(r, 0, RING_OFFERING);
	live(w, 2 * INTERVAL);
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "deadline");
	assert_non_null(strstr(r->stages[0].sentence, "alpine-3/7.11/C"));
	assert_ok(control_order(w->s, r->id, "canary", ORDER_RESUME, "tester", "nobody has alpine", &e));
	live(w, 3600 + INTERVAL);
	assert_state(r, 0, RING_PASSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, crowd, teardown)
		T(strata_are_frozen_with_the_first_offer_and_come_back_after_a_restart),
		T(a_stratum_that_was_hardly_tried_keeps_the_ring_from_passing),
		T(a_stratum_whose_first_two_failed_gets_no_more_permits),
		T(the_last_of_the_order_are_offered_only_after_the_pass),
		cmocka_unit_test_setup_teardown(strata_and_the_last_of_the_order_are_the_policys, halves, teardown),
		T(offered_endpoints_that_fall_silent_halt_before_they_are_lost),
		T(a_night_for_all_alike_halts_nothing),
		T(silence_is_counted_again_from_the_store_after_a_restart),
		cmocka_unit_test_setup_teardown(with_nobody_waiting_the_test_is_unarmed, few, teardown),
		T(one_device_moves_a_gate_by_no_more_than_its_own_outcome),
		T(a_burst_of_enrolments_dilutes_nothing),
		T(placebo_offers_measure_who_is_lost_without_any_content),
		cmocka_unit_test_setup_teardown(who_is_offered_something_is_no_placebo, few, teardown),
		T(lost_offers_halt_only_where_the_background_is_known),
		T(missing_telemetry_holds_and_its_return_resumes),
		T(a_fifth_of_the_offers_away_holds_until_they_return),
		T(content_that_raises_a_storm_of_alerts_holds_the_ring),
		T(the_deadline_holds_and_asks_and_a_person_lets_it_go_on),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
