/* test_drop: single rules leave every ring of a channel, and come back, without another bundle. */
#include "world.h"

#include "rollout/outcome.h"

static const char *const two[] = { "ipc-0001", "ipc-0002" };

static int order(struct world *w, size_t count, bool undo, const char *match, bool dry_run, struct err *e)
{
	struct control_drop d = { .rules = two, .count = count, .undo = undo, .dry_run = dry_run, .who = "alice", .reason = "false positives",
				  .match = match };
	int got = control_drop(w->s, "edr", &d, e);

	assert_int_equal(d.refused == CONTROL_CHANGED, got == ERR_CONFLICT);
	return got;
}

/* "ipc-0001 ipc-0002 " of the ring's published assignment. */
static const char *left_out(struct world *w, const char *ring)
{
	static char text[400];
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	text[0] = '\0';
	if (desk_assignment(w->s->desk, ring, "edr", &a, &e) < 0)
		return "nothing assigned";
	for (size_t i = 0; i < a->drop_count; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", a->drops[i].rule);
	return text;
}

static struct rollout *in_two_rings(struct world *w)
{
	struct rollout *r = publish(w, 1);

	ring_survives(w, r, "canary");
	live(w, 3600);
	assert_state(r, 1, RING_OFFERING);
	return r;
}

static void every_ring_that_has_content_leaves_the_rules_out_and_the_content_stays(void **state)
{
	struct world *w = *state;
	struct rollout *r = in_two_rings(w);
	struct err e;

	assert_int_equal(order(w, 2, false, NULL, true, &e), 0);
	assert_string_equal(left_out(w, "canary"), "");
	assert_ok(order(w, 2, false, NULL, false, &e));
	assert_string_equal(left_out(w, "canary"), "ipc-0001 ipc-0002 ");
	assert_string_equal(left_out(w, "early"), "ipc-0001 ipc-0002 ");
	not_assigned(w, "broad");
	assigned_to(w, "canary", &r->bundle.digest, false);
	assert_state(r, 0, RING_PASSED);
	assert_state(r, 1, RING_OFFERING);
	assert_ok(order(w, 1, true, NULL, false, &e));
	assert_string_equal(left_out(w, "canary"), "ipc-0002 ");
	assert_string_equal(left_out(w, "early"), "ipc-0002 ");
	assert_refused(order(w, 1, true, NULL, false, &e), ERR_NOT_FOUND, "is not left out");
}

static void rings_that_come_later_and_later_bundles_leave_them_out_too(void **state)
{
	struct world *w = *state;
	struct rollout *r = in_two_rings(w);
	struct err e;

	assert_ok(order(w, 1, false, NULL, false, &e));
	ring_survives(w, r, "early");
	live(w, 4 * 3600);
	assert_state(r, 2, RING_OFFERING);
	assert_string_equal(left_out(w, "broad"), "ipc-0001 ");
	r = publish(w, 2);
	assigned_to(w, "canary", &r->bundle.digest, false);
	assert_string_equal(left_out(w, "canary"), "ipc-0001 ");
}

static void the_way_back_keeps_what_is_left_out(void **state)
{
	struct world *w = *state;
	struct rollout *good = in_two_rings(w), *bad;
	struct control_back back = { .who = "alice", .reason = "why" };
	struct err e;

	assert_ok(order(w, 1, false, NULL, false, &e));
	bad = publish(w, 2);
	assert_state(bad, 0, RING_OFFERING);
	report(w, machine_of(w, "canary", 0), &bad->bundle.digest, "armed", "");
	assert_ok(control_order(w->s, bad->id, NULL, ORDER_HALT, "alice", "it hurts", &e));
	assigned_to(w, "canary", &good->bundle.digest, true);
	assert_string_equal(left_out(w, "canary"), "ipc-0001 ");
	assert_string_equal(left_out(w, "early"), "ipc-0001 ");
	bad = publish(w, 3);
	assert_ok(control_rollback(w->s, "edr", &back, &e));
	assigned_to(w, "canary", &good->bundle.digest, true);
	assert_string_equal(left_out(w, "canary"), "ipc-0001 ");
}

static void an_order_that_says_nothing_new_signs_nothing(void **state)
{
	struct world *w = *state;
	int64_t before;
	struct err e;

	in_two_rings(w);
	assert_ok(order(w, 1, false, NULL, false, &e));
	tick(w);
	before = desk_timestamp(w->s->desk);
	assert_ok(order(w, 1, false, NULL, false, &e));
	tick(w);
	assert_int_equal(desk_timestamp(w->s->desk), before);
}

static void only_to_the_list_that_was_looked_at(void **state)
{
	struct world *w = *state;
	AUTO(assignment) struct assignment *a = NULL;
	char version[CONTROL_DROP_VERSION], match[CONTROL_DROP_VERSION + 2];
	struct err e;

	in_two_rings(w);
	assert_ok(desk_assignment(w->s->desk, "canary", "edr", &a, &e));
	control_drop_version(version, a);
	snprintf(match, sizeof match, "\"%s\"", version);
	assert_ok(order(w, 1, false, match, false, &e));
	assert_refused(order(w, 2, false, match, false, &e), ERR_CONFLICT, "look at it again");
	assert_string_equal(left_out(w, "canary"), "ipc-0001 ");
}

/* The order is in force with the first ring's signature; a server killed before the others follow goes on. */
static void a_server_killed_between_two_rings_goes_on(void **state)
{
	struct world *w = *state;
	AUTO(assignment) struct assignment *a = NULL;
	struct assignment_drop drop = { .rule = "ipc-0001", .reason = "false positives" };
	struct err e;

	in_two_rings(w);
	assert_ok(desk_assignment(w->s->desk, "canary", "edr", &a, &e));
	free(a->drops);
	a->drops = &drop;
	a->drop_count = 1;
	assert_ok(desk_assign(w->s->desk, a, clock_now(), &e));
	a->drops = NULL;
	world_reopen(w);
	assert_string_equal(left_out(w, "early"), "");
	tick(w);
	assert_string_equal(left_out(w, "early"), "ipc-0001 ");
}

static void a_ring_whose_keys_are_elsewhere_asks_once_and_the_others_follow(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *key = fixture_path(w->f, "data/keys/ring-early.pem");
	static char answer[1 << 16];
	const char *asked;
	struct err e;

	in_two_rings(w);
	assert_int_equal(unlink(key), 0);
	world_reopen(w);
	assert_ok(order(w, 1, false, NULL, false, &e));
	live(w, 60);
	assert_string_equal(left_out(w, "canary"), "ipc-0001 ");
	assert_string_equal(left_out(w, "early"), "");
	assert_int_equal(call(w, operator_status, "x", NULL, "", answer, sizeof answer), 200);
	asked = strstr(answer, "waits for signatures of ring-early");
	assert_non_null(asked);
	assert_null(strstr(asked + 1, "waits for signatures of"));
	assert_int_equal(call(w, operator_drops, "x", "edr", "", answer, sizeof answer), 200);
	assert_non_null(strstr(answer, "\"ring\":\"canary\",\"serial\":1,\"rules\":1,\"signed\":true"));
	assert_non_null(strstr(answer, "\"ring\":\"early\",\"serial\":1,\"rules\":0,\"signed\":false"));
	/* Taken back before anybody signed: nothing is asked any more. */
	assert_ok(order(w, 1, true, NULL, false, &e));
	live(w, 600);
	assert_string_equal(left_out(w, "canary"), "");
	assert_int_equal(call(w, operator_status, "x", NULL, "", answer, sizeof answer), 200);
	assert_null(strstr(answer, "waits for signatures of ring-early"));
}

static void endpoints_that_say_so_are_counted(void **state)
{
	struct world *w = *state;
	struct rollout *r = in_two_rings(w);
	AUTO(assignment) struct assignment *a = NULL;
	struct digest list;
	char body[2048], hex[DIGEST_HEX_LEN + 1];
	static char answer[1 << 16];
	struct machine *m = machine_of(w, "canary", 0);
	struct err e;

	assert_ok(order(w, 2, false, NULL, false, &e));
	assert_ok(desk_assignment(w->s->desk, "canary", "edr", &a, &e));
	assert_ok(assignment_drop_digest(&list, a, &e));
	digest_hex(hex, &list);
	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"%s\",\"seq\":%llu,\"sent\":%lld,\"boot_id\":\"b\",\"facts\":{},\"channels\":[{\"channel\":\"edr\","
		 "\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":\"%s\",\"drop\":\"%s\",\"high_water\":0,\"held\":null}],"
		 "\"events\":[],\"want\":[]}",
		 m->epoch, (unsigned long long)++m->seq, (long long)clock_now(), hex_of(&r->bundle.digest), hex);
	assert_int_equal(call(w, device_checkin, m->id, NULL, body, answer, sizeof answer), 200);
	assert_int_equal(call(w, operator_drops, "x", "edr", "", answer, sizeof answer), 200);
	assert_non_null(strstr(answer, "\"signed\":true,\"devices\":1,\"following\":1"));
}

