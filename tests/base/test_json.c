/* test_json: what the parser accepts and refuses, and what it says. */
#include <dirent.h>
#include <math.h>

#include "base/file.h"
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

static void refuses(const char *text, size_t len, int code, const char *sentence)
{
	struct json_doc *d = NULL;
	int rc = json_parse(&d, "t.json", text, len, NULL, &e);

	assert_null(d);
	if (rc != code)
		fail_msg("%s: %d instead of %d: %s", text, rc, code, rc ? e.msg : "accepted");
	if (strcmp(e.msg, sentence) != 0)
		fail_msg("%s: said \"%s\" instead of \"%s\"", text, e.msg, sentence);
}

/* ---- the public conformance suite ---- */

/* What the standard leaves to us, and what we do. Everything in a string that is no Unicode scalar value is refused. */
static const struct { const char *name; bool accepted; } ours[] = {
	{ "i_number_double_huge_neg_exp.json", true },          /* numbers keep their lexeme, of any size */
	{ "i_number_huge_exp.json", true },
	{ "i_number_neg_int_huge_exp.json", true },
	{ "i_number_pos_double_huge_exp.json", true },
	{ "i_number_real_neg_overflow.json", true },
	{ "i_number_real_pos_overflow.json", true },
	{ "i_number_real_underflow.json", true },
	{ "i_number_too_big_neg_int.json", true },
	{ "i_number_too_big_pos_int.json", true },
	{ "i_number_very_big_negative_int.json", true },
	{ "i_object_key_lone_2nd_surrogate.json", false },
	{ "i_string_1st_surrogate_but_2nd_missing.json", false },
	{ "i_string_1st_valid_surrogate_2nd_invalid.json", false },
	{ "i_string_UTF-16LE_with_BOM.json", false },           /* UTF-8 only */
	{ "i_string_UTF-8_invalid_sequence.json", false },
	{ "i_string_UTF8_surrogate_U+D800.json", false },
	{ "i_string_incomplete_surrogate_and_escape_valid.json", false },
	{ "i_string_incomplete_surrogate_pair.json", false },
	{ "i_string_incomplete_surrogates_escape_valid.json", false },
	{ "i_string_invalid_lonely_surrogate.json", false },
	{ "i_string_invalid_surrogate.json", false },
	{ "i_string_invalid_utf-8.json", false },
	{ "i_string_inverted_surrogates_U+1D11E.json", false },
	{ "i_string_iso_latin_1.json", false },
	{ "i_string_lone_second_surrogate.json", false },
	{ "i_string_lone_utf8_continuation_byte.json", false },
	{ "i_string_not_in_unicode_range.json", false },
	{ "i_string_overlong_sequence_2_bytes.json", false },
	{ "i_string_overlong_sequence_6_bytes.json", false },
	{ "i_string_overlong_sequence_6_bytes_null.json", false },
	{ "i_string_truncated-utf-8.json", false },
	{ "i_string_utf16BE_no_BOM.json", false },
	{ "i_string_utf16LE_no_BOM.json", false },
	{ "i_structure_500_nested_arrays.json", false },        /* the default depth is 128 */
	{ "i_structure_UTF-8_BOM_empty_object.json", false },   /* no byte order mark */
};

/* Documents with a duplicate key are well-formed by the grammar; we refuse them unless somebody asks for the last one. */
static const char *const duplicates[] = { "y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json" };

static bool expected_answer(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcmp(ours[i].name, name) == 0)
			return ours[i].accepted;
	for (size_t i = 0; i < ARRAY_LEN(duplicates); i++)
		if (strcmp(duplicates[i], name) == 0)
			return false;
	if (name[0] == 'i')
		fail_msg("%s: the table above does not say what we do", name);
	return name[0] == 'y';
}

