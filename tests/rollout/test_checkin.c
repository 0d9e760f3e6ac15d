#include "rollout/checkin.h"
#include "tests/test.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEAD "\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":17,\"sent\":1738324800,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"}"
#define OF_CONTENT "\"at\":5,\"channel\":\"edr\",\"digest\":\"" HEX_A "\",\"attempt\":1"

static int parse(struct checkin **out, const char *text, uint64_t *n, int *at, struct err *e)
{
	return checkin_parse(out, text, strlen(text), n, at, e);
}

/* A request that uses every member. */
static void fill(struct checkin *c, struct checkin_channel *channel, struct checkin_event *events, struct checkin_want *want,
		 char (*tags)[CHECKIN_TEXT_MAX + 1])
{
	struct digest d;

	hash_bytes(&d, "x", 1);
	*channel = (struct checkin_channel){ .channel = "edr", .ring = "early", .phase = "ACTIVE", .rung = "trial", .running = d,
					     .high_water = 109, .held = "\"by\" me" };
	for (int k = 0; k < CHECKIN_KINDS; k++) {
		events[k] = (struct checkin_event){ .n = (uint64_t)k + 3, .at = 1738324800 + k, .channel = "edr", .digest = d, .attempt = 2,
						    .kind = (enum checkin_kind)k, .reason = "crash" };
		snprintf(events[k].detail, sizeof events[k].detail, "line one\nline two %d", k);
	}
	events[CHECKIN_GOODBYE] = (struct checkin_event){ .n = 100, .at = 1, .kind = CHECKIN_GOODBYE };
	*want = (struct checkin_want){ .channel = "edr", .digest = d, .attempt = 2 };
	strcpy(tags[0], "pilot");
	*c = (struct checkin){ .epoch = "0123456789abcdef", .seq = 17, .sent = 1738324800, .boot_id = "b0",
			       .facts = { .os = "debian-12", .arch = "x86_64", .host = "h", .sensor = "acme", .sensor_version = "7.11",
					  .locale = "zh_CN", .contract = d, .tags = tags, .tag_count = 1 },
			       .channels = channel, .channel_count = 1, .events = events, .event_count = CHECKIN_KINDS, .wants = want,
			       .want_count = 1 };
}

static void what_the_agent_writes_the_server_reads(void **state)
{
	struct checkin c;
	struct checkin_channel channel;
	struct checkin_event events[CHECKIN_KINDS];
	struct checkin_want want;
	char tags[1][CHECKIN_TEXT_MAX + 1], stratum[CHECKIN_STRATUM_MAX + 1];
	AUTO(checkin) struct checkin *back = NULL;
	AUTO(buf) struct buf *one = buf_new(0), *two = buf_new(0);
	struct err e;
	uint64_t n;
	int at;

	(void)state;
	fill(&c, &channel, events, &want, tags);
	assert_ok(checkin_write(one, &c, &e));
	assert_ok(parse(&back, one->data, &n, &at, &e));
	assert_int_equal(at, -1);
	assert_ok(checkin_write(two, back, &e));
	assert_string_equal(one->data, two->data);
	assert_int_equal(back->event_count, CHECKIN_KINDS);
	assert_string_equal(back->events[0].detail, "line one\nline two 0");
	checkin_stratum(stratum, STRATUM_DEFAULT, &back->facts);
	assert_string_equal(stratum, "debian-12/7.11/zh_CN");
	/* what a policy does not ask for keeps its place, so that pooling finds locale and version */
	checkin_stratum(stratum, 1u << STRATUM_OS, &back->facts);
	assert_string_equal(stratum, "debian-12/*/*");
	checkin_stratum(stratum, 1u << STRATUM_LOCALE | 1u << STRATUM_ARCH, &back->facts);
	assert_string_equal(stratum, "x86_64/*/*/zh_CN");
}

static void a_bare_heartbeat_is_enough(void **state)
{
	AUTO(checkin) struct checkin *c = NULL;
	struct err e;

	(void)state;
	assert_ok(parse(&c, "{" HEAD "}", NULL, NULL, &e));
	assert_int_equal(c->event_count + c->want_count + c->channel_count, 0);
}

static void the_poisoned_event_is_named(void **state)
{
	static const struct { const char *event; uint64_t n; } bad[] = {
		{ "{\"n\":9," OF_CONTENT ",\"kind\":\"exploded\"}", 9 },
		{ "{\"n\":9," OF_CONTENT "}", 9 },
		{ "{\"n\":9,\"at\":5,\"kind\":\"failed\"}", 9 },
		{ "{\"n\":9,\"at\":-5,\"kind\":\"goodbye\"}", 9 },
		{ "{\"n\":9," OF_CONTENT ",\"kind\":\"failed\",\"reason\":7}", 9 },
		{ "{\"n\":9," OF_CONTENT ",\"kind\":\"failed\",\"reason\":\"a-reason-code-of-more-than-thirty-two-bytes\"}", 9 },
		{ "{\"n\":9,\"at\":5,\"channel\":\"edr\",\"digest\":\"" HEX_A "\",\"attempt\":0,\"kind\":\"failed\"}", 9 },
		{ "{\"n\":1,\"at\":5,\"kind\":\"goodbye\"}", 1 },
		{ "{\"at\":5,\"kind\":\"goodbye\"}", 0 },
	};
	struct err e;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct checkin *c = NULL;
		uint64_t n = 77;
		int at = 77;

		snprintf(text, sizeof text, "{" HEAD ",\"events\":[{\"n\":1,\"at\":5,\"kind\":\"goodbye\"},%s]}", bad[i].event);
		if (parse(&c, text, &n, &at, &e) >= 0 || n != bad[i].n || at != 1)
			fail_msg("%s: n %llu, at %d: %s", bad[i].event, (unsigned long long)n, at, e.msg);
	}
}

