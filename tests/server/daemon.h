/* daemon: a real ringholdd, spoken to word by word, and devices of it. */
#ifndef TESTS_SERVER_DAEMON_H
#define TESTS_SERVER_DAEMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fetch.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "fixture.h"

#define LIMIT_MS 20000

struct world {
	struct fixture *f;
	char *program;
	pid_t pid;
	char address[64], url[80], pin[80];
	struct fetch *http;
};

/* ---- the process ---- */

static inline char *find_program(void)
{
	char self[4096], *path = NULL;
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	assert_true(len > 0);
	self[len] = '\0';
	if (asprintf(&path, "%s/../../bin/ringholdd", dirname(self)) < 0)
		return NULL;
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

static inline void read_line(const struct world *w, const char *name, char *out, size_t cap)
{
	AUTO_FREE char *path = fixture_path(w->f, name);
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, path, cap - 1, &e));
	snprintf(out, cap, "%s", text->data);
	out[strcspn(out, "\n")] = '\0';
}

static inline void start(struct world *w, bool tls)
{
	AUTO_FREE char *ini = fixture_path(w->f, "ringholdd.ini"), *listening = fixture_path(w->f, "data/listening");
	AUTO_FREE char *log = fixture_path(w->f, "log");
	char *argv[] = { (char *)"ringholdd", (char *)"--config", ini, NULL };
	struct fetch_settings settings = { .agent = "test" };
	int64_t until = clock_work_ms() + LIMIT_MS;
	int status;
	struct err e;

	unlink(listening);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, STDERR_FILENO);
		execv(w->program, argv);
		_exit(127);
	}
	while (!file_exists(listening)) {
		assert_int_equal(waitpid(w->pid, &status, WNOHANG), 0);
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 5);
	}
	read_line(w, "data/listening", w->address, sizeof w->address);
	snprintf(w->url, sizeof w->url, "%s://%s", tls ? "https" : "http", w->address);
	if (tls) {
		read_line(w, "data/pin", w->pin, sizeof w->pin);
		settings.pin = w->pin;
	}
	fetch_free(w->http);
	assert_ok(fetch_new(&w->http, &settings, &e));
}

static inline void end(struct world *w, int sig)
{
	int status;

	kill(w->pid, sig);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	if (sig == SIGTERM)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	w->pid = 0;
}

static inline void prepare(void **state, const char *more, bool tls)
{
	struct world *w = calloc(1, sizeof *w);
	char ini[1024];

	w->program = find_program();
	*state = w;
	if (!w->program)
		return;
	w->f = fixture_new();
	snprintf(ini, sizeof ini, "listen = 127.0.0.1:0\ndata = %s\n%s", w->f->data, more);
	fixture_write(w->f, "ringholdd.ini", ini);
	start(w, tls);
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	if (w->pid > 0)
		end(w, SIGKILL);
	fetch_free(w->http);
	if (w->f)
		fixture_free(w->f);
	free(w->program);
	free(w);
	return 0;
}

#define NEED_PROGRAM(w)                                     \
	do {                                                \
		if (!(w)->program)                          \
			skip_named("ringholdd is not built"); \
	} while (0)

/* ---- requests ---- */

struct answer {
	long status;
	struct buf *text;
	struct json_doc *doc;           /* NULL: no JSON */
};

static inline void answer_release(struct answer *a)
{
	json_free(a->doc);
	buf_free(a->text);
	*a = (struct answer){ 0 };
}

static inline void call(struct world *w, struct answer *a, const char *method, const char *path, const char *bearer, const void *body, size_t len,
		 const char *type)
{
	struct fetch_answer got;
	struct fetch_request r = { .method = method, .bearer = bearer, .type = type, .body = body, .body_len = len, .max = 8 << 20 };
	AUTO_FREE char *url = NULL;
	struct err e;

	if (a->text)
		answer_release(a);
	assert_true(asprintf(&url, "%s%s", w->url, path) > 0);
	r.url = url;
	assert_ok(fetch_do(w->http, &r, &got, &e));
	a->status = got.status;
	a->text = TAKE(got.body);
	fetch_answer_release(&got);
	if (json_parse(&a->doc, path, a->text->data ? a->text->data : "", a->text->len, NULL, &e) < 0)
		a->doc = NULL;
	/* every refusal is a problem document that says its own status */
	if (a->status >= 400) {
		int64_t status;

		assert_non_null(a->doc);
		assert_non_null(json_get(a->doc->root, "type"));
		assert_non_null(json_get(a->doc->root, "detail"));
		assert_true(json_to_int(json_get(a->doc->root, "status"), &status) && status == a->status);
	}
}

