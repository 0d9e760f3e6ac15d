/* backup_files: copying with a hash on the way, and backup.json, the list of what was copied; for backup*.c and restore.c. */
#ifndef SERVER_BACKUP_FILES_H
#define SERVER_BACKUP_FILES_H

#include <sys/types.h>

#include "base/hash.h"

#define BACKUP_LIST "backup.json"

struct backup_file {
	char *path;             /* beneath the backup; owned */
	uint64_t size;
	struct digest sha256;
};

struct backup_list {
	int64_t taken;
	int64_t store_version;
	bool secrets;
	struct backup_file *files;      /* owned */
	size_t count, cap;
};

int backup_list_add(struct backup_list *l, const char *path, uint64_t size, const struct digest *sha256, struct err *e) MUST_CHECK;
const struct backup_file *backup_list_find(const struct backup_list *l, const char *path);      /* NULL: not in it */
void backup_list_release(struct backup_list *l);
/* Strict: every path stays beneath the directory. On failure release what was read. */
int backup_list_parse(struct backup_list *l, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
/* Into DIR/backup.json, durable; and from there. */
int backup_list_write(const struct backup_list *l, const char *dir, struct err *e) MUST_CHECK;
int backup_list_read(struct backup_list *l, const char *dir, struct err *e) MUST_CHECK;

/*
 * A regular file beside its new place and then into it, with its directories;
 * not durable before sync_files(). Size and hash are of what was written.
 */
int backup_copy(const char *from, const char *to, mode_t mode, uint64_t *size, struct digest *sha256, struct err *e) MUST_CHECK;
int backup_hash(const char *path, uint64_t *size, struct digest *sha256, struct err *e) MUST_CHECK;
int backup_sync(const char *dir, struct err *e) MUST_CHECK;     /* all of its file system */

#endif
