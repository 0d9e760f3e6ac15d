/* audit_check: an audit log held against its checkpoints. */
#include "cli/audit_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

struct audit_check *audit_check_new(void)
{
	return calloc(1, sizeof(struct audit_check));
}

void audit_check_free(struct audit_check *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		audit_checkpoint_release(&c->points[i]);
	free(c->points);
	free(c->restores);
	pubkey_free(c->key);
	free(c->newest);
	free(c);
}

int audit_check_trust(struct audit_check *c, const char *path, struct err *e)
{
	if (pubkey_read(&c->key, path, e) < 0)
		return e->code;
	c->trusted = true;
	return 0;
}

static int copy_key(struct pubkey **out, const struct pubkey *k, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *d = NULL;

	if (!text)
		return err_memory(e);
	pubkey_json(k, text);
	if (buf_check(text, e) < 0 || json_parse(&d, "key", text->data, text->len, NULL, e) < 0)
		return e->code;
	return pubkey_parse(out, d, d->root, e);
}

static int by_count(const void *a, const void *b)
{
	const struct audit_checkpoint *x = a, *y = b;

	return (x->count > y->count) - (x->count < y->count);
}

/* Takes p. In an export one may come after its row. */
static int add(struct audit_check *c, struct audit_checkpoint *p, struct err *e)
{
	int got = 0;

	if (p->count < c->walk.count)
		got = err_set(e, ERR_REFUSED, "audit: a checkpoint of row %" PRIu64 " stands behind row %" PRIu64, p->count, c->walk.count);
	if (got == 0)
		got = audit_checkpoint_meets(p, &c->walk, e);
	if (got == 0 && c->count == c->cap) {
		size_t cap = c->cap ? 2 * c->cap : 64;
		struct audit_checkpoint *more = reallocarray(c->points, cap, sizeof *more);

		if (more) {
			c->points = more;
			c->cap = cap;
		} else {
			got = err_memory(e);
		}
	}
	if (got < 0) {
		audit_checkpoint_release(p);
		return got;
	}
	c->met += p->count == c->walk.count;
	c->points[c->count++] = *p;
	qsort(c->points, c->count, sizeof *c->points, by_count);
	return 0;
}

static int keep_text(struct audit_check *c, const struct audit_checkpoint *p, const struct json *v, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text };

	if ((c->newest && p->count < c->newest_count) || (c->key && !pubkey_equal(c->key, p->key)))
		return 0;
	if (!text)
		return err_memory(e);
	json_put_value(&w, NULL, v);
	if (buf_check(text, e) < 0)
		return e->code;
	free(c->newest);
	c->newest = buf_take(text);
	c->newest_count = p->count;
	return c->newest ? 0 : err_memory(e);
}

int audit_check_add(struct audit_check *c, const struct json_doc *d, const struct json *v, struct err *e)
{
	struct audit_checkpoint p;

	if (audit_checkpoint_read(&p, d, v, e) < 0)
		return e->code;
	if (keep_text(c, &p, v, e) < 0) {
		audit_checkpoint_release(&p);
		return e->code;
	}
	return add(c, &p, e);
}

/* All that is kept is of one key. */
static int trust_key(struct audit_check *c, const struct pubkey *k, struct err *e)
{
	if (c->key && !pubkey_equal(c->key, k))
		return err_set(e, ERR_REFUSED, "audit: the checkpoint is signed by another key than the others that were kept");
	if (!c->key && copy_key(&c->key, k, e) < 0)
		return e->code;
	c->trusted = true;
	return 0;
}

