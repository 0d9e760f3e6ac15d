/* handlers: what the handlers share. */
#include "server/handlers.h"

#include <string.h>

#include "base/number.h"

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

bool handler_query_int(struct request *q, const char *name, int64_t fallback, int64_t max, int64_t *out)
{
	char text[32];

	*out = fallback;
	if (!http_query(q->http, name, text, sizeof text))
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
