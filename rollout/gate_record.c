#include "rollout/gate_record.h"

#include <stdlib.h>
#include <string.h>

#include "rollout/checkin.h"
#include "rollout/field.h"

#define COLUMNS 11              /* of one offer */

const char gate_run_letters[OUTCOME_COUNT] = "psflaev";

/* The numbers of a record, in one place for both directions. */
static const struct {
	const char *key;
	size_t offset;
	bool wide;              /* int64_t, else uint32_t */
} counts[] = {
	{ "began", offsetof(struct verdict_facts, began), true },
	{ "bound_at", offsetof(struct verdict_facts, bound_at), true },
	{ "checkins_expected", offsetof(struct verdict_facts, checkins_expected), true },
	{ "checkins_seen", offsetof(struct verdict_facts, checkins_seen), true },
	{ "at", offsetof(struct verdict_facts, now), true },
	{ "eligible", offsetof(struct verdict_facts, eligible), false },
	{ "members_away", offsetof(struct verdict_facts, members_away), false },
	{ "members_survived", offsetof(struct verdict_facts, members_survived), false },
};

static const struct {
	const char *key;
	size_t offset;
} flags[] = {
	{ "content_crash", offsetof(struct verdict_facts, content_crash) },
	{ "declined", offsetof(struct verdict_facts, declined) },
	{ "background_known", offsetof(struct verdict_facts, background_known) },
	{ "operator_hold", offsetof(struct verdict_facts, operator_hold) },
	{ "coverage_approved", offsetof(struct verdict_facts, coverage_approved) },
	{ "continue_anyway", offsetof(struct verdict_facts, continue_anyway) },
};

static const char *const members[] = {
	"format", "kind", "rollout", "channel", "ring", "position", "attempt", "bundle", "policy", "at", "event", "began",
	"bound_at", "quiet_until", "eligible", "members_away", "members_survived", "checkins_expected", "checkins_seen",
	"content_crash", "declined", "background_known", "operator_hold", "coverage_approved", "continue_anyway", "strata",
	"offers", "runs", "verdict", "cause", "sentence", NULL,
};
static const char *const bundle_members[] = { "path", "serial", "version", "digest", NULL };

/* The times of one offer, in the order of its columns. */
static const size_t times[] = {
	offsetof(struct outcome_facts, offered), offsetof(struct outcome_facts, last_seen),
	offsetof(struct outcome_facts, goodbye), offsetof(struct outcome_facts, renewed),
	offsetof(struct outcome_facts, survived), offsetof(struct outcome_facts, failed),
	offsetof(struct outcome_facts, environment), offsetof(struct outcome_facts, lost),
};

#define AT(type, base, offset) ((type *)(void *)((char *)(base) + (offset)))
#define AT_CONST(type, base, offset) ((const type *)(const void *)((const char *)(base) + (offset)))

