/*
 * file: whole files, durable replacement, small directory work.
 *
 * Paths are plain strings; the *at forms work beneath a directory descriptor
 * and never follow a link in the last component. Errors name the path.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* Reads a regular file of at most max bytes (ERR_LIMIT beyond; ERR_NOT_FOUND when absent). */
int file_read(struct buf **out, const char *path, size_t max, struct err *e) MUST_CHECK;
int file_readat(struct buf **out, int dir, const char *path, size_t max, struct err *e) MUST_CHECK;
int file_read_secret(struct buf **out, const char *path, size_t max, struct err *e) MUST_CHECK;   /* file_check_private() of the very file that is read */
int file_read_fd(struct buf **out, int fd, size_t max, struct err *e) MUST_CHECK;      /* to the end of any descriptor */

/*
 * Replaces path so that a power cut leaves the old or the new content whole:
 * write a new file beside it, fsync, rename, fsync the directory.
 */
int file_replace(const char *path, const void *bytes, size_t len, mode_t mode, struct err *e) MUST_CHECK;
int file_replaceat(int dir, const char *name, const void *bytes, size_t len, mode_t mode, struct err *e) MUST_CHECK;
/* The same for a file that must not be there yet: ERR_CONFLICT. Of several at once, one is the first. */
int file_create(const char *path, const void *bytes, size_t len, mode_t mode, struct err *e) MUST_CHECK;
int file_write_all(int fd, const void *bytes, size_t len, struct err *e) MUST_CHECK;   /* every byte or an error */

int file_sync_dir(const char *path, struct err *e) MUST_CHECK;         /* fsync of a directory */
int file_mkdirs(const char *path, mode_t mode, struct err *e) MUST_CHECK;      /* like mkdir -p; what it made is durable */
int file_remove_tree(const char *path, struct err *e) MUST_CHECK;      /* like rm -rf; follows no link; absent is success */
int file_remove_treeat(int dir, const char *name, struct err *e) MUST_CHECK;
bool file_exists(const char *path);

/* Refuses a file that others may write or that is not root's or ours; `secret`: nor that group or others may read. */
int file_check_private(const char *path, bool secret, struct err *e) MUST_CHECK;

/*
 * Calls visit(rel, is_dir, arg) for everything beneath root in byte order of
 * the relative path, directories before what they hold; refuses symbolic
 * links and special files with ERR_REFUSED. A negative answer stops the walk.
 */
typedef int file_visit(const char *rel, bool is_dir, void *arg, struct err *e);
int file_walk(const char *root, file_visit *visit, void *arg, struct err *e) MUST_CHECK;
int file_walkat(int dir, file_visit *visit, void *arg, struct err *e) MUST_CHECK;
/*
 * The same of a tree that others change meanwhile: what went away after its
 * directory was read was not there, and a directory for which visit answers
 * FILE_WALK_PAST is not entered.
 */
#define FILE_WALK_PAST 1
int file_walk_live(const char *root, file_visit *visit, void *arg, struct err *e) MUST_CHECK;

/* "dir/name" in fresh memory the caller frees; NULL when there is none. */
char *file_join(const char *dir, const char *name);

#endif
