#include "content/novel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "content/observe.h"
#include "content/rules_model.h"
#include "content/tree.h"
#include "content/yara_text.h"

#define YARA_BYTES_MAX ((size_t)256 << 20)
#define YARA_NAMED_MAX 1000     /* rules of one file */

/* The destructive rules of one tree, with what each matches. */
struct acting {
	struct acting_rule {
		char id[RULE_LEN_MAX + 1];
		struct digest match;
	} *rules;
	size_t count;
	int slot;                       /* borrowed; -1: there is none */
	struct manifest *manifest;      /* owned */
};

static void acting_release(struct acting *a)
{
	free(a->rules);
	manifest_free(a->manifest);
}

/* Content whose rules are not read here. */
static bool is_unread(const struct manifest_file *f)
{
	return strcmp(f->type, loader_rules.type) != 0 && !loader_is_data(f->type);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct acting_rule *)a)->id, ((const struct acting_rule *)b)->id);
}

static int match_digest(struct digest *out, const struct rules_instance *in, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "template", in->template_name);
	json_put_value(&w, "match", in->match);
	json_close_object(&w);
	if (buf_check(text, e) < 0)
		return e->code;
	hash_bytes(out, text->data, text->len);
	return 0;
}

static int read_model(struct rules_model *m, struct acting *a, int slot, struct err *e)
{
	struct err first = { 0 };
	struct rules_log log = rules_log_first(&first);

	if (tree_manifest(slot, &a->manifest, NULL, e) < 0)
		return e->code;
	for (size_t i = 0; i < a->manifest->file_count; i++) {
		const struct manifest_file *f = &a->manifest->files[i];
		struct buf *text = NULL;

		if (strcmp(f->type, loader_rules.type) != 0)
			continue;
		if (file_readat(&text, slot, f->path, (size_t)m->limits.bytes, e) < 0 ||
		    rules_model_add(m, f->path, text, &log, e) < 0)
			return e->code;
	}
	if (log.errors) {
		*e = first;
		return e->code;
	}
	return 0;
}

static int read_acting(struct acting *a, int slot, struct err *e)
{
	AUTO(rules_model) struct rules_model *m = NULL;
	struct rules_limits limits;

	*a = (struct acting){ .slot = slot };
	if (slot < 0)
		return 0;
	rules_limits_default(&limits);
	m = rules_model_new(&limits);
	if (!m)
		return err_memory(e);
	if (read_model(m, a, slot, e) < 0)
		return e->code;
	a->rules = calloc(m->instance_count + 1, sizeof(*a->rules));
	if (!a->rules)
		return err_memory(e);
	for (size_t i = 0; i < m->instance_count; i++) {
		const struct rules_instance *in = &m->instances[i];
		struct acting_rule *r = &a->rules[a->count];

		if (!detection_destructive(in->verdict))
			continue;
		memcpy(r->id, in->id, MIN(strlen(in->id), (size_t)RULE_LEN_MAX));
		if (match_digest(&r->match, in, e) < 0)
			return e->code;
		a->count++;
	}
	qsort(a->rules, a->count, sizeof(*a->rules), by_id);
	return 0;
}

/* ---- content that is not read here ---- */

static const struct manifest_file *find_same(const struct manifest *m, const struct manifest_file *want)
{
	for (size_t i = 0; m && i < m->file_count; i++)
		if (!strcmp(m->files[i].path, want->path) && !strcmp(m->files[i].type, want->type))
			return &m->files[i];
	return NULL;
}

static bool has_same(const struct manifest *m, const struct manifest_file *want)
{
	const struct manifest_file *f = find_same(m, want);

	return f && digest_equal(&f->sha256, &want->sha256);
}

static int read_yara(struct yara_text **out, int slot, const struct manifest_file *f, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (file_readat(&text, slot, f->path, YARA_BYTES_MAX, e) < 0)
		return e->code;
	return yara_text_read(out, text->data ? text->data : "", text->len, e);
}

static bool is_novel(const struct yara_rule *r, const struct yara_text *then)
{
	const struct yara_rule *old = yara_text_find(then, r->name);

	return r->acts && !(old && digest_equal(&old->sense, &r->sense));
}

