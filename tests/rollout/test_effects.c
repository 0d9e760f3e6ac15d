#include <stdlib.h>

#include "rollout/checkin.h"
#include "tests/test.h"

#define HEAD "\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":17,\"sent\":1738324800,\"facts\":{}"

/* A check-in of `count` channels with as many rules each; every byte of a rule's id becomes six in JSON when `hard`. */
static struct checkin *made(size_t count, size_t rules, bool hard)
{
	struct checkin *c = calloc(1, sizeof *c);

	assert_non_null(c);
	strcpy(c->epoch, "0123456789abcdef");
	c->seq = 1;
	c->channels = calloc(count, sizeof *c->channels);
	assert_non_null(c->channels);
	for (; c->channel_count < count; c->channel_count++) {
		struct checkin_channel *n = &c->channels[c->channel_count];
		struct effects *f = n->effects = calloc(1, sizeof *f);

		assert_non_null(f);
		snprintf(n->channel, sizeof n->channel, "channel-%zu", c->channel_count);
		strcpy(n->ring, "early");
		hash_bytes(&f->digest, "x", 1);
		f->counted = f->measured = true;
		f->counted_s = 600;
		f->events = 1000;
		f->errors = 1;
		f->verdicts[EFFECTS_ALERT] = 7;
		f->would[EFFECTS_BLOCK] = 5;
		f->load_ms = 12;
		f->measured_s = 300;
		f->cpu_ms = 4;
		f->rss_bytes = 1 << 20;
		f->rules = calloc(rules ? rules : 1, sizeof *f->rules);
		assert_non_null(f->rules);
		for (; f->rule_count < rules; f->rule_count++) {
			struct effects_rule *r = &f->rules[f->rule_count];

			memset(r->rule, hard ? '"' : 'r', RULE_LEN_MAX);
			r->n = 1000 - f->rule_count;
		}
	}
	return c;
}

static void what_the_agent_writes_of_effects_the_server_reads(void **state)
{
	AUTO(checkin) struct checkin *c = made(2, 3, false), *back = NULL;
	AUTO(buf) struct buf *one = buf_new(0), *two = buf_new(0);
	const struct effects *f;
	struct err e;

	(void)state;
	assert_ok(checkin_write(one, c, &e));
	assert_ok(checkin_parse(&back, one->data, one->len, NULL, NULL, &e));
	assert_ok(checkin_write(two, back, &e));
	assert_string_equal(one->data, two->data);
	f = back->channels[1].effects;
	assert_true(f->counted && f->measured);
	assert_int_equal(f->counted_s, 600);
	assert_int_equal(f->verdicts[EFFECTS_ALERT], 7);
	assert_int_equal(f->would[EFFECTS_BLOCK], 5);
	assert_int_equal(f->rule_count, 3);
	assert_int_equal(f->rules[2].n, 998);
	assert_int_equal(f->cpu_ms, 4);
}

/* Events prove that content survived; effects are the first thing to go. */
static void effects_never_take_the_room_of_events(void **state)
{
	AUTO(checkin) struct checkin *c = made(CHECKIN_CHANNELS_MAX, EFFECTS_RULES_MAX, true), *back = NULL;
	AUTO(buf) struct buf *b = buf_new(0);
	struct err e;

	(void)state;
	assert_ok(checkin_write(b, c, &e));
	/* A channel's share, its fixed part beside it, is all that effects take. */
	assert_true(b->len < CHECKIN_EFFECTS_ROOM + CHECKIN_CHANNELS_MAX * 1000);
	assert_ok(checkin_parse(&back, b->data, b->len, NULL, NULL, &e));
	assert_int_equal(back->channel_count, CHECKIN_CHANNELS_MAX);
	assert_true(back->channels[0].effects->rule_count < EFFECTS_RULES_MAX);
}

static void the_rules_with_the_fewest_verdicts_are_left_out_first(void **state)
{
	AUTO(checkin) struct checkin *c = made(16, EFFECTS_RULES_MAX, false), *back = NULL;
	AUTO(buf) struct buf *b = buf_new(0);
	const struct effects *f;
	struct err e;

	(void)state;
	assert_ok(checkin_write(b, c, &e));
	assert_ok(checkin_parse(&back, b->data, b->len, NULL, NULL, &e));
	f = back->channels[15].effects;
	assert_true(f->rule_count > 0 && f->rule_count < EFFECTS_RULES_MAX);
	for (size_t i = 0; i < f->rule_count; i++)
		assert_int_equal(f->rules[i].n, 1000 - i);
}

static void a_sensor_that_does_not_count_is_told_from_one_that_counted_nothing(void **state)
{
	static const char text[] = "{" HEAD ",\"channels\":["
				   "{\"channel\":\"a\",\"ring\":\"r\"},"
				   "{\"channel\":\"b\",\"ring\":\"r\",\"effects\":{\"measured\":{\"seconds\":5,\"cpu_ms\":1,\"rss_bytes\":2}}},"
				   "{\"channel\":\"c\",\"ring\":\"r\",\"effects\":{\"counted\":{\"seconds\":5,\"events\":0}}}]}";
	AUTO(checkin) struct checkin *c = NULL;
	struct err e;

	(void)state;
	assert_ok(checkin_parse(&c, text, strlen(text), NULL, NULL, &e));
	assert_null(c->channels[0].effects);
	assert_true(c->channels[1].effects->measured && !c->channels[1].effects->counted);
	assert_true(c->channels[2].effects->counted && !c->channels[2].effects->measured);
	checkin_forget_effects(c);
	assert_null(c->channels[2].effects);
}

static void more_rules_than_allowed_are_refused(void **state)
{
	AUTO(buf) struct buf *b = buf_new(0);
	struct checkin *c = NULL;
	struct err e;
	int at;

	(void)state;
	buf_adds(b, "{" HEAD ",\"channels\":[{\"channel\":\"a\",\"ring\":\"r\",\"effects\":{\"counted\":{\"seconds\":5,\"events\":0,\"rules\":[");
	for (int i = 0; i <= EFFECTS_RULES_MAX; i++)
		buf_addf(b, "%s{\"rule\":\"r%d\",\"n\":1}", i ? "," : "", i);
	buf_adds(b, "]}}}]}");
	assert_true(checkin_parse(&c, b->data, b->len, NULL, &at, &e) < 0);
	assert_int_equal(at, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_agent_writes_of_effects_the_server_reads),
		cmocka_unit_test(effects_never_take_the_room_of_events),
		cmocka_unit_test(the_rules_with_the_fewest_verdicts_are_left_out_first),
		cmocka_unit_test(a_sensor_that_does_not_count_is_told_from_one_that_counted_nothing),
		cmocka_unit_test(more_rules_than_allowed_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
