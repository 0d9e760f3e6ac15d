/* archive_write: a directory and its manifest into a gzipped archive. */
#ifndef CONTENT_ARCHIVE_WRITE_H
#define CONTENT_ARCHIVE_WRITE_H

#include "content/archive.h"
#include "content/manifest.h"

struct archive_written {
	struct digest digest;   /* D */
	uint64_t size;          /* bytes, uncompressed: `size` of the target's custom */
};

/*
 * Appends the archive of the files of m, read beneath the directory `dir`,
 * each checked against the manifest while it is read (ERR_CONFLICT: changed
 * meanwhile). json is the manifest's encoding. Same input, same bytes.
 */
int archive_write(struct buf *gz, int dir, const struct manifest *m, const struct buf *json,
		  struct archive_written *out, struct err *e) MUST_CHECK;

/* A file whose bytes were made and are not in the directory. */
struct archive_made {
	char *path;             /* as in the manifest */
	struct buf *bytes;
};

/* The same; files that `made` names, in order of their paths, come from there. */
int archive_write_made(struct buf *gz, int dir, const struct manifest *m, const struct buf *json,
		       const struct archive_made *made, size_t made_count, struct archive_written *out, struct err *e) MUST_CHECK;

#endif
