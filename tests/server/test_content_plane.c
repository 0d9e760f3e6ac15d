/* The content plane over real HTTP: what may be cached, what is asked again, and pieces of files. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "tests/program.h"
#include "tests/server/fixture.h"

#define LIMIT_MS 20000
#define BODY "0123456789abcdefghij"
#define STOPS "stop/edr/stops.json"

struct world {
	struct fixture *f;
	pid_t pid;
	int port;
	char target[160];       /* the path of a file with BODY, below /content/targets */
	char hash[DIGEST_HEX_LEN + 1];
	char answer[65536];     /* the last */
	const char *body;       /* of it */
};

static void wait_for_port(struct world *w)
{
	AUTO_FREE char *path = fixture_path(w->f, "data/listening");
	int64_t until = clock_work_ms() + LIMIT_MS;
	AUTO(buf) struct buf *text = NULL;
	struct err e;
	int status;

	while (!file_exists(path)) {
		assert_int_equal(waitpid(w->pid, &status, WNOHANG), 0);
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 5);
	}
	assert_ok(file_read(&text, path, 100, &e));
	w->port = atoi(strrchr(text->data, ':') + 1);
}

static void start(struct world *w)
{
	AUTO_FREE char *ini = fixture_path(w->f, "ringholdd.ini"), *log = fixture_path(w->f, "log");
	char text[512];

	snprintf(text, sizeof text, "listen = 127.0.0.1:0\ndata = %s\ntls = no\n", w->f->data);
	fixture_write(w->f, "ringholdd.ini", text);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, STDERR_FILENO);
		execl(test_program("ringholdd"), "ringholdd", "--config", ini, NULL);
		_exit(127);
	}
	wait_for_port(w);
}

/* A target as every server has it: named by its hash. */
static void publish(struct world *w, const char *body)
{
	AUTO(repo) struct repo *r = NULL;
	struct digest d;
	struct err e;

	assert_ok(repo_open(&r, w->f->repository, &e));
	assert_ok(repo_put_target(r, "stop", STOPS, body, strlen(body), NULL, &e));
	assert_ok(repo_publish(r, w->f->all, clock_now(), &e));
	hash_bytes(&d, body, strlen(body));
	digest_hex(w->hash, &d);
	snprintf(w->target, sizeof w->target, "/content/targets/stop/edr/%s.stops.json", w->hash);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	*state = w;
	if (access(test_program("ringholdd"), X_OK) < 0)
		return 0;
	w->f = fixture_new();
	publish(w, BODY);
	start(w);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	int status;

	if (w->pid > 0) {
		kill(w->pid, SIGTERM);
		waitpid(w->pid, &status, 0);
	}
	if (w->f)
		fixture_free(w->f);
	free(w);
	return 0;
}

#define NEED_PROGRAM(w)                                               \
	do {                                                          \
		if (!(w)->f)                                          \
			skip_named("ringholdd is not built");         \
	} while (0)

/* One request on a connection of its own; headers end with CRLF each. The status. */
static int ask(struct world *w, const char *method, const char *path, const char *headers)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)w->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timeval limit = { .tv_sec = LIMIT_MS / 1000 };
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_FREE char *request = NULL;
	size_t len = 0;
	ssize_t n;
	int status = 0;
	struct err e;

	assert_true(asprintf(&request, "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n", method, path, headers) > 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
	assert_ok(file_write_all(fd, request, strlen(request), &e));
	while (len < sizeof w->answer - 1 && (n = recv(fd, w->answer + len, sizeof w->answer - 1 - len, 0)) > 0)
		len += (size_t)n;
	w->answer[len] = '\0';
	w->body = strstr(w->answer, "\r\n\r\n");
	assert_non_null(w->body);
	w->body += 4;
	assert_int_equal(sscanf(w->answer, "HTTP/1.1 %d", &status), 1);
	return status;
}

/* The value of a header of the last answer; NULL: it has none. */
static const char *header(struct world *w, const char *name)
{
	static char value[256];
	char start[80];
	const char *at;

	snprintf(start, sizeof start, "\r\n%s: ", name);
	at = strcasestr(w->answer, start);
	if (!at || at > w->body)
		return NULL;
	snprintf(value, sizeof value, "%.*s", (int)strcspn(at + strlen(start), "\r"), at + strlen(start));
	return value;
}

#define assert_header(w, name, want)                                                                    \
	do {                                                                                            \
		const char *is_ = header(w, name);                                                      \
		if (!is_ || strcmp(is_, want) != 0)                                                     \
			fail_msg("%s is %s instead of %s:\n%s", name, is_ ? is_ : "absent", want, (w)->answer); \
	} while (0)

static void may_be_kept_for_ever(struct world *w, const char *path)
{
	assert_int_equal(ask(w, "GET", path, ""), 200);
	assert_header(w, "Cache-Control", "public, max-age=31536000, immutable");
	assert_non_null(header(w, "ETag"));
	assert_header(w, "Accept-Ranges", "bytes");
}

