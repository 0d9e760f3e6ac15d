/* test_requests: what the server keeps until enough people signed, and what it never signs itself. */
#include "server/requests.h"

#include <fcntl.h>

#include "base/log.h"
#include "fixture.h"
#include "server/desk_requests.h"
#include "server/handlers.h"
#include "server/requests_sweep.h"
#include "signing/author.h"

#define DAY 86400

struct place {
	struct fixture *f;
	struct server *s;
};

static struct err e;

static void place_open(struct place *p)
{
	AUTO_FREE char *path = fixture_path(p->f, "ringholdd.ini");
	struct config *c;

	assert_ok(config_read(&c, path, &e));
	assert_ok(server_open(&p->s, c, &e));
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	char ini[400];

	p->f = fixture_new();
	snprintf(ini, sizeof ini, "listen = 127.0.0.1:0\ndata = %s\ntls = no\n", p->f->data);
	fixture_write(p->f, "ringholdd.ini", ini);
	place_open(p);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	server_close(p->s);
	fixture_free(p->f);
	free(p);
	return 0;
}

static int call(struct place *p, void (*handler)(struct request *), const char *param, const char *query, const char *body, char *out, size_t cap)
{
	static const struct route any = { .pattern = "", .may = MAY(ADMIN) };
	struct request *q = request_new(p->s, &any);
	int status;

	q->http = calloc(1, sizeof *q->http);
	q->http->query = query;
	q->body = buf_new(1 << 24);
	buf_adds(q->body, body);
	fixture_identity(q, "tester");
	q->params[0] = param;
	handler(q);
	status = q->reply.status;
	snprintf(out, cap, "%s", q->reply.body && q->reply.body->data ? q->reply.body->data : "");
	request_free(q);
	return status;
}

/* ---- making requests, as people's tools do ---- */

typedef void change_role(struct author *a, struct place *p);

static struct metadata *stands(struct place *p, const char *role)
{
	AUTO(buf) struct buf *bytes = NULL;
	struct metadata *m = NULL;

	assert_ok(desk_role(p->s->desk, role, &bytes, &e));
	assert_ok(metadata_parse(&m, strcmp(role, "root") == 0 ? METADATA_ROOT : METADATA_TARGETS, role, bytes->data, bytes->len, &e));
	return m;
}

static struct sigreq *begin(struct place *p)
{
	AUTO(metadata) struct metadata *root = stands(p, "root"), *targets = stands(p, "targets");
	struct sigreq *q = NULL;

	assert_ok(sigreq_new(&q, "anna", "a test", root, targets, clock_now(), clock_now() + SIGREQ_LIFE, &e));
	return q;
}

static void draft(struct place *p, struct sigreq *q, const char *role, int64_t version, change_role *change)
{
	AUTO(metadata) struct metadata *m = stands(p, role);
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *text = NULL;

	assert_ok(author_load(&a, m, &e));
	author_set_version(a, version ? version : m->version + 1);
	author_set_expires(a, clock_now() + 1000 + REPO_PEOPLE_LIFE);
	if (change)
		change(a, p);
	assert_ok(author_finish(a, &text, &e));
	assert_ok(sigreq_add(q, role, m, text->data, text->len, &e));
}

static struct sigreq *ask(struct place *p, const char *role, change_role *change)
{
	struct sigreq *q = begin(p);

	draft(p, q, role, 0, change);
	assert_ok(sigreq_seal(q, &e));
	return q;
}

static struct keyring *ring_of(struct place *p, const char *name)
{
	struct keyring *ring = keyring_new();
	const struct seckey *k = keyring_named(p->f->all, name);
	AUTO_FREE char *path = fixture_path(p->f, "one.pem");
	struct seckey *copy = NULL;

	assert_non_null(k);
	unlink(path);
	assert_ok(seckey_save(k, path, NULL, &e));
	assert_ok(seckey_load(&copy, path, NULL, NULL, &e));
	assert_ok(keyring_add(ring, name, copy, &e));
	return ring;
}

