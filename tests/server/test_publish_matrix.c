/* test_publish_matrix: who is asked, who counts, and what goes out. */
#include "server/publish_matrix.h"
#include "tests/test.h"

static struct err e;

static const char *const rings[] = { "canary", "early", "broad" };

static struct digest digest_of(int n)
{
	struct digest d;

	hash_bytes(&d, &n, sizeof n);
	return d;
}

/* Three builds of one sensor and one of another product, oldest first; the answers are the test's. */
static struct publish_opinion opinions[4];

static void set_up_opinions(void)
{
	static const char *const names[][2] = { { "edr", "7.10" }, { "edr", "7.11" }, { "edr", "7.12" }, { "waf", "3.0" } };

	for (int i = 0; i < 4; i++)
		opinions[i] = (struct publish_opinion){ .contract = digest_of(i), .sensor = names[i][0], .version = names[i][1], .accepts = true,
							.addressed = true, .why = "rules/ipc.json:25:7: field 21" };
	opinions[3].accepts = opinions[3].addressed = false;
}

static struct publish_device devices(size_t count, int contract, const char *ring)
{
	return (struct publish_device){ count, digest_of(contract), contract < 4 ? opinions[contract].sensor : "new", contract < 4 ? opinions[contract].version : "1",
					ring };
}

static struct publish_matrix *matrix(const struct publish_device *d, size_t count, const char *allowed)
{
	struct publish_matrix *m = NULL;

	assert_ok(publish_matrix_new(&m, opinions, 4, d, count, rings, 3, &allowed, allowed ? 1 : 0, &e));
	return m;
}

static void what_every_sensor_accepts_goes_out(void **state)
{
	AUTO(publish_matrix) struct publish_matrix *m = NULL;

	(void)state;
	set_up_opinions();
	m = matrix(NULL, 0, NULL);
	assert_false(publish_matrix_blocks(m));
	assert_int_equal(m->rows[0].answer, PUBLISH_PASS);
	assert_int_equal(m->rows[3].answer, PUBLISH_NOT_ADDRESSED);
}

static void a_refusal_counts_where_devices_of_the_target_rings_run_that_sensor(void **state)
{
	const struct publish_device here[] = { devices(5, 1, "canary"), devices(2, 0, "broad"), devices(1, 0, "canary") };
	AUTO(publish_matrix) struct publish_matrix *absent = NULL, *present = NULL;
	char sentence[512];

	(void)state;
	set_up_opinions();
	opinions[0].accepts = false;
	absent = matrix(here, 1, NULL);
	assert_int_equal(absent->rows[0].answer, PUBLISH_REFUSE);
	assert_false(publish_matrix_blocks(absent));
	present = matrix(here, 3, NULL);
	assert_true(publish_matrix_blocks(present));
	assert_int_equal(present->rows[0].present, 3);
	assert_true(present->rows[0].blocks && !present->rows[1].blocks);
	publish_matrix_sentence(present, sentence, sizeof sentence);
	assert_string_equal(sentence, "edr 7.10 refuses it (1 device in canary, 2 in broad): rules/ipc.json:25:7: field 21");
}

static void the_operator_lets_it_out_by_name_and_only_that_one(void **state)
{
	const struct publish_device here[] = { devices(2, 0, "broad"), devices(1, 1, "canary") };
	AUTO(publish_matrix) struct publish_matrix *one = NULL, *wrong = NULL;
	struct publish_matrix *none = NULL;
	const char *both[] = { "edr/7.10", "edr/7.11" }, *unknown[] = { "edr/9" }, *star[] = { "*" };
	char names[100], sentence[512];

	(void)state;
	set_up_opinions();
	opinions[0].accepts = opinions[1].accepts = false;
	one = matrix(here, 2, "edr/7.10");
	assert_true(publish_matrix_blocks(one));
	publish_matrix_sentence(one, sentence, sizeof sentence);
	assert_non_null(strstr(sentence, "edr 7.11 refuses it (1 device in canary)"));
	assert_ok(publish_matrix_new(&wrong, opinions, 4, here, 2, rings, 3, both, 2, &e));
	assert_false(publish_matrix_blocks(wrong));
	assert_int_equal(publish_matrix_allowed(wrong, names, sizeof names), 2);
	assert_string_equal(names, "edr/7.10, edr/7.11");
	assert_refused(publish_matrix_new(&none, opinions, 4, here, 2, rings, 3, unknown, 1, &e), ERR_NOT_FOUND, "no contract edr/9 is registered");
	assert_refused(publish_matrix_new(&none, opinions, 4, here, 2, rings, 3, star, 1, &e), ERR_NOT_FOUND, "no contract * is registered");
	assert_null(none);
}

static void naming_a_sensor_that_accepts_overrides_nothing(void **state)
{
	AUTO(publish_matrix) struct publish_matrix *m = NULL;
	char names[100];

	(void)state;
	set_up_opinions();
	m = matrix(NULL, 0, "edr/7.12");
	assert_false(m->rows[2].allowed);
	assert_int_equal(publish_matrix_allowed(m, names, sizeof names), 0);
}

static void what_no_sensor_accepts_goes_nowhere_even_without_devices(void **state)
{
	AUTO(publish_matrix) struct publish_matrix *m = NULL, *addressed = NULL;

	(void)state;
	set_up_opinions();
	for (int i = 0; i < 4; i++)
		opinions[i].accepts = false;
	m = matrix(NULL, 0, NULL);
	assert_true(publish_matrix_blocks(m));
	for (int i = 0; i < 4; i++)
		opinions[i].addressed = false;
	addressed = matrix(NULL, 0, NULL);
	assert_true(publish_matrix_blocks(addressed));
}

