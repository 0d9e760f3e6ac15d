/*
 * repo: a published repository in a directory: DIR/metadata and DIR/targets,
 * plain files that any web server can serve, with consistent snapshots.
 *
 * Changes are collected in memory (target files are written at once, under
 * their hashes, which nothing names yet) and become visible by
 * repo_publish(): target files, delegated roles, targets, snapshot, timestamp
 * last, each durable before the next. A crash anywhere leaves the old view or
 * the new one; doing it again completes it. Only repo_sweep() deletes. A file's
 * time of change is when it was published, by the clock that signs.
 *
 * One process changes a repository at a time (a lock file says so); a change
 * made by another since repo_open() is ERR_CONFLICT.
 */
#ifndef SIGNING_REPO_H
#define SIGNING_REPO_H

#include "signing/author.h"

#define REPO_TIMESTAMP_LIFE (86400)             /* seconds; renewed at half */
#define REPO_SNAPSHOT_LIFE (7 * 86400)
#define REPO_SERVER_LIFE (30 * 86400)           /* roles that the server signs: ring-*, stop */
#define REPO_PEOPLE_LIFE (400 * 86400)          /* roles that people sign: all others */
#define REPO_PATTERN_MAX 128

struct repo;

struct repo_plan {
	struct author_role root, targets, snapshot, timestamp;  /* names and patterns are ignored */
	const struct author_role *roles;        /* delegated; patterns NULL: those of repo_pattern() */
	size_t count;
};

/* The one path pattern of a role ("content-edr": all below bundles/edr/), the table of the design; false for a name that has none. */
bool repo_pattern(char out[REPO_PATTERN_MAX], const char *role);
bool repo_is_people(const char *role);          /* signed by people: 400 days, versions count by one */

/*
 * Makes the first repository: root 1, targets, an empty file for every delegated
 * role that the ring can sign (the others join with repo_put_signed()), snapshot,
 * timestamp. ERR_CONFLICT when there is one already; ERR_AUTH when the ring cannot
 * sign root, targets, snapshot or timestamp.
 */
int repo_create(const char *dir, const struct repo_plan *plan, const struct keyring *ring, int64_t now, struct err *e) MUST_CHECK;

/* Opens and verifies everything that the timestamp names (expiry aside). */
int repo_open(struct repo **out, const char *dir, struct err *e) MUST_CHECK;
void repo_free(struct repo *r);         /* what was not published is forgotten */

/* ---- reading; pending changes are seen ---- */

struct repo_target {
	const char *role, *path;
	uint64_t length;
	struct digest sha256;
	const struct json *custom;      /* NULL: none */
};

typedef int repo_visit(const struct repo_target *t, void *arg, struct err *e);
/* Every target of a role (NULL: of all roles) in byte order; a visit's non-zero answer ends it and is returned; it may not change the repo. ERR_NOT_FOUND: no such role. */
int repo_each_target(const struct repo *r, const char *role, repo_visit *visit, void *arg, struct err *e) MUST_CHECK;
/* Its bytes, checked; ERR_NOT_FOUND when no role lists it. */
int repo_read_target(const struct repo *r, const char *path, size_t max, struct buf **out, struct err *e) MUST_CHECK;
/* Where the bytes lie: "DIR/targets/<dir>/<sha256>.<name>"; the caller frees; ERR_NOT_FOUND. */
int repo_target_file(const struct repo *r, const char *path, char **out, struct err *e) MUST_CHECK;

struct repo_status {
	const char *role;       /* borrowed from the repo */
	int64_t version;        /* 0: delegated, never published */
	int64_t expires;
	int64_t threshold;
	size_t keys;            /* distinct */
	size_t held;            /* of these, in the ring */
	size_t targets;
	bool pending;           /* changed, not published */
};
/* Root first, then timestamp, snapshot, targets, delegated roles in order. ring may be NULL. */
size_t repo_role_count(const struct repo *r);
void repo_role_status(const struct repo *r, size_t at, const struct keyring *ring, struct repo_status *out);
bool repo_can_sign(const struct repo *r, const char *role, const struct keyring *ring);
const struct metadata *repo_root(const struct repo *r);        /* borrowed until the next publish */
const struct metadata *repo_role(const struct repo *r, const char *role);      /* as published; NULL: none */

/* ---- changing ---- */

