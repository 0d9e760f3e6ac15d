/* test_gates: what a real server takes for background loss, and what holds a ring until it is over. */
#include "gates.h"
#include "server/background.h"

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

/* What is measured beside the verdicts: each figure on its own, far above, and calm. */
static const struct figure {
	long long cpu_ms, rss, load_ms, rule;   /* rule: verdicts of one rule, of 400 in all */
	const char *says;
} calm = { 100, 50 << 20, 20, 4, NULL }, figures[] = {
	{ 3600 * 100, 50 << 20, 20, 4, "CPU time of endpoints with the content" },
	{ 100, 900 << 20, 20, 4, "memory of endpoints with the content" },
	{ 100, 50 << 20, 9000, 4, "load time of endpoints with the content" },
	{ 100, 50 << 20, 20, 400, "rule r1 on endpoints with the content" },
};

static void measures(struct machine *m, const struct digest *d, const struct figure *x)
{
	snprintf(m->effects, sizeof m->effects,
		 "\"effects\":{\"digest\":\"%s\",\"counted\":{\"seconds\":3600,\"events\":5000,\"errors\":0,\"verdicts\":{\"observe\":0,\"alert\":400,"
		 "\"block\":0,\"quarantine\":0},\"would\":{\"block\":0,\"quarantine\":0},\"load_ms\":%lld,\"rules\":[{\"rule\":\"r1\",\"n\":%lld}]},"
		 "\"measured\":{\"seconds\":3600,\"cpu_ms\":%lld,\"rss_bytes\":%lld}}",
		 hex_of(d), x->load_ms, x->rule, x->cpu_ms, x->rss);
}

/* Offered endpoints say the one, those that wait the other. */
static void all_measure(struct world *w, struct rollout *r, const struct digest *before, const struct figure *with, const struct figure *without)
{
	for (size_t i = 0; i < w->count; i++) {
		bool has = offered(r, w, &w->machines[i]);

		measures(&w->machines[i], has ? &r->bundle.digest : before, has ? with : without);
	}
	live(w, INTERVAL);
}

static void each_figure_that_stands_out_holds_the_ring_and_ends_with_its_cause(void **state)
{
	struct world *w = *state;
	struct digest before = { { 7 } };
	struct rollout *r;

	for (size_t i = 0; i < w->count; i++)
		measures(&w->machines[i], &before, &calm);
	all_check_in(w);
	r = publish(w, 1);
	begin(w, r);
	for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
		all_measure(w, r, &before, &figures[i], &calm);
		assert_state(r, 0, RING_HELD);
		assert_string_equal(r->stages[0].cause, "effects");
		if (!strstr(r->stages[0].sentence, figures[i].says))
			fail_msg("%s: %s", figures[i].says, r->stages[0].sentence);
		/* whoever waits has it too: it is not the content */
		all_measure(w, r, &before, &figures[i], &figures[i]);
		assert_state(r, 0, RING_OFFERING);
		all_measure(w, r, &before, &calm, &calm);
		assert_state(r, 0, RING_OFFERING);
	}
}

static int crowd_that_halts(void **state)
{
	struct world *w;

	crowd(state);
	w = *state;
	world_policy(w, "{\"name\":\"canary\",\"boots\":0,\"effects\":\"halt\"},{\"name\":\"early\",\"boots\":0}");
	return 0;
}

static void where_the_policy_says_so_a_figure_halts(void **state)
{
	struct world *w = *state;
	struct digest before = { { 7 } };
	struct rollout *r;

	for (size_t i = 0; i < w->count; i++)
		measures(&w->machines[i], &before, &calm);
	all_check_in(w);
	r = publish(w, 1);
	begin(w, r);
	all_measure(w, r, &before, &calm, &calm);
	assert_state(r, 0, RING_OFFERING);
	all_measure(w, r, &before, &figures[0], &calm);
	assert_state(r, 0, RING_ROLLED_BACK);
	assert_string_equal(r->stages[0].cause, "effects");
	assert_true(desk_stopped(w->s->desk, "edr", &r->bundle.digest));
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
		T(placebo_offers_measure_who_is_lost_without_any_content),
		cmocka_unit_test_setup_teardown(who_is_offered_something_is_no_placebo, few, teardown),
		T(lost_offers_halt_only_where_the_background_is_known),
		T(missing_telemetry_holds_and_its_return_resumes),
		T(a_fifth_of_the_offers_away_holds_until_they_return),
		T(content_that_raises_a_storm_of_alerts_holds_the_ring),
		T(each_figure_that_stands_out_holds_the_ring_and_ends_with_its_cause),
		cmocka_unit_test_setup_teardown(where_the_policy_says_so_a_figure_halts, crowd_that_halts, teardown),
		T(the_deadline_holds_and_asks_and_a_person_lets_it_go_on),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
