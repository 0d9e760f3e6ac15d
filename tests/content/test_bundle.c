/* bundle: the same content gives the same bytes, and mistakes are named. */
#include <locale.h>
#include <utime.h>

#include "content/path_glob.h"
#include "tests/content/sample.h"

static int setup(void **state)
{
	*state = sample_dir();
	sample_source(*state);
	return 0;
}

static int teardown(void **state)
{
	sample_dir_remove(*state);
	return 0;
}

static int build(struct bundle **out, const char *dir, struct err *e)
{
	struct bundle_options options = BUNDLE_OPTIONS_NONE;

	return bundle_build(out, dir, &options, e);
}

static void assert_same(const struct bundle *a, const struct bundle *b)
{
	assert_true(digest_equal(&a->digest, &b->digest));
	assert_int_equal(a->archive->len, b->archive->len);
	assert_memory_equal(a->archive->data, b->archive->data, a->archive->len);
}

static void the_same_content_gives_the_same_bytes(void **state)
{
	static const char *const backwards[] = { "selftest/x.ndjson", "rules/a.json", "rules/b.json", "README.md",
						 "bundle.json" };
	const char *dir = *state;
	char *other = sample_dir();
	AUTO(bundle) struct bundle *a = sample_build(dir);
	AUTO(bundle) struct bundle *b = NULL;
	char here[4096];
	mode_t old = umask(077);
	struct err e;

	/* Another order of creation, other times and modes, another locale, zone and working directory. */
	for (size_t i = 0; i < ARRAY_LEN(backwards); i++) {
		AUTO_FREE char *from = file_join(dir, backwards[i]);
		AUTO_FREE char *to = file_join(other, backwards[i]);
		AUTO(buf) struct buf *bytes = NULL;

		assert_ok(file_read(&bytes, from, 4096, &e));
		sample_bytes(other, backwards[i], bytes->data, bytes->len);
		assert_int_equal(utime(to, &(struct utimbuf){ .modtime = 86400 * (long)i }), 0);
		assert_int_equal(chmod(to, i % 2 ? 0600 : 0755), 0);
	}
	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(chdir(other), 0);
	setenv("TZ", "Asia/Kathmandu", 1);
	setenv("LC_ALL", "tr_TR.UTF-8", 1);
	setlocale(LC_ALL, "");
	assert_ok(build(&b, ".", &e));
	setlocale(LC_ALL, "C");
	unsetenv("LC_ALL");
	unsetenv("TZ");
	assert_int_equal(chdir(here), 0);
	umask(old);
	assert_same(a, b);
	sample_dir_remove(other);
}

static void bundle_json_says_what_it_is(void **state)
{
	AUTO(bundle) struct bundle *b = sample_build(*state);
	const struct manifest *m = b->manifest;

	assert_string_equal(m->channel, "edr");
	assert_int_equal(m->serial, 110);
	assert_string_equal(m->version, "2026.02.1");
	assert_string_equal(m->severity, "high");
	assert_string_equal(m->notes, "two\nlines");
	assert_int_equal(m->created, 1769947200);
	assert_int_equal(m->file_count, 3);
	assert_string_equal(m->files[0].path, "rules/a.json");
	assert_string_equal(m->files[0].type, "rules");
	assert_string_equal(m->files[2].type, "selftest");
	assert_string_equal(m->selftests[0], "selftest/x.ndjson");
	assert_string_equal(m->requires[0].type, "rules");
	assert_int_equal(m->budget.us_per_event, 50);
	assert_int_equal(b->left_out_count, 1);
	assert_string_equal(b->left_out[0], "README.md");
}

static void options_win(void **state)
{
	struct bundle_options o = { .channel = "other", .serial = 7, .version = "v7", .created = 86400,
				    .created_fallback = 1 };
	AUTO(bundle) struct bundle *b = NULL;
	struct err e;

	assert_ok(bundle_build(&b, *state, &o, &e));
	assert_string_equal(b->manifest->channel, "other");
	assert_int_equal(b->manifest->serial, 7);
	assert_string_equal(b->manifest->version, "v7");
	assert_int_equal(b->manifest->created, 86400);
}

