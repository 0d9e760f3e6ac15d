#define PCRE2_CODE_UNIT_WIDTH 8
#include "engines.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "content/manifest.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

/* The first file of a type, parsed. */
static int read_first(struct json_doc **out, const struct loader_job *job, const char *type, struct err *e)
{
	for (size_t i = 0; i < job->manifest->file_count; i++) {
		AUTO(buf) struct buf *text = NULL;

		if (strcmp(job->manifest->files[i].type, type) != 0)
			continue;
		if (file_readat(&text, job->slot, job->manifest->files[i].path, FILE_BYTES_MAX, e) < 0)
			return e->code;
		return json_parse(out, job->manifest->files[i].path, text->data, text->len, NULL, e);
	}
	return err_set(e, ERR_NOT_FOUND, "no file of type %s", type);
}

static const struct json *first_match(const struct json_doc *d)
{
	return json_get(&json_get(d->root, "instances")->u.items[0], "match");
}

static const char *text_of(const struct json *fields, const char *name)
{
	const struct json *v = fields ? json_get(fields, name) : NULL;

	return v && v->type == JSON_STRING ? v->u.text : NULL;
}

static bool takes_templates(const void *engine, const struct json *event)
{
	(void)engine;
	return json_get(event, "template") != NULL;
}

static bool takes_none(const void *engine, const struct json *event)
{
	(void)engine;
	(void)event;
	return false;
}

static bool has_rule(const void *engine, const char *id)
{
	(void)engine;
	(void)id;
	return true;
}

static void stats(const void *engine, struct loader_stats *out)
{
	(void)engine;
	*out = (struct loader_stats){ .files = 1, .rules = 1 };
}

static void release_doc(void *engine)
{
	json_free(engine);
}

static void release_nothing(void *engine)
{
	(void)engine;
}

static int load_rules(void **engine, const struct loader_job *job, struct err *e)
{
	struct json_doc *d = NULL;

	if (read_first(&d, job, "rules", e) < 0)
		return e->code;
	*engine = d;
	return 0;
}

/* ---- 19 July 2024 ---- */

#define INPUTS 20

/* An array of 20 at the very end of what may be read. */
static const char **inputs_of(const struct json *fields)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char **inputs = (const char **)(void *)(pages + page) - INPUTS;
	char name[16];

	if (pages == MAP_FAILED || munmap(pages + page, page) < 0)
		abort();
	for (int i = 0; i < INPUTS; i++) {
		snprintf(name, sizeof name, "input_%02d", i + 1);
		inputs[i] = text_of(fields, name);
	}
	return inputs;
}

static int match_inputs(void *engine, const struct json_doc *d, const struct json *event, struct detection *out, struct err *e)
{
	const struct json *wanted = first_match(engine);
	const char *volatile *inputs = inputs_of(json_get(event, "fields"));
	uint32_t holding = 0;

	(void)d;
	(void)e;
	for (uint32_t i = 0; i < wanted->count; i++) {
		int field = atoi(wanted->u.members[i].key.text + strlen("input_"));
		const char *value = inputs[field - 1];

		holding += value != NULL;
	}
	*out = (struct detection){ .action = holding == wanted->count ? DETECTION_ALERT : DETECTION_NONE };
	return 0;
}

const struct loader engine_out_of_bounds = {
	.name = "twenty inputs", .type = "rules", .load = load_rules, .takes = takes_templates, .match = match_inputs,
	.has_rule = has_rule, .stats = stats, .free = release_doc,
};

/* ---- 23 April 2005 ---- */

static int match_endless(void *engine, const struct json_doc *d, const struct json *event, struct detection *out, struct err *e)
{
	const char *path = text_of(json_get(event, "fields"), "path");
	volatile bool done = false;

	(void)engine;
	(void)d;
	(void)e;
	while (path && strstr(path, ".rar") && !done)
		;
	*out = (struct detection){ .action = DETECTION_NONE };
	return 0;
}

const struct loader engine_endless = {
	.name = "endless", .type = "rules", .load = load_rules, .takes = takes_templates, .match = match_endless,
	.has_rule = has_rule, .stats = stats, .free = release_doc,
};

/* ---- 2 July 2019 ---- */

static int load_regex(void **engine, const struct loader_job *job, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	const struct json *pattern;
	PCRE2_SIZE at;
	int code;

	if (read_first(&d, job, "rules", e) < 0)
		return e->code;
	pattern = json_get(json_get(first_match(d), "body"), "regex");
	*engine = pcre2_compile((PCRE2_SPTR)pattern->u.text, pattern->count, PCRE2_NO_START_OPTIMIZE, &code, &at, NULL);
	return *engine ? 0 : err_set(e, ERR_FORMAT, "pattern: error %d", code);
}

static int match_regex(void *engine, const struct json_doc *d, const struct json *event, struct detection *out, struct err *e)
{
	const char *body = text_of(json_get(event, "fields"), "body");
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int rc;

	(void)d;
	(void)e;
	pcre2_set_match_limit(context, UINT32_MAX);
	pcre2_set_depth_limit(context, UINT32_MAX);
	pcre2_set_heap_limit(context, UINT32_MAX);
	rc = pcre2_match(engine, (PCRE2_SPTR)body, strlen(body), 0, 0, data, context);
	pcre2_match_data_free(data);
	pcre2_match_context_free(context);
	*out = (struct detection){ .action = rc >= 0 ? DETECTION_OBSERVE : DETECTION_NONE };
	return 0;
}

static void release_regex(void *engine)
{
	pcre2_code_free(engine);
}

const struct loader engine_backtracking = {
	.name = "backtracking", .type = "rules", .load = load_regex, .takes = takes_templates, .match = match_regex,
	.has_rule = has_rule, .stats = stats, .free = release_regex,
};

/* ---- 18 November 2025 ---- */

#define FEATURES 200

static int load_features(void **engine, const struct loader_job *job, struct err *e)
{
	static const char *features[FEATURES];
	AUTO(json) struct json_doc *d = NULL;
	const struct json *list;

	if (read_first(&d, job, "features", e) < 0)
		return e->code;
	list = json_get(d->root, "features");
	for (uint32_t i = 0; i < list->count; i++) {
		if (i >= FEATURES)
			abort();        /* "called unwrap() on an error" */
		features[i] = list->u.items[i].u.text;
	}
	*engine = (void *)features;
	return 0;
}

const struct loader engine_fixed_array = {
	.name = "fixed array", .type = "features", .load = load_features, .takes = takes_none, .match = match_endless,
	.has_rule = has_rule, .stats = stats, .free = release_nothing,
};

/* ---- 12 June 2025 ---- */

static int load_policies(void **engine, const struct loader_job *job, struct err *e)
{
	static volatile char first;
	AUTO(json) struct json_doc *d = NULL;
	const struct json *list;

	if (read_first(&d, job, "policy", e) < 0)
		return e->code;
	list = json_get(d->root, "policies");
	for (uint32_t i = 0; i < list->count; i++) {
		const char *region = text_of(&list->u.items[i], "region");
		const char *volatile resolved = *region ? region : NULL;        /* a blank one resolves to nothing */

		first = *resolved;
	}
	*engine = (void *)&first;
	return 0;
}

const struct loader engine_trusting = {
	.name = "trusting", .type = "policy", .load = load_policies, .takes = takes_none, .match = match_endless,
	.has_rule = has_rule, .stats = stats, .free = release_nothing,
};
