/* bundle_recipe: what DIR/bundle.json says; see bundle.h for its members. */
#ifndef CONTENT_BUNDLE_RECIPE_H
#define CONTENT_BUNDLE_RECIPE_H

#include "base/json.h"
#include "content/manifest.h"

struct bundle_pattern {
	const char *match;              /* see path_glob.h; borrowed from the document */
	const char *type;               /* the content type it gives; NULL: left out */
	const struct json *at;          /* its place in the document */
	bool used;                      /* it decided about a file */
};

struct bundle_recipe {
	struct buf *text;
	struct json_doc *doc;
	struct manifest *head;          /* channel, version NULL and serial 0 where it is silent; no files yet */
	bool dated;                     /* head->created is set */
	struct bundle_pattern *patterns;        /* leave_out, selftest, types: the first match decides */
	size_t pattern_count;
};

/* ERR_NOT_FOUND when dir has no bundle.json. Strict: unknown members are refused. */
int bundle_recipe_read(struct bundle_recipe **out, int dir, struct err *e) MUST_CHECK;
void bundle_recipe_free(struct bundle_recipe *r);

struct bundle_pattern *bundle_recipe_match(const struct bundle_recipe *r, const char *path);    /* NULL: none */

/* A pattern that gives a type and matched nothing is a mistake: refused with its place. */
int bundle_recipe_check_used(const struct bundle_recipe *r, struct err *e) MUST_CHECK;

AUTO_DEFINE(bundle_recipe, struct bundle_recipe *, bundle_recipe_free);

#endif
