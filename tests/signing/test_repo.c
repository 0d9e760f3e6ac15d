/* A published repository: made, changed, renewed, cut short. */
#include <sys/resource.h>

#include "signing/repo_fixture.h"

/* ---- tests ---- */

static void a_new_repository_satisfies_a_client(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct repo_status s;

	assert_client_reads(f, NOW, NULL, NULL);
	assert_int_equal(repo_role_count(r), 10);
	repo_role_status(r, 0, f->online, &s);
	assert_string_equal(s.role, "root");
	assert_int_equal(s.version, 1);
	assert_int_equal(s.keys, 3);
	assert_int_equal(s.held, 0);
	assert_int_equal(s.threshold, 2);
	repo_role_status(r, 1, f->online, &s);
	assert_int_equal(s.version, NOW);
	assert_int_equal(s.expires, NOW + DAY);
	assert_int_equal(s.held, 1);
	assert_true(repo_can_sign(r, "stop", f->online));
	assert_false(repo_can_sign(r, "ring-early", f->online));
}

static void a_second_repository_in_the_same_place_is_refused(void **state)
{
	struct fixture *f = *state;
	struct repo_plan plan = { 0 };
	struct err e;

	assert_refused(repo_create(f->repo, &plan, f->all, NOW, &e), ERR_CONFLICT, "already");
}

static void a_published_target_reaches_a_client(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	AUTO(buf) struct buf *bytes = NULL;
	struct err e;

	assert_ok(repo_put_target(r, "ring-canary", "rings/canary/edr.json", "{\"n\":1}", 7, "{\"ringhold\":{\"k\":1}}", &e));
	assert_ok(repo_read_target(r, "rings/canary/edr.json", 100, &bytes, &e));
	assert_string_equal(bytes->data, "{\"n\":1}");
	assert_ok(repo_publish(r, f->online, NOW + 5, &e));
	assert_client_reads(f, NOW + 5, "rings/canary/edr.json", "{\"n\":1}");
	assert_int_equal(repo_role(r, "ring-canary")->version, NOW + 5);

	assert_ok(repo_put_target(r, "ring-canary", "rings/canary/edr.json", "{\"n\":2}", 7, NULL, &e));
	assert_ok(repo_publish(r, f->online, NOW + 5, &e));
	assert_client_reads(f, NOW + 5, "rings/canary/edr.json", "{\"n\":2}");
	assert_int_equal(repo_role(r, "ring-canary")->version, NOW + 6);

	assert_ok(repo_remove_target(r, "ring-canary", "rings/canary/edr.json", &e));
	assert_ok(repo_publish(r, f->online, NOW + 7, &e));
	AUTO(buf) struct buf *gone = NULL;

	assert_refused(read_as_client(f, NOW + 7, "rings/canary/edr.json", &gone, &e), ERR_NOT_FOUND, "no role lists it");
}

static void a_role_lists_only_paths_of_its_own(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct err e;

	assert_refused(repo_put_target(r, "ring-canary", "rings/early/edr.json", "x", 1, NULL, &e), ERR_REFUSED, "may speak for");
	assert_refused(repo_put_target(r, "stop", "stop/edr/deep/er.json", "x", 1, NULL, &e), ERR_REFUSED, "may speak for");
	assert_refused(repo_put_target(r, "stop", "stop/../stops.json", "x", 1, NULL, &e), ERR_USAGE, "three segments");
	assert_refused(repo_put_target(r, "targets", "stop/edr/stops.json", "x", 1, NULL, &e), ERR_NOT_FOUND, "targets");
	assert_refused(repo_put_target(r, "nobody", "stop/edr/stops.json", "x", 1, NULL, &e), ERR_NOT_FOUND, "nobody");
}

static void without_its_keys_a_role_is_not_published_and_stays_pending(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	AUTO(buf) struct buf *draft = NULL, *complete = NULL;
	struct authority by;
	struct keyring *person = keyring_new();
	bool met;
	struct err e;

	assert_ok(repo_put_target(r, "ring-early", "rings/early/edr.json", "{}", 2, NULL, &e));
	assert_refused(repo_publish(r, f->online, NOW + 1, &e), ERR_AUTH, "ring-early: needs 2 signatures, and 1 of its 2 keys");
	assert_client_reads(f, NOW + 1, NULL, NULL);

	/* The request goes to the person, comes back, and is published. */
	assert_ok(repo_draft(r, "ring-early", f->online, NOW + 1, &draft, &met, &e));
	assert_false(met);
	lend(f, person, K_PERSON);
	assert_true(authority_of(&by, repo_role(r, "targets"), "ring-early"));
	assert_int_equal(author_sign(&complete, draft->data, draft->len, METADATA_TARGETS, person, &by, &met, &e), 1);
	assert_true(met);
	repo_discard(r);
	assert_ok(repo_put_signed(r, "ring-early", complete->data, complete->len, NOW + 2, &e));
	assert_ok(repo_publish(r, f->online, NOW + 2, &e));
	assert_client_reads(f, NOW + 2, "rings/early/edr.json", "{}");
	keyring_free(person);
}

