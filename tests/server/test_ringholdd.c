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

static char *find_program(void)
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

static void read_line(const struct world *w, const char *name, char *out, size_t cap)
{
	AUTO_FREE char *path = fixture_path(w->f, name);
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, path, cap - 1, &e));
	snprintf(out, cap, "%s", text->data);
	out[strcspn(out, "\n")] = '\0';
}

static void start(struct world *w, bool tls)
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

static void end(struct world *w, int sig)
{
	int status;

	kill(w->pid, sig);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	if (sig == SIGTERM)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	w->pid = 0;
}

static void prepare(void **state, const char *more, bool tls)
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

static int setup(void **state)
{
	prepare(state, "", true);
	return 0;
}

static int setup_plain(void **state)
{
	prepare(state, "tls = no\nhead-timeout = 1s\nbody-timeout = 1s\nidle-timeout = 2s\nupload-max = 1M\nconnections = 8\n", false);
	return 0;
}

static int teardown(void **state)
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

static void answer_release(struct answer *a)
{
	json_free(a->doc);
	buf_free(a->text);
	*a = (struct answer){ 0 };
}

static void call(struct world *w, struct answer *a, const char *method, const char *path, const char *bearer, const void *body, size_t len,
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

static void get(struct world *w, struct answer *a, const char *path)
{
	call(w, a, "GET", path, FIXTURE_TOKEN, NULL, 0, NULL);
}

static void post(struct world *w, struct answer *a, const char *path, const char *bearer, const char *body)
{
	call(w, a, "POST", path, bearer, body, strlen(body), NULL);
}

static const char *text_of(const struct answer *a, const char *key)
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

static void enrol(struct world *w, struct device *d, const char *ring)
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

static void checkin(struct world *w, struct answer *a, struct device *d, int seq, const char *events, const char *wants)
{
	char body[4096];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"00000000000000aa\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},"
		 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,"
		 "\"drop\":null,\"high_water\":0,\"held\":null}],\"events\":[%s],\"want\":[%s]}", seq, events, wants);
	post(w, a, "/device/v1/checkin", d->token, body);
}

/* ---- publishing ---- */

static void upload(struct world *w, const struct fixture_bundle *b, long want)
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
static void publish_with(struct world *w, struct answer *a, const struct fixture_bundle *b, const char *signer, const char *more)
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

static void publish(struct world *w, struct answer *a, const struct fixture_bundle *b, const char *signer)
{
	publish_with(w, a, b, signer, "\"reason\":\"test\",");
}

/* The state of a ring of the newest rollout. */
static void wait_for_ring(struct world *w, const char *ring, const char *want)
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

/* ---- the sentences ---- */

static void only_the_pinned_key_is_the_server(void **state)
{
	struct world *w = *state;
	struct fetch_settings wrong = { .pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }, none = { .agent = "x" };
	struct fetch_answer got;
	struct fetch_request r = { .method = "GET", .max = 1000 };
	AUTO_FREE char *url = NULL, *key = NULL;
	AUTO(fetch) struct fetch *f = NULL;
	struct answer a = { 0 };
	char pin[80];
	struct stat st;
	struct err e;

	NEED_PROGRAM(w);
	get(w, &a, "/healthz");
	assert_status(&a, 200);
	answer_release(&a);
	assert_true(asprintf(&url, "%s/healthz", w->url) > 0);
	r.url = url;
	assert_ok(fetch_new(&f, &wrong, &e));
	assert_int_equal(fetch_do(f, &r, &got, &e), ERR_NET);
	fetch_free(TAKE(f));
	assert_ok(fetch_new(&f, &none, &e));
	assert_int_equal(fetch_do(f, &r, &got, &e), ERR_NET);
	key = fixture_path(w->f, "data/tls.key");
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* the pin stays over a restart */
	strcpy(pin, w->pin);
	end(w, SIGTERM);
	start(w, true);
	assert_string_equal(pin, w->pin);
}

