#include "rollout/checkin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/field.h"

static const struct {
	const char *name;
	bool of_content;        /* must name channel, digest and attempt */
} kinds[CHECKIN_KINDS] = {
	[CHECKIN_ARMED] = { "armed", true },
	[CHECKIN_SURVIVED] = { "survived", true },
	[CHECKIN_FAILED] = { "failed", true },
	[CHECKIN_LATE_FAILURE] = { "late_failure", true },
	[CHECKIN_QUARANTINED] = { "quarantined", true },
	[CHECKIN_DECLINED] = { "declined", true },
	[CHECKIN_ENV] = { "env", false },
	[CHECKIN_LOCAL] = { "local", false },
	[CHECKIN_GOODBYE] = { "goodbye", false },
};

const char *checkin_kind_name(enum checkin_kind k)
{
	return kinds[k].name;
}

int checkin_kind_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* ---- reading a request ---- */

/* What the fleet is sorted and shown by: printable, one line. */
static int may_word(const struct json_doc *d, const struct json *o, const char *key, char *out, size_t max, struct err *e)
{
	if (field_may_text(d, o, key, out, max, e) < 0)
		return e->code;
	for (const char *c = out; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return json_error(d, json_get(o, key), e, ERR_FORMAT, "%s holds a control character", key);
	return 0;
}

/* An array of objects; *items gets fresh zeroed memory for them. */
static int may_objects(const struct json_doc *d, const struct json *o, const char *key, size_t max, const struct json **list,
		       void **items, size_t size, struct err *e)
{
	*list = NULL;
	if (json_may_array(d, o, key, max, list, e) < 0)
		return e->code;
	if (!*list || (*list)->count == 0) {
		*list = NULL;
		return 0;
	}
	for (size_t i = 0; i < (*list)->count; i++)
		if ((*list)->u.items[i].type != JSON_OBJECT)
			return json_error(d, &(*list)->u.items[i], e, ERR_FORMAT, "an item of %s is an object", key);
	*items = calloc((*list)->count, size);
	return *items ? 0 : err_memory(e);
}

static int parse_tags(struct checkin_facts *f, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, o, "tags", CHECKIN_TAGS_MAX, &list, e) < 0)
		return e->code;
	if (!list || list->count == 0)
		return 0;
	f->tags = calloc(list->count, sizeof *f->tags);
	if (!f->tags)
		return err_memory(e);
	for (; f->tag_count < list->count; f->tag_count++) {
		const struct json *v = &list->u.items[f->tag_count];

		if (v->type != JSON_STRING || v->count == 0 || v->count > CHECKIN_TEXT_MAX || strlen(v->u.text) != v->count)
			return json_error(d, v, e, ERR_FORMAT, "a tag is a text of 1 to %d bytes", CHECKIN_TEXT_MAX);
		memcpy(f->tags[f->tag_count], v->u.text, v->count + 1);
	}
	return 0;
}

static int parse_facts(struct checkin_facts *f, const struct json_doc *d, struct err *e)
{
	const struct json *o;

	if (json_want_object(d, d->root, "facts", &o, e) < 0 || may_word(d, o, "os", f->os, CHECKIN_TEXT_MAX, e) < 0 ||
	    may_word(d, o, "arch", f->arch, CHECKIN_TEXT_MAX, e) < 0 || may_word(d, o, "host", f->host, CHECKIN_TEXT_MAX, e) < 0 ||
	    may_word(d, o, "sensor", f->sensor, CHECKIN_TEXT_MAX, e) < 0 ||
	    may_word(d, o, "sensor_version", f->sensor_version, CHECKIN_TEXT_MAX, e) < 0 ||
	    may_word(d, o, "locale", f->locale, CHECKIN_TEXT_MAX, e) < 0 || field_may_digest(d, o, "contract", &f->contract, e) < 0 ||
	    parse_tags(f, d, o, e) < 0)
		return e->code;
	return 0;
}

