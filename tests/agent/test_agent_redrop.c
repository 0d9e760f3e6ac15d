/* test_agent_redrop: single rules leave content that runs, and come back, without another bundle; the real agent and canary. */
#include "endpoint_drops.h"
#include "program.h"
#include "sensor_child.h"

#define GOOD "deploy/demo/edr-good"
#define RULE "ipc-0001"

#define NEED_AGENT(p)                                                            \
	do {                                                                     \
		if (access((p)->bin, X_OK) < 0)                                  \
			skip_named("%s is not built", (p)->bin);                 \
	} while (0)

/* ---- what the sensor is told ---- */

static int add_id(void *arg, const char *id)
{
	char *out = arg;

	snprintf(out + strlen(out), 512 - strlen(out), "%s;", id);
	return 0;
}

struct told {
	struct endpoint *p;
	const char *ids;                /* "a;b;" */
};

static bool sensor_told(const struct seen *s, const void *arg)
{
	const struct told *t = arg;
	struct ringhold_why why = { "" };
	char ids[512] = "";

	(void)s;
	return ringhold_list(&t->p->sensor, &t->p->content, RINGHOLD_DROP, add_id, ids, &why) >= 0 && !strcmp(ids, t->ids);
}

struct reported {
	struct told told;
	size_t count;
};

/* And agent.db knows that it was told, which is what check-ins say. */
static bool reported(const struct seen *s, const void *arg)
{
	const struct reported *r = arg;

	const struct digest *list = phase_on_trial(s->state.phase) ? &s->state.offer.drop : &s->state.drop;

	return sensor_told(s, &r->told) && digest_is_zero(list) == (r->count == 0);
}

static void until_told(struct endpoint *p, const char *ids, size_t count)
{
	struct reported r = { { p, ids }, count };

	endpoint_until(p, "the sensor is told of the list", reported, &r, 1000);
}

static struct published committed(struct endpoint *p, const char *dir)
{
	struct published b = endpoint_bundle(p, dir, 110, NULL);

	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_assign_without(p, &b, NULL, 0, 10);
	endpoint_until(p, "the bundle is committed", endpoint_runs_committed, &b, 1000);
	return b;
}

static void assert_says(struct endpoint *p, const char *command, const char *text, bool there)
{
	char *out = NULL;

	(void)endpoint_command(p, &out, command, NULL, NULL);
	if ((strstr(out, text) != NULL) != there)
		fail_msg("%s \"%s\" in %s:\n%s", there ? "no" : "a", text, command, out);
	free(out);
}

/* ---- the tests ---- */

static void a_rule_leaves_what_runs_without_another_bundle_and_comes_back_when_the_order_is_taken_back(void **state)
{
	struct endpoint *p = *state;
	static const char *const both[] = { RULE, "ipc-0002" };
	struct published b;
	uint64_t high_water;

	NEED_AGENT(p);
	b = committed(p, GOOD);
	high_water = endpoint_look(p).record.high_water;
	endpoint_assign_without(p, &b, both, 2, 10);
	until_told(p, RULE ";ipc-0002;", 2);
	assert_says(p, "status", "left out by the assignment: " RULE, true);
	assert_says(p, "explain", "left out by the assignment: " RULE, true);
	assert_true(endpoint_has_history(p, "2 rules are left out"));
	endpoint_assign_without(p, &b, both, 1, 10);
	until_told(p, RULE ";", 1);
	assert_says(p, "status", "ipc-0002", false);
	endpoint_assign_without(p, &b, NULL, 0, 10);
	until_told(p, "", 0);
	assert_says(p, "status", "left out", false);
	assert_true(endpoint_has_history(p, "no rule is left out any more"));
	assert_int_equal(endpoint_history_count(p, "armed"), 1);        /* none of it was a trial */
	assert_true(endpoint_look(p).record.high_water == high_water);
	assert_true(endpoint_look(p).record.mode == BOOT_COMMITTED);
}

static bool armed(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase == PHASE_ACTIVE;
}

