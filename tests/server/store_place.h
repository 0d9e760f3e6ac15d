/* store_place: a store with its writer, and rows to hand in. */
#ifndef TESTS_SERVER_STORE_PLACE_H
#define TESTS_SERVER_STORE_PLACE_H

#include <unistd.h>

#include "base/file.h"
#include "rollout/checkin.h"
#include "server/store.h"
#include "server/writer.h"
#include "tests/test.h"

struct place {
	char dir[64];
	char *path;
	struct store *store;
	struct writer *writer;
};

static inline void place_open(struct place *p)
{
	struct err e;

	assert_ok(store_open(&p->store, p->path, &e));
	assert_ok(writer_start(&p->writer, p->store, &e));
}

static inline void place_close(struct place *p)
{
	writer_stop(p->writer);
	store_close(p->store);
}

static inline int setup(void **state)
{
	struct place *p = calloc(1, sizeof *p);

	strcpy(p->dir, "/tmp/ringhold-store-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->path = file_join(p->dir, "store.db");
	place_open(p);
	*state = p;
	return 0;
}

static inline int teardown(void **state)
{
	struct place *p = *state;
	struct err e;

	place_close(p);
	assert_ok(file_remove_tree(p->dir, &e));
	free(p->path);
	free(p);
	return 0;
}

static inline int submit(struct place *p, struct store_record *records, size_t count, struct err *e)
{
	struct write w = { .append = { .records = records, .count = count } };

	return writer_submit(p->writer, &w, e);
}

static inline struct store_record device(const char *id)
{
	return (struct store_record){ .kind = STORE_DEVICE, .u.device = { .id = id, .enrolled = 5, .generation = 1, .old_epochs = "",
									 .attributes = "{}" } };
}

static inline struct store_record audit(const char *action)
{
	return (struct store_record){ .kind = STORE_AUDIT, .u.audit = { .at = 7, .who = "alice", .action = action, .subject = "subject", .detail = "detail" } };
}

static inline struct store_record event(const char *id, uint64_t n, const char *reason)
{
	return (struct store_record){ .kind = STORE_EVENT, .u.event = { .device = id, .epoch = "0123456789abcdef", .n = n,
				      .channel = "edr", .kind = CHECKIN_FAILED, .reason = reason, .detail = "" } };
}

static inline int count_devices(const struct store_device *d, void *arg, struct err *e)
{
	(void)d;
	(void)e;
	++*(int *)arg;
	return 0;
}

static inline int count_feed(const struct store_feed *f, void *arg, struct err *e)
{
	(void)f;
	(void)e;
	++*(int *)arg;
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
