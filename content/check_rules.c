/*
 * check_rules: rules files as a sensor of this contract would see them.
 *
 * The fields a template declares must be those the sensor supplies, place by
 * place: a template with one field more is what a sensor reads out of bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "content/check_work.h"

#define RULES_TYPE "rules"
#define WARNINGS_MAX 50                 /* of the reader */
#define STEPS_MAX 100000000ull          /* to hold all rules against all protected objects: about a second */

/* ---- findings of the reader ---- */

static bool take_finding(void *arg, const struct rules_finding *f)
{
	struct check *c = arg;
	bool warning = f->fault == RULES_UNKNOWN_MEMBER;
	bool contract = c->contract && f->fault == RULES_OVER_LIMIT;

	check_note(c, warning ? CHECK_WARNING : CHECK_ERROR, (struct check_place){ f->file, f->line, f->column },
		   f->subject, contract ? REASON_CONTRACT : REASON_LINT, "%s", f->sentence);
	return c->report->errors < CHECK_FINDINGS_MAX;
}

static int add_files(struct check *c, struct rules_model *m, struct rules_log *log, struct err *e)
{
	for (size_t i = 0; i < c->manifest->file_count && !log->stop; i++) {
		const struct manifest_file *f = &c->manifest->files[i];
		struct buf *text = NULL;

		if (strcmp(f->type, RULES_TYPE) != 0)
			continue;
		if (f->size > m->limits.bytes) {
			check_note(c, CHECK_ERROR, (struct check_place){ .file = f->path }, "",
				   c->contract ? REASON_CONTRACT : REASON_LINT, "%llu bytes, more than the %llu allowed",
				   (unsigned long long)f->size, (unsigned long long)m->limits.bytes);
			continue;
		}
		if (file_readat(&text, c->dir, f->path, (size_t)m->limits.bytes, e) < 0)
			return e->code;
		if (rules_model_add(m, f->path, text, log, e) < 0)
			return e->code;
	}
	return 0;
}

/* ---- templates against what the sensor supplies ---- */

struct check_place check_place_of(const struct check *c, const struct rules_file *f, const struct json *v)
{
	struct check_place at = { .file = f->path };

	if (!c->report->cut)
		json_place(f->doc, v, &at.line, &at.column);
	return at;
}

static void check_values(struct check *c, const struct rules_template *t, const struct rules_field *f, size_t i,
			 const struct contract_field *supplied)
{
	for (size_t k = 0; k < f->value_count; k++)
		if (supplied->value_count && !contract_field_allows(supplied, f->values[k]))
			check_note(c, CHECK_WARNING, check_place_of(c, t->file, f->at), t->name, REASON_CONTRACT,
				   "template %s: field %zu \"%s\": the contract of %s %s never supplies the value \"%s\"",
				   t->name, i + 1, f->name, c->contract->sensor, c->contract->version, f->values[k]);
}

static void check_field(struct check *c, const struct rules_template *t, size_t i, const struct contract_template *s)
{
	const struct rules_field *f = &t->fields[i];
	const struct contract_field *supplied;
	const char *type = rules_type_name(f->type);

	if (i >= s->field_count) {
		check_note(c, CHECK_ERROR, check_place_of(c, t->file, f->at), t->name, REASON_CONTRACT,
			   "template %s: field %zu \"%s\" (%s): the contract of %s %s supplies %zu fields", t->name,
			   i + 1, f->name, type, c->contract->sensor, c->contract->version, s->field_count);
		return;
	}
	supplied = &s->fields[i];
	if (strcmp(supplied->name, f->name) != 0 ||
	    strcmp(contract_field_type_name(supplied->type), type) != 0) {
		check_note(c, CHECK_ERROR, check_place_of(c, t->file, f->at), t->name, REASON_CONTRACT,
			   "template %s: field %zu \"%s\" (%s): the contract of %s %s supplies \"%s\" (%s) there",
			   t->name, i + 1, f->name, type, c->contract->sensor, c->contract->version, supplied->name,
			   contract_field_type_name(supplied->type));
		return;
	}
	check_values(c, t, f, i, supplied);
}

static void check_templates(struct check *c, const struct rules_model *m)
{
	const struct contract_type *type = contract_find_type(c->contract, RULES_TYPE);

	if (!type || !type->template_count)
		return;         /* the contract does not say what it supplies */
	for (size_t k = 0; k < m->template_count; k++) {
		const struct rules_template *t = m->templates[k];
		const struct contract_template *supplied = contract_find_template(type, t->name);

		if (!supplied) {
			check_note(c, CHECK_ERROR, check_place_of(c, t->file, t->at), t->name, REASON_CONTRACT,
				   "template %s: the contract of %s %s does not supply it", t->name,
				   c->contract->sensor, c->contract->version);
			continue;
		}
		for (size_t i = 0; i < t->field_count; i++)
			check_field(c, t, i, supplied);
	}
}

/* ---- protected objects ---- */

