/* The form of metadata: what must be there, what may, what is refused; globs, bins, hashes. */
#include "base/hex.h"
#include "signing/delegation.h"
#include "signing/verify.h"
#include "test.h"

#define HEAD(type) "{\"signatures\":[],\"signed\":{\"_type\":\"" type "\",\"spec_version\":\"1.0.31\",\"version\":3," \
		   "\"expires\":\"2030-01-02T03:04:05Z\","
#define ROLES(keyids, threshold)                                                                             \
	"\"roles\":{\"root\":{\"keyids\":[" keyids "],\"threshold\":" threshold "},\"timestamp\":{\"keyids\":[],"  \
	"\"threshold\":1},\"snapshot\":{\"keyids\":[],\"threshold\":1},\"targets\":{\"keyids\":[],\"threshold\":1}}"

static int parse(struct metadata **out, enum metadata_type type, const char *text, struct err *e)
{
	return metadata_parse(out, type, "file.json", text, strlen(text), e);
}

static void the_four_types_are_read(void **state)
{
	AUTO(metadata) struct metadata *root = NULL, *timestamp = NULL, *snapshot = NULL, *targets = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&root, METADATA_ROOT, HEAD("root") "\"keys\":{}," ROLES("\"a\",\"b\"", "2") "}}", &e));
	assert_int_equal(root->version, 3);
	assert_int_equal(root->expires, 1893553445);
	assert_false(root->consistent_snapshot);
	assert_int_equal(root->roles[METADATA_ROOT].count, 2);
	assert_ok(parse(&timestamp, METADATA_TIMESTAMP,
			HEAD("timestamp") "\"meta\":{\"snapshot.json\":{\"version\":7},\"other\":5}}}", &e));
	assert_int_equal(timestamp->entries[0].version, 7);
	assert_int_equal(timestamp->entries[0].file.length, -1);
	assert_ok(parse(&snapshot, METADATA_SNAPSHOT,
			HEAD("snapshot") "\"meta\":{\"b.json\":{\"version\":1,\"length\":5},\"a.json\":{\"version\":2}}}}", &e));
	assert_int_equal(metadata_entry(snapshot, "a.json", 6)->version, 2);
	assert_int_equal(metadata_entry(snapshot, "b.json", 6)->file.length, 5);
	assert_null(metadata_entry(snapshot, "c.json", 6));
	assert_ok(parse(&targets, METADATA_TARGETS,
			HEAD("targets") "\"targets\":{\"x\":{\"length\":0,\"hashes\":{\"md5\":\"00\"},\"custom\":{\"k\":1}}}}}", &e));
	assert_int_equal(metadata_target(targets, "x", 1)->file.length, 0);
	assert_false(metadata_target(targets, "x", 1)->has_sha256);
	assert_non_null(metadata_target(targets, "x", 1)->custom);
}