static void content_on_trial_goes_on_with_its_trial_without_the_rule(void **state)
{
	struct endpoint *p = *state;
	static const char *const one[] = { RULE };
	struct published b;
	struct seen after;

	NEED_AGENT(p);
	b = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_assign_without(p, &b, NULL, 0, 10000);
	endpoint_until(p, "it is on trial", armed, NULL, 1000);
	endpoint_assign_without(p, &b, one, 1, 10000);
	until_told(p, RULE ";", 1);
	endpoint_until(p, "the trial ends well", endpoint_runs_committed, &b, 20000);
	assert_true(sensor_told(NULL, &(struct told){ p, RULE ";" }));
	after = endpoint_look(p);
	assert_false(digest_is_zero(&after.state.drop));
	assert_int_equal(endpoint_history_count(p, "armed"), 1);
}

static bool told_refused(const struct seen *s, const void *arg)
{
	(void)s;
	return endpoint_history_count((struct endpoint *)arg, "cannot be left out here") > 0;
}

static void what_cannot_be_left_out_is_said(void **state)
{
	struct endpoint *p = *state;
	static const char *const typo[] = { RULE, "no-such-rule" };
	struct published b;

	NEED_AGENT(p);
	b = committed(p, GOOD);
	endpoint_assign_without(p, &b, typo, 2, 10);
	endpoint_until(p, "it says what it cannot leave out", told_refused, p, 1000);
	assert_true(endpoint_has_history(p, "1 of 2 rules cannot be left out here"));
	until_told(p, RULE ";no-such-rule;", 2);
}

/* Killed whenever it may be, nothing but one of the two lists is ever in force, and in the end it is the one assigned. */
static void killed_at_any_moment_the_host_ends_with_the_list_that_is_assigned(void **state)
{
	struct endpoint *p = *state;
	static const char *const one[] = { RULE };
	struct published b;
	struct seen after;

	NEED_AGENT(p);
	b = committed(p, GOOD);
	for (int i = 0; i < 6; i++) {
		bool drop = i % 2 == 0;

		endpoint_assign_without(p, &b, one, drop ? 1 : 0, 10);
		*p->clock_ms += 3600 * 1000;    /* a round is due */
		for (int k = 0; k <= i; k++)
			poll(NULL, 0, 40);
		endpoint_agent_end(p, SIGKILL);
		assert_true(sensor_told(NULL, &(struct told){ p, "" }) || sensor_told(NULL, &(struct told){ p, RULE ";" }));
		endpoint_agent_start(p);
		until_told(p, drop ? RULE ";" : "", drop ? 1 : 0);
	}
	after = endpoint_look(p);
	assert_true(endpoint_runs_committed(&after, &b));
}

#define YARA_BUNDLE "{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\",\"types\":[{\"match\":\"*.yar\",\"type\":\"yara\"}]}"
#define YARA_RULES                                                                                     \
	"rule bad { strings: $a = \"notepad\" condition: $a }\n"                                       \
	"rule evil { strings: $a = \"EVIL-STRING\" condition: $a }\n"

/* ---- with the reference sensor as a program ---- */

#define PIPE_EVENT "{\"template\":\"ipc\",\"fields\":{\"image\":\"/usr/bin/nc\",\"pid\":4711,\"operation\":\"connect\",\"pipe_name\":\"backdoor\"}}\n"
#define TEXT_EVENT "{\"text\":\"this is notepad\"}\n"

struct program {
	struct sensor_child sensor;
	const char *event, *verdict;    /* asked, and awaited */
};

static void stop_sensor(struct sensor_child *s)
{
	kill(s->pid, SIGTERM);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(s->in);
	fclose(s->out);
}

/* Asks it again and again: an answer is what decides, whatever anybody says of lists. */
static bool answers(const struct seen *seen, const void *arg)
{
	const struct program *s = arg;

	(void)seen;
	return strstr(sensor_child_judged(&s->sensor, s->event), s->verdict);
}

static void until_answers(struct endpoint *p, struct program *s, const char *event, const char *verdict)
{
	s->event = event;
	s->verdict = verdict;
	endpoint_until(p, verdict, answers, s, 1000);
}

static void drop_and_undo_with(struct endpoint *p, const char *dir, const char *rule, const char *event)
{
	const char *const one[] = { rule };
	struct published b = endpoint_bundle(p, dir, 110, NULL);
	struct program s;

	endpoint_agent_start(p);
	endpoint_assign_without(p, &b, NULL, 0, 10);
	s.sensor = sensor_child_start(test_program("ringhold-sensor"), p->root, "edr", NULL);
	endpoint_until(p, "the bundle is committed", endpoint_runs_committed, &b, 1000);
	until_answers(p, &s, event, "\"verdict\":\"alert\"");
	endpoint_assign_without(p, &b, one, 1, 10);
	until_answers(p, &s, event, "\"verdict\":\"none\"");
	endpoint_assign_without(p, &b, NULL, 0, 10);
	until_answers(p, &s, event, "\"verdict\":\"alert\"");
	assert_int_equal(endpoint_history_count(p, "armed"), 1);
	stop_sensor(&s.sensor);
}

