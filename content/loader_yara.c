/*
 * loader_yara: YARA rules through libyara 4.
 *
 * All files of type "yara" are compiled in path order, each in a namespace of
 * its own named by its path, so equal rule names in two files do not collide.
 * `include` is refused: a bundle's files are all given already. External
 * variables filename, filepath, extension, filetype and owner are defined.
 *
 * An event is a sample (event_sample.h). A match is an `alert` unless the
 * rule's meta says otherwise: verdict = "block". A rule is dropped by its name,
 * or by "path:name".
 */
#include "content/loader.h"

#ifdef RINGHOLD_YARA

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yara.h>

#include "base/file.h"
#include "content/event_sample.h"
#include "content/manifest.h"
#include "content/observe.h"
#include "schema/contract.h"

#define SCAN_SECONDS 10
#define FILES_MAX 20000
#define BYTES_MAX ((size_t)256 << 20)

static const char *const externals[] = { "filename", "filepath", "extension", "filetype", "owner" };

struct yara_engine {
	bool begun;                     /* yr_initialize() was called */
	YR_RULES *rules;
	YR_SCANNER *scanner;
	const char **names;             /* active rules, sorted; borrowed from rules */
	size_t name_count;
	int slot;                       /* borrowed */
	const struct observe *observe;  /* borrowed; NULL: every verdict stands */
	struct detection *found;        /* of the scan under way */
	const struct manifest *manifest;
	struct loader_stats stats;
};

static void release(void *engine)
{
	struct yara_engine *y = engine;

	if (!y)
		return;
	if (y->scanner)
		yr_scanner_destroy(y->scanner);
	if (y->rules)
		yr_rules_destroy(y->rules);
	if (y->begun)
		yr_finalize();
	free(y->names);
	free(y);
}

AUTO_DEFINE(yara_engine, struct yara_engine *, release);

static int yara_error(struct err *e, int code, const char *what)
{
	switch (code) {
	case ERROR_INSUFFICIENT_MEMORY:
		return err_memory(e);
	case ERROR_SCAN_TIMEOUT:
		return err_set(e, ERR_LIMIT, "%s: not finished after %d s", what, SCAN_SECONDS);
	default:
		return err_set(e, ERR_FORMAT, "%s: libyara error %d", what, code);
	}
}

/* ---- compiling ---- */

struct compiling {
	const char *path;
	struct err *e;
};

static void on_message(int level, const char *file, int line, const YR_RULE *rule, const char *text, void *arg)
{
	struct compiling *c = arg;

	(void)file;
	if (level != YARA_ERROR_LEVEL_ERROR || c->e->code)
		return;
	err_set(c->e, strstr(text, "not enough memory") ? ERR_MEMORY : ERR_FORMAT, "%s:%d: %s%s%s", c->path, line,
		rule ? rule->identifier : "", rule ? ": " : "", text);
}

static int add_file(YR_COMPILER *compiler, struct compiling *c, const struct loader_job *job,
		    const struct manifest_file *f, size_t room, struct loader_stats *stats, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (file_readat(&text, job->slot, f->path, room, e) < 0)
		return e->code;
	if (text->len && memchr(text->data, '\0', text->len))
		return err_set(e, ERR_FORMAT, "%s: a NUL byte in a file of YARA rules", f->path);
	c->path = f->path;
	stats->files++;
	stats->bytes += text->len;
	if (yr_compiler_add_string(compiler, text->data ? text->data : "", f->path) == 0)
		return 0;
	if (!e->code)
		err_set(e, ERR_FORMAT, "%s: libyara does not accept it", f->path);
	return e->code;
}

