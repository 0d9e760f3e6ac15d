/* test_control_enter: when a ring takes what waits for it: hours, freezes, lag, and the emergency lane. */
#include "world.h"

#define DAY 86400

static const char *waits(struct world *w, struct stage *g)
{
	static char text[CONTROL_WAITS];

	pthread_mutex_lock(&w->s->lock);
	control_waits(w->s, g, clock_now(), text);
	pthread_mutex_unlock(&w->s->lock);
	return text;
}

#define assert_waits(w, g, words)                                                \
	do {                                                                     \
		if (!strstr(waits(w, g), words))                                 \
			fail_msg("no \"%s\" in \"%s\"", words, waits(w, g));      \
	} while (0)

/* What a permit is refused with; "" when it is given. */
static const char *refused(struct world *w, struct machine *m, const struct digest *d)
{
	static const char *const words[] = { "window", "not-offering", "order", "in-flight" };
	char want[256];
	const char *answer;

	snprintf(want, sizeof want, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex_of(d));
	answer = checkin(w, m, "", want);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		char reason[32];

		snprintf(reason, sizeof reason, "\"reason\":\"%s\"", words[i]);
		if (strstr(answer, reason))
			return words[i];
	}
	return "";
}

/* A window of two hours that opens in an hour, every day. */
static void opens_in_an_hour(char out[160])
{
	int64_t from = clock_now() / 60 + 60, to = from + 120;

	snprintf(out, 160, "\"windows\":[{\"days\":\"daily\",\"from\":\"%02d:%02d\",\"to\":\"%02d:%02d\",\"zone\":\"UTC\"}]", (int)(from / 60 % 24),
		 (int)(from % 60), (int)(to / 60 % 24), (int)(to % 60));
}

static void frozen_today(char out[160])
{
	char today[CLOCK_TEXT_LEN + 1];

	clock_text(today, clock_now());
	today[10] = '\0';
	snprintf(out, 160, "\"freezes\":[{\"from\":\"%s\",\"to\":\"%s\",\"zone\":\"UTC\",\"reason\":\"elections\"}]", today, today);
}

/* At noon, so that a test that begins before midnight does not end after it. */
static int at_noon(void **state)
{
	int got = setup(state);

	live(*state, (DAY + DAY / 2 - clock_now() % DAY) / INTERVAL * INTERVAL);
	return got;
}

/* ---- hours ---- */

static void a_ring_is_taken_and_offers_only_in_its_windows(void **state)
{
	struct world *w = *state;
	char hours[160], ring[256];
	struct rollout *r;
	struct machine *m = machine_of(w, "canary", 0), *other = machine_of(w, "canary", 1), *last = machine_of(w, "canary", 2);

	opens_in_an_hour(hours);
	snprintf(ring, sizeof ring, "{\"name\":\"canary\",\"soak_s\":60,\"deadline_s\":10800,%s},{\"name\":\"early\"}", hours);
	world_policy(w, ring);
	r = publish(w, 1);
	assert_state(r, 0, RING_QUEUED);
	assert_waits(w, &r->stages[0], "outside its windows until ");
	assert_string_equal(refused(w, m, &r->bundle.digest), "not-offering");
	live(w, 3600 + INTERVAL);
	assert_state(r, 0, RING_OFFERING);
	assert_string_equal(waits(w, &r->stages[0]), "");
	assert_true(gets_permit(w, m, &r->bundle.digest));
	/* it closes: the endpoint that was offered ends its probation, and nobody else begins, not even one that has an offer */
	assert_true(gets_permit(w, other, &r->bundle.digest));
	live(w, 7200);
	assert_string_equal(refused(w, last, &r->bundle.digest), "window");
	assert_string_equal(refused(w, other, &r->bundle.digest), "window");
	assert_waits(w, &r->stages[0], "outside its windows until ");
	report(w, m, &r->bundle.digest, "armed", "");
	report(w, m, &r->bundle.digest, "survived", "");
	tick(w);
	assert_int_equal(r->stages[0].offers[0].outcome, OUTCOME_SURVIVED);
	/* three hours of deadline are not over after twenty of which it was closed */
	live(w, 20 * 3600);
	assert_state(r, 0, RING_OFFERING);
	world_reopen(w);
	r = again(w, 1);
	live(w, 5 * 1800);
	assert_true(gets_permit(w, other, &r->bundle.digest));
	live(w, 2 * 3600);
	assert_state(r, 0, RING_HELD);
	assert_string_equal(r->stages[0].cause, "deadline");
}

