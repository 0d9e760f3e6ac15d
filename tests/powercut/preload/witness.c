/*
 * witness: stands between the agent and its C library, and writes down what
 * the agent may believe durable, at the moment from which it may, with the
 * position that the write log of its disk has then. With WITNESS_WITHOUT=KIND
 * it says yes to every sync of that kind and does nothing; with WITNESS_KILL=KIND
 * the agent dies before its first sync of that kind ("record": before that of a
 * boot record that says trial).
 *
 *     WITNESS_ROOT   the host's root directory; nothing outside is looked at
 *     WITNESS_LOG    the write log
 *     WITNESS_MARKS  the list: "<position> <what> ...", a line each
 *
 *     record SEQ DIGEST      a sync of the boot record, or of its directory, is over
 *     link DIGEST            readers find this content ("none": no content)
 *     slot NAME              a sync of slots/ is over, and this one was in it
 *     gone NAME              this slot is about to leave
 *     quarantine NAME        a sync of quarantine.d/ is over, and this one was in it
 *     journal ID N HASH      a transaction is over; journal_key() of witness.h
 */
#include "../witness.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);
int syncfs(int fd);
int renameat(int from_dir, const char *from, int to_dir, const char *to);
int unlinkat(int dir, const char *name, int flags);

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define RECORD_BYTES 512
#define PLACE_BYTES 4096
#define MODE_TRIAL 1

/* ---- what is written down ---- */

static void __attribute__((format(printf, 1, 2))) mark(const char *fmt, ...)
{
	const char *log = getenv("WITNESS_LOG"), *marks = getenv("WITNESS_MARKS");
	struct stat st;
	char line[512];
	va_list args;
	int fd, at;

	if (!log || !marks || stat(log, &st) < 0)
		return;
	at = snprintf(line, sizeof line, "%lld ", (long long)st.st_size);
	va_start(args, fmt);
	vsnprintf(line + at, sizeof line - (size_t)at - 1, fmt, args);
	va_end(args);
	strcat(line, "\n");
	fd = open(marks, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, line, strlen(line)) < 0)
		abort();
	close(fd);
}

/* The path of a descriptor below the host's root; NULL: not of the host. */
static const char *path_of(char room[512], int fd)
{
	const char *root = getenv("WITNESS_ROOT");
	char link[64];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, room, 511);
	if (!root || n <= 0)
		return NULL;
	room[n] = 0;
	return strncmp(room, root, strlen(root)) ? NULL : room + strlen(root);
}