static int add_files(YR_COMPILER *compiler, const struct loader_job *job, struct loader_stats *stats, struct err *e)
{
	const struct contract_type *t = job->contract ? contract_find_type(job->contract, "yara") : NULL;
	size_t files = t ? MIN(FILES_MAX, (size_t)t->limits.files) : FILES_MAX;
	size_t bytes = t ? MIN(BYTES_MAX, (size_t)t->limits.bytes) : BYTES_MAX;
	struct compiling c = { .e = e };

	e->code = 0;
	yr_compiler_set_callback(compiler, on_message, &c);
	yr_compiler_set_include_callback(compiler, NULL, NULL, NULL);
	for (size_t i = 0; i < ARRAY_LEN(externals); i++)
		if (yr_compiler_define_string_variable(compiler, externals[i], "") != ERROR_SUCCESS)
			return err_memory(e);
	for (size_t i = 0; i < job->manifest->file_count; i++) {
		const struct manifest_file *f = &job->manifest->files[i];

		if (strcmp(f->type, loader_yara.type) != 0)
			continue;
		if (stats->files == files)
			return err_set(e, ERR_LIMIT, "%s: more than the %zu files of YARA rules allowed", f->path, files);
		if (f->size > bytes - stats->bytes)
			return err_set(e, ERR_LIMIT, "%s: more than the %zu bytes of YARA rules allowed", f->path, bytes);
		if (add_file(compiler, &c, job, f, bytes - (size_t)stats->bytes, stats, e) < 0)
			return e->code;
	}
	return 0;
}

static int compile(struct yara_engine *y, const struct loader_job *job, struct err *e)
{
	YR_COMPILER *compiler = NULL;
	int rc = yr_initialize();

	if (rc != ERROR_SUCCESS)
		return yara_error(e, rc, "yara");
	y->begun = true;
	rc = yr_compiler_create(&compiler);
	if (rc != ERROR_SUCCESS)
		return yara_error(e, rc, "yara");
	if (add_files(compiler, job, &y->stats, e) < 0) {
		yr_compiler_destroy(compiler);
		return e->code;
	}
	rc = yr_compiler_get_rules(compiler, &y->rules);
	yr_compiler_destroy(compiler);
	return rc == ERROR_SUCCESS ? 0 : yara_error(e, rc, "yara");
}

/* ---- rules ---- */

static bool names(const char *id, const YR_RULE *rule)
{
	const char *colon = strrchr(id, ':');

	if (strcmp(colon ? colon + 1 : id, rule->identifier) != 0)
		return false;
	return !colon || (strncmp(rule->ns->name, id, (size_t)(colon - id)) == 0 && !rule->ns->name[colon - id]);
}

