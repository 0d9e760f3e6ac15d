/* http: bytes to HTTP/1.1 requests, through llhttp in strict mode. */
#include "server/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <llhttp.h>

struct slice {
	size_t at, len;
};

struct http {
	llhttp_t parser;
	llhttp_settings_t settings;
	const struct http_hooks *hooks;
	void *arg;
	struct http_request *request;   /* being read, or complete and not yet taken */
	struct slice target;
	struct slice names[HTTP_HEADERS_MAX], values[HTTP_HEADERS_MAX];
	size_t count;           /* headers begun */
	bool in_value;          /* the last span belonged to a value */
	bool in_head;
	size_t head_len, line_len;      /* bytes of the head so far; of its current line without CR */
	bool head_begun;        /* the request line has a byte */
	bool line_ended;        /* the request line is over */
	char last;              /* the byte of the head before */
	struct http_refusal no;
};

static const struct { uint8_t llhttp; enum http_method method; const char *name; } methods[] = {
	{ HTTP_GET,    HTTP_METHOD_GET,    "GET" },
	{ HTTP_HEAD,   HTTP_METHOD_HEAD,   "HEAD" },
	{ HTTP_POST,   HTTP_METHOD_POST,   "POST" },
	{ HTTP_PUT,    HTTP_METHOD_PUT,    "PUT" },
	{ HTTP_DELETE, HTTP_METHOD_DELETE, "DELETE" },
};

const char *http_method_name(enum http_method m)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (methods[i].method == m)
			return methods[i].name;
	return "?";
}

void http_request_free(struct http_request *q)
{
	if (!q)
		return;
	buf_free(q->text);
	free(q);
}

const char *http_header(const struct http_request *q, const char *name)
{
	for (size_t i = 0; i < q->header_count; i++)
		if (strcmp(q->headers[i].name, name) == 0)
			return q->headers[i].value;
	return NULL;
}

/* ---- percent escapes ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* In place; returns the new length or -1. In a path an escaped slash could hide a segment: it is refused with blanks and controls. */
static long unescape(char *text, size_t len, bool path)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -1;
			c = high * 16 + low;
			if (c == '/' && path)
				return -1;
			i += 2;
		}
		if (c < 0x20 || (c == 0x20 && path) || c >= 0x7f)
			return -1;
		text[to++] = (char)c;
	}
	return (long)to;
}

/* What follows "name=", as it was sent; NULL: nothing does. */
static const char *parameter(const struct http_request *q, const char *name, size_t *value_len)
{
	size_t name_len = strlen(name);

	for (const char *at = q->query; *at; ) {
		size_t len = strcspn(at, "&");

		if (len > name_len && at[name_len] == '=' && strncmp(at, name, name_len) == 0) {
			*value_len = len - name_len - 1;
			return at + name_len + 1;
		}
		at += len + (at[len] == '&');
	}
	return NULL;
}

bool http_query_given(const struct http_request *q, const char *name)
{
	size_t len;

	return parameter(q, name, &len) != NULL;
}

