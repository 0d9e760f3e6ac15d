/* test_schema: what the validator accepts, refuses and says. */
#include "pair.h"

/* ---- every keyword: what fits, what does not, and the sentence ---- */

struct keyword_case {
	const char *schema, *fits, *fails, *says;       /* fits, fails: an array of documents each */
};

static const struct keyword_case both_drafts[] = {
	{ "true", "[1,null]", "[]", "" },
	{ "false", "[]", "[1,null,{}]", "expected nothing here" },
	{ "{}", "[1,null]", "[]", "" },
	{ "{\"type\":\"integer\"}", "[1,1.0,1e2,-7]", "[1.5,\"1\",null]", "expected an integer, found" },
	{ "{\"type\":\"number\"}", "[1,1.5,1e400]", "[\"1\",true]", "expected a number" },
	{ "{\"type\":[\"string\",\"null\"]}", "[\"\",null]", "[1,false,[]]", "expected a string or null, found" },
	{ "{\"type\":\"boolean\"}", "[true,false]", "[0,\"true\"]", "expected true or false" },
	{ "{\"type\":\"object\"}", "[{}]", "[[]]", "expected an object, found an array" },
	{ "{\"type\":\"array\"}", "[[]]", "[{}]", "expected an array, found an object" },
	{ "{\"enum\":[1,\"a\",null,[2]]}", "[1,1.0,\"a\",null,[2.0]]", "[2,\"b\",[3],{}]", "expected one of 1, \"a\", null" },
	{ "{\"const\":{\"a\":1}}", "[{\"a\":1.0}]", "[{\"a\":2},{},1]", "expected an object, found" },
	{ "{\"minimum\":1,\"maximum\":3}", "[1,2.5,3,\"x\"]", "[0.999,3.001,-1e400]", "expected at " },
	{ "{\"exclusiveMinimum\":1,\"exclusiveMaximum\":3}", "[1.001,2]", "[1,3,1.0]", "expected " },
	{ "{\"minimum\":9007199254740993}", "[9007199254740993]", "[9007199254740992]", "expected at least 9007199254740993" },
	{ "{\"minLength\":2,\"maxLength\":3}", "[\"ab\",\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\",\"abc\",7]",
	  "[\"a\",\"\xf0\x9f\x98\x80\",\"abcd\"]", "characters, found" },
	{ "{\"pattern\":\"^a+$\"}", "[\"a\",\"aaa\",1]", "[\"\",\"ba\",\"a\\n\"]", "expected text that matches \"^a+$\", found" },
	{ "{\"pattern\":\"^.$\"}", "[\"\xf0\x9f\x98\x80\"]", "[\"\\n\",\"\\r\",\"\\u2028\"]", "expected text" },
	{ "{\"pattern\":\"^\\\\s$\"}", "[\" \",\"\\u00a0\",\"\\ufeff\",\"\\n\"]", "[\"a\",\"\"]", "expected text" },
	{ "{\"pattern\":\"^\\\\d\\\\u0041[\\\\s[]$\"}", "[\"1A \",\"1A[\"]", "[\"\\u0661A \",\"1B \"]", "expected text" },
	{ "{\"minItems\":1,\"maxItems\":2}", "[[1],[1,2],{}]", "[[],[1,2,3]]", "elements, found" },
	{ "{\"uniqueItems\":true}", "[[],[1,2],[{\"a\":1},{\"a\":2}],[1,\"1\",true]]",
	  "[[1,1.0],[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}],[[],[]]]", "expected different elements" },
	{ "{\"uniqueItems\":false}", "[[1,1]]", "[]", "" },
	{ "{\"items\":{\"type\":\"integer\"}}", "[[],[1,2]]", "[[1,\"x\"]]", "expected an integer, found a string" },
	{ "{\"required\":[\"a\",\"b\"]}", "[{\"b\":1,\"a\":null,\"c\":1},7]", "[{},{\"a\":1}]", "expected a member \"" },
	{ "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "[{},{\"a\":\"x\",\"b\":1}]", "[{\"a\":1}]", "expected a string" },
	{ "{\"properties\":{\"a\":true},\"additionalProperties\":false}", "[{},{\"a\":1}]", "[{\"b\":1}]",
	  "the member \"b\" is not allowed here" },
	{ "{\"additionalProperties\":{\"type\":\"null\"}}", "[{},{\"x\":null}]", "[{\"x\":1}]", "expected null" },
	{ "{\"patternProperties\":{\"^x-\":{\"type\":\"integer\"}},\"additionalProperties\":false}", "[{\"x-a\":1}]",
	  "[{\"x-a\":\"1\"},{\"y\":1}]", "" },
	{ "{\"propertyNames\":{\"pattern\":\"^[a-z]+$\"}}", "[{},{\"abc\":1}]", "[{\"A\":1}]", "has a name that is not allowed" },
	{ "{\"minProperties\":1,\"maxProperties\":1}", "[{\"a\":1}]", "[{},{\"a\":1,\"b\":2}]", "members, found" },
	{ "{\"allOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", "[2]", "[1,\"x\"]", "expected" },
	{ "{\"anyOf\":[{\"type\":\"integer\"},{\"minLength\":2}]}", "[1,\"ab\",null]", "[\"a\"]", "one of 2 alternatives" },
	{ "{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":2}]}", "[1,2.5,\"x\"]", "[3,1.5]", "exactly one of 2 alternatives" },
	{ "{\"not\":{\"type\":\"integer\"}}", "[\"x\",1.5]", "[1]", "expected anything but this" },
	{ "{\"if\":{\"type\":\"integer\"},\"then\":{\"minimum\":5},\"else\":{\"type\":\"string\"}}", "[5,\"x\"]", "[4,null]", "expected" },
	{ "{\"then\":false,\"else\":false}", "[1]", "[]", "" },
	{ "{\"definitions\":{\"n\":{\"type\":\"integer\"}},\"items\":{\"$ref\":\"#/definitions/n\"}}", "[[1]]", "[[\"x\"]]", "expected an integer" },
	{ "{\"properties\":{\"child\":{\"$ref\":\"#\"},\"v\":{\"type\":\"integer\"}}}", "[{\"child\":{\"child\":{\"v\":1}}}]",
	  "[{\"child\":{\"child\":{\"v\":\"x\"}}}]", "/child/child/v: expected an integer" },
	{ "{\"definitions\":{\"a/b~c d\":{\"type\":\"null\"}},\"$ref\":\"#/definitions/a~1b~0c%20d\"}", "[null]", "[1]", "expected null" },
};

