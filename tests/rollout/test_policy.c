#include "rollout/policy.h"
#include "tests/test.h"

static const char *const three[] = { "canary", "early", "broad" };

static int parse(struct policy **out, const char *text, struct err *e)
{
	return policy_parse(out, "policy.json", text, strlen(text), e);
}

static void the_shipped_policy_is_the_table_of_the_design(void **state)
{
	static const struct { double p0, p1, beta; int clean, halt, m0, cap, soak, deadline; } want[] = {
		{ 0.005, 0.2, 1e-2, 22, 2, 10, 50, 3600, 86400 },
		{ 0.002, 0.03, 1e-3, 243, 3, 50, 2000, 14400, 259200 },
		{ 0.001, 0.01, 1e-4, 1018, 3, 500, 250000, 0, 1209600 },
	};
	AUTO(policy) struct policy *p = NULL;
	struct err e;

	(void)state;
	assert_ok(policy_default(&p, "edr", three, 3, &e));
	for (size_t i = 0; i < 3; i++) {
		const struct policy_ring *r = &p->rings[i];
		struct policy_exposure x;

		policy_exposure(&x, p, i, 0);
		assert_true(r->p0 == want[i].p0 && r->p1 == want[i].p1 && r->beta == want[i].beta && r->alpha == 0.005);
		assert_int_equal(x.clean_to_pass, want[i].clean);
		assert_int_equal(x.failures_to_halt, want[i].halt);
		assert_int_equal(r->m0, want[i].m0);
		assert_int_equal(r->cap, want[i].cap);
		assert_int_equal(r->soak_s, want[i].soak);
		assert_int_equal(r->deadline_s, want[i].deadline);
		assert_int_equal(r->observe_s, 3600);
		assert_true(r->permit_required);
	}
	assert_int_equal(policy_silence_s(p), 900);
	assert_int_equal(policy_position(p, "broad"), 2);
	assert_null(policy_find(p, "late"));
}

static void what_is_written_parses_to_the_same(void **state)
{
	AUTO(policy) struct policy *p = NULL, *back = NULL;
	AUTO(buf) struct buf *text = buf_new(POLICY_MAX), *again = buf_new(POLICY_MAX);
	struct err e;

	(void)state;
	assert_ok(policy_default(&p, "edr", three, 3, &e));
	p->rings[1].coverage = COVERAGE_APPROVE;
	p->rings[2].promote = PROMOTE_MANUAL;
	p->rings[0].permit_required = false;
	p->rings[0].audit_first = true;
	assert_ok(policy_write(text, p, &e));
	assert_ok(parse(&back, text->data, &e));
	assert_ok(policy_write(again, back, &e));
	assert_string_equal(text->data, again->data);
	assert_memory_equal(p, back, sizeof *p);
}

static void members_left_out_take_the_defaults_of_their_place(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&p, "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\"},{\"name\":\"b\",\"cap\":77}]}", &e));
	assert_int_equal(p->checkin_s, 300);
	assert_true(p->rings[1].p1 == 0.03);
	assert_int_equal(p->rings[1].cap, 77);
	assert_int_equal(p->rings[0].cap, 50);
}

static void a_policy_that_could_not_work_is_refused_by_ring_and_number(void **state)
{
	static const struct { const char *ring, *says; } bad[] = {
		{ "\"probation_s\":3000", "observe_s 3600 is shorter" },
		{ "\"observe_s\":1499,\"probation_s\":600", "at least 1500" },
		{ "\"p0\":0.3", "p0 0.3 and p1 0.2" },
		{ "\"p0\":0.15", "2 p0 <= p1" },
		{ "\"alpha\":0.5", "alpha 0.5" },
		{ "\"beta\":0.9", "beta 0.9" },
		{ "\"m0\":60", "m0 60 is above cap 50" },
		{ "\"deadline_s\":7200", "leaves no time" },
	};
	struct err e;
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct policy *p = NULL;

		snprintf(text, sizeof text, "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",%s}]}", bad[i].ring);
		assert_refused(parse(&p, text, &e), ERR_REFUSED, bad[i].says);
		assert_non_null(strstr(e.msg, "ring a"));
		assert_null(p);
	}
}

static void a_slower_check_in_needs_a_longer_observation(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	struct err e;

	(void)state;
	assert_refused(parse(&p, "{\"format\":1,\"channel\":\"edr\",\"checkin_s\":1200,\"rings\":[{\"name\":\"a\"}]}", &e), ERR_REFUSED, "4200");
}

