/*
 * test_openapi: server/openapi.yaml is what a real server does. The file is
 * read: every operation and every answer it lists must have been called here,
 * every answer is held against its schema by our own engine, and every body
 * that was taken against the one of the request.
 */
#include "plane.h"

#include "base/yaml.h"
#include "schema/schema.h"
#include "server/problem.h"
#include "server/route.h"
#include "signing/sigreq.h"

#define FILE_NAME "server/openapi.yaml"
#define ANSWERS_MAX 512

struct place {
	struct plane *plane;
	struct buf *text;
	struct json_doc *doc;
	char seen[ANSWERS_MAX][80];     /* "GET /v1/bundles 200" */
	size_t count;
	char kept[ANSWERS_MAX][80];     /* operations of which the audit log told */
	size_t kept_count;
	int64_t audited;                /* rows of it so far */
	char device[200], device_id[40], publisher[80], viewer[80], approver[80];
};

static const char *const methods[] = { "get", "put", "post", "delete" };
static const char *const shouted[] = { "GET", "PUT", "POST", "DELETE" };

static int setup(void **state)
{
	struct place *x = calloc(1, sizeof *x);
	struct err e;

	*state = x;
	if (file_read(&x->text, FILE_NAME, 1 << 20, &e) < 0)
		return 0;
	assert_ok(yaml_parse(&x->doc, FILE_NAME, x->text->data, x->text->len, NULL, &e));
	return 0;
}

static int setup_server(void **state)
{
	struct place *x;

	setup(state);
	x = *state;
	x->plane = plane_open("token-rate = 100000\ntoken-burst = 100000\naddress-rate = 100000\naddress-burst = 100000\nbad-tokens = 100000\n"
			      "device-burst = 1000\n");
	return 0;
}

static int teardown(void **state)
{
	struct place *x = *state;

	if (x->plane)
		plane_close(x->plane);
	json_free(x->doc);
	buf_free(x->text);
	free(x);
	return 0;
}

#define READ(x)                                               \
	do {                                                  \
		if (!(x)->doc)                                \
			skip_named(FILE_NAME " is not here"); \
	} while (0)

/* ---- the file ---- */

static const struct json *at(const struct json *o, const char *a, const char *b, const char *c)
{
	const struct json *v = json_get(o, a);

	v = v && b ? json_get(v, b) : v;
	return v && c ? json_get(v, c) : v;
}

/* "#/components/responses/problem" to what stands there; anything else to itself. */
static const struct json *follow(const struct place *x, const struct json *v)
{
	const struct json *ref = v ? json_get(v, "$ref") : NULL;
	char kind[64], name[64];

	if (!ref || sscanf(ref->u.text, "#/components/%63[^/]/%63s", kind, name) != 2)
		return v;
	return at(json_get(x->doc->root, "components"), kind, name, NULL);
}

static const struct json *operation(const struct place *x, const char *method, const char *path)
{
	const struct json *p = at(x->doc->root, "paths", path, NULL);

	for (size_t i = 0; p && i < ARRAY_LEN(methods); i++)
		if (strcmp(shouted[i], method) == 0)
			return json_get(p, methods[i]);
	return NULL;
}

/* The schema of an answer; NULL: its content has none. */
static const struct json *answer_schema(const struct place *x, const struct json *op, long status, const char **type)
{
	char text[8];
	const struct json *r, *content;

	snprintf(text, sizeof text, "%ld", status);
	r = at(op, "responses", text, NULL);
	if (!r)
		r = at(op, "responses", "default", NULL);
	r = follow(x, r);
	content = r ? json_get(r, "content") : NULL;
	if (!content || content->count == 0)
		return NULL;
	*type = content->u.members[0].key.text;
	return json_get(&content->u.members[0].value, "schema");
}

/* A schema of the file with everything it may refer to, as a document of its own. */
static void expect_fits(const struct place *x, const struct json *schema, const struct json_doc *doc, const char *what)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *whole = NULL;
	AUTO(schema) struct schema *s = NULL;
	struct json_writer w = { .out = text };
	struct err e;

	json_open_object(&w, NULL);
	json_open_array(&w, "allOf");
	json_put_value(&w, NULL, schema);
	json_close_array(&w);
	json_put_value(&w, "components", json_get(x->doc->root, "components"));
	json_close_object(&w);
	assert_ok(json_parse(&whole, FILE_NAME, text->data, text->len, NULL, &e));
	assert_ok(schema_compile_as(&s, whole, whole->root, &(const struct schema_options){ .formats = true }, &e));
	if (schema_check(s, doc, doc->root, NULL, &e) < 0)
		fail_msg("%s: %s", what, e.msg);
}

/* ---- calls ---- */

struct call {
	const char *method, *path;      /* of the file */
	const char *token;              /* NULL: none */
	const char *address;            /* NULL: the path */
	const char *body, *header;
	long status;
	const char *slug;               /* of a problem; NULL: none */
};

static void check_body(const struct place *x, const struct call *c, const struct json *op)
{
	const struct json *schema = at(op, "requestBody", "content", "application/json");
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	schema = schema ? json_get(schema, "schema") : NULL;
	if (!c->body || !schema)
		return;
	assert_ok(json_parse(&d, "body", c->body, strlen(c->body), NULL, &e));
	expect_fits(x, schema, d, c->path);
}

/* The number of the newest row of the audit log. */
static int64_t audit_last(struct place *x)
{
	int64_t last = x->audited;

	for (;;) {
		char path[60];
		int64_t now;
		struct err e;

		snprintf(path, sizeof path, "/v1/audit?limit=500&after=%lld", (long long)last);
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);
		assert_ok(json_want_int(a.doc, a.doc->root, "last", 0, INT64_MAX, &now, &e));
		if (now == last)
			return last;
		last = now;
	}
}

static bool texts(const struct json *row, const char *key)
{
	const struct json *v = json_get(row, key);

	return v && v->type == JSON_STRING && v->count > 0;
}

