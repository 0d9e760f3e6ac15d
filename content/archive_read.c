/* archive_read: gzip, then ustar, one state at a time. */
#include "content/archive_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/log.h"
#include "content/archive_pour.h"

#define CHUNK ((size_t)64 * 1024)
#define GZIP_ONLY (15 + 16)             /* zlib's word for: largest window, gzip and nothing else */

enum at { AT_HEADER, AT_BODY, AT_PADDING, AT_CLOSING, AT_END };

struct archive_reader {
	z_stream z;
	bool z_open, z_ended;
	uint64_t max;                   /* uncompressed bytes that may come */
	uint64_t came;                  /* uncompressed bytes so far */
	enum at at;
	uint64_t left;                  /* bytes still missing in this state */
	uint64_t member;                /* bytes of the member under way */
	uint8_t header[ARCHIVE_BLOCK];
	struct buf *json;               /* manifest.json while it comes; NULL afterwards */
	struct archive_pour *pour;
	struct digest digest;           /* after finish */
	uint64_t size;
	struct err failed;              /* code 0: not so far */
	uint8_t chunk[CHUNK];
};

static void expect(struct archive_reader *r, enum at at, uint64_t bytes)
{
	r->at = at;
	r->left = bytes;
}

struct archive_reader *archive_reader_new(const struct archive_want *want, const struct archive_sink *sink)
{
	AUTO(archive_reader) struct archive_reader *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->max = want->size && want->size < ARCHIVE_SIZE_MAX ? want->size : ARCHIVE_SIZE_MAX;
	r->json = buf_new(MANIFEST_BYTES_MAX);
	r->pour = archive_pour_new(want, sink);
	r->z_open = inflateInit2(&r->z, GZIP_ONLY) == Z_OK;
	expect(r, AT_HEADER, ARCHIVE_BLOCK);
	return r->json && r->pour && r->z_open ? TAKE(r) : NULL;
}

void archive_reader_free(struct archive_reader *r)
{
	if (!r)
		return;
	if (r->z_open)
		inflateEnd(&r->z);
	buf_free(r->json);
	archive_pour_free(r->pour);
	free(r);
}

static int begin_member(struct archive_reader *r, uint64_t size, struct err *e)
{
	r->member = size;
	expect(r, AT_BODY, size);
	return r->json ? 0 : archive_pour_begin(r->pour, false, e);
}

static int wrong_header(const struct archive_reader *r, const char *path, struct err *e)
{
	AUTO(buf) struct buf *name = buf_new(1024);

	if (!name)
		return err_memory(e);
	log_escape(name, (const char *)r->header, strnlen((const char *)r->header, 100));
	return err_set(e, ERR_FORMAT,
		       "archive: at byte %llu the header is not the one of %s (it begins \"%s\")",
		       (unsigned long long)(r->came - ARCHIVE_BLOCK), path, name->data);
}

/* There is one right header, made from what must come now; only the manifest's size is news. */
static int take_header(struct archive_reader *r, struct err *e)
{
	const struct manifest_file *f = archive_pour_next(r->pour);
	const char *path = f ? f->path : MANIFEST_NAME;
	uint64_t size = f ? f->size : 0;
	uint8_t right[ARCHIVE_BLOCK];

	if (!f && !archive_header_size(r->header, &size))
		return wrong_header(r, path, e);
	archive_header(right, path, size);
	if (memcmp(right, r->header, sizeof right) != 0)
		return wrong_header(r, path, e);
	if (!f && size > MANIFEST_BYTES_MAX)
		return err_set(e, ERR_LIMIT, "archive: %s of %llu bytes", path,
			       (unsigned long long)size);
	return begin_member(r, size, e);
}

static int end_member(struct archive_reader *r, struct err *e)
{
	expect(r, AT_PADDING, archive_padded(r->member) - r->member);
	if (!r->json)
		return archive_pour_end(r->pour, e);
	if (buf_check(r->json, e) < 0 ||
	    archive_pour_manifest(r->pour, r->json->data ? r->json->data : "", r->json->len, e) < 0)
		return e->code;
	buf_free(TAKE(r->json));
	return 0;
}

/* A state whose bytes have all come leads to the next. */
static int advance(struct archive_reader *r, struct err *e)
{
	switch (r->at) {
	case AT_HEADER:
		return take_header(r, e);
	case AT_BODY:
		return end_member(r, e);
	case AT_PADDING:
		if (archive_pour_next(r->pour))
			expect(r, AT_HEADER, ARCHIVE_BLOCK);
		else
			expect(r, AT_CLOSING, 2 * ARCHIVE_BLOCK);
		return 0;
	case AT_CLOSING:
		r->at = AT_END;
		return 0;
	case AT_END:
		break;
	}
	return err_set(e, ERR_INTERNAL, "archive: nothing follows the end");
}

static int take_zeros(const struct archive_reader *r, const uint8_t *bytes, size_t len, struct err *e)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return err_set(e, ERR_FORMAT, "archive: a byte that is not zero %s",
				       r->at == AT_PADDING ? "in the padding" :
							     "where it must end");
	return 0;
}

