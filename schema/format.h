/* format: what the keyword `format` can assert about a text. Pure, bounded by the text's length. */
#ifndef SCHEMA_FORMAT_H
#define SCHEMA_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

struct format {
	const char *name;
	bool (*fits)(const char *s, size_t len);
	const char *words;      /* "a date (2026-01-31)" */
};

/* NULL: nobody knows a format of that name. */
const struct format *format_find(const char *name);

/* ---- format_net.c ---- */

bool format_ipv4(const char *s, size_t len);            /* RFC 2673, 3.2: four decimal numbers without leading zeros */
bool format_ipv6(const char *s, size_t len);            /* RFC 4291, 2.2, without zone */
bool format_cidr(const char *s, size_t len);            /* either with "/" and the length of a prefix */
bool format_hostname(const char *s, size_t len);        /* RFC 1123: labels of letters, digits and inner hyphens */
bool format_idn_hostname(const char *s, size_t len);    /* labels may hold characters beyond ASCII */
bool format_email(const char *s, size_t len);           /* RFC 5321 mailbox */
bool format_idn_email(const char *s, size_t len);       /* RFC 6531 */

/* ---- format_uri.c ---- */

bool format_uri(const char *s, size_t len);             /* RFC 3986, with a scheme */
bool format_uri_reference(const char *s, size_t len);
bool format_iri(const char *s, size_t len);             /* RFC 3987: the same with characters beyond ASCII */
bool format_iri_reference(const char *s, size_t len);
bool format_uri_template(const char *s, size_t len);    /* RFC 6570 */

#endif