/* What an operation changed is in the log: by whom, what, and the state before or after. */
static void take_audit(struct place *x, const struct call *c)
{
	char path[60], what[80];

	snprintf(path, sizeof path, "/v1/audit?limit=500&after=%lld", (long long)x->audited);
	AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);
	const struct json *items = json_get(a.doc->root, "items");
	x->audited = audit_last(x);
	snprintf(what, sizeof what, "%s %s", c->method, c->path);
	for (uint32_t i = 0; i < items->count; i++) {
		const struct json *row = &items->u.items[i];

		if (!texts(row, "who") || !texts(row, "action") || !texts(row, "subject"))
			fail_msg("%s: a row of the audit log lacks who, what or of what: %s", what, a.text->data);
		if ((!texts(row, "was") && !texts(row, "becomes")) || json_is(json_get(row, "who"), "ringholdd"))
			continue;
		assert_true(x->kept_count < ANSWERS_MAX);
		snprintf(x->kept[x->kept_count++], sizeof x->kept[0], "%s", what);
		return;
	}
}

/* One request; its answer must be one the file tells of. */
static struct answer call(struct place *x, const struct call *c)
{
	const struct json *op = operation(x, c->method, c->path);
	struct answer a = ask_with(x->plane, c->token, c->method, c->address ? c->address : c->path, c->body, c->header);
	const struct json *schema;
	const char *type = "";
	char what[80];

	if (strcmp(c->method, "GET") != 0 && a.status < 300 && strncmp(c->path, "/v1/", 4) == 0)
		take_audit(x, c);
	snprintf(what, sizeof what, "%s %s %ld", c->method, c->path, a.status);
	if (!op)
		fail_msg("%s %s is not in the file", c->method, c->path);
	if (a.status != c->status)
		fail_msg("%s %s %s: expected %ld, got %ld %s", c->method, c->address ? c->address : c->path, c->body ? c->body : "", c->status,
			 a.status, a.text->data ? a.text->data : "");
	if (c->slug)
		expect_problem(&a, c->status, c->slug);
	schema = answer_schema(x, op, a.status, &type);
	if (strstr(type, "json")) {
		if (!a.doc || !schema)
			fail_msg("%s: no JSON, or no schema for it", what);
		expect_fits(x, schema, a.doc, what);
	}
	if (a.status < 300)
		check_body(x, c, op);
	if (json_get(follow(x, at(op, "responses", c->status == 201 ? "201" : "200", NULL)), "headers") && a.status < 300 && !a.etag[0])
		fail_msg("%s: no ETag", what);
	for (size_t i = 0; i < x->count; i++)
		if (strcmp(x->seen[i], what) == 0)
			return a;
	assert_true(x->count < ANSWERS_MAX);
	snprintf(x->seen[x->count++], sizeof x->seen[0], "%s", what);
	return a;
}

static void does(struct place *x, const char *method, const char *path, const char *token, const char *address, const char *body,
		 const char *header, long status, const char *slug)
{
	AUTO_REPLY a = call(x, &(const struct call){ method, path, token, address, body, header, status, slug });

	(void)a;
}

#define ADMIN FIXTURE_TOKEN
#define HEX64 "0000000000000000000000000000000000000000000000000000000000000000"
#define STALE "If-Match: \"none\""
/* shorter to read: an admin asks */
#define GOOD(method, path, address, body) does(x, method, path, ADMIN, address, body, NULL, 200, NULL)
#define BAD(method, path, address, body, status, slug) does(x, method, path, ADMIN, address, body, NULL, status, slug)
#define OLD(method, path, address, body) does(x, method, path, ADMIN, address, body, STALE, 412, "precondition-failed")

static void keep(char *out, size_t cap, const struct answer *a, const char *key)
{
	snprintf(out, cap, "%s", member(a, key));
	assert_true(out[0] != '\0');
}

/* ---- each part of the file ---- */

static void call_tokens(struct place *x)
{
	char id[40], path[100];

	GOOD("GET", "/v1/self", NULL, NULL);
	GOOD("GET", "/v1/tokens", NULL, NULL);
	BAD("GET", "/v1/tokens", "/v1/tokens?limit=x", NULL, 400, "malformed");
	GOOD("POST", "/v1/tokens", "/v1/tokens?dry_run=true", "{\"name\":\"x\",\"roles\":[\"viewer\"]}");
	{
		static const struct { const char *name; size_t at; } made[] = {
			{ "viewer", offsetof(struct place, viewer) }, { "publisher", offsetof(struct place, publisher) },
			{ "approver", offsetof(struct place, approver) },
		};

		for (size_t i = 0; i < ARRAY_LEN(made); i++) {
			char body[100];

			snprintf(body, sizeof body, "{\"name\":\"%s-1\",\"roles\":[\"%s\"]}", made[i].name, made[i].name);
			AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/tokens", ADMIN, NULL, body,
								     i ? NULL : "Idempotency-Key: token-viewer", 201, NULL });

			keep((char *)x + made[i].at, 80, &a, "token");
			keep(id, sizeof id, &a, "id");
		}
	}
	BAD("POST", "/v1/tokens", NULL, "{\"name\":\"y\",\"roles\":[]}", 400, "malformed");
	BAD("POST", "/v1/tokens", NULL, "{\"name\":\"viewer-1\",\"roles\":[\"viewer\"]}", 409, "conflict");
	does(x, "POST", "/v1/tokens", ADMIN, NULL, "{\"name\":\"z\",\"roles\":[\"viewer\"]}", "Idempotency-Key: token-viewer", 422,
	     "idempotency-key-reused");
	{
		AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/tokens", ADMIN, NULL, "{\"name\":\"gone\",\"roles\":[\"viewer\"]}", NULL, 201, NULL });

		keep(id, sizeof id, &a, "id");
	}
	snprintf(path, sizeof path, "/v1/tokens/%s", id);
	GOOD("GET", "/v1/tokens/{token}", path, NULL);
	BAD("GET", "/v1/tokens/{token}", "/v1/tokens/00", NULL, 404, "not-found");
	OLD("DELETE", "/v1/tokens/{token}", path, NULL);
	BAD("DELETE", "/v1/tokens/{token}", "/v1/tokens/00", NULL, 404, "not-found");
	snprintf(path, sizeof path, "/v1/tokens/%s/rotate", id);
	GOOD("POST", "/v1/tokens/{token}/rotate", path, "{\"overlap_s\":60}");
	OLD("POST", "/v1/tokens/{token}/rotate", path, "{}");
	BAD("POST", "/v1/tokens/{token}/rotate", path, "{\"overlap_s\":-1}", 400, "malformed");
	BAD("POST", "/v1/tokens/{token}/rotate", "/v1/tokens/00/rotate", "{}", 404, "not-found");
	snprintf(path, sizeof path, "/v1/tokens/%s", id);
	GOOD("DELETE", "/v1/tokens/{token}", path, NULL);
	BAD("DELETE", "/v1/tokens/{token}", path, NULL, 409, "conflict");
	snprintf(path, sizeof path, "/v1/tokens/%s/rotate", id);
	BAD("POST", "/v1/tokens/{token}/rotate", path, "{}", 409, "conflict");
}

