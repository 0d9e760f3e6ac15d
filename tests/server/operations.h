/*
 * operations: calls of the operator plane that server/openapi.yaml must tell of.
 *
 * Every answer is held against its schema by our own engine, every body that
 * was taken against the one of the request, and what changed something against
 * the audit log: who, what, why, before and after. A test program calls all
 * operations of the tags it names; together they name every tag.
 */
#ifndef TESTS_SERVER_OPERATIONS_H
#define TESTS_SERVER_OPERATIONS_H

#include "audited.h"
#include "plane.h"
#include "spec.h"

#define OPERATIONS_OF_FLEET "device", "devices", "tokens", "webhooks", "policies", "status"
#define OPERATIONS_OF_CONTENT "content", "bundles", "contracts", "signing"
#define OPERATIONS_OF_ROLLOUTS "rollouts"

#define ANSWERS_MAX 512
#define OPERATIONS_INI                                                                                               \
	"token-rate = 100000\ntoken-burst = 100000\naddress-rate = 100000\naddress-burst = 100000\nbad-tokens = 100000\n" \
	"device-burst = 1000\n"

struct place {
	struct plane *plane;
	struct spec spec;
	char seen[ANSWERS_MAX][80];     /* "GET /v1/bundles 200" */
	size_t count;
	bool kept[AUDITED_MAX];         /* the audit log told of this row of audited[] */
	int64_t audited;                /* rows of it so far */
	char device[200], device_id[40], publisher[80], viewer[80], approver[80];
};

static inline int place_open(void **state)
{
	struct place *x = calloc(1, sizeof *x);

	*state = x;
	spec_open(&x->spec);
	x->plane = plane_open(OPERATIONS_INI);
	return 0;
}

static inline int place_close(void **state)
{
	struct place *x = *state;

	plane_close(x->plane);
	spec_close(&x->spec);
	free(x);
	return 0;
}

#define ADMIN FIXTURE_TOKEN
#define HEX64 "0000000000000000000000000000000000000000000000000000000000000000"
#define STALE "If-Match: \"none\""

/* ---- a call ---- */

struct call {
	const char *method, *path;      /* of the file */
	const char *token;              /* NULL: none */
	const char *address;            /* NULL: the path */
	const char *body, *header;
	long status;
	const char *slug;               /* of a problem; NULL: none */
};

static inline void check_body(const struct place *x, const struct call *c, const struct json *op)
{
	const struct json *schema = spec_at(op, "requestBody", "content", "application/json");
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	schema = schema ? json_get(schema, "schema") : NULL;
	if (!c->body || !schema)
		return;
	assert_ok(json_parse(&d, "body", c->body, strlen(c->body), NULL, &e));
	spec_fits(&x->spec, schema, d, c->path);
}