static void the_public_suite_is_answered_as_documented(void **state)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	char path[600];
	DIR *dir;
	unsigned files = 0;

	(void)state;
	snprintf(path, sizeof path, "%s/conformance/json/test_parsing", shared ? shared : "../shared");
	dir = opendir(path);
	if (!dir)
		skip_named("no %s", path);
	for (struct dirent *entry; (entry = readdir(dir));) {
		AUTO(buf) struct buf *raw = NULL;
		AUTO(json) struct json_doc *d = NULL;
		char file[900];
		bool accepted;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
		assert_ok(file_read(&raw, file, 1 << 20, &e));
		accepted = json_parse(&d, entry->d_name, raw->len ? raw->data : "", raw->len, NULL, &e) == 0;
		if (accepted != expected_answer(entry->d_name))
			fail_msg("%s: %s", entry->d_name, accepted ? "accepted" : e.msg);
		if (entry->d_name[0] != 'i') {
			json_free(d);
			d = NULL;
			accepted = json_parse(&d, entry->d_name, raw->len ? raw->data : "", raw->len,
					      &(struct json_limits){ .last_wins = true }, &e) == 0;
			if (accepted != (entry->d_name[0] == 'y'))
				fail_msg("%s, the last key wins: %s", entry->d_name, accepted ? "accepted" : e.msg);
		}
		files++;
	}
	closedir(dir);
	assert_true(files > 300);
}

static void of_equal_keys_the_last_one_wins_where_that_is_asked_for(void **state)
{
	static const struct { const char *text, *same; } cases[] = {
		{ "{\"a\":1,\"a\":2}", "{\"a\":2}" },
		{ "{\"a\":1,\"b\":{\"c\":1,\"c\":[]},\"a\":2,\"a\":3}", "{\"b\":{\"c\":[]},\"a\":3}" },
		{ "{\"\":1,\"\":2,\"\\u0061\":3,\"a\":4}", "{\"\":2,\"a\":4}" },
	};
	AUTO(buf) struct buf *many = buf_new(0);
	const struct json_limits limits = { .last_wins = true };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json_doc *d = NULL;
		AUTO(json) struct json_doc *same = NULL;

		assert_ok(json_parse(&d, "t", cases[i].text, strlen(cases[i].text), &limits, &e));
		assert_ok(json_parse(&same, "t", cases[i].same, strlen(cases[i].same), NULL, &e));
		assert_true(json_equal(d->root, same->root));
	}
	for (int i = 0; i < 300; i++)
		buf_addf(many, "%c\"k%d\":%d", i ? ',' : '{', i % 100, i);
	buf_addc(many, '}');
	AUTO(json) struct json_doc *d = NULL;

	assert_ok(json_parse(&d, "t", many->data, many->len, &limits, &e));
	assert_int_equal(d->root->count, 100);
	for (uint32_t i = 0; i < 100; i++) {
		char value[8];

		snprintf(value, sizeof value, "%u", 200 + i);
		assert_string_equal(d->root->u.members[i].value.u.text, value);
	}
}

/* ---- grammar and sentences ---- */