static void call_policies(struct place *x)
{
	static const char path[] = "/v1/policies/{channel}", policy[] = "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\","
									"\"promote\":\"manual\"},{\"name\":\"early\"},{\"name\":\"broad\"}]}";

	GOOD("GET", path, "/v1/policies/edr", NULL);
	BAD("GET", path, "/v1/policies/No", NULL, 404, "not-found");
	OLD("PUT", path, "/v1/policies/edr", policy);
	BAD("PUT", path, "/v1/policies/edr", "{}", 400, "malformed");
	BAD("PUT", path, "/v1/policies/waf", policy, 422, "refused");
	GOOD("PUT", path, "/v1/policies/edr?dry_run=true", policy);
	GOOD("PUT", path, "/v1/policies/edr", policy);
	GOOD("GET", path, "/v1/policies/edr?version=1", NULL);
	BAD("GET", path, "/v1/policies/edr?version=77", NULL, 404, "not-found");
	BAD("PUT", path, "/v1/policies/edr?reason=%ff", policy, 400, "malformed");
	GOOD("GET", "/v1/policies/{channel}/versions", "/v1/policies/edr/versions?limit=1", NULL);
	BAD("GET", "/v1/policies/{channel}/versions", "/v1/policies/No/versions", NULL, 404, "not-found");
	GOOD("GET", "/v1/policies/{channel}/background", "/v1/policies/edr/background", NULL);
	BAD("GET", "/v1/policies/{channel}/background", "/v1/policies/No/background", NULL, 404, "not-found");
}

static void call_rings(struct place *x)
{
	static const char path[] = "/v1/rings/simulate";

	GOOD("POST", path, path,
	     "{\"format\":1,\"salt\":\"00112233445566778899aabbccddeeff\",\"rings\":[\"canary\",\"rest\"],\"rules\":[]}");
	BAD("POST", path, path, "{\"format\":1}", 400, "malformed");
}

static void call_devices(struct place *x)
{
	char path[120], id[80];

	GOOD("GET", "/v1/enrolment-tokens", NULL, NULL);
	BAD("GET", "/v1/enrolment-tokens", "/v1/enrolment-tokens?cursor=x", NULL, 400, "malformed");
	BAD("POST", "/v1/enrolment-tokens", NULL, "{}", 400, "malformed");
	GOOD("POST", "/v1/enrolment-tokens", "/v1/enrolment-tokens?dry_run=true", "{\"name\":\"lab\"}");
	{
		AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/enrolment-tokens", ADMIN, NULL, "{\"name\":\"lab\"}", "Idempotency-Key: lab", 201, NULL });

		does(x, "POST", "/v1/enrolment-tokens", ADMIN, NULL, "{\"name\":\"lab\"}", "Idempotency-Key: lab", 409, "answered-once");
		keep(id, sizeof id, &a, "id");
		does(x, "POST", "/device/v1/enrol", member(&a, "token"), NULL, "{}", NULL, 400, "malformed");
		AUTO_REPLY device = call(x, &(const struct call){ "POST", "/device/v1/enrol", member(&a, "token"), NULL,
								  "{\"format\":1,\"facts\":{\"os\":\"debian-12\"}}", NULL, 201, NULL });

		keep(x->device, sizeof x->device, &device, "token");
		keep(x->device_id, sizeof x->device_id, &device, "device");
	}
	does(x, "POST", "/device/v1/enrol", "rhe_x", NULL, "{\"format\":1,\"facts\":{}}", NULL, 401, "unauthenticated");
	does(x, "GET", "/device/v1/self", x->device, NULL, NULL, NULL, 200, NULL);
	does(x, "POST", "/device/v1/checkin", x->device, NULL,
	     "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":5,\"sent\":1738324800,\"boot_id\":\"00112233445566778899aabbccddeeff\","
	     "\"facts\":{\"os\":\"debian-12\"},\"channels\":[],\"events\":[],\"want\":[]}",
	     NULL, 200, NULL);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, "{}", NULL, 400, "malformed");
	GOOD("GET", "/v1/devices", NULL, NULL);
	BAD("GET", "/v1/devices", "/v1/devices?limit=501", NULL, 400, "malformed");
	snprintf(path, sizeof path, "/v1/devices/%s", x->device_id);
	GOOD("GET", "/v1/devices/{device}", path, NULL);
	BAD("GET", "/v1/devices/{device}", "/v1/devices/0", NULL, 404, "not-found");
	BAD("DELETE", "/v1/devices/{device}", "/v1/devices/0", NULL, 404, "not-found");
	snprintf(path, sizeof path, "/v1/devices/%s/clear", x->device_id);
	BAD("POST", "/v1/devices/{device}/clear", path, "{\"reason\":\"one machine\"}", 409, "conflict");
	BAD("POST", "/v1/devices/{device}/clear", path, "{}", 400, "malformed");
	BAD("POST", "/v1/devices/{device}/clear", "/v1/devices/0/clear", "{\"reason\":\"one machine\"}", 404, "not-found");
	snprintf(path, sizeof path, "/v1/devices/%s/attributes", x->device_id);
	GOOD("PUT", "/v1/devices/{device}/attributes", path, "{\"attributes\":{\"ring\":\"canary\"}}");
	BAD("PUT", "/v1/devices/{device}/attributes", path, "{}", 400, "malformed");
	call_rings(x);
	BAD("PUT", "/v1/devices/{device}/attributes", "/v1/devices/0/attributes", "{\"attributes\":{}}", 404, "not-found");
	snprintf(path, sizeof path, "/v1/enrolment-tokens/%s", id);
	GOOD("DELETE", "/v1/enrolment-tokens/{token}", path, NULL);
	BAD("DELETE", "/v1/enrolment-tokens/{token}", "/v1/enrolment-tokens/00", NULL, 404, "not-found");
}

