/*
 * forge: repositories made by the test itself, well or badly, in memory.
 *
 * A world has keys, one document per role, what the network serves and what
 * the client's store holds. Tests turn a knob, publish, and let a client
 * refresh; every request is remembered.
 */
#ifndef TESTS_SIGNING_FORGE_H
#define TESTS_SIGNING_FORGE_H

#include "base/clock.h"
#include "base/hex.h"
#include "signing/client.h"
#include "signing/seckey.h"
#include "test.h"

#define FORGE_NOW 1800000000    /* seconds; every clock here */
#define FORGE_DAY 86400
#define FORGE_FILES 400
#define FORGE_DOCS 48
#define FORGE_SIGNERS 8

struct forge_files {
	struct {
		char *name;
		struct buf *bytes;
	} list[FORGE_FILES];
	size_t count;
};

struct forge_signer {
	const struct seckey *key;
	const char *keyid;              /* NULL: the usual one */
};

struct forge_doc {
	const char *role;               /* "" for the file of another */
	const char *type;               /* of _type */
	int64_t version, expires;
	char body[8192];                /* further members: "\"targets\":{}" */
	struct forge_signer signers[FORGE_SIGNERS];
	size_t signer_count;
	bool unlisted;                  /* not in the snapshot */
	bool bare;                      /* no length and hashes in the snapshot or timestamp */
	int64_t listed_version;         /* what the snapshot says, when not 0 */
	bool kept;                      /* the snapshot or timestamp body was written by the test */
};

struct forge {
	struct seckey *root[3], *timestamp, *snapshot, *targets, *a, *b;
	struct forge_doc docs[FORGE_DOCS];      /* root, timestamp, snapshot, targets, delegated */
	size_t doc_count;
	bool consistent;
	struct forge_files net, store;
	char log[16384];                /* " GET name GET name" of the last refresh or search */
	unsigned requests;
	const char *fail;               /* this name fails on the network */
};

enum { ROOT, TIMESTAMP, SNAPSHOT, TARGETS };

/* ---- files ---- */

static inline struct buf *forge_get(struct forge_files *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->list[i].name, name))
			return f->list[i].bytes;
	return NULL;
}

static inline void forge_put(struct forge_files *f, const char *name, const void *bytes, size_t len)
{
	struct buf *b = forge_get(f, name);

	if (!b) {
		assert_true(f->count < FORGE_FILES);
		f->list[f->count].name = strdup(name);
		b = f->list[f->count++].bytes = buf_new(0);
	}
	buf_clear(b);
	buf_add(b, bytes, len);
}

static inline void forge_drop(struct forge_files *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->list[i].name, name)) {
			free(f->list[i].name);
			buf_free(f->list[i].bytes);
			f->list[i] = f->list[--f->count];
			return;
		}
}

static inline void forge_clear(struct forge_files *f)
{
	while (f->count)
		forge_drop(f, f->list[0].name);
}

static inline void forge_copy(struct forge_files *to, const char *name, struct forge_files *from, const char *as)
{
	struct buf *b = forge_get(from, as);

	assert_non_null(b);
	forge_put(to, name, b->data, b->len);
}

/* ---- documents ---- */

static inline struct seckey *forge_key(void)
{
	struct seckey *k = NULL;
	struct err e;

	assert_ok(seckey_generate(&k, &e));
	return k;
}

static inline const char *forge_keyid(const struct seckey *k)
{
	static char ids[16][DIGEST_HEX_LEN + 1];
	static unsigned next;
	char *id = ids[next++ % 16];
	struct err e;

	assert_ok(pubkey_id(seckey_public(k), id, &e));
	return id;
}

/* "id": {key object} */
static inline void forge_key_member(struct buf *out, const char *id, const struct seckey *k)
{
	buf_addf(out, "%s\"%s\":", out->len && out->data[out->len - 1] == '}' ? "," : "", id ? id : forge_keyid(k));
	pubkey_json(seckey_public(k), out);
}

