/* test_detections: what one bundle detects and another does not. */
#include "content/detections.h"

#include "content_tree.h"

#define RULES(instances) "{\"format\":1,\"templates\":[],\"instances\":[" instances "]}"
#define RULE(id, value) "{\"id\":\"" id "\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{\"f\":{\"equals\":\"" value "\"}}}"

static int add_line(void *arg, enum detections_change change, const char *name, struct err *e)
{
	static const char signs[] = { [DETECTIONS_NEW] = '+', [DETECTIONS_CHANGED] = '~', [DETECTIONS_GONE] = '-' };
	char *out = arg;

	(void)e;
	snprintf(out + strlen(out), 512 - strlen(out), "%c%s ", signs[change], name);
	return 0;
}

/* old NULL: nothing runs. */
static void assert_difference(const struct content_file *old, const struct content_file *new, const char *want)
{
	AUTO(content_tree) struct content_tree *a = old ? content_tree_new(old) : NULL, *b = content_tree_new(new);
	AUTO(detections) struct detections *from = NULL, *to = NULL;
	char lines[512] = "";
	struct err e;

	if (a)
		assert_ok(detections_read(&from, a->dir, &e));
	assert_ok(detections_read(&to, b->dir, &e));
	assert_ok(detections_compare(from, to, add_line, lines, &e));
	assert_string_equal(lines, want);
}

static void rules_are_told_apart_by_id_and_by_what_they_say(void **state)
{
	const struct content_file old[] = {
		{ "rules/a.json", "rules", RULES(RULE("stays", "1") "," RULE("changes", "1") "," RULE("goes", "1")) }, { 0 }
	};
	const struct content_file new[] = {
		{ "rules/a.json", "rules", RULES(RULE("changes", "2")) },
		{ "rules/other.json", "rules", RULES(RULE("comes", "1") "," RULE("stays", "1")) }, { 0 }
	};

	(void)state;
	assert_difference(old, new, "~changes +comes -goes ");
	assert_difference(old, old, "");
	assert_difference(NULL, new, "+changes +comes +stays ");
}

static void yara_rules_are_told_apart_within_their_file(void **state)
{
	const struct content_file old[] = {
		{ "a.yar", "yara", "rule stays { condition: true } rule changes { condition: true } rule goes { condition: true }" },
		{ "odd.yar", "yara", "rule a { condition: 10and true }" }, { 0 }
	};
	const struct content_file new[] = {
		{ "a.yar", "yara", "rule comes { condition: true } rule stays { condition: true } rule changes { condition: false }" },
		{ "b.yar", "yara", "rule stays { condition: true }" }, { "odd.yar", "yara", "rule a { condition: 11and true }" }, { 0 }
	};

	(void)state;
	assert_difference(old, new, "~a.yar:changes +a.yar:comes -a.yar:goes +b.yar:stays ~odd.yar ");
}

static void files_of_other_engines_are_named_and_those_of_no_engine_are_not(void **state)
{
	const struct content_file old[] = {
		{ "yara/a.yar", "yara", "rule a { condition: true }" }, { "selftest/x", "selftest", "{}" }, { 0 }
	};
	const struct content_file new[] = {
		{ "yara/a.yar", "yara", "rule a { condition: false }" }, { "clam/b.ndb", "clamav", "x" }, { "selftest/x", "selftest", "{} " },
		{ "README", "doc", "words" }, { 0 }
	};

	(void)state;
	assert_difference(old, new, "+clam/b.ndb ~yara/a.yar:a ");
}

/* Cut off, many rules would be one name. */
static void a_yara_file_whose_names_are_too_long_to_be_told_counts_as_one(void **state)
{
	char path[241], plain[200], want[600];
	const struct content_file fits[] = { { plain, "yara", "rule x { condition: true } rule y { condition: true }" }, { 0 } };
	char rule[300], name[101];

	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	snprintf(rule, sizeof rule, "rule %s1 { condition: true } rule %s2 { condition: true }", name, name);
	snprintf(path, sizeof path, "%.80s/%.80s.yar", name, name);
	snprintf(plain, sizeof plain, "%.80s/%.40s.yar", name, name);
	snprintf(want, sizeof want, "+%s:x +%s:y ", plain, plain);
	assert_difference(NULL, fits, want);
	const struct content_file long_names[] = { { path, "yara", rule }, { 0 } };

	snprintf(want, sizeof want, "+%s ", path);
	assert_difference(NULL, long_names, want);
}

static void a_rules_file_that_cannot_be_read_counts_as_one(void **state)
{
	const struct content_file old[] = { { "rules/a.json", "rules", RULES(RULE("one", "1")) }, { 0 } };
	const struct content_file broken[] = { { "rules/a.json", "rules", "{\"format\":1,\"instances\":[" RULE("one", "1") ",{}]}" }, { 0 } };
	const struct content_file no_json[] = { { "rules/a.json", "rules", "\x01" }, { 0 } };

	(void)state;
	assert_difference(old, broken, "-one +rules/a.json ");
	assert_difference(old, no_json, "-one +rules/a.json ");
}

static void a_damaged_tree_is_not_read(void **state)
{
	const struct content_file files[] = { { "rules/a.json", "rules", RULES(RULE("one", "1")) }, { 0 } };
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	struct detections *d = NULL;
	struct err e;

	(void)state;
	content_write(t->path, "rules/a.json", RULES(RULE("two", "1")));
	assert_refused(detections_read(&d, t->dir, &e), ERR_CONFLICT, "rules/a.json");
	assert_null(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_told_apart_by_id_and_by_what_they_say),
		cmocka_unit_test(yara_rules_are_told_apart_within_their_file),
		cmocka_unit_test(files_of_other_engines_are_named_and_those_of_no_engine_are_not),
		cmocka_unit_test(a_yara_file_whose_names_are_too_long_to_be_told_counts_as_one),
		cmocka_unit_test(a_rules_file_that_cannot_be_read_counts_as_one),
		cmocka_unit_test(a_damaged_tree_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
