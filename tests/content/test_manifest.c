/* manifest: one encoding out, strict reading in. */
#include "base/json.h"
#include "content/archive.h"
#include "content/manifest.h"
#include "tests/test.h"

#define SHA_A "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA_B "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define FILE_A "{\"path\":\"rules/a.json\",\"size\":0,\"sha256\":\"" SHA_A "\",\"type\":\"rules\"}"
#define FILE_T "{\"path\":\"selftest/t.ndjson\",\"size\":3,\"sha256\":\"" SHA_B "\",\"type\":\"selftest\"}"
#define HEAD "{\"format\":1,\"channel\":\"edr\",\"serial\":110,\"version\":\"2026.02.1\",\"created\":\"2026-02-01T12:00:00Z\""
#define TAIL ",\"requires\":[{\"type\":\"rules\",\"version\":\"1\"}],\"selftest\":[\"selftest/t.ndjson\"]," \
	     "\"budget\":{\"load_ms\":500,\"rss_bytes\":1024,\"us_per_event\":50}}\n"
#define WHOLE HEAD ",\"severity\":\"high\",\"notes\":\"two\\nlines\",\"files\":[" FILE_A "," FILE_T "]" TAIL

static struct manifest *parse(const char *text)
{
	struct manifest *m = NULL;
	struct err e;

	assert_ok(manifest_parse(&m, text, strlen(text), &e));
	return m;
}

static void every_member_is_read(void **state)
{
	AUTO(manifest) struct manifest *m = parse(WHOLE);

	(void)state;
	assert_string_equal(m->channel, "edr");
	assert_int_equal(m->serial, 110);
	assert_string_equal(m->version, "2026.02.1");
	assert_int_equal(m->created, 1769947200);
	assert_string_equal(m->severity, "high");
	assert_string_equal(m->notes, "two\nlines");
	assert_int_equal(m->file_count, 2);
	assert_string_equal(m->files[1].path, "selftest/t.ndjson");
	assert_int_equal(m->files[1].size, 3);
	assert_int_equal(m->files[1].sha256.bytes[0], 0xba);
	assert_int_equal(m->require_count, 1);
	assert_string_equal(m->requires[0].version, "1");
	assert_int_equal(m->selftest_count, 1);
	assert_string_equal(m->selftests[0], "selftest/t.ndjson");
	assert_int_equal(m->budget.rss_bytes, 1024);
}

static void what_is_written_is_what_was_read(void **state)
{
	AUTO(manifest) struct manifest *m = parse(WHOLE);
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(manifest_write(out, m, &e));
	assert_string_equal(out->data, WHOLE);
}

static void optional_members_have_defaults(void **state)
{
	AUTO(manifest) struct manifest *m = parse(HEAD ",\"files\":[" FILE_A "]}\n");

	(void)state;
	assert_string_equal(m->severity, "normal");
	assert_string_equal(m->notes, "");
	assert_int_equal(m->require_count + m->selftest_count, 0);
	assert_int_equal(m->budget.load_ms, 0);
}

static void unknown_members_are_ignored_and_unknown_needs_refused(void **state)
{
	static const char needs[] = HEAD ",\"needs\":[\"time-travel\"],\"files\":[" FILE_A "]}\n";
	struct manifest *m = parse(HEAD ",\"mood\":{\"x\":[1,2]},\"files\":[" FILE_A "],\"needs\":[]}\n");
	struct err e;

	(void)state;
	manifest_free(m);
	assert_refused(manifest_parse(&m, needs, strlen(needs), &e), ERR_UNSUPPORTED, "time-travel");
}