static void malformed_files_are_refused_with_the_place(void **state)
{
	static const struct {
		enum metadata_type type;
		const char *text;
		int code;
		const char *why;
	} rows[] = {
		{ METADATA_TARGETS, "", ERR_FORMAT, "file.json" },
		{ METADATA_TARGETS, "[]", ERR_FORMAT, "not an object" },
		{ METADATA_TARGETS, "{}", ERR_FORMAT, "\"signed\" is missing" },
		{ METADATA_TARGETS, "{\"signed\":{}}", ERR_FORMAT, "\"signatures\" is missing" },
		{ METADATA_TARGETS, "{\"signatures\":{},\"signed\":{}}", ERR_FORMAT, "expected an array" },
		{ METADATA_TARGETS, "{\"signatures\":[{\"keyid\":1,\"sig\":\"\"}],\"signed\":{}}", ERR_FORMAT, "without keyid" },
		{ METADATA_TARGETS, "{\"signatures\":[],\"signed\":{}}", ERR_FORMAT, "\"_type\" is missing" },
		{ METADATA_SNAPSHOT, HEAD("targets") "\"targets\":{}}}", ERR_FORMAT, "of type \"targets\"" },
		{ METADATA_TARGETS, HEAD("targets") "\"targets\":[]}}", ERR_FORMAT, "expected an object" },
		{ METADATA_TARGETS, HEAD("targets") "\"targets\":{},\"targets\":{}}}", ERR_FORMAT, "" },
		{ METADATA_TARGETS, HEAD("targets") "\"targets\":{\"a\":{\"length\":1}}}}", ERR_FORMAT, "without hashes" },
		{ METADATA_TARGETS, HEAD("targets") "\"targets\":{\"a\":{\"length\":1,\"hashes\":{}}}}}", ERR_FORMAT, "list none" },
		{ METADATA_TARGETS, HEAD("targets") "\"targets\":{\"a\":{\"length\":-1,\"hashes\":{\"sha256\":\"\"}}}}}", ERR_FORMAT, "-1" },
		{ METADATA_TARGETS, HEAD("targets") "\"targets\":{},\"x\":1.5}}", ERR_FORMAT, "" },
		{ METADATA_TIMESTAMP, HEAD("timestamp") "\"meta\":{}}}", ERR_FORMAT, "without snapshot.json" },
		{ METADATA_TIMESTAMP, HEAD("timestamp") "\"meta\":{\"snapshot.json\":{\"version\":0}}}}", ERR_FORMAT, "version" },
		{ METADATA_SNAPSHOT, HEAD("snapshot") "\"meta\":{\"a.json\":{\"version\":\"1\"}}}}", ERR_FORMAT, "version" },
		{ METADATA_ROOT, HEAD("root") "\"keys\":{},\"roles\":{}}}", ERR_FORMAT, "\"root\" is missing" },
		{ METADATA_ROOT, HEAD("root") ROLES("", "1") "}}", ERR_FORMAT, "\"keys\" is missing" },
		{ METADATA_ROOT, HEAD("root") "\"keys\":{}," ROLES("", "0") "}}", ERR_FORMAT, "threshold" },
		{ METADATA_ROOT, HEAD("root") "\"keys\":{}," ROLES("5", "1") "}}", ERR_FORMAT, "no string" },
		{ METADATA_ROOT, HEAD("root") "\"keys\":{},\"consistent_snapshot\":1," ROLES("", "1") "}}", ERR_FORMAT, "true or false" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(metadata) struct metadata *m = NULL;
		struct err e;

		assert_refused(parse(&m, rows[i].type, rows[i].text, &e), rows[i].code, rows[i].why);
		assert_null(m);
	}
}

static void the_head_is_strict(void **state)
{
	static const struct {
		const char *spec, *version, *expires;
		int code;
	} rows[] = {
		{ "1.0", "1", "2030-01-02T03:04:05Z", 0 },
		{ "1.0.31", "9223372036854775807", "2030-01-02T03:04:05Z", 0 },
		{ "1.99.0", "1", "9999-12-31T23:59:59Z", 0 },
		{ "2.0.0", "1", "2030-01-02T03:04:05Z", ERR_UNSUPPORTED },
		{ "1", "1", "2030-01-02T03:04:05Z", ERR_UNSUPPORTED },
		{ "1.0.0.0", "1", "2030-01-02T03:04:05Z", ERR_UNSUPPORTED },
		{ "1.x", "1", "2030-01-02T03:04:05Z", ERR_UNSUPPORTED },
		{ "1.0.", "1", "2030-01-02T03:04:05Z", ERR_UNSUPPORTED },
		{ "10.0", "1", "2030-01-02T03:04:05Z", ERR_UNSUPPORTED },
		{ "1.0", "0", "2030-01-02T03:04:05Z", ERR_FORMAT },
		{ "1.0", "-1", "2030-01-02T03:04:05Z", ERR_FORMAT },
		{ "1.0", "\"1\"", "2030-01-02T03:04:05Z", ERR_FORMAT },
		{ "1.0", "1.0", "2030-01-02T03:04:05Z", ERR_FORMAT },
		{ "1.0", "9223372036854775808", "2030-01-02T03:04:05Z", ERR_FORMAT },
		{ "1.0", "1", "2030-01-02T03:04:05", ERR_FORMAT },
		{ "1.0", "1", "2030-01-02T03:04:05+00:00", ERR_FORMAT },
		{ "1.0", "1", "2030-02-30T03:04:05Z", ERR_FORMAT },
		{ "1.0", "1", "2030-01-02 03:04:05Z", ERR_FORMAT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(metadata) struct metadata *m = NULL;
		char text[512];
		struct err e;

		snprintf(text, sizeof text,
			 "{\"signatures\":[],\"signed\":{\"_type\":\"targets\",\"spec_version\":\"%s\",\"version\":%s,"
			 "\"expires\":\"%s\",\"targets\":{}}}", rows[i].spec, rows[i].version, rows[i].expires);
		if (rows[i].code)
			assert_refused(parse(&m, METADATA_TARGETS, text, &e), rows[i].code, "file.json");
		else
			assert_ok(parse(&m, METADATA_TARGETS, text, &e));
	}
}

static void delegations_are_strict(void **state)
{
	static const struct {
		const char *delegations;
		const char *why;        /* NULL: good */
	} rows[] = {
#define D(name, rest) "{\"name\":\"" name "\",\"keyids\":[],\"threshold\":1,\"terminating\":true" rest "}"
		{ "{\"keys\":{},\"roles\":[]}", NULL },
		{ "{\"keys\":{\"k\":{\"keytype\":\"new\",\"scheme\":\"new\",\"keyval\":{\"q\":1}}},\"roles\":[" D("a", ",\"paths\":[]") "]}", NULL },
		{ "{\"keys\":{},\"roles\":[" D("a", ",\"paths\":[\"x\"]") "," D("b", ",\"path_hash_prefixes\":[\"00\"]") "]}", NULL },
		{ "{\"keys\":{},\"roles\":[" D("a", ",\"paths\":[]") "," D("a", ",\"paths\":[]") "]}", "two delegations to \"a\"" },
		{ "{\"keys\":{},\"roles\":[" D("", ",\"paths\":[]") "]}", "to the name \"\"" },
		{ "{\"keys\":{},\"roles\":[" D("snapshot", ",\"paths\":[]") "]}", "to the name \"snapshot\"" },
		{ "{\"keys\":{},\"roles\":[" D("a\\u0000b", ",\"paths\":[]") "]}", "NUL" },
		{ "{\"keys\":{},\"roles\":[" D("a", "") "]}", "exactly one" },
		{ "{\"keys\":{},\"roles\":[" D("a", ",\"paths\":[],\"path_hash_prefixes\":[]") "]}", "exactly one" },
		{ "{\"keys\":{},\"roles\":[" D("a", ",\"paths\":[1]") "]}", "not a string" },
		{ "{\"keys\":{},\"roles\":[{\"name\":\"a\",\"keyids\":[],\"threshold\":1,\"paths\":[]}]}", NULL },
		{ "{\"keys\":{},\"roles\":[{\"name\":\"a\",\"keyids\":[],\"threshold\":1,\"terminating\":0,\"paths\":[]}]}", "terminating" },
		{ "{\"keys\":{}}", "exactly one of roles" },
		{ "{\"roles\":[]}", "\"keys\" is missing" },
		{ "{\"keys\":{\"k\":1},\"roles\":[]}", "no object" },
		{ "{\"keys\":{},\"succinct_roles\":{\"keyids\":[],\"threshold\":1,\"bit_length\":33,\"name_prefix\":\"b\"}}", "bit_length" },
		{ "{\"keys\":{},\"succinct_roles\":{\"keyids\":[],\"threshold\":1,\"bit_length\":0,\"name_prefix\":\"b\"}}", "bit_length" },
		{ "{\"keys\":{},\"succinct_roles\":{\"keyids\":[],\"threshold\":1,\"bit_length\":32,\"name_prefix\":\"b\"}}", NULL },
		{ "{\"keys\":{},\"roles\":[],\"succinct_roles\":{\"keyids\":[],\"threshold\":1,\"bit_length\":1,\"name_prefix\":\"b\"}}", "exactly one" },
#undef D
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(metadata) struct metadata *m = NULL;
		AUTO_FREE char *text = NULL;
		struct err e;

		assert_true(asprintf(&text, HEAD("targets") "\"targets\":{},\"delegations\":%s}}", rows[i].delegations) > 0);
		if (rows[i].why)
			assert_refused(parse(&m, METADATA_TARGETS, text, &e), ERR_FORMAT, rows[i].why);
		else
			assert_ok(parse(&m, METADATA_TARGETS, text, &e));
	}
}

/* Same text but for white space, escapes and order: the same canonical bytes. */
static void the_canonical_form_is_what_olpc_says(void **state)
{
	static const char text[] =
		"{ \"signatures\" : [], \"signed\":{\"targets\":{},\"version\":1,\"expires\":\"2030-01-02T03:04:05Z\",\n"
		"\"spec_version\":\"1.0\",\"_type\":\"targets\",\"\\u00e9\":\"q\\\"\\\\\\/\\n\\t\\u0001\\u0000\\ud83d\\ude00\","
		"\"z\":[true,false,null,-0,12345678901234567890,{}],\"B\":1,\"a\":2,\"aa\":3} }";
	static const char want[] =
		"{\"B\":1,\"_type\":\"targets\",\"a\":2,\"aa\":3,\"expires\":\"2030-01-02T03:04:05Z\",\"spec_version\":\"1.0\","
		"\"targets\":{},\"version\":1,\"z\":[true,false,null,0,12345678901234567890,{}],"
		"\"\xc3\xa9\":\"q\\\"\\\\/\n\t\x01\0\xf0\x9f\x98\x80\"}";
	AUTO(metadata) struct metadata *m = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&m, METADATA_TARGETS, text, &e));
	assert_int_equal(m->canonical->len, sizeof want - 1);
	assert_memory_equal(m->canonical->data, want, sizeof want - 1);
	assert_int_equal(m->raw->len, sizeof text - 1);
	assert_memory_equal(m->raw->data, text, sizeof text - 1);
}

