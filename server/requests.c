/* requests: signing requests kept, signed and published. */
#include "server/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/requests_parts.h"
#include "server/ticker.h"

static const char *const names[REQUESTS_STATES] = {
	[REQUESTS_OPEN] = "open",           [REQUESTS_PUBLISHED] = "published", [REQUESTS_STALE] = "stale",
	[REQUESTS_WITHDRAWN] = "withdrawn", [REQUESTS_EXPIRED] = "expired",
};

const char *requests_state_name(enum requests_state s)
{
	return (unsigned)s < REQUESTS_STATES ? names[s] : "unknown";
}

/* ---- rows ---- */

void requests_row_release(struct requests_row *r)
{
	buf_free(TAKE(r->body));
}

static int copy_row(struct requests_row *out, const struct store_request *row, struct err *e)
{
	*out = (struct requests_row){ .state = (enum requests_state)row->state, .created = row->created, .expires = row->expires,
				      .changed = row->changed };
	snprintf(out->id, sizeof out->id, "%s", row->id);
	snprintf(out->subject, sizeof out->subject, "%s", row->subject);
	snprintf(out->note, sizeof out->note, "%s", row->note);
	snprintf(out->roles, sizeof out->roles, "%s", row->roles);
	if (!row->body)
		return 0;
	out->body = buf_new(0);
	if (!out->body)
		return err_memory(e);
	buf_adds(out->body, row->body);
	return buf_check(out->body, e);
}

static int read_one(const struct store_request *row, void *arg, struct err *e)
{
	return copy_row(arg, row, e) < 0 ? e->code : 1;
}

int requests_load(struct server *s, const char *id, struct requests_row *row, struct sigreq **q, struct err *e)
{
	if (store_request(s->store, id, read_one, row, e) < 0)
		return e->code;
	return sigreq_parse(q, id, row->body->data, row->body->len, e) < 0 ? err_wrap(e, "signing request %s", id) : 0;
}

struct rows {
	struct requests_row *items;
	size_t count;
};

static int read_next(const struct store_request *row, void *arg, struct err *e)
{
	struct rows *all = arg;
	struct requests_row *more = realloc(all->items, (all->count + 1) * sizeof *more);

	if (!more)
		return err_memory(e);
	all->items = more;
	return copy_row(&all->items[all->count++], row, e);
}

int requests_list(struct server *s, int state, struct requests_row **out, size_t *count, struct err *e)
{
	struct rows all = { 0 };

	if (store_each_request(s->store, state, read_next, &all, e) < 0) {
		free(all.items);
		return e->code;
	}
	*out = all.items;
	*count = all.count;
	return 0;
}

/* ---- keeping ---- */

static void join_roles(const struct sigreq *q, char *out, size_t cap)
{
	size_t len = 0;

	*out = '\0';
	for (size_t i = 0; i < q->draft_count && len + 1 < cap; i++)
		len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? " " : "", q->drafts[i].role);
}

#define STATE_TEXT 120
static void state_text(char out[STATE_TEXT], const struct sigreq *q, enum requests_state state)
{
	size_t signatures = 0;

	for (size_t i = 0; i < q->draft_count; i++)
		signatures += q->drafts[i].draft->signature_count;
	snprintf(out, STATE_TEXT, "{\"drafts\":%zu,\"signatures\":%zu,\"state\":\"%s\"}", q->draft_count, signatures, requests_state_name(state));
}

/* As it is in the store; "" when it is new. */
static int state_before(struct server *s, const char *id, char out[STATE_TEXT], struct err *e)
{
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO_ROW row = { 0 };
	int got = requests_load(s, id, &row, &q, e);

	out[0] = '\0';
	if (got == 0)
		state_text(out, q, row.state);
	return got == ERR_NOT_FOUND ? 0 : got;
}

int requests_keep(struct server *s, const struct sigreq *q, const char *subject, enum requests_state state, const char *note,
		  const char *who, const char *action, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	struct server_batch b = { .count = 0 };
	char roles[1024], sentence[700], was[STATE_TEXT], becomes[STATE_TEXT];

	if (!body)
		return err_memory(e);
	if (sigreq_write(body, q, e) < 0 || state_before(s, q->id, was, e) < 0)
		return e->code;
	join_roles(q, roles, sizeof roles);
	snprintf(sentence, sizeof sentence, "%.600s%s%.60s", note[0] ? note : q->reason, note[0] ? "" : "; roles ", note[0] ? "" : roles);
	server_record(&b, STORE_REQUEST)->u.request = (struct store_request){
		q->id, (int)state, q->created, q->expires, now, subject, roles, q->by, q->reason, note, body->data };
	server_record(&b, STORE_DECISION)->u.decision = (struct store_decision){
		.at = now, .kind = "signing-request", .channel = "", .ring = "", .device = "", .from = "", .to = requests_state_name(state),
		.cause = q->id, .sentence = sentence, .inputs = "" };
	state_text(becomes, q, state);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = who, .action = action, .subject = q->id, .detail = sentence,
							    .why = note[0] ? note : q->reason, .was = was, .becomes = becomes });
	return server_write(s, &b, e);
}

