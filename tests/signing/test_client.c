/* The client engine against repositories that are well, stale, mixed, forged or endless. */
#include "forge.h"

static int setup(void **state)
{
	struct forge *f = forge_new();

	forge_publish(f);
	forge_trust(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	forge_free(*state);
	return 0;
}

static bool stored(struct forge *f, const char *name, const char *as_served)
{
	struct buf *have = forge_get(&f->store, name), *served = forge_get(&f->net, as_served);

	return have && served && have->len == served->len && !memcmp(have->data, served->data, have->len);
}

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

static void new_root(struct forge *f)
{
	f->docs[ROOT].version++;
	forge_publish(f);
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

/* ---- rollback, freeze, mix and match ---- */

static void an_older_timestamp_is_refused(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_bump(f);
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
	f->docs[TIMESTAMP].version = 1;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "timestamp: version 1");
}

static void an_equal_timestamp_stores_nothing_even_when_it_differs(void **state)
{
	struct forge *f = *state;
	struct err e;

	assert_ok(forge_refresh(f, &e));
	AUTO(buf) struct buf *before = buf_new(0);

	buf_add(before, forge_get(&f->store, "timestamp.json")->data, forge_get(&f->store, "timestamp.json")->len);
	f->docs[TIMESTAMP].expires += 5;
	f->docs[SNAPSHOT].version = 9;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
	assert_string_equal(forge_get(&f->store, "timestamp.json")->data, before->data);
	assert_string_equal(f->log, " 2.root.json timestamp.json");
}

static void a_timestamp_that_names_an_older_snapshot_is_refused(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_bump(f);
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
	f->docs[TIMESTAMP].version++;
	f->docs[SNAPSHOT].version = 1;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "names snapshot 1");
}

static void a_snapshot_may_not_list_less_or_older(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_add(f, "extra", "targets", f->a);
	forge_bump(f);
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));

	forge_bump(f);
	forge_doc(f, "extra")->unlisted = true;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "extra.json is no longer listed");

	forge_doc(f, "extra")->unlisted = false;
	forge_doc(f, "extra")->version = 1;
	f->docs[TIMESTAMP].version++;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "lists version 1 of extra.json");
}

static void a_frozen_timestamp_expires(void **state)
{
	struct forge *f = *state;
	struct err e;

	assert_ok(forge_refresh(f, &e));
	assert_ok(forge_refresh_at(f, FORGE_NOW + 10 * FORGE_DAY - 1, &e));
	f->docs[ROOT].expires = FORGE_NOW + 100 * FORGE_DAY;
	new_root(f);
	assert_refused(forge_refresh_at(f, FORGE_NOW + 10 * FORGE_DAY, &e), ERR_EXPIRED, "timestamp");
}

static void each_expired_role_is_refused(void **state)
{
	static const char *const names[] = { "root", "timestamp", "snapshot", "targets" };
	struct forge *f = *state;
	struct err e;

	for (int i = ROOT; i <= TARGETS; i++) {
		f->docs[i].expires = FORGE_NOW;
		forge_publish(f);
		forge_clear(&f->store);
		forge_trust(f);
		assert_refused(forge_refresh(f, &e), ERR_EXPIRED, names[i]);
		if (i != ROOT)
			assert_null(forge_get(&f->store, i == TIMESTAMP ? "timestamp.json" : i == SNAPSHOT ? "snapshot.json" : "targets.json"));
		f->docs[i].expires = FORGE_NOW + 1;
	}
	forge_publish(f);
	forge_clear(&f->store);
	forge_trust(f);
	assert_ok(forge_refresh(f, &e));
}

static void an_expired_local_timestamp_still_bars_older_ones(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_bump(f);
	f->docs[TIMESTAMP].expires = FORGE_NOW + 1;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
	f->docs[TIMESTAMP].version = 1;
	f->docs[TIMESTAMP].expires = FORGE_NOW + FORGE_DAY;
	forge_publish(f);
	assert_refused(forge_refresh_at(f, FORGE_NOW + 2, &e), ERR_ROLLBACK, "timestamp");
}

static void an_expired_local_snapshot_is_requested_again(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[SNAPSHOT].expires = FORGE_NOW + 1;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
	assert_refused(forge_refresh_at(f, FORGE_NOW + 1, &e), ERR_EXPIRED, "snapshot");
	assert_string_equal(f->log, " 2.root.json timestamp.json 1.snapshot.json");
}

