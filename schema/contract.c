/* contract: what one build of a sensor really accepts. */
#include "schema/contract.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/name.h"
#include "schema/pool.h"

/* Names and values stay where the parsed document has them; lists come from the pool. */
struct contract_memory {
	char *text;
	char *name;
	struct json_doc *doc;
	struct pool pool;
};

void contract_free(struct contract *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->type_count; i++)
		schema_free((struct schema *)(uintptr_t)c->types[i].schema);
	if (c->memory) {
		pool_release(&c->memory->pool);
		json_free(c->memory->doc);
		free(c->memory->text);
		free(c->memory->name);
		free(c->memory);
	}
	free(c);
}

/* ---- fields ---- */

static const char *const field_types[] = {
#define X(name, text) [name] = text,
	CONTRACT_FIELD_TABLE(X)
#undef X
};

const char *contract_field_type_name(enum contract_field_type type)
{
	return field_types[type];
}

bool contract_field_type_parse(enum contract_field_type *out, const char *name)
{
	for (enum contract_field_type t = 0; t < CONTRACT_FIELD_TYPES; t++)
		if (strcmp(field_types[t], name) == 0) {
			*out = t;
			return true;
		}
	return false;
}

bool contract_field_allows(const struct contract_field *f, const char *value)
{
	for (size_t i = 0; i < f->value_count; i++)
		if (strcmp(f->values[i], value) == 0)
			return true;
	return false;
}

/* What becomes part of a C identifier: [A-Za-z_][A-Za-z0-9_.-]* */
static bool word_valid(const char *s, size_t len)
{
	if (len == 0 || len > CONTRACT_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || s[i] == '_';
		bool more = (s[i] >= '0' && s[i] <= '9') || s[i] == '.' || s[i] == '-';

		if (!letter && !(i && more))
			return false;
	}
	return true;
}

/* What stands in messages and in the header: [A-Za-z0-9][A-Za-z0-9._+~:-]* */
static bool label_valid(const char *s)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+~:-";

	return *s && !strchr("._+~:-", *s) && s[strspn(s, set)] == '\0';
}

static int read_strings(struct contract *c, const struct json *list, bool numbers, const char *const **out,
			size_t *count, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	const char **text = pool_take(&c->memory->pool, list->count, sizeof *text);

	if (!text)
		return err_memory(e);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *v = &list->u.items[i];
		int64_t n;

		if (v->type == JSON_STRING ? strlen(v->u.text) != v->count || !v->count
					   : !numbers || !json_to_int(v, &n))
			return json_error(d, v, e, ERR_FORMAT, "expected a string%s, found %s",
					  numbers ? " or an integer" : "", json_type_name(v->type));
		text[i] = v->u.text;
		for (uint32_t j = 0; j < i; j++)
			if (strcmp(text[j], text[i]) == 0)
				return json_error(d, v, e, ERR_FORMAT, "\"%.64s\" a second time", text[i]);
	}
	*out = text;
	*count = list->count;
	return 0;
}

static int read_field(struct contract *c, const struct json *v, struct contract_field *f, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	const struct json *values = NULL;
	const char *type;
	int rc = json_want_text(d, v, "name", CONTRACT_NAME_MAX, &f->name, e);

	if (rc < 0 || (rc = json_want_text(d, v, "type", CONTRACT_NAME_MAX, &type, e)) < 0)
		return rc;
	if (!word_valid(f->name, strlen(f->name)))
		return json_error(d, json_get(v, "name"), e, ERR_FORMAT, "\"%s\" is no field name", f->name);
	if (!contract_field_type_parse(&f->type, type))
		return json_error(d, json_get(v, "type"), e, ERR_UNSUPPORTED, "\"%s\" is no field type", type);
	rc = json_may_array(d, v, "values", CONTRACT_VALUES_MAX, &values, e);
	if (rc < 0)
		return rc;
	if ((f->type == CONTRACT_ENUM) != (values && values->count))
		return json_error(d, v, e, ERR_FORMAT, "field \"%s\": \"values\" belongs to the type enum, which needs it",
				  f->name);
	return values ? read_strings(c, values, false, &f->values, &f->value_count, e) : 0;
}

