/* json_write: a writer that appends JSON to a buf, and the canonical form that signatures cover. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_parts.h"

size_t json_character(const char *text, size_t len)
{
	char four[5] = "";

	if ((unsigned char)text[0] < 0x80)
		return 1;
	memcpy(four, text, MIN(len, sizeof four - 1));
	return json_utf8_len(four);
}

/* What comes from disks or was cut to fit may be no UTF-8; a document is, whatever it quotes. */
static void put_string(struct buf *b, const char *text, size_t len)
{
	static const char letter[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	size_t start = 0;

	buf_addc(b, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		size_t wide = json_character(text + i, len - i);

		if (wide && c >= 0x20 && c != '"' && c != '\\') {
			i += wide - 1;
			continue;
		}
		buf_add(b, text + start, i - start);
		start = i + 1;
		if (!wide)
			buf_adds(b, "\xef\xbf\xbd");
		else if (c >= 0x20)
			buf_addf(b, "\\%c", c);
		else if (c < sizeof letter && letter[c])
			buf_addf(b, "\\%c", letter[c]);
		else
			buf_addf(b, "\\u%04x", c);
	}
	buf_add(b, text + start, len - start);
	buf_addc(b, '"');
}

static void line_break(struct json_writer *w)
{
	if (!w->indent)
		return;
	buf_addc(w->out, '\n');
	for (unsigned i = 0; i < w->depth; i++)
		buf_adds(w->out, "  ");
}

/* What stands before every value: comma, line break, key. */
static void begin(struct json_writer *w, const char *key, size_t key_len)
{
	if (w->comma)
		buf_addc(w->out, ',');
	if (w->depth)
		line_break(w);
	if (key) {
		put_string(w->out, key, key_len);
		buf_adds(w->out, w->indent ? ": " : ":");
	}
	w->comma = true;
}

static void place(struct json_writer *w, const char *key)
{
	assert(w->depth || !key);
	begin(w, key, key ? strlen(key) : 0);
}

static void open_with(struct json_writer *w, char bracket)
{
	buf_addc(w->out, bracket);
	w->depth++;
	w->comma = false;
}

static void close_with(struct json_writer *w, char bracket)
{
	assert(w->depth);
	w->depth--;
	if (w->comma)
		line_break(w);
	buf_addc(w->out, bracket);
	w->comma = w->depth > 0;
}

void json_open_object(struct json_writer *w, const char *key)
{
	place(w, key);
	open_with(w, '{');
}

void json_open_array(struct json_writer *w, const char *key)
{
	place(w, key);
	open_with(w, '[');
}

void json_close_object(struct json_writer *w)
{
	close_with(w, '}');
}

void json_close_array(struct json_writer *w)
{
	close_with(w, ']');
}

void json_put_textn(struct json_writer *w, const char *key, const char *text, size_t len)
{
	place(w, key);
	put_string(w->out, text, len);
}

void json_put_text(struct json_writer *w, const char *key, const char *text)
{
	if (text)
		json_put_textn(w, key, text, strlen(text));
	else
		json_put_null(w, key);
}

void json_put_int(struct json_writer *w, const char *key, int64_t v)
{
	place(w, key);
	buf_addf(w->out, "%" PRId64, v);
}

void json_put_double(struct json_writer *w, const char *key, double v)
{
	char text[40];

	assert(isfinite(v));
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	place(w, key);
	buf_adds(w->out, text);
}

void json_put_bool(struct json_writer *w, const char *key, bool v)
{
	place(w, key);
	buf_adds(w->out, v ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *key)
{
	place(w, key);
	buf_adds(w->out, "null");
}

void json_put_time(struct json_writer *w, const char *key, int64_t seconds)
{
	char text[CLOCK_TEXT_LEN + 1];

	clock_text(text, seconds);
	json_put_text(w, key, text);
}

static void put_value(struct json_writer *w, const struct json *v)
{
	switch (v->type) {
	case JSON_STRING:
		put_string(w->out, v->u.text, v->count);
		break;
	case JSON_NUMBER:
		buf_add(w->out, v->u.text, v->count);
		break;
	case JSON_ARRAY:
		open_with(w, '[');
		for (uint32_t i = 0; i < v->count; i++) {
			begin(w, NULL, 0);
			put_value(w, &v->u.items[i]);
		}
		close_with(w, ']');
		break;
	case JSON_OBJECT:
		open_with(w, '{');
		for (uint32_t i = 0; i < v->count; i++) {
			const struct json_member *m = &v->u.members[i];

			begin(w, m->key.text, m->key.len);
			put_value(w, &m->value);
		}
		close_with(w, '}');
		break;
	default:
		buf_adds(w->out, json_type_name(v->type));
	}
}

void json_put_value(struct json_writer *w, const char *key, const struct json *v)
{
	place(w, key);
	put_value(w, v);
}

/* ---- canonical ---- */

static void canonical_string(struct buf *out, const char *text, size_t len)
{
	size_t start = 0;

	buf_addc(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '"' && text[i] != '\\')
			continue;
		buf_add(out, text + start, i - start);
		buf_addc(out, '\\');
		start = i;
	}
	buf_add(out, text + start, len - start);
	buf_addc(out, '"');
}

/* UTF-8 sorts by code point when it sorts by byte. */
static int by_code_point(const void *a, const void *b)
{
	const struct json_member *x = *(const struct json_member *const *)a, *y = *(const struct json_member *const *)b;
	int order = memcmp(x->key.text, y->key.text, MIN(x->key.len, y->key.len));

	return order ? order : x->key.len < y->key.len ? -1 : x->key.len > y->key.len;
}

static int canonical_object(struct buf *out, const struct json *v, struct err *e)
{
	AUTO_FREE const struct json_member **m = malloc(MAX(v->count, 1) * sizeof(*m));
	int rc = 0;

	if (!m)
		return err_memory(e);
	for (uint32_t i = 0; i < v->count; i++)
		m[i] = &v->u.members[i];
	qsort(m, v->count, sizeof(*m), by_code_point);
	buf_addc(out, '{');
	for (uint32_t i = 0; i < v->count && rc == 0; i++) {
		if (i)
			buf_addc(out, ',');
		canonical_string(out, m[i]->key.text, m[i]->key.len);
		buf_addc(out, ':');
		rc = json_canonical(out, &m[i]->value, e);
	}
	buf_addc(out, '}');
	return rc;
}

static int canonical_array(struct buf *out, const struct json *v, struct err *e)
{
	int rc = 0;

	buf_addc(out, '[');
	for (uint32_t i = 0; i < v->count && rc == 0; i++) {
		if (i)
			buf_addc(out, ',');
		rc = json_canonical(out, &v->u.items[i], e);
	}
	buf_addc(out, ']');
	return rc;
}

int json_canonical(struct buf *out, const struct json *v, struct err *e)
{
	int rc = 0;

	switch (v->type) {
	case JSON_NUMBER:
		if (strpbrk(v->u.text, ".eE"))
			return err_set(e, ERR_FORMAT, "%.40s has no canonical form: only integers have", v->u.text);
		buf_adds(out, strcmp(v->u.text, "-0") == 0 ? "0" : v->u.text);
		break;
	case JSON_STRING:
		canonical_string(out, v->u.text, v->count);
		break;
	case JSON_ARRAY:
		rc = canonical_array(out, v, e);
		break;
	case JSON_OBJECT:
		rc = canonical_object(out, v, e);
		break;
	default:
		buf_adds(out, json_type_name(v->type));
	}
	return rc < 0 ? rc : buf_check(out, e);
}
