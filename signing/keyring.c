/* keyring: the private keys at hand, found by their public halves. */
#include "signing/keyring.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define SUFFIX ".pem"

struct keyring *keyring_new(void)
{
	return calloc(1, sizeof(struct keyring));
}

void keyring_free(struct keyring *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++) {
		seckey_free(r->keys[i].key);
		free(r->keys[i].name);
	}
	free(r->keys);
	free(r);
}

int keyring_add(struct keyring *r, const char *name, struct seckey *k, struct err *e)
{
	AUTO(seckey) struct seckey *key = k;
	AUTO_FREE char *copy = strdup(name);
	struct keyring_key *more;

	if (r->count == KEYRING_MAX)
		return err_set(e, ERR_LIMIT, "more than %d keys", KEYRING_MAX);
	more = realloc(r->keys, (r->count + 1) * sizeof *more);
	if (!more || !copy) {
		r->keys = more ? more : r->keys;
		return err_memory(e);
	}
	r->keys = more;
	r->keys[r->count++] = (struct keyring_key){ TAKE(key), TAKE(copy) };
	return 0;
}

static int is_key(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), suffix = strlen(SUFFIX);

	return entry->d_name[0] != '.' && len > suffix && !strcmp(entry->d_name + len - suffix, SUFFIX);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_one(struct keyring *r, const char *dir, const char *file, seckey_ask *ask, void *arg, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, file), *name = strndup(file, strlen(file) - strlen(SUFFIX));
	struct seckey *k;

	if (!path || !name)
		return err_memory(e);
	if (seckey_load(&k, path, ask, arg, e) < 0)
		return e->code;
	return keyring_add(r, name, k, e);
}

int keyring_load(struct keyring **out, const char *dir, seckey_ask *ask, void *arg, struct err *e)
{
	AUTO(keyring) struct keyring *r = keyring_new();
	struct dirent **entries;
	int count, code = 0;

	if (!r)
		return err_memory(e);
	count = scandir(dir, &entries, is_key, by_bytes);
	if (count < 0)
		return err_errno(e, "%s: read the directory", dir);
	for (int i = 0; i < count; i++) {
		if (code == 0)
			code = load_one(r, dir, entries[i]->d_name, ask, arg, e);
		free(entries[i]);
	}
	free(entries);
	if (code < 0)
		return code;
	*out = TAKE(r);
	return 0;
}

const struct seckey *keyring_find(const struct keyring *r, const struct pubkey *k)
{
	for (size_t i = 0; i < r->count; i++)
		if (pubkey_equal(seckey_public(r->keys[i].key), k))
			return r->keys[i].key;
	return NULL;
}

const struct seckey *keyring_named(const struct keyring *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->keys[i].name, name))
			return r->keys[i].key;
	return NULL;
}
