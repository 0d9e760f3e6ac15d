/* test_rules: typed field matching: every matcher on every type, hostile rules, hostile events. */
#include "test.h"

#include "base/clock.h"
#include "content/rules_engine.h"
#include "content/rules_text.h"

#define FIELD(type) "{\"name\":\"f\",\"type\":\"" type "\"}"
#define ENUM_FIELD "{\"name\":\"f\",\"type\":\"enum\",\"values\":[\"low\",\"high\"]}"

static const char *field_of(const char *type)
{
	static char text[200];

	if (strcmp(type, "enum") == 0)
		return ENUM_FIELD;
	snprintf(text, sizeof(text), FIELD("%s"), type);
	return text;
}

static int load_matcher(struct rules **out, const char *type, const char *matcher, struct err *e)
{
	char text[8192];

	snprintf(text, sizeof(text),
		 "{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[%s]}],"
		 "\"instances\":[{\"id\":\"r\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{\"f\":%s}}]}",
		 field_of(type), matcher);
	return rules_from_text(out, text, e);
}

static int match_value(struct rules *r, const char *value, struct detection *out, struct err *e)
{
	char text[8192];

	snprintf(text, sizeof(text), "{\"template\":\"t\",\"fields\":{\"f\":%s}}", value);
	return rules_match_text(r, text, out, e);
}

/* ---- matchers ---- */