/* One id may name several rules, and one rule have several ids: both are marked. */
static bool is_dropped(const YR_RULE *rule, const struct loader_job *job, bool *met)
{
	bool any = false;

	for (size_t i = 0; i < job->drop_count; i++)
		if (names(job->drop[i], rule))
			any = met[i] = true;
	return any;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int list_rules(struct yara_engine *y, const struct loader_job *job, struct err *e)
{
	AUTO_FREE bool *met = calloc(job->drop_count + 1, sizeof(*met));
	YR_RULE *rule;
	size_t n = 0;

	yr_rules_foreach(y->rules, rule) n++;
	y->names = calloc(n + 1, sizeof(*y->names));
	if (!y->names || !met)
		return err_memory(e);
	yr_rules_foreach(y->rules, rule)
	{
		if (is_dropped(rule, job, met))
			yr_rule_disable(rule);
		else
			y->names[y->name_count++] = rule->identifier;
	}
	for (size_t i = 0; i < job->drop_count; i++)
		y->stats.dropped += met[i];
	qsort(y->names, y->name_count, sizeof(*y->names), by_text);
	y->stats.rules = y->name_count;
	return 0;
}

static int load(void **engine, const struct loader_job *job, struct err *e)
{
	AUTO(yara_engine) struct yara_engine *y = calloc(1, sizeof(*y));
	int rc;

	if (!y)
		return err_memory(e);
	y->slot = job->slot;
	y->manifest = job->manifest;
	if (compile(y, job, e) < 0 || list_rules(y, job, e) < 0)
		return e->code;
	rc = yr_scanner_create(y->rules, &y->scanner);
	if (rc != ERROR_SUCCESS)
		return yara_error(e, rc, "yara");
	yr_scanner_set_timeout(y->scanner, SCAN_SECONDS);
	/* A fault in libyara is a crash for everyone to see, not an error code. */
	yr_scanner_set_flags(y->scanner,
			     SCAN_FLAGS_FAST_MODE | SCAN_FLAGS_NO_TRYCATCH | SCAN_FLAGS_REPORT_RULES_MATCHING);
	*engine = TAKE(y);
	return 0;
}

/* ---- events ---- */

static bool takes(const void *engine, const struct json *event)
{
	(void)engine;
	return event_sample_is(event);
}

static enum detection_action action_of(YR_RULE *rule)
{
	enum detection_action action = DETECTION_ALERT;
	YR_META *meta;

	yr_rule_metas_foreach(rule, meta)
	{
		enum detection_action said;

		if (meta->type == META_TYPE_STRING && strcmp(meta->identifier, "verdict") == 0 &&
		    detection_parse(&said, meta->string) && said != DETECTION_NONE)
			action = said;
	}
	return action;
}

static int on_scan(YR_SCAN_CONTEXT *context, int message, void *data, void *arg)
{
	struct yara_engine *y = arg;
	const struct observe *observed = y->observe;
	YR_RULE *rule = data;

	(void)context;
	if (message != CALLBACK_MSG_RULE_MATCHING)
		return CALLBACK_CONTINUE;
	y->found->matches++;
	/* The namespace is the file's path. */
	if (observe_has_of_file(observed, rule->ns->name, rule->identifier))
		observed = &observe_every;
	observe_take(observed, y->found, action_of(rule), rule->identifier);
	return CALLBACK_CONTINUE;
}

static int name_sample(struct yara_engine *y, const struct json_doc *d, const struct json *event, struct err *e)
{
	const char *path = "", *base, *dot;

	if (json_may_text(d, event, "name", 4096, &path, e) < 0)
		return e->code;
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	dot = strrchr(base, '.');
	if (yr_scanner_define_string_variable(y->scanner, "filepath", path) != ERROR_SUCCESS ||
	    yr_scanner_define_string_variable(y->scanner, "filename", base) != ERROR_SUCCESS ||
	    yr_scanner_define_string_variable(y->scanner, "extension", dot ? dot : "") != ERROR_SUCCESS)
		return err_memory(e);
	return 0;
}

static int scan(struct yara_engine *y, const struct json_doc *d, const struct json *event, struct detection *out,
		struct err *e)
{
	AUTO(buf) struct buf *own = NULL;
	struct json_string bytes = { "", 0 };
	int rc;

	if (event_sample_get(&bytes, &own, y->slot, y->manifest, d, event, e) < 0 || name_sample(y, d, event, e) < 0)
		return e->code;
	y->found = out;
	yr_scanner_set_callback(y->scanner, on_scan, y);
	rc = yr_scanner_scan_mem(y->scanner, (const uint8_t *)bytes.text, bytes.len);
	return rc == ERROR_SUCCESS ? 0 : yara_error(e, rc, "scan");
}

static int match(void *engine, const struct json_doc *d, const struct json *event, struct detection *out,
		 struct err *e)
{
	struct yara_engine *y = engine;

	memset(out, 0, sizeof(*out));
	y->stats.events++;
	if (scan(y, d, event, out, e) == 0)
		return 0;
	y->stats.event_errors++;
	memset(out, 0, sizeof(*out));
	return e->code;
}

static bool has_rule(const void *engine, const char *id)
{
	const struct yara_engine *y = engine;

	return bsearch(&id, y->names, y->name_count, sizeof(*y->names), by_text) != NULL;
}

static void observe(void *engine, const struct observe *o)
{
	((struct yara_engine *)engine)->observe = o;
}

static void stats(const void *engine, struct loader_stats *out)
{
	*out = ((const struct yara_engine *)engine)->stats;
}

#else

#include <stddef.h>

static int load(void **engine, const struct loader_job *job, struct err *e)
{
	(void)engine;
	(void)job;
	return err_set(e, ERR_UNSUPPORTED, "this build has no YARA loader");
}

static bool takes(const void *engine, const struct json *event)
{
	(void)engine;
	(void)event;
	return false;
}

static int match(void *engine, const struct json_doc *d, const struct json *event, struct detection *out,
		 struct err *e)
{
	(void)engine;
	(void)d;
	(void)event;
	(void)out;
	return err_set(e, ERR_UNSUPPORTED, "this build has no YARA loader");
}

static bool has_rule(const void *engine, const char *id)
{
	(void)engine;
	(void)id;
	return false;
}

static void observe(void *engine, const struct observe *o)
{
	(void)engine;
	(void)o;
}

static void stats(const void *engine, struct loader_stats *out)
{
	(void)engine;
	*out = (struct loader_stats){ 0 };
}

static void release(void *engine)
{
	(void)engine;
}

#endif

const struct loader loader_yara = {
	.name = "yara",
	.type = "yara",
	.load = load,
	.takes = takes,
	.match = match,
	.has_rule = has_rule,
	.observe = observe,
	.stats = stats,
	.free = release,
};
