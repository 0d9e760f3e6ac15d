#include "rollout/verdict.h"
#include "tests/test.h"

#define T0 1000000

/* A ring under test: its policy, a sequence, and the facts about them. */
struct ring {
	struct policy *policy;
	struct sequence *q;
	struct verdict_facts f;
	struct verdict_result r;
};

static int ring_open(void **state)
{
	static const char *const names[] = { "canary", "early", "broad" };
	struct ring *g = calloc(1, sizeof *g);
	struct err e;

	if (!g || policy_default(&g->policy, "edr", names, 3, &e) < 0)
		return -1;
	g->f = (struct verdict_facts){ .ring = &g->policy->rings[0], .first = true, .now = T0, .began = T0, .eligible = 1000 };
	if (sequence_new(&g->q, g->f.ring->p0, g->f.ring->p1, &e) < 0)
		return -1;
	*state = g;
	return 0;
}

static int ring_close(void **state)
{
	struct ring *g = *state;

	policy_free(g->policy);
	sequence_free(g->q);
	free(g);
	return 0;
}

static void add(struct ring *g, int count, enum outcome o)
{
	struct err e;

	for (int i = 0; i < count; i++) {
		assert_ok(sequence_offer(g->q, 0, &e));
		sequence_set(g->q, sequence_count(g->q), o, T0);
	}
}

static enum verdict judge(struct ring *g)
{
	sequence_sums(g->q, &g->f.sums);
	verdict_of(&g->r, &g->f);
	assert_true(g->r.sentence[0] != '\0');
	return g->r.verdict;
}

static void expect(struct ring *g, enum verdict v, enum verdict_cause c)
{
	enum verdict got = judge(g);

	if (got != v || g->r.cause != c)
		fail_msg("%s (%s) instead of %s (%s): %s", verdict_name(got), verdict_cause_name(g->r.cause), verdict_name(v),
			 verdict_cause_name(c), g->r.sentence);
}

static struct policy_ring *policy_of(struct ring *g)
{
	return &g->policy->rings[0];
}

static void so_many_strata_are_covered_as_the_policy_says(void **state)
{
	const struct stratum_size kinds[] = { { "debian-12/7.11/C", 500 }, { "debian-12/7.11/zh_CN", 400 }, { "alpine-3/7.11/C", 100 } };
	uint32_t survived[4] = { 0 };
	struct ring *g = *state;
	AUTO(strata) struct strata *plan = NULL;
	struct err e;

	assert_ok(strata_plan(&plan, kinds, 3, &e));
	assert_int_equal(strata_large_count(plan), 3);
	add(g, 30, OUTCOME_SURVIVED);
	g->f.strata = plan;
	survived[1] = 26;
	survived[2] = 4;
	g->f.strata_lacking = strata_lacking(plan, survived, policy_of(g)->strata_survivors, &(uint32_t){ 0 });
	assert_int_equal(g->f.strata_lacking, 2);
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	/* four are enough of each where the policy says so */
	policy_of(g)->strata_survivors = 4;
	g->f.strata_lacking = strata_lacking(plan, survived, policy_of(g)->strata_survivors, &(uint32_t){ 0 });
	assert_int_equal(g->f.strata_lacking, 1);
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	/* and two of the three */
	policy_of(g)->strata_covered = 2;
	expect(g, VERDICT_CONTINUE, CAUSE_SOAK);
	/* more than the ring has never pass by themselves, not by coverage either */
	policy_of(g)->strata_covered = 4;
	g->f.strata_lacking = 0;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	assert_non_null(strstr(g->r.sentence, "1 of the 4 strata that the policy asks for are not in this ring"));
	g->f.eligible = g->f.members_survived = 4;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	g->f.now = T0 + policy_of(g)->deadline_s;
	expect(g, VERDICT_HOLD, CAUSE_DEADLINE);
	g->f.continue_anyway = true;
	judge(g);
	assert_true(g->r.bound_reached);
}

static void hours_in_which_a_ring_is_closed_do_not_count_toward_its_deadline(void **state)
{
	struct ring *g = *state;

	add(g, 1, OUTCOME_PENDING);
	g->f.now = T0 + policy_of(g)->deadline_s + 3599;
	g->f.closed_s = 3600;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	g->f.now++;
	expect(g, VERDICT_HOLD, CAUSE_DEADLINE);
}

