/* tokens: two tokens of SoftHSM2, "house" and "other", and keys in them. */
#ifndef TESTS_SIGNING_TOKENS_H
#define TESTS_SIGNING_TOKENS_H

#include "tests/softhsm.h"

#define TEXT "text"
#define MODULE "module-path=" SOFTHSM_MODULE

/* SoftHSM2 2.6.1 leaks the name of a curve whenever it uses an Ed25519 key; test_pkcs11_lies.c watches our own leaks. */
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
	return 1;
}

static struct softhsm hsm;

static inline int tokens_open(void **state)
{
	(void)state;
	if (!softhsm_installed())
		return 0;
	softhsm_open(&hsm);
	softhsm_token("house");
	softhsm_token("other");
	return 0;
}

static inline int tokens_close(void **state)
{
	(void)state;
	if (hsm.dir[0])
		softhsm_close(&hsm);
	return 0;
}

#define NEED_TOKENS()                                    \
	do {                                             \
		if (!hsm.dir[0])                         \
			skip_missing_program("softhsm2"); \
	} while (0)

static inline struct seckey *generate(const char *uri, enum pubkey_type type)
{
	struct seckey *k = NULL;
	struct err e;

	assert_ok(seckey_generate_token(&k, uri, type, NULL, NULL, &e));
	return k;
}

static inline void must_sign(const struct seckey *k)
{
	AUTO(buf) struct buf *sig = buf_new(0);
	struct err e;

	assert_ok(seckey_sign(k, TEXT, 4, sig, &e));
	assert_true(pubkey_verify(seckey_public(k), TEXT, 4, sig->data, sig->len));
}

/* Asked for a PIN. */
struct person {
	const char *pin;        /* NULL: refuses */
	int asked;
	char where[200];
};

static inline int ask(void *arg, const char *where, char *secret, size_t cap, struct err *e)
{
	struct person *p = arg;

	p->asked++;
	snprintf(p->where, sizeof p->where, "%s", where);
	if (!p->pin)
		return err_set(e, ERR_AUTH, "nobody answered");
	snprintf(secret, cap, "%s", p->pin);
	return 0;
}

#endif
