/* spec: server/openapi.yaml as tests read it: its operations, and whether an answer is one that it tells of. */
#ifndef TESTS_SERVER_SPEC_H
#define TESTS_SERVER_SPEC_H

#include "base/file.h"
#include "base/yaml.h"
#include "schema/schema.h"
#include "tests/test.h"

#define SPEC_FILE "server/openapi.yaml"

struct spec {
	struct buf *text;
	struct json_doc *doc;           /* NULL: the file is not here */
};

static const char *const spec_methods[] = { "get", "put", "post", "delete" };
static const char *const spec_shouted[] = { "GET", "PUT", "POST", "DELETE" };

#define NEED_SPEC(s)                                          \
	do {                                                  \
		if (!(s)->doc)                                \
			skip_named(SPEC_FILE " is not here"); \
	} while (0)

static inline void spec_open(struct spec *s)
{
	struct err e;

	*s = (struct spec){ .text = NULL };
	if (file_read(&s->text, SPEC_FILE, 1 << 20, &e) == 0)
		assert_ok(yaml_parse(&s->doc, SPEC_FILE, s->text->data, s->text->len, NULL, &e));
}

static inline void spec_close(struct spec *s)
{
	json_free(s->doc);
	buf_free(s->text);
}

/* A member of a member of a member; NULL where there is none. */
static inline const struct json *spec_at(const struct json *o, const char *a, const char *b, const char *c)
{
	const struct json *v = o ? json_get(o, a) : NULL;

	v = v && b ? json_get(v, b) : v;
	return v && c ? json_get(v, c) : v;
}

/* "#/components/responses/problem" to what stands there; anything else to itself. */
static inline const struct json *spec_follow(const struct spec *s, const struct json *v)
{
	const struct json *ref = v ? json_get(v, "$ref") : NULL;
	char kind[64], name[64];

	if (!ref || sscanf(ref->u.text, "#/components/%63[^/]/%63s", kind, name) != 2)
		return v;
	return spec_at(s->doc->root, "components", kind, name);
}

static inline const struct json *spec_operation(const struct spec *s, const char *method, const char *path)
{
	const struct json *p = spec_at(s->doc->root, "paths", path, NULL);

	for (size_t i = 0; p && i < ARRAY_LEN(spec_methods); i++)
		if (strcmp(spec_shouted[i], method) == 0)
			return json_get(p, spec_methods[i]);
	return NULL;
}

/* The answer of an operation with this status, or its default. */
static inline const struct json *spec_answer(const struct spec *s, const struct json *op, long status)
{
	char text[8];
	const struct json *r;

	snprintf(text, sizeof text, "%ld", status);
	r = spec_at(op, "responses", text, NULL);
	return spec_follow(s, r ? r : spec_at(op, "responses", "default", NULL));
}

/* Its schema; NULL: its content has none. */
static inline const struct json *spec_schema(const struct spec *s, const struct json *op, long status, const char **type)
{
	const struct json *r = spec_answer(s, op, status), *content = r ? json_get(r, "content") : NULL;

	if (!content || content->count == 0)
		return NULL;
	*type = content->u.members[0].key.text;
	return json_get(&content->u.members[0].value, "schema");
}

/* Is the document what a schema of the file says, with everything that may be referred to? */
static inline void spec_fits(const struct spec *s, const struct json *schema, const struct json_doc *doc, const char *what)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *whole = NULL;
	AUTO(schema) struct schema *compiled = NULL;
	struct json_writer w = { .out = text };
	struct err e;

	json_open_object(&w, NULL);
	json_open_array(&w, "allOf");
	json_put_value(&w, NULL, schema);
	json_close_array(&w);
	json_put_value(&w, "components", json_get(s->doc->root, "components"));
	json_close_object(&w);
	assert_ok(json_parse(&whole, SPEC_FILE, text->data, text->len, NULL, &e));
	assert_ok(schema_compile_as(&compiled, whole, whole->root, &(const struct schema_options){ .formats = true }, &e));
	if (schema_check(compiled, doc, doc->root, NULL, &e) < 0)
		fail_msg("%s: %s", what, e.msg);
}

/* The same of schema/NAME.schema.json, which stands by itself. */
static inline void spec_fits_published(const char *name, const struct json_doc *doc, const char *what)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *whole = NULL;
	AUTO(schema) struct schema *compiled = NULL;
	char path[100];
	struct err e;

	snprintf(path, sizeof path, "schema/%s.schema.json", name);
	assert_ok(file_read(&text, path, 1 << 20, &e));
	assert_ok(json_parse(&whole, path, text->data, text->len, NULL, &e));
	assert_ok(schema_compile(&compiled, whole, whole->root, &e));
	if (schema_check(compiled, doc, doc->root, NULL, &e) < 0)
		fail_msg("%s: %s", what, e.msg);
}

/* {path*} of a route is {path} there, and names of parameters are the file's own. */
static inline bool spec_same_path(const char *pattern, const char *path)
{
	for (; *pattern && *path; pattern++, path++) {
		if (*pattern == '{' && *path == '{') {
			pattern = strchr(pattern, '}');
			path = strchr(path, '}');
		} else if (*pattern != *path) {
			return false;
		}
	}
	return !*pattern && !*path;
}

#endif
