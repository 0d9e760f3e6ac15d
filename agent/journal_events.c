/* journal_events: the outbox, history, and orders. */
#include "agent/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/journal_sql.h"

static int last_number(struct journal *j, int64_t *out, struct err *e)
{
	char kept[32];
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_EVENT_LAST, e, "") < 0)
		return e->code;
	rc = sql_step(j, s, e);
	*out = rc == 1 ? sqlite3_column_int64(s, 0) : 0;
	sql_end(s);
	if (rc < 0 || journal_get(j, "event_n", kept, sizeof kept, e) < 0)
		return e->code;
	*out = MAX(*out, (int64_t)strtoll(kept, NULL, 10));
	return 0;
}

/* Numbers rise for ever within an epoch, also when the outbox is empty. */
int journal_event(struct journal *j, struct message_event *event, struct err *e)
{
	struct journal_line line = { .at = event->at, .digest = event->digest };
	char text[32];
	int64_t n = 0;

	if (last_number(j, &n, e) < 0)
		return e->code;
	event->n = (uint64_t)++n;
	snprintf(text, sizeof text, "%lld", (long long)n);
	snprintf(line.channel, sizeof line.channel, "%s", event->channel);
	snprintf(line.what, sizeof line.what, "%s", event->kind);
	snprintf(line.text, sizeof line.text, "%s%s%.400s", event->reason, *event->reason && *event->evidence ? ": " : "",
		 event->evidence);
	if (sql_run(j, SQL_EVENT_ADD, e, "iitdittt", n, event->at, event->channel, &event->digest, (int64_t)event->attempt,
		    event->kind, event->reason, event->evidence) < 0 ||
	    journal_set(j, "event_n", text, e) < 0)
		return e->code;
	return journal_history_add(j, &line, e);
}

int journal_outbox(struct journal *j, size_t max, journal_event_visit *visit, void *arg, struct err *e)
{
	struct message_event event;
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_OUTBOX, e, "i", (int64_t)max) < 0)
		return e->code;
	while ((rc = sql_step(j, s, e)) == 1) {
		memset(&event, 0, sizeof event);
		event.n = (uint64_t)sqlite3_column_int64(s, 0);
		event.at = sqlite3_column_int64(s, 1);
		sql_text(s, 2, event.channel, sizeof event.channel);
		sql_digest(s, 3, &event.digest);
		event.attempt = (uint64_t)sqlite3_column_int64(s, 4);
		sql_text(s, 5, event.kind, sizeof event.kind);
		sql_text(s, 6, event.reason, sizeof event.reason);
		sql_text(s, 7, event.evidence, sizeof event.evidence);
		rc = visit(arg, &event, e);
		if (rc < 0)
			break;
	}
	sql_end(s);
	return rc;
}

int journal_outbox_count(struct journal *j, uint64_t *out, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_OUTBOX_COUNT, e, "") < 0)
		return e->code;
	rc = sql_step(j, s, e);
	*out = rc == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	sql_end(s);
	return rc < 0 ? rc : 0;
}

int journal_acked(struct journal *j, uint64_t n, struct err *e)
{
	return sql_run(j, SQL_ACKED, e, "i", (int64_t)MIN(n, (uint64_t)INT64_MAX));
}

int journal_drop_event(struct journal *j, uint64_t n, struct err *e)
{
	return sql_run(j, SQL_DROP_EVENT, e, "i", (int64_t)MIN(n, (uint64_t)INT64_MAX));
}

int journal_history_add(struct journal *j, const struct journal_line *l, struct err *e)
{
	return sql_run(j, SQL_HISTORY_ADD, e, "ittdt", l->at, l->channel, l->what, &l->digest, l->text);
}

int journal_history(struct journal *j, const char *channel, size_t max, journal_line_visit *visit, void *arg, struct err *e)
{
	struct journal_line line;
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_HISTORY, e, "ti", channel, (int64_t)max) < 0)
		return e->code;
	while ((rc = sql_step(j, s, e)) == 1) {
		memset(&line, 0, sizeof line);
		line.at = sqlite3_column_int64(s, 0);
		sql_text(s, 1, line.channel, sizeof line.channel);
		sql_text(s, 2, line.what, sizeof line.what);
		sql_digest(s, 3, &line.digest);
		sql_text(s, 4, line.text, sizeof line.text);
		rc = visit(arg, &line, e);
		if (rc < 0)
			break;
	}
	sql_end(s);
	return rc;
}

int journal_trim(struct journal *j, uint64_t keep, struct err *e)
{
	if (sql_run(j, SQL_HISTORY_TRIM, e, "i", (int64_t)keep) < 0)
		return e->code;
	return sql_run(j, SQL_EVENT_TRIM, e, "i", (int64_t)keep);
}

/* ---- orders ---- */

int journal_order_add(struct journal *j, struct journal_order *o, struct err *e)
{
	if (sql_run(j, SQL_ORDER_ADD, e, "ttt", o->command, o->channel, o->argument) < 0)
		return e->code;
	o->id = (uint64_t)sqlite3_last_insert_rowid(j->db);
	return 0;
}

static int order_read(struct journal *j, sqlite3_stmt *s, struct journal_order *out, struct err *e)
{
	int rc = sql_step(j, s, e);

	if (rc == 1) {
		memset(out, 0, sizeof *out);
		out->id = (uint64_t)sqlite3_column_int64(s, 0);
		sql_text(s, 1, out->command, sizeof out->command);
		sql_text(s, 2, out->channel, sizeof out->channel);
		sql_text(s, 3, out->argument, sizeof out->argument);
		out->done = sqlite3_column_int64(s, 4);
		sql_text(s, 5, out->answer, sizeof out->answer);
	}
	sql_end(s);
	return rc;
}

int journal_order_next(struct journal *j, struct journal_order *out, struct err *e)
{
	sqlite3_stmt *s;

	if (sql_bind(&s, j, SQL_ORDER_NEXT, e, "") < 0)
		return e->code;
	return order_read(j, s, out, e);
}

int journal_order_get(struct journal *j, uint64_t id, struct journal_order *out, struct err *e)
{
	sqlite3_stmt *s;
	int rc;

	if (sql_bind(&s, j, SQL_ORDER_GET, e, "i", (int64_t)id) < 0)
		return e->code;
	rc = order_read(j, s, out, e);
	return rc == 0 ? err_set(e, ERR_NOT_FOUND, "agent.db: no such order") : rc < 0 ? rc : 0;
}

int journal_order_done(struct journal *j, uint64_t id, int64_t code, const char *answer, struct err *e)
{
	return sql_run(j, SQL_ORDER_DONE, e, "iit", (int64_t)id, code, answer);
}
