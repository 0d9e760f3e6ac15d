#include "rollout/ringmap.h"
#include "tests/test.h"

#define MAP(rules) "{\"format\":1,\"salt\":\"00112233445566778899aabbccddeeff\",\"rings\":[\"canary\",\"early\",\"broad\"],\"rules\":[" rules "]}"

static int parse(struct ringmap **out, const char *text, struct err *e)
{
	return ringmap_parse(out, "ringmap.json", text, strlen(text), e);
}

static const char *ring_of(const char *rules, const struct ringmap_facts *f)
{
	static char ring[NAME_LEN_MAX + 1];
	AUTO(ringmap) struct ringmap *m = NULL;
	struct err e;
	char text[2048];

	snprintf(text, sizeof text, MAP("%s"), rules);
	assert_ok(parse(&m, text, &e));
	strcpy(ring, ringmap_resolve(m, f, NULL));
	return ring;
}

static void the_first_match_wins_and_nobody_is_left_without_a_ring(void **state)
{
	static const char *const lab[] = { "pool=lab" }, *const pilot[] = { "x", "pilot" };
	static const char rules[] = "{\"ring\":\"canary\",\"attributes\":[\"pool=lab\"]},{\"ring\":\"early\",\"tags\":[\"pilot\"]},"
				    "{\"ring\":\"broad\",\"tags\":[\"pilot\"]}";
	struct ringmap_facts f = { .device = "d1" };
	AUTO(ringmap) struct ringmap *m = NULL;
	struct err e;
	int rule;

	(void)state;
	assert_string_equal(ring_of(rules, &f), "broad");
	f.tags = pilot;
	f.tag_count = 2;
	assert_string_equal(ring_of(rules, &f), "early");
	f.attributes = lab;
	f.attribute_count = 1;
	assert_string_equal(ring_of(rules, &f), "canary");
	assert_ok(parse(&m, MAP("{\"ring\":\"early\",\"tags\":[\"pilot\"]}"), &e));
	ringmap_resolve(m, &f, &rule);
	assert_int_equal(rule, 0);
	f.tag_count = 0;
	assert_string_equal(ringmap_resolve(m, &f, &rule), "broad");
	assert_int_equal(rule, -1);
}

static void an_override_stands_instead_of_what_a_device_claims(void **state)
{
	static const char text[] = "{\"format\":1,\"needs\":[\"overrides\"],\"salt\":\"00112233445566778899aabbccddeeff\",\"rings\":[\"canary\","
				   "\"early\",\"broad\"],\"rules\":[{\"ring\":\"early\",\"tags\":[\"pilot\"]}],"
				   "\"overrides\":[{\"devices\":[\"liar\"],\"tags\":[]},{\"devices\":[\"shy\",\"liar\"],\"tags\":[\"x\",\"pilot\"]}]}";
	static const char *const pilot[] = { "pilot" };
	struct ringmap_facts f = { .device = "liar", .tags = pilot, .tag_count = 1 };
	AUTO(ringmap) struct ringmap *m = NULL;
	const char *const *tags;
	struct err e;
	size_t count;

	(void)state;
	assert_ok(parse(&m, text, &e));
	assert_string_equal(ringmap_resolve(m, &f, NULL), "broad");
	f.device = "honest";
	assert_string_equal(ringmap_resolve(m, &f, NULL), "early");
	assert_false(ringmap_override(m, "honest", &tags, &count));
	f = (struct ringmap_facts){ .device = "shy" };
	assert_string_equal(ringmap_resolve(m, &f, NULL), "early");
	assert_true(ringmap_override(m, "shy", &tags, &count));
	assert_int_equal(count, 2);
	assert_string_equal(tags[1], "pilot");
	ringmap_free(TAKE(m));
	assert_refused(parse(&m, MAP("],\"overrides\":[{\"devices\":[],\"tags\":[]}"), &e), ERR_FORMAT, "needs");
}

static void every_condition_of_a_rule_must_hold(void **state)
{
	static const char rules[] = "{\"ring\":\"early\",\"os\":[\"debian-*\",\"ubuntu-*\"],\"sensor\":[\"acme/7.*\"],\"host\":[\"*.lab\"],"
				    "\"devices\":[\"d1\",\"d2\"]}";
	struct ringmap_facts f = { .device = "d2", .os = "debian-12", .sensor = "acme/7.11", .host = "a.lab" };

	(void)state;
	assert_string_equal(ring_of(rules, &f), "early");
	for (int i = 0; i < 4; i++) {
		struct ringmap_facts one = f;
		const char **spoil[] = { &one.device, &one.os, &one.sensor, &one.host };

		*spoil[i] = "other";
		assert_string_equal(ring_of(rules, &one), "broad");
		*spoil[i] = NULL;
		assert_string_equal(ring_of(rules, &one), "broad");
	}
}

static void a_device_cannot_claim_its_way_into_the_first_ring(void **state)
{
	static const char *const claims[] = {
		"\"tags\":[\"a\"]", "\"os\":[\"a\"]", "\"sensor\":[\"a\"]", "\"host\":[\"a\"]", "\"bucket\":{\"from\":0,\"to\":1}",
		"\"attributes\":[\"a\"],\"tags\":[\"a\"]",
	};
	char text[512];
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		struct ringmap *m = NULL;

		snprintf(text, sizeof text, MAP("{\"ring\":\"canary\",%s}"), claims[i]);
		assert_refused(parse(&m, text, &e), ERR_REFUSED, "first ring");
		assert_null(m);
	}
}

