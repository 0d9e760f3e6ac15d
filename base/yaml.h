/*
 * yaml: YAML sources as JSON documents, by the core schema of YAML 1.2, through libyaml.
 *
 * null, ~, true, 12, 0x1f, 0o17 and 1e3 mean what the core schema says; yes, no, on,
 * off and dates are strings, as is everything in quotes. Keys are strings or
 * decimal integers, which become strings; what is no JSON is refused with its
 * place: .inf and .nan, other keys, tags beyond the core schema, duplicate
 * keys, merge keys ("<<", which YAML 1.2 does not have), %YAML 1.1.
 *
 * The bytes are hostile. Aliases are copies: the copies of one document may be
 * YAML_COPIES_MIN bytes, or four times what it holds without them; an alias
 * may not stand inside its own anchor. Limits of size and depth are JSON's.
 * Line and column of every value are those in the YAML; columns count
 * characters.
 */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/json.h"

#define YAML_ANCHORS_MAX 1000           /* in one document */
#define YAML_ALIASES_MAX 100000
#define YAML_COPIES_MIN ((size_t)1 << 20)

struct yaml;

/* Up to cap bytes of the source into `to`: how many, 0 at the end, or negative with e set. */
typedef int yaml_read(void *arg, void *to, size_t cap, struct err *e);

/* A stream of documents; memory is bounded by the largest of them. name is borrowed and must outlive the documents, too. */
int yaml_open(struct yaml **out, const char *name, yaml_read *read, void *arg, const struct json_limits *limits /* NULL: the defaults */,
	      struct err *e) MUST_CHECK;

/* The next document: 1, or 0 at the end. After an error nothing more can be read. The caller frees it. */
int yaml_next(struct yaml *y, struct json_doc **out, struct err *e) MUST_CHECK;
void yaml_close(struct yaml *y);        /* NULL is fine */

/* Exactly one document in len bytes, which are not needed afterwards. */
int yaml_parse(struct json_doc **out, const char *name, const char *text, size_t len, const struct json_limits *limits,
	       struct err *e) MUST_CHECK;

AUTO_DEFINE(yaml, struct yaml *, yaml_close);

#endif
