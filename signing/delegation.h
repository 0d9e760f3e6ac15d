/*
 * delegation: which delegated roles may speak for a target path.
 *
 * Path patterns have as many segments as the path; `*` and `?` stay within one
 * segment; case counts. Or hex prefixes of SHA-256(path), or bins (TAP 15). Pure.
 */
#ifndef SIGNING_DELEGATION_H
#define SIGNING_DELEGATION_H

#include "signing/metadata.h"

#define DELEGATION_NAME_MAX 1024        /* bytes of a role's name */

bool delegation_glob(const char *pattern, size_t pattern_len, const char *path, size_t len);
bool delegation_match(const struct metadata_delegation *d, const char *path, size_t len);

/* The bin of a path: prefix "-" hex. And whether a name is one of the bins. */
int delegation_bin(const struct metadata_succinct *s, const char *path, size_t len,
		   char out[DELEGATION_NAME_MAX], struct err *e) MUST_CHECK;
bool delegation_is_bin(const struct metadata_succinct *s, const char *name);

/* Percent-encodes every byte outside A-Za-z0-9_.-~ with upper-case digits: names in URLs and of files. */
void delegation_quote(struct buf *out, const char *name, size_t len);

/* "dir/<hash>.<basename>" with a hash, the path itself without; quoted per segment is the URL's business. */
void delegation_target_name(struct buf *out, const char *path, size_t len, const char *hash /* may be NULL */);

#endif