static void devices_enrol_check_in_and_are_refused(void **state)
{
	struct world *w = *state;
	struct device d = { .seq = 0 };
	struct answer a = { 0 }, again = { 0 };
	char path[128], forged[256];

	NEED_PROGRAM(w);
	enrol(w, &d, "canary");
	checkin(w, &a, &d, 5, "", "");
	assert_status(&a, 200);
	checkin(w, &again, &d, 5, "", "");
	assert_status(&again, 200);
	assert_string_equal(a.text->data, again.text->data);
	checkin(w, &a, &d, 4, "", "");
	assert_status(&a, 409);
	assert_non_null(strstr(text_of(&a, "type"), "resync"));
	/* a poisoned event is named */
	checkin(w, &a, &d, 6, "{\"n\":3,\"at\":1,\"channel\":\"edr\",\"digest\":null,\"attempt\":1,\"kind\":\"no such kind\",\"reason\":null}", "");
	assert_status(&a, 400);
	assert_non_null(strstr(a.text->data, "\"poisoned\":{\"n\":3,\"index\":0}"));
	call(w, &a, "GET", "/device/v1/self", d.token, NULL, 0, NULL);
	assert_status(&a, 200);
	assert_string_equal(text_of(&a, "ring"), "canary");
	/* forged, foreign and revoked tokens */
	strcpy(forged, d.token);
	forged[10] = forged[10] == 'a' ? 'b' : 'a';
	post(w, &a, "/device/v1/checkin", forged, "{}");
	assert_status(&a, 401);
	post(w, &a, "/device/v1/checkin", FIXTURE_TOKEN, "{}");
	assert_status(&a, 401);
	call(w, &a, "GET", "/v1/devices", d.token, NULL, 0, NULL);
	assert_status(&a, 401);
	call(w, &a, "GET", "/v1/devices", NULL, NULL, 0, NULL);
	assert_status(&a, 401);
	snprintf(path, sizeof path, "/v1/devices/%s", d.id);
	call(w, &a, "DELETE", path, FIXTURE_TOKEN, NULL, 0, NULL);
	assert_status(&a, 200);
	checkin(w, &a, &d, 7, "", "");
	assert_status(&a, 403);
	post(w, &a, "/device/v1/enrol", "rhe_never", "{\"format\":1,\"facts\":{}}");
	assert_status(&a, 401);
	answer_release(&a);
	answer_release(&again);
}