/* A vendor's document of this version that lists one bundle. */
static struct buf *vendor_document(struct fixture *f, struct repo *r, int64_t version, const char *path, const char *bytes,
				   const struct keyring *ring)
{
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL;
	struct buf *envelope = NULL;
	struct authority by;
	struct digest d;
	bool met;
	struct err e;

	(void)f;
	hash_bytes(&d, bytes, strlen(bytes));
	assert_ok(author_new(&a, METADATA_TARGETS, &e));
	author_set_version(a, version);
	author_set_expires(a, NOW + 300 * DAY);
	assert_ok(author_put_target(a, path, strlen(bytes), &d, "{\"ringhold\":{\"kind\":\"full\"}}", &e));
	assert_ok(author_set(a, "x-vendor", "[\"kept\"]", &e));
	assert_ok(author_finish(a, &plain, &e));
	assert_true(authority_of(&by, repo_role(r, "targets"), "content-edr"));
	assert_ok(author_sign(&envelope, plain->data, plain->len, METADATA_TARGETS, ring, &by, &met, &e));
	return envelope;
}

static void a_vendors_document_is_checked_against_its_delegation(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct keyring *half = keyring_new();
	struct err e;

	lend(f, half, K_VENDOR0);
	AUTO(buf) struct buf *weak = vendor_document(f, r, 2, "bundles/edr/1.tar.gz", "one", half);
	AUTO(buf) struct buf *foreign = vendor_document(f, r, 2, "bundles/waf/1.tar.gz", "one", f->vendor);
	AUTO(buf) struct buf *old = vendor_document(f, r, 1, "bundles/edr/1.tar.gz", "one", f->vendor);
	AUTO(buf) struct buf *good = vendor_document(f, r, 2, "bundles/edr/1.tar.gz", "one", f->vendor);

	assert_refused(repo_put_signed(r, "content-edr", weak->data, weak->len, NOW, &e), ERR_AUTH, "1 of 2");
	assert_refused(repo_put_signed(r, "content-edr", good->data, good->len, NOW, &e), ERR_NOT_FOUND, "are not here");
	assert_ok(repo_stage(r, "bundles/waf/1.tar.gz", "one", 3, NULL, &e));
	assert_refused(repo_put_signed(r, "content-edr", foreign->data, foreign->len, NOW, &e), ERR_REFUSED, "may speak for");
	assert_ok(repo_stage(r, "bundles/edr/1.tar.gz", "one", 3, NULL, &e));
	assert_refused(repo_put_signed(r, "content-edr", old->data, old->len, NOW, &e), ERR_ROLLBACK, "version 1");
	assert_refused(repo_put_signed(r, "content-edr", good->data, good->len, NOW + 400 * DAY, &e), ERR_EXPIRED, "expired");
	assert_refused(repo_put_signed(r, "ring-canary", good->data, good->len, NOW, &e), ERR_AUTH, "0 of 1");
	assert_ok(repo_put_signed(r, "content-edr", good->data, good->len, NOW, &e));
	assert_ok(repo_publish(r, f->online, NOW + 1, &e));
	assert_client_reads(f, NOW + 1, "bundles/edr/1.tar.gz", "one");
	assert_non_null(json_get(repo_role(r, "content-edr")->body, "x-vendor"));
	keyring_free(half);
}

