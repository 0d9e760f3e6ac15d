/*
 * manifest: what one bundle contains; `manifest.json`, the first member of its archive.
 *
 * One line of JSON, members in the order of this page, no white space, a
 * newline at the end and nowhere else: that newline is how a delta tells where
 * the manifest stops. Readers ignore members they do not know and refuse
 * `needs` they do not know. Files are sorted by the bytes of their path, so
 * the manifest gives the whole order of the archive.
 */
#ifndef CONTENT_MANIFEST_H
#define CONTENT_MANIFEST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/name.h"

#define MANIFEST_NAME "manifest.json"
#define MANIFEST_FORMAT 1
#define MANIFEST_BYTES_MAX ((size_t)32 << 20)
#define MANIFEST_FILES_MAX 100000
#define MANIFEST_SERIAL_MAX (((int64_t)1 << 53) - 1)    /* what every JSON reader keeps exactly */
#define MANIFEST_NOTES_MAX 16384                        /* bytes */
#define MANIFEST_REQUIRES_MAX 64
#define MANIFEST_TYPE_SELFTEST "selftest"               /* the type of files of events with expected verdicts */
#define MANIFEST_TYPE_BENIGN "benign"                   /* ... and of events that must stay undisturbed */

struct manifest_file {
	char *path;             /* owned; see archive_path_valid() */
	uint64_t size;          /* bytes */
	struct digest sha256;
	char *type;             /* owned; name_valid(): "rules", "yara", "selftest", ... */
};

struct manifest_require {
	char *type;             /* owned; a content type of the contract */
	char *version;          /* owned; the version the sensor's contract must offer */
};

struct manifest_budget {        /* what loading may cost; 0: the contract's ceilings only */
	int64_t load_ms;
	int64_t rss_bytes;
	int64_t us_per_event;
};

struct manifest {
	char *channel;          /* owned; name_valid() */
	uint64_t serial;        /* 1 .. MANIFEST_SERIAL_MAX; never used twice in a channel */
	char *version;          /* owned; for people; 1 .. VERSION_LEN_MAX bytes */
	int64_t created;        /* seconds since the epoch, UTC */
	char *severity;         /* owned; see manifest_severity_valid() */
	char *notes;            /* owned; may be empty */
	struct manifest_file *files;    /* owned; sorted by path; at least one */
	size_t file_count;
	struct manifest_require *requires;      /* owned */
	size_t require_count;
	char **selftests;       /* owned; paths of files above whose type is "selftest"; sorted */
	size_t selftest_count;
	struct manifest_budget budget;
};

/*
 * Parse len bytes as they stand in an archive or a slot. On failure *out is
 * untouched: ERR_FORMAT, ERR_LIMIT, or ERR_UNSUPPORTED for an unknown need.
 * Pure: no I/O, no clock.
 */
int manifest_parse(struct manifest **out, const char *json, size_t len, struct err *e) MUST_CHECK;
void manifest_free(struct manifest *m);         /* NULL is fine */

/* Appends the one encoding of m. m must be sound: manifest_parse() accepts what comes out, or this fails. */
int manifest_write(struct buf *out, const struct manifest *m, struct err *e) MUST_CHECK;

const struct manifest_file *manifest_find(const struct manifest *m, const char *path);  /* NULL: none */
bool manifest_holds_dir(const struct manifest *m, const char *path);    /* some file lies beneath this directory */
bool manifest_severity_valid(const char *severity);     /* low, normal, high, critical: what authors may write */

/* Bytes of the uncompressed archive of m, whose manifest.json has manifest_len bytes. */
uint64_t manifest_archive_size(const struct manifest *m, size_t manifest_len);

AUTO_DEFINE(manifest, struct manifest *, manifest_free);

#endif
