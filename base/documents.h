/*
 * documents: the documents of one file or stream, one after the other.
 *
 * JSON is one document, NDJSON one on every line that is not blank, YAML any
 * number. Memory is bounded by the largest document, not by the file; line and
 * column count in the file.
 */
#ifndef BASE_DOCUMENTS_H
#define BASE_DOCUMENTS_H

#include "base/json.h"

enum documents_kind {
	DOCUMENTS_BY_NAME,      /* .ndjson, .jsonl; .yaml, .yml; everything else is JSON */
	DOCUMENTS_JSON,
	DOCUMENTS_NDJSON,
	DOCUMENTS_YAML,
};

struct documents;

/* path is borrowed; "-" is standard input. limits are of one document; NULL: the defaults. */
int documents_open(struct documents **out, const char *path, enum documents_kind kind, const struct json_limits *limits,
		   struct err *e) MUST_CHECK;

/*
 * The next document: 1, or 0 at the end. It belongs to the stream and lives
 * until the next call. After an error the next call goes on with the next line
 * of NDJSON; anything else is at its end then.
 */
int documents_next(struct documents *s, const struct json_doc **out, struct err *e) MUST_CHECK;
void documents_close(struct documents *s);      /* NULL is fine */

/* The only document of a file, for schemas and the like. The caller frees *text (NULL for YAML) after *out. */
int documents_read(struct json_doc **out, struct buf **text, const char *path, const struct json_limits *limits, struct err *e) MUST_CHECK;

AUTO_DEFINE(documents, struct documents *, documents_close);

#endif
