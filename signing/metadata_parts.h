/* metadata_parts: the pieces that metadata.c assembles; for signing/metadata*.c only. */
#ifndef SIGNING_METADATA_PARTS_H
#define SIGNING_METADATA_PARTS_H

#include "signing/metadata.h"

/* Each reads its members of m->body into m; what was allocated is in m, also on failure. */
int metadata_read_root(struct metadata *m, struct err *e) MUST_CHECK;
int metadata_read_delegations(struct metadata *m, struct err *e) MUST_CHECK;
int metadata_read_meta(struct metadata *m, struct err *e) MUST_CHECK;
int metadata_read_targets(struct metadata *m, struct err *e) MUST_CHECK;

/* Orders by bytes, a shorter one first. */
int metadata_compare(struct json_string a, struct json_string b);
struct json_string metadata_string(const struct json *v);       /* of a string value */
void *metadata_array(size_t count, size_t size, struct err *e);  /* zeroed, never NULL for count 0; NULL: no memory */

#endif
