#include "server/problem.h"

#include "tests/test.h"

static const char *read_all(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t len;

	if (!f)
		return NULL;
	len = fread(out, 1, cap - 1, f);
	fclose(f);
	out[len] = '\0';
	return out;
}

static void every_problem_has_one_name_and_a_status(void **state)
{
	(void)state;
	for (int p = 0; p < PROBLEMS; p++) {
		assert_non_null(problem_types[p].slug);
		assert_true(problem_types[p].status >= 400 && problem_types[p].status < 600);
		assert_true(problem_types[p].title[0]);
		for (int o = 0; o < p; o++)
			assert_string_not_equal(problem_types[p].slug, problem_types[o].slug);
	}
}

static void the_page_for_people_has_the_same_table(void **state)
{
	static char text[1 << 16];
	const char *page = read_all("docs/api.md", text, sizeof text);
	size_t rows = 0;

	(void)state;
	if (!page)
		skip_named("docs/api.md is not here");
	for (int p = 0; p < PROBLEMS; p++) {
		char row[80];

		snprintf(row, sizeof row, "\n| `%s` | %d |", problem_types[p].slug, problem_types[p].status);
		if (!strstr(page, row))
			fail_msg("docs/api.md has no row %s", row);
	}
	for (const char *at = page; (at = strstr(at, "\n| `")); at++)
		rows++;
	assert_int_equal(rows, PROBLEMS);
}

static void every_error_of_ours_is_some_problem(void **state)
{
	(void)state;
#define X(name, value, words) assert_in_range(problem_of_error(name), 0, PROBLEMS - 1);
	ERR_TABLE(X)
#undef X
	assert_int_equal(problem_of_error(ERR_NOT_FOUND), PROBLEM_NOT_FOUND);
	assert_int_equal(problem_of_error(ERR_IO), PROBLEM_INTERNAL);
	assert_int_equal(problem_of_status(404), PROBLEM_NOT_FOUND);
	assert_int_equal(problem_of_status(599), PROBLEMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_problem_has_one_name_and_a_status),
		cmocka_unit_test(the_page_for_people_has_the_same_table),
		cmocka_unit_test(every_error_of_ours_is_some_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
