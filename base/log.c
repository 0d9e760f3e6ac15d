/* log: one line per event on standard error, logfmt or JSON. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TEXT_MAX_BYTES 2048     /* of a message; the rest is cut off */
#define LINE_MAX_BYTES ((size_t)64 << 10)        /* a message with every byte escaped, its fields, and what stands around them */

static const char *log_unit = "ringhold";
static enum log_level log_most = LOG_INFO;
static enum log_form log_as = LOG_LOGFMT;
static _Thread_local char request_id[LOG_REQUEST_MAX + 1];

static const char *const forms[] = { [LOG_LOGFMT] = "logfmt", [LOG_JSON] = "json" };

void log_init(const char *unit, enum log_level most)
{
	log_unit = unit;
	log_most = most;
}

void log_escape(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c > 0x7e)
			buf_addf(out, "\\x%02x", c);
		else
			buf_addc(out, (char)c);
	}
}

void log_set_form(enum log_form form)
{
	log_as = form;
}

bool log_form_parse(enum log_form *out, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (strcmp(forms[i], name) == 0) {
			*out = (enum log_form)i;
			return true;
		}
	return false;
}

void log_request(const char *id)
{
	snprintf(request_id, sizeof request_id, "%s", id ? id : "");
}

/* A value between its quotes. JSON knows no \xNN: its backslash is escaped there like any other. */
static void add_quoted(struct buf *out, const char *text)
{
	for (; *text; text++) {
		bool plain = *text >= 0x20 && *text <= 0x7e;

		if (*text == '"' || *text == '\\' || (!plain && log_as == LOG_JSON))
			buf_addc(out, '\\');
		log_escape(out, text, 1);
	}
}

static void add_member(struct buf *out, const char *key, const char *value)
{
	if (log_as == LOG_JSON)
		buf_addf(out, ",\"%s\":\"", key);
	else
		buf_addf(out, " %s=\"", key);
	add_quoted(out, value);
	buf_addc(out, '"');
}

/* What every line begins with. Words of ours: nothing to quote in logfmt. */
static void begin(struct buf *line, enum log_level level)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };
	char when[CLOCK_TEXT_LEN + 1];

	clock_text(when, clock_now());
	buf_addf(line, log_as == LOG_JSON ? "{\"time\":\"%s\",\"level\":\"%s\",\"unit\":\"%s\"" : "time=%s level=%s unit=%s", when,
		 words[level], log_unit);
}

void log_fields(enum log_level level, const struct log_field *fields, size_t count, const char *msg)
{
	struct buf line = { .max = LINE_MAX_BYTES };
	ssize_t written;

	if (level > log_most)
		return;
	begin(&line, level);
	add_member(&line, "msg", msg);
	for (size_t i = 0; i < count; i++)
		if (fields[i].value)
			add_member(&line, fields[i].key, fields[i].value);
	if (request_id[0])
		add_member(&line, "request", request_id);
	buf_adds(&line, log_as == LOG_JSON ? "}\n" : "\n");
	/* One write, so that lines of several processes do not mix; nobody is left to tell when it fails. */
	if (!line.failed) {
		written = write(STDERR_FILENO, line.data, line.len);
		(void)written;
	}
	buf_release(&line);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char text[TEXT_MAX_BYTES];
	va_list ap;

	if (level > log_most)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	log_fields(level, NULL, 0, text);
}