/* {"signatures":[…],"signed":BODY} over the canonical form. */
static inline struct buf *forge_envelope(const char *body, const struct forge_signer *signers, size_t count)
{
	struct buf *out = buf_new(0);
	AUTO(buf) struct buf *canonical = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	struct err e;

	assert_ok(json_parse(&doc, "forged", body, strlen(body), NULL, &e));
	assert_ok(json_canonical(canonical, doc->root, &e));
	buf_adds(out, "{\"signatures\":[");
	for (size_t i = 0; i < count; i++) {
		AUTO(buf) struct buf *sig = buf_new(0);
		char hex[4096];

		assert_ok(seckey_sign(signers[i].key, canonical->data, canonical->len, sig, &e));
		hex_encode(hex, sig->data, sig->len);
		buf_addf(out, "%s{\"keyid\":\"%s\",\"sig\":\"%s\"}", i ? "," : "",
			 signers[i].keyid ? signers[i].keyid : forge_keyid(signers[i].key), hex);
	}
	buf_addf(out, "],\"signed\":%s}", body);
	return out;
}

static inline struct buf *forge_doc_bytes(const struct forge_doc *d)
{
	AUTO(buf) struct buf *body = buf_new(0);
	char expires[CLOCK_TEXT_LEN + 1];

	clock_text(expires, d->expires);
	buf_addf(body, "{\"_type\":\"%s\",\"spec_version\":\"1.0.31\",\"version\":%lld,\"expires\":\"%s\",%s}", d->type,
		 (long long)d->version, expires, d->body);
	return forge_envelope(body->data, d->signers, d->signer_count);
}

static inline void forge_sign_by(struct forge_doc *d, const struct seckey *k)
{
	d->signers[0] = (struct forge_signer){ k, NULL };
	d->signer_count = 1;
}

static inline struct forge_doc *forge_add(struct forge *f, const char *role, const char *type, const struct seckey *k)
{
	struct forge_doc *d = &f->docs[f->doc_count++];

	assert_true(f->doc_count <= FORGE_DOCS);
	*d = (struct forge_doc){ .role = role, .type = type, .version = 1, .expires = FORGE_NOW + 10 * FORGE_DAY };
	forge_sign_by(d, k);
	snprintf(d->body, sizeof d->body, "\"targets\":{}");
	return d;
}

static inline struct forge_doc *forge_doc(struct forge *f, const char *role)
{
	for (size_t i = 0; i < f->doc_count; i++)
		if (!strcmp(f->docs[i].role, role))
			return &f->docs[i];
	fail_msg("no document %s", role);
	return NULL;
}

/* "targets":{"path":{…}} for a target of these bytes */
static inline void forge_target(char out[512], const char *path, const char *bytes)
{
	struct digest d;
	char hex[DIGEST_HEX_LEN + 1];

	hash_bytes(&d, bytes, strlen(bytes));
	digest_hex(hex, &d);
	snprintf(out, 512, "\"%s\":{\"length\":%zu,\"hashes\":{\"sha256\":\"%s\"}}", path, strlen(bytes), hex);
}

/* Root's keys and roles: root by `threshold` of its three keys, the others by one. */
static inline void forge_root_body(struct forge *f, int threshold)
{
	AUTO(buf) struct buf *keys = buf_new(0);
	struct forge_doc *d = &f->docs[ROOT];

	for (int i = 0; i < 3; i++)
		forge_key_member(keys, NULL, f->root[i]);
	forge_key_member(keys, NULL, f->timestamp);
	forge_key_member(keys, NULL, f->snapshot);
	forge_key_member(keys, NULL, f->targets);
	snprintf(d->body, sizeof d->body,
		 "\"consistent_snapshot\":%s,\"keys\":{%s},\"roles\":{"
		 "\"root\":{\"keyids\":[\"%s\",\"%s\",\"%s\"],\"threshold\":%d},"
		 "\"timestamp\":{\"keyids\":[\"%s\"],\"threshold\":1},"
		 "\"snapshot\":{\"keyids\":[\"%s\"],\"threshold\":1},"
		 "\"targets\":{\"keyids\":[\"%s\"],\"threshold\":1}}",
		 f->consistent ? "true" : "false", keys->data, forge_keyid(f->root[0]), forge_keyid(f->root[1]),
		 forge_keyid(f->root[2]), threshold, forge_keyid(f->timestamp), forge_keyid(f->snapshot),
		 forge_keyid(f->targets));
	d->signer_count = 0;
	for (int i = 0; i < threshold; i++)
		d->signers[d->signer_count++] = (struct forge_signer){ f->root[i], NULL };
}

