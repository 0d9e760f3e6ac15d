/* json_read: typed members of an object, with errors that name file, line, column and member. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

/* How a member may be found: 1 there, 0 absent where that is allowed, negative an error. */
static int find(const struct json_doc *d, const struct json *o, const char *key, bool must,
		const struct json **out, struct err *e)
{
	const struct json *v;

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "expected an object with \"%s\", found %s", key,
				  json_type_name(o->type));
	v = json_get(o, key);
	if (!v && must)
		return json_error(d, o, e, ERR_FORMAT, "\"%s\" is missing", key);
	if (!v || (!must && v->type == JSON_NULL))
		return 0;
	*out = v;
	return 1;
}

static int wrong(const struct json_doc *d, const struct json *v, const char *key, const char *want, struct err *e)
{
	return json_error(d, v, e, ERR_FORMAT, "\"%s\": expected %s, found %s", key, want, json_type_name(v->type));
}

static int read_object(const struct json_doc *d, const struct json *o, const char *key, bool must,
		       const struct json **out, struct err *e)
{
	const struct json *v;
	int rc = find(d, o, key, must, &v, e);

	if (rc <= 0)
		return rc;
	if (v->type != JSON_OBJECT)
		return wrong(d, v, key, "an object", e);
	*out = v;
	return 1;
}

static int read_array(const struct json_doc *d, const struct json *o, const char *key, size_t max, bool must,
		      const struct json **out, struct err *e)
{
	const struct json *v;
	int rc = find(d, o, key, must, &v, e);

	if (rc <= 0)
		return rc;
	if (v->type != JSON_ARRAY)
		return wrong(d, v, key, "an array", e);
	if (v->count > max)
		return json_error(d, v, e, ERR_LIMIT, "\"%s\": %u elements, more than the %zu allowed", key,
				  v->count, max);
	*out = v;
	return 1;
}

static int read_text(const struct json_doc *d, const struct json *o, const char *key, size_t max, bool must,
		     const char **out, struct err *e)
{
	const struct json *v;
	int rc = find(d, o, key, must, &v, e);

	if (rc <= 0)
		return rc;
	if (v->type != JSON_STRING)
		return wrong(d, v, key, "a string", e);
	if (v->count > max)
		return json_error(d, v, e, ERR_LIMIT, "\"%s\": %u bytes, more than the %zu allowed", key, v->count, max);
	if (memchr(v->u.text, '\0', v->count))
		return json_error(d, v, e, ERR_FORMAT, "\"%s\": a string with a NUL character inside", key);
	*out = v->u.text;
	return 1;
}

static int read_int(const struct json_doc *d, const struct json *o, const char *key, int64_t min, int64_t max,
		    bool must, int64_t *out, struct err *e)
{
	const struct json *v;
	int64_t n;
	int rc = find(d, o, key, must, &v, e);

	if (rc <= 0)
		return rc;
	if (v->type != JSON_NUMBER)
		return wrong(d, v, key, "an integer", e);
	if (!json_to_int(v, &n) || n < min || n > max)
		return json_error(d, v, e, ERR_FORMAT, "\"%s\": expected an integer from %lld to %lld, found %.40s",
				  key, (long long)min, (long long)max, v->u.text);
	*out = n;
	return 1;
}

static int read_bool(const struct json_doc *d, const struct json *o, const char *key, bool must, bool *out,
		     struct err *e)
{
	const struct json *v;
	int rc = find(d, o, key, must, &v, e);

	if (rc <= 0)
		return rc;
	if (v->type != JSON_TRUE && v->type != JSON_FALSE)
		return wrong(d, v, key, "true or false", e);
	*out = v->type == JSON_TRUE;
	return 1;
}

static int read_double(const struct json_doc *d, const struct json *o, const char *key, double min, double max,
		       bool must, double *out, struct err *e)
{
	const struct json *v;
	double n;
	int rc = find(d, o, key, must, &v, e);

	if (rc <= 0)
		return rc;
	if (v->type != JSON_NUMBER)
		return wrong(d, v, key, "a number", e);
	if (!json_to_double(v, &n) || n < min || n > max)
		return json_error(d, v, e, ERR_FORMAT, "\"%s\": expected a number from %g to %g, found %.40s", key, min,
				  max, v->u.text);
	*out = n;
	return 1;
}

static int read_time(const struct json_doc *d, const struct json *o, const char *key, bool must, int64_t *out,
		     struct err *e)
{
	const struct json *v;
	int rc = find(d, o, key, must, &v, e);

	if (rc <= 0)
		return rc;
	if (v->type != JSON_STRING)
		return wrong(d, v, key, "a time", e);
	if (!clock_parse(out, v->u.text, v->count))
		return json_error(d, v, e, ERR_FORMAT,
				  "\"%s\": expected a time like 2026-01-31T12:00:00Z, found \"%.40s\"", key, v->u.text);
	return 1;
}

