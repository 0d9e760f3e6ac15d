/* Searching for a target through delegations: order, termination, keys per delegator, limits. */
#include "forge.h"

static int setup(void **state)
{
	struct forge *f = forge_new();

	for (int i = 0; i < 4; i++)
		f->docs[i].expires = FORGE_NOW + FORGE_DAY;
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

struct edge {
	const char *to;
	const char *paths;      /* JSON: "\"paths\":[…]" or prefixes */
	bool terminating;
};

/* Gives a role delegations, all to key a with threshold 1, and one target (NULL: none). */
static void shape(struct forge *f, const char *role, const char *path, const struct edge *edges, size_t count)
{
	struct forge_doc *d = forge_doc(f, role);
	char target[512] = "";
	size_t len;

	if (path)
		forge_target(target, path, role);
	AUTO(buf) struct buf *keys = buf_new(0);

	forge_key_member(keys, NULL, f->a);
	len = (size_t)snprintf(d->body, sizeof d->body, "\"targets\":{%s},\"delegations\":{\"keys\":{%s},\"roles\":[", target, keys->data);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(d->body + len, sizeof d->body - len,
					"%s{\"name\":\"%s\",\"keyids\":[\"%s\"],\"threshold\":1,\"terminating\":%s,%s}", i ? "," : "",
					edges[i].to, forge_keyid(f->a), edges[i].terminating ? "true" : "false", edges[i].paths);
	snprintf(d->body + len, sizeof d->body - len, "]}");
}

static void role(struct forge *f, const char *name, const char *path)
{
	struct forge_doc *d = forge_add(f, name, "targets", f->a);
	char target[512] = "";

	if (path)
		forge_target(target, path, name);
	snprintf(d->body, sizeof d->body, "\"targets\":{%s}", target);
}

#define ALL "\"paths\":[\"*\",\"*/*\",\"*/*/*\"]"
#define SHAPE(f, name, path, ...)                                                   \
	do {                                                                        \
		const struct edge edges_[] = { __VA_ARGS__ };                       \
		shape(f, name, path, edges_, ARRAY_LEN(edges_));                    \
	} while (0)

static void the_first_in_pre_order_signs(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", NULL);
	role(f, "two", "t");
	role(f, "under-one", "t");
	SHAPE(f, "targets", NULL, { "one", ALL, false }, { "two", ALL, false });
	SHAPE(f, "one", NULL, { "under-one", ALL, false });
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, "under-one");
	assert_string_equal(f->log, " 1.one.json 1.under-one.json");
}

static void roles_whose_patterns_do_not_match_are_not_loaded(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", "dir/t");
	role(f, "two", "dir/t");
	role(f, "none", "dir/t");
	SHAPE(f, "targets", NULL, { "none", "\"paths\":[]", false }, { "one", "\"paths\":[\"*\",\"dir/x*\",\"DIR/t\"]", false },
	      { "two", "\"paths\":[\"d?r/*\"]", false });
	forge_publish(f);
	assert_ok(forge_find(f, "dir/t", who, &e));
	assert_string_equal(who, "two");
	assert_string_equal(f->log, " 1.two.json");
}

static void a_terminating_delegation_ends_the_search_but_its_children_are_followed(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "last", NULL);
	role(f, "child", "deep");
	role(f, "after", "t");
	SHAPE(f, "targets", NULL, { "last", ALL, true }, { "after", ALL, false });
	SHAPE(f, "last", NULL, { "child", ALL, false });
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, "");
	assert_ok(forge_find(f, "deep", who, &e));
	assert_string_equal(who, "child");
}

static void a_terminating_grandchild_drops_what_is_pending_above(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", NULL);
	role(f, "two", "t");
	role(f, "end", NULL);
	SHAPE(f, "targets", NULL, { "one", ALL, false }, { "two", ALL, false });
	SHAPE(f, "one", NULL, { "end", ALL, true });
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, "");
}

static void cycles_end(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", NULL);
	role(f, "two", NULL);
	SHAPE(f, "targets", NULL, { "one", ALL, false });
	SHAPE(f, "one", NULL, { "two", ALL, false }, { "one", ALL, false });
	SHAPE(f, "two", NULL, { "one", ALL, false });
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, "");
	assert_int_equal(f->requests, 2);
}

