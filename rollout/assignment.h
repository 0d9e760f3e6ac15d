/*
 * assignment: which bundle one ring of one channel shall run.
 *
 * The document rings/<ring>/<channel>.json of the repository, signed by the
 * ring's role. It names a bundle by path, serial and digest; everything the
 * vendor says about that bundle must agree before an endpoint believes it.
 */
#ifndef ROLLOUT_ASSIGNMENT_H
#define ROLLOUT_ASSIGNMENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/name.h"

#define ASSIGNMENT_MAX (256 * 1024)     /* bytes of the document */
#define ASSIGNMENT_DROPS_MAX 1024
#define REASON_LEN_MAX 256              /* bytes of what a person wrote */

struct bundle_ref {
	char path[PATH_LEN_MAX + 1];    /* "bundles/edr/110.tar.gz" */
	uint64_t serial;
	char version[VERSION_LEN_MAX + 1];
	struct digest digest;           /* zero: no bundle */
};

struct assignment_drop {
	char rule[RULE_LEN_MAX + 1];
	char reason[REASON_LEN_MAX + 1];
};

struct assignment {
	char channel[NAME_LEN_MAX + 1], ring[NAME_LEN_MAX + 1];
	uint64_t attempt;               /* >= 1; rises when operators retry the same bundle */
	int64_t issued;                 /* seconds since the epoch, UTC */
	char reason[REASON_LEN_MAX + 1];
	struct bundle_ref bundle;
	struct bundle_ref previous;     /* digest zero: none */
	bool permit_required;
	int64_t probation_s;            /* seconds the sensor must run the new digest */
	int64_t probation_boots;        /* new boots it must see */
	bool observe;                   /* meanwhile new destructive rules only observe */
	bool granted;                   /* an older serial is wanted */
	uint64_t grant_max_serial;      /* the grant holds for endpoints whose high-water is at most this */
	char grant_reason[REASON_LEN_MAX + 1];
	struct assignment_drop *drops;  /* owned; rules that hosts leave out at load */
	size_t drop_count;
	bool windowed;                  /* then start <= now < end */
	int64_t window_start, window_end;
};

/*
 * Parse and validate. name is what errors call the document. Unknown members
 * are ignored, unknown needs refused. On failure *out is untouched.
 */
int assignment_parse(struct assignment **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
void assignment_free(struct assignment *a);     /* NULL is fine */

/* Channel and ring equal those of the path the document was found at; ERR_REFUSED otherwise. */
int assignment_check_place(const struct assignment *a, const char *channel, const char *ring, struct err *e) MUST_CHECK;

/* Appends the document; checks what it writes, so what it wrote parses. a may live on the stack. */
int assignment_write(struct buf *out, const struct assignment *a, struct err *e) MUST_CHECK;

/* "rings/<ring>/<channel>.json" and "bundles/<channel>/<serial>.tar.gz", "bundles/<channel>/<from>-<to>.zst". */
void assignment_path(char out[PATH_LEN_MAX + 1], const char *ring, const char *channel);
void bundle_path(char out[PATH_LEN_MAX + 1], const char *channel, uint64_t serial);
void bundle_delta_path(char out[PATH_LEN_MAX + 1], const char *channel, uint64_t from, uint64_t to);

/*
 * What an endpoint reports about rules left out: SHA-256 over each rule id and
 * a line feed, in byte order; zero when nothing is dropped.
 */
int assignment_drop_digest(struct digest *out, const struct assignment *a, struct err *e) MUST_CHECK;

AUTO_DEFINE(assignment, struct assignment *, assignment_free);

#endif
