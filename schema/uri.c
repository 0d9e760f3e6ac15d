/* uri: references of RFC 3986, taken apart and resolved. */
#include "schema/uri.h"

#include <string.h>

static bool is_scheme(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = s[i], low = (char)(c | 0x20);

		if (low >= 'a' && low <= 'z')
			continue;
		if (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))
			return false;
	}
	return len > 0;
}

/* From *s up to the first of `stops`, or to the end. */
static struct uri_part until(const char **s, const char *end, const char *stops)
{
	struct uri_part p = { .text = *s };

	while (*s < end && !(**s && strchr(stops, **s)))
		++*s;
	p.len = (size_t)(*s - p.text);
	return p;
}

void uri_split(struct uri *u, const char *text, size_t len)
{
	const char *s = text, *end = text + len;
	struct uri_part head = until(&s, end, ":/?#");

	*u = (struct uri){ 0 };
	if (s < end && *s == ':' && is_scheme(head.text, head.len)) {
		u->scheme = head;
		s++;
	} else {
		s = text;
	}
	if (end - s >= 2 && s[0] == '/' && s[1] == '/') {
		s += 2;
		u->authority = until(&s, end, "/?#");
	}
	u->path = until(&s, end, "?#");
	if (s < end && *s == '?') {
		s++;
		u->query = until(&s, end, "#");
	}
	if (s < end)
		u->fragment = (struct uri_part){ s + 1, (size_t)(end - s) - 1 };
}

struct writer {
	char *out;
	size_t len;
	bool over;
};

static void put(struct writer *w, const char *text, size_t len)
{
	if (len >= URI_MAX - w->len) {
		w->over = true;
		return;
	}
	memcpy(w->out + w->len, text, len);
	w->len += len;
}

static void drop_segment(struct writer *w, size_t start)
{
	while (w->len > start && w->out[w->len - 1] != '/')
		w->len--;
	if (w->len > start)
		w->len--;
}

/* Writes path without its dot segments (5.2.4). */
static void put_path(struct writer *w, const char *path, size_t len, bool rooted)
{
	size_t start = w->len;
	const char *s = path, *end = path + len;

	while (s < end) {
		bool slash = *s == '/';
		const char *segment = s + slash, *stop = segment;
		size_t width;

		while (stop < end && *stop != '/')
			stop++;
		width = (size_t)(stop - segment);
		s = stop;
		if (rooted && width == 1 && segment[0] == '.') {
			if (s == end)
				put(w, "/", 1);
		} else if (rooted && width == 2 && segment[0] == '.' && segment[1] == '.') {
			drop_segment(w, start);
			if (s == end)
				put(w, "/", 1);
		} else {
			put(w, segment - slash, width + slash);
		}
	}
}

/* The base's path up to its last slash, then the reference's (5.2.3). */
static void put_merged(struct writer *w, const struct uri *base, const struct uri *ref)
{
	char merged[URI_MAX];
	size_t len = base->path.len;

	while (len && base->path.text[len - 1] != '/')
		len--;
	if (len + ref->path.len + 1 >= sizeof merged) {
		w->over = true;
		return;
	}
	if (base->authority.text && !base->path.len)
		merged[len++] = '/';
	else
		memcpy(merged, base->path.text, len);
	memcpy(merged + len, ref->path.text, ref->path.len);
	len += ref->path.len;
	put_path(w, merged, len, len && merged[0] == '/');
}

static void put_head(struct writer *w, const struct uri *scheme, const struct uri *authority)
{
	if (scheme->scheme.text) {
		put(w, scheme->scheme.text, scheme->scheme.len);
		put(w, ":", 1);
	}
	if (authority->authority.text) {
		put(w, "//", 2);
		put(w, authority->authority.text, authority->authority.len);
	}
}

bool uri_resolve(char out[URI_MAX], const char *base_text, const char *ref_text, size_t len)
{
	struct writer w = { .out = out };
	const struct uri_part *query;
	struct uri base, ref;

	uri_split(&base, base_text, strlen(base_text));
	uri_split(&ref, ref_text, len);
	query = &ref.query;
	if (ref.scheme.text || ref.authority.text) {
		put_head(&w, ref.scheme.text ? &ref : &base, &ref);
		put_path(&w, ref.path.text, ref.path.len, ref.path.len && ref.path.text[0] == '/');
	} else {
		put_head(&w, &base, &base);
		if (!ref.path.len) {
			put(&w, base.path.text, base.path.len);
			query = ref.query.text ? &ref.query : &base.query;
		} else if (ref.path.text[0] == '/') {
			put_path(&w, ref.path.text, ref.path.len, true);
		} else {
			put_merged(&w, &base, &ref);
		}
	}
	if (query->text) {
		put(&w, "?", 1);
		put(&w, query->text, query->len);
	}
	out[w.len] = '\0';
	return !w.over;
}
