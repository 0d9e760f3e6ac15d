/* test_gate_exact: the errors of every shipped gate, as numbers and not by chance. */
#include "rollout/gate.h"
#include "rollout/gate_exact.h"
#include "rollout/policy.h"
#include "tests/test.h"

#define OFFERS 5000
#define HALT_OFFERS 20000

static struct policy *shipped(void)
{
	static const char *const names[] = { "canary", "early", "broad" };
	struct policy *p = NULL;
	struct err e;

	assert_ok(policy_default(&p, "edr", names, 3, &e));
	return p;
}

static void content_at_p1_passes_no_default_more_often_than_beta(void **state)
{
	AUTO(policy) struct policy *p = shipped();
	struct gate_bracket bad, good;
	struct err e;

	(void)state;
	for (size_t i = 0; i < p->count; i++) {
		const struct policy_ring *r = &p->rings[i];

		assert_ok(gate_exact_pass(&bad, r->p0, r->p1, r->beta, r->p1, OFFERS, &e));
		assert_ok(gate_exact_pass(&good, r->p0, r->p1, r->beta, r->p0, OFFERS, &e));
		printf("# %s: passes with %.4g..%.4g at p1 (beta %g), with %.5g..%.5g at p0 within %d offers\n", r->name, bad.low,
		       bad.high, r->beta, good.low, good.high, OFFERS);
		assert_true(bad.low <= bad.high && bad.high <= r->beta && bad.high - bad.low < 0.01 * r->beta);
		assert_true(good.low > 0.999);
	}
}

static void content_at_p0_halts_no_default_more_often_than_its_share_of_alpha(void **state)
{
	AUTO(policy) struct policy *p = shipped();
	struct gate_bracket bad, good;
	struct err e;

	(void)state;
	for (size_t i = 0; i < p->count; i++) {
		const struct policy_ring *r = &p->rings[i];
		double share = POLICY_SHARE_POOLED * r->alpha;

		assert_ok(gate_exact_halt(&good, r->p0, r->p1, share, r->p0, HALT_OFFERS, &e));
		assert_ok(gate_exact_halt(&bad, r->p0, r->p1, share, r->p1, OFFERS, &e));
		printf("# %s: halts with %.4g..%.4g at p0 within %d offers (share of alpha %g), with %.6f..%.6f at p1 within %d\n", r->name,
		       good.low, good.high, HALT_OFFERS, share, bad.low, bad.high, OFFERS);
		assert_true(good.low <= good.high && good.high <= share);
		assert_true(good.high < 1.1 * good.low);
		assert_true(bad.low > 0.9999);
	}
}

/* Every path of `left` more offers, one by one. */
static void follow(struct gate_halt halt, struct gate_pass pass, const struct gate_rates *r, double alpha, double beta, double rate,
		   int left, double mass, double *halts, double *passes)
{
	for (int bad = 0; bad < 2 && left > 0; bad++) {
		enum gate_sign s = bad ? GATE_BAD : GATE_CLEAN;
		double share = mass * (bad ? rate : 1 - rate);
		struct gate_halt h = halt;
		struct gate_pass p = pass;

		if (halts)
			gate_halt_step(&h, r, s);
		if (passes)
			gate_pass_step(&p, s);
		if (halts && gate_halts(&h, alpha))
			*halts += share;
		else if (passes && gate_passes(gate_lambda(&p, r), beta))
			*passes += share;
		else
			follow(h, p, r, alpha, beta, rate, left - 1, share, halts, passes);
	}
}

static void it_agrees_with_every_path_walked_one_by_one(void **state)
{
	static const struct { double p0, p1, alpha, beta, rate; } cases[] = {
		{ 0.005, 0.2, 0.002, 0.2, 0.1 }, { 0.05, 0.5, 0.05, 0.05, 0.05 }, { 0.05, 0.5, 0.05, 0.05, 0.5 }, { 0.3, 0.6, 0.2, 0.2, 0.45 },
	};
	struct gate_bracket halt, pass;
	struct gate_rates r;
	struct gate_halt h;
	struct err e;

	(void)state;
	gate_halt_init(&h);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		double halts = 0, passes = 0;

		gate_rates(&r, cases[i].p0, cases[i].p1);
		follow(h, (struct gate_pass){ 0 }, &r, cases[i].alpha, cases[i].beta, cases[i].rate, 16, 1, &halts, NULL);
		follow(h, (struct gate_pass){ 0 }, &r, cases[i].alpha, cases[i].beta, cases[i].rate, 16, 1, NULL, &passes);
		assert_ok(gate_exact_halt(&halt, cases[i].p0, cases[i].p1, cases[i].alpha, cases[i].rate, 16, &e));
		assert_ok(gate_exact_pass(&pass, cases[i].p0, cases[i].p1, cases[i].beta, cases[i].rate, 16, &e));
		if (halt.low > halts + 1e-12 || halt.high < halts - 1e-12 || pass.low > passes + 1e-12 || pass.low < passes - 1e-12 ||
		    pass.high < passes - 1e-12)
			fail_msg("case %zu: halts %.9g not in %.9g..%.9g, or passes %.9g not %.9g", i, halts, halt.low, halt.high, passes, pass.low);
	}
}

static void certain_content_is_judged_with_certainty(void **state)
{
	struct gate_bracket b;
	struct err e;

	(void)state;
	assert_ok(gate_exact_pass(&b, 0.005, 0.2, 1e-2, 0, 21, &e));
	assert_true(b.low == 0 && b.high == 1);
	assert_ok(gate_exact_pass(&b, 0.005, 0.2, 1e-2, 0, 22, &e));
	assert_true(b.low == 1);
	assert_ok(gate_exact_halt(&b, 0.005, 0.2, 0.002, 1, 1, &e));
	assert_true(b.high == 0);
	assert_ok(gate_exact_halt(&b, 0.005, 0.2, 0.002, 1, 2, &e));
	assert_true(b.low == 1 && b.high == 1);
}

static void numbers_that_are_no_gate_are_refused(void **state)
{
	struct gate_bracket b;
	struct err e;

	(void)state;
	assert_refused(gate_exact_pass(&b, 0.2, 0.1, 0.01, 0.1, 10, &e), ERR_USAGE, "0.2");
	assert_refused(gate_exact_halt(&b, 0.1, 0.2, 0, 0.1, 10, &e), ERR_USAGE, "probabilities");
	assert_refused(gate_exact_halt(&b, 0.1, 0.2, 0.1, 0.1, 2000000, &e), ERR_LIMIT, "2000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_at_p1_passes_no_default_more_often_than_beta),
		cmocka_unit_test(content_at_p0_halts_no_default_more_often_than_its_share_of_alpha),
		cmocka_unit_test(it_agrees_with_every_path_walked_one_by_one),
		cmocka_unit_test(certain_content_is_judged_with_certainty),
		cmocka_unit_test(numbers_that_are_no_gate_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