static const struct keyword_case only_2020_12[] = {
	{ "{\"prefixItems\":[{\"type\":\"string\"}],\"items\":false}", "[[],[\"a\"]]", "[[1],[\"a\",2]]", "expected" },
	{ "{\"prefixItems\":[{\"type\":\"null\"},{\"$ref\":\"#/prefixItems/0\"}]}", "[[null,null]]", "[[null,1]]", "expected null" },
	{ "{\"format\":\"email\",\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[],\"deprecated\":true,"
	  "\"$comment\":\"c\",\"$id\":\"urn:x\",\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"}", "[1,\"x\"]", "[]", "" },
	{ "{\"multipleOf\":0.01}", "[0,19.99,1e300,-0.07,\"x\",4.35]", "[0.005,1e-300,19.999]", "expected a multiple of 0.01" },
	{ "{\"contains\":{\"minimum\":5}}", "[[1,5],[9],7]", "[[],[1,2]]", "expected at least 1 elements that fit, found 0" },
	{ "{\"contains\":{\"minimum\":5},\"minContains\":2,\"maxContains\":3}", "[[5,5],[1,5,6,7]]", "[[5],[5,5,5,5]]", "elements that fit" },
	{ "{\"contains\":false,\"minContains\":0}", "[[],[1]]", "[]", "" },
	{ "{\"minContains\":2,\"maxContains\":0}", "[[],[1]]", "[]", "" },
	{ "{\"dependentRequired\":{\"a\":[\"b\",\"c\"]}}", "[{},{\"b\":1},{\"a\":1,\"b\":1,\"c\":1}]", "[{\"a\":1},{\"a\":1,\"b\":1}]",
	  "beside \"a\", found none" },
	{ "{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]},\"x\":false}}", "[{},{\"a\":1,\"b\":1},1]", "[{\"a\":1},{\"x\":1}]", "expected" },
	{ "{\"$anchor\":\"here\",\"items\":{\"$ref\":\"#here\"},\"type\":\"array\"}", "[[],[[],[[]]]]", "[[1],[[[2]]]]", "expected an array" },
	{ "{\"$defs\":{\"a\":{\"$anchor\":\"n\",\"type\":\"null\"}},\"$ref\":\"#n\"}", "[null]", "[1]", "expected null" },
	{ "{\"$id\":\"http://example.com/a/b\",\"$defs\":{\"x\":{\"$id\":\"../c/d\",\"type\":\"null\"}},\"items\":{\"$ref\":\"/c/d\"}}", "[[null]]",
	  "[[1]]", "expected null" },
	{ "{\"$id\":\"http://example.com/a\",\"$defs\":{\"x\":{\"$id\":\"b\",\"$defs\":{\"y\":{\"$anchor\":\"y\",\"type\":\"null\"}}}},\"$ref\":\"b#y\"}",
	  "[null]", "[1]", "expected null" },
	{ "{\"$ref\":\"#/$defs/a\",\"maximum\":3,\"$defs\":{\"a\":{\"minimum\":1}}}", "[1,3]", "[0,4]", "expected at" },
	/* a tree whose nodes are what the outermost schema says */
	{ "{\"$id\":\"urn:strict\",\"$dynamicAnchor\":\"node\",\"$ref\":\"urn:tree\",\"unevaluatedProperties\":false,\"$defs\":{\"t\":{"
	  "\"$id\":\"urn:tree\",\"$dynamicAnchor\":\"node\",\"type\":\"object\",\"properties\":{\"v\":true,\"in\":{\"items\":{\"$dynamicRef\":\"#node\"}}}}}}",
	  "[{\"v\":1,\"in\":[{\"v\":2}]}]", "[{\"w\":1},{\"in\":[{\"w\":1}]}]", "the member \"w\" is not allowed here" },
	{ "{\"unevaluatedProperties\":false}", "[{},1]", "[{\"a\":1}]", "the member \"a\" is not allowed here" },
	{ "{\"allOf\":[{\"properties\":{\"a\":true}}],\"properties\":{\"b\":true},\"patternProperties\":{\"^x\":true},\"unevaluatedProperties\":false}",
	  "[{\"a\":1,\"b\":1,\"x1\":1}]", "[{\"c\":1}]", "the member \"c\"" },
	{ "{\"anyOf\":[{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},{\"properties\":{\"b\":{\"const\":1}},\"required\":[\"b\"]}],"
	  "\"unevaluatedProperties\":false}", "[{\"a\":1},{\"b\":1},{\"a\":1,\"b\":1}]", "[{\"a\":1,\"b\":2},{\"a\":2,\"b\":1}]", "is not allowed here" },
	{ "{\"if\":{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},\"then\":{\"properties\":{\"b\":true}},\"unevaluatedProperties\":false}",
	  "[{\"a\":1,\"b\":1},{}]", "[{\"a\":2},{\"b\":1}]", "is not allowed here" },
	{ "{\"not\":{\"not\":{\"properties\":{\"a\":true}}},\"unevaluatedProperties\":false}", "[{}]", "[{\"a\":1}]", "is not allowed here" },
	{ "{\"dependentSchemas\":{\"a\":{\"properties\":{\"a\":true,\"b\":true}}},\"unevaluatedProperties\":false}", "[{\"a\":1,\"b\":1}]", "[{\"b\":1}]",
	  "is not allowed here" },
	{ "{\"properties\":{\"a\":true},\"allOf\":[{\"unevaluatedProperties\":false}]}", "[{}]", "[{\"a\":1}]", "is not allowed here" },
	{ "{\"properties\":{\"a\":true},\"unevaluatedProperties\":{\"type\":\"null\"}}", "[{\"a\":1,\"b\":null}]", "[{\"b\":1}]", "expected null" },
	{ "{\"prefixItems\":[true],\"unevaluatedItems\":false}", "[[],[1]]", "[[1,2]]", "expected nothing here" },
	{ "{\"allOf\":[{\"prefixItems\":[true,true]}],\"contains\":{\"const\":9},\"unevaluatedItems\":{\"type\":\"null\"}}", "[[9,1],[1,2,null,9]]", "[[9,1,2]]",
	  "expected null" },
	{ "{\"items\":true,\"unevaluatedItems\":false}", "[[1,2]]", "[]", "" },
	{ "{\"contentEncoding\":\"base64\",\"contentMediaType\":\"application/json\",\"contentSchema\":{\"type\":\"null\"}}", "[\"%%\",1]", "[]", "" },
	{ "{\"$ref\":\"https://json-schema.org/draft/2020-12/schema\"}",
	  "[true,{},{\"type\":\"object\"},{\"$defs\":{\"a\":{\"minLength\":2}},\"items\":{\"enum\":[]}},{\"type\":[\"null\",\"integer\"]}]",
	  "[1,{\"type\":1},{\"type\":\"int\"},{\"$defs\":{\"a\":{\"minLength\":-1}}},{\"items\":[]},{\"allOf\":[]},{\"$id\":\"x#y\"},"
	  "{\"properties\":{\"a\":{\"allOf\":[{\"required\":[\"a\",\"a\"]}]}}},{\"$anchor\":\"1\"},{\"deprecated\":1},{\"format\":2},{\"contentSchema\":3},"
	  "{\"unevaluatedItems\":4},{\"type\":[]},{\"dependentRequired\":{\"a\":1}},{\"multipleOf\":0}]", "expected" },
};