static void bad_manifests_are_refused_by_name(void **state)
{
	static const struct { const char *text; int code; const char *says; } bad[] = {
		{ "", ERR_FORMAT, "newline" },
		{ "{}", ERR_FORMAT, "newline" },
		{ "{}\n", ERR_FORMAT, "format" },
		{ "[]\n", ERR_FORMAT, "" },
		{ "{\n}\n", ERR_FORMAT, "one line" },
		{ HEAD ",\"files\":[" FILE_A "]}\n\n", ERR_FORMAT, "one line" },
		{ HEAD ",\"files\":[" FILE_A "]}", ERR_FORMAT, "newline" },
		{ HEAD "}\n", ERR_FORMAT, "files" },
		{ HEAD ",\"files\":[]}\n", ERR_FORMAT, "at least one" },
		{ HEAD ",\"files\":[" FILE_T "," FILE_A "]}\n", ERR_FORMAT, "does not come after" },
		{ HEAD ",\"files\":[" FILE_A "," FILE_A "]}\n", ERR_FORMAT, "does not come after" },
		{ HEAD ",\"files\":[3]}\n", ERR_FORMAT, "" },
		{ HEAD ",\"channel\":\"x\",\"files\":[" FILE_A "]}\n", ERR_FORMAT, "channel" },
		{ HEAD ",\"files\":[" FILE_A "],\"selftest\":[\"rules/a.json\"]}\n", ERR_FORMAT, "selftest" },
		{ HEAD ",\"files\":[" FILE_A "],\"selftest\":[\"gone\"]}\n", ERR_FORMAT, "selftest" },
		{ HEAD ",\"files\":[" FILE_T "],\"selftest\":[\"selftest/t.ndjson\\u0000x\"]}\n", ERR_FORMAT, "selftest" },
		{ HEAD ",\"files\":[" FILE_T "],\"selftest\":[\"selftest/t.ndjson\",\"selftest/t.ndjson\"]}\n", ERR_FORMAT, "selftest" },
		{ HEAD ",\"files\":[" FILE_T "],\"selftest\":[7]}\n", ERR_FORMAT, "selftest" },
		{ HEAD ",\"files\":[" FILE_A "],\"requires\":[{\"type\":\"rules\",\"version\":\"1\"},{\"type\":\"rules\",\"version\":\"2\"}]}\n", ERR_FORMAT, "twice" },
		{ HEAD ",\"files\":[" FILE_A "],\"requires\":[{\"type\":\"rules\"}]}\n", ERR_FORMAT, "version" },
		{ HEAD ",\"files\":[" FILE_A "],\"budget\":{\"load_ms\":-1}}\n", ERR_FORMAT, "load_ms" },
		{ HEAD ",\"files\":[" FILE_A "],\"budget\":{\"load_ms\":1.5}}\n", ERR_FORMAT, "load_ms" },
		{ HEAD ",\"files\":[" FILE_A "],\"severity\":\"Very High\"}\n", 0, "" },
	};
	struct manifest *m = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int code = manifest_parse(&m, bad[i].text, strlen(bad[i].text), &e);

		if (bad[i].code)
			assert_refused(code, bad[i].code, bad[i].says);
		else
			manifest_free(TAKE(m));
		assert_null(m);
	}
}

/* Replaces the first `from` in the sound manifest. */
static char *changed(const char *from, const char *to)
{
	const char *at = strstr(WHOLE, from);
	char *text;

	assert_non_null(at);
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - WHOLE), WHOLE, to, at + strlen(from)) > 0);
	return text;
}

static void every_value_has_its_bounds(void **state)
{
	static const struct { const char *from, *to; int code; } cases[] = {
		{ "\"format\":1", "\"format\":2", ERR_UNSUPPORTED },
		{ "\"edr\"", "\"Edr\"", ERR_FORMAT },
		{ "\"edr\"", "\"\"", ERR_FORMAT },
		{ "\"edr\"", "\"edr\\u0000\"", ERR_FORMAT },
		{ "\"edr\"", "null", ERR_FORMAT },
		{ "110", "0", ERR_FORMAT },
		{ "110", "-1", ERR_FORMAT },
		{ "110", "9007199254740992", ERR_FORMAT },
		{ "110", "1e2", ERR_FORMAT },
		{ "110", "\"110\"", ERR_FORMAT },
		{ "\"2026.02.1\"", "\"\"", ERR_FORMAT },
		{ "2026-02-01T12:00:00Z", "2026-02-01", ERR_FORMAT },
		{ "2026-02-01T12:00:00Z", "2026-02-30T12:00:00Z", ERR_FORMAT },
		{ "rules/a.json", "/rules/a.json", ERR_FORMAT },
		{ "rules/a.json", "rules/../a.json", ERR_FORMAT },
		{ "rules/a.json", "rules//a.json", ERR_FORMAT },
		{ "rules/a.json", "rules/.a", ERR_FORMAT },
		{ "rules/a.json", "rules/a b", ERR_FORMAT },
		{ "rules/a.json", "rules\\\\a", ERR_FORMAT },
		{ "rules/a.json", "", ERR_FORMAT },
		{ "rules/a.json", "manifest.json", ERR_FORMAT },
		{ "rules/a.json", "selftest", ERR_FORMAT },     /* a file and a directory */
		{ "\"size\":0", "\"size\":-1", ERR_FORMAT },
		{ "\"size\":0", "\"size\":1073741825", ERR_FORMAT },
		{ "\"size\":0", "\"size\":1073741824", ERR_LIMIT },     /* with the other one */
		{ SHA_A, "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855", ERR_FORMAT },
		{ SHA_A, "e3b0", ERR_FORMAT },
		{ "\"type\":\"rules\"", "\"type\":\"Rules\"", ERR_FORMAT },
	};
	struct manifest *m = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *text = changed(cases[i].from, cases[i].to);
		int code = manifest_parse(&m, text, strlen(text), &e);

		if (code != cases[i].code && !(code == ERR_LIMIT && cases[i].code == ERR_FORMAT))
			fail_msg("%s -> %s: %d (%s)", cases[i].from, cases[i].to, code, code ? e.msg : "accepted");
	}
}

