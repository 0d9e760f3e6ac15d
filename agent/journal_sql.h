/* journal_sql: every statement of agent.db, and a binder for them; for journal*.c only. */
#ifndef AGENT_JOURNAL_SQL_H
#define AGENT_JOURNAL_SQL_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/hash.h"

#define JOURNAL_SQL_TABLE(X)                                                                            \
	X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                 \
	X(SQL_COMMIT, "COMMIT")                                                                         \
	X(SQL_ROLLBACK, "ROLLBACK")                                                                     \
	X(SQL_GET, "SELECT value FROM value WHERE key = ?1")                                            \
	X(SQL_SET, "INSERT INTO value (key, value) VALUES (?1, ?2)"                                     \
		   " ON CONFLICT (key) DO UPDATE SET value = ?2")                                       \
	X(SQL_CHANNEL_GET, "SELECT state, offer, last FROM channel WHERE name = ?1")                    \
	X(SQL_CHANNEL_SET, "INSERT INTO channel (name, state, offer, last) VALUES (?1, ?2, ?3, ?4)"     \
			   " ON CONFLICT (name) DO UPDATE SET state = ?2, offer = ?3, last = ?4")       \
	X(SQL_SEEN_ADD, "INSERT OR IGNORE INTO seen (channel, digest, at) VALUES (?1, ?2, ?3)")         \
	X(SQL_SEEN_GET, "SELECT at FROM seen WHERE channel = ?1 AND digest = ?2")                       \
	X(SQL_SERIAL_SET, "INSERT INTO serial (channel, digest, serial) VALUES (?1, ?2, ?3)"            \
			  " ON CONFLICT (channel, digest) DO UPDATE SET serial = ?3")                   \
	X(SQL_SERIAL_GET, "SELECT serial FROM serial WHERE channel = ?1 AND digest = ?2")               \
	X(SQL_SLOT_ADD, "INSERT OR IGNORE INTO slot (channel, digest) VALUES (?1, ?2)")                 \
	X(SQL_SLOT_SOURCE, "UPDATE slot SET source = ?3 WHERE channel = ?1 AND digest = ?2")            \
	X(SQL_SLOT_CONTRACT, "UPDATE slot SET contract = ?3 WHERE channel = ?1 AND digest = ?2")        \
	X(SQL_SLOT_GET, "SELECT source, contract FROM slot WHERE channel = ?1 AND digest = ?2")         \
	X(SQL_SLOT_KEEP, "DELETE FROM slot WHERE channel = ?1 AND digest NOT IN (?2, ?3, ?4, ?5, ?6)")  \
	X(SQL_MISSING_MARK, "UPDATE missing SET here = 0 WHERE channel = ?1")                           \
	X(SQL_MISSING_ADD, "INSERT INTO missing (channel, rule, change, serial, since, here)"           \
			   " VALUES (?1, ?2, ?3, ?4, ?5, 1)"                                            \
			   " ON CONFLICT (channel, rule) DO UPDATE SET here = 1, change = ?3")          \
	X(SQL_MISSING_SWEEP, "DELETE FROM missing WHERE channel = ?1 AND here = 0")                     \
	X(SQL_MISSING, "SELECT rule, change, serial, since FROM missing WHERE channel = ?1"             \
		       " ORDER BY since, rule LIMIT ?2")                                                \
	X(SQL_MISSING_COUNT, "SELECT count(*), min(since) FROM missing WHERE channel = ?1")             \
	X(SQL_MISSED_ADD, "INSERT OR IGNORE INTO missed (channel, digest, serial, version, since)"      \
			  " VALUES (?1, ?2, ?3, ?4, ?5)")                                               \
	X(SQL_MISSED, "SELECT digest, serial, version, since FROM missed WHERE channel = ?1"            \
		      " ORDER BY serial DESC LIMIT ?2")                                                 \
	X(SQL_MISSED_CLEAR, "DELETE FROM missed WHERE channel = ?1 AND serial <= ?2")                   \
	X(SQL_DIGESTS_OF, "SELECT digest FROM serial WHERE channel = ?1 AND serial = ?2"                \
			  " UNION SELECT digest FROM missed WHERE channel = ?1 AND serial = ?2")        \
	X(SQL_DROP_CLEAR, "DELETE FROM leave_out WHERE channel = ?1"                                    \
			  " AND digest NOT IN (?2, ?3, ?4, ?5, ?6)")                                    \
	X(SQL_DROP_FORGET, "DELETE FROM leave_out WHERE channel = ?1 AND digest = ?2")                  \
	X(SQL_DROP_ADD, "INSERT OR IGNORE INTO leave_out (channel, digest, rule) VALUES (?1, ?2, ?3)")  \
	X(SQL_DROPS, "SELECT rule FROM leave_out WHERE channel = ?1 AND digest = ?2 ORDER BY rule")     \
	X(SQL_STOP_ADD, "INSERT OR IGNORE INTO stop (channel, digest, by_people, reason, at)"           \
			" VALUES (?1, ?2, ?3, ?4, ?5)")                                                 \
	X(SQL_STOP_PEOPLE, "UPDATE stop SET by_people = 1 WHERE channel = ?1 AND digest = ?2"           \
			   " AND by_people = 0")                                                        \
	X(SQL_STOPS, "SELECT channel, digest, by_people, reason FROM stop ORDER BY by_people DESC, at") \
	X(SQL_STOPPED, "SELECT 1 FROM stop WHERE channel = ?1 AND digest = ?2")                         \
	X(SQL_EVENT_ADD, "INSERT INTO event (n, at, channel, digest, attempt, kind, reason, evidence)"  \
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                                    \
	X(SQL_EVENT_LAST, "SELECT max(n) FROM event")                                                   \
	X(SQL_OUTBOX, "SELECT n, at, channel, digest, attempt, kind, reason, evidence FROM event"       \
		      " ORDER BY n LIMIT ?1")                                                           \
	X(SQL_OUTBOX_COUNT, "SELECT count(*) FROM event")                                               \
	X(SQL_ACKED, "DELETE FROM event WHERE n <= ?1")                                                 \
	X(SQL_DROP_EVENT, "DELETE FROM event WHERE n = ?1")                                             \
	X(SQL_EVENT_TRIM, "DELETE FROM event WHERE n <= (SELECT max(n) FROM event) - ?1")               \
	X(SQL_HISTORY_ADD, "INSERT INTO history (at, channel, what, digest, text)"                      \
			   " VALUES (?1, ?2, ?3, ?4, ?5)")                                              \
	X(SQL_HISTORY, "SELECT at, channel, what, digest, text FROM history"                            \
		       " WHERE ?1 = '' OR channel = ?1 ORDER BY id DESC LIMIT ?2")                      \
	X(SQL_HISTORY_TRIM, "DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?1")       \
	X(SQL_ORDER_ADD, "INSERT INTO orders (command, channel, argument) VALUES (?1, ?2, ?3)")         \
	X(SQL_ORDER_NEXT, "SELECT id, command, channel, argument, done, answer FROM orders"             \
			  " WHERE done = 0 ORDER BY id LIMIT 1")                                        \
	X(SQL_ORDER_GET, "SELECT id, command, channel, argument, done, answer FROM orders"              \
			 " WHERE id = ?1")                                                              \
	X(SQL_ORDER_DONE, "UPDATE orders SET done = ?2, answer = ?3 WHERE id = ?1")

enum journal_sql {
#define X(name, text) name,
	JOURNAL_SQL_TABLE(X)
#undef X
	SQL_COUNT
};

struct journal {
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_COUNT];
	bool open;              /* a transaction is open */
};

/*
 * Binds by `types`: i int64_t, t const char *, d const struct digest *,
 * b const void * and size_t. The caller steps and then calls sql_end().
 */
int sql_bind(sqlite3_stmt **out, struct journal *j, enum journal_sql which, struct err *e, const char *types, ...) MUST_CHECK;
int sql_step(struct journal *j, sqlite3_stmt *s, struct err *e) MUST_CHECK;    /* 1 a row, 0 the end */
void sql_end(sqlite3_stmt *s);

/* For statements without rows. */
int sql_run(struct journal *j, enum journal_sql which, struct err *e, const char *types, ...) MUST_CHECK;

void sql_text(sqlite3_stmt *s, int column, char *out, size_t cap);      /* cut when longer */
bool sql_digest(sqlite3_stmt *s, int column, struct digest *out);

int sql_error(struct journal *j, struct err *e);        /* the database's words; ERR_SPACE when full */

extern const char journal_schema[];

#endif
