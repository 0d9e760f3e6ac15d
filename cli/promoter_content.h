/*
 * promoter_content: the vendor's own repository, where the server follows one:
 * which bundles there are counts from there alone. Read by a TUF client of its
 * own, from the vendor's root, in its own directory.
 */
#ifndef CLI_PROMOTER_CONTENT_H
#define CLI_PROMOTER_CONTENT_H

#include "cli/promoter_view.h"

struct promoter_content;

/* url: below it metadata/ and targets/. pin and ca_file may be "". dir: what it has seen; made when it is missing. */
struct promoter_content_settings {
	const char *url, *root, *pin, *ca_file, *dir;
};

int promoter_content_open(struct promoter_content **out, const struct promoter_content_settings *s, struct err *e) MUST_CHECK;
void promoter_content_close(struct promoter_content *c);        /* NULL is fine */

/* A vendor that cannot be reached keeps nothing else waiting: the reason is remembered, and told when it matters. */
void promoter_content_refresh(struct promoter_content *c, int64_t now);
/* Borrowed; NULL: the last refresh failed, *e says why. */
struct promoter_view *promoter_content_view(struct promoter_content *c, struct err *e);

AUTO_DEFINE(promoter_content, struct promoter_content *, promoter_content_close);

#endif
