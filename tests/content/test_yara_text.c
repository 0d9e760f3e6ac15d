/* test_yara_text: rules found without libyara are those that libyara finds; which of them are as they were. */
#include "content_tree.h"
#include "sample.h"

#ifdef RINGHOLD_YARA
#include <yara.h>
#endif

#include "content/yara_text.h"

static struct yara_text *take(const char *text)
{
	struct yara_text *t = NULL;
	struct err e;

	assert_ok(yara_text_read(&t, text, strlen(text), &e));
	return t;
}

static void assert_names(const char *text, const char *want)
{
	AUTO(yara_text) struct yara_text *t = take(text);
	char names[512] = "";

	for (size_t i = 0; i < t->count; i++)
		snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s ", t->rules[i].name, t->rules[i].acts ? "!" : "");
	assert_string_equal(names, want);
}

/* ---- finding ---- */

static void rules_are_found_whatever_their_strings_and_comments_look_like(void **state)
{
	(void)state;
	assert_names("", "");
	assert_names("import \"pe\"\n// rule no { condition: true }\n/* rule no { } */ rule b:t1 t2{condition:true}private global rule a{condition:false}", "a b ");
	assert_names("rule a { strings: $a = \"} rule no { \\\" // \" $b = /\\/ } rule no {/is $c = { 4d [2-3] ( 5a | ?? ) // rest\n /* and */ 00 } condition: any of them }\n"
		     "rule b { condition: 10KB < filesize \\ 0x10 }",
		     "a b ");
}

static void rules_that_may_act_are_marked(void **state)
{
	(void)state;
	assert_names("rule a { meta: verdict = \"block\" condition: true }", "a! ");
	assert_names("rule a { meta: verdict = \"quarantine\" verdict = \"alert\" condition: true }", "a! ");
	assert_names("rule a { meta: verdict = \"\\x62lock\" condition: true }", "a! ");         /* the careful side */
	assert_names("rule a { meta: verdict = \"alert\" condition: true }", "a ");
	assert_names("rule a { meta: other = \"block\" verdict = 1 condition: true }", "a ");
	assert_names("rule a { strings: $verdict = \"block\" condition: $verdict }", "a ");
}

static void what_is_not_followed_is_said(void **state)
{
	static const char *const odd[] = {
		"rule a { condition: true", "rule a { condition: true } }", "rule { condition: true }", "rule a condition: true }", "global a { condition: true }",
		"include \"x\" rule a { condition: true }", "rule a { include \"x\" }", "rule a { meta: x = \"\n\" condition: true }", "/* rule a { condition: true }",
		"rule a { strings: $a = /\n/ condition: $a }", "rule a { strings: $a = { xy } condition: $a }",
		"rule a { strings: $a = { 01 // }\n } condition: $a }", "rule a { strings: $a = { 01 // /*\n } condition: $a }", "rule a { condition: 10and true }",
		"rule a { condition: \xc3\xa4 }", "import rule a { condition: true }", "rule a { condition: true } rule a { condition: true }", "\"", "{", "rule a : \"t\" { condition: true }",
	};
	struct yara_text *t = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		if (yara_text_read(&t, odd[i], strlen(odd[i]), &e) != ERR_FORMAT)
			fail_msg("followed: %s", odd[i]);
}

/* ---- what is as it was ---- */

/* The names of rules that are not the same in both. */
static void assert_changed(const char *before, const char *after, const char *want)
{
	AUTO(yara_text) struct yara_text *old = take(before);
	AUTO(yara_text) struct yara_text *now = take(after);
	char names[512] = "";

	for (size_t i = 0; i < now->count; i++) {
		const struct yara_rule *was = yara_text_find(old, now->rules[i].name);

		if (!was || !digest_equal(&was->sense, &now->rules[i].sense))
			snprintf(names + strlen(names), sizeof names - strlen(names), "%s ", now->rules[i].name);
	}
	assert_string_equal(names, want);
}

#define A "rule a { strings: $a = \"x y\" condition: $a }\n"

