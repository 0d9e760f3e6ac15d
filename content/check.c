/* check: the report; types, versions, limits and schemas of the contract. */
#include "content/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "content/check_work.h"
#include "content/loader.h"

#define WARNINGS_MAX (CHECK_FINDINGS_MAX / 2)   /* kept: warnings never crowd out errors */
#define SCHEMA_FILE_MAX ((size_t)64 << 20)

/* ---- the report ---- */

static void add(struct check *c, const struct check_finding *f)
{
	struct check_report *r = c->report;

	if (f->severity == CHECK_ERROR)
		r->errors++;
	else
		r->warnings++;
	if (r->count == CHECK_FINDINGS_MAX || (f->severity == CHECK_WARNING && r->warnings > WARNINGS_MAX)) {
		r->cut = true;
		return;
	}
	r->items[r->count] = *f;
	r->items[r->count].file = strdup(f->file);
	r->items[r->count].subject = strdup(f->subject);
	r->items[r->count].sentence = strdup(f->sentence);
	if (!r->items[r->count].file || !r->items[r->count].subject || !r->items[r->count].sentence)
		c->no_memory = true;
	r->count++;
}

void check_note(struct check *c, enum check_severity severity, struct check_place at, const char *subject,
		enum reason reason, const char *fmt, ...)
{
	char sentence[512];
	struct check_finding f = { .severity = severity, .file = (char *)at.file, .line = at.line,
				   .column = at.column, .subject = (char *)subject, .reason = reason_word(reason),
				   .sentence = sentence };
	va_list args;

	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	add(c, &f);
}

void check_note_err(struct check *c, const char *file, enum reason reason, const struct err *e)
{
	struct check_place at = { .file = file };
	size_t name = strlen(file);
	const char *sentence = e->msg;
	int head = 0;

	if (strncmp(sentence, file, name) == 0) {
		if (sscanf(sentence + name, ":%u:%u: %n", &at.line, &at.column, &head) < 2 || !head)
			at.line = at.column = 0;
		else
			sentence += name + (size_t)head;
	}
	check_note(c, CHECK_ERROR, at, "", reason, "%s", sentence);
}

static int by_place(const void *a, const void *b)
{
	const struct check_finding *x = a, *y = b;
	int order = strcmp(x->file, y->file);

	if (order)
		return order;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

void check_report_free(struct check_report *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++) {
		free(r->items[i].file);
		free(r->items[i].subject);
		free(r->items[i].sentence);
	}
	for (size_t i = 0; i < r->field_count; i++) {
		free(r->fields[i].template);
		free(r->fields[i].name);
	}
	free(r->fields);
	free(r->items);
	free(r);
}

static const struct check_finding *first_error(const struct check_report *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].severity == CHECK_ERROR)
			return &r->items[i];
	return NULL;
}

int check_verdict(const struct check_report *r, struct err *e)
{
	const struct check_finding *f = first_error(r);

	if (!r->errors)
		return 0;
	if (!f)
		return err_set(e, ERR_REFUSED, "%zu errors", r->errors);
	if (!f->line)
		return err_set(e, ERR_REFUSED, "%s: %s", f->file, f->sentence);
	return err_set(e, ERR_REFUSED, "%s:%u:%u: %s", f->file, f->line, f->column, f->sentence);
}

const char *check_reason(const struct check_report *r)
{
	const struct check_finding *f = first_error(r);

	return f ? f->reason : r->errors ? reason_word(REASON_LINT) : NULL;
}

void check_finding_text(struct buf *out, const struct check_finding *f)
{
	log_escape(out, f->file, strlen(f->file));
	if (f->line)
		buf_addf(out, ":%u:%u", f->line, f->column);
	buf_adds(out, f->severity == CHECK_WARNING ? ": warning: " : ": ");
	log_escape(out, f->sentence, strlen(f->sentence));
}

/* ---- types, versions, limits ---- */

static void check_requires(struct check *c)
{
	const struct check_place at = { .file = MANIFEST_NAME };

	for (size_t i = 0; i < c->manifest->require_count; i++) {
		const struct manifest_require *r = &c->manifest->requires[i];
		struct err e = { 0 };

		if (contract_accepts(c->contract, r->type, r->version, &e) < 0)
			check_note(c, CHECK_ERROR, at, r->type, REASON_CONTRACT, "requires %s %s: %s", r->type,
				   r->version, e.msg);
	}
}

struct sum {
	int64_t files, bytes;
};

