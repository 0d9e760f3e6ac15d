/* test_yaml: what YAML means as JSON, what is refused, and where things stand. */
#include "base/yaml.h"
#include "test.h"

static struct err e;

static struct json_doc *parsed(const char *text)
{
	struct json_doc *d = NULL;

	if (yaml_parse(&d, "t.yaml", text, strlen(text), NULL, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
	return d;
}

static void means(const char *yaml, const char *json)
{
	AUTO(json) struct json_doc *d = parsed(yaml);
	AUTO(buf) struct buf *b = buf_new(0);

	json_put_value(&(struct json_writer){ .out = b }, NULL, d->root);
	if (strcmp(b->data, json) != 0)
		fail_msg("%s: means %s, not %s", yaml, b->data, json);
}

static void refuses(const char *yaml, int code, const char *says)
{
	struct json_doc *d = NULL;
	int rc = yaml_parse(&d, "t.yaml", yaml, strlen(yaml), NULL, &e);

	assert_null(d);
	if (rc != code || !strstr(e.msg, says))
		fail_msg("%s: %d instead of %d: %s", yaml, rc, code, rc ? e.msg : "accepted");
}

static void plain_scalars_mean_what_the_core_schema_says(void **state)
{
	static const struct { const char *yaml, *json; } cases[] = {
		{ "null", "null" }, { "Null", "null" }, { "NULL", "null" }, { "~", "null" }, { "a:", "{\"a\":null}" },
		{ "true", "true" }, { "True", "true" }, { "TRUE", "true" }, { "false", "false" }, { "FALSE", "false" },
		{ "tRue", "\"tRue\"" },
		/* what YAML 1.1 took for booleans, dates, bases and times */
		{ "[yes, no, on, off, y, n, Yes, NO]", "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"Yes\",\"NO\"]" },
		{ "2024-07-19", "\"2024-07-19\"" }, { "2024-07-19T04:09:00Z", "\"2024-07-19T04:09:00Z\"" },
		{ "12:30:45", "\"12:30:45\"" }, { "0b101", "\"0b101\"" }, { "1_000", "\"1_000\"" }, { "0o8", "\"0o8\"" },
		{ "12", "12" }, { "+12", "12" }, { "-12", "-12" }, { "-0", "-0" }, { "0", "0" },
		{ "007", "7" }, { "-007", "-7" }, { "000", "0" }, { "08", "8" },
		{ "0x1F", "31" }, { "0o17", "15" }, { "0xffffffffffffffff", "18446744073709551615" },
		{ "123456789012345678901234567890", "123456789012345678901234567890" },
		{ "1.5", "1.5" }, { ".5", "0.5" }, { "-.5", "-0.5" }, { "1.", "1.0" }, { "1e3", "1e3" }, { "1.e3", "1.0e3" },
		{ "+1.50E-07", "1.50E-07" }, { "00.5", "0.5" }, { "1e", "\"1e\"" }, { ".", "\".\"" }, { "+", "\"+\"" },
		{ "1.2.3", "\"1.2.3\"" }, { "0x", "\"0x\"" }, { "-0x1", "\"-0x1\"" },
		{ "'12'", "\"12\"" }, { "\"true\"", "\"true\"" }, { "''", "\"\"" }, { "|\n  12\n", "\"12\\n\"" }, { ">-\n  a\n  b\n", "\"a b\"" },
		{ "\"\\x00\\u263a\\n\"", "\"\\u0000\xe2\x98\xba\\n\"" },
		{ "<<", "\"<<\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		means(cases[i].yaml, cases[i].json);
}

static void collections_keys_and_tags_become_json(void **state)
{
	(void)state;
	means("- 1\n- [a, {b: c}]\n- {}\n- []\n", "[1,[\"a\",{\"b\":\"c\"}],{},[]]");
	means("title: x\nlogsource:\n  product: windows\n200: ok\nno: yes\n\"~\": 1\n", "{\"title\":\"x\",\"logsource\":{\"product\":\"windows\"},\"200\":\"ok\",\"no\":\"yes\",\"~\":1}");
	means("{\"json\": [true, null, 1e2], \"is\": {\"yaml\": \"\\u00e9\"}}", "{\"json\":[true,null,1e2],\"is\":{\"yaml\":\"\xc3\xa9\"}}");
	means("!!str 12", "\"12\"");
	means("!!int \"12\"", "12");
	means("!!float 3", "3");
	means("!!map {a: !!seq [!!null ~, !!bool true]}", "{\"a\":[null,true]}");
	means("!!str a: 1", "{\"a\":1}");
	means("%YAML 1.2\n---\na\n...\n", "\"a\"");
	means("\xef\xbb\xbf" "a: 1", "{\"a\":1}");
	means("--- # empty\n", "null");
}

static void what_is_no_json_is_refused_with_its_place(void **state)
{
	static const struct { const char *yaml; int code; const char *says; } cases[] = {
		{ "", ERR_FORMAT, "t.yaml:1:1: no document" },
		{ "a: .inf", ERR_FORMAT, "t.yaml:1:4: .inf has no JSON form" },
		{ "- -.INF", ERR_FORMAT, "has no JSON form" },
		{ "- .NaN", ERR_FORMAT, "has no JSON form" },
		{ "a: 1\nb:\n  c: 1\n  c: 2\n", ERR_FORMAT, "t.yaml:4:3: the key \"c\" a second time" },
		{ "1: a\n'1': b\n", ERR_FORMAT, "t.yaml:2:1: the key \"1\" a second time" },
		{ "a: 1\ntrue: b\n", ERR_FORMAT, "t.yaml:2:1: the key true is no string" },
		{ "~: b\n", ERR_FORMAT, "is no string: write it in quotes" },
		{ "?\n: b\n", ERR_FORMAT, "the key (empty) is no string" },
		{ "1.5: b\n", ERR_FORMAT, "is no string" },
		{ "? [a]\n: b\n", ERR_FORMAT, "a sequence as a key" },
		{ "? {a: b}\n: b\n", ERR_FORMAT, "a mapping as a key" },
		{ "base: &b {a: 1}\nit:\n  <<: *b\n", ERR_UNSUPPORTED, "t.yaml:3:3: a merge key" },
		{ "!!binary aGk=", ERR_UNSUPPORTED, "beyond the core schema" },
		{ "when: !!timestamp 2024-07-19", ERR_UNSUPPORTED, "t.yaml:1:7: the tag tag:yaml.org,2002:timestamp" },
		{ "!!set {a, b}", ERR_UNSUPPORTED, "beyond the core schema" },
		{ "!ruby/object:Gem {}", ERR_UNSUPPORTED, "beyond the core schema" },
		{ "!!python/object/apply:os.system [id]", ERR_UNSUPPORTED, "beyond the core schema" },
		{ "!!int twelve", ERR_FORMAT, "\"twelve\" is no !!int" },
		{ "!!bool yes", ERR_FORMAT, "\"yes\" is no !!bool" },
		{ "0x1ffffffffffffffff", ERR_LIMIT, "more than 64 bits" },
		{ "%YAML 1.1\n---\nno\n", ERR_UNSUPPORTED, "YAML 1.1" },
		{ "a: 1\n---\nb: 2\n", ERR_FORMAT, "t.yaml:3:1: a second document" },
		{ "a: [1, 2\nb: 3\n", ERR_FORMAT, "t.yaml:2:" },
		{ "a: 'x\n", ERR_FORMAT, "t.yaml:2:1" },
		{ "a:\n\t- b\n", ERR_FORMAT, "t.yaml:2:1" },
		{ "a: b: c", ERR_FORMAT, "t.yaml:1:5" },
		{ "*nobody", ERR_FORMAT, "the alias nobody has no anchor before it" },
		{ "&a [1, *a]", ERR_FORMAT, "t.yaml:1:8: the alias a stands inside its own anchor" },
		{ "&a b: 1", ERR_UNSUPPORTED, "an anchor on a key" },
		{ "- &a b\n- *a : 1", ERR_UNSUPPORTED, "an alias as a key" },
		{ "a: \xff", ERR_FORMAT, "t.yaml: byte 3" },
		{ "a: \x01", ERR_FORMAT, "t.yaml: byte 3" },
		{ "a: \"\\ud800\"", ERR_FORMAT, "t.yaml:1:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refuses(cases[i].yaml, cases[i].code, cases[i].says);
}

static void an_alias_is_a_copy_of_what_its_anchor_named_last(void **state)
{
	(void)state;
	means("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\n", "{\"a\":{\"k\":[1,2]},\"b\":{\"k\":[1,2]},\"c\":[{\"k\":[1,2]},{\"k\":[1,2]}]}");
	means("- &x 1\n- &x two\n- *x\n", "[1,\"two\",\"two\"]");
	means("- &x\n- *x\n", "[null,null]");
	means("- &x {a: &y 1, b: *y}\n- *y\n- *x\n", "[{\"a\":1,\"b\":1},1,{\"a\":1,\"b\":1}]");
}

static void place_is(const struct json_doc *d, const struct json *v, unsigned line, unsigned column)
{
	unsigned l, c;

	json_place(d, v, &l, &c);
	if (l != line || c != column)
		fail_msg("at %u:%u instead of %u:%u", l, c, line, column);
}

static void values_and_keys_stand_where_the_yaml_has_them(void **state)
{
	AUTO(json) struct json_doc *d = parsed("# a rule\ntitle: \xc3\xa9l\xc3\xa9ment\nfields:\n  - name: image\n    type: {is: path}\n"
					       "same: &s [1]\nagain: *s\n");
	const struct json *fields = json_get(d->root, "fields"), *first = &fields->u.items[0];
	struct json key = json_key(d, &first->u.members[1]);

	(void)state;
	place_is(d, d->root, 2, 1);
	place_is(d, json_get(d->root, "title"), 2, 8);
	place_is(d, fields, 4, 3);
	place_is(d, first, 4, 5);
	place_is(d, json_get(first, "name"), 4, 11);
	place_is(d, &key, 5, 5);
	place_is(d, json_get(json_get(first, "type"), "is"), 5, 16);
	place_is(d, &json_get(d->root, "again")->u.items[0], 6, 11);
	json_error(d, json_get(first, "name"), &e, ERR_FORMAT, "expected a number");
	assert_string_equal(e.msg, "t.yaml:4:11: expected a number");
}

/* ---- bounds ---- */

/* Each level holds the level below `times` times. */
static struct buf *laughs(int levels, int times)
{
	struct buf *b = buf_new(0);

	buf_adds(b, "a0: &a0 lol\n");
	for (int i = 1; i <= levels; i++) {
		buf_addf(b, "a%d: &a%d [", i, i);
		for (int k = 0; k < times; k++)
			buf_addf(b, "%s*a%d", k ? "," : "", i - 1);
		buf_adds(b, "]\n");
	}
	return b;
}

static void a_billion_laughs_are_refused_early(void **state)
{
	AUTO(buf) struct buf *bomb = laughs(9, 10), *joke = laughs(3, 10);
	AUTO(json) struct json_doc *d = NULL;
	struct json_doc *none = NULL;

	(void)state;
	assert_refused(yaml_parse(&none, "t.yaml", bomb->data, bomb->len, NULL, &e), ERR_LIMIT, "aliases would make this document more than four times as long");
	assert_null(none);
	assert_ok(yaml_parse(&d, "t.yaml", joke->data, joke->len, NULL, &e));
}

static void copies_may_be_four_times_the_rest(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);
	AUTO(json) struct json_doc *d = NULL;
	struct json_doc *none = NULL;

	(void)state;
	buf_adds(b, "- &a \"");
	for (size_t i = 0; i < YAML_COPIES_MIN; i++)
		buf_addc(b, 'x');
	buf_adds(b, "\"\n");
	for (int i = 0; i < 4; i++)
		buf_adds(b, "- *a\n");
	assert_ok(yaml_parse(&d, "t.yaml", b->data, b->len, NULL, &e));
	assert_int_equal(d->root->count, 5);

	buf_adds(b, "- *a\n");
	assert_refused(yaml_parse(&none, "t.yaml", b->data, b->len, NULL, &e), ERR_LIMIT, "t.yaml:6:3");
}

static void anchors_aliases_depth_and_size_are_bounded(void **state)
{
	AUTO(buf) struct buf *anchors = buf_new(0), *aliases = buf_new(0), *deep = buf_new(0), *block = buf_new(0);
	struct json_limits small = { .bytes = 1000, .depth = 4 };
	struct json_doc *d = NULL;

	(void)state;
	for (int i = 0; i <= YAML_ANCHORS_MAX; i++)
		buf_addf(anchors, "- &a%d x\n", i);
	assert_refused(yaml_parse(&d, "t", anchors->data, anchors->len, NULL, &e), ERR_LIMIT, "t:1001:3: more than 1000 anchors");
	buf_adds(aliases, "- &a 1\n");
	for (int i = 0; i <= YAML_ALIASES_MAX; i++)
		buf_adds(aliases, "- *a\n");
	assert_refused(yaml_parse(&d, "t", aliases->data, aliases->len, NULL, &e), ERR_LIMIT, "more than 100000 aliases");
	for (int i = 0; i < 100000; i++)
		buf_addc(deep, '[');
	assert_refused(yaml_parse(&d, "t", deep->data, deep->len, NULL, &e), ERR_LIMIT, "nested deeper than 128");
	assert_refused(yaml_parse(&d, "t", "[[[[[1]]]]]", 11, &small, &e), ERR_LIMIT, "t:1:5: nested deeper than 4");
	/* copies count, too */
	assert_refused(yaml_parse(&d, "t", "- &a [[1]]\n- [[*a]]", 19, &small, &e), ERR_LIMIT, "nested deeper than 4");
	buf_adds(block, "- |\n");
	for (int i = 0; i < 1000000; i++)
		buf_adds(block, "  a line\n");
	assert_refused(yaml_parse(&d, "t", block->data, block->len, &small, &e), ERR_LIMIT, "more than 1000 bytes");
	assert_null(d);
}

/* ---- streams ---- */

struct trickle {
	const char *text;
	size_t len, at;
	size_t fail_at;         /* 0: never */
};

static int trickle(void *arg, void *to, size_t cap, struct err *why)
{
	struct trickle *t = arg;
	size_t n = MIN(MIN(cap, (size_t)3), t->len - t->at);

	if (t->fail_at && t->at >= t->fail_at)
		return err_set(why, ERR_IO, "the cable was pulled");
	memcpy(to, t->text + t->at, n);
	t->at += n;
	return (int)n;
}

static void a_stream_gives_one_document_after_the_other(void **state)
{
	static const char text[] = "a: &x 1\n---\n- two\n...\n---\n\n\nthree\n";
	static const char *const want[] = { "{\"a\":1}", "[\"two\"]", "\"three\"" };
	static const unsigned line[] = { 1, 3, 8 };
	struct trickle t = { text, sizeof text - 1, 0, 0 };
	AUTO(yaml) struct yaml *y = NULL;
	struct json_doc *d;

	(void)state;
	assert_ok(yaml_open(&y, "t", trickle, &t, NULL, &e));
	for (size_t i = 0; i < 3; i++) {
		AUTO(buf) struct buf *b = buf_new(0);

		assert_int_equal(yaml_next(y, &d, &e), 1);
		json_put_value(&(struct json_writer){ .out = b }, NULL, d->root);
		assert_string_equal(b->data, want[i]);
		place_is(d, d->root, line[i], 1);
		json_free(d);
	}
	assert_int_equal(yaml_next(y, &d, &e), 0);
	assert_int_equal(yaml_next(y, &d, &e), 0);
}

static void anchors_end_with_their_document(void **state)
{
	static const char text[] = "- &x 1\n---\n- *x\n";
	struct trickle t = { text, sizeof text - 1, 0, 0 };
	AUTO(yaml) struct yaml *y = NULL;
	struct json_doc *d;

	(void)state;
	assert_ok(yaml_open(&y, "t", trickle, &t, NULL, &e));
	assert_int_equal(yaml_next(y, &d, &e), 1);
	json_free(d);
	assert_refused(yaml_next(y, &d, &e), ERR_FORMAT, "t:3:3: the alias x has no anchor");
	assert_int_equal(yaml_next(y, &d, &e), 0);
}

static void what_cannot_be_read_is_an_error_not_an_end(void **state)
{
	static const char text[] = "a: 1\nb: [1, 2, 3]\n";

	(void)state;
	for (size_t at = 1; at < sizeof text; at++) {
		struct trickle t = { text, sizeof text - 1, 0, at };
		AUTO(yaml) struct yaml *y = NULL;
		struct json_doc *d = NULL;

		assert_ok(yaml_open(&y, "t", trickle, &t, NULL, &e));
		assert_refused(yaml_next(y, &d, &e), ERR_IO, "the cable was pulled");
	}
}

/* A stream far larger than one document may be. */
struct endless {
	size_t left, in;
};

static int endless(void *arg, void *to, size_t cap, struct err *why)
{
	static const char line[] = "- some text that fills the line of a document with nothing in particular\n";
	struct endless *s = arg;
	const char *from = s->in++ % 1400 ? line : "---\n";
	size_t n = strlen(from);

	(void)why;
	if (s->left == 0)
		return 0;
	s->left--;
	assert_true(n <= cap);
	memcpy(to, from, n);
	return (int)n;
}

static void memory_is_bounded_by_the_largest_document(void **state)
{
	struct json_limits limits = { .bytes = 200000 };
	struct endless s = { .left = 20000 };
	AUTO(yaml) struct yaml *y = NULL;
	struct json_doc *d;
	int count = 0, rc;

	(void)state;
	/* 1.4 MB in all: a document that kept anything of those before would go over 200 KB */
	assert_ok(yaml_open(&y, "t", endless, &s, &limits, &e));
	while ((rc = yaml_next(y, &d, &e)) > 0) {
		json_free(d);
		count++;
	}
	assert_ok(rc);
	assert_true(count > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_scalars_mean_what_the_core_schema_says),
		cmocka_unit_test(collections_keys_and_tags_become_json),
		cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
		cmocka_unit_test(an_alias_is_a_copy_of_what_its_anchor_named_last),
		cmocka_unit_test(values_and_keys_stand_where_the_yaml_has_them),
		cmocka_unit_test(a_billion_laughs_are_refused_early),
		cmocka_unit_test(copies_may_be_four_times_the_rest),
		cmocka_unit_test(anchors_aliases_depth_and_size_are_bounded),
		cmocka_unit_test(a_stream_gives_one_document_after_the_other),
		cmocka_unit_test(anchors_end_with_their_document),
		cmocka_unit_test(what_cannot_be_read_is_an_error_not_an_end),
		cmocka_unit_test(memory_is_bounded_by_the_largest_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