static void bundles_of_a_freeze_collapse_to_the_newest(void **state)
{
	struct world *w = *state;
	char freeze[160], ring[256];
	struct rollout *first, *second;

	frozen_today(freeze);
	snprintf(ring, sizeof ring, "{\"name\":\"canary\",%s},{\"name\":\"early\"}", freeze);
	world_policy(w, ring);
	first = publish(w, 1);
	live(w, 2 * 3600);
	second = publish(w, 2);
	assert_state(first, 0, RING_SUPERSEDED);
	assert_state(second, 0, RING_QUEUED);
	assert_waits(w, &second->stages[0], "frozen (elections) until ");
	live(w, 10 * 3600 + 2 * INTERVAL);
	assert_state(second, 0, RING_OFFERING);
	assert_true(gets_permit(w, machine_of(w, "canary", 0), &second->bundle.digest));
}

/* ---- lag ---- */

static struct rollout *passes_canary(struct world *w, uint64_t serial)
{
	struct rollout *r = publish(w, serial);

	assert_state(r, 0, RING_OFFERING);
	ring_survives(w, r, "canary");
	live(w, INTERVAL);
	assert_state(r, 0, RING_PASSED);
	return r;
}

static void a_ring_lags_bundles_and_hours_behind(void **state)
{
	struct world *w = *state;
	struct rollout *one, *two, *three;

	world_policy(w, "{\"name\":\"canary\",\"soak_s\":60},{\"name\":\"early\",\"soak_s\":60,\"lag\":{\"bundles\":1,\"hours\":2}},{\"name\":\"broad\"}");
	one = passes_canary(w, 1);
	assert_state(one, 1, RING_QUEUED);
	assert_waits(w, &one->stages[1], "it lags behind the ring before until ");
	live(w, 2 * 3600);
	assert_state(one, 1, RING_QUEUED);
	assert_waits(w, &one->stages[1], "0 of 1 newer bundles passed there");
	two = passes_canary(w, 2);
	assert_state(one, 1, RING_OFFERING);
	assert_state(two, 1, RING_QUEUED);
	assigned_to(w, "canary", &two->bundle.digest, false);
	assigned_to(w, "early", &one->bundle.digest, false);
	ring_survives(w, one, "early");
	live(w, INTERVAL);
	assert_state(one, 1, RING_PASSED);
	/* the ring after one that lags waits for that, and for nothing else */
	assert_state(one, 2, RING_OFFERING);
	three = passes_canary(w, 3);
	assert_state(two, 1, RING_QUEUED);
	live(w, 2 * 3600);
	assert_state(two, 1, RING_OFFERING);
	assert_state(three, 1, RING_QUEUED);
	/* a stop waits for no lag */
	report(w, machine_of(w, "canary", 0), &three->bundle.digest, "late_failure", "crash");
	report(w, machine_of(w, "canary", 1), &three->bundle.digest, "late_failure", "crash");
	tick(w);
	assert_state(three, 0, RING_ROLLED_BACK);
	assert_true(desk_stopped(w->s->desk, "edr", &three->bundle.digest));
}

/* ---- the emergency lane ---- */

static void agree_to_the_lane(struct world *w, struct rollout *r, const char *who)
{
	struct control_wish wish = { .order = ORDER_APPROVE, .emergency = true, .who = who, .reason = "it is exploited" };
	struct err e;

	assert_ok(control_wish(w->s, r->id, &wish, &e));
}

static void answer_has(struct world *w, void (*handler)(struct request *), const char *param, const char *words)
{
	static char text[1 << 16];

	assert_int_equal(call(w, handler, "admin", param, "", text, sizeof text), 200);
	if (!strstr(text, words))
		fail_msg("no %s in: %s", words, text);
}

