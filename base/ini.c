/* ini: configuration files, through inih, read against a table. */
#include "base/ini.h"

#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "base/file.h"
#include "base/number.h"

#define FILE_MAX ((size_t)1 << 20)
#define SECTION_MAX 128         /* "channel " and a label, with room */

/* A struct that keys are stored into: the settings, or one of many. */
struct scope {
	char name[SECTION_MAX];         /* of its section, with the label; "" for the settings */
	char *base;
	const struct ini_key *keys;
	size_t count;
	unsigned *lines;                /* per key: where it was given; 0: not yet; owned */
};

struct reading {
	const char *path, *at, *end;
	unsigned line;
	char section[SECTION_MAX];
	const struct ini_many *many;
	struct scope *scopes;           /* owned; [0] is the settings */
	size_t count;
	struct scope *current;          /* what keys of this section belong to */
	void *settings;
	struct err *e;
};

static int value_int(const struct ini_key *k, const char *text, int64_t *out, struct err *e)
{
	static const struct {
		enum ini_type type;
		bool (*parse)(int64_t *out, const char *text);
		const char *like;
	} kinds[] = {
		{ INI_INT, number_parse, "a whole number" },
		{ INI_SECONDS, number_parse_seconds, "a time such as 90, 15m, 4h or 7d" },
		{ INI_BYTES, number_parse_bytes, "a size such as 4096, 64K, 16M or 2G" },
	};
	bool any = k->min == 0 && k->max == 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].type == k->type && !kinds[i].parse(out, text))
			return err_set(e, ERR_USAGE, "%s: \"%s\" is not %s", k->key, text,
				       kinds[i].like);
	if (any ? *out >= 0 : *out >= k->min && *out <= k->max)
		return 0;
	if (any)
		return err_set(e, ERR_USAGE, "%s: %s is negative", k->key, text);
	return err_set(e, ERR_USAGE, "%s: %s is not between %lld and %lld", k->key, text,
		       (long long)k->min, (long long)k->max);
}

static int value_bool(const struct ini_key *k, const char *text, bool *out, struct err *e)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcmp(text, words[i])) {
			*out = i & 1;
			return 0;
		}
	return err_set(e, ERR_USAGE, "%s: \"%s\" is neither yes nor no", k->key, text);
}

static void list_free(char ***list)
{
	for (char **item = *list; item && *item; item++)
		free(*item);
	free(*list);
	*list = NULL;
}

static int list_add(char ***list, const char *text, struct err *e)
{
	size_t count = 0;

	while (*list && (*list)[count])
		count++;
	for (;;) {
		char **more = reallocarray(*list, count + 2, sizeof *more);
		size_t len;

		if (!more)
			return err_memory(e);
		*list = more;
		more[count] = NULL;
		text += strspn(text, " \t");
		len = strcspn(text, " \t");
		if (!len)
			return 0;
		more[count] = strndup(text, len);
		if (!more[count])
			return err_memory(e);
		more[++count] = NULL;
		text += len;
	}
}

static int store(const struct ini_key *k, char *base, const char *text, struct err *e)
{
	void *into = base + k->offset;
	char **slot = into;

	switch (k->type) {
	case INI_BOOL:
		return value_bool(k, text, into, e);
	case INI_LIST:
		return list_add(into, text, e);
	case INI_TEXT:
		free(*slot);
		*slot = strdup(text);
		return *slot ? 0 : err_memory(e);
	default:
		return value_int(k, text, into, e);
	}
}

void ini_release(void *settings, const struct ini_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		void *at = (char *)settings + keys[i].offset;
		char **text = at;

		if (keys[i].type == INI_LIST) {
			list_free(at);
		} else if (keys[i].type == INI_TEXT) {
			free(*text);
			*text = NULL;
		}
	}
}

/* A new scope with its defaults in place. */
static int scope_open(struct reading *r, const char *name, void *base, const struct ini_key *keys,
		      size_t count)
{
	struct scope *more = reallocarray(r->scopes, r->count + 1, sizeof *more);
	struct scope *s;

	if (!more)
		return err_memory(r->e);
	r->scopes = more;
	s = &more[r->count];
	*s = (struct scope){ .base = base, .keys = keys, .count = count };
	snprintf(s->name, sizeof s->name, "%s", name);
	s->lines = calloc(count + 1, sizeof *s->lines);
	if (!s->lines)
		return err_memory(r->e);
	r->count++;
	r->current = s;
	for (size_t i = 0; i < count; i++)
		if (keys[i].type == INI_TEXT || keys[i].type == INI_LIST)
			*(char **)(void *)(s->base + keys[i].offset) = NULL;
	for (size_t i = 0; i < count; i++)
		if (keys[i].fallback && store(&keys[i], s->base, keys[i].fallback, r->e) < 0)
			return err_wrap(r->e, "default");
	return 0;
}

static bool has_section(const struct scope *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->keys[i].section, name))
			return true;
	return false;
}

static int open_labelled(struct reading *r, const struct ini_many *m, const char *label)
{
	void *base;

	for (size_t i = 1; i < r->count; i++)
		if (!strcmp(r->scopes[i].name, r->section))
			return err_set(r->e, ERR_USAGE, "section [%s] occurs twice", r->section);
	base = m->begin(r->settings, label);
	if (!base)
		return err_set(r->e, ERR_LIMIT, "[%s]: no room for another section of this kind",
			       r->section);
	return scope_open(r, r->section, base, m->keys, m->count);
}

