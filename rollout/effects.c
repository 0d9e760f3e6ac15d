#include "rollout/effects.h"

#include <stdlib.h>
#include <string.h>

#include "rollout/field.h"

static const char *const names[EFFECTS_VERDICTS] = { "observe", "alert", "block", "quarantine" };

const char *effects_verdict_name(enum effects_verdict v)
{
	return names[v];
}

/* ---- reading ---- */

static int parse_verdicts(uint64_t out[EFFECTS_VERDICTS], enum effects_verdict from, const struct json_doc *d, const struct json *o, const char *key,
			  struct err *e)
{
	const struct json *list = NULL;

	if (json_may_object(d, o, key, &list, e) < 0)
		return e->code;
	for (int v = (int)from; list && v < EFFECTS_VERDICTS; v++)
		if (field_may_count(d, list, names[v], 0, &out[v], e) < 0)
			return e->code;
	return 0;
}

static int parse_rule(struct effects_rule *r, const struct json_doc *d, const struct json *o, struct err *e)
{
	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "an item of rules is an object");
	if (field_want_text(d, o, "rule", r->rule, RULE_LEN_MAX, e) < 0 || field_want_count(d, o, "n", 0, &r->n, e) < 0)
		return e->code;
	for (const char *c = r->rule; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return json_error(d, json_get(o, "rule"), e, ERR_FORMAT, "a rule's id holds a control character");
	return r->rule[0] ? 0 : json_error(d, json_get(o, "rule"), e, ERR_FORMAT, "a rule's id is empty");
}

static int parse_rules(struct effects *f, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, o, "rules", EFFECTS_RULES_MAX, &list, e) < 0)
		return e->code;
	if (!list || list->count == 0)
		return 0;
	f->rules = calloc(list->count, sizeof *f->rules);
	if (!f->rules)
		return err_memory(e);
	for (; f->rule_count < list->count; f->rule_count++)
		if (parse_rule(&f->rules[f->rule_count], d, &list->u.items[f->rule_count], e) < 0)
			return e->code;
	return 0;
}

static int parse_counted(struct effects *f, const struct json_doc *d, const struct json *o, struct err *e)
{
	f->counted = true;
	if (field_want_count(d, o, "seconds", 0, &f->counted_s, e) < 0 || field_want_count(d, o, "events", 0, &f->events, e) < 0 ||
	    field_may_count(d, o, "errors", 0, &f->errors, e) < 0 || parse_verdicts(f->verdicts, EFFECTS_OBSERVE, d, o, "verdicts", e) < 0 ||
	    parse_verdicts(f->would, EFFECTS_BLOCK, d, o, "would", e) < 0 || field_may_count(d, o, "load_ms", 0, &f->load_ms, e) < 0 ||
	    parse_rules(f, d, o, e) < 0)
		return e->code;
	return 0;
}

static int parse_measured(struct effects *f, const struct json_doc *d, const struct json *o, struct err *e)
{
	f->measured = true;
	if (field_want_count(d, o, "seconds", 0, &f->measured_s, e) < 0 || field_want_count(d, o, "cpu_ms", 0, &f->cpu_ms, e) < 0 ||
	    field_want_count(d, o, "rss_bytes", 0, &f->rss_bytes, e) < 0)
		return e->code;
	return 0;
}

int effects_parse(struct effects **out, const struct json_doc *d, const struct json *o, struct err *e)
{
	AUTO(effects) struct effects *f = calloc(1, sizeof *f);
	const struct json *counted = NULL, *measured = NULL;

	if (!f)
		return err_memory(e);
	if (field_may_digest(d, o, "digest", &f->digest, e) < 0 || json_may_object(d, o, "counted", &counted, e) < 0 ||
	    json_may_object(d, o, "measured", &measured, e) < 0)
		return e->code;
	if ((counted && parse_counted(f, d, counted, e) < 0) || (measured && parse_measured(f, d, measured, e) < 0))
		return e->code;
	*out = TAKE(f);
	return 0;
}

void effects_free(struct effects *f)
{
	if (!f)
		return;
	free(f->rules);
	free(f);
}

/* ---- writing ---- */

static void put_verdicts(struct json_writer *w, const char *key, const uint64_t n[EFFECTS_VERDICTS], enum effects_verdict from)
{
	json_open_object(w, key);
	for (int v = (int)from; v < EFFECTS_VERDICTS; v++)
		json_put_int(w, names[v], (int64_t)n[v]);
	json_close_object(w);
}

static void put_rules(struct json_writer *w, const struct effects *f, size_t until)
{
	json_open_array(w, "rules");
	for (size_t i = 0; i < f->rule_count; i++) {
		/* Escaped, a byte takes up to six. */
		if (w->out->len + 6 * strlen(f->rules[i].rule) + sizeof "{\"rule\":\"\",\"n\":9223372036854775807}," > until)
			break;
		json_open_object(w, NULL);
		json_put_text(w, "rule", f->rules[i].rule);
		json_put_int(w, "n", (int64_t)f->rules[i].n);
		json_close_object(w);
	}
	json_close_array(w);
}

void effects_put(struct json_writer *w, const char *key, const struct effects *f, size_t room)
{
	size_t until = w->out->len + room;

	json_open_object(w, key);
	field_put_digest(w, "digest", &f->digest);
	if (f->measured) {
		json_open_object(w, "measured");
		json_put_int(w, "seconds", (int64_t)f->measured_s);
		json_put_int(w, "cpu_ms", (int64_t)f->cpu_ms);
		json_put_int(w, "rss_bytes", (int64_t)f->rss_bytes);
		json_close_object(w);
	}
	if (f->counted) {
		json_open_object(w, "counted");
		json_put_int(w, "seconds", (int64_t)f->counted_s);
		json_put_int(w, "events", (int64_t)f->events);
		json_put_int(w, "errors", (int64_t)f->errors);
		put_verdicts(w, "verdicts", f->verdicts, EFFECTS_OBSERVE);
		put_verdicts(w, "would", f->would, EFFECTS_BLOCK);
		json_put_int(w, "load_ms", (int64_t)f->load_ms);
		put_rules(w, f, until);
		json_close_object(w);
	}
	json_close_object(w);
}
