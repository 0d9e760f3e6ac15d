#include "rollout/policy.h"

#include <stdlib.h>
#include <string.h>

#include "rollout/field.h"
#include "rollout/gate.h"

#define HOUR 3600
#define DAY (24 * HOUR)
#define YEAR (366 * DAY)
#define SILENCE_LEAST (15 * 60) /* the boot allowance */
#define COUNT_MAX 1000000000
#define BOOT_S 120              /* a boot takes that at least: the sensor must be up so long before it counts */
#define COVERAGE_LEAST 3        /* survivors of a coverage pass, as rollout/verdict asks */

/* The shipped gates, by the ring's place; later rings are like the last row. */
static const struct policy_ring defaults[] = {
	{ .p0 = 0.005, .p1 = 0.2, .alpha = 0.005, .beta = 1e-2, .m0 = 10, .cap = 50, .soak_s = HOUR,
	  .deadline_s = DAY, .min_age_s = 0 },
	{ .p0 = 0.002, .p1 = 0.03, .alpha = 0.005, .beta = 1e-3, .m0 = 50, .cap = 2000, .soak_s = 4 * HOUR,
	  .deadline_s = 3 * DAY, .min_age_s = HOUR },
	{ .p0 = 0.001, .p1 = 0.01, .alpha = 0.005, .beta = 1e-4, .m0 = 500, .cap = 250000, .soak_s = 0,
	  .deadline_s = 14 * DAY, .min_age_s = 4 * HOUR },
};

static void ring_default(struct policy_ring *out, size_t place)
{
	*out = defaults[MIN(place, ARRAY_LEN(defaults) - 1)];
	out->observe_s = HOUR;
	out->boots = 0;         /* docs/decisions/0014: where machines restart by themselves, ask for one */
	out->probation_s = 600;
	out->coverage = COVERAGE_AUTO;
	out->promote = PROMOTE_AUTO;
	out->permit_required = true;
	out->effects_ratio = 5;
	out->effects_least = 100;
	out->effects = EFFECTS_HOLD;
}

/* One row per number of a ring: parse, write and bounds from the same place. */
static const struct {
	const char *key;
	size_t offset;
	int64_t min, max;
} numbers[] = {
	{ "m0", offsetof(struct policy_ring, m0), 1, COUNT_MAX },
	{ "cap", offsetof(struct policy_ring, cap), 1, COUNT_MAX },
	{ "soak_s", offsetof(struct policy_ring, soak_s), 0, YEAR },
	{ "observe_s", offsetof(struct policy_ring, observe_s), 1, YEAR },
	{ "deadline_s", offsetof(struct policy_ring, deadline_s), 1, YEAR },
	{ "boots", offsetof(struct policy_ring, boots), 0, 16 },
	{ "probation_s", offsetof(struct policy_ring, probation_s), 0, YEAR },
	{ "min_age_s", offsetof(struct policy_ring, min_age_s), 0, YEAR },
	{ "effects_least", offsetof(struct policy_ring, effects_least), 1, COUNT_MAX },
};

static const struct {
	const char *key;
	size_t offset;
} rates[] = {
	{ "p0", offsetof(struct policy_ring, p0) },
	{ "p1", offsetof(struct policy_ring, p1) },
	{ "alpha", offsetof(struct policy_ring, alpha) },
	{ "beta", offsetof(struct policy_ring, beta) },
};

static const char *const coverages[] = { [COVERAGE_AUTO] = "auto", [COVERAGE_APPROVE] = "approve" };
static const char *const promotes[] = { [PROMOTE_AUTO] = "auto", [PROMOTE_MANUAL] = "manual" };
static const char *const effects[] = { [EFFECTS_HOLD] = "hold", [EFFECTS_HALT] = "halt" };
static const char *const permits[] = { "none", "required" };

static const char *const ring_keys[] = { "name", "p0", "p1", "alpha", "beta", "m0", "cap", "soak_s", "observe_s", "deadline_s",
					 "boots", "probation_s", "min_age_s", "coverage", "promote", "permit", "audit_first",
					 "effects", "effects_ratio", "effects_least", NULL };
static const char *const policy_keys[] = { "format", "needs", "channel", "checkin_s", "rings", NULL };

#define AT(type, base, offset) ((type *)(void *)((char *)(base) + (offset)))

/* One of two words; absent leaves *out. */
static int parse_choice(const struct json_doc *d, const struct json *o, const char *key, const char *const words[2], int *out,
			struct err *e)
{
	const char *text = NULL;

	if (json_may_text(d, o, key, 16, &text, e) < 0)
		return e->code;
	if (!text)
		return 0;
	for (int i = 0; i < 2; i++)
		if (strcmp(text, words[i]) == 0) {
			*out = i;
			return 0;
		}
	return json_error(d, json_get(o, key), e, ERR_FORMAT, "%s is \"%s\" or \"%s\"", key, words[0], words[1]);
}

