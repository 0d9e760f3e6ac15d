/*
 * The client engine against an attacker who holds every key: each answer is
 * the next piece of the input (pieces end with a zero byte). A piece that
 * begins with '{' is wrapped into an envelope signed by the one key that all
 * roles share ("KEY" stands for its object); any other is handed over as it is.
 * Afterwards it searches.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "signing/client.h"
#include "signing/seckey.h"

#define NOW 1800000000
#define STEPS 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct seckey *key;
static struct buf *root;

static struct buf *fill_in_key(const char *text, size_t len)
{
	static const char mark[] = "\"KEY\"";
	struct buf *out = buf_new(1 << 20);
	const char *at;

	while ((at = memmem(text, len, mark, sizeof mark - 1))) {
		buf_add(out, text, (size_t)(at - text));
		pubkey_json(seckey_public(key), out);
		len -= (size_t)(at - text) + sizeof mark - 1;
		text = at + sizeof mark - 1;
	}
	buf_add(out, text, len);
	return out;
}

/* {"signatures":[one by the key "k"],"signed":…} of what may be JSON or not. */
static struct buf *envelope(const char *raw, size_t raw_len)
{
	AUTO(buf) struct buf *filled = fill_in_key(raw, raw_len);
	const char *text = filled->data;
	size_t len = filled->len;
	AUTO(buf) struct buf *canonical = buf_new(1 << 20);
	AUTO(buf) struct buf *sig = buf_new(256);
	AUTO(json) struct json_doc *doc = NULL;
	struct buf *out = buf_new(1 << 20);
	char hex[256] = "";
	struct err e;

	if (json_parse(&doc, "fuzz", text, len, NULL, &e) == 0 && json_canonical(canonical, doc->root, &e) == 0 &&
	    seckey_sign(key, canonical->data, canonical->len, sig, &e) == 0)
		hex_encode(hex, sig->data, sig->len);
	buf_addf(out, "{\"signatures\":[{\"keyid\":\"k\",\"sig\":\"%s\"}],\"signed\":", hex);
	buf_add(out, text, len);
	buf_addc(out, '}');
	return out;
}

static void make_root(void)
{
	static const char role[] = "{\"keyids\":[\"k\"],\"threshold\":1}";
	AUTO(buf) struct buf *body = buf_new(0);
	struct err e;

	if (seckey_generate(&key, &e) < 0)
		abort();
	buf_addf(body, "{\"_type\":\"root\",\"spec_version\":\"1.0\",\"version\":1,\"expires\":\"2030-01-01T00:00:00Z\",\"keys\":{\"k\":\"KEY\"},\"roles\":{\"root\":%s,\"timestamp\":%s,\"snapshot\":%s,\"targets\":%s}}", role, role, role, role);
	root = envelope(body->data, body->len);
}

struct input {
	const uint8_t *at, *end;
};

static void answer(struct tuf_client *c, struct input *in)
{
	size_t left = (size_t)(in->end - in->at);
	const uint8_t *stop = left ? memchr(in->at, 0, left) : NULL;
	size_t len = stop ? (size_t)(stop - in->at) : left;
	const char *piece = (const char *)in->at;

	in->at += len + (stop ? 1 : 0);
	if (len == 0) {
		tuf_client_answer(c, TUF_ABSENT, NULL, 0);
	} else if (*piece == '{') {
		AUTO(buf) struct buf *b = envelope(piece, len);

		tuf_client_answer(c, TUF_GOT, b->data, b->len);
	} else {
		tuf_client_answer(c, *piece == '!' ? TUF_FAILED : TUF_GOT, piece, len);
	}
}

static int drive(struct tuf_client *c, struct input *in)
{
	struct tuf_step step;
	struct err e;

	for (int i = 0; i < STEPS; i++) {
		int rc = tuf_client_next(c, &step, &e);

		if (rc < 0 || step.need == TUF_DONE)
			return rc;
		if (strchr(step.name, '/'))
			__builtin_trap();
		if (step.need != TUF_STORE)
			answer(c, in);
	}
	return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const paths[] = { "t", "a/b/c" };
	AUTO(tuf_client) struct tuf_client *c = NULL;
	struct input in = { data, data + len };
	struct err e;

	if (!root)
		make_root();
	if (tuf_client_new(&c, root->data, root->len, TUF_ANY, &e) < 0)
		abort();
	tuf_client_refresh(c, NOW);
	if (drive(c, &in) < 0)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		AUTO(buf) struct buf *name = buf_new(1 << 20);

		if (tuf_client_find(c, paths[i], strlen(paths[i]), &e) < 0 || drive(c, &in) < 0)
			return 0;
		if (tuf_client_target(c))
			(void)!tuf_client_target_name(c, tuf_client_target(c)->target, name, &e);
	}
	tuf_client_resume(c, NOW);
	(void)!drive(c, &in);
	return 0;
}
