/*
 * The attacks that TUF is there for, each forged here, served over HTTP and
 * tried on ringhold-tuf. Every attack has its control: the same repository
 * without the forgery is accepted, before or right after. And a refused file
 * never takes the place of the one that is trusted.
 */
#include <ctype.h>

#include "served.h"

#define SLACK ((unsigned long long)16 << 20)    /* what sockets may swallow before the server notices */

/* ---- mix and match ---- */

/* Serves the old file of a role under its newest name; the caller publishes anew afterwards. */
static void swap_for_old(struct served *x, const char *role, int64_t version)
{
	char new_name[64], old_name[64];

	snprintf(new_name, sizeof new_name, "%lld.%s.json", (long long)version, role);
	snprintf(old_name, sizeof old_name, "%lld.%s.json", (long long)version - 1, role);
	forge_copy(&x->f->net, new_name, &x->f->net, old_name);
}

static void files_of_different_times_do_not_mix(void **state)
{
	static const char *const roles[] = { "snapshot", "targets", "one" };
	struct served *x = *state;

	fresh(x);
	accepted(x);
	for (int bare = 0; bare < 2; bare++) {
		for (size_t i = SNAPSHOT; i < x->f->doc_count; i++)
			x->f->docs[i].bare = bare;
		for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
			char name[32];

			snprintf(name, sizeof name, "%s.json", roles[i]);
			publish_next(x);
			swap_for_old(x, roles[i], x->f->docs[SNAPSHOT].version);
			refused(x, name, roles[i]);
			publish(x);
			accepted(x);
		}
	}
}

/* ---- rollback ---- */

static void no_role_goes_back(void **state)
{
	static const struct {
		const char *role, *words;
	} rows[] = {
		{ "timestamp", "timestamp: version 2, but 3 was seen" },
		{ "snapshot", "timestamp: names snapshot 2, but 3 was seen" },
		{ "targets", "snapshot: lists version 2 of targets.json, but 3 was seen" },
		{ "one", "snapshot: lists version 2 of one.json, but 3 was seen" },
	};
	struct served *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct forge_doc *role = forge_doc(x->f, rows[i].role);

		for (size_t k = TIMESTAMP; k < x->f->doc_count; k++)
			x->f->docs[k].version = 3;
		publish(x);
		fresh(x);
		accepted(x);
		/* Every other role rises, this one falls: its keys and those above it are the attacker's. */
		forge_bump(x->f);
		role->version = 2;
		publish(x);
		refused(x, !strcmp(role->role, "timestamp") ? "timestamp.json" : "snapshot.json", rows[i].words);
		role->version = 4;
		publish_next(x);
		accepted(x);
	}
}

static void no_role_vanishes(void **state)
{
	struct served *x = *state;

	fresh(x);
	accepted(x);
	forge_doc(x->f, "two")->unlisted = true;
	publish_next(x);
	refused(x, "snapshot.json", "two.json is no longer listed");
	forge_doc(x->f, "two")->unlisted = false;
	publish_next(x);
	accepted(x);
}

static void a_root_is_not_replayed(void **state)
{
	struct served *x = *state;
	struct forge_files *net = &x->f->net;

	x->f->docs[ROOT].version = 2;
	publish(x);
	fresh(x);
	accepted(x);
	forge_copy(net, "3.root.json", net, "2.root.json");
	refused(x, "root.json", "root: version 2 where 3 should follow");
	forge_copy(net, "3.root.json", net, "1.root.json");
	refused(x, "root.json", "root: version 1 where 3 should follow");
	x->f->docs[ROOT].version = 4;
	publish(x);
	forge_copy(net, "3.root.json", net, "4.root.json");
	refused(x, "root.json", "root: version 4 where 3 should follow");
	x->f->docs[ROOT].version = 3;
	publish(x);
	accepted(x);
}