static const struct {
	const char *type, *matcher, *value;
	int want;               /* 1 match, 0 none */
} cases[] = {
	{ "string", "{\"any\":true}", "\"x\"", 1 },
	{ "string", "{\"equals\":\"abc\"}", "\"abc\"", 1 },
	{ "string", "{\"equals\":\"abc\"}", "\"abcd\"", 0 },
	{ "string", "{\"equals\":\"abc\"}", "\"abc\\u0000\"", 0 },
	{ "string", "{\"equals\":\"\"}", "\"\"", 1 },
	{ "string", "{\"equals\":\"a\\u0000b\"}", "\"a\\u0000b\"", 1 },
	{ "string", "{\"equals\":\"a\\u0000b\"}", "\"a\\u0000c\"", 0 },
	{ "string", "{\"prefix\":\"ab\"}", "\"abc\"", 1 },
	{ "string", "{\"prefix\":\"ab\"}", "\"a\"", 0 },
	{ "string", "{\"suffix\":\"bc\"}", "\"abc\"", 1 },
	{ "string", "{\"suffix\":\"bc\"}", "\"c\"", 0 },
	{ "string", "{\"contains\":\"b\"}", "\"abc\"", 1 },
	{ "string", "{\"contains\":\"bd\"}", "\"abc\"", 0 },
	{ "string", "{\"set\":[\"b\",\"a\",\"c\"]}", "\"c\"", 1 },
	{ "string", "{\"set\":[\"b\",\"a\",\"c\"]}", "\"d\"", 0 },
	{ "string", "{\"glob\":\"a*c?\"}", "\"a/bc/\"", 1 },
	{ "string", "{\"glob\":\"a*c\"}", "\"abcd\"", 0 },
	{ "string", "{\"glob\":\"?\"}", "\"\\u20ac\"", 1 },
	{ "string", "{\"glob\":\"a\\\\*\"}", "\"a*\"", 1 },
	{ "string", "{\"glob\":\"a\\\\*\"}", "\"ab\"", 0 },
	{ "string", "{\"regex\":\"^a+$\"}", "\"aaa\"", 1 },
	{ "string", "{\"regex\":\"^a+$\"}", "\"aab\"", 0 },
	{ "string", "{\"regex\":\"^a+$\"}", "\"aaa\\n\"", 0 },
	{ "string", "{\"prefix\":\"a\",\"suffix\":\"c\"}", "\"abc\"", 1 },
	{ "string", "{\"prefix\":\"a\",\"suffix\":\"c\"}", "\"abd\"", 0 },
	{ "path", "{\"any\":true}", "\"/\"", 1 },
	{ "path", "{\"equals\":\"/bin/sh\"}", "\"/bin/sh\"", 1 },
	{ "path", "{\"equals\":\"/bin/sh\"}", "\"/bin/sH\"", 0 },
	{ "path", "{\"prefix\":\"/usr/\"}", "\"/usr/bin/nc\"", 1 },
	{ "path", "{\"prefix\":\"/usr/\"}", "\"/us\"", 0 },
	{ "path", "{\"suffix\":\"/nc\"}", "\"/usr/bin/nc\"", 1 },
	{ "path", "{\"suffix\":\"/nc\"}", "\"/usr/bin/sync\"", 0 },
	{ "path", "{\"contains\":\"/.ssh/\"}", "\"/home/u/.ssh/id\"", 1 },
	{ "path", "{\"contains\":\"/.ssh/\"}", "\"/home/u/ssh/id\"", 0 },
	{ "path", "{\"set\":[\"/a\",\"/b\"]}", "\"/b\"", 1 },
	{ "path", "{\"set\":[\"/a\",\"/b\"]}", "\"/c\"", 0 },
	{ "path", "{\"glob\":\"/tmp/*\"}", "\"/tmp/x\"", 1 },
	{ "path", "{\"glob\":\"/tmp/*\"}", "\"/tmp/x/y\"", 0 },
	{ "path", "{\"glob\":\"/tmp/**\"}", "\"/tmp/x/y\"", 1 },
	{ "path", "{\"glob\":\"/**/x\"}", "\"/a/b/x\"", 1 },
	{ "path", "{\"glob\":\"/a?c\"}", "\"/a/c\"", 0 },
	{ "path", "{\"regex\":\"/(ba)?sh$\"}", "\"/bin/bash\"", 1 },
	{ "path", "{\"regex\":\"/(ba)?sh$\"}", "\"/bin/fish\"", 0 },
	{ "integer", "{\"any\":true}", "0", 1 },
	{ "integer", "{\"equals\":-5}", "-5", 1 },
	{ "integer", "{\"equals\":-5}", "5", 0 },
	{ "integer", "{\"set\":[3,1,2]}", "2", 1 },
	{ "integer", "{\"set\":[3,1,2]}", "4", 0 },
	{ "integer", "{\"range\":[1,100]}", "1", 1 },
	{ "integer", "{\"range\":[1,100]}", "100", 1 },
	{ "integer", "{\"range\":[1,100]}", "101", 0 },
	{ "integer", "{\"range\":[null,0]}", "-9223372036854775808", 1 },
	{ "integer", "{\"range\":[0,null]}", "9223372036854775807", 1 },
	{ "integer", "{\"range\":[0,null]}", "-1", 0 },
	{ "ip", "{\"any\":true}", "\"::1\"", 1 },
	{ "ip", "{\"equals\":\"10.0.0.1\"}", "\"10.0.0.1\"", 1 },
	{ "ip", "{\"equals\":\"10.0.0.1\"}", "\"::ffff:10.0.0.1\"", 1 },
	{ "ip", "{\"equals\":\"10.0.0.1\"}", "\"10.0.0.2\"", 0 },
	{ "ip", "{\"equals\":\"2001:db8::1\"}", "\"2001:0db8:0::0001\"", 1 },
	{ "ip", "{\"set\":[\"10.0.0.1\",\"::1\"]}", "\"::1\"", 1 },
	{ "ip", "{\"set\":[\"10.0.0.1\",\"::1\"]}", "\"::2\"", 0 },
	{ "ip", "{\"cidr\":\"10.0.0.0/8\"}", "\"10.255.0.9\"", 1 },
	{ "ip", "{\"cidr\":\"10.0.0.0/8\"}", "\"11.0.0.0\"", 0 },
	{ "ip", "{\"cidr\":\"0.0.0.0/0\"}", "\"1.2.3.4\"", 1 },
	{ "ip", "{\"cidr\":\"0.0.0.0/0\"}", "\"2001:db8::1\"", 0 },
	{ "ip", "{\"cidr\":\"10.0.0.128/25\"}", "\"10.0.0.127\"", 0 },
	{ "ip", "{\"cidr\":\"10.0.0.128/25\"}", "\"10.0.0.129\"", 1 },
	{ "ip", "{\"cidr\":[\"10.0.0.0/8\",\"2001:db8::/33\"]}", "\"2001:db8:7fff::1\"", 1 },
	{ "ip", "{\"cidr\":[\"10.0.0.0/8\",\"2001:db8::/33\"]}", "\"2001:db8:8000::1\"", 0 },
	{ "enum", "{\"any\":true}", "\"low\"", 1 },
	{ "enum", "{\"equals\":\"high\"}", "\"high\"", 1 },
	{ "enum", "{\"equals\":\"high\"}", "\"low\"", 0 },
	{ "enum", "{\"set\":[\"low\",\"high\"]}", "\"high\"", 1 },
	{ "enum", "{\"set\":[\"low\"]}", "\"high\"", 0 },
	{ "enum", "{\"set\":[\"low\",\"high\"]}", "\"a new one\"", 0 },
	{ "bytes", "{\"any\":true}", "\"00\"", 1 },
	{ "bytes", "{\"equals\":\"00ff\"}", "\"00FF\"", 1 },
	{ "bytes", "{\"equals\":\"00ff\"}", "\"00ff00\"", 0 },
	{ "bytes", "{\"equals\":\"\"}", "\"\"", 1 },
	{ "bytes", "{\"prefix\":\"7f454c46\"}", "\"7f454c4602\"", 1 },
	{ "bytes", "{\"prefix\":\"7f454c46\"}", "\"7f454c\"", 0 },
	{ "bytes", "{\"suffix\":\"02\"}", "\"7f454c4602\"", 1 },
	{ "bytes", "{\"suffix\":\"02\"}", "\"0203\"", 0 },
	{ "bytes", "{\"contains\":\"0000\"}", "\"ff0000ff\"", 1 },
	{ "bytes", "{\"contains\":\"0000\"}", "\"f0000fff\"", 0 },
	{ "bytes", "{\"set\":[\"01\",\"02\"]}", "\"02\"", 1 },
	{ "bytes", "{\"set\":[\"01\",\"02\"]}", "\"0102\"", 0 },
};

