/* witness: what the witness and its reader have in common: the state of a journal as one short line. */
#ifndef TESTS_POWERCUT_WITNESS_H
#define TESTS_POWERCUT_WITNESS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* "ID N HASH": the latest line of history, the latest event, the channel's state. False: it cannot be read. */
static inline bool journal_key(char *out, size_t cap, sqlite3 *db)
{
	static const char text[] = "SELECT (SELECT max(id) FROM history), (SELECT value FROM value WHERE key = 'event_n'),"
				   " (SELECT state FROM channel)";
	const unsigned char *state;
	sqlite3_stmt *s;
	uint64_t hash = 0xcbf29ce484222325u;
	bool got = false;

	if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
		return false;
	if (sqlite3_step(s) == SQLITE_ROW) {
		state = sqlite3_column_text(s, 2);
		for (; state && *state; state++)
			hash = (hash ^ *state) * 0x100000001b3u;
		snprintf(out, cap, "%lld %lld %016llx", (long long)sqlite3_column_int64(s, 0), (long long)sqlite3_column_int64(s, 1),
			 (unsigned long long)hash);
		got = true;
	}
	sqlite3_finalize(s);
	return got;
}

#endif