static void neither_old_nor_new_keys_alone_make_a_root(void **state)
{
	struct served *x = *state;
	struct forge *f = x->f;
	struct forge_doc *root = &f->docs[ROOT];
	struct seckey *old[2] = { f->root[0], f->root[1] };

	fresh(x);
	accepted(x);
	f->root[0] = forge_key();
	f->root[1] = forge_key();
	forge_root_body(f, 2);
	root->version = 2;
	publish(x);
	refused(x, "root.json", "root: 0 of 2");
	root->signers[0].key = old[0];
	root->signers[1].key = old[1];
	publish(x);
	refused(x, "root.json", "root, by its own keys: 0 of 2");
	root->signers[2].key = f->root[0];
	root->signers[3].key = f->root[1];
	root->signer_count = 4;
	publish(x);
	accepted(x);
	seckey_free(old[0]);
	seckey_free(old[1]);
}

/* ---- freeze ---- */

static void no_role_is_frozen(void **state)
{
	static const char *const roles[] = { "root", "timestamp", "snapshot", "targets", "one" };
	struct served *x = *state;

	fresh(x);
	accepted(x);
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		struct forge_doc *role = forge_doc(x->f, roles[i]);
		char words[64], name[32];

		role->expires = time(NULL) - 1;
		if (i == ROOT)
			role->version++;
		publish_next(x);
		snprintf(words, sizeof words, "%s: version %lld expired", roles[i], (long long)role->version);
		snprintf(name, sizeof name, "%s.json", roles[i]);
		/* An expired root is followed, so that the next one can be; it is the end all the same. */
		refused(x, i == ROOT ? "timestamp.json" : name, words);
		role->expires = time(NULL) + DAY;
		if (i == ROOT)
			role->version++;
		publish_next(x);
		accepted(x);
	}
}

/* Nothing newer is shown to a client than what it has. */
static void a_timestamp_already_trusted_freezes_too(void **state)
{
	struct served *x = *state;
	AUTO_FREE char *path = NULL;
	struct buf *held;
	struct err e;

	fresh(x);
	accepted(x);
	path = file_join(x->md, "timestamp.json");
	x->f->docs[TIMESTAMP].expires = time(NULL) - 1;
	publish(x);
	held = forge_get(&x->f->net, "timestamp.json");
	assert_ok(file_replace(path, held->data, held->len, 0644, &e));
	refused(x, "timestamp.json", "timestamp: version 1 expired");
	x->f->docs[TIMESTAMP].expires = time(NULL) + DAY;
	publish_next(x);
	accepted(x);
}

/* ---- endless and slow ---- */

static void endless_data_ends_at_the_limit(void **state)
{
	struct served *x = *state;
	char artifact[128];
	const struct {
		const char *name;
		unsigned long long limit, listed;       /* bytes; 0: nothing lists it */
	} rows[] = {
		{ "2.root.json", METADATA_ROOT_MAX, 0 },
		{ "timestamp.json", METADATA_TIMESTAMP_MAX, 0 },
		{ "1.snapshot.json", METADATA_SNAPSHOT_MAX, forge_get(&x->f->net, "1.snapshot.json")->len },
		{ "1.targets.json", METADATA_TARGETS_MAX, forge_get(&x->f->net, "1.targets.json")->len },
		{ "1.one.json", METADATA_TARGETS_MAX, forge_get(&x->f->net, "1.one.json")->len },
		{ artifact, strlen(CONTENT), strlen(CONTENT) },
	};

	snprintf(artifact, sizeof artifact, "%s", x->targets.list[0].name);
	for (int bare = 0; bare < 2; bare++) {
		for (size_t i = SNAPSHOT; i < x->f->doc_count; i++)
			x->f->docs[i].bare = bare;
		publish(x);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			unsigned long long limit = bare || !rows[i].listed ? rows[i].limit : rows[i].listed;
			char words[64];

			fresh(x);
			x->web->endless = rows[i].name;
			snprintf(words, sizeof words, "more than %llu bytes", limit);
			refused(x, "root.json", words);
			assert_true(x->web->bytes < limit + SLACK);
			x->web->endless = NULL;
			accepted(x);
		}
	}
}