static void files_of_different_snapshots_do_not_mix(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_bump(f);
	forge_publish(f);
	/* The targets of version 1 under the name of version 2: right keys, wrong snapshot. */
	forge_copy(&f->net, "2.targets.json", &f->net, "1.targets.json");
	assert_refused(forge_refresh(f, &e), ERR_REFUSED, "targets");
	f->docs[TARGETS].bare = true;
	forge_bump(f);
	forge_publish(f);
	forge_copy(&f->net, "3.targets.json", &f->net, "1.targets.json");
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "version 1 where the snapshot lists 3");
}

/* The version is what counts for a file that was verified once: the timestamp's hash is for the wire. */
static void the_stored_snapshot_of_the_named_version_serves(void **state)
{
	struct forge *f = *state;
	struct err e;

	assert_ok(forge_refresh(f, &e));
	f->docs[SNAPSHOT].expires++;
	f->docs[TIMESTAMP].version++;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
	assert_string_equal(f->log, " 2.root.json timestamp.json");
}

static void a_snapshot_of_another_version_is_refused(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[SNAPSHOT].bare = true;
	f->docs[SNAPSHOT].listed_version = 7;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "version 1 where the timestamp names 7");
}

static void rotating_the_timestamp_key_recovers_from_fast_forward(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[TIMESTAMP].version = INT64_MAX;
	f->docs[SNAPSHOT].version = INT64_MAX;
	f->docs[TARGETS].version = INT64_MAX;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));

	f->docs[TIMESTAMP].version = f->docs[SNAPSHOT].version = 2;
	f->docs[TARGETS].version = 2;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "timestamp");

	seckey_free(f->timestamp);
	seckey_free(f->snapshot);
	f->timestamp = forge_key();
	f->snapshot = forge_key();
	forge_sign_by(&f->docs[TIMESTAMP], f->timestamp);
	forge_sign_by(&f->docs[SNAPSHOT], f->snapshot);
	forge_root_body(f, 2);
	new_root(f);
	assert_ok(forge_refresh(f, &e));
	assert_true(stored(f, "targets.json", "2.targets.json"));
}

static void rotate(struct forge *f, struct seckey **key, int role)
{
	seckey_free(*key);
	*key = forge_key();
	forge_sign_by(&f->docs[role], *key);
	forge_root_body(f, 2);
	new_root(f);
}

/* An attacker raised the snapshot's version; the timestamp's key is still good (5.3.11). */
static void rotating_the_snapshot_key_alone_recovers_the_snapshot(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[SNAPSHOT].version = 1000;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));
	f->docs[SNAPSHOT].version = 2;
	f->docs[TIMESTAMP].version = 2;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "names snapshot 2");

	rotate(f, &f->snapshot, SNAPSHOT);
	/* Also when the first attempt got no further than the new root. */
	f->fail = "timestamp.json";
	assert_refused(forge_refresh(f, &e), ERR_NET, "timestamp");
	f->fail = NULL;
	assert_ok(forge_refresh(f, &e));
	assert_true(stored(f, "snapshot.json", "2.snapshot.json"));
	/* From here on the baseline is the new one. */
	f->docs[SNAPSHOT].version = 1;
	f->docs[TIMESTAMP].version = 3;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "names snapshot 1");
}

static void rotating_the_timestamp_key_alone_recovers_what_the_snapshot_lists(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_add(f, "unwanted", "targets", f->a);
	f->docs[TARGETS].version = 1000;
	forge_publish(f);
	assert_ok(forge_refresh(f, &e));

	f->docs[TARGETS].version = 2;
	forge_doc(f, "unwanted")->unlisted = true;
	f->docs[SNAPSHOT].version = f->docs[TIMESTAMP].version = 2;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_ROLLBACK, "snapshot:");
	rotate(f, &f->timestamp, TIMESTAMP);
	assert_ok(forge_refresh(f, &e));
	assert_true(stored(f, "targets.json", "2.targets.json"));
}