static void created_comes_from_the_recipe_before_the_environment(void **state)
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	AUTO(bundle) struct bundle *b = NULL;
	AUTO(bundle) struct bundle *c = NULL;
	struct err e;

	o.created_fallback = 86400;
	assert_ok(bundle_build(&b, *state, &o, &e));
	assert_int_equal(b->manifest->created, 1769947200);
	sample_file(*state, "bundle.json",
		    "{\"format\":1,\"channel\":\"c\",\"serial\":1,\"types\":[{\"match\":\"**\",\"type\":\"rules\"}]}");
	assert_ok(bundle_build(&c, *state, &o, &e));
	assert_int_equal(c->manifest->created, 86400);
	assert_string_equal(c->manifest->version, "1");
}

#define RECIPE(rest) "{\"format\":1,\"channel\":\"c\",\"serial\":1,\"created\":\"2026-02-01T12:00:00Z\"," rest "}"
#define TYPES "\"types\":[{\"match\":\"**\",\"type\":\"rules\"}]"

static void mistakes_in_bundle_json_are_named(void **state)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "", "bundle.json" },
		{ "{", "bundle.json:1:" },
		{ "[]", "bundle.json" },
		{ "{\"format\":2," TYPES "}", "format" },
		{ RECIPE("\"typos\":1," TYPES), "typos" },
		{ RECIPE("\"types\":[{\"match\":\"**\",\"type\":\"rules\",\"kind\":1}]"), "kind" },
		{ RECIPE(TYPES ",\"budget\":{\"ms\":1}"), "ms" },
		{ RECIPE(TYPES ",\"requires\":[{\"type\":\"rules\",\"version\":\"1\",\"x\":1}]"), "x" },
		{ RECIPE("\"notes\":\"\""), "types" },
		{ RECIPE("\"types\":[{\"match\":\"**\"}]"), "type" },
		{ RECIPE("\"types\":[{\"match\":\"**\",\"type\":\"Rules\"}]"), "type" },
		{ RECIPE("\"types\":[{\"match\":\"\",\"type\":\"rules\"}]"), "pattern" },
		{ RECIPE("\"types\":[{\"match\":\"/etc/*\",\"type\":\"rules\"}]"), "pattern" },
		{ RECIPE("\"selftest\":[1]," TYPES), "selftest" },
		{ RECIPE("\"leave_out\":[\"a\\u0000b\"]," TYPES), "leave_out" },
		{ RECIPE("\"severity\":\"urgent\"," TYPES), "severity" },
		{ RECIPE("\"types\":[{\"match\":\"rules/*\",\"type\":\"rules\"}]"), "README.md" },
		{ RECIPE("\"selftest\":[\"tests/*\"]," TYPES), "tests/*" },
		{ RECIPE("\"leave_out\":[\"**\"],\"types\":[]"), "no file" },
		{ "{\"format\":1,\"serial\":1,\"created\":\"2026-02-01T12:00:00Z\"," TYPES "}", "channel" },
		{ "{\"format\":1,\"channel\":\"c\",\"created\":\"2026-02-01T12:00:00Z\"," TYPES "}", "serial" },
		{ "{\"format\":1,\"channel\":\"c\",\"serial\":1," TYPES "}", "SOURCE_DATE_EPOCH" },
		{ "{\"format\":1,\"channel\":\"c\",\"serial\":0," TYPES "}", "serial" },
	};
	struct bundle *b = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		sample_file(*state, "bundle.json", bad[i].text);
		if (build(&b, *state, &e) == 0 || !strstr(e.msg, bad[i].says))
			fail_msg("recipe %zu: %s", i, b ? "accepted" : e.msg);
		assert_non_null(strstr(e.msg, *state));
	}
}

