/* conn: one connection: bytes in, one request at a time, bytes out. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/conn_parts.h"

struct conn *conn_next(const struct conn *c)
{
	return c->next;
}

void conn_enter(struct conn *c, enum conn_state state, int64_t wait_ms)
{
	c->state = state;
	c->deadline = wait_ms < 0 ? INT64_MAX : clock_work_ms() + wait_ms;
}

void conn_rest(struct conn *c)
{
	if (!c->out_busy)       /* else the last of the handshake is on its way */
		buf_release(&c->out);
	buf_release(&c->piece);
	if (c->in_at == c->in.len) {
		buf_release(&c->in);
		c->in_at = 0;
	}
	conn_enter(c, CONN_IDLE, c->loop->settings->idle_ms);
}

void conn_read_on(struct conn *c, uv_read_cb read)
{
	if (c->reading)
		return;
	c->reading = true;
	if (uv_read_start((uv_stream_t *)&c->tcp, conn_alloc, read) < 0)
		conn_close(c);
}

void conn_read_stop(struct conn *c)
{
	c->reading = false;
	uv_read_stop((uv_stream_t *)&c->tcp);
}

void conn_start_work(struct conn *c, enum conn_state state, uv_work_cb run, uv_after_work_cb done)
{
	c->work.data = c;
	c->error = (struct err){ 0 };
	c->work_busy = true;
	conn_enter(c, state, -1);
	if (uv_queue_work(&c->loop->uv, &c->work, run, done) < 0) {
		c->work_busy = false;
		conn_close(c);
	}
}

/* ---- the end ---- */

void conn_release(struct conn *c)
{
	if (!c->closed || c->work_busy || c->out_busy)
		return;
	tls_free(c->tls);
	http_free(c->http);
	request_free(c->request);
	buf_release(&c->in);
	buf_release(&c->out);
	buf_release(&c->piece);
	free(c);
}

static void on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;

	if (c->prev)
		c->prev->next = c->next;
	else
		c->loop->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->loop->count--;
	metrics_connection(c->loop->settings->metrics, -1);
	c->closed = true;
	conn_release(c);
}

void conn_close(struct conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	conn_enter(c, CONN_CLOSING, -1);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_sweep(struct conn *c, int64_t now_ms, bool stopping)
{
	if (stopping && (c->state == CONN_IDLE || c->state == CONN_HANDSHAKE))
		conn_close(c);
	else if (now_ms >= c->deadline)
		conn_close(c);
}

/* ---- the request's way through the pool ---- */

static void open_body(struct request *q, const char *uploads, struct err *e)
{
	q->body_path = file_join(uploads, "incoming-XXXXXX");
	q->body_hash = hash_new();
	if (!q->body_path || !q->body_hash) {
		err_memory(e);
		return;
	}
	q->body_fd = mkostemp(q->body_path, O_CLOEXEC);
	if (q->body_fd < 0)
		err_errno(e, "%s", q->body_path);
}

static void spill(struct conn *c)
{
	struct request *q = c->request;

	if (q->body_fd < 0)
		open_body(q, c->loop->settings->uploads, &c->error);
	if (c->error.code || c->piece.len == 0)
		return;
	if (file_write_all(q->body_fd, c->piece.data, c->piece.len, &c->error) < 0)
		return;
	hash_add(q->body_hash, c->piece.data, c->piece.len);
	q->body_size += c->piece.len;
	buf_clear(&c->piece);
}

static void spill_run(uv_work_t *w)
{
	spill(w->data);
}

static void answer_run(uv_work_t *w)
{
	struct conn *c = w->data;
	struct request *q = c->request;

	if (q->route->body == BODY_FILE)
		spill(c);
	log_request(q->reply.request_id);
	if (c->error.code)
		reply_error(&q->reply, &c->error);
	else
		request_run(q);
	log_request(NULL);
}

static void answer_done(uv_work_t *w, int status)
{
	struct conn *c = w->data;

	c->work_busy = false;
	if (c->state == CONN_CLOSING)
		conn_release(c);
	else if (status < 0)
		conn_close(c);
	else
		conn_reply(c);
}

static void spill_done(uv_work_t *w, int status)
{
	struct conn *c = w->data;

	c->work_busy = false;
	if (c->state == CONN_CLOSING) {
		conn_release(c);
	} else if (status < 0) {
		conn_close(c);
	} else if (c->error.code) {
		c->keep_alive = false;
		conn_enter(c, CONN_BUSY, -1);
		reply_error(&c->request->reply, &c->error);
		conn_reply(c);
	} else {
		conn_enter(c, CONN_BODY, c->loop->settings->body_ms);
		conn_advance(c);
	}
}

/* ---- what the HTTP parser tells ---- */

static uint64_t body_limit(const struct conn *c, const struct route *r)
{
	return r->body_max ? r->body_max : r->body == BODY_FILE ? c->loop->settings->upload_max : 0;
}

/* The address alone: ports change with every connection. */
static void name_peer(struct conn *c, struct request *q)
{
	struct sockaddr_storage from;
	int len = sizeof from;

	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&from, &len) < 0 ||
	    uv_ip_name((const struct sockaddr *)&from, q->peer, sizeof q->peer) < 0)
		q->peer[0] = '\0';
}

