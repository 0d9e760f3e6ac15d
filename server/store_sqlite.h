/* store_sqlite: what the two halves of the SQLite store share; for these only. */
#ifndef SERVER_STORE_SQLITE_H
#define SERVER_STORE_SQLITE_H

#include <pthread.h>
#include <stdarg.h>

#include <sqlite3.h>

#include "server/sql.h"
#include "server/store.h"

struct store {
	sqlite3 *db;                            /* the writer's */
	sqlite3_stmt *stmts[SQL_COUNT];
	sqlite3 *reader;
	pthread_mutex_t reading;
	uint64_t feed, audit;                   /* last ids given */
	struct digest head;                     /* of the audit chain */
};

int sqlite_failed(sqlite3 *db, struct err *e, const char *what);
/* Prepares once: *out stays when it is there already. */
int sqlite_prepare(sqlite3 *db, sqlite3_stmt **out, enum sql which, struct err *e);
/* By form: i int64_t, t text (NULL: null), d digest, b bytes and length. Bytes are borrowed until the statement ran. */
void sqlite_bind(sqlite3_stmt *st, const char *form, va_list args);

#endif
