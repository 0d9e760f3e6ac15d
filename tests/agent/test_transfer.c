/* test_transfer: the real agent and a line that breaks, is not to be used now, or is used ahead of its window. */
#include <time.h>

#include "endpoint_web.h"

#define CUT 900         /* less than the archive of the demo has */

static const struct endpoint *host;

static struct published first(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_assign(p, &one, NULL, 1, 30, 0);
	return one;
}

static bool struck(const struct seen *s, const void *arg)
{
	(void)s;
	return web.shared->struck > *(const unsigned *)arg;
}

static bool stalled(const struct seen *s, const void *arg)
{
	(void)s;
	return web.shared->stalled == *(const bool *)arg;
}

static int size_is_cut(const char *rel, bool is_dir, void *arg, struct err *e)
{
	char path[600];
	struct stat st;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/incoming/%s", ((const struct endpoint *)arg)->root, rel);
	return !is_dir && stat(path, &st) == 0 && st.st_size == CUT ? err_set(e, ERR_CONFLICT, "found") : 0;
}

/* Sent is not yet written: what a kill leaves is what the file holds. */
static bool half_written(const struct seen *s, const void *arg)
{
	const struct endpoint *p = arg;
	char path[600];
	struct err e;

	(void)s;
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/incoming", p->root);
	return web.shared->stalled && file_walk(path, size_is_cut, (void *)(uintptr_t)p, &e) < 0;
}

static const bool yes = true, no = false;

/* ---- resuming ---- */

static void a_transfer_that_was_cut_goes_on_where_it_stopped(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	break_the_line(SERVE_CUT, CUT, 1);
	one = settled(p);
	expect_request("110.tar.gz", 0, -1, 200);
	expect_request("110.tar.gz", 1, CUT, 206);
	assert_null(file_server_nth(&web, "110.tar.gz", 2));
	assert_true(endpoint_has_history(p, "survived"));
	(void)one;
}

static void an_agent_that_was_killed_in_the_middle_goes_on_where_it_stopped(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	break_the_line(SERVE_STALL, CUT, 1);
	one = first(p);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "half of it is there", half_written, p, 0);
	endpoint_agent_end(p, SIGKILL);
	endpoint_until(p, "its network process is gone too", stalled, &no, 0);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	expect_request("110.tar.gz", 1, CUT, 206);
	assert_null(file_server_nth(&web, "110.tar.gz", 2));
}

static void a_server_that_knows_no_ranges_sends_all_of_it_again(void **state)
{
	struct endpoint *p = *state;

	NEED_AGENT(p);
	break_the_line(SERVE_CUT, CUT, 1);
	web.shared->no_ranges = true;
	settled(p);
	expect_request("110.tar.gz", 1, CUT, 200);
	assert_null(file_server_nth(&web, "110.tar.gz", 2));
}

/* The first part is not of the file that was signed: found out before anything is decoded, and begun anew. */
static void a_file_that_changed_underneath_is_begun_anew(void **state)
{
	struct endpoint *p = *state;

	NEED_AGENT(p);
	break_the_line(SERVE_SPOILED_CUT, CUT, 1);
	settled(p);
	expect_request("110.tar.gz", 1, CUT, 206);
	expect_request("110.tar.gz", 2, -1, 200);
	assert_null(file_server_nth(&web, "110.tar.gz", 3));
}

static void a_range_that_is_refused_is_given_up_for_the_whole(void **state)
{
	static const unsigned none;
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	break_the_line(SERVE_CUT, CUT, 0);
	one = first(p);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the line was cut", struck, &none, 0);
	break_the_line(SERVE_416, CUT, 1);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	for (unsigned n = 1;; n++) {
		const struct file_request *r = file_server_nth(&web, "110.tar.gz", n);

		assert_non_null(r);
		if (r->status != 416)
			continue;
		expect_request("110.tar.gz", n + 1, -1, 200);
		break;
	}
}

