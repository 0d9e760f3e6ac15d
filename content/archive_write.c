/* archive_write: a directory and its manifest into a gzipped archive. */
#include "content/archive_write.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "content/tree.h"

#define GZIP_ONLY (15 + 16)
#define GZIP_OS_UNKNOWN 255             /* the same byte wherever the archive is made */
#define CHUNK ((size_t)64 * 1024)

struct writer {
	z_stream z;
	bool open;
	struct buf *gz;                 /* borrowed */
	struct archive_digest *digest;
};

static void writer_freep(struct writer *w)
{
	if (w->open)
		deflateEnd(&w->z);
	archive_digest_free(w->digest);
}

static int start(struct writer *w, struct buf *gz, gz_header *head, struct err *e)
{
	w->gz = gz;
	w->digest = archive_digest_new();
	w->open = deflateInit2(&w->z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_ONLY, MAX_MEM_LEVEL,
			       Z_DEFAULT_STRATEGY) == Z_OK;
	if (!w->digest || !w->open || deflateSetHeader(&w->z, head) != Z_OK)
		return err_memory(e);
	return 0;
}

static int run_deflate(struct writer *w, int flush, struct err *e)
{
	int code;

	do {
		void *room = buf_grow(w->gz, CHUNK);

		if (!room)
			return buf_check(w->gz, e);
		w->z.next_out = room;
		w->z.avail_out = CHUNK;
		code = deflate(&w->z, flush);
		if (code == Z_STREAM_ERROR)
			return err_set(e, ERR_INTERNAL, "archive: gzip: stream error");
		w->gz->len += CHUNK - w->z.avail_out;
		w->gz->data[w->gz->len] = '\0';
	} while (!w->z.avail_out);
	return 0;
}

static int squeeze(struct writer *w, const void *bytes, size_t len, int flush, struct err *e)
{
	int code;

	w->z.next_in = (Bytef *)(uintptr_t)bytes;
	w->z.avail_in = (uInt)len;
	code = run_deflate(w, flush, e);
	w->z.next_in = NULL;    /* the bytes are the caller's */
	w->z.avail_in = 0;
	return code;
}

static int begin(struct writer *w, const char *path, uint64_t size, struct err *e)
{
	uint8_t header[ARCHIVE_BLOCK];

	if (archive_digest_begin(w->digest, path, size, e) < 0)
		return e->code;
	archive_header(header, path, size);
	return squeeze(w, header, sizeof header, Z_NO_FLUSH, e);
}

static int body(void *arg, const void *bytes, size_t len, struct err *e)
{
	struct writer *w = arg;

	if (archive_digest_data(w->digest, bytes, len, e) < 0)
		return e->code;
	return squeeze(w, bytes, len, Z_NO_FLUSH, e);
}

static int end(struct writer *w, uint64_t size, struct err *e)
{
	static const uint8_t zeros[ARCHIVE_BLOCK];

	if (archive_digest_end(w->digest, e) < 0)
		return e->code;
	return squeeze(w, zeros, (size_t)(archive_padded(size) - size), Z_NO_FLUSH, e);
}

static int finish(struct writer *w, struct archive_written *out, struct err *e)
{
	static const uint8_t zeros[2 * ARCHIVE_BLOCK];

	if (archive_digest_finish(w->digest, &out->digest, &out->size, e) < 0)
		return e->code;
	return squeeze(w, zeros, sizeof zeros, Z_FINISH, e);
}

static int by_path(const void *key, const void *made)
{
	return strcmp(key, ((const struct archive_made *)made)->path);
}

static const struct buf *made_bytes(const struct archive_made *made, size_t count, const char *path)
{
	const struct archive_made *found = count ? bsearch(path, made, count, sizeof(*made), by_path) : NULL;

	return found ? found->bytes : NULL;
}

int archive_write_made(struct buf *gz, int dir, const struct manifest *m, const struct buf *json,
		       const struct archive_made *made, size_t made_count, struct archive_written *out, struct err *e)
{
	gz_header head = { .os = GZIP_OS_UNKNOWN };
	__attribute__((cleanup(writer_freep))) struct writer w = { .open = false };

	if (start(&w, gz, &head, e) < 0)
		return e->code;
	if (begin(&w, MANIFEST_NAME, json->len, e) < 0 || body(&w, json->data, json->len, e) < 0 ||
	    end(&w, json->len, e) < 0)
		return e->code;
	for (size_t i = 0; i < m->file_count; i++) {
		const struct manifest_file *f = &m->files[i];
		const struct buf *bytes = made_bytes(made, made_count, f->path);

		if (begin(&w, f->path, f->size, e) < 0 ||
		    (bytes ? body(&w, bytes->data, bytes->len, e) : tree_read_file(dir, f, body, &w, e)) < 0 ||
		    end(&w, f->size, e) < 0)
			return e->code;
	}
	return finish(&w, out, e);
}

int archive_write(struct buf *gz, int dir, const struct manifest *m, const struct buf *json,
		  struct archive_written *out, struct err *e)
{
	return archive_write_made(gz, dir, m, json, NULL, 0, out, e);
}
