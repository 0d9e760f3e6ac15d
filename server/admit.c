/* admit: who may come in; on the loop thread, so it waits for nothing. */
#include "server/admit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/forwarded.h"
#include "server/limiter.h"
#include "server/metrics.h"
#include "server/now.h"
#include "server/oidc.h"

#define BAD_WINDOW_S 600

struct admission {
	struct limiter *operators, *devices, *addresses, *enrolments;
	struct limiter *bad_operators, *bad_devices;    /* tokens that were no good, by address */
	int64_t lock_out_s;
};

static struct limiter *limit(double rate, double burst)
{
	return limiter_new(&(const struct limiter_settings){ .rate = rate, .burst = burst });
}

struct admission *admission_new(const struct config *c)
{
	struct admission *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	a->operators = limit((double)c->token_rate, (double)c->token_burst);
	a->devices = limit((double)c->device_rate, (double)c->device_burst);
	a->addresses = limit((double)c->address_rate, (double)c->address_burst);
	a->enrolments = limit((double)c->enrol_rate, (double)c->enrol_burst);
	a->bad_operators = limit((double)c->bad_tokens / BAD_WINDOW_S, (double)c->bad_tokens);
	a->bad_devices = limit((double)c->bad_tokens / BAD_WINDOW_S, (double)c->bad_tokens);
	a->lock_out_s = c->lock_out_s;
	if (a->operators && a->devices && a->addresses && a->enrolments && a->bad_operators && a->bad_devices)
		return a;
	admission_free(a);
	return NULL;
}

void admission_free(struct admission *a)
{
	if (!a)
		return;
	limiter_free(a->operators);
	limiter_free(a->devices);
	limiter_free(a->addresses);
	limiter_free(a->enrolments);
	limiter_free(a->bad_operators);
	limiter_free(a->bad_devices);
	free(a);
}

static int refuse(struct request *q, enum problem p, const char *why)
{
	reply_problem(&q->reply, p, "%s", why);
	return q->reply.status;
}

/* ---- how often ---- */

/* Whoever has one address of an IPv6 network has all of them. */
static const char *address_of(const struct request *q, char out[ROUTE_PEER_MAX])
{
	struct in6_addr six;

	if (inet_pton(AF_INET6, q->client, &six) != 1 || IN6_IS_ADDR_V4MAPPED(&six))
		return q->client;
	memset(&six.s6_addr[8], 0, 8);
	return inet_ntop(AF_INET6, &six, out, ROUTE_PEER_MAX) ? out : q->client;
}

static int too_often(struct request *q, struct limiter *l, const char *key, enum metrics_limit limit)
{
	static const char *const whose[] = { [LIMIT_OPERATOR] = "operator", [LIMIT_DEVICE] = "device", [LIMIT_ADDRESS] = "address" };
	int64_t wait = limiter_take(l, key, clock_work_ms());

	if (!wait)
		return 0;
	reply_problem(&q->reply, PROBLEM_BUSY, "too many requests of this %s: come again in %lld s", whose[limit], (long long)(wait / 1000 + 1));
	q->reply.retry_after = wait / 1000 + 1;
	metrics_refused(q->server->metrics, limit);
	return q->reply.status;
}

static int lock_out(struct request *q, int64_t left_ms)
{
	int64_t seconds = left_ms / 1000 + 1;

	reply_problem(&q->reply, PROBLEM_LOCKED_OUT, "too many bad tokens came from %s: no other is looked at for %lld s", q->client, (long long)seconds);
	q->reply.retry_after = seconds;
	metrics_refused(q->server->metrics, LIMIT_BAD_TOKENS);
	return q->reply.status;
}

/* A token was no good, and q->reply says so: too many of them, and it says something else. */
static int bad_token(struct request *q, struct limiter *bad, const char *plane)
{
	struct admission *a = q->server->admission;
	char text[ROUTE_PEER_MAX];
	const char *address = address_of(q, text);
	int64_t now = clock_work_ms(), left = limiter_shut_for(bad, address, now);

	if (left)
		return lock_out(q, left);
	if (limiter_take(bad, address, now) == 0)
		return q->reply.status;
	log_warn("too many bad tokens of %s from %s: locked out for %lld s", plane, address, (long long)a->lock_out_s);
	limiter_shut(bad, address, now, a->lock_out_s * 1000);
	return lock_out(q, a->lock_out_s * 1000);
}

