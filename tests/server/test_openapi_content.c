/* test_openapi_content: server/openapi.yaml is what a real server does: bundles, contracts, what people sign, and what hosts fetch. */
#include "by_hand.h"

#include "signing/sigreq.h"

static void call_contracts(struct place *x)
{
	static const char contract[] = "{\"format\":1,\"sensor\":\"sensor-x\",\"version\":\"1.0\",\"accepts\":{\"doc\":{\"versions\":[1]}}}";
	char path[120];

	GOOD("GET", "/v1/contracts", NULL, NULL);
	BAD("GET", "/v1/contracts", "/v1/contracts?cursor=x", NULL, 400, "malformed");
	GOOD("POST", "/v1/contracts", "/v1/contracts?dry_run=true", contract);
	{
		AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/contracts", ADMIN, "/v1/contracts?reason=a+new+sensor", contract, NULL, 201, NULL });

		snprintf(path, sizeof path, "/v1/contracts/%s", member(&a, "digest"));
	}
	GOOD("POST", "/v1/contracts", NULL, contract);
	BAD("POST", "/v1/contracts", NULL, "[]", 400, "malformed");
	GOOD("GET", "/v1/contracts/{sha256}", path, NULL);
	BAD("GET", "/v1/contracts/{sha256}", "/v1/contracts/x", NULL, 400, "malformed");
	BAD("GET", "/v1/contracts/{sha256}", "/v1/contracts/" HEX64, NULL, 404, "not-found");
}

static void call_bundles(struct place *x)
{
	BAD("POST", "/v1/bundles", NULL, "{}", 400, "malformed");
	does(x, "PUT", "/v1/uploads/{sha256}", x->publisher, "/v1/uploads/" HEX64, "other bytes", NULL, 422, "refused");
	does(x, "PUT", "/v1/uploads/{sha256}", x->publisher, "/v1/uploads/x", "other bytes", NULL, 400, "malformed");
	publish_by_hand(x, 1, "rules", false, "", 404, "not-found");
	publish_by_hand(x, 1, "rules", true, ",\"dry_run\":true", 200, NULL);
	publish_by_hand(x, 1, "rules", false, "", 201, NULL);
	publish_by_hand(x, 1, "rules", false, "", 200, NULL);
	GOOD("GET", "/v1/bundles", NULL, NULL);
	BAD("GET", "/v1/bundles", "/v1/bundles?limit=-1", NULL, 400, "malformed");
	publish_by_hand(x, 1, "other rules", true, "", 409, "conflict");
}

static void call_content(struct place *x)
{
	struct fixture_bundle b;
	char sha[DIGEST_HEX_LEN + 1], path[160];

	fixture_bundle(x->plane->o->f, &b, 1, "rules");
	digest_hex(sha, &b.archive);
	fixture_bundle_release(&b);
	snprintf(path, sizeof path, "/content/targets/bundles/edr/%s.1.tar.gz", sha);
	does(x, "GET", "/content/targets/{path}", NULL, path, NULL, NULL, 200, NULL);
	does(x, "GET", "/content/targets/{path}", NULL, path, NULL, "Range: bytes=0-9", 206, NULL);
	does(x, "GET", "/content/targets/{path}", NULL, path, NULL, "Range: bytes=99999999-", 416, "range");
	does(x, "GET", "/content/targets/{path}", NULL, "/content/targets/x/y/z", NULL, NULL, 404, "not-found");
	does(x, "GET", "/content/metadata/{file}", NULL, "/content/metadata/timestamp.json", NULL, NULL, 200, NULL);
	does(x, "GET", "/content/metadata/{file}", NULL, "/content/metadata/nothing.json", NULL, NULL, 404, "not-found");
}

/* Two must sign from now on; and an archive that the role does not list is refused. */
static void call_refusal(struct place *x)
{
	AUTO(buf) struct buf *role = NULL, *body = buf_new(0);
	struct fixture_bundle b;
	char hex[DIGEST_HEX_LEN + 1];

	want_two(x, "content-edr");
	publish_by_hand(x, 3, "later rules", true, "", 202, NULL);
	fixture_bundle(x->plane->o->f, &b, 4, "latest rules");
	digest_hex(hex, &b.bundle->digest);
	role = signed_role(x, &b);
	fixture_bundle_release(&b);
	buf_addf(body, "{\"channel\":\"edr\",\"serial\":4,\"digest\":\"%s\",\"role\":%.*s,\"archive\":\"" HEX64 "\"}", hex, (int)role->len, role->data);
	BAD("POST", "/v1/bundles", NULL, body->data, 422, "refused");
}