static void too_many_signatures_or_too_deep_nesting_are_over_a_limit(void **state)
{
	AUTO(metadata) struct metadata *m = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	(void)state;
	buf_adds(text, "{\"signatures\":[");
	for (int i = 0; i <= METADATA_SIGNATURES_MAX; i++)
		buf_addf(text, "%s{\"keyid\":\"%d\",\"sig\":\"\"}", i ? "," : "", i);
	buf_adds(text, "],\"signed\":{}}");
	assert_refused(parse(&m, METADATA_TARGETS, text->data, &e), ERR_LIMIT, "signatures");
	buf_clear(text);
	buf_adds(text, HEAD("targets") "\"targets\":{},\"x\":");
	for (int i = 0; i < 1000; i++)
		buf_addc(text, '[');
	assert_refused(parse(&m, METADATA_TARGETS, text->data, &e), ERR_LIMIT, "deeper");
}

/* ---- globs ---- */

static void patterns_stay_within_their_segment(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool match;
	} rows[] = {
		{ "a", "a", true }, { "a", "b", false }, { "a", "A", false }, { "", "", true }, { "", "a", false }, { "*", "", true },
		{ "*", "abc", true }, { "*", "a/b", false }, { "*/*", "a/b", true }, { "*/*", "a/b/c", false }, { "a/*", "a/", true },
		{ "a/*", "a", false }, { "?", "a", true }, { "?", "", false }, { "?", "/", false }, { "?", "\xc3\xa9", true },
		{ "??", "\xc3\xa9", false }, { "*?", "\xc3\xa9", true }, { "*??", "\xc3\xa9", false }, { "a?c", "abc", true },
		{ "*.tgz", "x.tgz", true }, { "*.tgz", ".tgz", true }, { "*.tgz", "x.tgz.tgz", true }, { "*.tgz", "x.tar", false },
		{ "a*b*c", "aXbYbZc", true }, { "a*b*c", "aXcYb", false }, { "[ab]", "a", false }, { "[ab]", "[ab]", true },
		{ "\\*", "*", false }, { "\\*", "\\x", true }, { "**", "abc", true }, { "**/x", "a/b/x", false }, { "/a", "a", false },
		{ "/a", "/a", true }, { "*", ".hidden", true }, { "a/*/c", "a/b/c", true }, { "a/*/c", "a/b/d/c", false },
		{ "a/?/c", "a//c", false }, { "a/*/c", "a//c", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (delegation_glob(rows[i].pattern, strlen(rows[i].pattern), rows[i].path, strlen(rows[i].path)) != rows[i].match)
			fail_msg("\"%s\" and \"%s\"", rows[i].pattern, rows[i].path);
}

static void a_pattern_of_stars_takes_no_exponential_time(void **state)
{
	char pattern[201], path[5001];

	(void)state;
	for (int i = 0; i < 200; i += 2)
		memcpy(pattern + i, "*a", 2);
	pattern[200] = 'b';
	memset(path, 'a', sizeof path);
	assert_false(delegation_glob(pattern, 201, path, 5000));
}

static void bins_have_as_many_digits_as_the_last_one(void **state)
{
	static const struct {
		int bits;
		const char *bin;
	} rows[] = { { 1, "b-1" }, { 4, "b-e" }, { 5, "b-1c" }, { 8, "b-e3" }, { 9, "b-1c7" }, { 16, "b-e3b0" }, { 32, "b-e3b0c442" } };
	char name[DELEGATION_NAME_MAX];
	struct err e;

	(void)state;
	/* SHA-256 of nothing begins with e3b0c442 */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct metadata_succinct s = { .bit_length = rows[i].bits, .prefix = "b" };

		assert_ok(delegation_bin(&s, "", 0, name, &e));
		assert_string_equal(name, rows[i].bin);
		assert_true(delegation_is_bin(&s, name));
		assert_false(delegation_is_bin(&s, "b-"));
		assert_false(delegation_is_bin(&s, "b-00000000000"));
		assert_false(delegation_is_bin(&s, "c-1"));
	}
	struct metadata_succinct five = { .bit_length = 5, .prefix = "b" };

	assert_true(delegation_is_bin(&five, "b-1f"));
	assert_false(delegation_is_bin(&five, "b-20"));
	assert_false(delegation_is_bin(&five, "b-1F"));
}

