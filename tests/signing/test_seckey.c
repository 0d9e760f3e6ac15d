/* Private keys in files: who may read them, what opens them, what they show. */
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "signing/seckey.h"
#include "test.h"

#define OPENSSL "/usr/bin/openssl"

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	assert_true(asprintf(&dir, "%s/ringhold-key.XXXXXX", tmp ? tmp : "/tmp") > 0);
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

static int answer(void *arg, const char *path, char *pass, size_t cap, struct err *e)
{
	(void)path;
	if (!arg)
		return err_set(e, ERR_AUTH, "nobody answered");
	snprintf(pass, cap, "%s", (const char *)arg);
	return 0;
}

static int never(void *arg, const char *path, char *pass, size_t cap, struct err *e)
{
	(void)arg;
	(void)pass;
	(void)cap;
	(void)e;
	fail_msg("%s: a passphrase was asked for", path);
	return -1;
}

static void write_text(const char *path, const char *text, mode_t mode)
{
	struct err e;

	assert_ok(file_replace(path, text, strlen(text), mode, &e));
}

/* A PEM file that OpenSSL writes. */
static void write_pkey(const char *path, EVP_PKEY *pkey, const char *passphrase)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len;
	struct err e;

	assert_non_null(pkey);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
						       passphrase ? (int)strlen(passphrase) : 0, NULL, NULL), 1);
	len = BIO_get_mem_data(bio, &data);
	assert_ok(file_replace(path, data, (size_t)len, 0600, &e));
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

static void must_sign(const struct seckey *k)
{
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	assert_ok(seckey_sign(k, "text", 4, sig, &e));
	assert_true(pubkey_verify(seckey_public(k), "text", 4, sig->data, sig->len));
	assert_false(pubkey_verify(seckey_public(k), "texT", 4, sig->data, sig->len));
}

/* ---- making and saving ---- */

static void both_kinds_are_made_and_sign_and_rsa_is_not_made(void **state)
{
	static const enum pubkey_type types[] = { PUBKEY_ED25519, PUBKEY_ECDSA };
	struct seckey *none = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		AUTO(seckey) struct seckey *k = NULL;

		assert_ok(seckey_generate_type(&k, types[i], &e));
		assert_int_equal(pubkey_type(seckey_public(k)), types[i]);
		must_sign(k);
	}
	assert_refused(seckey_generate_type(&none, PUBKEY_RSA, &e), ERR_UNSUPPORTED, "verified, not made");
}

static void a_saved_key_is_private_and_never_overwritten(void **state)
{
	static const enum pubkey_type types[] = { PUBKEY_ED25519, PUBKEY_ECDSA };

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		AUTO_FREE char *path = file_join(*state, i ? "b.pem" : "a.pem");
		AUTO(seckey) struct seckey *k = NULL, *back = NULL;
		struct stat st;
		struct err e;

		assert_ok(seckey_generate_type(&k, types[i], &e));
		assert_ok(seckey_save(k, path, NULL, &e));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_ok(seckey_load(&back, path, never, NULL, &e));
		assert_true(pubkey_equal(seckey_public(k), seckey_public(back)));
		must_sign(back);
		assert_refused(seckey_save(k, path, NULL, &e), ERR_CONFLICT, "exists");
		assert_refused(seckey_save(k, path, "pass", &e), ERR_CONFLICT, "exists");
	}
}

static void a_file_that_others_can_read_is_refused(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0660, 0644, 0610, 0601, 0620, 0602 };
	AUTO_FREE char *pem = file_join(*state, "a.pem"), *uri = file_join(*state, "b.uri");
	AUTO(seckey) struct seckey *k = NULL;
	struct err e;

	assert_ok(seckey_generate(&k, &e));
	assert_ok(seckey_save(k, pem, NULL, &e));
	write_text(uri, "pkcs11:token=none;object=none?pin-value=1234\n", 0600);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct seckey *back = NULL;

		assert_int_equal(chmod(pem, modes[i]), 0);
		assert_int_equal(chmod(uri, modes[i]), 0);
		assert_refused(seckey_load(&back, pem, NULL, NULL, &e), ERR_REFUSED, "a.pem");
		assert_refused(seckey_look(pem, NULL, NULL, &e), ERR_REFUSED, "a.pem");
		assert_refused(seckey_load(&back, uri, NULL, NULL, &e), ERR_REFUSED, "b.uri");
		assert_refused(seckey_look(uri, NULL, NULL, &e), ERR_REFUSED, "b.uri");
	}
}

