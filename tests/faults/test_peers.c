/*
 * test_peers: a real ringholdd among peers that are slow, many, too big, two at
 * once in one, half gone or gone; plain and through TLS.
 */
#include <dirent.h>
#include <sys/resource.h>

#include "base/log.h"
#include "peer.h"
#include "smuggling.h"
#include "tests/server/office.h"

#define GET_HEALTH "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
#define LAST_HEALTH "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
#define UPLOAD "PUT /v1/uploads/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\n"

#define SLOW 24                 /* peers at once that say a byte now and then */
#define SLOW_MS 20
#define PIPELINED 400
#define IDLE 10000
#define IDLE_TLS 500
#define IDLE_BYTES_MAX (16 * 1024)      /* of the server, for one that is idle */
#define IDLE_TLS_BYTES_MAX (96 * 1024)
#define RESETS 60

struct site {
	struct office *o;
	bool tls;
	char address[64];
};

static void locate(struct site *s)
{
	AUTO_FREE char *path = fixture_path(s->o->f, "data/listening");
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, path, 100, &e));
	snprintf(s->address, sizeof s->address, "%.*s", (int)strcspn(text->data, "\n"), text->data);
}

static void open_site(void **state, bool tls, const char *more)
{
	struct site *s = calloc(1, sizeof *s);
	char ini[600];

	snprintf(ini, sizeof ini, "%stoken-rate = 1000000\ntoken-burst = 1000000\naddress-rate = 1000000\naddress-burst = 1000000\n%s",
		 tls ? "" : "tls = no\n", more);
	s->o = office_open(ini);
	s->tls = tls;
	if (s->o->pid)
		locate(s);
	*state = s;
}

#define BRISK "head-timeout = 1s\nbody-timeout = 1s\nidle-timeout = 60s\nwrite-timeout = 1s\nupload-max = 8M\nconnections = 64\n"
#define PATIENT "upload-max = 1M\nconnections = 10000\n"

static int plain(void **state)
{
	open_site(state, false, PATIENT);
	return 0;
}

static int with_tls(void **state)
{
	open_site(state, true, PATIENT);
	return 0;
}

static int brisk(void **state)
{
	open_site(state, false, BRISK);
	return 0;
}

static int brisk_with_tls(void **state)
{
	open_site(state, true, BRISK);
	return 0;
}

static int teardown(void **state)
{
	struct site *s = *state;

	office_close(s->o);
	free(s);
	return 0;
}

/* ---- what a peer sees ---- */

static int status_of(const char *answer)
{
	int status = 0;

	(void)!sscanf(answer, "HTTP/1.1 %d", &status);
	return status;
}

static size_t answers_in(const char *text)
{
	size_t n = 0;

	while ((text = strstr(text, "HTTP/1.1 "))) {
		n++;
		text++;
	}
	return n;
}

/* Says this, and reads until the server closes. */
static size_t exchange(struct site *s, const char *bytes, size_t len, char *out, size_t cap)
{
	struct peer p;
	size_t got;

	peer_open(&p, s->address, s->tls);
	(void)peer_send(&p, bytes, len);
	got = peer_read(&p, out, cap);
	peer_close(&p);
	return got;
}

/* Whoever behaves is served. */
static void serves(struct site *s)
{
	char out[4096];

	exchange(s, LAST_HEALTH, sizeof LAST_HEALTH - 1, out, sizeof out);
	if (status_of(out) != 200)
		fail_msg("the server no longer serves: %s", out);
}

/* ---- what a peer costs ---- */

static size_t files_of(const struct site *s)
{
	char path[64];
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/fd", s->o->pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static size_t uploads_of(const struct site *s)
{
	AUTO_FREE char *path = fixture_path(s->o->f, "data/uploads");
	struct dirent *one;
	size_t n = 0;
	DIR *d = opendir(path);

	while (d && (one = readdir(d)))
		n += one->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static int64_t memory_of(const struct site *s)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", s->o->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f) && sscanf(line, "VmRSS: %ld", &kib) != 1)
		;
	fclose(f);
	return (int64_t)kib * 1024;
}

/* Descriptors and half uploads are gone as well, once the server has noticed. */
static void leaves_nothing(struct site *s, size_t files)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	while (files_of(s) > files || uploads_of(s) > 0) {
		if (clock_work_ms() > until)
			fail_msg("%zu descriptors instead of %zu, %zu half uploads", files_of(s), files, uploads_of(s));
		poll(NULL, 0, 20);
	}
}

/* ---- smuggling ---- */

