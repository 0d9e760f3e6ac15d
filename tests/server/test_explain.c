/*
 * test_explain: `ringhold rollout explain`, as people read it. What a gate
 * decided is decided again from its record, in words with the numbers that it
 * went by, and a server whose records do not come to what it says is found out.
 */
#include <sqlite3.h>

#include "verbs.h"

/* p1/p0 of the first ring is 40, and its limit 1 over 0.4 of alpha: E = (40/2 + 1/6) * 40 + 1/3 after two failures. */
#define POLICY "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\"},{\"name\":\"early\"},{\"name\":\"broad\"}]}"
#define MACHINES 40     /* of each kind so many that it is a stratum of its own */
#define HALTED "2 of the first 2 endpoints of stratum debian-12// failed; E = 807, limit 500"

/* Devices come in as often as they are told to wait. */
static int setup_patient(void **state)
{
	struct place *x = calloc(1, sizeof *x);

	x->plane = plane_open(EAGER "device-burst = 1000\n");
	*state = x;
	return 0;
}

struct machine {
	const char *os;
	char token[128];
	int seq, events;
};

static void machine_enrols(struct place *x, struct machine *m, const char *os)
{
	char facts[100];

	m->os = os;
	snprintf(facts, sizeof facts, "{\"format\":1,\"facts\":{\"os\":\"%s\"}}", os);
	AUTO_REPLY t = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\",\"attributes\":{\"ring\":\"canary\"}}");
	AUTO_REPLY d = ask(x->plane, member(&t, "token"), "POST", "/device/v1/enrol", facts);

	assert_int_equal(d.status, 201);
	snprintf(m->token, sizeof m->token, "%s", member(&d, "token"));
}

/* Is it told to go? */
static bool machine_says(struct place *x, struct machine *m, const char *events, const char *wants)
{
	char body[1200];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"%s\"},"
		 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,"
		 "\"high_water\":0,\"held\":null}],\"events\":[%s],\"want\":[%s]}", ++m->seq, m->os, events, wants);
	AUTO_REPLY a = ask(x->plane, m->token, "POST", "/device/v1/checkin", body);
	if (a.status != 200)
		fail_msg("check-in: %ld %s", a.status, a.text->data);
	return strstr(a.text->data, "\"answer\":\"go\"") != NULL;
}

/* This bundle fails on both machines that take it. */
static void bundle_fails(struct place *x, struct machine machines[MACHINES], uint64_t serial)
{
	int64_t until = clock_work_ms() + LIMIT_MS;
	bool takes[MACHINES / 2] = { false };
	char hex[DIGEST_HEX_LEN + 1], rules[20], path[40], text[400];

	snprintf(rules, sizeof rules, "bad rules %d", (int)serial);
	snprintf(path, sizeof path, "/v1/rollouts/%d", (int)serial);
	publish(x->plane->o, serial, rules, hex);
	snprintf(text, sizeof text, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex);
	/* whoever of them may: some are kept for last, by the order of the ring */
	for (size_t i = 0, taken = 0; taken < 2; i = (i + 1) % (MACHINES / 2)) {
		if (!takes[i] && machine_says(x, &machines[i], "", text)) {
			takes[i] = true;
			taken++;
		}
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, taken || i ? 0 : 50);
	}
	for (size_t i = 0; i < MACHINES / 2; i++) {
		if (!takes[i])
			continue;
		snprintf(text, sizeof text, "{\"n\":%d,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"failed\",\"reason\":\"health\"}",
			 ++machines[i].events, hex);
		machine_says(x, &machines[i], text, "");
	}
	wait_says(x, path, "\"state\":\"rolled-back\"");
}

/* Two bundles, one after the other, in a ring of two kinds, of which one takes part: a kind alone in its ring has no name of its own. */
static void two_bundles_fail(struct place *x)
{
	struct machine machines[MACHINES] = { { .seq = 0 } };

	write_file(x, x->policy, "policy.json", POLICY);
	assert_int_equal(TOOL(x->plane->o, "", "policy", "set", x->policy), 0);
	for (size_t i = 0; i < MACHINES; i++) {
		machine_enrols(x, &machines[i], i < MACHINES / 2 ? "debian-12" : "rhel-9");
		machine_says(x, &machines[i], "", "");
	}
	bundle_fails(x, machines, 1);
	bundle_fails(x, machines, 2);
}

