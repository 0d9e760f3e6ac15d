/*
 * delta: the way from one bundle of a channel to another, solid.
 *
 * Two zstd frames and nothing else. The first holds the new manifest; its
 * prefix (what the decoder knows already) is the old manifest. The second
 * holds the new bytes of every changed or added file in the order of the
 * archive; its prefix is the old bytes of every changed or deleted file, in
 * order. It is absent when there are no such new bytes. Files whose path and
 * hash are in both manifests are in no frame: they come from the old slot. A
 * file that moved is a deletion and an addition, and costs nothing thanks to
 * the prefix. (Why two frames: docs/decisions/0004.)
 *
 * Frames carry their content size. Memory of the receiver: the parsed
 * manifests, and one frame's prefix and content at a time, at most
 * 2^window_log bytes; the delta itself and the files that stayed are streamed.
 */
#ifndef CONTENT_DELTA_H
#define CONTENT_DELTA_H

#include "content/archive.h"
#include "content/manifest.h"

#define DELTA_WINDOW_LOG_MAX 24         /* the memory a host must spend is bounded by this */

struct delta_info {                     /* custom.ringhold of the delta's target */
	struct digest from;             /* D of the old bundle */
	struct digest to;               /* D of the new one */
	uint64_t size;                  /* of the new bundle's uncompressed archive */
	int window_log;                 /* what the decoder must allow */
};

/*
 * Appends the delta between two trees, both verified first. ERR_UNSUPPORTED:
 * prefix and content exceed the largest window; serve the full archive.
 */
int delta_make(struct buf *out, int old_dir, int new_dir, struct delta_info *info, struct err *e) MUST_CHECK;

/*
 * Decodes into sink as an archive would come, from the old tree and len bytes
 * of delta whose length and hash the caller has checked. Old files are
 * re-hashed before their bytes are used. Any failure means: take the full
 * archive; ERR_CONFLICT says that the old tree itself is damaged.
 * manifest may be NULL.
 */
int delta_apply(int old_dir, const void *delta, size_t len, const struct delta_info *want,
		const struct archive_sink *sink, struct manifest **manifest, struct err *e) MUST_CHECK;
/* The same from a descriptor, to its end. */
int delta_apply_fd(int old_dir, int delta, const struct delta_info *want, const struct archive_sink *sink,
		   struct manifest **manifest, struct err *e) MUST_CHECK;

#endif
