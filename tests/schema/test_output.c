/* test_output: the basic output form, as the specification's section 12 describes it. */
#include "schema/output.h"
#include "test.h"

static struct err e;

/* What is written for doc against schema: owned by the caller. */
static int output(struct buf **out, const char *schema, const char *doc, unsigned most)
{
	AUTO(json) struct json_doc *s = NULL;
	AUTO(json) struct json_doc *d = NULL;
	AUTO(schema) struct schema *program = NULL;
	struct json_writer w = { .out = *out = buf_new(0) };

	assert_ok(json_parse(&s, "s", schema, strlen(schema), NULL, &e));
	assert_ok(json_parse(&d, "d", doc, strlen(doc), NULL, &e));
	assert_ok(schema_compile_as(&program, s, s->root, NULL, &e));
	return schema_output_basic(&w, NULL, program, d, d->root, most, &e);
}

static void a_valid_document_is_said_to_be_valid(void **state)
{
	AUTO(buf) struct buf *b = NULL;

	(void)state;
	assert_int_equal(output(&b, "{\"type\":\"null\"}", "null", 10), 0);
	assert_string_equal(b->data, "{\"valid\":true}");
}

/* The polygon of the specification's appendix. */
static void locations_are_the_specifications(void **state)
{
	static const char schema[] = "{\"$id\":\"https://example.com/polygon\",\"$defs\":{\"point\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"number\"},"
				     "\"y\":{\"type\":\"number\"}},\"additionalProperties\":false,\"required\":[\"x\",\"y\"]}},"
				     "\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/point\"},\"minItems\":3}";
	AUTO(buf) struct buf *b = NULL;

	(void)state;
	assert_int_equal(output(&b, schema, "[{\"x\":2.5,\"y\":1.3},{\"x\":1,\"z\":6.7}]", 10), ERR_FORMAT);
	assert_string_equal(b->data,
		"{\"valid\":false,\"errors\":["
		"{\"keywordLocation\":\"/minItems\",\"absoluteKeywordLocation\":\"https://example.com/polygon#/minItems\","
		"\"instanceLocation\":\"\",\"error\":\"expected at least 3 elements, found 2\"},"
		"{\"keywordLocation\":\"/items/$ref/additionalProperties\","
		"\"absoluteKeywordLocation\":\"https://example.com/polygon#/$defs/point/additionalProperties\","
		"\"instanceLocation\":\"/1/z\",\"error\":\"the member \\\"z\\\" is not allowed here\"},"
		"{\"keywordLocation\":\"/items/$ref/required\",\"absoluteKeywordLocation\":\"https://example.com/polygon#/$defs/point/required\","
		"\"instanceLocation\":\"/1\",\"error\":\"expected a member \\\"y\\\", found none\"}]}");
}

static void locations_pass_through_every_reference(void **state)
{
	static const char schema[] = "{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"allOf\":[{\"properties\":{\"x/y\":{\"maximum\":1}}}]}},"
				     "\"additionalProperties\":{\"$ref\":\"#/$defs/a\"}}";
	AUTO(buf) struct buf *b = NULL;

	(void)state;
	assert_int_equal(output(&b, schema, "{\"k~\":{\"x/y\":2}}", 10), ERR_FORMAT);
	assert_non_null(strstr(b->data, "\"keywordLocation\":\"/additionalProperties/$ref/$ref/allOf/0/properties/x~1y/maximum\""));
	assert_non_null(strstr(b->data, "\"instanceLocation\":\"/k~0/x~1y\""));
	assert_null(strstr(b->data, "absoluteKeywordLocation"));        /* the schema has no absolute name */
}

static void no_more_errors_than_asked_for(void **state)
{
	AUTO(buf) struct buf *b = NULL;
	AUTO(json) struct json_doc *d = NULL;

	(void)state;
	assert_int_equal(output(&b, "{\"items\":false}", "[1,2,3,4,5,6,7,8,9,10,11,12]", 3), ERR_FORMAT);
	assert_ok(json_parse(&d, "output", b->data, b->len, NULL, &e));
	assert_int_equal(json_get(d->root, "errors")->count, 3);
}

static void hostile_texts_leave_well_formed_json(void **state)
{
	AUTO(buf) struct buf *b = NULL;
	AUTO(buf) struct buf *doc = buf_new(0);
	AUTO(json) struct json_doc *d = NULL;

	(void)state;
	buf_adds(doc, "{\"");
	for (int i = 0; i < 400; i++)
		buf_adds(doc, "\xf0\x9f\x98\x80\\u001b\\u0085");
	buf_adds(doc, "\":[\"\\u0007");
	for (int i = 0; i < 100; i++)
		buf_adds(doc, "\xe2\x82\xac");
	buf_adds(doc, "\"]}");
	assert_int_equal(output(&b, "{\"additionalProperties\":{\"items\":{\"type\":\"null\",\"const\":1}},\"propertyNames\":{\"maxLength\":1}}", doc->data, 9), ERR_FORMAT);
	assert_ok(json_parse(&d, "output", b->data, b->len, NULL, &e));
	assert_int_equal(json_get(d->root, "errors")->count, 2);
	for (size_t i = 0; i < b->len; i++)
		assert_true((unsigned char)b->data[i] >= 0x20);
}

static void beyond_a_limit_nothing_is_written(void **state)
{
	AUTO(buf) struct buf *b = NULL;

	(void)state;
	assert_int_equal(output(&b, "{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", 9), ERR_LIMIT);
	assert_int_equal(b->len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_valid_document_is_said_to_be_valid),
		cmocka_unit_test(locations_are_the_specifications),
		cmocka_unit_test(locations_pass_through_every_reference),
		cmocka_unit_test(no_more_errors_than_asked_for),
		cmocka_unit_test(hostile_texts_leave_well_formed_json),
		cmocka_unit_test(beyond_a_limit_nothing_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
