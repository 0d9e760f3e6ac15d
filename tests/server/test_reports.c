/* test_reports: what ought to be rare is counted, and shown in every report: the emergency lane, and devices of which a clone showed. */
#include "plane.h"

static int setup(void **state)
{
	*state = plane_open(EAGER);
	return 0;
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

/* The operator plane's answer says this. */
static void says(struct plane *p, const char *path, const char *words)
{
	AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", path, NULL);

	if (a.status != 200 || !strstr(a.text->data, words))
		fail_msg("%s: %ld, and no %s in %s", path, a.status, words, a.text->data);
}

#define SHOWS(p, words, ...)                                           \
	do {                                                           \
		assert_int_equal(TOOL((p)->o, "", __VA_ARGS__), 0);    \
		expect_said((p)->o, words);                            \
	} while (0)

static void agree(struct plane *p, const char *name)
{
	AUTO_FREE char *token = new_token(p, name, "approver", NULL);
	AUTO_REPLY a = ask(p, token, "POST", "/v1/rollouts/1/approve", "{\"reason\":\"it is exploited\",\"emergency\":true}");

	if (a.status != 200)
		fail_msg("%s", a.text->data);
}

static void each_use_of_the_emergency_lane_is_counted_and_shown_in_every_report(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *anna = NULL;
	char digest[DIGEST_HEX_LEN + 1];

	NEED(p->o);
	publish(p->o, 1, "rules", digest);
	says(p, "/metrics", "ringhold_emergency_rollouts_total{channel=\"edr\"} 0");
	anna = new_token(p, "anna", "operator", NULL);
	{
		AUTO_REPLY a = ask(p, anna, "POST", "/v1/rollouts/1/emergency", "{\"reason\":\"it is exploited\"}");

		assert_int_equal(a.status, 200);
	}
	SHOWS(p, "the emergency lane is asked for by anna", "rollout", "show", "1");
	SHOWS(p, "the emergency lane is asked for", "status");
	agree(p, "ben");
	agree(p, "carol");
	SHOWS(p, "goes by the emergency lane", "status");
	SHOWS(p, "1 rollouts by the emergency lane", "status");
	SHOWS(p, "1 rollouts by the emergency lane", "rings", "show");
	SHOWS(p, "open", "rollout", "list");
	SHOWS(p, "EMERGENCY LANE, open since", "rollout", "show", "1");
	SHOWS(p, "EMERGENCY LANE", "rollout", "explain", "1");
	SHOWS(p, "2 of 2 agreed to the emergency lane", "rollout", "explain", "1");
	SHOWS(p, "emergency lane", "events");
	SHOWS(p, "it is exploited", "audit", "list", "--action", "emergency");
	says(p, "/v1/status", "\"emergencies\":{\"total\":1,\"last_90_days\":1,\"under_way\":1}");
	says(p, "/metrics", "ringhold_emergency_rollouts_total{channel=\"edr\"} 1");
	/* also after a restart */
	plane_restart(p, SIGKILL);
	says(p, "/metrics", "ringhold_emergency_rollouts_total{channel=\"edr\"} 1");
	SHOWS(p, "EMERGENCY LANE, open since", "rollout", "show", "1");
}

static void check_in(struct plane *p, const char *token, const char *epoch)
{
	char body[400];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"%s\",\"seq\":1,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},\"channels\":[],\"events\":[],\"want\":[]}",
		 epoch);
	AUTO_REPLY a = ask(p, token, "POST", "/device/v1/checkin", body);
	assert_true(a.status == 200 || a.status == 409);
}

static void a_clone_is_counted_and_shown_in_every_report(void **state)
{
	struct plane *p = *state;
	char path[100];

	NEED(p->o);
	AUTO_REPLY made = ask(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
	AUTO_REPLY device = ask(p, member(&made, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{\"os\":\"debian-12\"}}");

	says(p, "/metrics", "ringhold_devices{state=\"flagged\"} 0");
	check_in(p, member(&device, "token"), "1111111111111111");
	check_in(p, member(&device, "token"), "2222222222222222");
	/* an epoch that was left */
	check_in(p, member(&device, "token"), "1111111111111111");
	says(p, "/metrics", "ringhold_devices{state=\"flagged\"} 1");
	says(p, "/v1/status", "\"flagged\":1");
	snprintf(path, sizeof path, "/v1/devices/%s", member(&device, "device"));
	says(p, path, "\"flagged\":true");
	SHOWS(p, "an epoch that it had left", "devices", "list");
	SHOWS(p, member(&device, "device"), "audit", "list", "--action", "flag");
	SHOWS(p, "1 flagged as cloned", "status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_use_of_the_emergency_lane_is_counted_and_shown_in_every_report, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clone_is_counted_and_shown_in_every_report, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
