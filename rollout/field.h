/*
 * field: members of our documents straight into the arrays of our structs.
 *
 * The want forms need the member; the may forms leave what is there when it is
 * absent or null. Errors name file, line, column and member.
 */
#ifndef ROLLOUT_FIELD_H
#define ROLLOUT_FIELD_H

#include "base/hash.h"
#include "base/json.h"

/* out has room for max bytes and a NUL. */
int field_want_text(const struct json_doc *d, const struct json *o, const char *key, char *out, size_t max, struct err *e) MUST_CHECK;
int field_may_text(const struct json_doc *d, const struct json *o, const char *key, char *out, size_t max, struct err *e) MUST_CHECK;
int field_want_name(const struct json_doc *d, const struct json *o, const char *key, char *out, struct err *e) MUST_CHECK; /* NAME_LEN_MAX */
int field_want_path(const struct json_doc *d, const struct json *o, const char *key, char *out, struct err *e) MUST_CHECK; /* PATH_LEN_MAX */
int field_want_digest(const struct json_doc *d, const struct json *o, const char *key, struct digest *out, struct err *e) MUST_CHECK;
int field_may_digest(const struct json_doc *d, const struct json *o, const char *key, struct digest *out, struct err *e) MUST_CHECK;
int field_want_count(const struct json_doc *d, const struct json *o, const char *key, uint64_t min, uint64_t *out, struct err *e) MUST_CHECK;
int field_may_count(const struct json_doc *d, const struct json *o, const char *key, uint64_t min, uint64_t *out, struct err *e) MUST_CHECK;

/* Writers: a zero digest is null. */
void field_put_digest(struct json_writer *w, const char *key, const struct digest *v);

#endif
