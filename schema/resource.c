/* resource: which schemas have an identity, what dialect they speak, and where references lead. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "schema/compiler.h"

#define RESOURCES_MAX 20000
#define FRAGMENT_MAX 4096
#define METASCHEMAS_DEEP 8      /* metaschema of a metaschema of ... */

#define DRAFT "https://json-schema.org/draft/2020-12/"

int resource_error(struct compiler *c, const struct resource *r, const struct json *v, int code, const char *fmt, ...)
{
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return json_error(r->doc, v, c->e, code, "%s", what);
}

/* ---- dialects ---- */

static const struct { const char *uri; uint8_t bits; bool formats; } vocabularies[] = {
	{ DRAFT "vocab/core", V_CORE, false },
	{ DRAFT "vocab/applicator", V_APPLICATOR, false },
	{ DRAFT "vocab/unevaluated", V_UNEVALUATED, false },
	{ DRAFT "vocab/validation", V_VALIDATION, false },
	{ DRAFT "vocab/meta-data", V_NOTES, false },
	{ DRAFT "vocab/format-annotation", V_FORMAT, false },
	{ DRAFT "vocab/format-assertion", V_FORMAT, true },
	{ DRAFT "vocab/content", V_CONTENT, false },
};

/* False: it demands what nobody here knows. */
static bool choose_vocabularies(struct resource *r, const struct json *chosen)
{
	r->vocabularies = V_CORE;
	for (uint32_t i = 0; i < chosen->count; i++) {
		const struct json_member *m = &chosen->u.members[i];
		size_t k;

		for (k = 0; k < ARRAY_LEN(vocabularies); k++)
			if (strcmp(vocabularies[k].uri, m->key.text) == 0)
				break;
		if (k == ARRAY_LEN(vocabularies)) {
			if (m->value.type == JSON_TRUE)
				return false;
			continue;
		}
		r->vocabularies |= vocabularies[k].bits;
		r->formats |= vocabularies[k].formats;
	}
	return true;
}

/* Without its empty fragment. */
static bool same_uri(const char *text, size_t len, const char *uri)
{
	if (len && text[len - 1] == '#')
		len--;
	return strlen(uri) == len && memcmp(uri, text, len) == 0;
}

static const struct json *find_metaschema(const struct compiler *c, const char *text, size_t len)
{
	const struct schema_library *l = c->options.library;

	for (size_t i = 0; i < library_count(l); i++) {
		const struct library_entry *entry = library_at(l, i);
		const struct json *id = json_get(entry->doc->root, "$id");

		if ((entry->uri && same_uri(text, len, entry->uri)) ||
		    (id && id->type == JSON_STRING && same_uri(text, len, id->u.text)))
			return entry->doc->root;
	}
	return NULL;
}

/* False: that dialect is not known. */
static bool choose_dialect(const struct compiler *c, struct resource *r, const struct json *dialect, unsigned deep)
{
	const struct json *metaschema, *above, *chosen;

	if (same_uri(dialect->u.text, dialect->count, DRAFT "schema")) {
		r->draft_07 = false;
		r->vocabularies = V_ALL;
		return true;
	}
	if (same_uri(dialect->u.text, dialect->count, "http://json-schema.org/draft-07/schema") ||
	    same_uri(dialect->u.text, dialect->count, "https://json-schema.org/draft-07/schema")) {
		r->draft_07 = true;
		r->vocabularies = V_ALL;
		return true;
	}
	metaschema = find_metaschema(c, dialect->u.text, dialect->count);
	if (!metaschema || deep == METASCHEMAS_DEEP)
		return false;
	above = json_get(metaschema, "$schema");
	if (above && above->type == JSON_STRING && !json_equal(above, dialect) && !choose_dialect(c, r, above, deep + 1))
		return false;
	chosen = json_get(metaschema, "$vocabulary");
	return r->draft_07 || !chosen || chosen->type != JSON_OBJECT || choose_vocabularies(r, chosen);
}

static void set_dialect(const struct compiler *c, struct resource *r, const struct resource *outer)
{
	const struct json *dialect = json_get(r->root, "$schema");

	r->draft_07 = outer ? outer->draft_07 : c->options.dialect == SCHEMA_DRAFT_07;
	r->vocabularies = outer ? outer->vocabularies : V_ALL;
	r->formats = outer ? outer->formats : c->options.formats;
	r->unknown = outer && !dialect ? outer->unknown : NULL;
	if (!dialect)
		return;
	r->formats = c->options.formats;
	if (dialect->type != JSON_STRING || !choose_dialect(c, r, dialect, 0))
		r->unknown = dialect;
}