static void slow_data_is_given_up(void **state)
{
	struct served *x = *state;
	const char *const names[] = { "timestamp.json", x->targets.list[0].name };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		fresh(x);
		x->web->slow = names[i];
		x->patience = "1";
		refused(x, "root.json", "too slow");
		assert_true(x->web->bytes < 16384);
		x->web->slow = NULL;
		x->patience = "60";
		accepted(x);
	}
}

/* ---- wrong hash, wrong length ---- */

/* Where the listing of a file in a snapshot, a timestamp or a targets role says this of it. */
static char *listing(struct forge_doc *d, const char *name, const char *member)
{
	char *at = strstr(d->body, name);

	assert_non_null(at);
	at = strstr(at, member);
	assert_non_null(at);
	return at + strlen(member);
}

/*
 * Signed files, with one listing that is a lie: another hash, or a length one
 * more or less. Whoever lists is honest again afterwards.
 */
static void a_file_that_is_not_the_listed_one_is_refused(void **state)
{
	static const struct {
		const char *lister, *listed, *member, *words;
	} rows[] = {
		{ "timestamp", "snapshot.json", "\"sha256\":\"", "snapshot: its sha256" },
		{ "snapshot", "targets.json", "\"sha256\":\"", "targets: its sha256" },
		{ "snapshot", "one.json", "\"sha256\":\"", "one: its sha256" },
		{ "timestamp", "snapshot.json", "\"length\":", "snapshot" },
		{ "timestamp", "snapshot.json", "\"length\":", "snapshot" },
		{ "snapshot", "targets.json", "\"length\":", "targets" },
		{ "snapshot", "targets.json", "\"length\":", "targets" },
		{ "snapshot", "one.json", "\"length\":", "one" },
		{ "snapshot", "one.json", "\"length\":", "one" },
	};
	struct served *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct forge_doc *lister = forge_doc(x->f, rows[i].lister);
		char *digit;

		publish_next(x);
		digit = listing(lister, rows[i].listed, rows[i].member);
		digit += strcspn(digit, "},\"") - 1;
		/* The second time the other way: too long, too short. */
		if (i % 2)
			*digit = *digit == '0' ? '1' : '0';
		else
			*digit = *digit == '9' ? '8' : '9';
		lister->kept = true;
		publish(x);
		fresh(x);
		refused(x, rows[i].listed, rows[i].words);
		lister->kept = false;
		publish_next(x);
		accepted(x);
	}
}

static void content_that_is_not_the_listed_one_is_refused(void **state)
{
	static const struct {
		const char *bytes, *words;
	} rows[] = {
		{ "What the sensor loads", "one/t: its sha256 is not the listed one" },
		{ "what the sensor load", "one/t: 20 bytes instead of the listed 21" },
		{ "what the sensor loads!", "more than 21 bytes" },
		{ "", "one/t: 0 bytes instead of the listed 21" },
	};
	struct served *x = *state;

	fresh(x);
	accepted(x);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		serve_content(x, rows[i].bytes);
		refused(x, "one.json", rows[i].words);
		serve_content(x, CONTENT);
		accepted(x);
	}
}

/* ---- wrong role ---- */

static void a_file_of_another_type_is_refused(void **state)
{
	static const struct {
		const char *role, *type;
	} rows[] = {
		{ "timestamp", "snapshot" }, { "timestamp", "root" }, { "snapshot", "timestamp" }, { "snapshot", "targets" },
		{ "targets", "snapshot" },   { "targets", "root" },   { "one", "timestamp" },      { "one", "one" },
	};
	struct served *x = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct forge_doc *role = forge_doc(x->f, rows[i].role);
		const char *real = role->type;
		char name[32];

		role->type = rows[i].type;
		publish(x);
		fresh(x);
		snprintf(name, sizeof name, "%s.json", role->role);
		refused(x, name, "instead of");
		role->type = real;
		publish_next(x);
		accepted(x);
	}
}

