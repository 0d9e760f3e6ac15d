/* archive_pour: members on their way into a sink, checked against the manifest. */
#include "content/archive_pour.h"

#include <stdlib.h>

struct archive_pour {
	struct archive_want want;
	struct archive_sink sink;
	bool silent;                    /* no sink */
	bool kept;                      /* the open member goes to sink.same */
	struct archive_digest *digest;
	struct hash *hash;              /* of the open member */
	struct manifest *manifest;
	size_t next;                    /* the file that must come now */
};

struct archive_pour *archive_pour_new(const struct archive_want *want, const struct archive_sink *sink)
{
	AUTO(archive_pour) struct archive_pour *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	p->want = *want;
	p->silent = !sink;
	if (sink)
		p->sink = *sink;
	p->digest = archive_digest_new();
	p->hash = hash_new();
	return p->digest && p->hash ? TAKE(p) : NULL;
}

void archive_pour_free(struct archive_pour *p)
{
	if (!p)
		return;
	archive_digest_free(p->digest);
	hash_free(p->hash);
	manifest_free(p->manifest);
	free(p);
}

/* ---- D, unless the sink computes it ---- */

static int digest_begin(struct archive_pour *p, const char *path, uint64_t size, struct err *e)
{
	return p->want.sink_proves ? 0 : archive_digest_begin(p->digest, path, size, e);
}

static int digest_data(struct archive_pour *p, const void *bytes, size_t len, struct err *e)
{
	return p->want.sink_proves ? 0 : archive_digest_data(p->digest, bytes, len, e);
}

static int digest_end(struct archive_pour *p, struct err *e)
{
	return p->want.sink_proves ? 0 : archive_digest_end(p->digest, e);
}

/* ---- the sink ---- */

static int sink_begin(struct archive_pour *p, const char *path, uint64_t size, struct err *e)
{
	return p->silent || p->kept ? 0 : p->sink.begin(p->sink.arg, path, size, e);
}

static int sink_data(struct archive_pour *p, const void *bytes, size_t len, struct err *e)
{
	return p->silent || p->kept ? 0 : p->sink.data(p->sink.arg, bytes, len, e);
}

static int sink_end(struct archive_pour *p, const struct manifest_file *f, struct err *e)
{
	if (p->silent)
		return 0;
	if (p->kept)
		return p->sink.same(p->sink.arg, f->path, f->size, e);
	return p->sink.end(p->sink.arg, e);
}

int archive_pour_manifest(struct archive_pour *p, const void *json, size_t len, struct err *e)
{
	uint64_t size;

	if (manifest_parse(&p->manifest, json, len, e) < 0)
		return e->code;
	size = manifest_archive_size(p->manifest, len);
	if (p->want.size && size != p->want.size)
		return err_set(e, ERR_FORMAT, "archive: %llu bytes by its manifest, %llu announced",
			       (unsigned long long)size, (unsigned long long)p->want.size);
	if (digest_begin(p, MANIFEST_NAME, len, e) < 0 || digest_data(p, json, len, e) < 0 || digest_end(p, e) < 0)
		return e->code;
	if (p->silent)
		return 0;
	if (p->sink.begin(p->sink.arg, MANIFEST_NAME, len, e) < 0 ||
	    p->sink.data(p->sink.arg, json, len, e) < 0)
		return e->code;
	return p->sink.end(p->sink.arg, e);
}

const struct manifest_file *archive_pour_next(const struct archive_pour *p)
{
	if (!p->manifest || p->next == p->manifest->file_count)
		return NULL;
	return &p->manifest->files[p->next];
}

int archive_pour_begin(struct archive_pour *p, bool kept, struct err *e)
{
	const struct manifest_file *f = archive_pour_next(p);

	if (!f)
		return err_set(e, ERR_FORMAT, "archive: more members than the manifest lists");
	p->kept = kept && p->sink.same;
	if (digest_begin(p, f->path, f->size, e) < 0)
		return e->code;
	return sink_begin(p, f->path, f->size, e);
}

int archive_pour_data(struct archive_pour *p, const void *bytes, size_t len, struct err *e)
{
	if (digest_data(p, bytes, len, e) < 0)
		return e->code;
	if (!p->want.sink_proves)
		hash_add(p->hash, bytes, len);
	return sink_data(p, bytes, len, e);
}

static int check_hash(struct archive_pour *p, const struct manifest_file *f, struct err *e)
{
	struct digest got;

	hash_final(p->hash, &got);
	if (!digest_equal(&got, &f->sha256))
		return err_set(e, ERR_FORMAT, "archive: %s: the SHA-256 is not the manifest's", f->path);
	return 0;
}

int archive_pour_end(struct archive_pour *p, struct err *e)
{
	const struct manifest_file *f = &p->manifest->files[p->next];

	if (digest_end(p, e) < 0)
		return e->code;
	if (!p->want.sink_proves && check_hash(p, f, e) < 0)
		return e->code;
	p->next++;
	return sink_end(p, f, e);
}

int archive_pour_finish(struct archive_pour *p, struct digest *digest, uint64_t *size, struct err *e)
{
	char got_hex[DIGEST_HEX_LEN + 1], want_hex[DIGEST_HEX_LEN + 1];
	const struct manifest_file *f = archive_pour_next(p);

	if (!p->manifest || f)
		return err_set(e, ERR_FORMAT, "archive: it ends before %s", f ? f->path : MANIFEST_NAME);
	if (p->want.sink_proves)
		return 0;
	if (archive_digest_finish(p->digest, digest, size, e) < 0)
		return e->code;
	if (digest_is_zero(&p->want.digest) || digest_equal(digest, &p->want.digest))
		return 0;
	digest_hex(got_hex, digest);
	digest_hex(want_hex, &p->want.digest);
	return err_set(e, ERR_FORMAT, "archive: digest %s instead of %s", got_hex, want_hex);
}

const struct manifest *archive_pour_manifest_of(const struct archive_pour *p)
{
	return p->manifest;
}

struct manifest *archive_pour_take_manifest(struct archive_pour *p)
{
	return TAKE(p->manifest);
}
