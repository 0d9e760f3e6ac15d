/*
 * passphrase: what opens a private key, asked of a person or read from a file.
 *
 * On the terminal (/dev/tty) nothing is echoed; without one, and without a
 * file, the answer is a refusal, never a wait. The file's first line is the
 * passphrase of key files; the PIN of a token is never taken from it, as a
 * token counts wrong ones: that comes from the URI or from a person.
 */
#ifndef CLI_PASSPHRASE_H
#define CLI_PASSPHRASE_H

#include "base/cli.h"
#include "signing/seckey.h"

struct passphrase {
	const char *file;       /* --passphrase-file; NULL: the terminal */
};

/* The row of a command; `at` is the offset of its struct passphrase in its own options struct. */
#define PASSPHRASE_ROW(at) \
	{ "passphrase-file", 0, CLI_TEXT, (at) + offsetof(struct passphrase, file), "FILE", \
	  "its first line opens encrypted key files; else the terminal is asked" }

/* A seckey_ask; arg is a struct passphrase *. */
int passphrase_ask(void *arg, const char *where, char *secret, size_t cap, struct err *e) MUST_CHECK;
/* For a new key file: on the terminal it is asked twice. Wipe what it wrote. */
int passphrase_choose(const struct passphrase *p, const char *where, char secret[SECKEY_SECRET_MAX], struct err *e) MUST_CHECK;

#endif
