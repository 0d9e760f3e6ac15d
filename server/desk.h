/*
 * desk: the server's hand on the published repository and the keys it holds.
 *
 * One mutex inside; every function may be called from any thread. A change is
 * collected, signed and published in one call; when it fails nothing of it is
 * visible or pending. ERR_AUTH: the keys for that are not here.
 */
#ifndef SERVER_DESK_H
#define SERVER_DESK_H

#include "base/clock.h"
#include "base/json.h"
#include "rollout/assignment.h"
#include "rollout/retention.h"
#include "rollout/ringmap.h"
#include "rollout/stops.h"

struct desk;
struct store;
struct writer;

int desk_open(struct desk **out, const char *repository, const char *keys, struct err *e) MUST_CHECK;
/* From now on versions are set aside in the store before anything is signed under them; what is published already is noted there. */
int desk_keep_count(struct desk *d, struct store *store, struct writer *writer, struct err *e) MUST_CHECK;
void desk_close(struct desk *d);        /* NULL is fine */

/* ---- assignments and stops ---- */

/* ERR_NOT_FOUND: the ring has none. The caller frees. */
int desk_assignment(struct desk *d, const char *ring, const char *channel, struct assignment **out, struct err *e) MUST_CHECK;
int desk_assign(struct desk *d, const struct assignment *a, int64_t now, struct err *e) MUST_CHECK;
int desk_unassign(struct desk *d, const char *ring, const char *channel, int64_t now, struct err *e) MUST_CHECK;
/* Stopped or recalled, as published. */
bool desk_stopped(struct desk *d, const char *channel, const struct digest *digest);
int desk_stop(struct desk *d, const char *channel, const struct stop_entry *entry, int64_t now, struct err *e) MUST_CHECK;     /* stopped already: nothing to do */

/* What is stopped, or recalled, as published; NULL without error: nothing. The caller frees. */
int desk_stops(struct desk *d, enum stops_kind kind, const char *channel, struct stops **out, struct err *e) MUST_CHECK;

bool desk_can_assign(struct desk *d, const char *ring);
bool desk_can_stop(struct desk *d);

/* ---- documents that others signed ---- */

struct desk_file {              /* a target file that the document lists */
	char path[PATH_LEN_MAX + 1];
	char *from;             /* where its bytes lie; borrowed */
};

/* What a content role says of a target, verified but not yet published. */
struct desk_target {
	struct digest sha256;
	uint64_t length;
	const struct json *custom;      /* borrowed from the check */
};

/*
 * An envelope that carries enough signatures for its role. With `count` one
 * valid signature is enough, as others may sign yet; how many there are and how
 * many it wants is stored, and that it lists nothing but its own paths is
 * looked at now instead of when it is published.
 */
struct desk_signed;
struct desk_count {
	size_t have;
	int64_t need;
};
int desk_check(struct desk *d, struct desk_signed **out, const char *role, const void *envelope, size_t len, struct desk_count *count,
	       struct err *e) MUST_CHECK;
void desk_signed_free(struct desk_signed *s);
bool desk_signed_target(const struct desk_signed *s, const char *path, struct desk_target *out);        /* false: it lists no such path */
/* The paths under which it lists these bytes, from nth 0 on; NULL: no more. Borrowed. */
const char *desk_signed_path(const struct desk_signed *s, const struct digest *sha256, size_t nth);

/* Does the published role already list this path with these bytes? */
bool desk_lists(struct desk *d, const char *role, const char *path, const struct digest *sha256);
/* The channel's role lists targets, and this path is no longer among them. */
bool desk_dropped(struct desk *d, const char *channel, const char *path);
/* Written when everything was found right, before anybody can see it; negative: nothing is published. NULL: nothing to write. */
struct desk_record {
	int (*write)(void *arg, struct err *e);
	void *arg;
};
int desk_publish(struct desk *d, const char *role, const void *envelope, size_t len, const struct desk_file *files, size_t count,
		 const struct desk_record *record, int64_t now, struct err *e) MUST_CHECK;
/* The signed file of a role as published. The caller frees. ERR_NOT_FOUND. */
int desk_role(struct desk *d, const char *role, struct buf **out, struct err *e) MUST_CHECK;
int desk_draft(struct desk *d, const char *role, int64_t now, struct buf **out, struct err *e) MUST_CHECK;

/* Where the bytes of a listed target lie; the caller frees. ERR_NOT_FOUND. */
int desk_target_file(struct desk *d, const char *path, char **out, struct err *e) MUST_CHECK;

/* ---- upkeep ---- */

/* Removes what the repository need not keep (rollout/retention.h); answers how many files, *bytes together. */
int desk_sweep(struct desk *d, const struct retention *keep, int64_t now, uint64_t *bytes, struct err *e) MUST_CHECK;

/*
 * What the clock did since the last look (clockwatch.h); about once a second.
 * True: there is something to be said. Everything above is signed by the time
 * that is believed, and never as of a time before the last signature. A jump
 * that the server itself doubts is not believed, however long it lasts.
 */
#define DESK_SENTENCE 256
bool desk_clock(struct desk *d, int64_t now, int64_t ticks_ms, bool doubted, char out[DESK_SENTENCE]);
struct clockwatch;
void desk_resume_clock(struct desk *d, const struct clockwatch *kept);  /* before the first look */
struct desk_clock {
	int64_t signing;        /* what is signed now is signed as of then */
	bool doubted;           /* the clock jumped and is not believed yet */
	int64_t behind_s;       /* so far the clock is before the last signature; 0: it is not */
	int64_t jumped_at, jump_s;      /* the last jump seen; 0: none */
	uint64_t jumps;
};
void desk_clock_status(struct desk *d, int64_t now, struct desk_clock *out);

int64_t desk_next_renewal(struct desk *d);
int desk_renew(struct desk *d, int64_t now, struct err *e) MUST_CHECK;         /* how many files changed */
int64_t desk_timestamp(struct desk *d);         /* its version */
uint64_t desk_ringmap_serial(struct desk *d);   /* changes whenever the ring map may have changed */
/* NULL without error: none is published. */
int desk_ringmap(struct desk *d, struct ringmap **out, struct err *e) MUST_CHECK;

struct desk_role_status {
	char role[NAME_LEN_MAX * 2];
	int64_t version, expires, threshold;
	int64_t reserved;       /* the greatest version ever signed here, as far as the store knows; 0: unknown */
	size_t keys, held;
};
/* How many there are; fills in at most max. */
size_t desk_roles(struct desk *d, struct desk_role_status *out, size_t max);

AUTO_DEFINE(desk, struct desk *, desk_close);
AUTO_DEFINE(desk_signed, struct desk_signed *, desk_signed_free);

#endif
