/*
 * requests_bundle: bundles whose role lacks signatures when they are brought.
 *
 * Whoever comes first brings the archive, the deltas and the role with the
 * signatures at hand. It goes through the same checks as any other; then the
 * role waits as a signing request, the files stay among the uploads, and
 * nothing is visible. When nothing lacks any more it is checked once more, as
 * sensors may have come or gone, published, and begins its way. What the
 * checks refuse then is closed, and says why.
 */
#ifndef SERVER_REQUESTS_BUNDLE_H
#define SERVER_REQUESTS_BUNDLE_H

#include "server/incoming.h"
#include "server/requests.h"

#define BUNDLE_FILES_MAX 65             /* the archive and its deltas */
#define BUNDLE_ALLOWED_MAX 64           /* sensors whose refusal is overridden */

/*
 * Opens a request for a bundle that was tried; role is the envelope, files the
 * uploads it lists, the archive first. The caller holds `publishing`. The same
 * bundle again finds the request that is open (info->opened tells). Stores in
 * info how many signatures there are. ERR_CONFLICT, ERR_ROLLBACK: stale.
 */
int requests_bundle_open(struct server *s, const struct incoming *b, const struct buf *role, const struct desk_file *files, size_t count,
			 const struct trial_override *allowed, int64_t now, struct requests_info *info, struct err *e) MUST_CHECK;

/*
 * For a request that has all its signatures (info->ready): takes `publishing`,
 * tries the bundle and publishes it. Trouble that may pass leaves it open with
 * a note. info->state tells what became of it; any other request is left alone.
 */
int requests_bundle_finish(struct server *s, const char *id, const char *who, int64_t now, struct requests_info *info, struct err *e) MUST_CHECK;

/* Is there one with all its signatures? Told once; the ticker asks. And: finishes all there are, what a server that died left included. */
bool requests_bundles_ready(struct server *s);
int requests_bundles_finish(struct server *s, int64_t now, struct err *e) MUST_CHECK;

/* The names (64 hex digits, each and a line feed) of uploads that open requests are about. */
int requests_bundle_uploads(struct server *s, struct buf *names, struct err *e) MUST_CHECK;

#endif
