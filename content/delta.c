/* delta: the way from one bundle to another, as two zstd frames with what is known as prefix. */
#include "content/delta.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "content/archive_pour.h"
#include "content/tree.h"

#define LEVEL 19
#define WINDOW_LOG_MIN 10

/* One side of a delta: a tree, and the files of it that the other side does not have. */
struct side {
	int dir;
	struct manifest *manifest;
	struct buf *json;
	struct buf *files;              /* the bytes of those files, in order */
};

static void side_release(struct side *s)
{
	manifest_free(s->manifest);
	buf_free(s->json);
	buf_free(s->files);
}

static void ctx_freep(ZSTD_CCtx **z)
{
	ZSTD_freeCCtx(*z);
}

static void dctx_freep(ZSTD_DCtx **z)
{
	ZSTD_freeDCtx(*z);
}

/* The same path with the same bytes: kept, and in no frame. */
static bool is_kept(const struct manifest_file *f, const struct manifest *other)
{
	const struct manifest_file *o = manifest_find(other, f->path);

	return o && o->size == f->size && digest_equal(&o->sha256, &f->sha256);
}

/* Bytes of the files of m that `other` does not have. */
static uint64_t own_bytes(const struct manifest *m, const struct manifest *other)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->file_count; i++)
		if (!is_kept(&m->files[i], other))
			sum += m->files[i].size;
	return sum;
}

static int append(void *arg, const void *bytes, size_t len, struct err *e)
{
	buf_add(arg, bytes, len);
	return buf_check(arg, e);
}

static int gather(struct side *s, const struct manifest *other, struct err *e)
{
	s->files = buf_new((size_t)1 << DELTA_WINDOW_LOG_MAX);
	if (!s->files || !buf_grow(s->files, 0))
		return err_memory(e);
	for (size_t i = 0; i < s->manifest->file_count; i++) {
		const struct manifest_file *f = &s->manifest->files[i];

		if (!is_kept(f, other) && tree_read_file(s->dir, f, append, s->files, e) < 0)
			return e->code;
	}
	return 0;
}

/* The smallest window that reaches from the last byte of content to the first of the prefix; 0: none may. */
static int window_for(uint64_t prefix, uint64_t content)
{
	for (int log = WINDOW_LOG_MIN; log <= DELTA_WINDOW_LOG_MAX; log++)
		if (prefix + content <= (uint64_t)1 << log)
			return log;
	return 0;
}

/* ---- making ---- */

static int zstd_error(size_t code, struct err *e)
{
	return err_set(e, ERR_INTERNAL, "delta: zstd: %s", ZSTD_getErrorName(code));
}

static int add_frame(struct buf *out, const struct buf *prefix, const struct buf *content, int window,
		     struct err *e)
{
	__attribute__((cleanup(ctx_freep))) ZSTD_CCtx *z = ZSTD_createCCtx();
	size_t room = ZSTD_compressBound(content->len);
	void *at = buf_grow(out, room);
	size_t n;

	if (!z)
		return err_memory(e);
	if (!at)
		return buf_check(out, e);
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, window);
	n = ZSTD_CCtx_refPrefix(z, prefix->data, prefix->len);
	if (!ZSTD_isError(n))
		n = ZSTD_compress2(z, at, room, content->data, content->len);
	if (ZSTD_isError(n))
		return zstd_error(n, e);
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

static int load(struct side *s, struct digest *digest, uint64_t *size, struct err *e)
{
	static const struct digest any;

	if (tree_verify(s->dir, &any, NULL, digest, size, e) < 0)
		return e->code;
	return tree_manifest(s->dir, &s->manifest, &s->json, e);
}

static int make(struct buf *out, struct side *old, struct side *new, struct delta_info *info,
		struct err *e)
{
	uint64_t old_bytes, new_bytes;
	int first, second;

	if (load(old, &info->from, NULL, e) < 0)
		return err_wrap(e, "old bundle");
	if (load(new, &info->to, &info->size, e) < 0)
		return err_wrap(e, "new bundle");
	if (strcmp(old->manifest->channel, new->manifest->channel) != 0)
		return err_set(e, ERR_USAGE, "delta: from channel %s to channel %s",
			       old->manifest->channel, new->manifest->channel);
	old_bytes = own_bytes(old->manifest, new->manifest);
	new_bytes = own_bytes(new->manifest, old->manifest);
	first = window_for(old->json->len, new->json->len);
	second = window_for(old_bytes, new_bytes);
	if (!first || !second)
		return err_set(e, ERR_UNSUPPORTED,
			       "delta: %llu old and %llu new bytes exceed a window of 2^%d; serve the full archive",
			       (unsigned long long)(first ? old_bytes : old->json->len),
			       (unsigned long long)(first ? new_bytes : new->json->len),
			       DELTA_WINDOW_LOG_MAX);
	info->window_log = MAX(first, second);
	if (add_frame(out, old->json, new->json, first, e) < 0)
		return e->code;
	if (!new_bytes)
		return 0;
	if (gather(old, new->manifest, e) < 0 || gather(new, old->manifest, e) < 0)
		return e->code;
	return add_frame(out, old->files, new->files, second, e);
}

int delta_make(struct buf *out, int old_dir, int new_dir, struct delta_info *info, struct err *e)
{
	struct side old = { .dir = old_dir }, new = { .dir = new_dir };
	int code = make(out, &old, &new, info, e);

	side_release(&old);
	side_release(&new);
	return code;
}

/* ---- applying ---- */

/* What of the delta has not been decoded. */
struct rest {
	const uint8_t *at;
	size_t len;
	int window_log;
};