static void what_two_readers_may_end_in_different_places_is_refused_and_closes(void **state)
{
	struct site *s = *state;
	static char out[65536];
	char bytes[4096];
	size_t wrong = 0;

	NEED(s->o);
	for (size_t i = 0; i < smuggled_count; i++) {
		const struct smuggled *row = &smuggled[i];

		memcpy(bytes, row->bytes, row->len);
		memcpy(bytes + row->len, SMUGGLED_HIDDEN, sizeof SMUGGLED_HIDDEN - 1);
		exchange(s, bytes, row->len + sizeof SMUGGLED_HIDDEN - 1, out, sizeof out);
		if (status_of(out) != row->status || answers_in(out) != 1 || !strstr(out, "\r\nConnection: close\r\n")) {
			print_error("%s: wanted %d and the door: %s\n", row->what, row->status, out);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	/* what is not refused ends where everybody sees it end */
	exchange(s, UPLOAD "Transfer-Encoding: chunked\r\n\r\n5;name=\"value\"\r\nhello\r\n0\r\n\r\n" LAST_HEALTH,
		 sizeof(UPLOAD "Transfer-Encoding: chunked\r\n\r\n5;name=\"value\"\r\nhello\r\n0\r\n\r\n" LAST_HEALTH) - 1, out, sizeof out);
	assert_int_equal(status_of(out), 201);
	assert_int_equal(answers_in(out), 2);
	serves(s);
}

/* ---- too much ---- */

static void put_large(struct site *s, int want, const char *head, char fill, size_t len, const char *tail)
{
	static char bytes[2 << 20], out[65536];
	size_t at = (size_t)snprintf(bytes, sizeof bytes, "%s", head);

	memset(bytes + at, fill, len);
	at += len;
	at += (size_t)snprintf(bytes + at, sizeof bytes - at, "%s", tail);
	exchange(s, bytes, at, out, sizeof out);
	if (status_of(out) != want || answers_in(out) != 1 || !strstr(out, "application/problem+json"))
		fail_msg("wanted %d: %.200s ... : %s", want, head, out);
}

static void heads_and_bodies_beyond_their_limits_get_an_answer_and_the_door(void **state)
{
	static const char json[] = "Host: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\nContent-Type: application/json\r\n";
	struct site *s = *state;
	char head[512], many[4096] = "GET /healthz HTTP/1.1\r\nHost: h\r\n";

	NEED(s->o);
	put_large(s, 414, "GET /", 'a', 3000, " HTTP/1.1\r\nHost: h\r\n\r\n");
	put_large(s, 431, "GET /healthz HTTP/1.1\r\nHost: h\r\nX: ", 'a', 20000, "\r\n\r\n");
	put_large(s, 431, "GET /healthz HTTP/1.1\r\nHost: h\r\nX: ", 'a', 300000, "\r\n\r\n");
	put_large(s, 431, "GET /healthz HTTP/1.1\r\nHost: h\r\n", 'X', 20000, ": y\r\n\r\n");
	for (int i = 0; i < 70; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many), "X-%d: y\r\n", i);
	put_large(s, 431, many, ' ', 0, "\r\n");
	/* declared, and found out on the way */
	snprintf(head, sizeof head, "POST /v1/enrolment-tokens HTTP/1.1\r\n%sContent-Length: 300000\r\n\r\n", json);
	put_large(s, 413, head, ' ', 300000, "");
	snprintf(head, sizeof head, "POST /v1/enrolment-tokens HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n493e0\r\n", json);
	put_large(s, 413, head, ' ', 300000, "\r\n0\r\n\r\n");
	put_large(s, 413, UPLOAD "Content-Length: 99999999999\r\n\r\n", 'a', 1000, "");
	put_large(s, 413, UPLOAD "Transfer-Encoding: chunked\r\n\r\n5f5e0ff\r\n", 'a', (1 << 20) + 1, "");
	serves(s);
}

/* ---- one after the other without waiting ---- */

static void pipelined_requests_get_every_answer_in_their_order(void **state)
{
	static char bytes[PIPELINED * 128], out[PIPELINED * 4096];
	struct site *s = *state;
	size_t at = 0;
	char *answer = out;

	NEED(s->o);
	for (int i = 0; i < PIPELINED; i++)
		at += (size_t)snprintf(bytes + at, sizeof bytes - at, "%s /%s HTTP/1.1\r\nHost: h\r\n%s\r\n", i % 3 == 2 ? "HEAD" : "GET",
				       i % 2 ? "content/metadata/timestamp.json" : "healthz", i == PIPELINED - 1 ? "Connection: close\r\n" : "");
	exchange(s, bytes, at, out, sizeof out);
	assert_int_equal(answers_in(out), PIPELINED);
	for (int i = 0; i < PIPELINED; i++) {
		char *next = strstr(answer + 1, "HTTP/1.1 "), *timestamp = strstr(answer, "\"_type\":\"timestamp\""), *health = strstr(answer, "{\"status\":");

		if (next) {
			timestamp = timestamp && timestamp < next ? timestamp : NULL;
			health = health && health < next ? health : NULL;
		}
		assert_int_equal(status_of(answer), 200);
		assert_int_equal(timestamp != NULL, i % 2 == 1 && i % 3 != 2);
		assert_int_equal(health != NULL, i % 2 == 0 && i % 3 != 2);
		answer = next;
	}
}

static void a_peer_that_has_said_all_still_gets_its_answers(void **state)
{
	static const char three[] = GET_HEALTH UPLOAD "Content-Length: 5\r\n\r\nhello" GET_HEALTH;
	struct site *s = *state;
	char out[8192];
	struct peer p;

	NEED(s->o);
	/* requests and the end in one go, and the end after the answer is under way */
	for (size_t cut = 0; cut < sizeof three - 1; cut += 29) {
		peer_open(&p, s->address, s->tls);
		if (cut > 0)
			assert_true(peer_send(&p, three, cut));
		assert_true(peer_send(&p, three + cut, sizeof three - 1 - cut));
		peer_half_close(&p);
		peer_read(&p, out, sizeof out);
		peer_close(&p);
		if (answers_in(out) != 3 || status_of(out) != 200 || status_of(strstr(out + 1, "HTTP/1.1 ")) / 100 != 2)
			fail_msg("cut at %zu: %s", cut, out);
	}
	/* who ends in the middle of a request gets no answer, and the door */
	peer_open(&p, s->address, s->tls);
	assert_true(peer_send(&p, three, sizeof GET_HEALTH - 3));
	peer_half_close(&p);
	assert_int_equal(peer_read(&p, out, sizeof out), 0);
	peer_close(&p);
}

/* ---- those who go ---- */

static void peers_that_reset_in_the_middle_leave_nothing_behind(void **state)
{
	static char large[700 * 1024];
	static const char head[] = UPLOAD "Content-Length: 700000\r\n\r\n";
	struct site *s = *state;
	struct peer p;
	size_t files;

	NEED(s->o);
	memset(large, 'x', sizeof large);
	serves(s);
	files = files_of(s);
	for (size_t i = 0; i < RESETS; i++) {
		char out[64];

		peer_open(&p, s->address, s->tls);
		switch (i % 5) {
		case 0:         /* of a head */
			peer_send(&p, GET_HEALTH, 10);
			break;
		case 1:         /* of a body that waits in memory */
			peer_send(&p, head, sizeof head - 1);
			peer_send(&p, large, 1000);
			break;
		case 2:         /* of a body that is a file by now */
			peer_send(&p, head, sizeof head - 1);
			peer_send(&p, large, 600000);
			break;
		case 3:         /* before the answer */
			peer_send(&p, GET_HEALTH, sizeof GET_HEALTH - 1);
			break;
		default:        /* of many answers */
			for (int n = 0; n < 50; n++)
				peer_send(&p, GET_HEALTH, sizeof GET_HEALTH - 1);
			peer_read_some(&p, out, sizeof out);
		}
		peer_reset(&p);
	}
	serves(s);
	leaves_nothing(s, files);
}

/* ---- those who take their time ---- */

/* Each says its next byte, until the server has closed all of them. */
static void drip(struct site *s, const char *first, const char *then)
{
	struct peer p[SLOW];
	size_t len = strlen(then), open = SLOW;
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (size_t i = 0; i < SLOW; i++) {
		peer_open(&p[i], s->address, s->tls);
		peer_send(&p[i], first, strlen(first));
	}
	for (size_t at = 0; open > 0; at++) {
		if (clock_work_ms() > until)
			fail_msg("%zu slow peers are still there", open);
		for (size_t i = 0; i < SLOW; i++)
			if (p[i].fd >= 0 && (peer_closed(&p[i]) || !peer_send(&p[i], then + at % len, 1))) {
				peer_close(&p[i]);
				open--;
			}
		serves(s);
		poll(NULL, 0, SLOW_MS);
	}
}

static void a_byte_at_a_time_keeps_no_place_for_longer_than_a_head_or_a_body_may_take(void **state)
{
	struct site *s = *state;
	size_t files;

	NEED(s->o);
	serves(s);
	files = files_of(s);
	drip(s, "GET /healthz HTTP/1.1\r\n", "X: y\r\n");
	drip(s, UPLOAD "Content-Length: 5000\r\n\r\n", "x");
	drip(s, UPLOAD "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n");
	leaves_nothing(s, files);
}

static void who_asks_and_does_not_read_is_given_up(void **state)
{
	static char many[200 * (sizeof GET_HEALTH - 1)];
	struct site *s = *state;
	int64_t until = clock_work_ms() + LIMIT_MS;
	struct peer p;
	size_t files;

	NEED(s->o);
	serves(s);
	files = files_of(s);
	for (size_t i = 0; i < 200; i++)
		memcpy(many + i * (sizeof GET_HEALTH - 1), GET_HEALTH, sizeof GET_HEALTH - 1);
	peer_open(&p, s->address, s->tls);
	/* the server stops reading when its answers are not read, and then closes */
	while (peer_send(&p, many, sizeof many))
		assert_true(clock_work_ms() < until);
	serves(s);
	peer_close(&p);
	leaves_nothing(s, files);
}

/* ---- those who only sit there ---- */

/* Who takes every place at once has them for as long as it takes to settle, and no longer. */
static void serves_in_the_end(struct site *s)
{
	int64_t until = clock_work_ms() + LIMIT_MS;
	char out[4096];

	do {
		exchange(s, LAST_HEALTH, sizeof LAST_HEALTH - 1, out, sizeof out);
	} while (status_of(out) != 200 && clock_work_ms() < until);
	assert_int_equal(status_of(out), 200);
}

/* Opens so many that say nothing, or nothing more; what one of them costs the server. */
static int64_t sit(struct site *s, struct peer *p, size_t count)
{
	int64_t before;
	char out[4096];

	serves(s);
	before = memory_of(s);
	for (size_t i = 0; i < count; i++) {
		peer_open(&p[i], s->address, s->tls);
		/* every second one has had an answer */
		if (i % 2) {
			assert_true(peer_send(&p[i], GET_HEALTH, sizeof GET_HEALTH - 1));
			assert_true(peer_read_some(&p[i], out, 64) == 64);
		}
	}
	serves_in_the_end(s);
	return (memory_of(s) - before) / (int64_t)count;
}

static bool may_open(size_t count)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max < count)
		return false;
	r.rlim_cur = r.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &r) == 0;
}

