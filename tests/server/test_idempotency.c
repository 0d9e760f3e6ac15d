/* test_idempotency: who may less than when a request was answered is not given the answer again. */
#include <signal.h>
#include <sys/resource.h>

#include "world.h"

#include "server/idempotency.h"

static struct request *ask(struct world *w, unsigned roles, const char *channels)
{
	static const struct route any = { .pattern = "/v1/x", .method = HTTP_METHOD_POST, .body = BODY_JSON, .may = MAY(ADMIN) | MAY(OPERATOR) };
	struct request *q = request_new(w->s, &any);

	q->http = calloc(1, sizeof *q->http);
	q->http->method = HTTP_METHOD_POST;
	q->http->query = "";
	q->http->path = "/v1/x";
	q->http->headers[q->http->header_count++] = (struct http_header){ "idempotency-key", "once" };
	fixture_identity(q, "alice");
	q->identity->grants[0].roles = roles;
	snprintf(q->identity->grants[0].channels, sizeof q->identity->grants[0].channels, "%s", channels);
	return q;
}

/* True: the handler would run; it answers 200. */
static bool asked(struct world *w, unsigned roles, const char *channels, int *status, bool *replayed)
{
	struct request *q = ask(w, roles, channels);
	struct idempotency key;
	bool first = idempotency_begin(q, &key);

	if (first) {
		struct json_writer out = reply_json(&q->reply, 200);

		json_open_object(&out, NULL);
		json_put_text(&out, "secret_of", "edr");
		json_close_object(&out);
		idempotency_end(q, &key);
	}
	*status = q->reply.status;
	*replayed = q->reply.replayed;
	request_free(q);
	return first;
}

static void an_answer_is_given_again_to_the_same_rights_only(void **state)
{
	static const struct { unsigned roles; const char *channels; } less[] = {
		{ MAY(VIEWER), "edr" }, { MAY(OPERATOR), "waf" }, { MAY(OPERATOR), "" },
	};
	struct world *w = *state;
	bool replayed;
	int status;

	assert_true(asked(w, MAY(OPERATOR), "edr", &status, &replayed));
	assert_false(asked(w, MAY(OPERATOR), "edr", &status, &replayed));
	assert_int_equal(status, 200);
	assert_true(replayed);
	for (size_t i = 0; i < ARRAY_LEN(less); i++) {
		assert_false(asked(w, less[i].roles, less[i].channels, &status, &replayed));
		assert_int_equal(status, 422);
		assert_false(replayed);
	}
}

/* An attempt whose claim is kept, and that ends when the store takes nothing any more: neither an answer nor an end to the claim. */
static void fails_for_want_of_a_store(struct world *w)
{
	struct request *q = ask(w, MAY(OPERATOR), "edr");
	struct rlimit was, none;
	struct idempotency key;

	assert_true(idempotency_begin(q, &key));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	reply_problem(&q->reply, PROBLEM_STORE, "the disk is gone");
	idempotency_end(q, &key);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	request_free(q);
}

static void what_failed_for_want_of_a_store_may_be_asked_again_swept_or_not(void **state)
{
	struct world *w = *state;
	bool replayed;
	int status;
	struct err e;

	fails_for_want_of_a_store(w);
	fails_for_want_of_a_store(w);
	assert_ok(idempotency_sweep(w->s, clock_now(), &e));
	assert_null(w->s->left);
	fails_for_want_of_a_store(w);
	assert_true(asked(w, MAY(OPERATOR), "edr", &status, &replayed));
	assert_false(asked(w, MAY(OPERATOR), "edr", &status, &replayed));
	assert_true(replayed);
	assert_null(w->s->left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_is_given_again_to_the_same_rights_only, setup, teardown),
		cmocka_unit_test_setup_teardown(what_failed_for_want_of_a_store_may_be_asked_again_swept_or_not, setup, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
