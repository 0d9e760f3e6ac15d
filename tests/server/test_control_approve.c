/* test_control_approve: so many people, each with the role that the policy asks, none of whom asked for it. */
#include "world.h"

#define TWO "{\"name\":\"canary\",\"soak_s\":60},{\"name\":\"early\",\"approvals\":{\"count\":2}}"

static int wish(struct world *w, struct rollout *r, enum control_order order, const char *who, unsigned roles, struct control_wish *out, struct err *e)
{
	struct identity identity = { .count = 1, .grants = { { .roles = roles } } };

	*out = (struct control_wish){ .order = order, .who = who, .identity = &identity, .reason = "looked at it" };
	return control_wish(w->s, r->id, out, e);
}

static struct rollout *at_early(struct world *w, const char *rings)
{
	struct rollout *r;

	world_policy(w, rings);
	r = publish(w, 1);
	ring_survives(w, r, "canary");
	live(w, INTERVAL);
	assert_state(r, 0, RING_PASSED);
	assert_state(r, 1, RING_AWAITING_APPROVAL);
	return r;
}

static void a_ring_waits_for_so_many_different_people_with_the_role(void **state)
{
	struct world *w = *state;
	struct rollout *r = at_early(w, TWO);
	struct control_wish said;
	struct err e;

	assert_string_equal(r->stages[1].sentence, "the policy asks 2 people with the role approver before this ring");
	assert_refused(wish(w, r, ORDER_APPROVE, "vendor", MAY(APPROVER), &said, &e), ERR_AUTH, "another has to approve");
	assert_int_equal(said.refused, CONTROL_REQUESTER);
	assert_refused(wish(w, r, ORDER_APPROVE, "oscar", MAY(OPERATOR), &said, &e), ERR_AUTH, "asks the role approver");
	assert_int_equal(said.refused, CONTROL_ROLE);
	assert_refused(wish(w, r, ORDER_PROMOTE, "oscar", MAY(OPERATOR), &said, &e), ERR_CONFLICT, "0 of 2 people with the role approver");
	assert_ok(wish(w, r, ORDER_APPROVE, "alice", MAY(APPROVER), &said, &e));
	assert_ok(wish(w, r, ORDER_APPROVE, "alice", MAY(APPROVER), &said, &e));
	assert_state(r, 1, RING_AWAITING_APPROVAL);
	world_reopen(w);
	r = again(w, 1);
	tick(w);
	assert_state(r, 1, RING_AWAITING_APPROVAL);
	assert_int_equal(rollout_approvals(r, 1, APPROVAL_RING), 1);
	assert_ok(wish(w, r, ORDER_APPROVE, "carol", MAY(ADMIN), &said, &e));
	assert_state(r, 1, RING_OFFERING);
	assigned_to(w, "early", &r->bundle.digest, false);
}

static void with_promotion_by_hand_somebody_promotes_what_the_others_agreed_to(void **state)
{
	struct world *w = *state;
	struct rollout *r = at_early(w, "{\"name\":\"canary\",\"soak_s\":60},{\"name\":\"early\",\"promote\":\"manual\",\"approvals\":{\"count\":1,\"role\":\"operator\"}}");
	struct control_wish said;
	struct err e;

	assert_refused(wish(w, r, ORDER_APPROVE, "alice", MAY(APPROVER), &said, &e), ERR_AUTH, "asks the role operator");
	assert_ok(wish(w, r, ORDER_APPROVE, "oscar", MAY(OPERATOR), &said, &e));
	tick(w);
	assert_state(r, 1, RING_AWAITING_APPROVAL);
	assert_ok(wish(w, r, ORDER_PROMOTE, "otto", MAY(OPERATOR), &said, &e));
	assert_state(r, 1, RING_OFFERING);
}

