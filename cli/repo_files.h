/* repo_files: the files of a repository, in a directory or below a URL: metadata/ and targets/. */
#ifndef CLI_REPO_FILES_H
#define CLI_REPO_FILES_H

#include "base/fetch.h"

struct repo_files {
	struct fetch *fetch;            /* NULL: a directory */
	const char *base;               /* directory, or URL without a slash at the end */
};

/* The URL of a file; names as the client engine gives them: of metadata quoted already, of targets as the path stands. */
void repo_files_metadata_url(struct buf *out, const struct repo_files *f, const char *name);
void repo_files_target_url(struct buf *out, const struct repo_files *f, const char *name);

/* Two driver_get, the argument a struct repo_files. */
int repo_files_metadata(void *files, const char *name, size_t max, struct buf **out, struct err *e);
int repo_files_target(void *files, const char *name, size_t max, struct buf **out, struct err *e);

#endif
