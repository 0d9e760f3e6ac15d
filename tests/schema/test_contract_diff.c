/* test_contract_diff: every kind of change gets its class, and no diff is ever too kind. */
#include "schema/contract_diff.h"
#include "schema/schema_diff.h"
#include "test.h"

static struct err e;

static struct json_doc *parsed(const char *text)
{
	struct json_doc *d = NULL;

	if (json_parse(&d, "schema", text, strlen(text), NULL, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return d;
}

static struct diff *compared(const char *before, const char *after)
{
	AUTO(json) struct json_doc *a = parsed(before), *b = parsed(after);
	struct diff *d = NULL;

	assert_ok(diff_new(&d, &e));
	assert_ok(schema_diff(d, "", a->root, b->root, &e));
	return d;
}

static void is_classed(const char *before, const char *after, enum diff_class want, const char *where)
{
	AUTO(diff) struct diff *d = compared(before, after);
	bool found = !where;

	for (size_t i = 0; i < d->count; i++)
		found = found || (d->items[i].class == want && strcmp(d->items[i].where, where) == 0);
	if (diff_class(d) != want || !found)
		fail_msg("%s -> %s: %s, first at %s: %s", before, after, diff_class_name(diff_class(d)), d->count ? d->items[0].where : "-",
			 d->count ? d->items[0].what : "-");
}

/* ---- schemas ---- */

/* From `narrow` to `wide` widens, the other way narrows. */
static const struct { const char *narrow, *wide, *where; } pairs[] = {
	{ "{\"maximum\":5}", "{\"maximum\":6.5}", "/maximum" },
	{ "{\"maximum\":5}", "{}", "/maximum" },
	{ "{\"minLength\":1}", "{\"minLength\":0}", "/minLength" },
	{ "{\"exclusiveMinimum\":5}", "{\"exclusiveMinimum\":-5}", "/exclusiveMinimum" },
	{ "{\"maxItems\":20}", "{\"maxItems\":21}", "/maxItems" },
	{ "{\"multipleOf\":6}", "{\"multipleOf\":3}", "/multipleOf" },
	{ "{\"type\":\"integer\"}", "{\"type\":\"number\"}", "/type" },
	{ "{\"type\":\"string\"}", "{\"type\":[\"string\",\"null\"]}", "/type" },
	{ "{\"type\":\"string\"}", "true", "/type" },
	{ "false", "{\"type\":\"string\"}", "" },
	{ "{\"enum\":[1,2]}", "{\"enum\":[2,3,1]}", "/enum" },
	{ "{\"const\":1}", "{\"enum\":[1,2]}", "/enum" },
	{ "{\"required\":[\"a\",\"b\"]}", "{\"required\":[\"b\"]}", "/required" },
	{ "{\"uniqueItems\":true}", "{\"uniqueItems\":false}", "/uniqueItems" },
	{ "{\"properties\":{\"a\":{\"maximum\":1}}}", "{\"properties\":{\"a\":{\"maximum\":2}}}", "/properties/a/maximum" },
	{ "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"properties\":{\"a\":{},\"b\":{}},\"additionalProperties\":false}", "/properties/b" },
	{ "{\"properties\":{\"a\":{\"type\":\"null\"}}}", "{\"properties\":{}}", "/properties/a/type" },
	{ "{\"additionalProperties\":false}", "{\"additionalProperties\":{\"type\":\"null\"}}", "/additionalProperties" },
	{ "{\"propertyNames\":{\"maxLength\":2}}", "{\"propertyNames\":{\"maxLength\":3}}", "/propertyNames/maxLength" },
	{ "{\"items\":{\"type\":\"integer\"}}", "{\"items\":{\"type\":\"number\"}}", "/items/type" },
	{ "{\"prefixItems\":[{\"const\":1}]}", "{\"prefixItems\":[]}", "/prefixItems/0/const" },
	{ "{\"contains\":{\"const\":1}}", "{\"contains\":{\"enum\":[1,2]}}", "/contains/enum" },
	{ "{\"allOf\":[{\"minimum\":1},{\"maximum\":9}]}", "{\"allOf\":[{\"maximum\":9}]}", "/allOf/0" },
	{ "{\"anyOf\":[{\"const\":1},{\"const\":2}]}", "{\"anyOf\":[{\"const\":1},{\"const\":2},{\"const\":3}]}", "/anyOf/2" },
	{ "{\"not\":{\"maximum\":5}}", "{\"not\":{\"maximum\":4}}", "/not/maximum" },
	{ "{\"not\":{\"not\":{\"maximum\":4}}}", "{\"not\":{\"not\":{\"maximum\":5}}}", "/not/not/maximum" },
	{ "{\"if\":{\"minimum\":1},\"then\":{\"maximum\":4}}", "{\"if\":{\"minimum\":1},\"then\":{\"maximum\":5}}", "/then/maximum" },
	{ "{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"dependentRequired\":{\"a\":[]}}", "/dependentRequired/a" },
	{ "{\"dependentSchemas\":{\"a\":{\"maxProperties\":1}}}", "{\"dependentSchemas\":{}}", "/dependentSchemas/a/maxProperties" },
	{ "{\"$defs\":{\"n\":{\"maximum\":1}},\"items\":{\"$ref\":\"#/$defs/n\"}}", "{\"$defs\":{\"n\":{\"maximum\":2}},\"items\":{\"$ref\":\"#/$defs/n\"}}", "/items/maximum" },
	{ "{\"$defs\":{\"a/b\":{\"maximum\":1}},\"$ref\":\"#/$defs/a~1b\"}", "{\"maximum\":2}", "/maximum" },
	{ "{\"$defs\":{\"l\":{\"maxLength\":1,\"items\":{\"$ref\":\"#/$defs/l\"}}},\"$ref\":\"#/$defs/l\"}",
	  "{\"$defs\":{\"l\":{\"maxLength\":2,\"items\":{\"$ref\":\"#/$defs/l\"}}},\"$ref\":\"#/$defs/l\"}", "/maxLength" },
	{ "{\"allOf\":[{\"$ref\":\"#/$defs/n\"},{\"minimum\":0}],\"$defs\":{\"n\":{\"maximum\":1}}}",
	  "{\"allOf\":[{\"$ref\":\"#/$defs/n\"}],\"$defs\":{\"n\":{\"maximum\":1}}}", "/allOf/1" },
};

static void each_keyword_widens_one_way_and_narrows_the_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		is_classed(pairs[i].narrow, pairs[i].wide, DIFF_WIDENING, NULL);
		is_classed(pairs[i].wide, pairs[i].narrow, DIFF_NARROWING, NULL);
		is_classed(pairs[i].narrow, pairs[i].narrow, DIFF_COMPATIBLE, NULL);
	}
}

