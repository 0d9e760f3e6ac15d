/* test_json_read: the sentences of the typed readers, and the head of every document. */
#include "base/json.h"
#include "test.h"

static struct err e;

static struct json_doc *parsed(const char *text)
{
	struct json_doc *d = NULL;

	if (json_parse(&d, "t.json", text, strlen(text), NULL, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return d;
}

static const char sample[] = "{\"object\":{},\"array\":[1,2,3],\"text\":\"hello\",\"int\":42,\"yes\":true,\"no\":false,\n"
			     " \"double\":2.5,\"time\":\"2026-01-31T12:00:00Z\",\"null\":null,\"nul\":\"a\\u0000b\",\"big\":1e400}";

static void wanted_members_are_read(void **state)
{
	AUTO(json) struct json_doc *d = parsed(sample);
	const struct json *v = NULL;
	const char *text = NULL;
	int64_t n = 0;
	double x = 0;
	bool b = false;

	(void)state;
	assert_int_equal(json_want_object(d, d->root, "object", &v, &e), 0);
	assert_int_equal(v->type, JSON_OBJECT);
	assert_int_equal(json_want_array(d, d->root, "array", 3, &v, &e), 0);
	assert_int_equal(v->count, 3);
	assert_int_equal(json_want_text(d, d->root, "text", 5, &text, &e), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(json_want_int(d, d->root, "int", 42, 42, &n, &e), 0);
	assert_int_equal(n, 42);
	assert_int_equal(json_want_bool(d, d->root, "yes", &b, &e), 0);
	assert_true(b);
	assert_int_equal(json_want_double(d, d->root, "double", 0, 3, &x, &e), 0);
	assert_true(x == 2.5);
	assert_int_equal(json_want_time(d, d->root, "time", &n, &e), 0);
	assert_int_equal(n, 1769860800);
}

static void optional_members_say_whether_they_were_there(void **state)
{
	AUTO(json) struct json_doc *d = parsed(sample);
	const struct json *v = NULL;
	const char *text = "kept";
	int64_t n = 7;
	double x = 7;
	bool b = true;

	(void)state;
	assert_int_equal(json_may_object(d, d->root, "object", &v, &e), 1);
	assert_int_equal(json_may_array(d, d->root, "array", 3, &v, &e), 1);
	assert_int_equal(json_may_bool(d, d->root, "no", &b, &e), 1);
	assert_false(b);
	for (int i = 0; i < 2; i++) {
		const char *key = i ? "null" : "absent";

		v = NULL;
		assert_int_equal(json_may_object(d, d->root, key, &v, &e), 0);
		assert_int_equal(json_may_array(d, d->root, key, 1, &v, &e), 0);
		assert_int_equal(json_may_text(d, d->root, key, 1, &text, &e), 0);
		assert_int_equal(json_may_int(d, d->root, key, 0, 1, &n, &e), 0);
		assert_int_equal(json_may_bool(d, d->root, key, &b, &e), 0);
		assert_int_equal(json_may_double(d, d->root, key, 0, 1, &x, &e), 0);
		assert_int_equal(json_may_time(d, d->root, key, &n, &e), 0);
		assert_true(!v && n == 7 && x == 7 && !b);
		assert_string_equal(text, "kept");
	}
}

static void errors_name_file_line_column_and_member(void **state)
{
	AUTO(json) struct json_doc *d = parsed(sample);
	const struct json *o = d->root, *v;
	const char *text;
	int64_t n;
	double x;
	bool b;

	(void)state;
	assert_refused(json_want_int(d, o, "absent", 0, 1, &n, &e), ERR_FORMAT, "t.json:1:1: \"absent\" is missing");
	assert_refused(json_want_int(d, o, "null", 0, 1, &n, &e), ERR_FORMAT, "\"null\": expected an integer, found null");
	assert_refused(json_want_int(d, o, "text", 0, 1, &n, &e), ERR_FORMAT,
		       "t.json:1:37: \"text\": expected an integer, found a string");
	assert_refused(json_want_int(d, o, "int", 0, 41, &n, &e), ERR_FORMAT,
		       "\"int\": expected an integer from 0 to 41, found 42");
	assert_refused(json_want_int(d, o, "double", 0, 41, &n, &e), ERR_FORMAT, "found 2.5");
	assert_refused(json_may_int(d, o, "text", 0, 1, &n, &e), ERR_FORMAT, "expected an integer");
	assert_refused(json_want_object(d, o, "array", &v, &e), ERR_FORMAT, "expected an object, found an array");
	assert_refused(json_want_array(d, o, "array", 2, &v, &e), ERR_LIMIT, "3 elements, more than the 2 allowed");
	assert_refused(json_want_array(d, o, "object", 2, &v, &e), ERR_FORMAT, "expected an array, found an object");
	assert_refused(json_want_text(d, o, "text", 4, &text, &e), ERR_LIMIT, "5 bytes, more than the 4 allowed");
	assert_refused(json_want_text(d, o, "nul", 10, &text, &e), ERR_FORMAT, "a NUL character inside");
	assert_refused(json_want_text(d, o, "int", 10, &text, &e), ERR_FORMAT, "expected a string, found a number");
	assert_refused(json_want_bool(d, o, "int", &b, &e), ERR_FORMAT, "expected true or false, found a number");
	assert_refused(json_want_double(d, o, "double", 3, 4, &x, &e), ERR_FORMAT, "t.json:2:11: \"double\": expected a number from 3 to 4");
	assert_refused(json_want_double(d, o, "big", 0, 1e308, &x, &e), ERR_FORMAT, "found 1e400");
	assert_refused(json_want_time(d, o, "text", &n, &e), ERR_FORMAT, "expected a time like 2026-01-31T12:00:00Z, found \"hello\"");
	assert_refused(json_want_time(d, o, "int", &n, &e), ERR_FORMAT, "expected a time, found a number");
	assert_refused(json_want_int(d, json_get(o, "array"), "x", 0, 1, &n, &e), ERR_FORMAT,
		       "expected an object with \"x\", found an array");
}

static void sentences_hold_no_control_characters(void **state)
{
	AUTO(json) struct json_doc *d = parsed("{\"t\":\"\\u001b[2J\\n\xc2\x9b\xc3\xa9\"}");
	int64_t n;

	(void)state;
	assert_refused(json_want_time(d, d->root, "t", &n, &e), ERR_FORMAT, "found \"?[2J???\xc3\xa9\"");
}

static void unknown_formats_and_needs_are_refused(void **state)
{
	static const char *const features[] = { "lag", "approvals", NULL };
	static const struct { const char *text; int code; const char *says; } cases[] = {
		{ "{\"format\":1}", 0, "" },
		{ "{\"format\":1,\"needs\":null,\"later\":[]}", 0, "" },
		{ "{\"format\":1,\"needs\":[]}", 0, "" },
		{ "{\"format\":1,\"needs\":[\"lag\",\"approvals\"]}", 0, "" },
		{ "{}", ERR_FORMAT, "\"format\" is missing" },
		{ "{\"format\":2}", ERR_UNSUPPORTED, "t.json:1:11: \"format\" is 2, this version reads 1" },
		{ "{\"format\":\"1\"}", ERR_FORMAT, "expected an integer" },
		{ "{\"format\":1.0}", ERR_FORMAT, "found 1.0" },
		{ "{\"format\":1,\"needs\":\"lag\"}", ERR_FORMAT, "expected an array" },
		{ "{\"format\":1,\"needs\":[1]}", ERR_FORMAT, "expected a string, found a number" },
		{ "{\"format\":1,\"needs\":[\"lag\",\"wings\"]}", ERR_UNSUPPORTED, "t.json:1:28: the document needs the feature \"wings\"" },
		{ "{\"format\":1,\"needs\":[\"lag\\u0000\"]}", ERR_UNSUPPORTED, "needs the feature" },
		{ "[]", ERR_FORMAT, "expected an object with \"format\", found an array" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json_doc *d = parsed(cases[i].text);
		int rc = json_want_format(d, 1, features, &e);

		if (rc != cases[i].code || (rc && !strstr(e.msg, cases[i].says)))
			fail_msg("%s: %d %s", cases[i].text, rc, rc ? e.msg : "");
		if (strstr(cases[i].text, "lag") && rc == 0)
			assert_refused(json_want_format(d, 1, NULL, &e), ERR_UNSUPPORTED, "needs the feature \"lag\"");
	}
}

static void authoring_refuses_the_first_unknown_member(void **state)
{
	static const char *const keys[] = { "a", "b", NULL };
	AUTO(json) struct json_doc *d = parsed("{\"a\":1,\n \"b\":2,\n  \"bb\":3,\"c\":4}");
	AUTO(json) struct json_doc *good = parsed("{\"b\":1}");

	(void)state;
	assert_ok(json_only(good, good->root, keys, &e));
	assert_ok(json_only(good, json_get(good->root, "b"), keys, &e));
	assert_refused(json_only(d, d->root, keys, &e), ERR_FORMAT, "t.json:3:3: unknown member \"bb\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wanted_members_are_read),
		cmocka_unit_test(optional_members_say_whether_they_were_there),
		cmocka_unit_test(errors_name_file_line_column_and_member),
		cmocka_unit_test(sentences_hold_no_control_characters),
		cmocka_unit_test(unknown_formats_and_needs_are_refused),
		cmocka_unit_test(authoring_refuses_the_first_unknown_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
