/* rules_compile: from the model to the engine: conditions compiled, rules grouped by template. */
#include <stdlib.h>
#include <string.h>

#include "content/rules_engine.h"

static void rule_release(struct rules_rule *r)
{
	for (size_t i = 0; i < r->count; i++)
		rules_matcher_free(r->conditions[i].matcher);
	free(r->conditions);
	free(r->id);
}

static void group_release(struct rules_group *g)
{
	for (size_t i = 0; i < g->count; i++)
		rule_release(&g->rules[i]);
	free(g->rules);
	for (size_t i = 0; g->fields && i < g->field_count; i++) {
		for (size_t k = 0; k < g->fields[i].value_count; k++)
			free((void *)g->fields[i].values[k]);
		free((void *)g->fields[i].values);
		free((void *)g->fields[i].name);
	}
	free(g->fields);
	free(g->by_name);
	free(g->name);
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		group_release(&r->groups[i]);
	free(r->groups);
	free(r->ids);
	free(r);
}

/* ---- templates ---- */

static int copy_field(struct rules_field *to, const struct rules_field *from, struct err *e)
{
	const char **values = calloc(from->value_count + 1, sizeof(*values));

	to->type = from->type;
	to->name = strdup(from->name);
	to->values = values;
	if (!to->name || !values)
		return err_memory(e);
	for (size_t i = 0; i < from->value_count; i++) {
		values[i] = strdup(from->values[i]);
		if (!values[i])
			return err_memory(e);
		to->value_count++;
	}
	return 0;
}

static int by_field_name(const void *a, const void *b, void *fields)
{
	const struct rules_field *f = fields;

	return strcmp(f[*(const size_t *)a].name, f[*(const size_t *)b].name);
}

static int copy_group(struct rules_group *to, const struct rules_template *from, struct err *e)
{
	to->name = strdup(from->name);
	to->fields = calloc(from->field_count + 1, sizeof(*to->fields));
	to->by_name = calloc(from->field_count + 1, sizeof(*to->by_name));
	if (!to->name || !to->fields || !to->by_name)
		return err_memory(e);
	for (size_t i = 0; i < from->field_count; i++) {
		to->by_name[i] = i;
		to->field_count++;
		if (copy_field(&to->fields[i], &from->fields[i], e) < 0)
			return e->code;
	}
	qsort_r(to->by_name, to->field_count, sizeof(*to->by_name), by_field_name, to->fields);
	return 0;
}

static int by_group_name(const void *a, const void *b)
{
	return strcmp(((const struct rules_group *)a)->name, ((const struct rules_group *)b)->name);
}

static int copy_groups(struct rules *r, const struct rules_model *m, struct err *e)
{
	r->groups = calloc(m->template_count + 1, sizeof(*r->groups));
	if (!r->groups)
		return err_memory(e);
	for (size_t i = 0; i < m->template_count; i++) {
		const struct rules_template *t = m->templates[i];

		if (rules_model_template(m, t->name) != t)
			continue;       /* a duplicate, reported by the link */
		if (copy_group(&r->groups[r->count++], t, e) < 0)
			return e->code;
	}
	qsort(r->groups, r->count, sizeof(*r->groups), by_group_name);
	return 0;
}

/* ---- rules ---- */

/* Inserts by cost; among equals the order in which they were written. */
static void insert(struct rules_rule *r, struct rules_condition c)
{
	size_t at = r->count++;

	while (at && rules_matcher_cost(r->conditions[at - 1].matcher) > rules_matcher_cost(c.matcher)) {
		r->conditions[at] = r->conditions[at - 1];
		at--;
	}
	r->conditions[at] = c;
}

