/* endpoint_delta: publishes the delta between two bundles that were published. */
#ifndef TESTS_AGENT_ENDPOINT_DELTA_H
#define TESTS_AGENT_ENDPOINT_DELTA_H

#include "endpoint.h"

static inline void endpoint_tree(struct endpoint *p, const struct published *b, const char *parent, const char *name)
{
	AUTO_FREE char *archive = NULL;
	char path[600];
	struct err e;

	snprintf(path, sizeof path, "%s/%s", parent, name);
	if (file_exists(path))
		return;
	assert_ok(repo_target_file(p->published, b->path, &archive, &e));
	assert_ok(bundle_unpack(archive, NULL, parent, name, NULL, NULL, &e));
}

static inline void endpoint_delta(struct endpoint *p, const struct published *from, const struct published *to, bool broken)
{
	AUTO(buf) struct buf *delta = buf_new(0);
	char path[512], custom[700], hex[DIGEST_HEX_LEN + 1], old_hex[DIGEST_HEX_LEN + 1], old_path[600], new_path[600];
	struct delta_info info;
	struct err e;

	digest_hex(hex, &to->digest);
	digest_hex(old_hex, &from->digest);
	snprintf(path, sizeof path, "%s/trees", p->dir);
	assert_ok(file_mkdirs(path, 0755, &e));
	endpoint_tree(p, from, path, old_hex);
	endpoint_tree(p, to, path, hex);
	snprintf(old_path, sizeof old_path, "%s/%s", path, old_hex);
	snprintf(new_path, sizeof new_path, "%s/%s", path, hex);
	AUTO_FD int old_dir = open(old_path, O_RDONLY | O_DIRECTORY), new_dir = open(new_path, O_RDONLY | O_DIRECTORY);
	assert_ok(delta_make(delta, old_dir, new_dir, &info, &e));
	if (broken)
		delta->data[delta->len / 2] ^= 0xff;
	snprintf(custom, sizeof custom,
		 "{\"ringhold\":{\"kind\":\"delta\",\"channel\":\"edr\",\"from_digest\":\"%s\",\"digest\":\"%s\",\"serial\":%llu,"
		 "\"size\":%llu,\"window_log\":%d}}",
		 old_hex, hex, (unsigned long long)to->serial, (unsigned long long)to->size, info.window_log);
	bundle_delta_path(path, "edr", from->serial, to->serial);
	endpoint_put(p, "content-edr", path, delta, custom);
}

#endif
