/* fuzz_rules: any bytes as a file of rules; what compiles also meets an event. */
#include <stdint.h>

#include "content/rules_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool go_on(void *arg, const struct rules_finding *f)
{
	size_t *findings = arg;

	return f->sentence && f->file && ++*findings < 100;
}

static void meet_event(struct rules *r)
{
	for (size_t g = 0; g < r->count; g++) {
		struct rules_budget budget = { .left = 10000, .regex_steps = 1000 };
		struct rules_event ev = { .group = &r->groups[g], .count = r->groups[g].field_count };

		for (size_t i = 0; i < ev.count; i++)   /* a value of every field's type */
			ev.values[i] = (struct rules_value){ .present = true, .type = ev.group->fields[i].type,
							     .text = "/usr/bin/nc", .len = 11 };
		for (size_t i = 0; i < ev.group->count; i++)
			if (rules_rule_try(&ev.group->rules[i], &ev, &budget) < 0)
				return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t findings = 0;
	struct rules_log log = { .found = go_on, .arg = &findings };
	struct rules_limits limits = { .files = 2, .bytes = 1 << 20, .rules = 1000, .fields = 32, .regex_steps = 10000,
				       .event_steps = 100000 };
	AUTO(rules_model) struct rules_model *m = rules_model_new(&limits);
	AUTO(rules) struct rules *r = NULL;
	struct buf *text = buf_new(0);
	struct err e = { 0 };

	if (!m || !text)
		return 0;
	buf_add(text, data, len);
	if (rules_model_add(m, "a.json", text, &log, &e) == 0 && rules_model_link(m, &log, &e) == 0 &&
	    rules_compile(&r, m, NULL, 0, &log, &e) == 0)
		meet_event(r);
	return 0;
}
