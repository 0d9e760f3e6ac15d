/* desk_place: a desk with its store, as a server has it, and a client that reads what it signs. */
#ifndef TESTS_SERVER_DESK_PLACE_H
#define TESTS_SERVER_DESK_PLACE_H

#include "base/log.h"
#include "base/proc.h"
#include "rollout/stops.h"
#include "server/clockwatch.h"
#include "server/desk.h"
#include "server/writer.h"
#include "tests/server/reader.h"
#include "tests/shell.h"

#define DAY 86400
#define STOPS "stop/edr/stops.json"

/* A desk with its store, as a server has it. */
struct place {
	struct store *store;
	struct writer *writer;
	struct desk *desk;
};

struct world {
	struct fixture *f;
	struct place p;
	struct reader client;
	int64_t now;
	int stops;
};

static inline void place_open(struct place *p, const struct fixture *f, const char *repository)
{
	AUTO_FREE char *db = fixture_path(f, "data/store.db");
	struct err e;

	assert_ok(store_open(&p->store, db, &e));
	assert_ok(writer_start(&p->writer, p->store, &e));
	assert_ok(desk_open(&p->desk, repository, f->keys, &e));
	assert_ok(desk_keep_count(p->desk, p->store, p->writer, &e));
}

static inline void place_close(struct place *p)
{
	writer_stop(p->writer);
	store_close(p->store);
	desk_close(p->desk);
	*p = (struct place){ 0 };
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->f = fixture_new();
	w->now = clock_now();
	place_open(&w->p, w->f, w->f->repository);
	reader_open(&w->client, w->f, "client");
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	place_close(&w->p);
	reader_close(&w->client);
	fixture_free(w->f);
	free(w);
	return 0;
}

static inline int try_stop(struct desk *d, int n, int64_t now, struct err *e)
{
	struct stop_entry entry = { .serial = (uint64_t)n, .at = now, .reason = "test" };

	hash_bytes(&entry.digest, &n, sizeof n);
	return desk_stop(d, "edr", &entry, now, e);
}

static inline void stop(struct world *w)
{
	struct err e;

	assert_ok(try_stop(w->p.desk, ++w->stops, w->now, &e));
}

static inline void client_sees_stops(struct world *w, int count)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(stops) struct stops *s = NULL;
	struct err e;

	assert_ok(reader_read(&w->client, w->now, STOPS, &text, &e));
	assert_ok(stops_parse(&s, STOPS_STOP, STOPS, text->data, text->len, &e));
	assert_int_equal(s->count, count);
}

/* cp -a, with the store closed */
static inline void copy_tree(struct world *w, const char *from, const char *to)
{
	AUTO_FREE char *source = fixture_path(w->f, from), *target = fixture_path(w->f, to);
	struct err e;

	assert_ok(file_remove_tree(target, &e));
	shell_must("cp -a %s %s", source, target);
}

static inline void reopen_after(struct world *w, const char *from, const char *to)
{
	place_close(&w->p);
	copy_tree(w, from, to);
	place_open(&w->p, w->f, w->f->repository);
}

static inline int64_t version_of(struct world *w, const char *role, int64_t *reserved)
{
	struct desk_role_status all[32];
	size_t count = desk_roles(w->p.desk, all, ARRAY_LEN(all));

	for (size_t i = 0; i < count; i++)
		if (strcmp(all[i].role, role) == 0) {
			if (reserved)
				*reserved = all[i].reserved;
			return all[i].version;
		}
	fail_msg("no role %s", role);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void desk_tests_begin(void)
{
	log_init("test", LOG_ERROR);
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
}

#endif
