/* bundle: from a directory an author works in to an archive. */
#include "content/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/name.h"
#include "base/yaml.h"
#include "content/bundle_recipe.h"

#define YAML_BYTES ((size_t)16 << 20)   /* of one source in YAML, and of the JSON it becomes */

/* Types that a directory without bundle.json may hold, and how their files end. */
static const struct {
	const char *type;
	const char *endings[2];
} plain_types[] = {
	{ "yara", { ".yar", ".yara" } },
	{ "rules", { ".json", ".yaml" } },
};

/* A directory being read. */
struct build {
	int dir;
	const struct bundle_options *options;
	struct bundle_recipe *recipe;           /* NULL: options->type selects */
	struct manifest *manifest;              /* being filled */
	struct bundle *bundle;
	char *skip;                             /* a directory left out, with its '/'; or NULL */
	struct archive_made *made;              /* rules that were written in YAML, as JSON */
	size_t made_count;
};

void bundle_free(struct bundle *b)
{
	if (!b)
		return;
	manifest_free(b->manifest);
	buf_free(b->json);
	buf_free(b->archive);
	for (size_t i = 0; i < b->left_out_count; i++)
		free(b->left_out[i]);
	free(b->left_out);
	free(b);
}

static void build_release(struct build *b)
{
	fd_freep(&b->dir);
	bundle_recipe_free(b->recipe);
	manifest_free(b->manifest);
	bundle_free(b->bundle);
	free(b->skip);
	for (size_t i = 0; i < b->made_count; i++) {
		free(b->made[i].path);
		buf_free(b->made[i].bytes);
	}
	free(b->made);
}

/* ---- which files, of which type ---- */

static bool ends_with(const char *path, const char *ending)
{
	size_t len = strlen(path), end = ending ? strlen(ending) : len;

	return len > end && !strcmp(path + len - end, ending);
}

static bool has_plain_type(const char *path, const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(plain_types); i++)
		for (size_t k = 0; k < ARRAY_LEN(plain_types[i].endings); k++)
			if (!strcmp(plain_types[i].type, type) &&
			    ends_with(path, plain_types[i].endings[k]))
				return true;
	return false;
}

static int check_plain_type(const char *type, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(plain_types); i++)
		if (!strcmp(plain_types[i].type, type))
			return 0;
	return err_set(e, ERR_USAGE,
		       "type %s: only yara and rules are known by their endings; write a " BUNDLE_NAME, type);
}

/* Zero: *type says what it is, NULL: left out. Negative: it must not be here. */
static int classify(struct build *b, const char *path, const char **type, struct err *e)
{
	struct bundle_pattern *p;

	if (!b->recipe) {
		*type = has_plain_type(path, b->options->type) ? b->options->type : NULL;
		return 0;
	}
	p = bundle_recipe_match(b->recipe, path);
	if (!p)
		return err_set(e, ERR_REFUSED, "%s: no pattern of " BUNDLE_NAME " matches it", path);
	p->used = true;
	*type = p->type;
	return 0;
}

static int leave_out(struct build *b, const char *path, bool is_dir, struct err *e)
{
	struct bundle *to = b->bundle;
	char **more = reallocarray(to->left_out, to->left_out_count + 1, sizeof *more);
	char *copy;

	if (!more)
		return err_memory(e);
	to->left_out = more;
	if (asprintf(&copy, "%s%s", path, is_dir ? "/" : "") < 0)
		return err_memory(e);
	to->left_out[to->left_out_count++] = copy;
	if (!is_dir)
		return 0;
	free(b->skip);
	b->skip = strdup(copy);
	return b->skip ? 0 : err_memory(e);
}

static bool is_left_out_dir(const struct build *b, const char *path)
{
	const char *slash = strrchr(path, '/');
	const struct bundle_pattern *p;

	if (!b->recipe)
		return (slash ? slash[1] : *path) == '.';
	p = bundle_recipe_match(b->recipe, path);
	return p && !p->type;
}

