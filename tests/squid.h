/* squid: a real one, as it comes, but for places, ports and an archive's size. */
#ifndef TESTS_SQUID_H
#define TESTS_SQUID_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "program.h"
#include "test.h"

struct squid {
	pid_t pid;              /* 0: none */
	int port;
	char dir[64];           /* its own: configuration and logs */
};

/* NULL: not installed. */
static inline const char *squid_program(void)
{
	return access("/usr/sbin/squid", X_OK) == 0 ? "/usr/sbin/squid" : test_other_program("squid");
}

#define NEED_SQUID()                                    \
	do {                                            \
		if (!squid_program())                   \
			skip_missing_program("squid");  \
	} while (0)

/* A port that nobody listens on, or whether somebody does. */
static inline int squid_socket(int port, bool listening, int *taken)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	socklen_t len = sizeof at;
	int rc;

	assert_true(fd >= 0);
	if (listening) {
		rc = connect(fd, (struct sockaddr *)&at, sizeof at);
	} else {
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
		rc = bind(fd, (struct sockaddr *)&at, sizeof at);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
		*taken = ntohs(at.sin_port);
	}
	close(fd);
	return rc;
}

static inline void squid_start(struct squid *s)
{
	const struct passwd *proxy = getpwnam("proxy");
	char conf[100], log[100], text[1600];
	struct err e;

	snprintf(s->dir, sizeof s->dir, "/tmp/ringhold-squid-XXXXXX");
	assert_non_null(mkdtemp(s->dir));       /* which its own user has to reach */
	snprintf(conf, sizeof conf, "%s/squid.conf", s->dir);
	snprintf(log, sizeof log, "%s/squid.log", s->dir);
	if (geteuid() == 0 && proxy)
		assert_int_equal(chown(s->dir, proxy->pw_uid, proxy->pw_gid), 0);
	assert_int_equal(squid_socket(0, false, &s->port), 0);
	snprintf(text, sizeof text,
		 "http_port 127.0.0.1:%d\nvisible_hostname squid.test\npid_filename none\npinger_enable off\nshutdown_lifetime 0 seconds\n"
		 "coredump_dir %s\ncache_log %s/cache.log\naccess_log stdio:%s/access.log\nlogfile_rotate 0\nnetdb_filename none\n"
		 "cache_mem 64 MB\nmaximum_object_size_in_memory 32 MB\ncollapsed_forwarding on\n"
		 "acl here src 127.0.0.1\nhttp_access allow here\nhttp_access deny all\n", s->port, s->dir, s->dir, s->dir);
	assert_ok(file_replace(conf, text, strlen(text), 0644, &e));
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execl(squid_program(), "squid", "-N", "-f", conf, (char *)NULL);
		_exit(127);
	}
	while (squid_socket(s->port, true, NULL) < 0) {
		if (waitpid(s->pid, NULL, WNOHANG) != 0)
			fail_msg("squid ended; see %s", log);
		poll(NULL, 0, 20);
	}
}

static inline void squid_stop(struct squid *s)
{
	struct err e;

	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
	assert_ok(file_remove_tree(s->dir, &e));
}

/* It says how it answered each request; it may write that down a moment later. */
static inline bool squid_says(const struct squid *s, const char *what, const char *how)
{
	char log[100];

	snprintf(log, sizeof log, "%s/access.log", s->dir);
	for (int i = 0; i < 500; i++) {
		AUTO(buf) struct buf *text = NULL;
		struct err e;

		assert_ok(file_read(&text, log, 1 << 22, &e));
		for (char *line = text->data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			if (strstr(line, what) && strstr(line, how))
				return true;
		}
		poll(NULL, 0, 20);
	}
	return false;
}

#endif