static void a_role_that_cannot_be_loaded_is_an_error_not_an_absence(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", NULL);
	role(f, "two", "t");
	SHAPE(f, "targets", NULL, { "one", ALL, false }, { "two", ALL, false });
	forge_doc(f, "one")->unlisted = true;
	forge_publish(f);
	assert_refused(forge_find(f, "t", who, &e), ERR_NOT_FOUND, "one: not in the snapshot");
	assert_int_equal(f->requests, 0);

	forge_doc(f, "one")->unlisted = false;
	forge_doc(f, "one")->expires = FORGE_NOW;
	forge_bump(f);
	forge_publish(f);
	assert_refused(forge_find(f, "t", who, &e), ERR_EXPIRED, "one");

	forge_doc(f, "one")->expires = FORGE_NOW + 1;
	forge_sign_by(forge_doc(f, "one"), f->b);
	forge_bump(f);
	forge_publish(f);
	assert_refused(forge_find(f, "t", who, &e), ERR_AUTH, "one: 0 of 1");
}

/* A delegated role with a key under two ids and threshold 2. */
static void one_key_under_two_ids_counts_once_in_delegations_too(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", "t");
	AUTO(buf) struct buf *keys = buf_new(0);

	forge_key_member(keys, "first", f->a);
	forge_key_member(keys, "second", f->a);
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body,
		 "\"targets\":{},\"delegations\":{\"keys\":{%s},\"roles\":[{\"name\":\"one\",\"keyids\":[\"first\",\"second\"],"
		 "\"threshold\":2,\"terminating\":false,\"paths\":[\"*\"]}]}", keys->data);
	forge_doc(f, "one")->signers[0].keyid = "first";
	forge_doc(f, "one")->signers[1] = (struct forge_signer){ f->a, "second" };
	forge_doc(f, "one")->signer_count = 2;
	forge_publish(f);
	assert_refused(forge_find(f, "t", who, &e), ERR_AUTH, "one: 1 of 2");
}

/* Both delegators name "shared", with different keys; the file satisfies only the second. */
static void a_role_is_verified_under_each_delegators_own_keys(void **state)
{
	struct forge *f = *state;
	struct forge_doc *other;
	char who[256];
	struct err e;

	role(f, "one", NULL);
	role(f, "two", NULL);
	role(f, "shared", "x/t");
	SHAPE(f, "targets", NULL, { "one", "\"paths\":[\"x/*\"]", true }, { "two", "\"paths\":[\"y/*\"]", true });
	SHAPE(f, "one", NULL, { "shared", ALL, false });
	AUTO(buf) struct buf *keys = buf_new(0);

	forge_key_member(keys, NULL, f->b);
	other = forge_doc(f, "two");
	snprintf(other->body, sizeof other->body,
		 "\"targets\":{},\"delegations\":{\"keys\":{%s},\"roles\":[{\"name\":\"shared\",\"keyids\":[\"%s\"],"
		 "\"threshold\":1,\"terminating\":false,\"paths\":[\"y/*\"]}]}", keys->data, forge_keyid(f->b));
	forge_publish(f);
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_ANY);

	tuf_client_refresh(c, FORGE_NOW);
	assert_ok(forge_drive(f, c, &e));
	assert_ok(tuf_client_find(c, "x/t", 3, &e));
	assert_ok(forge_drive(f, c, &e));
	assert_string_equal(tuf_client_target(c)->role, "shared");
	/* Already verified, but not by these keys. */
	assert_ok(tuf_client_find(c, "y/t", 3, &e));
	assert_refused(forge_drive(f, c, &e), ERR_AUTH, "shared: 0 of 1");

	/* With both keys' signatures both ways lead to it. */
	forge_doc(f, "shared")->signers[1] = (struct forge_signer){ f->b, NULL };
	forge_doc(f, "shared")->signer_count = 2;
	forge_bump(f);
	forge_publish(f);
	assert_ok(forge_find(f, "x/t", who, &e));
	assert_string_equal(who, "shared");
	assert_ok(forge_find(f, "y/t", who, &e));
	assert_string_equal(who, "");
}