static void another_attempt_is_signed_for_every_ring_that_has_the_bundle(void **state)
{
	struct world *w = *state;
	struct rollout *r = in_two_rings(w);
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	assert_ok(control_order(w->s, r->id, NULL, ORDER_RETRY, "alice", "the disk was full", &e));
	assert_int_equal(r->attempt, 2);
	assert_ok(desk_assignment(w->s->desk, "early", "edr", &a, &e));
	assert_int_equal(a->attempt, 2);
	world_reopen(w);
	r = again(w, 1);
	assert_int_equal(r->attempt, 2);
	assert_ok(control_order(w->s, r->id, NULL, ORDER_HALT, "alice", "it hurts", &e));
	assert_refused(control_order(w->s, r->id, NULL, ORDER_RETRY, "alice", "again", &e), ERR_CONFLICT, "nothing to retry");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(every_ring_that_has_content_leaves_the_rules_out_and_the_content_stays),
		T(rings_that_come_later_and_later_bundles_leave_them_out_too),
		T(the_way_back_keeps_what_is_left_out),
		T(an_order_that_says_nothing_new_signs_nothing),
		T(only_to_the_list_that_was_looked_at),
		T(a_server_killed_between_two_rings_goes_on),
		T(a_ring_whose_keys_are_elsewhere_asks_once_and_the_others_follow),
		T(endpoints_that_say_so_are_counted),
		T(another_attempt_is_signed_for_every_ring_that_has_the_bundle),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
