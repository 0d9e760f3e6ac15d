/* loader_rules: the files of type "rules" of a bundle, as one engine. */
#include "content/loader.h"

#include <string.h>

#include "base/file.h"
#include "content/manifest.h"
#include "content/rules_model.h"

static int add_files(struct rules_model *m, const struct loader_job *job, struct rules_log *log, struct err *e)
{
	for (size_t i = 0; i < job->manifest->file_count && !log->stop; i++) {
		const struct manifest_file *f = &job->manifest->files[i];
		struct buf *text = NULL;

		if (strcmp(f->type, loader_rules.type) != 0)
			continue;
		if (file_readat(&text, job->slot, f->path, (size_t)m->limits.bytes, e) < 0)
			return e->code;
		if (rules_model_add(m, f->path, text, log, e) < 0)
			return e->code;
	}
	return 0;
}

static int load(void **engine, const struct loader_job *job, struct err *e)
{
	AUTO(rules_model) struct rules_model *m = NULL;
	AUTO(rules) struct rules *r = NULL;
	struct err first = { 0 };
	struct rules_log log = rules_log_first(&first);
	struct rules_limits limits;

	rules_limits_contract(&limits, job->contract);
	m = rules_model_new(&limits);
	if (!m)
		return err_memory(e);
	if (add_files(m, job, &log, e) < 0)
		return e->code;
	if (!log.stop && rules_model_link(m, &log, e) < 0)
		return e->code;
	if (!log.stop && rules_compile(&r, m, job->drop, job->drop_count, &log, e) < 0)
		return e->code;
	if (log.errors) {
		*e = first;
		return e->code;
	}
	*engine = TAKE(r);
	return 0;
}

static bool takes(const void *engine, const struct json *event)
{
	(void)engine;
	return json_get(event, "template") != NULL;
}

static int match(void *engine, const struct json_doc *d, const struct json *event, struct detection *out,
		 struct err *e)
{
	return rules_match(engine, d, event, out, e);
}

static bool has_rule(const void *engine, const char *id)
{
	return rules_has(engine, id);
}

static void observe(void *engine, const struct observe *o)
{
	rules_observe(engine, o);
}

static void stats(const void *engine, struct loader_stats *out)
{
	rules_stats(engine, out);
}

static void release(void *engine)
{
	rules_free(engine);
}

const struct loader loader_rules = {
	.name = "rules",
	.type = "rules",
	.load = load,
	.takes = takes,
	.match = match,
	.has_rule = has_rule,
	.observe = observe,
	.stats = stats,
	.free = release,
};
