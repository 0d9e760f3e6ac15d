#include "rollout/policy.h"

#include <stdlib.h>
#include <string.h>

#include "rollout/field.h"

#define HOUR 3600
#define DAY (24 * HOUR)
#define YEAR (366 * DAY)
#define SILENCE_LEAST (15 * 60) /* the boot allowance */
#define COUNT_MAX 1000000000
#define ROLE_APPROVER "approver"

/* The shipped gates, by the ring's place; later rings are like the last row. */
static const struct policy_ring defaults[] = {
	{ .p0 = 0.005, .p1 = 0.2, .alpha = 0.005, .beta = 1e-2, .m0 = 10, .cap = 50, .soak_s = HOUR,
	  .emergency_soak_s = HOUR / 6, .deadline_s = DAY, .min_age_s = 0 },
	{ .p0 = 0.002, .p1 = 0.03, .alpha = 0.005, .beta = 1e-3, .m0 = 50, .cap = 2000, .soak_s = 4 * HOUR,
	  .emergency_soak_s = HOUR / 2, .deadline_s = 3 * DAY, .min_age_s = HOUR },
	{ .p0 = 0.001, .p1 = 0.01, .alpha = 0.005, .beta = 1e-4, .m0 = 500, .cap = 250000, .soak_s = 0,
	  .deadline_s = 14 * DAY, .min_age_s = 4 * HOUR },
};

/* Of a channel as a whole. */
static void policy_begin(struct policy *p)
{
	p->checkin_s = 300;
	p->emergency = (struct policy_approvals){ .count = 2, .role = ROLE_APPROVER };
}

static void ring_default(struct policy_ring *out, size_t place)
{
	*out = defaults[MIN(place, ARRAY_LEN(defaults) - 1)];
	out->observe_s = HOUR;
	out->boots = 0;         /* docs/decisions/0014: where machines restart by themselves, ask for one */
	out->probation_s = 600;
	out->coverage = COVERAGE_AUTO;
	out->promote = PROMOTE_AUTO;
	memcpy(out->approvals.role, ROLE_APPROVER, sizeof ROLE_APPROVER);
	out->last_share = 0.05;
	out->strata = STRATUM_DEFAULT;
	out->strata_survivors = 5;
	out->strata_covered = POLICY_STRATA_ALL;
	out->permit_required = true;
	out->effects_ratio = 5;
	out->effects_least = 100;
	out->effects_cpu_ms_s = 10;
	out->effects_rss_bytes = 32 << 20;
	out->effects_load_ms = 500;      /* wall time: a busy machine stretches it, once a load */
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
	{ "emergency_soak_s", offsetof(struct policy_ring, emergency_soak_s), 0, YEAR },
	{ "deadline_s", offsetof(struct policy_ring, deadline_s), 1, YEAR },
	{ "boots", offsetof(struct policy_ring, boots), 0, 16 },
	{ "probation_s", offsetof(struct policy_ring, probation_s), 0, YEAR },
	{ "min_age_s", offsetof(struct policy_ring, min_age_s), 0, YEAR },
	{ "strata_survivors", offsetof(struct policy_ring, strata_survivors), 0, 1000 },
	{ "effects_least", offsetof(struct policy_ring, effects_least), 1, COUNT_MAX },
	{ "effects_cpu_ms_s", offsetof(struct policy_ring, effects_cpu_ms_s), 0, 1000000 },
	{ "effects_rss_bytes", offsetof(struct policy_ring, effects_rss_bytes), 0, (int64_t)1 << 50 },
	{ "effects_load_ms", offsetof(struct policy_ring, effects_load_ms), 0, COUNT_MAX },
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
static const char *const strata_keys[STRATUM_KEYS] = {
	[STRATUM_OS] = "os", [STRATUM_SENSOR_VERSION] = "sensor_version", [STRATUM_LOCALE] = "locale",
	[STRATUM_ARCH] = "arch", [STRATUM_SENSOR] = "sensor",
};
static const char *const approver_roles[] = { ROLE_APPROVER, "operator", "admin" };

static const char *const ring_keys[] = { "name", "p0", "p1", "alpha", "beta", "m0", "cap", "soak_s", "observe_s", "deadline_s",
					 "boots", "probation_s", "min_age_s", "coverage", "promote", "permit", "audit_first",
					 "effects", "effects_ratio", "effects_least", "effects_cpu_ms_s", "effects_rss_bytes",
					 "effects_load_ms", "emergency_soak_s", "last_share", "strata", "strata_survivors",
					 "strata_covered", "approvals", "windows", "freezes", "lag", NULL };
static const char *const policy_keys[] = { "format", "needs", "channel", "checkin_s", "emergency", "rings", NULL };

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

/* ["os","locale"]; absent leaves *out. */
static int parse_strata(unsigned *out, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *list = NULL;
	unsigned keys = 0;

	if (json_may_array(d, o, "strata", STRATUM_KEYS, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct json *v = &list->u.items[i];
		size_t key = 0;

		while (key < STRATUM_KEYS && !(v->type == JSON_STRING && strcmp(v->u.text, strata_keys[key]) == 0))
			key++;
		if (key == STRATUM_KEYS || keys & 1u << key)
			return json_error(d, v, e, ERR_FORMAT, "strata are told apart by os, sensor_version, locale, arch and sensor, each once");
		keys |= 1u << key;
	}
	if (list && !keys)
		return json_error(d, list, e, ERR_FORMAT, "strata are told apart by one thing at least");
	if (list)
		*out = keys;
	return 0;
}

/* {"count":2,"role":"approver"}; what is absent stays. */
static int parse_approvals(struct policy_approvals *a, const char *key, int64_t least, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const keys[] = { "count", "role", NULL };
	const struct json *v = NULL;
	const char *role = NULL;

	if (json_may_object(d, o, key, &v, e) < 0)
		return e->code;
	if (!v)
		return 0;
	if (json_only(d, v, keys, e) < 0 || json_want_int(d, v, "count", least, POLICY_APPROVALS_MAX, &a->count, e) < 0 ||
	    json_may_text(d, v, "role", POLICY_ROLE_MAX, &role, e) < 0)
		return e->code;
	for (size_t i = 0; role && i < ARRAY_LEN(approver_roles); i++)
		if (strcmp(role, approver_roles[i]) == 0) {
			memcpy(a->role, role, strlen(role) + 1);
			return 0;
		}
	return role ? json_error(d, json_get(v, "role"), e, ERR_FORMAT, "role is \"approver\", \"operator\" or \"admin\"") : 0;
}

static int parse_lag(struct policy_ring *r, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const keys[] = { "bundles", "hours", NULL };
	const struct json *v = NULL;

	if (json_may_object(d, o, "lag", &v, e) < 0)
		return e->code;
	if (v && (json_only(d, v, keys, e) < 0 || json_may_int(d, v, "bundles", 0, 100, &r->lag_bundles, e) < 0 ||
		  json_may_int(d, v, "hours", 0, YEAR / HOUR, &r->lag_hours, e) < 0))
		return e->code;
	return 0;
}

/* The members that are no single number or word. */
static int parse_parts(struct policy_ring *r, const struct json_doc *d, const struct json *o, struct err *e)
{
	if (json_may_double(d, o, "last_share", 0, 0.5, &r->last_share, e) < 0 ||
	    json_may_int(d, o, "strata_covered", 0, COUNT_MAX, &r->strata_covered, e) < 0 || parse_strata(&r->strata, d, o, e) < 0 ||
	    parse_approvals(&r->approvals, "approvals", 0, d, o, e) < 0 || parse_lag(r, d, o, e) < 0 || calendar_parse(&r->calendar, d, o, e) < 0)
		return e->code;
	return 0;
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
	    json_may_double(d, o, "effects_ratio", 0, 1e6, &r->effects_ratio, e) < 0 || parse_parts(r, d, o, e) < 0)
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
		p->count = i + 1;
		if (parse_ring(&p->rings[i], i, d, &rings->u.items[i], e) < 0)
			return e->code;
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
	policy_begin(p);
	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 ||
	    json_only(d, d->root, policy_keys, e) < 0 || field_want_name(d, d->root, "channel", p->channel, e) < 0 ||
	    json_may_int(d, d->root, "checkin_s", 1, DAY, &p->checkin_s, e) < 0 ||
	    parse_approvals(&p->emergency, "emergency", 1, d, d->root, e) < 0 || parse_rings(p, d, e) < 0)
		return e->code;
	if (policy_check(p, e) < 0)
		return err_wrap(e, "%s", name);
	*out = TAKE(p);
	return 0;
}

