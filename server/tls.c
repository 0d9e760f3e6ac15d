/* tls: TLS on the server's side, through OpenSSL memory BIOs. */
#include "server/tls.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/file.h"

#define KEY_MAX 65536           /* bytes of a PEM file */
#define PLAIN_CHUNK 16384       /* one TLS record */

struct tls_context {
	SSL_CTX *ctx;
};

struct tls {
	SSL *ssl;
	BIO *in, *out;          /* owned by ssl */
	bool ended;
};

static int refused(struct err *e, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return err_set(e, ERR_NET, "TLS: %s: %s", what, why ? why : "unknown reason");
}

/* The only protocol on offer; a client that names others only is told so in the handshake. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
			   unsigned int in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, sizeof ours - 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

/* Nobody sits before a server to type one. */
static int no_passphrase(char *out, int cap, int writing, void *arg)
{
	(void)out;
	(void)cap;
	(void)writing;
	(void)arg;
	return -1;
}

/* Read once: what was looked at for who may read it is what is used. */
static int use_key(SSL_CTX *ctx, const char *path, struct err *e)
{
	AUTO(buf) struct buf *pem = NULL;
	EVP_PKEY *key;
	BIO *bio;
	int got;

	if (file_read_secret(&pem, path, KEY_MAX, e) < 0)
		return e->code;
	bio = BIO_new_mem_buf(pem->data ? pem->data : "", (int)pem->len);
	key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	got = key ? SSL_CTX_use_PrivateKey(ctx, key) : 0;
	EVP_PKEY_free(key);
	BIO_free(bio);
	if (pem->data)
		OPENSSL_cleanse(pem->data, pem->len);
	return got == 1 ? 0 : refused(e, path);
}

int tls_context_new(struct tls_context **out, const char *cert_path, const char *key_path, struct err *e)
{
	AUTO(tls_context) struct tls_context *c = calloc(1, sizeof *c);

	if (!c)
		return err_memory(e);
	c->ctx = SSL_CTX_new(TLS_server_method());
	if (!c->ctx)
		return refused(e, "context");
	SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(c->ctx, choose_protocol, NULL);
	if (SSL_CTX_use_certificate_chain_file(c->ctx, cert_path) != 1)
		return refused(e, cert_path);
	if (use_key(c->ctx, key_path, e) < 0)
		return e->code;
	if (SSL_CTX_check_private_key(c->ctx) != 1)
		return refused(e, key_path);
	*out = TAKE(c);
	return 0;
}

int tls_ask_clients(struct tls_context *c, const char *ca_path, struct err *e)
{
	static const unsigned char session[] = "ringholdd";
	STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_path);

	if (!names || SSL_CTX_load_verify_file(c->ctx, ca_path) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return refused(e, ca_path);
	}
	SSL_CTX_set_client_CA_list(c->ctx, names);      /* takes them */
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_session_id_context(c->ctx, session, sizeof session - 1) != 1)
		return refused(e, "sessions");
	return 0;
}

unsigned char *tls_peer(const struct tls *t, size_t *len)
{
	X509 *cert = SSL_get_verify_result(t->ssl) == X509_V_OK ? SSL_get0_peer_certificate(t->ssl) : NULL;
	unsigned char *der = NULL, *out = NULL;
	int n = cert ? i2d_X509(cert, &der) : 0;

	if (n > 0 && (out = malloc((size_t)n))) {
		memcpy(out, der, (size_t)n);
		*len = (size_t)n;
	}
	OPENSSL_free(der);
	return out;
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}

struct tls *tls_new(struct tls_context *c)
{
	struct tls *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->ssl = SSL_new(c->ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	if (!t->ssl || !t->in || !t->out) {
		BIO_free(t->in);
		BIO_free(t->out);
		SSL_free(t->ssl);
		free(t);
		return NULL;
	}
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_accept_state(t->ssl);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	free(t);
}

bool tls_established(const struct tls *t)
{
	return SSL_is_init_finished(t->ssl) != 0;
}

bool tls_ended(const struct tls *t)
{
	return t->ended;
}

int tls_receive(struct tls *t, const void *bytes, size_t len, struct buf *plain, struct err *e)
{
	ERR_clear_error();
	if (BIO_write(t->in, bytes, (int)len) != (int)len)
		return err_memory(e);
	for (;;) {
		char *at = buf_grow(plain, PLAIN_CHUNK);
		int n;

		if (!at)
			return err_set(e, ERR_LIMIT, "TLS: more bytes than the connection may hold");
		n = SSL_read(t->ssl, at, PLAIN_CHUNK);
		if (n > 0) {
			plain->len += (size_t)n;
			continue;
		}
		at[0] = '\0';
		switch (SSL_get_error(t->ssl, n)) {
		case SSL_ERROR_WANT_READ:
		case SSL_ERROR_WANT_WRITE:
			return 0;
		case SSL_ERROR_ZERO_RETURN:
			t->ended = true;
			return 0;
		default:
			return refused(e, "the peer breaks the protocol");
		}
	}
}

int tls_send(struct tls *t, const void *bytes, size_t len, struct err *e)
{
	ERR_clear_error();
	if (len > 0 && SSL_write(t->ssl, bytes, (int)len) != (int)len)
		return refused(e, "write");
	return 0;
}

void tls_goodbye(struct tls *t)
{
	ERR_clear_error();
	if (tls_established(t))
		(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

void tls_drain(struct tls *t, struct buf *out)
{
	size_t waiting = BIO_ctrl_pending(t->out);
	char *at = waiting ? buf_grow(out, waiting) : NULL;

	if (at) {
		int n = BIO_read(t->out, at, (int)waiting);

		if (n > 0)
			out->len += (size_t)n;
		out->data[out->len] = '\0';
	}
}
