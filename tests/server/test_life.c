/* Months in the life of a server: its ticker, the injected clock, and clients that want nothing expired. */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include "base/json.h"
#include "base/log.h"
#include "rollout/stops.h"
#include "server/handlers.h"
#include "server/ticker.h"
#include "tests/server/reader.h"
#include "tests/shell.h"

#define DAY 86400
#define STEP (6 * 3600)
#define MONTHS 4
#define LIMIT_MS 20000
#define STOPS "stop/edr/stops.json"

struct world {
	struct fixture *f;
	struct server *s;
	struct reader client, newcomer;
	int stops;
};

static volatile int64_t *shift_ms;

static void world_open(struct world *w, const char *more)
{
	AUTO_FREE char *path = fixture_path(w->f, "ringholdd.ini");
	struct config *c;
	char ini[512];
	struct err e;

	snprintf(ini, sizeof ini, "listen = 127.0.0.1:0\ndata = %s\n%s", w->f->data, more);
	fixture_write(w->f, "ringholdd.ini", ini);
	assert_ok(config_read(&c, path, &e));
	assert_ok(server_open(&w->s, c, &e));
}

static void world_close(struct world *w)
{
	ticker_stop(w->s);
	server_close(w->s);
	w->s = NULL;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	w->f = fixture_new();
	reader_open(&w->client, w->f, "client");
	reader_open(&w->newcomer, w->f, "newcomer");
	world_open(w, "");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	world_close(w);
	reader_close(&w->client);
	reader_close(&w->newcomer);
	fixture_free(w->f);
	free(w);
	return 0;
}

static void stop(struct world *w)
{
	struct stop_entry entry = { .serial = (uint64_t)++w->stops, .at = clock_now(), .reason = "test" };
	struct err e;

	hash_bytes(&entry.digest, &w->stops, sizeof w->stops);
	assert_ok(desk_stop(w->s->desk, "edr", &entry, clock_now(), &e));
}

static void reads(struct reader *r, int64_t now)
{
	AUTO(buf) struct buf *text = NULL, *map = NULL;
	struct err e;

	assert_ok(reader_read(r, now, STOPS, &text, &e));
	assert_ok(reader_read(r, now, RINGMAP_PATH, &map, &e));
}

/* Until the ticker has done what is due. */
static void settle(struct world *w)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	ticker_poke(w->s);
	while (desk_next_renewal(w->s->desk) <= clock_now()) {
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 1);
	}
}

static void a_running_server_serves_nothing_expired_for_months(void **state)
{
	struct world *w = *state;
	struct err e;

	stop(w);
	assert_ok(ticker_start(w->s, &e));
	for (int64_t at = 0; at < MONTHS * 30 * DAY; at += STEP) {
		*shift_ms += STEP * 1000;
		/* even before the ticker looked: half a life is left */
		reads(&w->client, clock_now());
		settle(w);
		if (at % (10 * DAY) == 0) {
			reader_forget(&w->newcomer);
			reads(&w->newcomer, clock_now());
		}
	}
}

static void a_server_stopped_for_longer_than_every_expiry_recovers_at_start(void **state)
{
	static const int64_t days[] = { 2, 8, 40 };
	struct world *w = *state;

	stop(w);
	for (size_t i = 0; i < ARRAY_LEN(days); i++) {
		AUTO(buf) struct buf *text = NULL;
		struct err e;

		world_close(w);
		*shift_ms += days[i] * DAY * 1000;
		assert_refused(reader_read(&w->client, clock_now(), STOPS, &text, &e), ERR_EXPIRED, "timestamp");
		/* no ticker yet: the very first request finds it renewed */
		world_open(w, "");
		reads(&w->client, clock_now());
		reader_forget(&w->newcomer);
		reads(&w->newcomer, clock_now());
	}
}

/* ---- what the status says ---- */

static struct json_doc *status(struct world *w)
{
	static const struct route any = { .pattern = "", .may = MAY(ADMIN) };
	struct request *q = request_new(w->s, &any);
	struct json_doc *doc = NULL;
	struct err e;

	q->http = calloc(1, sizeof *q->http);
	q->http->query = "";
	q->body = buf_new(16);
	fixture_identity(q, "tester");
	operator_status(q);
	assert_int_equal(q->reply.status, 200);
	assert_ok(json_parse(&doc, "status", q->reply.body->data, q->reply.body->len, NULL, &e));
	request_free(q);
	return doc;
}

