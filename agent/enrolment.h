/* enrolment: the string `rh1:<host>:<port>:<base64url SHA-256 of SPKI>:<token>`. */
#ifndef AGENT_ENROLMENT_H
#define AGENT_ENROLMENT_H

#include "base/err.h"

struct enrolment {
	char server[300];       /* "https://host:port" */
	char pin[64];           /* "sha256//<base64>" */
	char token[512];
};

/* Surrounding white space is ignored. The error never quotes the token. Pure. */
int enrolment_parse(struct enrolment *out, const char *text, struct err *e) MUST_CHECK;

#endif
