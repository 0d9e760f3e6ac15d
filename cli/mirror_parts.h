/* mirror_parts: what the files of one mirror run share: mirror.c, mirror_roots.c, mirror_targets.c. */
#ifndef CLI_MIRROR_PARTS_H
#define CLI_MIRROR_PARTS_H

#include "cli/mirror.h"
#include "cli/repo_files.h"
#include "signing/driver.h"

#define FILE_MODE 0644
#define DIR_MODE 0755

struct work {
	const struct mirror_plan *plan;
	struct mirror_report *report;
	struct repo_files files;
	char *state, *stage;            /* what is trusted; what is gathered */
	struct metadata *anchor;
	struct tuf_client *client;
	struct buf *targets, *roles, *roots;    /* "metadata/7.stop.json": what the copy consists of, each with its NUL */
	struct err *e;
};

/* A path below the copy, with its NUL, joins a list of them. */
int mirror_add_name(struct work *k, struct buf *list, const char *rel) MUST_CHECK;
int mirror_metadata_rel(struct work *k, struct buf *out, int64_t version, const char *role) MUST_CHECK;     /* "metadata/7.stop.json" */
int mirror_make_parent(const char *path, struct err *e) MUST_CHECK;
int mirror_stage(struct work *k, const char *rel, const void *bytes, size_t len) MUST_CHECK;
int mirror_unstage(struct work *k, const char *rel) MUST_CHECK;         /* the copy has it right */
int mirror_keep(struct work *k, const char *rel, const struct buf *raw) MUST_CHECK;     /* metadata that the engine has verified */
void mirror_count(struct work *k, uint64_t bytes);                      /* that were fetched */

int mirror_copy_roots(struct work *k) MUST_CHECK;       /* the whole chain, held link by link */
int mirror_copy_target(struct work *k, const struct metadata_target *t) MUST_CHECK;

#endif
