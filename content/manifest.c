/* manifest: what one bundle contains; reading and the one encoding. */
#include "content/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "content/archive.h"
#include "content/manifest_read.h"

static const char *const severities[] = { "low", "normal", "high", "critical" };

bool manifest_severity_valid(const char *severity)
{
	for (size_t i = 0; i < ARRAY_LEN(severities); i++)
		if (!strcmp(severities[i], severity))
			return true;
	return false;
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->file_count; i++) {
		free(m->files[i].path);
		free(m->files[i].type);
	}
	for (size_t i = 0; i < m->require_count; i++) {
		free(m->requires[i].type);
		free(m->requires[i].version);
	}
	for (size_t i = 0; i < m->selftest_count; i++)
		free(m->selftests[i]);
	free(m->files);
	free(m->requires);
	free(m->selftests);
	free(m->channel);
	free(m->version);
	free(m->severity);
	free(m->notes);
	free(m);
}

/* The file of this path, or the first one behind it; file_count when there is none. */
static size_t lower_bound(const struct manifest *m, const char *path, size_t len)
{
	size_t low = 0, high = m->file_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *have = m->files[mid].path;
		int order = strncmp(have, path, len);

		if (order < 0)
			low = mid + 1;
		else
			high = mid;     /* longer ones with this beginning come later */
	}
	return low;
}

static const struct manifest_file *find(const struct manifest *m, const char *path, size_t len)
{
	size_t i = lower_bound(m, path, len);

	if (i == m->file_count || strncmp(m->files[i].path, path, len) != 0 || m->files[i].path[len])
		return NULL;
	return &m->files[i];
}

const struct manifest_file *manifest_find(const struct manifest *m, const char *path)
{
	return find(m, path, strlen(path));
}

bool manifest_holds_dir(const struct manifest *m, const char *path)
{
	size_t len = strlen(path);
	char beginning[PATH_LEN_MAX + 1];
	size_t i;

	if (len == 0 || len > PATH_LEN_MAX)
		return false;
	memcpy(beginning, path, len);
	beginning[len] = '/';
	i = lower_bound(m, beginning, len + 1);
	return i < m->file_count && !strncmp(m->files[i].path, beginning, len + 1);
}

uint64_t manifest_archive_size(const struct manifest *m, size_t manifest_len)
{
	uint64_t size = ARCHIVE_BLOCK + archive_padded(manifest_len);

	for (size_t i = 0; i < m->file_count; i++)
		size += ARCHIVE_BLOCK + archive_padded(m->files[i].size);
	return size + 2 * ARCHIVE_BLOCK;
}

/* ---- reading ---- */

static int copy(char **out, const char *text, struct err *e)
{
	*out = strdup(text);
	return *out ? 0 : err_memory(e);
}

int manifest_read_label(const struct json_doc *d, const struct json *o, const char *key, char **out,
		      struct err *e)
{
	const char *text;

	if (json_want_text(d, o, key, NAME_LEN_MAX, &text, e) < 0)
		return e->code;
	if (!name_valid(text, strlen(text)))
		return json_error(d, json_get(o, key), e, ERR_FORMAT,
				  "%s: not 1 to %d of a-z, 0-9 and inner hyphens", key,
				  NAME_LEN_MAX);
	return copy(out, text, e);
}

int manifest_read_version(const struct json_doc *d, const struct json *o, char **out, struct err *e)
{
	const char *text;

	if (json_want_text(d, o, "version", VERSION_LEN_MAX, &text, e) < 0)
		return e->code;
	if (!*text)
		return json_error(d, json_get(o, "version"), e, ERR_FORMAT, "version: empty");
	return copy(out, text, e);
}

static int read_head(struct manifest *m, const struct json_doc *d, struct err *e)
{
	const struct json *o = d->root;
	const char *severity = "normal";
	const char *notes = "";
	int64_t serial;

	if (json_want_format(d, MANIFEST_FORMAT, NULL, e) < 0 ||
	    manifest_read_label(d, o, "channel", &m->channel, e) < 0 ||
	    json_want_int(d, o, "serial", 1, MANIFEST_SERIAL_MAX, &serial, e) < 0 ||
	    manifest_read_version(d, o, &m->version, e) < 0 ||
	    json_want_time(d, o, "created", &m->created, e) < 0 ||
	    json_may_text(d, o, "severity", NAME_LEN_MAX, &severity, e) < 0 ||
	    json_may_text(d, o, "notes", MANIFEST_NOTES_MAX, &notes, e) < 0)
		return e->code;
	m->serial = (uint64_t)serial;
	if (copy(&m->severity, severity, e) < 0)
		return e->code;
	return copy(&m->notes, notes, e);
}

