/* handlers: what the handlers share. */
#include "server/handlers.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

#define FEED_PAGE 200
#define FEED_PAGE_MAX 1000

struct json_doc *handler_body(struct request *q, const char *const *members)
{
	static const struct json_limits limits = { .depth = 32 };
	struct json_doc *d = NULL;
	struct err e;

	if (!q->body || q->body->len == 0) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "a JSON object is expected in the body");
		return NULL;
	}
	if (json_parse(&d, "body", q->body->data, q->body->len, &limits, &e) < 0) {
		reply_error(&q->reply, &e);
		return NULL;
	}
	if (d->root->type != JSON_OBJECT)
		json_error(d, d->root, &e, ERR_FORMAT, "a JSON object is expected, not %s", json_type_name(d->root->type));
	else if (!members || json_only(d, d->root, members, &e) == 0)
		return d;
	reply_error(&q->reply, &e);
	json_free(d);
	return NULL;
}

int handler_digest(const struct json_doc *d, const struct json *o, const char *key, struct digest *out, struct err *e)
{
	const char *hex;

	if (json_want_text(d, o, key, DIGEST_HEX_LEN, &hex, e) < 0)
		return e->code;
	if (!digest_parse(out, hex, strlen(hex)))
		return json_error(d, json_get(o, key), e, ERR_FORMAT, "%s is 64 lower-case hex digits", key);
	return 0;
}

bool handler_query_text(struct request *q, const char *name, char *out, size_t cap)
{
	if (http_query(q->http, name, out, cap))
		return true;
	out[0] = '\0';
	if (!http_query_given(q->http, name))
		return true;
	reply_problem(&q->reply, PROBLEM_MALFORMED, "%s is at most %zu bytes of printable ASCII", name, cap - 2);
	return false;
}

bool handler_query_int(struct request *q, const char *name, int64_t fallback, int64_t max, int64_t *out)
{
	char text[32] = "";

	*out = fallback;
	if (!http_query(q->http, name, text, sizeof text) && !http_query_given(q->http, name))
		return true;
	if (number_parse(out, text) && *out >= 0 && *out <= max)
		return true;
	reply_problem(&q->reply, PROBLEM_MALFORMED, "%s is a number from 0 to %lld", name, (long long)max);
	return false;
}

void handler_put_digest(struct json_writer *w, const char *key, const struct digest *d)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, d);
	json_put_text(w, key, digest_is_zero(d) ? NULL : hex);
}

void handler_put_time(struct json_writer *w, const char *key, int64_t at)
{
	if (at)
		json_put_time(w, key, at);
	else
		json_put_null(w, key);
}

void handler_put_text(struct json_writer *w, const char *key, const char *text)
{
	json_put_text(w, key, text && text[0] ? text : NULL);
}

void handler_put_words(struct json_writer *w, const char *key, const char *words)
{
	json_open_array(w, key);
	for (const char *at = words; *at;) {
		size_t len = strcspn(at, " ");

		json_put_textn(w, NULL, at, len);
		at += len + (at[len] == ' ');
	}
	json_close_array(w);
}

/* ---- who may ---- */

bool handler_dry_run(const struct request *q)
{
	char text[8];

	return http_query(q->http, "dry_run", text, sizeof text) && strcmp(text, "true") == 0;
}

bool handler_may(struct request *q, const char *channel)
{
	q->scope_asked = true;
	if (access_channel(q->identity, q->route->may, channel))
		return true;
	if (channel)
		reply_problem(&q->reply, PROBLEM_SCOPE, "the token's roles for channel %.64s do not permit this", channel);
	else
		reply_problem(&q->reply, PROBLEM_SCOPE, "this concerns every channel, and the token holds for some of them");
	return false;
}

