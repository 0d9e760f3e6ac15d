/*
 * published: the examples beside the published schemas, for the tests that
 * hold a schema and its reader to the same answers.
 *
 * tests/schema/published/NAME.json belongs to schema/NAME.schema.json:
 *   good       documents that are valid; the reader takes them
 *   bad        {why, at, set, to}: the first good one with a change is invalid
 *              at this pointer; the reader refuses it
 *   beyond     {why, set, to}: valid, but the reader refuses it: what a schema cannot say
 *   tolerated  {why, set, to}: invalid, but the reader takes it: stops are obeyed
 * A change sets the member or element at a pointer ("-" appends); without `to`
 * it removes it.
 */
#ifndef TESTS_PUBLISHED_H
#define TESTS_PUBLISHED_H

#include "base/file.h"
#include "base/json.h"
#include "test.h"

struct published {
	struct buf *raw;
	struct json_doc *doc;
	char path[128];
};

static inline void published_open(struct published *p, const char *name)
{
	struct err e;

	*p = (struct published){ 0 };
	snprintf(p->path, sizeof p->path, "tests/schema/published/%s.json", name);
	if (file_read(&p->raw, p->path, 1 << 20, &e) < 0 ||
	    json_parse(&p->doc, p->path, p->raw->data, p->raw->len, NULL, &e) < 0)
		fail_msg("%s", e.msg);
}

static inline void published_close(struct published *p)
{
	json_free(p->doc);
	buf_free(p->raw);
}

/* The token at the start of a pointer ("/a~1b/..." gives "a/b"); answers what is behind it. */
static inline const char *published_token(const char *pointer, char out[64])
{
	size_t len = 0;

	for (pointer++; *pointer && *pointer != '/'; pointer++) {
		char c = *pointer;

		if (c == '~')
			c = *++pointer == '1' ? '/' : '~';
		assert_true(len < 63);
		out[len++] = c;
	}
	out[len] = '\0';
	return pointer;
}

/* v with the change; to NULL removes. Whoever holds v wrote its key already when key is NULL. */
static inline void published_changed(struct json_writer *w, const char *key, const struct json *v,
				     const char *pointer, const struct json *to)
{
	bool object = v->type == JSON_OBJECT, done = false;
	const char *rest;
	char token[64], index[16];

	if (!*pointer) {
		if (to)
			json_put_value(w, key, to);
		return;
	}
	rest = published_token(pointer, token);
	if (object)
		json_open_object(w, key);
	else
		json_open_array(w, key);
	for (uint32_t i = 0; i < v->count; i++) {
		const char *name = object ? v->u.members[i].key.text : NULL;
		const struct json *child = object ? &v->u.members[i].value : &v->u.items[i];

		snprintf(index, sizeof index, "%u", i);
		if (strcmp(object ? name : index, token) != 0) {
			json_put_value(w, name, child);
			continue;
		}
		published_changed(w, name, child, rest, to);
		done = true;
	}
	if (!done && to) {
		assert_true(*rest == '\0');
		json_put_value(w, object ? token : NULL, to);
	}
	if (object)
		json_close_object(w);
	else
		json_close_array(w);
}

/* The text of an item of one of the lists. */
static inline void published_text(struct buf *out, const struct published *p, const struct json *item)
{
	const struct json *first = &json_get(p->doc->root, "good")->u.items[0], *set = json_get(item, "set");
	struct json_writer w = { .out = out };

	if (set)
		published_changed(&w, NULL, first, set->u.text, json_get(item, "to"));
	else
		json_put_value(&w, NULL, item);
}

/* A reader under test: 0, or negative with e set. */
typedef int published_reader(const char *text, size_t len, struct err *e);

static inline void published_each(const struct published *p, const char *list, bool taken, const char *end,
				  published_reader *reader)
{
	const struct json *items = json_get(p->doc->root, list);

	assert_non_null(items);
	for (uint32_t i = 0; i < items->count; i++) {
		const struct json *why = json_get(&items->u.items[i], "why");
		AUTO(buf) struct buf *b = buf_new(0);
		struct err e = { 0 };
		int rc;

		published_text(b, p, &items->u.items[i]);
		buf_adds(b, end);
		rc = reader(b->data, b->len, &e);
		if ((rc == 0) != taken)
			fail_msg("%s, %s[%u] (%s): the reader %s", p->path, list, i, why ? why->u.text : "good",
				 rc == 0 ? "takes it" : e.msg);
	}
}

/* Holds a reader to the four lists; `end` is what the document ends with. */
static inline void published_hold(const char *name, const char *end, published_reader *reader)
{
	struct published p;

	published_open(&p, name);
	published_each(&p, "good", true, end, reader);
	published_each(&p, "bad", false, end, reader);
	published_each(&p, "beyond", false, end, reader);
	published_each(&p, "tolerated", true, end, reader);
	published_close(&p);
}

#endif