static void keys_are_looked_up_only_at_the_delegator(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", "t");
	/* Delegates to the timestamp's key, which only root knows. */
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body,
		 "\"targets\":{},\"delegations\":{\"keys\":{},\"roles\":[{\"name\":\"one\",\"keyids\":[\"%s\"],\"threshold\":1,"
		 "\"terminating\":false,\"paths\":[\"*\"]}]}", forge_keyid(f->timestamp));
	forge_sign_by(forge_doc(f, "one"), f->timestamp);
	forge_publish(f);
	assert_refused(forge_find(f, "t", who, &e), ERR_AUTH, "one: 0 of 1");
}

static void path_hash_prefixes_choose(void **state)
{
	struct forge *f = *state;
	struct digest d;
	char who[256], hex[DIGEST_HEX_LEN + 1], right[64], wrong[64];
	struct err e;

	hash_bytes(&d, "t", 1);
	digest_hex(hex, &d);
	snprintf(right, sizeof right, "\"path_hash_prefixes\":[\"zz\",\"%.5s\"]", hex);
	snprintf(wrong, sizeof wrong, "\"path_hash_prefixes\":[\"%.5sx\"]", hex);
	role(f, "one", "t");
	role(f, "two", "t");
	SHAPE(f, "targets", NULL, { "one", wrong, false }, { "two", right, false });
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, "two");
	assert_int_equal(f->requests, 1);
}

static void succinct_bins_are_named_by_the_first_bits(void **state)
{
	struct forge *f = *state;
	struct digest d;
	char who[256], name[32];
	struct err e;

	hash_bytes(&d, "t", 1);
	snprintf(name, sizeof name, "bin-%02x", (unsigned)(d.bytes[0] << 8 | d.bytes[1]) >> (16 - 5));
	role(f, name, "t");
	AUTO(buf) struct buf *keys = buf_new(0);

	forge_key_member(keys, NULL, f->a);
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body,
		 "\"targets\":{},\"delegations\":{\"keys\":{%s},\"succinct_roles\":{\"keyids\":[\"%s\"],\"threshold\":1,"
		 "\"bit_length\":5,\"name_prefix\":\"bin\"}}", keys->data, forge_keyid(f->a));
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, name);
}

/* Bins end the search, as a terminating delegation does. */
static void succinct_bins_terminate(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", NULL);
	role(f, "two", "t");
	role(f, "bin-0", NULL);
	role(f, "bin-1", NULL);
	SHAPE(f, "targets", NULL, { "one", ALL, false }, { "two", ALL, false });
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, "two");
	AUTO(buf) struct buf *keys = buf_new(0);

	forge_key_member(keys, NULL, f->a);
	snprintf(forge_doc(f, "one")->body, sizeof f->docs[0].body,
		 "\"targets\":{},\"delegations\":{\"keys\":{%s},\"succinct_roles\":{\"keyids\":[\"%s\"],\"threshold\":1,"
		 "\"bit_length\":1,\"name_prefix\":\"bin\"}}", keys->data, forge_keyid(f->a));
	forge_bump(f);
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(who, "");
}

/* A NUL is a character like others, in paths, patterns and key ids. */
static void strings_may_hold_nul(void **state)
{
	struct forge *f = *state;
	struct err e;

	role(f, "one", "a\\u0000b");
	SHAPE(f, "targets", NULL, { "one", "\"paths\":[\"a\\u0000?\"]", true });
	forge_publish(f);
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_ANY);

	tuf_client_refresh(c, FORGE_NOW);
	assert_ok(forge_drive(f, c, &e));
	assert_ok(tuf_client_find(c, "a\0b", 3, &e));
	assert_ok(forge_drive(f, c, &e));
	assert_string_equal(tuf_client_target(c)->role, "one");
	assert_int_equal(tuf_client_target(c)->target->path.len, 3);
	assert_ok(tuf_client_find(c, "a", 1, &e));
	assert_ok(forge_drive(f, c, &e));
	assert_null(tuf_client_target(c));
	assert_ok(tuf_client_find(c, "a\0c", 3, &e));
	assert_ok(forge_drive(f, c, &e));
	assert_null(tuf_client_target(c));

	/* Two ids that differ behind a NUL are two; the one that signs is listed, the other is not. */
	AUTO(buf) struct buf *keys = buf_new(0);

	forge_key_member(keys, "k\\u0000x", f->a);
	forge_key_member(keys, "k\\u0000y", f->b);
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body,
		 "\"targets\":{},\"delegations\":{\"keys\":{%s},\"roles\":[{\"name\":\"one\",\"keyids\":[\"k\\u0000x\"],"
		 "\"threshold\":1,\"terminating\":true,\"paths\":[\"a*\"]}]}", keys->data);
	for (int good = 0; good < 2; good++) {
		AUTO(tuf_client) struct tuf_client *d = NULL;

		forge_doc(f, "one")->signers[0] =
			good ? (struct forge_signer){ f->a, "k\\u0000x" } : (struct forge_signer){ f->b, "k\\u0000y" };
		forge_bump(f);
		forge_publish(f);
		d = forge_client(f, TUF_ANY);
		tuf_client_refresh(d, FORGE_NOW);
		assert_ok(forge_drive(f, d, &e));
		assert_ok(tuf_client_find(d, "a\0b", 3, &e));
		if (good)
			assert_ok(forge_drive(f, d, &e));
		else
			assert_refused(forge_drive(f, d, &e), ERR_AUTH, "one: 0 of 1");
	}
}

