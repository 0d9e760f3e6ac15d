/* http_tag: entity tags in conditions. */
#include <string.h>

#include "server/http.h"

bool http_tag_matches(const char *header, const char *version)
{
	size_t len = strlen(version);

	if (strcmp(header, "*") == 0)
		return true;
	for (const char *at = header; *at; at += strspn(at, ", \t")) {
		size_t word = strcspn(at, ",");

		if (word >= len + 2 && at[0] == '"' && memcmp(at + 1, version, len) == 0 && at[len + 1] == '"' &&
		    strspn(at + len + 2, " \t") == word - len - 2)
			return true;
		at += word;
	}
	return false;
}
