/*
 * operator_publish: a vendor's bundle comes in, is checked against everything
 * that is known, and begins its way.
 *
 * The order is: who signed it, what its archive really holds, what every
 * registered contract says, what its own self-tests say in a canary process.
 * Only then does anything become visible; and when others must sign the role,
 * too, it waits for them as a signing request (requests_bundle.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "content/bundle.h"
#include "server/handlers.h"
#include "server/incoming.h"
#include "server/now.h"
#include "server/requests_bundle.h"
#include "server/trial.h"

#define DELTAS_MAX (BUNDLE_FILES_MAX - 1)

/* ---- uploads ---- */

static char *upload_path(const struct server *s, const struct digest *sha256)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, sha256);
	return file_join(s->uploads, hex);
}

void operator_upload(struct request *q)
{
	struct digest want, is;
	AUTO_FREE char *path = NULL;
	struct json_writer w;
	bool known;
	struct err e;

	if (!digest_parse(&want, q->params[0], strlen(q->params[0]))) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "an upload is named by the SHA-256 of its bytes");
		return;
	}
	hash_final(q->body_hash, &is);
	if (!digest_equal(&want, &is)) {
		reply_problem(&q->reply, PROBLEM_REFUSED, "the bytes that came do not have this SHA-256");
		return;
	}
	path = upload_path(q->server, &want);
	if (!path) {
		err_memory(&e);
		reply_error(&q->reply, &e);
		return;
	}
	known = file_exists(path);
	if (fsync(q->body_fd) < 0 || rename(q->body_path, path) < 0) {
		err_errno(&e, "%s", path);
		reply_error(&q->reply, &e);
		return;
	}
	free(TAKE(q->body_path));
	w = reply_json(&q->reply, known ? 200 : 201);
	json_open_object(&w, NULL);
	handler_put_digest(&w, "sha256", &is);
	json_put_int(&w, "size", (int64_t)q->body_size);
	json_close_object(&w);
}

/* ---- the request ---- */

struct publish {
	struct server *s;
	const char *who;
	struct json_doc *doc;
	const char *channel, *reason;
	int64_t serial;
	struct digest digest, archive;
	struct buf *envelope;           /* of the content role */
	struct desk_signed *signed_role;
	struct desk_count signatures;   /* of it */
	struct desk_file files[BUNDLE_FILES_MAX];
	size_t file_count;
	struct desk_target target;
	int64_t size;                   /* of the uncompressed archive */
	const char *version;
	struct trial *trial;            /* unpacked and checked */
	const char *allowed[BUNDLE_ALLOWED_MAX];       /* "SENSOR/VERSION" whose refusal is overridden */
	size_t allowed_count;
	bool dry_run;                   /* answer, and publish nothing */
};

static int parse_allowed(struct publish *p, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(p->doc, p->doc->root, "allow_refused", BUNDLE_ALLOWED_MAX, &list, e) < 0 ||
	    json_may_bool(p->doc, p->doc->root, "dry_run", &p->dry_run, e) < 0)
		return e->code;
	if (list && list->count > 0 && !p->reason[0])
		return json_error(p->doc, list, e, ERR_FORMAT, "what sensors refuse goes out with a reason only: it is kept and shown");
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct json *v = &list->u.items[i];

		if (v->type != JSON_STRING || strlen(v->u.text) != v->count)
			return json_error(p->doc, v, e, ERR_FORMAT, "a sensor is named SENSOR/VERSION");
		p->allowed[p->allowed_count++] = v->u.text;
	}
	return 0;
}

static bool taken(const struct publish *p, const char *path)
{
	for (size_t i = 0; i < p->file_count; i++)
		if (strcmp(p->files[i].path, path) == 0)
			return true;
	return false;
}

/* Two deltas may have the same bytes: each upload gets a path that has none yet. */
static const char *path_for(const struct publish *p, const struct digest *sha256)
{
	const char *first = desk_signed_path(p->signed_role, sha256, 0), *path;
	char role[NAME_LEN_MAX + 16];

	snprintf(role, sizeof role, "content-%s", p->channel);
	for (size_t nth = 0; (path = desk_signed_path(p->signed_role, sha256, nth)); nth++)
		if (!taken(p, path) && !desk_lists(p->s->desk, role, path, sha256))
			return path;
	return first;
}

/* An upload and the path that the signed role gives it. */
static int add_file(struct publish *p, const struct digest *sha256, const char *what, struct err *e)
{
	struct desk_file *f = &p->files[p->file_count];
	const char *path = path_for(p, sha256);
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, sha256);
	if (!path)
		return err_set(e, ERR_REFUSED, "%s %s: the signed role lists no such file", what, hex);
	if (strlen(path) >= sizeof f->path)
		return err_set(e, ERR_LIMIT, "%s %s: its path is too long", what, hex);
	snprintf(f->path, sizeof f->path, "%s", path);
	f->from = upload_path(p->s, sha256);
	if (!f->from)
		return err_memory(e);
	p->file_count++;
	if (!file_exists(f->from))
		return err_set(e, ERR_NOT_FOUND, "%s %s was not uploaded", what, hex);
	return 0;
}