static void a_bundle_is_published_offered_and_survives_kill_9(void **state)
{
	struct world *w = *state;
	struct fixture_bundle b, other;
	struct device d[3] = { { .seq = 0 } };
	struct answer a = { 0 };
	char want[256], event[512], hex[DIGEST_HEX_LEN + 1], path[200], archive[DIGEST_HEX_LEN + 1];

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(d); i++) {
		enrol(w, &d[i], "canary");
		checkin(w, &a, &d[i], ++d[i].seq, "", "");
		assert_status(&a, 200);
	}
	fixture_bundle(w->f, &b, 7, "one");
	digest_hex(hex, &b.bundle->digest);
	digest_hex(archive, &b.archive);
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 404);
	upload(w, &b, 201);
	upload(w, &b, 200);
	/* nobody else's signature, and none at all */
	publish(w, &a, &b, "nobody");
	assert_status(&a, 403);
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 201);
	wait_for_ring(w, "canary", "offering");
	end(w, SIGKILL);
	start(w, true);
	wait_for_ring(w, "canary", "offering");
	/* the vendor's file is there as it came, under its hash */
	snprintf(path, sizeof path, "/content/targets/bundles/edr/%s.7.tar.gz", archive);
	get(w, &a, path);
	assert_status(&a, 200);
	assert_int_equal(a.text->len, b.bundle->archive->len);
	assert_memory_equal(a.text->data, b.bundle->archive->data, a.text->len);
	/* permits: durable before the answer, the same after a kill */
	snprintf(want, sizeof want, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", hex);
	for (size_t i = 0; i < ARRAY_LEN(d); i++) {
		checkin(w, &a, &d[i], ++d[i].seq, "", want);
		assert_non_null(strstr(a.text->data, "\"answer\":\"go\""));
		end(w, SIGKILL);
		start(w, true);
	}
	get(w, &a, "/v1/rollouts/1");
	assert_non_null(strstr(a.text->data, "\"offers\":{\"total\":3"));
	for (size_t i = 0; i < 2; i++) {
		snprintf(event, sizeof event, "{\"n\":%d,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"failed\",\"reason\":\"health\"}",
			 ++d[i].n, hex);
		checkin(w, &a, &d[i], ++d[i].seq, event, "");
		assert_status(&a, 200);
		end(w, SIGKILL);
		start(w, true);
	}
	wait_for_ring(w, "canary", "rolled-back");
	get(w, &a, "/v1/rollouts/1");
	assert_non_null(strstr(a.text->data, "\"failed\":2"));
	/* one serial, one digest; an older serial is no news */
	fixture_bundle(w->f, &other, 7, "two");
	upload(w, &other, 201);
	publish(w, &a, &other, "content-edr");
	assert_status(&a, 409);
	fixture_bundle_release(&other);
	fixture_bundle(w->f, &other, 6, "three");
	upload(w, &other, 201);
	publish(w, &a, &other, "content-edr");
	assert_status(&a, 409);
	/* the same again is no mistake */
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 200);
	get(w, &a, "/v1/audit");
	assert_non_null(strstr(a.text->data, "\"action\":\"publish\""));
	fixture_bundle_release(&b);
	fixture_bundle_release(&other);
	answer_release(&a);
}

/* A check-in that says which contract it runs. */
static void checkin_with(struct world *w, struct device *d, const char *contract)
{
	struct answer a = { 0 };
	char body[1024];

	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"00000000000000aa\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"sensor\":\"s\",\"contract\":\"%s\"},"
		 "\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,"
		 "\"drop\":null,\"high_water\":0,\"held\":null}],\"events\":[],\"want\":[]}", ++d->seq, contract);
	post(w, &a, "/device/v1/checkin", d->token, body);
	assert_status(&a, 200);
	answer_release(&a);
}

static void bundle_that_requires(struct fixture *f, struct fixture_bundle *out)
{
	const struct bundle_options o = { .channel = FIXTURE_CHANNEL, .serial = 7, .created = 1700000000 };
	AUTO_FREE char *dir = fixture_path(f, "needy");
	struct err e;

	fixture_write(f, "needy/bundle.json", "{\"format\":1,\"types\":[{\"match\":\"*.txt\",\"type\":\"doc\"}],"
					      "\"requires\":[{\"type\":\"doc\",\"version\":\"1\"}]}");
	fixture_write(f, "needy/rules.txt", "text");
	assert_ok(bundle_build(&out->bundle, dir, &o, &e));
	hash_bytes(&out->archive, out->bundle->archive->data, out->bundle->archive->len);
}