static void all_but_the_timestamp_may_be_kept_for_ever(void **state)
{
	struct world *w = *state;
	char path[160];
	int64_t version;
	struct err e;

	NEED_PROGRAM(w);
	AUTO(repo) struct repo *r = NULL;

	assert_ok(repo_open(&r, w->f->repository, &e));
	for (size_t i = 0; i < repo_role_count(r); i++) {
		struct repo_status s;

		repo_role_status(r, i, NULL, &s);
		version = s.version;
		if (strcmp(s.role, "timestamp") == 0 || version == 0)
			continue;
		snprintf(path, sizeof path, "/content/metadata/%lld.%s.json", (long long)version, s.role);
		may_be_kept_for_ever(w, path);
		assert_header(w, "Content-Type", "application/json");
	}
	may_be_kept_for_ever(w, w->target);
	assert_string_equal(w->body, BODY);
	assert_int_equal(ask(w, "GET", "/content/metadata/timestamp.json", ""), 200);
	assert_header(w, "Cache-Control", "no-cache");
}

/* What a cache reckons ages by: the server's clock, to the second, whatever the answer. */
static void every_answer_says_when_it_was_given(void **state)
{
	static const struct { const char *path; int status; } rows[] = {
		{ "/content/metadata/timestamp.json", 200 }, { "/content/metadata/9.root.json", 404 }, { NULL, 200 }, { NULL, 304 },
	};
	struct world *w = *state;

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char tag[128];
		int64_t before = clock_now(), when;
		struct tm tm = { 0 };
		const char *said, *end;

		snprintf(tag, sizeof tag, "If-None-Match: \"%s\"\r\n", rows[i].status == 304 ? w->hash : "none");
		assert_int_equal(ask(w, "GET", rows[i].path ? rows[i].path : w->target, tag), rows[i].status);
		said = header(w, "Date");
		assert_non_null(said);
		end = strptime(said, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		assert_true(end && !*end && strlen(said) == 29);
		when = timegm(&tm);
		assert_in_range(when, before, clock_now());
	}
}

static void what_is_not_there_is_asked_again(void **state)
{
	static const char *const nothing[] = {
		"/content/metadata/2.root.json", "/content/metadata/1.snapshot.json", "/content/metadata/snapshot.json",
		"/content/metadata/nobody.json", "/content/targets/bundles/edr/1.tar.gz", "/content/targets/stop/edr/stops.json",
		"/content/targets/stop", "/content/", "/content/elsewhere", "/nothing",
	};
	struct world *w = *state;

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		if (ask(w, "GET", nothing[i], "If-None-Match: *\r\n") != 404)
			fail_msg("%s: %s", nothing[i], w->answer);
		assert_header(w, "Cache-Control", "no-store");
		assert_null(header(w, "ETag"));
	}
}

static void targets_come_as_they_are_whatever_the_client_would_unpack(void **state)
{
	struct world *w = *state;

	NEED_PROGRAM(w);
	assert_int_equal(ask(w, "GET", w->target, "Accept-Encoding: gzip, br, zstd\r\n"), 200);
	assert_null(header(w, "Content-Encoding"));
	assert_null(header(w, "Transfer-Encoding"));
	assert_header(w, "Content-Length", "20");
	assert_string_equal(w->body, BODY);
	assert_int_equal(ask(w, "HEAD", w->target, ""), 200);
	assert_header(w, "Content-Length", "20");
	assert_string_equal(w->body, "");
}

static void who_has_the_bytes_gets_no_bytes(void **state)
{
	static const struct { const char *fmt; int status; } rows[] = {
		{ "If-None-Match: \"%s\"\r\n", 304 }, { "If-None-Match: W/\"%s\"\r\n", 304 }, { "If-None-Match: *\r\n", 304 },
		{ "If-None-Match: \"x\", \"%s\"\r\n", 304 }, { "If-None-Match: \"a,b\" ,W/\"%s\" , \"y\"\r\n", 304 },
		{ "If-None-Match: \"%s\"\r\nRange: bytes=0-3\r\n", 304 },
		{ "If-None-Match: \"x%s\"\r\n", 200 }, { "If-None-Match: %s\r\n", 200 }, { "If-None-Match: \"x,\"%s\"\r\n", 200 },
		{ "If-None-Match: \"\"\r\n", 200 }, { "If-None-Match: ,\r\n", 200 },
	};
	struct world *w = *state;

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *hole = strstr(rows[i].fmt, "%s");
		char headers[256];
		int status;

		snprintf(headers, sizeof headers, "%.*s%s%s", hole ? (int)(hole - rows[i].fmt) : (int)strlen(rows[i].fmt), rows[i].fmt,
			 hole ? w->hash : "", hole ? hole + 2 : "");
		status = ask(w, "GET", w->target, headers);
		if (status != rows[i].status)
			fail_msg("%s%s", headers, w->answer);
		assert_header(w, "Cache-Control", "public, max-age=31536000, immutable");
		assert_string_equal(w->body, status == 304 ? "" : BODY);
	}
}

