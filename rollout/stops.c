#include "rollout/stops.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/field.h"

void stops_path(char out[PATH_LEN_MAX + 1], enum stops_kind kind, const char *channel)
{
	snprintf(out, PATH_LEN_MAX + 1, kind == STOPS_STOP ? "stop/%s/stops.json" : "recall/%s/recalls.json", channel);
}

void floor_path(char out[PATH_LEN_MAX + 1], const char *channel)
{
	snprintf(out, PATH_LEN_MAX + 1, "bundles/%s/floor.json", channel);
}

struct stops *stops_new(enum stops_kind kind, const char *channel)
{
	struct stops *s;

	if (!name_valid(channel, strlen(channel)))
		return NULL;
	s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->kind = kind;
	memcpy(s->channel, channel, strlen(channel) + 1);
	return s;
}

void stops_free(struct stops *s)
{
	if (!s)
		return;
	free(s->entries);
	free(s);
}

/* ---- reading: a stop that can be read is obeyed ---- */

/* A newer format, or a need this program does not know (it knows none). */
static bool is_newer(const struct json_doc *d)
{
	const struct json *needs = json_get(d->root, "needs");
	int64_t format;

	return !json_to_int(json_get(d->root, "format"), &format) || format != 1 || (needs && needs->count > 0);
}

/* Of a newer document only the digest is sure; everything else is taken when it can be. */
static int parse_entry(struct stop_entry *out, const struct stops *s, const struct json_doc *d, const struct json *o, struct err *e)
{
	bool strict = !s->newer;

	*out = (struct stop_entry){ 0 };
	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "an entry is an object");
	if (field_want_digest(d, o, "digest", &out->digest, e) < 0)
		return e->code;
	if (field_want_count(d, o, "serial", 0, &out->serial, e) < 0 && strict)
		return e->code;
	if (json_want_time(d, o, "at", &out->at, e) < 0 && strict)
		return e->code;
	if (field_may_text(d, o, "reason", out->reason, STOP_REASON_MAX, e) < 0 && strict)
		return e->code;
	if (s->kind == STOPS_RECALL && json_may_bool(d, o, "urgent", &out->urgent, e) < 0 && strict)
		return e->code;
	return 0;
}

static int parse_entries(struct stops *s, const struct json_doc *d, struct err *e)
{
	const struct json *list;

	if (json_want_array(d, d->root, "entries", STOPS_ENTRIES_MAX, &list, e) < 0)
		return e->code;
	s->entries = calloc((size_t)list->count + 1, sizeof *s->entries);
	if (!s->entries)
		return err_memory(e);
	for (size_t i = 0; i < list->count; i++) {
		if (parse_entry(&s->entries[s->count], s, d, &list->u.items[i], e) == 0)
			s->count++;
		else if (!s->newer)
			return e->code;
	}
	return 0;
}

int stops_parse(struct stops **out, enum stops_kind kind, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = STOPS_MAX, .depth = 32 };
	AUTO(json) struct json_doc *d = NULL;
	AUTO(stops) struct stops *s = calloc(1, sizeof *s);

	if (!s)
		return err_memory(e);
	s->kind = kind;
	if (json_parse(&d, name, text, len, &limits, e) < 0)
		return e->code;
	s->newer = is_newer(d);
	if (field_want_name(d, d->root, "channel", s->channel, e) < 0 || parse_entries(s, d, e) < 0)
		return e->code;
	*out = TAKE(s);
	return 0;
}

/* ---- writing ---- */

int stops_add(struct stops *s, const struct stop_entry *entry, struct err *e)
{
	struct stop_entry *grown;

	if (digest_is_zero(&entry->digest))
		return err_set(e, ERR_USAGE, "channel %s: nothing to stop: the digest is empty", s->channel);
	if (entry->urgent && s->kind == STOPS_STOP)
		return err_set(e, ERR_USAGE, "channel %s: only the recall document lists urgent digests", s->channel);
	for (size_t i = 0; i < s->count; i++)
		if (digest_equal(&s->entries[i].digest, &entry->digest) && s->entries[i].urgent == entry->urgent)
			return err_set(e, ERR_CONFLICT, "channel %s: serial %" PRIu64 " is listed already", s->channel, entry->serial);
	if (s->count == STOPS_ENTRIES_MAX)
		return err_set(e, ERR_LIMIT, "channel %s: at most %d entries", s->channel, STOPS_ENTRIES_MAX);
	grown = realloc(s->entries, (s->count + 1) * sizeof *grown);
	if (!grown)
		return err_memory(e);
	s->entries = grown;
	s->entries[s->count++] = *entry;
	return 0;
}

int stops_write(struct buf *out, const struct stops *s, struct err *e)
{
	struct json_writer w = { .out = out };

	if (s->newer)
		return err_set(e, ERR_UNSUPPORTED, "the stops of channel %s come from a newer program: writing them would lose what it said",
			       s->channel);
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "channel", s->channel);
	json_open_array(&w, "entries");
	for (size_t i = 0; i < s->count; i++) {
		const struct stop_entry *t = &s->entries[i];

		json_open_object(&w, NULL);
		field_put_digest(&w, "digest", &t->digest);
		json_put_int(&w, "serial", (int64_t)t->serial);
		json_put_time(&w, "at", t->at);
		json_put_text(&w, "reason", t->reason);
		if (t->urgent)
			json_put_bool(&w, "urgent", true);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	return buf_check(out, e);
}

/* ---- asking ---- */

static const struct stop_entry *find(const struct stops *s, const struct digest *d, bool urgent)
{
	for (size_t i = 0; s && i < s->count; i++)
		if (s->entries[i].urgent == urgent && digest_equal(&s->entries[i].digest, d))
			return &s->entries[i];
	return NULL;
}

const struct stop_entry *stops_find(const struct stops *s, const struct digest *d)
{
	return find(s, d, false);
}

bool stops_urgent(const struct stops *s, const struct digest *d)
{
	return s && s->kind == STOPS_RECALL && find(s, d, true) != NULL;
}

/* ---- the floor ---- */

int floor_parse(uint64_t *serial, const char *channel, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = 4096, .depth = 8 };
	AUTO(json) struct json_doc *d = NULL;
	char got[NAME_LEN_MAX + 1], reason[STOP_REASON_MAX + 1];
	uint64_t floor;

	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 ||
	    field_want_name(d, d->root, "channel", got, e) < 0 || field_want_count(d, d->root, "serial", 0, &floor, e) < 0 ||
	    field_may_text(d, d->root, "reason", reason, STOP_REASON_MAX, e) < 0)
		return e->code;
	if (strcmp(got, channel) != 0)
		return json_error(d, json_get(d->root, "channel"), e, ERR_REFUSED, "a floor of channel %s instead of %s", got, channel);
	*serial = floor;
	return 0;
}

int floor_write(struct buf *out, const char *channel, uint64_t serial, const char *reason, struct err *e)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "channel", channel);
	json_put_int(&w, "serial", (int64_t)serial);
	if (reason)
		json_put_text(&w, "reason", reason);
	json_close_object(&w);
	return buf_check(out, e);
}
