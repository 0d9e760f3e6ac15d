/* Writing and signing role documents: what was there stays, and nobody signs who should not. */
#include "forge.h"
#include "signing/author.h"

static const char original[] =
	"{\"signatures\":[],\"note\":\"kept\",\"signed\":{\"_type\":\"targets\",\"spec_version\":\"1.0.5\",\"version\":7,"
	"\"expires\":\"2030-01-02T03:04:05Z\",\"x-list\":[1,12345678901234567890,{\"a\":\"\\u0000\\n\\\"\"}],\"targets\":{"
	"\"z/z/z\":{\"length\":1,\"hashes\":{\"sha512\":\"00\"},\"x\":null},\"a/a/a\":{\"length\":2,\"hashes\":{\"sha256\":\"00\"}}}}}";

static struct metadata *parse(const void *bytes, size_t len)
{
	struct metadata *m = NULL;
	struct err e;

	assert_ok(metadata_parse(&m, METADATA_TARGETS, "targets", bytes, len, &e));
	return m;
}

static void an_edit_keeps_every_member_it_does_not_know(void **state)
{
	AUTO(metadata) struct metadata *before = parse(original, strlen(original)), *after = NULL;
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *out = NULL;
	struct digest d;
	struct err e;

	(void)state;
	hash_bytes(&d, "x", 1);
	assert_ok(author_load(&a, before, &e));
	assert_int_equal(author_version(a), 7);
	author_set_version(a, 8);
	author_set_expires(a, FORGE_NOW);
	assert_ok(author_put_target(a, "m/m/m", 1, &d, "{\"ringhold\":{\"k\":[1]}}", &e));
	assert_true(author_remove_target(a, "a/a/a"));
	assert_false(author_remove_target(a, "a/a/a"));
	assert_ok(author_finish(a, &out, &e));
	after = parse(out->data, out->len);
	assert_int_equal(after->version, 8);
	assert_int_equal(after->expires, FORGE_NOW);
	assert_int_equal(after->target_count, 2);
	assert_true(json_equal(json_get(after->body, "x-list"), json_get(before->body, "x-list")));
	assert_true(json_is(json_get(after->body, "spec_version"), "1.0.5"));
	assert_true(json_equal(json_get(json_get(after->body, "targets"), "z/z/z"), json_get(json_get(before->body, "targets"), "z/z/z")));
	assert_true(digest_equal(&metadata_target(after, "m/m/m", 5)->sha256, &d));
	assert_non_null(json_get(metadata_target(after, "m/m/m", 5)->custom, "ringhold"));
}

static void json_that_is_none_is_refused_before_it_is_signed(void **state)
{
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *out = NULL;
	struct digest d = { { 0 } };
	struct err e;

	(void)state;
	assert_ok(author_new(&a, METADATA_TARGETS, &e));
	author_set_version(a, 1);
	assert_refused(author_put_target(a, "p/p/p", 1, &d, "{\"a\":", &e), ERR_FORMAT, "p/p/p");
	assert_refused(author_set(a, "x", "1,\"version\":2", &e), ERR_FORMAT, "x:1:2");
	assert_refused(author_set(a, "x", "", &e), ERR_FORMAT, "x:1:1");
	assert_ok(author_finish(a, &out, &e));
}

/* Root with the role "targets" for these two keys. */
static struct metadata *root_for(struct seckey *one, struct seckey *two, int threshold)
{
	const struct pubkey *keys[] = { seckey_public(one), seckey_public(two) };
	struct author_role roles[METADATA_TYPES];
	AUTO(author) struct author *a = NULL;
	AUTO(buf) struct buf *out = NULL;
	struct metadata *m = NULL;
	struct err e;

	for (int type = 0; type < METADATA_TYPES; type++)
		roles[type] = (struct author_role){ .name = metadata_type_name(type), .keys = keys, .key_count = 2, .threshold = threshold };
	assert_ok(author_new(&a, METADATA_ROOT, &e));
	author_set_version(a, 1);
	assert_ok(author_set_roles(a, roles, METADATA_TYPES, true, &e));
	assert_ok(author_finish(a, &out, &e));
	assert_ok(metadata_parse(&m, METADATA_ROOT, "root", out->data, out->len, &e));
	return m;
}

static void signatures_are_added_once_and_only_by_keys_the_role_lists(void **state)
{
	struct seckey *one = forge_key(), *two = forge_key(), *stranger = forge_key();
	AUTO(metadata) struct metadata *root = root_for(one, two, 2);
	AUTO(keyring) struct keyring *first = keyring_new(), *second = keyring_new();
	AUTO(buf) struct buf *half = NULL, *again = NULL, *whole = NULL;
	struct authority by;
	bool met = true;
	struct err e;

	(void)state;
	assert_int_equal(root->key_count, 2);
	assert_true(authority_of(&by, root, "targets"));
	assert_ok(keyring_add(first, "stranger", stranger, &e));
	assert_ok(keyring_add(first, "one", one, &e));
	assert_ok(keyring_add(second, "two", two, &e));
	assert_int_equal(author_sign(&half, original, strlen(original), METADATA_TARGETS, first, &by, &met, &e), 1);
	assert_false(met);
	assert_int_equal(author_sign(&again, half->data, half->len, METADATA_TARGETS, first, &by, &met, &e), 0);
	assert_false(met);
	assert_int_equal(author_sign(&whole, again->data, again->len, METADATA_TARGETS, second, &by, &met, &e), 1);
	assert_true(met);
	AUTO(metadata) struct metadata *m = parse(whole->data, whole->len), *was = parse(original, strlen(original));

	assert_int_equal(m->signature_count, 2);
	assert_int_equal(verify_count(m, &by), 2);
	assert_memory_equal(m->canonical->data, was->canonical->data, was->canonical->len);
	assert_true(json_is(json_get(m->doc->root, "note"), "kept"));
}

static void a_key_listed_twice_for_a_role_is_described_once(void **state)
{
	struct seckey *one = forge_key();
	AUTO(metadata) struct metadata *root = root_for(one, one, 2);
	AUTO(keyring) struct keyring *ring = keyring_new();
	AUTO(buf) struct buf *out = NULL;
	struct authority by;
	bool met = true;
	struct err e;

	(void)state;
	assert_int_equal(root->key_count, 1);
	assert_true(authority_of(&by, root, "targets"));
	assert_ok(keyring_add(ring, "one", one, &e));
	assert_int_equal(author_sign(&out, original, strlen(original), METADATA_TARGETS, ring, &by, &met, &e), 1);
	assert_false(met);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edit_keeps_every_member_it_does_not_know),
		cmocka_unit_test(json_that_is_none_is_refused_before_it_is_signed),
		cmocka_unit_test(signatures_are_added_once_and_only_by_keys_the_role_lists),
		cmocka_unit_test(a_key_listed_twice_for_a_role_is_described_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
