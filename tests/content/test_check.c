/* test_check: what static validation finds, and with which words. */
#include "content_tree.h"

#include "content/bundle.h"
#include "content/canary.h"
#include "content/check.h"
#include "schema/contract.h"

#define DEMO_CONTRACT "deploy/demo/contract.json"

static const char contract_text[] =
	"{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1],"
	"\"templates\":{\"t\":{\"fields\":[{\"name\":\"image\",\"type\":\"path\"},{\"name\":\"n\",\"type\":\"integer\"},"
	"{\"name\":\"kind\",\"type\":\"enum\",\"values\":[\"a\",\"b\"]}]}},"
	"\"limits\":{\"files\":2,\"bytes\":4096,\"rules\":3}},"
	"\"list\":{\"versions\":[1],\"schema\":{\"type\":\"object\",\"required\":[\"items\"],"
	"\"properties\":{\"items\":{\"maxItems\":2}}}}},"
	"\"ceilings\":{},\"protected\":[\"/sbin/init\",\"/usr/lib/keep/\"]}";

static struct contract *a_contract(void)
{
	struct contract *c = NULL;
	struct err e = { 0 };

	assert_ok(contract_parse(&c, "contract", contract_text, sizeof(contract_text) - 1, &e));
	return c;
}

static struct check_report *report_of(const struct content_tree *t, const struct contract *c)
{
	struct check_report *r = NULL;
	struct err e = { 0 };

	assert_ok(check_content(&r, &(struct check_job){ .dir = t->dir, .manifest = t->manifest, .contract = c }, &e));
	return r;
}

static const struct check_finding *finding(const struct check_report *r, const char *words)
{
	for (size_t i = 0; i < r->count; i++)
		if (strstr(r->items[i].sentence, words))
			return &r->items[i];
	return NULL;
}