static void the_key_of_another_role_signs_nothing(void **state)
{
	struct served *x = *state;
	struct forge *f = x->f;
	const struct {
		const char *role;
		struct seckey *right, *wrong;
	} rows[] = {
		{ "timestamp", f->timestamp, f->snapshot }, { "timestamp", f->timestamp, f->snapshot },
		{ "snapshot", f->snapshot, f->timestamp },  { "snapshot", f->snapshot, f->targets },
		{ "targets", f->targets, f->snapshot },     { "targets", f->targets, f->root[0] },
		{ "one", f->a, f->b },                      { "one", f->a, f->targets },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct forge_doc *role = forge_doc(f, rows[i].role);
		char words[64], name[32];

		/* Under its own id, or under the id of the key that should have signed. */
		role->signers[0] = (struct forge_signer){ rows[i].wrong, i % 2 ? forge_keyid(rows[i].right) : NULL };
		publish(x);
		fresh(x);
		snprintf(words, sizeof words, "%s: 0 of 1", role->role);
		snprintf(name, sizeof name, "%s.json", role->role);
		refused(x, name, words);
		forge_sign_by(role, rows[i].right);
		publish_next(x);
		accepted(x);
	}
}

/* Role two's file, well signed by its own key, under the name of role one. */
static void one_role_does_not_stand_in_for_another(void **state)
{
	struct served *x = *state;

	for (int bare = 0; bare < 2; bare++) {
		one(x)->bare = forge_doc(x->f, "two")->bare = bare;
		publish(x);
		forge_copy(&x->f->net, "1.one.json", &x->f->net, "1.two.json");
		fresh(x);
		refused(x, "one.json", "one");
		publish(x);
		accepted(x);
	}
}

/* Role one may speak for one/ only, whatever it lists. */
static void a_role_speaks_for_no_path_it_was_not_given(void **state)
{
	struct served *x = *state;
	char target[512];
	AUTO_FREE char *body = strdup(one(x)->body);

	forge_target(target, "two/u", CONTENT);
	snprintf(one(x)->body, sizeof one(x)->body, "\"targets\":{%s}", target);
	publish(x);
	fresh(x);
	assert_int_equal(download(x, "two/u"), 1);
	assert_non_null(strstr(x->said, "no role lists it"));
	no_content(x);
	snprintf(one(x)->body, sizeof one(x)->body, "%s", body);
	publish_next(x);
	accepted(x);
}

/* ---- signatures counted twice ---- */

static void a_key_id_twice_in_the_signatures_refuses_the_file(void **state)
{
	struct served *x = *state;

	for (size_t i = 0; i < x->f->doc_count; i++) {
		struct forge_doc *role = &x->f->docs[i];
		char name[32];

		if (!strcmp(role->role, "two"))
			continue;
		if (i == ROOT)
			role->version = 2;
		role->signers[role->signer_count] = role->signers[0];
		role->signer_count++;
		publish(x);
		fresh(x);
		snprintf(name, sizeof name, "%s.json", role->role);
		refused(x, name, "two signatures with the same keyid");
		role->signer_count--;
		publish_next(x);
		accepted(x);
	}
}

/* Root with a second key under the id "alias" for one of its roles, and that role's threshold at 2. */
static void root_with_alias(struct served *x, int which, const char *alias)
{
	static const char *const names[] = { "root", "timestamp", "snapshot", "targets" };
	struct forge *f = x->f;
	struct seckey *const keys[] = { f->root[0], f->timestamp, f->snapshot, f->targets };
	AUTO(buf) struct buf *list = buf_new(0), *roles = buf_new(0);

	for (int i = 0; i < 4; i++) {
		forge_key_member(list, NULL, keys[i]);
		buf_addf(roles, "%s\"%s\":{\"keyids\":[\"%s\"%s],\"threshold\":%d}", i ? "," : "", names[i], forge_keyid(keys[i]),
			 i == which ? ",\"alias\"" : "", i == which ? 2 : 1);
	}
	snprintf(f->docs[ROOT].body, sizeof f->docs[ROOT].body,
		 "\"consistent_snapshot\":true,\"keys\":{%s,\"alias\":%s},\"roles\":{%s}", list->data, alias, roles->data);
	forge_sign_by(&f->docs[ROOT], f->root[0]);
}