int gate_record_new(struct gate_record **out, const char *policy_text, uint32_t offers, uint32_t strata, struct err *e)
{
	AUTO(gate_record) struct gate_record *r = calloc(1, sizeof *r);

	if (!r || !(r->policy_text = strdup(policy_text)) || !(r->strata = calloc((size_t)strata + 1, sizeof *r->strata)))
		return err_memory(e);
	if (offers && !(r->offers = calloc(offers, sizeof *r->offers)))
		return err_memory(e);
	r->offer_count = offers;
	r->strata_count = strata;
	if (policy_parse(&r->policy, "pinned policy", policy_text, strlen(policy_text), e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}

void gate_record_free(struct gate_record *r)
{
	if (!r)
		return;
	for (uint32_t i = 0; i < r->strata_count; i++)
		free(r->strata[i]);
	free(r->strata);
	free(r->offers);
	free(r->runs);
	free(r->policy_text);
	policy_free(r->policy);
	free(r);
}

void gate_runs_add(struct buf *out, uint32_t count, enum outcome o)
{
	buf_addf(out, "%u%c", count, gate_run_letters[o]);
}

/* ---- writing ---- */

static void write_offers(struct json_writer *w, const struct gate_record *r)
{
	if (r->runs) {
		json_put_null(w, "offers");
		json_put_text(w, "runs", r->runs);
		return;
	}
	json_open_array(w, "offers");
	for (uint32_t i = 0; i < r->offer_count; i++) {
		const struct gate_offer *o = &r->offers[i];

		json_open_array(w, NULL);
		json_put_text(w, NULL, o->device);
		json_put_int(w, NULL, o->stratum);
		for (size_t k = 0; k < ARRAY_LEN(times); k++)
			json_put_int(w, NULL, *AT_CONST(int64_t, &o->facts, times[k]));
		json_put_int(w, NULL, o->facts.voided);
		json_close_array(w);
	}
	json_close_array(w);
	json_put_null(w, "runs");
}

static void write_bundle(struct json_writer *w, const struct bundle_ref *b)
{
	json_open_object(w, "bundle");
	json_put_text(w, "path", b->path);
	json_put_int(w, "serial", (int64_t)b->serial);
	json_put_text(w, "version", b->version);
	field_put_digest(w, "digest", &b->digest);
	json_close_object(w);
}

static void write_all(struct json_writer *w, const struct gate_record *r)
{
	const struct verdict_facts *f = &r->facts;

	json_open_object(w, NULL);
	json_put_int(w, "format", 1);
	json_put_text(w, "kind", "gate-record");
	json_put_int(w, "rollout", (int64_t)r->rollout);
	json_put_text(w, "channel", r->channel);
	json_put_text(w, "ring", r->ring);
	json_put_int(w, "position", r->position);
	json_put_int(w, "attempt", (int64_t)r->attempt);
	write_bundle(w, &r->bundle);
	json_put_text(w, "policy", r->policy_text);
	json_put_text(w, "event", r->event);
	json_put_int(w, "quiet_until", r->quiet_until);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		json_put_int(w, counts[i].key, counts[i].wide ? *AT_CONST(int64_t, f, counts[i].offset)
							      : (int64_t)*AT_CONST(uint32_t, f, counts[i].offset));
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		json_put_bool(w, flags[i].key, *AT_CONST(bool, f, flags[i].offset));
	json_open_array(w, "strata");
	for (uint32_t i = 0; i < r->strata_count; i++)
		json_put_text(w, NULL, r->strata[i]);
	json_close_array(w);
	write_offers(w, r);
	json_put_text(w, "verdict", verdict_name(r->verdict));
	json_put_text(w, "cause", verdict_cause_name(r->cause));
	json_put_text(w, "sentence", r->sentence);
	json_close_object(w);
}

static int parse_text(struct json_doc **out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = GATE_RECORD_MAX, .depth = 4 };

	return json_parse(out, name, text, len, &limits, e);
}

int gate_record_write(struct buf *out, const struct gate_record *r, struct digest *digest, struct err *e)
{
	AUTO(buf) struct buf *plain = buf_new(GATE_RECORD_MAX), *text = buf_new(GATE_RECORD_MAX);
	AUTO(json) struct json_doc *d = NULL;
	AUTO(gate_record) struct gate_record *back = NULL;
	struct json_writer w = { .out = plain };

	if (!plain || !text)
		return err_memory(e);
	write_all(&w, r);
	if (buf_check(plain, e) < 0 || parse_text(&d, "new gate record", plain->data, plain->len, e) < 0 ||
	    json_canonical(text, d->root, e) < 0 || buf_check(text, e) < 0 ||
	    gate_record_parse(&back, "new gate record", text->data, text->len, e) < 0)
		return e->code;
	if (digest)
		hash_bytes(digest, text->data, text->len);
	buf_add(out, text->data, text->len);
	return buf_check(out, e);
}

/* ---- reading ---- */

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

static int read_offer(struct gate_record *r, struct gate_offer *out, const struct json_doc *d, const struct json *v, struct err *e)
{
	const struct json *c = v->u.items;
	int64_t n;

	if (v->type != JSON_ARRAY || v->count != COLUMNS || c[0].type != JSON_STRING || c[0].count != GATE_RECORD_DEVICE ||
	    strspn(c[0].u.text, "0123456789abcdef") != GATE_RECORD_DEVICE)
		return json_error(d, v, e, ERR_FORMAT, "an offer is a device of %d hex digits and %d numbers", GATE_RECORD_DEVICE,
				  COLUMNS - 1);
	memcpy(out->device, c[0].u.text, GATE_RECORD_DEVICE + 1);
	for (size_t k = 1; k < COLUMNS; k++) {
		int64_t most = k == 1 ? (int64_t)r->strata_count - 1 : k == COLUMNS - 1 ? 1 : INT64_MAX / 4;

		if (!json_to_int(&c[k], &n) || n < 0 || n > most)
			return json_error(d, &c[k], e, ERR_FORMAT, "wanted a number from 0 to %lld", (long long)most);
		if (k == 1)
			out->stratum = (uint32_t)n;
		else if (k == COLUMNS - 1)
			out->facts.voided = n;
		else
			*AT(int64_t, &out->facts, times[k - 2]) = n;
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

static int read_strata(struct gate_record *r, const struct json_doc *d, struct err *e)
{
	const struct json *strata;

	if (json_want_array(d, d->root, "strata", SEQUENCE_STRATA_MAX, &strata, e) < 0)
		return e->code;
	r->strata = calloc((size_t)strata->count + 1, sizeof *r->strata);
	if (!r->strata)
		return err_memory(e);
	for (; r->strata_count < strata->count; r->strata_count++) {
		const struct json *v = &strata->u.items[r->strata_count];

		if (v->type != JSON_STRING || v->count > CHECKIN_STRATUM_MAX || strlen(v->u.text) != v->count)
			return json_error(d, v, e, ERR_FORMAT, "a stratum is a text of at most %d bytes", CHECKIN_STRATUM_MAX);
		if (!(r->strata[r->strata_count] = strdup(v->u.text)))
			return err_memory(e);
	}
	return 0;
}

static int read_numbers(struct gate_record *r, const struct json_doc *d, struct err *e)
{
	int64_t n;

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		if (json_want_int(d, d->root, counts[i].key, 0, counts[i].wide ? INT64_MAX / 4 : UINT32_MAX, &n, e) < 0)
			return e->code;
		if (counts[i].wide)
			*AT(int64_t, &r->facts, counts[i].offset) = n;
		else
			*AT(uint32_t, &r->facts, counts[i].offset) = (uint32_t)n;
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (json_want_bool(d, d->root, flags[i].key, AT(bool, &r->facts, flags[i].offset), e) < 0)
			return e->code;
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
	AUTO(json) struct json_doc *d = NULL;
	AUTO(gate_record) struct gate_record *r = calloc(1, sizeof *r);

	if (!r)
		return err_memory(e);
	if (parse_text(&d, name, text, len, e) < 0 || json_want_format(d, 1, NULL, e) < 0 || json_only(d, d->root, members, e) < 0 ||
	    check_canonical(d, name, text, len, e) < 0 || field_want_count(d, d->root, "rollout", 1, &r->rollout, e) < 0 ||
	    field_want_count(d, d->root, "attempt", 1, &r->attempt, e) < 0 ||
	    field_want_name(d, d->root, "channel", r->channel, e) < 0 || field_want_name(d, d->root, "ring", r->ring, e) < 0 ||
	    json_want_int(d, d->root, "position", 0, POLICY_RINGS_MAX - 1, &r->position, e) < 0 ||
	    json_want_int(d, d->root, "quiet_until", 0, INT64_MAX / 4, &r->quiet_until, e) < 0 || read_bundle(&r->bundle, d, e) < 0 ||
	    read_words(r, d, e) < 0 || read_numbers(r, d, e) < 0 || read_strata(r, d, e) < 0 ||
	    read_policy(r, d, name, e) < 0 || read_offers(r, d, name, e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}
