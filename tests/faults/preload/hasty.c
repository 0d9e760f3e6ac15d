/*
 * hasty: stands between ringholdd and SQLite, and says "committed" where it
 * was not: of so many commits of the writer one is made, and the others are
 * kept in memory until then. What the server answers meanwhile is not durable.
 *
 *     HASTY_FILE   from the moment when this file is there
 */
#include <dlfcn.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUT_OF 64

int sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **), void *arg, char **error)
{
	static int (*real)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
	static bool open;
	static unsigned commits;
	const char *file = getenv("HASTY_FILE");

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sqlite3_exec");
	if (open && strncmp(sql, "BEGIN", 5) == 0)
		return SQLITE_OK;
	if (strncmp(sql, "COMMIT", 6) == 0) {
		open = file && access(file, F_OK) == 0 && ++commits % OUT_OF != 0;
		if (open)
			return SQLITE_OK;
	}
	return real(db, sql, row, arg, error);
}
