/* simulate_trace: how a fleet behaves, built in or from a document. */
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "rollout/simulate.h"

#define DAY_S 86400
#define PLACEBOS_MAX 1000000000
#define SILENT_S (4 * 3600)      /* a kind that falls silent, and does not say for how long */

static const struct simulate_kind kinds[] = {
	{ "laptop", 0.55,
	  { .10, .08, .08, .08, .08, .10, .20, .45, .80, .95, 1, 1, .95, .95, 1, 1, .95, .80, .55, .45, .40, .35, .25, .15 }, DAY_S, 0, SILENT_S },
	{ "desktop", 0.25,
	  { .35, .35, .35, .35, .35, .35, .40, .70, .95, 1, 1, 1, 1, 1, 1, 1, .95, .75, .50, .40, .40, .38, .36, .35 }, DAY_S, 0, SILENT_S },
	{ "server", 0.20, { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 7 * DAY_S, 0, SILENT_S },
};

static const struct simulate_stratum strata[] = {
	{ "windows-11/7.11/en_US", 0.55 }, { "windows-10/7.11/en_US", 0.20 }, { "windows-11/7.11/de_DE", 0.08 },
	{ "windows-server-2022/7.11/en_US", 0.10 }, { "debian-12/7.11/C", 0.06 }, { "debian-12/7.11/zh_CN", 0.01 },
};

void simulate_trace_default(struct simulate_trace *out, const struct policy *p)
{
	static const double rings[] = { 0.001, 0.01, 0.989 };

	memset(out, 0, sizeof *out);
	out->people.answer_s = 3600;
	out->bundle_every_s = DAY_S;
	memcpy(out->kinds, kinds, sizeof kinds);
	out->kind_count = ARRAY_LEN(kinds);
	memcpy(out->strata, strata, sizeof strata);
	out->stratum_count = ARRAY_LEN(strata);
	for (size_t i = 0; i < p->count; i++)
		out->rings[i].share = i + 1 == p->count ? 1 : rings[MIN(i, ARRAY_LEN(rings) - 2)];
	/* the last ring has what the others leave */
	for (size_t i = 0; i + 1 < p->count; i++)
		out->rings[p->count - 1].share -= out->rings[i].share;
}

static int parse_named(char name[SIMULATE_WORD_MAX + 1], double *share, const struct json_doc *d, const struct json *o, struct err *e)
{
	const char *text;

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "expected an object");
	if (json_want_text(d, o, "name", SIMULATE_WORD_MAX, &text, e) < 0 || json_want_double(d, o, "share", 0, 1e9, share, e) < 0)
		return e->code;
	snprintf(name, SIMULATE_WORD_MAX + 1, "%s", text);
	return 0;
}

static int parse_kind(struct simulate_kind *k, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const keys[] = { "name", "share", "online", "boot_s", "silent_a_day", "silent_s", NULL };
	const struct json *hours;
	double peak = 0;

	k->boot_s = DAY_S;
	k->silent_s = SILENT_S;
	if (parse_named(k->name, &k->share, d, o, e) < 0 || json_only(d, o, keys, e) < 0 ||
	    json_want_array(d, o, "online", 24, &hours, e) < 0 || json_may_int(d, o, "boot_s", 60, 366 * DAY_S, &k->boot_s, e) < 0 ||
	    json_may_double(d, o, "silent_a_day", 0, 24, &k->silent_a_day, e) < 0 || json_may_int(d, o, "silent_s", 60, 30 * DAY_S, &k->silent_s, e) < 0)
		return e->code;
	for (size_t h = 0; h < hours->count; h++)
		if (!json_to_double(&hours->u.items[h], &k->online[h]) || !(k->online[h] >= 0 && k->online[h] <= 1))
			return json_error(d, &hours->u.items[h], e, ERR_FORMAT, "an hour's share is a number from 0 to 1");
		else
			peak = MAX(peak, k->online[h]);
	if (hours->count != 24 || !(peak > 0))
		return json_error(d, hours, e, ERR_FORMAT, "online has 24 shares, one of them above 0");
	for (size_t h = 0; h < 24; h++)
		k->online[h] /= peak;
	return 0;
}

