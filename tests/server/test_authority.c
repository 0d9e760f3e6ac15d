/* test_authority: `ringhold recall` and `ringhold approve` against a real server, and what it publishes then. */
#include "base/fetch.h"
#include "base/json.h"
#include "office.h"
#include "rollout/approvals.h"
#include "rollout/stops.h"

#define SOME "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static int setup(void **state)
{
	*state = office_open("");
	return 0;
}

static int teardown(void **state)
{
	office_close(*state);
	return 0;
}

/* A published document, as any client of the repository gets it. */
static struct buf *published(const struct office *o, const char *path, const char *role)
{
	AUTO(repo) struct repo *r = NULL;
	struct buf *text = NULL;
	struct err e;

	assert_ok(repo_open(&r, o->f->repository, &e));
	if (repo_read_target(r, path, 1 << 20, &text, &e) < 0)
		return NULL;
	assert_non_null(metadata_target(repo_role(r, role), path, strlen(path)));
	return text;
}

static struct stops *recalls(const struct office *o)
{
	AUTO(buf) struct buf *text = published(o, "recall/edr/recalls.json", "recall");
	struct stops *s = NULL;
	struct err e;

	assert_non_null(text);
	assert_ok(stops_parse(&s, STOPS_RECALL, "recalls", text->data, text->len, &e));
	return s;
}

static void a_recall_is_signed_published_and_halts_the_rollout(void **state)
{
	struct office *o = *state;
	AUTO(stops) struct stops *s = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;

	NEED(o);
	publish(o, 7, "one", hex);
	assert_true(digest_parse(&d, hex, DIGEST_HEX_LEN));
	assert_int_equal(TOOL(o, "recall", "recall", "edr", "7", "--reason", "boots fail"), 0);
	expect_said(o, "serial 7");
	s = recalls(o);
	assert_non_null(stops_find(s, &d));
	assert_string_equal(s->entries[0].reason, "boots fail");
	assert_int_equal(s->entries[0].serial, 7);
	assert_int_equal(TOOL(o, "", "rollout", "list", "--json"), 0);
	assert_true(strstr(o->said, "halted") || strstr(o->said, "rolled-back"));
	assert_null(published(o, "rings/canary/edr.json", "ring-canary"));
}

/* By a signing request, by a ceremony on the repository itself: it need not come through this command. */
static void a_recall_that_was_published_otherwise_halts_as_well(void **state)
{
	struct office *o = *state;
	AUTO_FREE char *listening = fixture_path(o->f, "data/listening");
	AUTO(stops) struct stops *s = stops_new(STOPS_RECALL, "edr");
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(repo) struct repo *r = NULL;
	struct stop_entry entry = { .serial = 7, .at = clock_now(), .reason = "by hand" };
	int64_t until = clock_work_ms() + LIMIT_MS;
	char hex[DIGEST_HEX_LEN + 1];
	struct err e;

	NEED(o);
	publish(o, 7, "one", hex);
	kill(o->pid, SIGKILL);
	waitpid(o->pid, NULL, 0);
	unlink(listening);
	assert_true(digest_parse(&entry.digest, hex, DIGEST_HEX_LEN));
	assert_ok(stops_add(s, &entry, &e));
	assert_ok(stops_write(text, s, &e));
	assert_ok(repo_open(&r, o->f->repository, &e));
	assert_ok(repo_put_target(r, "recall", "recall/edr/recalls.json", text->data, text->len, NULL, &e));
	assert_ok(repo_publish(r, o->f->all, clock_now(), &e));
	office_start(o);
	do {
		assert_true(clock_work_ms() < until);
		assert_int_equal(TOOL(o, "", "rollout", "list", "--json"), 0);
	} while (!strstr(o->said, "\"rolled-back\""));
	assert_null(published(o, "rings/canary/edr.json", "ring-canary"));
}

static void recalls_add_up_and_urgent_ones_recall_nothing(void **state)
{
	struct office *o = *state;
	AUTO(stops) struct stops *s = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d, some;

	NEED(o);
	publish(o, 7, "one", hex);
	assert_true(digest_parse(&d, hex, DIGEST_HEX_LEN) && digest_parse(&some, SOME, DIGEST_HEX_LEN));
	assert_int_equal(TOOL(o, "recall", "recall", "edr", SOME, "--reason", "unknown here, bad anyway"), 0);
	expect_said(o, "a bundle this server does not know");
	assert_int_equal(TOOL(o, "recall", "recall", "edr", hex, "--urgent", "--reason", "an outbreak"), 0);
	s = recalls(o);
	assert_int_equal(s->count, 2);
	assert_true(stops_find(s, &some) && !stops_find(s, &d) && stops_urgent(s, &d));
	assert_int_equal(TOOL(o, "", "rollout", "list", "--json"), 0);
	assert_null(strstr(o->said, "halted"));
	assert_int_not_equal(TOOL(o, "recall", "recall", "edr", SOME, "--reason", "again"), 0);
	expect_said(o, "listed already");
}

