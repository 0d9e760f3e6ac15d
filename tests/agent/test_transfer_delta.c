/* test_transfer_delta: when a delta that does not come, or is not what was signed, gives way to the whole archive, and when not. */
#include "endpoint_delta.h"
#include "endpoint_web.h"

#define CUT 5           /* a delta of the demo, which changes nothing but its serial, has about 22 bytes */
#define GIVEN_UP "the delta cannot be used, the whole archive is fetched: "

struct offer {
	struct published next;
	char delta[40], archive[40];    /* as requests end */
	char *file;                     /* of the delta, where it is served from; the caller frees */
};

/* The bundle after this one, and the delta to it, both published and signed. */
static struct offer next_of(struct endpoint *p, const struct published *now)
{
	struct offer o = { .next = endpoint_bundle(p, GOOD, now->serial + 1, NULL) };
	char path[PATH_LEN_MAX + 1];
	struct err e;

	endpoint_delta(p, now, &o.next, false);
	endpoint_publish(p);
	bundle_delta_path(path, "edr", now->serial, o.next.serial);
	assert_ok(repo_target_file(p->published, path, &o.file, &e));
	snprintf(o.delta, sizeof o.delta, "%llu-%llu.zst", (unsigned long long)now->serial, (unsigned long long)o.next.serial);
	snprintf(o.archive, sizeof o.archive, "%llu.tar.gz", (unsigned long long)o.next.serial);
	return o;
}

static void take(struct endpoint *p, struct published *now, struct offer *o)
{
	commit(p, &o->next, now);
	*now = o->next;
	free(o->file);
}

/* The agent gave a delta up, with these words. */
static bool given_up(const struct endpoint *p, const char *text)
{
	AUTO(buf) struct buf *log = NULL;
	char path[256];
	struct err e;

	snprintf(path, sizeof path, "%s/agent.log", p->dir);
	assert_ok(file_read(&log, path, 1 << 24, &e));
	for (const char *at = log->data; (at = strstr(at, GIVEN_UP)); at++)
		if (memmem(at, strcspn(at, "\n"), text, strlen(text)))
			return true;
	return false;
}

/* A cut line is no fault of the delta: the archive, many times its size, is not asked for. */
static void a_delta_that_was_cut_stays_a_delta(void **state)
{
	struct endpoint *p = *state;
	struct published now;
	struct offer o;

	NEED_AGENT(p);
	now = settled(p);
	o = next_of(p, &now);
	break_the_line(SERVE_CUT, CUT, 2);
	take(p, &now, &o);
	expect_request("110-111.zst", 0, -1, 200);
	expect_request("110-111.zst", 1, CUT, 206);
	expect_request("110-111.zst", 2, 2 * CUT, 206);
	assert_null(file_server_nth(&web, "111.tar.gz", 0));
}

static void cut_three_times(const struct offer *o)
{
	(void)o;
	break_the_line(SERVE_CUT, CUT, 3);
}

static void remove_it(const struct offer *o)
{
	assert_int_equal(unlink(o->file), 0);
}

/* Of the same length: only its hash can tell. */
static void change_a_byte(const struct offer *o)
{
	AUTO(buf) struct buf *bytes = NULL;
	struct err e;

	assert_ok(file_read(&bytes, o->file, 1 << 24, &e));
	bytes->data[bytes->len / 2] ^= 1;
	assert_ok(file_replace(o->file, bytes->data, bytes->len, 0644, &e));
}

static void shorten(const struct offer *o)
{
	assert_int_equal(truncate(o->file, CUT), 0);
}

static void lengthen(const struct offer *o)
{
	int fd = open(o->file, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

/* One that cannot be decoded is in test_agent_offline.c. What is wrong with each is found out before anything decodes it. */
static void a_delta_that_does_not_come_as_it_was_signed_gives_way_to_the_archive(void **state)
{
	static const struct {
		void (*spoil)(const struct offer *o);
		unsigned requests;      /* for it, and no more */
		const char *why;
	} rows[] = {
		{ remove_it, 1, "HTTP status 404" },
		{ change_a_byte, 1, "the bytes are not the ones that were signed" },
		{ shorten, 1, "shorter than the" },
		{ lengthen, 1, ".113-114.zst: more than" },
		{ cut_three_times, 3, "transfer closed with" },
	};
	struct endpoint *p = *state;
	struct published now;
	struct offer o;

	NEED_AGENT(p);
	now = settled(p);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		o = next_of(p, &now);
		rows[i].spoil(&o);
		take(p, &now, &o);
		if (!file_server_nth(&web, o.delta, rows[i].requests - 1) || file_server_nth(&web, o.delta, rows[i].requests))
			fail_msg("row %zu: not %u requests for %s", i, rows[i].requests, o.delta);
		expect_request(o.archive, 0, -1, 200);
		assert_null(file_server_nth(&web, o.archive, 1));
		assert_true(given_up(p, rows[i].why));
	}
	/* The next delta is as welcome as ever. */
	o = next_of(p, &now);
	take(p, &now, &o);
	assert_null(file_server_nth(&web, o.archive, 0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, endpoint_web_setup, endpoint_web_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_delta_that_was_cut_stays_a_delta),
		T(a_delta_that_does_not_come_as_it_was_signed_gives_way_to_the_archive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