/* An epoch that was left is not come back to. */
static void call_resync(struct place *x)
{
	static const char form[] = "{\"format\":1,\"epoch\":\"%s\",\"seq\":%d,\"sent\":1738324800,\"boot_id\":\"00112233445566778899aabbccddeeff\","
				   "\"facts\":{\"os\":\"debian-12\"},\"channels\":[],\"events\":[],\"want\":[]}";
	char body[400], path[80];

	snprintf(body, sizeof body, form, "1111111111111111", 1);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, body, NULL, 200, NULL);
	snprintf(body, sizeof body, form, "0123456789abcdef", 9);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, body, NULL, 409, "resync");
	snprintf(path, sizeof path, "/v1/devices/%s/clear", x->device_id);
	GOOD("POST", "/v1/devices/{device}/clear", path, "{\"reason\":\"one machine, put back to yesterday\"}");
	snprintf(path, sizeof path, "/v1/devices/%s", x->device_id);
	GOOD("DELETE", "/v1/devices/{device}", path, NULL);
}

static void call_contracts(struct place *x)
{
	static const char contract[] = "{\"format\":1,\"sensor\":\"sensor-x\",\"version\":\"1.0\",\"accepts\":{\"doc\":{\"versions\":[1]}}}";
	char path[120];

	GOOD("GET", "/v1/contracts", NULL, NULL);
	BAD("GET", "/v1/contracts", "/v1/contracts?cursor=x", NULL, 400, "malformed");
	GOOD("POST", "/v1/contracts", "/v1/contracts?dry_run=true", contract);
	{
		AUTO_REPLY a = call(x, &(const struct call){ "POST", "/v1/contracts", ADMIN, NULL, contract, NULL, 201, NULL });

		snprintf(path, sizeof path, "/v1/contracts/%s", member(&a, "digest"));
	}
	GOOD("POST", "/v1/contracts", NULL, contract);
	BAD("POST", "/v1/contracts", NULL, "[]", 400, "malformed");
	GOOD("GET", "/v1/contracts/{sha256}", path, NULL);
	BAD("GET", "/v1/contracts/{sha256}", "/v1/contracts/x", NULL, 400, "malformed");
	BAD("GET", "/v1/contracts/{sha256}", "/v1/contracts/" HEX64, NULL, 404, "not-found");
}

/* A role as it stands. */
static struct metadata *stands(struct place *x, const char *role)
{
	struct metadata *m = NULL;
	char path[60];
	struct err e;

	snprintf(path, sizeof path, "/v1/roles/%s", role);
	AUTO_REPLY a = call(x, &(const struct call){ "GET", "/v1/roles/{role}", ADMIN, path, NULL, NULL, 200, NULL });
	assert_ok(metadata_parse(&m, strcmp(role, "root") == 0 ? METADATA_ROOT : METADATA_TARGETS, role, a.text->data, a.text->len, &e));
	return m;
}

/* The bytes of an archive, which are no text. */
static void upload(struct place *x, const struct fixture_bundle *b, const char *path, long status)
{
	AUTO_FREE char *url = NULL;
	struct fetch_answer put = { 0 };
	struct err e;

	assert_true(asprintf(&url, "%s%s", x->plane->url, path) > 0);
	assert_ok(fetch_do(x->plane->http,
			   &(const struct fetch_request){ .method = "PUT", .url = url, .bearer = x->publisher, .type = "application/octet-stream",
							  .body = b->bundle->archive->data, .body_len = b->bundle->archive->len, .max = 4096 },
			   &put, &e));
	assert_int_equal(put.status, status);
	fetch_answer_release(&put);
	snprintf(x->seen[x->count++], sizeof x->seen[0], "PUT /v1/uploads/{sha256} %ld", status);
}

/* The content role with this bundle added, signed with the vendor's key. */
static struct buf *signed_role(struct place *x, const struct fixture_bundle *b)
{
	AUTO(buf) struct buf *plain = fixture_role(x->plane->o->f, b, "nobody");
	AUTO(metadata) struct metadata *targets = stands(x, "targets");
	struct buf *whole = NULL;
	struct authority by;
	bool met;
	struct err e;

	assert_true(authority_of(&by, targets, "content-edr"));
	assert_true(author_sign(&whole, plain->data, plain->len, METADATA_TARGETS, x->plane->o->f->all, &by, &met, &e) >= 0);
	return whole;
}