static void the_emergency_lane_shortens_the_soak_and_nothing_else(void **state)
{
	struct ring *g = *state;

	g->f.emergency = true;
	add(g, 21, OUTCOME_SURVIVED);
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	add(g, 1, OUTCOME_SURVIVED);
	g->f.bound_at = T0;
	g->f.now = T0 + policy_of(g)->emergency_soak_s - 1;
	expect(g, VERDICT_CONTINUE, CAUSE_SOAK);
	assert_non_null(strstr(g->r.sentence, "in the emergency lane"));
	g->f.now++;
	expect(g, VERDICT_PASS, CAUSE_BOUND);
	g->f.emergency = false;
	expect(g, VERDICT_CONTINUE, CAUSE_SOAK);
	g->f.emergency = true;
	add(g, 4, OUTCOME_FAILED);
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
}

static void a_clean_ring_passes_after_its_bound_and_its_soak(void **state)
{
	struct ring *g = *state;

	add(g, 21, OUTCOME_SURVIVED);
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	add(g, 1, OUTCOME_SURVIVED);
	expect(g, VERDICT_CONTINUE, CAUSE_SOAK);
	assert_true(g->r.bound_reached && !g->r.by_coverage);
	g->f.bound_at = g->f.now;
	g->f.now += g->f.ring->soak_s - 1;
	expect(g, VERDICT_CONTINUE, CAUSE_SOAK);
	g->f.now++;
	expect(g, VERDICT_PASS, CAUSE_BOUND);
}

static void two_fresh_failures_halt_the_first_ring(void **state)
{
	struct ring *g = *state;

	add(g, 1, OUTCOME_FAILED);
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	add(g, 1, OUTCOME_FAILED);
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
	assert_non_null(strstr(g->r.sentence, "2 of the first 2"));
	assert_true(g->r.e >= 500 && g->r.e_limit > 499.999 && g->r.e_limit < 500.001);
}

static void a_halt_names_the_stratum_that_has_all_failures(void **state)
{
	static const struct stratum_size kinds[] = { { "debian-12/7.11/C", 90 }, { "debian-12/7.11/zh_CN", 10 } };
	AUTO(strata) struct strata *plan = NULL;
	struct ring *g = *state;
	struct err e;

	assert_ok(strata_plan(&plan, kinds, 2, &e));
	assert_ok(sequence_freeze(g->q, strata_count(plan), &e));
	for (uint32_t n = 1; n <= 6; n++) {
		assert_ok(sequence_offer(g->q, n % 3 == 0 ? 1 : 0, &e));
		if (n % 3 == 0)
			sequence_set(g->q, n, OUTCOME_FAILED, T0);
	}
	g->f.content_crash = true;
	sequence_sums(g->q, &g->f.sums);
	verdict_strata(&g->f, plan, g->q);
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
	assert_non_null(strstr(g->r.sentence, "2 of the first 2 endpoints of stratum debian-12/7.11/zh_CN crashed; E = "));
}

static void losses_alone_hold_until_the_background_is_known(void **state)
{
	struct ring *g = *state;

	add(g, 2, OUTCOME_LOST);
	expect(g, VERDICT_HOLD, CAUSE_BACKGROUND);
	assert_non_null(strstr(g->r.sentence, "background loss unknown or too high"));
	g->f.background_known = true;
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
}

/* 3,000 sound endpoints of nine strata, then some of the tenth. */
static void crowd(struct ring *g, enum outcome tenth, int times)
{
	struct err e;

	assert_ok(sequence_freeze(g->q, 10, &e));
	for (int i = 0; i < 3000; i++) {
		assert_ok(sequence_offer(g->q, (uint32_t)i % 9, &e));
		sequence_set(g->q, sequence_count(g->q), OUTCOME_SURVIVED, T0);
	}
	for (int i = 0; i < times; i++) {
		assert_ok(sequence_offer(g->q, 9, &e));
		sequence_set(g->q, sequence_count(g->q), tenth, T0);
	}
}

