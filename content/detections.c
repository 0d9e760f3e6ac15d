/* detections: two sorted lists of names, each with a hash of what stands behind it. */
#include "content/detections.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/name.h"
#include "content/loader.h"
#include "content/tree.h"
#include "content/yara_text.h"

#define RULES_BYTES_MAX ((size_t)16 << 20)

struct item {
	char *name;             /* owned */
	struct digest what;
};

struct detections {
	struct item *items;     /* owned */
	size_t count, room;
};

void detections_free(struct detections *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++)
		free(d->items[i].name);
	free(d->items);
	free(d);
}

size_t detections_count(const struct detections *d)
{
	return d->count;
}

static int add(struct detections *d, const char *name, const struct digest *what, struct err *e)
{
	if (d->count == d->room) {
		size_t room = MAX(2 * d->room, (size_t)64);
		struct item *more = reallocarray(d->items, room, sizeof *more);

		if (!more)
			return err_memory(e);
		d->items = more;
		d->room = room;
	}
	d->items[d->count].name = strdup(name);
	if (!d->items[d->count].name)
		return err_memory(e);
	d->items[d->count++].what = *what;
	return 0;
}

static int add_instance(struct detections *d, const struct json *instance, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	const struct json *id = json_get(instance, "id");
	struct digest what;

	if (!text)
		return err_memory(e);
	if (!id || id->type != JSON_STRING || strlen(id->u.text) != id->count)
		return err_set(e, ERR_FORMAT, "a rule without an id");
	if (json_canonical(text, instance, e) < 0 || buf_check(text, e) < 0)
		return e->code;
	hash_bytes(&what, text->data, text->len);
	return add(d, id->u.text, &what, e);
}

static int add_rules(struct detections *d, const char *path, const struct buf *text, struct err *e)
{
	AUTO(json) struct json_doc *doc = NULL;
	const struct json *instances = NULL;

	if (json_parse(&doc, path, text->data, text->len, NULL, e) < 0 ||
	    json_may_array(doc, doc->root, "instances", SIZE_MAX, &instances, e) < 0)
		return e->code;
	for (size_t i = 0; instances && i < instances->count; i++)
		if (add_instance(d, &instances->u.items[i], e) < 0)
			return e->code;
	return 0;
}

/* Each file has names of its own. */
static int add_yara(struct detections *d, const char *path, const struct buf *text, struct err *e)
{
	AUTO(yara_text) struct yara_text *t = NULL;
	char name[DETECTIONS_NAME_MAX + 1];

	if (yara_text_read(&t, text->data ? text->data : "", text->len, e) < 0)
		return e->code;
	for (size_t i = 0; i < t->count; i++) {
		/* Two that are cut off alike would be one. */
		if (snprintf(name, sizeof name, "%s:%s", path, t->rules[i].name) > DETECTIONS_NAME_MAX)
			return err_set(e, ERR_LIMIT, "%s: the name of rule %s is too long", path, t->rules[i].name);
		if (add(d, name, &t->rules[i].sense, e) < 0)
			return e->code;
	}
	return 0;
}

typedef int add_rules_of(struct detections *d, const char *path, const struct buf *text, struct err *e);

static add_rules_of *find_reader(const char *type)
{
	if (!strcmp(type, loader_rules.type))
		return add_rules;
	return strcmp(type, loader_yara.type) == 0 ? add_yara : NULL;
}

/* What cannot be told apart is one thing: the file. */
static void forget_from(struct detections *d, size_t count)
{
	while (d->count > count)
		free(d->items[--d->count].name);
}

static int keep_bytes(void *arg, const void *bytes, size_t len, struct err *e)
{
	struct buf *text = arg;

	buf_add(text, bytes, len);
	return buf_check(text, e);
}

static int add_file(struct detections *d, int dir, const struct manifest_file *f, struct err *e)
{
	add_rules_of *named = f->size <= RULES_BYTES_MAX ? find_reader(f->type) : NULL;
	AUTO(buf) struct buf *text = named ? buf_new(RULES_BYTES_MAX) : NULL;
	size_t before = d->count;
	struct err why;

	if (named && !text)
		return err_memory(e);
	if (tree_read_file(dir, f, named ? keep_bytes : NULL, text, e) < 0)
		return e->code;
	if (named && named(d, f->path, text, &why) == 0)
		return 0;
	forget_from(d, before);
	return add(d, f->path, &f->sha256, e);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

int detections_read(struct detections **out, int dir, struct err *e)
{
	AUTO(detections) struct detections *d = calloc(1, sizeof *d);
	AUTO(manifest) struct manifest *m = NULL;

	if (!d)
		return err_memory(e);
	if (tree_manifest(dir, &m, NULL, e) < 0)
		return e->code;
	for (size_t i = 0; i < m->file_count; i++)
		if (!loader_is_data(m->files[i].type) && add_file(d, dir, &m->files[i], e) < 0)
			return e->code;
	if (d->count)
		qsort(d->items, d->count, sizeof *d->items, by_name);
	*out = TAKE(d);
	return 0;
}

int detections_compare(const struct detections *from, const struct detections *to, detections_visit *visit, void *arg, struct err *e)
{
	static const struct detections nothing;
	const struct detections *old = from ? from : &nothing;
	size_t i = 0, k = 0;
	int rc = 0;

	while (rc >= 0 && (i < old->count || k < to->count)) {
		int order = i == old->count ? 1 : k == to->count ? -1 : strcmp(old->items[i].name, to->items[k].name);

		if (order < 0)
			rc = visit(arg, DETECTIONS_GONE, old->items[i].name, e);
		else if (order > 0)
			rc = visit(arg, DETECTIONS_NEW, to->items[k].name, e);
		else if (!digest_equal(&old->items[i].what, &to->items[k].what))
			rc = visit(arg, DETECTIONS_CHANGED, to->items[k].name, e);
		i += order <= 0;
		k += order >= 0;
	}
	return rc < 0 ? rc : 0;
}
