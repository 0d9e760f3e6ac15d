/* documents: the documents of one file or stream, one after the other. */
#include "base/documents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/yaml.h"

#define PIECE ((size_t)64 << 10)
#define BYTES ((size_t)64 << 20)

struct documents {
	const char *path;
	enum documents_kind kind;
	struct json_limits limits;      /* bytes filled in */
	int fd;
	bool ended;                     /* nothing more to be read */
	struct buf in;                  /* what was read and not yet taken */
	size_t taken, searched;         /* bytes of it */
	unsigned line;                  /* of the last line that was taken */
	struct yaml *yaml;
	struct json_doc *doc;           /* given out */
};

static bool ends_with(const char *path, const char *ending)
{
	size_t len = strlen(path), end = strlen(ending);

	return len > end && strcmp(path + len - end, ending) == 0;
}

static enum documents_kind kind_of(const char *path)
{
	if (ends_with(path, ".ndjson") || ends_with(path, ".jsonl"))
		return DOCUMENTS_NDJSON;
	return ends_with(path, ".yaml") || ends_with(path, ".yml") ? DOCUMENTS_YAML : DOCUMENTS_JSON;
}

static int read_piece(void *arg, void *to, size_t cap, struct err *e)
{
	struct documents *s = arg;
	ssize_t n;

	do
		n = read(s->fd, to, MIN(cap, PIECE));
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_errno(e, "%s: read", s->path) : (int)n;
}

int documents_open(struct documents **out, const char *path, enum documents_kind kind, const struct json_limits *limits, struct err *e)
{
	AUTO(documents) struct documents *s = calloc(1, sizeof *s);

	if (!s)
		return err_memory(e);
	s->path = strcmp(path, "-") == 0 ? "standard input" : path;
	s->kind = kind == DOCUMENTS_BY_NAME ? kind_of(path) : kind;
	if (limits)
		s->limits = *limits;
	if (s->limits.bytes == 0)
		s->limits.bytes = BYTES;
	s->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0)
		return err_errno(e, "%s: open", s->path);
	if (s->kind == DOCUMENTS_YAML && yaml_open(&s->yaml, s->path, read_piece, s, &s->limits, e) < 0)
		return e->code;
	*out = TAKE(s);
	return 0;
}

void documents_close(struct documents *s)
{
	if (!s)
		return;
	json_free(s->doc);
	yaml_close(s->yaml);
	buf_release(&s->in);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* ---- lines ---- */

/* Makes room by forgetting what was taken, and reads on: how much came. */
static int more(struct documents *s, struct err *e)
{
	char *room;
	int n;

	if (s->taken) {
		memmove(s->in.data, s->in.data + s->taken, s->in.len - s->taken);
		s->in.len -= s->taken;
		s->searched -= s->taken;
		s->taken = 0;
	}
	room = buf_grow(&s->in, PIECE);
	if (!room)
		return err_memory(e);
	n = read_piece(s, room, PIECE, e);
	if (n <= 0)
		s->ended = true;
	else
		s->in.len += (size_t)n;
	return n;
}

/* Over the limit: the rest of the line is read and thrown away. */
static int too_long(struct documents *s, struct err *e)
{
	struct err trouble;
	const char *nl = NULL;

	while (!nl && !s->ended) {
		s->taken = s->searched = s->in.len;
		if (more(s, &trouble) < 0)
			break;
		nl = s->in.len ? memchr(s->in.data, '\n', s->in.len) : NULL;
	}
	s->taken = s->searched = nl ? (size_t)(nl - s->in.data) + 1 : s->in.len;
	return err_set(e, ERR_LIMIT, "%s:%u:1: a line of more than the %zu bytes allowed", s->path, s->line, s->limits.bytes);
}

/* The next line, without its end, in s->in: 1, or 0 at the end. */
static int next_line(struct documents *s, size_t *from, size_t *len, struct err *e)
{
	for (;;) {
		const char *nl = s->in.len > s->searched ? memchr(s->in.data + s->searched, '\n', s->in.len - s->searched) : NULL;
		size_t end = nl ? (size_t)(nl - s->in.data) : s->in.len;

		if (!nl && s->ended && end == s->taken)
			return 0;
		if (nl || s->ended || end - s->taken > s->limits.bytes)
			s->line++;
		if (end - s->taken > s->limits.bytes) {
			s->searched = end;
			if (nl) {
				s->taken = s->searched = end + 1;
				return err_set(e, ERR_LIMIT, "%s:%u:1: a line of more than the %zu bytes allowed", s->path, s->line,
					       s->limits.bytes);
			}
			return too_long(s, e);
		}
		if (nl || s->ended) {
			*from = s->taken;
			*len = end - s->taken;
			s->taken = s->searched = nl ? end + 1 : end;
			return 1;
		}
		s->searched = end;
		if (more(s, e) < 0)
			return e->code;
	}
}

static bool blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r", text[i]) || !text[i])
			return false;
	return true;
}

static int next_of_lines(struct documents *s, struct err *e)
{
	size_t from = 0, len = 0;
	int rc;

	do
		rc = next_line(s, &from, &len, e);
	while (rc > 0 && blank(s->in.data + from, len));
	if (rc <= 0)
		return rc;
	rc = json_parse_from(&s->doc, s->path, s->in.data + from, len, &s->limits, &(struct json_origin){ .line = s->line }, e);
	return rc < 0 ? rc : 1;
}

/* ---- the others ---- */

static int the_only_one(struct documents *s, struct err *e)
{
	if (s->ended)
		return 0;
	while (!s->ended) {
		if (s->in.len > s->limits.bytes)
			return err_set(e, ERR_LIMIT, "%s: more than the %zu bytes allowed", s->path, s->limits.bytes);
		if (more(s, e) < 0)
			return e->code;
	}
	if (json_parse(&s->doc, s->path, s->in.data, s->in.len, &s->limits, e) < 0)
		return e->code;
	return 1;
}

static int next_of_yaml(struct documents *s, struct err *e)
{
	int rc = s->ended ? 0 : yaml_next(s->yaml, &s->doc, e);

	if (rc <= 0)
		s->ended = true;
	return rc;
}

int documents_next(struct documents *s, const struct json_doc **out, struct err *e)
{
	int rc;

	json_free(TAKE(s->doc));
	if (s->kind == DOCUMENTS_NDJSON)
		rc = next_of_lines(s, e);
	else
		rc = s->kind == DOCUMENTS_YAML ? next_of_yaml(s, e) : the_only_one(s, e);
	if (rc < 0 && s->kind != DOCUMENTS_NDJSON)
		s->ended = true;
	if (rc > 0)
		*out = s->doc;
	return rc;
}

int documents_read(struct json_doc **out, struct buf **text, const char *path, const struct json_limits *limits, struct err *e)
{
	AUTO(buf) struct buf *raw = NULL;
	bool yaml = kind_of(path) == DOCUMENTS_YAML;

	if (file_read(&raw, path, limits && limits->bytes ? limits->bytes : BYTES, e) < 0)
		return e->code;
	if ((yaml ? yaml_parse : json_parse)(out, path, raw->data ? raw->data : "", raw->len, limits, e) < 0)
		return e->code;
	*text = yaml ? NULL : TAKE(raw);
	return 0;
}