static void a_stratum_that_fails_halts_among_thousands_that_do_not(void **state)
{
	struct stratum_size kinds[10];
	AUTO(strata) struct strata *plan = NULL;
	struct ring *g = *state;
	struct err e;

	for (int i = 0; i < 10; i++)
		kinds[i] = (struct stratum_size){ .name = "debian-12/7.11/zh_CN", .size = 300 };
	for (int i = 0; i < 9; i++)
		snprintf(kinds[i].name, sizeof kinds[i].name, "alpine-%d/7.11/C", i);
	assert_ok(strata_plan(&plan, kinds, 10, &e));
	crowd(g, OUTCOME_FAILED, 3);
	g->f.strata = plan;
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
	assert_non_null(strstr(g->r.sentence, "debian-12/7.11/zh_CN failed; E over the strata"));
	assert_true(g->r.e_known < g->r.e_limit && g->r.strata_e_known >= g->r.strata_e_limit);
	assert_int_equal(g->r.e_at, 3003);
}

static void a_stratum_that_is_lost_holds_until_the_background_is_known(void **state)
{
	struct ring *g = *state;

	crowd(g, OUTCOME_LOST, 3);
	expect(g, VERDICT_HOLD, CAUSE_BACKGROUND);
	g->f.background_known = true;
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
}

static void a_bound_over_all_does_not_pass_a_stratum_that_was_hardly_tried(void **state)
{
	struct ring *g = *state;

	add(g, 30, OUTCOME_SURVIVED);
	g->f.bound_at = T0 - g->f.ring->soak_s;
	g->f.strata_lacking = 1;
	g->f.strata_lacks = "debian-12/7.11/zh_CN";
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	assert_false(g->r.bound_reached);
	assert_non_null(strstr(g->r.sentence, "zh_CN"));
	g->f.strata_lacking = 0;
	expect(g, VERDICT_PASS, CAUSE_BOUND);
}

static void at_the_deadline_a_person_may_let_a_stratum_go_that_cannot_be_tried(void **state)
{
	struct ring *g = *state;

	add(g, 30, OUTCOME_SURVIVED);
	g->f.bound_at = T0 - g->f.ring->soak_s;
	g->f.strata_lacking = 1;
	g->f.strata_lacks = "debian-12/7.11/zh_CN";
	g->f.began = g->f.now - g->f.ring->deadline_s + 1;
	g->f.continue_anyway = true;    /* said about something else, earlier */
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	g->f.continue_anyway = false;
	g->f.began--;
	expect(g, VERDICT_HOLD, CAUSE_DEADLINE);
	assert_non_null(strstr(g->r.sentence, "zh_CN"));
	g->f.continue_anyway = true;
	expect(g, VERDICT_PASS, CAUSE_BOUND);
}

static void the_deadline_says_when_offers_may_only_wait_for_a_restart(void **state)
{
	struct ring *g = *state;

	add(g, 5, OUTCOME_SURVIVED);
	add(g, 5, OUTCOME_PENDING);
	g->f.began = g->f.now - g->f.ring->deadline_s;
	expect(g, VERDICT_HOLD, CAUSE_DEADLINE);
	assert_null(strstr(g->r.sentence, "restart"));
	g->policy->rings[0].boots = 1;
	expect(g, VERDICT_HOLD, CAUSE_DEADLINE);
	assert_non_null(strstr(g->r.sentence, "5 are open, which may only wait for the 1 restarts that the policy asks for"));
}

static void what_p0_would_fit_is_said_from_the_measured_background(void **state)
{
	struct ring *g = *state;

	add(g, 30, OUTCOME_SURVIVED);
	add(g, 4, OUTCOME_LOST);
	g->f.placebos = 20000;
	g->f.placebos_lost = 140;
	expect(g, VERDICT_HOLD, CAUSE_BACKGROUND);
	assert_non_null(strstr(g->r.sentence, "background loss unknown or too high; p0 1.7 % would fit"));
	g->f.placebos_lost = 10000;
	expect(g, VERDICT_HOLD, CAUSE_BACKGROUND);
	assert_non_null(strstr(g->r.sentence, "no p0 below p1/2 would fit"));
}

