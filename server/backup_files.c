/* backup_files: copying with a hash on the way, and the list of what was copied. */
#include "server/backup_files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/file.h"
#include "base/json.h"

#define LIST_MAX ((size_t)512 << 20)
#define FILES_MAX 4000000
#define CHUNK 65536

int backup_list_add(struct backup_list *l, const char *path, uint64_t size, const struct digest *sha256, struct err *e)
{
	struct backup_file *more;

	if (l->count == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;

		more = reallocarray(l->files, cap, sizeof *more);
		if (!more)
			return err_memory(e);
		l->files = more;
		l->cap = cap;
	}
	l->files[l->count] = (struct backup_file){ strdup(path), size, *sha256 };
	return l->files[l->count].path ? (l->count++, 0) : err_memory(e);
}

const struct backup_file *backup_list_find(const struct backup_list *l, const char *path)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->files[i].path, path))
			return &l->files[i];
	return NULL;
}

void backup_list_release(struct backup_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->files[i].path);
	free(l->files);
	*l = (struct backup_list){ 0 };
}

int backup_list_write(const struct backup_list *l, const char *dir, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(LIST_MAX);
	AUTO_FREE char *path = file_join(dir, BACKUP_LIST);
	struct json_writer w = { .out = text, .indent = true };
	char hex[DIGEST_HEX_LEN + 1];

	if (!text || !path)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_time(&w, "taken", l->taken);
	json_put_text(&w, "program", RINGHOLD_VERSION);
	json_put_int(&w, "store_version", l->store_version);
	json_put_bool(&w, "secrets", l->secrets);
	json_open_array(&w, "files");
	for (size_t i = 0; i < l->count; i++) {
		digest_hex(hex, &l->files[i].sha256);
		json_open_object(&w, NULL);
		json_put_text(&w, "path", l->files[i].path);
		json_put_int(&w, "size", (int64_t)l->files[i].size);
		json_put_text(&w, "sha256", hex);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	buf_addc(text, '\n');
	return buf_check(text, e) < 0 ? e->code : file_replace(path, text->data, text->len, 0600, e);
}

/* Beneath the directory, by one spelling only. */
static bool path_fine(const char *path)
{
	const char *at = path;

	if (!*path || *path == '/')
		return false;
	while (*at) {
		size_t len = strcspn(at, "/");

		if (len == 0 || (len == 1 && at[0] == '.') || (len == 2 && !strncmp(at, "..", 2)))
			return false;
		at += len + (at[len] == '/');
		if (!*at && at[-1] == '/')
			return false;
	}
	return true;
}

static int read_file(struct backup_list *l, const struct json_doc *d, const struct json *o, struct err *e)
{
	const char *path, *hex;
	struct digest sha256;
	int64_t size;

	if (json_want_text(d, o, "path", PATH_MAX - 1, &path, e) < 0 || json_want_int(d, o, "size", 0, INT64_MAX, &size, e) < 0 ||
	    json_want_text(d, o, "sha256", DIGEST_HEX_LEN, &hex, e) < 0)
		return e->code;
	if (!path_fine(path))
		return json_error(d, json_get(o, "path"), e, ERR_FORMAT, "no path beneath the backup");
	if (!digest_parse(&sha256, hex, strlen(hex)))
		return json_error(d, json_get(o, "sha256"), e, ERR_FORMAT, "no SHA-256 in 64 lower-case hex digits");
	return backup_list_add(l, path, (uint64_t)size, &sha256, e);
}

int backup_list_parse(struct backup_list *l, const char *name, const char *text, size_t len, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	const struct json_limits limits = { .bytes = LIST_MAX };
	const struct json *files;

	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 ||
	    json_want_time(d, d->root, "taken", &l->taken, e) < 0 ||
	    json_want_int(d, d->root, "store_version", 1, INT32_MAX, &l->store_version, e) < 0 ||
	    json_want_bool(d, d->root, "secrets", &l->secrets, e) < 0 ||
	    json_want_array(d, d->root, "files", FILES_MAX, &files, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < files->count; i++)
		if (read_file(l, d, &files->u.items[i], e) < 0)
			return e->code;
	return 0;
}

int backup_list_read(struct backup_list *l, const char *dir, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, BACKUP_LIST);
	AUTO(buf) struct buf *text = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&text, path, LIST_MAX, e) < 0)
		return e->code == ERR_NOT_FOUND ? err_set(e, ERR_NOT_FOUND, "%s: no whole backup: there is no " BACKUP_LIST, dir) : e->code;
	return backup_list_parse(l, path, text->data, text->len, e);
}

/* ---- bytes ---- */

/* to -1: only the hash. */
static int pour(int from, int to, uint64_t *size, struct digest *sha256, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();
	char chunk[CHUNK];
	ssize_t got;

	*size = 0;
	if (!h)
		return err_memory(e);
	while ((got = read(from, chunk, sizeof chunk)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(e, "read");
		hash_add(h, chunk, (size_t)got);
		*size += (uint64_t)got;
		if (to >= 0 && file_write_all(to, chunk, (size_t)got, e) < 0)
			return e->code;
	}
	hash_final(h, sha256);
	return 0;
}

static int open_regular(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd < 0)
		return err_errno(e, "%s", path);
	close(fd);
	return err_set(e, ERR_REFUSED, "%s: not a regular file", path);
}

static int copy_into(int from, const char *to, mode_t mode, uint64_t *size, struct digest *sha256, struct err *e)
{
	AUTO_FD int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(e, "%s: create", to);
	if (pour(from, fd, size, sha256, e) < 0)
		return err_wrap(e, "%s", to);
	return fchmod(fd, mode) == 0 ? 0 : err_errno(e, "%s: mode", to);
}

int backup_copy(const char *from, const char *to, mode_t mode, uint64_t *size, struct digest *sha256, struct err *e)
{
	AUTO_FREE char *part = NULL, *parent = strdup(to);
	AUTO_FD int fd = open_regular(from, e);

	if (fd < 0)
		return e->code;
	if (!parent || asprintf(&part, "%s.new", to) < 0)
		return err_memory(e);
	if (file_mkdirs(dirname(parent), mode & 0077 ? 0755 : 0700, e) < 0)
		return e->code;
	if (copy_into(fd, part, mode, size, sha256, e) < 0) {
		unlink(part);
		return e->code;
	}
	return rename(part, to) == 0 ? 0 : err_errno(e, "%s: rename", part);
}

int backup_hash(const char *path, uint64_t *size, struct digest *sha256, struct err *e)
{
	AUTO_FD int fd = open_regular(path, e);

	return fd < 0 ? e->code : pour(fd, -1, size, sha256, e);
}

int backup_sync(const char *dir, struct err *e)
{
	AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && syncfs(fd) == 0 ? 0 : err_errno(e, "%s: sync", dir);
}
