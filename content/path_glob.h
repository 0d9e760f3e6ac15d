/*
 * path_glob: patterns of authors over relative paths.
 *
 * `*` any characters of one segment, `?` one character of it, `**` as a whole
 * segment any number of segments, none included. Everything else is itself;
 * bytes, no locale. No recursion; at most segments x pattern x path steps.
 */
#ifndef CONTENT_PATH_GLOB_H
#define CONTENT_PATH_GLOB_H

#include <stdbool.h>

bool path_glob(const char *pattern, const char *path);

#endif
