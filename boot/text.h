/*
 * text: small files of key=value lines in /run, replaced as a whole; for this room only.
 *
 * Values are one line of printable ASCII; whatever else is in them becomes '?'.
 */
#ifndef BOOT_TEXT_H
#define BOOT_TEXT_H

#include "boot/record.h"

#define TEXT_MAX 2048

struct text {
	char bytes[TEXT_MAX];
	size_t len;
	bool full;              /* something did not fit */
};

void text_add(struct text *t, const char *key, const char *value);
void text_add_number(struct text *t, const char *key, int64_t value);
void text_add_digest(struct text *t, const char *key, const uint8_t digest[BOOT_DIGEST_LEN]);   /* "" for zero */

/* A new file beside it, then rename: a reader sees the old or the new one. */
int text_replace(int dir, const char *name, const void *bytes, size_t len, struct boot_report *why) BOOT_MUST_CHECK;
int text_write(const struct text *t, int dir, const char *name, struct boot_report *why) BOOT_MUST_CHECK;
/* ---- text_read.c ---- */

/* 1 read, 0 absent, -1 unreadable or malformed. */
int text_read(struct text *t, int dir, const char *name, struct boot_report *why) BOOT_MUST_CHECK;

/* False when the key is absent or its value does not fit, is no number, no digest, none of the names. */
bool text_get(const struct text *t, const char *key, char *out, size_t cap);
bool text_get_number(const struct text *t, const char *key, int64_t *out);
bool text_get_digest(const struct text *t, const char *key, uint8_t out[BOOT_DIGEST_LEN]);
bool text_get_name(const struct text *t, const char *key, const char *(*name)(unsigned value),
		   unsigned count, unsigned *out);

#endif
