/*
 * audit_checkpoint: what somebody may keep so that no row of an audit log can be lost again.
 *
 *   {"format":1,"signed":{"_type":"audit-checkpoint","server":"content","count":4711,
 *    "head":"<64 hex>","at":"2026-01-31T12:00:00Z"},"key":{...},"signature":"<hex>"}
 *
 * (schema/audit-checkpoint.schema.json). It says how many rows there are and
 * what hash the last one has, signed over the canonical form of "signed" with
 * a key of the server that signs nothing else. The key in it proves only that
 * the document is whole: whoever checks one compares the key with the one of a
 * checkpoint that was kept before.
 */
#ifndef SIGNING_AUDIT_CHECKPOINT_H
#define SIGNING_AUDIT_CHECKPOINT_H

#include "base/json.h"
#include "base/name.h"
#include "signing/audit_chain.h"
#include "signing/pubkey.h"
#include "signing/seckey.h"

#define AUDIT_CHECKPOINT_MAX 4096       /* bytes */

struct audit_checkpoint {
	char server[NAME_LEN_MAX + 1];  /* what its repository is called */
	uint64_t count;
	struct digest head;             /* of row `count` */
	int64_t at;
	struct pubkey *key;             /* owned; when read */
};

/* Strict; the signature is checked with the key inside. ERR_FORMAT, ERR_AUTH. */
int audit_checkpoint_parse(struct audit_checkpoint *out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
int audit_checkpoint_read(struct audit_checkpoint *out, const struct json_doc *d, const struct json *v, struct err *e) MUST_CHECK;
void audit_checkpoint_release(struct audit_checkpoint *c);

/* Holds it against the rows walked so far, once w->count is its count: ERR_REFUSED when the row has another hash. */
int audit_checkpoint_meets(const struct audit_checkpoint *c, const struct audit_walk *w, struct err *e) MUST_CHECK;
/* After the last row: ERR_REFUSED when there are fewer than it says. */
int audit_checkpoint_reached(const struct audit_checkpoint *c, const struct audit_walk *w, struct err *e) MUST_CHECK;

/* The document, on one line (audit_sign.c). */
int audit_checkpoint_sign(struct buf *out, const struct audit_checkpoint *c, const struct seckey *k, struct err *e) MUST_CHECK;
/* What is signed. */
void audit_checkpoint_signed(struct json_writer *w, const char *key, const struct audit_checkpoint *c);

/*
 * A row as the server's list and an export have it:
 *   {"id":1,"form":2,"at":"...","who":"...","action":"...","subject":"...",
 *    "detail":"...","why":"...","was":"...","becomes":"...","hash":"<64 hex>"}
 * Checks it as the next of the walk. ERR_FORMAT, ERR_REFUSED.
 */
int audit_walk_json(struct audit_walk *w, const struct json_doc *d, const struct json *row, struct err *e) MUST_CHECK;

#endif
