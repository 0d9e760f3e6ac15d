/*
 * test_client_cert: devices that show a certificate besides their token: in
 * TLS, through a real proxy that ends TLS, and whatever else is tried.
 */
#include "plane.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "pki.h"
#include "proxy.h"
#include "server/client_cert.h"

struct pki {
	struct plane *plane;
	char dir[256];
	struct proxy proxy;
};

static void make_client(const char *dir, const char *ca, const char *name, const char *usage)
{
	shell_must("echo extendedKeyUsage=%s > %s/%s.ext", usage, dir, name);
	pki_certificate(dir, ca, name, strncmp(name, "anna", 4) ? name : "anna");
}

static struct pki *make(void)
{
	struct pki *x = calloc(1, sizeof *x);

	snprintf(x->dir, sizeof x->dir, "/tmp/ringhold-pki-XXXXXX");
	assert_non_null(mkdtemp(x->dir));
	if (!test_other_program("openssl"))
		return x;
	pki_authority(x->dir, "ours");
	pki_authority(x->dir, "theirs");
	make_client(x->dir, "ours", "anna", "clientAuth");
	make_client(x->dir, "ours", "anna-renewed", "clientAuth");
	make_client(x->dir, "ours", "ben", "clientAuth");
	make_client(x->dir, "ours", "server", "serverAuth");
	make_client(x->dir, "theirs", "eve", "clientAuth");
	return x;
}

static int setup(void **state)
{
	struct pki *x = make();
	char more[500];

	*state = x;
	if (!test_other_program("openssl"))
		return 0;
	snprintf(more, sizeof more, "client-ca = %s/ours.crt\ntrusted-proxy = 192.0.2.1\n", x->dir);
	x->plane = plane_open(more);
	return 0;
}

/* Nobody has to show a certificate yet. */
static int setup_before(void **state)
{
	struct pki *x = make();

	*state = x;
	if (test_other_program("openssl"))
		x->plane = plane_open("");
	return 0;
}

/* Plain HTTP on this machine, for a proxy on this machine. */
static int setup_proxied(void **state)
{
	struct pki *x = make();
	char more[500];

	*state = x;
	if (!test_other_program("openssl"))
		return 0;
	snprintf(more, sizeof more, "tls = no\nclient-ca = %s/ours.crt\ntrusted-proxy = 127.0.0.0/8\n", x->dir);
	x->plane = calloc(1, sizeof *x->plane);
	x->plane->o = office_open(more);
	return 0;
}

static int teardown(void **state)
{
	struct pki *x = *state;
	struct err e;

	proxy_stop(&x->proxy);
	if (x->plane)
		plane_close(x->plane);
	assert_ok(file_remove_tree(x->dir, &e));
	free(x);
	return 0;
}

#define PLACE(x)                                        \
	struct pki *x = *state;                         \
	if (!(x)->plane)                                \
		skip_missing_program("openssl");        \
	NEED((x)->plane->o)

/* ---- requests ---- */

static char *read_text(const struct pki *x, const char *name)
{
	char path[400];
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	snprintf(path, sizeof path, "%s/%s", x->dir, name);
	assert_ok(file_read(&text, path, 65536, &e));
	return strdup(text->data);
}

/* From here on with this certificate; NULL: with none. Against the pin, or the proxy's authority. */
static void come_as(struct pki *x, const char *name)
{
	AUTO_FREE char *pin_path = fixture_path(x->plane->o->f, "data/pin"), *pem = NULL, *ca = NULL;
	AUTO(buf) struct buf *pin = NULL;
	char file[80];
	struct err e;

	if (name) {
		snprintf(file, sizeof file, "%s.pem", name);
		pem = read_text(x, file);
	}
	assert_true(asprintf(&ca, "%s/ours.crt", x->dir) > 0);
	if (!x->proxy.pid)
		assert_ok(file_read(&pin, pin_path, 200, &e));
	fetch_free(x->plane->http);
	assert_ok(fetch_new(&x->plane->http,
			    &(const struct fetch_settings){ .agent = "test", .pin = pin ? pin->data : NULL, .ca_file = x->proxy.pid ? ca : NULL, .client = pem,
							    .client_len = pem ? strlen(pem) : 0 },
			    &e));
}