static void a_rule_changes_with_its_words_and_not_with_blanks_comments_or_neighbours(void **state)
{
	(void)state;
	assert_changed(A, "// new\nrule a{ /* moved */ strings:$a=\"x y\"\n\ncondition:\t$a}", "");
	assert_changed(A, "rule b { condition: true }\n" A, "b ");
	assert_changed(A, "rule a { strings: $a = \"xy\" condition: $a }", "a ");
	assert_changed(A, "rule a { strings: $a = \"x y\" wide condition: $a }", "a ");
	assert_changed(A, "rule a : tag { strings: $a = \"x y\" condition: $a }", "a ");
	assert_changed(A, "private rule a { strings: $a = \"x y\" condition: $a }", "a ");
	assert_changed(A, "rule a { meta: verdict = \"block\" strings: $a = \"x y\" condition: $a }", "a ");
	assert_changed("rule a { condition: 1 == 11 }", "rule a { condition: 11 == 1 }", "a ");
}

static void a_rule_changes_with_the_rules_that_it_builds_on(void **state)
{
#define ON "rule on1 { condition: a } rule on2 { condition: 1 of (a*) } rule far { condition: on1 } rule off { condition: filesize * 2 > 4 }"
	(void)state;
	assert_changed(A ON, "rule a { condition: true } " ON, "a far on1 on2 ");
	assert_changed(A ON, A "rule a2 { condition: true } " ON, "a2 on2 ");
}

static void every_rule_changes_with_the_global_ones(void **state)
{
#define G "global rule g { condition: filesize < 10 }"
	(void)state;
	assert_changed(A G, A "global rule g { condition: filesize < 20 }", "a g ");
	assert_changed(A G, A, "a ");
	assert_changed(A, A G, "a g ");
	assert_changed(A G, G A, "");
}

static void rules_that_build_on_all_others_without_end_are_too_much(void **state)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct yara_text *t = NULL;
	struct err e;

	(void)state;
	for (int i = 0; i < 6000; i++)
		buf_addf(text, "rule r%d { condition: any of (r*) }\n", i);
	assert_refused(yara_text_read(&t, text->data, text->len, &e), ERR_LIMIT, "build on each other");
}

/* ---- beside libyara ---- */

#ifdef RINGHOLD_YARA

static void say_error(int level, const char *file, int line, const YR_RULE *rule, const char *text, void *what)
{
	(void)level, (void)file, (void)rule;
	if (what)
		fprintf(stderr, "%s:%d: %s\n", (const char *)what, line, text);
}

/* -1: libyara refuses it; 0: we do not follow; 1: the same rules, or the test fails. what NULL: a mutant, of whose errors nobody hears. */
static int compare(const char *text, const char *what)
{
	static const char *const externals[] = { "filename", "filepath", "extension", "filetype", "owner" };
	AUTO(yara_text) struct yara_text *t = NULL;
	YR_COMPILER *compiler = NULL;
	YR_RULES *rules = NULL;
	YR_RULE *rule;
	size_t n = 0;
	struct err e;
	int rc = -1;

	assert_int_equal(yr_compiler_create(&compiler), ERROR_SUCCESS);
	yr_compiler_set_callback(compiler, say_error, (void *)what);
	yr_compiler_set_include_callback(compiler, NULL, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(externals); i++)
		yr_compiler_define_string_variable(compiler, externals[i], "");
	if (yr_compiler_add_string(compiler, text, "ns") == 0 && yr_compiler_get_rules(compiler, &rules) == ERROR_SUCCESS)
		rc = yara_text_read(&t, text, strlen(text), &e) == 0;
	if (rc == 1) {
		yr_rules_foreach(rules, rule)
		{
			if (!yara_text_find(t, rule->identifier))
				fail_msg("libyara finds the rule %s, and we do not:\n%s", rule->identifier, text);
			n++;
		}
		if (n != t->count)
			fail_msg("libyara finds %zu rules, we find %zu:\n%s", n, t->count, text);
	}
	if (rules)
		yr_rules_destroy(rules);
	yr_compiler_destroy(compiler);
	return rc;
}