/* The ring map's role with the next version: signed by nobody, or with its first key. */
static struct buf *next_fleet(struct place *x, bool sign)
{
	AUTO(metadata) struct metadata *m = stands(x, "fleet"), *targets = stands(x, "targets");
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL;
	struct buf *whole = NULL;
	struct authority by;
	bool met;
	struct err e;

	assert_ok(author_load(&a, m, &e));
	author_set_version(a, m->version + 1);
	author_set_expires(a, clock_now() + 1000 + REPO_PEOPLE_LIFE);
	assert_ok(author_finish(a, &plain, &e));
	if (!sign)
		return TAKE(plain);
	assert_true(authority_of(&by, targets, "fleet"));
	assert_true(author_sign(&whole, plain->data, plain->len, METADATA_TARGETS, x->plane->o->f->all, &by, &met, &e) >= 0);
	return whole;
}

static void put_fleet(struct place *x, long status, char id[40])
{
	AUTO(buf) struct buf *role = next_fleet(x, true), *body = buf_new(0);

	buf_addf(body, "{\"role\":%.*s}", (int)role->len, role->data);
	AUTO_REPLY a = call(x, &(const struct call){ "PUT", "/v1/roles/{role}", ADMIN, "/v1/roles/fleet?reason=a+move", body->data, NULL, status, NULL });
	if (status == 202)
		snprintf(id, 40, "%s", json_get(json_get(a.doc->root, "request"), "id")->u.text);
}

/* The signature that lacks, as somebody would bring it who signed elsewhere. */
static void sign_fleet(struct place *x, const char *id)
{
	char path[100], body[5000];
	const struct metadata_signature *sig;
	AUTO(sigreq) struct sigreq *q = NULL, *bare = NULL;
	AUTO(keyring) struct keyring *ring = keyring_new();
	AUTO_FREE char *pem = fixture_path(x->plane->o->f, "second.pem");
	struct seckey *second = NULL;
	struct err e;

	snprintf(path, sizeof path, "/v1/signing-requests/%s", id);
	AUTO_REPLY doc = call(x, &(const struct call){ "GET", "/v1/signing-requests/{request}", ADMIN, path, NULL, NULL, 200, NULL });
	assert_ok(sigreq_parse(&q, "request", doc.text->data, doc.text->len, &e));
	assert_ok(sigreq_bare(&bare, q, &e));
	assert_ok(seckey_load(&second, pem, NULL, NULL, &e));
	assert_ok(keyring_add(ring, "second", TAKE(second), &e));
	assert_true(sigreq_sign(bare, ring, NULL, &e) > 0);
	sig = &sigreq_draft(bare, "fleet")->draft->signatures[0];
	snprintf(path, sizeof path, "/v1/signing-requests/%s/signatures", id);
	snprintf(body, sizeof body, "{\"signatures\":[{\"role\":\"fleet\",\"keyid\":\"%.*s\",\"sig\":\"%.*s\"}]}", (int)sig->keyid.len, sig->keyid.text,
		 (int)sig->hex_len, sig->hex);
	does(x, "POST", "/v1/signing-requests/{request}/signatures", x->viewer, path, body, NULL, 200, NULL);
}

