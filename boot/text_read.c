/* text_read: reading small files of key=value lines; the boot guard has none of this. */
#include "boot/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/report.h"

int text_read(struct text *t, int dir, const char *name, struct boot_report *why)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return report_errno(why, "%s: open", name);
	n = read(fd, t->bytes, sizeof t->bytes);
	if (n < 0)
		report_errno(why, "%s: read", name);
	close(fd);
	if (n < 0)
		return -1;
	if (n == 0 || (size_t)n == sizeof t->bytes || memchr(t->bytes, '\0', (size_t)n) ||
	    t->bytes[n - 1] != '\n')
		return report_set(why, "%s: not lines of key=value", name);
	t->len = (size_t)n;
	t->bytes[n] = '\0';
	t->full = false;
	return 1;
}

bool text_get(const struct text *t, const char *key, char *out, size_t cap)
{
	size_t key_len = strlen(key);

	for (const char *line = t->bytes; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");

		if (len <= key_len || memcmp(line, key, key_len) != 0 || line[key_len] != '=')
			continue;
		line += key_len + 1;
		len -= key_len + 1;
		if (len >= cap)
			return false;
		memcpy(out, line, len);
		out[len] = '\0';
		return true;
	}
	return false;
}

bool text_get_number(const struct text *t, const char *key, int64_t *out)
{
	char digits[24], *end;

	if (!text_get(t, key, digits, sizeof digits) || !*digits)
		return false;
	errno = 0;
	*out = strtoll(digits, &end, 10);
	return !*end && !errno;
}

bool text_get_digest(const struct text *t, const char *key, uint8_t out[BOOT_DIGEST_LEN])
{
	char hex[BOOT_DIGEST_HEX_LEN + 1];

	if (!text_get(t, key, hex, sizeof hex))
		return false;
	memset(out, 0, BOOT_DIGEST_LEN);
	return !*hex || boot_digest_parse(out, hex, strlen(hex));
}

bool text_get_name(const struct text *t, const char *key, const char *(*name)(unsigned value),
		   unsigned count, unsigned *out)
{
	char word[32];

	if (!text_get(t, key, word, sizeof word))
		return false;
	for (*out = 0; *out < count; ++*out)
		if (!strcmp(word, name(*out)))
			return true;
	return false;
}
