/*
 * check_width: how much of the benign corpora each matcher accepts.
 *
 * A matcher that accepts most of what is harmless narrows nothing: whatever
 * else its rule asks is all that stands between it and a false positive.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "content/check_work.h"
#include "content/selftest.h"

#define CORPUS_MAX ((size_t)64 << 20)   /* bytes of one file */
#define TRIES_MAX 20000000ull           /* conditions held against events, in one check */
#define EVENTS_LEAST 20                 /* fewer say nothing */

struct seen {
	uint64_t tried, held;
};

struct widths {
	const struct rules *engine;
	struct seen **of;               /* per rule in file order, per condition */
	uint64_t tries;
};

static void try_rule(struct widths *w, const struct rules_rule *rule, const struct rules_event *ev)
{
	for (size_t i = 0; i < rule->count && w->tries < TRIES_MAX; i++) {
		struct rules_budget b = { .left = w->engine->limits.event_steps, .regex_steps = w->engine->limits.regex_steps };
		const struct rules_value *v = rules_event_value(ev, rule->conditions[i].field);

		if (!v || !v->present)
			continue;
		w->of[rule->order][i].tried++;
		w->of[rule->order][i].held += rules_matcher_try(rule->conditions[i].matcher, v, &b) == 1;
		w->tries += 1 + (w->engine->limits.event_steps - b.left) / 16;
	}
}

/* One event; those of other content, or malformed ones, are not this check's business. */
static int visit(void *arg, const struct selftest_line *l, struct err *e)
{
	struct widths *w = arg;
	struct rules_event ev;
	struct err why;

	(void)e;
	if (!json_get(l->doc->root, "template"))
		return 0;
	if (rules_event_read(&ev, w->engine, l->doc, l->doc->root, &why) == 0)
		for (size_t i = 0; ev.group && i < ev.group->count; i++)
			try_rule(w, &ev.group->rules[i], &ev);
	rules_event_release(&ev);
	return 0;
}

static int read_corpus(struct widths *w, const struct check_corpus *corpus, struct err *e)
{
	struct dirent **files = NULL;
	int count = scandirat(corpus->dir, ".", &files, NULL, alphasort), rc = 0;

	if (count < 0)
		return err_errno(e, "benign corpus %s", corpus->name);
	for (int i = 0; i < count; i++) {
		size_t len = strlen(files[i]->d_name);
		AUTO(buf) struct buf *text = NULL;

		if (rc == 0 && len > 7 && strcmp(files[i]->d_name + len - 7, ".ndjson") == 0) {
			rc = file_readat(&text, corpus->dir, files[i]->d_name, CORPUS_MAX, e);
			if (rc == 0)
				rc = selftest_each(files[i]->d_name, text, visit, w, e);
			if (rc < 0)
				err_wrap(e, "benign corpus %s", corpus->name);
		}
		free(files[i]);
	}
	free(files);
	return rc;
}

static void report(struct check *c, const struct rules_model *m, const struct rules_group *g, const struct rules_rule *rule,
		   const struct seen *seen)
{
	unsigned widest = c->job->widest_percent ? c->job->widest_percent : CHECK_WIDEST_PERCENT;
	const struct rules_instance *in = &m->instances[rule->order];

	for (size_t i = 0; i < rule->count; i++)
		if (seen[i].tried >= EVENTS_LEAST && seen[i].held * 100 > seen[i].tried * widest)
			check_note(c, CHECK_WARNING, check_place_of(c, in->file, in->at), rule->id, REASON_LINT,
				   "instance %s: field \"%s\": \"%s\" accepts %" PRIu64 " of %" PRIu64 " benign values, more than %u %%",
				   rule->id, g->fields[rule->conditions[i].field].name,
				   rules_kind_name(rules_matcher_kind(rule->conditions[i].matcher)), seen[i].held, seen[i].tried, widest);
}

static int count_and_report(struct check *c, const struct rules_model *m, const struct rules *r, struct widths *w, struct err *e)
{
	for (size_t g = 0; g < r->count; g++)
		for (size_t i = 0; i < r->groups[g].count; i++) {
			const struct rules_rule *rule = &r->groups[g].rules[i];

			w->of[rule->order] = calloc(rule->count + 1, sizeof(**w->of));
			if (!w->of[rule->order])
				return err_memory(e);
		}
	for (size_t i = 0; i < c->job->corpus_count; i++)
		if (read_corpus(w, &c->job->corpora[i], e) < 0)
			return e->code;
	for (size_t g = 0; g < r->count; g++)
		for (size_t i = 0; i < r->groups[g].count; i++)
			report(c, m, &r->groups[g], &r->groups[g].rules[i], w->of[r->groups[g].rules[i].order]);
	return 0;
}

int check_widths(struct check *c, const struct rules_model *m, const struct rules *r, struct err *e)
{
	struct widths w = { .engine = r };
	int rc;

	if (!c->job->corpus_count)
		return 0;
	w.of = calloc(m->instance_count + 1, sizeof(*w.of));
	if (!w.of)
		return err_memory(e);
	rc = count_and_report(c, m, r, &w, e);
	for (size_t i = 0; i < m->instance_count; i++)
		free(w.of[i]);
	free(w.of);
	return rc;
}