static int field_of(const struct rules_template *t, const char *name)
{
	for (size_t i = 0; i < t->field_count; i++)
		if (strcmp(t->fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* One field's object of matchers. */
static int compile_field(struct rules_rule *out, const struct rules_instance *in, const struct json_member *m,
			 struct rules_log *log, struct err *e)
{
	const struct rules_template *t = in->template;
	int at = field_of(t, m->key.text);
	struct json key = json_key(in->file->doc, m);

	if (at < 0) {
		rules_note(log, in->file, &key, RULES_UNKNOWN_FIELD, in->id,
			   "instance %s: field \"%.64s\": template %s has no such field", in->id, m->key.text, t->name);
		return 0;
	}
	if (m->value.type != JSON_OBJECT || !m->value.count) {
		rules_note(log, in->file, &m->value, RULES_MALFORMED, in->id,
			   "instance %s: field \"%s\": expected an object of matchers", in->id, m->key.text);
		return 0;
	}
	for (uint32_t i = 0; i < m->value.count; i++) {
		struct rules_condition c = { .field = (unsigned)at };
		const struct json *where = &m->value;
		enum rules_fault fault = RULES_MALFORMED;
		struct err why = { 0 };

		if (rules_matcher_new(&c.matcher, &t->fields[at], &m->value.u.members[i], &where, &fault, &why) < 0) {
			if (why.code == ERR_MEMORY) {
				*e = why;
				return e->code;
			}
			rules_note(log, in->file, where, fault, in->id, "instance %s: field \"%s\" (%s): %s", in->id,
				   m->key.text, rules_type_name(t->fields[at].type), why.msg);
		} else if (c.matcher) {
			insert(out, c);
		}
	}
	return 0;
}

static size_t conditions_in(const struct rules_instance *in)
{
	size_t n = 0;

	for (uint32_t i = 0; i < in->match->count; i++)
		n += in->match->u.members[i].value.type == JSON_OBJECT ? in->match->u.members[i].value.count : 0;
	return n;
}

static int compile_rule(struct rules_rule *out, const struct rules_instance *in, const struct rules_limits *limits,
			struct rules_log *log, struct err *e)
{
	out->id = strdup(in->id);
	out->verdict = in->verdict;
	out->conditions = calloc(conditions_in(in) + 1, sizeof(*out->conditions));
	if (!out->id || !out->conditions)
		return err_memory(e);
	if (in->match->count > limits->fields) {
		rules_note(log, in->file, in->match, RULES_OVER_LIMIT, in->id,
			   "instance %s: matches %u fields, more than the %llu allowed", in->id, in->match->count,
			   (unsigned long long)limits->fields);
		return 0;
	}
	for (uint32_t i = 0; i < in->match->count && !log->stop; i++)
		if (compile_field(out, in, &in->match->u.members[i], log, e) < 0)
			return e->code;
	return 0;
}

static int append_rule(struct rules *r, struct rules_group *g, const struct rules_instance *in, size_t order,
		       struct rules_log *log, struct err *e)
{
	if ((g->count & (g->count - 1)) == 0) {
		void *more = reallocarray(g->rules, g->count ? 2 * g->count : 1, sizeof(*g->rules));

		if (!more)
			return err_memory(e);
		g->rules = more;
	}
	g->rules[g->count] = (struct rules_rule){ .order = order };
	g->count++;
	if (compile_rule(&g->rules[g->count - 1], in, &r->limits, log, e) < 0)
		return e->code;
	r->ids[r->id_count++] = g->rules[g->count - 1].id;
	r->stats.rules++;
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The ids to leave out, sorted; the caller frees. */
static const char **sorted_ids(const char *const *ids, size_t count)
{
	const char **copy = calloc(count + 1, sizeof(*copy));

	if (!copy)
		return NULL;
	for (size_t i = 0; i < count; i++)
		copy[i] = ids[i];
	qsort(copy, count, sizeof(*copy), compare_ids);
	return copy;
}

int rules_compile(struct rules **out, const struct rules_model *m, const char *const *drop, size_t drop_count,
		  struct rules_log *log, struct err *e)
{
	AUTO(rules) struct rules *r = calloc(1, sizeof(*r));
	AUTO_FREE const char **dropped = sorted_ids(drop, drop_count);

	if (!r || !dropped)
		return err_memory(e);
	r->limits = m->limits;
	r->stats.files = m->file_count;
	r->stats.bytes = m->bytes;
	r->ids = calloc(m->instance_count + 1, sizeof(*r->ids));
	if (!r->ids)
		return err_memory(e);
	if (copy_groups(r, m, e) < 0)
		return e->code;
	for (size_t i = 0; i < m->instance_count && !log->stop; i++) {
		const struct rules_instance *in = &m->instances[i];

		if (!in->template)
			continue;       /* reported by the link */
		if (bsearch(&in->id, dropped, drop_count, sizeof(*dropped), compare_ids)) {
			r->stats.dropped++;
			continue;
		}
		if (append_rule(r, (struct rules_group *)rules_group_find(r, in->template->name), in, i, log, e) < 0)
			return e->code;
	}
	qsort(r->ids, r->id_count, sizeof(*r->ids), compare_ids);
	*out = TAKE(r);
	return 0;
}

bool rules_has(const struct rules *r, const char *id)
{
	return bsearch(&id, r->ids, r->id_count, sizeof(*r->ids), compare_ids) != NULL;
}