/* The key object; `loud` spells the same key with capital digits. */
static char *key_object(const struct seckey *k, bool loud)
{
	AUTO(buf) struct buf *b = buf_new(0);
	char *at;

	pubkey_json(seckey_public(k), b);
	at = strstr(b->data, "\"public\":\"");
	assert_non_null(at);
	for (at += strlen("\"public\":\""); loud && *at != '"'; at++)
		*at = (char)toupper((unsigned char)*at);
	return buf_take(b);
}

static void also_by(struct forge_doc *d, const struct seckey *k)
{
	d->signers[1] = (struct forge_signer){ k, "alias" };
	d->signer_count = 2;
}

/* A threshold of two, reached by one key under two ids; then, for control, by two keys. */
static void one_key_under_two_ids_is_one_key(void **state)
{
	struct served *x = *state;
	struct forge *f = x->f;
	struct seckey *const keys[] = { f->root[0], f->timestamp, f->snapshot, f->targets };

	for (int which = ROOT; which <= TARGETS; which++)
		for (int loud = 0; loud < 2; loud++) {
			AUTO_FREE char *same_key = key_object(keys[which], loud), *other = key_object(f->a, false);
			struct forge_doc *role = &f->docs[which];
			char words[64], name[32];

			snprintf(words, sizeof words, "%s: 1 of 2", role->role);
			snprintf(name, sizeof name, "%s.json", role->role);
			root_with_alias(x, which, same_key);
			also_by(role, keys[which]);
			publish(x);
			if (which == ROOT) {
				x->web->log[0] = '\0';
				fresh(x);
				refused(x, name, words);
				assert_string_equal(x->web->log, "");
			} else {
				fresh(x);
				refused(x, name, words);
			}
			root_with_alias(x, which, other);
			also_by(role, f->a);
			publish(x);
			fresh(x);
			accepted(x);
			forge_sign_by(role, keys[which]);
		}
}

static void one_key_under_two_ids_is_one_key_in_delegations_too(void **state)
{
	struct served *x = *state;

	for (int loud = 0; loud < 2; loud++) {
		AUTO_FREE char *same_key = key_object(x->f->a, loud), *other = key_object(x->f->timestamp, false);

		delegate(x, same_key, 2);
		also_by(one(x), x->f->a);
		publish(x);
		fresh(x);
		refused(x, "one.json", "one: 1 of 2");
		delegate(x, other, 2);
		also_by(one(x), x->f->timestamp);
		publish_next(x);
		accepted(x);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, served_setup, served_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(files_of_different_times_do_not_mix),
		T(no_role_goes_back),
		T(no_role_vanishes),
		T(a_root_is_not_replayed),
		T(neither_old_nor_new_keys_alone_make_a_root),
		T(no_role_is_frozen),
		T(a_timestamp_already_trusted_freezes_too),
		T(endless_data_ends_at_the_limit),
		T(slow_data_is_given_up),
		T(a_file_that_is_not_the_listed_one_is_refused),
		T(content_that_is_not_the_listed_one_is_refused),
		T(a_file_of_another_type_is_refused),
		T(the_key_of_another_role_signs_nothing),
		T(one_role_does_not_stand_in_for_another),
		T(a_role_speaks_for_no_path_it_was_not_given),
		T(a_key_id_twice_in_the_signatures_refuses_the_file),
		T(one_key_under_two_ids_is_one_key),
		T(one_key_under_two_ids_is_one_key_in_delegations_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
