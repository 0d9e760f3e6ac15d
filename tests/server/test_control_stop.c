/* A stop is for whatever an endpoint may still run: it asks nothing of the rollout. */
#include "world.h"

static void stop(struct world *w, const struct rollout *r)
{
	struct err e;

	assert_ok(control_order(w->s, r->id, NULL, ORDER_HALT, "alice", "it hurts", &e));
	assert_true(desk_stopped(w->s->desk, "edr", &r->bundle.digest));
	assert_refused(control_order(w->s, r->id, NULL, ORDER_HALT, "alice", "again", &e), ERR_CONFLICT, "nothing to halt");
}

/* It passes the first ring. */
static struct rollout *passes(struct world *w, uint64_t serial)
{
	struct rollout *r = publish(w, serial);

	ring_survives(w, r, "canary");
	live(w, 3600);
	assert_state(r, 0, RING_PASSED);
	return r;
}

static void back_to(struct world *w, uint64_t serial)
{
	struct control_back back = { .serial = serial, .who = "alice", .reason = "false positives" };
	struct err e;

	assert_ok(control_rollback(w->s, "edr", &back, &e));
}

static int count_stops(const struct store_chain *row, void *arg, struct err *e)
{
	int *n = arg;

	(void)e;
	*n += strcmp(row->a.action, "stop") == 0 && strcmp(row->a.who, "alice") == 0;
	return 0;
}

static int stops_in_the_audit_log(struct world *w)
{
	struct store_audit_filter all = { .limit = 1000 };
	struct err e;
	int n = 0;

	assert_ok(store_each_audit(w->s->store, &all, count_stops, &n, &e));
	return n;
}

static void what_was_given_up_runs_on_and_can_be_stopped(void **state)
{
	struct world *w = *state;
	struct rollout *good = passes(w, 1), *bad = publish(w, 2);
	struct control_wish ask = { .order = ORDER_HALT, .who = "alice", .reason = "would it?", .dry_run = true };
	struct err e;

	assert_true(gets_permit(w, machine_of(w, "canary", 0), &bad->bundle.digest));
	assert_ok(control_order(w->s, bad->id, NULL, ORDER_ABORT, "alice", "no", &e));
	assigned_to(w, "canary", &bad->bundle.digest, false);
	assert_ok(control_wish(w->s, bad->id, &ask, &e));
	assert_false(desk_stopped(w->s->desk, "edr", &bad->bundle.digest));
	stop(w, bad);
	assigned_to(w, "canary", &good->bundle.digest, true);
	assert_state(bad, 0, RING_ABORTED);
	assert_state(good, 1, RING_OFFERING);
	assert_int_equal(stops_in_the_audit_log(w), 1);
}

static void a_dry_run_of_a_stop_that_nobody_here_can_sign_is_refused_as_the_stop_is(void **state)
{
	struct world *w = *state;
	struct rollout *bad = (passes(w, 1), publish(w, 2));
	AUTO_FREE char *key = fixture_path(w->f, "data/keys/stop.pem");
	struct control_wish ask = { .order = ORDER_HALT, .who = "alice", .reason = "would it?", .dry_run = true };
	uint64_t id = bad->id;
	struct err e;

	assert_true(gets_permit(w, machine_of(w, "canary", 0), &bad->bundle.digest));
	assert_ok(control_order(w->s, id, NULL, ORDER_ABORT, "alice", "no", &e));
	assert_int_equal(unlink(key), 0);
	world_reopen(w);
	assert_int_equal(control_wish(w->s, id, &ask, &e), ERR_AUTH);
	ask.dry_run = false;
	assert_int_equal(control_wish(w->s, id, &ask, &e), ERR_AUTH);
	assert_int_equal(stops_in_the_audit_log(w), 0);
}