static void enrolment(struct pki *x, char out[80])
{
	AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");

	assert_int_equal(a.status, 201);
	snprintf(out, 80, "%s", member(&a, "token"));
}

static struct answer enrol(struct pki *x, const char *token, const char *header)
{
	return ask_with(x->plane, token, "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{\"os\":\"debian-12\"}}", header);
}

static struct answer look(struct pki *x, const char *token, const char *header)
{
	return ask_with(x->plane, token, "GET", "/device/v1/self", NULL, header);
}

#define REFUSED(call)                                         \
	do {                                                  \
		AUTO_REPLY a_ = call;                         \
		expect_problem(&a_, 403, "client-certificate"); \
	} while (0)
#define TAKEN(call)                                           \
	do {                                                  \
		AUTO_REPLY a_ = call;                         \
		if (a_.status >= 300)                         \
			fail_msg("%ld %s", a_.status, a_.text->data); \
	} while (0)

/* "Client-Cert: :BASE64:" of a certificate. */
static char *header_of(const struct pki *x, const char *name)
{
	char file[80];
	AUTO_FREE char *b64 = NULL, *out = NULL;

	shell_must("openssl x509 -in %s/%s.crt -outform DER | base64 -w0 > %s/%s.b64", x->dir, name, x->dir, name);
	snprintf(file, sizeof file, "%s.b64", name);
	b64 = read_text(x, file);
	assert_true(asprintf(&out, "Client-Cert: :%s:", b64) > 0);
	return TAKE(out);
}

/* ---- in TLS ---- */

static void a_device_is_bound_to_the_certificate_that_it_enrolled_with(void **state)
{
	PLACE(x);
	char word[80], token[200];

	enrolment(x, word);
	REFUSED(enrol(x, word, NULL));
	come_as(x, "anna");
	{
		AUTO_REPLY a = enrol(x, word, NULL);

		assert_int_equal(a.status, 201);
		snprintf(token, sizeof token, "%s", member(&a, "token"));
	}
	TAKEN(look(x, token, NULL));
	come_as(x, "ben");
	REFUSED(look(x, token, NULL));
	come_as(x, NULL);
	REFUSED(look(x, token, NULL));
	/* the same name with another key, as authorities renew them */
	come_as(x, "anna-renewed");
	TAKEN(look(x, token, NULL));
	AUTO_REPLY seen = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/devices", NULL);
	assert_non_null(strstr(seen.text->data, "CN=anna,O=works"));
}

static void now_certificates_are_asked_for(struct pki *x)
{
	AUTO_FREE char *ini = fixture_path(x->plane->o->f, "ringholdd.ini");
	FILE *f = fopen(ini, "a");

	assert_non_null(f);
	assert_true(fprintf(f, "client-ca = %s/ours.crt\n", x->dir) > 0);
	assert_int_equal(fclose(f), 0);
	plane_restart(x->plane, SIGTERM);
}

static void whom_the_store_does_not_take_a_first_certificate_of_is_not_bound(void **state)
{
	PLACE(x);
	struct rlimit was, none;
	char word[80], token[200];

	enrolment(x, word);
	{
		AUTO_REPLY a = enrol(x, word, NULL);

		assert_int_equal(a.status, 201);
		snprintf(token, sizeof token, "%s", member(&a, "token"));
	}
	now_certificates_are_asked_for(x);
	come_as(x, "ben");
	assert_int_equal(prlimit(x->plane->o->pid, RLIMIT_FSIZE, NULL, &was), 0);
	none = (struct rlimit){ 0, was.rlim_max };
	assert_int_equal(prlimit(x->plane->o->pid, RLIMIT_FSIZE, &none, NULL), 0);
	{
		AUTO_REPLY a = look(x, token, NULL);

		expect_problem(&a, 503, "store-failed");
	}
	assert_int_equal(prlimit(x->plane->o->pid, RLIMIT_FSIZE, &was, NULL), 0);
	come_as(x, "anna");
	TAKEN(look(x, token, NULL));
	come_as(x, "ben");
	REFUSED(look(x, token, NULL));
}

