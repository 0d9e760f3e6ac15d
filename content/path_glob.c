/* path_glob: patterns of authors over relative paths. */
#include "content/path_glob.h"

#include <stddef.h>
#include <string.h>

/* "**" that is a whole segment, with the slash behind it when there is one. */
static size_t deep_star(const char *pattern, const char *start)
{
	if (strncmp(pattern, "**", 2) != 0 || (pattern != start && pattern[-1] != '/'))
		return 0;
	return pattern[2] == '/' ? 3 : pattern[2] == '\0' ? 2 : 0;
}

/*
 * The usual two-pointer match, with two places to come back to: the last `*`
 * takes one character more as long as no slash is in the way, then the last
 * `**` takes one segment more.
 */
bool path_glob(const char *pattern, const char *path)
{
	const char *p = pattern, *s = path;
	const char *star = NULL, *star_s = NULL;
	const char *deep = NULL, *deep_s = NULL;

	for (;;) {
		size_t skip = deep_star(p, pattern);

		if (skip == 2)
			return *s != '\0';      /* "**" at the end: whatever is beneath */
		if (skip) {
			p += skip;
			deep = p;
			deep_s = s;
			star = NULL;
			continue;
		}
		if (*p == '*') {
			while (*p == '*')
				p++;
			star = p;
			star_s = s;
			continue;
		}
		if (!*p && !*s)
			return true;
		if (*s && (*p == *s || (*p == '?' && *s != '/'))) {
			p++;
			s++;
			continue;
		}
		if (star && *star_s && *star_s != '/') {
			p = star;
			s = ++star_s;
			continue;
		}
		if (!deep)
			return false;
		deep_s = strchr(deep_s, '/');
		if (!deep_s)
			return false;
		p = deep;
		s = ++deep_s;
		star = NULL;
	}
}
