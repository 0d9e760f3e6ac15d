/* store_sqlite_read: rows of the SQLite store into visits. */
#include <string.h>

#include "rollout/checkin.h"
#include "server/store_sqlite.h"

static const char *text_at(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

static struct digest digest_at(sqlite3_stmt *st, int column)
{
	struct digest d = { 0 };

	if (sqlite3_column_bytes(st, column) == DIGEST_LEN)
		memcpy(d.bytes, sqlite3_column_blob(st, column), DIGEST_LEN);
	return d;
}

#define I(column) sqlite3_column_int64(st, column)
#define U(column) ((uint64_t)sqlite3_column_int64(st, column))
#define B(column) (sqlite3_column_int64(st, column) != 0)
#define T(column) text_at(st, column)
#define D(column) digest_at(st, column)

/* How one row becomes one call of a visit. */
typedef int row_visit(sqlite3_stmt *st, void *visit, void *arg, struct err *e);

static int walk(struct store *s, row_visit *row, void *visit, void *arg, struct err *e, enum sql which, const char *form, ...)
{
	sqlite3_stmt *st = NULL;
	va_list args;
	int step, got = 0;

	pthread_mutex_lock(&s->reading);
	if (sqlite_prepare(s->reader, &st, which, e) < 0) {
		pthread_mutex_unlock(&s->reading);
		return e->code;
	}
	va_start(args, form);
	sqlite_bind(st, form, args);
	va_end(args);
	while (got == 0 && (step = sqlite3_step(st)) == SQLITE_ROW)
		got = row(st, visit, arg, e);
	if (got == 0 && step != SQLITE_DONE)
		got = sqlite_failed(s->reader, e, "read");
	sqlite3_finalize(st);
	pthread_mutex_unlock(&s->reading);
	return got;
}

/* visit travels as a pointer to the typed function pointer. */
#define CALL(type, row) ((*(int (**)(const type *, void *, struct err *))visit)((row), arg, e))

static int row_device(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_device d = { T(0), I(1), I(2), I(3), U(4), I(11), B(5), B(6), U(7), T(8), T(9), T(10), T(12), T(13) };

	return CALL(struct store_device, &d);
}

static int row_enrolment(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_enrolment n = { D(0), T(1), T(2), I(3), I(4), I(5), T(6) };

	return CALL(struct store_enrolment, &n);
}

static int row_bundle(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_bundle b = { T(0), U(1), D(2), T(3), T(4), U(5), U(6), I(7), T(8), T(9), T(10) };

	return CALL(struct store_bundle, &b);
}

static int row_contract(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_contract c = { D(0), T(1), T(2), sqlite3_column_blob(st, 3), (size_t)sqlite3_column_bytes(st, 3), I(4), T(5) };

	return CALL(struct store_contract, &c);
}

static int row_policy(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_policy p = { T(0), T(2), U(1), I(3), T(4), T(5) };

	return CALL(struct store_policy, &p);
}

static int row_approval(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_approval a = { U(0), (int)I(1), (int)I(2), T(3), T(8), I(4), U(5), D(6), U(7) };

	return CALL(struct store_approval, &a);
}

static int row_rollout(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_rollout r = { U(0), T(1), D(2), U(3), T(4), T(5), U(6), I(7), T(8), T(9), T(10), U(13), D(11), B(12) };

	return CALL(struct store_rollout, &r);
}

static int row_ring(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_ring r = { U(0), (int)I(1), (int)I(2), I(3), I(4), I(5), I(6), T(7), T(8),
				B(9), B(10), B(11), B(12), B(13), B(14), T(15) };

	return CALL(struct store_ring, &r);
}

static int row_offer(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_offer o = { U(0), (int)I(1), T(3), T(4), I(5), (uint32_t)I(2), true,
				 { U(0), (int)I(1), T(3), I(6), I(7), I(8), I(9), I(10), B(11), T(12) } };

	return CALL(struct store_offer, &o);
}

static int row_feed(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_feed f = { U(0), { I(1), T(2), T(3), T(4), T(5), U(6), D(7), T(8), T(9), T(10), T(11), T(12) } };

	/* an event: its kind is a number, and there are no inputs */
	if (!f.d.inputs) {
		f.d.kind = checkin_kind_name((enum checkin_kind)I(2));
		f.d.rollout = 0;
		f.d.inputs = "";
	}
	return CALL(struct store_feed, &f);
}

static int row_audit(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_chain c = { U(0), (int)I(9), { I(1), T(2), T(3), T(4), T(5), T(6), T(7), T(8) }, D(10) };

	return CALL(struct store_chain, &c);
}

static int row_checkpoint(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_checkpoint c = { U(0), I(1), T(2) };

	return CALL(struct store_checkpoint, &c);
}

static int row_rollback(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_rollback r = { U(0), T(1), D(2), U(3), U(4), T(5), T(6), T(7), T(8), I(9), B(10) };

	return CALL(struct store_rollback, &r);
}

static int row_gate(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_gate g = { U(0), U(1), (int)I(2), T(3), T(4), T(5), T(6), T(7), T(8), I(9), D(10), T(11) };
	int got = CALL(struct store_gate, &g);

	return got < 0 ? got : 1;
}

static int row_gates(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_gate g = { U(0), U(1), (int)I(2), T(3), T(4), T(5), T(6), T(7), T(8), I(9), D(10), NULL };

	return CALL(struct store_gate, &g);
}

static int row_strata(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_strata p = { U(0), (int)I(1), I(2), I(3) != 0, T(4) };

	return CALL(struct store_strata, &p);
}

static int row_silence(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_silence v = { .rollout = U(0), .ring = (int)I(1), .n = (uint32_t)I(2), .device = T(3), .at = I(4),
				   .stratum = (uint32_t)I(5), .treated = I(6) != 0, .at_risk = (uint32_t)I(7), .waiting = (uint32_t)I(8) };

	return CALL(struct store_silence, &v);
}

static int row_background(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_background b = { T(0), T(1), I(2), I(3), I(4), I(5) };

	return CALL(struct store_background, &b);
}

static int row_reservation(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_reservation r = { .role = T(0), .version = I(1), .digest = D(2) };

	return CALL(struct store_reservation, &r);
}

static int row_request(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_request r = { T(0), (int)I(1), I(2), I(3), I(4), T(5), T(6), T(7), T(8), T(9), T(10) };

	return CALL(struct store_request, &r);
}

static int row_token(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_token t = { T(0), T(1), D(2), D(3), I(4), (unsigned)I(5), T(6), I(7), I(8), I(9), I(10), T(11), T(12), U(13) };

	return CALL(struct store_token, &t);
}

static int row_answer(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_answer a = { T(0), T(1), I(2), D(3), (int)I(4), T(5), T(6), T(7), sqlite3_column_blob(st, 8),
				  (size_t)sqlite3_column_bytes(st, 8) };

	return CALL(struct store_answer, &a);
}

int store_each_device(struct store *s, int (*visit)(const struct store_device *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_device, &visit, arg, e, SQL_DEVICES, "");
}

int store_each_enrolment(struct store *s, int (*visit)(const struct store_enrolment *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_enrolment, &visit, arg, e, SQL_ENROLMENTS, "");
}

int store_each_bundle(struct store *s, const char *channel, int (*visit)(const struct store_bundle *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_bundle, &visit, arg, e, SQL_BUNDLES, "t", channel ? channel : "");
}

int store_each_contract(struct store *s, int (*visit)(const struct store_contract *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_contract, &visit, arg, e, SQL_CONTRACTS, "");
}

int store_each_policy(struct store *s, int (*visit)(const struct store_policy *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_policy, &visit, arg, e, SQL_POLICIES, "");
}

int store_each_policy_of(struct store *s, const char *channel, int (*visit)(const struct store_policy *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_policy, &visit, arg, e, SQL_POLICIES_OF, "t", channel);
}

int store_each_approval(struct store *s, uint64_t rollout, int (*visit)(const struct store_approval *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_approval, &visit, arg, e, SQL_APPROVALS, "i", (int64_t)rollout);
}

int store_each_rollout(struct store *s, int (*visit)(const struct store_rollout *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_rollout, &visit, arg, e, SQL_ROLLOUTS, "");
}

int store_each_ring(struct store *s, uint64_t rollout, int (*visit)(const struct store_ring *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_ring, &visit, arg, e, SQL_RINGS, "i", (int64_t)rollout);
}

int store_each_offer(struct store *s, uint64_t rollout, int ring, int (*visit)(const struct store_offer *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_offer, &visit, arg, e, SQL_OFFERS, "ii", (int64_t)rollout, (int64_t)ring);
}

int store_each_feed(struct store *s, uint64_t after, int64_t limit, int (*visit)(const struct store_feed *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_feed, &visit, arg, e, SQL_FEED, "ii", (int64_t)after, limit);
}

int store_each_stop_ordered(struct store *s, int (*visit)(const struct store_feed *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_feed, &visit, arg, e, SQL_STOPS_ORDERED, "");
}

int store_each_feed_of(struct store *s, uint64_t rollout, uint64_t after, int64_t limit, int (*visit)(const struct store_feed *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_feed, &visit, arg, e, SQL_FEED_OF, "iii", (int64_t)after, limit, (int64_t)rollout);
}

int store_each_audit(struct store *s, const struct store_audit_filter *f, int (*visit)(const struct store_chain *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_audit, &visit, arg, e, SQL_AUDIT, "iitttii", (int64_t)f->after, f->limit ? f->limit : -1, f->who ? f->who : "",
		    f->action ? f->action : "", f->subject ? f->subject : "", f->since, f->until);
}

int store_audit_last(struct store *s, int (*visit)(const struct store_chain *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_audit, &visit, arg, e, SQL_AUDIT_NEWEST, "");
}

int store_each_checkpoint(struct store *s, uint64_t before, int64_t limit, int (*visit)(const struct store_checkpoint *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_checkpoint, &visit, arg, e, SQL_CHECKPOINTS, "ii", limit ? limit : -1, (int64_t)before);
}

int store_each_rollback(struct store *s, int (*visit)(const struct store_rollback *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_rollback, &visit, arg, e, SQL_ROLLBACKS, "");
}

int store_each_reservation(struct store *s, const char *role, int (*visit)(const struct store_reservation *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_reservation, &visit, arg, e, SQL_RESERVATIONS, "t", role ? role : "");
}

int store_each_strata(struct store *s, uint64_t rollout, int (*visit)(const struct store_strata *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_strata, &visit, arg, e, SQL_STRATA, "i", (int64_t)rollout);
}

int store_each_silence(struct store *s, uint64_t rollout, int ring, int (*visit)(const struct store_silence *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_silence, &visit, arg, e, SQL_SILENCES, "ii", (int64_t)rollout, (int64_t)ring);
}

int store_each_background(struct store *s, int64_t since_day, int (*visit)(const struct store_background *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_background, &visit, arg, e, SQL_BACKGROUNDS, "i", since_day);
}

int store_each_gate(struct store *s, uint64_t after, int64_t limit, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_gates, &visit, arg, e, SQL_GATES, "ii", (int64_t)after, limit);
}

