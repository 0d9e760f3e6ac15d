/* change_text_keys: who may sign: keys and thresholds of roles, paths and order of delegations. */
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "signing/change_text_parts.h"
#include "signing/repo.h"

#define KEYS_MAX 512            /* of one role that are compared */
#define ID_SHOWN 16             /* characters of a key's id */

static const char *const type_names[] = { [PUBKEY_ED25519] = "ed25519", [PUBKEY_ECDSA] = "ecdsa", [PUBKEY_RSA] = "rsa" };

/* "3f2a9c0011223344 ed25519 (anna)" */
static void describe(const struct change_text_work *k, const struct pubkey *key, char out[160])
{
	const char *name = k->how->name ? k->how->name(k->how->arg, key) : NULL;
	char id[DIGEST_HEX_LEN + 1];
	struct err ignored;

	if (pubkey_id(key, id, &ignored) < 0)
		snprintf(id, sizeof id, "without an id");
	if (name)
		snprintf(out, 160, "%.*s %s (%.64s)", ID_SHOWN, id, type_names[pubkey_type(key)], name);
	else
		snprintf(out, 160, "%.*s %s", ID_SHOWN, id, type_names[pubkey_type(key)]);
}

static bool among(const struct pubkey *key, const struct pubkey *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pubkey_equal(key, keys[i]))
			return true;
	return false;
}

/* One key for two roles is a way for who steals it once to sign both. */
static bool used_elsewhere(const struct metadata *m, const struct metadata_role *self, const struct pubkey *key)
{
	const struct pubkey *keys[KEYS_MAX];

	for (int type = 0; m->type == METADATA_ROOT && type < METADATA_TYPES; type++) {
		struct authority a = { m, &m->roles[type] };

		if (&m->roles[type] != self && among(key, keys, authority_keys(&a, keys, KEYS_MAX)))
			return true;
	}
	for (size_t i = 0; i < m->delegation_count; i++) {
		struct authority a = { m, &m->delegations[i].role };

		if (a.role != self && among(key, keys, authority_keys(&a, keys, KEYS_MAX)))
			return true;
	}
	return false;
}

static int say_keys(struct change_text_work *k, const char *kind, const char *name, const struct authority *of, const struct authority *other)
{
	const struct pubkey *keys[KEYS_MAX], *others[KEYS_MAX];
	size_t count = authority_keys(of, keys, KEYS_MAX), other_count = other ? authority_keys(other, others, KEYS_MAX) : 0;
	bool added = strcmp(kind, "key-added") == 0;

	for (size_t i = 0; i < count; i++) {
		bool twice = added && used_elsewhere(of->delegator, of->role, keys[i]);
		char text[160];

		if (among(keys[i], others, other_count))
			continue;
		describe(k, keys[i], text);
		if (change_text_say(k, kind, name, 1, twice, "%s: key %s %s%s", name, text,
				    added ? "may sign from now on" : "may no longer sign", twice ? "; another role has the same key" : "") < 0)
			return k->e->code;
	}
	return 0;
}

static int say_threshold(struct change_text_work *k, const char *name, const struct authority *was, const struct authority *now)
{
	const struct pubkey *keys[KEYS_MAX];
	size_t count = authority_keys(now, keys, KEYS_MAX), before;

	if (!was)
		return change_text_say(k, "threshold", name, 1, (uint64_t)now->role->threshold > count, "%s: %lld of %zu keys must sign", name,
				       (long long)now->role->threshold, count);
	before = authority_keys(was, keys, KEYS_MAX);
	if (was->role->threshold == now->role->threshold && before == count)
		return 0;
	return change_text_say(k, "threshold", name, 1,
			       now->role->threshold < was->role->threshold || (uint64_t)now->role->threshold > count,
			       "%s: %lld of %zu keys must sign, was %lld of %zu", name, (long long)now->role->threshold, count,
			       (long long)was->role->threshold, before);
}