static void a_bundle_goes_to_a_fleet_that_accepts_it_or_out_by_name(void **state)
{
	static const char *const contracts[] = {
		"{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"doc\":{\"versions\":[9]}}}",
		"{\"format\":1,\"sensor\":\"s\",\"version\":\"2\",\"accepts\":{\"doc\":{\"versions\":[1]}}}",
		"{\"format\":1,\"sensor\":\"waf\",\"version\":\"1\",\"accepts\":{\"waf\":{\"versions\":[1]}}}",
	};
	struct world *w = *state;
	struct fixture_bundle b;
	struct device d = { .seq = 0 }, old = { .seq = 0 };
	struct answer a = { 0 };
	char digests[3][DIGEST_HEX_LEN + 1];

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(contracts); i++) {
		post(w, &a, "/v1/contracts", FIXTURE_TOKEN, contracts[i]);
		assert_status(&a, 201);
		snprintf(digests[i], sizeof digests[i], "%s", text_of(&a, "digest"));
	}
	enrol(w, &d, "canary");
	checkin_with(w, &d, digests[1]);
	bundle_that_requires(w->f, &b);
	upload(w, &b, 201);
	/* asked about: an answer, and nothing else */
	publish_with(w, &a, &b, "content-edr", "\"dry_run\":true,");
	assert_status(&a, 200);
	assert_non_null(strstr(a.text->data, "\"version\":\"1\",\"answer\":\"refuse\",\"why\":\"manifest.json: requires doc 1:"));
	assert_non_null(strstr(a.text->data, "\"version\":\"2\",\"answer\":\"pass\",\"why\":null,\"devices\":1,\"rings\":{\"canary\":1}"));
	assert_non_null(strstr(a.text->data, "\"sensor\":\"waf\",\"version\":\"1\",\"answer\":\"not addressed\""));
	get(w, &a, "/v1/bundles");
	assert_string_equal(a.text->data, "{\"items\":[],\"next\":null}");
	/* a device of the old build appears */
	enrol(w, &old, "early");
	checkin_with(w, &old, digests[0]);
	publish(w, &a, &b, "content-edr");
	assert_status(&a, 422);
	assert_non_null(strstr(text_of(&a, "detail"), "s 1 refuses it (1 device in early)"));
	assert_non_null(strstr(a.text->data, "\"blocks\":true"));
	/* by name, with a reason, or not at all */
	publish_with(w, &a, &b, "content-edr", "\"allow_refused\":[\"s/1\"],");
	assert_status(&a, 400);
	publish_with(w, &a, &b, "content-edr", "\"reason\":\"x\",\"allow_refused\":[\"*\"],");
	assert_status(&a, 404);
	publish_with(w, &a, &b, "content-edr", "\"reason\":\"x\",\"allow_refused\":[\"s/2\"],");
	assert_status(&a, 422);
	publish_with(w, &a, &b, "content-edr", "\"reason\":\"the last two leave on Monday\",\"allow_refused\":[\"s/1\"],");
	assert_status(&a, 201);
	assert_non_null(strstr(a.text->data, "\"allowed\":true,\"blocks\":false"));
	get(w, &a, "/v1/audit");
	assert_non_null(strstr(a.text->data, "\"action\":\"publish-allow-refused\""));
	assert_non_null(strstr(a.text->data, "although refused by s/1: the last two leave on Monday"));
	fixture_bundle_release(&b);
	answer_release(&a);
}

static void an_archive_that_is_not_what_was_signed_is_refused(void **state)
{
	struct world *w = *state;
	struct fixture_bundle b, other;
	struct answer a = { 0 };

	NEED_PROGRAM(w);
	fixture_bundle(w->f, &b, 1, "one");
	fixture_bundle(w->f, &other, 2, "two");
	/* signed under serial 1, but the bytes are those of serial 2 */
	buf_clear(b.bundle->archive);
	buf_add(b.bundle->archive, other.bundle->archive->data, other.bundle->archive->len);
	b.archive = other.archive;
	upload(w, &b, 201);
	publish(w, &a, &b, "content-edr");
	assert_true(a.status == 422 || a.status == 400);
	assert_non_null(strstr(a.text->data, "archive"));
	get(w, &a, "/v1/bundles");
	assert_string_equal(a.text->data, "{\"items\":[],\"next\":null}");
	/* an upload that is not what its name says */
	b.archive.bytes[0] ^= 1;
	upload(w, &b, 422);
	fixture_bundle_release(&b);
	fixture_bundle_release(&other);
	answer_release(&a);
}