static void write_yara_bundle(struct endpoint *p, char dir[256])
{
	char path[300];
	struct err e;

	snprintf(dir, 256, "%s/yara-content", p->dir);
	assert_ok(file_mkdirs(dir, 0755, &e));
	snprintf(path, sizeof path, "%s/bundle.json", dir);
	assert_ok(file_replace(path, YARA_BUNDLE, strlen(YARA_BUNDLE), 0644, &e));
	snprintf(path, sizeof path, "%s/all.yar", dir);
	assert_ok(file_replace(path, YARA_RULES, strlen(YARA_RULES), 0644, &e));
	endpoint_write(p, "/etc/ringhold/contract.json",
		       "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"yara\":{\"versions\":[1]}}}", 0644);
}

static void the_sensor_no_longer_answers_with_the_rule_and_then_again(void **state)
{
	struct endpoint *p = *state;

	NEED_AGENT(p);
	drop_and_undo_with(p, GOOD, RULE, PIPE_EVENT);
}

static void the_sensor_does_so_with_yara_rules_too(void **state)
{
	struct endpoint *p = *state;
	char dir[256];

	NEED_AGENT(p);
	write_yara_bundle(p, dir);
	drop_and_undo_with(p, dir, "bad", TEXT_EVENT);
}

#define LOADER "/usr/lib/ringhold/loaders/own"

static void content_that_only_the_sensors_own_command_loads_is_left_whole_and_that_is_said(void **state)
{
	struct endpoint *p = *state;
	static const char *const one[] = { "Evil.Test-1" };
	static const char bundle[] = "{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\","
				     "\"types\":[{\"match\":\"db/*\",\"type\":\"own\"}]}";
	AUTO(buf) struct buf *ini = NULL;
	AUTO_FREE char *text = NULL;
	char dir[256], path[512];
	struct published b;
	struct err e;

	NEED_AGENT(p);
	snprintf(dir, sizeof dir, "%s/own-content", p->dir);
	snprintf(path, sizeof path, "%s/db", dir);
	assert_ok(file_mkdirs(path, 0755, &e));
	snprintf(path, sizeof path, "%s/bundle.json", dir);
	assert_ok(file_replace(path, bundle, strlen(bundle), 0644, &e));
	snprintf(path, sizeof path, "%s/db/all.sig", dir);
	assert_ok(file_replace(path, "Evil.Test-1\n", 12, 0644, &e));
	snprintf(path, sizeof path, "%s" SETTINGS_PATH, p->root);
	assert_ok(file_read(&ini, path, 1 << 20, &e));
	assert_true(asprintf(&text, "%sexec = own=" LOADER "\n", ini->data) > 0);
	endpoint_write(p, SETTINGS_PATH, text, 0644);
	endpoint_write(p, LOADER, "#!/bin/sh\nexit 0\n", 0755);
	endpoint_write(p, "/etc/ringhold/contract.json",
		       "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"own\":{\"versions\":[1]}}}", 0644);
	b = committed(p, dir);
	endpoint_assign_without(p, &b, one, 1, 10);
	endpoint_until(p, "it says what it cannot leave out", told_refused, p, 1000);
	assert_true(endpoint_has_history(p, "1 of 1 rules cannot be left out here"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, endpoint_setup, endpoint_teardown)
		TEST(a_rule_leaves_what_runs_without_another_bundle_and_comes_back_when_the_order_is_taken_back),
		TEST(content_on_trial_goes_on_with_its_trial_without_the_rule),
		TEST(what_cannot_be_left_out_is_said),
		TEST(killed_at_any_moment_the_host_ends_with_the_list_that_is_assigned),
		TEST(the_sensor_no_longer_answers_with_the_rule_and_then_again),
		TEST(the_sensor_does_so_with_yara_rules_too),
		TEST(content_that_only_the_sensors_own_command_loads_is_left_whole_and_that_is_said),
	};

	return cmocka_run_group_tests_name("agent: rules leave what runs", tests, NULL, NULL);
}