static const struct json *role_of(const struct json_doc *doc, const char *name)
{
	const struct json *roles = json_get(doc->root, "roles");

	for (size_t i = 0; i < roles->count; i++)
		if (json_is(json_get(&roles->u.items[i], "role"), name))
			return &roles->u.items[i];
	fail_msg("no role %s", name);
	return NULL;
}

static int64_t time_of(const struct json *o, const char *member)
{
	const struct json *v = json_get(o, member);
	int64_t at;

	assert_non_null(v);
	assert_true(clock_parse(&at, v->u.text, v->count));
	return at;
}

static bool says(const struct json_doc *doc, const char *list, const char *text)
{
	const struct json *lines = json_get(doc->root, list);

	for (size_t i = 0; i < lines->count; i++)
		if (strstr(lines->u.items[i].u.text, text))
			return true;
	return false;
}

static void the_status_shows_until_when_everything_is_valid(void **state)
{
	static const struct { const char *role; int64_t days; } rows[] = {
		{ "timestamp", 1 }, { "snapshot", 7 }, { "stop", 30 }, { "root", 400 }, { "content-edr", 400 },
	};
	struct world *w = *state;

	stop(w);
	AUTO(json) struct json_doc *doc = status(w);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t left = time_of(role_of(doc, rows[i].role), "expires") - clock_now();

		assert_true(left <= rows[i].days * DAY && left > rows[i].days * DAY - 600);
	}
	assert_true(json_is(json_get(json_get(doc->root, "clock"), "state"), "steady"));
	assert_int_equal(json_get(doc->root, "actions")->count, 0);
}

static void the_status_says_that_the_clock_fell_back_while_the_server_was_stopped(void **state)
{
	struct world *w = *state;
	int64_t until;
	struct err e;

	*shift_ms += 3 * DAY * 1000LL;
	assert_true(desk_renew(w->s->desk, clock_now(), &e) > 0);
	stop(w);
	world_close(w);
	*shift_ms -= 3 * DAY * 1000LL;
	world_open(w, "");
	AUTO(json) struct json_doc *doc = status(w);

	assert_true(json_is(json_get(json_get(doc->root, "clock"), "state"), "behind"));
	assert_true(says(doc, "actions", "s before the last signature"));
	until = time_of(role_of(doc, "timestamp"), "expires");
	/* it goes on, as of the last signature */
	stop(w);
	AUTO(json) struct json_doc *after = status(w);

	assert_true(time_of(role_of(after, "timestamp"), "expires") >= until);
	*shift_ms += 3 * DAY * 1000LL;
	reads(&w->client, clock_now());
	AUTO(json) struct json_doc *right = status(w);

	assert_true(json_is(json_get(json_get(right->root, "clock"), "state"), "steady"));
}

/* ---- retention ---- */

static size_t files_in(struct world *w, const char *below)
{
	AUTO_FREE char *path = fixture_path(w->f, below);
	char files[64];

	assert_int_equal(shell_says(files, sizeof files, "find %s -type f | wc -l", path), 0);
	return (size_t)atol(files);
}

static void the_ticker_keeps_the_repository_from_growing_for_ever(void **state)
{
	struct world *w = *state;
	size_t most = 0;
	int64_t until = clock_work_ms() + LIMIT_MS;
	struct err e;

	world_close(w);
	world_open(w, "keep-days = 2\nkeep-bundles = 1\n");
	assert_ok(ticker_start(w->s, &e));
	/* two days keep eight publications of four files; root, targets and people's roles stay */
	for (int day = 0; day < 60; day++) {
		*shift_ms += STEP * 1000;
		stop(w);
		settle(w);
		reads(&w->client, clock_now());
	}
	while ((most = files_in(w, "data/repository")) > 80) {
		if (clock_work_ms() > until)
			fail_msg("%zu files", most);
		ticker_poke(w->s);
		poll(NULL, 0, 10);
	}
	reader_forget(&w->newcomer);
	reads(&w->newcomer, clock_now());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_running_server_serves_nothing_expired_for_months),
		T(a_server_stopped_for_longer_than_every_expiry_recovers_at_start),
		T(the_status_shows_until_when_everything_is_valid),
		T(the_status_says_that_the_clock_fell_back_while_the_server_was_stopped),
		T(the_ticker_keeps_the_repository_from_growing_for_ever),
	};
	char path[] = "/tmp/ringhold-clock-XXXXXX";
	int64_t zero = 0;
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd < 0 || write(fd, &zero, sizeof zero) != sizeof zero || setenv("RINGHOLD_TEST_CLOCK", path, 1) < 0)
		return 1;
	shift_ms = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shift_ms == MAP_FAILED)
		return 1;
	log_init("test", LOG_ERROR);
	(void)clock_now();
	unlink(path);
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
