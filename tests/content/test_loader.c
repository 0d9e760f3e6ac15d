/* test_loader: the table of loaders; YARA through libyara, on its own and on public rules. */
#include "content_tree.h"

#include "base/clock.h"
#include "content/loader.h"
#include "schema/contract.h"

#define RULES                                                                                                \
	"{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"image\",\"type\":\"path\"}]}]," \
	"\"instances\":[{\"id\":\"nc\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{\"image\":{\"suffix\":\"/nc\"}}}]}"

static int load(struct loader_set **out, const struct content_tree *t, const char *const *drop, size_t drop_count, struct err *e)
{
	const struct loader_job job = { .slot = t->dir, .slot_path = t->path, .manifest = t->manifest, .drop = drop,
					.drop_count = drop_count };

	return loader_set_load(out, &job, NULL, e);
}

static void match(struct loader_set *s, const char *event, enum detection_action action, const char *rule)
{
	struct detection got;
	struct err e = { 0 };

	assert_ok(loader_set_match(s, event, strlen(event), &got, &e));
	if (got.action != action || strcmp(got.rule, rule) != 0)
		fail_msg("%s: %s by %s", event, detection_name(got.action), got.rule);
}

static void names_of_verdicts_read_back(void **state)
{
	(void)state;
	for (enum detection_action a = DETECTION_NONE; a <= DETECTION_QUARANTINE; a++) {
		enum detection_action back;

		assert_true(detection_parse(&back, detection_name(a)));
		assert_int_equal(back, a);
		assert_int_equal(detection_destructive(a), a >= DETECTION_BLOCK);
	}
	assert_false(detection_parse(&(enum detection_action){ 0 }, "delete"));
}

