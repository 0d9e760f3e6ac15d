/* metadata: the envelope and what all four types share. */
#include "signing/metadata.h"

#include <stdlib.h>
#include <string.h>

#include "signing/metadata_parts.h"

static const char *const type_names[METADATA_TYPES] = {
	[METADATA_ROOT] = "root",
	[METADATA_TIMESTAMP] = "timestamp",
	[METADATA_SNAPSHOT] = "snapshot",
	[METADATA_TARGETS] = "targets",
};

static int (*const readers[METADATA_TYPES])(struct metadata *m, struct err *e) = {
	[METADATA_ROOT] = metadata_read_root,
	[METADATA_TIMESTAMP] = metadata_read_meta,
	[METADATA_SNAPSHOT] = metadata_read_meta,
	[METADATA_TARGETS] = metadata_read_targets,
};

const char *metadata_type_name(enum metadata_type type)
{
	return type_names[type];
}

/* ---- shared by the readers ---- */

int metadata_compare(struct json_string a, struct json_string b)
{
	int order = memcmp(a.text, b.text, MIN(a.len, b.len));

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

struct json_string metadata_string(const struct json *v)
{
	return (struct json_string){ v->u.text, v->count };
}

void *metadata_array(size_t count, size_t size, struct err *e)
{
	void *array = calloc(count ? count : 1, size);

	if (!array)
		err_memory(e);
	return array;
}

/* ---- the envelope ---- */

/* "1.x" or "1.x.y", digits only. */
static bool spec_version_ok(const char *text)
{
	unsigned dots = 0;

	if (text[0] != '1' || text[1] != '.')
		return false;
	for (const char *at = text + 1; *at; at++) {
		if (*at == '.' && at[1] >= '0' && at[1] <= '9')
			dots++;
		else if (*at < '0' || *at > '9')
			return false;
	}
	return dots <= 2;
}

static int read_head(struct metadata *m, struct err *e)
{
	const char *type, *spec;

	if (json_want_text(m->doc, m->body, "_type", 64, &type, e) < 0 ||
	    json_want_text(m->doc, m->body, "spec_version", 64, &spec, e) < 0 ||
	    json_want_int(m->doc, m->body, "version", 1, INT64_MAX, &m->version, e) < 0 ||
	    json_want_time(m->doc, m->body, "expires", &m->expires, e) < 0)
		return e->code;
	if (strcmp(type, type_names[m->type]) != 0)
		return json_error(m->doc, m->body, e, ERR_FORMAT, "of type \"%s\" instead of \"%s\"", type, type_names[m->type]);
	if (!spec_version_ok(spec))
		return json_error(m->doc, m->body, e, ERR_UNSUPPORTED, "spec_version \"%s\", not 1.x", spec);
	return 0;
}

static int signature_order(const void *a, const void *b)
{
	const struct metadata_signature *x = a, *y = b;

	return metadata_compare(x->keyid, y->keyid);
}

static int read_signatures(struct metadata *m, struct err *e)
{
	const struct json *list;

	if (json_want_array(m->doc, m->doc->root, "signatures", METADATA_SIGNATURES_MAX, &list, e) < 0)
		return e->code;
	m->signatures = metadata_array(list->count, sizeof *m->signatures, e);
	if (!m->signatures)
		return e->code;
	for (size_t i = 0; i < list->count; i++) {
		const struct json *one = &list->u.items[i];
		const struct json *keyid = json_get(one, "keyid"), *sig = json_get(one, "sig");

		if (!keyid || keyid->type != JSON_STRING)
			return json_error(m->doc, one, e, ERR_FORMAT, "a signature without keyid");
		/* A value we cannot use is one that does not count. */
		m->signatures[m->signature_count++] = sig && sig->type == JSON_STRING ?
			(struct metadata_signature){ metadata_string(keyid), sig->u.text, sig->count } :
			(struct metadata_signature){ metadata_string(keyid), "", 0 };
	}
	qsort(m->signatures, m->signature_count, sizeof *m->signatures, signature_order);
	for (size_t i = 1; i < m->signature_count; i++)
		if (signature_order(&m->signatures[i - 1], &m->signatures[i]) == 0)
			return json_error(m->doc, list, e, ERR_FORMAT, "two signatures with the same keyid");
	return 0;
}

static int parse(struct metadata *m, struct err *e)
{
	static const struct json_limits limits = { .bytes = METADATA_LISTED_MAX, .depth = 128 };

	if (json_parse(&m->doc, m->name, m->raw->data, m->raw->len, &limits, e) < 0)
		return e->code;
	if (m->doc->root->type != JSON_OBJECT)
		return json_error(m->doc, m->doc->root, e, ERR_FORMAT, "not an object");
	if (json_want_object(m->doc, m->doc->root, "signed", &m->body, e) < 0 || read_signatures(m, e) < 0 ||
	    read_head(m, e) < 0 || readers[m->type](m, e) < 0)
		return e->code;
	if (json_canonical(m->canonical, m->body, e) < 0)
		return err_wrap(e, "%s", m->name);
	return buf_check(m->canonical, e);
}

int metadata_parse(struct metadata **out, enum metadata_type type, const char *name,
		   const void *bytes, size_t len, struct err *e)
{
	AUTO(metadata) struct metadata *m = calloc(1, sizeof *m);

	if (!m)
		return err_memory(e);
	m->type = type;
	m->name = strdup(name);
	m->raw = buf_new(METADATA_LISTED_MAX);
	m->canonical = buf_new(METADATA_LISTED_MAX);
	if (!m->name || !m->raw || !m->canonical)
		return err_memory(e);
	buf_add(m->raw, bytes, len);
	if (buf_check(m->raw, e) < 0)
		return err_wrap(e, "%s", name);
	if (parse(m, e) < 0)
		return e->code;
	*out = TAKE(m);
	return 0;
}

void metadata_free(struct metadata *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->key_count; i++)
		pubkey_free(m->keys[i].key);
	for (size_t i = 0; i < METADATA_TYPES; i++)
		free(m->roles[i].keyids);
	for (size_t i = 0; i < m->delegation_count; i++)
		free(m->delegations[i].role.keyids);
	free(m->succinct.role.keyids);
	free(m->delegations);
	free(m->keys);
	free(m->entries);
	free(m->targets);
	free(m->signatures);
	json_free(m->doc);
	buf_free(m->raw);
	buf_free(m->canonical);
	free(m->name);
	free(m);
}

