/* The client engine against repositories that are well, whose roots follow each other, and a store that is damaged. */
#include "client_case.h"

/* ---- the good way ---- */

static void a_first_refresh_stores_every_file_as_received(void **state)
{
	struct forge *f = *state;
	struct err e;

	assert_ok(forge_refresh(f, &e));
	assert_string_equal(f->log, " 2.root.json timestamp.json 1.snapshot.json 1.targets.json");
	assert_true(stored(f, "timestamp.json", "timestamp.json"));
	assert_true(stored(f, "snapshot.json", "1.snapshot.json"));
	assert_true(stored(f, "targets.json", "1.targets.json"));
	assert_int_equal(f->store.count, 4);
}

static void a_refresh_with_nothing_new_makes_two_requests(void **state)
{
	struct forge *f = *state;
	struct err e;

	assert_ok(forge_refresh(f, &e));
	assert_ok(forge_refresh(f, &e));
	assert_string_equal(f->log, " 2.root.json timestamp.json");
}

static void without_consistent_snapshots_only_root_has_a_version_in_its_name(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->consistent = false;
	forge_root_body(f, 2);
	forge_publish(f);
	forge_trust(f);
	assert_ok(forge_refresh(f, &e));
	assert_string_equal(f->log, " 2.root.json timestamp.json snapshot.json targets.json");
}

static void lengths_and_hashes_of_metadata_may_be_absent(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[SNAPSHOT].bare = f->docs[TARGETS].bare = true;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
}

static void unknown_members_are_kept_and_signed(void **state)
{
	struct forge *f = *state;
	struct buf *bytes;
	struct err e;

	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body,
		 "\"targets\":{},\"x-new\":{\"deep\":[1,\"\\u00e9\\n\"],\"a\":null},\"delegations\":{\"keys\":{},\"roles\":[],\"more\":true}");
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));

	forge_bump(f);
	forge_publish(f);
	bytes = forge_get(&f->net, "2.targets.json");
	*strstr(bytes->data, "x-new") = 'y';
	forge_clear(&f->store);
	forge_trust(f);
	f->docs[TARGETS].bare = true;
	assert_refused(forge_refresh(f, &e), ERR_REFUSED, "sha256");
}

static void white_space_and_escapes_are_nothing_to_a_signature(void **state)
{
	struct forge *f = *state;
	struct buf *b = forge_get(&f->net, "timestamp.json");
	AUTO(buf) struct buf *airy = buf_new(0);
	struct err e;

	for (size_t i = 0; i < b->len; i++) {
		buf_addc(airy, b->data[i]);
		if (b->data[i] == ',' || b->data[i] == '{')
			buf_adds(airy, " \n\t");
	}
	/* "meta" written as an escape */
	char *meta = strstr(airy->data, "\"meta\"");
	AUTO(buf) struct buf *escaped = buf_new(0);

	buf_add(escaped, airy->data, (size_t)(meta - airy->data));
	buf_adds(escaped, "\"\\u006deta\"");
	buf_adds(escaped, meta + strlen("\"meta\""));
	forge_put(&f->net, "timestamp.json", escaped->data, escaped->len);
	assert_ok(forge_refresh(f, &e));
	assert_true(stored(f, "timestamp.json", "timestamp.json"));
}

/* ---- root ---- */

static void a_local_root_below_its_threshold_stops_everything(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[ROOT].signer_count = 1;
	forge_publish(f);
	forge_trust(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "1 of 2");
	assert_int_equal(f->requests, 0);
}

static void a_chain_of_roots_is_followed_and_stored(void **state)
{
	struct forge *f = *state;
	struct err e;

	for (int i = 0; i < 5; i++)
		new_root(f);
	assert_ok(forge_refresh(f, &e));
	assert_true(stored(f, "root.json", "6.root.json"));
	assert_non_null(strstr(f->log, "2.root.json 3.root.json 4.root.json 5.root.json 6.root.json 7.root.json timestamp"));
}

static void expired_roots_in_between_are_ignored_and_the_last_counts(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[ROOT].expires = FORGE_NOW - 1;
	new_root(f);
	assert_refused(forge_refresh(f, &e), ERR_EXPIRED, "root");
	assert_true(stored(f, "root.json", "2.root.json"));
	f->docs[ROOT].expires = FORGE_NOW + 1;
	new_root(f);
	assert_ok(forge_refresh(f, &e));
}

static void a_root_needs_the_old_threshold_and_its_own(void **state)
{
	struct forge *f = *state;
	struct forge_doc *root = &f->docs[ROOT];
	struct seckey *old0 = f->root[0], *old1 = f->root[1];
	struct err e;

	f->root[0] = forge_key();
	f->root[1] = forge_key();
	forge_root_body(f, 2);
	new_root(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "root: 0 of 2");

	root->signers[0].key = old0;
	root->signers[1].key = old1;
	root->version = 1;
	new_root(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "by its own keys: 0 of 2");

	root->signers[2].key = f->root[0];
	root->signers[3].key = f->root[1];
	root->signer_count = 4;
	root->version = 1;
	new_root(f);
	assert_ok(forge_refresh(f, &e));
	seckey_free(old0);
	seckey_free(old1);
}

