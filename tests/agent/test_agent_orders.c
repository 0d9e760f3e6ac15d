/* test_agent_orders: what people at the machine order, with the agent running and without. */
#include <time.h>

#include "endpoint_story.h"
#include "shell.h"

static int order(struct endpoint *p, const char *command)
{
	char *out;
	int status = endpoint_command(p, &out, command, "edr", NULL);

	if (status)
		fprintf(stderr, "%s: %s\n", command, out);
	free(out);
	return status;
}

/* The phase is idle again, and the latest verdict is about this bundle. */
static bool idle_after(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING;
}

static void orders_of_people_take_effect_with_and_without_a_running_agent(void **state)
{
	static const struct digest none;
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	assert_int_equal(order(p, "hold"), 0);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the hold is the reason", idle_after, &two, 5000);
	assert_true(runs(p, &one.digest));
	assert_int_equal(order(p, "unhold"), 0);
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
	assert_int_equal(order(p, "revert"), 0);
	endpoint_until(p, "the older one runs", endpoint_runs_committed, &one, 1000);
	assert_int_equal(order(p, "pin"), 0);
	assert_int_equal(endpoint_look(p).record.mode, BOOT_PINNED);
	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	assert_int_equal(order(p, "unpin"), 0);
	assert_int_equal(order(p, "disable"), 0);
	assert_true(runs(p, &none));
	assert_int_equal(order(p, "enable"), 0);
	assert_true(runs(p, &one.digest));
	assert_int_not_equal(order(p, "revert"), 0);    /* nothing older is there */
	assert_true(endpoint_has_history(p, "local-disable"));
}

/* ---- until ---- */

static int hold_until(struct endpoint *p, const char *until)
{
	char option[80], *out;
	int status;

	snprintf(option, sizeof option, "--until=%s", until);
	status = endpoint_command(p, &out, "hold", "edr", option);
	free(out);
	return status;
}

/* This process took its clock's file when it first looked, in another test. */
static int64_t agent_now(const struct endpoint *p)
{
	return (int64_t)time(NULL) + *p->clock_ms / 1000;
}

static bool asked_since(const struct seen *s, const void *arg)
{
	return s->state.last.evaluated >= *(const int64_t *)arg;
}

static void a_hold_ends_by_itself_at_its_time_and_not_with_the_agent(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char until[CLOCK_TEXT_LEN + 1], text[100];
	int64_t end;

	NEED_AGENT(p);
	one = settled(p);
	end = agent_now(p) + 3600;
	clock_text(until, end);
	assert_int_equal(hold_until(p, until), 0);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the hold is the reason", idle_after, &two, 5000);
	endpoint_agent_end(p, SIGKILL);
	snprintf(text, sizeof text, ", until %s", until);
	assert_tells(p, "status", NULL, 0, text);
	assert_tells(p, "check", NULL, 1, text);
	snprintf(text, sizeof text, "\"held_until\": %lld", (long long)end);
	assert_tells(p, "status", "--json", 0, text);
	assert_tells(p, "check", "--json", 1, text);
	snprintf(text, sizeof text, "hold until %s", until);
	assert_true(endpoint_has_history(p, text));
	/* Another agent holds it as well, also towards the end. */
	endpoint_agent_start(p);
	*p->clock_ms += (end - 900 - agent_now(p)) * 1000;
	endpoint_until(p, "it looked again", asked_since, &(int64_t){ agent_now(p) }, 200);
	assert_true(agent_now(p) < end && runs(p, &one.digest));
	endpoint_until(p, "the second bundle is committed, and nobody said so", endpoint_runs_committed, &two, 5000);
	assert_true(agent_now(p) >= end);
	assert_tells(p, "check", NULL, 0, "");
}

static void a_hold_until_a_time_that_is_over_or_none_is_refused_and_holds_nothing(void **state)
{
	static const char *const bad[] = { "2020-01-31T12:00:00Z", "tomorrow", "2099-02-30T12:00:00Z", "2099-01-31T12:00:00", "2099-01-31T12:00:00Zz" };
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(hold_until(p, bad[i]), 0);
	assert_false(endpoint_look(p).state.held);
	assert_int_equal(endpoint_history_count(p, "local-hold"), 0);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	commit(p, &two, &one);
	assert_true(runs(p, &two.digest));
}

/* ---- logged and reported ---- */