static void fill_info(struct requests_info *info, const struct sigreq *q, enum requests_state state)
{
	if (!info)
		return;
	snprintf(info->id, sizeof info->id, "%s", q->id);
	info->state = state;
}

int requests_begin(struct server *s, const struct sigreq *q, const char *subject, const char *who, int64_t now, struct requests_info *info,
		   struct err *e)
{
	if (requests_keep(s, q, subject, REQUESTS_OPEN, "", who, "signing-request", now, e) < 0)
		return e->code;
	fill_info(info, q, REQUESTS_OPEN);
	if (info)
		info->opened = true;
	log_warn("signing request %s waits for signatures: %s", q->id, q->reason);
	return 0;
}

/* ---- publishing ---- */

bool requests_is_bundle(const struct requests_row *r)
{
	return strncmp(r->subject, REQUESTS_BUNDLE, strlen(REQUESTS_BUNDLE)) == 0;
}

bool requests_is_published(struct server *s, const struct sigreq *q)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		const struct sigreq_draft *d = &q->drafts[i], is = { .role = d->role, .base = d->draft };
		AUTO(metadata) struct metadata *m = NULL;
		AUTO(buf) struct buf *text = NULL;
		struct err e;

		if (desk_role(s->desk, d->role, &text, &e) < 0 || metadata_parse(&m, d->draft->type, d->role, text->data, text->len, &e) < 0 ||
		    sigreq_check_base(&is, m, &e) < 0)
			return false;
	}
	return true;
}

int requests_met(struct server *s, const struct sigreq *q, bool *out, struct err *e)
{
	struct desk_trust t;

	if (desk_trust(s->desk, &t, e) < 0)
		return e->code;
	*out = sigreq_met(q, &(const struct sigreq_trust){ t.root, t.targets });
	desk_trust_release(&t);
	return 0;
}

int requests_close_stale(struct server *s, const struct sigreq *q, const char *subject, const char *why, const char *who, int64_t now,
			 struct requests_info *info, struct err *e)
{
	log_warn("signing request %s: %s", q->id, why);
	fill_info(info, q, REQUESTS_STALE);
	return requests_keep(s, q, subject, REQUESTS_STALE, why, who, "signing-request-stale", now, e);
}

int requests_done(struct server *s, const struct sigreq *q, const char *subject, const char *who, int64_t now, struct requests_info *info,
		  struct err *e)
{
	struct err why;

	log_info("signing request %s: published", q->id);
	fill_info(info, q, REQUESTS_PUBLISHED);
	if (server_refresh_ringmap(s, &why) < 0)
		log_error("%s", why.msg);
	ticker_poke(s);
	return requests_keep(s, q, subject, REQUESTS_PUBLISHED, "", who, "signing-request-published", now, e);
}

int requests_trouble(struct server *s, const struct sigreq *q, const struct requests_row *row, const char *why, const char *who, int64_t now,
		     struct err *e)
{
	if (strncmp(row->note, why, sizeof row->note - 1) == 0)
		return 0;       /* told already */
	log_error("signing request %s: %s", q->id, why);
	return requests_keep(s, q, row->subject, REQUESTS_OPEN, why, who, "signing-request-trouble", now, e);
}

static int is_ready(struct server *s, struct requests_info *info)
{
	s->requests_ready = true;
	if (info)
		info->ready = true;
	return 0;
}

int requests_try(struct server *s, const struct sigreq *q, const struct requests_row *row, const char *who, int64_t now,
		 struct requests_info *info, struct err *e)
{
	const char *subject = row->subject;
	struct err why;
	bool enough = false;
	int got;

	fill_info(info, q, REQUESTS_OPEN);
	got = desk_check_request(s->desk, q, &why);
	if (got == ERR_CONFLICT && requests_is_published(s, q))
		return requests_is_bundle(row) ? is_ready(s, info) : requests_done(s, q, subject, who, now, info, e);
	if (got == ERR_CONFLICT)
		return requests_close_stale(s, q, subject, why.msg, who, now, info, e);
	if (requests_met(s, q, &enough, e) < 0)
		return e->code;
	if (!enough)
		return 0;
	if (requests_is_bundle(row))
		return is_ready(s, info);
	got = desk_publish_request(s->desk, q, now, &why);
	if (got == 0)
		return requests_done(s, q, subject, who, now, info, e);
	return requests_trouble(s, q, row, why.msg, who, now, e);
}

