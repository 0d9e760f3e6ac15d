/*
 * log: one line per event on standard error, logfmt.
 *
 *   time=2026-01-31T12:00:00Z level=warn unit=agent msg="…"
 *
 * Whatever comes from outside is escaped here, so a log line stays one line.
 * Libraries return errors; only programs and their loops log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/defs.h"
#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_init(const char *unit, enum log_level most);   /* unit is borrowed for ever */
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
