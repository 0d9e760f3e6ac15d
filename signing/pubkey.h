/*
 * pubkey: public keys as TUF metadata carries them, and what they verify.
 *
 * Three kinds: Ed25519 (64 hex digits), ECDSA on P-256 with SHA-256 and
 * RSA-PSS with SHA-256 (both PEM SubjectPublicKeyInfo). Two keys are the same
 * when kind and decoded key are, whatever their ids or PEM texts say.
 */
#ifndef SIGNING_PUBKEY_H
#define SIGNING_PUBKEY_H

#include "base/hash.h"
#include "base/json.h"

#define PUBKEY_FILE_MAX 65536   /* bytes of a file that holds one public key */

enum pubkey_type { PUBKEY_ED25519, PUBKEY_ECDSA, PUBKEY_RSA };

struct pubkey;  /* immutable once made */

/*
 * A TUF key object {"keytype", "scheme", "keyval": {"public"}}; further members are ignored.
 * ERR_UNSUPPORTED for a type or scheme we do not know, ERR_FORMAT for a key that does not decode.
 */
int pubkey_parse(struct pubkey **out, const struct json_doc *d, const struct json *key, struct err *e) MUST_CHECK;
int pubkey_from_raw(struct pubkey **out, const uint8_t raw[32], struct err *e) MUST_CHECK;     /* Ed25519 */
int pubkey_from_pem(struct pubkey **out, const char *pem, size_t len, struct err *e) MUST_CHECK;
int pubkey_read(struct pubkey **out, const char *path, struct err *e) MUST_CHECK;      /* a file: key object or PEM */
void pubkey_free(struct pubkey *k);     /* NULL is fine */

enum pubkey_type pubkey_type(const struct pubkey *k);
bool pubkey_equal(const struct pubkey *a, const struct pubkey *b);

/* False for anything that is not a good signature of these bytes by this key. Pure. */
bool pubkey_verify(const struct pubkey *k, const void *bytes, size_t len, const void *sig, size_t sig_len);

/* The key object as compact JSON, members sorted. */
void pubkey_json(const struct pubkey *k, struct buf *out);
/* SHA-256, in hex, of its canonical form: the id we give a key (in what we read, ids are opaque). */
int pubkey_id(const struct pubkey *k, char out[DIGEST_HEX_LEN + 1], struct err *e) MUST_CHECK;

AUTO_DEFINE(pubkey, struct pubkey *, pubkey_free);

#endif
