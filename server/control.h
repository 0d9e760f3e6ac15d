/*
 * control: who moves rollouts, and what each move signs.
 *
 * The ticker looks at every ring about once a second; operators move them by
 * hand. A move is kept in the store, with its inputs and a sentence, before
 * it takes effect; what it signs is done afterwards and again until it is
 * done, so that a server killed anywhere goes on where it was.
 *
 * Each takes the time itself, when its turn has come (server_now()): who waits
 * for another may wait while a jump of the clock is believed.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include "server/server.h"

/* Everything that is due; trouble is logged and shown by status. */
void control_tick(struct server *s);

/*
 * The time that the server goes by jumps by so much (now.h): soaks, deadlines,
 * observations, silence and deliveries stay as long as they are, in the store
 * and in memory, and the clock is believed in the same transaction. When it
 * fails nothing has moved, and the jump is still in doubt.
 */
struct clockwatch;
int control_clock_moved(struct server *s, int64_t by, const struct clockwatch *after, struct err *e) MUST_CHECK;

/*
 * A published bundle begins its way; b and the audit row are kept with it.
 * ERR_CONFLICT: the serial or digest is known.
 */
int control_start(struct server *s, const struct store_bundle *b, uint64_t *rollout, struct err *e) MUST_CHECK;

/* What operators may do; ring NULL or "": wherever it applies. ERR_NOT_FOUND, ERR_CONFLICT when it means nothing now. */
enum control_order { ORDER_PROMOTE, ORDER_PAUSE, ORDER_RESUME, ORDER_HALT, ORDER_ABORT, ORDER_APPROVE, ORDER_RETRY, ORDER_EMERGENCY };
const char *control_order_name(enum control_order o);
int control_order_parse(const char *name);      /* -1: unknown */
int control_order(struct server *s, uint64_t rollout, const char *ring, enum control_order o, const char *who, const char *reason,
		  struct err *e) MUST_CHECK;

/*
 * The same for a person. Where the policy asks one before a ring, or before a
 * pass by coverage, it is not who the rollout is by: promoting and approving
 * are refused to them (ERR_AUTH, CONTROL_REQUESTER). With `match`, the value
 * of an If-Match header, only while the rollout is as the person saw it
 * (ERR_CONFLICT, CONTROL_CHANGED). With dry_run nothing is done.
 *
 * A ring that wants several approvals keeps each until they are enough; whose
 * role is another than the policy's is refused (ERR_AUTH, CONTROL_ROLE). With
 * `emergency` it is the lane that is agreed to: by neither who published nor
 * who asked for it with ORDER_EMERGENCY.
 */
enum control_refusal { CONTROL_NO_REFUSAL, CONTROL_REQUESTER, CONTROL_CHANGED, CONTROL_ROLE };
struct control_wish {
	enum control_order order;
	bool emergency;                 /* of ORDER_APPROVE */
	const struct identity *identity;        /* of who: for roles; NULL: has every one */
	const char *ring, *who, *reason;
	const char *match;              /* NULL: as it may be */
	bool dry_run;
	enum control_refusal refused;   /* set on failure */
};
int control_wish(struct server *s, uint64_t rollout, struct control_wish *w, struct err *e) MUST_CHECK;

/*
 * Older bytes for every ring of a channel: rollouts under way are aborted, and
 * assignments with a grant name the bundle. Goes on after a restart. Where to
 * is the bundle before, or any that is neither stopped nor below the channel's
 * floor (ERR_CONFLICT). With `match` only while the channel's newest rollout is
 * as the person saw it (ERR_CONFLICT, CONTROL_CHANGED). With dry_run nothing is done.
 */
struct control_back {
	struct digest to;               /* zero, and serial 0: the bundle before */
	uint64_t serial;                /* 0: not by serial */
	const char *who, *reason;
	const char *match;              /* of an If-Match header; NULL: as it may be */
	bool dry_run;
	enum control_refusal refused;   /* set on failure */
	struct bundle_ref found;        /* filled in: where it goes */
};
int control_rollback(struct server *s, const char *channel, struct control_back *b, struct err *e) MUST_CHECK;

/*
 * Single bad rules: every ring's assignment of the channel, of this bundle and
 * of later ones, leaves them out until the order is taken back with `undo`.
 * The first ring's assignment is signed here, the others follow as their keys
 * allow. Rules that are left out already, with `undo` rules that are not
 * (ERR_NOT_FOUND), change nothing.
 */
struct control_drop {
	const char *const *rules;
	size_t count;
	bool undo, dry_run;
	const char *who, *reason;
	const char *match;              /* of an If-Match header; NULL: as it may be */
	enum control_refusal refused;   /* set on failure */
};
int control_drop(struct server *s, const char *channel, struct control_drop *w, struct err *e) MUST_CHECK;
/* Names one list of rules: changes when another is published. a NULL: no rule. */
#define CONTROL_DROP_VERSION 33
void control_drop_version(char out[CONTROL_DROP_VERSION], const struct assignment *a);

/* What keeps a bundle from a ring, or a ring from making offers, in words; "": nothing does. With `lock`. */
#define CONTROL_WAITS 256
void control_waits(struct server *s, struct stage *g, int64_t now, char out[CONTROL_WAITS]);

/* The policy in force for a channel's next rollout: the stored one, else the default over the ring map's rings. */
int control_policy(struct server *s, const char *channel, struct policy **out, uint64_t *version, struct err *e) MUST_CHECK;

#endif
