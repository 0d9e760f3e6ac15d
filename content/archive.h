/*
 * archive: the one encoding of a bundle, and its digest D.
 *
 * A POSIX ustar stream: manifest.json, then every file of the manifest in
 * byte order of the paths; regular files, mode 0644, owners 0 without names,
 * times 0, each body padded with zeros to 512 bytes; two zero blocks; nothing
 * after them. Every field has exactly one spelling, so equal content has equal
 * bytes, and a reader compares whole headers instead of interpreting them.
 * D is the SHA-256 of that stream; on the wire it is gzipped, and D does not
 * depend on how.
 *
 * This file knows no JSON and no compression: it is all that the process
 * which writes slots needs to recompute D from what it wrote.
 */
#ifndef CONTENT_ARCHIVE_H
#define CONTENT_ARCHIVE_H

#include <stdbool.h>

#include "base/hash.h"

#define ARCHIVE_BLOCK ((size_t)512)                     /* bytes */
#define ARCHIVE_SIZE_MAX ((uint64_t)1 << 30)            /* bytes of the uncompressed stream */

/*
 * name_path_valid(), and it fits ustar: at most 100 bytes, or a slash with at
 * most 155 bytes before and at most 100 after it. The split is at the first
 * slash that leaves at most 100 bytes.
 */
bool archive_path_valid(const char *path, size_t len);

/* Fills one header. path must be valid, size below 8 GiB. */
void archive_header(uint8_t out[ARCHIVE_BLOCK], const char *path, uint64_t size);
bool archive_header_size(const uint8_t header[ARCHIVE_BLOCK], uint64_t *size);  /* the size field alone; then compare with archive_header() */
uint64_t archive_padded(uint64_t size);                 /* rounded up to whole blocks */

/*
 * Where the members of a bundle go, in the order of the archive: manifest.json
 * first. Each callback answers 0 or a negative code with *e set, which stops
 * the source. A member's bytes are proved by its end(), the bundle as a whole
 * only when the source returns success: keep nothing before.
 */
struct archive_sink {
	int (*begin)(void *arg, const char *path, uint64_t size, struct err *e);
	int (*data)(void *arg, const void *bytes, size_t len, struct err *e);
	int (*end)(void *arg, struct err *e);
	/*
	 * From deltas only, may be NULL: this member is byte for byte the old
	 * slot's file of the same path, which was just re-hashed. Takes the
	 * place of begin, data, end.
	 */
	int (*same)(void *arg, const char *path, uint64_t size, struct err *e);
	void *arg;
};

/*
 * D from members as they are written. Refuses an invalid path, a wrong order
 * (manifest.json first, then ascending), and bodies of another length than
 * announced.
 */
struct archive_digest;
struct archive_digest *archive_digest_new(void);        /* NULL when there is no memory */
void archive_digest_free(struct archive_digest *d);     /* NULL is fine */
int archive_digest_begin(struct archive_digest *d, const char *path, uint64_t size, struct err *e) MUST_CHECK;
int archive_digest_data(struct archive_digest *d, const void *bytes, size_t len, struct err *e) MUST_CHECK;
int archive_digest_end(struct archive_digest *d, struct err *e) MUST_CHECK;
int archive_digest_finish(struct archive_digest *d, struct digest *out, uint64_t *size, struct err *e) MUST_CHECK;     /* size: of the stream */

AUTO_DEFINE(archive_digest, struct archive_digest *, archive_digest_free);

#endif
