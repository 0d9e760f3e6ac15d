/* name: the syntax of labels and of safe relative paths. */
#include "base/name.h"

#include <string.h>

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_valid(const char *name, size_t len)
{
	if (len == 0 || len > NAME_LEN_MAX || !alnum(name[0]) || !alnum(name[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!alnum(name[i]) && name[i] != '-')
			return false;
	return true;
}

static bool path_char(char c)
{
	return alnum(c) || (c >= 'A' && c <= 'Z') || (c && strchr("._+@=,-", c));
}

bool name_path_valid(const char *path, size_t len)
{
	bool start = true;

	if (len == 0 || len > PATH_LEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (path[i] == '/') {
			if (start)
				return false;
			start = true;
			continue;
		}
		if (!path_char(path[i]) || (start && path[i] == '.'))
			return false;
		start = false;
	}
	return !start;
}
