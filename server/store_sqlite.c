/* store_sqlite: the store in one SQLite file: opening and writing; it only binds and fetches. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "server/store_sqlite.h"

#define BUSY_MS 10000
#define BACKGROUND_DAYS 28
#define DEAD_KEPT 1000          /* letters of one webhook */
#define GATES_KEPT 64           /* of one ring, besides every pass and halt */

/* What a disk, a lock or a mount may have to do with can go well another time; a file that is no store cannot. */
static const struct { int sqlite, code; } failures[] = {
	{ SQLITE_FULL, ERR_SPACE },      { SQLITE_CONSTRAINT, ERR_CONFLICT }, { SQLITE_NOMEM, ERR_MEMORY },
	{ SQLITE_IOERR, ERR_STORE },     { SQLITE_READONLY, ERR_STORE },      { SQLITE_CANTOPEN, ERR_STORE },
	{ SQLITE_BUSY, ERR_STORE },      { SQLITE_LOCKED, ERR_STORE },        { SQLITE_PROTOCOL, ERR_STORE },
	{ SQLITE_INTERRUPT, ERR_STORE },
};

int sqlite_failed(sqlite3 *db, struct err *e, const char *what)
{
	int why = sqlite3_extended_errcode(db) & 0xff, code = ERR_IO;

	for (size_t i = 0; i < ARRAY_LEN(failures); i++)
		if (failures[i].sqlite == why)
			code = failures[i].code;
	return err_set(e, code, "store: %s: %s", what, sqlite3_errmsg(db));
}

static int run_text(sqlite3 *db, const char *sql, struct err *e)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_failed(db, e, sql);
}

/* ---- binding ---- */

/* To SQLite "$4" is a name, numbered by its first appearance; to PostgreSQL it is the fourth. */
static int place_of(sqlite3_stmt *st, int number)
{
	char name[8];

	return sqlite3_bind_parameter_index(st, sqlite3_snprintf(sizeof name, name, "$%d", number));
}

void sqlite_bind(sqlite3_stmt *st, const char *form, va_list args)
{
	int number = 1;

	for (const char *f = form; *f; f++, number++) {
		int at = place_of(st, number);
		const void *p;

		switch (*f) {
		case 'i':
			sqlite3_bind_int64(st, at, va_arg(args, int64_t));
			break;
		case 't':
			p = va_arg(args, const char *);
			sqlite3_bind_text(st, at, p, -1, SQLITE_STATIC);
			break;
		case 'd':
			p = va_arg(args, const struct digest *);
			sqlite3_bind_blob(st, at, p, digest_is_zero(p) ? 0 : DIGEST_LEN, SQLITE_STATIC);
			break;
		default:
			p = va_arg(args, const void *);
			sqlite3_bind_blob64(st, at, p, va_arg(args, size_t), SQLITE_STATIC);
		}
	}
}