static void a_new_timestamp_has_a_new_tag_and_the_old_one_is_told_from_it(void **state)
{
	struct world *w = *state;
	char tags[4][128], headers[320];

	NEED_PROGRAM(w);
	/* Published within one second, with the same length: only the bytes differ. */
	for (int i = 0; i < 4; i++) {
		const char *body[] = { "a", "b", "c", "d" };

		publish(w, body[i]);
		assert_int_equal(ask(w, "GET", "/content/metadata/timestamp.json", ""), 200);
		snprintf(tags[i], sizeof tags[i], "%s", header(w, "ETag"));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(tags[k], tags[i]);
	}
	snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", tags[3]);
	assert_int_equal(ask(w, "GET", "/content/metadata/timestamp.json", headers), 304);
	assert_header(w, "Cache-Control", "no-cache");
	assert_header(w, "ETag", tags[3]);
	snprintf(headers, sizeof headers, "If-None-Match: %s, %s\r\n", tags[1], tags[2]);
	assert_int_equal(ask(w, "GET", "/content/metadata/timestamp.json", headers), 200);
}

static void pieces_are_what_was_asked_for(void **state)
{
	static const struct { const char *range; int status; const char *says, *body; } rows[] = {
		{ "bytes=0-3", 206, "bytes 0-3/20", "0123" },      { "bytes=15-", 206, "bytes 15-19/20", "fghij" },
		{ "bytes=-4", 206, "bytes 16-19/20", "ghij" },     { "bytes=0-99999", 206, "bytes 0-19/20", BODY },
		{ "bytes=-99", 206, "bytes 0-19/20", BODY },       { "bytes=19-19", 206, "bytes 19-19/20", "j" },
		{ "bytes=20-", 416, "bytes */20", NULL },          { "bytes=-0", 416, "bytes */20", NULL },
		{ "bytes=5-3", 200, NULL, BODY },                  { "bytes=0-1,3-4", 200, NULL, BODY },
		{ "lines=0-3", 200, NULL, BODY },                  { "bytes=a-b", 200, NULL, BODY },
		{ "bytes=99999999999999999999-", 200, NULL, BODY },
	};
	struct world *w = *state;

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char headers[128];

		snprintf(headers, sizeof headers, "Range: %s\r\n", rows[i].range);
		if (ask(w, "GET", w->target, headers) != rows[i].status)
			fail_msg("%s: %s", rows[i].range, w->answer);
		if (rows[i].says)
			assert_header(w, "Content-Range", rows[i].says);
		else
			assert_null(header(w, "Content-Range"));
		assert_header(w, "Cache-Control", rows[i].status == 416 ? "no-store" : "public, max-age=31536000, immutable");
		if (rows[i].body)
			assert_string_equal(w->body, rows[i].body);
	}
}

static void a_download_is_resumed_only_from_the_same_bytes(void **state)
{
	struct world *w = *state;
	char headers[256];

	NEED_PROGRAM(w);
	snprintf(headers, sizeof headers, "Range: bytes=10-\r\nIf-Range: \"%s\"\r\n", w->hash);
	assert_int_equal(ask(w, "GET", w->target, headers), 206);
	assert_string_equal(w->body, "abcdefghij");
	/* another tag, a weak one, a date: the whole */
	assert_int_equal(ask(w, "GET", w->target, "Range: bytes=10-\r\nIf-Range: \"other\"\r\n"), 200);
	assert_string_equal(w->body, BODY);
	snprintf(headers, sizeof headers, "Range: bytes=10-\r\nIf-Range: W/\"%s\"\r\n", w->hash);
	assert_int_equal(ask(w, "GET", w->target, headers), 200);
	assert_int_equal(ask(w, "GET", w->target, "Range: bytes=10-\r\nIf-Range: Wed, 21 Oct 2015 07:28:00 GMT\r\n"), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_but_the_timestamp_may_be_kept_for_ever),
		cmocka_unit_test(every_answer_says_when_it_was_given),
		cmocka_unit_test(what_is_not_there_is_asked_again),
		cmocka_unit_test(targets_come_as_they_are_whatever_the_client_would_unpack),
		cmocka_unit_test(who_has_the_bytes_gets_no_bytes),
		cmocka_unit_test(pieces_are_what_was_asked_for),
		cmocka_unit_test(a_download_is_resumed_only_from_the_same_bytes),
		/* publishes: last */
		cmocka_unit_test(a_new_timestamp_has_a_new_tag_and_the_old_one_is_told_from_it),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, setup, teardown);
}