static void attributes_of_operators_move_a_device(void **state)
{
	struct world *w = *state;
	struct device d = { .seq = 0 };
	struct answer a = { 0 };
	char path[128];
	static const char body[] = "{\"attributes\":{\"ring\":\"early\",\"site\":\"hq\"}}", blank[] = "{\"attributes\":{\"ring\":\"a b\"}}";

	NEED_PROGRAM(w);
	enrol(w, &d, "canary");
	checkin(w, &a, &d, 1, "", "");
	assert_non_null(strstr(a.text->data, "\"refresh\":false"));
	snprintf(path, sizeof path, "/v1/devices/%s/attributes", d.id);
	call(w, &a, "PUT", path, FIXTURE_TOKEN, body, strlen(body), NULL);
	assert_status(&a, 200);
	assert_string_equal(text_of(&a, "ring"), "early");
	checkin(w, &a, &d, 2, "", "");
	assert_non_null(strstr(a.text->data, "\"refresh\":true"));
	call(w, &a, "GET", "/device/v1/self", d.token, NULL, 0, NULL);
	assert_non_null(strstr(a.text->data, "\"ring=early\",\"site=hq\""));
	checkin(w, &a, &d, 3, "", "");
	assert_non_null(strstr(a.text->data, "\"refresh\":false"));
	end(w, SIGKILL);
	start(w, true);
	get(w, &a, "/v1/devices?ring=early");
	assert_non_null(strstr(a.text->data, d.id));
	call(w, &a, "PUT", path, FIXTURE_TOKEN, blank, strlen(blank), NULL);
	assert_status(&a, 400);
	answer_release(&a);
}

/* ---- raw bytes ---- */

static int dial(const struct world *w)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_port = htons((uint16_t)atoi(strchr(w->address, ':') + 1));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return fd;
}

/* Sends, then reads until the server closes. */
static size_t exchange(const struct world *w, const char *bytes, size_t len, char *out, size_t cap)
{
	int fd = dial(w);
	size_t at = 0;
	ssize_t n = 0;

	for (size_t sent = 0; sent < len; sent += (size_t)n) {
		n = send(fd, bytes + sent, len - sent, MSG_NOSIGNAL);
		if (n <= 0)
			break;
	}
	while (at + 1 < cap && (n = recv(fd, out + at, cap - 1 - at, 0)) > 0)
		at += (size_t)n;
	assert_true(n <= 0 ? n == 0 || errno == ECONNRESET : true);
	out[at] = '\0';
	close(fd);
	return at;
}

