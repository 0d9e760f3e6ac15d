/*
 * archive_read: a gzipped archive, pushed in pieces, into a sink.
 *
 * Everything is bounded: decompression stops at the first byte beyond
 * want.size, the manifest at its own limit, memory at the manifest plus a few
 * blocks. Headers must equal the only possible ones, files the manifest's
 * sizes and hashes, members the manifest's list, the stream D, and the gzip
 * data one member with nothing behind it.
 */
#ifndef CONTENT_ARCHIVE_READ_H
#define CONTENT_ARCHIVE_READ_H

#include "content/archive.h"
#include "content/manifest.h"

struct archive_want {
	uint64_t size;          /* of the uncompressed stream; 0: unknown, at most ARCHIVE_SIZE_MAX */
	struct digest digest;   /* D; all zero: unknown, whatever comes is reported */
	/*
	 * D is for the sink to compute and compare, and who reads the tree first
	 * holds each file against its hash (tree_verify): neither is done here as
	 * well, and no D is reported.
	 */
	bool sink_proves;
};

struct archive_reader;

/* want and sink are copied; sink NULL: only check. NULL when there is no memory. */
struct archive_reader *archive_reader_new(const struct archive_want *want, const struct archive_sink *sink);
void archive_reader_free(struct archive_reader *r);     /* NULL is fine */

/* After an error the reader answers the same error for ever. */
int archive_reader_add(struct archive_reader *r, const void *gz, size_t len, struct err *e) MUST_CHECK;

/* The end of input: complete and as wanted, or an error. */
int archive_reader_finish(struct archive_reader *r, struct err *e) MUST_CHECK;

/* Borrowed; NULL until its member is complete, proved only by archive_reader_finish(). */
const struct manifest *archive_reader_manifest(const struct archive_reader *r);
struct manifest *archive_reader_take_manifest(struct archive_reader *r);
void archive_reader_result(const struct archive_reader *r, struct digest *digest, uint64_t *size);     /* after finish */

/* The same from a descriptor, to its end. manifest and digest may be NULL. */
int archive_read_fd(int fd, const struct archive_want *want, const struct archive_sink *sink,
		    struct manifest **manifest, struct digest *digest, uint64_t *size, struct err *e) MUST_CHECK;

AUTO_DEFINE(archive_reader, struct archive_reader *, archive_reader_free);

#endif