/* A bundle on its way in, uploaded or not. */
static void publish_by_hand(struct place *x, uint64_t serial, const char *rules, bool bring, const char *more, long status,
			    const char *slug)
{
	struct fixture_bundle b;
	AUTO(buf) struct buf *role = NULL, *body = buf_new(0);
	char hex[DIGEST_HEX_LEN + 1], sha[DIGEST_HEX_LEN + 1], path[100];

	fixture_bundle(x->plane->o->f, &b, serial, rules);
	digest_hex(hex, &b.bundle->digest);
	digest_hex(sha, &b.archive);
	role = signed_role(x, &b);
	snprintf(path, sizeof path, "/v1/uploads/%s", sha);
	if (bring)
		upload(x, &b, path, 201);
	buf_addf(body, "{\"channel\":\"edr\",\"serial\":%llu,\"digest\":\"%s\",\"role\":%.*s,\"archive\":\"%s\",\"reason\":\"first\"%s}",
		 (unsigned long long)serial, hex, (int)role->len, role->data, sha, more);
	does(x, "POST", "/v1/bundles", x->publisher, NULL, body->data, NULL, status, slug);
	if (bring && status == 200)
		upload(x, &b, path, 200);
	fixture_bundle_release(&b);
}

/* From now on a role wants two signatures, and the second key is somebody else's: f->all does not have it. */
static void want_two(struct place *x, const char *role)
{
	AUTO_FREE char *first = NULL, *second = fixture_path(x->plane->o->f, "second.pem"), *targets = fixture_path(x->plane->o->f, "targets.pem");
	AUTO(seckey) struct seckey *k = NULL;
	struct err e;

	assert_true(asprintf(&first, "%s/%s.pem", x->plane->o->f->dir, role) > 0);
	if (!file_exists(targets))
		hand_out(x->plane->o->f, "targets");
	if (!file_exists(first))
		hand_out(x->plane->o->f, role);
	if (!file_exists(second)) {
		assert_ok(seckey_generate(&k, &e));
		assert_ok(seckey_save(k, second, NULL, &e));
	}
	if (TOOL(x->plane->o, "targets", "delegate", "set", role, "--public", second, "--threshold", "2", "--yes", "--key", first, "--key",
		 second) != 0)
		fail_msg("%s", x->plane->o->said);
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

static void wait_for(struct place *x, const char *path, const char *words)
{
	int64_t until = clock_work_ms() + LIMIT_MS;
	bool asked = false;

	while (!asked) {
		AUTO_REPLY a = ask(x->plane, ADMIN, "GET", path, NULL);

		asked = strstr(a.text->data, words) != NULL;
		if (clock_work_ms() >= until)
			fail_msg("%s does not say %s: %s", path, words, a.text->data);
		poll(NULL, 0, asked ? 0 : 20);
	}
}

/* A check-in of the device, which is in the first ring. */
static void checkin(struct place *x, int seq, const char *events, const char *wants)
{
	char body[1200];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
		 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,"
		 "\"high_water\":0,\"held\":null}],\"events\":[%s],\"want\":[%s]}",
		 seq, events, wants);
	does(x, "POST", "/device/v1/checkin", x->device, NULL, body, NULL, 200, NULL);
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

/* A second bundle, which crashes the first machine that loads it: its gate decides. */
static void call_gate_records(struct place *x)
{
	static const char path[] = "/v1/channels/{channel}/rollback", address[] = "/v1/channels/edr/rollback";
	struct fixture_bundle b;
	char hex[DIGEST_HEX_LEN + 1], text[400];

	fixture_bundle(x->plane->o->f, &b, 2, "bad rules");
	digest_hex(hex, &b.bundle->digest);
	fixture_bundle_release(&b);
	publish_by_hand(x, 2, "bad rules", true, "", 201, NULL);
	wait_for(x, "/v1/rollouts/2", "awaiting-approval");
	does(x, "POST", "/v1/rollouts/{id}/approve", x->approver, "/v1/rollouts/2/approve", "{\"reason\":\"looked at it\"}", NULL, 200, NULL);
	wait_for(x, "/v1/rollouts/2", "\"state\":\"offering\"");
	snprintf(text, sizeof text, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex);
	checkin(x, 6, "", text);
	snprintf(text, sizeof text, "{\"n\":1,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"failed\",\"reason\":\"kernel-crash\"}", hex);
	checkin(x, 7, text, "");
	wait_for(x, "/v1/rollouts/2", "\"state\":\"rolled-back\"");
	{
		AUTO_REPLY a = call(x, &(const struct call){ "GET", "/v1/gate-records", ADMIN, NULL, NULL, NULL, 200, NULL });
		const struct json *items = json_get(a.doc->root, "items");

		assert_true(items->count > 0);
		snprintf(text, sizeof text, "/v1/gate-records/%s", json_get(&items->u.items[0], "digest")->u.text);
	}
	GOOD("GET", "/v1/gate-records/{sha256}", text, NULL);
	BAD("GET", "/v1/gate-records", "/v1/gate-records?after=x", NULL, 400, "malformed");
	BAD("GET", "/v1/gate-records/{sha256}", "/v1/gate-records/" HEX64, NULL, 404, "not-found");
	snprintf(text, sizeof text, "{\"to\":\"%s\",\"reason\":\"it was good\"}", hex);
	BAD("POST", path, address, text, 409, "conflict");
}

static void call_rollback(struct place *x)
{
	static const char path[] = "/v1/channels/{channel}/rollback", address[] = "/v1/channels/edr/rollback";
	struct fixture_bundle b;
	char hex[DIGEST_HEX_LEN + 1], body[200];

	fixture_bundle(x->plane->o->f, &b, 1, "rules");
	digest_hex(hex, &b.bundle->digest);
	fixture_bundle_release(&b);
	BAD("POST", path, address, "{}", 400, "malformed");
	BAD("POST", path, address, "{\"to\":\"last week\",\"reason\":\"x\"}", 400, "malformed");
	BAD("POST", path, address, "{\"to\":\"previous\",\"reason\":\"x\"}", 404, "not-found");
	GOOD("POST", path, "/v1/channels/edr/rollback?dry_run=true", "{\"to\":\"1\",\"reason\":\"it was good\"}");
	snprintf(body, sizeof body, "{\"to\":\"%s\",\"reason\":\"it was good\"}", hex);
	GOOD("POST", path, address, body);
}

static void call_drops(struct place *x)
{
	static const char path[] = "/v1/channels/{channel}/drops", address[] = "/v1/channels/edr/drops";
	static const char one[] = "{\"rules\":[\"ipc-0001\"],\"reason\":\"false positives\"}", undo[] = "{\"rules\":[\"ipc-0001\"],\"reason\":\"mended\",\"undo\":true}";

	GOOD("GET", path, address, NULL);
	BAD("GET", path, "/v1/channels/unheard-of/drops", NULL, 404, "not-found");
	BAD("POST", path, address, "{\"rules\":[],\"reason\":\"x\"}", 400, "malformed");
	BAD("POST", path, address, undo, 404, "not-found");
	GOOD("POST", path, "/v1/channels/edr/drops?dry_run=true", one);
	GOOD("POST", path, address, one);
	OLD("POST", path, address, undo);
	GOOD("POST", path, address, undo);
}

/* A vendor's repository of its own, whose bundle waits for an operator. */
static void call_followed(struct place *x)
{
	int64_t audited;
	struct plane *before = x->plane;
	struct fixture *vendor = fixture_new();
	AUTO_FREE char *path = fixture_path(vendor, "data/repository/metadata/1.root.json");
	AUTO(repo) struct repo *r = NULL;
	struct fixture_bundle b;
	char ini[1024], hex[DIGEST_HEX_LEN + 1], custom[512], target[PATH_LEN_MAX + 1];
	int64_t until = clock_work_ms() + LIMIT_MS;
	bool waits = false;
	struct err e;

	fixture_bundle(vendor, &b, 1, "rules");
	digest_hex(hex, &b.bundle->digest);
	bundle_path(target, "edr", 1);
	snprintf(custom, sizeof custom, "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"edr\",\"serial\":1,\"version\":\"%s\",\"digest\":\"%s\",\"size\":%llu}}",
		 b.bundle->manifest->version, hex, (unsigned long long)b.bundle->size);
	assert_ok(repo_open(&r, vendor->repository, &e));
	assert_ok(repo_put_target(r, "content-edr", target, b.bundle->archive->data, b.bundle->archive->len, custom, &e));
	assert_ok(repo_publish(r, vendor->all, clock_now(), &e));
	fixture_bundle_release(&b);
	snprintf(ini, sizeof ini, "[follow works]\nurl = file://%s\nroot = %s\nchannels = edr\npoll = 1s\nautomatic = no\n", vendor->repository, path);
	x->plane = plane_open(ini);
	while (!waits) {
		AUTO_REPLY a = call(x, &(const struct call){ "GET", "/v1/followed", ADMIN, NULL, NULL, NULL, 200, NULL });

		waits = strstr(a.text->data, "\"state\":\"waiting\"") != NULL;
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, waits ? 0 : 50);
	}
	audited = x->audited;
	x->audited = 0;
	does(x, "POST", "/v1/channels/{channel}/rollouts", ADMIN, "/v1/channels/edr/rollouts", "{\"serial\":1}", NULL, 201, NULL);
	x->audited = audited;
	plane_close(x->plane);
	x->plane = before;
	fixture_free(vendor);
}

