/* bundle_recipe: what DIR/bundle.json says. */
#include "content/bundle_recipe.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/name.h"
#include "content/bundle.h"
#include "content/manifest_read.h"
#include "content/path_glob.h"

#define BYTES_MAX ((size_t)1 << 20)
#define PATTERNS_MAX 1000               /* in each list */
#define FORMAT 1

static const char *const members[] = { "format", "channel", "serial", "version", "created", "severity",
				       "notes", "types", "selftest", "leave_out", "requires", "budget",
				       NULL };
static const char *const type_members[] = { "match", "type", NULL };
static const char *const require_members[] = { "type", "version", NULL };
static const char *const budget_members[] = { "load_ms", "rss_bytes", "us_per_event", NULL };

void bundle_recipe_free(struct bundle_recipe *r)
{
	if (!r)
		return;
	free(r->patterns);
	manifest_free(r->head);
	json_free(r->doc);
	buf_free(r->text);
	free(r);
}

static int only_in_list(const struct json_doc *d, const struct json *list, const char *const *keys,
			struct err *e)
{
	for (uint32_t i = 0; list && i < list->count; i++)
		if (json_only(d, &list->u.items[i], keys, e) < 0)
			return e->code;
	return 0;
}

/* Members nobody reads are typing errors: refused before anything else is believed. */
static int check_members(const struct json_doc *d, struct err *e)
{
	const struct json *types = NULL, *requires = NULL, *budget = NULL;

	if (json_only(d, d->root, members, e) < 0)
		return e->code;
	if (json_want_array(d, d->root, "types", PATTERNS_MAX, &types, e) < 0 ||
	    json_may_array(d, d->root, "requires", MANIFEST_REQUIRES_MAX, &requires, e) < 0 ||
	    json_may_object(d, d->root, "budget", &budget, e) < 0)
		return e->code;
	if (only_in_list(d, types, type_members, e) < 0 ||
	    only_in_list(d, requires, require_members, e) < 0)
		return e->code;
	return budget ? json_only(d, budget, budget_members, e) : 0;
}

static int read_text(const struct json_doc *d, const char *key, size_t max, const char *fallback,
		     char **out, struct err *e)
{
	const char *text = fallback;

	if (json_may_text(d, d->root, key, max, &text, e) < 0)
		return e->code;
	*out = strdup(text);
	return *out ? 0 : err_memory(e);
}

static int read_severity(struct manifest *m, const struct json_doc *d, struct err *e)
{
	if (read_text(d, "severity", NAME_LEN_MAX, "normal", &m->severity, e) < 0)
		return e->code;
	if (!manifest_severity_valid(m->severity))
		return json_error(d, json_get(d->root, "severity"), e, ERR_FORMAT,
				  "severity: not one of low, normal, high, critical");
	return 0;
}

static int read_head(struct bundle_recipe *r, struct err *e)
{
	const struct json_doc *d = r->doc;
	struct manifest *m = r->head;
	int64_t serial = 0;
	int dated;

	if (json_want_format(d, FORMAT, NULL, e) < 0)
		return e->code;
	if (json_get(d->root, "channel") && manifest_read_label(d, d->root, "channel", &m->channel, e) < 0)
		return e->code;
	if (json_may_int(d, d->root, "serial", 1, MANIFEST_SERIAL_MAX, &serial, e) < 0)
		return e->code;
	m->serial = (uint64_t)serial;
	if (json_get(d->root, "version") && manifest_read_version(d, d->root, &m->version, e) < 0)
		return e->code;
	dated = json_may_time(d, d->root, "created", &m->created, e);
	if (dated < 0 || read_severity(m, d, e) < 0 ||
	    read_text(d, "notes", MANIFEST_NOTES_MAX, "", &m->notes, e) < 0 ||
	    manifest_read_requires(m, d, e) < 0 || manifest_read_budget(m, d, e) < 0)
		return e->code;
	r->dated = dated > 0;
	return 0;
}

static int add_pattern(struct bundle_recipe *r, const struct json *at, const char *match,
		       const char *type, struct err *e)
{
	if (!*match || *match == '/')
		return json_error(r->doc, at, e, ERR_FORMAT,
				  "a pattern is a path relative to the directory");
	r->patterns[r->pattern_count++] = (struct bundle_pattern){ .match = match, .type = type, .at = at };
	return 0;
}

static int add_list(struct bundle_recipe *r, const char *key, const char *type, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(r->doc, r->doc->root, key, PATTERNS_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct json *item = &list->u.items[i];

		if (item->type != JSON_STRING || strlen(item->u.text) != item->count)
			return json_error(r->doc, item, e, ERR_FORMAT, "%s: not a pattern", key);
		if (add_pattern(r, item, item->u.text, type, e) < 0)
			return e->code;
	}
	return 0;
}

static int add_types(struct bundle_recipe *r, struct err *e)
{
	const struct json_doc *d = r->doc;
	const struct json *list;

	if (json_want_array(d, d->root, "types", PATTERNS_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *item = &list->u.items[i];
		const char *match, *type;

		if (json_want_text(d, item, "match", PATH_LEN_MAX, &match, e) < 0 ||
		    json_want_text(d, item, "type", NAME_LEN_MAX, &type, e) < 0)
			return e->code;
		if (!name_valid(type, strlen(type)))
			return json_error(d, json_get(item, "type"), e, ERR_FORMAT,
					  "type: not 1 to %d of a-z, 0-9 and inner hyphens",
					  NAME_LEN_MAX);
		if (add_pattern(r, item, match, type, e) < 0)
			return e->code;
	}
	return 0;
}

int bundle_recipe_read(struct bundle_recipe **out, int dir, struct err *e)
{
	static const struct json_limits limits = { .bytes = BYTES_MAX, .depth = 16 };
	AUTO(bundle_recipe) struct bundle_recipe *r = calloc(1, sizeof *r);

	if (!r)
		return err_memory(e);
	r->head = calloc(1, sizeof *r->head);
	r->patterns = calloc((size_t)3 * PATTERNS_MAX, sizeof *r->patterns);
	if (!r->head || !r->patterns)
		return err_memory(e);
	if (file_readat(&r->text, dir, BUNDLE_NAME, BYTES_MAX, e) < 0 ||
	    json_parse(&r->doc, BUNDLE_NAME, r->text->data, r->text->len, &limits, e) < 0 ||
	    check_members(r->doc, e) < 0 || read_head(r, e) < 0)
		return e->code;
	if (add_list(r, "leave_out", NULL, e) < 0 ||
	    add_list(r, "selftest", MANIFEST_TYPE_SELFTEST, e) < 0 || add_types(r, e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}

struct bundle_pattern *bundle_recipe_match(const struct bundle_recipe *r, const char *path)
{
	for (size_t i = 0; i < r->pattern_count; i++)
		if (path_glob(r->patterns[i].match, path))
			return &r->patterns[i];
	return NULL;
}

int bundle_recipe_check_used(const struct bundle_recipe *r, struct err *e)
{
	for (size_t i = 0; i < r->pattern_count; i++) {
		const struct bundle_pattern *p = &r->patterns[i];

		if (p->type && !p->used)
			return json_error(r->doc, p->at, e, ERR_REFUSED, "\"%s\" gives no file its type",
					  p->match);
	}
	return 0;
}
