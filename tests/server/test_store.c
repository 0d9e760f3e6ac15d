/* test_store: what was handed in is there, whole and once, through restarts, failures of the disk and newer schemas. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <sqlite3.h>

#include "older.h"
#include "store_place.h"

static void what_was_submitted_is_there_after_a_restart(void **state)
{
	struct place *p = *state;
	struct store_record r[] = { device("a"), device("b"), event("a", 1, "crash") };
	int devices = 0, events = 0;
	struct err e;

	assert_ok(submit(p, r, 3, &e));
	place_close(p);
	place_open(p);
	assert_ok(store_each_device(p->store, count_devices, &devices, &e));
	assert_ok(store_each_feed(p->store, 0, 10, count_feed, &events, &e));
	assert_int_equal(devices, 2);
	assert_int_equal(events, 1);
}

static void a_submission_is_kept_whole_or_not_at_all(void **state)
{
	struct place *p = *state;
	struct store_bundle b = { .channel = "edr", .serial = 1, .digest = { { 1 } }, .version = "1", .path = "p", .by = "", .reason = "",
				  .matrix = "" };
	struct store_record first[] = { { .kind = STORE_BUNDLE, .u.bundle = b } };
	struct store_record second[] = { device("x"), { .kind = STORE_BUNDLE, .u.bundle = b }, audit("never") };
	int devices = 0;
	struct err e;

	assert_ok(submit(p, first, 1, &e));
	assert_refused(submit(p, second, 3, &e), ERR_CONFLICT, "serial 1");
	assert_ok(store_each_device(p->store, count_devices, &devices, &e));
	assert_int_equal(devices, 0);
	/* another digest under the same serial is refused as well */
	second[1].u.bundle.digest.bytes[0] = 2;
	assert_refused(submit(p, second, 3, &e), ERR_CONFLICT, "serial 1");
	second[1].u.bundle.serial = 2;
	assert_ok(submit(p, second, 3, &e));
}