int audit_check_kept(struct audit_check *c, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	struct audit_checkpoint p;

	if (file_read(&text, path, AUDIT_CHECKPOINT_MAX, e) < 0 || audit_checkpoint_parse(&p, path, text->data, text->len, e) < 0)
		return e->code;
	if (trust_key(c, p.key, e) < 0) {
		audit_checkpoint_release(&p);
		return err_wrap(e, "%s", path);
	}
	/* The newest one that is known, until a newer one comes: nobody can put an older one in its place. */
	if (!c->newest || p.count > c->newest_count) {
		free(c->newest);
		c->newest = strndup(text->data, text->len);
		c->newest_count = p.count;
	}
	if (!c->newest) {
		audit_checkpoint_release(&p);
		return err_memory(e);
	}
	return add(c, &p, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

/* ---- rows ---- */

static int meet(struct audit_check *c, struct err *e)
{
	for (size_t i = 0; i < c->count && c->points[i].count <= c->walk.count; i++) {
		if (c->points[i].count != c->walk.count)
			continue;
		if (audit_checkpoint_meets(&c->points[i], &c->walk, e) < 0)
			return e->code;
		c->met++;
	}
	return 0;
}

static int note_restore(struct audit_check *c, struct err *e)
{
	uint64_t *more = reallocarray(c->restores, c->restore_count + 1, sizeof *more);

	if (!more)
		return err_memory(e);
	c->restores = more;
	c->restores[c->restore_count++] = c->walk.count;
	return 0;
}

int audit_check_row(struct audit_check *c, const struct json_doc *d, const struct json *row, struct err *e)
{
	const struct json *action;

	if (audit_walk_json(&c->walk, d, row, e) < 0)
		return e->code;
	action = json_get(row, "action");
	if (action && action->type == JSON_STRING && strcmp(action->u.text, "restore") == 0 && note_restore(c, e) < 0)
		return e->code;
	return meet(c, e);
}

/* A row beyond `after`, up to `last`, tells of a restore. */
static bool restored(const struct audit_check *c, uint64_t after, uint64_t last)
{
	for (size_t i = 0; i < c->restore_count; i++)
		if (c->restores[i] > after && c->restores[i] <= last)
			return true;
	return false;
}

static int other_key(const struct audit_check *c, const struct audit_checkpoint *p, const char *than, struct err *e)
{
	return err_set(e, ERR_REFUSED, "audit: the checkpoint of row %" PRIu64 " is signed by another key than %s, and no restore from a backup came between%s",
		       p->count, than, c->restore_count ? ": one came elsewhere" : "");
}

/* No backup takes the key along: with a restore the checkpoints of another one begin, and those before stay as they were signed. */
static int check_keys(const struct audit_check *c, struct err *e)
{
	const struct audit_checkpoint *last = &c->points[c->count - 1];

	if (c->key && !pubkey_equal(last->key, c->key))
		return err_set(e, ERR_REFUSED, "audit: the checkpoint of row %" PRIu64 " is signed by another key than those that were kept%s", last->count,
			       c->restore_count ? "; a restore from a backup came before it, so keep a new checkpoint" : "");
	for (const struct audit_checkpoint *p = last; p > c->points; p--)
		if (!pubkey_equal(p[-1].key, p->key) && !restored(c, p[-1].count, p->count))
			return other_key(c, &p[-1], "the next", e);
	return 0;
}

int audit_check_end(struct audit_check *c, struct err *e)
{
	if (c->count == 0)
		return 0;
	return check_keys(c, e) < 0 ? e->code : audit_checkpoint_reached(&c->points[c->count - 1], &c->walk, e);
}

/* ---- exports ---- */

static int check_line(struct audit_check *c, const char *name, const char *line, size_t len, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;

	if (json_parse(&d, name, line, len, NULL, e) < 0)
		return e->code;
	if (d->root->type == JSON_OBJECT && json_get(d->root, "signed"))
		return audit_check_add(c, d, d->root, e);
	return audit_check_row(c, d, d->root, e);
}

int audit_check_file(struct audit_check *c, const char *path, struct err *e)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int got = 0;

	if (!f)
		return err_errno(e, "%s", path);
	while (got == 0 && (len = getline(&line, &cap, f)) > 0) {
		if (line[len - 1] != '\n')
			got = err_set(e, ERR_REFUSED, "%s: its last line is cut off", path);
		else
			got = check_line(c, path, line, (size_t)len - 1, e);
	}
	if (got == 0 && ferror(f))
		got = err_errno(e, "%s", path);
	free(line);
	fclose(f);
	return got < 0 ? got : audit_check_end(c, e);
}

int audit_check_keep(const struct audit_check *c, const char *path, struct err *e)
{
	return c->newest ? file_replace(path, c->newest, strlen(c->newest), 0644, e) : 0;
}

static int pass_line(struct audit_export *x, const char *name, const char *line, size_t len, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	const struct json *what;
	int64_t n;

	if (json_parse(&d, name, line, len, NULL, e) < 0)
		return e->code;
	what = d->root->type == JSON_OBJECT ? json_get(d->root, "signed") : NULL;
	if (json_want_int(d, what ? what : d->root, what ? "count" : "id", 1, INT64_MAX, &n, e) < 0)
		return e->code;
	*(what ? &x->sealed : &x->last) = (uint64_t)n;
	return 0;
}

int audit_check_resume(int fd, const char *name, struct audit_export *out, struct err *e)
{
	FILE *f = fdopen(dup(fd), "r");
	off_t whole = 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int got = 0;

	if (!f)
		return err_errno(e, "%s", name);
	*out = (struct audit_export){ .last = 0 };
	while (got == 0 && (len = getline(&line, &cap, f)) > 0 && line[len - 1] == '\n') {
		got = pass_line(out, name, line, (size_t)len - 1, e);
		whole += len;
	}
	free(line);
	fclose(f);
	if (got == 0 && (ftruncate(fd, whole) < 0 || lseek(fd, whole, SEEK_SET) < 0))
		got = err_errno(e, "%s", name);
	return got;
}