/* Do all conditions of a rule on this field accept the path? Those on others are counted. */
static bool accepts_path(const struct rules_rule *rule, unsigned field, const char *path, size_t *others,
			 struct rules_budget *budget)
{
	const struct rules_value v = { .present = true, .type = RULES_PATH, .text = path, .len = strlen(path) };

	*others = 0;
	for (size_t i = 0; i < rule->count; i++) {
		const struct rules_condition *c = &rule->conditions[i];

		if (c->field != field)
			++*others;
		else if (rules_matcher_try(c->matcher, &v, budget) == 0)
			return false;   /* over a limit counts as accepted */
	}
	return true;
}

/* A protected path that the rule writes out itself, or NULL. */
static const char *names_protected(const struct check *c, const struct rules_rule *rule, unsigned field)
{
	for (size_t i = 0; i < rule->count; i++) {
		const char *text;

		if (rule->conditions[i].field != field)
			continue;
		for (size_t k = 0; (text = rules_matcher_text(rule->conditions[i].matcher, k)); k++)
			if (contract_protects(c->contract, text))
				return text;
	}
	return NULL;
}

static bool uses_field(const struct rules_rule *rule, unsigned field)
{
	for (size_t i = 0; i < rule->count; i++)
		if (rule->conditions[i].field == field)
			return true;
	return false;
}

/*
 * Writing a protected path out is an error. So is accepting one when nothing
 * else narrows the rule; when something does, it may be what the author means.
 */
static bool check_protected_field(struct check *c, const struct rules_rule *rule, const struct rules_instance *in,
				  unsigned field, const char *name, struct rules_budget *budget)
{
	const char *path = names_protected(c, rule, field);
	size_t others = 0;
	char beneath[1024];

	for (size_t i = 0; i < c->contract->protected_count && !path; i++) {
		const char *p = c->contract->protected[i];
		size_t len = strlen(p);

		if (len && p[len - 1] == '/' && len + 2 < sizeof(beneath)) {
			memcpy(beneath, p, len);
			memcpy(beneath + len, "x", 2);
			p = beneath;
		}
		if (accepts_path(rule, field, p, &others, budget))
			path = c->contract->protected[i];
	}
	if (!path)
		return false;
	check_note(c, others ? CHECK_WARNING : CHECK_ERROR, check_place_of(c, in->file, in->at), rule->id, REASON_PROTECTED,
		   "instance %s: field \"%s\": would %s the protected object %s", rule->id, name,
		   detection_name(rule->verdict), path);
	return true;
}

/* One rule with a destructive verdict. */
static void check_destructive(struct check *c, const struct rules_group *group, const struct rules_rule *rule,
			      const struct rules_instance *in, struct rules_budget *budget)
{
	if (!rule->count)
		check_note(c, CHECK_ERROR, check_place_of(c, in->file, in->at), rule->id, REASON_PROTECTED,
			   "instance %s: would %s everything, protected objects too", rule->id,
			   detection_name(rule->verdict));
	for (unsigned i = 0; i < group->field_count; i++)
		if (group->fields[i].type == RULES_PATH && uses_field(rule, i) &&
		    check_protected_field(c, rule, in, i, group->fields[i].name, budget))
			break;
}

static void check_protected(struct check *c, const struct rules_model *m, const struct rules *r)
{
	struct rules_budget budget = { .left = STEPS_MAX, .regex_steps = r->limits.regex_steps };

	for (size_t g = 0; g < r->count; g++)
		for (size_t k = 0; k < r->groups[g].count; k++) {
			const struct rules_rule *rule = &r->groups[g].rules[k];
			const struct rules_instance *in = &m->instances[rule->order];

			if (!detection_destructive(rule->verdict))
				continue;
			if (!budget.left) {
				check_note(c, CHECK_ERROR, check_place_of(c, in->file, in->at), rule->id, REASON_LINT,
					   "instance %s: the patterns before it take too long to hold against the protected objects",
					   rule->id);
				return;
			}
			check_destructive(c, &r->groups[g], rule, in, &budget);
		}
}

int check_rules(struct check *c, struct err *e)
{
	struct rules_log log = { .found = take_finding, .arg = c, .warnings_left = WARNINGS_MAX };
	AUTO(rules_model) struct rules_model *m = NULL;
	AUTO(rules) struct rules *r = NULL;
	struct rules_limits limits;

	rules_limits_contract(&limits, c->contract);
	m = rules_model_new(&limits);
	if (!m)
		return err_memory(e);
	if (add_files(c, m, &log, e) < 0)
		return e->code;
	if (!m->file_count)
		return check_selftests(c, NULL, NULL, e);
	if (rules_model_link(m, &log, e) < 0 || rules_compile(&r, m, NULL, 0, &log, e) < 0)
		return e->code;
	if (c->contract)
		check_templates(c, m);
	if (!log.errors) {
		if (c->contract)
			check_protected(c, m, r);
		check_shadows(c, m, r);
		check_patterns(c, m, r);
		if (check_widths(c, m, r, e) < 0)
			return e->code;
	}
	return check_selftests(c, m, log.errors ? NULL : r, e);
}
