#include "cli/role_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "cli/ceremony.h"
#include "signing/repo.h"

struct role_edit {
	char *role;
	const struct keyring *keys;     /* borrowed */
	struct metadata *targets;       /* who may sign the role, as the server says */
	struct metadata *now;
	struct author *author;
	struct authority by;
};

static int fetch_role(struct metadata **out, struct remote *r, const char *role, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "/v1/roles/%s", role) < 0)
		return err_memory(e);
	if (remote_call(r, "GET", path, NULL, &answer, e) < 0)
		return err_wrap(e, "role %s", role);
	return metadata_parse(out, METADATA_TARGETS, role, answer.text->data, answer.text->len, e);
}

/* One of the keys at hand has a valid signature on what stands now. */
static bool signed_by_us(const struct role_edit *x)
{
	const struct metadata *m = x->now;

	for (size_t i = 0; i < m->signature_count; i++) {
		uint8_t sig[1024];
		size_t len = m->signatures[i].hex_len / 2;

		if (len > sizeof sig || !hex_decode(sig, len, m->signatures[i].hex, m->signatures[i].hex_len))
			continue;
		for (size_t k = 0; k < x->keys->count; k++)
			if (pubkey_verify(seckey_public(x->keys->keys[k].key), m->canonical->data, m->canonical->len, sig, len))
				return true;
	}
	return false;
}

/* How many of the role's keys are at hand. */
static size_t held(const struct role_edit *x, size_t *all)
{
	const struct pubkey *keys[KEYRING_MAX];
	size_t count = authority_keys(&x->by, keys, ARRAY_LEN(keys)), have = 0;

	*all = count;
	for (size_t i = 0; i < MIN(count, ARRAY_LEN(keys)); i++)
		have += keyring_find(x->keys, keys[i]) != NULL;
	return have;
}

static int check_keys(const struct role_edit *x, bool adopt, struct err *e)
{
	size_t all;

	if (held(x, &all) == 0)
		return err_set(e, ERR_AUTH, "none of the %zu keys at hand is one of the %zu of role %s", x->keys->count, all, x->role);
	if (!adopt && x->now && !signed_by_us(x))
		return err_set(e, ERR_AUTH, "what the server publishes as %s version %lld was signed by no key at hand; look at it, then use --adopt",
			       x->role, (long long)x->now->version);
	return 0;
}

int role_edit_open(struct role_edit **out, struct remote *r, const char *role, const struct keyring *keys, bool adopt, struct err *e)
{
	AUTO(role_edit) struct role_edit *x = calloc(1, sizeof *x);

	if (!x)
		return err_memory(e);
	x->keys = keys;
	x->role = strdup(role);
	if (!x->role)
		return err_memory(e);
	if (fetch_role(&x->targets, r, "targets", e) < 0)
		return e->code;
	if (!authority_of(&x->by, x->targets, role))
		return err_set(e, ERR_NOT_FOUND, "the repository of %s has no role %s", remote_url(r), role);
	if (fetch_role(&x->now, r, role, e) < 0 && e->code != ERR_NOT_FOUND)
		return e->code;
	if (check_keys(x, adopt, e) < 0)
		return e->code;
	if (x->now ? author_load(&x->author, x->now, e) < 0 : author_new(&x->author, METADATA_TARGETS, e) < 0)
		return e->code;
	*out = TAKE(x);
	return 0;
}

void role_edit_free(struct role_edit *x)
{
	if (!x)
		return;
	author_free(x->author);
	metadata_free(x->now);
	metadata_free(x->targets);
	free(x->role);
	free(x);
}

const struct metadata *role_edit_now(const struct role_edit *x)
{
	return x->now;
}

struct author *role_edit_author(struct role_edit *x)
{
	return x->author;
}

int role_edit_finish(struct role_edit *x, int64_t now, struct buf **out, struct err *e)
{
	AUTO(buf) struct buf *bare = NULL;
	AUTO(buf) struct buf *whole = NULL;
	bool met = false;
	int added;

	author_set_version(x->author, (x->now ? x->now->version : 0) + 1);
	author_set_expires(x->author, now + REPO_PEOPLE_LIFE);
	if (author_finish(x->author, &bare, e) < 0)
		return e->code;
	/* Read before it is signed; not among what programs read. */
	if (ceremony_show_role(stderr, x->role, x->now, bare->data, bare->len, e) < 0)
		return e->code;
	added = author_sign(&whole, bare->data, bare->len, METADATA_TARGETS, x->keys, &x->by, &met, e);
	if (added < 0)
		return added;
	*out = TAKE(whole);
	return met ? 0 : (int)x->by.role->threshold - added;
}

bool role_edit_waits(const struct remote_answer *a)
{
	const struct json *q = a->doc ? json_get(a->doc->root, "request") : NULL;
	char id[80], have[24], need[24];

	if (!q || q->type != JSON_OBJECT)
		return false;
	remote_text(q, "id", id, sizeof id);
	remote_text(q, "have", have, sizeof have);
	remote_text(q, "need", need, sizeof need);
	if (strspn(id, "0123456789abcdef") != strlen(id))
		printf("%s of %s signatures: it would wait for the others as a signing request\n", have, need);
	else
		printf("%s of %s signatures; request %s is open: `ringhold request export %s -o FILE`, then `ringhold sign FILE`\n"
		       "with another key and `ringhold request import FILE`; nothing is published before\n", have, need, id, id);
	return true;
}