static void what_was_left_of_an_offer_that_went_away_goes_too(void **state)
{
	static const enum phase idle = PHASE_IDLE;
	struct endpoint *p = *state;
	struct published one, two, three;
	char left[512];

	NEED_AGENT(p);
	one = settled(p);
	break_the_line(SERVE_STALL, CUT, 1);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "half of it is there", stalled, &yes, 1000);
	three = endpoint_bundle(p, GOOD, 112, NULL);
	endpoint_assign(p, &three, &one, 1, 30, 0);
	endpoint_until(p, "the newer one is committed", endpoint_runs_committed, &three, 1000);
	(void)idle;
	snprintf(left, sizeof left, "%s" HOME_CHANNELS "/edr/incoming", p->root);
	assert_int_equal(rmdir(left), 0);       /* it is empty */
}

/* ---- a proxy ---- */

/* Nobody knows the repository's name: whatever arrives came through the proxy, here the web server itself. */
static void with_a_proxy_everything_goes_through_it(void **state)
{
	struct endpoint *p = *state;
	char ini[512];

	NEED_AGENT(p);
	snprintf(ini, sizeof ini,
		 "[agent]\ncontent-url = http://repository.invalid\nproxy = http://127.0.0.1:%d\nattributes = ring=canary\npoll = 5s\n"
		 "boot-ok = 60s\n[channel edr]\nsensor-wait = 2s\n", web.port);
	endpoint_write(p, "/etc/ringhold/agent.ini", ini, 0644);
	break_the_line(SERVE_CUT, CUT, 1);
	settled(p);
	expect_request("/metadata/timestamp.json", 0, -1, 200);
	expect_request("110.tar.gz", 1, CUT, 206);
}

/* ---- metered lines and batteries ---- */

static char *status_of(struct endpoint *p)
{
	char *out = NULL;

	assert_int_equal(endpoint_command(p, &out, "status", "--json", NULL), 0);
	return out;
}

static bool status_says(struct endpoint *p, const char *text)
{
	char *out = status_of(p);
	bool says = strstr(out, text);

	free(out);
	return says;
}

static void say_go(struct endpoint *p, bool go)
{
	endpoint_write(p, "/etc/ringhold/line", go ? "0" : "1", 0644);
}

static void write_hook(struct endpoint *p)
{
	char script[700];

	snprintf(script, sizeof script,
		 "#!/bin/sh\necho \"$@\" >>%s/asked\n[ $(cat %s/etc/ringhold/line) = 0 ] && exit 0\n"
		 "echo \"the line is metered\"\necho more\nexit 1\n", p->dir, p->root);
	endpoint_write(p, "/etc/ringhold/hook", script, 0755);
	endpoint_web_configure(p, "transfer-hook = /etc/ringhold/hook\ntransfer-hook-every = 10s", "");
}

static bool is_fetching(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase == PHASE_FETCHING;
}

static void a_hook_that_says_not_now_keeps_the_line_free_and_says_why(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	AUTO(buf) struct buf *asked = NULL;
	char path[256], hex[DIGEST_HEX_LEN + 1];
	struct err e;

	NEED_AGENT(p);
	write_hook(p);
	say_go(p, false);
	one = first(p);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it would be fetched", is_fetching, NULL, 1000);
	while (!status_says(p, "the download waits: the line is metered"))
		poll(NULL, 0, 50);
	assert_null(file_server_nth(&web, "110.tar.gz", 0));
	say_go(p, true);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	assert_false(status_says(p, "metered"));
	snprintf(path, sizeof path, "%s/asked", p->dir);
	assert_ok(file_read(&asked, path, 1 << 16, &e));
	digest_hex(hex, &one.digest);
	assert_int_equal(strncmp(asked->data, "edr ", 4), 0);
	assert_int_equal(strncmp(asked->data + 4, hex, DIGEST_HEX_LEN), 0);
	assert_non_null(strstr(asked->data, " normal\n"));
}

