/*
 * test_devices: devices at a real server: enrolment, the tokens they get one
 * after the other, clones, and those that are revoked.
 */
#include <pthread.h>

#include "plane.h"

#define FACTS "{\"os\":\"debian-12\",\"host\":\"%s\"}"

struct device {
	char id[40], token[200], epoch[20];
	int seq;
};

static int open_more(void **state, const char *more)
{
	struct plane *p = plane_open(more);

	*state = p;
	return 0;
}

static int setup(void **state)
{
	return open_more(state, "device-rate = 1000\ndevice-burst = 1000\n");
}

/* Tokens that are due for the next one at once. */
static int setup_short(void **state)
{
	return open_more(state, "device-token-life = 1s\ndevice-rate = 1000\ndevice-burst = 1000\n");
}

static int setup_slow(void **state)
{
	return open_more(state, "enrol-rate = 1\nenrol-burst = 3\n");
}

static int teardown(void **state)
{
	plane_close(*state);
	return 0;
}

/* ---- tokens to enrol with ---- */

struct word {
	char token[80], id[40];
};

static struct word enrolment(struct plane *p, const char *more)
{
	struct word out;
	char body[300];
	AUTO_REPLY a = { 0 };

	snprintf(body, sizeof body, "{\"name\":\"lab\"%s}", more);
	a = ask(p, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", body);
	if (a.status != 201)
		fail_msg("%s", a.text->data);
	snprintf(out.token, sizeof out.token, "%s", member(&a, "token"));
	snprintf(out.id, sizeof out.id, "%s", member(&a, "id"));
	return out;
}

static struct answer try_enrol(struct plane *p, const char *token, const char *nonce, const char *host)
{
	char body[300];

	snprintf(body, sizeof body, "{\"format\":1,\"nonce\":\"%s\",\"facts\":" FACTS "}", nonce, host);
	return ask(p, token, "POST", "/device/v1/enrol", body);
}

static struct device enrol(struct plane *p, const char *token, const char *nonce, const char *host)
{
	struct device d = { .epoch = "0123456789abcdef" };
	AUTO_REPLY a = try_enrol(p, token, nonce, host);

	if (a.status != 201)
		fail_msg("enrolment: %s", a.text->data);
	snprintf(d.id, sizeof d.id, "%s", member(&a, "device"));
	snprintf(d.token, sizeof d.token, "%s", member(&a, "token"));
	return d;
}

/* ---- check-ins ---- */

static struct answer checkin_with(struct plane *p, struct device *d, const char *token)
{
	char body[500];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"%s\",\"seq\":%d,\"sent\":1738324800,\"boot_id\":\"00112233445566778899aabbccddeeff\",\"facts\":" FACTS
		 ",\"channels\":[],\"events\":[],\"want\":[]}",
		 d->epoch, ++d->seq, "h");
	return ask(p, token, "POST", "/device/v1/checkin", body);
}

static void checks_in(struct plane *p, struct device *d)
{
	AUTO_REPLY a = checkin_with(p, d, d->token);

	if (a.status != 200)
		fail_msg("check-in: %s", a.text->data);
}

static void refused(struct plane *p, struct device *d, const char *token, long status, const char *slug)
{
	AUTO_REPLY a = checkin_with(p, d, token);

	expect_problem(&a, status, slug);
}

/* Checks in until the answer brings the next token. */
static void next_token(struct plane *p, struct device *d, char out[200])
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = checkin_with(p, d, d->token);

		assert_int_equal(a.status, 200);
		snprintf(out, 200, "%s", member(&a, "token"));
		if (*out)
			return;
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 50);
	}
}

static struct answer look_at(struct plane *p, const struct device *d)
{
	char path[80];

	snprintf(path, sizeof path, "/v1/devices/%s", d->id);
	return ask(p, FIXTURE_TOKEN, "GET", path, NULL);
}