static void a_role_nobody_here_can_sign_joins_later(void **state)
{
	struct fixture *f = *state;
	struct keyring *some = keyring_new();
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *none = NULL;
	struct err e;

	for (int i = 0; i < K_VENDOR0; i++)
		lend(f, some, i);
	assert_ok(file_remove_tree(f->repo, &e));
	create(f, some);
	r = reopen(f);
	assert_null(repo_role(r, "content-edr"));
	assert_refused(read_as_client(f, NOW, "bundles/edr/1.tar.gz", &none, &e), ERR_NOT_FOUND, "content-edr: not in the snapshot");
	AUTO(buf) struct buf *first = vendor_document(f, r, 1, "bundles/edr/1.tar.gz", "one", f->vendor);

	assert_ok(repo_stage(r, "bundles/edr/1.tar.gz", "one", 3, NULL, &e));
	assert_ok(repo_put_signed(r, "content-edr", first->data, first->len, NOW, &e));
	assert_ok(repo_publish(r, some, NOW + 1, &e));
	assert_client_reads(f, NOW + 1, "bundles/edr/1.tar.gz", "one");
	keyring_free(some);
}

static void renewal_waits_for_half_a_life_and_signs_only_what_is_the_servers(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct err e;

	assert_int_equal(repo_renew(r, f->online, NOW + DAY / 2, &e), 0);
	assert_int_equal(repo_next_renewal(r, f->online), NOW + DAY / 2 + 1);
	assert_int_equal(repo_renew(r, f->online, NOW + DAY / 2 + 1, &e), 1);
	assert_int_equal(repo_role(r, "timestamp")->version, NOW + DAY / 2 + 1);
	assert_int_equal(repo_role(r, "snapshot")->version, NOW);
	assert_client_reads(f, NOW + DAY, NULL, NULL);

	assert_int_equal(repo_renew(r, f->online, NOW + 4 * DAY, &e), 2);
	assert_int_equal(repo_role(r, "snapshot")->version, NOW + 4 * DAY);
	assert_int_equal(repo_role(r, "stop")->version, NOW);

	/* ring-canary and stop; ring-early needs a person, the others are people's. */
	assert_int_equal(repo_renew(r, f->online, NOW + 16 * DAY, &e), 4);
	assert_int_equal(repo_role(r, "stop")->version, NOW + 16 * DAY);
	assert_int_equal(repo_role(r, "stop")->expires, NOW + 46 * DAY);
	assert_int_equal(repo_role(r, "ring-early")->version, NOW);
	assert_int_equal(repo_role(r, "recall")->version, 1);
	assert_client_reads(f, NOW + 16 * DAY, NULL, NULL);
	assert_refused(repo_renew(r, f->vendor, NOW + 30 * DAY, &e), ERR_AUTH, "snapshot: needs 1 signatures, and 0");
}

static void versions_rise_even_when_the_clock_falls_back(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct err e;

	for (int i = 1; i <= 3; i++) {
		char body[16];

		snprintf(body, sizeof body, "%d", i);
		assert_ok(repo_put_target(r, "stop", "stop/edr/stops.json", body, 1, NULL, &e));
		assert_ok(repo_publish(r, f->online, NOW - 1000, &e));
		assert_int_equal(repo_role(r, "timestamp")->version, NOW + i);
		assert_int_equal(repo_role(r, "stop")->version, NOW + i);
	}
}

static void two_writers_do_not_overwrite_each_other(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *a = reopen(f), *b = reopen(f);
	struct err e;

	assert_ok(repo_put_target(a, "stop", "stop/edr/stops.json", "a", 1, NULL, &e));
	assert_ok(repo_put_target(b, "stop", "stop/edr/stops.json", "b", 1, NULL, &e));
	assert_ok(repo_publish(a, f->online, NOW + 1, &e));
	assert_refused(repo_publish(b, f->online, NOW + 2, &e), ERR_CONFLICT, "changed by another process");
	assert_client_reads(f, NOW + 2, "stop/edr/stops.json", "a");
}

static void a_new_root_is_published_with_what_its_keys_sign(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL, *once = NULL, *alone = NULL;
	struct authority by;
	struct keyring *one = keyring_new();
	bool met;
	struct err e;

	assert_ok(author_load(&a, repo_root(r), &e));
	author_set_version(a, 2);
	author_set_expires(a, NOW + 500 * DAY);
	assert_ok(author_set(a, "x-note", "\"two\"", &e));
	assert_ok(author_finish(a, &plain, &e));
	assert_true(authority_of(&by, repo_root(r), "root"));
	lend(f, one, K_ROOT2);
	assert_int_equal(author_sign(&alone, plain->data, plain->len, METADATA_ROOT, one, &by, &met, &e), 1);
	assert_false(met);
	assert_refused(repo_put_signed(r, "root", alone->data, alone->len, NOW, &e), ERR_AUTH, "1 of 2");
	assert_ok(author_sign(&once, alone->data, alone->len, METADATA_ROOT, f->all, &by, &met, &e));
	assert_true(met);
	assert_ok(repo_put_signed(r, "root", once->data, once->len, NOW, &e));
	assert_ok(repo_publish(r, f->online, NOW + 1, &e));
	assert_int_equal(repo_root(r)->version, 2);
	assert_client_reads(f, NOW + 1, NULL, NULL);
	assert_refused(repo_put_signed(r, "root", once->data, once->len, NOW, &e), ERR_ROLLBACK, "but 2 is published");
	keyring_free(one);
}

