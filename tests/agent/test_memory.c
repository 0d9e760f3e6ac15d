/*
 * test_memory: what a whole update takes of the machine's memory, all the
 * agent's processes together, and what runs the engine of the reference rules:
 * at most 16 MB, and for a delta the sizes of the changed files, before and after.
 */
#include <sys/prctl.h>

#include "content/sandbox.h"
#include "endpoint.h"
#include "endpoint_content.h"
#include "endpoint_delta.h"
#include "memory_watch.h"
#include "tls_server.h"

#define BOUND 16000000L
#define SMALL_FILES 1000
#define BIG_BYTES 4000000
#define REPEATED 300
#define HOARD ((size_t)64 << 20)

/* ---- this program as an unpack process that keeps what it is given ---- */

static __attribute__((noreturn)) void hoard(void)
{
	char *kept = malloc(HOARD);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; kept && i < HOARD; i += 4096)
		kept[i] = (char)i;
	for (;;)
		pause();
}

/* ---- bundles ---- */

/* The demo's self-tests so often that the engine is at work long enough to be looked at. */
static const char *content(struct endpoint *p)
{
	const char *dir = endpoint_content(p, SMALL_FILES, BIG_BYTES);
	AUTO(buf) struct buf *tests = NULL, *many = buf_new(0);
	char path[512];
	struct err e;

	snprintf(path, sizeof path, "%s/selftest/process.ndjson", dir);
	assert_ok(file_read(&tests, path, 1 << 20, &e));
	for (int i = 0; i < REPEATED; i++)
		buf_add(many, tests->data, tests->len);
	assert_ok(buf_check(many, &e));
	assert_ok(file_replace(path, many->data, many->len, 0644, &e));
	return dir;
}

/* A byte here and there: the delta is small, and all of the old file is needed for it. */
static void change(const char *dir)
{
	AUTO(buf) struct buf *big = NULL;
	char path[512];
	struct err e;

	snprintf(path, sizeof path, "%s/data/big", dir);
	assert_ok(file_read(&big, path, BIG_BYTES, &e));
	for (size_t i = 0; i < big->len; i += 5000)
		big->data[i] ^= 0x55;
	assert_ok(file_replace(path, big->data, big->len, 0644, &e));
}

static bool usable(struct endpoint *p, const char *name)
{
	if (access(p->bin, X_OK) < 0)
		fprintf(stderr, "SKIP %s: %s is not built\n", name, p->bin);
	else if (SANDBOX_SANITIZED)
		fprintf(stderr, "SKIP %s: sanitizers keep memory of their own\n", name);
	else
		return true;
	return false;
}

#define NEED_AGENT(p)                      \
	do {                               \
		if (!usable(p, __func__))  \
			skip();            \
	} while (0)

static void expect_at_most(const struct memory_watch *w, const char *what, long most)
{
	printf("memory: %s: at most %.1f MB in %u looks, of %.1f: %s\n", what, (double)w->peak * 1024 / 1e6, w->looks, (double)most / 1e6,
	       w->at_peak);
	printf("memory: %s, the engine of the canary with it: at most %.1f MB; the engine alone %.1f\n", what,
	       (double)w->peak_with_engine * 1024 / 1e6, (double)w->engine * 1024 / 1e6);
	assert_true(w->looks > 10);
	assert_true(w->engine > 0);
	if (w->peak_with_engine * 1024 > most)
		fail_msg("%s: %ld kB, and with the engine %ld: %s", what, w->peak, w->peak_with_engine, w->at_peak);
}

/* ---- the bound ---- */

/* Content that came whole, and some of it changed. */
static struct published both_ways(struct endpoint *p, const char *dir, const struct published *one, const char *archive, const char *delta)
{
	struct memory_watch w;
	struct published two;

	memory_watch_start(&w, p->agent);
	endpoint_until(p, "it came by archive and is committed", endpoint_runs_committed, one, 1000);
	memory_watch_stop(&w);
	expect_at_most(&w, archive, BOUND);
	change(dir);
	two = endpoint_bundle(p, dir, 111, NULL);
	endpoint_delta(p, one, &two, false);
	memory_watch_start(&w, p->agent);
	endpoint_assign(p, &two, one, 1, 30, 0);
	endpoint_until(p, "it came by delta and is committed", endpoint_runs_committed, &two, 1000);
	memory_watch_stop(&w);
	assert_true(endpoint_has_history(p, "delta, "));
	expect_at_most(&w, delta, BOUND + 2 * BIG_BYTES);
	return two;
}

