/* test_limits: how often one may come in, and that too many bad tokens lock out, and say so, and shut out nobody else. */
#include "plane.h"

static int setup_limits(void **state)
{
	*state = plane_open("token-rate = 1\ntoken-burst = 5\nbad-tokens = 3\nlock-out = 1h\n");
	return 0;
}

/* So many in ten minutes that one a second is forgotten. */
static int setup_short(void **state)
{
	*state = plane_open(EAGER "bad-tokens = 600\nlock-out = 2s\n");
	return 0;
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

#define OPEN(p) NEED((p)->o)

static void too_many_bad_tokens_lock_out_and_say_so(void **state)
{
	struct plane *p = *state;

	OPEN(p);
	for (int i = 0; i < 3; i++) {
		AUTO_REPLY a = ask(p, "rho_wrong", "GET", "/v1/status", NULL);

		expect_problem(&a, 401, "unauthenticated");
	}
	for (int i = 0; i < 2; i++) {
		AUTO_REPLY a = ask(p, "rho_wrong", "GET", "/v1/status", NULL);

		expect_problem(&a, 429, "locked-out");
		assert_in_range(a.retry_after, 3000, 3601);
		assert_non_null(strstr(member(&a, "detail"), "127.0.0.1"));
	}
	{
		/* neither a good token from there nor the devices' own plane pays for it */
		AUTO_REPLY good = ask(p, FIXTURE_TOKEN, "GET", "/v1/self", NULL), device = ask(p, "rhd1.x", "GET", "/device/v1/self", NULL);
		AUTO_FREE char *path = fixture_path(p->o->f, "log");
		AUTO(buf) struct buf *log = NULL;
		struct err e;

		assert_int_equal(good.status, 200);
		expect_problem(&device, 401, "unauthenticated");
		assert_ok(file_read(&log, path, 1 << 20, &e));
		assert_non_null(strstr(log->data, "too many bad tokens of operators from 127.0.0.1"));
	}
}

/* By itself, and not before its time; how long that takes is the machine's affair. */
static void a_lock_out_ends_when_it_was_said_to(void **state)
{
	struct plane *p = *state;
	int64_t asked = 0, until = clock_work_ms() + LIMIT_MS;
	long status = 401;

	OPEN(p);
	for (int i = 0; status == 401; i++) {
		asked = clock_work_ms();
		AUTO_REPLY a = ask(p, "rho_wrong", "GET", "/v1/status", NULL);

		status = a.status;
		assert_true(asked < until);
		if (status != 401)
			expect_problem(&a, 429, "locked-out");
		assert_true(status == 401 || i >= 600);
	}
	while (status == 429) {
		AUTO_REPLY a = ask(p, "rho_wrong", "GET", "/v1/status", NULL);

		status = a.status;
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, status == 429 ? 200 : 0);
	}
	assert_int_equal(status, 401);
	assert_true(clock_work_ms() - asked >= 2000);
}

static void bad_tokens_of_devices_leave_good_ones_alone(void **state)
{
	struct plane *p = *state;
	char token[200];

	OPEN(p);
	{
		AUTO_REPLY made = ask(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"all\"}");
		AUTO_REPLY device = ask(p, member(&made, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");

		if (device.status != 201)
			fail_msg("%s", device.text->data);
		snprintf(token, sizeof token, "%s", member(&device, "token"));
	}
	for (int i = 0; i < 3; i++) {
		AUTO_REPLY a = ask(p, "rhd1.00112233445566778899aabbccddeeff.1.x", "GET", "/device/v1/self", NULL);

		expect_problem(&a, 401, "unauthenticated");
	}
	{
		AUTO_REPLY bad = ask(p, "rhd1.x", "GET", "/device/v1/self", NULL), enrol = ask(p, "rhe_x", "POST", "/device/v1/enrol",
												   "{\"format\":1,\"facts\":{}}");
		AUTO_REPLY good = ask(p, token, "GET", "/device/v1/self", NULL), person = ask(p, FIXTURE_TOKEN, "GET", "/v1/self", NULL);

		expect_problem(&bad, 429, "locked-out");
		expect_problem(&enrol, 429, "locked-out");
		assert_int_equal(good.status, 200);
		assert_int_equal(person.status, 200);
	}
}

static void one_operator_asks_so_often_and_another_does_not_pay(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *other = NULL;
	long status = 200;

	OPEN(p);
	other = new_token(p, "other", "viewer", NULL);
	for (int i = 0; i < 50 && status == 200; i++) {
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/v1/self", NULL);

		status = a.status;
		if (status != 200) {
			expect_problem(&a, 429, "too-many-requests");
			assert_in_range(a.retry_after, 1, 2);
		}
	}
	assert_int_equal(status, 429);
	{
		AUTO_REPLY a = ask(p, other, "GET", "/v1/self", NULL);

		assert_int_equal(a.status, 200);
	}
}

int main(void)
{
#define L(f) cmocka_unit_test_setup_teardown(f, setup_limits, teardown)
	const struct CMUnitTest tests[] = {
		L(too_many_bad_tokens_lock_out_and_say_so),
		cmocka_unit_test_setup_teardown(a_lock_out_ends_when_it_was_said_to, setup_short, teardown),
		L(bad_tokens_of_devices_leave_good_ones_alone),
		L(one_operator_asks_so_often_and_another_does_not_pay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
