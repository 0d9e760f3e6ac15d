/* rules_model: rules files read into templates and instances; nothing is compiled here. */
#include "content/rules_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

#define RULES_FORMAT 1
#define RULES_DEPTH 16

static const char *const root_keys[] = { "format", "needs", "templates", "instances", "note", NULL };
static const char *const template_keys[] = { "name", "fields", "note", NULL };
static const char *const field_keys[] = { "name", "type", "values", "note", NULL };
static const char *const instance_keys[] = { "id", "template", "verdict", "note", "match", NULL };

/* ---- findings ---- */

bool rules_note(struct rules_log *log, const struct rules_file *f, const struct json *at, enum rules_fault fault,
		const char *subject, const char *fmt, ...)
{
	struct rules_finding found = { .fault = fault, .file = f->path, .subject = subject };
	char sentence[400];
	va_list args;

	if (fault != RULES_UNKNOWN_MEMBER)
		log->errors++;
	else if (!log->warnings_left)
		return !log->stop;
	else
		log->warnings_left--;
	if (log->stop)
		return false;
	va_start(args, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, args);
	va_end(args);
	found.sentence = sentence;
	if (f->doc && at)
		json_place(f->doc, at, &found.line, &found.column);
	log->stop = !log->found(log->arg, &found);
	return !log->stop;
}

bool rules_note_err(struct rules_log *log, const struct rules_file *f, enum rules_fault fault, const char *subject,
		    const struct err *e)
{
	struct rules_finding found = { .fault = fault, .file = f->path, .subject = subject, .sentence = e->msg };
	size_t name = strlen(f->path);
	int head = 0;

	log->errors++;
	if (log->stop)
		return false;
	if (strncmp(e->msg, f->path, name) == 0 &&
	    sscanf(e->msg + name, ":%u:%u: %n", &found.line, &found.column, &head) == 2 && head)
		found.sentence = e->msg + name + head;
	log->stop = !log->found(log->arg, &found);
	return !log->stop;
}

static bool keep_first(void *arg, const struct rules_finding *f)
{
	struct err *e = arg;

	err_set(e, f->fault == RULES_OVER_LIMIT ? ERR_LIMIT : ERR_FORMAT, "%s:%u:%u: %s", f->file, f->line, f->column,
		f->sentence);
	return false;
}

/* No warnings: readers ignore what they do not know. */
struct rules_log rules_log_first(struct err *e)
{
	return (struct rules_log){ .found = keep_first, .arg = e };
}

/* ---- memory ---- */

struct rules_model *rules_model_new(const struct rules_limits *limits)
{
	struct rules_model *m = calloc(1, sizeof(*m));

	if (m)
		m->limits = *limits;
	return m;
}

static void file_free(struct rules_file *f)
{
	if (!f)
		return;
	json_free(f->doc);
	buf_free(f->source);
	free(f->path);
	free(f);
}

static void template_free(struct rules_template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->field_count; i++)
		free((void *)t->fields[i].values);
	free(t->fields);
	free(t);
}

void rules_model_free(struct rules_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->template_count; i++)
		template_free(m->templates[i]);
	for (size_t i = 0; i < m->file_count; i++)
		file_free(m->files[i]);
	free(m->templates);
	free(m->files);
	free(m->instances);
	free(m);
}

/* Room for one more pointer in an array that grows by doubling at powers of two. */
static void *grown(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? 2 * count : 1, size);
}

/* ---- names ---- */

static bool name_ok(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return len >= 1 && len <= RULES_NAME_MAX && !s[len] && *s >= 'a' && *s <= 'z';
}

static bool id_ok(const char *s)
{
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return len >= 1 && len <= RULE_LEN_MAX && !s[len] && !strchr("._-", *s);
}

static void unknown_members(struct rules_log *log, const struct rules_file *f, const struct json *o,
			    const char *const *keys, const char *subject)
{
	for (uint32_t i = 0; i < o->count && log->warnings_left; i++) {
		const struct json_member *m = &o->u.members[i];
		struct json key = json_key(f->doc, m);
		bool known = false;

		for (const char *const *k = keys; *k && !known; k++)
			known = strcmp(*k, m->key.text) == 0;
		if (!known)
			rules_note(log, f, &key, RULES_UNKNOWN_MEMBER, subject, "unknown member \"%s\" is ignored",
				   m->key.text);
	}
}

/* A required text of an object; NULL after a finding. */
static const char *text_of(struct rules_log *log, const struct rules_file *f, const struct json *o, const char *key,
			   const char *subject)
{
	const char *text = NULL;
	struct err e = { 0 };

	if (json_want_text(f->doc, o, key, RULES_TEXT_MAX, &text, &e) < 0) {
		rules_note_err(log, f, RULES_MALFORMED, subject, &e);
		return NULL;
	}
	return text;
}

/* ---- templates ---- */

