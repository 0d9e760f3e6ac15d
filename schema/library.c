/* library: the documents that references may name. */
#include <stdlib.h>
#include <string.h>

#include "schema/compiler.h"

struct schema_library {
	struct library_entry *entries;
	size_t count, cap;
	struct table by_uri;            /* index + 1 */
};

int schema_library_new(struct schema_library **out, struct err *e)
{
	*out = calloc(1, sizeof **out);
	return *out ? 0 : err_memory(e);
}

void schema_library_free(struct schema_library *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->count; i++)
		free((char *)(uintptr_t)l->entries[i].uri);
	free(l->entries);
	table_release(&l->by_uri);
	free(l);
}

size_t library_count(const struct schema_library *l)
{
	return l ? l->count : 0;
}

const struct library_entry *library_at(const struct schema_library *l, size_t i)
{
	return &l->entries[i];
}

const struct library_entry *library_find(const struct schema_library *l, const char *uri)
{
	uint64_t hash = json_hash_text(uri, strlen(uri));
	size_t at = 0;
	void *index;

	while (l && (index = table_next(&l->by_uri, hash, &at))) {
		const struct library_entry *entry = &l->entries[(uintptr_t)index - 1];

		if (strcmp(entry->uri, uri) == 0)
			return entry;
	}
	return NULL;
}

static int room(struct schema_library *l, struct err *e)
{
	size_t cap = l->cap ? 2 * l->cap : 16;
	struct library_entry *entries;

	if (l->count < l->cap)
		return 0;
	entries = realloc(l->entries, cap * sizeof *entries);
	if (!entries)
		return err_memory(e);
	l->entries = entries;
	l->cap = cap;
	return 0;
}

int schema_library_add(struct schema_library *l, const char *uri, const struct json_doc *d, struct err *e)
{
	AUTO_FREE char *own = NULL;
	size_t len = uri ? strcspn(uri, "#") : 0;
	int rc = room(l, e);

	if (rc < 0)
		return rc;
	if (len >= URI_MAX)
		return err_set(e, ERR_LIMIT, "%s: a URI of %zu bytes, more than %d", d->name, len, URI_MAX - 1);
	if (len) {
		own = strndup(uri, len);
		if (!own)
			return err_memory(e);
		if (library_find(l, own))
			return err_set(e, ERR_CONFLICT, "%s: another document is known as %.300s", d->name, own);
		rc = table_add(&l->by_uri, json_hash_text(own, len), (void *)(uintptr_t)(l->count + 1), e);
		if (rc < 0)
			return rc;
	}
	l->entries[l->count++] = (struct library_entry){ .uri = own ? TAKE(own) : NULL, .doc = d };
	return 0;
}