static void malformed_policies_are_refused_with_their_place(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{\"format\":2,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\"}]}", "{\"format\":1,\"channel\":\"Edr\",\"rings\":[]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[]}", "{\"format\":1,\"channel\":\"edr\",\"rings\":[1]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\"},{\"name\":\"a\"}]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"speed\":1}]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"permit\":\"maybe\"}]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"m0\":-1}]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"boots\":1.5}]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"effects\":\"warn\"}]}",
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"effects_ratio\":0.5}]}",
		"{\"format\":1,\"needs\":[\"tides\"],\"channel\":\"edr\",\"rings\":[{\"name\":\"a\"}]}",
		"{\"format\":1,\"channel\":\"edr\",\"colour\":1,\"rings\":[{\"name\":\"a\"}]}",
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct policy *p = NULL;
		int rc = parse(&p, bad[i], &e);

		if (rc >= 0 || !strstr(e.msg, "policy.json"))
			fail_msg("%s: %d %s", bad[i], rc, e.msg);
	}
}

static void exposure_is_bounded_by_the_ring_and_small_rings_pass_by_coverage(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	struct policy_exposure x;
	struct err e;

	(void)state;
	assert_ok(policy_default(&p, "edr", three, 3, &e));
	policy_exposure(&x, p, 0, 4);
	assert_int_equal(x.worst_exposed, 4);
	assert_true(x.by_coverage);
	policy_exposure(&x, p, 0, 40);
	assert_int_equal(x.worst_exposed, 10);
	assert_false(x.by_coverage);
	/* 10, 10, 20: three waves of 600 s, and the soak */
	assert_int_equal(x.best_s, 3 * 600 + 3600);
	/* a required restart takes its own time in each wave */
	p->rings[0].boots = 2;
	policy_exposure(&x, p, 0, 40);
	assert_int_equal(x.best_s, 3 * (600 + 2 * 120) + 3600);
	p->rings[0].boots = 0;
	policy_exposure(&x, p, 2, 8500000);
	assert_int_equal(x.worst_exposed, 500);
	assert_true(x.best_s > 0 && x.best_s < p->rings[2].deadline_s);
}

static void a_ring_that_cannot_pass_with_its_size_is_refused(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	struct err e;

	(void)state;
	assert_ok(policy_default(&p, "edr", three, 3, &e));
	for (size_t i = 0; i < 3; i++) {
		assert_ok(policy_check_size(p, i, 0, &e));
		assert_refused(policy_check_size(p, i, 2, &e), ERR_REFUSED, "2 endpoints it can never pass");
		assert_ok(policy_check_size(p, i, 3, &e));
		assert_ok(policy_check_size(p, i, 8500000, &e));
	}
	/* 1,018 survivors one after the other, ten minutes each, are more than a day */
	p->rings[2].m0 = p->rings[2].cap = 1;
	p->rings[2].deadline_s = 86400;
	assert_refused(policy_check_size(p, 2, 5000, &e), ERR_REFUSED, "ring broad");
	assert_ok(policy_check_size(p, 2, 100, &e));
}

static void exposure_ends_also_for_numbers_that_nobody_checked(void **state)
{
	static const char *const rings[] = { "canary" };
	AUTO(policy) struct policy *p = NULL;
	struct policy_exposure x;
	struct err e;

	(void)state;
	assert_ok(policy_default(&p, "edr", rings, 1, &e));
	p->rings[0].m0 = 0;
	policy_exposure(&x, p, 0, 7);
	assert_in_range(x.best_s, 1, 1000000);
	p->rings[0].cap = 0;
	policy_exposure(&x, p, 0, 7);
	assert_in_range(x.best_s, 1, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_policy_is_the_table_of_the_design),
		cmocka_unit_test(what_is_written_parses_to_the_same),
		cmocka_unit_test(members_left_out_take_the_defaults_of_their_place),
		cmocka_unit_test(a_policy_that_could_not_work_is_refused_by_ring_and_number),
		cmocka_unit_test(a_slower_check_in_needs_a_longer_observation),
		cmocka_unit_test(malformed_policies_are_refused_with_their_place),
		cmocka_unit_test(exposure_is_bounded_by_the_ring_and_small_rings_pass_by_coverage),
		cmocka_unit_test(a_ring_that_cannot_pass_with_its_size_is_refused),
		cmocka_unit_test(exposure_ends_also_for_numbers_that_nobody_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