static uint64_t waiting(struct endpoint *p)
{
	AUTO(journal) struct journal *j = NULL;
	uint64_t n;
	struct err e;

	assert_ok(journal_open(&j, p->root, &e));
	assert_ok(journal_outbox_count(j, &n, &e));
	return n;
}

/* Published, and out of the repository: brought by hand. */
static char *carried(struct endpoint *p, const struct published *b, const char *name)
{
	AUTO_FREE char *archive = NULL;
	char *to = malloc(300);
	struct err e;

	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, b->path, &archive, &e));
	snprintf(to, 300, "%s/%s", p->dir, name);
	assert_int_equal(rename(archive, to), 0);
	return to;
}

static void every_order_of_a_person_is_one_line_of_history_and_one_event_to_report(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, base, three;
	AUTO_FREE char *base_file = NULL, *three_file = NULL;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	commit(p, &two, &one);
	endpoint_agent_end(p, SIGTERM);
	base = endpoint_bundle(p, GOOD, 5, NULL);
	base_file = carried(p, &base, "5.tar.gz");
	three = endpoint_bundle(p, GOOD, 112, NULL);
	endpoint_assign(p, &three, &one, 1, 10, 0);
	three_file = carried(p, &three, "112.tar.gz");

	const struct { const char *command, *first, *second, *line; } orders[] = {
		{ "hold", "edr", NULL, "local-hold: hold\n" },
		{ "hold", "edr", "--until=2099-01-31T12:00:00Z", "local-hold: hold until 2099-01-31T12:00:00Z\n" },
		{ "unhold", "edr", NULL, "local-hold: unhold\n" },
		{ "pin", "edr", NULL, "local-pin: pin\n" },
		{ "unpin", "edr", NULL, "local-pin: unpin\n" },
		{ "revert", "edr", NULL, "by a person on this machine" },
		{ "disable", "edr", NULL, "local-disable: disable\n" },
		{ "enable", "edr", NULL, "local-disable: enable\n" },
		{ "baseline", "edr", base_file, "local-install: serial 5 is the baseline\n" },
		{ "contract-changed", NULL, NULL, "contract-changed: contract\n" },
		{ "install", three_file, NULL, "local-install: serial 112, archive " },
	};

	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		uint64_t before;
		char *out;
		int lines;

		if (!strcmp(orders[i].command, "install"))      /* what is assigned is known, and cannot be fetched */
			assert_int_equal(endpoint_command(p, NULL, "run", "--once", NULL), 0);
		before = waiting(p);
		lines = endpoint_history_count(p, "\n");
		if (endpoint_command(p, &out, orders[i].command, orders[i].first, orders[i].second) != 0)
			fail_msg("%s: %s", orders[i].command, out);
		free(out);
		if (waiting(p) != before + 1)
			fail_msg("%s: %d events to report", orders[i].command, (int)(waiting(p) - before));
		assert_int_equal(endpoint_history_count(p, orders[i].line), 1);
		assert_int_equal(endpoint_history_count(p, "\n"), lines + 1);
	}
}

/* ---- an agent that dies, or a link that fails, in the middle ---- */

/* As an agent leaves it that did what was ordered last, and died before it could say so. */
static struct journal_order not_answered(struct endpoint *p)
{
	AUTO(journal) struct journal *j = NULL;
	struct journal_order o = { .id = 0 };
	struct err e;

	assert_ok(journal_open(&j, p->root, &e));
	for (struct journal_order next; journal_order_get(j, o.id + 1, &next, &e) == 0;)
		o = next;
	assert_ok(journal_order_done(j, o.id, 0, "", &e));
	return o;
}

static struct journal_order answered(struct endpoint *p, uint64_t id)
{
	AUTO(journal) struct journal *j = NULL;
	struct journal_order o;
	struct err e;

	assert_ok(journal_open(&j, p->root, &e));
	assert_ok(journal_order_get(j, id, &o, &e));
	return o;
}

static bool on_trial(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &b->digest);
}

