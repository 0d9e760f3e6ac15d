#include "rollout/field.h"

#include <string.h>

#include "base/name.h"

int field_want_text(const struct json_doc *d, const struct json *o, const char *key, char *out, size_t max, struct err *e)
{
	const char *text;

	if (json_want_text(d, o, key, max, &text, e) < 0)
		return e->code;
	if (strlen(text) > max)
		return json_error(d, json_get(o, key), e, ERR_LIMIT, "%s is longer than %zu bytes", key, max);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

/* 1: the member is there and not null. */
static int present(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type != JSON_NULL;
}

int field_may_text(const struct json_doc *d, const struct json *o, const char *key, char *out, size_t max, struct err *e)
{
	return present(o, key) ? field_want_text(d, o, key, out, max, e) : 0;
}

int field_want_name(const struct json_doc *d, const struct json *o, const char *key, char *out, struct err *e)
{
	const char *text;

	if (json_want_text(d, o, key, NAME_LEN_MAX, &text, e) < 0)
		return e->code;
	if (!name_valid(text, strlen(text)))
		return json_error(d, json_get(o, key), e, ERR_FORMAT, "%s is not a name of a-z, 0-9 and inner hyphens", key);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

int field_want_path(const struct json_doc *d, const struct json *o, const char *key, char *out, struct err *e)
{
	const char *text;

	if (json_want_text(d, o, key, PATH_LEN_MAX, &text, e) < 0)
		return e->code;
	if (!name_path_valid(text, strlen(text)))
		return json_error(d, json_get(o, key), e, ERR_FORMAT, "%s is not a safe relative path", key);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

int field_want_digest(const struct json_doc *d, const struct json *o, const char *key, struct digest *out, struct err *e)
{
	const char *text;
	struct digest got;

	if (json_want_text(d, o, key, DIGEST_HEX_LEN, &text, e) < 0)
		return e->code;
	if (!digest_parse(&got, text, strlen(text)) || digest_is_zero(&got))
		return json_error(d, json_get(o, key), e, ERR_FORMAT, "%s is not a SHA-256 of 64 lower-case hex digits", key);
	*out = got;
	return 0;
}

int field_may_digest(const struct json_doc *d, const struct json *o, const char *key, struct digest *out, struct err *e)
{
	return present(o, key) ? field_want_digest(d, o, key, out, e) : 0;
}

int field_want_count(const struct json_doc *d, const struct json *o, const char *key, uint64_t min, uint64_t *out, struct err *e)
{
	int64_t v;

	if (json_want_int(d, o, key, (int64_t)min, INT64_MAX, &v, e) < 0)
		return e->code;
	*out = (uint64_t)v;
	return 0;
}

int field_may_count(const struct json_doc *d, const struct json *o, const char *key, uint64_t min, uint64_t *out, struct err *e)
{
	return present(o, key) ? field_want_count(d, o, key, min, out, e) : 0;
}

void field_put_digest(struct json_writer *w, const char *key, const struct digest *v)
{
	char hex[DIGEST_HEX_LEN + 1];

	if (digest_is_zero(v)) {
		json_put_null(w, key);
		return;
	}
	digest_hex(hex, v);
	json_put_text(w, key, hex);
}
