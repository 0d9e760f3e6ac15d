#include "rollout/ringmap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "rollout/field.h"

/* What a rule may ask; each list holds when one item matches the fact. */
enum condition { ON_ATTRIBUTES, ON_DEVICES, ON_TAGS, ON_OS, ON_SENSOR, ON_HOST };
#define CONDITIONS 6

static const struct {
	const char *key;
	bool assigned;          /* by operators: allowed in the first ring */
} conditions[CONDITIONS] = {
	[ON_ATTRIBUTES] = { "attributes", true },
	[ON_DEVICES] = { "devices", true },
	[ON_TAGS] = { "tags", false },
	[ON_OS] = { "os", false },
	[ON_SENSOR] = { "sensor", false },
	[ON_HOST] = { "host", false },
};

struct rule {
	int ring;
	const struct json *lists[CONDITIONS];   /* NULL: not asked */
	bool has_bucket;
	int64_t from, to;
};

struct override {
	const struct json *devices;
	const char *tags[RINGMAP_TAGS_MAX];
	size_t tag_count;
};

struct ringmap {
	struct buf *text;       /* the document lives in it */
	struct json_doc *doc;
	const char *rings[RINGMAP_RINGS_MAX];
	size_t ring_count;
	uint8_t salt[RINGMAP_SALT_MAX];
	size_t salt_len;
	struct rule *rules;
	size_t rule_count;
	struct override *overrides;
	size_t override_count;
};

/* ---- reading ---- */

static int parse_labels(const struct json_doc *d, const struct json *list, const char *key, struct err *e)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct json *v = &list->u.items[i];

		if (v->type != JSON_STRING || v->count == 0 || v->count > RINGMAP_LABEL_MAX || strlen(v->u.text) != v->count)
			return json_error(d, v, e, ERR_FORMAT, "an item of %s is a text of 1 to %d bytes", key, RINGMAP_LABEL_MAX);
	}
	return 0;
}

static int parse_bucket(struct rule *r, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *bucket = NULL;

	if (json_may_object(d, o, "bucket", &bucket, e) < 0)
		return e->code;
	if (!bucket)
		return 0;
	r->has_bucket = true;
	if (json_want_int(d, bucket, "from", 0, RINGMAP_BUCKETS, &r->from, e) < 0 ||
	    json_want_int(d, bucket, "to", 0, RINGMAP_BUCKETS, &r->to, e) < 0)
		return e->code;
	if (r->from >= r->to)
		return json_error(d, bucket, e, ERR_FORMAT, "the bucket holds nobody: from is not below to");
	return 0;
}

static int parse_rule(struct rule *r, const struct ringmap *m, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const keys[] = { "ring", "attributes", "devices", "tags", "os", "sensor", "host", "bucket", "note", NULL };
	char ring[NAME_LEN_MAX + 1];
	bool claimed, any;

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "a rule is an object");
	/* an unknown condition left out would match more than its author meant, so here the reader is strict too */
	if (json_only(d, o, keys, e) < 0 || field_want_name(d, o, "ring", ring, e) < 0 || parse_bucket(r, d, o, e) < 0)
		return e->code;
	claimed = any = r->has_bucket;
	r->ring = ringmap_position(m, ring);
	if (r->ring < 0)
		return json_error(d, json_get(o, "ring"), e, ERR_FORMAT, "%s is not one of the map's rings", ring);
	for (size_t i = 0; i < CONDITIONS; i++) {
		if (json_may_array(d, o, conditions[i].key, RINGMAP_ITEMS_MAX, &r->lists[i], e) < 0)
			return e->code;
		if (!r->lists[i])
			continue;
		any = true;
		claimed |= !conditions[i].assigned;
		if (parse_labels(d, r->lists[i], conditions[i].key, e) < 0)
			return e->code;
	}
	if (!any)
		return json_error(d, o, e, ERR_FORMAT, "the rule has no condition: who matches nothing is in the last ring anyway");
	if (claimed && r->ring == 0)
		return json_error(d, o, e, ERR_REFUSED, "the first ring may match only attributes and devices, which operators assign");
	return 0;
}

static int parse_rings(struct ringmap *m, struct err *e)
{
	const struct json *list;

	if (json_want_array(m->doc, m->doc->root, "rings", RINGMAP_RINGS_MAX, &list, e) < 0)
		return e->code;
	for (size_t i = 0; i < list->count; i++) {
		const struct json *v = &list->u.items[i];

		if (v->type != JSON_STRING || !name_valid(v->u.text, v->count))
			return json_error(m->doc, v, e, ERR_FORMAT, "a ring's name is of a-z, 0-9 and inner hyphens");
		if (ringmap_position(m, v->u.text) >= 0)
			return json_error(m->doc, v, e, ERR_FORMAT, "ring %s is listed twice", v->u.text);
		m->rings[m->ring_count++] = v->u.text;
	}
	if (m->ring_count == 0)
		return json_error(m->doc, list, e, ERR_FORMAT, "the map has no rings");
	return 0;
}

