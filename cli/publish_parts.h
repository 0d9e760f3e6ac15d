/* publish_parts: what cli/publish*.c share; for these only. */
#ifndef CLI_PUBLISH_PARTS_H
#define CLI_PUBLISH_PARTS_H

#include "cli/publish.h"

/* Opens custom.ringhold with what an archive and a delta have in common; two objects are open then. */
void publish_custom(struct json_writer *w, const struct publish *p, const char *kind);
int publish_list(struct author *a, const char *path, const struct buf *bytes, struct buf *custom, struct err *e);

/* What a target says of itself, when it is an archive of this channel. */
bool publish_is_archive(const struct metadata_target *t, const char *channel, int64_t *serial, struct digest *digest);

/* Deltas from the bundles before; a failure is a note. */
int publish_add_deltas(struct publish *p, struct remote *r, struct role_edit *x, struct err *e);
/* Bundles beyond `keep` that no assignment names leave the list, with the deltas that lead to them. */
int publish_drop_old(struct publish *p, struct remote *r, struct role_edit *x, struct err *e);

#endif
