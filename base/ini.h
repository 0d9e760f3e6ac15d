/*
 * ini: configuration files, through inih, read against a table.
 *
 * Every key is declared with type, range and default; an unknown section or
 * key, a repeated key or a bad value is ERR_USAGE with "file:line: ...".
 */
#ifndef BASE_INI_H
#define BASE_INI_H

#include <stdbool.h>

#include "base/err.h"

enum ini_type {
	INI_TEXT,       /* char *, owned by the settings, freed by ini_release() */
	INI_INT,        /* int64_t */
	INI_SECONDS,    /* int64_t; "90", "90s", "15m", "4h", "7d" */
	INI_BYTES,      /* int64_t; "4096", "64K", "16M", "2G" */
	INI_BOOL,       /* bool; yes/no, true/false, on/off */
	INI_LIST,       /* char **, NULL-terminated; the key may be repeated and values are separated by blanks */
};

struct ini_key {
	const char *section;    /* "" for keys before the first section; "channel" also matches [channel NAME]: see many */
	const char *key;
	enum ini_type type;
	size_t offset;          /* into the settings struct */
	const char *fallback;   /* text in the same syntax; NULL: required (LIST, TEXT with "": empty) */
	int64_t min, max;       /* INT, SECONDS, BYTES; both 0: any value >= 0 */
	const char *help;       /* one line; --help prints the table */
};

/*
 * A section that may occur many times as [name LABEL]: for each LABEL, begin()
 * returns the struct its keys are stored into (NULL stops with ERR_LIMIT).
 */
struct ini_many {
	const char *section;
	const struct ini_key *keys;
	size_t count;
	void *(*begin)(void *settings, const char *label);
};

/* Defaults first, then the file. On failure everything allocated is freed. */
int ini_read(void *settings, const char *path, const struct ini_key *keys, size_t count,
	     const struct ini_many *many /* ends with section NULL; NULL: none */, struct err *e) MUST_CHECK;
void ini_release(void *settings, const struct ini_key *keys, size_t count);

#endif
