/* by_hand: bundles brought in request by request, as a program of somebody else's would. */
#ifndef TESTS_SERVER_BY_HAND_H
#define TESTS_SERVER_BY_HAND_H

#include "operations.h"

/* A role as it stands. */
static inline struct metadata *stands(struct place *x, const char *role)
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
static inline void upload(struct place *x, const struct fixture_bundle *b, const char *path, long status)
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
static inline struct buf *signed_role(struct place *x, const struct fixture_bundle *b)
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
static inline void publish_by_hand(struct place *x, uint64_t serial, const char *rules, bool bring, const char *more, long status,
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
static inline void want_two(struct place *x, const char *role)
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

#endif
