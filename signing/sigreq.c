/* sigreq: making a signing request, who may sign it, and collecting signatures. */
#include "signing/sigreq.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/name.h"
#include "signing/sigreq_parts.h"

#define SIG_BYTES_MAX 1024      /* RSA of 8192 bits */

/* ---- making one ---- */

enum metadata_type sigreq_type(const char *role)
{
	for (int type = 0; type < METADATA_TYPES; type++)
		if (!strcmp(role, metadata_type_name(type)))
			return type;
	return METADATA_TARGETS;
}

static int copy_metadata(struct metadata **out, const struct metadata *m, struct err *e)
{
	return metadata_parse(out, m->type, m->name, m->raw->data, m->raw->len, e);
}

static int copy_text(char **out, const char *what, const char *text, struct err *e)
{
	if (strlen(text) > SIGREQ_TEXT_MAX)
		return err_set(e, ERR_LIMIT, "signing request: %s is longer than %d bytes", what, SIGREQ_TEXT_MAX);
	*out = strdup(text);
	return *out ? 0 : err_memory(e);
}

int sigreq_new(struct sigreq **out, const char *by, const char *reason, const struct metadata *root,
	       const struct metadata *targets, int64_t created, int64_t expires, struct err *e)
{
	AUTO(sigreq) struct sigreq *q = calloc(1, sizeof *q);

	if (!q)
		return err_memory(e);
	q->created = created;
	q->expires = expires;
	if (copy_text(&q->by, "who asks", by, e) < 0 || copy_text(&q->reason, "the reason", reason, e) < 0 ||
	    copy_metadata(&q->root, root, e) < 0 || copy_metadata(&q->targets, targets, e) < 0)
		return e->code;
	*out = TAKE(q);
	return 0;
}

void sigreq_free(struct sigreq *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->draft_count; i++) {
		free(q->drafts[i].role);
		metadata_free(q->drafts[i].base);
		metadata_free(q->drafts[i].draft);
	}
	for (size_t i = 0; i < q->document_count; i++) {
		free(q->documents[i].path);
		buf_free(q->documents[i].bytes);
	}
	metadata_free(q->root);
	metadata_free(q->targets);
	free(q->by);
	free(q->reason);
	free(q->evidence);
	free(q);
}

int sigreq_add(struct sigreq *q, const char *role, const struct metadata *base, const void *envelope, size_t len, struct err *e)
{
	struct sigreq_draft *d = &q->drafts[q->draft_count];

	if (q->draft_count == SIGREQ_DRAFTS_MAX)
		return err_set(e, ERR_LIMIT, "signing request: more than %d drafts", SIGREQ_DRAFTS_MAX);
	*d = (struct sigreq_draft){ .role = strdup(role) };
	q->draft_count++;
	if (!d->role)
		return err_memory(e);
	if (base && copy_metadata(&d->base, base, e) < 0)
		return e->code;
	return metadata_parse(&d->draft, sigreq_type(role), role, envelope, len, e);
}

int sigreq_attach(struct sigreq *q, const char *path, const void *bytes, size_t len, struct err *e)
{
	struct sigreq_document *d = &q->documents[q->document_count];

	if (q->document_count == SIGREQ_DOCUMENTS_MAX || len > SIGREQ_DOCUMENT_MAX)
		return err_set(e, ERR_LIMIT, "signing request: %s is one document too many, or too large", path);
	*d = (struct sigreq_document){ .path = strdup(path), .bytes = buf_new(len + 1) };
	q->document_count++;
	if (!d->path || !d->bytes)
		return err_memory(e);
	buf_add(d->bytes, bytes, len);
	return buf_check(d->bytes, e);
}

int sigreq_set_evidence(struct sigreq *q, const char *json, struct err *e)
{
	AUTO(json) struct json_doc *doc = NULL;

	if (json_parse(&doc, "evidence", json, strlen(json), NULL, e) < 0)
		return e->code;
	free(q->evidence);
	q->evidence = strdup(json);
	return q->evidence ? 0 : err_memory(e);
}

static int add_bare(struct sigreq *to, const struct sigreq_draft *d, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_array(&w, "signatures");
	json_close_array(&w);
	json_put_value(&w, "signed", d->draft->body);
	json_close_object(&w);
	if (buf_check(text, e) < 0)
		return e->code;
	return sigreq_add(to, d->role, d->base, text->data, text->len, e);
}

