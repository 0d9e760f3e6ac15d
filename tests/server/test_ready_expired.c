/* test_ready_expired: the one condition of /readyz that no running server can be brought to: it renews its timestamp long before. */
#include "world.h"

#include "server/ready.h"

static void expect_why(struct world *w, int64_t now, const char *says)
{
	char why[READY_CONDITIONS][READY_WHY] = { 0 };

	ready_look(w->s, now, why);
	for (int c = 0; c < READY_CONDITIONS; c++) {
		if (c != READY_REPOSITORY)
			assert_string_equal(why[c], "");
	}
	if (says[0] ? !strstr(why[READY_REPOSITORY], says) : why[READY_REPOSITORY][0])
		fail_msg("\"%s\" instead of \"%s\"", why[READY_REPOSITORY], says);
}

static void a_server_whose_timestamp_expired_is_not_ready_until_it_is_signed_anew(void **state)
{
	struct world *w = *state;
	int64_t later = clock_now() + 2 * 86400;
	struct err e;

	expect_why(w, clock_now(), "");
	expect_why(w, later, "the timestamp is expired");
	pass_time(2 * 86400);
	assert_true(desk_renew(w->s->desk, clock_now(), &e) > 0);
	expect_why(w, clock_now(), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_server_whose_timestamp_expired_is_not_ready_until_it_is_signed_anew, setup, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