static void every_matcher_means_what_its_name_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(rules) struct rules *r = NULL;
		struct detection got;
		struct err e = { 0 };

		assert_ok(load_matcher(&r, cases[i].type, cases[i].matcher, &e));
		assert_ok(match_value(r, cases[i].value, &got, &e));
		if ((got.action == DETECTION_ALERT) != cases[i].want)
			fail_msg("%s %s on %s: %s", cases[i].type, cases[i].matcher, cases[i].value,
				 detection_name(got.action));
		assert_int_equal(got.matches, cases[i].want);
		assert_string_equal(got.rule, cases[i].want ? "r" : "");
	}
}

static void every_pair_of_matcher_and_type_is_decided(void **state)
{
	static const struct { const char *type, *value; } types[] = {
		{ "string", "\"a\"" }, { "integer", "1" },    { "ip", "\"10.0.0.0\"" },
		{ "path", "\"/a\"" },  { "enum", "\"low\"" }, { "bytes", "\"0a\"" },
	};

	(void)state;
	for (size_t t = 0; t < ARRAY_LEN(types); t++)
		for (int k = 0; k < RULES_KINDS; k++) {
			AUTO(rules) struct rules *r = NULL;
			struct err e = { 0 };
			enum rules_type type;
			char matcher[100];
			const char *value = types[t].value;

			assert_true(rules_type_parse(&type, types[t].type));
			snprintf(matcher, sizeof(matcher),
				 k == RULES_SET	    ? "{\"%s\":[%s]}"
				 : k == RULES_RANGE ? "{\"%s\":[%s,5]}"
				 : k == RULES_CIDR  ? "{\"%s\":\"10.0.0.0/8\"}"
						    : "{\"%s\":%s}",
				 rules_kind_name((enum rules_kind)k), k == RULES_ANY ? "true" : value);
			if (rules_kind_fits((enum rules_kind)k, type))
				assert_ok(load_matcher(&r, types[t].type, matcher, &e));
			else
				assert_refused(load_matcher(&r, types[t].type, matcher, &e), ERR_FORMAT, "does not fit");
		}
}