static uint64_t floor_of(const struct office *o)
{
	AUTO(buf) struct buf *text = published(o, "bundles/edr/floor.json", "content-edr");
	uint64_t floor = 0;
	struct err e;

	if (text)
		assert_ok(floor_parse(&floor, "edr", "floor", text->data, text->len, &e));
	return floor;
}

static void a_floor_is_signed_by_the_vendor_rises_and_stays_when_bundles_follow(void **state)
{
	struct office *o = *state;
	AUTO(buf) struct buf *text = NULL;
	char hex[DIGEST_HEX_LEN + 1];

	NEED(o);
	publish(o, 7, "one", hex);
	assert_int_not_equal(TOOL(o, "recall", "floor", "edr", "7", "--reason", "x"), 0);
	expect_said(o, "none of the 1 keys at hand");
	assert_int_not_equal(TOOL(o, "content-edr", "floor", "edr", "7"), 0);
	expect_said(o, "--reason");
	assert_int_equal(TOOL(o, "content-edr", "floor", "edr", "7", "--reason", "x", "--dry-run"), 0);
	expect_said(o, "not sent");
	assert_int_equal(floor_of(o), 0);
	assert_int_equal(TOOL(o, "content-edr", "floor", "edr", "7", "--reason", "all before it crash"), 0);
	expect_said(o, "published");
	assert_int_equal(floor_of(o), 7);
	text = published(o, "bundles/edr/floor.json", "content-edr");
	assert_non_null(strstr(text->data, "all before it crash"));
	assert_int_not_equal(TOOL(o, "content-edr", "floor", "edr", "6", "--reason", "x"), 0);
	expect_said(o, "only rises");
	publish(o, 8, "two", hex);
	assert_int_equal(floor_of(o), 7);
	assert_int_equal(TOOL(o, "content-edr", "floor", "edr", "8", "--reason", "newer"), 0);
	assert_int_equal(floor_of(o), 8);
}

static void only_the_roles_own_key_recalls_or_approves_and_a_dry_run_publishes_nothing(void **state)
{
	struct office *o = *state;

	NEED(o);
	assert_int_not_equal(TOOL(o, "content-edr", "recall", "edr", SOME, "--reason", "x"), 0);
	expect_said(o, "none of the 1 keys at hand");
	assert_int_not_equal(TOOL(o, "recall", "approve", "edr", SOME, "--party", "bank"), 0);
	expect_said(o, "none of the 1 keys at hand");
	assert_int_not_equal(TOOL(o, "approve-bank", "approve", "edr", SOME, "--party", "works"), 0);
	expect_said(o, "no role approve-works");
	assert_int_not_equal(TOOL(o, "recall", "recall", "edr", SOME), 0);
	expect_said(o, "--reason");
	assert_int_not_equal(TOOL(o, "recall", "recall", "edr", "12", "--reason", "x"), 0);
	expect_said(o, "no bundle with serial 12");
	assert_int_equal(TOOL(o, "recall", "recall", "edr", SOME, "--reason", "x", "--dry-run"), 0);
	expect_said(o, "not sent");
	assert_null(published(o, "recall/edr/recalls.json", "recall"));
}

static void an_approval_is_plain_metadata_and_can_be_withdrawn(void **state)
{
	static const char path[] = "approvals/bank/edr.json";
	struct office *o = *state;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d, some;
	struct err e;

	NEED(o);
	publish(o, 7, "one", hex);
	assert_true(digest_parse(&d, hex, DIGEST_HEX_LEN) && digest_parse(&some, SOME, DIGEST_HEX_LEN));
	assert_int_equal(TOOL(o, "approve-bank", "approve", "edr", "7", SOME, "--party", "bank"), 0);
	assert_int_equal(TOOL(o, "approve-bank", "approve", "edr", SOME, "--party", "bank", "--withdraw"), 0);
	AUTO(buf) struct buf *text = published(o, path, "approve-bank");
	AUTO(approvals) struct approvals *a = NULL;
	assert_non_null(text);
	assert_ok(approvals_parse(&a, path, text->data, text->len, &e));
	assert_true(approvals_has(a, &d) && !approvals_has(a, &some));
}

/* ---- what the server does not take, whoever signed it ---- */

