#include <math.h>
#include <time.h>

#include "base/clock.h"
#include "rollout/sequence.h"
#include "tests/test.h"

static uint64_t seed = 88172645463325252u;

static uint32_t roll(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

static bool near(long double a, long double b)
{
	return a == b || fabsl(a - b) <= 1e-12L * fmaxl(fabsl(a), fabsl(b));
}

static void assert_same(const struct sequence_sums *a, const struct sequence_sums *b)
{
	assert_int_equal(a->offers, b->offers);
	assert_memory_equal(a->of, b->of, sizeof a->of);
	assert_int_equal(a->open, b->open);
	assert_int_equal(a->prefix, b->prefix);
	assert_true(near(a->lambda, b->lambda));
	assert_true(near(a->max_e, b->max_e) && near(a->max_e_known, b->max_e_known));
	assert_int_equal(a->max_at, b->max_at);
	assert_int_equal(a->max_at_known, b->max_at_known);
}

/* Mostly survivals, so that the prefix and E both move. */
static enum outcome roll_outcome(void)
{
	return roll(10) < 7 ? OUTCOME_SURVIVED : (enum outcome)roll(OUTCOME_COUNT);
}

static void running_sums_agree_with_the_plain_statement_on_random_histories(void **state)
{
	(void)state;
	for (int run = 0; run < 30; run++) {
		AUTO(sequence) struct sequence *q = NULL;
		enum outcome plain[6000];
		uint32_t count = 0;
		struct sequence_sums fast, slow;
		struct err e;

		assert_ok(sequence_new(&q, 0.002, 0.03, &e));
		for (int step = 0; step < 8000; step++) {
			if (count < ARRAY_LEN(plain) && (count == 0 || roll(2))) {
				assert_ok(sequence_offer(q, roll(5), &e));
				plain[count++] = OUTCOME_PENDING;
			} else {
				uint32_t n = 1 + roll(count);

				plain[n - 1] = roll_outcome();
				sequence_set(q, n, plain[n - 1], step);
			}
			if (roll(200) == 0) {
				sequence_sums(q, &fast);
				sequence_sums_plain(&slow, 0.002, 0.03, plain, count);
				assert_same(&fast, &slow);
			}
		}
	}
}

static void the_order_in_which_outcomes_arrive_does_not_matter(void **state)
{
	AUTO(sequence) struct sequence *forward = NULL, *backward = NULL;
	struct sequence_sums a, b;
	struct err e;

	(void)state;
	assert_ok(sequence_new(&forward, 0.005, 0.2, &e));
	assert_ok(sequence_new(&backward, 0.005, 0.2, &e));
	for (int i = 0; i < 3000; i++) {
		assert_ok(sequence_offer(forward, 0, &e));
		assert_ok(sequence_offer(backward, 0, &e));
	}
	for (uint32_t n = 1; n <= 3000; n++) {
		sequence_set(forward, n, n % 97 ? OUTCOME_SURVIVED : OUTCOME_FAILED, n);
		sequence_set(backward, 3001 - n, (3001 - n) % 97 ? OUTCOME_SURVIVED : OUTCOME_FAILED, n);
		if (n % 500 == 0)
			sequence_sums(backward, &b);
	}
	sequence_sums(forward, &a);
	sequence_sums(backward, &b);
	assert_same(&a, &b);
}

static void lost_counts_against_the_pass_but_not_in_the_known_e(void **state)
{
	AUTO(sequence) struct sequence *q = NULL;
	struct sequence_sums s;
	struct err e;

	(void)state;
	assert_ok(sequence_new(&q, 0.005, 0.2, &e));
	for (int i = 0; i < 2; i++)
		assert_ok(sequence_offer(q, 0, &e));
	sequence_set(q, 1, OUTCOME_LOST, 1);
	sequence_set(q, 2, OUTCOME_LOST, 2);
	sequence_sums(q, &s);
	assert_true(s.lambda > 0);
	assert_true(s.max_e >= 500 && s.max_e_known == 1);
	assert_int_equal(s.max_at_known, 0);
}

static void a_stratum_whose_first_two_end_badly_is_blocked_and_others_are_not(void **state)
{
	AUTO(sequence) struct sequence *q = NULL;
	struct err e;

	(void)state;
	assert_ok(sequence_new(&q, 0.005, 0.2, &e));
	for (int i = 0; i < 6; i++)
		assert_ok(sequence_offer(q, i % 2 ? 7 : 3, &e));
	sequence_set(q, 5, OUTCOME_FAILED, 10);
	sequence_set(q, 2, OUTCOME_SURVIVED, 11);
	sequence_set(q, 4, OUTCOME_FAILED, 12);
	sequence_set(q, 6, OUTCOME_FAILED, 13);
	assert_false(sequence_stratum_blocked(q, 3));
	sequence_set(q, 1, OUTCOME_ENVIRONMENT, 14);    /* no observation */
	assert_false(sequence_stratum_blocked(q, 3));
	sequence_set(q, 3, OUTCOME_LOST, 15);
	assert_true(sequence_stratum_blocked(q, 3));
	assert_false(sequence_stratum_blocked(q, 7));
	assert_int_equal(sequence_strata_blocked(q), 1);
	sequence_set(q, 5, OUTCOME_VOID, 16);           /* taken back by an operator */
	assert_false(sequence_stratum_blocked(q, 3));
	assert_false(sequence_stratum_blocked(q, 4000));
}

static void a_survivor_that_fails_later_still_counts_as_one_of_the_first_two(void **state)
{
	AUTO(sequence) struct sequence *q = NULL;
	struct err e;

	(void)state;
	assert_ok(sequence_new(&q, 0.005, 0.2, &e));
	for (int i = 0; i < 3; i++)
		assert_ok(sequence_offer(q, 0, &e));
	sequence_set(q, 1, OUTCOME_SURVIVED, 1);
	sequence_set(q, 2, OUTCOME_FAILED, 2);
	sequence_set(q, 3, OUTCOME_SURVIVED, 3);
	assert_false(sequence_stratum_blocked(q, 0));
	sequence_set(q, 1, OUTCOME_FAILED, 4);
	assert_true(sequence_stratum_blocked(q, 0));
}

/* From nothing but strata and outcomes in order, the slow way. */
static void strata_plain(struct strata_mean *out, const struct sequence *q, uint32_t strata, bool with_lost)
{
	struct gate_halt each[8];
	struct gate_rates r;

	gate_rates(&r, 0.005, 0.2);
	for (uint32_t i = 0; i < strata; i++)
		gate_halt_init(&each[i]);
	*out = (struct strata_mean){ .max = 1 };
	for (uint32_t n = 1; n <= sequence_count(q); n++) {
		enum outcome o = sequence_get(q, n);
		uint32_t at = MIN(sequence_stratum(q, n), strata - 1);
		long double mean = 0;

		gate_halt_step(&each[at], &r, o == OUTCOME_FAILED || (o == OUTCOME_LOST && with_lost) ? GATE_BAD :
			       outcome_left_out(o) ? GATE_OUT : GATE_CLEAN);
		for (uint32_t i = 0; i < strata; i++)
			mean += each[i].e / strata;
		if (mean > out->max)
			*out = (struct strata_mean){ mean, n, at };
	}
}

static void the_mean_over_the_strata_agrees_with_the_plain_statement(void **state)
{
	static const enum outcome some[] = { OUTCOME_SURVIVED, OUTCOME_SURVIVED, OUTCOME_SURVIVED, OUTCOME_PENDING, OUTCOME_AWAY, OUTCOME_FAILED, OUTCOME_LOST };
	AUTO(sequence) struct sequence *q = NULL;
	struct strata_mean all, known;
	struct sequence_sums s;
	unsigned chance = 5;
	struct err e;

	(void)state;
	assert_ok(sequence_new(&q, 0.005, 0.2, &e));
	assert_ok(sequence_freeze(q, 5, &e));
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 60; i++)
			assert_ok(sequence_offer(q, (uint32_t)rand_r(&chance) % 7, &e));
		for (int i = 0; i < 4; i++)
			sequence_set(q, 1 + (uint32_t)rand_r(&chance) % sequence_count(q), some[rand_r(&chance) % ARRAY_LEN(some)], round);
		sequence_sums(q, &s);
		strata_plain(&all, q, 5, true);
		strata_plain(&known, q, 5, false);
		if (fabsl(s.strata.max - all.max) > 1e-9L * all.max || fabsl(s.strata_known.max - known.max) > 1e-9L * known.max ||
		    s.strata.at != all.at || s.strata.stratum != all.stratum)
			fail_msg("round %d: %.12Lg at %u instead of %.12Lg at %u", round, s.strata.max, s.strata.at, all.max, all.at);
	}
	assert_refused(sequence_freeze(q, 5, &e), ERR_INTERNAL, "cannot be frozen");
}