int sigreq_bare(struct sigreq **out, const struct sigreq *q, struct err *e)
{
	AUTO(sigreq) struct sigreq *bare = NULL;

	if (sigreq_new(&bare, q->by, q->reason, q->root, q->targets, q->created, q->expires, e) < 0 ||
	    (q->evidence && sigreq_set_evidence(bare, q->evidence, e) < 0))
		return e->code;
	for (size_t i = 0; i < q->draft_count; i++)
		if (add_bare(bare, &q->drafts[i], e) < 0)
			return e->code;
	for (size_t i = 0; i < q->document_count; i++)
		if (sigreq_attach(bare, q->documents[i].path, q->documents[i].bytes->data ? q->documents[i].bytes->data : "",
				  q->documents[i].bytes->len, e) < 0)
			return e->code;
	if (sigreq_seal(bare, e) < 0)
		return e->code;
	*out = TAKE(bare);
	return 0;
}

/* ---- what holds for every request ---- */

static void digest_of(struct digest *out, const struct metadata *m)
{
	hash_bytes(out, m->canonical->data, m->canonical->len);
}

static bool same_signed(const struct metadata *a, const struct metadata *b)
{
	return a && b && a->canonical->len == b->canonical->len && !memcmp(a->canonical->data, b->canonical->data, a->canonical->len);
}

static int check_draft(const struct sigreq *q, const struct sigreq_draft *d, struct err *e)
{
	const struct metadata *m = d->draft;
	bool top = !strcmp(d->role, "root") || !strcmp(d->role, "targets");

	if (sigreq_type(d->role) == METADATA_TIMESTAMP || sigreq_type(d->role) == METADATA_SNAPSHOT)
		return err_set(e, ERR_REFUSED, "%s is signed by the server, never by request", d->role);
	if (d->base && d->base->version >= m->version)
		return err_set(e, ERR_ROLLBACK, "%s: version %lld does not come after version %lld", d->role, (long long)m->version,
			       (long long)d->base->version);
	if (top && !same_signed(d->base, m->type == METADATA_ROOT ? q->root : q->targets))
		return err_set(e, ERR_FORMAT, "%s: what it replaces is not the %s of the same request", d->role, d->role);
	if (m->type == METADATA_ROOT)
		return 0;
	if (top ? m->target_count > 0 : m->delegation_count > 0)
		return err_set(e, ERR_REFUSED, "%s: %s", d->role, top ? "lists targets itself" : "delegates further");
	for (size_t i = 0; i < m->delegation_count; i++)
		if (!m->delegations[i].terminating || !m->delegations[i].paths)
			return err_set(e, ERR_REFUSED, "targets: the delegation to %s does not terminate or is not by paths",
				       m->delegations[i].name);
	return m->succinct.bit_length ? err_set(e, ERR_REFUSED, "%s: delegates to bins", d->role) : 0;
}

/* root, targets, then the others; each once. */
static int check_order(const struct sigreq *q, size_t at, struct err *e)
{
	const char *role = q->drafts[at].role;
	bool misplaced = !strcmp(role, "root") ? at > 0 : !strcmp(role, "targets") && at > 0 && strcmp(q->drafts[0].role, "root") != 0;

	for (size_t i = 0; i < at; i++)
		misplaced = misplaced || !strcmp(q->drafts[i].role, role);
	return misplaced ? err_set(e, ERR_FORMAT, "signing request: %s is drafted twice or out of order", role) : 0;
}

static bool listed(const struct metadata *m, const char *path, const struct buf *bytes, const struct digest *sha256)
{
	const struct metadata_target *t = m->type == METADATA_TARGETS ? metadata_target(m, path, strlen(path)) : NULL;

	return t && t->has_sha256 && digest_equal(&t->sha256, sha256) && t->file.length == (int64_t)bytes->len;
}

static int check_document(const struct sigreq *q, const struct sigreq_document *d, struct err *e)
{
	struct digest sha256;
	bool found = false;

	hash_bytes(&sha256, d->bytes->data ? d->bytes->data : "", d->bytes->len);
	for (size_t i = 0; i < q->draft_count; i++)
		found = found || listed(q->drafts[i].draft, d->path, d->bytes, &sha256) ||
			(q->drafts[i].base && listed(q->drafts[i].base, d->path, d->bytes, &sha256));
	return found ? 0 : err_set(e, ERR_REFUSED, "%s: no draft, nor what one replaces, lists it with these bytes", d->path);
}

static int make_id(struct sigreq *q, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();
	char hex[DIGEST_HEX_LEN + 1];
	struct digest all;

	if (!h)
		return err_memory(e);
	for (size_t i = 0; i < q->draft_count; i++) {
		struct digest one;

		digest_of(&one, q->drafts[i].draft);
		hash_add(h, q->drafts[i].role, strlen(q->drafts[i].role) + 1);
		hash_add(h, one.bytes, sizeof one.bytes);
	}
	hash_final(h, &all);
	digest_hex(hex, &all);
	memcpy(q->id, hex, SIGREQ_ID_LEN);
	q->id[SIGREQ_ID_LEN] = '\0';
	return 0;
}