static void a_replayed_root_is_refused(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_copy(&f->net, "2.root.json", &f->net, "1.root.json");
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "version 1 where 2");
	f->docs[ROOT].version = 3;
	forge_publish(f);
	forge_copy(&f->net, "2.root.json", &f->net, "3.root.json");
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "version 3 where 2");
}

static void a_failing_root_request_is_no_end_of_the_chain(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->fail = "2.root.json";
	assert_refused(forge_refresh(f, &e), ERR_NET, "root");
	assert_int_equal(f->requests, 1);
}

static void at_most_256_roots_are_followed_in_one_refresh(void **state)
{
	struct forge *f = *state;
	struct err e;

	for (int i = 0; i < 257; i++)
		new_root(f);
	assert_ok(forge_refresh(f, &e));
	assert_true(stored(f, "root.json", "257.root.json"));
	assert_null(strstr(f->log, "258.root.json"));
	assert_ok(forge_refresh(f, &e));
	assert_true(stored(f, "root.json", "258.root.json"));
}

/* ---- the store ---- */

static void a_damaged_store_is_fetched_again(void **state)
{
	static const char *const names[] = { "timestamp.json", "snapshot.json", "targets.json" };
	struct forge *f = *state;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_ok(forge_refresh(f, &e));
		forge_put(&f->store, names[i], "{\"signatures\"", 13);
		assert_ok(forge_refresh(f, &e));
		assert_true(forge_get(&f->store, names[i])->len > 13);
	}
}

static void what_was_verified_stays_when_a_later_step_fails(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->fail = "1.targets.json";
	assert_refused(forge_refresh(f, &e), ERR_NET, "targets");
	assert_true(stored(f, "timestamp.json", "timestamp.json"));
	assert_true(stored(f, "snapshot.json", "1.snapshot.json"));
	assert_null(forge_get(&f->store, "targets.json"));
	f->fail = NULL;
	assert_ok(forge_refresh(f, &e));
	assert_string_equal(f->log, " 2.root.json timestamp.json 1.targets.json");
}

static void resuming_asks_nobody_and_trusts_only_what_is_current(void **state)
{
	struct forge *f = *state;
	struct err e;

	assert_ok(forge_refresh(f, &e));
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_ANY);

	f->requests = 0;
	tuf_client_resume(c, FORGE_NOW);
	assert_ok(forge_drive(f, c, &e));
	assert_int_equal(f->requests, 0);
	assert_int_equal(tuf_client_metadata(c, "timestamp")->version, 1);
	f->docs[ROOT].expires = FORGE_NOW + 100 * FORGE_DAY;
	new_root(f);
	assert_ok(forge_refresh(f, &e));
	AUTO(tuf_client) struct tuf_client *d = forge_client(f, TUF_ANY);

	tuf_client_resume(d, FORGE_NOW + 10 * FORGE_DAY);
	assert_refused(forge_drive(f, d, &e), ERR_EXPIRED, "timestamp");
	forge_drop(&f->store, "targets.json");
	tuf_client_resume(d, FORGE_NOW);
	assert_refused(forge_drive(f, d, &e), ERR_NOT_FOUND, "targets");
	assert_int_equal(tuf_client_find(d, "a", 1, &e), ERR_INTERNAL);
}

static void one_client_can_refresh_many_times(void **state)
{
	struct forge *f = *state;
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_ANY);
	struct err e;

	for (int i = 0; i < 5; i++) {
		tuf_client_refresh(c, FORGE_NOW);
		assert_ok(forge_drive(f, c, &e));
		assert_int_equal(tuf_client_metadata(c, "targets")->version, i + 1);
		forge_bump(f);
		forge_publish(f);
	}
}

static void our_own_rules_refuse_what_our_repositories_never_do(void **state)
{
	struct forge *f = *state;
	char target[512];
	struct err e;

	forge_target(target, "a/b/c", "x");
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body, "\"targets\":{%s}", target);
	forge_publish(f);
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_HOUSE);

	tuf_client_refresh(c, FORGE_NOW);
	assert_refused(forge_drive(f, c, &e), ERR_REFUSED, "targets: lists a/b/c itself");
	assert_ok(forge_refresh(f, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_first_refresh_stores_every_file_as_received),
		T(a_refresh_with_nothing_new_makes_two_requests),
		T(without_consistent_snapshots_only_root_has_a_version_in_its_name),
		T(lengths_and_hashes_of_metadata_may_be_absent),
		T(unknown_members_are_kept_and_signed),
		T(white_space_and_escapes_are_nothing_to_a_signature),
		T(a_local_root_below_its_threshold_stops_everything),
		T(a_chain_of_roots_is_followed_and_stored),
		T(expired_roots_in_between_are_ignored_and_the_last_counts),
		T(a_root_needs_the_old_threshold_and_its_own),
		T(a_replayed_root_is_refused),
		T(a_failing_root_request_is_no_end_of_the_chain),
		T(at_most_256_roots_are_followed_in_one_refresh),
		T(a_damaged_store_is_fetched_again),
		T(what_was_verified_stays_when_a_later_step_fails),
		T(resuming_asks_nobody_and_trusts_only_what_is_current),
		T(one_client_can_refresh_many_times),
		T(our_own_rules_refuse_what_our_repositories_never_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