/* ---- lengths and hashes ---- */

static void every_known_hash_must_hold_and_one_must_be_known(void **state)
{
	static const struct {
		const char *hashes;
		int code;
	} rows[] = {
		{ "{\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}", 0 },
		{ "{\"sha256\":\"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\"}", ERR_REFUSED },
		{ "{\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"sha512\":\"00\"}", ERR_REFUSED },
		{ "{\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"new\":\"00\"}", 0 },
		{ "{\"new\":\"00\"}", ERR_UNSUPPORTED },
		{ "{\"sha256\":\"\"}", ERR_REFUSED },
		{ "{\"sha224\":\"d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f\"}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json) struct json_doc *d = NULL;
		struct metadata_file f = { .length = 0 };
		struct err e = { 0 };

		assert_ok(json_parse(&d, "h", rows[i].hashes, strlen(rows[i].hashes), NULL, &e));
		f.hashes = d->root;
		assert_int_equal(metadata_file_check(&f, "empty", "", 0, &e), rows[i].code);
		assert_int_equal(metadata_file_check(&f, "empty", "x", 1, &e), ERR_REFUSED);
	}
	struct metadata_file open = { .length = -1 };
	struct err e;

	assert_ok(metadata_file_check(&open, "anything", "x", 1, &e));
}

static void names_are_quoted_byte_by_byte(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);

	(void)state;
	delegation_quote(b, "aZ09_.-~/ %+\xc3\xa9\0?", 15);
	assert_string_equal(b->data, "aZ09_.-~%2F%20%25%2B%C3%A9%00");
	buf_clear(b);
	delegation_target_name(b, "a/b/c.x", 7, "00ff");
	assert_string_equal(b->data, "a/b/00ff.c.x");
	buf_clear(b);
	delegation_target_name(b, "c.x", 3, "00ff");
	assert_string_equal(b->data, "00ff.c.x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_four_types_are_read),
		cmocka_unit_test(malformed_files_are_refused_with_the_place),
		cmocka_unit_test(the_head_is_strict),
		cmocka_unit_test(delegations_are_strict),
		cmocka_unit_test(the_canonical_form_is_what_olpc_says),
		cmocka_unit_test(too_many_signatures_or_too_deep_nesting_are_over_a_limit),
		cmocka_unit_test(patterns_stay_within_their_segment),
		cmocka_unit_test(a_pattern_of_stars_takes_no_exponential_time),
		cmocka_unit_test(bins_have_as_many_digits_as_the_last_one),
		cmocka_unit_test(every_known_hash_must_hold_and_one_must_be_known),
		cmocka_unit_test(names_are_quoted_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