/* A request of a person's own making: opened, known, looked at, withdrawn. */
static void call_own_request(struct place *x)
{
	static const char one[] = "/v1/signing-requests/{request}", more[] = "/v1/signing-requests/{request}/signatures";
	AUTO(metadata) struct metadata *root = stands(x, "root"), *targets = stands(x, "targets"), *fleet = stands(x, "fleet");
	AUTO(buf) struct buf *role = next_fleet(x, false), *doc = buf_new(0);
	AUTO(sigreq) struct sigreq *q = NULL;
	char path[120];
	struct err e;

	assert_ok(sigreq_new(&q, "anna", "a test", root, targets, clock_now(), clock_now() + SIGREQ_LIFE, &e));
	assert_ok(sigreq_add(q, "fleet", fleet, role->data, role->len, &e));
	assert_ok(sigreq_seal(q, &e));
	assert_ok(sigreq_write(doc, q, &e));
	does(x, "POST", "/v1/signing-requests", ADMIN, NULL, doc->data, NULL, 201, NULL);
	does(x, "POST", "/v1/signing-requests", ADMIN, NULL, doc->data, NULL, 200, NULL);
	GOOD("GET", "/v1/signing-requests", NULL, NULL);
	snprintf(path, sizeof path, "/v1/signing-requests/%s/changes", q->id);
	GOOD("GET", "/v1/signing-requests/{request}/changes", path, NULL);
	snprintf(path, sizeof path, "/v1/signing-requests/%s/signatures", q->id);
	BAD("POST", more, path, "{}", 400, "malformed");
	BAD("POST", more, path, "{\"signatures\":[{\"role\":\"fleet\",\"keyid\":\"00\",\"sig\":\"00\"}]}", 403, "forbidden");
	snprintf(path, sizeof path, "/v1/signing-requests/%s?reason=%%01", q->id);
	BAD("DELETE", one, path, NULL, 400, "malformed");
	snprintf(path, sizeof path, "/v1/signing-requests/%s?reason=not+needed", q->id);
	GOOD("DELETE", one, path, NULL);
	BAD("DELETE", one, path, NULL, 409, "conflict");
	snprintf(path, sizeof path, "/v1/signing-requests/%s/signatures", q->id);
	BAD("POST", more, path, "{\"signatures\":[{\"role\":\"fleet\",\"keyid\":\"00\",\"sig\":\"00\"}]}", 409, "conflict");
}

static void call_signing(struct place *x)
{
	char id[40] = "";
	static const char role[] = "/v1/roles/{role}", requests[] = "/v1/signing-requests", one[] = "/v1/signing-requests/{request}";

	GOOD("GET", role, "/v1/roles/fleet", NULL);
	BAD("GET", role, "/v1/roles/nothing", NULL, 404, "not-found");
	GOOD("GET", "/v1/roles/{role}/draft", "/v1/roles/fleet/draft", NULL);
	BAD("GET", "/v1/roles/{role}/draft", "/v1/roles/nothing/draft", NULL, 404, "not-found");
	OLD("PUT", role, "/v1/roles/fleet", "{\"role\":{}}");
	BAD("PUT", role, "/v1/roles/fleet", "{}", 400, "malformed");
	does(x, "PUT", role, x->viewer, "/v1/roles/fleet", "{\"role\":{}}", NULL, 403, "forbidden");
	GOOD("GET", requests, NULL, NULL);
	BAD("GET", requests, "/v1/signing-requests?state=odd", NULL, 400, "malformed");
	BAD("POST", requests, NULL, "{}", 400, "malformed");
	BAD("GET", one, "/v1/signing-requests/0123456789abcdef", NULL, 404, "not-found");
	BAD("DELETE", one, "/v1/signing-requests/0123456789abcdef", NULL, 404, "not-found");
	BAD("GET", "/v1/signing-requests/{request}/changes", "/v1/signing-requests/0123456789abcdef/changes", NULL, 404, "not-found");
	BAD("POST", "/v1/signing-requests/{request}/signatures", "/v1/signing-requests/0123456789abcdef/signatures", "{\"signatures\":[]}", 404,
	    "not-found");
	call_own_request(x);
	put_fleet(x, 200, NULL);
	want_two(x, "fleet");
	put_fleet(x, 202, id);
	sign_fleet(x, id);
}

static void every_operation_on_content_answers_as_the_file_says(void **state)
{
	static const char *const tags[] = { OPERATIONS_OF_CONTENT, NULL };
	struct place *x = *state;

	NEED_SPEC(&x->spec);
	NEED(x->plane->o);
	hire_people(x);
	call_contracts(x);
	call_bundles(x);
	call_content(x);
	call_signing(x);
	call_refusal(x);
	expect_all_called(x, tags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_operation_on_content_answers_as_the_file_says, place_open, place_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
