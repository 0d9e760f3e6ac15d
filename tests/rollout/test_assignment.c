#include "rollout/assignment.h"
#include "tests/test.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* The example of the design, whole; members are taken out or spoilt by the tests. */
static const char *const members[] = {
	"\"format\":1", "\"channel\":\"edr\"", "\"ring\":\"early\"", "\"attempt\":1", "\"issued\":\"2026-01-31T12:00:00Z\"",
	"\"bundle\":{\"path\":\"bundles/edr/110.tar.gz\",\"serial\":110,\"version\":\"2026.1\",\"digest\":\"" HEX_A "\"}",
	"\"permit\":\"required\"", "\"probation\":{\"seconds\":600,\"boots\":1,\"observe\":true}",
	"\"reason\":\"new rules\"",
	"\"previous\":{\"path\":\"bundles/edr/109.tar.gz\",\"serial\":109,\"version\":\"2026.0\",\"digest\":\"" HEX_B "\"}",
	"\"grant\":{\"max_serial\":112,\"reason\":\"back\"}", "\"drop\":[{\"rule\":\"b\",\"reason\":\"noisy\"},{\"rule\":\"a\"}]",
	"\"window\":{\"start\":\"2026-02-01T00:00:00Z\",\"end\":\"2026-02-02T00:00:00Z\"}",
};
#define REQUIRED 8      /* the first so many */

/* All members, with `without` left out (-1: none) and `extra` at the end when not NULL. */
static char *compose(int without, const char *extra)
{
	static char text[4096];
	size_t len = 0;

	text[len++] = '{';
	for (int i = 0; i < (int)ARRAY_LEN(members); i++)
		if (i != without)
			len += (size_t)sprintf(text + len, "%s%s", len > 1 ? "," : "", members[i]);
	if (extra)
		len += (size_t)sprintf(text + len, ",%s", extra);
	sprintf(text + len, "}");
	return text;
}

static int parse(struct assignment **out, const char *text, struct err *e)
{
	return assignment_parse(out, "rings/early/edr.json", text, strlen(text), e);
}

static void the_example_of_the_design_parses_to_what_it_says(void **state)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&a, compose(-1, NULL), &e));
	assert_string_equal(a->bundle.path, "bundles/edr/110.tar.gz");
	assert_int_equal(a->bundle.serial, 110);
	assert_int_equal(a->previous.serial, 109);
	assert_true(a->permit_required && a->granted && a->windowed && a->observe);
	assert_int_equal(a->grant_max_serial, 112);
	assert_int_equal(a->drop_count, 2);
	assert_string_equal(a->drops[0].reason, "noisy");
	assert_int_equal(a->issued, 1769860800);
	assert_int_equal(a->window_end - a->window_start, 86400);
}

static void what_is_written_parses_to_the_same(void **state)
{
	AUTO(assignment) struct assignment *a = NULL, *b = NULL;
	AUTO(buf) struct buf *one = buf_new(0), *two = buf_new(0);
	struct err e;

	(void)state;
	for (int without = REQUIRED; without <= (int)ARRAY_LEN(members); without++) {
		assignment_freep(&a);
		assignment_freep(&b);
		a = b = NULL;
		buf_clear(one);
		buf_clear(two);
		assert_ok(parse(&a, compose(without, NULL), &e));
		assert_ok(assignment_write(one, a, &e));
		assert_ok(assignment_parse(&b, "again", one->data, one->len, &e));
		assert_ok(assignment_write(two, b, &e));
		assert_string_equal(one->data, two->data);
	}
}

static void every_required_member_is_missed_by_name(void **state)
{
	static const char *const names[REQUIRED] = { "format", "channel", "ring", "attempt", "issued", "bundle", "permit", "probation" };
	struct assignment *a = NULL;
	struct err e;

	(void)state;
	for (int i = 0; i < REQUIRED; i++)
		assert_refused(parse(&a, compose(i, NULL), &e), ERR_FORMAT, names[i]);
	assert_null(a);
}

static void unknown_members_are_ignored_and_unknown_needs_refused(void **state)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&a, compose(-1, "\"colour\":{\"deep\":[1]}"), &e));
	assert_true(parse(&a, compose(-1, "\"needs\":[\"telepathy\"]"), &e) < 0);
	assert_non_null(strstr(e.msg, "telepathy"));
}

