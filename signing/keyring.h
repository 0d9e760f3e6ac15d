/* keyring: the private keys at hand, found by their public halves. */
#ifndef SIGNING_KEYRING_H
#define SIGNING_KEYRING_H

#include "signing/seckey.h"

#define KEYRING_MAX 1024        /* keys */

struct keyring {
	struct keyring_key {
		struct seckey *key;     /* owned */
		char *name;             /* owned: file name without ".pem" */
	} *keys;
	size_t count;
};

struct keyring *keyring_new(void);      /* empty; NULL when there is no memory */
/* Every *.pem of a directory, in byte order of their names. A key file others can read refuses the whole. */
int keyring_load(struct keyring **out, const char *dir, seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
void keyring_free(struct keyring *r);

int keyring_add(struct keyring *r, const char *name, struct seckey *k, struct err *e) MUST_CHECK;      /* takes k, also on failure */
const struct seckey *keyring_find(const struct keyring *r, const struct pubkey *k);     /* NULL: not here */
const struct seckey *keyring_named(const struct keyring *r, const char *name);

AUTO_DEFINE(keyring, struct keyring *, keyring_free);

#endif
