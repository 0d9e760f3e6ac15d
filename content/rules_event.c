/* rules_event: an event's JSON into typed values, one for each field its template declares. */
#include "content/rules_engine.h"

#include <stdlib.h>
#include <string.h>

static int group_by_name(const void *key, const void *item)
{
	return strcmp(key, ((const struct rules_group *)item)->name);
}

const struct rules_group *rules_group_find(const struct rules *r, const char *name)
{
	if (!r->count)
		return NULL;
	return bsearch(name, r->groups, r->count, sizeof(*r->groups), group_by_name);
}

/* Index of a field by its name, or -1. */
static int field_index(const struct rules_group *g, const struct json_string *name)
{
	size_t low = 0, high = g->field_count;

	if (strlen(name->text) != name->len)
		return -1;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name->text, g->fields[g->by_name[middle]].name);

		if (order == 0)
			return (int)g->by_name[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return -1;
}

static int read_fields(struct rules_event *out, const struct json_doc *d, const struct json *fields, struct err *e)
{
	size_t room = 1;

	for (uint32_t i = 0; i < fields->count; i++)
		if (fields->u.members[i].value.type == JSON_STRING)
			room += fields->u.members[i].value.count / 2 + 1;
	if (!buf_grow(&out->scratch, room))     /* once: values point into it */
		return err_memory(e);
	for (uint32_t i = 0; i < fields->count; i++) {
		const struct json_member *m = &fields->u.members[i];
		int at = field_index(out->group, &m->key);
		struct err why = { 0 };

		if (at < 0 || m->value.type == JSON_NULL || (size_t)at >= out->count)
			continue;
		if (rules_value_read(&out->values[at], &out->group->fields[at], &m->value, &out->scratch, &why) < 0) {
			out->values[at].present = false;
			return json_error(d, &m->value, e, why.code, "field \"%s\": %s", m->key.text, why.msg);
		}
	}
	return 0;
}

int rules_event_read(struct rules_event *out, const struct rules *r, const struct json_doc *d,
		     const struct json *event, struct err *e)
{
	const struct json *fields;
	const char *name;

	out->group = NULL;
	out->count = 0;
	out->scratch = (struct buf){ 0 };
	if (json_want_text(d, event, "template", RULES_NAME_MAX, &name, e) < 0 ||
	    json_want_object(d, event, "fields", &fields, e) < 0)
		return e->code;
	out->group = rules_group_find(r, name);
	if (!out->group)
		return 0;
	out->count = MIN(out->group->field_count, RULES_FIELDS_MAX);
	memset(out->values, 0, out->count * sizeof(out->values[0]));
	return read_fields(out, d, fields, e);
}

void rules_event_release(struct rules_event *ev)
{
	buf_release(&ev->scratch);
}
