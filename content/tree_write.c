/* tree_write: a new tree, built beside its name and moved there only when D is right. */
#include "content/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/name.h"

#define FILE_MODE 0444
#define DIR_MODE 0755
#define CHUNK ((size_t)64 * 1024)

struct tree_writer {
	int parent;                     /* borrowed */
	int old;                        /* borrowed, or -1 */
	int root;                       /* parent/.NAME.new */
	int file;                       /* the open member, or -1 */
	char name[NAME_MAX + 1];
	char temp[NAME_MAX + 1];
	char parent_made[PATH_LEN_MAX + 1];     /* of the member before */
	bool copy;
	bool mode_known, mode_right;    /* files get FILE_MODE without being told: neither umask nor ACL takes from it */
	bool made;                      /* temp exists and is ours to remove */
	struct archive_digest *digest;
};

static int make_root(struct tree_writer *w, struct err *e)
{
	if (file_remove_treeat(w->parent, w->temp, e) < 0)
		return e->code;
	if (mkdirat(w->parent, w->temp, DIR_MODE) < 0)
		return err_errno(e, "%s: mkdir", w->temp);
	w->made = true;
	w->root = openat(w->parent, w->temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->root < 0)
		return err_errno(e, "%s: open", w->temp);
	/* Whoever tidies up leaves alone what is being built. */
	if (flock(w->root, LOCK_SH | LOCK_NB) < 0)
		return err_errno(e, "%s: lock", w->temp);
	if (fchmod(w->root, DIR_MODE) < 0)      /* whatever the umask */
		return err_errno(e, "%s: chmod", w->temp);
	return 0;
}

int tree_writer_new(struct tree_writer **out, int parent, const char *name, int old, struct err *e)
{
	AUTO(tree_writer) struct tree_writer *w = calloc(1, sizeof *w);

	if (!w)
		return err_memory(e);
	w->parent = parent;
	w->old = old;
	w->root = w->file = -1;
	w->digest = archive_digest_new();
	if (!w->digest)
		return err_memory(e);
	if (!name_path_valid(name, strlen(name)) || strchr(name, '/') ||
	    snprintf(w->temp, sizeof w->temp, ".%s.new", name) >= (int)sizeof w->temp)
		return err_set(e, ERR_USAGE, "%s: not a name for a tree", name);
	memcpy(w->name, name, strlen(name) + 1);
	if (make_root(w, e) < 0)
		return e->code;
	*out = TAKE(w);
	return 0;
}

void tree_writer_copy(struct tree_writer *w)
{
	w->copy = true;
}

void tree_writer_free(struct tree_writer *w)
{
	struct err ignored;

	if (!w)
		return;
	fd_freep(&w->file);
	fd_freep(&w->root);
	if (w->made)
		(void)!file_remove_treeat(w->parent, w->temp, &ignored);
	archive_digest_free(w->digest);
	free(w);
}

/* The path is valid: archive_digest_begin() refused every other. */
static int make_parents(struct tree_writer *w, const char *path, struct err *e)
{
	const char *last = strrchr(path, '/');
	size_t parent = last ? (size_t)(last - path) : 0;
	char dir[PATH_LEN_MAX + 1];

	if (strlen(w->parent_made) == parent && memcmp(w->parent_made, path, parent) == 0)
		return 0;       /* members come in order: it is there mostly */
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - path);

		memcpy(dir, path, len);
		dir[len] = '\0';
		if (mkdirat(w->root, dir, DIR_MODE) < 0) {
			if (errno == EEXIST)
				continue;
			return err_errno(e, "%s: mkdir", dir);
		}
		if (fchmodat(w->root, dir, DIR_MODE, 0) < 0)
			return err_errno(e, "%s: chmod", dir);
	}
	memcpy(w->parent_made, path, parent);
	w->parent_made[parent] = '\0';
	return 0;
}

/* The first file says whether they are made as asked: whoever builds a tree keeps to one umask. */
static int look_at_mode(struct tree_writer *w, struct err *e)
{
	struct stat st;

	if (fstat(w->file, &st) < 0)
		return err_errno(e, "stat");
	w->mode_right = (st.st_mode & 07777) == FILE_MODE;
	w->mode_known = true;
	return 0;
}

static int create(struct tree_writer *w, const char *path, struct err *e)
{
	w->file = openat(w->root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (w->file < 0)
		return err_errno(e, "%s: create", path);
	if (!w->mode_known && look_at_mode(w, e) < 0)
		return err_wrap(e, "%s", path);
	if (!w->mode_right && fchmod(w->file, FILE_MODE) < 0)
		return err_errno(e, "%s: chmod", path);
	return 0;
}

static int begin(void *arg, const char *path, uint64_t size, struct err *e)
{
	struct tree_writer *w = arg;

	if (archive_digest_begin(w->digest, path, size, e) < 0 || make_parents(w, path, e) < 0)
		return e->code;
	return create(w, path, e);
}

static int data(void *arg, const void *bytes, size_t len, struct err *e)
{
	struct tree_writer *w = arg;

	if (archive_digest_data(w->digest, bytes, len, e) < 0)
		return e->code;
	return file_write_all(w->file, bytes, len, e);
}

static int end(void *arg, struct err *e)
{
	struct tree_writer *w = arg;

	if (archive_digest_end(w->digest, e) < 0)
		return e->code;
	if (close(w->file) < 0) {
		w->file = -1;
		return err_errno(e, "close");
	}
	w->file = -1;
	return 0;
}

/* Feeds `size` bytes of fd to the digest, and to the open member when there is one. */
static int take_bytes(struct tree_writer *w, int fd, uint64_t size, struct err *e)
{
	AUTO_FREE uint8_t *chunk = malloc(CHUNK);

	if (!chunk)
		return err_memory(e);
	while (size) {
		ssize_t n = read(fd, chunk, (size_t)MIN(size, (uint64_t)CHUNK));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "read");
		if (n == 0)
			return err_set(e, ERR_CONFLICT, "shorter than announced");
		if (archive_digest_data(w->digest, chunk, (size_t)n, e) < 0)
			return e->code;
		if (w->file >= 0 && file_write_all(w->file, chunk, (size_t)n, e) < 0)
			return e->code;
		size -= (uint64_t)n;
	}
	return 0;
}