static bool is_flagged(struct plane *p, const struct device *d)
{
	AUTO_REPLY a = look_at(p, d);

	return json_get(a.doc->root, "flagged")->type == JSON_TRUE;
}

/* How many rows the audit log has of this action on this subject. */
static int audited(struct plane *p, const char *action, const char *subject)
{
	AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/v1/audit", NULL);
	const struct json *items = json_get(a.doc->root, "items");
	int count = 0;

	for (uint32_t i = 0; i < items->count; i++)
		count += json_is(json_get(&items->u.items[i], "action"), action) && json_is(json_get(&items->u.items[i], "subject"), subject);
	return count;
}

#define PLACE(p)                     \
	struct plane *p = *state;    \
	NEED((p)->o)

/* ---- enrolment ---- */

static int uses_left(struct plane *p, const struct word *w)
{
	AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "GET", "/v1/enrolment-tokens", NULL);
	const struct json *items = json_get(a.doc->root, "items");

	for (uint32_t i = 0; i < items->count; i++)
		if (json_is(json_get(&items->u.items[i], "id"), w->id)) {
			const struct json *uses = json_get(&items->u.items[i], "uses");

			assert_true(json_is(json_get(json_get(&items->u.items[i], "attributes"), "ring"), "canary"));
			return uses->type == JSON_NULL ? -1 : atoi(uses->u.text);
		}
	fail_msg("the token is not listed");
	return 0;
}

static void a_token_enrols_as_many_devices_as_it_says_and_shows_how_many_are_left(void **state)
{
	PLACE(p);
	struct word one = enrolment(p, ",\"uses\":1,\"attributes\":{\"ring\":\"canary\"}"), many = enrolment(p, ",\"attributes\":{\"ring\":\"canary\"}");
	struct device d = enrol(p, one.token, "", "a");
	AUTO_REPLY more = try_enrol(p, one.token, "", "b");
	AUTO_REPLY seen = look_at(p, &d);

	expect_problem(&more, 403, "forbidden");
	assert_int_equal(uses_left(p, &one), 0);
	for (int i = 0; i < 3; i++)
		enrol(p, many.token, "", "c");
	assert_int_equal(uses_left(p, &many), -1);
	assert_non_null(strstr(seen.text->data, "ring=canary"));
	assert_int_equal(audited(p, "enrol", d.id), 1);
}

static void an_enrolment_whose_answer_was_lost_is_the_same_when_it_is_tried_again(void **state)
{
	PLACE(p);
	struct word one = enrolment(p, ",\"uses\":1");
	struct device first = enrol(p, one.token, "00112233445566778899aabbccddeeff", "a"), again;
	AUTO_REPLY other = try_enrol(p, one.token, "00112233445566778899aabbccddeeff", "b");

	/* the same disk in another machine is another device, and the token is used up */
	expect_problem(&other, 403, "forbidden");
	plane_restart(p, SIGKILL);
	again = enrol(p, one.token, "00112233445566778899aabbccddeeff", "a");
	assert_string_equal(first.id, again.id);
	checks_in(p, &again);
	/* once it was heard of, whoever asks with the same nonce is somebody else */
	AUTO_REPLY late = try_enrol(p, one.token, "00112233445566778899aabbccddeeff", "a");
	expect_problem(&late, 403, "forbidden");
	assert_int_equal(audited(p, "enrol", first.id), 1);
}

/* ---- one machine that asks on several connections at once ---- */

#define AT_ONCE 4
#define ROUNDS 10

struct asker {
	pthread_t thread;
	pthread_barrier_t *go;
	struct plane plane;             /* with a connection of its own */
	const char *token, *nonce;
	long status;
	char id[40];
};

static void *ask_with_others(void *arg)
{
	struct asker *a = arg;
	char body[200];

	snprintf(body, sizeof body, "{\"format\":1,\"nonce\":\"%s\",\"facts\":" FACTS "}", a->nonce, "a");
	pthread_barrier_wait(a->go);
	AUTO_REPLY got = ask(&a->plane, a->token, "POST", "/device/v1/enrol", body);

	a->status = got.status;
	snprintf(a->id, sizeof a->id, "%s", member(&got, "device"));
	return NULL;
}

