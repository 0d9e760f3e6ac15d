// bundle: from a directory an author works in to an archive, the same bytes every time.
//
// DIR/bundle.json says what the directory is (line comments, because of the patterns):
//   {"format":1,"channel":"edr","serial":110,"version":"2026.02.1","created":"2026-02-01T12:00:00Z",
//    "severity":"normal","notes":"...",
//    "types":[{"match":"rules/*.json","type":"rules"}],
//    "selftest":["selftest/*.ndjson"],
//    "leave_out":["README.md"],
//    "requires":[{"type":"rules","version":"1"}],
//    "budget":{"load_ms":500,"rss_bytes":67108864,"us_per_event":50}}
// Required: format, types. The first pattern that matches gives a file its
// type; selftest and leave_out come before types. `*` and `?` match within one
// segment, `**` as a whole segment matches any number of them. Unknown
// members, and files that no pattern matches, are refused. bundle.json itself
// is not part of the bundle.
//
// Without bundle.json, `type` selects files by their ending and leaves the
// rest out, saying so: a plain directory of YARA files is enough.
//
// Files of type rules may be written in YAML (.yaml, .yml; base/yaml.h): the
// bundle holds them as JSON, indented, under the same name with .json.
//
// File order, times, modes, owners, locale and the working directory have no
// influence. Symbolic links, special files and names outside
// archive_path_valid() are refused.
#ifndef CONTENT_BUNDLE_H
#define CONTENT_BUNDLE_H

#include "content/archive_read.h"
#include "content/archive_write.h"
#include "content/manifest.h"

#define BUNDLE_NAME "bundle.json"
#define BUNDLE_UNSET INT64_MIN

struct bundle_options {                 /* each wins over bundle.json; use BUNDLE_OPTIONS_NONE for none */
	const char *channel;            /* NULL: bundle.json's */
	int64_t serial;                 /* 0: bundle.json's */
	const char *version;            /* NULL: bundle.json's, else the serial's digits */
	int64_t created;                /* BUNDLE_UNSET: bundle.json's, else created_fallback */
	int64_t created_fallback;       /* $SOURCE_DATE_EPOCH; BUNDLE_UNSET: none, then a missing `created` is refused */
	const char *type;               /* for a directory without bundle.json; NULL: one is required */
};
#define BUNDLE_OPTIONS_NONE ((struct bundle_options){ .created = BUNDLE_UNSET, .created_fallback = BUNDLE_UNSET })

struct bundle {
	struct manifest *manifest;
	struct buf *json;               /* the manifest's bytes */
	struct buf *archive;            /* gzipped */
	struct digest digest;           /* D */
	uint64_t size;                  /* bytes, uncompressed */
	char **left_out;                /* paths of DIR that are not in it; a directory ends with '/' */
	size_t left_out_count;
};

/* Errors name the file at fault, below dir. Reads only. */
int bundle_build(struct bundle **out, const char *dir, const struct bundle_options *options, struct err *e) MUST_CHECK;
void bundle_free(struct bundle *b);     /* NULL is fine */

/*
 * Checks the archive file at path in full. manifest, digest and size may be NULL.
 * want as in archive_read.h; NULL: whatever it is.
 */
int bundle_check(const char *path, const struct archive_want *want, struct manifest **manifest,
		 struct digest *digest, uint64_t *size, struct err *e) MUST_CHECK;

/* Unpacks the archive file at path to parent/name (see tree.h); parent is a directory that exists. */
int bundle_unpack(const char *path, const struct archive_want *want, const char *parent, const char *name,
		  struct manifest **manifest, struct digest *digest, struct err *e) MUST_CHECK;

AUTO_DEFINE(bundle, struct bundle *, bundle_free);

#endif
