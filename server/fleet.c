/* fleet: every device, in memory. */
#include "server/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define TABLE_FIRST 1024

/* FNV-1a; ids are random, given by us. */
static size_t slot_of(const char *id, size_t size)
{
	uint64_t h = 14695981039346656037u;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 1099511628211u;
	return (size_t)(h & (size - 1));
}

void device_forget_attributes(struct device *d)
{
	for (size_t i = 0; i < d->attribute_count; i++)
		free(d->attributes[i]);
	free(d->attributes);
	free(d->attribute_text);
	d->attributes = NULL;
	d->attribute_text = NULL;
	d->attribute_count = 0;
}

static void effects_drop(struct device_effects *x)
{
	effects_free(x->now);
	effects_free(x->before);
	free(x);
}

static void device_free(struct device *d)
{
	while (d->offers) {
		struct offer_link *next = d->offers->next;

		free(d->offers);
		d->offers = next;
	}
	while (d->effects) {
		struct device_effects *next = d->effects->next;

		effects_drop(d->effects);
		d->effects = next;
	}
	device_forget_attributes(d);
	checkin_free(d->said);
	free(d->old_epochs);
	free(d->certificate);
	free(d->flag);
	free(d);
}

void fleet_release(struct fleet *f)
{
	for (size_t i = 0; i < f->count; i++)
		device_free(f->items[i]);
	free(f->items);
	free(f->table);
	free(f->order);
	*f = (struct fleet){ 0 };
}

struct device *fleet_find(const struct fleet *f, const char *id)
{
	struct device *d = f->table_size ? f->table[slot_of(id, f->table_size)] : NULL;

	while (d && strcmp(d->id, id) != 0)
		d = d->chain;
	return d;
}

static int grow(struct fleet *f, struct err *e)
{
	size_t size = f->table_size ? 2 * f->table_size : TABLE_FIRST;
	struct device **items = reallocarray(f->items, size, sizeof *items);
	struct device **table = calloc(size, sizeof *table);

	if (items)
		f->items = items;
	if (!items || !table) {
		free(table);
		return err_memory(e);
	}
	for (size_t i = 0; i < f->count; i++) {
		size_t at = slot_of(f->items[i]->id, size);

		f->items[i]->chain = table[at];
		table[at] = f->items[i];
	}
	free(f->table);
	f->table = table;
	f->table_size = f->cap = size;
	return 0;
}

int fleet_add(struct fleet *f, struct device **out, const char *id, struct err *e)
{
	struct device *d;
	size_t at;

	if (strlen(id) != DEVICE_ID_LEN)
		return err_set(e, ERR_FORMAT, "device id of %zu characters", strlen(id));
	if (fleet_find(f, id))
		return err_set(e, ERR_CONFLICT, "device %s is known already", id);
	if (f->count == f->cap && grow(f, e) < 0)
		return e->code;
	d = calloc(1, sizeof *d);
	if (!d)
		return err_memory(e);
	memcpy(d->id, id, sizeof d->id);
	d->generation = 1;
	at = slot_of(id, f->table_size);
	d->chain = f->table[at];
	f->table[at] = d;
	f->items[f->count++] = d;
	*out = d;
	return 0;
}

/* ---- attributes ---- */

static int add_attribute(struct device *d, const struct json_doc *doc, const struct json_member *m, struct err *e)
{
	char text[RINGMAP_LABEL_MAX + 1];
	int len;

	if (m->value.type != JSON_STRING || memchr(m->value.u.text, '\0', m->value.count))
		return json_error(doc, &m->value, e, ERR_FORMAT, "attribute %.64s is not text", m->key.text);
	if (!name_valid(m->key.text, m->key.len))
		return json_error(doc, &m->value, e, ERR_FORMAT, "\"%.64s\" is no name of an attribute", m->key.text);
	for (const char *c = m->value.u.text; *c; c++)
		if (*c <= 0x20 || *c == 0x7f)
			return json_error(doc, &m->value, e, ERR_FORMAT, "attribute %s is not one printable word", m->key.text);
	len = snprintf(text, sizeof text, "%s=%s", m->key.text, m->value.u.text);
	if (len < 0 || (size_t)len >= sizeof text)
		return json_error(doc, &m->value, e, ERR_LIMIT, "attribute %s is too long", m->key.text);
	d->attributes[d->attribute_count] = strdup(text);
	if (!d->attributes[d->attribute_count])
		return err_memory(e);
	d->attribute_count++;
	return 0;
}

