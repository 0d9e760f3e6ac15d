/* gate_record_parse: the inputs of one decision, read: strict, and nothing but the canonical form. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/checkin.h"
#include "rollout/gate_background.h"
#include "rollout/gate_record_parts.h"

#define MEMBERS_BOTH                                                                                                     \
	"format", "kind", "rollout", "channel", "ring", "position", "attempt", "bundle", "policy", "at", "event", "began", \
	"bound_at", "quiet_until", "eligible", "members_away", "members_survived", "checkins_expected", "checkins_seen",   \
	"content_crash", "declined", "operator_hold", "coverage_approved", "continue_anyway", "strata", "offers", "runs",  \
	"verdict", "cause", "sentence"

static const char *const members[] = { MEMBERS_BOTH, "placebos", "placebos_lost", "strata_given", "silence", "effects", "closed_s", "emergency", NULL };
static const char *const members_1[] = { MEMBERS_BOTH, "background_known", NULL };
static const char *const bundle_members[] = { "path", "serial", "version", "digest", NULL };

static int read_bundle(struct bundle_ref *b, const struct json_doc *d, struct err *e)
{
	const struct json *o;

	if (json_want_object(d, d->root, "bundle", &o, e) < 0 || json_only(d, o, bundle_members, e) < 0 ||
	    field_want_path(d, o, "path", b->path, e) < 0 || field_want_count(d, o, "serial", 1, &b->serial, e) < 0 ||
	    field_want_text(d, o, "version", b->version, VERSION_LEN_MAX, e) < 0 ||
	    field_want_digest(d, o, "digest", &b->digest, e) < 0)
		return e->code;
	return 0;
}

static bool device_id(char out[GATE_RECORD_DEVICE + 1], const struct json *v)
{
	if (v->type != JSON_STRING || v->count != GATE_RECORD_DEVICE || strspn(v->u.text, "0123456789abcdef") != GATE_RECORD_DEVICE)
		return false;
	memcpy(out, v->u.text, GATE_RECORD_DEVICE + 1);
	return true;
}

static int read_offer(struct gate_record *r, struct gate_offer *out, const struct json_doc *d, const struct json *v, struct err *e)
{
	const struct json *c = v->u.items;
	int64_t n;

	if (v->type != JSON_ARRAY || v->count != OFFER_COLUMNS || !device_id(out->device, &c[0]))
		return json_error(d, v, e, ERR_FORMAT, "an offer is a device of %d hex digits and %d numbers", GATE_RECORD_DEVICE,
				  OFFER_COLUMNS - 1);
	for (size_t k = 1; k < OFFER_COLUMNS; k++) {
		int64_t most = k == 1 ? (int64_t)r->strata_count - 1 : k == OFFER_COLUMNS - 1 ? 1 : INT64_MAX / 4;

		if (!json_to_int(&c[k], &n) || n < 0 || n > most)
			return json_error(d, &c[k], e, ERR_FORMAT, "wanted a number from 0 to %lld", (long long)most);
		if (k == 1)
			out->stratum = (uint32_t)n;
		else if (k == OFFER_COLUMNS - 1)
			out->facts.voided = n;
		else
			*AT(int64_t, &out->facts, gate_times[k - 2]) = n;
	}
	out->facts.quiet_until = r->quiet_until;
	return 0;
}

static int by_device(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One offer a device, for ever. */
static int check_once(const struct gate_record *r, const char *name, struct err *e)
{
	AUTO_FREE const char **devices = calloc((size_t)r->offer_count + 1, sizeof *devices);

	if (!devices)
		return err_memory(e);
	for (uint32_t i = 0; i < r->offer_count; i++)
		devices[i] = r->offers[i].device;
	qsort(devices, r->offer_count, sizeof *devices, by_device);
	for (uint32_t i = 1; i < r->offer_count; i++)
		if (strcmp(devices[i - 1], devices[i]) == 0)
			return err_set(e, ERR_REFUSED, "%s: two offers to the device %s", name, devices[i]);
	return 0;
}

static int read_offers(struct gate_record *r, const struct json_doc *d, const char *name, struct err *e)
{
	const struct json *offers = NULL;
	const char *runs = NULL;

	if (json_may_array(d, d->root, "offers", GATE_RECORD_OFFERS, &offers, e) < 0 ||
	    json_may_text(d, d->root, "runs", GATE_RECORD_MAX, &runs, e) < 0)
		return e->code;
	if (!offers == !runs)
		return json_error(d, d->root, e, ERR_FORMAT, "wanted offers or runs");
	if (runs)
		return (r->runs = strdup(runs)) ? 0 : err_memory(e);
	r->offers = calloc((size_t)offers->count + 1, sizeof *r->offers);
	if (!r->offers)
		return err_memory(e);
	for (r->offer_count = 0; r->offer_count < offers->count; r->offer_count++)
		if (read_offer(r, &r->offers[r->offer_count], d, &offers->u.items[r->offer_count], e) < 0)
			return e->code;
	return check_once(r, name, e);
}

