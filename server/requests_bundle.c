/* requests_bundle: bundles whose role lacks signatures when they are brought. */
#include "server/requests_bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "content/archive.h"
#include "content/manifest.h"
#include "server/handlers.h"
#include "server/now.h"
#include "server/requests_parts.h"
#include "signing/repo.h"

/* ---- what is known of one, kept as the request's evidence ---- */

static void put_allowed(struct json_writer *w, const struct trial_override *allowed)
{
	json_open_array(w, "allow_refused");
	for (size_t i = 0; i < allowed->count; i++)
		json_put_text(w, NULL, allowed->sensors[i]);
	json_close_array(w);
}

/* An upload's file is named by the SHA-256 of its bytes. */
static void put_files(struct json_writer *w, const struct desk_file *files, size_t count)
{
	json_open_array(w, "files");
	for (size_t i = 0; i < count; i++) {
		json_open_object(w, NULL);
		json_put_text(w, "path", files[i].path);
		json_put_text(w, "sha256", strrchr(files[i].from, '/') + 1);
		json_close_object(w);
	}
	json_close_array(w);
}

static int write_evidence(struct buf *out, const struct incoming *b, const struct desk_file *files, size_t count,
			  const struct trial_override *allowed, struct err *e)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_open_object(&w, "bundle");
	json_put_text(&w, "channel", b->channel);
	json_put_int(&w, "serial", (int64_t)b->serial);
	json_put_text(&w, "version", b->version);
	handler_put_digest(&w, "digest", &b->digest);
	json_put_int(&w, "size", (int64_t)b->size);
	json_put_int(&w, "length", (int64_t)b->length);
	json_put_text(&w, "by", b->by);
	json_put_text(&w, "reason", b->reason);
	put_allowed(&w, allowed);
	put_files(&w, files, count);
	json_close_object(&w);
	json_close_object(&w);
	return buf_check(out, e);
}

/* One that waits, read back; b borrows from doc and files. */
struct kept_bundle {
	struct requests_row row;
	struct sigreq *q;
	struct json_doc *doc;
	struct incoming b;
	struct desk_file files[BUNDLE_FILES_MAX];
	size_t file_count;
	struct digest archive;
	const char *allowed[BUNDLE_ALLOWED_MAX];
	size_t allowed_count;
	struct trial *trial;
};

static void kept_bundle_free(struct kept_bundle *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->file_count; i++)
		free(w->files[i].from);
	trial_free(w->trial);
	json_free(w->doc);
	sigreq_free(w->q);
	requests_row_release(&w->row);
	free(w);
}
AUTO_DEFINE(kept_bundle, struct kept_bundle *, kept_bundle_free);

