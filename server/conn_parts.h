/* conn_parts: one connection, for server/conn*.c only. */
#ifndef SERVER_CONN_PARTS_H
#define SERVER_CONN_PARTS_H

#include "server/conn.h"
#include "server/tls.h"

#define SPILL_CHUNK ((size_t)256 * 1024)        /* of a body, written to its file at once */
#define STREAM_CHUNK ((size_t)128 * 1024)       /* of a file, read and sent at once */
#define LINGER_MS 2000
#define PLAIN_MAX ((size_t)1 << 20)             /* decrypted bytes that wait */
#define SETTLED_MS 1000         /* whoever is idle for so long goes when another wants the place */

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
};

/* conn.c */
void conn_enter(struct conn *c, enum conn_state state, int64_t wait_ms);        /* wait_ms < 0: no time limit */
void conn_rest(struct conn *c);         /* idle from here on, and without memory that only requests need */
void conn_read_on(struct conn *c, uv_read_cb read);
void conn_read_stop(struct conn *c);
void conn_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b);
void conn_release(struct conn *c);      /* frees it, once it is closed and nothing of it is out */
void conn_start_work(struct conn *c, enum conn_state state, uv_work_cb run, uv_after_work_cb done);
void conn_advance(struct conn *c);      /* parses what is there, as far as the state allows */

/* conn_write.c */
void conn_put(struct conn *c, const void *bytes, size_t len);   /* through TLS into c->out */
void conn_flush(struct conn *c);        /* sends c->out, which must not change until it is written */
void conn_reply(struct conn *c);        /* sends the reply in c->request; a write under way comes first */

#endif