static int section_begins(struct reading *r)
{
	const char *label = strpbrk(r->section, " \t");

	for (const struct ini_many *m = r->many; m && m->section; m++) {
		size_t len = strlen(m->section);

		if (strncmp(r->section, m->section, len) != 0)
			continue;
		if (!r->section[len])
			return err_set(r->e, ERR_USAGE, "section [%s] needs a label: [%s NAME]",
				       r->section, r->section);
		if (label == r->section + len)
			return open_labelled(r, m, label + strspn(label, " \t"));
	}
	r->current = &r->scopes[0];
	if (has_section(r->current, r->section))
		return 0;
	return err_set(r->e, ERR_USAGE, "unknown section [%s]", r->section);
}

/* The names inih hands over are cut at 50 bytes and empty sections are not told: read them here. */
static int section_line(struct reading *r, const char *line)
{
	const char *end = strchr(line, ']');
	size_t len = end ? (size_t)(end - line - 1) : 0;

	if (!end)
		return err_set(r->e, ERR_USAGE, "section without ]");
	if (len >= sizeof r->section)
		return err_set(r->e, ERR_USAGE, "section name longer than %zu bytes",
			       sizeof r->section - 1);
	memcpy(r->section, line + 1, len);
	r->section[len] = '\0';
	return section_begins(r);
}

/* fgets() over memory, which counts lines. */
static char *next_line(char *out, int cap, void *arg)
{
	struct reading *r = arg;
	const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	size_t len = (size_t)((newline ? newline + 1 : r->end) - r->at);
	const char *text = out;

	if (r->e->code || len == 0)
		return NULL;
	r->line++;
	if (len >= (size_t)cap) {
		err_set(r->e, ERR_USAGE, "line longer than %d bytes", cap - 2);
		return NULL;
	}
	memcpy(out, r->at, len);
	out[len] = '\0';
	r->at += len;
	text += strspn(text, " \t");
	if (*text == '[' && section_line(r, text) < 0)
		return NULL;
	return out;
}

static int key_given(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *r = arg;
	struct scope *s = r->current;

	(void)section;
	if (r->e->code)
		return 0;
	for (size_t i = 0; i < s->count; i++) {
		const struct ini_key *k = &s->keys[i];

		if (strcmp(k->key, name) != 0)
			continue;
		if (s == &r->scopes[0] && strcmp(k->section, r->section) != 0)
			continue;
		if (s->lines[i] && k->type != INI_LIST)
			return err_set(r->e, ERR_USAGE, "%s was given before, in line %u", name,
				       s->lines[i]), 0;
		if (!s->lines[i] && k->type == INI_LIST)
			list_free((void *)(s->base + k->offset));
		s->lines[i] = r->line;
		return store(k, s->base, value, r->e) >= 0;
	}
	err_set(r->e, ERR_USAGE, "unknown key %s%s%s%s", name, *r->section ? " in [" : "",
		r->section, *r->section ? "]" : "");
	return 0;
}

static int check_required(struct reading *r)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct scope *s = &r->scopes[i];

		for (size_t j = 0; j < s->count; j++) {
			const struct ini_key *k = &s->keys[j];
			const char *section = i ? s->name : k->section;

			if (!k->fallback && !s->lines[j])
				return err_set(r->e, ERR_USAGE, "%s: %s%s%s%s is required", r->path,
					       *section ? "[" : "", section, *section ? "] " : "",
					       k->key);
		}
	}
	return 0;
}

static int parse(struct reading *r, const char *text, size_t len)
{
	int bad;

	if (memchr(text, '\0', len))
		return err_set(r->e, ERR_USAGE, "%s: holds a zero byte", r->path);
	r->at = text;
	r->end = text + len;
	bad = ini_parse_stream(next_line, r, key_given, r);
	if (r->e->code)
		return err_wrap(r->e, "%s:%u", r->path, r->line);
	if (bad > 0)
		return err_set(r->e, ERR_USAGE, "%s:%d: neither a section, \"key = value\" nor a comment",
			       r->path, bad);
	if (bad < 0)
		return err_memory(r->e);
	return check_required(r);
}

int ini_read(void *settings, const char *path, const struct ini_key *keys, size_t count,
	     const struct ini_many *many, struct err *e)
{
	struct err inner = { 0 };
	struct reading r = { .path = path, .many = many, .settings = settings, .e = &inner };
	AUTO(buf) struct buf *text = NULL;

	if (scope_open(&r, "", settings, keys, count) < 0)
		goto out;
	if (file_read(&text, path, FILE_MAX, &inner) < 0)
		goto out;
	parse(&r, text->data, text->len);
out:
	for (size_t i = 0; i < r.count; i++) {
		if (inner.code)
			ini_release(r.scopes[i].base, r.scopes[i].keys, r.scopes[i].count);
		free(r.scopes[i].lines);
	}
	free(r.scopes);
	if (inner.code)
		*e = inner;
	return inner.code;
}
