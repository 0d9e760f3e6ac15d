/* device_bind: the client certificate that a device shows besides its token, and stays bound to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/device_visit.h"
#include "server/handlers.h"
#include "server/now.h"

static bool no(struct request *q, const char *why)
{
	reply_problem(&q->reply, PROBLEM_CERTIFICATE, "%s", why);
	return false;
}

/* What a proxy says, and only one that is trusted: from anybody else the header is nothing. */
static bool from_proxy(struct request *q)
{
	const struct config *c = q->server->config;
	const char *value = NULL;
	struct err e;

	for (size_t i = 0; i < q->http->header_count; i++) {
		if (strcmp(q->http->headers[i].name, c->client_header) != 0)
			continue;
		/* A proxy that adds instead of replacing lets its client say who it is. */
		if (value)
			return no(q, "the proxy's header with the client certificate came twice");
		value = q->http->headers[i].value;
	}
	q->certificate[0] = '\0';
	if (!value || !*value)
		return true;
	return client_cert_header(q->certificate, q->server->client_ca, value, &e) == 0 || no(q, e.msg);
}

/* The first that a device shows, when it had none: kept from here on. With `lock`, the device busy. */
static int bind(struct server *s, struct device *d, const char *certificate, struct err *e)
{
	struct server_batch b = { .count = 0 };
	int64_t now = server_now(s);
	struct buf said = { .max = 2 * CHECKIN_MAX };
	char *copy = strdup(certificate);
	int got;

	if (!copy)
		return err_memory(e);
	free(d->certificate);
	d->certificate = copy;
	got = device_row(d, &server_record(&b, STORE_DEVICE)->u.device, &said, e);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = "ringholdd", .action = "bind", .subject = d->id,
							    .detail = certificate + DIGEST_HEX_LEN + 1 });
	pthread_mutex_unlock(&s->lock);
	if (got == 0)
		got = server_write(s, &b, e);
	pthread_mutex_lock(&s->lock);
	if (got < 0) {  /* not kept, so not bound: whoever comes next may be another */
		free(d->certificate);
		d->certificate = NULL;
	}
	d->unsaved = true;
	buf_release(&said);
	return got;
}

static bool bound(struct request *q)
{
	struct server *s = q->server;
	struct device *d;
	struct err e = { 0 };
	bool same = true;
	int got = 0;

	pthread_mutex_lock(&s->lock);
	d = fleet_find(&s->fleet, q->who);
	while (d && d->busy)
		pthread_cond_wait(&s->idle, &s->lock);
	if (d && d->certificate) {
		same = client_identity_same(d->certificate, q->certificate);
	} else if (d && q->generation >= d->generation) {       /* a token that was replaced binds nothing: device_current() refuses it */
		d->busy = true;
		got = bind(s, d, q->certificate, &e);
		d->busy = false;
		pthread_cond_broadcast(&s->idle);
	}
	pthread_mutex_unlock(&s->lock);
	if (got < 0)
		reply_error(&q->reply, &e);
	else if (!same)
		return no(q, "the device is bound to another client certificate");
	return got == 0;
}

bool device_certificate(struct request *q)
{
	struct server *s = q->server;

	if (!s->client_ca)
		return true;
	if (client_proxy_holds(s->config->trusted_proxies, q->peer) && !from_proxy(q))
		return false;
	if (!q->certificate[0])
		return no(q, "a client certificate of an authority that is known here is needed");
	return q->route->may != MAY_DEVICE || bound(q);
}
