/* effects: what a sensor counted, written and read. */
#include "boot/effects.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot/report.h"

#define FIRST_LINE "ringhold-effects 1"
#define CHUNK 4096

static const struct {
	const char *key;
	size_t offset;
} fields[] = {
#define FIELD(key, member) { key, offsetof(struct ringhold_effects, member) }
	FIELD("seconds", seconds), FIELD("events", events), FIELD("errors", errors), FIELD("observe", observe),
	FIELD("alert", alert), FIELD("block", block), FIELD("quarantine", quarantine), FIELD("would-block", would_block),
	FIELD("would-quarantine", would_quarantine), FIELD("load-ms", load_ms),
#undef FIELD
};
#define FIELDS (sizeof fields / sizeof fields[0])

static bool id_valid(const char *id, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)id[i] < 0x20 || id[i] == 0x7f)
			return false;
	return len >= 1 && len <= RINGHOLD_RULE_MAX;
}

/* ---- writing: through a buffer on the stack, since a sensor may have little of it ---- */

struct output {
	int fd;
	bool failed;
	size_t len;
	char bytes[CHUNK];
};

static void flush(struct output *o)
{
	if (!o->failed && write(o->fd, o->bytes, o->len) != (ssize_t)o->len) {
		errno = errno ? errno : ENOSPC;
		o->failed = true;
	}
	o->len = 0;
}

static void BOOT_PRINTF(2, 3) put(struct output *o, const char *fmt, ...)
{
	char line[RINGHOLD_RULE_MAX + 32];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (o->len + (size_t)len > sizeof o->bytes)
		flush(o);
	memcpy(o->bytes + o->len, line, (size_t)len);
	o->len += (size_t)len;
}

static size_t count_valid(const struct ringhold_effects *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->rule_count && i < RINGHOLD_RULES_MAX; i++)
		n += id_valid(e->rules[i].id, strlen(e->rules[i].id));
	return n;
}

static void put_all(struct output *o, const char *hex, const struct ringhold_effects *e)
{
	put(o, "%s\ndigest %s\n", FIRST_LINE, hex);
	for (size_t i = 0; i < FIELDS; i++)
		put(o, "%s %" PRIu64 "\n", fields[i].key, *(const uint64_t *)(const void *)((const char *)e + fields[i].offset));
	put(o, "rules %zu\n", count_valid(e));
	for (size_t i = 0; i < e->rule_count && i < RINGHOLD_RULES_MAX; i++)
		if (id_valid(e->rules[i].id, strlen(e->rules[i].id)))
			put(o, "%" PRIu64 " %s\n", e->rules[i].verdicts, e->rules[i].id);
	flush(o);
}

int ringhold_effects(const struct ringhold_sensor *s, const struct ringhold_content *content, const struct ringhold_effects *effects,
		     struct ringhold_why *why)
{
	struct output o = { .failed = false };
	char temp[64];

	snprintf(temp, sizeof temp, ".%s.%d", EFFECTS_NAME, (int)getpid());
	unlinkat(s->run, temp, 0);
	o.fd = openat(s->run, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (o.fd < 0)
		return report_errno(REPORT(why), "%s: create", EFFECTS_NAME);
	errno = 0;
	put_all(&o, content->digest_hex, effects);
	close(o.fd);
	if (!o.failed && renameat(s->run, temp, s->run, EFFECTS_NAME) == 0)
		return 0;
	report_errno(REPORT(why), "%s: write", EFFECTS_NAME);
	unlinkat(s->run, temp, 0);
	return -1;
}

/* ---- reading ---- */

struct input {
	const char *at, *end;
	unsigned line;
};

/* The next line without its end; false: there is none. */
static bool next_line(struct input *in, const char **line, size_t *len)
{
	const char *newline = in->at < in->end ? memchr(in->at, '\n', (size_t)(in->end - in->at)) : NULL;

	if (!newline)
		return false;
	*line = in->at;
	*len = (size_t)(newline - in->at);
	in->at = newline + 1;
	in->line++;
	return true;
}

/* Decimal digits up to `stop`; what counts never goes beyond what JSON readers hold. */
static bool number(uint64_t *out, const char *digits, size_t len)
{
	*out = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)(digits[i] - '0');

		if (digit > 9 || *out > ((uint64_t)INT64_MAX - digit) / 10)
			return false;
		*out = *out * 10 + digit;
	}
	return len >= 1;
}

/* "KEY VALUE" in the next line. */
static bool expect(struct input *in, const char *key, const char **value, size_t *len)
{
	const char *line;
	size_t key_len = strlen(key);

	if (!next_line(in, &line, len) || *len <= key_len + 1 || memcmp(line, key, key_len) != 0 || line[key_len] != ' ')
		return false;
	*value = line + key_len + 1;
	*len -= key_len + 1;
	return true;
}

static bool expect_number(struct input *in, const char *key, uint64_t *out)
{
	const char *value;
	size_t len;

	return expect(in, key, &value, &len) && number(out, value, len);
}

static bool parse_head(struct boot_effects *out, struct input *in)
{
	const char *value;
	size_t len;

	if (!next_line(in, &value, &len) || len != strlen(FIRST_LINE) || memcmp(value, FIRST_LINE, len) != 0)
		return false;
	if (!expect(in, "digest", &value, &len) || !boot_digest_parse(out->digest, value, len))
		return false;
	for (size_t i = 0; i < FIELDS; i++)
		if (!expect_number(in, fields[i].key, (uint64_t *)(void *)((char *)&out->counts + fields[i].offset)))
			return false;
	return true;
}

static bool parse_rule(struct boot_effects *out, size_t i, struct input *in)
{
	const char *line, *space;
	size_t len, id_len;

	if (!next_line(in, &line, &len))
		return false;
	space = memchr(line, ' ', len);
	if (!space || !number(&out->rules[i].verdicts, line, (size_t)(space - line)))
		return false;
	id_len = len - (size_t)(space + 1 - line);
	if (!id_valid(space + 1, id_len))
		return false;
	memcpy(out->ids[i], space + 1, id_len);
	out->ids[i][id_len] = '\0';
	out->rules[i].id = out->ids[i];
	return true;
}

int boot_effects_parse(struct boot_effects *out, const char *bytes, size_t len, struct boot_report *why)
{
	struct input in = { .at = bytes, .end = bytes + len };
	uint64_t rules = 0;
	bool fine;

	memset(out, 0, sizeof *out);
	fine = len <= EFFECTS_BYTES_MAX && parse_head(out, &in) && expect_number(&in, "rules", &rules) && rules <= RINGHOLD_RULES_MAX;
	for (uint64_t i = 0; fine && i < rules; i++)
		fine = parse_rule(out, i, &in);
	if (!fine || in.at != in.end)
		return report_set(why, "%s: line %u is not what a sensor reports", EFFECTS_NAME, in.line + !fine);
	out->counts.rules = out->rules;
	out->counts.rule_count = rules;
	return 0;
}

int boot_effects_read(struct boot_effects *out, int run_dir, struct boot_report *why)
{
	static char bytes[EFFECTS_BYTES_MAX + 1];
	int fd = openat(run_dir, EFFECTS_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : report_errno(why, "%s: open", EFFECTS_NAME);
	while (len < sizeof bytes && (n = read(fd, bytes + len, sizeof bytes - len)) > 0)
		len += (size_t)n;
	if (n < 0)
		report_errno(why, "%s: read", EFFECTS_NAME);
	close(fd);
	if (n < 0)
		return -1;
	return boot_effects_parse(out, bytes, len, why) < 0 ? -1 : 1;
}
