/*
 * json_jansson: the same text through jansson, which is strict, too; found at run
 * time, because its names are ours.
 *
 * Known differences, set aside before the comparison: numbers that jansson's
 * int and double do not hold, \u0000 in a key (it refuses both), nesting
 * beyond our depth, and texts with a NUL byte (it overlooks one behind a
 * number; we refuse it). jansson is told to allow \u0000, any value at the top, and
 * to refuse duplicate keys.
 */
#ifndef TESTS_JSON_JANSSON_H
#define TESTS_JSON_JANSSON_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define JANSSON_REJECT_DUPLICATES 0x1
#define JANSSON_DECODE_ANY 0x4
#define JANSSON_ALLOW_NUL 0x10
#define JANSSON_ENCODE_ANY 0x200
#define JANSSON_COMPACT 0x20
#define JANSSON_REAL_PRECISION_17 (17 << 11)

struct jansson {                /* what we use of its interface */
	void *library;
	void *(*loadb)(const char *text, size_t len, size_t flags, void *error);
	char *(*dumps)(const void *v, size_t flags);
	void (*delete)(void *v);
};

/* False: it is not installed. */
static inline bool jansson_open(struct jansson *j)
{
	j->library = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!j->library)
		return false;
	j->loadb = (void *(*)(const char *, size_t, size_t, void *))(uintptr_t)dlsym(j->library, "json_loadb");
	j->dumps = (char *(*)(const void *, size_t))(uintptr_t)dlsym(j->library, "json_dumps");
	j->delete = (void (*)(void *))(uintptr_t)dlsym(j->library, "json_delete");
	return j->loadb && j->dumps && j->delete;
}

/* Its reference count is in the second word; json_decref() is inline in its header. */
struct jansson_value {
	int type;
	volatile size_t references;
};

static inline void jansson_drop(const struct jansson *j, void *v)
{
	struct jansson_value *value = v;

	if (value && value->references != (size_t)-1 && --value->references == 0)
		j->delete(v);
}

static inline bool jansson_ordinary(const struct json *v)
{
	int64_t n;
	double x;

	if (v->type == JSON_NUMBER)
		return (strpbrk(v->u.text, ".eE") ? json_to_double(v, &x) : json_to_int(v, &n)) && v->count < 16;
	for (uint32_t i = 0; v->type == JSON_ARRAY && i < v->count; i++)
		if (!jansson_ordinary(&v->u.items[i]))
			return false;
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->count; i++)
		if (memchr(v->u.members[i].key.text, '\0', v->u.members[i].key.len) || !jansson_ordinary(&v->u.members[i].value))
			return false;
	return true;
}

/* jansson keeps doubles; compare what both wrote, numbers as doubles. */
static inline bool jansson_same(const struct json *a, const struct json *b)
{
	double x, y;

	if (a->type == JSON_NUMBER && b->type == JSON_NUMBER)
		return json_to_double(a, &x) && json_to_double(b, &y) && x == y;
	if (a->type != b->type || ((a->type == JSON_ARRAY || a->type == JSON_OBJECT) && a->count != b->count))
		return false;
	for (uint32_t i = 0; a->type == JSON_ARRAY && i < a->count; i++)
		if (!jansson_same(&a->u.items[i], &b->u.items[i]))
			return false;
	for (uint32_t i = 0; a->type == JSON_OBJECT && i < a->count; i++) {
		const struct json_member *x_m = &a->u.members[i], *y_m = &b->u.members[i];

		if (x_m->key.len != y_m->key.len || memcmp(x_m->key.text, y_m->key.text, x_m->key.len) != 0 ||
		    !jansson_same(&x_m->value, &y_m->value))
			return false;
	}
	return a->type == JSON_ARRAY || a->type == JSON_OBJECT || json_equal(a, b);
}

enum jansson_verdict { JANSSON_AGREES_NO, JANSSON_AGREES_YES, JANSSON_SET_ASIDE, JANSSON_DIFFERS };

/* why says how they differ. */
static inline enum jansson_verdict jansson_compare(const struct jansson *j, const char *text, size_t len, char why[300])
{
	AUTO(json) struct json_doc *ours = NULL;
	AUTO(json) struct json_doc *back = NULL;
	char error[2048];               /* larger than its json_error_t */
	void *theirs = j->loadb(text, len, JANSSON_REJECT_DUPLICATES | JANSSON_DECODE_ANY | JANSSON_ALLOW_NUL, error);
	AUTO_FREE char *dump = NULL;
	struct err e;
	int rc = json_parse(&ours, "ours", text, len, NULL, &e);

	if (theirs)
		dump = j->dumps(theirs, JANSSON_ENCODE_ANY | JANSSON_COMPACT | JANSSON_REAL_PRECISION_17);
	jansson_drop(j, theirs);
	if (rc == ERR_LIMIT || (rc < 0 && memchr(text, '\0', len)) || (rc == 0 && !jansson_ordinary(ours->root)))
		return JANSSON_SET_ASIDE;
	if ((rc == 0) != (theirs != NULL)) {
		snprintf(why, 300, "%.200s, jansson %s", rc ? e.msg : "accepted", theirs ? "accepts" : "refuses");
		return JANSSON_DIFFERS;
	}
	if (!theirs)
		return JANSSON_AGREES_NO;
	if (!dump || json_parse(&back, "back", dump, strlen(dump), NULL, &e) < 0 || !jansson_same(ours->root, back->root)) {
		snprintf(why, 300, "reads as %.200s with jansson", dump ? dump : "nothing");
		return JANSSON_DIFFERS;
	}
	return JANSSON_AGREES_YES;
}

#endif