static int parse_ring(struct policy_ring *r, size_t place, const struct json_doc *d, const struct json *o, struct err *e)
{
	int coverage, promote, permit, effect;

	ring_default(r, place);
	coverage = r->coverage;
	promote = r->promote;
	permit = r->permit_required;
	effect = r->effects;
	if (json_only(d, o, ring_keys, e) < 0 || field_want_name(d, o, "name", r->name, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		if (json_may_double(d, o, rates[i].key, 1e-9, 1, AT(double, r, rates[i].offset), e) < 0)
			return e->code;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (json_may_int(d, o, numbers[i].key, numbers[i].min, numbers[i].max, AT(int64_t, r, numbers[i].offset), e) < 0)
			return e->code;
	if (parse_choice(d, o, "coverage", coverages, &coverage, e) < 0 ||
	    parse_choice(d, o, "promote", promotes, &promote, e) < 0 || parse_choice(d, o, "permit", permits, &permit, e) < 0 ||
	    json_may_bool(d, o, "audit_first", &r->audit_first, e) < 0 || parse_choice(d, o, "effects", effects, &effect, e) < 0 ||
	    json_may_double(d, o, "effects_ratio", 0, 1e6, &r->effects_ratio, e) < 0)
		return e->code;
	r->coverage = coverage;
	r->promote = promote;
	r->permit_required = permit;
	r->effects = effect;
	return 0;
}

static int parse_rings(struct policy *p, const struct json_doc *d, struct err *e)
{
	const struct json *rings;

	if (json_want_array(d, d->root, "rings", POLICY_RINGS_MAX, &rings, e) < 0)
		return e->code;
	for (size_t i = 0; i < rings->count; i++) {
		if (rings->u.items[i].type != JSON_OBJECT)
			return json_error(d, &rings->u.items[i], e, ERR_FORMAT, "a ring is an object");
		if (parse_ring(&p->rings[i], i, d, &rings->u.items[i], e) < 0)
			return e->code;
		p->count = i + 1;
	}
	return 0;
}

int policy_parse(struct policy **out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = POLICY_MAX, .depth = 16 };
	AUTO(json) struct json_doc *d = NULL;
	AUTO(policy) struct policy *p = calloc(1, sizeof *p);

	if (!p)
		return err_memory(e);
	p->checkin_s = 300;
	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 ||
	    json_only(d, d->root, policy_keys, e) < 0 || field_want_name(d, d->root, "channel", p->channel, e) < 0 ||
	    json_may_int(d, d->root, "checkin_s", 1, DAY, &p->checkin_s, e) < 0 || parse_rings(p, d, e) < 0)
		return e->code;
	if (policy_check(p, e) < 0)
		return err_wrap(e, "%s", name);
	*out = TAKE(p);
	return 0;
}

void policy_free(struct policy *p)
{
	free(p);
}

static void write_ring(struct json_writer *w, const struct policy_ring *r)
{
	json_open_object(w, NULL);
	json_put_text(w, "name", r->name);
	for (size_t i = 0; i < ARRAY_LEN(rates); i++)
		json_put_double(w, rates[i].key, *AT(const double, r, rates[i].offset));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		json_put_int(w, numbers[i].key, *AT(const int64_t, r, numbers[i].offset));
	json_put_text(w, "coverage", coverages[r->coverage]);
	json_put_text(w, "promote", promotes[r->promote]);
	json_put_text(w, "permit", permits[r->permit_required]);
	json_put_bool(w, "audit_first", r->audit_first);
	json_put_text(w, "effects", effects[r->effects]);
	json_put_double(w, "effects_ratio", r->effects_ratio);
	json_close_object(w);
}

int policy_write(struct buf *out, const struct policy *p, struct err *e)
{
	struct json_writer w = { .out = out, .indent = true };

	if (policy_check(p, e) < 0)
		return e->code;
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "channel", p->channel);
	json_put_int(&w, "checkin_s", p->checkin_s);
	json_open_array(&w, "rings");
	for (size_t i = 0; i < p->count; i++)
		write_ring(&w, &p->rings[i]);
	json_close_array(&w);
	json_close_object(&w);
	return buf_check(out, e);
}

int policy_default(struct policy **out, const char *channel, const char *const *rings, size_t count, struct err *e)
{
	AUTO(policy) struct policy *p = calloc(1, sizeof *p);

	if (!p)
		return err_memory(e);
	if (!name_valid(channel, strlen(channel)))
		return err_set(e, ERR_USAGE, "\"%s\" is not a channel's name", channel);
	if (count > POLICY_RINGS_MAX)
		return err_set(e, ERR_LIMIT, "%zu rings: at most %d", count, POLICY_RINGS_MAX);
	memcpy(p->channel, channel, strlen(channel) + 1);
	p->checkin_s = 300;
	for (p->count = 0; p->count < count; p->count++) {
		if (!name_valid(rings[p->count], strlen(rings[p->count])))
			return err_set(e, ERR_USAGE, "\"%s\" is not a ring's name", rings[p->count]);
		ring_default(&p->rings[p->count], p->count);
		memcpy(p->rings[p->count].name, rings[p->count], strlen(rings[p->count]) + 1);
	}
	if (policy_check(p, e) < 0)
		return e->code;
	*out = TAKE(p);
	return 0;
}

int policy_position(const struct policy *p, const char *ring)
{
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->rings[i].name, ring) == 0)
			return (int)i;
	return -1;
}

