/* trust_edit: root or targets as roles that can be changed. */
#include "cli/trust_edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "signing/author.h"
#include "signing/repo.h"
#include "signing/seckey.h"

#define KEYS_MAX 64             /* of one role */
#define PATHS_MAX 32            /* of one delegation */

struct edited {
	char *name;
	const struct pubkey *keys[KEYS_MAX];    /* borrowed from the metadata, or owned by the edit */
	size_t key_count;
	int64_t threshold;
	const char *paths[PATHS_MAX];   /* borrowed */
	size_t path_count;
	char pattern[REPO_PATTERN_MAX]; /* of a new role: the one its name has by the design */
};

struct trust_edit {
	const struct metadata *m;
	struct edited **roles;          /* owned, each */
	size_t count;
	struct pubkey **owned;
	size_t owned_count;
};

static struct edited *add(struct trust_edit *x, const char *name, struct err *e)
{
	struct edited **more = realloc(x->roles, (x->count + 1) * sizeof *more);
	struct edited *r = calloc(1, sizeof *r);

	if (more)
		x->roles = more;
	if (!more || !r || !(r->name = strdup(name))) {
		free(r);
		err_memory(e);
		return NULL;
	}
	x->roles[x->count++] = r;
	return r;
}

static int load_role(struct trust_edit *x, const char *name, const struct metadata_role *role, const struct json *paths, struct err *e)
{
	struct authority by = { x->m, role };
	struct edited *r = add(x, name, e);
	const struct pubkey *keys[KEYS_MAX + 1];

	if (!r)
		return e->code;
	for (size_t i = 0; i < role->count; i++) {
		const struct metadata_key *k = metadata_key(x->m, role->keyids[i]);

		if (!k || !k->key)
			return err_set(e, ERR_UNSUPPORTED, "%s: key %.16s is of a kind this program cannot write again", name, role->keyids[i].text);
	}
	r->key_count = authority_keys(&by, keys, ARRAY_LEN(keys));
	if (r->key_count > KEYS_MAX || (paths && paths->count > PATHS_MAX))
		return err_set(e, ERR_LIMIT, "%s: more than %d keys or %d paths", name, KEYS_MAX, PATHS_MAX);
	memcpy(r->keys, keys, r->key_count * sizeof *keys);
	r->threshold = role->threshold;
	for (uint32_t i = 0; paths && i < paths->count; i++)
		r->paths[r->path_count++] = paths->u.items[i].u.text;
	return 0;
}

static int load(struct trust_edit *x, struct err *e)
{
	const struct metadata *m = x->m;

	if (m->type == METADATA_ROOT) {
		for (int type = 0; type < METADATA_TYPES; type++)
			if (load_role(x, metadata_type_name(type), &m->roles[type], NULL, e) < 0)
				return e->code;
		return 0;
	}
	if (m->succinct.bit_length)
		return err_set(e, ERR_UNSUPPORTED, "targets: delegates to bins, which this program cannot write again");
	for (size_t i = 0; i < m->delegation_count; i++) {
		const struct metadata_delegation *d = &m->delegations[i];

		if (!d->paths || !d->terminating)
			return err_set(e, ERR_UNSUPPORTED, "targets: the delegation to %s is not by paths or does not terminate", d->name);
		if (load_role(x, d->name, &d->role, d->paths, e) < 0)
			return e->code;
	}
	return 0;
}

int trust_edit_new(struct trust_edit **out, const struct metadata *m, struct err *e)
{
	AUTO(trust_edit) struct trust_edit *x = calloc(1, sizeof *x);

	if (!x)
		return err_memory(e);
	x->m = m;
	if (load(x, e) < 0)
		return e->code;
	*out = TAKE(x);
	return 0;
}

static void free_role(struct edited *r)
{
	free(r->name);
	free(r);
}

void trust_edit_free(struct trust_edit *x)
{
	if (!x)
		return;
	for (size_t i = 0; i < x->count; i++)
		free_role(x->roles[i]);
	for (size_t i = 0; i < x->owned_count; i++)
		pubkey_free(x->owned[i]);
	free(x->roles);
	free(x->owned);
	free(x);
}

/* ---- changing ---- */

static struct edited *find(struct trust_edit *x, const char *role, size_t *at)
{
	for (size_t i = 0; i < x->count; i++) {
		if (strcmp(x->roles[i]->name, role) != 0)
			continue;
		if (at)
			*at = i;
		return x->roles[i];
	}
	return NULL;
}

static struct edited *want(struct trust_edit *x, const char *role, struct err *e)
{
	struct edited *r = find(x, role, NULL);

	if (!r)
		err_set(e, ERR_NOT_FOUND, "there is no role %s", role);
	return r;
}

int trust_edit_add_role(struct trust_edit *x, const char *role, struct err *e)
{
	struct edited *r;
	char pattern[REPO_PATTERN_MAX];

	if (find(x, role, NULL))
		return err_set(e, ERR_CONFLICT, "there is a role %s already", role);
	r = add(x, role, e);
	if (!r)
		return e->code;
	r->threshold = 1;
	if (repo_pattern(pattern, role)) {
		memcpy(r->pattern, pattern, sizeof pattern);
		r->paths[r->path_count++] = r->pattern;
	}
	return 0;
}

