/* uri: references of RFC 3986, taken apart and resolved. Nothing is normalized but dot segments. Pure. */
#ifndef SCHEMA_URI_H
#define SCHEMA_URI_H

#include <stdbool.h>
#include <stddef.h>

#define URI_MAX 2048            /* bytes with the NUL */

struct uri_part {
	const char *text;       /* NULL: there is none, which is not the same as an empty one */
	size_t len;
};

struct uri {
	struct uri_part scheme, authority, path, query, fragment;      /* without their ":", "//", "?" and "#" */
};

/* By the delimiters alone: whether each part is well-formed is another question. path is never NULL. */
void uri_split(struct uri *u, const char *text, size_t len);

/* ref against base (RFC 3986, 5.2), without its fragment; base may be "" or relative. False: longer than URI_MAX. */
bool uri_resolve(char out[URI_MAX], const char *base, const char *ref, size_t len);

#endif
