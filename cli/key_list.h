/* key_list: what keys a file, a directory or a token shows without being opened. */
#ifndef CLI_KEY_LIST_H
#define CLI_KEY_LIST_H

#include "signing/seckey.h"

/* "ed25519", "p256", "rsa": what --type takes and lists show. */
const char *key_type_name(enum pubkey_type type);

/* A table, or with json an array of {name, type, id, held, encrypted, where, note}; `where` is a directory or a pkcs11: URI.
 * ERR_REFUSED after it when one of the keys cannot be used. */
int key_list(const char *where, bool json, struct err *e) MUST_CHECK;

#endif
