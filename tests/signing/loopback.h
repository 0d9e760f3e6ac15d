/*
 * loopback: a web server on 127.0.0.1 that serves a forged repository, well or
 * badly, from a thread of the test. It keeps connections open as HTTP/1.1
 * does, and counts connections, requests and bytes.
 *
 * Change the files only while nobody asks: there is no lock.
 */
#ifndef TESTS_SIGNING_LOOPBACK_H
#define TESTS_SIGNING_LOOPBACK_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forge.h"

#define LOOPBACK_CONNECTIONS 16
#define LOOPBACK_HEAD 8192

struct loopback {
	struct forge_files *metadata, *targets; /* borrowed; below /metadata/ and /targets/ */
	const char *endless;            /* the file of this name never ends */
	const char *slow;               /* the file of this name comes a byte at a time, some ten a second */
	int status;                     /* when not 0: to everything, instead of 200 and 404 */
	int port;
	atomic_uint connections, requests;
	atomic_ullong bytes;            /* of bodies, sent */
	char log[16384];                /* " /path /path" since it was last cleared */

	int listener;
	int stop[2];                    /* a pipe: closed to end the thread */
	pthread_t thread;
	struct {
		int fd;
		size_t len;
		char head[LOOPBACK_HEAD];
	} open[LOOPBACK_CONNECTIONS];
	size_t open_count;
};

static inline bool loopback_stopping(struct loopback *w, int wait_ms)
{
	struct pollfd p = { .fd = w->stop[0] };

	return poll(&p, 1, wait_ms) != 0;
}

static inline bool loopback_send(struct loopback *w, int fd, const char *bytes, size_t len, bool body)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
		if (body)
			w->bytes += (size_t)n;
	}
	return true;
}

static inline void loopback_misbehave(struct loopback *w, int fd, const char *name)
{
	static const char spaces[65536] = "                                ";
	bool slow = w->slow && !strcmp(w->slow, name);

	loopback_send(w, fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 38, false);
	while (loopback_send(w, fd, spaces, slow ? 1 : sizeof spaces, true))
		if (loopback_stopping(w, slow ? 100 : 0))
			break;
}

static inline struct buf *loopback_find(struct loopback *w, const char *path, const char **name)
{
	static const char metadata[] = "/metadata/", targets[] = "/targets/";

	*name = path;
	if (w->metadata && !strncmp(path, metadata, strlen(metadata)))
		return forge_get(w->metadata, *name = path + strlen(metadata));
	if (w->targets && !strncmp(path, targets, strlen(targets)))
		return forge_get(w->targets, *name = path + strlen(targets));
	return NULL;
}

/* False: the connection is to be closed. */
static inline bool loopback_answer(struct loopback *w, int fd, const char *head)
{
	char path[2048] = "", line[256];
	struct buf *found;
	const char *name;
	int len, status;

	if (sscanf(head, "GET %2047s HTTP/1.1", path) != 1)
		return false;
	w->requests++;
	snprintf(w->log + strlen(w->log), sizeof w->log - strlen(w->log), " %s", path);
	found = loopback_find(w, path, &name);
	if ((w->endless && !strcmp(w->endless, name)) || (w->slow && !strcmp(w->slow, name))) {
		loopback_misbehave(w, fd, name);
		return false;
	}
	status = w->status ? w->status : found ? 200 : 404;
	len = snprintf(line, sizeof line, "HTTP/1.1 %d x\r\nContent-Length: %zu\r\n\r\n", status, found ? found->len : 0);
	return loopback_send(w, fd, line, (size_t)len, false) &&
	       (!found || loopback_send(w, fd, found->data, found->len, true));
}

static inline bool loopback_read(struct loopback *w, size_t i)
{
	size_t len = w->open[i].len;
	ssize_t n = read(w->open[i].fd, w->open[i].head + len, LOOPBACK_HEAD - 1 - len);

	if (n <= 0)
		return false;
	w->open[i].len += (size_t)n;
	w->open[i].head[w->open[i].len] = '\0';
	if (!strstr(w->open[i].head, "\r\n\r\n"))
		return w->open[i].len < LOOPBACK_HEAD - 1;
	w->open[i].len = 0;
	return loopback_answer(w, w->open[i].fd, w->open[i].head);
}

static inline void loopback_accept(struct loopback *w)
{
	int fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC), yes = 1;

	if (fd < 0)
		return;
	if (w->open_count == LOOPBACK_CONNECTIONS) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	w->connections++;
	w->open[w->open_count].fd = fd;
	w->open[w->open_count++].len = 0;
}

static inline void *loopback_run(void *arg)
{
	struct loopback *w = arg;

	for (;;) {
		struct pollfd p[LOOPBACK_CONNECTIONS + 2] = { { .fd = w->stop[0] }, { .fd = w->listener, .events = POLLIN } };

		for (size_t i = 0; i < w->open_count; i++)
			p[i + 2] = (struct pollfd){ .fd = w->open[i].fd, .events = POLLIN };
		poll(p, w->open_count + 2, -1);
		if (p[0].revents)
			return NULL;
		for (size_t i = w->open_count; i-- > 0;)
			if (p[i + 2].revents && !loopback_read(w, i)) {
				close(w->open[i].fd);
				w->open[i] = w->open[--w->open_count];
			}
		if (p[1].revents)
			loopback_accept(w);
	}
}

static inline struct loopback *loopback_new(struct forge_files *metadata, struct forge_files *targets)
{
	struct loopback *w = calloc(1, sizeof *w);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;

	w->metadata = metadata;
	w->targets = targets;
	w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(w->listener, 16), 0);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &len), 0);
	w->port = ntohs(at.sin_port);
	assert_int_equal(pipe2(w->stop, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&w->thread, NULL, loopback_run, w), 0);
	return w;
}

static inline void loopback_free(struct loopback *w)
{
	close(w->stop[1]);
	pthread_join(w->thread, NULL);
	close(w->stop[0]);
	close(w->listener);
	for (size_t i = 0; i < w->open_count; i++)
		close(w->open[i].fd);
	free(w);
}

#endif