/* More than the database holds in memory: it writes before the commit, the disk takes nothing, and it ends the transaction by itself. */
static void a_disk_that_fails_before_the_commit_is_the_stores_failure_and_passes(void **state)
{
	enum { LEN = 8 << 20 };
	struct place *p = *state;
	AUTO_FREE char *body = calloc(1, LEN);
	struct store_record large = { .kind = STORE_CONTRACT, .u.contract = { .digest = { { 1 } }, .sensor = "acme", .version = "7.11", .body = body,
									      .body_len = LEN, .by = "alice" } };
	struct store_record many[] = { large, large, device("a") };
	struct rlimit was, none;
	struct err e;

	many[1].u.contract.digest.bytes[0] = 2;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(submit(p, many, 3, &e), ERR_STORE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_ok(submit(p, many, 3, &e));
}

static void an_event_counts_once(void **state)
{
	struct place *p = *state;
	struct store_record r[] = { event("a", 1, "crash"), event("a", 1, "crash"), event("a", 2, "hang") };
	int events = 0;
	struct err e;

	assert_ok(submit(p, r, 3, &e));
	assert_ok(submit(p, r, 3, &e));
	assert_ok(store_each_feed(p->store, 0, 10, count_feed, &events, &e));
	assert_int_equal(events, 2);
}

/* ---- tokens, audit, versions ---- */

static void an_enrolment_token_is_used_as_often_as_it_says(void **state)
{
	struct place *p = *state;
	struct store_enrolment n = { .hash = { { 9 } }, .name = "n", .attributes = "{}", .expires = 99, .uses = 2, .by = "" };
	struct store_record make = { .kind = STORE_ENROLMENT, .u.enrolment = n };
	struct store_record use = { .kind = STORE_ENROLMENT_USE, .u.enrolment = n };
	struct err e;

	assert_ok(submit(p, &make, 1, &e));
	assert_ok(submit(p, &use, 1, &e));
	assert_ok(submit(p, &use, 1, &e));
	assert_refused(submit(p, &use, 1, &e), ERR_AUTH, "used up");
	make.u.enrolment.uses = -1;
	assert_ok(submit(p, &make, 1, &e));
	for (int i = 0; i < 5; i++)
		assert_ok(submit(p, &use, 1, &e));
	use.u.enrolment.hash.bytes[0] = 8;
	assert_refused(submit(p, &use, 1, &e), ERR_AUTH, "used up");
}

static int check_chain(const struct store_chain *c, void *arg, struct err *e)
{
	return audit_walk_row(arg, c->id, c->form, &c->a, &c->hash, e);
}

static int walk_chain(struct place *p, struct audit_walk *w, struct err *e)
{
	*w = (struct audit_walk){ 0 };
	return store_each_audit(p->store, &(struct store_audit_filter){ 0 }, check_chain, w, e);
}

static void the_audit_rows_are_one_chain_across_restarts_and_refusals(void **state)
{
	struct place *p = *state;
	struct store_record ok[] = { audit("one"), audit("two") };
	struct store_record bad[] = { audit("never"), { .kind = STORE_ENROLMENT_USE } };
	struct audit_walk w;
	struct err e;

	assert_ok(submit(p, ok, 2, &e));
	assert_refused(submit(p, bad, 2, &e), ERR_AUTH, "used up");
	assert_ok(submit(p, ok, 2, &e));
	place_close(p);
	place_open(p);
	assert_ok(submit(p, ok, 1, &e));
	assert_ok(walk_chain(p, &w, &e));
	assert_int_equal(w.count, 5);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
	struct place *p = *state;
	struct store *s = NULL;
	char back[40];
	sqlite3 *db;
	struct err e;

	place_close(p);
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	assert_refused(store_open(&s, p->path, &e), ERR_UNSUPPORTED, "version 99");
	sqlite3_exec(db, sqlite3_snprintf(sizeof back, back, "PRAGMA user_version = %d", STORE_VERSION), NULL, NULL, NULL);
	sqlite3_close(db);
	place_open(p);
}

/* ---- webhooks ---- */

static int count_delivery(const struct store_delivery *d, void *arg, struct err *e)
{
	(void)d;
	(void)e;
	++*(size_t *)arg;
	return 0;
}

static int see_due(const struct store_delivery *d, void *arg, struct err *e)
{
	(void)e;
	snprintf(arg, 40, "%s %s", d->message, d->body);
	return 0;
}

static size_t deliveries(struct place *p, bool dead)
{
	size_t count = 0;
	struct err e;

	assert_ok(store_each_delivery(p->store, "siem", dead, 0, INT64_MAX, count_delivery, &count, &e));
	return count;
}

static void a_message_is_due_once_and_of_dead_letters_the_newest_stay(void **state)
{
	struct place *p = *state;
	struct store_record add = { .kind = STORE_DELIVERY, .u.delivery = { .webhook = "siem", .type = "t", .made = 5, .due = 5, .body = "{}" } };
	struct store_record tried = { .kind = STORE_DELIVERY_TRIED, .u.delivery = { .due = 9, .attempts = 1, .error = "no" } };
	struct store_record again = { .kind = STORE_DELIVERIES_AGAIN, .u.delivery = { .webhook = "siem", .message = "m7", .due = 20 } };
	struct store_record end = { .kind = STORE_WEBHOOK_END, .u.webhook = { .name = "siem" } };
	char name[16], due[40] = "";
	struct err e;

	add.u.delivery.message = tried.u.delivery.message = "m0";
	assert_ok(submit(p, &add, 1, &e));
	assert_ok(submit(p, &add, 1, &e));
	assert_int_equal(deliveries(p, false), 1);
	assert_ok(store_delivery_due(p->store, "siem", 5, see_due, due, &e));
	assert_string_equal(due, "m0 {}");
	assert_ok(submit(p, &tried, 1, &e));
	assert_int_equal(store_delivery_due(p->store, "siem", 8, see_due, due, &e), ERR_NOT_FOUND);
	assert_ok(store_delivery_due(p->store, "siem", 9, see_due, due, &e));
	tried.u.delivery.dead = 10;
	for (int i = 0; i < 1003; i++) {
		struct store_record both[2] = { add, tried };

		snprintf(name, sizeof name, "m%d", i);
		both[0].u.delivery.message = both[1].u.delivery.message = name;
		assert_ok(submit(p, both, 2, &e));
	}
	assert_int_equal(deliveries(p, true), 1000);
	assert_int_equal(deliveries(p, false), 0);
	assert_ok(submit(p, &again, 1, &e));
	assert_ok(store_delivery_due(p->store, "siem", 20, see_due, due, &e));
	assert_string_equal(due, "m7 {}");
	assert_ok(submit(p, &end, 1, &e));
	assert_int_equal(deliveries(p, true) + deliveries(p, false), 0);
}

/* One rollout's among a year of them, with the readers' lock held. */
static void the_decisions_about_a_rollout_are_found_by_an_index(void **state)
{
	static const struct { int sql; const char *by; } finds[] = {
		{ SQL_FEED_OF, "decision_rollout (rollout=? AND id>?)" },
		{ SQL_GATES_OF, "gate_record_of (rollout=?)" },
	};
	struct place *p = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(finds); i++) {
		AUTO_FREE char *sql = NULL;
		sqlite3_stmt *plan;

		assert_true(asprintf(&sql, "EXPLAIN QUERY PLAN %s", sql_text[finds[i].sql]) > 0);
		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &plan, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(plan), SQLITE_ROW);
		assert_non_null(strstr((const char *)sqlite3_column_text(plan, 3), finds[i].by));
		sqlite3_finalize(plan);
	}
	sqlite3_close(db);
}