static void a_missing_field_matches_only_any(void **state)
{
	static const char *const matchers[] = { "{\"regex\":\".*\"}", "{\"equals\":\"\"}", "{\"glob\":\"**\"}" };
	AUTO(rules) struct rules *any = NULL;
	struct detection got;
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(matchers); i++) {
		AUTO(rules) struct rules *r = NULL;

		assert_ok(load_matcher(&r, "string", matchers[i], &e));
		assert_ok(rules_match_text(r, "{\"template\":\"t\",\"fields\":{}}", &got, &e));
		assert_int_equal(got.action, DETECTION_NONE);
		assert_ok(match_value(r, "null", &got, &e));
		assert_int_equal(got.action, DETECTION_NONE);
	}
	assert_ok(load_matcher(&any, "string", "{\"any\":true}", &e));
	assert_ok(rules_match_text(any, "{\"template\":\"t\",\"fields\":{}}", &got, &e));
	assert_int_equal(got.action, DETECTION_ALERT);
}

/* ---- the verdict ---- */

#define TEMPLATE "\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"a\",\"type\":\"integer\"}]}]"
#define RULE(id, verdict, match) \
	"{\"id\":\"" id "\",\"template\":\"t\",\"verdict\":\"" verdict "\",\"match\":{" match "}}"
#define FILE_OF(rules) "{\"format\":1," TEMPLATE ",\"instances\":[" rules "]}"

static void the_strongest_verdict_wins_and_the_first_among_equals(void **state)
{
	AUTO(rules) struct rules *r = NULL;
	struct detection got;
	struct err e = { 0 };

	(void)state;
	assert_ok(rules_from_text(&r, FILE_OF(RULE("z-first", "alert", "") "," RULE("a-second", "alert", "") ","
					      RULE("b", "block", "\"a\":{\"equals\":1}") "," RULE("o", "observe", "")), &e));
	assert_ok(rules_match_text(r, "{\"template\":\"t\",\"fields\":{\"a\":2}}", &got, &e));
	assert_int_equal(got.action, DETECTION_ALERT);
	assert_string_equal(got.rule, "z-first");
	assert_int_equal(got.matches, 3);
	assert_ok(rules_match_text(r, "{\"template\":\"t\",\"fields\":{\"a\":1}}", &got, &e));
	assert_string_equal(got.rule, "b");
	assert_int_equal(got.matches, 4);
}

static void files_count_as_one(void **state)
{
	static const char *const texts[] = {
		"{\"format\":1,\"instances\":[" RULE("one", "alert", "\"a\":{\"equals\":1}") "]}",
		"{\"format\":1," TEMPLATE "}",
		NULL,
	};
	AUTO(rules) struct rules *r = NULL;
	struct detection got;
	struct err e = { 0 };

	(void)state;
	assert_ok(rules_from_texts(&r, texts, NULL, NULL, 0, &e));
	assert_ok(rules_match_text(r, "{\"template\":\"t\",\"fields\":{\"a\":1}}", &got, &e));
	assert_string_equal(got.rule, "one");
}