int store_each_gate_of(struct store *s, uint64_t rollout, uint64_t after, int64_t limit, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_gates, &visit, arg, e, SQL_GATES_OF, "iii", (int64_t)after, limit, (int64_t)rollout);
}

/* One row was found: 1. */
static int found(int got, const char *what, struct err *e)
{
	return got == 0 ? err_set(e, ERR_NOT_FOUND, "there is no such %s", what) : got < 0 ? got : 0;
}

int store_gate(struct store *s, const struct digest *digest, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e)
{
	return found(walk(s, row_gate, &visit, arg, e, SQL_GATE, "d", digest), "gate record", e);
}

int store_gate_of(struct store *s, uint64_t rollout, int ring, const char *event, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e)
{
	return found(walk(s, row_gate, &visit, arg, e, SQL_GATE_OF, "iit", (int64_t)rollout, (int64_t)ring, event), "gate record", e);
}

int store_each_request(struct store *s, int state, int (*visit)(const struct store_request *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_request, &visit, arg, e, SQL_REQUESTS, "i", (int64_t)state);
}

int store_request(struct store *s, const char *id, int (*visit)(const struct store_request *, void *, struct err *), void *arg, struct err *e)
{
	return found(walk(s, row_request, &visit, arg, e, SQL_REQUEST, "t", id), "signing request", e);
}