static int see_ring(const struct store_ring *r, void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	return (int)r->rollout;
}

static int see_old_device(const struct store_device *d, void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	assert_string_equal(d->id, OLDER_DEVICE);
	assert_int_equal(d->enrolled, 40);
	assert_int_equal(d->last_seen, 50);
	assert_int_equal(d->generation, 3);
	assert_true(d->flagged && !d->revoked);
	assert_int_equal(d->event_n, 9);
	assert_string_equal(d->attributes, "{\"ring\":\"early\"}");
	return 1;
}

static int see_old_token(const struct store_token *t, void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	assert_string_equal(t->name, "alice");
	assert_int_equal(t->hash.bytes[0], 8);
	assert_int_equal(t->roles, 1);
	assert_int_equal(t->expires, 99);
	assert_int_equal(t->version, 4);
	assert_string_equal(t->note, "of the night shift");
	return 1;
}

/* Rows as they were hashed then and rows as they are now are one chain, and it shows when an old one is changed. */
static void old_and_new_rows_are_one_chain(struct place *p)
{
	struct store_record add = audit("now");
	struct audit_walk w;
	sqlite3 *db;
	struct err e;

	assert_ok(submit(p, &add, 1, &e));
	assert_ok(walk_chain(p, &w, &e));
	assert_int_equal(w.count, OLDER_AUDIT + 1);
	assert_int_equal(w.form, AUDIT_FORM);
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	older_do(db, "UPDATE audit SET who = 'nobody' WHERE id = 1");
	sqlite3_close(db);
	assert_refused(walk_chain(p, &w, &e), ERR_REFUSED, "1");
}

static void what_it_had_is_there(struct place *p, int version)
{
	struct store_record use = { .kind = STORE_ENROLMENT_USE, .u.enrolment = { .hash = { { 9 } } } };
	struct err e;

	assert_int_equal(store_each_ring(p->store, 7, see_ring, NULL, &e), 7);
	assert_int_equal(store_each_device(p->store, see_old_device, NULL, &e), 1);
	assert_int_equal(store_each_token(p->store, see_old_token, NULL, &e), version >= OLDER_TOKENS);
	assert_ok(submit(p, &use, 1, &e));
	assert_refused(submit(p, &use, 1, &e), ERR_AUTH, "used up");
	old_and_new_rows_are_one_chain(p);
}

