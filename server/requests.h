/*
 * requests: what waits for signatures that the server cannot give.
 *
 * A signing request (signing/sigreq.h) is kept in the store until enough valid
 * signatures came; then everything it drafts is published in one step, root
 * included. It is stale, for good, when what it replaces is no longer what is
 * published. All functions may be called from any thread and take their own
 * lock, after `control` and before the desk's.
 *
 *	GET    /v1/signing-requests[?state=open|all]   {"items":[{id, state, roles, by, reason, created, expires, have, need}]}
 *	POST   /v1/signing-requests                    the document; {id, state, added}
 *	GET    /v1/signing-requests/{id}               the document
 *	GET    /v1/signing-requests/{id}/changes       {"items":[{sentence, ...}]}: the difference, for people
 *	POST   /v1/signing-requests/{id}/signatures    {"signatures":[{"role","keyid","sig"}]}; {id, state, added}
 *	DELETE /v1/signing-requests/{id}               withdraws it
 */
#ifndef SERVER_REQUESTS_H
#define SERVER_REQUESTS_H

#include "server/server.h"
#include "signing/sigreq.h"

enum requests_state { REQUESTS_OPEN, REQUESTS_PUBLISHED, REQUESTS_STALE, REQUESTS_WITHDRAWN, REQUESTS_EXPIRED };
#define REQUESTS_STATES 5

const char *requests_state_name(enum requests_state s);        /* "open" */

/* Of one request as it stands after a call. */
struct requests_info {
	char id[SIGREQ_ID_LEN + 1];
	enum requests_state state;
	bool opened;            /* by this call */
	bool ready;             /* a bundle with all its signatures: requests_bundle_finish() goes on */
	int added;              /* signatures that were new */
	size_t have;            /* of a bundle that waits: signatures there, and wanted */
	int64_t need;
};

/*
 * Asks for signatures on an assignment that the server's keys alone cannot
 * publish: the ring's role with this assignment in it, signed by the server as
 * far as it can. evidence: JSON for whoever judges it (opaque here), NULL none.
 * Calling it again, every second if need be, finds the open request for the
 * same bundle and attempt; one that has become stale is replaced.
 * Answers 1: it waits for signatures; 0: it is published. info may be NULL.
 */
int requests_assign(struct server *s, const struct assignment *a, const char *evidence, int64_t now, struct requests_info *info,
		    struct err *e) MUST_CHECK;
/* The same for taking an assignment away. */
int requests_unassign(struct server *s, const char *ring, const char *channel, const char *reason, int64_t now,
		      struct requests_info *info, struct err *e) MUST_CHECK;

/*
 * A request made elsewhere, with the signatures it carries; one that is known
 * has its signatures merged. ERR_CONFLICT: its base is not what is published.
 */
int requests_open(struct server *s, const struct sigreq *q, const char *who, int64_t now, struct requests_info *info, struct err *e) MUST_CHECK;

struct requests_signature {
	const char *role, *keyid, *sig;         /* sig in hex */
};
/* ERR_AUTH names the signature that is none; then nothing of it is kept. Publishes when it was the last that lacked. */
int requests_sign(struct server *s, const char *id, const struct requests_signature *sigs, size_t count, const char *who, int64_t now,
		  struct requests_info *info, struct err *e) MUST_CHECK;

/* Closes an open request. */
int requests_withdraw(struct server *s, const char *id, const char *who, const char *reason, int64_t now, struct err *e) MUST_CHECK;

/* The document. ERR_NOT_FOUND. The caller frees. */
int requests_get(struct server *s, const char *id, struct buf **out, struct requests_info *info, struct err *e) MUST_CHECK;

/*
 * Upkeep, for the ticker: closes what is stale or expired, and opens a request
 * for every role whose file expires soon (people-signed: within 60 days;
 * others: past half their life) and which the server cannot renew by itself.
 * How many were opened or closed.
 */
int requests_due(struct server *s, int64_t now, struct err *e) MUST_CHECK;

/* One sentence for each open request, for the status page; text is borrowed for the call. */
int requests_each_open(struct server *s, int (*visit)(const struct store_request *row, void *arg, struct err *e), void *arg, struct err *e) MUST_CHECK;

#endif
