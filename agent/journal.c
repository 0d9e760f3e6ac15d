/* journal: opening, identity, channels, what was seen and stopped. */
#include "agent/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/home.h"
#include "agent/journal_sql.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/log.h"

#define BUSY_MS 10000
#define BUSY_STEP_MS 5
#define STATE_FORMAT 1

/*
 * Of two that open a new database at once SQLite tells one, without asking its
 * busy handler, that it is locked: both hold what the other needs to change to
 * WAL. That one lets go and comes again.
 */
static int set_up(struct journal *j)
{
	int64_t until = clock_work_ms() + BUSY_MS;
	int code;

	while ((code = sqlite3_exec(j->db, journal_schema, NULL, NULL, NULL)) == SQLITE_BUSY && clock_work_ms() < until)
		sqlite3_sleep(BUSY_STEP_MS);
	return code;
}

/* Once for a database, whoever comes first: the agent may already have told its server. */
static int first_epoch(struct journal *j, struct err *e)
{
	uint64_t epoch;

	if (journal_begin(j, e) < 0)
		return e->code;
	if (journal_epoch(j, &epoch, e) < 0 || (!epoch && journal_new_epoch(j, e) < 0)) {
		journal_undo(j);
		return e->code;
	}
	return journal_end(j, e);
}

static int create(struct journal *j, const char *path, struct err *e)
{
	uint64_t epoch;

	if (sqlite3_open_v2(path, &j->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return sql_error(j, e);
	sqlite3_busy_timeout(j->db, BUSY_MS);
	if (set_up(j) != SQLITE_OK)
		return sql_error(j, e);
	if (journal_epoch(j, &epoch, e) < 0)
		return e->code;
	return epoch ? 0 : first_epoch(j, e);
}

/* A damaged database is put aside, whole: it may tell somebody something. */
static int set_aside(const char *path, struct err *e)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char from[HOME_PATH_MAX + 8], to[HOME_PATH_MAX + 16];

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(from, sizeof from, "%s%s", path, ends[i]);
		snprintf(to, sizeof to, "%s.bad%s", path, ends[i]);
		if (rename(from, to) < 0 && i == 0)
			return err_errno(e, "put %s aside", path);
	}
	return 0;
}

int journal_open(struct journal **out, const char *root, struct err *e)
{
	AUTO(journal) struct journal *j = calloc(1, sizeof *j);
	char path[HOME_PATH_MAX];
	int code;

	if (!j)
		return err_memory(e);
	if (home_make(root, HOME_STATE, false, e) < 0 || home_path(path, root, JOURNAL_PATH, e) < 0)
		return e->code;
	if (create(j, path, e) < 0) {
		code = j->db ? sqlite3_errcode(j->db) : SQLITE_NOMEM;
		if (code != SQLITE_NOTADB && code != SQLITE_CORRUPT)
			return e->code;
		log_error("%s; it is put aside as %s.bad and a new one begun", e->msg, path);
		sqlite3_close(TAKE(j->db));
		memset(j->statements, 0, sizeof j->statements);
		if (set_aside(path, e) < 0 || create(j, path, e) < 0)
			return e->code;
	}
	*out = TAKE(j);
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(j->statements[i]);
	sqlite3_close(j->db);
	free(j);
}

int journal_writable(struct journal *j, struct err *e)
{
	if (sqlite3_db_readonly(j->db, "main"))
		return err_set(e, ERR_IO, "agent.db: opened for reading only");
	/* Its log, or what it shares with other processes, may be. */
	return sqlite3_exec(j->db, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_error(j, e);
}

int journal_begin(struct journal *j, struct err *e)
{
	if (sql_run(j, SQL_BEGIN, e, "") < 0)
		return e->code;
	j->open = true;
	return 0;
}

int journal_end(struct journal *j, struct err *e)
{
	if (sql_run(j, SQL_COMMIT, e, "") < 0) {
		journal_undo(j);
		return e->code;
	}
	j->open = false;
	return 0;
}

void journal_undo(struct journal *j)
{
	struct err ignored;

	if (j->open)
		(void)!sql_run(j, SQL_ROLLBACK, &ignored, "");
	j->open = false;
}

/* ---- identity ---- */

int journal_get(struct journal *j, const char *key, char *out, size_t cap, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	out[0] = 0;
	if (sql_bind(&s, j, SQL_GET, e, "t", key) < 0)
		return e->code;
	rc = sql_step(j, s, e);
	if (rc == 1)
		sql_text(s, 0, out, cap);
	sql_end(s);
	return rc;
}

int journal_set(struct journal *j, const char *key, const char *value, struct err *e)
{
	return sql_run(j, SQL_SET, e, "tt", key, value);
}

static int get_number(struct journal *j, const char *key, uint64_t *out, struct err *e)
{
	char text[32];

	*out = 0;
	if (journal_get(j, key, text, sizeof text, e) < 0)
		return e->code;
	*out = strtoull(text, NULL, 10);
	return 0;
}

static int set_number(struct journal *j, const char *key, uint64_t v, struct err *e)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64, v);
	return journal_set(j, key, text, e);
}

