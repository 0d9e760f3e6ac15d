/* tree: reading a bundle's directory, every byte proved. */
#include "content/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define CHUNK ((size_t)64 * 1024)

static int open_file(int dir, const struct manifest_file *f, int *fd, struct err *e)
{
	struct stat st;

	/* What the path leads to proves itself by its hash; only a pipe could keep us waiting. */
	*fd = openat(dir, f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0)
		return err_errno(e, "%s: open", f->path);
	if (fstat(*fd, &st) < 0)
		return err_errno(e, "%s: stat", f->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s: not a regular file", f->path);
	if ((uint64_t)st.st_size != f->size)
		return err_set(e, ERR_CONFLICT, "%s: %lld bytes; the manifest says %llu", f->path,
			       (long long)st.st_size, (unsigned long long)f->size);
	return 0;
}

static ssize_t read_some(int fd, void *out, size_t len)
{
	ssize_t n;

	do
		n = read(fd, out, len);
	while (n < 0 && errno == EINTR);
	return n;
}

/* As many bytes as the manifest says, and their hash, whatever it is. */
static int read_file(int dir, const struct manifest_file *f, tree_data *data, void *arg, struct digest *got, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();
	AUTO_FREE uint8_t *chunk = malloc(CHUNK);
	AUTO_FD int fd = -1;
	uint64_t left = f->size;

	if (!h || !chunk)
		return err_memory(e);
	if (open_file(dir, f, &fd, e) < 0)
		return e->code;
	for (;;) {
		ssize_t n = read_some(fd, chunk, CHUNK);

		if (n < 0)
			return err_errno(e, "%s: read", f->path);
		if (n == 0)
			break;
		if ((uint64_t)n > left)
			return err_set(e, ERR_CONFLICT, "%s: it grew while it was read", f->path);
		left -= (uint64_t)n;
		hash_add(h, chunk, (size_t)n);
		if (data && data(arg, chunk, (size_t)n, e) < 0)
			return e->code;
	}
	if (left)
		return err_set(e, ERR_CONFLICT, "%s: it shrank while it was read", f->path);
	hash_final(h, got);
	return 0;
}

int tree_read_file(int dir, const struct manifest_file *f, tree_data *data, void *arg, struct err *e)
{
	struct digest got;

	if (read_file(dir, f, data, arg, &got, e) < 0)
		return e->code;
	if (!digest_equal(&got, &f->sha256))
		return err_set(e, ERR_CONFLICT, "%s: the SHA-256 is not the manifest's", f->path);
	return 0;
}

int tree_manifest(int dir, struct manifest **out, struct buf **json, struct err *e)
{
	AUTO(buf) struct buf *raw = NULL;

	if (file_readat(&raw, dir, MANIFEST_NAME, MANIFEST_BYTES_MAX, e) < 0)
		return e->code;
	if (manifest_parse(out, raw->data, raw->len, e) < 0)
		return e->code;
	if (json)
		*json = TAKE(raw);
	return 0;
}

/* A file nobody signed for must not lie where a sensor may pick it up. */
static int nothing_else(const char *rel, bool is_dir, void *arg, struct err *e)
{
	const struct manifest *m = arg;

	if (is_dir ? manifest_holds_dir(m, rel)
		   : !strcmp(rel, MANIFEST_NAME) || manifest_find(m, rel))
		return 0;
	return err_set(e, ERR_CONFLICT, "%s: not in the manifest", rel);
}

static int add_bytes(void *arg, const void *bytes, size_t len, struct err *e)
{
	return archive_digest_data(arg, bytes, len, e);
}

static int add_file(struct archive_digest *d, int dir, const struct manifest_file *f, struct digest *got, struct err *e)
{
	if (archive_digest_begin(d, f->path, f->size, e) < 0 ||
	    read_file(dir, f, add_bytes, d, got, e) < 0)
		return e->code;
	return archive_digest_end(d, e);
}

/* D of what is there, and the first file whose hash is not the manifest's: NULL when all are. */
static int digest_of(int dir, const struct manifest *m, const struct buf *json, struct digest *out, uint64_t *size,
		     const struct manifest_file **other, struct err *e)
{
	AUTO(archive_digest) struct archive_digest *d = archive_digest_new();

	if (!d)
		return err_memory(e);
	if (archive_digest_begin(d, MANIFEST_NAME, json->len, e) < 0 ||
	    archive_digest_data(d, json->data, json->len, e) < 0 || archive_digest_end(d, e) < 0)
		return e->code;
	for (size_t i = 0; i < m->file_count; i++) {
		struct digest got;

		if (add_file(d, dir, &m->files[i], &got, e) < 0)
			return e->code;
		if (!*other && !digest_equal(&got, &m->files[i].sha256))
			*other = &m->files[i];
	}
	return archive_digest_finish(d, out, size, e);
}

static int not_as_listed(const struct manifest_file *f, bool as_signed, struct err *e)
{
	if (as_signed)
		return err_set(e, ERR_REFUSED, "%s: the SHA-256 is not the manifest's, in the very bundle that was signed", f->path);
	return err_set(e, ERR_CONFLICT, "%s: the SHA-256 is not the manifest's", f->path);
}

int tree_verify(int dir, const struct digest *want, struct manifest **manifest, struct digest *digest,
		uint64_t *size, struct err *e)
{
	AUTO(manifest) struct manifest *m = NULL;
	AUTO(buf) struct buf *json = NULL;
	const struct manifest_file *other = NULL;
	struct digest got;

	if (tree_manifest(dir, &m, &json, e) < 0)
		return e->code;
	if (file_walkat(dir, nothing_else, m, e) < 0)
		return e->code;
	if (digest_of(dir, m, json, &got, size, &other, e) < 0)
		return e->code;
	if (other)
		return not_as_listed(other, digest_equal(&got, want), e);
	if (!digest_is_zero(want) && !digest_equal(&got, want))
		return err_set(e, ERR_CONFLICT, "%s: not the one of this bundle's digest",
			       MANIFEST_NAME);
	if (manifest)
		*manifest = TAKE(m);
	if (digest)
		*digest = got;
	return 0;
}