static void after_a_rotation_the_stored_snapshot_serves_only_if_its_bytes_are_the_named_ones(void **state)
{
	struct forge *f = *state;
	struct err e;

	assert_ok(forge_refresh(f, &e));
	rotate(f, &f->timestamp, TIMESTAMP);
	assert_ok(forge_refresh(f, &e));
	assert_string_equal(f->log, " 2.root.json 3.root.json timestamp.json");

	f->docs[SNAPSHOT].expires++;
	rotate(f, &f->timestamp, TIMESTAMP);
	assert_ok(forge_refresh(f, &e));
	assert_string_equal(f->log, " 3.root.json 4.root.json timestamp.json 1.snapshot.json");
	assert_true(stored(f, "snapshot.json", "1.snapshot.json"));
}

/* ---- wrong bytes ---- */

static void wrong_length_and_wrong_hash_are_refused(void **state)
{
	struct forge *f = *state;
	struct buf *b = forge_get(&f->net, "1.snapshot.json");
	struct err e;

	buf_addc(b, ' ');
	assert_refused(forge_refresh(f, &e), ERR_LIMIT, "longer than");
	b->len -= 2;
	assert_refused(forge_refresh(f, &e), ERR_REFUSED, "instead of the listed");
	forge_publish(f);
	b = forge_get(&f->net, "1.snapshot.json");
	b->data[b->len - 1] = '\n';
	assert_refused(forge_refresh(f, &e), ERR_REFUSED, "sha256");
	assert_null(forge_get(&f->store, "snapshot.json"));
}

static void endless_data_is_cut_at_the_limit(void **state)
{
	struct forge *f = *state;
	AUTO(buf) struct buf *big = buf_new(0);
	struct err e;

	memset(buf_grow(big, METADATA_ROOT_MAX + 1), ' ', METADATA_ROOT_MAX + 1);
	big->len = METADATA_ROOT_MAX + 1;
	forge_put(&f->net, "2.root.json", big->data, big->len);
	assert_refused(forge_refresh(f, &e), ERR_LIMIT, "longer than 512000");
	forge_drop(&f->net, "2.root.json");
	forge_put(&f->net, "timestamp.json", big->data, METADATA_TIMESTAMP_MAX + 1);
	assert_refused(forge_refresh(f, &e), ERR_LIMIT, "longer than 16384");
}

static void a_file_of_another_type_is_refused_however_well_signed(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[TIMESTAMP].type = "snapshot";
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_FORMAT, "of type \"snapshot\" instead of \"timestamp\"");
	f->docs[TIMESTAMP].type = "timestamp";
	f->docs[TARGETS].type = "snapshot";
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_FORMAT, "targets");
}

static void another_roles_key_signs_nothing(void **state)
{
	struct forge *f = *state;
	struct err e;

	forge_sign_by(&f->docs[TIMESTAMP], f->snapshot);
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 0 of 1");
	/* ... nor does a stranger's under the right id. */
	f->docs[TIMESTAMP].signers[0] = (struct forge_signer){ f->a, forge_keyid(f->timestamp) };
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 0 of 1");
}

static void repeated_key_ids_in_signatures_refuse_the_file(void **state)
{
	struct forge *f = *state;
	struct err e;

	f->docs[TIMESTAMP].signers[1] = f->docs[TIMESTAMP].signers[0];
	f->docs[TIMESTAMP].signer_count = 2;
	forge_publish(f);
	assert_refused(forge_refresh(f, &e), ERR_FORMAT, "two signatures with the same keyid");
}

static void an_unusable_signature_does_not_spoil_the_others(void **state)
{
	struct forge *f = *state;
	struct buf *b = forge_get(&f->net, "timestamp.json");
	AUTO(buf) struct buf *more = buf_new(0);
	struct err e;

	buf_adds(more, "{\"signatures\":[{\"keyid\":\"x\",\"sig\":\"\"},{\"keyid\":\"y\",\"sig\":\"zz\"},{\"keyid\":\"v\"},{\"keyid\":\"w\",\"sig\":5},"
		       "{\"keyid\":\"\",\"sig\":\"abc\",\"method\":\"q\"},");
	buf_adds(more, b->data + strlen("{\"signatures\":["));
	forge_put(&f->net, "timestamp.json", more->data, more->len);
	assert_ok(forge_refresh(f, &e));
}