static int read_values(struct rules_field *out, const struct rules_template *t, const struct json *o,
		       struct rules_log *log, struct err *e)
{
	const struct json *values = json_get(o, "values");
	const char **list;

	if (out->type != RULES_ENUM) {
		if (values)
			rules_note(log, t->file, values, RULES_MALFORMED, t->name,
				   "template %s: field \"%s\" (%s): only an enum has values", t->name, out->name,
				   rules_type_name(out->type));
		return 0;
	}
	if (!values || values->type != JSON_ARRAY || !values->count || values->count > RULES_VALUES_MAX) {
		rules_note(log, t->file, values ? values : o, RULES_MALFORMED, t->name,
			   "template %s: field \"%s\" (enum): needs \"values\", a list of 1 to %d texts", t->name,
			   out->name, RULES_VALUES_MAX);
		return 0;
	}
	list = calloc(values->count, sizeof(*list));
	if (!list)
		return err_memory(e);
	out->values = list;
	for (uint32_t i = 0; i < values->count; i++) {
		const struct json *v = &values->u.items[i];

		if (v->type != JSON_STRING || !v->count || v->count > RULES_NAME_MAX || strlen(v->u.text) != v->count) {
			rules_note(log, t->file, v, RULES_MALFORMED, t->name,
				   "template %s: field \"%s\": a value is a text of 1 to %d bytes", t->name, out->name,
				   RULES_NAME_MAX);
			continue;
		}
		for (size_t k = 0; k < out->value_count; k++)
			if (strcmp(list[k], v->u.text) == 0)
				rules_note(log, t->file, v, RULES_DUPLICATE, t->name,
					   "template %s: field \"%s\": value \"%s\" stands here twice", t->name,
					   out->name, v->u.text);
		list[out->value_count++] = v->u.text;
	}
	return 0;
}

/* Zero also when the field was not sound: then the finding is in the log. */
static int read_field(struct rules_template *t, const struct json *o, struct rules_log *log, struct err *e)
{
	struct rules_field field = { .at = o };
	const char *type;

	if (o->type != JSON_OBJECT) {
		rules_note(log, t->file, o, RULES_MALFORMED, t->name, "template %s: a field is an object, not %s",
			   t->name, json_type_name(o->type));
		return 0;
	}
	field.name = text_of(log, t->file, o, "name", t->name);
	type = text_of(log, t->file, o, "type", t->name);
	if (!field.name || !type)
		return 0;
	unknown_members(log, t->file, o, field_keys, t->name);
	if (!name_ok(field.name)) {
		rules_note(log, t->file, json_get(o, "name"), RULES_MALFORMED, t->name,
			   "template %s: \"%s\" is no name of a field: [a-z][a-z0-9_]{0,63}", t->name, field.name);
		return 0;
	}
	if (!rules_type_parse(&field.type, type)) {
		rules_note(log, t->file, json_get(o, "type"), RULES_MALFORMED, t->name,
			   "template %s: field \"%s\": unknown type \"%s\"", t->name, field.name, type);
		return 0;
	}
	for (size_t i = 0; i < t->field_count; i++)
		if (strcmp(t->fields[i].name, field.name) == 0) {
			rules_note(log, t->file, o, RULES_DUPLICATE, t->name,
				   "template %s: field \"%s\" stands here twice", t->name, field.name);
			return 0;
		}
	t->fields[t->field_count++] = field;
	return read_values(&t->fields[t->field_count - 1], t, o, log, e);
}

static int read_template(struct rules_model *m, const struct rules_file *f, const struct json *o,
			 struct rules_log *log, struct err *e)
{
	const struct json *fields = NULL;
	struct rules_template *t;
	const char *name = text_of(log, f, o, "name", "");
	struct err why = { 0 };
	void *more;

	if (!name)
		return 0;
	if (!name_ok(name)) {
		rules_note(log, f, json_get(o, "name"), RULES_MALFORMED, "",
			   "\"%s\" is no name of a template: [a-z][a-z0-9_]{0,63}", name);
		return 0;
	}
	unknown_members(log, f, o, template_keys, name);
	if (json_want_array(f->doc, o, "fields", RULES_FIELDS_MAX, &fields, &why) < 0) {
		rules_note_err(log, f, why.code == ERR_LIMIT ? RULES_OVER_LIMIT : RULES_MALFORMED, name, &why);
		return 0;
	}
	if (!fields->count) {
		rules_note(log, f, fields, RULES_MALFORMED, name, "template %s: no fields", name);
		return 0;
	}
	if (m->template_count == RULES_TEMPLATES_MAX) {
		rules_note(log, f, o, RULES_OVER_LIMIT, name, "template %s: more than the %d templates allowed in one bundle",
			   name, RULES_TEMPLATES_MAX);
		return 0;
	}
	more = grown(m->templates, m->template_count, sizeof(struct rules_template *));
	if (!more)
		return err_memory(e);
	m->templates = more;
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_memory(e);
	m->templates[m->template_count++] = t;
	*t = (struct rules_template){ .name = name, .file = f, .at = o };
	t->fields = calloc(fields->count, sizeof(*t->fields));
	if (!t->fields)
		return err_memory(e);
	for (uint32_t i = 0; i < fields->count; i++)
		if (read_field(t, &fields->u.items[i], log, e) < 0)
			return e->code;
	return 0;
}