static int parse_salt(struct ringmap *m, struct err *e)
{
	const char *hex;
	size_t len;

	if (json_want_text(m->doc, m->doc->root, "salt", 2 * RINGMAP_SALT_MAX, &hex, e) < 0)
		return e->code;
	len = strlen(hex);
	if (!hex_decode(m->salt, len / 2, hex, len) || len < 16)
		return json_error(m->doc, json_get(m->doc->root, "salt"), e, ERR_FORMAT, "salt is 16 to %d hex digits",
				  2 * RINGMAP_SALT_MAX);
	m->salt_len = len / 2;
	return 0;
}

static int parse_rules(struct ringmap *m, struct err *e)
{
	const struct json *list;

	if (json_want_array(m->doc, m->doc->root, "rules", RINGMAP_RULES_MAX, &list, e) < 0)
		return e->code;
	m->rules = calloc((size_t)list->count + 1, sizeof *m->rules);
	if (!m->rules)
		return err_memory(e);
	for (; m->rule_count < list->count; m->rule_count++)
		if (parse_rule(&m->rules[m->rule_count], m, m->doc, &list->u.items[m->rule_count], e) < 0)
			return e->code;
	return 0;
}

static int parse_override(struct override *o, const struct json_doc *d, const struct json *v, struct err *e)
{
	static const char *const keys[] = { "devices", "tags", "note", NULL };
	const struct json *tags;

	if (v->type != JSON_OBJECT)
		return json_error(d, v, e, ERR_FORMAT, "an override is an object");
	if (json_only(d, v, keys, e) < 0 || json_want_array(d, v, "devices", RINGMAP_ITEMS_MAX, &o->devices, e) < 0 ||
	    json_want_array(d, v, "tags", RINGMAP_TAGS_MAX, &tags, e) < 0 || parse_labels(d, o->devices, "devices", e) < 0 ||
	    parse_labels(d, tags, "tags", e) < 0)
		return e->code;
	for (; o->tag_count < tags->count; o->tag_count++)
		o->tags[o->tag_count] = tags->u.items[o->tag_count].u.text;
	return 0;
}

/* A reader that does not know them would place devices elsewhere: the document says that it needs one that does. */
static int parse_overrides(struct ringmap *m, struct err *e)
{
	const struct json *list = NULL, *needs = json_get(m->doc->root, "needs");

	if (json_may_array(m->doc, m->doc->root, "overrides", RINGMAP_OVERRIDES_MAX, &list, e) < 0)
		return e->code;
	if (!list)
		return 0;
	if (!needs || needs->type != JSON_ARRAY || needs->count == 0)
		return json_error(m->doc, list, e, ERR_FORMAT, "a map with overrides says so: \"needs\":[\"overrides\"]");
	m->overrides = calloc((size_t)list->count + 1, sizeof *m->overrides);
	if (!m->overrides)
		return err_memory(e);
	for (; m->override_count < list->count; m->override_count++)
		if (parse_override(&m->overrides[m->override_count], m->doc, &list->u.items[m->override_count], e) < 0)
			return e->code;
	return 0;
}

int ringmap_parse(struct ringmap **out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = RINGMAP_MAX, .depth = 8 };
	static const char *const features[] = { "overrides", NULL };
	AUTO(ringmap) struct ringmap *m = calloc(1, sizeof *m);

	if (!m)
		return err_memory(e);
	if (len > RINGMAP_MAX)
		return err_set(e, ERR_LIMIT, "%s: larger than %d bytes", name, RINGMAP_MAX);
	m->text = buf_new(RINGMAP_MAX);
	if (!m->text)
		return err_memory(e);
	buf_add(m->text, text, len);
	if (buf_check(m->text, e) < 0)
		return e->code;
	if (json_parse(&m->doc, name, m->text->data ? m->text->data : "", len, &limits, e) < 0 || json_want_format(m->doc, 1, features, e) < 0 ||
	    parse_salt(m, e) < 0 || parse_rings(m, e) < 0 || parse_rules(m, e) < 0 || parse_overrides(m, e) < 0)
		return e->code;
	m->doc->name = "ringmap";       /* the caller's name need not live as long */
	*out = TAKE(m);
	return 0;
}

void ringmap_free(struct ringmap *m)
{
	if (!m)
		return;
	free(m->overrides);
	free(m->rules);
	json_free(m->doc);
	buf_free(m->text);
	free(m);
}

size_t ringmap_rings(const struct ringmap *m)
{
	return m->ring_count;
}

const char *ringmap_ring(const struct ringmap *m, size_t at)
{
	return at < m->ring_count ? m->rings[at] : NULL;
}

