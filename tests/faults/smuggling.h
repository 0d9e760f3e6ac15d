/*
 * smuggling: requests whose end two readers may see in different places, so
 * that what one takes for a body is to the other a request of somebody else.
 * A proxy in front of us may be any of the two.
 */
#ifndef TESTS_FAULTS_SMUGGLING_H
#define TESTS_FAULTS_SMUGGLING_H

#include <stddef.h>

struct smuggled {
	const char *what;
	const char *bytes;
	size_t len;
	int status;             /* of the answer, the only one, after which the connection is closed */
};

/* Follows each of them on its connection, and must never be answered. */
#define SMUGGLED_HIDDEN "GET /healthz?hidden HTTP/1.1\r\nHost: h\r\n\r\n"

extern const struct smuggled smuggled[];
extern const size_t smuggled_count;

#endif