/* Writes a target file that a signed document lists or will list. */
int repo_stage(struct repo *r, const char *path, const void *bytes, size_t len, struct digest *sha256 /* may be NULL */, struct err *e) MUST_CHECK;
int repo_stage_file(struct repo *r, const char *path, const char *from, uint64_t *length, struct digest *sha256, struct err *e) MUST_CHECK;
/* Stages the bytes and lists them in the role; custom is JSON text or NULL. The path must be one the role may speak for. */
int repo_put_target(struct repo *r, const char *role, const char *path, const void *bytes, size_t len, const char *custom, struct err *e) MUST_CHECK;
int repo_put_target_file(struct repo *r, const char *role, const char *path, const char *from, const char *custom, struct err *e) MUST_CHECK;
int repo_remove_target(struct repo *r, const char *role, const char *path, struct err *e) MUST_CHECK;

/*
 * A role's file signed elsewhere (a vendor, people): verified against its
 * delegation; its version must rise (ERR_ROLLBACK), its paths be its own, and
 * its target files be staged. Role "root" and "targets" as well; root must be
 * signed by the old threshold too.
 */
int repo_put_signed(struct repo *r, const char *role, const void *envelope, size_t len, int64_t now, struct err *e) MUST_CHECK;
/*
 * What repo_publish() would sign for a role, with the signatures the ring can
 * give: a signing request for others. *met: the threshold is reached already.
 */
int repo_draft(struct repo *r, const char *role, const struct keyring *ring, int64_t now, struct buf **out, bool *met, struct err *e) MUST_CHECK;

/*
 * Versions are set aside before anything is signed, by whoever keeps count
 * beyond this directory (the server's store): so that two servers, or one whose
 * directory came from a backup, never sign two files under one version.
 */
struct repo_reservation {
	const char *role;
	int64_t version;                /* in: the least that will do; out: ours alone */
	const struct digest *sha256;    /* of a file signed elsewhere: exactly this version or ERR_ROLLBACK, ERR_CONFLICT; NULL: any not below */
};
/* All of them or none, durable when it answers. */
typedef int repo_reserve(struct repo_reservation *list, size_t count, void *arg, struct err *e);
void repo_set_reserve(struct repo *r, repo_reserve *reserve, void *arg);       /* NULL: versions follow from the directory alone */

/*
 * Signs what is pending and publishes. ERR_AUTH names the role whose keys are
 * not in the ring; then nothing was published and the changes are still pending.
 * Nothing pending: nothing is done. A clock behind repo_issued() is not
 * followed: then everything is signed as of repo_issued(), so that expiries
 * never go back.
 */
int repo_publish(struct repo *r, const struct keyring *ring, int64_t now, struct err *e) MUST_CHECK;
void repo_discard(struct repo *r);      /* forget what is pending */

/*
 * Signs again whatever the server signs and is past half its life. Answers how
 * many files changed; 0: nothing was due. Fails with ERR_CONFLICT while changes are pending.
 */
int repo_renew(struct repo *r, const struct keyring *ring, int64_t now, struct err *e) MUST_CHECK;
int64_t repo_next_renewal(const struct repo *r, const struct keyring *ring);   /* when repo_renew() has something to do; 0: at once, a rotation was cut short */
int64_t repo_issued(const struct repo *r);      /* when the timestamp was signed; 0 when keys of a new root are to sign it */

/* ---- retention ---- */

/*
 * What stays: everything that is published now, and every root; metadata that
 * was replaced less than `seconds` ago, and the file before the newest; target
 * files that any of the metadata that stays lists; the newest `bundles`
 * archives of each channel; the paths in `named`; and whatever was put there
 * less than `seconds` ago. So a reader that holds an older snapshot finds all of it.
 */
struct repo_retention {
	size_t bundles;
	int64_t seconds;
	const char *const *named;       /* target paths */
	size_t named_count;
	const struct metadata *const *waiting;  /* drafts that may be published yet: what they list stays */
	size_t waiting_count;
};

/* A file that goes: "metadata/7.stop.json", "targets/stop/edr/<sha256>.stops.json". Not zero ends the sweep and is returned. */
typedef int repo_gone(const char *file, uint64_t bytes, void *arg, struct err *e);

/*
 * Removes what need not stay; dry: only tells. Answers how many files. ERR_CONFLICT
 * while changes are pending, or when another process changed the repository.
 */
int repo_sweep(struct repo *r, const struct repo_retention *keep, int64_t now, bool dry, repo_gone *gone /* may be NULL */, void *arg,
	       struct err *e) MUST_CHECK;

AUTO_DEFINE(repo, struct repo *, repo_free);

#endif
