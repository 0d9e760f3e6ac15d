/* sigreq_file: a signing request as the document that is carried. */
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "signing/delegation.h"
#include "signing/sigreq_parts.h"

#define FORMAT 1

/* ---- writing ---- */

static void put_file(struct json_writer *w, const char *key, const struct metadata *m)
{
	json_put_value(w, key, m->doc->root);
}

static void put_base(struct json_writer *w, const struct metadata *m)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct digest sha256;

	if (!m) {
		json_put_null(w, "base");
		return;
	}
	hash_bytes(&sha256, m->canonical->data, m->canonical->len);
	digest_hex(hex, &sha256);
	json_open_object(w, "base");
	json_put_int(w, "version", m->version);
	json_put_text(w, "sha256", hex);
	put_file(w, "envelope", m);
	json_close_object(w);
}

static int put_evidence(struct json_writer *w, const char *json, struct err *e)
{
	AUTO(json) struct json_doc *doc = NULL;

	if (!json) {
		json_put_null(w, "evidence");
		return 0;
	}
	if (json_parse(&doc, "evidence", json, strlen(json), NULL, e) < 0)
		return e->code;
	json_put_value(w, "evidence", doc->root);
	return 0;
}

int sigreq_write(struct buf *out, const struct sigreq *q, struct err *e)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_int(&w, "format", FORMAT);
	json_put_text(&w, "id", q->id);
	json_put_text(&w, "by", q->by);
	json_put_text(&w, "reason", q->reason);
	json_put_time(&w, "created", q->created);
	json_put_time(&w, "expires", q->expires);
	put_file(&w, "root", q->root);
	put_file(&w, "targets", q->targets);
	json_open_array(&w, "drafts");
	for (size_t i = 0; i < q->draft_count; i++) {
		json_open_object(&w, NULL);
		json_put_text(&w, "role", q->drafts[i].role);
		put_base(&w, q->drafts[i].base);
		put_file(&w, "envelope", q->drafts[i].draft);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_open_array(&w, "documents");
	for (size_t i = 0; i < q->document_count; i++) {
		json_open_object(&w, NULL);
		json_put_text(&w, "path", q->documents[i].path);
		json_put_textn(&w, "text", q->documents[i].bytes->data ? q->documents[i].bytes->data : "", q->documents[i].bytes->len);
		json_close_object(&w);
	}
	json_close_array(&w);
	if (put_evidence(&w, q->evidence, e) < 0)
		return e->code;
	json_close_object(&w);
	if (buf_check(out, e) < 0)
		return e->code;
	return out->len > SIGREQ_MAX ? err_set(e, ERR_LIMIT, "signing request %s: %zu bytes, at most %zu", q->id, out->len, SIGREQ_MAX) : 0;
}

/* ---- reading ---- */

/* An envelope inside the document, parsed as a file of its own. */
static int read_file(struct metadata **out, const char *role, const struct json_doc *d, const struct json *o, const char *key, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(METADATA_LISTED_MAX);
	struct json_writer w = { .out = text };
	const struct json *v;

	if (!text)
		return err_memory(e);
	if (json_want_object(d, o, key, &v, e) < 0)
		return e->code;
	json_put_value(&w, NULL, v);
	if (buf_check(text, e) < 0)
		return e->code;
	if (metadata_parse(out, sigreq_type(role), role, text->data, text->len, e) < 0)
		return err_wrap(e, "%s: %s", d->name, key);
	return 0;
}

static int read_base(struct metadata **out, const char *role, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *base = NULL;
	struct digest want, is;
	const char *hex;
	int64_t version;

	if (json_may_object(d, o, "base", &base, e) < 0)
		return e->code;
	if (!base)
		return 0;
	if (json_want_int(d, base, "version", 1, INT64_MAX, &version, e) < 0 ||
	    json_want_text(d, base, "sha256", DIGEST_HEX_LEN, &hex, e) < 0 || read_file(out, role, d, base, "envelope", e) < 0)
		return e->code;
	hash_bytes(&is, (*out)->canonical->data, (*out)->canonical->len);
	if (version != (*out)->version || !digest_parse(&want, hex, strlen(hex)) || !digest_equal(&want, &is))
		return json_error(d, base, e, ERR_FORMAT, "version or sha256 are not those of the file beside them");
	return 0;
}

