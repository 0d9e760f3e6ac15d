/* client_cert: which machine a client certificate says it is. */
#include "server/client_cert.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/number.h"

#define SUBJECT_MAX (CLIENT_IDENTITY_MAX - DIGEST_HEX_LEN - 2)

struct client_ca {
	X509_STORE *store;
};

AUTO_DEFINE(X509, X509 *, X509_free);
AUTO_DEFINE(BIO, BIO *, BIO_free_all);

static int refused(struct err *e, int code, const char *what)
{
	unsigned long number = ERR_get_error();
	const char *why = number ? ERR_reason_error_string(number) : NULL;

	ERR_clear_error();
	return err_set(e, code, "%s: %s", what, why ? why : "not as expected");
}

int client_ca_load(struct client_ca **out, const char *path, struct err *e)
{
	AUTO(client_ca) struct client_ca *ca = calloc(1, sizeof *ca);

	if (!ca || !(ca->store = X509_STORE_new()))
		return err_memory(e);
	if (X509_STORE_load_file(ca->store, path) != 1)
		return refused(e, ERR_FORMAT, path);
	*out = TAKE(ca);
	return 0;
}

void client_ca_free(struct client_ca *ca)
{
	if (!ca)
		return;
	X509_STORE_free(ca->store);
	free(ca);
}

/* ---- who ---- */

/* Printable ASCII; whatever else a name holds is escaped by OpenSSL. */
static void print_subject(char out[SUBJECT_MAX], X509_NAME *name)
{
	AUTO(BIO) BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	out[0] = '\0';
	if (!bio || X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_UTF8_CONVERT) < 0)
		return;
	len = BIO_get_mem_data(bio, &text);
	snprintf(out, SUBJECT_MAX, "%.*s", (int)MIN(len, SUBJECT_MAX - 1), text ? text : "");
}

/* Subject and alternative names, as they are encoded. */
static int say_who(char out[CLIENT_IDENTITY_MAX], X509 *cert, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();
	X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_get_ext_by_NID(cert, NID_subject_alt_name, -1);
	const ASN1_OCTET_STRING *names = at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(cert, at));
	char subject[SUBJECT_MAX], hex[DIGEST_HEX_LEN + 1];
	const unsigned char *der;
	struct digest d;
	size_t len;

	if (!h)
		return err_memory(e);
	if (X509_NAME_entry_count(name) == 0 && !names)
		return err_set(e, ERR_REFUSED, "the client certificate names nobody");
	if (X509_NAME_get0_der(name, &der, &len) != 1)
		return refused(e, ERR_FORMAT, "client certificate");
	hash_add(h, der, len);
	if (names)
		hash_add(h, ASN1_STRING_get0_data(names), (size_t)ASN1_STRING_length(names));
	hash_final(h, &d);
	digest_hex(hex, &d);
	print_subject(subject, name);
	snprintf(out, CLIENT_IDENTITY_MAX, "%s %s", hex, subject);
	return 0;
}

int client_cert_identity(char out[CLIENT_IDENTITY_MAX], const unsigned char *der, size_t len, struct err *e)
{
	AUTO(X509) X509 *cert = d2i_X509(NULL, &der, (long)len);

	return cert ? say_who(out, cert, e) : refused(e, ERR_FORMAT, "client certificate");
}

bool client_identity_same(const char *a, const char *b)
{
	return strlen(a) >= DIGEST_HEX_LEN && strncmp(a, b, DIGEST_HEX_LEN) == 0;
}

/* ---- what a proxy hands over ---- */

