/* tally: what a crowd was told, held against the rows of a store. */
#include "tally.h"

#include <inttypes.h>
#include <search.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "signing/audit_chain.h"

#define BUSY_MS 60000
#define WRONG(e, ...) err_set(e, ERR_REFUSED, __VA_ARGS__)

struct book {
	sqlite3 *db;
	struct crowd *c;
	bool quiet;
	struct tally *t;
	void *names;            /* tsearch: devices by id */
};

typedef int (*row_fn)(struct book *b, sqlite3_stmt *st, struct err *e);

static int each(struct book *b, const char *sql, row_fn row, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int step, got = 0;

	if (sqlite3_prepare_v2(b->db, sql, -1, &st, NULL) != SQLITE_OK)
		return err_set(e, ERR_IO, "%s: %s", sql, sqlite3_errmsg(b->db));
	while (got == 0 && (step = sqlite3_step(st)) == SQLITE_ROW)
		got = row(b, st, e);
	if (got == 0 && step != SQLITE_DONE)
		got = err_set(e, ERR_IO, "%s: %s", sql, sqlite3_errmsg(b->db));
	sqlite3_finalize(st);
	return got;
}

static const char *text(sqlite3_stmt *st, int column)
{
	const unsigned char *t = sqlite3_column_text(st, column);

	return t ? (const char *)t : "";
}

/* ---- devices ---- */

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct crowd_device *)a)->id, ((const struct crowd_device *)b)->id);
}

/* NULL: a device that nobody is, because the answer with its name got lost. */
static struct crowd_device *device_of(struct book *b, const char *id)
{
	struct crowd_device key = { .seq = 0 };
	struct crowd_device **found;

	snprintf(key.id, sizeof key.id, "%s", id);
	found = tfind(&key, &b->names, by_id);
	return found ? *found : NULL;
}

struct kept {           /* beside each device of the crowd */
	bool there, offered;
	uint64_t events;
	enum crowd_fate fate;
};

static struct kept *keeping;    /* of one check at a time */

static struct kept *kept_of(struct book *b, const struct crowd_device *d)
{
	return &keeping[d - b->c->devices];
}

static int device_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	struct crowd_device *d = device_of(b, text(st, 0));

	(void)e;
	b->t->devices++;
	if (d)
		kept_of(b, d)->there = true;
	return 0;
}

/* ---- events: in each epoch of a device as many as the greatest n, so none is missing between ---- */

static int event_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	struct crowd_device *d = device_of(b, text(st, 0));
	int64_t count = sqlite3_column_int64(st, 1), last = sqlite3_column_int64(st, 2);

	b->t->events += count;
	if (!d)
		return WRONG(e, "device %s has events, and nobody is it", text(st, 0));
	if (count != last)
		return WRONG(e, "device %s: %" PRId64 " events kept up to number %" PRId64, d->id, count, last);
	kept_of(b, d)->events = MAX(kept_of(b, d)->events, (uint64_t)count);
	return 0;
}

static int twice_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	(void)b;
	return WRONG(e, "the event \"%s\" counts %d times", text(st, 0), sqlite3_column_int(st, 1));
}

/* ---- offers and outcomes ---- */

static int offer_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	struct crowd_device *d = device_of(b, text(st, 0));
	bool survived = sqlite3_column_int64(st, 2) > 0, failed = sqlite3_column_int64(st, 3) > 0;

	if (sqlite3_column_int64(st, 1) != ++b->t->offers)
		return WRONG(e, "offer %" PRId64 " has the number %lld", b->t->offers, sqlite3_column_int64(st, 1));
	if (!d || !d->asked)
		return WRONG(e, "device %s has an offer and never asked", text(st, 0));
	if (kept_of(b, d)->offered)
		return WRONG(e, "device %s has two offers", d->id);
	if (survived && failed)
		return WRONG(e, "device %s survived and failed", d->id);
	kept_of(b, d)->offered = true;
	kept_of(b, d)->fate = survived ? FATE_SURVIVED : failed ? FATE_FAILED : FATE_NONE;
	b->t->survived += survived;
	b->t->failed += failed;
	return 0;
}

static int check_device(struct book *b, const struct crowd_device *d, struct err *e)
{
	const struct kept *k = kept_of(b, d);

	if (!k->there && (!d->later || k->events > 0 || k->offered))
		return WRONG(e, "device %s was enrolled, and is not there", d->id);
	if (k->events < d->events_acked || k->events > d->events_sent || (b->quiet && k->events != d->events_acked))
		return WRONG(e, "device %s: %" PRIu64 " events kept, %" PRIu64 " acknowledged, %" PRIu64 " sent", d->id, k->events,
			     d->events_acked, d->events_sent);
	/* one that was made and not heard of may end as "wait": the ring may be closed when the device asks again */
	if (d->offered && !k->offered)
		return WRONG(e, "device %s: its offer was acknowledged, and is not there", d->id);
	if ((d->kept && k->fate != d->kept) || (k->fate && k->fate != d->told) || (b->quiet && k->fate != d->kept))
		return WRONG(e, "device %s: outcome %d kept, %d acknowledged, %d told", d->id, k->fate, d->kept, d->told);
	return 0;
}

/* ---- decisions ---- */

