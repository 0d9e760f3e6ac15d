/*
 * file_server: a plain web server of a directory, in a process of its own, with
 * the faults that a transfer meets. Faults touch bundles and deltas alone;
 * metadata is always served well. What was asked, and how, is in the log.
 */
#ifndef TESTS_AGENT_FILE_SERVER_H
#define TESTS_AGENT_FILE_SERVER_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#define FILE_SERVER_LOG 256

enum file_fault {
	SERVE_WELL,
	SERVE_CUT,              /* `after` bytes of the body, then the line is cut */
	SERVE_STALL,            /* `after` bytes, then nothing until the client goes */
	SERVE_SPOILED_CUT,      /* as SERVE_CUT, and not the right bytes */
	SERVE_416,              /* to every range */
};

struct file_request {
	char path[256];
	long long from;         /* of its Range; -1: none */
	long long sent;         /* bytes of body */
	int status;
};

struct file_server {
	pid_t pid;
	int port;
	char dir[256];
	/* shared with the process */
	struct file_server_shared {
		volatile enum file_fault fault;
		volatile unsigned times;        /* that the fault strikes; 0: it does not end */
		volatile bool no_ranges;        /* sends all, whatever range is asked for */
		volatile size_t after;
		volatile unsigned count, struck;
		volatile bool stalled;
		struct file_request log[FILE_SERVER_LOG];
	} *shared;
};

static inline void file_server_send(int to, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(to, bytes, len);

		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
	}
}

static inline void file_server_say(int to, const char *text)
{
	file_server_send(to, text, strlen(text));
}

static inline void file_server_struck(struct file_server *s)
{
	if (s->shared->times && --s->shared->times == 0)
		s->shared->fault = SERVE_WELL;
}

static inline void file_server_body(struct file_server *s, int to, struct file_request *r, char *body, size_t len)
{
	bool bundle = strstr(r->path, "/bundles/");
	enum file_fault fault = bundle ? s->shared->fault : SERVE_WELL;
	size_t some = fault == SERVE_WELL || s->shared->after > len ? len : s->shared->after;
	char byte;

	if (fault == SERVE_SPOILED_CUT)
		for (size_t i = 0; i < some; i++)
			body[i] ^= 0x55;
	r->sent = (long long)some;
	file_server_send(to, body, some);
	if (fault == SERVE_WELL)
		return;
	s->shared->struck++;
	if (fault == SERVE_STALL) {
		s->shared->stalled = true;
		while (read(to, &byte, 1) > 0)
			;
		s->shared->stalled = false;
	}
	file_server_struck(s);
}

static inline void file_server_answer(struct file_server *s, int to, struct file_request *r)
{
	char path[1024], head[600];
	char *body = NULL;
	struct stat st = { 0 };
	size_t from = r->from > 0 && !s->shared->no_ranges ? (size_t)r->from : 0;
	int fd;

	snprintf(path, sizeof path, "%s%s", s->dir, r->path);
	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		r->status = 404;
		file_server_say(to, "HTTP/1.1 404 None\r\nContent-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
	} else if (from && (from >= (size_t)st.st_size || s->shared->fault == SERVE_416)) {
		r->status = 416;
		file_server_struck(s);
		file_server_say(to, "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	} else {
		body = malloc((size_t)st.st_size + 1);
		if (pread(fd, body, (size_t)st.st_size, 0) != st.st_size)
			abort();
		r->status = from ? 206 : 200;
		snprintf(head, sizeof head, "HTTP/1.1 %d Here\r\nContent-Length: %zu\r\nCache-Control: %s\r\nConnection: close\r\n", r->status,
			 (size_t)st.st_size - from, strstr(r->path, "timestamp.json") ? "no-cache" : "public, max-age=31536000, immutable");
		if (from)
			snprintf(head + strlen(head), sizeof head - strlen(head), "Content-Range: bytes %zu-%lld/%lld\r\n", from,
				 (long long)st.st_size - 1, (long long)st.st_size);
		strcat(head, "\r\n");
		file_server_say(to, head);
		file_server_body(s, to, r, body + from, (size_t)st.st_size - from);
	}
	free(body);
	if (fd >= 0)
		close(fd);
}

/* The path of "GET /path HTTP/1.1", or of "GET http://host:port/path HTTP/1.1" as proxies ask. */
static inline void file_server_request(struct file_server *s, int to)
{
	struct file_request *r = &s->shared->log[s->shared->count % FILE_SERVER_LOG];
	char head[8192] = "", *at, *range;
	size_t len = 0;

	while (!strstr(head, "\r\n\r\n") && len < sizeof head - 1) {
		ssize_t n = read(to, head + len, sizeof head - 1 - len);

		if (n <= 0)
			return;
		len += (size_t)n;
		head[len] = '\0';
	}
	at = strchr(head, ' ');
	at = at ? at + 1 : head;
	if (!strncmp(at, "http://", 7))
		at = strchr(at + 7, '/');
	range = strcasestr(head, "\r\nRange: bytes=");
	memset(r, 0, sizeof *r);
	r->from = range ? atoll(range + 15) : -1;
	snprintf(r->path, sizeof r->path, "%.*s", (int)strcspn(at, " "), at);
	s->shared->count++;
	file_server_answer(s, to, r);
}

static inline void file_server_start(struct file_server *s, const char *dir)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(s->dir, sizeof s->dir, "%s", dir);
	s->shared = mmap(NULL, sizeof *s->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(s->shared != MAP_FAILED);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		for (;;) {
			int to = accept(listener, NULL, NULL);

			if (to < 0)
				continue;
			file_server_request(s, to);
			close(to);
		}
	}
	close(listener);
}

static inline void file_server_stop(struct file_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->shared, sizeof *s->shared);
	s->pid = 0;
}

/* The n-th request, from 0, whose path holds `text`; NULL: there were fewer. */
static inline const struct file_request *file_server_nth(const struct file_server *s, const char *text, unsigned n)
{
	for (unsigned i = 0; i < s->shared->count && i < FILE_SERVER_LOG; i++)
		if (strstr(s->shared->log[i].path, text) && n-- == 0)
			return &s->shared->log[i];
	return NULL;
}

#endif