static int parse_deltas(struct publish *p, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(p->doc, p->doc->root, "deltas", DELTAS_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; list && i < list->count; i++) {
		const struct json *v = &list->u.items[i];
		struct digest sha256;

		if (v->type != JSON_STRING || !digest_parse(&sha256, v->u.text, v->count))
			return json_error(p->doc, v, e, ERR_FORMAT, "a delta is named by the SHA-256 of its upload");
		if (add_file(p, &sha256, "delta", e) < 0)
			return e->code;
	}
	return 0;
}

static int parse(struct publish *p, struct err *e)
{
	const struct json *role, *root = p->doc->root;
	char name[NAME_LEN_MAX + 16];

	p->reason = "";
	if (json_want_text(p->doc, root, "channel", NAME_LEN_MAX, &p->channel, e) < 0 ||
	    json_want_int(p->doc, root, "serial", 1, MANIFEST_SERIAL_MAX, &p->serial, e) < 0 ||
	    handler_digest(p->doc, root, "digest", &p->digest, e) < 0 ||
	    handler_digest(p->doc, root, "archive", &p->archive, e) < 0 ||
	    json_want_object(p->doc, root, "role", &role, e) < 0 ||
	    json_may_text(p->doc, root, "reason", REASON_LEN_MAX, &p->reason, e) < 0)
		return e->code;
	if (!name_valid(p->channel, strlen(p->channel)))
		return err_set(e, ERR_FORMAT, "\"%s\" is no name of a channel", p->channel);
	/* The role's signed part is checked and published in canonical form; unknown members stay. */
	p->envelope = buf_new(0);
	if (!p->envelope)
		return err_memory(e);
	if (json_canonical(p->envelope, role, e) < 0)
		return err_wrap(e, "role");
	snprintf(name, sizeof name, "content-%s", p->channel);
	if (desk_check(p->s->desk, &p->signed_role, name, p->envelope->data, p->envelope->len, &p->signatures, e) < 0)
		return e->code;
	if (add_file(p, &p->archive, "archive", e) < 0)
		return e->code;
	return parse_deltas(p, e);
}

/* The values belong to another document, so that they have no place in ours to be named by. */
static const char *member_text(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING && strlen(v->u.text) == v->count ? v->u.text : "";
}

static int64_t member_int(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);
	int64_t n;

	return v && json_to_int(v, &n) ? n : -1;
}

/* What the vendor signed about the archive agrees with what the request says. */
static int check_target(struct publish *p, struct err *e)
{
	char path[PATH_LEN_MAX + 1];
	const char *hex;
	struct digest digest;
	const struct json *c;

	bundle_path(path, p->channel, (uint64_t)p->serial);
	if (strcmp(path, p->files[0].path) != 0 || !desk_signed_target(p->signed_role, path, &p->target))
		return err_set(e, ERR_REFUSED, "the signed role lists the archive as %s instead of %s", p->files[0].path, path);
	c = p->target.custom ? json_get(p->target.custom, "ringhold") : NULL;
	if (!c || c->type != JSON_OBJECT)
		return err_set(e, ERR_REFUSED, "%s: custom.ringhold is missing", path);
	hex = member_text(c, "digest");
	p->version = member_text(c, "version");
	p->size = member_int(c, "size");
	if (!digest_parse(&digest, hex, strlen(hex)) || !digest_equal(&digest, &p->digest) ||
	    member_int(c, "serial") != p->serial || strcmp(member_text(c, "channel"), p->channel) != 0 ||
	    strcmp(member_text(c, "kind"), "full") != 0)
		return err_set(e, ERR_REFUSED, "%s: custom.ringhold does not name this channel, serial and digest", path);
	if (p->size < 1 || p->size > (int64_t)ARCHIVE_SIZE_MAX || !p->version[0] || strlen(p->version) > VERSION_LEN_MAX)
		return err_set(e, ERR_REFUSED, "%s: custom.ringhold: bad size or version", path);
	return 0;
}

/* ---- the whole ---- */

static bool lacks_signatures(const struct publish *p)
{
	return (int64_t)p->signatures.have < p->signatures.need;
}

/* NULL: it would be one, were it not only asked about. */
static void put_request(struct json_writer *w, const struct publish *p, const struct requests_info *info)
{
	json_open_object(w, "request");
	if (info)
		json_put_text(w, "id", info->id);
	json_put_int(w, "have", (int64_t)(info ? info->have : p->signatures.have));
	json_put_int(w, "need", info ? info->need : p->signatures.need);
	json_close_object(w);
}

