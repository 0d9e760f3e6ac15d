/* delta_apply: the two frames decoded in a stream, each member passed on as it comes. */
#include "content/delta_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "content/archive_pour.h"
#include "content/tree.h"

#define IN_CHUNK ((size_t)64 * 1024)
#define OUT_CHUNK ((size_t)128 * 1024)
#define FRAME_HEADER_MAX 18             /* RFC 8878, 3.1.1: magic number and frame header */

static void dctx_freep(ZSTD_DCtx **z)
{
	ZSTD_freeDCtx(*z);
}

/* What of the delta has not been decoded. */
struct rest {
	int fd;                         /* -1: all of it is in `in` */
	uint8_t *chunk;                 /* of IN_CHUNK bytes; NULL without a descriptor */
	ZSTD_inBuffer in;
	int window_log;
};

static size_t at_hand(const struct rest *r)
{
	return r->in.size - r->in.pos;
}

/* Reads on until `want` bytes are at hand, or there are no more. */
static int refill(struct rest *r, size_t want, struct err *e)
{
	if (r->fd < 0 || at_hand(r) >= want)
		return 0;
	memmove(r->chunk, r->chunk + r->in.pos, at_hand(r));
	r->in = (ZSTD_inBuffer){ r->chunk, at_hand(r), 0 };
	while (at_hand(r) < want) {
		ssize_t n = read(r->fd, r->chunk + r->in.size, IN_CHUNK - r->in.size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "delta: read");
		if (n == 0)
			break;
		r->in.size += (size_t)n;
	}
	return 0;
}

/* How much the next frame holds. */
static int measure(struct rest *r, uint64_t *content, struct err *e)
{
	static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd };      /* no skippable frames */
	unsigned long long size = ZSTD_CONTENTSIZE_ERROR;
	bool begins;

	if (refill(r, FRAME_HEADER_MAX, e) < 0)
		return e->code;
	begins = at_hand(r) >= sizeof magic && !memcmp((const uint8_t *)r->in.src + r->in.pos, magic, sizeof magic);
	if (begins)
		size = ZSTD_getFrameContentSize((const uint8_t *)r->in.src + r->in.pos, at_hand(r));
	if (!begins)
		return err_set(e, ERR_FORMAT, "delta: no zstd frame where one must begin");
	if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
		return err_set(e, ERR_FORMAT, "delta: a zstd frame that is cut short or of unknown size");
	*content = size;
	return 0;
}

/* Where decoded bytes go, piece by piece. */
typedef int frame_data(void *arg, const void *bytes, size_t len, struct err *e);

static int decode(struct rest *r, ZSTD_DCtx *z, uint64_t content, frame_data *data, void *arg, struct err *e)
{
	AUTO_FREE uint8_t *chunk = malloc(OUT_CHUNK);
	size_t more = 1;

	if (!chunk)
		return err_memory(e);
	while (more) {
		ZSTD_outBuffer out = { chunk, OUT_CHUNK, 0 };

		if (refill(r, 1, e) < 0)
			return e->code;
		if (!at_hand(r))
			return err_set(e, ERR_FORMAT, "delta: a zstd frame that is cut short");
		more = ZSTD_decompressStream(z, &out, &r->in);
		if (ZSTD_isError(more) || out.pos > content)
			return err_set(e, ERR_FORMAT, "delta: zstd: %s",
				       ZSTD_isError(more) ? ZSTD_getErrorName(more) : "more than announced");
		content -= out.pos;
		if (out.pos && data(arg, chunk, out.pos, e) < 0)
			return e->code;
	}
	return content ? err_set(e, ERR_FORMAT, "delta: zstd: less than announced") : 0;
}

/*
 * The next frame, of at most content_max bytes. zstd keeps what it decoded for
 * looking back: with the prefix that is all the memory it takes.
 */
static int take_frame(struct rest *r, const struct buf *prefix, uint64_t content_max, frame_data *data, void *arg, struct err *e)
{
	__attribute__((cleanup(dctx_freep))) ZSTD_DCtx *z = ZSTD_createDCtx();
	uint64_t content = 0;
	size_t n;

	if (!z)
		return err_memory(e);
	if (measure(r, &content, e) < 0)
		return e->code;
	if (content > content_max || prefix->len + content > (uint64_t)1 << r->window_log)
		return err_set(e, ERR_LIMIT, "delta: a frame of %llu bytes is over its limit",
			       (unsigned long long)content);
	n = ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, r->window_log);
	if (!ZSTD_isError(n))
		n = ZSTD_DCtx_refPrefix(z, prefix->data, prefix->len);
	if (ZSTD_isError(n))
		return delta_zstd_error(n, e);
	return decode(r, z, content, data, arg, e);
}

/* ---- members as they come out of the second frame ---- */

struct pouring {
	struct archive_pour *pour;
	const struct delta_side *old;
	bool open;                      /* a member of the frame is under way */
	uint64_t left;                  /* of it, bytes */
};

static int pour_bytes(void *arg, const void *bytes, size_t len, struct err *e)
{
	return archive_pour_data(arg, bytes, len, e);
}

static int pour_kept(struct pouring *p, const struct manifest_file *f, struct err *e)
{
	if (archive_pour_begin(p->pour, true, e) < 0 || tree_read_file(p->old->dir, f, pour_bytes, p->pour, e) < 0)
		return e->code;
	return archive_pour_end(p->pour, e);
}

