/*
 * ringmap: which ring an endpoint belongs to (fleet/map/ringmap.json).
 *
 *   {"format":1,"salt":"<hex>","rings":["canary","early","broad"],
 *    "rules":[{"ring":"canary","attributes":["pool=lab"]},
 *             {"ring":"early","tags":["pilot"],"os":["debian-*"],"bucket":{"from":0,"to":1000}}]}
 *
 * and, with "needs":["overrides"], "overrides":[{"devices":["<id>"],"tags":["pilot"]}].
 *
 * Rules in order, the first match wins; inside a rule every condition given
 * must hold, and a list holds when one of its items does. Rules of the first
 * ring may use only what operators assign (attributes, devices): otherwise an
 * endpoint could claim its way in. Who matches nothing is in the last ring.
 *
 * Tags are what a device claims. For a device that an override lists its tags
 * stand instead of them: signed here, so that the endpoint sees them as the
 * server does (docs/decisions/0003).
 */
#ifndef ROLLOUT_RINGMAP_H
#define ROLLOUT_RINGMAP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/name.h"

#define RINGMAP_MAX (4 * 1024 * 1024)   /* bytes of the document */
#define RINGMAP_RINGS_MAX 16
#define RINGMAP_RULES_MAX 1024
#define RINGMAP_OVERRIDES_MAX 4096
#define RINGMAP_TAGS_MAX 64             /* of one override */
#define RINGMAP_ITEMS_MAX 16384         /* items of one list of a rule */
#define RINGMAP_LABEL_MAX 128           /* bytes of an item */
#define RINGMAP_SALT_MAX 64             /* bytes, decoded */
#define RINGMAP_BUCKETS 10000           /* buckets are hundredths of a percent */
#define RINGMAP_PATH "fleet/map/ringmap.json"

struct ringmap;

/* What is known of one endpoint. Strings are borrowed; NULL: unknown, which matches nothing. */
struct ringmap_facts {
	const char *device;                     /* its id */
	const char *const *attributes;          /* assigned by operators: "pool=lab" */
	size_t attribute_count;
	const char *const *tags;                /* claimed by the device */
	size_t tag_count;
	const char *os, *sensor, *host;         /* "debian-12", "acme/7.11", "db1.example.net" */
};

int ringmap_parse(struct ringmap **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
void ringmap_free(struct ringmap *m);

size_t ringmap_rings(const struct ringmap *m);
const char *ringmap_ring(const struct ringmap *m, size_t at);   /* in rollout order; borrowed */
int ringmap_position(const struct ringmap *m, const char *ring);        /* 0 is the first; -1: no such ring */

/* The ring, borrowed from the map. *rule (may be NULL) gets the matching rule's index, or -1 for the default. */
const char *ringmap_resolve(const struct ringmap *m, const struct ringmap_facts *f, int *rule);

/* The tags an operator gave this device instead of its own; false: none, its claims count. Borrowed. */
bool ringmap_override(const struct ringmap *m, const char *device, const char *const **tags, size_t *count);

/* 0 .. RINGMAP_BUCKETS - 1: SHA-256(salt || device id), its first 8 bytes big-endian, modulo. */
unsigned ringmap_bucket(const struct ringmap *m, const char *device);

/*
 * Appends the map a fresh installation begins with: one rule per ring but the
 * last, attributes ["ring=<ring>"]; operators then write their own.
 */
int ringmap_write_default(struct buf *out, const char *const *rings, size_t count, const void *salt, size_t salt_len,
			  struct err *e) MUST_CHECK;

/* "*" is any run, "?" one byte; the whole text must match. No recursion, at most pattern x text steps. */
bool ringmap_glob(const char *pattern, const char *text);

AUTO_DEFINE(ringmap, struct ringmap *, ringmap_free);

#endif
