#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "rollout/gate.h"
#include "rollout/policy.h"
#include "tests/test.h"

#define RELATIVE 1e-9L

/* The shared vectors, or NULL when this checkout has none beside it. */
struct vectors {
	struct buf *text;
	struct json_doc *doc;
};

static int open_vectors(void **state)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	AUTO_FREE char *path = file_join(shared ? shared : "../shared", "conformance/gates/vectors.json");
	struct vectors *v = calloc(1, sizeof *v);
	struct err e;

	if (v && path && file_read(&v->text, path, 16 << 20, &e) == 0 &&
	    json_parse(&v->doc, "vectors", v->text->data, v->text->len, NULL, &e) < 0)
		return -1;
	*state = v;
	return v ? 0 : -1;
}

static int close_vectors(void **state)
{
	struct vectors *v = *state;

	json_free(v->doc);
	buf_free(v->text);
	free(v);
	return 0;
}

static const struct json *rows(void **state, const char *key)
{
	struct vectors *v = *state;

	return v->doc ? json_get(v->doc->root, key) : NULL;
}

static const char *text_of(const struct json *row, const char *key)
{
	const struct json *v = json_get(row, key);

	assert_non_null(v);
	return v->u.text;
}

static int64_t int_of(const struct json *row, const char *key)
{
	int64_t v;

	assert_true(json_to_int(json_get(row, key), &v));
	return v;
}

static bool close_to(long double got, const char *want)
{
	long double w = strtold(want, NULL);

	return fabsl(got - w) <= RELATIVE * fmaxl(fabsl(w), 1e-3L);
}

static enum gate_sign sign_of(char c)
{
	return c == '1' ? GATE_BAD : c == '0' ? GATE_CLEAN : GATE_OPEN;
}

static void every_vector_of_pass_and_halt_is_reproduced(void **state)
{
	const struct json *all = rows(state, "pass_and_halt");

	if (!all)
		skip_named("no ../shared/conformance/gates/vectors.json");
	assert_true(all->count >= 100);
	for (size_t i = 0; i < all->count; i++) {
		const struct json *row = &all->u.items[i];
		struct gate_rates r;
		struct gate_pass pass = { 0 };
		struct gate_halt halt;
		double beta = strtod(text_of(row, "beta"), NULL);

		gate_rates(&r, strtod(text_of(row, "p0"), NULL), strtod(text_of(row, "p1"), NULL));
		gate_halt_init(&halt);
		for (const char *c = text_of(row, "outcomes"); *c; c++) {
			gate_pass_step(&pass, sign_of(*c));
			gate_halt_step(&halt, &r, sign_of(*c));
		}
		if (!close_to(gate_lambda(&pass, &r), text_of(row, "lambda")) ||
		    gate_prefix(&pass) != (uint64_t)int_of(row, "resolved_prefix") ||
		    gate_passes(gate_lambda(&pass, &r), beta) != (json_get(row, "pass")->type == JSON_TRUE) ||
		    !close_to(halt.max_e, text_of(row, "max_e")) || halt.max_at != (uint64_t)int_of(row, "max_e_at") ||
		    gate_halts(&halt, 1.0 / 500) != (json_get(row, "halt_at_500")->type == JSON_TRUE))
			fail_msg("vector %zu of ring %s: lambda %.12g, prefix %llu, max E %.9Lg at %llu", i, text_of(row, "ring"),
				 gate_lambda(&pass, &r), (unsigned long long)gate_prefix(&pass), halt.max_e,
				 (unsigned long long)halt.max_at);
	}
}

static void the_shipped_defaults_show_what_the_vectors_say(void **state)
{
	static const char *const names[] = { "canary", "early", "broad" };
	const struct json *all = rows(state, "defaults");
	AUTO(policy) struct policy *p = NULL;
	struct err e;

	if (!all)
		skip_named("no ../shared/conformance/gates/vectors.json");
	assert_ok(policy_default(&p, "edr", names, 3, &e));
	for (size_t i = 0; i < all->count; i++) {
		const struct json *row = &all->u.items[i], *after = json_get(row, "failures_to_halt_after_clean");
		const struct policy_ring *r = policy_find(p, text_of(row, "ring"));
		double share = POLICY_SHARE_POOLED * r->alpha;

		assert_true(close_to(r->p0, text_of(row, "p0")) && close_to(r->p1, text_of(row, "p1")) && close_to(r->beta, text_of(row, "beta")));
		assert_int_equal(gate_clean_to_pass(r->p0, r->p1, r->beta), int_of(row, "clean_to_pass"));
		assert_int_equal(gate_failures_to_halt(r->p0, r->p1, share, 0), int_of(row, "fresh_failures_to_halt_at_500"));
		for (size_t k = 0; k < after->count; k++) {
			int64_t want;

			assert_true(json_to_int(&after->u.members[k].value, &want));
			assert_int_equal(gate_failures_to_halt(r->p0, r->p1, share, strtoull(after->u.members[k].key.text, NULL, 10)), want);
		}
	}
}

