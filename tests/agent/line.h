/*
 * line: a wire between clients and a server, in processes of its own. It writes
 * down what is asked for and how many bytes come back, and can be cut once in
 * the middle of a bundle or delta, or stand still there. It changes no byte.
 */
#ifndef TESTS_AGENT_LINE_H
#define TESTS_AGENT_LINE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define LINE_LOG 512

struct line_request {
	char path[256];
	long long from;                 /* of its Range; -1: none */
	volatile long long bytes;       /* that came back, head and body */
	volatile bool there;            /* the rest is filled in */
};

struct line {
	pid_t pid;
	int port, server;
	struct line_shared {
		unsigned count;
		int cut_after;          /* bytes of one answer about a bundle, then the line is cut, once; 0: it is whole */
		volatile int hold_after;        /* ... and it stands still for as long as this is not 0 */
		volatile unsigned cuts;
		struct line_request log[LINE_LOG];
	} *shared;
};

static inline int line_socket(int port, bool listens, int *bound)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!listens && connect(fd, (struct sockaddr *)&at, len) == 0)
		return fd;
	if (listens && bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 64) == 0 &&
	    getsockname(fd, (struct sockaddr *)&at, &len) == 0) {
		*bound = ntohs(at.sin_port);
		return fd;
	}
	close(fd);
	return -1;
}

static inline bool line_pass(int to, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(to, bytes, len);

		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* "GET /path HTTP/1.1" and its Range. */
static inline struct line_request *line_note(struct line *l, const char *head)
{
	struct line_request *r = &l->shared->log[__atomic_fetch_add(&l->shared->count, 1, __ATOMIC_SEQ_CST) % LINE_LOG];
	const char *at = strchr(head, ' '), *range = strcasestr(head, "\r\nRange: bytes=");

	snprintf(r->path, sizeof r->path, "%.*s", at ? (int)strcspn(at + 1, " ") : 0, at ? at + 1 : "");
	r->from = range ? atoll(range + 15) : -1;
	r->there = true;
	return r;
}

/* How many of n bytes go on before the line is cut; n: all of them. */
static inline size_t line_until_cut(struct line *l, const struct line_request *r, size_t n)
{
	int after = __atomic_load_n(&l->shared->cut_after, __ATOMIC_SEQ_CST);

	if (!after || !r || !strstr(r->path, "/bundles/") || r->bytes + (long long)n <= after ||
	    !__atomic_compare_exchange_n(&l->shared->cut_after, &after, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return n;
	l->shared->cuts++;
	return (size_t)(after > r->bytes ? after - r->bytes : 0);
}

static inline void line_hold(const struct line *l, const struct line_request *r, size_t n)
{
	while (l->shared->hold_after && r && strstr(r->path, "/bundles/") && r->bytes + (long long)n > l->shared->hold_after)
		poll(NULL, 0, 10);
}

static inline void line_relay(struct line *l, int client)
{
	char bytes[16384], head[16384] = "";
	struct line_request *now = NULL;
	int server = line_socket(l->server, false, NULL);
	size_t held = 0;

	while (server >= 0) {
		struct pollfd f[2] = { { .fd = client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
		int from = poll(f, 2, -1) > 0 && f[1].revents ? 1 : 0;
		ssize_t n = read(f[from].fd, bytes, sizeof bytes);
		size_t on;

		if (n <= 0)
			return;
		if (from == 1) {
			line_hold(l, now, (size_t)n);
			on = line_until_cut(l, now, (size_t)n);
			if (now)
				now->bytes += (long long)on;
			if (!line_pass(client, bytes, on) || on < (size_t)n)
				return;
			continue;
		}
		if (held + (size_t)n < sizeof head) {   /* requests without bodies, one after the other */
			memcpy(head + held, bytes, (size_t)n);
			held += (size_t)n;
			head[held] = '\0';
		}
		if (strstr(head, "\r\n\r\n")) {
			now = line_note(l, head);
			held = 0;
			head[0] = '\0';
		}
		if (!line_pass(server, bytes, (size_t)n))
			return;
	}
}

static inline void line_start(struct line *l, int server)
{
	int listener = line_socket(0, true, &l->port);

	assert_true(listener >= 0);
	l->server = server;
	l->shared = mmap(NULL, sizeof *l->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(l->shared != MAP_FAILED);
	l->pid = fork();
	assert_true(l->pid >= 0);
	if (l->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		signal(SIGCHLD, SIG_IGN);
		for (;;) {
			int client = accept(listener, NULL, NULL);

			if (client >= 0 && fork() == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				line_relay(l, client);
				_exit(0);
			}
			close(client);
		}
	}
	close(listener);
}

static inline void line_stop(struct line *l)
{
	if (l->pid <= 0)
		return;
	kill(l->pid, SIGKILL);
	waitpid(l->pid, NULL, 0);
	munmap(l->shared, sizeof *l->shared);
	l->pid = 0;
}

/* The n-th request, from 0, whose path holds `text`; NULL: there were fewer. */
static inline const struct line_request *line_nth(const struct line *l, const char *text, unsigned n)
{
	for (unsigned i = 0; i < l->shared->count && i < LINE_LOG; i++)
		if (l->shared->log[i].there && strstr(l->shared->log[i].path, text) && n-- == 0)
			return &l->shared->log[i];
	return NULL;
}

#endif
