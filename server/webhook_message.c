/* webhook_message: what a webhook is told and how it is signed. */
#include "server/webhook_message.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/hex.h"
#include "base/json.h"

#define SECRET_BYTES_MAX 64     /* Standard Webhooks: 24 to 64 */
#define SECRET_BYTES_MIN 24
#define FIRST_WAIT 5

/* ---- what it is about ---- */

static const struct { const char *kind, *type; } kinds[] = {
	{ "published", "ringhold.bundle.published" }, { "refused", "ringhold.bundle.refused" }, { "enrolled", "ringhold.device.enrolled" },
	{ "lost", "ringhold.device.lost" },           { "test", "ringhold.webhook.test" },
};

void webhook_type(char out[WEBHOOK_TYPE_MAX], const struct store_feed *f)
{
	const struct store_decision *d = &f->d;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(d->kind, kinds[i].kind) == 0) {
			snprintf(out, WEBHOOK_TYPE_MAX, "%s", kinds[i].type);
			return;
		}
	if (strcmp(d->kind, "state") == 0)
		snprintf(out, WEBHOOK_TYPE_MAX, "ringhold.ring.%.32s", d->to);
	else if (strcmp(d->kind, "signing-request") == 0)
		snprintf(out, WEBHOOK_TYPE_MAX, "ringhold.signing-request.%.32s", d->to);
	else if (d->device[0])
		snprintf(out, WEBHOOK_TYPE_MAX, "ringhold.device.%.32s", d->kind);
	else
		snprintf(out, WEBHOOK_TYPE_MAX, "ringhold.rollout.%.32s", d->kind);
}

bool webhook_wants(const char *types, const char *type)
{
	for (const char *at = types; *at;) {
		size_t len = strcspn(at, " ");

		if (strncmp(at, type, len) == 0 && (type[len] == '\0' || type[len] == '.'))
			return true;
		at += len + (at[len] == ' ');
	}
	return false;
}

static void put_named(struct json_writer *w, const char *key, const char *text)
{
	json_put_text(w, key, text[0] ? text : NULL);
}

static void put_data(struct json_writer *w, const struct store_decision *d)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &d->digest);
	json_open_object(w, "data");
	json_put_text(w, "kind", d->kind);
	put_named(w, "channel", d->channel);
	put_named(w, "ring", d->ring);
	if (d->rollout)
		json_put_int(w, "rollout", (int64_t)d->rollout);
	else
		json_put_null(w, "rollout");
	put_named(w, "device", d->device);
	json_put_text(w, "digest", digest_is_zero(&d->digest) ? NULL : hex);
	put_named(w, "from", d->from);
	put_named(w, "to", d->to);
	put_named(w, "cause", d->cause);
	put_named(w, "sentence", d->sentence);
	json_close_object(w);
}

/* "edr/7/canary", as far as it is known. */
static void put_subject(struct json_writer *w, const struct store_decision *d)
{
	char text[256];

	if (d->device[0])
		snprintf(text, sizeof text, "devices/%s", d->device);
	else if (d->rollout)
		snprintf(text, sizeof text, "%s/%llu%s%s", d->channel, (unsigned long long)d->rollout, d->ring[0] ? "/" : "", d->ring);
	else
		snprintf(text, sizeof text, "%s", d->channel);
	if (text[0])
		json_put_text(w, "subject", text);      /* CloudEvents: absent rather than empty */
}

int webhook_event(struct buf *out, const struct store_feed *f, const char *source, struct err *e)
{
	struct json_writer w = { .out = out };
	char type[WEBHOOK_TYPE_MAX], id[24];

	webhook_type(type, f);
	snprintf(id, sizeof id, "%llu", (unsigned long long)f->id);
	json_open_object(&w, NULL);
	json_put_text(&w, "specversion", "1.0");
	json_put_text(&w, "id", id);
	json_put_text(&w, "source", source);
	json_put_text(&w, "type", type);
	put_subject(&w, &f->d);
	json_put_time(&w, "time", f->d.at);
	json_put_text(&w, "datacontenttype", "application/json");
	put_data(&w, &f->d);
	json_close_object(&w);
	return buf_check(out, e);
}

/* ---- signatures ---- */

static void add_base64(char *out, size_t cap, const unsigned char *bytes, size_t len)
{
	unsigned char text[4 * (SECRET_BYTES_MAX / 3 + 1) + 1];

	EVP_EncodeBlock(text, bytes, (int)len);
	snprintf(out + strlen(out), cap - strlen(out), "%s", (char *)text);
}

int webhook_secret(char out[WEBHOOK_SECRET_TEXT], struct err *e)
{
	unsigned char bytes[WEBHOOK_SECRET_BYTES];

	if (random_bytes(bytes, sizeof bytes, e) < 0)
		return e->code;
	snprintf(out, WEBHOOK_SECRET_TEXT, WEBHOOK_SECRET);
	add_base64(out, WEBHOOK_SECRET_TEXT, bytes, sizeof bytes);
	return 0;
}

static int add_signature(char out[WEBHOOK_SIGNATURES], const char *secret, const struct buf *text, struct err *e)
{
	const size_t prefix = sizeof WEBHOOK_SECRET - 1;
	unsigned char key[SECRET_BYTES_MAX];
	struct digest mac;
	int len = strncmp(secret, WEBHOOK_SECRET, prefix) == 0 ? base64_decode(key, sizeof key, secret + prefix, strlen(secret + prefix)) : -1;

	if (len < SECRET_BYTES_MIN)
		return err_set(e, ERR_FORMAT, "the secret is not " WEBHOOK_SECRET " and %d to %d bytes in base64", SECRET_BYTES_MIN, SECRET_BYTES_MAX);
	hash_hmac(&mac, key, (size_t)len, text->data, text->len);
	snprintf(out + strlen(out), WEBHOOK_SIGNATURES - strlen(out), "%sv1,", out[0] ? " " : "");
	add_base64(out, WEBHOOK_SIGNATURES, mac.bytes, sizeof mac.bytes);
	return 0;
}

int webhook_sign(char out[WEBHOOK_SIGNATURES], const char *secret, const char *old_secret, const char *name, int64_t at, const char *body,
		 size_t len, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);

	out[0] = '\0';
	if (!text)
		return err_memory(e);
	buf_addf(text, "%s.%lld.", name, (long long)at);
	buf_add(text, body, len);
	if (buf_check(text, e) < 0 || add_signature(out, secret, text, e) < 0)
		return e->code;
	return old_secret[0] ? add_signature(out, old_secret, text, e) : 0;
}

/* ---- patience ---- */

int64_t webhook_wait(int64_t attempts, unsigned jitter)
{
	int64_t wait = FIRST_WAIT;

	for (int64_t i = 1; i < attempts && wait < WEBHOOK_WAIT_MAX; i++)
		wait *= 3;
	wait = MIN(wait, WEBHOOK_WAIT_MAX);
	return wait - wait * (int64_t)(jitter % 1000) / 5000;
}
