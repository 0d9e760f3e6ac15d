/* test_json_write: the writer's bytes and the canonical form. */
#include <float.h>
#include <math.h>

#include "base/json.h"
#include "test.h"

static struct err e;

static void write_sample(struct json_writer *w)
{
	json_open_object(w, NULL);
	json_put_text(w, "text", "a\"b\\c\n\x01\xc3\xa9");
	json_put_textn(w, "nul", "a\0b", 3);
	json_put_text(w, "none", NULL);
	json_put_int(w, "int", INT64_MIN);
	json_put_bool(w, "yes", true);
	json_put_null(w, "null");
	json_put_time(w, "time", 1769860800);
	json_open_array(w, "list");
	json_put_int(w, NULL, 1);
	json_open_object(w, NULL);
	json_close_object(w);
	json_open_array(w, NULL);
	json_close_array(w);
	json_close_array(w);
	json_close_object(w);
}

static void the_writer_places_commas_and_escapes(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);
	struct json_writer w = { .out = b };

	(void)state;
	write_sample(&w);
	assert_string_equal(b->data,
			    "{\"text\":\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\",\"nul\":\"a\\u0000b\",\"none\":null,"
			    "\"int\":-9223372036854775808,\"yes\":true,\"null\":null,\"time\":\"2026-01-31T12:00:00Z\","
			    "\"list\":[1,{},[]]}");
}

static void indented_output_is_for_people_and_the_same_value(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);
	AUTO(buf) struct buf *plain = buf_new(0);
	struct json_writer w = { .out = b, .indent = true }, p = { .out = plain };
	AUTO(json) struct json_doc *one = NULL;
	AUTO(json) struct json_doc *two = NULL;

	(void)state;
	json_open_object(&w, NULL);
	json_open_array(&w, "a");
	json_put_int(&w, NULL, 1);
	json_put_int(&w, NULL, 2);
	json_close_array(&w);
	json_open_object(&w, "o");
	json_close_object(&w);
	json_close_object(&w);
	assert_string_equal(b->data, "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"o\": {}\n}");
	buf_clear(b);
	w = (struct json_writer){ .out = b, .indent = true };
	write_sample(&w);
	write_sample(&p);
	assert_ok(json_parse(&one, "one", b->data, b->len, NULL, &e));
	assert_ok(json_parse(&two, "two", plain->data, plain->len, NULL, &e));
	assert_true(json_equal(one->root, two->root));
}

