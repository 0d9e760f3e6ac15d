/* name: the syntax of channel, ring and host labels and of safe relative paths, and the lengths that documents share. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_LEN_MAX 64         /* characters */
#define PATH_LEN_MAX 240        /* characters of a relative path: what ustar's prefix and name surely hold */
#define VERSION_LEN_MAX 64      /* bytes of a version that people read: manifests and assignments hold the same */
#define RULE_LEN_MAX 128        /* bytes of a rule's id: what content may use (YARA allows as much), an assignment may drop */

bool name_valid(const char *name, size_t len);          /* [a-z0-9]([a-z0-9-]{0,62}[a-z0-9])? */

/*
 * Relative, '/'-separated, 1 to PATH_LEN_MAX of [A-Za-z0-9._+@=,-] per
 * segment; no empty, "." or ".." segment, none that begins with a dot.
 */
bool name_path_valid(const char *path, size_t len);

#endif
