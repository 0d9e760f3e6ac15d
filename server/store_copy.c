/* store_copy: a second store file from one that may be in use. */
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "server/store_sqlite.h"

#define BUSY_MS 60000

static int open_reading(sqlite3 **out, const char *path, struct err *e)
{
	if (!file_exists(path))
		return err_set(e, ERR_NOT_FOUND, "store %s: there is none", path);
	if (sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK)
		return sqlite_failed(*out, e, path);
	sqlite3_busy_timeout(*out, BUSY_MS);
	return 0;
}

static int make_durable(const char *path, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : err_errno(e, "%s", path);
}

int store_copy(const char *path, const char *to, struct err *e)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int got;

	if (file_exists(to))
		return err_set(e, ERR_CONFLICT, "%s: is there already", to);
	got = open_reading(&db, path, e);
	/* Reads in one transaction and writes a file without the pages that are free. */
	if (got == 0 && (sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &st, NULL) != SQLITE_OK ||
			 sqlite3_bind_text(st, 1, to, -1, SQLITE_STATIC) != SQLITE_OK || sqlite3_step(st) != SQLITE_DONE))
		got = sqlite_failed(db, e, "copy");
	sqlite3_finalize(st);
	sqlite3_close(db);
	return got < 0 ? got : make_durable(to, e);
}

int store_version(const char *path, struct err *e)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	int got = open_reading(&db, path, e);

	if (got == 0)
		got = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW ?
			      sqlite3_column_int(st, 0) : sqlite_failed(db, e, path);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return got;
}
