/* test_agent_windows: windows that close under what is under way, and content that waits for none, with the real agent. */
#include <time.h>

#include "endpoint_story.h"

static int64_t host_now(const struct endpoint *p)
{
	return (int64_t)time(NULL) + *p->clock_ms / 1000;
}

/* Of the channel, which is the last section. */
static void add_lines(struct endpoint *p, const char *lines)
{
	AUTO_FREE char *path = file_join(p->root, "etc/ringhold/agent.ini");
	AUTO(buf) struct buf *ini = NULL;
	struct err e;

	assert_ok(file_read(&ini, path, 1 << 16, &e));
	buf_adds(ini, lines);
	assert_ok(file_replace(path, ini->data, ini->len, 0644, &e));
}

/* A window of two hours that begins `hours` from the hour of now. */
static void window(struct endpoint *p, int hours)
{
	time_t from = (time_t)(host_now(p) / 3600 + hours) * 3600, to = from + 7200;
	char line[64];
	struct tm a, b;

	gmtime_r(&from, &a);
	gmtime_r(&to, &b);
	snprintf(line, sizeof line, "window = daily %02d:00-%02d:00 UTC\n", a.tm_hour, b.tm_hour);
	add_lines(p, line);
}

static void list_urgent(struct endpoint *p, const struct published *b)
{
	struct stop_entry entry = { .digest = b->digest, .serial = b->serial, .at = clock_now(), .reason = "an outbreak", .urgent = true };
	AUTO(stops) struct stops *s = stops_new(STOPS_RECALL, "edr");
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	assert_ok(stops_add(s, &entry, &e));
	assert_ok(stops_write(text, s, &e));
	endpoint_put(p, "recall", "recall/edr/recalls.json", text, NULL);
	endpoint_publish(p);
}

static bool validated(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_VALIDATED && digest_equal(&s->state.offer.digest, &b->digest);
}

static bool canaried(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_CANARIED && digest_equal(&s->state.offer.digest, &b->digest);
}

static void urgent_content_waits_for_the_window_unless_the_host_says_otherwise(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	window(p, 6);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 10, 0);
	list_urgent(p, &one);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it waits for the window", validated, &one, 1000);
	assert_tells(p, "status", "--json", 0, "waits for its window");
	endpoint_agent_end(p, SIGTERM);
	add_lines(p, "window-urgent = no\n");
	endpoint_agent_start(p);
	endpoint_until(p, "it waits for nothing", endpoint_runs_committed, &one, 1000);
}

static void what_is_not_urgent_waits_for_the_window_until_it_is(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	window(p, 6);
	add_lines(p, "window-urgent = no\n");
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 10, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it waits for the window", validated, &one, 1000);
	assert_tells(p, "status", "--json", 0, "waits for its window");
	list_urgent(p, &one);
	endpoint_until(p, "the outbreak is heard of", endpoint_runs_committed, &one, 1000);
}

/* The server's answer, as the agent keeps it; no server stands in for it here. */
static void keep_a_permit(struct endpoint *p, int64_t valid_s)
{
	AUTO(journal) struct journal *j = NULL;
	struct journal_channel c;
	struct err e;

	assert_ok(journal_open(&j, p->root, &e));
	assert_ok(journal_channel_load(j, &c, "edr", &e));
	c.permit_until = host_now(p) + valid_s;
	assert_ok(journal_begin(j, &e));
	assert_ok(journal_channel_store(j, &c, &e));
	assert_ok(journal_end(j, &e));
}

static bool told_of_the_window(const struct seen *s, const void *arg)
{
	(void)s;
	return endpoint_history_count((struct endpoint *)arg, "its window") > 0;
}

/* The server counts an open permit as this host's to finish: it is told that it will not be, and why. */
static void a_window_that_closes_under_an_open_permit_is_told_and_nothing_is_armed(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	window(p, 0);
	p->gated = true;
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 10, 0);
	endpoint_agent_start(p);        /* no sensor yet: the canary is as far as it gets */
	endpoint_until(p, "it waits for its permit", validated, &one, 0);
	endpoint_agent_end(p, SIGTERM);
	keep_a_permit(p, 4 * 3600);
	endpoint_agent_start(p);
	endpoint_until(p, "it passed the canary", canaried, &one, 0);
	*p->clock_ms += 7200 * 1000;    /* the window is over */
	endpoint_sensor_start(p);
	endpoint_until(p, "the server is to be told", told_of_the_window, p, 0);
	assert_int_equal(endpoint_look(p).record.mode, BOOT_COMMITTED);
	assert_int_equal(endpoint_look(p).state.phase, PHASE_CANARIED);
	assert_true(endpoint_has_history(p, "waits for its window"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(urgent_content_waits_for_the_window_unless_the_host_says_otherwise, endpoint_setup),
		ENDPOINT_TEST(what_is_not_urgent_waits_for_the_window_until_it_is, endpoint_setup),
		ENDPOINT_TEST(a_window_that_closes_under_an_open_permit_is_told_and_nothing_is_armed, endpoint_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