static void a_pass_by_coverage_asks_as_many(void **state)
{
	struct world *w = *state;
	struct control_wish said;
	struct rollout *r;
	struct err e;

	world_policy(w, "{\"name\":\"canary\",\"soak_s\":60,\"coverage\":\"approve\",\"approvals\":{\"count\":2}},{\"name\":\"early\"}");
	r = publish(w, 1);
	assert_state(r, 0, RING_AWAITING_APPROVAL);
	assert_ok(wish(w, r, ORDER_APPROVE, "alice", MAY(APPROVER), &said, &e));
	assert_ok(wish(w, r, ORDER_APPROVE, "carol", MAY(APPROVER), &said, &e));
	assert_state(r, 0, RING_OFFERING);
	ring_survives(w, r, "canary");
	tick(w);
	assert_true(state_held(r->stages[0].state));
	assert_string_equal(r->stages[0].cause, "coverage-approve");
	assert_ok(wish(w, r, ORDER_APPROVE, "alice", MAY(APPROVER), &said, &e));
	assert_true(state_held(r->stages[0].state));
	assert_ok(wish(w, r, ORDER_APPROVE, "carol", MAY(APPROVER), &said, &e));
	live(w, INTERVAL);
	assert_state(r, 0, RING_PASSED);
}

/* What was agreed to is a digest under a version of the policy: for another it says nothing. */
static void an_approval_of_another_policy_or_bundle_does_not_count(void **state)
{
	struct world *w = *state;
	struct rollout *r = at_early(w, TWO);
	struct server_batch b = { .count = 0 };
	struct store_approval a = { .rollout = r->id, .ring = 1, .kind = APPROVAL_RING, .who = "alice", .reason = "", .at = clock_now(), .attempt = 1,
				    .digest = r->bundle.digest, .policy_version = r->policy_version + 1 };
	struct err e;

	assert_true(r->policy_version > 0);
	server_record(&b, STORE_APPROVAL)->u.approval = a;
	a.who = "bob";
	a.policy_version = r->policy_version;
	a.digest.bytes[0] ^= 1;
	server_record(&b, STORE_APPROVAL)->u.approval = a;
	a.who = "carol";
	a.digest = r->bundle.digest;
	server_record(&b, STORE_APPROVAL)->u.approval = a;
	assert_ok(server_write(w->s, &b, &e));
	world_reopen(w);
	r = again(w, 1);
	assert_int_equal(rollout_approvals(r, 1, APPROVAL_RING), 1);
	assert_non_null(rollout_approval(r, 1, APPROVAL_RING, "carol"));
	tick(w);
	assert_state(r, 1, RING_AWAITING_APPROVAL);
}

static void the_emergency_lane_has_approvers_of_its_own(void **state)
{
	struct world *w = *state;
	struct control_wish said;
	struct rollout *r;
	struct err e;

	world_policy(w, TWO);
	r = publish(w, 1);
	said = (struct control_wish){ .order = ORDER_APPROVE, .emergency = true, .who = "alice", .reason = "now" };
	assert_refused(control_wish(w->s, r->id, &said, &e), ERR_CONFLICT, "nothing to approve");
	assert_ok(wish(w, r, ORDER_EMERGENCY, "oscar", MAY(OPERATOR), &said, &e));
	assert_refused(wish(w, r, ORDER_EMERGENCY, "otto", MAY(OPERATOR), &said, &e), ERR_CONFLICT, "nothing to emergency");
	said = (struct control_wish){ .order = ORDER_APPROVE, .emergency = true, .who = "oscar", .reason = "now" };
	assert_refused(control_wish(w->s, r->id, &said, &e), ERR_AUTH, "asked for the emergency lane");
	said.who = "vendor";
	assert_refused(control_wish(w->s, r->id, &said, &e), ERR_AUTH, "another has to approve");
	said.who = "alice";
	said.dry_run = true;
	assert_ok(control_wish(w->s, r->id, &said, &e));
	assert_int_equal(rollout_approvals(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY), 0);
	said.dry_run = false;
	assert_ok(control_wish(w->s, r->id, &said, &e));
	assert_int_equal(rollout_emergency(r), 0);
	said.who = "carol";
	assert_ok(control_wish(w->s, r->id, &said, &e));
	assert_true(rollout_emergency(r) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_ring_waits_for_so_many_different_people_with_the_role, setup, teardown),
		cmocka_unit_test_setup_teardown(with_promotion_by_hand_somebody_promotes_what_the_others_agreed_to, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pass_by_coverage_asks_as_many, setup, teardown),
		cmocka_unit_test_setup_teardown(an_approval_of_another_policy_or_bundle_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(the_emergency_lane_has_approvers_of_its_own, setup, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