/* What TLS has verified. A name that says nothing is none. */
static void name_certificate(const struct conn *c, struct request *q)
{
	size_t len = 0;
	AUTO_FREE unsigned char *der = tls_peer(c->tls, &len);
	struct err e;

	if (der && client_cert_identity(q->certificate, der, len, &e) < 0)
		q->certificate[0] = '\0';
}

static int on_head(void *arg, const struct http_request *h)
{
	struct conn *c = arg;
	const struct loop_settings *s = c->loop->settings;
	const struct route *route = NULL;
	const char *params[ROUTE_PARAMS], *type = http_header(h, "content-type");
	char text[HTTP_TARGET_MAX + 2];
	enum route_found found = route_find(&route, s->routes, s->route_count, h->method, h->path, params, text);
	struct request *q;
	int status;

	c->head_only = h->method == HTTP_METHOD_HEAD;
	if (found != ROUTE_FOUND) {
		c->refused_why = found == ROUTE_NO_PATH ? "nothing answers at this address" : "the address has other methods";
		return found == ROUTE_NO_PATH ? 404 : 405;
	}
	q = request_new(s->server, route);
	if (!q)
		return 503;
	c->request = q;
	request_id(q->reply.request_id, h);
	buf_clear(&c->piece);
	memcpy(q->param_text, text, sizeof text);
	for (size_t i = 0; i < ROUTE_PARAMS; i++)
		q->params[i] = params[i] ? q->param_text + (params[i] - text) : NULL;
	q->http = (struct http_request *)(uintptr_t)h;
	name_peer(c, q);
	if (c->tls && (route->may == MAY_DEVICE || route->may == MAY_ENROL))
		name_certificate(c, q);
	status = s->admit(q);
	q->http = NULL;         /* the parser's until the request is complete */
	if (status)
		return status;
	if (h->content_length > body_limit(c, route) || (h->chunked && route->body == BODY_NONE)) {
		c->refused_why = "the body is longer than this address takes";
		return 413;
	}
	if (route->body == BODY_JSON && (h->chunked || h->content_length > 0) &&
	    (!type || strncasecmp(type, "application/json", 16) != 0)) {
		c->refused_why = "the body must be application/json";
		return 415;
	}
	if (route->body == BODY_JSON && !(q->body = buf_new(route->body_max)))
		return 503;
	if (h->expects_continue && !c->out_busy) {
		buf_clear(&c->out);
		conn_put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		conn_flush(c);
	}
	conn_enter(c, CONN_BODY, s->body_ms);
	return 0;
}

static int on_body(void *arg, const char *bytes, size_t len)
{
	struct conn *c = arg;
	struct request *q = c->request;
	struct buf *to = q->route->body == BODY_FILE ? &c->piece : q->body;

	c->refused_why = "the body is longer than this address takes";
	if (!to || q->body_size + to->len + len > body_limit(c, q->route))
		return 413;
	buf_add(to, bytes, len);
	c->refused_why = NULL;
	return to->failed ? 503 : 0;
}

static const struct http_hooks hooks = { on_head, on_body };

/* ---- reading ---- */

static void refuse(struct conn *c, const struct http_refusal *no)
{
	const char *why = no->reason ? no->reason : c->refused_why ? c->refused_why : "refused";

	/* A refused head leaves a request half made; the answer needs only a place for it. */
	if (!c->request)
		c->request = request_new(c->loop->settings->server, NULL);
	if (!c->request) {
		conn_close(c);
		return;
	}
	if (!c->request->reply.request_id[0])
		request_id(c->request->reply.request_id, NULL);
	c->keep_alive = false;
	if (!c->request->reply.status)
		reply_status(&c->request->reply, no->status, why);
	if ((no->status == 503 || no->status == 429) && !c->request->reply.retry_after)
		c->request->reply.retry_after = 5;
	conn_read_stop(c);
	conn_enter(c, CONN_BUSY, -1);
	conn_reply(c);
}