static const char seed[] =
	"import \"pe\"\nimport \"math\"\n"
	"/* one } */ global private rule g : t { condition: filesize < 10MB }\n"
	"rule a { meta: verdict = \"block\" n = -1 b = true strings: $a = \"a\\\"}\\x7d//\" wide ascii $b = /x\\/[^}]{1,3}y/is "
	"$c = { 4D 5A [2-4] ( 00 | ?1 ) /* c */ 50 } // end }\n $d = { 01 // z\n 02 } "
	"condition: #a > 2 and @a[1] < 0x10 and !b[1] != 3 and ($c at 0 or $d or for any i in (1..3) : ( uint16(i) == 0x5A4D )) }\n"
	"rule b { condition: a or 1 of (a*) or filename matches /x{2}\\// or pe.number_of_sections \\ 2 == 1 }\n"
	"rule c { condition: not defined pe.entry_point }\n";

/* Most mutants are refused; those that are not are what a vendor may have written too. */
static void of_mutants_of_a_file_the_same_rules_are_found_as_libyara_finds(void **state)
{
	static const char pieces[] = "{}\"/\\*=\n $#@!a0.:()";
	unsigned long r = 20240719;
	int got[3] = { 0 };

	(void)state;
	assert_int_equal(yr_initialize(), ERROR_SUCCESS);
	assert_int_equal(compare(seed, "seed"), 1);
	for (int i = 0; i < 1500; i++) {
		char text[sizeof seed + 8];

		memcpy(text, seed, sizeof seed);
		for (unsigned n = 0; n <= (r >> 20) % 2; n++) {
			size_t at;

			r = r * 6364136223846793005UL + 1442695040888963407UL;
			at = (r >> 33) % strlen(text);
			if ((r >> 25) % 3 == 0)
				memmove(text + at, text + at + 1, strlen(text + at));
			else if ((r >> 25) % 3 == 1)
				text[at] = pieces[(r >> 40) % (sizeof pieces - 1)];
			else {
				memmove(text + at + 1, text + at, strlen(text + at) + 1);
				text[at] = pieces[(r >> 40) % (sizeof pieces - 1)];
			}
		}
		got[compare(text, NULL) + 1]++;
	}
	yr_finalize();
	fprintf(stderr, "of 1500 mutants libyara refused %d, %d were not followed, %d were the same\n", got[0], got[1], got[2]);
	assert_true(got[2] > 50);
}

struct walk {
	const char *dir;
	int got[3];
};

static int compare_file(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct walk *w = arg;
	AUTO_FREE char *path = file_join(w->dir, rel);
	AUTO(buf) struct buf *text = NULL;
	const char *dot = strrchr(rel, '.');

	if (is_dir || !dot || strncmp(dot, ".yar", 4) != 0)
		return 0;
	if (file_read(&text, path, 1 << 24, e) < 0)
		return e->code;
	w->got[compare(text->data, rel) + 1]++;
	return 0;
}

static void of_public_rules_the_same_are_found_as_libyara_finds(void **state)
{
	AUTO_FREE char *dir = file_join(sample_shared(), "content/yara-2024-03-18");
	struct walk w = { .dir = dir };
	struct err e;

	(void)state;
	if (access(dir, R_OK) < 0)
		skip_named("%s is not here", dir);
	assert_int_equal(yr_initialize(), ERROR_SUCCESS);
	assert_ok(file_walk(dir, compare_file, &w, &e));
	yr_finalize();
	fprintf(stderr, "of %d files libyara refused %d, %d were not followed\n", w.got[0] + w.got[1] + w.got[2], w.got[0], w.got[1]);
	assert_int_equal(w.got[1], 0);
	assert_true(w.got[2] > 100);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_found_whatever_their_strings_and_comments_look_like),
		cmocka_unit_test(rules_that_may_act_are_marked),
		cmocka_unit_test(what_is_not_followed_is_said),
		cmocka_unit_test(a_rule_changes_with_its_words_and_not_with_blanks_comments_or_neighbours),
		cmocka_unit_test(a_rule_changes_with_the_rules_that_it_builds_on),
		cmocka_unit_test(every_rule_changes_with_the_global_ones),
		cmocka_unit_test(rules_that_build_on_all_others_without_end_are_too_much),
#ifdef RINGHOLD_YARA
		cmocka_unit_test(of_mutants_of_a_file_the_same_rules_are_found_as_libyara_finds),
		cmocka_unit_test(of_public_rules_the_same_are_found_as_libyara_finds),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