static void a_type_without_a_loader_is_refused_by_name(void **state)
{
	const struct content_file files[] = { { "a/x.bin", "firmware", "x" }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	struct loader_set *s = NULL;
	struct err e = { 0 };

	(void)state;
	assert_refused(load(&s, t, NULL, 0, &e), ERR_UNSUPPORTED, "a/x.bin: no loader here for content of type \"firmware\"");
	assert_null(s);
}

static void errors_name_the_file_and_the_place(void **state)
{
	const struct content_file files[] = { { "rules/a.json", "rules", "{\"format\":1,\n\"instances\":[{}]}" }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	struct loader_set *s = NULL;
	struct err e = { 0 };

	(void)state;
	assert_refused(load(&s, t, NULL, 0, &e), ERR_FORMAT, "rules/a.json:2:14: \"id\" is missing");
}

static void events_that_are_for_nobody_are_errors(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "{}", "7", "{\"unknown\":1}", "{\"template\":\"t\",\"fields\":1}",
					   "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", "{\"template\":\"t\",\"template\":\"t\"}" };
	const struct content_file files[] = { { "a.json", "rules", RULES }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(loader_set) struct loader_set *s = NULL;
	struct loader_stats stats;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&s, t, NULL, 0, &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct detection got;
		int rc = loader_set_match(s, bad[i], strlen(bad[i]), &got, &e);

		if (rc != ERR_FORMAT && rc != ERR_LIMIT)
			fail_msg("%s: %d", bad[i], rc);
		assert_int_equal(got.action, DETECTION_NONE);
	}
	loader_set_stats(s, &stats);
	assert_int_equal(stats.events, ARRAY_LEN(bad));
	assert_int_equal(stats.event_errors, ARRAY_LEN(bad));
	assert_int_equal(stats.rules, 1);
}

static void a_contract_bounds_what_is_loaded(void **state)
{
	static const char text[] = "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1],"
				   "\"limits\":{\"rules\":0}}}}";
	const struct content_file files[] = { { "a.json", "rules", RULES }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(contract) struct contract *c = NULL;
	struct loader_job job = { .slot = t->dir, .manifest = t->manifest };
	struct loader_set *s = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(contract_parse(&c, "contract", text, sizeof(text) - 1, &e));
	job.contract = c;
	assert_refused(loader_set_load(&s, &job, NULL, &e), ERR_LIMIT, "more than the 0 rules");
}

#ifdef RINGHOLD_YARA

#define YARA_A                                                                                        \
	"rule evil { strings: $a = \"EVIL\" condition: $a }\n"                                        \
	"rule worse { meta: verdict = \"block\" strings: $a = \"WORSE\" condition: $a }\n"            \
	"rule named { condition: filename == \"x.exe\" and filepath == \"/tmp/x.exe\" and extension == \".exe\" }\n"

static struct content_tree *yara_tree(const char *a, const char *b)
{
	const struct content_file files[] = { { "yara/a.yar", "yara", a },   { "yara/b.yar", "yara", b },
					      { "data/sample", "doc", "-EVIL-" }, { "rules.json", "rules", RULES }, { 0 } };

	return content_tree_new(files);
}

static void yara_rules_match_text_base64_and_files_of_the_bundle(void **state)
{
	AUTO(content_tree) struct content_tree *t = yara_tree(YARA_A, "rule evil { condition: false }");
	AUTO(loader_set) struct loader_set *s = NULL;
	struct loader_stats stats;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&s, t, NULL, 0, &e));
	match(s, "{\"text\":\"an EVIL thing\"}", DETECTION_ALERT, "evil");
	match(s, "{\"text\":\"EVIL and WORSE\"}", DETECTION_BLOCK, "worse");
	match(s, "{\"text\":\"evil\"}", DETECTION_NONE, "");
	match(s, "{\"text\":\"\"}", DETECTION_NONE, "");
	match(s, "{\"base64\":\"AEVWSUwA\"}", DETECTION_ALERT, "evil");
	match(s, "{\"file\":\"data/sample\"}", DETECTION_ALERT, "evil");
	match(s, "{\"text\":\"\",\"name\":\"/tmp/x.exe\"}", DETECTION_ALERT, "named");
	match(s, "{\"text\":\"\"}", DETECTION_NONE, "");        /* the name does not linger */
	match(s, "{\"template\":\"t\",\"fields\":{\"image\":\"/bin/nc\"}}", DETECTION_ALERT, "nc");
	loader_set_stats(s, &stats);
	assert_int_equal(stats.rules, 5);
	assert_true(loader_set_has_rule(s, "worse"));
	assert_true(loader_set_has_rule(s, "nc"));
	assert_false(loader_set_has_rule(s, "nobody"));
}