/* ---- the two forms: `want` answers 0, `may` tells whether it was there ---- */

int json_want_object(const struct json_doc *d, const struct json *o, const char *key, const struct json **out,
		     struct err *e)
{
	return MIN(read_object(d, o, key, true, out, e), 0);
}

int json_may_object(const struct json_doc *d, const struct json *o, const char *key, const struct json **out,
		    struct err *e)
{
	return read_object(d, o, key, false, out, e);
}

int json_want_array(const struct json_doc *d, const struct json *o, const char *key, size_t max,
		    const struct json **out, struct err *e)
{
	return MIN(read_array(d, o, key, max, true, out, e), 0);
}

int json_may_array(const struct json_doc *d, const struct json *o, const char *key, size_t max,
		   const struct json **out, struct err *e)
{
	return read_array(d, o, key, max, false, out, e);
}

int json_want_text(const struct json_doc *d, const struct json *o, const char *key, size_t max, const char **out,
		   struct err *e)
{
	return MIN(read_text(d, o, key, max, true, out, e), 0);
}

int json_may_text(const struct json_doc *d, const struct json *o, const char *key, size_t max, const char **out,
		  struct err *e)
{
	return read_text(d, o, key, max, false, out, e);
}

int json_want_int(const struct json_doc *d, const struct json *o, const char *key, int64_t min, int64_t max,
		  int64_t *out, struct err *e)
{
	return MIN(read_int(d, o, key, min, max, true, out, e), 0);
}

int json_may_int(const struct json_doc *d, const struct json *o, const char *key, int64_t min, int64_t max,
		 int64_t *out, struct err *e)
{
	return read_int(d, o, key, min, max, false, out, e);
}

int json_want_bool(const struct json_doc *d, const struct json *o, const char *key, bool *out, struct err *e)
{
	return MIN(read_bool(d, o, key, true, out, e), 0);
}

int json_may_bool(const struct json_doc *d, const struct json *o, const char *key, bool *out, struct err *e)
{
	return read_bool(d, o, key, false, out, e);
}

int json_want_double(const struct json_doc *d, const struct json *o, const char *key, double min, double max,
		     double *out, struct err *e)
{
	return MIN(read_double(d, o, key, min, max, true, out, e), 0);
}

int json_may_double(const struct json_doc *d, const struct json *o, const char *key, double min, double max,
		    double *out, struct err *e)
{
	return read_double(d, o, key, min, max, false, out, e);
}

int json_want_time(const struct json_doc *d, const struct json *o, const char *key, int64_t *out, struct err *e)
{
	return MIN(read_time(d, o, key, true, out, e), 0);
}

int json_may_time(const struct json_doc *d, const struct json *o, const char *key, int64_t *out, struct err *e)
{
	return read_time(d, o, key, false, out, e);
}

/* ---- the head of every document, and strict authoring ---- */

static bool listed(const char *const *list, const char *text, size_t len)
{
	for (; list && *list; list++)
		if (strlen(*list) == len && memcmp(*list, text, len) == 0)
			return true;
	return false;
}

#define NEEDS_MAX 64

int json_want_format(const struct json_doc *d, int64_t format, const char *const *features, struct err *e)
{
	const struct json *needs = NULL;
	const struct json *v;
	int64_t found;
	int rc = json_want_int(d, d->root, "format", 0, INT64_MAX, &found, e);

	if (rc < 0)
		return rc;
	v = json_get(d->root, "format");
	if (found != format)
		return json_error(d, v, e, ERR_UNSUPPORTED, "\"format\" is %lld, this version reads %lld",
				  (long long)found, (long long)format);
	rc = json_may_array(d, d->root, "needs", NEEDS_MAX, &needs, e);
	for (uint32_t i = 0; rc > 0 && i < needs->count; i++) {
		v = &needs->u.items[i];
		if (v->type != JSON_STRING)
			return json_error(d, v, e, ERR_FORMAT, "\"needs\": expected a string, found %s",
					  json_type_name(v->type));
		if (!listed(features, v->u.text, v->count))
			return json_error(d, v, e, ERR_UNSUPPORTED,
					  "the document needs the feature \"%.64s\", which this version does not know",
					  v->u.text);
	}
	return MIN(rc, 0);
}

int json_only(const struct json_doc *d, const struct json *o, const char *const *keys, struct err *e)
{
	for (uint32_t i = 0; o->type == JSON_OBJECT && i < o->count; i++) {
		const struct json_member *m = &o->u.members[i];
		struct json key;

		if (listed(keys, m->key.text, m->key.len))
			continue;
		key = json_key(d, m);
		return json_error(d, &key, e, ERR_FORMAT, "unknown member \"%.64s\"", m->key.text);
	}
	return 0;
}
