/* pki: certificates, as an organisation makes them. */
#ifndef TESTS_SERVER_PKI_H
#define TESTS_SERVER_PKI_H

#include "tests/shell.h"

#define PKI_EC "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

static inline void pki_authority(const char *dir, const char *name)
{
	shell_must("openssl req -x509 " PKI_EC " -days 30 -subj '/CN=%s' -keyout %s/%s.key -out %s/%s.crt", name, dir, name, dir, name);
}

/* NAME.crt and NAME.key, and both in NAME.pem; its extensions are in NAME.ext. */
static inline void pki_certificate(const char *dir, const char *ca, const char *name, const char *subject)
{
	shell_must("cd %s && openssl req " PKI_EC " -subj '/O=works/CN=%.20s' -keyout %s.key -out %s.csr &&"
		   " openssl x509 -req -in %s.csr -CA %s.crt -CAkey %s.key -CAcreateserial -days 30 -extfile %s.ext -out %s.crt &&"
		   " cat %s.crt %s.key > %s.pem",
		   dir, subject, name, name, name, ca, ca, name, name, name, name, name);
}

#endif