static void yara_events_reach_no_file_outside_the_bundle(void **state)
{
	static const char *const bad[] = { "{\"file\":\"/etc/passwd\"}", "{\"file\":\"../x\"}", "{\"file\":\"yara\"}",
					   "{\"file\":7}", "{\"base64\":\"A\"}", "{\"text\":1}" };
	AUTO(content_tree) struct content_tree *t = yara_tree(YARA_A, "");
	AUTO(loader_set) struct loader_set *s = NULL;
	struct err e = { 0 };

	(void)state;
	assert_ok(load(&s, t, NULL, 0, &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct detection got;

		assert_int_equal(loader_set_match(s, bad[i], strlen(bad[i]), &got, &e), ERR_FORMAT);
		assert_int_equal(got.action, DETECTION_NONE);
	}
}

static void yara_errors_name_file_and_line(void **state)
{
	static const struct { const char *text, *sentence; } bad[] = {
		{ "rule ok { condition: true }\nrule x { condition: $a }", "yara/b.yar:2: " },
		{ "\n\nrule {", "yara/b.yar:3: " },
		{ "include \"a.yar\"", "yara/b.yar:1: " },
		{ "import \"nosuch\"\nrule x { condition: true }", "yara/b.yar:1: " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(content_tree) struct content_tree *t = yara_tree(YARA_A, bad[i].text);
		struct loader_set *s = NULL;
		struct err e = { 0 };

		assert_refused(load(&s, t, NULL, 0, &e), ERR_FORMAT, bad[i].sentence);
	}
}

static void yara_rules_are_dropped_by_name_or_by_path_and_name(void **state)
{
	static const char *const by_name[] = { "evil" }, *const by_path[] = { "yara/b.yar:evil" }, *const other[] = { "yara/a.ya:evil" };
	static const char same[] = "rule evil { strings: $a = \"EVIL\" condition: $a }";
	AUTO(content_tree) struct content_tree *t = yara_tree(YARA_A, same);
	const char *const *drops[] = { by_name, by_path, other };
	static const int dropped[] = { 1, 1, 0 };      /* ids that left something out */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(drops); i++) {
		AUTO(loader_set) struct loader_set *s = NULL;
		struct loader_stats stats;
		struct err e = { 0 };

		assert_ok(load(&s, t, drops[i], 1, &e));
		loader_set_stats(s, &stats);
		assert_int_equal(stats.dropped, dropped[i]);
		match(s, "{\"text\":\"EVIL\"}", i == 0 ? DETECTION_NONE : DETECTION_ALERT, i == 0 ? "" : "evil");
	}
}

static int add_file(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct manifest *m = arg;
	const char *dot = strrchr(rel, '.');

	(void)e;
	if (is_dir || !dot || strncmp(dot, ".yar", 4) != 0)
		return 0;
	m->files = reallocarray(m->files, m->file_count + 1, sizeof(*m->files));
	assert_non_null(m->files);
	m->files[m->file_count++] = (struct manifest_file){ .path = strdup(rel), .type = strdup("yara"), .size = 1 };
	return 0;
}

static void thousands_of_public_rules_load_in_a_second_or_so(void **state)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	char path[300];
	struct manifest m = { .serial = 1 };
	struct loader_job job = { .manifest = &m };
	struct loader_set *s = NULL;
	struct loader_stats stats;
	struct err e = { 0 };
	int64_t start;

	(void)state;
	snprintf(path, sizeof(path), "%s/content/yara-2024-03-18", shared ? shared : "../shared");
	job.slot = open(path, O_RDONLY | O_DIRECTORY);
	if (job.slot < 0)
		skip_named("%s is not here", path);
	assert_ok(file_walk(path, add_file, &m, &e));
	start = clock_cpu_us();
	assert_ok(loader_set_load(&s, &job, NULL, &e));
	loader_set_stats(s, &stats);
	fprintf(stderr, "%llu files, %llu bytes, %llu rules: %lld ms of CPU\n", (unsigned long long)stats.files,
		(unsigned long long)stats.bytes, (unsigned long long)stats.rules, (long long)(clock_cpu_us() - start) / 1000);
	assert_true(stats.rules > 500);
	match(s, "{\"text\":\"nothing to see here\"}", DETECTION_NONE, "");
	loader_set_free(s);
	for (size_t i = 0; i < m.file_count; i++) {
		free(m.files[i].path);
		free(m.files[i].type);
	}
	free(m.files);
	close(job.slot);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_verdicts_read_back),
		cmocka_unit_test(a_type_without_a_loader_is_refused_by_name),
		cmocka_unit_test(errors_name_the_file_and_the_place),
		cmocka_unit_test(events_that_are_for_nobody_are_errors),
		cmocka_unit_test(a_contract_bounds_what_is_loaded),
#ifdef RINGHOLD_YARA
		cmocka_unit_test(yara_rules_match_text_base64_and_files_of_the_bundle),
		cmocka_unit_test(yara_events_reach_no_file_outside_the_bundle),
		cmocka_unit_test(yara_errors_name_file_and_line),
		cmocka_unit_test(yara_rules_are_dropped_by_name_or_by_path_and_name),
		cmocka_unit_test(thousands_of_public_rules_load_in_a_second_or_so),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
