#include "content/novel.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "content/observe.h"
#include "content/rules_model.h"
#include "content/tree.h"

/* The destructive rules of one tree, with what each matches. */
struct acting {
	struct acting_rule {
		char id[RULE_LEN_MAX + 1];
		struct digest match;
	} *rules;
	size_t count;
	bool unread;            /* there is content besides, of other types */
};

static void acting_release(struct acting *a)
{
	free(a->rules);
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
	AUTO(manifest) struct manifest *manifest = NULL;
	struct err first = { 0 };
	struct rules_log log = rules_log_first(&first);

	if (tree_manifest(slot, &manifest, NULL, e) < 0)
		return e->code;
	for (size_t i = 0; i < manifest->file_count; i++) {
		const struct manifest_file *f = &manifest->files[i];
		struct buf *text = NULL;

		if (strcmp(f->type, "rules") != 0) {
			a->unread |= !loader_is_data(f->type);
			continue;
		}
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

	*a = (struct acting){ .rules = NULL };
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

static int visit_novel(const struct acting *now, const struct acting *then, novel_visit *visit, void *arg, struct err *e)
{
	if (now->unread)
		return visit(arg, OBSERVE_ALL, e);
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
