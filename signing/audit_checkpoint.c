/* audit_checkpoint: reading what was kept, and rows that were exported. */
#include "signing/audit_checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"

#define TYPE "audit-checkpoint"
#define SIGNATURE_MAX 256       /* bytes */
#define TEXT_MAX ((size_t)4 << 20)      /* bytes of one text of a row */

void audit_checkpoint_signed(struct json_writer *w, const char *key, const struct audit_checkpoint *c)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &c->head);
	json_open_object(w, key);
	json_put_text(w, "_type", TYPE);
	json_put_time(w, "at", c->at);
	json_put_int(w, "count", (int64_t)c->count);
	json_put_text(w, "head", hex);
	json_put_text(w, "server", c->server);
	json_close_object(w);
}

static int want_digest(struct digest *out, const struct json_doc *d, const struct json *o, const char *key, struct err *e)
{
	const char *hex;

	if (json_want_text(d, o, key, DIGEST_HEX_LEN, &hex, e) < 0)
		return e->code;
	return hex_decode(out->bytes, DIGEST_LEN, hex, strlen(hex)) ? 0 : json_error(d, o, e, ERR_FORMAT, "%s: 64 hex digits", key);
}

static int want_time(int64_t *out, const struct json_doc *d, const struct json *o, struct err *e)
{
	const char *text;

	if (json_want_text(d, o, "at", CLOCK_TEXT_LEN, &text, e) < 0)
		return e->code;
	return clock_parse(out, text, strlen(text)) ? 0 : json_error(d, o, e, ERR_FORMAT, "at: no time such as 2026-01-31T12:00:00Z");
}

static int read_signed(struct audit_checkpoint *c, const struct json_doc *d, const struct json *o, struct err *e)
{
	static const char *const members[] = { "_type", "at", "count", "head", "server", NULL };
	const char *type, *server;
	int64_t count;

	if (json_only(d, o, members, e) < 0 || json_want_text(d, o, "_type", 32, &type, e) < 0 ||
	    json_want_text(d, o, "server", NAME_LEN_MAX, &server, e) < 0 || json_want_int(d, o, "count", 0, INT64_MAX, &count, e) < 0 ||
	    want_digest(&c->head, d, o, "head", e) < 0 || want_time(&c->at, d, o, e) < 0)
		return e->code;
	if (strcmp(type, TYPE) != 0)
		return json_error(d, o, e, ERR_FORMAT, "no checkpoint of an audit log");
	snprintf(c->server, sizeof c->server, "%s", server);
	c->count = (uint64_t)count;
	return 0;
}

static int check_signature(const struct audit_checkpoint *c, const struct json_doc *d, const struct json *v, const struct json *what, struct err *e)
{
	AUTO(buf) struct buf *canonical = buf_new(AUDIT_CHECKPOINT_MAX);
	uint8_t sig[SIGNATURE_MAX];
	const char *hex;
	size_t len;

	if (!canonical)
		return err_memory(e);
	if (json_want_text(d, v, "signature", (size_t)2 * SIGNATURE_MAX, &hex, e) < 0 || json_canonical(canonical, what, e) < 0)
		return e->code;
	len = strlen(hex) / 2;
	if (!hex_decode(sig, len, hex, strlen(hex)))
		return json_error(d, v, e, ERR_FORMAT, "signature: hex digits");
	if (!pubkey_verify(c->key, canonical->data, canonical->len, sig, len))
		return json_error(d, v, e, ERR_AUTH, "the checkpoint is not signed by the key in it");
	return 0;
}

int audit_checkpoint_read(struct audit_checkpoint *out, const struct json_doc *d, const struct json *v, struct err *e)
{
	static const char *const members[] = { "format", "signed", "key", "signature", NULL };
	struct audit_checkpoint c = { .count = 0 };
	const struct json *what, *key;
	int64_t format;

	if (json_only(d, v, members, e) < 0 || json_want_int(d, v, "format", 1, 1, &format, e) < 0 || json_want_object(d, v, "signed", &what, e) < 0 ||
	    json_want_object(d, v, "key", &key, e) < 0 || read_signed(&c, d, what, e) < 0 || pubkey_parse(&c.key, d, key, e) < 0)
		return e->code;
	if (check_signature(&c, d, v, what, e) < 0) {
		audit_checkpoint_release(&c);
		return e->code;
	}
	*out = c;
	return 0;
}

int audit_checkpoint_parse(struct audit_checkpoint *out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = AUDIT_CHECKPOINT_MAX, .depth = 5 };
	AUTO(json) struct json_doc *d = NULL;

	if (json_parse(&d, name, text, len, &limits, e) < 0)
		return e->code;
	return audit_checkpoint_read(out, d, d->root, e);
}

void audit_checkpoint_release(struct audit_checkpoint *c)
{
	pubkey_free(c->key);
	c->key = NULL;
}

/* ---- against the rows ---- */

int audit_checkpoint_meets(const struct audit_checkpoint *c, const struct audit_walk *w, struct err *e)
{
	char at[CLOCK_TEXT_LEN + 1];

	if (c->count != w->count || digest_equal(&c->head, &w->head))
		return 0;
	clock_text(at, c->at);
	return err_set(e, ERR_REFUSED, "audit: row %" PRIu64 " is not the one that the checkpoint of %s saw: the log was written anew", w->count, at);
}

int audit_checkpoint_reached(const struct audit_checkpoint *c, const struct audit_walk *w, struct err *e)
{
	char at[CLOCK_TEXT_LEN + 1];

	if (c->count <= w->count)
		return 0;
	clock_text(at, c->at);
	return err_set(e, ERR_REFUSED, "audit: %" PRIu64 " rows, and the checkpoint of %s saw %" PRIu64 ": the end was cut off", w->count, at, c->count);
}

/* ---- rows ---- */

int audit_walk_json(struct audit_walk *w, const struct json_doc *d, const struct json *row, struct err *e)
{
	static const char *const members[] = { "id", "form", "at", "who", "action", "subject", "detail", "why", "was", "becomes", "hash", NULL };
	struct audit_entry a = { .at = 0 };
	struct digest hash;
	int64_t id, form;

	if (row->type != JSON_OBJECT)
		return json_error(d, row, e, ERR_FORMAT, "a row is an object");
	if (json_only(d, row, members, e) < 0 || json_want_int(d, row, "id", 1, INT64_MAX, &id, e) < 0 ||
	    json_want_int(d, row, "form", 1, AUDIT_FORM, &form, e) < 0 || want_time(&a.at, d, row, e) < 0 ||
	    json_want_text(d, row, "who", TEXT_MAX, &a.who, e) < 0 || json_want_text(d, row, "action", TEXT_MAX, &a.action, e) < 0 ||
	    json_want_text(d, row, "subject", TEXT_MAX, &a.subject, e) < 0 || json_want_text(d, row, "detail", TEXT_MAX, &a.detail, e) < 0 ||
	    json_want_text(d, row, "why", TEXT_MAX, &a.why, e) < 0 || json_want_text(d, row, "was", TEXT_MAX, &a.was, e) < 0 ||
	    json_want_text(d, row, "becomes", TEXT_MAX, &a.becomes, e) < 0 || want_digest(&hash, d, row, "hash", e) < 0)
		return e->code;
	return audit_walk_row(w, (uint64_t)id, (int)form, &a, &hash, e);
}
