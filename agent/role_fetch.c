/*
 * role_fetch: the only process with a network. It composes every URL from the
 * configuration, so that whoever asks can choose a path and nothing more, and
 * hands over bytes without looking at them.
 */
#include "agent/role.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/message.h"
#include "base/fetch.h"
#include "base/file.h"
#include "base/log.h"

#define CALL_ANSWER_MAX ((size_t)1 << 20)
#define URL_MAX 2048

/* Whom a request goes to; each keeps its own connections. */
enum place { AT_SERVER, AT_CONTENT, AT_RINGS, PLACES };

struct fetcher {
	const struct settings *s;
	int sock;
	struct message_server server;   /* of the configuration, else of the enrolment */
	struct buf *identity;           /* certificate and key for the server; NULL: none */
	struct fetch *clients[PLACES];
};

/* ---- URLs ---- */

/*
 * Percent-encodes all but the unreserved characters and '/'; names of metadata
 * come encoded. Refuses what could leave the prefix.
 */
static int add_path(char *url, size_t cap, const char *path, bool encoded, struct err *e)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
	size_t at = strlen(url);

	if (*path == '/' || !*path || strstr(path, "//"))
		return err_set(e, ERR_FORMAT, "fetch: a path with an empty segment");
	for (const char *p = path; *p; p++) {
		if (*p == '.' && (p == path || p[-1] == '/') && (p[1] == '/' || !p[1] || (p[1] == '.' && (p[2] == '/' || !p[2]))))
			return err_set(e, ERR_FORMAT, "fetch: a path with a dot segment");
		if (at + 4 > cap)
			return err_set(e, ERR_LIMIT, "fetch: a URL over %zu bytes", cap);
		if (strchr(plain, *p) || (encoded && *p == '%'))
			url[at++] = *p;
		else
			at += (size_t)snprintf(url + at, cap - at, "%%%02X", (unsigned char)*p);
	}
	url[at] = 0;
	return 0;
}

/* Is this URL one of the server's own? */
static bool at_server(const struct fetcher *f, const char *url)
{
	const char *server = f->server.server;
	size_t len = strlen(server);

	return len && !strncmp(url, server, len) && (!url[len] || url[len] == '/');
}

/* A mirror's own directory; of two repositories each has one below it, by name. */
static int mirror_of(const struct fetcher *f, bool rings, char *url, size_t cap, struct err *e)
{
	const char *name = settings_repo_name(f->s, rings ? REPO_RINGS : REPO_CONTENT);
	char path[URL_MAX];

	if ((size_t)snprintf(path, sizeof path, "%s%s%s", f->s->mirror + 1, *f->s->rings_repo ? "/" : "", *f->s->rings_repo ? name : "") >= sizeof path)
		return err_set(e, ERR_LIMIT, "fetch: a directory of over %zu bytes", sizeof path);
	snprintf(url, cap, "file:///");
	return add_path(url, cap, path, false, e);
}

/* The URL above a repository's metadata/ and targets/, and whose it is. */
static int base_of(const struct fetcher *f, uint64_t repo, char *url, size_t cap, enum place *place, struct err *e)
{
	bool rings = settings_repo(f->s, repo == REPO_RINGS ? REPO_RINGS : REPO_CONTENT) == REPO_RINGS;
	const char *configured = rings ? f->s->rings_url : f->s->content_url;
	const char *pin = rings ? f->s->rings_pin : f->s->content_pin;
	size_t len = strlen(configured);

	*place = rings ? AT_RINGS : AT_CONTENT;
	if (f->s->mirror)
		return mirror_of(f, rings, url, cap, e);
	if (len)
		snprintf(url, cap, "%.*s", (int)(configured[len - 1] == '/' ? len - 1 : len), configured);
	else if (*f->server.server)
		snprintf(url, cap, "%s/content", f->server.server);
	else
		return err_set(e, ERR_USAGE, "no server: neither configured nor enrolled");
	if (!*pin && at_server(f, url))
		*place = AT_SERVER;
	return 0;
}

/* The server's pin binds the server's own URLs; another place has its own pin, or is vouched for by authorities. */
static int client_for(struct fetcher *f, enum place place, struct err *e)
{
	const struct settings *s = f->s;
	const struct { const char *pin, *ca_file; } of[PLACES] = {
		[AT_SERVER] = { f->server.pin, "" },
		[AT_CONTENT] = { s->content_pin, s->content_ca_file },
		[AT_RINGS] = { s->rings_pin, s->rings_ca_file },
	};
	const char *ca_file = *of[place].ca_file ? of[place].ca_file : s->ca_file;
	struct fetch_settings settings = {
		.pin = *of[place].pin ? of[place].pin : NULL,
		.ca_file = *ca_file ? ca_file : NULL,
		.proxy = *s->proxy ? s->proxy : NULL,
		.agent = "ringhold-agent",
		.client = place == AT_SERVER && f->identity ? f->identity->data : NULL,
		.client_len = f->identity ? f->identity->len : 0,
		.max_rate = s->max_rate,
	};

	return f->clients[place] ? 0 : fetch_new(&f->clients[place], &settings, e);
}

/* ---- answers ---- */

static int answer_error(struct fetcher *f, const struct err *why, struct err *e)
{
	struct message_answer a = { .status = why->code < 0 ? why->code : ERR_INTERNAL, .retry_after = -1 };

	snprintf(a.text, sizeof a.text, "%s", why->msg);
	return message_send(f->sock, MSG_ANSWER, &a, -1, e);
}