static struct sum sum_of(const struct manifest *m, const char *type)
{
	struct sum s = { 0 };

	for (size_t i = 0; i < m->file_count; i++)
		if (strcmp(m->files[i].type, type) == 0) {
			s.files++;
			s.bytes += (int64_t)m->files[i].size;
		}
	return s;
}

static bool seen_before(const struct manifest *m, size_t i)
{
	for (size_t k = i; k--;)
		if (strcmp(m->files[k].type, m->files[i].type) == 0)
			return true;
	return false;
}

static void check_limit(struct check *c, const char *type, const char *what, int64_t value, int64_t most)
{
	const struct check_place at = { .file = MANIFEST_NAME };

	if (value > most)
		check_note(c, CHECK_ERROR, at, type, REASON_CONTRACT,
			   "type \"%s\": %" PRId64 " %s, the contract of %s %s allows %" PRId64, type, value, what,
			   c->contract->sensor, c->contract->version, most);
}

static void check_types(struct check *c)
{
	for (size_t i = 0; i < c->manifest->file_count; i++) {
		const struct manifest_file *f = &c->manifest->files[i];
		const struct check_place at = { .file = f->path };
		const struct contract_type *t;
		struct err e = { 0 };
		struct sum s;

		if (loader_is_data(f->type) || seen_before(c->manifest, i))
			continue;
		if (contract_accepts(c->contract, f->type, NULL, &e) < 0) {
			check_note(c, CHECK_ERROR, at, f->type, REASON_CONTRACT, "content of type \"%s\": %s", f->type,
				   e.msg);
			continue;
		}
		t = contract_find_type(c->contract, f->type);
		s = sum_of(c->manifest, f->type);
		check_limit(c, f->type, "files", s.files, t->limits.files);
		check_limit(c, f->type, "bytes", s.bytes, t->limits.bytes);
	}
}

/* ---- the contract's own schema ---- */

static void note_schema(struct check *c, const struct manifest_file *f, const struct schema_errors *errors,
			const struct err *e)
{
	if (!errors->count)
		check_note_err(c, f->path, REASON_CONTRACT, e);
	for (unsigned i = 0; i < MIN(errors->count, (unsigned)SCHEMA_ERRORS); i++) {
		const struct schema_error *s = &errors->at[i];
		const struct check_place at = { f->path, s->line, s->column };

		check_note(c, CHECK_ERROR, at, f->type, REASON_CONTRACT, "%s: %s (schema of %s %s, %s)", s->pointer,
			   s->text, c->contract->sensor, c->contract->version, s->keyword);
	}
}

static int check_schema(struct check *c, const struct manifest_file *f, const struct schema *schema, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *d = NULL;
	struct schema_errors errors = { 0 };
	struct err why = { 0 };

	if (file_readat(&text, c->dir, f->path, SCHEMA_FILE_MAX, e) < 0)
		return e->code;
	if (json_parse(&d, f->path, text->data ? text->data : "", text->len, NULL, &why) < 0)
		check_note_err(c, f->path, REASON_LINT, &why);
	else if (schema_check(schema, d, d->root, &errors, &why) < 0)
		note_schema(c, f, &errors, &why);
	return 0;
}

static int check_schemas(struct check *c, struct err *e)
{
	for (size_t i = 0; i < c->manifest->file_count; i++) {
		const struct manifest_file *f = &c->manifest->files[i];
		const struct contract_type *t = contract_find_type(c->contract, f->type);

		if (t && t->schema && check_schema(c, f, t->schema, e) < 0)
			return e->code;
	}
	return 0;
}

int check_content(struct check_report **out, const struct check_job *job, struct err *e)
{
	AUTO(check_report) struct check_report *r = calloc(1, sizeof(*r));
	struct check c = { .report = r, .job = job, .dir = job->dir, .manifest = job->manifest, .contract = job->contract };

	if (r)
		r->items = calloc(CHECK_FINDINGS_MAX, sizeof(*r->items));
	if (!r || !r->items)
		return err_memory(e);
	check_sizes(&c);
	if (job->contract) {
		check_requires(&c);
		check_types(&c);
		if (check_schemas(&c, e) < 0)
			return e->code;
	}
	if (check_rules(&c, e) < 0)
		return e->code;
	if (c.no_memory)
		return err_memory(e);
	qsort(r->items, r->count, sizeof(*r->items), by_place);
	*out = TAKE(r);
	return 0;
}