/* From the second bundle, in this state, to the first; a second revert would go on to the baseline. */
static void reverts_once(struct endpoint *p, int64_t probation_s, endpoint_done *state)
{
	struct published one, two, base;
	AUTO_FREE char *base_file = NULL;
	struct journal_order o;
	uint64_t events;

	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, probation_s, 0);
	endpoint_until(p, "the second bundle runs", state, &two, 1000);
	endpoint_agent_end(p, SIGKILL);
	base = endpoint_bundle(p, GOOD, 5, NULL);
	base_file = carried(p, &base, "5.tar.gz");
	assert_int_equal(endpoint_command(p, NULL, "baseline", "edr", base_file), 0);
	assert_int_equal(order(p, "revert"), 0);
	assert_true(runs(p, &one.digest));
	o = not_answered(p);
	assert_string_equal(o.command, "revert");
	events = waiting(p);
	assert_int_equal(order(p, "hold"), 0);          /* who comes next does what waits */
	assert_int_equal(waiting(p), events + 1);       /* of the hold */
	assert_true(runs(p, &one.digest));
	shell_must("test $(ls %s" HOME_CHANNELS "/edr/quarantine.d | wc -l) = 1", p->root);
	o = answered(p, o.id);
	assert_int_equal(o.done, 1);
	assert_non_null(strstr(o.answer, "runs older content again"));
	/* Another one is another order. */
	assert_int_equal(order(p, "revert"), 0);
	assert_true(runs(p, &base.digest));
}

static void a_revert_is_carried_out_once_though_its_agent_died_before_it_could_say_so(void **state)
{
	NEED_AGENT((struct endpoint *)*state);
	reverts_once(*state, 10, endpoint_runs_committed);
}

static void a_revert_of_a_trial_leaves_the_content_below_it_though_its_agent_died_before_it_could_say_so(void **state)
{
	NEED_AGENT((struct endpoint *)*state);
	reverts_once(*state, 600, on_trial);
}

/* No link can be made, until it is put right. */
static void break_links(struct endpoint *p, bool broken)
{
	shell_must("cd %s" HOME_RUN "/edr && %s", p->root, broken ? "mkdir -p .current.new/x" : "rm -r .current.new");
}

static bool told_of_revert(const struct seen *s, const void *arg)
{
	(void)s;
	return endpoint_history_count((struct endpoint *)arg, "by a person on this machine") > 0;
}

static bool linked_to_nothing(const struct seen *s, const void *arg)
{
	char path[512];

	(void)s;
	snprintf(path, sizeof path, "%s" HOME_RUN "/edr/current", ((const struct endpoint *)arg)->root);
	return access(path, F_OK) < 0;
}

static void a_retreat_whose_link_fails_is_told_of_though_another_order_comes_before_it_is_done(void **state)
{
	static const struct digest none;
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	commit(p, &two, &one);
	break_links(p, true);
	(void)order(p, "revert");
	assert_true(runs(p, &one.digest));      /* by the record, */
	assert_int_equal(endpoint_history_count(p, "by a person on this machine"), 0);
	(void)order(p, "disable");
	assert_true(runs(p, &none));
	break_links(p, false);
	endpoint_until(p, "people are told of the revert", told_of_revert, p, 1000);
	endpoint_until(p, "nothing is linked", linked_to_nothing, p, 1000);
	assert_int_equal(endpoint_history_count(p, "by a person on this machine"), 1);
}

static void a_baseline_comes_from_a_local_archive(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char *out, *archive;
	struct err e;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 5, NULL);
	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, one.path, &archive, &e));
	assert_int_equal(endpoint_command(p, &out, "baseline", "edr", archive), 0);
	free(out);
	assert_true(runs(p, &one.digest));
	assert_int_equal(endpoint_look(p).record.rung, RUNG_BASELINE);
	assert_int_not_equal(endpoint_command(p, &out, "baseline", "edr", "/etc/passwd"), 0);
	free(out);
	free(archive);
	assert_true(runs(p, &one.digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(orders_of_people_take_effect_with_and_without_a_running_agent, endpoint_setup),
		ENDPOINT_TEST(a_hold_ends_by_itself_at_its_time_and_not_with_the_agent, endpoint_setup),
		ENDPOINT_TEST(a_hold_until_a_time_that_is_over_or_none_is_refused_and_holds_nothing, endpoint_setup),
		ENDPOINT_TEST(every_order_of_a_person_is_one_line_of_history_and_one_event_to_report, endpoint_setup),
		ENDPOINT_TEST(a_revert_is_carried_out_once_though_its_agent_died_before_it_could_say_so, endpoint_setup),
		ENDPOINT_TEST(a_revert_of_a_trial_leaves_the_content_below_it_though_its_agent_died_before_it_could_say_so, endpoint_setup),
		ENDPOINT_TEST(a_retreat_whose_link_fails_is_told_of_though_another_order_comes_before_it_is_done, endpoint_setup),
		ENDPOINT_TEST(a_baseline_comes_from_a_local_archive, endpoint_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
