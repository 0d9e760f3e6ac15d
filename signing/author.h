/*
 * author: writes role documents and signs them.
 *
 * An author holds the `signed` part of one file, loaded or new; unknown
 * members stay. author_finish() gives an envelope without signatures,
 * author_sign() adds those of the keys at hand. What is written is compact JSON.
 */
#ifndef SIGNING_AUTHOR_H
#define SIGNING_AUTHOR_H

#include "signing/keyring.h"
#include "signing/verify.h"

#define AUTHOR_SPEC_VERSION "1.0.34"

struct author;

/* A role as root and delegations describe it. */
struct author_role {
	const char *name;
	const struct pubkey *const *keys;
	size_t key_count;
	int64_t threshold;
	const char *const *patterns;    /* delegated roles: path patterns */
	size_t pattern_count;
};

int author_new(struct author **out, enum metadata_type type, struct err *e) MUST_CHECK;        /* version 0, no expiry yet */
int author_load(struct author **out, const struct metadata *m, struct err *e) MUST_CHECK;
void author_free(struct author *a);

int64_t author_version(const struct author *a);
void author_set_version(struct author *a, int64_t version);
void author_set_expires(struct author *a, int64_t seconds);
/* Any further member of `signed`, as the JSON text of one value; json NULL removes it. */
int author_set(struct author *a, const char *member, const char *json, struct err *e) MUST_CHECK;

/* root: roles are the four, by name */
int author_set_roles(struct author *a, const struct author_role *roles, size_t count, bool consistent_snapshot, struct err *e) MUST_CHECK;
/* targets: all delegations, terminating, in this order */
int author_set_delegations(struct author *a, const struct author_role *roles, size_t count, struct err *e) MUST_CHECK;
/* targets: custom is JSON text or NULL; replaces the target of the same path */
int author_put_target(struct author *a, const char *path, uint64_t length, const struct digest *sha256, const char *custom, struct err *e) MUST_CHECK;
bool author_remove_target(struct author *a, const char *path);  /* false: was not there */
/* snapshot and timestamp: name "targets.json"; length < 0 and sha256 NULL leave these out */
int author_put_meta(struct author *a, const char *name, int64_t version, int64_t length, const struct digest *sha256, struct err *e) MUST_CHECK;

/* {"signatures":[],"signed":{…}}; the author stays usable. */
int author_finish(const struct author *a, struct buf **out, struct err *e) MUST_CHECK;

/*
 * Adds to an envelope a signature of every key of the ring that the authority
 * lists and that has none yet. *met tells whether the threshold is reached.
 * Answers how many signatures it added. What was signed keeps its canonical form.
 */
int author_sign(struct buf **out, const void *envelope, size_t len, enum metadata_type type, const struct keyring *ring,
		const struct authority *by, bool *met, struct err *e) MUST_CHECK;

AUTO_DEFINE(author, struct author *, author_free);

#endif