static int read_file(struct manifest *m, const struct json_doc *d, const struct json *o,
		     struct err *e)
{
	struct manifest_file *f = &m->files[m->file_count++];
	const char *path, *hex;
	int64_t size;

	if (json_want_text(d, o, "path", PATH_LEN_MAX, &path, e) < 0 ||
	    json_want_int(d, o, "size", 0, ARCHIVE_SIZE_MAX, &size, e) < 0 ||
	    json_want_text(d, o, "sha256", DIGEST_HEX_LEN, &hex, e) < 0 ||
	    manifest_read_label(d, o, "type", &f->type, e) < 0)
		return e->code;
	if (!archive_path_valid(path, strlen(path)) || !strcmp(path, MANIFEST_NAME))
		return json_error(d, json_get(o, "path"), e, ERR_FORMAT,
				  "path: not a path a bundle may hold");
	if (!digest_parse(&f->sha256, hex, strlen(hex)))
		return json_error(d, json_get(o, "sha256"), e, ERR_FORMAT,
				  "sha256: not %d lower-case hex digits", DIGEST_HEX_LEN);
	if (m->file_count > 1 && strcmp(f[-1].path, path) >= 0)
		return json_error(d, json_get(o, "path"), e, ERR_FORMAT,
				  "path: \"%s\" does not come after \"%s\"", path, f[-1].path);
	f->size = (uint64_t)size;
	return copy(&f->path, path, e);
}

/* One name cannot be a file and a directory. */
static int check_parents(const struct manifest *m, const struct json_doc *d, const struct json *list,
			 struct err *e)
{
	for (size_t i = 0; i < m->file_count; i++) {
		const char *path = m->files[i].path;

		for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
			if (find(m, path, (size_t)(slash - path)))
				return json_error(d, &list->u.items[i], e, ERR_FORMAT,
						  "path: \"%.*s\" is a file and a directory",
						  (int)(slash - path), path);
	}
	return 0;
}

static int read_files(struct manifest *m, const struct json_doc *d, struct err *e)
{
	const struct json *list;

	if (json_want_array(d, d->root, "files", MANIFEST_FILES_MAX, &list, e) < 0)
		return e->code;
	if (!list->count)
		return json_error(d, list, e, ERR_FORMAT, "files: a bundle holds at least one");
	m->files = calloc(list->count, sizeof *m->files);
	if (!m->files)
		return err_memory(e);
	for (uint32_t i = 0; i < list->count; i++)
		if (read_file(m, d, &list->u.items[i], e) < 0)
			return e->code;
	if (manifest_archive_size(m, d->source_len) > ARCHIVE_SIZE_MAX)
		return json_error(d, list, e, ERR_LIMIT, "files: more than %llu bytes together",
				  (unsigned long long)ARCHIVE_SIZE_MAX);
	return check_parents(m, d, list, e);
}

int manifest_read_requires(struct manifest *m, const struct json_doc *d, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, d->root, "requires", MANIFEST_REQUIRES_MAX, &list, e) < 0)
		return e->code;
	if (!list || !list->count)
		return 0;
	m->requires = calloc(list->count, sizeof *m->requires);
	if (!m->requires)
		return err_memory(e);
	for (uint32_t i = 0; i < list->count; i++) {
		struct manifest_require *r = &m->requires[m->require_count++];

		if (manifest_read_label(d, &list->u.items[i], "type", &r->type, e) < 0 ||
		    manifest_read_version(d, &list->u.items[i], &r->version, e) < 0)
			return e->code;
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(m->requires[k].type, r->type))
				return json_error(d, &list->u.items[i], e, ERR_FORMAT,
						  "requires: type %s twice", r->type);
	}
	return 0;
}

static int read_selftest(struct manifest *m, const struct json_doc *d, const struct json *item,
			 struct err *e)
{
	const struct manifest_file *f;

	if (item->type != JSON_STRING)
		return json_error(d, item, e, ERR_FORMAT, "selftest: %s instead of a path",
				  json_type_name(item->type));
	f = memchr(item->u.text, '\0', item->count) ? NULL : find(m, item->u.text, item->count);
	if (!f || strcmp(f->type, MANIFEST_TYPE_SELFTEST) != 0)
		return json_error(d, item, e, ERR_FORMAT, "selftest: no file of type %s here",
				  MANIFEST_TYPE_SELFTEST);
	if (m->selftest_count && strcmp(m->selftests[m->selftest_count - 1], f->path) >= 0)
		return json_error(d, item, e, ERR_FORMAT, "selftest: not in order");
	return copy(&m->selftests[m->selftest_count++], f->path, e);
}