static inline struct forge *forge_new(void)
{
	struct forge *f = calloc(1, sizeof *f);

	for (int i = 0; i < 3; i++)
		f->root[i] = forge_key();
	f->timestamp = forge_key();
	f->snapshot = forge_key();
	f->targets = forge_key();
	f->a = forge_key();
	f->b = forge_key();
	f->consistent = true;
	forge_add(f, "root", "root", f->root[0]);
	forge_add(f, "timestamp", "timestamp", f->timestamp);
	forge_add(f, "snapshot", "snapshot", f->snapshot);
	forge_add(f, "targets", "targets", f->targets);
	forge_root_body(f, 2);
	return f;
}

static inline void forge_free(struct forge *f)
{
	forge_clear(&f->net);
	forge_clear(&f->store);
	for (int i = 0; i < 3; i++)
		seckey_free(f->root[i]);
	seckey_free(f->timestamp);
	seckey_free(f->snapshot);
	seckey_free(f->targets);
	seckey_free(f->a);
	seckey_free(f->b);
	free(f);
}

static inline void forge_list(struct buf *out, const char *name, int64_t version, const struct buf *bytes, bool bare)
{
	struct digest d;
	char hex[DIGEST_HEX_LEN + 1];

	hash_bytes(&d, bytes->data, bytes->len);
	digest_hex(hex, &d);
	buf_addf(out, "%s\"%s.json\":{\"version\":%lld", out->data[out->len - 1] == '{' ? "" : ",", name, (long long)version);
	if (!bare)
		buf_addf(out, ",\"length\":%zu,\"hashes\":{\"sha256\":\"%s\"}", bytes->len, hex);
	buf_addc(out, '}');
}

static inline void forge_serve(struct forge *f, const struct forge_doc *d, const struct buf *bytes)
{
	AUTO(buf) struct buf *name = buf_new(0);
	bool prefixed = !strcmp(d->role, "root") || (f->consistent && strcmp(d->role, "timestamp") != 0);

	if (prefixed)
		buf_addf(name, "%lld.", (long long)(d->listed_version ? d->listed_version : d->version));
	buf_addf(name, "%s.json", d->role);
	forge_put(&f->net, name->data, bytes->data, bytes->len);
}

/* Writes every document as the knobs say and serves it. */
static inline void forge_publish(struct forge *f)
{
	AUTO(buf) struct buf *meta = buf_new(0);
	struct forge_doc *snapshot = &f->docs[SNAPSHOT], *timestamp = &f->docs[TIMESTAMP];

	buf_adds(meta, "\"meta\":{");
	for (size_t i = 0; i < f->doc_count; i++) {
		struct forge_doc *d = &f->docs[i];

		if (i == TIMESTAMP || i == SNAPSHOT)
			continue;
		AUTO(buf) struct buf *bytes = forge_doc_bytes(d);

		forge_serve(f, d, bytes);
		if (i != ROOT && !d->unlisted)
			forge_list(meta, d->role, d->listed_version ? d->listed_version : d->version, bytes, d->bare);
	}
	buf_addc(meta, '}');
	if (!snapshot->kept)
		snprintf(snapshot->body, sizeof snapshot->body, "%s", meta->data);
	AUTO(buf) struct buf *snapshot_bytes = forge_doc_bytes(snapshot);

	forge_serve(f, snapshot, snapshot_bytes);
	buf_clear(meta);
	buf_adds(meta, "\"meta\":{");
	forge_list(meta, "snapshot", snapshot->listed_version ? snapshot->listed_version : snapshot->version, snapshot_bytes,
		   snapshot->bare);
	buf_addc(meta, '}');
	if (!timestamp->kept)
		snprintf(timestamp->body, sizeof timestamp->body, "%s", meta->data);
	AUTO(buf) struct buf *timestamp_bytes = forge_doc_bytes(timestamp);

	forge_serve(f, timestamp, timestamp_bytes);
}

