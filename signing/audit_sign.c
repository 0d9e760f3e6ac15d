/* audit_sign: makes a checkpoint; in an object of its own, for whoever checks one signs none. */
#include "base/hex.h"
#include "signing/audit_checkpoint.h"

#define SIGNATURE_MAX 256

int audit_checkpoint_sign(struct buf *out, const struct audit_checkpoint *c, const struct seckey *k, struct err *e)
{
	AUTO(buf) struct buf *plain = buf_new(AUDIT_CHECKPOINT_MAX), *canonical = buf_new(AUDIT_CHECKPOINT_MAX), *sig = buf_new(SIGNATURE_MAX);
	AUTO(buf) struct buf *key = buf_new(AUDIT_CHECKPOINT_MAX);
	AUTO(json) struct json_doc *d = NULL;
	struct json_writer w = { .out = plain };
	char hex[2 * SIGNATURE_MAX + 1];

	if (!plain || !canonical || !sig || !key)
		return err_memory(e);
	audit_checkpoint_signed(&w, NULL, c);
	if (buf_check(plain, e) < 0 || json_parse(&d, "checkpoint", plain->data, plain->len, NULL, e) < 0 ||
	    json_canonical(canonical, d->root, e) < 0 || seckey_sign(k, canonical->data, canonical->len, sig, e) < 0)
		return e->code;
	pubkey_json(seckey_public(k), key);
	hex_encode(hex, sig->data, sig->len);
	buf_adds(out, "{\"format\":1,\"signed\":");
	buf_add(out, canonical->data, canonical->len);
	buf_adds(out, ",\"key\":");
	buf_add(out, key->data, key->len);
	buf_addf(out, ",\"signature\":\"%s\"}", hex);
	return buf_check(key, e) < 0 ? e->code : buf_check(out, e);
}
