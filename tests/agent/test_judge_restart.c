/*
 * test_judge_restart: what a host must not forget, with the real agent killed
 * at the worst moment: stops that were seen, and the day of the online key.
 */
#include "endpoint.h"

#define GOOD "deploy/demo/edr-good"

#define NEED_AGENT(p)                                            \
	do {                                                     \
		if (access((p)->bin, X_OK) < 0)                  \
			skip_named("%s is not built", (p)->bin); \
	} while (0)

/* The whole document: these and no others. */
static void publish_list(struct endpoint *p, enum stops_kind kind, const struct published *const *list, size_t count)
{
	AUTO(stops) struct stops *s = stops_new(kind, "edr");
	AUTO(buf) struct buf *text = buf_new(0);
	char path[PATH_LEN_MAX + 1];
	struct err e;

	for (size_t i = 0; i < count; i++) {
		struct stop_entry entry = { .digest = list[i]->digest, .serial = list[i]->serial, .at = clock_now(), .reason = "it hurts" };

		assert_ok(stops_add(s, &entry, &e));
	}
	assert_ok(stops_write(text, s, &e));
	stops_path(path, kind, "edr");
	endpoint_put(p, kind == STOPS_STOP ? "stop" : "recall", path, text, NULL);
	endpoint_publish(p);
}

/* The baseline, 110, 111 and 112, each committed; agent and sensor run. */
static void commit_three(struct endpoint *p, struct published b[4])
{
	char *archive, *out;
	struct err e;

	b[0] = endpoint_bundle(p, GOOD, 5, NULL);
	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, b[0].path, &archive, &e));
	assert_int_equal(endpoint_command(p, &out, "baseline", "edr", archive), 0);
	free(archive);
	free(out);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	for (int i = 1; i < 4; i++) {
		b[i] = endpoint_bundle(p, GOOD, 109 + (uint64_t)i, NULL);
		endpoint_assign(p, &b[i], &b[i - 1], 1, 30, 0);
		endpoint_until(p, "a bundle is committed", endpoint_runs_committed, &b[i], 3000);
	}
}

static bool runs(struct endpoint *p, const struct published *b)
{
	struct seen s = endpoint_look(p);

	return digest_equal(&s.running, &b->digest);
}

/* The latest verdict says that the online key has had its bundle of the day. */
static bool day_is_spent(const struct seen *s, const void *arg)
{
	(void)arg;
	return strstr(s->state.last.reason, "took one committed bundle within a day") != NULL;
}

static bool assigned_and_not_done(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING;
}

static size_t times_in_history(struct endpoint *p, const char *word)
{
	char *out = NULL;
	size_t n = 0;

	assert_int_equal(endpoint_command(p, &out, "history", "edr", NULL), 0);
	for (const char *at = out; (at = strstr(at, word)); at++)
		n++;
	free(out);
	return n;
}

static void a_killed_agent_forgets_neither_a_stop_nor_the_day_of_the_online_key(void **state)
{
	struct endpoint *p = *state;
	struct published b[4];

	NEED_AGENT(p);
	commit_three(p, b);
	publish_list(p, STOPS_STOP, (const struct published *const[]){ &b[3] }, 1);
	endpoint_until(p, "the stop is obeyed", endpoint_runs_committed, &b[2], 3000);
	endpoint_agent_end(p, SIGKILL);
	/* The thief of the online key goes on: another bundle, and the first no longer listed. */
	publish_list(p, STOPS_STOP, (const struct published *const[]){ &b[2] }, 1);
	endpoint_assign(p, &b[3], &b[2], 2, 30, 0);
	endpoint_agent_start(p);
	endpoint_until(p, "the second stop is seen", day_is_spent, NULL, 1000);
	endpoint_until(p, "and the new attempt at what was stopped is refused", assigned_and_not_done, &b[3], 3000);
	assert_true(runs(p, &b[2]));
	/* People may take it, within the same day. */
	publish_list(p, STOPS_RECALL, (const struct published *const[]){ &b[2] }, 1);
	endpoint_until(p, "the recall is obeyed", endpoint_runs_committed, &b[0], 3000);
	while (times_in_history(p, "recall") == 0)      /* written after the record */
		poll(NULL, 0, 20);
}

static void a_day_later_the_online_key_takes_another(void **state)
{
	struct endpoint *p = *state;
	struct published b[4];

	NEED_AGENT(p);
	commit_three(p, b);
	publish_list(p, STOPS_STOP, (const struct published *const[]){ &b[3] }, 1);
	endpoint_until(p, "the stop is obeyed", endpoint_runs_committed, &b[2], 3000);
	publish_list(p, STOPS_STOP, (const struct published *const[]){ &b[3], &b[2] }, 2);
	endpoint_until(p, "the second stop is seen", day_is_spent, NULL, 1000);
	assert_true(runs(p, &b[2]));
	/* Nothing was published meanwhile, and what was is expired: what is known is obeyed all the same. */
	*p->clock_ms += (int64_t)24 * 3600 * 1000;
	endpoint_until(p, "a day later it is obeyed", endpoint_runs_committed, &b[0], 30000);
}

/* A verdict may be on its way from before the refusal; it must not begin the same attempt again. */
static void what_was_declined_is_declined_once(void **state)
{
	struct endpoint *p = *state;
	struct published one, refused;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 3000);
	for (uint64_t attempt = 1; attempt <= 3; attempt++) {
		refused = endpoint_bundle(p, "deploy/demo/edr-21", 111, NULL);
		endpoint_assign(p, &refused, &one, attempt, 30, 0);
		for (struct seen s = endpoint_look(p); s.state.last.attempt != attempt || !assigned_and_not_done(&s, &refused) ||
						       strcmp(s.state.last.word, "quarantined") != 0; s = endpoint_look(p)) {
			*p->clock_ms += 200;
			poll(NULL, 0, 5);
		}
		assert_int_equal(times_in_history(p, "supplies 20"), attempt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_killed_agent_forgets_neither_a_stop_nor_the_day_of_the_online_key, endpoint_setup,
						endpoint_teardown),
		cmocka_unit_test_setup_teardown(what_was_declined_is_declined_once, endpoint_setup, endpoint_teardown),
		cmocka_unit_test_setup_teardown(a_day_later_the_online_key_takes_another, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
