/* test_agent_reload: a reload command that takes its time, with the real agent, which goes on meanwhile. */
#include "endpoint_drops.h"
#include "endpoint_story.h"

/* Each call writes down the digest it was given, and waits until it may go on. */
static const char command[] =
	"#!/bin/sh\n"
	"dir=$(dirname \"$0\")\n"
	"echo \"$3\" >>\"$dir/told\"\n"
	"read -r answer <\"$dir/gate\"\n"
	"exit \"$answer\"\n";

static int setup(void **state)
{
	static const char lines[] = "reload = /etc/ringhold/reload\n";
	AUTO(buf) struct buf *ini = NULL;
	AUTO_FREE char *path = NULL, *gate = NULL, *reload = NULL;
	struct endpoint *p;
	struct err e;

	if (endpoint_setup(state) < 0)
		return -1;
	p = *state;
	path = file_join(p->root, "etc/ringhold/agent.ini");
	assert_ok(file_read(&ini, path, 1 << 16, &e));
	buf_adds(ini, lines);
	assert_ok(file_replace(path, ini->data, ini->len, 0644, &e));
	reload = file_join(p->root, "etc/ringhold/reload");
	assert_ok(file_replace(reload, command, strlen(command), 0755, &e));
	gate = file_join(p->root, "etc/ringhold/gate");
	assert_int_equal(mkfifo(gate, 0600), 0);
	return 0;
}

/* The command that waits goes on, with this exit status. */
static void let_go(struct endpoint *p, const char *status)
{
	AUTO_FREE char *gate = file_join(p->root, "etc/ringhold/gate");
	AUTO_FD int fd = open(gate, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, status, strlen(status)), (ssize_t)strlen(status));
}

/* How often the sensor was told, and of what last: "" nothing. */
static unsigned told_of(struct endpoint *p, char last[DIGEST_HEX_LEN + 1])
{
	AUTO_FREE char *path = file_join(p->root, "etc/ringhold/told");
	AUTO(buf) struct buf *text = NULL;
	unsigned n = 0;
	struct err e;

	last[0] = '\0';
	if (file_read(&text, path, 1 << 16, &e) < 0)
		return 0;
	for (char *at = text->data, *end; (end = strchr(at, '\n')); at = end + 1, n++)
		snprintf(last, DIGEST_HEX_LEN + 1, "%.*s", (int)(end - at), at);
	return n;
}

struct telling {
	struct endpoint *p;
	unsigned times;
};

static bool told_times(const struct seen *s, const void *arg)
{
	const struct telling *t = arg;
	char last[DIGEST_HEX_LEN + 1];

	(void)s;
	return told_of(t->p, last) >= t->times;
}

static void until_told(struct endpoint *p, unsigned times)
{
	endpoint_until(p, "the sensor is told", told_times, &(struct telling){ p, times }, 0);
}

static void assert_told(struct endpoint *p, unsigned times, const struct digest *of)
{
	char last[DIGEST_HEX_LEN + 1], want[DIGEST_HEX_LEN + 1];

	digest_hex(want, of);
	assert_int_equal(told_of(p, last), times);
	assert_string_equal(last, want);
}

static struct published first(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_assign(p, &one, NULL, 1, 10, 0);
	until_told(p, 1);
	let_go(p, "0\n");
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	return one;
}

/* The second is assigned over the first, and the command is told of it and waits. */
static void second_is_told(struct endpoint *p, struct published *one, struct published *two)
{
	*one = first(p);
	*two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, two, one, 1, 10, 0);
	until_told(p, 2);
}

static void second_is_committed(struct endpoint *p, const struct published *two)
{
	let_go(p, "0\n");
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, two, 1000);
}

/* An order waits at most 15 s for the agent; this command would let it wait for ever. */
static void people_are_answered_while_a_reload_takes_its_time(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	second_is_told(p, &one, &two);
	assert_told(p, 2, &two.digest);
	assert_tells(p, "hold", "edr", 0, "takes nothing new");
	assert_int_equal(endpoint_look(p).state.phase, PHASE_ARMED);
	assert_tells(p, "unhold", "edr", 0, "follows its assignment");
	second_is_committed(p, &two);
}

static bool off(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return !digest_equal(&s->running, &b->digest);
}

