/*
 * check_selftest: are there self-tests, are they sound, and do they exercise what the templates declare?
 *
 * A field that every rule leaves open, or that no test ever makes differ, is
 * one nobody has tried: the first rule that uses it runs in the field.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "content/check_work.h"
#include "content/selftest.h"

#define SELFTEST_MAX ((size_t)64 << 20)
#define TRIES_MAX 20000000ull           /* conditions held against events, in one check */

struct seen {
	uint64_t accepted, rejected;
};

struct coverage {
	struct check *check;
	const struct rules *engine;     /* NULL: only the format */
	bool only_rules;                /* no other content could be meant by a rule's id */
	struct seen (*seen)[RULES_FIELDS_MAX];  /* per group and field */
	uint64_t tries;
	size_t tests;
};

/* An error whose sentence begins with the line's own name: as a finding of the file. */
static void note_line(struct check *c, const struct selftest_line *l, const struct err *e)
{
	struct check_place at = { l->file, l->number, 1 };
	size_t name = strlen(l->name);
	const char *sentence = e->msg;
	int head = 0;
	unsigned one;

	if (strncmp(sentence, l->name, name) == 0 && sscanf(sentence + name, ":%u:%u: %n", &one, &at.column, &head) == 2)
		sentence += name + (size_t)head;
	check_note(c, CHECK_ERROR, at, "", REASON_SELFTEST, "%s", sentence);
}

static void try_rule(struct coverage *v, const struct rules_group *g, const struct rules_rule *rule,
		     const struct rules_event *ev)
{
	struct seen *seen = v->seen[g - v->engine->groups];

	for (size_t i = 0; i < rule->count && v->tries < TRIES_MAX; i++) {
		struct rules_budget budget = { .left = v->engine->limits.event_steps,
					       .regex_steps = v->engine->limits.regex_steps };
		const struct rules_condition *c = &rule->conditions[i];
		const struct rules_value *value = rules_event_value(ev, c->field);
		int rc;

		v->tries++;
		if (!value || !value->present)
			continue;
		rc = rules_matcher_try(c->matcher, value, &budget);
		v->tries += (v->engine->limits.event_steps - budget.left) / 16;
		seen[c->field].accepted += rc == 1;
		seen[c->field].rejected += rc == 0;
	}
}

static void cover(struct coverage *v, const struct selftest_line *l, const struct selftest_want *want)
{
	struct rules_event ev;
	struct err e = { 0 };

	if (json_get(want->event, "template") && rules_event_read(&ev, v->engine, l->doc, want->event, &e) == 0) {
		for (size_t i = 0; ev.group && i < ev.group->count; i++)
			try_rule(v, ev.group, &ev.group->rules[i], &ev);
		rules_event_release(&ev);
	} else if (e.code) {
		rules_event_release(&ev);
		note_line(v->check, l, &e);
	}
}

static int visit(void *arg, const struct selftest_line *l, struct err *e)
{
	struct coverage *v = arg;
	struct selftest_want want;
	struct err why = { 0 };

	(void)e;
	v->tests++;
	if (selftest_read(&want, l, &why) < 0) {
		note_line(v->check, l, &why);
		return 0;
	}
	if (!v->engine)
		return 0;
	if (want.rule && v->only_rules && !rules_has(v->engine, want.rule))
		check_note(v->check, CHECK_ERROR, (struct check_place){ l->file, l->number, 1 }, want.rule,
			   REASON_SELFTEST, "expects rule %s, which no file of the bundle has", want.rule);
	cover(v, l, &want);
	return 0;
}

static int read_tests(struct coverage *v, struct err *e)
{
	for (size_t i = 0; i < v->check->manifest->selftest_count; i++) {
		const char *path = v->check->manifest->selftests[i];
		AUTO(buf) struct buf *text = NULL;
		struct err why = { 0 };

		if (file_readat(&text, v->check->dir, path, SELFTEST_MAX, e) < 0)
			return e->code;
		if (selftest_each(path, text, visit, v, &why) == 0)
			continue;
		if (why.code == ERR_MEMORY) {
			*e = why;
			return e->code;
		}
		check_note_err(v->check, path, REASON_SELFTEST, &why);
	}
	return 0;
}

static size_t rules_on(const struct rules_group *g, unsigned field)
{
	size_t count = 0;

	for (size_t i = 0; i < g->count; i++)
		for (size_t k = 0; k < g->rules[i].count; k++)
			if (g->rules[i].conditions[k].field == field) {
				count++;
				break;
			}
	return count;
}

static void judge_field(struct check *c, const struct rules_model *m, const struct check_field *f, unsigned i)
{
	const struct rules_template *t = rules_model_template(m, f->template);
	struct check_place at = { .file = t->file->path };
	const char *what;

	if (!f->rules)
		what = "every instance leaves it open: nothing exercises it";
	else if (!f->accepted)
		what = "no self-test has an event that a matcher on it accepts";
	else if (!f->rejected)
		what = "no self-test has an event that a matcher on it rejects";
	else
		return;
	json_place(t->file->doc, t->fields[i].at, &at.line, &at.column);
	check_note(c, CHECK_WARNING, at, f->template, REASON_LINT, "template %s: field %u \"%s\" (%s): %s", f->template, i + 1, f->name,
		   f->type, what);
}

/* Keeps what was seen of every field, and warns of those that nobody tries. */
static int report_fields(struct coverage *v, const struct rules_model *m, struct err *e)
{
	struct check_report *r = v->check->report;
	size_t count = 0;

	for (size_t g = 0; g < v->engine->count; g++)
		count += v->engine->groups[g].field_count;
	r->fields = calloc(count + 1, sizeof(*r->fields));
	if (!r->fields)
		return err_memory(e);
	for (size_t g = 0; g < v->engine->count; g++) {
		const struct rules_group *group = &v->engine->groups[g];

		for (unsigned i = 0; i < group->field_count; i++) {
			struct check_field *f = &r->fields[r->field_count++];

			*f = (struct check_field){ strdup(group->name), strdup(group->fields[i].name), rules_type_name(group->fields[i].type),
						   rules_on(group, i), v->seen[g][i].accepted, v->seen[g][i].rejected };
			if (!f->template || !f->name)
				return err_memory(e);
			if (v->tests)
				judge_field(v->check, m, f, i);
		}
	}
	return 0;
}

static bool holds_only_rules(const struct manifest *m)
{
	for (size_t i = 0; i < m->file_count; i++)
		if (!loader_is_data(m->files[i].type) && strcmp(m->files[i].type, "rules") != 0)
			return false;
	return true;
}

int check_selftests(struct check *c, const struct rules_model *model, const struct rules *engine, struct err *e)
{
	AUTO_FREE struct seen(*seen)[RULES_FIELDS_MAX] = calloc((engine ? engine->count : 0) + 1, sizeof(*seen));
	struct coverage v = { .check = c, .engine = engine, .seen = seen, .only_rules = holds_only_rules(c->manifest) };

	if (!seen)
		return err_memory(e);
	if (read_tests(&v, e) < 0)
		return e->code;
	if (!v.tests)
		check_note(c, CHECK_WARNING, (struct check_place){ .file = MANIFEST_NAME }, "", REASON_LINT,
			   "no self-tests: nothing shows that the content does what it should");
	return engine ? report_fields(&v, model, e) : 0;
}