int device_set_attributes(struct device *d, const char *json, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = DEVICE_ATTRIBUTES_TEXT, .depth = 2 };
	AUTO(json) struct json_doc *doc = NULL;
	struct device fresh = { .attributes = NULL };

	if (json_parse(&doc, "attributes", json, len, &limits, e) < 0)
		return e->code;
	if (doc->root->type != JSON_OBJECT)
		return json_error(doc, doc->root, e, ERR_FORMAT, "attributes are an object");
	if (doc->root->count > DEVICE_ATTRIBUTES_MAX)
		return json_error(doc, doc->root, e, ERR_LIMIT, "more than %d attributes", DEVICE_ATTRIBUTES_MAX);
	fresh.attributes = calloc(doc->root->count + 1, sizeof *fresh.attributes);
	fresh.attribute_text = strndup(json, len);
	if (!fresh.attributes || !fresh.attribute_text)
		err_memory(e);
	else
		for (uint32_t i = 0; i < doc->root->count; i++)
			if (add_attribute(&fresh, doc, &doc->root->u.members[i], e) < 0)
				break;
	if (!fresh.attributes || !fresh.attribute_text || fresh.attribute_count < doc->root->count) {
		device_forget_attributes(&fresh);
		return e->code;
	}
	device_forget_attributes(d);
	d->attributes = fresh.attributes;
	d->attribute_count = fresh.attribute_count;
	d->attribute_text = fresh.attribute_text;
	return 0;
}

/* ---- what is known of one ---- */

const char *device_ring(const struct device *d, const struct ringmap *map, int *rule)
{
	const char *tags[CHECKIN_TAGS_MAX];
	char sensor[2 * CHECKIN_TEXT_MAX + 2];
	struct ringmap_facts f = { .device = d->id };

	if (!map || !d->said)
		return NULL;
	for (size_t i = 0; i < d->said->facts.tag_count; i++)
		tags[i] = d->said->facts.tags[i];
	snprintf(sensor, sizeof sensor, "%s/%s", d->said->facts.sensor, d->said->facts.sensor_version);
	f.attributes = (const char *const *)d->attributes;
	f.attribute_count = d->attribute_count;
	f.tags = tags;
	f.tag_count = d->said->facts.tag_count;
	f.os = d->said->facts.os[0] ? d->said->facts.os : NULL;
	f.sensor = d->said->facts.sensor[0] ? sensor : NULL;
	f.host = d->said->facts.host[0] ? d->said->facts.host : NULL;
	return ringmap_resolve(map, &f, rule);
}

void device_place(struct device *d, const struct ringmap *map)
{
	d->ring = device_ring(d, map, NULL);
}

const struct checkin_channel *device_channel(const struct device *d, const char *channel)
{
	for (size_t i = 0; d->said && i < d->said->channel_count; i++)
		if (strcmp(d->said->channels[i].channel, channel) == 0)
			return &d->said->channels[i];
	return NULL;
}

const struct device_effects *device_effects(const struct device *d, const char *channel)
{
	const struct device_effects *x = d->effects;

	while (x && strcmp(x->channel, channel) != 0)
		x = x->next;
	return x;
}

static bool says(const struct checkin *c, const char *channel)
{
	for (size_t i = 0; i < c->channel_count; i++)
		if (strcmp(c->channels[i].channel, channel) == 0)
			return true;
	return false;
}

/* What it has no longer takes no room: else one device with ever new names would take everybody's. */
static void forget_gone(struct fleet *f, struct device *d, const struct checkin *c)
{
	for (struct device_effects **at = &d->effects; *at;) {
		struct device_effects *x = *at;

		if (says(c, x->channel)) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		effects_drop(x);
		f->effects--;
	}
}

static struct device_effects *effects_slot(struct fleet *f, struct device *d, const char *channel)
{
	struct device_effects *x = d->effects;

	while (x && strcmp(x->channel, channel) != 0)
		x = x->next;
	if (x || f->effects >= FLEET_EFFECTS_MAX || !(x = calloc(1, sizeof *x)))
		return x;
	snprintf(x->channel, sizeof x->channel, "%s", channel);
	x->next = d->effects;
	d->effects = x;
	f->effects++;
	return x;
}