static void a_download_under_way_stops_when_the_hook_says_so_and_goes_on_later(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	write_hook(p);
	say_go(p, true);
	break_the_line(SERVE_STALL, CUT, 1);
	one = first(p);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "half of it is there", half_written, p, 0);
	say_go(p, false);
	endpoint_until(p, "the line is free", stalled, &no, 1000);
	say_go(p, true);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	expect_request("110.tar.gz", 1, CUT, 206);
	assert_null(file_server_nth(&web, "110.tar.gz", 2));
}

static void a_hook_that_hangs_holds_up_nothing_but_the_download(void **state)
{
	struct endpoint *p = *state;
	char script[300], asked[256], *out = NULL;

	NEED_AGENT(p);
	write_hook(p);
	snprintf(asked, sizeof asked, "%s/asked", p->dir);
	snprintf(script, sizeof script, "#!/bin/sh\n: >%s\nexec sleep 1000\n", asked);
	endpoint_write(p, "/etc/ringhold/hook", script, 0755);
	first(p);
	endpoint_agent_start(p);
	while (!file_exists(asked))
		poll(NULL, 0, 20);
	assert_int_equal(endpoint_command(p, &out, "hold", "edr", NULL), 0);
	free(out);
	assert_false(status_says(p, "timed out"));      /* it is still asked */
	assert_null(file_server_nth(&web, "110.tar.gz", 0));
}

static void a_hook_that_others_may_write_is_not_run_and_nothing_is_downloaded(void **state)
{
	struct endpoint *p = *state;
	char path[256];

	NEED_AGENT(p);
	write_hook(p);
	snprintf(path, sizeof path, "%s/etc/ringhold/hook", p->root);
	assert_int_equal(chmod(path, 0777), 0);
	say_go(p, true);
	first(p);
	endpoint_agent_start(p);
	while (!status_says(p, "the download waits: transfer-hook: "))
		poll(NULL, 0, 50);
	assert_null(file_server_nth(&web, "110.tar.gz", 0));
	snprintf(path, sizeof path, "%s/asked", p->dir);
	assert_false(file_exists(path));
}

static bool was_asked_about(const struct seen *s, const void *arg)
{
	char path[256], hex[DIGEST_HEX_LEN + 1];
	AUTO(buf) struct buf *asked = NULL;
	struct err e;

	(void)s;
	snprintf(path, sizeof path, "%s/asked", host->dir);
	digest_hex(hex, &((const struct published *)arg)->digest);
	return file_read(&asked, path, 1 << 16, &e) == 0 && strstr(asked->data, hex);
}

static bool is_compared(const struct seen *s, const void *arg)
{
	return digest_equal(&s->state.compared[1], &((const struct published *)arg)->digest);
}

/* Nothing is in a hurry there: it is only to be named. */
static void what_a_hold_leaves_out_is_not_fetched_over_a_line_that_is_metered(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char *out = NULL;

	NEED_AGENT(p);
	one = settled(p);
	endpoint_agent_end(p, SIGTERM);
	write_hook(p);
	say_go(p, false);
	endpoint_agent_start(p);
	assert_int_equal(endpoint_command(p, &out, "hold", "edr", NULL), 0);
	free(out);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	endpoint_until(p, "the hook is asked", was_asked_about, &two, 1000);
	assert_null(file_server_nth(&web, "111.tar.gz", 0));
	say_go(p, true);
	endpoint_until(p, "the detections are named", is_compared, &two, 1000);
	assert_non_null(file_server_nth(&web, "111.tar.gz", 0));
}

/* ---- download now, activate in the window ---- */

static int64_t opens;

/* This process keeps the clock of the first host; each test has another. */
static int64_t host_now(void)
{
	return (int64_t)time(NULL) + *host->clock_ms / 1000;
}

static bool validated(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase == PHASE_VALIDATED;
}

static bool on_trial_in_time(const struct seen *s, const void *arg)
{
	(void)arg;
	if (phase_on_trial(s->state.phase) && host_now() < opens)
		fail_msg("armed %lld s before the window", (long long)(opens - host_now()));
	return phase_on_trial(s->state.phase);
}

