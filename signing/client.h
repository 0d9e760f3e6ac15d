/*
 * client: the TUF client workflow (specification 1.0.34, section 5) as an
 * engine without I/O.
 *
 * Bytes and "now" go in; what to do next, or a verdict, comes out. A driver
 * (driver.h, or the agent's judge) loops:
 *
 *	tuf_client_refresh(c, now);
 *	while (tuf_client_next(c, &step, e) == 0 && step.need != TUF_DONE)
 *		TUF_LOAD   read step.name from the store, answer GOT or ABSENT
 *		TUF_FETCH  get step.name below the metadata URL, at most step.max
 *		           bytes; answer GOT, ABSENT (404, 403) or FAILED
 *		TUF_STORE  replace step.name in the store by step.bytes, atomically
 *
 * Names are quoted already and hold no '/'. Every file is handed out for
 * storing as soon as it is verified; those stay when a later step fails.
 */
#ifndef SIGNING_CLIENT_H
#define SIGNING_CLIENT_H

#include "signing/metadata.h"

#define TUF_ROOT_STEPS 256      /* new roots in one refresh */
#define TUF_SEARCH_ROLES 32     /* delegated roles in one search */

struct tuf_client;

enum tuf_need { TUF_DONE, TUF_LOAD, TUF_FETCH, TUF_STORE };
enum tuf_answer { TUF_GOT, TUF_ABSENT, TUF_FAILED };

struct tuf_step {
	enum tuf_need need;
	const char *name;       /* LOAD and STORE: "timestamp.json"; FETCH: "7.snapshot.json"; valid until the next call */
	size_t max;             /* FETCH and LOAD: most bytes */
	const void *bytes;      /* STORE: borrowed until the next call */
	size_t len;
};

enum tuf_rules {
	TUF_ANY,        /* any TUF repository */
	TUF_HOUSE,      /* ours: top-level targets lists nothing, delegations terminate, target paths have three segments */
};

/*
 * root: the trusted root, checked for form and its own threshold (expiry is
 * ignored here). Failure means that nothing may be requested.
 */
int tuf_client_new(struct tuf_client **out, const void *root, size_t len, enum tuf_rules rules, struct err *e) MUST_CHECK;
void tuf_client_free(struct tuf_client *c);

/* Begin a whole refresh: root chain, timestamp, snapshot, top-level targets. What was known but the root is forgotten. */
void tuf_client_refresh(struct tuf_client *c, int64_t now);
/* Begin the same from the store alone: never TUF_FETCH or TUF_STORE; whatever is missing, unsigned or expired is an error. */
void tuf_client_resume(struct tuf_client *c, int64_t now);
/*
 * Begin a search for a target path; after a refresh or resume that ended in TUF_DONE, else ERR_INTERNAL.
 * A search that failed (a role that is missing, expired or unreachable) spoils no other search.
 */
int tuf_client_find(struct tuf_client *c, const char *path, size_t len, struct err *e) MUST_CHECK;

/*
 * What to do next. Negative: the refusal. After one in a refresh the client
 * knows what was verified so far and wants a new refresh; after one in a search
 * it is ready for another. ERR_NET when the driver's answer was TUF_FAILED.
 */
int tuf_client_next(struct tuf_client *c, struct tuf_step *out, struct err *e) MUST_CHECK;
/* The answer to TUF_LOAD or TUF_FETCH; bytes are copied. TUF_STORE needs no answer: just stop when it failed. */
void tuf_client_answer(struct tuf_client *c, enum tuf_answer a, const void *bytes, size_t len);

/* ---- what is known; everything is borrowed until the next refresh ---- */

struct tuf_target {
	const struct metadata_target *target;   /* path, length, hashes, custom */
	const char *role;                       /* that signed it */
	const struct metadata *signer;          /* that role's metadata */
};

/* What the last search found; NULL: no role lists this path. */
const struct tuf_target *tuf_client_target(const struct tuf_client *c);
/* Where to get it, below the targets URL: "dir/<hash>.name" or "dir/name"; as the path stands, not quoted. */
int tuf_client_target_name(const struct tuf_client *c, const struct metadata_target *t, struct buf *out, struct err *e) MUST_CHECK;

/* "root", "timestamp", "snapshot", "targets" or a delegated role loaded since the refresh; NULL: not known. */
const struct metadata *tuf_client_metadata(const struct tuf_client *c, const char *role);
int64_t tuf_client_now(const struct tuf_client *c);     /* as given to the last refresh */

AUTO_DEFINE(tuf_client, struct tuf_client *, tuf_client_free);

#endif
