/* test_role_fetch: whom the network process talks to, and who gets to see the device's token. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/message.h"
#include "agent/role.h"
#include "base/file.h"
#include "base/log.h"
#include "test.h"

#define LIMIT_MS 20000
#define TOKEN "the-device-token"

struct net {
	char root[128];
	struct settings *settings;
	int server, vendor;             /* listening */
	int sock;                       /* to the fetch process */
	pid_t child;
	char head[4096];                /* of the last request */
};

static int listening(int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* content: what follows the vendor's address in content-url, and further lines; NULL: no content-url. */
static void begin(struct net *n, const char *content, bool prefix)
{
	struct message_server to = { .pin = "" };
	int server_port, vendor_port, sock[2];
	char path[256], text[400];
	struct err e;

	n->server = listening(&server_port);
	n->vendor = listening(&vendor_port);
	if (content)
		snprintf(text, sizeof text, "[agent]\ncontent-url = http://127.0.0.1:%d%s\n[channel edr]\n", vendor_port, content);
	else
		snprintf(text, sizeof text, "[channel edr]\n");
	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", n->root);
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
	assert_ok(settings_load(&n->settings, n->root, NULL, &e));
	if (prefix)     /* a prefix of the vendor's address */
		snprintf(to.server, sizeof to.server, "http://127.0.0.1:%d", vendor_port / 10);
	else
		snprintf(to.server, sizeof to.server, "http://127.0.0.1:%d", server_port);
	assert_ok(wire_pair(sock, &e));
	n->child = fork();
	assert_true(n->child >= 0);
	if (n->child == 0) {
		close(sock[0]);
		_exit(role_fetch(n->settings, sock[1]));
	}
	close(sock[1]);
	n->sock = sock[0];
	assert_ok(message_send(n->sock, MSG_SERVER, &to, -1, &e));
}

/* Answers one request that must come to this socket, and keeps its head. */
static void serve(struct net *n, int listener)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
	struct pollfd p[] = { { .fd = listener, .events = POLLIN }, { .fd = listener == n->server ? n->vendor : n->server, .events = POLLIN } };
	size_t len = 0;
	int fd;

	assert_true(poll(p, 2, LIMIT_MS) > 0);
	assert_int_equal(p[1].revents, 0);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	n->head[0] = '\0';
	while (!strstr(n->head, "\r\n\r\n")) {
		ssize_t got = read(fd, n->head + len, sizeof n->head - 1 - len);

		assert_true(got > 0);
		len += (size_t)got;
		n->head[len] = '\0';
	}
	assert_int_equal(write(fd, answer, sizeof answer - 1), (ssize_t)sizeof answer - 1);
	close(fd);
}

static void ask_download(struct net *n, int listener)
{
	static const enum message_type answers[] = { MSG_ANSWER, 0 };
	struct message_download m = { .repo = REPO_CONTENT, .max = 2, .path = "bundles/edr/1.tar.gz", .token = TOKEN };
	static struct message got;
	AUTO_FD int fd = memfd_create("download", MFD_CLOEXEC);
	struct err e;

	assert_ok(message_send(n->sock, MSG_DOWNLOAD, &m, fd, &e));
	serve(n, listener);
	assert_int_equal(message_receive(n->sock, &got, answers, LIMIT_MS, &e), 1);
	assert_int_equal(got.u.answer.status, 200);
	message_release(&got);
}

static void ask_metadata(struct net *n, enum settings_repo repo, int listener)
{
	static const enum message_type answers[] = { MSG_BODY, 0 };
	struct message_get m = { .repo = repo, .plane = PLANE_METADATA, .max = 100, .path = "timestamp.json" };
	static struct message got;
	struct err e;

	assert_ok(message_send(n->sock, MSG_GET, &m, -1, &e));
	serve(n, listener);
	assert_int_equal(message_receive(n->sock, &got, answers, LIMIT_MS, &e), 1);
	message_release(&got);
}

static void each_repository_is_asked_at_its_own_place(void **state)
{
	struct net *n = *state;

	begin(n, "/there\nrings-repo = ours", false);
	ask_metadata(n, REPO_CONTENT, n->vendor);
	assert_non_null(strstr(n->head, "GET /there/metadata/timestamp.json "));
	ask_metadata(n, REPO_RINGS, n->server);
	assert_non_null(strstr(n->head, "GET /content/metadata/timestamp.json "));
	ask_metadata(n, REPO_CONTENT, n->vendor);
}

static void a_vendor_never_sees_the_devices_token(void **state)
{
	struct net *n = *state;

	begin(n, "/there\nrings-repo = ours", false);
	ask_download(n, n->vendor);
	assert_null(strstr(n->head, TOKEN));
	assert_null(strstr(n->head, "uthorization"));
}

static void nor_does_a_host_whose_address_begins_like_the_servers(void **state)
{
	struct net *n = *state;

	begin(n, "", true);
	ask_download(n, n->vendor);
	assert_null(strstr(n->head, TOKEN));
}

static void the_own_server_does(void **state)
{
	struct net *n = *state;

	begin(n, NULL, false);
	ask_download(n, n->server);
	assert_non_null(strstr(n->head, "Bearer " TOKEN));
}

static int setup(void **state)
{
	static struct net n;
	const char *tmp = getenv("TMPDIR");
	char path[256];
	struct err e;

	memset(&n, 0, sizeof n);
	log_init("test", LOG_ERROR);
	signal(SIGPIPE, SIG_IGN);
	snprintf(n.root, sizeof n.root, "%s/ringhold-fetch.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(n.root));
	snprintf(path, sizeof path, "%s/etc/ringhold", n.root);
	assert_ok(file_mkdirs(path, 0755, &e));
	*state = &n;
	return 0;
}

static int teardown(void **state)
{
	struct net *n = *state;
	struct err e;
	int status;

	close(n->sock);
	assert_int_equal(waitpid(n->child, &status, 0), n->child);
	assert_int_equal(status, 0);
	close(n->server);
	close(n->vendor);
	settings_free(n->settings);
	return file_remove_tree(n->root, &e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_repository_is_asked_at_its_own_place),
		TEST(a_vendor_never_sees_the_devices_token),
		TEST(nor_does_a_host_whose_address_begins_like_the_servers),
		TEST(the_own_server_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