static void an_update_by_archive_and_one_by_delta_keep_to_their_memory(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	const char *dir;

	NEED_AGENT(p);
	dir = content(p);
	one = endpoint_bundle(p, dir, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	(void)both_ways(p, dir, &one, "by archive", "by delta");
}

/* ---- as a host in the field has it ---- */

#define AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

static struct tls_server server;

/* All of the system's, and the one that vouches for the server under the name that content is asked for at. */
static void write_authorities(const struct endpoint *p, char *path, size_t cap)
{
	AUTO(buf) struct buf *all = NULL, *own = NULL;
	struct err e;

	snprintf(path, cap, "%s/authorities.pem", p->dir);
	assert_ok(file_read(&all, AUTHORITIES, 1 << 22, &e));
	assert_ok(file_read(&own, server.certificate, 1 << 16, &e));
	buf_add(all, own->data, own->len);
	assert_ok(buf_check(all, &e));
	assert_ok(file_replace(path, all->data, all->len, 0644, &e));
}

static bool server_knows(const struct seen *seen, const void *arg)
{
	AUTO(json) struct json_doc *d = tls_server_ask(&server, "GET", "/v1/devices", NULL);
	const struct published *b = arg;
	const struct json *items = json_get(d->root, "items"), *channels;
	int64_t serial;

	(void)seen;
	assert_int_equal(items->count, 1);
	channels = json_get(&items->u.items[0], "channels");
	return channels->count == 1 && json_to_int(json_get(&channels->u.items[0], "high_water"), &serial) && serial == (int64_t)b->serial;
}

/*
 * Two servers to the host: content comes from one that the authorities vouch
 * for, check-ins go to the one whose key the enrolment pinned.
 */
static void so_does_a_host_that_checks_in_and_fetches_over_tls(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char authorities[256], ini[900];
	const char *dir;

	NEED_AGENT(p);
	if (access(test_program("ringholdd"), X_OK) < 0)
		skip_named("ringholdd is not built");
	if (access(AUTHORITIES, R_OK) < 0)
		skip_missing_program("ca-certificates");
	tls_server_start(&server, p);
	write_authorities(p, authorities, sizeof authorities);
	snprintf(ini, sizeof ini,
		 "[agent]\ncontent-url = https://localhost:%d/content\nca-file = %s\nattributes = ring=canary\npoll = 5s\nboot-ok = 60s\n"
		 "[channel edr]\nsensor-wait = 2s\n", server.port, authorities);
	endpoint_write(p, "/etc/ringhold/agent.ini", ini, 0644);
	dir = content(p);
	one = endpoint_bundle(p, dir, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	tls_server_enrol(&server, p);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	two = both_ways(p, dir, &one, "by archive over TLS", "by delta over TLS");
	endpoint_until(p, "its check-ins told the server so", server_knows, &two, 1000);
}

/* What is kept in one process of many is seen, or the figures above say nothing. */
static bool is_seen(const struct seen *s, const void *arg)
{
	const struct memory_watch *w = arg;

	(void)s;
	return w->peak * 1024 > (long)HOARD;
}

static void a_process_that_keeps_more_is_seen(void **state)
{
	struct endpoint *p = *state;
	char self[512] = "";
	struct published one;
	struct memory_watch w;

	NEED_AGENT(p);
	assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
	setenv("RINGHOLD_TEST_ROLE_unpack", self, 1);
	one = endpoint_bundle(p, "deploy/demo/edr-good", 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_agent_start(p);
	memory_watch_start(&w, p->agent);
	endpoint_until(p, "the hoarder is seen", is_seen, &w, 1000);
	memory_watch_stop(&w);
	unsetenv("RINGHOLD_TEST_ROLE_unpack");
}

static int teardown(void **state)
{
	tls_server_stop(&server);
	return endpoint_teardown(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, endpoint_setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(an_update_by_archive_and_one_by_delta_keep_to_their_memory),
		T(so_does_a_host_that_checks_in_and_fetches_over_tls),
		T(a_process_that_keeps_more_is_seen),
	};

	if (argc > 2 && !strcmp(argv[1], "--role"))
		hoard();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