/* All that comes before the next byte of the frame: unchanged files, and empty ones. */
static int pour_others(struct pouring *p, struct err *e)
{
	const struct manifest_file *f;

	while ((f = archive_pour_next(p->pour))) {
		bool kept = delta_is_kept(f, p->old->manifest);

		if (!kept && f->size)
			return 0;
		if (kept ? pour_kept(p, f, e) < 0 : archive_pour_begin(p->pour, false, e) < 0 || archive_pour_end(p->pour, e) < 0)
			return e->code;
	}
	return 0;
}

/* The frame holds as many bytes as those files have: there is one to begin for each. */
static int pour_changed(void *arg, const void *bytes, size_t len, struct err *e)
{
	const uint8_t *at = bytes;
	struct pouring *p = arg;

	while (len) {
		size_t n;

		if (!p->open) {
			p->left = archive_pour_next(p->pour)->size;
			if (archive_pour_begin(p->pour, false, e) < 0)
				return e->code;
			p->open = true;
		}
		n = (size_t)MIN(p->left, (uint64_t)len);
		if (archive_pour_data(p->pour, at, n, e) < 0)
			return e->code;
		at += n;
		len -= n;
		p->left -= n;
		if (p->left)
			continue;
		p->open = false;
		if (archive_pour_end(p->pour, e) < 0 || pour_others(p, e) < 0)
			return e->code;
	}
	return 0;
}

/* The second frame, when the old tree lacks any bytes of the new one. */
static int take_files(struct rest *r, struct delta_side *old, struct pouring *p, struct err *e)
{
	const struct manifest *new = archive_pour_manifest_of(p->pour);
	uint64_t expected = delta_own_bytes(new, old->manifest), content = 0;

	if (!expected)
		return 0;
	if (delta_own_bytes(old->manifest, new) + expected > (uint64_t)1 << r->window_log)
		return err_set(e, ERR_LIMIT, "delta: more old and new bytes than its window");
	if (measure(r, &content, e) < 0)
		return e->code;
	if (content != expected)
		return err_set(e, ERR_FORMAT, "delta: %llu bytes of files instead of %llu", (unsigned long long)content,
			       (unsigned long long)expected);
	if (delta_gather(old, new, e) < 0)
		return err_wrap(e, "old bundle");
	return take_frame(r, old->files, expected, pour_changed, p, e);
}

/* Both manifests as bytes only as long as they are needed: they may be large. */
static int take_manifest(struct rest *r, struct delta_side *old, struct archive_pour *p, struct err *e)
{
	AUTO(buf) struct buf *json = buf_new(MANIFEST_BYTES_MAX);
	int rc;

	if (tree_manifest(old->dir, &old->manifest, &old->json, e) < 0)
		return err_wrap(e, "old bundle");
	if (!json)
		return err_memory(e);
	rc = take_frame(r, old->json, MANIFEST_BYTES_MAX, delta_append, json, e);
	buf_free(TAKE(old->json));
	return rc < 0 ? rc : archive_pour_manifest(p, json->data ? json->data : "", json->len, e);
}

static int apply(struct delta_side *old, struct rest *r, struct archive_pour *p, struct err *e)
{
	struct pouring pouring = { .pour = p, .old = old };

	if (take_manifest(r, old, p, e) < 0 || pour_others(&pouring, e) < 0 || take_files(r, old, &pouring, e) < 0 ||
	    refill(r, 1, e) < 0)
		return e->code;
	return at_hand(r) ? err_set(e, ERR_FORMAT, "delta: bytes after its end") : 0;
}

static int apply_rest(int old_dir, struct rest *r, const struct delta_info *want, const struct archive_sink *sink,
		      struct manifest **manifest, struct err *e)
{
	const struct archive_want all = { .size = want->size, .digest = want->to };
	AUTO(archive_pour) struct archive_pour *p = archive_pour_new(&all, sink);
	struct delta_side old = { .dir = old_dir };
	struct digest got;
	int code;

	if (!p)
		return err_memory(e);
	if (want->window_log < DELTA_WINDOW_LOG_MIN || want->window_log > DELTA_WINDOW_LOG_MAX)
		return err_set(e, ERR_LIMIT, "delta: window log %d, outside %d to %d", want->window_log,
			       DELTA_WINDOW_LOG_MIN, DELTA_WINDOW_LOG_MAX);
	r->window_log = want->window_log;
	code = apply(&old, r, p, e);
	delta_side_release(&old);
	if (code < 0)
		return code;
	if (archive_pour_finish(p, &got, NULL, e) < 0)
		return e->code;
	if (manifest)
		*manifest = archive_pour_take_manifest(p);
	return 0;
}

int delta_apply(int old_dir, const void *delta, size_t len, const struct delta_info *want,
		const struct archive_sink *sink, struct manifest **manifest, struct err *e)
{
	struct rest r = { .fd = -1, .in = { delta, len, 0 } };

	return apply_rest(old_dir, &r, want, sink, manifest, e);
}

int delta_apply_fd(int old_dir, int delta, const struct delta_info *want, const struct archive_sink *sink,
		   struct manifest **manifest, struct err *e)
{
	AUTO_FREE uint8_t *chunk = malloc(IN_CHUNK);
	struct rest r = { .fd = delta, .chunk = chunk, .in = { chunk, 0, 0 } };

	return chunk ? apply_rest(old_dir, &r, want, sink, manifest, e) : err_memory(e);
}
