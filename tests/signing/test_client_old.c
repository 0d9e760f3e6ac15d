/* The client engine against repositories that are stale, frozen or mixed, and what rotating a key mends. */
#include "client_case.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