static void an_older_schema_is_brought_up_and_keeps_what_it_had(void **state)
{
	struct place *p = *state;
	struct store_record set = { .kind = STORE_RESERVATION, .u.reservation = { .role = "stop", .version = 5 } };
	struct err e;

	for (int version = 1; version < STORE_VERSION; version++) {
		place_close(p);
		older_store(p->path, version);
		place_open(p);
		what_it_had_is_there(p, version);
		assert_ok(submit(p, &set, 1, &e));
	}
}

static int see_reservation(const struct store_reservation *r, void *arg, struct err *e)
{
	(void)e;
	*(int64_t *)arg = r->version;
	return digest_is_zero(&r->digest) ? 0 : 1;
}

static void a_version_is_set_aside_by_one_of_two_who_want_it(void **state)
{
	struct place *p = *state;
	struct store_record first = { .kind = STORE_RESERVATION, .u.reservation = { .role = "stop", .last = 0, .version = 5 } };
	struct store_record second = { .kind = STORE_RESERVATION, .u.reservation = { .role = "stop", .last = 5, .version = 9 } };
	struct store_record both[2] = { { .kind = STORE_RESERVATION, .u.reservation = { .role = "fleet", .version = 1 } }, first };
	struct place other = { .path = p->path };
	int64_t version = 0;
	struct err e;

	/* another server on the same database */
	place_open(&other);
	assert_ok(submit(p, &first, 1, &e));
	assert_refused(submit(&other, &first, 1, &e), ERR_CONFLICT, "stop: another reserved");
	assert_ok(submit(&other, &second, 1, &e));
	assert_refused(submit(p, &second, 1, &e), ERR_CONFLICT, "stop: another reserved");
	assert_ok(store_each_reservation(p->store, "stop", see_reservation, &version, &e));
	assert_int_equal(version, 9);
	/* all of a publication's versions, or none */
	assert_refused(submit(p, both, 2, &e), ERR_CONFLICT, "stop");
	version = 0;
	assert_ok(store_each_reservation(p->store, "fleet", see_reservation, &version, &e));
	assert_int_equal(version, 0);
	/* what was read in another life is no licence for a row that is not there */
	both[0].u.reservation.last = 4;
	assert_refused(submit(p, both, 1, &e), ERR_CONFLICT, "fleet");
	place_close(&other);
}

static void flags_that_devices_raise_only_rise(void **state)
{
	struct place *p = *state;
	struct store_ring ring = { .rollout = 1, .cause = "", .sentence = "", .previous = "" };
	struct store_record put = { .kind = STORE_RING, .u.ring = ring }, flag = { .kind = STORE_RING_FLAGS, .u.ring = ring };
	sqlite3_stmt *st;
	sqlite3 *db;
	struct err e;

	flag.u.ring.declined = true;
	assert_ok(submit(p, &put, 1, &e));
	assert_ok(submit(p, &flag, 1, &e));
	flag.u.ring.declined = false;
	flag.u.ring.content_crash = true;
	assert_ok(submit(p, &flag, 1, &e));
	assert_ok(submit(p, &put, 1, &e));
	assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT declined, content_crash FROM rollout_ring", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 0), 1);
	assert_int_equal(sqlite3_column_int(st, 1), 1);
	sqlite3_finalize(st);
	sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_submitted_is_there_after_a_restart),
		T(a_submission_is_kept_whole_or_not_at_all),
		T(a_disk_that_fails_before_the_commit_is_the_stores_failure_and_passes),
		T(an_event_counts_once),
		T(an_enrolment_token_is_used_as_often_as_it_says),
		T(the_audit_rows_are_one_chain_across_restarts_and_refusals),
		T(the_decisions_about_a_rollout_are_found_by_an_index),
		T(a_newer_schema_is_refused_and_left_alone),
		T(a_message_is_due_once_and_of_dead_letters_the_newest_stay),
		T(an_older_schema_is_brought_up_and_keeps_what_it_had),
		T(a_version_is_set_aside_by_one_of_two_who_want_it),
		T(flags_that_devices_raise_only_rise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