/* Exactly, not by simulation: for the pass test (n, failures) is the whole state. */
static double probability_to_pass(const struct policy_ring *r, double rate, unsigned limit)
{
	double *at = calloc(limit + 2, sizeof *at), passed = 0;
	struct gate_rates g;

	assert_non_null(at);
	gate_rates(&g, r->p0, r->p1);
	at[0] = 1;
	for (unsigned n = 1; n <= limit; n++) {
		for (unsigned bad = n; bad > 0; bad--)
			at[bad] = at[bad] * (1 - rate) + at[bad - 1] * rate;
		at[0] *= 1 - rate;
		for (unsigned bad = 0; bad <= n; bad++)
			if (at[bad] > 0 && gate_passes(bad * g.ln_bad + (n - bad) * g.ln_clean, r->beta)) {
				passed += at[bad];
				at[bad] = 0;
			}
	}
	free(at);
	return passed;
}

static void content_that_fails_at_p1_passes_with_at_most_beta(void **state)
{
	static const struct policy_ring rings[] = {
		{ .p0 = 0.005, .p1 = 0.2, .beta = 1e-2 },
		{ .p0 = 0.002, .p1 = 0.03, .beta = 1e-3 },
		{ .p0 = 0.001, .p1 = 0.01, .beta = 1e-4 },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rings); i++) {
		double bad = probability_to_pass(&rings[i], rings[i].p1, 4000);
		double good = probability_to_pass(&rings[i], rings[i].p0, 4000);

		printf("# ring %zu: passes with %.3g at p1 (beta %.3g), with %.4f at p0 within 4000 offers\n", i, bad, rings[i].beta, good);
		assert_true(bad <= rings[i].beta * (1 + 1e-9));
		assert_true(good > 0.98);
	}
}

/*
 * The halt test's state is a real number that depends on the path, so follow
 * every path; what falls below 1e-12 is not followed and counts as a halt, so
 * the answer is an upper bound.
 */
static double halts_within(struct gate_halt g, const struct gate_rates *r, double rate, double alpha, unsigned depth, double mass)
{
	struct gate_halt clean = g, bad = g;

	if (gate_halts(&g, alpha))
		return mass;
	if (depth == 0 || mass < 1e-12)
		return mass < 1e-12 ? mass : 0;
	gate_halt_step(&clean, r, GATE_CLEAN);
	gate_halt_step(&bad, r, GATE_BAD);
	return halts_within(clean, r, rate, alpha, depth - 1, mass * (1 - rate)) +
	       halts_within(bad, r, rate, alpha, depth - 1, mass * rate);
}

static void content_that_fails_at_p0_halts_with_at_most_alpha(void **state)
{
	static const double rates[][2] = { { 0.005, 0.2 }, { 0.002, 0.03 }, { 0.001, 0.01 } };
	double share = POLICY_SHARE_POOLED * 0.005;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct gate_rates r;
		struct gate_halt g;
		double p;

		gate_rates(&r, rates[i][0], rates[i][1]);
		gate_halt_init(&g);
		p = halts_within(g, &r, r.p0, share, 60, 1);
		printf("# ring %zu: halts with %.3g at p0 within 60 offers (share of alpha %.3g)\n", i, p, share);
		assert_true(p <= share);
		assert_true(halts_within(g, &r, 1, share, 10, 1) == 1);
	}
}

static void an_open_offer_ends_the_pass_prefix_and_only_delays_the_halt(void **state)
{
	struct gate_rates r;
	struct gate_pass pass = { 0 };
	struct gate_halt known, open;

	(void)state;
	gate_rates(&r, 0.005, 0.2);
	gate_halt_init(&known);
	gate_halt_init(&open);
	gate_pass_step(&pass, GATE_CLEAN);
	gate_pass_step(&pass, GATE_OPEN);
	gate_pass_step(&pass, GATE_CLEAN);
	assert_int_equal(gate_prefix(&pass), 1);
	gate_halt_step(&known, &r, GATE_CLEAN);
	gate_halt_step(&open, &r, GATE_OPEN);
	assert_true(known.e == open.e);
}

static void what_is_left_out_moves_neither_test(void **state)
{
	struct gate_rates r;
	struct gate_pass pass = { 0 };
	struct gate_halt g;

	(void)state;
	gate_rates(&r, 0.005, 0.2);
	gate_halt_init(&g);
	for (int i = 0; i < 100; i++) {
		gate_pass_step(&pass, GATE_OUT);
		gate_halt_step(&g, &r, GATE_OUT);
	}
	assert_int_equal(gate_prefix(&pass), 100);
	assert_true(gate_lambda(&pass, &r) == 0);
	assert_true(fabsl(g.e - 1) < 1e-12L);
}

static void three_clean_endpoints_exclude_little_and_a_thousand_much(void **state)
{
	(void)state;
	assert_true(fabs(gate_excluded_rate(3) - 0.6316) < 1e-4);
	assert_true(fabs(gate_excluded_rate(1000) - 0.002991) < 1e-6);
	assert_true(gate_excluded_rate(0) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_of_pass_and_halt_is_reproduced),
		cmocka_unit_test(the_shipped_defaults_show_what_the_vectors_say),
		cmocka_unit_test(content_that_fails_at_p1_passes_with_at_most_beta),
		cmocka_unit_test(content_that_fails_at_p0_halts_with_at_most_alpha),
		cmocka_unit_test(an_open_offer_ends_the_pass_prefix_and_only_delays_the_halt),
		cmocka_unit_test(what_is_left_out_moves_neither_test),
		cmocka_unit_test(three_clean_endpoints_exclude_little_and_a_thousand_much),
	};

	return cmocka_run_group_tests(tests, open_vectors, close_vectors);
}
