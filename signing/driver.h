/*
 * driver: drives the client engine with a directory as store and a callback
 * as network. The directory holds ROLE.json files, byte for byte as received.
 */
#ifndef SIGNING_DRIVER_H
#define SIGNING_DRIVER_H

#include "signing/client.h"

/* Gets name below the metadata (or targets) URL, at most max bytes. 0 got (*out owned by the caller), 1 absent, negative failed. */
typedef int driver_get(void *arg, const char *name, size_t max, struct buf **out, struct err *e);

struct driver {
	const char *dir;        /* exists; the process that owns it is the only writer */
	driver_get *get;        /* NULL: from the store alone */
	void *arg;
};

/*
 * Makes a client from DIR/root.json, or from the anchor (may be NULL) when
 * there is no stored root, it is damaged, or the anchor is newer.
 */
int driver_open(struct tuf_client **out, const char *dir, const void *anchor, size_t anchor_len,
		enum tuf_rules rules, struct err *e) MUST_CHECK;

int driver_refresh(const struct driver *d, struct tuf_client *c, int64_t now, struct err *e) MUST_CHECK;       /* with get NULL: resume */
/* *out NULL: no role lists it. A role that is delegated but was never published is ERR_NOT_FOUND. */
int driver_find(const struct driver *d, struct tuf_client *c, const char *path, const struct tuf_target **out, struct err *e) MUST_CHECK;
/* Finds a small target and gets its verified bytes with `get`, called with targets URL names. ERR_NOT_FOUND when no role lists it. */
int driver_target(const struct driver *d, struct tuf_client *c, const char *path, driver_get *get, void *arg,
		  size_t max, struct buf **out, const struct tuf_target **found /* may be NULL */, struct err *e) MUST_CHECK;

#endif
