/* reply: what a handler answers, and problem documents. */
#include "server/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static const struct { int status; const char *words; } statuses[] = {
	{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
	{ 206, "Partial Content" }, { 304, "Not Modified" }, { 400, "Bad Request" },
	{ 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
	{ 405, "Method Not Allowed" }, { 409, "Conflict" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" }, { 414, "URI Too Long" },
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
	char id[sizeof r->request_id];

	buf_free(r->body);
	if (r->fd >= 0)
		close(r->fd);
	/* who asked does not change with what is answered */
	memcpy(id, r->request_id, sizeof id);
	reply_init(r);
	memcpy(r->request_id, id, sizeof id);
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

struct json_writer reply_problem_open(struct reply *r, enum problem p, const char *detail)
{
	const struct problem_type *t = &problem_types[p];
	struct json_writer w = reply_json(r, t->status);
	char type[80];

	r->type = "application/problem+json";
	snprintf(type, sizeof type, PROBLEM_URN "%s", t->slug);
	json_open_object(&w, NULL);
	json_put_text(&w, "type", type);
	json_put_text(&w, "title", t->title);
	json_put_int(&w, "status", t->status);
	json_put_text(&w, "detail", detail);
	if (r->request_id[0])
		json_put_text(&w, "request_id", r->request_id);
	return w;
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
	enum problem p = problem_of_error(e->code);

	reply_problem(r, p, "%s", e->msg);
	if (problem_types[p].status == 503)
		r->retry_after = 5;
}

void reply_status(struct reply *r, int status, const char *detail)
{
	enum problem p = problem_of_status(status);

	reply_problem(r, p == PROBLEMS ? PROBLEM_INTERNAL : p, "%s", detail);
}

static bool has_body(const struct reply *r)
{
	return r->status != 204 && r->status != 304;
}

/* RFC 9110, 6.6.1. Without it caches cannot tell an answer's age, and ask again for what never changes. */
static void add_date(struct buf *out)
{
	time_t now = (time_t)clock_now();
	char text[64];
	struct tm tm;

	if (gmtime_r(&now, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm))      /* no locale is ever set */
		buf_addf(out, "Date: %s\r\n", text);
}

void reply_head(const struct reply *r, bool keep_alive, struct buf *out)
{
	uint64_t length = r->fd >= 0 ? r->length : r->body ? r->body->len : 0;

	buf_addf(out, "HTTP/1.1 %d %s\r\nServer: ringholdd\r\n", r->status, reply_status_words(r->status));
	add_date(out);
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
	if (r->request_id[0])
		buf_addf(out, "X-Request-Id: %s\r\n", r->request_id);
	if (r->etag[0])
		buf_addf(out, "ETag: %s\r\n", r->etag);
	if (r->replayed)
		buf_adds(out, "Idempotent-Replayed: true\r\n");
	if (r->location[0])
		buf_addf(out, "Location: %s\r\n", r->location);
	buf_addf(out, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}