/* ---- instances ---- */

static struct rules_instance *next_instance(struct rules_model *m)
{
	if (m->instance_count == m->instance_cap) {
		size_t cap = m->instance_cap ? 2 * m->instance_cap : 64;
		void *more = reallocarray(m->instances, cap, sizeof(*m->instances));

		if (!more)
			return NULL;
		m->instances = more;
		m->instance_cap = cap;
	}
	return &m->instances[m->instance_count];
}

static int read_instance(struct rules_model *m, const struct rules_file *f, const struct json *o,
			 struct rules_log *log, struct err *e)
{
	struct rules_instance *out;
	const struct json *match;
	const char *id = text_of(log, f, o, "id", ""), *verdict, *template_name;
	enum detection_action action;

	if (!id)
		return 0;
	if (!id_ok(id)) {
		rules_note(log, f, json_get(o, "id"), RULES_MALFORMED, "",
			   "\"%.*s\" is no id: [A-Za-z0-9][A-Za-z0-9._-]{0,%d}", RULE_LEN_MAX, id, RULE_LEN_MAX - 1);
		return 0;
	}
	template_name = text_of(log, f, o, "template", id);
	verdict = text_of(log, f, o, "verdict", id);
	if (!template_name || !verdict)
		return 0;
	unknown_members(log, f, o, instance_keys, id);
	if (!detection_parse(&action, verdict) || action == DETECTION_NONE) {
		rules_note(log, f, json_get(o, "verdict"), RULES_MALFORMED, id,
			   "instance %s: verdict \"%s\" is none of observe, alert, block, quarantine", id, verdict);
		return 0;
	}
	match = json_get(o, "match");
	if (!match || match->type != JSON_OBJECT) {
		rules_note(log, f, match ? match : o, RULES_MALFORMED, id,
			   "instance %s: needs \"match\", an object of fields", id);
		return 0;
	}
	out = next_instance(m);
	if (!out)
		return err_memory(e);
	*out = (struct rules_instance){ .id = id, .template_name = template_name, .verdict = action, .file = f,
					.at = o, .match = match };
	m->instance_count++;
	return 0;
}

/* ---- files ---- */

typedef int read_one(struct rules_model *m, const struct rules_file *f, const struct json *o, struct rules_log *log,
		     struct err *e);

static int read_list(struct rules_model *m, const struct rules_file *f, const char *key, read_one *read,
		     struct rules_log *log, struct err *e)
{
	const struct json *list = json_get(f->doc->root, key);

	if (!list)
		return 0;
	if (list->type != JSON_ARRAY) {
		rules_note(log, f, list, RULES_MALFORMED, "", "\"%s\": expected an array, found %s", key,
			   json_type_name(list->type));
		return 0;
	}
	for (uint32_t i = 0; i < list->count && !log->stop; i++) {
		const struct json *o = &list->u.items[i];

		if (read == read_instance && m->instance_count >= m->limits.rules) {
			rules_note(log, f, o, RULES_OVER_LIMIT, "", "more than the %llu rules allowed in one bundle",
				   (unsigned long long)m->limits.rules);
			return 0;
		}
		if (o->type != JSON_OBJECT)
			rules_note(log, f, o, RULES_MALFORMED, "", "\"%s\": expected an object, found %s", key,
				   json_type_name(o->type));
		else if (read(m, f, o, log, e) < 0)
			return e->code;
	}
	return 0;
}

static int read_file(struct rules_model *m, struct rules_file *f, struct rules_log *log, struct err *e)
{
	struct json_limits limits = { .bytes = m->limits.bytes, .depth = RULES_DEPTH };
	struct err why = { 0 };

	if (json_parse(&f->doc, f->path, f->source->data ? f->source->data : "", f->source->len, &limits, &why) < 0) {
		if (why.code == ERR_MEMORY) {
			*e = why;
			return e->code;
		}
		rules_note_err(log, f, why.code == ERR_LIMIT ? RULES_OVER_LIMIT : RULES_MALFORMED, "", &why);
		return 0;
	}
	if (f->doc->root->type != JSON_OBJECT) {
		rules_note(log, f, f->doc->root, RULES_MALFORMED, "", "expected an object, found %s",
			   json_type_name(f->doc->root->type));
		return 0;
	}
	if (json_want_format(f->doc, RULES_FORMAT, NULL, &why) < 0) {
		rules_note_err(log, f, RULES_MALFORMED, "", &why);
		return 0;
	}
	unknown_members(log, f, f->doc->root, root_keys, "");
	if (read_list(m, f, "templates", read_template, log, e) < 0)
		return e->code;
	return read_list(m, f, "instances", read_instance, log, e);
}