static long put(struct office *o, const char *url, const void *bytes, size_t len, char *said, size_t cap)
{
	AUTO_FREE char *pin = fixture_path(o->f, "data/pin"), *listening = fixture_path(o->f, "data/listening"), *full = NULL;
	AUTO(buf) struct buf *key = NULL, *address = NULL;
	AUTO(fetch) struct fetch *http = NULL;
	struct fetch_answer answer;
	struct err e;
	long status;

	assert_ok(file_read(&key, pin, 200, &e));
	assert_ok(file_read(&address, listening, 200, &e));
	key->data[strcspn(key->data, "\n")] = '\0';
	address->data[strcspn(address->data, "\n")] = '\0';
	assert_true(asprintf(&full, "https://%s%s", address->data, url) > 0);
	assert_ok(fetch_new(&http, &(struct fetch_settings){ .pin = key->data, .agent = "test" }, &e));
	assert_ok(fetch_do(http, &(struct fetch_request){ .method = "PUT", .url = full, .bearer = FIXTURE_TOKEN, .body = bytes, .body_len = len,
							  .type = strstr(url, "uploads") ? "application/octet-stream" : NULL, .max = 1 << 20 },
			   &answer, &e));
	snprintf(said, cap, "%s", answer.body->data ? answer.body->data : "");
	status = answer.status;
	fetch_answer_release(&answer);
	return status;
}

/* The role with one more target of these bytes, signed by its key. */
static long put_document(struct office *o, const char *role, const char *path, const char *text, char *said, size_t cap)
{
	AUTO(buf) struct buf *bare = NULL, *whole = NULL, *body = buf_new(0);
	AUTO(author) struct author *a = NULL;
	AUTO(repo) struct repo *r = NULL;
	char hex[DIGEST_HEX_LEN + 1], url[160];
	struct authority by;
	struct digest sha;
	struct err e;
	bool met;

	hash_bytes(&sha, text, strlen(text));
	digest_hex(hex, &sha);
	snprintf(url, sizeof url, "/v1/uploads/%s", hex);
	assert_true(put(o, url, text, strlen(text), said, cap) / 100 == 2);
	assert_ok(repo_open(&r, o->f->repository, &e));
	assert_ok(author_load(&a, repo_role(r, role), &e));
	author_set_version(a, author_version(a) + 1);
	author_set_expires(a, clock_now() + REPO_PEOPLE_LIFE);
	assert_ok(author_put_target(a, path, strlen(text), &sha, NULL, &e));
	assert_ok(author_finish(a, &bare, &e));
	assert_true(authority_of(&by, repo_role(r, "targets"), role));
	assert_int_equal(author_sign(&whole, bare->data, bare->len, METADATA_TARGETS, o->f->all, &by, &met, &e), 1);
	buf_addf(body, "{\"role\":%s,\"targets\":[{\"path\":\"%s\",\"sha256\":\"%s\"}]}", whole->data, path, hex);
	assert_ok(buf_check(body, &e));
	snprintf(url, sizeof url, "/v1/roles/%s", role);
	return put(o, url, body->data, body->len, said, cap);
}

static void a_document_that_hosts_could_not_read_is_not_published(void **state)
{
	static const struct { const char *role, *path, *text, *says; } bad[] = {
		{ "recall", "recall/edr/recalls.json", "{\"format\":1,\"channel\":\"av\",\"entries\":[]}", "channel av" },
		{ "recall", "recall/edr/recalls.json", "{\"format\":1,\"channel\":\"edr\",\"entries\":[7]}", "an entry is an object" },
		{ "approve-bank", "approvals/bank/edr.json", "{\"format\":1,\"channel\":\"av\",\"digests\":[]}", "channel av" },
		{ "approve-bank", "approvals/bank/edr.json", "{\"format\":1,\"channel\":\"edr\",\"digests\":[\"no\"]}", "64 lower-case" },
		{ "fleet", "fleet/map/ringmap.json", "{}", "ringmap.json" },
	};
	struct office *o = *state;
	char said[2048];

	NEED(o);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		long status = put_document(o, bad[i].role, bad[i].path, bad[i].text, said, sizeof said);

		if (status / 100 != 4 || !strstr(said, bad[i].says))
			fail_msg("%s: status %ld: %s", bad[i].text, status, said);
	}
	assert_int_equal(put_document(o, "recall", "recall/edr/recalls.json", "{\"format\":1,\"channel\":\"edr\",\"entries\":[]}", said,
				      sizeof said), 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_recall_is_signed_published_and_halts_the_rollout),
		TEST(a_recall_that_was_published_otherwise_halts_as_well),
		TEST(recalls_add_up_and_urgent_ones_recall_nothing),
		TEST(a_floor_is_signed_by_the_vendor_rises_and_stays_when_bundles_follow),
		TEST(only_the_roles_own_key_recalls_or_approves_and_a_dry_run_publishes_nothing),
		TEST(an_approval_is_plain_metadata_and_can_be_withdrawn),
		TEST(a_document_that_hosts_could_not_read_is_not_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