static void a_sensor_that_takes_the_channel_is_addressed(void **state)
{
	const struct publish_device here[] = { devices(1, 3, "early") };
	AUTO(publish_matrix) struct publish_matrix *m = NULL;

	(void)state;
	set_up_opinions();
	m = matrix(here, 1, NULL);
	assert_int_equal(m->rows[3].answer, PUBLISH_REFUSE);
	assert_true(publish_matrix_blocks(m));
}

static void a_contract_nobody_registered_is_found_by_its_newest_namesake_or_counted_as_unknown(void **state)
{
	struct publish_device here[] = { devices(4, 77, "broad"), devices(3, 77, "broad") };
	AUTO(publish_matrix) struct publish_matrix *m = NULL;

	(void)state;
	set_up_opinions();
	opinions[2].version = "7.11";   /* registered again with other bytes */
	here[0].sensor = "edr";
	here[0].version = "7.11";
	m = matrix(here, 2, NULL);
	assert_int_equal(m->rows[2].present, 4);
	assert_int_equal(m->rows[1].present, 0);
	assert_int_equal(m->unknown, 3);
	assert_false(publish_matrix_blocks(m));
}

static void devices_in_no_ring_count_as_the_last(void **state)
{
	const struct publish_device here[] = { devices(2, 0, NULL) };
	AUTO(publish_matrix) struct publish_matrix *m = NULL;

	(void)state;
	set_up_opinions();
	opinions[0].accepts = false;
	m = matrix(here, 1, NULL);
	assert_true(publish_matrix_blocks(m));
	assert_int_equal(m->rows[0].in_ring[2], 2);
}

static void without_contracts_the_checks_that_hold_for_every_sensor_decide(void **state)
{
	struct publish_opinion every = { .accepts = false, .addressed = true, .why = "a self-test failed" };
	AUTO(publish_matrix) struct publish_matrix *bad = NULL, *good = NULL;
	struct publish_matrix *none = NULL;
	const char *name[] = { "every/sensor" };
	char sentence[200];

	(void)state;
	assert_ok(publish_matrix_new(&bad, &every, 1, NULL, 0, rings, 3, NULL, 0, &e));
	assert_true(publish_matrix_blocks(bad));
	publish_matrix_sentence(bad, sentence, sizeof sentence);
	assert_string_equal(sentence, "every sensor refuses it: a self-test failed");
	assert_refused(publish_matrix_new(&none, &every, 1, NULL, 0, rings, 3, name, 1, &e), ERR_NOT_FOUND, "no contract every/sensor");
	every.accepts = true;
	assert_ok(publish_matrix_new(&good, &every, 1, NULL, 0, rings, 3, NULL, 0, &e));
	assert_false(publish_matrix_blocks(good));
}

static void the_answer_names_every_sensor_with_its_answer_and_why(void **state)
{
	const struct publish_device here[] = { devices(2, 0, "broad"), devices(9, 99, "canary") };
	AUTO(publish_matrix) struct publish_matrix *m = NULL;
	AUTO(buf) struct buf *b = buf_new(0);
	AUTO(json) struct json_doc *d = NULL;
	struct json_writer w = { .out = b };
	const struct json *rows, *first;

	(void)state;
	set_up_opinions();
	opinions[0].accepts = false;
	m = matrix(here, 2, "edr/7.10");
	json_open_object(&w, NULL);
	publish_matrix_write(m, &w);
	json_close_object(&w);
	assert_ok(json_parse(&d, "matrix", b->data, b->len, NULL, &e));
	rows = json_get(d->root, "matrix");
	assert_int_equal(rows->count, 4);
	first = &rows->u.items[0];
	assert_true(json_is(json_get(first, "sensor"), "edr") && json_is(json_get(first, "version"), "7.10"));
	assert_true(json_is(json_get(first, "answer"), "refuse") && json_is(json_get(first, "why"), "rules/ipc.json:25:7: field 21"));
	assert_string_equal(json_get(json_get(first, "rings"), "broad")->u.text, "2");
	assert_int_equal(json_get(first, "allowed")->type, JSON_TRUE);
	assert_int_equal(json_get(first, "blocks")->type, JSON_FALSE);
	assert_true(json_is(json_get(&rows->u.items[1], "answer"), "pass"));
	assert_int_equal(json_get(&rows->u.items[1], "why")->type, JSON_NULL);
	assert_true(json_is(json_get(&rows->u.items[3], "answer"), "not addressed"));
	assert_string_equal(json_get(d->root, "unknown_sensors")->u.text, "9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_every_sensor_accepts_goes_out),
		cmocka_unit_test(a_refusal_counts_where_devices_of_the_target_rings_run_that_sensor),
		cmocka_unit_test(the_operator_lets_it_out_by_name_and_only_that_one),
		cmocka_unit_test(naming_a_sensor_that_accepts_overrides_nothing),
		cmocka_unit_test(what_no_sensor_accepts_goes_nowhere_even_without_devices),
		cmocka_unit_test(a_sensor_that_takes_the_channel_is_addressed),
		cmocka_unit_test(a_contract_nobody_registered_is_found_by_its_newest_namesake_or_counted_as_unknown),
		cmocka_unit_test(devices_in_no_ring_count_as_the_last),
		cmocka_unit_test(without_contracts_the_checks_that_hold_for_every_sensor_decide),
		cmocka_unit_test(the_answer_names_every_sensor_with_its_answer_and_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
