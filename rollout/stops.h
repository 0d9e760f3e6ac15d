/*
 * stops: which digests must not run (stops.json, recalls.json), and the floor.
 *
 * A stop may only take content away, so its readers lean the other way than
 * everyone else: a document with unknown needs, or of a newer format, still
 * stops every digest that can be read from it. The people's recall document
 * also lists urgent digests: not recalled, but exempt from the minimum age.
 */
#ifndef ROLLOUT_STOPS_H
#define ROLLOUT_STOPS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/name.h"

#define STOPS_MAX (4 * 1024 * 1024)     /* bytes of a document */
#define STOPS_ENTRIES_MAX 16384
#define STOP_REASON_MAX 256             /* bytes */

enum stops_kind { STOPS_STOP, STOPS_RECALL };

struct stop_entry {
	struct digest digest;
	uint64_t serial;
	int64_t at;             /* seconds since the epoch */
	char reason[STOP_REASON_MAX + 1];
	bool urgent;            /* of a recall document only: wanted in haste, not recalled */
};

struct stops {
	enum stops_kind kind;
	char channel[NAME_LEN_MAX + 1];
	struct stop_entry *entries;     /* owned */
	size_t count;
	bool newer;             /* the document says more than this program understands; its digests count all the same */
};

struct stops *stops_new(enum stops_kind kind, const char *channel);     /* empty; NULL without memory */
void stops_free(struct stops *s);

int stops_parse(struct stops **out, enum stops_kind kind, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
int stops_add(struct stops *s, const struct stop_entry *entry, struct err *e) MUST_CHECK;       /* the same digest again is ERR_CONFLICT */
int stops_write(struct buf *out, const struct stops *s, struct err *e) MUST_CHECK;

/* The entry that takes the digest away; NULL: none. s may be NULL. An urgent entry is none. */
const struct stop_entry *stops_find(const struct stops *s, const struct digest *d);
bool stops_urgent(const struct stops *s, const struct digest *d);

/* floor.json {"format":1,"channel":..,"serial":..,"reason":..} of the content role; the reason is for people (NULL: none). */
int floor_parse(uint64_t *serial, const char *channel, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
int floor_write(struct buf *out, const char *channel, uint64_t serial, const char *reason, struct err *e) MUST_CHECK;

/* "stop/<channel>/stops.json", "recall/<channel>/recalls.json", "bundles/<channel>/floor.json" */
void stops_path(char out[PATH_LEN_MAX + 1], enum stops_kind kind, const char *channel);
void floor_path(char out[PATH_LEN_MAX + 1], const char *channel);

AUTO_DEFINE(stops, struct stops *, stops_free);

#endif