static void a_certificate_of_another_authority_or_for_servers_ends_the_handshake(void **state)
{
	static const char *const bad[] = { "eve", "server" };
	PLACE(x);
	char url[200];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct fetch_answer got = { 0 };
		struct err e;

		come_as(x, bad[i]);
		snprintf(url, sizeof url, "%s/healthz", x->plane->url);
		assert_true(fetch_do(x->plane->http, &(const struct fetch_request){ .method = "GET", .url = url, .max = 4096 }, &got, &e) < 0);
		fetch_answer_release(&got);
	}
}

static void a_header_from_an_address_that_is_no_proxy_is_nothing(void **state)
{
	PLACE(x);
	AUTO_FREE char *header = header_of(x, "anna");
	char word[80];

	enrolment(x, word);
	REFUSED(enrol(x, word, header));
	/* and does not stand for the certificate that is there */
	come_as(x, "ben");
	{
		AUTO_REPLY a = enrol(x, word, header);

		assert_int_equal(a.status, 201);
	}
	AUTO_REPLY seen = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/devices", NULL);
	assert_null(strstr(seen.text->data, "CN=anna"));
	assert_non_null(strstr(seen.text->data, "CN=ben"));
}

/* ---- a real host ---- */

/* Runs the agent; what it said, for the caller to free. */
static char *agent(const struct pki *x, int status, const char *const *words)
{
	const char *argv[8] = { "ringhold-agent" };
	char *env[] = { (char *)"PATH=/usr/bin:/bin", NULL }, root[300], *said;
	struct proc_run run = { .path = test_program("ringhold-agent"), .argv = (char *const *)argv, .env = env, .stdin_fd = -1, .timeout_ms = LIMIT_MS,
				.output_max = 1 << 20 };
	struct proc_result r;
	struct err e;
	size_t n = 1;

	snprintf(root, sizeof root, "%s/host", x->dir);
	while (*words)
		argv[n++] = *words++;
	argv[n++] = "--root";
	argv[n] = root;
	assert_ok(proc_run(&run, &r, &e));
	said = strdup(r.output->data ? r.output->data : "");
	if (r.exit_status != status)
		fail_msg("exit status %d: %s", r.exit_status, said);
	proc_result_release(&r);
	return said;
}

#define AGENT(x, status, ...) agent(x, status, (const char *const[]){ __VA_ARGS__, NULL })

static void enrol_host(const struct pki *x)
{
	AUTO_FREE char *root = fixture_path(x->plane->o->f, "data/repository/metadata/1.root.json");
	AUTO_FREE char *said = NULL;

	shell_must("cd %s && mkdir -p host/etc/ringhold/trust && cp %s host/etc/ringhold/trust/content.root.json && cp anna.crt host/etc/ringhold/device.crt &&"
		   " install -m 600 anna.key host/etc/ringhold/device.key && printf '[agent]\ncontract =\nclient-certificate = /etc/ringhold/device.crt\n"
		   "client-key = /etc/ringhold/device.key\npoll-max = 1s\n[channel edr]\n' > host/etc/ringhold/agent.ini",
		   x->dir, root);
	AUTO_REPLY a = ask(x->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"lab\"}");
	said = AGENT(x, 0, "enrol", member(&a, "enrolment"));
}

static void a_host_shows_its_certificate_and_a_key_that_others_may_read_is_not_used(void **state)
{
	PLACE(x);
	AUTO_FREE char *good = NULL, *bad = NULL, *kept = NULL;

	enrol_host(x);
	good = AGENT(x, 0, "run", "--once");
	{
		AUTO_REPLY seen = ask(x->plane, FIXTURE_TOKEN, "GET", "/v1/devices", NULL);

		if (!strstr(seen.text->data, "CN=anna,O=works"))
			fail_msg("%s: %s", seen.text->data, good);
	}
	shell_must("chmod 644 %s/host/etc/ringhold/device.key", x->dir);
	bad = AGENT(x, 0, "run", "--once");
	assert_non_null(strstr(bad, "shows its server no certificate"));
	/* it stays who it is, for the day on which the key is put right */
	kept = read_text(x, "host/var/lib/ringhold/device.json");
	assert_non_null(strstr(kept, "rhd1."));
}

/* A host whose agent runs on, and for which a minute passes whenever somebody looks. */
struct agent_daemon {
	const struct pki *x;
	pid_t pid;
	int64_t *clock_ms;
};