static void spoilt_members_are_refused(void **state)
{
	static const struct { int member; const char *instead; } bad[] = {
		{ 0, "\"format\":2" }, { 1, "\"channel\":\"ed r\"" }, { 2, "\"ring\":\"-x\"" }, { 3, "\"attempt\":0" }, { 3, "\"attempt\":-1" },
		{ 3, "\"attempt\":18446744073709551616" }, { 4, "\"issued\":\"2026-01-31\"" }, { 4, "\"issued\":1769860800" },
		{ 5, "\"bundle\":null" },
		{ 5, "\"bundle\":{\"path\":\"bundles/edr/111.tar.gz\",\"serial\":110,\"version\":\"v\",\"digest\":\"" HEX_A "\"}" },
		{ 5, "\"bundle\":{\"path\":\"bundles/av/110.tar.gz\",\"serial\":110,\"version\":\"v\",\"digest\":\"" HEX_A "\"}" },
		{ 5, "\"bundle\":{\"path\":\"../edr/110.tar.gz\",\"serial\":110,\"version\":\"v\",\"digest\":\"" HEX_A "\"}" },
		{ 5, "\"bundle\":{\"path\":\"bundles/edr/110.tar.gz\",\"serial\":110,\"version\":\"v\",\"digest\":\"AA\"}" },
		{ 5, "\"bundle\":{\"path\":\"bundles/edr/0.tar.gz\",\"serial\":0,\"version\":\"v\",\"digest\":\"" HEX_A "\"}" },
		{ 6, "\"permit\":\"perhaps\"" }, { 7, "\"probation\":{\"seconds\":-5,\"boots\":1}" }, { 7, "\"probation\":{\"seconds\":600}" },
		{ 10, "\"grant\":{\"max_serial\":0,\"reason\":\"r\"}" }, { 10, "\"grant\":true" }, { 11, "\"drop\":[{\"reason\":\"r\"}]" },
		{ 11, "\"drop\":[{\"rule\":\"\"}]" }, { 11, "\"drop\":[{\"rule\":\"a\\nb\"}]" }, { 11, "\"drop\":[7]" },
		{ 12, "\"window\":{\"start\":\"2026-02-02T00:00:00Z\",\"end\":\"2026-02-01T00:00:00Z\"}" },
	};
	struct assignment *a = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(&a, compose(bad[i].member, bad[i].instead), &e) >= 0 || !strstr(e.msg, "rings/early/edr.json"))
			fail_msg("taken: %s (%s)", bad[i].instead, e.msg);
	assert_null(a);
}

static void truncation_anywhere_is_refused(void **state)
{
	const char *whole = compose(-1, NULL);
	struct assignment *a = NULL;
	struct err e;

	(void)state;
	for (size_t len = 0; len < strlen(whole); len++)
		assert_true(assignment_parse(&a, "cut", whole, len, &e) < 0);
	assert_null(a);
}

static void an_assignment_counts_only_where_its_path_says(void **state)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;
	char path[PATH_LEN_MAX + 1];

	(void)state;
	assert_ok(parse(&a, compose(-1, NULL), &e));
	assert_ok(assignment_check_place(a, "edr", "early", &e));
	assert_refused(assignment_check_place(a, "edr", "broad", &e), ERR_REFUSED, "ring early");
	assert_refused(assignment_check_place(a, "av", "early", &e), ERR_REFUSED, "channel edr");
	assignment_path(path, "early", "edr");
	assert_string_equal(path, "rings/early/edr.json");
	bundle_delta_path(path, "edr", 109, 110);
	assert_string_equal(path, "bundles/edr/109-110.zst");
}

static void what_cannot_be_read_back_is_not_written(void **state)
{
	AUTO(assignment) struct assignment *a = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(parse(&a, compose(-1, NULL), &e));
	a->attempt = 0;
	assert_true(assignment_write(out, a, &e) < 0);
	assert_int_equal(out->len, 0);
}

static void dropped_rules_have_one_digest_whatever_their_order(void **state)
{
	struct assignment_drop ab[] = { { .rule = "a" }, { .rule = "b" } }, ba[] = { { .rule = "b" }, { .rule = "a" } };
	struct assignment none = { 0 }, one = { .drops = ab, .drop_count = 2 }, two = { .drops = ba, .drop_count = 2 };
	struct digest d0, d1, d2, want;
	struct err e;

	(void)state;
	assert_ok(assignment_drop_digest(&d0, &none, &e));
	assert_ok(assignment_drop_digest(&d1, &one, &e));
	assert_ok(assignment_drop_digest(&d2, &two, &e));
	hash_bytes(&want, "a\nb\n", 4);
	assert_true(digest_is_zero(&d0));
	assert_true(digest_equal(&d1, &d2) && digest_equal(&d1, &want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_design_parses_to_what_it_says),
		cmocka_unit_test(what_is_written_parses_to_the_same),
		cmocka_unit_test(every_required_member_is_missed_by_name),
		cmocka_unit_test(unknown_members_are_ignored_and_unknown_needs_refused),
		cmocka_unit_test(spoilt_members_are_refused),
		cmocka_unit_test(truncation_anywhere_is_refused),
		cmocka_unit_test(an_assignment_counts_only_where_its_path_says),
		cmocka_unit_test(what_cannot_be_read_back_is_not_written),
		cmocka_unit_test(dropped_rules_have_one_digest_whatever_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
