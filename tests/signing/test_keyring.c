/* The keys at hand: a directory of files and of tokens' URIs. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "signing/keyring.h"
#include "tests/softhsm.h"

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	assert_true(asprintf(&dir, "%s/ringhold-keys.XXXXXX", tmp ? tmp : "/tmp") > 0);
	assert_non_null(mkdtemp(dir));
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	struct err e;

	assert_ok(file_remove_tree(*state, &e));
	free(*state);
	return 0;
}

static void write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	AUTO_FREE char *path = file_join(dir, name);
	struct err e;

	assert_ok(file_replace(path, text, strlen(text), mode, &e));
}

/* NAME.pem; *out, when wanted, is a copy of its public half. */
static void make(const char *dir, const char *name, struct pubkey **out)
{
	AUTO_FREE char *path = file_join(dir, name);
	AUTO(seckey) struct seckey *k = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	struct err e;

	assert_ok(seckey_generate(&k, &e));
	assert_ok(seckey_save(k, path, NULL, &e));
	if (!out)
		return;
	pubkey_json(seckey_public(k), text);
	assert_ok(json_parse(&doc, "key", text->data, text->len, NULL, &e));
	assert_ok(pubkey_parse(out, doc, doc->root, &e));
}

static void keys_are_found_by_public_half_and_by_name(void **state)
{
	AUTO(keyring) struct keyring *ring = NULL;
	AUTO(seckey) struct seckey *stranger = NULL;
	AUTO(pubkey) struct pubkey *want = NULL;
	struct err e;

	make(*state, "a.pem", NULL);
	make(*state, "b.pem", &want);
	make(*state, "c.pem", NULL);
	assert_ok(keyring_load(&ring, *state, NULL, NULL, &e));
	assert_int_equal(ring->count, 3);
	assert_non_null(keyring_find(ring, want));
	assert_ptr_equal(keyring_find(ring, want), keyring_named(ring, "b"));
	assert_null(keyring_named(ring, "d"));
	assert_ok(seckey_generate(&stranger, &e));
	assert_null(keyring_find(ring, seckey_public(stranger)));
}

static void what_is_not_called_like_a_key_is_not_looked_at(void **state)
{
	static const char *const names[] = { ".hidden.pem", "a.pub", "pem", "x.pem.bak", "pin", ".uri", ".pem" };
	AUTO(keyring) struct keyring *ring = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		write_file(*state, names[i], "x", 0644);
	make(*state, "a.pem", NULL);
	assert_ok(keyring_load(&ring, *state, NULL, NULL, &e));
	assert_int_equal(ring->count, 1);
}

static void one_bad_file_refuses_the_whole(void **state)
{
	static const struct { const char *name, *text, *says; mode_t mode; int code; } bad[] = {
		{ "z.pem", "x", "no PEM private key", 0600, ERR_FORMAT },
		{ "z.pem", "x", "lets others read", 0640, ERR_REFUSED },
		{ "z.uri", "pkcs11:token=a?pin-value=1", "lets others read", 0644, ERR_REFUSED },
		{ "z.uri", "x", "not one line", 0600, ERR_FORMAT },
	};
	struct keyring *ring = NULL;
	struct err e;

	make(*state, "a.pem", NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_FREE char *path = file_join(*state, bad[i].name);

		write_file(*state, bad[i].name, bad[i].text, bad[i].mode);
		assert_refused(keyring_load(&ring, *state, NULL, NULL, &e), bad[i].code, bad[i].says);
		assert_int_equal(unlink(path), 0);
	}
	assert_refused(keyring_load(&ring, "/nowhere/at/all", NULL, NULL, &e), ERR_NOT_FOUND, "/nowhere/at/all");
}

static void a_uri_file_is_a_key_like_any_other(void **state)
{
	struct softhsm hsm;
	AUTO(keyring) struct keyring *ring = NULL;
	AUTO(seckey) struct seckey *made = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);
	const struct seckey *found;
	struct err e;

	if (!softhsm_installed())
		skip_missing_program("softhsm2");
	softhsm_open(&hsm);
	softhsm_token("house");
	assert_ok(seckey_generate_token(&made, "pkcs11:token=house;object=stop" SOFTHSM_QUERY, PUBKEY_ECDSA, NULL, NULL, &e));
	make(*state, "a.pem", NULL);
	write_file(*state, "stop.uri", "pkcs11:token=house;object=stop" SOFTHSM_QUERY "\n", 0600);
	assert_ok(keyring_load(&ring, *state, NULL, NULL, &e));
	assert_int_equal(ring->count, 2);
	found = keyring_find(ring, seckey_public(made));
	assert_non_null(found);
	assert_ptr_equal(found, keyring_named(ring, "stop"));
	assert_ok(seckey_sign(found, "text", 4, sig, &e));
	assert_true(pubkey_verify(seckey_public(made), "text", 4, sig->data, sig->len));
	softhsm_close(&hsm);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(keys_are_found_by_public_half_and_by_name),
		T(what_is_not_called_like_a_key_is_not_looked_at),
		T(one_bad_file_refuses_the_whole),
		T(a_uri_file_is_a_key_like_any_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