static int audit_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	static struct audit_walk walk;
	const struct audit_entry a = { .at = sqlite3_column_int64(st, 2), .who = text(st, 3), .action = text(st, 4), .subject = text(st, 5),
				       .detail = text(st, 6), .why = text(st, 7), .was = text(st, 8), .becomes = text(st, 9) };
	struct digest hash = { 0 };

	(void)b;
	if (sqlite3_column_int64(st, 0) == 1)
		walk = (struct audit_walk){ .count = 0 };
	if (sqlite3_column_bytes(st, 10) == DIGEST_LEN)
		memcpy(hash.bytes, sqlite3_column_blob(st, 10), DIGEST_LEN);
	return audit_walk_row(&walk, (uint64_t)sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1), &a, &hash, e);
}

static int decision_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	int64_t number = sqlite3_column_int64(st, 0), times = sqlite3_column_int64(st, 1);
	int64_t before = b->t->decisions;

	b->t->decisions = number;
	if (number < 1 || (uint64_t)number > b->c->decision_count)
		return WRONG(e, "decision d%" PRId64 " was never made", number);
	if (times != 1)
		return WRONG(e, "decision d%" PRId64 " counts %" PRId64 " times", number, times);
	for (int64_t i = before + 1; i < number; i++)
		if (b->c->decisions[i - 1].acked)
			return WRONG(e, "decision d%" PRId64 " was acknowledged, and is not there", i);
	return 0;
}

/* Each move of a ring begins where the one before ended: one that was kept twice, or not at all, does not. */
static int move_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	b->t->moves++;
	if (sqlite3_column_type(st, 3) == SQLITE_NULL || strcmp(text(st, 1), text(st, 3)) == 0)
		return 0;
	return WRONG(e, "decision %lld: ring %s left %s, where it was %s", sqlite3_column_int64(st, 0), text(st, 2), text(st, 1), text(st, 3));
}

static int check_decisions(struct book *b, struct err *e)
{
	if (each(b, "SELECT id, form, at, who, action, subject, detail, why, was, becomes, hash FROM audit ORDER BY id", audit_row, e) < 0 ||
	    each(b, "SELECT CAST(substr(why, 2) AS INTEGER) AS number, max(times) FROM (SELECT why, count(*) AS times FROM audit"
		 " WHERE action IN ('attributes', 'operator') GROUP BY why, subject) GROUP BY number ORDER BY number", decision_row, e) < 0 ||
	    each(b, "SELECT id, was, ring, lag(becomes) OVER (PARTITION BY rollout, ring ORDER BY id) FROM decision WHERE was <> becomes", move_row, e) < 0)
		return e->code;
	for (uint64_t i = (uint64_t)b->t->decisions; i < b->c->decision_count; i++)
		if (b->c->decisions[i].acked)
			return WRONG(e, "decision %s was acknowledged, and is not there", b->c->decisions[i].why);
	return 0;
}

/* ---- the whole ---- */

static int use_row(struct book *b, sqlite3_stmt *st, struct err *e)
{
	int64_t used = sqlite3_column_int64(st, 0);

	if (used == b->t->devices)
		return 0;
	return WRONG(e, "%" PRId64 " uses of the enrolment token for %" PRId64 " devices", used, b->t->devices);
}

static int check(struct book *b, struct err *e)
{
	struct crowd *c = b->c;

	if (each(b, "SELECT id FROM device", device_row, e) < 0 ||
	    each(b, "SELECT detail, count(*) FROM event GROUP BY detail HAVING count(*) > 1", twice_row, e) < 0 ||
	    each(b, "SELECT device, count(*), max(n) FROM event GROUP BY device, epoch", event_row, e) < 0 ||
	    each(b, "SELECT device, n, survived, failed FROM offer WHERE rollout = 1 AND ring = 0 ORDER BY n", offer_row, e) < 0 ||
	    each(b, "SELECT " TALLY_USES_TEXT " - uses FROM enrolment WHERE name = '" TALLY_TOKEN "'", use_row, e) < 0)
		return e->code;
	for (size_t i = 0; i < c->device_count; i++)
		if (check_device(b, &c->devices[i], e) < 0)
			return e->code;
	if ((uint64_t)b->t->devices > c->device_count + c->enrolments_lost)
		return WRONG(e, "%" PRId64 " devices, where %zu were told so and %" PRIu64 " may not have heard it", b->t->devices, c->device_count,
			     c->enrolments_lost);
	return check_decisions(b, e);
}

int tally_check(struct crowd *c, const char *store, bool quiet, struct tally *out, struct err *e)
{
	struct book b = { .c = c, .quiet = quiet, .t = out };
	int got;

	*out = (struct tally){ 0 };
	if (sqlite3_open_v2(store, &b.db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
		sqlite3_close(b.db);
		return err_set(e, ERR_IO, "%s cannot be opened", store);
	}
	sqlite3_busy_timeout(b.db, BUSY_MS);    /* its server may be at work */
	pthread_mutex_lock(&c->lock);
	keeping = calloc(c->device_count + 1, sizeof *keeping);
	if (!keeping)
		abort();
	for (size_t i = 0; i < c->device_count; i++)
		if (!tsearch(&c->devices[i], &b.names, by_id))
			abort();
	got = check(&b, e);
	for (size_t i = 0; i < c->device_count; i++)
		tdelete(&c->devices[i], &b.names, by_id);
	free(keeping);
	keeping = NULL;
	pthread_mutex_unlock(&c->lock);
	sqlite3_close(b.db);
	return got;
}