int sigreq_seal(struct sigreq *q, struct err *e)
{
	struct authority by[SIGREQ_AUTHORITIES];

	if (q->draft_count == 0)
		return err_set(e, ERR_FORMAT, "signing request: nothing is to be signed");
	if (q->expires <= q->created)
		return err_set(e, ERR_FORMAT, "signing request: expires before it was made");
	for (size_t i = 0; i < q->draft_count; i++) {
		if (check_order(q, i, e) < 0 || check_draft(q, &q->drafts[i], e) < 0)
			return e->code;
		if (sigreq_authorities(q, q->drafts[i].role, NULL, by) == 0)
			return err_set(e, ERR_NOT_FOUND, "%s: no such role", q->drafts[i].role);
	}
	for (size_t i = 0; i < q->document_count; i++)
		if (check_document(q, &q->documents[i], e) < 0)
			return e->code;
	return make_id(q, e);
}

/* ---- what is asked, and what is there ---- */

const struct sigreq_draft *sigreq_draft(const struct sigreq *q, const char *role)
{
	for (size_t i = 0; i < q->draft_count; i++)
		if (!strcmp(q->drafts[i].role, role))
			return &q->drafts[i];
	return NULL;
}

size_t sigreq_authorities(const struct sigreq *q, const char *role, const struct sigreq_trust *t, struct authority out[SIGREQ_AUTHORITIES])
{
	const struct sigreq_draft *root = sigreq_draft(q, "root"), *targets = sigreq_draft(q, "targets");
	const struct metadata *old = t && t->root ? t->root : q->root;
	const struct metadata *new = root ? root->draft : old;
	const struct metadata *delegator = targets ? targets->draft : t && t->targets ? t->targets : q->targets;

	if (!strcmp(role, "root")) {
		size_t count = authority_of(&out[0], old, "root");

		return count + (new != old && authority_of(&out[count], new, "root"));
	}
	return authority_of(&out[0], sigreq_type(role) == METADATA_TARGETS && strcmp(role, "targets") != 0 ? delegator : new, role);
}

bool sigreq_count(const struct sigreq *q, const char *role, const struct sigreq_trust *t, size_t *have, int64_t *need)
{
	struct authority by[SIGREQ_AUTHORITIES];
	const struct sigreq_draft *d = sigreq_draft(q, role);
	size_t count = d ? sigreq_authorities(q, role, t, by) : 0;

	for (size_t i = 0; i < count; i++) {
		size_t got = verify_count(d->draft, &by[i]);

		if (i > 0 && by[i].role->threshold - (int64_t)got <= *need - (int64_t)*have)
			continue;
		*have = got;
		*need = by[i].role->threshold;
	}
	return count > 0;
}

bool sigreq_met(const struct sigreq *q, const struct sigreq_trust *t)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		size_t have;
		int64_t need;

		if (!sigreq_count(q, q->drafts[i].role, t, &have, &need) || (int64_t)have < need)
			return false;
	}
	return true;
}

/* Every member of a but version and expires is in b, and equal. */
static bool within(const struct metadata *a, const struct metadata *b)
{
	for (size_t i = 0; i < a->body->count; i++) {
		const struct json_member *m = &a->body->u.members[i];
		struct json key = json_key(a->doc, m);
		const struct json *other = strlen(m->key.text) == m->key.len ? json_get(b->body, m->key.text) : NULL;

		if (!json_is(&key, "version") && !json_is(&key, "expires") && !(other && json_equal(other, &m->value)))
			return false;
	}
	return true;
}

bool sigreq_is_renewal(const struct sigreq_draft *d)
{
	return d->base && d->base->type == d->draft->type && within(d->base, d->draft) && within(d->draft, d->base);
}

int sigreq_check_base(const struct sigreq_draft *d, const struct metadata *current, struct err *e)
{
	if (same_signed(d->base, current) || (!d->base && !current))
		return 0;
	if (!current)
		return err_set(e, ERR_CONFLICT, "%s: the request replaces version %lld, but none is published", d->role,
			       (long long)d->base->version);
	return err_set(e, ERR_CONFLICT, "%s: the request is stale: it replaces version %lld, but version %lld is published", d->role,
		       d->base ? (long long)d->base->version : 0LL, (long long)current->version);
}

/* ---- signatures ---- */