int journal_epoch(struct journal *j, uint64_t *out, struct err *e)
{
	return get_number(j, "epoch", out, e);
}

int journal_new_epoch(struct journal *j, struct err *e)
{
	uint64_t epoch;

	do {
		if (random_bytes(&epoch, sizeof epoch, e) < 0)
			return e->code;
	} while (!epoch);
	if (set_number(j, "epoch", epoch, e) < 0)
		return e->code;
	return set_number(j, "seq", 0, e);
}

int journal_next_seq(struct journal *j, uint64_t *out, struct err *e)
{
	if (get_number(j, "seq", out, e) < 0)
		return e->code;
	return set_number(j, "seq", ++*out, e);
}

/* ---- channels: the scalar state as one JSON text, the verdicts as the records they came in ---- */

static void put_digest(struct json_writer *w, const char *key, const struct digest *d)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, d);
	json_put_text(w, key, digest_is_zero(d) ? NULL : hex);
}

static int get_digest(const struct json_doc *d, const char *key, struct digest *out, struct err *e)
{
	const char *hex = NULL;

	if (json_may_text(d, d->root, key, DIGEST_HEX_LEN, &hex, e) < 0)
		return e->code;
	if (hex && !digest_parse(out, hex, strlen(hex)))
		return json_error(d, json_get(d->root, key), e, ERR_FORMAT, "%s is no digest", key);
	return 0;
}

static void state_write(struct buf *out, const struct journal_channel *c)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_int(&w, "format", STATE_FORMAT);
	json_put_text(&w, "phase", phase_name(c->phase));
	json_put_int(&w, "permit_until", c->permit_until);
	json_put_int(&w, "tries", (int64_t)c->tries);
	json_put_int(&w, "retry_at", c->retry_at);
	json_put_bool(&w, "no_delta", c->no_delta);
	json_put_int(&w, "boots", (int64_t)c->boots);
	json_put_int(&w, "healthy_s", c->healthy_s);
	json_put_text(&w, "boot_id", c->boot_id);
	json_put_text(&w, "ending", c->ending);
	json_put_text(&w, "reason", c->reason);
	json_put_text(&w, "evidence", c->evidence);
	json_put_text(&w, "ring", c->ring);
	json_put_int(&w, "floor", (int64_t)MIN(c->floor, (uint64_t)INT64_MAX));
	json_put_bool(&w, "held", c->held);
	json_put_int(&w, "held_until", c->held_until);
	put_digest(&w, "pinned", &c->pinned);
	put_digest(&w, "drop", &c->drop);
	json_put_int(&w, "stop_left_at", c->stop_left_at);
	json_put_int(&w, "verified_at", c->verified_at);
	json_put_int(&w, "suspected", (int64_t)c->suspected);
	json_put_int(&w, "held_since", c->held_since);
	json_put_int(&w, "pinned_since", c->pinned_since);
	json_put_int(&w, "disabled_since", c->disabled_since);
	put_digest(&w, "compared_from", &c->compared[0]);
	put_digest(&w, "compared_to", &c->compared[1]);
	json_close_object(&w);
}