static int read_files(struct kept_bundle *w, const char *uploads, const struct json *o, struct err *e)
{
	const struct json *list;

	if (json_want_array(w->doc, o, "files", BUNDLE_FILES_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < list->count; i++) {
		struct desk_file *f = &w->files[w->file_count];
		struct digest sha256;
		char hex[DIGEST_HEX_LEN + 1];
		const char *path;

		if (json_want_text(w->doc, &list->u.items[i], "path", PATH_LEN_MAX, &path, e) < 0 ||
		    handler_digest(w->doc, &list->u.items[i], "sha256", &sha256, e) < 0)
			return e->code;
		snprintf(f->path, sizeof f->path, "%s", path);
		digest_hex(hex, &sha256);
		f->from = file_join(uploads, hex);
		if (!f->from)
			return err_memory(e);
		if (w->file_count++ == 0)
			w->archive = sha256;
	}
	return w->file_count ? 0 : json_error(w->doc, list, e, ERR_FORMAT, "a bundle without an archive");
}

static int read_allowed(struct kept_bundle *w, const struct json *o, struct err *e)
{
	const struct json *list;

	if (json_want_array(w->doc, o, "allow_refused", BUNDLE_ALLOWED_MAX, &list, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < list->count; i++)
		if (list->u.items[i].type == JSON_STRING)
			w->allowed[w->allowed_count++] = list->u.items[i].u.text;
	return 0;
}

static int read_evidence(struct kept_bundle *w, const char *uploads, struct err *e)
{
	int64_t serial, size, length;
	struct incoming *b = &w->b;
	const struct json *o;

	if (json_parse(&w->doc, "what is known of the bundle", w->q->evidence, strlen(w->q->evidence), NULL, e) < 0 ||
	    json_want_object(w->doc, w->doc->root, "bundle", &o, e) < 0 ||
	    json_want_text(w->doc, o, "channel", NAME_LEN_MAX, &b->channel, e) < 0 ||
	    json_want_int(w->doc, o, "serial", 1, MANIFEST_SERIAL_MAX, &serial, e) < 0 ||
	    json_want_text(w->doc, o, "version", VERSION_LEN_MAX, &b->version, e) < 0 ||
	    handler_digest(w->doc, o, "digest", &b->digest, e) < 0 || json_want_int(w->doc, o, "size", 0, INT64_MAX, &size, e) < 0 ||
	    json_want_int(w->doc, o, "length", 0, INT64_MAX, &length, e) < 0 ||
	    json_want_text(w->doc, o, "by", ACCESS_WHO_MAX, &b->by, e) < 0 ||
	    json_want_text(w->doc, o, "reason", REASON_LEN_MAX, &b->reason, e) < 0 || read_allowed(w, o, e) < 0 ||
	    read_files(w, uploads, o, e) < 0)
		return e->code;
	b->serial = (uint64_t)serial;
	b->size = (uint64_t)size;
	b->length = (uint64_t)length;
	b->path = w->files[0].path;
	b->archive = w->files[0].from;
	return 0;
}

/* With `requests` held. *out NULL: it is no bundle. */
static int load(struct server *s, const char *id, struct kept_bundle **out, struct err *e)
{
	AUTO(kept_bundle) struct kept_bundle *w = calloc(1, sizeof *w);

	*out = NULL;
	if (!w)
		return err_memory(e);
	if (requests_load(s, id, &w->row, &w->q, e) < 0)
		return e->code;
	if (!requests_is_bundle(&w->row) || !w->q->evidence)
		return 0;
	if (read_evidence(w, s->uploads, e) < 0)
		return err_wrap(e, "signing request %s", id);
	*out = TAKE(w);
	return 0;
}

/* ---- opening ---- */

static void count(struct server *s, const struct sigreq *q, struct requests_info *info)
{
	struct desk_trust t;
	struct err e;

	if (desk_trust(s->desk, &t, &e) < 0)
		return;
	(void)!sigreq_count(q, q->drafts[0].role, &(const struct sigreq_trust){ t.root, t.targets }, &info->have, &info->need);
	desk_trust_release(&t);
}

/* Open already, and not overtaken: for who did not see the answer, and for who should sign it instead. */
static int find_open(struct server *s, const char *subject, int64_t now, struct requests_info *info, bool *there, struct err *e)
{
	AUTO_FREE struct requests_row *rows = NULL;
	size_t all;

	*there = false;
	if (requests_list(s, REQUESTS_OPEN, &rows, &all, e) < 0)
		return e->code;
	for (size_t i = 0; i < all && !*there; i++) {
		AUTO(sigreq) struct sigreq *q = NULL;
		AUTO_ROW row = { 0 };

		if (strcmp(rows[i].subject, subject) != 0)
			continue;
		if (requests_load(s, rows[i].id, &row, &q, e) < 0 || requests_try(s, q, &row, "server", now, info, e) < 0)
			return e->code;
		*there = info->state == REQUESTS_OPEN && q->expires > now;
		if (*there)
			count(s, q, info);
	}
	return 0;
}

static int make(struct sigreq **out, struct server *s, const struct incoming *b, const struct buf *role, const char *evidence, int64_t now,
		struct err *e)
{
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO(metadata) struct metadata *base = NULL;
	AUTO(buf) struct buf *stands = NULL;
	char name[NAME_LEN_MAX + 16], reason[SIGREQ_TEXT_MAX];
	struct desk_trust t;
	int got;

	snprintf(name, sizeof name, "content-%s", b->channel);
	snprintf(reason, sizeof reason, "channel %s serial %" PRIu64 ", version %.64s%s%.256s", b->channel, b->serial, b->version,
		 *b->reason ? ": " : "", b->reason);
	got = desk_role(s->desk, name, &stands, e);
	if ((got < 0 && got != ERR_NOT_FOUND) ||
	    (got == 0 && metadata_parse(&base, METADATA_TARGETS, name, stands->data, stands->len, e) < 0) || desk_trust(s->desk, &t, e) < 0)
		return e->code;
	got = sigreq_new(&q, b->by, reason, t.root, t.targets, now, now + SIGREQ_LIFE, e);
	desk_trust_release(&t);
	if (got < 0 || sigreq_add(q, name, base, role->data, role->len, e) < 0 || sigreq_set_evidence(q, evidence, e) < 0 ||
	    sigreq_seal(q, e) < 0 || requests_check_draft(&q->drafts[0], now, e) < 0 || desk_check_request(s->desk, q, e) < 0)
		return e->code;
	*out = TAKE(q);
	return 0;
}

static int open_it(struct server *s, const struct incoming *b, const struct buf *role, const char *evidence, int64_t now,
		   struct requests_info *info, struct err *e)
{
	AUTO(sigreq) struct sigreq *q = NULL;
	char subject[REQUESTS_SUBJECT_MAX], hex[DIGEST_HEX_LEN + 1];
	bool there;

	digest_hex(hex, &b->digest);
	snprintf(subject, sizeof subject, REQUESTS_BUNDLE "%s serial %" PRIu64 " %s", b->channel, b->serial, hex);
	if (find_open(s, subject, now, info, &there, e) < 0)
		return e->code;
	if (there)
		return 0;
	if (make(&q, s, b, role, evidence, now, e) < 0 || requests_begin_and_try(s, q, subject, b->by, now, info, e) < 0)
		return e->code;
	count(s, q, info);
	return 0;
}

int requests_bundle_open(struct server *s, const struct incoming *b, const struct buf *role, const struct desk_file *files, size_t file_count,
			 const struct trial_override *allowed, int64_t now, struct requests_info *info, struct err *e)
{
	AUTO(buf) struct buf *evidence = buf_new(0);
	int got;

	*info = (struct requests_info){ .state = REQUESTS_OPEN };
	if (!evidence)
		return err_memory(e);
	if (write_evidence(evidence, b, files, file_count, allowed, e) < 0)
		return e->code;
	pthread_mutex_lock(&s->requests);
	got = open_it(s, b, role, evidence->data, now, info, e);
	pthread_mutex_unlock(&s->requests);
	return got;
}

/* ---- finishing ---- */

/* How far it came. GONE: it was closed meanwhile. */
enum end { END_STARTED, END_REFUSED, END_GONE };

struct ending {
	enum end end;
	char why[512];          /* of END_REFUSED */
};

static int refuse(struct ending *o, const char *why)
{
	o->end = END_REFUSED;
	snprintf(o->why, sizeof o->why, "%s", why);
	return 0;
}

/* Sensors may have come and gone since it was brought. */
static int try_again(struct server *s, struct kept_bundle *w, struct ending *o, struct err *e)
{
	const struct trial_override allowed = { w->allowed, w->allowed_count };
	int got = incoming_try(&w->trial, s, &w->b, &allowed, e);

	if (got == ERR_REFUSED || got == ERR_FORMAT)
		return refuse(o, e->msg);
	if (got == 0 && trial_refuses(w->trial)) {
		refuse(o, "");
		trial_sentence(w->trial, o->why, sizeof o->why);
	}
	return got;
}

/* With `requests` held: it may have been withdrawn while the bundle was tried. */
static int publish_role(struct server *s, const struct kept_bundle *w, struct ending *o, struct err *e)
{
	const struct sigreq_draft *d = &w->q->drafts[0];
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO_ROW row = { 0 };

	if (requests_load(s, w->q->id, &row, &q, e) < 0)
		return e->code;
	if (row.state != REQUESTS_OPEN) {
		o->end = END_GONE;
		return 0;
	}
	/* A server that died in between had published it already. */
	if (requests_is_published(s, w->q))
		return 0;
	return desk_publish(s->desk, d->role, d->draft->raw->data, d->draft->raw->len, w->files, w->file_count, NULL, server_now(s), e);
}

/* All but the request's own row; an error is trouble that may pass. */
static int bring_out(struct server *s, struct kept_bundle *w, struct ending *o, struct err *e)
{
	bool same = false;
	uint64_t rollout;
	int got;

	if (desk_stopped(s->desk, w->b.channel, &w->b.digest))
		return refuse(o, "it was stopped or recalled, which is final");
	got = incoming_known(s, &w->b, &same, e);
	if (got == ERR_CONFLICT)
		return refuse(o, e->msg);
	if (got < 0 || same)
		return got;
	got = try_again(s, w, o, e);
	if (got < 0 || o->end == END_REFUSED)
		return got;
	pthread_mutex_lock(&s->requests);
	got = publish_role(s, w, o, e);
	pthread_mutex_unlock(&s->requests);
	return got < 0 || o->end == END_GONE ? got : incoming_start(s, &w->b, w->trial, &rollout, e);
}

/* With `requests` held. */
static int settle(struct server *s, const struct kept_bundle *w, int got, const struct ending *o, const char *who, int64_t now,
		  struct requests_info *info, const struct err *trouble, struct err *e)
{
	char why[600];

	if (got < 0)
		return requests_trouble(s, w->q, &w->row, trouble->msg, who, now, e);
	if (o->end == END_STARTED)
		return requests_done(s, w->q, w->row.subject, who, now, info, e);
	if (o->end == END_GONE)
		return 0;
	snprintf(why, sizeof why, "it cannot be published any more: %s", o->why);
	return requests_close_stale(s, w->q, w->row.subject, why, who, now, info, e);
}

/* With `requests` held. *out NULL: nothing is to be done; info says how it stands. */
static int find_ready(struct server *s, const char *id, const char *who, int64_t now, struct requests_info *info, struct kept_bundle **out,
		      struct err *e)
{
	AUTO(kept_bundle) struct kept_bundle *w = NULL;
	bool others = s->requests_ready;
	int got;

	*out = NULL;
	if (load(s, id, &w, e) < 0)
		return e->code;
	info->ready = false;
	if (w)
		info->state = w->row.state;
	if (!w || w->row.state != REQUESTS_OPEN)
		return 0;
	got = requests_try(s, w->q, &w->row, who, now, info, e);
	/* This one is in hand: after trouble the next look at all of them finds it, not every tick. */
	s->requests_ready = others;
	if (got == 0 && info->ready)
		*out = TAKE(w);
	return got;
}

static int finish(struct server *s, const char *id, const char *who, int64_t now, struct requests_info *info, struct err *e)
{
	AUTO(kept_bundle) struct kept_bundle *w = NULL;
	struct ending o = { END_STARTED, "" };
	struct err trouble;
	int got;

	pthread_mutex_lock(&s->requests);
	got = find_ready(s, id, who, now, info, &w, e);
	pthread_mutex_unlock(&s->requests);
	if (got < 0 || !w)
		return got;
	got = bring_out(s, w, &o, &trouble);
	pthread_mutex_lock(&s->requests);
	got = settle(s, w, got, &o, who, now, info, &trouble, e);
	pthread_mutex_unlock(&s->requests);
	return got;
}

int requests_bundle_finish(struct server *s, const char *id, const char *who, int64_t now, struct requests_info *info, struct err *e)
{
	char name[SIGREQ_ID_LEN + 1];
	int got;

	snprintf(name, sizeof name, "%s", id);  /* it may be info's own */
	pthread_mutex_lock(&s->publishing);
	got = finish(s, name, who, now, info, e);
	pthread_mutex_unlock(&s->publishing);
	return got;
}

/* ---- all of them ---- */

bool requests_bundles_ready(struct server *s)
{
	bool ready;

	pthread_mutex_lock(&s->requests);
	ready = s->requests_ready;
	s->requests_ready = false;
	pthread_mutex_unlock(&s->requests);
	return ready;
}

static int list_bundles(struct server *s, struct requests_row **rows, size_t *count, struct err *e)
{
	struct requests_row *all = NULL;
	size_t found = 0;
	int got;

	*count = 0;
	pthread_mutex_lock(&s->requests);
	got = requests_list(s, REQUESTS_OPEN, &all, count, e);
	pthread_mutex_unlock(&s->requests);
	if (got < 0)
		return got;
	for (size_t i = 0; i < *count; i++)
		if (requests_is_bundle(&all[i]))
			all[found++] = all[i];
	*count = found;
	*rows = all;
	return 0;
}

int requests_bundles_finish(struct server *s, int64_t now, struct err *e)
{
	AUTO_FREE struct requests_row *rows = NULL;
	size_t count;

	if (list_bundles(s, &rows, &count, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++) {
		struct requests_info info = { .state = REQUESTS_OPEN };

		if (requests_bundle_finish(s, rows[i].id, "server", now, &info, e) < 0)
			return e->code;
	}
	return 0;
}

int requests_bundle_uploads(struct server *s, struct buf *names, struct err *e)
{
	AUTO_FREE struct requests_row *rows = NULL;
	size_t count;

	if (list_bundles(s, &rows, &count, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++) {
		AUTO(kept_bundle) struct kept_bundle *w = NULL;
		int got;

		pthread_mutex_lock(&s->requests);
		got = load(s, rows[i].id, &w, e);
		pthread_mutex_unlock(&s->requests);
		if (got < 0)
			return got;
		for (size_t k = 0; w && k < w->file_count; k++)
			buf_addf(names, "%s\n", strrchr(w->files[k].from, '/') + 1);
	}
	return buf_check(names, e);
}
