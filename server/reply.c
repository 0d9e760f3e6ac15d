/* reply: what a handler answers, and problem documents. */
#include "server/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct { int status; const char *slug, *title; } problems[PROBLEMS] = {
	[PROBLEM_MALFORMED]       = { 400, "malformed", "The request is malformed" },
	[PROBLEM_UNAUTHENTICATED] = { 401, "unauthenticated", "A valid token is needed" },
	[PROBLEM_FORBIDDEN]       = { 403, "forbidden", "The token does not permit this" },
	[PROBLEM_NOT_FOUND]       = { 404, "not-found", "There is no such thing here" },
	[PROBLEM_METHOD]          = { 405, "method-not-allowed", "The method does not fit the address" },
	[PROBLEM_CONFLICT]        = { 409, "conflict", "The request conflicts with what is recorded" },
	[PROBLEM_RESYNC]          = { 409, "resync", "The device must begin a new epoch" },
	[PROBLEM_TOO_LARGE]       = { 413, "too-large", "The request is too large" },
	[PROBLEM_TYPE]            = { 415, "wrong-type", "The content type is not the one expected" },
	[PROBLEM_RANGE]           = { 416, "range", "The range lies outside the file" },
	[PROBLEM_REFUSED]         = { 422, "refused", "A check refused the request" },
	[PROBLEM_BUSY]            = { 429, "too-many-requests", "Too many requests" },
	[PROBLEM_UNAVAILABLE]     = { 503, "unavailable", "The server cannot do this now" },
	[PROBLEM_SPACE]           = { 503, "no-space", "The server has no space left" },
	[PROBLEM_INTERNAL]        = { 500, "internal", "The server failed" },
};

static const struct { int code; enum problem problem; } by_error[] = {
	{ ERR_USAGE, PROBLEM_MALFORMED },   { ERR_FORMAT, PROBLEM_MALFORMED },
	{ ERR_LIMIT, PROBLEM_TOO_LARGE },   { ERR_NOT_FOUND, PROBLEM_NOT_FOUND },
	{ ERR_CONFLICT, PROBLEM_CONFLICT }, { ERR_AUTH, PROBLEM_FORBIDDEN },
	{ ERR_EXPIRED, PROBLEM_FORBIDDEN }, { ERR_ROLLBACK, PROBLEM_CONFLICT },
	{ ERR_REFUSED, PROBLEM_REFUSED },   { ERR_SPACE, PROBLEM_SPACE },
	{ ERR_MEMORY, PROBLEM_UNAVAILABLE }, { ERR_TIMEOUT, PROBLEM_UNAVAILABLE },
	{ ERR_CRASH, PROBLEM_REFUSED },     { ERR_UNSUPPORTED, PROBLEM_REFUSED },
};

static const struct { int status; const char *words; } statuses[] = {
	{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
	{ 206, "Partial Content" }, { 304, "Not Modified" }, { 400, "Bad Request" },
	{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 409, "Conflict" },
	{ 411, "Length Required" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" }, { 422, "Unprocessable Content" },
	{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
	{ 503, "Service Unavailable" }, { 505, "HTTP Version Not Supported" },
};

const char *reply_status_words(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].words;
	return "Status";
}

void reply_init(struct reply *r)
{
	*r = (struct reply){ .fd = -1 };
}

void reply_release(struct reply *r)
{
	buf_free(r->body);
	if (r->fd >= 0)
		close(r->fd);
	reply_init(r);
}

/* When there is no memory for a body at all, writers write here and it is thrown away. */
static struct buf *body_new(struct reply *r)
{
	static _Thread_local struct buf nowhere = { .failed = true };

	reply_release(r);
	r->body = buf_new(REPLY_BODY_MAX);
	return r->body ? r->body : &nowhere;
}

struct json_writer reply_json(struct reply *r, int status)
{
	struct buf *body = body_new(r);

	r->status = status;
	r->type = "application/json";
	return (struct json_writer){ .out = body };
}

static struct json_writer open_problem(struct reply *r, int status, const char *slug, const char *title,
				       const char *detail)
{
	struct json_writer w = reply_json(r, status);
	char type[80];

	r->type = "application/problem+json";
	snprintf(type, sizeof type, "urn:ringhold:problem:%s", slug);
	json_open_object(&w, NULL);
	json_put_text(&w, "type", type);
	json_put_text(&w, "title", title);
	json_put_int(&w, "status", status);
	json_put_text(&w, "detail", detail);
	return w;
}

struct json_writer reply_problem_open(struct reply *r, enum problem p, const char *detail)
{
	return open_problem(r, problems[p].status, problems[p].slug, problems[p].title, detail);
}

void reply_problem(struct reply *r, enum problem p, const char *fmt, ...)
{
	struct json_writer w;
	char detail[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof detail, fmt, args);
	va_end(args);
	w = reply_problem_open(r, p, detail);
	json_close_object(&w);
}

void reply_error(struct reply *r, const struct err *e)
{
	enum problem p = PROBLEM_INTERNAL;

	for (size_t i = 0; i < ARRAY_LEN(by_error); i++)
		if (by_error[i].code == e->code)
			p = by_error[i].problem;
	reply_problem(r, p, "%s", e->msg);
	if (problems[p].status == 503)
		r->retry_after = 5;
}

void reply_status(struct reply *r, int status, const char *detail)
{
	struct json_writer w;

	for (int p = 0; p < PROBLEMS; p++)
		if (problems[p].status == status) {
			reply_problem(r, (enum problem)p, "%s", detail);
			return;
		}
	w = open_problem(r, status, "http", reply_status_words(status), detail);
	json_close_object(&w);
}

static bool has_body(const struct reply *r)
{
	return r->status != 204 && r->status != 304;
}

void reply_head(const struct reply *r, bool keep_alive, struct buf *out)
{
	uint64_t length = r->fd >= 0 ? r->length : r->body ? r->body->len : 0;

	buf_addf(out, "HTTP/1.1 %d %s\r\nServer: ringholdd\r\n", r->status, reply_status_words(r->status));
	if (has_body(r)) {
		buf_addf(out, "Content-Length: %" PRIu64 "\r\n", length);
		if (r->type)
			buf_addf(out, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", r->type);
	}
	buf_addf(out, "Cache-Control: %s\r\n", r->cache ? r->cache : "no-store");
	if (r->status == 206)
		buf_addf(out, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", r->from,
			 r->from + r->length - 1, r->total);
	if (r->status == 416)
		buf_addf(out, "Content-Range: bytes */%" PRIu64 "\r\n", r->total);
	if (r->fd >= 0 || r->status == 416)
		buf_adds(out, "Accept-Ranges: bytes\r\n");
	if (r->status == 401)
		buf_adds(out, "WWW-Authenticate: Bearer\r\n");
	if (r->retry_after > 0)
		buf_addf(out, "Retry-After: %" PRId64 "\r\n", r->retry_after);
	if (r->etag[0])
		buf_addf(out, "ETag: %s\r\n", r->etag);
	if (r->location[0])
		buf_addf(out, "Location: %s\r\n", r->location);
	buf_addf(out, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}