static int sign_as(struct place *p, const char *id, const char *role, const char *name, struct requests_info *info, struct err *why)
{
	AUTO(keyring) struct keyring *ring = ring_of(p, name);
	AUTO(buf) struct buf *text = NULL;
	AUTO(sigreq) struct sigreq *q = NULL, *bare = NULL;
	const struct metadata_signature *s;
	char keyid[128], sig[2100];
	struct requests_signature one = { role, keyid, sig };

	assert_ok(requests_get(p->s, id, &text, NULL, &e));
	assert_ok(sigreq_parse(&q, "kept", text->data, text->len, &e));
	assert_ok(sigreq_bare(&bare, q, &e));
	assert_true(sigreq_sign(bare, ring, NULL, &e) > 0);
	s = &sigreq_draft(bare, role)->draft->signatures[0];
	snprintf(keyid, sizeof keyid, "%s", s->keyid.text);
	snprintf(sig, sizeof sig, "%.*s", (int)s->hex_len, s->hex);
	return requests_sign(p->s, id, &one, 1, "anna", clock_now(), info, why);
}

static enum requests_state state_of(struct place *p, const char *id)
{
	AUTO(buf) struct buf *text = NULL;
	struct requests_info info;

	assert_ok(requests_get(p->s, id, &text, &info, &e));
	return info.state;
}

static int64_t version_of(struct place *p, const char *role)
{
	AUTO(metadata) struct metadata *m = stands(p, role);

	return m->version;
}

/* ---- the tests ---- */

static void the_last_signature_that_lacked_publishes(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *q = ask(p, "fleet", NULL);
	AUTO(buf) struct buf *text = buf_new(0);
	struct requests_info info;
	char out[20000], body[500];

	assert_ok(sigreq_write(text, q, &e));
	assert_int_equal(call(p, operator_open_request, NULL, "", text->data, out, sizeof out), 201);
	assert_int_equal(call(p, operator_requests, NULL, "", "", out, sizeof out), 200);
	assert_non_null(strstr(out, q->id));
	assert_non_null(strstr(out, "\"have\":0,\"need\":1,\"renewal\":true"));
	assert_int_equal(call(p, operator_request_changes, q->id, "", "", out, sizeof out), 200);
	assert_non_null(strstr(out, "nothing else changes"));
	/* a signature that is none is refused, and changes nothing */
	snprintf(body, sizeof body, "{\"signatures\":[{\"role\":\"fleet\",\"keyid\":\"%064d\",\"sig\":\"00\"}]}", 1);
	assert_int_equal(call(p, operator_sign_request, q->id, "", body, out, sizeof out), 403);
	assert_int_equal(state_of(p, q->id), REQUESTS_OPEN);
	assert_int_equal(version_of(p, "fleet"), 2);
	assert_ok(sign_as(p, q->id, "fleet", "fleet", &info, &e));
	assert_int_equal(info.state, REQUESTS_PUBLISHED);
	assert_int_equal(info.added, 1);
	assert_int_equal(version_of(p, "fleet"), 3);
	/* bringing it again is no error, for who did not see the answer */
	assert_int_equal(call(p, operator_open_request, NULL, "", text->data, out, sizeof out), 200);
	assert_non_null(strstr(out, "published"));
}

static void signatures_outlive_a_restart(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *q = begin(p);
	AUTO(buf) struct buf *text = NULL;
	AUTO(sigreq) struct sigreq *kept = NULL;
	struct requests_info info;
	size_t have;
	int64_t need;

	draft(p, q, "targets", 0, NULL);
	draft(p, q, "fleet", 0, NULL);
	assert_ok(sigreq_seal(q, &e));
	assert_ok(requests_open(p->s, q, "anna", clock_now(), &info, &e));
	assert_true(info.opened);
	assert_ok(sign_as(p, q->id, "fleet", "fleet", &info, &e));
	assert_int_equal(info.state, REQUESTS_OPEN);
	server_close(p->s);
	place_open(p);
	assert_ok(requests_get(p->s, q->id, &text, &info, &e));
	assert_ok(sigreq_parse(&kept, "kept", text->data, text->len, &e));
	assert_true(sigreq_count(kept, "fleet", NULL, &have, &need));
	assert_int_equal(have, 1);
	/* both or neither: fleet had all it wants, and waited for targets */
	assert_int_equal(version_of(p, "fleet"), 2);
	assert_ok(sign_as(p, q->id, "targets", "targets", &info, &e));
	assert_int_equal(info.state, REQUESTS_PUBLISHED);
	assert_int_equal(version_of(p, "fleet"), 3);
	assert_int_equal(version_of(p, "targets"), 2);
}