/* ---- names ---- */

struct name {
	const char *uri;
	struct resource *resource;
};

static struct name *find_name(const struct compiler *c, const char *uri)
{
	uint64_t hash = json_hash_text(uri, strlen(uri));
	struct name *n;
	size_t at = 0;

	while ((n = table_next(&c->uris, hash, &at)))
		if (strcmp(n->uri, uri) == 0)
			return n;
	return NULL;
}

/* Of two that claim one name, neither can be referred to by it; but the schema itself stands before the library. */
static int add_name(struct compiler *c, struct resource *r, const char *uri)
{
	struct name *n = find_name(c, uri);

	if (n) {
		n->resource->ambiguous |= n->resource->root != r->root &&
					  (n->resource->doc != c->s->doc || r->doc == c->s->doc);
		return 0;
	}
	n = compiler_take(c, 1, sizeof *n);
	if (!n)
		return c->e->code;
	n->uri = uri;
	n->resource = r;
	return table_add(&c->uris, json_hash_text(uri, strlen(uri)), n, c->e);
}

static const char *keep(struct compiler *c, const char *text)
{
	size_t len = strlen(text);
	char *own = compiler_take(c, len + 1, 1);       /* zeros */

	return own && len ? memcpy(own, text, len) : own;
}

struct resource *resource_at(const struct compiler *c, const struct json *root)
{
	struct resource *r;
	size_t at = 0;

	while ((r = table_next(&c->roots, table_address(root), &at)))
		if (r->root == root)
			return r;
	return NULL;
}

static uint64_t anchor_hash(const struct resource *r, const char *name, size_t len)
{
	return json_hash_text(name, len) ^ table_address(r);
}

static struct anchor *find_anchor(const struct compiler *c, const struct resource *r, const char *name, size_t len)
{
	struct anchor *a;
	size_t at = 0;

	while ((a = table_next(&c->anchors, anchor_hash(r, name, len), &at)))
		if (a->resource == r && a->name.len == len && memcmp(a->name.text, name, len) == 0)
			return a;
	return NULL;
}

static int add_anchor(struct compiler *c, struct resource *r, const struct json *at, const char *name, size_t len,
		      bool dynamic)
{
	struct anchor *a = find_anchor(c, r, name, len);

	if (!len)
		return 0;
	if (a && a->at != at)
		return resource_error(c, r, at, ERR_FORMAT, "the anchor \"%.100s\" a second time", a->name.text);
	if (!a) {
		a = compiler_take(c, 1, sizeof *a);
		if (!a || table_add(&c->anchors, anchor_hash(r, name, len), a, c->e) < 0)
			return c->e->code;
		*a = (struct anchor){ .resource = r, .name = { name, len }, .at = at };
	}
	if (!dynamic || a->dynamic)
		return 0;
	a->dynamic = true;
	if (compiler_room(c, (void **)&c->dynamic_anchors, c->dynamic_anchor_count, &c->dynamic_anchor_cap) < 0)
		return c->e->code;
	c->dynamic_anchors[c->dynamic_anchor_count++] = a;
	return 0;
}

/* ---- finding them ---- */

static int walk(struct compiler *c, struct resource *r, const struct json *at);

static struct resource *new_resource(struct compiler *c, const struct json_doc *d, const struct json *root,
				     const char *uri, const struct resource *outer)
{
	struct resource *r = compiler_take(c, 1, sizeof *r);

	if (!r || !(r->uri = keep(c, uri)) || table_add(&c->roots, table_address(root), r, c->e) < 0)
		return NULL;
	r->doc = d;
	r->root = root;
	r->top = outer && outer->doc == d ? outer->top : root;
	set_dialect(c, r, outer);
	if (c->resource_count++ == RESOURCES_MAX) {
		resource_error(c, r, root, ERR_LIMIT, "more than %d schemas with an $id", RESOURCES_MAX);
		return NULL;
	}
	return r;
}

/* In draft-07 the neighbours of $ref mean nothing. */
static bool only_refers(const struct resource *r, const struct json *at)
{
	const struct json *ref = r->draft_07 ? json_get(at, "$ref") : NULL;

	return ref && ref->type == JSON_STRING;
}

