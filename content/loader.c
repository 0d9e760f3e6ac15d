/* loader: one bundle's engines, and which of them an event is for. */
#include "content/loader.h"

#include <stdlib.h>
#include <string.h>

#include "content/manifest.h"
#include "content/observe.h"

#define LOADERS_MAX 8
#define EVENT_DEPTH 8

const struct loader *const loader_builtin[] = { &loader_rules, &loader_yara, &loader_exec, NULL };

struct loaded {
	const struct loader *loader;
	void *engine;
};

struct loader_set {
	struct loaded items[LOADERS_MAX];
	size_t count;
	struct observe *observe;        /* owned; NULL: every verdict stands */
	uint64_t stray;                 /* events that no loader took, or that were no JSON */
};

/* ---- verdicts ---- */

static const char *const action_names[] = {
	[DETECTION_NONE] = "none",   [DETECTION_OBSERVE] = "observe",       [DETECTION_ALERT] = "alert",
	[DETECTION_BLOCK] = "block", [DETECTION_QUARANTINE] = "quarantine",
};

const char *detection_name(enum detection_action a)
{
	return (size_t)a < ARRAY_LEN(action_names) ? action_names[a] : "none";
}

bool detection_parse(enum detection_action *out, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(action_names); i++)
		if (strcmp(action_names[i], name) == 0) {
			*out = (enum detection_action)i;
			return true;
		}
	return false;
}

bool detection_destructive(enum detection_action a)
{
	return a == DETECTION_BLOCK || a == DETECTION_QUARANTINE;
}

/* ---- loading ---- */

bool loader_is_data(const char *type)
{
	static const char *const data[] = { MANIFEST_TYPE_SELFTEST, MANIFEST_TYPE_BENIGN, "doc", "schema" };

	for (size_t i = 0; i < ARRAY_LEN(data); i++)
		if (strcmp(data[i], type) == 0)
			return true;
	return false;
}

const char *loader_foreign_type(const struct manifest *m)
{
	for (size_t i = 0; i < m->file_count; i++) {
		const char *type = m->files[i].type;
		bool known = loader_is_data(type);

		for (size_t k = 0; loader_builtin[k] && !known; k++)
			known = loader_builtin[k]->type && strcmp(loader_builtin[k]->type, type) == 0;
		if (!known)
			return type;
	}
	return NULL;
}

const struct loader_exec *loader_exec_for(const struct loader_job *job, const char *type)
{
	for (size_t i = 0; i < job->exec_count; i++)
		if (strcmp(job->exec[i].type, type) == 0)
			return &job->exec[i];
	return NULL;
}

static const struct loader *loader_for(const struct loader *const *table, const struct loader_job *job,
				       const char *type)
{
	for (; *table; table++) {
		if ((*table)->type && strcmp((*table)->type, type) == 0)
			return *table;
		if (!(*table)->type && loader_exec_for(job, type))
			return *table;
	}
	return NULL;
}

static bool has(const struct loader_set *s, const struct loader *l)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].loader == l)
			return true;
	return false;
}

int loader_set_load(struct loader_set **out, const struct loader_job *job, const struct loader *const *loaders,
		    struct err *e)
{
	AUTO(loader_set) struct loader_set *s = calloc(1, sizeof(*s));

	if (!s)
		return err_memory(e);
	for (size_t i = 0; i < job->manifest->file_count; i++) {
		const struct manifest_file *f = &job->manifest->files[i];
		const struct loader *l;

		if (loader_is_data(f->type))
			continue;
		l = loader_for(loaders ? loaders : loader_builtin, job, f->type);
		if (!l)
			return err_set(e, ERR_UNSUPPORTED, "%s: no loader here for content of type \"%s\"", f->path,
				       f->type);
		if (has(s, l))
			continue;
		if (s->count == LOADERS_MAX)
			return err_set(e, ERR_LIMIT, "%s: more than %d kinds of content in one bundle", f->path,
				       LOADERS_MAX);
		s->items[s->count].loader = l;
		if (l->load(&s->items[s->count].engine, job, e) < 0)
			return e->code;
		s->count++;
	}
	*out = TAKE(s);
	return 0;
}

