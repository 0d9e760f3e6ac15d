/* survey: promises first, then wholeness, then the boot. */
#include "survey.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/home.h"
#include "agent/host.h"
#include "base/file.h"
#include "base/proc.h"
#include "content/tree.h"
#include "witness.h"

const char *finding_name(enum finding f)
{
	static const char *const names[FINDINGS] = { "whole", "record lost", "record broken", "slot lost", "slot broken", "quarantine lost",
						     "journal lost", "journal broken", "wrong content", "no boot" };

	return names[f];
}

static enum finding PRINTF_LIKE(3, 4) found(struct survey *s, enum finding what, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(s->words, sizeof s->words, fmt, args);
	va_end(args);
	return what;
}

/* ---- the boot record ---- */

/* What the record with this number said, as the witness saw it; NULL: it never saw it whole. */
static const char *said_by(const struct marks *m, uint64_t seq)
{
	for (size_t i = m->count; i-- > 0;)
		if (!strcmp(m->list[i].what, "record") && strtoull(m->list[i].text, NULL, 10) == seq)
			return strchr(m->list[i].text, ' ') + 1;
	return NULL;
}

/* Readers were led to content: the record must say so, or be a later one than that switch's. */
static enum finding look_at_switch(struct survey *s, const struct boot_record *r, const char *says)
{
	const struct mark *led = marks_last(s->marks, "link", NULL, s->at), *by = led ? marks_last(s->marks, "record", NULL, led->at) : NULL;

	if (!led || !strcmp(led->text, says) || (by && r->seq > strtoull(by->text, NULL, 10)))
		return FOUND_WHOLE;
	return found(s, FOUND_RECORD_LOST, "readers were led to %s, and boot record %" PRIu64 " says %s", led->text, r->seq, says);
}

static enum finding look_at_record(struct survey *s, int dir, struct boot_record *r)
{
	const struct mark *acked = marks_last(s->marks, "record", NULL, s->at);
	struct boot_report why = { "" };
	enum boot_read got = boot_record_read(r, dir, &why);
	char hex[DIGEST_HEX_LEN + 1] = "none";
	const char *said;

	if (got == BOOT_READ_MISSING) {
		boot_record_init(r);
		return acked ? found(s, FOUND_RECORD_LOST, "no boot record, but number %s was acknowledged", acked->text) : FOUND_WHOLE;
	}
	if (got != BOOT_READ_OK && got != BOOT_READ_ONE)
		return found(s, FOUND_RECORD_BROKEN, "%s", why.text);
	if (acked && r->seq < strtoull(acked->text, NULL, 10))
		return found(s, FOUND_RECORD_LOST, "boot record %" PRIu64 ", but number %s was acknowledged", r->seq, acked->text);
	said = said_by(s->marks, r->seq);
	if (boot_running(r))
		boot_digest_hex(hex, boot_running(r));
	if (said && strcmp(said, hex) != 0)
		return found(s, FOUND_RECORD_BROKEN, "boot record %" PRIu64 " says %s, but was written as %s", r->seq, hex, said);
	return look_at_switch(s, r, hex);
}

/* ---- slots ---- */

static enum finding look_at_slot(struct survey *s, int slots, const char *name)
{
	AUTO_FD int slot = openat(slots, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct digest d;
	struct err e;

	if (!digest_parse(&d, name, strlen(name)))
		return FOUND_WHOLE;
	if (slot < 0)
		return found(s, FOUND_SLOT_BROKEN, "slot %s is no directory", name);
	if (tree_verify(slot, &d, NULL, NULL, NULL, &e) < 0)
		return found(s, FOUND_SLOT_BROKEN, "slot %s: %s", name, e.msg);
	return FOUND_WHOLE;
}

static enum finding slots_whole(struct survey *s, int slots)
{
	enum finding f = FOUND_WHOLE;
	DIR *list = fdopendir(dup(slots));

	for (struct dirent *entry; list && f == FOUND_WHOLE && (entry = readdir(list));)
		f = look_at_slot(s, slots, entry->d_name);
	if (list)
		closedir(list);
	return f;
}

static enum finding look_at_slots(struct survey *s, int dir, const struct boot_record *r)
{
	AUTO_FD int slots = openat(dir, "slots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < s->marks->count; i++) {
		const struct mark *m = &s->marks->list[i];

		if (m->at > s->at || strcmp(m->what, "slot") != 0 || marks_last(s->marks, "gone", m->text, s->at))
			continue;
		if (faccessat(slots, m->text, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return found(s, FOUND_SLOT_LOST, "slot %s was acknowledged", m->text);
	}
	for (int rung = RUNG_TRIAL; rung < RUNG_NONE; rung++)
		if (!boot_digest_empty(r->digest[rung]) && !boot_slot_exists(dir, r->digest[rung]))
			return found(s, FOUND_SLOT_LOST, "the boot record names a %s that is not there", boot_rung_name((unsigned)rung));
	return slots < 0 ? FOUND_WHOLE : slots_whole(s, slots);
}

/* ---- quarantine and journal ---- */

static enum finding look_at_quarantine(struct survey *s, int dir)
{
	AUTO_FD int fd = openat(dir, "quarantine.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	for (size_t i = 0; i < s->marks->count; i++) {
		const struct mark *m = &s->marks->list[i];

		if (m->at > s->at || strcmp(m->what, "quarantine") != 0)
			continue;
		if (fstatat(fd, m->text, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size == 0)
			return found(s, FOUND_QUARANTINE_LOST, "quarantine.d/%s was acknowledged", m->text);
	}
	return FOUND_WHOLE;
}

static bool integrity(sqlite3 *db)
{
	sqlite3_stmt *q;
	bool good;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &q, NULL) != SQLITE_OK)
		return false;
	good = sqlite3_step(q) == SQLITE_ROW && !strcmp((const char *)sqlite3_column_text(q, 0), "ok");
	sqlite3_finalize(q);
	return good;
}

static enum finding look_at_journal(struct survey *s)
{
	const struct mark *acked = marks_last(s->marks, "journal", NULL, s->at), *is;
	char path[HOME_PATH_MAX], key[128] = "";
	sqlite3 *db = NULL;
	bool good;
	struct err e;