/* The next version of everything but root. */
static inline void forge_bump(struct forge *f)
{
	for (size_t i = TIMESTAMP; i < f->doc_count; i++)
		f->docs[i].version++;
}

/* ---- a client ---- */

static inline int forge_drive(struct forge *f, struct tuf_client *c, struct err *e)
{
	struct tuf_step step;
	int rc;

	while ((rc = tuf_client_next(c, &step, e)) == 0 && step.need != TUF_DONE) {
		struct buf *bytes;

		if (step.need == TUF_STORE) {
			forge_put(&f->store, step.name, step.bytes, step.len);
			continue;
		}
		if (step.need == TUF_FETCH) {
			f->requests++;
			snprintf(f->log + strlen(f->log), sizeof f->log - strlen(f->log), " %s", step.name);
			if (f->fail && !strcmp(f->fail, step.name)) {
				tuf_client_answer(c, TUF_FAILED, NULL, 0);
				continue;
			}
		}
		bytes = forge_get(step.need == TUF_FETCH ? &f->net : &f->store, step.name);
		tuf_client_answer(c, bytes ? TUF_GOT : TUF_ABSENT, bytes ? bytes->data : NULL, bytes ? bytes->len : 0);
	}
	return rc;
}

/* The store's root is 1.root.json of the network, as shipped. */
static inline void forge_trust(struct forge *f)
{
	forge_copy(&f->store, "root.json", &f->net, "1.root.json");
}

static inline struct tuf_client *forge_client(struct forge *f, enum tuf_rules rules)
{
	struct buf *root = forge_get(&f->store, "root.json");
	struct tuf_client *c = NULL;
	struct err e;

	assert_non_null(root);
	assert_ok(tuf_client_new(&c, root->data, root->len, rules, &e));
	return c;
}

/* One refresh by a new process: only the store remains from the last. */
static inline int forge_refresh_at(struct forge *f, int64_t now, struct err *e)
{
	struct buf *root = forge_get(&f->store, "root.json");
	AUTO(tuf_client) struct tuf_client *c = NULL;

	f->log[0] = '\0';
	f->requests = 0;
	if (tuf_client_new(&c, root->data, root->len, TUF_ANY, e) < 0)
		return e->code;
	tuf_client_refresh(c, now);
	return forge_drive(f, c, e);
}

static inline int forge_refresh(struct forge *f, struct err *e)
{
	return forge_refresh_at(f, FORGE_NOW, e);
}

/* A refresh and a search. *role is who signed the target, "" when nobody lists it. */
static inline int forge_find(struct forge *f, const char *path, char role[256], struct err *e)
{
	AUTO(tuf_client) struct tuf_client *c = forge_client(f, TUF_ANY);

	tuf_client_refresh(c, FORGE_NOW);
	f->log[0] = '\0';
	if (forge_drive(f, c, e) < 0)
		return e->code;
	f->log[0] = '\0';
	f->requests = 0;
	if (tuf_client_find(c, path, strlen(path), e) < 0 || forge_drive(f, c, e) < 0)
		return e->code;
	snprintf(role, 256, "%s", tuf_client_target(c) ? tuf_client_target(c)->role : "");
	return 0;
}

#endif