static void a_file_of_another_user_is_refused(void **state)
{
	AUTO_FREE char *path = file_join(*state, "a.pem");
	AUTO(seckey) struct seckey *k = NULL;
	struct seckey *back = NULL;
	struct err e;

	if (geteuid() != 0)
		skip_named("only root can give files away");
	assert_ok(seckey_generate(&k, &e));
	assert_ok(seckey_save(k, path, NULL, &e));
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_REFUSED, "user 12345");
}

/* ---- passphrases ---- */

static void an_encrypted_key_wants_its_passphrase(void **state)
{
	AUTO_FREE char *path = file_join(*state, "a.pem");
	AUTO(seckey) struct seckey *k = NULL, *back = NULL;
	AUTO(buf) struct buf *text = NULL;
	char long_one[SECKEY_SECRET_MAX + 1];
	struct err e;

	memset(long_one, 'x', sizeof long_one - 1);
	long_one[sizeof long_one - 1] = '\0';
	assert_ok(seckey_generate(&k, &e));
	assert_refused(seckey_save(k, path, "", &e), ERR_USAGE, "1 to 1023");
	assert_refused(seckey_save(k, path, long_one, &e), ERR_USAGE, "1 to 1023");
	assert_ok(seckey_save(k, path, "open sesame", &e));
	assert_ok(file_read(&text, path, 10000, &e));
	assert_non_null(strstr(text->data, "BEGIN ENCRYPTED PRIVATE KEY"));
	assert_null(strstr(text->data, "BEGIN PRIVATE KEY"));
	assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_AUTH, "nobody to ask");
	assert_refused(seckey_load(&back, path, answer, NULL, &e), ERR_AUTH, "nobody answered");
	assert_refused(seckey_load(&back, path, answer, (void *)(uintptr_t)"wrong", &e), ERR_AUTH, "does not open it");
	assert_ok(seckey_load(&back, path, answer, (void *)(uintptr_t)"open sesame", &e));
	assert_true(pubkey_equal(seckey_public(k), seckey_public(back)));
	must_sign(back);
}

/* Whoever copies the file has to pay for every guess. */
static void encryption_is_scrypt_with_aes_256_as_openssl_reads_it(void **state)
{
	AUTO_FREE char *path = file_join(*state, "a.pem");
	char *argv[] = { (char *)"openssl", (char *)"asn1parse", (char *)"-in", path, NULL };
	char *open[] = { (char *)"openssl", (char *)"pkey", (char *)"-in", path, (char *)"-passin", (char *)"pass:s", (char *)"-noout", NULL };
	struct proc_run run = { .path = OPENSSL, .argv = argv, .stdin_fd = -1, .timeout_ms = 30000, .output_max = 65536 };
	AUTO(seckey) struct seckey *k = NULL;
	struct proc_result r;
	struct err e;

	if (access(OPENSSL, X_OK) < 0)
		skip_missing_program("openssl");
	assert_ok(seckey_generate_type(&k, PUBKEY_ECDSA, &e));
	assert_ok(seckey_save(k, path, "s", &e));
	assert_ok(proc_run(&run, &r, &e));
	assert_int_equal(r.exit_status, 0);
	assert_non_null(strstr(r.output->data, "scrypt"));
	assert_non_null(strstr(r.output->data, "INTEGER           :4000"));     /* N = 2^14; r = 8, p = 5 */
	assert_non_null(strstr(r.output->data, "aes-256-cbc"));
	proc_result_release(&r);
	run.argv = open;
	assert_ok(proc_run(&run, &r, &e));
	assert_int_equal(r.exit_status, 0);
	proc_result_release(&r);
}

/* ---- looking ---- */

struct seen {
	int count;
	bool encrypted, token, has_public;
	char note[200];
	const struct pubkey *want;
};

static int on_seen(void *arg, const struct seckey_seen *s, struct err *e)
{
	struct seen *to = arg;

	(void)e;
	to->count++;
	to->encrypted = s->encrypted;
	to->token = s->token;
	to->has_public = s->public != NULL;
	snprintf(to->note, sizeof to->note, "%s", s->note);
	if (to->want && s->public)
		assert_true(pubkey_equal(s->public, to->want));
	return 0;
}

static void an_encrypted_file_shows_its_public_half_to_whoever_may_read_it(void **state)
{
	AUTO_FREE char *path = file_join(*state, "a.pem");
	AUTO(seckey) struct seckey *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	struct seen seen = { 0 };
	struct err e;

	assert_ok(seckey_generate(&k, &e));
	assert_ok(seckey_save(k, path, "open sesame", &e));
	seen.want = seckey_public(k);
	assert_ok(seckey_look(path, on_seen, &seen, &e));
	assert_int_equal(seen.count, 1);
	assert_true(seen.encrypted && seen.has_public && !seen.token);
	assert_ok(pubkey_read(&p, path, &e));   /* and the reader of public keys asks nobody, on no terminal */
	assert_true(pubkey_equal(p, seckey_public(k)));
}

