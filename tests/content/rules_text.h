/* rules_text: an engine straight from the text of one file of rules, for tests and fuzzers. */
#ifndef TESTS_CONTENT_RULES_TEXT_H
#define TESTS_CONTENT_RULES_TEXT_H

#include <string.h>

#include "content/rules_model.h"

static inline int rules_from_texts(struct rules **out, const char *const *texts, const struct rules_limits *limits,
				   const char *const *drop, size_t drop_count, struct err *e)
{
	struct rules_limits some;
	struct err first = { 0 };
	struct rules_log log = rules_log_first(&first);
	AUTO(rules_model) struct rules_model *m = NULL;
	AUTO(rules) struct rules *r = NULL;
	char name[] = "a.json";

	rules_limits_default(&some);
	m = rules_model_new(limits ? limits : &some);
	if (!m)
		return err_memory(e);
	for (; *texts && !log.stop; texts++, name[0]++) {
		struct buf *text = buf_new(0);

		if (!text)
			return err_memory(e);
		buf_adds(text, *texts);
		if (rules_model_add(m, name, text, &log, e) < 0)
			return e->code;
	}
	if (!log.stop && rules_model_link(m, &log, e) < 0)
		return e->code;
	if (!log.stop && rules_compile(&r, m, drop, drop_count, &log, e) < 0)
		return e->code;
	if (log.errors) {
		*e = first;
		return e->code;
	}
	*out = TAKE(r);
	return 0;
}

static inline int rules_from_text(struct rules **out, const char *text, struct err *e)
{
	const char *texts[] = { text, NULL };

	return rules_from_texts(out, texts, NULL, NULL, 0, e);
}

static inline int rules_match_text(struct rules *r, const char *event, struct detection *out, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;

	if (json_parse(&d, "event", event, strlen(event), NULL, e) < 0)
		return e->code;
	return rules_match(r, d, d->root, out, e);
}

#endif
