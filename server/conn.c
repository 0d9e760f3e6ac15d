/* conn: one connection: bytes in, one request at a time, bytes out. */
#include "server/conn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/tls.h"

#define READ_CHUNK 65536
#define SPILL_CHUNK ((size_t)256 * 1024)        /* of a body, written to its file at once */
#define STREAM_CHUNK ((size_t)128 * 1024)       /* of a file, read and sent at once */
#define LINGER_MS 2000
#define PLAIN_MAX ((size_t)1 << 20)             /* decrypted bytes that wait */

enum conn_state {
	CONN_HANDSHAKE, /* TLS only */
	CONN_IDLE,      /* between requests */
	CONN_HEAD,
	CONN_BODY,
	CONN_SPILLING,  /* a pool thread writes a piece of the body */
	CONN_BUSY,      /* a pool thread answers the request */
	CONN_WRITING,
	CONN_STREAMING, /* a pool thread reads a piece of the file */
	CONN_LINGER,    /* all is said; what the peer still sends is thrown away, so that it can read the answer */
	CONN_CLOSING,
};

struct conn {
	uv_tcp_t tcp;
	uv_write_t write;
	uv_shutdown_t shutdown;
	uv_work_t work;
	struct loop *loop;
	struct conn *prev, *next;
	enum conn_state state;
	int64_t deadline;               /* clock_work_ms() */
	struct tls *tls;                /* NULL: plain */
	struct http *http;
	struct request *request;        /* from its head until its answer is written */
	const char *refused_why;        /* when the head was refused by us */
	struct buf in;                  /* decrypted bytes not yet parsed, from in_at on */
	size_t in_at;
	struct buf out;                 /* bytes of the write under way */
	struct buf piece;               /* of a body on its way to the file, or of a file on its way out */
	struct err error;               /* of the pool's work */
	uint64_t sent;                  /* bytes of the reply's file already sent */
	bool keep_alive;
	bool out_busy, work_busy;       /* libuv has c->write, c->work */
	bool closed;                    /* the handle is closed; freed when nothing is out */
	bool head_only;                 /* answer to HEAD */
	bool reading;
	char incoming[READ_CHUNK];
};

static void advance(struct conn *c);
static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b);
static void begin_reply(struct conn *c);

struct conn *conn_next(const struct conn *c)
{
	return c->next;
}

static void enter(struct conn *c, enum conn_state state, int64_t wait_ms)
{
	c->state = state;
	c->deadline = wait_ms < 0 ? INT64_MAX : clock_work_ms() + wait_ms;
}

static void read_on(struct conn *c, uv_read_cb read)
{
	if (c->reading)
		return;
	c->reading = true;
	if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, read) < 0)
		conn_close(c);
}

static void read_no_more(struct conn *c)
{
	c->reading = false;
	uv_read_stop((uv_stream_t *)&c->tcp);
}

/* ---- the end ---- */

static void release(struct conn *c)
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
	c->closed = true;
	release(c);
}

void conn_close(struct conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	enter(c, CONN_CLOSING, -1);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

void conn_sweep(struct conn *c, int64_t now_ms, bool stopping)
{
	if (stopping && (c->state == CONN_IDLE || c->state == CONN_HANDSHAKE))
		conn_close(c);
	else if (now_ms >= c->deadline)
		conn_close(c);
}

/* ---- writing ---- */

static void on_written(uv_write_t *w, int status);

/* Sends c->out, which must not change until on_written(). */
static void flush(struct conn *c)
{
	uv_buf_t b = uv_buf_init(c->out.data, (unsigned)c->out.len);

	if (c->out.failed || c->out.len == 0) {
		if (c->out.failed)
			conn_close(c);
		return;
	}
	c->write.data = c;
	c->out_busy = true;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written) < 0) {
		c->out_busy = false;
		conn_close(c);
	}
}