int ringmap_position(const struct ringmap *m, const char *ring)
{
	for (size_t i = 0; i < m->ring_count; i++)
		if (strcmp(m->rings[i], ring) == 0)
			return (int)i;
	return -1;
}

/* ---- matching ---- */

bool ringmap_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;  /* the last '*', and where the text stood then */

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool list_has(const struct json *list, const char *fact)
{
	for (size_t i = 0; fact && i < list->count; i++)
		if (strcmp(list->u.items[i].u.text, fact) == 0)
			return true;
	return false;
}

static bool list_has_any(const struct json *list, const char *const *facts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list_has(list, facts[i]))
			return true;
	return false;
}

static bool list_matches(const struct json *list, const char *fact)
{
	for (size_t i = 0; fact && i < list->count; i++)
		if (ringmap_glob(list->u.items[i].u.text, fact))
			return true;
	return false;
}

static bool condition_holds(enum condition on, const struct json *list, const struct ringmap_facts *f)
{
	switch (on) {
	case ON_ATTRIBUTES:
		return list_has_any(list, f->attributes, f->attribute_count);
	case ON_DEVICES:
		return list_has(list, f->device);
	case ON_TAGS:
		return list_has_any(list, f->tags, f->tag_count);
	case ON_OS:
		return list_matches(list, f->os);
	case ON_SENSOR:
		return list_matches(list, f->sensor);
	case ON_HOST:
		return list_matches(list, f->host);
	}
	return false;
}

unsigned ringmap_bucket(const struct ringmap *m, const char *device)
{
	uint8_t bytes[RINGMAP_SALT_MAX + 256];
	size_t len = strnlen(device, sizeof bytes - m->salt_len);
	struct digest d;
	uint64_t v = 0;

	memcpy(bytes, m->salt, m->salt_len);
	memcpy(bytes + m->salt_len, device, len);
	hash_bytes(&d, bytes, m->salt_len + len);
	for (int i = 0; i < 8; i++)
		v = v << 8 | d.bytes[i];
	return (unsigned)(v % RINGMAP_BUCKETS);
}

static bool rule_matches(const struct ringmap *m, const struct rule *r, const struct ringmap_facts *f)
{
	for (size_t i = 0; i < CONDITIONS; i++)
		if (r->lists[i] && !condition_holds((enum condition)i, r->lists[i], f))
			return false;
	if (r->has_bucket) {
		int64_t bucket = f->device ? (int64_t)ringmap_bucket(m, f->device) : -1;

		if (bucket < r->from || bucket >= r->to)
			return false;
	}
	return true;
}

bool ringmap_override(const struct ringmap *m, const char *device, const char *const **tags, size_t *count)
{
	for (size_t i = 0; device && i < m->override_count; i++)
		if (list_has(m->overrides[i].devices, device)) {
			*tags = m->overrides[i].tags;
			*count = m->overrides[i].tag_count;
			return true;
		}
	return false;
}

const char *ringmap_resolve(const struct ringmap *m, const struct ringmap_facts *said, int *rule)
{
	struct ringmap_facts known = *said;
	const struct ringmap_facts *f = &known;

	(void)ringmap_override(m, said->device, &known.tags, &known.tag_count);
	for (size_t i = 0; i < m->rule_count; i++)
		if (rule_matches(m, &m->rules[i], f)) {
			if (rule)
				*rule = (int)i;
			return m->rings[m->rules[i].ring];
		}
	if (rule)
		*rule = -1;
	return m->rings[m->ring_count - 1];
}

/* ---- a first map ---- */

int ringmap_write_default(struct buf *out, const char *const *rings, size_t count, const void *salt, size_t salt_len, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(RINGMAP_MAX);
	AUTO(ringmap) struct ringmap *back = NULL;
	struct json_writer w = { .out = text };
	char hex[2 * RINGMAP_SALT_MAX + 1], label[NAME_LEN_MAX + 8];

	if (!text)
		return err_memory(e);
	if (salt_len > RINGMAP_SALT_MAX)
		return err_set(e, ERR_USAGE, "a ring map's salt has at most %d bytes", RINGMAP_SALT_MAX);
	hex_encode(hex, salt, salt_len);
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "salt", hex);
	json_open_array(&w, "rings");
	for (size_t i = 0; i < count; i++)
		json_put_text(&w, NULL, rings[i]);
	json_close_array(&w);
	json_open_array(&w, "rules");
	for (size_t i = 0; i + 1 < count; i++) {
		snprintf(label, sizeof label, "ring=%.*s", NAME_LEN_MAX, rings[i]);
		json_open_object(&w, NULL);
		json_put_text(&w, "ring", rings[i]);
		json_open_array(&w, "attributes");
		json_put_text(&w, NULL, label);
		json_close_array(&w);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	if (buf_check(text, e) < 0 || ringmap_parse(&back, "new ring map", text->data, text->len, e) < 0)
		return e->code;
	buf_add(out, text->data, text->len);
	return buf_check(out, e);
}