static void a_stop_is_obeyed_under_a_reload_and_the_sensor_told_again(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	second_is_told(p, &one, &two);
	endpoint_stop(p, &two);
	endpoint_until(p, "the stop is obeyed", off, &two, 1000);
	assert_told(p, 2, &two.digest);         /* the first call still waits */
	let_go(p, "0\n");
	until_told(p, 3);
	assert_told(p, 3, &one.digest);
	let_go(p, "0\n");
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
}

static bool idle_on(const struct seen *s, const void *arg)
{
	return endpoint_runs_committed(s, arg) && s->state.last.say == SAY_NOTHING;
}

static void a_reload_that_fails_ends_the_trial(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	second_is_told(p, &one, &two);
	let_go(p, "3\n");
	until_told(p, 3);
	assert_told(p, 3, &one.digest);
	let_go(p, "0\n");
	endpoint_until(p, "the trial is given up", idle_on, &one, 1000);
	assert_true(endpoint_has_history(p, "reload: /etc/ringhold/reload: exit status 3"));
}

static bool reload_unfit(const struct seen *s, const void *arg)
{
	return s->state.phase == PHASE_ARMED && endpoint_history_count((struct endpoint *)arg, "etc/ringhold/reload") > 0;
}

/* An upgrade is about to replace it: the content has nothing to do with that. */
static void a_reload_that_cannot_be_run_blames_nobody_and_is_tried_again(void **state)
{
	struct endpoint *p = *state;
	AUTO_FREE char *reload = file_join(p->root, "etc/ringhold/reload"), *away = file_join(p->root, "etc/ringhold/away");
	struct published one, two;

	NEED_AGENT(p);
	one = first(p);
	assert_int_equal(rename(reload, away), 0);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the command is missed", reload_unfit, p, 1000);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(endpoint_look(p).state.phase, PHASE_ARMED);
		*p->clock_ms += 1000;
		poll(NULL, 0, 5);
	}
	assert_int_equal(rename(away, reload), 0);
	endpoint_until(p, "the sensor is told", told_times, &(struct telling){ p, 2 }, 1000);
	assert_told(p, 2, &two.digest);
	second_is_committed(p, &two);
	assert_int_equal(endpoint_history_count(p, "armed"), 2);        /* once for each: it was never given up */
}

/* The link is right by then: only a record says that the sensor does not know. */
static void an_agent_that_is_killed_under_a_reload_tells_the_sensor_when_it_is_back(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	second_is_told(p, &one, &two);
	second_is_committed(p, &two);
	endpoint_stop(p, &two);
	until_told(p, 3);
	endpoint_until(p, "the stop is obeyed", off, &two, 1000);
	endpoint_agent_end(p, SIGKILL);
	endpoint_agent_start(p);
	until_told(p, 4);
	assert_told(p, 4, &one.digest);
	let_go(p, "0\n");
	assert_int_equal(endpoint_agent_end(p, SIGTERM), 0);
	/* and no more than once */
	endpoint_agent_start(p);
	endpoint_until(p, "the agent is idle", idle_on, &one, 1000);
	assert_told(p, 4, &one.digest);
}

/* ---- other than for a trial ---- */

static const char *const one_rule[] = { "ipc-0001" };

static bool without_rule(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.drop.bytes[0] != 0 && !digest_equal(&s->state.drop, &(struct digest){ { [0 ... DIGEST_LEN - 1] = 0xff } });
}

static bool known_to_fail(const struct seen *s, const void *arg)
{
	(void)s;
	return endpoint_history_count((struct endpoint *)arg, "exit status 3") > 0;
}

/* The first bundle runs, without one rule: the command that is told of that fails. */
static struct published list_fails(struct endpoint *p)
{
	struct published one = first(p);

	endpoint_assign_without(p, &one, one_rule, 1, 10);
	until_told(p, 2);
	let_go(p, "3\n");
	endpoint_until(p, "the failure is known", known_to_fail, p, 0);
	return one;
}