bool http_query(const struct http_request *q, const char *name, char *out, size_t cap)
{
	size_t len;
	const char *value = parameter(q, name, &len);
	long n;

	if (!value || len + 2 > cap)
		return false;
	memcpy(out, value, len);
	/* unescape() looks two bytes ahead within len only */
	out[len] = '\0';
	n = unescape(out, len, false);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

/* ---- llhttp's callbacks ---- */

static int refuse(struct http *h, int status, const char *reason)
{
	if (!h->no.status) {
		h->no.status = status;
		h->no.reason = reason;
	}
	return -1;
}

static bool keep(struct http *h, struct slice *s, const char *at, size_t len)
{
	struct buf *text = h->request->text;

	if (s->len == 0)
		s->at = text->len;
	buf_add(text, at, len);
	s->len += len;
	return !text->failed;
}

static int on_begin(llhttp_t *p)
{
	struct http *h = p->data;

	h->request = calloc(1, sizeof *h->request);
	if (!h->request)
		return refuse(h, 503, "out of memory");
	h->request->text = buf_new(2 * HTTP_HEAD_MAX + 4 * HTTP_HEADERS_MAX);
	h->target = (struct slice){ 0 };
	h->count = 0;
	h->in_value = true;
	return h->request->text ? 0 : refuse(h, 503, "out of memory");
}

static int on_url(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = p->data;

	if (h->target.len + len > HTTP_TARGET_MAX)
		return refuse(h, 414, "the request target is too long");
	return keep(h, &h->target, at, len) ? 0 : refuse(h, 503, "out of memory");
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = p->data;

	if (!h->in_head)
		return refuse(h, 400, "trailers are not accepted");
	if (h->in_value) {
		if (h->count == HTTP_HEADERS_MAX)
			return refuse(h, 431, "too many header lines");
		h->names[h->count] = h->values[h->count] = (struct slice){ 0 };
		h->count++;
		h->in_value = false;
		buf_addc(h->request->text, '\0');
	}
	return keep(h, &h->names[h->count - 1], at, len) ? 0 : refuse(h, 503, "out of memory");
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = p->data;

	if (!h->in_head)
		return refuse(h, 400, "trailers are not accepted");
	if (!h->in_value) {
		h->in_value = true;
		buf_addc(h->request->text, '\0');
	}
	return keep(h, &h->values[h->count - 1], at, len) ? 0 : refuse(h, 503, "out of memory");
}

static int on_value_end(llhttp_t *p)
{
	struct http *h = p->data;

	h->in_value = true;
	return 0;
}

static int split_target(struct http *h)
{
	struct http_request *q = h->request;
	char *target = q->text->data + h->target.at;
	char *query;
	long n;

	target[h->target.len] = '\0';
	if (target[0] != '/' || memchr(target, '#', h->target.len))
		return refuse(h, 400, "the request target is no absolute path");
	query = strchr(target, '?');
	q->query = query ? query + 1 : target + h->target.len;
	if (query)
		*query = '\0';
	for (const char *c = q->query; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f)
			return refuse(h, 400, "the query holds bytes that need escaping");
	n = unescape(target, strlen(target), true);
	if (n < 0)
		return refuse(h, 400, "the path is badly escaped");
	target[n] = '\0';
	q->path = target;
	return 0;
}

/*
 * How long the body is must be said in one way only: llhttp takes a coding
 * without a name for none, and several lines for one list.
 */
static int check_framing(struct http *h)
{
	const struct http_request *q = h->request;
	size_t codings = 0;

	for (size_t i = 0; i < q->header_count; i++) {
		if (strcmp(q->headers[i].name, "transfer-encoding") != 0)
			continue;
		if (h->parser.http_minor == 0)
			return refuse(h, 400, "HTTP/1.0 has no transfer codings");
		if (++codings > 1)
			return refuse(h, 400, "more than one Transfer-Encoding");
		if (strcasecmp(q->headers[i].value, "chunked") != 0)
			return refuse(h, 501, "the only transfer coding is chunked");
	}
	return 0;
}

static int fill_headers(struct http *h)
{
	struct http_request *q = h->request;
	size_t hosts = 0;

	buf_addc(q->text, '\0');
	if (q->text->failed)
		return refuse(h, 503, "out of memory");
	for (size_t i = 0; i < h->count; i++) {
		char *name = q->text->data + h->names[i].at;
		char *value = h->values[i].len ? q->text->data + h->values[i].at : name + h->names[i].len;
		size_t len = h->values[i].len;

		/* llhttp lets a line without a name through */
		if (h->names[i].len == 0)
			return refuse(h, 400, "a header line without a name");
		name[h->names[i].len] = '\0';
		while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
			len--;
		value[len] = '\0';
		for (char *c = name; *c; c++)
			if (*c >= 'A' && *c <= 'Z')
				*c = (char)(*c + 'a' - 'A');
		q->headers[i] = (struct http_header){ name, value };
		hosts += strcmp(name, "host") == 0;
	}
	q->header_count = h->count;
	if (hosts > 1 || (hosts == 0 && h->parser.http_minor == 1))
		return refuse(h, 400, "exactly one Host is needed");
	return 0;
}

static int on_head(llhttp_t *p)
{
	struct http *h = p->data;
	struct http_request *q = h->request;
	const char *expect;
	size_t i;
	int status;

	for (i = 0; i < ARRAY_LEN(methods) && methods[i].llhttp != p->method; i++)
		;
	if (i == ARRAY_LEN(methods))
		return refuse(h, 501, "the method is not known here");
	q->method = methods[i].method;
	if (p->http_major != 1 || p->http_minor > 1)
		return refuse(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	if (p->upgrade)
		return refuse(h, 501, "no upgrade is offered");
	if (fill_headers(h) < 0 || check_framing(h) < 0 || split_target(h) < 0)
		return -1;
	q->chunked = (p->flags & F_CHUNKED) != 0;
	q->content_length = q->chunked ? 0 : p->content_length;
	q->keep_alive = llhttp_should_keep_alive(p) != 0;
	expect = http_header(q, "expect");
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return refuse(h, 417, "the only expectation met is 100-continue");
	q->expects_continue = expect && p->http_minor == 1 && (q->chunked || q->content_length > 0);
	status = h->hooks->head(h->arg, q);
	return status ? refuse(h, status, NULL) : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t len)
{
	struct http *h = p->data;
	int status = h->hooks->body(h->arg, at, len);

	return status ? refuse(h, status, NULL) : 0;
}

static int on_complete(llhttp_t *p)
{
	(void)p;
	return HPE_PAUSED;
}

/* ---- the parser ---- */

static void head_begin(struct http *h)
{
	h->in_head = true;
	h->head_begun = h->line_ended = false;
	h->last = '\0';
	h->head_len = h->line_len = 0;
	h->no = (struct http_refusal){ 0 };
}

struct http *http_new(const struct http_hooks *hooks, void *arg)
{
	struct http *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	llhttp_settings_init(&h->settings);
	h->settings.on_message_begin = on_begin;
	h->settings.on_url = on_url;
	h->settings.on_header_field = on_field;
	h->settings.on_header_value = on_value;
	h->settings.on_header_value_complete = on_value_end;
	h->settings.on_headers_complete = on_head;
	h->settings.on_body = on_body;
	h->settings.on_message_complete = on_complete;
	llhttp_init(&h->parser, HTTP_REQUEST, &h->settings);
	h->parser.data = h;
	h->hooks = hooks;
	h->arg = arg;
	head_begin(h);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	http_request_free(h->request);
	free(h);
}

bool http_idle(const struct http *h)
{
	return h->in_head && !h->head_begun;
}

struct http_request *http_take(struct http *h)
{
	return TAKE(h->request);
}

/*
 * What llhttp, even strict, lets through and others read differently: lines
 * that end without CR, header lines that begin with a blank (it joins them to
 * the line before), and more than one blank between the parts of the first.
 */
static const char *ambiguous(const struct http *h, char c)
{
	if ((c == '\n') != (h->last == '\r'))
		return "a line of the head does not end with CR and LF";
	if (c != ' ' && c != '\t')
		return NULL;
	if (h->line_len == 0)
		return "folded header lines are not accepted";
	return !h->line_ended && (c == '\t' || h->last == ' ') ? "one blank belongs between the parts of the request line" : NULL;
}

/* How many of these bytes belong to the head; 0 with a refusal. */
static size_t head_part(struct http *h, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];
		const char *why = ambiguous(h, c);

		if (++h->head_len > HTTP_HEAD_MAX)
			return refuse(h, 431, "the head of the request is too long"), 0;
		if (why)
			return refuse(h, 400, why), 0;
		h->last = c;
		if (c == '\n') {
			h->line_ended = h->head_begun;
			if (h->head_begun && h->line_len == 0) {
				h->in_head = false;
				return i + 1;
			}
			h->line_len = 0;
			continue;
		}
		if (c == '\r')
			continue;
		h->line_len++;
		h->head_begun = true;
	}
	return len;
}

static enum http_step refused(struct http *h, struct http_refusal *no)
{
	if (!h->no.status)
		refuse(h, 400, "malformed request");
	*no = h->no;
	return HTTP_REFUSED;
}

enum http_step http_feed(struct http *h, const char *bytes, size_t len, size_t *used, struct http_refusal *no)
{
	*used = 0;
	while (*used < len) {
		bool was_head = h->in_head;
		size_t part = was_head ? head_part(h, bytes + *used, len - *used) : len - *used;
		llhttp_errno_t got;

		if (h->no.status)
			return refused(h, no);
		/* The scanner left the head before llhttp has; on_field() must still see it as head. */
		if (was_head) {
			bool ended = !h->in_head;

			h->in_head = true;
			got = llhttp_execute(&h->parser, bytes + *used, part);
			h->in_head = !ended;
		} else {
			got = llhttp_execute(&h->parser, bytes + *used, part);
		}
		if (got == HPE_PAUSED) {
			*used = (size_t)(llhttp_get_error_pos(&h->parser) - bytes);
			llhttp_resume(&h->parser);
			head_begin(h);
			return HTTP_COMPLETE;
		}
		if (got != HPE_OK)
			return refused(h, no);
		*used += part;
	}
	return HTTP_MORE;
}
