/* quarantine: small files, named so that the name alone is enough. */
#include "agent/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/number.h"
#include "schema/reason.h"

#define NAME_MAX_LEN (DIGEST_HEX_LEN + 24)
#define ENTRY_MAX 8192

static int open_dir(int channel_dir, struct err *e)
{
	int fd = openat(channel_dir, "quarantine.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : err_errno(e, "quarantine.d");
}

static void name_of(char out[NAME_MAX_LEN], const struct digest *d, uint64_t attempt)
{
	digest_hex(out, d);
	snprintf(out + DIGEST_HEX_LEN, NAME_MAX_LEN - DIGEST_HEX_LEN, ".%" PRIu64, attempt);
}

static bool parse_name(struct quarantine *q, const char *name)
{
	int64_t attempt;

	if (strlen(name) < DIGEST_HEX_LEN + 2 || name[DIGEST_HEX_LEN] != '.' || !digest_parse(&q->digest, name, DIGEST_HEX_LEN) ||
	    !number_parse(&attempt, name + DIGEST_HEX_LEN + 1) || attempt < 0)
		return false;
	q->attempt = (uint64_t)attempt;
	return true;
}

int quarantine_add(int channel_dir, const struct quarantine *q, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(ENTRY_MAX);
	struct json_writer w = { .out = text, .indent = true };
	char name[NAME_MAX_LEN], hex[DIGEST_HEX_LEN + 1];
	AUTO_FD int dir = open_dir(channel_dir, e);

	if (dir < 0)
		return e->code;
	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	digest_hex(hex, &q->digest);
	json_put_text(&w, "digest", hex);
	json_put_int(&w, "attempt", (int64_t)q->attempt);
	json_put_int(&w, "at", q->at);
	json_put_text(&w, "cause", q->cause);
	digest_hex(hex, &q->contract);
	json_put_text(&w, "contract", digest_is_zero(&q->contract) ? NULL : hex);
	json_put_text(&w, "evidence", q->evidence);
	json_close_object(&w);
	buf_addc(text, '\n');
	if (buf_check(text, e) < 0)
		return e->code;
	name_of(name, &q->digest, q->attempt);
	return file_replaceat(dir, name, text->data, text->len, 0644, e);
}

int quarantine_remove(int channel_dir, const struct digest *d, uint64_t attempt, struct err *e)
{
	char name[NAME_MAX_LEN];
	AUTO_FD int dir = open_dir(channel_dir, e);

	if (dir < 0)
		return e->code;
	name_of(name, d, attempt);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_errno(e, "quarantine.d/%s", name);
	return 0;
}

int quarantine_has(int channel_dir, const struct digest *d, uint64_t attempt, struct err *e)
{
	char name[NAME_MAX_LEN];
	AUTO_FD int dir = open_dir(channel_dir, e);
	struct stat st;

	if (dir < 0)
		return e->code;
	name_of(name, d, attempt);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : err_errno(e, "quarantine.d/%s", name);
}

static int read_entry(struct quarantine *q, int dir, const char *name, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *d = NULL;
	const char *cause, *evidence = "", *contract = NULL;

	if (file_readat(&text, dir, name, ENTRY_MAX, e) < 0 || json_parse(&d, name, text->data, text->len, NULL, e) < 0 ||
	    json_want_format(d, 1, NULL, e) < 0 || json_want_text(d, d->root, "cause", sizeof q->cause - 1, &cause, e) < 0 ||
	    json_want_int(d, d->root, "at", 0, INT64_MAX, &q->at, e) < 0 ||
	    json_may_text(d, d->root, "evidence", sizeof q->evidence - 1, &evidence, e) < 0 ||
	    json_may_text(d, d->root, "contract", DIGEST_HEX_LEN, &contract, e) < 0)
		return e->code;
	if (contract && !digest_parse(&q->contract, contract, strlen(contract)))
		return err_set(e, ERR_FORMAT, "%s: contract is no digest", name);
	snprintf(q->cause, sizeof q->cause, "%s", cause);
	snprintf(q->evidence, sizeof q->evidence, "%s", evidence);
	return 0;
}

int quarantine_each(int channel_dir, quarantine_visit *visit, void *arg, struct err *e)
{
	int fd = open_dir(channel_dir, e), rc = 0, seen = 0;
	struct dirent *entry;
	DIR *list;

	if (fd < 0)
		return e->code;
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return err_errno(e, "quarantine.d");
	}
	while (rc >= 0 && seen < QUARANTINE_MAX && (entry = readdir(list))) {
		struct quarantine q = { .attempt = 0 };
		struct err why;

		if (!parse_name(&q, entry->d_name))
			continue;
		seen++;
		if (read_entry(&q, dirfd(list), entry->d_name, &why) < 0) {
			snprintf(q.cause, sizeof q.cause, "%s", reason_word(REASON_INTERNAL));
			snprintf(q.evidence, sizeof q.evidence, "%.500s", why.msg);
		}
		rc = visit(arg, &q, e);
	}
	closedir(list);
	return rc < 0 ? rc : 0;
}

struct lifting {
	int channel_dir, lifted;
	const struct digest *contract;
};

/* What another sensor may see otherwise; any ceiling is the contract's. */
static bool about_the_contract(const char *cause)
{
	static const enum reason causes[] = { REASON_CONTRACT, REASON_CRASH, REASON_HANG, REASON_VERDICTS };
	static const char ceiling[] = "ceiling-";

	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (!strcmp(cause, reason_word(causes[i])))
			return true;
	return !strncmp(cause, ceiling, sizeof ceiling - 1);
}

static int lift_one(void *arg, const struct quarantine *q, struct err *e)
{
	struct lifting *l = arg;

	if (!about_the_contract(q->cause) || digest_equal(&q->contract, l->contract))
		return 0;
	l->lifted++;
	return quarantine_remove(l->channel_dir, &q->digest, q->attempt, e);
}

int quarantine_lift(int channel_dir, const struct digest *contract, struct err *e)
{
	struct lifting l = { .channel_dir = channel_dir, .contract = contract };

	return quarantine_each(channel_dir, lift_one, &l, e) < 0 ? e->code : l.lifted;
}
