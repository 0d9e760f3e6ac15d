/* crash: records of pstore, by their bytes. */
#include "agent/crash.h"

#include <stdio.h>
#include <string.h>

#include "agent/home.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"

#define KEY "crash.seen"
#define RECORD_MAX ((size_t)1 << 20)
#define ID_LEN 16                       /* hex digits of a record's hash: names it, proves nothing */

static const char *const places[] = { "/sys/fs/pstore", "/var/lib/systemd/pstore" };

/* ---- the words ---- */

/* What follows "<0>[   12.345678] ", or the whole line. */
static const char *past_stamp(const char *line, const char *end)
{
	const char *bracket = memchr(line, ']', (size_t)(end - line));

	if (line == end || (*line != '<' && *line != '[') || !bracket)
		return line;
	return bracket + 1 < end && bracket[1] == ' ' ? bracket + 2 : bracket + 1;
}

static bool says_why(const char *line, size_t len)
{
	static const char *const starts[] = { "Kernel panic", "BUG: ", "Oops: ", "general protection fault" };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (len >= strlen(starts[i]) && !memcmp(line, starts[i], strlen(starts[i])))
			return true;
	return false;
}

static void keep_line(char *out, size_t cap, const char *line, size_t len)
{
	size_t n = 0;

	for (; n < len && n + 1 < cap; n++)
		out[n] = line[n] >= 0x20 && line[n] < 0x7f ? line[n] : '?';
	out[n] = 0;
}

void crash_words(char *out, size_t cap, const char *dump, size_t len)
{
	const char *end = dump + len, *next;

	*out = 0;
	for (const char *line = dump; line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		line = past_stamp(line, next);
		if (says_why(line, (size_t)(next - line))) {
			keep_line(out, cap, line, (size_t)(next - line));
			return;
		}
		if (!*out)
			keep_line(out, cap, line, (size_t)(next - line));
	}
}

/* ---- the records ---- */

struct look {
	struct crash *c;
	const char *dir, *told;
};

static void take_record(struct look *l, const struct buf *dump)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;
	size_t len = strlen(l->c->seen);

	hash_bytes(&d, dump->data, dump->len);
	digest_hex(hex, &d);
	hex[ID_LEN] = 0;
	if (!strstr(l->c->seen, hex) && len + ID_LEN + 2 <= sizeof l->c->seen)
		snprintf(l->c->seen + len, sizeof l->c->seen - len, "%s ", hex);
	if (strstr(l->told, hex))
		return;
	/* Any of them will do, but one that says why is better. */
	if (!says_why(l->c->words, strlen(l->c->words)))
		crash_words(l->c->words, sizeof l->c->words, dump->data, dump->len);
	l->c->found = true;
}

/* "dmesg-ramoops-0", or "1769904000/dmesg-efi-…" once it was moved. */
static int visit(const char *rel, bool is_dir, void *arg, struct err *e)
{
	const char *slash = strrchr(rel, '/'), *name = slash ? slash + 1 : rel;
	AUTO(buf) struct buf *dump = NULL;
	struct look *l = arg;
	char path[HOME_PATH_MAX];

	if (is_dir || strncmp(name, "dmesg-", strlen("dmesg-")) != 0)
		return 0;
	if (snprintf(path, sizeof path, "%s/%s", l->dir, rel) >= (int)sizeof path)
		return 0;
	if (file_read(&dump, path, RECORD_MAX, e) < 0)
		log_warn("%s", e->msg);
	else if (dump->len)
		take_record(l, dump);
	return 0;
}

int crash_look(struct crash *c, const char *root, struct journal *j, struct err *e)
{
	char told[CRASH_SEEN_MAX], dir[HOME_PATH_MAX];
	struct look l = { .c = c, .dir = dir, .told = told };
	struct err trouble;

	memset(c, 0, sizeof *c);
	if (journal_get(j, KEY, told, sizeof told, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (home_path(dir, root, places[i], e) < 0)
			return e->code;
		if (file_exists(dir) && file_walk(dir, visit, &l, &trouble) < 0)
			log_warn("crash records: %s", trouble.msg);
	}
	if (c->found)
		log_warn("the kernel crashed before this boot: %s", *c->words ? c->words : "its record is empty");
	return 0;
}

int crash_told(struct crash *c, struct journal *j, struct err *e)
{
	if (!c->found)
		return 0;
	if (journal_set(j, KEY, c->seen, e) < 0)
		return e->code;
	c->found = false;
	*c->words = 0;
	return 0;
}