static void invalid_signatures_are_not_kept(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *q = ask(p, "fleet", NULL);
	AUTO(buf) struct buf *text = buf_new(0), *kept = NULL;
	struct requests_info info;
	char out[20000], *at;

	assert_ok(sigreq_sign(q, p->f->all, NULL, &e));
	assert_ok(sigreq_write(text, q, &e));
	at = strstr(strstr(strstr(text->data, "\"drafts\""), "\"envelope\"") + 10, "\"envelope\"");
	at = strstr(at, "\"sig\":\"") + 7;
	*at = *at == 'a' ? 'b' : 'a';
	assert_int_equal(call(p, operator_open_request, NULL, "", text->data, out, sizeof out), 201);
	assert_non_null(strstr(out, "\"state\":\"open\",\"added\":0"));
	assert_ok(requests_get(p->s, q->id, &kept, &info, &e));
	assert_null(strstr(strstr(strstr(kept->data, "\"drafts\""), "\"envelope\"") + 10, at));
}

static void what_is_overtaken_is_stale_for_good(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *first = ask(p, "fleet", NULL), *other = begin(p);
	struct requests_info info;

	draft(p, other, "fleet", 0, NULL);
	draft(p, other, "content-edr", 0, NULL);
	assert_ok(sigreq_seal(other, &e));
	assert_ok(requests_open(p->s, first, "anna", clock_now(), &info, &e));
	assert_ok(requests_open(p->s, other, "anna", clock_now(), &info, &e));
	assert_ok(sign_as(p, first->id, "fleet", "fleet", &info, &e));
	assert_int_equal(info.state, REQUESTS_PUBLISHED);
	assert_int_equal(requests_due(p->s, clock_now(), &e), 1);
	assert_int_equal(state_of(p, other->id), REQUESTS_STALE);
	assert_refused(sign_as(p, other->id, "fleet", "fleet", &info, &e), ERR_CONFLICT, "is stale");
	assert_refused(requests_open(p->s, other, "anna", clock_now(), &info, &e), ERR_CONFLICT, "it replaces version 2");
	assert_int_equal(version_of(p, "fleet"), 3);
}

static void what_nobody_signed_in_time_or_was_withdrawn_is_closed(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *q = ask(p, "fleet", NULL), *w = ask(p, "content-edr", NULL);
	struct requests_info info;
	char out[4000];

	assert_ok(requests_open(p->s, q, "anna", clock_now(), &info, &e));
	assert_ok(requests_open(p->s, w, "anna", clock_now(), &info, &e));
	assert_int_equal(call(p, operator_withdraw_request, w->id, "reason=not+so", "", out, sizeof out), 200);
	assert_int_equal(state_of(p, w->id), REQUESTS_WITHDRAWN);
	assert_refused(sign_as(p, w->id, "content-edr", "content-edr", &info, &e), ERR_CONFLICT, "is withdrawn");
	assert_int_equal(requests_due(p->s, clock_now() + SIGREQ_LIFE + 100, &e), 1);
	assert_int_equal(state_of(p, q->id), REQUESTS_EXPIRED);
	/* asked again, it is open again */
	assert_ok(requests_open(p->s, w, "anna", clock_now(), &info, &e));
	assert_int_equal(info.state, REQUESTS_OPEN);
}