static void other_faults_name_no_event(void **state)
{
	static const char *const bad[] = {
		"", "{}", "{\"format\":2," HEAD "}", "{" HEAD ",\"channels\":[7]}", "{" HEAD ",\"events\":{}}", "{" HEAD ",\"events\":[7]}",
		"{" HEAD ",\"want\":[{\"channel\":\"edr\",\"attempt\":1}]}",
		"{" HEAD ",\"channels\":[{\"channel\":\"edr\",\"ring\":\"a\"},{\"channel\":\"edr\",\"ring\":\"a\"}]}",
		"{\"format\":1,\"epoch\":\"0123456789ABCDEF\",\"seq\":17,\"sent\":1,\"facts\":{}}",
		"{\"format\":1,\"epoch\":\"0123\",\"seq\":17,\"sent\":1,\"facts\":{}}",
		"{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":0,\"sent\":1,\"facts\":{}}",
		"{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":1,\"sent\":1,\"facts\":{\"os\":\"a\\u001bb\"}}",
		"{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":1,\"sent\":1,\"facts\":{\"tags\":[\"\"]}}",
		"{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":1,\"sent\":1}",
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct checkin *c = NULL;
		int at = 77;

		if (parse(&c, bad[i], NULL, &at, &e) >= 0 || at != -1)
			fail_msg("%s: at %d: %s", bad[i], at, e.msg);
	}
}

static void more_events_than_fit_are_refused_and_none_is_to_blame(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);
	struct checkin *c = NULL;
	struct err e;
	int at;

	(void)state;
	buf_adds(b, "{" HEAD ",\"events\":[");
	for (int i = 0; i <= CHECKIN_EVENTS_MAX; i++)
		buf_addf(b, "%s{\"n\":%d,\"at\":5,\"kind\":\"goodbye\"}", i ? "," : "", i + 1);
	buf_adds(b, "]}");
	assert_true(parse(&c, b->data, NULL, &at, &e) < 0);
	assert_int_equal(at, -1);
}

static void a_check_in_over_64_kib_is_not_written(void **state)
{
	struct checkin_event *events = calloc(CHECKIN_EVENTS_MAX, sizeof *events);
	struct checkin c = { .epoch = "0123456789abcdef", .seq = 1, .events = events, .event_count = CHECKIN_EVENTS_MAX };
	AUTO(buf) struct buf *b = buf_new(0);
	struct err e;

	(void)state;
	assert_non_null(events);
	for (size_t i = 0; i < CHECKIN_EVENTS_MAX; i++) {
		events[i] = (struct checkin_event){ .n = i + 1, .kind = CHECKIN_ENV };
		memset(events[i].detail, 'x', CHECKIN_DETAIL_MAX);
	}
	assert_refused(checkin_write(b, &c, &e), ERR_LIMIT, "fewer events");
	free(events);
}

static void the_answer_of_the_design_is_read_and_written(void **state)
{
	static const char text[] =
		"{\"acked\":17,\"permits\":[{\"channel\":\"edr\",\"digest\":\"" HEX_A "\",\"attempt\":1,\"answer\":\"go\",\"valid_s\":600,\"reason\":null}],"
		"\"next_checkin_s\":300,\"timestamps\":{\"main\":4711},\"refresh\":false,\"token\":null}";
	struct checkin_answer a, b;
	AUTO(buf) struct buf *out = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(checkin_answer_parse(&a, text, strlen(text), &e));
	assert_int_equal(a.acked, 17);
	assert_true(a.permits[0].go && a.permits[0].valid_s == 600);
	assert_string_equal(a.repos[0].name, "main");
	assert_int_equal(a.repos[0].timestamp, 4711);
	assert_string_equal(a.token, "");
	assert_ok(checkin_answer_write(out, &a, &e));
	assert_string_equal(out->data, text);
	assert_ok(checkin_answer_parse(&b, out->data, out->len, &e));
}

static void only_the_word_go_is_a_permit(void **state)
{
	static const char *const words[] = { "wait", "GO", "go ", "gone", "" };
	struct checkin_answer a;
	struct err e;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		snprintf(text, sizeof text, "{\"acked\":1,\"permits\":[{\"channel\":\"edr\",\"digest\":\"" HEX_A "\",\"attempt\":1,\"answer\":\"%s\"}]}", words[i]);
		assert_ok(checkin_answer_parse(&a, text, strlen(text), &e));
		assert_false(a.permits[0].go);
	}
}

static void malformed_answers_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{\"acked\":-1}", "{\"acked\":1,\"next_checkin_s\":0}", "{\"acked\":1,\"next_checkin_s\":99999999}",
		"{\"acked\":1,\"timestamps\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}}", "{\"acked\":1,\"timestamps\":{\"../a\":1}}",
		"{\"acked\":1,\"permits\":[{}]}", "{\"acked\":1,\"permits\":[7]}", "{\"acked\":1,\"refresh\":\"no\"}",
	};
	struct checkin_answer a = { .acked = 5 };
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (checkin_answer_parse(&a, bad[i], strlen(bad[i]), &e) >= 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(a.acked, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_agent_writes_the_server_reads),
		cmocka_unit_test(a_bare_heartbeat_is_enough),
		cmocka_unit_test(the_poisoned_event_is_named),
		cmocka_unit_test(other_faults_name_no_event),
		cmocka_unit_test(more_events_than_fit_are_refused_and_none_is_to_blame),
		cmocka_unit_test(a_check_in_over_64_kib_is_not_written),
		cmocka_unit_test(the_answer_of_the_design_is_read_and_written),
		cmocka_unit_test(only_the_word_go_is_a_permit),
		cmocka_unit_test(malformed_answers_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