static void a_machine_that_asks_on_several_connections_at_once_is_one_device(void **state)
{
	PLACE(p);
	struct asker all[AT_ONCE] = { 0 };
	pthread_barrier_t go;

	for (int round = 0; round < ROUNDS; round++) {
		struct word one = enrolment(p, ",\"uses\":1");
		char nonce[40];

		snprintf(nonce, sizeof nonce, "%032x", round);
		pthread_barrier_init(&go, NULL, AT_ONCE);
		for (int i = 0; i < AT_ONCE; i++) {
			all[i].go = &go;
			all[i].token = one.token;
			all[i].nonce = nonce;
			if (round == 0) {
				all[i].plane.o = p->o;
				plane_connect(&all[i].plane);
			}
			assert_int_equal(pthread_create(&all[i].thread, NULL, ask_with_others, &all[i]), 0);
		}
		for (int i = 0; i < AT_ONCE; i++)
			assert_int_equal(pthread_join(all[i].thread, NULL), 0);
		pthread_barrier_destroy(&go);
		for (int i = 0; i < AT_ONCE; i++) {
			assert_int_equal(all[i].status, 201);
			assert_string_equal(all[i].id, all[0].id);
		}
		assert_int_equal(audited(p, "enrol", all[0].id), 1);
	}
	for (int i = 0; i < AT_ONCE; i++)
		fetch_free(all[i].plane.http);
}

static void a_token_that_was_withdrawn_or_is_unknown_enrols_nobody(void **state)
{
	PLACE(p);
	struct word w = enrolment(p, "");
	char path[100];

	snprintf(path, sizeof path, "/v1/enrolment-tokens/%s?reason=leaked", w.id);
	AUTO_REPLY ended = ask(p, FIXTURE_TOKEN, "DELETE", path, NULL);
	assert_int_equal(ended.status, 200);
	AUTO_REPLY late = try_enrol(p, w.token, "", "a");
	expect_problem(&late, 403, "forbidden");
	AUTO_REPLY unknown = try_enrol(p, "rhe_x", "", "a");
	expect_problem(&unknown, 401, "unauthenticated");
	AUTO_REPLY odd = try_enrol(p, w.token, "xyz", "a");
	expect_problem(&odd, 400, "malformed");
	/* withdrawn twice is withdrawn, and told of once */
	AUTO_REPLY again = ask(p, FIXTURE_TOKEN, "DELETE", path, NULL);
	assert_int_equal(again.status, 200);
	AUTO_REPLY log = ask(p, FIXTURE_TOKEN, "GET", "/v1/audit?action=enrolment-token-end", NULL);
	assert_int_equal(json_get(log.doc->root, "items")->count, 1);
}

static void one_address_enrols_no_faster_than_it_may(void **state)
{
	PLACE(p);
	struct word w = enrolment(p, "");
	long status = 201;

	for (int i = 0; i < 20 && status == 201; i++) {
		AUTO_REPLY a = try_enrol(p, w.token, "", "a");

		status = a.status;
		if (status != 201) {
			expect_problem(&a, 429, "too-many-requests");
			assert_true(a.retry_after > 0);
		}
	}
	assert_int_equal(status, 429);
}

/* ---- one token after the other ---- */

