/*
 * tls_server: a real ringholdd over TLS, of the repository that the endpoint's
 * vendor publishes to. It shows a certificate of its own for localhost.
 */
#ifndef TESTS_AGENT_TLS_SERVER_H
#define TESTS_AGENT_TLS_SERVER_H

#include <sys/prctl.h>

#include "base/fetch.h"
#include "base/hash.h"
#include "base/json.h"
#include "endpoint.h"
#include "program.h"

#define TLS_SERVER_OPERATOR "rho_test-operator"

struct tls_server {
	pid_t pid;
	int port;
	char data[256], certificate[300];
};

static inline void tls_server_certificate(const struct tls_server *v)
{
	char line[1200];

	snprintf(line, sizeof line,
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost"
		 " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout %s/own.key -out %s 2>/dev/null",
		 v->data, v->certificate);
	assert_int_equal(system(line), 0);
}

static inline void tls_server_wait(struct tls_server *v)
{
	AUTO(buf) struct buf *text = NULL;
	char path[300];
	struct err e;

	snprintf(path, sizeof path, "%s/listening", v->data);
	while (!file_exists(path)) {
		if (waitpid(v->pid, NULL, WNOHANG) != 0)
			fail_msg("ringholdd ended at its start; see %s.log", v->data);
		poll(NULL, 0, 10);
	}
	assert_ok(file_read(&text, path, 100, &e));
	v->port = atoi(strrchr(text->data, ':') + 1);
}

static inline void tls_server_start(struct tls_server *v, const struct endpoint *p)
{
	char ini[300], text[1500], hex[DIGEST_HEX_LEN + 1];
	struct digest hash;
	struct err e;

	*v = (struct tls_server){ .pid = 0 };
	snprintf(v->data, sizeof v->data, "%s/server", p->dir);
	snprintf(v->certificate, sizeof v->certificate, "%s/own.crt", v->data);
	snprintf(ini, sizeof ini, "%s/keys", v->data);
	assert_ok(file_mkdirs(ini, 0700, &e));
	tls_server_certificate(v);
	hash_bytes(&hash, TLS_SERVER_OPERATOR, strlen(TLS_SERVER_OPERATOR));
	digest_hex(hex, &hash);
	snprintf(ini, sizeof ini, "%s/operator-tokens", v->data);
	snprintf(text, sizeof text, "%s admin tester\n", hex);
	assert_ok(file_replace(ini, text, strlen(text), 0600, &e));
	snprintf(ini, sizeof ini, "%s.ini", v->data);
	snprintf(text, sizeof text, "listen = 127.0.0.1:0\ndata = %s\nrepository = %s\ntls-certificate = %s\ntls-key = %s/own.key\n", v->data, p->repo,
		 v->certificate, v->data);
	assert_ok(file_replace(ini, text, strlen(text), 0644, &e));
	v->pid = fork();
	assert_true(v->pid >= 0);
	if (v->pid == 0) {
		char log[300];
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(log, sizeof log, "%s.log", v->data);
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(test_program("ringholdd"), "ringholdd", "--config", ini, (char *)NULL);
		_exit(127);
	}
	tls_server_wait(v);
}

static inline void tls_server_stop(struct tls_server *v)
{
	if (v->pid <= 0)
		return;
	kill(v->pid, SIGTERM);
	waitpid(v->pid, NULL, 0);
	v->pid = 0;
}

/* One request of the operator, answered by JSON. */
static inline struct json_doc *tls_server_ask(const struct tls_server *v, const char *method, const char *path, const char *body)
{
	AUTO(buf) struct buf *pin = NULL;
	AUTO(fetch) struct fetch *http = NULL;
	struct fetch_answer got = { 0 };
	struct json_doc *doc;
	char name[300], url[300];
	struct err e;

	snprintf(name, sizeof name, "%s/pin", v->data);
	snprintf(url, sizeof url, "https://127.0.0.1:%d%s", v->port, path);
	assert_ok(file_read(&pin, name, 200, &e));
	assert_ok(fetch_new(&http, &(const struct fetch_settings){ .agent = "test", .pin = pin->data }, &e));
	assert_ok(fetch_do(http,
			   &(const struct fetch_request){ .method = method, .url = url, .bearer = TLS_SERVER_OPERATOR, .body = body,
							  .body_len = body ? strlen(body) : 0, .max = 1 << 20 },
			   &got, &e));
	if (got.status >= 300)
		fail_msg("%s %s: %ld %s", method, path, got.status, got.body->data);
	assert_ok(json_parse(&doc, path, got.body->data, got.body->len, NULL, &e));
	fetch_answer_release(&got);
	return doc;
}

/* From its next round on the host is a device of this server's, whose key its string pins. */
static inline void tls_server_enrol(const struct tls_server *v, struct endpoint *p)
{
	AUTO(json) struct json_doc *d = tls_server_ask(v, "POST", "/v1/enrolment-tokens", "{\"name\":\"one\",\"uses\":1,\"attributes\":{\"ring\":\"canary\"}}");
	char *said;

	if (endpoint_command(p, &said, "enrol", json_get(d->root, "enrolment")->u.text, NULL) != 0)
		fail_msg("enrol: %s", said);
	free(said);
}

#endif
