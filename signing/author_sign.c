/* author: adds signatures to envelopes. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "signing/author.h"

static void put_signature(struct json_writer *w, struct json_string keyid, const char *hex, size_t hex_len)
{
	json_open_object(w, NULL);
	json_put_textn(w, "keyid", keyid.text, keyid.len);
	json_put_textn(w, "sig", hex, hex_len);
	json_close_object(w);
}

static int sign_one(struct json_writer *w, const struct metadata *m, struct json_string keyid, const struct seckey *k, struct err *e)
{
	AUTO(buf) struct buf *sig = buf_new(4096);
	AUTO_FREE char *hex = NULL;

	if (!sig)
		return err_memory(e);
	if (seckey_sign(k, m->canonical->data, m->canonical->len, sig, e) < 0)
		return e->code;
	hex = malloc(2 * sig->len + 1);
	if (!hex)
		return err_memory(e);
	hex_encode(hex, sig->data, sig->len);
	put_signature(w, keyid, hex, 2 * sig->len);
	return 0;
}

/* A key of the authority that the ring holds, and the id it signs under. */
struct signer {
	struct json_string keyid;
	const struct seckey *key;
};

static bool same_id(struct json_string a, struct json_string b)
{
	return a.len == b.len && !memcmp(a.text, b.text, a.len);
}

static bool signed_as(const struct metadata *m, struct json_string id)
{
	for (size_t i = 0; i < m->signature_count; i++)
		if (same_id(m->signatures[i].keyid, id))
			return true;
	return false;
}

/* One public key signs once, also when it has several ids. */
static size_t find_signers(const struct metadata *m, const struct keyring *ring, const struct authority *by, struct signer *out)
{
	size_t count = 0;

	for (size_t i = 0; i < by->role->count; i++) {
		struct json_string id = by->role->keyids[i];
		const struct metadata_key *k = metadata_key(by->delegator, id);
		const struct seckey *key = k && k->key ? keyring_find(ring, k->key) : NULL;
		bool again = false;

		for (size_t j = 0; j < count; j++)
			again = again || out[j].key == key;
		if (key && !again && !signed_as(m, id))
			out[count++] = (struct signer){ id, key };
	}
	return count;
}

static int rewrite(struct buf *out, const struct metadata *m, const struct signer *signers, size_t count, struct err *e)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_open_array(&w, "signatures");
	for (size_t i = 0; i < m->signature_count; i++)
		put_signature(&w, m->signatures[i].keyid, m->signatures[i].hex, m->signatures[i].hex_len);
	for (size_t i = 0; i < count; i++)
		if (sign_one(&w, m, signers[i].keyid, signers[i].key, e) < 0)
			return e->code;
	json_close_array(&w);
	for (size_t i = 0; i < m->doc->root->count; i++) {
		const struct json_member *member = &m->doc->root->u.members[i];

		if (strcmp(member->key.text, "signatures") != 0)
			json_put_value(&w, member->key.text, &member->value);
	}
	json_close_object(&w);
	return buf_check(out, e);
}

int author_sign(struct buf **out, const void *envelope, size_t len, enum metadata_type type, const struct keyring *ring,
		const struct authority *by, bool *met, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL, *done = NULL;
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	AUTO_FREE struct signer *signers = calloc(by->role->count + 1, sizeof *signers);
	size_t count;

	if (!text || !signers)
		return err_memory(e);
	if (metadata_parse(&m, type, metadata_type_name(type), envelope, len, e) < 0)
		return e->code;
	count = find_signers(m, ring, by, signers);
	if (rewrite(text, m, signers, count, e) < 0 ||
	    metadata_parse(&done, type, metadata_type_name(type), text->data, text->len, e) < 0)
		return e->code;
	*met = verify_count(done, by) >= (uint64_t)by->role->threshold;
	*out = TAKE(text);
	return (int)count;
}