/* It is on disk and was compared with the contract; nothing runs, and `status` and `explain` say when. */
static void expect_waiting(struct endpoint *p, const struct published *two)
{
	char when[CLOCK_TEXT_LEN + 1], says[128], path[600], hex[DIGEST_HEX_LEN + 1];
	char *out;

	endpoint_until(p, "it is downloaded and validated", validated, NULL, 1000);
	assert_non_null(file_server_nth(&web, "111.tar.gz", 0));
	digest_hex(hex, &two->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/%s", p->root, hex);
	assert_true(file_exists(path));
	clock_text(when, opens);
	snprintf(says, sizeof says, "waits for its window, which opens at %s", when);
	assert_true(status_says(p, says));
	assert_int_equal(endpoint_command(p, &out, "explain", NULL, NULL), 0);
	if (!strstr(out, says))
		fail_msg("explain: %s", out);
	free(out);
}

static void content_is_downloaded_at_once_and_activated_in_the_hosts_window(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	char channel[128];
	struct tm from, to;
	time_t t;

	NEED_AGENT(p);
	one = settled(p);
	endpoint_agent_end(p, SIGTERM);
	opens = (host_now() / 3600 + 2) * 3600;
	t = (time_t)opens;
	gmtime_r(&t, &from);
	t += 3600;
	gmtime_r(&t, &to);
	snprintf(channel, sizeof channel, "window = daily %02d:00-%02d:00 UTC", from.tm_hour, to.tm_hour);
	endpoint_web_configure(p, "", channel);
	endpoint_agent_start(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 30, 0);
	expect_waiting(p, &two);
	endpoint_until(p, "it is on trial", on_trial_in_time, NULL, 20000);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &two, 1000);
}

static void content_is_downloaded_at_once_and_activated_in_the_assignments_window(void **state)
{
	struct assignment a = { .channel = "edr", .ring = "canary", .attempt = 1, .reason = "test", .probation_s = 30, .windowed = true };
	struct endpoint *p = *state;
	AUTO(buf) struct buf *text = buf_new(0);
	struct published two;
	struct err e;

	NEED_AGENT(p);
	settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	a.issued = clock_now();
	a.window_start = opens = host_now() + 3000;
	a.window_end = opens + 3600;
	memcpy(a.bundle.path, two.path, sizeof a.bundle.path);
	a.bundle.serial = two.serial;
	snprintf(a.bundle.version, sizeof a.bundle.version, "1");
	a.bundle.digest = two.digest;
	assert_ok(assignment_write(text, &a, &e));
	endpoint_put(p, "ring-canary", "rings/canary/edr.json", text, NULL);
	endpoint_publish(p);
	expect_waiting(p, &two);
	endpoint_until(p, "it is on trial", on_trial_in_time, NULL, 20000);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &two, 1000);
}

static int setup(void **state)
{
	int rc = endpoint_web_setup(state);

	host = *state;
	return rc;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, endpoint_web_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_transfer_that_was_cut_goes_on_where_it_stopped),
		T(an_agent_that_was_killed_in_the_middle_goes_on_where_it_stopped),
		T(a_server_that_knows_no_ranges_sends_all_of_it_again),
		T(a_file_that_changed_underneath_is_begun_anew),
		T(a_range_that_is_refused_is_given_up_for_the_whole),
		T(what_was_left_of_an_offer_that_went_away_goes_too),
		T(with_a_proxy_everything_goes_through_it),
		T(a_hook_that_says_not_now_keeps_the_line_free_and_says_why),
		T(a_download_under_way_stops_when_the_hook_says_so_and_goes_on_later),
		T(a_hook_that_hangs_holds_up_nothing_but_the_download),
		T(what_a_hold_leaves_out_is_not_fetched_over_a_line_that_is_metered),
		T(a_hook_that_others_may_write_is_not_run_and_nothing_is_downloaded),
		T(content_is_downloaded_at_once_and_activated_in_the_hosts_window),
		T(content_is_downloaded_at_once_and_activated_in_the_assignments_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