static bool roles_allowed(const struct request *q, const char *roles)
{
	static const char content[] = "content-";
	const size_t prefix = sizeof content - 1;

	if (access_channel(q->identity, q->route->may, NULL))
		return true;
	for (const char *at = roles; *at;) {
		size_t len = strcspn(at, " ");
		char channel[NAME_LEN_MAX + 1];

		if (len <= prefix || len - prefix > NAME_LEN_MAX || strncmp(at, content, prefix) != 0)
			return false;
		snprintf(channel, sizeof channel, "%.*s", (int)(len - prefix), at + prefix);
		if (!access_channel(q->identity, q->route->may, channel))
			return false;
		at += len + (at[len] == ' ');
	}
	return roles[0] != '\0';
}

bool handler_may_roles(struct request *q, const char *roles)
{
	q->scope_asked = true;
	if (roles_allowed(q, roles))
		return true;
	reply_problem(&q->reply, PROBLEM_SCOPE, "the token's roles do not hold for every channel that %.80s is about", roles);
	return false;
}

bool handler_sees(const struct request *q, const char *channel)
{
	return !channel || !channel[0] || access_channel(q->identity, q->route->may, channel);
}

bool handler_sees_roles(const struct request *q, const char *roles)
{
	return roles_allowed(q, roles);
}

/* ---- versions ---- */

void handler_etag(struct request *q, const char *fmt, ...)
{
	char version[64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(version, sizeof version, fmt, args);
	va_end(args);
	snprintf(q->reply.etag, sizeof q->reply.etag, "\"%s\"", version);
}

bool handler_if_match(struct request *q, const char *version)
{
	const char *header = http_header(q->http, "if-match");

	if (!header || http_tag_matches(header, version))
		return true;
	reply_problem(&q->reply, PROBLEM_PRECONDITION, "it is at version \"%s\" now: read it again", version);
	handler_etag(q, "%s", version);
	return false;
}

/* ---- pages ---- */

bool handler_page_begin(struct request *q, struct handler_page *p, int64_t fallback, int64_t max)
{
	*p = (struct handler_page){ 0 };
	if (!handler_query_int(q, "limit", fallback, max, &p->limit))
		return false;
	if (!handler_query_text(q, "cursor", p->cursor, sizeof p->cursor))
		return false;
	p->found = !p->cursor[0];
	p->w = reply_json(&q->reply, 200);
	json_open_object(&p->w, NULL);
	json_open_array(&p->w, "items");
	return true;
}

bool handler_page_takes(struct handler_page *p, const char *key)
{
	if (!p->found) {
		p->found = strcmp(key, p->cursor) == 0;
		return false;
	}
	if (p->count == p->limit) {
		p->more = true;
		return false;
	}
	p->count++;
	snprintf(p->last, sizeof p->last, "%s", key);
	return true;
}

void handler_page_skips(struct handler_page *p, const char *key)
{
	p->found = p->found || strcmp(key, p->cursor) == 0;
}

void handler_page_end(struct request *q, struct handler_page *p)
{
	if (!p->found) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "the cursor is none of this list");
		return;
	}
	json_close_array(&p->w);
	json_put_text(&p->w, "next", p->more && p->count > 0 ? p->last : NULL);
	json_close_object(&p->w);
}

bool handler_feed_begin(struct request *q, struct handler_feed *p)
{
	int64_t after;

	*p = (struct handler_feed){ .q = q };
	if (!handler_query_int(q, "after", 0, INT64_MAX, &after) || !handler_query_int(q, "limit", FEED_PAGE, FEED_PAGE_MAX, &p->limit))
		return false;
	p->after = p->last = (uint64_t)after;
	p->w = reply_json(&q->reply, 200);
	json_open_object(&p->w, NULL);
	json_open_array(&p->w, "items");
	return true;
}

bool handler_feed_takes(struct handler_feed *p, uint64_t id, const char *channel)
{
	p->last = id;
	return handler_sees(p->q, channel);
}

void handler_feed_end(struct handler_feed *p)
{
	json_close_array(&p->w);
	json_put_int(&p->w, "last", (int64_t)p->last);
	json_close_object(&p->w);
}