void admission_bad_enrolment(struct request *q)
{
	bad_token(q, q->server->admission->bad_devices, "devices");
}

/* ---- who ---- */

static int admit_device(struct request *q, const char *token)
{
	struct server *s = q->server;
	const struct device *d;
	int status = 0;

	if (!token_device_check(&s->token_key, token, q->who, &q->generation)) {
		refuse(q, PROBLEM_UNAUTHENTICATED, "the device token is not one of ours");
		return bad_token(q, s->admission->bad_devices, "devices");
	}
	status = too_often(q, s->admission->devices, q->who, LIMIT_DEVICE);
	if (status)
		return status;
	pthread_mutex_lock(&s->lock);
	d = fleet_find(&s->fleet, q->who);
	if (!d)
		status = refuse(q, PROBLEM_UNAUTHENTICATED, "the device is not known: enrol again");
	else if (d->revoked)
		status = refuse(q, PROBLEM_REVOKED, "the device was revoked");
	/* an older token is device_current()'s question: it writes */
	pthread_mutex_unlock(&s->lock);
	return status;
}

/* Whether the token is good is asked on a pool thread: the store knows. */
static int admit_enrolment(struct request *q)
{
	char address[ROUTE_PEER_MAX];

	return too_often(q, q->server->admission->enrolments, address_of(q, address), LIMIT_ADDRESS);
}

static int identify_jwt(struct request *q, const char *token, struct identity *who)
{
	struct err e;
	int got = oidc_identify(q->server->oidc, token, server_now(q->server), who, &e);

	if (got == 0)
		return 0;
	if (got != ERR_TIMEOUT && got != ERR_NET && got != ERR_MEMORY)
		return refuse(q, PROBLEM_UNAUTHENTICATED, e.msg);
	refuse(q, PROBLEM_UNAVAILABLE, e.msg);
	q->reply.retry_after = got == ERR_TIMEOUT ? 1 : OIDC_GAP_MS / 1000;
	return q->reply.status;
}

static int identify(struct request *q, const char *token, struct identity *who)
{
	if (oidc_token(q->server->oidc, token))
		return identify_jwt(q, token, who);
	switch (operators_find(q->server->operators, token, server_now(q->server), who)) {
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
	struct admission *a = q->server->admission;
	/* A signature takes time to verify: that is spent by address first. Our own tokens are looked up in none. */
	bool costly = oidc_token(q->server->oidc, token);
	char address[ROUTE_PEER_MAX];
	int status = costly ? too_often(q, a->addresses, address_of(q, address), LIMIT_ADDRESS) : 0;

	if (status)
		return status;
	q->identity = calloc(1, sizeof *q->identity);
	if (!q->identity)
		return refuse(q, PROBLEM_UNAVAILABLE, "out of memory");
	status = identify(q, token, q->identity);
	if (status == 401) {
		int often = costly ? 0 : too_often(q, a->addresses, address_of(q, address), LIMIT_ADDRESS);

		return often ? often : bad_token(q, a->bad_operators, "operators");
	}
	if (status)
		return status;
	memcpy(q->who, q->identity->who, sizeof q->who);
	status = too_often(q, a->operators, q->who, LIMIT_OPERATOR);
	return status ? status : check_scope(q, q->identity);
}

int server_admit(struct request *q)
{
	const struct config *c = q->server->config;
	const char *token = token_bearer(q->http);

	forwarded_client(q->client, q->http, c->address_header, c->trusted_proxies, q->peer);
	if (q->route->may == MAY_ANYBODY || ((q->route->flags & ROUTE_SCRAPED) && c->metrics_open))
		return 0;
	if (!token)
		return refuse(q, PROBLEM_UNAUTHENTICATED, "a bearer token is needed");
	if (q->route->may == MAY_ENROL)
		return admit_enrolment(q);
	return q->route->may == MAY_DEVICE ? admit_device(q, token) : admit_operator(q, token);
}
