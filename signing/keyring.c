/* keyring: the private keys at hand, found by their public halves. */
#include "signing/keyring.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char *const suffixes[] = { SECKEY_FILE, SECKEY_URI_FILE };

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

/* Bytes of a file's name before its ending; 0: not the name of a key. */
static size_t stem(const char *file)
{
	size_t len = strlen(file);

	for (size_t i = 0; file[0] != '.' && i < ARRAY_LEN(suffixes); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (len > suffix && !strcmp(file + len - suffix, suffixes[i]))
			return len - suffix;
	}
	return 0;
}

static int is_key(const struct dirent *entry)
{
	return stem(entry->d_name) > 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

struct loading {
	struct keyring *ring;
	seckey_ask *ask;
	void *arg;
};

static int load_one(void *arg, const char *dir, const char *file, struct err *e)
{
	const struct loading *l = arg;
	AUTO_FREE char *path = file_join(dir, file), *name = strndup(file, stem(file));
	struct seckey *k;

	if (!path || !name)
		return err_memory(e);
	if (seckey_load(&k, path, l->ask, l->arg, e) < 0)
		return e->code;
	return keyring_add(l->ring, name, k, e);
}

int keyring_files(const char *dir, keyring_visit *visit, void *arg, struct err *e)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, is_key, by_bytes), code = 0;

	if (count < 0)
		return err_errno(e, "%s: read the directory", dir);
	for (int i = 0; i < count; i++) {
		if (code == 0)
			code = visit(arg, dir, entries[i]->d_name, e);
		free(entries[i]);
	}
	free(entries);
	return code;
}

int keyring_load(struct keyring **out, const char *dir, seckey_ask *ask, void *arg, struct err *e)
{
	AUTO(keyring) struct keyring *r = keyring_new();
	struct loading loading = { r, ask, arg };

	if (!r)
		return err_memory(e);
	if (keyring_files(dir, load_one, &loading, e) < 0)
		return e->code;
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
