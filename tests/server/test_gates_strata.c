/* test_gates_strata: a ring is judged by the kinds of hosts in it, and the last of the order wait for its pass. */
#include "gates.h"

/* A first ring of a hundred, half of them of another system: some of either are sure to be first in the order. */
static int halves(void **state)
{
	struct world *w = world_new();

	ring_of(w, CROWD / 2, CROWD / 2);
	*state = w;
	return 0;
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, crowd, teardown)
		T(strata_are_frozen_with_the_first_offer_and_come_back_after_a_restart),
		T(a_stratum_that_was_hardly_tried_keeps_the_ring_from_passing),
		T(a_stratum_whose_first_two_failed_gets_no_more_permits),
		T(the_last_of_the_order_are_offered_only_after_the_pass),
		cmocka_unit_test_setup_teardown(strata_and_the_last_of_the_order_are_the_policys, halves, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