/* Root with the timestamp role as given. */
static void root_with_timestamp_role(struct forge *f, const char *second_id, const char *keyids, int threshold)
{
	char *at;
	AUTO(buf) struct buf *body = buf_new(0), *key = buf_new(0);
	struct forge_doc *d = &f->docs[ROOT];

	forge_root_body(f, 2);
	forge_key_member(key, second_id, f->timestamp);
	at = strstr(d->body, "\"keys\":{") + strlen("\"keys\":{");
	buf_add(body, d->body, (size_t)(at - d->body));
	buf_addf(body, "%s,", key->data);
	buf_adds(body, at);
	at = strstr(body->data, "\"timestamp\":{");
	*at = '\0';
	snprintf(d->body, sizeof d->body, "%s\"timestamp\":{\"keyids\":[%s],\"threshold\":%d},%s", body->data, keyids, threshold,
		 strstr(at + 1, "\"snapshot\":"));
}

static void one_key_under_two_ids_counts_once(void **state)
{
	struct forge *f = *state;
	struct forge_doc *timestamp = &f->docs[TIMESTAMP];
	char keyids[256];
	struct err e;

	snprintf(keyids, sizeof keyids, "\"%s\",\"alias\"", forge_keyid(f->timestamp));
	root_with_timestamp_role(f, "alias", keyids, 2);
	timestamp->signers[1] = (struct forge_signer){ f->timestamp, "alias" };
	timestamp->signer_count = 2;
	forge_publish(f);
	forge_trust(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 1 of 2");

	root_with_timestamp_role(f, "alias", keyids, 1);
	forge_publish(f);
	forge_trust(f);
	assert_ok(forge_refresh(f, &e));
}

static void a_role_that_repeats_a_key_id_counts_it_once(void **state)
{
	struct forge *f = *state;
	char keyids[256];
	struct err e;

	snprintf(keyids, sizeof keyids, "\"%s\",\"%s\",\"nobody\"", forge_keyid(f->timestamp), forge_keyid(f->timestamp));
	root_with_timestamp_role(f, "alias", keyids, 2);
	forge_publish(f);
	forge_trust(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 1 of 2");
	root_with_timestamp_role(f, "alias", keyids, 1);
	forge_publish(f);
	forge_trust(f);
	assert_ok(forge_refresh(f, &e));
}

static void a_threshold_above_the_keys_is_unsatisfiable_but_no_fault_of_root(void **state)
{
	struct forge *f = *state;
	char keyids[256];
	struct err e;

	snprintf(keyids, sizeof keyids, "\"%s\"", forge_keyid(f->timestamp));
	root_with_timestamp_role(f, "alias", keyids, 5);
	forge_publish(f);
	forge_trust(f);
	assert_refused(forge_refresh(f, &e), ERR_AUTH, "timestamp: 1 of 5");
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		T(an_older_timestamp_is_refused),
		T(an_equal_timestamp_stores_nothing_even_when_it_differs),
		T(a_timestamp_that_names_an_older_snapshot_is_refused),
		T(a_snapshot_may_not_list_less_or_older),
		T(a_frozen_timestamp_expires),
		T(each_expired_role_is_refused),
		T(an_expired_local_timestamp_still_bars_older_ones),
		T(an_expired_local_snapshot_is_requested_again),
		T(files_of_different_snapshots_do_not_mix),
		T(the_stored_snapshot_of_the_named_version_serves),
		T(a_snapshot_of_another_version_is_refused),
		T(rotating_the_timestamp_key_recovers_from_fast_forward),
		T(rotating_the_snapshot_key_alone_recovers_the_snapshot),
		T(rotating_the_timestamp_key_alone_recovers_what_the_snapshot_lists),
		T(after_a_rotation_the_stored_snapshot_serves_only_if_its_bytes_are_the_named_ones),
		T(wrong_length_and_wrong_hash_are_refused),
		T(endless_data_is_cut_at_the_limit),
		T(a_file_of_another_type_is_refused_however_well_signed),
		T(another_roles_key_signs_nothing),
		T(repeated_key_ids_in_signatures_refuse_the_file),
		T(an_unusable_signature_does_not_spoil_the_others),
		T(one_key_under_two_ids_counts_once),
		T(a_role_that_repeats_a_key_id_counts_it_once),
		T(a_threshold_above_the_keys_is_unsatisfiable_but_no_fault_of_root),
		T(a_damaged_store_is_fetched_again),
		T(what_was_verified_stays_when_a_later_step_fails),
		T(resuming_asks_nobody_and_trusts_only_what_is_current),
		T(one_client_can_refresh_many_times),
		T(our_own_rules_refuse_what_our_repositories_never_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