const struct policy_ring *policy_find(const struct policy *p, const char *ring)
{
	int at = policy_position(p, ring);

	return at < 0 ? NULL : &p->rings[at];
}

int64_t policy_silence_s(const struct policy *p)
{
	return MAX(3 * p->checkin_s, SILENCE_LEAST);
}

static int check_ring(const struct policy *p, const struct policy_ring *r, struct err *e)
{
	int64_t least = r->probation_s + policy_silence_s(p);

	if (!(r->p0 >= 1e-6 && r->p1 <= 0.99 && r->p1 >= 2 * r->p0))
		return err_set(e, ERR_REFUSED, "ring %s: p0 %g and p1 %g: wanted 0.000001 <= p0, 2 p0 <= p1 <= 0.99", r->name, r->p0, r->p1);
	if (!(r->alpha > 0 && r->alpha <= 0.2) || !(r->beta > 0 && r->beta <= 0.2))
		return err_set(e, ERR_REFUSED, "ring %s: alpha %g and beta %g: wanted above 0 and at most 0.2", r->name, r->alpha, r->beta);
	if (r->effects_ratio > 0 && r->effects_ratio < 1)
		return err_set(e, ERR_REFUSED, "ring %s: effects_ratio %g: wanted 0, or from 1 on", r->name, r->effects_ratio);
	if (r->m0 < 1 || r->m0 > r->cap)
		return err_set(e, ERR_REFUSED, "ring %s: m0 %lld is above cap %lld", r->name, (long long)r->m0, (long long)r->cap);
	if (r->observe_s < least)
		return err_set(e, ERR_REFUSED, "ring %s: observe_s %lld is shorter than probation_s %lld and the silence of %lld s: at least %lld",
			       r->name, (long long)r->observe_s, (long long)r->probation_s, (long long)policy_silence_s(p), (long long)least);
	if (r->deadline_s <= r->observe_s + r->soak_s)
		return err_set(e, ERR_REFUSED, "ring %s: deadline_s %lld leaves no time for observe_s %lld and soak_s %lld", r->name,
			       (long long)r->deadline_s, (long long)r->observe_s, (long long)r->soak_s);
	return 0;
}

int policy_check(const struct policy *p, struct err *e)
{
	if (p->count == 0)
		return err_set(e, ERR_REFUSED, "a policy needs at least one ring");
	for (size_t i = 0; i < p->count; i++) {
		if (policy_position(p, p->rings[i].name) != (int)i)
			return err_set(e, ERR_REFUSED, "ring %s is listed twice", p->rings[i].name);
		if (check_ring(p, &p->rings[i], e) < 0)
			return e->code;
	}
	return 0;
}

/* Waves of offers until every member has survived: each wave at most doubles what is in flight. */
static int64_t waves(const struct policy_ring *r, int64_t members)
{
	int64_t covered = 0, n = 0;

	while (covered < members) {
		int64_t m = MAX(MIN(r->cap, MAX(r->m0, covered)), 1);

		n++;
		if (m == r->cap)        /* from here on they are alike */
			return n + (members - covered - 1) / m;
		covered += m;
	}
	return n;
}

/* From the offer to the proof, for an endpoint that restarts at once when it must. */
static int64_t proof_s(const struct policy_ring *r)
{
	return r->probation_s + r->boots * BOOT_S;
}

void policy_exposure(struct policy_exposure *out, const struct policy *p, size_t ring, int64_t members)
{
	const struct policy_ring *r = &p->rings[ring];
	int64_t wanted;

	out->clean_to_pass = (int64_t)gate_clean_to_pass(r->p0, r->p1, r->beta);
	out->failures_to_halt = (int64_t)gate_failures_to_halt(r->p0, r->p1, POLICY_SHARE_POOLED * r->alpha, 0);
	out->worst_exposed = members > 0 ? MIN(r->m0, members) : r->m0;
	out->by_coverage = members > 0 && members < out->clean_to_pass;
	wanted = members > 0 ? members : out->clean_to_pass;
	/* the last wave starts after the pass and its soak, unless all were offered before */
	out->best_s = waves(r, wanted) * proof_s(r) + r->soak_s;
}

int policy_check_size(const struct policy *p, size_t ring, int64_t members, struct err *e)
{
	const struct policy_ring *r = &p->rings[ring];
	int64_t clean = (int64_t)gate_clean_to_pass(r->p0, r->p1, r->beta), least;

	if (members <= 0)
		return 0;
	if (members < COVERAGE_LEAST)
		return err_set(e, ERR_REFUSED, "ring %s: with %lld endpoints it can never pass: its bound needs %lld survivors and a coverage pass %d",
			       r->name, (long long)members, (long long)clean, COVERAGE_LEAST);
	least = waves(r, MIN(clean, members)) * proof_s(r) + r->soak_s;
	if (least >= r->deadline_s)
		return err_set(e, ERR_REFUSED, "ring %s: with %lld endpoints it passes after %lld s at best, and its deadline is %lld s", r->name,
			       (long long)members, (long long)least, (long long)r->deadline_s);
	return 0;
}