int sqlite_prepare(sqlite3 *db, sqlite3_stmt **out, enum sql which, struct err *e)
{
	if (*out)
		return 0;
	if (sqlite3_prepare_v3(db, sql_text[which], -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
		return sqlite_failed(db, e, sql_text[which]);
	return 0;
}

/* Runs a statement of the writer that answers no row; how many rows it changed. */
static int change(struct store *s, struct err *e, enum sql which, const char *form, ...)
{
	sqlite3_stmt *st;
	va_list args;
	int step;

	if (sqlite_prepare(s->db, &s->stmts[which], which, e) < 0)
		return e->code;
	st = s->stmts[which];
	va_start(args, form);
	sqlite_bind(st, form, args);
	va_end(args);
	step = sqlite3_step(st);
	if (step != SQLITE_DONE)
		sqlite_failed(s->db, e, "write");
	sqlite3_reset(st);
	return step == SQLITE_DONE ? sqlite3_changes(s->db) : e->code;
}

/* The first column of the only row, or -1 when there is none; ERR codes are below -1. */
static int64_t number(struct store *s, struct err *e, enum sql which, const char *form, ...)
{
	sqlite3_stmt *st;
	va_list args;
	int64_t n = -1;
	int step;

	if (sqlite_prepare(s->db, &s->stmts[which], which, e) < 0)
		return INT64_MIN;
	st = s->stmts[which];
	va_start(args, form);
	sqlite_bind(st, form, args);
	va_end(args);
	while ((step = sqlite3_step(st)) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	if (step != SQLITE_DONE) {
		sqlite_failed(s->db, e, "read");
		n = INT64_MIN;
	}
	sqlite3_reset(st);
	return n;
}

/* ---- opening ---- */

static int configure(sqlite3 *db, struct err *e)
{
	sqlite3_busy_timeout(db, BUSY_MS);
	return run_text(db,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
			" PRAGMA wal_autocheckpoint = 20000",
			e);
}

static int schema_version(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return version;
}

static int make_schema(struct store *s, const char *path, struct err *e)
{
	int version = schema_version(s->db);
	char *end;

	if (version < 0)
		return sqlite_failed(s->db, e, path);
	if (version == STORE_VERSION)
		return 0;
	if (version > STORE_VERSION)
		return err_set(e, ERR_UNSUPPORTED, "store %s: its schema is version %d, this program knows %d: use a newer one",
			       path, version, STORE_VERSION);
	end = sqlite3_mprintf("PRAGMA user_version = %d; COMMIT", STORE_VERSION);
	if (!end)
		return err_memory(e);
	if (run_text(s->db, "BEGIN IMMEDIATE", e) == 0) {
		while (version < STORE_VERSION && run_text(s->db, sql_schema[version], e) == 0)
			version++;
		if (version == STORE_VERSION)
			(void)!run_text(s->db, end, e);
	}
	sqlite3_free(end);
	return e->code;
}

/* The last ids and the chain's head; after a failed batch as well. */
static int read_heads(struct store *s, struct err *e)
{
	sqlite3_stmt *st;
	int64_t feed = number(s, e, SQL_FEED_LAST, "");

	if (feed < 0)
		return e->code ? e->code : ERR_IO;
	s->feed = (uint64_t)feed;
	s->audit = 0;
	s->head = (struct digest){ 0 };
	if (sqlite_prepare(s->db, &s->stmts[SQL_AUDIT_LAST], SQL_AUDIT_LAST, e) < 0)
		return e->code;
	st = s->stmts[SQL_AUDIT_LAST];
	if (sqlite3_step(st) == SQLITE_ROW) {
		s->audit = (uint64_t)sqlite3_column_int64(st, 0);
		if (sqlite3_column_bytes(st, 1) == DIGEST_LEN)
			memcpy(s->head.bytes, sqlite3_column_blob(st, 1), DIGEST_LEN);
	}
	sqlite3_reset(st);
	return 0;
}

int store_open(struct store **out, const char *path, struct err *e)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
	AUTO(store) struct store *s = calloc(1, sizeof *s);

	e->code = 0;
	if (!s)
		return err_memory(e);
	pthread_mutex_init(&s->reading, NULL);
	if (sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		return sqlite_failed(s->db, e, path);
	if (configure(s->db, e) < 0 || make_schema(s, path, e) < 0 || read_heads(s, e) < 0)
		return e->code;
	if (sqlite3_open_v2(path, &s->reader, flags, NULL) != SQLITE_OK)
		return sqlite_failed(s->reader, e, path);
	if (configure(s->reader, e) < 0)
		return e->code;
	*out = TAKE(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(s->stmts[i]);
	sqlite3_close(s->reader);
	sqlite3_close(s->db);
	pthread_mutex_destroy(&s->reading);
	free(s);
}

/* ---- writing ---- */

static const char *text(const char *t)
{
	return t ? t : "";
}

static int put_device(struct store *s, enum sql how, const struct store_device *d, struct err *e)
{
	return change(s, e, how, "tiiiiiiitttitt", d->id, d->enrolled, d->last_seen, d->goodbye,
		      (int64_t)d->generation, (int64_t)d->revoked, (int64_t)d->flagged, (int64_t)d->event_n, d->old_epochs,
		      d->attributes, d->said, d->issued, text(d->certificate), text(d->flag));
}

static int add_event(struct store *s, const struct store_event *v, struct err *e)
{
	return change(s, e, SQL_EVENT_ADD, "ittiiitdiitt", (int64_t)++s->feed, v->device, v->epoch, (int64_t)v->n, v->at,
		      v->received, v->channel, &v->digest, (int64_t)v->attempt, (int64_t)v->kind, v->reason, v->detail);
}

static int put_outcome(struct store *s, const struct store_outcome *o, struct err *e)
{
	return change(s, e, SQL_OUTCOME_PUT, "iitiiiiiit", (int64_t)o->rollout, (int64_t)o->ring, o->device, o->renewed,
		      o->survived, o->failed, o->environment, o->lost, (int64_t)o->voided, o->reason);
}

static int add_bundle(struct store *s, const struct store_bundle *b, struct err *e)
{
	if (change(s, e, SQL_BUNDLE_ADD, "tidttiiittt", b->channel, (int64_t)b->serial, &b->digest, b->version, b->path,
		   (int64_t)b->size, (int64_t)b->length, b->published, b->by, b->reason, b->matrix) >= 0)
		return 0;
	if (e->code == ERR_CONFLICT)
		return err_set(e, ERR_CONFLICT, "channel %s: serial %llu or its digest is published already", b->channel,
			       (unsigned long long)b->serial);
	return e->code;
}

static int add_policy(struct store *s, const struct store_policy *p, struct err *e)
{
	return change(s, e, SQL_POLICY_ADD, "tititt", p->channel, (int64_t)p->version, p->body, p->at, p->by, text(p->reason));
}

static int add_approval(struct store *s, const struct store_approval *a, struct err *e)
{
	return change(s, e, SQL_APPROVAL_ADD, "iiitiidit", (int64_t)a->rollout, (int64_t)a->ring, (int64_t)a->kind, a->who, a->at,
		      (int64_t)a->attempt, &a->digest, (int64_t)a->policy_version, text(a->reason));
}

static int put_rollout(struct store *s, const struct store_rollout *r, struct err *e)
{
	return change(s, e, SQL_ROLLOUT_PUT, "itdittiitttdii", (int64_t)r->id, r->channel, &r->digest, (int64_t)r->serial,
		      r->version, r->path, (int64_t)r->attempt, r->created, r->by, r->reason, r->policy, &r->secret, (int64_t)r->restored,
		      (int64_t)r->policy_version);
}

static int put_ring(struct store *s, const struct store_ring *r, struct err *e)
{
	return change(s, e, SQL_RING_PUT, "iiiiiiittiiiiiit", (int64_t)r->rollout, (int64_t)r->ring, (int64_t)r->state,
		      r->changed, r->began, r->bound_at, r->passed_at, r->cause, r->sentence, (int64_t)r->operator_hold,
		      (int64_t)r->coverage_approved, (int64_t)r->continue_anyway, (int64_t)r->content_crash,
		      (int64_t)r->declined, (int64_t)r->by_coverage, r->previous);
}

static int add_decision(struct store *s, const struct store_decision *d, struct err *e)
{
	return change(s, e, SQL_DECISION_ADD, "iitttt" "id" "ttttt", (int64_t)++s->feed, d->at, d->kind, d->channel, d->ring,
		      d->device, (int64_t)d->rollout, &d->digest, d->from, d->to, d->cause, d->sentence, d->inputs);
}

static int add_audit(struct store *s, const struct audit_entry *a, struct err *e)
{
	uint64_t id = s->audit + 1;

	if (audit_chain_next(&s->head, AUDIT_FORM, id, a, e) < 0)
		return e->code;
	s->audit = id;
	return change(s, e, SQL_AUDIT_ADD, "iitttttttid", (int64_t)id, a->at, text(a->who), text(a->action), text(a->subject), text(a->detail),
		      text(a->why), text(a->was), text(a->becomes), (int64_t)AUDIT_FORM, &s->head);
}

static int put_enrolment(struct store *s, const struct store_enrolment *n, struct err *e)
{
	return change(s, e, SQL_ENROLMENT_PUT, "dttiiit", &n->hash, n->name, n->attributes, n->created, n->expires, n->uses,
		      n->by);
}

static int use_enrolment(struct store *s, const struct store_enrolment *n, struct err *e)
{
	int rows = change(s, e, SQL_ENROLMENT_USE, "d", &n->hash);

	return rows == 0 ? err_set(e, ERR_AUTH, "the enrolment token is used up") : rows;
}

static int put_rollback(struct store *s, const struct store_rollback *r, struct err *e)
{
	return change(s, e, SQL_ROLLBACK_PUT, "itdiittttii", (int64_t)r->id, r->channel, &r->digest, (int64_t)r->serial,
		      (int64_t)r->max_serial, r->version, r->path, r->reason, r->by, r->at, (int64_t)r->done);
}

static int swap_reservation(struct store *s, const struct store_reservation *r, struct err *e)
{
	int rows = change(s, e, SQL_RESERVATION_SWAP, "tiid", r->role, r->last, r->version, &r->digest);

	return rows == 0 ? err_set(e, ERR_CONFLICT, "%s: another reserved a version meanwhile", r->role) : rows;
}

static int add_gate(struct store *s, const struct store_gate *g, struct err *e)
{
	if (change(s, e, SQL_GATE_ADD, "iittttttidt", (int64_t)g->rollout, (int64_t)g->ring, g->channel, g->ring_name, g->event,
		   g->verdict, g->cause, g->sentence, g->at, &g->digest, g->body) < 0)
		return e->code;
	return change(s, e, SQL_GATE_TRIM, "iii", (int64_t)g->rollout, (int64_t)g->ring, (int64_t)GATES_KEPT);
}

static int add_silence(struct store *s, const struct store_silence *v, struct err *e)
{
	return change(s, e, SQL_SILENCE_ADD, "iiitiiiii", (int64_t)v->rollout, (int64_t)v->ring, (int64_t)v->n, v->device, v->at,
		      (int64_t)v->stratum, (int64_t)v->treated, (int64_t)v->at_risk, (int64_t)v->waiting);
}

static int add_background(struct store *s, const struct store_background *b, struct err *e)
{
	if (change(s, e, SQL_BACKGROUND_ADD, "ttiiii", b->channel, b->ring, b->observe, b->day, b->placebos, b->lost) < 0)
		return e->code;
	return change(s, e, SQL_BACKGROUND_TRIM, "i", b->day - BACKGROUND_DAYS);
}

static int put_request(struct store *s, const struct store_request *r, struct err *e)
{
	return change(s, e, SQL_REQUEST_PUT, "tiiiitttttt", r->id, (int64_t)r->state, r->created, r->expires, r->changed, r->subject,
		      r->roles, r->by, r->reason, r->note, r->body);
}

static int put_token(struct store *s, const struct store_token *t, struct err *e)
{
	if (change(s, e, SQL_TOKEN_PUT, "ttddiitiiiitti", t->id, t->name, &t->hash, &t->old_hash, t->old_until, (int64_t)t->roles, t->channels,
		   t->created, t->expires, t->used, t->revoked, t->by, t->note, (int64_t)t->version) >= 0)
		return 0;
	if (e->code == ERR_CONFLICT)
		return err_set(e, ERR_CONFLICT, "an operator token named %s was made before: no other gets this name", t->name);
	return e->code;
}

static int put_answer(struct store *s, const struct store_answer *a, struct err *e)
{
	if (a->status == STORE_ANSWER_NONE)
		return change(s, e, SQL_ANSWER_DROP, "tt", a->who, a->key);
	if (a->status)
		return change(s, e, SQL_ANSWER_PUT, "ttitttb", a->who, a->key, (int64_t)a->status, a->type, a->etag, a->location, a->body,
			      a->body_len);
	if (change(s, e, SQL_ANSWER_BEGIN, "ttid", a->who, a->key, a->at, &a->request) >= 0)
		return 0;
	return e->code == ERR_CONFLICT ? err_set(e, ERR_CONFLICT, "a request with this Idempotency-Key was begun before") : e->code;
}

static int put_webhook(struct store *s, const struct store_webhook *w, struct err *e)
{
	return change(s, e, SQL_WEBHOOK_PUT, "tittttiittiitii", w->name, (int64_t)w->kind, w->url, w->types, w->channels, w->rings,
		      w->timeout_s, (int64_t)w->paused, w->secret, w->old_secret, w->old_until, w->created, w->by, (int64_t)w->version,
		      (int64_t)w->cursor);
}

static int end_webhook(struct store *s, const char *name, struct err *e)
{
	if (change(s, e, SQL_WEBHOOK_END_QUEUE, "t", name) < 0)
		return e->code;
	return change(s, e, SQL_WEBHOOK_END, "t", name);
}

static int tried(struct store *s, const struct store_delivery *d, struct err *e)
{
	if (change(s, e, SQL_DELIVERY_TRIED, "tiiiit", d->message, d->due, d->dead, d->attempts, (int64_t)d->status, d->error) < 0)
		return e->code;
	return d->dead ? change(s, e, SQL_DELIVERIES_TRIM, "ti", d->message, (int64_t)DEAD_KEPT) : 0;
}

static int move_times(struct store *s, int64_t by, struct err *e)
{
	static const enum sql what[] = { SQL_MOVED_RINGS, SQL_MOVED_OFFERS, SQL_MOVED_DEVICES, SQL_MOVED_DELIVERIES, SQL_MOVED_ANSWERS };

	for (size_t i = 0; i < ARRAY_LEN(what); i++)
		if (change(s, e, what[i], "i", by) < 0)
			return e->code;
	return 0;
}

static int append(struct store *s, const struct store_record *r, struct err *e)
{
	switch (r->kind) {
	case STORE_DEVICE:
		return put_device(s, SQL_DEVICE_PUT, &r->u.device, e);
	case STORE_DEVICE_NEW:
		return put_device(s, SQL_DEVICE_ADD, &r->u.device, e);
	case STORE_SEEN:
		return change(s, e, SQL_DEVICE_SEEN, "ti", r->u.seen.id, r->u.seen.at);
	case STORE_EVENT:
		return add_event(s, &r->u.event, e);
	case STORE_OUTCOME:
		return put_outcome(s, &r->u.outcome, e);
	case STORE_BUNDLE:
		return add_bundle(s, &r->u.bundle, e);
	case STORE_CONTRACT:
		return change(s, e, SQL_CONTRACT_ADD, "dttbit", &r->u.contract.digest, r->u.contract.sensor,
			      r->u.contract.version, r->u.contract.body, r->u.contract.body_len, r->u.contract.registered,
			      r->u.contract.by);
	case STORE_POLICY:
		return add_policy(s, &r->u.policy, e);
	case STORE_APPROVAL:
		return add_approval(s, &r->u.approval, e);
	case STORE_ROLLOUT:
		return put_rollout(s, &r->u.rollout, e);
	case STORE_RING:
		return put_ring(s, &r->u.ring, e);
	case STORE_RING_FLAGS:
		return change(s, e, SQL_RING_FLAGS, "iiii", (int64_t)r->u.ring.rollout, (int64_t)r->u.ring.ring,
			      (int64_t)r->u.ring.content_crash, (int64_t)r->u.ring.declined);
	case STORE_DECISION:
		return add_decision(s, &r->u.decision, e);
	case STORE_AUDIT:
		return add_audit(s, &r->u.audit, e);
	case STORE_ENROLMENT:
		return put_enrolment(s, &r->u.enrolment, e);
	case STORE_ENROLMENT_USE:
		return use_enrolment(s, &r->u.enrolment, e);
	case STORE_ROLLBACK:
		return put_rollback(s, &r->u.rollback, e);
	case STORE_REQUEST:
		return put_request(s, &r->u.request, e);
	case STORE_TOKEN:
		return put_token(s, &r->u.token, e);
	case STORE_TOKEN_USED:
		return change(s, e, SQL_TOKEN_USED, "ti", r->u.token.id, r->u.token.used);
	case STORE_ANSWER:
		return put_answer(s, &r->u.answer, e);
	case STORE_CHECKPOINT:
		return change(s, e, SQL_CHECKPOINT_ADD, "iit", (int64_t)r->u.checkpoint.count, r->u.checkpoint.at, r->u.checkpoint.body);
	case STORE_ANSWERS_END:
		return change(s, e, SQL_ANSWERS_END, "i", r->u.answer.at);
	case STORE_GATE:
		return add_gate(s, &r->u.gate, e);
	case STORE_STRATA:
		return change(s, e, SQL_STRATA_ADD, "iiiit", (int64_t)r->u.strata.rollout, (int64_t)r->u.strata.ring, r->u.strata.at,
			      (int64_t)r->u.strata.last, r->u.strata.plan);
	case STORE_SILENCE:
		return add_silence(s, &r->u.silence, e);
	case STORE_BACKGROUND:
		return add_background(s, &r->u.background, e);
	case STORE_WEBHOOK:
		return put_webhook(s, &r->u.webhook, e);
	case STORE_WEBHOOK_CURSOR:
		return change(s, e, SQL_WEBHOOK_CURSOR, "ti", r->u.webhook.name, (int64_t)r->u.webhook.cursor);
	case STORE_WEBHOOK_END:
		return end_webhook(s, r->u.webhook.name, e);
	case STORE_DELIVERY:
		return change(s, e, SQL_DELIVERY_ADD, "tttiit", r->u.delivery.webhook, r->u.delivery.message, r->u.delivery.type,
			      r->u.delivery.made, r->u.delivery.due, r->u.delivery.body);
	case STORE_DELIVERY_TRIED:
		return tried(s, &r->u.delivery, e);
	case STORE_DELIVERY_END:
		return change(s, e, SQL_DELIVERY_END, "t", r->u.delivery.message);
	case STORE_DELIVERIES_AGAIN:
		return change(s, e, SQL_DELIVERIES_AGAIN, "tti", r->u.delivery.webhook, r->u.delivery.message, r->u.delivery.due);
	case STORE_CLOCK:
		return change(s, e, SQL_CLOCK_PUT, "iiiit", r->u.clock.now, r->u.clock.ticks_ms, r->u.clock.offset, r->u.clock.since_ms, r->u.clock.boot);
	case STORE_CLOCK_MOVED:
		return move_times(s, r->u.moved, e);
	case STORE_RESERVATION:
		return swap_reservation(s, &r->u.reservation, e);
	}
	return err_set(e, ERR_INTERNAL, "store: record of no known kind");
}

int store_begin(struct store *s, struct err *e)
{
	return run_text(s->db, "BEGIN IMMEDIATE", e);
}

bool store_ended(struct store *s)
{
	return sqlite3_get_autocommit(s->db) != 0;
}

int store_commit(struct store *s, struct err *e)
{
	if (store_ended(s))
		return err_set(e, ERR_STORE, "store: the transaction was ended");
	return run_text(s->db, "COMMIT", e);
}

int64_t store_changes(struct store *s)
{
	return sqlite3_total_changes64(s->db);
}

void store_abandon(struct store *s)
{
	struct err e = { 0 };

	if (!store_ended(s))
		(void)!run_text(s->db, "ROLLBACK", &e);
	e.code = 0;
	(void)!read_heads(s, &e);
}

void append_batch(struct store *s, struct store_append *const *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct store_append *a = batch[i];
		struct err ignored;

		a->error.code = 0;
		if (store_ended(s)) {   /* what follows would be a transaction of its own */
			err_set(&a->error, ERR_STORE, "store: the transaction was ended");
			continue;
		}
		if (run_text(s->db, "SAVEPOINT one", &a->error) < 0)
			continue;
		for (size_t k = 0; k < a->count; k++)
			if (append(s, &a->records[k], &a->error) < 0)
				break;
		if (a->error.code) {
			(void)!run_text(s->db, "ROLLBACK TO one", &ignored);
			(void)!read_heads(s, &ignored);
		}
		(void)!run_text(s->db, "RELEASE one", &ignored);
	}
}

int offer_batch(struct store *s, struct store_offer *const *batch, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct store_offer *o = batch[i];
		int64_t n;

		e->code = 0;
		n = number(s, e, SQL_OFFER_FIND, "iit", (int64_t)o->rollout, (int64_t)o->ring, o->device);
		o->existed = n > 0;
		if (n == -1)
			n = number(s, e, SQL_OFFER_ADD, "iitti", (int64_t)o->rollout, (int64_t)o->ring, o->device, o->stratum,
				   o->at);
		if (n <= 0)
			return e->code ? e->code : err_set(e, ERR_INTERNAL, "store: an offer got no number");
		o->n = (uint32_t)n;
		if (o->outcome.device && put_outcome(s, &o->outcome, e) < 0)
			return e->code;
	}
	return 0;
}
