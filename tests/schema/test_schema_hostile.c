/* test_schema_hostile: documents and schemas that explode, recurse or are large are answered within bounds, or not at all. */
#include "pair.h"

static void a_pattern_that_explodes_is_an_error_and_no_answer(void **state)
{
	struct schema_errors errors;

	(void)state;
	assert_refused(checked("{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", &errors),
		       ERR_LIMIT, "matching the pattern \"^(a+)+$\" of the schema takes too many steps");
	/* whichever way the answer would be turned */
	assert_int_equal(checked("{\"not\":{\"pattern\":\"^(a+)+$\"}}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", NULL),
			 ERR_LIMIT);
	assert_int_equal(checked("{\"anyOf\":[{\"pattern\":\"^(a+)+$\"},true]}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", NULL),
			 ERR_LIMIT);
	assert_int_equal(checked("{\"if\":{\"pattern\":\"^(a+)+$\"},\"else\":true}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", NULL),
			 ERR_LIMIT);
}

static void a_schema_that_explodes_runs_out_of_steps(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);

	(void)state;
	buf_adds(b, "{\"$ref\":\"#/$defs/n0\",\"$defs\":{");
	for (int i = 0; i < 40; i++)
		buf_addf(b, "\"n%d\":{\"allOf\":[{\"$ref\":\"#/$defs/n%d\"},{\"$ref\":\"#/$defs/n%d\"}]},", i, i + 1, i + 1);
	buf_adds(b, "\"n40\":{}}}");
	assert_refused(checked(b->data, "1", NULL), ERR_LIMIT, "too many steps");
}

static void patterns_pay_for_all_places_where_they_begin(void **state)
{
	static const char *const schemas[] = { "{\"pattern\":\"[ab]*!x\"}", "{\"pattern\":\"(a|b|ab)*c\"}", "{\"pattern\":\"(?:a|aa)+$\"}",
					       "{\"additionalProperties\":false,\"patternProperties\":{\"(a*)*$\":true}}" };
	AUTO(buf) struct buf *text = buf_new(0);

	(void)state;
	buf_addc(text, '"');
	for (int i = 0; i < 50000; i++)
		buf_adds(text, "ab");
	buf_adds(text, "x\"");
	for (size_t i = 0; i < ARRAY_LEN(schemas); i++) {
		struct schema_options o = { .strict = true };
		int rc = checked_as(schemas[i], text->data, &o);

		assert_true(i == 3 || rc == ERR_LIMIT || rc == ERR_FORMAT);
		o.jit = true;
		assert_true(i == 3 || checked_as(schemas[i], text->data, &o) < 0);
	}
	assert_refused(checked(schemas[0], text->data, NULL), ERR_LIMIT, "the pattern \"[ab]*!x\"");
}

static void simple_patterns_answer_like_pcre2(void **state)
{
	/* each twice: the second form is none that does without PCRE2 */
	static const char *const patterns[][2] = {
		{ "^[a-c]{2,3}-?[0-9]*$", "^(?:[a-c]{2,3}-?[0-9]*)$" }, { "^\\\\w+\\\\.\\\\d$", "^(?:\\\\w+\\\\.\\\\d)$" },
		{ "^[^/]+/[^/]*$", "^(?:[^/]+/[^/]*)$" }, { "^x-", "^(?:x-)" }, { "^a?b?c?", "^(?:a?b?c?)" }, { "^$", "^(?:)$" },
		{ "^[a-]{0,2}[.\\\\]]$", "^(?:[a-]{0,2}[.\\\\]])$" }, { "^[\\\\d-]+x{2}", "^(?:[\\\\d-]+x{2})" },
	};
	static const char alphabet[] = "abcx-/.]01_\xc3\xa9";
	uint32_t seed = 7;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		char schema[2][120];
		struct pair one, two;

		for (int k = 0; k < 2; k++)
			snprintf(schema[k], sizeof schema[k], "{\"pattern\":\"%s\"}", patterns[i][k]);
		for (int round = 0; round < 400; round++) {
			char doc[32] = "\"";
			size_t len = 1;

			for (seed = seed * 1664525 + 1013904223; len < 9 && (seed >> 8) % 5;) {
				uint32_t at = (seed >> 16) % (sizeof alphabet - 2);

				if (at == sizeof alphabet - 3) {
					memcpy(doc + len, "\xc3\xa9", 2);
					len += 2;
				} else {
					doc[len++] = alphabet[at];
				}
				seed = seed * 1664525 + 1013904223;
			}
			memcpy(doc + len, "\"", 2);
			open_pair(&one, schema[0], doc);
			open_pair(&two, schema[1], doc);
			if (schema_check(one.schema, one.doc, one.doc->root, NULL, &e) !=
			    schema_check(two.schema, two.doc, two.doc->root, NULL, &e))
				fail_msg("%s and %s differ on %s", schema[0], schema[1], doc);
			close_pair(&one);
			close_pair(&two);
		}
	}
}