static void people_are_asked_sixty_days_ahead_and_once(void **state)
{
	struct place *p = *state;
	struct desk_role_status roles[32];
	int64_t made = clock_now();
	char out[40000];
	size_t count;
	int people = 0;

	assert_int_equal(requests_due(p->s, made + 339 * DAY, &e), 0);
	/* what the server signs it renews by itself */
	count = desk_roles(p->s->desk, roles, ARRAY_LEN(roles));
	for (size_t i = 0; i < count; i++)
		people += repo_is_people(roles[i].role) && roles[i].version > 0;
	assert_true(people >= 4);
	assert_int_equal(requests_due(p->s, made + 341 * DAY, &e), people);
	assert_int_equal(requests_due(p->s, made + 342 * DAY, &e), 0);
	assert_int_equal(call(p, operator_status, NULL, "", "", out, sizeof out), 200);
	assert_non_null(strstr(out, "waits for signatures of root: root expires at "));
	assert_non_null(strstr(out, "\"signing_requests\":[{"));
	assert_int_equal(call(p, operator_requests, NULL, "", "", out, sizeof out), 200);
	assert_non_null(strstr(out, "content-edr expires at "));
	assert_null(strstr(out, "ring-"));
}

/* ---- rings that need another key ---- */

static void ring_early_by_two(struct author *a, struct place *p)
{
	static const char *const names[] = { "content-edr", "ring-canary", "ring-early", "ring-broad", "fleet", "stop" };
	struct author_role roles[6];
	char patterns[6][REPO_PATTERN_MAX];
	const char *pattern[6];
	const struct pubkey *keys[6], *both[2];

	for (size_t i = 0; i < 6; i++) {
		assert_true(repo_pattern(patterns[i], names[i]));
		pattern[i] = patterns[i];
		keys[i] = seckey_public(keyring_named(p->f->all, names[i]));
		roles[i] = (struct author_role){ names[i], &keys[i], 1, 1, &pattern[i], 1 };
	}
	both[0] = keys[2];
	both[1] = keys[0];      /* the vendor's key plays the promoter's */
	roles[2].keys = both;
	roles[2].key_count = roles[2].threshold = 2;
	assert_ok(author_set_delegations(a, roles, 6, &e));
}

/* From now on ring-early wants the server's signature and another one. */
static void want_two(struct place *p)
{
	AUTO(sigreq) struct sigreq *q = begin(p);
	struct requests_info info;

	draft(p, q, "targets", 0, ring_early_by_two);
	draft(p, q, "ring-early", 0, NULL);
	assert_ok(sigreq_seal(q, &e));
	assert_ok(sigreq_sign(q, p->f->all, NULL, &e));
	assert_ok(requests_open(p->s, q, "anna", clock_now(), &info, &e));
	assert_int_equal(info.state, REQUESTS_PUBLISHED);
	assert_false(desk_can_assign(p->s->desk, "early"));
}

static struct assignment early(uint64_t serial)
{
	struct assignment a = { .channel = "edr", .ring = "early", .attempt = 1, .issued = clock_now(), .reason = "test", .permit_required = true,
				.bundle = { .serial = serial, .version = "1", .digest = { { (uint8_t)serial } } } };

	bundle_path(a.bundle.path, "edr", serial);
	return a;
}

static void an_assignment_of_a_later_ring_waits_for_the_other_key(void **state)
{
	struct place *p = *state;
	AUTO(assignment) struct assignment *is = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct assignment first, second;
	struct requests_info one, again, info;

	want_two(p);
	first = early(7);
	second = early(8);
	assert_int_equal(requests_assign(p->s, &first, "{\"verdict\":1}", clock_now(), &one, &e), 1);
	assert_int_equal(requests_assign(p->s, &first, "{\"verdict\":1}", clock_now() + 1, &again, &e), 1);
	assert_string_equal(one.id, again.id);
	assert_false(again.opened);
	assert_ok(requests_get(p->s, one.id, &text, &info, &e));
	assert_non_null(strstr(text->data, "\"evidence\":{\"verdict\":1}"));
	assert_non_null(strstr(text->data, "\"path\":\"rings/early/edr.json\""));
	assert_refused(desk_assignment(p->s->desk, "early", "edr", &is, &e), ERR_NOT_FOUND, "");
	/* the server's own signature does not become two */
	assert_ok(sign_as(p, one.id, "ring-early", "ring-early", &info, &e));
	assert_int_equal(info.state, REQUESTS_OPEN);
	assert_int_equal(info.added, 0);
	/* another wish for the same place takes the first one's */
	assert_int_equal(requests_assign(p->s, &second, NULL, clock_now() + 2, &info, &e), 1);
	assert_int_equal(state_of(p, one.id), REQUESTS_WITHDRAWN);
	assert_ok(sign_as(p, info.id, "ring-early", "content-edr", &info, &e));
	assert_int_equal(info.state, REQUESTS_PUBLISHED);
	assert_ok(desk_assignment(p->s->desk, "early", "edr", &is, &e));
	assert_int_equal(is->bundle.serial, 8);
	assert_int_equal(requests_unassign(p->s, "early", "edr", "enough", clock_now() + 3, &info, &e), 1);
	assert_ok(sign_as(p, info.id, "ring-early", "content-edr", &info, &e));
	assignment_free(TAKE(is));
	assert_refused(desk_assignment(p->s->desk, "early", "edr", &is, &e), ERR_NOT_FOUND, "");
}

