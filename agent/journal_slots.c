/* journal_slots: what is known of the slots on disk, and of what was kept away from them. */
#include "agent/journal.h"

#include <stdio.h>
#include <string.h>

#include "agent/journal_sql.h"
#include "base/log.h"

static int slot_add(struct journal *j, const char *channel, const struct digest *d, struct err *e)
{
	return sql_run(j, SQL_SLOT_ADD, e, "td", channel, d);
}

int journal_slot_source(struct journal *j, const char *channel, const struct message_verdict *offer, struct err *e)
{
	AUTO(buf) struct buf *record = buf_new(WIRE_MAX);

	if (!record)
		return err_memory(e);
	if (wire_encode(record, message_record(MSG_VERDICT), offer, e) < 0 || slot_add(j, channel, &offer->digest, e) < 0)
		return e->code;
	return sql_run(j, SQL_SLOT_SOURCE, e, "tdb", channel, &offer->digest, record->data, record->len);
}

int journal_slot_contract(struct journal *j, const char *channel, const struct digest *d, const struct digest *contract, struct err *e)
{
	if (slot_add(j, channel, d, e) < 0)
		return e->code;
	return sql_run(j, SQL_SLOT_CONTRACT, e, "tdd", channel, d, contract);
}

int journal_slot_keep(struct journal *j, const char *channel, const struct digest keep[JOURNAL_KEEP], struct err *e)
{
	return sql_run(j, SQL_SLOT_KEEP, e, "tddddd", channel, &keep[0], &keep[1], &keep[2], &keep[3], &keep[4]);
}

/* A source that an older agent wrote otherwise is unknown. */
static void read_slot(struct journal_slot *out, sqlite3_stmt *s)
{
	const void *record = sqlite3_column_blob(s, 0);
	struct err why;

	if (record &&
	    wire_decode(&out->source, message_record(MSG_VERDICT), record, (size_t)sqlite3_column_bytes(s, 0), &why) < 0) {
		memset(&out->source, 0, sizeof out->source);
		log_debug("where a slot came from cannot be read: %s", why.msg);
	}
	sql_digest(s, 1, &out->contract);
}

int journal_slot_get(struct journal *j, const char *channel, const struct digest *d, struct journal_slot *out, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	memset(out, 0, sizeof *out);
	if (sql_bind(&s, j, SQL_SLOT_GET, e, "td", channel, d) < 0)
		return e->code;
	rc = sql_step(j, s, e);
	if (rc == 1)
		read_slot(out, s);
	sql_end(s);
	return rc < 0 ? rc : 0;
}

/* ---- missed bundles ---- */

int journal_missed_add(struct journal *j, const char *channel, const struct journal_missed *m, struct err *e)
{
	return sql_run(j, SQL_MISSED_ADD, e, "tditi", channel, &m->digest, (int64_t)m->serial, m->version, m->since);
}

int journal_missed_clear(struct journal *j, const char *channel, uint64_t up_to, struct err *e)
{
	return sql_run(j, SQL_MISSED_CLEAR, e, "ti", channel, (int64_t)MIN(up_to, (uint64_t)INT64_MAX));
}

int journal_missed(struct journal *j, const char *channel, size_t max, journal_missed_visit *visit, void *arg, struct err *e)
{
	struct journal_missed m;
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_MISSED, e, "ti", channel, (int64_t)max) < 0)
		return e->code;
	while ((rc = sql_step(j, s, e)) == 1) {
		memset(&m, 0, sizeof m);
		sql_digest(s, 0, &m.digest);
		m.serial = (uint64_t)sqlite3_column_int64(s, 1);
		sql_text(s, 2, m.version, sizeof m.version);
		m.since = sqlite3_column_int64(s, 3);
		rc = visit(arg, &m, e);
		if (rc < 0)
			break;
	}
	sql_end(s);
	return rc;
}

/* ---- missing detections ---- */

int journal_missing_begin(struct journal *j, const char *channel, struct err *e)
{
	return sql_run(j, SQL_MISSING_MARK, e, "t", channel);
}

int journal_missing_add(struct journal *j, const char *channel, const struct journal_missing *m, struct err *e)
{
	return sql_run(j, SQL_MISSING_ADD, e, "ttiii", channel, m->rule, (int64_t)m->change, (int64_t)m->serial, m->since);
}

int journal_missing_end(struct journal *j, const char *channel, struct err *e)
{
	return sql_run(j, SQL_MISSING_SWEEP, e, "t", channel);
}

int journal_missing(struct journal *j, const char *channel, size_t max, journal_missing_visit *visit, void *arg, struct err *e)
{
	struct journal_missing m;
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_MISSING, e, "ti", channel, (int64_t)max) < 0)
		return e->code;
	while ((rc = sql_step(j, s, e)) == 1) {
		memset(&m, 0, sizeof m);
		sql_text(s, 0, m.rule, sizeof m.rule);
		m.change = (enum rule_change)sqlite3_column_int(s, 1);
		m.serial = (uint64_t)sqlite3_column_int64(s, 2);
		m.since = sqlite3_column_int64(s, 3);
		rc = visit(arg, &m, e);
		if (rc < 0)
			break;
	}
	sql_end(s);
	return rc;
}

int journal_missing_count(struct journal *j, const char *channel, uint64_t *count, int64_t *since, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	*count = 0;
	*since = 0;
	if (sql_bind(&s, j, SQL_MISSING_COUNT, e, "t", channel) < 0)
		return e->code;
	rc = sql_step(j, s, e);
	if (rc == 1) {
		*count = (uint64_t)sqlite3_column_int64(s, 0);
		*since = sqlite3_column_int64(s, 1);
	}
	sql_end(s);
	return rc < 0 ? rc : 0;
}

int journal_digests_of(struct journal *j, const char *channel, uint64_t serial, journal_digest_visit *visit, void *arg, struct err *e)
{
	struct digest d;
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_DIGESTS_OF, e, "ti", channel, (int64_t)MIN(serial, (uint64_t)INT64_MAX)) < 0)
		return e->code;
	while ((rc = sql_step(j, s, e)) == 1) {
		rc = sql_digest(s, 0, &d) ? visit(arg, &d, e) : 0;
		if (rc < 0)
			break;
	}
	sql_end(s);
	return rc;
}