static void call_rollouts(struct place *x)
{
	static const char one[] = "/v1/rollouts/{id}", approve[] = "/v1/rollouts/{id}/approve", move[] = "/v1/rollouts/{id}/{move}";
	static const char why[] = "{\"reason\":\"looked at it\"}";

	wait_for(x, "/v1/rollouts/1", "awaiting-approval");
	GOOD("GET", "/v1/rollouts", NULL, NULL);
	BAD("GET", "/v1/rollouts", "/v1/rollouts?cursor=77", NULL, 400, "malformed");
	GOOD("GET", one, "/v1/rollouts/1", NULL);
	BAD("GET", one, "/v1/rollouts/77", NULL, 404, "not-found");
	OLD("POST", approve, "/v1/rollouts/1/approve", why);
	does(x, "POST", approve, x->publisher, "/v1/rollouts/1/approve", why, NULL, 403, "forbidden");
	BAD("POST", approve, "/v1/rollouts/1/approve", "{}", 400, "malformed");
	BAD("POST", approve, "/v1/rollouts/77/approve", why, 404, "not-found");
	GOOD("POST", approve, "/v1/rollouts/1/approve?dry_run=true", why);
	does(x, "POST", approve, x->approver, "/v1/rollouts/1/approve", why, NULL, 200, NULL);
	BAD("POST", approve, "/v1/rollouts/1/approve", why, 409, "conflict");
	OLD("POST", move, "/v1/rollouts/1/pause", why);
	does(x, "POST", move, x->viewer, "/v1/rollouts/1/pause", why, NULL, 403, "forbidden");
	BAD("POST", move, "/v1/rollouts/1/pause", "[]", 400, "malformed");
	BAD("POST", move, "/v1/rollouts/1/fly", why, 404, "not-found");
	BAD("POST", move, "/v1/rollouts/1/resume", why, 409, "conflict");
	GOOD("POST", move, "/v1/rollouts/1/pause", why);
	call_rollback(x);
	call_drops(x);
	call_gate_records(x);
	BAD("POST", "/v1/channels/{channel}/rollouts", "/v1/channels/edr/rollouts", "{}", 400, "malformed");
	BAD("POST", "/v1/channels/{channel}/rollouts", "/v1/channels/edr/rollouts", "{\"serial\":1}", 404, "not-found");
}

