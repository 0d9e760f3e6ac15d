/* log: one line per event on standard error, logfmt. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define TEXT_MAX_BYTES 2048     /* of a message; the rest is cut off */
#define LINE_MAX_BYTES (4 * TEXT_MAX_BYTES + 256)       /* every byte escaped, and what stands around it */

static const char *log_unit = "ringhold";
static enum log_level log_most = LOG_INFO;

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

/* A value of logfmt between its quotes. */
static void add_quoted(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_addc(out, '\\');
		log_escape(out, text, 1);
	}
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char *const words[] = { "error", "warn", "info", "debug" };
	char text[TEXT_MAX_BYTES], when[CLOCK_TEXT_LEN + 1];
	struct buf line = { .max = LINE_MAX_BYTES };
	ssize_t written;
	va_list ap;

	if (level > log_most)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	clock_text(when, clock_now());
	buf_addf(&line, "time=%s level=%s unit=%s msg=\"", when, words[level], log_unit);
	add_quoted(&line, text);
	buf_adds(&line, "\"\n");
	/* One write, so that lines of several processes do not mix; nobody is left to tell when it fails. */
	written = write(STDERR_FILENO, line.data, line.len);
	(void)written;
	buf_release(&line);
}