static void changes_name_their_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		is_classed(pairs[i].narrow, pairs[i].wide, DIFF_WIDENING, pairs[i].where);
}

static void what_says_the_same_is_compatible(void **state)
{
	static const struct { const char *a, *b; } same[] = {
		{ "{\"title\":\"a\",\"description\":\"b\"}", "{\"title\":\"c\"}" },
		{ "true", "{}" },
		{ "{\"type\":\"string\",\"maxLength\":5}", "{\"maxLength\":5.0,\"type\":[\"string\"]}" },
		{ "{\"minItems\":0}", "{}" },
		{ "{\"required\":[\"a\",\"b\"]}", "{\"required\":[\"b\",\"a\"]}" },
		{ "{\"anyOf\":[{\"const\":1},{\"const\":2}]}", "{\"anyOf\":[{\"const\":2},{\"const\":1}]}" },
		{ "{\"properties\":{\"a\":{\"type\":\"null\"}}}", "{\"properties\":{\"a\":{\"$ref\":\"#/$defs/a\"}},\"$defs\":{\"a\":{\"type\":\"null\"}}}" },
		{ "{\"$defs\":{\"a\":{\"maximum\":1}}}", "{\"$defs\":{\"b\":{\"maximum\":2}}}" },
		{ "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"}", "{}" },
		{ "{\"format\":\"uri\"}", "{\"format\":\"email\"}" },
		{ "{\"else\":{\"maximum\":1}}", "{\"then\":{\"maximum\":1}}" },
		{ "{\"const\":1}", "{\"enum\":[1]}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		is_classed(same[i].a, same[i].b, DIFF_COMPATIBLE, NULL);
		is_classed(same[i].b, same[i].a, DIFF_COMPATIBLE, NULL);
	}
}

static void what_cannot_be_judged_counts_as_narrowing(void **state)
{
	static const struct { const char *a, *b; } unclear[] = {
		{ "{\"pattern\":\"^a\"}", "{\"pattern\":\"^b\"}" },
		{ "{\"oneOf\":[{\"const\":1}]}", "{\"oneOf\":[{\"const\":1},{\"const\":2}]}" },
		{ "{\"oneOf\":[{\"maximum\":1},{\"minimum\":3}]}", "{\"oneOf\":[{\"maximum\":2},{\"minimum\":3}]}" },
		{ "{\"contains\":{\"const\":1},\"maxContains\":1}", "{\"contains\":{\"enum\":[1,2]},\"maxContains\":1}" },
		{ "{\"if\":{\"minimum\":1},\"then\":{\"maximum\":4}}", "{\"if\":{\"minimum\":0},\"then\":{\"maximum\":4}}" },
		{ "{\"wings\":1}", "{\"wings\":2}" },
		{ "{\"$ref\":\"#a\",\"$defs\":{\"x\":{\"$anchor\":\"a\",\"maximum\":1}}}", "{\"$ref\":\"#a\",\"$defs\":{\"x\":{\"$anchor\":\"a\",\"maximum\":2}}}" },
		{ "{\"$dynamicRef\":\"#a\",\"maximum\":1}", "{\"$dynamicRef\":\"#a\",\"maximum\":2}" },
		{ "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "{}" },
		{ "{\"properties\":{\"a\":{}},\"unevaluatedProperties\":false}", "{\"unevaluatedProperties\":false}" },
		{ "{\"additionalProperties\":{},\"unevaluatedProperties\":false}", "{\"unevaluatedProperties\":false}" },
		{ "{\"allOf\":[{\"properties\":{\"a\":{}}}],\"unevaluatedProperties\":false}", "{\"allOf\":[],\"unevaluatedProperties\":false}" },
		{ "{\"patternProperties\":{\"^a\":{\"type\":\"null\"}},\"additionalProperties\":false}",
		  "{\"patternProperties\":{\"^a\":{\"type\":\"null\"}},\"properties\":{\"ab\":{\"type\":\"string\"}},\"additionalProperties\":false}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(unclear); i++)
		is_classed(unclear[i].a, unclear[i].b, DIFF_NARROWING, NULL);
}

/* ---- no diff is too kind: held against the engine, over schemas from a tape of bytes ---- */

struct tape {
	uint8_t bytes[96];
	unsigned at;
	struct buf out;
};

static unsigned next(struct tape *t, unsigned below)
{
	return t->bytes[t->at++ % sizeof t->bytes] % below;
}

static void put_schema(struct tape *t, int depth);

static void put_list(struct tape *t, int depth)
{
	unsigned n = next(t, 3) + 1;

	buf_addc(&t->out, '[');
	for (unsigned i = 0; i < n; i++) {
		if (i)
			buf_addc(&t->out, ',');
		put_schema(t, depth);
	}
	buf_addc(&t->out, ']');
}

static void put_members(struct tape *t, int depth)
{
	static const char *const names[] = { "a", "ab", "b" };
	unsigned which = next(t, 8);
	bool comma = false;

	buf_addc(&t->out, '{');
	for (unsigned i = 0; i < 3; i++)
		if (which & 1u << i) {
			buf_addf(&t->out, "%s\"%s\":", comma ? "," : "", names[i]);
			put_schema(t, depth);
			comma = true;
		}
	buf_addc(&t->out, '}');
}

static void put_keyword(struct tape *t, int depth, unsigned which)
{
	static const char *const types[] = { "\"integer\"", "\"number\"", "\"string\"", "\"object\"", "\"array\"", "[\"object\",\"integer\"]", "\"null\"" };
	static const char *const sets[] = { "[1]", "[1,2]", "[1,\"a\"]", "[{},[]]", "[null,1,2]" };
	static const char *const names[] = { "[]", "[\"a\"]", "[\"a\",\"b\"]", "[\"b\"]" };
	static const char *const one[] = { "not", "items", "additionalProperties", "contains", "propertyNames", "if", "then", "else",
					   "unevaluatedProperties", "unevaluatedItems" };
	static const char *const lists[] = { "allOf", "anyOf", "oneOf", "prefixItems" };
	static const char *const bounds[] = { "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
					      "maxContains", "minContains", "exclusiveMaximum" };

	if (which < 11) {
		buf_addf(&t->out, "\"%s\":%u", bounds[which], next(t, 4));
	} else if (which == 11) {
		buf_addf(&t->out, "\"type\":%s", types[next(t, ARRAY_LEN(types))]);
	} else if (which == 12) {
		buf_addf(&t->out, "\"enum\":%s", sets[next(t, ARRAY_LEN(sets))]);
	} else if (which == 13) {
		buf_addf(&t->out, "\"required\":%s", names[next(t, ARRAY_LEN(names))]);
	} else if (which == 14) {
		buf_addf(&t->out, "\"const\":%u", next(t, 3));
	} else if (which == 15) {
		buf_addf(&t->out, "\"uniqueItems\":%s", next(t, 2) ? "true" : "false");
	} else if (which == 16) {
		buf_addf(&t->out, "\"$ref\":\"#/$defs/%u\"", next(t, 2));
	} else if (which == 17) {
		buf_addf(&t->out, "\"dependentRequired\":{\"a\":%s}", names[next(t, ARRAY_LEN(names))]);
	} else if (which < 22) {
		buf_adds(&t->out, "\"properties\":");
		put_members(t, depth);
	} else if (which < 24) {
		buf_addf(&t->out, "\"patternProperties\":{\"^%s\":", next(t, 2) ? "a" : "ab");
		put_schema(t, depth);
		buf_addc(&t->out, '}');
	} else if (which == 24) {
		buf_adds(&t->out, "\"dependentSchemas\":");
		put_members(t, depth);
	} else if (which < 35) {
		buf_addf(&t->out, "\"%s\":", one[which - 25]);
		put_schema(t, depth);
	} else {
		buf_addf(&t->out, "\"%s\":", lists[which - 35]);
		put_list(t, depth);
	}
}

#define KEYWORDS 39

static void put_schema(struct tape *t, int depth)
{
	unsigned count, have[4] = { 0 };

	if (depth == 0 || next(t, 6) == 0) {
		buf_adds(&t->out, next(t, 3) ? "true" : "false");
		return;
	}
	count = next(t, 4);
	buf_addc(&t->out, '{');
	for (unsigned i = 0; i < count; i++) {
		unsigned which = next(t, KEYWORDS);
		bool twice = false;

		/* those with several numbers for one keyword */
		which = which >= 18 && which < 22 ? 18 : which >= 22 && which < 24 ? 22 : which;
		for (unsigned k = 0; k < i; k++)
			twice = twice || have[k] == which + 1;
		have[i] = which + 1;
		if (twice)
			continue;
		if (i && t->out.data[t->out.len - 1] != '{')
			buf_addc(&t->out, ',');
		put_keyword(t, depth - 1, which);
	}
	buf_addc(&t->out, '}');
}

static void put_root(struct tape *t)
{
	t->at = 0;
	buf_clear(&t->out);
	buf_adds(&t->out, "{\"$defs\":{\"0\":");
	put_schema(t, 2);
	buf_adds(&t->out, ",\"1\":");
	put_schema(t, 1);
	buf_adds(&t->out, "},\"allOf\":[");
	put_schema(t, 3);
	buf_adds(&t->out, "]}");
}

static const char documents[] =
	"[null,true,0,1,2,3,1.5,-1,\"\",\"a\",\"ab\",\"abcd\",[],[1],[1,2],[1,1],[\"a\"],[\"a\",1],[null],[[]],[1,2,3,4],[{}],[{\"a\":1}],"
	"{},{\"a\":1},{\"a\":2},{\"a\":\"a\"},{\"b\":1},{\"ab\":1},{\"c\":1},{\"a\":1,\"b\":2},{\"a\":1,\"ab\":1},{\"a\":null,\"b\":null,\"c\":null},"
	"{\"a\":{\"a\":1}},{\"a\":{}},{\"ab\":\"a\",\"b\":[]},{\"a\":[1,2]},{\"aa\":3,\"a\":3},{\"abc\":0},{\"b\":{\"b\":{\"a\":1}}}]";

static uint32_t random_state;

static uint32_t random32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

/* -1: it does not compile, or not every document has an answer. */
static int answers(const struct json_doc *d, const struct json_doc *docs, bool *valid)
{
	AUTO(schema) struct schema *s = NULL;

	if (schema_compile(&s, d, d->root, &e) < 0)
		return -1;
	for (uint32_t i = 0; i < docs->root->count; i++) {
		int rc = schema_check(s, docs, &docs->root->u.items[i], NULL, &e);

		if (rc != 0 && rc != ERR_FORMAT)
			return -1;
		valid[i] = rc == 0;
	}
	return 0;
}

static unsigned judged[DIFF_CLASSES], proved[DIFF_CLASSES];

static void hold_against_the_engine(const char *before, const char *after, const struct json_doc *docs)
{
	AUTO(json) struct json_doc *a = parsed(before), *b = parsed(after);
	AUTO(diff) struct diff *d = NULL;
	bool was[64], is[64], wider = false;

	if (answers(a, docs, was) < 0 || answers(b, docs, is) < 0)
		return;
	assert_ok(diff_new(&d, &e));
	if (schema_diff(d, "", a->root, b->root, &e) < 0)
		fail_msg("%s\n%s: %s", before, after, e.msg);
	judged[diff_class(d)]++;
	for (uint32_t i = 0; i < docs->root->count; i++) {
		AUTO(buf) struct buf *text = buf_new(0);

		wider = wider || (is[i] && !was[i]);
		if (diff_class(d) == DIFF_NARROWING || is[i] == was[i] || (diff_class(d) == DIFF_WIDENING && is[i]))
			continue;
		json_put_value(&(struct json_writer){ .out = text }, NULL, &docs->root->u.items[i]);
		fail_msg("%s\n%s: %s, but %s was %s and is %s", before, after, diff_class_name(diff_class(d)), text->data,
			 was[i] ? "valid" : "invalid", is[i] ? "valid" : "invalid");
	}
	proved[diff_class(d)] += wider;
}

static void a_diff_is_never_too_kind(void **state)
{
	AUTO(json) struct json_doc *docs = parsed(documents);
	struct tape a = { .at = 0 }, b = { .at = 0 };

	(void)state;
	assert_true(docs->root->count <= 64);
	for (uint32_t round = 1; round <= 6000; round++) {
		random_state = round * 2654435761u;
		for (size_t i = 0; i < sizeof a.bytes; i++)
			a.bytes[i] = (uint8_t)random32();
		memcpy(b.bytes, a.bytes, sizeof b.bytes);
		for (int i = 0; i < 2; i++)
			b.bytes[random32() % 40] = (uint8_t)random32();
		put_root(&a);
		put_root(&b);
		hold_against_the_engine(a.out.data, b.out.data, docs);
	}
	print_message("%u compatible, %u widening (%u of them seen to be), %u narrowing\n", judged[DIFF_COMPATIBLE], judged[DIFF_WIDENING],
		      proved[DIFF_WIDENING], judged[DIFF_NARROWING]);
	assert_true(judged[DIFF_COMPATIBLE] > 100 && judged[DIFF_WIDENING] > 100 && judged[DIFF_NARROWING] > 100);
	assert_true(proved[DIFF_WIDENING] > 10);
	buf_release(&a.out);
	buf_release(&b.out);
}

/* ---- contracts ---- */

#define FIELDS(more) "{\"name\":\"image\",\"type\":\"path\"},{\"name\":\"verb\",\"type\":\"enum\",\"values\":[\"open\",\"read\"]}" more
#define RULES(versions, schema, fields, limits) \
	"\"rules\":{\"versions\":" versions ",\"schema\":" schema ",\"templates\":{\"ipc\":{\"fields\":[" fields "]}},\"limits\":" limits "}"
#define CONTRACT(accepts, ceilings, protected) \
	"{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{" accepts "},\"ceilings\":" ceilings ",\"protected\":" protected "}"
#define BASE RULES("[1]", "{\"type\":\"object\"}", FIELDS(""), "{\"fields\":20}")
#define CEILINGS "{\"load_ms\":100}"
#define PROTECTED "[\"/sbin/init\"]"

static struct contract *contract(const char *text)
{
	struct contract *c = NULL;

	if (contract_parse(&c, "contract", text, strlen(text), &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return c;
}

static void contracts_are_classed(const char *before, const char *after, enum diff_class want, const char *where, const char *what)
{
	AUTO(contract) struct contract *a = contract(before), *b = contract(after);
	AUTO(diff) struct diff *d = NULL;
	bool found = !where;

	assert_ok(contract_diff(&d, a, b, &e));
	for (size_t i = 0; i < d->count; i++)
		found = found || (d->items[i].class == want && strcmp(d->items[i].where, where) == 0 && strstr(d->items[i].what, what));
	if (diff_class(d) != want || !found)
		fail_msg("%s -> %s: %s, first at %s: %s", before, after, diff_class_name(diff_class(d)), d->count ? d->items[0].where : "-",
			 d->count ? d->items[0].what : "-");
}

static const struct { const char *narrow, *wide, *where, *widens, *narrows; } contracts[] = {
	{ CONTRACT("", CEILINGS, PROTECTED), CONTRACT(BASE, CEILINGS, PROTECTED), "/accepts/rules", "is accepted now", "not accepted any more" },
	{ CONTRACT(BASE, CEILINGS, PROTECTED), CONTRACT(RULES("[1,2]", "{\"type\":\"object\"}", FIELDS(""), "{\"fields\":20}"), CEILINGS, PROTECTED),
	  "/accepts/rules/versions", "version 2 is accepted now", "version 2 is not accepted" },
	{ CONTRACT(BASE, CEILINGS, PROTECTED), CONTRACT(RULES("[1]", "{\"type\":[\"object\",\"null\"]}", FIELDS(""), "{\"fields\":20}"), CEILINGS, PROTECTED),
	  "/accepts/rules/schema/type", "accepts now: null", "refuses now: null" },
	{ CONTRACT(BASE, CEILINGS, PROTECTED), CONTRACT(RULES("[1]", "true", FIELDS(""), "{\"fields\":20}"), CEILINGS, PROTECTED),
	  "/accepts/rules/schema/type", "accepts now", "refuses now" },
	{ CONTRACT(BASE, CEILINGS, PROTECTED),
	  CONTRACT(RULES("[1]", "{\"type\":\"object\"}", FIELDS(",{\"name\":\"flags\",\"type\":\"integer\"}"), "{\"fields\":20}"), CEILINGS, PROTECTED),
	  "/accepts/rules/templates/ipc", "supplied 2 inputs and supplies 3", "supplied 3 inputs and supplies 2" },
	{ CONTRACT(RULES("[1]", "{\"type\":\"object\"}", "{\"name\":\"verb\",\"type\":\"enum\",\"values\":[\"open\"]}", "{}"), CEILINGS, PROTECTED),
	  CONTRACT(RULES("[1]", "{\"type\":\"object\"}", "{\"name\":\"verb\",\"type\":\"enum\",\"values\":[\"open\",\"read\"]}", "{}"), CEILINGS, PROTECTED),
	  "/accepts/rules/templates/ipc/fields/0", "may be \"read\" now", "never \"read\" any more" },
	{ CONTRACT(BASE, CEILINGS, PROTECTED), CONTRACT(RULES("[1]", "{\"type\":\"object\"}", FIELDS(""), "{\"fields\":21}"), CEILINGS, PROTECTED),
	  "/accepts/rules/limits/fields", "raised from 20 to 21", "lowered from 21 to 20" },
	{ CONTRACT(BASE, CEILINGS, PROTECTED), CONTRACT(RULES("[1]", "{\"type\":\"object\"}", FIELDS(""), "{}"), CEILINGS, PROTECTED),
	  "/accepts/rules/limits/fields", "20 is no limit any more", "limited to 20" },
	{ CONTRACT(BASE, CEILINGS, PROTECTED), CONTRACT(BASE, "{\"load_ms\":200}", PROTECTED), "/ceilings/load_ms", "raised from 100", "lowered from 200" },
	{ CONTRACT(BASE, CEILINGS, "[\"/sbin/init\",\"/usr/\"]"), CONTRACT(BASE, CEILINGS, PROTECTED), "/protected", "/usr/ is not protected",
	  "/usr/ is protected now" },
};

static void each_part_of_a_contract_widens_one_way_and_narrows_the_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(contracts); i++) {
		contracts_are_classed(contracts[i].narrow, contracts[i].wide, DIFF_WIDENING, contracts[i].where, contracts[i].widens);
		contracts_are_classed(contracts[i].wide, contracts[i].narrow, DIFF_NARROWING, contracts[i].where, contracts[i].narrows);
		contracts_are_classed(contracts[i].wide, contracts[i].wide, DIFF_COMPATIBLE, NULL, NULL);
	}
}

static void another_input_in_its_place_narrows_both_ways(void **state)
{
	static const char a[] = CONTRACT(RULES("[1]", "true", "{\"name\":\"pid\",\"type\":\"integer\"}", "{}"), CEILINGS, PROTECTED);
	static const char b[] = CONTRACT(RULES("[1]", "true", "{\"name\":\"pid\",\"type\":\"string\"}", "{}"), CEILINGS, PROTECTED);

	(void)state;
	contracts_are_classed(a, b, DIFF_NARROWING, "/accepts/rules/templates/ipc/fields/0", "was \"pid\" (integer) and is \"pid\" (string)");
	contracts_are_classed(b, a, DIFF_NARROWING, NULL, NULL);
}

static void what_a_directory_protects_already_is_no_change(void **state)
{
	(void)state;
	contracts_are_classed(CONTRACT(BASE, CEILINGS, "[\"/usr/\"]"), CONTRACT(BASE, CEILINGS, "[\"/usr/\",\"/usr/bin/x\"]"), DIFF_COMPATIBLE, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_keyword_widens_one_way_and_narrows_the_other),
		cmocka_unit_test(changes_name_their_place),
		cmocka_unit_test(what_says_the_same_is_compatible),
		cmocka_unit_test(what_cannot_be_judged_counts_as_narrowing),
		cmocka_unit_test(a_diff_is_never_too_kind),
		cmocka_unit_test(each_part_of_a_contract_widens_one_way_and_narrows_the_other),
		cmocka_unit_test(another_input_in_its_place_narrows_both_ways),
		cmocka_unit_test(what_a_directory_protects_already_is_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
