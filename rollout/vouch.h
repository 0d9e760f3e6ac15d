/*
 * vouch: an endpoint's own word that a bundle survived on it.
 *
 * An endpoint that operators gave a key of its own (shared with a promoter,
 * never with the server) puts a MAC into the detail of its `survived` event:
 * whoever takes the server over can withhold that word, and cannot invent it.
 */
#ifndef ROLLOUT_VOUCH_H
#define ROLLOUT_VOUCH_H

#include "base/hash.h"

#define VOUCH_KEY_MIN 16        /* bytes of a key */
#define VOUCH_KEY_MAX 4096
#define VOUCH_LEN (8 + DIGEST_HEX_LEN)  /* "vouched " and 64 hex digits */

void vouch_write(char out[VOUCH_LEN + 1], const void *key, size_t key_len, const char *channel, const struct digest *digest);
/* Does this detail of an event hold the word of this key? In constant time for a word of the right length. */
bool vouch_check(const char *detail, const void *key, size_t key_len, const char *channel, const struct digest *digest);

#endif