static const struct keyword_case only_draft_07[] = {
	{ "{\"multipleOf\":3}", "[0,9,3.0,-6]", "[1,3.1]", "expected a multiple of 3" },
	{ "{\"items\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "[[],[\"a\"],[\"a\",null,1]]", "[[1],[\"a\",2]]", "expected" },
	{ "{\"items\":[true],\"additionalItems\":{\"type\":\"null\"}}", "[[1,null]]", "[[1,2]]", "expected null" },
	{ "{\"items\":{},\"additionalItems\":false}", "[[1,2]]", "[]", "" },
	{ "{\"contains\":{\"const\":1}}", "[[2,1]]", "[[],[2]]", "elements that fit" },
	{ "{\"dependencies\":{\"a\":[\"b\"],\"c\":{\"required\":[\"d\"]}}}", "[{},{\"a\":1,\"b\":1},{\"c\":1,\"d\":1}]", "[{\"a\":1},{\"c\":1}]",
	  "expected a member" },
	{ "{\"definitions\":{\"n\":{\"$id\":\"#name\",\"type\":\"null\"}},\"items\":{\"$ref\":\"#name\"}}", "[[null]]", "[[1]]", "expected null" },
	{ "{\"$ref\":\"http://json-schema.org/draft-07/schema#\"}",
	  "[true,{},{\"items\":[{},true]},{\"dependencies\":{\"a\":[\"b\"],\"c\":{}}}]",
	  "[1,{\"type\":1},{\"items\":[]},{\"items\":1},{\"dependencies\":{\"a\":1}},{\"definitions\":{\"a\":{\"pattern\":1}}},{\"required\":[1]}]", "expected" },
};

static void hold(const struct keyword_case *list, size_t count, const struct schema_options *o)
{
	for (size_t i = 0; i < count; i++) {
		const struct keyword_case *k = &list[i];
		struct pair fits, fails;

		open_pair_as(&fits, k->schema, k->fits, o);
		open_pair_as(&fails, k->schema, k->fails, o);
		for (uint32_t n = 0; n < fits.doc->root->count; n++)
			if (schema_check(fits.schema, fits.doc, &fits.doc->root->u.items[n], NULL, &e) < 0)
				fail_msg("%s refuses [%u] of %s: %s", k->schema, n, k->fits, e.msg);
		for (uint32_t n = 0; n < fails.doc->root->count; n++) {
			int rc = schema_check(fails.schema, fails.doc, &fails.doc->root->u.items[n], NULL, &e);

			if (rc != ERR_FORMAT || !strstr(e.msg, k->says))
				fail_msg("%s, [%u] of %s: %d %s", k->schema, n, k->fails, rc, rc ? e.msg : "");
		}
		close_pair(&fits);
		close_pair(&fails);
	}
}

static void each_keyword_accepts_what_fits_and_refuses_what_does_not(void **state)
{
	struct schema_options o = { .strict = true };

	(void)state;
	for (o.dialect = SCHEMA_2020_12; o.dialect <= SCHEMA_DRAFT_07; o.dialect++)
		hold(both_drafts, ARRAY_LEN(both_drafts), &o);
	o.dialect = SCHEMA_2020_12;
	hold(only_2020_12, ARRAY_LEN(only_2020_12), &o);
	o.dialect = SCHEMA_DRAFT_07;
	hold(only_draft_07, ARRAY_LEN(only_draft_07), &o);
}

/* ---- dialects, libraries, annotations ---- */

static void unknown_keywords_are_annotations_unless_the_author_is_strict(void **state)
{
	AUTO(json) struct json_doc *d = NULL;
	struct schema *s = NULL;
	static const char text[] = "{\"minimun\":7,\"dependencies\":{\"a\":[\"b\"]}}";

	(void)state;
	assert_int_equal(checked_as(text, "{\"a\":1}", NULL), 0);
	assert_ok(json_parse(&d, "s", text, strlen(text), NULL, &e));
	assert_refused(schema_compile(&s, d, d->root, &e), ERR_UNSUPPORTED, "\"minimun\" is not supported");
}

static void each_resource_chooses_its_dialect(void **state)
{
	static const char text[] = "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"$ref\":\"urn:old\",\"dependentRequired\":{\"a\":[\"b\"]},"
				   "\"$defs\":{\"o\":{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$id\":\"urn:old\","
				   "\"dependencies\":{\"c\":[\"d\"]},\"dependentRequired\":{\"e\":[\"f\"]}}}}";

	(void)state;
	assert_int_equal(checked_as(text, "{\"a\":1}", NULL), ERR_FORMAT);
	assert_int_equal(checked_as(text, "{\"c\":1}", NULL), ERR_FORMAT);
	assert_int_equal(checked_as(text, "{\"e\":1}", NULL), 0);
	/* beside $ref nothing counts in draft-07 */
	assert_int_equal(checked_as("{\"$ref\":\"#/definitions/a\",\"maximum\":1,\"definitions\":{\"a\":true}}", "5",
				    &(struct schema_options){ .dialect = SCHEMA_DRAFT_07 }), 0);
	assert_int_equal(checked_as("{\"$ref\":\"#/definitions/a\",\"maximum\":1,\"definitions\":{\"a\":true}}", "5", NULL), ERR_FORMAT);
}

static void references_and_metaschemas_are_found_in_the_library(void **state)
{
	static const char *const texts[][2] = {
		{ "http://a.example/one", "{\"$defs\":{\"n\":{\"type\":\"null\"}},\"$ref\":\"two#/$defs/m\"}" },
		{ "http://a.example/two", "{\"$defs\":{\"m\":{\"$ref\":\"one#/$defs/n\"}}}" },
		{ NULL, "{\"$id\":\"urn:named\",\"$defs\":{\"deep\":{\"$id\":\"urn:deep\",\"type\":\"integer\"}}}" },
		{ "urn:meta", "{\"$id\":\"urn:meta\",\"$vocabulary\":{\"https://json-schema.org/draft/2020-12/vocab/applicator\":true,"
			      "\"urn:mine\":false}}" },
		{ "urn:formats", "{\"$vocabulary\":{\"https://json-schema.org/draft/2020-12/vocab/format-assertion\":true}}" },
		{ "urn:demands", "{\"$vocabulary\":{\"urn:mine\":true}}" },
	};
	AUTO(schema_library) struct schema_library *l = NULL;
	struct json_doc *docs[ARRAY_LEN(texts)], *d;
	struct schema_options o = { 0 };
	struct schema *s = NULL;

	(void)state;
	assert_ok(schema_library_new(&l, &e));
	o.library = l;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_ok(json_parse(&docs[i], "library", texts[i][1], strlen(texts[i][1]), NULL, &e));
		assert_ok(schema_library_add(l, texts[i][0], docs[i], &e));
	}
	assert_refused(schema_library_add(l, "http://a.example/two#", docs[0], &e), ERR_CONFLICT, "known as http://a.example/two");
	assert_int_equal(checked_as("{\"$ref\":\"http://a.example/one\"}", "null", &o), 0);
	assert_int_equal(checked_as("{\"$ref\":\"http://a.example/one\"}", "1", &o), ERR_FORMAT);
	assert_int_equal(checked_as("{\"$id\":\"http://a.example/x/y\",\"$ref\":\"../one\"}", "1", &o), ERR_FORMAT);
	assert_int_equal(checked_as("{\"$ref\":\"urn:deep\"}", "1", &o), 0);
	assert_int_equal(checked_as("{\"$ref\":\"urn:deep\"}", "1.5", &o), ERR_FORMAT);
	o.uri = "http://a.example/z";
	assert_int_equal(checked_as("{\"$ref\":\"one\"}", "1", &o), ERR_FORMAT);
	/* a metaschema without validation, one that asserts formats, one that demands what nobody knows */
	assert_int_equal(checked_as("{\"$schema\":\"urn:meta\",\"type\":\"null\",\"items\":false}", "1", &o), 0);
	assert_int_equal(checked_as("{\"$schema\":\"urn:meta\",\"type\":\"null\",\"items\":false}", "[1]", &o), ERR_FORMAT);
	assert_int_equal(checked_as("{\"$schema\":\"urn:formats\",\"format\":\"date\"}", "\"x\"", &o), ERR_FORMAT);
	assert_ok(json_parse(&d, "s", "{\"$schema\":\"urn:demands\"}", 25, NULL, &e));
	assert_refused(schema_compile_as(&s, d, d->root, &o, &e), ERR_UNSUPPORTED, "the dialect \"urn:demands\" is not known");
	json_free(d);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		json_free(docs[i]);
}

/* ---- places ---- */

static void errors_name_place_pointer_and_keyword(void **state)
{
	static const char schema[] = "{\"type\":\"object\",\"additionalProperties\":false,\n"
				     " \"properties\":{\"rules\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/rule\"}},\n"
				     "                 \"a/b~\":{\"maximum\":1}},\n"
				     " \"required\":[\"rules\",\"format\"],\n"
				     " \"$defs\":{\"rule\":{\"properties\":{\"fields\":{\"maxItems\":2}}}}}";
	static const char doc[] = "{\"rules\":[{\"fields\":[1]},\n"
				  "           {\"fields\":[1,2,3]}],\n"
				  " \"a/b~\":2,\n"
				  "  \"more\":1}";
	struct schema_errors errors;

	(void)state;
	assert_int_equal(checked(schema, doc, &errors), ERR_FORMAT);
	assert_string_equal(e.msg, "d:2:22: /rules/1/fields: expected at most 2 elements, found 3");
	assert_int_equal(errors.count, 4);
	assert_int_equal(errors.at[0].line, 2);
	assert_int_equal(errors.at[0].column, 22);
	assert_string_equal(errors.at[0].pointer, "/rules/1/fields");
	assert_string_equal(errors.at[0].keyword, "/$defs/rule/properties/fields/maxItems");
	assert_string_equal(errors.at[1].pointer, "/a~1b~0");
	assert_string_equal(errors.at[1].text, "expected at most 1, found 2");
	assert_int_equal(errors.at[2].line, 4);
	assert_int_equal(errors.at[2].column, 3);
	assert_string_equal(errors.at[2].pointer, "/more");
	assert_string_equal(errors.at[2].keyword, "/additionalProperties");
	assert_string_equal(errors.at[3].pointer, "");
	assert_string_equal(errors.at[3].text, "expected a member \"format\", found none");
}

static void errors_beyond_the_first_are_counted(void **state)
{
	struct schema_errors errors;

	(void)state;
	assert_int_equal(checked("{\"items\":{\"type\":\"null\"}}", "[1,2,3,4,5,6,7,8,9,10,11,12]", &errors), ERR_FORMAT);
	assert_int_equal(errors.count, 12);
	assert_string_equal(errors.at[SCHEMA_ERRORS - 1].pointer, "/7");
}

static void equal_elements_are_blamed_on_the_same_keyword_in_short_and_long_arrays(void **state)
{
	static const char *const docs[] = { "[1,1]", "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,1]" };
	struct schema_errors errors;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(docs); i++) {
		assert_int_equal(checked("{\"uniqueItems\":true}", docs[i], &errors), ERR_FORMAT);
		assert_string_equal(errors.at[0].keyword, "/uniqueItems");
	}
}