static int may_effects(struct effects **out, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *effects = NULL;

	if (json_may_object(d, o, "effects", &effects, e) < 0)
		return e->code;
	return effects ? effects_parse(out, d, effects, e) : 0;
}

static int parse_channels(struct checkin *c, const struct json_doc *d, struct err *e)
{
	const struct json *list;

	if (may_objects(d, d->root, "channels", CHECKIN_CHANNELS_MAX, &list, (void **)&c->channels, sizeof *c->channels, e) < 0)
		return e->code;
	for (; list && c->channel_count < list->count; c->channel_count++) {
		const struct json *o = &list->u.items[c->channel_count];
		struct checkin_channel *n = &c->channels[c->channel_count];

		if (field_want_name(d, o, "channel", n->channel, e) < 0 || field_want_name(d, o, "ring", n->ring, e) < 0 ||
		    may_word(d, o, "phase", n->phase, CHECKIN_TEXT_MAX, e) < 0 || may_word(d, o, "rung", n->rung, CHECKIN_TEXT_MAX, e) < 0 ||
		    field_may_digest(d, o, "running", &n->running, e) < 0 || field_may_digest(d, o, "drop", &n->drop, e) < 0 ||
		    field_may_count(d, o, "high_water", 0, &n->high_water, e) < 0 ||
		    may_word(d, o, "held", n->held, CHECKIN_TEXT_MAX, e) < 0)
			return e->code;
		for (size_t i = 0; i < c->channel_count; i++)
			if (strcmp(c->channels[i].channel, n->channel) == 0)
				return json_error(d, o, e, ERR_FORMAT, "channel %s is listed twice", n->channel);
		if (may_effects(&n->effects, d, o, e) < 0)
			return e->code;
	}
	return 0;
}

static int parse_event(struct checkin_event *v, const struct json_doc *d, const struct json *o, struct err *e)
{
	const char *kind;
	int k;

	if (field_want_count(d, o, "n", 1, &v->n, e) < 0 || json_want_int(d, o, "at", 0, INT64_MAX, &v->at, e) < 0 ||
	    json_want_text(d, o, "kind", 32, &kind, e) < 0)
		return e->code;
	k = checkin_kind_parse(kind);
	if (k < 0)
		return json_error(d, json_get(o, "kind"), e, ERR_FORMAT, "%s is no kind of event", kind);
	v->kind = (enum checkin_kind)k;
	if (kinds[k].of_content) {
		if (field_want_name(d, o, "channel", v->channel, e) < 0 || field_want_digest(d, o, "digest", &v->digest, e) < 0 ||
		    field_want_count(d, o, "attempt", 1, &v->attempt, e) < 0)
			return e->code;
	} else {
		const struct json *channel = json_get(o, "channel");

		if (channel && channel->type != JSON_NULL && field_want_name(d, o, "channel", v->channel, e) < 0)
			return e->code;
		if (field_may_digest(d, o, "digest", &v->digest, e) < 0 || field_may_count(d, o, "attempt", 0, &v->attempt, e) < 0)
			return e->code;
	}
	if (may_word(d, o, "reason", v->reason, CHECKIN_REASON_MAX, e) < 0 ||
	    field_may_text(d, o, "detail", v->detail, CHECKIN_DETAIL_MAX, e) < 0)
		return e->code;
	return 0;
}

static int parse_events(struct checkin *c, const struct json_doc *d, uint64_t *poisoned, int *poisoned_at, struct err *e)
{
	const struct json *list;

	if (may_objects(d, d->root, "events", CHECKIN_EVENTS_MAX, &list, (void **)&c->events, sizeof *c->events, e) < 0)
		return e->code;
	for (; list && c->event_count < list->count; c->event_count++) {
		struct checkin_event *v = &c->events[c->event_count];
		const struct json *o = &list->u.items[c->event_count];
		uint64_t last = c->event_count ? v[-1].n : 0;

		int rc = parse_event(v, d, o, e);

		if (rc == 0 && v->n <= last)
			rc = json_error(d, json_get(o, "n"), e, ERR_FORMAT, "n does not rise");
		if (rc < 0) {
			*poisoned = v->n;
			*poisoned_at = (int)c->event_count;
			return rc;
		}
	}
	return 0;
}

