/*
 * delta_parts: what making and applying a delta share; for content/delta*.c only.
 */
#ifndef CONTENT_DELTA_PARTS_H
#define CONTENT_DELTA_PARTS_H

#include "content/delta.h"

#define DELTA_WINDOW_LOG_MIN 10

/* One side of a delta: a tree, and the files of it that the other side does not have. */
struct delta_side {
	int dir;
	struct manifest *manifest;      /* owned, as all below */
	struct buf *json;
	struct buf *files;              /* the bytes of those files, in order */
};

void delta_side_release(struct delta_side *s);

/* The same path with the same bytes: kept, and in no frame. */
bool delta_is_kept(const struct manifest_file *f, const struct manifest *other);

/* Bytes of the files of m that `other` does not have. */
uint64_t delta_own_bytes(const struct manifest *m, const struct manifest *other);

/* Fills s->files, each file re-hashed. */
int delta_gather(struct delta_side *s, const struct manifest *other, struct err *e) MUST_CHECK;

/* A tree_data that appends to a struct buf. */
int delta_append(void *buf, const void *bytes, size_t len, struct err *e) MUST_CHECK;

int delta_zstd_error(size_t code, struct err *e);

#endif
