/*
 * number: strict text to integers, as command lines and configuration write them.
 *
 * The whole text must be the number: no blanks, no plus sign, no overflow.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

bool number_parse(int64_t *out, const char *text);              /* decimal, may be negative */
bool number_parse_seconds(int64_t *out, const char *text);      /* "90", "90s", "15m", "4h", "7d" */
bool number_parse_bytes(int64_t *out, const char *text);        /* "4096", "64K", "16M", "2G", powers of 1024 */

#endif