static int answer_body(struct fetcher *f, const struct fetch_answer *got, struct err *e)
{
	struct message_answer a = { .status = got->status, .retry_after = got->retry_after, .size = got->body->len };
	AUTO_FD int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_errno(e, "fetch: memory for a body");
	if (file_write_all(fd, got->body->data, got->body->len, e) < 0)
		return e->code;
	/* The reader maps or reads it twice: nobody may change it in between. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(e, "fetch: seal a body");
	return message_send(f->sock, MSG_BODY, &a, fd, e);
}

static int exchange(struct fetcher *f, enum place place, const struct fetch_request *r, struct err *e)
{
	struct fetch_answer got = { 0 };
	struct err why;
	int rc;

	if (client_for(f, place, &why) < 0 || fetch_do(f->clients[place], r, &got, &why) < 0)
		return answer_error(f, &why, e);
	rc = answer_body(f, &got, e);
	fetch_answer_release(&got);
	return rc;
}

/* ---- requests ---- */

static int do_get(struct fetcher *f, const struct message_get *m, struct err *e)
{
	char url[URL_MAX];
	enum place place;
	struct err why;
	struct fetch_request r = { .method = "GET", .url = url, .max = MIN(m->max, (uint64_t)64 << 20) };

	if (base_of(f, m->repo, url, sizeof url, &place, &why) < 0)
		return answer_error(f, &why, e);
	strncat(url, m->plane == PLANE_METADATA ? "/metadata/" : "/targets/", sizeof url - strlen(url) - 1);
	if (add_path(url, sizeof url, m->path, m->plane == PLANE_METADATA, &why) < 0)
		return answer_error(f, &why, e);
	return exchange(f, place, &r, e);
}

static int do_call(struct fetcher *f, const struct message *msg, struct err *e)
{
	const struct message_call *m = &msg->u.call;
	AUTO(buf) struct buf *body = NULL;
	char url[URL_MAX];
	struct err why;
	struct fetch_request r = { .method = m->get ? "GET" : "POST", .url = url, .bearer = *m->token ? m->token : NULL,
				   .max = MIN(m->max, CALL_ANSWER_MAX) };

	if (!*f->server.server) {
		err_set(&why, ERR_USAGE, "no server: neither configured nor enrolled");
		return answer_error(f, &why, e);
	}
	snprintf(url, sizeof url, "%s/", f->server.server);
	if (file_read_fd(&body, msg->fd, CALL_ANSWER_MAX, &why) < 0 || add_path(url, sizeof url, m->path, false, &why) < 0)
		return answer_error(f, &why, e);
	if (!m->get) {
		r.body = body->data;
		r.body_len = body->len;
	}
	return exchange(f, AT_SERVER, &r, e);
}

static int do_download(struct fetcher *f, const struct message *msg, struct err *e)
{
	const struct message_download *m = &msg->u.download;
	struct message_answer a = { .retry_after = -1 };
	const char *token = NULL;
	char url[URL_MAX];
	enum place place;
	struct err why;
	int status;

	if (base_of(f, m->repo, url, sizeof url, &place, &why) < 0)
		return answer_error(f, &why, e);
	/* The device's token is between it and its server: a vendor's, or a CDN's, never sees it. */
	if (*m->token && at_server(f, url))
		token = m->token;
	strncat(url, "/targets/", sizeof url - strlen(url) - 1);
	if (add_path(url, sizeof url, m->path, false, &why) < 0 || client_for(f, place, &why) < 0)
		return answer_error(f, &why, e);
	status = fetch_to_fd(f->clients[place], url, token, msg->fd, m->from, m->max, &why);
	if (status < 0)
		return answer_error(f, &why, e);
	a.status = status;
	return message_send(f->sock, MSG_ANSWER, &a, -1, e);
}

/* Only the supervisor has it, and it comes before the first request: a second one would be somebody else's. */
static int take_identity(struct fetcher *f, const struct message *m, struct err *e)
{
	if (f->identity || f->clients[AT_SERVER])
		return err_set(e, ERR_FORMAT, "fetch: an identity out of place");
	return file_read_fd(&f->identity, m->fd, MESSAGE_IDENTITY_MAX, e);
}

static int serve(struct fetcher *f, const struct message *m, struct err *e)
{
	switch (m->type) {
	case MSG_GET:
		return do_get(f, &m->u.get, e);
	case MSG_IDENTITY:
		return take_identity(f, m, e);
	case MSG_CALL:
		return do_call(f, m, e);
	default:
		return do_download(f, m, e);
	}
}

int role_fetch(const struct settings *s, int sock)
{
	static const enum message_type first[] = { MSG_SERVER, 0 }, allowed[] = { MSG_IDENTITY, MSG_GET, MSG_CALL, MSG_DOWNLOAD, 0 };
	static struct message m;
	struct fetcher f = { .s = s, .sock = sock };
	struct err e = { 0 };
	int rc = message_receive(sock, &m, first, -1, &e);

	if (rc == 1)
		f.server = m.u.server;
	while (rc == 1 && (rc = message_receive(sock, &m, allowed, -1, &e)) == 1) {
		rc = serve(&f, &m, &e);
		message_release(&m);
		if (rc < 0)
			break;
		rc = 1;
	}
	for (int i = 0; i < PLACES; i++)
		fetch_free(f.clients[i]);
	if (f.identity)
		explicit_bzero(f.identity->data, f.identity->len);
	buf_free(f.identity);
	if (rc < 0)
		log_error("%s", e.msg);
	return rc < 0;
}