/* The report of one rules file against the contract above has this finding. */
static void expect(const char *rules, enum check_severity severity, const char *reason, const char *words)
{
	const struct content_file files[] = { { "rules/a.json", "rules", rules }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(contract) struct contract *c = a_contract();
	AUTO(check_report) struct check_report *r = report_of(t, c);
	const struct check_finding *f = finding(r, words);

	if (!f) {
		for (size_t i = 0; i < r->count; i++)
			fprintf(stderr, "  has: %s\n", r->items[i].sentence);
		fail_msg("no finding \"%s\"", words);
		return;
	}
	assert_int_equal(f->severity, severity);
	assert_string_equal(f->reason, reason);
	assert_string_equal(f->file, "rules/a.json");
}

#define T(fields) "\"templates\":[{\"name\":\"t\",\"fields\":[" fields "]}]"
#define IMAGE "{\"name\":\"image\",\"type\":\"path\"}"
#define N "{\"name\":\"n\",\"type\":\"integer\"}"
#define KIND(values) "{\"name\":\"kind\",\"type\":\"enum\",\"values\":[" values "]}"
#define ALL IMAGE "," N "," KIND("\"a\",\"b\"")
#define RULE(id, verdict, match) \
	"{\"id\":\"" id "\",\"template\":\"t\",\"verdict\":\"" verdict "\",\"match\":{" match "}}"
#define F(templates, rules) "{\"format\":1," templates ",\"instances\":[" rules "]}"

/* ---- July 2024 ---- */

/* A directory of the demo, built and unpacked as it travels. */
static struct content_tree *demo_tree(const char *name)
{
	struct content_tree *t = calloc(1, sizeof(*t));
	struct bundle_options options = BUNDLE_OPTIONS_NONE;
	AUTO(bundle) struct bundle *b = NULL;
	struct err e = { 0 };
	char dir[200], archive[260], slot[260];

	assert_non_null(t);
	snprintf(dir, sizeof(dir), "deploy/demo/%s", name);
	content_temp(t->path);
	snprintf(archive, sizeof(archive), "%s/a.tar.gz", t->path);
	snprintf(slot, sizeof(slot), "%s/slot", t->path);
	assert_ok(bundle_build(&b, dir, &options, &e));
	assert_ok(file_replace(archive, b->archive->data, b->archive->len, 0644, &e));
	assert_ok(bundle_unpack(archive, NULL, t->path, "slot", &t->manifest, NULL, &e));
	t->dir = open(slot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(t->dir >= 0);
	return t;
}

static void field_21_for_a_sensor_that_supplies_20_is_refused_by_name(void **state)
{
	AUTO(content_tree) struct content_tree *t = demo_tree("edr-21");
	AUTO(contract) struct contract *c = NULL;
	AUTO(check_report) struct check_report *r = NULL;
	struct buf text = { 0 };
	struct err e = { 0 };

	(void)state;
	assert_ok(contract_load(&c, DEMO_CONTRACT, &e));
	r = report_of(t, c);
	assert_int_equal(r->errors, 1);
	assert_refused(check_verdict(r, &e), ERR_REFUSED,
		       "rules/ipc.json:25:7: template ipc: field 21 \"pipe_flags\" (integer): "
		       "the contract of ringhold-sensor 7.11 supplies 20 fields");
	assert_string_equal(check_reason(r), "contract");
	check_finding_text(&text, finding(r, "field 21"));
	assert_non_null(strstr(text.data, "rules/ipc.json:25:7: template ipc: field 21 \"pipe_flags\""));
	buf_release(&text);
}

static void the_demo_s_other_bundles_pass(void **state)
{
	static const char *const names[] = { "edr-good", "edr-bootbomb" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(content_tree) struct content_tree *t = demo_tree(names[i]);
		AUTO(contract) struct contract *c = NULL;
		AUTO(check_report) struct check_report *r = NULL;
		struct err e = { 0 };

		assert_ok(contract_load(&c, DEMO_CONTRACT, &e));
		r = report_of(t, c);
		assert_ok(check_verdict(r, &e));
		assert_null(check_reason(r));
	}
}

/* The bomb kills a sensor at boot only: nothing before that may find it. */
static void the_demo_s_other_bundles_survive_the_canary(void **state)
{
	static const char *const names[] = { "edr-good", "edr-bootbomb" };
	AUTO(buf) struct buf *contract = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(file_read(&contract, DEMO_CONTRACT, 1 << 20, &e));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(content_tree) struct content_tree *t = demo_tree(names[i]);
		char slot[260];
		struct canary_job job = { .slot = slot, .contract = contract->data, .contract_len = contract->len };
		struct canary_result r;

		snprintf(slot, sizeof(slot), "%s/slot", t->path);
		assert_ok(canary_run(&job, &r, &e));
		if (r.outcome != CANARY_OK)
			fail_msg("%s: %s", names[i], r.sentence);
		fprintf(stderr, "%s: %llu rules, load %lld ms, %lld bytes, %lld us an event, %lld ms in all\n", names[i],
			(unsigned long long)r.rules, (long long)r.load_ms, (long long)r.rss_bytes, (long long)r.us_per_event,
			(long long)r.wall_ms);
	}
}

static void without_a_contract_only_the_format_counts(void **state)
{
	AUTO(content_tree) struct content_tree *t = demo_tree("edr-21");
	AUTO(check_report) struct check_report *r = report_of(t, NULL);
	struct err e = { 0 };

	(void)state;
	assert_ok(check_verdict(r, &e));
}

/* ---- the contract ---- */

static void templates_are_held_against_the_contract_place_by_place(void **state)
{
	(void)state;
	expect(F(T(N "," IMAGE), ""), CHECK_ERROR, "contract",
	       "template t: field 1 \"n\" (integer): the contract of s 1 supplies \"image\" (path) there");
	expect(F(T("{\"name\":\"image\",\"type\":\"string\"}"), ""), CHECK_ERROR, "contract",
	       "field 1 \"image\" (string): the contract of s 1 supplies \"image\" (path) there");
	expect(F(T(ALL ",{\"name\":\"x\",\"type\":\"ip\"}"), ""), CHECK_ERROR, "contract",
	       "field 4 \"x\" (ip): the contract of s 1 supplies 3 fields");
	expect(F("\"templates\":[{\"name\":\"u\",\"fields\":[" N "]}]", ""), CHECK_ERROR, "contract",
	       "template u: the contract of s 1 does not supply it");
	expect(F(T(IMAGE "," N "," KIND("\"a\",\"z\"")), ""), CHECK_WARNING, "contract",
	       "never supplies the value \"z\"");
}

static void fewer_fields_than_the_sensor_supplies_are_fine(void **state)
{
	const struct content_file files[] = { { "rules/a.json", "rules", F(T(IMAGE), "") }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(contract) struct contract *c = a_contract();
	AUTO(check_report) struct check_report *r = report_of(t, c);

	(void)state;
	assert_int_equal(r->errors, 0);
}

static void types_and_versions_the_sensor_does_not_accept_are_refused(void **state)
{
	const struct content_file files[] = { { "a.yar", "yara", "rule a { condition: true }" }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(contract) struct contract *c = a_contract();
	AUTO(check_report) struct check_report *r = NULL;

	(void)state;
	t->manifest->requires = calloc(1, sizeof(*t->manifest->requires));
	t->manifest->requires[0].type = strdup("rules");
	t->manifest->requires[0].version = strdup("2");
	t->manifest->require_count = 1;
	r = report_of(t, c);
	assert_int_equal(r->errors, 2);
	assert_non_null(finding(r, "no self-tests: nothing shows"));
	assert_non_null(finding(r, "requires rules 2: contract s 1: version 2"));
	assert_non_null(finding(r, "content of type \"yara\": contract s 1: the content type \"yara\" is not accepted"));
}

static void limits_of_the_contract_are_named(void **state)
{
	const struct content_file files[] = {
		{ "a.json", "rules", F(T(IMAGE), RULE("a", "alert", "") "," RULE("b", "alert", "") "," RULE("c", "alert", "")
						 "," RULE("d", "alert", "")) },
		{ "b.json", "rules", "{\"format\":1}" },
		{ "c.json", "rules", "{\"format\":1}" },
		{ 0 },
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(contract) struct contract *c = a_contract();
	AUTO(check_report) struct check_report *r = report_of(t, c);

	(void)state;
	assert_non_null(finding(r, "3 files, the contract of s 1 allows 2"));
	assert_non_null(finding(r, "more than the 3 rules allowed"));
	assert_string_equal(check_reason(r), "contract");
}

static void the_contract_s_own_schema_is_applied(void **state)
{
	const struct content_file files[] = {
		{ "a.json", "list", "{\n \"items\": [1,2,3]}" }, { "b.json", "list", "{}" }, { "c.json", "list", "{" }, { 0 },
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(contract) struct contract *c = a_contract();
	AUTO(check_report) struct check_report *r = report_of(t, c);
	const struct check_finding *f = finding(r, "/items: ");

	(void)state;
	assert_int_equal(r->errors, 3);
	assert_non_null(f);
	assert_string_equal(f->file, "a.json");
	assert_int_equal(f->line, 2);
	assert_string_equal(f->reason, "contract");
}

/* ---- rules ---- */

static void every_fault_is_found_not_only_the_first(void **state)
{
	const struct content_file files[] = {
		{ "a.json", "rules", F(T(ALL), RULE("a", "alert", "\"zz\":{\"equals\":1}") ",\n" RULE("b", "nuke", "")) },
		{ "b.json", "rules", "{\"format\":1,\"instances\":[" RULE("c", "alert", "\"n\":{\"prefix\":\"1\"}") "]}" },
		{ 0 },
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(check_report) struct check_report *r = report_of(t, NULL);

	(void)state;
	assert_int_equal(r->errors, 3);
	assert_non_null(finding(r, "instance a: field \"zz\": template t has no such field"));
	assert_non_null(finding(r, "verdict \"nuke\""));
	assert_int_equal(finding(r, "verdict \"nuke\"")->line, 2);
	assert_non_null(finding(r, "instance c: field \"n\" (integer): \"prefix\" does not fit type integer"));
	assert_string_equal(finding(r, "instance c")->file, "b.json");
	assert_string_equal(finding(r, "instance c")->subject, "c");
	assert_string_equal(check_reason(r), "lint");
}

static void unknown_members_are_warned_about(void **state)
{
	(void)state;
	expect("{\"format\":1,\"instanses\":[]}", CHECK_WARNING, "lint", "unknown member \"instanses\"");
}

static void destructive_verdicts_on_protected_objects_are_refused(void **state)
{
	static const char *const bad[] = {
		RULE("x", "block", "\"image\":{\"equals\":\"/sbin/init\"}"),
		RULE("x", "quarantine", "\"image\":{\"prefix\":\"/sbin\"}"),
		RULE("x", "block", "\"image\":{\"suffix\":\"init\"}"),
		RULE("x", "block", "\"image\":{\"glob\":\"/**\"}"),
		RULE("x", "block", "\"image\":{\"regex\":\"^/sbin/\"}"),
		RULE("x", "block", "\"image\":{\"contains\":\"/lib/keep/\"}"),
		RULE("x", "block", "\"image\":{\"set\":[\"/a\",\"/usr/lib/keep/b\"]},\"n\":{\"equals\":3}"),
	};
	char text[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text), F(T(ALL), "%s"), bad[i]);
		expect(text, CHECK_ERROR, "protected", "the protected object /");
	}
	/* Something else narrows it: perhaps what the author means. */
	expect(F(T(ALL), RULE("x", "block", "\"image\":{\"prefix\":\"/sbin\"},\"n\":{\"equals\":3}")), CHECK_WARNING,
	       "protected", "the protected object /sbin/init");
	expect(F(T(ALL), RULE("x", "block", "")), CHECK_ERROR, "protected", "would block everything");
}

static void other_verdicts_and_other_objects_are_not(void **state)
{
	const struct content_file files[] = {
		{ "rules/a.json", "rules",
		  F(T(ALL), RULE("a", "alert", "\"image\":{\"equals\":\"/sbin/init\"}") ","
			    RULE("b", "block", "\"image\":{\"equals\":\"/sbin/initrd\"}") ","
			    RULE("c", "block", "\"n\":{\"equals\":3}")) },
		{ 0 },
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(contract) struct contract *c = a_contract();
	AUTO(check_report) struct check_report *r = report_of(t, c);

	(void)state;
	assert_int_equal(r->errors, 0);
}

/* ---- self-tests ---- */

static void missing_and_malformed_self_tests_are_found(void **state)
{
	const struct content_file files[] = {
		{ "rules/a.json", "rules", F(T(ALL), RULE("a", "alert", "\"n\":{\"equals\":1}")) },
		{ "test/a.ndjson", "selftest",
		  "{\"event\":{\"template\":\"t\",\"fields\":{\"n\":1}},\"expect\":{\"verdict\":\"alert\",\"rule\":\"gone\"}}\n"
		  "\n{\"event\":{\"template\":\"t\",\"fields\":{\"n\":\"x\"}},\"expect\":{\"verdict\":\"none\"}}\n"
		  "{\"event\":{},\"expect\":{\"verdict\":\"maybe\"}}\n" },
		{ 0 },
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(check_report) struct check_report *r = report_of(t, NULL);

	(void)state;
	assert_int_equal(r->errors, 3);
	assert_int_equal(finding(r, "expects rule gone")->line, 1);
	assert_int_equal(finding(r, "field \"n\": expected a number")->line, 3);
	assert_int_equal(finding(r, "verdict \"maybe\"")->line, 4);
	assert_string_equal(finding(r, "maybe")->file, "test/a.ndjson");
	assert_string_equal(finding(r, "maybe")->reason, "selftest");
}

static void fields_nobody_tries_are_warned_about(void **state)
{
	const struct content_file files[] = {
		{ "rules/a.json", "rules",
		  F(T(ALL), RULE("a", "alert", "\"n\":{\"equals\":1},\"image\":{\"prefix\":\"/x\"}")) },
		{ "test/a.ndjson", "selftest",
		  "{\"event\":{\"template\":\"t\",\"fields\":{\"n\":1,\"image\":\"/x\"}},\"expect\":{\"verdict\":\"alert\"}}\n"
		  "{\"event\":{\"template\":\"t\",\"fields\":{\"n\":2,\"image\":\"/x\"}},\"expect\":{\"verdict\":\"none\"}}\n" },
		{ 0 },
	};
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(check_report) struct check_report *r = report_of(t, NULL);

	(void)state;
	assert_int_equal(r->errors, 0);
	assert_int_equal(r->warnings, 2);
	assert_non_null(finding(r, "field 1 \"image\" (path): no self-test has an event that a matcher on it rejects"));
	assert_non_null(finding(r, "field 3 \"kind\" (enum): every instance leaves it open"));
}

static void a_flood_of_findings_is_cut_and_counted(void **state)
{
	struct buf text = { 0 };
	struct err e = { 0 };

	(void)state;
	buf_adds(&text, "{\"format\":1,\"instances\":[");
	for (int i = 0; i < 1000; i++)
		buf_addf(&text, "%s{\"id\":\"r%d\"}", i ? "," : "", i);
	buf_adds(&text, "]}");
	{
		const struct content_file files[] = { { "a.json", "rules", text.data }, { 0 } };
		AUTO(content_tree) struct content_tree *t = content_tree_new(files);
		AUTO(check_report) struct check_report *r = report_of(t, NULL);

		assert_true(r->cut);
		assert_int_equal(r->count, CHECK_FINDINGS_MAX);
		assert_refused(check_verdict(r, &e), ERR_REFUSED, "a.json:1:");
	}
	buf_release(&text);
}

static void warnings_never_crowd_out_an_error(void **state)
{
	struct buf text = { 0 };
	struct err e = { 0 };

	(void)state;
	buf_adds(&text, "{\"format\":1,");
	for (int i = 0; i < 5000; i++)
		buf_addf(&text, "\"x%d\":1,", i);
	buf_adds(&text, "\"instances\":[{\"id\":\"r\"}]}");
	{
		const struct content_file files[] = { { "a.json", "rules", text.data }, { 0 } };
		AUTO(content_tree) struct content_tree *t = content_tree_new(files);
		AUTO(check_report) struct check_report *r = report_of(t, NULL);

		assert_true(r->warnings >= 50);
		assert_int_equal(r->errors, 2);
		assert_refused(check_verdict(r, &e), ERR_REFUSED, "\"template\" is missing");
	}
	buf_release(&text);
}

static void patterns_too_costly_to_hold_against_protected_objects_are_refused(void **state)
{
	struct buf text = { 0 };
	struct buf contract = { 0 };
	AUTO(contract) struct contract *c = NULL;
	struct err e = { 0 };

	(void)state;
	buf_adds(&contract, "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1]}},\"protected\":[");
	for (int i = 0; i < 1000; i++)
		buf_addf(&contract, "%s\"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa%d\"", i ? "," : "", i);
	buf_adds(&contract, "]}");
	assert_ok(contract_parse(&c, "contract", contract.data, contract.len, &e));
	buf_adds(&text, "{\"format\":1," T(ALL) ",\"instances\":[");
	for (int i = 0; i < 100; i++)
		buf_addf(&text, "%s{\"id\":\"r%d\",\"template\":\"t\",\"verdict\":\"block\",\"match\":{\"image\":"
				"{\"regex\":\"^/(a+){1,3}[bc]\"}}}", i ? "," : "", i);
	buf_adds(&text, "]}");
	{
		const struct content_file files[] = { { "a.json", "rules", text.data }, { 0 } };
		AUTO(content_tree) struct content_tree *t = content_tree_new(files);
		AUTO(check_report) struct check_report *r = report_of(t, c);

		assert_non_null(finding(r, "take too long to hold against the protected objects"));
	}
	buf_release(&text);
	buf_release(&contract);
}

static void a_finding_is_one_line_whatever_the_content_says(void **state)
{
	const struct check_finding f = { .severity = CHECK_ERROR, .file = (char *)"a.json", .line = 1, .column = 2,
					 .sentence = (char *)"bad \"x\x1b[2J\n\"" };
	struct buf text = { 0 };

	(void)state;
	check_finding_text(&text, &f);
	assert_null(strchr(text.data, '\n'));
	assert_null(strchr(text.data, '\x1b'));
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(field_21_for_a_sensor_that_supplies_20_is_refused_by_name),
		cmocka_unit_test(the_demo_s_other_bundles_pass),
		cmocka_unit_test(the_demo_s_other_bundles_survive_the_canary),
		cmocka_unit_test(without_a_contract_only_the_format_counts),
		cmocka_unit_test(templates_are_held_against_the_contract_place_by_place),
		cmocka_unit_test(fewer_fields_than_the_sensor_supplies_are_fine),
		cmocka_unit_test(types_and_versions_the_sensor_does_not_accept_are_refused),
		cmocka_unit_test(limits_of_the_contract_are_named),
		cmocka_unit_test(the_contract_s_own_schema_is_applied),
		cmocka_unit_test(every_fault_is_found_not_only_the_first),
		cmocka_unit_test(unknown_members_are_warned_about),
		cmocka_unit_test(destructive_verdicts_on_protected_objects_are_refused),
		cmocka_unit_test(other_verdicts_and_other_objects_are_not),
		cmocka_unit_test(missing_and_malformed_self_tests_are_found),
		cmocka_unit_test(fields_nobody_tries_are_warned_about),
		cmocka_unit_test(a_flood_of_findings_is_cut_and_counted),
		cmocka_unit_test(warnings_never_crowd_out_an_error),
		cmocka_unit_test(patterns_too_costly_to_hold_against_protected_objects_are_refused),
		cmocka_unit_test(a_finding_is_one_line_whatever_the_content_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
