/* manifest_read: the parts of a manifest that bundle.json spells the same way; for content/bundle_recipe.c. */
#ifndef CONTENT_MANIFEST_READ_H
#define CONTENT_MANIFEST_READ_H

#include "base/json.h"
#include "content/manifest.h"

int manifest_read_label(const struct json_doc *d, const struct json *o, const char *key, char **out, struct err *e) MUST_CHECK;
int manifest_read_version(const struct json_doc *d, const struct json *o, char **out, struct err *e) MUST_CHECK;
int manifest_read_requires(struct manifest *m, const struct json_doc *d, struct err *e) MUST_CHECK;
int manifest_read_budget(struct manifest *m, const struct json_doc *d, struct err *e) MUST_CHECK;

#endif
