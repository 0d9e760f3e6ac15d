/* test_idempotency: who may less than when a request was answered is not given the answer again. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_is_given_again_to_the_same_rights_only, setup, teardown),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
