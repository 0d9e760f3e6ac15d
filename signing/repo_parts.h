/* repo_parts: the state that signing/repo*.c share; for these only. */
#ifndef SIGNING_REPO_PARTS_H
#define SIGNING_REPO_PARTS_H

#include "signing/repo.h"

/* The first four entries of repo.roles have the indices of enum metadata_type. */
struct repo_entry {
	char *name;                     /* owned */
	enum metadata_type type;
	struct metadata *m;             /* as published; NULL: never */
	struct metadata *signed_new;    /* pending, signed elsewhere */
	struct author *draft;           /* pending, to be signed by repo_publish() */
	struct metadata *view;          /* the draft, parsed for reading */
};

struct repo {
	char *dir;
	struct repo_entry *roles;
	size_t count;
	bool resign;                    /* root changed, and what its keys sign is not all signed by them yet */
	bool unsynced;                  /* target files were written and not synced */
	repo_reserve *reserve;          /* NULL: none */
	void *reserve_arg;
};

struct repo_entry *repo_find_entry(const struct repo *r, const char *role);     /* NULL: none */
const struct metadata *repo_seen(const struct repo_entry *entry);       /* pending if there is, else published; NULL: none */
bool repo_entry_pending(const struct repo_entry *entry);
void repo_entry_settle(struct repo_entry *entry);       /* forgets what is pending */
int repo_add_entry(struct repo *r, const char *name, enum metadata_type type, struct err *e);
/* The keys that sign a role: root's for the four, else those of targets, as they will be after publishing. */
bool repo_authority(const struct repo *r, const char *role, struct authority *out);
int repo_no_role(const char *role, struct err *e);

/* Begins a draft from what is published, or an empty one. */
int repo_begin_draft(struct repo_entry *entry, struct err *e);
int repo_refresh_view(struct repo_entry *entry, struct err *e);
int64_t repo_next_version(const struct repo_entry *entry, int64_t now);
int64_t repo_life(const struct repo_entry *entry);      /* seconds */
/* The draft with version and expiry, signed by the ring. */
int repo_sign_draft(const struct repo *r, struct repo_entry *entry, const struct keyring *ring, int64_t version, int64_t now,
		    struct buf **out, bool *met, struct err *e);

/* "DIR/metadata/7.snapshot.json"; version 0: no prefix. */
char *repo_metadata_path(const struct repo *r, int64_t version, const char *role);
char *repo_target_path(const struct repo *r, const char *path, const struct digest *sha256);
int repo_lock(const struct repo *r, int *fd, struct err *e);
int repo_unchanged(const struct repo *r, struct err *e);        /* with the lock: the timestamp is still the one we know; ERR_CONFLICT */
int repo_stamp(const char *path, int64_t at, struct err *e);    /* the time of change of a file */
int repo_load(struct repo *r, struct err *e);           /* everything the timestamp names */

#endif