static void dropped_rules_are_gone_and_unknown_ones_do_not_matter(void **state)
{
	static const char *const texts[] = { FILE_OF(RULE("one", "block", "") "," RULE("two", "alert", "")), NULL };
	static const char *const drop[] = { "one", "nobody" };
	AUTO(rules) struct rules *r = NULL;
	struct loader_stats stats;
	struct detection got;
	struct err e = { 0 };

	(void)state;
	assert_ok(rules_from_texts(&r, texts, NULL, drop, 2, &e));
	assert_ok(rules_match_text(r, "{\"template\":\"t\",\"fields\":{}}", &got, &e));
	assert_string_equal(got.rule, "two");
	assert_false(rules_has(r, "one"));
	assert_true(rules_has(r, "two"));
	rules_stats(r, &stats);
	assert_int_equal(stats.rules, 1);
	assert_int_equal(stats.dropped, 1);
}

/* ---- malformed rules ---- */

static const struct {
	const char *text, *sentence;
} refused[] = {
	{ "", "a.json:1:1: " },
	{ "[]", "a.json:1:1: expected an object" },
	{ "{}", "format" },
	{ "{\"format\":2}", "format" },
	{ "{\"format\":1,\"needs\":[\"quantum\"]}", "quantum" },
	{ "{\"format\":1,\"templates\":{}}", "expected an array" },
	{ "{\"format\":1,\"templates\":[1]}", "expected an object" },
	{ "{\"format\":1,\"templates\":[{\"name\":\"T\",\"fields\":[]}]}", "no name of a template" },
	{ "{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[]}]}", "no fields" },
	{ "{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"a\",\"type\":\"float\"}]}]}",
	  "unknown type \"float\"" },
	{ "{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"a\",\"type\":\"enum\"}]}]}",
	  "needs \"values\"" },
	{ "{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"a\",\"type\":\"ip\"},"
	  "{\"name\":\"a\",\"type\":\"ip\"}]}]}",
	  "field \"a\" stands here twice" },
	{ FILE_OF("{}"), "\"id\" is missing" },
	{ FILE_OF(RULE("-x", "alert", "")), "no id" },
	{ FILE_OF(RULE("x", "none", "")), "verdict \"none\"" },
	{ FILE_OF(RULE("x", "destroy", "")), "verdict \"destroy\"" },
	{ FILE_OF(RULE("x", "alert", "") "," RULE("x", "alert", "")), "the id stands also in a.json:1:" },
	{ "{\"format\":1,\"instances\":[" RULE("x", "alert", "") "]}", "no file of the bundle declares template \"t\"" },
	{ FILE_OF(RULE("x", "alert", "\"b\":{\"equals\":1}")), "instance x: field \"b\": template t has no such field" },
	{ FILE_OF(RULE("x", "alert", "\"a\":1")), "instance x: field \"a\": expected an object of matchers" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{}")), "expected an object of matchers" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"near\":1}")), "unknown matcher \"near\"" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"equals\":\"1\"}")), "field \"a\" (integer): expected a number" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"equals\":1.5}")), "no integer" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"equals\":9223372036854775808}")), "no integer" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"range\":[5,1]}")), "empty range" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"range\":[5]}")), "expected [min, max]" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"set\":[]}")), "a list of 1 to" },
	{ FILE_OF(RULE("x", "alert", "\"a\":{\"any\":false}")), "expected true" },
};

static void malformed_rules_are_refused_by_place_and_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct rules *r = NULL;
		struct err e = { 0 };
		int rc = rules_from_text(&r, refused[i].text, &e);

		if (rc != ERR_FORMAT || !strstr(e.msg, refused[i].sentence) || strncmp(e.msg, "a.json:1:", 9) != 0)
			fail_msg("%s: %d %s", refused[i].text, rc, e.msg);
		assert_null(r);
	}
}