static void the_emergency_lane_waits_for_nothing_but_its_people_and_its_evidence(void **state)
{
	struct world *w = *state;
	char freeze[160], rings[512];
	struct rollout *one, *two;
	struct err e;

	frozen_today(freeze);
	snprintf(rings, sizeof rings,
		 "{\"name\":\"canary\",\"soak_s\":7200,\"emergency_soak_s\":300},"
		 "{\"name\":\"early\",\"promote\":\"manual\",\"approvals\":{\"count\":3},\"lag\":{\"hours\":48},%s},{\"name\":\"broad\"}", freeze);
	world_policy(w, rings);
	one = publish(w, 1);
	two = publish(w, 2);
	assert_true(gets_permit(w, machine_of(w, "canary", 0), &one->bundle.digest));
	assert_ok(control_order(w->s, two->id, NULL, ORDER_EMERGENCY, "alice", "it is exploited", &e));
	agree_to_the_lane(w, two, "bob");
	agree_to_the_lane(w, two, "bob");
	tick(w);
	assert_state(one, 0, RING_OFFERING);
	assert_state(two, 0, RING_QUEUED);
	agree_to_the_lane(w, two, "carol");
	/* what had the ring goes no further; the first ring is not skipped */
	assert_state(one, 0, RING_ABORTED);
	assert_state(one, 2, RING_ABORTED);
	assert_state(two, 0, RING_OFFERING);
	assert_state(two, 1, RING_QUEUED);
	not_assigned(w, "early");
	world_reopen(w);
	two = again(w, 2);
	assert_false(gets_permit(w, machine_of(w, "early", 0), &two->bundle.digest));
	ring_survives(w, two, "canary");
	assert_state(two, 0, RING_BAKING);
	live(w, 2 * INTERVAL);
	assert_state(two, 0, RING_PASSED);
	assert_state(two, 1, RING_OFFERING);
	assert_true(gets_permit(w, machine_of(w, "early", 0), &two->bundle.digest));
	answer_has(w, operator_rollout, "2", "\"emergency\":{\"state\":\"open\",\"by\":\"alice\"");
	answer_has(w, operator_rollout, "1", "\"emergency\":null");
	answer_has(w, operator_rollouts, NULL, "\"emergency\":{\"state\":\"open\"");
	answer_has(w, operator_status, NULL, "\"emergencies\":{\"total\":1,\"last_90_days\":1,\"under_way\":1}");
	answer_has(w, operator_status, NULL, "goes by the emergency lane");
}

/* Its own halt still stops it: no gate is skipped. */
static void an_emergency_that_crashes_the_first_ring_is_halted(void **state)
{
	struct world *w = *state;
	struct rollout *r;
	struct machine *m = machine_of(w, "canary", 0);
	struct err e;

	world_policy(w, "{\"name\":\"canary\"},{\"name\":\"early\"}");
	r = publish(w, 1);
	assert_ok(control_order(w->s, r->id, NULL, ORDER_EMERGENCY, "alice", "it is exploited", &e));
	agree_to_the_lane(w, r, "bob");
	agree_to_the_lane(w, r, "carol");
	assert_true(gets_permit(w, m, &r->bundle.digest));
	report(w, m, &r->bundle.digest, "armed", "");
	report(w, m, &r->bundle.digest, "failed", "crash");
	tick(w);
	assert_state(r, 0, RING_ROLLED_BACK);
	assert_state(r, 1, RING_ABORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_ring_is_taken_and_offers_only_in_its_windows, setup, teardown),
		cmocka_unit_test_setup_teardown(bundles_of_a_freeze_collapse_to_the_newest, at_noon, teardown),
		cmocka_unit_test_setup_teardown(a_ring_lags_bundles_and_hours_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(the_emergency_lane_waits_for_nothing_but_its_people_and_its_evidence, at_noon, teardown),
		cmocka_unit_test_setup_teardown(an_emergency_that_crashes_the_first_ring_is_halted, setup, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
