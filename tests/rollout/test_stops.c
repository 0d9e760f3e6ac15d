#include "rollout/stops.h"
#include "tests/test.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ENTRY(hex, more) "{\"digest\":\"" hex "\",\"serial\":7,\"at\":\"2026-01-31T12:00:00Z\",\"reason\":\"bad\"" more "}"
#define DOCUMENT(head, entries) "{" head ",\"channel\":\"edr\",\"entries\":[" entries "]}"

static struct digest digest_of(char c)
{
	struct digest d;

	memset(&d, (c - 'a' + 10) * 0x11, sizeof d);
	return d;
}

static int parse(struct stops **out, enum stops_kind kind, const char *text, struct err *e)
{
	return stops_parse(out, kind, "stops.json", text, strlen(text), e);
}

static void a_listed_digest_is_found_and_no_other(void **state)
{
	AUTO(stops) struct stops *s = NULL;
	struct digest a = digest_of('a'), b = digest_of('b');
	struct err e;

	(void)state;
	assert_ok(parse(&s, STOPS_STOP, DOCUMENT("\"format\":1", ENTRY(HEX_A, "")), &e));
	assert_non_null(stops_find(s, &a));
	assert_string_equal(stops_find(s, &a)->reason, "bad");
	assert_null(stops_find(s, &b));
	assert_null(stops_find(NULL, &a));
}

static void digests_are_obeyed_even_from_a_newer_document(void **state)
{
	static const char *const newer[] = {
		DOCUMENT("\"format\":1,\"needs\":[\"tides\"]", ENTRY(HEX_A, "")),
		DOCUMENT("\"format\":2", ENTRY(HEX_A, "")),
		DOCUMENT("\"format\":\"two\"", "{\"digest\":\"" HEX_A "\"}"),
		DOCUMENT("\"needs\":[\"tides\"]", "7,{\"digest\":\"" HEX_A "\",\"serial\":{},\"at\":1,\"reason\":[]}"),
	};
	struct digest a = digest_of('a');

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(newer); i++) {
		AUTO(stops) struct stops *s = NULL;
		AUTO(buf) struct buf *out = buf_new(0);
		struct err e;

		assert_ok(parse(&s, STOPS_STOP, newer[i], &e));
		assert_true(s->newer);
		assert_non_null(stops_find(s, &a));
		assert_refused(stops_write(out, s, &e), ERR_UNSUPPORTED, "newer program");
	}
}

static void urgent_digests_are_no_recalls_and_stops_know_none(void **state)
{
	AUTO(stops) struct stops *recalls = NULL, *stop = NULL;
	struct digest a = digest_of('a'), b = digest_of('b');
	struct err e;

	(void)state;
	assert_ok(parse(&recalls, STOPS_RECALL, DOCUMENT("\"format\":1", ENTRY(HEX_A, ",\"urgent\":true") "," ENTRY(HEX_B, "")), &e));
	assert_true(stops_urgent(recalls, &a) && !stops_urgent(recalls, &b));
	assert_null(stops_find(recalls, &a));
	assert_non_null(stops_find(recalls, &b));
	/* whoever holds the online key exempts nothing from its age: there the entry stops */
	assert_ok(parse(&stop, STOPS_STOP, DOCUMENT("\"format\":1", ENTRY(HEX_A, ",\"urgent\":true")), &e));
	assert_false(stops_urgent(stop, &a));
	assert_non_null(stops_find(stop, &a));
}

static void what_is_written_parses_to_the_same(void **state)
{
	AUTO(stops) struct stops *s = stops_new(STOPS_RECALL, "edr"), *back = NULL;
	AUTO(buf) struct buf *out = buf_new(0);
	struct stop_entry one = { .digest = digest_of('a'), .serial = 7, .at = 1769860800, .reason = "it \"bites\"\n" };
	struct err e;

	(void)state;
	assert_ok(stops_add(s, &one, &e));
	assert_refused(stops_add(s, &one, &e), ERR_CONFLICT, "listed already");
	one.urgent = true;
	assert_ok(stops_add(s, &one, &e));
	assert_ok(stops_write(out, s, &e));
	assert_ok(parse(&back, STOPS_RECALL, out->data, &e));
	assert_int_equal(back->count, 2);
	assert_string_equal(back->entries[0].reason, one.reason);
	assert_int_equal(back->entries[0].at, one.at);
	assert_true(back->entries[1].urgent);
	assert_null(stops_new(STOPS_STOP, "not a name"));
}

static void malformed_stops_of_the_known_format_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "null", "{}", "{\"format\":1,\"channel\":\"edr\"}", "{\"format\":1,\"entries\":[]}",
		DOCUMENT("\"format\":1", "7"), DOCUMENT("\"format\":1", "{}"), DOCUMENT("\"format\":1", "{\"digest\":\"" HEX_A "\"}"),
		DOCUMENT("\"format\":1", "{\"digest\":\"xyz\",\"serial\":1,\"at\":\"2026-01-31T12:00:00Z\"}"),
		"{\"format\":1,\"channel\":\"../edr\",\"entries\":[]}",
	};
	struct stops *s = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(&s, STOPS_STOP, bad[i], &e) >= 0)
			fail_msg("taken: %s", bad[i]);
	assert_null(s);
}

static void a_floor_is_read_back_and_only_for_its_channel(void **state)
{
	AUTO(buf) struct buf *out = buf_new(0);
	uint64_t floor = 1;
	struct err e;

	(void)state;
	assert_ok(floor_write(out, "edr", 42, "all before it crash", &e));
	assert_ok(floor_parse(&floor, "edr", "floor.json", out->data, out->len, &e));
	assert_int_equal(floor, 42);
	assert_refused(floor_parse(&floor, "av", "floor.json", out->data, out->len, &e), ERR_REFUSED, "channel edr");
	assert_true(floor_parse(&floor, "edr", "floor.json", "{\"format\":1,\"channel\":\"edr\",\"serial\":-1}", 39, &e) < 0);
	assert_int_equal(floor, 42);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listed_digest_is_found_and_no_other),
		cmocka_unit_test(digests_are_obeyed_even_from_a_newer_document),
		cmocka_unit_test(urgent_digests_are_no_recalls_and_stops_know_none),
		cmocka_unit_test(what_is_written_parses_to_the_same),
		cmocka_unit_test(malformed_stops_of_the_known_format_are_refused),
		cmocka_unit_test(a_floor_is_read_back_and_only_for_its_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
