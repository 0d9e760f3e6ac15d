/* Keys in tokens of SoftHSM2 at work: a session that ends, threads that share them, a repository that they sign. */
#include <dlfcn.h>
#include <pthread.h>

#include "signing/driver.h"
#include "signing/keyring.h"
#include "signing/pkcs11_parts.h"
#include "signing/repo.h"
#include "tests/signing/tokens.h"

#define NOW 1769860800

/* ---- a token that goes away ---- */

/* SoftHSM2 itself, past p11-kit: what pulls the rug. */
static void end_all_sessions(const char *label)
{
	void *module = dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_NOLOAD);
	CK_RV (*get)(CK_FUNCTION_LIST **) = NULL;
	CK_FUNCTION_LIST *f = NULL;
	CK_SLOT_ID slots[16];
	CK_ULONG n = ARRAY_LEN(slots);

	assert_non_null(module);
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	assert_int_equal(get(&f), CKR_OK);
	assert_int_equal(f->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;

		if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK && strncmp((char *)info.label, label, strlen(label)) == 0)
			assert_int_equal(f->C_CloseAllSessions(slots[i]), CKR_OK);
	}
	dlclose(module);
}

static void a_key_survives_its_tokens_session(void **state)
{
	struct person p = { .pin = SOFTHSM_PIN };
	AUTO(seckey) struct seckey *k = NULL;
	struct err e;

	(void)state;
	NEED_TOKENS();
	seckey_free(generate("pkcs11:token=other;object=survivor" SOFTHSM_QUERY, PUBKEY_ECDSA));
	assert_ok(seckey_load(&k, "pkcs11:token=other;object=survivor?" MODULE, ask, &p, &e));
	for (int i = 0; i < 3; i++) {
		end_all_sessions("other");
		must_sign(k);
	}
	assert_int_equal(p.asked, 1);   /* the PIN that opened it once opens it again */
}

struct signer {
	const struct seckey *k;
	int good;
};

static void *sign_often(void *arg)
{
	struct signer *s = arg;

	for (int i = 0; i < 25; i++) {
		AUTO(buf) struct buf *sig = buf_new(0);
		struct err e;

		s->good += seckey_sign(s->k, TEXT, 4, sig, &e) == 0 && pubkey_verify(seckey_public(s->k), TEXT, 4, sig->data, sig->len);
	}
	return NULL;
}

static void threads_may_share_a_key_and_a_token(void **state)
{
	AUTO(seckey) struct seckey *one = NULL, *two = NULL;
	struct signer s[4];
	pthread_t t[4];

	(void)state;
	NEED_TOKENS();
	one = generate("pkcs11:token=house;object=threads-1" SOFTHSM_QUERY, PUBKEY_ECDSA);
	two = generate("pkcs11:token=house;object=threads-2" SOFTHSM_QUERY, PUBKEY_ED25519);
	for (int i = 0; i < 4; i++) {
		s[i] = (struct signer){ i % 2 ? one : two, 0 };
		assert_int_equal(pthread_create(&t[i], NULL, sign_often, &s[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(s[i].good, 25);
	}
}

/* ---- a repository whose every key lies in a token ---- */

#define ROLES 5
static const char *const roles[ROLES] = { "root", "targets", "snapshot", "timestamp", "content-edr" };

static int get_file(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *path = file_join(arg, name);
	int got = file_read(out, path, max, e);

	return got == ERR_NOT_FOUND ? 1 : got;
}

static void publish(const char *dir, struct keyring *ring, const struct author_role *made)
{
	AUTO(repo) struct repo *r = NULL;
	struct repo_plan plan = { .root = made[0], .targets = made[1], .snapshot = made[2], .timestamp = made[3], .roles = made + 4, .count = 1 };
	struct err e;

	assert_ok(repo_create(dir, &plan, ring, NOW, &e));
	assert_ok(repo_open(&r, dir, &e));
	assert_ok(repo_put_target(r, "content-edr", "bundles/edr/1.tar.gz", "bytes", 5, NULL, &e));
	assert_ok(repo_publish(r, ring, NOW + 1, &e));
}

/* Our client, with the root alone, gets the target. */
static void read_back(const char *dir)
{
	AUTO_FREE char *metadata = file_join(dir, "metadata"), *targets = file_join(dir, "targets"), *store = file_join(dir, "store");
	AUTO_FREE char *anchor = file_join(metadata, "1.root.json");
	AUTO(buf) struct buf *root = NULL, *got = NULL;
	AUTO(tuf_client) struct tuf_client *c = NULL;
	struct driver d = { .dir = store, .get = get_file, .arg = metadata };
	struct err e;

	assert_ok(file_mkdirs(store, 0700, &e));
	assert_ok(file_read(&root, anchor, 1 << 20, &e));
	assert_ok(driver_open(&c, store, root->data, root->len, TUF_HOUSE, &e));
	assert_ok(driver_refresh(&d, c, NOW + 2, &e));
	assert_ok(driver_target(&d, c, "bundles/edr/1.tar.gz", get_file, targets, 100, &got, NULL, &e));
	assert_string_equal(got->data, "bytes");
}

static void a_repository_signed_in_a_token_is_read_by_our_client(void **state)
{
	AUTO(keyring) struct keyring *ring = keyring_new();
	const struct pubkey *keys[ROLES];
	struct author_role made[ROLES];
	char dir[300];
	struct err e;

	(void)state;
	NEED_TOKENS();
	for (size_t i = 0; i < ROLES; i++) {
		char uri[300];
		struct seckey *k;

		snprintf(uri, sizeof uri, "pkcs11:token=house;object=repo-%s" SOFTHSM_QUERY, roles[i]);
		k = generate(uri, i % 2 ? PUBKEY_ECDSA : PUBKEY_ED25519);
		keys[i] = seckey_public(k);
		made[i] = (struct author_role){ .name = roles[i], .keys = &keys[i], .key_count = 1, .threshold = 1 };
		assert_ok(keyring_add(ring, roles[i], k, &e));
	}
	snprintf(dir, sizeof dir, "%s/repository", hsm.dir);
	publish(dir, ring, made);
	read_back(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_survives_its_tokens_session),
		cmocka_unit_test(threads_may_share_a_key_and_a_token),
		cmocka_unit_test(a_repository_signed_in_a_token_is_read_by_our_client),
	};

	return cmocka_run_group_tests(tests, tokens_open, tokens_close);
}
