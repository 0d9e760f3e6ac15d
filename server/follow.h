/*
 * follow: bundles of a vendor's repository go into the rings of this server.
 *
 * One thread looks at each [follow NAME] about every `poll`: it refreshes the
 * vendor's metadata with the same client engine as an endpoint, from the root
 * it was given, and takes the newest bundle of each channel that is newer than
 * all it has. Whatever the vendor checked, the archive is fetched, verified
 * and put to this server's contracts and self-tests; then its rollout begins,
 * or waits for an operator. What the vendor stops or recalls is halted here.
 *
 * Nothing of the vendor's is signed or served again: hosts get archives and
 * deltas from the vendor's URL, or a plain copy of it, and verify them against
 * the vendor's metadata. A vendor that is down stops nothing that runs here.
 */
#ifndef SERVER_FOLLOW_H
#define SERVER_FOLLOW_H

#include "base/json.h"
#include "server/server.h"

int follow_start(struct server *s, struct err *e) MUST_CHECK;   /* nothing when nothing is followed */
void follow_stop(struct server *s);     /* waits for the request under way, which is bounded */
void follow_poke(struct server *s);     /* look now */

/*
 * Begins the rollout of a bundle that waits. ERR_NOT_FOUND, ERR_CONFLICT;
 * ERR_REFUSED: contracts or self-tests say no now. With dry_run it is put to
 * them and nothing is done; *rollout is 0 then.
 */
struct follow_order {
	const char *who, *reason;
	bool dry_run;
};
int follow_begin(struct server *s, const char *channel, uint64_t serial, const struct follow_order *o, uint64_t *rollout, struct err *e) MUST_CHECK;

/* How each followed repository is; texts are borrowed for the call, which must not wait. */
struct follow_state_of {
	const char *name, *trouble;     /* trouble "": none at the last look */
	int64_t fresh_at, poll_s;       /* fresh_at 0: never */
};
void follow_each(struct server *s, void (*visit)(void *arg, const struct follow_state_of *f), void *arg);

/* Member "items": each repository, when it was found fresh, its trouble, and what its channels have, as far as sees() lets through. */
void follow_write(struct server *s, struct json_writer *w, bool (*sees)(const void *arg, const char *channel), const void *arg);

#endif