static void call_status(struct place *x)
{
	GOOD("GET", "/v1/status", NULL, NULL);
	GOOD("GET", "/v1/events", NULL, NULL);
	BAD("GET", "/v1/events", "/v1/events?limit=x", NULL, 400, "malformed");
	GOOD("GET", "/v1/audit", NULL, NULL);
	GOOD("GET", "/v1/audit", "/v1/audit?action=policy&since=2026-01-01T00:00:00Z&limit=1", NULL);
	BAD("GET", "/v1/audit", "/v1/audit?limit=x", NULL, 400, "malformed");
	BAD("GET", "/v1/audit", "/v1/audit?since=yesterday", NULL, 400, "malformed");
	GOOD("GET", "/v1/audit/checkpoints", NULL, NULL);
	BAD("GET", "/v1/audit/checkpoints", "/v1/audit/checkpoints?limit=x", NULL, 400, "malformed");
	does(x, "GET", "/healthz", NULL, NULL, NULL, NULL, 200, NULL);
	does(x, "GET", "/readyz", NULL, NULL, NULL, NULL, 200, NULL);
	does(x, "GET", "/readyz", NULL, "/readyz?exclude=x", NULL, NULL, 400, "malformed");
	GOOD("GET", "/metrics", NULL, NULL);
	does(x, "GET", "/metrics", NULL, NULL, NULL, NULL, 401, "unauthenticated");
}

static void call_webhooks(struct place *x)
{
	static const char one[] = "/v1/webhooks/{webhook}", body[] = "{\"url\":\"https://example.com/x\",\"types\":[\"ringhold.ring\"],\"paused\":true}";

	does(x, "PUT", one, ADMIN, "/v1/webhooks/siem", body, NULL, 201, NULL);
	GOOD("PUT", one, "/v1/webhooks/siem", body);
	GOOD("PUT", one, "/v1/webhooks/siem?dry_run=true", body);
	BAD("PUT", one, "/v1/webhooks/siem", "{}", 400, "malformed");
	OLD("PUT", one, "/v1/webhooks/siem", body);
	GOOD("GET", "/v1/webhooks", NULL, NULL);
	BAD("GET", "/v1/webhooks", "/v1/webhooks?limit=x", NULL, 400, "malformed");
	GOOD("GET", one, "/v1/webhooks/siem", NULL);
	BAD("GET", one, "/v1/webhooks/none", NULL, 404, "not-found");
	GOOD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/siem/rotate", "{\"overlap_s\":60}");
	BAD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/siem/rotate", "{\"overlap_s\":-1}", 400, "malformed");
	BAD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/none/rotate", "{}", 404, "not-found");
	OLD("POST", "/v1/webhooks/{webhook}/rotate", "/v1/webhooks/siem/rotate", "{}");
	GOOD("POST", "/v1/webhooks/{webhook}/test", "/v1/webhooks/siem/test", "{}");
	BAD("POST", "/v1/webhooks/{webhook}/test", "/v1/webhooks/none/test", "{}", 404, "not-found");
	GOOD("GET", "/v1/webhooks/{webhook}/messages", "/v1/webhooks/siem/messages", NULL);
	BAD("GET", "/v1/webhooks/{webhook}/messages", "/v1/webhooks/siem/messages?state=x", NULL, 400, "malformed");
	BAD("GET", "/v1/webhooks/{webhook}/messages", "/v1/webhooks/none/messages", NULL, 404, "not-found");
	GOOD("POST", "/v1/webhooks/{webhook}/redeliver", "/v1/webhooks/siem/redeliver", "{}");
	BAD("POST", "/v1/webhooks/{webhook}/redeliver", "/v1/webhooks/siem/redeliver", "[]", 400, "malformed");
	BAD("POST", "/v1/webhooks/{webhook}/redeliver", "/v1/webhooks/none/redeliver", "{}", 404, "not-found");
	OLD("DELETE", one, "/v1/webhooks/siem", NULL);
	GOOD("DELETE", one, "/v1/webhooks/siem", NULL);
	BAD("DELETE", one, "/v1/webhooks/siem", NULL, 404, "not-found");
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
	AUTO_REPLY a = call(x, &(const struct call){ "PUT", "/v1/roles/{role}", ADMIN, "/v1/roles/fleet", body->data, NULL, status, NULL });
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
	snprintf(path, sizeof path, "/v1/signing-requests/%s", q->id);
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

/* ---- what holds for all ---- */

/* An address that fits, for a request that is refused before anybody looks at it. */
static void fill_in(char *out, size_t cap, const char *path)
{
	size_t len = 0;

	for (const char *p = path; *p && len + 2 < cap;) {
		if (*p != '{') {
			out[len++] = *p++;
			continue;
		}
		out[len++] = '1';
		p = strchr(p, '}') + 1;
	}
	out[len] = '\0';
}

/* Without a token, with a bad one, and with one of another plane: by the file's own word on security. */
static void call_unauthenticated(struct place *x)
{
	const struct json *paths = json_get(x->doc->root, "paths");

	for (uint32_t i = 0; i < paths->count; i++) {
		const char *path = paths->u.members[i].key.text;

		for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
			const struct json *op = json_get(&paths->u.members[i].value, methods[m]);
			const struct json *security = op ? json_get(op, "security") : NULL;
			char address[200];

			if (!op || (security && security->count == 0))
				continue;
			fill_in(address, sizeof address, path);
			does(x, shouted[m], path, NULL, address, NULL, NULL, 401, "unauthenticated");
			if (!security)
				does(x, shouted[m], path, x->device, address, NULL, NULL, 401, "unauthenticated");
		}
	}
}

/* Every answer that the file lists by its status was seen. */
static int count_unseen(const struct place *x, struct buf *out)
{
	const struct json *paths = json_get(x->doc->root, "paths");
	int unseen = 0;

	for (uint32_t i = 0; i < paths->count; i++)
		for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
			const char *path = paths->u.members[i].key.text;
			const struct json *responses = at(&paths->u.members[i].value, methods[m], "responses", NULL);

			for (uint32_t k = 0; responses && k < responses->count; k++) {
				char what[80];
				size_t s = 0;

				if (strcmp(responses->u.members[k].key.text, "default") == 0)
					continue;
				snprintf(what, sizeof what, "%s %s %s", shouted[m], path, responses->u.members[k].key.text);
				while (s < x->count && strcmp(x->seen[s], what) != 0)
					s++;
				if (s < x->count)
					continue;
				unseen++;
				buf_addf(out, "\n  %s", what);
			}
		}
	return unseen;
}