/* Stores into *r the resource that the $id at `at` begins, if it begins one. */
static int identify(struct compiler *c, struct resource **r, const struct json *at)
{
	const struct json *id = json_get(at, "$id");
	struct resource *outer = *r, *inner;
	const char *fragment;
	char uri[URI_MAX];

	if (!id || id->type != JSON_STRING || (only_refers(outer, at) && outer->root != at))
		return 0;
	fragment = memchr(id->u.text, '#', id->count);
	if (fragment != id->u.text) {
		if (!uri_resolve(uri, outer->uri, id->u.text, id->count))
			return resource_error(c, outer, id, ERR_LIMIT, "a URI longer than %d bytes", URI_MAX - 1);
		if (outer->root == at) {
			inner = outer;
			inner->uri = keep(c, uri);
		} else {
			inner = new_resource(c, outer->doc, at, uri, outer);
		}
		if (!inner || !inner->uri || add_name(c, inner, inner->uri) < 0)
			return c->e->code;
		*r = inner;
	}
	if (fragment && (*r)->draft_07)
		return add_anchor(c, *r, at, fragment + 1, strlen(fragment + 1), false);
	return 0;
}

static int anchors(struct compiler *c, struct resource *r, const struct json *at)
{
	static const char *const names[] = { "$anchor", "$dynamicAnchor" };

	for (int i = 0; i < 2 && !r->draft_07; i++) {
		const struct json *v = json_get(at, names[i]);

		if (v && v->type == JSON_STRING && add_anchor(c, r, at, v->u.text, v->count, i == 1) < 0)
			return c->e->code;
	}
	return 0;
}

static int walk_list(struct compiler *c, struct resource *r, const struct json *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *v = list->type == JSON_ARRAY ? &list->u.items[i] : &list->u.members[i].value;

		if (walk(c, r, v) < 0)
			return c->e->code;
	}
	return 0;
}