static void reply_done(struct request *q, const struct publish *p, uint64_t rollout, const struct requests_info *waits, int status)
{
	struct json_writer w = reply_json(&q->reply, status);

	json_open_object(&w, NULL);
	json_put_text(&w, "channel", p->channel);
	json_put_int(&w, "serial", p->serial);
	handler_put_digest(&w, "digest", &p->digest);
	if (rollout)
		json_put_int(&w, "rollout", (int64_t)rollout);
	else
		json_put_null(&w, "rollout");
	if (p->trial)
		trial_write_matrix(p->trial, &w);
	if (waits || (p->dry_run && lacks_signatures(p)))
		put_request(&w, p, waits);
	if (p->dry_run)
		json_put_bool(&w, "dry_run", true);
	json_close_object(&w);
}

static void reply_findings(struct request *q, const struct publish *p)
{
	char detail[512];
	struct json_writer w;

	trial_sentence(p->trial, detail, sizeof detail);
	w = reply_problem_open(&q->reply, PROBLEM_REFUSED, detail);
	trial_write_findings(p->trial, &w);
	trial_write_matrix(p->trial, &w);
	json_close_object(&w);
}

static struct incoming incoming_of(const struct publish *p)
{
	return (struct incoming){
		.channel = p->channel, .serial = (uint64_t)p->serial, .digest = p->digest, .version = p->version, .path = p->files[0].path,
		.size = (uint64_t)p->size, .length = p->target.length, .archive = p->files[0].from, .by = p->who, .reason = p->reason,
		.dry_run = p->dry_run,
	};
}

/* A repository that has it while the store does not was published by a server that died in between. */
static int make_visible(struct publish *p, const struct incoming *b, uint64_t *rollout, struct err *e)
{
	char role[NAME_LEN_MAX + 16];

	snprintf(role, sizeof role, "content-%s", p->channel);
	if (!desk_lists(p->s->desk, role, b->path, &p->archive) &&
	    desk_publish(p->s->desk, role, p->envelope->data, p->envelope->len, p->files, p->file_count, NULL, server_now(p->s), e) < 0)
		return e->code;
	return incoming_start(p->s, b, p->trial, rollout, e);
}

/* Checked, and others must sign: nothing of it is visible before they did. */
static void wait_for_signatures(struct request *q, const struct publish *p, const struct incoming *b, const struct trial_override *override)
{
	struct requests_info info;
	struct err e;

	if (requests_bundle_open(p->s, b, p->envelope, p->files, p->file_count, override, server_now(p->s), &info, &e) < 0)
		reply_error(&q->reply, &e);
	else
		reply_done(q, p, 0, &info, 202);
}

static void publish(struct request *q, struct publish *p)
{
	struct trial_override override = { p->allowed, 0 };
	struct incoming b;
	uint64_t rollout = 0;
	bool same = false;
	struct err e;

	if (parse(p, &e) < 0 || parse_allowed(p, &e) < 0 || check_target(p, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (!handler_may(q, p->channel))
		return;
	override.count = p->allowed_count;
	b = incoming_of(p);
	if (incoming_known(p->s, &b, &same, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (same) {
		const struct rollout *r;

		pthread_mutex_lock(&p->s->lock);
		r = rollouts_of(&p->s->rollouts, p->channel, &p->digest);
		rollout = r ? r->id : 0;
		pthread_mutex_unlock(&p->s->lock);
		reply_done(q, p, rollout, NULL, 200);
		return;
	}
	if (incoming_try(&p->trial, p->s, &b, &override, &e) < 0) {
		reply_error(&q->reply, &e);
	} else if (trial_refuses(p->trial)) {
		reply_findings(q, p);
	} else if (p->dry_run) {
		reply_done(q, p, 0, NULL, 200);
	} else if (lacks_signatures(p)) {
		wait_for_signatures(q, p, &b, &override);
	} else if (make_visible(p, &b, &rollout, &e) < 0) {
		reply_error(&q->reply, &e);
	} else {
		reply_done(q, p, rollout, NULL, 201);
	}
}

void operator_publish(struct request *q)
{
	static const char *const members[] = { "channel", "serial", "digest", "role", "archive", "deltas", "reason", "allow_refused", "dry_run",
						NULL };
	struct publish p = { .s = q->server, .who = q->who, .doc = handler_body(q, members) };

	if (!p.doc)
		return;
	pthread_mutex_lock(&p.s->publishing);
	publish(q, &p);
	pthread_mutex_unlock(&p.s->publishing);
	for (size_t i = 0; i < p.file_count; i++)
		free(p.files[i].from);
	trial_free(p.trial);
	desk_signed_free(p.signed_role);
	buf_free(p.envelope);
	json_free(p.doc);
}