static inline void get(struct world *w, struct answer *a, const char *path)
{
	call(w, a, "GET", path, FIXTURE_TOKEN, NULL, 0, NULL);
}

static inline void post(struct world *w, struct answer *a, const char *path, const char *bearer, const char *body)
{
	call(w, a, "POST", path, bearer, body, strlen(body), NULL);
}

static inline const char *text_of(const struct answer *a, const char *key)
{
	const struct json *v = a->doc ? json_get(a->doc->root, key) : NULL;

	if (!v || v->type != JSON_STRING)
		fail_msg("no text %s in: %s", key, a->text->data);
	return v->u.text;
}

#define assert_status(a, want)                                                             \
	do {                                                                               \
		if ((a)->status != (want))                                                 \
			fail_msg("status %ld instead of %d: %s", (a)->status, want, (a)->text->data); \
	} while (0)

/* ---- devices ---- */

struct device {
	char id[64], token[256];
	int seq, n;
};

static inline void enrol(struct world *w, struct device *d, const char *ring)
{
	struct answer a = { 0 };
	char body[256];

	snprintf(body, sizeof body, "{\"name\":\"test\",\"attributes\":{\"ring\":\"%s\"},\"uses\":1}", ring);
	post(w, &a, "/v1/enrolment-tokens", FIXTURE_TOKEN, body);
	assert_status(&a, 201);
	assert_int_equal(strncmp(text_of(&a, "enrolment"), "rh1:127.0.0.1:", 14), 0);
	snprintf(d->token, sizeof d->token, "%s", text_of(&a, "token"));
	post(w, &a, "/device/v1/enrol", d->token, "{\"format\":1,\"facts\":{}}");
	assert_status(&a, 201);
	/* it was good for one device */
	{
		struct answer again = { 0 };

		post(w, &again, "/device/v1/enrol", d->token, "{\"format\":1,\"facts\":{}}");
		assert_status(&again, 403);
		answer_release(&again);
	}
	snprintf(d->id, sizeof d->id, "%s", text_of(&a, "device"));
	snprintf(d->token, sizeof d->token, "%s", text_of(&a, "token"));
	answer_release(&a);
}

static inline void checkin(struct world *w, struct answer *a, struct device *d, int seq, const char *events, const char *wants)
{
	char body[4096];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"00000000000000aa\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
		 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,"
		 "\"drop\":null,\"high_water\":0,\"held\":null}],\"events\":[%s],\"want\":[%s]}", seq, events, wants);
	post(w, a, "/device/v1/checkin", d->token, body);
}

/* ---- publishing ---- */

static inline void upload(struct world *w, const struct fixture_bundle *b, long want)
{
	struct answer a = { 0 };
	char path[128], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->archive);
	snprintf(path, sizeof path, "/v1/uploads/%s", hex);
	call(w, &a, "PUT", path, FIXTURE_TOKEN, b->bundle->archive->data, b->bundle->archive->len, "application/octet-stream");
	assert_status(&a, (int)want);
	answer_release(&a);
}

/* `more`: members of the request beside those it needs. */
static inline void publish_with(struct world *w, struct answer *a, const struct fixture_bundle *b, const char *signer, const char *more)
{
	AUTO(buf) struct buf *role = fixture_role(w->f, b, signer), *body = buf_new(0);
	char digest[DIGEST_HEX_LEN + 1], archive[DIGEST_HEX_LEN + 1];

	digest_hex(digest, &b->bundle->digest);
	digest_hex(archive, &b->archive);
	buf_addf(body, "{\"channel\":\"edr\",\"serial\":%llu,\"digest\":\"%s\",\"archive\":\"%s\",%s\"role\":",
		 (unsigned long long)b->bundle->manifest->serial, digest, archive, more);
	buf_add(body, role->data, role->len);
	buf_addc(body, '}');
	call(w, a, "POST", "/v1/bundles", FIXTURE_TOKEN, body->data, body->len, NULL);
}

static inline void publish(struct world *w, struct answer *a, const struct fixture_bundle *b, const char *signer)
{
	publish_with(w, a, b, signer, "\"reason\":\"test\",");
}

/* The state of a ring of the newest rollout. */
static inline void wait_for_ring(struct world *w, const char *ring, const char *want)
{
	int64_t until = clock_work_ms() + LIMIT_MS;
	struct answer a = { 0 };
	char text[160];

	snprintf(text, sizeof text, "\"ring\":\"%s\",\"state\":\"%s\"", ring, want);
	do {
		get(w, &a, "/v1/rollouts");
		if (clock_work_ms() > until)
			fail_msg("no %s in %s", text, a.text->data);
	} while (!strstr(a.text->data, text) && poll(NULL, 0, 10) == 0);
	answer_release(&a);
}

#endif