static void list_assignment(struct author *a, struct place *p)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct assignment wanted = early(9);
	struct digest sha256;

	(void)p;
	assert_ok(assignment_write(text, &wanted, &e));
	hash_bytes(&sha256, text->data, text->len);
	assert_ok(author_put_target(a, "rings/early/edr.json", text->len, &sha256, NULL, &e));
}

/* Whoever may open requests could otherwise have the server put its name under any assignment. */
static void the_server_never_signs_content_that_came_from_outside(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *q = NULL, *renewal = NULL, *kept = NULL;
	AUTO(buf) struct buf *text = NULL;
	struct requests_info info;
	size_t have;
	int64_t need;

	want_two(p);
	q = ask(p, "ring-early", list_assignment);
	assert_ok(requests_open(p->s, q, "mallory", clock_now(), &info, &e));
	assert_ok(requests_get(p->s, q->id, &text, &info, &e));
	assert_ok(sigreq_parse(&kept, "kept", text->data, text->len, &e));
	assert_true(sigreq_count(kept, "ring-early", NULL, &have, &need));
	assert_int_equal(have, 0);
	/* the same once more, without anything new, it does sign */
	renewal = ask(p, "ring-early", NULL);
	assert_ok(requests_open(p->s, renewal, "anna", clock_now(), &info, &e));
	assert_ok(sign_as(p, renewal->id, "ring-early", "content-edr", &info, &e));
	assert_int_equal(info.state, REQUESTS_PUBLISHED);
}

static void list_bundle(struct author *a, struct place *p)
{
	struct digest sha256 = { { 1 } };

	(void)p;
	assert_ok(author_put_target(a, "bundles/edr/1.tar.gz", 100, &sha256, NULL, &e));
}

static const char bad_map[] = "{\"format\":1,\"rings\":\"none\"}";

static void list_bad_map(struct author *a, struct place *p)
{
	struct digest sha256;

	(void)p;
	hash_bytes(&sha256, bad_map, strlen(bad_map));
	assert_ok(author_put_target(a, RINGMAP_PATH, strlen(bad_map), &sha256, NULL, &e));
}

static void what_would_pass_by_the_checks_is_refused(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *bundle = ask(p, "content-edr", list_bundle), *map = begin(p), *far = begin(p);
	struct requests_info info;

	assert_refused(requests_open(p->s, bundle, "anna", clock_now(), &info, &e), ERR_REFUSED, "through /v1/bundles");
	draft(p, map, "fleet", 0, list_bad_map);
	assert_ok(sigreq_attach(map, RINGMAP_PATH, bad_map, strlen(bad_map), &e));
	assert_ok(sigreq_seal(map, &e));
	assert_refused(requests_open(p->s, map, "anna", clock_now(), &info, &e), ERR_FORMAT, "fleet/map/ringmap.json");
	draft(p, far, "fleet", 1LL << 60, NULL);
	assert_ok(sigreq_seal(far, &e));
	assert_refused(requests_open(p->s, far, "anna", clock_now(), &info, &e), ERR_REFUSED, "too far ahead");
}

