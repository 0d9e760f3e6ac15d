/*
 * keys: the options by which a command that signs is told with which private
 * keys, and how they are opened. Every signing command has these and no others.
 */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "cli/passphrase.h"
#include "signing/keyring.h"

struct keys_options {
	struct cli_list keys;
	const char *dir;
	struct passphrase passphrase;
};

/* The rows of a command; `at` is the offset of its struct keys_options in its own options struct. */
#define KEYS_ROWS(at)                                                                                                      \
	{ "key", 'k', CLI_MANY, (at) + offsetof(struct keys_options, keys), "KEY",                                         \
	  "a private key that signs: a PEM file, a .uri file or a pkcs11: URI; may be given again" },                      \
	{ "keys", 0, CLI_TEXT, (at) + offsetof(struct keys_options, dir), "DIR", "every *.pem and *.uri of a directory" }, \
	PASSPHRASE_ROW((at) + offsetof(struct keys_options, passphrase))

/* ERR_USAGE when no key is named. */
int keys_open(struct keyring **out, const struct keys_options *o, struct err *e) MUST_CHECK;

#endif
