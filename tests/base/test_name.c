/* name: labels and safe relative paths. */
#include "tests/test.h"

#include "base/name.h"

static bool name_ok(const char *name)
{
	return name_valid(name, strlen(name));
}

static bool path_ok(const char *path)
{
	return name_path_valid(path, strlen(path));
}

static void labels_are_lower_case_words(void **state)
{
	char longest[NAME_LEN_MAX + 2];

	(void)state;
	assert_true(name_ok("a"));
	assert_true(name_ok("edr"));
	assert_true(name_ok("a-1-b"));
	memset(longest, 'a', sizeof longest);
	assert_true(name_valid(longest, NAME_LEN_MAX));
	assert_false(name_valid(longest, NAME_LEN_MAX + 1));
}

static void nothing_else_is_a_label(void **state)
{
	static const char *const bad[] = { "", "-", "-a", "a-", "A", "a_b", "a.b", "a/b", "..",
					   "a b", "\xc3\xa4", "a\n" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(name_ok(bad[i]));
	assert_false(name_valid("a\0b", 3));
}

static void a_path_stays_beneath_its_root(void **state)
{
	static const char *const bad[] = { "",	  "/",	  "/a",	 "a/",	  "a//b",  ".",	 "..",
					   "a/..", "../a", "a/./b", ".a", "a/.b", "a b", "a\\b",
					   "a:b", "a\n", "\xc3\xa4", "a*" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(path_ok(bad[i]));
	assert_true(path_ok("a"));
	assert_true(path_ok("rules/win32_x.v1+2@3=4,5-6.json"));
	assert_false(name_path_valid("a\0b", 3));
}

static void a_path_has_a_longest_length(void **state)
{
	char path[PATH_LEN_MAX + 2];

	(void)state;
	memset(path, 'a', sizeof path);
	assert_true(name_path_valid(path, PATH_LEN_MAX));
	assert_false(name_path_valid(path, PATH_LEN_MAX + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_lower_case_words),
		cmocka_unit_test(nothing_else_is_a_label),
		cmocka_unit_test(a_path_stays_beneath_its_root),
		cmocka_unit_test(a_path_has_a_longest_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
