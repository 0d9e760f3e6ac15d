/*
 * test_agent_ceilings: what the contract and the content before allow on
 * trial, with the real agent. Its sensor is this process, which counts and
 * takes what the scene wants.
 */
#include "endpoint_story.h"

#define FOREVER 86400           /* a probation that ends by a failure only */
#define MB ((size_t)1 << 20)

static void more_settings(const struct endpoint *p, const char *lines)
{
	AUTO_FREE char *path = file_join(p->root, "etc/ringhold/agent.ini");
	AUTO(buf) struct buf *ini = NULL;
	struct err e;

	assert_ok(file_read(&ini, path, 1 << 16, &e));
	buf_adds(ini, lines);
	assert_ok(file_replace(path, ini->data, ini->len, 0644, &e));
}

static int setup(void **state)
{
	int rc = endpoint_setup_with(state, "contract = /etc/ringhold/contract.json\n");

	if (rc == 0)
		more_settings(*state, "ceiling-window = 2s\n");
	return rc;
}

/* The demo's contract with one ceiling more. */
static void contract_with(struct endpoint *p, const char *ceiling)
{
	AUTO(buf) struct buf *text = NULL, *out = buf_new(0);
	const char *at;
	struct err e;

	assert_ok(file_read(&text, "deploy/demo/contract.json", 1 << 20, &e));
	at = strstr(text->data, "\"ceilings\": {");
	assert_non_null(at);
	at += strlen("\"ceilings\": {");
	buf_add(out, text->data, (size_t)(at - text->data));
	buf_adds(out, ceiling);
	buf_adds(out, ", ");
	buf_adds(out, at);
	endpoint_write(p, "/etc/ringhold/contract.json", out->data, 0644);
}

static bool on_trial(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &b->digest);
}

static bool given_up(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING &&
	       !digest_equal(&s->running, &b->digest);
}

static struct published trial(struct endpoint *p, uint64_t serial, const struct published *before, int64_t probation_s)
{
	struct published b = endpoint_bundle(p, GOOD, serial, NULL);

	endpoint_assign(p, &b, before, 1, probation_s, 0);
	endpoint_until(p, "the bundle is on trial", on_trial, &b, 1000);
	return b;
}

/* What this sensor counted of its content, in so many seconds. */
static void count(struct endpoint *p, uint64_t seconds, uint64_t alerts)
{
	const struct ringhold_effects counted = { .seconds = seconds, .events = alerts, .alert = alerts };
	struct ringhold_why why = { "" };

	if (ringhold_effects(&p->sensor, &p->content, &counted, &why) < 0)
		fail_msg("sensor: %s", why.text);
}

/* A busy host: ten times what its content gave before is let pass, though a quiet host's figure is far lower. */
static void a_storm_is_measured_by_the_content_before(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, three;

	NEED_AGENT(p);
	more_settings(p, "verdict-rate = 60\nverdict-times = 10\n");
	one = settled(p);
	count(p, 600, 6000);            /* 600 a minute */
	two = trial(p, 111, &one, 30);
	count(p, 2, 150);               /* within 2 s at most 2 by the figure alone; 200 by what ran before */
	endpoint_until(p, "it is committed", endpoint_runs_committed, &two, 1000);
	count(p, 600, 6000);
	three = trial(p, 112, &two, FOREVER);
	count(p, 2, 1000);
	endpoint_until(p, "the storm is taken back", given_up, &three, 100);
	assert_true(endpoint_has_history(p, "1000 verdicts within 2 s, at most 200 are allowed"));
	assert_true(runs(p, &two.digest));
}

static void the_contracts_rate_of_verdicts_holds_where_the_host_has_none(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	more_settings(p, "verdict-rate = 0\nverdict-times = 0\n");
	contract_with(p, "\"verdicts_per_minute\": 300");
	one = settled(p);
	two = trial(p, 111, &one, FOREVER);
	count(p, 2, 50);
	endpoint_until(p, "the storm is taken back", given_up, &two, 100);
	assert_true(endpoint_has_history(p, "50 verdicts within 2 s, at most 10 are allowed"));
}

/* Takes memory and keeps it: content that grows in its engine. */
static void the_contracts_memory_holds_a_sensor_that_grows_under_its_content(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	size_t size = 500 * MB;
	char *hog;

	NEED_AGENT(p);
	contract_with(p, "\"sensor_rss_bytes\": 419430400");
	one = settled(p);
	two = trial(p, 111, &one, 30);
	endpoint_until(p, "what does not grow is committed", endpoint_runs_committed, &two, 1000);
	one = trial(p, 112, &two, FOREVER);
	hog = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(hog != MAP_FAILED);
	memset(hog, 1, size);
	endpoint_until(p, "what grows is taken back", given_up, &one, 100);
	munmap(hog, size);
	assert_true(endpoint_has_history(p, "ceiling-rss"));
	assert_true(endpoint_has_history(p, "over 2 s, at most 419430400 are allowed"));
	assert_true(runs(p, &two.digest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(a_storm_is_measured_by_the_content_before, setup),
		ENDPOINT_TEST(the_contracts_rate_of_verdicts_holds_where_the_host_has_none, setup),
		ENDPOINT_TEST(the_contracts_memory_holds_a_sensor_that_grows_under_its_content, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
