/* mirror_roots: the roots from the first to the newest, held link by link. */
#include "cli/mirror_parts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "signing/verify.h"

static bool same_text(const struct metadata *a, const struct metadata *b)
{
	return a->canonical->len == b->canonical->len && !memcmp(a->canonical->data, b->canonical->data, a->canonical->len);
}

/* Root `version`, if `next` follows from it: by its own keys, and by these again. */
static bool root_links(struct work *k, struct metadata **out, int64_t version, const struct metadata *next, const struct buf *bytes)
{
	AUTO(metadata) struct metadata *m = NULL;
	struct authority by;
	struct err why;

	if (metadata_parse(&m, METADATA_ROOT, "root", bytes->data, bytes->len, &why) < 0 || m->version != version)
		return false;
	by = (struct authority){ m, &m->roles[METADATA_ROOT] };
	if (verify(m, &by, "root", &why) < 0 || verify(next, &by, "root", &why) < 0 ||
	    (version == k->anchor->version && !same_text(m, k->anchor)))
		return false;
	*out = TAKE(m);
	return true;
}

static bool root_in(struct work *k, struct metadata **out, const char *dir, const char *rel, int64_t version, const struct metadata *next)
{
	AUTO_FREE char *path = file_join(dir, rel);
	AUTO(buf) struct buf *bytes = NULL;
	struct err why;

	return path && file_read(&bytes, path, METADATA_ROOT_MAX, &why) == 0 && root_links(k, out, version, next, bytes);
}

/* 0: *out; 1: there is none to be had. Roots before the one that is trusted can be verified against what follows from them only. */
static int copy_root(struct work *k, struct metadata **out, const char *rel, int64_t version, const struct metadata *next)
{
	AUTO(buf) struct buf *bytes = NULL;
	int got;

	if (root_in(k, out, k->plan->dir, rel, version, next))
		return mirror_unstage(k, rel);
	if (root_in(k, out, k->stage, rel, version, next))
		return 0;
	if (version == k->anchor->version) {
		if (!root_links(k, out, version, next, k->anchor->raw))
			return err_set(k->e, ERR_AUTH, "%s: what %s holds does not follow from this root", k->plan->root, k->plan->dir);
		return mirror_stage(k, rel, k->anchor->raw->data, k->anchor->raw->len);
	}
	got = repo_files_metadata(&k->files, strchr(rel, '/') + 1, METADATA_ROOT_MAX, &bytes, k->e);
	if (got != 0)
		return got;
	mirror_count(k, bytes->len);
	if (!root_links(k, out, version, next, bytes))
		return version < k->anchor->version ? 1 : err_set(k->e, ERR_AUTH, "%s: root %" PRId64 " does not follow from it", rel, version + 1);
	return mirror_stage(k, rel, bytes->data, bytes->len);
}

int mirror_copy_roots(struct work *k)
{
	AUTO(metadata) struct metadata *held = NULL;
	const struct metadata *next = tuf_client_metadata(k->client, "root");
	AUTO(buf) struct buf *rel = buf_new(0);

	if (!rel)
		return err_memory(k->e);
	if (next->version == k->anchor->version && !same_text(next, k->anchor))
		return err_set(k->e, ERR_AUTH, "%s: %s stands on another root", k->plan->root, k->plan->dir);
	if (mirror_metadata_rel(k, rel, next->version, "root") < 0 || mirror_keep(k, rel->data, next->raw) < 0 || mirror_add_name(k, k->roots, rel->data) < 0)
		return k->e->code;
	for (int64_t version = next->version - 1; version >= 1; version--) {
		struct metadata *m = NULL;
		int got;

		buf_clear(rel);
		if (mirror_metadata_rel(k, rel, version, "root") < 0)
			return k->e->code;
		got = copy_root(k, &m, rel->data, version, held ? held : next);
		if (got != 0) {
			metadata_free(m);
			return got > 0 ? 0 : got;
		}
		metadata_free(held);
		held = m;
		if (mirror_add_name(k, k->roots, rel->data) < 0)
			return k->e->code;
	}
	return 0;
}