static bool ends(const char *path, const char *end)
{
	return strlen(path) >= strlen(end) && !strcmp(path + strlen(path) - strlen(end), end);
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

/* The record with the higher number, its bytes as boot/record.h has them; NULL: there is none. */
static const uint8_t *read_record(const char *path)
{
	static uint8_t places[2][RECORD_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	memset(places, 0, sizeof places);
	for (int i = 0; i < 2; i++)
		if (pread(fd, places[i], RECORD_BYTES, (off_t)i * PLACE_BYTES) < 0)
			abort();
	close(fd);
	return le64(places[0] + 8) >= le64(places[1] + 8) ? places[0] : places[1];
}

static void mark_record(const char *dir)
{
	char path[600], hex[65] = "none";
	const uint8_t *r;

	snprintf(path, sizeof path, "%s/boot", dir);
	r = read_record(path);
	if (!r)
		return;
	if (r[17] < 4)
		for (int i = 0; i < 32; i++)
			snprintf(hex + 2 * i, 3, "%02x", r[64 + 32 * r[17] + i]);
	mark("record %" PRIu64 " %s", le64(r + 8), hex);
}

static void mark_names(const char *dir, const char *what)
{
	DIR *list = opendir(dir);

	for (struct dirent *entry; list && (entry = readdir(list));)
		if (*entry->d_name != '.')
			mark("%s %s", what, entry->d_name);
	if (list)
		closedir(list);
}

/* ---- syncs ---- */

/* FOUND: as another agent left it. */
enum kind { OTHER, RECORD, RECORD_FOUND, RECORD_DIR, STAGING, SLOTS_DIR, QUARANTINE, QUARANTINE_DIR, JOURNAL, KINDS };

static const char *const kind_names[KINDS] = { "", "record", "record-found", "record-dir", "staging", "slots-dir", "quarantine",
					       "quarantine-dir", "journal" };

static enum kind kind_of(const char *path, int fd, bool whole_system)
{
	if (whole_system)
		return STAGING;
	if (ends(path, "/channels/edr/boot") && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		return RECORD_FOUND;
	if (ends(path, "/channels/edr/boot") || ends(path, "/channels/edr/.boot.new"))
		return RECORD;
	if (ends(path, "/channels/edr"))
		return RECORD_DIR;
	if (ends(path, "/edr/slots"))
		return SLOTS_DIR;
	if (ends(path, "/quarantine.d"))
		return QUARANTINE_DIR;
	if (strstr(path, "/quarantine.d/"))
		return QUARANTINE;
	return strstr(path, "/agent.db") ? JOURNAL : OTHER;
}

static void over(enum kind kind, const char *full)
{
	bool of_record = kind == RECORD || kind == RECORD_FOUND;
	char dir[512];

	snprintf(dir, sizeof dir, "%.*s", of_record ? (int)(strrchr(full, '/') - full) : (int)strlen(full), full);
	if (kind == RECORD_DIR || (of_record && ends(full, "/boot")))
		mark_record(dir);
	else if (kind == SLOTS_DIR)
		mark_names(dir, "slot");
	else if (kind == QUARANTINE_DIR)
		mark_names(dir, "quarantine");
}

static void may_die(enum kind kind, const char *full)
{
	const char *at = getenv("WITNESS_KILL");
	const uint8_t *r;

	if (!at || strcmp(at, kind_names[kind]) != 0)
		return;
	r = kind == RECORD && ends(full, "/boot") ? read_record(full) : NULL;
	if (kind != RECORD || (r && r[16] == MODE_TRIAL))
		kill(getpid(), SIGKILL);
}

static int sync_with(int (*real)(int), int fd, bool whole_system)
{
	const char *without = getenv("WITNESS_WITHOUT"), *path;
	char room[512];
	enum kind kind;
	int rc;

	path = path_of(room, fd);
	if (!path)
		return real(fd);
	kind = kind_of(path, fd, whole_system);
	may_die(kind, room);
	rc = without && !strcmp(without, kind_names[kind]) ? 0 : real(fd);
	if (rc == 0)
		over(kind, room);
	return rc;
}

int fsync(int fd)
{
	return sync_with(NEXT(fsync), fd, false);
}

int fdatasync(int fd)
{
	return sync_with(NEXT(fdatasync), fd, false);
}

int syncfs(int fd)
{
	return sync_with(NEXT(syncfs), fd, true);
}

/* ---- names ---- */

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char room[512], target[512];
	const char *path = path_of(room, to_dir);
	ssize_t n;
	int rc;

	if (path && ends(path, "/edr/slots") && *to == '.')
		mark("gone %s", from);
	rc = NEXT(renameat)(from_dir, from, to_dir, to);
	if (rc == 0 && path && !strcmp(to, "current") && (n = readlinkat(to_dir, to, target, sizeof target - 1)) > 64)
		mark("link %.64s", target + n - 64);
	return rc;
}

int unlinkat(int dir, const char *name, int flags)
{
	int rc = NEXT(unlinkat)(dir, name, flags);
	char room[512];

	if (rc == 0 && !strcmp(name, "current") && path_of(room, dir))
		mark("link none");
	return rc;
}

/* ---- transactions ---- */

int sqlite3_step(sqlite3_stmt *s)
{
	static __typeof__(&sqlite3_step) real;
	static int64_t changes_before;
	sqlite3 *db = sqlite3_db_handle(s);
	char key[128];
	int rc;

	if (!real)
		real = NEXT(sqlite3_step);
	rc = real(s);
	if (rc != SQLITE_DONE || !sqlite3_get_autocommit(db) || sqlite3_total_changes(db) == changes_before)
		return rc;
	changes_before = sqlite3_total_changes(db);
	/* What it asks comes through here again, and has changed nothing. */
	if (journal_key(key, sizeof key, db))
		mark("journal %s", key);
	return rc;
}