int store_each_token(struct store *s, int (*visit)(const struct store_token *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_token, &visit, arg, e, SQL_TOKENS, "");
}

int store_answer(struct store *s, const char *who, const char *key, int (*visit)(const struct store_answer *, void *, struct err *), void *arg,
		 struct err *e)
{
	return found(walk(s, row_answer, &visit, arg, e, SQL_ANSWER, "tt", who, key), "answer", e);
}

/* ---- webhooks ---- */

static int row_webhook(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_webhook w = { T(0), (int)I(1), T(2), T(3), T(4), T(5), I(6), B(7), T(8), T(9), I(10), I(11), T(12), U(13), U(14) };

	return CALL(struct store_webhook, &w);
}

static int row_delivery(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_delivery d = { U(0), T(1), T(2), T(3), I(4), I(5), I(6), I(7), (int)I(8), T(9), T(10) };

	return CALL(struct store_delivery, &d);
}

static int row_due(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	int got = row_delivery(st, visit, arg, e);

	return got ? got : 1;
}

static int row_queue(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_queue q = { T(0), I(1), I(2), I(3) };

	return CALL(struct store_queue, &q);
}

int store_each_webhook(struct store *s, int (*visit)(const struct store_webhook *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_webhook, &visit, arg, e, SQL_WEBHOOKS, "");
}

