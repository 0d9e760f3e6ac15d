/* hex: lower-case hexadecimal text, and the URL-safe base64 of RFC 4648 section 5 without padding. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stdbool.h>

#include "base/err.h"

void hex_encode(char *out, const void *bytes, size_t len);      /* writes 2 * len + 1 chars */
bool hex_decode(void *out, size_t len, const char *hex, size_t hex_len);        /* false unless hex_len == 2 * len, all digits; either case */

/* Both return the length written; out has room for the worst case plus a NUL. */
#define BASE64URL_LEN(n) (((n) * 4 + 2) / 3)
size_t base64url_encode(char *out, const void *bytes, size_t len);
int base64url_decode(void *out, size_t cap, const char *text, size_t len);      /* bytes written, or -1 */
int base64_decode(void *out, size_t cap, const char *text, size_t len);         /* RFC 4648 section 4, padded; bytes written or -1 */

#endif