static void daemon_start(struct agent_daemon *d, const struct pki *x)
{
	char root[300], clock[400], log[400];
	int fd;

	d->x = x;
	snprintf(root, sizeof root, "%s/host", x->dir);
	snprintf(clock, sizeof clock, "RINGHOLD_TEST_CLOCK=%s/clock", x->dir);
	snprintf(log, sizeof log, "%s/host.log", x->dir);
	fd = open(clock + strlen("RINGHOLD_TEST_CLOCK="), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && ftruncate(fd, sizeof *d->clock_ms) == 0);
	d->clock_ms = mmap(NULL, sizeof *d->clock_ms, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(d->clock_ms != MAP_FAILED);
	close(fd);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0) {
		char *env[] = { (char *)"PATH=/usr/bin:/bin", clock, NULL };
		int out = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out, STDOUT_FILENO);
		dup2(out, STDERR_FILENO);
		execle(test_program("ringhold-agent"), "ringhold-agent", "run", "--root", root, (char *)NULL, env);
		_exit(127);
	}
}

static void daemon_end(struct agent_daemon *d)
{
	int status = -1;

	kill(d->pid, SIGTERM);
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	munmap(d->clock_ms, sizeof *d->clock_ms);
	assert_int_equal(status, 0);
}

/* Its status says, or no longer says, that the server does not want this certificate. */
static void until_refused(struct agent_daemon *d, bool refused)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_FREE char *status = AGENT(d->x, 0, "status");

		if (!strstr(status, "another client certificate") == !refused)
			return;
		if (clock_work_ms() > until) {
			AUTO_FREE char *log = read_text(d->x, "host.log");

			fail_msg("%s: %s\n%s", refused ? "not refused" : "still refused", status, log);
		}
		*d->clock_ms += 60 * 1000;
		poll(NULL, 0, 100);
	}
}

/* As a tool that renews certificates does it: the key first, and each file in one step. */
static void renew(const struct pki *x, const char *name)
{
	shell_must("cd %s/host/etc/ringhold && install -m 600 ../../../%s.key new.key && mv new.key device.key && cp ../../../%s.crt new.crt && mv new.crt device.crt",
		   x->dir, name, name);
}

static void a_host_that_runs_shows_the_certificate_that_lies_there_now(void **state)
{
	PLACE(x);
	AUTO_FREE char *first = NULL;
	struct agent_daemon d;

	enrol_host(x);
	first = AGENT(x, 0, "run", "--once");   /* as anna, to whom it is bound from here on */
	daemon_start(&d, x);
	until_refused(&d, false);
	renew(x, "ben");                        /* somebody else's: which only one who reads it anew shows */
	until_refused(&d, true);
	renew(x, "anna-renewed");
	until_refused(&d, false);
	daemon_end(&d);
}

/* ---- behind a proxy ---- */

static void start_proxy(struct pki *x)
{
	char more[700];

	make_client(x->dir, "ours", "localhost", "serverAuth");
	snprintf(more, sizeof more, " ssl crt %s/localhost.pem ca-file %s/ours.crt verify optional", x->dir, x->dir);
	proxy_start(&x->proxy, x->plane->o, more,
		    "  http-request del-header Client-Cert\n"
		    "  http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }\n");
	snprintf(x->plane->url, sizeof x->plane->url, "https://localhost:%d", ntohs(x->proxy.at.sin_port));
}

static void a_proxy_that_ends_tls_hands_the_certificate_on(void **state)
{
	PLACE(x);
	AUTO_FREE char *forged = NULL;
	char word[80], token[200];

	NEED_PROXY();
	start_proxy(x);
	come_as(x, "anna");
	enrolment(x, word);
	{
		AUTO_REPLY a = enrol(x, word, NULL);

		if (a.status != 201)
			fail_msg("%s", a.text->data);
		snprintf(token, sizeof token, "%s", member(&a, "token"));
	}
	TAKEN(look(x, token, NULL));
	/* what a client writes into the header itself does not come through */
	forged = header_of(x, "anna");
	come_as(x, "ben");
	REFUSED(look(x, token, NULL));
	REFUSED(look(x, token, forged));
	come_as(x, NULL);
	REFUSED(look(x, token, forged));
}