/* was NULL: a new role; now NULL: one that goes. */
static int say_role(struct change_text_work *k, const char *name, const struct authority *was, const struct authority *now)
{
	if (now && say_keys(k, "key-added", name, now, was) < 0)
		return k->e->code;
	if (was && say_keys(k, "key-removed", name, was, now) < 0)
		return k->e->code;
	return now ? say_threshold(k, name, was, now) : 0;
}

int change_text_roles(struct change_text_work *k)
{
	for (int type = 0; type < METADATA_TYPES; type++) {
		struct authority was = { k->was, k->was ? &k->was->roles[type] : NULL }, now = { k->becomes, &k->becomes->roles[type] };

		if (say_role(k, metadata_type_name(type), k->was ? &was : NULL, &now) < 0)
			return k->e->code;
	}
	return 0;
}

/* ---- delegations ---- */

static void join_paths(char *out, size_t cap, const struct json *paths)
{
	size_t len = 0;

	snprintf(out, cap, "nothing");
	for (uint32_t i = 0; paths && i < paths->count && len + 1 < cap; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? ", " : "", paths->u.items[i].u.text);
}

/* The pattern that a role of this name has by the design, and no other. */
static bool ordinary(const struct metadata_delegation *d)
{
	char pattern[REPO_PATTERN_MAX];

	return repo_pattern(pattern, d->name) && d->terminating && d->paths && d->paths->count == 1 && json_is(&d->paths->u.items[0], pattern);
}

static int say_paths(struct change_text_work *k, const struct metadata_delegation *was, const struct metadata_delegation *now)
{
	char paths[400], before[400];

	join_paths(paths, sizeof paths, now->paths);
	if (!was)
		return change_text_say(k, "paths", now->name, 1, !ordinary(now), "%s: may sign %s%s%s", now->name, paths,
				       now->terminating ? "" : "; does not terminate", now->prefixes ? "; and by hash prefixes" : "");
	if (was->paths && now->paths && json_equal(was->paths, now->paths) && was->terminating == now->terminating)
		return 0;
	join_paths(before, sizeof before, was->paths);
	return change_text_say(k, "paths", now->name, 1, !ordinary(now), "%s: may sign %s%s, was %s", now->name, paths,
			       now->terminating ? "" : "; does not terminate", before);
}

static int say_delegation(struct change_text_work *k, const struct metadata_delegation *was, const struct metadata_delegation *now)
{
	struct authority before = { k->was, was ? &was->role : NULL }, after = { k->becomes, &now->role };

	if (!was && change_text_say(k, "role-added", now->name, 1, false, "%s: a new role", now->name) < 0)
		return k->e->code;
	if (say_role(k, now->name, was ? &before : NULL, &after) < 0)
		return k->e->code;
	return say_paths(k, was, now);
}

/* Earlier delegations win: those that stay must stay in their order. */
static bool reordered(const struct metadata *was, const struct metadata *now)
{
	size_t at = 0;

	for (size_t i = 0; i < was->delegation_count; i++) {
		const struct metadata_delegation *d = metadata_delegation(now, was->delegations[i].name);

		if (!d)
			continue;
		if ((size_t)(d - now->delegations) < at)
			return true;
		at = (size_t)(d - now->delegations);
	}
	return false;
}

int change_text_delegations(struct change_text_work *k)
{
	const struct metadata *was = k->was, *now = k->becomes;

	for (size_t i = 0; i < now->delegation_count; i++)
		if (say_delegation(k, was ? metadata_delegation(was, now->delegations[i].name) : NULL, &now->delegations[i]) < 0)
			return k->e->code;
	for (size_t i = 0; was && i < was->delegation_count; i++) {
		struct authority before = { was, &was->delegations[i].role };
		const char *name = was->delegations[i].name;

		if (metadata_delegation(now, name))
			continue;
		if (change_text_say(k, "role-removed", name, 1, false, "%s: nobody is believed about it any more", name) < 0 ||
		    say_role(k, name, &before, NULL) < 0)
			return k->e->code;
	}
	if (was && reordered(was, now))
		return change_text_say(k, "order", "", 1, true, "delegations change their order: the first that fits a path speaks for it");
	return 0;
}