static int open_sized(int dir, const char *path, uint64_t size, int *fd, struct err *e)
{
	struct stat st;

	*fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0)
		return err_errno(e, "open");
	if (fstat(*fd, &st) < 0)
		return err_errno(e, "stat");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return err_set(e, ERR_CONFLICT, "not a file of %llu bytes", (unsigned long long)size);
	return 0;
}

/* What was linked is what is hashed. Where links are impossible the bytes are copied. */
static int link_or_copy(struct tree_writer *w, const char *path, uint64_t size, struct err *e)
{
	AUTO_FD int fd = -1;

	if (!w->copy && linkat(w->old, path, w->root, path, 0) == 0) {
		if (open_sized(w->root, path, size, &fd, e) < 0)
			return e->code;
		return take_bytes(w, fd, size, e);
	}
	if (!w->copy && errno == ENOENT)
		return err_errno(e, "link");
	if (open_sized(w->old, path, size, &fd, e) < 0 || create(w, path, e) < 0)
		return e->code;
	return take_bytes(w, fd, size, e);
}

static int same(void *arg, const char *path, uint64_t size, struct err *e)
{
	struct tree_writer *w = arg;

	if (archive_digest_begin(w->digest, path, size, e) < 0 || make_parents(w, path, e) < 0)
		return e->code;
	if (link_or_copy(w, path, size, e) < 0)
		return err_wrap(e, "%s", path);
	fd_freep(&w->file);
	w->file = -1;
	return archive_digest_end(w->digest, e);
}

struct archive_sink tree_writer_sink(struct tree_writer *w)
{
	return (struct archive_sink){
		.begin = begin,
		.data = data,
		.end = end,
		.same = w->old >= 0 ? same : NULL,
		.arg = w,
	};
}

/* Before the name appears, all that is behind it is on disk. */
static int finish(struct tree_writer *w, const struct digest *want, struct err *e)
{
	char got_hex[DIGEST_HEX_LEN + 1], want_hex[DIGEST_HEX_LEN + 1];
	struct digest got;

	if (archive_digest_finish(w->digest, &got, NULL, e) < 0)
		return e->code;
	if (!digest_equal(&got, want)) {
		digest_hex(got_hex, &got);
		digest_hex(want_hex, want);
		return err_set(e, ERR_REFUSED, "%s: digest %s instead of %s", w->name, got_hex,
			       want_hex);
	}
	return syncfs(w->root) < 0 ? err_errno(e, "%s: syncfs", w->temp) : 0;
}

static int move_into_place(struct tree_writer *w, struct err *e)
{
	if (renameat(w->parent, w->temp, w->parent, w->name) < 0) {
		if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
			return err_set(e, ERR_CONFLICT, "%s: is there already", w->name);
		return err_errno(e, "%s: rename", w->name);
	}
	w->made = false;
	if (fsync(w->parent) < 0)
		return err_errno(e, "%s: fsync of its directory", w->name);
	return 0;
}

int tree_writer_commit(struct tree_writer *w, const struct digest *want, struct err *e)
{
	return finish(w, want, e) < 0 ? e->code : move_into_place(w, e);
}

/* What was there gets our name, then one that says what it is. */
static int set_aside(struct tree_writer *w, struct err *e)
{
	char old[NAME_MAX + 1];

	if (snprintf(old, sizeof old, ".%s.old", w->name) >= (int)sizeof old)
		return err_set(e, ERR_LIMIT, "%s: name too long", w->name);
	if (file_remove_treeat(w->parent, old, e) < 0)
		return e->code;
	if (renameat2(w->parent, w->temp, w->parent, w->name, RENAME_EXCHANGE) < 0)
		return err_errno(e, "%s: exchange", w->name);
	w->made = false;
	if (renameat(w->parent, w->temp, w->parent, old) < 0)
		return err_errno(e, "%s: rename", w->temp);
	if (fsync(w->parent) < 0)
		return err_errno(e, "%s: fsync of its directory", w->name);
	return 0;
}

int tree_writer_replace(struct tree_writer *w, const struct digest *want, struct err *e)
{
	int rc = finish(w, want, e);

	if (rc == 0)
		rc = move_into_place(w, e);
	return rc == ERR_CONFLICT ? set_aside(w, e) : rc;
}
