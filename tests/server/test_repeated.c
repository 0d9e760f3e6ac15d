/* test_repeated: what is asked twice happens once, and pages show everything once. */
#include <sqlite3.h>

#include "plane.h"

static int setup(void **state)
{
	*state = plane_open(EAGER);
	return 0;
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

#define OPEN(p) NEED((p)->o)

#define KEY "Idempotency-Key: 0123-abc"

static void a_repeated_request_happens_once_also_across_a_crash(void **state)
{
	struct plane *p = *state;
	static const char body[] = "{\"reason\":\"night\"}";
	char digest[DIGEST_HEX_LEN + 1], first[512];

	OPEN(p);
	publish(p->o, 1, "rules", digest);
	{
		int64_t until = clock_work_ms() + LIMIT_MS;
		long status = 409;

		/* until the ring offers there is nothing to pause */
		for (int n = 0; status == 409; n++) {
			char key[60];

			snprintf(key, sizeof key, "Idempotency-Key: try-%d", n);
			AUTO_REPLY a = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/pause", body, key);

			status = a.status;
			snprintf(first, sizeof first, "%s", key);
			assert_true(clock_work_ms() < until);
			poll(NULL, 0, status == 409 ? 20 : 0);
		}
		assert_int_equal(status, 200);
	}
	plane_restart(p, SIGKILL);
	{
		/* paused twice would be a conflict */
		AUTO_REPLY again = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/pause", body, first);
		AUTO_REPLY plain = ask(p, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/pause", body);
		AUTO_REPLY other = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/resume", body, first);
		AUTO_REPLY odd = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/rollouts/1/resume", body, "Idempotency-Key: a b");

		assert_int_equal(again.status, 200);
		expect_problem(&plain, 409, "conflict");
		expect_problem(&other, 422, "idempotency-key-reused");
		expect_problem(&odd, 400, "malformed");
	}
}

static void a_key_belongs_to_who_used_it_and_keeps_no_secret(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *other = NULL;

	OPEN(p);
	other = new_token(p, "second-admin", "admin", NULL);
	{
		AUTO_REPLY made = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/tokens", "{\"name\":\"carol\",\"roles\":[\"viewer\"]}", KEY);
		AUTO_REPLY again = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/tokens", "{\"name\":\"carol\",\"roles\":[\"viewer\"]}", KEY);
		AUTO_REPLY others = ask_with(p, other, "POST", "/v1/tokens", "{\"name\":\"dave\",\"roles\":[\"viewer\"]}", KEY);

		assert_int_equal(made.status, 201);
		expect_problem(&again, 409, "answered-once");
		assert_int_equal(others.status, 201);
	}
}

/* What a server that died in the middle leaves: the key, and no answer. */
static void an_outcome_that_is_not_known_is_not_tried_again(void **state)
{
	struct plane *p = *state;
	AUTO_FREE char *path = NULL;
	sqlite3 *db;

	OPEN(p);
	{
		AUTO_REPLY a = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}", KEY);

		assert_int_equal(a.status, 201);
	}
	path = fixture_path(p->o->f, "data/store.db");
	kill(p->o->pid, SIGKILL);
	waitpid(p->o->pid, NULL, 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, LIMIT_MS);
	assert_int_equal(sqlite3_exec(db, "UPDATE answer SET status = 0", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
	path = (free(path), fixture_path(p->o->f, "data/listening"));
	unlink(path);
	office_start(p->o);
	plane_connect(p);
	{
		AUTO_REPLY a = ask_with(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}", KEY);
		AUTO_REPLY list = ask(p, FIXTURE_TOKEN, "GET", "/v1/enrolment-tokens", NULL);

		expect_problem(&a, 409, "outcome-unknown");
		assert_int_equal(json_get(list.doc->root, "items")->count, 1);
	}
}

static void pages_show_everything_once(void **state)
{
	struct plane *p = *state;
	char name[20], path[80] = "/v1/tokens?limit=2";
	int seen = 0;

	OPEN(p);
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "person-%d", i);
		free(new_token(p, name, "viewer", NULL));
	}
	for (int pages = 0; pages < 10 && path[0]; pages++) {
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", path, NULL);

		assert_int_equal(a.status, 200);
		assert_true(json_get(a.doc->root, "items")->count <= 2);
		seen += (int)json_get(a.doc->root, "items")->count;
		snprintf(path, sizeof path, member(&a, "next")[0] ? "/v1/tokens?limit=2&cursor=%s" : "%s", member(&a, "next"));
	}
	assert_int_equal(seen, 6);
	{
		AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/v1/tokens?cursor=nothing", NULL);

		expect_problem(&a, 400, "malformed");
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_repeated_request_happens_once_also_across_a_crash),
		T(a_key_belongs_to_who_used_it_and_keeps_no_secret),
		T(an_outcome_that_is_not_known_is_not_tried_again),
		T(pages_show_everything_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
