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

#define BOUND 16000000L
#define SMALL_FILES 1000
#define BIG_BYTES 4000000
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

static void an_update_by_archive_and_one_by_delta_keep_to_their_memory(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	struct memory_watch w;
	const char *dir;

	NEED_AGENT(p);
	dir = endpoint_content(p, SMALL_FILES, BIG_BYTES);
	one = endpoint_bundle(p, dir, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	memory_watch_start(&w, p->agent);
	endpoint_until(p, "it came by archive and is committed", endpoint_runs_committed, &one, 1000);
	memory_watch_stop(&w);
	expect_at_most(&w, "by archive", BOUND);
	change(dir);
	two = endpoint_bundle(p, dir, 111, NULL);
	endpoint_delta(p, &one, &two, false);
	memory_watch_start(&w, p->agent);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "it came by delta and is committed", endpoint_runs_committed, &two, 1000);
	memory_watch_stop(&w);
	assert_true(endpoint_has_history(p, "delta, "));
	expect_at_most(&w, "by delta", BOUND + 2 * BIG_BYTES);
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

#define T(f) cmocka_unit_test_setup_teardown(f, endpoint_setup, endpoint_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(an_update_by_archive_and_one_by_delta_keep_to_their_memory),
		T(a_process_that_keeps_more_is_seen),
	};

	if (argc > 2 && !strcmp(argv[1], "--role"))
		hoard();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
