/*
 * backup: what a server cannot make again, in one directory, and the way back.
 *
 *   DIR/backup.json     what belongs to it, each file with size and SHA-256; written
 *                       last: a directory without it is no backup
 *   DIR/store.db        the store as of one moment
 *   DIR/repository/     what is published, copied after the store, so that nothing
 *                       the store knows of is missing
 *   DIR/keys.json       the signing keys' public halves: which must be at hand again
 *   DIR/data/           the rest of the data directory, copied before the store
 *   DIR/secrets/        only when asked for: the key of the device tokens, of TLS, the
 *                       operator's token
 *
 * Private signing keys are never in it: they have their own copies, or a token
 * that gives none. It is taken beside a running server.
 */
#ifndef SERVER_BACKUP_H
#define SERVER_BACKUP_H

#include "server/config.h"

struct backup_report {
	int64_t taken;                  /* seconds since the epoch */
	uint64_t files, bytes;
	bool secrets;
	/* of a restore: */
	size_t rollouts;                /* that wait for an operator to resume them */
	size_t bundles;                 /* published after the backup; the store knows them again */
	size_t newer;                   /* metadata files that were published after the backup */
	bool token_key;                 /* the key of the device tokens is there: no device has to enrol again */
};

/* ERR_CONFLICT: dir is there and holds something. What fails leaves no backup.json. */
int backup_take(struct backup_report *out, const struct config *c, const char *dir, bool secrets, struct err *e) MUST_CHECK;

/*
 * Into an empty data directory (ERR_CONFLICT: there is a store already). First
 * what was published last: of the backup's repository, the configured one and
 * `published` (a mirror; NULL: none) the newest that comes from the same root.
 * Then the store, in which every rollout under way waits for an operator. Killed
 * anywhere, it may be repeated: the store comes last.
 */
int backup_restore(struct backup_report *out, const struct config *c, const char *dir, const char *published, int64_t now,
		   struct err *e) MUST_CHECK;

/* Every file is there and is what backup.json says. */
int backup_verify(struct backup_report *out, const char *dir, struct err *e) MUST_CHECK;

/* When the last backup of this server was taken, as the data directory tells; 0: none, or it does not. */
int64_t backup_last(const struct config *c);

#endif
