/* contract_check: what a contract must not say although each part of it is well-formed. */
#include <inttypes.h>
#include <string.h>

#include "schema/contract.h"

/* The header makes C identifiers of names, where '-' and '.' become '_' and case is nothing. */
static bool same_identifier(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		char x = *a == '-' || *a == '.' ? '_' : *a, y = *b == '-' || *b == '.' ? '_' : *b;

		if (x >= 'a' && x <= 'z')
			x = (char)(x - 'a' + 'A');
		if (y >= 'a' && y <= 'z')
			y = (char)(y - 'a' + 'A');
		if (x != y)
			return false;
	}
	return *a == *b;
}

static int contradiction(const struct contract *c, struct err *e, const char *what, const char *name, const char *other)
{
	return err_set(e, ERR_REFUSED, "contract %s %s: %s: \"%s\" and \"%s\"", c->sensor, c->version, what, name, other);
}

static int check_fields(const struct contract *c, const struct contract_template *t, struct err *e)
{
	for (size_t i = 0; i < t->field_count; i++)
		for (size_t k = 0; k < i; k++)
			if (same_identifier(t->fields[i].name, t->fields[k].name))
				return contradiction(c, e, "two fields of one template that are one identifier in C", t->fields[k].name, t->fields[i].name);
	if (t->field_count == 0)
		return err_set(e, ERR_REFUSED, "contract %s %s: template %s supplies nothing", c->sensor, c->version, t->name);
	return 0;
}

/* The templates of all types share the header. */
static const struct contract_template *twin(const struct contract *c, const struct contract_template *of)
{
	for (size_t i = 0; i < c->type_count; i++)
		for (size_t k = 0; k < c->types[i].template_count; k++) {
			const struct contract_template *t = &c->types[i].templates[k];

			if (t == of)
				return NULL;
			if (same_identifier(t->name, of->name))
				return t;
		}
	return NULL;
}

static int check_templates(const struct contract *c, const struct contract_type *type, struct err *e)
{
	for (size_t i = 0; i < type->template_count; i++) {
		const struct contract_template *t = &type->templates[i], *other = twin(c, t);

		if (other)
			return contradiction(c, e, "two templates that are one identifier in C", other->name, t->name);
		if (check_fields(c, t, e) < 0)
			return e->code;
	}
	return 0;
}

static int nothing_left(const struct contract *c, const char *of, const char *name, int64_t value, struct err *e)
{
	if (value > 0)
		return 0;
	return err_set(e, ERR_REFUSED, "contract %s %s: %s: \"%s\" is %" PRId64 ": no content could keep to it", c->sensor, c->version, of, name, value);
}

static int check_type(const struct contract *c, const struct contract_type *t, struct err *e)
{
#define X(limit)                                                                 \
	if (nothing_left(c, t->name, #limit, t->limits.limit, e) < 0)            \
		return e->code;
	CONTRACT_LIMIT_TABLE(X)
#undef X
	if (t->schema_text && t->schema_text->type == JSON_FALSE)
		return err_set(e, ERR_REFUSED, "contract %s %s: %s: its schema accepts nothing", c->sensor, c->version, t->name);
	return check_templates(c, t, e);
}

/* matches_per_10000 may be 0: content that matches no benign event exists. */
static int check_ceilings(const struct contract *c, struct err *e)
{
	const struct { const char *name; int64_t value; } rows[] = {
		{ "load_ms", c->ceilings.load_ms }, { "rss_bytes", c->ceilings.rss_bytes }, { "us_per_event", c->ceilings.us_per_event } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (nothing_left(c, "ceilings", rows[i].name, rows[i].value, e) < 0)
			return e->code;
	return 0;
}

int contract_check(const struct contract *c, struct err *e)
{
	if (c->type_count == 0)
		return err_set(e, ERR_REFUSED, "contract %s %s: accepts no content type", c->sensor, c->version);
	for (size_t i = 0; i < c->type_count; i++)
		if (check_type(c, &c->types[i], e) < 0)
			return e->code;
	return check_ceilings(c, e);
}