int requests_begin_and_try(struct server *s, const struct sigreq *q, const char *subject, const char *who, int64_t now,
			   struct requests_info *info, struct err *e)
{
	struct requests_row row = { .state = REQUESTS_OPEN };

	snprintf(row.subject, sizeof row.subject, "%s", subject);
	if (requests_begin(s, q, subject, who, now, info, e) < 0)
		return e->code;
	return requests_try(s, q, &row, who, now, info, e);
}

/* ---- reading ---- */

int requests_get(struct server *s, const char *id, struct buf **out, struct requests_info *info, struct err *e)
{
	AUTO_ROW row = { 0 };

	if (store_request(s->store, id, read_one, &row, e) < 0)
		return e->code;
	if (info) {
		*info = (struct requests_info){ .state = row.state };
		memcpy(info->id, row.id, sizeof info->id);
	}
	*out = TAKE(row.body);
	return 0;
}

int requests_each_open(struct server *s, int (*visit)(const struct store_request *row, void *arg, struct err *e), void *arg, struct err *e)
{
	return store_each_request(s->store, REQUESTS_OPEN, visit, arg, e);
}

/* ---- signing ---- */

static int add_all(struct server *s, struct sigreq *q, const struct requests_signature *sigs, size_t count, int *added, struct err *e)
{
	struct desk_trust t;
	int got = 0;

	if (desk_trust(s->desk, &t, e) < 0)
		return e->code;
	for (size_t i = 0; i < count && got >= 0; i++) {
		got = sigreq_add_signature(q, sigs[i].role, sigs[i].keyid, sigs[i].sig, &(const struct sigreq_trust){ t.root, t.targets }, e);
		*added += got > 0;
	}
	desk_trust_release(&t);
	return got < 0 ? got : 0;
}

int requests_not_open(const struct requests_row *row, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "signing request %s is %s%s%s", row->id, requests_state_name(row->state), row->note[0] ? ": " : "",
		       row->note);
}

static int sign(struct server *s, const char *id, const struct requests_signature *sigs, size_t count, const char *who, int64_t now,
		struct requests_info *info, struct err *e)
{
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO_ROW row = { 0 };
	bool enough = false;

	if (requests_load(s, id, &row, &q, e) < 0)
		return e->code;
	fill_info(info, q, row.state);
	if (row.state == REQUESTS_PUBLISHED)
		return 0;
	if (row.state != REQUESTS_OPEN)
		return requests_not_open(&row, e);
	if (q->expires <= now)
		return err_set(e, ERR_EXPIRED, "signing request %s is expired", id);
	/* What is complete stays byte for byte: it may have been set aside for publishing. */
	if (requests_met(s, q, &enough, e) < 0 || (!enough && add_all(s, q, sigs, count, &info->added, e) < 0))
		return e->code;
	if (info->added > 0 && requests_keep(s, q, row.subject, REQUESTS_OPEN, "", who, "signing-request-signed", now, e) < 0)
		return e->code;
	return requests_try(s, q, &row, who, now, info, e);
}

int requests_sign(struct server *s, const char *id, const struct requests_signature *sigs, size_t count, const char *who, int64_t now,
		  struct requests_info *info, struct err *e)
{
	struct requests_info unseen = { .state = REQUESTS_OPEN };
	char name[SIGREQ_ID_LEN + 2];
	int got;

	snprintf(name, sizeof name, "%s", id);  /* it may be info's own */
	info = info ? info : &unseen;
	*info = (struct requests_info){ .state = REQUESTS_OPEN };
	pthread_mutex_lock(&s->requests);
	got = sign(s, name, sigs, count, who, now, info, e);
	pthread_mutex_unlock(&s->requests);
	return got;
}

/* ---- closing ---- */

static int withdraw(struct server *s, const char *id, const char *who, const char *reason, int64_t now, struct err *e)
{
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO_ROW row = { 0 };

	if (requests_load(s, id, &row, &q, e) < 0)
		return e->code;
	if (row.state != REQUESTS_OPEN)
		return requests_not_open(&row, e);
	log_info("signing request %s: withdrawn by %s: %s", id, who, reason);
	return requests_keep(s, q, row.subject, REQUESTS_WITHDRAWN, reason, who, "signing-request-withdrawn", now, e);
}

int requests_withdraw(struct server *s, const char *id, const char *who, const char *reason, int64_t now, struct err *e)
{
	int got;

	pthread_mutex_lock(&s->requests);
	got = withdraw(s, id, who, reason, now, e);
	pthread_mutex_unlock(&s->requests);
	return got;
}