int rules_model_add(struct rules_model *m, const char *path, struct buf *text, struct rules_log *log, struct err *e)
{
	struct rules_file *f = calloc(1, sizeof(*f));
	void *more = grown(m->files, m->file_count, sizeof(struct rules_file *));

	if (more)
		m->files = more;
	if (f)
		f->path = strdup(path);
	if (!f || !more || !f->path) {
		buf_free(text);
		free(f ? f->path : NULL);
		free(f);
		return err_memory(e);
	}
	f->source = text;
	m->files[m->file_count++] = f;
	m->bytes += text->len;
	if (m->file_count > m->limits.files) {
		rules_note(log, f, NULL, RULES_OVER_LIMIT, "", "more than the %llu files of rules allowed in one bundle",
			   (unsigned long long)m->limits.files);
		return 0;
	}
	if (m->bytes > m->limits.bytes) {
		rules_note(log, f, NULL, RULES_OVER_LIMIT, "", "more than the %llu bytes of rules allowed in one bundle",
			   (unsigned long long)m->limits.bytes);
		return 0;
	}
	return read_file(m, f, log, e);
}

/* ---- the whole ---- */

const struct rules_template *rules_model_template(const struct rules_model *m, const char *name)
{
	for (size_t i = 0; i < m->template_count; i++)
		if (strcmp(m->templates[i]->name, name) == 0)
			return m->templates[i];
	return NULL;
}

static int by_id(const void *a, const void *b)
{
	const struct rules_instance *x = *(const struct rules_instance *const *)a;
	const struct rules_instance *y = *(const struct rules_instance *const *)b;
	int order = strcmp(x->id, y->id);

	return order ? order : x < y ? -1 : x > y;
}

static int by_template_name(const void *a, const void *b)
{
	const struct rules_template *x = *(const struct rules_template *const *)a;
	const struct rules_template *y = *(const struct rules_template *const *)b;

	return strcmp(x->name, y->name);
}

static int name_to_template(const void *key, const void *item)
{
	return strcmp(key, (*(const struct rules_template *const *)item)->name);
}

/* Instances of one id: every one but the first of them is a fault. */
static int find_duplicates(const struct rules_model *m, struct rules_log *log, struct err *e)
{
	AUTO_FREE const struct rules_instance **order = calloc(m->instance_count + 1, sizeof(*order));
	unsigned line, column;

	if (!order)
		return err_memory(e);
	for (size_t i = 0; i < m->instance_count; i++)
		order[i] = &m->instances[i];
	qsort(order, m->instance_count, sizeof(*order), by_id);
	for (size_t i = 1; i < m->instance_count && !log->stop; i++) {
		const struct rules_instance *a = order[i - 1], *b = order[i];

		if (strcmp(a->id, b->id) != 0)
			continue;
		json_place(a->file->doc, a->at, &line, &column);
		rules_note(log, b->file, b->at, RULES_DUPLICATE, b->id, "instance %s: the id stands also in %s:%u:%u",
			   b->id, a->file->path, line, column);
	}
	return 0;
}

int rules_model_link(struct rules_model *m, struct rules_log *log, struct err *e)
{
	AUTO_FREE const struct rules_template **order = calloc(m->template_count + 1, sizeof(*order));
	unsigned line, column;

	if (!order)
		return err_memory(e);
	for (size_t i = 0; i < m->template_count; i++)
		order[i] = m->templates[i];
	qsort(order, m->template_count, sizeof(*order), by_template_name);
	for (size_t i = 1; i < m->template_count; i++) {
		const struct rules_template *a = order[i - 1], *b = order[i];

		if (strcmp(a->name, b->name) != 0)
			continue;
		json_place(a->file->doc, a->at, &line, &column);
		rules_note(log, b->file, b->at, RULES_DUPLICATE, b->name,
			   "template %s: the name stands also in %s:%u:%u", b->name, a->file->path, line, column);
	}
	for (size_t i = 0; i < m->instance_count && !log->stop; i++) {
		struct rules_instance *in = &m->instances[i];
		const struct rules_template **t = bsearch(in->template_name, order, m->template_count, sizeof(*order),
							  name_to_template);

		in->template = t ? *t : NULL;
		if (!t)
			rules_note(log, in->file, json_get(in->at, "template"), RULES_UNKNOWN_TEMPLATE, in->id,
				   "instance %s: no file of the bundle declares template \"%s\"", in->id,
				   in->template_name);
	}
	return find_duplicates(m, log, e);
}