static void what_a_rollback_went_back_to_can_be_stopped(void **state)
{
	struct world *w = *state;
	AUTO(assignment) struct assignment *a = NULL;
	struct rollout *oldest = passes(w, 1), *old, *bad;
	struct err e;

	old = passes(w, 2);
	bad = passes(w, 3);
	assert_state(old, 0, RING_SUPERSEDED);
	back_to(w, 2);
	assigned_to(w, "canary", &old->bundle.digest, true);
	stop(w, old);
	/* endpoints that committed serial 3 may take the older one */
	assert_ok(desk_assignment(w->s->desk, "canary", "edr", &a, &e));
	assert_true(digest_equal(&a->bundle.digest, &oldest->bundle.digest));
	assert_true(a->granted && a->grant_max_serial >= bad->bundle.serial);
	assert_false(desk_stopped(w->s->desk, "edr", &bad->bundle.digest));
}

static void what_was_superseded_can_be_stopped_and_its_ring_keeps_the_newer_one(void **state)
{
	struct world *w = *state;
	struct rollout *old = passes(w, 1), *now = publish(w, 2);
	struct err e;

	assert_ok(control_order(w->s, old->id, NULL, ORDER_PAUSE, "alice", "wait", &e));
	assert_ok(control_order(w->s, old->id, NULL, ORDER_ABORT, "alice", "no", &e));
	assert_state(old, 0, RING_SUPERSEDED);
	stop(w, old);
	assigned_to(w, "canary", &now->bundle.digest, false);
	not_assigned(w, "early");
	assert_state(now, 0, RING_OFFERING);
	/* and the way back from the newer one leads past it */
	stop(w, now);
	not_assigned(w, "canary");
}

static void what_waits_for_its_ring_can_be_stopped_and_never_enters(void **state)
{
	struct world *w = *state;
	struct rollout *first = publish(w, 1), *waits = publish(w, 2);

	assert_state(waits, 0, RING_QUEUED);
	stop(w, waits);
	for (int i = 0; i < 3; i++)
		assert_state(waits, i, RING_ABORTED);
	ring_survives(w, first, "canary");
	live(w, 3600);
	assert_state(first, 1, RING_OFFERING);
	assigned_to(w, "canary", &first->bundle.digest, false);
}

/* The stop is signed, and the server dies before a ring was told. */
static void a_server_killed_after_the_stop_takes_the_assignment_back(void **state)
{
	struct world *w = *state;
	struct rollout *bad = (passes(w, 1), publish(w, 2));
	struct motive m = { .cause = "operator", .sentence = "it hurts", .who = "alice" };
	struct err e;

	assert_ok(control_order(w->s, bad->id, NULL, ORDER_ABORT, "alice", "no", &e));
	pthread_mutex_lock(&w->s->control);
	assert_ok(control_stop(w->s, bad, &m, clock_now(), &e));
	pthread_mutex_unlock(&w->s->control);
	assigned_to(w, "canary", &bad->bundle.digest, false);
	world_reopen(w);
	tick(w);
	assigned_to(w, "canary", &again(w, 1)->bundle.digest, true);
}

/* The order and nothing after it, as a server leaves it that was killed there. */
static void a_server_killed_before_the_stop_was_signed_signs_it(void **state)
{
	struct world *w = *state;
	struct rollout *bad = (passes(w, 1), publish(w, 2));
	struct server_batch b = { .count = 0 };
	struct err e;

	assert_ok(control_order(w->s, bad->id, NULL, ORDER_ABORT, "alice", "no", &e));
	server_record(&b, STORE_DECISION)->u.decision = (struct store_decision){
		.at = clock_now(), .kind = "stop", .channel = "edr", .ring = "", .device = "", .rollout = bad->id,
		.digest = bad->bundle.digest, .from = "", .to = "", .cause = "operator", .sentence = "it hurts", .inputs = "",
	};
	assert_ok(server_write(w->s, &b, &e));
	world_reopen(w);
	assert_false(desk_stopped(w->s->desk, "edr", &again(w, 2)->bundle.digest));
	tick(w);
	assert_true(desk_stopped(w->s->desk, "edr", &again(w, 2)->bundle.digest));
	assigned_to(w, "canary", &again(w, 1)->bundle.digest, true);
	assert_null(again(w, 2)->stop_ordered);
}

