/* cert: the server's certificate, made at first start when none is configured. */
#include "server/cert.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/file.h"

#define PEM_MAX 65536
#define TEN_YEARS ((int64_t)3650 * 86400)
#define BACKDATE 86400  /* clients with a slow clock */

AUTO_DEFINE(X509, X509 *, X509_free);
AUTO_DEFINE(EVP_PKEY, EVP_PKEY *, EVP_PKEY_free);
AUTO_DEFINE(BIO, BIO *, BIO_free_all);

static int failed(struct err *e, const char *what)
{
	unsigned long code = ERR_get_error();
	const char *why = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return err_set(e, ERR_FORMAT, "%s: %s", what, why ? why : "OpenSSL says no");
}

static int read_first(X509 **out, const char *cert_path, struct err *e)
{
	AUTO(buf) struct buf *pem = NULL;
	AUTO(BIO) BIO *bio = NULL;

	if (file_read(&pem, cert_path, PEM_MAX, e) < 0)
		return err_wrap(e, "certificate");
	bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	*out = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	return *out ? 0 : failed(e, cert_path);
}

int cert_pin(struct digest *out, const char *cert_path, struct err *e)
{
	AUTO(X509) X509 *cert = NULL;
	unsigned char *der = NULL;
	int len;

	if (read_first(&cert, cert_path, e) < 0)
		return e->code;
	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (len <= 0)
		return failed(e, cert_path);
	hash_bytes(out, der, (size_t)len);
	OPENSSL_free(der);
	return 0;
}

int cert_expires(int64_t *out, const char *cert_path, struct err *e)
{
	AUTO(X509) X509 *cert = NULL;
	struct tm tm;

	if (read_first(&cert, cert_path, e) < 0)
		return e->code;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		return failed(e, cert_path);
	*out = timegm(&tm);
	return 0;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *x;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	x = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = x && X509_add_ext(cert, x, -1);
	X509_EXTENSION_free(x);
	return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *host, int64_t now)
{
	unsigned char address[16], serial[16];
	bool ip = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	X509_NAME *name = X509_get_subject_name(cert);
	BIGNUM *number = NULL;
	char san[300];
	struct err e;
	bool ok;

	snprintf(san, sizeof san, "%s:%s", ip ? "IP" : "DNS", host);
	if (random_bytes(serial, sizeof serial, &e) < 0)
		return false;
	serial[0] = (unsigned char)((serial[0] & 0x3f) | 0x40);
	number = BN_bin2bn(serial, sizeof serial, NULL);
	ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) && X509_set_version(cert, 2) &&
	     ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now - BACKDATE)) &&
	     ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now + TEN_YEARS)) && X509_set_pubkey(cert, key) &&
	     X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"ringholdd", -1, -1, 0) &&
	     X509_set_issuer_name(cert, name) && add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	     add_extension(cert, NID_ext_key_usage, "serverAuth") && add_extension(cert, NID_subject_alt_name, san) &&
	     X509_sign(cert, key, EVP_sha256()) > 0;
	BN_free(number);
	return ok;
}

static int write_pem(const char *path, BIO *bio, mode_t mode, struct err *e)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	return file_replace(path, bytes, (size_t)len, mode, e);
}

int cert_make(const char *cert_path, const char *key_path, const char *host, int64_t now, struct err *e)
{
	AUTO(EVP_PKEY) EVP_PKEY *key = EVP_EC_gen("P-256");
	AUTO(X509) X509 *cert = X509_new();
	AUTO(BIO) BIO *key_pem = BIO_new(BIO_s_secmem());
	AUTO(BIO) BIO *cert_pem = BIO_new(BIO_s_mem());

	if (!key || !cert || !key_pem || !cert_pem || !fill(cert, key, host, now) ||
	    !PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) ||
	    !PEM_write_bio_X509(cert_pem, cert))
		return failed(e, "making the server's certificate");
	if (write_pem(key_path, key_pem, 0600, e) < 0 || write_pem(cert_path, cert_pem, 0644, e) < 0)
		return err_wrap(e, "making the server's certificate");
	return 0;
}

void cert_pin_text(char out[CERT_PIN_TEXT], const struct digest *pin)
{
	memcpy(out, "sha256//", 8);
	EVP_EncodeBlock((unsigned char *)out + 8, pin->bytes, sizeof pin->bytes);
}