static int walk(struct compiler *c, struct resource *r, const struct json *at)
{
	if (at->type != JSON_OBJECT)
		return 0;
	if (identify(c, &r, at) < 0 || anchors(c, r, at) < 0)
		return c->e->code;
	for (uint32_t i = 0; i < at->count; i++) {
		const struct json_member *m = &at->u.members[i];
		const struct keyword *k = keyword_find(r, &m->key);
		enum json_type type = m->value.type;
		int rc = 0;

		if (!k || k->shape == PLAIN)
			continue;
		if ((type == JSON_OBJECT && (k->shape == MAP || k->shape == MAP_OR_NAMES)) ||
		    (type == JSON_ARRAY && (k->shape == LIST || k->shape == SCHEMA_OR_LIST)))
			rc = walk_list(c, r, &m->value);
		else if (k->shape == SCHEMA || k->shape == SCHEMA_OR_LIST)
			rc = walk(c, r, &m->value);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int resource_index(struct compiler *c, const struct json_doc *d, const struct json *at, const char *uri,
		   const struct resource *referrer, struct resource **out)
{
	struct resource *r = new_resource(c, d, at, uri, NULL);

	if (!r)
		return c->e->code;
	if (referrer && !json_get(at, "$schema")) {
		r->draft_07 = referrer->draft_07;
		r->vocabularies = referrer->vocabularies;
		r->formats = referrer->formats;
	}
	*out = r;
	if (r->uri[0] && add_name(c, r, r->uri) < 0)
		return c->e->code;
	return walk(c, r, at);
}

/* ---- where references lead ---- */

static int index_builtin(struct compiler *c, const char *uri, const char *text, struct resource **out)
{
	struct schema *s = c->s;
	struct json_doc *d;

	if (compiler_room(c, (void **)&s->builtin, s->builtin_count, &s->builtin_cap) < 0 ||
	    json_parse(&d, "metaschema", text, strlen(text), NULL, c->e) < 0)
		return c->e->code;
	s->builtin[s->builtin_count++] = d;
	return resource_index(c, d, d->root, uri, NULL, out);
}

/* One document may be known under several URIs: its root is indexed once. */
static int index_entry(struct compiler *c, const struct library_entry *entry, const struct resource *referrer)
{
	struct resource *r = resource_at(c, entry->doc->root);

	if (r)
		return entry->uri ? add_name(c, r, entry->uri) : 0;
	return resource_index(c, entry->doc, entry->doc->root, entry->uri ? entry->uri : "", referrer, &r);
}

static int index_library(struct compiler *c, const struct resource *referrer)
{
	for (size_t i = 0; !c->library_indexed && i < library_count(c->options.library); i++)
		if (index_entry(c, library_at(c->options.library, i), referrer) < 0)
			return c->e->code;
	c->library_indexed = true;
	return 0;
}

static int find_resource(struct compiler *c, const struct resource *r, const char *uri, struct resource **out)
{
	const struct library_entry *entry;
	const char *text;
	struct name *n = find_name(c, uri);

	if (!n && (text = metaschema_text(uri)))
		return index_builtin(c, uri, text, out);
	if (!n && (entry = library_find(c->options.library, uri))) {
		if (index_entry(c, entry, r) < 0)
			return c->e->code;
		n = find_name(c, uri);
	}
	if (!n) {
		if (index_library(c, r) < 0)
			return c->e->code;
		n = find_name(c, uri);
	}
	*out = n ? n->resource : NULL;
	return 0;
}

/* Percent escapes undone; negative: malformed, too long or with a NUL inside. */
static int decode(char *out, size_t cap, const char *s, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		char ch = s[i];

		if (ch == '%') {
			if (len - i < 3 || !hex_decode(&ch, 1, s + i + 1, 2))
				return -1;
			i += 2;
		}
		if (!ch || to + 1 >= cap)
			return -1;
		out[to++] = ch;
	}
	out[to] = '\0';
	return (int)to;
}

/* Steps into v by one token of a JSON pointer; answers NULL when there is nothing. */
static const struct json *step(struct compiler *c, const struct json *v, const char *token)
{
	char *end;
	unsigned long i;

	if (v->type == JSON_OBJECT) {
		c->work += v->count;
		return json_get(v, token);
	}
	if (v->type != JSON_ARRAY || (token[0] == '0' && token[1]) || token[0] < '0' || token[0] > '9')
		return NULL;
	i = strtoul(token, &end, 10);
	return !*end && i < v->count ? &v->u.items[i] : NULL;
}

/* Tilde escapes undone in place; false: malformed. */
static bool unescape(char *token)
{
	char *to = token;

	for (char *s = token; *s; s++) {
		char ch = *s;

		if (ch == '~') {
			ch = *++s == '0' ? '~' : '/';
			if (*s != '0' && *s != '1')
				return false;
		}
		*to++ = ch;
	}
	*to = '\0';
	return true;
}

/* Follows a JSON pointer from *at; *r becomes the resource it ends in. NULL in *at: nothing stands there. */
static void follow(struct compiler *c, char *s, const struct json **at, const struct resource **r)
{
	const struct json *v = *at;

	while (v && *s) {
		char *token = s + 1, *end = token + strcspn(token, "/"), ch = *end;
		const struct resource *inner;

		*end = '\0';
		v = unescape(token) ? step(c, v, token) : NULL;
		inner = v ? resource_at(c, v) : NULL;
		*r = inner ? inner : *r;
		*end = ch;
		s = end;
	}
	*at = v;
}

#define WORK_MAX 200000000      /* names compared while following references */

int resource_resolve(struct compiler *c, const struct resource *r, const struct json *v, const char *keyword,
		     const struct json **at, const struct resource **in, const struct anchor **anchor)
{
	const char *hash = memchr(v->u.text, '#', v->count);
	char uri[URI_MAX], fragment[FRAGMENT_MAX];
	struct resource *to = (struct resource *)(uintptr_t)r;
	const struct anchor *a;
	int len = hash ? decode(fragment, sizeof fragment, hash + 1, v->count - (size_t)(hash + 1 - v->u.text)) : 0;

	if (hash != v->u.text) {
		if (!uri_resolve(uri, r->uri, v->u.text, v->count))
			return resource_error(c, r, v, ERR_LIMIT, "\"%s\": a URI longer than %d bytes", keyword, URI_MAX - 1);
		if (strcmp(uri, r->uri) != 0 && find_resource(c, r, uri, &to) < 0)
			return c->e->code;
		if (!to)
			return resource_error(c, r, v, ERR_FORMAT, "\"%s\": no schema is known as %.200s", keyword, uri);
		if (to->ambiguous)
			return resource_error(c, r, v, ERR_FORMAT, "\"%s\": more than one schema calls itself %.200s",
					      keyword, uri);
	}
	*at = to->root;
	*in = to;
	if (len > 0 && fragment[0] == '/') {
		follow(c, fragment, at, in);
	} else if (len > 0) {
		a = find_anchor(c, to, fragment, (size_t)len);
		*at = a ? a->at : NULL;
		if (anchor)
			*anchor = a;
	}
	if (c->work > WORK_MAX)
		return resource_error(c, r, v, ERR_LIMIT, "following the references of this schema takes too many steps");
	if (len < 0 || !*at)
		return resource_error(c, r, v, ERR_FORMAT, "\"%s\": nothing stands at \"%.200s\"", keyword, v->u.text);
	return 0;
}