static void a_reload_that_fails_for_a_list_of_rules_is_tried_until_it_passes_and_only_then_the_list_counts_as_told(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	struct seen after;

	NEED_AGENT(p);
	one = list_fails(p);
	after = endpoint_look(p);
	assert_false(without_rule(&after, NULL));
	endpoint_until(p, "the sensor is told again", told_times, &(struct telling){ p, 3 }, 1000);
	let_go(p, "3\n");
	endpoint_until(p, "and again", told_times, &(struct telling){ p, 4 }, 1000);
	let_go(p, "0\n");
	endpoint_until(p, "the list counts as told", without_rule, NULL, 1000);
	assert_true(endpoint_has_history(p, "1 rules are left out"));
	assert_true(endpoint_has_history(p, "passed after it failed, 2 times"));
	assert_int_equal(endpoint_history_count(p, "exit status 3"), 1);        /* not once for every try */
	assert_int_equal(endpoint_history_count(p, "armed"), 1);
	assert_told(p, 4, &one.digest);
}

/* How many calls there are depends on what comes first, a try again or the list of before: all of them pass. */
static bool back_to_all(const struct seen *s, const void *arg)
{
	struct endpoint *p = (struct endpoint *)arg;
	AUTO_FREE char *gate = file_join(p->root, "etc/ringhold/gate");
	AUTO_FD int fd = open(gate, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	(void)s;
	if (fd >= 0)
		assert_int_equal(write(fd, "0\n", 2), 2);
	return endpoint_history_count(p, "no rule is left out any more") > 0;
}

static void an_order_taken_back_while_the_reload_fails_leaves_the_old_list_told(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	struct seen after;

	NEED_AGENT(p);
	one = list_fails(p);
	endpoint_assign(p, &one, NULL, 1, 10, 0);
	endpoint_until(p, "the sensor is told of the old list", back_to_all, p, 1000);
	after = endpoint_look(p);
	assert_true(digest_is_zero(&after.state.drop));
}

static void content_that_was_taken_back_is_told_of_until_the_sensor_takes_it(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	second_is_told(p, &one, &two);
	second_is_committed(p, &two);
	endpoint_stop(p, &two);
	endpoint_until(p, "the stop is obeyed", told_times, &(struct telling){ p, 3 }, 1000);
	let_go(p, "3\n");
	endpoint_until(p, "the sensor is told again", told_times, &(struct telling){ p, 4 }, 1000);
	assert_told(p, 4, &one.digest);
	let_go(p, "0\n");
	endpoint_until(p, "the agent is idle", idle_on, &one, 1000);
}

/* A goodbye in the middle does not cut it short. */
struct both {
	struct endpoint *p;
	const struct published *two;
};

static bool told_again_or_committed(const struct seen *s, const void *arg)
{
	const struct both *x = arg;
	char last[DIGEST_HEX_LEN + 1];

	return told_of(x->p, last) == 3 || endpoint_runs_committed(s, x->two);
}

static void an_agent_that_is_stopped_lets_the_reload_end(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	const struct both both = { p, &two };
	char last[DIGEST_HEX_LEN + 1];
	int status = -1;

	NEED_AGENT(p);
	second_is_told(p, &one, &two);
	kill(p->agent, SIGTERM);
	assert_int_equal(waitpid(p->agent, &status, WNOHANG), 0);
	let_go(p, "0\n");
	assert_int_equal(waitpid(p->agent, &status, 0), p->agent);
	p->agent = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* The agent may have heard of the end before it heard that it shall go: then nobody is told again. */
	endpoint_agent_start(p);
	endpoint_until(p, "the sensor is told again, or need not be", told_again_or_committed, &both, 1000);
	if (told_of(p, last) == 3)
		let_go(p, "0\n");
	endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &two, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(people_are_answered_while_a_reload_takes_its_time, setup),
		ENDPOINT_TEST(a_stop_is_obeyed_under_a_reload_and_the_sensor_told_again, setup),
		ENDPOINT_TEST(a_reload_that_fails_ends_the_trial, setup),
		ENDPOINT_TEST(a_reload_that_cannot_be_run_blames_nobody_and_is_tried_again, setup),
		ENDPOINT_TEST(an_agent_that_is_killed_under_a_reload_tells_the_sensor_when_it_is_back, setup),
		ENDPOINT_TEST(a_reload_that_fails_for_a_list_of_rules_is_tried_until_it_passes_and_only_then_the_list_counts_as_told, setup),
		ENDPOINT_TEST(an_order_taken_back_while_the_reload_fails_leaves_the_old_list_told, setup),
		ENDPOINT_TEST(content_that_was_taken_back_is_told_of_until_the_sensor_takes_it, setup),
		ENDPOINT_TEST(an_agent_that_is_stopped_lets_the_reload_end, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