int trust_edit_remove_role(struct trust_edit *x, const char *role, struct err *e)
{
	size_t at;

	if (!find(x, role, &at))
		return want(x, role, e) ? 0 : e->code;
	free_role(x->roles[at]);
	memmove(&x->roles[at], &x->roles[at + 1], (x->count - at - 1) * sizeof(struct edited *));
	x->count--;
	return 0;
}

/* The public half alone, as a key of its own. */
static int public_of(struct pubkey **out, const char *file, struct err *e)
{
	AUTO(seckey) struct seckey *k = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	struct err other;

	if (!text)
		return err_memory(e);
	if (pubkey_read(out, file, e) == 0)
		return 0;
	if (seckey_load(&k, file, NULL, NULL, &other) < 0)
		return e->code;
	pubkey_json(seckey_public(k), text);
	if (buf_check(text, e) < 0 || json_parse(&doc, file, text->data, text->len, NULL, e) < 0)
		return e->code;
	return pubkey_parse(out, doc, doc->root, e);
}

static int own(struct trust_edit *x, struct pubkey *k, struct err *e)
{
	struct pubkey **more = realloc(x->owned, (x->owned_count + 1) * sizeof *more);

	if (!more) {
		pubkey_free(k);
		return err_memory(e);
	}
	x->owned = more;
	x->owned[x->owned_count++] = k;
	return 0;
}

int trust_edit_add_key(struct trust_edit *x, const char *role, const char *file, struct err *e)
{
	struct edited *r = want(x, role, e);
	struct pubkey *k = NULL;

	if (!r || public_of(&k, file, e) < 0 || own(x, k, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->key_count; i++)
		if (pubkey_equal(r->keys[i], k))
			return err_set(e, ERR_CONFLICT, "%s: it has the key of %s already", role, file);
	if (r->key_count == KEYS_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d keys", role, KEYS_MAX);
	r->keys[r->key_count++] = k;
	return 0;
}

int trust_edit_remove_key(struct trust_edit *x, const char *role, const char *id, struct err *e)
{
	struct edited *r = want(x, role, e);
	char whole[DIGEST_HEX_LEN + 1];
	size_t found = 0, at = 0;

	if (!r)
		return e->code;
	if (file_exists(id)) {
		AUTO(pubkey) struct pubkey *k = NULL;

		if (public_of(&k, id, e) < 0 || pubkey_id(k, whole, e) < 0)
			return e->code;
		id = whole;
	}
	for (size_t i = 0; i < r->key_count; i++) {
		char is[DIGEST_HEX_LEN + 1];

		if (pubkey_id(r->keys[i], is, e) < 0)
			return e->code;
		if (*id && strncmp(is, id, strlen(id)) == 0) {
			at = i;
			found++;
		}
	}
	if (found != 1)
		return found ? err_set(e, ERR_CONFLICT, "%s: %zu of its keys begin with %s: name more of the id", role, found, id)
			     : err_set(e, ERR_NOT_FOUND, "%s: none of its %zu keys has the id %s", role, r->key_count, id);
	memmove(&r->keys[at], &r->keys[at + 1], (r->key_count - at - 1) * sizeof *r->keys);
	r->key_count--;
	return 0;
}

int trust_edit_set_threshold(struct trust_edit *x, const char *role, int64_t threshold, struct err *e)
{
	struct edited *r = want(x, role, e);

	if (!r)
		return e->code;
	r->threshold = threshold;
	return 0;
}

int trust_edit_set_paths(struct trust_edit *x, const char *role, const struct cli_list *paths, struct err *e)
{
	struct edited *r = want(x, role, e);

	if (!r)
		return e->code;
	if (paths->count > PATHS_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d paths", role, PATHS_MAX);
	memcpy(r->paths, paths->items, paths->count * sizeof *r->paths);
	r->path_count = paths->count;
	return 0;
}

/* ---- the file ---- */

static int check(const struct edited *r, bool delegated, struct err *e)
{
	if (r->threshold < 1 || (uint64_t)r->threshold > r->key_count)
		return err_set(e, ERR_USAGE, "%s: %lld of %zu keys: nobody could sign it", r->name, (long long)r->threshold, r->key_count);
	if (delegated && r->path_count == 0)
		return err_set(e, ERR_USAGE, "%s: which paths may it sign? name them with --path", r->name);
	return 0;
}

int trust_edit_finish(struct trust_edit *x, int64_t now, struct buf **out, struct err *e)
{
	AUTO_FREE struct author_role *roles = calloc(x->count + 1, sizeof *roles);
	AUTO(author) struct author *a = NULL;
	bool root = x->m->type == METADATA_ROOT;

	if (!roles)
		return err_memory(e);
	for (size_t i = 0; i < x->count; i++) {
		const struct edited *r = x->roles[i];

		if (check(r, !root, e) < 0)
			return e->code;
		roles[i] = (struct author_role){ r->name, r->keys, r->key_count, r->threshold, r->paths, r->path_count };
	}
	if (author_load(&a, x->m, e) < 0 || (root ? author_set_roles(a, roles, x->count, true, e) : author_set_delegations(a, roles, x->count, e)) < 0)
		return e->code;
	author_set_version(a, x->m->version + 1);
	author_set_expires(a, now + REPO_PEOPLE_LIFE);
	return author_finish(a, out, e);
}