static void complete(struct conn *c)
{
	struct http_request *h = http_take(c->http);

	c->request->http = h;
	c->keep_alive = h->keep_alive;
	conn_read_stop(c);
	conn_start_work(c, CONN_BUSY, answer_run, answer_done);
}

void conn_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	struct conn *c = h->data;

	(void)suggested;
	*b = uv_buf_init(c->loop->incoming, sizeof c->loop->incoming);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct conn *c = stream->data;
	struct err e;

	if (n < 0) {
		conn_close(c);
		return;
	}
	if (n == 0)
		return;
	if (!c->tls) {
		buf_add(&c->in, b->base, (size_t)n);
	} else {
		int bad = tls_receive(c->tls, b->base, (size_t)n, &c->in, &e);

		if (!c->out_busy) {
			buf_clear(&c->out);
			tls_drain(c->tls, &c->out);
			conn_flush(c);
		}
		if (bad < 0) {
			log_debug("%s", e.msg);
			conn_close(c);
			return;
		}
	}
	if (c->in.failed || (c->tls && tls_ended(c->tls) && c->in.len == c->in_at)) {
		conn_close(c);
		return;
	}
	if (c->state == CONN_HANDSHAKE && tls_established(c->tls))
		conn_rest(c);
	conn_advance(c);
}

void conn_advance(struct conn *c)
{
	struct http_refusal no;
	size_t used;

	while (c->in_at < c->in.len && (c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY)) {
		enum http_step step;

		if (c->state == CONN_IDLE)
			conn_enter(c, CONN_HEAD, c->loop->settings->head_ms);
		c->refused_why = NULL;
		step = http_feed(c->http, c->in.data + c->in_at, c->in.len - c->in_at, &used, &no);
		c->in_at += used;
		if (c->state == CONN_CLOSING)
			return;
		if (step == HTTP_REFUSED) {
			refuse(c, &no);
			return;
		}
		if (step == HTTP_COMPLETE) {
			complete(c);
			return;
		}
	}
	if (c->in_at == c->in.len) {
		buf_clear(&c->in);
		c->in_at = 0;
	}
	if (c->state == CONN_BODY && c->piece.len >= SPILL_CHUNK) {
		conn_read_stop(c);
		conn_start_work(c, CONN_SPILLING, spill_run, spill_done);
		return;
	}
	if (c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_HANDSHAKE)
		conn_read_on(c, on_read);
}

/* The one that has been idle for longest; NULL: each of them is at something, or has only just come. */
static struct conn *idlest(const struct loop *l)
{
	int64_t latest = clock_work_ms() + l->settings->idle_ms - SETTLED_MS;
	struct conn *found = NULL;

	for (struct conn *c = l->conns; c; c = c->next)
		if (c->state == CONN_IDLE && c->deadline <= latest && (!found || c->deadline <= found->deadline))
			found = c;
	return found;
}

/* Is there a place for one more? Whoever only keeps one open gives it up, so that many of those shut nobody out. */
static bool make_room(struct loop *l)
{
	struct conn *c = l->count > l->settings->connections ? idlest(l) : NULL;

	if (c)
		conn_close(c);
	return c || l->count <= l->settings->connections;
}

void conn_accept(struct loop *l)
{
	struct conn *c = calloc(1, sizeof *c);

	if (!c) {
		log_warn("a connection was dropped: out of memory");
		return;
	}
	c->loop = l;
	c->in.max = PLAIN_MAX;
	uv_tcp_init(&l->uv, &c->tcp);
	c->tcp.data = c;
	c->next = l->conns;
	if (c->next)
		c->next->prev = c;
	l->conns = c;
	l->count++;
	metrics_connection(l->settings->metrics, +1);
	if (uv_accept((uv_stream_t *)&l->listener, (uv_stream_t *)&c->tcp) < 0 || !make_room(l)) {
		metrics_dropped(l->settings->metrics);
		conn_close(c);
		return;
	}
	c->http = http_new(&hooks, c);
	c->tls = l->settings->tls ? tls_new(l->settings->tls) : NULL;
	if (!c->http || (l->settings->tls && !c->tls)) {
		conn_close(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	conn_enter(c, c->tls ? CONN_HANDSHAKE : CONN_IDLE, c->tls ? l->settings->head_ms : l->settings->idle_ms);
	conn_advance(c);
}