static void errors_of_alternatives_name_the_closest_one(void **state)
{
	struct schema_errors errors;

	(void)state;
	assert_int_equal(checked("{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"string\"}]}", "1", &errors), ERR_FORMAT);
	assert_int_equal(errors.count, 1);
	assert_string_equal(errors.at[0].keyword, "/anyOf");
	assert_int_equal(checked("{\"oneOf\":[{\"properties\":{\"kind\":{\"const\":\"a\"},\"n\":{\"type\":\"null\"}}},"
				 "{\"properties\":{\"kind\":{\"const\":\"b\"},\"n\":{\"type\":\"integer\"},\"m\":{\"type\":\"null\"}}},{\"type\":\"array\"}]}",
				 "{\"kind\":\"b\",\"n\":\"x\",\"m\":1}", &errors), ERR_FORMAT);
	assert_string_equal(errors.at[0].text, "expected exactly one of 3 alternatives to fit an object, found none; "
					       "closest is oneOf/1: /n: expected an integer, found a string");
	assert_int_equal(checked("{\"oneOf\":[{\"type\":\"array\"},{},{\"minimum\":0}]}", "1", &errors), ERR_FORMAT);
	assert_non_null(strstr(errors.at[0].text, "found more: oneOf/1 and oneOf/2"));
	assert_int_equal(checked("{\"anyOf\":[{\"type\":\"null\"},{\"type\":\"integer\"}]}", "1", &errors), 0);
	assert_int_equal(errors.count, 0);
}