static void put(struct conn *c, const void *bytes, size_t len)
{
	struct err e;

	if (!c->tls) {
		buf_add(&c->out, bytes, len);
		return;
	}
	if (tls_send(c->tls, bytes, len, &e) < 0)
		c->out.failed = true;
	tls_drain(c->tls, &c->out);
}

/* A pool thread reads; the loop thread encrypts and sends. */
static void stream_run(uv_work_t *w)
{
	struct conn *c = w->data;
	const struct reply *r = &c->request->reply;
	uint64_t left = r->length - c->sent;
	size_t want = left < STREAM_CHUNK ? (size_t)left : STREAM_CHUNK;
	char *at;

	buf_clear(&c->piece);
	at = buf_grow(&c->piece, want);
	while (at && c->piece.len < want) {
		ssize_t n = pread(r->fd, at + c->piece.len, want - c->piece.len, (off_t)(r->from + c->sent + c->piece.len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		c->piece.len += (size_t)n;
	}
	if (c->piece.len < want)
		err_set(&c->error, ERR_IO, "a file became shorter while it was sent");
}

static void stream_done(uv_work_t *w, int status)
{
	struct conn *c = w->data;

	c->work_busy = false;
	if (c->state == CONN_CLOSING) {
		release(c);
		return;
	}
	if (status < 0 || c->error.code) {
		conn_close(c);
		return;
	}
	c->sent += c->piece.len;
	buf_clear(&c->out);
	put(c, c->piece.data, c->piece.len);
	buf_clear(&c->piece);
	enter(c, CONN_WRITING, c->loop->settings->write_ms);
	flush(c);
}

static void start_work(struct conn *c, enum conn_state state, uv_work_cb run, uv_after_work_cb done)
{
	c->work.data = c;
	c->error = (struct err){ 0 };
	c->work_busy = true;
	enter(c, state, -1);
	if (uv_queue_work(&c->loop->uv, &c->work, run, done) < 0) {
		c->work_busy = false;
		conn_close(c);
	}
}

static void on_lingering(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	(void)b;
	if (n < 0)
		conn_close(stream->data);
}

/* Closing with unread bytes would reset the connection and take the answer with it. */
static void linger(struct conn *c)
{
	enter(c, CONN_LINGER, LINGER_MS);
	read_no_more(c);
	if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, NULL) < 0)
		conn_close(c);
	else
		read_on(c, on_lingering);
}

/* What was to be written is written: the next piece, or the next request. */
static void reply_written(struct conn *c)
{
	const struct reply *r = &c->request->reply;

	if (r->fd >= 0 && !c->head_only && c->sent < r->length) {
		start_work(c, CONN_STREAMING, stream_run, stream_done);
		return;
	}
	request_free(TAKE(c->request));
	if (!c->keep_alive || c->loop->stopping) {
		linger(c);
		return;
	}
	enter(c, CONN_IDLE, c->loop->settings->idle_ms);
	advance(c);
}

static void on_written(uv_write_t *w, int status)
{
	struct conn *c = w->data;

	c->out_busy = false;
	if (c->state == CONN_CLOSING) {
		release(c);
		return;
	}
	if (status < 0) {
		conn_close(c);
		return;
	}
	if (c->state == CONN_WRITING)
		reply_written(c);
	else if (c->tls && c->state != CONN_BUSY) {
		/* A handshake message or "100 Continue" is out; there may be more by now. */
		buf_clear(&c->out);
		tls_drain(c->tls, &c->out);
		flush(c);
	} else if (c->state == CONN_BUSY && !c->work_busy) {
		begin_reply(c);
	}
}

