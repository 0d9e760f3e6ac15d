/* peer: a connection to a server, by its bytes. */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/test.h"

#define LIMIT_S 60

static SSL *handshake(int fd)
{
	static SSL_CTX *ctx;
	SSL *ssl;

	if (!ctx)
		ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	ssl = SSL_new(ctx);
	assert_non_null(ssl);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) != 1)
		fail_msg("TLS: no handshake");
	return ssl;
}

void peer_open(struct peer *p, const char *address, bool tls)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = LIMIT_S };
	int one = 1;

	at.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->fd >= 0);
	setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(p->fd, (struct sockaddr *)&at, sizeof at) < 0)
		fail_msg("connect to %s: %s", address, strerror(errno));
	p->ssl = tls ? handshake(p->fd) : NULL;
}

bool peer_send(struct peer *p, const void *bytes, size_t len)
{
	for (size_t sent = 0; sent < len;) {
		ssize_t n = p->ssl ? SSL_write(p->ssl, (const char *)bytes + sent, (int)(len - sent)) :
				     send(p->fd, (const char *)bytes + sent, len - sent, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		sent += (size_t)n;
	}
	return true;
}

void peer_half_close(struct peer *p)
{
	if (p->ssl)
		(void)SSL_shutdown(p->ssl);
	assert_int_equal(shutdown(p->fd, SHUT_WR), 0);
}

/* 0 or less: closed. */
static ssize_t receive(struct peer *p, char *out, size_t len, int flags)
{
	ssize_t n;

	errno = 0;
	n = p->ssl ? SSL_read(p->ssl, out, (int)len) : recv(p->fd, out, len, flags);
	if (n < 0 && !flags && errno == EAGAIN)
		fail_msg("the server neither answers nor closes");
	return n;
}

size_t peer_read_some(struct peer *p, char *out, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len && (n = receive(p, out + at, len - at, 0)) > 0)
		at += (size_t)n;
	return at;
}

size_t peer_read(struct peer *p, char *out, size_t cap)
{
	size_t len = peer_read_some(p, out, cap - 1);

	assert_true(len < cap - 1);
	out[len] = '\0';
	return len;
}

bool peer_closed(struct peer *p)
{
	char bytes[4096];
	ssize_t n;

	/* below TLS: what a server that closes says first does not matter */
	while ((n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
		;
	return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void peer_close(struct peer *p)
{
	SSL_free(p->ssl);
	p->ssl = NULL;
	ERR_clear_error();
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

void peer_reset(struct peer *p)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	peer_close(p);
}