/* The next frame's compressed length and the length of what it holds. */
static int measure(const struct rest *r, size_t *frame, uint64_t *content, struct err *e)
{
	static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd };      /* no skippable frames */
	unsigned long long size;

	if (r->len < sizeof magic || memcmp(r->at, magic, sizeof magic) != 0)
		return err_set(e, ERR_FORMAT, "delta: no zstd frame where one must begin");
	*frame = ZSTD_findFrameCompressedSize(r->at, r->len);
	size = ZSTD_getFrameContentSize(r->at, r->len);
	if (ZSTD_isError(*frame) || size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
		return err_set(e, ERR_FORMAT, "delta: a zstd frame that is cut short or of unknown size");
	*content = size;
	return 0;
}

static int take_frame(struct rest *r, const struct buf *prefix, uint64_t content_max, struct buf **out,
		      struct err *e)
{
	__attribute__((cleanup(dctx_freep))) ZSTD_DCtx *z = ZSTD_createDCtx();
	AUTO(buf) struct buf *b = NULL;
	uint64_t content = 0;
	size_t frame = 0, n;

	if (measure(r, &frame, &content, e) < 0)
		return e->code;
	if (content > content_max || prefix->len + content > (uint64_t)1 << r->window_log)
		return err_set(e, ERR_LIMIT, "delta: a frame of %llu bytes is over its limit",
			       (unsigned long long)content);
	b = buf_new((size_t)1 << DELTA_WINDOW_LOG_MAX);
	if (!b || !z || !buf_grow(b, (size_t)content))
		return err_memory(e);
	n = ZSTD_DCtx_refPrefix(z, prefix->data, prefix->len);
	if (!ZSTD_isError(n))
		n = ZSTD_decompressDCtx(z, b->data, (size_t)content, r->at, frame);
	if (ZSTD_isError(n) || n != content)
		return err_set(e, ERR_FORMAT, "delta: zstd: %s",
			       ZSTD_isError(n) ? ZSTD_getErrorName(n) : "another length than announced");
	b->len = n;
	b->data[n] = '\0';
	r->at += frame;
	r->len -= frame;
	*out = TAKE(b);
	return 0;
}

static int pour_bytes(void *arg, const void *bytes, size_t len, struct err *e)
{
	return archive_pour_data(arg, bytes, len, e);
}

/* Unchanged files from the old tree, the others from `files`, in the order of the archive. */
static int pour_files(struct archive_pour *p, const struct side *old, const struct buf *files,
		      struct err *e)
{
	const struct manifest_file *f;
	size_t used = 0;

	while ((f = archive_pour_next(p))) {
		bool kept = is_kept(f, old->manifest);

		if (archive_pour_begin(p, kept, e) < 0)
			return e->code;
		if (kept) {
			if (tree_read_file(old->dir, f, pour_bytes, p, e) < 0)
				return e->code;
		} else {
			/* take_files() made sure that files holds exactly these bytes. */
			if (f->size && archive_pour_data(p, files->data + used, (size_t)f->size, e) < 0)
				return e->code;
			used += (size_t)f->size;
		}
		if (archive_pour_end(p, e) < 0)
			return e->code;
	}
	return 0;
}

/* The bytes of all files the old tree does not have; NULL when there are none. */
static int take_files(struct rest *r, struct side *old, const struct manifest *new, struct buf **out,
		      struct err *e)
{
	uint64_t expected = own_bytes(new, old->manifest);

	if (!expected)
		return 0;
	if (own_bytes(old->manifest, new) + expected > (uint64_t)1 << r->window_log)
		return err_set(e, ERR_LIMIT, "delta: more old and new bytes than its window");
	if (gather(old, new, e) < 0)
		return err_wrap(e, "old bundle");
	if (take_frame(r, old->files, expected, out, e) < 0)
		return e->code;
	if ((*out)->len != expected)
		return err_set(e, ERR_FORMAT, "delta: %zu bytes of files instead of %llu", (*out)->len,
			       (unsigned long long)expected);
	return 0;
}

static int apply(struct side *old, struct rest *r, struct archive_pour *p, struct err *e)
{
	AUTO(buf) struct buf *json = NULL;
	AUTO(buf) struct buf *files = NULL;

	if (tree_manifest(old->dir, &old->manifest, &old->json, e) < 0)
		return err_wrap(e, "old bundle");
	if (take_frame(r, old->json, MANIFEST_BYTES_MAX, &json, e) < 0 ||
	    archive_pour_manifest(p, json->data, json->len, e) < 0 ||
	    take_files(r, old, archive_pour_manifest_of(p), &files, e) < 0)
		return e->code;
	if (r->len)
		return err_set(e, ERR_FORMAT, "delta: bytes after its end");
	return pour_files(p, old, files, e);
}

int delta_apply(int old_dir, const void *delta, size_t len, const struct delta_info *want,
		const struct archive_sink *sink, struct manifest **manifest, struct err *e)
{
	const struct archive_want all = { .size = want->size, .digest = want->to };
	AUTO(archive_pour) struct archive_pour *p = archive_pour_new(&all, sink);
	struct rest rest = { .at = delta, .len = len, .window_log = want->window_log };
	struct side old = { .dir = old_dir };
	struct digest got;
	int code;

	if (!p)
		return err_memory(e);
	if (want->window_log < WINDOW_LOG_MIN || want->window_log > DELTA_WINDOW_LOG_MAX)
		return err_set(e, ERR_LIMIT, "delta: window log %d, outside %d to %d", want->window_log,
			       WINDOW_LOG_MIN, DELTA_WINDOW_LOG_MAX);
	code = apply(&old, &rest, p, e);
	side_release(&old);
	if (code < 0)
		return code;
	if (archive_pour_finish(p, &got, NULL, e) < 0)
		return e->code;
	if (manifest)
		*manifest = archive_pour_take_manifest(p);
	return 0;
}
