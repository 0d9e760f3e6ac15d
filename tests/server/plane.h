/* plane: a real ringholdd over TLS, and requests to its operator plane as a program makes them. */
#ifndef TESTS_SERVER_PLANE_H
#define TESTS_SERVER_PLANE_H

#include "base/fetch.h"
#include "office.h"

struct plane {
	struct office *o;
	struct fetch *http;
	char url[128];
};

static inline void plane_connect(struct plane *p)
{
	AUTO_FREE char *pin_path = fixture_path(p->o->f, "data/pin"), *listening = fixture_path(p->o->f, "data/listening");
	AUTO(buf) struct buf *pin = NULL, *where = NULL;
	struct err e;

	assert_ok(file_read(&pin, pin_path, 200, &e));
	assert_ok(file_read(&where, listening, 100, &e));
	snprintf(p->url, sizeof p->url, "https://%.*s", (int)strcspn(where->data, "\n"), where->data);
	fetch_free(p->http);
	assert_ok(fetch_new(&p->http, &(const struct fetch_settings){ .agent = "test", .pin = pin->data }, &e));
}

/* Settings of one that answers as fast as it is asked. */
#define EAGER "token-rate = 100000\ntoken-burst = 100000\naddress-rate = 100000\naddress-burst = 100000\n"

/* NULL office pid: the programs are not built. */
static inline struct plane *plane_open(const char *more)
{
	struct plane *p = calloc(1, sizeof *p);

	p->o = office_open(more);
	if (p->o->pid)
		plane_connect(p);
	return p;
}

static inline void plane_close(struct plane *p)
{
	fetch_free(p->http);
	office_close(p->o);
	free(p);
}

/* Ends the server with this signal and starts it again. */
static inline void plane_restart(struct plane *p, int sig)
{
	AUTO_FREE char *listening = fixture_path(p->o->f, "data/listening");
	int status;

	kill(p->o->pid, sig);
	assert_int_equal(waitpid(p->o->pid, &status, 0), p->o->pid);
	unlink(listening);
	office_start(p->o);
	plane_connect(p);
}

struct answer {
	long status;
	int64_t retry_after;
	char etag[128], type[64];
	struct buf *text;
	struct json_doc *doc;           /* NULL: no JSON */
};

static inline void answer_release(struct answer *a)
{
	json_free(a->doc);
	buf_free(a->text);
	*a = (struct answer){ 0 };
}
#define AUTO_REPLY __attribute__((cleanup(answer_release))) struct answer

/* header: one "Name: value" or NULL; body NULL: none. */
static inline struct answer ask_with(struct plane *p, const char *token, const char *method, const char *path, const char *body, const char *header)
{
	const char *const headers[] = { header, NULL };
	AUTO_FREE char *url = NULL;
	struct fetch_answer got = { 0 };
	struct answer a = { 0 };
	struct err e;

	assert_true(asprintf(&url, "%s%s", p->url, path) > 0);
	assert_ok(fetch_do(p->http,
			   &(const struct fetch_request){ .method = method, .url = url, .bearer = token, .headers = header ? headers : NULL, .body = body,
							  .body_len = body ? strlen(body) : 0, .max = 16 << 20 },
			   &got, &e));
	a.status = got.status;
	a.retry_after = got.retry_after;
	snprintf(a.etag, sizeof a.etag, "%s", got.etag);
	snprintf(a.type, sizeof a.type, "%s", got.type);
	a.text = got.body;
	got.body = NULL;
	fetch_answer_release(&got);
	if (a.text->len && json_parse(&a.doc, path, a.text->data, a.text->len, NULL, &e) < 0)
		a.doc = NULL;
	return a;
}

static inline struct answer ask(struct plane *p, const char *token, const char *method, const char *path, const char *body)
{
	return ask_with(p, token, method, path, body, NULL);
}

/* The text of a member; "" when there is none. */
static inline const char *member(const struct answer *a, const char *key)
{
	const struct json *v = a->doc ? json_get(a->doc->root, key) : NULL;

	return v && (v->type == JSON_STRING || v->type == JSON_NUMBER) ? v->u.text : "";
}

static inline void expect_problem(const struct answer *a, long status, const char *slug)
{
	char type[100];

	snprintf(type, sizeof type, "urn:ringhold:problem:%s", slug);
	if (a->status != status || strcmp(member(a, "type"), type) != 0)
		fail_msg("expected %ld %s, got %ld %s", status, slug, a->status, a->text && a->text->data ? a->text->data : "");
}

/* A token with these roles and, unless NULL, for one channel; freed by the caller. */
static inline char *new_token(struct plane *p, const char *name, const char *roles, const char *channel)
{
	char body[400];
	AUTO_REPLY a = { 0 };

	snprintf(body, sizeof body, "{\"name\":\"%s\",\"roles\":[\"%s\"]%s%s%s}", name, roles, channel ? ",\"channels\":[\"" : "",
		 channel ? channel : "", channel ? "\"]" : "");
	a = ask(p, FIXTURE_TOKEN, "POST", "/v1/tokens", body);
	if (a.status != 201)
		fail_msg("token %s: %s", name, a.text->data);
	return strdup(member(&a, "token"));
}

#endif