/* ---- retention ---- */

static const char next_map[] = "{\"next\":1}";

static void list_next_map(struct author *a, struct place *p)
{
	struct digest sha256;

	(void)p;
	hash_bytes(&sha256, next_map, strlen(next_map));
	assert_ok(author_put_target(a, "fleet/map/next.json", strlen(next_map), &sha256, NULL, &e));
}

/* Put there for a role that people will sign, long ago; the file. */
static char *stage_long_ago(struct place *p)
{
	const struct timespec times[2] = { { clock_now() - 100 * DAY, 0 }, { clock_now() - 100 * DAY, 0 } };
	AUTO(repo) struct repo *r = NULL;
	char hex[DIGEST_HEX_LEN + 1], name[200], *file;
	struct digest sha256;

	assert_ok(repo_open(&r, p->f->repository, &e));
	assert_ok(repo_stage(r, "fleet/map/next.json", next_map, strlen(next_map), &sha256, &e));
	digest_hex(hex, &sha256);
	snprintf(name, sizeof name, "data/repository/targets/fleet/map/%s.next.json", hex);
	file = fixture_path(p->f, name);
	assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
	return file;
}

static void what_an_open_request_lists_is_not_swept(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *file = stage_long_ago(p);
	AUTO(sigreq) struct sigreq *q = ask(p, "fleet", list_next_map);
	struct requests_info info;
	uint64_t bytes;

	assert_ok(requests_open(p->s, q, "anna", clock_now(), &info, &e));
	assert_int_equal(requests_sweep_repository(p->s, clock_now(), &bytes, &e), 0);
	assert_true(file_exists(file));
	assert_ok(requests_withdraw(p->s, q->id, "anna", "no", clock_now(), &e));
	assert_int_equal(requests_sweep_repository(p->s, clock_now(), &bytes, &e), 1);
	assert_int_equal(bytes, strlen(next_map));
	assert_false(file_exists(file));
}

static void what_waited_longer_than_files_are_kept_is_published_all_the_same(void **state)
{
	struct place *p = *state;
	AUTO_FREE char *file = stage_long_ago(p);
	AUTO(sigreq) struct sigreq *q = ask(p, "fleet", list_next_map);
	struct requests_info info;
	uint64_t bytes;

	assert_ok(requests_open(p->s, q, "anna", clock_now(), &info, &e));
	assert_int_equal(requests_sweep_repository(p->s, clock_now(), &bytes, &e), 0);
	assert_ok(sign_as(p, q->id, "fleet", "fleet", &info, &e));
	assert_int_equal(info.state, REQUESTS_PUBLISHED);
	assert_true(file_exists(file));
}

/* ---- a server that died ---- */

static void what_was_published_before_the_server_died_counts_as_published(void **state)
{
	struct place *p = *state;
	AUTO(sigreq) struct sigreq *q = ask(p, "fleet", NULL);
	struct requests_info info;

	assert_ok(requests_open(p->s, q, "anna", clock_now(), &info, &e));
	assert_ok(sigreq_sign(q, p->f->all, NULL, &e) < 0 ? -1 : 0);
	assert_ok(desk_publish_request(p->s->desk, q, clock_now(), &e));
	assert_int_equal(requests_due(p->s, clock_now(), &e), 1);
	assert_int_equal(state_of(p, q->id), REQUESTS_PUBLISHED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_last_signature_that_lacked_publishes, setup, teardown),
		cmocka_unit_test_setup_teardown(signatures_outlive_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(invalid_signatures_are_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_overtaken_is_stale_for_good, setup, teardown),
		cmocka_unit_test_setup_teardown(what_nobody_signed_in_time_or_was_withdrawn_is_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(people_are_asked_sixty_days_ahead_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(an_assignment_of_a_later_ring_waits_for_the_other_key, setup, teardown),
		cmocka_unit_test_setup_teardown(the_server_never_signs_content_that_came_from_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(what_would_pass_by_the_checks_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_an_open_request_lists_is_not_swept, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waited_longer_than_files_are_kept_is_published_all_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_published_before_the_server_died_counts_as_published, setup, teardown),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
