/* test_gate_background: what may be said about a rate of loss that nobody caused. */
#include <math.h>

#include "rollout/gate_background.h"
#include "tests/test.h"

/* P(at most `lost` of so many), added up. */
static double at_most(uint64_t placebos, uint64_t lost, double rate)
{
	double n = (double)placebos, sum = 0;

	for (uint64_t i = 0; i <= lost; i++) {
		double k = (double)i;

		sum += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(rate) + (n - k) * log1p(-rate));
	}
	return sum;
}

static void the_bound_is_where_so_few_losses_come_once_in_forty(void **state)
{
	static const uint64_t cases[][2] = { { 10, 0 }, { 10, 9 }, { 100, 1 }, { 1000, 3 }, { 20000, 53 }, { 1000000, 0 }, { 1000000, 700 } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		double b = gate_background_upper(cases[i][0], cases[i][1]);

		if (fabs(at_most(cases[i][0], cases[i][1], b) - 0.025) > 1e-6)
			fail_msg("%llu of %llu: %.9g, where %.6f is left", (unsigned long long)cases[i][1], (unsigned long long)cases[i][0], b,
				 at_most(cases[i][0], cases[i][1], b));
		assert_true(b > (double)cases[i][1] / (double)cases[i][0]);
	}
	/* without a loss: 1 - 0.025^(1/n) */
	assert_true(fabs(gate_background_upper(100, 0) - (1 - pow(0.025, 0.01))) < 1e-9);
}

static void it_is_unknown_at_first_and_when_all_are_lost(void **state)
{
	(void)state;
	assert_true(gate_background_upper(0, 0) == 1);
	assert_true(gate_background_upper(7, 7) == 1);
	assert_false(gate_background_known(0.005, 0, 0));
	assert_false(gate_background_known(0.005, 1000, 0));
	assert_true(gate_background_known(0.005, 2000, 0));
	assert_false(gate_background_known(0.005, 2000, 2));
}

static void so_many_quiet_placebos_make_it_known_and_one_less_does_not(void **state)
{
	static const double rates[] = { 0.005, 0.002, 0.001 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		uint64_t n = gate_background_needed(rates[i]);

		printf("# p0 %g: known after %llu placebo offers without a loss\n", rates[i], (unsigned long long)n);
		assert_true(gate_background_known(rates[i], n, 0));
		assert_false(gate_background_known(rates[i], n - 1, 0));
	}
}

static void the_p0_that_is_named_fits(void **state)
{
	(void)state;
	for (uint64_t lost = 0; lost < 200; lost += 7) {
		double p0 = gate_background_p0(20000, lost);

		assert_true(gate_background_known(p0, 20000, lost));
		assert_false(gate_background_known(p0 * 0.89, 20000, lost));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bound_is_where_so_few_losses_come_once_in_forty),
		cmocka_unit_test(it_is_unknown_at_first_and_when_all_are_lost),
		cmocka_unit_test(so_many_quiet_placebos_make_it_known_and_one_less_does_not),
		cmocka_unit_test(the_p0_that_is_named_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
