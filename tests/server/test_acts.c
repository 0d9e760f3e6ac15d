/* test_acts: what is ordered happens once it is kept, to what was looked at, or not at all. */
#include <signal.h>
#include <sys/resource.h>

#include "server/device_visit.h"
#include "server/webhooks.h"
#include "world.h"

/* From now on the store takes nothing that is written; with the limit that was: it does again. */
static struct rlimit store_takes(const struct rlimit *limit)
{
	struct rlimit was, none;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, limit ? limit : &none), 0);
	return was;
}

static const struct device *device_of(struct world *w)
{
	return fleet_find(&w->s->fleet, w->machines[0].id);
}

static void is_untouched(struct world *w)
{
	const struct device *d = device_of(w);

	assert_false(d->revoked);
	assert_string_equal(d->flag, "two of them");
	assert_string_equal(d->attributes[0], "ring=canary");
}

static void a_device_stays_as_it_was_when_the_store_does_not_take_a_change(void **state)
{
	struct world *w = *state;
	const char *id = w->machines[0].id;
	struct rlimit was;
	char out[1024];
	struct err e;

	pthread_mutex_lock(&w->s->lock);
	device_flag(w->s, fleet_find(&w->s->fleet, id), clock_now(), "two of them");
	pthread_mutex_unlock(&w->s->lock);
	assert_ok(server_fold(w->s, SIZE_MAX, &e));
	was = store_takes(NULL);
	assert_int_not_equal(call(w, operator_revoke, "alice", id, "", out, sizeof out), 200);
	assert_int_not_equal(call(w, operator_clear, "alice", id, "{\"reason\":\"seen\"}", out, sizeof out), 200);
	assert_int_not_equal(call(w, operator_attributes, "alice", id, "{\"attributes\":{\"ring\":\"broad\"}}", out, sizeof out), 200);
	store_takes(&was);
	is_untouched(w);
	assert_ok(server_fold(w->s, SIZE_MAX, &e));
	world_reopen(w);
	is_untouched(w);
	assert_int_equal(call(w, operator_attributes, "alice", id, "{\"attributes\":{\"ring\":\"broad\"}}", out, sizeof out), 200);
	assert_int_equal(call(w, operator_clear, "alice", id, "{\"reason\":\"seen\"}", out, sizeof out), 200);
	assert_int_equal(call(w, operator_revoke, "alice", id, "", out, sizeof out), 200);
	world_reopen(w);
	assert_true(device_of(w)->revoked);
	assert_false(device_of(w)->flagged);
	assert_string_equal(device_of(w)->attributes[0], "ring=broad");
}

static void a_webhook_that_was_changed_since_it_was_looked_at_is_not_removed(void **state)
{
	static const char body[] = "{\"url\":\"https://example.com/\"}";
	struct world *w = *state;
	const struct webhooks_by by = { "alice", "", clock_now() };
	char out[1024];
	struct err e;

	assert_int_equal(call(w, operator_put_webhook, "alice", "siem", body, out, sizeof out), 201);
	assert_int_equal(call(w, operator_put_webhook, "bob", "siem", body, out, sizeof out), 200);
	assert_int_equal(webhooks_end(w->s, "siem", 1, &by, &e), ERR_CONFLICT);
	assert_int_equal(call(w, operator_webhook, "alice", "siem", "", out, sizeof out), 200);
	assert_ok(webhooks_end(w->s, "siem", 2, &by, &e));
	assert_int_equal(webhooks_end(w->s, "siem", 2, &by, &e), ERR_NOT_FOUND);
}

#define NONCE "00112233445566778899aabbccddeeff"

/* As when there was no memory for it after its row was kept. */
static void a_device_that_is_kept_but_not_known_enrols_no_second_time_and_holds_nobody_up(void **state)
{
	static const struct route any = { .pattern = "", .method = HTTP_METHOD_POST };
	struct world *w = *state;
	struct request *q = request_new(w->s, &any);
	struct server_batch b = { .count = 0 };
	struct store_enrolment *word = &server_record(&b, STORE_ENROLMENT)->u.enrolment;
	char id[DEVICE_ID_LEN + 1];
	struct err e;

	*word = (struct store_enrolment){ .name = "lab", .attributes = "{}", .expires = clock_now() + 3600, .uses = -1, .by = "alice" };
	token_hash(&word->hash, "rhe_word");
	token_device_id(id, &w->s->token_key, &word->hash, NONCE, "h");
	server_record(&b, STORE_DEVICE_NEW)->u.device = (struct store_device){ .id = id, .generation = 1, .old_epochs = "", .attributes = "{}" };
	assert_ok(server_write(w->s, &b, &e));
	q->http = calloc(1, sizeof *q->http);
	q->http->query = "";
	q->http->headers[q->http->header_count++] = (struct http_header){ "authorization", "Bearer rhe_word" };
	q->body = buf_new(1 << 10);
	buf_adds(q->body, "{\"format\":1,\"nonce\":\"" NONCE "\",\"facts\":{\"host\":\"h\"}}");
	device_enrol(q);
	assert_int_equal(q->reply.status, 409);
	request_free(q);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_device_stays_as_it_was_when_the_store_does_not_take_a_change),
		TEST(a_webhook_that_was_changed_since_it_was_looked_at_is_not_removed),
		TEST(a_device_that_is_kept_but_not_known_enrols_no_second_time_and_holds_nobody_up),
	};

	return world_clock() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
