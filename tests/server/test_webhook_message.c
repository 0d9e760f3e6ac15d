/* test_webhook_message: what a message is called, how it is signed, how patient the sender is. */
#include "tests/test.h"

#include "base/json.h"
#include "server/webhook_message.h"

static const char *type_of(const char *kind, const char *to, const char *device)
{
	static char out[WEBHOOK_TYPE_MAX];
	const struct store_feed f = { 7, { .kind = kind, .to = to, .device = device, .channel = "", .ring = "", .from = "", .cause = "", .sentence = "" } };

	webhook_type(out, &f);
	return out;
}

static void every_kind_has_a_type_and_what_is_about_one_device_says_so(void **state)
{
	(void)state;
	assert_string_equal(type_of("published", "", ""), "ringhold.bundle.published");
	assert_string_equal(type_of("state", "rolled-back", ""), "ringhold.ring.rolled-back");
	assert_string_equal(type_of("stop", "", ""), "ringhold.rollout.stop");
	assert_string_equal(type_of("signing-request", "open", ""), "ringhold.signing-request.open");
	assert_string_equal(type_of("lost", "", "d1"), "ringhold.device.lost");
	assert_string_equal(type_of("enrolled", "", "d1"), "ringhold.device.enrolled");
	assert_string_equal(type_of("late_failure", "", "d1"), "ringhold.device.late_failure");
	assert_false(webhook_wants(WEBHOOK_TYPES, type_of("lost", "", "d1")));
	assert_false(webhook_wants(WEBHOOK_TYPES, type_of("survived", "", "d1")));
	assert_true(webhook_wants(WEBHOOK_TYPES, type_of("hook", "", "")));
}

static void a_type_holds_what_is_beneath_it_and_nothing_that_begins_alike(void **state)
{
	(void)state;
	assert_true(webhook_wants("a ringhold.ring", "ringhold.ring.halted"));
	assert_true(webhook_wants("ringhold.ring.halted", "ringhold.ring.halted"));
	assert_false(webhook_wants("ringhold.ring.halt", "ringhold.ring.halted"));
	assert_false(webhook_wants("ringhold.ring.halted.now", "ringhold.ring.halted"));
	assert_false(webhook_wants("", "ringhold.ring.halted"));
}

/* The example of the Standard Webhooks libraries. */
static void a_signature_is_the_one_of_the_standard(void **state)
{
	static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body[] = "{\"test\": 2432232314}";
	char out[WEBHOOK_SIGNATURES], made[WEBHOOK_SECRET_TEXT];
	struct err e;

	(void)state;
	assert_ok(webhook_sign(out, secret, "", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), &e));
	assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	assert_ok(webhook_secret(made, &e));
	assert_ok(webhook_sign(out, secret, made, "m", 1, body, strlen(body), &e));
	assert_non_null(strstr(out, " v1,"));
	assert_int_equal(webhook_sign(out, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "", "m", 1, "", 0, &e), ERR_FORMAT);
	assert_int_equal(webhook_sign(out, "whsec_c2hvcnQ=", "", "m", 1, "", 0, &e), ERR_FORMAT);
}

static void a_message_is_json_whatever_a_sentence_says(void **state)
{
	const struct store_feed f = { 4711, { .at = 1769860800, .kind = "state", .channel = "edr", .ring = "canary", .rollout = 7, .to = "halted",
					      .device = "", .from = "offering", .cause = "evidence", .sentence = "\"}\n\x01\xc3\xa4 </script>" } };
	AUTO(buf) struct buf *out = buf_new(WEBHOOK_MESSAGE_MAX);
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	(void)state;
	assert_ok(webhook_event(out, &f, "urn:ringhold:x", &e));
	assert_ok(json_parse(&d, "event", out->data, out->len, NULL, &e));
	assert_true(json_is(json_get(d->root, "id"), "4711"));
	assert_true(json_is(json_get(d->root, "subject"), "edr/7/canary"));
	assert_true(json_is(json_get(d->root, "time"), "2026-01-31T12:00:00Z"));
	assert_string_equal(json_get(json_get(d->root, "data"), "sentence")->u.text, f.d.sentence);
}

static void patience_grows_to_an_hour_and_no_two_wait_alike(void **state)
{
	(void)state;
	assert_int_equal(webhook_wait(1, 0), 5);
	assert_int_equal(webhook_wait(2, 0), 15);
	assert_int_equal(webhook_wait(40, 0), WEBHOOK_WAIT_MAX);
	for (int64_t n = 1; n < 12; n++)
		for (unsigned j = 0; j < 1000; j += 37) {
			assert_true(webhook_wait(n, j) <= webhook_wait(n, 0));
			assert_true(webhook_wait(n, j) >= webhook_wait(n, 0) * 4 / 5);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_a_type_and_what_is_about_one_device_says_so),
		cmocka_unit_test(a_type_holds_what_is_beneath_it_and_nothing_that_begins_alike),
		cmocka_unit_test(a_signature_is_the_one_of_the_standard),
		cmocka_unit_test(a_message_is_json_whatever_a_sentence_says),
		cmocka_unit_test(patience_grows_to_an_hour_and_no_two_wait_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