static void recursion_without_end_is_a_limit_and_no_answer(void **state)
{
	static const char *const dynamic = "{\"$id\":\"urn:a\",\"$dynamicAnchor\":\"x\",\"$ref\":\"urn:b\",\"$defs\":{\"b\":{\"$id\":\"urn:b\","
					   "\"$ref\":\"urn:c\",\"$defs\":{\"d\":{\"$dynamicAnchor\":\"x\"}}},\"c\":{\"$id\":\"urn:c\","
					   "\"$dynamicRef\":\"urn:b#x\"}}}";
	AUTO(buf) struct buf *b = buf_new(0);

	(void)state;
	assert_refused(checked(dynamic, "1", NULL), ERR_LIMIT, "nests too deeply");
	/* every level doubles what is looked at, for the answer as for the closest alternative */
	buf_adds(b, "{\"$ref\":\"#/$defs/n0\",\"$defs\":{");
	for (int i = 0; i < 60; i++)
		buf_addf(b, "\"n%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/n%d\"},{\"not\":{\"$ref\":\"#/$defs/n%d\"}}]},", i, i + 1, i + 1);
	buf_adds(b, "\"n60\":{\"type\":\"null\"}}}");
	assert_true(checked(b->data, "1", NULL) != ERR_FORMAT);
}

static void large_arrays_are_compared_in_linear_time(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);

	(void)state;
	for (int i = 0; i < 200000; i++)
		buf_addf(b, "%c[%d,{\"k\":%d}]", i ? ',' : '[', i, i);
	buf_adds(b, "]");
	assert_int_equal(checked("{\"uniqueItems\":true}", b->data, NULL), 0);
	b->data[b->len - 1] = ',';
	buf_adds(b, "[7.0,{\"k\":70e-1}]]");
	assert_refused(checked("{\"uniqueItems\":true}", b->data, NULL), ERR_FORMAT, "found one equal to element 7");
}

static void deep_documents_are_checked_to_the_bottom(void **state)
{
	char text[1024];

	(void)state;
	memset(text, '[', 120);
	strcpy(text + 120, "\"x\"");
	memset(text + 123, ']', 120);
	text[243] = '\0';
	assert_int_equal(checked("{\"type\":[\"array\",\"string\"],\"items\":{\"$ref\":\"#\"}}", text, NULL), 0);
	assert_int_equal(checked("{\"type\":[\"array\",\"null\"],\"items\":{\"$ref\":\"#\"}}", text, NULL), ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_that_explodes_is_an_error_and_no_answer),
		cmocka_unit_test(a_schema_that_explodes_runs_out_of_steps),
		cmocka_unit_test(patterns_pay_for_all_places_where_they_begin),
		cmocka_unit_test(simple_patterns_answer_like_pcre2),
		cmocka_unit_test(recursion_without_end_is_a_limit_and_no_answer),
		cmocka_unit_test(large_arrays_are_compared_in_linear_time),
		cmocka_unit_test(deep_documents_are_checked_to_the_bottom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