static void a_forged_public_half_does_not_survive_opening(void **state)
{
	AUTO_FREE char *path = file_join(*state, "a.pem"), *other = file_join(*state, "b.pem"), *forged = file_join(*state, "c.pem");
	AUTO(seckey) struct seckey *k = NULL, *stranger = NULL;
	AUTO(buf) struct buf *mine = NULL, *theirs = NULL, *both = buf_new(0);
	struct seckey *back = NULL;
	struct err e;

	assert_ok(seckey_generate(&k, &e));
	assert_ok(seckey_generate(&stranger, &e));
	assert_ok(seckey_save(k, path, "s", &e));
	assert_ok(seckey_save(stranger, other, "s", &e));
	assert_ok(file_read(&mine, path, 10000, &e));
	assert_ok(file_read(&theirs, other, 10000, &e));
	buf_add(both, mine->data, (size_t)(strstr(mine->data, "-----BEGIN PUBLIC") - mine->data));
	buf_adds(both, strstr(theirs->data, "-----BEGIN PUBLIC"));
	write_text(forged, both->data, 0600);
	assert_refused(seckey_load(&back, forged, answer, (void *)(uintptr_t)"s", &e), ERR_FORMAT, "public half in the file is of another key");
}

static void what_other_tools_wrote_opens_or_says_why_not(void **state)
{
	AUTO_FREE char *path = file_join(*state, "a.pem");
	AUTO(seckey) struct seckey *k = NULL;
	struct seckey *none = NULL;
	struct seen seen = { 0 };
	struct err e;

	write_pkey(path, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), "s");
	assert_ok(seckey_load(&k, path, answer, (void *)(uintptr_t)"s", &e));
	must_sign(k);
	assert_ok(seckey_look(path, on_seen, &seen, &e));
	assert_true(seen.encrypted && !seen.has_public);
	assert_string_equal(seen.note, "encrypted, and says no public half");
	write_pkey(path, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048), NULL);
	assert_refused(seckey_load(&none, path, never, NULL, &e), ERR_UNSUPPORTED, "verified, not made");
	assert_ok(seckey_look(path, on_seen, &seen, &e));
	assert_true(!seen.encrypted && !seen.has_public);
	write_pkey(path, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"), NULL);
	assert_refused(seckey_load(&none, path, never, NULL, &e), ERR_FORMAT, "other than P-256");
}

static void what_is_no_key_is_refused(void **state)
{
	AUTO_FREE char *path = file_join(*state, "a.pem");
	struct seckey *back = NULL;
	struct err e;

	assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_NOT_FOUND, "a.pem");
	write_text(path, "", 0600);
	assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_FORMAT, "no PEM private key");
	write_text(path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
	assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_FORMAT, "no PEM private key");
	assert_refused(seckey_look(path, on_seen, NULL, &e), ERR_FORMAT, "no PEM private key");
}

static void a_uri_file_holds_one_uri_and_nothing_else(void **state)
{
	static const char *const bad[] = {
		"", "\n", "/etc/key.pem\n", " pkcs11:token=a\n", "pkcs11:token=a\npkcs11:token=b\n", "pkcs11:token=a\n# why\n",
	};
	AUTO_FREE char *path = file_join(*state, "a.uri");
	struct seckey *back = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		write_text(path, bad[i], 0600);
		assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_FORMAT, "not one line with a pkcs11: URI");
	}
	assert_ok(file_replace(path, "pkcs11:token=a\0;object=b\n", 25, 0600, &e));
	assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_FORMAT, "not one line");
	write_text(path, "pkcs11:token=a;object=b?module-path=/nowhere.so\r\n", 0600);
	assert_refused(seckey_load(&back, path, NULL, NULL, &e), ERR_NOT_FOUND, "a.uri: pkcs11:token=a;object=b: /nowhere.so");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(both_kinds_are_made_and_sign_and_rsa_is_not_made),
		T(a_saved_key_is_private_and_never_overwritten),
		T(a_file_that_others_can_read_is_refused),
		T(a_file_of_another_user_is_refused),
		T(an_encrypted_key_wants_its_passphrase),
		T(encryption_is_scrypt_with_aes_256_as_openssl_reads_it),
		T(an_encrypted_file_shows_its_public_half_to_whoever_may_read_it),
		T(a_forged_public_half_does_not_survive_opening),
		T(what_other_tools_wrote_opens_or_says_why_not),
		T(what_is_no_key_is_refused),
		T(a_uri_file_holds_one_uri_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
