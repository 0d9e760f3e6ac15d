#include "rollout/strata.h"
#include "tests/test.h"

static struct strata *plan(const struct stratum_size *raw, size_t count)
{
	struct strata *s = NULL;
	struct err e;

	assert_ok(strata_plan(&s, raw, count, &e));
	return s;
}

static const char *group_of(const struct strata *s, const char *name)
{
	return strata_name(s, strata_find(s, name));
}

static const struct stratum_size fleet[] = {
	{ "debian-12/7.11.2/C", 4000 },
	{ "debian-12/7.11.2/zh_CN", 3 },
	{ "debian-12/7.11.2/de_DE", 18 },
	{ "debian-12/7.11.3/C", 12 },
	{ "debian-12/7.11.3/fr_FR", 5 },
	{ "debian-12/7.11.4/C", 4 },
	{ "rhel-9/6.0/C", 2 },
	{ "alpine-3/7.11.2/C", 1 },
};

static void small_strata_are_pooled_by_locale_then_patch_level_then_other(void **state)
{
	AUTO(strata) struct strata *s = plan(fleet, sizeof fleet / sizeof *fleet);
	AUTO(buf) struct buf *said = buf_new(0);

	(void)state;
	assert_string_equal(group_of(s, "debian-12/7.11.2/C"), "debian-12/7.11.2/C");
	/* 3 + 18: large without the locale */
	assert_string_equal(group_of(s, "debian-12/7.11.2/zh_CN"), "debian-12/7.11.2");
	assert_string_equal(group_of(s, "debian-12/7.11.2/de_DE"), "debian-12/7.11.2");
	/* 12 + 5 are not, with 4 of the next patch level they are */
	assert_string_equal(group_of(s, "debian-12/7.11.3/fr_FR"), "debian-12/7.11");
	assert_string_equal(group_of(s, "debian-12/7.11.4/C"), "debian-12/7.11");
	assert_string_equal(group_of(s, "rhel-9/6.0/C"), STRATA_OTHER);
	assert_int_equal(strata_size(s, strata_find(s, "debian-12/7.11.2/zh_CN")), 21);
	assert_int_equal(strata_size(s, strata_count(s) - 1), 3);
	strata_explain(s, said);
	assert_non_null(strstr(said->data, "debian-12/7.11.2/zh_CN: 3 endpoints counted with debian-12/7.11.2\n"));
	assert_null(strstr(said->data, "debian-12/7.11.2/C:"));
}

static void who_comes_later_joins_a_group_and_makes_none(void **state)
{
	AUTO(strata) struct strata *s = plan(fleet, sizeof fleet / sizeof *fleet);

	(void)state;
	assert_string_equal(group_of(s, "debian-12/7.11.2/ja_JP"), "debian-12/7.11.2");
	assert_string_equal(group_of(s, "debian-12/7.11.9/C"), "debian-12/7.11");
	assert_string_equal(group_of(s, "plan9/1.0/C"), STRATA_OTHER);
	assert_string_equal(group_of(s, ""), STRATA_OTHER);
}

static void large_is_one_in_a_hundred_or_twenty(void **state)
{
	(void)state;
	assert_true(strata_large(1, 100) && !strata_large(1, 101));
	assert_true(strata_large(20, 1000000) && !strata_large(19, 1000000));
	assert_false(strata_large(0, 0));
}

static void every_large_stratum_needs_five_survivors_or_all_it_has(void **state)
{
	static const struct stratum_size small[] = { { "a/1/C", 90 }, { "b/1/C", 7 }, { "c/1/C", 3 } };
	AUTO(strata) struct strata *s = plan(small, 3);
	uint32_t survived[4] = { 5, 5, 3, 0 }, first = 99;

	(void)state;
	assert_int_equal(strata_count(s), 4);   /* and other, empty */
	assert_int_equal(strata_wanted(s, 2, 5), 3);
	assert_int_equal(strata_wanted(s, 3, 5), 0);
	assert_int_equal(strata_lacking(s, survived, 5, &first), 0);
	for (uint32_t i = 0; i < 3; i++) {
		survived[i]--;
		assert_int_equal(strata_lacking(s, survived, 5, &first), 1);
		assert_int_equal(first, i);
		survived[i]++;
	}
}

