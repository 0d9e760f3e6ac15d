/*
 * schema_diff: two schemas side by side.
 *
 * A walk over pairs of schemas, one of each document. A pair is compared once,
 * which ends the walk through recursive references.
 */
#include "schema/schema_diff_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 256
#define STEPS_MAX 20000000ull

struct diff_pair {
	const struct json *a, *b;
	enum diff_sense sense;
};

static const struct json everything = { .type = JSON_OBJECT };  /* {} */

/* Say nothing about what is valid; beneath $defs nothing counts until something refers to it. */
static const char *const annotations[] = {
	"$comment", "$id", "$anchor", "$defs", "definitions", "title", "description", "default", "examples", "deprecated",
	"readOnly", "writeOnly", "format", "contentEncoding", "contentMediaType", "contentSchema",
};

static bool is_annotation(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(annotations); i++)
		if (strcmp(annotations[i], name) == 0)
			return true;
	return false;
}

bool diff_accepts_all(const struct json *schema)
{
	if (schema->type != JSON_OBJECT)
		return schema->type == JSON_TRUE;
	for (uint32_t i = 0; i < schema->count; i++)
		if (!is_annotation(schema->u.members[i].key.text) && strcmp(schema->u.members[i].key.text, "$schema") != 0)
			return false;
	return true;
}

/* ---- the walk ---- */