static void a_halt_is_told_with_its_count_its_stratum_its_e_and_the_limit(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;

	NEED(o);
	two_bundles_fail(x);
	assert_int_equal(TOOL(o, "", "rollout", "explain", "2"), 0);
	expect_said(o, "canary   halt     " HALTED "\n");
	expect_said(o, "2 offers: 0 survived, 2 failed, 0 lost, 0 open; lambda = 7.378 (passes at -4.605), E = 807 (halts at 500)\n");
	assert_null(strstr(o->said, "NOT what was decided"));
	/* once: of the other rollout, which came to the same, nothing is said */
	assert_null(strstr(strstr(o->said, HALTED) + 1, HALTED));
}

static int each_is_of_the_second(const struct json *items)
{
	for (uint32_t i = 0; i < items->count; i++)
		assert_string_equal(json_get(&items->u.items[i], "rollout")->u.text, "2");
	return (int)items->count;
}

/* One by one too: the feed of a rollout goes on where it was left, and leaves out what is not its own. */
static void the_records_of_one_rollout_come_without_the_others(void **state)
{
	struct place *x = *state;
	int whole, seen = 0;
	char path[100], after[32] = "0";

	NEED(x->plane->o);
	two_bundles_fail(x);
	{
		AUTO_REPLY all = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/gate-records", NULL);
		AUTO_REPLY of = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/gate-records?rollout=2", NULL);

		whole = each_is_of_the_second(json_get(of.doc->root, "items"));
		assert_true(whole > 0);
		assert_true(json_get(all.doc->root, "items")->count > (uint32_t)whole);
	}
	for (int got = 1; got; seen += got) {
		snprintf(path, sizeof path, "/v1/gate-records?rollout=2&limit=1&after=%s", after);
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);

		got = each_is_of_the_second(json_get(a.doc->root, "items"));
		assert_true(got <= 1);
		snprintf(after, sizeof after, "%s", member(&a, "last"));
	}
	assert_int_equal(seen, whole);
}

/* ---- a server that lies ---- */

/* In the record of the halt one of two failures goes unsaid; under its old name, or under one that fits. */
static void rewrite_halt(struct place *x, bool renamed)
{
	AUTO_FREE char *path = fixture_path(x->plane->o->f, "data/store.db"), *body = NULL;
	sqlite3_stmt *st = NULL;
	struct digest digest;
	sqlite3 *db;
	char *words;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, LIMIT_MS);     /* its server may be at work */
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT body FROM gate_record WHERE rollout = 2 AND event = 'halt'", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	body = strdup((const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	words = strstr(body, renamed ? "1 of the first 2" : "2 of the first 2");
	assert_non_null(words);
	*words = '1';
	hash_bytes(&digest, body, strlen(body));
	assert_int_equal(sqlite3_prepare_v2(db, renamed ? "UPDATE gate_record SET body = ?1, digest = ?2 WHERE rollout = 2 AND event = 'halt'" :
							  "UPDATE gate_record SET body = ?1 WHERE rollout = 2 AND event = 'halt'", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_bind_text(st, 1, body, -1, SQLITE_STATIC), SQLITE_OK);
	if (renamed)
		assert_int_equal(sqlite3_bind_blob(st, 2, digest.bytes, sizeof digest.bytes, SQLITE_STATIC), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_DONE);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void a_server_that_lies_about_a_decision_is_found_out(void **state)
{
	struct place *x = *state;
	struct office *o = x->plane->o;

	NEED(o);
	two_bundles_fail(x);
	rewrite_halt(x, false);
	assert_int_equal(TOOL(o, "", "rollout", "explain", "2"), 1);
	expect_said(o, "the bytes are others than its name says");
	rewrite_halt(x, true);
	assert_int_equal(TOOL(o, "", "rollout", "explain", "2"), 1);
	expect_said(o, "NOT what was decided: gate record of ring canary");
	expect_said(o, "the record says \"1 of the first 2");
	expect_said(o, "decisions are not what their inputs come to");
	assert_int_equal(TOOL(o, "", "rollout", "explain", "2", "--json"), 1);
	expect_said(o, "\"differs\": \"gate record of ring canary");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_patient, teardown)
	const struct CMUnitTest tests[] = {
		T(a_halt_is_told_with_its_count_its_stratum_its_e_and_the_limit),
		T(the_records_of_one_rollout_come_without_the_others),
		T(a_server_that_lies_about_a_decision_is_found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