static void files_no_bundle_may_hold_are_named(void **state)
{
	static const char *const names[] = { "rules/.hidden.json", "rules/a b.json", "rules/\xc3\xa9.json",
					     "rules/a\\b.json", "manifest.json" };
	struct bundle *b = NULL;
	struct err e;

	sample_file(*state, "bundle.json", RECIPE("\"types\":[{\"match\":\"**\",\"type\":\"rules\"}]"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		sample_file(*state, names[i], "{}");
		assert_refused(build(&b, *state, &e), ERR_REFUSED, names[i]);
		sample_unlink(*state, names[i]);
	}
	assert_ok(build(&b, *state, &e));
	bundle_free(b);
}

static void a_link_is_refused_wherever_it_points(void **state)
{
	AUTO_FREE char *link = file_join(*state, "rules/link.json");
	struct bundle *b = NULL;
	struct err e;

	assert_int_equal(symlink("a.json", link), 0);
	assert_refused(build(&b, *state, &e), ERR_REFUSED, "rules/link.json");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("/etc", link), 0);
	assert_refused(build(&b, *state, &e), ERR_REFUSED, "rules/link.json");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(mkfifo(link, 0600), 0);
	assert_refused(build(&b, *state, &e), ERR_REFUSED, "rules/link.json");
}

static void bundle_json_may_not_be_a_link(void **state)
{
	AUTO_FREE char *link = file_join(*state, "bundle.json");
	struct bundle *b = NULL;
	struct err e;

	sample_unlink(*state, "bundle.json");
	assert_int_equal(symlink("README.md", link), 0);
	assert_true(build(&b, *state, &e) < 0);
	assert_null(b);
}

static void a_plain_directory_of_yara_files_is_enough(void **state)
{
	struct bundle_options o = { .channel = "yara", .serial = 4, .created = 86400, .type = "yara",
				    .created_fallback = BUNDLE_UNSET };
	char *dir = sample_dir();
	AUTO(bundle) struct bundle *b = NULL;
	struct err e;

	(void)state;
	sample_file(dir, "LICENSE", "MIT");
	sample_file(dir, ".git/objects/aa", "x");
	sample_file(dir, ".git/HEAD", "x");
	sample_file(dir, "a/x.yara", "rule x { condition: true }");
	sample_file(dir, "a/y.yar", "rule y { condition: true }");
	sample_file(dir, "a/yara", "no ending");
	assert_ok(bundle_build(&b, dir, &o, &e));
	assert_int_equal(b->manifest->file_count, 2);
	assert_string_equal(b->manifest->files[0].path, "a/x.yara");
	assert_string_equal(b->manifest->files[0].type, "yara");
	assert_int_equal(b->left_out_count, 3);
	assert_string_equal(b->left_out[0], ".git/");
	assert_string_equal(b->left_out[1], "LICENSE");
	assert_string_equal(b->left_out[2], "a/yara");
	sample_dir_remove(dir);
}

static void a_type_needs_files_of_its_kind(void **state)
{
	struct bundle_options o = { .channel = "c", .serial = 1, .created = 0, .type = "yara" };
	char *dir = sample_dir();
	struct bundle *b = NULL;
	struct err e;

	assert_refused(bundle_build(&b, *state, &o, &e), ERR_USAGE, "--type");  /* it has a bundle.json */
	assert_refused(bundle_build(&b, dir, &o, &e), ERR_REFUSED, "yara");
	o.type = "snort";
	assert_refused(bundle_build(&b, dir, &o, &e), ERR_USAGE, "snort");
	o.type = NULL;
	assert_refused(bundle_build(&b, dir, &o, &e), ERR_NOT_FOUND, "bundle.json");
	assert_true(bundle_build(&b, "/nonexistent", &o, &e) < 0);
	sample_dir_remove(dir);
}

static void whole_directories_can_be_left_out(void **state)
{
	AUTO(bundle) struct bundle *b = NULL;
	struct err e;

	sample_file(*state, "docs/a b.md", "x");
	sample_file(*state, "docs/.x", "x");
	sample_file(*state, "bundle.json", RECIPE("\"leave_out\":[\"docs\",\"*.md\"]," TYPES));
	assert_ok(build(&b, *state, &e));
	assert_int_equal(b->left_out_count, 2);
	assert_string_equal(b->left_out[1], "docs/");
}