void policy_free(struct policy *p)
{
	for (size_t i = 0; p && i < p->count; i++)
		calendar_release(&p->rings[i].calendar);
	free(p);
}

int policy_resolve(struct policy *p, struct err *e)
{
	for (size_t i = 0; i < p->count; i++)
		if (calendar_resolve(&p->rings[i].calendar, e) < 0)
			return err_wrap(e, "ring %s", p->rings[i].name);
	return 0;
}

static void write_approvals(struct json_writer *w, const char *key, const struct policy_approvals *a)
{
	json_open_object(w, key);
	json_put_int(w, "count", a->count);
	json_put_text(w, "role", a->role);
	json_close_object(w);
}

static void write_parts(struct json_writer *w, const struct policy_ring *r)
{
	json_put_double(w, "last_share", r->last_share);
	json_open_array(w, "strata");
	for (int i = 0; i < STRATUM_KEYS; i++)
		if (r->strata & 1u << i)
			json_put_text(w, NULL, strata_keys[i]);
	json_close_array(w);
	if (r->strata_covered == POLICY_STRATA_ALL)
		json_put_null(w, "strata_covered");
	else
		json_put_int(w, "strata_covered", r->strata_covered);
	write_approvals(w, "approvals", &r->approvals);
	json_open_object(w, "lag");
	json_put_int(w, "bundles", r->lag_bundles);
	json_put_int(w, "hours", r->lag_hours);
	json_close_object(w);
	calendar_write(w, &r->calendar);
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
	write_parts(w, r);
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
	write_approvals(&w, "emergency", &p->emergency);
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
	policy_begin(p);
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

/* What a ring's place asks: the first waits for no other, and who is never asked keeps no hours. */
static int check_place(const struct policy_ring *r, size_t place, struct err *e)
{
	if (place == 0 && (r->lag_bundles || r->lag_hours))
		return err_set(e, ERR_REFUSED, "ring %s: the first ring lags behind nothing", r->name);
	if (!r->permit_required && !calendar_always(&r->calendar))
		return err_set(e, ERR_REFUSED, "ring %s: windows and freezes need permits, and permit is \"none\"", r->name);
	return 0;
}

int policy_check(const struct policy *p, struct err *e)
{
	if (p->count == 0)
		return err_set(e, ERR_REFUSED, "a policy needs at least one ring");
	for (size_t i = 0; i < p->count; i++) {
		if (policy_position(p, p->rings[i].name) != (int)i)
			return err_set(e, ERR_REFUSED, "ring %s is listed twice", p->rings[i].name);
		if (check_ring(p, &p->rings[i], e) < 0 || check_place(&p->rings[i], i, e) < 0)
			return e->code;
	}
	return 0;
}
