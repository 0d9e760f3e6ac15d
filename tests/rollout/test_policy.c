#include "base/file.h"
#include "rollout/policy.h"
#include "schema/embedded.h"
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

		policy_exposure(&x, p, i, 0, 0);
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

/* Every member at another value than its default. */
static const char full[] =
	"{\"format\":1,\"channel\":\"edr\",\"checkin_s\":200,\"emergency\":{\"count\":3,\"role\":\"admin\"},\"rings\":[{\"name\":\"a\"},"
	"{\"name\":\"b\",\"p0\":0.003,\"p1\":0.04,\"alpha\":0.004,\"beta\":0.002,\"m0\":51,\"cap\":2001,\"soak_s\":1,\"emergency_soak_s\":7,"
	"\"observe_s\":3601,\"deadline_s\":259201,\"boots\":1,\"probation_s\":601,\"min_age_s\":3,\"coverage\":\"approve\",\"promote\":\"manual\","
	"\"permit\":\"required\",\"audit_first\":true,\"effects\":\"halt\",\"effects_ratio\":6,\"effects_least\":101,\"effects_cpu_ms_s\":11,"
	"\"effects_rss_bytes\":12,\"effects_load_ms\":13,\"last_share\":0.25,\"strata\":[\"os\",\"arch\"],\"strata_survivors\":6,\"strata_covered\":2,"
	"\"approvals\":{\"count\":2,\"role\":\"operator\"},\"lag\":{\"bundles\":1,\"hours\":24},"
	"\"windows\":[{\"days\":\"mon-fri\",\"from\":\"22:00\",\"to\":\"05:00\",\"zone\":\"Europe/Berlin\"}],"
	"\"freezes\":[{\"from\":\"2026-12-20\",\"to\":\"2027-01-03\",\"zone\":\"UTC\",\"reason\":\"year end\"}]}]}";

static void every_member_comes_through_reading_and_writing(void **state)
{
	AUTO(policy) struct policy *p = NULL, *back = NULL;
	AUTO(buf) struct buf *text = buf_new(POLICY_MAX), *again = buf_new(POLICY_MAX);
	const struct policy_ring *r;
	struct err e;

	(void)state;
	assert_ok(parse(&p, full, &e));
	assert_ok(policy_write(text, p, &e));
	assert_ok(parse(&back, text->data, &e));
	assert_ok(policy_write(again, back, &e));
	assert_string_equal(text->data, again->data);
	r = &back->rings[1];
	assert_int_equal(back->emergency.count, 3);
	assert_string_equal(back->emergency.role, "admin");
	assert_true(r->last_share == 0.25 && r->strata == (1u << STRATUM_OS | 1u << STRATUM_ARCH));
	assert_int_equal(r->strata_survivors, 6);
	assert_int_equal(r->strata_covered, 2);
	assert_int_equal(r->approvals.count, 2);
	assert_string_equal(r->approvals.role, "operator");
	assert_int_equal(r->lag_bundles, 1);
	assert_int_equal(r->lag_hours, 24);
	assert_int_equal(r->effects_cpu_ms_s, 11);
	assert_int_equal(r->effects_rss_bytes, 12);
	assert_int_equal(r->effects_load_ms, 13);
	assert_int_equal(r->emergency_soak_s, 7);
	assert_int_equal(r->calendar.windows.count, 1);
	assert_int_equal(r->calendar.freeze_count, 1);
	assert_string_equal(r->calendar.freezes[0].reason, "year end");
	/* the emergency lane never soaks for longer */
	assert_int_equal(policy_soak_s(r, true), 1);
	assert_int_equal(policy_soak_s(&p->rings[0], true), 600);
	assert_int_equal(policy_soak_s(&p->rings[0], false), 3600);
}

