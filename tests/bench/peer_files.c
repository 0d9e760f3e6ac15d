/* peer_files: a plain web server for a directory, in a process of its own, that counts what a client costs. */
#include "tests/bench/peer_files.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS 16
#define HEAD_MAX 8192
#define FILE_MAX (1 << 20)

struct served {
	int fd;
	size_t len;
	char head[HEAD_MAX];
};

static bool say(struct peer_files *p, int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p->counts->out += (size_t)n;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

/* The reply in one piece, so that no packet waits for another. */
static bool answer(struct peer_files *p, const struct served *s)
{
	static char reply[HEAD_MAX + FILE_MAX];
	char path[1024];
	ssize_t size = 0;
	int fd, head;

	if (sscanf(s->head, "GET /%1023s HTTP/1.1", path) != 1)
		return false;
	p->counts->requests++;
	fd = strstr(path, "..") ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		size = read(fd, reply + HEAD_MAX, FILE_MAX);
	head = snprintf(reply, HEAD_MAX, "HTTP/1.1 %s\r\nContent-Length: %zd\r\n\r\n", fd >= 0 ? "200 OK" : "404 Not Found", size);
	memmove(reply + head, reply + HEAD_MAX, (size_t)size);
	if (fd >= 0)
		close(fd);
	return say(p, s->fd, reply, (size_t)(head + size));
}

static bool turn(struct peer_files *p, struct served *s)
{
	ssize_t n = read(s->fd, s->head + s->len, HEAD_MAX - 1 - s->len);

	if (n <= 0)
		return false;
	p->counts->in += (size_t)n;
	s->len += (size_t)n;
	s->head[s->len] = '\0';
	if (!strstr(s->head, "\r\n\r\n"))
		return s->len < HEAD_MAX - 1;
	s->len = 0;
	return answer(p, s);
}

__attribute__((noreturn)) static void serve(struct peer_files *p, int listener)
{
	static struct served open_[CONNECTIONS];
	size_t count = 0;
	int yes = 1;

	for (;;) {
		struct pollfd polled[CONNECTIONS + 1] = { { .fd = listener, .events = count < CONNECTIONS ? POLLIN : 0 } };

		for (size_t i = 0; i < count; i++)
			polled[i + 1] = (struct pollfd){ .fd = open_[i].fd, .events = POLLIN };
		if (poll(polled, count + 1, -1) < 0)
			_exit(1);
		for (size_t i = count; i-- > 0;)
			if (polled[i + 1].revents && !turn(p, &open_[i])) {
				close(open_[i].fd);
				open_[i] = open_[--count];
			}
		if (polled[0].revents) {
			open_[count].fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			open_[count].len = 0;
			if (open_[count].fd < 0)
				continue;
			setsockopt(open_[count++].fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
			p->counts->connections++;
		}
	}
}

int peer_files_start(struct peer_files *p, const char *dir)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof at;

	p->counts = mmap(NULL, sizeof *p->counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->counts == MAP_FAILED || listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) < 0 ||
	    listen(listener, CONNECTIONS) < 0 || getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		return -1;
	p->port = ntohs(at.sin_port);
	p->pid = fork();
	if (p->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (chdir(dir) < 0)
			_exit(1);
		serve(p, listener);
	}
	close(listener);
	return p->pid < 0 ? -1 : 0;
}

void peer_files_stop(struct peer_files *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	p->pid = 0;
}
