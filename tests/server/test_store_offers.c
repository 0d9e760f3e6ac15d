/* test_store_offers: offers have numbers without gaps, what gathers during one commit is the next, and outcomes come back as they were. */
#include <pthread.h>
#include <semaphore.h>

#include "store_place.h"

/* ---- offers ---- */

#define THREADS 8
#define OFFERS 40

static struct { uint32_t n[THREADS * OFFERS + 1]; uint32_t last; bool ordered; } seen;

static void on_committed(struct write *w)
{
	seen.n[w->offers[0].n]++;
	seen.ordered = seen.ordered && w->offers[0].n == seen.last + 1;
	seen.last = w->offers[0].n;
}

static void *offer_many(void *arg)
{
	struct place *p = ((void **)arg)[0];
	int thread = (int)(intptr_t)((void **)arg)[1];
	struct err e;

	for (int i = 0; i < OFFERS; i++) {
		char id[32];
		struct store_offer o = { .rollout = 1, .ring = 0, .device = id, .stratum = "s", .at = 1 };
		struct write w = { .offers = &o, .offer_count = 1, .committed = on_committed };

		snprintf(id, sizeof id, "%d-%d", thread, i);
		if (writer_submit(p->writer, &w, &e) < 0)
			return arg;
	}
	return NULL;
}

static void offers_are_numbered_without_gaps_in_commit_order(void **state)
{
	struct place *p = *state;
	pthread_t threads[THREADS];
	void *args[THREADS][2];
	uint64_t commits, jobs;

	memset(&seen, 0, sizeof seen);
	seen.ordered = true;
	for (int i = 0; i < THREADS; i++) {
		args[i][0] = p;
		args[i][1] = (void *)(intptr_t)i;
		assert_int_equal(pthread_create(&threads[i], NULL, offer_many, args[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *got;

		pthread_join(threads[i], &got);
		assert_null(got);
	}
	for (uint32_t n = 1; n <= THREADS * OFFERS; n++)
		assert_int_equal(seen.n[n], 1);
	assert_true(seen.ordered);
	writer_figures(p->writer, &commits, &jobs);
	assert_int_equal(jobs, THREADS * OFFERS);
}

/* ---- group commit ---- */

static sem_t in_commit, go_on;

static void stay_in_commit(struct write *w)
{
	(void)w;
	sem_post(&in_commit);
	sem_wait(&go_on);
}

static void *offer_one(void *arg)
{
	struct place *p = ((void **)arg)[0];
	char id[32];
	struct store_offer o = { .rollout = 1, .device = id, .stratum = "s", .at = 1 };
	struct write w = { .offers = &o, .offer_count = 1, .committed = ((void **)arg)[1] ? NULL : stay_in_commit };
	struct err e;

	snprintf(id, sizeof id, "%d", (int)(intptr_t)((void **)arg)[1]);
	return writer_submit(p->writer, &w, &e) < 0 ? arg : NULL;
}

static void what_gathers_while_one_commits_is_the_next_commit(void **state)
{
	struct place *p = *state;
	void *args[THREADS + 1][2], *got;
	pthread_t threads[THREADS + 1];
	uint64_t commits, jobs;

	assert_int_equal(sem_init(&in_commit, 0, 0) | sem_init(&go_on, 0, 0), 0);
	for (int i = 0; i <= THREADS; i++) {
		args[i][0] = p;
		args[i][1] = (void *)(intptr_t)i;
		assert_int_equal(pthread_create(&threads[i], NULL, offer_one, args[i]), 0);
		while (i == 0 && sem_wait(&in_commit) < 0)
			;
	}
	while (writer_waiting(p->writer) < THREADS)
		usleep(1000);
	sem_post(&go_on);
	for (int i = 0; i <= THREADS; i++) {
		pthread_join(threads[i], &got);
		assert_null(got);
	}
	writer_figures(p->writer, &commits, &jobs);
	assert_int_equal(jobs, THREADS + 1);
	assert_int_equal(commits, 2);
	sem_destroy(&in_commit);
	sem_destroy(&go_on);
}

static void a_device_has_one_offer_for_ever(void **state)
{
	struct place *p = *state;
	struct store_offer o[2] = { { .rollout = 1, .device = "a", .stratum = "s", .at = 1 }, { .rollout = 1, .device = "b", .stratum = "s", .at = 1 } };
	struct write w = { .offers = o, .offer_count = 2 };
	struct err e;

	assert_ok(writer_submit(p->writer, &w, &e));
	assert_int_equal(o[0].n, 1);
	assert_int_equal(o[1].n, 2);
	assert_false(o[0].existed);
	place_close(p);
	place_open(p);
	o[0].at = 9;
	assert_ok(writer_submit(p->writer, &w, &e));
	assert_int_equal(o[0].n, 1);
	assert_true(o[0].existed);
	o[0].ring = 1;
	assert_ok(writer_submit(p->writer, &w, &e));
	assert_int_equal(o[0].n, 1);
	assert_false(o[0].existed);
}

static int check_outcome(const struct store_offer *o, void *arg, struct err *e)
{
	const struct store_outcome *want = arg;

	(void)e;
	assert_int_equal(o->outcome.renewed, want->renewed);
	assert_int_equal(o->outcome.survived, want->survived);
	assert_int_equal(o->outcome.failed, want->failed);
	assert_int_equal(o->outcome.environment, want->environment);
	assert_int_equal(o->outcome.lost, want->lost);
	assert_int_equal(o->outcome.voided, want->voided);
	assert_string_equal(o->outcome.reason, want->reason);
	return 1;
}

static void what_became_of_an_offer_is_read_back_as_it_was_told(void **state)
{
	struct place *p = *state;
	struct store_offer o = { .rollout = 1, .ring = 2, .device = "a", .stratum = "s", .at = 3 };
	struct store_outcome what = { .rollout = 1, .ring = 2, .device = "a", .renewed = 4, .survived = 5, .failed = 6, .environment = 7,
				      .lost = 8, .voided = true, .reason = "crash" };
	struct store_record r = { .kind = STORE_OUTCOME, .u.outcome = what };
	struct write w = { .offers = &o, .offer_count = 1 };
	struct err e;

	assert_ok(writer_submit(p->writer, &w, &e));
	assert_ok(submit(p, &r, 1, &e));
	assert_int_equal(store_each_offer(p->store, 1, 2, check_outcome, &what, &e), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(offers_are_numbered_without_gaps_in_commit_order),
		T(what_gathers_while_one_commits_is_the_next_commit),
		T(a_device_has_one_offer_for_ever),
		T(what_became_of_an_offer_is_read_back_as_it_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