	if (!acked)
		return FOUND_WHOLE;
	if (home_path(path, s->root, JOURNAL_PATH, &e) < 0)
		return found(s, FOUND_JOURNAL_BROKEN, "%s", e.msg);
	good = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK && integrity(db);
	if (good && !journal_key(key, sizeof key, db))
		snprintf(key, sizeof key, "no table yet");
	sqlite3_close(db);
	if (!good)
		return found(s, FOUND_JOURNAL_BROKEN, "agent.db is damaged");
	is = marks_last(s->marks, "journal", key, UINT64_MAX);
	if (!is)
		return found(s, FOUND_JOURNAL_BROKEN, "agent.db is at \"%s\", where it never was", key);
	return is >= acked ? FOUND_WHOLE : found(s, FOUND_JOURNAL_LOST, "agent.db is at \"%s\", but \"%s\" was acknowledged", key, acked->text);
}

/* ---- the boot ---- */

static int new_boot_id(const char *root, uint64_t number, struct err *e)
{
	char path[HOME_PATH_MAX], id[64];

	snprintf(id, sizeof id, "%08x-0000-4000-8000-%012x\n", (unsigned)(number >> 32), (unsigned)number);
	if (home_make(root, "/proc/sys/kernel/random", false, e) < 0 || home_path(path, root, "/proc/sys/kernel/random/boot_id", e) < 0)
		return e->code;
	return file_replace(path, id, strlen(id), 0644, e);
}

static enum finding guard(struct survey *s)
{
	char *argv[] = { (char *)s->guard, (char *)"--root", (char *)s->root, NULL };
	struct proc_run how = { .path = s->guard, .argv = argv, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 4096 };
	struct proc_result got = { 0 };
	bool good;
	struct err e;

	if (new_boot_id(s->root, s->at, &e) < 0 || proc_run(&how, &got, &e) < 0)
		return found(s, FOUND_NO_BOOT, "%s", e.msg);
	good = got.exit_status == 0;
	if (!good)
		found(s, FOUND_NO_BOOT, "the guard: %.300s", got.output && got.output->data ? got.output->data : "");
	proc_result_release(&got);
	return good ? FOUND_WHOLE : FOUND_NO_BOOT;
}

static bool may_run(const struct survey *s, const struct digest *d)
{
	for (size_t i = 0; i < s->count; i++)
		if (digest_equal(&s->may_run[i], d))
			return true;
	return false;
}

/* What runs is what the record said, is old or new, and readers are led to it. */
static enum finding look_at_running(struct survey *s, const struct channel *c, const struct boot_record *before)
{
	const uint8_t *said = boot_running(before);
	uint8_t linked[BOOT_DIGEST_LEN] = { 0 };
	struct boot_report why = { "" };
	char hex[DIGEST_HEX_LEN + 1];

	s->runs = trial_running(&c->boot);
	digest_hex(hex, &s->runs);
	if (boot_link_get(c->boot.run, linked, &why) < 0)
		return found(s, FOUND_WRONG_CONTENT, "%s", why.text);
	if (memcmp(linked, s->runs.bytes, DIGEST_LEN) != 0)
		return found(s, FOUND_WRONG_CONTENT, "the link leads to other content than the record's %s", hex);
	if (said ? memcmp(said, s->runs.bytes, DIGEST_LEN) != 0 : !digest_is_zero(&s->runs))
		return found(s, FOUND_WRONG_CONTENT, "%s runs after the boot; the record had said otherwise", hex);
	return may_run(s, &s->runs) ? FOUND_WHOLE : found(s, FOUND_WRONG_CONTENT, "%s runs, which is neither old nor new", hex);
}

static enum finding agent(struct survey *s, const struct boot_record *before)
{
	AUTO(settings) struct settings *settings = NULL;
	enum finding f = FOUND_WHOLE;
	struct host h = { 0 };
	struct err e;

	if (settings_load(&settings, s->root, NULL, &e) < 0 || host_open(&h, settings, false, &e) < 0)
		f = found(s, FOUND_NO_BOOT, "the agent: %s", e.msg);
	else
		f = look_at_running(s, &h.channels[0], before);
	host_close(&h);
	return f;
}

enum finding survey(struct survey *s)
{
	struct boot_report why;
	struct boot_record before;
	AUTO_FD int dir = boot_channel_open(s->root, "edr", &why);
	enum finding f = FOUND_WHOLE;

	boot_record_init(&before);
	if (dir < 0 && marks_last(s->marks, "record", NULL, s->at))
		return found(s, FOUND_RECORD_LOST, "%s", why.text);
	if (dir >= 0)
		f = look_at_record(s, dir, &before);
	if (f == FOUND_WHOLE && dir >= 0)
		f = look_at_slots(s, dir, &before);
	if (f == FOUND_WHOLE && dir >= 0)
		f = look_at_quarantine(s, dir);
	if (f == FOUND_WHOLE)
		f = look_at_journal(s);
	if (f == FOUND_WHOLE)
		f = guard(s);
	return f == FOUND_WHOLE ? agent(s, &before) : f;
}