static void what_is_no_offer_is_ignored_and_too_many_strata_are_refused(void **state)
{
	AUTO(sequence) struct sequence *q = NULL;
	struct sequence_sums s;
	struct err e;

	(void)state;
	assert_ok(sequence_new(&q, 0.005, 0.2, &e));
	sequence_set(q, 0, OUTCOME_FAILED, 1);
	sequence_set(q, 1, OUTCOME_FAILED, 1);
	sequence_sums(q, &s);
	assert_int_equal(s.offers, 0);
	assert_true(s.max_e == 1 && s.lambda == 0);
	assert_refused(sequence_offer(q, SEQUENCE_STRATA_MAX, &e), ERR_LIMIT, "stratum");
}

static void a_ring_of_a_million_is_judged_again_in_far_less_than_a_second(void **state)
{
	AUTO(sequence) struct sequence *q = NULL;
	struct sequence_sums s;
	struct err e;
	int64_t begin, spent;

	(void)state;
	assert_ok(sequence_new(&q, 0.001, 0.01, &e));
	for (uint32_t n = 1; n <= 1000000; n++) {
		assert_ok(sequence_offer(q, n % 50, &e));
		sequence_set(q, n, OUTCOME_SURVIVED, n);
	}
	sequence_sums(q, &s);
	begin = clock_cpu_us();
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 1000; k++)
			assert_ok(sequence_offer(q, 0, &e));
		sequence_set(q, sequence_count(q) - 200000, OUTCOME_FAILED, 1);
		sequence_sums(q, &s);
	}
	spent = clock_cpu_us() - begin;
	printf("# one verdict over %u offers with a change 200,000 back: %lld us\n", s.offers, (long long)spent / 100);
	assert_true(spent / 100 < 500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(running_sums_agree_with_the_plain_statement_on_random_histories),
		cmocka_unit_test(the_order_in_which_outcomes_arrive_does_not_matter),
		cmocka_unit_test(lost_counts_against_the_pass_but_not_in_the_known_e),
		cmocka_unit_test(a_stratum_whose_first_two_end_badly_is_blocked_and_others_are_not),
		cmocka_unit_test(a_survivor_that_fails_later_still_counts_as_one_of_the_first_two),
		cmocka_unit_test(the_mean_over_the_strata_agrees_with_the_plain_statement),
		cmocka_unit_test(what_is_no_offer_is_ignored_and_too_many_strata_are_refused),
		cmocka_unit_test(a_ring_of_a_million_is_judged_again_in_far_less_than_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