static int grow_files(struct manifest *m, struct err *e)
{
	struct manifest_file *more;

	if (m->file_count == MANIFEST_FILES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d files", MANIFEST_FILES_MAX);
	if (m->file_count & (m->file_count - 1))
		return 0;
	more = reallocarray(m->files, m->file_count ? 2 * m->file_count : 1, sizeof *more);
	if (!more)
		return err_memory(e);
	m->files = more;
	return 0;
}

static int add_file(struct build *b, const char *path, const char *type, struct err *e)
{
	AUTO_FD int fd = openat(b->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct manifest *m = b->manifest;
	struct manifest_file *f;

	if (fd < 0)
		return err_errno(e, "%s: open", path);
	if (grow_files(m, e) < 0)
		return e->code;
	f = &m->files[m->file_count++];
	*f = (struct manifest_file){ .path = strdup(path), .type = strdup(type) };
	if (!f->path || !f->type)
		return err_memory(e);
	if (hash_fd(&f->sha256, fd, &f->size, e) < 0)
		return err_wrap(e, "%s", path);
	return 0;
}

/* ---- rules in YAML ---- */

static bool is_yaml_source(const char *path, const char *type)
{
	return !strcmp(type, "rules") && (ends_with(path, ".yaml") || ends_with(path, ".yml"));
}

/* "rules/ipc.yaml" becomes "rules/ipc.json". */
static char *json_path(const char *path)
{
	char *out;

	return asprintf(&out, "%.*s.json", (int)(strrchr(path, '.') - path), path) < 0 ? NULL : out;
}

static int convert(struct build *b, const char *path, struct buf *out, struct err *e)
{
	static const struct json_limits limits = { .bytes = YAML_BYTES };
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *d = NULL;

	if (file_readat(&text, b->dir, path, YAML_BYTES, e) < 0 ||
	    yaml_parse(&d, path, text->data ? text->data : "", text->len, &limits, e) < 0)
		return e->code;
	json_put_value(&(struct json_writer){ .out = out, .indent = true }, NULL, d->root);
	buf_addc(out, '\n');
	return buf_check(out, e);
}

static int add_yaml(struct build *b, const char *path, const char *type, struct err *e)
{
	struct archive_made *more = reallocarray(b->made, b->made_count + 1, sizeof *more), *to;
	struct manifest *m = b->manifest;
	struct manifest_file *f;

	if (!more)
		return err_memory(e);
	b->made = more;
	to = &b->made[b->made_count++];
	*to = (struct archive_made){ json_path(path), buf_new(YAML_BYTES * 4) };
	if (!to->path || !to->bytes)
		return err_memory(e);
	if (convert(b, path, to->bytes, e) < 0 || grow_files(m, e) < 0)
		return e->code;
	f = &m->files[m->file_count++];
	*f = (struct manifest_file){ .path = strdup(to->path), .type = strdup(type), .size = to->bytes->len };
	if (!f->path || !f->type)
		return err_memory(e);
	hash_bytes(&f->sha256, to->bytes->data, to->bytes->len);
	return 0;
}

static int visit(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct build *b = arg;
	const char *type = NULL;

	if (b->skip && !strncmp(rel, b->skip, strlen(b->skip)))
		return 0;
	if (is_dir)
		return is_left_out_dir(b, rel) ? leave_out(b, rel, true, e) : 0;
	if (b->recipe && !strcmp(rel, BUNDLE_NAME))
		return 0;
	if (classify(b, rel, &type, e) < 0)
		return e->code;
	if (!type)
		return leave_out(b, rel, false, e);
	if (!strcmp(rel, MANIFEST_NAME))
		return err_set(e, ERR_REFUSED, "%s: a bundle's own manifest has this name", rel);
	if (!archive_path_valid(rel, strlen(rel)))
		return err_set(e, ERR_REFUSED,
			       "%s: a bundle's paths have segments of A-Z a-z 0-9 . _ + @ = , - that do not"
			       " begin with a dot, and at most %d bytes", rel, PATH_LEN_MAX);
	return is_yaml_source(rel, type) ? add_yaml(b, rel, type, e) : add_file(b, rel, type, e);
}

static int by_path(const void *a, const void *b)
{
	const struct manifest_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int by_made_path(const void *a, const void *b)
{
	const struct archive_made *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static int list_selftests(struct manifest *m, struct err *e)
{
	m->selftests = calloc(m->file_count, sizeof *m->selftests);
	if (!m->selftests)
		return err_memory(e);
	for (size_t i = 0; i < m->file_count; i++) {
		if (strcmp(m->files[i].type, MANIFEST_TYPE_SELFTEST) != 0)
			continue;
		m->selftests[m->selftest_count] = strdup(m->files[i].path);
		if (!m->selftests[m->selftest_count++])
			return err_memory(e);
	}
	return 0;
}

static int collect(struct build *b, struct err *e)
{
	struct manifest *m = b->manifest;

	if (file_walkat(b->dir, visit, b, e) < 0)
		return e->code;
	if (b->recipe && bundle_recipe_check_used(b->recipe, e) < 0)
		return e->code;
	if (!m->file_count)
		return err_set(e, ERR_REFUSED, "no file of type %s is in it",
			       b->recipe ? "its " BUNDLE_NAME : b->options->type);
	qsort(m->files, m->file_count, sizeof *m->files, by_path);
	if (b->made_count)
		qsort(b->made, b->made_count, sizeof *b->made, by_made_path);
	for (size_t i = 1; i < m->file_count; i++)
		if (!strcmp(m->files[i - 1].path, m->files[i].path))
			return err_set(e, ERR_CONFLICT, "%s: there is a source in YAML for it, too", m->files[i].path);
	return list_selftests(m, e);
}

/* ---- what it is called ---- */

static int set_text(char **slot, const char *text, struct err *e)
{
	if (!text)
		return 0;
	free(*slot);
	*slot = strdup(text);
	return *slot ? 0 : err_memory(e);
}

static int set_names(struct manifest *m, const struct bundle_options *o, struct err *e)
{
	char digits[24];

	if (set_text(&m->channel, o->channel, e) < 0 || set_text(&m->version, o->version, e) < 0)
		return e->code;
	if (!m->channel)
		return err_set(e, ERR_USAGE, "no channel: name it in " BUNDLE_NAME " or with --channel");
	if (!name_valid(m->channel, strlen(m->channel)))
		return err_set(e, ERR_USAGE, "channel %s: not 1 to %d of a-z, 0-9 and inner hyphens",
			       m->channel, NAME_LEN_MAX);
	if (o->serial < 0 || o->serial > MANIFEST_SERIAL_MAX)
		return err_set(e, ERR_USAGE, "serial %" PRId64 ": not 1 to %" PRId64, o->serial,
			       MANIFEST_SERIAL_MAX);
	if (o->serial)
		m->serial = (uint64_t)o->serial;
	if (!m->serial)
		return err_set(e, ERR_USAGE, "no serial: number it in " BUNDLE_NAME " or with --serial");
	snprintf(digits, sizeof digits, "%" PRIu64, m->serial);
	return m->version ? 0 : set_text(&m->version, digits, e);
}

/* The clock would make every build another bundle. */
static int set_created(struct manifest *m, const struct bundle_options *o, bool dated, struct err *e)
{
	if (o->created != BUNDLE_UNSET)
		m->created = o->created;
	else if (!dated && o->created_fallback != BUNDLE_UNSET)
		m->created = o->created_fallback;
	else if (!dated)
		return err_set(e, ERR_USAGE,
			       "no time of creation: give created in " BUNDLE_NAME
			       ", --created or SOURCE_DATE_EPOCH, so that every build gives the same bytes");
	return 0;
}

static int set_head(struct build *b, struct err *e)
{
	struct manifest *m = b->manifest;

	if (set_text(&m->severity, m->severity ? NULL : "normal", e) < 0 ||
	    set_text(&m->notes, m->notes ? NULL : "", e) < 0 || set_names(m, b->options, e) < 0)
		return e->code;
	return set_created(m, b->options, b->recipe && b->recipe->dated, e);
}

/* ---- build ---- */

static int open_recipe(struct build *b, struct err *e)
{
	int code = bundle_recipe_read(&b->recipe, b->dir, e);

	if (code == 0 && b->options->type)
		return err_set(e, ERR_USAGE, "--type is for directories without " BUNDLE_NAME);
	if (code == 0) {
		b->manifest = TAKE(b->recipe->head);
		return 0;
	}
	if (code != ERR_NOT_FOUND)
		return code;
	if (!b->options->type)
		return err_set(e, ERR_NOT_FOUND, "no " BUNDLE_NAME " in it, and no --type");
	b->manifest = calloc(1, sizeof *b->manifest);
	if (!b->manifest)
		return err_memory(e);
	return check_plain_type(b->options->type, e);
}

static int write_bundle(struct build *b, struct err *e)
{
	struct bundle *to = b->bundle;
	struct archive_written written;

	to->manifest = TAKE(b->manifest);
	to->json = buf_new(MANIFEST_BYTES_MAX);
	to->archive = buf_new(0);
	if (!to->json || !to->archive)
		return err_memory(e);
	if (manifest_write(to->json, to->manifest, e) < 0 ||
	    archive_write_made(to->archive, b->dir, to->manifest, to->json, b->made, b->made_count, &written, e) < 0)
		return e->code;
	to->digest = written.digest;
	to->size = written.size;
	return 0;
}

int bundle_build(struct bundle **out, const char *dir, const struct bundle_options *options, struct err *e)
{
	__attribute__((cleanup(build_release))) struct build b = { .options = options };

	b.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b.dir < 0)
		return err_errno(e, "%s: open", dir);
	b.bundle = calloc(1, sizeof *b.bundle);
	if (!b.bundle)
		return err_memory(e);
	if (open_recipe(&b, e) < 0 || set_head(&b, e) < 0 || collect(&b, e) < 0 || write_bundle(&b, e) < 0)
		return err_wrap(e, "%s", dir);
	*out = TAKE(b.bundle);
	return 0;
}