static void doubles_are_the_shortest_that_read_back(void **state)
{
	static const struct { double v; const char *text; } cases[] = {
		{ 0, "0" }, { 0.1, "0.1" }, { 1.0 / 3, "0.3333333333333333" }, { 1e300, "1e+300" }, { -2.5, "-2.5" },
		{ 5e-324, "5e-324" }, { DBL_MAX, "1.7976931348623157e+308" }, { 123456, "123456" }, { 0.30000000000000004, "0.30000000000000004" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf *b = buf_new(0);
		AUTO(json) struct json_doc *d = NULL;
		struct json_writer w = { .out = b };
		double back;

		json_put_double(&w, NULL, cases[i].v);
		assert_ok(json_parse(&d, "d", b->data, b->len, NULL, &e));
		assert_true(json_to_double(d->root, &back) && back == cases[i].v);
		assert_true(b->len <= strlen(cases[i].text));
	}
}

static void parsed_values_are_copied_with_their_lexemes(void **state)
{
	static const char text[] = "{\"z\":1.0,\"a\":[1e400,null,true,\"\\u0000\\\"x\"],\"\\n\":{}}";
	AUTO(json) struct json_doc *d = NULL;
	AUTO(buf) struct buf *b = buf_new(0);
	struct json_writer w = { .out = b };

	(void)state;
	assert_ok(json_parse(&d, "d", text, sizeof text - 1, NULL, &e));
	json_open_object(&w, NULL);
	json_put_value(&w, "copy", d->root);
	json_put_int(&w, "after", 1);
	json_close_object(&w);
	assert_string_equal(b->data, "{\"copy\":{\"z\":1.0,\"a\":[1e400,null,true,\"\\u0000\\\"x\"],\"\\n\":{}},\"after\":1}");
}

static void canonical_form_is_olpc(void **state)
{
	static const struct { const char *text, *canonical; } cases[] = {
		{ " { \"b\" : 1 , \"a\" : [ 2 , true , null ] } ", "{\"a\":[2,true,null],\"b\":1}" },
		{ "{\"a\":1,\"A\":2,\"ab\":3,\"\":4}", "{\"\":4,\"A\":2,\"a\":1,\"ab\":3}" },
		{ "{\"\xf0\x9f\x98\x80\":1,\"\xef\xbf\xbd\":2,\"\xc3\xa9\":3}", "{\"\xc3\xa9\":3,\"\xef\xbf\xbd\":2,\"\xf0\x9f\x98\x80\":1}" },
		{ "\"\\u00e9\\n\\t\\\"\\\\\\/\"", "\"\xc3\xa9\n\t\\\"\\\\/\"" },
		{ "[-0,0,123456789012345678901234567890]", "[0,0,123456789012345678901234567890]" },
		{ "[]", "[]" }, { "{}", "{}" }, { "\"\"", "\"\"" }, { "false", "false" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json_doc *d = NULL;
		AUTO(buf) struct buf *b = buf_new(0);

		assert_ok(json_parse(&d, "d", cases[i].text, strlen(cases[i].text), NULL, &e));
		assert_ok(json_canonical(b, d->root, &e));
		assert_string_equal(b->data, cases[i].canonical);
	}
}

static void floats_have_no_canonical_form(void **state)
{
	static const char *const floats[] = { "1.0", "[1e2]", "{\"a\":{\"b\":[0.5]}}", "-1E5" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(floats); i++) {
		AUTO(json) struct json_doc *d = NULL;
		AUTO(buf) struct buf *b = buf_new(0);

		assert_ok(json_parse(&d, "d", floats[i], strlen(floats[i]), NULL, &e));
		assert_refused(json_canonical(b, d->root, &e), ERR_FORMAT, "has no canonical form");
	}
}

static void a_full_buffer_is_an_error_of_the_canonical_form(void **state)
{
	AUTO(json) struct json_doc *d = NULL;
	AUTO(buf) struct buf *b = buf_new(4);

	(void)state;
	assert_ok(json_parse(&d, "d", "[1,2,3]", 7, NULL, &e));
	assert_refused(json_canonical(b, d->root, &e), ERR_LIMIT, "more than 4 bytes");
}

/* A sentence cut in the middle of a character, a path of another century. */
static void what_is_no_utf8_is_written_as_the_replacement_character(void **state)
{
	static const struct { const char *text, *written; } cases[] = {
		{ "caf\xc3\xa9", "\"caf\xc3\xa9\"" },
		{ "caf\xc3", "\"caf\xef\xbf\xbd\"" },
		{ "caf\xe9 \\", "\"caf\xef\xbf\xbd \\\\\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
		{ "\xf0\x9f\x98", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf *out = buf_new(0);
		AUTO(json) struct json_doc *doc = NULL;
		struct json_writer w = { .out = out };

		json_put_text(&w, NULL, cases[i].text);
		assert_string_equal(out->data, cases[i].written);
		assert_ok(json_parse(&doc, "written", out->data, out->len, NULL, &e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_writer_places_commas_and_escapes),
		cmocka_unit_test(what_is_no_utf8_is_written_as_the_replacement_character),
		cmocka_unit_test(indented_output_is_for_people_and_the_same_value),
		cmocka_unit_test(doubles_are_the_shortest_that_read_back),
		cmocka_unit_test(parsed_values_are_copied_with_their_lexemes),
		cmocka_unit_test(canonical_form_is_olpc),
		cmocka_unit_test(floats_have_no_canonical_form),
		cmocka_unit_test(a_full_buffer_is_an_error_of_the_canonical_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