void loader_set_free(struct loader_set *s)
{
	if (!s)
		return;
	while (s->count--)
		s->items[s->count].loader->free(s->items[s->count].engine);
	observe_free(s->observe);
	free(s);
}

/* ---- events ---- */

/* An event that names its type is for the host's commands; any other goes to the engines built in before it goes to them. */
static struct loaded *taker(struct loader_set *s, const struct json *event)
{
	bool commands = json_get(event, "type") != NULL;

	for (int pass = 0; pass < 2; pass++, commands = !commands)
		for (size_t i = 0; i < s->count; i++) {
			struct loaded *l = &s->items[i];

			if (commands == !l->loader->type && l->loader->takes && l->loader->takes(l->engine, event))
				return l;
		}
	return NULL;
}

bool loader_set_wants_offers(const struct loader_set *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].loader->offer)
			return true;
	return false;
}

int loader_set_offer(struct loader_set *s, const struct json_doc *d, const struct json *event, struct err *e)
{
	const struct loaded *l = taker(s, event);

	return l && l->loader->offer ? l->loader->offer(l->engine, d, event, e) : 0;
}

int loader_set_judge(struct loader_set *s, uint64_t *cpu_ns, struct err *e)
{
	uint64_t one;

	*cpu_ns = 0;
	for (size_t i = 0; i < s->count; i++) {
		if (!s->items[i].loader->judge)
			continue;
		if (s->items[i].loader->judge(s->items[i].engine, &one, e) < 0)
			return e->code;
		*cpu_ns += one;
	}
	return 0;
}

int loader_set_match_doc(struct loader_set *s, const struct json_doc *event, const struct json *value,
			 struct detection *out, struct err *e)
{
	const struct loaded *l = taker(s, value);

	memset(out, 0, sizeof(*out));
	if (l) {
		int rc = l->loader->match(l->engine, event, value, out, e);

		if (out->would <= out->action)
			out->would = DETECTION_NONE;
		return rc;
	}
	s->stray++;
	return json_error(event, value, e, ERR_FORMAT, "an event that no content of this bundle is for");
}

int loader_set_match(struct loader_set *s, const char *event, size_t len, struct detection *out, struct err *e)
{
	const struct json_limits limits = { .bytes = LOADER_EVENT_MAX, .depth = EVENT_DEPTH };
	AUTO(json) struct json_doc *d = NULL;

	memset(out, 0, sizeof(*out));
	if (json_parse(&d, "event", event, len, &limits, e) < 0) {
		s->stray++;
		return e->code;
	}
	return loader_set_match_doc(s, d, d->root, out, e);
}

int loader_set_observe(struct loader_set *s, const char *const *ids, size_t count, struct err *e)
{
	struct observe *o = NULL;

	if (count && observe_new(&o, ids, count, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].loader->observe)
			s->items[i].loader->observe(s->items[i].engine, o);
	observe_free(s->observe);
	s->observe = o;
	return 0;
}

bool loader_set_has_rule(const struct loader_set *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i].loader->has_rule && s->items[i].loader->has_rule(s->items[i].engine, id))
			return true;
	return false;
}

void loader_set_stats(const struct loader_set *s, struct loader_stats *out)
{
	*out = (struct loader_stats){ .events = s->stray, .event_errors = s->stray };
	for (size_t i = 0; i < s->count; i++) {
		struct loader_stats one = { 0 };

		if (!s->items[i].loader->stats)
			continue;
		s->items[i].loader->stats(s->items[i].engine, &one);
		out->files += one.files;
		out->bytes += one.bytes;
		out->rules += one.rules;
		out->dropped += one.dropped;
		out->events += one.events;
		out->event_errors += one.event_errors;
	}
}
