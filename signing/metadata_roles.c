/* metadata: keys and roles, as root and delegations list them. */
#include <stdlib.h>
#include <string.h>

#include "signing/delegation.h"
#include "signing/metadata_parts.h"

static int key_order(const void *a, const void *b)
{
	return metadata_compare(((const struct metadata_key *)a)->id, ((const struct metadata_key *)b)->id);
}

/* A key we cannot use is listed without its value: it signs nothing, and the file stays good. */
static int read_keys(struct metadata *m, const struct json *o, struct err *e)
{
	const struct json *keys;

	if (json_want_object(m->doc, o, "keys", &keys, e) < 0)
		return e->code;
	m->keys = metadata_array(keys->count, sizeof *m->keys, e);
	if (!m->keys)
		return e->code;
	for (size_t i = 0; i < keys->count; i++) {
		const struct json_member *member = &keys->u.members[i];
		struct metadata_key *key = &m->keys[m->key_count++];
		struct err why;

		key->id = member->key;
		if (member->value.type != JSON_OBJECT)
			return json_error(m->doc, &member->value, e, ERR_FORMAT, "a key that is no object");
		if (pubkey_parse(&key->key, m->doc, &member->value, &why) == ERR_MEMORY)
			return err_memory(e);
	}
	qsort(m->keys, m->key_count, sizeof *m->keys, key_order);
	return 0;
}

static int read_role(const struct metadata *m, const struct json *o, struct metadata_role *role, struct err *e)
{
	const struct json *ids;

	if (json_want_array(m->doc, o, "keyids", SIZE_MAX, &ids, e) < 0 ||
	    json_want_int(m->doc, o, "threshold", 1, INT64_MAX, &role->threshold, e) < 0)
		return e->code;
	role->keyids = metadata_array(ids->count, sizeof *role->keyids, e);
	if (!role->keyids)
		return e->code;
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->u.items[i].type != JSON_STRING)
			return json_error(m->doc, &ids->u.items[i], e, ERR_FORMAT, "a keyid that is no string");
		role->keyids[role->count++] = metadata_string(&ids->u.items[i]);
	}
	return 0;
}

int metadata_read_root(struct metadata *m, struct err *e)
{
	const struct json *roles, *role;

	if (json_may_bool(m->doc, m->body, "consistent_snapshot", &m->consistent_snapshot, e) < 0 ||
	    json_want_object(m->doc, m->body, "roles", &roles, e) < 0 || read_keys(m, m->body, e) < 0)
		return e->code;
	for (int type = 0; type < METADATA_TYPES; type++)
		if (json_want_object(m->doc, roles, metadata_type_name(type), &role, e) < 0 ||
		    read_role(m, role, &m->roles[type], e) < 0)
			return e->code;
	return 0;
}

/* ---- delegations ---- */

static bool top_level(const char *name)
{
	for (int type = 0; type < METADATA_TYPES; type++)
		if (!strcmp(name, metadata_type_name(type)))
			return true;
	return false;
}

static int all_strings(const struct metadata *m, const struct json *list, struct err *e)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (list->u.items[i].type != JSON_STRING)
			return json_error(m->doc, &list->u.items[i], e, ERR_FORMAT, "not a string");
	return 0;
}

static int read_delegation(const struct metadata *m, const struct json *o, struct metadata_delegation *d, struct err *e)
{
	if (o->type != JSON_OBJECT)
		return json_error(m->doc, o, e, ERR_FORMAT, "a delegation that is no object");
	if (json_want_text(m->doc, o, "name", DELEGATION_NAME_MAX - 1, &d->name, e) < 0 ||
	    /* Required, but the specification's own example lacks it. */
	    json_may_bool(m->doc, o, "terminating", &d->terminating, e) < 0 ||
	    json_may_array(m->doc, o, "paths", SIZE_MAX, &d->paths, e) < 0 ||
	    json_may_array(m->doc, o, "path_hash_prefixes", SIZE_MAX, &d->prefixes, e) < 0)
		return e->code;
	if (!*d->name || top_level(d->name))
		return json_error(m->doc, o, e, ERR_FORMAT, "a delegation to the name \"%s\"", d->name);
	if (!d->paths == !d->prefixes)
		return json_error(m->doc, o, e, ERR_FORMAT, "not exactly one of paths and path_hash_prefixes");
	if (all_strings(m, d->paths, e) < 0 || all_strings(m, d->prefixes, e) < 0)
		return e->code;
	return read_role(m, o, &d->role, e);
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_differ(const struct metadata *m, const struct json *list, struct err *e)
{
	AUTO_FREE const char **names = metadata_array(m->delegation_count, sizeof *names, e);

	if (!names)
		return e->code;
	for (size_t i = 0; i < m->delegation_count; i++)
		names[i] = m->delegations[i].name;
	qsort(names, m->delegation_count, sizeof *names, name_order);
	for (size_t i = 1; i < m->delegation_count; i++)
		if (!strcmp(names[i - 1], names[i]))
			return json_error(m->doc, list, e, ERR_FORMAT, "two delegations to \"%s\"", names[i]);
	return 0;
}

static int read_list(struct metadata *m, const struct json *list, struct err *e)
{
	m->delegations = metadata_array(list->count, sizeof *m->delegations, e);
	if (!m->delegations)
		return e->code;
	for (size_t i = 0; i < list->count; i++)
		if (read_delegation(m, &list->u.items[i], &m->delegations[m->delegation_count++], e) < 0)
			return e->code;
	return names_differ(m, list, e);
}

static int read_succinct(struct metadata *m, const struct json *o, struct err *e)
{
	struct metadata_succinct *s = &m->succinct;
	int64_t bits;

	if (json_want_text(m->doc, o, "name_prefix", DELEGATION_NAME_MAX - 16, &s->prefix, e) < 0 ||
	    json_want_int(m->doc, o, "bit_length", 1, 32, &bits, e) < 0 || read_role(m, o, &s->role, e) < 0)
		return e->code;
	s->bit_length = (int)bits;
	return 0;
}

int metadata_read_delegations(struct metadata *m, struct err *e)
{
	const struct json *o = NULL, *list = NULL, *succinct = NULL;

	if (json_may_object(m->doc, m->body, "delegations", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	if (read_keys(m, o, e) < 0 || json_may_array(m->doc, o, "roles", SIZE_MAX, &list, e) < 0 ||
	    json_may_object(m->doc, o, "succinct_roles", &succinct, e) < 0)
		return e->code;
	if (!list == !succinct)
		return json_error(m->doc, o, e, ERR_FORMAT, "not exactly one of roles and succinct_roles");
	return list ? read_list(m, list, e) : read_succinct(m, succinct, e);
}
