/* keyring: the private keys at hand, found by their public halves. */
#ifndef SIGNING_KEYRING_H
#define SIGNING_KEYRING_H

#include "signing/seckey.h"

#define KEYRING_MAX 1024        /* keys */

struct keyring {
	struct keyring_key {
		struct seckey *key;     /* owned */
		char *name;             /* owned: file name without its ending */
	} *keys;
	size_t count;
};

struct keyring *keyring_new(void);      /* empty; NULL when there is no memory */
/*
 * Every NAME.pem and NAME.uri (a key in a token, see seckey.h) of a directory, in byte order of the files' names.
 * A file others can read, or a key that does not open, refuses the whole.
 */
int keyring_load(struct keyring **out, const char *dir, seckey_ask *ask, void *arg, struct err *e) MUST_CHECK;
void keyring_free(struct keyring *r);
/* The files keyring_load() would open, without opening them; negative ends it. */
typedef int keyring_visit(void *arg, const char *dir, const char *file, struct err *e);
int keyring_files(const char *dir, keyring_visit *visit, void *arg, struct err *e) MUST_CHECK;

int keyring_add(struct keyring *r, const char *name, struct seckey *k, struct err *e) MUST_CHECK;      /* takes k, also on failure */
const struct seckey *keyring_find(const struct keyring *r, const struct pubkey *k);     /* NULL: not here */
const struct seckey *keyring_named(const struct keyring *r, const char *name);

AUTO_DEFINE(keyring, struct keyring *, keyring_free);

#endif