/* As from a proxy, word by word. */
static void the_proxys_header_is_read_strictly_and_verified_once_more(void **state)
{
	PLACE(x);
	AUTO_FREE char *listening = fixture_path(x->plane->o->f, "data/listening"), *good = header_of(x, "anna"), *eve = header_of(x, "eve");
	AUTO_FREE char *server = header_of(x, "server"), *cut = strdup(good), *long_one = NULL, *none = strdup("Client-Cert: ::");
	AUTO(buf) struct buf *where = NULL;
	char word[80];
	struct err e;

	assert_ok(file_read(&where, listening, 100, &e));
	snprintf(x->plane->url, sizeof x->plane->url, "http://%.*s", (int)strcspn(where->data, "\n"), where->data);
	assert_ok(fetch_new(&x->plane->http, &(const struct fetch_settings){ .agent = "test" }, &e));
	enrolment(x, word);
	REFUSED(enrol(x, word, NULL));
	REFUSED(enrol(x, word, eve));
	REFUSED(enrol(x, word, server));
	REFUSED(enrol(x, word, none));
	strcpy(cut + strlen(cut) - 5, ":");
	REFUSED(enrol(x, word, cut));
	assert_true(asprintf(&long_one, "%.*sAAAA:", (int)strlen(good) - 1, good) > 0);
	REFUSED(enrol(x, word, long_one));
	{
		/* twice: a proxy that adds what it should replace */
		const char *const headers[] = { good, eve, NULL };
		struct fetch_answer got = { 0 };
		char url[200];

		snprintf(url, sizeof url, "%s/device/v1/enrol", x->plane->url);
		assert_ok(fetch_do(x->plane->http,
				   &(const struct fetch_request){ .method = "POST", .url = url, .bearer = word, .headers = headers,
								  .body = "{\"format\":1,\"facts\":{}}", .body_len = 23, .max = 65536 },
				   &got, &e));
		assert_int_equal(got.status, 403);
		fetch_answer_release(&got);
	}
	TAKEN(enrol(x, word, good));
	/* nginx's form of the same */
	shell_must("printf 'Client-Cert: ' > %s/esc && sed 's/+/%%2B/g; s/ /%%20/g; s/=/%%3D/g' %s/anna.crt | awk '{printf \"%%s%%%%0A\", $0}' >> %s/esc", x->dir, x->dir,
		   x->dir);
	AUTO_FREE char *escaped = read_text(x, "esc");
	TAKEN(enrol(x, word, escaped));
}

static void addresses_of_proxies_are_addresses_and_networks(void **state)
{
	static char *const nets[] = { (char *)"192.0.2.1", (char *)"10.0.0.0/9", (char *)"2001:db8::/33", NULL };
	static const struct { const char *address; bool in; } table[] = {
		{ "192.0.2.1", true }, { "192.0.2.2", false }, { "10.127.255.255", true }, { "10.128.0.0", false }, { "::ffff:10.0.0.1", true },
		{ "2001:db8:7fff::1", true }, { "2001:db8:8000::1", false }, { "", false }, { "nonsense", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (client_proxy_holds(nets, table[i].address) != table[i].in)
			fail_msg("%s", table[i].address);
	assert_false(client_proxy_valid("10.0.0.0/33"));
	assert_false(client_proxy_valid("10.0.0/8"));
	assert_false(client_proxy_valid("localhost"));
	assert_true(client_proxy_valid("::1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_device_is_bound_to_the_certificate_that_it_enrolled_with, setup, teardown),
		cmocka_unit_test_setup_teardown(whom_the_store_does_not_take_a_first_certificate_of_is_not_bound, setup_before, teardown),
		cmocka_unit_test_setup_teardown(a_certificate_of_another_authority_or_for_servers_ends_the_handshake, setup, teardown),
		cmocka_unit_test_setup_teardown(a_header_from_an_address_that_is_no_proxy_is_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_host_shows_its_certificate_and_a_key_that_others_may_read_is_not_used, setup, teardown),
		cmocka_unit_test_setup_teardown(a_host_that_runs_shows_the_certificate_that_lies_there_now, setup, teardown),
		cmocka_unit_test_setup_teardown(a_proxy_that_ends_tls_hands_the_certificate_on, setup_proxied, teardown),
		cmocka_unit_test_setup_teardown(the_proxys_header_is_read_strictly_and_verified_once_more, setup_proxied, teardown),
		cmocka_unit_test(addresses_of_proxies_are_addresses_and_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
