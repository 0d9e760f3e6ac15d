/*
 * control: who moves rollouts, and what each move signs.
 *
 * The ticker looks at every ring about once a second; operators move them by
 * hand. A move is kept in the store, with its inputs and a sentence, before
 * it takes effect; what it signs is done afterwards and again until it is
 * done, so that a server killed anywhere goes on where it was.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include "server/server.h"

/* Everything that is due; trouble is logged and shown by status. */
void control_tick(struct server *s, int64_t now);

/*
 * A published bundle begins its way; b and the audit row are kept with it.
 * ERR_CONFLICT: the serial or digest is known.
 */
int control_start(struct server *s, const struct store_bundle *b, int64_t now, uint64_t *rollout, struct err *e) MUST_CHECK;

/* What operators may do; ring NULL or "": wherever it applies. ERR_NOT_FOUND, ERR_CONFLICT when it means nothing now. */
enum control_order { ORDER_PROMOTE, ORDER_PAUSE, ORDER_RESUME, ORDER_HALT, ORDER_ABORT, ORDER_APPROVE };
const char *control_order_name(enum control_order o);
int control_order_parse(const char *name);      /* -1: unknown */
int control_order(struct server *s, uint64_t rollout, const char *ring, enum control_order o, const char *who, const char *reason,
		  int64_t now, struct err *e) MUST_CHECK;

/*
 * The same for a person. Where the policy asks one before a ring, or before a
 * pass by coverage, it is not who the rollout is by: promoting and approving
 * are refused to them (ERR_AUTH, CONTROL_REQUESTER). With `match`, the value
 * of an If-Match header, only while the rollout is as the person saw it
 * (ERR_CONFLICT, CONTROL_CHANGED). With dry_run nothing is done.
 */
enum control_refusal { CONTROL_NO_REFUSAL, CONTROL_REQUESTER, CONTROL_CHANGED };
struct control_wish {
	enum control_order order;
	const char *ring, *who, *reason;
	const char *match;              /* NULL: as it may be */
	bool dry_run;
	enum control_refusal refused;   /* set on failure */
};
int control_wish(struct server *s, uint64_t rollout, struct control_wish *w, int64_t now, struct err *e) MUST_CHECK;

/*
 * Older bytes for every ring of a channel: rollouts under way are aborted, and
 * assignments with a grant name the bundle. Goes on after a restart. ring_done
 * (room for POLICY_RINGS_MAX) tells which rings have it already.
 */
int control_rollback(struct server *s, const char *channel, const struct digest *to /* zero: the one before */, const char *who,
		     const char *reason, int64_t now, struct bundle_ref *out, struct err *e) MUST_CHECK;

/* The policy in force for a channel's next rollout: the stored one, else the default over the ring map's rings. */
int control_policy(struct server *s, const char *channel, struct policy **out, uint64_t *version, struct err *e) MUST_CHECK;

#endif