static void silence_of_the_offered_halts_at_its_share_of_alpha(void **state)
{
	struct ring *g = *state;

	add(g, 5, OUTCOME_SURVIVED);
	g->f.silence = 999;     /* 1 / (0.2 x 0.005) = 1,000 */
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	g->f.silence = 1000.001L;
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
	assert_non_null(strstr(g->r.sentence, "fall silent"));
}

static void a_crash_by_the_content_halts_only_the_first_ring(void **state)
{
	struct ring *g = *state;

	add(g, 1, OUTCOME_FAILED);
	g->f.content_crash = true;
	expect(g, VERDICT_HALT, CAUSE_FIRST_RING_CRASH);
	g->f.first = false;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
}

static void a_contract_refusal_in_the_first_ring_holds_until_a_person_resumes(void **state)
{
	struct ring *g = *state;

	g->f.declined = true;
	expect(g, VERDICT_HOLD, CAUSE_DECLINED);
	g->f.continue_anyway = true;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	g->f.continue_anyway = false;
	g->f.first = false;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
}

static void missing_telemetry_holds_at_less_than_half(void **state)
{
	struct ring *g = *state;

	g->f.checkins_expected = 100;
	g->f.checkins_seen = 50;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	g->f.checkins_seen = 49;
	expect(g, VERDICT_HOLD, CAUSE_TELEMETRY);
	assert_true(verdict_cause_ends_itself(g->r.cause));
}

static void more_than_a_fifth_left_out_holds(void **state)
{
	struct ring *g = *state;

	add(g, 8, OUTCOME_PENDING);
	add(g, 1, OUTCOME_AWAY);
	add(g, 1, OUTCOME_ENVIRONMENT);
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	sequence_set(g->q, 1, OUTCOME_AWAY, T0);
	expect(g, VERDICT_HOLD, CAUSE_LEFT_OUT);
}

static void the_deadline_holds_and_asks(void **state)
{
	struct ring *g = *state;

	add(g, 5, OUTCOME_SURVIVED);
	g->f.now = T0 + g->f.ring->deadline_s - 1;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	g->f.now++;
	expect(g, VERDICT_HOLD, CAUSE_DEADLINE);
	assert_false(verdict_cause_ends_itself(g->r.cause));
	g->f.continue_anyway = true;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
}

static void a_small_ring_passes_by_covering_it(void **state)
{
	struct ring *g = *state;

	g->f.eligible = 4;
	add(g, 3, OUTCOME_SURVIVED);
	g->f.members_survived = 3;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
	add(g, 1, OUTCOME_SURVIVED);
	g->f.members_survived = 4;
	g->f.bound_at = T0 - g->f.ring->soak_s;
	expect(g, VERDICT_PASS, CAUSE_COVERAGE);
	assert_true(g->r.by_coverage && g->r.coverage_ring);
	assert_true(g->r.excluded_rate > 0.527 && g->r.excluded_rate < 0.528);
	assert_non_null(strstr(g->r.sentence, "coverage"));
}

static void coverage_needs_three_survivors_and_four_fifths_of_the_members(void **state)
{
	struct ring *g = *state;

	for (uint32_t members = 1; members <= 21; members++)
		for (uint32_t survived = 0; survived <= members; survived++)
			for (uint32_t away = 0; away + survived <= members; away++) {
				g->f.eligible = members;
				g->f.members_survived = survived;
				g->f.members_away = away;
				judge(g);
				assert_int_equal(g->r.bound_reached,
						 survived >= 3 && survived * 5 >= members * 4 && survived + away == members);
			}
	g->f.eligible = g->f.members_survived = 22;     /* large enough for the statistical pass */
	g->f.members_away = 0;
	judge(g);
	assert_false(g->r.bound_reached);
}

static void one_failure_or_loss_makes_coverage_impossible_and_asks(void **state)
{
	static const enum outcome bad[] = { OUTCOME_FAILED, OUTCOME_LOST };
	struct ring *g = *state;

	g->f.eligible = 4;
	add(g, 1, OUTCOME_PENDING);
	add(g, 3, OUTCOME_SURVIVED);
	g->f.members_survived = 3;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		sequence_set(g->q, 1, bad[i], T0);
		expect(g, VERDICT_HOLD, CAUSE_COVERAGE_IMPOSSIBLE);
	}
	g->f.continue_anyway = true;
	expect(g, VERDICT_CONTINUE, CAUSE_RUNNING);
}