static void names_are_quoted_in_requests_and_in_the_store(void **state)
{
	struct forge *f = *state;
	struct forge_doc *d;
	char who[256], target[512];
	struct err e;

	d = forge_add(f, "../a b/\xc3\xa9~", "targets", f->a);
	forge_target(target, "t", "t");
	snprintf(d->body, sizeof d->body, "\"targets\":{%s}", target);
	SHAPE(f, "targets", NULL, { "../a b/\xc3\xa9~", ALL, false });
	forge_publish(f);
	forge_copy(&f->net, "1...%2Fa%20b%2F%C3%A9~.json", &f->net, "1.../a b/\xc3\xa9~.json");
	assert_ok(forge_find(f, "t", who, &e));
	assert_non_null(forge_get(&f->store, "..%2Fa%20b%2F%C3%A9~.json"));
}

static void at_most_32_delegated_roles_are_searched(void **state)
{
	struct forge *f = *state;
	static char names[40][8];
	char who[256];
	struct err e;

	for (int i = 0; i < 33; i++) {
		snprintf(names[i], sizeof names[i], "r%d", i);
		role(f, names[i], i == 31 ? "within" : i == 32 ? "beyond" : NULL);
	}
	for (int i = 0; i < 33; i++)
		SHAPE(f, i ? names[i - 1] : "targets", NULL, { names[i], ALL, false });
	forge_publish(f);
	/* the last two must keep their targets */
	shape(f, "r31", "within", &(struct edge){ "r32", ALL, false }, 1);
	forge_publish(f);
	forge_clear(&f->store);
	forge_trust(f);
	assert_ok(forge_find(f, "within", who, &e));
	assert_string_equal(who, "r31");
	assert_refused(forge_find(f, "beyond", who, &e), ERR_LIMIT, "more than 32");
}

static void what_the_store_holds_is_not_requested_again(void **state)
{
	struct forge *f = *state;
	char who[256];
	struct err e;

	role(f, "one", "t");
	SHAPE(f, "targets", NULL, { "one", ALL, true });
	forge_publish(f);
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(f->log, " 1.one.json");
	assert_ok(forge_find(f, "t", who, &e));
	assert_string_equal(f->log, "");
}

static void target_names_carry_the_hash_on_the_last_segment(void **state)
{
	struct forge *f = *state;
	char target[512], hex[DIGEST_HEX_LEN + 1], want[256];
	AUTO(buf) struct buf *name = buf_new(0);
	struct digest d;
	struct err e;

	forge_target(target, "a b/c/x.tar", "bytes");
	snprintf(f->docs[TARGETS].body, sizeof f->docs[TARGETS].body, "\"targets\":{%s}", target);
	forge_publish(f);
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_ANY);

	tuf_client_refresh(c, FORGE_NOW);
	assert_ok(forge_drive(f, c, &e));
	assert_ok(tuf_client_find(c, "a b/c/x.tar", 11, &e));
	assert_ok(forge_drive(f, c, &e));
	assert_ok(tuf_client_target_name(c, tuf_client_target(c)->target, name, &e));
	hash_bytes(&d, "bytes", 5);
	digest_hex(hex, &d);
	snprintf(want, sizeof want, "a b/c/%s.x.tar", hex);
	assert_string_equal(name->data, want);
	assert_ok(metadata_file_check(&tuf_client_target(c)->target->file, "x", "bytes", 5, &e));
	assert_refused(metadata_file_check(&tuf_client_target(c)->target->file, "x", "bytex", 5, &e), ERR_REFUSED, "sha256");
	assert_refused(metadata_file_check(&tuf_client_target(c)->target->file, "x", "bytes!", 6, &e), ERR_REFUSED, "6 bytes");
}

