#include "server/access.h"

#include "tests/test.h"

static struct identity with(unsigned roles, const char *channels)
{
	struct identity i = { .count = 1 };

	i.grants[0].roles = roles;
	snprintf(i.grants[0].channels, sizeof i.grants[0].channels, "%s", channels);
	return i;
}

static void a_role_is_good_for_its_rows_and_for_no_other(void **state)
{
	(void)state;
	for (int has = 0; has < ROLES; has++)
		for (int wants = 0; wants < ROLES; wants++) {
			struct identity i = with(1u << has, "");

			assert_int_equal(access_role(&i, 1u << wants), has == wants);
			assert_int_equal(access_channel(&i, 1u << wants, "edr"), has == wants);
			assert_int_equal(access_channel(&i, 1u << wants, NULL), has == wants);
		}
}

static void nobody_may_anything_without_a_grant(void **state)
{
	struct identity i = { .count = 0 };

	(void)state;
	assert_false(access_role(&i, ~0u));
	assert_false(access_channel(&i, ~0u, "edr"));
}

static void a_grant_for_some_channels_is_good_for_whole_names_of_them_only(void **state)
{
	static const char *const others[] = { "ed", "edr2", "waf", "edr-waf", "edr waf", " ", "clam-", "av" };
	struct identity i = with(MAY(OPERATOR), "edr clam-av");

	(void)state;
	assert_true(access_channel(&i, MAY(OPERATOR), "edr"));
	assert_true(access_channel(&i, MAY(OPERATOR), "clam-av"));
	assert_false(access_channel(&i, MAY(OPERATOR), NULL));
	for (size_t k = 0; k < ARRAY_LEN(others); k++)
		if (access_channel(&i, MAY(OPERATOR), others[k]))
			fail_msg("\"%s\" is let through", others[k]);
}

static void roles_of_one_grant_do_not_hold_for_the_channels_of_another(void **state)
{
	struct identity i = { .count = 2, .grants = { { MAY(VIEWER), "" }, { MAY(PUBLISHER), "edr" } } };

	(void)state;
	assert_true(access_channel(&i, MAY(VIEWER), "waf"));
	assert_true(access_channel(&i, MAY(PUBLISHER), "edr"));
	assert_false(access_channel(&i, MAY(PUBLISHER), "waf"));
	assert_false(access_channel(&i, MAY(PUBLISHER), NULL));
}

static void lists_of_channels_take_names_once_and_nothing_else(void **state)
{
	char channels[ACCESS_CHANNELS_MAX] = "", name[24];
	struct err e;
	int got = 0;

	(void)state;
	assert_ok(access_add_channel(channels, "edr", &e));
	assert_ok(access_add_channel(channels, "edr", &e));
	assert_string_equal(channels, "edr");
	assert_refused(access_add_channel(channels, "a b", &e), ERR_FORMAT, "a b");
	assert_refused(access_add_channel(channels, "", &e), ERR_FORMAT, "no name");
	for (int i = 0; got == 0 && i < 2000; i++) {
		snprintf(name, sizeof name, "channel%d", i);
		got = access_add_channel(channels, name, &e);
	}
	assert_int_equal(got, ERR_LIMIT);
	assert_true(strlen(channels) < sizeof channels);
}

static void words_that_are_no_roles_are_refused(void **state)
{
	static const char *const bad[] = { "", ",", "viewer,", ",viewer", "king", "viewer,king", "Viewer", "viewer operator",
					   "a-very-long-word-that-no-role-has-and-that-does-not-fit" };
	unsigned set = 0;
	struct err e;

	(void)state;
	assert_ok(roles_parse(&set, "viewer,approver", &e));
	assert_int_equal(set, MAY(VIEWER) | MAY(APPROVER));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_refused(roles_parse(&set, bad[i], &e), ERR_FORMAT, "unknown role");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_is_good_for_its_rows_and_for_no_other),
		cmocka_unit_test(nobody_may_anything_without_a_grant),
		cmocka_unit_test(a_grant_for_some_channels_is_good_for_whole_names_of_them_only),
		cmocka_unit_test(roles_of_one_grant_do_not_hold_for_the_channels_of_another),
		cmocka_unit_test(lists_of_channels_take_names_once_and_nothing_else),
		cmocka_unit_test(words_that_are_no_roles_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
