/* test_lint: what an author is told about rules that are sound and yet wrong. */
#include "content_tree.h"

#include "content/check.h"

static struct check_report *lint(const struct content_tree *t, const struct check_job *more)
{
	struct check_job job = more ? *more : (struct check_job){ 0 };
	struct check_report *r = NULL;
	struct err e = { 0 };

	job.dir = t->dir;
	job.manifest = t->manifest;
	assert_ok(check_content(&r, &job, &e));
	return r;
}

static const struct check_finding *finding(const struct check_report *r, const char *words)
{
	for (size_t i = 0; i < r->count; i++)
		if (strstr(r->items[i].sentence, words))
			return &r->items[i];
	return NULL;
}

#define FIELDS "{\"name\":\"image\",\"type\":\"path\"},{\"name\":\"line\",\"type\":\"string\"},{\"name\":\"n\",\"type\":\"integer\"}," \
	       "{\"name\":\"from\",\"type\":\"ip\"},{\"name\":\"kind\",\"type\":\"enum\",\"values\":[\"a\",\"b\",\"c\"]}"
#define RULES(instances) "{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[" FIELDS "]}],\"instances\":[" instances "]}"
#define RULE(id, verdict, match) "{\"id\":\"" id "\",\"template\":\"t\",\"verdict\":\"" verdict "\",\"match\":{" match "}}"

/* The finding with these words about one file of rules; NULL: none. *out keeps the report alive. */
static const struct check_finding *found(struct check_report **out, const char *rules, const char *words)
{
	const struct content_file files[] = { { "rules/a.json", "rules", rules }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);

	check_report_free(*out);
	*out = lint(t, NULL);
	return finding(*out, words);
}

/* ---- shadows ---- */

static void an_instance_that_another_covers_is_told(void **state)
{
	/* the wide one's conditions, the narrow one's */
	static const struct { const char *wide, *narrow; } covered[] = {
		{ "", "\"image\":{\"equals\":\"/bin/nc\"}" },
		{ "\"image\":{\"prefix\":\"/bin/\"}", "\"image\":{\"prefix\":\"/bin/n\"}" },
		{ "\"image\":{\"prefix\":\"/bin/\"}", "\"image\":{\"set\":[\"/bin/nc\",\"/bin/ls\"]}" },
		{ "\"image\":{\"suffix\":\"nc\"}", "\"image\":{\"suffix\":\"/nc\"}" },
		{ "\"image\":{\"contains\":\"in/n\"}", "\"image\":{\"prefix\":\"/bin/nc\"}" },
		{ "\"image\":{\"glob\":\"/bin/*\"}", "\"image\":{\"equals\":\"/bin/nc\"}" },
		{ "\"line\":{\"regex\":\"n.\"}", "\"line\":{\"equals\":\"nc\"}" },
		{ "\"line\":{\"regex\":\"n.\"}", "\"line\":{\"regex\":\"n.\"},\"n\":{\"equals\":1}" },
		{ "\"n\":{\"range\":[1,10]}", "\"n\":{\"range\":[2,10]}" },
		{ "\"n\":{\"range\":[1,10]}", "\"n\":{\"set\":[1,10]}" },
		{ "\"from\":{\"cidr\":\"10.0.0.0/8\"}", "\"from\":{\"cidr\":[\"10.1.0.0/16\",\"10.2.0.0/16\"]}" },
		{ "\"kind\":{\"set\":[\"a\",\"b\"]}", "\"kind\":{\"equals\":\"b\"}" },
	};
	AUTO(check_report) struct check_report *r = NULL;
	char text[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(covered); i++) {
		const struct check_finding *f;

		snprintf(text, sizeof text, RULES(RULE("narrow", "alert", "%s") "," RULE("wide", "block", "%s")), covered[i].narrow,
			 covered[i].wide);
		f = found(&r, text, "instance narrow never decides: instance wide accepts all that it accepts and says block");
		if (!f)
			fail_msg("%s does not cover %s", covered[i].wide, covered[i].narrow);
		else
			assert_int_equal(f->severity, CHECK_WARNING);
	}
}

