/* older: a database as the programs of an earlier version made it. */
#ifndef TESTS_SERVER_OLDER_H
#define TESTS_SERVER_OLDER_H

#include <inttypes.h>
#include <sqlite3.h>
#include <unistd.h>

#include "server/sql.h"
#include "signing/audit_chain.h"
#include "tests/test.h"

#define OLDER_DEVICE "00000000000000000000000000000abc"
#define OLDER_AUDIT 2           /* rows of form 1 */
#define OLDER_TOKENS 6          /* the version that brought tokens of operators */

static inline void older_do(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
}

/* The chain as it was hashed then. */
static inline void older_audit(sqlite3 *db)
{
	struct digest head = { 0 };
	struct err e;

	for (uint64_t id = 1; id <= OLDER_AUDIT; id++) {
		const struct audit_entry a = { .at = 5, .who = "olga", .action = "pause", .subject = "rollout 7", .detail = "as it was said" };
		char hex[DIGEST_HEX_LEN + 1], sql[300];

		assert_ok(audit_chain_next(&head, 1, id, &a, &e));
		digest_hex(hex, &head);
		snprintf(sql, sizeof sql, "INSERT INTO audit (id, at, who, action, subject, detail, hash) VALUES (%" PRIu64 ", 5, '%s', '%s', '%s', '%s', x'%s')",
			 id, a.who, a.action, a.subject, a.detail, hex);
		older_do(db, sql);
	}
}

/* With a ring of rollout 7, a device, an enrolment token for one, the rows of an audit log and, where there were any, an operator's token. */
static inline void older_store(const char *path, int version)
{
	char mark[64];
	sqlite3 *db;

	unlink(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	for (int v = 0; v < version; v++)
		older_do(db, sql_schema[v]);
	older_do(db, "INSERT INTO rollout_ring VALUES (7, 0, 0, 0, 0, 0, 0, '', '', 0, 0, 0, 0, 0, 0, '');"
		     "INSERT INTO device (id, enrolled, last_seen, goodbye, generation, revoked, flagged, event_n, old_epoch, attributes, said)"
		     " VALUES ('" OLDER_DEVICE "', 40, 50, 0, 3, 0, 1, 9, '', '{\"ring\":\"early\"}', NULL);"
		     "INSERT INTO enrolment VALUES (x'0900000000000000000000000000000000000000000000000000000000000000', 'lab', '{}', 1, 99, 1, 'olga')");
	if (version >= OLDER_TOKENS)
		older_do(db, "INSERT INTO operator_token VALUES ('t1', 'alice', x'0800000000000000000000000000000000000000000000000000000000000000', zeroblob(32),"
			     " 0, 1, '', 1, 99, 2, 0, 'olga', 'of the night shift', 4)");
	older_audit(db);
	snprintf(mark, sizeof mark, "PRAGMA user_version = %d", version);
	older_do(db, mark);
	sqlite3_close(db);
}

#endif
