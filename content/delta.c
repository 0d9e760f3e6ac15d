/* delta: making the way from one bundle to another, as two zstd frames with what is known as prefix. */
#include "content/delta_parts.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "content/tree.h"

#define LEVEL 19

void delta_side_release(struct delta_side *s)
{
	manifest_free(s->manifest);
	buf_free(s->json);
	buf_free(s->files);
}

static void ctx_freep(ZSTD_CCtx **z)
{
	ZSTD_freeCCtx(*z);
}

bool delta_is_kept(const struct manifest_file *f, const struct manifest *other)
{
	const struct manifest_file *o = manifest_find(other, f->path);

	return o && o->size == f->size && digest_equal(&o->sha256, &f->sha256);
}

uint64_t delta_own_bytes(const struct manifest *m, const struct manifest *other)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->file_count; i++)
		if (!delta_is_kept(&m->files[i], other))
			sum += m->files[i].size;
	return sum;
}

int delta_append(void *arg, const void *bytes, size_t len, struct err *e)
{
	buf_add(arg, bytes, len);
	return buf_check(arg, e);
}

int delta_gather(struct delta_side *s, const struct manifest *other, struct err *e)
{
	s->files = buf_new((size_t)1 << DELTA_WINDOW_LOG_MAX);
	if (!s->files || !buf_grow(s->files, 0))
		return err_memory(e);
	for (size_t i = 0; i < s->manifest->file_count; i++) {
		const struct manifest_file *f = &s->manifest->files[i];

		if (!delta_is_kept(f, other) && tree_read_file(s->dir, f, delta_append, s->files, e) < 0)
			return e->code;
	}
	return 0;
}

/* The smallest window that reaches from the last byte of content to the first of the prefix; 0: none may. */
static int window_for(uint64_t prefix, uint64_t content)
{
	for (int log = DELTA_WINDOW_LOG_MIN; log <= DELTA_WINDOW_LOG_MAX; log++)
		if (prefix + content <= (uint64_t)1 << log)
			return log;
	return 0;
}

/* ---- making ---- */

int delta_zstd_error(size_t code, struct err *e)
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
		return delta_zstd_error(n, e);
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

static int load(struct delta_side *s, struct digest *digest, uint64_t *size, struct err *e)
{
	static const struct digest any;

	if (tree_verify(s->dir, &any, NULL, digest, size, e) < 0)
		return e->code;
	return tree_manifest(s->dir, &s->manifest, &s->json, e);
}

static int make(struct buf *out, struct delta_side *old, struct delta_side *new, struct delta_info *info,
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
	old_bytes = delta_own_bytes(old->manifest, new->manifest);
	new_bytes = delta_own_bytes(new->manifest, old->manifest);
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
	if (delta_gather(old, new->manifest, e) < 0 || delta_gather(new, old->manifest, e) < 0)
		return e->code;
	return add_frame(out, old->files, new->files, second, e);
}

int delta_make(struct buf *out, int old_dir, int new_dir, struct delta_info *info, struct err *e)
{
	struct delta_side old = { .dir = old_dir }, new = { .dir = new_dir };
	int code = make(out, &old, &new, info, e);

	delta_side_release(&old);
	delta_side_release(&new);
	return code;
}