int store_each_delivery(struct store *s, const char *webhook, bool dead, uint64_t after, int64_t limit,
			int (*visit)(const struct store_delivery *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_delivery, &visit, arg, e, SQL_DELIVERIES, "tiii", webhook, (int64_t)dead, (int64_t)after, limit);
}

int store_delivery_due(struct store *s, const char *webhook, int64_t now, int (*visit)(const struct store_delivery *, void *, struct err *),
		       void *arg, struct err *e)
{
	return found(walk(s, row_due, &visit, arg, e, SQL_DELIVERY_DUE, "ti", webhook, now), "message that is due", e);
}

int store_each_queue(struct store *s, int (*visit)(const struct store_queue *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_queue, &visit, arg, e, SQL_QUEUES, "");
}

struct heads {
	uint64_t feed, audit;
};

static int row_heads(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct heads *h = arg;

	(void)visit;
	(void)e;
	*h = (struct heads){ U(0), U(1) };
	return 0;
}

static int row_clock(sqlite3_stmt *st, void *visit, void *arg, struct err *e)
{
	struct store_clock c = { I(0), I(1), I(2), I(3), T(4) };

	return CALL(struct store_clock, &c);
}

int store_clock(struct store *s, int (*visit)(const struct store_clock *, void *, struct err *), void *arg, struct err *e)
{
	return walk(s, row_clock, &visit, arg, e, SQL_CLOCK, "");
}

int store_heads(struct store *s, uint64_t *feed, uint64_t *audit, struct err *e)
{
	struct heads h = { 0, 0 };
	int got = walk(s, row_heads, NULL, &h, e, SQL_HEADS, "");

	*feed = h.feed;
	*audit = h.audit;
	return got;
}