static void a_search_that_fails_spoils_no_other(void **state)
{
	struct forge *f = *state;
	struct err e;

	role(f, "one", "x/t");
	role(f, "two", "y/t");
	SHAPE(f, "targets", NULL, { "one", "\"paths\":[\"x/*\"]", true }, { "two", "\"paths\":[\"y/*\"]", true });
	forge_doc(f, "one")->unlisted = true;
	forge_publish(f);
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_ANY);

	assert_refused(tuf_client_find(c, "y/t", 3, &e), ERR_INTERNAL, "before a refresh");
	tuf_client_refresh(c, FORGE_NOW);
	assert_ok(forge_drive(f, c, &e));
	assert_ok(tuf_client_find(c, "x/t", 3, &e));
	assert_refused(forge_drive(f, c, &e), ERR_NOT_FOUND, "one: not in the snapshot");
	assert_null(tuf_client_target(c));
	assert_ok(tuf_client_find(c, "y/t", 3, &e));
	assert_ok(forge_drive(f, c, &e));
	assert_string_equal(tuf_client_target(c)->role, "two");

	/* A driver that gives up in the middle leaves nothing behind either. */
	AUTO(tuf_client) struct tuf_client *other = forge_client(f, TUF_ANY);
	struct tuf_step step;

	tuf_client_refresh(other, FORGE_NOW);
	assert_ok(forge_drive(f, other, &e));
	assert_ok(tuf_client_find(other, "y/t", 3, &e));
	assert_ok(tuf_client_next(other, &step, &e));
	assert_true(step.need == TUF_LOAD);
	assert_ok(tuf_client_find(other, "y/t", 3, &e));
	assert_ok(forge_drive(f, other, &e));
	assert_string_equal(tuf_client_target(other)->role, "two");

	/* A refresh that failed is another matter: nothing stands. */
	f->fail = "timestamp.json";
	tuf_client_refresh(c, FORGE_NOW);
	assert_refused(forge_drive(f, c, &e), ERR_NET, "timestamp");
	assert_refused(tuf_client_find(c, "y/t", 3, &e), ERR_INTERNAL, "before a refresh");
}

static void our_own_rules_want_terminating_delegations_and_three_segments(void **state)
{
	struct forge *f = *state;
	struct err e;

	role(f, "one", "only/two");
	SHAPE(f, "targets", NULL, { "one", ALL, true });
	forge_publish(f);
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_HOUSE);

	tuf_client_refresh(c, FORGE_NOW);
	assert_ok(forge_drive(f, c, &e));
	assert_ok(tuf_client_find(c, "only/two", 8, &e));
	assert_refused(forge_drive(f, c, &e), ERR_REFUSED, "three segments");
	SHAPE(f, "targets", NULL, { "one", ALL, false });
	forge_bump(f);
	forge_publish(f);
	tuf_client_refresh(c, FORGE_NOW);
	assert_refused(forge_drive(f, c, &e), ERR_REFUSED, "does not terminate");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_in_pre_order_signs),
		T(roles_whose_patterns_do_not_match_are_not_loaded),
		T(a_terminating_delegation_ends_the_search_but_its_children_are_followed),
		T(a_terminating_grandchild_drops_what_is_pending_above),
		T(cycles_end),
		T(a_role_that_cannot_be_loaded_is_an_error_not_an_absence),
		T(one_key_under_two_ids_counts_once_in_delegations_too),
		T(a_role_is_verified_under_each_delegators_own_keys),
		T(keys_are_looked_up_only_at_the_delegator),
		T(path_hash_prefixes_choose),
		T(succinct_bins_are_named_by_the_first_bits),
		T(succinct_bins_terminate),
		T(strings_may_hold_nul),
		T(names_are_quoted_in_requests_and_in_the_store),
		T(at_most_32_delegated_roles_are_searched),
		T(what_the_store_holds_is_not_requested_again),
		T(target_names_carry_the_hash_on_the_last_segment),
		T(a_search_that_fails_spoils_no_other),
		T(our_own_rules_want_terminating_delegations_and_three_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
