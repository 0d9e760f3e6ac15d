/* verify: whether enough distinct keys of a role signed a file. */
#include "signing/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "signing/delegation.h"

#define SIG_MAX 1024            /* bytes; RSA of 8192 bits */

bool authority_of(struct authority *out, const struct metadata *delegator, const char *role)
{
	const struct metadata_delegation *d;

	out->delegator = delegator;
	if (delegator->type == METADATA_ROOT) {
		for (int type = 0; type < METADATA_TYPES; type++) {
			if (strcmp(role, metadata_type_name(type)) != 0)
				continue;
			out->role = &delegator->roles[type];
			return true;
		}
		return false;
	}
	d = metadata_delegation(delegator, role);
	if (d)
		out->role = &d->role;
	else if (delegator->succinct.bit_length && delegation_is_bin(&delegator->succinct, role))
		out->role = &delegator->succinct.role;
	else
		return false;
	return true;
}

static bool lists(const struct metadata_role *r, struct json_string id)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->keyids[i].len == id.len && !memcmp(r->keyids[i].text, id.text, id.len))
			return true;
	return false;
}

static bool among(const struct pubkey *k, const struct pubkey *const *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pubkey_equal(k, keys[i]))
			return true;
	return false;
}

static bool good(const struct metadata *m, const struct metadata_signature *s, const struct pubkey *k)
{
	uint8_t sig[SIG_MAX];

	return s->hex_len % 2 == 0 && s->hex_len <= 2 * sizeof sig &&
	       hex_decode(sig, s->hex_len / 2, s->hex, s->hex_len) &&
	       pubkey_verify(k, m->canonical->data, m->canonical->len, sig, s->hex_len / 2);
}

size_t verify_count(const struct metadata *m, const struct authority *a)
{
	const struct pubkey *counted[METADATA_SIGNATURES_MAX];
	size_t count = 0;

	for (size_t i = 0; i < m->signature_count; i++) {
		const struct metadata_signature *s = &m->signatures[i];
		const struct metadata_key *k = metadata_key(a->delegator, s->keyid);

		if (k && k->key && lists(a->role, s->keyid) && !among(k->key, counted, count) && good(m, s, k->key))
			counted[count++] = k->key;
	}
	return count;
}

int verify(const struct metadata *m, const struct authority *a, const char *name, struct err *e)
{
	size_t count = verify_count(m, a);

	if (count >= (uint64_t)a->role->threshold)
		return 0;
	return err_set(e, ERR_AUTH, "%s: %zu of %lld signatures", name, count, (long long)a->role->threshold);
}

size_t authority_keys(const struct authority *a, const struct pubkey **keys, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < a->role->count && count < max; i++) {
		const struct metadata_key *k = metadata_key(a->delegator, a->role->keyids[i]);

		if (k && k->key && !among(k->key, keys, count))
			keys[count++] = k->key;
	}
	return count;
}