bool sigreq_signature_good(const struct sigreq *q, const char *role, const struct sigreq_trust *t, struct json_string keyid,
			   const char *hex, size_t hex_len)
{
	struct authority by[SIGREQ_AUTHORITIES];
	const struct sigreq_draft *d = sigreq_draft(q, role);
	size_t count = d ? sigreq_authorities(q, role, t, by) : 0;
	uint8_t sig[SIG_BYTES_MAX];

	if (hex_len % 2 || hex_len > 2 * sizeof sig || !hex_decode(sig, hex_len / 2, hex, hex_len))
		return false;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < by[i].role->count; k++) {
			struct json_string id = by[i].role->keyids[k];
			const struct metadata_key *key = metadata_key(by[i].delegator, id);

			if (key && key->key && id.len == keyid.len && !memcmp(id.text, keyid.text, id.len) &&
			    pubkey_verify(key->key, d->draft->canonical->data, d->draft->canonical->len, sig, hex_len / 2))
				return true;
		}
	return false;
}

static bool same_id(struct json_string a, struct json_string b)
{
	return a.len == b.len && !memcmp(a.text, b.text, a.len);
}

static void put_signature(struct json_writer *w, struct json_string keyid, const char *hex, size_t hex_len)
{
	json_open_object(w, NULL);
	json_put_textn(w, "keyid", keyid.text, keyid.len);
	json_put_textn(w, "sig", hex, hex_len);
	json_close_object(w);
}

/* The draft with the valid signatures it has and one more; what is no signature falls away. */
static int put_in(struct sigreq *q, struct sigreq_draft *d, const struct sigreq_trust *t, struct json_string keyid, const char *hex,
		  size_t hex_len, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	struct json_writer w = { .out = text };
	struct metadata *fresh = NULL;

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_array(&w, "signatures");
	for (size_t i = 0; i < d->draft->signature_count; i++) {
		const struct metadata_signature *s = &d->draft->signatures[i];

		if (!same_id(s->keyid, keyid) && sigreq_signature_good(q, d->role, t, s->keyid, s->hex, s->hex_len))
			put_signature(&w, s->keyid, s->hex, s->hex_len);
	}
	put_signature(&w, keyid, hex, hex_len);
	json_close_array(&w);
	json_put_value(&w, "signed", d->draft->body);
	json_close_object(&w);
	if (buf_check(text, e) < 0 || metadata_parse(&fresh, d->draft->type, d->role, text->data, text->len, e) < 0)
		return e->code;
	metadata_free(d->draft);
	d->draft = fresh;
	return 0;
}

static int add(struct sigreq *q, const char *role, const struct sigreq_trust *t, struct json_string keyid, const char *hex, size_t hex_len,
	       struct err *e)
{
	struct sigreq_draft *d = (struct sigreq_draft *)sigreq_draft(q, role);

	if (!d)
		return err_set(e, ERR_NOT_FOUND, "the request %s asks nothing of %s", q->id, role);
	if (!sigreq_signature_good(q, role, t, keyid, hex, hex_len))
		return err_set(e, ERR_AUTH, "%s: the signature under key %.16s is none of a key that may sign it", role, keyid.text);
	for (size_t i = 0; i < d->draft->signature_count; i++) {
		const struct metadata_signature *s = &d->draft->signatures[i];

		if (same_id(s->keyid, keyid) && sigreq_signature_good(q, role, t, keyid, s->hex, s->hex_len))
			return 0;
	}
	return put_in(q, d, t, keyid, hex, hex_len, e) < 0 ? e->code : 1;
}

int sigreq_add_signature(struct sigreq *q, const char *role, const char *keyid, const char *sig_hex, const struct sigreq_trust *t,
			 struct err *e)
{
	return add(q, role, t, (struct json_string){ keyid, strlen(keyid) }, sig_hex, strlen(sig_hex), e);
}

int sigreq_merge(struct sigreq *into, const struct sigreq *from, const struct sigreq_trust *t, struct err *e)
{
	int count = 0;

	if (strcmp(into->id, from->id) != 0)
		return err_set(e, ERR_CONFLICT, "signatures for request %s do not sign request %s", from->id, into->id);
	for (size_t i = 0; i < from->draft_count; i++) {
		const struct metadata *m = from->drafts[i].draft;

		for (size_t k = 0; k < m->signature_count; k++) {
			const struct metadata_signature *s = &m->signatures[k];
			int got = add(into, from->drafts[i].role, t, s->keyid, s->hex, s->hex_len, e);

			if (got < 0 && got != ERR_AUTH)
				return got;
			count += got > 0;
		}
	}
	return count;
}
