/*
 * operator_roles: the roles that people sign: read, and put anew. With all the
 * signatures that a role wants it is published at once; with some of them it
 * waits for the others as a signing request, and its files travel along.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "server/control.h"
#include "server/desk_requests.h"
#include "server/document_check.h"
#include "server/floor_change.h"
#include "server/handlers.h"
#include "server/now.h"
#include "server/recalls.h"
#include "server/requests.h"

#define TARGETS_MAX 64
#define DOCUMENT_MAX ((size_t)8 << 20)

static void raw_envelope(struct request *q, const struct buf *envelope)
{
	struct json_writer w = reply_json(&q->reply, 200);

	buf_add(w.out, envelope->data, envelope->len);
}

/* Of a published file; 0 when it has none to tell. */
static int64_t version_of(const char *role, const struct buf *envelope)
{
	AUTO(metadata) struct metadata *m = NULL;
	enum metadata_type type = !strcmp(role, "root")	     ? METADATA_ROOT :
				  !strcmp(role, "snapshot")  ? METADATA_SNAPSHOT :
				  !strcmp(role, "timestamp") ? METADATA_TIMESTAMP :
							       METADATA_TARGETS;
	struct err e;

	return metadata_parse(&m, type, role, envelope->data, envelope->len, &e) < 0 ? 0 : m->version;
}

/* If-Match is about the file that is published now. */
static bool still_matches(struct request *q)
{
	AUTO(buf) struct buf *envelope = NULL;
	char version[24] = "0";
	struct err e;

	if (desk_role(q->server->desk, q->params[0], &envelope, &e) == 0)
		snprintf(version, sizeof version, "%lld", (long long)version_of(q->params[0], envelope));
	return handler_if_match(q, version);
}