static int read_selftests(struct manifest *m, const struct json_doc *d, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, d->root, "selftest", MANIFEST_FILES_MAX, &list, e) < 0)
		return e->code;
	if (!list || !list->count)
		return 0;
	m->selftests = calloc(list->count, sizeof *m->selftests);
	if (!m->selftests)
		return err_memory(e);
	for (uint32_t i = 0; i < list->count; i++)
		if (read_selftest(m, d, &list->u.items[i], e) < 0)
			return e->code;
	return 0;
}

int manifest_read_budget(struct manifest *m, const struct json_doc *d, struct err *e)
{
	const struct json *o = NULL;
	struct manifest_budget *b = &m->budget;

	if (json_may_object(d, d->root, "budget", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	if (json_may_int(d, o, "load_ms", 0, MANIFEST_SERIAL_MAX, &b->load_ms, e) < 0 ||
	    json_may_int(d, o, "rss_bytes", 0, MANIFEST_SERIAL_MAX, &b->rss_bytes, e) < 0 ||
	    json_may_int(d, o, "us_per_event", 0, MANIFEST_SERIAL_MAX, &b->us_per_event, e) < 0)
		return e->code;
	return 0;
}

int manifest_parse(struct manifest **out, const char *json, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = MANIFEST_BYTES_MAX, .depth = 32 };
	AUTO(manifest) struct manifest *m = NULL;
	AUTO(json) struct json_doc *d = NULL;

	if (len > MANIFEST_BYTES_MAX)
		return err_set(e, ERR_LIMIT, "%s: larger than %zu bytes", MANIFEST_NAME,
			       MANIFEST_BYTES_MAX);
	if (!len || memchr(json, '\n', len) != json + len - 1)
		return err_set(e, ERR_FORMAT, "%s: not one line with a newline at its end",
			       MANIFEST_NAME);
	m = calloc(1, sizeof *m);
	if (!m)
		return err_memory(e);
	if (json_parse(&d, MANIFEST_NAME, json, len, &limits, e) < 0)
		return e->code;
	if (read_head(m, d, e) < 0 || read_files(m, d, e) < 0 || manifest_read_requires(m, d, e) < 0 ||
	    read_selftests(m, d, e) < 0 || manifest_read_budget(m, d, e) < 0)
		return e->code;
	*out = TAKE(m);
	return 0;
}

/* ---- writing ---- */

static void write_head(struct json_writer *w, const struct manifest *m)
{
	json_put_int(w, "format", MANIFEST_FORMAT);
	json_put_text(w, "channel", m->channel);
	json_put_int(w, "serial", (int64_t)m->serial);
	json_put_text(w, "version", m->version);
	json_put_time(w, "created", m->created);
	json_put_text(w, "severity", m->severity);
	json_put_text(w, "notes", m->notes);
}

static void write_files(struct json_writer *w, const struct manifest *m)
{
	char hex[DIGEST_HEX_LEN + 1];

	json_open_array(w, "files");
	for (size_t i = 0; i < m->file_count; i++) {
		const struct manifest_file *f = &m->files[i];

		digest_hex(hex, &f->sha256);
		json_open_object(w, NULL);
		json_put_text(w, "path", f->path);
		json_put_int(w, "size", (int64_t)f->size);
		json_put_text(w, "sha256", hex);
		json_put_text(w, "type", f->type);
		json_close_object(w);
	}
	json_close_array(w);
}

static void write_requires(struct json_writer *w, const struct manifest *m)
{
	json_open_array(w, "requires");
	for (size_t i = 0; i < m->require_count; i++) {
		json_open_object(w, NULL);
		json_put_text(w, "type", m->requires[i].type);
		json_put_text(w, "version", m->requires[i].version);
		json_close_object(w);
	}
	json_close_array(w);
}

static void write_tail(struct json_writer *w, const struct manifest *m)
{
	json_open_array(w, "selftest");
	for (size_t i = 0; i < m->selftest_count; i++)
		json_put_text(w, NULL, m->selftests[i]);
	json_close_array(w);
	json_open_object(w, "budget");
	json_put_int(w, "load_ms", m->budget.load_ms);
	json_put_int(w, "rss_bytes", m->budget.rss_bytes);
	json_put_int(w, "us_per_event", m->budget.us_per_event);
	json_close_object(w);
}

int manifest_write(struct buf *out, const struct manifest *m, struct err *e)
{
	AUTO(manifest) struct manifest *again = NULL;
	struct json_writer w = { .out = out };
	size_t from = out->len;

	json_open_object(&w, NULL);
	write_head(&w, m);
	write_files(&w, m);
	write_requires(&w, m);
	write_tail(&w, m);
	json_close_object(&w);
	buf_addc(out, '\n');
	if (buf_check(out, e) < 0)
		return err_wrap(e, "%s", MANIFEST_NAME);
	/* What we write, every reader must take. */
	return manifest_parse(&again, out->data + from, out->len - from, e);
}