/* ---- strata ---- */

static int read_plan(struct gate_record *r, const struct json_doc *d, const struct json *strata, const char *name, struct err *e)
{
	AUTO_FREE struct stratum_size *groups = calloc((size_t)strata->count + 1, sizeof *groups);
	int64_t size;

	if (!groups)
		return err_memory(e);
	for (uint32_t i = 0; i < strata->count; i++) {
		const struct json *v = &strata->u.items[i], *c = v->u.items;

		if (v->type != JSON_ARRAY || v->count != 2 || c[0].type != JSON_STRING || c[0].count > STRATA_NAME_MAX ||
		    strlen(c[0].u.text) != c[0].count || !json_to_int(&c[1], &size) || size < 0 || size > UINT32_MAX)
			return json_error(d, v, e, ERR_FORMAT, "a stratum is a name of at most %d bytes and a number", STRATA_NAME_MAX);
		memcpy(groups[i].name, c[0].u.text, c[0].count + 1);
		groups[i].size = (uint32_t)size;
	}
	r->strata_count = strata->count;
	if (strata->count == 0)
		return 0;
	return strata_from(&r->strata, groups, strata->count, e) < 0 ? err_wrap(e, "%s", name) : 0;
}

/* Names in the order of their first offer: who reads them needs to know only how many. */
static int read_names(struct gate_record *r, const struct json_doc *d, const struct json *strata, struct err *e)
{
	for (uint32_t i = 0; i < strata->count; i++)
		if (strata->u.items[i].type != JSON_STRING || strata->u.items[i].count > CHECKIN_STRATUM_MAX)
			return json_error(d, &strata->u.items[i], e, ERR_FORMAT, "a stratum is a text of at most %d bytes", CHECKIN_STRATUM_MAX);
	r->strata_count = strata->count;
	return 0;
}

static int read_real(const struct json_doc *d, const struct json *v, long double *out, struct err *e)
{
	char *end;

	/* A product of many factors may have left what a long double holds: it is beyond every limit then, and is said so. */
	if (json_is(v, "inf")) {
		*out = HUGE_VALL;
		return 0;
	}
	if (v->type != JSON_STRING || v->count == 0 || v->count >= SILENCE_NUMBER || strspn(v->u.text, "0123456789.e+-") != v->count)
		return json_error(d, v, e, ERR_FORMAT, "wanted a number as text");
	*out = strtold(v->u.text, &end);
	if (*end || !(*out >= 0))
		return json_error(d, v, e, ERR_FORMAT, "wanted a number as text");
	return 0;
}

static int read_mean(const struct gate_record *r, struct strata_mean *m, const struct json_doc *d, const struct json *o, const char *key, struct err *e)
{
	const struct json *v;
	int64_t at, stratum;

	if (json_want_array(d, o, key, 3, &v, e) < 0)
		return e->code;
	if (v->count != 3 || !json_to_int(&v->u.items[1], &at) || !json_to_int(&v->u.items[2], &stratum) || at < 0 || at > UINT32_MAX ||
	    stratum < 0 || stratum >= (int64_t)r->strata_count)
		return json_error(d, v, e, ERR_FORMAT, "wanted a mean, an offer and a stratum");
	m->at = (uint32_t)at;
	m->stratum = (uint32_t)stratum;
	return read_real(d, &v->u.items[0], &m->max, e);
}