void fleet_take_effects(struct fleet *f, struct device *d, struct checkin *c)
{
	forget_gone(f, d, c);
	for (size_t i = 0; i < c->channel_count; i++) {
		struct checkin_channel *said = &c->channels[i];
		struct device_effects *x = said->effects ? effects_slot(f, d, said->channel) : NULL;

		if (!x)
			continue;
		if (x->now && !digest_equal(&x->now->digest, &said->effects->digest)) {
			effects_free(x->before);
			x->before = TAKE(x->now);
		}
		effects_free(x->now);
		x->now = TAKE(said->effects);
	}
	checkin_forget_effects(c);
}

/* ---- what tells a clone ---- */

bool device_left_epoch(const struct device *d, const char *epoch)
{
	return d->old_epochs && strlen(epoch) == CHECKIN_EPOCH_LEN && strstr(d->old_epochs, epoch) != NULL;
}

char *device_leave_epoch(const struct device *d)
{
	const char *old = d->old_epochs ? d->old_epochs : "";
	char *out;

	if (strlen(old) >= DEVICE_EPOCHS_MAX * (CHECKIN_EPOCH_LEN + 1) - 1)
		old += CHECKIN_EPOCH_LEN + 1;
	if (!d->epoch[0])
		return strdup(old);
	return asprintf(&out, "%s%s%s", old, *old ? " " : "", d->epoch) < 0 ? NULL : out;
}

bool device_set_flag(struct device *d, const char *why)
{
	char *copy = why ? strdup(why) : NULL;

	if (why && !copy)
		return false;
	free(d->flag);
	d->flag = copy;
	d->flagged = why != NULL;
	return true;
}

bool device_away(const struct device *d)
{
	return d->goodbye > 0 && d->last_seen <= d->goodbye;
}

void device_stratum(const struct device *d, unsigned keys, char out[CHECKIN_STRATUM_MAX + 1])
{
	static const struct checkin_facts none;

	checkin_stratum(out, keys, d->said ? &d->said->facts : &none);
}

int device_row(const struct device *d, struct store_device *out, struct buf *said, struct err *e)
{
	*out = (struct store_device){
		.id = d->id, .enrolled = d->enrolled, .last_seen = d->last_seen, .goodbye = d->goodbye,
		.generation = d->generation, .issued = d->issued, .revoked = d->revoked, .flagged = d->flagged, .event_n = d->event_n,
		.old_epochs = d->old_epochs ? d->old_epochs : "", .attributes = d->attribute_text ? d->attribute_text : "{}",
		.certificate = d->certificate, .flag = d->flag,
	};
	if (d->said) {
		struct checkin_channel channels[CHECKIN_CHANNELS_MAX];
		struct checkin bare = *d->said;

		/* effects are no fact about a device, but a reading */
		for (size_t i = 0; i < bare.channel_count; i++) {
			channels[i] = bare.channels[i];
			channels[i].effects = NULL;
		}
		bare.channels = channels;
		bare.event_count = bare.want_count = 0;
		bare.seq = d->seq;
		if (checkin_write(said, &bare, e) < 0 || buf_check(said, e) < 0)
			return e->code;
		out->said = said->data;
	}
	return 0;
}

static int load_text(char **out, const char *text, struct err *e)
{
	if (!text || !*text)
		return 0;
	*out = strdup(text);
	return *out ? 0 : err_memory(e);
}

int device_load(struct fleet *f, const struct store_device *row, struct err *e)
{
	struct device *d;

	if (fleet_add(f, &d, row->id, e) < 0)
		return e->code;
	d->enrolled = row->enrolled;
	d->last_seen = row->last_seen;
	d->goodbye = row->goodbye;
	d->generation = row->generation;
	d->revoked = row->revoked;
	d->flagged = row->flagged;
	d->event_n = row->event_n;
	d->issued = row->issued;
	if (load_text(&d->old_epochs, row->old_epochs, e) < 0 || load_text(&d->certificate, row->certificate, e) < 0 ||
	    load_text(&d->flag, row->flag, e) < 0)
		return e->code;
	if (device_set_attributes(d, row->attributes, strlen(row->attributes), e) < 0)
		return err_wrap(e, "device %s", row->id);
	if (row->said) {
		if (checkin_parse(&d->said, row->said, strlen(row->said), NULL, NULL, e) < 0)
			return err_wrap(e, "device %s", row->id);
		memcpy(d->epoch, d->said->epoch, sizeof d->epoch);
		d->seq = d->said->seq;
	}
	return 0;
}
