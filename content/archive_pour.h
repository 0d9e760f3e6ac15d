/*
 * archive_pour: members on their way into a sink, checked against the manifest.
 *
 * What archives and deltas have in common: the manifest comes first, then its
 * files in order; each must have the size and hash it promises; the whole must
 * have size and D as wanted. For content/archive_read.c and content/delta.c.
 */
#ifndef CONTENT_ARCHIVE_POUR_H
#define CONTENT_ARCHIVE_POUR_H

#include "content/archive_read.h"

struct archive_pour;

struct archive_pour *archive_pour_new(const struct archive_want *want, const struct archive_sink *sink);      /* both copied; sink may be NULL */
void archive_pour_free(struct archive_pour *p);

int archive_pour_manifest(struct archive_pour *p, const void *json, size_t len, struct err *e) MUST_CHECK;

/* The file that must come now; NULL when all came (or the manifest has not). */
const struct manifest_file *archive_pour_next(const struct archive_pour *p);

/* kept: the bytes that follow are those of the old tree's file, which the sink may take as `same`. */
int archive_pour_begin(struct archive_pour *p, bool kept, struct err *e) MUST_CHECK;
int archive_pour_data(struct archive_pour *p, const void *bytes, size_t len, struct err *e) MUST_CHECK;
int archive_pour_end(struct archive_pour *p, struct err *e) MUST_CHECK;

int archive_pour_finish(struct archive_pour *p, struct digest *digest, uint64_t *size, struct err *e) MUST_CHECK;

const struct manifest *archive_pour_manifest_of(const struct archive_pour *p);
struct manifest *archive_pour_take_manifest(struct archive_pour *p);

AUTO_DEFINE(archive_pour, struct archive_pour *, archive_pour_free);

#endif
