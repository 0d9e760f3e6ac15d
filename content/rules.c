/* rules: events against the compiled rules; limits. */
#include "content/rules.h"

#include <string.h>

#include "content/observe.h"
#include "content/rules_engine.h"
#include "schema/contract.h"

static const struct rules_limits defaults = {
	.files = 1000,
	.bytes = 64 << 20,
	.rules = 100000,
	.fields = RULES_FIELDS_MAX,
	.regex_steps = 100000,
	.event_steps = 4000000,         /* some 10 ms */
};

void rules_limits_default(struct rules_limits *out)
{
	*out = defaults;
}

/* A contract's limit holds where it is the lower one: ours also bound what we can afford. */
void rules_limits_contract(struct rules_limits *out, const struct contract *c)
{
	const struct contract_type *t = c ? contract_find_type(c, "rules") : NULL;

	*out = defaults;
	if (!t)
		return;
	out->files = MIN(out->files, (uint64_t)t->limits.files);
	out->bytes = MIN(out->bytes, (uint64_t)t->limits.bytes);
	out->rules = MIN(out->rules, (uint64_t)t->limits.rules);
	out->fields = MIN(out->fields, (uint64_t)t->limits.fields);
	out->regex_steps = MIN(out->regex_steps, (uint64_t)t->limits.regex_steps);
}

int rules_rule_try(const struct rules_rule *rule, const struct rules_event *ev, struct rules_budget *b)
{
	if (!rules_spend(b, 1))
		return -1;
	for (size_t i = 0; i < rule->count; i++) {
		const struct rules_condition *c = &rule->conditions[i];
		const struct rules_value *v = rules_event_value(ev, c->field);
		int rc = v ? rules_matcher_try(c->matcher, v, b) : 0;

		if (rc <= 0)
			return rc;
	}
	return 1;
}

/* Every rule of the event's template, so that `matches` counts them all. */
static int match(const struct rules *r, const struct rules_event *ev, struct detection *out, struct err *e)
{
	struct rules_budget budget = { .left = r->limits.event_steps, .regex_steps = r->limits.regex_steps };

	for (size_t i = 0; i < ev->group->count; i++) {
		const struct rules_rule *rule = &ev->group->rules[i];
		int rc = rules_rule_try(rule, ev, &budget);

		if (rc < 0)
			return err_set(e, ERR_LIMIT, "instance %s: the event takes more steps than allowed", rule->id);
		if (rc == 0)
			continue;
		out->matches++;
		observe_take(r->observe, out, rule->verdict, rule->id);
	}
	return 0;
}

int rules_match(struct rules *r, const struct json_doc *d, const struct json *event, struct detection *out,
		struct err *e)
{
	struct rules_event ev;
	int rc;

	memset(out, 0, sizeof(*out));
	r->stats.events++;
	rc = rules_event_read(&ev, r, d, event, e);
	if (rc == 0 && ev.group)
		rc = match(r, &ev, out, e);
	rules_event_release(&ev);
	if (rc < 0) {
		r->stats.event_errors++;
		memset(out, 0, sizeof(*out));
	}
	return rc;
}

void rules_observe(struct rules *r, const struct observe *o)
{
	r->observe = o;
}

void rules_stats(const struct rules *r, struct loader_stats *out)
{
	*out = r->stats;
}
