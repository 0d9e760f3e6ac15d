/*
 * test_proxy: the real server behind a line that is cut or slow, and behind
 * squid, as the hosts of a site with one narrow line to the world would have it.
 */
#include "endpoint.h"
#include "endpoint_content.h"
#include "endpoint_delta.h"
#include "line.h"
#include "program.h"
#include "squid.h"

#define BIG ((size_t)400000)
#define CUT 150000
#define HEADS 4000              /* of the answers to a few requests, bytes */
#define RATE 100000             /* bytes a second */

static struct line wire;
static pid_t server;
static struct squid squid;
static struct endpoint other;            /* another host of the same site */

#define NEED_PROGRAMS(p)                                                                      \
	do {                                                                                  \
		if (access((p)->bin, X_OK) < 0 || access(test_program("ringholdd"), X_OK) < 0) \
			skip_named("%s or ringholdd is not built", (p)->bin);                 \
	} while (0)

/* ---- the server: the real one, of the repository that the endpoint's vendor publishes to ---- */

static pid_t started(const char *program, char *const *argv, const char *log)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unsetenv("RINGHOLD_TEST_CLOCK");        /* caches compare the server's clock with their own */
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execv(program, argv);
		_exit(127);
	}
	return pid;
}

static void ended(pid_t *pid, int signal)
{
	if (*pid > 0) {
		kill(*pid, signal);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void fail_with(const char *what, const char *log)
{
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	if (file_read(&text, log, 1 << 20, &e) == 0)
		fprintf(stderr, "%s\n", text->data);
	fail_msg("%s", what);
}

static int port_of(const char *listening, pid_t pid, const char *log)
{
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	while (!file_exists(listening)) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			fail_with("ringholdd ended", log);
		poll(NULL, 0, 10);
	}
	assert_ok(file_read(&text, listening, 100, &e));
	return atoi(strrchr(text->data, ':') + 1);
}

static void start_server(const struct endpoint *p)
{
	char ini[256], data[256], path[300], log[256], text[900];
	char *argv[] = { (char *)"ringholdd", (char *)"--config", ini, NULL };
	struct err e;

	snprintf(ini, sizeof ini, "%s/ringholdd.ini", p->dir);
	snprintf(data, sizeof data, "%s/server", p->dir);
	snprintf(path, sizeof path, "%s/keys", data);
	snprintf(log, sizeof log, "%s/server.log", p->dir);
	assert_ok(file_mkdirs(path, 0700, &e));
	snprintf(text, sizeof text, "listen = 127.0.0.1:0\ndata = %s\nrepository = %s\ntls = no\n", data, p->repo);
	assert_ok(file_replace(ini, text, strlen(text), 0644, &e));
	server = started(test_program("ringholdd"), argv, log);
	snprintf(path, sizeof path, "%s/listening", data);
	line_start(&wire, port_of(path, server, log));
}

/* ---- hosts ---- */

static void configure(const struct endpoint *p, const char *more)
{
	char ini[1024];

	snprintf(ini, sizeof ini,
		 "[agent]\ncontent-url = http://127.0.0.1:%d/content\nattributes = ring=canary\npoll = 5s\nboot-ok = 60s\n%s\n"
		 "[channel edr]\nsensor-wait = 2s\n", wire.port, more);
	endpoint_write(p, "/etc/ringhold/agent.ini", ini, 0644);
}

/* Of the same ring and clock. */
static void make_neighbour(const struct endpoint *p)
{
	char from[300], to[300];

	other = *p;
	snprintf(other.root, sizeof other.root, "%s/neighbour", p->dir);
	other.agent = 0;
	other.sensor_up = false;
	endpoint_write(&other, "/etc/ringhold/trust/.keep", "", 0644);
	snprintf(from, sizeof from, "%s/etc/ringhold/trust/content.root.json", p->root);
	snprintf(to, sizeof to, "%s/etc/ringhold/trust/content.root.json", other.root);
	endpoint_copy(from, to);
	snprintf(to, sizeof to, "%s/etc/ringhold/contract.json", other.root);
	endpoint_copy("deploy/demo/contract.json", to);
}

static size_t archive_bytes(const struct endpoint *p, const char *target)
{
	AUTO_FREE char *path = NULL;
	struct stat st;
	struct err e;

	assert_ok(repo_target_file(p->published, target, &path, &e));
	assert_int_equal(stat(path, &st), 0);
	return (size_t)st.st_size;
}

/* All that came over the line of one file, whoever asked. */
static long long came(const char *name)
{
	const struct line_request *r;
	long long sum = 0;

	for (unsigned n = 0; (r = line_nth(&wire, name, n)); n++)
		sum += r->bytes;
	return sum;
}

/* ---- resuming ---- */

static void a_line_to_the_real_server_that_is_cut_costs_no_byte_twice(void **state)
{
	struct endpoint *p = *state;
	const struct line_request *first, *second;
	struct published one;
	long long length;

	NEED_PROGRAMS(p);
	start_server(p);
	configure(p, "");
	wire.shared->cut_after = CUT;
	one = endpoint_bundle(p, endpoint_content(p, 0, BIG), 110, NULL);
	length = (long long)archive_bytes(p, one.path);
	endpoint_assign(p, &one, NULL, 1, 5, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	assert_int_equal(wire.shared->cuts, 1);
	first = line_nth(&wire, "110.tar.gz", 0);
	second = line_nth(&wire, "110.tar.gz", 1);
	assert_true(first && second && !line_nth(&wire, "110.tar.gz", 2));
	assert_int_equal(first->from, -1);
	assert_true(second->from > 0 && second->from <= CUT);
	assert_in_range(second->bytes, length - second->from, length - second->from + HEADS);
	assert_in_range(came("110.tar.gz"), length, length + HEADS);
}

/* ---- a rate ---- */

static bool is_fetched(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->state.phase != PHASE_IDLE && s->state.phase != PHASE_FETCHING;
}

static bool is_asked_for(const struct seen *s, const void *arg)
{
	(void)s;
	(void)arg;
	return line_nth(&wire, "110.tar.gz", 0);
}

/* Only that it is not faster: a busy machine may take as long as it likes. */
static void a_download_is_no_faster_than_it_may_be(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char more[64];
	int64_t from;

	NEED_PROGRAMS(p);
	start_server(p);
	snprintf(more, sizeof more, "max-rate = %d", RATE);
	configure(p, more);
	one = endpoint_bundle(p, endpoint_content(p, 0, BIG), 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 5, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is asked for", is_asked_for, NULL, 0);
	from = clock_work_ms();
	endpoint_until(p, "it is there", is_fetched, NULL, 0);
	assert_true(clock_work_ms() - from >= (int64_t)BIG * 1000 / RATE / 2);
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
}

static bool is_asked_twice(const struct seen *s, const void *arg)
{
	(void)s;
	(void)arg;
	return line_nth(&wire, "/bundles/", 1);
}

static bool is_asked_once(const struct seen *s, const void *arg)
{
	(void)s;
	(void)arg;
	return line_nth(&wire, "/bundles/", 0);
}

static bool turns_went_by(const struct seen *s, const void *arg)
{
	(void)s;
	return --*(int *)(uintptr_t)arg == 0;
}

/* Two channels have something to fetch; the line stands still in the first answer. */
static void two_channels_want_the_line(struct endpoint *p, const char *rate)
{
	struct published one, of_waf;
	const char *dir;
	char more[120];

	start_server(p);
	wire.shared->hold_after = 1000;
	snprintf(more, sizeof more, "%s\n[channel waf]\nsensor-wait = 2s", rate);
	configure(p, more);
	dir = endpoint_content(p, 0, BIG);
	one = endpoint_bundle(p, dir, 110, NULL);
	of_waf = endpoint_bundle_of(p, "waf", dir, 7, NULL);
	endpoint_assign(p, &of_waf, NULL, 1, 5, 0);
	endpoint_assign(p, &one, NULL, 1, 5, 0);
	endpoint_agent_start(p);
	endpoint_until(p, "one is asked for", is_asked_once, NULL, 1000);
}

static void without_a_rate_channels_download_side_by_side(void **state)
{
	struct endpoint *p = *state;

	NEED_PROGRAMS(p);
	two_channels_want_the_line(p, "");
	endpoint_until(p, "the other is asked for as well", is_asked_twice, NULL, 1000);
}

static void a_rate_is_the_hosts_and_channels_take_turns(void **state)
{
	struct endpoint *p = *state;
	int turns = 100;

	NEED_PROGRAMS(p);
	two_channels_want_the_line(p, "max-rate = 100M");
	endpoint_until(p, "the other had its chances", turns_went_by, &turns, 1000);
	assert_false(is_asked_twice(NULL, NULL));
	wire.shared->hold_after = 0;
	endpoint_until(p, "the other is asked for", is_asked_twice, NULL, 1000);
}

/* ---- neighbours ---- */

/* Both hosts' sensors are this process: while one host is waited for the other is turned too. */
static bool both_run(const struct seen *s, const void *arg)
{
	struct pollfd f = { .fd = other.sensor.notify, .events = POLLIN };
	struct seen theirs = endpoint_look(&other);

	if (poll(&f, 1, 0) > 0 && ringhold_switched(&other.sensor))
		endpoint_sensor_load(&other);
	return endpoint_runs_committed(s, arg) && endpoint_runs_committed(&theirs, arg);
}

static void expect_once(const struct endpoint *p, const char *name, const char *target)
{
	long long length = (long long)archive_bytes(p, target);

	if (!line_nth(&wire, name, 0) || line_nth(&wire, name, 1))
		fail_msg("%s was asked for %s", name, line_nth(&wire, name, 0) ? "more than once" : "never");
	assert_in_range(came(name), length, length + HEADS);
}

static void hosts_behind_a_caching_proxy_share_what_came_over_the_line(void **state)
{
	struct endpoint *p = *state;
	char target[PATH_LEN_MAX + 1], more[80];
	struct published one, two;
	const char *dir;

	NEED_PROGRAMS(p);
	NEED_SQUID();
	start_server(p);
	squid_start(&squid);
	snprintf(more, sizeof more, "proxy = http://127.0.0.1:%d", squid.port);
	configure(p, more);
	make_neighbour(p);
	configure(&other, more);
	dir = endpoint_content(p, 0, BIG);
	one = endpoint_bundle(p, dir, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 5, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first host has it", endpoint_runs_committed, &one, 1000);
	assert_true(squid_says(&squid, "110.tar.gz", "_MISS/200"));
	endpoint_sensor_start(&other);
	endpoint_agent_start(&other);
	endpoint_until(&other, "its neighbour has it", endpoint_runs_committed, &one, 1000);
	expect_once(p, "110.tar.gz", one.path);
	assert_true(squid_says(&squid, "110.tar.gz", "_HIT/200"));
	assert_null(line_nth(&wire, ".ring-canary.json", 1));           /* nor metadata that never changes */
	/* Both at once, by a delta. */
	two = endpoint_bundle(p, "deploy/demo/edr-good", 111, NULL);
	endpoint_delta(p, &one, &two, false);
	endpoint_assign(p, &two, &one, 1, 5, 0);
	endpoint_until(p, "both have the next", both_run, &two, 1000);
	bundle_delta_path(target, "edr", 110, 111);
	expect_once(p, "110-111.zst", target);
	assert_null(line_nth(&wire, "111.tar.gz", 0));
}

static int teardown(void **state)
{
	endpoint_agent_end(&other, SIGKILL);
	endpoint_sensor_stop(&other);
	squid_stop(&squid);
	ended(&server, SIGTERM);
	line_stop(&wire);
	return endpoint_teardown(state);
}

#define T(f) cmocka_unit_test_setup_teardown(f, endpoint_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_line_to_the_real_server_that_is_cut_costs_no_byte_twice),
		T(a_download_is_no_faster_than_it_may_be),
		T(without_a_rate_channels_download_side_by_side),
		T(a_rate_is_the_hosts_and_channels_take_turns),
		T(hosts_behind_a_caching_proxy_share_what_came_over_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
