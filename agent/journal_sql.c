/* journal_sql: the schema, and the little that stands between us and SQLite. */
#include "agent/journal_sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char journal_schema[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = FULL;"
	"CREATE TABLE IF NOT EXISTS value (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS channel (name TEXT PRIMARY KEY, state TEXT NOT NULL, offer BLOB, last BLOB)"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS seen (channel TEXT, digest BLOB, at INTEGER NOT NULL,"
	" PRIMARY KEY (channel, digest)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS serial (channel TEXT, digest BLOB, serial INTEGER NOT NULL,"
	" PRIMARY KEY (channel, digest)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS slot (channel TEXT, digest BLOB, source BLOB, contract BLOB,"
	" PRIMARY KEY (channel, digest)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS missed (channel TEXT, digest BLOB, serial INTEGER NOT NULL, version TEXT NOT NULL,"
	" since INTEGER NOT NULL, PRIMARY KEY (channel, digest)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS missing (channel TEXT, rule TEXT, change INTEGER NOT NULL, serial INTEGER NOT NULL,"
	" since INTEGER NOT NULL, here INTEGER NOT NULL, PRIMARY KEY (channel, rule)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS leave_out (channel TEXT, digest BLOB, rule TEXT,"
	" PRIMARY KEY (channel, digest, rule)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS stop (channel TEXT, digest BLOB, by_people INTEGER NOT NULL, reason TEXT NOT NULL,"
	" at INTEGER NOT NULL, PRIMARY KEY (channel, digest)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS event (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, channel TEXT NOT NULL,"
	" digest BLOB NOT NULL, attempt INTEGER NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL,"
	" evidence TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, channel TEXT NOT NULL,"
	" what TEXT NOT NULL, digest BLOB NOT NULL, text TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, command TEXT NOT NULL, channel TEXT NOT NULL,"
	" argument TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0, answer TEXT NOT NULL DEFAULT '');";

static const char *const texts[SQL_COUNT] = {
#define X(name, text) [name] = text,
	JOURNAL_SQL_TABLE(X)
#undef X
};

int sql_error(struct journal *j, struct err *e)
{
	int code = sqlite3_errcode(j->db);

	return err_set(e, code == SQLITE_FULL ? ERR_SPACE : ERR_IO, "agent.db: %s", sqlite3_errmsg(j->db));
}

static int bind_all(struct journal *j, sqlite3_stmt *s, struct err *e, const char *types, va_list args)
{
	const struct digest *d;
	const void *bytes;
	int rc = SQLITE_OK;

	for (int at = 1; *types && rc == SQLITE_OK; types++, at++) {
		switch (*types) {
		case 'i':
			rc = sqlite3_bind_int64(s, at, va_arg(args, int64_t));
			break;
		case 't':
			rc = sqlite3_bind_text(s, at, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
			break;
		case 'd':
			d = va_arg(args, const struct digest *);
			rc = sqlite3_bind_blob(s, at, d->bytes, DIGEST_LEN, SQLITE_TRANSIENT);
			break;
		default:
			bytes = va_arg(args, const void *);
			rc = sqlite3_bind_blob64(s, at, bytes, va_arg(args, size_t), SQLITE_TRANSIENT);
			break;
		}
	}
	return rc == SQLITE_OK ? 0 : sql_error(j, e);
}

static int bind_list(sqlite3_stmt **out, struct journal *j, enum journal_sql which, struct err *e, const char *types,
		     va_list args)
{
	sqlite3_stmt **s = &j->statements[which];

	if (!*s && sqlite3_prepare_v3(j->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK)
		return sql_error(j, e);
	*out = *s;
	return bind_all(j, *s, e, types, args);
}

int sql_bind(sqlite3_stmt **out, struct journal *j, enum journal_sql which, struct err *e, const char *types, ...)
{
	va_list args;
	int rc;

	va_start(args, types);
	rc = bind_list(out, j, which, e, types, args);
	va_end(args);
	return rc;
}

int sql_step(struct journal *j, sqlite3_stmt *s, struct err *e)
{
	switch (sqlite3_step(s)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return sql_error(j, e);
	}
}

void sql_end(sqlite3_stmt *s)
{
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
}

int sql_run(struct journal *j, enum journal_sql which, struct err *e, const char *types, ...)
{
	sqlite3_stmt *s;
	va_list args;
	int rc;

	va_start(args, types);
	rc = bind_list(&s, j, which, e, types, args);
	va_end(args);
	if (rc < 0)
		return rc;
	rc = sql_step(j, s, e);
	sql_end(s);
	return rc < 0 ? rc : 0;
}

void sql_text(sqlite3_stmt *s, int column, char *out, size_t cap)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	snprintf(out, cap, "%s", text ? text : "");
}

bool sql_digest(sqlite3_stmt *s, int column, struct digest *out)
{
	const void *bytes = sqlite3_column_blob(s, column);

	memset(out, 0, sizeof *out);
	if (!bytes || sqlite3_column_bytes(s, column) != DIGEST_LEN)
		return false;
	memcpy(out->bytes, bytes, DIGEST_LEN);
	return true;
}
