/* pki: certificates, as an organisation makes them. */
#ifndef TESTS_SERVER_PKI_H
#define TESTS_SERVER_PKI_H

#include "tests/test.h"

static inline void PRINTF_LIKE(1, 2) pki_shell(const char *fmt, ...)
{
	char line[1500];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (system(line) != 0)
		fail_msg("%s", line);
}

#define PKI_EC "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

static inline void pki_authority(const char *dir, const char *name)
{
	pki_shell("openssl req -x509 " PKI_EC " -days 30 -subj '/CN=%s' -keyout %s/%s.key -out %s/%s.crt 2>/dev/null", name, dir, name, dir, name);
}

/* NAME.crt and NAME.key, and both in NAME.pem; its extensions are in NAME.ext. */
static inline void pki_certificate(const char *dir, const char *ca, const char *name, const char *subject)
{
	pki_shell("cd %s && openssl req " PKI_EC " -subj '/O=works/CN=%.20s' -keyout %s.key -out %s.csr 2>/dev/null &&"
		  " openssl x509 -req -in %s.csr -CA %s.crt -CAkey %s.key -CAcreateserial -days 30 -extfile %s.ext -out %s.crt 2>/dev/null &&"
		  " cat %s.crt %s.key > %s.pem",
		  dir, subject, name, name, name, ca, ca, name, name, name, name, name);
}

#endif
