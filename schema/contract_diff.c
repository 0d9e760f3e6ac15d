/* contract_diff: what content that one contract accepts meets at another one. */
#include "schema/contract_diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "schema/schema_diff.h"

#define WHERE_MAX 512

struct compare {
	struct diff *d;
	const struct contract *before, *after;
	char where[WHERE_MAX];  /* of the type being compared: "/accepts/rules" */
	struct err *e;
};

/* ---- limits and ceilings ---- */

static int compare_limit(struct compare *c, const char *of, const char *name, int64_t was, int64_t is)
{
	char where[WHERE_MAX + 64];

	if (was == is)
		return 0;
	snprintf(where, sizeof where, "%s/%s", of, name);
	if (is == CONTRACT_UNLIMITED)
		return diff_add(c->d, DIFF_WIDENING, where, c->e, "%" PRId64 " is no limit any more", was);
	if (was == CONTRACT_UNLIMITED)
		return diff_add(c->d, DIFF_NARROWING, where, c->e, "limited to %" PRId64, is);
	return diff_add(c->d, is < was ? DIFF_NARROWING : DIFF_WIDENING, where, c->e, "%s from %" PRId64 " to %" PRId64,
			is < was ? "lowered" : "raised", was, is);
}

static int compare_limits(struct compare *c, const struct contract_limits *was, const struct contract_limits *is)
{
	char of[WHERE_MAX + 16];

	snprintf(of, sizeof of, "%s/limits", c->where);
#define X(name)                                                          \
	if (compare_limit(c, of, #name, was->name, is->name) < 0)        \
		return c->e->code;
	CONTRACT_LIMIT_TABLE(X)
#undef X
	return 0;
}

static int compare_ceilings(struct compare *c)
{
#define X(name)                                                                                                    \
	if (compare_limit(c, "/ceilings", #name, c->before->ceilings.name, c->after->ceilings.name) < 0)           \
		return c->e->code;
	CONTRACT_CEILING_TABLE(X)
#undef X
	return 0;
}

/* ---- what templates supply ---- */

static int compare_values(struct compare *c, const char *where, const struct contract_field *was, const struct contract_field *is)
{
	for (size_t i = 0; i < was->value_count; i++)
		if (!contract_field_allows(is, was->values[i]) &&
		    diff_add(c->d, DIFF_NARROWING, where, c->e, "\"%s\" is never \"%s\" any more: rules that ask for it match nothing", was->name,
			     was->values[i]) < 0)
			return c->e->code;
	for (size_t i = 0; i < is->value_count; i++)
		if (!contract_field_allows(was, is->values[i]) &&
		    diff_add(c->d, DIFF_WIDENING, where, c->e, "\"%s\" may be \"%s\" now", is->name, is->values[i]) < 0)
			return c->e->code;
	return 0;
}

static int compare_field(struct compare *c, const char *of, size_t i, const struct contract_field *was, const struct contract_field *is)
{
	char where[2 * WHERE_MAX];

	snprintf(where, sizeof where, "%s/fields/%zu", of, i);
	if (strcmp(was->name, is->name) == 0 && was->type == is->type)
		return compare_values(c, where, was, is);
	return diff_add(c->d, DIFF_NARROWING, where, c->e, "input %zu was \"%s\" (%s) and is \"%s\" (%s)", i + 1, was->name,
			contract_field_type_name(was->type), is->name, contract_field_type_name(is->type));
}

static int compare_template(struct compare *c, const struct contract_template *was, const struct contract_template *is)
{
	size_t both = MIN(was->field_count, is->field_count);
	char of[WHERE_MAX + CONTRACT_NAME_MAX + 16];

	snprintf(of, sizeof of, "%s/templates/%s", c->where, was->name);
	for (size_t i = 0; i < both; i++)
		if (compare_field(c, of, i, &was->fields[i], &is->fields[i]) < 0)
			return c->e->code;
	if (was->field_count == is->field_count)
		return 0;
	return diff_add(c->d, is->field_count < was->field_count ? DIFF_NARROWING : DIFF_WIDENING, of, c->e,
			"supplied %zu inputs and supplies %zu", was->field_count, is->field_count);
}

/* A type without templates says nothing about inputs, and then nothing is held against it. */
static int compare_templates(struct compare *c, const struct contract_type *was, const struct contract_type *is)
{
	char where[WHERE_MAX + CONTRACT_NAME_MAX + 16];

	snprintf(where, sizeof where, "%s/templates", c->where);
	if (!was->template_count || !is->template_count) {
		if (was->template_count == is->template_count)
			return 0;
		return diff_add(c->d, is->template_count ? DIFF_NARROWING : DIFF_WIDENING, where, c->e, "says %s what the sensor supplies",
				is->template_count ? "now" : "no longer");
	}
	for (size_t i = 0; i < was->template_count; i++) {
		const struct contract_template *t = contract_find_template(is, was->templates[i].name);

		snprintf(where, sizeof where, "%s/templates/%s", c->where, was->templates[i].name);
		if (t ? compare_template(c, &was->templates[i], t) < 0
		      : diff_add(c->d, DIFF_NARROWING, where, c->e, "is not supplied any more") < 0)
			return c->e->code;
	}
	for (size_t i = 0; i < is->template_count; i++) {
		snprintf(where, sizeof where, "%s/templates/%s", c->where, is->templates[i].name);
		if (!contract_find_template(was, is->templates[i].name) &&
		    diff_add(c->d, DIFF_WIDENING, where, c->e, "is supplied now") < 0)
			return c->e->code;
	}
	return 0;
}

/* ---- types ---- */

static int compare_versions(struct compare *c, const struct contract_type *was, const struct contract_type *is)
{
	char where[WHERE_MAX + 16];

	snprintf(where, sizeof where, "%s/versions", c->where);
	for (size_t i = 0; i < was->version_count; i++)
		if (!contract_offers(is, was->versions[i]) &&
		    diff_add(c->d, DIFF_NARROWING, where, c->e, "version %.64s is not accepted any more", was->versions[i]) < 0)
			return c->e->code;
	for (size_t i = 0; i < is->version_count; i++)
		if (!contract_offers(was, is->versions[i]) &&
		    diff_add(c->d, DIFF_WIDENING, where, c->e, "version %.64s is accepted now", is->versions[i]) < 0)
			return c->e->code;
	return 0;
}

/* No schema is one that accepts everything. */
static int compare_schemas(struct compare *c, const struct contract_type *was, const struct contract_type *is)
{
	static const struct json everything = { .type = JSON_TRUE };
	char where[WHERE_MAX + 16];

	if (!was->schema_text && !is->schema_text)
		return 0;
	snprintf(where, sizeof where, "%s/schema", c->where);
	return schema_diff(c->d, where, was->schema_text ? was->schema_text : &everything, is->schema_text ? is->schema_text : &everything,
			   c->e);
}

static int compare_type(struct compare *c, const struct contract_type *was, const struct contract_type *is)
{
	if (compare_versions(c, was, is) < 0 || compare_schemas(c, was, is) < 0 || compare_templates(c, was, is) < 0)
		return c->e->code;
	return compare_limits(c, &was->limits, &is->limits);
}

static int compare_types(struct compare *c)
{
	for (size_t i = 0; i < c->before->type_count; i++) {
		const struct contract_type *was = &c->before->types[i], *is = contract_find_type(c->after, was->name);

		snprintf(c->where, sizeof c->where, "/accepts/%s", was->name);
		if (is ? compare_type(c, was, is) < 0 : diff_add(c->d, DIFF_NARROWING, c->where, c->e, "is not accepted any more") < 0)
			return c->e->code;
	}
	for (size_t i = 0; i < c->after->type_count; i++) {
		const struct contract_type *is = &c->after->types[i];

		snprintf(c->where, sizeof c->where, "/accepts/%s", is->name);
		if (!contract_find_type(c->before, is->name) && diff_add(c->d, DIFF_WIDENING, c->where, c->e, "is accepted now") < 0)
			return c->e->code;
	}
	return 0;
}

/* ---- protected objects ---- */

/* "/usr/lib/" protects "/usr/lib/x" and "/usr/lib/x/". */
static int compare_protected(struct compare *c, const struct contract *of, const struct contract *other, enum diff_class class, const char *what)
{
	for (size_t i = 0; i < of->protected_count; i++)
		if (!contract_protects(other, of->protected[i]) &&
		    diff_add(c->d, class, "/protected", c->e, "%.200s is %s", of->protected[i], what) < 0)
			return c->e->code;
	return 0;
}

/* ---- the whole ---- */

static int compare_head(struct compare *c)
{
	if (strcmp(c->before->sensor, c->after->sensor) == 0)
		return 0;
	return diff_add(c->d, DIFF_COMPATIBLE, "/sensor", c->e, "another sensor: %s and %s", c->before->sensor, c->after->sensor);
}

int contract_diff(struct diff **out, const struct contract *before, const struct contract *after, struct err *e)
{
	AUTO(diff) struct diff *d = NULL;
	struct compare c = { .before = before, .after = after, .e = e };

	if (diff_new(&d, e) < 0)
		return e->code;
	c.d = d;
	if (compare_head(&c) < 0 || compare_types(&c) < 0 || compare_ceilings(&c) < 0 ||
	    compare_protected(&c, after, before, DIFF_NARROWING, "protected now") < 0 ||
	    compare_protected(&c, before, after, DIFF_WIDENING, "not protected any more") < 0)
		return e->code;
	*out = TAKE(d);
	return 0;
}