/* Whether they can be named one by one, and are worth it: else the file is. */
static bool can_name(const struct manifest_file *f, const struct yara_text *now, const struct yara_text *then)
{
	size_t novel = 0;

	for (size_t i = 0; i < now->count; i++) {
		if (!is_novel(&now->rules[i], then))
			continue;
		if (++novel > YARA_NAMED_MAX || strlen(f->path) + 1 + strlen(now->rules[i].name) > NOVEL_ID_MAX)
			return false;
	}
	return true;
}

static int visit_file(const struct manifest_file *f, novel_visit *visit, void *arg, struct err *e)
{
	char id[PATH_LEN_MAX + sizeof(OBSERVE_FILE)];

	snprintf(id, sizeof(id), "%s" OBSERVE_FILE, f->path);
	return visit(arg, id, e);
}

/* A file of YARA rules stands alone, in a namespace of its own: what did not change in it matches as before. */
static int visit_changed(const struct acting *now, const struct acting *then, const struct manifest_file *f, const struct manifest_file *old,
			 novel_visit *visit, void *arg, struct err *e)
{
	AUTO(yara_text) struct yara_text *is = NULL;
	AUTO(yara_text) struct yara_text *was = NULL;
	char id[NOVEL_ID_MAX + 1];

	if (read_yara(&is, now->slot, f, e) < 0 || read_yara(&was, then->slot, old, e) < 0)
		return e->code == ERR_FORMAT || e->code == ERR_LIMIT ? visit_file(f, visit, arg, e) : e->code;
	if (!can_name(f, is, was))
		return visit_file(f, visit, arg, e);
	for (size_t i = 0; i < is->count; i++) {
		if (!is_novel(&is->rules[i], was))
			continue;
		snprintf(id, sizeof(id), "%s" OBSERVE_OF_FILE "%s", f->path, is->rules[i].name);
		if (visit(arg, id, e) < 0)
			return e->code;
	}
	return 0;
}

static int visit_yara(const struct acting *now, const struct acting *then, novel_visit *visit, void *arg, struct err *e)
{
	for (size_t i = 0; i < now->manifest->file_count; i++) {
		const struct manifest_file *f = &now->manifest->files[i], *old = find_same(then->manifest, f);
		int rc = 0;

		if (strcmp(f->type, loader_yara.type) != 0)
			continue;
		if (!old)
			rc = visit_file(f, visit, arg, e);
		else if (!digest_equal(&old->sha256, &f->sha256))
			rc = visit_changed(now, then, f, old, visit, arg, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Of other engines nobody knows how one file bears on the next: a list of exceptions that is gone is new rules. */
static bool same_besides(const struct manifest *one, const struct manifest *other)
{
	for (size_t i = 0; one && i < one->file_count; i++) {
		const struct manifest_file *f = &one->files[i];

		if (is_unread(f) && strcmp(f->type, loader_yara.type) != 0 && !has_same(other, f))
			return false;
	}
	return true;
}

static int visit_novel(const struct acting *now, const struct acting *then, novel_visit *visit, void *arg, struct err *e)
{
	if (!same_besides(now->manifest, then->manifest) || !same_besides(then->manifest, now->manifest))
		return visit(arg, OBSERVE_ALL, e);
	if (visit_yara(now, then, visit, arg, e) < 0)
		return e->code;
	for (size_t i = 0; i < now->count; i++) {
		const struct acting_rule *r = &now->rules[i];
		const struct acting_rule *old = then->count ? bsearch(r, then->rules, then->count, sizeof(*r), by_id) : NULL;

		if (old && digest_equal(&old->match, &r->match))
			continue;
		if (visit(arg, r->id, e) < 0)
			return e->code;
	}
	return 0;
}

int novel_rules(int slot, int before, novel_visit *visit, void *arg, struct err *e)
{
	struct acting now = { .rules = NULL }, then = { .rules = NULL };
	int rc = read_acting(&now, slot, e);

	if (rc == 0)
		rc = read_acting(&then, before, e);
	if (rc == 0)
		rc = visit_novel(&now, &then, visit, arg, e);
	acting_release(&now);
	acting_release(&then);
	return rc;
}