static void order_and_repetition_change_nothing(void **state)
{
	enum { N = sizeof fleet / sizeof *fleet };
	struct stratum_size mixed[2 * N];
	AUTO(strata) struct strata *a = plan(fleet, N), *b = NULL;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		mixed[i] = fleet[N - 1 - i];
		mixed[N + i] = fleet[i];
		mixed[i].size = fleet[N - 1 - i].size / 2;
		mixed[N + i].size -= fleet[i].size / 2;
	}
	b = plan(mixed, 2 * N);
	assert_int_equal(strata_count(a), strata_count(b));
	for (uint32_t i = 0; i < strata_count(a); i++) {
		assert_string_equal(strata_name(a, i), strata_name(b, i));
		assert_int_equal(strata_size(a, i), strata_size(b, i));
	}
}

static void names_made_up_by_the_hundred_thousand_end_in_other(void **state)
{
	enum { N = 200000 };
	AUTO_FREE struct stratum_size *raw = calloc(N, sizeof *raw);
	AUTO(strata) struct strata *s = NULL;

	(void)state;
	assert_non_null(raw);
	for (int i = 0; i < N; i++) {
		snprintf(raw[i].name, sizeof raw[i].name, "os-%d/%d.%d.%d/x%d", i % 7919, i % 13, i % 101, i, i);
		raw[i].size = 1 + (i % 5000 == 0) * 100;
	}
	s = plan(raw, N);
	assert_in_range(strata_count(s), 30, STRATA_MAX);
	assert_string_equal(strata_name(s, strata_count(s) - 1), STRATA_OTHER);
}

static void a_plan_that_is_read_back_is_the_same_plan(void **state)
{
	AUTO(strata) struct strata *s = plan(fleet, sizeof fleet / sizeof *fleet), *back = NULL, *wrong = NULL;
	struct stratum_size groups[16];
	struct err e;

	(void)state;
	assert_ok(strata_copy(&back, s, &e));
	assert_true(strata_same(s, back));
	assert_false(strata_same(s, NULL));
	for (size_t i = 0; i < sizeof fleet / sizeof *fleet; i++)
		assert_int_equal(strata_find(s, fleet[i].name), strata_find(back, fleet[i].name));
	for (uint32_t i = 0; i < strata_count(s); i++) {
		assert_int_equal(strata_wanted(s, i, 5), strata_wanted(back, i, 5));
		groups[i].size = strata_size(s, i);
		strcpy(groups[i].name, strata_name(s, i));
	}
	assert_refused(strata_from(&wrong, groups, strata_count(s) - 1, &e), ERR_FORMAT, "ends with other");
	assert_refused(strata_from(&wrong, groups, 0, &e), ERR_FORMAT, "ends with other");
	strcpy(groups[1].name, groups[0].name);
	assert_refused(strata_from(&wrong, groups, strata_count(s), &e), ERR_FORMAT, "group 2");
	strcpy(groups[1].name, "line\nbreak");
	assert_refused(strata_from(&wrong, groups, strata_count(s), &e), ERR_FORMAT, "group 2");
}

/* Devices choose their words: names stay printable and whole. */
static void names_are_cleaned_and_cut_before_half_a_letter(void **state)
{
	struct stratum_size raw = { .size = 30 };
	AUTO(strata) struct strata *s = NULL;
	char word[400];

	(void)state;
	memset(word, 'x', sizeof word);
	memcpy(word, "a\x01" "b/1/", 6);
	memcpy(word + STRATA_NAME_MAX - 1, "\xc3\xa4", 3);
	memcpy(raw.name, "a\x01" "b/1/C", 8);
	s = plan(&raw, 1);
	assert_string_equal(strata_name(s, 0), "a?b/1/C");
	assert_string_equal(group_of(s, "a\x01" "b/1/C"), "a?b/1/C");
	assert_string_equal(group_of(s, word), STRATA_OTHER);
}

static void an_empty_ring_has_only_other(void **state)
{
	AUTO(strata) struct strata *s = plan(NULL, 0);
	uint32_t none = 0, first = 9;

	(void)state;
	assert_int_equal(strata_count(s), 1);
	assert_int_equal(strata_lacking(s, &none, 5, &first), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_strata_are_pooled_by_locale_then_patch_level_then_other),
		cmocka_unit_test(who_comes_later_joins_a_group_and_makes_none),
		cmocka_unit_test(large_is_one_in_a_hundred_or_twenty),
		cmocka_unit_test(every_large_stratum_needs_five_survivors_or_all_it_has),
		cmocka_unit_test(order_and_repetition_change_nothing),
		cmocka_unit_test(names_made_up_by_the_hundred_thousand_end_in_other),
		cmocka_unit_test(a_plan_that_is_read_back_is_the_same_plan),
		cmocka_unit_test(names_are_cleaned_and_cut_before_half_a_letter),
		cmocka_unit_test(an_empty_ring_has_only_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
