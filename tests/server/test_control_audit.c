/* test_control_audit: each thing that a person orders of a rollout stands in the audit log, with the state before and after. */
#include "world.h"

struct rows {
	const struct control_wish *of;
	int count;
};

static int look_at_row(const struct store_chain *row, void *arg, struct err *e)
{
	const struct audit_entry *a = &row->a;
	struct rows *rows = arg;

	(void)e;
	if (strcmp(a->why, rows->of->reason) != 0)
		return 0;
	rows->count++;
	assert_string_equal(a->who, rows->of->who);
	if (strncmp(a->subject, "rollout ", 8) != 0 || a->was[0] != '{' || a->becomes[0] != '{' || strcmp(a->was, a->becomes) == 0)
		fail_msg("%s of %s: from %s to %s", a->action, a->subject, a->was, a->becomes);
	return 0;
}

static int rows_of(struct world *w, const struct control_wish *wish)
{
	struct store_audit_filter all = { 0 };
	struct rows rows = { .of = wish };
	struct err e;

	assert_ok(store_each_audit(w->s->store, &all, look_at_row, &rows, &e));
	return rows.count;
}

/* Each with a reason of its own; a dry run leaves nothing behind. */
static void order(struct world *w, const struct rollout *r, enum control_order what, bool emergency, const char *reason)
{
	struct control_wish wish = { .order = what, .emergency = emergency, .who = what == ORDER_EMERGENCY ? "oscar" : "alice", .reason = reason,
				     .dry_run = true };
	struct err e;

	assert_ok(control_wish(w->s, r->id, &wish, &e));
	assert_int_equal(rows_of(w, &wish), 0);
	wish.dry_run = false;
	assert_ok(control_wish(w->s, r->id, &wish, &e));
	if (rows_of(w, &wish) == 0)
		fail_msg("nobody is told who said: %s", reason);
}

static void every_order_of_a_person_says_who_why_and_what_it_changed(void **state)
{
	struct world *w = *state;
	struct rollout *r;

	world_policy(w, "{\"name\":\"canary\",\"soak_s\":60},"
			"{\"name\":\"early\",\"promote\":\"manual\",\"approvals\":{\"count\":1,\"role\":\"operator\"}},{\"name\":\"broad\"}");
	r = publish(w, 1);
	ring_survives(w, r, "canary");
	live(w, INTERVAL);
	assert_state(r, 1, RING_AWAITING_APPROVAL);
	order(w, r, ORDER_APPROVE, false, "it looks well");
	order(w, r, ORDER_PROMOTE, false, "now");
	assert_state(r, 1, RING_OFFERING);
	order(w, r, ORDER_HALT, false, "it hurts");
	r = publish(w, 2);
	order(w, r, ORDER_PAUSE, false, "lunch");
	order(w, r, ORDER_RESUME, false, "back from lunch");
	order(w, r, ORDER_RETRY, false, "the disk was full");
	order(w, r, ORDER_EMERGENCY, false, "it is exploited");
	order(w, r, ORDER_APPROVE, true, "it is indeed");
	order(w, r, ORDER_ABORT, false, "not this one");
	order(w, r, ORDER_HALT, false, "it runs on, and hurts");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_order_of_a_person_says_who_why_and_what_it_changed, setup, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