static int take_bytes(struct archive_reader *r, const uint8_t *bytes, size_t len, struct err *e)
{
	switch (r->at) {
	case AT_HEADER:
		memcpy(r->header + ARCHIVE_BLOCK - r->left, bytes, len);
		return 0;
	case AT_BODY:
		if (!r->json)
			return archive_pour_data(r->pour, bytes, len, e);
		buf_add(r->json, bytes, len);
		return 0;
	default:
		return take_zeros(r, bytes, len, e);
	}
}

static int take_stream(struct archive_reader *r, const uint8_t *bytes, size_t len, struct err *e)
{
	while (len) {
		size_t n = (size_t)MIN(r->left, (uint64_t)len);

		if (r->at == AT_END)
			return err_set(e, ERR_FORMAT, "archive: bytes after its end");
		if (take_bytes(r, bytes, n, e) < 0)
			return e->code;
		bytes += n;
		len -= n;
		r->left -= n;
		r->came += n;
		while (!r->left && r->at != AT_END)
			if (advance(r, e) < 0)
				return e->code;
	}
	return 0;
}

/* One step of zlib, never asked for more than one byte beyond what may come. */
static int inflate_some(struct archive_reader *r, struct err *e)
{
	size_t room = (size_t)MIN((uint64_t)CHUNK, r->max - r->came + 1);
	size_t got;
	int code;

	r->z.next_out = r->chunk;
	r->z.avail_out = (uInt)room;
	code = inflate(&r->z, Z_NO_FLUSH);
	got = room - r->z.avail_out;
	if (code == Z_MEM_ERROR)
		return err_memory(e);
	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return err_set(e, ERR_FORMAT, "archive: gzip: %s",
			       r->z.msg ? r->z.msg : "damaged data");
	if (got > r->max - r->came)
		return err_set(e, ERR_LIMIT, "archive: more than the %llu bytes it may unpack to",
			       (unsigned long long)r->max);
	r->z_ended = code == Z_STREAM_END;
	return take_stream(r, r->chunk, got, e);
}

static int add(struct archive_reader *r, const void *gz, size_t len, struct err *e)
{
	r->z.next_in = (Bytef *)(uintptr_t)gz;
	r->z.avail_in = (uInt)len;
	do {
		if (r->z_ended && r->z.avail_in)
			return err_set(e, ERR_FORMAT, "archive: bytes after the gzip data");
		if (r->z_ended)
			return 0;
		if (inflate_some(r, e) < 0)
			return e->code;
	} while (r->z.avail_in || !r->z.avail_out);
	return 0;
}

static int keep(struct archive_reader *r, const struct err *e)
{
	r->failed = *e;
	return e->code;
}

int archive_reader_add(struct archive_reader *r, const void *gz, size_t len, struct err *e)
{
	const uint8_t *at = gz;

	if (r->failed.code) {
		*e = r->failed;
		return e->code;
	}
	while (len) {
		size_t n = MIN(len, (size_t)1 << 30);

		if (add(r, at, n, e) < 0)
			return keep(r, e);
		at += n;
		len -= n;
	}
	return 0;
}

int archive_reader_finish(struct archive_reader *r, struct err *e)
{
	if (r->failed.code) {
		*e = r->failed;
		return e->code;
	}
	if (!r->z_ended)
		err_set(e, ERR_FORMAT, "archive: the gzip data is cut short");
	else if (r->at != AT_END)
		err_set(e, ERR_FORMAT, "archive: cut short after %llu bytes",
			(unsigned long long)r->came);
	else if (archive_pour_finish(r->pour, &r->digest, &r->size, e) == 0)
		return 0;
	return keep(r, e);
}

const struct manifest *archive_reader_manifest(const struct archive_reader *r)
{
	return archive_pour_manifest_of(r->pour);
}

struct manifest *archive_reader_take_manifest(struct archive_reader *r)
{
	return archive_pour_take_manifest(r->pour);
}

void archive_reader_result(const struct archive_reader *r, struct digest *digest, uint64_t *size)
{
	*digest = r->digest;
	*size = r->size;
}

int archive_read_fd(int fd, const struct archive_want *want, const struct archive_sink *sink,
		    struct manifest **manifest, struct digest *digest, uint64_t *size, struct err *e)
{
	AUTO(archive_reader) struct archive_reader *r = archive_reader_new(want, sink);
	AUTO_FREE uint8_t *bytes = malloc(CHUNK);

	if (!r || !bytes)
		return err_memory(e);
	for (;;) {
		ssize_t n = read(fd, bytes, CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "archive: read");
		if (n == 0)
			break;
		if (archive_reader_add(r, bytes, (size_t)n, e) < 0)
			return e->code;
	}
	if (archive_reader_finish(r, e) < 0)
		return e->code;
	if (manifest)
		*manifest = archive_reader_take_manifest(r);
	if (digest)
		*digest = r->digest;
	if (size)
		*size = r->size;
	return 0;
}