static void errors_name_the_place_and_what_was_found(void **state)
{
	static const struct { const char *text; int code; const char *sentence; } cases[] = {
		{ "", ERR_FORMAT, "t.json:1:1: expected a value, found the end of the text" },
		{ " \n ", ERR_FORMAT, "t.json:2:2: expected a value, found the end of the text" },
		{ "{\"a\":1,\n \"b\":}", ERR_FORMAT, "t.json:2:6: expected a value, found '}'" },
		{ "{\"a\" 1}", ERR_FORMAT, "t.json:1:6: expected ':', found '1'" },
		{ "{a:1}", ERR_FORMAT, "t.json:1:2: expected a key in double quotes, found 'a'" },
		{ "{\"a\":1,}", ERR_FORMAT, "t.json:1:8: expected a key in double quotes, found '}'" },
		{ "[1 2]", ERR_FORMAT, "t.json:1:4: expected ',' or ']', found '2'" },
		{ "{\"a\":1]", ERR_FORMAT, "t.json:1:7: expected ',' or '}', found ']'" },
		{ "[1,\n\n  2", ERR_FORMAT, "t.json:3:4: expected ',' or ']', found the end of the text" },
		{ "[1,]", ERR_FORMAT, "t.json:1:4: expected a value, found ']'" },
		{ "1 1", ERR_FORMAT, "t.json:1:3: expected the end of the text, found '1'" },
		{ "[]]", ERR_FORMAT, "t.json:1:3: expected the end of the text, found ']'" },
		{ "[nul]", ERR_FORMAT, "t.json:1:2: expected a value, found 'n'" },
		{ "nullx", ERR_FORMAT, "t.json:1:5: expected the end of the text, found 'x'" },
		{ "\x01", ERR_FORMAT, "t.json:1:1: expected a value, found byte 0x01" },
		{ "[-]", ERR_FORMAT, "t.json:1:3: expected a digit, found ']'" },
		{ "[01]", ERR_FORMAT, "t.json:1:2: a number with a leading zero" },
		{ "[1.]", ERR_FORMAT, "t.json:1:4: expected a digit after the decimal point, found ']'" },
		{ "[1e+]", ERR_FORMAT, "t.json:1:5: expected a digit in the exponent, found ']'" },
		{ "[+1]", ERR_FORMAT, "t.json:1:2: expected a value, found '+'" },
		{ "[.5]", ERR_FORMAT, "t.json:1:2: expected a value, found '.'" },
		{ "[\"a", ERR_FORMAT, "t.json:1:2: the string that begins here does not end" },
		{ "\"abc\\", ERR_FORMAT, "t.json:1:1: the string that begins here does not end" },
		{ "[\"a\tb\"]", ERR_FORMAT, "t.json:1:4: control character 0x09 in a string, to be written \\u0009" },
		{ "\"\\x\"", ERR_FORMAT, "t.json:1:2: an escape that JSON does not know" },
		{ "\"\\u12g4\"", ERR_FORMAT, "t.json:1:2: expected four hexadecimal digits after \\u" },
		{ "\"\\ud800\"", ERR_FORMAT, "t.json:1:2: the escape \\ud800 is half of a surrogate pair" },
		{ "\"\\udc00\\ud800\"", ERR_FORMAT, "t.json:1:2: the escape \\udc00 is half of a surrogate pair" },
		{ "\"\\ud800\\ud800\"", ERR_FORMAT, "t.json:1:2: the escape \\ud800 is half of a surrogate pair" },
		{ "\"a\xff\"", ERR_FORMAT, "t.json:1:3: byte 0xff is no well-formed UTF-8" },
		{ "\"\xc0\x80\"", ERR_FORMAT, "t.json:1:2: byte 0xc0 is no well-formed UTF-8" },
		{ "\"\xe0\x80\x80\"", ERR_FORMAT, "t.json:1:2: byte 0xe0 is no well-formed UTF-8" },
		{ "\"\xed\xa0\x80\"", ERR_FORMAT, "t.json:1:2: byte 0xed is no well-formed UTF-8" },
		{ "\"\xf4\x90\x80\x80\"", ERR_FORMAT, "t.json:1:2: byte 0xf4 is no well-formed UTF-8" },
		{ "\"\xf0\x9f\x98\"", ERR_FORMAT, "t.json:1:2: byte 0xf0 is no well-formed UTF-8" },
		{ "\xef\xbb\xbf{}", ERR_FORMAT, "t.json:1:1: a byte order mark, which JSON does not allow" },
		{ "{\"a\":1,\n\"a\":2}", ERR_FORMAT, "t.json:2:1: the key \"a\" a second time in one object" },
		{ "{\"a\":1,\"\\u0061\":2}", ERR_FORMAT, "t.json:1:8: the key \"a\" a second time in one object" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refuses(cases[i].text, strlen(cases[i].text), cases[i].code, cases[i].sentence);
	refuses("[\"a\0b\"]", 7, ERR_FORMAT, "t.json:1:4: control character 0x00 in a string, to be written \\u0000");
	refuses("[1]\0", 4, ERR_FORMAT, "t.json:1:4: expected the end of the text, found byte 0x00");
}

static void every_prefix_of_a_document_is_refused(void **state)
{
	static const char text[] = "{\"a\":[1,-2.5e3,true,false,null,\"x\\n\\ud83d\\ude00\xc3\xa9\"],\"b\":{\"c\":{}}}";

	(void)state;
	for (size_t len = 0; len < sizeof text - 1; len++) {
		/* exactly len bytes of memory, so that a read too far is seen by the sanitizers */
		AUTO_FREE char *copy = malloc(len ? len : 1);
		struct json_doc *d = NULL;

		memcpy(copy, text, len);
		assert_int_equal(json_parse(&d, "t", copy, len, NULL, &e), ERR_FORMAT);
	}
	json_free(parsed(text));
}

static void strings_are_decoded(void **state)
{
	static const struct { const char *text, *want; size_t len; } cases[] = {
		{ "\"\"", "", 0 },
		{ "\"plain and longer than one machine word\"", "plain and longer than one machine word", 38 },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
		{ "\"a\\u0000b\"", "a\0b", 3 },
		{ "\"\\u00e9\\u20AC\\uD83D\\uDE00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9 },
		{ "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9 },
		{ "\"x\\ty\xf4\x8f\xbf\xbfz\"", "x\ty\xf4\x8f\xbf\xbfz", 8 },
		{ "\"\x7f\"", "\x7f", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json_doc *d = parsed(cases[i].text);

		assert_int_equal(d->root->type, JSON_STRING);
		assert_int_equal(d->root->count, cases[i].len);
		assert_memory_equal(d->root->u.text, cases[i].want, cases[i].len + 1);
	}
}

static void numbers_keep_their_lexeme(void **state)
{
	static const char *const lexemes[] = { "0", "-0", "1.0", "1e2", "1E+02", "-0.10e-7", "9223372036854775808",
					       "123456789012345678901234567890", "1e400", "5e-324" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lexemes); i++) {
		char text[120];
		AUTO(json) struct json_doc *d = NULL;

		snprintf(text, sizeof text, "[%s,%s ,{\"a\":%s}]", lexemes[i], lexemes[i], lexemes[i]);
		d = parsed(text);
		assert_string_equal(d->root->u.items[0].u.text, lexemes[i]);
		assert_string_equal(d->root->u.items[1].u.text, lexemes[i]);
		assert_string_equal(json_get(&d->root->u.items[2], "a")->u.text, lexemes[i]);
		assert_int_equal(d->root->u.items[0].count, strlen(lexemes[i]));
	}
	json_free(parsed("-12.5"));
}

static void every_value_knows_its_place(void **state)
{
	AUTO(json) struct json_doc *d = parsed("\n{\"a\":\n  [1,\n\t{\"b\" : \"x\"}]}");
	const struct json *a = json_get(d->root, "a");
	struct json key = json_key(d, &a->u.items[1].u.members[0]);
	unsigned line, column;

	(void)state;
	json_place(d, d->root, &line, &column);
	assert_true(line == 2 && column == 1);
	json_place(d, a, &line, &column);
	assert_true(line == 3 && column == 3);
	json_place(d, &a->u.items[0], &line, &column);
	assert_true(line == 3 && column == 4);
	json_place(d, &a->u.items[1], &line, &column);
	assert_true(line == 4 && column == 2);
	json_place(d, json_get(&a->u.items[1], "b"), &line, &column);
	assert_true(line == 4 && column == 9);
	json_place(d, &key, &line, &column);
	assert_true(line == 4 && column == 3);
	assert_true(json_is(&key, "b"));
	assert_int_equal(json_error(d, a, &e, ERR_REFUSED, "no %d", 7), ERR_REFUSED);
	assert_string_equal(e.msg, "t.json:3:3: no 7");
}

static void duplicate_keys_are_found_in_objects_of_any_size(void **state)
{
	(void)state;
	for (unsigned members = 2; members <= 3000; members += members < 40 ? 1 : 997) {
		for (unsigned twin = 0; twin < 2; twin++) {
			AUTO(buf) struct buf *b = buf_new(0);
			struct json_doc *d = NULL;

			buf_adds(b, "{");
			for (unsigned i = 0; i < members; i++)
				buf_addf(b, "%s\"key%u\":%u", i ? "," : "",
					 twin && i == members - 1 ? members / 2 - 1 : i, i);
			buf_adds(b, "}");
			if (twin) {
				assert_refused(json_parse(&d, "t", b->data, b->len, NULL, &e), ERR_FORMAT, "a second time");
			} else {
				assert_ok(json_parse(&d, "t", b->data, b->len, NULL, &e));
				assert_int_equal(d->root->count, members);
				json_free(d);
			}
		}
	}
}

static void limits_hold(void **state)
{
	static const struct json_limits bytes = { .bytes = 5 }, depth = { .depth = 3 }, arena = { .arena = 400 };
	struct json_doc *d = NULL;
	char deep[4001], many[801];

	(void)state;
	assert_ok(json_parse(&d, "t", "[123]", 5, &bytes, &e));
	json_free(TAKE(d));
	assert_refused(json_parse(&d, "t", "[1234]", 6, &bytes, &e), ERR_LIMIT, "t:1:1: 6 bytes, more than the 5 allowed");
	assert_ok(json_parse(&d, "t", "[[{}]]", 6, &depth, &e));
	json_free(TAKE(d));
	assert_refused(json_parse(&d, "t", "[[{\"a\":[]}]]", 12, &depth, &e), ERR_LIMIT, "t:1:8: nested deeper than 3");
	memset(deep, '[', sizeof deep);
	assert_refused(json_parse(&d, "t", deep, sizeof deep, NULL, &e), ERR_LIMIT, "nested deeper than 128");
	assert_refused(json_parse(&d, "t", deep, sizeof deep, &(struct json_limits){ .depth = 100000 }, &e), ERR_LIMIT,
		       "nested deeper than 1024");
	memset(many, '0', sizeof many);
	for (size_t i = 0; i < sizeof many; i += 2)
		many[i] = ',';
	many[0] = '[';
	many[sizeof many - 1] = ']';
	assert_refused(json_parse(&d, "t", many, 101, &arena, &e), ERR_LIMIT, "more than 400 bytes of memory");
	assert_ok(json_parse(&d, "t", many, sizeof many, NULL, &e));
	assert_int_equal(d->root->count, 400);
	json_free(TAKE(d));
	/* the default arena holds the densest text there is */
	assert_ok(json_parse(&d, "t", many, sizeof many, &(struct json_limits){ .bytes = sizeof many }, &e));
	json_free(d);
}

/* ---- values ---- */

static void equality_is_mathematical_and_exact(void **state)
{
	static const struct { const char *a, *b; bool equal; } cases[] = {
		{ "1", "1.0", true }, { "10e-1", "1", true }, { "0", "-0.0e7", true }, { "100", "1e2", true },
		{ "1.50", "15e-1", true }, { "0.001", "1e-3", true }, { "1", "-1", false },
		{ "9007199254740993", "9007199254740992", false }, { "0.1", "0.10000000000000000001", false },
		{ "123456789012345678901234567890", "12345678901234567890123456789.0e1", true },
		{ "123456789012345678901234567890", "123456789012345678901234567891", false },
		{ "1e400", "1e401", false }, { "1e400", "10e399", true }, { "1", "\"1\"", false }, { "true", "false", false },
		{ "null", "null", true }, { "[1,2]", "[1.0,2e0]", true }, { "[1,2]", "[2,1]", false }, { "[1]", "[1,1]", false },
		{ "{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1}", true }, { "{\"a\":1}", "{\"b\":1}", false },
		{ "{\"a\":1}", "{\"a\":1,\"b\":1}", false }, { "\"a\\u0000b\"", "\"a\\u0000c\"", false }, { "[]", "{}", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json_doc *a = parsed(cases[i].a);
		AUTO(json) struct json_doc *b = parsed(cases[i].b);

		if (json_equal(a->root, b->root) != cases[i].equal || json_equal(b->root, a->root) != cases[i].equal)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
		assert_true(json_equal(a->root, a->root));
		assert_true((json_hash(a->root) == json_hash(b->root)) == cases[i].equal);
	}
}

static void large_objects_compare_without_order(void **state)
{
	AUTO(buf) struct buf *one = buf_new(0);
	AUTO(buf) struct buf *two = buf_new(0);
	AUTO(buf) struct buf *three = buf_new(0);
	AUTO(json) struct json_doc *a = NULL;
	AUTO(json) struct json_doc *b = NULL;
	AUTO(json) struct json_doc *c = NULL;

	(void)state;
	for (int i = 0; i < 500; i++) {
		buf_addf(one, "%c\"k%d\":%d", i ? ',' : '{', i, i);
		buf_addf(two, "%c\"k%d\":%d.0", i ? ',' : '{', 499 - i, 499 - i);
		buf_addf(three, "%c\"k%d\":%d", i ? ',' : '{', 499 - i, i == 77 ? 0 : 499 - i);
	}
	buf_addc(one, '}');
	buf_addc(two, '}');
	buf_addc(three, '}');
	a = parsed(one->data);
	b = parsed(two->data);
	c = parsed(three->data);
	assert_true(json_equal(a->root, b->root));
	assert_false(json_equal(a->root, c->root));
}

static void numbers_order_exactly(void **state)
{
	static const char *const rising[] = { "-1e400", "-123456789012345678901", "-123456789012345678900", "-2", "-1.5", "-1e-400",
					      "0", "1e-400", "0.1", "0.11", "0.2", "1", "1.0000000000000000000001", "9", "10", "11",
					      "9007199254740992", "9007199254740993", "1e16", "1e400" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rising); i++)
		for (size_t j = 0; j < ARRAY_LEN(rising); j++) {
			AUTO(json) struct json_doc *a = parsed(rising[i]);
			AUTO(json) struct json_doc *b = parsed(rising[j]);
			int order = json_compare(a->root, b->root);

			if ((order > 0) - (order < 0) != (i > j) - (i < j))
				fail_msg("%s and %s: %d", rising[i], rising[j], order);
		}
}

static void integers_are_recognised_and_converted(void **state)
{
	static const struct { const char *text; bool integer, fits; int64_t v; } cases[] = {
		{ "0", true, true, 0 }, { "-7", true, true, -7 }, { "9223372036854775807", true, true, INT64_MAX },
		{ "-9223372036854775808", true, true, INT64_MIN }, { "9223372036854775808", true, false, 0 },
		{ "1.0", true, false, 0 }, { "1e2", true, false, 0 }, { "1.5", false, false, 0 }, { "1.5e1", true, false, 0 },
		{ "100e-2", true, false, 0 }, { "100e-3", false, false, 0 }, { "1e-1", false, false, 0 }, { "0.0", true, false, 0 },
		{ "\"1\"", false, false, 0 }, { "null", false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json) struct json_doc *d = parsed(cases[i].text);
		int64_t v = 0;

		if (json_is_integer(d->root) != cases[i].integer || json_to_int(d->root, &v) != cases[i].fits ||
		    v != cases[i].v)
			fail_msg("%s", cases[i].text);
	}
}

static void doubles_refuse_what_is_too_large(void **state)
{
	AUTO(json) struct json_doc *d = parsed("[0.1,1e308,1e309,\"1\"]");
	double v = 7;

	(void)state;
	assert_true(json_to_double(&d->root->u.items[0], &v) && v == 0.1);
	assert_true(json_to_double(&d->root->u.items[1], &v) && v == 1e308);
	assert_false(json_to_double(&d->root->u.items[2], &v));
	assert_false(json_to_double(&d->root->u.items[3], &v));
	assert_false(json_to_double(NULL, &v));
	assert_true(v == 1e308);
}

static void lookups_answer_null_instead_of_failing(void **state)
{
	AUTO(json) struct json_doc *d = parsed("{\"a\":\"x\",\"b\":{\"\":1}}");

	(void)state;
	assert_null(json_get(NULL, "a"));
	assert_null(json_get(d->root, "z"));
	assert_null(json_get(json_get(d->root, "a"), "a"));
	assert_non_null(json_get(json_get(d->root, "b"), ""));
	assert_true(json_is(json_get(d->root, "a"), "x"));
	assert_false(json_is(json_get(d->root, "a"), "xy"));
	assert_false(json_is(NULL, "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_public_suite_is_answered_as_documented),
		cmocka_unit_test(of_equal_keys_the_last_one_wins_where_that_is_asked_for),
		cmocka_unit_test(errors_name_the_place_and_what_was_found),
		cmocka_unit_test(every_prefix_of_a_document_is_refused),
		cmocka_unit_test(strings_are_decoded),
		cmocka_unit_test(numbers_keep_their_lexeme),
		cmocka_unit_test(every_value_knows_its_place),
		cmocka_unit_test(duplicate_keys_are_found_in_objects_of_any_size),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(equality_is_mathematical_and_exact),
		cmocka_unit_test(large_objects_compare_without_order),
		cmocka_unit_test(numbers_order_exactly),
		cmocka_unit_test(integers_are_recognised_and_converted),
		cmocka_unit_test(doubles_refuse_what_is_too_large),
		cmocka_unit_test(lookups_answer_null_instead_of_failing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
