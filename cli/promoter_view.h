/*
 * promoter_view: a repository as a promoter's own TUF client sees it.
 *
 * Verified from the root the operators gave it, in its own directory, so that
 * a server can neither go back nor sign for others. A bundle and its vendor's
 * signature are looked at, never the bundle's bytes.
 */
#ifndef CLI_PROMOTER_VIEW_H
#define CLI_PROMOTER_VIEW_H

#include "cli/remote.h"
#include "rollout/assignment.h"
#include "signing/driver.h"
#include "signing/sigreq.h"

struct promoter_view;

/* Where it comes from: two driver_get and their argument, borrowed. */
struct promoter_source {
	driver_get *metadata, *target;
	void *arg;
};
struct promoter_source promoter_source_remote(struct remote *r);

/* root is the file the operators gave; dir holds what was seen and is made when it is missing. */
int promoter_view_open(struct promoter_view **out, const char *root, const char *dir, const struct promoter_source *s, struct err *e) MUST_CHECK;
void promoter_view_close(struct promoter_view *v);

/* Whatever else is asked is of the last refresh. *changed: something was published since the one before. */
int promoter_view_refresh(struct promoter_view *v, int64_t now, bool *changed, struct err *e) MUST_CHECK;

/* NULL without error: the ring has none. The caller frees. */
int promoter_view_assignment(struct promoter_view *v, const char *ring, const char *channel, struct assignment **out, struct err *e) MUST_CHECK;
/* By a stop or a recall. */
int promoter_view_stopped(struct promoter_view *v, const char *channel, const struct digest *d, bool *stopped, struct err *e) MUST_CHECK;
/* The content role lists this very bundle; *greatest: the serial of the newest it lists. */
int promoter_view_vendor(struct promoter_view *v, const char *channel, const struct bundle_ref *b, bool *is_signed, uint64_t *greatest,
			 struct err *e) MUST_CHECK;
/* A role as published; NULL without error: never. Borrowed until the next refresh. */
int promoter_view_role(struct promoter_view *v, const char *ring, const char *channel, const struct metadata **out, struct err *e) MUST_CHECK;
/* Who may sign: borrowed until the next refresh. */
struct sigreq_trust promoter_view_trust(const struct promoter_view *v);

AUTO_DEFINE(promoter_view, struct promoter_view *, promoter_view_close);

#endif