static int parse_ring(struct simulate_trace *t, const struct policy *p, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const keys[] = { "name", "share", "lag_s", NULL };
	char name[SIMULATE_WORD_MAX + 1];
	double share;
	int at;

	if (parse_named(name, &share, d, o, e) < 0 || json_only(d, o, keys, e) < 0)
		return e->code;
	at = policy_position(p, name);
	if (at < 0)
		return json_error(d, o, e, ERR_FORMAT, "the policy has no ring %s", name);
	t->rings[at].share = share;
	return json_may_int(d, o, "lag_s", 0, 30 * DAY_S, &t->rings[at].lag_s, e) < 0 ? e->code : 0;
}

static int parse_people(struct simulate_people *p, const struct json_doc *d, struct err *e)
{
	static const char *const keys[] = { "answer_s", "windows", "freezes", NULL };
	const struct json *o = NULL;

	if (json_may_object(d, d->root, "people", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	if (json_only(d, o, keys, e) < 0 || json_may_int(d, o, "answer_s", 0, 30 * DAY_S, &p->answer_s, e) < 0 ||
	    calendar_parse(&p->hours, d, o, e) < 0 || calendar_resolve(&p->hours, e) < 0)
		return e->code;
	return 0;
}

static int parse_lists(struct simulate_trace *t, const struct policy *p, const struct json_doc *d, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, d->root, "kinds", SIMULATE_KINDS_MAX, &list, e) < 0)
		return e->code;
	for (size_t i = 0; list && i < list->count; i++, t->kind_count = i)
		if (parse_kind(&t->kinds[i], d, &list->u.items[i], e) < 0)
			return e->code;
	list = NULL;
	if (json_may_array(d, d->root, "strata", SIMULATE_STRATA_MAX, &list, e) < 0)
		return e->code;
	for (size_t i = 0; list && i < list->count; i++, t->stratum_count = i)
		if (parse_named(t->strata[i].name, &t->strata[i].share, d, &list->u.items[i], e) < 0)
			return e->code;
	list = NULL;
	if (json_may_array(d, d->root, "rings", POLICY_RINGS_MAX, &list, e) < 0)
		return e->code;
	for (size_t i = 0; list && i < list->count; i++)
		if (parse_ring(t, p, d, &list->u.items[i], e) < 0)
			return e->code;
	return 0;
}

#define TO_ONE(items, count)                                          \
	do {                                                          \
		double sum_ = 0;                                      \
		for (size_t i_ = 0; i_ < (count); i_++)               \
			sum_ += (items)[i_].share;                    \
		for (size_t i_ = 0; sum_ > 0 && i_ < (count); i_++)   \
			(items)[i_].share /= sum_;                    \
	} while (0)

int simulate_trace_parse(struct simulate_trace *out, const struct policy *p, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = SIMULATE_TRACE_MAX, .depth = 8 };
	static const char *const keys[] = { "format", "needs", "kinds", "strata", "rings", "people", "bundle_every_s", "placebos", NULL };
	AUTO(json) struct json_doc *d = NULL;
	struct simulate_trace t;

	simulate_trace_default(&t, p);
	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 || json_only(d, d->root, keys, e) < 0 ||
	    parse_lists(&t, p, d, e) < 0 || json_may_int(d, d->root, "bundle_every_s", 60, 366 * DAY_S, &t.bundle_every_s, e) < 0 ||
	    json_may_int(d, d->root, "placebos", 0, PLACEBOS_MAX, &t.placebos, e) < 0 || parse_people(&t.people, d, e) < 0) {
		simulate_trace_release(&t);
		return e->code;
	}
	TO_ONE(t.kinds, t.kind_count);
	TO_ONE(t.strata, t.stratum_count);
	TO_ONE(t.rings, p->count);
	*out = t;
	return 0;
}

void simulate_trace_release(struct simulate_trace *t)
{
	calendar_release(&t->people.hours);
}
