/* reader: the client engine on the plain files of a fixture's repository, with a memory of its own. */
#ifndef TESTS_SERVER_READER_H
#define TESTS_SERVER_READER_H

#include "signing/driver.h"
#include "tests/server/fixture.h"

struct reader {
	char *store, *metadata, *targets;
};

static inline void reader_open(struct reader *r, const struct fixture *f, const char *name)
{
	struct err e;

	r->store = fixture_path(f, name);
	r->metadata = fixture_path(f, "data/repository/metadata");
	r->targets = fixture_path(f, "data/repository/targets");
	assert_ok(file_mkdirs(r->store, 0755, &e));
}

static inline void reader_close(struct reader *r)
{
	free(r->store);
	free(r->metadata);
	free(r->targets);
}

static inline int reader_get(const char *dir, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, name);
	int got = file_read(out, path, max, e);

	return got == ERR_NOT_FOUND ? 1 : got;
}

static inline int reader_metadata(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	return reader_get(((struct reader *)arg)->metadata, name, max, out, e);
}

static inline int reader_target(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	return reader_get(((struct reader *)arg)->targets, name, max, out, e);
}

/* A whole refresh, then one target. */
static inline int reader_read(struct reader *r, int64_t now, const char *path, struct buf **out, struct err *e)
{
	struct driver d = { .dir = r->store, .get = reader_metadata, .arg = r };
	AUTO(tuf_client) struct tuf_client *c = NULL;
	AUTO(buf) struct buf *anchor = NULL;

	if (reader_metadata(r, "1.root.json", METADATA_ROOT_MAX, &anchor, e) != 0)
		return e->code;
	if (driver_open(&c, r->store, anchor->data, anchor->len, TUF_HOUSE, e) < 0 || driver_refresh(&d, c, now, e) < 0)
		return e->code;
	return driver_target(&d, c, path, reader_target, r, 1 << 20, out, NULL, e);
}

static inline void reader_forget(struct reader *r)
{
	struct err e;

	assert_ok(file_remove_tree(r->store, &e));
	assert_ok(file_mkdirs(r->store, 0755, &e));
}

#endif