static void an_instance_that_says_more_or_accepts_more_is_none(void **state)
{
	AUTO(check_report) struct check_report *r = NULL;

	(void)state;
	assert_null(found(&r, RULES(RULE("narrow", "block", "\"n\":{\"equals\":1}") "," RULE("wide", "alert", "")), "never decides"));
	assert_null(found(&r, RULES(RULE("first", "alert", "\"n\":{\"equals\":1}") "," RULE("wide", "alert", "")), "never decides"));
	assert_null(found(&r, RULES(RULE("b", "alert", "\"n\":{\"range\":[1,11]}") "," RULE("a", "block", "\"n\":{\"range\":[1,10]}")),
			  "never decides"));
	assert_null(found(&r, RULES(RULE("b", "alert", "\"n\":{\"equals\":1}") "," RULE("a", "block", "\"line\":{\"equals\":\"x\"}")),
			  "never decides"));
	assert_null(found(&r, RULES(RULE("b", "alert", "\"from\":{\"cidr\":\"10.0.0.0/8\"}") ","
				    RULE("a", "block", "\"from\":{\"cidr\":\"10.1.0.0/16\"}")), "never decides"));
}

static void an_instance_that_can_never_match_is_refused(void **state)
{
	static const char *const impossible[] = {
		"\"image\":{\"prefix\":\"/bin/\",\"equals\":\"/sbin/x\"}", "\"image\":{\"prefix\":\"/bin/\",\"prefix\":\"/sbin/\"}",
		"\"image\":{\"suffix\":\"/nc\",\"set\":[\"/bin/ls\",\"/bin/cat\"]}", "\"n\":{\"range\":[1,2],\"equals\":3}",
		"\"from\":{\"cidr\":\"10.0.0.0/8\",\"equals\":\"192.0.2.1\"}", "\"kind\":{\"equals\":\"a\",\"set\":[\"b\",\"c\"]}",
		"\"line\":{\"regex\":\"^x\",\"equals\":\"yx\"}",
	};
	static const char *const possible[] = {
		"\"image\":{\"prefix\":\"/bin/\",\"equals\":\"/bin/x\"}", "\"image\":{\"prefix\":\"/bin/\",\"suffix\":\"x\"}",
		"\"n\":{\"range\":[1,3],\"set\":[3,4]}",
	};
	AUTO(check_report) struct check_report *r = NULL;
	char text[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(impossible); i++) {
		snprintf(text, sizeof text, RULES(RULE("r", "alert", "%s")), impossible[i]);
		if (i != 1)     /* a key twice is refused by the parser already */
			assert_non_null(found(&r, text, "instance r can never match"));
	}
	for (size_t i = 0; i < ARRAY_LEN(possible); i++) {
		snprintf(text, sizeof text, RULES(RULE("r", "alert", "%s")), possible[i]);
		assert_null(found(&r, text, "never match"));
	}
}

/* ---- patterns ---- */

static void a_pattern_that_runs_away_is_refused(void **state)
{
	/* the last two are those of Cloudflare, July 2019, in short and as it was */
	static const char *const bad[] = {
		"^(a+)+$", "(x+x+)+y", "(a|a)*b", "([a-z]+)*=", ".*.*=.*",
		"(?:(?:\\\"|'|\\\\]|\\\\}|\\\\\\\\|\\\\d|(?:nan|infinity|true|false|null|undefined|symbol|math)|`|-|\\\\+)+[)]*;?((?:\\\\s|-|~|!|\\\\{\\\\}|\\\\|\\\\||\\\\+)*.*(?:.*=.*)))",
	};
	AUTO(check_report) struct check_report *r = NULL;
	char text[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct check_finding *f;

		snprintf(text, sizeof text, RULES(RULE("r", "alert", "\"line\":{\"regex\":\"%s\"}")), bad[i]);
		f = found(&r, text, "the regular expression takes more than the 100000 steps allowed");
		if (!f)
			fail_msg("%s is taken", bad[i]);
		else
			assert_int_equal(f->severity, CHECK_ERROR);
	}
}

static void a_pattern_that_refers_back_is_refused(void **state)
{
	static const char *const bad[] = { "(a|b)\\\\1", "(?<q>['x]).*\\\\k<q>", "\\\\((?:[^()]|(?R))*\\\\)", "(a(?1)?b)", "(?(?=a)b|c)" };
	AUTO(check_report) struct check_report *r = NULL;
	char text[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof text, RULES(RULE("r", "alert", "\"line\":{\"regex\":\"%s\"}")), bad[i]);
		if (!found(&r, text, "cannot be matched in linear time"))
			fail_msg("%s is taken", bad[i]);
	}
}

