/* admit: who may come in; on the loop thread, so it waits for nothing. */
#include "server/admit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static int refuse(struct request *q, enum problem p, const char *why)
{
	reply_problem(&q->reply, p, "%s", why);
	return q->reply.status;
}

static int admit_device(struct request *q, const char *token)
{
	struct server *s = q->server;
	const struct device *d;
	int status = 0;

	if (!token_device_check(&s->token_key, token, q->who, &q->generation))
		return refuse(q, PROBLEM_UNAUTHENTICATED, "the device token is not one of ours");
	pthread_mutex_lock(&s->lock);
	d = fleet_find(&s->fleet, q->who);
	if (!d || q->generation != d->generation)
		status = refuse(q, PROBLEM_UNAUTHENTICATED, "the device is not known, or its token was replaced: enrol again");
	else if (d->revoked)
		status = refuse(q, PROBLEM_FORBIDDEN, "the device was revoked");
	pthread_mutex_unlock(&s->lock);
	return status;
}

static int identify(struct request *q, const char *token, struct identity *who)
{
	switch (operators_find(q->server->operators, token, clock_now(), who)) {
	case OPERATORS_FOUND:
		return 0;
	case OPERATORS_EXPIRED:
		return refuse(q, PROBLEM_UNAUTHENTICATED, "the operator token is expired");
	case OPERATORS_REVOKED:
		return refuse(q, PROBLEM_UNAUTHENTICATED, "the operator token was revoked");
	case OPERATORS_UNKNOWN:
		break;
	}
	return refuse(q, PROBLEM_UNAUTHENTICATED, "the operator token is not known");
}

/* What the head of the request tells; the rest is the handler's question. */
static int check_scope(struct request *q, const struct identity *who)
{
	const struct route *r = q->route;
	const char *channel = r->scope == SCOPE_PATH ? q->params[0] : NULL;

	if (!access_role(who, r->may))
		return refuse(q, PROBLEM_FORBIDDEN, "none of the token's roles permits this");
	if (r->scope == SCOPE_PATH || r->scope == SCOPE_EVERY) {
		if (access_channel(who, r->may, channel))
			return 0;
		return refuse(q, PROBLEM_SCOPE, channel ? "the token's roles for this channel do not permit this" :
							  "this concerns every channel, and the token holds for some of them");
	}
	return 0;
}

static int admit_operator(struct request *q, const char *token)
{
	int status;

	q->identity = calloc(1, sizeof *q->identity);
	if (!q->identity)
		return refuse(q, PROBLEM_UNAVAILABLE, "out of memory");
	status = identify(q, token, q->identity);
	if (status)
		return status;
	memcpy(q->who, q->identity->who, sizeof q->who);
	return check_scope(q, q->identity);
}

int server_admit(struct request *q)
{
	const char *token = token_bearer(q->http);

	if (q->route->may == MAY_ANYBODY)
		return 0;
	if (!token)
		return refuse(q, PROBLEM_UNAUTHENTICATED, "a bearer token is needed");
	if (q->route->may == MAY_ENROL)
		return 0;
	return q->route->may == MAY_DEVICE ? admit_device(q, token) : admit_operator(q, token);
}