/* ---- look-ups ---- */

static int entry_order(const void *a, const void *b)
{
	return metadata_compare(*(const struct json_string *)a, ((const struct metadata_entry *)b)->name);
}

static int target_order(const void *a, const void *b)
{
	return metadata_compare(*(const struct json_string *)a, ((const struct metadata_target *)b)->path);
}

static int key_order(const void *a, const void *b)
{
	return metadata_compare(*(const struct json_string *)a, ((const struct metadata_key *)b)->id);
}

/* bsearch() wants no NULL, even for nothing. */
static const void *search(struct json_string want, const void *array, size_t count, size_t size,
			  int (*order)(const void *, const void *))
{
	return count ? bsearch(&want, array, count, size, order) : NULL;
}

const struct metadata_entry *metadata_entry(const struct metadata *m, const char *name, size_t len)
{
	return search((struct json_string){ name, len }, m->entries, m->entry_count, sizeof *m->entries, entry_order);
}

const struct metadata_target *metadata_target(const struct metadata *m, const char *path, size_t len)
{
	return search((struct json_string){ path, len }, m->targets, m->target_count, sizeof *m->targets, target_order);
}

const struct metadata_key *metadata_key(const struct metadata *m, struct json_string id)
{
	return search(id, m->keys, m->key_count, sizeof *m->keys, key_order);
}

const struct metadata_delegation *metadata_delegation(const struct metadata *m, const char *name)
{
	for (size_t i = 0; i < m->delegation_count; i++)
		if (!strcmp(m->delegations[i].name, name))
			return &m->delegations[i];
	return NULL;
}