static void patterns_match_segments(void **state)
{
	static const struct { const char *pattern, *path; bool yes; } cases[] = {
		{ "a", "a", true }, { "a", "b", false }, { "a", "a/b", false }, { "", "", true }, { "", "a", false },
		{ "*", "a", true }, { "*", "a/b", false }, { "*", "", true }, { "?", "/", false }, { "?", "x", true },
		{ "*.json", "a.json", true }, { "*.json", ".json", true }, { "*.json", "a/b.json", false },
		{ "*.json", "a.jsonx", false }, { "*.json", "a.json.json", true },
		{ "rules/*", "rules/a", true }, { "rules/*", "rules/a/b", false }, { "rules/*", "rule/a", false },
		{ "**", "a", true }, { "**", "a/b/c", true }, { "**/c", "c", true }, { "**/c", "a/b/c", true },
		{ "**/c", "a/bc", false }, { "**/c", "c/d", false }, { "a/**", "a/b", true }, { "a/**", "a/b/c", true },
		{ "a/**", "a", false }, { "a/**/c", "a/c", true }, { "a/**/c", "a/b/b/c", true },
		{ "a/**/c", "a/b/b/d", false }, { "a/**/c/*.x", "a/c/c/y.x", true },
		{ "**/a/*/b", "a/a/x/b", true }, { "**/a*b/c", "ab/aab/c", true }, { "a*b*c", "aXbYbZc", true },
		{ "a*b*c", "aXbYb/c", false }, { "a**b", "aXXb", true }, { "a**b", "aX/Xb", false },
		{ "*a", "aaa", true }, { "a?c", "abc", true }, { "a?c", "a/c", false }, { "[a]", "a", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (path_glob(cases[i].pattern, cases[i].path) != cases[i].yes)
			fail_msg("%s on %s: not %d", cases[i].pattern, cases[i].path, cases[i].yes);
}

static void a_hostile_pattern_takes_no_time(void **state)
{
	char path[241];

	(void)state;
	memset(path, 'a', 240);
	path[240] = '\0';
	assert_false(path_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
	for (int i = 1; i < 240; i += 2)
		path[i] = '/';
	assert_false(path_glob("**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b", path));
}

static void a_file_that_changes_while_it_is_read_is_refused(void **state)
{
	AUTO(bundle) struct bundle *b = sample_build(*state);
	AUTO(buf) struct buf *gz = buf_new(0);
	AUTO_FD int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct archive_written written;
	struct err e;

	sample_file(*state, "rules/a.json", "{\"format\":9}\n");
	assert_refused(archive_write(gz, dir, b->manifest, b->json, &written, &e), ERR_CONFLICT, "rules/a.json");
}

static void real_content_builds_and_checks(void **state)
{
	struct bundle_options o = { .channel = "yara", .serial = 20240304, .created = 1709510400, .type = "yara" };
	AUTO_FREE char *dir = file_join(sample_shared(), "content/yara-2024-03-04");
	AUTO(bundle) struct bundle *b = NULL;
	AUTO(manifest) struct manifest *m = NULL;
	AUTO_FREE char *path = file_join(*state, "yara.tar.gz");
	struct archive_want want;
	struct err e;

	if (!file_exists(dir))
		skip_named("%s is not here", dir);
	assert_ok(bundle_build(&b, dir, &o, &e));
	assert_int_equal(b->manifest->file_count, 272);
	assert_int_equal(b->left_out_count, 1);
	sample_bytes(*state, "yara.tar.gz", b->archive->data, b->archive->len);
	want = (struct archive_want){ .size = b->size, .digest = b->digest };
	assert_ok(bundle_check(path, &want, &m, NULL, NULL, &e));
	assert_int_equal(m->file_count, 272);
	print_message("%llu bytes, gzipped %zu\n", (unsigned long long)b->size, b->archive->len);
}

/* ---- rules in YAML ---- */

#define YAML_RECIPE                                                                                         \
	"{\"format\":1,\"channel\":\"edr\",\"serial\":1,\"created\":\"2026-02-01T12:00:00Z\","                  \
	"\"types\":[{\"match\":\"rules/**\",\"type\":\"rules\"},{\"match\":\"doc/*\",\"type\":\"doc\"}]}"

static void put_text(const char *dir, const char *name, const char *text)
{
	sample_bytes(dir, name, text, strlen(text));
}

static void rules_in_yaml_are_in_the_bundle_as_json(void **state)
{
	char *yaml = sample_dir(), *json = sample_dir();
	AUTO(bundle) struct bundle *a = NULL, *b = NULL;
	struct err e;

	(void)state;
	for (int i = 0; i < 2; i++) {
		put_text(i ? json : yaml, "bundle.json", YAML_RECIPE);
		put_text(i ? json : yaml, "doc/x.yaml", "a: 1\n");
	}
	put_text(yaml, "rules/ipc.yaml", "# comment\nformat: 1\ninstances:\n  - {id: no, match: {image: {equals: \"/bin/sh\"}}}\n");
	put_text(yaml, "rules/a.yml", "format: 0x1\n");
	put_text(json, "rules/ipc.json", "{\n  \"format\": 1,\n  \"instances\": [\n    {\n      \"id\": \"no\",\n      \"match\": {\n"
					 "        \"image\": {\n          \"equals\": \"/bin/sh\"\n        }\n      }\n    }\n  ]\n}\n");
	put_text(json, "rules/a.json", "{\n  \"format\": 1\n}\n");
	assert_ok(build(&a, yaml, &e));
	assert_ok(build(&b, json, &e));
	assert_string_equal(a->manifest->files[0].path, "doc/x.yaml");
	assert_string_equal(a->manifest->files[1].path, "rules/a.json");
	assert_same(a, b);
	sample_dir_remove(yaml);
	sample_dir_remove(json);
}

static void yaml_that_cannot_be_rules_is_refused_with_its_place(void **state)
{
	static const struct { const char *name, *text; int code; const char *says; } cases[] = {
		{ "rules/b.yaml", "format: 1\nformat: 2\n", ERR_FORMAT, "rules/b.yaml:2:1: the key \"format\" a second time" },
		{ "rules/b.yaml", "a: !ruby/x 1\n", ERR_UNSUPPORTED, "rules/b.yaml:1:4: the tag" },
		{ "rules/b.yaml", "", ERR_FORMAT, "rules/b.yaml:1:1: no document" },
		{ "rules/a.yml", "format: 1\n", ERR_CONFLICT, "rules/a.json: there is a source in YAML for it, too" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *dir = sample_dir();
		struct bundle *b = NULL;
		struct err e;

		put_text(dir, "bundle.json", "{\"format\":1,\"channel\":\"edr\",\"serial\":1,\"created\":\"2026-02-01T12:00:00Z\","
					     "\"types\":[{\"match\":\"rules/**\",\"type\":\"rules\"}]}");
		put_text(dir, "rules/a.json", "{\"format\":1}");
		put_text(dir, cases[i].name, cases[i].text);
		assert_refused(build(&b, dir, &e), cases[i].code, cases[i].says);
		assert_null(b);
		sample_dir_remove(dir);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(rules_in_yaml_are_in_the_bundle_as_json),
		CASE(yaml_that_cannot_be_rules_is_refused_with_its_place),
		CASE(the_same_content_gives_the_same_bytes),
		CASE(bundle_json_says_what_it_is),
		CASE(options_win),
		CASE(created_comes_from_the_recipe_before_the_environment),
		CASE(mistakes_in_bundle_json_are_named),
		CASE(files_no_bundle_may_hold_are_named),
		CASE(a_link_is_refused_wherever_it_points),
		CASE(bundle_json_may_not_be_a_link),
		CASE(a_plain_directory_of_yara_files_is_enough),
		CASE(a_type_needs_files_of_its_kind),
		CASE(whole_directories_can_be_left_out),
		CASE(patterns_match_segments),
		CASE(a_hostile_pattern_takes_no_time),
		CASE(a_file_that_changes_while_it_is_read_is_refused),
		CASE(real_content_builds_and_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
