/* text: writing small files of key=value lines in /run. */
#include "boot/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot/report.h"

void text_add(struct text *t, const char *key, const char *value)
{
	size_t need = strlen(key) + strlen(value) + 2;

	if (t->full || need >= sizeof t->bytes - t->len) {
		t->full = true;
		return;
	}
	t->len += (size_t)sprintf(t->bytes + t->len, "%s=", key);
	for (; *value; value++)
		t->bytes[t->len++] = *value >= 0x20 && *value < 0x7f ? *value : '?';
	t->bytes[t->len++] = '\n';
	t->bytes[t->len] = '\0';
}

void text_add_number(struct text *t, const char *key, int64_t value)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%lld", (long long)value);
	text_add(t, key, digits);
}

void text_add_digest(struct text *t, const char *key, const uint8_t digest[BOOT_DIGEST_LEN])
{
	char hex[BOOT_DIGEST_HEX_LEN + 1] = "";

	if (!boot_digest_empty(digest))
		boot_digest_hex(hex, digest);
	text_add(t, key, hex);
}

int text_replace(int dir, const char *name, const void *bytes, size_t len, struct boot_report *why)
{
	char temp[64];
	ssize_t n;
	int fd;

	snprintf(temp, sizeof temp, ".%s.%d", name, (int)getpid());
	unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return report_errno(why, "%s: create", name);
	n = write(fd, bytes, len);
	close(fd);
	if (n == (ssize_t)len && renameat(dir, temp, dir, name) == 0)
		return 0;
	if (n >= 0 && n != (ssize_t)len)
		errno = ENOSPC;
	report_errno(why, "%s: write", name);
	unlinkat(dir, temp, 0);
	return -1;
}

int text_write(const struct text *t, int dir, const char *name, struct boot_report *why)
{
	if (t->full)
		return report_set(why, "%s: more than %d bytes", name, TEXT_MAX);
	return text_replace(dir, name, t->bytes, t->len, why);
}