static void a_ring_that_left_the_policy_loses_what_is_stopped_too(void **state)
{
	struct world *w = *state;
	struct rollout *bad = passes(w, 1);

	ring_survives(w, bad, "early");
	live(w, 4 * 3600);
	assigned_to(w, "early", &bad->bundle.digest, false);
	world_policy(w, "{\"name\":\"canary\"},{\"name\":\"broad\"}");
	(void)passes(w, 2);
	assigned_to(w, "early", &again(w, 1)->bundle.digest, false);
	stop(w, again(w, 1));
	tick(w);
	not_assigned(w, "early");
}

static int count_request(const struct store_request *row, void *arg, struct err *e)
{
	int *n = arg;

	(void)row;
	(void)e;
	++*n;
	return 0;
}

static void a_stop_leaves_the_request_for_what_comes_instead(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *key = fixture_path(w->f, "data/keys/ring-canary.pem");
	AUTO_FREE char *away = fixture_path(w->f, "ring-canary.pem");
	struct rollout *bad = publish(w, 1), *fix;
	int count = 0;
	struct err e;

	assert_ok(control_order(w->s, bad->id, NULL, ORDER_ABORT, "alice", "no", &e));
	assigned_to(w, "canary", &bad->bundle.digest, false);
	assert_int_equal(rename(key, away), 0);
	world_reopen(w);
	fix = publish(w, 2);
	tick(w);
	assert_state(fix, 0, RING_AWAITING_SIGNATURE);
	stop(w, again(w, 1));
	for (int i = 0; i < 3; i++)
		tick(w);
	assert_ok(store_each_request(w->s->store, -1, count_request, &count, &e));
	assert_int_equal(count, 1);
	/* nothing comes instead: then the stopped one goes */
	assert_ok(control_order(w->s, fix->id, NULL, ORDER_ABORT, "alice", "no", &e));
	assert_int_equal(rename(away, key), 0);
	world_reopen(w);
	tick(w);
	not_assigned(w, "canary");
}

static void a_rollback_ends_when_its_bundle_is_stopped_meanwhile(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *key = fixture_path(w->f, "data/keys/ring-early.pem");
	AUTO_FREE char *away = fixture_path(w->f, "ring-early.pem");
	struct rollout *old = passes(w, 1), *bad;

	ring_survives(w, old, "early");
	live(w, 4 * 3600);
	bad = passes(w, 2);
	assigned_to(w, "early", &bad->bundle.digest, false);
	assert_int_equal(rename(key, away), 0);
	world_reopen(w);
	back_to(w, 1);
	assigned_to(w, "early", &again(w, 2)->bundle.digest, false);
	stop(w, again(w, 1));
	assert_int_equal(rename(away, key), 0);
	world_reopen(w);
	live(w, 60);
	assigned_to(w, "early", &again(w, 2)->bundle.digest, false);
	not_assigned(w, "canary");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(what_was_given_up_runs_on_and_can_be_stopped),
		T(a_dry_run_of_a_stop_that_nobody_here_can_sign_is_refused_as_the_stop_is),
		T(what_a_rollback_went_back_to_can_be_stopped),
		T(what_was_superseded_can_be_stopped_and_its_ring_keeps_the_newer_one),
		T(what_waits_for_its_ring_can_be_stopped_and_never_enters),
		T(a_server_killed_after_the_stop_takes_the_assignment_back),
		T(a_server_killed_before_the_stop_was_signed_signs_it),
		T(a_ring_that_left_the_policy_loses_what_is_stopped_too),
		T(a_stop_leaves_the_request_for_what_comes_instead),
		T(a_rollback_ends_when_its_bundle_is_stopped_meanwhile),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