static int state_read(struct journal_channel *c, const char *text, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	const char *phase;
	const struct { const char *key; char *into; size_t cap; } texts[] = {
		{ "ring", c->ring, sizeof c->ring }, { "boot_id", c->boot_id, sizeof c->boot_id },
		{ "ending", c->ending, sizeof c->ending }, { "reason", c->reason, sizeof c->reason },
		{ "evidence", c->evidence, sizeof c->evidence },
	};
	const struct { const char *key; int64_t *into; } numbers[] = {
		{ "permit_until", &c->permit_until }, { "retry_at", &c->retry_at }, { "healthy_s", &c->healthy_s },
		{ "held_until", &c->held_until }, { "stop_left_at", &c->stop_left_at }, { "verified_at", &c->verified_at },
		{ "tries", (int64_t *)&c->tries }, { "boots", (int64_t *)&c->boots }, { "floor", (int64_t *)&c->floor },
	};

	if (json_parse(&d, "agent.db", text, strlen(text), NULL, e) < 0 ||
	    json_want_format(d, STATE_FORMAT, NULL, e) < 0 ||
	    json_want_text(d, d->root, "phase", 32, &phase, e) < 0 ||
	    json_want_bool(d, d->root, "held", &c->held, e) < 0 ||
	    json_want_bool(d, d->root, "no_delta", &c->no_delta, e) < 0 ||
	    get_digest(d, "pinned", &c->pinned, e) < 0 || get_digest(d, "drop", &c->drop, e) < 0 ||
	    get_digest(d, "compared_from", &c->compared[0], e) < 0 || get_digest(d, "compared_to", &c->compared[1], e) < 0)
		return e->code;
	/* Later additions: an older agent.db has none of them. */
	if (json_may_int(d, d->root, "suspected", 0, INT64_MAX, (int64_t *)&c->suspected, e) < 0 ||
	    json_may_int(d, d->root, "held_since", 0, INT64_MAX, &c->held_since, e) < 0 ||
	    json_may_int(d, d->root, "pinned_since", 0, INT64_MAX, &c->pinned_since, e) < 0 ||
	    json_may_int(d, d->root, "disabled_since", 0, INT64_MAX, &c->disabled_since, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (json_want_int(d, d->root, numbers[i].key, 0, INT64_MAX, numbers[i].into, e) < 0)
			return e->code;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *value;

		if (json_want_text(d, d->root, texts[i].key, texts[i].cap - 1, &value, e) < 0)
			return e->code;
		snprintf(texts[i].into, texts[i].cap, "%s", value);
	}
	return phase_parse(&c->phase, phase) ? 0 : err_set(e, ERR_FORMAT, "agent.db: unknown phase");
}

static int verdict_read(sqlite3_stmt *s, int column, struct message_verdict *out, struct err *e)
{
	const void *bytes = sqlite3_column_blob(s, column);

	return wire_decode(out, message_record(MSG_VERDICT), bytes ? bytes : "", (size_t)sqlite3_column_bytes(s, column), e);
}

static int row_read(struct journal_channel *c, sqlite3_stmt *s, struct err *e)
{
	const char *text = (const char *)sqlite3_column_text(s, 0);

	if (state_read(c, text ? text : "", e) < 0 || verdict_read(s, 1, &c->offer, e) < 0)
		return e->code;
	return verdict_read(s, 2, &c->last, e);
}

static void channel_reset(struct journal_channel *c, const char *name)
{
	memset(c, 0, sizeof *c);
	snprintf(c->name, sizeof c->name, "%s", name);
}

int journal_channel_load(struct journal *j, struct journal_channel *out, const char *name, struct err *e)
{
	sqlite3_stmt *s;
	struct err why;
	int rc;

	channel_reset(out, name);
	if (sql_bind(&s, j, SQL_CHANNEL_GET, e, "t", name) < 0)
		return e->code;
	rc = sql_step(j, s, e);
	if (rc == 1 && row_read(out, s, &why) < 0) {
		log_warn("channel %s: what agent.db knows of it cannot be read, it begins anew: %s", name, why.msg);
		channel_reset(out, name);
	}
	sql_end(s);
	return rc < 0 ? rc : 0;
}

int journal_channel_store(struct journal *j, const struct journal_channel *c, struct err *e)
{
	AUTO(buf) struct buf *state = buf_new(4096), *offer = buf_new(WIRE_MAX), *last = buf_new(WIRE_MAX);

	if (!state || !offer || !last)
		return err_memory(e);
	state_write(state, c);
	if (buf_check(state, e) < 0 || wire_encode(offer, message_record(MSG_VERDICT), &c->offer, e) < 0 ||
	    wire_encode(last, message_record(MSG_VERDICT), &c->last, e) < 0)
		return e->code;
	return sql_run(j, SQL_CHANNEL_SET, e, "ttbb", c->name, state->data, offer->data, offer->len, last->data, last->len);
}

int journal_first_seen(struct journal *j, const char *channel, const struct digest *d, int64_t now, int64_t *out, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	if (sql_run(j, SQL_SEEN_ADD, e, "tdi", channel, d, now) < 0 || sql_bind(&s, j, SQL_SEEN_GET, e, "td", channel, d) < 0)
		return e->code;
	rc = sql_step(j, s, e);
	*out = rc == 1 ? sqlite3_column_int64(s, 0) : now;
	sql_end(s);
	return rc < 0 ? rc : 0;
}

int journal_serial_set(struct journal *j, const char *channel, const struct digest *d, uint64_t serial, struct err *e)
{
	return sql_run(j, SQL_SERIAL_SET, e, "tdi", channel, d, (int64_t)serial);
}

int journal_serial_get(struct journal *j, const char *channel, const struct digest *d, uint64_t *out, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_SERIAL_GET, e, "td", channel, d) < 0)
		return e->code;
	rc = sql_step(j, s, e);
	*out = rc == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	sql_end(s);
	return rc < 0 ? rc : 0;
}