static void ten_thousand_idle_connections_cost_little_and_shut_nobody_out(void **state)
{
	struct site *s = *state;
	static struct peer p[IDLE];
	size_t closed = 0, count = s->tls ? IDLE_TLS : IDLE;
	int64_t bytes;

	NEED(s->o);
	if (!may_open(IDLE + 512))
		skip_named("no more than %d open files are allowed here", IDLE);
	bytes = sit(s, p, count);
	print_message("idle connections: %zu, %s, %lld bytes of memory each\n", count, s->tls ? "TLS" : "plain", (long long)bytes);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(bytes < (s->tls ? IDLE_TLS_BYTES_MAX : IDLE_BYTES_MAX));
#endif
	/* beyond the limit the one that was idle for longest makes room, and no other */
	for (size_t i = 0; i < count; i++)
		closed += peer_closed(&p[i]);
	assert_true(s->tls ? closed == 0 : closed <= 8);
	for (size_t i = 0; i < count; i++)
		peer_close(&p[i]);
	serves(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name, setup) { #name " (" #setup ")", name, setup, teardown, NULL }
		T(what_two_readers_may_end_in_different_places_is_refused_and_closes, plain),
		T(what_two_readers_may_end_in_different_places_is_refused_and_closes, with_tls),
		T(heads_and_bodies_beyond_their_limits_get_an_answer_and_the_door, plain),
		T(heads_and_bodies_beyond_their_limits_get_an_answer_and_the_door, with_tls),
		T(pipelined_requests_get_every_answer_in_their_order, plain),
		T(pipelined_requests_get_every_answer_in_their_order, with_tls),
		T(a_peer_that_has_said_all_still_gets_its_answers, plain),
		T(a_peer_that_has_said_all_still_gets_its_answers, with_tls),
		T(peers_that_reset_in_the_middle_leave_nothing_behind, plain),
		T(peers_that_reset_in_the_middle_leave_nothing_behind, with_tls),
		T(a_byte_at_a_time_keeps_no_place_for_longer_than_a_head_or_a_body_may_take, brisk),
		T(a_byte_at_a_time_keeps_no_place_for_longer_than_a_head_or_a_body_may_take, brisk_with_tls),
		T(who_asks_and_does_not_read_is_given_up, brisk),
		T(who_asks_and_does_not_read_is_given_up, brisk_with_tls),
		T(ten_thousand_idle_connections_cost_little_and_shut_nobody_out, plain),
		T(ten_thousand_idle_connections_cost_little_and_shut_nobody_out, with_tls),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