static void a_disk_that_is_full_leaves_the_old_view_and_the_change_pending(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	struct rlimit was, none;
	int full;
	struct err e;

	assert_ok(repo_put_target(r, "stop", "stop/edr/stops.json", "old", 3, NULL, &e));
	assert_ok(repo_publish(r, f->online, NOW + 1, &e));
	assert_ok(repo_put_target(r, "stop", "stop/edr/stops.json", "new", 3, NULL, &e));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	full = repo_publish(r, f->online, NOW + 2, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(full, ERR_IO);
	assert_client_reads(f, NOW + 2, "stop/edr/stops.json", "old");
	assert_ok(repo_publish(r, f->online, NOW + 2, &e));
	assert_client_reads(f, NOW + 2, "stop/edr/stops.json", "new");
}

/* Root 2 with these keys for root itself and for timestamp and snapshot. */
static struct buf *next_root(struct fixture *f, struct repo *r, int root, int online, const struct keyring *ring)
{
	const struct author_role roles[] = {
		{ .name = "root", .keys = &f->pub[root], .key_count = 1, .threshold = 1 },
		{ .name = "timestamp", .keys = &f->pub[online], .key_count = 1, .threshold = 1 },
		{ .name = "snapshot", .keys = &f->pub[online], .key_count = 1, .threshold = 1 },
		{ .name = "targets", .keys = &f->pub[K_TARGETS], .key_count = 1, .threshold = 1 },
	};
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *plain = NULL, *half = NULL;
	AUTO(metadata) struct metadata *m = NULL;
	struct authority itself, old;
	struct buf *out = NULL;
	bool met;
	struct err e;

	assert_ok(author_load(&a, repo_root(r), &e));
	author_set_version(a, 2);
	assert_ok(author_set_roles(a, roles, ARRAY_LEN(roles), true, &e));
	assert_ok(author_finish(a, &plain, &e));
	assert_ok(metadata_parse(&m, METADATA_ROOT, "root", plain->data, plain->len, &e));
	assert_true(authority_of(&itself, m, "root"));
	assert_true(authority_of(&old, repo_root(r), "root"));
	assert_ok(author_sign(&half, plain->data, plain->len, METADATA_ROOT, f->all, &itself, &met, &e));
	assert_ok(author_sign(&out, half->data, half->len, METADATA_ROOT, ring, &old, &met, &e));
	return out;
}

static void a_root_of_strangers_is_refused(void **state)
{
	struct fixture *f = *state;
	AUTO(repo) struct repo *r = reopen(f);
	AUTO(buf) struct buf *taken = next_root(f, r, K_PERSON, K_PERSON, f->online);
	struct err e;

	assert_refused(repo_put_signed(r, "root", taken->data, taken->len, NOW, &e), ERR_AUTH, "by the keys it replaces: 0 of 2");
}

/* The online key is replaced, and the power fails between the new root and the new timestamp. */
static void a_rotation_cut_short_before_the_timestamp_is_completed_by_the_next_run(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *timestamp = NULL;
	AUTO(buf) struct buf *before = NULL;
	struct keyring *new_online = keyring_new();
	struct err e;

	assert_true(asprintf(&timestamp, "%s/metadata/timestamp.json", f->repo) > 0);
	assert_ok(file_read(&before, timestamp, 100000, &e));
	lend(f, new_online, K_PERSON);
	{
		AUTO(repo) struct repo *r = reopen(f);
		AUTO(buf) struct buf *root = next_root(f, r, K_ROOT0, K_PERSON, f->all);

		assert_ok(repo_put_signed(r, "root", root->data, root->len, NOW, &e));
		assert_refused(repo_publish(r, f->online, NOW + 1, &e), ERR_AUTH, "snapshot");
		assert_client_reads(f, NOW + 1, NULL, NULL);
		assert_ok(repo_publish(r, new_online, NOW + 1, &e));
		assert_client_reads(f, NOW + 1, NULL, NULL);
	}
	assert_ok(file_replace(timestamp, before->data, before->len, 0644, &e));
	AUTO(repo) struct repo *again = reopen(f);

	assert_refused(repo_publish(again, f->online, NOW + 2, &e), ERR_AUTH, "snapshot");
	assert_ok(repo_publish(again, new_online, NOW + 2, &e));
	assert_client_reads(f, NOW + 2, NULL, NULL);
	assert_ok(repo_publish(again, f->online, NOW + 3, &e));
	keyring_free(new_online);
}

/* ---- cut short ---- */

static void a_publication_killed_at_any_call_leaves_old_or_new_and_can_be_repeated(void **state)
{
	struct fixture *f = *state;
	bool killed = true;
	struct err e;

	if (!can_trace())
		skip_named("no ptrace here");
	AUTO(repo) struct repo *first = reopen(f);

	assert_ok(repo_put_target(first, "stop", "stop/edr/stops.json", "old", 3, NULL, &e));
	assert_ok(repo_put_target(first, "ring-canary", "rings/canary/edr.json", "old", 3, NULL, &e));
	assert_ok(repo_publish(first, f->online, NOW + 1, &e));
	/* By twos: the exit of one call and the entry of the next are the same to the files. */
	for (int at = 0; killed; at += 2) {
		AUTO(buf) struct buf *stop = NULL, *ring = NULL;
		char body[16];

		snprintf(body, sizeof body, "new%d", at);
		killed = publish_killed_at(f, at, body, NULL);
		/* Whoever reads now sees one view whole. */
		assert_ok(read_as_client(f, NOW + 20, "stop/edr/stops.json", &stop, &e));
		assert_ok(read_as_client(f, NOW + 20, "rings/canary/edr.json", &ring, &e));
		assert_string_equal(stop->data, ring->data);
		if (!killed)
			assert_string_equal(stop->data, body);
		/* And the next writer goes on. */
		if (at % 14 == 0) {
			AUTO(repo) struct repo *again = reopen(f);

			assert_ok(repo_put_target(again, "stop", "stop/edr/stops.json", body, strlen(body), NULL, &e));
			assert_ok(repo_put_target(again, "ring-canary", "rings/canary/edr.json", body, strlen(body), NULL, &e));
			assert_ok(repo_publish(again, f->online, NOW + 10, &e));
			assert_client_reads(f, NOW + 20, "rings/canary/edr.json", body);
		}
	}
}

static void the_table_of_the_design_names_who_speaks_for_what(void **state)
{
	static const char *const rows[][2] = {
		{ "content-edr", "bundles/edr/*" }, { "ring-early", "rings/early/*" }, { "fleet", "fleet/map/*" },
		{ "stop", "stop/*/*" }, { "recall", "recall/*/*" }, { "approve-acme", "approvals/acme/*" },
		{ "content-", NULL }, { "content-A", NULL }, { "stops", NULL }, { "content-a/b", NULL }, { "", NULL },
	};
	char pattern[REPO_PATTERN_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(repo_pattern(pattern, rows[i][0]), rows[i][1] != NULL);
		if (rows[i][1])
			assert_string_equal(pattern, rows[i][1]);
	}
	assert_true(repo_is_people("root"));
	assert_true(repo_is_people("content-edr"));
	assert_false(repo_is_people("ring-canary"));
	assert_false(repo_is_people("timestamp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_new_repository_satisfies_a_client),
		T(a_second_repository_in_the_same_place_is_refused),
		T(a_published_target_reaches_a_client),
		T(a_role_lists_only_paths_of_its_own),
		T(without_its_keys_a_role_is_not_published_and_stays_pending),
		T(a_vendors_document_is_checked_against_its_delegation),
		T(a_role_nobody_here_can_sign_joins_later),
		T(renewal_waits_for_half_a_life_and_signs_only_what_is_the_servers),
		T(versions_rise_even_when_the_clock_falls_back),
		T(two_writers_do_not_overwrite_each_other),
		T(a_new_root_is_published_with_what_its_keys_sign),
		T(a_disk_that_is_full_leaves_the_old_view_and_the_change_pending),
		T(a_root_of_strangers_is_refused),
		T(a_rotation_cut_short_before_the_timestamp_is_completed_by_the_next_run),
		T(a_publication_killed_at_any_call_leaves_old_or_new_and_can_be_repeated),
		cmocka_unit_test(the_table_of_the_design_names_who_speaks_for_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