static inline const char *who_calls(const struct place *x, const char *token)
{
	const struct { const char *token, *name; } known[] = {
		{ ADMIN, "tester" }, { x->publisher, "publisher-1" }, { x->viewer, "viewer-1" }, { x->approver, "approver-1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].token, token) == 0)
			return known[i].name;
	fail_msg("whose token is that?");
	return NULL;
}

/* The rows of the audit log since the last call that changed something. */
static inline void take_audit(struct place *x, const struct call *c)
{
	const char *address = c->address ? c->address : c->path, *who = who_calls(x, c->token);
	bool dry = strstr(address, "dry_run=true") || (c->body && strstr(c->body, "\"dry_run\":true"));

	for (bool more = true; more;) {
		char path[60];

		snprintf(path, sizeof path, "/v1/audit?limit=500&after=%lld", (long long)x->audited);
		AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "GET", path, NULL);
		const struct json *items = json_get(a.doc->root, "items");

		for (uint32_t i = 0; i < items->count; i++) {
			int row = audited_row(&items->u.items[i], c->method, c->path, address, c->body, who);

			if (row >= 0 && dry)
				fail_msg("%s %s: a dry run is in the audit log: %s", c->method, address, a.text->data);
			if (row >= 0)
				x->kept[row] = true;
		}
		x->audited = strtoll(member(&a, "last"), NULL, 10);
		more = items->count > 0;
	}
}

/* One request; its answer must be one the file tells of. */
static inline struct answer call(struct place *x, const struct call *c)
{
	const struct json *op = spec_operation(&x->spec, c->method, c->path), *schema;
	struct answer a = ask_with(x->plane, c->token, c->method, c->address ? c->address : c->path, c->body, c->header);
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
	schema = spec_schema(&x->spec, op, a.status, &type);
	/* without its parameters */
	if (strcspn(a.type, ";") != strlen(type) || strncmp(a.type, type, strlen(type)) != 0)
		fail_msg("%s: its content is %s, and the file says %s", what, a.type, type);
	if (strstr(type, "json")) {
		if (!a.doc || !schema)
			fail_msg("%s: no JSON, or no schema for it", what);
		spec_fits(&x->spec, schema, a.doc, what);
	}
	if (a.status < 300)
		check_body(x, c, op);
	if (a.status < 300 && json_get(spec_answer(&x->spec, op, c->status), "headers") && !a.etag[0])
		fail_msg("%s: no ETag", what);
	for (size_t i = 0; i < x->count; i++)
		if (strcmp(x->seen[i], what) == 0)
			return a;
	assert_true(x->count < ANSWERS_MAX);
	snprintf(x->seen[x->count++], sizeof x->seen[0], "%s", what);
	return a;
}

static inline void does(struct place *x, const char *method, const char *path, const char *token, const char *address, const char *body,
			const char *header, long status, const char *slug)
{
	AUTO_REPLY a = call(x, &(const struct call){ method, path, token, address, body, header, status, slug });

	(void)a;
}

/* Somebody else changed it meanwhile: nothing is done, and a dry run says so as well. */
static inline void is_old(struct place *x, const char *method, const char *path, const char *address, const char *body)
{
	AUTO_FREE char *dry = NULL;

	assert_true(asprintf(&dry, "%s%sdry_run=true", address, strchr(address, '?') ? "&" : "?") > 0);
	does(x, method, path, ADMIN, address, body, STALE, 412, "precondition-failed");
	does(x, method, path, ADMIN, dry, body, STALE, 412, "precondition-failed");
}

/* shorter to read: an admin asks */
#define GOOD(method, path, address, body) does(x, method, path, ADMIN, address, body, NULL, 200, NULL)
#define BAD(method, path, address, body, status, slug) does(x, method, path, ADMIN, address, body, NULL, status, slug)
#define OLD(method, path, address, body) is_old(x, method, path, address, body)

static inline void keep(char *out, size_t cap, const struct answer *a, const char *key)
{
	snprintf(out, cap, "%s", member(a, key));
	assert_true(out[0] != '\0');
}

static inline void wait_for(struct place *x, const char *path, const char *words)
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

/* ---- people and a machine, for the parts that are not about them ---- */

static inline void hire(struct place *x, const char *role, char out[80])
{
	char body[100];

	snprintf(body, sizeof body, "{\"name\":\"%s-1\",\"roles\":[\"%s\"]}", role, role);
	AUTO_REPLY a = ask(x->plane, ADMIN, "POST", "/v1/tokens", body);

	keep(out, 80, &a, "token");
}

static inline void hire_people(struct place *x)
{
	hire(x, "viewer", x->viewer);
	hire(x, "publisher", x->publisher);
	hire(x, "approver", x->approver);
}

static inline void enrol_device(struct place *x, const char *attributes)
{
	char body[200];

	snprintf(body, sizeof body, "{\"name\":\"lab\",\"attributes\":%s}", attributes);
	AUTO_REPLY a = ask(x->plane, ADMIN, "POST", "/v1/enrolment-tokens", body);
	AUTO_REPLY d = ask(x->plane, member(&a, "token"), "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{\"os\":\"debian-12\"}}");

	keep(x->device, sizeof x->device, &d, "token");
	keep(x->device_id, sizeof x->device_id, &d, "device");
}

/* ---- what was called, of what there is ---- */

static inline bool has_tag(const struct json *op, const char *const *tags)
{
	const struct json *its = op ? json_get(op, "tags") : NULL;

	for (; its && *tags; tags++)
		if (json_is(&its->u.items[0], *tags))
			return true;
	return false;
}

/* Each answer that an operation lists by its status was seen. */
static inline int operation_unseen(const struct place *x, const char *method, const char *path, const struct json *op, struct buf *out)
{
	const struct json *responses = json_get(op, "responses");
	int unseen = 0;

	for (uint32_t k = 0; responses && k < responses->count; k++) {
		char what[80];
		size_t s = 0;

		if (strcmp(responses->u.members[k].key.text, "default") == 0)
			continue;
		snprintf(what, sizeof what, "%s %s %s", method, path, responses->u.members[k].key.text);
		while (s < x->count && strcmp(x->seen[s], what) != 0)
			s++;
		if (s < x->count)
			continue;
		unseen++;
		buf_addf(out, "\n  %s", what);
	}
	return unseen;
}

/* Of every operation with one of these tags: all its answers were seen, and what it changes is in the audit log. */
static inline void expect_all_called(const struct place *x, const char *const *tags)
{
	const struct json *paths = json_get(x->spec.doc->root, "paths");
	AUTO(buf) struct buf *unseen = buf_new(0), *unaudited = buf_new(0);

	for (uint32_t i = 0; i < paths->count; i++)
		for (size_t m = 0; m < ARRAY_LEN(spec_methods); m++) {
			const char *path = paths->u.members[i].key.text, *method = spec_shouted[m];
			const struct json *op = json_get(&paths->u.members[i].value, spec_methods[m]);

			if (!has_tag(op, tags))
				continue;
			operation_unseen(x, method, path, op, unseen);
			audited_missing(x->kept, method, path, unaudited);
		}
	if (unseen->len)
		fail_msg("listed, and never called here:%s", unseen->data);
	if (unaudited->len)
		fail_msg("changes something, and the audit log does not tell who, what, why, before and after:%s", unaudited->data);
}

#endif
