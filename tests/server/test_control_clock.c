/* test_control_clock: a jump of the clock that is believed moves what durations are counted from, in the store as in memory, or nothing. */
#include <signal.h>
#include <sys/resource.h>

#include "server/background.h"
#include "server/now.h"
#include "world.h"

#define RINGS "{\"name\":\"canary\",\"boots\":0},{\"name\":\"early\"},{\"name\":\"broad\"}"
#define DAY 86400

/* What durations are counted from. */
struct times {
	int64_t changed, began, open, over, heard, issued, made, due;
	int64_t started, asked;         /* in memory alone */
};

static int see_delivery(const struct store_delivery *d, void *arg, struct err *e)
{
	struct times *t = arg;

	(void)e;
	t->made = d->made;
	t->due = d->due;
	return 0;
}

static struct times look(struct world *w, uint64_t id)
{
	const struct rollout *r = again(w, id);
	const struct device *d = fleet_find(&w->s->fleet, w->machines[0].id);
	struct times t = { .changed = r->stages[0].changed, .began = r->stages[0].began, .over = r->stages[0].offers[0].facts.offered,
			   .open = r->stages[0].offers[1].facts.offered, .heard = d->last_seen, .issued = d->issued, .started = w->s->started };
	const struct waiting *waits = waitlist_next(&r->stages[0].waiting, NULL);
	struct err e;

	t.asked = waits ? waits->asked : 0;
	assert_ok(store_each_delivery(w->s->store, "desk", false, 0, 1, see_delivery, &t, &e));
	return t;
}

static void moved(const struct times *was, const struct times *is, int64_t by)
{
	assert_int_equal(is->changed, was->changed + by);
	assert_int_equal(is->began, was->began + by);
	assert_int_equal(is->open, was->open + by);
	assert_int_equal(is->over, was->over);
	assert_int_equal(is->heard, was->heard + by);
	assert_int_equal(is->issued, was->issued ? was->issued + by : 0);
	assert_int_equal(is->made, was->made + by);
	assert_int_equal(is->due, was->due + by);
}

/* A ring with one offer that is over and one that is not, and a message that waits. */
static uint64_t begin(struct world *w)
{
	struct server_batch b = { .count = 0 };
	struct rollout *r;
	struct err e;

	world_policy(w, RINGS);
	for (int i = 0; i < DEVICES; i++)
		add_machine(w, "canary");
	all_check_in(w);
	r = publish(w, 1);
	tick(w);
	tick(w);
	assert_true(gets_permit(w, &w->machines[0], &r->bundle.digest));
	report(w, &w->machines[0], &r->bundle.digest, "survived", "");
	assert_true(gets_permit(w, &w->machines[1], &r->bundle.digest));
	server_record(&b, STORE_DELIVERY)->u.delivery = (struct store_delivery){ .webhook = "desk", .message = "desk-1", .type = "t", .made = clock_now(),
										 .due = clock_now() + 60, .error = "", .body = "{}" };
	assert_ok(server_write(w->s, &b, &e));
	assert_ok(server_fold(w->s, SIZE_MAX, &e));
	return r->id;
}

static void a_jump_moves_store_and_memory_alike_and_is_kept_with_them(void **state)
{
	static const int64_t jumps[] = { 3 * DAY, -3 * DAY };
	struct world *w = *state;
	uint64_t id = begin(w);
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		struct waiting *waits = waitlist_put(&again(w, id)->stages[0].waiting, fleet_find(&w->s->fleet, w->machines[2].id), 7);
		struct clockwatch after = { .now = clock_now(), .ticks_ms = clock_ticks_ms() };
		struct times was, now, later;

		waits->asked = clock_now();
		was = look(w, id);
		assert_ok(control_clock_moved(w->s, jumps[i], &after, &e));
		now = look(w, id);
		moved(&was, &now, jumps[i]);
		assert_int_equal(now.started, was.started + jumps[i]);
		assert_int_equal(now.asked, was.asked + jumps[i]);
		world_reopen(w);
		later = look(w, id);
		moved(&was, &later, jumps[i]);
		assert_int_equal(w->s->clock.offset, 0);
	}
}

static void a_jump_that_the_store_does_not_take_moves_nothing_and_is_not_believed(void **state)
{
	struct world *w = *state;
	uint64_t id = begin(w);
	struct times was = look(w, id), now;
	struct clockwatch after = { .now = clock_now() + 9 * DAY, .ticks_ms = clock_ticks_ms() };
	struct rlimit limit, none;
	struct err e;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_true(control_clock_moved(w->s, 3 * DAY, &after, &e) < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	now = look(w, id);
	moved(&was, &now, 0);
	assert_true(llabs(server_now(w->s) - clock_now()) < DAY);
	world_reopen(w);
	now = look(w, id);
	moved(&was, &now, 0);
}

/* They were heard of in time, and for a second only: that says nothing of the content that they do not have. */
static void who_is_watched_without_an_offer_did_not_survive_a_jump(void **state)
{
	struct world *w = *state;
	struct clockwatch after;
	struct rollout *r;
	int64_t placebos, lost;
	struct err e;

	world_policy(w, RINGS);
	for (int i = 0; i < DEVICES; i++)
		add_machine(w, "canary");
	pass_time(2 * INTERVAL);
	all_check_in(w);
	r = publish(w, 1);
	tick(w);
	after = (struct clockwatch){ .now = clock_now() + 3 * DAY, .ticks_ms = clock_ticks_ms() };
	assert_ok(control_clock_moved(w->s, 3 * DAY, &after, &e));
	pass_time(61);
	tick(w);
	background_figures(w->s->background, "edr", "canary", r->stages[0].policy->observe_s, server_now(w->s), &placebos, &lost);
	assert_int_equal(placebos, 0);
	assert_int_equal(lost, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_jump_moves_store_and_memory_alike_and_is_kept_with_them, setup, teardown),
		cmocka_unit_test_setup_teardown(a_jump_that_the_store_does_not_take_moves_nothing_and_is_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_watched_without_an_offer_did_not_survive_a_jump, setup, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