static void same_members(const struct json *written, const struct json *properties, const char *only_read)
{
	for (uint32_t i = 0; i < written->count; i++)
		if (!json_get(properties, written->u.members[i].key.text))
			fail_msg("%s is written and not in the schema", written->u.members[i].key.text);
	for (uint32_t i = 0; i < properties->count; i++)
		if (!json_get(written, properties->u.members[i].key.text) && strcmp(properties->u.members[i].key.text, only_read) != 0)
			fail_msg("%s is in the schema and not written", properties->u.members[i].key.text);
}

/* Whoever adds a member to the one adds it to the other; examples of each are in tests/schema/published. */
static void the_schema_names_exactly_the_members_that_are_written(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	AUTO(buf) struct buf *text = buf_new(POLICY_MAX), *file = NULL;
	AUTO(json) struct json_doc *d = NULL, *schema = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&p, full, &e));
	assert_ok(policy_write(text, p, &e));
	assert_ok(json_parse(&d, "written", text->data, text->len, NULL, &e));
	assert_ok(file_read(&file, "schema/policy.schema.json", 1 << 20, &e));
	assert_ok(json_parse(&schema, "schema", file->data, file->len, NULL, &e));
	same_members(d->root, json_get(schema->root, "properties"), "needs");
	same_members(&json_get(d->root, "rings")->u.items[1], json_get(json_get(json_get(schema->root, "$defs"), "ring"), "properties"), "");
}

/* Between backquotes, in the tables. */
static void named_in(const struct buf *page, const struct json *properties)
{
	char quoted[80];

	for (uint32_t i = 0; i < properties->count; i++) {
		snprintf(quoted, sizeof quoted, "`%s`", properties->u.members[i].key.text);
		if (!strstr(page->data, quoted))
			fail_msg("docs/policies.md says nothing of %s", quoted);
	}
}

static void the_manual_names_every_member(void **state)
{
	AUTO(buf) struct buf *file = NULL, *page = NULL;
	AUTO(json) struct json_doc *schema = NULL;
	struct err e;

	(void)state;
	assert_ok(file_read(&page, "docs/policies.md", 1 << 20, &e));
	assert_ok(file_read(&file, "schema/policy.schema.json", 1 << 20, &e));
	assert_ok(json_parse(&schema, "schema", file->data, file->len, NULL, &e));
	named_in(page, json_get(schema->root, "properties"));
	named_in(page, json_get(json_get(json_get(schema->root, "$defs"), "ring"), "properties"));
}

static void the_schema_that_programs_carry_is_the_published_one(void **state)
{
	AUTO(buf) struct buf *file = NULL;
	AUTO(json) struct json_doc *doc = NULL, *d = NULL;
	AUTO(schema) struct schema *s = NULL;
	struct err e;

	(void)state;
	assert_ok(file_read(&file, "schema/policy.schema.json", 1 << 20, &e));
	assert_int_equal(embedded_policy_end - embedded_policy, file->len);
	assert_memory_equal(embedded_policy, file->data, file->len);
	assert_ok(embedded_compile(&s, &doc, "policy.schema.json", embedded_policy, embedded_policy_end, &e));
	assert_ok(json_parse(&d, "full", full, sizeof full - 1, NULL, &e));
	assert_ok(schema_check(s, d, d->root, NULL, &e));
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
	policy_exposure(&x, p, 0, 4, 0);
	assert_int_equal(x.worst_exposed, 4);
	assert_true(x.by_coverage);
	policy_exposure(&x, p, 0, 40, 0);
	assert_int_equal(x.worst_exposed, 10);
	assert_false(x.by_coverage);
	/* 10, 10, 20: three waves of 600 s, and the soak */
	assert_int_equal(x.best_s, 3 * 600 + 3600);
	/* a required restart takes its own time in each wave */
	p->rings[0].boots = 2;
	policy_exposure(&x, p, 0, 40, 0);
	assert_int_equal(x.best_s, 3 * (600 + 2 * 120) + 3600);
	p->rings[0].boots = 0;
	policy_exposure(&x, p, 2, 8500000, 0);
	assert_int_equal(x.worst_exposed, 500);
	/* without permits nobody waits: one wave, and it is everybody */
	p->rings[2].permit_required = false;
	policy_exposure(&x, p, 2, 8500000, 0);
	assert_int_equal(x.worst_exposed, 8500000);
	assert_int_equal(x.best_s, p->rings[2].probation_s + p->rings[2].boots * 120 + p->rings[2].soak_s);
	assert_true(x.best_s > 0 && x.best_s < p->rings[2].deadline_s);
}

