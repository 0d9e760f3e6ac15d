/*
 * verify: whether enough distinct keys of a role signed a file.
 *
 * An authority is a delegator's own keys and the ids, with a threshold, that
 * it lists for one role. Ids are looked up only there. Several ids of one
 * public key count once. Pure.
 */
#ifndef SIGNING_VERIFY_H
#define SIGNING_VERIFY_H

#include "signing/metadata.h"

struct authority {
	const struct metadata *delegator;       /* borrowed: root or targets metadata */
	const struct metadata_role *role;       /* borrowed from it */
};

/* The four top-level roles in root; delegated ones, bins included, in targets. False: not delegated there. */
bool authority_of(struct authority *out, const struct metadata *delegator, const char *role);

/* Distinct public keys of the role with a valid signature. */
size_t verify_count(const struct metadata *m, const struct authority *a);
/* ERR_AUTH below the threshold: "name: 1 of 2 signatures". */
int verify(const struct metadata *m, const struct authority *a, const char *name, struct err *e) MUST_CHECK;

/* Distinct usable public keys an authority lists, into keys (room for max); returns how many there are. */
size_t authority_keys(const struct authority *a, const struct pubkey **keys, size_t max);

#endif
