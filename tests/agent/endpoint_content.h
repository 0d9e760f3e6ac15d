/* endpoint_content: the demo's rules beside as much data as a test needs, which no compression makes smaller. */
#ifndef TESTS_AGENT_ENDPOINT_CONTENT_H
#define TESTS_AGENT_ENDPOINT_CONTENT_H

#include "endpoint.h"

#define ENDPOINT_SMALL_BYTES 2000

static inline void endpoint_write_noise(const char *path, size_t len, uint64_t seed)
{
	AUTO_FREE uint64_t *bytes = malloc(len + sizeof *bytes);
	struct err e;

	for (size_t i = 0; i <= len / sizeof *bytes; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		bytes[i] = seed;
	}
	assert_ok(file_replace(path, bytes, len, 0644, &e));
}

static inline int endpoint_copy_demo(const char *rel, bool is_dir, void *dir, struct err *e)
{
	char from[512], to[512], parent[512];

	if (is_dir)
		return 0;
	snprintf(from, sizeof from, "deploy/demo/edr-good/%s", rel);
	snprintf(to, sizeof to, "%s/%s", (const char *)dir, rel);
	snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(to, '/') - to), to);
	if (file_mkdirs(parent, 0755, e) < 0)
		return e->code;
	endpoint_copy(from, to);
	return 0;
}

/* A directory to build bundles from: data/many/0000 and on, always the same, and data/big. */
static inline const char *endpoint_content(struct endpoint *p, unsigned small_files, size_t big_bytes)
{
	static const char bundle[] =
		"{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\",\"types\":[{\"match\":\"rules/*.json\","
		"\"type\":\"rules\"},{\"match\":\"data/**\",\"type\":\"doc\"}],\"selftest\":[\"selftest/*.ndjson\"]}";
	static char dir[256];
	char path[512];
	struct err e;

	snprintf(dir, sizeof dir, "%s/content", p->dir);
	snprintf(path, sizeof path, "%s/data/many", dir);
	assert_ok(file_mkdirs(path, 0755, &e));
	assert_ok(file_walk("deploy/demo/edr-good", endpoint_copy_demo, dir, &e));
	snprintf(path, sizeof path, "%s/bundle.json", dir);
	assert_ok(file_replace(path, bundle, strlen(bundle), 0644, &e));
	for (unsigned i = 0; i < small_files; i++) {
		snprintf(path, sizeof path, "%s/data/many/%04u", dir, i);
		endpoint_write_noise(path, ENDPOINT_SMALL_BYTES, i + 1);
	}
	snprintf(path, sizeof path, "%s/data/big", dir);
	endpoint_write_noise(path, big_bytes, 77);
	return dir;
}

#endif