static void windows_and_freezes_count_into_the_best_case(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	struct policy_exposure x;
	struct err e;
	int64_t friday = 1780614000;    /* 2026-06-04T23:00:00Z: an hour before it */

	(void)state;
	assert_ok(parse(&p, "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"windows\":[{\"days\":\"fri\",\"from\":\"00:00\",\"to\":\"00:15\","
			"\"zone\":\"UTC\"}],\"freezes\":[{\"from\":\"2026-06-12\",\"to\":\"2026-06-12\",\"zone\":\"UTC\"}]}]}", &e));
	assert_ok(policy_resolve(p, &e));
	/* 10, 10, 20: of three waves of ten minutes two begin on the first Friday, the next Friday is frozen, one begins on the third */
	policy_exposure(&x, p, 0, 40, friday);
	assert_int_equal(x.best_s, 3600 + 14 * 86400 + 600 + 3600);
	assert_ok(policy_check_size(p, 0, 40, friday, &e));
}

static void a_ring_that_never_opens_again_is_refused(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&p, "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"a\",\"freezes\":[{\"from\":\"2000-01-01\",\"to\":\"9999-12-30\","
			"\"zone\":\"UTC\"}],\"windows\":[{\"days\":\"sun\",\"from\":\"02:00\",\"to\":\"02:10\",\"zone\":\"UTC\"}]}]}", &e));
	assert_ok(policy_resolve(p, &e));
	assert_refused(policy_check_size(p, 0, 0, 1780000000, &e), ERR_REFUSED, "does not open within ten years");
}

static void a_ring_that_cannot_pass_with_its_size_is_refused(void **state)
{
	AUTO(policy) struct policy *p = NULL;
	struct err e;

	(void)state;
	assert_ok(policy_default(&p, "edr", three, 3, &e));
	for (size_t i = 0; i < 3; i++) {
		assert_ok(policy_check_size(p, i, 0, 0, &e));
		assert_refused(policy_check_size(p, i, 2, 0, &e), ERR_REFUSED, "2 endpoints it can never pass");
		assert_ok(policy_check_size(p, i, 3, 0, &e));
		assert_ok(policy_check_size(p, i, 8500000, 0, &e));
	}
	/* 1,018 survivors one after the other, ten minutes each, are more than a day */
	p->rings[2].m0 = p->rings[2].cap = 1;
	p->rings[2].deadline_s = 86400;
	assert_refused(policy_check_size(p, 2, 5000, 0, &e), ERR_REFUSED, "ring broad");
	assert_ok(policy_check_size(p, 2, 100, 0, &e));
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
	policy_exposure(&x, p, 0, 7, 0);
	assert_in_range(x.best_s, 1, 1000000);
	p->rings[0].cap = 0;
	policy_exposure(&x, p, 0, 7, 0);
	assert_in_range(x.best_s, 1, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_shipped_policy_is_the_table_of_the_design),
		cmocka_unit_test(what_is_written_parses_to_the_same),
		cmocka_unit_test(every_member_comes_through_reading_and_writing),
		cmocka_unit_test(the_schema_names_exactly_the_members_that_are_written),
		cmocka_unit_test(the_manual_names_every_member),
		cmocka_unit_test(the_schema_that_programs_carry_is_the_published_one),
		cmocka_unit_test(windows_and_freezes_count_into_the_best_case),
		cmocka_unit_test(a_ring_that_never_opens_again_is_refused),
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
