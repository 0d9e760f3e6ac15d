#include <math.h>

#include "base/file.h"
#include "base/json.h"
#include "rollout/policy.h"
#include "rollout/silence.h"
#include "tests/test.h"

static bool close_to(long double got, const struct json *want)
{
	long double w = strtold(want->u.text, NULL);

	return fabsl(got - w) <= 1e-9L * fabsl(w);
}

static uint64_t number(const struct json *v)
{
	int64_t n;

	assert_true(json_to_int(v, &n) && n >= 0);
	return (uint64_t)n;
}

static void every_vector_of_silence_is_reproduced(void **state)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	AUTO_FREE char *path = file_join(shared ? shared : "../shared", "conformance/gates/vectors.json");
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *doc = NULL;
	const struct json *all;
	struct err e;

	(void)state;
	if (!path || file_read(&text, path, 16 << 20, &e) < 0)
		skip_named("no ../shared/conformance/gates/vectors.json");
	assert_ok(json_parse(&doc, "vectors", text->data, text->len, NULL, &e));
	all = json_get(doc->root, "silence");
	assert_true(all->count >= 40);
	for (size_t i = 0; i < all->count; i++) {
		const struct json *events = json_get(&all->u.items[i], "events");
		struct silence s;

		silence_init(&s);
		for (size_t k = 0; k < events->count; k++) {
			const struct json *v = events->u.items[k].u.items;

			silence_event(&s, number(&v[0]) == 1, number(&v[1]), number(&v[2]));
		}
		if (!close_to(s.max, json_get(&all->u.items[i], "max_mean_w")) ||
		    !close_to(silence_mean(&s), json_get(&all->u.items[i], "last_mean_w")))
			fail_msg("vector %zu: max %.9Lg, last %.9Lg", i, s.max, silence_mean(&s));
	}
}

static void with_one_side_only_the_test_is_unarmed_and_never_halts(void **state)
{
	struct silence s;

	(void)state;
	silence_init(&s);
	for (int i = 0; i < 1000; i++) {
		silence_event(&s, true, 1000, 0);
		silence_event(&s, false, 0, 1000);
	}
	assert_int_equal(s.armed, 0);
	assert_false(silence_halts(&s, 0.2 * POLICY_SHARE_SILENCE));
}

static void offered_endpoints_alone_falling_silent_halt_and_a_night_for_both_does_not(void **state)
{
	double share = POLICY_SHARE_SILENCE * 0.005;
	struct silence bad, night;

	(void)state;
	silence_init(&bad);
	silence_init(&night);
	for (uint64_t i = 0; i < 10; i++)
		silence_event(&bad, true, 50 - i, 500);
	for (uint64_t i = 0; i < 100; i++)
		silence_event(&night, i % 2 == 0, 100 - i / 2, 100 - i / 2);
	assert_true(silence_halts(&bad, share));
	assert_false(silence_halts(&night, share));
}

static void ties_count_one_by_one_in_the_rings_order(void **state)
{
	struct silence_found f[] = {
		{ .at = 20, .order = 1, .group = 0, .treated = true },
		{ .at = 10, .order = 9, .group = 0, .treated = false },
		{ .at = 10, .order = 2, .group = 0, .treated = true },
		{ .at = 10, .order = 5, .group = 1, .treated = true },
	};
	uint32_t at_risk[2] = { 3, 0 }, waiting[2] = { 7, 4 };

	(void)state;
	silence_ties(f, 4, at_risk, waiting);
	assert_int_equal(f[0].order, 2);
	assert_int_equal(f[0].at_risk, 5);      /* 3 are heard of, 2 fall silent, itself included */
	assert_int_equal(f[0].waiting, 8);
	assert_int_equal(f[1].order, 5);
	assert_int_equal(f[1].at_risk, 1);
	assert_int_equal(f[1].waiting, 4);
	assert_int_equal(f[2].order, 9);
	assert_int_equal(f[2].at_risk, 4);
	assert_int_equal(f[2].waiting, 8);
	assert_int_equal(f[3].order, 1);
	assert_int_equal(f[3].at_risk, 4);
	assert_int_equal(f[3].waiting, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_of_silence_is_reproduced),
		cmocka_unit_test(with_one_side_only_the_test_is_unarmed_and_never_halts),
		cmocka_unit_test(offered_endpoints_alone_falling_silent_halt_and_a_night_for_both_does_not),
		cmocka_unit_test(ties_count_one_by_one_in_the_rings_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