static int read_draft(struct sigreq *q, const struct json_doc *d, const struct json *o, struct err *e)
{
	struct sigreq_draft *draft = &q->drafts[q->draft_count];
	const char *role;

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "a draft is an object");
	if (json_want_text(d, o, "role", DELEGATION_NAME_MAX, &role, e) < 0)
		return e->code;
	*draft = (struct sigreq_draft){ .role = strdup(role) };
	q->draft_count++;
	if (!draft->role)
		return err_memory(e);
	if (read_base(&draft->base, role, d, o, e) < 0)
		return e->code;
	return read_file(&draft->draft, role, d, o, "envelope", e);
}

static int read_document(struct sigreq *q, const struct json_doc *d, const struct json *o, struct err *e)
{
	const struct json *text;
	const char *path;

	if (o->type != JSON_OBJECT)
		return json_error(d, o, e, ERR_FORMAT, "a document is an object");
	if (json_want_text(d, o, "path", PATH_LEN_MAX, &path, e) < 0)
		return e->code;
	text = json_get(o, "text");
	if (!text || text->type != JSON_STRING)
		return json_error(d, text ? text : o, e, ERR_FORMAT, "\"text\" is missing or no string");
	if (!name_path_valid(path, strlen(path)))
		return json_error(d, o, e, ERR_FORMAT, "\"%s\" is no path of a target", path);
	return sigreq_attach(q, path, text->u.text, text->count, e);
}

static int read_lists(struct sigreq *q, const struct json_doc *d, struct err *e)
{
	const struct json *drafts, *documents = NULL;

	if (json_want_array(d, d->root, "drafts", SIGREQ_DRAFTS_MAX, &drafts, e) < 0 ||
	    json_may_array(d, d->root, "documents", SIGREQ_DOCUMENTS_MAX, &documents, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < drafts->count; i++)
		if (read_draft(q, d, &drafts->u.items[i], e) < 0)
			return e->code;
	for (uint32_t i = 0; documents && i < documents->count; i++)
		if (read_document(q, d, &documents->u.items[i], e) < 0)
			return e->code;
	return 0;
}

static int read_evidence(struct sigreq *q, const struct json_doc *d, struct err *e)
{
	const struct json *v = json_get(d->root, "evidence");
	AUTO(buf) struct buf *text = buf_new(SIGREQ_MAX);
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	if (!v || v->type == JSON_NULL)
		return 0;
	json_put_value(&w, NULL, v);
	if (buf_check(text, e) < 0)
		return e->code;
	q->evidence = buf_take(text);
	return q->evidence ? 0 : err_memory(e);
}

static int read_head(struct sigreq *q, const struct json_doc *d, const char **id, struct err *e)
{
	const char *by, *reason;

	if (json_want_format(d, FORMAT, NULL, e) < 0 || json_want_text(d, d->root, "id", SIGREQ_ID_LEN, id, e) < 0 ||
	    json_want_text(d, d->root, "by", SIGREQ_TEXT_MAX, &by, e) < 0 ||
	    json_want_text(d, d->root, "reason", SIGREQ_TEXT_MAX, &reason, e) < 0 ||
	    json_want_time(d, d->root, "created", &q->created, e) < 0 || json_want_time(d, d->root, "expires", &q->expires, e) < 0 ||
	    read_file(&q->root, "root", d, d->root, "root", e) < 0 || read_file(&q->targets, "targets", d, d->root, "targets", e) < 0)
		return e->code;
	q->by = strdup(by);
	q->reason = strdup(reason);
	return q->by && q->reason ? 0 : err_memory(e);
}

int sigreq_parse(struct sigreq **out, const char *name, const char *text, size_t len, struct err *e)
{
	const struct json_limits limits = { .bytes = SIGREQ_MAX + 4096 };
	AUTO(sigreq) struct sigreq *q = calloc(1, sizeof *q);
	AUTO(json) struct json_doc *d = NULL;
	const char *id;

	if (!q)
		return err_memory(e);
	if (json_parse(&d, name, text, len, &limits, e) < 0 || read_head(q, d, &id, e) < 0 || read_lists(q, d, e) < 0 ||
	    read_evidence(q, d, e) < 0)
		return e->code;
	if (sigreq_seal(q, e) < 0)
		return err_wrap(e, "%s", name);
	if (strcmp(q->id, id) != 0)
		return err_set(e, ERR_FORMAT, "%s: the id %s is not that of its drafts, %s", name, id, q->id);
	*out = TAKE(q);
	return 0;
}