int journal_drop_set(struct journal *j, const char *channel, const struct digest *d, const char (*rules)[256], size_t count, struct err *e)
{
	int rc;

	if (journal_begin(j, e) < 0)
		return e->code;
	rc = sql_run(j, SQL_DROP_FORGET, e, "td", channel, d);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = sql_run(j, SQL_DROP_ADD, e, "tdt", channel, d, rules[i]);
	if (rc == 0)
		rc = journal_end(j, e);
	if (rc < 0)
		journal_undo(j);
	return rc;
}

int journal_drop_clear(struct journal *j, const char *channel, const struct digest keep[JOURNAL_KEEP], struct err *e)
{
	return sql_run(j, SQL_DROP_CLEAR, e, "tddddd", channel, &keep[0], &keep[1], &keep[2], &keep[3], &keep[4]);
}

int journal_drops(struct journal *j, const char *channel, const struct digest *d, journal_text_visit *visit, void *arg, struct err *e)
{
	char rule[256];
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_DROPS, e, "td", channel, d) < 0)
		return e->code;
	while ((rc = sql_step(j, s, e)) == 1) {
		sql_text(s, 0, rule, sizeof rule);
		rc = visit(arg, rule, e);
		if (rc < 0)
			break;
	}
	sql_end(s);
	return rc;
}

int journal_stop_add(struct journal *j, const struct message_stop *stop, int64_t now, struct err *e)
{
	if (sql_run(j, SQL_STOP_ADD, e, "tditi", stop->channel, &stop->digest, (int64_t)stop->by_people, stop->reason, now) < 0)
		return e->code;
	if (sqlite3_changes(j->db))
		return 1;
	if (!stop->by_people)
		return 0;
	if (sql_run(j, SQL_STOP_PEOPLE, e, "td", stop->channel, &stop->digest) < 0)
		return e->code;
	return sqlite3_changes(j->db) ? 1 : 0;
}

int journal_stops(struct journal *j, journal_stop_visit *visit, void *arg, struct err *e)
{
	struct message_stop stop;
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_STOPS, e, "") < 0)
		return e->code;
	while ((rc = sql_step(j, s, e)) == 1) {
		memset(&stop, 0, sizeof stop);
		sql_text(s, 0, stop.channel, sizeof stop.channel);
		sql_digest(s, 1, &stop.digest);
		stop.by_people = sqlite3_column_int(s, 2) != 0;
		sql_text(s, 3, stop.reason, sizeof stop.reason);
		rc = visit(arg, &stop, e);
		if (rc < 0)
			break;
	}
	sql_end(s);
	return rc;
}

int journal_stopped(struct journal *j, const char *channel, const struct digest *d, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_STOPPED, e, "td", channel, d) < 0)
		return e->code;
	rc = sql_step(j, s, e);
	sql_end(s);
	return rc;
}
