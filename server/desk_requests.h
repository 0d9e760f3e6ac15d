/*
 * desk_requests: what the desk does for signing requests: drafts them from
 * what is published, signs with the server's keys as far as these may, and
 * publishes them. Threads and errors as in desk.h.
 */
#ifndef SERVER_DESK_REQUESTS_H
#define SERVER_DESK_REQUESTS_H

#include "server/desk.h"
#include "signing/sigreq.h"

/* Who asks and why, for a new request. */
struct desk_asking {
	const char *by, *reason;
	const char *evidence;           /* JSON; NULL: none */
	int64_t now, expires;
};

/* The ring's role with this assignment, or without the channel's (a NULL). The caller frees. */
int desk_draft_assign(struct desk *d, const char *ring, const char *channel, const struct assignment *a, const struct desk_asking *ask,
		      struct sigreq **out, struct err *e) MUST_CHECK;
/* The same role once more, for another life. */
int desk_draft_renewal(struct desk *d, const char *role, const struct desk_asking *ask, struct sigreq **out, struct err *e) MUST_CHECK;

/* root and targets as published, to verify signatures by. */
struct desk_trust {
	struct metadata *root, *targets;        /* owned */
};
int desk_trust(struct desk *d, struct desk_trust *out, struct err *e) MUST_CHECK;
void desk_trust_release(struct desk_trust *t);

/* ERR_CONFLICT: stale. */
int desk_check_request(struct desk *d, const struct sigreq *q, struct err *e) MUST_CHECK;
/*
 * Adds the server's signatures to drafts of its own roles that say nothing new
 * (a request from outside never makes the server sign content). How many.
 */
int desk_sign_renewals(struct desk *d, struct sigreq *q, struct err *e) MUST_CHECK;
int desk_publish_request(struct desk *d, const struct sigreq *q, int64_t now, struct err *e) MUST_CHECK;

/* Roles that expire before their time `ahead` of now and that the keys here cannot renew: visit(role). */
typedef int desk_due(const char *role, int64_t expires, void *arg, struct err *e);
int desk_each_due(struct desk *d, int64_t now, desk_due *visit, void *arg, struct err *e) MUST_CHECK;

#endif
