/* conn_write: answers on their way out: bytes, and files piece by piece. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/conn_parts.h"

static void on_written(uv_write_t *w, int status);

void conn_flush(struct conn *c)
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

void conn_put(struct conn *c, const void *bytes, size_t len)
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
		conn_release(c);
		return;
	}
	if (status < 0 || c->error.code) {
		conn_close(c);
		return;
	}
	c->sent += c->piece.len;
	buf_clear(&c->out);
	conn_put(c, c->piece.data, c->piece.len);
	buf_clear(&c->piece);
	conn_enter(c, CONN_WRITING, c->loop->settings->write_ms);
	conn_flush(c);
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
	conn_enter(c, CONN_LINGER, LINGER_MS);
	conn_read_stop(c);
	if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, NULL) < 0)
		conn_close(c);
	else
		conn_read_on(c, on_lingering);
}

/* What was to be written is written: the next piece, or the next request. */
static void reply_written(struct conn *c)
{
	const struct reply *r = &c->request->reply;

	if (r->fd >= 0 && !c->head_only && c->sent < r->length) {
		conn_start_work(c, CONN_STREAMING, stream_run, stream_done);
		return;
	}
	request_free(TAKE(c->request));
	if (!c->keep_alive || c->loop->stopping) {
		linger(c);
		return;
	}
	conn_rest(c);
	conn_advance(c);
}

static void on_written(uv_write_t *w, int status)
{
	struct conn *c = w->data;

	c->out_busy = false;
	if (c->state == CONN_CLOSING) {
		conn_release(c);
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
		conn_flush(c);
	} else if (c->state == CONN_BUSY && !c->work_busy) {
		conn_reply(c);
	}
}

/* The answer stands: what it took is known. */
static void account(const struct conn *c)
{
	const struct loop_settings *s = c->loop->settings;
	const struct request *q = c->request;
	int64_t us = clock_work_us() - q->began_us;

	metrics_answered(s->metrics, q->route, q->reply.status, us);
	access_log(s->access_log, q, us);
}

void conn_reply(struct conn *c)
{
	struct reply *r = &c->request->reply;
	struct buf head = { .max = 4096 };

	if (c->out_busy)
		return;
	if (r->status == 0 || (r->body && r->body->failed))
		reply_problem(r, PROBLEM_INTERNAL, "the answer does not fit");
	if (r->close || c->loop->stopping)
		c->keep_alive = false;
	account(c);
	buf_clear(&c->out);
	reply_head(r, c->keep_alive, &head);
	conn_put(c, head.data, head.len);
	buf_release(&head);
	if (r->body && !c->head_only && r->status != 204 && r->status != 304)
		conn_put(c, r->body->data, r->body->len);
	if (!c->keep_alive && r->fd < 0 && c->tls) {
		tls_goodbye(c->tls);
		tls_drain(c->tls, &c->out);
	}
	c->sent = 0;
	conn_enter(c, CONN_WRITING, c->loop->settings->write_ms);
	conn_flush(c);
}