static int read_template(struct contract *c, const struct json *v, struct contract_template *t, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	const struct json *list;
	struct contract_field *fields;
	int rc = json_want_array(d, v, "fields", CONTRACT_FIELDS_MAX, &list, e);

	if (rc < 0)
		return rc;
	fields = pool_take(&c->memory->pool, list->count, sizeof *fields);
	if (!fields)
		return err_memory(e);
	t->fields = fields;
	for (uint32_t i = 0; i < list->count; i++) {
		rc = read_field(c, &list->u.items[i], &fields[i], e);
		if (rc < 0)
			return rc;
		if (contract_find_field(t, fields[i].name) >= 0)
			return json_error(d, &list->u.items[i], e, ERR_FORMAT, "field \"%s\" a second time", fields[i].name);
		t->field_count = i + 1;
	}
	return 0;
}

/* ---- types ---- */

static int read_limits(const struct json_doc *d, const struct json *o, struct contract_limits *l, struct err *e)
{
	const struct json *v = NULL;
	int rc = json_may_object(d, o, "limits", &v, e);

#define X(name) l->name = CONTRACT_UNLIMITED;
	CONTRACT_LIMIT_TABLE(X)
#undef X
#define X(name)         \
	if (rc > 0 && json_may_int(d, v, #name, 0, CONTRACT_UNLIMITED, &l->name, e) < 0) \
		return e->code;
	CONTRACT_LIMIT_TABLE(X)
#undef X
	return MIN(rc, 0);
}

static int read_ceilings(const struct json_doc *d, const struct json *o, struct contract_ceilings *l, struct err *e)
{
	const struct json *v = NULL;
	int rc = json_may_object(d, o, "ceilings", &v, e);

#define X(name) l->name = CONTRACT_UNLIMITED;
	CONTRACT_CEILING_TABLE(X)
#undef X
#define X(name)         \
	if (rc > 0 && json_may_int(d, v, #name, 0, CONTRACT_UNLIMITED, &l->name, e) < 0) \
		return e->code;
	CONTRACT_CEILING_TABLE(X)
#undef X
	return MIN(rc, 0);
}

static int read_templates(struct contract *c, const struct json *o, struct contract_type *t, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	const struct json *v = NULL;
	struct contract_template *templates;
	int rc = json_may_object(d, o, "templates", &v, e);

	if (rc <= 0)
		return rc;
	if (v->count > CONTRACT_TEMPLATES_MAX)
		return json_error(d, v, e, ERR_LIMIT, "%u templates, more than %d", v->count, CONTRACT_TEMPLATES_MAX);
	templates = pool_take(&c->memory->pool, v->count, sizeof *templates);
	if (!templates)
		return err_memory(e);
	for (uint32_t i = 0; i < v->count; i++) {
		const struct json_member *m = &v->u.members[i];

		if (!word_valid(m->key.text, m->key.len))
			return json_error(d, &m->value, e, ERR_FORMAT, "\"%.64s\" is no template name", m->key.text);
		templates[i].name = m->key.text;
		rc = read_template(c, &m->value, &templates[i], e);
		if (rc < 0)
			return rc;
	}
	t->templates = templates;
	t->template_count = v->count;
	return 0;
}

static int read_type(struct contract *c, const struct json_member *m, struct contract_type *t, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	const struct json *versions, *schema = json_get(&m->value, "schema");
	struct schema *program;
	int rc;

	if (!name_valid(m->key.text, m->key.len))
		return json_error(d, &m->value, e, ERR_FORMAT, "\"%.64s\" is no content type", m->key.text);
	t->name = m->key.text;
	rc = json_want_array(d, &m->value, "versions", CONTRACT_VERSIONS_MAX, &versions, e);
	if (rc < 0)
		return rc;
	if (versions->count == 0)
		return json_error(d, versions, e, ERR_FORMAT, "type \"%s\" without a version", t->name);
	rc = read_strings(c, versions, true, &t->versions, &t->version_count, e);
	if (rc == 0)
		rc = read_templates(c, &m->value, t, e);
	if (rc == 0)
		rc = read_limits(d, &m->value, &t->limits, e);
	if (rc == 0 && schema) {
		t->schema_text = schema;
		rc = schema_compile(&program, d, schema, e);
		if (rc == 0)
			t->schema = program;
	}
	return rc;
}

static int read_types(struct contract *c, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	const struct json *v;
	struct contract_type *types;
	int rc = json_want_object(d, d->root, "accepts", &v, e);

	if (rc < 0)
		return rc;
	if (v->count > CONTRACT_TYPES_MAX)
		return json_error(d, v, e, ERR_LIMIT, "%u content types, more than %d", v->count, CONTRACT_TYPES_MAX);
	types = pool_take(&c->memory->pool, v->count, sizeof *types);
	if (!types)
		return err_memory(e);
	c->types = types;
	for (uint32_t i = 0; i < v->count; i++) {
		c->type_count = i + 1;          /* what was begun is freed */
		rc = read_type(c, &v->u.members[i], &types[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_protected(struct contract *c, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	const struct json *v = NULL;
	int rc = json_may_array(d, d->root, "protected", CONTRACT_PROTECTED_MAX, &v, e);

	if (rc <= 0)
		return rc;
	rc = read_strings(c, v, false, &c->protected, &c->protected_count, e);
	for (size_t i = 0; rc == 0 && i < c->protected_count; i++)
		if (c->protected[i][0] != '/')
			rc = json_error(d, &v->u.items[i], e, ERR_FORMAT, "\"%.64s\" is no absolute path", c->protected[i]);
	return rc;
}

/* ---- the document ---- */

static int read_head(struct contract *c, struct err *e)
{
	const struct json_doc *d = c->memory->doc;
	int rc = json_want_format(d, CONTRACT_FORMAT, NULL, e);

	if (rc < 0 || (rc = json_want_text(d, d->root, "sensor", CONTRACT_NAME_MAX, &c->sensor, e)) < 0 ||
	    (rc = json_want_text(d, d->root, "version", CONTRACT_NAME_MAX, &c->version, e)) < 0)
		return rc;
	if (!label_valid(c->sensor))
		return json_error(d, json_get(d->root, "sensor"), e, ERR_FORMAT, "\"%s\" is no name of a sensor", c->sensor);
	if (!label_valid(c->version))
		return json_error(d, json_get(d->root, "version"), e, ERR_FORMAT, "\"%s\" is no version", c->version);
	return 0;
}

int contract_parse(struct contract **out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = CONTRACT_BYTES_MAX };
	AUTO(contract) struct contract *c = calloc(1, sizeof *c);
	struct contract_memory *m = c ? calloc(1, sizeof *m) : NULL;
	int rc;

	if (!m)
		return err_memory(e);
	c->memory = m;
	m->name = strdup(name);
	m->text = malloc(MAX(len, 1));
	if (!m->name || !m->text)
		return err_memory(e);
	if (len)
		memcpy(m->text, text, len);
	rc = json_parse(&m->doc, m->name, m->text, len, &limits, e);
	if (rc < 0 || (rc = read_head(c, e)) < 0 || (rc = read_types(c, e)) < 0 ||
	    (rc = read_ceilings(m->doc, m->doc->root, &c->ceilings, e)) < 0 || (rc = read_protected(c, e)) < 0)
		return rc;
	hash_bytes(&c->digest, text, len);
	*out = TAKE(c);
	return 0;
}

int contract_load(struct contract **out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *raw = NULL;
	int rc = file_read(&raw, path, CONTRACT_BYTES_MAX, e);

	if (rc < 0)
		return err_wrap(e, "contract");
	return contract_parse(out, path, raw->data ? raw->data : "", raw->len, e);
}

/* ---- questions ---- */

const struct contract_type *contract_find_type(const struct contract *c, const char *name)
{
	for (size_t i = 0; i < c->type_count; i++)
		if (strcmp(c->types[i].name, name) == 0)
			return &c->types[i];
	return NULL;
}

bool contract_offers(const struct contract_type *t, const char *version)
{
	for (size_t i = 0; i < t->version_count; i++)
		if (strcmp(t->versions[i], version) == 0)
			return true;
	return false;
}

const struct contract_template *contract_find_template(const struct contract_type *t, const char *name)
{
	for (size_t i = 0; i < t->template_count; i++)
		if (strcmp(t->templates[i].name, name) == 0)
			return &t->templates[i];
	return NULL;
}

int contract_find_field(const struct contract_template *t, const char *name)
{
	for (size_t i = 0; i < t->field_count; i++)
		if (strcmp(t->fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

bool contract_protects(const struct contract *c, const char *path)
{
	for (size_t i = 0; i < c->protected_count; i++) {
		const char *p = c->protected[i];
		size_t len = strlen(p);

		if (p[len - 1] == '/' ? strncmp(p, path, len) == 0 : strcmp(p, path) == 0)
			return true;
	}
	return false;
}

int contract_accepts(const struct contract *c, const char *type, const char *version, struct err *e)
{
	const struct contract_type *t = contract_find_type(c, type);

	if (!t)
		return err_set(e, ERR_REFUSED, "contract %s %s: the content type \"%s\" is not accepted", c->sensor,
			       c->version, type);
	if (version && !contract_offers(t, version))
		return err_set(e, ERR_REFUSED, "contract %s %s: version %s of the content type \"%s\" is not accepted",
			       c->sensor, c->version, version, type);
	return 0;
}