/* The reply is in c->request. A write under way (100 Continue) comes first. */
static void begin_reply(struct conn *c)
{
	struct reply *r = &c->request->reply;
	struct buf head = { .max = 4096 };

	if (c->out_busy)
		return;
	if (r->status == 0 || (r->body && r->body->failed))
		reply_problem(r, PROBLEM_INTERNAL, "the answer does not fit");
	if (r->close || c->loop->stopping)
		c->keep_alive = false;
	buf_clear(&c->out);
	reply_head(r, c->keep_alive, &head);
	put(c, head.data, head.len);
	buf_release(&head);
	if (r->body && !c->head_only && r->status != 204 && r->status != 304)
		put(c, r->body->data, r->body->len);
	if (!c->keep_alive && r->fd < 0 && c->tls) {
		tls_goodbye(c->tls);
		tls_drain(c->tls, &c->out);
	}
	c->sent = 0;
	enter(c, CONN_WRITING, c->loop->settings->write_ms);
	flush(c);
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

static void request_run(uv_work_t *w)
{
	struct conn *c = w->data;
	struct request *q = c->request;

	if (q->route->body == BODY_FILE)
		spill(c);
	if (c->error.code)
		reply_error(&q->reply, &c->error);
	else
		q->route->run(q);
}

static void request_done(uv_work_t *w, int status)
{
	struct conn *c = w->data;

	c->work_busy = false;
	if (c->state == CONN_CLOSING)
		release(c);
	else if (status < 0)
		conn_close(c);
	else
		begin_reply(c);
}

static void spill_done(uv_work_t *w, int status)
{
	struct conn *c = w->data;

	c->work_busy = false;
	if (c->state == CONN_CLOSING) {
		release(c);
	} else if (status < 0) {
		conn_close(c);
	} else if (c->error.code) {
		c->keep_alive = false;
		enter(c, CONN_BUSY, -1);
		reply_error(&c->request->reply, &c->error);
		begin_reply(c);
	} else {
		enter(c, CONN_BODY, c->loop->settings->body_ms);
		advance(c);
	}
}

/* ---- what the HTTP parser tells ---- */

static uint64_t body_limit(const struct conn *c, const struct route *r)
{
	return r->body_max ? r->body_max : r->body == BODY_FILE ? c->loop->settings->upload_max : 0;
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
	buf_clear(&c->piece);
	memcpy(q->param_text, text, sizeof text);
	for (size_t i = 0; i < ROUTE_PARAMS; i++)
		q->params[i] = params[i] ? q->param_text + (params[i] - text) : NULL;
	q->http = (struct http_request *)(uintptr_t)h;
	status = s->admit(q, &c->refused_why);
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
		put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		flush(c);
	}
	enter(c, CONN_BODY, s->body_ms);
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
	c->keep_alive = false;
	reply_status(&c->request->reply, no->status, why);
	if (no->status == 503 || no->status == 429)
		c->request->reply.retry_after = 5;
	read_no_more(c);
	enter(c, CONN_BUSY, -1);
	begin_reply(c);
}

static void complete(struct conn *c)
{
	struct http_request *h = http_take(c->http);

	c->request->http = h;
	c->keep_alive = h->keep_alive;
	read_no_more(c);
	start_work(c, CONN_BUSY, request_run, request_done);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	struct conn *c = h->data;

	(void)suggested;
	*b = uv_buf_init(c->incoming, sizeof c->incoming);
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
			flush(c);
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
		enter(c, CONN_IDLE, c->loop->settings->idle_ms);
	advance(c);
}

/* Parses what is there, as far as the state allows. */
static void advance(struct conn *c)
{
	struct http_refusal no;
	size_t used;

	while (c->in_at < c->in.len && (c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY)) {
		enum http_step step;

		if (c->state == CONN_IDLE)
			enter(c, CONN_HEAD, c->loop->settings->head_ms);
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
		read_no_more(c);
		start_work(c, CONN_SPILLING, spill_run, spill_done);
		return;
	}
	if (c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY || c->state == CONN_HANDSHAKE)
		read_on(c, on_read);
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
	if (uv_accept((uv_stream_t *)&l->listener, (uv_stream_t *)&c->tcp) < 0 || l->count > l->settings->connections) {
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
	enter(c, c->tls ? CONN_HANDSHAKE : CONN_IDLE, c->tls ? l->settings->head_ms : l->settings->idle_ms);
	advance(c);
}