static void coverage_asks_a_person_where_the_policy_says_so(void **state)
{
	struct ring *g = *state;
	struct policy_ring asks = *g->f.ring;

	asks.coverage = COVERAGE_APPROVE;
	asks.soak_s = 0;
	g->f.ring = &asks;
	g->f.eligible = g->f.members_survived = 3;
	add(g, 3, OUTCOME_SURVIVED);
	expect(g, VERDICT_HOLD, CAUSE_COVERAGE_APPROVE);
	g->f.coverage_approved = true;
	expect(g, VERDICT_PASS, CAUSE_COVERAGE);
}

static void a_halt_beats_every_hold_and_a_hold_every_pass(void **state)
{
	struct ring *g = *state;

	add(g, 30, OUTCOME_SURVIVED);
	g->f.bound_at = T0 - g->f.ring->soak_s;
	expect(g, VERDICT_PASS, CAUSE_BOUND);
	g->f.operator_hold = true;
	expect(g, VERDICT_HOLD, CAUSE_OPERATOR);
	add(g, 4, OUTCOME_FAILED);
	expect(g, VERDICT_HALT, CAUSE_EVIDENCE);
}

static void the_places_in_flight_double_with_what_survived_up_to_the_cap(void **state)
{
	const struct policy_ring r = { .m0 = 10, .cap = 50 };

	(void)state;
	assert_int_equal(verdict_in_flight(&r, 0), 10);
	assert_int_equal(verdict_in_flight(&r, 30), 30);
	assert_int_equal(verdict_in_flight(&r, 5000), 50);
}

static void names_of_causes_round_trip(void **state)
{
	(void)state;
	for (int c = CAUSE_NONE; c <= CAUSE_RUNNING; c++)
		assert_int_equal(verdict_cause_parse(verdict_cause_name(c)), c);
	assert_int_equal(verdict_cause_parse("mood"), -1);
}

#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, ring_open, ring_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(so_many_strata_are_covered_as_the_policy_says),
		RING_TEST(hours_in_which_a_ring_is_closed_do_not_count_toward_its_deadline),
		RING_TEST(the_emergency_lane_shortens_the_soak_and_nothing_else),
		RING_TEST(a_clean_ring_passes_after_its_bound_and_its_soak),
		RING_TEST(two_fresh_failures_halt_the_first_ring),
		RING_TEST(a_halt_names_the_stratum_that_has_all_failures),
		RING_TEST(losses_alone_hold_until_the_background_is_known),
		RING_TEST(a_stratum_that_fails_halts_among_thousands_that_do_not),
		RING_TEST(a_stratum_that_is_lost_holds_until_the_background_is_known),
		RING_TEST(a_bound_over_all_does_not_pass_a_stratum_that_was_hardly_tried),
		RING_TEST(at_the_deadline_a_person_may_let_a_stratum_go_that_cannot_be_tried),
		RING_TEST(the_deadline_says_when_offers_may_only_wait_for_a_restart),
		RING_TEST(what_p0_would_fit_is_said_from_the_measured_background),
		RING_TEST(silence_of_the_offered_halts_at_its_share_of_alpha),
		RING_TEST(a_crash_by_the_content_halts_only_the_first_ring),
		RING_TEST(a_contract_refusal_in_the_first_ring_holds_until_a_person_resumes),
		RING_TEST(missing_telemetry_holds_at_less_than_half),
		RING_TEST(more_than_a_fifth_left_out_holds),
		RING_TEST(the_deadline_holds_and_asks),
		RING_TEST(a_small_ring_passes_by_covering_it),
		RING_TEST(coverage_needs_three_survivors_and_four_fifths_of_the_members),
		RING_TEST(one_failure_or_loss_makes_coverage_impossible_and_asks),
		RING_TEST(coverage_asks_a_person_where_the_policy_says_so),
		RING_TEST(a_halt_beats_every_hold_and_a_hold_every_pass),
		RING_TEST(the_places_in_flight_double_with_what_survived_up_to_the_cap),
		RING_TEST(names_of_causes_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