static int parse_wants(struct checkin *c, const struct json_doc *d, struct err *e)
{
	const struct json *list;

	if (may_objects(d, d->root, "want", CHECKIN_WANTS_MAX, &list, (void **)&c->wants, sizeof *c->wants, e) < 0)
		return e->code;
	for (; list && c->want_count < list->count; c->want_count++) {
		const struct json *o = &list->u.items[c->want_count];
		struct checkin_want *w = &c->wants[c->want_count];

		if (field_want_name(d, o, "channel", w->channel, e) < 0 || field_want_digest(d, o, "digest", &w->digest, e) < 0 ||
		    field_want_count(d, o, "attempt", 1, &w->attempt, e) < 0)
			return e->code;
	}
	return 0;
}

static int parse_epoch(struct checkin *c, const struct json_doc *d, struct err *e)
{
	if (field_want_text(d, d->root, "epoch", c->epoch, CHECKIN_EPOCH_LEN, e) < 0)
		return e->code;
	if (strspn(c->epoch, "0123456789abcdef") != CHECKIN_EPOCH_LEN)
		return json_error(d, json_get(d->root, "epoch"), e, ERR_FORMAT, "epoch is %d lower-case hex digits", CHECKIN_EPOCH_LEN);
	return 0;
}

int checkin_parse(struct checkin **out, const char *text, size_t len, uint64_t *poisoned, int *poisoned_at, struct err *e)
{
	static const struct json_limits limits = { .bytes = CHECKIN_MAX, .depth = 8 };
	AUTO(json) struct json_doc *d = NULL;
	AUTO(checkin) struct checkin *c = calloc(1, sizeof *c);
	uint64_t n = 0;
	int at = -1, failed;

	if (!c)
		return err_memory(e);
	failed = json_parse(&d, "check-in", text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 || parse_epoch(c, d, e) < 0 ||
		 field_want_count(d, d->root, "seq", 1, &c->seq, e) < 0 ||
		 json_want_int(d, d->root, "sent", 0, INT64_MAX, &c->sent, e) < 0 ||
		 may_word(d, d->root, "boot_id", c->boot_id, CHECKIN_TEXT_MAX, e) < 0 || parse_facts(&c->facts, d, e) < 0 ||
		 parse_channels(c, d, e) < 0 || parse_wants(c, d, e) < 0 || parse_events(c, d, &n, &at, e) < 0;
	if (poisoned)
		*poisoned = n;
	if (poisoned_at)
		*poisoned_at = at;
	if (failed)
		return e->code;
	*out = TAKE(c);
	return 0;
}

void checkin_forget_effects(struct checkin *c)
{
	for (size_t i = 0; i < c->channel_count; i++)
		effects_free(TAKE(c->channels[i].effects));
}

void checkin_free(struct checkin *c)
{
	if (!c)
		return;
	checkin_forget_effects(c);
	free(c->facts.tags);
	free(c->channels);
	free(c->events);
	free(c->wants);
	free(c);
}

void checkin_stratum(char out[CHECKIN_STRATUM_MAX + 1], unsigned keys, const struct checkin_facts *f)
{
	const struct {
		enum policy_stratum key;
		const char *text;
		bool always;
	} parts[] = {
		{ STRATUM_ARCH, f->arch, false }, { STRATUM_SENSOR, f->sensor, false },
		{ STRATUM_OS, f->os, true }, { STRATUM_SENSOR_VERSION, f->sensor_version, true }, { STRATUM_LOCALE, f->locale, true },
	};
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		bool asked = keys & 1u << parts[i].key;

		if (asked || parts[i].always)
			len += (size_t)snprintf(out + len, CHECKIN_STRATUM_MAX + 1 - len, "%s%s", len ? "/" : "", asked ? parts[i].text : "*");
	}
}