int diff_note(struct diff_walk *w, enum diff_sense sense, enum diff_class class, const char *fmt, ...)
{
	char what[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	if (class != DIFF_COMPATIBLE && sense == DIFF_INVERSE)
		class = class == DIFF_NARROWING ? DIFF_WIDENING : DIFF_NARROWING;
	else if (class == DIFF_WIDENING && sense == DIFF_UNCLEAR)
		return diff_add(w->d, DIFF_NARROWING, w->where.data ? w->where.data : "", w->e, "%s (may refuse more, where it stands)", what);
	return diff_add(w->d, class, w->where.data ? w->where.data : "", w->e, "%s", what);
}

int diff_step(struct diff_walk *w, uint64_t steps)
{
	w->steps += steps;
	if (w->steps > STEPS_MAX || w->where.failed)
		return err_set(w->e, ERR_LIMIT, "schemas too large to compare, at %s", w->where.data ? w->where.data : "/");
	return 0;
}

void diff_enter(struct diff_walk *w, const char *name, size_t *mark)
{
	*mark = w->where.len;
	buf_addc(&w->where, '/');
	for (; *name; name++) {
		if (*name == '~' || *name == '/')
			buf_adds(&w->where, *name == '~' ? "~0" : "~1");
		else
			buf_addc(&w->where, *name);
	}
}

void diff_leave(struct diff_walk *w, size_t mark)
{
	w->where.len = mark;
	if (w->where.data)
		w->where.data[mark] = '\0';
}

static size_t slot_of(const struct diff_walk *w, const struct diff_pair *p)
{
	size_t h = ((uintptr_t)p->a * 31 + (uintptr_t)p->b) / 8 * 3 + (size_t)p->sense;

	h *= (size_t)0x9e3779b97f4a7c15;
	for (h >>= 20; w->seen[h & (w->seen_cap - 1)].a; h++) {
		const struct diff_pair *s = &w->seen[h & (w->seen_cap - 1)];

		if (s->a == p->a && s->b == p->b && s->sense == p->sense)
			break;
	}
	return h & (w->seen_cap - 1);
}

static int seen_more(struct diff_walk *w)
{
	struct diff_walk bigger = { .seen_cap = w->seen_cap ? 2 * w->seen_cap : 256 };

	bigger.seen = calloc(bigger.seen_cap, sizeof *bigger.seen);
	if (!bigger.seen)
		return err_memory(w->e);
	for (size_t i = 0; i < w->seen_cap; i++)
		if (w->seen[i].a)
			bigger.seen[slot_of(&bigger, &w->seen[i])] = w->seen[i];
	free(w->seen);
	w->seen = bigger.seen;
	w->seen_cap = bigger.seen_cap;
	return 0;
}

/* 1: this pair was compared before, or is being compared further up. */
static int seen_before(struct diff_walk *w, const struct json *a, const struct json *b, enum diff_sense sense)
{
	const struct diff_pair p = { a, b, sense };
	size_t at;

	if (2 * w->seen_count >= w->seen_cap && seen_more(w) < 0)
		return w->e->code;
	at = slot_of(w, &p);
	if (w->seen[at].a)
		return 1;
	w->seen[at] = p;
	w->seen_count++;
	return 0;
}

/* ---- references ---- */

/* The next token of a pointer in a URI fragment, decoded: false when it is too long. */
static bool token(const char **at, char *out, size_t cap)
{
	size_t len = 0;

	for (++*at; **at && **at != '/'; ++*at) {
		unsigned value;
		char c = **at;

		if (c == '%' && sscanf(*at + 1, "%2x", &value) == 1 && (*at)[2]) {
			c = (char)value;
			*at += 2;
		}
		if (c == '~' && ((*at)[1] == '0' || (*at)[1] == '1'))
			c = *++*at == '0' ? '~' : '/';
		if (len + 1 == cap)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

/* What "#/..." means beneath root; NULL: nothing, or another document. */
static const struct json *resolve(const struct json *root, const struct json *ref)
{
	const char *at;
	char name[256];

	if (ref->type != JSON_STRING || ref->u.text[0] != '#' || (ref->u.text[1] && ref->u.text[1] != '/'))
		return NULL;
	for (at = ref->u.text + 1; root && *at;) {
		if (!token(&at, name, sizeof name))
			return NULL;
		if (root->type == JSON_ARRAY)
			root = strspn(name, "0123456789") == strlen(name) && (uint32_t)atoi(name) < root->count ? &root->u.items[atoi(name)] : NULL;
		else
			root = json_get(root, name);
	}
	return root;
}

/* A schema that is nothing but a reference is what it refers to. */
static const struct json *follow(const struct json *root, const struct json *s)
{
	for (int hops = 0; hops < DEPTH_MAX; hops++) {
		const struct json *ref = json_get(s, "$ref"), *to = ref ? resolve(root, ref) : NULL;

		if (!to)
			break;
		for (uint32_t i = 0; i < s->count; i++) {
			const char *name = s->u.members[i].key.text;

			if (!is_annotation(name) && strcmp(name, "$ref") != 0 && strcmp(name, "$schema") != 0)
				return s;
		}
		s = to;
	}
	return s;
}

static int compare_ref(struct diff_walk *w, const struct diff_keyword *k)
{
	const struct json *was = k->was ? resolve(w->before, k->was) : NULL, *is = k->is ? resolve(w->after, k->is) : NULL;

	if (!k->was || !k->is)
		return diff_note(w, k->sense, k->is ? DIFF_NARROWING : DIFF_WIDENING, k->is ? "added" : "removed");
	if (was && is)
		return diff_part(w, NULL, was, is, k->sense);
	return diff_note(w, k->sense, DIFF_NARROWING, "refers to something that is not followed here");
}

/* ---- the whole ---- */

/* Does any schema in it have this keyword? Values that look like schemas are taken for them. */
static bool uses(const struct json *v, const char *name, bool root)
{
	if (v->type == JSON_ARRAY)
		for (uint32_t i = 0; i < v->count; i++)
			if (uses(&v->u.items[i], name, false))
				return true;
	if (v->type == JSON_OBJECT)
		for (uint32_t i = 0; i < v->count; i++)
			if ((!root && strcmp(v->u.members[i].key.text, name) == 0) || uses(&v->u.members[i].value, name, false))
				return true;
	return false;
}

static bool both_use(const struct diff_walk *w, const char *name)
{
	return uses(w->before, name, false) || uses(w->after, name, false);
}

#define DIALECT "https://json-schema.org/draft/2020-12/schema"

static int compare_dialect(struct diff_walk *w, const struct diff_keyword *k)
{
	const char *was = k->was && k->was->type == JSON_STRING ? k->was->u.text : DIALECT;
	const char *is = k->is && k->is->type == JSON_STRING ? k->is->u.text : DIALECT;

	return strcmp(was, is) == 0 ? 0 : diff_note(w, k->sense, DIFF_NARROWING, "another dialect, where keywords may mean other things");
}

static int dispatch(struct diff_walk *w, const struct diff_keyword *k)
{
	int rc;

	if (is_annotation(k->name)) {
		bool beneath = strcmp(k->name, "$defs") == 0 || strcmp(k->name, "definitions") == 0;
		bool same = k->was && k->is && json_equal(k->was, k->is);

		return beneath || same ? 0 : diff_note(w, k->sense, DIFF_COMPATIBLE, "says something else");
	}
	if (strcmp(k->name, "$ref") == 0)
		return compare_ref(w, k);
	if (strcmp(k->name, "$schema") == 0)
		return compare_dialect(w, k);
	rc = diff_part_keyword(w, k);
	if (rc == 0)
		rc = diff_value_keyword(w, k);
	if (rc != 0)
		return MIN(rc, 0);
	if (k->was && k->is && json_equal(k->was, k->is))
		return 0;
	return diff_note(w, k->sense, DIFF_NARROWING, "changed; what that means is not known");
}

static int compare_keyword(struct diff_walk *w, const struct json *a, const struct json *b, const char *name, enum diff_sense sense)
{
	const struct diff_keyword k = { a, b, json_get(a, name), json_get(b, name), name, sense };
	size_t mark;
	int rc;

	diff_enter(w, name, &mark);
	rc = dispatch(w, &k);
	diff_leave(w, mark);
	return rc;
}

static int compare_objects(struct diff_walk *w, const struct json *a, const struct json *b, enum diff_sense sense)
{
	for (uint32_t i = 0; i < a->count; i++)
		if (compare_keyword(w, a, b, a->u.members[i].key.text, sense) < 0)
			return w->e->code;
	for (uint32_t i = 0; i < b->count; i++)
		if (!json_get(a, b->u.members[i].key.text) && compare_keyword(w, a, b, b->u.members[i].key.text, sense) < 0)
			return w->e->code;
	return 0;
}

/* additionalProperties: true and {} are the same schema. */
static const struct json *as_object(const struct json *s)
{
	return s && s->type == JSON_OBJECT ? s : !s || s->type == JSON_TRUE ? &everything : NULL;
}

static int compare_pair(struct diff_walk *w, const struct json *was, const struct json *is, enum diff_sense sense)
{
	const struct json *a = as_object(was), *b = as_object(is);
	int seen;

	if (!a || !b)
		return !a && !b ? 0 : diff_note(w, sense, a ? DIFF_NARROWING : DIFF_WIDENING, a ? "nothing is accepted any more" : "something is accepted now");
	a = follow(w->before, a);
	b = follow(w->after, b);
	if (a->type != JSON_OBJECT || b->type != JSON_OBJECT)
		return compare_pair(w, a, b, sense);
	seen = seen_before(w, a, b, sense);
	if (seen != 0)
		return MIN(seen, 0);
	if (w->depth == DEPTH_MAX)
		return err_set(w->e, ERR_LIMIT, "schemas nested too deep to compare, at %s", w->where.data ? w->where.data : "/");
	w->depth++;
	seen = compare_objects(w, a, b, sense);
	w->depth--;
	return seen;
}

int diff_part(struct diff_walk *w, const char *name, const struct json *a, const struct json *b, enum diff_sense sense)
{
	size_t mark = w->where.len;
	int rc = diff_step(w, 1);

	if (rc < 0)
		return rc;
	if (name)
		diff_enter(w, name, &mark);
	rc = compare_pair(w, a, b, sense);
	diff_leave(w, mark);
	return rc;
}

int schema_diff(struct diff *d, const char *where, const struct json *before, const struct json *after, struct err *e)
{
	struct diff_walk w = { .d = d, .before = before, .after = after, .where = { .max = 1 << 16 }, .e = e };
	int rc;

	if (json_equal(before, after))
		return 0;
	w.unevaluated = both_use(&w, "unevaluatedProperties") || both_use(&w, "unevaluatedItems");
	buf_adds(&w.where, where);
	/* where "#" is not the root, or is found out while checking, references cannot be followed by reading */
	if (both_use(&w, "$dynamicRef") || both_use(&w, "$recursiveRef") || uses(before, "$id", true) || uses(after, "$id", true))
		rc = diff_note(&w, DIFF_SAME, DIFF_NARROWING, "changed; references by $dynamicRef or to a $id within are not followed here");
	else
		rc = diff_part(&w, NULL, before, after, w.unevaluated ? DIFF_UNCLEAR : DIFF_SAME);
	buf_release(&w.where);
	free(w.seen);
	return rc;
}