static void buckets_split_the_fleet_in_the_wanted_share(void **state)
{
	struct ringmap_facts f = { 0 };
	AUTO(ringmap) struct ringmap *m = NULL;
	struct err e;
	char id[16];
	int early = 0;

	(void)state;
	assert_ok(parse(&m, MAP("{\"ring\":\"early\",\"bucket\":{\"from\":0,\"to\":1000}}"), &e));
	for (int i = 0; i < 20000; i++) {
		snprintf(id, sizeof id, "dev-%d", i);
		f.device = id;
		early += strcmp(ringmap_resolve(m, &f, NULL), "early") == 0;
		assert_true(ringmap_bucket(m, id) < RINGMAP_BUCKETS);
	}
	assert_true(early > 1800 && early < 2200);      /* 10 %, six deviations wide */
	f.device = NULL;
	assert_string_equal(ringmap_resolve(m, &f, NULL), "broad");
}

static void malformed_maps_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "{}", "{\"format\":1,\"salt\":\"00112233445566778899\",\"rings\":[],\"rules\":[]}",
		"{\"format\":1,\"salt\":\"0011\",\"rings\":[\"a\"],\"rules\":[]}", "{\"format\":1,\"salt\":\"001122334455667\",\"rings\":[\"a\"],\"rules\":[]}",
		"{\"format\":1,\"salt\":\"zz112233445566778899\",\"rings\":[\"a\"],\"rules\":[]}",
		"{\"format\":1,\"salt\":\"00112233445566778899\",\"rings\":[\"a\",\"a\"],\"rules\":[]}",
		"{\"format\":1,\"salt\":\"00112233445566778899\",\"rings\":[\"A b\"],\"rules\":[]}",
		MAP("{\"ring\":\"late\",\"tags\":[\"a\"]}"), MAP("{\"ring\":\"early\"}"), MAP("{\"ring\":\"early\",\"tags\":[7]}"),
		MAP("{\"ring\":\"early\",\"tags\":[\"\"]}"), MAP("{\"ring\":\"early\",\"moon\":[\"full\"]}"),
		MAP("{\"ring\":\"early\",\"bucket\":{\"from\":5,\"to\":5}}"), MAP("{\"ring\":\"early\",\"bucket\":{\"from\":0,\"to\":10001}}"), MAP("7"),
	};
	struct ringmap *m = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(&m, bad[i], &e) >= 0)
			fail_msg("taken: %s", bad[i]);
	assert_null(m);
}

static void globs_match_whole_texts_and_end_in_time(void **state)
{
	static const struct { const char *pattern, *text; bool want; } cases[] = {
		{ "", "", true }, { "", "a", false }, { "*", "", true }, { "*", "abc", true }, { "a*c", "abc", true }, { "a*c", "abcd", false },
		{ "a?c", "abc", true }, { "a?c", "ac", false }, { "*.lab", "x.lab", true }, { "*.lab", "xlab", false }, { "**a", "ba", true },
		{ "a*b*c", "a-b-b-c", true }, { "a*b*c", "a-c-b", false }, { "*", "*", true }, { "a", "A", false },
	};
	char many[4001];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (ringmap_glob(cases[i].pattern, cases[i].text) != cases[i].want)
			fail_msg("%s against %s", cases[i].pattern, cases[i].text);
	memset(many, 'a', 4000);
	many[4000] = '\0';
	assert_false(ringmap_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", many));
}

static void a_fresh_map_puts_endpoints_where_their_attribute_says(void **state)
{
	static const char *const rings[] = { "canary", "early", "broad" }, *const early[] = { "ring=early" };
	AUTO(buf) struct buf *out = buf_new(0);
	AUTO(ringmap) struct ringmap *m = NULL;
	struct ringmap_facts f = { .device = "d", .attributes = early, .attribute_count = 1 };
	struct err e;

	(void)state;
	assert_ok(ringmap_write_default(out, rings, 3, "0123456789abcdef", 16, &e));
	assert_ok(parse(&m, out->data, &e));
	assert_string_equal(ringmap_resolve(m, &f, NULL), "early");
	assert_int_equal(ringmap_rings(m), 3);
	assert_string_equal(ringmap_ring(m, 2), "broad");
	assert_null(ringmap_ring(m, 3));
	assert_int_equal(ringmap_position(m, "early"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_match_wins_and_nobody_is_left_without_a_ring),
		cmocka_unit_test(an_override_stands_instead_of_what_a_device_claims),
		cmocka_unit_test(every_condition_of_a_rule_must_hold),
		cmocka_unit_test(a_device_cannot_claim_its_way_into_the_first_ring),
		cmocka_unit_test(buckets_split_the_fleet_in_the_wanted_share),
		cmocka_unit_test(malformed_maps_are_refused),
		cmocka_unit_test(globs_match_whole_texts_and_end_in_time),
		cmocka_unit_test(a_fresh_map_puts_endpoints_where_their_attribute_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
