/* test_desk_clock: clocks that jump, and which time is signed by meanwhile. */
#include "server/desk_requests.h"
#include "tests/server/desk_place.h"

static void jump(struct world *w, int64_t *ticks, int64_t seconds, int64_t by, const char *want)
{
	char said[DESK_SENTENCE] = "";

	w->now += seconds + by;
	*ticks += seconds * 1000;
	assert_int_equal(desk_clock(w->p.desk, w->now, *ticks, false, said), want != NULL);
	if (want && !strstr(said, want))
		fail_msg("\"%s\" lacks \"%s\"", said, want);
}

static void a_glitch_of_the_clock_leaves_no_signature_of_another_year(void **state)
{
	struct world *w = *state;
	struct desk_clock c;
	int64_t ticks = 1000, right = w->now;
	struct err e;

	jump(w, &ticks, 0, 0, NULL);
	jump(w, &ticks, 1, 3650 * DAY, "jumped by +315360000 s");
	desk_clock_status(w->p.desk, w->now, &c);
	assert_true(c.doubted);
	assert_int_equal(c.signing, right + 1);
	assert_int_equal(c.jump_s, 3650 * DAY);
	/* renewal is not due, a stop goes out at once, and expires when it should */
	assert_int_equal(desk_renew(w->p.desk, w->now, &e), 0);
	stop(w);
	assert_true(version_of(w, "stop", NULL) < right + 100);
	jump(w, &ticks, 60, -3650 * DAY, "jumped back to where it was");
	desk_clock_status(w->p.desk, w->now, &c);
	assert_false(c.doubted);
	assert_int_equal(c.signing, w->now);
	client_sees_stops(w, 1);
}

static void nor_does_a_draft_that_others_shall_sign_too(void **state)
{
	struct world *w = *state;
	struct assignment a = { .attempt = 1, .issued = w->now, .channel = "edr", .ring = "early", .reason = "r" };
	struct desk_asking ask = { .by = "test", .reason = "r" };
	AUTO(sigreq) struct sigreq *q = NULL, *r = NULL;
	int64_t ticks = 1000, right = w->now;
	struct err e;

	a.bundle.serial = 3;
	snprintf(a.bundle.version, sizeof a.bundle.version, "v");
	bundle_path(a.bundle.path, "edr", 3);
	hash_bytes(&a.bundle.digest, "3", 1);
	jump(w, &ticks, 0, 0, NULL);
	jump(w, &ticks, 1, 3650 * DAY, "jumped by +315360000 s");
	ask.now = w->now;
	ask.expires = w->now + 30 * DAY;
	assert_ok(desk_draft_assign(w->p.desk, "early", "edr", &a, &ask, &q, &e));
	assert_ok(desk_draft_renewal(w->p.desk, "stop", &ask, &r, &e));
	assert_true(q->drafts[0].draft->version < right + 100 && r->drafts[0].draft->version < right + 100);
	assert_true(q->drafts[0].draft->expires < right + 31 * DAY && r->drafts[0].draft->expires < right + 31 * DAY);
	assert_true(q->created < right + 100 && q->expires < right + 31 * DAY);
}

static void a_jump_that_stays_is_believed_and_what_expired_is_renewed(void **state)
{
	struct world *w = *state;
	int64_t ticks = 1000;
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	stop(w);
	jump(w, &ticks, 0, 0, NULL);
	/* a virtual machine was asleep for three days */
	jump(w, &ticks, 1, 3 * DAY, "jumped by");
	assert_refused(reader_read(&w->client, w->now, STOPS, &text, &e), ERR_EXPIRED, "timestamp");
	jump(w, &ticks, CLOCK_DOUBT_S, 0, "stayed where it jumped to");
	assert_true(desk_next_renewal(w->p.desk) <= w->now);
	assert_true(desk_renew(w->p.desk, w->now, &e) > 0);
	client_sees_stops(w, 1);
}

static void a_jump_that_the_server_doubts_still_is_not_believed_however_long_it_lasts(void **state)
{
	struct world *w = *state;
	char said[DESK_SENTENCE];
	int64_t ticks = 1000, right = w->now;
	struct desk_clock c;

	jump(w, &ticks, 0, 0, NULL);
	jump(w, &ticks, 1, 3 * DAY, "jumped by");
	for (int i = 0; i < 3; i++) {
		w->now += CLOCK_DOUBT_S;
		ticks += CLOCK_DOUBT_S * 1000;
		assert_false(desk_clock(w->p.desk, w->now, ticks, true, said));
	}
	desk_clock_status(w->p.desk, w->now, &c);
	assert_true(c.doubted);
	assert_int_equal(c.signing, right + 1 + 3 * CLOCK_DOUBT_S);
	jump(w, &ticks, 1, 0, "stayed where it jumped to");
}

static void a_clock_that_fell_back_between_runs_is_said_and_not_followed(void **state)
{
	struct world *w = *state;
	struct desk_clock c;
	int64_t ticks = 1000, was = w->now + 10 * DAY;
	struct err e;

	w->now = was;
	stop(w);
	reopen_after(w, "data", "backup");
	w->now -= 10 * DAY;
	jump(w, &ticks, 0, 0, "864000 s before the last signature");
	jump(w, &ticks, 1, 0, NULL);
	desk_clock_status(w->p.desk, w->now, &c);
	assert_int_equal(c.behind_s, 10 * DAY - 1);
	assert_int_equal(c.signing, was);
	stop(w);
	w->now = was;
	client_sees_stops(w, 2);
	/* the expiry is counted from the last signature, not from the clock */
	AUTO(buf) struct buf *text = NULL;

	assert_ok(reader_read(&w->client, was + DAY - 1, STOPS, &text, &e));
}

static void a_clock_that_falls_back_for_good_is_followed_as_far_as_the_last_signature(void **state)
{
	struct world *w = *state;
	int64_t ticks = 1000, right = w->now;
	struct desk_clock c;

	jump(w, &ticks, 0, 0, NULL);
	jump(w, &ticks, DAY / 4, 0, NULL);
	stop(w);
	jump(w, &ticks, 1, -DAY, "jumped by -86400 s");
	desk_clock_status(w->p.desk, w->now, &c);
	assert_int_equal(c.signing, right + DAY / 4 + 1);
	jump(w, &ticks, CLOCK_DOUBT_S, 0, "before the last signature");
	desk_clock_status(w->p.desk, w->now, &c);
	assert_int_equal(c.signing, right + DAY / 4);
	assert_true(c.behind_s > CLOCK_JUMP_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_glitch_of_the_clock_leaves_no_signature_of_another_year),
		T(nor_does_a_draft_that_others_shall_sign_too),
		T(a_jump_that_stays_is_believed_and_what_expired_is_renewed),
		T(a_jump_that_the_server_doubts_still_is_not_believed_however_long_it_lasts),
		T(a_clock_that_fell_back_between_runs_is_said_and_not_followed),
		T(a_clock_that_falls_back_for_good_is_followed_as_far_as_the_last_signature),
	};

	desk_tests_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