static int read_given(struct gate_record *r, const struct json_doc *d, struct err *e)
{
	static const char *const keys[] = { "all", "known", "lacking", "lacks", NULL };
	const struct json *o = NULL;
	int64_t lacking, lacks;

	if (json_may_object(d, d->root, "strata_given", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	if (json_only(d, o, keys, e) < 0 || read_mean(r, &r->given.all, d, o, "all", e) < 0 ||
	    read_mean(r, &r->given.known, d, o, "known", e) < 0 || json_want_int(d, o, "lacking", 0, STRATA_MAX, &lacking, e) < 0 ||
	    json_want_int(d, o, "lacks", 0, (int64_t)r->strata_count - 1, &lacks, e) < 0)
		return e->code;
	r->given.lacking = (uint32_t)lacking;
	r->given.lacks = (uint32_t)lacks;
	r->has_given = true;
	return 0;
}

static int read_strata(struct gate_record *r, const struct json_doc *d, const char *name, struct err *e)
{
	const struct json *strata;

	if (json_want_array(d, d->root, "strata", r->format == 1 ? SEQUENCE_STRATA_MAX : STRATA_MAX, &strata, e) < 0)
		return e->code;
	if (r->format == 1)
		return read_names(r, d, strata, e);
	return read_plan(r, d, strata, name, e) < 0 || read_given(r, d, e) < 0 ? e->code : 0;
}

/* ---- silence ---- */

static int read_before(struct silence *s, const struct json_doc *d, const struct json *silence, struct err *e)
{
	static const char *const keys[] = { "armed", "max", "w", NULL };
	const struct json *o = NULL, *w;
	int64_t armed;

	if (json_may_object(d, silence, "before", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	if (json_only(d, o, keys, e) < 0 || json_want_int(d, o, "armed", 1, INT64_MAX / 4, &armed, e) < 0 ||
	    json_want_array(d, o, "w", SILENCE_RATIOS, &w, e) < 0)
		return e->code;
	if (w->count != SILENCE_RATIOS || !json_get(o, "max"))
		return json_error(d, o, e, ERR_FORMAT, "wanted max and %d numbers w", SILENCE_RATIOS);
	s->armed = (uint64_t)armed;
	for (int i = 0; i < SILENCE_RATIOS; i++)
		if (read_real(d, &w->u.items[i], &s->w[i], e) < 0)
			return e->code;
	return read_real(d, json_get(o, "max"), &s->max, e);
}

static int read_silenced(struct gate_record *r, struct gate_silenced *out, const struct json_doc *d, const struct json *v, struct err *e)
{
	const int64_t most[SILENCED_COLUMNS] = { 0, INT64_MAX / 4, (int64_t)r->strata_count - 1, 1, UINT32_MAX, UINT32_MAX };
	int64_t n[SILENCED_COLUMNS];

	if (v->type != JSON_ARRAY || v->count != SILENCED_COLUMNS || !device_id(out->device, &v->u.items[0]))
		return json_error(d, v, e, ERR_FORMAT, "a silent endpoint is a device of %d hex digits and %d numbers", GATE_RECORD_DEVICE,
				  SILENCED_COLUMNS - 1);
	for (size_t k = 1; k < SILENCED_COLUMNS; k++)
		if (!json_to_int(&v->u.items[k], &n[k]) || n[k] < 0 || n[k] > most[k])
			return json_error(d, &v->u.items[k], e, ERR_FORMAT, "wanted a number from 0 to %lld", (long long)most[k]);
	out->at = n[1];
	out->group = (uint32_t)n[2];
	out->treated = n[3];
	out->at_risk = (uint32_t)n[4];
	out->waiting = (uint32_t)n[5];
	return 0;
}

static int read_silence(struct gate_record *r, const struct json_doc *d, struct err *e)
{
	static const char *const keys[] = { "at_risk", "waiting", "before", "events", NULL };
	const struct json *o, *events;
	int64_t at_risk, waiting;

	silence_init(&r->silence_before);
	if (r->format == 1)
		return 0;
	if (json_want_object(d, d->root, "silence", &o, e) < 0 || json_only(d, o, keys, e) < 0 ||
	    json_want_int(d, o, "at_risk", 0, UINT32_MAX, &at_risk, e) < 0 || json_want_int(d, o, "waiting", 0, UINT32_MAX, &waiting, e) < 0 ||
	    read_before(&r->silence_before, d, o, e) < 0 || json_want_array(d, o, "events", GATE_RECORD_SILENCED, &events, e) < 0)
		return e->code;
	r->at_risk = (uint32_t)at_risk;
	r->waiting = (uint32_t)waiting;
	r->silenced = calloc((size_t)events->count + 1, sizeof *r->silenced);
	if (!r->silenced)
		return err_memory(e);
	for (; r->silenced_count < events->count; r->silenced_count++)
		if (read_silenced(r, &r->silenced[r->silenced_count], d, &events->u.items[r->silenced_count], e) < 0)
			return e->code;
	return 0;
}

/* ---- effects ---- */

static int read_sums(const struct json_doc *d, const struct json *v, uint32_t from, uint32_t count, int64_t *out, struct err *e)
{
	if (v->type != JSON_ARRAY || v->count != from + count)
		return json_error(d, v, e, ERR_FORMAT, "wanted %u numbers", count);
	for (uint32_t i = 0; i < count; i++)
		if (!json_to_int(&v->u.items[from + i], &out[i]) || out[i] < 0 || out[i] > INT64_MAX / 2)
			return json_error(d, &v->u.items[from + i], e, ERR_FORMAT, "wanted a number from 0 on");
	return 0;
}

static int read_rules(struct effects_sums *s, const struct json_doc *d, const struct json *rules, struct err *e)
{
	for (; s->rule_count < rules->count; s->rule_count++) {
		const struct json *v = &rules->u.items[s->rule_count];
		struct effects_rule_sum *r = &s->rules[s->rule_count];

		if (read_sums(d, v, 1, EFFECTS_SIDES, r->n, e) < 0)
			return e->code;
		if (v->u.items[0].type != JSON_STRING || v->u.items[0].count > RULE_LEN_MAX || strlen(v->u.items[0].u.text) != v->u.items[0].count)
			return json_error(d, v, e, ERR_FORMAT, "a rule's id is a text of at most %d bytes", RULE_LEN_MAX);
		memcpy(r->rule, v->u.items[0].u.text, v->u.items[0].count + 1);
	}
	return 0;
}

static int read_effects(struct gate_record *r, const struct json_doc *d, struct err *e)
{
	static const char *const keys[] = { "hosts", "figures", "rules", NULL };
	const struct json *o = NULL, *hosts, *figures, *rules;
	int64_t n[2 * EFFECTS_SIDES];

	if (r->format == 1)
		return 0;
	if (!json_get(d->root, "effects"))
		return json_error(d, d->root, e, ERR_FORMAT, "no member \"effects\"");
	if (json_may_object(d, d->root, "effects", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	r->effects = calloc(1, sizeof *r->effects);
	if (!r->effects)
		return err_memory(e);
	r->facts.effects = r->effects;
	if (json_only(d, o, keys, e) < 0 || json_want_array(d, o, "hosts", EFFECTS_SIDES, &hosts, e) < 0 ||
	    json_want_array(d, o, "figures", EFFECTS_FIGURES, &figures, e) < 0 ||
	    json_want_array(d, o, "rules", EFFECTS_RAIL_RULES, &rules, e) < 0 || read_sums(d, hosts, 0, EFFECTS_SIDES, r->effects->hosts, e) < 0)
		return e->code;
	if (figures->count != EFFECTS_FIGURES)
		return json_error(d, figures, e, ERR_FORMAT, "wanted %d figures", EFFECTS_FIGURES);
	for (uint32_t i = 0; i < EFFECTS_FIGURES; i++) {
		if (read_sums(d, &figures->u.items[i], 0, 2 * EFFECTS_SIDES, n, e) < 0)
			return e->code;
		for (int side = 0; side < EFFECTS_SIDES; side++)
			r->effects->of[side][i] = (struct effects_sum){ n[2 * side], n[2 * side + 1] };
	}
	return read_rules(r->effects, d, rules, e);
}

/* ---- numbers and words ---- */

static int read_numbers(struct gate_record *r, const struct json_doc *d, struct err *e)
{
	int64_t n;

	for (size_t i = 0; i < gate_counts_len; i++) {
		const struct gate_count *c = &gate_counts[i];

		if (c->since > r->format || (c->since == GATE_RECORD_LATER && !json_get(d->root, c->key)))
			continue;
		if (json_want_int(d, d->root, c->key, c->since == GATE_RECORD_LATER, c->wide ? INT64_MAX / 4 : UINT32_MAX, &n, e) < 0)
			return e->code;
		if (c->wide)
			*AT(int64_t, &r->facts, c->offset) = n;
		else
			*AT(uint32_t, &r->facts, c->offset) = (uint32_t)n;
	}
	for (size_t i = 0; i < gate_flags_len; i++)
		if ((gate_flags[i].until >= r->format || (gate_flags[i].until == GATE_RECORD_LATER && json_get(d->root, gate_flags[i].key))) &&
		    json_want_bool(d, d->root, gate_flags[i].key, AT(bool, &r->facts, gate_flags[i].offset), e) < 0)
			return e->code;
	for (size_t i = 0; i < gate_flags_len; i++)
		if (gate_flags[i].until == GATE_RECORD_LATER && json_get(d->root, gate_flags[i].key) && !*AT(bool, &r->facts, gate_flags[i].offset))
			return json_error(d, json_get(d->root, gate_flags[i].key), e, ERR_FORMAT, "%s is true or missing", gate_flags[i].key);
	return 0;
}

static int read_words(struct gate_record *r, const struct json_doc *d, struct err *e)
{
	static const char *const verdicts[] = { "continue", "hold", "pass", "halt" };
	const char *kind, *verdict, *cause;
	int known;

	if (json_want_text(d, d->root, "kind", 16, &kind, e) < 0 || json_want_text(d, d->root, "verdict", 16, &verdict, e) < 0 ||
	    json_want_text(d, d->root, "cause", 32, &cause, e) < 0 ||
	    field_want_text(d, d->root, "sentence", r->sentence, sizeof r->sentence - 1, e) < 0 ||
	    field_want_text(d, d->root, "event", r->event, GATE_RECORD_EVENT, e) < 0)
		return e->code;
	if (strcmp(kind, "gate-record") != 0)
		return json_error(d, json_get(d->root, "kind"), e, ERR_FORMAT, "wanted \"gate-record\"");
	known = verdict_cause_parse(cause);
	if (known < 0)
		return json_error(d, json_get(d->root, "cause"), e, ERR_FORMAT, "no cause of a verdict");
	r->cause = (enum verdict_cause)known;
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		if (strcmp(verdict, verdicts[i]) == 0) {
			r->verdict = (enum verdict)i;
			return 0;
		}
	return json_error(d, json_get(d->root, "verdict"), e, ERR_FORMAT, "no verdict");
}

/* The policy's own words decide: which ring it is, and by which numbers it is judged. */
static int read_policy(struct gate_record *r, const struct json_doc *d, const char *name, struct err *e)
{
	const char *text;

	if (json_want_text(d, d->root, "policy", POLICY_MAX, &text, e) < 0)
		return e->code;
	if (!(r->policy_text = strdup(text)))
		return err_memory(e);
	if (policy_parse(&r->policy, "pinned policy", text, strlen(text), e) < 0)
		return err_wrap(e, "%s", name);
	if ((size_t)r->position >= r->policy->count || strcmp(r->policy->rings[r->position].name, r->ring) != 0 ||
	    strcmp(r->policy->channel, r->channel) != 0)
		return err_set(e, ERR_REFUSED, "%s: ring %s of channel %s is not ring %lld of its policy", name, r->ring, r->channel,
			       (long long)r->position + 1);
	r->facts.ring = &r->policy->rings[r->position];
	r->facts.first = r->position == 0;
	if (r->format > 1)
		r->facts.background_known = r->facts.placebos_lost <= r->facts.placebos &&
					    gate_background_known(r->facts.ring->p0, (uint64_t)r->facts.placebos, (uint64_t)r->facts.placebos_lost);
	return 0;
}

static int check_canonical(const struct json_doc *d, const char *name, const char *text, size_t len, struct err *e)
{
	AUTO(buf) struct buf *again = buf_new(GATE_RECORD_MAX);

	if (!again)
		return err_memory(e);
	if (json_canonical(again, d->root, e) < 0 || buf_check(again, e) < 0)
		return err_wrap(e, "%s", name);
	if (again->len != len || memcmp(again->data, text, len) != 0)
		return err_set(e, ERR_FORMAT, "%s: not in canonical form", name);
	return 0;
}

int gate_record_parse(struct gate_record **out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = GATE_RECORD_MAX, .depth = GATE_RECORD_DEPTH };
	AUTO(json) struct json_doc *d = NULL;
	AUTO(gate_record) struct gate_record *r = calloc(1, sizeof *r);

	if (!r)
		return err_memory(e);
	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_int(d, d->root, "format", 1, GATE_RECORD_FORMAT, &r->format, e) < 0 ||
	    json_only(d, d->root, r->format == 1 ? members_1 : members, e) < 0 || check_canonical(d, name, text, len, e) < 0 ||
	    field_want_count(d, d->root, "rollout", 1, &r->rollout, e) < 0 || field_want_count(d, d->root, "attempt", 1, &r->attempt, e) < 0 ||
	    field_want_name(d, d->root, "channel", r->channel, e) < 0 || field_want_name(d, d->root, "ring", r->ring, e) < 0 ||
	    json_want_int(d, d->root, "position", 0, POLICY_RINGS_MAX - 1, &r->position, e) < 0 ||
	    json_want_int(d, d->root, "quiet_until", 0, INT64_MAX / 4, &r->quiet_until, e) < 0 || read_bundle(&r->bundle, d, e) < 0 ||
	    read_words(r, d, e) < 0 || read_numbers(r, d, e) < 0 || read_strata(r, d, name, e) < 0 ||
	    read_policy(r, d, name, e) < 0 || read_offers(r, d, name, e) < 0 || read_silence(r, d, e) < 0 || read_effects(r, d, e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}