static void malformed_patterns_are_refused(void **state)
{
	static const struct { const char *type, *matcher, *sentence; } bad[] = {
		{ "string", "{\"regex\":\"(a\"}", "regular expression: " },
		{ "string", "{\"regex\":\"\\\\C\"}", "regular expression: " },
		{ "string", "{\"regex\":\"(((((((((((((((((((((((((((((((((((((((((((((((((((a)))))))))))))))))))))))"
			    "))))))))))))))))))))))))))))\"}", "regular expression: " },
		{ "string", "{\"regex\":\"((a{60000}){60000})\"}", "regular expression: " },
		{ "string", "{\"glob\":\"[a-z]\"}", "no character classes" },
		{ "string", "{\"glob\":\"a\\\\\"}", "single \\" },
		{ "string", "{\"prefix\":\"\"}", "holds always" },
		{ "ip", "{\"equals\":\"10.0.0\"}", "no IP address" },
		{ "ip", "{\"equals\":\"10.0.0.1\\u0000\"}", "no IP address" },
		{ "ip", "{\"cidr\":\"10.0.0.0\"}", "no network" },
		{ "ip", "{\"cidr\":\"10.0.0.0/33\"}", "no network" },
		{ "ip", "{\"cidr\":\"10.0.0.0/08\"}", "no network" },
		{ "ip", "{\"cidr\":\"10.0.0.1/8\"}", "no network" },
		{ "ip", "{\"cidr\":\"10.0.0.0/\"}", "no network" },
		{ "enum", "{\"equals\":\"medium\"}", "none of its values" },
		{ "bytes", "{\"equals\":\"0\"}", "hexadecimal" },
		{ "bytes", "{\"equals\":\"0g\"}", "hexadecimal" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct rules *r = NULL;
		struct err e = { 0 };
		int rc = load_matcher(&r, bad[i].type, bad[i].matcher, &e);

		if (rc != ERR_FORMAT || !strstr(e.msg, bad[i].sentence))
			fail_msg("%s: %d %s", bad[i].matcher, rc, rc < 0 ? e.msg : "success");
	}
}

static void limits_of_the_contract_hold_at_load(void **state)
{
	static const char *const texts[] = { FILE_OF(RULE("one", "alert", "\"a\":{\"equals\":1}") "," RULE("two", "alert", "")),
					     "{\"format\":1}", NULL };
	struct rules_limits limits;
	struct rules *r = NULL;
	struct err e = { 0 };

	(void)state;
	rules_limits_default(&limits);
	limits.rules = 1;
	assert_refused(rules_from_texts(&r, texts, &limits, NULL, 0, &e), ERR_LIMIT, "more than the 1 rules");
	rules_limits_default(&limits);
	limits.files = 1;
	assert_refused(rules_from_texts(&r, texts, &limits, NULL, 0, &e), ERR_LIMIT, "more than the 1 files");
	rules_limits_default(&limits);
	limits.bytes = 40;
	assert_refused(rules_from_texts(&r, texts, &limits, NULL, 0, &e), ERR_LIMIT, "more than the 40 bytes");
	rules_limits_default(&limits);
	limits.fields = 0;
	assert_refused(rules_from_texts(&r, texts, &limits, NULL, 0, &e), ERR_LIMIT, "matches 1 fields");
}

static void templates_are_limited_in_number(void **state)
{
	struct buf text = { 0 };
	struct rules *r = NULL;
	struct err e = { 0 };

	(void)state;
	buf_adds(&text, "{\"format\":1,\"templates\":[");
	for (int i = 0; i <= RULES_TEMPLATES_MAX; i++)
		buf_addf(&text, "%s{\"name\":\"t%d\",\"fields\":[{\"name\":\"a\",\"type\":\"ip\"}]}", i ? "," : "", i);
	buf_adds(&text, "]}");
	assert_refused(rules_from_text(&r, text.data, &e), ERR_LIMIT, "more than the 1024 templates");
	buf_release(&text);
}

/* ---- hostile events ---- */

static void hostile_events_are_errors_and_never_matches(void **state)
{
	static const struct { const char *event; int code; } bad[] = {
		{ "1", ERR_FORMAT },
		{ "{}", ERR_FORMAT },
		{ "{\"template\":1,\"fields\":{}}", ERR_FORMAT },
		{ "{\"template\":\"t\"}", ERR_FORMAT },
		{ "{\"template\":\"t\",\"fields\":[]}", ERR_FORMAT },
		{ "{\"template\":\"t\",\"fields\":{\"a\":\"1\"}}", ERR_FORMAT },
		{ "{\"template\":\"t\",\"fields\":{\"a\":1.0}}", ERR_FORMAT },
		{ "{\"template\":\"t\",\"fields\":{\"a\":99999999999999999999}}", ERR_FORMAT },
		{ "{\"template\":\"t\",\"fields\":{\"a\":{}}}", ERR_FORMAT },
		{ "{\"template\":\"t\",\"fields\":{\"a\":true}}", ERR_FORMAT },
	};
	AUTO(rules) struct rules *r = NULL;
	struct loader_stats stats;
	struct detection got;
	struct err e = { 0 };

	(void)state;
	assert_ok(rules_from_text(&r, FILE_OF(RULE("all", "alert", "")), &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(&got, 0xff, sizeof(got));
		if (rules_match_text(r, bad[i].event, &got, &e) != bad[i].code)
			fail_msg("%s was taken", bad[i].event);
		assert_int_equal(got.action, DETECTION_NONE);
		assert_string_equal(got.rule, "");
	}
	rules_stats(r, &stats);
	assert_int_equal(stats.event_errors, ARRAY_LEN(bad));
}

static void fields_that_no_template_declares_are_never_looked_at(void **state)
{
	AUTO(rules) struct rules *r = NULL;
	struct detection got;
	struct err e = { 0 };

	(void)state;
	assert_ok(rules_from_text(&r, FILE_OF(RULE("x", "alert", "\"a\":{\"equals\":1}")), &e));
	assert_ok(rules_match_text(r, "{\"template\":\"t\",\"fields\":{\"zz\":{},\"a\":1,\"b\":\"\"}}", &got, &e));
	assert_int_equal(got.action, DETECTION_ALERT);
	assert_ok(rules_match_text(r, "{\"template\":\"other\",\"fields\":{\"a\":1}}", &got, &e));
	assert_int_equal(got.action, DETECTION_NONE);
}

static void an_index_beyond_the_event_has_no_value(void **state)
{
	struct rules_event ev = { .count = 3 };

	(void)state;
	assert_non_null(rules_event_value(&ev, 2));
	assert_null(rules_event_value(&ev, 3));
	assert_null(rules_event_value(&ev, UINT32_MAX));
}

/* ---- nothing runs away ---- */

static void a_runaway_regular_expression_stops_with_an_error(void **state)
{
	static const char *const patterns[] = {
		"^(a+)+$", "(a|aa)+$", "(.*)*b", "(?:a?){30}a{30}$", "(a*)*(b*)*(c*)*$1", "^(?:(a+)b?)+$", "((?R)|a)+",
	};
	char value[600];

	(void)state;
	memset(value, 'a', sizeof(value));
	value[0] = '"';
	memcpy(value + sizeof(value) - 3, "!\"", 3);
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		AUTO(rules) struct rules *r = NULL;
		struct detection got;
		struct err e = { 0 };
		char matcher[200];
		int64_t start;

		snprintf(matcher, sizeof(matcher), "{\"regex\":\"%s\"}", patterns[i]);
		assert_ok(load_matcher(&r, "string", matcher, &e));
		start = clock_cpu_us();
		if (match_value(r, value, &got, &e) == 0)
			assert_true(got.action == DETECTION_NONE || i == 6);
		else
			assert_int_equal(e.code, ERR_LIMIT);
		assert_true(clock_cpu_us() - start < 2000000);
	}
	{
		AUTO(rules) struct rules *r = NULL;
		struct detection got;
		struct err e = { 0 };

		assert_ok(load_matcher(&r, "string", "{\"regex\":\"^(a+)+$\"}", &e));
		assert_refused(match_value(r, value, &got, &e), ERR_LIMIT, "instance r: the event takes more steps");
		assert_int_equal(got.action, DETECTION_NONE);
	}
}

/* PCRE2 counts from zero again at each start; we do not. */
static void a_search_over_a_long_text_is_bounded_as_a_whole(void **state)
{
	AUTO(rules) struct rules *r = NULL;
	struct buf event = { 0 };
	struct detection got;
	struct err e = { 0 };
	int64_t start;

	(void)state;
	assert_ok(load_matcher(&r, "string", "{\"regex\":\"[ab]*!x\"}", &e));
	buf_adds(&event, "{\"template\":\"t\",\"fields\":{\"f\":\"");
	for (int i = 0; i < 100000; i++)
		buf_addc(&event, i % 2 ? 'a' : 'b');
	buf_adds(&event, "x\"}}");
	start = clock_cpu_us();
	assert_refused(rules_match_text(r, event.data, &got, &e), ERR_LIMIT, "more steps");
	assert_true(clock_cpu_us() - start < 2000000);
	buf_release(&event);
}

static void a_glob_of_many_stars_takes_linear_time(void **state)
{
	AUTO(rules) struct rules *r = NULL;
	struct detection got;
	struct err e = { 0 };
	char value[4003] = "\"";

	(void)state;
	memset(value + 1, 'a', 4000);
	memcpy(value + 4001, "\"", 2);
	assert_ok(load_matcher(&r, "string", "{\"glob\":\"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\"}", &e));
	assert_ok(match_value(r, value, &got, &e));
	assert_int_equal(got.action, DETECTION_NONE);
}

static void an_event_has_one_budget_for_all_rules(void **state)
{
	struct buf text = { 0 };
	AUTO(rules) struct rules *r = NULL;
	const char *texts[2] = { NULL, NULL };
	struct rules_limits limits;
	struct detection got;
	struct err e = { 0 };

	(void)state;
	rules_limits_default(&limits);
	limits.event_steps = 1000;
	buf_adds(&text, "{\"format\":1," TEMPLATE ",\"instances\":[");
	for (int i = 0; i < 2000; i++)
		buf_addf(&text, "%s{\"id\":\"r%d\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{}}", i ? "," : "", i);
	buf_adds(&text, "]}");
	texts[0] = text.data;
	assert_ok(rules_from_texts(&r, texts, &limits, NULL, 0, &e));
	assert_refused(rules_match_text(r, "{\"template\":\"t\",\"fields\":{}}", &got, &e), ERR_LIMIT,
		       "instance r1000: the event takes more steps");
	assert_int_equal(got.matches, 0);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_matcher_means_what_its_name_says),
		cmocka_unit_test(every_pair_of_matcher_and_type_is_decided),
		cmocka_unit_test(a_missing_field_matches_only_any),
		cmocka_unit_test(the_strongest_verdict_wins_and_the_first_among_equals),
		cmocka_unit_test(files_count_as_one),
		cmocka_unit_test(dropped_rules_are_gone_and_unknown_ones_do_not_matter),
		cmocka_unit_test(malformed_rules_are_refused_by_place_and_name),
		cmocka_unit_test(malformed_patterns_are_refused),
		cmocka_unit_test(limits_of_the_contract_hold_at_load),
		cmocka_unit_test(templates_are_limited_in_number),
		cmocka_unit_test(hostile_events_are_errors_and_never_matches),
		cmocka_unit_test(fields_that_no_template_declares_are_never_looked_at),
		cmocka_unit_test(an_index_beyond_the_event_has_no_value),
		cmocka_unit_test(a_runaway_regular_expression_stops_with_an_error),
		cmocka_unit_test(a_search_over_a_long_text_is_bounded_as_a_whole),
		cmocka_unit_test(a_glob_of_many_stars_takes_linear_time),
		cmocka_unit_test(an_event_has_one_budget_for_all_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
