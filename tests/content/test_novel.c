/* test_novel: what acts in new content and did not before. */
#include "content_tree.h"

#include "content/novel.h"

#define TEMPLATE "\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"image\",\"type\":\"path\"}]}]"
#define RULE(id, verdict, suffix) \
	"{\"id\":\"" id "\",\"template\":\"t\",\"verdict\":\"" verdict "\",\"match\":{\"image\":{\"suffix\":\"" suffix "\"}}}"
#define FILE_OF(rules) "{\"format\":1," TEMPLATE ",\"instances\":[" rules "]}"

static char seen[4096];

static int note(void *arg, const char *id, struct err *e)
{
	(void)arg;
	(void)e;
	strcat(strcat(seen, id), ",");
	return 0;
}

static struct content_tree *tree(const char *text)
{
	const struct content_file files[] = { { "rules/a.json", "rules", text }, { 0 } };

	return content_tree_new(files);
}

static const char *novel(const char *now, const char *before)
{
	AUTO(content_tree) struct content_tree *a = tree(now);
	AUTO(content_tree) struct content_tree *b = before ? tree(before) : NULL;
	struct err e = { 0 };

	seen[0] = '\0';
	assert_ok(novel_rules(a->dir, b ? b->dir : -1, note, NULL, &e));
	return seen;
}

static void a_rule_is_novel_when_it_acts_and_is_new_changed_or_was_harmless(void **state)
{
	(void)state;
	assert_string_equal(novel(FILE_OF(RULE("new", "block", "/a") "," RULE("same", "block", "/b") "," RULE("wider", "block", "c") ","
					  RULE("grown", "quarantine", "/d") "," RULE("watch", "alert", "/e") "," RULE("harder", "quarantine", "/f")),
				  FILE_OF(RULE("same", "block", "/b") "," RULE("wider", "block", "/abc") "," RULE("grown", "alert", "/d") ","
					  RULE("harder", "block", "/f") "," RULE("gone", "block", "/g"))),
			    "grown,new,wider,");
}

static void without_content_before_every_rule_that_acts_is_novel(void **state)
{
	(void)state;
	assert_string_equal(novel(FILE_OF(RULE("b", "block", "/a") "," RULE("a", "quarantine", "/a") "," RULE("c", "observe", "/a")), NULL), "a,b,");
}

static void nothing_is_novel_in_the_same_content(void **state)
{
	(void)state;
	assert_string_equal(novel(FILE_OF(RULE("b", "block", "/a")), FILE_OF(RULE("b", "block", "/a"))), "");
}

static const char *novel_of(const struct content_file *now, const struct content_file *before)
{
	AUTO(content_tree) struct content_tree *a = content_tree_new(now);
	AUTO(content_tree) struct content_tree *b = before ? content_tree_new(before) : NULL;
	struct err e = { 0 };

	seen[0] = '\0';
	assert_ok(novel_rules(a->dir, b ? b->dir : -1, note, NULL, &e));
	return seen;
}

#define BLOCKS(name, condition) "rule " name " { meta: verdict = \"block\" condition: " condition " }\n"

static void of_yara_a_new_file_is_novel_and_of_a_changed_one_the_rules_that_act_and_are_new_or_changed(void **state)
{
	const struct content_file now[] = {
		{ "a.yar", "yara", BLOCKS("a", "true") }, { "c.yar", "yara", BLOCKS("c", "true") },
		{ "b.yar", "yara", BLOCKS("changed", "false") BLOCKS("same", "true") BLOCKS("new", "true") "rule calm { condition: true }" BLOCKS("harder", "true") },
		{ "rules/a.json", "rules", FILE_OF(RULE("b", "block", "/a")) }, { 0 }
	};
	const struct content_file before[] = {
		{ "a.yar", "yara", BLOCKS("a", "true") }, { "gone.yar", "yara", BLOCKS("c", "true") },
		{ "b.yar", "yara", "// of yesterday\n" BLOCKS("gone", "true") BLOCKS("same", "true") BLOCKS("changed", "true") "rule harder { condition: true }" }, { 0 }
	};

	(void)state;
	assert_string_equal(novel_of(now, now), "");
	assert_string_equal(novel_of(now, before), "b.yar:changed,b.yar:harder,b.yar:new,c.yar:*,b,");
	assert_string_equal(novel_of(now, NULL), "a.yar:*,b.yar:*,c.yar:*,b,");
}

static void a_changed_yara_file_is_novel_as_a_whole_when_its_rules_cannot_be_told_apart(void **state)
{
	static char many[100000], long_path[240 + 1];
	const struct content_file odd[] = { { "b.yar", "yara", BLOCKS("a", "10and true") }, { 0 } };
	const struct content_file fine[] = { { "b.yar", "yara", BLOCKS("a", "true") }, { 0 } };
	const struct content_file crowd[] = { { "b.yar", "yara", many }, { 0 } };
	const struct content_file far[] = { { long_path, "yara", BLOCKS("a_name_that_is_long", "true") }, { 0 } };
	const struct content_file far_before[] = { { long_path, "yara", BLOCKS("b", "true") }, { 0 } };
	char want[300];

	(void)state;
	assert_string_equal(novel_of(odd, fine), "b.yar:*,");
	assert_string_equal(novel_of(fine, odd), "b.yar:*,");
	for (int i = 0; i < 1001; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), BLOCKS("r%d", "true"), i);
	assert_string_equal(novel_of(crowd, fine), "b.yar:*,");
	memset(long_path, 'x', 238);
	long_path[149] = '/';
	snprintf(want, sizeof want, "%s:*,", long_path);
	assert_string_equal(novel_of(far, far_before), want);
}

static void of_another_engine_all_is_novel_when_any_file_of_it_differs(void **state)
{
	const struct content_file one[] = { { "a.hdb", "clamav", "x" }, { "rules/a.json", "rules", FILE_OF(RULE("b", "block", "/a")) }, { 0 } };
	const struct content_file changed[] = { { "a.hdb", "clamav", "y" }, { 0 } };
	const struct content_file exceptions[] = { { "a.hdb", "clamav", "x" }, { "a.ign2", "clamav", "not this one" }, { 0 } };
	const struct content_file same[] = { { "a.hdb", "clamav", "x" }, { 0 } };

	(void)state;
	assert_string_equal(novel_of(one, changed), "*,");
	assert_string_equal(novel_of(one, exceptions), "*,");   /* what they kept silent speaks now */
	assert_string_equal(novel_of(one, NULL), "*,");
	assert_string_equal(novel_of(one, same), "b,");
	assert_string_equal(novel_of(one, one), "");
}

static void content_that_cannot_be_read_is_an_error(void **state)
{
	AUTO(content_tree) struct content_tree *a = tree("{\"format\":1,\n\"instances\":[{}]}");
	struct err e = { 0 };

	(void)state;
	assert_refused(novel_rules(a->dir, -1, note, NULL, &e), ERR_FORMAT, "rules/a.json:2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_is_novel_when_it_acts_and_is_new_changed_or_was_harmless),
		cmocka_unit_test(without_content_before_every_rule_that_acts_is_novel),
		cmocka_unit_test(nothing_is_novel_in_the_same_content),
		cmocka_unit_test(of_yara_a_new_file_is_novel_and_of_a_changed_one_the_rules_that_act_and_are_new_or_changed),
		cmocka_unit_test(a_changed_yara_file_is_novel_as_a_whole_when_its_rules_cannot_be_told_apart),
		cmocka_unit_test(of_another_engine_all_is_novel_when_any_file_of_it_differs),
		cmocka_unit_test(content_that_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