static void the_old_token_is_good_until_the_new_one_is_shown_and_not_after(void **state)
{
	PLACE(p);
	struct word w = enrolment(p, "");
	struct device d = enrol(p, w.token, "", "a");
	char fresh[200], same[200], old[200];

	next_token(p, &d, fresh);
	assert_string_not_equal(fresh, d.token);
	/* the device died before it kept it, and the server as well: it gets the same one again */
	plane_restart(p, SIGKILL);
	checks_in(p, &d);
	next_token(p, &d, same);
	assert_string_equal(fresh, same);
	snprintf(old, sizeof old, "%s", d.token);
	snprintf(d.token, sizeof d.token, "%s", fresh);
	checks_in(p, &d);
	assert_false(is_flagged(p, &d));
	plane_restart(p, SIGKILL);
	refused(p, &d, old, 401, "token-replaced");
	/* whoever has the newest is let in, and everybody sees that there are two */
	checks_in(p, &d);
	assert_true(is_flagged(p, &d));
	assert_int_equal(audited(p, "flag", d.id), 1);
	refused(p, &d, old, 401, "token-replaced");
	assert_int_equal(audited(p, "flag", d.id), 1);
	plane_restart(p, SIGKILL);
	assert_true(is_flagged(p, &d));
}

static void a_flag_is_cleared_by_a_person_with_a_reason_and_tokens_go_on(void **state)
{
	PLACE(p);
	struct word w = enrolment(p, "");
	struct device d = enrol(p, w.token, "", "a");
	char old[200], fresh[200], path[100];

	snprintf(old, sizeof old, "%s", d.token);
	next_token(p, &d, fresh);
	snprintf(d.token, sizeof d.token, "%s", fresh);
	checks_in(p, &d);
	refused(p, &d, old, 401, "token-replaced");
	snprintf(path, sizeof path, "/v1/devices/%s/clear?dry_run=true", d.id);
	AUTO_REPLY dry = ask(p, FIXTURE_TOKEN, "POST", path, "{\"reason\":\"looked at it\"}");
	assert_int_equal(dry.status, 200);
	assert_true(is_flagged(p, &d));
	*strchr(path, '?') = '\0';
	AUTO_REPLY clear = ask(p, FIXTURE_TOKEN, "POST", path, "{\"reason\":\"looked at it\"}");
	assert_int_equal(clear.status, 200);
	assert_false(is_flagged(p, &d));
	assert_int_equal(audited(p, "clear", d.id), 1);
	next_token(p, &d, fresh);
}

/* ---- the end ---- */

static void a_revoked_device_hears_that_it_is_and_nothing_else(void **state)
{
	PLACE(p);
	struct word w = enrolment(p, "");
	struct device d = enrol(p, w.token, "", "a");
	char path[100];

	checks_in(p, &d);
	snprintf(path, sizeof path, "/v1/devices/%s?reason=stolen%%20on%%20the%%20train", d.id);
	AUTO_REPLY a = ask(p, FIXTURE_TOKEN, "DELETE", path, NULL);
	assert_int_equal(a.status, 200);
	refused(p, &d, d.token, 403, "device-revoked");
	plane_restart(p, SIGKILL);
	refused(p, &d, d.token, 403, "device-revoked");
	AUTO_REPLY self = ask(p, d.token, "GET", "/device/v1/self", NULL);
	expect_problem(&self, 403, "device-revoked");
	AUTO_REPLY log = ask(p, FIXTURE_TOKEN, "GET", "/v1/audit", NULL);
	assert_non_null(strstr(log.text->data, "stolen on the train"));
}

int main(void)
{
#define T(test, before) cmocka_unit_test_setup_teardown(test, before, teardown)
	const struct CMUnitTest tests[] = {
		T(a_token_enrols_as_many_devices_as_it_says_and_shows_how_many_are_left, setup),
		T(an_enrolment_whose_answer_was_lost_is_the_same_when_it_is_tried_again, setup),
		T(a_machine_that_asks_on_several_connections_at_once_is_one_device, setup),
		T(a_token_that_was_withdrawn_or_is_unknown_enrols_nobody, setup),
		T(one_address_enrols_no_faster_than_it_may, setup_slow),
		T(the_old_token_is_good_until_the_new_one_is_shown_and_not_after, setup_short),
		T(a_flag_is_cleared_by_a_person_with_a_reason_and_tokens_go_on, setup_short),
		T(a_revoked_device_hears_that_it_is_and_nothing_else, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