static void what_is_no_request_gets_a_problem_and_the_door(void **state)
{
	static const struct { const char *text; int status; } bad[] = {
		{ "hello\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: h\r\n a\r\n\r\n", 400 },
		{ "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n", 404 },
		{ "DELETE /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 405 },
		{ "PATCH /healthz HTTP/1.1\r\nHost: h\r\n\r\n", 501 },
		{ "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
		{ "POST /v1/bundles HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n", 401 },
		{ "POST /v1/bundles HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n", 413 },
		{ "POST /v1/bundles HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n", 415 },
		{ "PUT /v1/uploads/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " FIXTURE_TOKEN "\r\nContent-Length: 2000000\r\n\r\n", 413 },
		{ "PUT /v1/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", 401 },
		{ "GET /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde", 413 },
		/* whoever says nothing more is closed in time, without an answer */
		{ "GET / HTTP/1.1\r\nHost: h\r\nX: ", 0 },
		{ "", 0 },
	};
	struct world *w = *state;
	static char out[65536];

	NEED_PROGRAM(w);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int status = 0;

		exchange(w, bad[i].text, strlen(bad[i].text), out, sizeof out);
		(void)!sscanf(out, "HTTP/1.1 %d", &status);
		if (status != bad[i].status || (status && !strstr(out, "application/problem+json")))
			fail_msg("status %d instead of %d for: %s\n%s", status, bad[i].status, bad[i].text, out);
	}
	/* a head without end */
	memset(out, 'a', 40000);
	memcpy(out, "GET / HTTP/1.1\r\nX: ", 19);
	{
		static char long_head[40000];

		memcpy(long_head, out, sizeof long_head);
		exchange(w, long_head, sizeof long_head, out, sizeof out);
	}
	assert_true(strncmp(out, "HTTP/1.1 431", 12) == 0 || out[0] == '\0');
	exchange(w, "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 53, out, sizeof out);
	assert_non_null(strstr(out, "200 OK"));
}

static void pipelined_and_mixed_requests_are_answered_in_order(void **state)
{
	struct world *w = *state;
	static char request[8192], out[1 << 20];
	char *file = NULL;
	int len;

	NEED_PROGRAM(w);
	/* a file, an upload, a file on one connection: nothing of one gets into the other */
	assert_true(asprintf(&file, "/content/metadata/timestamp.json") > 0);
	len = snprintf(request, sizeof request,
		       "GET %s HTTP/1.1\r\nHost: h\r\n\r\n"
		       "PUT /v1/uploads/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 HTTP/1.1\r\nHost: h\r\n"
		       "Authorization: Bearer " FIXTURE_TOKEN "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
		       "HEAD %s HTTP/1.1\r\nHost: h\r\n\r\n"
		       "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", file, file);
	exchange(w, request, (size_t)len, out, sizeof out);
	assert_non_null(strstr(out, "201 Created"));
	assert_true(strstr(out, "timestamp") < strstr(out, "201 Created"));
	assert_non_null(strstr(out, "{\"sha256\":\"2cf24dba"));
	assert_non_null(strstr(strstr(out, "201 Created"), "{\"status\":\"ok\"}"));
	assert_string_equal(out + strlen(out) - 15, "{\"status\":\"ok\"}");
	free(file);
}

static void files_come_whole_in_ranges_or_not_at_all(void **state)
{
	static const struct { const char *range; int status; const char *says; } ranges[] = {
		{ "bytes=0-3", 206, "Content-Range: bytes 0-3/" },
		{ "bytes=5-", 206, "Content-Range: bytes 5-" },
		{ "bytes=-4", 206, "Content-Length: 4\r\n" },
		{ "bytes=0-99999999", 206, "Content-Range: bytes 0-" },
		{ "bytes=99999999-", 416, "Content-Range: bytes */" },
		{ "bytes=-0", 416, "Content-Range: bytes */" },
		{ "bytes=3-1", 200, "" }, { "bytes=0-1,3-4", 200, "" }, { "lines=1-2", 200, "" }, { "bytes=x-", 200, "" },
		{ "bytes=99999999999999999999-", 200, "" },
	};
	static const char *const nothing[] = {
		"/content/metadata/../../operator-tokens", "/content/metadata/..", "/content/metadata/.", "/content/metadata/",
		"/content/metadata/%2e%2e", "/content/targets/../metadata/timestamp.json", "/content/targets/fleet", "/content/targets/fleet/",
		"/content/targets//fleet/map", "/content/targets/.hidden", "/content/targets/link", "/content/targets/dirlink/timestamp.json",
		"/content/metadata/99.root.json",
	};
	struct world *w = *state;
	static char request[1024], out[65536];
	AUTO_FREE char *link = NULL, *dirlink = NULL;

	NEED_PROGRAM(w);
	link = fixture_path(w->f, "data/repository/targets/link");
	dirlink = fixture_path(w->f, "data/repository/targets/dirlink");
	assert_int_equal(symlink("../metadata/timestamp.json", link), 0);
	assert_int_equal(symlink("../metadata", dirlink), 0);
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		int status = 0, len = snprintf(request, sizeof request,
			"GET /content/metadata/timestamp.json HTTP/1.1\r\nHost: h\r\nRange: %s\r\nConnection: close\r\n\r\n", ranges[i].range);

		exchange(w, request, (size_t)len, out, sizeof out);
		(void)!sscanf(out, "HTTP/1.1 %d", &status);
		if (status != ranges[i].status || !strstr(out, ranges[i].says))
			fail_msg("%s: %s", ranges[i].range, out);
		assert_null(strstr(out, "Content-Encoding"));
	}
	assert_non_null(strstr(out, "Cache-Control: no-cache\r\n"));
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		int status = 0, len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", nothing[i]);

		exchange(w, request, (size_t)len, out, sizeof out);
		(void)!sscanf(out, "HTTP/1.1 %d", &status);
		if (status != 404 || !strstr(out, "Cache-Control: no-store"))
			fail_msg("%s: %s", nothing[i], out);
	}
	exchange(w, "GET /content/metadata/1.root.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 75, out, sizeof out);
	assert_non_null(strstr(out, "immutable"));
}

static void silent_connections_make_room(void **state)
{
	struct world *w = *state;
	int64_t until;
	int fds[16];
	char out[4096];

	NEED_PROGRAM(w);
	/* twice as many as it takes: those beyond are closed, the others run out of time, and the server answers again */
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = dial(w);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		(void)!recv(fds[i], out, sizeof out, 0);
		close(fds[i]);
	}
	/* the last of them may still be counted for a moment */
	until = clock_work_ms() + LIMIT_MS;
	do {
		exchange(w, "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 53, out, sizeof out);
	} while (!strstr(out, "200 OK") && clock_work_ms() < until && poll(NULL, 0, 20) == 0);
	assert_non_null(strstr(out, "200 OK"));
	end(w, SIGTERM);
}

/* ---- configuration ---- */

static void check_config(struct world *w, const char *text, int status, const char *says)
{
	AUTO_FREE char *path = fixture_path(w->f, "check.ini");
	char *argv[] = { (char *)"ringholdd", (char *)"check-config", (char *)"--config", path, NULL };
	struct proc_run r = { .path = w->program, .argv = argv, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 4096 };
	struct proc_result got;
	struct err e;

	fixture_write(w->f, "check.ini", text);
	assert_ok(proc_run(&r, &got, &e));
	if (got.exit_status != status || !strstr(got.output->data ? got.output->data : "", says))
		fail_msg("status %d, \"%s\" for: %s", got.exit_status, got.output->data, text);
	proc_result_release(&got);
}

static void a_bad_configuration_is_named_with_its_line(void **state)
{
	struct world *w = *state;

	NEED_PROGRAM(w);
	check_config(w, "data = /var/lib/x\n", 0, "correct");
	check_config(w, "data = /var/lib/x\nlisten = 0.0.0.0:1\ntls = no\n", 2, "loopback");
	check_config(w, "data = /var/lib/x\nlisten = localhost:1\n", 2, "no IP address");
	check_config(w, "data = /var/lib/x\nlisten = 127.0.0.1:70000\n", 2, "listen");
	check_config(w, "data = /var/lib/x\ncolour = red\n", 2, "check.ini:2");
	check_config(w, "data = x\n", 2, "absolute");
	check_config(w, "listen = 127.0.0.1:1\n", 2, "data");
	check_config(w, "data = /x\ntls-key = /x\n", 2, "together");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_the_pinned_key_is_the_server, setup, teardown),
		cmocka_unit_test_setup_teardown(devices_enrol_check_in_and_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bundle_is_published_offered_and_survives_kill_9, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bundle_goes_to_a_fleet_that_accepts_it_or_out_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(an_archive_that_is_not_what_was_signed_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_of_operators_move_a_device, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_request_gets_a_problem_and_the_door, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(pipelined_and_mixed_requests_are_answered_in_order, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(files_come_whole_in_ranges_or_not_at_all, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(silent_connections_make_room, setup_plain, teardown),
		cmocka_unit_test_setup_teardown(a_bad_configuration_is_named_with_its_line, setup_plain, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
