/*
 * http: bytes to HTTP/1.1 requests (RFC 9112), through llhttp in strict mode.
 *
 * One parser serves one connection, one request at a time. Beyond what llhttp
 * refuses, we refuse folded header lines, trailers, upgrades, more than one
 * Host, and heads over the limits. Knows no socket and no clock.
 */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdbool.h>

#include "base/buf.h"

#define HTTP_HEAD_MAX 16384     /* bytes of request line and headers together */
#define HTTP_TARGET_MAX 2048    /* bytes of the request target */
#define HTTP_HEADERS_MAX 64

enum http_method { HTTP_METHOD_GET, HTTP_METHOD_HEAD, HTTP_METHOD_POST, HTTP_METHOD_PUT, HTTP_METHOD_DELETE };

const char *http_method_name(enum http_method m);

struct http_header {
	const char *name;       /* lower-case */
	const char *value;      /* without the blanks around it */
};

struct http_request {
	enum http_method method;
	const char *path;       /* begins with '/'; percent escapes decoded, printable ASCII only */
	const char *query;      /* what followed '?', as it came; "" when absent */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	uint64_t content_length;        /* 0 when chunked */
	bool chunked;
	bool keep_alive;
	bool expects_continue;  /* the client waits for "100 Continue" before it sends the body */
	struct buf *text;       /* owns the strings above */
};

void http_request_free(struct http_request *q);         /* NULL is fine */
const char *http_header(const struct http_request *q, const char *name);       /* lower-case name; NULL when absent */

/* The value of a query parameter, percent-decoded into out; false when absent, too long, badly escaped or not printable ASCII: out is then of no use. */
bool http_query_given(const struct http_request *q, const char *name);  /* is the parameter there, whatever it says? */
bool http_query(const struct http_request *q, const char *name, char *out, size_t cap);

/* Does an If-Match header hold for this version: "*", or a list of strong tags with it among them (RFC 9110, 13.1.1)? */
bool http_tag_matches(const char *header, const char *version);

struct http_hooks {
	/* The head is complete: 0 to go on, or the HTTP status to refuse the request with. */
	int (*head)(void *arg, const struct http_request *q);
	/* A piece of the body: 0, or an HTTP status. */
	int (*body)(void *arg, const char *bytes, size_t len);
};

struct http;

struct http *http_new(const struct http_hooks *hooks, void *arg);       /* NULL when there is no memory */
void http_free(struct http *h);

enum http_step { HTTP_MORE, HTTP_COMPLETE, HTTP_REFUSED };

/* Why a request was refused; the connection must be closed after the answer. */
struct http_refusal {
	int status;             /* 400, 413, 414, 431, 501, 505 or what a hook said */
	const char *reason;     /* one static phrase; NULL when a hook refused */
};

/*
 * Reads from bytes, stores how many were used. HTTP_COMPLETE: a request is
 * whole; take it, then feed the rest for the next one.
 */
enum http_step http_feed(struct http *h, const char *bytes, size_t len, size_t *used, struct http_refusal *no);

struct http_request *http_take(struct http *h);         /* the complete request; the caller frees */
bool http_idle(const struct http *h);   /* no byte of a request has arrived since the last one */

#endif