static void a_manifest_cut_anywhere_is_refused(void **state)
{
	struct manifest *m = NULL;
	struct err e;

	(void)state;
	for (size_t len = 0; len < strlen(WHOLE); len++)
		assert_true(manifest_parse(&m, WHOLE, len, &e) < 0);
	assert_null(m);
}

static struct buf *many_files(size_t count)
{
	struct buf *b = buf_new(0);

	buf_adds(b, HEAD ",\"files\":[");
	for (size_t i = 0; i < count; i++)
		buf_addf(b, "%s{\"path\":\"f%07zu\",\"size\":0,\"sha256\":\"" SHA_A "\",\"type\":\"rules\"}",
			 i ? "," : "", i);
	buf_adds(b, "]}\n");
	return b;
}

static void the_number_of_files_has_a_limit(void **state)
{
	AUTO(buf) struct buf *most = many_files(MANIFEST_FILES_MAX);
	AUTO(buf) struct buf *more = many_files(MANIFEST_FILES_MAX + 1);
	struct manifest *m = NULL;
	struct err e;

	(void)state;
	assert_ok(manifest_parse(&m, most->data, most->len, &e));
	assert_non_null(manifest_find(m, "f0000000"));
	assert_non_null(manifest_find(m, "f0099999"));
	assert_null(manifest_find(m, "f0100000"));
	manifest_free(TAKE(m));
	assert_true(manifest_parse(&m, more->data, more->len, &e) < 0);
	assert_null(m);
}

static void files_and_directories_are_found_by_their_whole_name(void **state)
{
	AUTO(manifest) struct manifest *m = parse(WHOLE);

	(void)state;
	assert_ptr_equal(manifest_find(m, "rules/a.json"), &m->files[0]);
	assert_ptr_equal(manifest_find(m, "selftest/t.ndjson"), &m->files[1]);
	assert_null(manifest_find(m, "rules"));
	assert_null(manifest_find(m, "rules/a.jso"));
	assert_null(manifest_find(m, "rules/a.jsonx"));
	assert_null(manifest_find(m, ""));
	assert_true(manifest_holds_dir(m, "rules"));
	assert_false(manifest_holds_dir(m, "rule"));
	assert_false(manifest_holds_dir(m, "rules/a.json"));
	assert_false(manifest_holds_dir(m, ""));
}

static void a_manifest_no_reader_would_take_is_not_written(void **state)
{
	AUTO(manifest) struct manifest *m = parse(WHOLE);
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	(void)state;
	m->files[0].size = (uint64_t)1 << 40;
	assert_true(manifest_write(out, m, &e) < 0);
	buf_clear(out);
	m->files[0].size = 0;
	m->serial = 0;
	assert_true(manifest_write(out, m, &e) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_is_read),
		cmocka_unit_test(what_is_written_is_what_was_read),
		cmocka_unit_test(optional_members_have_defaults),
		cmocka_unit_test(unknown_members_are_ignored_and_unknown_needs_refused),
		cmocka_unit_test(bad_manifests_are_refused_by_name),
		cmocka_unit_test(every_value_has_its_bounds),
		cmocka_unit_test(a_manifest_cut_anywhere_is_refused),
		cmocka_unit_test(the_number_of_files_has_a_limit),
		cmocka_unit_test(files_and_directories_are_found_by_their_whole_name),
		cmocka_unit_test(a_manifest_no_reader_would_take_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
