/* route: which handler answers which address. */
#include "server/route.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/admit.h"
#include "server/handlers.h"
#include "server/idempotency.h"

struct request *request_new(struct server *s, const struct route *r)
{
	struct request *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	q->server = s;
	q->route = r;
	q->body_fd = -1;
	q->began_us = clock_work_us();
	reply_init(&q->reply);
	return q;
}

void request_free(struct request *q)
{
	if (!q)
		return;
	http_request_free(q->http);
	buf_free(q->body);
	if (q->body_fd >= 0)
		close(q->body_fd);
	if (q->body_path)
		unlink(q->body_path);
	free(q->body_path);
	hash_free(q->body_hash);
	free(q->identity);
	reply_release(&q->reply);
	free(q);
}

/* Whether something is to be changed at all is no question to be misread. */
static bool check_dry_run(struct request *q)
{
	char text[8];
	bool given = strstr(q->http->query, "dry_run") != NULL;

	if (!given)
		return true;
	if (!(q->route->flags & ROUTE_DRY))
		reply_problem(&q->reply, PROBLEM_MALFORMED, "this cannot be tried without doing it: dry_run is not known here");
	else if (!http_query(q->http, "dry_run", text, sizeof text) || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
		reply_problem(&q->reply, PROBLEM_MALFORMED, "dry_run is true or false");
	else
		return true;
	return false;
}

/* Why somebody changes something: "reason" in the query, where the body has no place for it. */
static bool take_why(struct request *q)
{
	bool given = strstr(q->http->query, "reason=") != NULL;

	if (q->http->method == HTTP_METHOD_GET || q->http->method == HTTP_METHOD_HEAD || !given)
		return true;
	if (http_query(q->http, "reason", q->why, sizeof q->why))
		return true;
	reply_problem(&q->reply, PROBLEM_MALFORMED, "reason: at most %d printable ASCII characters", ROUTE_WHY_MAX - 2);
	return false;
}

static bool of_devices(const struct route *r)
{
	return r->may == MAY_DEVICE || r->may == MAY_ENROL;
}

void request_run(struct request *q)
{
	struct idempotency key;

	if (!check_dry_run(q) || !take_why(q) || (of_devices(q->route) && !device_certificate(q)) || (q->route->may == MAY_DEVICE && !device_current(q)) || !idempotency_begin(q, &key))
		return;
	q->route->run(q);
	if (q->route->scope == SCOPE_ASKS && !q->scope_asked && q->reply.status < 400) {
		log_error("%s %s was answered without asking whose channel it is", http_method_name(q->http->method), q->route->pattern);
		reply_problem(&q->reply, PROBLEM_INTERNAL, "the answer is held back: it is not known whether the token holds for its channel");
	}
	if (q->route->may == MAY_ENROL && (q->reply.status == 401 || q->reply.status == 403))
		admission_bad_enrolment(q);
	idempotency_end(q, &key);
}

/* Compares one pattern; parameters are cut out of text, which holds a copy of the path. */
static bool match(const char *pattern, char *text, const char *params[ROUTE_PARAMS])
{
	char *at = text + 1;
	size_t count = 0;

	for (const char *p = pattern + 1;; ) {
		size_t want = strcspn(p, "/"), got = strcspn(at, "/");
		bool named = p[0] == '{', rest = named && p[want - 2] == '*';
		char *next = at + got;

		if (rest) {
			if (!*at || count == ROUTE_PARAMS)
				return false;
			params[count] = at;
			return true;
		}
		if (named ? got == 0 || count == ROUTE_PARAMS : want != got || strncmp(p, at, got) != 0)
			return false;
		if ((p[want] == '/') != (*next == '/'))
			return false;
		if (named)
			params[count++] = at;
		if (!p[want])
			break;
		p += want + 1;
		at = next + 1;
	}
	return true;
}

/* Ends each parameter at its slash, once it is known that the pattern matches. */
static void cut(const char *pattern, char *text)
{
	char *at = text + 1;

	for (const char *p = pattern + 1;; ) {
		size_t want = strcspn(p, "/"), got = strcspn(at, "/");

		if ((p[0] == '{' && p[want - 2] == '*') || !p[want])
			return;
		at[got] = '\0';
		p += want + 1;
		at += got + 1;
	}
}

enum route_found route_find(const struct route **out, const struct route *table, size_t count, enum http_method method,
			    const char *path, const char *params[ROUTE_PARAMS], char *text)
{
	enum route_found found = ROUTE_NO_PATH;
	enum http_method want = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;

	if (path[0] != '/' || strlen(path) > HTTP_TARGET_MAX)
		return ROUTE_NO_PATH;
	memcpy(text, path, strlen(path) + 1);
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < ROUTE_PARAMS; k++)
			params[k] = NULL;
		if (!match(table[i].pattern, text, params))
			continue;
		if (table[i].method != want) {
			found = ROUTE_NO_METHOD;
			continue;
		}
		cut(table[i].pattern, text);
		*out = &table[i];
		return ROUTE_FOUND;
	}
	return found;
}
