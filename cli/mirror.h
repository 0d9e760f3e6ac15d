/*
 * mirror: a copy of a published repository in a directory that any web server,
 * or a USB stick, can serve: DIR/metadata and DIR/targets.
 *
 * The client engine decides what is to be believed; then every delegated role
 * and every target file is verified by what names it. All that is new is
 * gathered in DIR/.mirror/new and moved into place when it is complete, in the
 * order of publication, the timestamp last: a reader of DIR sees the old state
 * or the new one, and so does whoever comes after a crash. What DIR or the
 * gathered part holds already is verified and not fetched again. DIR/.mirror
 * is also what the mirror trusts: an upstream that goes back is refused.
 */
#ifndef CLI_MIRROR_H
#define CLI_MIRROR_H

#include "base/cli.h"
#include "base/fetch.h"

struct mirror_plan {
	const char *url;                /* below it metadata/ and targets/; no slash at the end */
	const char *dir;
	const char *root;               /* file: the root that is trusted */
	const struct cli_list *channels;        /* whose bundles; none: all. Everything that is no bundle is always copied */
	bool prune;                     /* remove what nothing current names */
	bool dry;                       /* change nothing in dir, fetch no target file */
};

struct mirror_report {
	int64_t root, snapshot, timestamp;      /* versions */
	int64_t expires;                /* of the timestamp: readers install nothing new after it */
	size_t roles, targets;          /* delegated roles and target files that the copy has now */
	size_t left_out;                /* bundles and deltas of other channels */
	size_t fetched;                 /* files */
	uint64_t bytes;                 /* of these; dry: target files that would be fetched included */
	size_t changed;                 /* files moved into place; dry: 0 */
	size_t removed;                 /* files; dry: that would be */
};

/* ERR_CONFLICT: another one is at work in dir, or dir holds a repository that is no mirror. Refused or cut short: what dir serves is as it was. */
int mirror(struct mirror_report *out, const struct mirror_plan *plan, struct fetch *fetch, int64_t now, struct err *e) MUST_CHECK;

#endif
