/*
 * sigreq: a signing request: what keys that are not on the server are asked to sign.
 *
 * One document, carried to whoever holds a key and back: drafts of one or
 * several roles with the signatures so far, what each replaces (version,
 * SHA-256 of its canonical `signed`, and the file itself, so that a machine
 * without network can show the difference), the root and targets that say who
 * may sign, and small target files that the drafts list. Several drafts are
 * published together or not at all: a role whose keys change is signed by its
 * new keys in the same request.
 *
 *	{"format":1,"id":"0123456789abcdef","by":"...","reason":"...","created":"...","expires":"...",
 *	 "root":{envelope},"targets":{envelope},
 *	 "drafts":[{"role":"ring-early","base":{"version":7,"sha256":"...","envelope":{...}}|null,"envelope":{...}}],
 *	 "documents":[{"path":"rings/early/edr.json","text":"..."}],"evidence":{...}|null}
 *
 * The id follows from what is to be signed: 16 hex digits, the same for the
 * same drafts, whoever carries them. Pure; signing is in sigreq_sign.c.
 */
#ifndef SIGNING_SIGREQ_H
#define SIGNING_SIGREQ_H

#include "signing/keyring.h"
#include "signing/verify.h"

#define SIGREQ_MAX ((size_t)15 << 20)          /* bytes of the document */
#define SIGREQ_ID_LEN 16
#define SIGREQ_DRAFTS_MAX 16
#define SIGREQ_DOCUMENTS_MAX 64
#define SIGREQ_DOCUMENT_MAX ((size_t)1 << 20)  /* bytes of one target file that travels along: text */
#define SIGREQ_TEXT_MAX 512                    /* bytes of `reason` and `by` */
#define SIGREQ_LIFE (30 * 86400)               /* seconds, for who has no better idea */

struct sigreq_draft {
	char *role;
	struct metadata *base;          /* what it replaces; NULL: the role was never published */
	struct metadata *draft;         /* with the signatures so far */
};

struct sigreq_document {
	char *path;                     /* of a target that a draft, or what it replaces, lists with this hash */
	struct buf *bytes;
};

/* Everything is owned. */
struct sigreq {
	char id[SIGREQ_ID_LEN + 1];
	int64_t created, expires;       /* seconds; of the request, not of what is signed */
	char *by, *reason;
	struct metadata *root;          /* as published when it was asked */
	struct metadata *targets;
	struct sigreq_draft drafts[SIGREQ_DRAFTS_MAX];
	size_t draft_count;
	struct sigreq_document documents[SIGREQ_DOCUMENTS_MAX];
	size_t document_count;
	char *evidence;                 /* one JSON value as text, opaque here; NULL: none */
};

/* ---- making one ---- */

/* An empty one. root and targets are copied. */
int sigreq_new(struct sigreq **out, const char *by, const char *reason, const struct metadata *root,
		const struct metadata *targets, int64_t created, int64_t expires, struct err *e) MUST_CHECK;
/* The same request without any signature. */
int sigreq_bare(struct sigreq **out, const struct sigreq *q, struct err *e) MUST_CHECK;
void sigreq_free(struct sigreq *q);   /* NULL is fine */
/* root first, then targets, then delegated roles. base is copied. */
int sigreq_add(struct sigreq *q, const char *role, const struct metadata *base, const void *envelope, size_t len, struct err *e) MUST_CHECK;
int sigreq_attach(struct sigreq *q, const char *path, const void *bytes, size_t len, struct err *e) MUST_CHECK;
int sigreq_set_evidence(struct sigreq *q, const char *json, struct err *e) MUST_CHECK;
/* Checks the whole and gives it its id. */
int sigreq_seal(struct sigreq *q, struct err *e) MUST_CHECK;

/* The document; schema/signing-request.schema.json. What was written parses. */
int sigreq_write(struct buf *out, const struct sigreq *q, struct err *e) MUST_CHECK;
int sigreq_parse(struct sigreq **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;

/* ---- what is asked, and what is there ---- */

const struct sigreq_draft *sigreq_draft(const struct sigreq *q, const char *role);  /* NULL: not asked */

/*
 * Who may sign a draft: the root and targets given (as published; NULL: those
 * of the request), or the drafts of these where the request has them. Root
 * itself has two authorities, the keys it replaces first.
 */
struct sigreq_trust {
	const struct metadata *root, *targets;
};
#define SIGREQ_AUTHORITIES 2
size_t sigreq_authorities(const struct sigreq *q, const char *role, const struct sigreq_trust *t, struct authority out[SIGREQ_AUTHORITIES]);

/* Valid signatures and how many are wanted, of the authority that lacks most. False: nobody may sign this role. */
bool sigreq_count(const struct sigreq *q, const char *role, const struct sigreq_trust *t, size_t *have, int64_t *need);
bool sigreq_met(const struct sigreq *q, const struct sigreq_trust *t);      /* every draft has all it wants */

/* Nothing is said anew: only version and expiry differ from what it replaces. */
bool sigreq_is_renewal(const struct sigreq_draft *d);

/*
 * The draft still replaces what stands: ERR_CONFLICT when `current` (NULL:
 * nothing is published) is not its base, or the draft's version does not follow.
 */
int sigreq_check_base(const struct sigreq_draft *d, const struct metadata *current, struct err *e) MUST_CHECK;

/* ---- signatures ---- */

/* One more: 1 added, 0 it was there, ERR_AUTH when it is no valid signature of any key that may sign the role. */
int sigreq_add_signature(struct sigreq *q, const char *role, const char *keyid, const char *sig_hex, const struct sigreq_trust *t,
			  struct err *e) MUST_CHECK;
/* The valid signatures of the same request (ERR_CONFLICT: of another); how many were new. */
int sigreq_merge(struct sigreq *into, const struct sigreq *from, const struct sigreq_trust *t, struct err *e) MUST_CHECK;
/* sigreq_sign.c: signs every draft with every key of the ring that may sign it and did not; how many were added. */
int sigreq_sign_draft(struct sigreq *q, const char *role, const struct keyring *ring, const struct sigreq_trust *t, struct err *e) MUST_CHECK;    /* one of them */
int sigreq_sign(struct sigreq *q, const struct keyring *ring, const struct sigreq_trust *t, struct err *e) MUST_CHECK;

/* ---- publishing (sigreq_publish.c) ---- */

struct repo;
/* Every draft still replaces what the repository publishes: ERR_CONFLICT otherwise. */
int sigreq_check_repo(const struct sigreq *q, const struct repo *r, struct err *e) MUST_CHECK;
/*
 * Publishes everything the request drafts, root included, in one step, and
 * signs with the ring what new keys must sign again. ERR_AUTH: signatures are
 * missing; ERR_CONFLICT: it is stale. On failure nothing is pending.
 */
int sigreq_publish(const struct sigreq *q, struct repo *r, const struct keyring *ring, int64_t now, struct err *e) MUST_CHECK;

AUTO_DEFINE(sigreq, struct sigreq *, sigreq_free);

#endif