static void hostile_names_and_values_stay_one_printable_line(void **state)
{
	char doc[4096] = "{\"\\u001b[31m\\n", *s;
	struct schema_errors errors;

	(void)state;
	memset(doc + strlen(doc), 'x', 3000);
	strcat(doc, "\":1}");
	assert_int_equal(checked("{\"additionalProperties\":false}", doc, &errors), ERR_FORMAT);
	for (s = e.msg; *s; s++)
		assert_true((unsigned char)*s >= 0x20);
	assert_true(strlen(errors.at[0].pointer) < SCHEMA_POINTER_MAX);
}

/* ---- compiling ---- */

static void unknown_and_malformed_keywords_are_refused_by_name_and_place(void **state)
{
	static const struct { const char *schema; int code; const char *says; } cases[] = {
		{ "1", ERR_FORMAT, "s:1:1: expected a schema (an object, true or false), found a number" },
		{ "{\"contians\":{}}", ERR_UNSUPPORTED, "s:1:2: the schema keyword \"contians\" is not supported" },
		{ "{\"properties\":{\"a\":{\"x-mine\":1}}}", ERR_UNSUPPORTED, "s:1:21: the schema keyword \"x-mine\"" },
		{ "{\"$defs\":{\"unused\":{\"minimun\":1}}}", ERR_UNSUPPORTED, "\"minimun\"" },
		{ "{\"dependencies\":{}}", ERR_UNSUPPORTED, "\"dependencies\"" },
		{ "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"unevaluatedItems\":false}", ERR_UNSUPPORTED,
		  "unevaluatedItems" },
		{ "{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}", ERR_UNSUPPORTED, "s:1:12: the dialect \"http://json-schema.org/draft-04" },
		{ "{\"$schema\":7}", ERR_FORMAT, "\"$schema\": expected a string" },
		{ "{\"$id\":\"urn:x#a\"}", ERR_FORMAT, "without fragment" },
		{ "{\"$ref\":\"other.json#/a\"}", ERR_FORMAT, "s:1:9: \"$ref\": no schema is known as other.json" },
		{ "{\"$ref\":\"https://nowhere.invalid/x\"}", ERR_FORMAT, "no schema is known as https://nowhere.invalid/x" },
		{ "{\"$ref\":\"#name\"}", ERR_FORMAT, "nothing stands at \"#name\"" },
		{ "{\"$dynamicRef\":\"#a\"}", ERR_FORMAT, "nothing stands at \"#a\"" },
		{ "{\"$ref\":1}", ERR_FORMAT, "\"$ref\": expected a string" },
		{ "{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}", ERR_FORMAT, "the anchor \"x\" a second time" },
		{ "{\"$defs\":{\"a\":{\"$id\":\"urn:a\"},\"b\":{\"$id\":\"urn:a\"}},\"$ref\":\"urn:a\"}", ERR_FORMAT, "more than one schema calls itself urn:a" },
		{ "{\"multipleOf\":0}", ERR_FORMAT, "expected a number above 0" },
		{ "{\"multipleOf\":-1.5}", ERR_FORMAT, "expected a number above 0" },
		{ "{\"multipleOf\":0.1234567890123456789}", ERR_LIMIT, "more than 18 digits" },
		{ "{\"dependentRequired\":{\"a\":[1]}}", ERR_FORMAT, "expected a string" },
		{ "{\"dependentSchemas\":{\"a\":[]}}", ERR_FORMAT, "expected a schema" },
		{ "{\"prefixItems\":[]}", ERR_FORMAT, "at least one schema" },
		{ "{\"items\":[{}]}", ERR_FORMAT, "expected a schema" },
		{ "{\"$ref\":\"#/nowhere\"}", ERR_FORMAT, "nothing stands at \"#/nowhere\"" },
		{ "{\"$ref\":\"#/a%2\"}", ERR_FORMAT, "nothing stands" },
		{ "{\"items\":{\"$ref\":\"#/enum\"},\"enum\":[1]}", ERR_FORMAT, "expected a schema" },
		{ "{\"$ref\":\"#\"}", ERR_FORMAT, "refers to itself without end" },
		{ "{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"not\":{\"$ref\":\"#/$defs/a\"}}}}", ERR_FORMAT,
		  "refers to itself without end" },
		{ "{\"type\":\"int\"}", ERR_FORMAT, "not one of the seven type names" },
		{ "{\"type\":[]}", ERR_FORMAT, "at least one type name" },
		{ "{\"type\":[1]}", ERR_FORMAT, "not one of the seven" },
		{ "{\"required\":\"a\"}", ERR_FORMAT, "\"required\": expected an array, found a string" },
		{ "{\"required\":[\"a\",\"a\"]}", ERR_FORMAT, "a second time" },
		{ "{\"minItems\":-1}", ERR_FORMAT, "expected a whole number" },
		{ "{\"minItems\":1.5}", ERR_FORMAT, "expected a whole number" },
		{ "{\"minimum\":\"1\"}", ERR_FORMAT, "\"minimum\": expected a number, found a string" },
		{ "{\"uniqueItems\":1}", ERR_FORMAT, "\"uniqueItems\"" },
		{ "{\"allOf\":[]}", ERR_FORMAT, "at least one schema" },
		{ "{\"allOf\":{}}", ERR_FORMAT, "expected an array" },
		{ "{\"pattern\":\"(\"}", ERR_FORMAT, "s:1:12: the pattern is malformed" },
		{ "{\"pattern\":\"\\\\A\"}", ERR_FORMAT, "at character 1, which ECMA-262 does not know" },
		{ "{\"pattern\":\"a\\\\a\"}", ERR_FORMAT, "an escape at character 2" },
		{ "{\"pattern\":\"(?>a)\"}", ERR_FORMAT, "a kind of group" },
		{ "{\"pattern\":\"(?i)a\"}", ERR_FORMAT, "a kind of group" },
		{ "{\"pattern\":\"(*UTF)a\"}", ERR_FORMAT, "has (*" },
		{ "{\"pattern\":\"a++\"}", ERR_FORMAT, "possessive" },
		{ "{\"pattern\":\"a{2}+\"}", ERR_FORMAT, "possessive" },
		{ "{\"pattern\":\"[[:alpha:]]\"}", ERR_FORMAT, "POSIX class" },
		{ "{\"pattern\":\"a{\"}", ERR_FORMAT, "lone {" },
		{ "{\"pattern\":\"a\\\\\"}", ERR_FORMAT, "lone backslash" },
		{ "{\"patternProperties\":{\"[\":{}}}", ERR_FORMAT, "s:1:23: the pattern is malformed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json_doc *d = NULL;
		struct schema *s = NULL;

		assert_ok(json_parse(&d, "s", cases[i].schema, strlen(cases[i].schema), NULL, &e));
		if (schema_compile(&s, d, d->root, &e) != cases[i].code || !strstr(e.msg, cases[i].says))
			fail_msg("%s: %s", cases[i].schema, s ? "accepted" : e.msg);
		assert_null(s);
	}
}

static void properties_named_like_keywords_are_only_names(void **state)
{
	(void)state;
	assert_int_equal(checked("{\"properties\":{\"$ref\":{\"type\":\"string\"},\"contains\":{}},\"required\":[\"$ref\"]}",
				 "{\"$ref\":\"x\",\"contains\":1}", NULL), 0);
	assert_int_equal(checked("{\"const\":{\"contains\":1}}", "{\"contains\":1}", NULL), 0);
	assert_int_equal(checked("{\"enum\":[{\"if\":1}]}", "{\"if\":1}", NULL), 0);
}

static void a_schema_may_stand_inside_a_document(void **state)
{
	static const char text[] = "{\"outer\":{\"schema\":{\"$defs\":{\"a\":{\"type\":\"null\"}},\"items\":{\"$ref\":\"#/$defs/a\"}},"
				   "\"doc\":[null,1]}}";
	AUTO(json) struct json_doc *d = NULL;
	AUTO(schema) struct schema *s = NULL;
	const struct json *outer;
	struct schema_errors errors;

	(void)state;
	assert_ok(json_parse(&d, "t", text, sizeof text - 1, NULL, &e));
	outer = json_get(d->root, "outer");
	assert_ok(schema_compile(&s, d, json_get(outer, "schema"), &e));
	assert_int_equal(schema_check(s, d, json_get(outer, "doc"), &errors, &e), ERR_FORMAT);
	assert_string_equal(errors.at[0].pointer, "/1");
	assert_string_equal(errors.at[0].keyword, "/$defs/a/type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_keyword_accepts_what_fits_and_refuses_what_does_not),
		cmocka_unit_test(unknown_keywords_are_annotations_unless_the_author_is_strict),
		cmocka_unit_test(each_resource_chooses_its_dialect),
		cmocka_unit_test(references_and_metaschemas_are_found_in_the_library),
		cmocka_unit_test(errors_name_place_pointer_and_keyword),
		cmocka_unit_test(errors_beyond_the_first_are_counted),
		cmocka_unit_test(equal_elements_are_blamed_on_the_same_keyword_in_short_and_long_arrays),
		cmocka_unit_test(errors_of_alternatives_name_the_closest_one),
		cmocka_unit_test(hostile_names_and_values_stay_one_printable_line),
		cmocka_unit_test(unknown_and_malformed_keywords_are_refused_by_name_and_place),
		cmocka_unit_test(properties_named_like_keywords_are_only_names),
		cmocka_unit_test(a_schema_may_stand_inside_a_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