/* RFC 9440: one byte sequence of RFC 8941, ":BASE64:". */
static X509 *read_bytes(const char *value, size_t len)
{
	unsigned char der[CLIENT_CERT_HEADER_MAX];
	const unsigned char *at = der;
	size_t pads = len >= 2 && value[len - 1] == '=' ? 1 + (value[len - 2] == '=') : 0;
	X509 *cert;
	int got;

	if (len == 0 || len % 4 != 0 || strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") != len - pads)
		return NULL;
	got = EVP_DecodeBlock(der, (const unsigned char *)value, (int)len);
	if (got < (int)pads)
		return NULL;
	cert = d2i_X509(NULL, &at, got - (int)pads);
	/* nothing behind it */
	if (cert && at != der + got - pads) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* nginx's $ssl_client_escaped_cert. */
static X509 *read_escaped(const char *value)
{
	char pem[CLIENT_CERT_HEADER_MAX];
	AUTO(BIO) BIO *bio = NULL;
	size_t n = 0;

	for (const char *p = value; *p; p++) {
		if (*p != '%') {
			pem[n++] = *p;
			continue;
		}
		if (hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0)
			return NULL;
		pem[n++] = (char)(16 * hex_digit(p[1]) + hex_digit(p[2]));
		p += 2;
	}
	bio = BIO_new_mem_buf(pem, (int)n);
	return bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
}

static X509 *read_header(const char *value)
{
	size_t len = strlen(value);

	if (len < 2 || len >= CLIENT_CERT_HEADER_MAX)
		return NULL;
	if (value[0] == ':' && value[len - 1] == ':') {
		char text[CLIENT_CERT_HEADER_MAX];

		snprintf(text, sizeof text, "%.*s", (int)len - 2, value + 1);
		return read_bytes(text, len - 2);
	}
	return strncmp(value, "-----BEGIN", 10) == 0 ? read_escaped(value) : NULL;
}

static int vouched(const struct client_ca *ca, X509 *cert, struct err *e)
{
	X509_STORE_CTX *ctx = ca ? X509_STORE_CTX_new() : NULL;
	int got = 0;

	if (!ca)
		return err_set(e, ERR_AUTH, "nobody vouches for client certificates here");
	if (!ctx)
		return err_memory(e);
	if (X509_STORE_CTX_init(ctx, ca->store, cert, NULL) != 1 || X509_STORE_CTX_set_default(ctx, "ssl_client") != 1)
		got = err_memory(e);
	else if (X509_verify_cert(ctx) != 1)
		got = err_set(e, ERR_AUTH, "the client certificate does not count: %s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return got;
}

int client_cert_header(char out[CLIENT_IDENTITY_MAX], const struct client_ca *ca, const char *value, struct err *e)
{
	AUTO(X509) X509 *cert = read_header(value);

	ERR_clear_error();
	if (!cert)
		return err_set(e, ERR_FORMAT, "the proxy's header holds no certificate as RFC 9440 or nginx write one");
	return vouched(ca, cert, e) < 0 ? e->code : say_who(out, cert, e);
}

/* ---- whose header counts ---- */

struct network {
	unsigned char bytes[16];
	int family, bits;
};

static bool read_network(struct network *n, const char *text)
{
	const char *slash = strchr(text, '/');
	char address[64];
	int64_t bits;
	int most;

	if (snprintf(address, sizeof address, "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text) >= (int)sizeof address)
		return false;
	n->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	most = n->family == AF_INET6 ? 128 : 32;
	if (inet_pton(n->family, address, n->bytes) != 1)
		return false;
	if (!slash) {
		n->bits = most;
		return true;
	}
	if (!number_parse(&bits, slash + 1) || bits < 0 || bits > most)
		return false;
	n->bits = (int)bits;
	return true;
}

bool client_proxy_valid(const char *text)
{
	struct network n;

	return read_network(&n, text);
}

static bool inside(const struct network *n, const struct network *a)
{
	int whole = n->bits / 8, rest = n->bits % 8;

	if (n->family != a->family || memcmp(n->bytes, a->bytes, (size_t)whole) != 0)
		return false;
	return rest == 0 || (n->bytes[whole] ^ a->bytes[whole]) >> (8 - rest) == 0;
}

bool client_proxy_holds(char *const *networks, const char *address)
{
	struct network n, a;

	/* an IPv4 peer of a socket for both */
	if (strncmp(address, "::ffff:", 7) == 0 && strchr(address, '.'))
		address += 7;
	if (!read_network(&a, address))
		return false;
	for (; networks && *networks; networks++)
		if (read_network(&n, *networks) && inside(&n, &a))
			return true;
	return false;
}