/* {path*} of a route is {path} there, and names of parameters are the file's own. */
static bool same_path(const char *pattern, const char *path)
{
	for (; *pattern && *path; pattern++, path++) {
		if (*pattern == '{' && *path == '{') {
			pattern = strchr(pattern, '}');
			path = strchr(path, '}');
		} else if (*pattern != *path) {
			return false;
		}
	}
	return !*pattern && !*path;
}

/* Each row of the routes that changes something for an operator; but for uploads, which change nothing until they are used, and simulations. */
static int count_unaudited(const struct place *x, struct buf *out)
{
	const struct json *paths = json_get(x->doc->root, "paths");
	int count = 0;

	for (size_t r = 0; r < route_count; r++) {
		bool told = routes[r].method == HTTP_METHOD_GET || strncmp(routes[r].pattern, "/v1/", 4) != 0 || routes[r].body == BODY_FILE ||
			    strstr(routes[r].pattern, "/simulate");

		for (uint32_t i = 0; i < paths->count && !told; i++) {
			char what[80];

			if (!same_path(routes[r].pattern, paths->u.members[i].key.text))
				continue;
			snprintf(what, sizeof what, "%s %s", http_method_name(routes[r].method), paths->u.members[i].key.text);
			for (size_t k = 0; k < x->kept_count && !told; k++)
				told = strcmp(x->kept[k], what) == 0;
		}
		if (!told) {
			count++;
			buf_addf(out, "\n  %s %s", http_method_name(routes[r].method), routes[r].pattern);
		}
	}
	return count;
}

static void every_operation_answers_as_the_file_says(void **state)
{
	struct place *x = *state;
	AUTO(buf) struct buf *unseen = buf_new(0);

	READ(x);
	NEED(x->plane->o);
	call_tokens(x);
	call_policies(x);
	call_devices(x);
	call_contracts(x);
	call_bundles(x);
	call_content(x);
	call_rollouts(x);
	call_followed(x);
	call_signing(x);
	call_status(x);
	call_webhooks(x);
	call_refusal(x);
	call_unauthenticated(x);
	call_resync(x);
	if (count_unseen(x, unseen))
		fail_msg("listed, and never called here:%s", unseen->data);
	if (count_unaudited(x, unseen))
		fail_msg("changes something, and no row of the audit log says what was and what becomes:%s", unseen->data);
}

static void the_file_and_the_routes_have_the_same_operations(void **state)
{
	struct place *x = *state;
	const struct json *paths;
	size_t operations = 0;

	READ(x);
	paths = json_get(x->doc->root, "paths");
	for (size_t r = 0; r < route_count; r++) {
		const struct json *op = NULL;

		for (uint32_t i = 0; i < paths->count && !op; i++)
			if (same_path(routes[r].pattern, paths->u.members[i].key.text))
				op = operation(x, http_method_name(routes[r].method), paths->u.members[i].key.text);
		if (!op)
			fail_msg("%s %s is not in " FILE_NAME, http_method_name(routes[r].method), routes[r].pattern);
		/* and what it says of trying and of repeating is so */
		if (routes[r].flags & ROUTE_DRY) {
			const struct json *parameters = json_get(op, "parameters");
			bool told = false;

			for (uint32_t k = 0; parameters && k < parameters->count; k++) {
				const struct json *name = json_get(follow(x, &parameters->u.items[k]), "name");

				told = told || (name && json_is(name, "dry_run"));
			}
			if (!told)
				fail_msg("%s says nothing of dry_run", routes[r].pattern);
		}
	}
	for (uint32_t i = 0; i < paths->count; i++)
		for (size_t m = 0; m < ARRAY_LEN(methods); m++)
			operations += json_get(&paths->u.members[i].value, methods[m]) != NULL;
	assert_int_equal(operations, route_count);
}

static void the_file_names_every_problem_and_no_other(void **state)
{
	struct place *x = *state;
	const struct json *names;

	READ(x);
	names = json_get(at(at(x->doc->root, "components", "schemas", "problem"), "properties", "type", NULL), "enum");
	assert_non_null(names);
	assert_int_equal(names->count, PROBLEMS);
	for (int p = 0; p < PROBLEMS; p++) {
		char type[100];
		bool there = false;

		snprintf(type, sizeof type, PROBLEM_URN "%s", problem_types[p].slug);
		for (uint32_t i = 0; i < names->count; i++)
			there = there || json_is(&names->u.items[i], type);
		if (!there)
			fail_msg("%s is not in " FILE_NAME, type);
	}
}

static void the_file_passes_the_linter(void **state)
{
	const char *node = test_other_program("node");
	char *argv[] = { (char *)"node", (char *)"tests/peers/node_modules/@redocly/cli/bin/cli.js", (char *)"lint", (char *)"--config",
			 (char *)"tests/peers/redocly.yaml", (char *)FILE_NAME, NULL };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"REDOCLY_TELEMETRY=off", (char *)"REDOCLY_SUPPRESS_UPDATE_NOTICE=true", (char *)"NO_COLOR=1", NULL };
	struct proc_run run = { .path = node, .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = 120000, .output_max = 1 << 20 };
	struct proc_result r;
	struct err e;

	(void)state;
	if (!node || access(argv[1], R_OK) < 0)
		skip_missing_program("node with @redocly/cli");
	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status != 0)
		fail_msg("%s", r.output->data);
	proc_result_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_file_and_the_routes_have_the_same_operations, setup, teardown),
		cmocka_unit_test_setup_teardown(the_file_names_every_problem_and_no_other, setup, teardown),
		cmocka_unit_test_setup_teardown(every_operation_answers_as_the_file_says, setup_server, teardown),
		cmocka_unit_test(the_file_passes_the_linter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
