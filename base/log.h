/*
 * log: one line per event on standard error, logfmt or JSON.
 *
 *   time=2026-01-31T12:00:00Z level=warn unit=agent msg="…" request=4bf92f3577b34da6
 *   {"time":"2026-01-31T12:00:00Z","level":"warn","unit":"agent","msg":"…","request":"4bf92f3577b34da6"}
 *
 * Whatever comes from outside is escaped here, so a log line stays one line.
 * Libraries return errors; only programs and their loops log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/defs.h"
#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_form { LOG_LOGFMT, LOG_JSON };

void log_init(const char *unit, enum log_level most);   /* unit is borrowed for ever */
void log_set_form(enum log_form form);                  /* before other threads log */
bool log_form_parse(enum log_form *out, const char *name);      /* "logfmt", "json" */
/* Lines of this thread carry the id of a request from now on; NULL: no more. */
#define LOG_REQUEST_MAX 64
void log_request(const char *id);

/* Further members of a line, after the message; a NULL value leaves one out. */
struct log_field {
	const char *key;        /* a plain word of ours */
	const char *value;
};
void log_fields(enum log_level level, const struct log_field *fields, size_t count, const char *msg);
void log_at(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/*
 * Appends text with control characters and bytes above 0x7e as \xNN: safe on
 * any terminal. What was escaped once stays as it is when escaped again.
 */
void log_escape(struct buf *out, const char *text, size_t len);

#endif