void operator_role(struct request *q)
{
	AUTO(buf) struct buf *envelope = NULL;
	struct err e;

	if (desk_role(q->server->desk, q->params[0], &envelope, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	raw_envelope(q, envelope);
	handler_etag(q, "%lld", (long long)version_of(q->params[0], envelope));
}

void operator_draft(struct request *q)
{
	AUTO(buf) struct buf *envelope = NULL;
	struct err e;

	if (desk_draft(q->server->desk, q->params[0], server_now(q->server), &envelope, &e) < 0)
		reply_error(&q->reply, &e);
	else
		raw_envelope(q, envelope);
}

/* ---- put anew ---- */

struct put {
	struct server *s;
	const char *role, *who, *why;
	int64_t now;
	struct buf *envelope;
	struct desk_file files[TARGETS_MAX];
	size_t count;
	struct desk_count signatures;
	struct stops *recalls;          /* a document of them; NULL: none */
};

static void put_release(struct put *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->files[i].from);
	stops_free(p->recalls);
	buf_free(p->envelope);
}

/* [{"path":..,"sha256":..}] into files among the uploads. */
static int take_targets(struct request *q, const struct json_doc *d, struct put *p, struct err *e)
{
	static const char *const known[] = { "path", "sha256", NULL };
	const struct json *list = NULL;

	if (json_may_array(d, d->root, "targets", TARGETS_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct json *o = &list->u.items[i];
		struct desk_file *f = &p->files[p->count];
		struct digest sha256;
		char hex[DIGEST_HEX_LEN + 1];
		const char *path;

		if (o->type != JSON_OBJECT)
			return json_error(d, o, e, ERR_FORMAT, "a target is an object");
		if (json_only(d, o, known, e) < 0 || json_want_text(d, o, "path", PATH_LEN_MAX, &path, e) < 0 ||
		    handler_digest(d, o, "sha256", &sha256, e) < 0)
			return e->code;
		if (!name_path_valid(path, strlen(path)))
			return json_error(d, o, e, ERR_FORMAT, "\"%s\" is no path of a target", path);
		snprintf(f->path, sizeof f->path, "%s", path);
		digest_hex(hex, &sha256);
		f->from = file_join(q->server->uploads, hex);
		if (!f->from)
			return err_memory(e);
		p->count++;
		if (!file_exists(f->from))
			return err_set(e, ERR_NOT_FOUND, "%s: %s was not uploaded", path, hex);
	}
	return 0;
}

/* A vendor's bundles come through the checks of /v1/bundles only; a floor brings none. */
static int check_content(struct put *p, struct err *e)
{
	AUTO(metadata) struct metadata *now = NULL, *next = NULL;
	AUTO(buf) struct buf *stands = NULL;
	int got;

	if (strncmp(p->role, "content-", 8) != 0)
		return 0;
	got = desk_role(p->s->desk, p->role, &stands, e);
	if (got < 0 && got != ERR_NOT_FOUND)
		return got;
	if ((got == 0 && metadata_parse(&now, METADATA_TARGETS, p->role, stands->data, stands->len, e) < 0) ||
	    metadata_parse(&next, METADATA_TARGETS, p->role, p->envelope->data, p->envelope->len, e) < 0)
		return e->code;
	return floor_change_only(p->role, now, next) ? 0 : err_set(e, ERR_REFUSED, "%s is published through /v1/bundles", p->role);
}

/* Top-level roles come with all signatures, or as a request from the start. */
static int count_signatures(struct put *p, struct err *e)
{
	AUTO(desk_signed) struct desk_signed *checked = NULL;

	if (!strcmp(p->role, "root") || !strcmp(p->role, "targets"))
		return 0;
	return desk_check(p->s->desk, &checked, p->role, p->envelope->data, p->envelope->len, &p->signatures, e);
}

static int parse(struct put *p, struct request *q, const struct json_doc *d, struct err *e)
{
	const struct json *role;

	p->envelope = buf_new(0);
	if (!p->envelope)
		return err_memory(e);
	if (json_want_object(d, d->root, "role", &role, e) < 0 || json_canonical(p->envelope, role, e) < 0 || check_content(p, e) < 0 ||
	    take_targets(q, d, p, e) < 0)
		return e->code;
	for (size_t i = 0; i < p->count; i++) {
		AUTO(buf) struct buf *text = NULL;

		if (file_read(&text, p->files[i].from, DOCUMENT_MAX, e) < 0 || document_check(p->files[i].path, text, &p->recalls, e) < 0)
			return e->code;
	}
	return count_signatures(p, e);
}

/* Version and hash of a role's file, NULL: as it is published; for the audit log. "" when there is none. */
#define ROLE_TEXT (DIGEST_HEX_LEN + 60)
static void role_text(char out[ROLE_TEXT], struct server *s, const char *role, const struct buf *envelope)
{
	AUTO(buf) struct buf *published = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;
	struct err e;

	out[0] = '\0';
	if (!envelope && desk_role(s->desk, role, &published, &e) < 0)
		return;
	if (!envelope)
		envelope = published;
	hash_bytes(&d, envelope->data, envelope->len);
	digest_hex(hex, &d);
	snprintf(out, ROLE_TEXT, "{\"sha256\":\"%s\",\"version\":%lld}", hex, (long long)version_of(role, envelope));
}

struct role_change {
	struct put *put;
	char was[ROLE_TEXT], becomes[ROLE_TEXT];
	bool written;   /* the desk looks twice when somebody else published meanwhile */
};

static int write_down(void *arg, struct err *e)
{
	struct server_batch b = { .count = 0 };
	struct role_change *c = arg;
	const struct put *p = c->put;

	if (c->written)
		return 0;
	server_audit_entry(&b, &(const struct audit_entry){ .at = p->now, .who = p->who, .action = "role", .subject = p->role, .why = p->why,
							    .was = c->was, .becomes = c->becomes });
	if (server_write(p->s, &b, e) < 0)
		return e->code;
	c->written = true;
	return 0;
}

/* Written down first: a role that nobody brought must not be found in the repository. */
static int publish(struct put *p, struct err *e)
{
	struct role_change c = { .put = p };
	const struct desk_record record = { write_down, &c };

	role_text(c.was, p->s, p->role, NULL);
	role_text(c.becomes, p->s, p->role, p->envelope);
	if (desk_publish(p->s->desk, p->role, p->envelope->data, p->envelope->len, p->files, p->count, &record, p->now, e) < 0)
		return e->code;
	if (p->recalls)
		recalls_halt(p->s, p->recalls->channel, p->recalls, p->who, "recalled");
	return server_refresh_ringmap(p->s, e);
}

/* ---- others must sign, too ---- */

/* What stands under a path, so that a machine without network can show the difference; too large a one is left out. */
static int attach_old(struct sigreq *r, struct put *p, const char *path, const struct buf *new, struct err *e)
{
	AUTO(buf) struct buf *old = NULL;
	AUTO_FREE char *file = NULL;
	struct err none;

	if (desk_target_file(p->s->desk, path, &file, &none) < 0 || file_read(&old, file, SIGREQ_DOCUMENT_MAX, &none) < 0 ||
	    (old->len == new->len && memcmp(old->data, new->data, new->len) == 0))
		return 0;
	return sigreq_attach(r, path, old->data, old->len, e);
}

static int attach(struct sigreq *r, struct put *p, struct err *e)
{
	for (size_t i = 0; i < p->count; i++) {
		AUTO(buf) struct buf *text = NULL;

		if (file_read(&text, p->files[i].from, DOCUMENT_MAX, e) < 0 || attach_old(r, p, p->files[i].path, text, e) < 0 ||
		    sigreq_attach(r, p->files[i].path, text->data, text->len, e) < 0)
			return e->code;
	}
	return 0;
}

static int make_request(struct sigreq **out, struct put *p, struct err *e)
{
	AUTO(metadata) struct metadata *base = NULL;
	AUTO(buf) struct buf *stands = NULL;
	AUTO(sigreq) struct sigreq *r = NULL;
	struct desk_trust t;
	char reason[160];
	int got = desk_role(p->s->desk, p->role, &stands, e);

	if (got < 0 && got != ERR_NOT_FOUND)
		return got;
	if ((got == 0 && metadata_parse(&base, METADATA_TARGETS, p->role, stands->data, stands->len, e) < 0) || desk_trust(p->s->desk, &t, e) < 0)
		return e->code;
	snprintf(reason, sizeof reason, "a new version of %.100s", p->role);
	got = sigreq_new(&r, p->who, reason, t.root, t.targets, p->now, p->now + SIGREQ_LIFE, e);
	desk_trust_release(&t);
	if (got < 0 || sigreq_add(r, p->role, base, p->envelope->data, p->envelope->len, e) < 0 || attach(r, p, e) < 0 || sigreq_seal(r, e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}

static int ask(struct put *p, struct requests_info *info, struct err *e)
{
	AUTO(sigreq) struct sigreq *r = NULL;

	return make_request(&r, p, e) < 0 ? e->code : requests_open(p->s, r, p->who, p->now, info, e);
}

/* A request without id: it was only asked for. */
static void reply_done(struct request *q, const struct put *p, const struct requests_info *waits)
{
	struct json_writer w = reply_json(&q->reply, waits && waits->id[0] ? 202 : 200);

	json_open_object(&w, NULL);
	json_put_text(&w, "role", p->role);
	if (waits) {
		json_open_object(&w, "request");
		if (waits->id[0])
			json_put_text(&w, "id", waits->id);
		json_put_int(&w, "have", (int64_t)p->signatures.have);
		json_put_int(&w, "need", p->signatures.need);
		json_close_object(&w);
	}
	json_close_object(&w);
}

void operator_put_role(struct request *q)
{
	static const char *const known[] = { "role", "targets", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, known);
	__attribute__((cleanup(put_release))) struct put p = { .s = q->server, .role = q->params[0], .who = q->who, .why = q->why, .now = server_now(q->server) };
	static const struct requests_info none;
	struct requests_info info;
	bool waits;
	struct err e;

	if (!d || !handler_may_roles(q, q->params[0]) || !still_matches(q))
		return;
	if (parse(&p, q, d, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	waits = (int64_t)p.signatures.have < p.signatures.need;
	if (handler_dry_run(q))
		reply_done(q, &p, waits ? &none : NULL);
	else if (waits ? ask(&p, &info, &e) < 0 : publish(&p, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_done(q, &p, waits ? &info : NULL);
}
