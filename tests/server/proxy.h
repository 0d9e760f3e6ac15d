/* proxy: a real haproxy before a test's server. */
#ifndef TESTS_SERVER_PROXY_H
#define TESTS_SERVER_PROXY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "office.h"

#define PROXY_PROGRAM "/usr/sbin/haproxy"
#define NEED_PROXY()                                                    \
	do {                                                            \
		if (access(PROXY_PROGRAM, X_OK) < 0)                    \
			skip_missing_program("haproxy");                \
	} while (0)

struct proxy {
	pid_t pid;
	struct sockaddr_in at;
};

/* A port that nobody listens on, taken for a moment. */
static inline void proxy_port(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	socklen_t len = sizeof *at;

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	close(fd);
}

/* more: of its bind line; rules: further lines of its frontend. */
static inline void proxy_start(struct proxy *x, const struct office *o, const char *more, const char *rules)
{
	AUTO_FREE char *config = fixture_path(o->f, "haproxy.cfg"), *listening = fixture_path(o->f, "data/listening");
	AUTO(buf) struct buf *where = NULL, *text = buf_new(0);
	int64_t until = clock_work_ms() + LIMIT_MS;
	struct err e;

	proxy_port(&x->at);
	assert_ok(file_read(&where, listening, 100, &e));
	buf_addf(text,
		 "global\n  log stdout local0\ndefaults\n  mode http\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n"
		 "frontend all\n  bind 127.0.0.1:%d%s\n%s  default_backend ringholdd\nbackend ringholdd\n  server one %.*s\n",
		 ntohs(x->at.sin_port), more, rules, (int)strcspn(where->data, "\n"), where->data);
	assert_ok(file_replace(config, text->data, text->len, 0600, &e));
	x->pid = fork();
	if (x->pid == 0) {
		int log = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(log, 1);
		dup2(log, 2);
		execl(PROXY_PROGRAM, "haproxy", "-db", "-f", config, (char *)NULL);
		_exit(127);
	}
	for (;;) {
		int try = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool up = connect(try, (struct sockaddr *)&x->at, sizeof x->at) == 0;

		close(try);
		if (up)
			break;
		assert_int_equal(waitpid(x->pid, NULL, WNOHANG), 0);
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 20);
	}
}

static inline void proxy_stop(struct proxy *x)
{
	if (x->pid <= 0)
		return;
	kill(x->pid, SIGKILL);
	assert_int_equal(waitpid(x->pid, NULL, 0), x->pid);
	x->pid = 0;
}

#endif