static void patterns_as_they_should_be_are_taken(void **state)
{
	static const char *const good[] = {
		"^/usr/(local/)?bin/[a-z]+$", "a.*b", "\\\\bcurl\\\\b.*\\\\|\\\\s*(ba)?sh", "(?i)powershell(\\\\.exe)?\\\\s+-e(nc)?\\\\s",
		"[(?R)]", "\\\\d{1,3}(\\\\.\\\\d{1,3}){3}", "^(?:[a-z0-9]+-)*[a-z0-9]+$", "\\\\(\\\\?R\\\\)",
	};
	AUTO(check_report) struct check_report *r = NULL;
	char text[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(text, sizeof text, RULES(RULE("r", "alert", "\"line\":{\"regex\":\"%s\"}")), good[i]);
		found(&r, text, "");
		if (r->errors)
			fail_msg("%s: %s", good[i], r->items[0].sentence);
	}
}

/* ---- widths ---- */

static void a_matcher_that_accepts_what_is_harmless_is_told(void **state)
{
	static const char rules[] = RULES(RULE("wide", "alert", "\"image\":{\"prefix\":\"/usr/\"},\"n\":{\"range\":[1000,null]}"));
	const struct content_file files[] = { { "rules/a.json", "rules", rules }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	struct check_corpus corpus = { .name = "office", .dir = t->dir };
	const struct check_job job = { .corpora = &corpus, .corpus_count = 1 }, lax = { .corpora = &corpus, .corpus_count = 1, .widest_percent = 95 };
	AUTO(check_report) struct check_report *r = NULL;
	AUTO(check_report) struct check_report *other = NULL;
	char events[8192];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 40; i++)
		len += (size_t)snprintf(events + len, sizeof events - len, "{\"template\":\"t\",\"fields\":{\"image\":\"%s/x\",\"n\":%d}}\n",
					i < 36 ? "/usr" : "/opt", i < 4 ? 2000 : i);
	content_write(t->path, "day.ndjson", events);
	r = lint(t, &job);
	assert_non_null(finding(r, "instance wide: field \"image\": \"prefix\" accepts 36 of 40 benign values, more than 50 %"));
	assert_null(finding(r, "field \"n\""));
	other = lint(t, &lax);
	assert_null(finding(other, "benign values"));
}

/* ---- sizes ---- */

static char *spaces(size_t count)
{
	char *text = malloc(count + 1);

	assert_non_null(text);
	memset(text, '\n', count);
	text[count] = '\0';
	return text;
}

static void sizes_far_from_the_bundle_before_are_refused(void **state)
{
	static const struct { size_t before, now; unsigned ratio; const char *words; } rows[] = {
		{ 10000, 200000, 0, "more than 10 times larger" }, { 200000, 10000, 0, "more than 10 times smaller" },
		{ 10000, 90000, 0, NULL }, { 10000, 30000, 2, "more than 2 times larger" }, { 10, 4000, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_FREE char *before = spaces(rows[i].before), *now = spaces(rows[i].now);
		const struct content_file old_files[] = { { "a.yar", "yara", before }, { 0 } }, new_files[] = { { "a.yar", "yara", now }, { 0 } };
		AUTO(content_tree) struct content_tree *was = content_tree_new(old_files), *is = content_tree_new(new_files);
		const struct check_job job = { .previous = was->manifest, .size_ratio = rows[i].ratio };
		AUTO(check_report) struct check_report *r = lint(is, &job);

		if (rows[i].words && !finding(r, rows[i].words))
			fail_msg("%zu after %zu: not found", rows[i].now, rows[i].before);
		assert_int_equal(r->errors, rows[i].words ? 2 : 0);     /* the file, and the whole */
	}
}

static void an_empty_file_is_refused(void **state)
{
	const struct content_file files[] = { { "a.yar", "yara", "" }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	AUTO(check_report) struct check_report *r = lint(t, NULL);

	(void)state;
	assert_non_null(finding(r, "the file is empty"));
	assert_int_equal(r->errors, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_instance_that_another_covers_is_told),
		cmocka_unit_test(an_instance_that_says_more_or_accepts_more_is_none),
		cmocka_unit_test(an_instance_that_can_never_match_is_refused),
		cmocka_unit_test(a_pattern_that_runs_away_is_refused),
		cmocka_unit_test(a_pattern_that_refers_back_is_refused),
		cmocka_unit_test(patterns_as_they_should_be_are_taken),
		cmocka_unit_test(a_matcher_that_accepts_what_is_harmless_is_told),
		cmocka_unit_test(sizes_far_from_the_bundle_before_are_refused),
		cmocka_unit_test(an_empty_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
